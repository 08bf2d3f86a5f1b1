//! The position and the ledger, in database `genims_internal` on the same server.
//!
//! MongoDB's time-series collections take part in no transaction, so the position cannot move together with a batch. It
//! moves in two steps: before the batch `intent_offset` says how far the writing may have come, after it `next_offset`
//! says what is there. In between, and after any crash, the records from one to the other are uncertain: some may be there.
//! The position is journaled; the server's journal is in order, so what was written before it is then durable as well.

use crate::error::SinkError;
use bson::{DateTime, Document, doc};
use mongodb::action::Action;
use mongodb::options::{Acknowledgment, WriteConcern};
use mongodb::{Client, Collection};
use uuid::Uuid;

/// The sink's name in `sink_positions` and in the spool's cursors.
pub const SINK: &str = "mongodb";

pub struct Bookkeeping {
    positions: Collection<Document>,
    ledger: Collection<Document>,
    spool_id: String,
}

/// Where a log's mirror stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub next_offset: u64,
    /// Records from `next_offset` up to here may be there.
    pub intent_offset: u64,
}

/// A document of `ingest_batches`: what of a batch is in which collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    pub sensor_readings: u64,
    pub scada_events: u64,
    pub machine_fault_events: u64,
    pub oee_metrics: u64,
    /// Not written: older than the collection keeps.
    pub expired: u64,
    /// Not written: MongoDB refused the document.
    pub refused: u64,
    /// Readings of sensors that the catalogue does not know: PostgreSQL has them as dead letters.
    pub unknown: u64,
    /// Already there from an attempt whose end was not known; part of the counts above.
    pub found: u64,
    /// Of all documents of the batch: when the first and the last of them expire follows from it.
    pub timestamp_min_us: Option<i64>,
    pub timestamp_max_us: Option<i64>,
}

impl Ledger {
    /// The batch's span covers these times, too.
    pub fn span(&mut self, times_us: impl Iterator<Item = i64>) {
        for time_us in times_us {
            self.timestamp_min_us = Some(self.timestamp_min_us.map_or(time_us, |min| min.min(time_us)));
            self.timestamp_max_us = Some(self.timestamp_max_us.map_or(time_us, |max| max.max(time_us)));
        }
    }
}

impl Bookkeeping {
    pub fn new(client: &Client, database: &str, spool_id: Uuid) -> Self {
        let database = client.database(database);
        let (positions, ledger) = (database.collection("sink_positions"), database.collection("ingest_batches"));
        Self { positions, ledger, spool_id: spool_id.to_string() }
    }

    fn id(&self) -> Document {
        doc! { "spool_id": &self.spool_id, "sink": SINK }
    }

    /// What the server remembers; a log it does not know starts at `start`.
    pub async fn position(&self, start: u64) -> Result<Position, SinkError> {
        let fresh = doc! { "$setOnInsert": { "next_offset": start as i64, "intent_offset": start as i64 } };
        self.positions.update_one(doc! { "_id": self.id() }, fresh).upsert(true).write_concern(durable()).await?;
        let found = self.positions.find_one(doc! { "_id": self.id() }).await?.unwrap_or_default();
        let offset = |name: &str| found.get_i64(name).unwrap_or_default() as u64;
        Ok(Position { next_offset: offset("next_offset"), intent_offset: offset("intent_offset") })
    }

    /// Before the first document of a batch is sent.
    pub async fn intend(&self, position: u64, intent: u64) -> Result<(), SinkError> {
        self.update(position, doc! { "$set": { "intent_offset": intent as i64 } }, None).await
    }

    /// After the last document of a batch is there.
    pub async fn advance(&self, position: u64, next_offset: u64) -> Result<(), SinkError> {
        let update = doc! {
            "$set": { "next_offset": next_offset as i64, "updated_at": DateTime::now() },
        };
        self.update(position, update, Some(durable())).await
    }

    async fn update(&self, expected: u64, update: Document, concern: Option<WriteConcern>) -> Result<(), SinkError> {
        let filter = doc! { "_id": self.id(), "next_offset": expected as i64 };
        let update = self.positions.update_one(filter, update);
        let update = update.optional(concern, |update, concern| update.write_concern(concern));
        match update.await?.matched_count {
            1 => Ok(()),
            _ => Err(SinkError::PositionMoved { expected }),
        }
    }

    /// Enters a batch, in place of an earlier attempt that began at the same offset.
    pub async fn enter(&self, first_offset: u64, next_offset: u64, ledger: &Ledger) -> Result<(), SinkError> {
        let id = doc! { "spool_id": &self.spool_id, "first_offset": first_offset as i64 };
        let time = |timestamp_us: Option<i64>| timestamp_us.map(|us| DateTime::from_millis(us.div_euclid(1_000)));
        let entry = doc! {
            "_id": &id,
            "next_offset": next_offset as i64,
            "sensor_readings": ledger.sensor_readings as i64,
            "scada_events": ledger.scada_events as i64,
            "machine_fault_events": ledger.machine_fault_events as i64,
            "oee_metrics": ledger.oee_metrics as i64,
            "expired": ledger.expired as i64,
            "refused": ledger.refused as i64,
            "unknown": ledger.unknown as i64,
            "found": ledger.found as i64,
            "timestamp_min": time(ledger.timestamp_min_us),
            "timestamp_max": time(ledger.timestamp_max_us),
            "committed_at": DateTime::now(),
        };
        self.ledger.replace_one(doc! { "_id": id }, entry).upsert(true).await?;
        Ok(())
    }
}

/// On the disk of the majority.
fn durable() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}
