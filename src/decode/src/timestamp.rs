//! Source times go in as numbers or text; microseconds since 1970 UTC come out.
//!
//! Text is a number in quotes, or a date and a time with `Z` or an offset: RFC 3339, and what devices write of ISO 8601 in
//! its place (`+0100`, `+01`, a comma before the fraction, a blank for the `T`, no seconds, ` UTC`); also as HTTP and mail
//! write it (`Tue, 14 Nov 2023 22:13:20 GMT`), and .NET (`/Date(1700000000000)/`), JavaScript, Java and Go
//! (`Tue Nov 14 2023 23:13:20 GMT+0100 (CET)`, `Tue Nov 14 22:13:20 UTC 2023`, `2023-11-14 22:13:20.1 +0000 UTC m=+0.5`). The
//! date may be that of a week or of a year's day (`2023-W46-2`, `2023-318`). A time without an offset is refused: nobody can
//! tell which clock it is, and what a zone's letters mean is another thing in each country.
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

use super::fault::{Fault, NO_OFFSET, NOT_ONCE};
use super::number::Decimal;
use chrono::{DateTime, NaiveDate, TimeZone};
use chrono_tz::Tz;
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
    if decimal.exponent == 0 { from_whole(decimal.mantissa, unit) } else { from_scaled(decimal, unit) }
}

/// A whole number, as nearly all are: the factor is then a constant, by which a machine divides far faster.
#[inline]
pub(crate) fn from_whole(count: u64, unit: Unit) -> Result<i64, Fault> {
    let timestamp_us = match unit {
        Unit::Seconds => count.checked_mul(1_000_000),
        Unit::Milliseconds => count.checked_mul(1_000),
        Unit::Microseconds => Some(count),
        Unit::Nanoseconds => Some(count / 1_000),
    };
    timestamp_us.and_then(|us| i64::try_from(us).ok()).ok_or(NONSENSE).and_then(checked)
}

/// A number with a fraction or an exponent, which is not negative.
fn from_scaled(decimal: Decimal, unit: Unit) -> Result<i64, Fault> {
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

/// `unit`: what a number in quotes counts; `None` lets the magnitude tell.
pub(crate) fn from_text(text: &str, unit: Option<Unit>) -> Result<i64, Fault> {
    let text = text.trim_ascii();
    if text.len() > TEXT_BYTES_MAX {
        return Err(NOT_RFC_3339);
    }
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => checked(time.timestamp_micros()),
        Err(_) => from_other_text(text, unit),
    }
}

/// The time that a clock in `zone` shows. `None`: the text has an offset or is none, or the clock shows that time twice or never.
#[cold]
pub(crate) fn of_clock(text: &str, zone: Tz) -> Option<i64> {
    if from_text(text, None) != Err(NO_OFFSET) {
        return None;
    }
    let shown = from_text(&format!("{}Z", text.trim_ascii()), None).ok()?;
    let shown = DateTime::from_timestamp_micros(shown)?.naive_utc();
    zone.from_local_datetime(&shown).single().map(|time| time.timestamp_micros())
}

#[cold]
fn from_other_text(text: &str, unit: Option<Unit>) -> Result<i64, Fault> {
    if let Some(decimal) = Decimal::printed(text.as_bytes()) {
        return from_decimal(decimal, unit);
    }
    if let Some(date) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        // Milliseconds; an offset behind them says where they were shown.
        let digits = date.split(['+', '-']).next().unwrap_or_default();
        let ms: i64 = digits.parse().map_err(|_| NOT_RFC_3339)?;
        return ms.checked_mul(1_000).ok_or(NONSENSE).and_then(checked);
    }
    if let Ok(time) = DateTime::parse_from_rfc2822(text) {
        return checked(time.timestamp_micros());
    }
    if let Some(time) = of_named_zone(text) {
        return time;
    }
    let rfc_3339 = as_rfc_3339(text)?;
    DateTime::parse_from_rfc3339(&rfc_3339).map_err(|_| NOT_RFC_3339).and_then(|time| checked(time.timestamp_micros()))
}

/// A time whose clock is told by the name of its zone: `2023-11-14 23:13:20 Europe/Berlin`.
fn of_named_zone(text: &str) -> Option<Result<i64, Fault>> {
    let in_brackets = text.strip_suffix(']').and_then(|text| text.rsplit_once('['));
    let (clock, zone) = in_brackets.or_else(|| text.rsplit_once(' ')).filter(|(_, zone)| zone.contains('/'))?;
    let zone = zone.parse().ok()?;
    (from_text(clock, None) == Err(NO_OFFSET)).then(|| of_clock(clock, zone).ok_or(NOT_ONCE))
}

/// The same time, written as RFC 3339 wants it. What is no time at all may come out as nonsense.
fn as_rfc_3339(text: &str) -> Result<String, Fault> {
    let ordered = in_order(text);
    let text = ordered.as_deref().unwrap_or(text);
    let (date, rest) = match text.split_once(['T', 't', ' ']) {
        Some(parts) => parts,
        None if text.get(..14).is_some_and(|digits| digits.bytes().all(|at| at.is_ascii_digit())) => text.split_at(8),
        None => return Err(NOT_RFC_3339),
    };
    let clock_end = rest.find(|at: char| !matches!(at, '0'..='9' | ':' | '.' | ',')).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(clock_end);
    let date = match date.len() {
        _ if let Some(date) = of_week_or_year(date) => date.to_string(),
        8 if date.is_ascii() => format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]),
        _ => date.replace(['/', '.'], "-"),
    };
    let clock = clock.replace(',', ".");
    let clock = match clock.len() {
        5 => format!("{clock}:00"),
        6.. if !clock.contains(':') => format!("{}:{}:{}", &clock[..2], &clock[2..4], &clock[4..]),
        _ => clock,
    };
    let is_time = |clock: &str| DateTime::parse_from_rfc3339(&format!("{date}T{clock}Z")).is_ok();
    match offset(zone) {
        // What is no time of any clock is not one that misses its offset.
        Err(fault) if fault == NO_OFFSET && !is_time(&clock) => Err(NOT_RFC_3339),
        zone => Ok(format!("{date}T{clock}{}", zone?)),
    }
}

/// What begins with a weekday and a month, as JavaScript and Java print it, with the year in front. `None`: it does not.
fn in_order(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (year, clock, zone) = match words[..] {
        [_, _, _, year, clock, zone, ..] if clock.contains(':') => (year, clock, zone),
        [_, _, _, clock, zone, year] if clock.contains(':') => (year, clock, zone),
        _ => return None,
    };
    let date = NaiveDate::parse_from_str(&format!("{} {} {year}", words[1], words[2]), "%b %d %Y").ok()?;
    Some(format!("{date} {clock} {zone}"))
}

/// The day of `2023-W46-2`, `2023W462` or `2023-318`.
fn of_week_or_year(date: &str) -> Option<NaiveDate> {
    let parsed = |format| NaiveDate::parse_from_str(date, format).ok();
    match date.len() {
        10 => parsed("%G-W%V-%u"),
        8 => parsed("%GW%V%u").or_else(|| parsed("%Y-%j")),
        _ => None,
    }
}

fn offset(zone: &str) -> Result<String, Fault> {
    // Java names the zone behind the offset: `+01:00[Europe/Berlin]`, Go its letters.
    let zone = zone.trim_ascii().split(['[', ' ']).next().unwrap_or_default();
    if ["Z", "UTC", "GMT", "+00:00Z"].iter().any(|name| zone.eq_ignore_ascii_case(name)) {
        return Ok("Z".to_owned());
    }
    let behind = ["UTC", "GMT"].iter().find_map(|name| zone.strip_prefix(name));
    let zone = behind.unwrap_or(zone);
    let sign = zone.chars().next().filter(|sign| matches!(sign, '+' | '-'));
    let digits: String = zone.chars().skip(1).filter(|at| *at != ':').collect();
    match (sign, digits.len()) {
        _ if zone.is_empty() => Err(NO_OFFSET),
        (Some(sign), 1) if behind.is_some() => Ok(format!("{sign}0{digits}:00")),
        (Some(sign), 2) if digits.is_ascii() => Ok(format!("{sign}{digits}:00")),
        (Some(sign), 4) if digits.is_ascii() => Ok(format!("{sign}{}:{}", &digits[..2], &digits[2..])),
        _ => Err(NOT_RFC_3339),
    }
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
    fn times_are_read_as_devices_write_them() {
        for text in [
            "2023-11-14T22:13:20.123456Z",
            "2023-11-14T23:13:20.123456+01:00",
            "2023-11-14T22:13:20.123456789Z",
            "2023-11-14T23:13:20.123456+0100",
            "2023-11-14T23:13:20.123456+01",
            "2023-11-14T17:13:20.123456-0500",
            "2023-11-14T22:13:20,123456Z",
            "2023-11-14t22:13:20.123456z",
            "2023-11-14 22:13:20.123456Z",
            "2023-11-14 22:13:20.123456 UTC",
            "2023-11-14 23:13:20,123456 +0100",
            "2023-11-14T23:13:20.123456+01:00[Europe/Berlin]",
            "2023/11/14 22:13:20.123456 GMT",
            "20231114T221320.123456Z",
            " 2023-11-14T22:13:20.123456Z ",
            "1700000000.123456",
            "1700000000123.456",
            "1700000000123456",
            "1700000000123456789",
            "+1700000000123456",
            "1.700000000123456E+009",
        ] {
            assert_eq!(from_text(text, None), Ok(US), "{text}");
        }
        assert_eq!(from_text("2023-11-14T22:13Z", None), Ok(1_699_999_980_000_000));
        assert_eq!(from_text("5", Some(Unit::Milliseconds)), Ok(5_000));
    }

    #[test]
    fn times_of_http_and_net_are_read() {
        let seconds = 1_700_000_000_000_000;
        assert_eq!(from_text("Tue, 14 Nov 2023 22:13:20 GMT", None), Ok(seconds));
        assert_eq!(from_text("Tue, 14 Nov 2023 23:13:20 +0100", None), Ok(seconds));
        for text in ["/Date(1700000000123)/", "/Date(1700000000123+0100)/"] {
            assert_eq!(from_text(text, None), Ok(seconds + 123_000), "{text}");
        }
        for text in ["/Date()/", "/Date(x)/", "/Date(-5)/", "/Date(9223372036854775807)/", "Tue, 14 Nov 2023 22:13:20"]
        {
            assert!(from_text(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn times_of_languages_and_calendars_are_read() {
        let seconds = Ok(1_700_000_000_000_000);
        for text in [
            "Tue Nov 14 2023 23:13:20 GMT+0100 (Central European Standard Time)",
            "Tue Nov 14 22:13:20 UTC 2023",
            "2023-11-14 23:13:20 +0100 CET",
            "2023-11-14 22:13:20 +0000 UTC m=+0.012",
            "2023-11-14T23:13:20 UTC+01:00",
            "2023-11-14 23:13:20 GMT+1",
            "2023-11-14T22:13:20+00:00Z",
            "2023-W46-2T22:13:20Z",
            "2023W462T221320Z",
            "2023-318T22:13:20Z",
            "20231114221320Z",
            "20231114231320+0100",
            "2023.11.14 22:13:20 UTC",
        ] {
            assert_eq!(from_text(text, None), seconds, "{text}");
        }
        for text in [
            "Tue Nov 14 22:13:20 2023",
            "Tue Nov 14 22:13:20 CST 2023",
            "Tue Nov 31 2023 23:13:20 GMT+0100",
            "2023-W54-2T22:13:20Z",
            "2023-366T22:13:20Z",
            "20231114221320",
            "20231114221320 CET",
            "2023-11-14T22:13:20+01:00Z",
            "a b c d:e f g",
        ] {
            let read = from_text(text, None);
            assert_ne!(read, seconds, "{text}");
            assert_eq!(read.is_ok(), text.ends_with("221320"), "{text}: {read:?}");
        }
    }

    #[test]
    fn a_zone_may_be_named() {
        for text in ["2023-11-14 23:13:20 Europe/Berlin", "2023-11-14T23:13:20[Europe/Berlin]"] {
            assert_eq!(from_text(text, None), Ok(1_700_000_000_000_000), "{text}");
        }
        for text in ["2023-10-29 02:30:00 Europe/Berlin", "2023-03-26T02:30:00[Europe/Berlin]"] {
            assert_eq!(from_text(text, None), Err(NOT_ONCE), "{text}");
        }
        for text in ["2023-11-14 23:13:20 Europe/Nowhere", "noon Europe/Berlin", "14.11.2023 23:13:20", "T", " "] {
            assert_eq!(from_text(text, None), Err(NOT_RFC_3339), "{text}");
        }
    }

    #[test]
    fn text_that_is_no_time_is_refused() {
        for bad in [
            "",
            "2023-11-14",
            "yesterday",
            "T",
            " ",
            "1969-12-31T23:59:59Z",
            "2023-13-14T22:13:20Z",
            "14.11.2023 22:13:20 UTC",
            "11/14/2023 22:13:20Z",
            "2023-11-14T22:13:20 CET",
            "2023-11-14T22:13:20+1",
            "2023-11-14T22:13:20+01000",
            "2023-11-14Tüü:üü:üüZ",
            "äääää T1",
            "22:13:20Z",
            "1,700,000,000",
            "-5",
        ] {
            assert_eq!(from_text(bad, None).map_err(|fault| fault.reason), Err(Reason::BadTimestamp), "{bad}");
        }
        for local in ["2023-11-14T22:13:20", "2023-11-14 22:13:20.5"] {
            assert_eq!(from_text(local, None), Err(NO_OFFSET), "{local}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,30}", like in "[0-9TtZz:., +\\-/ü\\[]{0,30}") {
            let _ = (from_text(&text, None), from_text(&like, None));
        }

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
