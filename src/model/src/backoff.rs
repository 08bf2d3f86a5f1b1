//! How long to wait between attempts that fail: twice as long each time, up to a bound, for as long as it takes.

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

#[derive(Debug)]
pub struct Backoff {
    max: Duration,
    builder: ExponentialBuilder,
    delays: ExponentialBackoff,
}

impl Backoff {
    /// The first delay is `min` at most, none is above `max`. Half of each is fixed and half is random, so that those who
    /// failed together come back apart.
    pub fn new(min: Duration, max: Duration) -> Self {
        let min = min.max(Duration::from_millis(1));
        let max = max.max(min);
        // The builder adds its jitter, up to as much again, to the delay.
        let builder = ExponentialBuilder::new().with_min_delay(min / 2).with_max_delay(max / 2);
        let builder = builder.without_max_times().with_jitter();
        Self { max, builder, delays: builder.build() }
    }

    /// The same delays again for the same seed: for tests.
    pub fn with_jitter_seed(self, seed: u64) -> Self {
        let builder = self.builder.with_jitter_seed(seed);
        Self { max: self.max, delays: builder.build(), builder }
    }

    /// How long to wait now.
    pub fn next_delay(&mut self) -> Duration {
        self.delays.next().unwrap_or(self.max)
    }

    /// An attempt has succeeded: the next delay is short again.
    pub fn reset(&mut self) {
        self.delays = self.builder.build();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_bound_never_beyond_and_start_anew_after_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for bound_ms in [100, 200, 400, 800].into_iter().chain([1_000; 40]) {
            let delay = backoff.next_delay();
            // The builder counts in f32.
            let shortest = Duration::from_micros(bound_ms * 499);
            assert!(delay >= shortest && delay <= Duration::from_millis(bound_ms + 1), "{delay:?} of {bound_ms}");
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(101));
    }

    #[test]
    fn a_maximum_below_the_minimum_is_the_minimum() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::ZERO);
        assert!((0..9).all(|_| backoff.next_delay() >= Duration::from_millis(499)));
    }
}
