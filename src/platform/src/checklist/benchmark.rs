//! Queries that are timed: each by itself or many sessions at once, so that what a page waits for is measured where it is asked.
//!
//! Invariants: sessions are read-only and at most as many as asked for, of one query at a time; a query that takes longer than
//! [`QUERY_MAX`] is given up with its session, and fails.

use super::definition::Query;
use super::outcome::Outcome;
use super::question::document;
use crate::link::{self, LinkSettings};
use bson::{Bson, Document, doc};
use futures_util::future::join_all;
use genims_databases::{Database, Environment, MongoClient, MongoSettings};
use genims_model::counted;
use std::time::{Duration, Instant};
use tokio::time::timeout;

const QUERY_MAX: Duration = Duration::from_secs(60);
/// Runs of one session; the first fills caches and counts like the others.
const RUNS: usize = 3;
const LOOK_AT_ITS_PLAN: &str = "look at the query's plan (EXPLAIN) and at what else the server does";

/// In the filter of a command of MongoDB: what some document of its collection has there.
const SOME: &str = "{some}";

/// What a session measured.
struct Measured {
    times: Vec<Duration>,
    /// Of its last answer.
    rows: usize,
}

/// Why a session has no times.
enum Trouble {
    Refused(String),
    /// Its query did not end.
    Slow,
}

/// Runs a query in so many sessions at once. With `objective`, the median must not be longer than the query's.
pub async fn run(
    query: &Query,
    database: &Database,
    environment: &Environment,
    sessions: usize,
    objective: bool,
) -> Outcome {
    let all = join_all((0..sessions.max(1)).map(|_| session(query, database, environment))).await;
    let (mut times, mut rows, mut refused) = (Vec::new(), 0, None);
    for one in all {
        match one {
            Ok(own) => {
                times.extend(own.times);
                rows = own.rows;
            }
            Err(Trouble::Slow) => return slow(),
            Err(Trouble::Refused(error)) => refused = refused.or(Some(error)),
        }
    }
    if let Some(error) = refused {
        let of = times.len() / RUNS;
        let told = format!("{of} of {sessions} sessions got their answers: {error}");
        return if of == 0 { Outcome::not_looked_at(error) } else { failed(&told) };
    }
    judged(times, rows, objective.then_some(query.objective))
}

fn slow() -> Outcome {
    Outcome::fails(format!("no end within {} s", QUERY_MAX.as_secs()), LOOK_AT_ITS_PLAN)
}

fn failed(told: &str) -> Outcome {
    match told.rsplit_once("; ") {
        Some((cause, remedy)) => Outcome::fails(cause, remedy),
        None => Outcome::fails(told, "raise the server's limit of connections"),
    }
}

/// A query that finds nothing shows nothing.
fn judged(mut times: Vec<Duration>, rows: usize, objective: Option<Duration>) -> Outcome {
    times.sort();
    let (Some(median), Some(longest), 1..) = (times.get(times.len() / 2), times.last(), rows) else {
        let remedy = "run `genims seed`, or load the plant's own data";
        return Outcome::unknown("its query finds nothing that could be measured", remedy);
    };
    let found = format!("{}, median {}, longest {}", counted(rows, "row"), told(*median), told(*longest));
    match objective {
        Some(objective) => {
            let found = format!("{found}, objective {}", told(objective));
            Outcome::judged(*median <= objective, found, LOOK_AT_ITS_PLAN)
        }
        None => Outcome::holds(found),
    }
}

fn told(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

/// The times of its runs.
async fn session(query: &Query, database: &Database, environment: &Environment) -> Result<Measured, Trouble> {
    let opened = timeout(QUERY_MAX, Session::open(query, database, environment)).await.map_err(|_| Trouble::Slow)?;
    let mut session = opened.map_err(Trouble::Refused)?;
    let mut measured = Measured { times: Vec::new(), rows: 0 };
    for _ in 0..RUNS {
        let begun = Instant::now();
        let asked = timeout(QUERY_MAX, session.ask(&query.sql)).await.map_err(|_| Trouble::Slow)?;
        measured.rows = asked.map_err(Trouble::Refused)?;
        measured.times.push(begun.elapsed());
    }
    session.close().await;
    Ok(measured)
}

enum Session {
    Relational(LinkSettings, link::Link),
    Documents { settings: MongoSettings, client: MongoClient, command: Document },
}

impl Session {
    async fn open(query: &Query, database: &Database, environment: &Environment) -> Result<Self, String> {
        if let Some(settings) = LinkSettings::of(database, environment).map_err(|error| error.to_string())? {
            let link = link::connect(&settings).await?;
            return Ok(Self::Relational(settings, link));
        }
        let settings = MongoSettings::from_environment(database, environment).map_err(|error| error.to_string())?;
        let client = settings.client().await.map_err(|error| error.to_string())?;
        let command = filled(document(&query.sql), &client.database(settings.database_name())).await;
        let command = command.map_err(|error| settings.error(error).to_string())?;
        Ok(Self::Documents { settings, client, command })
    }

    /// To the last row of the answer; how many there were.
    async fn ask(&mut self, query: &str) -> Result<usize, String> {
        match self {
            Self::Relational(settings, link) => {
                let mut rows = 0;
                let asked = link.rows(settings, query, &mut |_| rows += 1).await;
                asked.map(|()| rows).map_err(|error| error.to_string())
            }
            Self::Documents { settings, client, command } => {
                let answer = client.database(settings.database_name()).run_command(command.clone()).await;
                answer.map(|answer| rows(&answer)).map_err(|error| settings.error(error).to_string())
            }
        }
    }

    async fn close(self) {
        match self {
            Self::Relational(_, link) => link.close().await,
            Self::Documents { client, .. } => client.shutdown().await,
        }
    }
}

/// Of the first batch: a command asks for one that takes all.
fn rows(answer: &Document) -> usize {
    let batch = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    batch.map_or(0, Vec::len)
}

/// A command in whose filter stands a value wherever it said [`SOME`].
async fn filled(mut command: Document, database: &mongodb::Database) -> Result<Document, mongodb::error::Error> {
    let collection = command.get_str("find").unwrap_or_default().to_owned();
    let Ok(filter) = command.get_document_mut("filter") else { return Ok(command) };
    let open: Vec<String> =
        filter.iter().filter(|(_, value)| value.as_str() == Some(SOME)).map(|(key, _)| key.clone()).collect();
    if open.is_empty() {
        return Ok(command);
    }
    let some = database.collection::<Document>(&collection).find_one(doc! {}).await?.unwrap_or_default();
    for key in open {
        let value = at(&some, &key);
        filter.insert(key, value);
    }
    Ok(command)
}

/// What stands at `a.b`; null where nothing does.
fn at(document: &Document, path: &str) -> Bson {
    let Some((first, rest)) = path.split_once('.') else { return document.get(path).cloned().unwrap_or(Bson::Null) };
    document.get_document(first).map_or(Bson::Null, |inner| at(inner, rest))
}

#[cfg(test)]
mod tests {
    use super::super::outcome::LineState;
    use super::*;

    #[test]
    fn the_median_is_compared_with_the_objective() {
        let times = |all: &[u64]| all.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>();
        let late = judged(times(&[30, 10, 20]), 7, Some(Duration::from_millis(15)));
        assert_eq!(
            (late.state, late.found.as_str()),
            (LineState::Fails, "7 rows, median 20.0 ms, longest 30.0 ms, objective 15.0 ms")
        );
        assert_eq!(judged(times(&[1, 900, 2]), 1, Some(Duration::from_millis(15))).state, LineState::Holds);
        assert_eq!(judged(times(&[900]), 1, None).state, LineState::Holds);
        assert_eq!(judged(times(&[1]), 0, None).state, LineState::Unknown, "nothing was found, nothing was measured");
        assert_eq!(judged(Vec::new(), 0, None).state, LineState::Unknown);
        assert_eq!(slow().state, LineState::Fails, "what does not end");
    }

    #[test]
    fn rows_of_an_answer_and_values_of_a_document_are_found_at_their_places() {
        let answer = doc! { "cursor": { "firstBatch": [{ "a": 1 }, { "a": 2 }] } };
        assert_eq!((rows(&answer), rows(&doc! {})), (2, 0));
        let document = doc! { "meta": { "sensor_id": "S" } };
        assert_eq!(at(&document, "meta.sensor_id"), Bson::String("S".to_owned()));
        assert_eq!([at(&document, "meta.other"), at(&document, "other.sensor_id")], [Bson::Null, Bson::Null]);
    }
}
