//! Text that is the same for the same content: JSON as RFC 8785 writes it, and hashes of it.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Columns with their values as text, `None` for null.
pub type Image = std::collections::BTreeMap<String, Option<String>>;

/// The image as JSON: sorted keys, no blanks.
pub fn image(image: &Image) -> String {
    let mut entries: Vec<(&String, &Option<String>)> = image.iter().collect();
    // The RFC sorts by units of UTF-16, which differs from bytes only beyond the basic plane.
    if !image.keys().all(|key| key.is_ascii()) {
        entries.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
    }
    let mut text = String::with_capacity(32 * image.len() + 2);
    text.push('{');
    for (key, value) in entries {
        if text.len() > 1 {
            text.push(',');
        }
        push_string(&mut text, key);
        text.push(':');
        match value {
            Some(value) => push_string(&mut text, value),
            None => text.push_str("null"),
        }
    }
    text.push('}');
    text
}

/// Any JSON; numbers as they are written here already.
pub fn json(value: &Value) -> String {
    match value {
        Value::Object(map) => object(map.iter().map(|(key, value)| (key.as_str(), json(value))).collect()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(json).collect();
            format!("[{}]", items.join(","))
        }
        Value::String(text) => string(text),
        other => other.to_string(),
    }
}

/// The RFC sorts by units of UTF-16.
fn object(mut entries: Vec<(&str, String)>) -> String {
    entries.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
    let members: Vec<String> = entries.into_iter().map(|(key, value)| format!("{}:{value}", string(key))).collect();
    format!("{{{}}}", members.join(","))
}

fn string(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    push_string(&mut written, text);
    written
}

/// serde_json escapes what the RFC escapes, in the same way; most texts hold nothing of it.
fn push_string(to: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        to.push('"');
        to.push_str(text);
        to.push('"');
    } else {
        to.push_str(&Value::from(text).to_string());
    }
}

/// SHA-256 in lower-case hex.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Of fields in this order, no two sequences of which are written alike: each has its length before it.
pub(crate) fn digest<'a>(fields: impl IntoIterator<Item = Option<&'a str>>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for field in fields {
        // No text is that long: null is told from an empty text.
        let length = field.map_or(u64::MAX, |text| text.len() as u64);
        hasher.update(length.to_be_bytes());
        hasher.update(field.unwrap_or_default());
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn json_is_written_as_rfc_8785_says() {
        let value: Value =
            serde_json::from_str(r#"{"b": "é\u001f\n\"", "a": null, "𝄞": [1, true], "\ufb33": {}}"#).expect("JSON");
        assert_eq!(json(&value), "{\"a\":null,\"b\":\"é\\u001f\\n\\\"\",\"𝄞\":[1,true],\"\u{fb33}\":{}}");
        let columns = [("b".to_owned(), Some("x\"".to_owned())), ("a".to_owned(), None)];
        assert_eq!(image(&columns.into()), r#"{"a":null,"b":"x\""}"#);
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let of = |fields: &[Option<&str>]| digest(fields.iter().copied());
        assert_ne!(of(&[Some("ab"), Some("c")]), of(&[Some("a"), Some("bc")]));
        assert_ne!(of(&[None]), of(&[Some("")]));
        assert_ne!(of(&[Some("")]), of(&[]));
    }

    proptest! {
        #[test]
        fn an_image_reads_back_as_what_it_was(columns in prop::collection::btree_map("\\PC{0,5}", prop::option::of("(?s).{0,9}"), 0..5)) {
            let text = image(&columns);
            let back: Image = serde_json::from_str(&text).expect("JSON");
            prop_assert_eq!(json(&serde_json::from_str(&text).expect("JSON")), text);
            prop_assert_eq!(back, columns);
        }
    }
}
