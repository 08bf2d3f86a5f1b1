//! Computed rows into their databases. One thread computes, one task per database loads; between them a bounded channel, so
//! that a slow database slows the computing and memory stays flat.
//!
//! Tables are loaded parents first. Each table, or each group of tables that refer to each other in a circle, is one
//! transaction together with its rows in the ledger `genims_internal.seed_ledger`; so a killed run is run again and goes on
//! where it was, and a second run finds everything done. A database that fails stops no other.

mod ledger;
mod mongo;
mod mysql;
mod order;
mod postgres;

use super::history::{self, HistoryProgress, HistorySummary};
use super::spec::Specs;
use super::value::Value;
use super::world::{Parameters, TableId, Values, World};
use super::{PlantSize, supplied, tsv};
use crate::databases::{Database, Engine, Environment, Kind, MongoSettings, MysqlSettings, PostgresSettings, Registry};
use crate::platform::errors::PlatformError;
use bytes::Bytes;
use ledger::Ledger;
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
pub struct Options {
    /// Names or modules; empty is all.
    pub only: Vec<String>,
    /// A folder like `config/seed` instead of the embedded one.
    pub specs: Option<PathBuf>,
    pub parameters: Parameters,
    /// Whether the day was asked for; else a ledger's day stands.
    pub day_given: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct DatabaseReport {
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
pub struct Report {
    pub parameters: Parameters,
    pub databases: Vec<DatabaseReport>,
    pub seconds: f64,
}

impl Report {
    pub fn ok(&self) -> bool {
        self.databases.iter().all(|database| database.error.is_none())
    }
}

/// Something to show while it runs.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
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
    Finished(&'a DatabaseReport),
}

pub(crate) type Show<'a> = &'a (dyn Fn(Progress<'_>) + Sync);

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
    options: &Options,
    show: Show<'_>,
) -> Result<Report, PlatformError> {
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
    reports.values().filter(|report| report.error.is_some()).for_each(|report| show(Progress::Finished(report)));
    let databases = reports.into_values().collect();
    Ok(Report { parameters, databases, seconds: started.elapsed().as_secs_f64() })
}

fn failed(database: &Database, error: String) -> DatabaseReport {
    let name = database.name.clone();
    DatabaseReport { database: name, loaded: 0, there_before: 0, rows: 0, bytes: 0, seconds: 0.0, error: Some(error) }
}

type Opened<'a> = (&'a Database, Result<(Link, Ledger), PlatformError>);

/// Reads every ledger; the wait for one that does not answer is shared.
async fn open_all<'a>(chosen: &[&'a Database], environment: &Environment) -> Vec<Opened<'a>> {
    let opening = chosen.iter().map(|database| async move { (*database, open(database, environment).await) });
    futures_util::future::join_all(opening).await
}

async fn open(database: &Database, environment: &Environment) -> Result<(Link, Ledger), PlatformError> {
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
    options: &Options,
    parameters: Parameters,
    targets: Vec<Target<'_>>,
    show: Show<'_>,
) -> Result<Vec<DatabaseReport>, PlatformError> {
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
        Ok(Err(cause)) => Err(PlatformError::Seed { cause }),
        Err(error) => Err(PlatformError::Seed { cause: error.to_string() }),
    }
}

/// The databases that hold the history of sensors and machines.
const MEASURED: [&str; 2] = ["genims_operations_db", "genims_production"];

type Measured = Result<HistorySummary, PlatformError>;

/// The history of sensors and machines, through the stream's own analysis, into those of its two databases that are there.
fn measure<'a>(
    targets: &[Target<'_>],
    parameters: Parameters,
    show: Show<'a>,
) -> impl Future<Output = Measured> + use<'a> {
    let (mut postgres, mut mongodb) = (None, None);
    for target in targets {
        match &target.link {
            Link::Postgres(settings) if target.database.name == MEASURED[0] => {
                postgres = Some(settings.as_ref().clone())
            }
            Link::Mongo(settings) => mongodb = Some(settings.clone()),
            _ => {}
        }
    }
    async move {
        let wrong = |cause| PlatformError::Seed { cause };
        let history = history::simulate(parameters.history()).map_err(wrong)?;
        history::load_history(&history, postgres.as_ref(), mongodb.as_ref(), &|progress: HistoryProgress| {
            let (from_us, until_us) = progress.span_us;
            let hours = (progress.until_us - from_us) / 3_600_000_000;
            let of = (until_us - from_us) / 3_600_000_000;
            show(Progress::History { database: progress.database, hours, of });
        })
        .await
    }
}

/// Puts the history's share into the report of a database.
fn enter(report: &mut DatabaseReport, measured: &Measured) {
    match measured {
        Ok(summary) => {
            let written = if report.database == MEASURED[0] { summary.postgres } else { summary.mongodb };
            report.rows += written.readings + written.snapshots + written.events;
            report.seconds = report.seconds.max(written.seconds);
        }
        Err(error) => report.error = report.error.take().or_else(|| Some(error.to_string())),
    }
}

/// The stream's own master data, which code makes; harmless to repeat.
async fn plant(target: &Target<'_>, parameters: Parameters) -> Result<u64, PlatformError> {
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
) -> DatabaseReport {
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
        show(Progress::Finished(&report));
    }
    report
}

/// What the computing thread does for one database.
struct Work {
    database: Database,
    done: HashSet<String>,
    sender: mpsc::Sender<Message>,
}

fn compute(registry: &Registry, specs: Option<PathBuf>, parameters: Parameters, work: Vec<Work>) -> Result<(), String> {
    let supplied = supplied::all(registry, parameters)?;
    let world = World::new(registry, Specs::load(specs.as_deref(), false)?, supplied, parameters, false)?;
    let names: Vec<String> = work.iter().map(|work| work.database.name.clone()).collect();
    // A loader ends when its sender is dropped, at the end of its turn.
    for (at, Work { database, done, sender }) in work.into_iter().enumerate() {
        for group in order::groups(&world, &database.name) {
            if group.iter().all(|table| done.contains(world.short_name(*table))) {
                continue;
            }
            if let Err(stop) = send_group(&world, &database, &group, &sender) {
                if let Stop::Failed(cause) = stop {
                    // The loader may have gone already with an error of its own.
                    let _ = sender.blocking_send(Message::Failed(cause));
                }
                break;
            }
        }
        world.release(&names[..=at]);
    }
    Ok(())
}

enum Stop {
    /// The loader has gone; it says why itself.
    Gone,
    Failed(String),
}

impl From<String> for Stop {
    fn from(cause: String) -> Self {
        Self::Failed(cause)
    }
}

fn send(sender: &mpsc::Sender<Message>, message: Message) -> Result<(), Stop> {
    sender.blocking_send(message).map_err(|_| Stop::Gone)
}

fn send_group(
    world: &World,
    database: &Database,
    group: &[TableId],
    sender: &mpsc::Sender<Message>,
) -> Result<(), Stop> {
    send(sender, Message::Begin)?;
    for table in group {
        let rows = world.rows(*table)?;
        let names = world.columns_of(*table);
        let mut columns = Vec::with_capacity(names.len());
        for name in &names {
            columns.push((kind(world, *table, name), world.column(*table, name)?));
        }
        let numbered = world.model(*table).and_then(|model| model.columns.iter().find(|column| column.generated));
        let numbered = numbered.map(|column| column.name.clone());
        let name = world.short_name(*table).to_owned();
        send(sender, Message::Table(Plan { table: name, columns: names.clone(), numbered, rows }))?;
        match database.engine {
            Engine::Mongodb => send_documents(&names, &columns, rows, sender)?,
            Engine::Mysql => send_lines(&columns, rows, ("1", "0"), sender)?,
            Engine::Postgresql => send_lines(&columns, rows, ("t", "f"), sender)?,
        }
    }
    send(sender, Message::Commit)
}

fn kind(world: &World, table: TableId, column: &str) -> Kind {
    world.model(table).and_then(|model| model.column(column)).map_or(Kind::Json, |column| column.kind)
}

fn send_lines(
    columns: &[(Kind, Values)],
    rows: usize,
    booleans: (&str, &str),
    sender: &mpsc::Sender<Message>,
) -> Result<(), Stop> {
    let mut buffer = String::with_capacity(CHUNK_BYTES + 4096);
    for row in 0..rows {
        tsv::line(columns, row, booleans, &mut buffer);
        if buffer.len() >= CHUNK_BYTES {
            let full = std::mem::replace(&mut buffer, String::with_capacity(CHUNK_BYTES + 4096));
            send(sender, Message::Chunk(Bytes::from(full)))?;
        }
    }
    if buffer.is_empty() { Ok(()) } else { send(sender, Message::Chunk(Bytes::from(buffer))) }
}

/// Documents a chunk.
const DOCUMENTS: usize = 2_000;

fn send_documents(
    names: &[String],
    columns: &[(Kind, Values)],
    rows: usize,
    sender: &mpsc::Sender<Message>,
) -> Result<(), Stop> {
    for first in (0..rows).step_by(DOCUMENTS) {
        let chunk = (first..rows.min(first + DOCUMENTS)).map(|row| {
            let values: Vec<&Value> = columns.iter().map(|(_, values)| &values[row]).collect();
            mongo::document(names, &values)
        });
        send(sender, Message::Documents(chunk.collect()))?;
    }
    Ok(())
}
