//! What is set aside here, as dead letters that can be replayed, and how many of them one message makes.
//!
//! The first faults of a message, by reason, are dead letters of their own, each with its detail. What follows of a form that
//! can stand in one payload is kept together, up to [`JOINED_BYTES_MAX`] in a dead letter: the parts at fault and nothing else, so
//! that a replay does not send again what was stored. So a message makes as many dead letters as its faults have bytes, not as
//! it has faults.

use genims_catalogue::Catalogue;
use genims_decode::Form;
use genims_model::snapshot::SnapshotFields;
use genims_model::{DeadLetter, RawReading, Reason, Snapshot};

/// Dead letters of their own that one message makes of one reason.
const ALONE_MAX: usize = 16;
/// What of a message is kept together.
const JOINED_BYTES_MAX: usize = 64 * 1024;

/// The dead letters of one message, or of one chunk, under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeadLetters {
    of_reason: [OfReason; Reason::ALL.len()],
    has_any: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct OfReason {
    alone: usize,
    /// The dead letter that more parts of its form can join.
    open: Option<(usize, Form)>,
}

impl DeadLetters {
    /// For the next message. Nearly all of them have no dead letters, so that nothing is written.
    #[inline]
    pub(crate) fn begin(&mut self) {
        if self.has_any {
            *self = Self::default();
        }
    }

    /// Puts `dead_letter` behind `all`, or its payload into the one that is open. `form`: of parts that can stand together.
    pub(crate) fn put(&mut self, all: &mut Vec<DeadLetter>, dead_letter: DeadLetter, form: Option<Form>) {
        self.has_any = true;
        let of_reason = &mut self.of_reason[dead_letter.reason as usize];
        let whole = dead_letter.payload.len() as u64 == dead_letter.payload_bytes;
        let Some(form) = form.filter(|_| whole && of_reason.alone >= ALONE_MAX) else {
            of_reason.alone += 1;
            return all.push(dead_letter);
        };
        let open = of_reason.open.filter(|(_, open)| *open == form).map(|(index, _)| index);
        if let Some(index) = open
            && let Some(joined) = all.get_mut(index)
            && joined.topic == dead_letter.topic
            && joined.payload.len() + dead_letter.payload.len() <= JOINED_BYTES_MAX
        {
            join(&mut joined.payload, &dead_letter.payload, form);
            joined.payload_bytes = joined.payload.len() as u64;
            joined.records += dead_letter.records;
            return;
        }
        of_reason.open = Some((all.len(), form));
        let mut payload = dead_letter.payload;
        if form == Form::Elements {
            payload.insert(0, b'[');
            payload.push(b']');
        }
        all.push(DeadLetter { payload_bytes: payload.len() as u64, payload, ..dead_letter });
    }
}

fn join(payload: &mut Vec<u8>, part: &[u8], form: Form) {
    match form {
        Form::Elements => {
            payload.pop();
            payload.push(b',');
            payload.extend_from_slice(part);
            payload.push(b']');
        }
        Form::Lines => {
            payload.push(b'\n');
            payload.extend_from_slice(part);
        }
        Form::Frames => payload.extend_from_slice(part),
    }
}

/// Where what is set aside behind the door came from.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) source: u8,
    pub(crate) client: &'a str,
    /// Empty for transports without topics: the payload names what it belongs to.
    pub(crate) topic: &'a str,
    pub(crate) received_us: i64,
}

pub(crate) fn dead_letter(
    raw: &RawReading,
    sensor_id: &str,
    sender: Sender<'_>,
    reason: Reason,
    detail: String,
) -> DeadLetter {
    let element = serde_json::json!({
        "sensor_id": sensor_id,
        "timestamp_us": raw.timestamp_us,
        "value": raw.value,
        "quality": raw.quality.as_str(),
    });
    whole_dead_letter(element.to_string().into_bytes(), sender, reason, detail)
}

pub(crate) fn snapshot_dead_letter(
    snapshot: &Snapshot,
    catalogue: &Catalogue,
    sender: Sender<'_>,
    reason: Reason,
    detail: String,
) -> DeadLetter {
    let machine = catalogue.machine(snapshot.machine).map_or("?", |entry| entry.machine.machine_id.as_str());
    let payload = snapshot_element(&snapshot.fields, machine, snapshot.timestamp_us);
    whole_dead_letter(payload, sender, reason, detail)
}

fn whole_dead_letter(payload: Vec<u8>, sender: Sender<'_>, reason: Reason, detail: String) -> DeadLetter {
    let Sender { source, client, topic, received_us } = sender;
    let payload_bytes = payload.len() as u64;
    let (client, topic) = (client.to_owned(), topic.to_owned());
    DeadLetter { source, client, received_us, topic, reason, detail, payload, payload_bytes, records: 1 }
}

/// A snapshot as a payload that can be replayed alone, under a batch topic too.
pub(crate) fn snapshot_element(fields: &SnapshotFields, machine_id: &str, timestamp_us: i64) -> Vec<u8> {
    let mut element = serde_json::to_value(fields).unwrap_or_default();
    if let Some(object) = element.as_object_mut() {
        object.retain(|_, value| !value.is_null());
        if let Some(at) = object.remove("last_fault_timestamp_us") {
            object.insert("last_fault_timestamp".to_owned(), at);
        }
        object.insert("machine_id".to_owned(), machine_id.into());
        object.insert("timestamp_us".to_owned(), timestamp_us.into());
    }
    element.to_string().into_bytes()
}
