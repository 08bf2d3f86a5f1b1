//! The archive of telemetry in MongoDB: what PostgreSQL is about to drop, condensed to minutes.
//!
//! Enters: rows of one partition, or of one day. Leaves: their minutes in a time-series collection, and in
//! `genims_internal.archived_days` for which rows each day stands there. Invariants: a document is written once although a run may
//! end anywhere: a time series has no unique index, so what it holds is looked up before anything is inserted, and that not before
//! an earlier insert has ended; rows and documents are in memory in portions of [`MINUTES_AT_ONCE`].

use super::minutes::{Condensed, Key, Minute};
use bson::{DateTime, Document, doc};
use futures_util::TryStreamExt;
use genims_databases::errors::postgres_cause;
use genims_databases::{Database, DatabaseError, Environment, MongoSettings, PostgresClient};
use genims_model::Backoff;
use genims_stores::SinkError;
use genims_stores::error::answered;
use genims_stores::mongo::lookup::nothing_runs;
use std::collections::HashMap;
use std::pin::pin;
use tokio_postgres::Error;
use tokio_postgres::types::{ToSql, Type};

/// Where archives are.
pub(super) const PRODUCTION: &str = "genims_production";
/// What knows of which type a sensor is.
pub(super) const MASTER: &str = "genims_master_db";
pub(super) const MASTER_AWAY: &str =
    "genims_master_db, which knows the sensors, cannot be asked; see what `genims doctor` says of it";

/// Minutes looked up, and documents inserted, at once: 4 MB of a command that may have 16.
const MINUTES_AT_ONCE: usize = 10_000;

/// Marks our inserts, so that one that still runs can be found.
const COMMENT: &str = "genims-retention";
/// Looks at an insert that still runs: two minutes.
const ATTEMPTS_MAX: u32 = 18;

/// A day is sorted by sensor and minute.
const SORTING: &str = "SET work_mem = '64MB'; SET jit = off";

const MARK: &str = "INSERT INTO genims_internal.archived_days (table_name, day, rows, newest_id, documents)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (table_name, day) DO UPDATE SET rows = excluded.rows,
    newest_id = excluded.newest_id, documents = excluded.documents, archived_at = now()";

const TYPES: &str = "SELECT sensor_id, sensor_type FROM public.sensors
    WHERE sensor_id = ANY($1) AND sensor_type IS NOT NULL";

/// One collection of it.
pub(super) struct Archive {
    settings: MongoSettings,
    client: mongodb::Client,
    collection: String,
}

/// Why something is not archived.
pub(super) enum Stop {
    /// The database that it is in failed.
    Failed(Error),
    /// Another one did, and nothing more can be archived: cause and remedy.
    Away(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Archive {
    /// That it is there; an error names cause and remedy.
    pub(super) async fn open(
        production: &Database,
        environment: &Environment,
        collection: &str,
    ) -> Result<Self, String> {
        let opened: Result<Self, DatabaseError> = async {
            let settings = MongoSettings::from_environment(production, environment)?;
            let client = settings.client().await?;
            Ok(Self { settings, client, collection: collection.to_owned() })
        }
        .await;
        let archive = opened.map_err(|error| error.to_string())?;
        archive.check_time_series().await?;
        Ok(archive)
    }

    fn database(&self) -> mongodb::Database {
        self.client.database(self.settings.database_name())
    }

    fn told(&self, error: SinkError) -> String {
        match error {
            SinkError::Mongo(source) => self.settings.error(source).to_string(),
            other => format!("{} at {}: {other}", self.settings.database(), self.settings.place()),
        }
    }

    /// An insert into one that is not there would make an ordinary collection.
    async fn check_time_series(&self) -> Result<(), String> {
        let (database, named) = (self.database(), doc! { "name": &self.collection, "type": "timeseries" });
        let found = answered(async { database.list_collection_names().filter(named).await }).await;
        if found.map_err(|error| self.told(error))?.is_empty() {
            let (database, collection) = (self.settings.database(), &self.collection);
            return Err(format!("{database} has no time series {collection}; run `genims provision`"));
        }
        Ok(())
    }

    /// Waits for inserts of an earlier run. A server works on after its client is gone, and what it will have written cannot be
    /// seen yet.
    async fn wait_for_inserts(&self) -> Result<(), String> {
        let still_runs = |error: &SinkError| matches!(error, SinkError::StillRunning);
        let attempt = async || answered(nothing_runs(&self.client, COMMENT)).await;
        let settled = Backoff::default().retry(ATTEMPTS_MAX, still_runs, attempt).await;
        settled.map_err(|error| self.told(error))
    }

    /// How many readings it holds of minutes of these sensors, from the first of these minutes to the last.
    async fn held(&self, minutes: &[Minute]) -> Result<HashMap<Key, i64>, SinkError> {
        let mut sensors: Vec<&str> = minutes.iter().map(|minute| minute.key.sensor_id.as_str()).collect();
        sensors.dedup();
        let starts = minutes.iter().map(|minute| minute.key.start_ms);
        let (Some(first), Some(last)) = (starts.clone().min(), starts.max()) else { return Ok(HashMap::new()) };
        let filter = doc! {
            "meta.sensor_id": { "$in": sensors },
            "timestamp": { "$gte": DateTime::from_millis(first), "$lte": DateTime::from_millis(last) },
        };
        let collection = self.database().collection::<Document>(&self.collection);
        let find = collection.find(filter).projection(doc! { "_id": 0, "timestamp": 1, "meta": 1, "count": 1 });
        let mut found = answered(async { find.await }).await?;
        let mut held: HashMap<Key, i64> = HashMap::new();
        while let Some(document) = answered(found.try_next()).await? {
            if let Some((key, readings)) = Key::of(&document) {
                // Should a minute be there twice, it differs from what is condensed, and that is told.
                *held.entry(key).or_default() += readings;
            }
        }
        Ok(held)
    }

    /// By a command of our own: the driver would repeat an insert whose end it does not know. Acknowledged is on the disk of the
    /// majority, for nothing else keeps it afterwards.
    async fn insert(&self, documents: Vec<Document>) -> Result<(), String> {
        let command = doc! {
            "insert": &self.collection,
            "ordered": false,
            "comment": COMMENT,
            "writeConcern": { "w": "majority", "j": true },
            "documents": documents,
        };
        let database = self.database();
        let reply = answered(async { database.run_command(command).await }).await;
        match refusal(&reply.map_err(|error| self.told(error))?) {
            Some(cause) => {
                let (database, place) = (self.settings.database(), self.settings.place());
                Err(format!("{database} at {place}: {}: {cause}; mend that and run this again", self.collection))
            }
            None => Ok(()),
        }
    }
}

/// Why a reply to an insert is none of success.
fn refusal(reply: &Document) -> Option<String> {
    let told = |error: &Document| error.get_str("errmsg").unwrap_or("refused").to_owned();
    if let Ok(concern) = reply.get_document("writeConcernError") {
        return Some(told(concern));
    }
    let first = reply.get_array("writeErrors").ok()?.first()?;
    first.as_document().map(told)
}

/// What condenses: the archive, and who knows the sensors.
pub(super) struct Archiver<'a> {
    pub(super) archive: &'a Archive,
    pub(super) master: &'a PostgresClient,
}

impl Archiver<'_> {
    /// Brings what a query of minutes gives into the archive, as far as it is not there; tells how many readings it has gone through.
    pub(super) async fn condense(
        &self,
        client: &PostgresClient,
        minutes: &str,
        condensed: &mut Condensed,
        told: &dyn Fn(i64),
    ) -> Result<(), Stop> {
        self.archive.check_time_series().await.map_err(Stop::Away)?;
        self.archive.wait_for_inserts().await.map_err(Stop::Away)?;
        client.batch_execute(SORTING).await?;
        let none: [&(dyn ToSql + Sync); 0] = [];
        let mut rows = pin!(client.query_raw(minutes, none).await?);
        let mut portion = Vec::new();
        while let Some(row) = rows.try_next().await? {
            portion.push(Minute::of(&row)?);
            if portion.len() == MINUTES_AT_ONCE {
                self.keep(&portion, condensed).await.map_err(Stop::Away)?;
                told(condensed.readings());
                portion.clear();
            }
        }
        self.keep(&portion, condensed).await.map_err(Stop::Away)
    }

    async fn keep(&self, minutes: &[Minute], condensed: &mut Condensed) -> Result<(), String> {
        let held = self.archive.held(minutes).await.map_err(|error| self.archive.told(error))?;
        let lacking = condensed.add(minutes, &held);
        if lacking.is_empty() {
            return Ok(());
        }
        let types = self.types(&lacking).await.map_err(|error| {
            let cause = postgres_cause(&error);
            format!("{MASTER} does not say of which types sensors are: {cause}; see what `genims doctor` says of it")
        })?;
        let now = DateTime::now();
        let document = |minute: &&Minute| {
            let sensor_type = types.get(&minute.key.sensor_id).map(String::as_str);
            minute.document(sensor_type, now)
        };
        self.archive.insert(lacking.iter().map(document).collect()).await?;
        condensed.inserted += lacking.len() as u64;
        Ok(())
    }

    /// The types of sensors; none of a sensor that the master data knows no more.
    async fn types(&self, minutes: &[&Minute]) -> Result<HashMap<String, String>, Error> {
        let mut sensors: Vec<&str> = minutes.iter().map(|minute| minute.key.sensor_id.as_str()).collect();
        sensors.dedup();
        let rows = self.master.query_typed(TYPES, &[(&sensors, Type::TEXT_ARRAY)]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

/// Says for which rows of a table the archive stands.
pub(super) async fn mark(client: &PostgresClient, table: &str, condensed: &Condensed) -> Result<(), Error> {
    for (day, archived) in &condensed.days {
        let values: [(&(dyn ToSql + Sync), Type); 5] = [
            (&table, Type::TEXT),
            (day, Type::DATE),
            (&archived.rows, Type::INT8),
            (&archived.newest_id, Type::INT8),
            (&archived.documents, Type::INT8),
        ];
        client.execute_typed(MARK, &values).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_is_no_success_says_why() {
        assert_eq!(refusal(&doc! { "ok": 1.0, "n": 2 }), None);
        let concern = doc! { "ok": 1.0, "n": 2, "writeConcernError": { "code": 64, "errmsg": "waiting timed out" } };
        assert_eq!(refusal(&concern).as_deref(), Some("waiting timed out"));
        let errors = doc! { "ok": 1.0, "n": 1, "writeErrors": [{ "index": 1, "code": 2, "errmsg": "no time" }] };
        assert_eq!(refusal(&errors).as_deref(), Some("no time"));
    }
}
