//! Rows as tab separated text, in the form that both PostgreSQL's COPY and MySQL's LOAD DATA read.

use super::value::Value;
use super::world::Values;
use genims_databases::Kind;
use std::fmt::Write as _;

/// Appends one field; `kind` decides how lists, booleans and documents are written.
pub(crate) fn field(value: &Value, kind: Kind, booleans: (&str, &str), out: &mut String) {
    match (value, kind) {
        (Value::Null, _) => out.push_str("\\N"),
        (Value::Boolean(value), _) if kind != Kind::Json => out.push_str(if *value { booleans.0 } else { booleans.1 }),
        (Value::Number(value), Kind::Decimal(scale)) => {
            let places = usize::try_from(scale).unwrap_or(0);
            let _ = write!(out, "{value:.places$}");
        }
        (Value::List(values), Kind::TextArray) => array(values, out),
        (value, Kind::Json) => escape(&value.json().to_string(), out),
        (Value::Text(text), _) => escape(text, out),
        (other, _) => other.append_to(out),
    }
}

/// PostgreSQL's array literal, escaped once as an array and once as a field.
fn array(values: &[Value], out: &mut String) {
    let mut literal = String::from("{");
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            literal.push(',');
        }
        let mut text = String::new();
        value.append_to(&mut text);
        let _ = write!(literal, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    literal.push('}');
    escape(&literal, out);
}

/// Text as both readers want it.
pub(crate) fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            other => out.push(other),
        }
    }
}

/// One line of a table.
pub(crate) fn line(columns: &[(Kind, Values)], row: usize, booleans: (&str, &str), out: &mut String) {
    for (at, (kind, values)) in columns.iter().enumerate() {
        if at > 0 {
            out.push('\t');
        }
        field(&values[row], *kind, booleans, out);
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn arrays_documents_and_odd_characters_are_escaped_for_both_readers() {
        let mut out = String::new();
        let list = Value::List(Arc::new(vec![Value::text("a\"b"), Value::text("c\\d")]));
        field(&list, Kind::TextArray, ("t", "f"), &mut out);
        assert_eq!(out, r#"{"a\\"b","c\\\\d"}"#);
        out.clear();
        field(&list, Kind::Json, ("t", "f"), &mut out);
        assert_eq!(out, r#"["a\\"b","c\\\\d"]"#);
        out.clear();
        field(&Value::Number(1.0 / 3.0), Kind::Decimal(2), ("t", "f"), &mut out);
        field(&Value::Boolean(true), Kind::Boolean, ("1", "0"), &mut out);
        field(&Value::Null, Kind::Date, ("t", "f"), &mut out);
        assert_eq!(out, "0.331\\N");
    }
}
