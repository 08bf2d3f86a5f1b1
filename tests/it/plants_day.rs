//! A day of 1,760 sensors: what the page of a machine asks for is read by the key of each day's partition, however much lies beside it.
//! How long that takes is printed; `GENIMS_DAY_IN_FULL=1` lets the machine's sensors send each second and all others each minute.

use crate::harness::{Harness, connect_postgres};
use crate::running::{eventually, today_with_room};
use crate::server::{PATIENCE, Plant, Setup};
use crate::stream::send;
use chrono::{Days, NaiveTime};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const OPERATIONS: &str = "genims_operations_db";
const OTHER_SENSORS: u32 = 1_750;
const MINUTES_OF_A_DAY: i64 = 1_440;
/// Yesterday's, today's, and the one for what has no day.
const PARTITIONS_MAX: usize = 3;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("plants::a_day_of_many_sensors_is_read_by_the_key", a_day)]
}

fn a_day(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let machine = filled(harness, &plant);
    let path = format!("/api/v1/machines/{machine}/readings?span=24h");
    let mut told = Value::Null;
    eventually("the day is told", PATIENCE, || {
        let (status, text) = plant.get(&path).expect("the server answers");
        assert_eq!(status, 200, "{text}");
        told = serde_json::from_str(&text).unwrap();
        told["items"][0]["buckets"].as_array().is_some_and(|buckets| !buckets.is_empty())
    });
    let items = told["items"].as_array().unwrap();
    assert!(items.len() > 1, "{told:#}");
    for item in items {
        let buckets = item["buckets"].as_array().unwrap();
        let rows: i64 = buckets.iter().map(|bucket| bucket["rows"].as_i64().unwrap()).sum();
        assert_eq!(rows, MINUTES_OF_A_DAY, "the last reading of each minute: {}", item["sensor_id"]);
    }
    let proofs = told["proofs"].as_array().unwrap();
    assert_eq!(proofs.len(), 3, "{told:#}");
    harness.block_on(async {
        let client = connect_postgres(&plant.stack.postgres_url(OPERATIONS)).await;
        // As the server asks.
        client.batch_execute("SET max_parallel_workers_per_gather = 0; SET jit = off").await.unwrap();
        for proof in proofs {
            let [name, sql] = ["name", "sql"].map(|key| proof[key].as_str().unwrap().trim_end_matches(';'));
            let plan = client.query(&format!("EXPLAIN {sql}"), &[]).await.unwrap();
            if name != "faults" {
                by_the_key(&plan.iter().map(|row| row.get(0)).collect::<Vec<String>>());
            }
            let mut least = Duration::MAX;
            for _ in 0..3 {
                let begun = Instant::now();
                client.query(sql, &[]).await.unwrap();
                least = least.min(begun.elapsed());
            }
            println!("24 hours, {name}: {:.1} ms, the least of 3", least.as_secs_f64() * 1e3);
        }
    });
}

/// Of two days, each row of which is where its day is; the machine whose sensors send most.
fn filled(harness: &Harness, plant: &Plant) -> String {
    let (own_s, others_s) = if std::env::var_os("GENIMS_DAY_IN_FULL").is_some() { (1, 60) } else { (10, 1_800) };
    let today = today_with_room();
    let (yesterday, tomorrow) = (today - Days::new(1), today + Days::new(1));
    let sensor = plant.sensor();
    // The sink makes both days' partitions.
    let noon = (yesterday.and_time(NaiveTime::MIN).and_utc() + Duration::from_secs(12 * 3_600)).timestamp_millis();
    let reading =
        |timestamp_ms: i64| (sensor.topic(), json!({ "value": 1.5, "timestamp_ms": timestamp_ms }).to_string());
    send(harness, plant, &[reading(noon), reading(crate::stream::now_ms())]);
    plant.idle();
    let query = format!("SELECT sensor_id FROM sensors WHERE machine_id = '{}'", sensor.machine_id);
    let own: Vec<String> = plant.query("genims_master_db", &query).iter().map(|row| row.get(0)).collect();
    let own = own.join("', '");
    let rows = |sensors: &str, every_s: u32| {
        format!(
            "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, timestamp, measurement_value, measurement_unit,
                 min_value_1min, avg_value_1min, max_value_1min)
             SELECT s.sensor_id, '{}', '{}', '{}', t, 50, 'C', 49, 50, 51 FROM {sensors} AS s (sensor_id)
             CROSS JOIN generate_series(timestamp '{yesterday}', timestamp '{tomorrow}' - interval '1 second',
                                        interval '{every_s} seconds') AS t;",
            sensor.machine_id, sensor.line_id, sensor.factory_id
        )
    };
    let others = format!("(SELECT 'DAY-' || no FROM generate_series(1, {OTHER_SENSORS}) AS no)");
    let statements =
        [rows(&format!("unnest(ARRAY['{own}'])"), own_s), rows(&others, others_s), "ANALYZE sensor_data;".to_owned()];
    plant.execute(OPERATIONS, &statements.concat());
    sensor.machine_id
}

/// Of a thousand partitions those of the span are looked at, each by its primary key.
#[track_caller]
fn by_the_key(plan: &[String]) {
    let scans: Vec<&String> = plan.iter().filter(|line| line.contains(" on sensor_data_2")).collect();
    let by_key = |line: &&String| line.contains("Index") && line.contains("_pkey");
    assert!((1..=PARTITIONS_MAX).contains(&scans.len()) && scans.iter().all(by_key), "{}", plan.join("\n"));
    assert!(!plan.iter().any(|line| line.contains("_brin")), "{}", plan.join("\n"));
}
