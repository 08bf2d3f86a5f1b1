//! What is not taken at the door: kept with its reason, in a form that can be replayed.

use super::{IntakeBuffer, Scope};
use genims_decode::{Form, Point, Visitor};
use genims_model::dead_letter::PAYLOAD_KEPT_BYTES_MAX;
use genims_model::{DeadLetter, Reason};
use std::fmt::Arguments;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The key of a time that goes before all others.
const TIME_KEY: &[u8] = b"timestamp_us";
/// How an escaped letter or underscore begins, in whatever quotes.
const ESCAPED_SIGNS: [&[u8]; 3] = [b"\\u005", b"\\u006", b"\\u007"];

/// What of a message under way is of sensors that nobody knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Nobodys {
    /// Dead letters and records that were there before it.
    pub(super) dead_letters: usize,
    pub(super) records: u64,
    /// Its points of such sensors.
    pub(super) points: u64,
    /// Whose those are that say no time themselves, as hashes, and the time that the first of these got. Counted where the transport
    /// knows messages.
    pub(super) untimed: Vec<u64>,
    pub(super) first_us: i64,
}

impl Nobodys {
    fn count(&mut self, (machine, sensor): (Option<&str>, &str), is_untimed: bool, timestamp_us: i64) {
        self.points += 1;
        if is_untimed {
            if self.untimed.is_empty() {
                self.first_us = timestamp_us;
            }
            let mut hasher = DefaultHasher::new();
            (machine, sensor).hash(&mut hasher);
            self.untimed.push(hasher.finish());
        }
    }
}

/// Whether a time can be said of all of a message. Not of several values of one sensor, of which all but one would be taken for
/// resends; nor where the message has the key itself, which would stand twice. Under no other key a time would go before every one
/// that is left out.
fn takes_one_time(mut untimed: Vec<u64>, payload: &[u8]) -> bool {
    let has = |wanted: &[u8]| payload.windows(wanted.len()).any(|part| part == wanted);
    untimed.sort_unstable();
    untimed.windows(2).all(|pair| pair[0] != pair[1]) && !has(TIME_KEY) && !ESCAPED_SIGNS.into_iter().any(has)
}

impl IntakeBuffer {
    /// Ends a message, of which `payload` is all: a JSON object of which nobody knows anything is kept as it came, with what its sender
    /// said beside the values; one without times with that of its receipt, so that it comes back when it came. Where that would
    /// be the time of several values of a sensor, each is kept alone.
    #[inline]
    pub fn end_message(&mut self, payload: &[u8]) {
        if self.nobodys.points > 0 {
            self.keep_whole(payload);
        }
    }

    #[cold]
    fn keep_whole(&mut self, payload: &[u8]) {
        let Nobodys { dead_letters, records, points, untimed, first_us } = std::mem::take(&mut self.nobodys);
        let Some(members) = payload.trim_ascii_start().strip_prefix(b"{") else { return };
        if self.records - records != points || payload.len() > PAYLOAD_KEPT_BYTES_MAX {
            return;
        }
        let payload = if untimed.is_empty() {
            payload.to_vec()
        } else if untimed.len() as u64 == points && takes_one_time(untimed, payload) {
            [&b"{\""[..], TIME_KEY, b"\":", first_us.to_string().as_bytes(), b",", members].concat()
        } else {
            return;
        };
        let all = &mut self.staged[0].dead_letters;
        if all.len() <= dead_letters || payload.len() > PAYLOAD_KEPT_BYTES_MAX {
            return;
        }
        all.truncate(dead_letters + 1);
        if let Some(dead_letter) = all.last_mut() {
            if points > 1 {
                dead_letter.detail += &format!("; and {} more of this message", points - 1);
            }
            dead_letter.payload_bytes = payload.len() as u64;
            dead_letter.payload = payload;
            dead_letter.records = points;
        }
    }

    pub fn set_scope(&mut self, scope: Scope) {
        self.scope = scope;
    }

    /// Whether the client may send records of a machine, or of none that is known.
    #[inline]
    pub(super) fn may_speak_for(&self, machine: Option<&str>) -> bool {
        let Some(machines) = &self.scope.machines else { return true };
        machine.is_some_and(|machine| machines.contains(machine))
    }

    /// A point whose sensor nobody knows, or which its sender may not send: kept as an element that can be replayed once that
    /// has changed.
    pub(super) fn reject_point(&mut self, why: (Reason, &str), machine: Option<&str>, sensor: &str, point: &Point<'_>) {
        let timestamp_us = point.timestamp_us.unwrap_or_else(|| self.receipt_time.next());
        if why.0 == Reason::UnknownSensor && self.message > 0 {
            self.nobodys.count((machine, sensor), point.timestamp_us.is_none(), timestamp_us);
        }
        let mut element = serde_json::json!({
            "sensor_id": sensor,
            "timestamp_us": timestamp_us,
            "value": point.value,
            "quality": point.quality.as_str(),
        });
        if let Some(machine) = machine {
            element["machine_id"] = machine.into();
        }
        let element = element.to_string();
        let (reason, detail) = why;
        self.reject_part(Form::Elements, reason, format_args!("{detail}"), element.as_bytes());
    }

    /// Rejects what is too long to be taken: `head` is all there is of `bytes`.
    pub fn reject_head(&mut self, reason: Reason, detail: Arguments<'_>, head: &[u8], bytes: u64) {
        self.set_aside(None, reason, detail, (head, bytes));
    }

    /// `kept`: the fragment, and how long it was when it came. What is cut says so.
    pub(super) fn set_aside(&mut self, form: Option<Form>, reason: Reason, detail: Arguments<'_>, kept: (&[u8], u64)) {
        let (payload, payload_bytes) = (&kept.0[..kept.0.len().min(PAYLOAD_KEPT_BYTES_MAX)], kept.1);
        let cut = match payload.len() {
            whole if whole as u64 == payload_bytes => String::new(),
            some => format!("; cut: the first {some} of {payload_bytes} bytes were kept"),
        };
        let dead_letter = DeadLetter {
            source: self.source,
            client: self.client.as_ref().to_owned(),
            received_us: self.received_us,
            topic: self.topic.clone(),
            reason,
            detail: format!("{detail}{cut}"),
            payload: payload.to_vec(),
            payload_bytes,
            records: 1,
        };
        self.dead_letters.put(&mut self.staged[0].dead_letters, dead_letter, form);
        self.records += 1;
    }
}
