//! The properties of MQTT 5. A reader that stands before a property length enters; each property is handed to a visitor.
//!
//! Checked here for every packet: the property is known and belongs to the packet type, has its type, and comes once.

use super::wire::FieldReader;
use super::{Fault, reason};

/// Property identifiers, under the specification's names.
pub mod id {
    pub const PAYLOAD_FORMAT_INDICATOR: u8 = 0x01;
    pub const MESSAGE_EXPIRY_INTERVAL: u8 = 0x02;
    pub const CONTENT_TYPE: u8 = 0x03;
    pub const RESPONSE_TOPIC: u8 = 0x08;
    pub const CORRELATION_DATA: u8 = 0x09;
    pub const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
    pub const SESSION_EXPIRY_INTERVAL: u8 = 0x11;
    pub const ASSIGNED_CLIENT_IDENTIFIER: u8 = 0x12;
    pub const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub const AUTHENTICATION_METHOD: u8 = 0x15;
    pub const AUTHENTICATION_DATA: u8 = 0x16;
    pub const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
    pub const WILL_DELAY_INTERVAL: u8 = 0x18;
    pub const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
    pub const REASON_STRING: u8 = 0x1F;
    pub const RECEIVE_MAXIMUM: u8 = 0x21;
    pub const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub const TOPIC_ALIAS: u8 = 0x23;
    pub const USER_PROPERTY: u8 = 0x26;
    pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;
    pub const SHARED_SUBSCRIPTION_AVAILABLE: u8 = 0x2A;
}

/// Which properties a packet type may have: one bit per identifier, all of which are below 64.
#[derive(Clone, Copy, Debug)]
pub struct Allowed(u64);

impl Allowed {
    const fn of(ids: &[u8]) -> Self {
        let mut bits = 1 << id::USER_PROPERTY;
        let mut index = 0;
        while index < ids.len() {
            bits |= 1 << ids[index];
            index += 1;
        }
        Self(bits)
    }

    pub const CONNECT: Self = Self::of(&[
        id::SESSION_EXPIRY_INTERVAL,
        id::AUTHENTICATION_METHOD,
        id::AUTHENTICATION_DATA,
        id::REQUEST_PROBLEM_INFORMATION,
        id::REQUEST_RESPONSE_INFORMATION,
        id::RECEIVE_MAXIMUM,
        id::TOPIC_ALIAS_MAXIMUM,
        id::MAXIMUM_PACKET_SIZE,
    ]);
    pub const WILL: Self = Self::of(&[
        id::PAYLOAD_FORMAT_INDICATOR,
        id::MESSAGE_EXPIRY_INTERVAL,
        id::CONTENT_TYPE,
        id::RESPONSE_TOPIC,
        id::CORRELATION_DATA,
        id::WILL_DELAY_INTERVAL,
    ]);
    pub const PUBLISH: Self = Self::of(&[
        id::PAYLOAD_FORMAT_INDICATOR,
        id::MESSAGE_EXPIRY_INTERVAL,
        id::CONTENT_TYPE,
        id::RESPONSE_TOPIC,
        id::CORRELATION_DATA,
        id::SUBSCRIPTION_IDENTIFIER,
        id::TOPIC_ALIAS,
    ]);
    /// PUBACK, PUBREC, PUBREL, PUBCOMP.
    pub const ACKNOWLEDGEMENT: Self = Self::of(&[id::REASON_STRING]);
    pub const SUBSCRIBE: Self = Self::of(&[id::SUBSCRIPTION_IDENTIFIER]);
    pub const UNSUBSCRIBE: Self = Self::of(&[]);
    pub const DISCONNECT: Self = Self::of(&[id::SESSION_EXPIRY_INTERVAL, id::REASON_STRING]);
}

/// One property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Number(u32),
    Text(&'a str),
    Binary(&'a [u8]),
    Pair(&'a str, &'a str),
}

impl<'a> Value<'a> {
    /// The number; 0 for other types, which `read` has excluded where a number is asked for.
    pub fn number(self) -> u32 {
        if let Self::Number(number) = self { number } else { 0 }
    }

    pub fn text(self) -> &'a str {
        if let Self::Text(text) = self { text } else { "" }
    }
}

/// Reads the property length and all properties.
pub fn walk<'a>(
    reader: &mut FieldReader<'a>,
    allowed: Allowed,
    mut visit: impl FnMut(u8, Value<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let count = reader.varint()?;
    let mut properties = FieldReader::new(reader.bytes(count as usize)?);
    let mut seen = 0_u64;
    while !properties.is_empty() {
        // Formally a variable byte integer, but every identifier that exists has one byte.
        let id = properties.u8()?;
        let bit = 1_u64.checked_shl(u32::from(id)).unwrap_or(0);
        if allowed.0 & bit == 0 {
            return Err(Fault::malformed("a property is unknown or does not belong to this packet"));
        }
        if seen & bit != 0 && id != id::USER_PROPERTY {
            return Err(Fault::protocol("a property is there more than once"));
        }
        seen |= bit;
        let value = read(id, &mut properties)?;
        visit(id, value)?;
    }
    Ok(())
}

fn read<'a>(id: u8, reader: &mut FieldReader<'a>) -> Result<Value<'a>, Fault> {
    let nonzero = |number: u32| {
        if number == 0 { Err(Fault::protocol("a property that must not be 0 is 0")) } else { Ok(Value::Number(number)) }
    };
    match id {
        id::PAYLOAD_FORMAT_INDICATOR | id::REQUEST_PROBLEM_INFORMATION | id::REQUEST_RESPONSE_INFORMATION => {
            match reader.u8()? {
                byte @ 0..=1 => Ok(Value::Number(u32::from(byte))),
                _ => Err(Fault::protocol("a property that must be 0 or 1 is neither")),
            }
        }
        id::TOPIC_ALIAS_MAXIMUM => Ok(Value::Number(u32::from(reader.u16()?))),
        id::TOPIC_ALIAS => match reader.u16()? {
            0 => Err(Fault::new(reason::TOPIC_ALIAS_INVALID, "the topic alias is 0")),
            alias => Ok(Value::Number(u32::from(alias))),
        },
        id::RECEIVE_MAXIMUM => nonzero(u32::from(reader.u16()?)),
        id::MAXIMUM_PACKET_SIZE => nonzero(reader.u32()?),
        id::SUBSCRIPTION_IDENTIFIER => nonzero(reader.varint()?),
        id::MESSAGE_EXPIRY_INTERVAL | id::SESSION_EXPIRY_INTERVAL | id::WILL_DELAY_INTERVAL => {
            Ok(Value::Number(reader.u32()?))
        }
        id::CORRELATION_DATA | id::AUTHENTICATION_DATA => Ok(Value::Binary(reader.binary()?)),
        id::USER_PROPERTY => Ok(Value::Pair(reader.string()?, reader.string()?)),
        _ => Ok(Value::Text(reader.string()?)),
    }
}
