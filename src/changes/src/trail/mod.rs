//! The audit trail in MySQL, continued for one database.
//!
//! In: batches of changes in order. Out: entries of `system_audit_log`, `data_change_audit` and `user_activity_log`, and a seal
//! over them, in one transaction.
//!
//! - The login may only insert: where the chains end, which version a record has and what is there already it finds in the views
//!   of `genims_internal`.
//! - Whatever is delivered again is recognised by its `event_uid`. Looking is only needed after a failure or a start, until a
//!   window is complete.
//! - Two deliveries of a database cannot fork a chain: its positions are unique, so the later one fails, looks, and goes on.

mod insert;

use crate::change::{Change, ChangeOperation};
use crate::entry::{ChangedRow, End, Ends, Seal, Write, entries};
use crate::error::ChangesError;
use chrono::{NaiveDateTime, Utc};
use genims_databases::mysql::disconnect;
use genims_databases::{MysqlConnection, MysqlSettings};
use mysql_async::prelude::Queryable;
use mysql_async::{Params, TxOpts, Value};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// A server that takes longer for a batch hangs; the batch is tried again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Below [`PATIENCE`]: a session whose peer vanished has given its locks back before the next one wants them.
const IDLE_MAX: Duration = Duration::from_secs(40);
/// So long after its last use a session is asked whether it is still there; below [`IDLE_MAX`], whatever a look waits for besides.
const ASK_AFTER: Duration = Duration::from_secs(10);
/// Records whose version is remembered; beyond, all are asked for anew.
const VERSIONS_MAX: usize = 50_000;
/// Values of one list in a query; lists are filled up to one of these.
const LISTS: [usize; 3] = [256, 16, 1];

/// Table and key.
type Record = (String, String);

pub struct Trail {
    settings: MysqlSettings,
    /// Whose changes these are.
    database: String,
    session: Option<Session>,
}

/// What is known while one connection lasts and nothing fails.
struct Session {
    connection: MysqlConnection,
    used: Instant,
    ends: Ends,
    versions: HashMap<Record, i64>,
    /// Nothing that comes can be there already.
    certain: bool,
}

/// The entries of a batch.
#[derive(Default)]
struct Entries {
    writes: Vec<Write>,
    rows: Vec<ChangedRow>,
    actions: Vec<Change>,
    versions: HashMap<Record, i64>,
}

impl Trail {
    pub fn new(settings: MysqlSettings, database: String) -> Self {
        Self { settings, database, session: None }
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    /// Connects if need be. Where the chains end when this connection found it out; the caller compares it with the heads.
    pub async fn open(&mut self) -> Result<Option<Ends>, ChangesError> {
        if self.is_there().await {
            return Ok(None);
        }
        let opened = tokio::time::timeout(PATIENCE, self.connect()).await;
        let session = opened.map_err(|_| self.hung())??;
        let ends = session.ends.clone();
        self.session = Some(session);
        Ok(Some(ends))
    }

    /// Whether there is a session that still works. One that the server ended while there was nothing to write is no failure.
    async fn is_there(&mut self) -> bool {
        let Some(session) = &mut self.session else { return false };
        if session.used.elapsed() > ASK_AFTER {
            let asked = tokio::time::timeout(PATIENCE, session.connection.ping()).await;
            session.used = Instant::now();
            if !matches!(asked, Ok(Ok(()))) {
                self.session = None;
            }
        }
        self.session.is_some()
    }

    /// The hashes that the chains have at these positions now; `None` where there is no entry.
    pub async fn hashes_at(&mut self, ends: &Ends) -> Result<[Option<String>; 3], ChangesError> {
        let found = tokio::time::timeout(PATIENCE, self.try_hashes_at(ends)).await;
        found.unwrap_or_else(|_| Err(self.hung()))
    }

    async fn try_hashes_at(&mut self, ends: &Ends) -> Result<[Option<String>; 3], ChangesError> {
        let Some(session) = &mut self.session else { return Ok([None, None, None]) };
        let mut found = [None, None, None];
        let chains = [
            ("audit_writes", "chain_position", "row_hash", ends.write.position),
            ("audit_changes", "chain_position", "row_hash", ends.change.position),
            ("audit_seals", "seal", "seal_hash", ends.seal.position),
        ];
        for (found, (view, number, hash, position)) in found.iter_mut().zip(chains) {
            let query = format!("SELECT {hash} FROM genims_internal.{view} WHERE database_name = ? AND {number} = ?");
            *found = session
                .connection
                .exec_first(query, (&self.database, position))
                .await
                .map_err(|error| self.settings.error(error))?;
        }
        Ok(found)
    }

    /// Where the chains end behind the batch.
    pub async fn deliver(&mut self, batch: Vec<Change>) -> Result<Ends, ChangesError> {
        let delivered = tokio::time::timeout(PATIENCE, self.try_deliver(batch)).await;
        let result = delivered.unwrap_or_else(|_| Err(self.hung()));
        if result.is_err() {
            // How far it came is not known.
            self.session = None;
        }
        result
    }

    /// A window is complete: what comes next never came before.
    pub fn window_is_complete(&mut self) {
        if let Some(session) = &mut self.session {
            session.certain = true;
        }
    }

    pub async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            disconnect(session.connection).await;
        }
    }

    fn hung(&self) -> ChangesError {
        let seconds = PATIENCE.as_secs();
        ChangesError::Hung { database: self.settings.database().to_owned(), what: "the audit trail", seconds }
    }

    async fn connect(&self) -> Result<Session, ChangesError> {
        let failed = |error| ChangesError::from(self.settings.error(error));
        let mut connection = self.settings.connect_bounded(IDLE_MAX).await?;
        let mut ends = [End::default(), End::default(), End::default()];
        let chains = [
            ("audit_writes", "chain_position", "row_hash"),
            ("audit_changes", "chain_position", "row_hash"),
            ("audit_seals", "seal", "seal_hash"),
        ];
        for (end, (view, number, hash)) in ends.iter_mut().zip(chains) {
            let query = format!(
                "SELECT {number}, {hash} FROM genims_internal.{view} WHERE database_name = ? ORDER BY {number} DESC LIMIT 1"
            );
            let found: Option<(i64, String)> = connection.exec_first(query, (&self.database,)).await.map_err(failed)?;
            *end = found.map_or_else(End::default, |(position, hash)| End { position, hash });
        }
        let [write, change, seal] = ends;
        let mut ends = Ends { write, change, seal };
        if ends.seal.position == 0 {
            // Says what was there before anything was sealed.
            let first = Seal::new(&self.database, now(), &ends, [Vec::new(), Vec::new()]);
            insert::seal(&mut connection, &first).await.map_err(failed)?;
            ends.seal = first.end();
        }
        Ok(Session { connection, used: Instant::now(), ends, versions: HashMap::new(), certain: false })
    }

    async fn try_deliver(&mut self, mut batch: Vec<Change>) -> Result<Ends, ChangesError> {
        let database = &self.database;
        let failed = |error| ChangesError::from(self.settings.error(error));
        let Some(session) = &mut self.session else { return Err(self.hung()) };
        if !session.certain {
            let known = session.known(database, &batch).await.map_err(failed)?;
            batch.retain(|change| !known.contains(&change.uid(database)));
        }
        if batch.is_empty() {
            return Ok(session.ends.clone());
        }
        session.learn_versions(database, &batch).await.map_err(failed)?;
        let recorded_at = now();
        let mut ends = session.ends.clone();
        let made = make(database, batch, &session.versions, recorded_at, &mut ends);
        if !made.writes.is_empty() {
            let seal = Seal::new(database, recorded_at, &ends, digests(&made));
            ends.seal = seal.end();
            session.store(database, &made, Some(&seal), recorded_at).await.map_err(failed)?;
        } else {
            session.store(database, &made, None, recorded_at).await.map_err(failed)?;
        }
        session.used = Instant::now();
        session.ends = ends;
        session.versions.extend(made.versions);
        if session.versions.len() > VERSIONS_MAX {
            session.versions.clear();
        }
        Ok(session.ends.clone())
    }
}

fn now() -> NaiveDateTime {
    // As the columns hold it.
    let now = Utc::now();
    chrono::DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now).naive_utc()
}

fn digests(made: &Entries) -> [Vec<u8>; 2] {
    [made.writes.iter().flat_map(Write::digest).collect(), made.rows.iter().flat_map(ChangedRow::digest).collect()]
}

fn make(
    database: &str,
    batch: Vec<Change>,
    known: &HashMap<Record, i64>,
    recorded_at: NaiveDateTime,
    ends: &mut Ends,
) -> Entries {
    let mut made = Entries::default();
    for change in batch {
        if change.operation == ChangeOperation::Action {
            made.actions.push(change);
            continue;
        }
        let record = (change.table.clone(), change.record_key());
        let before = made.versions.get(&record).or_else(|| known.get(&record)).copied().unwrap_or(0);
        let (write, row) = entries(database, change, before + 1, recorded_at, ends);
        made.writes.push(write);
        if let Some(row) = row {
            made.versions.insert(record, before + 1);
            made.rows.push(row);
        }
    }
    made
}

impl Session {
    /// Which of these are there.
    async fn known(&mut self, database: &str, batch: &[Change]) -> Result<HashSet<String>, mysql_async::Error> {
        let uids: Vec<String> = batch.iter().map(|change| change.uid(database)).collect();
        let mut known = HashSet::new();
        for view in ["audit_writes", "audit_activities"] {
            for list in lists(&uids) {
                let places = vec!["?"; list.len()].join(", ");
                let query = format!("SELECT event_uid FROM genims_internal.{view} WHERE event_uid IN ({places})");
                let found: Vec<String> = self.connection.exec(query, Params::Positional(list)).await?;
                known.extend(found);
            }
        }
        Ok(known)
    }

    /// Versions of the records of this batch that are not known yet.
    async fn learn_versions(&mut self, database: &str, batch: &[Change]) -> Result<(), mysql_async::Error> {
        let mut unknown: HashMap<String, Vec<String>> = HashMap::new();
        for change in batch.iter().filter(|change| change.before.is_some() || change.after.is_some()) {
            let record = (change.table.clone(), change.record_key());
            if !self.versions.contains_key(&record) {
                self.versions.insert(record.clone(), 0);
                unknown.entry(record.0).or_default().push(record.1);
            }
        }
        for (table, keys) in unknown {
            for list in lists(&keys) {
                let places = vec!["?"; list.len()].join(", ");
                let query = format!(
                    "SELECT record_key, MAX(record_version) FROM genims_internal.audit_changes \
                     WHERE database_name = ? AND table_name = ? AND record_key IN ({places}) GROUP BY record_key"
                );
                let mut values = vec![Value::from(database), Value::from(table.as_str())];
                values.extend(list);
                let found: Vec<(String, i64)> = self.connection.exec(query, Params::Positional(values)).await?;
                self.versions.extend(found.into_iter().map(|(key, version)| ((table.clone(), key), version)));
            }
        }
        Ok(())
    }

    async fn store(
        &mut self,
        database: &str,
        made: &Entries,
        seal: Option<&Seal>,
        recorded_at: NaiveDateTime,
    ) -> Result<(), mysql_async::Error> {
        let mut transaction = self.connection.start_transaction(TxOpts::default()).await?;
        insert::writes(&mut transaction, &made.writes).await?;
        if let (Some(first), Some(last)) = (made.rows.first(), made.rows.last()) {
            let numbers = "SELECT chain_position, audit_id FROM genims_internal.audit_writes \
                           WHERE database_name = ? AND chain_position BETWEEN ? AND ?";
            let span = (database, first.write_position, last.write_position);
            let numbers: Vec<(i64, i64)> = transaction.exec(numbers, span).await?;
            let numbers: HashMap<i64, i64> = numbers.into_iter().collect();
            let numbered: Vec<(ChangedRow, i64)> =
                made.rows.iter().filter_map(|row| Some((row.clone(), *numbers.get(&row.write_position)?))).collect();
            if numbered.len() != made.rows.len() {
                let cause = "genims_internal.audit_writes does not show what was just written: run `genims provision`";
                return Err(mysql_async::Error::Other(cause.into()));
            }
            insert::changed_rows(&mut transaction, &numbered).await?;
        }
        insert::activities(&mut transaction, database, &made.actions, recorded_at).await?;
        if let Some(seal) = seal {
            insert::seal(&mut transaction, seal).await?;
        }
        transaction.commit().await
    }
}

/// Lists of a few lengths, so that the session keeps the statements; the last is filled up with its last value.
fn lists(texts: &[String]) -> Vec<Vec<Value>> {
    let [largest, middle, _] = LISTS;
    texts
        .chunks(largest)
        .map(|chunk| {
            let length = if chunk.len() > middle {
                largest
            } else if chunk.len() > 1 {
                middle
            } else {
                1
            };
            let last = chunk.last().map(|text| Value::from(text.as_str()));
            let values = chunk.iter().map(|text| Value::from(text.as_str()));
            values.chain(std::iter::repeat_n(last, length - chunk.len()).flatten()).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::tests::change;

    #[test]
    fn versions_count_on_within_a_batch_and_actions_are_no_entries() {
        let batch = [
            ChangeOperation::Insert,
            ChangeOperation::Update,
            ChangeOperation::Action,
            ChangeOperation::Delete,
            ChangeOperation::Truncate,
        ];
        let batch = (1..).zip(batch).map(|(id, operation)| change(id, operation)).collect();
        let known = HashMap::from([(("sales_orders".to_owned(), "7".to_owned()), 4)]);
        let mut ends = Ends::default();
        let made = make("genims_erp_db", batch, &known, now(), &mut ends);
        assert_eq!(made.rows.iter().map(|row| row.record_version).collect::<Vec<_>>(), [5, 6, 7]);
        assert_eq!((made.writes.len(), made.actions.len()), (4, 1));
        assert_eq!((ends.write.position, ends.change.position), (4, 3));
        assert_eq!(made.rows[2].write_position, 3);
        assert_eq!(digests(&made).map(|digests| digests.len()), [4 * 32, 3 * 32]);
    }

    #[test]
    fn lists_have_few_lengths_and_lose_nothing() {
        let texts: Vec<String> = (0..259).map(|number| number.to_string()).collect();
        for (count, lengths) in [(0, vec![]), (1, vec![1]), (2, vec![16]), (17, vec![256]), (259, vec![256, 16])] {
            let made = lists(&texts[..count]);
            assert_eq!(made.iter().map(Vec::len).collect::<Vec<_>>(), lengths, "{count}");
            assert!(count == 0 || made.concat().contains(&Value::from(texts[count - 1].as_str())));
        }
    }
}
