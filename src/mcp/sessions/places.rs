//! How many sessions there are, and whose.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Room for sessions.
#[derive(Debug)]
pub(super) struct Places {
    per_user: usize,
    in_all: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    by_subject: HashMap<Arc<str>, usize>,
}

/// Why there's no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The user has as many sessions as one may have.
    User,
    /// There are as many as the server holds.
    All,
}

impl Places {
    /// Room for `in_all` sessions, `per_user` of each.
    pub(super) fn new(per_user: usize, in_all: usize) -> Self {
        Self {
            per_user,
            in_all,
            taken: Mutex::default(),
        }
    }

    /// Takes a place for `subject`; it's free again when the [`Place`] is dropped.
    ///
    /// # Errors
    /// When there's none.
    pub(super) fn take(self: &Arc<Self>, subject: &str) -> Result<Place, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.by_subject.get(subject).copied().unwrap_or_default() >= self.per_user {
            return Err(Full::User);
        }
        if taken.in_all >= self.in_all {
            return Err(Full::All);
        }
        let subject: Arc<str> = subject.into();
        taken.in_all += 1;
        *taken.by_subject.entry(Arc::clone(&subject)).or_default() += 1;
        metrics::gauge!("clerk_mcp_sessions").increment(1);
        Ok(Place {
            places: Arc::clone(self),
            subject,
        })
    }
}

/// A place that is taken.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    subject: Arc<str>,
}

impl Place {
    /// Whose it is.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.in_all = taken.in_all.saturating_sub(1);
        if let Some(count) = taken.by_subject.get_mut(&self.subject) {
            *count = count.saturating_sub(1);
            // Whoever has none is forgotten, or the table would grow with every user there ever was.
            if *count == 0 {
                taken.by_subject.remove(&self.subject);
            }
        }
        metrics::gauge!("clerk_mcp_sessions").decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_per_user_and_in_all_and_come_back() {
        let places = Arc::new(Places::new(2, 3));
        let first = places.take("ada").unwrap();
        let _second = places.take("ada").unwrap();
        assert_eq!(places.take("ada").unwrap_err(), Full::User);
        let _third = places.take("alan").unwrap();
        assert_eq!(places.take("grace").unwrap_err(), Full::All);
        drop(first);
        let fourth = places.take("grace").unwrap();
        drop(fourth);
        assert!(!places.taken.lock().unwrap().by_subject.contains_key("grace"));
    }
}
