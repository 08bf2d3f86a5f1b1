//! Frames on the wire: cutting them out of the read buffer, checking them, and building the server's answers.
//!
//! Enters bytes of any origin; leaves whole frames whose length and checksum are right, or the [`Refusal`] that says what
//! is wrong. Nothing is copied and nothing is allocated before the checksum is right.

pub(super) const HEADER_BYTES: usize = 12;
const MAGIC: [u8; 2] = *b"GF";
const VERSION: u8 = 1;
/// The checksum covers the header's bytes before it, and the body.
const CHECKED_HEADER_BYTES: usize = 8;
const CLIENT_ID_BYTES_MAX: usize = 128;

pub(super) mod kind {
    pub(in crate::listen::tcp) const HELLO: u8 = 1;
    pub(in crate::listen::tcp) const WELCOME: u8 = 2;
    pub(in crate::listen::tcp) const DATA: u8 = 3;
    pub(in crate::listen::tcp) const ACK: u8 = 4;
    pub(in crate::listen::tcp) const REFUSE: u8 = 5;
    pub(in crate::listen::tcp) const PING: u8 = 6;
    pub(in crate::listen::tcp) const PONG: u8 = 7;
}

/// Why a connection is about to close; the number is what REFUSE carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Code {
    Malformed = 1,
    TooLarge = 2,
    Protocol = 3,
    Full = 4,
    Busy = 5,
    TakenOver = 6,
}

/// What REFUSE tells the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Code,
    /// 0 when no DATA frame is at fault.
    pub(super) sequence: u64,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: Code, sequence: u64, message: impl Into<String>) -> Self {
        Self { code, sequence, message: message.into() }
    }

    fn malformed(message: impl Into<String>) -> Self {
        Self::new(Code::Malformed, 0, message)
    }
}

/// A whole frame at the start of a buffer, its checksum verified.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) body: &'a [u8],
}

impl Frame<'_> {
    pub(super) fn bytes(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }
}

/// The length that the frame at the start of `input` will have, once its header is there.
pub(super) fn frame_bytes(input: &[u8], body_bytes_max: u32) -> Result<Option<usize>, Refusal> {
    let Some(header) = input.first_chunk::<HEADER_BYTES>() else {
        return match input.iter().zip(MAGIC).any(|(byte, magic)| *byte != magic) {
            true => Err(Refusal::malformed("no frame starts here: the first two bytes must be 47 46")),
            false => Ok(None),
        };
    };
    if header[..2] != MAGIC {
        return Err(Refusal::malformed("no frame starts here: the first two bytes must be 47 46"));
    }
    if header[2] != VERSION {
        return Err(Refusal::malformed(format!("frame version {} is not known; send version {VERSION}", header[2])));
    }
    let body_bytes = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    if body_bytes > body_bytes_max {
        let message = format!("a body of {body_bytes} bytes is larger than the {body_bytes_max} of WELCOME; split it");
        return Err(Refusal::new(Code::TooLarge, 0, message));
    }
    Ok(Some(HEADER_BYTES + body_bytes as usize))
}

/// The frame at the start of `input`, `None` while it is incomplete.
pub(super) fn peek(input: &[u8], body_bytes_max: u32) -> Result<Option<Frame<'_>>, Refusal> {
    let Some(frame) = frame_bytes(input, body_bytes_max)?.and_then(|bytes| input.get(..bytes)) else {
        return Ok(None);
    };
    let (header, body) = frame.split_at(HEADER_BYTES);
    let told = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    let computed = crc32(&header[..CHECKED_HEADER_BYTES], body);
    if told != computed {
        let message = format!("checksum is {told:#010x}, computed {computed:#010x}");
        return Err(Refusal::malformed(message));
    }
    Ok(Some(Frame { kind: header[3], body }))
}

fn crc32(header: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(body);
    hasher.finalize()
}

/// The client id in a HELLO body.
pub(super) fn hello(body: &[u8]) -> Result<&str, Refusal> {
    let Some((length, id)) = body.split_first_chunk::<2>() else {
        return Err(Refusal::malformed("HELLO is shorter than its length field"));
    };
    let length = usize::from(u16::from_le_bytes(*length));
    if length != id.len() || !(1..=CLIENT_ID_BYTES_MAX).contains(&length) {
        return Err(Refusal::malformed(format!("HELLO must hold a client id of 1 to {CLIENT_ID_BYTES_MAX} bytes")));
    }
    std::str::from_utf8(id).map_err(|_| Refusal::malformed("the client id is not UTF-8"))
}

/// Appends a frame to `out`.
pub(super) fn put(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&[MAGIC[0], MAGIC[1], VERSION, kind]);
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    let crc = crc32(&out[start..], body);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(body);
}

pub(super) fn put_welcome(out: &mut Vec<u8>, last_sequence: u64, body_bytes_max: u32, in_flight_max: u32) {
    let mut body = [0; 16];
    body[..8].copy_from_slice(&last_sequence.to_le_bytes());
    body[8..12].copy_from_slice(&body_bytes_max.to_le_bytes());
    body[12..].copy_from_slice(&in_flight_max.to_le_bytes());
    put(out, kind::WELCOME, &body);
}

pub(super) fn put_ack(out: &mut Vec<u8>, sequence: u64) {
    put(out, kind::ACK, &sequence.to_le_bytes());
}

pub(super) fn put_refuse(out: &mut Vec<u8>, refusal: &Refusal) {
    let message = &refusal.message.as_bytes()[..refusal.message.len().min(usize::from(u16::MAX))];
    let mut body = Vec::with_capacity(12 + message.len());
    body.extend_from_slice(&refusal.sequence.to_le_bytes());
    body.extend_from_slice(&(refusal.code as u16).to_le_bytes());
    body.extend_from_slice(&(message.len() as u16).to_le_bytes());
    body.extend_from_slice(message);
    put(out, kind::REFUSE, &body);
}
