//! The pages of plants and their API on a server that is idle: what was sent is shown, and PostgreSQL says the same.

use crate::harness::Harness;
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Sensor};
use crate::stream::{now_ms, send};
use serde_json::Value;

const OPERATIONS: &str = "genims_operations_db";

/// `plant` stores nothing while this looks, but what this sends.
#[track_caller]
pub(crate) fn agree(harness: &Harness, plant: &Plant) {
    let (sensor, critical) = beyond(plant);
    let value = ((critical + 1.0) * 100.0).round() / 100.0;
    let at = |ago_ms: i64| now_ms() - ago_ms;
    let snapshot = |ago_ms: i64, more: &str| {
        let message = format!(r#"{{"machine_state": {more}, "timestamp_ms": {}}}"#, at(ago_ms));
        (format!("{}/scada", sensor.machine_topic()), message)
    };
    let reading = |ago_ms: i64, value: f64, quality: &str| {
        let message = format!(r#"{{"value": {value}, "quality": "{quality}", "timestamp_ms": {}}}"#, at(ago_ms));
        (sensor.topic(), message)
    };
    let fault = r#""FAULT", "fault_code": "E<42>", "fault_description": "spindle & drive""#;
    let messages = [
        snapshot(20_000, r#""RUNNING""#),
        snapshot(6_000, fault),
        snapshot(3_000, fault),
        reading(8_000, critical - 1.0, "good"),
        reading(7_000, critical - 1.0, "good"),
        reading(4_000, value, "uncertain"),
    ];
    send(harness, plant, &messages);
    plant.idle();

    let path = format!("/api/v1/machines/{}", sensor.machine_id);
    let mut told = Value::Null;
    // What was told before is told again for two seconds.
    eventually("the machine's fault is told", PATIENCE, || {
        told = json(plant, &path);
        told["machine"]["status"]["fault"]["fault_code"] == "E<42>"
    });
    let status = &told["machine"]["status"];
    assert_eq!((&status["state"], &status["began_earlier"]), (&"FAULT".into(), &false.into()), "{told:#}");
    assert_eq!((&told["machine"]["is_old"], &told["operations"]["outage"]), (&false.into(), &Value::Null), "{told:#}");
    let last = plant.query(
        OPERATIONS,
        &format!(
            "SELECT machine_state, (extract(epoch FROM timestamp) * 1000)::bigint FROM scada_machine_data \
             WHERE machine_id = '{}' ORDER BY timestamp DESC LIMIT 1",
            sensor.machine_id
        ),
    );
    assert_eq!((status["state"].as_str(), status["snapshot_ms"].as_i64()), (last[0].get(0), last[0].get(1)));
    assert_eq!(status["since_ms"].as_i64(), last[0].get::<_, Option<i64>>(1).map(|at_ms| at_ms - 3_000), "{told:#}");
    shows(plant, &sensor, value);
    proves(plant, &told);
    an_hour(plant);
    runs_beside(plant);
    let (code, text) = plant.get("/machines/none").unwrap();
    assert!(code == 404 && text.contains("/plants and /api/v1/machines list"), "{text}");
}

/// A sensor that has an upper critical limit, of a machine that has said nothing yet, and the limit.
fn beyond(plant: &Plant) -> (Sensor, f64) {
    let limit = |sensor: &Sensor| {
        let query = format!(
            "SELECT critical_threshold_max::float8 FROM sensors WHERE sensor_id = '{}' AND critical_threshold_max > 0",
            sensor.sensor_id
        );
        plant.query("genims_master_db", &query).first().and_then(|row| row.get::<_, Option<f64>>(0))
    };
    let is_new =
        |sensor: &Sensor| plant.rows("scada_machine_data", &format!("machine_id = '{}'", sensor.machine_id)) == 0;
    let mut sensors = std::iter::repeat_with(|| plant.sensor()).take(40).filter(is_new);
    sensors.find_map(|sensor| limit(&sensor).map(|critical| (sensor, critical))).expect("a sensor with a limit")
}

fn json(plant: &Plant, path: &str) -> Value {
    let (status, text) = plant.get(path).expect("the server answers");
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// The sensor's readings, in the API and on the pages.
#[track_caller]
fn shows(plant: &Plant, sensor: &Sensor, value: f64) {
    let path = format!("/api/v1/machines/{}/readings", sensor.machine_id);
    for span in ["10m", "1h", "24h"] {
        let mut next = Some(format!("{path}?span={span}"));
        let mut found = None;
        while let (Some(part), None) = (&next, &found) {
            let told = json(plant, part);
            proves(plant, &told);
            next = told["next"].as_str().map(str::to_owned);
            let mut items = told["items"].as_array().unwrap().iter();
            found = items.find(|item| item["sensor_id"] == sensor.sensor_id).cloned();
        }
        let item = found.expect("the sensor is one of the machine's");
        let last = &item["last"];
        assert_eq!((last["value"].as_f64(), &last["quality"]), (Some(value), &"uncertain".into()), "{item:#}");
        assert_eq!(last["status"], "critical", "{item:#}");
        let buckets = item["buckets"].as_array().unwrap();
        let sum = |name: &str| -> i64 { buckets.iter().map(|bucket| bucket[name].as_i64().unwrap()).sum() };
        let (rows, not_good) = (sum("rows"), sum("not_good"));
        let stored = plant.rows("sensor_data", &format!("sensor_id = '{}'", sensor.sensor_id));
        // Of a day only the last reading of each minute is looked at.
        let counts = if span == "24h" { (1..=stored).contains(&rows) } else { rows == stored };
        assert!(counts && not_good == 1, "{span}: {rows} of {stored}, {not_good}: {item:#}");
        let max = buckets.iter().map(|bucket| bucket["max"].as_f64().unwrap());
        assert_eq!(max.fold(f64::MIN, f64::max), value, "{span}: {item:#}");
    }
    let (status, page) = plant.get(&format!("/machines/{}?span=10m", sensor.machine_id)).unwrap();
    for part in
        ["FAULT, with fault E&#60;42&#62;", "spindle &#38; drive", "quality uncertain, critical", "limit critical"]
    {
        assert!(status == 200 && page.contains(part), "{part} is missing of {page}");
    }
    let (status, page) = plant.get(&format!("/plants?factory={}", sensor.factory_id)).unwrap();
    let row = page.split("<tr ").find(|row| row.contains(&format!(">{}</a>", sensor.machine_id))).expect("its row");
    assert!(status == 200 && row.starts_with("class=\"bad\"") && row.contains("E&#60;42&#62;"), "{row}");
    assert!(page.len() < 100 * 1024, "{} bytes", page.len());
}

/// The queries that are told can be run as they stand.
#[track_caller]
fn proves(plant: &Plant, told: &Value) {
    let proofs = told["proofs"].as_array().unwrap();
    assert!(!proofs.is_empty(), "{told:#}");
    for proof in proofs {
        plant.query(OPERATIONS, proof["sql"].as_str().unwrap().trim_end_matches(';'));
    }
}

/// Jobs and dead letters of the same server: PostgreSQL says the same, and the page has them.
#[track_caller]
fn runs_beside(plant: &Plant) {
    let mut told = Value::Null;
    eventually("jobs and dead letters are told", PATIENCE, || {
        told = json(plant, "/api/v1/operations");
        told["jobs"]["answered_ms"].is_i64() && told["letters"]["answered_ms"].is_i64()
    });
    let jobs = told["jobs"]["items"].as_array().unwrap();
    assert!(jobs.iter().all(|job| job["schedule"].is_string()) && jobs.len() > 1, "{told:#}");
    let proofs = told["proofs"].as_array().unwrap();
    assert_eq!(proofs.len(), 2, "{told:#}");
    for proof in proofs {
        let (database, sql) = (proof["database"].as_str().unwrap(), proof["sql"].as_str().unwrap());
        let rows = plant.query(database, sql.trim_end_matches(';'));
        if proof["name"] == "letters" {
            let waiting = told["letters"]["items"].as_array().unwrap().iter();
            let waiting: Vec<_> = waiting.map(|item| (item["reason"].as_str(), item["letters"].as_i64())).collect();
            let stored: Vec<(Option<&str>, Option<i64>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
            assert_eq!(waiting, stored);
        }
    }
    let (status, page) = plant.get("/operations").unwrap();
    for part in ["Audit chains", "Dead letters that wait", jobs[0]["job"].as_str().unwrap()] {
        assert!(status == 200 && page.contains(part), "{part} is missing of {page}");
    }
    assert!(!page.contains("/operations/replay"), "nobody has signed in");
    assert!(page.len() < 100 * 1024, "{} bytes", page.len());
}

/// A machine that runs in the first half of each hour, at half of its speed, and of whose parts each tenth is bad.
#[track_caller]
fn an_hour(plant: &Plant) {
    let machine = plant.query(
        "genims_master_db",
        "SELECT machine_id, line_id, factory_id FROM machines WHERE lower(status) = 'active' ORDER BY machine_id DESC LIMIT 1",
    );
    let [machine_id, line_id, factory_id]: [String; 3] = [0_usize, 1, 2].map(|at| machine[0].get(at));
    plant.execute(
        OPERATIONS,
        &format!(
            "DELETE FROM scada_machine_data WHERE machine_id = '{machine_id}';
             INSERT INTO scada_machine_data (machine_id, line_id, factory_id, timestamp, machine_state,
                 parts_produced_cumulative, parts_rejected_shift, target_cycle_time_seconds)
             SELECT '{machine_id}', '{line_id}', '{factory_id}', t, CASE WHEN minute < 30 THEN 'RUNNING' ELSE 'IDLE' END,
                    hours * 300 + least(minute, 30) * 10, hours * 30 + least(minute, 30), 3
             FROM generate_series(date_trunc('hour', now() AT TIME ZONE 'UTC') - interval '4 hours',
                      date_trunc('hour', now() AT TIME ZONE 'UTC') + interval '59 minutes', interval '1 minute') AS t
             CROSS JOIN LATERAL (SELECT extract(minute FROM t)::int AS minute,
                 extract(epoch FROM t - date_trunc('hour', now() AT TIME ZONE 'UTC') + interval '4 hours')::int / 3600 AS hours) AS m"
        ),
    );
    let mut told = Value::Null;
    eventually("the hour is computed", PATIENCE, || {
        told = json(plant, &format!("/api/v1/machines/{machine_id}"));
        !told["machine"]["oee"].is_null()
    });
    let oee = &told["machine"]["oee"];
    let shares = ["availability", "performance", "quality", "oee"]
        .map(|name| oee[name].as_f64().map(|share| (share * 1e4).round()));
    assert_eq!(shares, [5_000.0, 5_000.0, 9_000.0, 2_250.0].map(Some), "{told:#}");
    assert_eq!((&oee["planned_seconds"], &oee["produced"]), (&3_600.0.into(), &300.into()), "{told:#}");
    proves(plant, &told);
}
