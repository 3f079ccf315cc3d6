//! A map with a size limit, so that clients cannot make memory use grow without bound.

use std::collections::{HashMap, VecDeque};

/// A map of at most `capacity` entries. Beyond that, a new entry replaces the oldest.
#[derive(Debug)]
pub(crate) struct BoundedMap<V> {
    entries: HashMap<String, V>,
    /// The keys in order of insertion.
    order: VecDeque<String>,
    capacity: usize,
}

impl<V> BoundedMap<V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            capacity,
        }
    }

    /// Inserts an entry. A replaced entry keeps its age.
    pub(crate) fn insert(&mut self, key: String, value: V) {
        if self.entries.insert(key.clone(), value).is_some() {
            return;
        }
        self.order.push_back(key);
        while self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.entries.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<V> {
        let removed = self.entries.remove(key)?;
        self.order.retain(|existing| existing != key);
        Some(removed)
    }

    /// Returns the values in order of insertion.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.order.iter().filter_map(|key| self.entries.get(key))
    }

    /// Returns the values in no particular order.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_is_dropped() {
        let mut map = BoundedMap::new(2);
        for key in ["a", "b", "a", "c"] {
            map.insert(key.to_owned(), key);
        }
        assert_eq!(map.values().copied().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(map.remove("b"), Some("b"));
        map.insert("d".to_owned(), "d");
        map.insert("e".to_owned(), "e");
        assert_eq!(map.values().copied().collect::<Vec<_>>(), ["d", "e"]);
        assert_eq!(map.get("c"), None);
    }
}
