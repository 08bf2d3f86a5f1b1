//! Queries that somebody waits for who looks, a page or a program: read-only, each within bounds, on one connection that nothing else
//! uses. One question at a time, so that a reader costs the server one backend at most, however many ask.
//!
//! Nothing outlives its transaction, so that a pooler may stand in between.

use crate::{DatabaseError, Engine, PostgresClient, PostgresSettings, literal};
use chrono::{DateTime, NaiveDateTime};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// Of a whole question with all its queries, connecting included.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long a question waits for those in front of it. With its own time this is less than a page waits for an answer.
const QUEUE_MAX: Duration = Duration::from_secs(4);
/// A connection that nobody has used for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// One core at most, and no time for compiling what runs for milliseconds.
const BOUNDS: &str = "SET LOCAL statement_timeout = 2000; SET LOCAL lock_timeout = 1000; \
     SET LOCAL idle_in_transaction_session_timeout = 10000; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off; \
     SET LOCAL work_mem = '16MB'";

/// A query, with what stands for `$1`, `$2` ...
#[derive(Clone, Debug, PartialEq)]
pub struct BoundQuery {
    pub sql: String,
    pub values: Vec<QueryValue>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum QueryValue {
    Text(String),
    Texts(Vec<String>),
    Number(i64),
    Numbers(Vec<Option<f64>>),
    /// A timestamp without zone, as milliseconds since 1970 UTC.
    Time(NaiveDateTime),
}

impl QueryValue {
    /// Times that PostgreSQL does not know become its earliest here.
    pub fn time_ms(ms: i64) -> Self {
        Self::Time(DateTime::from_timestamp_millis(ms).unwrap_or_default().naive_utc())
    }

    fn parameter(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Text(text) => (text, Type::TEXT),
            Self::Texts(texts) => (texts, Type::TEXT_ARRAY),
            Self::Number(number) => (number, Type::INT8),
            Self::Numbers(numbers) => (numbers, Type::FLOAT8_ARRAY),
            Self::Time(time) => (time, Type::TIMESTAMP),
        }
    }

    fn literal(&self) -> String {
        match self {
            Self::Text(text) => literal(Engine::Postgresql, text),
            Self::Texts(texts) => array(texts.iter().map(|text| literal(Engine::Postgresql, text)), "text"),
            Self::Number(number) => number.to_string(),
            Self::Numbers(numbers) => {
                let one = |number: &Option<f64>| number.map_or_else(|| "NULL".to_owned(), |number| number.to_string());
                array(numbers.iter().map(one), "float8")
            }
            Self::Time(time) => format!("timestamp '{}'", time.format("%Y-%m-%d %H:%M:%S%.3f")),
        }
    }
}

fn array(elements: impl Iterator<Item = String>, of: &str) -> String {
    format!("ARRAY[{}]::{of}[]", elements.collect::<Vec<_>>().join(", "))
}

impl BoundQuery {
    /// The same as a text that anybody can run.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.sql.len() + 64);
        let mut rest = self.sql.as_str();
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            text.push_str(before);
            let digits = from[1..].bytes().take_while(u8::is_ascii_digit).count();
            let (name, after) = from.split_at(1 + digits);
            let value = name[1..].parse::<usize>().ok().and_then(|no| self.values.get(no.checked_sub(1)?));
            text.push_str(&value.map_or_else(|| name.to_owned(), QueryValue::literal));
            rest = after;
        }
        text.push_str(rest);
        text
    }
}

/// The connection.
pub struct SharedReader {
    settings: PostgresSettings,
    kept: Mutex<Option<(PostgresClient, Instant)>>,
}

impl SharedReader {
    pub fn new(settings: PostgresSettings) -> Self {
        Self { settings, kept: Mutex::default() }
    }

    /// The rows of each query, all of one moment.
    pub async fn ask(&self, queries: &[BoundQuery]) -> Result<Vec<Vec<Row>>, String> {
        let Ok(mut kept) = timeout(QUEUE_MAX, self.kept.lock()).await else {
            return Err(format!(
                "{}: not asked: other questions of this server were in front for {} s; look again",
                self.settings.place(),
                QUEUE_MAX.as_secs()
            ));
        };
        match timeout(ANSWER_MAX, self.answer(&mut kept, queries)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("{}: no answer within {} s", self.settings.place(), ANSWER_MAX.as_secs())),
        }
    }

    async fn answer(
        &self,
        kept: &mut Option<(PostgresClient, Instant)>,
        queries: &[BoundQuery],
    ) -> Result<Vec<Vec<Row>>, DatabaseError> {
        // Only put back when all went well: what is left of another is closed.
        let mut client = match kept.take() {
            Some((client, _)) if !client.is_closed() => client,
            _ => self.settings.connect().await?,
        };
        let rows = answer(&mut client, queries).await.map_err(|source| self.settings.error(source))?;
        *kept = Some((client, Instant::now()));
        Ok(rows)
    }

    /// What a column of ours holds.
    pub fn error(&self, source: tokio_postgres::Error) -> String {
        self.settings.error(source).to_string()
    }

    /// Closes the connection when nobody has asked for a while; ends never.
    pub async fn close_when_idle(&self) {
        let mut every = tokio::time::interval(IDLE_MAX);
        loop {
            every.tick().await;
            self.kept.lock().await.take_if(|(_, used)| used.elapsed() >= IDLE_MAX);
        }
    }
}

async fn answer(client: &mut PostgresClient, queries: &[BoundQuery]) -> Result<Vec<Vec<Row>>, tokio_postgres::Error> {
    let snapshot = client.build_transaction().isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
    let transaction = snapshot.read_only(true).start().await?;
    transaction.batch_execute(BOUNDS).await?;
    let mut answers = Vec::with_capacity(queries.len());
    for query in queries {
        let parameters: Vec<_> = query.values.iter().map(QueryValue::parameter).collect();
        answers.push(transaction.query_typed(&query.sql, &parameters).await?);
    }
    transaction.commit().await?;
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_query_holds_what_was_asked_and_no_more() {
        let values = vec![
            QueryValue::Texts(vec!["a'b".to_owned(), "$2".to_owned()]),
            QueryValue::Number(-7),
            QueryValue::Numbers(vec![Some(1.5), None]),
            QueryValue::time_ms(1_796_036_553_250),
            QueryValue::Text("x".to_owned()),
        ];
        let sql = "SELECT $1, $2 + $2, $3, $4, $5, $6, '$'".to_owned();
        assert_eq!(
            BoundQuery { sql, values }.text(),
            "SELECT ARRAY['a''b', '$2']::text[], -7 + -7, ARRAY[1.5, NULL]::float8[], \
             timestamp '2026-11-30 11:02:33.250', 'x', $6, '$'"
        );
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_told_with_its_place() {
        let settings = PostgresSettings::from_url("genims_operations_db", "postgresql://u@127.0.0.1:1/x").unwrap();
        let told = SharedReader::new(settings).ask(&[]).await.unwrap_err();
        assert!(told.contains("genims_operations_db at 127.0.0.1:1/x"), "{told}");
    }

    #[tokio::test]
    async fn a_wait_for_our_own_questions_is_not_told_as_a_database_that_does_not_answer() {
        let settings = PostgresSettings::from_url("genims_operations_db", "postgresql://u@127.0.0.1:1/x").unwrap();
        let reader = SharedReader::new(settings);
        let _in_front = reader.kept.lock().await;
        tokio::time::pause();
        let told = reader.ask(&[]).await.unwrap_err();
        assert!(told.contains("not asked: other questions") && !told.contains("no answer"), "{told}");
    }
}
