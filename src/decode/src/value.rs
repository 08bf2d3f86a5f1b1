//! What a sender wrote for a value goes in; the value as the column holds it comes out.
//!
//! | written | value |
//! |---|---|
//! | `1.5`, `+23.5`, `- 5`, `00123`, `.14`, `1.`, `+2.35E+001`, `1.5D+02`, each also in quotes | the number |
//! | `true`, `on`, `open`, `yes`, in any case, also in quotes | 1 |
//! | `false`, `off`, `closed`, `no` | 0 |
//!
//! The column is `DECIMAL(15,4)`. Further digits behind the point are rounded here, half away from zero, so that both
//! databases hold the same; more than eleven digits before the point are refused. What can be read in two ways (`1,5`)
//! and what carries more than the number (`12 kWh`) is refused; so is text of an even length or with a zero before that may be a
//! word in hex (`00E1`, `1E05`).

use super::fault::{Fault, NOT_A_NUMBER, NOT_FINITE, OUT_OF_RANGE};
use super::number::Decimal;
use genims_model::reading::VALUE_MAX;

/// Up to here a value times [`UNITS`] is far from the largest integer that is exact as `f64`.
const UNITS: f64 = 1e4;

/// Adding and subtracting it leaves the nearest integer of magnitudes below 2^51.
const TO_INTEGER: f64 = 6_755_399_441_055_744.0;

const SWITCH_WORDS: [(&str, f64); 8] = [
    ("true", 1.0),
    ("false", 0.0),
    ("on", 1.0),
    ("off", 0.0),
    ("open", 1.0),
    ("closed", 0.0),
    ("yes", 1.0),
    ("no", 0.0),
];

/// Without what stands behind a value and is not meant: blanks, control characters (the zero byte of a string in C, the end
/// of a text of a scale or a scanner), separators.
#[inline]
pub(crate) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., 0..=b' ' | b';' | b','] = bytes {
        bytes = rest;
    }
    bytes
}

/// `text`: what the number was scanned from. A number too large even for `f64` is out of range, not infinite.
#[inline]
pub(crate) fn of_decimal(decimal: Decimal, text: &[u8]) -> Result<f64, Fault> {
    let value = decimal.to_column(text);
    // Negative zero becomes zero, as in the database, so that equal values have equal bits.
    if value.abs() <= VALUE_MAX { Ok(value + 0.0) } else { Err(OUT_OF_RANGE) }
}

/// A value that stands there as text.
#[cold]
pub(crate) fn of_text(text: &[u8]) -> Result<f64, Fault> {
    let text = trim_end(text).trim_ascii_start();
    if may_be_hex(text) {
        return Err(NOT_A_NUMBER);
    }
    if let Some(decimal) = Decimal::printed(text) {
        return of_decimal(decimal, text);
    }
    if let Some(plain) = as_others_print(text)
        && let Some(decimal) = Decimal::printed(plain.as_bytes())
    {
        return of_decimal(decimal, plain.as_bytes());
    }
    if is_not_finite(text) {
        return Err(NOT_FINITE);
    }
    switch_state(text).ok_or(NOT_A_NUMBER)
}

/// Whether text is as well a word of a register in hex: `00E1` is 225 as much as 0.
fn may_be_hex(text: &[u8]) -> bool {
    let Some(at) = text.iter().position(|byte| matches!(byte, b'e' | b'E')) else { return false };
    let (before, behind) = (&text[..at], &text[at + 1..]);
    let are_digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let is_word = text.len().is_multiple_of(2) || before.first() == Some(&b'0');
    is_word && are_digits(before) && are_digits(behind)
}

/// A number as typographers, scales and Fortran print it (with the minus sign, blanks that do not break, blanks behind the
/// sign, `1.5D+02`), as others do. `None`: nothing of that is there.
fn as_others_print(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let minus = text.replace('\u{2212}', "-");
    let number = minus.trim_matches(['\u{a0}', '\u{202f}']);
    let sign = number.chars().next().filter(|sign| matches!(sign, '+' | '-'));
    let magnitude = number.strip_prefix(['+', '-']).unwrap_or(number).trim_start();
    if !magnitude.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let plain: String = sign.into_iter().chain(magnitude.chars()).collect();
    // With neither a point before nor a sign behind it, `1D5` is a number in hex.
    let is_exponent = |(before, behind): (&str, &str)| before.contains('.') || behind.starts_with(['+', '-']);
    let plain = match plain.split_once(['d', 'D']) {
        Some(parts) if is_exponent(parts) => format!("{}e{}", parts.0, parts.1),
        Some(_) => return None,
        None => plain,
    };
    Some(plain).filter(|plain| plain != text)
}

/// The value of a word that stands for one.
pub(crate) fn switch_state(text: &[u8]) -> Option<f64> {
    let word = SWITCH_WORDS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word.as_bytes()));
    word.map(|(_, value)| *value)
}

/// A value that came as binary floating point.
#[inline]
pub(crate) fn of_float(value: f64) -> Result<f64, Fault> {
    let units = (value * UNITS + TO_INTEGER) - TO_INTEGER;
    let value = if units / UNITS == value { value } else { rounded(value) };
    if value.abs() <= VALUE_MAX {
        Ok(value + 0.0)
    } else if value.is_finite() {
        Err(OUT_OF_RANGE)
    } else {
        Err(NOT_FINITE)
    }
}

#[cold]
#[inline(never)]
fn rounded(value: f64) -> f64 {
    let units = value * UNITS;
    // So close to a tie, only the decimal text tells which side it is on: as it does for the same value in JSON.
    let is_tie = (units.fract().abs() - 0.5).abs() <= units.abs() * 2.0 * f64::EPSILON;
    if is_tie && value.abs() <= VALUE_MAX { decimal(value) } else { units.round() / UNITS }
}

#[cold]
fn decimal(value: f64) -> f64 {
    let text = value.to_string();
    Decimal::scan(text.as_bytes()).map_or(f64::NAN, |(decimal, _)| decimal.to_column(text.as_bytes()))
}

/// Whether the text means NaN or an infinity, in the words of any C or Java library.
pub(crate) fn is_not_finite(text: &[u8]) -> bool {
    let word = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let words = ["nan", "inf", "infinity", "nan(ind)", "1.#inf", "1.#qnan", "1.#snan", "1.#ind"];
    words.iter().any(|literal| word.eq_ignore_ascii_case(literal.as_bytes()))
        || word.strip_prefix(b"1.#").is_some_and(|rest| rest.starts_with(b"INF") || rest.starts_with(b"IND"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_switch_states_are_read_from_text() {
        for (text, expected) in [
            ("23.5", 23.5),
            (" 23.5 ", 23.5),
            ("+23.5", 23.5),
            ("00123", 123.0),
            ("-0", 0.0),
            ("23.5\0\0", 23.5),
            ("23.5;", 23.5),
            ("+  23.5", 23.5),
            ("- 23.5", -23.5),
            ("\u{2212}23.5", -23.5),
            ("\u{a0}23.5\u{a0}", 23.5),
            ("2.35D+01", 23.5),
            ("2.35d1", 23.5),
            ("2D+01", 20.0),
            ("ON", 1.0),
            ("off", 0.0),
            ("True", 1.0),
            ("FALSE", 0.0),
            ("open", 1.0),
            ("Closed", 0.0),
            ("yes", 1.0),
            ("NO", 0.0),
        ] {
            assert_eq!(of_text(text.as_bytes()).map(f64::to_bits), Ok(f64::to_bits(expected)), "{text}");
        }
        for (text, fault) in [
            ("", NOT_A_NUMBER),
            ("1,5", NOT_A_NUMBER),
            ("12abc", NOT_A_NUMBER),
            ("1D5", NOT_A_NUMBER),
            ("12d3", NOT_A_NUMBER),
            ("0x1F", NOT_A_NUMBER),
            ("12 kWh", NOT_A_NUMBER),
            ("onn", NOT_A_NUMBER),
            ("- on", NOT_A_NUMBER),
            ("-", NOT_A_NUMBER),
            ("- - 5", NOT_A_NUMBER),
            ("1\u{a0}000", NOT_A_NUMBER),
            ("5 - 3", NOT_A_NUMBER),
            ("NaN", NOT_FINITE),
            ("+inf", NOT_FINITE),
            ("-1.#IND00", NOT_FINITE),
            ("1.#QNAN", NOT_FINITE),
            ("123456789012", OUT_OF_RANGE),
            ("1e999", OUT_OF_RANGE),
        ] {
            assert_eq!(of_text(text.as_bytes()), Err(fault), "{text}");
        }
    }

    #[test]
    fn the_end_is_trimmed_of_what_is_not_meant() {
        for text in ["1.5", "1.5\0", "1.5 ;\r\n\0\0", "1.5,", "1.5\x03", "1.5\r\x1a"] {
            assert_eq!(trim_end(text.as_bytes()), b"1.5", "{text:?}");
        }
        assert_eq!(trim_end(b" ;,\0"), b"");
    }

    #[test]
    fn floats_are_rounded_to_the_column_as_text_is() {
        for (value, expected) in [
            (18.543_223_56, 18.5432),
            (f64::from(23.1_f32), 23.1),
            (0.000_05, 0.0001),
            (-0.000_05, -0.0001),
            (0.000_049, 0.0),
            (99_999_999_999.999_9, 99_999_999_999.999_9),
            (12.345, 12.345),
        ] {
            assert_eq!(of_float(value), Ok(expected), "{value}");
        }
        assert_eq!(of_float(-0.000_01).map(f64::to_bits), Ok(0));
        assert_eq!(of_float(99_999_999_999.999_96), Err(OUT_OF_RANGE));
        assert_eq!(of_float(1e300), Err(OUT_OF_RANGE));
        assert_eq!(of_float(f64::NAN), Err(NOT_FINITE));
        assert_eq!(of_float(f64::NEG_INFINITY), Err(NOT_FINITE));
    }

    proptest! {
        #[test]
        fn a_float_and_its_text_are_the_same_value(units in -999_999_999_999_999_i64..=999_999_999_999_999) {
            let value = units as f64 / UNITS;
            prop_assert_eq!(of_float(value), Ok(value + 0.0));
            prop_assert_eq!(of_text(value.to_string().as_bytes()), Ok(value + 0.0));
        }

        #[test]
        fn a_tie_is_decided_as_in_text(tenths in -999_999_999_999_999_i64..=999_999_999_999_999) {
            let text = format!("{}.{:04}5", tenths / 10_000, tenths.abs() % 10_000);
            let value: f64 = text.parse().unwrap();
            prop_assert_eq!(of_float(value), of_text(value.to_string().as_bytes()), "{}", text);
        }

        #[test]
        fn rounding_twice_changes_nothing(value in -99_999_999_999.0..99_999_999_999.0_f64) {
            let once = of_float(value).unwrap();
            prop_assert_eq!(of_float(once), Ok(once));
            prop_assert!((once - value).abs() <= 0.000_051 + value.abs() * f64::EPSILON);
        }
    }
}
