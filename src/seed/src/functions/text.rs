//! Texts and the numbers of rows from which keys are made.

use super::{Context, Entry, MANY, entry, integer, string, with_null};
use crate::value::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

pub(super) const LIST: &[Entry] = &[
    entry(
        "row",
        (0, 0),
        |context, _| Ok(Value::Integer(context.row as i64 + 1)),
        "number of the row in its table, from 1",
    ),
    entry(
        "seq",
        (0, 0),
        |context, _| Ok(Value::Integer(context.in_parent as i64 + 1)),
        "number of the row in its parent, from 1",
    ),
    entry("rows", (0, 0), |context, _| Ok(Value::Integer(context.rows as i64)), "rows of the table"),
    entry("key", (1, 2), key, "key('SO-', 6): prefix and the row's number padded with zeros"),
    entry("pad", (2, 2), pad, "pad(n, width): zeros before a number"),
    with_null("format", (1, MANY), format, "format('%s of %s', a, b): each %s in turn"),
    with_null("concat", (1, MANY), concat, "concat(a, b, ...): one text, nulls are empty"),
    entry("lower", (1, 1), |_, arguments| Ok(Value::text(string(arguments[0])?.to_lowercase())), "lower(text)"),
    entry("upper", (1, 1), |_, arguments| Ok(Value::text(string(arguments[0])?.to_uppercase())), "upper(text)"),
    entry("initcap", (1, 1), initcap, "initcap(text): every word with a capital"),
    entry("slug", (1, 1), slug, "slug(text): lower case letters, digits and dots, for addresses"),
    entry("left", (2, 2), left, "left(text, n): the first n characters"),
    entry("right", (2, 2), right, "right(text, n): the last n characters"),
    entry("substring", (2, 3), substring, "substring(text, from, length), from 1"),
    entry("replace", (3, 3), replace, "replace(text, what, with)"),
    entry(
        "length",
        (1, 1),
        |_, arguments| Ok(Value::Integer(string(arguments[0])?.chars().count() as i64)),
        "length(text)",
    ),
    entry(
        "bytes",
        (1, 1),
        |_, arguments| Ok(Value::Bytes(Arc::new(string(arguments[0])?.as_bytes().to_vec()))),
        "bytes(text): binary data in a document",
    ),
    entry("sha256", (1, 1), hashed, "sha256(text) as 64 hexadecimal digits"),
    entry("to_text", (1, 1), |_, arguments| Ok(Value::text(shown(arguments[0]))), "any value as text"),
    entry("to_varchar", (1, 1), |_, arguments| Ok(Value::text(shown(arguments[0]))), "any value as text"),
];

fn shown(value: &Value) -> String {
    let mut text = String::new();
    value.append_to(&mut text);
    text
}

fn key(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let width = arguments.get(1).map_or(Ok(1), |width| integer(width))?.clamp(0, 20) as usize;
    Ok(Value::text(format!("{}{:0width$}", string(arguments[0])?, context.row + 1)))
}

fn pad(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let width = integer(arguments[1])?.clamp(0, 20) as usize;
    Ok(Value::text(format!("{:0>width$}", shown(arguments[0]))))
}

fn format(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let mut rest = arguments[1..].iter();
    let mut parts = string(arguments[0])?.split("%s");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        rest.next().ok_or("fewer values than %s")?.append_to(&mut text);
        text.push_str(part);
    }
    if rest.next().is_some() {
        return Err("more values than %s".to_owned());
    }
    Ok(Value::text(text))
}

fn concat(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let mut text = String::new();
    arguments.iter().for_each(|argument| argument.append_to(&mut text));
    Ok(Value::text(text))
}

fn initcap(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let mut start = true;
    let text: String = string(arguments[0])?
        .chars()
        .map(|character| {
            let shown = if start { character.to_ascii_uppercase() } else { character };
            start = !character.is_alphanumeric();
            shown
        })
        .collect();
    Ok(Value::text(text.replace('_', " ")))
}

fn slug(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let mut text = String::new();
    for character in string(arguments[0])?.chars() {
        match character.to_ascii_lowercase() {
            'a'..='z' | '0'..='9' => text.push(character.to_ascii_lowercase()),
            'ä' | 'á' | 'à' | 'â' | 'ã' => text.push('a'),
            'é' | 'è' | 'ê' => text.push('e'),
            'ö' | 'ó' | 'ô' => text.push('o'),
            'ü' | 'ú' => text.push('u'),
            'í' | 'ï' => text.push('i'),
            _ if text.ends_with('.') || text.is_empty() => {}
            _ => text.push('.'),
        }
    }
    Ok(Value::text(text.trim_end_matches('.')))
}

fn left(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let count = integer(arguments[1])?.max(0) as usize;
    Ok(Value::text(shown(arguments[0]).chars().take(count).collect::<String>()))
}

fn right(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let text = shown(arguments[0]);
    let skip = text.chars().count().saturating_sub(integer(arguments[1])?.max(0) as usize);
    Ok(Value::text(text.chars().skip(skip).collect::<String>()))
}

fn substring(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let skip = (integer(arguments[1])? - 1).max(0) as usize;
    let count = arguments.get(2).map_or(Ok(i64::MAX), |count| integer(count))?.max(0) as usize;
    Ok(Value::text(string(arguments[0])?.chars().skip(skip).take(count).collect::<String>()))
}

fn replace(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(Value::text(string(arguments[0])?.replace(string(arguments[1])?, string(arguments[2])?)))
}

fn hashed(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(Value::text(sha256(&shown(arguments[0]))))
}

/// In lower-case hexadecimal digits.
pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
