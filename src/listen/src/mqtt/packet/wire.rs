//! The fixed header and the primitive types of MQTT. Bytes enter, frames and values that borrow from them leave.
//!
//! Invariants: a frame is cut only when all its bytes are there; a length above the limit is refused before its bytes are
//! waited for; a [`FieldReader`] never reads past its packet.

use super::{Fault, Version, reason};

/// The largest remaining length that four bytes can say.
pub const REMAINING_LENGTH_MAX: usize = 268_435_455;

/// One complete packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Packet type and flags.
    pub first: u8,
    /// Variable header and payload.
    pub body: &'a [u8],
    /// Of the whole packet.
    pub bytes: usize,
}

impl Frame<'_> {
    /// See [`super::kind`].
    pub fn kind(&self) -> u8 {
        self.first >> 4
    }

    pub fn flags(&self) -> u8 {
        self.first & 0x0F
    }
}

/// A fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub first: u8,
    pub header_bytes: usize,
    pub body_bytes: usize,
}

/// The fixed header at the start of `bytes`; `None` while it is not complete.
///
/// v5 demands the shortest form of the remaining length ([MQTT-1.5.5-1]); v3.1.1 does not, and small clients pad it.
pub fn header(bytes: &[u8], version: Option<Version>) -> Result<Option<Header>, Fault> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    let mut body_bytes = 0_usize;
    for (index, &byte) in rest.iter().take(4).enumerate() {
        body_bytes |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            if byte == 0 && index > 0 && version == Some(Version::V5) {
                return Err(Fault::malformed("the remaining length is not in its shortest form"));
            }
            return Ok(Some(Header { first, header_bytes: index + 2, body_bytes }));
        }
    }
    if rest.len() >= 4 {
        return Err(Fault::malformed("the remaining length has more than four bytes"));
    }
    Ok(None)
}

/// The packet at the start of `bytes`; `None` while it is not complete.
pub fn frame(bytes: &[u8], packet_bytes_max: usize, version: Option<Version>) -> Result<Option<Frame<'_>>, Fault> {
    let Some(header) = header(bytes, version)? else { return Ok(None) };
    let end = header.header_bytes + header.body_bytes;
    if end > packet_bytes_max {
        return Err(Fault::new(reason::PACKET_TOO_LARGE, "the packet is larger than the maximum packet size"));
    }
    let body = bytes.get(header.header_bytes..end);
    Ok(body.map(|body| Frame { first: header.first, body, bytes: end }))
}

const CUT_SHORT: Fault = Fault::malformed("the packet ends inside a field");

/// Reads the fields of one packet, front to back.
#[derive(Clone, Copy, Debug)]
pub struct FieldReader<'a> {
    rest: &'a [u8],
}

impl<'a> FieldReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that has not been read.
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub fn u8(&mut self) -> Result<u8, Fault> {
        let (&byte, rest) = self.rest.split_first().ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(byte)
    }

    pub fn u16(&mut self) -> Result<u16, Fault> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(u16::from_be_bytes(*bytes))
    }

    pub fn u32(&mut self) -> Result<u32, Fault> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*bytes))
    }

    /// A variable byte integer, in its shortest form ([MQTT-1.5.5-1]).
    pub fn varint(&mut self) -> Result<u32, Fault> {
        let mut value = 0_u32;
        for index in 0..4 {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7F) << (7 * index);
            if byte & 0x80 == 0 {
                if byte == 0 && index > 0 {
                    return Err(Fault::malformed("a variable byte integer is not in its shortest form"));
                }
                return Ok(value);
            }
        }
        Err(Fault::malformed("a variable byte integer has more than four bytes"))
    }

    pub fn binary(&mut self) -> Result<&'a [u8], Fault> {
        let count = self.u16()?;
        self.bytes(usize::from(count))
    }

    /// A UTF-8 string: well-formed ([MQTT-1.5.4-1]) and without U+0000 ([MQTT-1.5.4-2]).
    pub fn string(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.binary()?;
        if memchr::memchr(0, bytes).is_some() {
            return Err(Fault::malformed("a string contains U+0000"));
        }
        std::str::from_utf8(bytes).map_err(|_| Fault::malformed("a string is not valid UTF-8"))
    }

    /// A packet identifier, never 0 ([MQTT-2.2.1-3]).
    pub fn packet_id(&mut self) -> Result<u16, Fault> {
        match self.u16()? {
            0 => Err(Fault::protocol("the packet identifier is 0")),
            id => Ok(id),
        }
    }

    /// The packet must end here.
    pub fn end(&self) -> Result<(), Fault> {
        if self.is_empty() { Ok(()) } else { Err(Fault::malformed("the packet is longer than its fields")) }
    }
}

/// Appends a variable byte integer; what is above [`REMAINING_LENGTH_MAX`] is never sent.
pub fn put_varint(out: &mut Vec<u8>, value: usize) {
    let mut rest = value.min(REMAINING_LENGTH_MAX);
    while rest > 0x7F {
        out.push(rest as u8 & 0x7F | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends a string, cut at a character boundary to what its two-byte length can say.
pub fn put_string(out: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(usize::from(u16::MAX))];
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
