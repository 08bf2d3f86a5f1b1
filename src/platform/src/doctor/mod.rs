//! `genims doctor`: whether every connection is as it should be, and what to do where it is not.
//!
//! All databases are examined at the same time, each by itself; from one answer to the next its server has a time that
//! the caller says, whatever it does.
//!
//! - [`report`]: what was found; [`judge`]: what is good and what is not
//! - [`postgres`], [`mysql`], [`mongo`]: how each engine is asked; [`replication`]: who follows whom

mod judge;
mod mongo;
mod mysql;
mod postgres;
mod replication;
pub mod report;

use futures_util::future::join_all;
use genims_databases::{Database, Engine, Environment, Registry, mysql as mysql_urls, postgres as postgres_urls};
pub(crate) use judge::is_local;
pub use judge::size_text;
use report::Checks;
pub use report::{DatabaseCheck, Diagnosis, DoctorReport, Examination, Grade, IN_CLEAR, Subject};
use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::sleep;

/// What a server is given from one answer to the next unless the caller says otherwise: who asks has a fault to find.
pub const TIMEOUT: Duration = Duration::from_millis(2_500);
/// So long databases may be looked at again, one after the other.
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// Examines all databases of the registry. No server may take longer than `limit` for an answer, but for as many
/// answers as are asked of it: a machine with much else to do is slow, and not silent. Nothing is changed in any of them.
pub async fn run(registry: &Registry, environment: &Environment, limit: Duration) -> DoctorReport {
    let started = Instant::now();
    let mut looks = join_all(registry.all().iter().map(|database| look(database, environment, limit))).await;
    // A pooler or a server with few connections to give answers one after the other, not all at the same time.
    let server = |place: &str| place.rsplit_once('/').map_or(place, |(server, _)| server).to_owned();
    let answering: HashSet<String> =
        looks.iter().filter(|look| look.answered).map(|look| server(&look.examination.place)).collect();
    for (database, found) in registry.all().iter().zip(&mut looks) {
        let is_alive = answering.contains(&server(&found.examination.place));
        if !found.answered && is_alive && started.elapsed() < AGAIN_MAX {
            *found = look(database, environment, limit).await;
        }
    }
    let databases = looks.into_iter().map(|look| look.examination).collect();
    DoctorReport::new(databases, started.elapsed().as_secs_f64())
}

struct Look {
    examination: Examination,
    /// Whether it was done in time.
    answered: bool,
}

async fn look(database: &Database, environment: &Environment, limit: Duration) -> Look {
    let started = Instant::now();
    let (variable, whole_server) = url_of(database, environment);
    let mut checks = Checks { whole_server, ..Checks::default() };
    let progress = Arc::clone(&checks.progress);
    let looked = async {
        match database.engine {
            Engine::Postgresql => postgres::examine(&mut checks, database, environment, limit).await,
            Engine::Mysql => mysql::examine(&mut checks, database, environment).await,
            Engine::Mongodb => mongo::examine(&mut checks, database, environment).await,
        }
    };
    let answered = answers(looked, &progress, limit).await;
    if !answered {
        let found = format!("{}: no answer within {:.1} s", checks.place, limit.as_secs_f64());
        if checks.has(Subject::Reachable) {
            checks.fail(Subject::Latency, found, "look at the server's log and load, and at the network between");
        } else {
            let remedy = format!("start the server, or mend host and port of {variable}");
            checks.fail(Subject::Reachable, found, remedy);
        }
    }
    checks.made.sort_by_key(|check| check.subject);
    let examination = Examination {
        database: database.name.clone(),
        engine: database.engine,
        place: checks.place,
        connection: database.connection.clone(),
        passed: checks.made.iter().all(|check| check.grade != Grade::Failed),
        checks: checks.made,
        seconds: started.elapsed().as_secs_f64(),
    };
    Look { examination, answered }
}

/// Whether the examination ended, with no longer than `limit` from one answer to the next.
async fn answers(examination: impl Future<Output = ()>, progress: &Notify, limit: Duration) -> bool {
    let mut examination = pin!(examination);
    loop {
        tokio::select! {
            biased;
            () = &mut examination => return true,
            () = progress.notified() => {}
            () = sleep(limit) => return false,
        }
    }
}

/// The variable that its URL stands in, and whether that is the URL of a whole server.
fn url_of<'a>(database: &'a Database, environment: &Environment) -> (&'a str, bool) {
    let own = database.connection.as_str();
    let is_set = |name: &str| matches!(environment.secret(name), Ok(Some(_)));
    match database.engine {
        Engine::Mongodb => (own, true),
        _ if is_set(own) => (own, false),
        Engine::Postgresql => (postgres_urls::SERVER_VARIABLE, true),
        Engine::Mysql => (mysql_urls::SERVER_VARIABLE, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    /// Answers that take so long each, on a clock that stands still until everybody waits.
    async fn answering(each: &[u64]) -> bool {
        let progress = Notify::new();
        let examination = async {
            for seconds in each {
                sleep(Duration::from_secs(*seconds)).await;
                progress.notify_one();
            }
        };
        answers(examination, &progress, LIMIT).await
    }

    #[tokio::test(start_paused = true)]
    async fn many_slow_answers_are_waited_for_and_a_silent_server_is_not() {
        assert!(answering(&[1, 1, 1, 1, 1]).await);
        assert!(!answering(&[1, 1, 3]).await);
        assert!(!answering(&[60]).await);
    }
}
