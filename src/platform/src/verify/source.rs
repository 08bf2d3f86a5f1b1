//! The databases that a verification reads: which of them answer, and rows as text from those that do.
//!
//! Invariants: sessions are read-only; at most [`CONNECTIONS_MAX`] connections per database, [`QUERIES_MAX`] queries at once
//! over all; every wait for a server ends; rows are streamed, never collected here.

use super::moment::Moment;
use super::report::{Problem, Reached};
use chrono::NaiveDate;
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use genims_databases::mongo::INTERNAL_DATABASE;
use genims_databases::{
    Database, DatabaseError, Engine, Environment, MongoSettings, MysqlConnection, MysqlSettings, PostgresClient,
    PostgresSettings,
};
use mongodb::bson::{Document, doc};
use mysql_async::Value;
use mysql_async::prelude::Queryable;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;

/// Enough to keep a server busy while one of them hands over its rows.
const CONNECTIONS_MAX: usize = 2;
const QUERIES_MAX: usize = 8;
/// A server that takes longer to let us in is as good as down.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(30);
/// At full scale a rule may go through all rows of a large table more than once.
const QUERY_TIME_MAX: Duration = Duration::from_secs(900);

/// One row: its fields as text, `None` for null.
pub(super) type Fields<'a> = SmallVec<[Option<Cow<'a, str>>; 4]>;

/// A relational database that answers.
pub(super) struct Source {
    name: String,
    pub(super) engine: Engine,
    settings: Settings,
    moment: Moment,
    gate: Semaphore,
    idle: Mutex<Vec<Link>>,
}

enum Settings {
    Postgres(Box<PostgresSettings>),
    Mysql(MysqlSettings),
}

enum Link {
    Postgres(PostgresClient),
    Mysql(MysqlConnection),
}

/// The document store when it answers.
pub(super) struct Documents {
    pub(super) settings: MongoSettings,
    pub(super) client: mongodb::Client,
    /// The day on which the seeded history ends.
    pub(super) seeded: Option<NaiveDate>,
}

/// All databases of one run.
pub(super) struct Sources {
    relational: Vec<Source>,
    documents: Vec<Documents>,
    reached: Vec<Reached>,
    running: Semaphore,
    as_of: Option<NaiveDate>,
}

enum Opened {
    Relational(Box<Source>),
    Documents(Documents),
}

impl Sources {
    /// Connects to all of them at once.
    pub(super) async fn open(databases: &[&Database], environment: &Environment, as_of: Option<NaiveDate>) -> Self {
        let opened = join_all(databases.iter().map(|database| open(database, environment, as_of))).await;
        let mut sources = Self {
            relational: Vec::new(),
            documents: Vec::new(),
            reached: Vec::new(),
            running: Semaphore::new(QUERIES_MAX),
            as_of,
        };
        for (database, opened) in databases.iter().zip(opened) {
            let error = match opened {
                Ok(Opened::Relational(source)) => {
                    sources.relational.push(*source);
                    None
                }
                Ok(Opened::Documents(documents)) => {
                    sources.documents.push(documents);
                    None
                }
                Err(cause) => Some(cause),
            };
            let (database, engine) = (database.name.clone(), database.engine);
            sources.reached.push(Reached { database, engine, reachable: error.is_none(), error });
        }
        sources
    }

    pub(super) fn reached(&self) -> &[Reached] {
        &self.reached
    }

    /// The moment as of which is judged, for databases that are asked without SQL.
    pub(super) fn now_us(&self) -> i64 {
        let midnight = |day: NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros();
        self.as_of.map_or_else(genims_model::now_us, midnight)
    }

    pub(super) fn get(&self, name: &str) -> Result<&Source, Problem> {
        let found = self.relational.iter().find(|source| source.name == name);
        found.ok_or_else(|| Problem::Down(name.to_owned()))
    }

    pub(super) fn documents(&self, name: &str) -> Result<&Documents, Problem> {
        let found = self.documents.iter().find(|documents| documents.settings.database() == name);
        found.ok_or_else(|| Problem::Down(name.to_owned()))
    }

    /// The same for the SQL of a rule, which speaks of days by placeholders.
    pub(super) async fn rule_rows(
        &self,
        database: &str,
        sql: &str,
        each: &mut dyn FnMut(Fields<'_>),
    ) -> Result<(), Problem> {
        let sql = self.get(database)?.moment.fill(sql);
        self.rows(database, &sql, each).await
    }

    /// Runs a query and hands over its rows one by one.
    pub(super) async fn rows(
        &self,
        database: &str,
        sql: &str,
        each: &mut dyn FnMut(Fields<'_>),
    ) -> Result<(), Problem> {
        let source = self.get(database)?;
        let closed = |_| Problem::Query("the run is ending".to_owned());
        let _connection = source.gate.acquire().await.map_err(closed)?;
        let _query = self.running.acquire().await.map_err(closed)?;
        let idle = source.idle.lock().pop();
        let mut link = match idle {
            Some(link) => link,
            None => connect(&source.settings).await.map_err(Problem::Query)?,
        };
        match timeout(QUERY_TIME_MAX, link.rows(&source.settings, sql, each)).await {
            Ok(Ok(())) => {
                source.idle.lock().push(link);
                Ok(())
            }
            // The link is dropped: the state of its session is not known.
            Ok(Err(error)) => Err(Problem::Query(error.to_string())),
            Err(_) => Err(Problem::Query(format!("{database}: no end within {} s", QUERY_TIME_MAX.as_secs()))),
        }
    }
}

async fn open(database: &Database, environment: &Environment, as_of: Option<NaiveDate>) -> Result<Opened, String> {
    let text = |error: DatabaseError| error.to_string();
    let settings = match database.engine {
        Engine::Postgresql => {
            Settings::Postgres(Box::new(PostgresSettings::from_environment(database, environment).map_err(text)?))
        }
        Engine::Mysql => Settings::Mysql(MysqlSettings::from_environment(database, environment).map_err(text)?),
        Engine::Mongodb => {
            let settings = MongoSettings::from_environment(database, environment).map_err(text)?;
            return documents(settings).await.map(Opened::Documents);
        }
    };
    let mut first = connect(&settings).await?;
    let seeded = seeded_day(database.engine, &settings, &mut first).await.map_err(text)?;
    Ok(Opened::Relational(Box::new(Source {
        name: database.name.clone(),
        engine: database.engine,
        moment: Moment { engine: database.engine, as_of, seeded },
        settings,
        gate: Semaphore::new(CONNECTIONS_MAX),
        idle: Mutex::new(vec![first]),
    })))
}

/// The day on which the seeded history of this database ends, from the ledger of the seeding.
async fn seeded_day(engine: Engine, settings: &Settings, link: &mut Link) -> Result<Option<NaiveDate>, DatabaseError> {
    let own = if engine == Engine::Mysql { " WHERE database_name = DATABASE()" } else { "" };
    let is_there = "SELECT count(*) FROM information_schema.tables
        WHERE table_schema = 'genims_internal' AND table_name = 'seed_ledger'";
    let mut ledgers = 0;
    link.rows(settings, is_there, &mut |row| ledgers = number(&row, 0)).await?;
    let mut parameters = String::new();
    if ledgers > 0 {
        let first = format!("SELECT parameters FROM genims_internal.seed_ledger{own} ORDER BY table_name LIMIT 1");
        link.rows(settings, &first, &mut |row| field(&row, 0).clone_into(&mut parameters)).await?;
    }
    Ok(day_of(&parameters))
}

/// The day in the parameters of a seeding, as its ledger writes them.
fn day_of(parameters: &str) -> Option<NaiveDate> {
    #[derive(serde::Deserialize)]
    struct Parameters {
        /// Days since 1970-01-01.
        today: i64,
    }
    let parameters: Parameters = serde_json::from_str(parameters).ok()?;
    chrono::DateTime::from_timestamp(parameters.today.checked_mul(86_400)?, 0).map(|day| day.date_naive())
}

async fn documents(settings: MongoSettings) -> Result<Documents, String> {
    let client = settings.client().await.map_err(|error| error.to_string())?;
    let ledger = client.database(INTERNAL_DATABASE).collection::<Document>("seed_ledger");
    match timeout(CONNECT_TIME_MAX, async { ledger.find_one(doc! {}).await }).await {
        Ok(Ok(first)) => {
            let seeded = first.and_then(|entry| day_of(entry.get_str("parameters").unwrap_or_default()));
            Ok(Documents { settings, client, seeded })
        }
        Ok(Err(error)) => Err(settings.error(error).to_string()),
        Err(_) => Err(hangs(settings.database(), &settings.place())),
    }
}

async fn connect(settings: &Settings) -> Result<Link, String> {
    let (database, place) = match settings {
        Settings::Postgres(settings) => (settings.database(), settings.place()),
        Settings::Mysql(settings) => (settings.database(), settings.place()),
    };
    match timeout(CONNECT_TIME_MAX, attempt(settings)).await {
        Ok(Ok(link)) => Ok(link),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(hangs(database, &place)),
    }
}

fn hangs(database: &str, place: &str) -> String {
    let limit = CONNECT_TIME_MAX.as_secs();
    format!("{database} at {place}: connects, but does not answer within {limit} s; look at the server's log")
}

async fn attempt(settings: &Settings) -> Result<Link, DatabaseError> {
    match settings {
        Settings::Postgres(settings) => Ok(Link::Postgres(settings.connect().await?)),
        Settings::Mysql(settings) => {
            let mut connection = settings.connect().await?;
            let session = "SET SESSION TRANSACTION READ ONLY";
            connection.query_drop(session).await.map_err(|error| settings.error(error))?;
            Ok(Link::Mysql(connection))
        }
    }
}

impl Link {
    async fn rows(
        &mut self,
        settings: &Settings,
        sql: &str,
        each: &mut dyn FnMut(Fields<'_>),
    ) -> Result<(), DatabaseError> {
        match (self, settings) {
            (Self::Postgres(client), Settings::Postgres(settings)) => {
                postgres_rows(client, sql, each).await.map_err(|error| settings.error(error))
            }
            (Self::Mysql(connection), Settings::Mysql(settings)) => {
                mysql_rows(connection, sql, each).await.map_err(|error| settings.error(error))
            }
            _ => Ok(()),
        }
    }
}

/// Settings of one query, which is a transaction with them: behind a pooler a session's settings would be left to strangers.
/// Compiling a query takes longer than almost all of ours.
const ONE_QUERY: &str = "SET LOCAL transaction_read_only = on; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'";

/// The simple protocol sends every type as text.
async fn postgres_rows(
    client: &PostgresClient,
    sql: &str,
    each: &mut dyn FnMut(Fields<'_>),
) -> Result<(), tokio_postgres::Error> {
    let mut stream = pin!(client.simple_query_raw(&format!("{ONE_QUERY}; {sql}")).await?);
    while let Some(message) = stream.try_next().await? {
        if let SimpleQueryMessage::Row(row) = message {
            each((0..row.len()).map(|index| row.get(index).map(Cow::Borrowed)).collect());
        }
    }
    Ok(())
}

async fn mysql_rows(
    connection: &mut MysqlConnection,
    sql: &str,
    each: &mut dyn FnMut(Fields<'_>),
) -> Result<(), mysql_async::Error> {
    let mut result = connection.query_iter(sql).await?;
    while let Some(row) = result.next().await? {
        each((0..row.len()).map(|index| row.as_ref(index).and_then(text)).collect());
    }
    Ok(())
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes)),
        other => Some(Cow::Owned(other.as_sql(true).trim_matches('\'').to_owned())),
    }
}

/// A field as a number; what is none counts as 0.
pub(super) fn number(fields: &Fields<'_>, index: usize) -> u64 {
    fields.get(index).and_then(Option::as_deref).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A field as text; null is empty.
pub(super) fn field<'a>(fields: &'a Fields<'_>, index: usize) -> &'a str {
    fields.get(index).and_then(Option::as_deref).unwrap_or_default()
}
