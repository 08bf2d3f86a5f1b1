//! The positions that a PostgreSQL database remembers, one for each log and consumer.

use crate::error::SinkError;
use genims_model::Position;
use tokio_postgres::GenericClient;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// One consumer's positions.
#[derive(Clone, Copy, Debug)]
pub struct Positions {
    /// With its schema.
    pub table: &'static str,
    /// The consumer.
    pub sink: &'static str,
}

impl Positions {
    /// What PostgreSQL remembers of the log. A restore that replaces the table while the sink writes can leave two rows: the
    /// lower one holds for all rows, so it stays, alone.
    pub async fn remembered(&self, client: &impl GenericClient, log: Uuid) -> Result<Option<Position>, SinkError> {
        let Self { table, sink } = self;
        let select =
            format!("SELECT next_offset, history FROM {table} WHERE spool_id = $1 AND sink = $2 ORDER BY next_offset");
        let key: [(&(dyn ToSql + Sync), Type); 2] = [(&log, Type::UUID), (sink, Type::TEXT)];
        let rows = client.query_typed(&select, &key).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (offset, history) = (row.get::<_, i64>(0), row.get::<_, Option<&str>>(1));
        if rows.len() > 1 {
            tracing::error!(
                sink,
                rows = rows.len(),
                next_offset = offset,
                "{table} has several rows for this log: it was restored while the server wrote; the lowest is kept. \
                 Run `genims provision` for the key, and `genims verify` for the rows"
            );
            let delete = format!(
                "DELETE FROM {table} WHERE spool_id = $1 AND sink = $2 AND ctid <>
                 (SELECT ctid FROM {table} WHERE spool_id = $1 AND sink = $2 ORDER BY next_offset LIMIT 1)"
            );
            client.execute_typed(&delete, &key).await?;
        }
        Ok(Some(Position::from_stored(log, offset as u64, history.unwrap_or_default())?))
    }

    /// Stores the position of a log that PostgreSQL does not know.
    pub async fn remember(&self, client: &impl GenericClient, position: &Position) -> Result<(), SinkError> {
        let insert = format!(
            "INSERT INTO {} (spool_id, sink, next_offset, history) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            self.table
        );
        let (log, offset, history) = (position.log(), position.next_offset() as i64, position.history());
        let values: [(&(dyn ToSql + Sync), Type); 4] =
            [(&log, Type::UUID), (&self.sink, Type::TEXT), (&offset, Type::INT8), (&history, Type::TEXT)];
        client.execute_typed(&insert, &values).await?;
        Ok(())
    }

    /// Moves the position inside the batch's transaction. The row lock makes two writers of one log go one after the other,
    /// and the second one finds the position moved: no batch is ever written twice.
    pub async fn move_to(&self, client: &impl GenericClient, from: u64, to: &Position) -> Result<(), SinkError> {
        let update = format!(
            "UPDATE {} SET next_offset = $4, history = $5, updated_at = now()
             WHERE spool_id = $1 AND sink = $2 AND next_offset = $3",
            self.table
        );
        let (log, expected, offset, history) = (to.log(), from as i64, to.next_offset() as i64, to.history());
        let values: [(&(dyn ToSql + Sync), Type); 5] = [
            (&log, Type::UUID),
            (&self.sink, Type::TEXT),
            (&expected, Type::INT8),
            (&offset, Type::INT8),
            (&history, Type::TEXT),
        ];
        match client.execute_typed(&update, &values).await? {
            1 => Ok(()),
            _ => Err(SinkError::PositionMoved { expected: from }),
        }
    }
}
