//! Computed rows into their databases. One thread computes, one task per database loads; between them a bounded channel, so
//! that a slow database slows the computing and memory stays flat.
//!
//! Tables are loaded parents first. Each table, or each group of tables that refer to each other in a circle, is one
//! transaction together with its rows in the ledger `genims_internal.seed_ledger`; so a killed run is run again and goes on
//! where it was, and a second run finds everything done. A database that fails stops no other.

mod compute;
mod foreign_keys;
mod ledger;
mod measured;
mod mongo;
mod mysql;
mod order;
mod postgres;

use super::PlantSize;
use super::world::Parameters;
use crate::errors::SeedError;
use bytes::Bytes;
use compute::{Work, compute};
use genims_databases::{Database, Engine, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry};
use ledger::SeedLedger;
use measured::{MEASURED, enter, measure};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::Instant;
use tokio::sync::mpsc;

/// Large enough that the network and not the call decides.
const CHUNK_BYTES: usize = 256 * 1024;

/// Chunks that may wait for a database.
const CHUNKS_WAITING: usize = 16;

#[derive(Clone, Debug)]
pub struct SeedOptions {
    /// Names or modules; empty is all.
    pub only: Vec<String>,
    /// A folder like `config/seed` instead of the embedded one.
    pub specs: Option<PathBuf>,
    pub parameters: Parameters,
    /// Whether the day was asked for; else a ledger's day stands.
    pub day_given: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct SeededDatabase {
    pub database: String,
    /// Tables or collections filled now.
    pub loaded: usize,
    /// Those that an earlier run had filled.
    pub there_before: usize,
    pub rows: u64,
    pub bytes: u64,
    pub seconds: f64,
    pub error: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct SeedReport {
    pub parameters: Parameters,
    pub databases: Vec<SeededDatabase>,
    pub seconds: f64,
}

impl SeedReport {
    pub fn ok(&self) -> bool {
        self.databases.iter().all(|database| database.error.is_none())
    }
}

/// Something to show while it runs.
#[derive(Clone, Copy, Debug)]
pub enum SeedProgress<'a> {
    Table {
        database: &'a str,
        table: &'a str,
        rows: u64,
    },
    /// Hours of the history of sensors and machines.
    History {
        database: &'a str,
        hours: i64,
        of: i64,
    },
    Finished(&'a SeededDatabase),
}

pub(crate) type Show<'a> = &'a (dyn Fn(SeedProgress<'_>) + Sync);

/// A table about to be loaded.
#[derive(Debug)]
struct Plan {
    table: String,
    columns: Vec<String>,
    /// The column that the database would number itself.
    numbered: Option<String>,
    rows: usize,
}

/// From the computing thread to a loader, in this order: `Begin (Table Chunk*)+ Commit`.
enum Message {
    Begin,
    Table(Plan),
    /// Tab separated lines.
    Chunk(Bytes),
    Documents(Vec<bson::Document>),
    Commit,
    /// Computing failed; nothing more comes.
    Failed(String),
}

/// One database to fill and how far it is.
struct Target<'a> {
    database: &'a Database,
    link: Link,
    done: HashSet<String>,
}

enum Link {
    Postgres(Box<PostgresSettings>),
    Mysql(MysqlSettings),
    Mongo(MongoSettings),
}

/// Fills the chosen databases. An error means that nothing was begun; what fails later is in the report.
pub async fn run(
    registry: &Registry,
    environment: &Environment,
    options: &SeedOptions,
    show: Show<'_>,
) -> Result<SeedReport, SeedError> {
    let started = Instant::now();
    let mut chosen: Vec<&Database> = Vec::new();
    for name in &options.only {
        chosen.push(registry.get(name)?);
    }
    if chosen.is_empty() {
        chosen = registry.all().iter().collect();
    }
    let mut reports = BTreeMap::new();
    let mut targets = Vec::new();
    let mut parameters = options.parameters;
    for (database, opened) in open_all(&chosen, environment).await {
        match opened {
            Ok((link, ledger)) => targets.push((database, link, ledger)),
            Err(error) => drop(reports.insert(database.load_order, failed(database, error.to_string()))),
        }
    }
    if !options.day_given
        && let Some(known) = targets.iter().find_map(|(_, _, ledger)| ledger.parameters)
    {
        parameters.today = known.today;
    }
    let mut ready = Vec::new();
    for (database, link, ledger) in targets {
        match ledger.done(database, parameters) {
            Ok(done) => ready.push(Target { database, link, done }),
            Err(error) => drop(reports.insert(database.load_order, failed(database, error.to_string()))),
        }
    }
    for report in fill(registry, options, parameters, ready, show).await? {
        let order = registry.get(&report.database)?.load_order;
        reports.insert(order, report);
    }
    reports.values().filter(|report| report.error.is_some()).for_each(|report| show(SeedProgress::Finished(report)));
    let databases = reports.into_values().collect();
    Ok(SeedReport { parameters, databases, seconds: started.elapsed().as_secs_f64() })
}

fn failed(database: &Database, error: String) -> SeededDatabase {
    let name = database.name.clone();
    SeededDatabase { database: name, loaded: 0, there_before: 0, rows: 0, bytes: 0, seconds: 0.0, error: Some(error) }
}

type Opened<'a> = (&'a Database, Result<(Link, SeedLedger), SeedError>);

/// Reads every ledger; the wait for one that does not answer is shared.
async fn open_all<'a>(chosen: &[&'a Database], environment: &Environment) -> Vec<Opened<'a>> {
    let opening = chosen.iter().map(|database| async move { (*database, open(database, environment).await) });
    futures_util::future::join_all(opening).await
}

async fn open(database: &Database, environment: &Environment) -> Result<(Link, SeedLedger), SeedError> {
    Ok(match database.engine {
        Engine::Postgresql => {
            let settings = PostgresSettings::from_environment(database, environment)?;
            let ledger = postgres::ledger(&settings).await?;
            (Link::Postgres(Box::new(settings)), ledger)
        }
        Engine::Mysql => {
            let settings = MysqlSettings::from_environment(database, environment)?;
            let ledger = mysql::ledger(&settings).await?;
            (Link::Mysql(settings), ledger)
        }
        Engine::Mongodb => {
            let settings = MongoSettings::from_environment(database, environment)?;
            let ledger = mongo::ledger(&settings).await?;
            (Link::Mongo(settings), ledger)
        }
    })
}

async fn fill(
    registry: &Registry,
    options: &SeedOptions,
    parameters: Parameters,
    targets: Vec<Target<'_>>,
    show: Show<'_>,
) -> Result<Vec<SeededDatabase>, SeedError> {
    let measured = measure(&targets, parameters, show);
    let (mut work, mut loaders) = (Vec::new(), Vec::new());
    for target in targets {
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
        work.push(Work { database: target.database.clone(), done: target.done.clone(), sender });
        loaders.push(load(target, parameters, receiver, show));
    }
    let (registry, specs) = (registry.clone(), options.specs.clone());
    let computing = tokio::task::spawn_blocking(move || compute(&registry, specs, parameters, work));
    let (mut reports, measured) = tokio::join!(futures_util::future::join_all(loaders), measured);
    let places = reports.iter_mut().filter(|report| MEASURED.contains(&report.database.as_str()));
    places.for_each(|report| enter(report, &measured));
    match computing.await {
        Ok(Ok(())) => Ok(reports),
        Ok(Err(cause)) => Err(SeedError::Specs { cause }),
        Err(error) => Err(SeedError::Thread(error)),
    }
}

/// The stream's own master data, which code makes; harmless to repeat.
async fn plant(target: &Target<'_>, parameters: Parameters) -> Result<u64, SeedError> {
    let (Link::Postgres(settings), "master") = (&target.link, target.database.module.as_str()) else { return Ok(0) };
    let size = PlantSize { seed: parameters.seed, ..PlantSize::default() };
    let summary = super::plant(settings, size, &|_| {}).await?;
    Ok(summary.tables.iter().map(|table| table.inserted + table.updated).sum())
}

async fn load(
    target: Target<'_>,
    parameters: Parameters,
    receiver: mpsc::Receiver<Message>,
    show: Show<'_>,
) -> SeededDatabase {
    let started = Instant::now();
    let mut report = failed(target.database, String::new());
    (report.error, report.there_before) = (None, target.done.len());
    let loaded = match plant(&target, parameters).await {
        Ok(rows) => {
            report.rows += rows;
            match &target.link {
                Link::Postgres(settings) => postgres::load(settings, parameters, receiver, &mut report, show).await,
                Link::Mysql(settings) => mysql::load(settings, parameters, receiver, &mut report, show).await,
                Link::Mongo(settings) => mongo::load(settings, parameters, receiver, &mut report, show).await,
            }
        }
        Err(error) => Err(error),
    };
    report.error = loaded.err().map(|error| error.to_string());
    report.seconds = started.elapsed().as_secs_f64();
    if report.error.is_none() {
        show(SeedProgress::Finished(&report));
    }
    report
}
