//! What could not be stored: the reason, and the original bytes so that it can be replayed once the cause is mended.

use serde::{Deserialize, Serialize};

/// Why something was set aside. The code is what `genims deadletter list` and the metrics show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Reason {
    /// The topic fits no template.
    UnknownTopic,
    /// The payload is no form that we know, or breaks off.
    MalformedPayload,
    /// A value that is no number: text, boolean, null.
    NotANumber,
    /// NaN or an infinity.
    NotFinite,
    /// Does not fit the column: DECIMAL(15,4), an INTEGER, a VARCHAR length.
    OutOfRange,
    /// A timestamp that cannot be read, or lies further ahead than the allowed clock skew limit.
    BadTimestamp,
    /// The sensor is not in the catalogue.
    UnknownSensor,
    /// The machine is not in the catalogue.
    UnknownMachine,
    /// Older than the retention window.
    TooOld,
    /// Same sensor and timestamp as an earlier reading (`same_timestamp = "reject"`).
    SameTimestamp,
    /// PostgreSQL refused the row; the dead letter's detail holds SQLSTATE and message.
    RefusedByDatabase,
    /// Larger than the listener takes.
    TooLarge,
    /// Of a machine that the client may not speak for, or for a table that it may not write into.
    NotAllowed,
    /// A row that its table does not take; the detail names the column.
    BadRow,
}

impl Reason {
    pub const ALL: [Self; 14] = [
        Self::UnknownTopic,
        Self::MalformedPayload,
        Self::NotANumber,
        Self::NotFinite,
        Self::OutOfRange,
        Self::BadTimestamp,
        Self::UnknownSensor,
        Self::UnknownMachine,
        Self::TooOld,
        Self::SameTimestamp,
        Self::RefusedByDatabase,
        Self::TooLarge,
        Self::NotAllowed,
        Self::BadRow,
    ];

    /// True where only the sender can mend the cause. Everything else becomes storable by what is done here: a sensor
    /// entered, a topic's layout configured, a rule changed.
    pub fn is_mended_by_sender(self) -> bool {
        matches!(
            self,
            Self::MalformedPayload | Self::NotANumber | Self::NotFinite | Self::OutOfRange | Self::BadTimestamp
        )
    }

    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownTopic => "unknown_topic",
            Self::MalformedPayload => "malformed_payload",
            Self::NotANumber => "not_a_number",
            Self::NotFinite => "not_finite",
            Self::OutOfRange => "out_of_range",
            Self::BadTimestamp => "bad_timestamp",
            Self::UnknownSensor => "unknown_sensor",
            Self::UnknownMachine => "unknown_machine",
            Self::TooOld => "too_old",
            Self::SameTimestamp => "same_timestamp",
            Self::RefusedByDatabase => "refused_by_database",
            Self::TooLarge => "too_large",
            Self::NotAllowed => "not_allowed",
            Self::BadRow => "bad_row",
        }
    }

    /// What an operator can do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::UnknownTopic => "publish below genims/v1/... or add a template to [[topics]]",
            Self::MalformedPayload => "compare the payload with the forms listed in the README",
            Self::NotANumber => "send a JSON number; text, booleans and null are not stored as readings",
            Self::NotFinite => "send a finite number; leave the reading out when there is none",
            Self::OutOfRange => "send at most 11 digits before the decimal point",
            Self::BadTimestamp => "send epoch s, ms, us or ns and check the clock of the sender",
            Self::UnknownSensor => {
                "add the sensor to genims_master_db.sensors, or set unknown_sensors = \"register\"; then replay"
            }
            Self::UnknownMachine => "add the machine to genims_master_db.machines, then replay",
            Self::TooOld => "the operations database does not keep readings that old: load it into the archive",
            Self::SameTimestamp => "send one reading per sensor and timestamp or choose another same_timestamp rule",
            Self::RefusedByDatabase => "read the SQLSTATE; mend the row or the table, then replay",
            Self::TooLarge => "raise packet_bytes_max or line_bytes_max of the listener, or send less at once",
            Self::NotAllowed => {
                "allow the client this machine or table with `genims client allow`, or send it from another"
            }
            Self::BadRow => {
                "compare the row with the table's columns and rows; mend either, then send it again or replay"
            }
        }
    }
}

/// The longest payload a dead letter keeps, a message of the usual limit as a whole; what is longer is cut, and
/// `payload_bytes` still tells the true length.
pub const PAYLOAD_KEPT_BYTES_MAX: usize = 1024 * 1024;

/// One thing set aside, under one offset of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The listener it came through.
    pub source: u8,
    /// Who sent it: the client's id, or its address where the protocol knows no ids.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client: String,
    pub received_us: i64,
    pub topic: String,
    pub reason: Reason,
    /// What exactly was wrong, for a person.
    pub detail: String,
    /// The bytes at fault: the whole message, or those elements of a batch, in a form that can be replayed alone.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    pub payload_bytes: u64,
    /// The records of the account that it stands for: elements of one message, refused for one reason.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub records: u64,
}

impl DeadLetter {
    /// About what it occupies in memory.
    pub fn bytes(&self) -> usize {
        let texts = self.payload.len() + self.topic.len() + self.detail.len() + self.client.len();
        size_of::<Self>() + texts + 64
    }
}

fn one() -> u64 {
    1
}

fn is_one(records: &u64) -> bool {
    *records == 1
}
