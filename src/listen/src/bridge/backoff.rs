//! Pauses between attempts: exponential, with full jitter, so that many bridges do not come back in step.

use rand::RngExt;
use std::time::Duration;

/// Doublings beyond this would overflow, and are far above any sensible maximum.
const DOUBLINGS_MAX: u32 = 20;

#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        let min = min.max(Duration::from_millis(1));
        Self { min, max: max.max(min), failures: 0 }
    }

    /// The upper bound of the next pause.
    fn bound(&self) -> Duration {
        self.min.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX)).min(self.max)
    }

    /// The next pause: anything from nothing to the bound.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.bound().mul_f64(rand::rng().random_range(0.0..=1.0));
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// An attempt has succeeded for good.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_maximum_and_starts_anew_after_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let mut bounds = Vec::new();
        for _ in 0..40 {
            bounds.push(backoff.bound().as_millis());
            assert!(backoff.pause() <= Duration::from_secs(1));
        }
        assert_eq!(bounds[..5], [100, 200, 400, 800, 1000]);
        assert_eq!(bounds[39], 1000);
        backoff.reset();
        assert_eq!(backoff.bound(), Duration::from_millis(100));
    }
}
