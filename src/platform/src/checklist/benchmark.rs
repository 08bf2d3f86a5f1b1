//! Queries that are timed: each by itself or many sessions at once, so that what a page waits for is measured where it is asked.
//!
//! Invariants: sessions are read-only and at most as many as asked for, of one query at a time; a query that takes longer than
//! [`QUERY_MAX`] is ended with its session.

use super::definition::Query;
use super::outcome::Outcome;
use super::question::document;
use crate::link::{self, LinkSettings};
use bson::Document;
use futures_util::future::join_all;
use genims_databases::{Database, Environment, MongoClient, MongoSettings};
use std::time::{Duration, Instant};
use tokio::time::timeout;

const QUERY_MAX: Duration = Duration::from_secs(60);
/// Runs of one session; the first fills caches and counts like the others.
const RUNS: usize = 3;

/// Runs a query in so many sessions at once. With `within`, the median must not be longer.
pub async fn run(
    query: &Query,
    database: &Database,
    environment: &Environment,
    sessions: usize,
    objective: bool,
) -> Outcome {
    let all = join_all((0..sessions.max(1)).map(|_| session(query, database, environment))).await;
    let mut times = Vec::new();
    let mut refused = None;
    for one in all {
        match one {
            Ok(own) => times.extend(own),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    if let Some(error) = refused {
        let of = times.len() / RUNS;
        let told = format!("{of} of {sessions} sessions got their answers: {error}");
        return if of == 0 { Outcome::not_looked_at(error) } else { failed(&told) };
    }
    judged(times, objective.then_some(query.objective))
}

fn failed(told: &str) -> Outcome {
    match told.rsplit_once("; ") {
        Some((cause, remedy)) => Outcome::fails(cause, remedy),
        None => Outcome::fails(told, "raise the server's limit of connections"),
    }
}

fn judged(mut times: Vec<Duration>, objective: Option<Duration>) -> Outcome {
    times.sort();
    let (Some(median), Some(longest)) = (times.get(times.len() / 2), times.last()) else {
        return Outcome::unknown("nothing was measured", "run this again");
    };
    let found = format!("median {}, longest {}", told(*median), told(*longest));
    match objective {
        Some(objective) => {
            let found = format!("{found}, objective {}", told(objective));
            let remedy = "look at the query's plan (EXPLAIN) and at what else the server does";
            Outcome::judged(*median <= objective, found, remedy)
        }
        None => Outcome::holds(found),
    }
}

fn told(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

/// The times of its runs.
async fn session(query: &Query, database: &Database, environment: &Environment) -> Result<Vec<Duration>, String> {
    let mut session = Session::open(database, environment).await?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let begun = Instant::now();
        match timeout(QUERY_MAX, session.ask(&query.sql)).await {
            Ok(asked) => asked?,
            Err(_) => return Err(format!("no end within {} s; look at the query's plan", QUERY_MAX.as_secs())),
        }
        times.push(begun.elapsed());
    }
    Ok(times)
}

enum Session {
    Relational(LinkSettings, link::Link),
    Documents(MongoSettings, MongoClient),
}

impl Session {
    async fn open(database: &Database, environment: &Environment) -> Result<Self, String> {
        if let Some(settings) = LinkSettings::of(database, environment).map_err(|error| error.to_string())? {
            let link = link::connect(&settings).await?;
            return Ok(Self::Relational(settings, link));
        }
        let settings = MongoSettings::from_environment(database, environment).map_err(|error| error.to_string())?;
        let client = settings.client().await.map_err(|error| error.to_string())?;
        Ok(Self::Documents(settings, client))
    }

    /// To the last row of the answer.
    async fn ask(&mut self, query: &str) -> Result<(), String> {
        match self {
            Self::Relational(settings, link) => {
                link.rows(settings, query, &mut |_| ()).await.map_err(|error| error.to_string())
            }
            Self::Documents(settings, client) => {
                let answer: Result<Document, _> =
                    client.database(settings.database_name()).run_command(document(query)).await;
                answer.map(|_| ()).map_err(|error| settings.error(error).to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::State;
    use super::*;

    #[test]
    fn the_median_is_compared_with_the_objective() {
        let times = |all: &[u64]| all.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>();
        let slow = judged(times(&[30, 10, 20]), Some(Duration::from_millis(15)));
        assert_eq!(
            (slow.state, slow.found.as_str()),
            (State::Fails, "median 20.0 ms, longest 30.0 ms, objective 15.0 ms")
        );
        assert_eq!(judged(times(&[1, 900, 2]), Some(Duration::from_millis(15))).state, State::Holds);
        assert_eq!(judged(times(&[900]), None).state, State::Holds);
        assert_eq!(judged(Vec::new(), None).state, State::Unknown);
    }
}
