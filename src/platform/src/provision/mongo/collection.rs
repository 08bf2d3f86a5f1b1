//! A collection's own options: kind, time series, expiry, validator; compared with what its file says.

use super::file::{Granularity, Wanted, same, same_document};
use super::{Change, Work};
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{TimeseriesGranularity, ValidationAction, ValidationLevel};
use mongodb::results::{CollectionSpecification, CollectionType};

/// Of the changed fields of a validator, so many are named.
const FIELDS_NAMED_MAX: usize = 6;

/// Adds what to do. Answers whether it is the kind of collection that its file says; nothing can be done with another.
pub(super) fn compare(
    wanted: &Wanted,
    found: &CollectionSpecification,
    changes: &mut Vec<Change>,
    drift: &mut Vec<String>,
) -> bool {
    let name = wanted.name;
    let mut says = |what: &str| drift.push(format!("{name} {what}: rename it, provision and copy"));
    match (wanted.timeseries.is_some(), &found.collection_type) {
        (_, CollectionType::View) => says("is a view"),
        (true, CollectionType::Timeseries) => {
            compare_series(wanted, found, changes, drift);
            return true;
        }
        (false, CollectionType::Collection) if found.options.capped == Some(true) => says("is capped"),
        (false, CollectionType::Collection) => {
            if found.options.collation.is_some() {
                says("has a collation of its own");
            }
            changes.extend(validator(wanted, found));
            return true;
        }
        (true, _) => says("is no time series"),
        (false, _) => says("is a time series"),
    }
    false
}

fn compare_series(
    wanted: &Wanted,
    found: &CollectionSpecification,
    changes: &mut Vec<Change>,
    drift: &mut Vec<String>,
) {
    let name = wanted.name;
    let (Some(series), Some(stands)) = (&wanted.timeseries, &found.options.timeseries) else { return };
    if stands.time_field != series.time_field || stands.meta_field.as_deref() != Some(&series.meta_field) {
        drift.push(format!(
            "{name}: timeField and metaField cannot be changed: rename the collection, provision and copy"
        ));
    }
    let granularity = stands.granularity.as_ref().map(granularity);
    if granularity < Some(series.granularity) {
        changes.push(Change {
            what: format!("{name}: granularity {}", series.granularity.word()),
            work: Work::Command(doc! {
                "collMod": name, "timeseries": { "granularity": series.granularity.word() },
            }),
        });
    } else if granularity > Some(series.granularity) {
        drift.push(format!("{name}: MongoDB cannot make granularity finer: rename the collection, provision and copy"));
    }
    let expiry = found.options.expire_after_seconds.map(|duration| duration.as_secs() as i64);
    if expiry != wanted.expire_after_seconds {
        let (value, word) = match wanted.expire_after_seconds {
            Some(seconds) => (Bson::Int64(seconds), format!("{seconds} s")),
            None => (Bson::String("off".to_owned()), "never".to_owned()),
        };
        changes.push(Change {
            what: format!("{name}: expiry {word}"),
            work: Work::Command(doc! { "collMod": name, "expireAfterSeconds": value }),
        });
    }
}

fn granularity(stands: &TimeseriesGranularity) -> Granularity {
    match stands {
        TimeseriesGranularity::Minutes => Granularity::Minutes,
        TimeseriesGranularity::Hours => Granularity::Hours,
        _ => Granularity::Seconds,
    }
}

/// Documents that are there already are not looked at: MongoDB asks the validator again when they are next written.
fn validator(wanted: &Wanted, found: &CollectionSpecification) -> Option<Change> {
    let none = Document::new();
    let stands = found.options.validator.as_ref().unwrap_or(&none);
    let mut differences = differences(&wanted.validator, stands);
    if !matches!(found.options.validation_level, None | Some(ValidationLevel::Strict)) {
        differences.push("its level was not strict".to_owned());
    }
    if !matches!(found.options.validation_action, None | Some(ValidationAction::Error)) {
        differences.push("its action was not error".to_owned());
    }
    if differences.is_empty() {
        return None;
    }
    let mut command = doc! { "collMod": wanted.name };
    command.extend(wanted.validation());
    let what = format!("{}: validator: {}", wanted.name, differences.join(", "));
    Some(Change { what, work: Work::Command(command) })
}

/// In few words; empty when both say the same.
fn differences(wanted: &Document, stands: &Document) -> Vec<String> {
    if same_document(wanted, stands) {
        return Vec::new();
    }
    if stands.is_empty() {
        return vec!["there was none".to_owned()];
    }
    let schema = |validator: &Document| validator.get_document("$jsonSchema").cloned().unwrap_or_default();
    let fields = |schema: &Document| schema.get_document("properties").cloned().unwrap_or_default();
    let (wanted, stands) = (schema(wanted), schema(stands));
    let (wanted_fields, stands_fields) = (fields(&wanted), fields(&stands));
    let alike = |field: &String| match (wanted_fields.get(field), stands_fields.get(field)) {
        (Some(one), Some(other)) => same(one, other),
        _ => false,
    };
    let gone = stands_fields.keys().filter(|field| !wanted_fields.contains_key(*field));
    let mut named: Vec<String> =
        wanted_fields.keys().chain(gone).filter(|field| !alike(field)).map(|field| format!("field {field}")).collect();
    if named.len() > FIELDS_NAMED_MAX {
        let more = named.len() - FIELDS_NAMED_MAX;
        named.truncate(FIELDS_NAMED_MAX);
        named.push(format!("{more} more"));
    }
    match (wanted.get("required"), stands.get("required")) {
        (Some(one), Some(other)) if same(one, other) => {}
        (None, None) => {}
        _ => named.push("required fields".to_owned()),
    }
    if named.is_empty() {
        named.push("other rules".to_owned());
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(properties: Document, required: &[&str]) -> Document {
        doc! { "$jsonSchema": { "bsonType": "object", "required": required.to_vec(), "properties": properties } }
    }

    #[test]
    fn a_changed_validator_is_told_by_its_fields() {
        let wanted = schema(doc! { "a": { "minimum": 1 }, "b": { "bsonType": "date" }, "c": {} }, &["a"]);
        let stands = schema(doc! { "b": { "bsonType": "date" }, "a": { "minimum": 2 }, "d": {} }, &["a", "b"]);
        assert_eq!(differences(&wanted, &stands), ["field a", "field c", "field d", "required fields"]);
        assert_eq!(differences(&wanted, &wanted), Vec::<String>::new());
        assert_eq!(differences(&wanted, &Document::new()), ["there was none"]);
        assert_eq!(differences(&wanted, &doc! { "a": 1 }).len(), 4);
        let mut closed = wanted.clone();
        closed.get_document_mut("$jsonSchema").expect("a schema").insert("additionalProperties", false);
        assert_eq!(differences(&wanted, &closed), ["other rules"]);
        let many: Document = (0..9).map(|number| (format!("f{number}"), Bson::Null)).collect();
        assert_eq!(differences(&schema(many, &[]), &schema(doc! {}, &[])).last().map(String::as_str), Some("3 more"));
    }
}
