//! What fails on the simulated disk until the process dies; EIO above all: which calls may, and how probably.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::io;

const EIO: i32 = 5;

#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Operations until everything fails as if the process had died.
    pub(super) crash_in: Option<u64>,
    pub(super) fail_syncs: bool,
    pub(super) errors: Errors,
    /// How probably a sync finds no more room; what it should have kept is lost.
    pub(super) full_at_sync: f64,
    pub(super) no_handles: bool,
}

/// What may answer EIO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A file is opened or made, a directory listed.
    Open,
    Read,
    /// Into a file, or its length; a part of the bytes may have been written.
    Write,
    /// A name goes or changes.
    Name,
}

impl Call {
    pub const ALL: [Self; 4] = [Self::Open, Self::Read, Self::Write, Self::Name];
}

/// How probably each call fails.
#[derive(Debug, Default)]
pub(super) struct Errors([f64; Call::ALL.len()]);

impl Errors {
    pub(super) fn set(&mut self, call: Call, probability: f64) {
        self.0[call as usize] = probability;
    }

    pub(super) fn any(&self) -> bool {
        self.0.iter().any(|probability| *probability > 0.0)
    }

    pub(super) fn check(&self, call: Call, rng: &mut ChaCha8Rng) -> io::Result<()> {
        let probability = self.0[call as usize];
        if probability > 0.0 && rng.random_bool(probability) { Err(io::Error::from_raw_os_error(EIO)) } else { Ok(()) }
    }
}
