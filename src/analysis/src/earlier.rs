//! What a sensor remembers from before it got its present number: one window for each earlier number. A resend is
//! recognised whichever number it was taken under; the windows of different identities (machine, unit) never mix.
//!
//! - An earlier window goes when a sensor that had kept its number would have forgotten its last reading as well.
//! - At most [`NUMBERS_MAX`] are kept; the oldest gives way.

use crate::window::{Bounds, Known, WINDOW_US, Window, WindowStats};
use genims_model::SensorNo;

const NUMBERS_MAX: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Earlier(Vec<(SensorNo, Window)>);

impl Earlier {
    /// Keeps the window of a number that the sensor had until now.
    pub(crate) fn keep(&mut self, no: SensorNo, window: Window) {
        if window.held() > 0 {
            *self.window(no) = window;
        }
    }

    pub(crate) fn known(&self, timestamp_us: i64, value: f64) -> Known {
        let mut known = Known::No;
        for (_, window) in &self.0 {
            match window.known(timestamp_us, value) {
                Known::Same => return Known::Same,
                Known::OtherValue => known = Known::OtherValue,
                Known::No => {}
            }
        }
        known
    }

    /// A reading that was taken, or is taken late, under an earlier number.
    pub(crate) fn insert(&mut self, no: SensorNo, timestamp_us: i64, value: f64, bounds: Bounds) -> WindowStats {
        self.window(no).insert(timestamp_us, value, bounds)
    }

    pub(crate) fn forget_behind(&mut self, present: &Window, bounds: Bounds) {
        if self.0.is_empty() || present.held() < bounds.keep_min {
            return;
        }
        let Some(live_from_us) = present.newest_us().map(|newest| newest.saturating_sub(WINDOW_US)) else { return };
        self.0.retain(|(_, window)| window.newest_us().is_some_and(|newest| newest > live_from_us));
    }

    fn window(&mut self, no: SensorNo) -> &mut Window {
        let place = self.0.iter().position(|(known, _)| *known == no).unwrap_or_else(|| {
            if self.0.len() == NUMBERS_MAX {
                self.0.remove(0);
            }
            let place = self.0.partition_point(|(known, _)| known.0 < no.0);
            self.0.insert(place, (no, Window::default()));
            place
        });
        &mut self.0[place].1
    }
}
