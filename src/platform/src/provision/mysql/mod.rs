//! One MySQL database: created if missing, migrated under a lock.
//!
//! - [`audit`]: what the audit trail has in `genims_internal`
//! - [`statements`]: a migration's file, cut into statements
//! - [`history`]: which statements are done, in `genims_internal`; runs those that are not
//! - [`drift`]: what stands, compared with what the migrations say

mod audit;
mod drift;
mod history;
mod statements;

use super::{Findings, Mode, Task, roles};
use crate::errors::PlatformError;
use genims_databases::{Engine, MysqlConnection, MysqlSettings, quoted, schema};
use history::History;
use mysql_async::prelude::Queryable;
use statements::Migration;

/// How long a run waits for another one, and a statement for a table that somebody uses.
const LOCK_WAIT_S: u64 = 60;

pub(super) async fn provision(task: &Task<'_>) -> Result<Findings, PlatformError> {
    let settings = MysqlSettings::from_environment(task.database, task.environment)?;
    match task.mode {
        Mode::Apply => apply(task, &settings).await,
        Mode::Plan => plan(task, &settings).await,
        Mode::Check => drift::check(task, &settings).await,
    }
}

async fn apply(task: &Task<'_>, settings: &MysqlSettings) -> Result<Findings, PlatformError> {
    let mut findings = Findings::default();
    let migrations = migrations(task)?;
    let name = settings.database_name();
    let failed = |source| PlatformError::from(settings.error(source));
    task.step("connecting");
    let mut connection = settings.connect_to_server().await?;
    // The lock ends with the connection.
    lock(&mut connection, settings, name).await?;
    if !exists(&mut connection, name).await.map_err(failed)? {
        task.step("creating the database");
        create_database(&mut connection, name).await.map_err(failed)?;
        findings.changes.push(format!("new database {name}"));
    }
    connection.query_drop(format!("USE {}", quoted(Engine::Mysql, name))).await.map_err(failed)?;
    task.step("migrating");
    history::create(&mut connection).await.map_err(failed)?;
    let history = History::load(&mut connection, settings, &migrations).await?;
    for migration in migrations.iter().filter(|migration| !history.is_finished(migration)) {
        task.step(&migration.to_string());
        history.run(&mut connection, settings, migration).await?;
        findings.changes.push(format!("migration {migration}"));
    }
    if task.database.module == "audit" {
        audit::create(&mut connection, name).await.map_err(failed)?;
    }
    roles::apply_mysql(task, settings, &mut connection, &mut findings).await?;
    end(connection).await;
    Ok(findings)
}

async fn plan(task: &Task<'_>, settings: &MysqlSettings) -> Result<Findings, PlatformError> {
    let mut findings = Findings::default();
    let migrations = migrations(task)?;
    task.step("connecting");
    let mut connection = settings.connect_to_server().await?;
    let name = settings.database_name();
    if !exists(&mut connection, name).await.map_err(|source| settings.error(source))? {
        findings.changes.push(format!("new database {name}"));
    }
    let history = History::load(&mut connection, settings, &migrations).await?;
    let pending = migrations.iter().filter(|migration| !history.is_finished(migration));
    findings.changes.extend(pending.map(|migration| format!("migration {migration}")));
    roles::apply_mysql(task, settings, &mut connection, &mut findings).await?;
    end(connection).await;
    Ok(findings)
}

/// Says goodbye; a server logs a connection that just breaks off. That it cannot be said changes nothing.
async fn end(connection: MysqlConnection) {
    genims_databases::mysql::disconnect(connection).await;
}

fn migrations(task: &Task<'_>) -> Result<Vec<Migration>, PlatformError> {
    let files = schema::files(task.database);
    files
        .iter()
        .filter(|file| file.name.ends_with(".sql"))
        .map(|file| Ok(Migration::read(file).map_err(|cause| schema::unusable(task.database, file.name, cause))?))
        .collect()
}

/// One holder at a time per server and purpose, until the connection ends.
pub async fn lock(
    connection: &mut MysqlConnection,
    settings: &MysqlSettings,
    purpose: &str,
) -> Result<(), PlatformError> {
    let failed = |source| settings.error(source);
    // Hashed: the name of a lock has at most 64 characters.
    let query = format!("SELECT GET_LOCK(CONCAT('genims ', SHA1(?)), {LOCK_WAIT_S})");
    let held: Option<Option<i64>> = connection.exec_first(query, (purpose,)).await.map_err(failed)?;
    if held.flatten() != Some(1) {
        return Err(PlatformError::Busy { database: settings.database().to_owned(), waited_s: LOCK_WAIT_S });
    }
    let wait = format!("SET SESSION lock_wait_timeout = {LOCK_WAIT_S}");
    Ok(connection.query_drop(wait).await.map_err(failed)?)
}

/// Whether the server has a database of this name.
pub async fn exists(connection: &mut MysqlConnection, name: &str) -> Result<bool, mysql_async::Error> {
    let query = "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?";
    let count: Option<i64> = connection.exec_first(query, (name,)).await?;
    Ok(count == Some(1))
}

/// An empty one with our collation; one that is there stays as it is.
pub async fn create_database(connection: &mut MysqlConnection, name: &str) -> Result<(), mysql_async::Error> {
    let name = quoted(Engine::Mysql, name);
    let create = format!("CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci");
    connection.query_drop(create).await
}
