//! The files of a dump: documents one after the other, and what defines a collection. In: a file. Out: documents, none of them larger
//! than the server takes; a cut or mad one is refused with the file's name.

use crate::errors::BackupError;
use crate::saved::{Saved, SavedFile};
use genims_databases::mongo::INTERNAL_DATABASE;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use std::io::{BufReader, Read};
use std::path::Path;

/// Where the definitions are.
pub(super) const DEFINITIONS: &str = "collections.bson";

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

    pub(super) fn document(&self) -> Document {
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

pub(super) fn internal(name: &str) -> Definition {
    let (options, indexes) = (Document::new(), Vec::new());
    Definition { internal: true, name: name.to_owned(), is_view: false, options, indexes }
}

pub(super) fn bytes(folder: &Path, document: &Document) -> Result<Vec<u8>, BackupError> {
    let raw = RawDocumentBuf::try_from(document);
    let raw = raw.map_err(|error| BackupError::write(folder)(std::io::Error::other(error.to_string())))?;
    Ok(raw.into_bytes())
}

pub(super) fn definitions(saved: &Saved<'_>) -> Result<Vec<Definition>, BackupError> {
    let file = saved.open(DEFINITIONS)?;
    let path = file.path.clone();
    let damaged = |cause: &str| BackupError::Damaged { file: path.display().to_string(), cause: cause.to_owned() };
    let mut documents = Documents::new(file);
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
    file: BufReader<SavedFile>,
}

/// MongoDB takes 16 MiB and a little more of its own.
const DOCUMENT_MAX: usize = 17 * 1024 * 1024;
/// Length and end.
const DOCUMENT_MIN: usize = 5;

impl Documents {
    pub(super) fn new(file: SavedFile) -> Self {
        Self { path: file.path.display().to_string(), file: BufReader::new(file) }
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
    use crate::manifest::{Content, Manifest};
    use chrono::Utc;
    use genims_databases::Engine;

    #[test]
    fn documents_are_read_one_by_one_and_a_cut_or_mad_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = bytes(folder.path(), &doc! { "_id": 1, "text": "x" }).expect("BSON");
        let manifest = Manifest::new("d", Engine::Mongodb, String::new(), Utc::now(), None, Content::default());
        manifest.write(folder.path()).expect("written");
        let saved = Saved::new(folder.path(), &manifest, None).expect("in clear");
        let read = |content: &[u8]| {
            std::fs::write(folder.path().join("x.bson"), content).expect("written");
            let mut documents = Documents::new(saved.open("x.bson")?);
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
