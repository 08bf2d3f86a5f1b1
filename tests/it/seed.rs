//! Seeding and the stream's view of master data, on a real server.

use crate::harness::{Harness, connect_postgres};
use crate::provision::Platform;
use genims_databases::{PostgresSettings, Registry};
use genims_seed as seed;
use genims_seed::{PlantSize, Summary};
use genims_stores::master::{fingerprint, load_master};
use libtest_mimic::Trial;
use std::time::{Duration, Instant};

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("seed::a_second_run_changes_nothing", a_second_run_changes_nothing),
        harness.trial("seed::the_same_seed_gives_the_same_rows", the_same_seed_gives_the_same_rows),
        harness.trial("seed::another_size_leaves_no_contradiction", another_size_leaves_no_contradiction),
        harness.trial("seed::a_killed_run_leaves_nothing_half_done", a_killed_run_leaves_nothing_half_done),
        harness.trial("master::the_stream_sees_what_was_seeded", the_stream_sees_what_was_seeded),
        harness.trial("master::every_change_changes_the_fingerprint", every_change_changes_the_fingerprint),
        harness.trial("master::odd_rows_of_other_clients_are_read", odd_rows_of_other_clients_are_read),
    ]
}

fn settings(platform: &Platform) -> PostgresSettings {
    let registry = Registry::load(None).unwrap();
    PostgresSettings::from_environment(registry.get("master").unwrap(), &platform.environment()).unwrap()
}

async fn plant(platform: &Platform, size: PlantSize) -> Summary {
    seed::plant(&settings(platform), size, &|_| {}).await.unwrap()
}

/// A digest of every table, in the order of its key.
async fn digest(platform: &Platform) -> String {
    let client = connect_postgres(&platform.master).await;
    let mut digests = String::new();
    for table in
        ["factories", "production_lines", "machines", "sensors", "shifts", "employees", "products", "customers"]
    {
        let query = format!("SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t");
        digests.push_str(client.query_one(&query, &[]).await.unwrap().get(0));
    }
    digests
}

fn a_second_run_changes_nothing(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        platform.provision_master().await;
        let first = plant(&platform, PlantSize::default()).await;
        assert!(first.tables.iter().all(|table| table.inserted == table.rows && table.rows > 0));
        let before = digest(&platform).await;
        let second = plant(&platform, PlantSize::default()).await;
        assert!(second.tables.iter().all(|table| table.inserted + table.updated == 0), "{second:?}");
        assert_eq!(digest(&platform).await, before);
    });
}

fn the_same_seed_gives_the_same_rows(harness: &'static Harness) {
    let platforms = [Platform::new(harness), Platform::new(harness), Platform::new(harness)];
    let small = PlantSize { factories: 2, lines: 5, machines: 30, sensors: 200, seed: 7 };
    harness.block_on(async {
        for (platform, seed) in platforms.iter().zip([7, 7, 8]) {
            platform.provision_master().await;
            plant(platform, PlantSize { seed, ..small }).await;
        }
        assert_eq!(digest(&platforms[0]).await, digest(&platforms[1]).await);
        assert_ne!(digest(&platforms[0]).await, digest(&platforms[2]).await);
    });
}

fn another_size_leaves_no_contradiction(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        platform.provision_master().await;
        let small = PlantSize { factories: 2, lines: 4, machines: 20, sensors: 100, seed: 1 };
        plant(&platform, small).await;
        let grown = plant(&platform, PlantSize::default()).await;
        assert!(
            grown.tables.iter().any(|table| table.updated > 0) && grown.tables.iter().any(|table| table.inserted > 0)
        );
        let client = connect_postgres(&platform.master).await;
        let query = "SELECT count(*) FROM sensors s JOIN machines m USING (machine_id) JOIN production_lines l \
                     ON l.line_id = m.line_id WHERE (s.line_id, s.factory_id, m.factory_id) \
                     IS DISTINCT FROM (m.line_id, m.factory_id, l.factory_id)";
        assert_eq!(client.query_one(query, &[]).await.unwrap().get::<_, i64>(0), 0);
        let query =
            "SELECT count(*), count(DISTINCT (machine_id, sensor_code)), count(DISTINCT sensor_type) FROM sensors";
        let row = client.query_one(query, &[]).await.unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (1_788, 1_788, 12));
    });
}

fn a_killed_run_leaves_nothing_half_done(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let folder = harness.folder("killed_seed");
    platform.write_env(&folder);
    harness.block_on(platform.provision_master());
    for step in 0..10 {
        let run = harness.spawn(&["seed", "plant"], &folder);
        std::thread::sleep(Duration::from_millis(12 * step));
        run.kill();
        harness.block_on(async {
            let client = connect_postgres(&platform.master).await;
            let row = client.query_one("SELECT (SELECT count(*) FROM sensors), (SELECT count(*) FROM customers)", &[]);
            let row = row.await.unwrap();
            assert!(matches!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (0, 0) | (1_788, 16)));
        });
    }
    let run = harness.spawn(&["seed", "plant", "--json"], &folder);
    assert!(run.wait(Duration::from_secs(60)).is_some_and(|status| status.success()), "{}", run.log_text());
    assert!(run.log_text().contains("\"table\": \"sensors\""), "{}", run.log_text());
}

fn the_stream_sees_what_was_seeded(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        platform.provision_master().await;
        plant(&platform, PlantSize::default()).await;
        let settings = settings(&platform);
        let mut client = settings.connect().await.unwrap();
        let master = load_master(&settings, &mut client).await.unwrap();
        assert_eq!((master.sensors.len(), master.machines.len(), master.factories.len()), (1_788, 239, 5));
        assert!(master.sensors.iter().all(|sensor| sensor.active && !sensor.unit.is_empty()));
        let wind = master.sensors.iter().find(|sensor| sensor.sensor_id == "SEN-R80711-Ws_avg").unwrap();
        assert_eq!((wind.machine_id.as_str(), wind.sensor_code.as_deref()), ("WT-R80711", Some("Ws_avg")));
        assert_eq!((wind.limits.critical_max, wind.sampling_frequency_hz), (Some(25.0), None));
        let first = &master.factories[0];
        assert_eq!((first.factory_id.as_str(), first.timezone.as_deref()), ("FAC-01", Some("Europe/Berlin")));
        assert_eq!(first.shifts.len(), 3);
        let session = client.query_one("SELECT current_setting('TimeZone'), current_setting('application_name')", &[]);
        let session = session.await.unwrap();
        assert_eq!((session.get::<_, &str>(0), session.get::<_, &str>(1)), ("UTC", "genims"));
    });
}

fn every_change_changes_the_fingerprint(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        platform.provision_master().await;
        plant(&platform, PlantSize::default()).await;
        let settings = settings(&platform);
        let client = settings.connect().await.unwrap();
        let other = connect_postgres(&platform.master).await;
        let mut last = settled(&settings, &client).await;
        assert_eq!(fingerprint(&settings, &client).await.unwrap(), last, "nothing changed");
        for change in [
            "UPDATE sensors SET warning_threshold_max = 99 WHERE sensor_id = 'SEN-000001'",
            "UPDATE sensors SET machine_id = 'MCH-0002' WHERE sensor_id = 'SEN-000001'",
            "DELETE FROM sensors WHERE sensor_id = 'SEN-000002'",
            "UPDATE shifts SET start_time = '05:30' WHERE shift_id = 'SHF-01-A'",
            "TRUNCATE shifts",
        ] {
            other.batch_execute(change).await.unwrap();
            let deadline = Instant::now() + Duration::from_secs(20);
            while fingerprint(&settings, &client).await.unwrap() == last {
                assert!(Instant::now() < deadline, "not seen: {change}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            last = settled(&settings, &client).await;
        }
    });
}

/// PostgreSQL hands counters on with a delay: the fingerprint after it has rested.
async fn settled(settings: &PostgresSettings, client: &tokio_postgres::Client) -> genims_stores::master::Fingerprint {
    let (mut last, mut rested) = (fingerprint(settings, client).await.unwrap(), Instant::now());
    while rested.elapsed() < Duration::from_secs(3) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = fingerprint(settings, client).await.unwrap();
        if now != last {
            (last, rested) = (now, Instant::now());
        }
    }
    last
}

fn odd_rows_of_other_clients_are_read(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        platform.provision_master().await;
        let other = connect_postgres(&platform.master).await;
        other
            .batch_execute(
                "INSERT INTO factories (factory_id, factory_name, country, city, timezone) \
                 VALUES ('F', 'F', 'X', 'Y', 'Mars/Olympus'), ('G', 'G', 'X', 'Y', NULL); \
                 INSERT INTO production_lines (line_id, factory_id, line_name) VALUES ('L', 'F', 'L'); \
                 INSERT INTO machines (machine_id, line_id, factory_id, machine_name, status) \
                 VALUES ('M', 'L', 'F', 'M', NULL), ('N', 'L', 'F', 'N', 'retired'); \
                 INSERT INTO sensors (sensor_id, machine_id, line_id, factory_id, sensor_name, status, calibration_date, \
                 sampling_frequency_hz, measurement_range_max) \
                 VALUES ('A', 'M', 'L', 'F', 'A', 'Active', 'infinity', 0, 'NaN'), \
                 ('B', 'M', 'L', 'F', 'B', 'inactive', '2026-01-31', 0.5, 10); \
                 INSERT INTO shifts (shift_id, factory_id, start_time, end_time) \
                 VALUES ('S', 'F', '16:00', '24:00'), ('T', 'F', NULL, NULL), ('U', 'F', '00:00', '24:00')",
            )
            .await
            .unwrap();
        let settings = settings(&platform);
        let mut client = settings.connect().await.unwrap();
        let master = load_master(&settings, &mut client).await.unwrap();
        let (a, b) = (&master.sensors[0], &master.sensors[1]);
        assert_eq!((a.active, a.calibration_day, a.sampling_frequency_hz), (true, None, None));
        assert_eq!((b.active, b.calibration_day, b.limits.range_max), (false, Some(20_484), Some(10.0)));
        assert_eq!(a.limits.range_max, None, "a limit that is no number is no limit");
        assert_eq!(master.machines.iter().map(|machine| machine.active).collect::<Vec<_>>(), [true, false]);
        let shifts: Vec<&str> = master.factories[0].shifts.iter().map(|shift| shift.shift_id.as_str()).collect();
        assert_eq!(shifts, ["U", "S"]);
        assert!(master.factories[1].shifts.is_empty());
    });
}
