//! What one client takes, whichever listeners and connections it comes by: readings a second, as a bucket that holds one second's
//! worth, and connections at once. What a connection wants to take enters; how much of it is allowed leaves, and when there is more.
//!
//! Invariants: over any span of time no more is allowed than the span's worth and one second's, beyond which a connection takes at
//! most the message that it has begun, and pays for it later; what several connections draw at once is drawn from the same bucket. What
//! others have drawn and may yet put back makes nobody short: only what was taken does.

use super::places::{PlacePermit, Places};
use parking_lot::Mutex;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What the bucket holds.
const BURST: Duration = Duration::from_secs(1);
/// Who waits, waits for this much of a second's worth (a reading at least), and not for each reading by itself.
const SHARES_A_SECOND: u64 = 100;
const WAIT_MIN: Duration = Duration::from_millis(1);
/// Within this the limit is looked at again: it may be another by then.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Nobody owes more than this, whatever it has sent.
const DEBT_MAX: Duration = Duration::from_secs(24 * 3_600);

/// What a client may take; `None` is as much as there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) readings_per_second: Option<NonZeroU64>,
    pub(crate) connections: Option<usize>,
}

impl Limits {
    /// 0 is no limit.
    pub(super) fn new(readings_per_second: u64, connections: u64) -> Self {
        let connections = usize::try_from(connections).ok().filter(|connections| *connections > 0);
        Self { readings_per_second: NonZeroU64::new(readings_per_second), connections }
    }
}

#[derive(Debug, Default)]
pub(super) struct Usage {
    bucket: Mutex<Bucket>,
    places: Arc<Places<Box<str>>>,
}

/// Empty while what was taken is not paid for by time.
#[derive(Debug, Default)]
struct Bucket {
    rate: Option<NonZeroU64>,
    /// When everything taken will be.
    paid_at: Option<Instant>,
    /// Not settled yet.
    drawn: u64,
}

/// When who waits goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// More is allowed; it was too little only because others had drawn it, or for what was asked.
    Soon(Instant),
    /// The client has taken as much as it may.
    Later(Instant),
}

impl Usage {
    /// Takes as much of `wanted` as is allowed now out of the bucket, so that nobody else does meanwhile; [`Usage::settle`] puts
    /// back what was not used.
    pub(super) fn draw(&self, rate: NonZeroU64, wanted: u64, now: Instant) -> u64 {
        let mut bucket = self.bucket.lock();
        if bucket.rate != Some(rate) {
            // Whoever has another limit begins anew with it.
            *bucket = Bucket { rate: Some(rate), ..Bucket::default() };
        }
        bucket.paid_at = Some(bucket.paid_at.map_or(now, |paid_at| paid_at.clamp(now, now + DEBT_MAX)));
        let drawn = bucket.allowed(rate, now).saturating_sub(bucket.drawn).min(wanted);
        bucket.drawn += drawn;
        drawn
    }

    /// Of what was drawn, `spent` was used; it may be more, by the message that went beyond it.
    pub(super) fn settle(&self, rate: NonZeroU64, drawn: u64, spent: u64) {
        let mut bucket = self.bucket.lock();
        if bucket.rate == Some(rate) {
            bucket.drawn = bucket.drawn.saturating_sub(drawn);
            bucket.paid_at = bucket.paid_at.map(|paid_at| paid_at + price(rate, spent));
        }
    }

    /// When there is something in the bucket, or the limit is to be looked at again.
    pub(super) fn ready(&self, rate: NonZeroU64, now: Instant) -> Ready {
        let bucket = self.bucket.lock();
        if bucket.allowed(rate, now) > 0 {
            return Ready::Soon(now + WAIT_MIN);
        }
        let share = price(rate, (rate.get() / SHARES_A_SECOND).max(1));
        Ready::Later(now + (bucket.owed(now) + share).saturating_sub(BURST).clamp(WAIT_MIN, WAIT_MAX))
    }

    /// A place for one more connection. One that comes under the client id of another takes over its place as well.
    pub(super) fn place(&self, id: Box<str>, limits: Limits) -> Option<PlacePermit<Box<str>>> {
        self.places.take(id, limits.connections.unwrap_or(usize::MAX), usize::MAX)
    }
}

impl Bucket {
    /// How long it takes until what was taken is paid for.
    fn owed(&self, now: Instant) -> Duration {
        self.paid_at.map_or(Duration::ZERO, |paid_at| paid_at.saturating_duration_since(now))
    }

    /// How many readings are allowed beside those that were taken.
    fn allowed(&self, rate: NonZeroU64, now: Instant) -> u64 {
        let free = BURST.saturating_sub(self.owed(now));
        (free.as_nanos() * u128::from(rate.get()) / 1_000_000_000) as u64
    }
}

/// How long it takes until so many readings are paid for.
fn price(rate: NonZeroU64, readings: u64) -> Duration {
    // Rounded up: the limit is never exceeded.
    let nanos = (u128::from(readings) * 1_000_000_000).div_ceil(u128::from(rate.get()));
    u64::try_from(nanos).map_or(DEBT_MAX, Duration::from_nanos).min(DEBT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    const ALL: u64 = u64::MAX;

    fn rate(readings: u64) -> NonZeroU64 {
        NonZeroU64::new(readings).expect("not zero")
    }

    #[test]
    fn a_second_s_worth_at_once_and_then_what_time_brings() {
        let (usage, rate, begun) = (Usage::default(), rate(100), Instant::now());
        assert_eq!(usage.draw(rate, ALL, begun), 100);
        assert_eq!(usage.draw(rate, ALL, begun), 0, "another connection of the client draws from the same");
        usage.settle(rate, 0, 0);
        usage.settle(rate, 100, 40);
        assert_eq!(usage.draw(rate, ALL, begun), 60, "what was not used is there again");
        usage.settle(rate, 60, 60);
        let ready = begun + Duration::from_millis(10);
        assert_eq!(usage.ready(rate, begun), Ready::Later(ready));
        assert_eq!(usage.draw(rate, ALL, ready), 1);
        usage.settle(rate, 1, 1);
        assert_eq!(
            usage.draw(rate, ALL, begun + Duration::from_secs(3_600)),
            100,
            "no more than a second's worth is saved up"
        );
    }

    #[test]
    fn a_message_beyond_what_was_allowed_is_paid_for_before_the_next() {
        let (usage, rate, begun) = (Usage::default(), rate(10), Instant::now());
        let drawn = usage.draw(rate, ALL, begun);
        usage.settle(rate, drawn, 1_000);
        let seconds = |seconds: u64| begun + Duration::from_secs(seconds);
        assert_eq!(usage.draw(rate, ALL, seconds(98)), 0);
        assert_eq!(usage.ready(rate, seconds(98)), Ready::Later(seconds(99)), "asked again within a second");
        assert_eq!(usage.draw(rate, ALL, seconds(99) + Duration::from_millis(100)), 1);
    }

    #[test]
    fn another_limit_is_in_force_at_once_and_no_debt_is_endless() {
        let (usage, begun) = (Usage::default(), Instant::now());
        let drawn = usage.draw(rate(1), ALL, begun);
        usage.settle(rate(1), drawn, u64::MAX);
        assert_eq!(usage.draw(rate(1), ALL, begun + Duration::from_secs(3_600)), 0);
        assert_eq!(usage.draw(rate(1), ALL, begun + DEBT_MAX), 1);
        assert_eq!(usage.draw(rate(50), ALL, begun + Duration::from_secs(1)), 50);
        // What was drawn under the old limit is not put back into the new bucket.
        usage.settle(rate(1), 1, 0);
        assert_eq!(usage.draw(rate(50), ALL, begun + Duration::from_secs(1)), 0);
    }

    #[test]
    fn what_others_have_drawn_and_may_put_back_makes_nobody_wait_for_the_limit() {
        let (usage, rate, now) = (Usage::default(), rate(10_000), Instant::now());
        assert_eq!(usage.draw(rate, 200, now), 200, "no more than there is to be taken");
        assert_eq!(usage.draw(rate, ALL, now), 9_800);
        assert_eq!(usage.draw(rate, 1, now), 0, "drawn by others");
        assert_eq!(usage.ready(rate, now), Ready::Soon(now + WAIT_MIN));
        usage.settle(rate, 9_800, 9_799);
        assert_eq!(usage.draw(rate, ALL, now), 1);
        usage.settle(rate, 1, 1);
        usage.settle(rate, 200, 200);
        assert!(matches!(usage.ready(rate, now), Ready::Later(_)), "taken by others");
    }

    #[test]
    fn connections_below_their_limit_never_wait_for_it_however_many_decode_at_once() {
        const A_SECOND: u64 = 1_000_000;
        let (usage, rate, now) = (Usage::default(), rate(A_SECOND), Instant::now());
        let (waits, taken) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    // Together a tenth of what is allowed, in reads of 250.
                    for _ in 0..A_SECOND / 10 / 4 / 250 {
                        let drawn = usage.draw(rate, 64 * 1024, now);
                        let spent = drawn.min(250);
                        std::thread::yield_now();
                        usage.settle(rate, drawn, spent);
                        taken.fetch_add(spent, Ordering::Relaxed);
                        if spent < 250 && matches!(usage.ready(rate, now), Ready::Later(_)) {
                            waits.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!((waits.into_inner(), taken.into_inner()), (0, A_SECOND / 10));
    }

    #[test]
    fn what_several_draw_at_once_is_never_more_than_is_allowed() {
        let (usage, rate, now) = (Usage::default(), rate(1_000), Instant::now());
        let taken = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let drawn = usage.draw(rate, 7, now);
                        usage.settle(rate, drawn, drawn);
                        taken.fetch_add(drawn, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), 1_000);
    }

    proptest! {
        #[test]
        fn over_any_span_no_more_than_its_worth_and_a_second_s_and_the_message_begun(
            readings in 1_u64..100_000, steps in prop::collection::vec((0_u64..2_000_000_000, 1_u64..500), 1..200),
        ) {
            let (usage, rate, begun) = (Usage::default(), rate(readings), Instant::now());
            let (mut now, mut taken, mut longest) = (begun, 0_u128, 0);
            for (pause, message) in steps {
                now += Duration::from_nanos(pause);
                let drawn = usage.draw(rate, ALL, now);
                let spent = if drawn == 0 { 0 } else { drawn.next_multiple_of(message) };
                usage.settle(rate, drawn, spent);
                taken += u128::from(spent);
                longest = longest.max(message);
                let worth = (now - begun + BURST).as_nanos() * u128::from(readings) / 1_000_000_000;
                prop_assert!(taken <= worth + u128::from(longest), "{} > {} + {}", taken, worth, longest);
                if drawn == 0 {
                    prop_assert!(matches!(usage.ready(rate, now), Ready::Later(at) if at > now));
                }
            }
        }
    }

    #[test]
    fn connections_are_counted_by_client_id() {
        let (usage, limits) = (Usage::default(), Limits::new(0, 1));
        assert_eq!((limits.readings_per_second, limits.connections), (None, Some(1)));
        let first = usage.place("a".into(), limits);
        assert!(first.is_some() && usage.place("b".into(), limits).is_none());
        let newer = usage.place("a".into(), limits);
        assert!(newer.is_some(), "the one that it takes over goes");
        drop(first);
        assert!(usage.place("b".into(), limits).is_none());
        assert!(usage.place("b".into(), Limits::default()).is_some(), "another limit is in force at once");
        drop(newer);
        assert!(usage.place("b".into(), limits).is_some());
    }
}
