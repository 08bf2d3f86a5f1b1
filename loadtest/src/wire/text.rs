//! Values in ten-thousandths, as text: exact, and without the cost of printing floats.

/// `-12345` becomes `-1.2345`.
pub fn push_e4(buffer: &mut Vec<u8>, value_e4: i64) {
    if value_e4 < 0 {
        buffer.push(b'-');
    }
    let magnitude = value_e4.unsigned_abs();
    push_integer(buffer, (magnitude / 10_000) as i64);
    let fraction = (magnitude % 10_000) as u16;
    let digit = |divisor: u16| b'0' + (fraction / divisor % 10) as u8;
    buffer.extend_from_slice(&[b'.', digit(1_000), digit(100), digit(10), digit(1)]);
}

pub fn push_integer(buffer: &mut Vec<u8>, value: i64) {
    buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// `value_e4 / 10000` is the double nearest to the decimal number, which is what a parser makes of the text.
pub fn to_f64(value_e4: i64) -> f64 {
    value_e4 as f64 / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn four_decimals_always() {
        let text = |value| {
            let mut buffer = Vec::new();
            push_e4(&mut buffer, value);
            String::from_utf8(buffer).expect("ASCII")
        };
        assert_eq!(text(0), "0.0000");
        assert_eq!(text(-5), "-0.0005");
        assert_eq!(text(1_234_567), "123.4567");
    }

    proptest! {
        #[test]
        fn text_and_double_are_the_same_number(value in -999_999_999_999_999_i64..=999_999_999_999_999) {
            let mut buffer = Vec::new();
            push_e4(&mut buffer, value);
            let parsed: f64 = std::str::from_utf8(&buffer).expect("ASCII").parse().expect("a number");
            prop_assert_eq!(parsed, to_f64(value));
        }
    }
}
