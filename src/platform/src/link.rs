//! A read-only connection to one relational database, and its rows as text. Whoever looks at databases without changing them
//! (verify, the go-live checklist) reads through it.
//!
//! Invariants: sessions are read-only; a connection attempt ends within [`CONNECT_TIME_MAX`]; rows are streamed. How long a query may
//! take says the caller.

use futures_util::TryStreamExt;
use genims_databases::mysql::disconnect;
use genims_databases::{
    Database, DatabaseError, Engine, Environment, MysqlConnection, MysqlSettings, PostgresClient, PostgresSettings,
};
use mysql_async::Value;
use mysql_async::prelude::Queryable;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;

/// A server that takes longer to let us in is as good as down.
pub(crate) const CONNECT_TIME_MAX: Duration = Duration::from_secs(30);

/// One row: its fields as text, `None` for null.
pub(crate) type Fields<'a> = SmallVec<[Option<Cow<'a, str>>; 4]>;

pub(crate) enum LinkSettings {
    Postgres(Box<PostgresSettings>),
    Mysql(MysqlSettings),
}

pub(crate) enum Link {
    Postgres(PostgresClient),
    Mysql(MysqlConnection),
}

impl LinkSettings {
    /// `None` of a database that speaks no SQL.
    pub(crate) fn of(database: &Database, environment: &Environment) -> Result<Option<Self>, DatabaseError> {
        Ok(match database.engine {
            Engine::Postgresql => {
                Some(Self::Postgres(Box::new(PostgresSettings::from_environment(database, environment)?)))
            }
            Engine::Mysql => Some(Self::Mysql(MysqlSettings::from_environment(database, environment)?)),
            Engine::Mongodb => None,
        })
    }
}

pub(crate) async fn connect(settings: &LinkSettings) -> Result<Link, String> {
    let (database, place) = match settings {
        LinkSettings::Postgres(settings) => (settings.database(), settings.place()),
        LinkSettings::Mysql(settings) => (settings.database(), settings.place()),
    };
    match timeout(CONNECT_TIME_MAX, attempt(settings)).await {
        Ok(Ok(link)) => Ok(link),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(hangs(database, &place)),
    }
}

pub(crate) fn hangs(database: &str, place: &str) -> String {
    let limit = CONNECT_TIME_MAX.as_secs();
    format!("{database} at {place}: connects, but does not answer within {limit} s; look at the server's log")
}

async fn attempt(settings: &LinkSettings) -> Result<Link, DatabaseError> {
    match settings {
        LinkSettings::Postgres(settings) => Ok(Link::Postgres(settings.connect().await?)),
        LinkSettings::Mysql(settings) => {
            let mut connection = settings.connect().await?;
            let session = "SET SESSION TRANSACTION READ ONLY";
            connection.query_drop(session).await.map_err(|error| settings.error(error))?;
            Ok(Link::Mysql(connection))
        }
    }
}

impl Link {
    pub(crate) async fn rows(
        &mut self,
        settings: &LinkSettings,
        sql: &str,
        each: &mut dyn FnMut(Fields<'_>),
    ) -> Result<(), DatabaseError> {
        match (self, settings) {
            (Self::Postgres(client), LinkSettings::Postgres(settings)) => {
                postgres_rows(client, sql, each).await.map_err(|error| settings.error(error))
            }
            (Self::Mysql(connection), LinkSettings::Mysql(settings)) => {
                mysql_rows(connection, sql, each).await.map_err(|error| settings.error(error))
            }
            _ => Ok(()),
        }
    }

    /// Says goodbye where a server counts those who do not.
    pub(crate) async fn close(self) {
        if let Self::Mysql(connection) = self {
            disconnect(connection).await;
        }
    }
}

/// Settings of one query, which is a transaction with them: behind a pooler a session's settings would be left to strangers.
/// Compiling a query takes longer than almost all of ours. The server ends one that its caller has given up.
const ONE_QUERY: &str = "SET LOCAL transaction_read_only = on; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; \
                         SET LOCAL statement_timeout = '900s'";

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
pub(crate) fn number(fields: &Fields<'_>, index: usize) -> u64 {
    fields.get(index).and_then(Option::as_deref).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A field as text; null is empty.
pub(crate) fn field<'a>(fields: &'a Fields<'_>, index: usize) -> &'a str {
    fields.get(index).and_then(Option::as_deref).unwrap_or_default()
}
