//! One connection of the sink: its settings, its prepared statements, the position that PostgreSQL remembers.

use crate::error::SinkError;
use crate::postgres::partitions::KnownDays;
use genims_model::{Lineage, Position};
use hashbrown::HashMap;
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

pub struct Session {
    pub client: Client,
    pub known_days: KnownDays,
    statements: HashMap<String, Statement>,
}

impl Session {
    pub async fn open(client: Client) -> Result<Self, SinkError> {
        client.batch_execute(SETTINGS).await?;
        Ok(Self { client, known_days: KnownDays::default(), statements: HashMap::new() })
    }

    /// Where PostgreSQL says this log's sink stopped; a log it does not know starts at `start`.
    pub async fn position(&self, start: &Position) -> Result<Position, SinkError> {
        if let Some(known) = remembered(&self.client, start.log).await? {
            return Ok(known);
        }
        remember(&self.client, start).await?;
        Ok(remembered(&self.client, start.log).await?.unwrap_or_else(|| start.clone()))
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

/// What PostgreSQL remembers of the log. A restore that replaces the table while the sink writes can leave two rows: the
/// lower one holds for all rows, so it stays, alone.
pub async fn remembered(client: &Client, log: Uuid) -> Result<Option<Position>, SinkError> {
    let select = "SELECT next_offset, history FROM genims_internal.sink_positions WHERE spool_id = $1 AND sink = $2
         ORDER BY next_offset";
    let rows = client.query(select, &[&log, &SINK]).await?;
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
        client.execute(delete, &[&log, &SINK]).await?;
    }
    let lineage: Lineage = history.unwrap_or_default().parse()?;
    Ok(Some(Position { log, lineage, offset: offset as u64 }))
}

/// Stores the position of a log that PostgreSQL does not know.
pub async fn remember(client: &Client, position: &Position) -> Result<(), SinkError> {
    let insert = "INSERT INTO genims_internal.sink_positions (spool_id, sink, next_offset, history)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let (offset, history) = (position.offset as i64, position.lineage.to_string());
    client.execute(insert, &[&position.log, &SINK, &offset, &history]).await?;
    Ok(())
}

/// Moves the position inside the batch's transaction. The row lock makes two writers of one log go one after the other,
/// and the second one finds the position moved: no batch is ever written twice.
pub async fn move_position(client: &impl GenericClient, from: u64, to: &Position) -> Result<(), SinkError> {
    let update = "UPDATE genims_internal.sink_positions SET next_offset = $4, history = $5, updated_at = now()
         WHERE spool_id = $1 AND sink = $2 AND next_offset = $3";
    let (expected, offset, history) = (from as i64, to.offset as i64, to.lineage.to_string());
    match client.execute(update, &[&to.log, &SINK, &expected, &offset, &history]).await? {
        1 => Ok(()),
        _ => Err(SinkError::PositionMoved { expected: from }),
    }
}
