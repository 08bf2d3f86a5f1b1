//! One connection of the sink: its settings, its transactions, the position that PostgreSQL remembers.
//!
//! Invariant: nothing lives longer than its transaction except what a pooler in transaction mode carries along (the time zone,
//! the session's name), so that the stream goes through one: no prepared statement, no setting that a stranger would inherit.

use crate::error::{SinkError, answered};
use crate::postgres::begin::{BEGUN, Backend, begin};
use crate::postgres::locked_days::LockedDays;
use crate::postgres::partitions::KnownDays;
use crate::postgres::positions::Positions;
use genims_model::Position;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Transaction};

/// The sink's name in `sink_positions` and in the spool's cursors.
pub const SINK: &str = "postgres";

/// Where the operations database stands.
pub const OPERATIONS: Positions = Positions { table: "genims_internal.sink_positions", sink: SINK };

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
    pub(crate) locked_days: LockedDays,
    /// What every transaction starts with.
    pub begun: String,
    positions: Positions,
    /// Who serves the transaction under way, or served the last one.
    backend: Option<Backend>,
}

impl Session {
    pub async fn open(client: Client, positions: Positions) -> Result<Self, SinkError> {
        client.batch_execute(SETTINGS).await?;
        let (known_days, locked_days) = (KnownDays::default(), LockedDays::default());
        Ok(Self { client, known_days, locked_days, begun: BEGUN.to_owned(), positions, backend: None })
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
        let positions = self.positions;
        let transaction = self.begin().await?;
        let mut known = positions.remembered(&transaction, start.log()).await?;
        if known.is_none() {
            positions.remember(&transaction, start).await?;
            known = positions.remembered(&transaction, start.log()).await?;
        }
        transaction.commit().await?;
        Ok(known.unwrap_or_else(|| start.clone()))
    }

    /// After the tables behind them changed.
    pub fn forget(&mut self) {
        self.known_days.forget();
    }
}
