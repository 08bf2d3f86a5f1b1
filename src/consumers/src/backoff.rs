//! Exponential back-off with jitter: 100 ms doubling to 10 s.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Backoff {
    delay: Duration,
    random: StdRng,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self { delay: DELAY_MIN, random: StdRng::seed_from_u64(seed) }
    }

    /// How long to wait now. Half is fixed and half is random, so that sinks that failed together come back apart.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let delay = self.delay;
        self.delay = (delay * 2).min(DELAY_MAX);
        delay.mul_f64(self.random.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_bound_and_never_beyond() {
        let mut backoff = Backoff::new(1);
        assert!(backoff.next_delay() <= DELAY_MIN);
        for _ in 0..20 {
            let delay = backoff.next_delay();
            assert!(delay >= DELAY_MIN / 2 && delay <= DELAY_MAX, "{delay:?}");
        }
        assert!(backoff.next_delay() >= DELAY_MAX / 2);
    }
}
