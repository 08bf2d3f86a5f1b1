//! `genims capacity slow`: the statements of all engines that took longest, and those that run now, in one view.
//!
//! Enters: the registry. Leaves: a [`SlowReport`]. Each server is asked once, about those of its databases that are ours. Invariants:
//! nothing is changed or switched on; where a server does not count statements, or a login may not see them, the report says
//! what to do; texts are shown without their literals and comments, and none that names a password.

mod mongo;
mod mysql;
mod postgres;
mod text;

use super::known::server;
use super::limits;
use futures_util::future::join_all;
use genims_databases::{
    Database, DatabaseError, Engine, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry,
};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Statements in the report, and of each server at most.
const STATEMENTS_MAX: usize = 20;
/// What runs for longer is shown.
const RUNNING_SECONDS_MIN: f64 = 1.0;

/// A statement as a server counted it, whatever its values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlowStatement {
    pub engine: Engine,
    /// As its server calls it.
    pub database: String,
    pub text: String,
    pub calls: u64,
    pub total_seconds: f64,
    pub longest_seconds: f64,
}

impl SlowStatement {
    pub fn mean_seconds(&self) -> f64 {
        self.total_seconds / self.calls.max(1) as f64
    }
}

/// What runs now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunningStatement {
    pub engine: Engine,
    pub database: String,
    pub login: String,
    /// What it does or waits for, in the server's words.
    pub state: String,
    pub seconds: f64,
    pub text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SlowReport {
    /// Every server could be asked.
    pub passed: bool,
    /// By the time that all calls took together.
    pub slowest: Vec<SlowStatement>,
    pub running: Vec<RunningStatement>,
    /// What could not be seen, and what to do about it.
    pub remarks: Vec<String>,
    pub seconds: f64,
}

/// What one server said.
#[derive(Debug, Default)]
struct Seen {
    slowest: Vec<SlowStatement>,
    running: Vec<RunningStatement>,
    remarks: Vec<String>,
}

/// How to reach databases of one server, in load order.
enum Settings {
    Postgres(Vec<PostgresSettings>),
    Mysql(Vec<MysqlSettings>),
    Mongodb(Box<MongoSettings>),
}

struct OneServer {
    /// `PostgreSQL h:5432`, for remarks.
    name: String,
    settings: Settings,
}

/// Asks all servers at the same time, each for no longer than `limit`; `done` hears of each that has answered.
pub async fn run(registry: &Registry, environment: &Environment, limit: Duration, done: &dyn Fn(&str)) -> SlowReport {
    let started = Instant::now();
    let mut servers: Vec<OneServer> = Vec::new();
    let mut report = SlowReport { passed: true, ..SlowReport::default() };
    for database in registry.all() {
        if let Err(error) = add(&mut servers, database, environment) {
            report.passed = false;
            report.remarks.push(error.to_string());
        }
    }
    let asked = join_all(servers.iter().map(|server| async move {
        let answer = limits::answer(&server.name, limit, ask(server)).await;
        done(&server.name);
        answer
    }));
    for answer in asked.await {
        match answer.map_err(|error| error.to_string()).and_then(|seen| seen.map_err(|error| error.to_string())) {
            Ok(seen) => {
                report.slowest.extend(seen.slowest);
                report.running.extend(seen.running);
                report.remarks.extend(seen.remarks);
            }
            Err(error) => {
                report.passed = false;
                report.remarks.push(error);
            }
        }
    }
    order(&mut report);
    report.seconds = started.elapsed().as_secs_f64();
    report
}

/// The longest first.
fn order(report: &mut SlowReport) {
    report.slowest.sort_by(|one, other| other.total_seconds.total_cmp(&one.total_seconds));
    report.slowest.truncate(STATEMENTS_MAX);
    report.running.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
}

/// To those of its server, if there are any.
fn add(servers: &mut Vec<OneServer>, database: &Database, environment: &Environment) -> Result<(), DatabaseError> {
    let name = |place: String| format!("{} {}", database.engine, server(&place));
    match database.engine {
        Engine::Postgresql => {
            let settings = PostgresSettings::from_environment(database, environment)?;
            let name = name(settings.place());
            match servers.iter_mut().find(|server| server.name == name).map(|server| &mut server.settings) {
                Some(Settings::Postgres(all)) => all.push(settings),
                _ => servers.push(OneServer { name, settings: Settings::Postgres(vec![settings]) }),
            }
        }
        Engine::Mysql => {
            let settings = MysqlSettings::from_environment(database, environment)?;
            let name = name(settings.place());
            match servers.iter_mut().find(|server| server.name == name).map(|server| &mut server.settings) {
                Some(Settings::Mysql(all)) => all.push(settings),
                _ => servers.push(OneServer { name, settings: Settings::Mysql(vec![settings]) }),
            }
        }
        Engine::Mongodb => {
            let settings = MongoSettings::from_environment(database, environment)?;
            servers.push(OneServer { name: name(settings.place()), settings: Settings::Mongodb(Box::new(settings)) });
        }
    }
    Ok(())
}

async fn ask(server: &OneServer) -> Result<Seen, DatabaseError> {
    match &server.settings {
        Settings::Postgres(all) => postgres::ask(&server.name, all).await,
        Settings::Mysql(all) => mysql::ask(&server.name, all).await,
        Settings::Mongodb(settings) => mongo::ask(&server.name, settings).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_of_one_server_are_asked_about_together() {
        let registry = Registry::load(None).expect("the embedded registry");
        let environment = Environment::from_pairs([
            ("GENIMS_POSTGRES_URL", "postgresql://u@h:1/postgres"),
            ("GENIMS_HR_DB_URL", "postgresql://hr@h:2/people"),
            ("GENIMS_MYSQL_URL", "mysql://u@h:3/"),
        ]);
        let (mut servers, mut missing) = (Vec::new(), 0);
        for database in registry.all() {
            missing += usize::from(add(&mut servers, database, &environment).is_err());
        }
        let found: Vec<(&str, usize)> = servers
            .iter()
            .map(|server| match &server.settings {
                Settings::Postgres(all) => (server.name.as_str(), all.len()),
                Settings::Mysql(all) => (server.name.as_str(), all.len()),
                Settings::Mongodb(_) => (server.name.as_str(), 1),
            })
            .collect();
        assert_eq!(missing, 1, "no MongoDB is configured");
        let mut sorted = found.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [("MySQL h:3", 3), ("PostgreSQL h:1", 12), ("PostgreSQL h:2", 1)]);
    }

    #[test]
    fn the_longest_of_all_engines_come_first() {
        let statement = |engine, total_seconds: f64| SlowStatement {
            engine,
            database: "d".to_owned(),
            text: "SELECT 1".to_owned(),
            calls: 4,
            total_seconds,
            longest_seconds: 1.0,
        };
        let mut report = SlowReport::default();
        report.slowest.extend((0..STATEMENTS_MAX).map(|no| statement(Engine::Postgresql, no as f64)));
        report.slowest.push(statement(Engine::Mongodb, 8.5));
        order(&mut report);
        let [first, .., last] = &report.slowest[..] else { panic!("{report:?}") };
        assert_eq!((first.total_seconds, last.total_seconds, report.slowest.len()), (19.0, 1.0, STATEMENTS_MAX));
        assert_eq!(report.slowest[11].engine, Engine::Mongodb);
        assert_eq!(first.mean_seconds(), 4.75);
    }
}
