//! The document store: collections with their time-series options, expiry and indexes, one JSON file each.
//!
//! What MongoDB can change in place is changed (`collMod`), what it cannot is reported as drift and never skipped in
//! silence. Every command is idempotent, so runs at the same time do no harm.

use super::{Findings, Mode, Task};
use crate::databases::{MongoSettings, mongo::INTERNAL_DATABASE, schema};
use crate::platform::errors::PlatformError;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::error::ErrorKind;
use mongodb::results::CollectionSpecification;
use mongodb::{Client, Database, IndexModel};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One file of `config/schema/mongodb/<database>/`; its name is the collection's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    #[serde(skip)]
    name: &'static str,
    #[serde(skip)]
    text: &'static str,
    #[serde(rename = "purpose")]
    _purpose: String,
    timeseries: Option<TimeSeries>,
    /// Left out: documents are kept for good.
    expire_after_seconds: Option<i64>,
    indexes: Vec<Index>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TimeSeries {
    time_field: String,
    meta_field: String,
    granularity: Granularity,
}

/// In the order in which MongoDB lets it grow.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
enum Granularity {
    Seconds,
    Minutes,
    Hours,
}

impl Granularity {
    fn word(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Minutes => "minutes",
            Self::Hours => "hours",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    name: String,
    key: serde_json::Map<String, serde_json::Value>,
}

impl Index {
    fn key(&self) -> Document {
        let direction = |value: &serde_json::Value| value.as_i64().map_or(Bson::Int32(1), |n| Bson::Int32(n as i32));
        self.key.iter().map(|(field, value)| (field.clone(), direction(value))).collect()
    }
}

/// One command that brings a collection nearer to its file.
#[derive(Debug, PartialEq)]
struct Change {
    what: String,
    command: Document,
}

pub(super) async fn provision(task: &Task<'_>) -> Result<Findings, PlatformError> {
    let settings = MongoSettings::from_environment(task.database, task.environment)?;
    let failed = |source| PlatformError::from(settings.error(source));
    task.step("connecting");
    let client = settings.client().await?;
    let database = client.database(settings.database_name());
    let existing = collections(&database).await.map_err(failed)?;
    let mut findings = Findings::default();
    let wanted = wanted(task)?;
    for collection in &wanted {
        task.step(collection.name);
        let found = existing.get(collection.name);
        let indexes = match found {
            Some(_) => indexes(&database, collection.name).await.map_err(failed)?,
            None => Vec::new(),
        };
        let (changes, drift) = compare(collection, found, &indexes, task.mode);
        findings.drift.extend(drift);
        for change in changes {
            if task.mode == Mode::Apply {
                run(&database, change.command).await.map_err(failed)?;
            }
            match task.mode {
                Mode::Check => findings.drift.push(format!("{}: not as in its file: {}", collection.name, change.what)),
                Mode::Apply | Mode::Plan => findings.changes.push(change.what),
            }
        }
        if task.mode == Mode::Apply {
            if found.is_some() && settle_indexes(&database, collection, &indexes).await.map_err(failed)? {
                findings.changes.push(format!("indexes of {} finished", collection.name));
            }
            record(&client, &settings, collection).await.map_err(failed)?;
        }
    }
    if task.mode == Mode::Check {
        let known = |name: &str| wanted.iter().any(|collection| collection.name == name) || name.starts_with("system.");
        let unexpected = existing.keys().filter(|name| !known(name));
        findings.drift.extend(unexpected.map(|name| format!("collection {name} is in no schema file")));
    }
    Ok(findings)
}

fn wanted(task: &Task<'_>) -> Result<Vec<Wanted>, PlatformError> {
    schema::files(task.database)
        .into_iter()
        .map(|file| {
            let mut wanted: Wanted = serde_json::from_str(file.text).map_err(|error| PlatformError::SchemaFile {
                database: task.database.name.clone(),
                file: file.name.to_owned(),
                cause: error.to_string(),
            })?;
            wanted.name = file.name.trim_end_matches(".json");
            wanted.text = file.text;
            Ok(wanted)
        })
        .collect()
}

type Specifications = BTreeMap<String, CollectionSpecification>;

async fn collections(database: &Database) -> Result<Specifications, mongodb::error::Error> {
    let all: Vec<CollectionSpecification> = database.list_collections().await?.try_collect().await?;
    Ok(all.into_iter().map(|collection| (collection.name.clone(), collection)).collect())
}

async fn indexes(database: &Database, name: &str) -> Result<Vec<IndexModel>, mongodb::error::Error> {
    database.collection::<Document>(name).list_indexes().await?.try_collect().await
}

/// What to do, and what cannot be done.
fn compare(
    wanted: &Wanted,
    found: Option<&CollectionSpecification>,
    indexes: &[IndexModel],
    mode: Mode,
) -> (Vec<Change>, Vec<String>) {
    let (mut changes, mut drift) = (Vec::new(), Vec::new());
    match found {
        None => changes.push(create(wanted)),
        Some(found) => compare_options(wanted, found, &mut changes, &mut drift),
    }
    for index in &wanted.indexes {
        match indexes.iter().find(|other| name_of(other).as_deref() == Some(&index.name)) {
            None => changes.push(Change {
                what: format!("new index {}.{}", wanted.name, index.name),
                command: doc! {
                    "createIndexes": wanted.name,
                    "indexes": [{ "name": &index.name, "key": index.key() }],
                },
            }),
            Some(other) if !same_key(&other.keys, &index.key()) => drift.push(format!(
                "index {}.{} has the key {}, its file says {}: drop it and run `genims provision` again",
                wanted.name,
                index.name,
                other.keys,
                index.key()
            )),
            Some(_) => {}
        }
    }
    if mode == Mode::Check {
        let known = |name: &str| name == "_id_" || wanted.indexes.iter().any(|index| index.name == name);
        let unexpected = indexes.iter().filter_map(name_of).filter(|name| !known(name));
        drift.extend(unexpected.map(|name| format!("index {}.{name} is in no schema file", wanted.name)));
    }
    (changes, drift)
}

fn name_of(index: &IndexModel) -> Option<String> {
    index.options.as_ref().and_then(|options| options.name.clone())
}

fn create(wanted: &Wanted) -> Change {
    let mut command = doc! { "create": wanted.name };
    if let Some(series) = &wanted.timeseries {
        command.insert(
            "timeseries",
            doc! {
                "timeField": &series.time_field,
                "metaField": &series.meta_field,
                "granularity": series.granularity.word(),
            },
        );
    }
    if let Some(seconds) = wanted.expire_after_seconds {
        command.insert("expireAfterSeconds", seconds);
    }
    Change { what: format!("new collection {}", wanted.name), command }
}

fn compare_options(
    wanted: &Wanted,
    found: &CollectionSpecification,
    changes: &mut Vec<Change>,
    drift: &mut Vec<String>,
) {
    let name = wanted.name;
    let stands = found.options.timeseries.as_ref();
    match (&wanted.timeseries, stands) {
        (Some(series), Some(stands)) => {
            if stands.time_field != series.time_field || stands.meta_field.as_deref() != Some(&series.meta_field) {
                drift.push(format!(
                    "{name}: timeField and metaField cannot be changed: rename the collection, provision and copy"
                ));
            }
            let granularity = stands.granularity.as_ref().map(granularity);
            if granularity < Some(series.granularity) {
                changes.push(Change {
                    what: format!("{name}: granularity {}", series.granularity.word()),
                    command: doc! {
                        "collMod": name, "timeseries": { "granularity": series.granularity.word() },
                    },
                });
            } else if granularity > Some(series.granularity) {
                drift.push(format!(
                    "{name}: MongoDB cannot make granularity finer: rename the collection, provision and copy"
                ));
            }
        }
        (None, None) => {}
        (Some(_), None) => drift.push(format!("{name} is no time series: rename it, provision and copy")),
        (None, Some(_)) => drift.push(format!("{name} is a time series: rename it, provision and copy")),
    }
    let expiry = found.options.expire_after_seconds.map(|duration| duration.as_secs() as i64);
    // An ordinary collection expires by an index, not by an option.
    if wanted.timeseries.is_some() && stands.is_some() && expiry != wanted.expire_after_seconds {
        let (value, word) = match wanted.expire_after_seconds {
            Some(seconds) => (Bson::Int64(seconds), format!("{seconds} s")),
            None => (Bson::String("off".to_owned()), "never".to_owned()),
        };
        changes.push(Change {
            what: format!("{name}: expiry {word}"),
            command: doc! { "collMod": name, "expireAfterSeconds": value },
        });
    }
}

fn granularity(stands: &mongodb::options::TimeseriesGranularity) -> Granularity {
    use mongodb::options::TimeseriesGranularity;
    match stands {
        TimeseriesGranularity::Minutes => Granularity::Minutes,
        TimeseriesGranularity::Hours => Granularity::Hours,
        _ => Granularity::Seconds,
    }
}

/// Servers answer directions as any number type.
fn same_key(one: &Document, other: &Document) -> bool {
    let plain = |document: &Document| -> Vec<(String, Option<i64>)> {
        let number = |value: &Bson| match value {
            Bson::Int32(n) => Some(i64::from(*n)),
            Bson::Int64(n) => Some(*n),
            Bson::Double(n) => Some(*n as i64),
            _ => None,
        };
        document.iter().map(|(field, value)| (field.clone(), number(value))).collect()
    };
    plain(one) == plain(other)
}

async fn run(database: &Database, command: Document) -> Result<(), mongodb::error::Error> {
    match database.run_command(command).await {
        Ok(_) => Ok(()),
        // 48, NamespaceExists: another run was faster.
        Err(error) if matches!(error.kind.as_ref(), ErrorKind::Command(command) if command.code == 48) => Ok(()),
        Err(error) => Err(error),
    }
}

/// listIndexes also shows an index that another client is still building, and that vanishes should this client be killed.
/// Asking for it again waits for the build, and repeats it if it was given up. True when that made an index.
async fn settle_indexes(
    database: &Database,
    wanted: &Wanted,
    listed: &[IndexModel],
) -> Result<bool, mongodb::error::Error> {
    let same = |index: &&Index| {
        listed.iter().any(|other| name_of(other).as_deref() == Some(&index.name) && same_key(&other.keys, &index.key()))
    };
    let indexes: Vec<Document> =
        wanted.indexes.iter().filter(same).map(|index| doc! { "name": &index.name, "key": index.key() }).collect();
    if indexes.is_empty() {
        return Ok(false);
    }
    let answer = database.run_command(doc! { "createIndexes": wanted.name, "indexes": indexes }).await?;
    Ok(answer.get("numIndexesBefore") != answer.get("numIndexesAfter"))
}

/// Bookkeeping in a database of its own: which definition was applied to a collection, and when it changed.
async fn record(client: &Client, settings: &MongoSettings, wanted: &Wanted) -> Result<(), mongodb::error::Error> {
    let history = client.database(INTERNAL_DATABASE).collection::<Document>("schema_history");
    let id = format!("{}.{}", settings.database_name(), wanted.name);
    let current = history.find_one(doc! { "_id": &id, "definition": wanted.text }).await?;
    if current.is_none() {
        let set = doc! { "$set": { "definition": wanted.text, "applied_at": DateTime::now() } };
        history.update_one(doc! { "_id": id }, set).upsert(true).await?;
    }
    Ok(())
}
