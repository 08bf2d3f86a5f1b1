//! `genims doctor`: whether every connection is as it should be, and what to do where it is not.
//!
//! All databases are examined at the same time, each by itself and within [`TIME_MAX`], whatever its server does.
//!
//! - [`report`]: what was found; [`judge`]: what is good and what is not
//! - [`postgres`], [`mysql`], [`mongo`]: how each engine is asked

mod judge;
mod mongo;
mod mysql;
mod postgres;
pub mod report;

use futures_util::future::join_all;
use genims_databases::{Database, Engine, Environment, Registry};
use report::Chart;
pub use report::{Check, Examination, Grade, Report, Subject};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// For one database; all of them run at the same time.
const TIME_MAX: Duration = Duration::from_millis(2_500);

/// Examines all databases of the registry. Nothing is changed in any of them.
pub async fn run(registry: &Registry, environment: &Environment) -> Report {
    let started = Instant::now();
    let databases = join_all(registry.all().iter().map(|database| examine(database, environment))).await;
    let passed = databases.iter().all(|database| database.passed);
    Report { passed, databases, seconds: started.elapsed().as_secs_f64() }
}

async fn examine(database: &Database, environment: &Environment) -> Examination {
    let started = Instant::now();
    let mut chart = Chart::default();
    let looked = async {
        match database.engine {
            Engine::Postgresql => postgres::examine(&mut chart, database, environment).await,
            Engine::Mysql => mysql::examine(&mut chart, database, environment).await,
            Engine::Mongodb => mongo::examine(&mut chart, database, environment).await,
        }
    };
    if timeout(TIME_MAX, looked).await.is_err() {
        let found = format!("{}: no answer within {:.1} s", chart.place, TIME_MAX.as_secs_f64());
        if chart.has(Subject::Reachable) {
            chart.fail(Subject::Latency, found, "look at the server's log and load, and at the network between");
        } else {
            let remedy = format!("start the server, or mend host and port of {}", database.connection);
            chart.fail(Subject::Reachable, found, remedy);
        }
    }
    chart.checks.sort_by_key(|check| check.subject);
    Examination {
        database: database.name.clone(),
        engine: database.engine,
        place: chart.place,
        passed: chart.checks.iter().all(|check| check.grade != Grade::Failed),
        checks: chart.checks,
        seconds: started.elapsed().as_secs_f64(),
    }
}
