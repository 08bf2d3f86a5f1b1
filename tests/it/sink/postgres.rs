//! The PostgreSQL sink: whole batches, once; refused rows alone; back after an outage.

use super::plant::{Plant, Sink, group, noon_us, reading, until};
use super::servers::{Postgres, Whose, postgres_trial};
use crate::harness::Harness;
use genims_model::event::{FaultClosed, FaultOpened, SensorHealth};
use genims_model::reading::flag;
use genims_model::snapshot::SnapshotFields;
use genims_model::{DeadLetter, Event, Group, MachineNo, Reading, Reason, SensorNo, Snapshot};
use genims_platform::dead_letters::{self, DeadLetterFilter};
use genims_stores::postgres::PostgresTarget;
use libtest_mimic::Trial;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_postgres::Client;

pub(super) const DAY_US: i64 = 86_400_000_000;

pub(super) fn tests(harness: &'static Harness) -> Vec<Trial> {
    use Whose::{Own, Shared};
    vec![
        postgres_trial(
            harness,
            "readings_of_several_days_land_once_in_their_partitions",
            Shared,
            readings_of_several_days_land_once_in_their_partitions,
        ),
        postgres_trial(
            harness,
            "everything_else_in_a_batch_reaches_its_table",
            Shared,
            everything_else_in_a_batch_reaches_its_table,
        ),
        postgres_trial(
            harness,
            "refused_rows_alone_are_set_aside_and_the_others_committed",
            Shared,
            refused_rows_alone_are_set_aside_and_the_others_committed,
        ),
        postgres_trial(
            harness,
            "a_batch_in_which_every_row_is_refused_ends",
            Shared,
            a_batch_in_which_every_row_is_refused_ends,
        ),
        postgres_trial(
            harness,
            "a_batch_lands_whole_or_not_at_all_and_once_however_often_the_sink_dies",
            Shared,
            a_batch_lands_whole_or_not_at_all_and_once_however_often_the_sink_dies,
        ),
        postgres_trial(
            harness,
            "two_sinks_on_one_log_write_every_row_once",
            Shared,
            two_sinks_on_one_log_write_every_row_once,
        ),
        postgres_trial(harness, "an_outage_is_shown_and_caught_up_after", Own, an_outage_is_shown_and_caught_up_after),
        postgres_trial(
            harness,
            "a_backend_killed_inside_a_batch_costs_a_retry_and_nothing_else",
            Shared,
            a_backend_killed_inside_a_batch_costs_a_retry_and_nothing_else,
        ),
        postgres_trial(
            harness,
            "the_last_reading_of_a_timestamp_replaces_the_earlier_one",
            Shared,
            the_last_reading_of_a_timestamp_replaces_the_earlier_one,
        ),
        postgres_trial(
            harness,
            "an_older_copy_of_the_log_is_not_followed",
            Shared,
            an_older_copy_of_the_log_is_not_followed,
        ),
    ]
}

pub(super) fn follow(plant: &Plant, postgres: &Postgres, batch_size: usize) -> Sink {
    let sources = plant.accounts.by_source().into_iter().map(|(name, _)| name.to_owned()).collect();
    let target = PostgresTarget::new(postgres.connector(), plant.directory.clone(), sources);
    plant.follow(target, true, batch_size)
}

pub(super) async fn count(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.expect("a count").get(0)
}

/// Every row once, every offset in exactly one ledger row, every record out of flight.
pub(super) async fn assert_exact(plant: &Plant, client: &Client, rows: i64) {
    assert_eq!(count(client, "SELECT count(*) FROM sensor_data").await, rows);
    assert_eq!(
        count(client, "SELECT count(DISTINCT (sensor_id, timestamp, measurement_value)) FROM sensor_data").await,
        rows
    );
    assert_eq!(
        count(client, "SELECT sum(sensor_rows - replaced_rows)::bigint FROM genims_internal.ingest_batches").await,
        rows
    );
    let unexplained = "SELECT count(*) FROM genims_internal.ingest_batches WHERE next_offset - first_offset
         <> sensor_rows + superseded_rows + scada_rows + events + dead_letters + refused_rows";
    assert_eq!(count(client, unexplained).await, 0);
    let gaps =
        "SELECT count(*) FROM (SELECT first_offset <> lag(next_offset, 1, 0::bigint) OVER (ORDER BY first_offset)
         AS gap FROM genims_internal.ingest_batches) AS steps WHERE gap";
    assert_eq!(count(client, gaps).await, 0);
    let total = plant.accounts.total();
    assert!(total.holds(), "{total:?}");
    assert_eq!(total.in_flight, 0, "{total:?}");
}

async fn readings_of_several_days_land_once_in_their_partitions(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let now = noon_us();
    for days_ago in [0, 3, 40] {
        plant.append(group(now - days_ago * DAY_US, 2_000));
    }
    let sink = follow(&plant, &postgres, 5_000);
    plant.caught_up().await;
    sink.stop().await;
    let client = postgres.connect().await;
    assert_exact(&plant, &client, 6_000).await;
    assert_eq!(plant.accounts.total().committed, 6_000);
    assert!(count(&client, "SELECT count(DISTINCT tableoid) FROM sensor_data").await >= 3);
    assert_eq!(count(&client, "SELECT max(sensor_data_id) - min(sensor_data_id) FROM sensor_data").await, 5_999);

    let row = client
        .query_one(
            "SELECT machine_id, measurement_value::text, measurement_unit, status, quality, is_anomaly,
                    std_dev_1min::text, anomaly_score::text, data_source, protocol,
                    created_at - (now() AT TIME ZONE 'UTC') < interval '1 minute', timestamp
             FROM sensor_data WHERE sensor_id = 'SEN-000009' ORDER BY timestamp DESC LIMIT 1",
            &[],
        )
        .await
        .expect("a row");
    let text = |column: usize| row.get::<_, String>(column);
    let texts: Vec<String> = [0, 1, 2, 3, 4, 6, 7, 8, 9].map(text).to_vec();
    assert_eq!(texts, ["MAC-0001", "246.1250", "C", "normal", "good", "0.5000", "0.1250", "IoT", "MQTT"]);
    assert!(row.get::<_, bool>(10) && !row.get::<_, bool>(5));
    let timestamp: chrono::NaiveDateTime = row.get(11);
    assert_eq!(timestamp.and_utc().timestamp_micros(), now + 1_969_000);
}

async fn everything_else_in_a_batch_reaches_its_table(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let now = noon_us();
    let fields = SnapshotFields {
        machine_state: "RUNNING".to_owned(),
        oee_percentage: Some(81.255),
        temperature_actual_c: Some(-40.5),
        parts_produced_cumulative: Some(5_000_000_000),
        ..SnapshotFields::default()
    };
    let opened = FaultOpened {
        machine: MachineNo(1),
        fault_code: "OVERHEAT".to_owned(),
        category: "thermal".to_owned(),
        severity: "high".to_owned(),
        description: "above 90 C".to_owned(),
        start_us: now,
        sensor: Some(SensorNo(8)),
        detection_method: "threshold".to_owned(),
    };
    let closed = FaultClosed {
        machine: MachineNo(1),
        fault_code: "OVERHEAT".to_owned(),
        start_us: now,
        end_us: now + 90_000_000,
        downtime_minutes: Some(1),
        production_loss_units: None,
    };
    let health = SensorHealth {
        sensor: SensorNo(3),
        timestamp_us: now,
        health_score: 87.5,
        drift_percentage: Some(1.25),
        noise_level: None,
        last_communication_us: Some(now),
        communication_failures_24h: 2,
        stuck: true,
        erratic: false,
        out_of_range_24h: 0,
        average_latency_ms: None,
        overall_status: "degraded".to_owned(),
    };
    let dead_letter = DeadLetter {
        source: 1,
        client: "press-7".to_owned(),
        received_us: now,
        topic: "a\0b".to_owned(),
        reason: Reason::NotANumber,
        detail: "text".to_owned(),
        payload: vec![0, 255, 7],
        payload_bytes: 3,
        records: 1,
    };
    plant.append(Group {
        snapshots: vec![Snapshot { machine: MachineNo(0), source: 0, received_us: now, timestamp_us: now, fields }],
        events: vec![
            Event::FaultOpened(opened),
            Event::SensorHealth(health),
            Event::FaultClosed(closed),
            Event::StateChanged {
                machine: MachineNo(0),
                timestamp_us: now,
                from: String::new(),
                to: "IDLE".to_owned(),
                lasted_us: None,
            },
        ],
        dead_letters: vec![dead_letter],
        ..group(now, 10)
    });
    let sink = follow(&plant, &postgres, 100);
    plant.caught_up().await;
    sink.stop().await;
    let client = postgres.connect().await;
    assert_exact(&plant, &client, 10).await;
    let total = plant.accounts.total();
    assert_eq!((total.committed, total.dead_lettered), (11, 1));

    let scada = "SELECT count(*) FROM scada_machine_data WHERE machine_id = 'MAC-0000' AND oee_percentage = 81.26
         AND temperature_actual_c = -40.5 AND parts_produced_cumulative = 5000000000 AND data_source = 'PLC'
         AND data_quality = 'good' AND fault_code IS NULL";
    assert_eq!(count(&client, scada).await, 1);
    let fault = "SELECT count(*) FROM machine_faults WHERE machine_id = 'MAC-0001' AND status = 'resolved'
         AND fault_duration_seconds = 90 AND contributing_sensors = 'SEN-000008' AND downtime_minutes = 1
         AND fault_end_time = fault_start_time + interval '90 s'";
    assert_eq!(count(&client, fault).await, 1);
    let health = "SELECT count(*) FROM sensor_health WHERE sensor_id = 'SEN-000003' AND stuck_value_detected
         AND health_score = 87.5 AND is_calibration_due AND days_since_calibration > 365";
    assert_eq!(count(&client, health).await, 1);
    let dead_letters = dead_letters::list(&client, &DeadLetterFilter::default()).await.expect("dead letters");
    assert_eq!(dead_letters.len(), 1);
    assert_eq!((dead_letters[0].source.as_str(), dead_letters[0].topic.as_str()), ("tcp", "a\u{FFFD}b"));
    let fetched = dead_letters::fetch(&client, &[dead_letters[0].letter_id]).await.expect("a dead letter");
    assert_eq!(fetched[0].payload, [0, 255, 7]);
    assert_eq!(dead_letters::mark_replayed(&client, &[dead_letters[0].letter_id]).await.expect("marked"), 1);
    assert!(dead_letters::list(&client, &DeadLetterFilter::default()).await.expect("dead letters").is_empty());
}

async fn refused_rows_alone_are_set_aside_and_the_others_committed(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let now = noon_us();
    let mut poisoned = group(now, 3_000);
    poisoned.readings[0].value = 1e12;
    poisoned.readings[1_234].value = -1e12;
    poisoned.readings[2_998].timestamp_us = i64::MIN;
    poisoned.readings[2_998].flags = flag::REPLACES;
    poisoned.readings[2_999].timestamp_us = i64::MAX;
    poisoned.readings.push(reading(999_999, now, 1.0));
    plant.append(poisoned);
    plant.append(group(now + DAY_US, 100));
    let long = SnapshotFields { machine_state: "X".repeat(51), ..SnapshotFields::default() };
    let snapshot = Snapshot { machine: MachineNo(0), source: 1, received_us: now, timestamp_us: now, fields: long };
    plant.append(Group { snapshots: vec![snapshot], ..Group::default() });
    let sink = follow(&plant, &postgres, 10_000);
    plant.caught_up().await;
    sink.stop().await;
    let client = postgres.connect().await;
    assert_exact(&plant, &client, 3_096).await;
    let total = plant.accounts.total();
    assert_eq!((total.committed, total.dead_lettered), (3_096, 6));
    assert_eq!(plant.metrics.refused_total.load(Ordering::Relaxed), 6);

    let dead_letters = dead_letters::list(&client, &DeadLetterFilter::default()).await.expect("dead letters");
    let mut states: Vec<_> =
        dead_letters.iter().map(|dead_letter| dead_letter.sqlstate.as_deref().unwrap_or("none")).collect();
    states.sort_unstable();
    assert_eq!(states, ["22001", "22003", "22003", "none", "none", "none"]);
    let ids: Vec<i64> = dead_letters.iter().map(|dead_letter| dead_letter.letter_id).collect();
    let dead_letters = dead_letters::fetch(&client, &ids).await.expect("dead letters");
    let first =
        dead_letters.iter().find(|dead_letter| dead_letter.log_offset == 0).expect("the first reading's dead letter");
    let mut element: serde_json::Value = serde_json::from_slice(&first.payload).expect("JSON");
    let row = element.as_object_mut().and_then(|element| element.remove("row")).expect("the finished row");
    assert_eq!((&row["machine_id"], &row["measurement_value"]), (&"MAC-0000".into(), &1e12.into()));
    assert_eq!(element, serde_json::json!({ "sensor_id": "SEN-000000", "timestamp_us": now, "value": 1e12 }));
    assert!(first.detail.contains("overflow"), "{}", first.detail);
}

async fn a_batch_in_which_every_row_is_refused_ends(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let mut poisoned = group(noon_us(), 500);
    poisoned.readings.iter_mut().for_each(|reading| reading.value = 1e13);
    plant.append(poisoned);
    let sink = follow(&plant, &postgres, 10_000);
    plant.caught_up().await;
    sink.stop().await;
    let client = postgres.connect().await;
    assert_eq!(count(&client, "SELECT count(*) FROM genims_internal.dead_letters").await, 500);
    assert_eq!(plant.accounts.total().dead_lettered, 500);
}

async fn a_batch_lands_whole_or_not_at_all_and_once_however_often_the_sink_dies(postgres: Arc<Postgres>) {
    use genims_log::contract::Log;
    let mut plant = Plant::new();
    let client = postgres.connect().await;
    let mut start = noon_us();
    for round in 0..12_u64 {
        for _ in 0..4 {
            plant.append(group(start, 1_500));
            start += 2_000_000;
        }
        let sink = follow(&plant, &postgres, 2_000);
        tokio::time::sleep(Duration::from_millis(round * 13)).await;
        sink.abort().await;
        let rows = count(&client, "SELECT count(*) FROM sensor_data").await;
        assert_eq!(rows % 1_500, 0, "half a batch is visible");
        // A crash also loses what the spool did not sync: the cursor falls back.
        plant.log.set_cursor("postgres", 0);
        plant = plant.restarted();
        [0, 1].iter().for_each(|source| plant.accounts.received(*source, plant.log.next_offset() / 2));
    }
    let sink = follow(&plant, &postgres, 2_000);
    plant.caught_up().await;
    sink.stop().await;
    assert_exact(&plant, &client, 12 * 4 * 1_500).await;
}

async fn two_sinks_on_one_log_write_every_row_once(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let other = plant.restarted();
    let start = noon_us();
    for i in 0..40 {
        let group = group(start + i * 2_000_000, 500);
        group.readings.iter().for_each(|reading| other.accounts.received(reading.source, 1));
        plant.append(group);
    }
    let (first, second) = (follow(&plant, &postgres, 1_000), follow(&other, &postgres, 700));
    // The cursor is shared: one sink may have seen the other's commit before its own account of it is settled.
    let accounts = [plant.accounts.clone(), other.accounts.clone()];
    until("both have settled everything", || accounts.iter().all(|accounts| accounts.total().in_flight == 0)).await;
    first.stop().await;
    second.stop().await;
    let client = postgres.connect().await;
    assert_exact(&plant, &client, 20_000).await;
}

async fn an_outage_is_shown_and_caught_up_after(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let start = noon_us();
    plant.append(group(start, 1_000));
    let sink = follow(&plant, &postgres, 1_000);
    plant.caught_up().await;
    postgres.kill();
    for i in 1..20 {
        plant.append(group(start + i * 2_000_000, 1_000));
    }
    let metrics = plant.metrics.clone();
    until("the outage shows", || metrics.last_error().is_some() && !metrics.is_connected()).await;
    assert!(metrics.lag_rows(20_000) >= 19_000);
    postgres.up();
    plant.caught_up().await;
    until("the error is gone", || metrics.last_error().is_none()).await;
    sink.stop().await;
    let client = postgres.connect().await;
    assert_exact(&plant, &client, 20_000).await;
}

async fn a_backend_killed_inside_a_batch_costs_a_retry_and_nothing_else(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let start = noon_us();
    let sink = follow(&plant, &postgres, 4_000);
    let client = postgres.connect().await;
    for i in 0..30 {
        plant.append(group(start + i * 9_000_000, 4_000));
        if i % 5 == 4 {
            let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE application_name = 'genims-sink' AND datname = current_database()";
            client.execute(kill, &[]).await.expect("killed");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    plant.caught_up().await;
    sink.stop().await;
    assert!(plant.metrics.retries_total.load(Ordering::Relaxed) > 0);
    assert_exact(&plant, &client, 120_000).await;
}

async fn the_last_reading_of_a_timestamp_replaces_the_earlier_one(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    let now = noon_us();
    plant.append(group(now, 40));
    let sink = follow(&plant, &postgres, 1_000);
    plant.caught_up().await;
    let again = |value: f64| Reading { flags: flag::REPLACES, ..reading(0, now, value) };
    plant.append(Group { readings: vec![again(7.0), again(8.0)], ..Group::default() });
    plant.caught_up().await;
    sink.stop().await;
    let client = postgres.connect().await;
    assert_exact(&plant, &client, 40).await;
    let value = "SELECT measurement_value::text FROM sensor_data WHERE sensor_id = 'SEN-000000'";
    assert_eq!(client.query_one(value, &[]).await.expect("one row").get::<_, String>(0), "8.0000");
}

async fn an_older_copy_of_the_log_is_not_followed(postgres: Arc<Postgres>) {
    let plant = Plant::new();
    plant.append(group(noon_us(), 10));
    let client = postgres.connect().await;
    let ahead = "INSERT INTO genims_internal.sink_positions (spool_id, sink, next_offset) VALUES ($1, 'postgres', 99)";
    client.execute(ahead, &[&plant.log.id()]).await.expect("a position");
    let error = follow(&plant, &postgres, 1_000).end().await.expect_err("a refusal");
    assert!(error.to_string().contains("older copy"), "{error}");
    assert_eq!(count(&client, "SELECT count(*) FROM sensor_data").await, 0);
}
