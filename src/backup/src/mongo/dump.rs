//! Documents into files: one a collection, and one with the definitions of all. In: a server. Out: synced files and their counts.
//! Memory holds one batch of the server's at a time.

use super::positions::{LEDGER, POSITIONS, Positions};
use super::DEFINITIONS;
use crate::backup::Work;
use crate::errors::BackupError;
use crate::manifest::FileEntry;
use crate::written::Written;
use futures_util::TryStreamExt;
use genims_databases::MongoSettings;
use genims_databases::mongo::INTERNAL_DATABASE;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::{Client, Database};
use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::path::Path;

/// A collection as the server describes it.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// Whether it is our bookkeeping's.
    pub(super) internal: bool,
    pub(super) name: String,
    pub(super) is_view: bool,
    pub(super) options: Document,
    pub(super) indexes: Vec<Document>,
}

impl Definition {
    pub(super) fn file(&self) -> String {
        let prefix = if self.internal { "internal" } else { "data" };
        format!("{prefix}.{}.bson", self.name.replace('%', "%25").replace('/', "%2F"))
    }

    /// As it stands in the manifest.
    pub(super) fn told(&self) -> String {
        if self.internal { format!("{INTERNAL_DATABASE}.{}", self.name) } else { self.name.clone() }
    }

    fn document(&self) -> Document {
        doc! {
            "internal": self.internal, "name": &self.name, "view": self.is_view, "options": self.options.clone(),
            "indexes": self.indexes.clone(),
        }
    }

    fn of(document: &Document) -> Option<Self> {
        let indexes = document.get_array("indexes").ok()?.iter();
        Some(Self {
            internal: document.get_bool("internal").ok()?,
            name: document.get_str("name").ok()?.to_owned(),
            is_view: document.get_bool("view").ok()?,
            options: document.get_document("options").ok()?.clone(),
            indexes: indexes.filter_map(|index| index.as_document().cloned()).collect(),
        })
    }
}

/// What was dumped.
#[derive(Debug, Default)]
pub(super) struct Dumped {
    pub(super) rows: BTreeMap<String, u64>,
    pub(super) files: Vec<FileEntry>,
}

impl Dumped {
    /// It was torn.
    pub(super) fn discard(self, folder: &Path) -> Result<(), BackupError> {
        for entry in self.files {
            let path = folder.join(entry.name);
            std::fs::remove_file(&path).map_err(BackupError::write(&path))?;
        }
        Ok(())
    }

    /// The positions, which are known last.
    pub(super) fn add_positions(&mut self, work: &Work<'_>, positions: &[Document]) -> Result<(), BackupError> {
        let definition = internal(POSITIONS);
        let mut file = Written::create(work.folder, &definition.file())?;
        for position in positions {
            work.take(&mut file, &bytes(work.folder, position)?)?;
        }
        self.files.push(file.finish()?);
        self.rows.insert(definition.told(), positions.len() as u64);
        Ok(())
    }
}

fn internal(name: &str) -> Definition {
    let (options, indexes) = (Document::new(), Vec::new());
    Definition { internal: true, name: name.to_owned(), is_view: false, options, indexes }
}

fn bytes(folder: &Path, document: &Document) -> Result<Vec<u8>, BackupError> {
    let raw = RawDocumentBuf::try_from(document);
    let raw = raw.map_err(|error| BackupError::write(folder)(std::io::Error::other(error.to_string())))?;
    Ok(raw.into_bytes())
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
    let mut described = Written::create(work.folder, DEFINITIONS)?;
    let databases = [(client.database(INTERNAL_DATABASE), true), (client.database(settings.database_name()), false)];
    for (database, internal) in databases {
        for definition in described_by(&database, internal).await.map_err(failed)? {
            work.take(&mut described, &bytes(work.folder, &definition.document())?)?;
            if definition.is_view || (internal && definition.name == POSITIONS) {
                continue;
            }
            work.step(&definition.name);
            let filter = if internal && definition.name == LEDGER { before.settled() } else { Document::new() };
            let mut file = Written::create(work.folder, &definition.file())?;
            let collection = database.collection::<Document>(&definition.name);
            let mut found = collection.find(filter).no_cursor_timeout(true).await.map_err(failed)?;
            let mut count = 0;
            while found.advance().await.map_err(failed)? {
                work.take(&mut file, found.current().as_bytes())?;
                count += 1;
            }
            dumped.files.push(file.finish()?);
            dumped.rows.insert(definition.told(), count);
        }
    }
    dumped.files.push(described.finish()?);
    Ok(dumped)
}

async fn described_by(database: &Database, internal: bool) -> Result<Vec<Definition>, mongodb::error::Error> {
    let found: Vec<Document> =
        database.run_cursor_command(doc! { "listCollections": 1 }).await?.try_collect().await?;
    let mut definitions = Vec::new();
    for collection in found {
        let name = collection.get_str("name").unwrap_or_default().to_owned();
        if name.starts_with("system.") {
            continue;
        }
        let is_view = collection.get_str("type") == Ok("view");
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

pub(super) fn definitions(folder: &Path) -> Result<Vec<Definition>, BackupError> {
    let path = folder.join(DEFINITIONS);
    let damaged = |cause: &str| BackupError::Damaged { file: path.display().to_string(), cause: cause.to_owned() };
    let mut documents = Documents::open(&path)?;
    let mut definitions = Vec::new();
    while let Some(raw) = documents.next()? {
        let document = Document::try_from(raw).map_err(|error| damaged(&error.to_string()))?;
        definitions.push(Definition::of(&document).ok_or_else(|| damaged("it describes no collection"))?);
    }
    Ok(definitions)
}

/// The documents of a file, one after the other.
pub(super) struct Documents {
    path: String,
    file: BufReader<std::fs::File>,
}

/// MongoDB takes 16 MiB and a little more of its own.
const DOCUMENT_MAX: usize = 17 * 1024 * 1024;
/// Length and end.
const DOCUMENT_MIN: usize = 5;

impl Documents {
    pub(super) fn open(path: &Path) -> Result<Self, BackupError> {
        let file = std::fs::File::open(path).map_err(BackupError::read(path))?;
        Ok(Self { path: path.display().to_string(), file: BufReader::new(file) })
    }

    pub(super) fn next(&mut self) -> Result<Option<RawDocumentBuf>, BackupError> {
        let mut length = [0; 4];
        let damaged = |cause: String| BackupError::Damaged { file: self.path.clone(), cause };
        if self.file.read(&mut length[..1]).map_err(|error| damaged(error.to_string()))? == 0 {
            return Ok(None);
        }
        self.file.read_exact(&mut length[1..]).map_err(|error| damaged(error.to_string()))?;
        let size = usize::try_from(i32::from_le_bytes(length)).unwrap_or_default();
        if !(DOCUMENT_MIN..=DOCUMENT_MAX).contains(&size) {
            return Err(damaged(format!("it has a document of {size} bytes")));
        }
        let mut bytes = vec![0; size];
        bytes[..4].copy_from_slice(&length);
        self.file.read_exact(&mut bytes[4..]).map_err(|error| damaged(error.to_string()))?;
        RawDocumentBuf::from_bytes(bytes).map(Some).map_err(|error| damaged(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_one_by_one_and_a_cut_or_mad_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.bson");
        let one = bytes(folder.path(), &doc! { "_id": 1, "text": "x" }).expect("BSON");
        let read = |content: &[u8]| {
            std::fs::write(&path, content).expect("written");
            let mut documents = Documents::open(&path)?;
            let mut count = 0;
            while documents.next()?.is_some() {
                count += 1;
            }
            Ok::<_, BackupError>(count)
        };
        assert_eq!(read(&[one.clone(), one.clone()].concat()).expect("two"), 2);
        assert_eq!(read(&[]).expect("none"), 0);
        for broken in [&one[..one.len() - 1], &one[..3], &[255, 255, 255, 127, 0], &[1, 0, 0, 0, 0]] {
            assert!(read(broken).expect_err("broken").to_string().contains("x.bson"));
        }
    }

    #[test]
    fn a_definition_comes_back_as_it_was() {
        let mut definition = internal("a/b%");
        definition.indexes.push(doc! { "key": { "a": 1 }, "name": "a_1" });
        assert_eq!(definition.file(), "internal.a%2Fb%25.bson");
        let again = Definition::of(&definition.document()).expect("a definition");
        assert_eq!((again.name, again.indexes), (definition.name, definition.indexes));
    }
}
