//! Bodies of the frames that carry no readings: checked views on bytes that were received.

use super::{FrameError, FrameType, Reader};

/// The longest client id, in bytes of UTF-8.
pub const CLIENT_ID_BYTES_MAX: usize = 128;

/// The longest name of a client that logs in, and its longest secret, in bytes.
pub const LOGIN_BYTES_MAX: usize = 128;
pub const SECRET_BYTES_MAX: usize = 1_024;

/// The client's name: its sequence numbers count under it, across connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    pub client_id: &'a str,
    /// Where the server lets in whom it knows: the client that it logs in as, and that one's secret.
    pub login: Option<(&'a str, &'a [u8])>,
}

impl<'a> Hello<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, FrameError> {
        let mut reader = Reader::new(FrameType::Hello, body);
        let client_id_bytes = usize::from(reader.u16()?);
        if !(1..=CLIENT_ID_BYTES_MAX).contains(&client_id_bytes) {
            return Err(reader.error("a client id has 1 to 128 bytes"));
        }
        let client_id = reader.text(client_id_bytes)?;
        if client_id.contains('\0') {
            return Err(reader.error("the client id contains NUL"));
        }
        let login = if reader.rest.is_empty() { None } else { Some(login(&mut reader)?) };
        reader.end()?;
        Ok(Self { client_id, login })
    }
}

fn login<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, &'a [u8]), FrameError> {
    let name_bytes = usize::from(reader.u16()?);
    if !(1..=LOGIN_BYTES_MAX).contains(&name_bytes) {
        return Err(reader.error("a name to log in with has 1 to 128 bytes"));
    }
    let name = reader.text(name_bytes)?;
    let secret_bytes = usize::from(reader.u16()?);
    if secret_bytes > SECRET_BYTES_MAX {
        return Err(reader.error("a secret has 1,024 bytes at most"));
    }
    Ok((name, reader.bytes(secret_bytes)?))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The highest sequence of this client that is durable; 0 is none.
    pub last_sequence: u64,
    pub body_bytes_max: u32,
    /// DATA frames that may wait for their acknowledgement.
    pub in_flight_max: u32,
}

impl Welcome {
    pub fn parse(body: &[u8]) -> Result<Self, FrameError> {
        let mut reader = Reader::new(FrameType::Welcome, body);
        let (last_sequence, body_bytes_max, in_flight_max) = (reader.u64()?, reader.u32()?, reader.u32()?);
        reader.end()?;
        Ok(Self { last_sequence, body_bytes_max, in_flight_max })
    }
}

/// Everything up to and including `sequence` is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    pub sequence: u64,
}

impl Ack {
    pub fn parse(body: &[u8]) -> Result<Self, FrameError> {
        let mut reader = Reader::new(FrameType::Ack, body);
        let sequence = reader.u64()?;
        reader.end()?;
        Ok(Self { sequence })
    }
}

/// Why a connection closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum RefuseCode {
    Malformed = 1,
    TooLarge = 2,
    /// No HELLO first, or a gap in the sequence.
    Protocol = 3,
    /// Dropped by policy, or rows of which too many wait: not stored, to be sent again later.
    Full = 4,
    /// Too many connections.
    Busy = 5,
    /// A newer connection uses the client id.
    TakenOver = 6,
    /// Not let in, or no longer.
    Denied = 7,
}

impl RefuseCode {
    pub const ALL: [Self; 7] =
        [Self::Malformed, Self::TooLarge, Self::Protocol, Self::Full, Self::Busy, Self::TakenOver, Self::Denied];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refuse<'a> {
    /// The DATA frame at fault; 0 is none.
    pub sequence: u64,
    /// A [`RefuseCode`], or one that this version does not know.
    pub code: u16,
    pub message: &'a str,
}

impl<'a> Refuse<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, FrameError> {
        let mut reader = Reader::new(FrameType::Refuse, body);
        let (sequence, code, message_bytes) = (reader.u64()?, reader.u16()?, reader.u16()?);
        let message = reader.text(usize::from(message_bytes))?;
        reader.end()?;
        Ok(Self { sequence, code, message })
    }
}
