//! What lines ask of databases themselves: SQL that answers whether something holds and what was found, and what MongoDB says.
//!
//! Invariants: sessions are read-only; every answer comes within [`ANSWER_MAX`] or the line is not known.

use super::outcome::Outcome;
use crate::link::{self, LinkSettings, field};
use bson::Document;
use futures_util::future::join_all;
use genims_databases::{Database, DatabaseError, Environment, MongoClient, MongoSettings};
use genims_model::counted;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::timeout;

/// Counting a large table takes a while.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Asks one database: the first field says whether it holds, null where its login cannot see that; the second what was found.
pub async fn sql(database: &Database, environment: &Environment, sql: &str, remedy: &str) -> Outcome {
    match timeout(ANSWER_MAX, row(database, environment, sql)).await {
        Ok(Ok(row)) => answered(row, remedy),
        Ok(Err(error)) => Outcome::not_looked_at(error),
        Err(_) => silent(&database.name),
    }
}

/// The first two fields of a row.
type Answer = (Option<String>, String);

fn answered(row: Option<Answer>, remedy: &str) -> Outcome {
    match row {
        None => Outcome::fails("it has no answer", remedy),
        Some((None, found)) => Outcome::unknown(found, remedy),
        // In PostgreSQL `t`, in MySQL 1.
        Some((Some(holds), found)) => Outcome::judged(matches!(holds.as_str(), "t" | "1"), found, remedy),
    }
}

fn silent(database: &str) -> Outcome {
    let found = format!("{database}: no answer within {} s", ANSWER_MAX.as_secs());
    Outcome::unknown(found, "look at the server's log and load, and run this again")
}

async fn row(database: &Database, environment: &Environment, sql: &str) -> Result<Option<Answer>, DatabaseErrorText> {
    let settings = LinkSettings::of(database, environment)?;
    let Some(settings) = settings else {
        return Err(DatabaseErrorText(format!("{} speaks no SQL; let the line ask another way", database.name)));
    };
    let mut link = link::connect(&settings).await.map_err(DatabaseErrorText)?;
    let mut answer = None;
    let each = &mut |row: link::Fields<'_>| {
        let first = row.first().and_then(Option::as_deref).map(str::to_owned);
        answer.get_or_insert_with(|| (first, field(&row, 1).to_owned()));
    };
    let asked = link.rows(&settings, sql, each).await;
    link.close().await;
    asked?;
    Ok(answer)
}

/// An error as it is told, remedy included.
#[derive(Debug)]
struct DatabaseErrorText(String);

impl From<DatabaseError> for DatabaseErrorText {
    fn from(error: DatabaseError) -> Self {
        Self(error.to_string())
    }
}

impl std::fmt::Display for DatabaseErrorText {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Which of these collections are there and, with `filled`, hold something; how many there are in all.
pub async fn collections(
    database: &Database,
    environment: &Environment,
    names: &[String],
    (at_least, in_all): (usize, usize),
    filled: bool,
) -> Outcome {
    let remedy =
        if filled { "run `genims seed`, or let the stream run" } else { "run `genims provision --only production`" };
    let look = async {
        let (settings, client) = open(database, environment).await?;
        let store = client.database(settings.database_name());
        let all = store.list_collection_names().await.map_err(|error| settings.error(error))?;
        let all: BTreeSet<String> = all.into_iter().filter(|name| !name.starts_with("system.")).collect();
        let there: Vec<&str> = names.iter().map(String::as_str).filter(|name| all.contains(*name)).collect();
        let is_filled = |name: &str| {
            let collection = store.collection::<Document>(name);
            async move { collection.find_one(Document::new()).await.map(|first| first.is_some()) }
        };
        let mut holding = Vec::new();
        for (name, found) in there.iter().zip(join_all(there.iter().map(|name| is_filled(name))).await) {
            if !filled || found.map_err(|error| settings.error(error))? {
                holding.push(*name);
            }
        }
        let lacking: Vec<&str> = names.iter().map(String::as_str).filter(|name| !holding.contains(name)).collect();
        let what = if filled { "hold something" } else { "are there" };
        let mut found = format!("{} of {} {what}: {}", holding.len(), names.len(), holding.join(", "));
        if !lacking.is_empty() {
            found.push_str(&format!("; not: {}", lacking.join(", ")));
        }
        if in_all > 0 {
            found.push_str(&format!("; {} in all", counted(all.len(), "collection")));
        }
        Ok::<_, DatabaseError>(Outcome::judged(holding.len() >= at_least && all.len() >= in_all, found, remedy))
    };
    told(&database.name, timeout(ANSWER_MAX, look).await)
}

/// What must stand at a place of a command's answer.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// A JSON pointer: `/parsed/net/bindIp`.
    pub at: &'a str,
    /// Words that must not be in it, where it is a list with commas.
    pub none_of: &'a [String],
    pub at_least: Option<f64>,
    pub at_most: Option<f64>,
}

/// Asks MongoDB's `admin` database.
pub async fn command(
    database: &Database,
    environment: &Environment,
    command: &str,
    expected: Expected<'_>,
    remedy: &str,
) -> Outcome {
    let look = async {
        let (settings, client) = open(database, environment).await?;
        let answer = client.database("admin").run_command(document(command)).await;
        let answer = answer.map_err(|error| settings.error(error))?;
        Ok(judged(&serde_json::to_value(&answer).unwrap_or_default(), expected, remedy))
    };
    told(&database.name, timeout(ANSWER_MAX, look).await)
}

fn judged(answer: &Value, expected: Expected<'_>, remedy: &str) -> Outcome {
    let Expected { at, none_of, at_least, at_most } = expected;
    let Some(value) = answer.pointer(at) else {
        return Outcome::unknown(format!("the server's answer has no {at}"), remedy);
    };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let words: Vec<&str> = text.split(',').map(str::trim).collect();
    let number = value.as_f64();
    let holds = !none_of.iter().any(|word| words.contains(&word.as_str()))
        && at_least.is_none_or(|least| number.is_some_and(|number| number >= least))
        && at_most.is_none_or(|most| number.is_some_and(|number| number <= most));
    let name = at.rsplit('/').next().unwrap_or(at);
    Outcome::judged(holds, format!("{name} is {text}"), remedy)
}

async fn open(database: &Database, environment: &Environment) -> Result<(MongoSettings, MongoClient), DatabaseError> {
    let settings = MongoSettings::from_environment(database, environment)?;
    let client = settings.client().await?;
    Ok((settings, client))
}

fn told(database: &str, looked: Result<Result<Outcome, DatabaseError>, tokio::time::error::Elapsed>) -> Outcome {
    match looked {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Outcome::not_looked_at(error),
        Err(_) => silent(database),
    }
}

/// A command as its line has it: its name is its first key, so the order is kept. One that is no JSON is refused by the server, which
/// says so.
pub(super) fn document(command: &str) -> Document {
    serde_json::from_str(command).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::outcome::LineState;
    use super::*;

    #[test]
    fn what_a_login_cannot_see_is_unknown() {
        let state =
            |first: Option<&str>| answered(Some((first.map(str::to_owned), "found".to_owned())), "mend it").state;
        assert_eq!([state(Some("t")), state(Some("1"))], [LineState::Holds, LineState::Holds]);
        assert_eq!([state(Some("f")), state(Some("0"))], [LineState::Fails, LineState::Fails]);
        assert_eq!(state(None), LineState::Unknown);
        assert_eq!(answered(None, "mend it").state, LineState::Fails);
    }

    #[test]
    fn an_answer_is_judged_at_its_place() {
        let answer = serde_json::json!({ "net": { "bindIp": "127.0.0.1, ::1" }, "slowms": 100 });
        let state = |at: &str, none_of: &[&str], at_least, at_most| {
            let none_of: Vec<String> = none_of.iter().map(|word| (*word).to_owned()).collect();
            judged(&answer, Expected { at, none_of: &none_of, at_least, at_most }, "mend it").state
        };
        assert_eq!(state("/net/bindIp", &["0.0.0.0", "*"], None, None), LineState::Holds);
        assert_eq!(state("/net/bindIp", &["::1"], None, None), LineState::Fails);
        assert_eq!(state("/slowms", &[], Some(1.0), Some(100.0)), LineState::Holds);
        assert_eq!(state("/slowms", &[], None, Some(99.0)), LineState::Fails);
        assert_eq!(state("/slowms", &[], Some(101.0), None), LineState::Fails);
        assert_eq!(state("/net/bindIp", &[], Some(1.0), None), LineState::Fails, "a text is no number");
        assert_eq!(state("/net/port", &[], None, None), LineState::Unknown);
    }

    #[test]
    fn commands_are_json_whose_order_is_kept() {
        let keys: Vec<String> = document(r#"{"find": "a", "filter": {}, "batchSize": 1}"#).keys().cloned().collect();
        assert_eq!(keys, ["find", "filter", "batchSize"]);
        assert!(document("find").is_empty());
    }
}
