//! The MongoDB sink: every document once, whatever happens in between.

use super::plant::{Plant, Sink, group, noon_us, until};
use super::proxy::Proxy;
use super::servers::{Mongo, Whose, mongodb_trial};
use crate::harness::Harness;
use genims_log::contract::Log;
use genims_model::event::{FaultOpened, OeeHour};
use genims_model::snapshot::SnapshotFields;
use genims_model::{Event, Group, MachineNo, Snapshot};
use genims_stores::mongo::MongoTarget;
use genims_stores::mongo::collections::ALL;
use libtest_mimic::Trial;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection, Database};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const DAY_US: i64 = 86_400_000_000;

pub(super) fn tests(harness: &'static Harness) -> Vec<Trial> {
    use Whose::{Own, Shared};
    vec![
        mongodb_trial(
            harness,
            "readings_snapshots_and_events_land_in_their_collections",
            Shared,
            readings_snapshots_and_events_land_in_their_collections,
        ),
        mongodb_trial(
            harness,
            "no_document_is_doubled_or_lost_however_often_the_sink_dies",
            Shared,
            no_document_is_doubled_or_lost_however_often_the_sink_dies,
        ),
        mongodb_trial(
            harness,
            "an_uncertain_range_is_looked_up_also_when_batches_are_cut_differently",
            Shared,
            an_uncertain_range_is_looked_up_also_when_batches_are_cut_differently,
        ),
        mongodb_trial(
            harness,
            "a_killed_server_is_waited_for_and_caught_up",
            Own,
            a_killed_server_is_waited_for_and_caught_up,
        ),
        mongodb_trial(
            harness,
            "broken_connections_cost_retries_and_no_copies",
            Own,
            broken_connections_cost_retries_and_no_copies,
        ),
        mongodb_trial(
            harness,
            "an_insert_whose_answer_is_lost_is_looked_up_before_it_is_repeated",
            Shared,
            an_insert_whose_answer_is_lost_is_looked_up_before_it_is_repeated,
        ),
        mongodb_trial(
            harness,
            "an_insert_that_still_runs_after_its_client_died_is_waited_for",
            Own,
            an_insert_that_still_runs_after_its_client_died_is_waited_for,
        ),
        mongodb_trial(
            harness,
            "a_collection_dropped_under_load_is_made_again_as_a_time_series",
            Shared,
            a_collection_dropped_under_load_is_made_again_as_a_time_series,
        ),
        mongodb_trial(
            harness,
            "what_would_expire_at_once_and_what_is_refused_is_counted",
            Shared,
            what_would_expire_at_once_and_what_is_refused_is_counted,
        ),
    ]
}

async fn follow(plant: &Plant, mongo: &Mongo, batch_size: usize) -> Sink {
    let target = MongoTarget::new(mongo.client().await, mongo.names.clone(), plant.directory.clone());
    plant.follow(target, false, batch_size)
}

async fn readings(mongo: &Mongo) -> Collection<Document> {
    mongo.production().await.collection("sensor_readings")
}

pub(super) async fn aggregate(collection: &Collection<Document>, pipeline: Vec<Document>) -> Document {
    let mut cursor = collection.aggregate(pipeline).await.expect("an answer");
    match cursor.advance().await.expect("an answer") {
        true => cursor.deserialize_current().expect("a document"),
        false => Document::new(),
    }
}

pub(super) fn number(document: &Document, name: &str) -> i64 {
    let value = document.get(name);
    value.and_then(|value| value.as_i64().or_else(|| value.as_i32().map(i64::from))).unwrap_or(0)
}

async fn ledger(mongo: &Mongo, field: &str) -> i64 {
    let ledger = mongo.internal("ingest_batches").await;
    let sum = doc! { "$group": { "_id": null, "sum": { "$sum": format!("${field}") } } };
    number(&aggregate(&ledger, vec![sum]).await, "sum")
}

/// Every reading once, and the ledger says so.
pub(super) async fn assert_exact(mongo: &Mongo, expected: i64) {
    let readings = readings(mongo).await;
    let by_id = doc! { "$group": { "_id": "$_id", "copies": { "$sum": 1 } } };
    let all = doc! { "$group": { "_id": null, "ids": { "$sum": 1 }, "documents": { "$sum": "$copies" } } };
    let counted = aggregate(&readings, vec![by_id, all]).await;
    assert_eq!((number(&counted, "documents"), number(&counted, "ids")), (expected, expected));
    assert_eq!(ledger(mongo, "sensor_readings").await, expected);
}

async fn fail_inserts(client: &Client, times: i32, data: Document) {
    let mut data = data;
    data.insert("failCommands", vec!["insert"]);
    let command = doc! { "configureFailPoint": "failCommand", "mode": { "times": times }, "data": data };
    client.database("admin").run_command(command).await.expect("a fail point");
}

async fn readings_snapshots_and_events_land_in_their_collections(mongo: Arc<Mongo>) {
    let plant = Plant::new();
    plant.append(documents(noon_us(), 5_000));
    let sink = follow(&plant, &mongo, 2_000).await;
    plant.caught_up().await;
    sink.stop().await;
    assert_exact(&mongo, 5_000).await;
    let one = readings(&mongo).await.find_one(doc! { "meta.sensor_id": "SEN-000009" }).await.expect("an answer");
    let one = one.expect("a document");
    let mut names: Vec<&str> = one.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["_id", "anomaly_score", "meta", "status", "timestamp", "value"]);
    assert_eq!(one.get_document("meta").expect("meta").get_str("machine_id").ok(), Some("MAC-0001"));
    let production = mongo.production().await;
    for (name, count) in [("scada_events", 1), ("oee_metrics", 1), ("machine_fault_events", 1)] {
        let found = production.collection::<Document>(name).count_documents(doc! {}).await.expect("a count");
        assert_eq!((name, found), (name, count));
    }
    let kinds = production.list_collection_names().filter(doc! { "type": "timeseries" }).await.expect("names");
    assert_eq!(kinds.len(), 4, "{kinds:?}");
}

async fn no_document_is_doubled_or_lost_however_often_the_sink_dies(mongo: Arc<Mongo>) {
    let mut plant = Plant::new();
    let mut start = noon_us();
    for round in 0..12_u64 {
        for _ in 0..4 {
            plant.append(group(start, 1_500));
            start += 2_000_000;
        }
        let sink = follow(&plant, &mongo, 1_000 + 700 * (round as usize % 4)).await;
        tokio::time::sleep(Duration::from_millis(20 + round * 17)).await;
        sink.abort().await;
        plant.log.set_cursor("mongodb", 0);
        plant = plant.restarted();
    }
    let sink = follow(&plant, &mongo, 3_000).await;
    plant.caught_up().await;
    sink.stop().await;
    assert_exact(&mongo, 12 * 4 * 1_500).await;
}

async fn an_uncertain_range_is_looked_up_also_when_batches_are_cut_differently(mongo: Arc<Mongo>) {
    let plant = Plant::new();
    let start = noon_us();
    for i in 0..10 {
        plant.append(group(start + i * 2_000_000 - i % 3 * DAY_US, 1_000));
    }
    let sink = follow(&plant, &mongo, 10_000).await;
    plant.caught_up().await;
    sink.stop().await;
    // As if the last position update had been lost.
    let positions = mongo.internal("sink_positions").await;
    positions.update_one(doc! {}, doc! { "$set": { "next_offset": 0_i64 } }).await.expect("moved back");
    mongo.internal("ingest_batches").await.drop().await.expect("dropped");
    readings(&mongo).await.delete_many(doc! { "meta.sensor_id": "SEN-000007" }).await.expect("a series gone");
    plant.log.set_cursor("mongodb", 0);
    let again = plant.restarted();
    let sink = follow(&again, &mongo, 3_000).await;
    again.caught_up().await;
    sink.stop().await;
    assert_exact(&mongo, 10_000).await;
    assert_eq!(ledger(&mongo, "found").await, 10_000 - 250);
}

async fn a_killed_server_is_waited_for_and_caught_up(mongo: Arc<Mongo>) {
    let plant = Plant::new();
    let start = noon_us();
    let sink = follow(&plant, &mongo, 2_000).await;
    for i in 0..20 {
        plant.append(group(start + i * 4_000_000, 2_000));
        tokio::time::sleep(Duration::from_millis(10)).await;
        if i == 7 {
            mongo.kill();
        }
    }
    let metrics = plant.metrics.clone();
    until("the outage shows", || metrics.last_error().is_some()).await;
    mongo.up();
    plant.caught_up().await;
    sink.stop().await;
    assert_exact(&mongo, 40_000).await;
}

async fn broken_connections_cost_retries_and_no_copies(mongo: Arc<Mongo>) {
    let plant = Plant::new();
    let client = mongo.client().await;
    fail_inserts(&client, 3, doc! { "closeConnection": true }).await;
    plant.append(group(noon_us(), 3_000));
    let sink = follow(&plant, &mongo, 1_000).await;
    plant.caught_up().await;
    sink.stop().await;
    assert!(plant.metrics.retries_total.load(Ordering::Relaxed) >= 3);
    assert_exact(&mongo, 3_000).await;
}

/// The server has all of the batch, and the sink does not learn of it.
async fn an_insert_whose_answer_is_lost_is_looked_up_before_it_is_repeated(mongo: Arc<Mongo>) {
    let plant = Plant::new();
    let proxy = Proxy::unanswered_after(mongo.address(), 128 << 10).await;
    plant.append(group(noon_us(), 3_000));
    let client = mongo.client_through(proxy.address).await;
    let target = MongoTarget::new(client, mongo.names.clone(), plant.directory.clone());
    let sink = plant.follow(target, false, 3_000);
    plant.caught_up().await;
    sink.stop().await;
    assert_eq!(proxy.failed(), 1, "no answer was lost");
    assert!(plant.metrics.retries_total.load(Ordering::Relaxed) > 0);
    assert_exact(&mongo, 3_000).await;
    assert_eq!(ledger(&mongo, "found").await, 3_000, "all of it was there already");
}

async fn an_insert_that_still_runs_after_its_client_died_is_waited_for(mongo: Arc<Mongo>) {
    let plant = Plant::new();
    let client = mongo.client().await;
    fail_inserts(&client, 1, doc! { "blockConnection": true, "blockTimeMS": 3_000 }).await;
    plant.append(group(noon_us(), 2_000));
    let begun = Instant::now();
    let sink = follow(&plant, &mongo, 2_000).await;
    let positions = mongo.internal("sink_positions").await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while positions.find_one(doc! { "intent_offset": 2_000_i64 }).await.expect("an answer").is_none() {
        assert!(Instant::now() < deadline, "the sink never began");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    sink.abort().await;
    let again = plant.restarted();
    let sink = follow(&again, &mongo, 2_000).await;
    again.caught_up().await;
    sink.stop().await;
    assert_exact(&mongo, 2_000).await;
    assert!(again.metrics.retries_total.load(Ordering::Relaxed) > 0, "nothing was waited for");
    assert!(begun.elapsed() >= Duration::from_secs(3));
}

async fn what_would_expire_at_once_and_what_is_refused_is_counted(mongo: Arc<Mongo>) {
    // An ordinary collection with a rule stands in for a server that refuses a document.
    let rule = doc! { "machine_state": { "$ne": "POISON" } };
    mongo.production().await.create_collection("scada_events").validator(rule).await.expect("a rule");
    let plant = Plant::new();
    let now = noon_us();
    let snapshot_of = |timestamp_us, state: &str| Snapshot {
        machine: MachineNo(0),
        source: 0,
        received_us: now,
        timestamp_us,
        fields: SnapshotFields { machine_state: state.to_owned(), ..SnapshotFields::default() },
    };
    let snapshot = |state| snapshot_of(now, state);
    // The mirror keeps neither for so long.
    let old = vec![snapshot_of(now - 1_000 * DAY_US, "IDLE")];
    plant.append(Group { snapshots: old, ..group(now - 91 * DAY_US, 100) });
    plant.append(Group { snapshots: vec![snapshot("IDLE"), snapshot("POISON"), snapshot("IDLE")], ..group(now, 50) });
    let sink = follow(&plant, &mongo, 1_000).await;
    plant.caught_up().await;
    sink.stop().await;
    assert_exact(&mongo, 50).await;
    assert_eq!((ledger(&mongo, "expired").await, ledger(&mongo, "refused").await), (100, 1));
    assert_eq!((ledger(&mongo, "scada_events").await, ledger(&mongo, "expired_events").await), (2, 1));
    assert_eq!(plant.metrics.expired_total.load(Ordering::Relaxed), 100);
    assert_eq!(plant.metrics.refused_total.load(Ordering::Relaxed), 1);
    assert_eq!(plant.log.cursor("mongodb"), Some(154));
}

/// What every time series of the sink gets.
fn documents(start_us: i64, count: u32) -> Group {
    let fields = SnapshotFields { machine_state: "RUNNING".to_owned(), ..SnapshotFields::default() };
    let snapshot = Snapshot { machine: MachineNo(0), source: 0, received_us: start_us, timestamp_us: start_us, fields };
    let fault = FaultOpened {
        machine: MachineNo(0),
        fault_code: "E-1".to_owned(),
        category: "mechanical".to_owned(),
        severity: "low".to_owned(),
        description: String::new(),
        start_us,
        sensor: None,
        detection_method: "plc".to_owned(),
    };
    let hour = OeeHour {
        machine: MachineNo(2),
        hour_us: start_us,
        availability: 0.9,
        performance: 0.8,
        quality: 1.0,
        oee: 0.72,
        running_seconds: 3_240.0,
        planned_seconds: 3_600.0,
        produced: 100,
        rejected: 0,
    };
    let events = vec![Event::FaultOpened(fault), Event::OeeHour(hour)];
    Group { snapshots: vec![snapshot], events, ..group(start_us, count) }
}

async fn a_collection_dropped_under_load_is_made_again_as_a_time_series(mongo: Arc<Mongo>) {
    let plant = Plant::new();
    let start = noon_us();
    plant.append(documents(start, 1_000));
    let sink = follow(&plant, &mongo, 1_000).await;
    plant.caught_up().await;
    let production = mongo.production().await;
    for series in ALL {
        production.collection::<Document>(series.name).drop().await.expect("dropped");
    }
    for i in 1..6 {
        plant.append(documents(start + i * 2_000_000, 1_000));
    }
    plant.caught_up().await;
    sink.stop().await;
    for series in ALL {
        assert_is_series(&production, series.name, series.expire_after()).await;
        let left = production.collection::<Document>(series.name).count_documents(doc! {}).await.expect("a count");
        let each = if series.name == "sensor_readings" { 1_000 } else { 1 };
        assert_eq!(left, 5 * each, "what was mirrored after the drop of {}, once", series.name);
    }
}

/// It is one, and its documents expire as they should.
pub(super) async fn assert_is_series(database: &Database, name: &str, expire_after: Option<Duration>) {
    let mut found = database.list_collections().filter(doc! { "name": name }).await.expect("an answer");
    assert!(found.advance().await.expect("an answer"), "{name} is there");
    let found = found.deserialize_current().expect("a collection");
    assert_eq!(format!("{:?}", found.collection_type), "Timeseries", "{name}");
    assert_eq!(found.options.expire_after_seconds, expire_after, "{name}");
}
