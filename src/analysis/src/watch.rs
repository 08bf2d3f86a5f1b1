//! One limit watched with hysteresis in time and value: what went beyond it must come well inside again.
//!
//! [`OPEN_AFTER`] readings in a row beyond the limit open, [`CLOSE_AFTER`] in a row well inside close. A value that dances
//! on the limit therefore changes nothing more than once.

use genims_catalogue::Limits;

pub(crate) const OPEN_AFTER: u8 = 3;
pub(crate) const CLOSE_AFTER: u8 = 5;
const MARGIN: f64 = 0.02;

/// One limit of one sensor.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    run: u8,
    first_us: i64,
    pub(crate) open_since_us: Option<i64>,
}

/// What a reading did to a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Opened { start_us: i64 },
    Closed { start_us: i64 },
}

impl Watch {
    /// Open since then, as before a restart.
    pub(crate) fn open_since(start_us: i64) -> Self {
        Self { open_since_us: Some(start_us), ..Self::default() }
    }

    pub(crate) fn see(&mut self, timestamp_us: i64, beyond: bool, well_inside: bool) -> Option<Change> {
        match self.open_since_us {
            None if beyond => {
                if self.run == 0 {
                    self.first_us = timestamp_us;
                }
                self.run += 1;
                if self.run < OPEN_AFTER {
                    return None;
                }
                self.run = 0;
                self.open_since_us = Some(self.first_us);
                Some(Change::Opened { start_us: self.first_us })
            }
            Some(start_us) if well_inside => {
                self.run += 1;
                if self.run < CLOSE_AFTER {
                    return None;
                }
                *self = Self::default();
                Some(Change::Closed { start_us })
            }
            _ => {
                self.run = 0;
                None
            }
        }
    }
}

/// How far inside a limit a value is well inside: 2 % of the measuring range, or of the limit's own size.
pub(crate) fn margin(limits: &Limits, limit: f64) -> f64 {
    match (limits.range_min, limits.range_max) {
        (Some(min), Some(max)) if max > min => (max - min) * MARGIN,
        _ => limit.abs() * MARGIN,
    }
}
