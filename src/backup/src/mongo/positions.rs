//! How far the stream has come in MongoDB: `sink_positions` and the ledger `ingest_batches` of the bookkeeping (their form:
//! `genims_stores::mongo::bookkeeping`).
//!
//! Invariants: a saved position is not ahead of the documents beside it, and its intent is not behind them; put back under a running
//! server, the intent covers what that server wrote meanwhile, too, so that it looks there before it writes again.

use super::documents::{Definition, Documents};
use crate::errors::BackupError;
use crate::manifest::LogPosition;
use futures_util::TryStreamExt;
use genims_databases::mongo::INTERNAL_DATABASE;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{Acknowledgment, WriteConcern};
use mongodb::{Client, Collection};
use std::collections::BTreeMap;
use std::path::Path;

pub(super) const POSITIONS: &str = "sink_positions";
pub(super) const LEDGER: &str = "ingest_batches";

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

    /// The stream goes back to them, at its next look.
    pub(super) async fn put_back(&self, client: &Client) -> Result<(), mongodb::error::Error> {
        let database = client.database(INTERNAL_DATABASE);
        let positions: Collection<Document> = database.collection(POSITIONS);
        let ledger: Collection<Document> = database.collection(LEDGER);
        let durable = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
        let known: Vec<&Bson> = self.0.iter().filter_map(|position| position.get("_id")).collect();
        positions.delete_many(doc! { "_id": { "$nin": known } }).await?;
        for position in &self.0 {
            let id = position.get("_id").cloned().unwrap_or(Bson::Null);
            // What a running server has entered since it lost its documents, and will enter again from this position on.
            let entered = match behind(position) {
                Some(filter) => ledger.find(filter).projection(doc! { "_id": 1 }).await?.try_collect().await?,
                None => Vec::new(),
            };
            let mut set = position.clone();
            set.remove("_id");
            let intent = offset(position, "intent_offset");
            set.insert("intent_offset", doc! { "$max": ["$intent_offset", "$next_offset", intent] });
            let update = positions.find_one_and_update(doc! { "_id": &id }, vec![doc! { "$set": set }]);
            let before = update.upsert(true).write_concern(durable.clone()).await?;
            let mut ids: Vec<Bson> = entered.iter().filter_map(|entry: &Document| entry.get("_id").cloned()).collect();
            // The batch that was under way.
            let spool = id.as_document().and_then(|id| id.get_str("spool_id").ok());
            if let (Some(before), Some(spool)) = (before, spool) {
                ids.push(Bson::Document(doc! { "spool_id": spool, "first_offset": offset(&before, "next_offset") }));
            }
            ledger.delete_many(doc! { "_id": { "$in": ids } }).await?;
        }
        Ok(())
    }
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
    folder: &Path,
    found: &mut BTreeMap<String, u64>,
) -> Result<Positions, BackupError> {
    let mut positions = Positions::default();
    if let Some(at) = internal.iter().position(|one| one.name == POSITIONS) {
        let definition = internal.remove(at);
        let path = folder.join(definition.file());
        let mut documents = Documents::open(&path)?;
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
}
