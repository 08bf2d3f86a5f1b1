//! What a schema of foreign tables is made of, whatever the engine of its source.
//!
//! Enters: nothing; leaves: a [`Plan`], which an engine fills from its catalogue, the [`Login`] that the hub uses at a source,
//! and names and texts as SQL.

use genims_databases::{Database, Engine, PostgresSettings, quoted};

/// What the hub has to make for one source, read from the source as it is now.
#[derive(Debug)]
pub(super) struct Plan {
    /// Tables that the schema will have.
    pub(super) tables: usize,
    /// Tables with types that no other database has.
    pub(super) left_out: Vec<String>,
    /// Whatever decides that foreign tables no longer fit: their columns and how the source is reached.
    pub(super) fingerprint: String,
    /// The foreign data wrapper.
    pub(super) wrapper: &'static str,
    /// Of the foreign server, as SQL.
    pub(super) options: String,
    /// What the wrapper calls the name of the login.
    pub(super) user_option: &'static str,
    /// Statements that fill the schema, without those before them.
    pub(super) tables_sql: String,
}

/// The reader of the module at its source, under a name that only this hub uses.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) role: String,
    pub(super) reader: String,
    pub(super) password: String,
}

impl Login {
    /// Each hub has its own, so that two of them do not change each other's passwords.
    pub(super) fn new(database: &Database, hub: &PostgresSettings) -> Self {
        let password = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let reader = reader_of(&database.module);
        Self { role: format!("genims_{}_{}", database.module, hub.database_name()), reader, password }
    }
}

/// Options of a server, a mapping or a table, as SQL.
pub(super) fn options<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let told: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key} {}", literal(&value))).collect();
    told.join(", ")
}

/// The role of those who may read a module.
pub(super) fn reader_of(module: &str) -> String {
    format!("genims_{module}_reader")
}

pub(super) fn name(identifier: &str) -> String {
    quoted(Engine::Postgresql, identifier)
}

pub(super) fn literal(text: &str) -> String {
    genims_databases::literal(Engine::Postgresql, text)
}
