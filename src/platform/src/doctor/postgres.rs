//! One PostgreSQL database under examination.

use super::judge::{self, POOL, ROUND_TRIPS, Rights};
use super::replication;
use super::report::{Checks, Subject};
use futures_util::future::join_all;
use genims_databases::{Database, DatabaseError, Environment, PostgresClient, PostgresSettings, clock, pooling};
use genims_model::counted;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// A pooler with nothing to give lets its clients wait, longer than anybody looks at it: less than an answer may take.
const POOL_SHARE: f64 = 0.5;

/// Server, connection and login; all of it may be asked by anybody.
const SESSION: &str = "SELECT current_setting('server_version'), s.ssl, coalesce(s.version, ''), coalesce(s.cipher, ''), \
    current_user::text, r.rolsuper, has_database_privilege(current_database(), 'CREATE'), \
    has_schema_privilege('public', 'CREATE'), pg_is_in_recovery(), \
    current_setting('default_transaction_read_only')::boolean, pg_database_size(current_database()) \
    FROM pg_stat_ssl s, pg_roles r WHERE s.pid = pg_backend_pid() AND r.rolname = current_user";

/// Tables of the contract, and how many of them may not be read or written.
const TABLES: &str = "SELECT count(*), count(*) FILTER (WHERE NOT has_table_privilege(oid, 'SELECT')), \
    count(*) FILTER (WHERE NOT has_table_privilege(oid, 'INSERT')) \
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')";

pub(super) async fn examine(checks: &mut Checks, database: &Database, environment: &Environment, limit: Duration) {
    let settings = match PostgresSettings::from_environment(database, environment) {
        Ok(settings) => settings,
        Err(error) => return checks.error(Subject::Reachable, &error),
    };
    checks.place = settings.place();
    let client = match settings.connect().await {
        Ok(client) => client,
        Err(error) => return refused(checks, &error),
    };
    checks.ok(Subject::Reachable, settings.place());
    if let Err(error) = ask(checks, database, &client).await {
        checks.error(Subject::Login, &settings.error(error));
    }
    // An error shows below, where as many connections are wanted.
    let shared = pooling::is_shared(&settings, &client).await.unwrap_or(false);
    let more = join_all((1..POOL).map(|_| timeout(limit.mul_f64(POOL_SHARE), settings.connect()))).await;
    let refused = more.iter().find_map(|attempt| Some(attempt.as_ref().ok()?.as_ref().err()?.to_string()));
    let waits = more.iter().any(Result::is_err);
    let opened = 1 + more.iter().filter(|attempt| matches!(attempt, Ok(Ok(_)))).count();
    match refused {
        None if waits => judge::full_pool(checks, opened),
        refused => judge::pool(checks, opened, refused, shared),
    }
}

/// A server that says no is reachable.
fn refused(checks: &mut Checks, error: &DatabaseError) {
    let subject = match error {
        DatabaseError::Postgres { source, .. } => match source.code() {
            Some(state) if *state == SqlState::INVALID_CATALOG_NAME => Subject::Schema,
            Some(state) if state.code().starts_with("28") => Subject::Login,
            Some(state) if *state == SqlState::TOO_MANY_CONNECTIONS => Subject::Pool,
            _ => Subject::Reachable,
        },
        DatabaseError::Tls { .. } => Subject::Tls,
        _ => Subject::Reachable,
    };
    if subject != Subject::Reachable {
        checks.ok(Subject::Reachable, checks.place.clone());
    }
    checks.error(subject, error);
}

async fn ask(checks: &mut Checks, database: &Database, client: &PostgresClient) -> Result<(), Error> {
    let row = client.query_typed_one(SESSION, &[]).await?;
    checks.ok(Subject::Version, format!("PostgreSQL {}", first_word(row.get(0))));
    let how = format!("{} {}", row.get::<_, &str>(2), row.get::<_, &str>(3));
    let remedy = "turn on `ssl` on the server and write sslmode=verify-full into its URL";
    judge::tls(checks, row.get::<_, bool>(1).then_some(how), remedy);
    checks.ok(Subject::Login, row.get::<_, &str>(4));
    let tables = client.query_typed_one(TABLES, &[]).await?;
    let mut missing = Vec::new();
    let mut lacks = |lacking: bool, what: &str| {
        if lacking {
            missing.push(what.to_owned());
        }
    };
    lacks(tables.get::<_, i64>(1) > 0, &format!("SELECT on {}", counted(tables.get::<_, i64>(1), "table")));
    lacks(tables.get::<_, i64>(2) > 0, &format!("INSERT on {}", counted(tables.get::<_, i64>(2), "table")));
    lacks(row.get(8), "writing at all (the server is a standby)");
    lacks(row.get(9), "writing at all (sessions are read-only)");
    let create = row.get(6) && row.get(7);
    judge::rights(checks, &Rights { create, missing, all_powerful: row.get::<_, bool>(5).then_some("superuser") });
    judge::size(checks, row.get::<_, i64>(10) as f64);
    judge::tables(checks, database, tables.get::<_, i64>(0).unsigned_abs(), "tables");
    match applied(client).await {
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => judge::history_is_closed(checks),
        applied => judge::migrations(checks, database, &applied?),
    }
    let mut round_trips = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let begun = Instant::now();
        client.simple_query("SELECT 1").await?;
        round_trips.push(begun.elapsed());
    }
    judge::latency(checks, round_trips);
    judge::clock(checks, clock::of_postgres(client).await?);
    replication::of_postgres(checks, client).await
}

async fn applied(client: &PostgresClient) -> Result<BTreeSet<i64>, Error> {
    let exists = "SELECT to_regclass('genims_internal.schema_history') IS NOT NULL";
    if !client.query_typed_one(exists, &[]).await?.get::<_, bool>(0) {
        return Ok(BTreeSet::new());
    }
    let rows = client.query_typed("SELECT version::bigint FROM genims_internal.schema_history", &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Distributions append their own version in brackets.
fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}
