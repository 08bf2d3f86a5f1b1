//! Who wrote to which collection: the server's own counters. In: two readings of them. Out: collections that were written to between.
//! Documents that expire are no writes of anybody.

use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Database};
use std::collections::BTreeMap;

/// Writes by collection, since the server was started.
pub(super) type Counted = BTreeMap<String, Document>;

/// A time series counts its measurements beside what was asked of it.
const SERIES: [&str; 3] = ["numMeasurementsCommitted", "numBucketInserts", "numBucketUpdates"];

pub(super) async fn read(client: &Client, name: &str) -> Result<Counted, mongodb::error::Error> {
    let database = client.database(name);
    let mut counted = Counted::new();
    let mut found = database.run_cursor_command(doc! { "listCollections": 1, "nameOnly": true }).await?;
    while let Some(collection) = found.try_next().await? {
        let name = collection.get_str("name").unwrap_or_default().to_owned();
        if collection.get_str("type").is_ok_and(|kind| kind != "view") && !name.starts_with("system.") {
            let writes = writes(&database, &name).await?;
            counted.insert(name, writes);
        }
    }
    Ok(counted)
}

async fn writes(database: &Database, name: &str) -> Result<Document, mongodb::error::Error> {
    let stage = doc! { "$collStats": { "latencyStats": {}, "storageStats": {} } };
    let mut answers = database.collection::<Document>(name).aggregate([stage]).await?;
    let mut writes = Document::new();
    while let Some(answer) = answers.try_next().await? {
        let part =
            |outer: &str, inner: &str| answer.get_document(outer).and_then(|outer| outer.get_document(inner)).ok();
        if let Some(ops) = part("latencyStats", "writes").and_then(|writes| writes.get("ops")) {
            writes.insert("ops", ops.clone());
        }
        if let Some(series) = part("storageStats", "timeseries") {
            writes.extend(SERIES.iter().filter_map(|name| Some(((*name).to_owned(), series.get(name)?.clone()))));
        }
    }
    Ok(writes)
}

/// Also those that came or went.
pub(super) fn changed(before: &Counted, after: &Counted) -> Vec<String> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    names.filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_that_was_written_to_or_came_or_went_is_named() {
        let counted = |pairs: &[(&str, i64)]| {
            pairs.iter().map(|(name, ops)| ((*name).to_owned(), doc! { "ops": *ops })).collect::<Counted>()
        };
        let before = counted(&[("a", 1), ("b", 2), ("gone", 1)]);
        assert_eq!(changed(&before, &counted(&[("a", 1), ("b", 3), ("new", 0)])), ["b", "gone", "new"]);
        assert!(changed(&before, &before).is_empty());
    }
}
