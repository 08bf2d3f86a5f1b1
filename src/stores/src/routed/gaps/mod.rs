//! What a routed database remembers of gaps: stretches of the log of events that were removed, or compacted, before it had read them.
//!
//! In: each batch, with the position from which it goes on. Out, in the transaction of the batch: the gap before it, and what the batch
//! tells of, so that what is made anew from the operations database is never written beside what came by the stream.
//!
//! - A fact is what an event tells of, whatever its number and log: its kind, whose, when, as 64 bits of a hash. An event that is made anew is
//!   named by it, so that it bears the same name whatever else a run makes.
//! - Facts are kept for an hour of receipt, and around an open gap until it is closed; those of events made anew likewise.
//! - While a gap is open it says how far the database has followed the first log since: below, everything was told, or is in a gap.
//! - [`noted`]: what a batch leaves of all this; [`postgres`], [`mysql`], [`mongo`]: the two tables there

pub mod mongo;
pub mod mysql;
pub mod noted;
pub mod postgres;

use crate::error::SinkError;
use crate::postgres::field::ten_thousandths;
use crate::target::Target;
use genims_model::Group;
use genims_routes::RoutedEvent;
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::future::Future;
use std::ops::Range;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Facts are kept for so long after their receipt, by the receipt of the newest.
pub const KEPT_US: i64 = 3_600_000_000;
/// Rows of facts that are read at once: one a batch, of eight bytes an event.
const FACTS_PAGE: usize = 200;
/// How often what is too old goes, and what became of the gaps is looked at.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// Records that a database lacks and the log no longer held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The log of events.
    pub events: Uuid,
    pub lost: LostRecords,
    /// When what lies before and behind it was received; unknown for a database that never followed the log before.
    pub received_from_us: Option<i64>,
    pub received_to_us: i64,
    /// How far the first log had been routed behind it: from there on nothing of the first log is in the gap.
    pub routed: Option<(Uuid, u64)>,
    /// How far the database has followed the first log since.
    pub followed: Option<(Uuid, u64)>,
    pub noticed_us: i64,
    pub closed: Option<Closed>,
}

/// Which records of which log went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRecords {
    /// The log of events, or the first one, where the router was cut off: then they are records of all kinds.
    pub log: Uuid,
    pub offsets: Range<u64>,
}

/// How a gap was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    pub at_us: i64,
    /// Events that were made anew for it.
    pub made: u64,
}

impl Gap {
    /// How many events it lacks at most, where its records are events: rows for other databases are among them.
    pub fn events_lost(&self) -> Option<u64> {
        let LostRecords { log, offsets } = &self.lost;
        (*log == self.events).then(|| offsets.end - offsets.start)
    }

    /// The log under whose name and numbers events are made anew: none of its first bytes, which names of events begin with, is one of the
    /// stream's.
    pub fn made_anew(&self) -> Uuid {
        apart_from(self.events)
    }
}

fn apart_from(log: Uuid) -> Uuid {
    Uuid::from_bytes(log.into_bytes().map(|byte| !byte))
}

/// What a database has been told around a gap.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub stream: HashSet<u64>,
    pub made_anew: HashSet<u64>,
    /// What is in a gap and yet may be there, because a batch was cut off in its middle, and under which log and number. In MongoDB alone:
    /// elsewhere a batch is a transaction.
    pub intended: HashMap<u64, (Uuid, u64)>,
    /// The receipt of the oldest and the newest batch whose facts are kept, of all that came by the stream.
    pub received_us: Option<Range<i64>>,
}

/// A database that remembers its gaps; it connects by itself.
pub trait Gaps: Target {
    /// All, the oldest first; also the closed ones.
    fn gaps(&mut self) -> impl Future<Output = Result<Vec<Gap>, SinkError>> + Send;
    /// What it has been told in batches received within these times, by the stream and anew.
    fn facts(&mut self, gaps: &[Gap], received_us: Range<i64>)
    -> impl Future<Output = Result<Facts, SinkError>> + Send;
    /// How often it refused an event for good among these that were made anew.
    fn refused(&mut self, log: Uuid, offsets: Range<u64>) -> impl Future<Output = Result<u64, SinkError>> + Send;
    /// Everything of it that could be made anew is there.
    fn close_gap(&mut self, gap: &Gap, made: u64) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// By these an event is known again; what else it says follows from them, or from when a server began to look: when something began that
/// ends, for one.
const TELLING: [&str; 11] = [
    "machine_id",
    "sensor_id",
    "client_id",
    "fault_code",
    "at",
    "state_to",
    "tool_to",
    "operator_id",
    "level",
    "side",
    "status",
];

const MEASURED: &str = "quality_measured";

/// What the event tells of.
pub fn fact(event: &RoutedEvent) -> u64 {
    let mut digest = Sha256::new();
    digest.update(event.kind);
    // Of two values that a gauge measured at one time, each is a part. As the operations database keeps them.
    let measured = event.values.get("value").and_then(Value::as_f64).filter(|_| event.kind == MEASURED);
    digest.update(measured.map_or([0; 8], |value| ten_thousandths(value).to_be_bytes()));
    for name in TELLING {
        digest.update([0]);
        match event.values.get(name) {
            Some(Value::String(text)) => digest.update(text),
            Some(other) => digest.update(other.to_string()),
            None => {}
        }
    }
    let bytes = digest.finalize();
    let fact = u64::from_be_bytes(std::array::from_fn(|index| bytes[index]));
    // That it was told once more is another fact.
    if event.is_again { !fact } else { fact }
}

/// How far the first log has been routed: what is below is in the log of events, below where that ended then.
#[derive(Debug, Default)]
pub struct Passed(Mutex<Option<Reached>>);

#[derive(Clone, Copy, Debug)]
struct Reached {
    first: (Uuid, u64),
    events_end: u64,
}

impl Passed {
    /// Everything of the first log below `offset` is in the log of events, which ends at `events_end`, or is in no event.
    pub fn put(&self, log: Uuid, offset: u64, events_end: u64) {
        *self.0.lock() = Some(Reached { first: (log, offset), events_end });
    }

    /// How far one has followed the first log that has everything of the log of events below `position`; unless that is more than
    /// the events themselves say, nothing.
    pub fn followed(&self, position: u64) -> Option<(Uuid, u64)> {
        let reached = *self.0.lock();
        reached.filter(|reached| reached.events_end <= position).map(|reached| reached.first)
    }
}

pub(crate) fn has_mark(group: &Group, name: &str) -> bool {
    group.marks.iter().any(|mark| mark.client == name)
}

fn facts_of(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks_exact(8).map(|bytes| u64::from_be_bytes(std::array::from_fn(|index| bytes[index])))
}

impl Facts {
    /// Adds a row of the table.
    fn add(&mut self, is_anew: bool, received_us: i64, facts: impl Iterator<Item = u64>) {
        if is_anew {
            self.made_anew.extend(facts);
            return;
        }
        self.stream.extend(facts);
        let known = self.received_us.get_or_insert(received_us..received_us);
        *known = known.start.min(received_us)..known.end.max(received_us);
    }
}

/// When the bookkeeping was pruned last.
#[derive(Debug, Default)]
pub(crate) struct Pruned(Option<Instant>);

impl Pruned {
    /// Whether it is time; then it is done now.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|at| at.elapsed() >= PRUNE_EVERY);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn event(more: &str) -> RoutedEvent {
        let text = format!(r#"{{"kind": "state_changed", "at": "2026-11-28T14:05:00Z", "machine_id": "M1"{more}}}"#);
        RoutedEvent::parse(&text).expect("an event")
    }

    #[test]
    fn an_event_under_another_number_tells_of_the_same_and_another_one_does_not() {
        let first = fact(&event(r#", "log_offset": 7, "state_to": "IDLE", "line_id": "L1""#));
        assert_eq!(fact(&event(r#", "log_offset": 9, "state_to": "IDLE", "line_id": "L2""#)), first);
        assert_ne!(fact(&event(r#", "log_offset": 7, "state_to": "RUNNING""#)), first);
        let mut again = event(r#", "state_to": "IDLE""#);
        again.is_again = true;
        assert_ne!(fact(&again), first);
        let facts: Vec<u8> = [first, 3].iter().flat_map(|fact| fact.to_be_bytes()).collect();
        assert_eq!(facts_of(&facts).collect::<Vec<_>>(), [first, 3]);
    }

    /// As the operations database keeps values.
    #[test]
    fn each_value_that_a_gauge_measured_at_one_time_is_a_part() {
        let measured = |value: f64| {
            let at = "2026-11-28T14:05:00Z";
            let text = format!(r#"{{"kind": "quality_measured", "at": "{at}", "sensor_id": "S1", "value": {value}}}"#);
            fact(&RoutedEvent::parse(&text).expect("an event"))
        };
        assert_ne!(measured(10.0001), measured(10.0002));
        assert_eq!(measured(10.000_149), measured(10.0001));
    }

    #[test]
    fn what_passes_without_an_event_is_followed_by_who_has_all_events() {
        let (passed, log) = (Passed::default(), Uuid::from_u128(2));
        assert_eq!(passed.followed(7), None);
        passed.put(log, 900, 7);
        assert_eq!([6, 7, 8].map(|position| passed.followed(position)), [None, Some((log, 900)), Some((log, 900))]);
    }
}
