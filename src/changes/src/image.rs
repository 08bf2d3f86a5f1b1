//! A row of PostgreSQL as `jsonb` writes it, taken apart into columns with their values as text.
//!
//! In: the text of one JSON object. Out: each value as `->>` would give it: numbers with all their digits, which a parser of JSON
//! would lose to floating point, and whatever is nested as JSON. Text that is no object is an error, never a panic.

use crate::canonical::Image;

/// What is wrong with a text, and where.
pub(crate) type Fault = String;

pub(crate) fn parse(text: &str) -> Result<Image, Fault> {
    let mut image = Image::new();
    let mut rest = text.trim().strip_prefix('{').ok_or_else(|| wrong("no object", text))?.trim_start();
    if rest == "}" {
        return Ok(image);
    }
    loop {
        let (key, after) = taken(rest)?;
        let key = unquoted(key)?;
        let after = after.trim_start().strip_prefix(':').ok_or_else(|| wrong("no colon", after))?;
        let (value, after) = taken(after.trim_start())?;
        let value = match value.as_bytes().first() {
            Some(b'"') => Some(unquoted(value)?),
            _ if value == "null" => None,
            _ => Some(value.to_owned()),
        };
        image.insert(key, value);
        let after = after.trim_start();
        match after.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None if after == "}" => return Ok(image),
            None => return Err(wrong("no comma", after)),
        }
    }
}

/// The value at the beginning, and what comes behind it.
fn taken(text: &str) -> Result<(&str, &str), Fault> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => continue,
            }
            if !quoted && depth == 0 {
                return Ok(text.split_at(at + 1));
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' if depth == 1 => return Ok(text.split_at(at + 1)),
            b',' | b'}' | b']' | b':' if depth == 0 && at > 0 => return Ok(text.split_at(at)),
            b',' | b'}' | b']' | b':' if depth == 0 => break,
            _ => {}
        }
    }
    Err(wrong("no value", text))
}

fn unquoted(text: &str) -> Result<String, Fault> {
    let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match inside {
        Some(plain) if !plain.contains('\\') => Ok(plain.to_owned()),
        _ => serde_json::from_str(text).map_err(|error| error.to_string()),
    }
}

fn wrong(what: &str, text: &str) -> Fault {
    let shown: String = text.chars().take(20).collect();
    format!("{what} at {shown:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_image_holds_every_value_as_the_server_writes_it() {
        let text = r#"{"a": null, "b": "x\"é\\\n", "c": 123456789012345678.10, "d": true, "e": {"f": [1, "]}"]}, "g": "", "h\"": -1}"#;
        let image = parse(text).expect("an object");
        let expected = [
            None,
            Some("x\"é\\\n"),
            Some("123456789012345678.10"),
            Some("true"),
            Some(r#"{"f": [1, "]}"]}"#),
            Some(""),
            Some("-1"),
        ];
        assert_eq!(image.values().map(Option::as_deref).collect::<Vec<_>>(), expected);
        assert_eq!(image.keys().next_back().map(String::as_str), Some("h\""));
        assert_eq!(parse("{}"), Ok(Image::new()));
        for bad in ["", "[1]", "{", r#"{"a"}"#, r#"{"a": }"#, r#"{"a": 1"#, r#"{"a": 1} "b""#, r#"{a: 1}"#] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_json_writes_is_read_and_nothing_panics(
            columns in prop::collection::btree_map("(?s).{0,5}", prop::option::of("(?s).{0,9}"), 0..6),
            text in "[{}\\[\\]\":,\\\\a1 ]{0,20}",
        ) {
            prop_assert_eq!(parse(&serde_json::to_string(&columns).expect("JSON")), Ok(columns));
            let _ = parse(&text);
            let _ = parse(&format!("{{{text}"));
        }
    }
}
