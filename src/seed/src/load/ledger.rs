//! What earlier runs have filled, and with which parameters.

use crate::errors::SeedError;
use crate::spec::Scale;
use crate::world::Parameters;
use genims_databases::Database;
use std::collections::HashSet;

/// The ledger of one database as it was read.
#[derive(Debug, Default)]
pub(super) struct SeedLedger {
    /// Of the first entry; all entries of a database have the same.
    pub parameters: Option<Parameters>,
    pub tables: HashSet<String>,
}

/// How parameters stand in a ledger.
pub(super) fn written(parameters: Parameters) -> String {
    serde_json::to_string(&parameters).unwrap_or_default()
}

impl SeedLedger {
    pub(super) fn new(entries: Vec<(String, String)>) -> Self {
        let parameters = entries.first().and_then(|(_, text)| serde_json::from_str(text).ok());
        Self { parameters, tables: entries.into_iter().map(|(table, _)| table).collect() }
    }

    /// The tables that need nothing more; an error when they were filled from other parameters.
    pub(super) fn done(self, database: &Database, wanted: Parameters) -> Result<HashSet<String>, SeedError> {
        match self.parameters {
            Some(found) if found != wanted => Err(SeedError::SeededOtherwise {
                database: database.name.clone(),
                found: shown(found),
                wanted: shown(wanted),
            }),
            _ => Ok(self.tables),
        }
    }
}

fn shown(parameters: Parameters) -> String {
    let scale = match parameters.scale {
        Scale::Small => "small",
        Scale::Medium => "medium",
        Scale::Full => "full",
    };
    let day = crate::value::date(parameters.today);
    format!("--scale {scale} --seed {} --as-of {day} --days {}", parameters.seed, parameters.sensor_days)
}
