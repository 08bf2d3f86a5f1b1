//! The packets that the server sends, appended to a connection's output buffer.

use super::properties::id;
use super::wire::{put_string, put_varint};
use super::{Version, kind, reason};

/// What CONNACK tells a client that is let in. v3.1.1 hears only of the session, v3.1 of nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connack<'a> {
    pub session_present: bool,
    /// Seconds, where it differs from what the client asked for.
    pub session_expiry: Option<u32>,
    pub receive_maximum: u16,
    pub packet_bytes_max: u32,
    pub topic_alias_maximum: u16,
    /// Where the client left the choice to us.
    pub assigned_client_id: Option<&'a str>,
    /// Seconds, where it differs from what the client asked for.
    pub keep_alive: Option<u16>,
}

pub fn put_connack(out: &mut Vec<u8>, version: Version, welcome: &Connack<'_>) {
    if version != Version::V5 {
        // In 3.1 the byte is reserved.
        let present = version == Version::V3 && welcome.session_present;
        out.extend_from_slice(&[kind::CONNACK << 4, 2, u8::from(present), 0]);
        return;
    }
    let mut properties = Vec::with_capacity(64);
    if let Some(seconds) = welcome.session_expiry {
        properties.push(id::SESSION_EXPIRY_INTERVAL);
        properties.extend_from_slice(&seconds.to_be_bytes());
    }
    properties.push(id::RECEIVE_MAXIMUM);
    properties.extend_from_slice(&welcome.receive_maximum.to_be_bytes());
    properties.push(id::MAXIMUM_PACKET_SIZE);
    properties.extend_from_slice(&welcome.packet_bytes_max.to_be_bytes());
    properties.push(id::TOPIC_ALIAS_MAXIMUM);
    properties.extend_from_slice(&welcome.topic_alias_maximum.to_be_bytes());
    if let Some(client_id) = welcome.assigned_client_id {
        properties.push(id::ASSIGNED_CLIENT_IDENTIFIER);
        put_string(&mut properties, client_id);
    }
    if let Some(seconds) = welcome.keep_alive {
        properties.push(id::SERVER_KEEP_ALIVE);
        properties.extend_from_slice(&seconds.to_be_bytes());
    }
    properties.extend_from_slice(&[id::SHARED_SUBSCRIPTION_AVAILABLE, 0]);
    put_with_properties(
        out,
        kind::CONNACK << 4,
        &[u8::from(welcome.session_present), reason::SUCCESS],
        &properties,
        &[],
    );
}

/// CONNACK that turns a client away. v3.1.1 has codes 1 to 5 only; what fits none of them gets no CONNACK there.
pub fn put_refusal(out: &mut Vec<u8>, version: Version, code: u8, text: &str) {
    match version {
        Version::V31 | Version::V3 => {
            let code = match code {
                reason::UNSUPPORTED_PROTOCOL_VERSION => 1,
                reason::CLIENT_IDENTIFIER_NOT_VALID => 2,
                reason::SERVER_UNAVAILABLE
                | reason::SERVER_BUSY
                | reason::SERVER_SHUTTING_DOWN
                | reason::QUOTA_EXCEEDED => 3,
                reason::BAD_USER_NAME_OR_PASSWORD => 4,
                reason::NOT_AUTHORIZED | reason::BANNED | reason::BAD_AUTHENTICATION_METHOD => 5,
                _ => return,
            };
            out.extend_from_slice(&[kind::CONNACK << 4, 2, 0, code]);
        }
        Version::V5 => put_with_properties(out, kind::CONNACK << 4, &[0, code], &reason_string(text), &[]),
    }
}

/// DISCONNECT, which in v3.1.1 only clients send: there nothing is written.
pub fn put_disconnect(out: &mut Vec<u8>, version: Version, code: u8, text: &str) {
    if version == Version::V5 {
        put_with_properties(out, kind::DISCONNECT << 4, &[code], &reason_string(text), &[]);
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP. The reason is said in v5 only, and only when it is not success.
#[inline]
pub fn put_acknowledgement(out: &mut Vec<u8>, version: Version, kind: u8, packet_id: u16, code: u8) {
    let flags = if kind == kind::PUBREL { 0b0010 } else { 0 };
    let [high, low] = packet_id.to_be_bytes();
    if code == reason::SUCCESS || version != Version::V5 {
        out.extend_from_slice(&[kind << 4 | flags, 2, high, low]);
    } else {
        out.extend_from_slice(&[kind << 4 | flags, 3, high, low, code]);
    }
}

pub fn put_suback(out: &mut Vec<u8>, version: Version, packet_id: u16, codes: &[u8]) {
    put_codes(out, version, kind::SUBACK, packet_id, codes);
}

/// v3.1.1 has no codes here.
pub fn put_unsuback(out: &mut Vec<u8>, version: Version, packet_id: u16, codes: &[u8]) {
    put_codes(out, version, kind::UNSUBACK, packet_id, if version == Version::V5 { codes } else { &[] });
}

pub fn put_pong(out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind::PINGRESP << 4, 0]);
}

/// A PUBLISH with QoS 0.
pub fn put_publish(
    out: &mut Vec<u8>,
    version: Version,
    retain: bool,
    topic: &str,
    identifiers: &[u32],
    payload: &[u8],
) {
    let first = kind::PUBLISH << 4 | u8::from(retain);
    let mut head = Vec::with_capacity(topic.len() + 2);
    put_string(&mut head, topic);
    if version != Version::V5 {
        out.push(first);
        put_varint(out, head.len() + payload.len());
        out.extend_from_slice(&head);
        out.extend_from_slice(payload);
        return;
    }
    let mut properties = Vec::new();
    for &identifier in identifiers {
        properties.push(id::SUBSCRIPTION_IDENTIFIER);
        put_varint(&mut properties, identifier as usize);
    }
    put_with_properties(out, first, &head, &properties, payload);
}

fn put_codes(out: &mut Vec<u8>, version: Version, kind: u8, packet_id: u16, codes: &[u8]) {
    match version {
        Version::V31 | Version::V3 => {
            out.push(kind << 4);
            put_varint(out, 2 + codes.len());
            out.extend_from_slice(&packet_id.to_be_bytes());
            out.extend_from_slice(codes);
        }
        Version::V5 => put_with_properties(out, kind << 4, &packet_id.to_be_bytes(), &[], codes),
    }
}

fn put_with_properties(out: &mut Vec<u8>, first: u8, head: &[u8], properties: &[u8], payload: &[u8]) {
    let mut length = Vec::with_capacity(4);
    put_varint(&mut length, properties.len());
    out.push(first);
    put_varint(out, head.len() + length.len() + properties.len() + payload.len());
    out.extend_from_slice(head);
    out.extend_from_slice(&length);
    out.extend_from_slice(properties);
    out.extend_from_slice(payload);
}

fn reason_string(text: &str) -> Vec<u8> {
    let mut properties = Vec::new();
    if !text.is_empty() {
        properties.push(id::REASON_STRING);
        put_string(&mut properties, text);
    }
    properties
}
