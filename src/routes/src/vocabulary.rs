//! What events say: the kinds, and the fields with their types and meanings. A field has one type and one meaning in all kinds.

use serde::{Deserialize, Serialize};

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
    field("started_at", Timestamp, "when the fault, the hour, the crossing, the unusual stretch began"),
    field("ended_at", Timestamp, "when the fault, or the unusual stretch, ended"),
    field("duration_seconds", Integer, "from start to end of the fault"),
    field("downtime_minutes", Integer, "minutes that the machine stood meanwhile"),
    field("production_loss_units", Integer, "units that the machine would have made meanwhile"),
    field("health_score", Float, "0 to 100"),
    field("drift_percentage", Float, "of the sensor's range"),
    field("noise_level", Float, "standard deviation within a minute, in the sensor's unit"),
    field("last_communication_at", Timestamp, "the sensor's newest reading, the silent machine's newest snapshot"),
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
    field("tool_from_id", Text, "names the tool before by machine and place"),
    field("tool_to_id", Text, "names the tool now by machine and place"),
    field("operator_before", Text, "who worked there before; absent for nobody"),
    field("operator_id", Text, "who works there now (genims_master_db.employees); absent for nobody"),
    field("shift_id", Text, "genims_master_db.shifts"),
    field("availability", Float, "fraction 0 to 1"),
    field("performance", Float, "fraction 0 to 1"),
    field("quality", Float, "fraction 0 to 1"),
    field("oee", Float, "fraction 0 to 1: the product of the three"),
    field("running_seconds", Float, "of the hour"),
    field("planned_seconds", Float, "of the hour"),
    field("value", Float, "measured, in the sensor's unit; of an anomaly the worst reading"),
    field("limit_value", Float, "the limit that was crossed or left"),
    field("side", Text, "low, high: which limit"),
    field("level", Text, "warning, critical: which limit"),
    field("lower_spec_limit", Float, "the sensor's lower critical threshold; absent when there is none"),
    field("upper_spec_limit", Float, "the sensor's upper critical threshold; absent when there is none"),
    field("result", Text, "of a measured part: pass, fail (outside its specification limits)"),
    field("readings", Integer, "unusual ones in a row"),
    field("score", Float, "0 (as usual) to 1 (never seen the like): the highest of them"),
    field("expected_value", Float, "what was usual before"),
    field("client_id", Text, "the lost client"),
    field("will_topic", Text, "the topic of its will"),
    field("will_payload", Text, "the will's payload; what is no text is replaced"),
];

/// What is said of a field that there is not.
pub(crate) fn no_field(name: &str) -> String {
    let known: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
    format!("events have no field {name}; they have {}", known.join(", "))
}

/// The kinds of events, one by one.
pub(crate) mod kind {
    pub(crate) const FAULT_OPENED: &str = "fault_opened";
    pub(crate) const FAULT_CLOSED: &str = "fault_closed";
    pub(crate) const SENSOR_HEALTH: &str = "sensor_health";
    pub(crate) const STATE_CHANGED: &str = "state_changed";
    pub(crate) const PARTS_COUNTED: &str = "parts_counted";
    pub(crate) const OEE_HOUR: &str = "oee_hour";
    pub(crate) const CLIENT_LOST: &str = "client_lost";
    pub(crate) const ENERGY_METERED: &str = "energy_metered";
    pub(crate) const TOOL_CHANGED: &str = "tool_changed";
    pub(crate) const OPERATOR_CHANGED: &str = "operator_changed";
    pub(crate) const LIMIT_CROSSED: &str = "limit_crossed";
    pub(crate) const LIMIT_LEFT: &str = "limit_left";
    pub(crate) const ANOMALY_SEEN: &str = "anomaly_seen";
    pub(crate) const QUALITY_MEASURED: &str = "quality_measured";
    pub(crate) const MACHINE_SILENT: &str = "machine_silent";
    pub(crate) const MACHINE_HEARD: &str = "machine_heard";
}

/// The kinds of events that a route may name.
pub const KINDS: &[&str] = &[
    kind::FAULT_OPENED,
    kind::FAULT_CLOSED,
    kind::SENSOR_HEALTH,
    kind::STATE_CHANGED,
    kind::PARTS_COUNTED,
    kind::OEE_HOUR,
    kind::CLIENT_LOST,
    kind::ENERGY_METERED,
    kind::TOOL_CHANGED,
    kind::OPERATOR_CHANGED,
    kind::LIMIT_CROSSED,
    kind::LIMIT_LEFT,
    kind::ANOMALY_SEEN,
    kind::QUALITY_MEASURED,
    kind::MACHINE_SILENT,
    kind::MACHINE_HEARD,
];
