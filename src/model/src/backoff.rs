//! How long to wait between attempts that fail: twice as long each time, up to a bound.
//!
//! - [`Backoff`]: for as long as it takes, until a stop, or for a number of attempts
//! - [`Polling`]: of what is looked at regularly, and after a failure as a [`Backoff`] says

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;
use tokio::time::sleep;

/// A server or a file that is there again is found soon, and one that stays away is asked seldom.
const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Backoff {
    max: Duration,
    builder: ExponentialBuilder,
    delays: ExponentialBackoff,
}

/// Of a server, or a file, without a reason for other bounds.
impl Default for Backoff {
    fn default() -> Self {
        Self::new(DELAY_MIN, DELAY_MAX)
    }
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

    /// The same delays again for the same seed: for what must come out the same again.
    pub fn with_jitter_seed(self, seed: u64) -> Self {
        let builder = self.builder.with_jitter_seed(seed);
        Self { max: self.max, delays: builder.build(), builder }
    }

    /// How long to wait now.
    pub fn next_delay(&mut self) -> Duration {
        self.delays.next().unwrap_or(self.max)
    }

    /// Waits for the next attempt. False, and at once, when `stopped` is ready: there is to be none.
    #[must_use]
    pub async fn wait(&mut self, stopped: impl Future<Output = ()>) -> bool {
        wait(self.next_delay(), stopped).await
    }

    /// Tries until it succeeds, as long as an error `may_pass`, `attempts_max` times at most: then with the last error.
    pub async fn retry<T, E>(
        mut self,
        attempts_max: u32,
        may_pass: impl Fn(&E) -> bool,
        mut attempt: impl AsyncFnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        for _ in 1..attempts_max {
            match attempt().await {
                Err(error) if may_pass(&error) => sleep(self.next_delay()).await,
                ended => return ended,
            }
        }
        attempt().await
    }

    /// An attempt has succeeded: the next delay is short again.
    pub fn reset(&mut self) {
        self.delays = self.builder.build();
    }
}

/// The pauses between looks at something: all the same while they succeed, those of a [`Backoff`] while they fail.
#[derive(Debug)]
pub struct Polling {
    interval: Duration,
    retries: Backoff,
}

impl Polling {
    pub fn new(interval: Duration) -> Self {
        Self { interval, retries: Backoff::default() }
    }

    /// How long to wait for the next look.
    pub fn next_delay(&mut self, succeeded: bool) -> Duration {
        if succeeded {
            self.retries.reset();
            self.interval
        } else {
            self.retries.next_delay()
        }
    }

    /// Waits for the next look. False, and at once, when `stopped` is ready: there is to be none.
    #[must_use]
    pub async fn wait(&mut self, succeeded: bool, stopped: impl Future<Output = ()>) -> bool {
        wait(self.next_delay(succeeded), stopped).await
    }
}

async fn wait(delay: Duration, stopped: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        () = stopped => false,
        () = sleep(delay) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::time::Instant;

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

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_wait_at_once() {
        let begun = Instant::now();
        let mut backoff = Backoff::default();
        let mut waits = 0;
        let stopped = sleep(Duration::from_secs(3_600));
        tokio::pin!(stopped);
        while backoff.wait(&mut stopped).await {
            waits += 1;
        }
        assert_eq!(begun.elapsed().as_secs(), 3_600, "not a pause later");
        // Seven shorter ones, then all between a half of the longest and that.
        assert!((360..=730).contains(&waits), "{waits}");
        assert!(!backoff.wait(async {}).await, "stopped before it began");
        assert_eq!(begun.elapsed().as_secs(), 3_600);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_bounded_and_only_what_may_pass_is_tried_again() {
        let begun = Instant::now();
        let mut attempts = 0;
        let mut fail = async || {
            attempts += 1;
            Err::<(), u32>(attempts)
        };
        assert_eq!(Backoff::default().retry(5, |_| true, &mut fail).await, Err(5));
        // 0.1, 0.2, 0.4 and 0.8 s, each between a half and the whole.
        let waited = begun.elapsed();
        assert!((700..=1_510).contains(&waited.as_millis()), "{waited:?}");
        assert_eq!(Backoff::default().retry(5, |error: &u32| *error < 7, &mut fail).await, Err(7));
        let waited = begun.elapsed();
        assert_eq!(Backoff::default().retry(1, |_| true, &mut fail).await, Err(8));
        assert_eq!(begun.elapsed(), waited, "no pause behind the last attempt");
        assert_eq!(Backoff::default().retry(5, |_: &u32| true, async || Ok(9)).await, Ok(9));
    }

    #[tokio::test(start_paused = true)]
    async fn polling_is_regular_while_it_succeeds_and_backs_off_while_it_fails() {
        let (begun, interval) = (Instant::now(), Duration::from_secs(60));
        let mut polling = Polling::new(interval);
        assert!(polling.wait(true, pending()).await && polling.wait(true, pending()).await);
        assert_eq!(begun.elapsed().as_secs(), 120);
        let delays: Vec<Duration> = (0..12).map(|_| polling.next_delay(false)).collect();
        assert!(delays[0] < delays[2] && delays[2] < delays[4], "{delays:?}");
        assert!(delays[11] >= DELAY_MAX / 3 && delays[11] <= DELAY_MAX + Duration::from_millis(1), "{delays:?}");
        assert_eq!(polling.next_delay(true), interval);
        assert!(polling.next_delay(false) <= DELAY_MIN + Duration::from_millis(1), "soon again");
        assert!(!polling.wait(true, async {}).await);
    }
}
