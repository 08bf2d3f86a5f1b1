//! A route into MongoDB: the document that an event becomes.
//!
//! In `columns` a string `event.<field>` is that field, `<look-up>.<column>` what the look-up in `from` says, "null" nothing; anything
//! else stands for itself; tables nest. The time of writing is not among the fields: a document that is written again must be the same.

use crate::event::RoutedEvent;
use crate::file::{Lookup, Operation, Route};
use crate::joined;
use crate::sql::placeholders;
use crate::vocabulary::{FIELDS, FieldType, no_field};
use serde_json::{Value, json};

const NOT_LATER: &str = " <= event.at";

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
    let mut parts = nested(route.columns.iter(), (route, event));
    if route.operation == Operation::Insert && !parts.iter().any(|(name, _)| name == "_id") {
        let uid = event.values.get("uid").and_then(Value::as_str).unwrap_or_default();
        parts.insert(0, ("_id".to_owned(), Part::Json(json!(id(route, uid)))));
    }
    parts
}

/// The `_id` of an event's document, unless the route says another.
pub fn id(route: &Route, uid: &str) -> String {
    format!("{uid}/{}", route.name)
}

fn nested<'a>(
    columns: impl Iterator<Item = (&'a String, &'a toml::Value)>,
    from: (&Route, &RoutedEvent),
) -> Vec<(String, Part)> {
    columns.filter_map(|(name, value)| Some((name.clone(), part(value, from)?))).collect()
}

fn part(value: &toml::Value, from: (&Route, &RoutedEvent)) -> Option<Part> {
    Some(match value {
        toml::Value::String(text) => return text_part(text, from),
        toml::Value::Integer(number) => Part::Json(json!(number)),
        toml::Value::Float(number) => Part::Json(json!(number)),
        toml::Value::Boolean(truth) => Part::Json(json!(truth)),
        toml::Value::Table(table) => Part::Nested(nested(table.iter(), from)),
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
        return set.filter_map(|(name, text)| Some((name.clone(), text_part(text, (route, event))?))).collect();
    }
    let others = route.columns.iter().filter(|(name, _)| !route.key.contains(name));
    nested(others, (route, event))
}

/// By what an update finds its document.
pub fn key(route: &Route, event: &RoutedEvent) -> Vec<(String, Part)> {
    nested(route.columns.iter().filter(|(name, _)| route.key.contains(name)), (route, event))
}

/// The path of a time that must not be later than the event, for a document to be found; one without it is.
pub fn not_later(route: &Route) -> Option<&str> {
    let path = route.only.as_deref()?.strip_suffix(NOT_LATER)?;
    (!path.is_empty() && !path.contains([' ', '$'])).then_some(path)
}

fn text_part(text: &str, (route, event): (&Route, &RoutedEvent)) -> Option<Part> {
    if let Some(name) = text.strip_prefix("event.") {
        return field(name, event);
    }
    if text == "null" {
        return Some(Part::Json(Value::Null));
    }
    match looked_up(text, route) {
        Some(_) => event.values.get(text).map(|value| Part::Json(value.clone())),
        None => Some(Part::Json(json!(text))),
    }
}

/// The column, when the text names one of the route's look-up.
fn looked_up<'a>(text: &'a str, route: &Route) -> Option<&'a str> {
    let name = route.from.as_deref().and_then(|from| placeholders(from).first().copied())?;
    text.strip_prefix(name)?.strip_prefix('.')
}

/// What is wrong with a document's columns.
pub(crate) fn check(route: &Route, lookups: &[Lookup]) -> Result<(), String> {
    if route.when.is_some() || !route.group_by.is_empty() {
        return Err("when and group_by are for SQL; in MongoDB say `requires` and `among`".to_owned());
    }
    if route.only.is_some() && (not_later(route).is_none() || route.operation == Operation::Insert) {
        return Err(
            "only narrows an update or an upsert, and in MongoDB it is `<path of a time> <= event.at`".to_owned()
        );
    }
    let lookup = joined::joins(route, lookups);
    match (&route.from, lookup) {
        (None, _) => {}
        (Some(from), Some(lookup)) if *from == format!("{{{}}}", lookup.name) => check_lookup(lookup)?,
        _ => return Err("from names one look-up of the file, as {name}".to_owned()),
    }
    route.set.values().try_for_each(|text| check_text(text, route, lookup))?;
    route.columns.iter().try_for_each(|(name, value)| check_part(name, value, route, lookup))
}

fn check_lookup(lookup: &Lookup) -> Result<(), String> {
    if joined::shared(lookup).next().is_none() {
        return Err(format!("look-up {}: a column must bear the name of a field, by which it is joined", lookup.name));
    }
    let time = lookup.columns.iter().find(|(_, field_type)| **field_type == FieldType::Timestamp);
    match time {
        Some((column, _)) => Err(format!("look-up {}: {column} is a time, which no document takes", lookup.name)),
        None => Ok(()),
    }
}

fn check_text(text: &str, route: &Route, lookup: Option<&Lookup>) -> Result<(), String> {
    if let Some(field) = text.strip_prefix("event.") {
        let known = FIELDS.iter().any(|known| known.name == field);
        return if known { Ok(()) } else { Err(no_field(field)) };
    }
    match looked_up(text, route).zip(lookup).filter(|(column, lookup)| !lookup.columns.contains_key(*column)) {
        None => Ok(()),
        Some((column, lookup)) => Err(format!("the look-up {} has no column {column}", lookup.name)),
    }
}

fn check_part(name: &str, value: &toml::Value, route: &Route, lookup: Option<&Lookup>) -> Result<(), String> {
    match value {
        toml::Value::String(text) => check_text(text, route, lookup).map_err(|cause| format!("{name}: {cause}")),
        toml::Value::Table(nested) => {
            nested.iter().try_for_each(|(name, value)| check_part(name, value, route, lookup))
        }
        toml::Value::Array(_) => Err(format!("{name}: a list cannot be written; write its parts one by one")),
        toml::Value::Datetime(_) => Err(format!("{name}: a constant time says nothing of an event; write event.at")),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => Ok(()),
    }
}
