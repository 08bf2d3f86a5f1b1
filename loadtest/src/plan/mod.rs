//! A plan: what to send, how, and how fast. Enters as TOML, leaves checked: an impossible combination is refused here
//! with the remedy ([`check`]), so that nothing behind it has to wonder.

mod check;

use serde::{Deserialize, Deserializer, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("cannot read the plan {}: {source}; pass --plan with an existing file", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the plan {}:{line}: {what}", path.display())]
    Parse { path: PathBuf, line: usize, what: String },
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
        let plan: Self = toml::from_str(&text).map_err(|error| {
            let (line, what) = crate::complaint::of(&text, &error);
            PlanError::Parse { path: path.to_owned(), line, what }
        })?;
        plan.check()?;
        Ok(plan)
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
}
