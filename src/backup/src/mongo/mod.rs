//! MongoDB: every collection as a stream of BSON, in the form that `mongorestore` reads, with the definitions beside them.
//!
//! A server that is no replica set has no snapshots. So tearing is looked for: what wrote to a collection while it was read is seen in
//! the server's counters, and the dump is repeated, then given up. What the stream writes is the exception, because it can tell what
//! it wrote: positions are read before the first document and how far it may have come after the last; between the two it looks
//! before it writes, so a restored mirror is brought to one moment by the log.
//!
//! - [`dump`]: documents into files (their form: [`documents`]); [`witness`]: who wrote meanwhile; [`fill`]: files into collections; [`positions`]: the stream's
//!   bookkeeping, on both ways

mod documents;
mod dump;
mod fill;
mod positions;
mod witness;

use crate::errors::BackupError;
use crate::manifest::Content;
use crate::saved::Saved;
use crate::task::{RestoreRequest, Work};
use futures_util::TryStreamExt;
use genims_databases::mongo::INTERNAL_DATABASE;
use genims_databases::{DatabaseError, MongoSettings};
use genims_model::counted;
use genims_routes::Routes;
use genims_stores::mongo::{bookkeeping, collections};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::results::CollectionType;
use positions::Positions;
use std::collections::{BTreeMap, BTreeSet};

/// So often a dump is begun that others keep writing into.
const ATTEMPTS: usize = 3;
/// The audit trail's stream of changes: it only grows, and its position is asked of itself.
const CHANGE_STREAM: &str = "entity_change_stream";

pub(crate) async fn backup(work: &Work<'_>) -> Result<(String, Content), BackupError> {
    let settings = MongoSettings::from_environment(work.database, work.environment)?;
    let failed = |error| settings.error(error);
    work.step("connecting");
    let client = settings.client().await?;
    let server_version = version(&client).await.map_err(failed)?;
    let followed = followed(work);
    let mut torn = String::new();
    for _ in 0..ATTEMPTS {
        let before = Positions::read(&client).await.map_err(failed)?;
        let counted = witness::read(&client, settings.database_name()).await.map_err(failed)?;
        let mut dumped = dump::dump(work, &settings, &client, &before).await?;
        let written =
            witness::changed(&counted, &witness::read(&client, settings.database_name()).await.map_err(failed)?);
        let after = Positions::read(&client).await.map_err(failed)?;
        let strange: Vec<&str> = written.iter().filter(|name| !followed.contains(*name)).map(String::as_str).collect();
        if !strange.is_empty() || !before.knows_all_of(&after) {
            torn = strange.join(", ");
            dumped.discard(work.folder)?;
            continue;
        }
        dumped.add_positions(work, &before.up_to(&after))?;
        let content = Content {
            server_version,
            tool: format!("genims {}", env!("CARGO_PKG_VERSION")),
            log_positions: before.told(),
            replayed: written,
            rows: dumped.rows,
            files: dumped.files,
            ..Content::default()
        };
        return Ok((settings.place(), content));
    }
    Err(BackupError::Torn { database: work.database.name.clone(), collections: torn, attempts: ATTEMPTS })
}

/// Collections that the stream writes and can bring to one moment by itself.
fn followed(work: &Work<'_>) -> BTreeSet<String> {
    let mirrored = collections::ALL.iter().map(|collection| collection.name.to_owned());
    // Routes that cannot be read lead nowhere.
    let routes = Routes::load(work.registry, None).unwrap_or_default();
    let routed = routes.of(&work.database.name).map(|routes| routes.routes.clone()).unwrap_or_default();
    let routed = routed.into_iter().map(|route| route.table);
    mirrored.chain(routed).chain([CHANGE_STREAM.to_owned()]).collect()
}

async fn version(client: &Client) -> Result<String, mongodb::error::Error> {
    let answer = client.database("admin").run_command(doc! { "buildInfo": 1 }).await?;
    Ok(answer.get_str("version").unwrap_or_default().to_owned())
}

/// Where a restore goes; says what is in the way.
pub(crate) async fn target(wanted: &RestoreRequest<'_>) -> Result<MongoSettings, BackupError> {
    let own = MongoSettings::from_environment(wanted.database, wanted.environment)?;
    let settings = match wanted.name {
        Some(name) => own.with_database(name),
        None => own,
    };
    let database = settings.client().await?.database(settings.database_name());
    let names = database.list_collection_names().await.map_err(|error| settings.error(error))?;
    if !names.is_empty() && !wanted.replace {
        return Err(BackupError::NotEmpty { place: settings.place(), holds: counted(names.len(), "collection") });
    }
    Ok(settings)
}

/// The place that it has now.
pub(crate) async fn restore(wanted: &RestoreRequest<'_>, saved: &Saved<'_>) -> Result<String, BackupError> {
    let settings = target(wanted).await?;
    let failed = |error| BackupError::from(settings.error(error));
    let client = settings.client().await?;
    let definitions = documents::definitions(saved)?;
    let begun = Positions::read(&client).await.map_err(failed)?;
    wanted.step("collections");
    let database = client.database(settings.database_name());
    database.drop().await.map_err(failed)?;
    let (mut internal, mut own): (Vec<_>, Vec<_>) = definitions.into_iter().partition(|one| one.internal);
    // Views come after what they show.
    own.sort_by_key(|one| one.is_view);
    for one in &own {
        fill::create(&database, one).await.map_err(failed)?;
    }
    let mut found = BTreeMap::new();
    for one in own.iter().filter(|one| !one.is_view) {
        wanted.step(&one.name);
        found.insert(one.name.clone(), fill::fill(&settings, &database, one, saved).await?);
    }
    let mut expected = saved.manifest.clone();
    if wanted.name.is_some() {
        expected.content.rows.retain(|name, _| !name.starts_with(&format!("{INTERNAL_DATABASE}.")));
        wanted.compare(&settings.place(), &found, &expected)?;
        return Ok(settings.place());
    }
    wanted.step("bookkeeping");
    let bookkeeping = client.database(INTERNAL_DATABASE);
    let standing = bookkeeping.list_collection_names().await.map_err(failed)?;
    let positions = positions::of_files(&mut internal, saved, &mut found)?;
    for one in &internal {
        // Heads of the audit's chains that stand are younger than those of the backup, and are there to be compared with.
        let name = format!("{INTERNAL_DATABASE}.{}", one.name);
        if one.name.starts_with("audit_") && standing.contains(&one.name) {
            expected.content.rows.remove(&name);
            continue;
        }
        bookkeeping.collection::<Document>(&one.name).drop().await.map_err(failed)?;
        fill::create(&bookkeeping, one).await.map_err(failed)?;
        found.insert(name, fill::fill(&settings, &bookkeeping, one, saved).await?);
    }
    wanted.compare(&settings.place(), &found, &expected)?;
    // Last: from now on the stream writes again what the backup lacks.
    positions.put_back(&client, &begun).await.map_err(failed)?;
    Ok(settings.place())
}

/// Empties the collections of the stream; how many documents each had. Documents go before what is remembered of them, so that a running
/// server, when it is back at the beginning, looks for what it wrote meanwhile.
pub(crate) async fn forget(
    settings: &MongoSettings,
    replace: bool,
    step: &(dyn Fn(&str) + Sync),
) -> Result<BTreeMap<String, u64>, BackupError> {
    let failed = |error| BackupError::from(settings.error(error));
    let client = settings.client().await?;
    let database = client.database(settings.database_name());
    let stream = collections::ALL.map(|one| (one.name, database.collection::<Document>(one.name)));
    for (_, collection) in &stream {
        if !replace && collection.find_one(doc! {}).await.map_err(failed)?.is_some() {
            return Err(BackupError::MirrorNotEmpty { place: settings.place() });
        }
    }
    let mut gone = BTreeMap::new();
    for (name, collection) in &stream {
        step(name);
        // Not dropped: a running server would make it anew as something else.
        let deleted = collection.delete_many(doc! {}).await.map_err(failed)?.deleted_count;
        gone.insert((*name).to_owned(), deleted);
    }
    step("bookkeeping");
    let internal = client.database(INTERNAL_DATABASE);
    let of_mirror = doc! { "_id.sink": bookkeeping::SINK };
    for (name, filter) in [(positions::POSITIONS, of_mirror), (positions::LEDGER, doc! {})] {
        internal.collection::<Document>(name).delete_many(filter).await.map_err(failed)?;
    }
    Ok(gone)
}

/// The documents of each collection as it is now, without those that the stream writes and the log gives again.
pub(crate) async fn count(settings: &MongoSettings) -> Result<BTreeMap<String, u64>, DatabaseError> {
    let failed = |error| settings.error(error);
    let database = settings.client().await?.database(settings.database_name());
    let found: Vec<_> = database.list_collections().await.map_err(failed)?.try_collect().await.map_err(failed)?;
    let is_mirrored = |name: &str| collections::ALL.iter().any(|collection| collection.name == name);
    let mut counted = BTreeMap::new();
    for one in found.into_iter().filter(|one| one.collection_type != CollectionType::View) {
        if one.name.starts_with("system.") || is_mirrored(&one.name) {
            continue;
        }
        let documents = database.collection::<Document>(&one.name).count_documents(doc! {}).await.map_err(failed)?;
        counted.insert(one.name, documents);
    }
    Ok(counted)
}

/// Drops a copy, for a drill.
pub(crate) async fn remove(settings: &MongoSettings) -> Result<(), DatabaseError> {
    let database = settings.client().await?.database(settings.database_name());
    database.drop().await.map_err(|error| settings.error(error))
}
