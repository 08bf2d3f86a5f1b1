//! The position and the ledger, in database `genims_internal` on the same server.
//!
//! MongoDB's time-series collections take part in no transaction, so the position cannot move together with a batch. It
//! moves in two steps: before the batch `intent_offset` says how far the writing may have come, after it `next_offset`
//! says what is there. In between, and after any crash, the records from one to the other are uncertain: some may be there.
//! The position is journaled; the server's journal is in order, so what was written before it is then durable as well.
//!
//! A position may be put back without the ledger. Then batches are entered once more, with other ends than before:
//!
//! - No two entries of a log overlap: one takes the place of all that begin inside it.
//! - A position inside an entry goes back to where that begins, for nothing tells how much of it lies before the position.
//! - What has been entered may be there, whatever the position says.

use crate::error::{SinkError, answered};
use bson::{Bson, DateTime, Document, doc};
use futures_util::TryStreamExt;
use genims_databases::mongo::durable;
use genims_model::Position;
use mongodb::action::Action;
use mongodb::options::WriteConcern;
use mongodb::{Client, Collection};
use std::ops::Range;
use uuid::Uuid;

/// The sink's name in `sink_positions` and in the spool's cursors.
pub const SINK: &str = "mongodb";

pub struct Bookkeeping {
    positions: Collection<Document>,
    ledger: Collection<Document>,
    log: Uuid,
    /// The same as it is stored.
    spool_id: String,
}

/// Where a log's mirror stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorPosition {
    pub reached: Position,
    /// The log's earlier name: documents of the uncertain range may bear it.
    pub earlier: Option<Uuid>,
    /// Records from the position up to here may be there.
    pub intent_offset: u64,
}

/// A document of `ingest_batches`: what of a batch is in which collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerDocument {
    pub sensor_readings: u64,
    pub scada_events: u64,
    pub machine_fault_events: u64,
    pub oee_metrics: u64,
    /// Readings not written: older than the collection keeps.
    pub expired: u64,
    /// The same of everything else.
    pub expired_events: u64,
    /// Not written: MongoDB refused the document.
    pub refused: u64,
    /// Readings of sensors that the catalogue does not know: PostgreSQL has them as dead letters.
    pub unknown: u64,
    /// Already there from an attempt whose end was not known; part of the counts above.
    pub found: u64,
    /// Brought back from PostgreSQL: how many readings of these offsets PostgreSQL accounts for beyond `sensor_readings`.
    /// They were replaced there, are older than the collection keeps, or were here before.
    pub not_mirrored: i64,
    /// Of all documents of the batch: when the first and the last of them expire follows from it.
    pub timestamp_min_us: Option<i64>,
    pub timestamp_max_us: Option<i64>,
}

impl LedgerDocument {
    /// The batch's span covers these times, too.
    pub fn span(&mut self, times_us: impl Iterator<Item = i64>) {
        for time_us in times_us {
            self.timestamp_min_us = Some(self.timestamp_min_us.map_or(time_us, |min| min.min(time_us)));
            self.timestamp_max_us = Some(self.timestamp_max_us.map_or(time_us, |max| max.max(time_us)));
        }
    }
}

impl Bookkeeping {
    pub fn new(client: &Client, database: &str, log: Uuid) -> Self {
        let database = client.database(database);
        let (positions, ledger) = (database.collection("sink_positions"), database.collection("ingest_batches"));
        Self { positions, ledger, log, spool_id: log.to_string() }
    }

    fn id(&self) -> Document {
        doc! { "spool_id": &self.spool_id, "sink": SINK }
    }

    /// What the server remembers; a log it does not know starts at `start`.
    pub async fn position(&self, start: &Position) -> Result<MirrorPosition, SinkError> {
        if let Some(known) = self.remembered().await? {
            return self.between_entries(known).await;
        }
        let fresh = MirrorPosition { reached: start.clone(), earlier: None, intent_offset: start.next_offset() };
        self.remember(&fresh).await?;
        let known = self.remembered().await?.unwrap_or(fresh);
        self.between_entries(known).await
    }

    /// The position where a batch ends or begins, with all that was entered as what may be there.
    async fn between_entries(&self, known: MirrorPosition) -> Result<MirrorPosition, SinkError> {
        let entered = self.last_entry(None).await?.map_or(0, |entry| entry.end);
        let intent_offset = known.intent_offset.max(entered);
        let position = known.reached.next_offset();
        match self.last_entry(Some(position)).await? {
            Some(entry) if entry.end > position => {
                let begins = entry.start;
                tracing::warn!(
                    position,
                    begins,
                    "the mirror's position was put back into a batch; it goes on where that begins"
                );
                let back = doc! { "next_offset": begins as i64, "intent_offset": intent_offset as i64 };
                self.update(position, doc! { "$set": back }, Some(durable())).await?;
                Ok(MirrorPosition { reached: known.reached.moved_to(begins), intent_offset, ..known })
            }
            _ => Ok(MirrorPosition { intent_offset, ..known }),
        }
    }

    /// The offsets of the newest batch that was entered, or of the newest that begins below `below`.
    async fn last_entry(&self, below: Option<u64>) -> Result<Option<Range<u64>>, SinkError> {
        let below = below.map_or(Bson::MaxKey, |below| Bson::Int64(below as i64));
        let entries = doc! { "_id": { "$gte": self.entry(Bson::MinKey), "$lt": self.entry(below) } };
        let Some(found) = self.ledger.find_one(entries).sort(doc! { "_id": -1 }).await? else { return Ok(None) };
        let first = found.get_document("_id").and_then(|id| id.get_i64("first_offset")).unwrap_or_default();
        Ok(Some(first as u64..found.get_i64("next_offset").unwrap_or_default() as u64))
    }

    /// The name of a batch in the ledger; names ascend with the offsets.
    fn entry(&self, first_offset: Bson) -> Document {
        doc! { "spool_id": &self.spool_id, "first_offset": first_offset }
    }

    /// What the server remembers; it is asked often, so nothing is written.
    pub async fn remembered(&self) -> Result<Option<MirrorPosition>, SinkError> {
        let Some(found) = self.positions.find_one(doc! { "_id": self.id() }).await? else { return Ok(None) };
        let offset = |name: &str| found.get_i64(name).unwrap_or_default() as u64;
        let history = found.get_str("history").unwrap_or_default();
        Ok(Some(MirrorPosition {
            reached: Position::from_stored(self.log, offset("next_offset"), history)?,
            intent_offset: offset("intent_offset"),
            earlier: found.get_str("earlier_id").ok().and_then(|id| Uuid::parse_str(id).ok()),
        }))
    }

    /// Stores the position of a log that the server does not know.
    pub async fn remember(&self, position: &MirrorPosition) -> Result<(), SinkError> {
        let mut fresh = doc! {
            "next_offset": position.reached.next_offset() as i64,
            "intent_offset": position.intent_offset as i64,
            "history": position.reached.history(),
        };
        if let Some(earlier) = position.earlier {
            fresh.insert("earlier_id", earlier.to_string());
        }
        let insert = self.positions.update_one(doc! { "_id": self.id() }, doc! { "$setOnInsert": fresh });
        insert.upsert(true).write_concern(durable()).await?;
        Ok(())
    }

    /// Before the first document of a batch is sent.
    pub(crate) async fn intend(&self, position: u64, intent: u64) -> Result<(), SinkError> {
        self.update(position, doc! { "$set": { "intent_offset": intent as i64 } }, None).await
    }

    /// After the last document of a batch is there, whose records came since `received_us`.
    pub async fn advance(&self, position: u64, reached: &Position, received_us: Option<i64>) -> Result<(), SinkError> {
        let (offset, history) = (reached.next_offset() as i64, reached.history());
        let mut set = doc! { "next_offset": offset, "history": history, "updated_at": DateTime::now() };
        if let Some(received_us) = received_us {
            set.insert("received_from", DateTime::from_millis(received_us.div_euclid(1_000)));
        }
        self.update(position, doc! { "$set": set }, Some(durable())).await
    }

    /// When the oldest record of the last batch was received; `None` before the first one.
    pub async fn received_from(&self) -> Result<Option<i64>, SinkError> {
        let found = answered(async { self.positions.find_one(doc! { "_id": self.id() }).await }).await?;
        let time = found.and_then(|found| found.get_datetime("received_from").ok().copied());
        Ok(time.map(|time| time.timestamp_millis() * 1_000))
    }

    /// Readings below `position` that the ledger accounts for, in the mirror or not.
    pub async fn readings_accounted(&self, position: u64) -> Result<i64, SinkError> {
        let counts = ["$sensor_readings", "$expired", "$not_mirrored"].map(|field| doc! { "$ifNull": [field, 0] });
        let pipeline = [
            doc! { "$match": { "_id.spool_id": &self.spool_id, "_id.first_offset": { "$lt": position as i64 } } },
            doc! { "$group": { "_id": null, "sum": { "$sum": { "$add": counts.to_vec() } } } },
        ];
        let mut sums = answered(async { self.ledger.aggregate(pipeline).await }).await?;
        let sum = answered(sums.try_next()).await?.unwrap_or_default();
        Ok(sum.get_i64("sum").or_else(|_| sum.get_i32("sum").map(i64::from)).unwrap_or(0))
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

    /// Enters a batch, in place of earlier ones that began at the same offset or inside it.
    pub async fn enter(&self, first_offset: u64, next_offset: u64, ledger: &LedgerDocument) -> Result<(), SinkError> {
        let id = self.entry(Bson::Int64(first_offset as i64));
        let inside = doc! { "$gt": &id, "$lt": self.entry(Bson::Int64(next_offset as i64)) };
        self.ledger.delete_many(doc! { "_id": inside }).await?;
        let time = |timestamp_us: Option<i64>| timestamp_us.map(|us| DateTime::from_millis(us.div_euclid(1_000)));
        let entry = doc! {
            "_id": &id,
            "next_offset": next_offset as i64,
            "sensor_readings": ledger.sensor_readings as i64,
            "scada_events": ledger.scada_events as i64,
            "machine_fault_events": ledger.machine_fault_events as i64,
            "oee_metrics": ledger.oee_metrics as i64,
            "expired": ledger.expired as i64,
            "expired_events": ledger.expired_events as i64,
            "refused": ledger.refused as i64,
            "unknown": ledger.unknown as i64,
            "found": ledger.found as i64,
            "not_mirrored": ledger.not_mirrored,
            "timestamp_min": time(ledger.timestamp_min_us),
            "timestamp_max": time(ledger.timestamp_max_us),
            "committed_at": DateTime::now(),
        };
        self.ledger.replace_one(doc! { "_id": id }, entry).upsert(true).await?;
        Ok(())
    }
}
