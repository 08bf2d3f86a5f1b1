//! Source times go in as numbers or RFC 3339 text; microseconds since 1970 UTC come out.
//!
//! Without a unit, the digits before the point tell it:
//!
//! | digits | unit | covers |
//! |---|---|---|
//! | up to 11 | s | 1970-01-01 to the year 5138 |
//! | 12 to 14 | ms | 1973-03-03 to 5138 |
//! | 15 to 17 | us | 1973-03-03 to 5138 |
//! | 18 or 19 | ns | 1973-03-03 to 2286 |
//!
//! A fraction is exact to the microsecond and rounded there, since it often is the print of a binary double; whole
//! nanoseconds are cut. Times before 1970 or after 9999 are refused.

use super::fault::Fault;
use super::number::Decimal;
use chrono::DateTime;
use genims_model::Reason;
use serde::{Deserialize, Serialize};

/// 9999-12-31T23:59:59.999999Z, the last moment that RFC 3339 can write.
pub(crate) const TIMESTAMP_US_MAX: i64 = 253_402_300_799_999_999;

/// Longer text is no RFC 3339 time; the fraction has room for 40 digits.
const TEXT_BYTES_MAX: usize = 66;

/// What a numeric timestamp counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "us")]
    Microseconds,
    #[default]
    #[serde(rename = "ns")]
    Nanoseconds,
}

impl Unit {
    /// See the module's table. `None`: too many digits for any unit.
    pub(crate) fn of_digits(whole_digits: i32) -> Option<Self> {
        match whole_digits {
            ..=11 => Some(Self::Seconds),
            12..=14 => Some(Self::Milliseconds),
            15..=17 => Some(Self::Microseconds),
            18..=19 => Some(Self::Nanoseconds),
            _ => None,
        }
    }

    /// The power of ten that makes microseconds of it.
    fn power(self) -> i32 {
        match self {
            Self::Seconds => 6,
            Self::Milliseconds => 3,
            Self::Microseconds => 0,
            Self::Nanoseconds => -3,
        }
    }
}

const NONSENSE: Fault = Fault::new(Reason::BadTimestamp, "the timestamp is not between 1970 and 9999");
const NOT_RFC_3339: Fault =
    Fault::new(Reason::BadTimestamp, "the timestamp is neither a number nor RFC 3339 with an offset");

/// What a timestamp key holds when it holds neither a number nor text.
pub(crate) const NO_TIMESTAMP: Fault = NOT_RFC_3339;

/// `unit`: `None` lets the magnitude tell.
#[inline]
pub(crate) fn from_decimal(decimal: Decimal, unit: Option<Unit>) -> Result<i64, Fault> {
    let unit = match unit {
        Some(unit) => unit,
        None => Unit::of_digits(decimal.whole_digits()).ok_or(NONSENSE)?,
    };
    if decimal.negative && decimal.mantissa != 0 {
        return Err(NONSENSE);
    }
    let power = decimal.exponent.saturating_add(unit.power());
    let scale = 10_u64.checked_pow(power.unsigned_abs());
    let timestamp_us = if power >= 0 {
        match scale.and_then(|scale| decimal.mantissa.checked_mul(scale)) {
            None if decimal.mantissa == 0 => Some(0),
            product => product,
        }
    } else {
        // A divisor beyond u64 leaves nothing.
        let scale = scale.unwrap_or(u64::MAX);
        let rest = decimal.mantissa % scale;
        let up = decimal.exponent < 0 && rest >= scale.div_ceil(2);
        Some(decimal.mantissa / scale + u64::from(up))
    };
    timestamp_us.and_then(|us| i64::try_from(us).ok()).ok_or(NONSENSE).and_then(checked)
}

/// RFC 3339, with an offset.
pub(crate) fn from_text(text: &str) -> Result<i64, Fault> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(NOT_RFC_3339);
    }
    DateTime::parse_from_rfc3339(text).map_err(|_| NOT_RFC_3339).and_then(|time| checked(time.timestamp_micros()))
}

#[inline]
pub(crate) fn checked(timestamp_us: i64) -> Result<i64, Fault> {
    if (0..=TIMESTAMP_US_MAX).contains(&timestamp_us) { Ok(timestamp_us) } else { Err(NONSENSE) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str, unit: Option<Unit>) -> Result<i64, Fault> {
        let (decimal, length) = Decimal::scan(text.as_bytes()).unwrap();
        assert_eq!(length, text.len());
        from_decimal(decimal, unit)
    }

    const US: i64 = 1_700_000_000_123_456;

    #[test]
    fn the_magnitude_tells_the_unit() {
        assert_eq!(of("1700000000", None), Ok(1_700_000_000_000_000));
        assert_eq!(of("1700000000123", None), Ok(1_700_000_000_123_000));
        assert_eq!(of("1700000000123456", None), Ok(US));
        assert_eq!(of("1700000000123456789", None), Ok(US));
    }

    #[test]
    fn the_boundaries_are_those_of_the_table() {
        assert_eq!(of("99999999999", None), Ok(99_999_999_999_000_000));
        assert_eq!(of("100000000000", None), Ok(100_000_000_000_000));
        assert_eq!(of("99999999999999", None), Ok(99_999_999_999_999_000));
        assert_eq!(of("100000000000000", None), Ok(100_000_000_000_000));
        assert_eq!(of("99999999999999999", None), Ok(99_999_999_999_999_999));
        assert_eq!(of("100000000000000000", None), Ok(100_000_000_000_000));
    }

    #[test]
    fn a_given_unit_is_not_guessed() {
        assert_eq!(of("5", Some(Unit::Milliseconds)), Ok(5_000));
        assert_eq!(of("5", Some(Unit::Microseconds)), Ok(5));
        assert_eq!(of("5999", Some(Unit::Nanoseconds)), Ok(5));
        assert_eq!(of("1700000000123", Some(Unit::Microseconds)), Ok(1_700_000_000_123));
    }

    #[test]
    fn fractions_are_exact_to_the_microsecond() {
        assert_eq!(of("1700000000.123456", None), Ok(US));
        assert_eq!(of("1700000000123.456", None), Ok(US));
        assert_eq!(of("1700000000.12345599", None), Ok(US));
        assert_eq!(of("1.700000000123456e9", None), Ok(US));
        assert_eq!(of("1700000000.1234560000000000000001", None), Ok(US));
        assert_eq!(of("0.0000000000000000000000000001", None), Ok(0));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["-1", "1e30", "99999999999999999999", "-1700000000.5", "1e19"] {
            assert_eq!(of(text, None), Err(NONSENSE), "{text}");
        }
        assert_eq!(of("99999999999999999", Some(Unit::Seconds)), Err(NONSENSE));
        assert_eq!(of("0e40", Some(Unit::Seconds)), Ok(0));
    }

    #[test]
    fn rfc_3339_text_is_read_with_its_offset() {
        assert_eq!(from_text("2023-11-14T22:13:20.123456Z"), Ok(US));
        assert_eq!(from_text("2023-11-14T23:13:20.123456+01:00"), Ok(US));
        assert_eq!(from_text("2023-11-14T22:13:20.123456789Z"), Ok(US));
        for bad in ["", "2023-11-14", "2023-11-14T22:13:20", "yesterday", "1700000000", "1969-12-31T23:59:59Z"] {
            assert_eq!(from_text(bad).map_err(|fault| fault.reason), Err(Reason::BadTimestamp), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_same_moment_in_every_unit_is_the_same(us in 100_000_000_000_000_i64..9_999_999_999_999_999) {
            let seconds = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
            let milliseconds = format!("{}.{:03}", us / 1_000, us % 1_000);
            let nanoseconds = format!("{us}999");
            for text in [seconds, milliseconds, us.to_string(), nanoseconds] {
                prop_assert_eq!(of(&text, None), Ok(us), "{}", text);
            }
        }
    }
}
