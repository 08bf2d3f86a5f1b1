//! A route into MongoDB: the document that an event becomes.
//!
//! In `columns` a string `event.<field>` is that field, "null" nothing; anything else stands for itself; tables nest. The time of writing is
//! not among the fields: a document that is written again must be the same.

use crate::event::{FIELDS, FieldType, RoutedEvent, no_field};
use crate::file::{Operation, Route};
use serde_json::{Value, json};

/// A value of a document, for an encoder that knows BSON's types.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Json(Value),
    /// Microseconds since 1970.
    Time(i64),
    Nested(Vec<(String, Part)>),
}

/// The document of one event; absent fields are left out. `_id` names route and event unless the route says another.
pub fn document(route: &Route, event: &RoutedEvent) -> Vec<(String, Part)> {
    let mut parts = nested(route.columns.iter(), event);
    if route.operation == Operation::Insert && !parts.iter().any(|(name, _)| name == "_id") {
        let uid = event.values.get("uid").and_then(Value::as_str).unwrap_or_default();
        parts.insert(0, ("_id".to_owned(), Part::Json(json!(format!("{uid}/{}", route.name)))));
    }
    parts
}

fn nested<'a>(
    columns: impl Iterator<Item = (&'a String, &'a toml::Value)>,
    event: &RoutedEvent,
) -> Vec<(String, Part)> {
    columns.filter_map(|(name, value)| Some((name.clone(), part(value, event)?))).collect()
}

fn part(value: &toml::Value, event: &RoutedEvent) -> Option<Part> {
    Some(match value {
        toml::Value::String(text) => return text_part(text, event),
        toml::Value::Integer(number) => Part::Json(json!(number)),
        toml::Value::Float(number) => Part::Json(json!(number)),
        toml::Value::Boolean(truth) => Part::Json(json!(truth)),
        toml::Value::Table(table) => Part::Nested(nested(table.iter(), event)),
        // Refused by `check`.
        toml::Value::Datetime(_) | toml::Value::Array(_) => return None,
    })
}

fn field(name: &str, event: &RoutedEvent) -> Option<Part> {
    let value = event.values.get(name)?;
    let known = FIELDS.iter().find(|field| field.name == name)?;
    if known.field_type != FieldType::Timestamp {
        return Some(Part::Json(value.clone()));
    }
    let time = chrono::NaiveDateTime::parse_from_str(value.as_str()?, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    Some(Part::Time(time.and_utc().timestamp_micros()))
}

/// What an update sets, by `set` where the route says it.
pub fn changes(route: &Route, event: &RoutedEvent) -> Vec<(String, Part)> {
    if !route.set.is_empty() {
        let set = route.set.iter();
        return set.filter_map(|(name, text)| Some((name.clone(), text_part(text, event)?))).collect();
    }
    let others = route.columns.iter().filter(|(name, _)| !route.key.contains(name));
    nested(others, event)
}

/// By what an update finds its document.
pub fn key(route: &Route, event: &RoutedEvent) -> Vec<(String, Part)> {
    nested(route.columns.iter().filter(|(name, _)| route.key.contains(name)), event)
}

fn text_part(text: &str, event: &RoutedEvent) -> Option<Part> {
    match text.strip_prefix("event.") {
        Some(name) => field(name, event),
        None if text == "null" => Some(Part::Json(Value::Null)),
        None => Some(Part::Json(json!(text))),
    }
}

/// What is wrong with a document's columns.
pub(crate) fn check(route: &Route) -> Result<(), String> {
    if route.when.is_some() || route.from.is_some() || route.only.is_some() || !route.group_by.is_empty() {
        return Err("when, from, only and group_by are for SQL; in MongoDB say `requires`".to_owned());
    }
    route.set.values().try_for_each(|text| check_text(text))?;
    route.columns.iter().try_for_each(|(name, value)| check_part(name, value))
}

fn check_text(text: &str) -> Result<(), String> {
    let field = text.strip_prefix("event.");
    match field.filter(|field| !FIELDS.iter().any(|known| known.name == *field)) {
        None => Ok(()),
        Some(field) => Err(no_field(field)),
    }
}

fn check_part(name: &str, value: &toml::Value) -> Result<(), String> {
    match value {
        toml::Value::String(text) => check_text(text).map_err(|cause| format!("{name}: {cause}")),
        toml::Value::Table(nested) => nested.iter().try_for_each(|(name, value)| check_part(name, value)),
        toml::Value::Array(_) => Err(format!("{name}: a list cannot be written; write its parts one by one")),
        toml::Value::Datetime(_) => Err(format!("{name}: a constant time says nothing of an event; write event.at")),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => Ok(()),
    }
}
