//! Brings a mirror back that lacks what the log no longer holds: what PostgreSQL has and the mirror has not is written, and
//! the mirror's position moves to where PostgreSQL stood.
//!
//! In: one moment of `genims_operations_db`. Out: the missing documents, a row of the ledger, the position.
//!
//! - Records are compared by what they say (whose, when, how much), as often as they are there: run again after a crash,
//!   nothing is there twice.
//! - Only rows are compared that came since the mirror's last batch; a day's margin covers records that waited in front of a
//!   full log. A bring-back right after another looks only at what that one had not seen: each is shorter than the one
//!   before, until the log holds what comes meanwhile.

use crate::error::{SinkError, answered};
use crate::mongo::bookkeeping::LedgerDocument;
use crate::mongo::collections::{MACHINE_FAULT_EVENTS, SCADA_EVENTS, SENSOR_READINGS, TimeSeries};
use crate::mongo::events::{EventDocument, EventEncoder};
use crate::mongo::insert::Insert;
use crate::mongo::lookup::nothing_runs;
use crate::mongo::readings::ReadingEncoder;
use crate::mongo::{MongoTarget, Session};
use crate::order::DAY_US;
use crate::postgres::stored::{NewestRow, Of, RowsSince, Series, Stored};
use crate::target::Target;
use bson::{DateTime, Document, doc};
use futures_util::TryStreamExt;
use genims_model::{Event, Position, now_us};
use hashbrown::HashMap;
use std::ops::Range;
use uuid::Uuid;

/// Rows of PostgreSQL that are compared at once.
const ROWS_AT_ONCE: u64 = 50_000;
const MARGIN_US: i64 = DAY_US;

/// Up to where the operations database was looked at, and the position that the mirror got by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    position: u64,
    reading: Option<NewestRow>,
    snapshot: Option<NewestRow>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resynced {
    pub readings: u64,
    pub snapshots: u64,
    pub faults: u64,
    /// Rows of sensors or machines that the catalogue does not know.
    pub unknown: u64,
}

/// Whose, when, how much; milliseconds, because that is what MongoDB keeps, and the four decimals of the contract.
type Key = (String, i64, i64);

impl MongoTarget {
    /// `start`: where the log begins; `reached`: where PostgreSQL stood; `compared`: what an earlier one has done, and then
    /// what this one has.
    pub async fn resync(
        &mut self,
        stored: &Stored,
        start: &Position,
        reached: &Position,
        compared: &mut Compared,
        told: &(dyn Fn(&Resynced) + Send + Sync),
    ) -> Result<Resynced, SinkError> {
        let position = self.open(start, 0).await?.next_offset();
        let session = self.session.as_ref().ok_or_else(|| SinkError::Connect("no connection is open".into()))?;
        answered(nothing_runs(&self.client, &session.options.comment)).await?;
        let since_us = session.bookkeeping.received_from().await?.map_or(0, |us| (us - MARGIN_US).max(0));
        let (id, number) = (apart_from(start.log()), now_us().unsigned_abs());
        // A mirror that went back lacks what was compared before, too.
        let before = std::mem::take(compared);
        let before = if position >= before.position { before } else { Compared::default() };
        let mut resync = Resync { session, stored, since_us, id, number, done: Resynced::default(), told };
        let reading = resync.readings(before.reading).await?;
        let snapshot = resync.snapshots(before.snapshot).await?;
        resync.faults().await?;
        let done = resync.done;

        let accounted = stored.readings_accounted(start.log()).await?;
        let before = session.bookkeeping.readings_accounted(position).await?;
        let ledger = LedgerDocument {
            sensor_readings: done.readings,
            scada_events: done.snapshots,
            machine_fault_events: done.faults,
            unknown: done.unknown,
            not_mirrored: accounted - before - done.readings as i64,
            ..LedgerDocument::default()
        };
        let end = reached.next_offset();
        answered(session.bookkeeping.enter(position, end, &ledger)).await?;
        answered(session.bookkeeping.intend(position, session.uncertain_below.max(end))).await?;
        answered(session.bookkeeping.advance(position, reached, None)).await?;
        *compared = Compared { position: end, reading, snapshot };
        // The next `open` begins anew.
        self.close();
        Ok(done)
    }
}

struct Resync<'a> {
    session: &'a Session,
    stored: &'a Stored,
    since_us: i64,
    /// Names of documents that have no place in the log: under an id apart from the log's, numbered from the microsecond of
    /// the beginning on, which no later resync reaches.
    id: Uuid,
    number: u64,
    done: Resynced,
    told: &'a (dyn Fn(&Resynced) + Send + Sync),
}

impl Resync<'_> {
    fn oldest_us(&self, collection: &TimeSeries) -> i64 {
        collection.expired_below_us(self.session.as_of_us.unwrap_or_else(now_us)).max(0)
    }

    async fn since(&self, of: Of, before: Option<&NewestRow>) -> Result<RowsSince, SinkError> {
        Ok(RowsSince { received_us: self.since_us, above: self.stored.above(of, before).await? })
    }

    /// Answers which row was the newest.
    async fn readings(&mut self, before: Option<NewestRow>) -> Result<Option<NewestRow>, SinkError> {
        let oldest_us = self.oldest_us(&SENSOR_READINGS);
        let since = self.since(Of::Readings, before.as_ref()).await?;
        let series = self.stored.series(Of::Readings, since, oldest_us).await?;
        for part in parts(&series) {
            let times = part.times.start.max(oldest_us)..part.times.end;
            let found = self.stored.readings(&part.ids, times.clone(), since).await?;
            let id = |document: &Document| document.get_str("sensor_id").unwrap_or_default().to_owned();
            let value = |document: &Document| scaled(document.get_f64("value").unwrap_or_default());
            let filter = doc! { "meta.sensor_id": { "$in": part.ids.as_slice() } };
            let mut there = self.there(&SENSOR_READINGS, filter, times, id, value).await?;
            let mut encoder = ReadingEncoder::new(self.stored.catalogue(), self.id);
            let mut missing = Vec::new();
            for reading in &found.records {
                let Some(entry) = self.stored.catalogue().sensor(reading.sensor) else { continue };
                let time_ms = reading.timestamp_us.div_euclid(1_000);
                if !take(&mut there, (entry.sensor.sensor_id.clone(), time_ms, scaled(reading.value))) {
                    let mut bytes = Vec::with_capacity(288);
                    encoder.encode(reading, self.number, &mut bytes);
                    self.number += 1;
                    missing.push(bytes);
                }
            }
            self.done.unknown += found.unknown;
            self.done.readings += self.insert(&SENSOR_READINGS, &missing).await?;
            (self.told)(&self.done);
        }
        Ok(NewestRow::of(&series).or(before))
    }

    /// Answers which row was the newest.
    async fn snapshots(&mut self, before: Option<NewestRow>) -> Result<Option<NewestRow>, SinkError> {
        let oldest_us = self.oldest_us(&SCADA_EVENTS);
        let since = self.since(Of::Snapshots, before.as_ref()).await?;
        let series = self.stored.series(Of::Snapshots, since, oldest_us).await?;
        for part in parts(&series) {
            let times = part.times.start.max(oldest_us)..part.times.end;
            let found = self.stored.snapshots(&part.ids, times.clone(), since).await?;
            let filter = doc! { "meta.machine_id": { "$in": part.ids.as_slice() }, "event_type": "snapshot" };
            let mut there = self.there(&SCADA_EVENTS, filter, times, machine_id, |_| 0).await?;
            let mut missing = Vec::new();
            for snapshot in &found.records {
                let Some(entry) = self.stored.catalogue().machine(snapshot.machine) else { continue };
                let time_ms = snapshot.timestamp_us.div_euclid(1_000);
                if !take(&mut there, (entry.machine.machine_id.clone(), time_ms, 0)) {
                    missing.push(self.encoder().snapshot(self.number, snapshot).bytes);
                    self.number += 1;
                }
            }
            self.done.unknown += found.unknown;
            self.done.snapshots += self.insert(&SCADA_EVENTS, &missing).await?;
            (self.told)(&self.done);
        }
        Ok(NewestRow::of(&series).or(before))
    }

    async fn faults(&mut self) -> Result<(), SinkError> {
        let found = self.stored.faults(self.since_us).await?;
        let all: Vec<(&Event, EventDocument)> = found
            .records
            .iter()
            .enumerate()
            .filter_map(|(index, event)| Some((event, self.encoder().event(self.number + index as u64, event)?)))
            .collect();
        self.number += found.records.len() as u64;
        let times = all.iter().map(|(_, document)| document.timestamp_us);
        let (Some(first_us), Some(last_us)) = (times.clone().min(), times.max()) else { return Ok(()) };
        // A machine may have several faults at once: the code belongs to the name, and whether it opens or closes.
        let name = |document: &Document| {
            let [kind, code] = ["event_type", "fault_code"].map(|field| document.get_str(field).unwrap_or_default());
            format!("{} {kind} {code}", machine_id(document))
        };
        let mut there =
            self.there(&MACHINE_FAULT_EVENTS, doc! {}, first_us..last_us.saturating_add(1), name, |_| 0).await?;
        let mut missing = Vec::new();
        for (_, document) in all {
            let Ok(read) = Document::from_reader(document.bytes.as_slice()) else { continue };
            let machine = read.get_document("meta").ok().and_then(|meta| meta.get_str("machine_id").ok());
            let flat = doc! {
                "machine_id": machine.unwrap_or_default(),
                "event_type": read.get_str("event_type").unwrap_or_default(),
                "fault_code": read.get_str("fault_code").unwrap_or_default(),
            };
            if !take(&mut there, (name(&flat), document.timestamp_us.div_euclid(1_000), 0)) {
                missing.push(document.bytes);
            }
        }
        self.done.unknown += found.unknown;
        self.done.faults += self.insert(&MACHINE_FAULT_EVENTS, &missing).await?;
        (self.told)(&self.done);
        Ok(())
    }

    fn encoder(&self) -> EventEncoder<'_> {
        EventEncoder { catalogue: self.stored.catalogue(), spool_id: self.id }
    }

    /// How often the mirror holds each of the records that the filter and the times name.
    async fn there(
        &self,
        collection: &TimeSeries,
        mut filter: Document,
        times: Range<i64>,
        name: impl Fn(&Document) -> String,
        value: impl Fn(&Document) -> i64,
    ) -> Result<HashMap<Key, u32>, SinkError> {
        // Whole milliseconds, those at both ends too: that is what the documents have.
        let (first, end) = (times.start.div_euclid(1_000), times.end.saturating_add(999).div_euclid(1_000));
        filter.insert("timestamp", doc! { "$gte": DateTime::from_millis(first), "$lt": DateTime::from_millis(end) });
        let fields = doc! {
            "_id": 0, "timestamp": 1, "value": 1, "event_type": 1, "fault_code": 1,
            "sensor_id": "$meta.sensor_id", "machine_id": "$meta.machine_id",
        };
        let collection = self.session.database.collection::<Document>(collection.name);
        let find = collection.find(filter).projection(fields).batch_size(50_000);
        let mut found = answered(async { find.await }).await?;
        let mut there = HashMap::new();
        while let Some(document) = answered(found.try_next()).await? {
            let time_ms = document.get_datetime("timestamp").map_or(0, |time| time.timestamp_millis());
            *there.entry((name(&document), time_ms, value(&document))).or_default() += 1;
        }
        Ok(there)
    }

    /// Answers how many documents the server took.
    async fn insert(&self, collection: &TimeSeries, documents: &[Vec<u8>]) -> Result<u64, SinkError> {
        let mut refused = 0;
        let mut rest = documents;
        while !rest.is_empty() {
            let mut insert = Insert::new(collection.name, &self.session.options, rest.len());
            while let Some((document, behind)) = rest.split_first().filter(|_| !insert.is_full()) {
                insert.push(|out| out.extend_from_slice(document));
                rest = behind;
            }
            let errors = answered(insert.send(&self.session.database)).await?;
            if let Some(error) = errors.first() {
                let (code, message) = (error.code, &error.message);
                tracing::error!(collection = collection.name, code, message, count = errors.len(), "refused documents");
            }
            refused += errors.len() as u64;
        }
        Ok(documents.len() as u64 - refused)
    }
}

/// An id whose first bytes, which names of documents begin with, are none of the log's.
fn apart_from(log: Uuid) -> Uuid {
    Uuid::from_bytes(log.into_bytes().map(|byte| !byte))
}

fn machine_id(document: &Document) -> String {
    document.get_str("machine_id").unwrap_or_default().to_owned()
}

/// Takes one of those that are there.
fn take(there: &mut HashMap<Key, u32>, key: Key) -> bool {
    there.get_mut(&key).is_some_and(|count| {
        let is_there = *count > 0;
        *count = count.saturating_sub(1);
        is_there
    })
}

fn scaled(value: f64) -> i64 {
    (value * 10_000.0).round() as i64
}

/// What is compared at once: some series of one day, or a part of a day of one.
#[derive(Debug, PartialEq, Eq)]
struct Part<'a> {
    ids: Vec<&'a str>,
    times: Range<i64>,
}

/// Covers every series once, in parts of about [`ROWS_AT_ONCE`].
fn parts(series: &[Series]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for day in series.chunk_by(|a, b| a.day == b.day) {
        let mut part = Part { ids: Vec::new(), times: 0..0 };
        let mut rows = 0;
        for one in day {
            if one.rows > ROWS_AT_ONCE {
                parts.extend(slices(one));
                continue;
            }
            if rows + one.rows > ROWS_AT_ONCE {
                parts.push(std::mem::replace(&mut part, Part { ids: Vec::new(), times: 0..0 }));
                rows = 0;
            }
            let times = if part.ids.is_empty() { &one.times } else { &part.times };
            part.times = times.start.min(one.times.start)..times.end.max(one.times.end);
            part.ids.push(&one.id);
            rows += one.rows;
        }
        if !part.ids.is_empty() {
            parts.push(part);
        }
    }
    parts
}

/// A series of too many rows, cut by time, no finer than by seconds, and between milliseconds: no document is in two parts.
fn slices(one: &Series) -> impl Iterator<Item = Part<'_>> {
    let Range { start, end } = one.times;
    let most = ((end - start) / 1_000_000).max(1);
    let count = i64::try_from(one.rows.div_ceil(ROWS_AT_ONCE)).unwrap_or(i64::MAX).min(most);
    let cut = move |index: i64| match index {
        0 => start,
        _ if index == count => end,
        _ => (start + (end - start) / count * index) / 1_000 * 1_000,
    };
    (0..count).map(move |index| Part { ids: vec![one.id.as_str()], times: cut(index)..cut(index + 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_covered_once_in_bounded_parts() {
        let of = |id: &str, day: i64, rows, hours: Range<i64>| {
            let at = |hour: i64| day * DAY_US + hour * DAY_US / 24;
            Series { id: id.to_owned(), day, rows, times: at(hours.start)..at(hours.end), newest: 1 }
        };
        let series = [
            of("A", 0, 20_000, 5..7),
            of("B", 0, 30_000, 3..6),
            of("C", 0, 120_000, 0..12),
            of("D", 1, 1, 4..5),
            of("E", 1, ROWS_AT_ONCE, 0..24),
        ];
        let parts = parts(&series);
        let hours = |part: &Part<'_>| [part.times.start, part.times.end].map(|us| us * 24 / DAY_US);
        let covered: Vec<(String, [i64; 2])> = parts.iter().map(|part| (part.ids.concat(), hours(part))).collect();
        let expected = [("C", [0, 4]), ("C", [4, 8]), ("C", [8, 12]), ("AB", [3, 7]), ("D", [28, 29]), ("E", [24, 48])];
        assert_eq!(covered, expected.map(|(ids, hours)| (ids.to_owned(), hours)));
    }

    #[test]
    fn what_is_there_twice_is_taken_twice() {
        let key = || ("A".to_owned(), 1, 2);
        let mut there = HashMap::from([(key(), 2)]);
        assert!(take(&mut there, key()) && take(&mut there, key()) && !take(&mut there, key()));
    }
}
