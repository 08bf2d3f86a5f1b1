//! The change stream in MongoDB, continued for one database.
//!
//! In: batches of changes in order. Out: documents of `entity_change_stream` with rising positions. Their `_id` is that of the change,
//! so what is delivered again is recognised; as in the trail, looking is only needed after a failure or a start. Documents are
//! inserted in order: whoever follows the positions passes none by.

use crate::canonical::Image;
use crate::change::{Change, ChangeOperation, is_about_people};
use crate::error::ChangesError;
use bson::{Bson, DateTime, Document, doc};
use futures_util::TryStreamExt;
use genims_databases::mongo::{INTERNAL_DATABASE, durable};
use genims_databases::{MongoClient, MongoSettings};
use mongodb::Collection;
use std::collections::HashSet;
use std::time::Duration;

const COLLECTION: &str = "entity_change_stream";
/// The last position of each database, for when the documents have expired.
const POSITIONS: &str = "change_stream_positions";
const PATIENCE: Duration = Duration::from_secs(60);
const CHANGED_BY_CHARACTERS_MAX: usize = 50;

pub struct Stream {
    settings: MongoSettings,
    client: MongoClient,
    /// Whose changes these are.
    database: String,
    /// The last position; `None` when it is to be asked for.
    position: Option<i64>,
    certain: bool,
}

impl Stream {
    pub fn new(settings: MongoSettings, client: MongoClient, database: String) -> Self {
        Self { settings, client, database, position: None, certain: false }
    }

    pub async fn deliver(&mut self, batch: Vec<Change>) -> Result<(), ChangesError> {
        let result = match tokio::time::timeout(PATIENCE, self.try_deliver(batch)).await {
            Ok(result) => result.map_err(|error| self.settings.error(error).into()),
            Err(_) => {
                let (database, seconds) = (self.settings.database().to_owned(), PATIENCE.as_secs());
                Err(ChangesError::Hung { database, what: "the change stream", seconds })
            }
        };
        if result.is_err() {
            // How far it came is not known.
            (self.position, self.certain) = (None, false);
        }
        result
    }

    /// A window is complete: what comes next never came before.
    pub fn window_is_complete(&mut self) {
        self.certain = self.position.is_some();
    }

    async fn try_deliver(&mut self, mut batch: Vec<Change>) -> Result<(), mongodb::error::Error> {
        let database = self.client.database(self.settings.database_name());
        let collection: Collection<Document> = database.collection(COLLECTION);
        batch.retain(|change| change.operation != ChangeOperation::Action);
        let positions: Collection<Document> = self.client.database(INTERNAL_DATABASE).collection(POSITIONS);
        let mut position = match self.position {
            Some(position) => position,
            None => {
                let kept = positions.find_one(doc! { "_id": &self.database }).await?;
                let last =
                    collection.find_one(doc! { "database": &self.database }).sort(doc! { "position": -1 }).await?;
                number(kept.as_ref()).max(number(last.as_ref()))
            }
        };
        if !self.certain {
            let uids: Vec<String> = batch.iter().map(|change| change.uid(&self.database)).collect();
            let found = collection.find(doc! { "_id": { "$in": uids } }).projection(doc! { "_id": 1 }).await?;
            let found: Vec<Document> = found.try_collect().await?;
            let known: HashSet<String> =
                found.iter().filter_map(|found| Some(found.get_str("_id").ok()?.to_owned())).collect();
            batch.retain(|change| !known.contains(&change.uid(&self.database)));
        }
        if !batch.is_empty() {
            let documents: Vec<Document> = batch
                .into_iter()
                .map(|change| {
                    position += 1;
                    document(&self.database, change, position)
                })
                .collect();
            collection.insert_many(documents).ordered(true).write_concern(durable()).await?;
            let kept = doc! { "$max": { "position": position } };
            positions.update_one(doc! { "_id": &self.database }, kept).upsert(true).await?;
        }
        self.position = Some(position);
        Ok(())
    }
}

fn number(document: Option<&Document>) -> i64 {
    match document.and_then(|document| document.get("position")) {
        Some(Bson::Int64(position)) => *position,
        Some(Bson::Int32(position)) => i64::from(*position),
        _ => 0,
    }
}

fn document(database: &str, mut change: Change, position: i64) -> Document {
    let fields: Vec<String> = match change.operation {
        ChangeOperation::Update => change.changed_columns().into_iter().map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    change.prepare(is_about_people(database, &change.table));
    let uid = change.uid(database);
    let actor = change.actor();
    let by = if change.names_its_actor() { actor.id } else { change.login.clone() };
    let by: String = by.chars().take(CHANGED_BY_CHARACTERS_MAX).collect();
    let source = match (actor.kind, change.names_its_actor()) {
        ("service", _) => "etl",
        (_, true) => "application",
        (_, false) => "manual",
    };
    doc! {
        "_id": &uid,
        "change_id": &uid,
        "database": database,
        "table": &change.table,
        "record_id": change.record_key(),
        "operation": change.operation.as_str(),
        "changed_at": DateTime::from_millis(change.at.and_utc().timestamp_millis()),
        "position": position,
        "transaction_id": &change.transaction,
        "changed_by": by,
        "before": image(change.before),
        "after": image(change.after),
        "changed_fields": fields,
        "source": source,
    }
}

fn image(image: Option<Image>) -> Bson {
    let Some(image) = image else { return Bson::Null };
    let document: Document =
        image.into_iter().map(|(column, value)| (column, value.map_or(Bson::Null, Bson::String))).collect();
    Bson::Document(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::tests::change;

    #[test]
    fn a_document_says_what_the_validator_demands() {
        let made = document("genims_erp_db", change(5, ChangeOperation::Update), 9);
        assert_eq!(made.get_str("_id").ok(), Some(change(5, ChangeOperation::Update).uid("genims_erp_db").as_str()));
        assert_eq!(made.get_array("changed_fields").expect("a list").len(), 1);
        let text = |document: &Document, key: &str| document.get_str(key).expect("a text").to_owned();
        assert_eq!((text(&made, "changed_by").as_str(), text(&made, "source").as_str()), ("EMP-7", "application"));
        assert_eq!(text(made.get_document("before").expect("an update"), "status"), "draft");
        let inserted = document("genims_erp_db", change(5, ChangeOperation::Insert), 9);
        assert!(inserted.get_array("changed_fields").expect("a list").is_empty());
        assert_eq!(inserted.get("before"), Some(&Bson::Null));
    }
}
