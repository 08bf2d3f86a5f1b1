//! The order of the work, the time that is left for it, and what is worth it.

use chrono::{DateTime, Utc};
use std::time::Duration;

/// A file of which less is free is left alone.
pub(super) const WORTH_BYTES: u64 = 8 << 20;
/// A half of a file is most of it.
pub(super) const MOSTLY: u64 = 2;
/// Where no window ends no statement takes longer.
const ENDLESS: Duration = Duration::from_secs(86_400);

/// What the second finds depends on what the first did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    First,
    Second,
}

impl Round {
    pub(super) const ALL: [Self; 2] = [Self::First, Self::Second];
}

/// Until when there is time.
pub(super) struct Deadline<'a> {
    pub(super) clock: &'a dyn Fn() -> DateTime<Utc>,
    pub(super) end: Option<DateTime<Utc>>,
}

impl Deadline<'_> {
    /// None when it has passed.
    pub(super) fn left(&self) -> Option<Duration> {
        let Some(end) = self.end else { return Some(ENDLESS) };
        (end - (self.clock)()).to_std().ok().filter(|left| !left.is_zero())
    }
}

pub(super) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_leaves_what_is_left_of_it() {
        let at = |second| DateTime::from_timestamp(second, 0).expect("a moment");
        let left = |end: Option<i64>, now: i64| Deadline { clock: &|| at(now), end: end.map(at) }.left();
        assert_eq!(left(Some(60), 50), Some(Duration::from_secs(10)));
        assert_eq!([left(Some(60), 60), left(Some(60), 61)], [None, None]);
        assert_eq!(left(None, 61), Some(ENDLESS));
    }
}
