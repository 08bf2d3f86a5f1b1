//! Wall-clock microseconds that never step back: the system time at start plus a monotonic clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Copies share the origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    origin_us: i64,
}

impl Clock {
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { origin: Instant::now(), origin_us: since_epoch.as_micros() as i64 }
    }

    /// Microseconds since 1970 UTC.
    pub fn now_us(&self) -> i64 {
        self.origin_us + self.origin.elapsed().as_micros() as i64
    }

    /// The tokio instant at which `now_us` will read `at_us`.
    pub fn instant(&self, at_us: i64) -> tokio::time::Instant {
        let after = u64::try_from(at_us - self.origin_us).unwrap_or(0);
        tokio::time::Instant::from_std(self.origin + Duration::from_micros(after))
    }
}

pub fn seconds_between(from_us: i64, to_us: i64) -> f64 {
    (to_us - from_us).max(0) as f64 / 1e6
}
