//! One PostgreSQL database: created if missing, migrated under a lock, its partitions made.

mod changes;
mod drift;

use super::{Findings, Mode, Task, provisioned, roles};
use crate::actions;
use crate::errors::PlatformError;
use chrono::Utc;
use genims_databases::{DatabaseError, Engine, PostgresSettings, partitions, pooling, quoted, schema};
use genims_model::counted;
use refinery::{Migration, Runner};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// In the bookkeeping schema, so that `public` shows the contract alone.
const HISTORY_TABLE: &str = "genims_internal.schema_history";

/// What every database has beside its tables: where the migrations stand, what was seeded, how far the routes into it have
/// come in the log of events, what of it was refused, what of it they lack and were told, and how many rows of partitions went by retention.
const BOOKKEEPING: &str = "SET client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS genims_internal; \
    CREATE TABLE IF NOT EXISTS genims_internal.seed_ledger (table_name text PRIMARY KEY, parameters text NOT NULL, \
    rows bigint NOT NULL, seeded_at timestamptz NOT NULL DEFAULT now()); \
    CREATE TABLE IF NOT EXISTS genims_internal.route_positions (spool_id uuid NOT NULL, sink text NOT NULL, \
    next_offset bigint NOT NULL, history text, updated_at timestamptz NOT NULL DEFAULT now(), \
    PRIMARY KEY (spool_id, sink)) WITH (fillfactor = 50); \
    CREATE TABLE IF NOT EXISTS genims_internal.refused_events (log_id uuid NOT NULL, log_offset bigint NOT NULL, \
    route text NOT NULL, event jsonb NOT NULL, code text, detail text NOT NULL, \
    refused_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (log_id, log_offset, route)); \
    CREATE TABLE IF NOT EXISTS genims_internal.route_gaps (log_id uuid NOT NULL, sink text NOT NULL, \
    from_offset bigint NOT NULL, to_offset bigint NOT NULL, events_id uuid NOT NULL, received_from_us bigint, \
    received_to_us bigint NOT NULL, routed_id uuid, routed_offset bigint, \
    followed_id uuid, followed_offset bigint, noticed_us bigint NOT NULL, closed_us bigint, \
    made bigint, PRIMARY KEY (sink, log_id, from_offset, to_offset)); \
    CREATE TABLE IF NOT EXISTS genims_internal.routed_facts (log_id uuid NOT NULL, sink text NOT NULL, \
    first_offset bigint NOT NULL, next_offset bigint NOT NULL, received_us bigint NOT NULL, \
    is_anew boolean NOT NULL, facts bytea NOT NULL, \
    PRIMARY KEY (sink, log_id, first_offset)); \
    CREATE INDEX IF NOT EXISTS routed_facts_sink_received_us_idx ON genims_internal.routed_facts (sink, received_us); \
    CREATE TABLE IF NOT EXISTS genims_internal.purged_rows (table_name text NOT NULL, day date NOT NULL, \
    rows bigint NOT NULL, purged_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (table_name, day)); RESET client_min_messages";

pub(super) async fn provision(task: &Task<'_>) -> Result<Findings, PlatformError> {
    let settings = PostgresSettings::from_environment(task.database, task.environment)?;
    match task.mode {
        Mode::Apply => apply(task, &settings).await,
        Mode::Plan => plan(task, &settings).await,
        Mode::Check => drift::check(task, &settings).await,
    }
}

async fn apply(task: &Task<'_>, settings: &PostgresSettings) -> Result<Findings, PlatformError> {
    let mut findings = Findings::default();
    task.step("connecting");
    let mut client = match connect_existing(settings).await? {
        Some(client) => client,
        None => {
            task.step("creating the database");
            if create_database(settings).await? {
                findings.changes.push(format!("new database {}", settings.database_name()));
            }
            let client = settings.connect().await?;
            pooling::require_session(settings, &client).await?;
            client
        }
    };
    lock(&client, "genims provision").await.map_err(|source| settings.error(source))?;
    if set_utc(&client).await.map_err(|source| settings.error(source))? {
        findings.changes.push("time zone UTC".to_owned());
    }
    task.step("migrating");
    for migration in migrate(task, settings, &mut client).await? {
        findings.changes.push(format!("migration {migration}"));
    }
    let span = partitions::window(task.database, Utc::now().date_naive());
    for parent in partitions::parents(&client).await.map_err(|source| settings.error(source))? {
        task.step(&format!("partitions of {parent}"));
        let made = partitions::ensure(&client, &parent, span).await.map_err(|source| settings.error(source))?;
        if made > 0 {
            let days = counted(made, "partition");
            findings.changes.push(format!("{days} of {parent} ({} to {})", span.0, span.1));
        }
    }
    task.step("triggers of the audit");
    let audited = changes::install(&client, task.database, task.mode).await;
    findings.changes.extend(audited.map_err(|source| settings.error(source))?);
    roles::apply_postgres(task, settings, &client, &mut findings).await?;
    if !findings.changes.is_empty() {
        let description = findings.changes.join(", ");
        let action = provisioned(&task.database.name, &task.database.module, &description);
        actions::record(&client, &action).await.map_err(|source| settings.error(source))?;
    }
    // The lock ends with the connection.
    Ok(findings)
}

async fn plan(task: &Task<'_>, settings: &PostgresSettings) -> Result<Findings, PlatformError> {
    let mut findings = Findings::default();
    let migrations = migrations(task)?;
    let span = partitions::window(task.database, Utc::now().date_naive());
    task.step("connecting");
    let Some(client) = connect_existing(settings).await? else {
        findings.changes.push(format!("new database {}", settings.database_name()));
        findings.changes.extend(migrations.iter().map(|migration| format!("migration {migration}")));
        return Ok(findings);
    };
    let failed = |source| PlatformError::from(settings.error(source));
    let applied = applied_versions(&client).await.map_err(failed)?;
    let pending = migrations.iter().filter(|migration| !applied.contains(&i64::from(migration.version())));
    findings.changes.extend(pending.map(|migration| format!("migration {migration}")));
    for parent in partitions::parents(&client).await.map_err(failed)? {
        let missing = partitions::missing(&client, &parent, span).await.map_err(failed)?;
        if missing > 0 {
            let days = counted(missing, "partition");
            findings.changes.push(format!("{days} of {parent} ({} to {})", span.0, span.1));
        }
    }
    findings.changes.extend(changes::install(&client, task.database, task.mode).await.map_err(failed)?);
    roles::apply_postgres(task, settings, &client, &mut findings).await?;
    Ok(findings)
}

/// `None` when the server answers but has no such database.
pub async fn connect_existing(settings: &PostgresSettings) -> Result<Option<Client>, DatabaseError> {
    match settings.connect().await {
        Ok(client) => {
            pooling::require_session(settings, &client).await?;
            Ok(Some(client))
        }
        Err(DatabaseError::Postgres { source, .. }) if source.code() == Some(&SqlState::INVALID_CATALOG_NAME) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A connection to a database of the same server that is there before ours are. The one that `GENIMS_POSTGRES_URL` names
/// comes first: a hosted server may have no database `postgres`, or let nobody in.
pub async fn connect_to_server(settings: &PostgresSettings) -> Result<(PostgresSettings, Client), DatabaseError> {
    let mut refusal = None;
    for server in settings.maintenance() {
        match server.connect().await {
            Ok(client) => {
                pooling::require_session(&server, &client).await?;
                return Ok((server, client));
            }
            Err(error) if is_closed_to_us(&error) => refusal = refusal.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    let place = settings.place();
    Err(refusal.unwrap_or(DatabaseError::NoMaintenance { database: settings.database().to_owned(), place }))
}

/// Whether the server answers, and has no such database or lets us not into it.
fn is_closed_to_us(error: &DatabaseError) -> bool {
    let DatabaseError::Postgres { source, .. } = error else { return false };
    source.code().is_some_and(|state| {
        [
            SqlState::INVALID_CATALOG_NAME,
            SqlState::INSUFFICIENT_PRIVILEGE,
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        ]
        .contains(state)
    })
}

/// False when somebody else created it meanwhile.
pub async fn create_database(settings: &PostgresSettings) -> Result<bool, DatabaseError> {
    let (server, client) = connect_to_server(settings).await?;
    let name = quoted(Engine::Postgresql, settings.database_name());
    // Collation C: ids compare by bytes, which makes index maintenance cheaper, and no operating system upgrade can
    // silently reorder an index. C.UTF-8 still folds the case of every letter.
    let create = |ctype: &str| {
        format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE '{ctype}'")
    };
    let mut result = client.batch_execute(&create("C.UTF-8")).await;
    if let Err(error) = &result
        && error.code() == Some(&SqlState::WRONG_OBJECT_TYPE)
    {
        // PostgreSQL's code for a locale that the operating system does not have.
        result = client.batch_execute(&create("C")).await;
    }
    match result {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.code(), Some(state) if *state == SqlState::DUPLICATE_DATABASE || *state == SqlState::UNIQUE_VIOLATION) => {
            Ok(false)
        }
        Err(error) => Err(server.error(error)),
    }
}

/// One holder at a time per database and purpose, until the connection ends; waits a minute for another.
pub async fn lock(client: &Client, purpose: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("SET lock_timeout = '60s'").await?;
    client.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", &[&purpose]).await?;
    client.batch_execute("RESET lock_timeout").await
}

/// True when it was not UTC.
pub async fn set_utc(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let query = "SELECT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase \
                 WHERE d.datname = current_database() AND s.setrole = 0 AND 'TimeZone=UTC' = ANY (s.setconfig)), \
                 current_database()::text";
    let row = client.query_one(query, &[]).await?;
    if row.get(0) {
        return Ok(false);
    }
    let name: String = row.get(1);
    client
        .batch_execute(&format!("ALTER DATABASE {} SET timezone TO 'UTC'", quoted(Engine::Postgresql, &name)))
        .await?;
    Ok(true)
}

fn migrations(task: &Task<'_>) -> Result<Vec<Migration>, PlatformError> {
    schema::files(task.database)
        .iter()
        .map(|file| {
            let stem = file.name.trim_end_matches(".sql");
            let migration = Migration::unapplied(stem, file.text);
            Ok(migration.map_err(|error| schema::unusable(task.database, file.name, error))?)
        })
        .collect()
}

/// Applies what is pending, one transaction per migration together with its history row. The names of the applied.
pub(super) async fn migrate(
    task: &Task<'_>,
    settings: &PostgresSettings,
    client: &mut Client,
) -> Result<Vec<String>, PlatformError> {
    let migrations = migrations(task)?;
    client.batch_execute(BOOKKEEPING).await.map_err(|source| settings.error(source))?;
    let mut runner = Runner::new(&migrations).set_abort_divergent(true).set_abort_missing(true).set_grouped(false);
    runner.set_migration_table_name(HISTORY_TABLE);
    let report = runner.run_async(client).await.map_err(|source| PlatformError::Migration {
        database: task.database.name.clone(),
        source: Box::new(source),
    })?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

pub(super) async fn applied_versions(client: &Client) -> Result<Vec<i64>, tokio_postgres::Error> {
    let exists: bool = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&HISTORY_TABLE]).await?.get(0);
    if !exists {
        return Ok(Vec::new());
    }
    let rows = client.query(&format!("SELECT version::bigint FROM {HISTORY_TABLE}"), &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
