//! Ports on 127.0.0.1.
//!
//! Chosen below the range from which Linux takes the ports of outgoing connections (32768 and up): inside it, a client
//! that keeps dialling a stopped server's port can be given that very port as its own, connects to itself, and the
//! server cannot come back.

use super::error::{DevstackError, Result};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

const PORT_FIRST: u16 = 20_000;
const PORT_LAST: u16 = 31_999;
/// Far more than a machine with a few hundred listeners ever needs.
const PICKS_MAX: u32 = 500;

pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A free port that is none of `taken`, and that this process has not been given before: a server that is down for a moment
/// finds its own again.
pub fn free_port(taken: &[u16]) -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock();
    let port = (0..PICKS_MAX)
        .map(|_| rand::random_range(PORT_FIRST..=PORT_LAST))
        .find(|port| !taken.contains(port) && !given.contains(port) && is_free(*port))
        .ok_or(DevstackError::NoPort { first: PORT_FIRST, last: PORT_LAST })?;
    given.insert(port);
    Ok(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice_though_nobody_listens_there() {
        let given: BTreeSet<u16> = (0..200).map(|_| free_port(&[]).unwrap()).collect();
        assert_eq!(given.len(), 200);
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_free() {
        let port = free_port(&[]).unwrap();
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(!is_free(port));
        drop(held);
        assert!(is_free(port));
    }
}
