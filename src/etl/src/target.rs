//! The database that a job fills: staging tables in `genims_staging`, and the transaction that moves a group of days.
//!
//! Enters: rows of the sources, the SQL of the job's tables. Leaves: the tables of the target, changed by whole groups. Invariants: what
//! is computed is computed in staging tables of the very form of their targets, so what a target would refuse is refused there; a
//! transaction moves rows, compares, and commits or leaves no trace; staging tables carry the number of their run, so that what a
//! killed run left is told from what is in use.

use crate::error::EtlError;
use crate::job::{Table, WriteMode};
use crate::source::{Column, Rows};
use genims_databases::mysql::STAGING_DATABASE;
use genims_databases::{Engine, MysqlConnection, MysqlSettings, quoted};
use mysql_async::prelude::Queryable;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;

/// A move waits for readers and writers of its rows this long, then fails and is tried by the next run.
const SESSION: &str =
    "SET SESSION innodb_lock_wait_timeout = 60, SESSION net_write_timeout = 600, SESSION net_read_timeout = 600";
const PREFIX: &str = "etl_";
const ANSWERS_MAX: usize = 1_000_000;
/// One statement, whatever hangs.
const PATIENCE: Duration = Duration::from_secs(1_800);

pub struct TargetDatabase {
    settings: MysqlSettings,
    connection: MysqlConnection,
    run_id: i64,
    /// By name: staging tables that exist.
    staged: Vec<String>,
}

impl TargetDatabase {
    pub async fn open(settings: MysqlSettings, run_id: i64) -> Result<Self, EtlError> {
        let mut connection = settings.connect().await?;
        let staging = format!(
            "CREATE DATABASE IF NOT EXISTS {STAGING_DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
        );
        for statement in [SESSION, staging.as_str()] {
            connection.query_drop(statement).await.map_err(|error| settings.error(error))?;
        }
        Ok(Self { settings, connection, run_id, staged: Vec::new() })
    }

    fn failed(&self, what: &str, error: mysql_async::Error) -> EtlError {
        EtlError::Statement { what: what.to_owned(), source: self.settings.error(error) }
    }

    async fn run(&mut self, what: &str, sql: &str) -> Result<u64, EtlError> {
        let result = tokio::time::timeout(PATIENCE, self.connection.query_drop(sql)).await;
        let hung = || {
            let cause = "the statement took longer than 30 min";
            mysql_async::Error::from(std::io::Error::new(std::io::ErrorKind::TimedOut, cause))
        };
        result.unwrap_or_else(|_| Err(hung())).map_err(|error| self.failed(what, error))?;
        Ok(self.connection.affected_rows())
    }

    /// The runs whose staging tables are still there.
    pub async fn leftovers(&mut self) -> Result<BTreeMap<i64, Vec<String>>, EtlError> {
        let select = format!(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = '{STAGING_DATABASE}' AND table_name LIKE 'etl\\_%'"
        );
        let names: Result<Vec<String>, _> = self.connection.query(select).await;
        let names = names.map_err(|error| self.failed("looking for staging tables", error))?;
        Ok(by_run(names))
    }

    pub async fn drop_staging(&mut self, tables: &[String]) -> Result<(), EtlError> {
        for table in tables {
            let name = quoted(Engine::Mysql, table);
            self.run("dropping a staging table", &format!("DROP TABLE IF EXISTS {STAGING_DATABASE}.{name}")).await?;
        }
        Ok(())
    }

    fn staging(&self, name: &str) -> String {
        staging_name(self.run_id, name)
    }

    /// A staging table, as SQL names it.
    fn staged_as(&self, name: &str) -> String {
        format!("{STAGING_DATABASE}.{}", quoted(Engine::Mysql, &self.staging(name)))
    }

    /// SQL in which the staging tables stand for the names in braces.
    fn placed(&self, sql: &str) -> String {
        let place = |sql: String, name: &String| sql.replace(&format!("{{{name}}}"), &self.staged_as(name));
        self.staged.iter().fold(sql.to_owned(), place)
    }

    /// Loads rows of a source into a staging table; how many there were.
    pub async fn stage(&mut self, name: &str, index: &[String], rows: Rows) -> Result<u64, EtlError> {
        let what = format!("staging {name}");
        let table = self.staged_as(name);
        self.run(&what, &create_sql(&table, &rows.columns, index)).await?;
        self.staged.push(name.to_owned());
        let (lines, failure) = (Mutex::new(rows.lines), rows.failure);
        // The driver wants a handler that threads could share, which the stream inside a lock is.
        self.connection.set_infile_handler(async move { Ok(lines.into_inner()) });
        let columns: Vec<String> = rows.columns.iter().map(|column| quoted(Engine::Mysql, &column.name)).collect();
        let load =
            format!("LOAD DATA LOCAL INFILE 'etl' INTO TABLE {table} CHARACTER SET utf8mb4 ({})", columns.join(", "));
        let loaded = self.run(&what, &load).await;
        if let Some(error) = failure.lock().take() {
            let cause = genims_databases::errors::postgres_cause(&error);
            return Err(EtlError::Loading { what, cause: format!("the source stopped: {cause}") });
        }
        let loaded = loaded?;
        // LOAD DATA bends what does not fit and only warns: here that is an error.
        if self.connection.get_warnings() > 0 {
            let warnings: Result<Vec<(String, u32, String)>, _> = self.connection.query("SHOW WARNINGS LIMIT 3").await;
            let warnings = warnings.map_err(|error| self.failed(&what, error))?;
            let shown: Vec<String> = warnings.into_iter().map(|(_, _, text)| text).collect();
            return Err(EtlError::Loading { what, cause: shown.join("; ") });
        }
        Ok(loaded)
    }

    /// Makes a staging table of the form of its target; the columns that the table's SQL names.
    pub async fn form(&mut self, table: &Table, sql: &str) -> Result<Vec<String>, EtlError> {
        let what = format!("computing {}", table.name);
        let staging = self.staged_as(&table.name);
        let [database, target] = [self.settings.database_name(), &table.name].map(|name| quoted(Engine::Mysql, name));
        self.run(&what, &format!("CREATE TABLE {staging} LIKE {database}.{target}")).await?;
        let sql = self.placed(sql);
        self.staged.push(table.name.clone());
        let statement = self.connection.prep(&sql).await.map_err(|error| self.failed(&what, error))?;
        let columns = statement.columns().iter().map(|column| column.name_str().into_owned()).collect();
        self.connection.close(statement).await.map_err(|error| self.failed(&what, error))?;
        Ok(columns)
    }

    /// Computes a table, inside the transaction: it sees the tables above it as they will be. How many rows came out.
    pub async fn compute(&mut self, table: &Table, columns: &[String], sql: &str) -> Result<u64, EtlError> {
        let staging = self.staged_as(&table.name);
        let names: Vec<String> = columns.iter().map(|column| quoted(Engine::Mysql, column)).collect();
        let sql = format!("INSERT INTO {staging} ({}) {}", names.join(", "), self.placed(sql));
        self.run(&format!("computing {}", table.name), &sql).await
    }

    pub async fn begin(&mut self) -> Result<(), EtlError> {
        self.run("beginning", "START TRANSACTION").await.map(|_| ())
    }

    /// Renews what was computed, and lets go what is no longer computed; visible at the commit.
    pub async fn shift(&mut self, table: &Table, columns: &[String], window: Option<&str>) -> Result<(), EtlError> {
        let what = format!("storing {}", table.name);
        let staging = self.staged_as(&table.name);
        if let Some(window) = window.filter(|_| table.write == WriteMode::ReplaceWindow) {
            self.run(&what, &delete_sql(table, &staging, window)).await?;
        }
        self.run(&what, &upsert_sql(table, &staging, columns)).await.map(|_| ())
    }

    /// Keys and values, as text, inside the transaction.
    pub async fn answers(&mut self, what: &str, sql: &str) -> Result<BTreeMap<String, String>, EtlError> {
        let sql = self.placed(sql);
        let sql = format!("SELECT CAST(k AS CHAR), CAST(v AS CHAR) FROM ({sql}) AS asked LIMIT {ANSWERS_MAX}");
        let rows: Result<Vec<(Option<String>, Option<String>)>, _> = self.connection.query(sql).await;
        let rows = rows.map_err(|error| self.failed(what, error))?;
        Ok(rows.into_iter().map(|(k, v)| (k.unwrap_or_default(), v.unwrap_or_default())).collect())
    }

    pub async fn commit(&mut self) -> Result<(), EtlError> {
        self.run("storing", "COMMIT").await.map(|_| ())
    }

    /// Ends a group: what is not committed is undone, staging tables go.
    pub async fn clear(&mut self) -> Result<(), EtlError> {
        self.run("undoing", "ROLLBACK").await?;
        let tables: Vec<String> = self.staged.iter().map(|name| self.staging(name)).collect();
        self.staged.clear();
        self.drop_staging(&tables).await
    }
}

/// What the staging table of a run is called.
pub fn staging_name(run_id: i64, name: &str) -> String {
    format!("{PREFIX}{run_id}_{name}")
}

/// Those of these names that are staging tables, by the number of their run.
pub fn by_run(names: Vec<String>) -> BTreeMap<i64, Vec<String>> {
    let mut found: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for name in names {
        let number = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next()).and_then(|n| n.parse().ok());
        if let Some(run) = number {
            found.entry(run).or_default().push(name);
        }
    }
    found
}

/// A primary key of its own, because hosts demand one.
fn create_sql(table: &str, columns: &[Column], index: &[String]) -> String {
    let mut parts = vec!["etl_row BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY".to_owned()];
    parts.extend(columns.iter().map(|column| format!("{} {} NULL", quoted(Engine::Mysql, &column.name), column.kind)));
    if !index.is_empty() {
        let names: Vec<String> = index.iter().map(|column| indexed(columns, column)).collect();
        parts.push(format!("KEY etl_lookup ({})", names.join(", ")));
    }
    format!(
        "CREATE TABLE {table} ({}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci",
        parts.join(", ")
    )
}

/// A key has 3,072 bytes, a text up to 2,000: its beginning tells it from others.
fn indexed(columns: &[Column], name: &str) -> String {
    let is_text = columns.iter().any(|column| column.name == name && column.kind.starts_with("VARCHAR"));
    format!("{}{}", quoted(Engine::Mysql, name), if is_text { "(60)" } else { "" })
}

fn delete_sql(table: &Table, staging: &str, window: &str) -> String {
    let name = quoted(Engine::Mysql, &table.name);
    let same: Vec<String> = table
        .key
        .iter()
        .map(|column| quoted(Engine::Mysql, column))
        .map(|column| format!("computed.{column} = {name}.{column}"))
        .collect();
    format!(
        "DELETE FROM {name} WHERE ({window}) AND NOT EXISTS (SELECT 1 FROM {staging} AS computed WHERE {})",
        same.join(" AND ")
    )
}

/// Keys of rows stay as they are; `VALUES()` is what both engines know.
fn upsert_sql(table: &Table, staging: &str, columns: &[String]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(Engine::Mysql, column)).collect();
    let renewed: Vec<String> = names.iter().map(|name| format!("{name} = VALUES({name})")).collect();
    let names = names.join(", ");
    format!(
        "INSERT INTO {} ({names}) SELECT {names} FROM {staging} ON DUPLICATE KEY UPDATE {}",
        quoted(Engine::Mysql, &table.name),
        renewed.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_loses_only_what_is_no_longer_computed() {
        let table = Table {
            name: "t".to_owned(),
            database: None,
            key: vec!["day".to_owned(), "id".to_owned()],
            write: WriteMode::ReplaceWindow,
            window: None,
            sql: String::new(),
        };
        assert_eq!(
            delete_sql(&table, "s", "day = 1"),
            "DELETE FROM `t` WHERE (day = 1) AND NOT EXISTS (SELECT 1 FROM s AS computed WHERE computed.`day` = `t`.`day` AND computed.`id` = `t`.`id`)"
        );
        let columns = ["day".to_owned(), "x".to_owned()];
        assert_eq!(
            upsert_sql(&table, "s", &columns),
            "INSERT INTO `t` (`day`, `x`) SELECT `day`, `x` FROM s ON DUPLICATE KEY UPDATE `day` = VALUES(`day`), `x` = VALUES(`x`)"
        );
    }

    #[test]
    fn what_a_run_left_is_known_by_its_number() {
        let names = [staging_name(7, "t_x"), staging_name(7, "y"), staging_name(12, "t"), "etl_swaps".to_owned()];
        let found = by_run(names.to_vec());
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [7, 12]);
        assert_eq!(found[&7], ["etl_7_t_x", "etl_7_y"]);
    }

    #[test]
    fn staging_tables_have_a_key_and_bounded_indexes() {
        let columns =
            [Column { name: "id".to_owned(), kind: "VARCHAR(500)" }, Column { name: "day".to_owned(), kind: "DATE" }];
        let sql = create_sql("s", &columns, &["id".to_owned(), "day".to_owned()]);
        assert!(sql.contains("PRIMARY KEY") && sql.contains("KEY etl_lookup (`id`(60), `day`)"), "{sql}");
    }
}
