//! How the cells of a foreign file are read: numbers with the file's own marks, times in the file's own format and zone.
//!
//! What can be read in two ways is read in none: `1.234` is no number where the comma is the decimal mark and nothing says
//! that points part thousands.

use chrono::offset::LocalResult;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

/// What `DECIMAL(15,4)` cannot hold.
const NUMBER_MAX: f64 = 1e11;

/// The marks of a file's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    pub decimal: char,
    /// Between groups of three digits before the decimal mark.
    pub thousands: Option<char>,
}

impl Marks {
    /// The number in a cell; `None` for everything else, "inf" and what no column holds included.
    pub fn number(self, cell: &str) -> Option<f64> {
        let mut plain = String::with_capacity(cell.len());
        let (whole, rest) = match cell.find(self.decimal) {
            Some(at) => (&cell[..at], Some(&cell[at + self.decimal.len_utf8()..])),
            None => (cell, None),
        };
        self.push_whole(whole, &mut plain)?;
        if let Some(rest) = rest {
            plain.push('.');
            plain.push_str(rest);
        }
        let allowed = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
        if !plain.bytes().all(allowed) || !plain.bytes().any(|byte| byte.is_ascii_digit()) {
            return None;
        }
        plain.parse().ok().filter(|value: &f64| value.abs() < NUMBER_MAX)
    }

    /// Groups of three without their marks.
    fn push_whole(self, whole: &str, plain: &mut String) -> Option<()> {
        let is_mark = |c: char| self.thousands.is_some_and(|mark| mark == c || mark == ' ' && is_blank(c));
        let (sign, digits) = whole.split_at(usize::from(whole.starts_with(['+', '-'])));
        plain.push_str(sign);
        for (number, group) in digits.split(is_mark).enumerate() {
            let grouped = digits.contains(is_mark);
            let right = if number == 0 { (1..=3).contains(&group.len()) } else { group.len() == 3 };
            if grouped && !(right && group.bytes().all(|byte| byte.is_ascii_digit())) {
                return None;
            }
            plain.push_str(group);
        }
        // A point that is neither of the marks.
        (!plain.contains('.')).then_some(())
    }
}

/// The blanks that office programs put between groups of digits.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}')
}

/// A format of times: `rfc3339`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, or a pattern of chrono's strftime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFormat {
    pub name: String,
    /// Of times without an offset.
    pub zone: Tz,
}

/// What a cell says, in microseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    At(i64),
    /// A local time that the clock shows twice, when summer ends: the first and the second.
    Twice(i64, i64),
    /// A local time that the clock leaves out, when summer begins: where it jumps from and to.
    Never(NaiveDateTime, NaiveDateTime),
}

impl TimeFormat {
    /// Microseconds since 1970 UTC. A local time that a summer has twice is the first of both; one that it has not at all
    /// is none.
    pub fn parse(&self, cell: &str) -> Option<i64> {
        match self.moment(cell)? {
            Moment::At(at_us) | Moment::Twice(at_us, _) => Some(at_us),
            Moment::Never(..) => None,
        }
    }

    pub fn moment(&self, cell: &str) -> Option<Moment> {
        let micros = match self.name.as_str() {
            "rfc3339" => {
                return DateTime::parse_from_rfc3339(cell).ok().map(|at| Moment::At(at.timestamp_micros()));
            }
            "epoch_s" => 1_000_000_f64,
            "epoch_ms" => 1_000.0,
            "epoch_us" => 1.0,
            "epoch_ns" => 0.001,
            pattern => return self.parse_pattern(pattern, cell),
        };
        epoch_us(cell, micros).map(Moment::At)
    }

    fn parse_pattern(&self, pattern: &str, cell: &str) -> Option<Moment> {
        let cell = if pattern.contains("%.f") { with_point(cell) } else { cell.to_owned() };
        if pattern.contains('z') {
            return DateTime::parse_from_str(&cell, pattern).ok().map(|at| Moment::At(at.timestamp_micros()));
        }
        let local = NaiveDateTime::parse_from_str(&cell, pattern)
            .or_else(|_| NaiveDate::parse_from_str(&cell, pattern).map(|date| date.and_time(NaiveTime::MIN)))
            .ok()?;
        Some(match self.zone.from_local_datetime(&local) {
            LocalResult::Single(at) => Moment::At(at.timestamp_micros()),
            LocalResult::Ambiguous(first, second) => Moment::Twice(first.timestamp_micros(), second.timestamp_micros()),
            LocalResult::None => {
                let (from, to) = self.gap(local)?;
                Moment::Never(from, to)
            }
        })
    }

    /// Where the clock jumps from and to, around a local time that it leaves out.
    fn gap(&self, local: NaiveDateTime) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let offset = |utc: NaiveDateTime| self.zone.offset_from_utc_datetime(&utc).fix().local_minus_utc();
        // No zone is further from UTC than a day, nor changes twice within two.
        let (mut before, mut after) = (local - TimeDelta::days(1), local + TimeDelta::days(1));
        let (old, new) = (offset(before), offset(after));
        while after - before > TimeDelta::seconds(1) {
            let middle = before + (after - before) / 2;
            if offset(middle) == old { before = middle } else { after = middle }
        }
        let jump = after.and_utc().timestamp();
        let shown = |offset: i32| DateTime::from_timestamp(jump + i64::from(offset), 0).map(|at| at.naive_utc());
        Some((shown(old)?, shown(new)?))
    }
}

/// `micros`: how many microseconds the number counts in. Whole numbers stay exact.
fn epoch_us(cell: &str, micros: f64) -> Option<i64> {
    let (whole, fraction) = cell.split_once(['.', ',']).unwrap_or((cell, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) || fraction.len() > 9 {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let us = if micros < 1.0 { whole.div_euclid(1_000) } else { whole.checked_mul(micros as i64)? };
    let part: f64 = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse().ok()? };
    us.checked_add((part * micros).round() as i64)
}

/// A comma between digits is the decimal mark of the seconds, which chrono wants as a point.
fn with_point(cell: &str) -> String {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    match cell.rsplit_once(',') {
        Some((before, after)) if digit(before.chars().last()) && digit(after.chars().next()) => {
            format!("{before}.{after}")
        }
        _ => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_the_marks_of_the_file_and_no_others() {
        let marks = |decimal, thousands| Marks { decimal, thousands };
        for (cell, marks, value) in [
            ("1,5", marks(',', None), Some(1.5)),
            ("1.5", marks(',', None), None),
            ("1.234", marks(',', None), None),
            ("1.234", marks(',', Some('.')), Some(1234.0)),
            ("-1.234.567,25", marks(',', Some('.')), Some(-1_234_567.25)),
            ("1.23,4", marks(',', Some('.')), None),
            ("1\u{a0}234,5", marks(',', Some(' ')), Some(1234.5)),
            ("1,234.5", marks('.', Some(',')), Some(1234.5)),
            ("1,5", marks('.', None), None),
            ("+2.35E+001", marks('.', None), Some(23.5)),
            ("2,35e1", marks(',', None), Some(23.5)),
            (",5", marks(',', None), Some(0.5)),
            ("7", marks(',', Some('.')), Some(7.0)),
            ("1e11", marks('.', None), None),
            ("inf", marks('.', None), None),
            ("NaN", marks('.', None), None),
            ("12 %", marks('.', None), None),
            ("1..5", marks('.', None), None),
            ("-", marks('.', None), None),
            ("", marks('.', None), None),
        ] {
            assert_eq!(marks.number(cell), value, "{cell:?} with {marks:?}");
        }
    }

    fn parsed(name: &str, zone: Tz, cell: &str) -> Option<i64> {
        TimeFormat { name: name.to_owned(), zone }.parse(cell)
    }

    #[test]
    fn times_are_read_in_their_format_and_zone() {
        let expected = Some(1_700_000_000_500_000);
        for (name, cell) in [
            ("rfc3339", "2023-11-14T23:13:20.5+01:00"),
            ("epoch_s", "1700000000.5"),
            ("epoch_s", "1700000000,5"),
            ("epoch_ms", "1700000000500"),
            ("epoch_us", "1700000000500000"),
            ("epoch_ns", "1700000000500000000"),
            ("%d.%m.%Y %H:%M:%S%.f", "14.11.2023 22:13:20,5"),
            ("%Y-%m-%d %H:%M:%S%.f %z", "2023-11-14 23:13:20.5 +0100"),
            ("%m/%d/%Y, %I:%M:%S%.f %p", "11/14/2023, 10:13:20.5 PM"),
        ] {
            assert_eq!(parsed(name, Tz::UTC, cell), expected, "{name} {cell}");
        }
        assert_eq!(parsed("%d.%m.%Y", Tz::UTC, "14.11.2023"), Some(1_699_920_000_000_000));
        assert_eq!(parsed("%d.%m.%Y %H:%M", Tz::Europe__Berlin, "14.11.2023 01:00"), Some(1_699_920_000_000_000));
        for (name, cell) in [("rfc3339", "soon"), ("epoch_s", "1e9"), ("epoch_ms", "9223372036854775807"), ("%H", "x")]
        {
            assert_eq!(parsed(name, Tz::UTC, cell), None, "{name} {cell}");
        }
    }

    #[test]
    fn the_hour_that_a_summer_lacks_is_no_time_and_the_one_it_has_twice_is_the_first() {
        let berlin = |cell| parsed("%Y-%m-%d %H:%M", Tz::Europe__Berlin, cell);
        assert_eq!(berlin("2024-03-31 02:30"), None);
        assert_eq!(berlin("2024-10-27 02:30"), parsed("rfc3339", Tz::UTC, "2024-10-27T02:30:00+02:00"));
        let moment = |zone, cell| TimeFormat { name: "%Y-%m-%d %H:%M".to_owned(), zone }.moment(cell);
        let shown = |text| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a time");
        for (zone, cell, from, to) in [
            (Tz::Europe__Berlin, "2024-03-31 02:30", "2024-03-31 02:00", "2024-03-31 03:00"),
            (Tz::America__New_York, "2024-03-10 02:00", "2024-03-10 02:00", "2024-03-10 03:00"),
            (Tz::Australia__Lord_Howe, "2024-10-06 02:15", "2024-10-06 02:00", "2024-10-06 02:30"),
        ] {
            assert_eq!(moment(zone, cell), Some(Moment::Never(shown(from), shown(to))), "{zone} {cell}");
        }
        let second = parsed("rfc3339", Tz::UTC, "2024-10-27T02:30:00+01:00").expect("a time");
        let first = second - 3_600_000_000;
        assert_eq!(moment(Tz::Europe__Berlin, "2024-10-27 02:30"), Some(Moment::Twice(first, second)));
    }
}
