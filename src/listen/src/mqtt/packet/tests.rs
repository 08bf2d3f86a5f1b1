//! The codec against itself, against arbitrary bytes, and cut at any place.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use super::connect::{self, Connect, Will};
use super::inbound::{Packet, Publish};
use super::outbound::{self, Connack};
use super::wire::{self, FieldReader, Frame};
use super::{Version, kind, reason};
use proptest::prelude::*;

const PACKET_BYTES_MAX: usize = 1 << 20;

fn frame(bytes: &[u8]) -> Frame<'_> {
    wire::frame(bytes, PACKET_BYTES_MAX, Some(Version::V5)).unwrap().expect("the packet is complete")
}

fn any_version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V31), Just(Version::V3), Just(Version::V5)]
}

/// PUBLISH as a client writes it.
fn put_publish(out: &mut Vec<u8>, version: Version, publish: &Publish<'_>) {
    let mut body = Vec::new();
    wire::put_string(&mut body, publish.topic);
    if publish.qos > 0 {
        body.extend_from_slice(&publish.packet_id.to_be_bytes());
    }
    if version == Version::V5 {
        match publish.alias {
            Some(alias) => body.extend_from_slice(&[3, 0x23, alias.to_be_bytes()[0], alias.to_be_bytes()[1]]),
            None => body.push(0),
        }
    }
    body.extend_from_slice(publish.payload);
    let flags = u8::from(publish.duplicate) << 3 | publish.qos << 1 | u8::from(publish.retain);
    out.push(kind::PUBLISH << 4 | flags);
    wire::put_varint(out, body.len());
    out.extend_from_slice(&body);
}

prop_compose! {
    fn messages()(
        version in any_version(),
        messages in prop::collection::vec(
            ("[a-zäß/]{1,200}", prop::collection::vec(any::<u8>(), 0..300), 0..3_u8, 1..=u16::MAX, any::<[bool; 2]>(), prop::option::of(1..=u16::MAX)),
            1..8,
        ),
    ) -> (Version, Vec<(String, Vec<u8>, u8, u16, [bool; 2], Option<u16>)>) {
        (version, messages)
    }
}

proptest! {
    #[test]
    fn a_publish_is_read_as_it_was_written_wherever_the_stream_is_cut((version, messages) in messages(), cut in any::<prop::sample::Index>()) {
        let publishes: Vec<Publish<'_>> = messages
            .iter()
            .map(|(topic, payload, qos, packet_id, [duplicate, retain], alias)| Publish {
                duplicate: *duplicate && *qos > 0,
                qos: *qos,
                retain: *retain,
                topic,
                packet_id: if *qos > 0 { *packet_id } else { 0 },
                alias: alias.filter(|_| version == Version::V5),
                payload,
            })
            .collect();
        let mut bytes = Vec::new();
        publishes.iter().for_each(|publish| put_publish(&mut bytes, version, publish));
        let cut = cut.index(bytes.len());
        let mut found = Vec::new();
        let mut taken = 0;
        for end in [cut, bytes.len()] {
            while let Some(frame) = wire::frame(&bytes[taken..end], PACKET_BYTES_MAX, Some(version)).unwrap() {
                taken += frame.bytes;
                match Packet::parse(&frame, version).unwrap() {
                    Packet::Publish(publish) => found.push(publish),
                    other => prop_assert!(false, "{:?}", other),
                }
            }
        }
        prop_assert_eq!(taken, bytes.len());
        prop_assert_eq!(found, publishes);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_never_yield_more_than_they_hold(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        version in any_version(),
    ) {
        if let Ok(Some(frame)) = wire::frame(&bytes, 300, Some(version)) {
            prop_assert!(frame.bytes <= bytes.len() && frame.bytes <= 300);
        }
        let _ = connect::version(&bytes);
        for first in 0..=u8::MAX {
            let _ = Packet::parse(&Frame { first, body: &bytes, bytes: bytes.len() }, version);
            let _ = Connect::parse(first & 0x0F, &bytes, version);
        }
    }

    /// Deeper than arbitrary bytes get: a good packet with one byte changed or its end cut off.
    #[test]
    fn damaged_packets_never_panic((version, messages) in messages(), at in any::<prop::sample::Index>(), byte: u8) {
        for (topic, payload, ..) in &messages {
            let mut body = Vec::new();
            let publish =
                Publish { duplicate: false, qos: 1, retain: false, topic, packet_id: 1, alias: Some(1), payload };
            put_publish(&mut body, version, &publish);
            let index = at.index(body.len());
            let _ = wire::frame(&body[..index], PACKET_BYTES_MAX, Some(version));
            body[index] = byte;
            if let Ok(Some(frame)) = wire::frame(&body, PACKET_BYTES_MAX, Some(version)) {
                let _ = Packet::parse(&frame, version);
            }
        }
    }

    #[test]
    fn a_variable_byte_integer_is_read_as_it_was_written(value in 0..=wire::REMAINING_LENGTH_MAX) {
        let mut bytes = Vec::new();
        wire::put_varint(&mut bytes, value);
        let mut reader = FieldReader::new(&bytes);
        prop_assert_eq!(reader.varint().unwrap() as usize, value);
        prop_assert!(reader.is_empty());
        let mut packet = vec![0x30];
        packet.extend_from_slice(&bytes);
        let header = wire::header(&packet, Some(Version::V5)).unwrap().expect("the header is complete");
        prop_assert_eq!((header.body_bytes, header.header_bytes), (value, packet.len()));
    }
}

#[test]
fn a_length_above_the_limit_is_done_before_its_bytes_come() {
    let fault = wire::frame(&[0x30, 0xFF, 0x7F], 1_000, None).unwrap_err();
    assert_eq!(fault.reason, reason::PACKET_TOO_LARGE);
    assert_eq!(wire::frame(&[0x30, 0xFF], 1_000, None), Ok(None));
}

#[test]
fn a_full_v5_connect_is_read_in_all_its_parts() {
    let bytes = [
        b"\0\x04MQTT\x05\xEE\x00\x3C".as_slice(),
        &[36, 0x11, 0, 0, 0, 9, 0x27, 0, 0, 1, 0, 0x26],
        b"\0\x12genims-received-us\0\x0317\x30",
        b"\0\x02id",
        &[5, 0x18, 0, 0, 0, 7],
        b"\0\x01w\0\x02pp\0\x04user\0\x02pw",
    ]
    .concat();
    assert_eq!(connect::version(&bytes), Ok(Version::V5));
    let connect = Connect::parse(0, &bytes, Version::V5).unwrap();
    let will = Will { topic: "w", payload: b"pp", qos: 1, retain: true, delay: 7 };
    let expected = Connect {
        version: Version::V5,
        client_id: "id",
        clean_start: true,
        keep_alive: 60,
        session_expiry: 9,
        packet_bytes_max: 256,
        authentication_method: None,
        first_received_us: Some(170),
        will: Some(will),
        user_name: Some("user"),
        password: Some(b"pw"),
    };
    assert_eq!(connect, expected);
    for end in 0..bytes.len() {
        assert!(Connect::parse(0, &bytes[..end], Version::V5).is_err(), "cut at {end}");
    }
}

#[test]
fn what_the_server_sends_is_byte_for_byte_as_specified() {
    let mut out = Vec::new();
    let welcome = Connack {
        session_present: true,
        session_expiry: Some(1),
        receive_maximum: 2,
        packet_bytes_max: 3,
        topic_alias_maximum: 4,
        assigned_client_id: Some("x"),
        keep_alive: Some(5),
    };
    outbound::put_connack(&mut out, Version::V5, &welcome);
    let properties =
        [0x11, 0, 0, 0, 1, 0x21, 0, 2, 0x27, 0, 0, 0, 3, 0x22, 0, 4, 0x12, 0, 1, b'x', 0x13, 0, 5, 0x2A, 0];
    assert_eq!(out, [[0x20, 28, 1, 0, 25].as_slice(), &properties].concat());
    for (version, code, expected) in [
        (Version::V3, 0, [0x40, 2, 1, 2].as_slice()),
        (Version::V5, 0, &[0x40, 2, 1, 2]),
        (Version::V5, 0x97, &[0x40, 3, 1, 2, 0x97]),
    ] {
        out.clear();
        outbound::put_acknowledgement(&mut out, version, kind::PUBACK, 0x0102, code);
        assert_eq!(out, expected);
    }
    out.clear();
    outbound::put_disconnect(&mut out, Version::V3, 0x81, "no");
    assert!(out.is_empty());
    outbound::put_disconnect(&mut out, Version::V5, 0x81, "no");
    assert_eq!(out, [0xE0, 7, 0x81, 5, 0x1F, 0, 2, b'n', b'o']);
    assert_eq!(frame(&out).bytes, out.len());
}
