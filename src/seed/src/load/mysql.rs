//! LOAD DATA LOCAL into MySQL; the lines come from memory, no file is read.

use super::ledger::{SeedLedger, written};
use super::{Message, Plan, SeedProgress, SeededDatabase, Show};
use crate::errors::SeedError;
use crate::world::Parameters;
use bytes::Bytes;
use futures_util::StreamExt;
use genims_databases::mysql::INTERNAL_DATABASE;
use genims_databases::{Engine, MysqlConnection, MysqlSettings, quoted};
use mysql_async::prelude::Queryable;
use tokio::sync::mpsc::Receiver;

pub(super) async fn ledger(settings: &MysqlSettings) -> Result<SeedLedger, SeedError> {
    let failed = |error| SeedError::from(settings.error(error));
    let mut connection = settings.connect().await?;
    connection.query_drop(format!("CREATE DATABASE IF NOT EXISTS {INTERNAL_DATABASE}")).await.map_err(failed)?;
    let make = format!(
        "CREATE TABLE IF NOT EXISTS {INTERNAL_DATABASE}.seed_ledger (database_name VARCHAR(64) NOT NULL, \
         table_name VARCHAR(64) NOT NULL, parameters TEXT NOT NULL, row_count BIGINT NOT NULL, \
         seeded_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), PRIMARY KEY (database_name, table_name)) ENGINE=InnoDB"
    );
    connection.query_drop(make).await.map_err(failed)?;
    let read = format!(
        "SELECT table_name, parameters FROM {INTERNAL_DATABASE}.seed_ledger WHERE database_name = ? ORDER BY 1"
    );
    let entries = connection.exec(read, (settings.database_name(),)).await.map_err(failed)?;
    Ok(SeedLedger::new(entries))
}

/// Rows go into an empty table as a bulk, its indexes sorted at the end, only while both are off. References are checked by
/// one join each before the commit ([`check_references`]). A key that comes twice is refused all the same by MariaDB 10.11, with a
/// warning or at the commit (tried); MySQL may take a secondary one unseen.
const BULK: &str = "SET SESSION unique_checks = 0, foreign_key_checks = 0";

/// Fails with the first value of a foreign key that refers to nothing.
async fn check_references(
    settings: &MysqlSettings,
    connection: &mut MysqlConnection,
    table: &str,
) -> Result<(), SeedError> {
    let failed = |error| SeedError::Table { table: table.to_owned(), source: settings.error(error) };
    // A column that is part of a key of several is not in these schemas: each foreign key is one column.
    let keys = "SELECT constraint_name, column_name, referenced_table_name, referenced_column_name
        FROM information_schema.key_column_usage
        WHERE table_schema = DATABASE() AND table_name = ? AND referenced_table_name IS NOT NULL";
    let keys: Vec<(String, String, String, String)> = connection.exec(keys, (table,)).await.map_err(failed)?;
    for (name, column, parent, key) in keys {
        let [child, column, key, parent] = [table, &column, &key, &parent].map(|name| quoted(Engine::Mysql, name));
        let orphan = format!(
            "SELECT CAST(child.{column} AS CHAR) FROM {child} AS child LEFT JOIN {parent} AS parent
             ON parent.{key} = child.{column} WHERE child.{column} IS NOT NULL AND parent.{key} IS NULL LIMIT 1"
        );
        if let Some(value) = connection.query_first::<String, _>(orphan).await.map_err(failed)? {
            let cause = format!("{}.{table}: {name}: {value} refers to no row", settings.database());
            return Err(SeedError::Specs { cause });
        }
    }
    Ok(())
}

pub(super) async fn load(
    settings: &MysqlSettings,
    parameters: Parameters,
    mut receiver: Receiver<Message>,
    report: &mut SeededDatabase,
    show: Show<'_>,
) -> Result<(), SeedError> {
    let failed = |error| SeedError::from(settings.error(error));
    let mut connection = settings.connect().await?;
    connection.query_drop(BULK).await.map_err(failed)?;
    let mut open: Option<(Plan, Vec<Bytes>)> = None;
    let mut tables = Vec::new();
    while let Some(message) = receiver.recv().await {
        match message {
            Message::Begin => connection.query_drop("START TRANSACTION").await.map_err(failed)?,
            Message::Table(plan) => {
                tables.push(plan.table.clone());
                store(settings, &mut connection, open.replace((plan, Vec::new())), parameters, report, show).await?;
            }
            Message::Chunk(bytes) => {
                report.bytes += bytes.len() as u64;
                if let Some((_, chunks)) = &mut open {
                    chunks.push(bytes);
                }
            }
            Message::Commit => {
                store(settings, &mut connection, open.take(), parameters, report, show).await?;
                for table in tables.drain(..) {
                    check_references(settings, &mut connection, &table).await?;
                }
                connection.query_drop("COMMIT").await.map_err(failed)?;
            }
            Message::Failed(cause) => return Err(SeedError::Specs { cause }),
            Message::Documents(_) => {}
        }
    }
    Ok(())
}

async fn store(
    settings: &MysqlSettings,
    connection: &mut MysqlConnection,
    table: Option<(Plan, Vec<Bytes>)>,
    parameters: Parameters,
    report: &mut SeededDatabase,
    show: Show<'_>,
) -> Result<(), SeedError> {
    let Some((plan, chunks)) = table else { return Ok(()) };
    let name = &plan.table;
    let failed = |error| SeedError::Table { table: name.clone(), source: settings.error(error) };
    let target = quoted(Engine::Mysql, name);
    let filled: Option<i64> =
        connection.query_first(format!("SELECT 1 FROM {target} LIMIT 1")).await.map_err(failed)?;
    if filled.is_some() {
        return Err(SeedError::NotEmpty { database: settings.database().to_owned(), table: name.clone() });
    }
    if plan.rows > 0 {
        connection
            .set_infile_handler(async move { Ok(futures_util::stream::iter(chunks.into_iter().map(Ok)).boxed()) });
        let columns: Vec<String> = plan.columns.iter().map(|column| quoted(Engine::Mysql, column)).collect();
        let statement =
            format!("LOAD DATA LOCAL INFILE 'seed' INTO TABLE {target} CHARACTER SET utf8mb4 ({})", columns.join(", "));
        connection.query_drop(statement).await.map_err(failed)?;
        // LOAD DATA bends what does not fit and only warns: here that is an error.
        if connection.get_warnings() > 0 {
            let warnings: Vec<(String, u32, String)> =
                connection.query("SHOW WARNINGS LIMIT 3").await.map_err(failed)?;
            let shown: Vec<String> = warnings.into_iter().map(|(_, _, text)| text).collect();
            return Err(SeedError::Specs { cause: format!("{}.{name}: {}", settings.database(), shown.join("; ")) });
        }
    }
    let entry = format!(
        "INSERT INTO {INTERNAL_DATABASE}.seed_ledger (database_name, table_name, parameters, row_count) VALUES (?, ?, ?, ?)"
    );
    let values = (settings.database_name(), name, written(parameters), plan.rows as i64);
    connection.exec_drop(entry, values).await.map_err(failed)?;
    (report.rows, report.loaded) = (report.rows + plan.rows as u64, report.loaded + 1);
    show(SeedProgress::Table { database: settings.database(), table: name, rows: plan.rows as u64 });
    Ok(())
}
