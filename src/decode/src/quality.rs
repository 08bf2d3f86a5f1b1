//! What a sender says of a value's quality goes in, as a name or a number; good, uncertain or bad comes out.
//!
//! | number | read as |
//! |---|---|
//! | 0 | good, as in OPC UA; bad only where the form says OPC DA (`dt` beside `q`) |
//! | 1 to 255 | OPC DA, the two upper bits of the byte: 192 and more good, 64 to 127 uncertain, below 64 bad |
//! | 256 and more | an OPC UA status code, the two upper bits of 32: 00 good, 01 uncertain, 10 bad |
//!
//! A negative number is a status code that was printed as a signed one. Names are those of OPC UA and of plain speech: what
//! begins with `good`, `uncertain` or `bad`, in any case (`GoodNoData`, `Bad_NoCommunication`, `Uncertain [Sub-Normal]`).
//!
//! Blank text is no quality at all. What cannot be read costs no value: whoever asks takes it as uncertain, and says so.

use genims_model::Quality;

/// A number, also in quotes and in hex, or a name.
pub(crate) fn of_text(text: &str) -> Option<Quality> {
    let text = text.trim_ascii();
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let code = hex.map_or_else(|| text.parse().ok(), |digits| i64::from_str_radix(digits, 16).ok());
    code.map_or_else(|| of_name(text), of_code)
}

fn of_name(name: &str) -> Option<Quality> {
    [Quality::Good, Quality::Uncertain, Quality::Bad].into_iter().find(|quality| {
        let word = quality.as_str();
        let starts = name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        // `Bad_NoCommunication` and `GoodNoData` go on with another word, `badly` with the same.
        starts && !name[word.len()..].starts_with(|next: char| next.is_lowercase())
    })
}

pub(crate) fn of_code(code: i64) -> Option<Quality> {
    let unsigned = match code {
        0.. => u32::try_from(code).ok()?,
        _ => i32::try_from(code).ok()?.cast_unsigned(),
    };
    match unsigned {
        0 => Some(Quality::Good),
        1..=255 => match unsigned >> 6 {
            0b11 => Some(Quality::Good),
            0b01 => Some(Quality::Uncertain),
            0b00 => Some(Quality::Bad),
            _ => None,
        },
        _ => match unsigned >> 30 {
            0b00 => Some(Quality::Good),
            0b01 => Some(Quality::Uncertain),
            0b10 => Some(Quality::Bad),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Quality::{Bad, Good, Uncertain};

    #[test]
    fn codes_of_opc_ua_and_opc_da_are_told_apart() {
        for (code, expected) in [
            (0, Some(Good)),
            (4, Some(Bad)),
            (24, Some(Bad)),
            (63, Some(Bad)),
            (64, Some(Uncertain)),
            (127, Some(Uncertain)),
            (128, None),
            (192, Some(Good)),
            (216, Some(Good)),
            (255, Some(Good)),
            (0x00A2_0000, Some(Good)),
            (0x0000_0480, Some(Good)),
            (0x4090_0000, Some(Uncertain)),
            (0x8031_0000, Some(Bad)),
            (0x8000_0000, Some(Bad)),
            (0xC000_0000, None),
            (0x1_0000_0000, None),
            (-2_147_483_648, Some(Bad)),
            (-2_144_468_992, Some(Bad)),
            (-1, None),
            (i64::MIN, None),
        ] {
            assert_eq!(of_code(code), expected, "{code}");
            assert_eq!(of_text(&code.to_string()), expected, "{code}");
        }
        assert_eq!(of_text("0x80310000"), Some(Bad));
    }

    #[test]
    fn names_are_read_in_any_case_and_with_what_they_go_on_with() {
        for (name, expected) in [
            ("Good", Some(Good)),
            ("GOOD", Some(Good)),
            (" good ", Some(Good)),
            ("GoodNoData", Some(Good)),
            ("Good_LocalOverride", Some(Good)),
            ("Good, non-specific", Some(Good)),
            ("Uncertain", Some(Uncertain)),
            ("UncertainLastUsableValue", Some(Uncertain)),
            ("Uncertain_SensorNotAccurate", Some(Uncertain)),
            ("Bad", Some(Bad)),
            ("Bad_NoCommunication", Some(Bad)),
            ("BadSensorFailure", Some(Bad)),
            ("BAD [Comm Failure]", Some(Bad)),
            ("badly", None),
            ("goodness", None),
            ("fair", None),
            ("ok", None),
            ("", None),
            ("gö", None),
        ] {
            assert_eq!(of_text(name), expected, "{name}");
        }
    }
}
