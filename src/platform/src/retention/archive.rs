//! The archive of telemetry in MongoDB: what PostgreSQL is about to drop, condensed to minutes.
//!
//! Enters: rows of one partition, or of one day. Leaves: their minutes in a time-series collection, and in
//! `genims_internal.archived_days` for which rows each day stands there. Invariants: a document is written once although a run may
//! end anywhere: a time series has no unique index, so what it holds is looked up before anything is inserted, and that not before
//! an earlier insert has ended; rows and documents are in memory in portions of [`MINUTES_AT_ONCE`]; what the archive holds is read
//! where it is written, and only what the majority has, for nothing else may stand for rows that go.

use super::minutes::{Condensed, Key, Minute};
use super::portion::Portion;
use bson::{DateTime, Document, doc};
use chrono::{NaiveDate, NaiveDateTime};
use futures_util::TryStreamExt;
use genims_databases::errors::postgres_cause;
use genims_databases::{Database, DatabaseError, Environment, MongoSettings, PostgresClient};
use genims_model::Backoff;
use genims_stores::SinkError;
use genims_stores::error::answered;
use genims_stores::mongo::lookup::nothing_runs;
use mongodb::ClientSession;
use mongodb::options::{DatabaseOptions, ReadConcern, ReadPreference, SelectionCriteria};
use std::collections::{HashMap, HashSet};
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
/// Documents that a look-up may go through for them.
const LOOKED_THROUGH_AT_ONCE: i64 = 100_000;

/// Marks our inserts, so that one that still runs can be found.
const COMMENT: &str = "genims-retention";
/// Looks at an insert that still runs: two minutes.
const ATTEMPTS_MAX: u32 = 18;

/// A day is sorted by sensor and minute, for as long as that and MongoDB take.
const SORTING: &str = "SET work_mem = '64MB'; SET jit = off; SET statement_timeout = 0";
const SORTED: &str = "RESET work_mem; RESET jit; RESET statement_timeout";

const HAS_MARKS: &str = "SELECT to_regclass('genims_internal.archived_days') IS NOT NULL";

const MARK: &str = "INSERT INTO genims_internal.archived_days (table_name, day, rows, newest_id, documents)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (table_name, day) DO UPDATE SET rows = excluded.rows,
    newest_id = excluded.newest_id, documents = excluded.documents, archived_at = now()";

/// That rows of one of these days have gone, as far as anything says so.
const SOME_GONE: &str = "SELECT EXISTS (SELECT FROM unnest($2::date[], $3::bigint[]) AS here (day, rows)
    LEFT JOIN genims_internal.archived_days marked ON marked.table_name = $1::text AND marked.day = here.day
    LEFT JOIN genims_internal.purged_rows purged ON purged.table_name = $1::text AND purged.day = here.day
    WHERE purged.day IS NOT NULL OR marked.rows > here.rows)";

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
        archive.session().await?;
        Ok(archive)
    }

    /// Whatever the URL prefers to read from: a secondary may lag, and what is not there would be written twice.
    fn database(&self) -> mongodb::Database {
        let options = DatabaseOptions::builder()
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .read_concern(ReadConcern::majority())
            .build();
        self.client.database_with_options(self.settings.database_name(), options)
    }

    fn told(&self, error: SinkError) -> String {
        match error {
            SinkError::Mongo(source) => self.settings.error(source).to_string(),
            other => format!("{} at {}: {other}", self.settings.database(), self.settings.place()),
        }
    }

    /// A session that waits until the majority has what the primary has now, also what a run wrote that ended meanwhile. Fails where
    /// the collection is not there: an insert would make an ordinary one.
    async fn session(&self) -> Result<ClientSession, String> {
        let started = answered(async { self.client.start_session().await }).await;
        let mut session = started.map_err(|error| self.told(error))?;
        let (database, named) = (self.database(), doc! { "name": &self.collection, "type": "timeseries" });
        let list = database.list_collection_names().filter(named).session(&mut session);
        let found = answered(async { list.await }).await;
        if found.map_err(|error| self.told(error))?.is_empty() {
            let (database, collection) = (self.settings.database(), &self.collection);
            return Err(format!("{database} has no time series {collection}; run `genims provision`"));
        }
        Ok(session)
    }

    /// Whether it holds anything of a stretch of time.
    pub(super) async fn has_any(&self, first: NaiveDateTime, last: NaiveDateTime) -> Result<bool, String> {
        let [first, last] = [first, last].map(|time| DateTime::from_millis(minute_ms(time)));
        let filter = doc! { "timestamp": { "$gte": first, "$lte": last } };
        let collection = self.database().collection::<Document>(&self.collection);
        let find = collection.find_one(filter).projection(doc! { "_id": 0, "timestamp": 1 });
        let found = answered(async { find.await }).await;
        Ok(found.map_err(|error| self.told(error))?.is_some())
    }

    /// Waits for inserts of an earlier run. A server works on after its client is gone, and what it will have written cannot be
    /// seen yet.
    async fn wait_for_inserts(&self) -> Result<(), String> {
        let still_runs = |error: &SinkError| matches!(error, SinkError::StillRunning);
        let attempt = async || answered(nothing_runs(&self.client, COMMENT)).await;
        let settled = Backoff::default().retry(ATTEMPTS_MAX, still_runs, attempt).await;
        settled.map_err(|error| self.told(error))
    }

    /// How many readings it holds of these minutes.
    async fn held(&self, session: &mut ClientSession, minutes: &[Minute]) -> Result<HashMap<Key, i64>, SinkError> {
        let wanted: HashSet<&Key> = minutes.iter().map(|minute| &minute.key).collect();
        let mut sensors: Vec<&str> = minutes.iter().map(|minute| minute.key.sensor_id.as_str()).collect();
        sensors.dedup();
        let starts = minutes.iter().map(|minute| minute.key.start_ms);
        let (Some(first), Some(last)) = (starts.clone().min(), starts.max()) else { return Ok(HashMap::new()) };
        let filter = doc! {
            "meta.sensor_id": { "$in": sensors },
            "timestamp": { "$gte": DateTime::from_millis(first), "$lte": DateTime::from_millis(last) },
        };
        let collection = self.database().collection::<Document>(&self.collection);
        let fields = doc! { "_id": 0, "timestamp": 1, "meta": 1, "count": 1 };
        let find = collection.find(filter).projection(fields).session(&mut *session);
        let mut found = answered(async { find.await }).await?;
        let mut held: HashMap<Key, i64> = HashMap::new();
        while let Some(document) = answered(async { found.next(&mut *session).await.transpose() }).await? {
            if let Some((key, readings)) = Key::of(&document)
                && wanted.contains(&key)
            {
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

/// The beginning of the minute of a time.
fn minute_ms(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp().div_euclid(60) * 60_000
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
        self.archive.wait_for_inserts().await.map_err(Stop::Away)?;
        self.sorted(client, minutes, condensed, Some(told)).await
    }

    /// Goes through the same and writes nothing.
    pub(super) async fn compare(
        &self,
        client: &PostgresClient,
        minutes: &str,
        condensed: &mut Condensed,
    ) -> Result<(), Stop> {
        self.sorted(client, minutes, condensed, None).await
    }

    async fn sorted(
        &self,
        client: &PostgresClient,
        minutes: &str,
        condensed: &mut Condensed,
        told: Option<&dyn Fn(i64)>,
    ) -> Result<(), Stop> {
        client.batch_execute(SORTING).await?;
        let ended = self.stream(client, minutes, condensed, told).await;
        let restored = client.batch_execute(SORTED).await;
        ended?;
        restored?;
        Ok(())
    }

    /// With `told` what the archive lacks is written.
    async fn stream(
        &self,
        client: &PostgresClient,
        minutes: &str,
        condensed: &mut Condensed,
        told: Option<&dyn Fn(i64)>,
    ) -> Result<(), Stop> {
        let mut session = self.archive.session().await.map_err(Stop::Away)?;
        let none: [&(dyn ToSql + Sync); 0] = [];
        let mut rows = pin!(client.query_raw(minutes, none).await?);
        let mut portion = Portion::new(MINUTES_AT_ONCE, LOOKED_THROUGH_AT_ONCE);
        while let Some(row) = rows.try_next().await? {
            let Some(full) = portion.add(Minute::of(&row)?) else { continue };
            self.keep(&mut session, &full, condensed, told.is_some()).await.map_err(Stop::Away)?;
            if let Some(told) = told {
                told(condensed.readings());
            }
        }
        self.keep(&mut session, &portion.rest(), condensed, told.is_some()).await.map_err(Stop::Away)
    }

    async fn keep(
        &self,
        session: &mut ClientSession,
        minutes: &[Minute],
        condensed: &mut Condensed,
        writes: bool,
    ) -> Result<(), String> {
        let held = self.archive.held(session, minutes).await.map_err(|error| self.archive.told(error))?;
        let lacking = condensed.add(minutes, &held);
        if lacking.is_empty() || !writes {
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

/// Whether this database can say which days are archived: it is migrated.
pub(super) async fn has_marks(client: &PostgresClient) -> Result<bool, Error> {
    Ok(client.query_typed_one(HAS_MARKS, &[]).await?.get(0))
}

/// Whether rows of the days of a part have gone before: of these the archive is the only copy.
pub(super) async fn has_some_gone(client: &PostgresClient, table: &str, condensed: &Condensed) -> Result<bool, Error> {
    let (days, rows): (Vec<NaiveDate>, Vec<i64>) =
        condensed.days.iter().map(|(day, archived)| (*day, archived.rows)).unzip();
    let values: [(&(dyn ToSql + Sync), Type); 3] =
        [(&table, Type::TEXT), (&days, Type::DATE_ARRAY), (&rows, Type::INT8_ARRAY)];
    Ok(client.query_typed_one(SOME_GONE, &values).await?.get(0))
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
    fn a_time_belongs_to_the_minute_that_it_is_in() {
        let time = |text: &str| text.parse::<NaiveDateTime>().expect("a time");
        assert_eq!(minute_ms(time("1970-01-01T00:01:59.9")), 60_000);
        assert_eq!(minute_ms(time("1969-12-31T23:59:30")), -60_000);
    }

    #[test]
    fn a_reply_that_is_no_success_says_why() {
        assert_eq!(refusal(&doc! { "ok": 1.0, "n": 2 }), None);
        let concern = doc! { "ok": 1.0, "n": 2, "writeConcernError": { "code": 64, "errmsg": "waiting timed out" } };
        assert_eq!(refusal(&concern).as_deref(), Some("waiting timed out"));
        let errors = doc! { "ok": 1.0, "n": 1, "writeErrors": [{ "index": 1, "code": 2, "errmsg": "no time" }] };
        assert_eq!(refusal(&errors).as_deref(), Some("no time"));
    }
}
