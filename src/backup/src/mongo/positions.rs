//! How far the stream has come in MongoDB: `sink_positions` and the ledger `ingest_batches` of the bookkeeping (their form:
//! `genims_stores::mongo::bookkeeping`).
//!
//! Invariants: a saved position is not ahead of the documents beside it, and its intent is not behind them; put back under a running
//! server, the intent covers what that server wrote meanwhile, too, so that it looks there before it writes again.

use super::documents::{Definition, Documents};
use crate::errors::BackupError;
use crate::manifest::LogPosition;
use crate::saved::Saved;
use futures_util::TryStreamExt;
use genims_databases::mongo::{INTERNAL_DATABASE, durable};
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Collection};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const POSITIONS: &str = "sink_positions";
pub(super) const LEDGER: &str = "ingest_batches";

/// So long a running server may take to notice that it was put back.
const SETTLE_TRIES: usize = 100;
const SETTLE_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(super) struct Positions(Vec<Document>);

impl Positions {
    pub(super) async fn read(client: &Client) -> Result<Self, mongodb::error::Error> {
        let positions: Collection<Document> = client.database(INTERNAL_DATABASE).collection(POSITIONS);
        Ok(Self(positions.find(doc! {}).sort(doc! { "_id": 1 }).await?.try_collect().await?))
    }

    fn of(&self, id: Option<&Bson>) -> Option<&Document> {
        self.0.iter().find(|position| position.get("_id") == id)
    }

    /// Whether no log came that was not known.
    pub(super) fn knows_all_of(&self, later: &Self) -> bool {
        later.0.iter().all(|position| self.of(position.get("_id")).is_some())
    }

    /// These positions, with how far the writing may have come by `later`.
    pub(super) fn up_to(&self, later: &Self) -> Vec<Document> {
        let mut positions = self.0.clone();
        for position in &mut positions {
            let now = later.of(position.get("_id"));
            let ends = [offset(position, "intent_offset"), now.map_or(0, |now| offset(now, "intent_offset"))];
            let moved = now.map_or(0, |now| offset(now, "next_offset"));
            position.insert("intent_offset", ends.into_iter().max().unwrap_or(0).max(moved));
        }
        positions
    }

    /// The entries of the ledger that these positions account for.
    pub(super) fn settled(&self) -> Document {
        let open: Vec<Document> = self.0.iter().filter_map(behind).collect();
        if open.is_empty() {
            Document::new()
        } else {
            doc! { "$nor": open }
        }
    }

    pub(super) fn told(&self) -> Vec<LogPosition> {
        let told = |position: &Document| {
            let id = position.get_document("_id").ok()?;
            Some(LogPosition {
                table: format!("{INTERNAL_DATABASE}.{POSITIONS}"),
                log: id.get_str("spool_id").ok()?.to_owned(),
                sink: id.get_str("sink").ok()?.to_owned(),
                next_offset: offset(position, "next_offset").unsigned_abs(),
            })
        };
        self.0.iter().filter_map(told).collect()
    }

    /// The stream goes back to them, at its next look; `begun` is where it was when the restore began.
    pub(super) async fn put_back(&self, client: &Client, begun: &Self) -> Result<(), mongodb::error::Error> {
        let database = client.database(INTERNAL_DATABASE);
        let positions: Collection<Document> = database.collection(POSITIONS);
        let known: Vec<&Bson> = self.0.iter().filter_map(|position| position.get("_id")).collect();
        positions.delete_many(doc! { "_id": { "$nin": known } }).await?;
        for position in &self.0 {
            let id = position.get("_id").cloned().unwrap_or(Bson::Null);
            let mut set = position.clone();
            set.remove("_id");
            let intent = offset(position, "intent_offset");
            set.insert("intent_offset", doc! { "$max": ["$intent_offset", "$next_offset", intent] });
            let update = positions.find_one_and_update(doc! { "_id": &id }, vec![doc! { "$set": set }]);
            let before = update.upsert(true).write_concern(durable()).await?.unwrap_or_default();
            let moved =
                begun.of(Some(&id)).is_some_and(|begun| offset(begun, "next_offset") != offset(&before, "next_offset"));
            if moved || offset(&before, "intent_offset") > offset(&before, "next_offset") {
                settle(&positions, &database.collection(LEDGER), position).await?;
            }
        }
        Ok(())
    }
}

/// A running server entered batches while its documents were gone, and enters their records again from `back` on, cut otherwise. Once
/// it has gone on from there, what it had under way before has ended, and entries that the new ones pass over go.
async fn settle(
    positions: &Collection<Document>,
    ledger: &Collection<Document>,
    back: &Document,
) -> Result<(), mongodb::error::Error> {
    let id = back.get("_id").cloned().unwrap_or(Bson::Null);
    let start = offset(back, "next_offset");
    for _ in 0..SETTLE_TRIES {
        let now = positions.find_one(doc! { "_id": &id }).await?.unwrap_or_default();
        if offset(&now, "next_offset") > start {
            break;
        }
        tokio::time::sleep(SETTLE_PAUSE).await;
    }
    let Some(filter) = behind(back) else { return Ok(()) };
    let entries: Vec<Document> = ledger.find(filter).sort(doc! { "_id.first_offset": 1 }).await?.try_collect().await?;
    let now = positions.find_one(doc! { "_id": &id }).await?.unwrap_or_default();
    let stale = passed_over(start, &entries, offset(&now, "next_offset"));
    ledger.delete_many(doc! { "_id": { "$in": stale } }).await?;
    Ok(())
}

/// Of entries in the order of their offsets those that are no link of the chain from `start` to `end`. One that begins at `end` is
/// replaced by the batch that comes next.
fn passed_over(start: i64, entries: &[Document], end: i64) -> Vec<Bson> {
    let mut next = start;
    let mut stale = Vec::new();
    for entry in entries {
        let first = entry.get_document("_id").map_or(0, |id| offset(id, "first_offset"));
        if first == next && first < end {
            next = offset(entry, "next_offset");
        } else if first != end {
            stale.extend(entry.get("_id").cloned());
        }
    }
    stale
}

/// Entries of the ledger from a position on.
fn behind(position: &Document) -> Option<Document> {
    let spool = position.get_document("_id").ok()?.get_str("spool_id").ok()?;
    Some(doc! { "_id.spool_id": spool, "_id.first_offset": { "$gte": offset(position, "next_offset") } })
}

fn offset(document: &Document, name: &str) -> i64 {
    document.get_i64(name).unwrap_or_default()
}

/// Takes them out of what is restored as it is.
pub(super) fn of_files(
    internal: &mut Vec<Definition>,
    saved: &Saved<'_>,
    found: &mut BTreeMap<String, u64>,
) -> Result<Positions, BackupError> {
    let mut positions = Positions::default();
    if let Some(at) = internal.iter().position(|one| one.name == POSITIONS) {
        let definition = internal.remove(at);
        let file = saved.open(&definition.file())?;
        let path = file.path.clone();
        let mut documents = Documents::new(file);
        while let Some(raw) = documents.next()? {
            let damaged = |cause: String| BackupError::Damaged { file: path.display().to_string(), cause };
            positions.0.push(Document::try_from(raw).map_err(|error| damaged(error.to_string()))?);
        }
    }
    found.insert(format!("{INTERNAL_DATABASE}.{POSITIONS}"), positions.0.len() as u64);
    Ok(positions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(spool: &str, next: i64, intent: i64) -> Document {
        doc! { "_id": { "spool_id": spool, "sink": "mongodb" }, "next_offset": next, "intent_offset": intent }
    }

    #[test]
    fn a_saved_position_is_where_the_dump_began_and_its_intent_where_it_ended() {
        let before = Positions(vec![at("a", 10, 12), at("b", 5, 5)]);
        let after = Positions(vec![at("a", 40, 44), at("b", 5, 5)]);
        assert_eq!(before.up_to(&after), [at("a", 10, 44), at("b", 5, 5)]);
        // Its intent of an earlier batch.
        assert_eq!(before.up_to(&Positions(vec![at("a", 40, 12), at("b", 5, 5)]))[0], at("a", 10, 40));
        assert!(before.knows_all_of(&after) && !before.knows_all_of(&Positions(vec![at("c", 1, 1)])));
        assert_eq!(before.told()[1].next_offset, 5);
        assert_eq!(Positions::default().settled(), Document::new());
        let open = doc! { "_id.spool_id": "b", "_id.first_offset": { "$gte": 5_i64 } };
        assert_eq!(before.settled().get_array("$nor").expect("two").get(1), Some(&Bson::Document(open)));
    }

    #[test]
    fn entries_that_the_new_ones_pass_over_are_stale() {
        let entry =
            |first: i64, next: i64| doc! { "_id": { "spool_id": "a", "first_offset": first }, "next_offset": next };
        let entries = [entry(10, 30), entry(20, 40), entry(30, 50), entry(40, 60), entry(50, 60), entry(60, 80)];
        let firsts = |end: i64| -> Vec<i64> {
            let stale = passed_over(10, &entries, end);
            stale.iter().filter_map(|id| Some(offset(id.as_document()?, "first_offset"))).collect()
        };
        assert_eq!(firsts(50), [20, 40, 60], "the one at 50 is replaced");
        assert_eq!(firsts(80), [20, 40]);
        assert_eq!(firsts(10), [20, 30, 40, 50, 60], "nothing was entered anew");
    }
}
