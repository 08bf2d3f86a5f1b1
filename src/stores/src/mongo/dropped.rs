//! A time-series collection that was dropped under load: the next insert makes an ordinary collection of its name, without
//! expiry. That one is dropped as soon as it holds nothing but our own unfinished batch, and made again as it should be.

use crate::error::{SinkError, answered};
use crate::mongo::collections::{ALL, ensure, ordinary, time_series};
use crate::mongo::readings::object_id;
use bson::oid::ObjectId;
use bson::{Document, doc};
use mongodb::Database;
use std::ops::Range;
use uuid::Uuid;

/// Makes those of `expected` again that are no longer time series; whether there were any. `offsets`: the batch that has
/// just been written.
pub(super) async fn remake(
    database: &Database,
    spool_id: Uuid,
    offsets: Range<u64>,
    expected: &[&'static str],
) -> Result<bool, SinkError> {
    let now = answered(time_series(database)).await?;
    let lost: Vec<&'static str> = expected.iter().copied().filter(|name| !now.contains(name)).collect();
    if lost.is_empty() {
        return Ok(false);
    }
    tracing::warn!(collections = ?lost, "dropped under load; made again as time series");
    for collection in lost {
        let foreign = count(database, collection, doc! { "$nor": [within(spool_id, &offsets)] }).await?;
        if foreign > 0 {
            return Err(SinkError::NotTimeSeries { collection: collection.to_owned(), foreign });
        }
        answered(async { database.collection::<Document>(collection).drop().await }).await?;
    }
    answered(ensure(database, &ALL)).await?;
    Ok(true)
}

/// After a crash in the middle of that: an ordinary collection that holds documents of the unfinished batch alone was
/// made by our insert. Others are left to their owners, empty ones too.
pub(super) async fn remake_unfinished(
    database: &Database,
    spool_id: Uuid,
    offsets: Range<u64>,
) -> Result<(), SinkError> {
    let found = answered(ordinary(database)).await?;
    for collection in found.into_iter().filter(|_| !offsets.is_empty()) {
        let ours = count(database, collection, within(spool_id, &offsets)).await?;
        let foreign = count(database, collection, doc! { "$nor": [within(spool_id, &offsets)] }).await?;
        if ours > 0 && foreign == 0 {
            tracing::warn!(collection, "made by an insert after it was dropped; made again as time series");
            answered(async { database.collection::<Document>(collection).drop().await }).await?;
        }
    }
    answered(ensure(database, &ALL)).await
}

async fn count(database: &Database, collection: &str, filter: Document) -> Result<u64, SinkError> {
    answered(async { database.collection::<Document>(collection).count_documents(filter).limit(1_000_000).await }).await
}

fn within(spool_id: Uuid, offsets: &Range<u64>) -> Document {
    let id = |offset: u64| ObjectId::from_bytes(object_id(spool_id, offset));
    doc! { "_id": { "$gte": id(offsets.start), "$lt": id(offsets.end) } }
}
