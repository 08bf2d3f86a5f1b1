//! MongoDB: the mirror of readings, SCADA pictures, faults and OEE in time-series collections.
//!
//! In: batches. Out: documents of `genims_production`; position and ledger in `genims_internal`.
//!
//! Time-series collections have neither unique indexes nor transactions, so each document's `_id` is its place in the
//! log, the intended range is written down before a batch (see [`bookkeeping`]), and a batch that begins inside an intended
//! range is looked up first: only what is missing is inserted.
//!
//! - [`readings`], [`events`]: what becomes which document; [`bson`]: the format
//! - [`insert`]: the command; [`commit`]: one batch
//! - [`lookup`]: what is already there
//! - [`collections`]: what the collections look like; [`dropped`]: one that was dropped under load
//!
//! `same_timestamp = "last"` cannot delete here: MongoDB 6.0 deletes from time-series collections by series only, so
//! both readings stay, and the newer `_id` is the newer one.

pub mod bookkeeping;
pub mod bson;
pub mod collections;
pub mod commit;
mod dropped;
pub mod events;
pub mod insert;
pub mod lookup;
pub mod readings;
pub mod resync;

use crate::batch::Batch;
use crate::capacity::Capacity;
use crate::error::{SinkError, answered};
use crate::target::{Committed, Target};
use ::bson::doc;
use bookkeeping::{Bookkeeping, MirrorPosition, SINK};
use genims_catalogue::Directory;
use genims_model::Position;
use insert::InsertOptions;
use mongodb::{Client, Database};
use std::ops::Range;
use std::sync::Arc;
use uuid::Uuid;

/// The names of the two databases.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MongoNames {
    pub database: String,
    pub internal: String,
}

impl Default for MongoNames {
    fn default() -> Self {
        Self { database: "genims_production".to_owned(), internal: "genims_internal".to_owned() }
    }
}

/// See the module's header.
pub struct MongoTarget {
    client: Client,
    names: MongoNames,
    directory: Arc<Directory>,
    /// What is expired is judged as of this moment; of the present if not given.
    as_of_us: Option<i64>,
    session: Option<Session>,
    /// Documents in one command.
    capacity: Capacity,
    /// The batch whose end is not known; it outlives the connection, and positions that are lost.
    unfinished: Range<u64>,
}

/// What is known since the last `open`.
struct Session {
    spool_id: Uuid,
    /// The log's earlier name, which documents of the uncertain range may bear.
    earlier: Option<Uuid>,
    /// What the log gave: later positions are of its history.
    start: Position,
    database: Database,
    bookkeeping: Bookkeeping,
    options: InsertOptions,
    as_of_us: Option<i64>,
    /// Records below this may be there already.
    uncertain_below: u64,
    /// The collections that are time series; an insert into one that was dropped would make an ordinary one.
    time_series: Vec<&'static str>,
}

impl MongoTarget {
    pub fn new(client: Client, names: MongoNames, directory: Arc<Directory>) -> Self {
        let (as_of_us, session, capacity) = (None, None, Capacity::default());
        Self { client, names, directory, as_of_us, session, capacity, unfinished: 0..0 }
    }

    /// For a history that ends in the past: what of it had not expired when it ended is written, whenever that is done.
    pub fn as_of(self, as_of_us: i64) -> Self {
        Self { as_of_us: Some(as_of_us), ..self }
    }
}

impl MongoTarget {
    /// The offsets of the unfinished batch, if it comes again: what was under way here, or else what MongoDB remembers.
    fn rewritten(&self, position: &MirrorPosition) -> Range<u64> {
        let (begin, end) = (position.reached.next_offset(), position.intent_offset);
        let is_known = !self.unfinished.is_empty() && begin <= self.unfinished.start;
        if is_known { self.unfinished.clone() } else { begin..end }
    }
}

impl Target for MongoTarget {
    fn name(&self) -> &'static str {
        SINK
    }

    async fn open(&mut self, start: &Position, written: u64) -> Result<Position, SinkError> {
        let log = start.log();
        if let Some(session) = &mut self.session {
            let position = answered(session.bookkeeping.position(start)).await?;
            session.uncertain_below = session.uncertain_below.max(position.intent_offset).max(written);
            return Ok(position.reached);
        }
        let database = self.client.database(&self.names.database);
        let hello = answered(async { database.run_command(doc! { "hello": 1 }).await }).await?;
        let standalone = !hello.contains_key("setName") && hello.get_str("msg").ok() != Some("isdbgrid");
        answered(collections::ensure(&database, &collections::ALL)).await?;
        let bookkeeping = Bookkeeping::new(&self.client, &self.names.internal, log);
        let position = answered(bookkeeping.position(start)).await?;
        dropped::remake_unfinished(&database, log, self.rewritten(&position)).await?;
        let time_series = answered(collections::time_series(&database)).await?;
        self.session = Some(Session {
            spool_id: log,
            earlier: position.earlier,
            start: start.clone(),
            database,
            bookkeeping,
            options: InsertOptions { comment: format!("genims-sink {log}"), majority: !standalone },
            as_of_us: self.as_of_us,
            uncertain_below: position.intent_offset.max(written),
            time_series,
        });
        Ok(position.reached)
    }

    fn close(&mut self) {
        self.session = None;
    }

    async fn commit(&mut self, batch: &Batch, position: u64) -> Result<Committed, SinkError> {
        let catalogue = self.directory.load();
        let session = self.session.as_mut().ok_or_else(|| SinkError::Connect("no connection is open".into()))?;
        if position < session.uncertain_below {
            answered(lookup::nothing_runs(&self.client, &session.options.comment)).await?;
        }
        self.unfinished = batch.first_offset..batch.next_offset;
        let committed = commit::commit(session, batch, position, &catalogue, &mut self.capacity).await?;
        self.unfinished = 0..0;
        Ok(committed)
    }

    /// The ledger has the figures; no account waits for them.
    async fn recall(&mut self, _batch: &Batch) -> Result<Committed, SinkError> {
        Ok(Committed::default())
    }
}
