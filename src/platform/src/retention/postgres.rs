//! One PostgreSQL database: what goes is looked up once, for `plan` as for `run`, and deleted in short transactions.
//!
//! Invariants: nothing is deleted that was not in the plan of the same run, and a row that became younger meanwhile stays.

use super::archive::MASTER;
use super::entry;
use super::going::{self, Asked, Going, OtherDatabase};
use super::holds::{Holds, Law};
use super::partitions::Days;
use super::report::DatabaseRetention;
use super::rules::{self, RetentionRule};
use super::sql::{is_old, same_key};
use crate::errors::PlatformError;
use crate::provision::postgres::{connect_existing, lock};
use chrono::NaiveDate;
use genims_databases::errors::{postgres_cause, postgres_is_transient};
use genims_databases::{Database, Engine, Environment, Model, PostgresClient, PostgresSettings, partitions, quoted};
use genims_model::Backoff;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Rows deleted in one transaction at most: none holds locks for long.
const AT_ONCE: u64 = 5_000;
const ATTEMPTS_MAX: u32 = 10;

/// A database that is open for the whole run: others ask it what refers to them.
pub(super) struct Open {
    settings: PostgresSettings,
    client: PostgresClient,
    days: Vec<Days>,
    going: Vec<Going>,
    pub(super) report: DatabaseRetention,
}

/// Those that were opened, by name; the others are away, or do not exist.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) open: BTreeMap<String, Open>,
    pub(super) absent: BTreeSet<String>,
}

impl Opened {
    /// Who knows the sensors.
    fn master(&self) -> Option<&PostgresClient> {
        self.open.get(MASTER).map(|open| &open.client)
    }

    fn answer(&self, name: &str) -> OtherDatabase<'_> {
        match self.open.get(name) {
            Some(open) => OtherDatabase::Asked(Asked { client: &open.client, going: &open.going }),
            None if self.absent.contains(name) => OtherDatabase::Absent,
            None => OtherDatabase::Away,
        }
    }
}

/// What is the same for all databases of a run.
pub(super) struct Run<'a> {
    pub(super) models: &'a [(Engine, Model)],
    pub(super) holds: &'a Holds,
    pub(super) law: Law<'a>,
    pub(super) as_of: NaiveDate,
    /// Where archives are.
    pub(super) production: &'a Database,
    pub(super) environment: &'a Environment,
}

impl Open {
    /// `None`: the database does not exist.
    pub(super) async fn connect(database: &Database, environment: &Environment) -> Result<Option<Self>, PlatformError> {
        let settings = PostgresSettings::from_environment(database, environment)?;
        let Some(client) = connect_existing(&settings).await? else { return Ok(None) };
        let report = DatabaseRetention::new(database);
        Ok(Some(Self { settings, client, days: Vec::new(), going: Vec::new(), report }))
    }

    /// Looks what is old enough, and what of it the law holds, or cannot be archived.
    pub(super) async fn look(
        &mut self,
        run: &Run<'_>,
        rules: Vec<RetentionRule>,
        others: &Opened,
    ) -> Result<(), PlatformError> {
        let database = self.report.database.clone();
        let partitioned = partitions::parents(&self.client).await.map_err(|error| self.failed(error))?;
        for rule in rules {
            if partitioned.contains(&rule.table.name) {
                let held = run.holds.of(&database, &rule.table.name);
                self.days.push(Days::new(&database, rule, run.as_of, held));
            } else if rule.archive.is_some() {
                let cause = format!("{} has no partitions, and only whole days are archived", rule.table.name);
                return Err(PlatformError::Retention { file: format!("{database}.toml"), cause });
            } else {
                let referrers = rules::referrers(run.models, &database, &rule.table.name);
                self.going.push(Going::new(self.going.len(), rule, run.as_of, referrers));
            }
        }
        let looked = self.look_at_rows(run, &database).await;
        looked.map_err(|error| self.failed(error))?;
        let looked = self.look_at_archives(run, others.master()).await;
        looked.map_err(|error| self.failed(error))
    }

    async fn look_at_archives(&mut self, run: &Run<'_>, master: Option<&PostgresClient>) -> Result<(), Error> {
        for days in &mut self.days {
            days.look_at_archive(&self.client, run.production, run.environment, master).await?;
        }
        Ok(())
    }

    async fn look_at_rows(&mut self, run: &Run<'_>, database: &str) -> Result<(), Error> {
        for days in &mut self.days {
            days.look(&self.client).await?;
        }
        going::fill(&self.client, database, &mut self.going, run.holds).await
    }

    /// Takes out what something refers to that stays, here or in the others. How many rows were taken out.
    pub(super) async fn settle(&mut self, others: &Opened) -> Result<u64, PlatformError> {
        let database = self.report.database.clone();
        let answer = |name: &str| others.answer(name);
        let settled = async {
            let here = going::settle(&self.client, &database, &mut self.going).await?;
            Ok(here + going::ask_others(&self.client, &database, &mut self.going, &answer).await?)
        };
        let settled: Result<u64, Error> = settled.await;
        settled.map_err(|error| self.failed(error))
    }

    /// Deletes what goes.
    pub(super) async fn purge(
        &mut self,
        law: &Law<'_>,
        others: &Opened,
        progress: &dyn Fn(&str),
    ) -> Result<(), PlatformError> {
        let purged = self.purge_all(law, others.master(), progress).await;
        purged.map_err(|error| self.failed(error))
    }

    async fn purge_all(
        &mut self,
        law: &Law<'_>,
        master: Option<&PostgresClient>,
        progress: &dyn Fn(&str),
    ) -> Result<(), Error> {
        lock(&self.client, "genims retention").await?;
        for days in &mut self.days {
            days.run(&mut self.client, law, master, progress).await?;
        }
        self.client.batch_execute("SET lock_timeout = '2s'").await?;
        for index in going::referring_first(&self.report.database, &self.going) {
            let going = &mut self.going[index];
            if going.report.goes > 0 {
                progress(&going.rule.table.name);
                delete(&self.client, going).await?;
            }
        }
        Ok(())
    }

    /// Enters what was deleted in the outbox of changes.
    pub(super) async fn enter(&self, module: &str) -> Result<(), PlatformError> {
        let tables = self.days.iter().map(|days| &days.report).chain(self.going.iter().map(|going| &going.report));
        let entered = entry::record(&self.client, module, &self.report.database, tables).await;
        entered.map_err(|error| self.failed(error))
    }

    /// Its report, with that of each table that ages.
    pub(super) fn end(mut self) -> DatabaseRetention {
        let tables = self.days.into_iter().map(|days| days.report);
        self.report.tables = tables.chain(self.going.into_iter().map(|going| going.report)).collect();
        self.report.tables.sort_by(|one, other| one.table.cmp(&other.table));
        self.report
    }

    fn failed(&self, error: Error) -> PlatformError {
        if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
            let (database, cause) = (self.report.database.clone(), postgres_cause(&error));
            return PlatformError::PurgeRight { database, cause };
        }
        self.settings.error(error).into()
    }
}

/// Batch by batch; the keys of a batch are forgotten with its rows. What a foreign key holds after all is held alone.
async fn delete(client: &PostgresClient, going: &mut Going) -> Result<(), Error> {
    let mut at_once = AT_ONCE;
    let may_pass = |error: &Error| postgres_is_transient(error) && error.code().is_some();
    loop {
        let statement = statement(going, at_once);
        let attempt = async || client.query_typed_one(&statement, &[]).await;
        match Backoff::default().retry(ATTEMPTS_MAX, may_pass, attempt).await {
            Ok(row) => {
                let [taken, gone] = [0, 1].map(|index| row.get::<_, i64>(index).unsigned_abs());
                going.report.gone += gone;
                going.report.hold("became younger, or went meanwhile", taken - gone);
                if taken == 0 {
                    return Ok(());
                }
                at_once = (at_once * 2).min(AT_ONCE);
            }
            Err(error) if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) => {
                if at_once > 1 {
                    at_once = (at_once / 8).max(1);
                    continue;
                }
                let skip = batch(going, 1);
                let same = same_key(&going.rule.table, "g", "b");
                let skip = format!("WITH {skip} DELETE FROM {} g USING batch b WHERE {same}", going.keys);
                let rows = client.execute_typed(&skip, &[]).await?;
                going.report.hold(format!("refused by the database: {}", postgres_cause(&error)), rows);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The youngest keys first: what refers to a row of its own table was mostly made after it.
fn batch(going: &Going, at_once: u64) -> String {
    let quoted = |name: &String| quoted(Engine::Postgresql, name);
    let names = going.rule.table.key.iter().map(quoted).collect::<Vec<_>>();
    let order = names.iter().map(|name| format!("{name} DESC")).collect::<Vec<_>>().join(", ");
    format!("batch AS (SELECT {} FROM {} ORDER BY {order} LIMIT {at_once})", names.join(", "), going.keys)
}

/// Gives how many keys were taken, and how many rows went.
fn statement(going: &Going, at_once: u64) -> String {
    let table = &going.rule.table;
    let old = is_old(Engine::Postgresql, &going.rule, "t", going.before);
    let old = old.map_or_else(String::new, |old| format!(" AND {old}"));
    format!(
        "WITH {},
         gone AS (DELETE FROM {} t USING batch b WHERE {}{old} RETURNING 1),
         taken AS (DELETE FROM {} g USING batch b WHERE {} RETURNING 1)
         SELECT (SELECT count(*) FROM taken), (SELECT count(*) FROM gone)",
        batch(going, at_once),
        going.public(),
        same_key(table, "t", "b"),
        going.keys,
        same_key(table, "g", "b"),
    )
}
