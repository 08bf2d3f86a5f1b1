//! Indexes: what stands, compared with what a file says.
//!
//! Expiry and hiding are changed in place. Everything else takes a new index: on ordinary collections it is rebuilt, and
//! should that fail (documents that are not unique) the old one comes back. Time series hold the mass of the data, and
//! queries would miss the index for as long as the rebuild takes: there it is reported, and the operator picks the hour.

use super::file::{Index, Wanted, number, same_document};
use super::{Change, Work};
use genims_databases::expiry::EXPIRE_AFTER;
use mongodb::bson::{Bson, Document, doc};
use std::collections::BTreeMap;

/// What a server adds to an index by itself.
const BY_THE_SERVER: [&str; 8] =
    ["v", "ns", "name", "key", "weights", "background", "textIndexVersion", "2dsphereIndexVersion"];

pub(super) fn name_of(index: &Document) -> &str {
    index.get_str("name").unwrap_or_default()
}

/// How an index of a file stands on the server.
#[derive(Debug, PartialEq)]
pub(super) enum IndexStanding<'a> {
    Missing,
    Same,
    /// Changed in place by this `collMod`.
    Changed {
        what: String,
        command: Document,
    },
    /// Takes a new index in place of this one.
    Differs(&'a Document),
}

pub(super) fn standing<'a>(wanted: &Wanted, index: &Index, found: &'a [Document]) -> IndexStanding<'a> {
    let specification = index.specification();
    let Some(other) = found.iter().find(|other| name_of(other) == index.name) else {
        let named = |other: &&Document| wanted.indexes.iter().any(|index| index.name == name_of(other));
        let instead = found.iter().filter(|other| !named(other)).find(|other| in_the_way(&specification, other));
        return instead.map_or(IndexStanding::Missing, IndexStanding::Differs);
    };
    let (seconds, stands) = (expiry(&specification), expiry(other));
    if !same_but_expiry(&specification, other) || (seconds.is_none() && stands.is_some()) {
        return IndexStanding::Differs(other);
    }
    let mut change = doc! { "name": &index.name };
    let mut what = Vec::new();
    if let Some(seconds) = seconds.filter(|_| seconds != stands) {
        change.insert(EXPIRE_AFTER, seconds);
        what.push(format!("expiry {seconds} s"));
    }
    if is_true(other.get("hidden")) != is_true(specification.get("hidden")) {
        change.insert("hidden", is_true(specification.get("hidden")));
        what.push("hidden or not".to_owned());
    }
    match what.is_empty() {
        true => IndexStanding::Same,
        false => IndexStanding::Changed {
            what: format!("index {}.{}: {}", wanted.name, index.name, what.join(", ")),
            command: doc! { "collMod": wanted.name, "index": change },
        },
    }
}

/// Adds what to do about the indexes of a collection that stands.
pub(super) fn compare(wanted: &Wanted, found: &[Document], changes: &mut Vec<Change>, drift: &mut Vec<String>) {
    for index in &wanted.indexes {
        let name = format!("{}.{}", wanted.name, index.name);
        match standing(wanted, index, found) {
            IndexStanding::Same => {}
            IndexStanding::Missing => changes.push(Change {
                what: format!("new index {name}"),
                work: Work::Index { instead_of: None, specification: index.specification() },
            }),
            IndexStanding::Changed { what, command } => changes.push(Change { what, work: Work::Command(command) }),
            IndexStanding::Differs(other) if wanted.timeseries.is_some() => drift.push(format!(
                "index {name} is {}, its file says {}: db.{}.dropIndex(\"{}\") and run `genims provision` again",
                shown(other),
                shown(&index.specification()),
                wanted.name,
                name_of(other),
            )),
            IndexStanding::Differs(other) => changes.push(Change {
                what: format!("rebuilt index {name}: {}, was {}", shown(&index.specification()), shown(other)),
                work: Work::Index { instead_of: Some(other.clone()), specification: index.specification() },
            }),
        }
    }
}

/// Indexes that no file knows: somebody's own, reported and left alone.
pub(super) fn unexpected(wanted: &Wanted, found: &[Document]) -> Vec<String> {
    // Servers since 6.3 give every time series this index themselves.
    let series = wanted.timeseries.as_ref().map(|series| format!("{}_1_{}_1", series.meta_field, series.time_field));
    let known = |name: &str| {
        name == "_id_" || series.as_deref() == Some(name) || wanted.indexes.iter().any(|index| index.name == name)
    };
    let unexpected = found.iter().map(name_of).filter(|name| !known(name));
    unexpected.map(|name| format!("index {}.{name} is in no schema file", wanted.name)).collect()
}

/// Whether the server refuses one beside the other: the same index under another name, or a second text index.
fn in_the_way(one: &Document, other: &Document) -> bool {
    same_but_expiry(one, other) || (!weights(one).is_empty() && !weights(other).is_empty())
}

fn same_but_expiry(one: &Document, other: &Document) -> bool {
    key(one) == key(other) && weights(one) == weights(other) && same_document(&options(one), &options(other))
}

fn expiry(index: &Document) -> Option<i64> {
    index.get(EXPIRE_AFTER).and_then(number).map(|seconds| seconds as i64)
}

fn is_true(value: Option<&Bson>) -> bool {
    value.and_then(Bson::as_bool).unwrap_or(false)
}

/// Fields in order with their direction or kind. Text fields are a set, kept by the server apart from the key.
fn key(index: &Document) -> Vec<(&str, String)> {
    let Ok(key) = index.get_document("key") else { return Vec::new() };
    let plain = key.iter().filter(|(field, value)| value.as_str() != Some("text") && *field != "_ftsx");
    let kind = |value: &Bson| number(value).map_or_else(|| value.to_string(), |number| number.to_string());
    plain.map(|(field, value)| (field.as_str(), kind(value))).collect()
}

/// Text fields with their weights; 1 where nothing is said.
fn weights(index: &Document) -> BTreeMap<&str, i64> {
    let key = index.get_document("key").ok();
    let text = key.into_iter().flatten().filter(|(field, value)| value.as_str() == Some("text") && *field != "_fts");
    let said = index.get_document("weights").ok().into_iter().flatten();
    let weight = |value: &Bson| number(value).unwrap_or(1.0) as i64;
    text.map(|(field, _)| (field.as_str(), 1))
        .chain(said.map(|(field, value)| (field.as_str(), weight(value))))
        .collect()
}

/// Options that are not the server's own, not changed in place, and not as if nothing were said.
fn options(index: &Document) -> Document {
    let said = |field: &str, value: &Bson| match field {
        EXPIRE_AFTER | "hidden" => false,
        "default_language" => value.as_str() != Some("english"),
        "language_override" => value.as_str() != Some("language"),
        _ => !BY_THE_SERVER.contains(&field) && *value != Bson::Boolean(false),
    };
    let said = index.iter().filter(|(field, value)| said(field, value));
    said.map(|(field, value)| (field.clone(), value.clone())).collect()
}

fn shown(index: &Document) -> String {
    let mut shown = index.get_document("key").map(ToString::to_string).unwrap_or_default();
    if !weights(index).is_empty() {
        shown.push_str(&format!(" text {:?}", weights(index)));
    }
    if let Some(seconds) = expiry(index) {
        shown.push_str(&format!(" expiry {seconds} s"));
    }
    let options = options(index);
    if !options.is_empty() {
        shown.push_str(&format!(" {options}"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Wanted {
        let registry = genims_databases::Registry::load(None).expect("the embedded registry");
        let database = registry.get("genims_production").expect("in the registry");
        Wanted::parse(database, "c.json", text).expect("a good file")
    }

    fn wanted(index: &str) -> Wanted {
        let text = format!(r#"{{"purpose": "p", "validator": {{"a": 1}}, "indexes": [{index}]}}"#);
        parse(text.leak())
    }

    fn standing_of(index: &str, found: &[Document]) -> String {
        let wanted = wanted(index);
        match standing(&wanted, &wanted.indexes[0], found) {
            IndexStanding::Changed { command, .. } => command.get_document("index").expect("an index").to_string(),
            IndexStanding::Differs(other) => format!("Differs {}", name_of(other)),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_the_server_adds_is_no_difference() {
        let plain = r#"{"name": "i", "key": {"a": 1, "b": -1}}"#;
        let found = doc! { "v": 2, "name": "i", "key": { "a": 1.0, "b": -1_i64 }, "sparse": false };
        assert_eq!(standing_of(plain, &[found]), "Same");
        let text = r#"{"name": "i", "key": {"a": "text", "b": "text", "c": 1}, "weights": {"a": 3}}"#;
        let found = doc! {
            "v": 2, "name": "i", "key": { "_fts": "text", "_ftsx": 1, "c": 1 }, "weights": { "b": 1, "a": 3 },
            "default_language": "english", "language_override": "language", "textIndexVersion": 3,
        };
        assert_eq!(standing_of(text, std::slice::from_ref(&found)), "Same");
        assert_eq!(standing_of(&text.replace('3', "4"), &[found]), "Differs i");
        assert_eq!(standing_of(text, &[]), "Missing");
    }

    #[test]
    fn expiry_and_hiding_change_in_place_and_all_else_differs() {
        let expiring = r#"{"name": "i", "key": {"at": 1}, "expireAfterSeconds": 60}"#;
        let found = doc! { "name": "i", "key": { "at": 1 }, "expireAfterSeconds": 60.0 };
        assert_eq!(standing_of(expiring, std::slice::from_ref(&found)), "Same");
        assert_eq!(standing_of(r#"{"name": "i", "key": {"at": 1}}"#, &[found]), "Differs i");
        let never = doc! { "name": "i", "key": { "at": 1 }, "hidden": true };
        let change = doc! { "name": "i", "expireAfterSeconds": 60_i64, "hidden": false };
        assert_eq!(standing_of(expiring, &[never]), change.to_string());
        for other in [
            doc! { "name": "i", "key": { "at": -1 }, "expireAfterSeconds": 60 },
            doc! { "name": "i", "key": { "at": 1, "b": 1 }, "expireAfterSeconds": 60 },
            doc! { "name": "i", "key": { "at": 1 }, "expireAfterSeconds": 60, "unique": true },
            doc! { "name": "i", "key": { "at": 1 }, "expireAfterSeconds": 60, "partialFilterExpression": { "a": 1 } },
            doc! { "name": "i", "key": { "at": 1 }, "expireAfterSeconds": 60, "collation": { "locale": "de" } },
            doc! { "name": "old_name", "key": { "at": 1 }, "expireAfterSeconds": 9 },
        ] {
            let name = name_of(&other).to_owned();
            assert_eq!(standing_of(expiring, &[other]), format!("Differs {name}"));
        }
        let beside = doc! { "name": "own", "key": { "at": 1 }, "unique": true };
        assert_eq!(standing_of(expiring, &[beside]), "Missing");
    }

    #[test]
    fn a_time_series_is_not_rebuilt_but_reported() {
        let text = r#"{"purpose": "p", "indexes": [{"name": "i", "key": {"m.a": 1, "t": -1}}],
            "timeseries": {"timeField": "t", "metaField": "m", "granularity": "hours"}}"#;
        let wanted = parse(text);
        let found = [doc! { "name": "i", "key": { "t": 1 } }, doc! { "name": "m_1_t_1", "key": { "m": 1, "t": 1 } }];
        let (mut changes, mut drift) = (Vec::new(), Vec::new());
        compare(&wanted, &found, &mut changes, &mut drift);
        assert!(changes.is_empty());
        assert!(drift[0].contains(r#"dropIndex("i")"#), "{drift:?}");
        assert_eq!(unexpected(&wanted, &found), Vec::<String>::new());
    }
}
