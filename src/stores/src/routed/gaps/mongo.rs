//! Gaps and facts in MongoDB, in its database `genims_internal`: `route_gaps`, `routed_facts`. What is noted twice, because a batch
//! was written again, is noted under the same `_id`.

use super::noted::Noted;
use super::{Closed, FACTS_PAGE, Facts, Gap, KEPT_US, LostRecords, facts_of};
use crate::error::{SinkError, answered};
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, doc};
use futures_util::TryStreamExt;
use genims_model::now_us;
use mongodb::{Client, Collection, IndexModel};
use std::ops::Range;
use uuid::Uuid;

/// The two collections.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    gaps: Collection<Document>,
    facts: Collection<Document>,
    sink: &'static str,
}

impl Book {
    pub(crate) fn new(client: &Client, internal: &str, sink: &'static str) -> Self {
        let database = client.database(internal);
        Self { gaps: database.collection("route_gaps"), facts: database.collection("routed_facts"), sink }
    }

    fn id(&self, lost: &LostRecords) -> Document {
        let LostRecords { log, offsets } = lost;
        let (from, to) = (offsets.start as i64, offsets.end as i64);
        doc! { "log_id": log.to_string(), "sink": self.sink, "from_offset": from, "to_offset": to }
    }

    /// Facts are looked for by when they were received.
    pub(crate) async fn make_ready(&self) -> Result<(), SinkError> {
        let index = IndexModel::builder().keys(doc! { "sink": 1, "received_us": 1 }).build();
        answered(async { self.facts.create_index(index).await }).await?;
        Ok(())
    }

    /// After the batch's documents, before the position that says they are there.
    pub(crate) async fn notice(&self, noted: &Noted) -> Result<(), SinkError> {
        for gap in &noted.gaps {
            let since_us = match gap.received_from_us {
                Some(us) => Some(us),
                None => self.received_before(gap).await?,
            };
            let (routed_id, routed_offset) = gap.routed.map(|(log, offset)| (log.to_string(), offset as i64)).unzip();
            let set = doc! {
                "events_id": gap.events.to_string(), "received_from_us": since_us, "received_to_us": gap.received_to_us,
                "routed_id": routed_id, "routed_offset": routed_offset, "noticed_us": gap.noticed_us,
            };
            let update = self.gaps.update_one(doc! { "_id": self.id(&gap.lost) }, doc! { "$setOnInsert": set });
            answered(async { update.upsert(true).await }).await?;
        }
        Ok(())
    }

    /// Of the stream before the documents: one that is there without its fact would be made anew beside it. Of what is made anew behind
    /// them: it is written again under the same `_id` where its fact is not there. A batch that is tried again may be another one.
    pub(crate) async fn tell(&self, noted: &Noted) -> Result<(), SinkError> {
        if noted.facts.is_empty() {
            return Ok(());
        }
        let (log, first_offset) = (noted.log.to_string(), noted.offsets.start as i64);
        let (next_offset, received_us) = (noted.offsets.end as i64, noted.received_us.unwrap_or_else(now_us));
        let id = doc! {
            "log_id": &log, "sink": self.sink, "first_offset": first_offset, "next_offset": next_offset,
        };
        let [facts, numbers] = [&noted.facts, &noted.numbers]
            .map(|bytes| Binary { subtype: BinarySubtype::Generic, bytes: bytes.clone() });
        let row = doc! {
            "_id": &id, "log_id": log, "sink": self.sink, "next_offset": next_offset, "received_us": received_us,
            "is_anew": noted.is_anew, "facts": facts, "numbers": numbers,
        };
        answered(async { self.facts.replace_one(doc! { "_id": id }, row).upsert(true).await }).await?;
        Ok(())
    }

    /// How far the first log is followed, for each open gap.
    pub(crate) async fn follow(&self, (log, offset): (Uuid, u64)) -> Result<(), SinkError> {
        let (log, offset) = (log.to_string(), offset as i64);
        let behind = doc! { "$or": [{ "followed_id": { "$ne": &log } }, { "followed_offset": { "$lt": offset } }] };
        let mut open = doc! { "_id.sink": self.sink, "closed_us": Bson::Null };
        open.extend(behind);
        let set = doc! { "$set": { "followed_id": log, "followed_offset": offset } };
        answered(async { self.gaps.update_many(open, set).await }).await?;
        Ok(())
    }

    /// When the newest batch before the gap was received.
    async fn received_before(&self, gap: &Gap) -> Result<Option<i64>, SinkError> {
        let of_another = doc! { "log_id": { "$ne": gap.lost.log.to_string() } };
        let below = doc! { "next_offset": { "$lte": gap.lost.offsets.start as i64 } };
        self.newest_of(doc! { "$or": [of_another, below] }).await
    }

    /// When what the stream told last was received.
    pub(crate) async fn newest(&self) -> Result<Option<i64>, SinkError> {
        self.newest_of(doc! {}).await
    }

    async fn newest_of(&self, mut before: Document) -> Result<Option<i64>, SinkError> {
        before.extend(doc! { "sink": self.sink, "is_anew": false });
        let newest = self.facts.find_one(before).sort(doc! { "received_us": -1 });
        let newest = answered(async { newest.projection(doc! { "received_us": 1 }).await }).await?;
        Ok(newest.and_then(|row| row.get_i64("received_us").ok()))
    }

    /// What is around an open gap stays. Of whichever log: it may have got another name.
    pub(crate) async fn prune(&self, received_us: i64) -> Result<(), SinkError> {
        let around = |gap: &Gap| {
            let since_us = gap.received_from_us.unwrap_or(0);
            let span = doc! { "$gte": since_us - KEPT_US, "$lte": gap.received_to_us.saturating_add(KEPT_US) };
            doc! { "received_us": span }
        };
        let open: Vec<Document> = self.gaps().await?.iter().filter(|gap| gap.closed.is_none()).map(around).collect();
        let mut old = doc! { "sink": self.sink, "received_us": { "$lt": received_us.saturating_sub(KEPT_US) } };
        if !open.is_empty() {
            old.insert("$nor", open);
        }
        answered(async { self.facts.delete_many(old).await }).await?;
        Ok(())
    }

    pub(crate) async fn gaps(&self) -> Result<Vec<Gap>, SinkError> {
        let find = self.gaps.find(doc! { "_id.sink": self.sink }).sort(doc! { "noticed_us": 1, "_id.to_offset": 1 });
        let rows: Vec<Document> = answered(async { find.await?.try_collect().await }).await?;
        let found: Option<Vec<Gap>> = rows.iter().map(gap).collect();
        found.ok_or_else(|| SinkError::Bookkeeping("genims_internal.route_gaps"))
    }

    pub(crate) async fn facts(&self, gaps: &[Gap], received_us: Range<i64>) -> Result<Facts, SinkError> {
        let filter = doc! {
            "sink": self.sink, "received_us": { "$gte": received_us.start, "$lte": received_us.end },
        };
        let mut rows = answered(async { self.facts.find(filter).batch_size(FACTS_PAGE as u32).await }).await?;
        let mut facts = Facts::default();
        while let Some(row) = answered(async { rows.try_next().await }).await? {
            let log = row.get_str("log_id").ok().and_then(|log| log.parse::<Uuid>().ok()).unwrap_or_default();
            let bytes = |name| row.get_binary_generic(name).map(Vec::as_slice).unwrap_or_default();
            let numbered = facts_of(bytes("facts")).zip(facts_of(bytes("numbers")));
            let is_lost =
                |number: u64| gaps.iter().any(|gap| gap.lost.log == log && gap.lost.offsets.contains(&number));
            let (lost, told): (Vec<_>, Vec<_>) = numbered.partition(|(_, number)| is_lost(*number));
            facts.intended.extend(lost.into_iter().map(|(fact, number)| (fact, (log, number))));
            if !told.is_empty() {
                let received_us = row.get_i64("received_us").unwrap_or_default();
                let is_anew = row.get_bool("is_anew").unwrap_or(false);
                facts.add(is_anew, received_us, told.into_iter().map(|(fact, _)| fact));
            }
        }
        Ok(facts)
    }

    pub(crate) async fn close(&self, gap: &Gap, made: u64) -> Result<(), SinkError> {
        let open = doc! { "_id": self.id(&gap.lost), "closed_us": Bson::Null };
        let set = doc! { "$set": { "closed_us": now_us(), "made": made as i64 } };
        answered(async { self.gaps.update_one(open, set).await }).await?;
        Ok(())
    }
}

fn gap(row: &Document) -> Option<Gap> {
    let id = row.get_document("_id").ok()?;
    let log = |document: &Document, name| document.get_str(name).ok()?.parse::<Uuid>().ok();
    let offset = |name| id.get_i64(name).ok().map(|offset| offset as u64);
    let made = row.get_i64("made").unwrap_or(0) as u64;
    Some(Gap {
        events: log(row, "events_id")?,
        lost: LostRecords { log: log(id, "log_id")?, offsets: offset("from_offset")?..offset("to_offset")? },
        received_from_us: row.get_i64("received_from_us").ok(),
        received_to_us: row.get_i64("received_to_us").ok()?,
        routed: log(row, "routed_id").zip(row.get_i64("routed_offset").ok().map(|offset| offset as u64)),
        followed: log(row, "followed_id").zip(row.get_i64("followed_offset").ok().map(|offset| offset as u64)),
        noticed_us: row.get_i64("noticed_us").ok()?,
        closed: row.get_i64("closed_us").ok().map(|at_us| Closed { at_us, made }),
    })
}
