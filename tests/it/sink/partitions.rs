//! The partitions of the PostgreSQL sink: made when needed, ahead of time, and never in the way.

use super::plant::{Plant, group, noon_us, now_us};
use super::postgres::{DAY_US, count, follow};
use super::servers::{Postgres, Whose, postgres_trial};
use crate::harness::Harness;
use genims_stores::postgres::partitions::partition_name;
use libtest_mimic::Trial;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
