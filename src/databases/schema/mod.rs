//! The schema tree `config/schema/<engine>/<database>/`, embedded at build time.

use super::registry::{Database, Engine};
use include_dir::{Dir, include_dir};

static SCHEMA: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/config/schema");

/// One file of a database's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaFile {
    /// Without the folder, with the extension: `V001__tables.sql`.
    pub name: &'static str,
    pub text: &'static str,
}

/// The files of a database's schema in the order of their names; empty for a database that has none here yet.
pub fn files(database: &Database) -> Vec<SchemaFile> {
    let engine = match database.engine {
        Engine::Postgresql => "postgres",
        Engine::Mysql => "mysql",
        Engine::Mongodb => "mongodb",
    };
    let Some(folder) = SCHEMA.get_dir(format!("{engine}/{}", database.name)) else { return Vec::new() };
    let mut files: Vec<SchemaFile> = folder
        .files()
        .filter_map(|file| Some(SchemaFile { name: file.path().file_name()?.to_str()?, text: file.contents_utf8()? }))
        .collect();
    files.sort_by_key(|file| file.name);
    files
}
