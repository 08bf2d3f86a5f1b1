//! Our binary frame: a length, a checksum, batches of 16-byte records, cumulative acknowledgements.
//!
//! All integers are little-endian. A frame is a header of 12 bytes and a body:
//!
//! | bytes | what |
//! |---|---|
//! | 2 | magic `47 46` ("GF") |
//! | 1 | version, 1 |
//! | 1 | type, see [`FrameType`] |
//! | 4 | body_bytes |
//! | 4 | CRC-32/ISO-HDLC (as zlib's) over the first 8 header bytes, then the body |
//!
//! [`Header::parse`] and [`next_frame`] work on a buffer that grows: they say how many bytes are missing, hand out a
//! checked frame, or fail with the code to refuse the connection with. The bodies: [`control`] (greetings,
//! acknowledgements), [`data`] (readings), [`rows`] (rows for tables), [`encode`] (the way back).

pub mod control;
pub mod data;
pub mod encode;
pub mod handles;
pub mod rows;

pub use control::{Ack, Hello, Refuse, RefuseCode, Welcome};
pub use data::{Data, decode_data, decode_message};
pub use encode::{Record, RecordValue};
pub use handles::HandleTable;
pub use rows::RowsFrame;

pub const MAGIC: [u8; 2] = *b"GF";
pub const VERSION: u8 = 1;
pub const HEADER_BYTES: usize = 12;

/// The part of the header that the checksum covers.
const CHECKED_BYTES: usize = 8;

pub const RECORD_BYTES: usize = 16;

/// The direction is the usual one; a server refuses what only a server sends, and a client likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameType {
    /// Client to server, first: who it is.
    Hello = 1,
    /// Server to client: how far the client's frames are durable, and the limits.
    Welcome = 2,
    /// Client to server: readings.
    Data = 3,
    /// Server to client: everything up to a sequence is durable.
    Ack = 4,
    /// Server to client: why the connection closes.
    Refuse = 5,
    Ping = 6,
    Pong = 7,
    /// Client to server: rows for a table.
    Rows = 8,
}

impl FrameType {
    pub const ALL: [Self; 8] =
        [Self::Hello, Self::Welcome, Self::Data, Self::Ack, Self::Refuse, Self::Ping, Self::Pong, Self::Rows];

    pub fn from_u8(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|frame_type| *frame_type as u8 == code)
    }
}

/// What makes a connection end. Frames carry no resynchronisation mark, so nothing behind it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the frame does not begin with 47 46 (\"GF\"): connect with a client of the binary protocol")]
    Magic,
    #[error("frame version {0} is not supported: send version 1")]
    Version(u8),
    #[error("frame type {0} does not exist: send 1 (HELLO), 3 (DATA), 6 (PING) or 8 (ROWS)")]
    Type(u8),
    #[error("a body of {body_bytes} bytes is too large: send at most {body_bytes_max}, as WELCOME says")]
    TooLarge { body_bytes: u32, body_bytes_max: u32 },
    #[error(
        "the checksum is {found:08x}, the frame's bytes give {computed:08x}: CRC-32/ISO-HDLC over header bytes 0..8 and body"
    )]
    Checksum { found: u32, computed: u32 },
    #[error("the body of a {frame_type:?} frame is malformed: {what}")]
    Body { frame_type: FrameType, what: &'static str },
}

impl FrameError {
    /// The code of the REFUSE frame that answers it.
    pub fn refuse_code(self) -> RefuseCode {
        match self {
            Self::TooLarge { .. } => RefuseCode::TooLarge,
            _ => RefuseCode::Malformed,
        }
    }
}

/// A header that is plausible; its checksum is compared when the body is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub frame_type: FrameType,
    pub body_bytes: u32,
    pub crc32: u32,
}

impl Header {
    /// `None`: fewer than [`HEADER_BYTES`] bytes so far. Bytes that can belong to no frame fail at once.
    pub fn parse(buffer: &[u8]) -> Result<Option<Self>, FrameError> {
        let magic_bytes = buffer.len().min(MAGIC.len());
        if buffer[..magic_bytes] != MAGIC[..magic_bytes] {
            return Err(FrameError::Magic);
        }
        let Some([_, _, version, code, b0, b1, b2, b3, c0, c1, c2, c3]) = buffer.first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        if *version != VERSION {
            return Err(FrameError::Version(*version));
        }
        Ok(Some(Self {
            frame_type: FrameType::from_u8(*code).ok_or(FrameError::Type(*code))?,
            body_bytes: u32::from_le_bytes([*b0, *b1, *b2, *b3]),
            crc32: u32::from_le_bytes([*c0, *c1, *c2, *c3]),
        }))
    }
}

/// A frame whose checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub frame_type: FrameType,
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Header included.
    pub fn bytes(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }
}

/// What a buffer begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    Frame(Frame<'a>),
    /// The buffer must hold this many bytes in all before another call can tell more.
    NeedsBytes(usize),
}

/// Takes the first frame of `buffer`; the caller drops [`Frame::bytes`] of it afterwards.
pub fn next_frame(buffer: &[u8], body_bytes_max: u32) -> Result<Next<'_>, FrameError> {
    let Some(header) = Header::parse(buffer)? else {
        return Ok(Next::NeedsBytes(HEADER_BYTES));
    };
    if header.body_bytes > body_bytes_max {
        return Err(FrameError::TooLarge { body_bytes: header.body_bytes, body_bytes_max });
    }
    let bytes = HEADER_BYTES.saturating_add(header.body_bytes as usize);
    let Some(body) = buffer.get(HEADER_BYTES..bytes) else {
        return Ok(Next::NeedsBytes(bytes));
    };
    let computed = checksum(&buffer[..CHECKED_BYTES], body);
    if computed != header.crc32 {
        return Err(FrameError::Checksum { found: header.crc32, computed });
    }
    Ok(Next::Frame(Frame { frame_type: header.frame_type, body }))
}

fn checksum(header: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(body);
    hasher.finalize()
}

/// Reads a body from front to back.
#[derive(Clone, Copy, Debug)]
struct Reader<'a> {
    rest: &'a [u8],
    frame_type: FrameType,
}

impl<'a> Reader<'a> {
    fn new(frame_type: FrameType, body: &'a [u8]) -> Self {
        Self { rest: body, frame_type }
    }

    fn error(&self, what: &'static str) -> FrameError {
        FrameError::Body { frame_type: self.frame_type, what }
    }

    #[inline]
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], FrameError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(self.error("it is too short"))?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(self.error("it is too short"))?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    fn u8(&mut self) -> Result<u8, FrameError> {
        self.array().map(u8::from_le_bytes)
    }

    #[inline]
    fn u16(&mut self) -> Result<u16, FrameError> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    fn u32(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    fn u64(&mut self) -> Result<u64, FrameError> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline]
    fn i64(&mut self) -> Result<i64, FrameError> {
        self.array().map(i64::from_le_bytes)
    }

    #[inline]
    fn text(&mut self, count: usize) -> Result<&'a str, FrameError> {
        let bytes = self.bytes(count)?;
        std::str::from_utf8(bytes).map_err(|_| self.error("a text is no UTF-8"))
    }

    fn end(self) -> Result<(), FrameError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error("something follows its content")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ping() -> Vec<u8> {
        let mut bytes = Vec::new();
        encode::ping(&mut bytes);
        bytes
    }

    #[test]
    fn a_ping_is_twelve_known_bytes() {
        // The checksum was computed with Python's zlib.crc32, so that both ends cannot share one mistake.
        assert_eq!(ping(), [0x47, 0x46, 1, 6, 0, 0, 0, 0, 0xdb, 0x72, 0xbd, 0x25]);
    }

    #[test]
    fn a_growing_buffer_says_how_much_is_missing() {
        let mut bytes = Vec::new();
        encode::hello("plc-7", &mut bytes);
        for length in 0..bytes.len() {
            let expected = if length < HEADER_BYTES { HEADER_BYTES } else { bytes.len() };
            assert_eq!(next_frame(&bytes[..length], 100), Ok(Next::NeedsBytes(expected)));
        }
        bytes.extend(ping());
        let Ok(Next::Frame(frame)) = next_frame(&bytes, 100) else { panic!("no frame") };
        assert_eq!((frame.frame_type, frame.bytes()), (FrameType::Hello, bytes.len() - HEADER_BYTES));
    }

    #[test]
    fn bytes_of_no_frame_fail_at_once_and_with_the_right_code() {
        assert_eq!(Header::parse(b"H"), Err(FrameError::Magic));
        assert_eq!(Header::parse(b"GET / HTTP/1.1"), Err(FrameError::Magic));
        let damaged = |at: usize, byte: u8| {
            let mut bytes = ping();
            bytes[at] = byte;
            next_frame(&bytes, 100).unwrap_err()
        };
        assert_eq!(damaged(2, 9), FrameError::Version(9));
        assert_eq!(damaged(3, 9), FrameError::Type(9));
        assert!(matches!(damaged(3, 7), FrameError::Checksum { .. }));
        let large = damaged(5, 1);
        assert_eq!(large, FrameError::TooLarge { body_bytes: 256, body_bytes_max: 100 });
        assert_eq!(large.refuse_code(), RefuseCode::TooLarge);
        assert_eq!(damaged(2, 9).refuse_code(), RefuseCode::Malformed);
    }

    proptest! {
        #[test]
        fn a_damaged_frame_is_never_taken_for_a_good_one(at in 0_usize..20, flip in 1_u8..) {
            let mut bytes = Vec::new();
            encode::ack(7, &mut bytes);
            bytes.extend(ping());
            bytes[at] ^= flip;
            prop_assert!(!matches!(next_frame(&bytes, 1_000), Ok(Next::Frame(_))));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = next_frame(&bytes, 1_000);
            let with_magic = [&MAGIC[..], &[VERSION], &bytes].concat();
            let _ = next_frame(&with_magic, 1_000);
        }
    }
}
