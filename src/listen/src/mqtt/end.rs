//! Why a connection ends, and what that means for its client.

use super::packet::{Fault, reason};

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// What v5 clients are told.
    pub(super) fault: Option<Fault>,
    pub(super) fires_will: bool,
    /// What is open is waited for and acknowledged first.
    pub(super) drains: bool,
}

impl End {
    /// The connection broke.
    pub(super) const LOST: Self = Self { fault: None, fires_will: true, drains: false };
    /// The client has closed its side, and may still read.
    pub(super) const CLOSED: Self = Self { fault: None, fires_will: true, drains: true };
    pub(super) const SHUTDOWN: Self = Self {
        fault: Some(Fault::new(reason::SERVER_SHUTTING_DOWN, "the server shuts down; connect again later")),
        fires_will: false,
        drains: true,
    };
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        // Who is to send the rest again later is told first what is stored.
        Self { fault: Some(fault), fires_will: true, drains: fault.reason == reason::QUOTA_EXCEEDED }
    }
}
