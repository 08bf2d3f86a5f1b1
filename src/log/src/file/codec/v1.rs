//! Records of format 1, read only. Items followed each other by position (postcard), so no field could be added.
//!
//! ```text
//! "GSR1" | payload_bytes u32 | first_offset u64 | synced_position u64
//! readings u32 | snapshots u32 | events u32 | dead_letters u32 | marks u32 | crc32 u32      (48 bytes)
//! payload: readings at 69 bytes each, then the other kinds item after item
//! ```

use super::{Counts, Damage, READING_BYTES};
use super::{reading, u32_at};
use genims_model::event::{FaultClosed, FaultOpened, OeeHour, SensorHealth};
use genims_model::{DeadLetter, Event, Group, MachineNo, Reason};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(in super::super) fn counts(header: &[u8]) -> Counts {
    Counts {
        readings: u32_at(header, 24),
        snapshots: u32_at(header, 28),
        events: u32_at(header, 32),
        dead_letters: u32_at(header, 36),
        rows: 0,
        marks: u32_at(header, 40),
    }
}

/// The fields that a dead letter had, in their order.
#[derive(Deserialize)]
struct DeadLetterV1 {
    source: u8,
    received_us: i64,
    topic: String,
    reason: Reason,
    detail: String,
    payload: Vec<u8>,
    payload_bytes: u64,
}

impl From<DeadLetterV1> for DeadLetter {
    fn from(old: DeadLetterV1) -> Self {
        let DeadLetterV1 { source, received_us, topic, reason, detail, payload, payload_bytes } = old;
        Self { source, client: String::new(), received_us, topic, reason, detail, payload, payload_bytes, records: 1 }
    }
}

/// The kinds of events that there were, in their order, and the fields that they had.
#[derive(Deserialize)]
enum EventV1 {
    FaultOpened(FaultOpened),
    FaultClosed(FaultClosed),
    SensorHealth(SensorHealth),
    StateChanged { machine: MachineNo, timestamp_us: i64, from: String, to: String },
    PartsCounted { machine: MachineNo, timestamp_us: i64, produced: i64, rejected: i64 },
    OeeHour(OeeHour),
    ClientLost { client_id: String, timestamp_us: i64, will_topic: String, will_payload: Vec<u8> },
}

impl From<EventV1> for Event {
    fn from(old: EventV1) -> Self {
        match old {
            EventV1::FaultOpened(fault) => Self::FaultOpened(fault),
            EventV1::FaultClosed(fault) => Self::FaultClosed(fault),
            EventV1::SensorHealth(health) => Self::SensorHealth(health),
            EventV1::StateChanged { machine, timestamp_us, from, to } => {
                Self::StateChanged { machine, timestamp_us, from, to, lasted_us: None }
            }
            EventV1::PartsCounted { machine, timestamp_us, produced, rejected } => {
                Self::PartsCounted { machine, timestamp_us, produced, rejected, interval_us: None }
            }
            EventV1::OeeHour(hour) => Self::OeeHour(hour),
            EventV1::ClientLost { client_id, timestamp_us, will_topic, will_payload } => {
                Self::ClientLost { client_id, timestamp_us, will_topic, will_payload }
            }
        }
    }
}

/// The group behind a header whose checksum was found right.
pub(in super::super) fn decode(first_offset: u64, counts: &Counts, payload: &[u8]) -> Result<Group, Damage> {
    let readings_bytes = counts.readings as usize * READING_BYTES;
    let (readings, mut rest) =
        payload.split_at_checked(readings_bytes).ok_or_else(|| Damage::Content("fewer readings than said".into()))?;
    let group = Group {
        first_offset,
        readings: readings.chunks_exact(READING_BYTES).map(reading::take).collect::<Result<_, _>>()?,
        snapshots: take_items(&mut rest, counts.snapshots)?,
        events: take_items::<EventV1>(&mut rest, counts.events)?.into_iter().map(Into::into).collect(),
        dead_letters: take_items::<DeadLetterV1>(&mut rest, counts.dead_letters)?.into_iter().map(Into::into).collect(),
        rows: Vec::new(),
        marks: take_items(&mut rest, counts.marks)?,
        skipped: 0,
    };
    if !rest.is_empty() {
        return Err(Damage::Content(format!("{} bytes too many", rest.len())));
    }
    Ok(group)
}

/// An item takes at least one byte, so a count that promises more than there are bytes fails before it allocates.
fn take_items<T: DeserializeOwned>(bytes: &mut &[u8], count: u32) -> Result<Vec<T>, Damage> {
    if count as usize > bytes.len() {
        return Err(Damage::Content("fewer items than said".into()));
    }
    let mut items = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (item, rest) = postcard::take_from_bytes(bytes).map_err(|error| Damage::Content(error.to_string()))?;
        items.push(item);
        *bytes = rest;
    }
    Ok(items)
}
