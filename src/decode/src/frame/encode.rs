//! Frames on their way out: each function appends one whole frame to `out`, header and checksum included.
//!
//! The server sends the short ones; HELLO, DATA and PING are for clients, tests and for what is set aside from a frame.

use super::control::CLIENT_ID_BYTES_MAX;
use super::{CHECKED_BYTES, FrameType, HEADER_BYTES, MAGIC, RefuseCode, VERSION, Welcome, checksum};
use crate::NAME_BYTES_MAX;
use genims_model::Quality;

/// One record of a DATA frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    pub handle: u16,
    /// `Good`, `Uncertain` or `Bad`; the qualities that the server finds itself are sent as `Uncertain`.
    pub quality: Quality,
    pub delta_us: i32,
    pub value: RecordValue,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RecordValue {
    Float(f64),
    Integer(i64),
}

impl Record {
    pub(super) fn to_bytes(self) -> [u8; super::RECORD_BYTES] {
        let quality = match self.quality {
            Quality::Good => 0,
            Quality::Bad => 2,
            Quality::Uncertain | Quality::Late | Quality::Skewed => 1,
        };
        let (kind, value) = match self.value {
            RecordValue::Float(value) => (0, value.to_le_bytes()),
            RecordValue::Integer(value) => (1, value.to_le_bytes()),
        };
        let mut bytes = [0; super::RECORD_BYTES];
        bytes[..2].copy_from_slice(&self.handle.to_le_bytes());
        bytes[2] = quality;
        bytes[3] = kind;
        bytes[4..8].copy_from_slice(&self.delta_us.to_le_bytes());
        bytes[8..].copy_from_slice(&value);
        bytes
    }
}

/// As [`hello`], logging in.
pub fn hello_as(client_id: &str, name: &str, secret: &[u8], out: &mut Vec<u8>) {
    frame(FrameType::Hello, out, |out| {
        for part in [client_id.as_bytes(), name.as_bytes(), secret] {
            out.extend((part.len() as u16).to_le_bytes());
            out.extend(part);
        }
    });
}

/// `client_id` is cut to its longest form.
pub fn hello(client_id: &str, out: &mut Vec<u8>) {
    let client_id = &client_id[..client_id.floor_char_boundary(CLIENT_ID_BYTES_MAX)];
    frame(FrameType::Hello, out, |out| {
        out.extend((client_id.len() as u16).to_le_bytes());
        out.extend(client_id.as_bytes());
    });
}

pub fn welcome(welcome: Welcome, out: &mut Vec<u8>) {
    frame(FrameType::Welcome, out, |out| {
        out.extend(welcome.last_sequence.to_le_bytes());
        out.extend(welcome.body_bytes_max.to_le_bytes());
        out.extend(welcome.in_flight_max.to_le_bytes());
    });
}

pub fn ack(sequence: u64, out: &mut Vec<u8>) {
    frame(FrameType::Ack, out, |out| out.extend(sequence.to_le_bytes()));
}

/// `message` is cut at 65,535 bytes.
pub fn refuse(sequence: u64, code: RefuseCode, message: &str, out: &mut Vec<u8>) {
    let message = &message[..message.floor_char_boundary(usize::from(u16::MAX))];
    frame(FrameType::Refuse, out, |out| {
        out.extend(sequence.to_le_bytes());
        out.extend((code as u16).to_le_bytes());
        out.extend((message.len() as u16).to_le_bytes());
        out.extend(message.as_bytes());
    });
}

/// Rows for a table; `payload` is JSON.
pub fn rows(sequence: u64, database: &str, table: &str, payload: &[u8], out: &mut Vec<u8>) {
    frame(FrameType::Rows, out, |out| {
        out.extend(sequence.to_le_bytes());
        for name in [database, table] {
            let name = &name.as_bytes()[..name.len().min(255)];
            out.push(name.len() as u8);
            out.extend(name);
        }
        out.extend(payload);
    });
}

pub fn ping(out: &mut Vec<u8>) {
    frame(FrameType::Ping, out, |_| {});
}

pub fn pong(out: &mut Vec<u8>) {
    frame(FrameType::Pong, out, |_| {});
}

/// `names`: the handles that this frame defines. Names longer than [`NAME_BYTES_MAX`] are left out, as are names behind
/// the 65,535th.
pub fn data(sequence: u64, base_us: i64, names: &[(u16, &str)], records: &[Record], out: &mut Vec<u8>) {
    data_of_bytes(sequence, base_us, names, records.iter().map(|record| record.to_bytes()), out);
}

/// As [`data`], with records as they came.
pub(super) fn data_of_bytes(
    sequence: u64,
    base_us: i64,
    names: &[(u16, &str)],
    records: impl ExactSizeIterator<Item = [u8; super::RECORD_BYTES]>,
    out: &mut Vec<u8>,
) {
    frame(FrameType::Data, out, |out| {
        out.extend(sequence.to_le_bytes());
        out.extend(base_us.to_le_bytes());
        let names = names.iter().filter(|(_, name)| name.len() <= NAME_BYTES_MAX).take(usize::from(u16::MAX));
        out.extend((names.clone().count() as u16).to_le_bytes());
        for (handle, name) in names {
            out.extend(handle.to_le_bytes());
            out.push(name.len() as u8);
            out.extend(name.as_bytes());
        }
        out.extend((records.len() as u32).to_le_bytes());
        records.for_each(|record| out.extend(record));
    });
}

fn frame(frame_type: FrameType, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(MAGIC);
    out.extend([VERSION, frame_type as u8]);
    out.extend([0; HEADER_BYTES - 4]);
    body(out);
    let frame = &mut out[start..];
    let body_bytes = (frame.len() - HEADER_BYTES) as u32;
    frame[4..CHECKED_BYTES].copy_from_slice(&body_bytes.to_le_bytes());
    let (header, body) = frame.split_at(HEADER_BYTES);
    let crc32 = checksum(&header[..CHECKED_BYTES], body);
    frame[CHECKED_BYTES..HEADER_BYTES].copy_from_slice(&crc32.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::{Ack, Frame, Hello, Next, Refuse, next_frame};
    use super::*;

    fn body(bytes: &[u8], frame_type: FrameType) -> &[u8] {
        match next_frame(bytes, 1 << 20) {
            Ok(Next::Frame(Frame { frame_type: found, body })) if found == frame_type => body,
            other => panic!("{other:?}"),
        }
    }

    fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes);
        bytes
    }

    #[test]
    fn control_frames_come_back_as_they_were_written() {
        let bytes = encoded(|out| hello("plc-7", out));
        assert_eq!(Hello::parse(body(&bytes, FrameType::Hello)), Ok(Hello { client_id: "plc-7", login: None }));
        let bytes = encoded(|out| hello_as("plc-7", "line 3", b"s\0cret", out));
        let expected = Hello { client_id: "plc-7", login: Some(("line 3", &b"s\0cret"[..])) };
        assert_eq!(Hello::parse(body(&bytes, FrameType::Hello)), Ok(expected));
        let limits = Welcome { last_sequence: u64::MAX, body_bytes_max: 1 << 20, in_flight_max: 64 };
        let bytes = encoded(|out| welcome(limits, out));
        assert_eq!(Welcome::parse(body(&bytes, FrameType::Welcome)), Ok(limits));
        let bytes = encoded(|out| ack(9, out));
        assert_eq!(Ack::parse(body(&bytes, FrameType::Ack)), Ok(Ack { sequence: 9 }));
        let bytes = encoded(|out| refuse(3, RefuseCode::Full, "später", out));
        let expected = Refuse { sequence: 3, code: 4, message: "später" };
        assert_eq!(Refuse::parse(body(&bytes, FrameType::Refuse)), Ok(expected));
        assert!(body(&encoded(ping), FrameType::Ping).is_empty());
        assert!(body(&encoded(pong), FrameType::Pong).is_empty());
    }

    #[test]
    fn texts_that_are_too_long_are_cut_at_a_character() {
        let bytes = encoded(|out| hello(&"ü".repeat(100), out));
        assert_eq!(Hello::parse(body(&bytes, FrameType::Hello)).map(|hello| hello.client_id.len()), Ok(128));
        let bytes = encoded(|out| refuse(0, RefuseCode::Busy, &"ü".repeat(40_000), out));
        assert_eq!(Refuse::parse(body(&bytes, FrameType::Refuse)).map(|refuse| refuse.message.len()), Ok(65_534));
    }

    #[test]
    fn client_ids_have_1_to_128_bytes_of_utf_8_and_nothing_behind() {
        for bad in [
            &b"\0\0"[..],
            b"\x81\0",
            b"\x02\0a",
            b"\x01\0ab",
            b"\x01\0\xff",
            b"\x01\0\0",
            b"\x01",
            b"\x01\0a\x01\0b",
            b"\x01\0a\0\0\0\0",
        ] {
            assert!(Hello::parse(bad).is_err(), "{bad:?}");
        }
        let long = [&129_u16.to_le_bytes()[..], &[b'a'; 129]].concat();
        assert!(Hello::parse(&long).is_err());
    }

    #[test]
    fn control_bodies_have_exactly_their_size() {
        assert!(Ack::parse(&[0; 7]).is_err() && Ack::parse(&[0; 9]).is_err());
        assert!(Welcome::parse(&[0; 15]).is_err() && Welcome::parse(&[0; 17]).is_err());
        assert!(Refuse::parse(&[0; 13]).is_err() && Refuse::parse(&[0; 11]).is_err());
    }
}
