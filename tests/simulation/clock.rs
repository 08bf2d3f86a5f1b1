//! The time of a run: the runtime's paused clock, counted from a fixed day far from today.

use std::cell::Cell;
use tokio::time::Instant;

/// 2096. Whatever still asked the real clock would be noticed.
const BEGIN_US: i64 = 4_000_000_000_000_000;

thread_local! {
    static STARTED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Call inside the runtime, first of all.
pub(crate) fn start() {
    STARTED.set(Some(Instant::now()));
    genims_model::clock::simulated::set_clock(Some(now_us));
}

pub(crate) fn now_us() -> i64 {
    BEGIN_US + STARTED.get().map_or(0, |started| started.elapsed().as_micros() as i64)
}
