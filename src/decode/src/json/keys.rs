//! The keys of an element that mean something: the one list of them.
//!
//! Enters a key; leaves what it says, or nothing for the name of a tag or a remark. Of several keys that say the same, the
//! lowest rank counts. Each has a bit of its own, by which a key that stands twice is found.

use crate::timestamp::Unit;

/// What a key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Value,
    Sensor,
    Machine,
    Time(Option<Unit>),
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
    /// A list of lists, where it is one.
    Records,
    /// An object of tags.
    Payload,
    Params,
    Method,
    MessageType,
    /// The element is a message of OPC UA.
    DataSet,
    MachineState,
    OpcDa,
    Errors,
    Error,
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
pub(super) const SENSOR_RANK_STRONG: u8 = 1;

/// The rank of a machine key that counts only where the topic names no machine.
pub(super) const MACHINE_RANK_WEAK: u8 = 2;

/// The bits of the keys `value` and `values`.
pub(super) const VALUE_BIT: u32 = 0;
pub(super) const VALUES_BIT: u32 = 16;
/// The bit of the key `Body`.
pub(super) const BODY_BIT: u32 = 42;

impl Known {
    const fn new(says: Says, bit: u32, rank: u8) -> Option<Self> {
        Some(Self { says, bit, rank })
    }

    #[inline(always)]
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        use Says::{Machine, MachineState, Quality, Sensor, Several, Time, Value};
        match key {
            b"value" | b"Value" => Self::new(Value, VALUE_BIT, 0),
            b"sensor_id" => Self::new(Sensor, 1, 0),
            b"timestamp_ms" => Self::new(Time(Some(Unit::Milliseconds)), 2, 1),
            b"timestamp_us" => Self::new(Time(Some(Unit::Microseconds)), 3, 0),
            b"timestamp_ns" => Self::new(Time(Some(Unit::Nanoseconds)), 4, 2),
            b"timestamp" | b"Timestamp" => Self::new(Time(None), 5, 3),
            b"ts" => Self::new(Time(None), 6, 4),
            b"time" => Self::new(Time(None), 7, 5),
            b"t" => Self::new(Time(None), 8, 6),
            b"sensor" => Self::new(Sensor, 9, 1),
            b"tag" => Self::new(Sensor, 10, 2),
            b"name" | b"Name" => Self::new(Sensor, 11, 3),
            b"id" => Self::new(Sensor, 12, 4),
            b"machine_id" => Self::new(Machine, 13, 0),
            b"machine" => Self::new(Machine, 14, 1),
            b"quality" | b"Quality" => Self::new(Quality, 15, 0),
            b"values" => Self::new(Several, VALUES_BIT, 0),
            b"machine_state" => Self::new(MachineState, 17, 0),
            _ => Self::of_gateway(key),
        }
    }

    /// The keys of gateways; see [`super::list`] and [`super::tags`].
    #[inline(never)]
    fn of_gateway(key: &[u8]) -> Option<Self> {
        use Says::{Data, DataSet, Error, Errors, List, Machine, MessageType, Method, OpcDa, Params, Payload, Quality};
        use Says::{QualityBits, Records, Remark, Sensor, Several, Status, Time, Value};
        match key {
            b"v" => Self::new(Value, 18, 1),
            b"val" => Self::new(Value, 19, 2),
            b"q" => Self::new(Quality, 20, 1),
            b"d" => Self::new(Data, 21, 3),
            b"node" => Self::new(Machine, 22, MACHINE_RANK_WEAK),
            b"qualityCode" | b"QualityCode" => Self::new(Quality, 23, 2),
            b"qc" => Self::new(QualityBits, 24, 3),
            b"dataPointId" => Self::new(Sensor, 25, 5),
            b"Variable" => Self::new(Sensor, 26, 6),
            b"SourceTimestamp" => Self::new(Time(None), 27, 7),
            b"ServerTimestamp" => Self::new(Time(None), 28, 8),
            b"StatusCode" | b"Status" => Self::new(Status, 29, 4),
            b"vals" => Self::new(Several, 30, 1),
            b"tags" | b"metrics" | b"Messages" | b"DataItems" => Self::new(List, 31, 0),
            b"Payload" => Self::new(Payload, 32, 0),
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
            b"group" | b"metas" | b"Time" => Self::new(Remark, 39, 0),
            _ => None,
        }
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
