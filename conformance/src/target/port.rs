//! Picks ports for targets.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
};

use parking_lot::Mutex;

/// The ports to pick from. They are below the ephemeral ports (from 32768 on Linux), because an outgoing
/// connection could take an ephemeral port before the target listens on it.
const PORTS: RangeInclusive<u16> = 10_000..=32_000;

/// How many random ports to try.
const TRIES: usize = 1_000;

/// Returns a free loopback port that was not returned before, or `None` if there seems to be none.
pub(crate) fn free_port() -> Option<u16> {
    static RETURNED: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    (0..TRIES)
        .map(|_| rand::random_range(PORTS))
        .find(|port| !is_taken(*port) && RETURNED.lock().insert(*port))
}

/// Returns whether a loopback port is in use.
pub(crate) fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_new_ports_below_the_ephemeral_range() {
        let mut returned = BTreeSet::new();
        for _ in 0..100 {
            let port = free_port().unwrap();
            assert!(port < 32_768 && returned.insert(port), "{port}");
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(is_taken(listener.local_addr().unwrap().port()));
    }
}
