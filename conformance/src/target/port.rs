use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
};

use parking_lot::Mutex;

/// Below those that systems give to connections (Linux: from 32768 on), of which any may be taken between the moment
/// it is found free and that when the target listens.
const PORTS: RangeInclusive<u16> = 10_000..=32_000;

/// After so many that are taken, there is hardly a free one.
const TRIES: usize = 1_000;

/// A port of loopback that nobody listens on, and that was not given out before.
pub(crate) fn free_port() -> Option<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    (0..TRIES)
        .map(|_| rand::random_range(PORTS))
        .find(|port| !is_taken(*port) && GIVEN.lock().insert(*port))
}

/// Whether somebody listens there.
pub(crate) fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_new_and_never_those_of_connections() {
        let mut given = BTreeSet::new();
        for _ in 0..100 {
            let port = free_port().unwrap();
            assert!(port < 32_768 && given.insert(port), "{port}");
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(is_taken(listener.local_addr().unwrap().port()));
    }
}
