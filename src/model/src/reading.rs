//! One measured value: raw as a decoder found it, finished as a shard leaves it.
//!
//! Values are `f64`. The contract's column is `DECIMAL(15,4)`: fifteen significant decimal digits survive a round trip
//! through `f64` unchanged, so every value that can be stored is held exactly; decoders round to four decimals and refuse
//! what is too large.

use serde::{Deserialize, Serialize};

/// A sensor's number in the catalogue: stable for as long as the data directory lives, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SensorNo(pub u32);

/// A machine's number in the catalogue: same rules as [`SensorNo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MachineNo(pub u32);

/// The largest magnitude that `DECIMAL(15,4)` holds: eleven digits before the point, four behind it.
pub const VALUE_MAX: f64 = 99_999_999_999.999_9;

/// How a reading reached us; the text is what `sensor_data.protocol` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Protocol {
    Mqtt = 0,
    Tcp = 1,
    LineProtocol = 2,
    Bridge = 3,
}

impl Protocol {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mqtt => "MQTT",
            Self::Tcp => "TCP",
            Self::LineProtocol => "LINE",
            Self::Bridge => "MQTT-BRIDGE",
        }
    }

    pub fn from_u8(code: u8) -> Option<Self> {
        [Self::Mqtt, Self::Tcp, Self::LineProtocol, Self::Bridge].get(usize::from(code)).copied()
    }
}

/// Where a value stands against its thresholds; the text is what `sensor_data.status` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Status {
    Normal = 0,
    Warning = 1,
    Critical = 2,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    pub fn from_u8(code: u8) -> Option<Self> {
        [Self::Normal, Self::Warning, Self::Critical].get(usize::from(code)).copied()
    }
}

/// How far a reading can be trusted; the text is what `sensor_data.quality` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Quality {
    Good = 0,
    /// The sender said so.
    Uncertain = 1,
    /// The sender said so, or the value is outside the sensor's measuring range.
    Bad = 2,
    /// The source time is far behind the newest reading of the same sensor.
    Late = 3,
    /// The source clock is ahead of ours.
    Skewed = 4,
}

impl Quality {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Uncertain => "uncertain",
            Self::Bad => "bad",
            Self::Late => "late",
            Self::Skewed => "skewed",
        }
    }

    pub fn from_u8(code: u8) -> Option<Self> {
        [Self::Good, Self::Uncertain, Self::Bad, Self::Late, Self::Skewed].get(usize::from(code)).copied()
    }
}

/// A reading as decoded and resolved: who, when, how much. 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawReading {
    pub sensor: SensorNo,
    /// What the sender said of it: `Good`, `Uncertain` or `Bad`.
    pub quality: Quality,
    /// The sender gave no time: `timestamp_us` is when its round was received, which it shares with others. The sensor's
    /// owner gives it a time of its own.
    pub untimed: bool,
    /// Source time, microseconds since 1970 UTC.
    pub timestamp_us: i64,
    pub value: f64,
}

/// The bits of [`Reading::flags`].
pub mod flag {
    pub const BELOW_WARNING: u8 = 1;
    pub const ABOVE_WARNING: u8 = 1 << 1;
    pub const BELOW_CRITICAL: u8 = 1 << 2;
    pub const ABOVE_CRITICAL: u8 = 1 << 3;
    pub const ANOMALY: u8 = 1 << 4;
    /// Same sensor and timestamp as an earlier reading, which this one replaces (`same_timestamp = "last"`).
    pub const REPLACES: u8 = 1 << 5;
}

/// A finished reading: one row of `sensor_data`, one document of `sensor_readings`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    pub sensor: SensorNo,
    pub protocol: Protocol,
    pub status: Status,
    pub quality: Quality,
    /// Bits of [`flag`].
    pub flags: u8,
    /// The listener it came through (see [`super::account`]).
    pub source: u8,
    /// Source time, microseconds since 1970 UTC.
    pub timestamp_us: i64,
    /// When its bytes were read from the socket, microseconds since 1970 UTC.
    pub received_us: i64,
    pub value: f64,
    /// Minimum, maximum, mean and population standard deviation of the sensor's last 60 s, this reading included.
    pub min_1min: f64,
    pub max_1min: f64,
    pub avg_1min: f64,
    pub std_1min: f64,
    /// 0 (as usual) to 1 (never seen the like).
    pub anomaly_score: f32,
}

impl Reading {
    pub fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}
