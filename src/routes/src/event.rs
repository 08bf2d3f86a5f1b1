//! An event as routes see it: its kind, and named fields with everything that the catalogue knows of its machine and sensor.
//!
//! Fields that a kind does not have are absent, which SQL reads as NULL. Times are UTC, as text of microseconds.

pub use crate::vocabulary::{FIELDS, Field, FieldType, KINDS};

use crate::vocabulary::{kind, no_field};
use chrono::{DateTime, NaiveDateTime};
use genims_catalogue::Catalogue;
use genims_model::event::{AnomalySeen, FaultClosed, FaultOpened, LimitCrossed, OeeHour, SensorHealth};
use genims_model::{Event, MachineNo, SensorNo};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// The end of what a lost client's will may bring; the rest is cut.
const WILL_BYTES_MAX: usize = 4 * 1024;

/// A tool's name has 50 characters, of which its place takes some.
const TOOL_MACHINE_CHARS_MAX: usize = 38;

/// A score from here on: ten standard deviations.
const ANOMALY_HIGH_FROM: f64 = 0.86;

/// One event with its fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoutedEvent {
    pub log_offset: u64,
    pub kind: &'static str,
    pub at_us: i64,
    /// It was told before, and ends what was made anew behind it: see [`crate::again`].
    #[serde(skip)]
    pub is_again: bool,
    #[serde(flatten)]
    pub values: Map<String, Value>,
}

/// What kind of event it is, without its fields.
pub fn kind_of(event: &Event) -> &'static str {
    match event {
        Event::FaultOpened(_) => kind::FAULT_OPENED,
        Event::FaultClosed(_) => kind::FAULT_CLOSED,
        Event::SensorHealth(_) => kind::SENSOR_HEALTH,
        Event::StateChanged { .. } => kind::STATE_CHANGED,
        Event::PartsCounted { .. } => kind::PARTS_COUNTED,
        Event::OeeHour(_) => kind::OEE_HOUR,
        Event::ClientLost { .. } => kind::CLIENT_LOST,
        Event::EnergyMetered { .. } => kind::ENERGY_METERED,
        Event::ToolChanged { .. } => kind::TOOL_CHANGED,
        Event::OperatorChanged { .. } => kind::OPERATOR_CHANGED,
        Event::LimitCrossed(crossed) if crossed.beyond => kind::LIMIT_CROSSED,
        Event::LimitCrossed(_) => kind::LIMIT_LEFT,
        Event::AnomalySeen(_) => kind::ANOMALY_SEEN,
        Event::QualityMeasured { .. } => kind::QUALITY_MEASURED,
        Event::MachineSilent { silent: true, .. } => kind::MACHINE_SILENT,
        Event::MachineSilent { .. } => kind::MACHINE_HEARD,
    }
}

impl RoutedEvent {
    /// `None` for events of machines or sensors that the catalogue does not know.
    pub fn of(log: Uuid, log_offset: u64, event: &Event, catalogue: &Catalogue) -> Option<Self> {
        let mut fields = Fields { values: Map::new(), catalogue };
        let at_us = match event {
            Event::FaultOpened(fault) => fields.fault_opened(fault)?,
            Event::FaultClosed(fault) => fields.fault_closed(fault)?,
            Event::SensorHealth(health) => fields.sensor_health(health)?,
            Event::StateChanged { machine, timestamp_us, from, to, lasted_us } => {
                fields.machine(*machine)?;
                if !from.is_empty() {
                    fields.put("state_from", from.as_str());
                }
                fields.put("state_to", to.as_str());
                fields.put_some("state_lasted_seconds", lasted_us.map(seconds));
                *timestamp_us
            }
            Event::PartsCounted { machine, timestamp_us, produced, rejected, interval_us } => {
                fields.machine(*machine)?;
                fields.counts(*produced, *rejected);
                fields.put("interval_seconds", interval_us.map_or(0.0, seconds));
                *timestamp_us
            }
            Event::OeeHour(hour) => fields.oee_hour(hour)?,
            Event::ClientLost { client_id, timestamp_us, will_topic, will_payload } => {
                fields.put("client_id", client_id.as_str());
                fields.put("will_topic", will_topic.as_str());
                let payload = &will_payload[..will_payload.len().min(WILL_BYTES_MAX)];
                fields.put("will_payload", String::from_utf8_lossy(payload));
                *timestamp_us
            }
            Event::EnergyMetered { machine, timestamp_us, kwh, register_kwh, interval_us } => {
                fields.machine(*machine)?;
                fields.put("energy_kwh", *kwh);
                fields.put("register_kwh", *register_kwh);
                fields.put("interval_seconds", seconds(*interval_us));
                *timestamp_us
            }
            Event::ToolChanged { machine, timestamp_us, from, to } => {
                fields.machine(*machine)?;
                fields.put("tool_from", *from);
                fields.put("tool_to", *to);
                for (name, place) in [("tool_from_id", from), ("tool_to_id", to)] {
                    fields.put_tool(name, *place);
                }
                *timestamp_us
            }
            Event::OperatorChanged { machine, timestamp_us, from, to, shift_id } => {
                fields.machine(*machine)?;
                fields.put_some("operator_before", Some(from.as_str()).filter(|from| !from.is_empty()));
                fields.put_some("operator_id", Some(to.as_str()).filter(|to| !to.is_empty()));
                fields.put_some("shift_id", shift_id.as_deref());
                *timestamp_us
            }
            Event::LimitCrossed(crossed) => fields.limit_crossed(crossed)?,
            Event::AnomalySeen(seen) => fields.anomaly_seen(seen)?,
            Event::QualityMeasured { sensor, timestamp_us, value, low, high } => {
                fields.owned_sensor(*sensor)?;
                fields.measured(*value, *low, *high);
                *timestamp_us
            }
            Event::MachineSilent { machine, timestamp_us, last_us, .. } => {
                fields.machine(*machine)?;
                fields.put_some("last_communication_at", time(*last_us));
                *timestamp_us
            }
        };
        let kind = kind_of(event);
        fields.put("uid", uid(log, log_offset));
        fields.put("kind", kind);
        fields.put("log_offset", log_offset);
        fields.put("at", time(at_us)?);
        Some(Self { log_offset, kind, at_us, is_again: false, values: fields.values })
    }

    /// The same under another name.
    pub fn name(&mut self, log: Uuid, number: u64) {
        self.values.insert("uid".to_owned(), uid(log, number).into());
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
        for field in FIELDS.iter().filter(|field| field.field_type == FieldType::Timestamp) {
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
        Ok(Self { log_offset, kind, at_us, is_again: false, values })
    }
}

fn parsed_time(text: &str) -> Option<i64> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_micros());
    let plain =
        || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map(|time| time.and_utc().timestamp_micros());
    zoned.or_else(|_| plain()).ok()
}

/// Neither seeding nor other clients make ids of this form.
pub fn uid(log: Uuid, log_offset: u64) -> String {
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

    /// The sensor and the machine that it is at.
    fn owned_sensor(&mut self, no: SensorNo) -> Option<()> {
        let machine = self.catalogue.sensor(no)?.machine;
        self.machine(machine)?;
        self.sensor(no)
    }

    /// Machines report places in the magazine, not serial numbers.
    fn put_tool(&mut self, name: &str, place: i32) {
        let machine = self.values.get("machine_id").and_then(Value::as_str).unwrap_or_default();
        let kept: String = machine.chars().take(TOOL_MACHINE_CHARS_MAX).collect();
        self.put(name, format!("{kept}/T{place}"));
    }

    fn measured(&mut self, value: f64, low: Option<f64>, high: Option<f64>) {
        self.put("value", value);
        self.put_some("lower_spec_limit", low);
        self.put_some("upper_spec_limit", high);
        let in_spec = low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high);
        self.put("result", if in_spec { "pass" } else { "fail" });
    }

    fn limit_crossed(&mut self, crossed: &LimitCrossed) -> Option<i64> {
        self.owned_sensor(crossed.sensor)?;
        self.put("started_at", time(crossed.start_us)?);
        self.put("value", crossed.value);
        self.put("limit_value", crossed.limit);
        self.put("side", if crossed.above { "high" } else { "low" });
        self.put("level", crossed.level.as_str());
        Some(crossed.timestamp_us)
    }

    fn anomaly_seen(&mut self, seen: &AnomalySeen) -> Option<i64> {
        self.owned_sensor(seen.sensor)?;
        self.put("started_at", time(seen.start_us)?);
        self.put("ended_at", time(seen.end_us)?);
        self.put("readings", seen.readings);
        self.put("score", seen.score);
        self.put("value", seen.value);
        self.put("expected_value", seen.expected);
        let severity = if seen.score >= ANOMALY_HIGH_FROM { "high" } else { "medium" };
        self.put("severity", severity);
        Some(seen.end_us)
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
        self.owned_sensor(health.sensor)?;
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
