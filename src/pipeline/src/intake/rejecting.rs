//! What is not taken at the door: kept with its reason, in a form that can be replayed.

use super::{IntakeBuffer, Scope};
use genims_decode::{Form, Point, Visitor};
use genims_model::dead_letter::PAYLOAD_KEPT_BYTES_MAX;
use genims_model::{DeadLetter, Reason};
use std::fmt::Arguments;

/// What of a message under way is of sensors that nobody knows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nobodys {
    /// Letters and records that were there before it.
    pub(super) letters: usize,
    pub(super) records: u64,
    /// Its points of such sensors that say their time themselves.
    pub(super) points: u64,
}

impl IntakeBuffer {
    /// Ends a message, of which `payload` is all: a JSON object of which nobody knows anything is kept as it came, with what its sender
    /// said beside the values. One without times is not: what came when stands in its parts alone.
    #[inline]
    pub fn end_message(&mut self, payload: &[u8]) {
        if self.nobodys.points > 0 {
            self.keep_whole(payload);
        }
    }

    #[cold]
    fn keep_whole(&mut self, payload: &[u8]) {
        let Nobodys { letters, records, points } = std::mem::take(&mut self.nobodys);
        let is_object = payload.trim_ascii_start().starts_with(b"{");
        let fits = payload.len() <= PAYLOAD_KEPT_BYTES_MAX;
        let all = &mut self.staged[0].dead_letters;
        if !is_object || !fits || self.records - records != points || all.len() <= letters {
            return;
        }
        all.truncate(letters + 1);
        if let Some(letter) = all.last_mut() {
            if points > 1 {
                letter.detail += &format!("; and {} more of this message", points - 1);
            }
            letter.payload = payload.to_vec();
            letter.payload_bytes = payload.len() as u64;
            letter.records = points;
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
        let is_nobodys = why.0 == Reason::UnknownSensor && point.timestamp_us.is_some();
        self.nobodys.points += u64::from(is_nobodys);
        let timestamp_us = point.timestamp_us.unwrap_or_else(|| self.receipt_time.next());
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
        let letter = DeadLetter {
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
        self.letters.put(&mut self.staged[0].dead_letters, letter, form);
        self.records += 1;
    }
}
