//! What columns mean that their tables say nothing of: `config/schema/glossary.csv`. A line speaks of all columns of its
//! name, or of one: `database.table.column`.

use crate::errors::PlatformError;
use std::collections::HashMap;

const FILE: &str = include_str!("../../../../config/schema/glossary.csv");

/// Meanings by name.
pub(super) struct Glossary(HashMap<String, String>);

impl Glossary {
    pub(super) fn load() -> Result<Self, PlatformError> {
        let unusable = |cause: String| PlatformError::Model { cause: format!("config/schema/glossary.csv: {cause}") };
        let mut meanings = HashMap::new();
        for line in csv::Reader::from_reader(FILE.as_bytes()).deserialize() {
            let (name, meaning): (String, String) = line.map_err(|error| unusable(error.to_string()))?;
            if meanings.insert(name.clone(), meaning).is_some() {
                return Err(unusable(format!("{name} stands there twice")));
            }
        }
        Ok(Self(meanings))
    }

    /// Empty for what nothing is said of.
    pub(super) fn meaning(&self, database: &str, table: &str, column: &str) -> &str {
        let own = self.0.get(&format!("{database}.{table}.{column}"));
        own.or_else(|| self.0.get(column)).map_or("", String::as_str)
    }
}
