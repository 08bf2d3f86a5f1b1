//! PostgreSQL: the sink whose commit ends a record's life.
//!
//! In: batches. Out: rows of `genims_operations_db`, and in the same transaction the position, the ledger, the dead letters.
//!
//! - [`connection`]: the one connection; [`session`]: its settings; [`begin`]: a transaction; [`positions`]: how far the log is
//!   stored
//! - [`commit`]: one batch, one transaction
//! - [`copy`]: one COPY; [`field`]: the binary format
//! - [`isolate`]: one statement over many rows, whole or with the refused ones set aside
//! - [`sensor_rows`] with [`sensor_tail`], [`scada_rows`], [`event_rows`], [`dead_letters`]: what becomes which row;
//!   [`folding`]: how many rows dead letters become; [`replaced`]: what a row takes the place of
//! - [`partitions`]: a partition a day; [`locked_days`]: those that another session works on; [`ledger`]: a row a batch
//! - [`stored`]: what was written, read back; [`received`] and [`before`]: the same in the order in which it was received
//!
//! The tables, the bookkeeping's too, are made by `genims provision`.
//!
//! Measured (PostgreSQL 15, 2 busy cores, batches of 50 000 rows of 1 760 sensors, CPU of all server processes per row):
//! no index 1.7 us; BRIN (timestamp) +0.15; primary key +0.45; btree (sensor_id, timestamp) +1.4. With primary key and
//! btree 3.5 us sorted by sensor and 5.2 us in order of arrival. Through the parent instead of straight into the
//! partition: +0.1. Encoding, sorting and sending: 0.28.

pub mod before;
pub mod begin;
pub mod commit;
pub(crate) mod connection;
pub mod copy;
pub mod days_kept;
pub mod dead_letters;
pub mod event_rows;
pub mod field;
pub mod folding;
pub mod isolate;
pub mod ledger;
mod locked_days;
pub mod partitions;
pub mod positions;
pub mod received;
pub mod replaced;
pub mod scada_rows;
pub mod sensor_rows;
pub mod sensor_tail;
pub mod session;
pub mod stored;

use crate::batch::Batch;
use crate::capacity::Capacity;
use crate::error::{ANSWER_TIMEOUT, SinkError, answered};
use crate::target::{Committed, Target};
use bytes::BytesMut;
use connection::Connection;
use genims_catalogue::Directory;
use genims_model::Cause;
use genims_model::Position;
use genims_model::Reason;
use session::{OPERATIONS, SINK};
use std::future::Future;
use std::sync::Arc;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// Makes connections to `genims_operations_db`; a closure that returns a future will do.
pub trait Connector: Send + Sync {
    fn connect(&self) -> impl Future<Output = Result<Client, Cause>> + Send;
}

impl<F, C> Connector for F
where
    F: Fn() -> C + Send + Sync,
    C: Future<Output = Result<Client, Cause>> + Send,
{
    fn connect(&self) -> impl Future<Output = Result<Client, Cause>> + Send {
        self()
    }
}

/// See the module's header.
pub struct PostgresTarget<C> {
    connection: Connection<C>,
    directory: Arc<Directory>,
    /// The listeners' names by number, as `Accounts::by_source` lists them.
    sources: Vec<String>,
    /// What the log gave last: later positions are of its history.
    start: Position,
    capacity: Capacity,
    /// Records of the commit under way; one that is given up from outside took too long.
    under_way: Option<u64>,
    buffer: BytesMut,
}

impl<C: Connector> PostgresTarget<C> {
    pub fn new(connect: C, directory: Arc<Directory>, sources: Vec<String>) -> Self {
        Self {
            connection: Connection::new(connect, OPERATIONS),
            directory,
            sources,
            start: Position::beginning(Uuid::nil()),
            capacity: Capacity::default(),
            under_way: None,
            buffer: BytesMut::new(),
        }
    }
}

impl<C: Connector> Target for PostgresTarget<C> {
    fn name(&self) -> &'static str {
        SINK
    }

    async fn open(&mut self, start: &Position, _: u64) -> Result<Position, SinkError> {
        let session = self.connection.open().await?;
        // In this order another sink's commit in between makes no difference.
        let entered = ledger::entered_until(&session.client, start.log()).await?;
        let position = answered(session.position(start)).await?;
        self.start = start.clone();
        if entered > position.next_offset() {
            let (position, spool_id, history) = (position.next_offset(), start.log(), start.newest_history());
            return Err(SinkError::EnteredAlready { position, entered, spool_id, history });
        }
        Ok(position)
    }

    fn close(&mut self) {
        if let Some(records) = self.under_way.take() {
            self.capacity.too_much(records);
        }
        self.connection.close();
    }

    async fn commit(&mut self, batch: &Batch, position: u64) -> Result<Committed, SinkError> {
        let catalogue = self.directory.load();
        let session = self.connection.session()?;
        let context = commit::Context {
            start: &self.start,
            position,
            catalogue: &catalogue,
            sources: &self.sources,
            patience: ANSWER_TIMEOUT,
        };
        self.under_way = Some(batch.len());
        let committed = commit::commit(session, batch, &context, &mut self.buffer, &mut self.capacity).await;
        self.under_way = None;
        committed
    }

    /// The records that were refused are in the dead letters, each in a row of its own. What stands there of a dead letter that
    /// the table itself refused, with all that were folded into it, is no record refused: nobody counted it as stored.
    async fn recall(&mut self, batch: &Batch) -> Result<Committed, SinkError> {
        let spool_id = self.start.log();
        let select = "SELECT log_offset FROM genims_internal.dead_letters
             WHERE spool_id = $1 AND log_offset >= $2 AND log_offset < $3 AND reason = $4";
        let (from, to) = (batch.first_offset as i64, batch.next_offset as i64);
        let reason = Reason::RefusedByDatabase.code();
        let values: [(&(dyn ToSql + Sync), Type); 4] =
            [(&spool_id, Type::UUID), (&from, Type::INT8), (&to, Type::INT8), (&reason, Type::TEXT)];
        let rows = answered(self.connection.session()?.client.query_typed(select, &values)).await?;
        let refused: hashbrown::HashSet<u64> = rows.iter().map(|row| row.get::<_, i64>(0) as u64).collect();
        let readings = batch.readings().map(|(offset, reading)| (offset, reading.source));
        let snapshots = batch.snapshots().map(|(offset, snapshot)| (offset, snapshot.source));
        let counted: Vec<_> = readings.chain(snapshots).filter(|(offset, _)| refused.contains(offset)).collect();
        let events = batch.events().filter(|(offset, _)| refused.contains(offset)).count();
        Ok(Committed { refused_uncounted: events as u64, refused: counted, ..Committed::default() })
    }
}
