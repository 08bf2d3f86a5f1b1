//! `genims capacity`: what fills up, how fast, and when it is full; and which statements take long ([`slow`]).
//!
//! Enters: the registry, what the running server says of its logs, how long an answer may take. Leaves: a [`CapacityReport`], measured
//! from what databases know by themselves: the partitions of the last complete days, and rows of these days times the mean size of
//! a row. Invariants: nothing is changed, and nothing kept for the next run; what nobody measures is said to be not measured and is
//! no number; a server that does not answer stops no other, and a table that does not answer costs its own measure alone; few
//! databases are counted at once, and for a bounded time.
//!
//! - [`postgres`], [`mysql`], [`mongo`]: how each engine is asked, within [`limits`]; [`tables`]: by which column rows came
//! - [`known`]: what one database said; [`growth`], [`daily`]: bytes a day and days left
//! - [`disk`], [`lines`]: what is short; [`report`]

mod daily;
mod disk;
mod growth;
mod known;
mod limits;
mod lines;
mod mongo;
mod mysql;
mod postgres;
mod report;
pub mod slow;
mod tables;

pub use lines::{LogFill, LogPlace, short_from};
pub use report::{CapacityKind, CapacityLine, CapacityReport, CapacityState};

use crate::errors::PlatformError;
use futures_util::future::join_all;
use genims_databases::{Database, Engine, Environment, Registry};
use known::Known;
use limits::Limits;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What a server is given for one answer unless the caller says otherwise: large tables are counted.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// With fewer days left something is short unless the caller says otherwise: what a purchase takes.
pub const WARN_DAYS: u32 = 30;
/// Databases that count at the same time: most are of one server, which has a plant to serve.
const AT_ONCE: usize = 4;

#[derive(Clone, Debug)]
pub struct CapacityOptions {
    pub warn_days: u32,
    /// For one answer.
    pub limit: Duration,
    /// The server's data folder, if it is on this machine.
    pub data_dir: PathBuf,
    pub logs: Vec<LogPlace>,
}

/// Asks all databases of the registry, a few at once; `done` hears of each that has answered.
pub async fn run(
    registry: &Registry,
    environment: &Environment,
    options: &CapacityOptions,
    done: &dyn Fn(&str),
) -> CapacityReport {
    let started = Instant::now();
    let (limits, turns) = (Limits::new(options.limit), &Semaphore::new(AT_ONCE));
    let asked = join_all(registry.all().iter().map(|database| async move {
        // It is never closed.
        let _turn = turns.acquire().await;
        let answer = limits.whole(&database.name, ask(registry, database, environment, limits)).await;
        done(&database.name);
        answer
    }));
    let (mut lines, mut known) = (Vec::new(), Vec::new());
    for (database, answer) in registry.all().iter().zip(asked.await) {
        match answer {
            Ok(found) => {
                lines.push(lines::database(&found));
                known.push(found);
            }
            Err(error) => lines.push(lines::unreachable(&database.name, &error.to_string())),
        }
    }
    let logs: Vec<CapacityLine> =
        options.logs.iter().map(|log| lines::log(log, disk::folder_bytes(&log.folder))).collect();
    let room = |log: &CapacityLine| log.limit.unwrap_or(0).saturating_sub(log.now.unwrap_or(0));
    let data = disk::file_system(&options.data_dir).ok().map(|found| (found, logs.iter().map(room).sum::<u64>()));
    lines.extend(disk::lines(&known, data, options.warn_days));
    lines.extend(logs);
    lines.extend(known.iter().flat_map(|known| lines::partitions(known, options.warn_days)));
    lines.extend(lines::numbers(&known, options.warn_days));
    lines.extend(lines::transactions(&known));
    CapacityReport::new(options.warn_days, lines, started.elapsed().as_secs_f64())
}

async fn ask(
    registry: &Registry,
    database: &Database,
    environment: &Environment,
    limits: Limits,
) -> Result<Known, PlatformError> {
    let columns = || tables::columns(registry, database);
    match database.engine {
        Engine::Postgresql => {
            let kept = tables::days_kept(registry, database)?;
            postgres::ask(database, environment, (&columns()?, &kept), limits).await
        }
        Engine::Mysql => mysql::ask(database, environment, &columns()?, limits).await,
        Engine::Mongodb => mongo::ask(database, environment, limits).await,
    }
}
