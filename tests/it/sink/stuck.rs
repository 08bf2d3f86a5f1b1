//! Connections that are neither there nor gone.

use super::mongodb;
use super::plant::{Plant, group, noon_us, until};
use super::postgres::{count, follow};
use super::proxy::Proxy;
use super::servers::{Mongo, Postgres, Whose, mongodb_trial, postgres_trial};
use crate::harness::Harness;
use genims_stores::mongo::MongoTarget;
use genims_stores::postgres::PostgresTarget;
use genims_stores::postgres::session::{OPERATIONS, Session};
use libtest_mimic::Trial;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What an operator may wait for commits after a host has vanished.
const RESUMED_WITHIN: Duration = Duration::from_secs(60);
/// Without `idle_in_transaction_session_timeout` (20 s in the sink's transactions) it would never end: the proxy keeps the
/// connection. However slow the machine is, that is told from a wait.
const LET_GO_WITHIN: Duration = Duration::from_secs(600);

pub(super) fn tests(harness: &'static Harness) -> Vec<Trial> {
    use Whose::{Own, Shared};
    vec![
        postgres_trial(
            harness,
            "commits_resume_after_a_wire_fell_silent_in_mid_copy",
            Shared,
            commits_resume_after_a_wire_fell_silent_in_mid_copy,
        ),
        postgres_trial(
            harness,
            "a_commit_whose_answer_is_lost_is_not_repeated",
            Shared,
            a_commit_whose_answer_is_lost_is_not_repeated,
        ),
        postgres_trial(
            harness,
            "a_session_that_holds_the_position_is_waited_for_in_one_place",
            Shared,
            a_session_that_holds_the_position_is_waited_for_in_one_place,
        ),
        postgres_trial(
            harness,
            "a_session_bounds_what_the_server_waits_for",
            Shared,
            a_session_bounds_what_the_server_waits_for,
        ),
        postgres_trial(
            harness,
            "a_sink_that_vanished_for_good_holds_nothing",
            Shared,
            a_sink_that_vanished_for_good_holds_nothing,
        ),
        postgres_trial(
            harness,
            "a_server_that_vanishes_shows_while_idle",
            Own,
            a_server_that_vanishes_shows_while_idle,
        ),
        mongodb_trial(
            harness,
            "inserts_resume_after_a_wire_fell_silent_in_mid_batch",
            Shared,
            inserts_resume_after_a_wire_fell_silent_in_mid_batch,
        ),
    ]
}

/// Backends of this sink that are in a transaction or wait.
const BACKENDS: &str = "SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'genims-sink%'";

async fn commits_resume_after_a_wire_fell_silent_in_mid_copy(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let proxy = Proxy::silent_after(postgres.address(), 2 << 20).await;
    let sources = vec!["mqtt".to_owned(), "tcp".to_owned()];
    let target = PostgresTarget::new(postgres.connector_through(proxy.address), plant.directory.clone(), sources);
    let begun = Instant::now();
    for i in 0..20 {
        plant.append(group(noon_us() + i * 2_000_000, 2_000));
    }
    let sink = plant.follow(target, true, 40_000);
    until("the wire is silent", || proxy.failed() == 1).await;
    plant.caught_up_within(RESUMED_WITHIN).await;
    assert!(begun.elapsed() < RESUMED_WITHIN, "{:?}", begun.elapsed());
    let client = postgres.connect().await;
    assert_eq!(count(&client, "SELECT count(*) FROM sensor_data").await, 40_000);
    assert_eq!(count(&client, BACKENDS).await, 1, "the abandoned backend is gone");
    assert!(plant.metrics.retries_total.load(Ordering::Relaxed) > 0);
    sink.stop().await;
}

/// PostgreSQL has the batch, and the sink does not learn of it.
async fn a_commit_whose_answer_is_lost_is_not_repeated(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let proxy = Proxy::unanswered(postgres.address(), 64 << 10, "COMMIT").await;
    let sources = vec!["mqtt".to_owned(), "tcp".to_owned()];
    let target = PostgresTarget::new(postgres.connector_through(proxy.address), plant.directory.clone(), sources);
    plant.append(group(noon_us(), 3_000));
    let sink = plant.follow(target, true, 3_000);
    until("the answer is lost", || proxy.failed() == 1).await;
    plant.caught_up_within(RESUMED_WITHIN).await;
    sink.stop().await;
    let client = postgres.connect().await;
    assert_eq!(count(&client, "SELECT count(*) FROM sensor_data").await, 3_000);
    assert_eq!(count(&client, "SELECT count(*) FROM genims_internal.ingest_batches").await, 1);
    assert!(plant.metrics.retries_total.load(Ordering::Relaxed) > 0);
    assert_eq!(plant.metrics.bytes_total.load(Ordering::Relaxed), 0, "the batch was there, and was sent again");
    assert_eq!(plant.accounts.total().committed, 3_000);
}

/// The row of the position is locked by a stranger: each attempt ends by itself, and its backend with it.
async fn a_session_that_holds_the_position_is_waited_for_in_one_place(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    plant.append(group(noon_us(), 100));
    let sink = follow(&plant, &postgres, 1_000);
    plant.caught_up().await;
    let (client, holder) = (postgres.connect().await, postgres.connect().await);
    holder.batch_execute("BEGIN; SELECT FROM genims_internal.sink_positions FOR UPDATE").await.unwrap();
    plant.append(group(noon_us() + 1_000_000, 100));
    let metrics = plant.metrics.clone();
    until("the lock is said", || metrics.last_error().is_some_and(|error| error.contains("55P03"))).await;
    assert!(count(&client, BACKENDS).await <= 1);
    holder.batch_execute("ROLLBACK").await.unwrap();
    plant.caught_up().await;
    sink.stop().await;
    assert_eq!(count(&client, "SELECT count(*) FROM sensor_data").await, 200);
}

/// As the server itself says in a transaction of the sink; of keepalives it says what its socket has.
async fn a_session_bounds_what_the_server_waits_for(postgres: Arc<Postgres>) {
    let within = [
        ("tcp_keepalives_idle", 5),
        ("tcp_keepalives_interval", 5),
        ("tcp_keepalives_count", 3),
        ("tcp_user_timeout", 20_000),
        ("client_connection_check_interval", 5_000),
        ("lock_timeout", 10_000),
        ("statement_timeout", 20_000),
        ("idle_in_transaction_session_timeout", 20_000),
    ];
    let mut session = Session::open(postgres.connect().await, OPERATIONS).await.unwrap();
    session.bound().await.unwrap();
    let transaction = session.begin().await.unwrap();
    for (name, most) in within {
        let setting = "SELECT setting::bigint FROM pg_settings WHERE name = $1";
        let setting: i64 = transaction.query_one(setting, &[&name]).await.unwrap().get(0);
        assert!((1..=most).contains(&setting), "{name} = {setting}");
    }
}

/// The host of the sink is gone, nothing tells its server so, and no other sink comes to end what it left.
async fn a_sink_that_vanished_for_good_holds_nothing(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let proxy = Proxy::silent_before(postgres.address(), 64 << 10, "COMMIT").await;
    let sources = vec!["mqtt".to_owned(), "tcp".to_owned()];
    let target = PostgresTarget::new(postgres.connector_through(proxy.address), plant.directory.clone(), sources);
    plant.append(group(noon_us(), 3_000));
    let sink = plant.follow(target, true, 3_000);
    until("the wire is silent", || proxy.failed() == 1).await;
    sink.abort().await;
    let vanished = Instant::now();
    let client = postgres.connect().await;
    let position = "SELECT FROM genims_internal.sink_positions FOR UPDATE NOWAIT";
    assert!(client.batch_execute(position).await.is_err(), "the position is held");
    while count(&client, BACKENDS).await > 0 {
        assert!(vanished.elapsed() < LET_GO_WITHIN, "a backend without a client holds the position");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    client.batch_execute(position).await.unwrap();
    assert_eq!(count(&client, "SELECT count(*) FROM sensor_data").await, 0, "nobody has committed it");
}

async fn a_server_that_vanishes_shows_while_idle(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    plant.append(group(noon_us(), 100));
    let sink = follow(&plant, &postgres, 1_000);
    plant.caught_up().await;
    postgres.kill();
    let metrics = plant.metrics.clone();
    until("the outage shows", || !metrics.is_connected() && metrics.last_error().is_some()).await;
    postgres.up();
    until("it is there again", || metrics.is_connected() && metrics.last_error().is_none()).await;
    sink.stop().await;
}

async fn inserts_resume_after_a_wire_fell_silent_in_mid_batch(mongo: Arc<Mongo>) {
    let plant = Plant::new();
    let proxy = Proxy::silent_after(mongo.address(), 2 << 20).await;
    for i in 0..20 {
        plant.append(group(noon_us() + i * 2_000_000, 2_000));
    }
    let client = mongo.client_through(proxy.address).await;
    let target = MongoTarget::new(client, mongo.names.clone(), plant.directory.clone());
    let sink = plant.follow(target, false, 40_000);
    until("the wire is silent", || proxy.failed() == 1).await;
    plant.caught_up_within(RESUMED_WITHIN).await;
    sink.stop().await;
    mongodb::assert_exact(&mongo, 40_000).await;
}
