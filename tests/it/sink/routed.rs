//! Databases that events are routed to, behind wires that fail and under hands that interfere: each row once, and nobody is blocked for
//! long.

use super::mongodb::{aggregate, assert_is_series, number};
use super::plant::{Plant, Sink, noon_us, until};
use super::proxy::Proxy;
use super::routed_servers::{Databases, routed_trial};
use crate::harness::Harness;
use genims_log::contract::Log;
use genims_model::{Event, Group, MachineNo};
use genims_routes::event::uid;
use libtest_mimic::Trial;
use mongodb::bson::{Document, doc};
use mysql_async::prelude::Queryable;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What an operator may wait for rows after a host has vanished.
const RESUMED_WITHIN: Duration = Duration::from_secs(60);
const CHANGES: i64 = 1_500;
/// The statements before the batch stay far below, the batch is far above.
const BATCH_BYTES: u64 = 64 << 10;
const SERIES: &str = "machine_state_changes";

pub(super) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        routed_trial(harness, "a_wire_that_falls_silent_blocks_nobody_for_long", a_wire_that_falls_silent),
        routed_trial(harness, "what_was_done_and_not_answered_is_not_repeated", what_was_done_and_not_answered),
        routed_trial(harness, "a_lock_of_mysql_is_waited_for_in_one_place", a_lock_of_mysql_is_waited_for_in_one_place),
        routed_trial(harness, "what_is_too_slow_for_mysql_is_split_until_it_fits", what_is_too_slow_for_mysql),
        routed_trial(harness, "a_series_dropped_under_load_is_made_again_as_one", a_series_dropped_under_load),
        routed_trial(harness, "what_a_crash_left_of_a_dropped_series_goes", what_a_crash_left_of_a_dropped_series),
        routed_trial(harness, "documents_of_others_in_a_dropped_series_are_said", documents_of_others_are_said),
    ]
}

/// Changes of a machine's state, the first of them number `from`. A number is the same change whenever it is made again, also when
/// another day has begun meanwhile.
pub(super) fn changes(from: i64, count: i64) -> Group {
    static BEGUN_US: OnceLock<i64> = OnceLock::new();
    let begun_us = BEGUN_US.get_or_init(noon_us);
    let change = |number: i64| {
        let (from, to) = if number % 2 == 0 { ("IDLE", "RUNNING") } else { ("RUNNING", "IDLE") };
        let (timestamp_us, from, to) = (begun_us + number * 1_000_000, from.to_owned(), to.to_owned());
        Event::StateChanged { machine: MachineNo(0), timestamp_us, from, to, lasted_us: Some(1_000_000) }
    };
    Group { events: (from..from + count).map(change).collect(), ..Group::default() }
}

fn retries(plant: &Plant) -> u64 {
    plant.metrics.retries_total.load(Ordering::Relaxed)
}

/// Rows of the plant's events, and how many different ones.
pub(super) async fn in_postgres(databases: &Databases) -> (i64, i64) {
    let query = "SELECT count(*), count(DISTINCT document_id) FROM hcm_integration_log WHERE document_id LIKE 'EV-%'";
    let row = databases.connect_postgres().await.query_one(query, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

pub(super) async fn in_mysql(databases: &Databases) -> (i64, i64) {
    let query = "SELECT count(*), count(DISTINCT record_key) FROM business_alerts";
    databases.connect_mysql().await.query_first(query).await.unwrap().unwrap()
}

pub(super) async fn in_mongodb(databases: &Databases) -> (i64, i64) {
    let by_id = doc! { "$group": { "_id": "$_id", "copies": { "$sum": 1 } } };
    let all = doc! { "$group": { "_id": null, "ids": { "$sum": 1 }, "documents": { "$sum": "$copies" } } };
    let series = databases.mongo_database().await.collection::<Document>(SERIES);
    let counted = aggregate(&series, vec![by_id, all]).await;
    (number(&counted, "documents"), number(&counted, "ids"))
}

/// The test's own user of MariaDB has one connection at most, once what was given up is gone.
async fn nobody_is_left_in_mysql(databases: &Databases) {
    let query = format!("SELECT count(*) FROM information_schema.PROCESSLIST WHERE USER = '{}'", databases.name);
    let mut connection = databases.connect_mysql().await;
    let deadline = Instant::now() + Duration::from_secs(5);
    while connection.query_first::<i64, _>(&query).await.unwrap() > Some(1) {
        assert!(Instant::now() < deadline, "an abandoned connection is left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// PostgreSQL and MariaDB hold a batch with the lock of its position, and hear nothing any more; MongoDB hears half of one.
async fn a_wire_that_falls_silent(databases: Arc<Databases>) {
    let (one, two, three) = (Plant::new(), Plant::new(), Plant::new());
    let postgres = Proxy::silent_before(databases.postgres_address(), BATCH_BYTES, "COMMIT").await;
    let mysql = Proxy::silent_before(databases.mysql_address(), BATCH_BYTES, "COMMIT").await;
    let mongo = Proxy::silent_after(databases.mongo_address(), BATCH_BYTES).await;
    [&one, &two, &three].iter().for_each(|plant| plant.append(changes(0, CHANGES)));
    let sinks = [
        databases.follow_postgres(&one, postgres.address).0,
        databases.follow_mysql(&two, mysql.address).0,
        databases.follow_mongo(&three, mongo.address).await.0,
    ];
    until("the wires are silent", || [&postgres, &mysql, &mongo].iter().all(|proxy| proxy.failed() == 1)).await;
    let begun = Instant::now();
    for plant in [&one, &two, &three] {
        plant.caught_up_within(RESUMED_WITHIN).await;
        assert!(retries(plant) > 0);
    }
    assert!(begun.elapsed() < RESUMED_WITHIN, "{:?}", begun.elapsed());
    assert_eq!(in_postgres(&databases).await, (CHANGES, CHANGES));
    assert_eq!(in_mysql(&databases).await, (CHANGES, CHANGES));
    assert_eq!(in_mongodb(&databases).await, (CHANGES, CHANGES));
    let backends = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name LIKE 'genims-sink%'";
    let backends = databases.connect_postgres().await.query_one(backends, &[]).await.unwrap();
    assert_eq!(backends.get::<_, i64>(0), 1, "the abandoned backend is gone");
    nobody_is_left_in_mysql(&databases).await;
    for sink in sinks {
        sink.stop().await;
    }
}

/// Each database has the batch, and its sink does not learn of it.
async fn what_was_done_and_not_answered(databases: Arc<Databases>) {
    let plant = Plant::new();
    let proxy = Proxy::unanswered(databases.postgres_address(), BATCH_BYTES, "COMMIT").await;
    plant.append(changes(0, CHANGES));
    let (sink, routed) = databases.follow_postgres(&plant, proxy.address);
    goes_on(&plant, &proxy, sink).await;
    assert_eq!(in_postgres(&databases).await, (CHANGES, CHANGES));
    assert_eq!(routed.counts()[0].1.events, 0, "the batch was there, and was sent again");

    let plant = Plant::new();
    let proxy = Proxy::unanswered(databases.mysql_address(), BATCH_BYTES, "COMMIT").await;
    plant.append(changes(0, CHANGES));
    let (sink, routed) = databases.follow_mysql(&plant, proxy.address);
    goes_on(&plant, &proxy, sink).await;
    assert_eq!(in_mysql(&databases).await, (CHANGES, CHANGES));
    assert_eq!(routed.counts()[0].1.events, 0, "the batch was there, and was sent again");

    // The documents' answer is lost, then that of the position behind them.
    let plant = Plant::new();
    let proxy = Proxy::unanswered_after(databases.mongo_address(), BATCH_BYTES).await;
    plant.append(changes(0, CHANGES));
    let (sink, _) = databases.follow_mongo(&plant, proxy.address).await;
    goes_on(&plant, &proxy, sink).await;
    assert_eq!(in_mongodb(&databases).await, (CHANGES, CHANGES));
    let again = plant.restarted();
    let proxy = Proxy::unanswered(databases.mongo_address(), 0, "updated_at").await;
    again.append(changes(CHANGES, CHANGES));
    let (sink, routed) = databases.follow_mongo(&again, proxy.address).await;
    goes_on(&again, &proxy, sink).await;
    assert_eq!(in_mongodb(&databases).await, (2 * CHANGES, 2 * CHANGES));
    assert_eq!(routed.counts()[0].1.events, 0, "the batch was there, and was sent again");
}

async fn goes_on(plant: &Plant, proxy: &Proxy, sink: Sink) {
    until("the answer is lost", || proxy.failed() == 1).await;
    plant.caught_up_within(RESUMED_WITHIN).await;
    assert!(retries(plant) > 0);
    sink.stop().await;
}

/// A stranger locks the table: each attempt ends by itself, and its connection with it.
async fn a_lock_of_mysql_is_waited_for_in_one_place(databases: Arc<Databases>) {
    let plant = Plant::new();
    let mut holder = databases.connect_mysql().await;
    holder.query_drop("LOCK TABLES business_alerts WRITE").await.unwrap();
    plant.append(changes(0, 100));
    let (sink, _) = databases.follow_mysql(&plant, databases.mysql_address());
    let metrics = plant.metrics.clone();
    until("the lock is said", || metrics.last_error().is_some_and(|error| error.contains("1205"))).await;
    nobody_is_left_in_mysql(&databases).await;
    holder.query_drop("UNLOCK TABLES").await.unwrap();
    plant.caught_up().await;
    sink.stop().await;
    assert_eq!(in_mysql(&databases).await, (100, 100));
}

/// The server ends statements after a second, and the route takes a hundredth of one for a row.
async fn what_is_too_slow_for_mysql(databases: Arc<Databases>) {
    let plant = Plant::new();
    databases.bound_statements_of_mysql("1").await;
    plant.append(changes(0, 200));
    let (sink, _) = databases.follow_mysql_slowly(&plant);
    plant.caught_up_within(RESUMED_WITHIN).await;
    sink.stop().await;
    assert_eq!(in_mysql(&databases).await, (200, 200));
    assert_eq!(retries(&plant), 0, "the batch was repeated unchanged");
}

async fn assert_made_again(databases: &Databases) {
    let years = Duration::from_secs(730 * 86_400);
    assert_is_series(&databases.mongo_database().await, SERIES, Some(years)).await;
}

async fn a_series_dropped_under_load(databases: Arc<Databases>) {
    let plant = Plant::new();
    plant.append(changes(0, 50));
    let (sink, routed) = databases.follow_mongo(&plant, databases.mongo_address()).await;
    plant.caught_up().await;
    databases.mongo_database().await.collection::<Document>(SERIES).drop().await.unwrap();
    for round in 1..6 {
        plant.append(changes(round * 100, 50));
    }
    plant.caught_up().await;
    sink.stop().await;
    assert_made_again(&databases).await;
    assert_eq!(in_mongodb(&databases).await, (250, 250), "what was routed after the drop, once");
    assert_eq!((retries(&plant), routed.counts()[0].1.rows), (0, 300));
}

/// As a sink leaves it that dies between an insert and what is done about the collection which that insert made.
async fn what_a_crash_left_of_a_dropped_series(databases: Arc<Databases>) {
    let plant = Plant::new();
    plant.append(changes(0, 50));
    let (sink, _) = databases.follow_mongo(&plant, databases.mongo_address()).await;
    plant.caught_up().await;
    sink.stop().await;
    let series = databases.mongo_database().await.collection::<Document>(SERIES);
    series.drop().await.unwrap();
    series.insert_one(doc! { "_id": format!("{}/series", uid(plant.log.position(0).log(), 55)) }).await.unwrap();
    let again = plant.restarted();
    again.append(changes(50, 50));
    let (sink, _) = databases.follow_mongo(&again, databases.mongo_address()).await;
    again.caught_up().await;
    sink.stop().await;
    assert_made_again(&databases).await;
    assert_eq!(in_mongodb(&databases).await, (50, 50));
}

/// Nobody drops what is somebody else's: it is said, and the rows stay beside it.
async fn documents_of_others_are_said(databases: Arc<Databases>) {
    let plant = Plant::new();
    plant.append(changes(0, 50));
    let (sink, _) = databases.follow_mongo(&plant, databases.mongo_address()).await;
    plant.caught_up().await;
    let series = databases.mongo_database().await.collection::<Document>(SERIES);
    series.drop().await.unwrap();
    series.insert_one(doc! { "_id": "of somebody else" }).await.unwrap();
    plant.append(changes(50, 50));
    let (metrics, said) = (plant.metrics.clone(), "1 documents of other clients");
    until("it is said", || metrics.last_error().is_some_and(|error| error.contains(said))).await;
    plant.caught_up().await;
    sink.stop().await;
    assert_eq!(in_mongodb(&databases).await, (51, 51));
}
