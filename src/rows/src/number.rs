//! Numbers, digit by digit: none is read as a float that has fewer of them.

use crate::payload::{fields, shown, text};
use crate::schema::Dialect;
use serde::de::IgnoredAny;

pub(crate) fn is_number(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// `{"$numberLong": "5"}`: what a dead letter of MongoDB's rows holds.
pub(crate) fn long_of(raw: &str) -> Option<i64> {
    let fields = fields(raw).ok()?;
    match fields.as_slice() {
        [(name, value)] if name == "$numberLong" => text(value)?.parse().ok(),
        _ => None,
    }
}

pub(crate) fn integer(raw: &str, low: i64, high: u64, dialect: Dialect) -> Result<Option<String>, String> {
    let long = if dialect == Dialect::Mongo && raw.starts_with('{') { long_of(raw) } else { None };
    // `3.0` is how some languages write the whole number 3.
    let digits = raw.strip_suffix(".0").unwrap_or(raw);
    let Some(number) = long.map(i128::from).or_else(|| digits.parse::<i128>().ok()) else { return Ok(None) };
    if number < i128::from(low) || number > i128::from(high) {
        return Err(format!("{} is not within {low} and {high}", shown(raw)));
    }
    // A validator that asks for a long takes no int.
    let is_long = i32::try_from(low).is_err() || i32::try_from(high).is_err();
    Ok(Some(match dialect {
        Dialect::Mongo if is_long => format!("{{\"$numberLong\":\"{number}\"}}"),
        _ => number.to_string(),
    }))
}

/// Also as text, for those who cannot write more than 17 digits.
pub(crate) fn decimal(raw: &str, size: Option<(u32, i32)>) -> Result<Option<String>, String> {
    let number = if is_number(raw) { raw.to_owned() } else { text(raw).unwrap_or_default() };
    // What is a number of JSON is one of the databases.
    if !is_number(&number)
        || number.ends_with(char::is_whitespace)
        || serde_json::from_str::<IgnoredAny>(&number).is_err()
    {
        return Ok(None);
    }
    if let Some((precision, scale)) = size {
        let whole = i64::from(precision) - i64::from(scale);
        if digits_before_point(&number) > whole {
            return Err(format!("{} has more than {whole} digits before the point", shown(raw)));
        }
    }
    Ok(Some(number))
}

/// Of a number of JSON, zeros in front aside; less than none where it is zeros behind the point, too.
fn digits_before_point(number: &str) -> i64 {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) =
        mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa.trim_start_matches('-'), ""));
    let Some(zeros) = whole.bytes().chain(fraction.bytes()).position(|digit| digit != b'0') else { return i64::MIN };
    // One of more than 18 digits is out of all bounds, to its side.
    let exponent: i64 = exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
    exponent.saturating_add(whole.len() as i64 - zeros as i64)
}

/// `always`: of a column that has no whole numbers of another type beside.
pub(crate) fn float(raw: &str, always: bool, dialect: Dialect) -> Option<String> {
    let long = if dialect == Dialect::Mongo && !always { long_of(raw) } else { None };
    if long.is_some() {
        return Some(raw.to_owned());
    }
    let finite = is_number(raw) && raw.parse::<f64>().is_ok_and(f64::is_finite);
    let is_whole = !raw.contains(['.', 'e', 'E']);
    finite.then(|| match dialect {
        // A whole number too long for 64 bits is a double as well.
        Dialect::Mongo if is_whole && (always || raw.parse::<i64>().is_err()) => format!("{raw}.0"),
        _ => raw.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_before_the_point_are_counted_in_every_form_of_a_number() {
        for (number, expected) in [
            ("9999999999999999.99", 16),
            ("-12", 2),
            ("0.5", 0),
            ("0.005", -2),
            ("1e3", 4),
            ("1.5E+2", 3),
            ("120e-2", 1),
            ("0.00", i64::MIN),
            ("0e9", i64::MIN),
            ("1e99999999999999999999", i64::MAX),
        ] {
            assert_eq!(digits_before_point(number), expected, "{number}");
        }
        assert!(digits_before_point("1e-99999999999999999999") < -99);
    }
}
