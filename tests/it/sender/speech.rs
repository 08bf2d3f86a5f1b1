//! The three protocols as bytes, written from their specifications and not with the server's own encoders.

use super::value_at;
use std::fmt::Write;

const MQTT_KEEP_ALIVE_S: u16 = 60;
const TOPIC: &str = "genims/v1/FAC-01/readings";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// 3.1.1, QoS 1.
    MqttV3,
    MqttV5,
    Frames,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The server knows us; everything up to the number is durable.
    Welcome(u64),
    /// The message with this packet identifier.
    Acked(u16),
    /// All messages up to this number.
    AckedUpTo(u64),
    /// The message with this packet identifier will not be stored; the reason code.
    Refused(u16, u8),
    /// The server will close the connection; the reason code.
    Closing(u8),
    Pong,
}

/// Numbers are far apart enough for any window.
pub(super) fn packet_id(number: u64) -> u16 {
    (number % 65_535) as u16 + 1
}

pub(crate) mod encode {
    use super::{MQTT_KEEP_ALIVE_S, Speech, TOPIC, Write, packet_id, value_at};

    pub(crate) fn hello(speech: Speech, client_id: &str, out: &mut Vec<u8>) {
        let level = match speech {
            Speech::MqttV3 => 4,
            Speech::MqttV5 => 5,
            Speech::Frames => return frame(1, &with_length(client_id, u16::to_le_bytes), out),
        };
        let mut body = with_length("MQTT", u16::to_be_bytes);
        // A session that the server may keep.
        body.extend_from_slice(&[level, 0]);
        body.extend_from_slice(&MQTT_KEEP_ALIVE_S.to_be_bytes());
        if speech == Speech::MqttV5 {
            body.push(0);
        }
        body.extend(with_length(client_id, u16::to_be_bytes));
        packet(0x10, &body, out);
    }

    /// One reading of each sensor at `timestamp_us`. `again`: it was sent before, and not acknowledged.
    pub(crate) fn message(
        speech: Speech,
        number: u64,
        sensors: &[String],
        timestamp_us: i64,
        again: bool,
        out: &mut Vec<u8>,
    ) {
        if speech == Speech::Frames {
            return data(number, sensors, timestamp_us, out);
        }
        publish(speech, 0x32 | u8::from(again) << 3, Some(packet_id(number)), sensors, timestamp_us, out);
    }

    /// A PUBLISH with QoS 0.
    pub(crate) fn unacknowledged(speech: Speech, sensors: &[String], timestamp_us: i64, out: &mut Vec<u8>) {
        publish(speech, 0x30, None, sensors, timestamp_us, out);
    }

    fn publish(
        speech: Speech,
        first: u8,
        packet_id: Option<u16>,
        sensors: &[String],
        timestamp_us: i64,
        out: &mut Vec<u8>,
    ) {
        let mut body = with_length(TOPIC, u16::to_be_bytes);
        if let Some(packet_id) = packet_id {
            body.extend_from_slice(&packet_id.to_be_bytes());
        }
        if speech == Speech::MqttV5 {
            body.push(0);
        }
        body.extend_from_slice(json(sensors, timestamp_us).as_bytes());
        packet(first, &body, out);
    }

    fn json(sensors: &[String], timestamp_us: i64) -> String {
        let mut text = String::from("[");
        for sensor in sensors {
            let comma = if text.len() > 1 { "," } else { "" };
            let value = value_at(timestamp_us);
            // An id that a client made up names its machine, without which nobody could register it.
            let machine = sensor.split_once(':').map_or(String::new(), |(id, _)| format!(r#""machine_id":"{id}","#));
            write!(text, r#"{comma}{{{machine}"sensor_id":"{sensor}","value":{value},"timestamp_us":{timestamp_us}}}"#)
                .unwrap();
        }
        text + "]"
    }

    /// All names with every frame: the simple way that the protocol offers.
    fn data(sequence: u64, sensors: &[String], timestamp_us: i64, out: &mut Vec<u8>) {
        let mut body = sequence.to_le_bytes().to_vec();
        body.extend_from_slice(&timestamp_us.to_le_bytes());
        body.extend_from_slice(&(sensors.len() as u16).to_le_bytes());
        for (handle, sensor) in sensors.iter().enumerate() {
            body.extend_from_slice(&(handle as u16).to_le_bytes());
            body.push(sensor.len() as u8);
            body.extend_from_slice(sensor.as_bytes());
        }
        body.extend_from_slice(&(sensors.len() as u32).to_le_bytes());
        for handle in 0..sensors.len() as u16 {
            body.extend_from_slice(&handle.to_le_bytes());
            // Good, a double, exactly at the frame's time.
            body.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
            body.extend_from_slice(&value_at(timestamp_us).to_le_bytes());
        }
        frame(3, &body, out);
    }

    pub(crate) fn ping(speech: Speech, out: &mut Vec<u8>) {
        match speech {
            Speech::Frames => frame(6, &[], out),
            Speech::MqttV3 | Speech::MqttV5 => packet(0xC0, &[], out),
        }
    }

    fn frame(kind: u8, body: &[u8], out: &mut Vec<u8>) {
        let mut header = vec![0x47, 0x46, 1, kind];
        header.extend_from_slice(&(body.len() as u32).to_le_bytes());
        let mut crc = crc32fast::Hasher::new();
        crc.update(&header);
        crc.update(body);
        header.extend_from_slice(&crc.finalize().to_le_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(body);
    }

    fn packet(first: u8, body: &[u8], out: &mut Vec<u8>) {
        out.push(first);
        let mut rest = body.len();
        while rest >= 0x80 {
            out.push((rest & 0x7F) as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
        out.extend_from_slice(body);
    }

    fn with_length(text: &str, length: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let mut bytes = length(text.len() as u16).to_vec();
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }
}

/// Takes the first complete answer off the input.
pub(super) fn next_answer(speech: Speech, input: &mut Vec<u8>) -> Option<Answer> {
    let (kind, header_bytes, body_bytes) = match speech {
        Speech::Frames => {
            let header = input.get(..12)?;
            assert_eq!(&header[..3], [0x47, 0x46, 1], "no frame");
            (header[3], 12, u32::from_le_bytes(header[4..8].try_into().unwrap()) as usize)
        }
        // The server never sends one of us more than 127 bytes.
        Speech::MqttV3 | Speech::MqttV5 => (*input.first()?, 2, usize::from(*input.get(1)?)),
    };
    let body = input.get(header_bytes..header_bytes + body_bytes)?.to_vec();
    input.drain(..header_bytes + body_bytes);
    let number = || u64::from_le_bytes(body[..8].try_into().unwrap());
    let id = || u16::from_be_bytes([body[0], body[1]]);
    Some(match (speech, kind) {
        (Speech::Frames, 2) => Answer::Welcome(number()),
        (Speech::Frames, 4) => Answer::AckedUpTo(number()),
        (Speech::Frames, 5) => Answer::Closing(body[8]),
        (Speech::Frames, 7) | (_, 0xD0) => Answer::Pong,
        (_, 0x20) if body[1] == 0 => Answer::Welcome(0),
        (_, 0x20) => Answer::Closing(body[1]),
        (_, 0x40) => match body.get(2) {
            Some(reason @ 0x80..) => Answer::Refused(id(), *reason),
            _ => Answer::Acked(id()),
        },
        (_, 0xE0) => Answer::Closing(body.first().copied().unwrap_or(0)),
        (speech, kind) => panic!("{speech:?}: packet {kind:#x} was not expected"),
    })
}
