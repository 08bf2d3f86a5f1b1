//! Readings and snapshots that a shard sets aside, as dead letters that can be replayed.

use crate::intake;
use genims_analysis::sensor::Origin;
use genims_catalogue::Catalogue;
use genims_model::{DeadLetter, RawReading, Reason, Snapshot};

pub(crate) fn dead_letter(
    raw: &RawReading,
    sensor_id: &str,
    origin: Origin,
    reason: Reason,
    detail: String,
) -> DeadLetter {
    let element = serde_json::json!({
        "sensor_id": sensor_id,
        "timestamp_us": raw.timestamp_us,
        "value": raw.value,
        "quality": raw.quality.as_str(),
    });
    whole_dead_letter(element.to_string().into_bytes(), origin.source, origin.received_us, reason, detail)
}

pub(crate) fn snapshot_dead_letter(
    snapshot: &Snapshot,
    catalogue: &Catalogue,
    reason: Reason,
    detail: String,
) -> DeadLetter {
    let machine = catalogue.machine(snapshot.machine).map_or("?", |entry| entry.machine.machine_id.as_str());
    let payload = intake::snapshot_element(&snapshot.fields, machine, snapshot.timestamp_us);
    whole_dead_letter(payload, snapshot.source, snapshot.received_us, reason, detail)
}

/// Its topic is empty: the payload names what it belongs to.
fn whole_dead_letter(payload: Vec<u8>, source: u8, received_us: i64, reason: Reason, detail: String) -> DeadLetter {
    let payload_bytes = payload.len() as u64;
    DeadLetter { source, received_us, topic: String::new(), reason, detail, payload, payload_bytes }
}
