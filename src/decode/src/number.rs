//! Decimal text goes in, an exact [`Decimal`] comes out; from there to integers without a detour over `f64`, and to
//! `f64` correctly rounded.
//!
//! [`Decimal::scan`] reads JSON's grammar: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`. [`Decimal::printed`]
//! reads numbers as meters and controllers print them, too: `+23.5`, `00123`, `.14`, `1.`, `+2.35E+001`. What can be read
//! in two ways is read by neither: `1,5`, `1 000`, `0x1F`, `12 kWh`.

/// `negative`, then `mantissa * 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    pub negative: bool,
    /// The first 19 significant digits.
    pub mantissa: u64,
    pub exponent: i32,
    /// Further digits other than 0 follow: the true number is a little larger in magnitude.
    pub cut: bool,
}

/// Below this a mantissa can take one more digit.
const MANTISSA_ROOM: u64 = (u64::MAX - 9) / 10;

/// Beyond any `f64`; keeps the sum with the digit count far from overflow.
const EXPONENT_MAX: i32 = 1_000_000;

/// Up to 2^53 an integer is exact as `f64`.
const MANTISSA_EXACT_MAX: u64 = 1 << 53;

/// Digits behind the point that `DECIMAL(15,4)` keeps.
const SCALE: i32 = 4;

/// The powers of ten that are exact as `f64`.
const POWERS_EXACT: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

impl Decimal {
    /// Reads the number at the beginning of `bytes`; the answer's second part is its length. `None`: there is none.
    #[inline]
    pub fn scan(bytes: &[u8]) -> Option<(Self, usize)> {
        Self::scan_with::<false>(bytes)
    }

    /// Reads all of `bytes`, blanks around it aside, in the wider grammar.
    #[cold]
    pub(crate) fn printed(bytes: &[u8]) -> Option<Self> {
        let text = bytes.trim_ascii();
        Self::scan_with::<true>(text).and_then(|(decimal, length)| (length == text.len()).then_some(decimal))
    }

    /// `WIDE`: a plus, leading zeros and a point without digits on one side are taken.
    #[inline]
    fn scan_with<const WIDE: bool>(bytes: &[u8]) -> Option<(Self, usize)> {
        let negative = bytes.first() == Some(&b'-');
        let mut at = usize::from(negative || (WIDE && bytes.first() == Some(&b'+')));
        let whole = at;
        let mut mantissa = 0_u64;
        let mut exponent = 0_i32;
        let mut cut = false;
        while let Some(digit) = digit(bytes, at) {
            if mantissa < MANTISSA_ROOM {
                mantissa = mantissa * 10 + digit;
            } else {
                exponent = exponent.saturating_add(1);
                cut |= digit != 0;
            }
            at += 1;
        }
        let whole_digits = at - whole;
        if !WIDE && (whole_digits == 0 || (bytes[whole] == b'0' && whole_digits > 1)) {
            return None;
        }
        let mut fraction_digits = 0;
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            let fraction = at;
            while let Some(digit) = digit(bytes, at) {
                if mantissa < MANTISSA_ROOM {
                    mantissa = mantissa * 10 + digit;
                    exponent = exponent.saturating_sub(1);
                } else {
                    cut |= digit != 0;
                }
                at += 1;
            }
            fraction_digits = at - fraction;
            if !WIDE && fraction_digits == 0 {
                return None;
            }
        }
        if WIDE && whole_digits + fraction_digits == 0 {
            return None;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            let (power, length) = scan_exponent(&bytes[at + 1..])?;
            exponent = exponent.saturating_add(power);
            at += 1 + length;
        }
        Some((Self { negative, mantissa, exponent, cut }, at))
    }

    /// The nearest `f64` of the number rounded to what the column keeps, half away from zero; see [`super::fault`]. The
    /// rounding is decimal, so that `0.00005` is a tie although no `f64` is.
    #[inline]
    pub(crate) fn to_column(self, text: &[u8]) -> f64 {
        if self.exponent >= -SCALE { self.to_f64(text) } else { self.rounded(SCALE) }
    }

    /// As [`Decimal::to_column`], for a column of `scale` digits behind the point, at most 22.
    pub(crate) fn to_scale(self, text: &[u8], scale: i32) -> f64 {
        if self.exponent >= -scale { self.to_f64(text) } else { self.rounded(scale) }
    }

    #[cold]
    fn rounded(self, scale: i32) -> f64 {
        // A divisor beyond u64 leaves less than half a unit.
        let power = self.exponent.saturating_add(scale).unsigned_abs();
        let units = match 10_u64.checked_pow(power) {
            Some(unit) => self.mantissa / unit + u64::from(self.mantissa % unit >= unit.div_ceil(2)),
            None => 0,
        };
        let magnitude = units as f64 / POWERS_EXACT.get(scale.unsigned_abs() as usize).copied().unwrap_or(f64::NAN);
        if self.negative { -magnitude } else { magnitude }
    }

    /// The nearest `f64`; `text` is what the number was scanned from. Infinite when it is beyond every `f64`.
    #[inline]
    pub fn to_f64(self, text: &[u8]) -> f64 {
        // Clinger's fast path: both operands exact, one operation, one rounding.
        if self.mantissa <= MANTISSA_EXACT_MAX && !self.cut {
            let power = POWERS_EXACT.get(self.exponent.unsigned_abs() as usize);
            if let Some(power) = power {
                let mantissa = self.mantissa as f64;
                let magnitude = if self.exponent < 0 { mantissa / power } else { mantissa * power };
                return if self.negative { -magnitude } else { magnitude };
            }
        }
        self.to_f64_slow(text)
    }

    #[cold]
    fn to_f64_slow(self, text: &[u8]) -> f64 {
        std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
    }

    /// The number as an integer, if it is one (`3`, `3.0`, `3e2`) and fits.
    pub(crate) fn to_i64(self) -> Option<i64> {
        if self.cut {
            return None;
        }
        let magnitude = if self.mantissa == 0 {
            0
        } else {
            let power = 10_u64.checked_pow(self.exponent.unsigned_abs())?;
            if self.exponent >= 0 {
                self.mantissa.checked_mul(power)?
            } else if self.mantissa.is_multiple_of(power) {
                self.mantissa / power
            } else {
                return None;
            }
        };
        if self.negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
    }

    /// Digits before the point, without leading zeros.
    pub(crate) fn whole_digits(self) -> i32 {
        match self.mantissa.checked_ilog10() {
            Some(log) => (log as i32 + 1).saturating_add(self.exponent).max(0),
            None => 0,
        }
    }
}

#[inline]
fn digit(bytes: &[u8], at: usize) -> Option<u64> {
    let digit = bytes.get(at)?.wrapping_sub(b'0');
    (digit <= 9).then_some(u64::from(digit))
}

/// What follows the `e`.
fn scan_exponent(bytes: &[u8]) -> Option<(i32, usize)> {
    let negative = bytes.first() == Some(&b'-');
    let start = usize::from(negative || bytes.first() == Some(&b'+'));
    let mut at = start;
    let mut power = 0_i32;
    while let Some(digit) = digit(bytes, at) {
        power = (power * 10 + digit as i32).min(EXPONENT_MAX);
        at += 1;
    }
    (at > start).then_some((if negative { -power } else { power }, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Option<f64> {
        let (decimal, length) = Decimal::scan(text.as_bytes())?;
        (length == text.len()).then(|| decimal.to_f64(text.as_bytes()))
    }

    fn integer(text: &str) -> Option<i64> {
        Decimal::scan(text.as_bytes())?.0.to_i64()
    }

    #[test]
    fn the_grammar_is_that_of_json() {
        for good in ["0", "-0", "7", "-12.5", "1e3", "1E-3", "0.0001", "10.25e+2"] {
            assert_eq!(number(good), good.parse().ok(), "{good}");
        }
        for bad in ["", "-", "01", "-01", "1.", ".5", "+1", "1e", "1e+", "e5", "1.e5", "0x10", "1_0"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_are_read_as_meters_and_controllers_print_them() {
        for (text, expected) in [
            ("00123", 123.0),
            ("-007.50", -7.5),
            (".14", 0.14),
            ("-.5", -0.5),
            ("+23.5", 23.5),
            ("1.", 1.0),
            ("1.e2", 100.0),
            ("+2.35E+001", 23.5),
            ("1e3", 1_000.0),
            ("  42 \r\n", 42.0),
            ("000000000000000000000000000001.5", 1.5),
        ] {
            let decimal = Decimal::printed(text.as_bytes()).unwrap();
            assert_eq!(decimal.to_column(text.trim().as_bytes()), expected, "{text}");
        }
        for text in
            ["", " ", ".", "+", "-", "+-1", "--1", "1,5", "1 000", "1.000.000", "0x1F", "12abc", "e5", "1e", "1_0"]
        {
            assert_eq!(Decimal::printed(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_the_column_does_not_keep_is_rounded_half_away_from_zero() {
        for (text, expected) in [
            ("18.54322356", 18.5432),
            ("18.54325", 18.5433),
            ("-18.54325", -18.5433),
            ("18.5432499999999999999999999", 18.5432),
            ("0.00005", 0.0001),
            ("-0.00005", -0.0001),
            ("0.0000499999", 0.0),
            ("1e-400", 0.0),
            ("185432.2356e-4", 18.5432),
            ("99999999999.99994", 99_999_999_999.999_9),
            ("99999999999.99995", 100_000_000_000.0),
            ("2.675", 2.675),
        ] {
            let (decimal, _) = Decimal::scan(text.as_bytes()).unwrap();
            assert_eq!(decimal.to_column(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn integers_are_exact_beyond_the_reach_of_f64() {
        assert_eq!(integer("9007199254740993"), Some(9_007_199_254_740_993));
        assert_eq!(integer("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer("9223372036854775808"), None);
        assert_eq!(integer("12345678901234567890123"), None);
        assert_eq!(integer("3.0"), Some(3));
        assert_eq!(integer("3e2"), Some(300));
        assert_eq!(integer("3.5"), None);
        assert_eq!(integer("0e999999999"), Some(0));
    }

    #[test]
    fn absurd_exponents_and_lengths_do_no_harm() {
        assert_eq!(number("1e999999999999"), Some(f64::INFINITY));
        assert_eq!(number("1e-999999999999"), Some(0.0));
        let long = format!("0.{}1", "0".repeat(400));
        assert_eq!(number(&long), Some(0.0));
        let long = format!("1{}", "0".repeat(30));
        assert_eq!(number(&long), Some(1e30));
    }

    #[test]
    fn whole_digits_are_counted_before_the_point() {
        for (text, digits) in [("0", 0), ("0.5", 0), ("1.5", 1), ("1700000000.25", 10), ("1.7e9", 10), ("1e-5", 0)] {
            let (decimal, _) = Decimal::scan(text.as_bytes()).unwrap();
            assert_eq!(decimal.whole_digits(), digits, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_float_comes_back_with_the_same_bits(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            for text in [format!("{value:?}"), format!("{value:e}")] {
                prop_assert_eq!(number(&text).map(f64::to_bits), Some(value.to_bits()), "{}", text);
            }
        }

        #[test]
        fn decimals_agree_with_the_standard_library(text in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?") {
            let expected: f64 = text.parse().unwrap();
            prop_assert_eq!(number(&text).map(f64::to_bits), Some(expected.to_bits()));
        }

        #[test]
        fn integers_agree_with_the_standard_library(value in any::<i64>()) {
            prop_assert_eq!(integer(&value.to_string()), Some(value));
        }

        #[test]
        fn any_bytes_are_scanned_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some((decimal, length)) = Decimal::scan(&bytes) {
                prop_assert!(length <= bytes.len());
                let _ = (decimal.to_i64(), decimal.whole_digits());
            }
        }
    }
}
