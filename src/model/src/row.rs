//! A row that a program of the platform writes into a table of any database, checked at the door.

use serde::{Deserialize, Serialize};

/// One row under one offset of the log. It says all that its writer must know: no schema is needed to write it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The listener it came through.
    pub source: u8,
    /// Who sent it.
    pub client: String,
    pub received_us: i64,
    /// As the registry names it.
    pub database: String,
    /// A table or a collection.
    pub table: String,
    /// Changes the row that has the key already; otherwise one that is there refuses it.
    pub upsert: bool,
    /// The columns of a unique key, for each of which the row has a value.
    pub key: Vec<String>,
    /// A JSON object: a value for each column that it names, in the form that the database's writer passes on.
    pub values: String,
}

impl Row {
    /// Under which topic such rows are published.
    pub fn topic(database: &str, table: &str) -> String {
        format!("genims/v1/rows/{database}/{table}")
    }

    /// What would bring the row again.
    pub fn payload(&self) -> String {
        if self.upsert { format!("{{\"upsert\":true,\"rows\":[{}]}}", self.values) } else { self.values.clone() }
    }

    /// About what it occupies in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.values.len() + self.client.len() + self.database.len() + self.table.len() + 64
    }
}
