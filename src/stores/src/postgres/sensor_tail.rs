//! The fields of a `sensor_data` row that differ from row to row, in the order of [`crate::postgres::sensor_rows::COLUMNS`].
//!
//! They are built on the stack from pieces of fixed size, so that a row costs one copy into the chunk instead of thirty.

use crate::postgres::field::{NUMERIC_BYTES_MAX, numeric, timestamp_value};
use genims_model::{Protocol, Quality, Reading, Status};

/// Two timestamps, three short texts, five booleans, six numbers.
pub(crate) const TAIL_BYTES_MAX: usize = 2 * 12 + 3 * TEXT_BYTES_MAX + 25 + 6 * NUMERIC_BYTES_MAX;
/// DECIMAL(15,4) and DECIMAL(8,4).
const SCALE: u16 = 4;
const TEXT_BYTES_MAX: usize = 16;

pub struct Tail {
    bytes: [u8; TAIL_BYTES_MAX],
    length: usize,
}

impl Tail {
    pub fn of(reading: &Reading, texts: &Texts) -> Self {
        let mut tail = Self { bytes: [0; TAIL_BYTES_MAX], length: 0 };
        tail.timestamp(reading.timestamp_us);
        tail.timestamp(reading.received_us);
        tail.text(&texts.protocol[reading.protocol as usize]);
        tail.text(&texts.status[reading.status as usize]);
        tail.text(&texts.quality[reading.quality as usize]);
        tail.put(&FLAGS[usize::from(reading.flags) % FLAGS.len()]);
        for value in [reading.value, reading.min_1min, reading.max_1min, reading.avg_1min, reading.std_1min] {
            tail.numeric(value);
        }
        tail.numeric(f64::from(reading.anomaly_score));
        tail
    }

    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn put<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.bytes[self.length..self.length + N].copy_from_slice(bytes);
        self.length += N;
    }

    /// Copies the whole array, which is a few instructions, and lets the next field overwrite the surplus.
    fn put_padded<const N: usize>(&mut self, bytes: &[u8; N], length: usize) {
        self.put(bytes);
        self.length -= N - length;
    }

    fn timestamp(&mut self, timestamp_us: i64) {
        self.put(&8_i32.to_be_bytes());
        self.put(&timestamp_value(timestamp_us).to_be_bytes());
    }

    fn text(&mut self, text: &Text) {
        self.put_padded(&text.bytes, text.length);
    }

    fn numeric(&mut self, value: f64) {
        let mut bytes = [0; NUMERIC_BYTES_MAX];
        let length = numeric(value, SCALE, &mut bytes);
        self.put_padded(&bytes, length);
    }
}

/// The words of the three columns that hold one of a few.
pub struct Texts {
    protocol: [Text; 4],
    status: [Text; 3],
    quality: [Text; 5],
}

impl Default for Texts {
    fn default() -> Self {
        use Protocol::{Bridge, LineProtocol, Mqtt, Tcp};
        use Quality::{Bad, Good, Late, Skewed, Uncertain};
        Self {
            protocol: [Mqtt, Tcp, LineProtocol, Bridge].map(|protocol| Text::new(protocol.as_str())),
            status: [Status::Normal, Status::Warning, Status::Critical].map(|status| Text::new(status.as_str())),
            quality: [Good, Uncertain, Bad, Late, Skewed].map(|quality| Text::new(quality.as_str())),
        }
    }
}

/// A text field, length in front, padded with zeros.
struct Text {
    bytes: [u8; TEXT_BYTES_MAX],
    length: usize,
}

impl Text {
    /// Words longer than twelve bytes would be cut; a test holds all words against that.
    fn new(word: &str) -> Self {
        let word = &word.as_bytes()[..word.len().min(TEXT_BYTES_MAX - 4)];
        let mut bytes = [0; TEXT_BYTES_MAX];
        bytes[..4].copy_from_slice(&(word.len() as i32).to_be_bytes());
        bytes[4..4 + word.len()].copy_from_slice(word);
        Self { bytes, length: 4 + word.len() }
    }
}

/// Five boolean fields for each combination of the five lowest [`genims_model::reading::flag`] bits.
const FLAGS: [[u8; 25]; 32] = {
    let mut all = [[0; 25]; 32];
    let mut flags = 0;
    while flags < 32 {
        let mut bit = 0;
        while bit < 5 {
            all[flags][bit * 5 + 3] = 1;
            all[flags][bit * 5 + 4] = (flags >> bit & 1) as u8;
            bit += 1;
        }
        flags += 1;
    }
    all
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use genims_model::SensorNo;

    /// Splits binary fields: length, bytes.
    fn fields(mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut fields = Vec::new();
        while let Some((length, rest)) = bytes.split_first_chunk() {
            let (field, rest) = rest.split_at(i32::from_be_bytes(*length) as usize);
            fields.push(field);
            bytes = rest;
        }
        fields
    }

    #[test]
    fn fields_follow_the_column_list() {
        let mut reading = sample::reading(SensorNo(0), 946_684_800_000_000 + 7);
        reading.flags = 0b1_0010;
        let tail = Tail::of(&reading, &Texts::default());
        let fields = fields(tail.written());
        assert_eq!(fields.len(), 16);
        assert_eq!(fields[0], 7_i64.to_be_bytes());
        assert_eq!(fields[1], 1_507_i64.to_be_bytes());
        assert_eq!(&fields[2..5], [&b"MQTT"[..], b"warning", b"good"]);
        assert_eq!(&fields[5..10], [[0], [1], [0], [0], [1]]);
        assert_eq!(fields[10], [0, 2, 0, 0, 0, 0, 0, 4, 0, 75, 9, 196], "75.2500");
        assert_eq!(fields[15], [0, 1, 0xFF, 0xFF, 0, 0, 0, 4, 9, 196], "0.2500");
    }

    #[test]
    fn every_word_fits_and_is_found_by_its_number() {
        let texts = Texts::default();
        let word = |text: &Text| String::from_utf8(text.bytes[4..text.length].to_vec()).expect("UTF-8");
        for code in 0..5 {
            if let Some(quality) = Quality::from_u8(code) {
                assert_eq!(word(&texts.quality[quality as usize]), quality.as_str());
            }
            if let Some(status) = Status::from_u8(code) {
                assert_eq!(word(&texts.status[status as usize]), status.as_str());
            }
            if let Some(protocol) = Protocol::from_u8(code) {
                assert_eq!(word(&texts.protocol[protocol as usize]), protocol.as_str());
            }
        }
    }

    #[test]
    fn the_widest_row_fits_the_tail() {
        let mut reading = sample::reading(SensorNo(0), i64::MAX);
        for value in [&mut reading.value, &mut reading.min_1min, &mut reading.max_1min, &mut reading.avg_1min] {
            *value = f64::MAX;
        }
        reading.std_1min = f64::MIN;
        reading.protocol = Protocol::Bridge;
        assert!(Tail::of(&reading, &Texts::default()).written().len() <= TAIL_BYTES_MAX);
    }
}
