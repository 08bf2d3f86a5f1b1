//! The partitions of the PostgreSQL sink: made when needed, ahead of time, and never in the way.

use super::plant::{Plant, group, noon_us, now_us};
use super::postgres::{DAY_US, count, follow};
use super::servers::{Postgres, Whose, postgres_trial};
use crate::harness::Harness;
use genims_databases::partitions::parents;
use genims_model::snapshot::SnapshotFields;
use genims_model::{Group, MachineNo, Snapshot};
use genims_stores::postgres::partitions::{TABLES, partition_name};
use libtest_mimic::Trial;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// What the sink's own bound is.
const LOCK_WAIT: Duration = Duration::from_secs(10);

pub(super) fn tests(harness: &'static Harness) -> Vec<Trial> {
    use Whose::Shared;
    vec![
        postgres_trial(
            harness,
            "a_partition_dropped_behind_the_sink_s_back_is_made_again",
            Shared,
            a_partition_dropped_behind_the_sink_s_back_is_made_again,
        ),
        postgres_trial(
            harness,
            "rows_that_waited_for_their_day_move_into_it",
            Shared,
            rows_that_waited_for_their_day_move_into_it,
        ),
        postgres_trial(
            harness,
            "nothing_is_written_into_a_detached_partition",
            Shared,
            nothing_is_written_into_a_detached_partition,
        ),
        postgres_trial(
            harness,
            "a_lock_that_stops_tomorrow_s_partition_does_not_stop_today_s_rows",
            Shared,
            a_lock_that_stops_tomorrow_s_partition_does_not_stop_today_s_rows,
        ),
        postgres_trial(
            harness,
            "a_day_that_cannot_be_made_now_stops_no_rows",
            Shared,
            a_day_that_cannot_be_made_now_stops_no_rows,
        ),
        postgres_trial(
            harness,
            "a_partition_detached_under_load_gets_no_more_rows",
            Shared,
            a_partition_detached_under_load_gets_no_more_rows,
        ),
        postgres_trial(
            harness,
            "an_old_day_that_is_locked_stops_no_rows",
            Shared,
            an_old_day_that_is_locked_stops_no_rows,
        ),
    ]
}

fn partition(timestamp_us: i64) -> String {
    partition_name("sensor_data", timestamp_us.div_euclid(DAY_US)).unwrap()
}

async fn a_partition_dropped_behind_the_sink_s_back_is_made_again(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let client = postgres.connect().await;
    let old = noon_us() - 30 * DAY_US;
    plant.append(group(old, 100));
    let sink = follow(&plant, &postgres, 1_000);
    plant.caught_up().await;
    client.batch_execute(&format!("DROP TABLE {}", partition(old))).await.unwrap();
    plant.append(group(old + 1_000_000, 50));
    plant.caught_up().await;
    sink.stop().await;
    assert_eq!(count(&client, "SELECT count(*) FROM sensor_data").await, 50);
    assert_eq!(count(&client, "SELECT count(*) FROM genims_internal.dead_letters").await, 0);
}

async fn rows_that_waited_for_their_day_move_into_it(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let client = postgres.connect().await;
    let old = noon_us() - 30 * DAY_US;
    let insert = format!(
        "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, timestamp, measurement_value, \
         measurement_unit) SELECT 'S', 'M', 'L', 'F', to_timestamp({old} / 1e6) AT TIME ZONE 'UTC', n, 'C' \
         FROM generate_series(1, 20) n"
    );
    client.batch_execute(&insert).await.unwrap();
    let waiting = "SELECT count(*) FROM genims_partitions.sensor_data_default";
    assert_eq!(count(&client, waiting).await, 20);
    plant.append(group(old, 100));
    let sink = follow(&plant, &postgres, 1_000);
    plant.caught_up().await;
    sink.stop().await;
    assert_eq!(count(&client, waiting).await, 0);
    assert_eq!(count(&client, &format!("SELECT count(*) FROM {}", partition(old))).await, 120);
}

async fn nothing_is_written_into_a_detached_partition(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let client = postgres.connect().await;
    let old = noon_us() - 30 * DAY_US;
    plant.append(group(old, 100));
    let sink = follow(&plant, &postgres, 1_000);
    plant.caught_up().await;
    sink.stop().await;
    let detach = format!("ALTER TABLE sensor_data DETACH PARTITION {}", partition(old));
    client.batch_execute(&detach).await.unwrap();
    let again = plant.restarted();
    again.append(group(old, 50));
    let sink = follow(&again, &postgres, 1_000);
    again.caught_up().await;
    sink.stop().await;
    assert_eq!(count(&client, &format!("SELECT count(*) FROM {}", partition(old))).await, 100);
    assert_eq!(count(&client, "SELECT count(*) FROM sensor_data").await, 50);
}

async fn a_lock_that_stops_tomorrow_s_partition_does_not_stop_today_s_rows(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let (client, reader) = (postgres.connect().await, postgres.connect().await);
    plant.append(group(noon_us(), 100));
    let sink = follow(&plant, &postgres, 1_000);
    plant.caught_up().await;
    sink.stop().await;
    let ahead = partition(now_us() + 5 * DAY_US);
    client.batch_execute(&format!("DROP TABLE {ahead}")).await.unwrap();
    // As a dump does, for hours.
    let hold = "BEGIN; LOCK TABLE genims_partitions.sensor_data_default IN ACCESS SHARE MODE";
    reader.batch_execute(hold).await.unwrap();
    let again = plant.restarted();
    again.append(group(noon_us(), 50));
    let sink = follow(&again, &postgres, 1_000);
    again.caught_up().await;
    sink.stop().await;
    assert_eq!(count(&client, "SELECT count(*) FROM sensor_data").await, 150);
    assert_eq!(again.metrics.retries_total.load(Ordering::Relaxed), 0);
    let made = format!("SELECT count(*) FROM pg_class WHERE oid = to_regclass('{ahead}')");
    assert_eq!(count(&client, &made).await, 0, "the lock was in the way");
}

/// Rows for every partitioned table.
fn rows(start_us: i64, count: u32) -> Group {
    let fields = SnapshotFields { machine_state: "RUNNING".to_owned(), ..SnapshotFields::default() };
    let snapshot = |i: u32| {
        let timestamp_us = start_us + i64::from(i) * 1_000;
        Snapshot { machine: MachineNo(i % 5), source: 0, received_us: now_us(), timestamp_us, fields: fields.clone() }
    };
    Group { snapshots: (0..count).map(snapshot).collect(), ..group(start_us, count) }
}

/// As the database has them: a new one is met by these tests without being named here.
async fn tables(client: &Client) -> Vec<String> {
    let tables = parents(client).await.unwrap();
    let known: BTreeSet<&str> = TABLES.into_iter().collect();
    assert!(tables.iter().map(String::as_str).eq(known), "{tables:?}: the sink makes the partitions of {TABLES:?}");
    tables
}

/// One row for a day without a partition, while somebody reads the table.
async fn a_day_that_cannot_be_made_now_stops_no_rows(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let (client, reader) = (postgres.connect().await, postgres.connect().await);
    let tables = tables(&client).await;
    plant.append(rows(noon_us(), 100));
    let sink = follow(&plant, &postgres, 1_000);
    plant.caught_up().await;
    reader.batch_execute("BEGIN").await.unwrap();
    for table in &tables {
        reader.batch_execute(&format!("SELECT count(*) FROM {table}")).await.unwrap();
    }
    let old = noon_us() - 30 * DAY_US;
    plant.append(rows(old, 1));
    plant.append(rows(noon_us(), 50));
    plant.caught_up().await;
    // The second time nobody waits for the lock.
    plant.append(rows(old + 1_000_000, 1));
    plant.caught_up().await;
    assert_eq!(plant.metrics.retries_total.load(Ordering::Relaxed), 0);
    for table in &tables {
        let waiting = format!("SELECT count(*) FROM genims_partitions.{table}_default");
        assert_eq!(count(&client, &waiting).await, 2, "{table}");
        assert_eq!(count(&client, &format!("SELECT count(*) FROM {table}")).await, 152, "{table}");
    }
    reader.batch_execute("ROLLBACK").await.unwrap();
    sink.stop().await;
}

async fn a_partition_detached_under_load_gets_no_more_rows(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let client = postgres.connect().await;
    let tables = tables(&client).await;
    let old = noon_us() - 30 * DAY_US;
    plant.append(rows(old, 100));
    let sink = follow(&plant, &postgres, 1_000);
    plant.caught_up().await;
    let partition = |table: &str| partition_name(table, old.div_euclid(DAY_US)).unwrap();
    for table in &tables {
        let detach = format!("ALTER TABLE {table} DETACH PARTITION {}", partition(table));
        client.batch_execute(&detach).await.unwrap();
    }
    plant.append(rows(old + 1_000_000, 50));
    plant.caught_up().await;
    sink.stop().await;
    for table in &tables {
        assert_eq!(count(&client, &format!("SELECT count(*) FROM {}", partition(table))).await, 100, "{table}");
        assert_eq!(count(&client, &format!("SELECT count(*) FROM {table}")).await, 50, "{table}");
    }
}

/// A reading of a day that an operator works on, for hours.
async fn an_old_day_that_is_locked_stops_no_rows(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let (client, operator) = (postgres.connect().await, postgres.connect().await);
    let tables = tables(&client).await;
    let old = noon_us() - 30 * DAY_US;
    plant.append(rows(old, 10));
    let sink = follow(&plant, &postgres, 1_000);
    plant.caught_up().await;
    operator.batch_execute("BEGIN").await.unwrap();
    for table in &tables {
        let name = partition_name(table, old.div_euclid(DAY_US)).unwrap();
        operator.batch_execute(&format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")).await.unwrap();
    }
    plant.append(rows(old + 1_000_000, 2));
    plant.append(rows(noon_us(), 50));
    plant.caught_up().await;
    // The second time nobody waits for the lock.
    let begun = Instant::now();
    plant.append(rows(old + 2_000_000, 1));
    plant.append(rows(noon_us() + 1_000_000, 50));
    plant.caught_up().await;
    assert!(begun.elapsed() < LOCK_WAIT, "{:?}", begun.elapsed());
    operator.batch_execute("ROLLBACK").await.unwrap();
    for table in &tables {
        assert_eq!(count(&client, &format!("SELECT count(*) FROM {table}")).await, 110, "{table}");
    }
    // Two and one of both tables.
    let set_aside = "SELECT coalesce(sum(records), 0)::bigint FROM genims_internal.dead_letters \
                     WHERE reason = 'refused_by_database' AND detail LIKE '%locked by another session%'";
    assert_eq!(count(&client, set_aside).await, 6);
    sink.stop().await;
}
