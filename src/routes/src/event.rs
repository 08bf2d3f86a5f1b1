//! An event as routes see it: its kind, and named fields with everything that the catalogue knows of its machine and sensor.
//!
//! Fields that a kind does not have are absent, which SQL reads as NULL. Times are UTC, as text of microseconds.

use chrono::{DateTime, NaiveDateTime};
use genims_catalogue::Catalogue;
use genims_model::event::{FaultClosed, FaultOpened, OeeHour, SensorHealth};
use genims_model::{Event, MachineNo, SensorNo};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    Text,
    Integer,
    Float,
    Boolean,
    Timestamp,
}

/// A field that a route may name as `event.<name>`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Field {
    pub name: &'static str,
    pub field_type: FieldType,
    pub meaning: &'static str,
}

const fn field(name: &'static str, field_type: FieldType, meaning: &'static str) -> Field {
    Field { name, field_type, meaning }
}

use FieldType::{Boolean, Float, Integer, Text, Timestamp};

/// All fields of all kinds, each name with one type and one meaning.
pub const FIELDS: &[Field] = &[
    field("uid", Text, "names the event for ever: the log's id and the event's place in it"),
    field("kind", Text, "the event's kind"),
    field("log_offset", Integer, "the event's place in the log: later events have higher ones"),
    field("at", Timestamp, "when it happened, by the source's clock"),
    field("machine_id", Text, "genims_master_db.machines.machine_id"),
    field("machine_code", Text, "genims_master_db.machines.machine_code"),
    field("machine_type", Text, "genims_master_db.machines.machine_type"),
    field("line_id", Text, "genims_master_db.production_lines.line_id"),
    field("factory_id", Text, "genims_master_db.factories.factory_id"),
    field("sensor_id", Text, "genims_master_db.sensors.sensor_id"),
    field("sensor_code", Text, "genims_master_db.sensors.sensor_code"),
    field("sensor_type", Text, "genims_master_db.sensors.sensor_type"),
    field("unit", Text, "the sensor's unit of measurement"),
    field("fault_code", Text, "the fault's code: the sensor's threshold or the PLC's own"),
    field("category", Text, "mechanical, thermal, pneumatic, electrical, process, control"),
    field("severity", Text, "low, medium, high, critical"),
    field("description", Text, "the fault in words"),
    field("detection_method", Text, "threshold, plc"),
    field("started_at", Timestamp, "when the fault, or the hour, began"),
    field("ended_at", Timestamp, "when the fault ended"),
    field("duration_seconds", Integer, "from start to end of the fault"),
    field("downtime_minutes", Integer, "minutes that the machine stood meanwhile"),
    field("production_loss_units", Integer, "units that the machine would have made meanwhile"),
    field("health_score", Float, "0 to 100"),
    field("drift_percentage", Float, "of the sensor's range"),
    field("noise_level", Float, "standard deviation within a minute, in the sensor's unit"),
    field("last_communication_at", Timestamp, "the sensor's newest reading"),
    field("communication_failures_24h", Integer, "silences within a day"),
    field("stuck", Boolean, "the value does not move"),
    field("erratic", Boolean, "the value jumps"),
    field("out_of_range_24h", Integer, "readings outside the sensor's range within a day"),
    field("average_latency_ms", Float, "from the source's clock to receipt"),
    field("status", Text, "of a sensor: healthy, degraded, failed, silent"),
    field("state_from", Text, "the machine's state before; absent for the first one seen"),
    field(
        "state_to",
        Text,
        "the machine's state now: RUNNING, IDLE, SETUP, FAULT, MAINTENANCE, STOPPED or the client's word",
    ),
    field(
        "state_lasted_seconds",
        Float,
        "how long the state before had lasted; absent when its beginning was not seen",
    ),
    field("produced", Integer, "parts counted"),
    field("rejected", Integer, "of these, rejected"),
    field("good", Integer, "of these, the others"),
    field("interval_seconds", Float, "between the two looks at the counters"),
    field("energy_kwh", Float, "drawn in the interval"),
    field("register_kwh", Float, "the meter's own count at its end"),
    field("tool_from", Integer, "place in the magazine of the tool before"),
    field("tool_to", Integer, "place in the magazine of the tool now"),
    field("operator_before", Text, "who worked there before; absent for nobody"),
    field("operator_id", Text, "who works there now (genims_master_db.employees); absent for nobody"),
    field("shift_id", Text, "genims_master_db.shifts"),
    field("availability", Float, "fraction 0 to 1"),
    field("performance", Float, "fraction 0 to 1"),
    field("quality", Float, "fraction 0 to 1"),
    field("oee", Float, "fraction 0 to 1: the product of the three"),
    field("running_seconds", Float, "of the hour"),
    field("planned_seconds", Float, "of the hour"),
    field("client_id", Text, "the lost client"),
    field("will_topic", Text, "the topic of its will"),
    field("will_payload", Text, "the will's payload; what is no text is replaced"),
];

/// What is said of a field that there is not.
pub(crate) fn no_field(name: &str) -> String {
    let known: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
    format!("events have no field {name}; they have {}", known.join(", "))
}

/// The kinds of events that a route may name.
pub const KINDS: &[&str] = &[
    "fault_opened",
    "fault_closed",
    "sensor_health",
    "state_changed",
    "parts_counted",
    "oee_hour",
    "client_lost",
    "energy_metered",
    "tool_changed",
    "operator_changed",
];

/// The end of what a lost client's will may bring; the rest is cut.
const WILL_BYTES_MAX: usize = 4 * 1024;

/// One event with its fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoutedEvent {
    pub log_offset: u64,
    pub kind: &'static str,
    pub at_us: i64,
    #[serde(flatten)]
    pub values: Map<String, Value>,
}

impl RoutedEvent {
    /// `None` for events of machines or sensors that the catalogue does not know.
    pub fn of(log: Uuid, log_offset: u64, event: &Event, catalogue: &Catalogue) -> Option<Self> {
        let mut fields = Fields { values: Map::new(), catalogue };
        let (kind, at_us) = match event {
            Event::FaultOpened(fault) => (KINDS[0], fields.fault_opened(fault)?),
            Event::FaultClosed(fault) => (KINDS[1], fields.fault_closed(fault)?),
            Event::SensorHealth(health) => (KINDS[2], fields.sensor_health(health)?),
            Event::StateChanged { machine, timestamp_us, from, to, lasted_us } => {
                fields.machine(*machine)?;
                if !from.is_empty() {
                    fields.put("state_from", from.as_str());
                }
                fields.put("state_to", to.as_str());
                fields.put_some("state_lasted_seconds", lasted_us.map(seconds));
                (KINDS[3], *timestamp_us)
            }
            Event::PartsCounted { machine, timestamp_us, produced, rejected, interval_us } => {
                fields.machine(*machine)?;
                fields.counts(*produced, *rejected);
                fields.put("interval_seconds", interval_us.map_or(0.0, seconds));
                (KINDS[4], *timestamp_us)
            }
            Event::OeeHour(hour) => (KINDS[5], fields.oee_hour(hour)?),
            Event::ClientLost { client_id, timestamp_us, will_topic, will_payload } => {
                fields.put("client_id", client_id.as_str());
                fields.put("will_topic", will_topic.as_str());
                let payload = &will_payload[..will_payload.len().min(WILL_BYTES_MAX)];
                fields.put("will_payload", String::from_utf8_lossy(payload));
                (KINDS[6], *timestamp_us)
            }
            Event::EnergyMetered { machine, timestamp_us, kwh, register_kwh, interval_us } => {
                fields.machine(*machine)?;
                fields.put("energy_kwh", *kwh);
                fields.put("register_kwh", *register_kwh);
                fields.put("interval_seconds", seconds(*interval_us));
                (KINDS[7], *timestamp_us)
            }
            Event::ToolChanged { machine, timestamp_us, from, to } => {
                fields.machine(*machine)?;
                fields.put("tool_from", *from);
                fields.put("tool_to", *to);
                (KINDS[8], *timestamp_us)
            }
            Event::OperatorChanged { machine, timestamp_us, from, to, shift_id } => {
                fields.machine(*machine)?;
                fields.put_some("operator_before", Some(from.as_str()).filter(|from| !from.is_empty()));
                fields.put_some("operator_id", Some(to.as_str()).filter(|to| !to.is_empty()));
                fields.put_some("shift_id", shift_id.as_deref());
                (KINDS[9], *timestamp_us)
            }
        };
        fields.put("uid", uid(log, log_offset));
        fields.put("kind", kind);
        fields.put("log_offset", log_offset);
        fields.put("at", time(at_us)?);
        Some(Self { log_offset, kind, at_us, values: fields.values })
    }
}

impl RoutedEvent {
    /// From its fields as a JSON object, as somebody writes them to try a route: only `kind` and what the kind has.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut values: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| format!("write it as a JSON object of its fields: {error}"))?;
        if let Some(unknown) = values.keys().find(|name| !FIELDS.iter().any(|field| field.name == name.as_str())) {
            return Err(no_field(unknown));
        }
        let kind = values.get("kind").and_then(Value::as_str).unwrap_or_default();
        let Some(kind) = KINDS.iter().find(|known| **known == kind) else {
            return Err(format!("\"kind\" must be one of {}", KINDS.join(", ")));
        };
        let mut at_us = 0;
        for field in FIELDS.iter().filter(|field| field.field_type == Timestamp) {
            let Some(value) = values.get_mut(field.name) else { continue };
            let us = value.as_str().and_then(parsed_time).ok_or_else(|| {
                format!("{}: write the time like \"2026-11-28T14:05:00Z\" or \"2026-11-28 14:05:00.250\"", field.name)
            })?;
            *value = time(us).ok_or_else(|| format!("{}: the year is between 1970 and 9999", field.name))?.into();
            if field.name == "at" {
                at_us = us;
            }
        }
        let log_offset = values.get("log_offset").and_then(Value::as_u64).unwrap_or(0);
        values.entry("uid").or_insert_with(|| uid(Uuid::nil(), log_offset).into());
        values.entry("log_offset").or_insert_with(|| log_offset.into());
        Ok(Self { log_offset, kind, at_us, values })
    }
}

fn parsed_time(text: &str) -> Option<i64> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_micros());
    let plain =
        || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map(|time| time.and_utc().timestamp_micros());
    zoned.or_else(|_| plain()).ok()
}

/// Neither seeding nor other clients make ids of this form.
fn uid(log: Uuid, log_offset: u64) -> String {
    format!("EV-{:08x}-{log_offset}", log.as_fields().0)
}

/// `None` for times outside the calendar of databases.
fn time(timestamp_us: i64) -> Option<String> {
    let time = DateTime::from_timestamp_micros(timestamp_us)?;
    let years = 1970..=9999;
    years.contains(&chrono::Datelike::year(&time)).then(|| time.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
}

fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}

struct Fields<'a> {
    values: Map<String, Value>,
    catalogue: &'a Catalogue,
}

impl Fields<'_> {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        debug_assert!(FIELDS.iter().any(|field| field.name == name), "{name} is not among the fields");
        let value = match value.into() {
            // PostgreSQL's text takes no zero character, and a device may send one.
            Value::String(text) if text.contains('\0') => text.replace('\0', "").into(),
            value => value,
        };
        self.values.insert(name.to_owned(), value);
    }

    fn put_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn machine(&mut self, no: MachineNo) -> Option<()> {
        let machine = &self.catalogue.machine(no)?.machine;
        self.put("machine_id", machine.machine_id.as_str());
        self.put("line_id", machine.line_id.as_str());
        self.put("factory_id", machine.factory_id.as_str());
        self.put_some("machine_code", machine.machine_code.as_deref());
        self.put_some("machine_type", machine.machine_type.as_deref());
        Some(())
    }

    fn sensor(&mut self, no: SensorNo) -> Option<()> {
        let sensor = &self.catalogue.sensor(no)?.sensor;
        self.put("sensor_id", sensor.sensor_id.as_str());
        self.put("unit", sensor.unit.as_str());
        self.put_some("sensor_code", sensor.sensor_code.as_deref());
        self.put_some("sensor_type", sensor.sensor_type.as_deref());
        Some(())
    }

    fn counts(&mut self, produced: i64, rejected: i64) {
        self.put("produced", produced);
        self.put("rejected", rejected);
        // The counters are two, and may be looked at between their steps.
        self.put("good", (produced - rejected).max(0));
    }

    fn fault_opened(&mut self, fault: &FaultOpened) -> Option<i64> {
        self.machine(fault.machine)?;
        if let Some(no) = fault.sensor {
            self.sensor(no)?;
        }
        self.put("fault_code", fault.fault_code.as_str());
        self.put("category", fault.category.as_str());
        self.put("severity", fault.severity.as_str());
        self.put("description", fault.description.as_str());
        self.put("detection_method", fault.detection_method.as_str());
        self.put("started_at", time(fault.start_us)?);
        Some(fault.start_us)
    }

    fn fault_closed(&mut self, fault: &FaultClosed) -> Option<i64> {
        self.machine(fault.machine)?;
        self.put("fault_code", fault.fault_code.as_str());
        self.put("started_at", time(fault.start_us)?);
        self.put("ended_at", time(fault.end_us)?);
        self.put("duration_seconds", fault.end_us.saturating_sub(fault.start_us) / 1_000_000);
        self.put_some("downtime_minutes", fault.downtime_minutes);
        self.put_some("production_loss_units", fault.production_loss_units);
        Some(fault.end_us)
    }

    fn sensor_health(&mut self, health: &SensorHealth) -> Option<i64> {
        let machine = self.catalogue.sensor(health.sensor)?.machine;
        self.machine(machine)?;
        self.sensor(health.sensor)?;
        self.put("health_score", health.health_score);
        self.put_some("drift_percentage", health.drift_percentage);
        self.put_some("noise_level", health.noise_level);
        self.put_some("last_communication_at", health.last_communication_us.and_then(time));
        self.put("communication_failures_24h", health.communication_failures_24h);
        self.put("stuck", health.stuck);
        self.put("erratic", health.erratic);
        self.put("out_of_range_24h", health.out_of_range_24h);
        self.put_some("average_latency_ms", health.average_latency_ms);
        self.put("status", health.overall_status.as_str());
        Some(health.timestamp_us)
    }

    fn oee_hour(&mut self, hour: &OeeHour) -> Option<i64> {
        self.machine(hour.machine)?;
        self.put("started_at", time(hour.hour_us)?);
        self.put("availability", hour.availability);
        self.put("performance", hour.performance);
        self.put("quality", hour.quality);
        self.put("oee", hour.oee);
        self.put("running_seconds", hour.running_seconds);
        self.put("planned_seconds", hour.planned_seconds);
        self.counts(hour.produced, hour.rejected);
        Some(hour.hour_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_everything_under_the_names_of_the_list_and_holds_no_zero_character() {
        let mut catalogue = Catalogue::default();
        let machine = genims_catalogue::Machine {
            machine_id: "M1".to_owned(),
            line_id: "L1".to_owned(),
            factory_id: "F1".to_owned(),
            machine_code: None,
            machine_type: Some("press".to_owned()),
            design_capacity_units_per_hour: None,
            active: true,
        };
        let (no, _) = catalogue.put_machine(machine);
        let event = Event::StateChanged {
            machine: no,
            timestamp_us: 1_700_000_000_123_456,
            from: String::new(),
            to: "RUN\0NING".to_owned(),
            lasted_us: None,
        };
        let routed = RoutedEvent::of(Uuid::from_u128(0xAB << 96), 7, &event, &catalogue).expect("a known machine");
        let text = |name: &str| routed.values.get(name).and_then(Value::as_str);
        assert_eq!((text("uid"), text("kind")), (Some("EV-000000ab-7"), Some("state_changed")));
        assert_eq!((text("state_to"), text("state_from")), (Some("RUNNING"), None));
        assert_eq!((text("at"), text("machine_type")), (Some("2023-11-14 22:13:20.123456"), Some("press")));
        let strange = Event::StateChanged {
            machine: MachineNo(9),
            timestamp_us: 0,
            from: String::new(),
            to: String::new(),
            lasted_us: None,
        };
        assert_eq!(RoutedEvent::of(Uuid::nil(), 0, &strange, &catalogue), None);
    }

    #[test]
    fn an_event_to_try_is_read_and_what_is_wrong_with_it_is_said() {
        let event = RoutedEvent::parse(r#"{"kind": "fault_opened", "at": "2026-11-28T14:05:00+01:00"}"#).expect("well");
        assert_eq!(event.values["at"], "2026-11-28 13:05:00.000000");
        for (text, expected) in [
            ("[]", "write it as a JSON object"),
            (r#"{"kind": "fault"}"#, "must be one of fault_opened"),
            (r#"{"kind": "fault_opened", "machine": "M1"}"#, "no field machine; they have uid"),
            (r#"{"kind": "fault_opened", "at": "noon"}"#, "at: write the time like"),
        ] {
            let error = RoutedEvent::parse(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
