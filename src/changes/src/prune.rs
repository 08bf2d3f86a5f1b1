//! `genims audit prune`: the oldest entries of the trail go when their retention is over.
//!
//! In: a moment. Out: chains that begin behind a checkpoint: the position and hash of the last entry that was deleted, kept in MySQL, in
//! the data folder and in MongoDB. Invariants: what is kept outside comes first, so a killed run leaves nothing that cannot be
//! verified; the newest entry of a chain stays; nothing goes that a legal hold may cover, or before its time.

use crate::entry::{End, Ends};
use crate::error::ChangesError;
use crate::heads::keep_checkpoint;
use chrono::{Days, NaiveDateTime, Utc};
use genims_databases::{Database, MongoSettings, MysqlConnection, MysqlSettings};
use mysql_async::TxOpts;
use mysql_async::prelude::Queryable;
use serde::Serialize;
use std::path::Path;

/// Entries deleted in one transaction.
const AT_ONCE: i64 = 5_000;

/// What goes, or went, of one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pruned {
    pub database: String,
    /// The chains begin behind these.
    pub checkpoint: Ends,
    pub writes: i64,
    pub changes: i64,
}

/// Where and what.
pub struct Prune<'a> {
    pub settings: &'a MysqlSettings,
    /// The audit database's entry of the registry.
    pub audit: &'a Database,
    pub data_dir: &'a Path,
    pub mongo: Option<&'a MongoSettings>,
    /// Entries that occurred before.
    pub before: NaiveDateTime,
    /// Delete; else only say what would be.
    pub delete: bool,
}

impl Prune<'_> {
    /// Of all databases that have something so old.
    pub async fn run(&self) -> Result<Vec<Pruned>, ChangesError> {
        if let Some(kept) = self.audit.retention {
            let days = Days::new(kept.as_secs() / 86_400);
            let allowed = Utc::now().naive_utc().checked_sub_days(days).unwrap_or(NaiveDateTime::MIN);
            if self.before > allowed {
                let allowed = allowed.format("%Y-%m-%d").to_string();
                return Err(ChangesError::TooYoung { database: self.audit.name.clone(), allowed });
            }
        }
        let mut connection = self.settings.connect().await?;
        let names = "SELECT DISTINCT database_name FROM system_audit_log ORDER BY 1";
        let names: Vec<String> = connection.query(names).await.map_err(|error| self.failed(error))?;
        let mut pruned = Vec::new();
        for name in names {
            let Some(one) = self.old(&mut connection, &name).await.map_err(|error| self.failed(error))? else {
                continue;
            };
            if self.delete {
                self.refuse_held(&mut connection, &name).await?;
                keep_checkpoint(self.data_dir, self.mongo, &name, &one.checkpoint).await?;
                self.delete(&mut connection, &one).await.map_err(|error| self.failed(error))?;
            }
            pruned.push(one);
        }
        genims_databases::mysql::disconnect(connection).await;
        Ok(pruned)
    }

    fn failed(&self, error: mysql_async::Error) -> ChangesError {
        self.settings.error(error).into()
    }

    async fn refuse_held(&self, connection: &mut MysqlConnection, name: &str) -> Result<(), ChangesError> {
        let held = "SELECT DISTINCT hold_number FROM legal_holds h WHERE database_name IN (?, '*', ?) AND NOT EXISTS \
                    (SELECT 1 FROM legal_holds r WHERE r.hold_number = h.hold_number AND r.hold_event = 'released')";
        let held: Vec<String> =
            connection.exec(held, (name, &self.audit.name)).await.map_err(|error| self.failed(error))?;
        if held.is_empty() {
            return Ok(());
        }
        Err(ChangesError::Held { database: name.to_owned(), holds: held.join(", ") })
    }

    /// The longest beginning of the chains of which everything is old enough; never all of it.
    async fn old(&self, connection: &mut MysqlConnection, name: &str) -> Result<Option<Pruned>, mysql_async::Error> {
        let last = "SELECT LEAST(MAX(chain_position) - 1, COALESCE(MIN(CASE WHEN occurred_at >= ? THEN chain_position END) - 1, \
                    MAX(chain_position))), MIN(chain_position) FROM system_audit_log WHERE database_name = ?";
        let span: Option<(Option<i64>, Option<i64>)> = connection.exec_first(last, (self.before, name)).await?;
        let Some((Some(last), Some(first))) = span else { return Ok(None) };
        if last < first {
            return Ok(None);
        }
        let write =
            "SELECT chain_position, row_hash FROM system_audit_log WHERE database_name = ? AND chain_position = ?";
        let write: Option<(i64, String)> = connection.exec_first(write, (name, last)).await?;
        let change = "SELECT c.chain_position, c.row_hash FROM data_change_audit c JOIN system_audit_log w ON w.audit_id = c.audit_id \
                      WHERE c.database_name = ? AND w.chain_position <= ? ORDER BY c.chain_position DESC LIMIT 1";
        let change: Option<(i64, String)> = connection.exec_first(change, (name, last)).await?;
        let before = "SELECT change_position, change_hash FROM genims_internal.audit_checkpoints WHERE database_name = ? \
                      ORDER BY pruned_at DESC LIMIT 1";
        let before: Option<(i64, String)> = connection.exec_first(before, (name,)).await?;
        let end = |found: Option<(i64, String)>| found.map(|(position, hash)| End { position, hash });
        let before = end(before).unwrap_or_default();
        let change = end(change).unwrap_or_else(|| before.clone());
        let changes = change.position - before.position;
        let write = end(write).unwrap_or_default();
        let checkpoint = Ends { write, change, seal: End::default() };
        Ok(Some(Pruned { database: name.to_owned(), checkpoint, writes: last - first + 1, changes }))
    }

    async fn delete(&self, connection: &mut MysqlConnection, pruned: &Pruned) -> Result<(), mysql_async::Error> {
        let (name, end) = (&pruned.database, &pruned.checkpoint);
        // The checkpoint stands before the first entry is gone: the chain begins behind it from now on, whatever is still there.
        let checkpoint = "INSERT INTO genims_internal.audit_checkpoints (database_name, pruned_at, write_position, write_hash, \
                          change_position, change_hash) VALUES (?, CURRENT_TIMESTAMP(6), ?, ?, ?, ?)";
        let values = (name, end.write.position, &end.write.hash, end.change.position, &end.change.hash);
        connection.exec_drop(checkpoint, values).await?;
        loop {
            let mut transaction = connection.start_transaction(TxOpts::default()).await?;
            let bounds = "SELECT MIN(chain_position) FROM system_audit_log WHERE database_name = ?";
            let first: Option<Option<i64>> = transaction.exec_first(bounds, (name,)).await?;
            let Some(first) = first.flatten().filter(|first| *first <= end.write.position) else {
                return transaction.commit().await;
            };
            let last = end.write.position.min(first + AT_ONCE - 1);
            for statement in [
                "DELETE c FROM data_change_audit c JOIN system_audit_log w ON w.audit_id = c.audit_id \
                 WHERE w.database_name = ? AND w.chain_position <= ?",
                "DELETE FROM system_audit_log WHERE database_name = ? AND chain_position <= ?",
            ] {
                transaction.exec_drop(statement, (name, last)).await?;
            }
            transaction.commit().await?;
        }
    }
}
