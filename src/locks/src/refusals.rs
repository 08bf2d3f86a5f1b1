//! Who was refused what, at every door: counted at once, and folded by client and minute for the audit trail. Refusals enter
//! from the doors; totals leave for the metrics, and folds for whoever writes them down.
//!
//! Invariants: to tell a refusal takes a lock and no more, whoever reads them; what is kept is bounded ([`FOLDS_MAX`]), what goes
//! beyond it is counted in one fold; a name that nobody has is not told apart from other such names of its host, since whoever
//! tries chooses it.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use utoipa::ToSchema;

/// Kept apart at a time, which is how many a minute can bring.
pub const FOLDS_MAX: usize = 256;
/// What lasts is told again after this long.
const TELL_EVERY: Duration = Duration::from_secs(60);
const RECENT_MAX: usize = 100;
/// Of a name, as much is kept.
const NAME_CHARS_MAX: usize = 128;

/// What was refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    Handshake,
    UnknownName,
    WrongSecret,
    LockedOut,
    Disabled,
    /// It showed nothing by which it could be known.
    Nobody,
    Busy,
    /// One connection more than its client, or its address, may have.
    ConnectionLimit,
    Topic,
    Machine,
    Evicted,
    WrongToken,
    Role,
    /// A request that another page may have made.
    Forged,
    /// A form that is none, or is too long.
    Malformed,
    /// Bytes that the listener's protocol does not allow, or more at once than it takes.
    Protocol,
    /// A PROXY header that is missing, not expected, or cannot be read: a load balancer or a listener is set up otherwise.
    ProxyHeader,
}

impl RefusalKind {
    pub const ALL: [Self; 17] = [
        Self::Handshake,
        Self::UnknownName,
        Self::WrongSecret,
        Self::LockedOut,
        Self::Disabled,
        Self::Nobody,
        Self::Busy,
        Self::ConnectionLimit,
        Self::Topic,
        Self::Machine,
        Self::Evicted,
        Self::WrongToken,
        Self::Role,
        Self::Forged,
        Self::Malformed,
        Self::Protocol,
        Self::ProxyHeader,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::UnknownName => "unknown_name",
            Self::WrongSecret => "wrong_secret",
            Self::LockedOut => "locked_out",
            Self::Disabled => "disabled",
            Self::Nobody => "nobody",
            Self::Busy => "busy",
            Self::ConnectionLimit => "connection_limit",
            Self::Topic => "topic",
            Self::Machine => "machine",
            Self::Evicted => "evicted",
            Self::WrongToken => "wrong_token",
            Self::Role => "role",
            Self::Forged => "forged",
            Self::Malformed => "malformed",
            Self::Protocol => "protocol",
            Self::ProxyHeader => "proxy_header",
        }
    }

    /// The name that comes with it is one that somebody has, and not whatever was tried.
    fn is_of_somebody(self) -> bool {
        !matches!(self, Self::UnknownName | Self::Handshake | Self::WrongToken | Self::LockedOut | Self::Busy)
    }
}

/// Refusals of one kind, of one client at one door, within a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// Of the last of them, milliseconds since 1970.
    pub at_ms: u64,
    /// A listener's name, or `http`.
    pub door: String,
    pub kind: RefusalKind,
    pub name: String,
    pub host: String,
    pub times: u64,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    kind: RefusalKind,
    door: Box<str>,
    host: Box<str>,
    name: Box<str>,
}

#[derive(Debug)]
struct Fold {
    refusal: Refusal,
    told_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Kept {
    folds: HashMap<Key, Fold>,
    totals: BTreeMap<(Box<str>, RefusalKind), u64>,
    recent: VecDeque<Refusal>,
}

#[derive(Debug, Default)]
pub struct Refusals(Mutex<Kept>);

impl Refusals {
    /// `name`: whom it was told to be, or is.
    pub fn tell(&self, kind: RefusalKind, door: &str, name: &str, host: &str) {
        self.tell_times(1, kind, door, name, host);
    }

    pub fn tell_times(&self, times: u64, kind: RefusalKind, door: &str, name: &str, host: &str) {
        let clean = |name: &str| -> String {
            let shown = name.chars().take(NAME_CHARS_MAX);
            shown.map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
        };
        let mut kept = self.0.lock();
        *kept.totals.entry((door.into(), kind)).or_default() += times;
        let own: Box<str> = if kind.is_of_somebody() { clean(name).into() } else { "".into() };
        let mut key = Key { kind, door: door.into(), host: host.into(), name: own };
        let (mut name, mut host) = (clean(name), host.to_owned());
        if kept.folds.len() >= FOLDS_MAX && !kept.folds.contains_key(&key) {
            (key.host, key.name) = ("".into(), "".into());
            (name, host) = ("others".to_owned(), String::new());
        }
        let fresh = || Refusal { at_ms: 0, door: door.to_owned(), kind, name: String::new(), host, times: 0 };
        let fold = kept.folds.entry(key).or_insert_with(|| Fold { refusal: fresh(), told_at: None });
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        fold.refusal.at_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        fold.refusal.name = name;
        fold.refusal.times += times;
    }

    /// Those to write down now: the first at once, what follows within a minute together.
    pub fn due(&self, now: Instant) -> Vec<Refusal> {
        let mut kept = self.0.lock();
        let rests = |fold: &Fold| fold.told_at.is_some_and(|told| now.duration_since(told) < TELL_EVERY);
        kept.folds.retain(|_, fold| fold.refusal.times > 0 || rests(fold));
        let due = kept.folds.values_mut().filter(|fold| fold.refusal.times > 0 && !rests(fold));
        let due: Vec<Refusal> = due
            .map(|fold| {
                fold.told_at = Some(now);
                let told = fold.refusal.clone();
                fold.refusal.times = 0;
                told
            })
            .collect();
        for refusal in &due {
            if kept.recent.len() >= RECENT_MAX {
                kept.recent.pop_front();
            }
            kept.recent.push_back(refusal.clone());
        }
        due
    }

    /// How many there were since the start, by door and kind.
    pub fn totals(&self) -> Vec<(String, RefusalKind, u64)> {
        let kept = self.0.lock();
        kept.totals.iter().map(|((door, kind), total)| (door.to_string(), *kind, *total)).collect()
    }

    /// The last that were due, newest first.
    pub fn recent(&self) -> Vec<Refusal> {
        self.0.lock().recent.iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(refusals: Vec<Refusal>) -> Vec<(RefusalKind, String, String, u64)> {
        let mut shape: Vec<_> =
            refusals.into_iter().map(|told| (told.kind, told.name, told.host, told.times)).collect();
        shape.sort();
        shape
    }

    #[test]
    fn the_first_is_told_at_once_and_those_of_a_minute_together() {
        let (refusals, begun) = (Refusals::default(), Instant::now());
        let wrong = || refusals.tell(RefusalKind::WrongSecret, "mqtt", "press-4", "10.0.0.1");
        wrong();
        refusals.tell(RefusalKind::WrongSecret, "mqtt", "press-5", "10.0.0.1");
        let one = |name: &str, times| (RefusalKind::WrongSecret, name.to_owned(), "10.0.0.1".to_owned(), times);
        assert_eq!(shape(refusals.due(begun)), [one("press-4", 1), one("press-5", 1)]);
        (0..7).for_each(|_| wrong());
        assert!(refusals.due(begun + Duration::from_secs(59)).is_empty());
        wrong();
        assert_eq!(shape(refusals.due(begun + TELL_EVERY)), [one("press-4", 8)]);
        assert!(refusals.due(begun + 3 * TELL_EVERY).is_empty());
        assert_eq!(refusals.0.lock().folds.len(), 0, "what ended is forgotten");
        assert_eq!(refusals.totals(), [("mqtt".to_owned(), RefusalKind::WrongSecret, 10)]);
        assert_eq!(refusals.recent().len(), 3);
    }

    #[test]
    fn names_that_nobody_has_are_one_and_what_is_kept_is_bounded() {
        let (refusals, begun) = (Refusals::default(), Instant::now());
        for no in 0..10_000 {
            refusals.tell(RefusalKind::UnknownName, "http", &format!("guess\n{no}"), "10.0.0.1");
        }
        let name = "guess\u{fffd}9999".to_owned();
        assert_eq!(shape(refusals.due(begun)), [(RefusalKind::UnknownName, name, "10.0.0.1".to_owned(), 10_000)]);
        for no in 0..3 * FOLDS_MAX {
            refusals.tell(RefusalKind::Topic, "mqtt", &no.to_string(), "10.0.0.1");
        }
        let told = refusals.due(begun);
        assert!(told.len() <= FOLDS_MAX + 1, "{}", told.len());
        assert_eq!(told.iter().map(|told| told.times).sum::<u64>(), 3 * FOLDS_MAX as u64);
        assert!(told.iter().any(|told| told.name == "others" && told.times > FOLDS_MAX as u64));
        assert_eq!(refusals.recent().len(), RECENT_MAX);
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let mut words = RefusalKind::ALL.map(RefusalKind::as_str).to_vec();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), RefusalKind::ALL.len());
        for kind in RefusalKind::ALL {
            assert_eq!(toml::Value::try_from(kind).expect("a word").as_str(), Some(kind.as_str()));
        }
    }
}
