//! Looking before repeating: which records of an uncertain batch are already there.

use crate::error::{SinkError, answered};
use crate::mongo::readings::{object_id, offset_of};
use bson::oid::ObjectId;
use bson::{DateTime, Document, doc};
use futures_util::TryStreamExt;
use hashbrown::HashSet;
use mongodb::{Client, Database};
use std::ops::Range;
use uuid::Uuid;

/// Stretches of time in one query; more are looked through as a whole.
const STRETCHES_MAX: usize = 32;
/// Times closer than a bucket's usual span belong to one stretch.
const STRETCH_GAP_US: i64 = 3_600_000_000;

/// The offsets within `offsets` that `collection` holds. `times` are the records' timestamps: buckets that none of them
/// can be in are not opened, which an `_id` alone could not achieve.
pub async fn existing(
    database: &Database,
    collection: &str,
    spool_id: Uuid,
    offsets: Range<u64>,
    times: Vec<i64>,
) -> Result<HashSet<u64>, SinkError> {
    let id = |offset: u64| ObjectId::from_bytes(object_id(spool_id, offset));
    let stretches: Vec<Document> = stretches(times)
        .into_iter()
        .map(|(min_us, max_us)| {
            let millis = |us: i64| DateTime::from_millis(us.div_euclid(1_000));
            doc! { "timestamp": { "$gte": millis(min_us), "$lte": millis(max_us) } }
        })
        .collect();
    if stretches.is_empty() {
        return Ok(HashSet::new());
    }
    let filter = doc! { "$or": stretches, "_id": { "$gte": id(offsets.start), "$lt": id(offsets.end) } };
    let collection = database.collection::<Document>(collection);
    let find = collection.find(filter).projection(doc! { "_id": 1 }).batch_size(50_000);
    let mut found = answered(async { find.await }).await?;
    let mut existing = HashSet::new();
    while let Some(document) = answered(found.try_next()).await? {
        let offset = document.get_object_id("_id").ok().and_then(|id| offset_of(spool_id, id.bytes()));
        existing.extend(offset);
    }
    Ok(existing)
}

/// The shortest spans that cover all times, where gaps of an hour part them.
fn stretches(mut times: Vec<i64>) -> Vec<(i64, i64)> {
    times.sort_unstable();
    let apart = |a: &i64, b: &i64| b.saturating_sub(*a) < STRETCH_GAP_US;
    let stretches: Vec<(i64, i64)> = times.chunk_by(apart).map(|chunk| (chunk[0], chunk[chunk.len() - 1])).collect();
    match (stretches.first(), stretches.last()) {
        (Some(first), Some(last)) if stretches.len() > STRETCHES_MAX => vec![(first.0, last.1)],
        _ => stretches,
    }
}

/// Fails while an insert of an earlier attempt still runs: what it will have written cannot be seen yet. A server works
/// on after its client is gone.
pub async fn nothing_runs(client: &Client, comment: &str) -> Result<(), SinkError> {
    // The server cuts long commands down to their beginning, where the comment is.
    let ours = doc! { "$or": [
        { "command.comment": comment },
        { "command.$truncated": { "$regex": comment } },
    ] };
    let mut query = doc! { "currentOp": true, "$ownOps": true };
    query.extend(ours);
    let reply = client.database("admin").run_command(query).await?;
    let running = reply.get_array("inprog").map(|running| running.len()).unwrap_or_default();
    if running == 0 { Ok(()) } else { Err(SinkError::StillRunning) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_an_hour_apart_are_looked_through_apart() {
        let hour = STRETCH_GAP_US;
        assert_eq!(stretches(vec![5, hour * 9, 1, hour * 9 + 7]), [(1, 5), (hour * 9, hour * 9 + 7)]);
        assert_eq!(stretches(Vec::new()), []);
    }

    #[test]
    fn too_many_stretches_become_one() {
        let times: Vec<i64> = (0..100).map(|day| day * 24 * STRETCH_GAP_US).collect();
        assert_eq!(stretches(times), [(0, 99 * 24 * STRETCH_GAP_US)]);
    }
}
