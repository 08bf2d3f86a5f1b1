//! MariaDB and MySQL: their own dump tool in one transaction, over the database and our bookkeeping beside it.
//!
//! The bookkeeping (`genims_internal`) is shared by all databases of a server, so it is restored into a scratch database first, and
//! only this database's rows are taken over. Invariants: rows are counted in the dump itself, so they are what it holds; a dump
//! without its last line is none.

use crate::child::Call;
use crate::dump::{Counter, Renamer};
use crate::errors::BackupError;
use crate::manifest::{Content, LogPosition};
use crate::programs::{self, is_mariadb};
use crate::saved::{Saved, SavedFile};
use crate::task::{RestoreRequest, Work};
use genims_databases::mysql::{INTERNAL_DATABASE, disconnect};
use genims_databases::{DatabaseError, Engine, MysqlConnection, MysqlSettings, literal, quoted};
use genims_model::counted;
use genims_platform::provision::mysql::{create_database, exists, lock};
use mysql_async::Error;
use mysql_async::prelude::Queryable;
use std::collections::BTreeMap;

const FILE: &str = "dump.sql";
const REFUSED: &str = "refused_events";
/// Without whose they are.
const REFUSED_COLUMNS: &str = "log_id, log_offset, route, event, code, detail, refused_at";
const POSITIONS: &str = "SELECT spool_id, sink, next_offset FROM genims_internal.route_positions WHERE sink = ?";

pub(crate) async fn backup(work: &Work<'_>) -> Result<(String, Content), BackupError> {
    let settings = MysqlSettings::from_environment(work.database, work.environment)?;
    let failed = |error| settings.error(error);
    work.step("connecting");
    let mut connection = settings.connect_to_server().await?;
    let name = settings.database_name();
    if !exists(&mut connection, name).await.map_err(failed)? {
        return Err(BackupError::Missing { database: work.database.name.clone() });
    }
    let internal = exists(&mut connection, INTERNAL_DATABASE).await.map_err(failed)?;
    let server_version = version(&mut connection).await.map_err(failed)?;
    let program = programs::mysql(["mariadb-dump", "mysqldump"], &server_version)?;
    let arguments = of_database(&mut connection, &settings, internal).await.map_err(failed)?;
    // Before the dump: it may hold more, and never less than this says.
    let log_positions =
        if internal { positions(&mut connection, &work.database.module).await.map_err(failed)? } else { Vec::new() };
    disconnect(connection).await;
    work.step("dumping");
    let call = Call {
        database: &work.database.name,
        program: &program,
        arguments,
        environment: environment(&settings),
        scratch: None,
    };
    let (mut file, mut counter) = (work.create(FILE)?, Counter::default());
    call.read(|bytes| {
        counter.take(bytes);
        work.take(&mut file, bytes)
    })
    .await?;
    if !counter.completed {
        let program = program.path.display().to_string();
        let cause = "its dump has no end".to_owned();
        return Err(BackupError::Program { database: work.database.name.clone(), program, cause });
    }
    let files = vec![file.finish()?];
    let rows =
        counter.rows.into_iter().map(|((database, table), rows)| (told(&database, name, &table), rows)).collect();
    let content = Content {
        server_version,
        tool: program.version,
        rows,
        log_positions,
        binlog: counter.binlog,
        files,
        ..Content::default()
    };
    Ok((settings.place(), content))
}

/// Tables of the database by their name, the bookkeeping's with its database.
fn told(database: &str, own: &str, table: &str) -> String {
    if database == own { table.to_owned() } else { format!("{database}.{table}") }
}

pub(crate) async fn version(connection: &mut MysqlConnection) -> Result<String, Error> {
    Ok(connection.query_first::<String, _>("SELECT VERSION()").await?.unwrap_or_default())
}

pub(crate) fn environment(settings: &MysqlSettings) -> Vec<(&'static str, String)> {
    settings.password().map(|password| ("MYSQL_PWD", password.to_owned())).into_iter().collect()
}

async fn of_database(
    connection: &mut MysqlConnection,
    settings: &MysqlSettings,
    internal: bool,
) -> Result<Vec<String>, Error> {
    let mut arguments = arguments(connection, settings).await?;
    // Provisioning makes them anew.
    let views = "SELECT table_name FROM information_schema.views WHERE table_schema = ?";
    let views: Vec<String> = connection.exec(views, (INTERNAL_DATABASE,)).await?;
    arguments.extend(views.iter().map(|view| format!("--ignore-table={INTERNAL_DATABASE}.{view}")));
    arguments.extend(["--databases".to_owned(), settings.database_name().to_owned()]);
    arguments.extend(internal.then(|| INTERNAL_DATABASE.to_owned()));
    Ok(arguments)
}

/// Of a dump in one transaction, with the position of the binary log where there is one; what is dumped stands behind them.
pub(crate) async fn arguments(
    connection: &mut MysqlConnection,
    settings: &MysqlSettings,
) -> Result<Vec<String>, Error> {
    let mariadb = is_mariadb(&version(connection).await?);
    // First, or it is none: no file of options of this machine says anything.
    let mut arguments = vec!["--no-defaults".to_owned()];
    arguments.extend(settings.client_arguments(mariadb));
    let usual = [
        "--single-transaction",
        "--quick",
        "--routines",
        "--triggers",
        "--events",
        "--hex-blob",
        "--tz-utc",
        "--default-character-set=utf8mb4",
        "--no-tablespaces",
        "--skip-dump-date",
        "--skip-lock-tables",
    ];
    arguments.extend(usual.map(str::to_owned));
    let logs: Option<i64> = connection.query_first("SELECT @@log_bin").await?;
    if logs == Some(1) {
        arguments.push(if mariadb { "--master-data=2" } else { "--source-data=2" }.to_owned());
    }
    if !mariadb {
        arguments.extend(["--set-gtid-purged=OFF", "--column-statistics=0"].map(str::to_owned));
    }
    Ok(arguments)
}

async fn positions(connection: &mut MysqlConnection, module: &str) -> Result<Vec<LogPosition>, Error> {
    let rows: Vec<(String, String, u64)> = connection.exec(POSITIONS, (module,)).await?;
    let table = "genims_internal.route_positions";
    let position = |(log, sink, next_offset)| LogPosition { table: table.to_owned(), log, sink, next_offset };
    Ok(rows.into_iter().map(position).collect())
}

/// Where a restore goes; says what is in the way.
pub(crate) async fn target(wanted: &RestoreRequest<'_>) -> Result<MysqlSettings, BackupError> {
    let own = MysqlSettings::from_environment(wanted.database, wanted.environment)?;
    let settings = match wanted.name {
        Some(name) => own.with_database(name),
        None => own,
    };
    let mut connection = settings.connect_to_server().await?;
    let query = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ?";
    let tables: Option<i64> =
        connection.exec_first(query, (settings.database_name(),)).await.map_err(|error| settings.error(error))?;
    disconnect(connection).await;
    match tables {
        Some(tables) if tables > 0 && !wanted.replace => {
            Err(BackupError::NotEmpty { place: settings.place(), holds: counted(tables, "table") })
        }
        _ => Ok(settings),
    }
}

/// The place that it has now.
pub(crate) async fn restore(wanted: &RestoreRequest<'_>, saved: &Saved<'_>) -> Result<String, BackupError> {
    let settings = target(wanted).await?;
    let failed = |error| BackupError::from(settings.error(error));
    let own = MysqlSettings::from_environment(wanted.database, wanted.environment)?;
    let (dumped, name) = (own.database_name(), settings.database_name());
    let mut connection = settings.connect_to_server().await?;
    lock(&mut connection, &settings, &format!("restore {name}")).await?;
    let scratch = format!("{name}_bookkeeping");
    let server_version = version(&mut connection).await.map_err(failed)?;
    let program = programs::mysql(["mariadb", "mysql"], &server_version)?;
    wanted.step("restoring");
    for database in [name, &scratch] {
        let drop = format!("DROP DATABASE IF EXISTS {}", quoted(Engine::Mysql, database));
        connection.query_drop(drop).await.map_err(failed)?;
        create_database(&mut connection, database).await.map_err(failed)?;
    }
    let mut arguments = vec!["--no-defaults".to_owned()];
    arguments.extend(settings.client_arguments(is_mariadb(&server_version)));
    arguments.extend(["--default-character-set=utf8mb4", "--batch"].map(str::to_owned));
    let call = Call {
        database: &wanted.database.name,
        program: &program,
        arguments,
        environment: environment(&settings),
        scratch: None,
    };
    let names = [(dumped, name), (INTERNAL_DATABASE, scratch.as_str())];
    let names = names.map(|(old, new)| (old.to_owned(), quoted(Engine::Mysql, new))).to_vec();
    feed(&call, saved.open(FILE)?, Renamer::new(names)).await?;
    wanted.step("counting");
    let mut found = rows(&mut connection, name, "").await.map_err(failed)?;
    found.extend(rows(&mut connection, &scratch, "genims_internal.").await.map_err(failed)?);
    wanted.compare(&settings.place(), &found, saved.manifest)?;
    if wanted.name.is_none() {
        take_over(&mut connection, &scratch, name, &wanted.database.module).await.map_err(failed)?;
    }
    let drop = format!("DROP DATABASE {}", quoted(Engine::Mysql, &scratch));
    connection.query_drop(drop).await.map_err(failed)?;
    disconnect(connection).await;
    Ok(settings.place())
}

async fn feed(call: &Call<'_>, mut file: SavedFile, mut renamer: Renamer) -> Result<(), BackupError> {
    let pass = move |bytes: &[u8], out: &mut Vec<u8>| {
        if bytes.is_empty() { renamer.flush(out) } else { renamer.take(bytes, out) }
    };
    call.feed(|mut feed| async move { feed.copy(&mut file, pass).await }).await
}

/// Tables without rows are in no dump's INSERT, and so in no manifest.
async fn rows(connection: &mut MysqlConnection, database: &str, prefix: &str) -> Result<BTreeMap<String, u64>, Error> {
    let mut rows = BTreeMap::new();
    for table in tables(connection, database).await? {
        let name = [database, &table].map(|part| quoted(Engine::Mysql, part)).join(".");
        let count: Option<u64> = connection.query_first(format!("SELECT COUNT(*) FROM {name}")).await?;
        rows.insert(format!("{prefix}{table}"), count.unwrap_or_default());
    }
    Ok(rows)
}

async fn tables(connection: &mut MysqlConnection, database: &str) -> Result<Vec<String>, Error> {
    let query = "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_type = 'BASE TABLE'";
    connection.exec(query, (database,)).await
}

/// Whose a table's rows in the bookkeeping are: a condition, or none when they are nobody's that is restored.
fn ours(table: &str, database: &str, module: &str) -> Option<String> {
    match table {
        "schema_history" | "seed_ledger" => Some(format!("database_name = {}", literal(Engine::Mysql, database))),
        "route_positions" | "route_gaps" | "routed_facts" => Some(format!("sink = '{module}'")),
        _ if (table.starts_with("audit_") || table == "checklist_signatures") && module == "audit" => {
            Some("TRUE".to_owned())
        }
        _ => None,
    }
}

/// What the restored bookkeeping says of this database, in place of what stands.
async fn take_over(connection: &mut MysqlConnection, scratch: &str, database: &str, module: &str) -> Result<(), Error> {
    create_database(connection, INTERNAL_DATABASE).await?;
    for table in tables(connection, scratch).await? {
        let from = [scratch, &table].map(|part| quoted(Engine::Mysql, part)).join(".");
        let to = format!("{INTERNAL_DATABASE}.{}", quoted(Engine::Mysql, &table));
        connection.query_drop(format!("CREATE TABLE IF NOT EXISTS {to} LIKE {from}")).await?;
        if table == REFUSED {
            take_over_refused(connection, scratch, (&from, &to), module).await?;
            continue;
        }
        let Some(ours) = ours(&table, database, module) else { continue };
        connection.query_drop("START TRANSACTION").await?;
        connection.query_drop(format!("DELETE FROM {to} WHERE {ours}")).await?;
        connection.query_drop(format!("INSERT INTO {to} SELECT * FROM {from} WHERE {ours}")).await?;
        connection.query_drop("COMMIT").await?;
    }
    Ok(())
}

/// Refused events of earlier releases do not say whose they are: those are nobody's, and come back where none is, as on a server that
/// was lost. The table may be such a one here, in the backup, or both.
async fn take_over_refused(
    connection: &mut MysqlConnection,
    scratch: &str,
    (from, to): (&str, &str),
    module: &str,
) -> Result<(), Error> {
    let saved = says_whose(connection, scratch).await?;
    let stands = says_whose(connection, INTERNAL_DATABASE).await?;
    let none = connection.query_first::<i64, _>(format!("SELECT COUNT(*) FROM {to}")).await? == Some(0);
    let nobodys = match (saved, stands) {
        (false, _) => "TRUE".to_owned(),
        (true, true) => "sink = ''".to_owned(),
        (true, false) => format!("sink IN ('', '{module}')"),
    };
    connection.query_drop("START TRANSACTION").await?;
    if saved && stands {
        let ours = format!("sink = '{module}'");
        connection.query_drop(format!("DELETE FROM {to} WHERE {ours}")).await?;
        let columns = format!("sink, {REFUSED_COLUMNS}");
        let insert = format!("INSERT INTO {to} ({columns}) SELECT {columns} FROM {from} WHERE {ours}");
        connection.query_drop(insert).await?;
    }
    if none {
        let columns = REFUSED_COLUMNS;
        let insert = format!("INSERT INTO {to} ({columns}) SELECT {columns} FROM {from} WHERE {nobodys}");
        connection.query_drop(insert).await?;
    }
    connection.query_drop("COMMIT").await
}

async fn says_whose(connection: &mut MysqlConnection, database: &str) -> Result<bool, Error> {
    let columns = "SELECT COUNT(*) FROM information_schema.columns \
                   WHERE table_schema = ? AND table_name = ? AND column_name = 'sink'";
    Ok(connection.exec_first::<i64, _, _>(columns, (database, REFUSED)).await? == Some(1))
}

/// The rows of each table as it is now.
pub(crate) async fn count(settings: &MysqlSettings) -> Result<BTreeMap<String, u64>, DatabaseError> {
    let mut connection = settings.connect().await?;
    let counted = rows(&mut connection, settings.database_name(), "").await;
    disconnect(connection).await;
    counted.map_err(|error| settings.error(error))
}

/// Drops a copy, for a drill.
pub(crate) async fn remove(settings: &MysqlSettings) -> Result<(), DatabaseError> {
    let mut connection = settings.connect_to_server().await?;
    let drop = format!("DROP DATABASE IF EXISTS {}", quoted(Engine::Mysql, settings.database_name()));
    connection.query_drop(drop).await.map_err(|error| settings.error(error))?;
    disconnect(connection).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_shared_bookkeeping_only_the_database_s_own_rows_come_back() {
        assert_eq!(
            ours("seed_ledger", "genims_audit_db", "audit").as_deref(),
            Some("database_name = 'genims_audit_db'")
        );
        assert_eq!(ours("seed_ledger", "o'k", "audit").as_deref(), Some("database_name = 'o''k'"));
        assert_eq!(ours("route_positions", "genims_audit_db", "audit").as_deref(), Some("sink = 'audit'"));
        assert_eq!(ours("audit_seals", "genims_audit_db", "audit").as_deref(), Some("TRUE"));
        assert_eq!(ours("checklist_signatures", "genims_audit_db", "audit").as_deref(), Some("TRUE"));
        assert_eq!(ours("audit_seals", "genims_reporting_db", "reporting"), None);
        assert_eq!(ours(REFUSED, "genims_audit_db", "audit"), None, "it is looked at more closely");
        assert_eq!(ours("change_positions", "genims_audit_db", "audit"), None);
    }
}
