//! What clients sent against what both databases hold: every acknowledged reading once, none twice, none made up.

use crate::harness::{Harness, connect_postgres};
use crate::running::goes_on;
use crate::sender::{Sent, TICK_FRACTION_US, value_at};
use crate::server::Plant;
use futures_util::{TryStreamExt, pin_mut};
use mongodb::bson::{Document, doc};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Times by sensor.
type Stored = HashMap<String, Vec<i64>>;

/// A sink in a report; null before the report names it.
pub(crate) fn sink(report: &Value, name: &str) -> Value {
    let sinks = report["sinks"].as_array().unwrap();
    sinks.iter().find(|sink| sink["name"] == name).cloned().unwrap_or_default()
}

/// Waits until everything that was received is in both databases; `limit` is for each step there.
#[track_caller]
pub(crate) fn drained(plant: &Plant, limit: Duration) -> Value {
    let mut stats = Value::Null;
    goes_on("everything received is in every database", limit, || {
        let Some((200, body)) = plant.get("/stats") else { return Some(Vec::new()) };
        stats = serde_json::from_str(&body).unwrap();
        let mut left = vec![stats["total"]["in_flight"].as_i64().unwrap()];
        left.extend(stats["sinks"].as_array().unwrap().iter().map(|sink| sink["lag_records"].as_i64().unwrap()));
        left.iter().any(|count| *count != 0).then_some(left)
    });
    stats
}

/// Waits until the sinks have what is in their log now, however much more comes in; `limit` is for each step there.
#[track_caller]
pub(crate) fn caught_up(plant: &Plant, sinks: &[&str], limit: Duration) {
    let position = |stats: &Value, name| sink(stats, name)["position"].as_u64().unwrap();
    let stats = plant.stats();
    let end = |name| position(&stats, name) + sink(&stats, name)["lag_records"].as_u64().unwrap();
    let ends: Vec<(&str, u64)> = sinks.iter().map(|name| (*name, end(*name))).collect();
    goes_on("the sinks catch up", limit, || {
        let stats = plant.stats();
        let now: Vec<(&str, u64, u64)> = ends.iter().map(|(name, end)| (*name, position(&stats, name), *end)).collect();
        now.iter().any(|(_, position, end)| position < end).then_some(now)
    });
}

/// The verdict; `sent` names all sensors of the loads, and nobody else may have used them.
#[track_caller]
pub(crate) fn everything_is_there_once(harness: &Harness, plant: &Plant, sent: &[Sent]) {
    let (rows, documents) = harness.block_on(async { (rows(plant).await, documents(plant).await) });
    judge(sent, [("PostgreSQL", rows), ("MongoDB", documents)]);
}

/// The same where MongoDB alone follows.
#[track_caller]
pub(crate) fn each_document_is_there_once(harness: &Harness, plant: &Plant, sent: &[Sent]) {
    judge(sent, [("MongoDB", harness.block_on(documents(plant)))]);
}

#[track_caller]
fn judge<const N: usize>(sent: &[Sent], places: [(&str, Stored); N]) {
    assert!(sent.iter().all(|client| !client.acked.is_empty()), "a client got nothing through");
    // Some send of the same sensors, each at times of its own.
    let mut clients: HashMap<&str, Vec<&Sent>> = HashMap::new();
    for client in sent {
        client.sensors.iter().for_each(|sensor| clients.entry(sensor).or_default().push(client));
    }
    let mut faults = Vec::new();
    for (place, mut stored) in places {
        for (sensor, clients) in &clients {
            let times = stored.remove(*sensor).unwrap_or_default();
            faults.extend(fault(clients, &times).map(|fault| format!("{place}: {sensor}: {fault}")));
        }
        faults.extend(stored.keys().map(|sensor| format!("{place}: {sensor}: nobody sent this")));
    }
    assert!(faults.is_empty(), "{} faults, the first: {:#?}", faults.len(), &faults[..faults.len().min(10)]);
}

/// Readings that the clients had acknowledged.
pub(crate) fn readings(sent: &[Sent]) -> usize {
    sent.iter().map(|client| client.acked.len() * client.sensors.len()).sum()
}

fn fault(clients: &[&Sent], stored: &[i64]) -> Option<String> {
    let acked: HashSet<i64> = clients.iter().flat_map(|client| &client.acked).copied().collect();
    let count: usize = clients.iter().map(|client| client.acked.len()).sum();
    assert_eq!(acked.len(), count, "a client sends a time once, and no other of the sensor's does");
    let open: HashSet<i64> = clients.iter().flat_map(|client| &client.open).copied().collect();
    let once: HashSet<i64> = stored.iter().copied().collect();
    let missing: Vec<_> = acked.difference(&once).collect();
    let unknown: Vec<_> = once.iter().filter(|time| !acked.contains(time) && !open.contains(time)).collect();
    let twice = stored.len() - once.len();
    (twice > 0 || !missing.is_empty() || !unknown.is_empty()).then(|| {
        let first: Vec<_> = missing.iter().take(5).collect();
        format!("{twice} twice, {} missing {first:?}, {} never sent", missing.len(), unknown.len())
    })
}

async fn rows(plant: &Plant) -> Stored {
    let client = connect_postgres(&plant.stack.postgres_url("genims_operations_db")).await;
    let query = "SELECT sensor_id, (extract(epoch FROM timestamp) * 1000000)::bigint, measurement_value::float8 \
                 FROM sensor_data";
    let found = client.query_raw(query, std::iter::empty::<i32>()).await.unwrap();
    pin_mut!(found);
    let mut stored = Stored::new();
    while let Some(row) = found.try_next().await.unwrap() {
        let time = row.get(1);
        assert_eq!(row.get::<_, f64>(2).to_bits(), value_at(time).to_bits(), "at {time}");
        stored.entry(row.get(0)).or_default().push(time);
    }
    stored
}

async fn documents(plant: &Plant) -> Stored {
    let client = mongodb::Client::with_uri_str(plant.stack.mongodb_url()).await.unwrap();
    let readings = client.database("genims_production").collection::<Document>("sensor_readings");
    let found = readings.find(doc! {}).projection(doc! { "_id": 0, "timestamp": 1, "meta.sensor_id": 1, "value": 1 });
    let mut found = found.batch_size(10_000).await.unwrap();
    let mut stored = Stored::new();
    while let Some(document) = found.try_next().await.unwrap() {
        let time = document.get_datetime("timestamp").unwrap().timestamp_millis() * 1_000 + TICK_FRACTION_US;
        assert_eq!(document.get_f64("value").unwrap().to_bits(), value_at(time).to_bits(), "at {time}");
        let sensor = document.get_document("meta").unwrap().get_str("sensor_id").unwrap();
        stored.entry(sensor.to_owned()).or_default().push(time);
    }
    stored
}
