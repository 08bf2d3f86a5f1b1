//! Fields of PostgreSQL's binary COPY format, written by hand.
//!
//! Each field is its length (i32) and its bytes, all big-endian; a row opens with the number of its fields (i16).
//! <https://www.postgresql.org/docs/15/sql-copy.html>, "Binary Format".

use bytes::{BufMut, BytesMut};
use chrono::DateTime;

/// Signature, flags, header extension length.
pub const COPY_HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// A field count of -1 ends the data.
pub const COPY_TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// 1970-01-01 to 2000-01-01, where PostgreSQL's timestamps begin.
const EPOCH_SHIFT_US: i64 = 946_684_800_000_000;

/// The longest NUMERIC that [`numeric`] writes, with its length in front.
pub const NUMERIC_BYTES_MAX: usize = 4 + 8 + 2 * DIGITS_MAX;
/// 2^64 has five digits to base 10 000.
const DIGITS_MAX: usize = 5;

/// A time as PostgreSQL reads it from text; `None` outside the calendar.
pub(crate) fn time_text(timestamp_us: i64) -> Option<String> {
    DateTime::from_timestamp_micros(timestamp_us).map(|at| at.naive_utc().to_string())
}

/// Microseconds since 2000-01-01. Times too far out to exist there stay out of PostgreSQL's range, so it refuses them.
pub(crate) fn timestamp_value(timestamp_us: i64) -> i64 {
    timestamp_us.saturating_sub(EPOCH_SHIFT_US)
}

/// Writes `value` with `scale` digits behind the point (0 to 4, half away from zero), as NUMERIC; answers the bytes used.
///
/// Exact for up to fifteen digits: `value * 10^scale` is then below 2^53, and its rounding error below one half. What
/// does not fit the column is written as a number that does not fit either, for PostgreSQL to refuse.
pub fn numeric(value: f64, scale: u16, out: &mut [u8; NUMERIC_BYTES_MAX]) -> usize {
    if !value.is_finite() {
        return special(value, scale, out);
    }
    let steps = POWERS[usize::from(scale.min(4))];
    let scaled = round(value * steps.0);
    // Base 10 000 digits, the last of which stands behind the point. What is too large for them is for no column.
    let mut rest = scaled.unsigned_abs().saturating_mul(steps.1);
    let mut digits = [0_u16; DIGITS_MAX];
    let mut count = 0;
    while rest > 0 {
        digits[count] = (rest % 10_000) as u16;
        rest /= 10_000;
        count += 1;
    }
    let zeros = digits[..count].iter().take_while(|digit| **digit == 0).count();
    let length = count - zeros;
    let sign = if scaled < 0 { NEGATIVE } else { POSITIVE };
    // The weight is the exponent (to base 10 000) of the first digit.
    let weight = if length == 0 { 0 } else { count as i16 - 2 };
    head(out, length, weight, sign, scale);
    for (place, digit) in out[12..].chunks_exact_mut(2).zip(digits[zeros..count].iter().rev()) {
        place.copy_from_slice(&digit.to_be_bytes());
    }
    12 + 2 * length
}

/// 10^scale, and what is missing to 10^4.
const POWERS: [(f64, u64); 5] = [(1.0, 10_000), (10.0, 1_000), (100.0, 100), (1_000.0, 10), (10_000.0, 1)];

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

fn head(out: &mut [u8; NUMERIC_BYTES_MAX], digits: usize, weight: i16, sign: u16, scale: u16) {
    out[0..4].copy_from_slice(&(8 + 2 * digits as i32).to_be_bytes());
    out[4..6].copy_from_slice(&(digits as i16).to_be_bytes());
    out[6..8].copy_from_slice(&weight.to_be_bytes());
    out[8..10].copy_from_slice(&sign.to_be_bytes());
    out[10..12].copy_from_slice(&scale.to_be_bytes());
}

fn special(value: f64, scale: u16, out: &mut [u8; NUMERIC_BYTES_MAX]) -> usize {
    let sign = match value {
        value if value.is_nan() => NAN,
        value if value > 0.0 => INFINITY,
        _ => NEGATIVE_INFINITY,
    };
    head(out, 0, 0, sign, scale);
    12
}

/// What a column with four digits behind the point keeps of a value, in steps of its last digit.
pub fn ten_thousandths(value: f64) -> i64 {
    round(value * POWERS[4].0)
}

/// Half away from zero. `f64::round` is a library call without SSE 4.1, which the default target does not assume.
fn round(value: f64) -> i64 {
    let whole = value as i64;
    let fraction = value - whole as f64;
    whole.saturating_add(i64::from(fraction >= 0.5) - i64::from(fraction <= -0.5))
}

/// Row building for tables whose speed does not matter much.
pub trait PutField {
    fn put_text(&mut self, text: &str);
    /// Text that may hold what PostgreSQL's text cannot: NUL becomes the replacement character.
    fn put_foreign_text(&mut self, text: &str);
    fn put_bytea(&mut self, bytes: &[u8]);
    fn put_null(&mut self);
    fn put_bool(&mut self, value: bool);
    fn put_int4(&mut self, value: i32);
    fn put_int8(&mut self, value: i64);
    /// TIMESTAMP or TIMESTAMPTZ from microseconds since 1970 UTC.
    fn put_timestamp(&mut self, timestamp_us: i64);
    fn put_numeric(&mut self, value: f64, scale: u16);
    fn put_optional<V>(&mut self, value: Option<V>, put: impl FnOnce(&mut Self, V));
}

impl PutField for BytesMut {
    fn put_text(&mut self, text: &str) {
        self.put_bytea(text.as_bytes());
    }

    fn put_foreign_text(&mut self, text: &str) {
        if text.contains('\0') { self.put_text(&text.replace('\0', "\u{FFFD}")) } else { self.put_text(text) }
    }

    fn put_bytea(&mut self, bytes: &[u8]) {
        self.put_i32(bytes.len() as i32);
        self.put_slice(bytes);
    }

    fn put_null(&mut self) {
        self.put_i32(-1);
    }

    fn put_bool(&mut self, value: bool) {
        self.put_i32(1);
        self.put_u8(u8::from(value));
    }

    fn put_int4(&mut self, value: i32) {
        self.put_i32(4);
        self.put_i32(value);
    }

    fn put_int8(&mut self, value: i64) {
        self.put_i32(8);
        self.put_i64(value);
    }

    fn put_timestamp(&mut self, timestamp_us: i64) {
        self.put_int8(timestamp_value(timestamp_us));
    }

    fn put_numeric(&mut self, value: f64, scale: u16) {
        let mut bytes = [0; NUMERIC_BYTES_MAX];
        let length = numeric(value, scale, &mut bytes);
        self.put_slice(&bytes[..length]);
    }

    fn put_optional<V>(&mut self, value: Option<V>, put: impl FnOnce(&mut Self, V)) {
        match value {
            Some(value) => put(self, value),
            None => self.put_null(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads NUMERIC back the way `numeric_recv` does, in units of 0.0001.
    fn decode(bytes: &[u8]) -> (i128, u16) {
        let short = |at: usize| i16::from_be_bytes([bytes[at], bytes[at + 1]]);
        assert_eq!(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize, bytes.len() - 4);
        let (digits, weight) = (short(4), short(6));
        let mut units = 0_i128;
        for at in 0..digits {
            let exponent = u32::try_from(weight - at + 1).expect("no digit below 0.0001");
            units += i128::from(short(12 + 2 * at as usize)) * 10_000_i128.pow(exponent);
        }
        let sign = if short(8) as u16 == NEGATIVE { -1 } else { 1 };
        (sign * units, short(10) as u16)
    }

    fn encode(value: f64, scale: u16) -> Vec<u8> {
        let mut out = [0; NUMERIC_BYTES_MAX];
        let length = numeric(value, scale, &mut out);
        out[..length].to_vec()
    }

    #[test]
    fn known_numbers_have_postgresql_s_own_bytes() {
        assert_eq!(encode(0.0, 4), [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 4]);
        assert_eq!(encode(-1.5, 4), [0, 0, 0, 12, 0, 2, 0, 0, 0x40, 0, 0, 4, 0, 1, 0x13, 0x88]);
        assert_eq!(encode(0.0001, 4), [0, 0, 0, 10, 0, 1, 0xFF, 0xFF, 0, 0, 0, 4, 0, 1]);
        assert_eq!(encode(20_000.0, 4), [0, 0, 0, 10, 0, 1, 0, 1, 0, 0, 0, 4, 0, 2]);
        assert_eq!(encode(-0.0, 4), encode(0.0, 4));
    }

    #[test]
    fn the_largest_value_of_the_column_is_exact() {
        assert_eq!(decode(&encode(99_999_999_999.999_9, 4)), (999_999_999_999_999, 4));
        assert_eq!(decode(&encode(-99_999_999_999.999_9, 4)), (-999_999_999_999_999, 4));
    }

    proptest! {
        #[test]
        fn every_number_of_fifteen_digits_is_exact(units in -999_999_999_999_999_i64..=999_999_999_999_999) {
            prop_assert_eq!(decode(&encode(units as f64 / 10_000.0, 4)), (i128::from(units), 4));
        }

        #[test]
        fn two_digits_behind_the_point_are_exact(cents in -9_999_999_999_i64..=9_999_999_999) {
            prop_assert_eq!(decode(&encode(cents as f64 / 100.0, 2)), (i128::from(cents) * 100, 2));
        }

        #[test]
        fn any_finite_number_is_encoded_without_panic(value in proptest::num::f64::ANY, scale in 0_u16..=4) {
            prop_assert!(encode(value, scale).len() <= NUMERIC_BYTES_MAX);
        }
    }
}
