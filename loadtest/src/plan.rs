//! A plan: what to send, how, and how fast. Enters as TOML, leaves checked: an impossible combination is refused here
//! with the remedy, so that nothing behind it has to wonder.

use serde::{Deserialize, Deserializer, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest number of readings in one message: keeps every form below a megabyte.
const BATCH_MAX: u32 = 10_000;
/// A message that would take longer than this to fill says that the rate does not fit the batch size.
const MESSAGE_INTERVAL_MAX_S: f64 = 30.0;
/// Bare numbers carry no time, so the server stamps them on receipt: two readings of one sensor closer together than
/// this could share a stamp.
const BARE_NUMBER_HZ_MAX: f64 = 10.0;

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("cannot read the plan {}: {source}; pass --plan with an existing file", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the plan {} is not valid: {source}", path.display())]
    Parse { path: PathBuf, source: Box<toml::de::Error> },
    #[error("the plan has no [[streams]]: add at least one")]
    Empty,
    #[error("stream {stream}: {what}")]
    Stream { stream: String, what: String },
    #[error("{0}")]
    Value(String),
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub name: String,
    /// How long to send; `--seconds` overrides.
    #[serde(default = "default_seconds")]
    pub seconds: u64,
    /// The same seed, plant and times give the same values.
    #[serde(default = "default_seed")]
    pub seed: u64,
    #[serde(default)]
    pub plant: PlantOptions,
    #[serde(default)]
    pub probes: ProbeOptions,
    pub streams: Vec<Stream>,
}

/// How the simulated plants behave.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlantOptions {
    /// Plant seconds per real second: 60 shows an hour of plant life in a minute.
    pub time_scale: f64,
    /// New faults per machine and plant hour of running.
    pub faults_per_hour: f64,
    /// At most so many machines of the master database; 0 = all.
    pub machines_max: usize,
    /// Machines whose id begins so are left alone: they belong to replays of real records.
    pub exclude: Vec<String>,
}

impl Default for PlantOptions {
    fn default() -> Self {
        Self { time_scale: 60.0, faults_per_hour: 0.05, machines_max: 0, exclude: vec!["WT-".to_owned()] }
    }
}

/// Marker readings whose visibility in PostgreSQL is timed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeOptions {
    pub per_second: f64,
    /// Time between two looks into PostgreSQL.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self { per_second: 5.0, poll_interval: Duration::from_millis(5) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// MQTT 3.1.1
    Mqtt,
    /// MQTT 5
    Mqtt5,
    /// Binary frames with cumulative acknowledgements.
    Tcp,
    /// Influx line protocol, never acknowledged.
    Line,
}

impl Protocol {
    pub fn is_mqtt(self) -> bool {
        matches!(self, Self::Mqtt | Self::Mqtt5)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `{"value": 1.5, "timestamp_us": ...}` on the sensor's topic.
    ValueJson,
    /// `1.5` on the sensor's topic.
    BareNumber,
    /// `{"ts": ..., "values": {...}}` on the machine's topic, an array of them for larger batches.
    MachineJson,
    /// An array of readings on the factory's topic.
    ReadingsJson,
    /// The binary frame.
    Frame,
    /// Influx line protocol.
    LineProtocol,
    /// Machine snapshots.
    Scada,
}

impl Form {
    /// Whether one message holds one reading by nature.
    pub fn is_single(self) -> bool {
        matches!(self, Self::ValueJson | Self::BareNumber | Self::Scada)
    }

    /// Whether the payload carries the source time.
    pub fn is_timed(self) -> bool {
        self != Self::BareNumber
    }
}

/// Readings per second of a whole stream (snapshots for `scada`), or as fast as acknowledgements come back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Rate {
    PerSecond(f64),
    Max,
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(f64),
            Text(String),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Number(rate) => Ok(Self::PerSecond(rate)),
            Raw::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

impl std::str::FromStr for Rate {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        text.parse()
            .map(Self::PerSecond)
            .map_err(|_| PlanError::Value(format!("rate {text:?}: write readings per second or \"max\"")))
    }
}

/// What a garbage message holds. Each stands for exactly one dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Garbage {
    Malformed,
    NotANumber,
    UnknownTopic,
    UnknownSensor,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    pub name: String,
    pub protocol: Protocol,
    pub form: Form,
    #[serde(default = "default_qos")]
    pub qos: u8,
    #[serde(default = "default_one")]
    pub connections: u32,
    pub rate: Rate,
    /// Readings per message.
    #[serde(default = "default_one")]
    pub batch: u32,
    /// Messages in flight per connection; without effect where nothing is acknowledged.
    #[serde(default = "default_window")]
    pub window: u32,
    /// Share of the plant's machines relative to the other streams.
    #[serde(default = "default_one")]
    pub weight: u32,
    /// Probability that a message is sent a second time.
    #[serde(default)]
    pub duplicates: f64,
    /// Probability that a message changes places with the next one.
    #[serde(default)]
    pub disorder: f64,
    /// Probability that a message is followed by garbage.
    #[serde(default)]
    pub garbage: f64,
    #[serde(default = "default_garbage_kinds")]
    pub garbage_kinds: Vec<Garbage>,
    /// All connections of the stream break at once, this often, without a word of farewell where messages are
    /// acknowledged; 0 = never.
    #[serde(default, with = "humantime_serde")]
    pub reconnect_every: Duration,
}

fn default_seconds() -> u64 {
    30
}
fn default_seed() -> u64 {
    1
}
fn default_qos() -> u8 {
    1
}
fn default_one() -> u32 {
    1
}
fn default_window() -> u32 {
    16
}
fn default_garbage_kinds() -> Vec<Garbage> {
    vec![Garbage::Malformed, Garbage::NotANumber, Garbage::UnknownTopic]
}

impl Plan {
    pub fn load(path: &Path) -> Result<Self, PlanError> {
        let text = std::fs::read_to_string(path).map_err(|source| PlanError::Read { path: path.to_owned(), source })?;
        let plan: Self = toml::from_str(&text)
            .map_err(|source| PlanError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        plan.check()?;
        Ok(plan)
    }

    pub fn check(&self) -> Result<(), PlanError> {
        if self.streams.is_empty() {
            return Err(PlanError::Empty);
        }
        if self.seconds == 0 {
            return Err(PlanError::Value("seconds must be at least 1".to_owned()));
        }
        let plant = &self.plant;
        if !(plant.time_scale > 0.0 && plant.time_scale <= 3_600.0) {
            return Err(PlanError::Value("[plant] time_scale must lie in 0..=3600".to_owned()));
        }
        if !(0.0..=60.0).contains(&plant.faults_per_hour) {
            return Err(PlanError::Value("[plant] faults_per_hour must lie in 0..=60".to_owned()));
        }
        if !(0.0..=100.0).contains(&self.probes.per_second) {
            return Err(PlanError::Value("[probes] per_second must lie in 0..=100".to_owned()));
        }
        for (index, stream) in self.streams.iter().enumerate() {
            stream.check().map_err(|what| PlanError::Stream { stream: stream.name.clone(), what })?;
            if self.streams[..index].iter().any(|other| other.name == stream.name) {
                return Err(PlanError::Stream { stream: stream.name.clone(), what: "the name is taken".to_owned() });
            }
        }
        Ok(())
    }

    /// Replaces every stream's rate; a number is shared out in proportion to the rates of the plan (equally for
    /// `max`). Snapshots keep theirs.
    pub fn set_rate(&mut self, rate: Rate) -> Result<(), PlanError> {
        let streams: Vec<&mut Stream> = self.streams.iter_mut().filter(|s| s.form != Form::Scada).collect();
        let planned = |stream: &Stream| match stream.rate {
            Rate::PerSecond(rate) => rate,
            Rate::Max => 1.0,
        };
        let total: f64 = streams.iter().map(|stream| planned(stream)).sum();
        for stream in streams {
            stream.rate = match rate {
                Rate::Max => Rate::Max,
                Rate::PerSecond(rate) => Rate::PerSecond(rate * planned(stream) / total),
            };
        }
        self.check()
    }
}

impl Stream {
    /// Seconds between two messages of one connection; `None` for `max`.
    pub fn message_interval_s(&self) -> Option<f64> {
        match self.rate {
            Rate::Max => None,
            Rate::PerSecond(rate) => Some(f64::from(self.batch) * f64::from(self.connections) / rate),
        }
    }

    fn check(&self) -> Result<(), String> {
        let fits = match self.protocol {
            Protocol::Mqtt | Protocol::Mqtt5 => true,
            Protocol::Tcp => self.form == Form::Frame,
            Protocol::Line => self.form == Form::LineProtocol,
        };
        if !fits {
            return Err("protocol tcp needs form frame, protocol line needs form line_protocol".to_owned());
        }
        if self.qos > 2 {
            return Err("qos is 0, 1 or 2".to_owned());
        }
        if !(1..=BATCH_MAX).contains(&self.batch) {
            return Err(format!("batch must lie in 1..={BATCH_MAX}"));
        }
        if self.form.is_single() && self.batch != 1 {
            return Err("this form holds one reading a message: leave batch out".to_owned());
        }
        if !(1..=20_000).contains(&self.connections) || !(1..=16_384).contains(&self.window) || self.weight == 0 {
            return Err("connections 1..=20000, window 1..=16384, weight at least 1".to_owned());
        }
        for (name, value) in [("duplicates", self.duplicates), ("disorder", self.disorder), ("garbage", self.garbage)] {
            if !(0.0..=0.5).contains(&value) {
                return Err(format!("{name} is a probability in 0..=0.5"));
            }
        }
        if self.garbage > 0.0 && self.garbage_kinds.is_empty() {
            return Err("garbage_kinds is empty: name at least one or set garbage to 0".to_owned());
        }
        if self.form == Form::BareNumber && (self.duplicates > 0.0 || self.qos > 0 && !self.reconnect_every.is_zero()) {
            return Err(
                "bare numbers carry no time, so a resend cannot be told from a new reading: use value_json for \
                        duplicates and reconnects"
                    .to_owned(),
            );
        }
        if !self.reconnect_every.is_zero() && self.reconnect_every < Duration::from_millis(200) {
            return Err("reconnect_every must be at least 200ms".to_owned());
        }
        self.check_rate()
    }

    fn check_rate(&self) -> Result<(), String> {
        let Rate::PerSecond(rate) = self.rate else {
            return match self.form {
                Form::BareNumber | Form::Scada => Err("this form needs a rate as a number".to_owned()),
                _ => Ok(()),
            };
        };
        if !(rate > 0.0 && rate <= 1e8) {
            return Err("rate must be above 0 and at most 100 million".to_owned());
        }
        if self.message_interval_s().is_some_and(|interval| interval > MESSAGE_INTERVAL_MAX_S) {
            return Err(format!(
                "at this rate a connection fills one message in more than {MESSAGE_INTERVAL_MAX_S} s: fewer connections \
                 or a smaller batch"
            ));
        }
        Ok(())
    }

    /// Bare numbers of one sensor must be further apart than a server could stamp alike.
    pub fn check_sensors(&self, sensors: usize) -> Result<(), PlanError> {
        let Rate::PerSecond(rate) = self.rate else { return Ok(()) };
        if self.form == Form::BareNumber && rate / sensors.max(1) as f64 > BARE_NUMBER_HZ_MAX {
            let what = format!("more than {BARE_NUMBER_HZ_MAX} bare numbers a second and sensor: lower the rate");
            return Err(PlanError::Stream { stream: self.name.clone(), what });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(stream: &str) -> Result<Plan, String> {
        let text = format!("name = \"t\"\n[[streams]]\nname = \"s\"\n{stream}");
        let plan: Plan = toml::from_str(&text).map_err(|e| e.to_string())?;
        plan.check().map_err(|e| e.to_string())?;
        Ok(plan)
    }

    #[test]
    fn a_rate_is_a_number_or_max() {
        let max = plan("protocol = \"mqtt\"\nform = \"frame\"\nrate = \"max\"").expect("valid");
        assert_eq!(max.streams[0].rate, Rate::Max);
        let number = plan("protocol = \"mqtt\"\nform = \"frame\"\nrate = 250").expect("valid");
        assert_eq!(number.streams[0].rate, Rate::PerSecond(250.0));
        assert!(plan("protocol = \"mqtt\"\nform = \"frame\"\nrate = \"fast\"").is_err());
    }

    #[test]
    fn impossible_combinations_are_refused() {
        for bad in [
            "protocol = \"tcp\"\nform = \"value_json\"\nrate = 1",
            "protocol = \"line\"\nform = \"frame\"\nrate = 1",
            "protocol = \"mqtt\"\nform = \"value_json\"\nrate = 1\nbatch = 2",
            "protocol = \"mqtt\"\nform = \"frame\"\nrate = 1\nqos = 3",
            "protocol = \"mqtt\"\nform = \"frame\"\nrate = 0",
            "protocol = \"mqtt\"\nform = \"frame\"\nrate = 1\nbatch = 1000",
            "protocol = \"mqtt\"\nform = \"bare_number\"\nrate = \"max\"",
            "protocol = \"mqtt\"\nform = \"bare_number\"\nrate = 1\nduplicates = 0.1",
            "protocol = \"mqtt\"\nform = \"frame\"\nrate = 1\ngarbage = 0.9",
            "protocol = \"mqtt\"\nform = \"frame\"\nrate = 1\ncolour = \"red\"",
        ] {
            assert!(plan(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_new_total_rate_keeps_the_proportions() {
        let mut plan: Plan = toml::from_str(
            "name = \"t\"\n[[streams]]\nname = \"a\"\nprotocol = \"mqtt\"\nform = \"frame\"\nrate = 300\n\
             [[streams]]\nname = \"b\"\nprotocol = \"mqtt\"\nform = \"frame\"\nrate = 100\n",
        )
        .expect("valid");
        plan.set_rate(Rate::PerSecond(4_000.0)).expect("valid");
        assert_eq!(plan.streams[0].rate, Rate::PerSecond(3_000.0));
        assert_eq!(plan.streams[1].rate, Rate::PerSecond(1_000.0));
    }

    #[test]
    fn the_shipped_plans_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/loadtest");
        let mut plans = 0;
        for entry in std::fs::read_dir(folder).expect("the folder of plans") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "toml") && !path.to_string_lossy().contains("replay") {
                Plan::load(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                plans += 1;
            }
        }
        assert!(plans >= 6);
    }
}
