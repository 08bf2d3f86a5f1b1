//! Rows of a source as documents of MongoDB.
//!
//! Enters: rows, the columns that make the key, a pipeline as text. Leaves: documents whose `_id` follows from their key alone, so that
//! whoever computes a document twice has one. A null is a field that is not there; JSON is what it says.

use bson::{Bson, DateTime, Document};
use chrono::SecondsFormat;
use genims_databases::{Engine, PostgresError, PostgresRow, quoted};

/// A column on its way into a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentField {
    name: String,
    kind: FieldKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldKind {
    Truth,
    Integer,
    Number,
    /// As milliseconds since 1970.
    Moment,
    Json,
    Text,
}

impl DocumentField {
    /// A column of a query with the type that PostgreSQL calls so, and the expression that reads it.
    pub fn of(column: &str, kind: &str) -> (Self, String) {
        let name = quoted(Engine::Postgresql, column);
        let epoch = |moment: String| format!("floor(extract(epoch FROM {moment}) * 1000)::int8 AS {name}");
        let (kind, expression) = match kind {
            "bool" => (FieldKind::Truth, name.clone()),
            "int2" | "int4" | "int8" | "oid" => (FieldKind::Integer, format!("{name}::int8 AS {name}")),
            "numeric" | "float4" | "float8" => (FieldKind::Number, format!("{name}::float8 AS {name}")),
            "date" | "timestamp" => (FieldKind::Moment, epoch(format!("{name}::timestamp AT TIME ZONE 'UTC'"))),
            "timestamptz" => (FieldKind::Moment, epoch(name.clone())),
            "json" | "jsonb" => (FieldKind::Json, format!("{name}::text AS {name}")),
            _ => (FieldKind::Text, format!("{name}::text AS {name}")),
        };
        (Self { name: column.to_owned(), kind }, expression)
    }

    fn value(&self, row: &PostgresRow, at: usize) -> Result<Option<Bson>, PostgresError> {
        Ok(match self.kind {
            FieldKind::Truth => row.try_get::<_, Option<bool>>(at)?.map(Bson::Boolean),
            FieldKind::Integer => row.try_get::<_, Option<i64>>(at)?.map(Bson::Int64),
            FieldKind::Number => row.try_get::<_, Option<f64>>(at)?.map(Bson::Double),
            FieldKind::Moment => row.try_get::<_, Option<i64>>(at)?.map(DateTime::from_millis).map(Bson::DateTime),
            FieldKind::Json => row.try_get::<_, Option<&str>>(at)?.and_then(json),
            FieldKind::Text => row.try_get::<_, Option<String>>(at)?.map(Bson::String),
        })
    }
}

/// What PostgreSQL calls JSON is JSON.
fn json(text: &str) -> Option<Bson> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    bson::serialize_to_bson(&value).ok().filter(|value| *value != Bson::Null)
}

/// A row as a document; an error when a column of its key is null.
pub fn document(row: &PostgresRow, fields: &[DocumentField], key: &[String]) -> Result<Document, String> {
    let mut found = Document::new();
    for (at, field) in fields.iter().enumerate() {
        if let Some(value) = field.value(row, at).map_err(|error| error.to_string())? {
            found.insert(field.name.clone(), value);
        }
    }
    identified(found, key)
}

/// With an `_id`, as its first field: the key's values, one after another.
fn identified(found: Document, key: &[String]) -> Result<Document, String> {
    let mut parts = Vec::with_capacity(key.len());
    for name in key {
        parts.push(match found.get(name) {
            Some(Bson::String(said)) => said.clone(),
            Some(Bson::Int64(number)) => number.to_string(),
            Some(Bson::DateTime(at)) => text(*at),
            Some(_) => return Err(format!("{name} is in the key and neither text, whole number nor time")),
            None => return Err(format!("{name} is in the key and null")),
        });
    }
    let mut document = Document::new();
    document.insert("_id", parts.join(" "));
    document.extend(found);
    Ok(document)
}

fn text(at: DateTime) -> String {
    let at = chrono::DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The stages of an aggregation, written as JSON.
pub fn pipeline(text: &str) -> Result<Vec<Document>, String> {
    let stages: Vec<serde_json::Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let stage = |stage: &serde_json::Value| match bson::serialize_to_bson(stage) {
        Ok(Bson::Document(stage)) => Ok(stage),
        _ => Err("a pipeline is a list of stages, each an object".to_owned()),
    };
    stages.iter().map(stage).collect()
}

/// What a pipeline answers, as a source would say it.
pub fn told(value: Option<&Bson>) -> String {
    match value {
        Some(Bson::String(said)) => said.clone(),
        Some(Bson::DateTime(at)) => text(*at),
        None | Some(Bson::Null) => String::new(),
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    #[test]
    fn a_document_is_known_by_its_key() {
        let at = DateTime::from_millis(1_772_240_400_000);
        let found = doc! { "machine_id": "M1", "hour_start": at, "shift": 2_i64, "oee": 0.5 };
        let key = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let made = identified(found.clone(), &key(&["machine_id", "hour_start", "shift"])).expect("a document");
        assert_eq!(made.get("_id"), Some(&Bson::String("M1 2026-02-28T01:00:00Z 2".to_owned())));
        assert_eq!(made.keys().next().map(String::as_str), Some("_id"));
        assert_eq!(made.get("oee"), Some(&Bson::Double(0.5)));
        assert!(identified(found.clone(), &key(&["line_id"])).expect_err("no such field").contains("null"));
        assert!(identified(found, &key(&["oee"])).expect_err("a fraction").contains("neither"));
    }

    #[test]
    fn columns_are_read_as_their_fields_take_them() {
        let expression = |kind: &str| DocumentField::of("a", kind).1;
        assert_eq!(expression("int4"), "\"a\"::int8 AS \"a\"");
        assert_eq!(expression("numeric"), "\"a\"::float8 AS \"a\"");
        assert!(expression("date").contains("\"a\"::timestamp AT TIME ZONE 'UTC'"));
        assert_eq!(DocumentField::of("a", "varchar").0.kind, FieldKind::Text);
        assert_eq!(
            json(r#"[{"n": 1, "x": 0.5}]"#),
            Some(Bson::Array(vec![Bson::Document(doc! { "n": 1_i64, "x": 0.5 })]))
        );
        assert_eq!(json("null"), None);
    }

    #[test]
    fn a_pipeline_is_a_list_of_stages() {
        let stages = pipeline(r#"[{"$group": {"_id": "$k", "v": {"$sum": 1}}}]"#).expect("a pipeline");
        assert_eq!(stages, [doc! { "$group": { "_id": "$k", "v": { "$sum": 1_i64 } } }]);
        assert!(pipeline("[1]").is_err() && pipeline("SELECT 1").is_err() && pipeline("{}").is_err());
    }

    #[test]
    fn answers_are_told_as_sources_tell_them() {
        let told = |value: Bson| told(Some(&value));
        assert_eq!(told(Bson::Int64(3)), "3");
        assert_eq!(told(Bson::Double(1.5)), "1.5");
        assert_eq!(told(Bson::String("a".to_owned())), "a");
        assert_eq!(told(Bson::Null), "");
    }
}
