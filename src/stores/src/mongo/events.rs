//! Snapshots and events become documents of the three smaller collections.
//!
//! - `scada_events`: snapshots, state changes, counted parts and lost clients, told apart by `event_type`
//! - `machine_fault_events`: faults as they open and close
//! - `oee_metrics`: one finished hour of one machine
//!
//! `meta` is the machine: small and stable, as a time-series collection wants it.

use crate::mongo::bson::{DOCUMENT, PutBson};
use crate::mongo::readings::object_id;
use bson::Bson;
use genims_catalogue::{Catalogue, MachineEntry};
use genims_model::event::{FaultClosed, FaultOpened, OeeHour};
use genims_model::{Event, MachineNo, Snapshot};
use uuid::Uuid;

/// The end of what a lost client's will may bring; the rest is cut.
const WILL_BYTES_MAX: usize = 4 * 1024;

/// Where a document goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventCollection {
    ScadaEvents,
    MachineFaultEvents,
    OeeMetrics,
}

/// A document and its log offset.
#[derive(Clone, Debug, PartialEq)]
pub struct EventDocument {
    pub place: EventCollection,
    pub offset: u64,
    pub timestamp_us: i64,
    pub bytes: Vec<u8>,
}

/// Encodes what is not a reading.
pub struct EventEncoder<'a> {
    pub catalogue: &'a Catalogue,
    pub spool_id: Uuid,
}

impl EventEncoder<'_> {
    pub fn snapshot(&self, offset: u64, snapshot: &Snapshot) -> EventDocument {
        let mut out =
            self.document(EventCollection::ScadaEvents, offset, snapshot.timestamp_us, Some(snapshot.machine));
        out.bytes.put_string("event_type", "snapshot");
        put_fields(&snapshot.fields, &mut out.bytes);
        close(out)
    }

    /// `None` for events that MongoDB does not hold.
    pub fn event(&self, offset: u64, event: &Event) -> Option<EventDocument> {
        match event {
            Event::FaultOpened(fault) => Some(self.fault_opened(offset, fault)),
            Event::FaultClosed(fault) => Some(self.fault_closed(offset, fault)),
            Event::OeeHour(hour) => Some(self.oee_hour(offset, hour)),
            Event::StateChanged { machine, timestamp_us, from, to, .. } => {
                let mut out = self.document(EventCollection::ScadaEvents, offset, *timestamp_us, Some(*machine));
                out.bytes.put_string("event_type", "state_changed");
                out.bytes.put_string("from", from);
                out.bytes.put_string("to", to);
                Some(close(out))
            }
            Event::PartsCounted { machine, timestamp_us, produced, rejected, .. } => {
                let mut out = self.document(EventCollection::ScadaEvents, offset, *timestamp_us, Some(*machine));
                out.bytes.put_string("event_type", "parts_counted");
                out.bytes.put_int64("produced", *produced);
                out.bytes.put_int64("rejected", *rejected);
                Some(close(out))
            }
            Event::ClientLost { client_id, timestamp_us, will_topic, will_payload } => {
                let mut out = self.document(EventCollection::ScadaEvents, offset, *timestamp_us, None);
                out.bytes.put_string("event_type", "client_lost");
                out.bytes.put_string("client_id", client_id);
                out.bytes.put_string("will_topic", will_topic);
                let payload = &will_payload[..will_payload.len().min(WILL_BYTES_MAX)];
                out.bytes.put_string("will_payload", &String::from_utf8_lossy(payload));
                Some(close(out))
            }
            Event::SensorHealth(_)
            | Event::EnergyMetered { .. }
            | Event::ToolChanged { .. }
            | Event::OperatorChanged { .. }
            | Event::LimitCrossed(_)
            | Event::AnomalySeen(_)
            | Event::QualityMeasured { .. }
            | Event::MachineSilent { .. } => None,
        }
    }

    fn fault_opened(&self, offset: u64, fault: &FaultOpened) -> EventDocument {
        let mut out = self.document(EventCollection::MachineFaultEvents, offset, fault.start_us, Some(fault.machine));
        out.bytes.put_string("event_type", "fault_opened");
        out.bytes.put_string("fault_code", &fault.fault_code);
        out.bytes.put_string("category", &fault.category);
        out.bytes.put_string("severity", &fault.severity);
        out.bytes.put_string("description", &fault.description);
        out.bytes.put_string("detection_method", &fault.detection_method);
        if let Some(entry) = fault.sensor.and_then(|no| self.catalogue.sensor(no)) {
            out.bytes.put_string("sensor_id", &entry.sensor.sensor_id);
        }
        close(out)
    }

    fn fault_closed(&self, offset: u64, fault: &FaultClosed) -> EventDocument {
        let mut out = self.document(EventCollection::MachineFaultEvents, offset, fault.end_us, Some(fault.machine));
        out.bytes.put_string("event_type", "fault_closed");
        out.bytes.put_string("fault_code", &fault.fault_code);
        out.bytes.put_datetime("fault_start_time", fault.start_us);
        let duration_us = fault.end_us.saturating_sub(fault.start_us);
        out.bytes.put_double("duration_seconds", duration_us as f64 / 1e6);
        if let Some(minutes) = fault.downtime_minutes {
            out.bytes.put_int32("downtime_minutes", minutes);
        }
        if let Some(units) = fault.production_loss_units {
            out.bytes.put_int32("production_loss_units", units);
        }
        close(out)
    }

    fn oee_hour(&self, offset: u64, hour: &OeeHour) -> EventDocument {
        let mut out = self.document(EventCollection::OeeMetrics, offset, hour.hour_us, Some(hour.machine));
        let fractions = [
            ("availability", hour.availability),
            ("performance", hour.performance),
            ("quality", hour.quality),
            ("oee", hour.oee),
            ("running_seconds", hour.running_seconds),
            ("planned_seconds", hour.planned_seconds),
        ];
        for (name, value) in fractions {
            out.bytes.put_double(name, value);
        }
        out.bytes.put_int64("produced", hour.produced);
        out.bytes.put_int64("rejected", hour.rejected);
        close(out)
    }

    /// Opens a document: `_id`, `timestamp`, `meta`.
    fn document(
        &self,
        place: EventCollection,
        offset: u64,
        timestamp_us: i64,
        machine: Option<MachineNo>,
    ) -> EventDocument {
        let mut bytes = Vec::with_capacity(512);
        bytes.open();
        bytes.put_object_id("_id", object_id(self.spool_id, offset));
        bytes.put_datetime("timestamp", timestamp_us);
        bytes.put_key(DOCUMENT, "meta");
        let meta = bytes.open();
        if let Some(entry) = machine.and_then(|no| self.catalogue.machine(no)) {
            let MachineEntry { machine, .. } = entry.as_ref();
            bytes.put_string("factory_id", &machine.factory_id);
            bytes.put_string("line_id", &machine.line_id);
            bytes.put_string("machine_id", &machine.machine_id);
        }
        bytes.close(meta);
        EventDocument { place, offset, timestamp_us, bytes }
    }
}

fn close(mut out: EventDocument) -> EventDocument {
    out.bytes.close(0);
    out
}

/// A flat struct's fields that have a value, under their own names; snapshots are few enough for serde.
fn put_fields(fields: &impl serde::Serialize, out: &mut Vec<u8>) {
    let Ok(Bson::Document(fields)) = bson::serialize_to_bson(fields) else { return };
    for (name, value) in &fields {
        match value {
            Bson::String(text) => out.put_string(name, text),
            Bson::Double(number) => out.put_double(name, *number),
            Bson::Int32(number) => out.put_int32(name, *number),
            Bson::Int64(micros) if name.ends_with("_us") => out.put_datetime(name.trim_end_matches("_us"), *micros),
            Bson::Int64(number) => out.put_int64(name, *number),
            Bson::Boolean(flag) => out.put_bool(name, *flag),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use genims_model::snapshot::SnapshotFields;

    #[test]
    fn a_snapshot_shows_only_what_the_machine_said() {
        let catalogue = sample::catalogue(1);
        let encoder = EventEncoder { catalogue: &catalogue, spool_id: Uuid::nil() };
        let fields = SnapshotFields {
            machine_state: "RUNNING".to_owned(),
            parts_produced_cumulative: Some(12),
            oee_percentage: Some(81.5),
            last_fault_timestamp_us: Some(1_000_000),
            ..SnapshotFields::default()
        };
        let snapshot = Snapshot { machine: MachineNo(0), source: 0, received_us: 2, timestamp_us: 1_999, fields };
        let document = encoder.snapshot(9, &snapshot);
        let read = bson::Document::from_reader(document.bytes.as_slice()).expect("BSON");
        let expected = bson::doc! {
            "_id": bson::oid::ObjectId::from_bytes(object_id(Uuid::nil(), 9)),
            "timestamp": bson::DateTime::from_millis(1),
            "meta": { "factory_id": "FAC-01", "line_id": "LINE-01", "machine_id": "MAC-0000" },
            "event_type": "snapshot",
            "machine_state": "RUNNING",
            "parts_produced_cumulative": 12_i64,
            "oee_percentage": 81.5,
            "last_fault_timestamp": bson::DateTime::from_millis(1_000),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_will_is_recorded_and_cut_to_its_bound() {
        let catalogue = sample::catalogue(1);
        let encoder = EventEncoder { catalogue: &catalogue, spool_id: Uuid::nil() };
        let event = Event::ClientLost {
            client_id: "plc-7".to_owned(),
            timestamp_us: 0,
            will_topic: "down".to_owned(),
            will_payload: vec![b'x'; WILL_BYTES_MAX + 1],
        };
        let document = encoder.event(0, &event).expect("a document");
        let read = bson::Document::from_reader(document.bytes.as_slice()).expect("BSON");
        assert_eq!(read.get_str("will_payload").map(str::len).ok(), Some(WILL_BYTES_MAX));
    }
}
