//! The schema tree `config/schema/<engine>/<database>/`, embedded at build time: migrations (`V001__topic.sql`) or, for
//! MongoDB, one JSON file a collection; beside them `references.csv`, every reference inside and across databases.

mod alter;
mod constraints;
mod demands;
mod migration;
mod model;
mod reach;
mod state;

pub use demands::{Constraints, Unique};
pub use model::{Column, Kind, Model, Table};

use super::errors::DatabaseError;
use super::registry::{Database, Engine};
use include_dir::{Dir, include_dir};

static SCHEMA: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../config/schema");

/// One file of a database's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaFile {
    /// Without the folder, with the extension: `V001__tables.sql`.
    pub name: &'static str,
    pub text: &'static str,
}

/// An engine's folder in the schema tree.
pub(crate) fn folder_name(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgresql => "postgres",
        Engine::Mysql => "mysql",
        Engine::Mongodb => "mongodb",
    }
}

/// The files of a database's schema in the order of their names; empty for a database that has none here yet.
pub fn files(database: &Database) -> Vec<SchemaFile> {
    let path = format!("{}/{}", folder_name(database.engine), database.name);
    let Some(folder) = SCHEMA.get_dir(path) else { return Vec::new() };
    let mut files: Vec<SchemaFile> = folder
        .files()
        .filter_map(|file| Some(SchemaFile { name: file.path().file_name()?.to_str()?, text: file.contents_utf8()? }))
        .filter(|file| file.name != REFERENCES)
        .collect();
    files.sort_by_key(|file| file.name);
    files
}

impl Database {
    /// Whether its schema is here, and so can be provisioned.
    pub fn has_schema(&self) -> bool {
        !files(self).is_empty()
    }
}

/// That a file is not as it should be.
pub fn unusable(database: &Database, file: &str, cause: impl std::fmt::Display) -> DatabaseError {
    DatabaseError::SchemaFile { database: database.name.clone(), file: file.to_owned(), cause: cause.to_string() }
}

const REFERENCES: &str = "references.csv";

/// A column that names rows of another table, or of one of several. Columns are written `database.table.column`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Reference {
    pub table: String,
    pub column: String,
    #[serde(rename = "references", deserialize_with = "alternatives")]
    pub targets: Vec<String>,
}

fn alternatives<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let text: String = serde::Deserialize::deserialize(deserializer)?;
    Ok(text.split('|').map(str::to_owned).collect())
}

/// The references of a database in the order of its file; empty without one.
pub fn references(database: &Database) -> Result<Vec<Reference>, csv::Error> {
    let path = format!("{}/{}/{REFERENCES}", folder_name(database.engine), database.name);
    let Some(file) = SCHEMA.get_file(path) else { return Ok(Vec::new()) };
    csv::Reader::from_reader(file.contents()).deserialize().collect()
}
