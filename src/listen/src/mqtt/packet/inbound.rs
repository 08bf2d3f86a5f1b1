//! The packets that a client sends after CONNECT. A frame enters, a packet that borrows from it leaves.

use super::properties::{self, Allowed, id};
use super::wire::{FieldReader, Frame};
use super::{Fault, Version, kind, reason};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    Publish(Publish<'a>),
    /// PUBACK, PUBREC or PUBCOMP of something that we published.
    Acknowledge {
        kind: u8,
        packet_id: u16,
        reason: u8,
    },
    Release {
        packet_id: u16,
    },
    Subscribe(Subscribe<'a>),
    Unsubscribe {
        packet_id: u16,
        filters: Vec<&'a str>,
    },
    Ping,
    Disconnect(Disconnect),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    pub duplicate: bool,
    pub qos: u8,
    pub retain: bool,
    /// Empty only when there is an alias.
    pub topic: &'a str,
    /// 0 for QoS 0.
    pub packet_id: u16,
    pub alias: Option<u16>,
    pub payload: &'a [u8],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    pub packet_id: u16,
    pub identifier: Option<u32>,
    pub filters: Vec<Filter<'a>>,
}

/// One line of a SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter<'a> {
    pub filter: &'a str,
    pub qos_max: u8,
    pub no_local: bool,
    pub retain_as_published: bool,
    /// 0: send retained messages; 1: only for a new subscription; 2: do not.
    pub retain_handling: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect {
    pub reason: u8,
    /// Seconds, where the client changes it.
    pub session_expiry: Option<u32>,
}

impl<'a> Packet<'a> {
    pub fn parse(frame: &Frame<'a>, version: Version) -> Result<Self, Fault> {
        let flags = match frame.kind() {
            kind::PUBLISH => return Publish::parse(frame, version).map(Self::Publish),
            kind::PUBREL | kind::SUBSCRIBE | kind::UNSUBSCRIBE => 0b0010,
            _ => 0,
        };
        // 3.1 repeats these three with DUP, and gives the flags of the others no meaning.
        let checked = match version {
            Version::V31 => flags,
            Version::V3 | Version::V5 => 0b1111,
        };
        if frame.flags() & checked != flags {
            return Err(Fault::malformed("the flags of the fixed header are not those of this packet"));
        }
        let body = FieldReader::new(frame.body);
        match frame.kind() {
            kind @ (kind::PUBACK | kind::PUBREC | kind::PUBCOMP) => {
                let codes = if kind == kind::PUBCOMP { &RELEASE_CODES[..] } else { &RECEIVE_CODES[..] };
                let (packet_id, reason) = acknowledgement(body, version, codes)?;
                Ok(Self::Acknowledge { kind, packet_id, reason })
            }
            kind::PUBREL => {
                acknowledgement(body, version, &RELEASE_CODES).map(|(packet_id, _)| Self::Release { packet_id })
            }
            kind::SUBSCRIBE => subscribe(body, version).map(Self::Subscribe),
            kind::UNSUBSCRIBE => unsubscribe(body, version),
            kind::PINGREQ => body.end().map(|()| Self::Ping),
            kind::DISCONNECT => disconnect(body, version).map(Self::Disconnect),
            kind::CONNECT => Err(Fault::protocol("a second CONNECT")),
            kind::AUTH if version == Version::V5 => Err(Fault::protocol("AUTH without an authentication method")),
            kind::CONNACK | kind::SUBACK | kind::UNSUBACK | kind::PINGRESP => {
                Err(Fault::protocol("a packet that only servers send"))
            }
            _ => Err(Fault::malformed("a reserved packet type")),
        }
    }
}

impl<'a> Publish<'a> {
    #[inline]
    pub fn parse(frame: &Frame<'a>, version: Version) -> Result<Self, Fault> {
        let qos = frame.first >> 1 & 3;
        let duplicate = frame.first & 0b1000 != 0;
        if qos == 3 {
            return Err(Fault::malformed("the QoS is 3"));
        }
        if duplicate && qos == 0 && version != Version::V31 {
            return Err(Fault::malformed("DUP is set with QoS 0"));
        }
        let mut reader = FieldReader::new(frame.body);
        let topic = reader.string()?;
        if memchr::memchr2(b'+', b'#', topic.as_bytes()).is_some() {
            return Err(Fault::malformed("the topic of a PUBLISH has wildcards"));
        }
        let packet_id = if qos > 0 { reader.packet_id()? } else { 0 };
        let alias = if version == Version::V5 { publish_properties(&mut reader)? } else { None };
        if topic.is_empty() && alias.is_none() {
            return Err(match version {
                Version::V31 | Version::V3 => Fault::malformed("the topic is empty"),
                Version::V5 => Fault::protocol("the topic is empty and there is no topic alias"),
            });
        }
        let retain = frame.first & 1 != 0;
        Ok(Self { duplicate, qos, retain, topic, packet_id, alias, payload: reader.rest() })
    }
}

/// The topic alias, if there is one; the other properties are checked and of no use to us.
fn publish_properties(reader: &mut FieldReader<'_>) -> Result<Option<u16>, Fault> {
    let mut alias = None;
    properties::walk(reader, Allowed::PUBLISH, |id, value| match id {
        id::TOPIC_ALIAS => {
            alias = u16::try_from(value.number()).ok();
            Ok(())
        }
        id::SUBSCRIPTION_IDENTIFIER => Err(Fault::protocol("a client's PUBLISH with a subscription identifier")),
        id::RESPONSE_TOPIC if memchr::memchr2(b'+', b'#', value.text().as_bytes()).is_some() => {
            Err(Fault::protocol("the response topic has wildcards"))
        }
        _ => Ok(()),
    })?;
    Ok(alias)
}

/// What PUBACK and PUBREC may say ([MQTT-3.4.2-1], [MQTT-3.5.2-1]).
const RECEIVE_CODES: [u8; 9] = [
    reason::SUCCESS,
    reason::NO_MATCHING_SUBSCRIBERS,
    reason::UNSPECIFIED_ERROR,
    reason::IMPLEMENTATION_SPECIFIC_ERROR,
    reason::NOT_AUTHORIZED,
    reason::TOPIC_NAME_INVALID,
    reason::PACKET_IDENTIFIER_IN_USE,
    reason::QUOTA_EXCEEDED,
    reason::PAYLOAD_FORMAT_INVALID,
];

/// What PUBREL and PUBCOMP may say ([MQTT-3.6.2-1], [MQTT-3.7.2-1]).
const RELEASE_CODES: [u8; 2] = [reason::SUCCESS, reason::PACKET_IDENTIFIER_NOT_FOUND];

/// Packet identifier and reason; v5 may leave the reason out, and the properties too.
fn acknowledgement(mut reader: FieldReader<'_>, version: Version, codes: &[u8]) -> Result<(u16, u8), Fault> {
    let packet_id = reader.packet_id()?;
    let mut code = reason::SUCCESS;
    if version == Version::V5 && !reader.is_empty() {
        code = reader.u8()?;
        if !codes.contains(&code) {
            return Err(Fault::protocol("an acknowledgement with a reason code that it cannot have"));
        }
        if !reader.is_empty() {
            properties::walk(&mut reader, Allowed::ACKNOWLEDGEMENT, |_, _| Ok(()))?;
        }
    }
    reader.end()?;
    Ok((packet_id, code))
}

fn subscribe(mut reader: FieldReader<'_>, version: Version) -> Result<Subscribe<'_>, Fault> {
    let packet_id = reader.packet_id()?;
    let mut identifier = None;
    if version == Version::V5 {
        properties::walk(&mut reader, Allowed::SUBSCRIBE, |id, value| {
            if id == id::SUBSCRIPTION_IDENTIFIER {
                identifier = Some(value.number());
            }
            Ok(())
        })?;
    }
    let mut filters = Vec::new();
    while !reader.is_empty() {
        let filter = topic_filter(&mut reader)?;
        filters.push(options(filter, reader.u8()?, version)?);
    }
    if filters.is_empty() {
        return Err(Fault::protocol("SUBSCRIBE without a filter"));
    }
    Ok(Subscribe { packet_id, identifier, filters })
}

/// At least one character long ([MQTT-4.7.3-1]).
fn topic_filter<'a>(reader: &mut FieldReader<'a>) -> Result<&'a str, Fault> {
    match reader.string()? {
        "" => Err(Fault::protocol("a topic filter is empty")),
        filter => Ok(filter),
    }
}

fn options(filter: &str, options: u8, version: Version) -> Result<Filter<'_>, Fault> {
    let qos_max = options & 3;
    let reserved = match version {
        // 3.1 gives the other bits no meaning.
        Version::V31 => 0,
        Version::V3 => 0b1111_1100,
        Version::V5 => 0b1100_0000,
    };
    if qos_max == 3 || options & reserved != 0 {
        return Err(Fault::malformed("the options of a subscription have reserved bits set"));
    }
    let options = if version == Version::V5 { options } else { 0 };
    let retain_handling = options >> 4 & 3;
    if retain_handling == 3 {
        return Err(Fault::protocol("the retain handling of a subscription is 3"));
    }
    let no_local = options & 0b100 != 0;
    if no_local && filter.starts_with("$share/") {
        return Err(Fault::protocol("no local on a shared subscription"));
    }
    Ok(Filter { filter, qos_max, no_local, retain_as_published: options & 0b1000 != 0, retain_handling })
}

fn unsubscribe(mut reader: FieldReader<'_>, version: Version) -> Result<Packet<'_>, Fault> {
    let packet_id = reader.packet_id()?;
    if version == Version::V5 {
        properties::walk(&mut reader, Allowed::UNSUBSCRIBE, |_, _| Ok(()))?;
    }
    let mut filters = Vec::new();
    while !reader.is_empty() {
        filters.push(topic_filter(&mut reader)?);
    }
    if filters.is_empty() {
        return Err(Fault::protocol("UNSUBSCRIBE without a filter"));
    }
    Ok(Packet::Unsubscribe { packet_id, filters })
}

fn disconnect(mut reader: FieldReader<'_>, version: Version) -> Result<Disconnect, Fault> {
    let mut this = Disconnect { reason: reason::SUCCESS, session_expiry: None };
    if version == Version::V5 && !reader.is_empty() {
        this.reason = reader.u8()?;
        if !reader.is_empty() {
            properties::walk(&mut reader, Allowed::DISCONNECT, |id, value| {
                if id == id::SESSION_EXPIRY_INTERVAL {
                    this.session_expiry = Some(value.number());
                }
                Ok(())
            })?;
        }
    }
    reader.end()?;
    Ok(this)
}
