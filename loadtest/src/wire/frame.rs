//! The binary frame, little-endian: a 12-byte header (magic `GF`, version, type, body length, CRC-32 over the first
//! eight header bytes and the body), then the body.

use super::{Identity, WireError};

const MAGIC: [u8; 2] = *b"GF";
const VERSION: u8 = 1;
pub const HEADER_BYTES: usize = 12;
pub const RECORD_BYTES: usize = 16;
/// Larger frames than a server ever sends.
const INCOMING_BYTES_MAX: usize = 64 * 1024;

const HELLO: u8 = 1;
const WELCOME: u8 = 2;
const DATA: u8 = 3;
const ACK: u8 = 4;
const REFUSE: u8 = 5;
const PING: u8 = 6;
const PONG: u8 = 7;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    Welcome { last_sequence: u64, body_bytes_max: u32, in_flight_max: u32 },
    Ack { sequence: u64 },
    Pong,
}

/// Where a value stands in a DATA frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    E4(i64),
    /// Stored as it is: for values that a server must refuse.
    Raw(f64),
}

fn begin(buffer: &mut Vec<u8>, kind: u8) -> usize {
    let at = buffer.len();
    buffer.extend_from_slice(&[MAGIC[0], MAGIC[1], VERSION, kind, 0, 0, 0, 0, 0, 0, 0, 0]);
    at
}

/// Enters length and checksum of the frame that starts at `at` and ends with the buffer.
fn finish(buffer: &mut [u8], at: usize) {
    let body_bytes = (buffer.len() - at - HEADER_BYTES) as u32;
    buffer[at + 4..at + 8].copy_from_slice(&body_bytes.to_le_bytes());
    let crc = checksum(&buffer[at..]);
    buffer[at + 8..at + 12].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(frame: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&frame[..8]);
    hasher.update(&frame[HEADER_BYTES..]);
    hasher.finalize()
}

pub fn hello(buffer: &mut Vec<u8>, identity: &Identity) {
    let at = begin(buffer, HELLO);
    let login = identity.login.iter().flat_map(|login| [&login.name, &login.secret]);
    for part in std::iter::once(&identity.client_id).chain(login) {
        buffer.extend_from_slice(&(part.len() as u16).to_le_bytes());
        buffer.extend_from_slice(part.as_bytes());
    }
    finish(buffer, at);
}

pub fn ping(buffer: &mut Vec<u8>) {
    let at = begin(buffer, PING);
    finish(buffer, at);
}

/// Appends one record of a DATA frame.
pub fn push_record(records: &mut Vec<u8>, handle: u16, quality: u8, value: Value, delta_us: i32) {
    let mut record = [0_u8; RECORD_BYTES];
    record[..2].copy_from_slice(&handle.to_le_bytes());
    record[2] = quality;
    record[4..8].copy_from_slice(&delta_us.to_le_bytes());
    let bytes = match value {
        // Whole numbers go as integers, so that both kinds are used.
        Value::E4(value) if value % 10_000 == 0 => {
            record[3] = 1;
            (value / 10_000).to_le_bytes()
        }
        Value::E4(value) => super::text::to_f64(value).to_le_bytes(),
        Value::Raw(value) => value.to_le_bytes(),
    };
    record[8..].copy_from_slice(&bytes);
    records.extend_from_slice(&record);
}

/// The handle of each record.
pub fn handles(records: &[u8]) -> impl Iterator<Item = u16> {
    records.chunks_exact(RECORD_BYTES).map(|record| u16::from_le_bytes([record[0], record[1]]))
}

/// Appends a DATA frame. `names` are the definitions to go with it; `records` come from [`push_record`].
pub fn data<'a>(
    buffer: &mut Vec<u8>,
    sequence: u64,
    base_us: i64,
    names: impl Iterator<Item = (u16, &'a str)>,
    records: &[u8],
) {
    let at = begin(buffer, DATA);
    buffer.extend_from_slice(&sequence.to_le_bytes());
    buffer.extend_from_slice(&base_us.to_le_bytes());
    let names_at = buffer.len();
    buffer.extend_from_slice(&[0; 2]);
    let mut count = 0_u16;
    for (handle, name) in names {
        buffer.extend_from_slice(&handle.to_le_bytes());
        buffer.push(name.len() as u8);
        buffer.extend_from_slice(name.as_bytes());
        count += 1;
    }
    buffer[names_at..names_at + 2].copy_from_slice(&count.to_le_bytes());
    buffer.extend_from_slice(&((records.len() / RECORD_BYTES) as u32).to_le_bytes());
    buffer.extend_from_slice(records);
    finish(buffer, at);
}

/// The first frame of `bytes` and its length; `None` while it is incomplete. REFUSE is an error.
pub fn parse(bytes: &[u8]) -> Result<Option<(Incoming, usize)>, WireError> {
    if bytes.len() < HEADER_BYTES {
        return Ok(None);
    }
    if bytes[..2] != MAGIC || bytes[2] != VERSION {
        return Err(WireError::Malformed("frame magic or version"));
    }
    let body_bytes = read_u32(bytes, 4).unwrap_or(0) as usize;
    if body_bytes > INCOMING_BYTES_MAX {
        return Err(WireError::Malformed("frame too large"));
    }
    let total = HEADER_BYTES + body_bytes;
    let Some(frame) = bytes.get(..total) else { return Ok(None) };
    if read_u32(frame, 8) != Some(checksum(frame)) {
        return Err(WireError::Malformed("frame checksum"));
    }
    let body = &frame[HEADER_BYTES..];
    const SHORT: WireError = WireError::Malformed("frame body too short");
    let incoming = match bytes[3] {
        WELCOME => Incoming::Welcome {
            last_sequence: read_u64(body, 0).ok_or(SHORT)?,
            body_bytes_max: read_u32(body, 8).ok_or(SHORT)?,
            in_flight_max: read_u32(body, 12).ok_or(SHORT)?,
        },
        ACK => Incoming::Ack { sequence: read_u64(body, 0).ok_or(SHORT)? },
        PONG => Incoming::Pong,
        REFUSE => return Err(refusal(body)),
        _ => return Err(WireError::Malformed("frame type")),
    };
    Ok(Some((incoming, total)))
}

fn refusal(body: &[u8]) -> WireError {
    let code = body.get(8..10).map_or(0, |code| u16::from_le_bytes([code[0], code[1]]));
    let text = String::from_utf8_lossy(body.get(12..).unwrap_or_default()).into_owned();
    WireError::Refused(format!("REFUSE with code {code}: {text}"))
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::Login;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_data_frame_is_laid_out_as_the_format_says() {
        let mut records = Vec::new();
        push_record(&mut records, 3, 0, Value::E4(15_000), -1);
        push_record(&mut records, 4, 1, Value::E4(20_000), 2);
        let mut buffer = Vec::new();
        data(&mut buffer, 9, 1_000, [(3, "S1")].into_iter(), &records);
        assert_eq!(&buffer[..4], b"GF\x01\x03");
        assert_eq!(read_u32(&buffer, 4), Some((buffer.len() - HEADER_BYTES) as u32));
        assert_eq!(read_u64(&buffer, 12), Some(9));
        assert_eq!(read_u64(&buffer, 20), Some(1_000));
        assert_eq!(&buffer[28..35], b"\x01\x00\x03\x00\x02S1");
        assert_eq!(read_u32(&buffer, 35), Some(2));
        assert_eq!(&buffer[39..47], b"\x03\x00\x00\x00\xFF\xFF\xFF\xFF");
        assert_eq!(buffer[47..55], 1.5_f64.to_le_bytes());
        assert_eq!(&buffer[55..63], b"\x04\x00\x01\x01\x02\x00\x00\x00");
        assert_eq!(buffer[63..71], 2_i64.to_le_bytes());
        assert_eq!(handles(&records).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn a_hello_has_the_client_id_and_behind_it_name_and_secret() {
        let (mut buffer, mut me) = (Vec::new(), Identity::from("me".to_owned()));
        hello(&mut buffer, &me);
        assert_eq!(&buffer[HEADER_BYTES..], b"\x02\x00me");
        buffer.clear();
        me.login = Some(Login { name: "it".to_owned(), secret: "hush".to_owned() });
        hello(&mut buffer, &me);
        assert_eq!(&buffer[HEADER_BYTES..], b"\x02\x00me\x02\x00it\x04\x00hush");
    }

    #[test]
    fn a_known_checksum_guards_the_frame() {
        // zlib.crc32(b"GF\x01\x06\x00\x00\x00\x00")
        let mut buffer = Vec::new();
        ping(&mut buffer);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(b"GF\x01\x06\x00\x00\x00\x00");
        assert_eq!(read_u32(&buffer, 8), Some(hasher.finalize()));
        assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926);
    }

    fn answer(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::new();
        let at = begin(&mut buffer, kind);
        buffer.extend_from_slice(body);
        finish(&mut buffer, at);
        buffer
    }

    #[test]
    fn answers_are_read_and_damage_is_seen() {
        let mut ack = answer(ACK, &7_u64.to_le_bytes());
        assert_eq!(parse(&ack), Ok(Some((Incoming::Ack { sequence: 7 }, 20))));
        assert_eq!(parse(&ack[..19]), Ok(None));
        ack[15] ^= 1;
        assert!(matches!(parse(&ack), Err(WireError::Malformed(_))));
        let mut body = vec![0; 8];
        body.extend_from_slice(b"\x04\x00\x04\x00full");
        assert_eq!(parse(&answer(REFUSE, &body)), Err(WireError::Refused("REFUSE with code 4: full".to_owned())));
    }

    proptest! {
        #[test]
        fn nothing_that_arrives_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..64), framed: bool) {
            if framed && bytes.len() >= 8 {
                bytes[..3].copy_from_slice(b"GF\x01");
                bytes[4..8].copy_from_slice(&4_u32.to_le_bytes());
            }
            let _ = parse(&bytes);
        }
    }
}
