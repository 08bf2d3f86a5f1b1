//! One connection of the sink: its settings, its transactions, the position that PostgreSQL remembers.
//!
//! Invariant: nothing lives longer than its transaction except what a pooler in transaction mode carries along (the time zone,
//! the session's name), so that the stream goes through one: no prepared statement, no setting that a stranger would inherit.

use crate::error::{SinkError, answered};
use crate::postgres::begin::{BEGUN, Backend, begin};
use crate::postgres::partitions::KnownDays;
use genims_model::{Lineage, Position};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, GenericClient, Transaction};
use uuid::Uuid;

/// The sink's name in `sink_positions` and in the spool's cursors.
pub const SINK: &str = "postgres";

/// UTC, because the contract's timestamps have no zone.
const SETTINGS: &str = "SET TIME ZONE 'UTC'; SET application_name = 'genims-sink'";

/// Keepalives where the server or the role has none or wider ones, for a backend that waits for more of a COPY, which no
/// time-out of a statement ends. They outlive the session in a pooler, where they harm nobody.
const KEEPALIVES: &str = "WITH wide AS MATERIALIZED (
         SELECT name, setting, bound FROM pg_settings JOIN (VALUES
             ('tcp_keepalives_idle', 5), ('tcp_keepalives_interval', 5), ('tcp_keepalives_count', 3),
             ('tcp_user_timeout', 20000), ('client_connection_check_interval', 5000)
         ) AS ours (name, bound) USING (name))
     SELECT set_config(name, bound::text, false) FROM wide WHERE setting::bigint = 0 OR setting::bigint > bound";

/// Bounds of a transaction that follows the log, where the server or the role has none or wider ones. All are below
/// [`crate::error::ANSWER_TIMEOUT`]: a backend whose client has vanished gives its locks back before the client's next attempts pile
/// up behind it.
const BOUNDS: &str = "SELECT 'SET LOCAL ' || name || ' = ' || bound FROM pg_settings JOIN (VALUES
         ('lock_timeout', 10000), ('statement_timeout', 20000), ('idle_in_transaction_session_timeout', 20000)
     ) AS ours (name, bound) USING (name) WHERE setting::bigint = 0 OR setting::bigint > bound";

pub struct Session {
    pub client: Client,
    pub known_days: KnownDays,
    /// What every transaction starts with.
    pub begun: String,
    /// Who serves the transaction under way, or served the last one.
    backend: Option<Backend>,
}

impl Session {
    pub async fn open(client: Client) -> Result<Self, SinkError> {
        client.batch_execute(SETTINGS).await?;
        Ok(Self { client, known_days: KnownDays::default(), begun: BEGUN.to_owned(), backend: None })
    }

    /// Bounds everything that a transaction of this session may wait for or hold.
    pub async fn bound(&mut self) -> Result<(), SinkError> {
        answered(self.client.batch_execute(KEEPALIVES)).await?;
        let bounds = answered(self.client.query_typed(BOUNDS, &[])).await?;
        let bounds: Vec<String> = bounds.iter().map(|row| row.get(0)).chain([BEGUN.to_owned()]).collect();
        self.begun = bounds.join("; ");
        Ok(())
    }

    /// A transaction within the session's bounds.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, SinkError> {
        let Self { client, begun, backend, .. } = self;
        let (transaction, serving) = begin(client, begun).await?;
        *backend = serving;
        Ok(transaction)
    }

    /// Gives the session up; answers who may still be in its transaction.
    pub fn abandon(self) -> Option<Backend> {
        self.backend
    }

    /// Ends the backend of a session that was given up: a wire that swallows packets tells it nothing, and it would hold
    /// the position until the server's keepalives find out, or for ever where something in between answers them. One that a
    /// pooler has given to somebody else by now bears that client's name.
    pub async fn end(&self, abandoned: &Backend) -> Result<(), SinkError> {
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1::text::int
             AND backend_start = $2::text::timestamptz AND application_name LIKE 'genims-sink%' AND pid <> pg_backend_pid()";
        let values: [(&(dyn ToSql + Sync), Type); 2] = [(&abandoned.pid, Type::TEXT), (&abandoned.started, Type::TEXT)];
        answered(self.client.execute_typed(terminate, &values)).await?;
        Ok(())
    }

    /// Where PostgreSQL says this log's sink stopped; a log it does not know starts at `start`.
    pub async fn position(&mut self, start: &Position) -> Result<Position, SinkError> {
        let transaction = self.begin().await?;
        let mut known = remembered(&transaction, start.log).await?;
        if known.is_none() {
            remember(&transaction, start).await?;
            known = remembered(&transaction, start.log).await?;
        }
        transaction.commit().await?;
        Ok(known.unwrap_or_else(|| start.clone()))
    }

    /// After the tables behind them changed.
    pub fn forget(&mut self) {
        self.known_days.forget();
    }
}

/// What PostgreSQL remembers of the log. A restore that replaces the table while the sink writes can leave two rows: the
/// lower one holds for all rows, so it stays, alone.
pub async fn remembered(client: &impl GenericClient, log: Uuid) -> Result<Option<Position>, SinkError> {
    let select = "SELECT next_offset, history FROM genims_internal.sink_positions WHERE spool_id = $1 AND sink = $2
         ORDER BY next_offset";
    let key: [(&(dyn ToSql + Sync), Type); 2] = [(&log, Type::UUID), (&SINK, Type::TEXT)];
    let rows = client.query_typed(select, &key).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (offset, history) = (row.get::<_, i64>(0), row.get::<_, Option<&str>>(1));
    if rows.len() > 1 {
        tracing::error!(
            sink = SINK,
            rows = rows.len(),
            next_offset = offset,
            "sink_positions has several rows for this log: it was restored while the server wrote; the lowest is kept. \
             Run `genims provision` for the key, and `genims verify` for the rows"
        );
        let delete = "DELETE FROM genims_internal.sink_positions WHERE spool_id = $1 AND sink = $2 AND ctid <>
             (SELECT ctid FROM genims_internal.sink_positions WHERE spool_id = $1 AND sink = $2
              ORDER BY next_offset LIMIT 1)";
        client.execute_typed(delete, &key).await?;
    }
    let lineage: Lineage = history.unwrap_or_default().parse()?;
    Ok(Some(Position { log, lineage, offset: offset as u64 }))
}

/// Stores the position of a log that PostgreSQL does not know.
pub async fn remember(client: &impl GenericClient, position: &Position) -> Result<(), SinkError> {
    let insert = "INSERT INTO genims_internal.sink_positions (spool_id, sink, next_offset, history)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let (offset, history) = (position.offset as i64, position.lineage.to_string());
    let values: [(&(dyn ToSql + Sync), Type); 4] =
        [(&position.log, Type::UUID), (&SINK, Type::TEXT), (&offset, Type::INT8), (&history, Type::TEXT)];
    client.execute_typed(insert, &values).await?;
    Ok(())
}

/// Moves the position inside the batch's transaction. The row lock makes two writers of one log go one after the other,
/// and the second one finds the position moved: no batch is ever written twice.
pub async fn move_position(client: &impl GenericClient, from: u64, to: &Position) -> Result<(), SinkError> {
    let update = "UPDATE genims_internal.sink_positions SET next_offset = $4, history = $5, updated_at = now()
         WHERE spool_id = $1 AND sink = $2 AND next_offset = $3";
    let (expected, offset, history) = (from as i64, to.offset as i64, to.lineage.to_string());
    let values: [(&(dyn ToSql + Sync), Type); 5] = [
        (&to.log, Type::UUID),
        (&SINK, Type::TEXT),
        (&expected, Type::INT8),
        (&offset, Type::INT8),
        (&history, Type::TEXT),
    ];
    match client.execute_typed(update, &values).await? {
        1 => Ok(()),
        _ => Err(SinkError::PositionMoved { expected: from }),
    }
}
