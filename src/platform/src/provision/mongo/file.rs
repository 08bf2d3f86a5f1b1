//! What a schema file says of its collection.
//!
//! A file of `config/schema/mongodb/<database>/` holds
//! - `purpose`: one sentence
//! - `timeseries`, `expireAfterSeconds`: for a time series, which MongoDB lets have no validator; `fields` describes its
//!   documents in the same form
//! - `validator`: for any other collection; `$jsonSchema` with a `description` at every field is the data dictionary
//! - `indexes`: as `createIndexes` takes them; ordinary collections expire by one with `expireAfterSeconds`
//!
//! `expireAfterSeconds` is as [`expiry`](genims_databases::expiry) reads it.

use genims_databases::Database;
use genims_databases::expiry::{EXPIRE_AFTER, Expiry};
use mongodb::bson::{Bson, Document, deserialize_from_bson, doc};
use serde::Deserialize;

/// One file; its name is the collection's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Wanted {
    #[serde(skip)]
    pub(super) name: &'static str,
    #[serde(skip)]
    pub(super) text: &'static str,
    #[serde(rename = "purpose")]
    _purpose: String,
    pub(super) timeseries: Option<TimeSeries>,
    /// Left out: documents are kept for good, or expire by an index.
    #[serde(skip)]
    pub(super) expire_after_seconds: Option<i64>,
    #[serde(rename = "expireAfterSeconds")]
    expiry: Option<Expiry>,
    #[serde(default)]
    pub(super) validator: Document,
    /// For the dictionary only.
    #[serde(default, rename = "fields")]
    _fields: Document,
    pub(super) indexes: Vec<Index>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct TimeSeries {
    pub(super) time_field: String,
    pub(super) meta_field: String,
    pub(super) granularity: Granularity,
}

/// In the order in which MongoDB lets it grow.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub(super) enum Granularity {
    Seconds,
    Minutes,
    Hours,
}

impl Granularity {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Minutes => "minutes",
            Self::Hours => "hours",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) key: Document,
    /// `unique`, `expireAfterSeconds`, `partialFilterExpression` ...; what the server does not know, it refuses.
    #[serde(flatten)]
    pub(super) options: Document,
}

impl Index {
    /// As `createIndexes` takes it.
    pub(super) fn specification(&self) -> Document {
        let mut specification = doc! { "name": &self.name, "key": self.key.clone() };
        specification.extend(self.options.clone());
        specification
    }
}

impl Wanted {
    /// With every expiry in seconds.
    pub(super) fn parse(database: &Database, name: &'static str, text: &'static str) -> Result<Self, String> {
        let mut parsed: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let seconds = |expiry: Expiry| {
            let after = expiry.after(database)?;
            i64::try_from(after.as_secs()).map_err(|error| error.to_string())
        };
        for index in &mut parsed.indexes {
            let Some(said) = index.options.get(EXPIRE_AFTER) else { continue };
            let expiry: Expiry = deserialize_from_bson(said.clone()).map_err(|error| error.to_string())?;
            index.options.insert(EXPIRE_AFTER, seconds(expiry)?);
        }
        parsed.expire_after_seconds = parsed.expiry.map(seconds).transpose()?;
        if parsed.timeseries.is_some() != parsed.validator.is_empty() {
            return Err("a time series has no validator (but `fields`), any other collection has one".to_owned());
        }
        if parsed.timeseries.is_none() && parsed.expire_after_seconds.is_some() {
            let cause = "only a time series has `expireAfterSeconds`; any other collection has it in an index";
            return Err(cause.to_owned());
        }
        Ok(Self { name: name.trim_end_matches(".json"), text, ..parsed })
    }

    /// The command that makes the collection, without its indexes.
    pub(super) fn create(&self) -> Document {
        let mut command = doc! { "create": self.name };
        if let Some(series) = &self.timeseries {
            command.insert(
                "timeseries",
                doc! {
                    "timeField": &series.time_field,
                    "metaField": &series.meta_field,
                    "granularity": series.granularity.word(),
                },
            );
        }
        if let Some(seconds) = self.expire_after_seconds {
            command.insert(EXPIRE_AFTER, seconds);
        }
        command.extend(self.validation());
        command
    }

    /// The part of `create` and `collMod` that validates; nothing for a time series.
    pub(super) fn validation(&self) -> Document {
        match self.timeseries {
            Some(_) => Document::new(),
            None => doc! {
                "validator": self.validator.clone(), "validationLevel": "strict", "validationAction": "error",
            },
        }
    }
}

/// Whether two values say the same: servers and shells answer numbers as any number type, and fields in any order.
pub(super) fn same(one: &Bson, other: &Bson) -> bool {
    match (one, other) {
        (Bson::Document(one), Bson::Document(other)) => same_document(one, other),
        (Bson::Array(one), Bson::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        _ => match (number(one), number(other)) {
            (Some(one), Some(other)) => one == other,
            _ => one == other,
        },
    }
}

pub(super) fn same_document(one: &Document, other: &Document) -> bool {
    one.len() == other.len()
        && one.iter().all(|(field, value)| other.get(field).is_some_and(|other| same(value, other)))
}

pub(super) fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Int32(number) => Some(f64::from(*number)),
        Bson::Int64(number) => Some(*number as f64),
        Bson::Double(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_databases::{Registry, schema};
    use genims_model::dead_letter::Reason;
    use genims_model::snapshot::SnapshotFields;
    use serde_json::Value;

    fn production() -> Database {
        let registry = Registry::load(None).expect("the embedded registry");
        registry.get("genims_production").expect("in the registry").clone()
    }

    fn files() -> Vec<schema::SchemaFile> {
        schema::files(&production())
    }

    /// What is missing in a dictionary, recursively.
    fn flaws(path: &str, schema: &Value, flaws: &mut Vec<String>) {
        let properties = schema["properties"].as_object();
        for field in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !properties.is_some_and(|properties| properties.contains_key(field)) {
                flaws.push(format!("{path}.{field} is required but not described"));
            }
        }
        for (field, description) in properties.into_iter().flatten() {
            let path = format!("{path}.{field}");
            if description["description"].as_str().is_none_or(str::is_empty) || description["bsonType"].is_null() {
                flaws.push(format!("{path} has no description or no type"));
            }
            let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !field.chars().all(snake) {
                flaws.push(format!("{path} is not in snake_case"));
            }
            self::flaws(&path, description, flaws);
            self::flaws(&path, &description["items"], flaws);
        }
    }

    /// The description of `a.b`, through arrays.
    fn field<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
        path.split('.').try_fold(schema, |schema, name| {
            schema["properties"].get(name).or_else(|| schema["items"]["properties"].get(name))
        })
    }

    #[test]
    fn the_files_are_those_of_the_contract_and_describe_every_field() {
        let files = files();
        assert_eq!(files.len(), production().tables as usize);
        for file in files {
            let wanted = Wanted::parse(&production(), file.name, file.text).expect(file.name);
            let json: Value = serde_json::from_str(file.text).expect("JSON");
            let dictionary =
                if wanted.timeseries.is_some() { &json["fields"] } else { &json["validator"]["$jsonSchema"] };
            assert!(dictionary["properties"].as_object().is_some_and(|fields| fields.len() >= 5), "{}", file.name);
            let mut found = Vec::new();
            flaws(wanted.name, dictionary, &mut found);
            for index in &wanted.indexes {
                let unknown = index.key.keys().filter(|path| field(dictionary, path).is_none());
                found.extend(unknown.map(|path| format!("{}.{}: no field {path}", wanted.name, index.name)));
                if index.options.contains_key(EXPIRE_AFTER) {
                    let (path, _) = index.key.iter().next().expect("a key");
                    let kind = &field(dictionary, path).expect("described")["bsonType"];
                    assert!(kind == "date" || kind[0] == "date", "{}.{}", wanted.name, index.name);
                }
            }
            assert_eq!(found, Vec::<String>::new());
        }
    }

    #[test]
    fn how_long_documents_are_kept_is_as_their_purpose_says() {
        let said = regex::Regex::new(r"(\d+) (days|months|years)\b").expect("an expression");
        let (mut compared, mut by_the_registry) = (0, 0);
        for file in files() {
            let wanted = Wanted::parse(&production(), file.name, file.text).expect(file.name);
            let json: Value = serde_json::from_str(file.text).expect("JSON");
            let purpose = json["purpose"].as_str().expect("a purpose");
            let by_index = |index: &Index| index.options.get(EXPIRE_AFTER).and_then(number);
            let seconds = wanted.expire_after_seconds.map(|seconds| seconds as f64);
            let Some(seconds) = seconds.or_else(|| wanted.indexes.iter().find_map(by_index)) else { continue };
            by_the_registry += usize::from(file.text.contains(r#""expireAfterSeconds": "retention""#));
            let days = seconds / 86_400.0;
            let Some(found) = said.captures(purpose) else { panic!("{}: kept {days} days", file.name) };
            let unit = match &found[2] {
                "days" => 1.0,
                "months" => 30.44,
                _ => 365.25,
            };
            let number: f64 = found[1].parse().expect("a number");
            assert!((days / unit - number).abs() < 0.05, "{}: {days} days, {purpose}", file.name);
            compared += 1;
        }
        assert!(compared >= 15 && by_the_registry >= 9, "{compared}, {by_the_registry}");
        let word = r#"{"purpose": "p", "validator": {"a": 1}, "indexes": [{"name": "i", "key": {"t": 1}, "expireAfterSeconds": "soon"}]}"#;
        assert!(Wanted::parse(&production(), "a.json", word).is_err_and(|error| error.contains("retention")));
    }

    #[test]
    fn what_the_stream_writes_is_described_by_its_own_names() {
        let json = |name: &str| -> Value {
            let file = files().into_iter().find(|file| file.name == name).expect(name);
            serde_json::from_str(file.text).expect("JSON")
        };
        let scada = json("scada_events.json");
        let snapshot = serde_json::to_value(SnapshotFields::default()).expect("JSON");
        for name in snapshot.as_object().expect("an object").keys() {
            assert!(field(&scada["fields"], name.trim_end_matches("_us")).is_some(), "{name}");
        }
        let dead_letters = json("dead_letter_events.json");
        let reasons = field(&dead_letters["validator"]["$jsonSchema"], "reason").expect("described");
        assert_eq!(reasons["enum"], serde_json::json!(Reason::ALL.map(Reason::code)));
    }

    #[test]
    fn a_file_that_mongodb_could_not_follow_is_refused() {
        let series = r#""timeseries": {"timeField": "t", "metaField": "m", "granularity": "hours"}"#;
        for text in [
            r#"{"purpose": "p", "indexes": []}"#.to_owned(),
            r#"{"purpose": "p", "validator": {"a": 1}, "expireAfterSeconds": 1, "indexes": []}"#.to_owned(),
            r#"{"purpose": "p", "validator": {"a": 1}, "indices": []}"#.to_owned(),
            format!(r#"{{"purpose": "p", {series}, "validator": {{"a": 1}}, "indexes": []}}"#),
        ] {
            assert!(Wanted::parse(&production(), "a.json", text.leak()).is_err());
        }
        let fine = format!(r#"{{"purpose": "p", {series}, "fields": {{}}, "indexes": []}}"#);
        assert!(Wanted::parse(&production(), "a.json", fine.leak()).is_ok());
    }

    #[test]
    fn numbers_of_all_types_and_fields_in_any_order_are_the_same() {
        let one = doc! { "a": 1_i32, "b": [1_i64, { "c": 2.0 }] };
        assert!(same_document(&one, &doc! { "b": [1.0, { "c": 2_i32 }], "a": 1_i64 }));
        assert!(!same_document(&one, &doc! { "a": 1, "b": [{ "c": 2 }, 1] }));
        assert!(!same_document(&one, &doc! { "a": 1, "b": [1, { "c": 2 }], "d": Bson::Null }));
    }
}
