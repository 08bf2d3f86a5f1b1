//! The outbox of one PostgreSQL database, read for targets that each come along at their own pace.
//!
//! In: committed rows of `genims_internal.changes`. Out: windows, and batches of them in the order of ids.
//!
//! - A window is what one snapshot sees and the snapshot before does not. So a transaction that commits late is in a later window,
//!   whatever its ids: nothing is missed and nothing comes twice.
//! - Ids are taken while the changed row is locked. Of two changes of a row the second can only be made once the first is
//!   committed, so a snapshot that sees the second sees the first: windows in turn, each by ids, keep the order per row.
//! - A position moves after its target has the rows; a target may therefore be given rows again after a failure, until its
//!   window is complete.
//! - A row is deleted when every target has it. Each statement is a transaction of its own, so a pooler may stand in between.

use crate::canonical::Image;
use crate::change::{Change, ChangeOperation};
use crate::error::ChangesError;
use crate::image;
use chrono::{DateTime, NaiveDateTime, Utc};
use genims_databases::{PostgresClient, PostgresSettings};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// Rows of a batch.
pub const BATCH_ROWS: i64 = 1_000;
/// What the images of a batch may take in the table; one row always goes.
const BATCH_BYTES: i64 = 4 << 20;
/// Rows deleted by one statement: none holds locks for long.
const PRUNE_ROWS: i64 = 10_000;

/// A snapshot that sees nothing.
const NOTHING_SEEN: &str = "1:1:";

/// Snapshots and numbers of transactions mean nothing in another cluster: after a dump was restored elsewhere, what is from the
/// future of that cluster begins anew. What was delivered before is then recognised by the targets.
const RESTORED: &str = "UPDATE genims_internal.changes SET xid = pg_current_xact_id() \
     WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())";
const RESTORED_POSITIONS: &str = "UPDATE genims_internal.change_positions SET done = '1:1:', doing = NULL, doing_id = 0 \
     WHERE pg_snapshot_xmax(done) > pg_snapshot_xmax(pg_current_snapshot())";

/// What a snapshot does not see, said so that the index on xid finds it past everything that was deleted since.
const WINDOW: &str = "SELECT pg_current_snapshot()::text, count(*), coalesce(min(id), 0), coalesce(max(id), 0), min(at) \
     FROM genims_internal.changes WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot) \
     OR xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))";

const BATCH: &str = "SELECT id, xid::text, at, relation, op, key, rows, \
         before::text, after::text, actor, login, application, client, reason \
     FROM (SELECT *, sum(bytes) OVER (ORDER BY id) - bytes AS before_it FROM ( \
         SELECT *, coalesce(pg_column_size(before), 0) + coalesce(pg_column_size(after), 0) AS bytes \
         FROM genims_internal.changes WHERE id > $3 AND id <= $4 \
         AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot) AND pg_visible_in_snapshot(xid, $2::text::pg_snapshot) \
         ORDER BY id LIMIT $5) AS sized) AS summed \
     WHERE before_it <= $6 ORDER BY id";

const MOVE: &str = "INSERT INTO genims_internal.change_positions AS p (target, done, doing, doing_id, doing_id_max) \
     VALUES ($1, $2::text::pg_snapshot, $3::text::pg_snapshot, $4, $5) ON CONFLICT (target) DO UPDATE SET \
     done = excluded.done, doing = excluded.doing, doing_id = excluded.doing_id, doing_id_max = excluded.doing_id_max, \
     moved_at = clock_timestamp()";

/// Of one window; whichever target completes it last finds that all have it.
const PRUNE_WINDOW: &str = "DELETE FROM genims_internal.changes c WHERE id > $3 AND id <= $4 \
     AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot) \
     AND (SELECT count(*) FROM genims_internal.change_positions p WHERE p.target = ANY ($2) \
          AND pg_visible_in_snapshot(c.xid, p.done)) = cardinality($2)";

/// What an earlier run left: by the index on xid, below the lowest end of all positions there is only what may go.
const PRUNE: &str = "DELETE FROM genims_internal.changes WHERE id = ANY (ARRAY( \
     SELECT c.id FROM genims_internal.changes c \
     WHERE c.xid < (SELECT pg_snapshot_xmax(done) FROM genims_internal.change_positions WHERE target = ANY ($1) \
                    ORDER BY pg_snapshot_xmax(done) LIMIT 1) \
       AND (SELECT count(*) FROM genims_internal.change_positions p WHERE p.target = ANY ($1) \
            AND pg_visible_in_snapshot(c.xid, p.done)) = cardinality($1) LIMIT $2))";

type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// Shared by the targets of a database.
pub struct Outbox {
    settings: PostgresSettings,
    /// Those without which no row may go.
    targets: Vec<String>,
    client: Mutex<Option<Arc<PostgresClient>>>,
}

/// How far a target came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxPosition {
    /// It has everything that this snapshot sees.
    pub done: String,
    pub window: Option<OutboxWindow>,
}

impl Default for OutboxPosition {
    fn default() -> Self {
        Self { done: NOTHING_SEEN.to_owned(), window: None }
    }
}

/// What `seen` sees and `done` does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxWindow {
    pub seen: String,
    /// Its ids are above; `None` in a window that an earlier run began.
    pub from: Option<i64>,
    /// The target has ids up to here.
    pub id: i64,
    pub id_max: i64,
}

/// What waits for a target.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub window: OutboxWindow,
    pub rows: i64,
    pub oldest: Option<DateTime<Utc>>,
}

impl Outbox {
    pub fn new(settings: PostgresSettings, targets: Vec<String>) -> Self {
        Self { settings, targets, client: Mutex::default() }
    }

    /// The name in the registry.
    pub fn database(&self) -> &str {
        self.settings.database()
    }

    /// The connection of all targets; another one when the last has broken.
    async fn client(&self) -> Result<Arc<PostgresClient>, ChangesError> {
        let mut held = self.client.lock().await;
        if let Some(client) = held.as_ref().filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        *held = None;
        let client = self.settings.connect().await?;
        let failed = |error| ChangesError::from(self.settings.error(error));
        let exists = client.query_typed_one("SELECT to_regclass('genims_internal.changes') IS NOT NULL", &[]).await;
        if !exists.map_err(failed)?.get::<_, bool>(0) {
            return Err(ChangesError::NoOutbox { database: self.database().to_owned() });
        }
        for statement in [RESTORED, RESTORED_POSITIONS] {
            client.query_typed(statement, &[]).await.map_err(failed)?;
        }
        let client = Arc::new(client);
        *held = Some(client.clone());
        Ok(client)
    }

    /// Gives up the connection: what was asked on it may still be under way.
    pub async fn disconnect(&self) {
        *self.client.lock().await = None;
    }

    async fn query(&self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>, ChangesError> {
        let client = self.client().await?;
        Ok(client.query_typed(statement, values).await.map_err(|error| self.settings.error(error))?)
    }

    /// Where a target stands.
    pub async fn position(&self, target: &str) -> Result<OutboxPosition, ChangesError> {
        let select = "SELECT done::text, doing::text, doing_id, doing_id_max FROM genims_internal.change_positions WHERE target = $1";
        let rows = self.query(select, &[(&target, Type::TEXT)]).await?;
        Ok(rows.first().map_or_else(OutboxPosition::default, |row| OutboxPosition {
            done: row.get(0),
            window: row.get::<_, Option<String>>(1).map(|seen| OutboxWindow {
                seen,
                from: None,
                id: row.get(2),
                id_max: row.get(3),
            }),
        }))
    }

    /// What has come since `done`.
    pub async fn waiting(&self, done: &str) -> Result<Waiting, ChangesError> {
        let rows = self.query(WINDOW, &[(&done, Type::TEXT)]).await?;
        let row = rows.first().ok_or_else(|| ChangesError::NoOutbox { database: self.database().to_owned() })?;
        let from = row.get::<_, i64>(2) - 1;
        let window = OutboxWindow { seen: row.get(0), from: Some(from), id: from, id_max: row.get(3) };
        Ok(Waiting { window, rows: row.get(1), oldest: row.get(4) })
    }

    /// The next rows of a window; none when it is complete.
    pub async fn batch(&self, done: &str, window: &OutboxWindow) -> Result<Vec<Change>, ChangesError> {
        let values: [Value<'_>; 6] = [
            (&done, Type::TEXT),
            (&window.seen, Type::TEXT),
            (&window.id, Type::INT8),
            (&window.id_max, Type::INT8),
            (&BATCH_ROWS, Type::INT8),
            (&BATCH_BYTES, Type::INT8),
        ];
        self.query(BATCH, &values).await?.iter().map(|row| self.change(row)).collect()
    }

    fn change(&self, row: &Row) -> Result<Change, ChangesError> {
        let id = row.get(0);
        let bad = |cause: String| ChangesError::BadRow { database: self.database().to_owned(), id, cause };
        let image_of = |column: usize| -> Result<Option<Image>, ChangesError> {
            let text: Option<&str> = row.get(column);
            text.map(image::parse).transpose().map_err(bad)
        };
        let operation: &str = row.get(4);
        let at: NaiveDateTime = row.get::<_, DateTime<Utc>>(2).naive_utc();
        Ok(Change {
            id,
            transaction: row.get(1),
            at,
            table: row.get(3),
            operation: ChangeOperation::parse(operation)
                .ok_or_else(|| bad(format!("{operation} is not an operation")))?,
            key: row.get(5),
            rows: row.get(6),
            before: image_of(7)?,
            after: image_of(8)?,
            actor: row.get(9),
            login: row.get(10),
            application: row.get(11),
            client: row.get(12),
            reason: row.get(13),
        })
    }

    /// The target has what `position` says.
    pub async fn advance(&self, target: &str, position: &OutboxPosition) -> Result<(), ChangesError> {
        let window = position.window.as_ref();
        let values: [Value<'_>; 5] = [
            (&target, Type::TEXT),
            (&position.done, Type::TEXT),
            (&window.map(|window| &window.seen), Type::TEXT),
            (&window.map_or(0, |window| window.id), Type::INT8),
            (&window.map_or(0, |window| window.id_max), Type::INT8),
        ];
        self.query(MOVE, &values).await.map(|_| ())
    }

    /// Deletes what all targets have of a window that began at `done` and is complete.
    pub async fn prune(&self, done: &str, window: &OutboxWindow) -> Result<(), ChangesError> {
        let Some(from) = window.from else { return self.prune_all().await };
        let mut first = from;
        while first < window.id_max {
            let last = first.saturating_add(PRUNE_ROWS).min(window.id_max);
            let values: [Value<'_>; 4] =
                [(&done, Type::TEXT), (&self.targets, Type::TEXT_ARRAY), (&first, Type::INT8), (&last, Type::INT8)];
            self.execute(PRUNE_WINDOW, &values).await?;
            first = last;
        }
        Ok(())
    }

    /// Deletes all that all targets have.
    pub async fn prune_all(&self) -> Result<(), ChangesError> {
        let values: [Value<'_>; 2] = [(&self.targets, Type::TEXT_ARRAY), (&PRUNE_ROWS, Type::INT8)];
        while self.execute(PRUNE, &values).await? >= PRUNE_ROWS.unsigned_abs() {}
        Ok(())
    }

    async fn execute(&self, statement: &str, values: &[Value<'_>]) -> Result<u64, ChangesError> {
        let client = self.client().await?;
        Ok(client.execute_typed(statement, values).await.map_err(|error| self.settings.error(error))?)
    }
}
