//! MQTT 3.1.1 and 5 as a publisher speaks it. Packets are appended to a caller's buffer; what arrives is parsed in
//! place. References: MQTT Version 3.1.1 and 5.0, OASIS.

use super::{Identity, WireError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V311,
    V5,
}

/// Free bytes in front of a PUBLISH under construction: the largest fixed header.
const HEADROOM: usize = 5;
/// Session expiry of MQTT 5 connections with QoS 1 or 2: longer than any outage that a run survives.
const SESSION_EXPIRY_S: u32 = 600;
/// Larger packets than any server answer a publisher with are a sign of a broken stream.
const INCOMING_BYTES_MAX: usize = 1 << 20;

pub const DISCONNECT: [u8; 2] = [0xE0, 0x00];
pub const PINGREQ: [u8; 2] = [0xC0, 0x00];

/// What a server sends to a publisher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    ConnAck {
        session_present: bool,
        receive_maximum: Option<u16>,
    },
    /// `refused`: the reason code, when it is one of refusal.
    PubAck {
        id: u16,
        refused: Option<u8>,
    },
    PubRec {
        id: u16,
        refused: Option<u8>,
    },
    PubComp {
        id: u16,
    },
    PingResp,
    Disconnect {
        reason: u8,
    },
    Other(u8),
}

fn push_string(buffer: &mut Vec<u8>, text: &[u8]) {
    buffer.extend_from_slice(&(text.len() as u16).to_be_bytes());
    buffer.extend_from_slice(text);
}

/// The variable byte integer, at most four bytes.
fn remaining_length(mut value: usize) -> ([u8; 4], usize) {
    let mut bytes = [0; 4];
    let mut used = 0;
    loop {
        bytes[used] = (value % 128) as u8;
        value /= 128;
        if value > 0 && used < 3 {
            bytes[used] |= 0x80;
            used += 1;
        } else {
            return (bytes, used + 1);
        }
    }
}

/// CONNECT. `clean`: start without an earlier session, and leave none.
pub fn connect(buffer: &mut Vec<u8>, version: Version, identity: &Identity, keep_alive_s: u16, clean: bool) {
    const CLEAN: u8 = 0x02;
    const NAME_AND_SECRET: u8 = 0xC0;
    let mut body = Vec::with_capacity(identity.client_id.len() + 32);
    push_string(&mut body, b"MQTT");
    body.push(if version == Version::V5 { 5 } else { 4 });
    let login = identity.login.as_ref();
    let start = if clean { CLEAN } else { 0 };
    body.push(if login.is_some() { start | NAME_AND_SECRET } else { start });
    body.extend_from_slice(&keep_alive_s.to_be_bytes());
    if version == Version::V5 {
        if clean {
            body.push(0);
        } else {
            body.push(5);
            body.push(0x11);
            body.extend_from_slice(&SESSION_EXPIRY_S.to_be_bytes());
        }
    }
    push_string(&mut body, identity.client_id.as_bytes());
    if let Some(login) = login {
        push_string(&mut body, login.name.as_bytes());
        push_string(&mut body, login.secret.as_bytes());
    }
    buffer.push(0x10);
    let (length, used) = remaining_length(body.len());
    buffer.extend_from_slice(&length[..used]);
    buffer.extend_from_slice(&body);
}

/// Starts a PUBLISH in the empty `buffer`; the payload is to be appended behind it.
pub fn begin_publish(buffer: &mut Vec<u8>, version: Version, topic: &[u8], qos: u8) {
    buffer.extend_from_slice(&[0; HEADROOM]);
    push_string(buffer, topic);
    if qos > 0 {
        buffer.extend_from_slice(&[0; 2]);
    }
    if version == Version::V5 {
        buffer.push(0);
    }
}

/// Writes the fixed header in front. The packet is `buffer[start..]` with the returned `start`.
pub fn finish_publish(buffer: &mut [u8], qos: u8) -> usize {
    let (length, used) = remaining_length(buffer.len() - HEADROOM);
    let start = HEADROOM - used - 1;
    buffer[start] = 0x30 | (qos << 1);
    buffer[start + 1..HEADROOM].copy_from_slice(&length[..used]);
    start
}

/// Enters the packet identifier into a finished PUBLISH of QoS 1 or 2, and the DUP flag.
pub fn set_packet_id(packet: &mut [u8], id: u16, dup: bool) {
    if dup {
        packet[0] |= 0x08;
    }
    let Some((_, used)) = read_length(&packet[1..]).ok().flatten() else { return };
    let topic_at = 1 + used;
    let topic_bytes = usize::from(u16::from_be_bytes([packet[topic_at], packet[topic_at + 1]]));
    let id_at = topic_at + 2 + topic_bytes;
    packet[id_at..id_at + 2].copy_from_slice(&id.to_be_bytes());
}

pub fn pubrel(buffer: &mut Vec<u8>, id: u16) {
    buffer.extend_from_slice(&[0x62, 0x02]);
    buffer.extend_from_slice(&id.to_be_bytes());
}

/// The length and the bytes it takes; `None` while bytes are missing.
fn read_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, WireError> {
    let mut length = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((length, index + 1)));
        }
    }
    if bytes.len() >= 4 { Err(WireError::Malformed("remaining length")) } else { Ok(None) }
}

/// The first packet of `bytes` and its length; `None` while it is incomplete.
pub fn parse(bytes: &[u8], version: Version) -> Result<Option<(Incoming, usize)>, WireError> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let Some((length, used)) = read_length(&bytes[1..])? else { return Ok(None) };
    if length > INCOMING_BYTES_MAX {
        return Err(WireError::Malformed("packet too large"));
    }
    let total = 1 + used + length;
    let Some(body) = bytes.get(1 + used..total) else { return Ok(None) };
    let incoming = match first >> 4 {
        2 => connack(body, version)?,
        4 => {
            let (id, refused) = acknowledged(body)?;
            Incoming::PubAck { id, refused }
        }
        5 => {
            let (id, refused) = acknowledged(body)?;
            Incoming::PubRec { id, refused }
        }
        // A reason code here says that the identifier was unknown: complete all the same.
        7 => Incoming::PubComp { id: acknowledged(body)?.0 },
        13 => Incoming::PingResp,
        14 => Incoming::Disconnect { reason: body.first().copied().unwrap_or(0) },
        other => Incoming::Other(other),
    };
    Ok(Some((incoming, total)))
}

/// The packet identifier, and the reason code if it is one of refusal (0x80 and above).
fn acknowledged(body: &[u8]) -> Result<(u16, Option<u8>), WireError> {
    match body {
        [high, low, rest @ ..] => {
            Ok((u16::from_be_bytes([*high, *low]), rest.first().copied().filter(|reason| *reason >= 0x80)))
        }
        _ => Err(WireError::Malformed("acknowledgement without a packet identifier")),
    }
}

fn connack(body: &[u8], version: Version) -> Result<Incoming, WireError> {
    let [flags, reason, rest @ ..] = body else { return Err(WireError::Malformed("CONNACK")) };
    if *reason != 0 {
        return Err(WireError::Refused(format!("CONNACK with reason code 0x{reason:02X}")));
    }
    let receive_maximum = if version == Version::V5 { receive_maximum(rest)? } else { None };
    Ok(Incoming::ConnAck { session_present: flags & 1 == 1, receive_maximum })
}

/// Looks for the receive maximum (0x21) among the properties of a CONNACK.
fn receive_maximum(bytes: &[u8]) -> Result<Option<u16>, WireError> {
    const BROKEN: WireError = WireError::Malformed("CONNACK properties");
    let Some((length, used)) = read_length(bytes)? else { return Err(BROKEN) };
    let mut rest = bytes.get(used..used + length).ok_or(BROKEN)?;
    while let [property, value @ ..] = rest {
        let size = match property {
            0x24 | 0x25 | 0x28 | 0x29 | 0x2A => 1,
            0x13 | 0x21 | 0x22 => 2,
            0x11 | 0x27 => 4,
            0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => 2 + string_bytes(value).ok_or(BROKEN)?,
            0x26 => {
                let key = 2 + string_bytes(value).ok_or(BROKEN)?;
                key + 2 + string_bytes(value.get(key..).ok_or(BROKEN)?).ok_or(BROKEN)?
            }
            _ => return Err(BROKEN),
        };
        let content = value.get(..size).ok_or(BROKEN)?;
        if let (0x21, [high, low]) = (property, content) {
            return Ok(Some(u16::from_be_bytes([*high, *low])));
        }
        rest = &value[size..];
    }
    Ok(None)
}

fn string_bytes(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [high, low, ..] => Some(usize::from(u16::from_be_bytes([*high, *low]))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Login;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_publish_is_laid_out_as_the_standard_says() {
        let mut buffer = Vec::new();
        begin_publish(&mut buffer, Version::V311, b"a/b", 1);
        buffer.extend_from_slice(b"hi");
        let start = finish_publish(&mut buffer, 1);
        set_packet_id(&mut buffer[start..], 0x0102, false);
        assert_eq!(&buffer[start..], b"\x32\x09\x00\x03a/b\x01\x02hi");
        set_packet_id(&mut buffer[start..], 7, true);
        assert_eq!(&buffer[start..], b"\x3A\x09\x00\x03a/b\x00\x07hi");
    }

    #[test]
    fn a_large_v5_publish_has_a_long_length_and_properties() {
        let mut buffer = Vec::new();
        begin_publish(&mut buffer, Version::V5, b"t", 2);
        buffer.extend_from_slice(&[b'x'; 300]);
        let start = finish_publish(&mut buffer, 2);
        assert_eq!(&buffer[start..start + 9], b"\x34\xB2\x02\x00\x01t\x00\x00\x00");
        assert_eq!(buffer.len() - start, 3 + 306);
    }

    #[test]
    fn connects_are_laid_out_as_the_standard_says() {
        let (mut buffer, mut me) = (Vec::new(), Identity::from("me".to_owned()));
        connect(&mut buffer, Version::V311, &me, 60, true);
        assert_eq!(buffer, b"\x10\x0E\x00\x04MQTT\x04\x02\x00\x3C\x00\x02me");
        buffer.clear();
        connect(&mut buffer, Version::V5, &me, 60, false);
        assert_eq!(buffer, b"\x10\x14\x00\x04MQTT\x05\x00\x00\x3C\x05\x11\x00\x00\x02\x58\x00\x02me");
        buffer.clear();
        me.login = Some(Login { name: "it".to_owned(), secret: "hush".to_owned() });
        connect(&mut buffer, Version::V311, &me, 60, true);
        assert_eq!(buffer, b"\x10\x18\x00\x04MQTT\x04\xC2\x00\x3C\x00\x02me\x00\x02it\x00\x04hush");
    }

    #[test]
    fn answers_are_read_and_refusals_are_errors() {
        assert_eq!(
            parse(b"\x40\x02\x00\x05rest", Version::V311),
            Ok(Some((Incoming::PubAck { id: 5, refused: None }, 4)))
        );
        assert_eq!(parse(b"\x40\x02\x00", Version::V311), Ok(None));
        let refused = Incoming::PubAck { id: 5, refused: Some(0x97) };
        assert_eq!(parse(b"\x40\x03\x00\x05\x97", Version::V5), Ok(Some((refused, 5))));
        assert!(matches!(parse(b"\x20\x02\x00\x05", Version::V311), Err(WireError::Refused(_))));
        let connack = b"\x20\x0B\x01\x00\x08\x25\x00\x21\x00\x14\x22\x00\x0A";
        let expected = Incoming::ConnAck { session_present: true, receive_maximum: Some(20) };
        assert_eq!(parse(connack, Version::V5), Ok(Some((expected, 13))));
    }

    proptest! {
        #[test]
        fn the_length_survives_a_round_trip(value in 0_usize..268_435_456) {
            let (bytes, used) = remaining_length(value);
            prop_assert_eq!(read_length(&bytes[..used]), Ok(Some((value, used))));
        }

        #[test]
        fn nothing_that_arrives_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64), v5: bool) {
            let _ = parse(&bytes, if v5 { Version::V5 } else { Version::V311 });
        }
    }
}
