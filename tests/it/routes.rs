//! Events on their way to the other databases, on real servers: kills under a stream of events, a database that is away, an event that
//! is refused. What the shipped routes write: `routes_story`.

use crate::harness::{Harness, write_env};
use crate::kill9::number;
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Sensor, Setup};
use crate::stream::{now_ms, send};
use crate::tally::sink;
use genims_dev::Server;
use libtest_mimic::Trial;
use mongodb::bson::doc;
use serde_json::{Value, json};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("routes::nothing_is_written_twice_or_lost_however_often_the_server_dies", kills),
        harness.trial("routes::a_database_that_is_away_delays_no_other", away),
        harness.trial("routes::a_database_away_for_too_long_goes_on_and_says_what_it_lacks", away_too_long),
        harness.trial("routes::taken_up_again_after_long_they_go_on_and_say_what_they_lack", without_for_long),
        harness.trial("routes::what_comes_late_is_of_the_job_that_ran_then", late),
        harness.trial("routes::files_that_change_are_read_again_unless_they_are_wrong", reload),
        harness.trial("routes::a_database_that_only_reads_delays_no_other", read_only),
    ]
}

pub(crate) const MODULES: [&str; 6] = ["master", "operations", "production", "manufacturing", "maintenance", "hr"];

/// A plant with these modules, whose server routes by `routes`, a folder beside its configuration, or by what it comes with.
pub(crate) fn plant(harness: &'static Harness, more: &str, modules: &[&str]) -> Plant {
    let servers = &[Server::Postgres, Server::Mariadb, Server::Mongodb];
    plant_of(harness, &Setup { servers, more, ..Setup::default() }, modules)
}

/// The same with other servers beside PostgreSQL, MariaDB and mongod.
pub(crate) fn plant_of(harness: &'static Harness, setup: &Setup<'_>, modules: &[&str]) -> Plant {
    let plant = Plant::prepare_with(harness, setup, modules);
    let postgres = plant.stack.postgres_url("postgres");
    let (mysql, mongodb) = (plant.stack.mysql_url(""), plant.stack.mongodb_url());
    let environment =
        format!("GENIMS_POSTGRES_URL='{postgres}'\nGENIMS_MYSQL_URL='{mysql}'\nGENIMS_MONGODB_URL='{mongodb}'\n");
    write_env(&plant.folder.join(".env"), environment);
    plant
}

/// That time, or an earlier one from which what lasts so long ends before the hour does, in UTC: routes count by the hour and the day.
pub(crate) fn in_one_hour(at_ms: i64, lasts_ms: i64) -> i64 {
    const HOUR_MS: i64 = 3_600_000;
    let left_ms = HOUR_MS - at_ms.rem_euclid(HOUR_MS);
    if left_ms < lasts_ms { at_ms - lasts_ms } else { at_ms }
}

/// A SCADA picture of the sensor's machine.
pub(crate) fn picture(sensor: &Sensor, at_ms: i64, state: &str, parts: i64, fault: Option<&str>) -> (String, String) {
    let message = json!({
        "timestamp_ms": at_ms, "machine_state": state, "parts_produced_cumulative": parts, "fault_code": fault,
        "fault_description": fault.map(|code| format!("{code} of the test")),
    });
    (format!("{}/scada", sensor.machine_topic()), message.to_string())
}

pub(crate) fn count(plant: &Plant, database: &str, table: &str, condition: &str) -> i64 {
    plant.query(database, &format!("SELECT count(*) FROM {table} WHERE {condition}"))[0].get(0)
}

/// The machine's asset, and an operation of a work order that runs on it.
pub(crate) fn work(plant: &Plant, machine: &str) {
    plant.execute(
        "genims_maintenance_db",
        &format!(
            "INSERT INTO maintenance_assets (asset_id, asset_number, asset_name, machine_id, has_meter, meter_unit, \
             current_meter_reading) VALUES ('A-{machine}', 'A-{machine}', 'Press', '{machine}', true, 'hours', 100)"
        ),
    );
    plant.execute(
        "genims_manufacturing_db",
        &format!(
            "INSERT INTO work_orders (work_order_id, work_order_number, product_id, factory_id, planned_quantity, status) \
             VALUES ('W-{machine}', 'W-{machine}', 'P1', 'F1', 1000, 'in_progress'); \
             INSERT INTO work_order_operations (operation_id, work_order_id, operation_sequence, operation_name, machine_id, \
             planned_quantity, status, actual_start_time) VALUES ('O-{machine}', 'W-{machine}', 10, 'Pressing', '{machine}', \
             1000, 'in_progress', '2020-01-01')"
        ),
    );
}

/// A row and a document for each event, and no key that would hide a second one.
pub(crate) const EACH: [(&str, &str); 2] = [
    (
        "hr.toml",
        r#"
database = "genims_hr_db"
[[route]]
name = "each"
about = "a row for each change of a state"
events = ["state_changed"]
table = "hcm_integration_log"
[route.columns]
log_id = "gen_random_uuid()::text"
document_id = "event.uid"
"#,
    ),
    (
        "production.toml",
        r#"
database = "genims_production"
[[route]]
name = "series"
about = "a document for each change of a state"
events = ["state_changed"]
table = "machine_state_changes"
[route.columns]
timestamp = "event.at"
state = "event.state_to"
[route.columns.meta]
factory_id = "event.factory_id"
line_id = "event.line_id"
machine_id = "event.machine_id"
"#,
    ),
];
/// `GENIMS_KILLS` says how often (200: `make kill9`).
const KILLS_USUAL: u64 = 6;
const CHANGES: i64 = 40;

/// [`EACH`] in the folder of the plant's routes, which is told.
fn write_each(plant: &Plant) -> PathBuf {
    let folder = plant.folder.join("routes");
    fs::create_dir(&folder).unwrap();
    for (name, text) in EACH {
        fs::write(folder.join(name), text).unwrap();
    }
    folder
}

fn kills(harness: &'static Harness) {
    let plant = plant(harness, "[routes]\ndirectory = \"routes\"\n", &MODULES);
    write_each(&plant);
    let sensor = plant.sensor();
    let kills = number("GENIMS_KILLS", KILLS_USUAL) as i64;
    let begun_ms = now_ms() - kills * CHANGES * 1_000 - 3_600_000;
    for round in 0..kills {
        plant.serve();
        let messages: Vec<_> = (round * CHANGES..(round + 1) * CHANGES)
            .map(|number| {
                let state = if number % 2 == 0 { "RUNNING" } else { "IDLE" };
                picture(&sensor, begun_ms + number * 1_000, state, 0, None)
            })
            .collect();
        send(harness, &plant, &messages);
        plant.kill();
    }
    plant.serve();
    plant.idle();
    // After a kill the machine's state is not known, so the first picture is a change again.
    let machine = &sensor.machine_id;
    let query = "SELECT count(*), count(DISTINCT document_id) FROM hcm_integration_log WHERE document_id LIKE 'EV-%'";
    let row = &plant.query("genims_hr_db", query)[0];
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (kills * CHANGES, kills * CHANGES));
    let documents = plant.documents("machine_state_changes", doc! { "meta.machine_id": machine });
    assert_eq!(documents.len() as i64, kills * CHANGES);
}

fn away(harness: &'static Harness) {
    let plant = plant(harness, "[routes]\ndirectory = \"routes\"\n", &MODULES);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/routes");
    let folder = plant.folder.join("routes");
    fs::create_dir(&folder).unwrap();
    for module in ["maintenance.toml", "manufacturing.toml", "production.toml"] {
        fs::copy(shipped.join(module), folder.join(module)).unwrap();
    }
    let (one, two) = (plant.sensor(), plant.sensor());
    for sensor in [&one, &two] {
        work(&plant, &sensor.machine_id);
    }
    // What a database refuses for good stops nothing behind it.
    let refuse = "ALTER TABLE downtime_events ADD CHECK (downtime_reason_code <> 'E-BAD')";
    plant.execute("genims_manufacturing_db", refuse);
    plant.serve();
    close(&plant, "genims_maintenance_db");
    let at_ms = now_ms() - 600_000;
    send(
        harness,
        &plant,
        &[picture(&one, at_ms, "FAULT", 0, Some("E-BAD")), picture(&two, at_ms, "FAULT", 0, Some("E-GOOD"))],
    );
    eventually("the stop of the good one", PATIENCE, || {
        count(&plant, "genims_manufacturing_db", "downtime_events", "downtime_reason_code = 'E-GOOD'") == 1
    });
    // Documents are made with what genims_quality_db says, which was never made here: nothing.
    eventually("the states of both", PATIENCE, || plant.documents("machine_state_changes", doc! {}).len() == 2);
    let aside = "route = 'fault_downtime' AND code = '23514' AND event -> 0 ->> 'fault_code' = 'E-BAD'";
    assert_eq!(count(&plant, "genims_manufacturing_db", "genims_internal.refused_events", aside), 1);
    eventually("it is shown which database is away, and which has refused", PATIENCE, || {
        let report = plant.stats();
        let away = sink(&report, "maintenance");
        away["state"] == "retrying" && away["lag_records"] != 0 && sink(&report, "manufacturing")["refused_total"] == 1
    });
    open(&plant, "genims_maintenance_db");
    plant.idle();
    assert_eq!(count(&plant, "genims_maintenance_db", "work_orders", "wo_status = 'created'"), 2);
    let reached = |module: &str| {
        let output = plant.cli(&["verify", "--module", module, "--json"]).stdout;
        let verdict: Value = serde_json::from_slice(&output).unwrap();
        let rule = format!("events_reach_{module}");
        let finding = verdict["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == rule.as_str());
        finding.map(|finding| (finding["outcome"].clone(), finding["violations"].clone()))
    };
    assert_eq!(reached("manufacturing"), Some((json!("violated"), json!(1))));
    assert_eq!(reached("maintenance"), Some((json!("passed"), json!(0))));
    assert_eq!(reached("production"), Some((json!("passed"), json!(0))));
    assert_eq!(reached("hr"), None, "nothing is routed there");
    proved(&plant);
}

/// A changed file is put into force, one with a fault changes nothing.
fn reload(harness: &'static Harness) {
    let plant = plant(harness, "[routes]\ndirectory = \"routes\"\n", &MODULES);
    let file = write_each(&plant).join("hr.toml");
    let (sensor, begun_ms) = (plant.sensor(), now_ms() - 600_000);
    plant.serve();
    let change = |second: i64, state: &str, condition: &str, rows: i64| {
        send(harness, &plant, &[picture(&sensor, begun_ms + second * 1_000, state, 0, None)]);
        eventually(&format!("{rows} rows with {condition}"), PATIENCE, || {
            count(&plant, "genims_hr_db", "hcm_integration_log", condition) == rows
        });
    };
    change(0, "RUNNING", "document_type IS NULL", 1);
    let (_, text) = EACH[0];
    fs::write(&file, format!("{text}document_type = \"'changed'\"\n")).unwrap();
    eventually("the changed file is read", PATIENCE, || plant.log_text().contains("the routes were read again"));
    change(1, "IDLE", "document_type = 'changed'", 1);
    fs::write(&file, format!("{text}document_colour = \"'red'\"\n")).unwrap();
    let refused = "the routes were changed and cannot be used";
    eventually("the fault is told", PATIENCE, || plant.log_text().contains(refused));
    assert!(plant.log_text().contains("hcm_integration_log has no column document_colour"), "{}", plant.log_text());
    change(2, "RUNNING", "document_type = 'changed'", 2);
}

/// A database whose transactions may only read, as on a standby: what is for it waits, and comes once.
fn read_only(harness: &'static Harness) {
    let plant = plant(harness, "[routes]\ndirectory = \"routes\"\n", &MODULES);
    write_each(&plant);
    let sensor = plant.sensor();
    plant.serve();
    may_write(&plant, "genims_hr_db", false);
    let (begun_ms, machine) = (now_ms() - 600_000, &sensor.machine_id);
    let states = ["RUNNING", "IDLE", "RUNNING", "IDLE"];
    let pictures: Vec<_> = (0_i64..)
        .zip(states)
        .map(|(second, state)| picture(&sensor, begun_ms + second * 1_000, state, 0, None))
        .collect();
    send(harness, &plant, &pictures);
    eventually("the other database's documents", PATIENCE, || {
        plant.documents("machine_state_changes", doc! { "meta.machine_id": machine }).len() == states.len()
    });
    eventually("it is shown which database does not take rows", PATIENCE, || {
        let report = plant.stats();
        let hr = sink(&report, "hr");
        hr["state"] == "retrying" && hr["lag_records"] != 0
    });
    assert_eq!(count(&plant, "genims_hr_db", "hcm_integration_log", "document_id LIKE 'EV-%'"), 0);
    may_write(&plant, "genims_hr_db", true);
    plant.idle();
    let rows = count(&plant, "genims_hr_db", "hcm_integration_log", "document_id LIKE 'EV-%'");
    assert_eq!(rows, states.len() as i64);
    assert_eq!(count(&plant, "genims_hr_db", "genims_internal.refused_events", "true"), 0);
}

/// For sessions that begin from now on; the others are ended.
fn may_write(plant: &Plant, database: &str, may: bool) {
    let set =
        format!("ALTER DATABASE {database} SET default_transaction_read_only = {}", if may { "off" } else { "on" });
    plant.execute("postgres", &set);
    let now: String = plant.query("postgres", "SELECT clock_timestamp()::text")[0].get(0);
    end_sessions(plant, &format!("datname = '{database}' AND backend_start < '{now}'"));
}

/// What the page says of databases, they say when they are asked as it proposes.
fn proved(plant: &Plant) {
    let (report, (_, page)) = (plant.idle(), plant.get("/").unwrap());
    let answer = |name: &str| {
        let proof = report["proofs"].as_array().unwrap().iter().find(|proof| proof["name"] == name);
        let proof = proof.unwrap_or_else(|| panic!("no {name}: {:#}", report["proofs"]));
        let sql = proof["sql"].as_str().unwrap();
        assert!(page.contains(&sql.lines().next().unwrap().replace('\'', "&#39;")), "{sql}");
        (plant.query(proof["database"].as_str().unwrap(), sql), proof["expected"].as_i64())
    };
    for module in ["manufacturing", "maintenance"] {
        let (rows, expected) = answer(&format!("routes/{module}"));
        assert_eq!(Some(rows[0].get::<_, i64>(0)), expected, "{module}");
    }
    assert_eq!(answer("quarantined/manufacturing").0[0].get::<_, i64>(2), 1);
    // A row for each target that has something; that the server understands it is enough.
    answer("changes");
}

/// Parts of half an hour ago, and of now; the machine changed its job in between.
fn late(harness: &'static Harness) {
    let plant = plant(harness, "[routes]\ndirectory = \"routes\"\n", &MODULES);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/routes");
    let folder = plant.folder.join("routes");
    fs::create_dir(&folder).unwrap();
    fs::copy(shipped.join("manufacturing.toml"), folder.join("manufacturing.toml")).unwrap();
    let (sensor, now_ms) = (plant.sensor(), now_ms());
    let machine = &sensor.machine_id;
    work(&plant, machine);
    let ago = |minutes: i64| format!("to_timestamp({}) AT TIME ZONE 'UTC'", now_ms / 1_000 - minutes * 60);
    let jobs = format!(
        "UPDATE work_order_operations SET actual_start_time = {}; \
         INSERT INTO work_order_operations (operation_id, work_order_id, operation_sequence, operation_name, machine_id, \
         planned_quantity, status, actual_start_time, actual_end_time) \
         VALUES ('before', 'W-{machine}', 5, 'Cutting', '{machine}', 1000, 'completed', {}, {})",
        ago(10),
        ago(60),
        ago(10)
    );
    plant.execute("genims_manufacturing_db", &jobs);
    plant.serve();
    let at = |minutes: i64, parts| picture(&sensor, now_ms - minutes * 60_000, "RUNNING", parts, None);
    // Nothing ran so long ago, then the first job, then the second.
    send(harness, &plant, &[at(90, 0), at(80, 3), at(30, 8), at(5, 15)]);
    plant.idle();
    let query = "SELECT operation_id, completed_quantity FROM work_order_operations ORDER BY operation_sequence";
    let made: Vec<(String, i32)> =
        plant.query("genims_manufacturing_db", query).iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(made, [("before".to_owned(), 5), (format!("O-{machine}"), 7)]);
}

/// Nobody reaches the database any more.
pub(crate) fn close(plant: &Plant, database: &str) {
    plant.execute("postgres", &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false"));
    end_sessions(plant, &format!("datname = '{database}'"));
}

/// A session that is just being let in is not shown yet: ten looks in a row have to show none.
fn end_sessions(plant: &Plant, which: &str) {
    let end = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {which}");
    let mut looks_without = 0;
    while looks_without < 10 {
        let ended: i64 = plant.query("postgres", &end)[0].get(0);
        looks_without = if ended == 0 { looks_without + 1 } else { 0 };
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub(crate) fn open(plant: &Plant, database: &str) {
    plant.execute("postgres", &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true"));
}

/// That many thousands of changes of a machine's state, which [`EACH`] brings into two databases, one of which has all of them
/// afterwards: the doors were never closed. It is waited for, so that it is never as far behind as the other one.
pub(crate) fn change_states(harness: &Harness, plant: &Plant, (sensor, begun_ms): (&Sensor, i64), numbers: Range<i64>) {
    for begin in numbers.step_by(1_000) {
        let messages: Vec<_> = (begin..begin + 1_000)
            .map(|number| {
                let state = if number % 2 == 0 { "RUNNING" } else { "IDLE" };
                picture(sensor, begun_ms + number * 1_000, state, 0, None)
            })
            .collect();
        send(harness, plant, &messages);
        let filter = doc! { "meta.machine_id": &sensor.machine_id };
        eventually("the other database's documents", PATIENCE, || {
            plant.documents("machine_state_changes", filter.clone()).len() as i64 == begin + 1_000
        });
    }
}

/// More changes of a state than a quarter of the smallest log of events holds.
const TOO_MANY: i64 = 6_000;

fn away_too_long(harness: &'static Harness) {
    let plant = plant(harness, "[routes]\ndirectory = \"routes\"\nmax_bytes = 1_048_576\n", &MODULES);
    write_each(&plant);
    plant.serve();
    close(&plant, "genims_hr_db");
    let sensor = plant.sensor();
    change_states(harness, &plant, (&sensor, now_ms() - 86_400_000), 0..TOO_MANY);
    open(&plant, "genims_hr_db");
    let report = plant.idle();
    let rows = count(&plant, "genims_hr_db", "hcm_integration_log", "document_id LIKE 'EV-%'");
    let gap = sink(&report, "hr")["gap_records_total"].as_i64().unwrap();
    assert!(gap > 0 && rows > 0, "{rows} rows, {gap} lacking");
    // The gap counts events of all kinds: the sensors fall silent meanwhile.
    let others = sink(&report, "hr")["position"].as_i64().unwrap() - TOO_MANY;
    assert!((0..=others).contains(&(rows + gap - TOO_MANY)), "{rows} rows, {:#}", sink(&report, "hr"));
    // Since when it lacks something nobody knows, and nobody wants it: the gap is closed as it is.
    let output = plant.cli(&["routes", "resync", "hr"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("say it with --from"), "{error}");
    let report: Value =
        serde_json::from_str(&plant.cli_ok(&["routes", "resync", "hr", "--abandon", "--json"])).unwrap();
    assert_eq!(
        (&report["closed"][0]["made_before"], &report["closed"][0]["made"]),
        (&json!(0), &json!(0)),
        "{report:#}"
    );
    eventually("no gap is shown any more", PATIENCE, || {
        sink(&plant.stats(), "hr")["gaps"].as_array().is_some_and(Vec::is_empty)
    });
}

/// The server does without routes until the log no longer holds what they missed.
fn without_for_long(harness: &'static Harness) {
    const ROUTES: &str = "[routes]\ndirectory = \"routes\"\n";
    let more = format!("[spool]\nmax_bytes = 1_048_576\nretain_bytes = 0\n{ROUTES}");
    let plant = plant(harness, &more, &MODULES);
    write_each(&plant);
    let (sensor, begun_ms) = (plant.sensor(), now_ms() - 86_400_000);
    plant.serve();
    change_states(harness, &plant, (&sensor, begun_ms), 0..1_000);
    plant.idle();
    plant.terminate();

    let file = plant.folder.join("genims.toml");
    let with_routes = fs::read_to_string(&file).unwrap();
    assert!(with_routes.contains(ROUTES));
    fs::write(&file, with_routes.replace(ROUTES, "")).unwrap();
    plant.serve();
    for begin in (1_000..9_000).step_by(1_000) {
        let state = |number: i64| if number % 2 == 0 { "RUNNING" } else { "IDLE" };
        let messages: Vec<_> = (begin..begin + 1_000)
            .map(|number| picture(&sensor, begun_ms + number * 1_000, state(number), 0, None))
            .collect();
        send(harness, &plant, &messages);
    }
    plant.idle();
    plant.terminate();

    fs::write(&file, with_routes).unwrap();
    plant.serve();
    assert!(plant.log_text().contains("a consumer returns after its records went"), "{}", plant.log_text());
    let states = doc! { "meta.machine_id": &sensor.machine_id };
    // The log still held the last of what was missed.
    let before = plant.idle();
    let held = plant.documents("machine_state_changes", states.clone()).len();
    assert!((1_000..9_000).contains(&held), "{held}");
    assert_ne!(sink(&before, "events")["gap_records_total"], 0, "{before:#}");
    let messages = [("RUNNING", 9_000), ("IDLE", 9_001)]
        .map(|(state, number)| picture(&sensor, begun_ms + number * 1_000, state, 0, None));
    send(harness, &plant, &messages);
    plant.idle();
    assert_eq!(plant.documents("machine_state_changes", states).len(), held + 2);
}
