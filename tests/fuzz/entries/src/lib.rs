//! One function for each kind of bytes that nobody here has written. Any bytes enter; what leaves is nothing, or a panic
//! that names what does not hold.
//!
//! `tests/mutations.rs` drives them from the kept corpora in every test run; `cargo fuzz run <name>` in `tests/fuzz` does
//! with coverage, for as long as one likes.

#![allow(clippy::unwrap_used, reason = "a panic is the finding")]

mod damage;
mod journal;
mod recovery;

pub use journal::journal;
pub use recovery::recovery;

use genims_decode::frame::{self, HandleTable, Next, decode_data, decode_message, next_frame};
use genims_decode::{Decoder, Point, Visitor};
use genims_listen::mqtt::packet::Version;
use genims_listen::mqtt::packet::connect::{self, Connect};
use genims_listen::mqtt::packet::inbound::Packet;
use genims_listen::mqtt::packet::wire;
use genims_model::Reason;
use genims_model::snapshot::SnapshotFields;
use std::fmt::Arguments;

const BYTES_MAX: usize = 1 << 16;

/// Sees that what decoders promise of what they find holds.
#[derive(Debug, Default)]
struct Promises {
    found: usize,
    defined: u32,
}

impl Visitor for Promises {
    fn point(&mut self, point: Point<'_>) {
        assert!(point.value.is_finite(), "{point:?}");
        if let genims_decode::Name::Handle(handle) = point.name {
            assert!(handle < self.defined, "{point:?} has a handle that was never given out");
        }
        self.found += 1;
    }

    fn snapshot(&mut self, _: &str, _: Option<i64>, _: SnapshotFields) {
        self.found += 1;
    }

    fn reject(&mut self, _: Reason, detail: Arguments<'_>, _: &[u8]) {
        assert!(!detail.to_string().is_empty(), "a rejection says why");
        self.found += 1;
    }

    fn define(&mut self, _: &str) -> u32 {
        self.defined += 1;
        self.defined - 1
    }
}

/// An MQTT stream: the first packet is taken for CONNECT, the rest in the version that it asks for.
pub fn packets(data: &[u8]) {
    let Ok(Some(first)) = wire::frame(data, BYTES_MAX, None) else { return };
    assert!(first.bytes <= data.len());
    let version = connect::version(first.body).unwrap_or_else(|(version, _)| version.unwrap_or(Version::V5));
    let _ = Connect::parse(first.flags(), first.body, version);
    let mut rest = data;
    while let Ok(Some(frame)) = wire::frame(rest, BYTES_MAX, Some(version)) {
        assert!((2..=rest.len()).contains(&frame.bytes), "a packet has a header and is within its bytes");
        let _ = Packet::parse(&frame, version);
        rest = &rest[frame.bytes..];
    }
}

/// The first line is the topic, the rest the payload.
pub fn payloads(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let Ok(topic) = std::str::from_utf8(&data[..end]) else { return };
    let payload = data.get(end + 1..).unwrap_or_default();
    let decoder = Decoder::default();
    let mut promises = Promises::default();
    decoder.message(topic, payload, &mut promises);
    let mut again = Promises::default();
    decoder.message(topic, payload, &mut again);
    assert_eq!(promises.found, again.found, "decoding is a function");
}

/// A stream of binary frames, and each body as a message of its own.
pub fn frames(data: &[u8]) {
    let mut rest = data;
    let (mut handles, mut promises) = (HandleTable::default(), Promises::default());
    while let Ok(next) = next_frame(rest, BYTES_MAX as u32) {
        let frame = match next {
            Next::Frame(frame) => frame,
            Next::NeedsBytes(bytes) => {
                assert!(bytes > rest.len(), "asking for bytes that are there would never end");
                break;
            }
        };
        let _ = decode_data(frame.body, &mut handles, &mut promises);
        let _ = frame::Hello::parse(frame.body);
        let _ = frame::Ack::parse(frame.body);
        let _ = frame::Refuse::parse(frame.body);
        let _ = frame::Welcome::parse(frame.body);
        rest = &rest[frame.bytes()..];
    }
    let _ = decode_data(data, &mut HandleTable::default(), &mut Promises::default());
    let _ = decode_message(data, &mut Promises::default());
}
