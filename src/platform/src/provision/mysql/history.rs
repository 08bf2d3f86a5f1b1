//! What was migrated, statement by statement, in `genims_internal.schema_history`.
//!
//! MySQL commits with every definition, so a migration cannot be one transaction. Each statement is therefore recorded as
//! done before the next begins; rows that a statement writes commit together with its record. What a killed run executed
//! and did not record is recognised by the next: exactly that one statement may answer that its work is already done.

use super::create_database;
use super::statements::Migration;
use crate::errors::PlatformError;
use genims_databases::errors::mysql_code;
use genims_databases::mysql::INTERNAL_DATABASE;
use genims_databases::{MysqlConnection, MysqlSettings};
use mysql_async::Error;
use mysql_async::prelude::Queryable;
use std::collections::BTreeMap;

/// `failed`: the server refused the statement after the `done`th, so whatever stands in its way was not made by it.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS genims_internal.schema_history (
    database_name VARCHAR(64) NOT NULL,
    version INT UNSIGNED NOT NULL,
    name VARCHAR(255) NOT NULL,
    done INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'statements',
    checksum CHAR(64) NOT NULL COMMENT 'SHA-256 of the statements that are done',
    failed BOOLEAN NOT NULL DEFAULT FALSE,
    begun_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    finished_at DATETIME(6) NULL,
    PRIMARY KEY (database_name, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// How far the routes into this server's databases have come in the log of events.
const POSITIONS: &str = "CREATE TABLE IF NOT EXISTS genims_internal.route_positions (
    spool_id CHAR(36) NOT NULL,
    sink VARCHAR(64) NOT NULL,
    next_offset BIGINT UNSIGNED NOT NULL,
    history TEXT NULL,
    updated_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (spool_id, sink)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// Events that this server's databases refused for good, each by its sink.
const REFUSED: &str = "CREATE TABLE IF NOT EXISTS genims_internal.refused_events (
    sink VARCHAR(64) NOT NULL DEFAULT '',
    log_id CHAR(36) NOT NULL,
    log_offset BIGINT UNSIGNED NOT NULL,
    route VARCHAR(64) NOT NULL,
    event LONGTEXT NOT NULL,
    code VARCHAR(10) NULL,
    detail TEXT NOT NULL,
    refused_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (sink, log_id, log_offset, route)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// An earlier build did not say whose they are; those that it set aside are nobody's, with an empty name.
const REFUSED_WITHOUT_SINK: &str = "SELECT COUNT(*) FROM information_schema.tables AS known \
    WHERE known.table_schema = 'genims_internal' AND known.table_name = 'refused_events' AND NOT EXISTS \
        (SELECT 1 FROM information_schema.columns AS its WHERE its.table_schema = known.table_schema \
            AND its.table_name = known.table_name AND its.column_name = 'sink')";
const REFUSED_BY_SINK: &str = "ALTER TABLE genims_internal.refused_events \
    ADD COLUMN sink VARCHAR(64) NOT NULL DEFAULT '' FIRST, DROP PRIMARY KEY, \
    ADD PRIMARY KEY (sink, log_id, log_offset, route)";

/// What this server's databases lack of the log of events.
const GAPS: &str = "CREATE TABLE IF NOT EXISTS genims_internal.route_gaps (
    log_id CHAR(36) NOT NULL,
    sink VARCHAR(64) NOT NULL,
    from_offset BIGINT UNSIGNED NOT NULL,
    to_offset BIGINT UNSIGNED NOT NULL,
    events_id CHAR(36) NOT NULL,
    received_from_us BIGINT NULL,
    received_to_us BIGINT NOT NULL,
    routed_id CHAR(36) NULL,
    routed_offset BIGINT UNSIGNED NULL,
    followed_id CHAR(36) NULL,
    followed_offset BIGINT UNSIGNED NULL,
    noticed_us BIGINT NOT NULL,
    closed_us BIGINT NULL,
    made BIGINT NULL,
    PRIMARY KEY (sink, log_id, from_offset, to_offset)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// What they were told lately. What one database of the server does there locks nothing of another.
const FACTS: &str = "CREATE TABLE IF NOT EXISTS genims_internal.routed_facts (
    log_id CHAR(36) NOT NULL,
    sink VARCHAR(64) NOT NULL,
    first_offset BIGINT UNSIGNED NOT NULL,
    next_offset BIGINT UNSIGNED NOT NULL,
    received_us BIGINT NOT NULL,
    is_anew BOOLEAN NOT NULL,
    facts LONGBLOB NOT NULL,
    PRIMARY KEY (sink, log_id, first_offset),
    KEY routed_facts_sink_received_us (sink, received_us)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// What servers say of work that is already done. There already: databases, tables and views, columns, indexes, primary keys,
/// routines, triggers, partitions, foreign keys, checks.
const THERE_ALREADY: [u16; 10] = [1007, 1050, 1060, 1061, 1068, 1304, 1359, 1517, 1826, 3822];
/// Gone already: databases, tables, columns and indexes, routines, triggers, partitions (also the last but one), views.
const GONE_ALREADY: [u16; 8] = [1008, 1051, 1091, 1305, 1360, 1507, 1508, 4092];
/// What RENAME and CHANGE say when the old name is gone: columns, tables, indexes.
const RENAMED_ALREADY: [u16; 3] = [1054, 1146, 1176];

#[derive(Debug)]
struct Row {
    done: usize,
    checksum: String,
    failed: bool,
    finished: bool,
}

/// The rows of one database, found to agree with its files.
#[derive(Debug)]
pub(super) struct History {
    rows: BTreeMap<u32, Row>,
}

pub(super) async fn create(connection: &mut MysqlConnection) -> Result<(), Error> {
    if !super::exists(connection, INTERNAL_DATABASE).await? {
        create_database(connection, INTERNAL_DATABASE).await?;
    }
    for table in [TABLE, POSITIONS, REFUSED, GAPS, FACTS] {
        connection.query_drop(table).await?;
    }
    if connection.query_first::<i64, _>(REFUSED_WITHOUT_SINK).await? == Some(1) {
        match connection.query_drop(REFUSED_BY_SINK).await {
            // Another database of this server, which is provisioned at the same time, was first.
            Err(error) if mysql_code(&error) == Some(1060) => {}
            done => done?,
        }
    }
    Ok(())
}

impl History {
    /// Empty when nothing was ever migrated on this server.
    pub(super) async fn load(
        connection: &mut MysqlConnection,
        settings: &MysqlSettings,
        migrations: &[Migration],
    ) -> Result<Self, PlatformError> {
        let query = "SELECT version, done, checksum, failed, finished_at IS NOT NULL \
                     FROM genims_internal.schema_history WHERE database_name = ?";
        let name = settings.database_name();
        let rows: Vec<(u32, usize, String, bool, bool)> = match connection.exec(query, (name,)).await {
            Ok(rows) => rows,
            // No such database, no such table.
            Err(error) if matches!(mysql_code(&error), Some(1049 | 1146)) => Vec::new(),
            Err(error) => return Err(settings.error(error).into()),
        };
        let rows = rows
            .into_iter()
            .map(|(version, done, checksum, failed, finished)| (version, Row { done, checksum, failed, finished }));
        let history = Self { rows: rows.collect() };
        match history.disagreement(migrations) {
            None => Ok(history),
            Some((cause, remedy)) => {
                Err(PlatformError::History { database: settings.database().to_owned(), cause, remedy })
            }
        }
    }

    fn disagreement(&self, migrations: &[Migration]) -> Option<(String, &'static str)> {
        let unknown = |version: &&u32| !migrations.iter().any(|migration| migration.version == **version);
        if let Some(version) = self.rows.keys().find(unknown) {
            return Some((format!("migration {version} was applied and has no file here"), "use the matching release"));
        }
        let newest = self.rows.keys().next_back().copied().unwrap_or(0);
        for migration in migrations {
            let Some(row) = self.rows.get(&migration.version) else {
                if migration.version < newest {
                    let cause = format!("migration {migration} is older than {newest}, which was applied without it");
                    return Some((cause, "give it the next free number"));
                }
                continue;
            };
            let shortened = row.done > migration.statements.len();
            let lengthened = row.finished && row.done < migration.statements.len();
            if shortened || lengthened || migration.checksum(row.done) != row.checksum {
                let cause = format!("the file of migration {migration} is not what was applied");
                let remedy =
                    "an applied migration must never change: restore its file and put the change into a new one";
                return Some((cause, remedy));
            }
        }
        None
    }

    pub(super) fn is_finished(&self, migration: &Migration) -> bool {
        self.rows.get(&migration.version).is_some_and(|row| row.finished)
    }

    /// Runs what is not done of a migration, in the database that the connection is in.
    pub(super) async fn run(
        &self,
        connection: &mut MysqlConnection,
        settings: &MysqlSettings,
        migration: &Migration,
    ) -> Result<(), PlatformError> {
        let name = settings.database_name();
        let row = self.rows.get(&migration.version);
        let done = row.map_or(0, |row| row.done);
        let begin = "INSERT INTO genims_internal.schema_history (database_name, version, name, checksum) \
                     VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE failed = FALSE";
        let values = (name, migration.version, migration.to_string(), migration.checksum(0));
        connection.exec_drop(begin, values).await.map_err(|source| settings.error(source))?;
        for (index, statement) in migration.statements.iter().enumerate().skip(done) {
            let perhaps_done = index == done && row.is_some_and(|row| !row.failed);
            if let Err(error) = step(connection, name, migration, index, statement, perhaps_done).await {
                let source = settings.error(error);
                return Err(PlatformError::Statement {
                    migration: migration.to_string(),
                    statement: index + 1,
                    source,
                });
            }
        }
        // A file that lost its last, not yet executed statements.
        let finish = "UPDATE genims_internal.schema_history SET finished_at = CURRENT_TIMESTAMP(6) \
                      WHERE database_name = ? AND version = ? AND finished_at IS NULL";
        let finished = connection.exec_drop(finish, (name, migration.version)).await;
        Ok(finished.map_err(|source| settings.error(source))?)
    }
}

/// One statement and its record. The server ends the transaction by itself when the statement is a definition.
async fn step(
    connection: &mut MysqlConnection,
    name: &str,
    migration: &Migration,
    index: usize,
    statement: &str,
    perhaps_done: bool,
) -> Result<(), Error> {
    connection.query_drop("START TRANSACTION").await?;
    match connection.query_drop(statement).await {
        Ok(()) => {}
        Err(error) if perhaps_done && is_already_done(&error, statement) => {}
        Err(error) => {
            if mysql_code(&error).is_some() {
                connection.query_drop("ROLLBACK").await?;
                let refused = "UPDATE genims_internal.schema_history SET failed = TRUE \
                               WHERE database_name = ? AND version = ?";
                connection.exec_drop(refused, (name, migration.version)).await?;
            }
            return Err(error);
        }
    }
    let record = "UPDATE genims_internal.schema_history SET done = ?, checksum = ?, failed = FALSE \
                  WHERE database_name = ? AND version = ?";
    let done = index + 1;
    connection.exec_drop(record, (done, migration.checksum(done), name, migration.version)).await?;
    connection.query_drop("COMMIT").await
}

/// Whether a statement that may have been executed answers that it was.
fn is_already_done(error: &Error, statement: &str) -> bool {
    let Error::Server(answer) = error else { return false };
    // MariaDB's answer to a foreign key that is there has the code of every table that cannot be made.
    let foreign_key = answer.code == 1005 && answer.message.contains("errno: 121");
    let statement = statement.to_ascii_uppercase();
    let renames = statement.contains("RENAME") || statement.contains("CHANGE");
    THERE_ALREADY.contains(&answer.code)
        || GONE_ALREADY.contains(&answer.code)
        || foreign_key
        || (renames && RENAMED_ALREADY.contains(&answer.code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_databases::schema::SchemaFile;

    fn migration(name: &'static str, text: &'static str) -> Migration {
        Migration::read(&SchemaFile { name, text }).expect("usable")
    }

    fn history(rows: impl IntoIterator<Item = (u32, usize, String, bool)>) -> History {
        let rows = rows
            .into_iter()
            .map(|(version, done, checksum, finished)| (version, Row { done, checksum, failed: false, finished }));
        History { rows: rows.collect() }
    }

    #[test]
    fn what_was_applied_may_not_change_and_what_was_not_may() {
        let was = migration("V001__a.sql", "SELECT 1; SELECT 2; SELECT 3");
        let tail_changed = migration("V001__a.sql", "SELECT 1; SELECT 2; SELECT 4; SELECT 5");
        let head_changed = migration("V001__a.sql", "SELECT 0; SELECT 2; SELECT 3");
        let (unfinished, finished) =
            (history([(1, 2, was.checksum(2), false)]), history([(1, 3, was.checksum(3), true)]));
        for migration in [was, tail_changed] {
            assert_eq!(unfinished.disagreement(&[migration]), None);
        }
        assert!(unfinished.disagreement(&[head_changed]).is_some());
        let longer = migration("V001__a.sql", "SELECT 1; SELECT 2; SELECT 3; SELECT 4");
        assert!(finished.disagreement(&[longer]).is_some());
        let shorter = migration("V001__a.sql", "SELECT 1; SELECT 2");
        assert!(finished.disagreement(&[shorter]).is_some());
    }

    #[test]
    fn only_what_a_repetition_would_say_counts_as_done() {
        let done = |code, message: &str, statement| {
            let (message, state) = (message.to_owned(), "HY000".to_owned());
            is_already_done(&Error::Server(mysql_async::ServerError { code, message, state }), statement)
        };
        assert!(done(1050, "Table 'a' already exists", "CREATE TABLE a (x int)"));
        assert!(done(1005, "Can't create table (errno: 121 \"Duplicate key\")", "ALTER TABLE a ADD CONSTRAINT f ..."));
        assert!(!done(1005, "Can't create table (errno: 150)", "ALTER TABLE a ADD CONSTRAINT f ..."));
        assert!(done(1054, "Unknown column 'x'", "ALTER TABLE a RENAME COLUMN x TO y"));
        assert!(!done(1054, "Unknown column 'x'", "CREATE INDEX i ON a (x)"));
        assert!(!done(1062, "Duplicate entry", "INSERT INTO a VALUES (1)"));
    }

    #[test]
    fn a_migration_without_a_file_or_slipped_in_is_refused() {
        let (one, two) = (migration("V001__a.sql", "SELECT 1"), migration("V002__b.sql", "SELECT 2"));
        let history = history([(2, 1, two.checksum(1), true)]);
        assert!(history.disagreement(&[]).is_some_and(|(cause, _)| cause.contains("no file")));
        assert!(history.disagreement(&[one, two]).is_some_and(|(cause, _)| cause.contains("V001__a is older")));
    }
}
