//! Who sends how much through one listener. Batches enter from connections; the busiest of their clients leave, when asked.
//!
//! Nothing on the way of a message but what a connection counts once for each batch, in counters of its client's own. Kept is
//! everybody who is connected, and of those who have left [`PAST_MAX`] to twice as many: then the least of them are forgotten one by
//! one, and stay in the sum of the others.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Clients that have left are remembered up to this many, at least.
const PAST_MAX: usize = 1_024;

/// A rate is over this much, up to twice as much.
const RATE_SPAN: Duration = Duration::from_secs(5);
/// One over less would be noise.
const SPAN_MIN: Duration = Duration::from_millis(500);

/// What one batch brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Of the records, what was set aside.
    pub(crate) dead_letters: u64,
}

/// What was received of somebody since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TalkerTotals {
    /// Records, as the account counts them.
    pub received: u64,
    pub bytes: u64,
    /// What of the records was set aside at the listener. What the analysis finds, such as a clock ahead, is not among it.
    pub dead_letters: u64,
    /// Waits because it had sent as much as it may.
    pub waits: u64,
}

impl TalkerTotals {
    pub fn add(&mut self, other: Self) {
        self.received += other.received;
        self.bytes += other.bytes;
        self.dead_letters += other.dead_letters;
        self.waits += other.waits;
    }
}

/// A client of the listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Talking {
    /// Its account, else its client id (behind `anonymous: ` where others have accounts), else its address.
    pub client: String,
    pub connections: usize,
    pub totals: TalkerTotals,
    pub received_per_second: f64,
}

/// Those that are not told by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherTalkers {
    /// One that came again after it was forgotten counts again.
    pub clients: u64,
    pub totals: TalkerTotals,
}

#[derive(Debug, Default)]
struct Counts {
    received: AtomicU64,
    bytes: AtomicU64,
    dead_letters: AtomicU64,
    waits: AtomicU64,
}

impl Counts {
    fn totals(&self) -> TalkerTotals {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TalkerTotals {
            received: of(&self.received),
            bytes: of(&self.bytes),
            dead_letters: of(&self.dead_letters),
            waits: of(&self.waits),
        }
    }
}

/// How much it had sent, and when.
type Mark = (Instant, u64);

#[derive(Debug)]
struct Entry {
    counts: Arc<Counts>,
    connections: usize,
    /// Rates are made of the older one.
    marks: [Mark; 2],
}

impl Entry {
    fn rate(&mut self, now: Instant, received: u64) -> f64 {
        if now.saturating_duration_since(self.marks[1].0) >= RATE_SPAN {
            self.marks = [self.marks[1], (now, received)];
        }
        let (since, before) = self.marks[0];
        let span = now.saturating_duration_since(since);
        if span < SPAN_MIN { 0.0 } else { received.saturating_sub(before) as f64 / span.as_secs_f64() }
    }
}

#[derive(Debug, Default)]
struct Table {
    by_client: HashMap<Arc<str>, Entry>,
    /// Of these, those without a connection.
    past: usize,
    forgotten: OtherTalkers,
}

impl Table {
    /// Forgets those who have left but the busiest. Done once for so many of them that each costs nearly nothing.
    fn forget_the_least(&mut self) {
        let left = self.by_client.iter().filter(|(_, entry)| entry.connections == 0);
        let mut left: Vec<(u64, Arc<str>)> =
            left.map(|(client, entry)| (entry.counts.totals().received, client.clone())).collect();
        left.sort_unstable_by(|one, other| other.cmp(one));
        for (_, client) in left.drain(PAST_MAX.min(left.len())..) {
            if let Some(entry) = self.by_client.remove(&client) {
                self.forgotten.clients += 1;
                self.forgotten.totals.add(entry.counts.totals());
                self.past -= 1;
            }
        }
    }
}

#[derive(Debug, Default)]
pub struct Talkers(Mutex<Table>);

impl Talkers {
    /// A connection of a client; counts until it is dropped.
    pub(crate) fn enter(self: &Arc<Self>, client: &str, now: Instant) -> Talker {
        let mut table = self.0.lock();
        let fresh = || Entry { counts: Arc::default(), connections: 0, marks: [(now, 0); 2] };
        let known = table.by_client.get_key_value(client).map(|(name, _)| name.clone());
        let (is_new, name) = (known.is_none(), known.unwrap_or_else(|| client.into()));
        let entry = table.by_client.entry(name.clone()).or_insert_with(fresh);
        entry.connections += 1;
        let (returns, counts) = (!is_new && entry.connections == 1, entry.counts.clone());
        table.past -= usize::from(returns);
        Talker { of: self.clone(), client: name, counts }
    }

    fn leave(&self, client: &str) {
        let mut table = self.0.lock();
        let Some(entry) = table.by_client.get_mut(client) else { return };
        entry.connections -= 1;
        if entry.connections > 0 {
            return;
        }
        if entry.counts.totals() == TalkerTotals::default() {
            table.by_client.remove(client);
            return;
        }
        table.past += 1;
        if table.past > 2 * PAST_MAX {
            table.forget_the_least();
        }
    }

    /// The busiest, `max` of them at most, and all others together.
    pub fn busiest(&self, max: usize, now: Instant) -> (Vec<Talking>, OtherTalkers) {
        // Whoever connects waits for the table: under its lock no name is copied and nothing sorted.
        let clients = self.0.lock().by_client.len();
        let mut all: Vec<Ranked> = Vec::with_capacity(clients);
        let mut table = self.0.lock();
        let mut others = table.forgotten;
        all.extend(table.by_client.iter_mut().filter_map(|(client, entry)| {
            let (totals, connections) = (entry.counts.totals(), entry.connections);
            let received_per_second = entry.rate(now, totals.received);
            let has_sent = totals != TalkerTotals::default();
            has_sent.then(|| Ranked { client: client.clone(), connections, totals, received_per_second })
        }));
        drop(table);
        if max < all.len() {
            all.select_nth_unstable_by(max, Ranked::order);
        }
        for beyond in all.drain(max.min(all.len())..) {
            others.clients += 1;
            others.totals.add(beyond.totals);
        }
        all.sort_unstable_by(Ranked::order);
        (all.into_iter().map(Talking::from).collect(), others)
    }
}

/// A client among the others, under the name that the table has.
struct Ranked {
    client: Arc<str>,
    connections: usize,
    totals: TalkerTotals,
    received_per_second: f64,
}

impl Ranked {
    /// Who sends most now comes first, then who has sent most.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let by_rate = other.received_per_second.total_cmp(&self.received_per_second);
        by_rate.then(other.totals.received.cmp(&self.totals.received)).then_with(|| self.client.cmp(&other.client))
    }
}

impl From<Ranked> for Talking {
    fn from(ranked: Ranked) -> Self {
        let Ranked { client, connections, totals, received_per_second } = ranked;
        Self { client: client.to_string(), connections, totals, received_per_second }
    }
}

/// Where one connection counts.
#[derive(Debug)]
pub(crate) struct Talker {
    of: Arc<Talkers>,
    client: Arc<str>,
    counts: Arc<Counts>,
}

impl Talker {
    #[inline]
    pub(crate) fn count(&self, batch: Batch) {
        self.counts.received.fetch_add(batch.records, Ordering::Relaxed);
        self.counts.bytes.fetch_add(batch.bytes, Ordering::Relaxed);
        if batch.dead_letters > 0 {
            self.counts.dead_letters.fetch_add(batch.dead_letters, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_wait(&self) {
        self.counts.waits.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.of.leave(&self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(talkers: &Arc<Talkers>, client: &str, records: u64, now: Instant) {
        talkers.enter(client, now).count(Batch { records, bytes: 10 * records, dead_letters: records / 10 });
    }

    #[test]
    fn connections_of_a_client_are_summed_also_when_they_are_gone() {
        let (talkers, now) = (Arc::new(Talkers::default()), Instant::now());
        let (one, other) = (talkers.enter("a", now), talkers.enter("a", now));
        let idle = talkers.enter("idle", now);
        one.count(Batch { records: 30, bytes: 300, dead_letters: 3 });
        other.count(Batch { records: 12, bytes: 100, dead_letters: 0 });
        other.count_wait();
        sent(&talkers, "b", 1, now);
        drop((one, idle));
        let (busiest, others) = talkers.busiest(10, now);
        let totals = TalkerTotals { received: 42, bytes: 400, dead_letters: 3, waits: 1 };
        let shown: Vec<_> = busiest.iter().map(|talking| (talking.client.as_str(), talking.connections)).collect();
        assert_eq!(shown, [("a", 1), ("b", 0)], "who has sent nothing is no talker");
        assert_eq!((busiest[0].totals, others), (totals, OtherTalkers::default()));
        drop(other);
        sent(&talkers, "a", 8, now);
        let (busiest, others) = talkers.busiest(1, now);
        assert_eq!((busiest[0].totals.received, busiest[0].connections), (50, 0));
        assert_eq!((others.clients, others.totals.received), (1, 1));
    }

    #[test]
    fn who_sends_now_comes_before_who_has_sent_more() {
        let (talkers, begun) = (Arc::new(Talkers::default()), Instant::now());
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let busiest = |seconds: u64| {
            let (busiest, _) = talkers.busiest(10, at(seconds));
            busiest.into_iter().map(|it| (it.client, it.received_per_second)).collect::<Vec<_>>()
        };
        let (a, b) = (talkers.enter("a", begun), talkers.enter("b", begun));
        let records = |records| Batch { records, ..Batch::default() };
        a.count(records(1_000));
        assert_eq!(busiest(0), [("a".to_owned(), 0.0)], "no rate is known yet");
        assert_eq!(busiest(2), [("a".to_owned(), 500.0)]);
        for second in [5, 10, 15] {
            busiest(second);
            b.count(records(50));
        }
        assert_eq!(busiest(20), [("b".to_owned(), 10.0), ("a".to_owned(), 0.0)]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_busiest_and_the_connected_stay() {
        let (talkers, now) = (Arc::new(Talkers::default()), Instant::now());
        let connected = talkers.enter("connected", now);
        connected.count(Batch { records: 1, ..Batch::default() });
        let clients = 10 * PAST_MAX as u64;
        for no in 0..clients {
            sent(&talkers, &no.to_string(), 1 + no, now);
            assert!(talkers.0.lock().by_client.len() <= 2 * PAST_MAX + 2);
        }
        let (all, others) = talkers.busiest(usize::MAX, now);
        assert_eq!(all.len() as u64 + others.clients, clients + 1);
        let received = all.iter().map(|talking| talking.totals.received).sum::<u64>() + others.totals.received;
        assert_eq!(received, clients * (clients + 1) / 2 + 1, "nothing that was received is lost from the sums");
        assert_eq!((all[0].client.as_str(), all[0].totals.received), ((clients - 1).to_string().as_str(), clients));
        assert!(all.iter().any(|talking| talking.client == "connected"), "however little it sends");
        assert_eq!(talkers.busiest(3, now).0, all[..3]);
    }
}
