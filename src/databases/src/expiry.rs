//! How long the documents of a collection are kept: `expireAfterSeconds` of its schema file, or of one of its indexes. It is
//! a number of seconds, or the word `retention`: what the registry says of the database.

use super::errors::DatabaseError;
use super::registry::Database;
use super::schema;
use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// Under this name it stands in schema files, and in MongoDB's commands.
pub const EXPIRE_AFTER: &str = "expireAfterSeconds";

/// What stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    Seconds(u32),
    Retention,
}

impl<'de> Deserialize<'de> for Expiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Said {
            Seconds(u32),
            Word(String),
        }
        let wrong = || serde::de::Error::custom(format!("`{EXPIRE_AFTER}` is a number of seconds or \"retention\""));
        match Said::deserialize(deserializer).map_err(|_| wrong())? {
            Said::Seconds(seconds) => Ok(Self::Seconds(seconds)),
            Said::Word(word) if word == "retention" => Ok(Self::Retention),
            Said::Word(_) => Err(wrong()),
        }
    }
}

impl Expiry {
    /// For a database of the registry; an error says that the registry has nothing to say.
    pub fn after(self, database: &Database) -> Result<Duration, String> {
        match self {
            Self::Seconds(seconds) => Ok(Duration::from_secs(seconds.into())),
            Self::Retention => {
                let name = &database.name;
                database.retention.ok_or_else(|| format!("the registry says no retention of {name}"))
            }
        }
    }
}

/// A schema file or one of its indexes, as far as expiry goes.
#[derive(Deserialize)]
struct Place {
    #[serde(rename = "expireAfterSeconds")]
    expiry: Option<Expiry>,
    #[serde(default)]
    indexes: Vec<Place>,
}

/// After how long the documents of a collection expire: by its own option or by an index. None: they are kept for good.
pub fn of_collection(database: &Database, collection: &str) -> Result<Option<Duration>, DatabaseError> {
    let name = format!("{collection}.json");
    let files = schema::files(database);
    let file = files.iter().find(|file| file.name == name);
    let file = file.ok_or_else(|| schema::unusable(database, &name, "it is not there"))?;
    let place: Place = serde_json::from_str(file.text).map_err(|error| schema::unusable(database, &name, error))?;
    let expiry = place.expiry.or_else(|| place.indexes.iter().find_map(|index| index.expiry));
    let after = |expiry: Expiry| expiry.after(database).map_err(|cause| schema::unusable(database, &name, cause));
    expiry.map(after).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    #[test]
    fn it_is_a_number_or_the_word_retention() {
        let read = serde_json::from_str::<Expiry>;
        assert_eq!(read("60").expect("a number"), Expiry::Seconds(60));
        assert_eq!(read("\"retention\"").expect("the word"), Expiry::Retention);
        for wrong in ["\"soon\"", "-1", "1.5", "true"] {
            assert!(read(wrong).is_err_and(|error| error.to_string().contains("retention")), "{wrong}");
        }
    }

    #[test]
    fn options_and_indexes_say_it_and_what_says_nothing_is_kept() {
        let registry = Registry::load(None).expect("the embedded registry");
        let production = registry.get("production").expect("in the registry");
        let of = |collection: &str| of_collection(production, collection).expect("a usable file");
        assert_eq!(of("sensor_readings"), production.retention, "an option");
        assert_eq!(of("notifications"), production.retention, "an index");
        assert_eq!(of("oee_metrics"), Some(Duration::from_secs(730 * 86_400)));
        assert_eq!(of("machine_fault_events"), None);
        assert!(of_collection(production, "nothing").is_err_and(|error| error.to_string().contains("nothing.json")));
        let for_good = Database { retention: None, ..production.clone() };
        let error = of_collection(&for_good, "sensor_readings").expect_err("no retention").to_string();
        assert!(error.contains("genims_production") && error.contains("retention"), "{error}");
    }
}
