//! A route's events on their way into one collection: which of their documents are not there, and one command that writes them.

use super::parts::{bson_of, time_of};
use crate::error::{SinkError, answered};
use crate::rows;
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use genims_routes::document::{changes, document, key, not_later};
use genims_routes::{Operation, Route, RoutedEvent};
use hashbrown::HashSet;
use mongodb::Database;

const DUPLICATE_KEY: i32 = 11000;
const VALIDATION_FAILED: i32 = 121;
/// Documents in one command.
pub(super) const DOCUMENTS_MAX: usize = 1_000;

/// The events whose documents a time-series collection does not have.
pub(super) async fn lacking<'a>(
    database: &Database,
    route: &Route,
    events: &[&'a RoutedEvent],
) -> Result<Vec<&'a RoutedEvent>, SinkError> {
    let ids: Vec<Bson> = events.iter().filter_map(|event| bson_of(&document(route, event)).remove("_id")).collect();
    let times = events.iter().map(|event| event.at_us);
    let time = |us: Option<i64>| time_of(us.unwrap_or_default());
    let span = doc! { "$gte": time(times.clone().min()), "$lte": time(times.max()) };
    let filter = doc! { "timestamp": span, "_id": { "$in": &ids } };
    let collection = database.collection::<Document>(&route.table);
    let there: Vec<Document> =
        answered(async { collection.find(filter).projection(doc! { "_id": 1 }).await?.try_collect().await }).await?;
    let there: HashSet<&str> = there.iter().filter_map(|document| document.get_str("_id").ok()).collect();
    let is_there = |id: &Bson| id.as_str().is_some_and(|id| there.contains(id));
    Ok(events.iter().zip(&ids).filter(|(_, id)| !is_there(id)).map(|(event, _)| *event).collect())
}

pub(super) struct Outcome {
    pub(super) written: u64,
    /// Index, code and message of what was refused for good.
    pub(super) refused: Vec<(usize, i32, String)>,
}

pub(super) async fn write(
    database: &Database,
    comment: &str,
    route: &Route,
    events: &[&RoutedEvent],
) -> Result<Outcome, SinkError> {
    let command = match route.operation {
        Operation::Insert => {
            let documents: Vec<Document> = events.iter().map(|event| bson_of(&document(route, event))).collect();
            doc! { "insert": &route.table, "comment": comment, "documents": documents, "ordered": false }
        }
        Operation::Upsert | Operation::Update => {
            let upsert = route.operation == Operation::Upsert;
            let update = |event: &&RoutedEvent| {
                let (mut key, set) = (bson_of(&key(route, event)), bson_of(&changes(route, event)));
                if let Some(time) = not_later(route) {
                    key.insert(time, doc! { "$not": { "$gt": time_of(event.at_us) } });
                }
                doc! { "q": key, "u": { "$set": set }, "upsert": upsert }
            };
            // In the order of the log: the latest wins.
            let updates: Vec<Document> = events.iter().map(update).collect();
            doc! { "update": &route.table, "comment": comment, "updates": updates, "ordered": false }
        }
    };
    let answer = answered(async { database.run_command(command).await }).await?;
    rows::mongo::concern(&answer)?;
    let mut outcome = Outcome { written: count(&answer, "n"), refused: Vec::new() };
    for error in answer.get_array("writeErrors").into_iter().flatten().filter_map(Bson::as_document) {
        let index = usize::try_from(count(error, "index")).unwrap_or(usize::MAX);
        let code = error.get_i32("code").unwrap_or(0);
        let message = error.get_str("errmsg").unwrap_or_default().to_owned();
        match code {
            DUPLICATE_KEY if route.operation == Operation::Insert => {}
            // The document is there, and of a later time.
            DUPLICATE_KEY if not_later(route).is_some() => {}
            VALIDATION_FAILED | DUPLICATE_KEY => outcome.refused.push((index, code, message)),
            _ => return Err(SinkError::MongoWrite { code, message }),
        }
    }
    Ok(outcome)
}

fn count(answer: &Document, name: &str) -> u64 {
    let number = answer.get_i32(name).map(i64::from).or_else(|_| answer.get_i64(name)).unwrap_or(0);
    u64::try_from(number).unwrap_or(0)
}
