//! The document store: collections with their validator, time-series options, expiry and indexes, one JSON file each.
//!
//! What MongoDB can change in place is changed (`collMod`), indexes of ordinary collections are rebuilt, and what cannot
//! be done is reported as drift and never skipped in silence. Every command is idempotent, so runs at the same time do no
//! harm.
//!
//! - [`file`]: what a file says; [`collection`], [`index`]: what stands, compared with it

mod collection;
mod file;
mod index;

use super::{Findings, Mode, Task};
use crate::errors::PlatformError;
use file::Wanted;
use futures_util::TryStreamExt;
use genims_databases::mongo::INTERNAL_DATABASE;
use genims_databases::{MongoSettings, schema};
use genims_model::counted;
use index::IndexStanding;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::error::ErrorKind;
use mongodb::results::{CollectionSpecification, CollectionType};
use mongodb::{Client, Database};
use std::collections::BTreeMap;

const INDEX_NOT_FOUND: i32 = 27;
const NAMESPACE_EXISTS: i32 = 48;
const INDEX_BUILD_ABORTED: i32 = 276;
const DUPLICATE_KEY: i32 = 11_000;

/// So often a build is begun that another run's drop has ended.
const BUILD_ATTEMPTS_MAX: usize = 5;

/// One step that brings a collection nearer to its file.
#[derive(Debug, PartialEq)]
struct Change {
    what: String,
    work: Work,
}

#[derive(Debug, PartialEq)]
enum Work {
    Command(Document),
    /// A new collection with its indexes.
    Create(Document, Vec<Document>),
    /// A new index, perhaps in place of one that stands.
    Index {
        instead_of: Option<Document>,
        specification: Document,
    },
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
            Some(found) => indexes(&database, found).await.map_err(failed)?,
            None => Vec::new(),
        };
        let (changes, drift) = compare(collection, found, &indexes);
        let drift_before = findings.drift.len();
        findings.drift.extend(drift);
        match task.mode {
            Mode::Check => {
                let unfinished = changes.iter().map(|change| &change.what);
                findings
                    .drift
                    .extend(unfinished.map(|what| format!("{}: not as in its file: {what}", collection.name)));
                findings.drift.extend(index::unexpected(collection, &indexes));
            }
            Mode::Plan => findings.changes.extend(changes.into_iter().map(|change| change.what)),
            Mode::Apply => {
                apply(&database, collection, changes, &mut findings).await.map_err(failed)?;
                if settle_indexes(&database, collection, &indexes).await.map_err(failed)? {
                    findings.changes.push(format!("indexes of {} finished", collection.name));
                }
                if findings.drift.len() == drift_before {
                    record(&client, &settings, collection).await.map_err(failed)?;
                }
            }
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
    let files = schema::files(task.database).into_iter();
    let parse = |file: schema::SchemaFile| {
        let wanted = Wanted::parse(task.database, file.name, file.text);
        Ok(wanted.map_err(|cause| schema::unusable(task.database, file.name, cause))?)
    };
    files.map(parse).collect()
}

type Specifications = BTreeMap<String, CollectionSpecification>;

async fn collections(database: &Database) -> Result<Specifications, mongodb::error::Error> {
    let all: Vec<CollectionSpecification> = database.list_collections().await?.try_collect().await?;
    Ok(all.into_iter().map(|collection| (collection.name.clone(), collection)).collect())
}

/// As the server says them, with every option.
async fn indexes(
    database: &Database,
    collection: &CollectionSpecification,
) -> Result<Vec<Document>, mongodb::error::Error> {
    if matches!(collection.collection_type, CollectionType::View) {
        return Ok(Vec::new());
    }
    database.run_cursor_command(doc! { "listIndexes": &collection.name }).await?.try_collect().await
}

/// What to do, and what cannot be done.
fn compare(
    wanted: &Wanted,
    found: Option<&CollectionSpecification>,
    indexes: &[Document],
) -> (Vec<Change>, Vec<String>) {
    let (mut changes, mut drift) = (Vec::new(), Vec::new());
    let Some(found) = found else {
        let what = format!("new collection {}, {}", wanted.name, counted(wanted.indexes.len(), "index"));
        let indexes = wanted.indexes.iter().map(file::Index::specification).collect();
        return (vec![Change { what, work: Work::Create(wanted.create(), indexes) }], drift);
    };
    if collection::compare(wanted, found, &mut changes, &mut drift) {
        index::compare(wanted, indexes, &mut changes, &mut drift);
    }
    (changes, drift)
}

/// All that stands in the way goes before the first new index comes: two may have changed their names.
async fn apply(
    database: &Database,
    wanted: &Wanted,
    changes: Vec<Change>,
    findings: &mut Findings,
) -> Result<(), mongodb::error::Error> {
    for change in &changes {
        match &change.work {
            Work::Command(command) => run(database, command.clone(), NAMESPACE_EXISTS).await?,
            Work::Create(create, indexes) => {
                run(database, create.clone(), NAMESPACE_EXISTS).await?;
                build(database, wanted, indexes.clone()).await?;
            }
            Work::Index { instead_of: Some(old), .. } => {
                let drop = doc! { "dropIndexes": wanted.name, "index": index::name_of(old) };
                run(database, drop, INDEX_NOT_FOUND).await?;
            }
            Work::Index { instead_of: None, .. } => {}
        }
    }
    for change in changes {
        let Work::Index { instead_of, specification } = change.work else {
            findings.changes.push(change.what);
            continue;
        };
        match build(database, wanted, vec![specification.clone()]).await {
            Ok(()) => findings.changes.push(change.what),
            Err(error) => {
                let kept = match instead_of {
                    Some(old) => {
                        build(database, wanted, vec![old]).await?;
                        "the old one stands again"
                    }
                    None => "it is missing",
                };
                if code(&error) != Some(DUPLICATE_KEY) {
                    return Err(error);
                }
                let name = index::name_of(&specification);
                findings.drift.push(format!(
                    "index {}.{name} cannot be built, and {kept}: {}; remove the duplicates and run `genims \
                     provision` again",
                    wanted.name, error.kind
                ));
            }
        }
    }
    Ok(())
}

async fn build(database: &Database, wanted: &Wanted, mut indexes: Vec<Document>) -> Result<(), mongodb::error::Error> {
    // As listed they may name their namespace.
    indexes.iter_mut().for_each(|index| drop(index.remove("ns")));
    let command = doc! { "createIndexes": wanted.name, "indexes": indexes };
    for _ in 1..BUILD_ATTEMPTS_MAX {
        match database.run_command(command.clone()).await {
            Err(error) if code(&error) == Some(INDEX_BUILD_ABORTED) => {}
            answer => return answer.map(drop),
        }
    }
    database.run_command(command).await.map(drop)
}

/// An answer with the code `fine` says that another run was faster.
async fn run(database: &Database, command: Document, fine: i32) -> Result<(), mongodb::error::Error> {
    match database.run_command(command).await {
        Err(error) if code(&error) != Some(fine) => Err(error),
        _ => Ok(()),
    }
}

fn code(error: &mongodb::error::Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

/// listIndexes also shows an index that another client is still building, and that vanishes should this client be killed.
/// Asking for it again waits for the build, and repeats it if it was given up. True when that made an index.
async fn settle_indexes(
    database: &Database,
    wanted: &Wanted,
    listed: &[Document],
) -> Result<bool, mongodb::error::Error> {
    let indexes = wanted.indexes.iter();
    let same = indexes.filter(|index| index::standing(wanted, index, listed) == IndexStanding::Same);
    let indexes: Vec<Document> = same.map(|index| index.specification()).collect();
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
