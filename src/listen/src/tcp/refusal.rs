//! Why a connection is about to close, as REFUSE tells it.

use genims_decode::frame::{FrameError, RefuseCode};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: RefuseCode,
    /// 0 when no DATA frame is at fault.
    pub(super) sequence: u64,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: RefuseCode, sequence: u64, message: impl Into<String>) -> Self {
        Self { code, sequence, message: message.into() }
    }

    pub(super) fn protocol(message: impl Into<String>) -> Self {
        Self::new(RefuseCode::Protocol, 0, message)
    }

    pub(super) fn busy(why: &str) -> Self {
        Self::new(RefuseCode::Busy, 0, format!("{why}; connect again later, with growing pauses"))
    }

    pub(super) fn taken_over() -> Self {
        Self::new(RefuseCode::TakenOver, 0, "a newer connection uses this client id")
    }
}

impl From<FrameError> for Refusal {
    fn from(error: FrameError) -> Self {
        Self::new(error.refuse_code(), 0, error.to_string())
    }
}
