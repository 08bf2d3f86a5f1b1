//! Documents into files: one a collection, and one with the definitions of all. In: a server. Out: synced files and their counts.
//! Memory holds one batch of the server's at a time.

use super::documents::{DEFINITIONS, Definition, bytes, internal};
use super::positions::{LEDGER, POSITIONS, Positions};
use crate::errors::BackupError;
use crate::location::Location;
use crate::manifest::FileEntry;
use crate::task::Work;
use futures_util::TryStreamExt;
use genims_databases::MongoSettings;
use genims_databases::mongo::INTERNAL_DATABASE;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Database};
use std::collections::BTreeMap;

/// What routes into the database have told lately (`genims_stores::routed::gaps`).
const FACTS: &str = "routed_facts";

/// What was dumped.
#[derive(Debug, Default)]
pub(super) struct Dumped {
    pub(super) rows: BTreeMap<String, u64>,
    pub(super) files: Vec<FileEntry>,
}

impl Dumped {
    /// It was torn.
    pub(super) fn discard(self, folder: &Location) -> Result<(), BackupError> {
        for entry in self.files {
            folder.remove(&entry.name).map_err(BackupError::write(&folder.path().join(&entry.name)))?;
        }
        Ok(())
    }

    /// The positions, which are known last.
    pub(super) fn add_positions(&mut self, work: &Work<'_>, positions: &[Document]) -> Result<(), BackupError> {
        let definition = internal(POSITIONS);
        let mut file = work.create(&definition.file())?;
        for position in positions {
            work.take(&mut file, &bytes(work.folder.path(), position)?)?;
        }
        self.files.push(file.finish()?);
        self.rows.insert(definition.told(), positions.len() as u64);
        Ok(())
    }
}

/// Everything but the positions.
pub(super) async fn dump(
    work: &Work<'_>,
    settings: &MongoSettings,
    client: &Client,
    before: &Positions,
) -> Result<Dumped, BackupError> {
    let failed = |error| BackupError::from(settings.error(error));
    let mut dumped = Dumped::default();
    let mut described = work.create(DEFINITIONS)?;
    let databases = [(client.database(INTERNAL_DATABASE), true), (client.database(settings.database_name()), false)];
    let mut collections = Vec::new();
    for (database, internal) in databases {
        let definitions = described_by(&database, internal).await.map_err(failed)?;
        collections.extend(definitions.into_iter().map(|definition| (database.clone(), definition)));
    }
    // A fact is there before its documents, and documents without their fact would be made anew beside themselves.
    collections.sort_by_key(|(_, definition)| definition.internal && definition.name == FACTS);
    for (database, definition) in collections {
        work.take(&mut described, &bytes(work.folder.path(), &definition.document())?)?;
        let is = |name: &str| definition.internal && definition.name == name;
        if definition.is_view || is(POSITIONS) {
            continue;
        }
        work.step(&definition.name);
        let filter = if is(LEDGER) { before.settled() } else { Document::new() };
        let mut file = work.create(&definition.file())?;
        let collection = database.collection::<Document>(&definition.name);
        let mut found = collection.find(filter).await.map_err(failed)?;
        let mut count = 0;
        while found.advance().await.map_err(failed)? {
            work.take(&mut file, found.current().as_bytes())?;
            count += 1;
        }
        dumped.files.push(file.finish()?);
        dumped.rows.insert(definition.told(), count);
    }
    dumped.files.push(described.finish()?);
    Ok(dumped)
}

async fn described_by(database: &Database, internal: bool) -> Result<Vec<Definition>, mongodb::error::Error> {
    let found: Vec<Document> = database.run_cursor_command(doc! { "listCollections": 1 }).await?.try_collect().await?;
    let mut definitions = Vec::new();
    for collection in found {
        let name = collection.get_str("name").unwrap_or_default().to_owned();
        if name.starts_with("system.") {
            continue;
        }
        let is_view = collection.get_str("type").is_ok_and(|kind| kind == "view");
        let options = collection.get_document("options").cloned().unwrap_or_default();
        let indexes = if is_view {
            Vec::new()
        } else {
            database.run_cursor_command(doc! { "listIndexes": &name }).await?.try_collect().await?
        };
        definitions.push(Definition { internal, name, is_view, options, indexes });
    }
    definitions.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(definitions)
}
