//! One connection of the sink: its settings, its prepared statements, the position that PostgreSQL remembers.

use crate::error::{SinkError, answered};
use crate::postgres::partitions::KnownDays;
use hashbrown::HashMap;
use std::time::SystemTime;
use tokio_postgres::{Client, Error, GenericClient, Statement};
use uuid::Uuid;

/// The sink's name in `sink_positions` and in the spool's cursors.
pub const SINK: &str = "postgres";

/// Statements kept prepared: a few, and one for each day that batches went into. At the bound all are dropped.
const STATEMENTS_MAX: usize = 64;

/// UTC, because the contract's timestamps have no zone. A server that confirms commits before they are on disk would let
/// the spool delete what a power failure can still undo.
const SETTINGS: &str = "SET TIME ZONE 'UTC';
     SET application_name = 'genims-sink';
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Bounds of a session that follows the log, where the server or the role has none or wider ones. All are below
/// [`crate::error::ANSWER_TIMEOUT`]: a backend whose client has vanished gives its locks back before the client's next attempts pile
/// up behind it. Keepalives are for a backend that waits for more of a COPY, which no time-out of a statement ends.
const BOUNDS: &str = "WITH wide AS MATERIALIZED (
         SELECT name, setting, bound FROM pg_settings JOIN (VALUES
             ('lock_timeout', 10000), ('statement_timeout', 20000), ('idle_in_transaction_session_timeout', 20000),
             ('tcp_keepalives_idle', 5), ('tcp_keepalives_interval', 5), ('tcp_keepalives_count', 3),
             ('tcp_user_timeout', 20000), ('client_connection_check_interval', 5000)
         ) AS ours (name, bound) USING (name))
     SELECT set_config(name, bound::text, false) FROM wide WHERE setting::bigint = 0 OR setting::bigint > bound";

pub struct Session {
    pub client: Client,
    pub known_days: KnownDays,
    statements: HashMap<String, Statement>,
}

/// The server's side of a session. Its number is given again some day; together with its start it is not.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    pid: i32,
    started: SystemTime,
}

impl Session {
    pub async fn open(client: Client) -> Result<Self, SinkError> {
        client.batch_execute(SETTINGS).await?;
        Ok(Self { client, known_days: KnownDays::default(), statements: HashMap::new() })
    }

    /// Bounds everything that this session may wait for or hold; answers who serves it.
    pub async fn bound(&self) -> Result<Backend, SinkError> {
        answered(self.client.batch_execute(BOUNDS)).await?;
        let select = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()";
        let row = answered(self.client.query_one(select, &[])).await?;
        Ok(Backend { pid: row.get(0), started: row.get(1) })
    }

    /// Ends the backend of a session that was given up: a wire that swallows packets tells it nothing, and it would hold
    /// the position until the server's keepalives find out, or for ever where something in between answers them.
    pub async fn end(&self, abandoned: Backend) -> Result<(), SinkError> {
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2";
        answered(self.client.execute(terminate, &[&abandoned.pid, &abandoned.started])).await?;
        Ok(())
    }

    /// Where PostgreSQL says this log's sink stopped; a log it does not know starts at `start`.
    pub async fn position(&self, spool_id: Uuid, start: u64) -> Result<u64, SinkError> {
        let insert = "INSERT INTO genims_internal.sink_positions (spool_id, sink, next_offset) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING";
        self.client.execute(insert, &[&spool_id, &SINK, &(start as i64)]).await?;
        let select = "SELECT next_offset FROM genims_internal.sink_positions WHERE spool_id = $1 AND sink = $2";
        let position: i64 = self.client.query_one(select, &[&spool_id, &SINK]).await?.get(0);
        Ok(position as u64)
    }

    /// Prepares everything that a batch will use, so that its transaction only executes.
    pub async fn prepare(&mut self, text: &str) -> Result<Statement, Error> {
        if let Some(statement) = self.statements.get(text) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        let statement = self.client.prepare(text).await?;
        self.statements.insert(text.to_owned(), statement.clone());
        Ok(statement)
    }

    /// After the tables behind them changed.
    pub fn forget(&mut self) {
        self.statements.clear();
        self.known_days.forget();
    }
}

/// Moves the position inside the batch's transaction. The row lock makes two writers of one log go one after the other,
/// and the second one finds the position moved: no batch is ever written twice.
pub async fn move_position(client: &impl GenericClient, spool_id: Uuid, from: u64, to: u64) -> Result<(), SinkError> {
    let update = "UPDATE genims_internal.sink_positions SET next_offset = $4, updated_at = now()
         WHERE spool_id = $1 AND sink = $2 AND next_offset = $3";
    match client.execute(update, &[&spool_id, &SINK, &(from as i64), &(to as i64)]).await? {
        1 => Ok(()),
        _ => Err(SinkError::PositionMoved { expected: from }),
    }
}
