//! PostgreSQL: `pg_dump` in a snapshot in which rows are counted, too, and `pg_restore` into a database beside the old one, whose
//! place it takes when it holds what was counted.
//!
//! Invariants: files, counts and log positions of a backup show one moment; until the last two renames the old database stands.

use crate::child::Call;
use crate::errors::BackupError;
use crate::manifest::{Content, LogPosition};
use crate::programs::{self, Program};
use crate::saved::Saved;
use crate::task::{RestoreRequest, Work};
use genims_databases::{DatabaseError, Engine, PostgresClient, PostgresSettings, quoted};
use genims_model::{Backoff, counted};
use genims_platform::provision::postgres::{connect_existing, connect_to_server, create_database, lock, set_utc};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_postgres::error::SqlState;

const FILE: &str = "dump.pgc";
/// Of tables that somebody redefines.
const LOCK_WAIT: &str = "60s";
/// The cheapest: disks are larger than patience.
const COMPRESSION: &str = "--compress=1";

/// Every table that holds rows; a partitioned one answers for its partitions.
const TABLES: &str = "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname IN ('public', 'genims_internal') AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1, 2";
const HOLDS_ANYTHING: &str = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p')";
/// Who owns something in this database, or was granted a right to it.
const ROLES: &str = "SELECT DISTINCT r.rolname::text FROM ( \
     SELECT (aclexplode(relacl)).grantee FROM pg_class UNION SELECT (aclexplode(proacl)).grantee FROM pg_proc \
     UNION SELECT (aclexplode(nspacl)).grantee FROM pg_namespace UNION SELECT (aclexplode(defaclacl)).grantee FROM pg_default_acl \
     UNION SELECT defaclrole FROM pg_default_acl UNION SELECT nspowner FROM pg_namespace UNION SELECT relowner FROM pg_class \
     UNION SELECT proowner FROM pg_proc) AS granted (role) JOIN pg_roles r ON r.oid = granted.role \
     WHERE r.rolname NOT LIKE 'pg\\_%' ORDER BY 1";
const POSITION_TABLES: [&str; 2] = ["genims_internal.sink_positions", "genims_internal.route_positions"];

/// A session that is told to go may need a moment.
const SWAP_ATTEMPTS_MAX: u32 = 20;
const SWAP_PAUSE_MIN: Duration = Duration::from_millis(50);
const SWAP_PAUSE_MAX: Duration = Duration::from_millis(500);

pub(crate) async fn backup(work: &Work<'_>) -> Result<(String, Content), BackupError> {
    let settings = PostgresSettings::from_environment(work.database, work.environment)?;
    let failed = |error| settings.error(error);
    work.step("connecting");
    let missing = || BackupError::Missing { database: work.database.name.clone() };
    let client = connect_existing(&settings).await?.ok_or_else(missing)?;
    // A long dump is no reason to end the session that keeps its snapshot.
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0; \
                 SET LOCAL statement_timeout = 0";
    client.batch_execute(begin).await.map_err(failed)?;
    let row = client
        .query_one("SELECT pg_export_snapshot(), current_setting('server_version')", &[])
        .await
        .map_err(failed)?;
    let (snapshot, server_version): (String, String) = (row.get(0), row.get(1));
    let program = programs::postgres("pg_dump", major(&client).await.map_err(failed)?)?;
    work.step("dumping");
    let mut arguments: Vec<String> = ["--format=custom", COMPRESSION, "--no-password"].map(str::to_owned).to_vec();
    arguments.push(format!("--snapshot={snapshot}"));
    arguments.push(format!("--lock-wait-timeout={LOCK_WAIT}"));
    let environment = settings.libpq_environment();
    let call = Call { database: &work.database.name, program: &program, arguments, environment, scratch: None };
    let mut file = work.create(FILE)?;
    let dump = async { call.read(|bytes| work.take(&mut file, bytes)).await };
    let counts = async {
        let mut content = Content { server_version, tool: program.version.clone(), ..Content::default() };
        content.rows = rows(&client).await.map_err(failed)?;
        content.log_positions = positions(&client).await.map_err(failed)?;
        content.roles = client.query(ROLES, &[]).await.map_err(failed)?.iter().map(|row| row.get(0)).collect();
        Ok(content)
    };
    let ((), mut content) = tokio::try_join!(dump, counts)?;
    client.batch_execute("COMMIT").await.map_err(failed)?;
    content.files.push(file.finish()?);
    Ok((settings.place(), content))
}

pub(crate) async fn major(client: &PostgresClient) -> Result<u32, tokio_postgres::Error> {
    let number: i32 = client.query_one("SELECT current_setting('server_version_num')::int", &[]).await?.get(0);
    Ok(u32::try_from(number / 10_000).unwrap_or_default())
}

async fn rows(client: &PostgresClient) -> Result<BTreeMap<String, u64>, tokio_postgres::Error> {
    let mut rows = BTreeMap::new();
    for table in client.query(TABLES, &[]).await? {
        let (schema, table): (String, String) = (table.get(0), table.get(1));
        let name = [&schema, &table].map(|part| quoted(Engine::Postgresql, part)).join(".");
        let count: i64 = client.query_one(&format!("SELECT count(*) FROM {name}"), &[]).await?.get(0);
        rows.insert(format!("{schema}.{table}"), count.unsigned_abs());
    }
    Ok(rows)
}

async fn positions(client: &PostgresClient) -> Result<Vec<LogPosition>, tokio_postgres::Error> {
    let mut positions = Vec::new();
    for table in POSITION_TABLES {
        if !client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await?.get::<_, bool>(0) {
            continue;
        }
        let select = format!("SELECT spool_id::text, sink::text, next_offset::bigint FROM {table} ORDER BY 1, 2");
        positions.extend(client.query(&select, &[]).await?.iter().map(|row| LogPosition {
            table: table.to_owned(),
            log: row.get(0),
            sink: row.get(1),
            next_offset: row.get::<_, i64>(2).unsigned_abs(),
        }));
    }
    Ok(positions)
}

/// Where a restore goes; says what is in the way.
pub(crate) async fn target(wanted: &RestoreRequest<'_>) -> Result<PostgresSettings, BackupError> {
    let own = PostgresSettings::from_environment(wanted.database, wanted.environment)?;
    let settings = match wanted.name {
        Some(name) => own.with_database(name),
        None => own,
    };
    let Some(client) = connect_existing(&settings).await? else { return Ok(settings) };
    let tables: i64 = client.query_one(HOLDS_ANYTHING, &[]).await.map_err(|error| settings.error(error))?.get(0);
    if tables > 0 && !wanted.replace {
        return Err(BackupError::NotEmpty { place: settings.place(), holds: counted(tables, "table") });
    }
    Ok(settings)
}

/// The place that it has now.
pub(crate) async fn restore(wanted: &RestoreRequest<'_>, saved: &Saved<'_>) -> Result<String, BackupError> {
    let settings = target(wanted).await?;
    let (server, keeper) = connect_to_server(&settings).await?;
    let failed = |error: tokio_postgres::Error| server.error(error);
    let name = settings.database_name();
    lock(&keeper, &format!("genims restore {name}")).await.map_err(failed)?;
    let fresh = settings.with_database(&format!("{name}_restoring"));
    let drop = drop_statement(fresh.database_name());
    keeper.batch_execute(&drop).await.map_err(failed)?;
    let program = programs::postgres("pg_restore", major(&keeper).await.map_err(failed)?)?;
    create_database(&fresh).await?;
    let filled = fill(wanted, &fresh, &program, saved).await;
    let outcome = match filled {
        Ok(()) => swap(&keeper, name, fresh.database_name()).await.map_err(|error| BackupError::from(failed(error))),
        Err(error) => Err(error),
    };
    if outcome.is_err() {
        // The first error is the one to report.
        let _ = keeper.batch_execute(&drop).await;
    }
    outcome.map(|()| settings.place())
}

async fn fill(
    wanted: &RestoreRequest<'_>,
    fresh: &PostgresSettings,
    program: &Program,
    saved: &Saved<'_>,
) -> Result<(), BackupError> {
    wanted.step("restoring");
    let client = fresh.connect().await?;
    let failed = |error| fresh.error(error);
    let manifest = saved.manifest;
    roles(&client, &manifest.content.roles).await.map_err(failed)?;
    let mut arguments: Vec<String> = ["--exit-on-error", "--no-password"].map(str::to_owned).to_vec();
    arguments.push(format!("--dbname={}", fresh.database_name()));
    let environment = fresh.libpq_environment();
    let call = Call { database: &wanted.database.name, program, arguments, environment, scratch: None };
    let mut file = saved.open(FILE)?;
    call.feed(|mut feed| async move { feed.copy(&mut file, |bytes, out| out.extend_from_slice(bytes)).await }).await?;
    set_utc(&client).await.map_err(failed)?;
    // Whoever may enter is decided by provisioning; until then, and in a copy for good, nobody but its maker.
    let close = format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", quoted(Engine::Postgresql, fresh.database_name()));
    client.batch_execute(&close).await.map_err(failed)?;
    wanted.step("counting");
    wanted.compare(&fresh.place(), &rows(&client).await.map_err(failed)?, manifest)?;
    client.batch_execute("ANALYZE").await.map_err(failed)?;
    Ok(())
}

/// Those that rights are granted to, as far as the server does not have them: without login, as provisioning begins them.
async fn roles(client: &PostgresClient, roles: &[String]) -> Result<(), tokio_postgres::Error> {
    for role in roles {
        let exists = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)";
        if client.query_one(exists, &[role]).await?.get::<_, bool>(0) {
            continue;
        }
        let name = quoted(Engine::Postgresql, role);
        match client.batch_execute(&format!("CREATE ROLE {name}; GRANT {name} TO CURRENT_USER")).await {
            // Roles belong to the server: the restore of another database made it just now.
            Err(error) if error.code() == Some(&SqlState::DUPLICATE_OBJECT) => {}
            other => other?,
        }
    }
    Ok(())
}

fn drop_statement(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(Engine::Postgresql, name))
}

/// `fresh` takes the name; what had it goes when that is done, and keeps it when that fails.
async fn swap(keeper: &PostgresClient, name: &str, fresh: &str) -> Result<(), tokio_postgres::Error> {
    let old = format!("{name}_replaced");
    keeper.batch_execute(&drop_statement(&old)).await?;
    let exists = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    let exists: bool = keeper.query_one(exists, &[&name]).await?.get(0);
    if exists {
        rename(keeper, name, &old).await?;
    }
    if let Err(error) = rename(keeper, fresh, name).await {
        if exists {
            rename(keeper, &old, name).await?;
        }
        return Err(error);
    }
    keeper.batch_execute(&drop_statement(&old)).await
}

/// Sends away who is connected; a server of ours comes back by itself.
async fn rename(keeper: &PostgresClient, from: &str, to: &str) -> Result<(), tokio_postgres::Error> {
    let (old, new) = (quoted(Engine::Postgresql, from), quoted(Engine::Postgresql, to));
    keeper.batch_execute(&format!("ALTER DATABASE {old} ALLOW_CONNECTIONS false")).await?;
    let attempt = async || {
        keeper.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", &[&from]).await?;
        keeper.batch_execute(&format!("ALTER DATABASE {old} RENAME TO {new}")).await
    };
    let is_in_use = |error: &tokio_postgres::Error| error.code() == Some(&SqlState::OBJECT_IN_USE);
    let backoff = Backoff::new(SWAP_PAUSE_MIN, SWAP_PAUSE_MAX);
    let result = backoff.retry(SWAP_ATTEMPTS_MAX, is_in_use, attempt).await;
    let named = if result.is_ok() { &new } else { &old };
    keeper.batch_execute(&format!("ALTER DATABASE {named} ALLOW_CONNECTIONS true")).await?;
    result
}

/// The rows of each table as it is now.
pub(crate) async fn count(settings: &PostgresSettings) -> Result<BTreeMap<String, u64>, DatabaseError> {
    let client = settings.connect().await?;
    rows(&client).await.map_err(|error| settings.error(error))
}

/// Drops a copy, for a drill.
pub(crate) async fn remove(settings: &PostgresSettings) -> Result<(), DatabaseError> {
    let (server, keeper) = connect_to_server(settings).await?;
    let drop = drop_statement(settings.database_name());
    keeper.batch_execute(&drop).await.map_err(|error| server.error(error))
}
