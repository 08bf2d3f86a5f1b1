//! CONNECT: who comes, with which session, what is to be said of it when it is lost.

use super::properties::{self, Allowed, Value, id};
use super::wire::FieldReader;
use super::{Fault, Version, reason};

/// The user property with [`Connect::first_received_us`] as a decimal number.
pub const FIRST_RECEIVED: &str = "genims-received-us";

/// Borrowed from the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    pub version: Version,
    /// Empty: the server chooses.
    pub client_id: &'a str,
    /// v3 says "clean session".
    pub clean_start: bool,
    /// Seconds; 0 is "none".
    pub keep_alive: u16,
    /// Seconds that the session outlives the connection; `u32::MAX` is "for ever". v3: 0 or for ever.
    pub session_expiry: u32,
    /// What the client takes at most.
    pub packet_bytes_max: u32,
    pub authentication_method: Option<&'a str>,
    /// When the server received first what the client is going to bring again: microseconds since 1970.
    pub first_received_us: Option<i64>,
    pub will: Option<Will<'a>>,
    pub user_name: Option<&'a str>,
    pub password: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub qos: u8,
    pub retain: bool,
    /// Seconds.
    pub delay: u32,
}

/// Bits of the connect flags.
mod flag {
    pub(super) const RESERVED: u8 = 1;
    pub(super) const CLEAN_START: u8 = 1 << 1;
    pub(super) const WILL: u8 = 1 << 2;
    pub(super) const WILL_RETAIN: u8 = 1 << 5;
    pub(super) const PASSWORD: u8 = 1 << 6;
    pub(super) const USER_NAME: u8 = 1 << 7;
}

/// Set in the protocol level by the bridges of some brokers, mosquitto's among them: the client is a broker that wants no
/// message back which it has sent. None is, so the bit changes nothing.
const PRIVATE_BRIDGE: u8 = 1 << 7;

/// The version that a CONNECT's body asks for, in whose form it has to be answered; an unknown protocol is answered with
/// nothing.
pub fn version(body: &[u8]) -> Result<Version, (Option<Version>, Fault)> {
    let mut reader = FieldReader::new(body);
    let unsupported = |text| Fault::new(reason::UNSUPPORTED_PROTOCOL_VERSION, text);
    let name = reader.binary().map_err(|fault| (None, fault))?;
    let level = reader.u8().map_err(|fault| (None, fault))?;
    match (name, level & !PRIVATE_BRIDGE) {
        (b"MQIsdp", 3) => Ok(Version::V31),
        (b"MQTT", 4) => Ok(Version::V3),
        (b"MQTT", 5) => Ok(Version::V5),
        (b"MQTT", 6..) => Err((Some(Version::V5), unsupported("use MQTT 5.0, 3.1.1 or 3.1"))),
        (b"MQTT" | b"MQIsdp", _) => Err((Some(Version::V3), unsupported("use MQTT 3.1, 3.1.1 or 5.0"))),
        _ => Err((None, unsupported("not MQTT"))),
    }
}

/// The client id, if it is where all known versions have it; for the log, whatever else is wrong with the packet.
pub fn client_id(body: &[u8]) -> Option<&str> {
    let mut reader = FieldReader::new(body);
    reader.binary().ok()?;
    let level = reader.u8().ok()? & !PRIVATE_BRIDGE;
    reader.bytes(3).ok()?;
    if level >= 5 {
        let properties = reader.varint().ok()?;
        reader.bytes(properties as usize).ok()?;
    }
    reader.string().ok()
}

impl<'a> Connect<'a> {
    /// `body` has passed [`version`]. `flags` are the fixed header's.
    pub fn parse(flags: u8, body: &'a [u8], version: Version) -> Result<Self, Fault> {
        let mut reader = FieldReader::new(body);
        reader.binary()?;
        reader.u8()?;
        let connect = reader.u8()?;
        if version != Version::V31 && (flags != 0 || connect & flag::RESERVED != 0) {
            return Err(Fault::malformed("a reserved flag of CONNECT is set"));
        }
        let clean_start = connect & flag::CLEAN_START != 0;
        let mut this = Self {
            version,
            client_id: "",
            clean_start,
            keep_alive: reader.u16()?,
            session_expiry: if version != Version::V5 && !clean_start { u32::MAX } else { 0 },
            packet_bytes_max: u32::MAX,
            authentication_method: None,
            first_received_us: None,
            will: None,
            user_name: None,
            password: None,
        };
        if version == Version::V5 {
            this.properties(&mut reader)?;
        }
        this.client_id = reader.string()?;
        this.will = will(connect, &mut reader, version)?;
        // In 3.1 the length of the packet decides over the flags: both may be left out.
        let ends = |reader: &FieldReader<'_>| version == Version::V31 && reader.is_empty();
        if connect & flag::USER_NAME != 0 && !ends(&reader) {
            this.user_name = Some(reader.string()?);
        } else if version != Version::V5 && connect & (flag::PASSWORD | flag::USER_NAME) == flag::PASSWORD {
            return Err(Fault::malformed("a password without a user name"));
        }
        if connect & flag::PASSWORD != 0 && !ends(&reader) {
            this.password = Some(reader.binary()?);
        }
        reader.end()?;
        Ok(this)
    }

    fn properties(&mut self, reader: &mut FieldReader<'a>) -> Result<(), Fault> {
        let mut data = false;
        properties::walk(reader, Allowed::CONNECT, |id, value| {
            match id {
                id::SESSION_EXPIRY_INTERVAL => self.session_expiry = value.number(),
                id::MAXIMUM_PACKET_SIZE => self.packet_bytes_max = value.number(),
                id::AUTHENTICATION_METHOD => self.authentication_method = Some(value.text()),
                id::AUTHENTICATION_DATA => data = true,
                id::USER_PROPERTY => {
                    if let Value::Pair(FIRST_RECEIVED, first_us) = value {
                        self.first_received_us = first_us.parse().ok().filter(|us| *us >= 0);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        if data && self.authentication_method.is_none() {
            return Err(Fault::protocol("authentication data without a method"));
        }
        Ok(())
    }
}

fn will<'a>(connect: u8, reader: &mut FieldReader<'a>, version: Version) -> Result<Option<Will<'a>>, Fault> {
    let qos = connect >> 3 & 3;
    let retain = connect & flag::WILL_RETAIN != 0;
    if connect & flag::WILL == 0 {
        if qos != 0 || retain {
            return Err(Fault::malformed("will flags without a will"));
        }
        return Ok(None);
    }
    if qos == 3 {
        return Err(Fault::malformed("the will's QoS is 3"));
    }
    let mut delay = 0;
    if version == Version::V5 {
        properties::walk(reader, Allowed::WILL, |id, value| {
            if id == id::WILL_DELAY_INTERVAL {
                delay = value.number();
            }
            Ok(())
        })?;
    }
    let topic = reader.string()?;
    if topic.is_empty() || memchr::memchr2(b'+', b'#', topic.as_bytes()).is_some() {
        return Err(Fault::malformed("the will's topic is empty or has wildcards"));
    }
    Ok(Some(Will { topic, payload: reader.binary()?, qos, retain, delay }))
}
