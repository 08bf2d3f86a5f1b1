//! One MySQL or MariaDB database: tables of which most is free are built anew beside themselves, statistics are taken anew.
//!
//! Invariants: a rebuild lets readers and writers through, or does not take place; a lock is waited for a bounded time, so that nobody
//! stands in line behind us for longer; what is not done in time is ended on the server, too.

use super::report::{Upkeep, UpkeepKind, UpkeepOutcome};
use super::round::{MOSTLY, Round, WORTH_BYTES, megabytes};
use crate::errors::PlatformError;
use genims_databases::errors::mysql_code;
use genims_databases::mysql::disconnect;
use genims_databases::{Database, Engine, Environment, MysqlConnection, MysqlSettings, quoted};
use mysql_async::prelude::Queryable;
use std::time::Duration;
use tokio::time::timeout;

/// Seconds, as the server takes them. What MySQL 8 says of sizes may be a day old otherwise; MariaDB takes that for a comment.
const SESSION: &str = "SET SESSION lock_wait_timeout = 3, SESSION innodb_lock_wait_timeout = 3 \
                       /*!80000 , SESSION information_schema_stats_expiry = 0 */";

const TABLES: &str = "SELECT t.table_name, CAST(coalesce(t.data_length + t.index_length, 0) AS UNSIGNED), \
    CAST(coalesce(t.data_free, 0) AS UNSIGNED) FROM information_schema.tables t \
    WHERE t.table_schema = DATABASE() AND t.table_type = 'BASE TABLE' AND t.engine = 'InnoDB' ORDER BY t.table_name";

/// A lock that was not to be had in time, and a deadlock.
const CONTENDED: [u16; 2] = [1205, 1213];

/// Table, operation, kind of message, message.
type Message = (Option<String>, Option<String>, Option<String>, Option<String>);

pub(super) struct Session {
    connection: MysqlConnection,
    settings: MysqlSettings,
}

impl Session {
    pub(super) async fn connect(database: &Database, environment: &Environment) -> Result<Self, PlatformError> {
        let settings = MysqlSettings::from_environment(database, environment)?;
        let mut connection = settings.connect().await?;
        connection.query_drop(SESSION).await.map_err(|error| settings.error(error))?;
        Ok(Self { connection, settings })
    }

    pub(super) async fn look(&mut self, round: Round) -> Result<Vec<Upkeep>, PlatformError> {
        let tables: Vec<(String, u64, u64)> =
            self.connection.query(TABLES).await.map_err(|error| self.settings.error(error))?;
        Ok(match round {
            Round::First => tables.into_iter().filter_map(optimize).collect(),
            Round::Second => tables.into_iter().map(analyze).collect(),
        })
    }

    pub(super) async fn perform(&mut self, upkeep: &Upkeep, left: Duration) -> Result<UpkeepOutcome, PlatformError> {
        let id = self.connection.id();
        let answer = timeout(left, self.connection.query::<Message, _>(upkeep.statement.as_str())).await;
        match answer {
            Ok(Ok(messages)) => {
                Ok(messages.into_iter().find_map(complaint).map_or(UpkeepOutcome::Done, UpkeepOutcome::Failed))
            }
            Ok(Err(error)) => match mysql_code(&error) {
                Some(code) if CONTENDED.contains(&code) => Ok(UpkeepOutcome::InUse),
                Some(_) => Ok(UpkeepOutcome::Failed(self.settings.error(error).to_string())),
                None => Err(self.settings.error(error).into()),
            },
            Err(_) => {
                // Only SELECT has a bound that both servers know.
                let mut other = self.settings.connect().await?;
                other.query_drop(format!("KILL {id}")).await.map_err(|error| self.settings.error(error))?;
                self.connection = other;
                Ok(UpkeepOutcome::OutOfTime)
            }
        }
    }

    pub(super) async fn close(self) {
        disconnect(self.connection).await;
    }
}

/// Some of what a statement complains about comes as a row.
fn complaint((_, _, kind, text): Message) -> Option<String> {
    kind.filter(|kind| kind.eq_ignore_ascii_case("error")).and(text)
}

/// What `OPTIMIZE TABLE` does with InnoDB, refused by the server where it would lock readers or writers out.
fn optimize((table, bytes, free): (String, u64, u64)) -> Option<Upkeep> {
    if free < WORTH_BYTES || free < (bytes + free) / MOSTLY {
        return None;
    }
    let statement = format!("ALTER TABLE {} FORCE, ALGORITHM=INPLACE, LOCK=NONE", quoted(Engine::Mysql, &table));
    let why = format!("{} of {} are free", megabytes(free), megabytes(bytes + free));
    Some(Upkeep::new(UpkeepKind::Optimize, table, why, statement))
}

fn analyze((table, bytes, _): (String, u64, u64)) -> Upkeep {
    let statement = format!("ANALYZE TABLE {}", quoted(Engine::Mysql, &table));
    Upkeep::new(UpkeepKind::Analyze, table, format!("statistics of {}", megabytes(bytes)), statement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_built_anew_when_most_of_a_large_file_is_free() {
        let of = |bytes, free| optimize(("a`b".to_owned(), bytes, free));
        assert!(of(1 << 30, 500 << 20).is_none(), "less than a half");
        assert!(of(1 << 20, 7 << 20).is_none(), "what a growing file holds ready");
        let upkeep = of(8 << 20, 8 << 20).expect("worth it");
        assert_eq!(upkeep.statement, "ALTER TABLE `a``b` FORCE, ALGORITHM=INPLACE, LOCK=NONE");
        assert_eq!(upkeep.why, "8.4 MB of 16.8 MB are free");
    }

    #[test]
    fn a_complaint_that_comes_as_a_row_is_one() {
        let message = |kind: &str| complaint((None, None, Some(kind.to_owned()), Some("no such table".to_owned())));
        assert_eq!(message("Error").as_deref(), Some("no such table"));
        assert_eq!([message("status"), message("note")], [None, None]);
    }
}
