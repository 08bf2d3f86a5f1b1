//! What MongoDB holds of a run.
//!
//! Dates there have milliseconds and values are doubles: sums are taken over whole milliseconds and ten-thousandths, so
//! that they are exact all the same.

use super::{Holdings, Span, VerdictError};
use crate::load::tally::{Fence, Tally};
use ::mongodb::Database;
use bson::{Bson, DateTime, Document, doc};
use futures_util::TryStreamExt;
use std::collections::{HashMap, HashSet};

const READINGS: &str = "sensor_readings";
const SNAPSHOTS: &str = "scada_events";
const EXPIRES_AFTER: &str = "expireAfterSeconds";

fn date(at_us: i64) -> DateTime {
    DateTime::from_millis(at_us.div_euclid(1_000))
}

fn within(span: Span) -> Document {
    doc! { "timestamp": { "$gte": date(span.from_us), "$lte": date(span.to_us) } }
}

/// The collection also holds what the server concluded (states changed, parts counted): only the pictures are ours.
fn snapshots_within(span: Span) -> Document {
    let mut filter = within(span);
    filter.insert("event_type", doc! { "$in": ["snapshot", null] });
    filter
}

fn integer(document: &Document, key: &str) -> Result<i64, VerdictError> {
    match document.get(key) {
        Some(Bson::Int32(value)) => Ok(i64::from(*value)),
        Some(Bson::Int64(value)) => Ok(*value),
        other => Err(VerdictError::Unreadable(format!("MongoDB: {key} is {other:?}, not an integer"))),
    }
}

fn id(document: &Document) -> String {
    document.get_str("_id").unwrap_or_default().to_owned()
}

/// Counts and sums per sensor (of `sensors`, where given); `time_us` and `pair` stay zero.
pub async fn holdings(database: &Database, span: Span, sensors: Option<&[String]>) -> Result<Holdings, VerdictError> {
    let mut filter = within(span);
    if let Some(sensors) = sensors {
        filter.insert("meta.sensor_id", doc! { "$in": sensors });
    }
    let base = DateTime::from_millis(span.base_us() / 1_000);
    let pipeline = [
        doc! { "$match": filter },
        doc! { "$group": {
            "_id": "$meta.sensor_id",
            "n": { "$sum": 1 },
            "v": { "$sum": { "$toLong": { "$round": [{ "$multiply": ["$value", 10_000] }, 0] } } },
            "t": { "$sum": { "$subtract": ["$timestamp", base] } },
        } },
    ];
    let mut sensors = HashMap::new();
    let mut cursor = database.collection::<Document>(READINGS).aggregate(pipeline).allow_disk_use(true).await?;
    while let Some(group) = cursor.try_next().await? {
        let tally = Tally {
            count: integer(&group, "n")? as u64,
            value_e4: i128::from(integer(&group, "v")?),
            time_ms: i128::from(integer(&group, "t")?),
            ..Tally::default()
        };
        sensors.insert(id(&group), tally);
    }
    let mut machines = HashMap::new();
    let pipeline = [
        doc! { "$match": snapshots_within(span) },
        doc! { "$group": { "_id": "$meta.machine_id", "n": { "$sum": 1 } } },
    ];
    let mut cursor = database.collection::<Document>(SNAPSHOTS).aggregate(pipeline).await?;
    while let Some(group) = cursor.try_next().await? {
        machines.insert(id(&group), integer(&group, "n")? as u64);
    }
    Ok(Holdings { sensors, machines })
}

/// How long readings are kept, as the collection says; `None` is for good.
pub async fn readings_kept_us(database: &Database) -> Result<Option<i64>, VerdictError> {
    let answer = database.run_command(doc! { "listCollections": 1, "filter": { "name": READINGS } }).await?;
    let found = answer.get_document("cursor").ok().and_then(|cursor| cursor.get_array("firstBatch").ok()?.first());
    let options = found.and_then(Bson::as_document).and_then(|collection| collection.get_document("options").ok());
    match options.filter(|options| options.contains_key(EXPIRES_AFTER)) {
        Some(options) => Ok(Some(integer(options, EXPIRES_AFTER)? * 1_000_000)),
        None => Ok(None),
    }
}

/// Documents beyond the first of each `_id`, by sensor: `_id`s are made from the log position, so a replay repeats them.
pub async fn duplicates(
    database: &Database,
    span: Span,
    sensors: &[String],
) -> Result<HashMap<String, u64>, VerdictError> {
    let mut filter = within(span);
    filter.insert("meta.sensor_id", doc! { "$in": sensors });
    let pipeline = [
        doc! { "$match": filter },
        doc! { "$group": { "_id": { "id": "$_id", "s": "$meta.sensor_id" }, "n": { "$sum": 1 } } },
        doc! { "$match": { "n": { "$gt": 1 } } },
        doc! { "$group": { "_id": "$_id.s", "n": { "$sum": { "$subtract": ["$n", 1] } } } },
    ];
    let mut duplicates = HashMap::new();
    let mut cursor = database.collection::<Document>(READINGS).aggregate(pipeline).allow_disk_use(true).await?;
    while let Some(group) = cursor.try_next().await? {
        duplicates.insert(id(&group), integer(&group, "n")? as u64);
    }
    Ok(duplicates)
}

/// How many of the fences are there.
pub async fn fences_seen(database: &Database, fences: &[Fence]) -> Result<usize, VerdictError> {
    let times = || fences.iter().map(|fence| fence.timestamp_us);
    let (from, to) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let ids: Vec<&str> = fences.iter().map(|fence| fence.sensor_id.as_str()).collect();
    let mut filter = within(Span { from_us: from, to_us: to });
    filter.insert("meta.sensor_id", doc! { "$in": ids });
    let mut found: HashSet<(String, i64)> = HashSet::new();
    let projection = doc! { "_id": 0, "timestamp": 1, "meta.sensor_id": 1 };
    let mut cursor = database.collection::<Document>(READINGS).find(filter).projection(projection).await?;
    while let Some(document) = cursor.try_next().await? {
        let sensor = document.get_document("meta").and_then(|meta| meta.get_str("sensor_id")).unwrap_or_default();
        let millis = document.get_datetime("timestamp").map_or(0, |date| date.timestamp_millis());
        found.insert((sensor.to_owned(), millis));
    }
    let seen = |fence: &&Fence| found.contains(&(fence.sensor_id.clone(), fence.timestamp_us.div_euclid(1_000)));
    Ok(fences.iter().filter(seen).count())
}

/// A number that rises with every document that is inserted; see the same function for PostgreSQL.
pub async fn movement(database: &Database) -> Result<u64, VerdictError> {
    let mut total = 0;
    for collection in [READINGS, SNAPSHOTS] {
        let stats = database.run_command(doc! { "collStats": collection }).await?;
        let series = stats.get_document("timeseries").map_err(|error| VerdictError::Unreadable(error.to_string()))?;
        total += integer(series, "numMeasurementsCommitted")? as u64;
    }
    Ok(total)
}
