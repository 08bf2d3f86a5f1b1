//! What one MySQL or MariaDB database knows of its size and growth.

use super::disk;
use super::growth::{Counted, DAYS, Growth, Inflow, LeftOut};
use super::known::{Known, Numbering, server};
use super::limits::{self, LOCK_WAIT, Limits};
use crate::errors::PlatformError;
use genims_databases::errors::mysql_code;
use genims_databases::mysql::disconnect;
use genims_databases::{Database, DatabaseError, Engine, Environment, MysqlConnection, MysqlSettings, literal, quoted};
use mysql_async::prelude::{FromRow, Queryable};
use std::collections::{BTreeMap, BTreeSet};

/// Views among them. For names alone no table is opened, so that none is waited for.
const NAMES: &str = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()";

/// Views take nothing, and are left out.
const TABLES: &str = "SELECT t.table_name, CAST(coalesce(t.data_length + t.index_length, 0) AS UNSIGNED) \
    FROM information_schema.tables t WHERE t.table_schema = DATABASE() AND t.table_type = 'BASE TABLE'";

const NUMBERINGS: &str = "SELECT t.table_name, c.column_name, CAST(t.auto_increment AS UNSIGNED), \
    CAST(c.column_type AS CHAR) FROM information_schema.tables t JOIN information_schema.columns c \
    ON c.table_schema = t.table_schema AND c.table_name = t.table_name \
    WHERE t.table_schema = DATABASE() AND t.auto_increment IS NOT NULL AND c.extra LIKE '%auto_increment%'";

/// `columns`: by which the rows of each table came.
pub(super) async fn ask(
    database: &Database,
    environment: &Environment,
    columns: &BTreeMap<String, String>,
    limits: Limits,
) -> Result<Known, PlatformError> {
    let settings = MysqlSettings::from_environment(database, environment)?;
    let place = settings.place();
    let connection = limits::answer(&place, limits.answer, settings.connect()).await??;
    let mut session = Session { connection, settings, place, limits };
    let asked = session.ask(database, columns).await;
    disconnect(session.connection).await;
    asked
}

struct Session {
    connection: MysqlConnection,
    settings: MysqlSettings,
    place: String,
    limits: Limits,
}

impl Session {
    async fn ask(&mut self, database: &Database, columns: &BTreeMap<String, String>) -> Result<Known, PlatformError> {
        self.bound().await?;
        let mut silent: BTreeSet<String> = BTreeSet::new();
        let tables: Vec<(String, u64)> = self.of_tables(TABLES, &mut silent).await?;
        let bytes = tables.iter().map(|(_, bytes)| bytes).sum();
        let mut inflows = Vec::new();
        for (table, bytes) in &tables {
            let Some(column) = columns.get(table) else { continue };
            match self.measured::<Counts>(count(table, column)).await? {
                Some(rows) => inflows.extend(rows.first().map(|row| Inflow::of_rows(table, *bytes, &counted(*row)))),
                None => {
                    silent.insert(table.clone());
                }
            }
        }
        let numberings: Vec<(String, String, u64, String)> = self.of_tables(NUMBERINGS, &mut silent).await?;
        let directory: Vec<Option<String>> = self.rows("SELECT @@datadir".to_owned()).await?;
        let directory = directory.into_iter().next().flatten();
        Ok(Known {
            database: database.name.clone(),
            engine: Engine::Mysql,
            server: server(&self.place).to_owned(),
            bytes,
            growth: Growth::of(&inflows, bytes, LeftOut { silent: silent.len(), undated: 0 }),
            partitioned: Vec::new(),
            numberings: numberings.into_iter().filter_map(numbering).collect(),
            transaction_age: None,
            disk: disk::of_server(&self.place, directory.as_deref()),
        })
    }

    /// Each server reads its own bounds and takes the other's for a comment. What MySQL 8 says of sizes may be a day old otherwise.
    async fn bound(&mut self) -> Result<(), PlatformError> {
        let (ms, lock_wait) = (limits::milliseconds(self.limits.answer), LOCK_WAIT.as_secs());
        let bounds = format!(
            "SET SESSION lock_wait_timeout = {lock_wait} \
             /*!80000 , SESSION information_schema_stats_expiry = 0, SESSION max_execution_time = {ms} */ \
             /*M! , SESSION max_statement_time = {ms} / 1000 */"
        );
        for statement in [bounds.as_str(), "SET SESSION TRANSACTION READ ONLY"] {
            let set = limits::answer(&self.place, self.limits.answer, self.connection.query_drop(statement)).await?;
            set.map_err(|source| self.settings.error(source))?;
        }
        Ok(())
    }

    async fn rows<T: FromRow + Send + 'static>(&mut self, sql: String) -> Result<Vec<T>, PlatformError> {
        let rows = limits::answer(&self.place, self.limits.answer, self.connection.query(sql)).await?;
        Ok(rows.map_err(|source| self.settings.error(source))?)
    }

    /// None where the server says no, or where enough was asked already.
    async fn measured<T: FromRow + Send + 'static>(&mut self, sql: String) -> Result<Option<Vec<T>>, PlatformError> {
        if self.limits.are_reached() {
            return Ok(None);
        }
        match self.rows(sql).await {
            Ok(rows) => Ok(Some(rows)),
            Err(error) if is_refused(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the catalogue says of all tables: a locked one refuses that to all, and is left out then. `query` ends with a condition.
    async fn of_tables<T: FromRow + Send + 'static>(
        &mut self,
        query: &str,
        silent: &mut BTreeSet<String>,
    ) -> Result<Vec<T>, PlatformError> {
        match self.rows(query.to_owned()).await {
            Err(error) if is_refused(&error) => {}
            answer => return answer,
        }
        let (names, mut found): (Vec<String>, Vec<T>) = (self.rows(NAMES.to_owned()).await?, Vec::new());
        for name in names {
            let one = format!("{query} AND t.table_name = {}", literal(Engine::Mysql, &name));
            match self.measured(one).await? {
                Some(rows) => found.extend(rows),
                None => {
                    silent.insert(name);
                }
            }
        }
        Ok(found)
    }
}

/// All rows, those of the last complete days, and the age of the oldest in days.
type Counts = (u64, u64, Option<i64>);

fn count(table: &str, column: &str) -> String {
    let [table, column] = [table, column].map(|name| quoted(Engine::Mysql, name));
    format!(
        "SELECT COUNT(*), CAST(COALESCE(SUM({column} >= CURDATE() - INTERVAL {DAYS} DAY AND {column} < CURDATE()), 0) \
         AS UNSIGNED), DATEDIFF(CURDATE(), MIN({column})) FROM {table}"
    )
}

fn counted((all, recent, age_days): Counts) -> Counted {
    // Rows of days to come only are of no age.
    let age_days = age_days.and_then(|days| u64::try_from(days).ok());
    Counted { all, recent, expiring: 0, age_days }
}

/// `next` is the number that the next row takes.
fn numbering((table, column, next, declared): (String, String, u64, String)) -> Option<Numbering> {
    let name = format!("{table}.{column}");
    Some(Numbering { name, table: Some(table), last: next.saturating_sub(1), limit: largest(&declared)?, step: 1 })
}

/// The largest number of an integer type as a column declares it: `int(10) unsigned`.
fn largest(declared: &str) -> Option<u64> {
    let declared = declared.to_ascii_lowercase();
    let base: String = declared.chars().take_while(char::is_ascii_alphabetic).collect();
    let bits = match base.as_str() {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" | "integer" => 32,
        "bigint" => 64,
        _ => return None,
    };
    let bits = if declared.contains("unsigned") { bits } else { bits - 1 };
    Some(u64::MAX >> (64 - bits))
}

/// What the server itself said no to: a right, a lock, or the time that one statement may take.
fn is_refused(error: &PlatformError) -> bool {
    matches!(error, PlatformError::Database(DatabaseError::Mysql { source, .. }) if mysql_code(source).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_ends_where_it_says() {
        for (declared, expected) in [
            ("tinyint(4)", Some(127)),
            ("TINYINT UNSIGNED", Some(255)),
            ("smallint(6)", Some(32_767)),
            ("mediumint(8) unsigned", Some(16_777_215)),
            ("int(11)", Some(2_147_483_647)),
            ("int unsigned", Some(4_294_967_295)),
            ("bigint(20)", Some(9_223_372_036_854_775_807)),
            ("bigint unsigned", Some(u64::MAX)),
            ("double", None),
        ] {
            assert_eq!(largest(declared), expected, "{declared}");
        }
        let next = |next| numbering(("t".to_owned(), "id".to_owned(), next, "int".to_owned())).map(|found| found.last);
        assert_eq!([next(1), next(8)], [Some(0), Some(7)]);
    }
}
