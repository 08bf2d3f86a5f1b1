//! The wall clock. Pure rooms get the time as an argument instead (`tests/layers`).

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970 UTC, now.
pub fn now_us() -> i64 {
    #[cfg(feature = "simulation")]
    if let Some(clock) = simulated::clock() {
        return clock();
    }
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// A clock of the calling thread alone.
#[cfg(feature = "simulation")]
pub mod simulated {
    use std::cell::Cell;

    thread_local! {
        static CLOCK: Cell<Option<fn() -> i64>> = const { Cell::new(None) };
    }

    pub(super) fn clock() -> Option<fn() -> i64> {
        CLOCK.get()
    }

    pub fn set_clock(clock: Option<fn() -> i64>) {
        CLOCK.set(clock);
    }
}
