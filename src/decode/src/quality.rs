//! What a sender says of a value's quality goes in, as a name or a number; good, uncertain or bad comes out.
//!
//! | number | read as |
//! |---|---|
//! | 0 | good, as in OPC UA; bad only where the form says OPC DA (`dt` beside `q`) |
//! | 1 to 255 | OPC DA, the two upper bits of the byte: 192 and more good, 64 to 127 uncertain, below 64 bad |
//! | 256 to 1023 | a code of Ignition, which no status code of OPC UA is: uncertain below 512 (`Bad_Stale` of Sparkplug, 500, too), bad from there on |
//! | 1024 and more | an OPC UA status code, the two upper bits of 32: 00 good, 01 uncertain, 10 bad |
//!
//! A negative number is a status code that was printed as a signed one. Names are those of OPC UA and of plain speech: what
//! begins with `good`, `uncertain` or `bad`, in any case (`GoodNoData`, `Bad_NoCommunication`, `Uncertain [Sub-Normal]`), also
//! behind words that say of what (`OPC_QUALITY_GOOD`, `StatusCode.Good`, `192 (Good)`); else one of [`OTHER_WORDS`].
//!
//! Blank text is no quality at all. What cannot be read costs no value: whoever asks takes it as uncertain, and says so.

use genims_model::Quality;

/// What devices say in place of the names of OPC.
const OTHER_WORDS: [(&str, Quality); 7] = [
    ("ok", Quality::Good),
    ("valid", Quality::Good),
    ("true", Quality::Good),
    ("questionable", Quality::Uncertain),
    ("invalid", Quality::Bad),
    ("error", Quality::Bad),
    ("false", Quality::Bad),
];

/// Words before a name that say of what it is one.
const FILLERS: [&str; 6] = ["opc", "ua", "da", "quality", "status", "code"];

/// A number, also in quotes and in hex, or a name.
pub(crate) fn of_text(text: &str) -> Option<Quality> {
    // What nearly all say is found without a search.
    if text == "good" {
        return Some(Quality::Good);
    }
    of_opc_text(text).or_else(|| {
        let said = |(word, _): &&(&str, Quality)| begins_with(text.trim_ascii(), word);
        OTHER_WORDS.iter().find(said).map(|(_, quality)| *quality)
    })
}

/// As [`of_text`], in the words of OPC alone: where anybody's state may stand.
pub(crate) fn of_opc_text(text: &str) -> Option<Quality> {
    let text = text.trim_ascii();
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let code = hex.map_or_else(|| text.parse().ok(), |digits| i64::from_str_radix(digits, 16).ok());
    code.map_or_else(|| of_name(text).or_else(|| in_sentence(text)), of_code)
}

/// The name in the words for people that Go's client of OPC UA says it with: `The operation succeeded. StatusGood (0x0)`.
#[cold]
fn in_sentence(text: &str) -> Option<Quality> {
    text.split("Status").skip(1).find_map(of_name)
}

fn of_name(name: &str) -> Option<Quality> {
    let mut rest = name;
    loop {
        let mut names = [Quality::Good, Quality::Uncertain, Quality::Bad].into_iter();
        if let Some(quality) = names.find(|quality| begins_with(rest, quality.as_str())) {
            return Some(quality);
        }
        let filler = FILLERS.iter().find(|filler| starts_with_word(rest, filler)).map_or(0, |filler| filler.len());
        let behind = rest.get(filler..)?.trim_start_matches(|at: char| at.is_ascii_digit() || " _.:()[]".contains(at));
        if behind.len() == rest.len() {
            return None;
        }
        rest = behind;
    }
}

/// `Bad_NoCommunication` and `GoodNoData` go on with another word, `badly` with the same.
fn begins_with(text: &str, word: &str) -> bool {
    starts_with_word(text, word) && !text[word.len()..].starts_with(|next: char| next.is_lowercase())
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
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
        256..=511 => Some(Quality::Uncertain),
        512..=1023 => Some(Quality::Bad),
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
            (256, Some(Uncertain)),
            (500, Some(Uncertain)),
            (512, Some(Bad)),
            (768, Some(Bad)),
            (0x0000_0400, Some(Good)),
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
            ("OK", Some(Good)),
            ("valid", Some(Good)),
            ("invalid", Some(Bad)),
            ("Error_TypeConversion", Some(Bad)),
            ("questionable", Some(Uncertain)),
            ("true", Some(Good)),
            ("FALSE", Some(Bad)),
            ("OPC_QUALITY_GOOD", Some(Good)),
            ("opcQualityBad", Some(Bad)),
            ("StatusCode.Good", Some(Good)),
            ("192 (Good)", Some(Good)),
            ("The operation succeeded. StatusGood (0x0)", Some(Good)),
            ("The node id is unknown. StatusBadNodeIDUnknown (0x80340000)", Some(Bad)),
            ("The Status of it is not known. StatusUncertain (0x40000000)", Some(Uncertain)),
            ("Status unknown", None),
            ("not good", None),
            ("no error", None),
            ("errors", None),
            ("okay", None),
            ("quality", None),
            ("opc ua", None),
            ("", None),
            ("gö", None),
            ("qualitätö good", None),
        ] {
            assert_eq!(of_text(name), expected, "{name}");
        }
    }
}
