//! The grammar, with serde_json as the second opinion on what is valid.

use super::*;
use proptest::prelude::*;

fn text(json: &str) -> Result<String, Syntax> {
    let mut cursor = Cursor::new(json.as_bytes());
    match cursor.value()? {
        Value::Text(text) if cursor.at() == json.len() => Ok(text.to_str().into_owned()),
        _ => Err(Syntax("no string alone")),
    }
}

/// What serde_json says of it; `None` for numbers beyond `f64`, which are valid JSON but which it refuses.
fn oracle(json: &[u8]) -> Option<bool> {
    match serde_json::from_slice::<serde_json::Value>(json) {
        Ok(_) => Some(true),
        Err(error) if error.to_string().starts_with("number out of range") => None,
        Err(_) => Some(false),
    }
}

fn is_valid(json: &[u8]) -> bool {
    let mut cursor = Cursor::new(json);
    cursor.skip().is_ok() && cursor.token().is_none()
}

#[test]
fn escapes_are_undone() {
    assert_eq!(text(r#""a\"\\\/\b\f\n\r\tz""#).unwrap(), "a\"\\/\u{8}\u{c}\n\r\tz");
    assert_eq!(text(r#""\u00e9\uD83D\uDE00""#).unwrap(), "é😀");
    assert_eq!(text("\"a\nb\""), Ok("a\nb".to_owned()));
    for bad in [r#""abc"#, r#""\"#, r#""\""#] {
        assert!(text(bad).is_err(), "{bad}");
    }
    for unsound in [r#""\x""#, r#""\u12""#, r#""\uD83D""#, r#""\uDE00""#, r#""\uD83Dx""#, r#""C:\x\"y""#] {
        let mut cursor = Cursor::new(unsound.as_bytes());
        let text = cursor.string().unwrap();
        assert_eq!((text.is_sound(), cursor.at()), (false, unsound.len()), "{unsound}");
    }
    for latin_1 in [&b"\"\xd6l\\\"\""[..], b"\"\xd6l\\u0022\""] {
        let text = Cursor::new(latin_1).string().unwrap();
        assert_eq!((text.is_sound(), &*text.to_str()), (true, "Öl\""));
    }
    assert!(!Cursor::new(b"\"\xd6\\x\"").string().unwrap().is_sound());
}

#[test]
fn a_plain_string_is_borrowed() {
    let mut cursor = Cursor::new("\"Temperatur °C\"".as_bytes());
    let Value::Text(text) = cursor.value().unwrap() else { panic!("no string") };
    assert!(matches!(text.to_str(), Cow::Borrowed("Temperatur °C")));
}

#[test]
fn nesting_of_any_depth_is_skipped() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(is_valid(nested(3).as_bytes()));
    assert!(is_valid(nested(100_000).as_bytes()));
    assert!(!is_valid("[".repeat(1_000_000).as_bytes()));
}

#[test]
fn bare_words_are_values_of_their_own() {
    for literal in ["NaN", "nan", "Infinity", "-Infinity", "-inf", "+inf", "1.#QNAN"] {
        assert!(matches!(Cursor::new(literal.as_bytes()).value(), Ok(Value::NotFinite)), "{literal}");
    }
    for (literal, expected) in [("00123", 123.0), (".14", 0.14), ("+23.5", 23.5), ("1.", 1.0), ("+2.35E+001", 23.5)] {
        let Ok(Value::Number(number)) = Cursor::new(literal.as_bytes()).value() else { panic!("{literal}") };
        assert_eq!(number.decimal.to_f64(number.text), expected, "{literal}");
    }
    for literal in ["Nano", "12abc", "0x1F", "1.2.3", "-", "'x'", "\u{fffd}"] {
        let mut cursor = Cursor::new(literal.as_bytes());
        assert!(matches!(cursor.value(), Ok(Value::Odd)), "{literal}");
        assert_eq!(cursor.at(), literal.len());
    }
    assert!(matches!(Cursor::new(b"True").value(), Ok(Value::Boolean(true))));
    assert!(matches!(Cursor::new(b"None").value(), Ok(Value::Null)));
    assert!(Cursor::new(b",").value().is_err());
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A string's end is looked for eight bytes at a time: each byte in each place, before and behind bytes of every kind.
#[test]
fn the_lowest_byte_that_is_not_plain_is_the_one_marked() {
    for (byte, place) in (0..=u8::MAX).flat_map(|byte| (0..8).map(move |place| (byte, place))) {
        for around in [b'a', b' ', b'!', b'#', b'[', b'~', 0x7f] {
            for behind in [around, b'"', b'\\', 0, 0x1f, 0x80, 0xff] {
                let mut word = [behind; 8];
                word[..place].fill(around);
                word[place] = byte;
                let expected = word.iter().position(|byte| !is_plain(*byte)).unwrap_or(8);
                let marked = special_bytes(u64::from_le_bytes(word)).trailing_zeros() as usize / 8;
                assert_eq!(marked, expected, "{word:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn strings_agree_with_serde_json(string in any::<String>()) {
        prop_assert_eq!(text(&serde_json::to_string(&string).unwrap()), Ok(string));
    }

    #[test]
    fn what_serde_json_writes_is_valid(value in json()) {
        prop_assert!(is_valid(&serde_json::to_vec(&value).unwrap()));
        prop_assert!(is_valid(&serde_json::to_vec_pretty(&value).unwrap()));
    }

    #[test]
    fn what_is_valid_in_json_like_text_is_skipped(document in "[\\[\\]{},:\"a1 \\\\eu.\\-]{0,16}") {
        let document = document.as_bytes();
        prop_assert!(oracle(document) != Some(true) || is_valid(document));
    }

    #[test]
    fn a_value_is_skipped_to_its_own_end(value in json(), garbage in proptest::collection::vec(any::<u8>(), 0..20)) {
        let written = serde_json::to_vec(&value).unwrap();
        let mut cursor = Cursor::new(&written);
        let document = [&written, b"," as &[u8], &garbage].concat();
        prop_assert_eq!(cursor.skip(), Ok(()));
        let mut cursor = Cursor::new(&document);
        prop_assert_eq!((cursor.skip(), cursor.at()), (Ok(()), written.len()));
    }

    #[test]
    fn damage_never_panics(
        value in json(), damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut document = serde_json::to_vec(&value).unwrap();
        for (index, byte) in damage {
            let at = index.index(document.len());
            document[at] = byte;
        }
        prop_assert!(oracle(&document) != Some(true) || is_valid(&document));
    }
}
