//! Answers that all who look share: whoever asks for the same while an answer is under way waits for that one, and what is fresh is
//! not asked for again. Of a database that does not answer, the last that it said stays, with since when and why it is old.
//!
//! Invariants: one question a key at a time, and none sooner than `valid` after the last answer, whoever asks; what failed rests, too. A
//! question belongs to nobody who waits for it: it is asked to its end, also when all who looked have gone. At most [`KEYS_MAX`] are under
//! way.

use super::report::Outage;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Different questions of which the answers are kept, or which are under way.
const KEYS_MAX: usize = 64;
const TOO_MANY: &str = "too many others look at something else; look again in some seconds";
const BROKEN_OFF: &str = "the question broke off; look again";
/// A question that failed is asked again after a tenth of the time for which its answers are valid, but not sooner than this.
const REST_MIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Cached<K, V> {
    valid: Duration,
    slots: Mutex<HashMap<K, Arc<Slot<V>>>>,
}

#[derive(Debug)]
struct Slot<V> {
    kept: Arc<tokio::sync::Mutex<Kept<V>>>,
    used: Mutex<Instant>,
}

#[derive(Debug)]
struct Kept<V> {
    asked: Option<Instant>,
    answer: SharedAnswer<V>,
}

/// What is known.
#[derive(Debug)]
pub(crate) struct SharedAnswer<V> {
    /// The last that came, and when.
    pub(crate) value: Option<(Arc<V>, i64)>,
    /// It did not come again.
    pub(crate) outage: Option<Outage>,
}

impl<V> Clone for SharedAnswer<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), outage: self.outage.clone() }
    }
}

impl<V> Default for SharedAnswer<V> {
    fn default() -> Self {
        Self { value: None, outage: None }
    }
}

impl<V> SharedAnswer<V> {
    pub(crate) fn unknown(since_ms: i64, cause: &str) -> Self {
        Self { value: None, outage: Some(Outage { since_ms, cause: cause.to_owned() }) }
    }
}

impl<V> Kept<V> {
    fn hear(&mut self, answered: Result<V, String>, now_ms: i64) {
        self.asked = Some(Instant::now());
        match answered {
            Ok(value) => self.answer = SharedAnswer { value: Some((Arc::new(value), now_ms)), outage: None },
            Err(cause) => {
                let since_ms = self.answer.outage.as_ref().map_or(now_ms, |outage| outage.since_ms);
                self.answer.outage = Some(Outage { since_ms, cause });
            }
        }
    }
}

impl<K: Clone + Eq + Hash, V: Send + Sync + 'static> Cached<K, V> {
    pub(crate) fn new(valid: Duration) -> Self {
        Self { valid, slots: Mutex::default() }
    }

    /// The answer, which is asked for unless there is a fresh one. `ask` ends by itself.
    pub(crate) async fn get(
        &self,
        key: &K,
        now_ms: i64,
        ask: impl Future<Output = Result<V, String>> + Send + 'static,
    ) -> SharedAnswer<V> {
        let Some(slot) = self.slot(key) else { return SharedAnswer::unknown(now_ms, TOO_MANY) };
        let mut kept = slot.kept.clone().lock_owned().await;
        let valid = if kept.answer.outage.is_some() { self.rest() } else { self.valid };
        if kept.asked.is_some_and(|asked| asked.elapsed() < valid) {
            return kept.answer.clone();
        }
        // Whoever hangs up drops the wait, and not the question: else its query would run on in the database while the next one asks
        // anew. The slot is in use until it is answered.
        let asking = tokio::spawn(async move {
            let answered = ask.await;
            kept.hear(answered, now_ms);
            let answer = kept.answer.clone();
            drop((kept, slot));
            answer
        });
        // One that has panicked was told.
        asking.await.unwrap_or_else(|_| SharedAnswer::unknown(now_ms, BROKEN_OFF))
    }

    fn rest(&self) -> Duration {
        (self.valid / 10).max(REST_MIN).min(self.valid)
    }

    /// `None`: as many others as there may be are in use.
    fn slot(&self, key: &K) -> Option<Arc<Slot<V>>> {
        let mut slots = self.slots.lock();
        let now = Instant::now();
        if let Some(slot) = slots.get(key) {
            *slot.used.lock() = now;
            return Some(slot.clone());
        }
        if slots.len() >= KEYS_MAX {
            // Those in use are held by their question, and by whoever waits for it.
            let idle = slots.iter().filter(|(_, slot)| Arc::strong_count(slot) == 1);
            let oldest = idle.min_by_key(|(_, slot)| *slot.used.lock()).map(|(key, _)| key.clone())?;
            slots.remove(&oldest);
        }
        let kept = Kept { asked: None, answer: SharedAnswer::default() };
        let slot = Arc::new(Slot { kept: Arc::new(tokio::sync::Mutex::new(kept)), used: Mutex::new(now) });
        slots.insert(key.clone(), slot.clone());
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::time::{advance, sleep, timeout};

    const VALID: Duration = Duration::from_secs(60);

    /// Counts when it is asked, and answers a second later how many were before.
    fn asks(asked: &Arc<AtomicUsize>) -> impl Future<Output = Result<usize, String>> + Send + 'static {
        let asked = asked.clone();
        async move {
            let before = asked.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_secs(1)).await;
            Ok(before)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_look_at_once_share_one_question_and_a_fresh_answer_is_not_asked_for() {
        let (cached, asked) = (Cached::<u8, usize>::new(VALID), Arc::new(AtomicUsize::new(0)));
        let ask = || asks(&asked);
        let (one, two, other) =
            tokio::join!(cached.get(&1, 5, ask()), cached.get(&1, 6, ask()), cached.get(&2, 7, ask()));
        let told = |answer: &SharedAnswer<usize>| answer.value.as_ref().map(|(value, at_ms)| (**value, *at_ms));
        assert_eq!((told(&one), asked.load(Ordering::Relaxed)), (told(&two), 2));
        assert!(told(&one).is_some_and(|(_, at_ms)| at_ms == 5) && told(&other).is_some_and(|(_, at_ms)| at_ms == 7));
        advance(VALID - Duration::from_secs(2)).await;
        assert_eq!(told(&cached.get(&1, 8, ask()).await), told(&one), "it is fresh");
        advance(Duration::from_secs(2)).await;
        assert_eq!(told(&cached.get(&1, 9, ask()).await), Some((2, 9)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_last_stays_while_nothing_is_answered_with_since_when() {
        let cached = Cached::<u8, u8>::new(VALID);
        let failed = || async { Err("away".to_owned()) };
        let first = cached.get(&1, 1, failed()).await;
        assert_eq!((first.value, first.outage.map(|outage| outage.since_ms)), (None, Some(1)));
        let rests = cached.get(&1, 2, async { Ok(7) }).await;
        assert!(rests.value.is_none(), "a database that is away is not asked by each who looks");
        advance(cached.rest()).await;
        assert!(cached.get(&1, 3, async { Ok(7) }).await.outage.is_none());
        advance(VALID).await;
        cached.get(&1, 4, failed()).await;
        advance(cached.rest()).await;
        let again = cached.get(&1, 5, failed()).await;
        let outage = again.outage.expect("it is away");
        assert_eq!((outage.since_ms, outage.cause.as_str()), (4, "away"));
        assert_eq!(again.value.map(|(value, at_ms)| (*value, at_ms)), Some((7, 3)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_answers_is_bounded_and_the_oldest_goes() {
        let cached = Cached::<usize, usize>::new(VALID);
        for key in 0..KEYS_MAX + 10 {
            advance(Duration::from_millis(1)).await;
            cached.get(&key, 0, async move { Ok(key) }).await;
        }
        let slots = cached.slots.lock();
        assert!(slots.len() == KEYS_MAX && !slots.contains_key(&9) && slots.contains_key(&10));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_away_while_waiting_cancels_nothing_and_the_next_waits_for_the_same_question() {
        let (cached, asked) = (Cached::<u8, usize>::new(VALID), Arc::new(AtomicUsize::new(0)));
        for _ in 0..50 {
            let answer = timeout(Duration::from_millis(10), cached.get(&1, 5, asks(&asked))).await;
            assert!(answer.is_err(), "it takes a second");
        }
        let answer = cached.get(&1, 6, asks(&asked)).await;
        assert_eq!(answer.value.map(|(value, at_ms)| (*value, at_ms)), Some((0, 5)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn questions_under_way_are_bounded_and_one_too_many_is_told() {
        let (cached, asked) = (Cached::<usize, usize>::new(VALID), Arc::new(AtomicUsize::new(0)));
        for key in 0..KEYS_MAX {
            let answer = timeout(Duration::from_millis(1), cached.get(&key, 0, asks(&asked))).await;
            assert!(answer.is_err(), "nobody waits for it");
        }
        let beyond = cached.get(&KEYS_MAX, 7, asks(&asked)).await;
        assert_eq!(beyond.outage, Some(Outage { since_ms: 7, cause: TOO_MANY.to_owned() }));
        assert_eq!(asked.load(Ordering::Relaxed), KEYS_MAX);
        sleep(Duration::from_secs(2)).await;
        assert!(cached.get(&KEYS_MAX, 8, asks(&asked)).await.value.is_some(), "the first ones are answered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_breaks_off_is_told_and_asked_again_by_the_next() {
        let cached = Cached::<u8, u8>::new(VALID);
        let broken = cached.get(&1, 3, async { panic!("on purpose") }).await;
        assert_eq!(broken.outage.map(|outage| outage.cause).as_deref(), Some(BROKEN_OFF));
        assert!(cached.get(&1, 4, async { Ok(2) }).await.value.is_some());
    }
}
