//! The document store: collections of whose file most is free give it back.
//!
//! Readers and writers go on meanwhile, since MongoDB 4.4. Time series are left out: the server compacts none, and whole buckets of theirs
//! expire, whose room the next ones take.

use super::report::{Upkeep, UpkeepKind, UpkeepOutcome};
use super::round::{MOSTLY, WORTH_BYTES, megabytes};
use crate::errors::PlatformError;
use futures_util::TryStreamExt;
use genims_databases::{Database, Environment, MongoSettings};
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::results::CollectionType;
use std::time::Duration;

/// `MaxTimeMSExpired`, `ExceededTimeLimit`, `Interrupted`.
const OUT_OF_TIME: [i32; 3] = [50, 262, 11_601];

pub(super) struct Session {
    store: mongodb::Database,
    settings: MongoSettings,
}

impl Session {
    pub(super) async fn connect(database: &Database, environment: &Environment) -> Result<Self, PlatformError> {
        let settings = MongoSettings::from_environment(database, environment)?;
        let store = settings.client().await?.database(settings.database_name());
        Ok(Self { store, settings })
    }

    pub(super) async fn look(&self) -> Result<Vec<Upkeep>, PlatformError> {
        Ok(self.compactable().await.map_err(|error| self.settings.error(error))?)
    }

    async fn compactable(&self) -> Result<Vec<Upkeep>, Error> {
        let collections: Vec<_> = self.store.list_collections().await?.try_collect().await?;
        let is_plain = |kind: &CollectionType| *kind == CollectionType::Collection;
        let plain = collections.into_iter().filter(|found| is_plain(&found.collection_type));
        let mut found = Vec::new();
        for name in plain.map(|found| found.name).filter(|name| !name.starts_with("system.")) {
            let storage = doc! { "bytes": "$storageStats.storageSize", "free": "$storageStats.freeStorageSize" };
            let stages = [doc! { "$collStats": { "storageStats": {} } }, doc! { "$project": storage }];
            let mut shards = self.store.collection::<Document>(&name).aggregate(stages).await?;
            let (mut bytes, mut free) = (0, 0);
            while let Some(shard) = shards.try_next().await? {
                bytes += number(&shard, "bytes");
                free += number(&shard, "free");
            }
            found.extend(compact(name, bytes, free));
        }
        found.sort_by(|one: &Upkeep, other| one.of.cmp(&other.of));
        Ok(found)
    }

    pub(super) async fn perform(&self, upkeep: &Upkeep, left: Duration) -> Result<UpkeepOutcome, PlatformError> {
        let milliseconds = i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1);
        // A primary wants to be told that it is meant.
        let compact = doc! { "compact": upkeep.of.as_str(), "force": true, "maxTimeMS": milliseconds };
        match self.store.run_command(compact).await {
            Ok(_) => Ok(UpkeepOutcome::Done),
            Err(error) => match error.kind.as_ref() {
                ErrorKind::Command(command) if OUT_OF_TIME.contains(&command.code) => Ok(UpkeepOutcome::OutOfTime),
                ErrorKind::Command(_) => Ok(UpkeepOutcome::Failed(self.settings.error(error).to_string())),
                _ => Err(self.settings.error(error).into()),
            },
        }
    }
}

/// Numbers come as whatever type the server finds small enough.
fn number(document: &Document, key: &str) -> u64 {
    match document.get(key) {
        Some(Bson::Double(value)) => *value as u64,
        Some(Bson::Int64(value)) => value.unsigned_abs(),
        Some(Bson::Int32(value)) => u64::from(value.unsigned_abs()),
        _ => 0,
    }
}

fn compact(name: String, bytes: u64, free: u64) -> Option<Upkeep> {
    let is_worth_it = free >= WORTH_BYTES && free >= bytes / MOSTLY;
    let why = || format!("{} of {} are free", megabytes(free), megabytes(bytes));
    is_worth_it.then(|| Upkeep::new(UpkeepKind::Compact, name, why(), String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_gives_back_what_is_most_of_its_file() {
        let of = |bytes, free| compact("notes".to_owned(), bytes, free);
        assert!(of(16 << 20, 8 << 20).is_some());
        assert!(of(17 << 20, 8 << 20).is_none() && of(8 << 20, 7 << 20).is_none());
        let told = doc! { "a": 1.5, "b": 7_i64, "c": 8_i32, "d": "9" };
        assert_eq!(["a", "b", "c", "d", "e"].map(|key| number(&told, key)), [1, 7, 8, 0, 0]);
    }
}
