//! The keys of an element that mean something: the one list of them.
//!
//! Enters a key; leaves what it says, or nothing for the name of a tag or a remark. Of several keys that say the same, the
//! lowest rank counts. Each has a bit of its own, by which a key that stands twice is found.

use crate::fault::Fault;
use crate::timestamp::Unit;

/// What a key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Value,
    Sensor,
    Machine,
    Time(Option<Unit>),
    /// A time, if what stands there is one.
    Stamp,
    /// A name of a sensor or a machine, if it is text.
    Label,
    MachineLabel,
    Quality,
    /// The quality as two bits, as Siemens counts it.
    QualityBits,
    /// A quality where it stands beside a value that is named from outside.
    Status,
    /// Several values: an object keyed by sensor, or a list.
    Several,
    /// `d`: a value, or several.
    Data,
    /// Several values as a list.
    List,
    /// Of a record of SenML; see [`super::senml`].
    Senml,
    /// The topic under which Node-RED sends the message.
    Topic,
    /// A list of messages, or one message.
    Messages,
    /// A list of lists, where it is one.
    Records,
    /// What a message of OPC UA or Node-RED holds.
    Payload,
    /// The element is a message of Node-RED.
    NodeRed,
    Params,
    Method,
    MessageType,
    /// The element is a message of OPC UA.
    DataSet,
    MachineState,
    OpcDa,
    Errors,
    Error,
    /// Nothing by itself, but the message may be an envelope; see [`super::envelope`].
    Envelope,
    /// The same, or what a metric of Sparkplug says besides.
    Properties,
    /// Something of the message that is nobody's value.
    Remark,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) says: Says,
    pub(super) bit: u32,
    pub(super) rank: u8,
}

/// The last rank at which a sensor key counts although the topic names the sensor.
pub(super) const SENSOR_RANK_STRONG: u8 = 0;

/// The last rank at which it does if the catalogue has what it names: else it may be what the device is built of.
pub(super) const SENSOR_RANK_PROVED: u8 = 1;

/// The ranks of `name` and `id`, which may as well be those of what holds tags.
pub(super) const SENSOR_RANK_NAME: u8 = 3;
pub(super) const SENSOR_RANK_ID: u8 = 4;

/// The rank of a node id of OPC UA, of which the catalogue may have a part.
pub(super) const SENSOR_RANK_NODE: u8 = 7;

/// The rank of words that name a sensor where nothing else does.
const SENSOR_RANK_LABEL: u8 = 9;

/// The rank from which a name is that of a container: the tags of its entries are parts of it.
pub(super) const SENSOR_RANK_CONTAINER: u8 = 10;

/// The rank of times of the value itself under OPC UA's names, under names that may mean anything else, and in a head.
const TIME_RANK_SOURCE: u8 = 9;
pub(super) const TIME_RANK_STAMP: u8 = 11;
pub(super) const TIME_RANK_HEAD: u8 = 13;

/// The ranks of the short keys of time and quality, which may as well be tags.
pub(super) const TIME_RANK_T: u8 = 6;
pub(super) const QUALITY_RANK_Q: u8 = 1;
/// The rank of what is good or not.
pub(super) const QUALITY_RANK_GOOD: u8 = 4;
/// The rank of qualities under names that nobody agreed upon, and of flags: beside a value alone. Bad goes before uncertain.
pub(super) const QUALITY_RANK_WORD: u8 = 7;
pub(super) const QUALITY_RANK_FLAG: u8 = 8;
pub(super) const QUALITY_RANK_DOUBT: u8 = 9;

/// The rank of a machine key that counts only where the topic names no machine; that of words which count there if the
/// catalogue has the machine is behind it.
pub(super) const MACHINE_RANK_WEAK: u8 = 2;

/// The longest of the keys of gateways and of the words that mean something. Longer ones, as most columns of snapshots are,
/// are compared with none.
const GATEWAY_KEY_BYTES_MAX: usize = 17;

/// The bits of the keys `value`, `values` and `vals`.
pub(super) const VALUE_BIT: u32 = 0;
pub(super) const VALUES_BIT: u32 = 16;
pub(super) const VALS_BIT: u32 = 30;
/// The bit of the key `Body`.
pub(super) const BODY_BIT: u32 = 42;

/// The bit of the keys by which a message may be an envelope; see [`super::envelope`].
pub(super) const ENVELOPE_BIT: u32 = 47;
/// The bits of the keys that only SenML has, and of `topic`.
pub(super) const SENML_BIT: u32 = 51;
pub(super) const TOPIC_BIT: u32 = 52;
/// The bit of what is good or not.
pub(super) const GOOD_BIT: u32 = 56;
/// The bit of qualities under names as `data_quality`, which is a column of snapshots as well.
pub(super) const DATA_QUALITY_BIT: u32 = 55;
/// The bits of words that name a sensor, and of a second one.
pub(super) const LABEL_BIT: u32 = 53;
pub(super) const LABELS_BIT: u32 = 54;
/// The keys that name a sensor, but for those of nodes.
pub(super) const NAMES: u64 = 1 << 1 | 0b1111 << 9 | 0b11 << 25 | 0b11 << 48 | 1 << LABEL_BIT | 1 << LABELS_BIT;
/// The bit of the key `DisplayName`.
pub(super) const DISPLAY_BIT: u32 = 46;

/// The keys that most elements have: `$then` stands behind each of them with what the key says as a constant, so that an
/// element's reader jumps from the key to its work at once.
macro_rules! usual {
    ($key:expr, $known:ident => $then:expr, $other:expr) => {{
        use Says::{Machine, MachineState, Quality, Sensor, Several, Time, Value};
        match $key {
            b"value" | b"Value" => usual!(@ Value, VALUE_BIT, 0, $known => $then),
            b"sensor_id" => usual!(@ Sensor, 1, 0, $known => $then),
            b"timestamp_ms" => usual!(@ Time(Some(Unit::Milliseconds)), 2, 1, $known => $then),
            b"timestamp_us" => usual!(@ Time(Some(Unit::Microseconds)), 3, 0, $known => $then),
            b"timestamp_ns" => usual!(@ Time(Some(Unit::Nanoseconds)), 4, 2, $known => $then),
            b"timestamp" | b"Timestamp" => usual!(@ Time(None), 5, 3, $known => $then),
            b"ts" => usual!(@ Time(None), 6, 4, $known => $then),
            b"time" => usual!(@ Time(None), 7, 5, $known => $then),
            b"t" => usual!(@ Time(None), 8, $crate::json::keys::TIME_RANK_T, $known => $then),
            b"sensor" => usual!(@ Sensor, 9, 1, $known => $then),
            b"tag" => usual!(@ Sensor, 10, 2, $known => $then),
            b"name" | b"Name" => usual!(@ Sensor, 11, $crate::json::keys::SENSOR_RANK_NAME, $known => $then),
            b"id" => usual!(@ Sensor, 12, $crate::json::keys::SENSOR_RANK_ID, $known => $then),
            b"machine_id" => usual!(@ Machine, 13, 0, $known => $then),
            b"machine" => usual!(@ Machine, 14, 1, $known => $then),
            b"quality" | b"Quality" => usual!(@ Quality, 15, 0, $known => $then),
            b"values" => usual!(@ Several, VALUES_BIT, 0, $known => $then),
            b"machine_state" => usual!(@ MachineState, 17, 0, $known => $then),
            _ => $other,
        }
    }};
    (@ $says:expr, $bit:expr, $rank:expr, $known:ident => $then:expr) => {{
        const KNOWN: Known = Known { says: $says, bit: $bit, rank: $rank };
        let $known = KNOWN;
        $then
    }};
}
pub(super) use usual;

impl Known {
    const fn new(says: Says, bit: u32, rank: u8) -> Option<Self> {
        Some(Self { says, bit, rank })
    }

    /// The key's meaning, unless it may as well be the name of any tag.
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        let is_sure = |known: &Self| {
            !matches!(
                known.says,
                Says::Envelope
                    | Says::Properties
                    | Says::Label
                    | Says::MachineLabel
                    | Says::Stamp
                    | Says::Senml
                    | Says::Topic
            )
        };
        usual!(key, known => Some(known), Self::of_gateway(key).filter(is_sure))
    }

    /// As [`Self::of`], also of a key that may be the name of any tag.
    pub(super) fn of_any(key: &[u8]) -> Option<Self> {
        usual!(key, known => Some(known), Self::of_gateway(key))
    }

    /// The keys of gateways; see [`super::list`] and [`super::tags`]. Also those that may be the name of any tag.
    #[inline(never)]
    pub(super) fn of_gateway(key: &[u8]) -> Option<Self> {
        use Says::{
            Data, DataSet, Envelope, Error, Errors, List, Machine, MessageType, Messages, Method, NodeRed, OpcDa,
            Params, Payload, Properties, Quality,
        };
        use Says::{QualityBits, Records, Remark, Senml, Sensor, Several, Status, Time, Topic, Value};
        if key.len() > GATEWAY_KEY_BYTES_MAX {
            return None;
        }
        match key {
            b"VALUE" => Self::new(Value, VALUE_BIT, 0),
            b"v" => Self::new(Value, 18, 1),
            b"val" | b"Val" => Self::new(Value, 19, 2),
            b"q" => Self::new(Quality, 20, QUALITY_RANK_Q),
            b"d" => Self::new(Data, 21, 3),
            b"node" => Self::new(Machine, 22, MACHINE_RANK_WEAK),
            b"QUALITY" => Self::new(Quality, 15, 0),
            b"qualityCode" | b"QualityCode" | b"quality_code" => Self::new(Quality, 23, 2),
            b"qc" => Self::new(QualityBits, 24, 3),
            b"opcQuality" | b"opc_quality" | b"OpcQuality" | b"dataQuality" | b"data_quality" | b"qualityStatus"
            | b"quality_status" => Self::new(Quality, DATA_QUALITY_BIT, 3),
            b"Good" | b"isGood" | b"is_good" | b"IsGood" => Self::new(Quality, GOOD_BIT, QUALITY_RANK_GOOD),
            b"status_code" | b"statuscode" => Self::new(Status, 57, 6),
            b"dataPointId" => Self::new(Sensor, 25, 5),
            b"Variable" => Self::new(Sensor, 26, 6),
            b"NodeId" => Self::new(Sensor, 44, SENSOR_RANK_NODE),
            b"DisplayName" => Self::new(Sensor, DISPLAY_BIT, SENSOR_RANK_NODE + 1),
            b"containerid" => Self::new(Sensor, 48, SENSOR_RANK_CONTAINER),
            b"propertyAlias" => Self::new(Sensor, 49, SENSOR_RANK_CONTAINER + 1),
            b"SourceTimestamp" => Self::new(Time(None), 27, 7),
            b"ServerTimestamp" => Self::new(Time(None), 28, 8),
            b"StatusCode" | b"statusCode" => Self::new(Status, 29, 4),
            b"Status" | b"status" => Self::new(Status, 45, 5),
            b"Values" | b"VALUES" => Self::new(Several, VALUES_BIT, 0),
            b"vals" => Self::new(Several, VALS_BIT, 1),
            b"Messages" => Self::new(Messages, 31, 0),
            b"tags" | b"metrics" | b"DataItems" | b"propertyValues" => Self::new(List, 31, 0),
            b"Tags" | b"Metrics" => Self::new(List, 31, 0),
            b"bn" | b"bt" | b"bver" | b"bv" | b"vb" => Self::new(Senml, SENML_BIT, 0),
            b"topic" => Self::new(Topic, TOPIC_BIT, 0),
            b"Payload" | b"payload" => Self::new(Payload, 32, 0),
            b"_msgid" => Self::new(NodeRed, 43, 0),
            b"params" => Self::new(Params, 33, 0),
            b"method" => Self::new(Method, 34, 0),
            b"MessageType" => Self::new(MessageType, 35, 0),
            b"dt" => Self::new(OpcDa, 36, 0),
            b"errors" => Self::new(Errors, 37, 0),
            b"error" => Self::new(Error, 38, 0),
            b"Body" => Self::new(Value, BODY_BIT, 4),
            b"records" => Self::new(Records, 40, 0),
            b"DataSetWriterId" | b"DataSetWriterName" | b"PublisherId" | b"SequenceNumber" | b"MetaDataVersion" => {
                Self::new(DataSet, 41, 0)
            }
            b"group" | b"metas" | b"MessageId" => Self::new(Remark, 39, 0),
            b"fields" | b"uplink_message" | b"object" | b"state" | b"data" => Self::new(Envelope, ENVELOPE_BIT, 0),
            b"msg" | b"message" | b"body" | b"sensors" | b"reported" | b"telemetry" | b"readings" | b"measurements"
            | b"result" | b"feeds" | b"content" | b"StatusSNS" => Self::new(Envelope, ENVELOPE_BIT, 0),
            b"current" => Self::new(Envelope, ENVELOPE_BIT, 0),
            b"properties" => Self::new(Properties, ENVELOPE_BIT, 0),
            _ => Self::of_word(key),
        }
    }

    /// Words that mean something where the right thing stands behind them: text for a name, a time for a time.
    fn of_word(key: &[u8]) -> Option<Self> {
        use Says::{Label, MachineLabel, Stamp};
        match key {
            b"sensorId" | b"SensorId" | b"sensorID" | b"SensorID" | b"SENSOR_ID" => Self::new(Label, LABEL_BIT, 0),
            b"sensor_code" | b"sensorCode" | b"SensorCode" => Self::new(Label, LABEL_BIT, SENSOR_RANK_PROVED),
            b"tagName" | b"TagName" | b"tag_name" | b"tagname" | b"Tag" => Self::new(Label, LABEL_BIT, 2),
            b"tagId" | b"TagId" | b"tagID" | b"tag_id" | b"resourceName" => Self::new(Label, LABEL_BIT, 2),
            b"sensorName" | b"SensorName" | b"sensor_name" | b"NAME" => Self::new(Label, LABEL_BIT, 3),
            b"Id" | b"ID" => Self::new(Label, LABEL_BIT, 4),
            b"machineId" | b"MachineId" | b"machineID" | b"MachineID" => Self::new(MachineLabel, 0, 1),
            b"device" | b"Device" | b"deviceId" | b"DeviceId" | b"deviceID" | b"device_id" | b"deviceName"
            | b"DeviceName" | b"device_name" | b"asset" | b"assetId" | b"asset_id" | b"thing" | b"thingName" => {
                Self::new(MachineLabel, 0, MACHINE_RANK_WEAK + 1)
            }
            b"nodeId" | b"nodeid" | b"node_id" => Self::new(Label, 0, SENSOR_RANK_NODE),
            b"tagPath" | b"fullPath" | b"path" | b"address" | b"item" | b"itemId" | b"ItemId" | b"itemName"
            | b"ItemName" | b"key" | b"metric" | b"variable" | b"parameter" | b"point" | b"signal" | b"channel"
            | b"label" | b"n" => Self::new(Label, LABEL_BIT, SENSOR_RANK_LABEL),
            b"propertyId" => Self::new(Label, 0, SENSOR_RANK_CONTAINER + 1),
            b"sourceTimestamp" => Self::new(Stamp, 0, TIME_RANK_SOURCE),
            b"serverTimestamp" => Self::new(Stamp, 0, TIME_RANK_SOURCE + 1),
            b"TIMESTAMP" | b"TimeStamp" | b"timeStamp" | b"timestampMs" | b"timestampNs" | b"ts_ms" | b"Time"
            | b"Epoch" | b"epoch" | b"datetime" | b"dateTime" | b"DateTime" | b"date_time" | b"_time"
            | b"_timestamp" | b"last_seen" | b"created_at" | b"createdAt" | b"measured_at" | b"utc" | b"UTC" => {
                Self::new(Stamp, 0, TIME_RANK_STAMP)
            }
            b"unixtime" | b"unixTime" | b"unix_time" | b"UnixTime" | b"unix" | b"unixTimestamp" | b"epochMs"
            | b"epoch_ms" | b"epochTime" | b"epoch_time" | b"clock" | b"ts_us" | b"ts_ns" | b"tsMs"
            | b"timestampUs" | b"timestampS" | b"timestamp_s" | b"timestampUtc" | b"timestampUTC"
            | b"timestamp_utc" | b"TimestampUtc" | b"time_stamp" | b"Time_Stamp" | b"utcTime" | b"utc_time"
            | b"date" | b"Date" | b"origin" => Self::new(Stamp, 0, TIME_RANK_STAMP),
            b"eventTime" | b"event_time" | b"EventTime" | b"eventTimestamp" | b"event_timestamp" | b"resultTime"
            | b"phenomenonTime" | b"sampleTime" | b"sample_time" | b"sampledAt" | b"sampled_at" | b"readTime"
            | b"measureTime" | b"measurementTime" | b"measuredAt" | b"observedAt" | b"observed_at" | b"recordedAt"
            | b"recorded_at" | b"reportedAt" | b"reported_at" | b"capturedAt" | b"captured_at" => {
                Self::new(Stamp, 0, TIME_RANK_STAMP)
            }
            b"@timestamp" | b"TIME" | b"TS" | b"Ts" | b"_ts" | b"ts_utc" | b"DATETIME" | b"dateutc" | b"TimeUTC"
            | b"localTimestamp" | b"time_ms" | b"timestampMillis" | b"epochMillis" | b"deviceTime" | b"device_time"
            | b"reading_time" | b"readingTime" | b"acqTime" | b"observation_time" | b"observationTime" => {
                Self::new(Stamp, 0, TIME_RANK_STAMP)
            }
            b"updateTimeStamp" | b"updateTimestamp" | b"lastUpdate" | b"last_update" | b"lastUpdated"
            | b"last_updated" | b"last_changed" | b"updated_at" | b"updatedAt" | b"updateTime" | b"logged_at"
            | b"loggedAt" | b"received_at" | b"receivedAt" => Self::new(Stamp, 0, TIME_RANK_STAMP + 1),
            b"publishedAt" | b"published_at" | b"sentAt" | b"sent_at" | b"lastSeen" | b"LastSeen" | b"enqueuedTime" => {
                Self::new(Stamp, 0, TIME_RANK_STAMP + 1)
            }
            _ => None,
        }
    }

    /// Whether text behind the key is the name of something, and no value even where it is made of digits.
    pub(super) fn is_name(self) -> bool {
        self.says == Says::MachineLabel || (self.says == Says::Label && self.rank < SENSOR_RANK_LABEL)
    }

    /// Whether few senders name a sensor by it: a plant may have a sensor that is called so.
    pub(super) fn is_rare_name(self) -> bool {
        self.says == Says::Sensor && self.rank > SENSOR_RANK_NODE
    }

    /// Whether lists may stand under the key that its element does not have for its own.
    pub(super) fn may_hold_lists(self) -> bool {
        matches!(self.says, Says::Several | Says::Data | Says::List | Says::Messages | Says::Records)
    }

    /// Whether the key may also be the name of a tag.
    pub(super) fn may_be_tag(self) -> bool {
        matches!(
            self.says,
            Says::Status
                | Says::Payload
                | Says::Params
                | Says::Method
                | Says::MessageType
                | Says::DataSet
                | Says::MachineState
        )
    }
}

/// Whether a time stands behind the key, or may.
pub(super) fn is_of_time(key: &[u8]) -> bool {
    Known::of_any(key).is_some_and(|known| matches!(known.says, Says::Time(_) | Says::Stamp))
}

/// Whether a tag is one of the sender's protocol, and no sensor: commands and counters of Sparkplug, Shelly's minutes.
pub(super) fn is_of_protocol(tag: &str) -> bool {
    matches!(tag, "bdSeq" | "minute_ts") || tag.starts_with("Node Control/") || tag.starts_with("Device Control/")
}

/// Whether a key names a value by its type, as messages do that were made of Protobuf.
pub(super) fn is_typed_value(key: &str) -> bool {
    let kind = key.strip_suffix("Value").or_else(|| key.strip_suffix("_value"));
    kind.is_some_and(|kind| {
        matches!(kind, "int" | "integer" | "long" | "float" | "double" | "bool" | "boolean" | "string")
    })
}

/// The best candidate so far; a lower rank wins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranked<T> {
    pub(super) rank: u8,
    pub(super) candidate: Option<Result<T, Fault>>,
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self { rank: u8::MAX, candidate: None }
    }
}

impl<T> Ranked<T> {
    #[inline]
    pub(super) fn offer(&mut self, rank: u8, candidate: Result<T, Fault>) {
        if rank < self.rank {
            *self = Self { rank, candidate: Some(candidate) };
        }
    }
}

/// Whether a list under a key may be one of tags: lists under other known keys are read, or nobody's, already.
pub(super) fn may_hold_tags(key: &str) -> bool {
    Known::of(key.as_bytes()).is_none_or(|known| matches!(known.says, Says::Records | Says::Payload | Says::Params))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key added to the list that is longer than the bound would never be found.
    #[test]
    fn every_key_of_the_list_is_found_and_the_longest_one_is_the_bound() {
        let source = include_str!("keys.rs");
        let list = source.split("fn of_gateway").nth(1).and_then(|rest| rest.split("fn is_name").next()).unwrap();
        let keys: Vec<&str> = list.split(" b\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(keys.len() > 100, "{keys:?}");
        for key in &keys {
            assert!(Known::of_gateway(key.as_bytes()).is_some(), "{key}");
        }
        assert_eq!(keys.iter().map(|key| key.len()).max(), Some(GATEWAY_KEY_BYTES_MAX));
    }
}
