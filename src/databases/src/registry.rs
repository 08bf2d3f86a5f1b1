//! config/databases.toml: every database once. Enters: the embedded file or one named by path. Leaves: a checked list in
//! load order. Invariants: names, connection variables and load orders are unique.

use super::errors::DatabaseError;
use super::maintenance::MaintenanceWindow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
/// What looks after backups looks each hour.
const BACKUP_EVERY_MIN: Duration = Duration::from_secs(3_600);

const EMBEDDED: &str = include_str!("../../../config/databases.toml");

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    Postgresql,
    Mysql,
    Mongodb,
}

impl std::fmt::Display for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Postgresql => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Mongodb => "MongoDB",
        })
    }
}

/// The size at full scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SizeClass {
    /// Below 100 MB.
    Small,
    /// Below 1 GB.
    Medium,
    Large,
}

/// One entry of the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub name: String,
    pub engine: Engine,
    pub module: String,
    /// The owning team.
    pub team: String,
    pub purpose: String,
    /// Tables or collections of the finished database.
    pub tables: u32,
    /// How long rows are kept; `None` is for good. Nothing else says it: the stream's doors, the mirror and what
    /// provisioning lets expire read it here.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub retention: Option<Duration>,
    /// How often it is to be saved.
    #[serde(default = "backup_every", with = "humantime_serde")]
    pub backup_every: Duration,
    /// How long its backups stay.
    #[serde(default = "backups_kept", with = "humantime_serde")]
    pub backups_kept: Duration,
    /// When it may be vacuumed, analyzed and rebuilt.
    #[serde(default)]
    pub maintenance: MaintenanceWindow,
    pub load_order: u32,
    pub size_class: SizeClass,
    /// The environment variable that holds the connection URL.
    pub connection: String,
    /// Tables of `public` whose changes are not audited, each with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unaudited: BTreeMap<String, String>,
}

/// Each day.
fn backup_every() -> Duration {
    DAY
}

/// Five weeks: what a month's closing finds wrong is still there as it was.
fn backups_kept() -> Duration {
    35 * DAY
}

/// All databases, in load order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    databases: Vec<Database>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    databases: Vec<Database>,
}

/// How long the database of this name in the embedded registry keeps its rows.
pub fn retention(name: &str) -> Result<Option<Duration>, DatabaseError> {
    Registry::load(None)?.get(name).map(|database| database.retention)
}

impl Registry {
    /// The file at `path`, or the embedded one.
    pub fn load(path: Option<&Path>) -> Result<Self, DatabaseError> {
        let Some(path) = path else { return Self::parse("config/databases.toml (embedded)", EMBEDDED) };
        let place = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| DatabaseError::Registry { path: place.clone(), cause: error.to_string() })?;
        Self::parse(&place, &text)
    }

    fn parse(place: &str, text: &str) -> Result<Self, DatabaseError> {
        let wrong = |cause: String| DatabaseError::Registry { path: place.to_owned(), cause };
        let file: File = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let mut databases = file.databases;
        databases.sort_by_key(|database| database.load_order);
        for (index, database) in databases.iter().enumerate() {
            if !is_plain_name(&database.name) {
                return Err(wrong(format!("{:?} is no database name: use a-z, 0-9 and _", database.name)));
            }
            if database.backup_every < BACKUP_EVERY_MIN
                || database.backups_kept < database.backup_every.saturating_mul(2)
            {
                return Err(wrong(format!(
                    "{}: backup_every is at least an hour, and backups_kept at least twice as long as it",
                    database.name
                )));
            }
            for other in &databases[..index] {
                for (what, same) in [
                    ("name", other.name == database.name),
                    ("load_order", other.load_order == database.load_order),
                    ("connection", other.connection == database.connection),
                ] {
                    if same {
                        return Err(wrong(format!("{} and {} have the same {what}", other.name, database.name)));
                    }
                }
            }
        }
        Ok(Self { databases })
    }

    /// In load order.
    pub fn all(&self) -> &[Database] {
        &self.databases
    }

    /// By full name, or by module (`master` for `genims_master_db`).
    pub fn get(&self, name: &str) -> Result<&Database, DatabaseError> {
        self.databases.iter().find(|database| database.name == name || database.module == name).ok_or_else(|| {
            let known: Vec<&str> = self.databases.iter().map(|database| database.name.as_str()).collect();
            DatabaseError::Unknown { database: name.to_owned(), known: known.join(", ") }
        })
    }
}

/// Names go into SQL as identifiers, so they are held to a form that needs no quoting; 63 is PostgreSQL's limit.
fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.len() <= 63 && name.bytes().all(plain) && !name.as_bytes()[0].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_registry_holds_the_17_databases_of_the_contract() {
        let registry = Registry::load(None).expect("the embedded file");
        assert_eq!(registry.all().len(), 17);
        let tables = |engine| -> u32 {
            registry.all().iter().filter(|database| database.engine == engine).map(|database| database.tables).sum()
        };
        assert_eq!((tables(Engine::Postgresql), tables(Engine::Mysql), tables(Engine::Mongodb)), (343, 65, 32));
        let orders: Vec<u32> = registry.all().iter().map(|database| database.load_order).collect();
        assert_eq!(orders, (1..=17).collect::<Vec<u32>>());
    }

    #[test]
    fn a_database_is_found_by_name_and_by_module() {
        let registry = Registry::load(None).expect("the embedded file");
        assert_eq!(registry.get("genims_hr_db").expect("by name"), registry.get("hr").expect("by module"));
        let error = registry.get("nothing").expect_err("unknown").to_string();
        assert!(error.contains("nothing") && error.contains("genims_hr_db"), "{error}");
    }

    #[test]
    fn every_database_has_a_schema() {
        let registry = Registry::load(None).expect("the embedded file");
        let without: Vec<&str> =
            registry.all().iter().filter(|entry| !entry.has_schema()).map(|entry| entry.name.as_str()).collect();
        assert_eq!(without, Vec::<&str>::new());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let twice = format!("{EMBEDDED}\n{EMBEDDED}");
        assert!(Registry::parse("test", &twice).is_err());
        let odd = EMBEDDED.replace("\"genims_hr_db\"", "\"hr;drop\"");
        assert!(Registry::parse("test", &odd).is_err());
        for (line, is_good) in [
            ("backup_every = \"1h\"\nbackups_kept = \"2h\"", true),
            ("backup_every = \"59m\"", false),
            ("backup_every = \"18 days\"", false),
            ("backups_kept = \"2 days\"", true),
            ("backups_kept = \"47h\"", false),
            ("maintenance = \"Sat,Sun 23:00-01:00\"", true),
            ("maintenance = \"at night\"", false),
        ] {
            let text = EMBEDDED.replacen("load_order = 1\n", &format!("load_order = 1\n{line}\n"), 1);
            assert_eq!(Registry::parse("test", &text).is_ok(), is_good, "{line}");
        }
        let unknown_key = EMBEDDED.replacen("team =", "tema =", 1);
        assert!(Registry::parse("test", &unknown_key).is_err());
    }

    #[test]
    fn every_connection_variable_is_in_the_example_environment() {
        let example = include_str!("../../../.env.example");
        for database in Registry::load(None).expect("the embedded file").all() {
            let line = format!("\n{}=", database.connection);
            assert!(example.contains(&line), "{} is missing in .env.example", database.connection);
        }
    }
}
