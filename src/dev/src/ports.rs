//! Ports on 127.0.0.1.
//!
//! Chosen below the range from which Linux takes the ports of outgoing connections (32768 and up): inside it, a client
//! that keeps dialling a stopped server's port can be given that very port as its own, connects to itself, and the
//! server cannot come back.

use super::error::{DevstackError, Result};
use std::net::{Ipv4Addr, TcpListener};

const PORT_FIRST: u16 = 20_000;
const PORT_LAST: u16 = 31_999;
/// Far more than a machine with a few hundred listeners ever needs.
const PICKS_MAX: u32 = 500;

pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A free port that is none of `taken`.
pub fn free_port(taken: &[u16]) -> Result<u16> {
    (0..PICKS_MAX)
        .map(|_| rand::random_range(PORT_FIRST..=PORT_LAST))
        .find(|port| !taken.contains(port) && is_free(*port))
        .ok_or(DevstackError::NoPort { first: PORT_FIRST, last: PORT_LAST })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_somebody_listens_on_is_not_free() {
        let port = free_port(&[]).unwrap();
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(!is_free(port));
        drop(held);
        assert!(is_free(port));
    }
}
