//! What is worth saying of messages although their records were taken: a place that the catalogue knows otherwise, a key of a
//! snapshot that is no column, a state that only its machine knows, a word for a quality that is none, a time that cannot be read, and
//! what may hold readings and was not taken.
//!
//! Enters one remark; leaves a count per kind, and once a minute for each a line with an example and what to do.

use genims_decode::Address;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TELL_EVERY: Duration = Duration::from_secs(60);

/// What a remark is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemarkKind {
    /// Topic or payload name a factory, line or machine that is not the one in the catalogue, or several machines.
    Place,
    /// A snapshot has a key that is no column.
    Column,
    /// A quality that cannot be read.
    Quality,
    /// What may be a time and cannot be read as one, where nothing else says it.
    Time,
    /// What may hold readings and was not taken.
    Part,
    /// A `machine_state` that OEE and reports do not know.
    State,
}

impl RemarkKind {
    pub const ALL: [Self; 6] = [Self::Place, Self::Column, Self::Quality, Self::Time, Self::Part, Self::State];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Column => "column",
            Self::Quality => "quality",
            Self::Time => "time",
            Self::Part => "part",
            Self::State => "state",
        }
    }

    fn to_do(self) -> &'static str {
        match self {
            Self::Place => {
                "stored as the catalogue says: mend the topic, the payload or master data, or map a level that is no id as \
                 \"ignored\" in the segments of its [[topics]] template"
            }
            Self::Column => "the snapshot was stored without it: write the key as the column is called",
            Self::Quality => {
                "stored as uncertain: write good, uncertain or bad, an OPC UA status code or an OPC DA quality, or name the word \
                 in the qualities of its [[topics]] template"
            }
            Self::Time => {
                "stored with the time of receipt: write the time with Z or an offset as `timestamp`, or say the clock's zone in its \
                 [[topics]] template"
            }
            Self::Part => {
                "the rest was stored: name each sensor beside its value, give values of other times a time of their own, or name the \
                 list in the keys of its [[topics]] template"
            }
            Self::State => {
                "stored as it is, and counted among the other states by reports, as planned time that does not run by OEE: write \
                 RUNNING, IDLE, SETUP, STOPPED, FAULT, MAINTENANCE or OFF if one of them is meant"
            }
        }
    }
}

/// The remarks of all connections.
#[derive(Debug, Default)]
pub struct Remarks {
    counts: [AtomicU64; RemarkKind::ALL.len()],
    /// When each kind was told last, and how many were not since.
    told: Mutex<[(Option<Instant>, u64); RemarkKind::ALL.len()]>,
}

impl Remarks {
    pub fn count(&self, kind: RemarkKind) -> u64 {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn enter(&self, kind: RemarkKind, topic: &str, what: impl FnOnce() -> String) {
        if let Some(not_told) = self.due(kind, Instant::now()) {
            let (what, to_do) = (what(), kind.to_do());
            tracing::warn!(topic, what, to_do, not_told, "a message was taken, and something of it does not fit");
        }
    }

    /// Counts one. `Some` when it is to be told, with the number of those before that were not.
    fn due(&self, kind: RemarkKind, now: Instant) -> Option<u64> {
        self.counts[kind as usize].fetch_add(1, Ordering::Relaxed);
        let mut told = self.told.lock();
        let (told_at, untold) = &mut told[kind as usize];
        if told_at.is_some_and(|told_at| now.duration_since(told_at) < TELL_EVERY) {
            *untold += 1;
            return None;
        }
        *told_at = Some(now);
        Some(std::mem::take(untold))
    }
}

/// Where a topic says that its readings come from; what it does not say is empty.
#[derive(Debug, Default)]
pub(crate) struct TopicOrigin {
    factory: String,
    line: String,
    machine: String,
}

/// Factory, line and machine, as the catalogue has them.
pub(crate) type Home<'a> = (&'a str, &'a str, &'a str);

impl TopicOrigin {
    pub(crate) fn clear(&mut self) {
        self.set(None, None, None);
    }

    pub(crate) fn follow(&mut self, address: &Address<'_>) {
        self.set(address.factory, address.line, address.machine);
    }

    fn set(&mut self, factory: Option<&str>, line: Option<&str>, machine: Option<&str>) {
        for (place, said) in [(&mut self.factory, factory), (&mut self.line, line), (&mut self.machine, machine)] {
            place.clear();
            place.push_str(said.unwrap_or_default());
        }
    }

    /// Whether everything that is said of the place is as in the catalogue. `named`: the machine that the payload names.
    #[inline]
    pub(crate) fn fits(&self, (factory, line, machine): Home<'_>, named: Option<&str>) -> bool {
        let fits = |said: &str, known: &str| said.is_empty() || said == known;
        fits(&self.machine, machine)
            && fits(named.unwrap_or_default(), machine)
            && fits(&self.line, line)
            && fits(&self.factory, factory)
    }

    /// What does not fit, for a person.
    pub(crate) fn told(&self, (factory, line, machine): Home<'_>, named: Option<&str>, of: &str) -> String {
        let payload = named.filter(|named| *named != self.machine);
        let said = [
            ("the topic says factory", self.factory.as_str(), factory),
            ("the topic says line", &self.line, line),
            ("the topic says machine", &self.machine, machine),
            ("the payload says machine", payload.unwrap_or_default(), machine),
        ];
        let wrong = said.iter().filter(|(_, said, known)| !said.is_empty() && said != known);
        let told: Vec<String> =
            wrong.map(|(who, said, known)| format!("{who} {said}, the catalogue {known}")).collect();
        format!("{of}: {}", told.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_all_counted_and_told_once_a_minute_each() {
        let (remarks, begun) = (Remarks::default(), Instant::now());
        assert_eq!(remarks.due(RemarkKind::Place, begun), Some(0));
        assert_eq!(remarks.due(RemarkKind::Column, begun), Some(0));
        for second in 1..60 {
            assert_eq!(remarks.due(RemarkKind::Place, begun + Duration::from_secs(second)), None);
        }
        assert_eq!(remarks.due(RemarkKind::Place, begun + TELL_EVERY), Some(59));
        assert_eq!(RemarkKind::ALL.map(|kind| remarks.count(kind)), [61, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut place = TopicOrigin::default();
        place.set(Some("F1"), Some("L9"), Some("M1"));
        let home = ("F1", "L1", "M1");
        assert!(!place.fits(home, None));
        assert_eq!(place.told(home, Some("M1"), "sensor S1"), "sensor S1: the topic says line L9, the catalogue L1");
        place.set(None, None, Some("M1"));
        assert!(place.fits(home, None) && place.fits(home, Some("M1")) && !place.fits(home, Some("M2")));
        assert_eq!(
            place.told(home, Some("M2"), "sensor S1"),
            "sensor S1: the payload says machine M2, the catalogue M1"
        );
        place.clear();
        assert!(place.fits(home, None));
    }
}
