//! One batch: intent, look, insert, ledger, position.

use crate::batch::Batch;
use crate::capacity::Capacity;
use crate::error::{SinkError, answered};
use crate::mongo::Session;
use crate::mongo::bookkeeping::LedgerDocument;
use crate::mongo::collections::{MACHINE_FAULT_EVENTS, OEE_METRICS, SCADA_EVENTS, SENSOR_READINGS, TimeSeries};
use crate::mongo::dropped;
use crate::mongo::events::{EventCollection, EventDocument, EventEncoder};
use crate::mongo::insert::{Insert, WriteError};
use crate::mongo::lookup::existing;
use crate::mongo::readings::ReadingEncoder;
use crate::order::{OrderedReading, sorted};
use crate::target::Committed;
use genims_catalogue::Catalogue;
use genims_model::now_us;
use hashbrown::HashSet;
use std::ops::Range;

/// The collections besides the readings'.
const EVENT_PLACES: [(EventCollection, TimeSeries); 3] = [
    (EventCollection::ScadaEvents, SCADA_EVENTS),
    (EventCollection::MachineFaultEvents, MACHINE_FAULT_EVENTS),
    (EventCollection::OeeMetrics, OEE_METRICS),
];

/// Writes the batch behind `position`.
pub(super) async fn commit(
    session: &mut Session,
    batch: &Batch,
    position: u64,
    catalogue: &Catalogue,
    capacity: &mut Capacity,
) -> Result<Committed, SinkError> {
    let mut uncertain = batch.first_offset..session.uncertain_below.clamp(batch.first_offset, batch.next_offset);
    answered(session.bookkeeping.intend(position, session.uncertain_below.max(batch.next_offset))).await?;
    session.uncertain_below = session.uncertain_below.max(batch.next_offset);

    let offsets = batch.first_offset..batch.next_offset;
    let received_us = batch.oldest_received_us;
    loop {
        let mut writer = Writer { session, capacity, uncertain, ledger: LedgerDocument::default(), bytes: 0 };
        writer.readings(batch, catalogue).await?;
        writer.events(batch, catalogue).await?;
        let Writer { ledger, bytes, .. } = writer;
        if dropped::remake(&session.database, session.spool_id, offsets.clone(), &session.time_series).await? {
            // What the other collections took is there.
            uncertain = offsets.clone();
            continue;
        }
        answered(session.bookkeeping.enter(batch.first_offset, batch.next_offset, &ledger)).await?;
        let reached = session.start.moved_to(batch.next_offset);
        answered(session.bookkeeping.advance(position, &reached, received_us)).await?;
        return Ok(Committed {
            refused_uncounted: ledger.refused,
            expired: ledger.expired,
            bytes,
            ..Committed::default()
        });
    }
}

/// One batch on its way.
struct Writer<'a> {
    session: &'a Session,
    capacity: &'a mut Capacity,
    /// Offsets that may be there already.
    uncertain: Range<u64>,
    ledger: LedgerDocument,
    bytes: u64,
}

impl Writer<'_> {
    async fn readings(&mut self, batch: &Batch, catalogue: &Catalogue) -> Result<(), SinkError> {
        let expired_below_us = SENSOR_READINGS.expired_below_us(self.session.as_of_us.unwrap_or_else(now_us));
        let (mut expired, mut unknown) = (0, 0);
        let mut rows = sorted(batch, |row| {
            let is_expired = row.reading.timestamp_us < expired_below_us;
            let is_unknown = catalogue.sensor(row.reading.sensor).is_none();
            expired += u64::from(is_expired && !is_unknown);
            unknown += u64::from(is_unknown);
            !is_expired && !is_unknown
        });
        self.ledger.expired += expired;
        self.ledger.unknown += unknown;
        self.ledger.span(rows.iter().map(|row| row.reading.timestamp_us));
        self.ledger.sensor_readings = rows.len() as u64;

        let times = rows.iter().map(|row| (row.offset, row.reading.timestamp_us));
        let found = self.found(SENSOR_READINGS.name, times).await?;
        rows.retain(|row| !found.contains(&row.offset));
        let mut encoder = ReadingEncoder::new(catalogue, self.session.spool_id);
        let encode = |row: &OrderedReading<'_>, out: &mut Vec<u8>| encoder.encode(row.reading, row.offset, out);
        let refused = self.insert(SENSOR_READINGS.name, &rows, encode).await?;
        self.ledger.sensor_readings -= refused;
        Ok(())
    }

    async fn events(&mut self, batch: &Batch, catalogue: &Catalogue) -> Result<(), SinkError> {
        let encoder = EventEncoder { catalogue, spool_id: self.session.spool_id };
        let snapshots = batch.snapshots().map(|(offset, snapshot)| encoder.snapshot(offset, snapshot));
        let events = batch.events().filter_map(|(offset, event)| encoder.event(offset, event));
        let all: Vec<EventDocument> = snapshots.chain(events).collect();
        for (place, collection) in EVENT_PLACES {
            let expired_below_us = collection.expired_below_us(self.session.as_of_us.unwrap_or_else(now_us));
            let here = all.iter().filter(|document| document.place == place);
            let (mut kept, expired): (Vec<_>, Vec<_>) =
                here.partition(|document| document.timestamp_us >= expired_below_us);
            self.ledger.span(kept.iter().map(|document| document.timestamp_us));
            let times = kept.iter().map(|document| (document.offset, document.timestamp_us));
            let found = self.found(collection.name, times).await?;
            let total = kept.len() as u64;
            kept.retain(|document| !found.contains(&document.offset));
            let encode = |document: &&EventDocument, out: &mut Vec<u8>| out.extend_from_slice(&document.bytes);
            let refused = self.insert(collection.name, &kept, encode).await?;
            self.ledger.expired_events += expired.len() as u64;
            *self.count(place) = total - refused;
        }
        Ok(())
    }

    fn count(&mut self, place: EventCollection) -> &mut u64 {
        match place {
            EventCollection::ScadaEvents => &mut self.ledger.scada_events,
            EventCollection::MachineFaultEvents => &mut self.ledger.machine_fault_events,
            EventCollection::OeeMetrics => &mut self.ledger.oee_metrics,
        }
    }

    /// Which of the uncertain records `(offset, timestamp_us)` are there.
    async fn found(
        &mut self,
        collection: &str,
        records: impl Iterator<Item = (u64, i64)>,
    ) -> Result<HashSet<u64>, SinkError> {
        if self.uncertain.is_empty() {
            return Ok(HashSet::new());
        }
        let uncertain = self.uncertain.clone();
        let times: Vec<i64> = records.filter(|(offset, _)| uncertain.contains(offset)).map(|(_, time)| time).collect();
        let session = self.session;
        let mut found = HashSet::new();
        for id in [session.spool_id].into_iter().chain(session.earlier) {
            found.extend(existing(&session.database, collection, id, uncertain.clone(), Vec::clone(&times)).await?);
        }
        self.ledger.found += found.len() as u64;
        Ok(found)
    }

    /// Inserts in as few commands as the server's bounds allow; answers how many documents it refused.
    async fn insert<D>(
        &mut self,
        collection: &str,
        documents: &[D],
        mut encode: impl FnMut(&D, &mut Vec<u8>),
    ) -> Result<u64, SinkError> {
        let mut refused = 0;
        let mut rest = documents;
        while !rest.is_empty() {
            let mut insert = Insert::new(collection, &self.session.options, rest.len());
            while let Some((document, behind)) = rest.split_first() {
                if insert.is_full() || insert.documents() as u64 >= self.capacity.max() {
                    break;
                }
                insert.push(|out| encode(document, out));
                rest = behind;
            }
            self.bytes += insert.bytes() as u64;
            let documents = insert.documents() as u64;
            let errors = match answered(insert.send(&self.session.database)).await {
                Err(error) if error.is_too_much() => {
                    self.capacity.too_much(documents);
                    return Err(error);
                }
                sent => sent?,
            };
            self.capacity.fitted(documents);
            if let Some(WriteError { code, message, .. }) = errors.first() {
                tracing::error!(collection, code, message, count = errors.len(), "MongoDB refused documents");
            }
            refused += errors.len() as u64;
        }
        self.ledger.refused += refused;
        Ok(refused)
    }
}
