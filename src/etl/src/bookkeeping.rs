//! What is known of jobs, in `genims_internal` of the master database: the lease of a job, the log of its runs, and what each day
//! looked like when it was stored.
//!
//! Invariants: a lease is a lock of an open transaction, so it ends with its connection, whatever kills that; a pooler may stand in
//! between. What a day looked like is noted after the day was stored: a run killed in between computes it once more.

use crate::error::EtlError;
use chrono::{DateTime, NaiveDate, Utc};
use genims_databases::{PostgresClient, PostgresSettings};
use std::collections::BTreeMap;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// The database that holds it.
pub const DATABASE: &str = "genims_master_db";

/// Where the digest of a whole table stands.
pub const WHOLE_TABLE: NaiveDate = match NaiveDate::from_ymd_opt(1, 1, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// Digests written by one statement.
const DIGESTS_AT_ONCE: usize = 5_000;
/// What a run's error may take in the log.
const ERROR_CHARACTERS_MAX: usize = 4_000;

/// By watch and day.
pub type Digests = BTreeMap<(String, NaiveDate), String>;

type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// Why a run takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunKind {
    Scheduled,
    Manual,
    Backfill,
}

impl RunKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Manual => "manual",
            Self::Backfill => "backfill",
        }
    }
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Done {
    pub deep: bool,
    pub days: u64,
    pub rows_out: u64,
    pub rows_in: u64,
    /// `pg_current_snapshot()` of each source.
    pub watermark: String,
}

/// A run of the log.
#[derive(Clone, Debug)]
pub struct Logged {
    pub run_id: i64,
    pub job: String,
    pub kind: String,
    pub due_at: Option<DateTime<Utc>>,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub outcome: String,
    pub days: i64,
    pub rows_out: i64,
    pub rows_in: i64,
    pub watermark: Option<String>,
    pub error: Option<String>,
}

pub struct JobBookkeeping {
    settings: PostgresSettings,
    client: PostgresClient,
}

/// Held while a run is under way.
pub struct Lease {
    settings: PostgresSettings,
    client: PostgresClient,
    job: String,
}

impl JobBookkeeping {
    pub async fn open(settings: PostgresSettings) -> Result<Self, EtlError> {
        let client = settings.connect().await?;
        let exists = client.query_typed_one("SELECT to_regclass('genims_internal.etl_days') IS NOT NULL", &[]).await;
        if !exists.map_err(|error| settings.error(error))?.get::<_, bool>(0) {
            return Err(EtlError::NoBookkeeping { database: settings.database().to_owned() });
        }
        Ok(Self { settings, client })
    }

    async fn query(&self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>, EtlError> {
        Ok(self.client.query_typed(statement, values).await.map_err(|error| self.settings.error(error))?)
    }

    /// The right to run a job; `Busy` while somebody else has it.
    pub async fn lease(&self, job: &str) -> Result<Lease, EtlError> {
        let client = self.settings.connect().await?;
        let failed = |error| EtlError::from(self.settings.error(error));
        // The transaction does nothing for as long as the run takes.
        client.batch_execute("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0").await.map_err(failed)?;
        let lock = "SELECT pg_try_advisory_xact_lock(hashtext('genims etl'), hashtext($1))";
        let row = client.query_typed_one(lock, &[(&job, Type::TEXT)]).await.map_err(failed)?;
        if !row.get::<_, bool>(0) {
            return Err(EtlError::Busy { job: job.to_owned() });
        }
        Ok(Lease { settings: self.settings.clone(), client, job: job.to_owned() })
    }

    /// Enters a run whose lease is held, so whatever else stands there as running was killed.
    pub async fn begin(&self, job: &str, kind: RunKind, due_at: Option<DateTime<Utc>>) -> Result<i64, EtlError> {
        let abandoned = "UPDATE genims_internal.etl_runs SET outcome = 'abandoned', ended_at = clock_timestamp() \
                         WHERE job = $1 AND outcome = 'running'";
        self.query(abandoned, &[(&job, Type::TEXT)]).await?;
        let insert = "INSERT INTO genims_internal.etl_runs (job, kind, due_at) VALUES ($1, $2, $3) RETURNING run_id";
        let values: [Value<'_>; 3] = [(&job, Type::TEXT), (&kind.as_str(), Type::TEXT), (&due_at, Type::TIMESTAMPTZ)];
        let rows = self.query(insert, &values).await?;
        Ok(rows.first().map_or(0, |row| row.get(0)))
    }

    pub async fn end(&self, run_id: i64, done: &Done, error: Option<&EtlError>) -> Result<(), EtlError> {
        let update = "UPDATE genims_internal.etl_runs SET ended_at = clock_timestamp(), outcome = $2, deep = $3, days = $4, \
                      rows_out = $5, rows_in = $6, watermark = $7, error = $8 WHERE run_id = $1";
        let outcome = if error.is_some() { "failed" } else { "succeeded" };
        let error: Option<String> = error.map(|error| error.to_string().chars().take(ERROR_CHARACTERS_MAX).collect());
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let values: [Value<'_>; 8] = [
            (&run_id, Type::INT8),
            (&outcome, Type::TEXT),
            (&done.deep, Type::BOOL),
            (&number(done.days), Type::INT8),
            (&number(done.rows_out), Type::INT8),
            (&number(done.rows_in), Type::INT8),
            (&done.watermark, Type::TEXT),
            (&error, Type::TEXT),
        ];
        self.query(update, &values).await.map(|_| ())
    }

    /// Whether no run of the last 20 hours looked at all days.
    pub async fn deep_is_due(&self, job: &str) -> Result<bool, EtlError> {
        let select = "SELECT NOT EXISTS (SELECT FROM genims_internal.etl_runs WHERE job = $1 AND deep AND kind <> 'backfill' \
                      AND outcome = 'succeeded' AND started_at > clock_timestamp() - interval '20 hours')";
        let rows = self.query(select, &[(&job, Type::TEXT)]).await?;
        Ok(rows.first().is_none_or(|row| row.get(0)))
    }

    /// For which moment the last run that succeeded was; `None` when none ever did.
    pub async fn last_success(&self, job: &str) -> Result<Option<DateTime<Utc>>, EtlError> {
        let select = "SELECT max(coalesce(due_at, started_at)) FROM genims_internal.etl_runs \
                      WHERE job = $1 AND outcome = 'succeeded' AND kind <> 'backfill'";
        let rows = self.query(select, &[(&job, Type::TEXT)]).await?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }

    /// The last runs of a job, newest first.
    pub async fn last_runs(&self, job: &str, count: i64) -> Result<Vec<Logged>, EtlError> {
        let select = "SELECT run_id, job, kind, due_at, started_at, ended_at, outcome, days, rows_out, rows_in, watermark, error \
                      FROM genims_internal.etl_runs WHERE job = $1 ORDER BY run_id DESC LIMIT $2";
        let rows = self.query(select, &[(&job, Type::TEXT), (&count, Type::INT8)]).await?;
        let logged = rows.iter().map(|row| Logged {
            run_id: row.get(0),
            job: row.get(1),
            kind: row.get(2),
            due_at: row.get(3),
            started_at: row.get(4),
            ended_at: row.get(5),
            outcome: row.get(6),
            days: row.get(7),
            rows_out: row.get(8),
            rows_in: row.get(9),
            watermark: row.get(10),
            error: row.get(11),
        });
        Ok(logged.collect())
    }

    /// Of these runs, those of a job that are over.
    pub async fn ended(&self, job: &str, runs: &[i64]) -> Result<Vec<i64>, EtlError> {
        let select =
            "SELECT run_id FROM genims_internal.etl_runs WHERE job = $1 AND outcome <> 'running' AND run_id = ANY ($2)";
        let rows = self.query(select, &[(&job, Type::TEXT), (&runs, Type::INT8_ARRAY)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    pub async fn digests(&self, job: &str) -> Result<Digests, EtlError> {
        let select = "SELECT watch, day, digest FROM genims_internal.etl_days WHERE job = $1";
        let rows = self.query(select, &[(&job, Type::TEXT)]).await?;
        Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
    }

    /// Notes what days look like now; `None` where nothing is left of them.
    pub async fn note(&self, job: &str, digests: &[(&(String, NaiveDate), Option<&String>)]) -> Result<(), EtlError> {
        let upsert = "WITH given AS (SELECT * FROM unnest($2::text[], $3::date[], $4::text[]) AS g (watch, day, digest)), \
             gone AS (DELETE FROM genims_internal.etl_days d USING given g \
                      WHERE d.job = $1 AND d.watch = g.watch AND d.day = g.day AND g.digest IS NULL) \
             INSERT INTO genims_internal.etl_days (job, watch, day, digest) \
             SELECT $1, watch, day, digest FROM given WHERE digest IS NOT NULL \
             ON CONFLICT (job, watch, day) DO UPDATE SET digest = excluded.digest";
        for part in digests.chunks(DIGESTS_AT_ONCE) {
            let watches: Vec<&str> = part.iter().map(|((watch, _), _)| watch.as_str()).collect();
            let days: Vec<NaiveDate> = part.iter().map(|((_, day), _)| *day).collect();
            let digests: Vec<Option<&str>> = part.iter().map(|(_, digest)| digest.map(String::as_str)).collect();
            let values: [Value<'_>; 4] = [
                (&job, Type::TEXT),
                (&watches, Type::TEXT_ARRAY),
                (&days, Type::DATE_ARRAY),
                (&digests, Type::TEXT_ARRAY),
            ];
            self.query(upsert, &values).await?;
        }
        Ok(())
    }
}

impl Lease {
    /// Whether it is still held: asked before anything is stored.
    pub async fn hold(&self) -> Result<(), EtlError> {
        let held = self.client.query_typed_one("SELECT 1", &[]).await;
        held.map(|_| ()).map_err(|error| {
            tracing::warn!(job = self.job, cause = %self.settings.error(error), "the lease of a job is lost");
            EtlError::LeaseLost { job: self.job.clone(), database: self.settings.database().to_owned() }
        })
    }
}
