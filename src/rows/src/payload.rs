//! A payload becomes rows: names and raw JSON of their values, as they stand in it.
//!
//! | form | what it is |
//! |---|---|
//! | `{"material_id": "M-1", ...}` | one row |
//! | `[{...}, {...}]` | rows |
//! | `{"rows": ..., "upsert": true}` | either of them, and whether a row that is there is changed |
//!
//! An object that has a key `rows` is the last form; it has no key but these two, and may stand in an array as well. Values stay as they were written, so that a number
//! keeps all its digits.

use serde::de::IgnoredAny;
use serde_json::Deserializer;
use std::collections::HashSet;

/// Rows in one message.
pub const ROWS_MAX: usize = 10_000;
/// One row.
pub const ROW_BYTES_MAX: usize = 256 * 1024;
/// Columns of one row: what MySQL takes, and the others no more.
pub const COLUMNS_MAX: usize = 4_096;

/// Of a longer value only the beginning is told.
const SHOWN_MAX: usize = 60;

/// What of a payload is rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawRow<'a> {
    pub upsert: bool,
    pub raw: &'a str,
}

/// Cuts a payload into its rows.
pub fn rows(payload: &[u8]) -> Result<Vec<RawRow<'_>>, String> {
    let text = std::str::from_utf8(payload).map_err(|_| "the payload is no UTF-8".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    let is_json = serde_json::from_str::<IgnoredAny>(text);
    is_json.map_err(|error| format!("the payload is no JSON: {error}"))?;
    let mut found = Vec::new();
    match text.as_bytes().first() {
        Some(b'[') => elements(text)?.into_iter().try_for_each(|element| object(element, &mut found))?,
        Some(b'{') => object(text, &mut found)?,
        _ => return Err("rows are a JSON object or an array of objects".to_owned()),
    }
    match found.len() {
        0..=ROWS_MAX => Ok(found),
        more => Err(format!("{more} rows in one message; {ROWS_MAX} at most")),
    }
}

/// A row, or rows and whether they change those that are there.
fn object<'a>(text: &'a str, found: &mut Vec<RawRow<'a>>) -> Result<(), String> {
    // Looked for before it is parsed: nearly all objects are rows.
    let Some((rows, upsert)) = (if text.contains("\"rows\"") { envelope(text)? } else { None }) else {
        found.push(RawRow { upsert: false, raw: text });
        return Ok(());
    };
    match rows.as_bytes().first() {
        Some(b'[') => found.extend(elements(rows)?.into_iter().map(|raw| RawRow { upsert, raw })),
        Some(b'{') => found.push(RawRow { upsert, raw: rows }),
        _ => return Err("rows is an object or an array of objects".to_owned()),
    }
    Ok(())
}

/// What the object has as `rows`, and whether they change what is there; `None` for an object that is a row.
fn envelope(text: &str) -> Result<Option<(&str, bool)>, String> {
    let (mut rows, mut upsert, mut other) = (None, Ok(false), None);
    each_field(text, |name, value| {
        match (name.as_str(), value) {
            ("rows", value) => rows = Some(value),
            ("upsert", "true") => upsert = Ok(true),
            ("upsert", "false") => upsert = Ok(false),
            ("upsert", _) => upsert = Err("upsert is true or false".to_owned()),
            _ => other = Some(name),
        }
        // It ends where it is known to be none, however long it is.
        match (rows, &other) {
            (Some(_), Some(other)) => Err(format!("beside rows there is upsert alone, not {other}")),
            _ => Ok(()),
        }
    })?;
    rows.map(|rows| Ok((rows, upsert?))).transpose()
}

/// The keys of an object and their raw values.
pub fn fields(object: &str) -> Result<Vec<(String, &str)>, String> {
    let mut fields = Vec::new();
    each_field(object, |name, value| {
        fields.push((name, value));
        Ok(())
    })?;
    Ok(fields)
}

/// The keys of an object and their raw values, [`COLUMNS_MAX`] at most, until one is an error. A key that stands twice is
/// refused: nobody can tell which one was meant.
fn each_field<'a>(object: &'a str, mut each: impl FnMut(String, &'a str) -> Result<(), String>) -> Result<(), String> {
    let mut seen: HashSet<String> = HashSet::new();
    let mut rest = object.strip_prefix('{').ok_or("a row is a JSON object")?.trim_start();
    while !rest.starts_with('}') {
        let (name, behind) = value(rest)?;
        let name: String = serde_json::from_str(name).map_err(|error| error.to_string())?;
        let behind = behind.strip_prefix(':').ok_or("a key has no value")?.trim_start();
        let (found, behind) = value(behind)?;
        if seen.len() == COLUMNS_MAX {
            return Err(format!("a row of more than {COLUMNS_MAX} columns"));
        }
        if !seen.insert(name.clone()) {
            return Err(format!("column {name}: it stands twice in the row"));
        }
        each(name, found)?;
        rest = behind.strip_prefix(',').unwrap_or(behind).trim_start();
    }
    Ok(())
}

/// The raw elements of an array.
pub fn elements(array: &str) -> Result<Vec<&str>, String> {
    let mut elements = Vec::new();
    let mut rest = array.strip_prefix('[').ok_or("no array")?.trim_start();
    while !rest.starts_with(']') {
        let (element, behind) = value(rest)?;
        elements.push(element);
        rest = behind.strip_prefix(',').unwrap_or(behind).trim_start();
    }
    Ok(elements)
}

/// The value at the front, and what follows it, blanks aside.
fn value(text: &str) -> Result<(&str, &str), String> {
    let mut stream = Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match stream.next() {
        Some(Ok(_)) => {
            let (value, rest) = text.split_at(stream.byte_offset());
            Ok((value.trim(), rest.trim_start()))
        }
        Some(Err(error)) => Err(error.to_string()),
        None => Err("the payload breaks off".to_owned()),
    }
}

pub(crate) fn shown(raw: &str) -> String {
    let mut shown: String = raw.chars().take(SHOWN_MAX).collect();
    if shown.len() < raw.len() {
        shown.push_str("...");
    }
    shown
}

/// A JSON string's content.
pub(crate) fn text(raw: &str) -> Option<String> {
    if raw.starts_with('"') { serde_json::from_str(raw).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_become_rows_as_they_were_written() {
        let one = r#"{"a": 1.10, "b": "x, }"}"#;
        let of = |payload: &'static str| rows(payload.as_bytes()).unwrap();
        let plain = |raw| RawRow { upsert: false, raw };
        let upsert = |raw| RawRow { upsert: true, raw };
        assert_eq!(of(one), [plain(one)]);
        assert_eq!(of(r#" [ {"a":1} , {"a":2} ] "#), [plain(r#"{"a":1}"#), plain(r#"{"a":2}"#)]);
        assert_eq!(of(r#"{"upsert": true, "rows": [{"a":1}]}"#), [upsert(r#"{"a":1}"#)]);
        assert_eq!(of(r#"{"rows": {"a":1}}"#), [plain(r#"{"a":1}"#)]);
        // As dead letters that were kept together come back.
        assert_eq!(of(r#"[{"upsert":true,"rows":[{"a":1}]},{"a":2}]"#), [upsert(r#"{"a":1}"#), plain(r#"{"a":2}"#)]);
        assert_eq!(of(r#"{"a": "\"rows\""}"#), [plain(r#"{"a": "\"rows\""}"#)]);
        assert_eq!(of("[]"), []);
        let wide = fields(r#"{"a": 12345678901234567890.123456789, "b" : [1, {"c": null}] , "d":"\u0041"}"#).unwrap();
        let expected = [("a", "12345678901234567890.123456789"), ("b", r#"[1, {"c": null}]"#), ("d", r#""\u0041""#)];
        assert_eq!(wide, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn what_is_no_row_says_why() {
        for (payload, said) in [
            ("", "no JSON"),
            ("{", "no JSON"),
            ("3", "object or an array"),
            (r#"{"rows": 3}"#, "rows is an object"),
            (r#"{"rows": [], "upsert": 1}"#, "upsert is true or false"),
            (r#"{"rows": [], "mode": "x"}"#, "not mode"),
        ] {
            let error = rows(payload.as_bytes()).unwrap_err();
            assert!(error.contains(said), "{payload}: {error}");
        }
        assert!(fields(r#"{"a":1,"a":2}"#).unwrap_err().contains("column a: it stands twice"));
        assert!(fields("7").is_err());
        let wide = |columns: usize| {
            format!("{{{}}}", (0..columns).map(|n| format!("\"c{n}\":0")).collect::<Vec<_>>().join(","))
        };
        assert_eq!(fields(&wide(COLUMNS_MAX)).unwrap().len(), COLUMNS_MAX);
        assert!(fields(&wide(COLUMNS_MAX + 1)).unwrap_err().contains("more than 4096 columns"));
        // What stands behind is not looked at any more.
        let broken = format!("{},\"rows\":[],?", wide(COLUMNS_MAX + 1).trim_end_matches('}'));
        assert!(envelope(&broken).unwrap_err().contains("more than 4096 columns"));
        assert!(envelope(r#"{"rows":[],"mode":1,?"#).unwrap_err().contains("not mode"));
        let many = format!("[{}{{}}]", "{},".repeat(ROWS_MAX));
        assert!(rows(many.as_bytes()).unwrap_err().contains("at most"));
    }
}
