//! Which column of a CSV file is what.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    #[error("cannot read the mapping {}: {source}; pass --mapping with an existing file", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the mapping {} is not valid: {source}", path.display())]
    Parse { path: PathBuf, source: Box<toml::de::Error> },
    #[error("cannot read the records {}: {source}; pass --file with an existing CSV file", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("the records cannot be read: {0}")]
    Csv(#[from] csv::Error),
    #[error("the file has no column {0:?}: compare the mapping with the file's first line")]
    NoColumn(String),
    #[error("row {row}: {what}")]
    Row { row: u64, what: String },
    #[error(
        "genims_master_db has no sensor {code:?} on a machine {machine:?}: seed it, or mend the mapping's machine id and \
         sensor codes"
    )]
    UnknownSensor { machine: String, code: String },
    #[error("the mapping's machine id {0:?} has no {{value}}")]
    NoPlaceholder(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    pub timestamp: TimestampColumn,
    pub machine: MachineColumn,
    /// Column name to sensor code.
    pub values: BTreeMap<String, String>,
    /// A byte, mostly a comma.
    #[serde(default = "default_delimiter")]
    pub delimiter: char,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampColumn {
    pub column: String,
    /// `rfc3339`, `epoch_s`, `epoch_ms`, or a pattern of chrono's strftime (taken as UTC).
    #[serde(default = "default_format")]
    pub format: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineColumn {
    pub column: String,
    /// The machine id, with `{value}` in place of the cell.
    #[serde(default = "default_id")]
    pub id: String,
}

fn default_delimiter() -> char {
    ','
}
fn default_format() -> String {
    "rfc3339".to_owned()
}
fn default_id() -> String {
    "{value}".to_owned()
}

impl Mapping {
    pub fn load(path: &Path) -> Result<Self, MappingError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| MappingError::Read { path: path.to_owned(), source })?;
        let mapping: Self = toml::from_str(&text)
            .map_err(|source| MappingError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        if !mapping.machine.id.contains("{value}") {
            return Err(MappingError::NoPlaceholder(mapping.machine.id));
        }
        Ok(mapping)
    }
}

impl TimestampColumn {
    /// Microseconds since 1970 UTC.
    pub fn parse(&self, cell: &str) -> Option<i64> {
        match self.format.as_str() {
            "rfc3339" => chrono::DateTime::parse_from_rfc3339(cell).ok().map(|at| at.timestamp_micros()),
            "epoch_s" => cell.parse::<i64>().ok()?.checked_mul(1_000_000),
            "epoch_ms" => cell.parse::<i64>().ok()?.checked_mul(1_000),
            pattern => {
                chrono::NaiveDateTime::parse_from_str(cell, pattern).ok().map(|at| at.and_utc().timestamp_micros())
            }
        }
    }
}
