//! A routed database that was away for longer than the log of events held: what it lacks is made anew while the server runs and is under
//! load, once, also when that is killed. In the end it has what a database has that was never away and has the same route; and MongoDB,
//! with the routes that we ship, has every document, and none that is open though what it tells of has ended.

use crate::harness::Harness;
use crate::routes::{MODULES, close, count, open, picture, plant};
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Sensor};
use crate::stream::{now_ms, send};
use crate::tally::sink;
use genims_dev::Server;
use libtest_mimic::Trial;
use mongodb::bson::{Bson, doc};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("routes::what_a_database_lacks_is_made_anew_once", made_anew),
        harness.trial("routes::documents_that_mongodb_lacks_are_made_anew_and_end", documents),
    ]
}

/// The database that is away and the one that is not, with their tables of the same form.
const AWAY: (&str, &str) = ("genims_hr_db", "hcm_integration_log");
const THERE: (&str, &str) = ("genims_maintenance_db", "cmms_integration_log");

/// A row for each event, and no key that would hide a second one; a fault's end is said in the row of its beginning. An hour that is long over
/// ends when the clock is looked at, so what is told of it is left out.
const ROUTE: &str = r#"
database = "DATABASE"
[[route]]
name = "each"
about = "a row for each event"
events = ["state_changed", "parts_counted", "energy_metered", "tool_changed", "operator_changed", "fault_opened",
    "fault_closed", "limit_crossed", "limit_left", "anomaly_seen", "sensor_health"]
table = "TABLE"
[route.columns]
log_id = "gen_random_uuid()::text"
document_id = "event.uid"
log_timestamp = "event.at"
document_type = "event.kind"
integration_direction = "left(md5(concat_ws('|', event.machine_id, event.fault_code, event.started_at)), 20)"
error_message = """concat_ws('|', event.machine_id, event.sensor_id, event.started_at, event.ended_at, event.fault_code, event.severity,
    event.description, event.downtime_minutes, event.production_loss_units, event.state_from, event.state_to,
    event.state_lasted_seconds, event.produced, event.rejected, event.interval_seconds, event.energy_kwh, event.register_kwh,
    event.tool_from, event.tool_to, event.operator_before, event.operator_id, event.level, event.side, event.limit_value,
    event.readings, event.status)"""
[[route]]
name = "ends"
about = "a fault ends"
events = ["fault_closed"]
table = "TABLE"
operation = "update"
key = ["document_type", "integration_direction"]
[route.columns]
document_type = "'fault_opened'"
integration_direction = "left(md5(concat_ws('|', event.machine_id, event.fault_code, event.started_at)), 20)"
[route.set]
integration_status = "'ended'"
"#;
/// Pictures before the database is away, while it is (more than a quarter of the smallest log of events holds), and while it gets what it
/// lacks. When it is there again a fault is open that began meanwhile.
const BEFORE: i64 = 300;
const MEANWHILE: i64 = 3_983;
const BEHIND: i64 = 600;

struct Trialled {
    harness: &'static Harness,
    plant: Plant,
    sensor: Sensor,
    begun_ms: i64,
}

impl Trialled {
    /// Pictures of a machine and readings of its sensor, one a second of their own clock; waits until the database that is there has
    /// their states.
    fn go_on(&self, from: i64, to: i64) {
        for begin in (from..to).step_by(1_000) {
            let end = to.min(begin + 1_000);
            let messages: Vec<_> =
                (begin..end).flat_map(|number| [self.picture(number), self.reading(number)]).collect();
            send(self.harness, &self.plant, &messages);
            eventually("the states of the other database", PATIENCE, || {
                count(&self.plant, THERE.0, THERE.1, "document_type = 'state_changed'") == end
            });
        }
    }

    fn picture(&self, number: i64) -> (String, String) {
        let state = if number % 2 == 0 { "RUNNING" } else { "IDLE" };
        let fault = (number % 40 < 7).then(|| format!("E-{}", number / 40));
        let at_ms = self.begun_ms + number * 1_000;
        let (topic, text) = picture(&self.sensor, at_ms, state, number / 3, fault.as_deref());
        let mut message: Value = serde_json::from_str(&text).unwrap();
        message["energy_consumed_kwh"] = json!(number as f64 / 2.0);
        // Said when they change.
        if number % 90 == 0 {
            message["tool_number"] = json!(number / 90);
        }
        if number % 200 == 0 {
            message["operator_id"] = json!(format!("EMP-{}", number / 200));
        }
        (topic, message.to_string())
    }

    /// Beyond its limits now and then.
    fn reading(&self, number: i64) -> (String, String) {
        let value = if number % 300 < 12 { 150 + number % 5 } else { 50 + number % 7 };
        let message = json!({ "timestamp_ms": self.begun_ms + number * 1_000, "value": value });
        (self.sensor.topic(), message.to_string())
    }

    /// What a database was told, and when by the source's clock; what is there twice shows.
    fn told(&self, (database, table): (&str, &str)) -> Vec<(String, String, String)> {
        let query = format!(
            "SELECT document_type, log_timestamp::text, concat_ws('|', error_message, integration_status) FROM {table} ORDER BY 2, 1, 3"
        );
        self.plant.query(database, &query).iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }

    /// Events of a kind that the database was told that is there.
    fn count_of(&self, kind: &str) -> i64 {
        count(&self.plant, THERE.0, THERE.1, &format!("document_type = '{kind}'"))
    }

    fn count(&self, (database, table): (&str, &str)) -> i64 {
        count(&self.plant, database, table, "true")
    }

    fn resync(&self, module: &str) -> Value {
        serde_json::from_str(&self.plant.cli_ok(&["routes", "resync", module, "--json"])).unwrap()
    }

    fn gaps(&self) -> Vec<Value> {
        serde_json::from_str(&self.plant.cli_ok(&["routes", "gaps", "--json"])).unwrap()
    }
}

/// A plant that routes by these files.
fn begin(harness: &'static Harness, routes: &[(&str, String)]) -> Trialled {
    let plant = plant(harness, "[routes]\ndirectory = \"routes\"\nmax_bytes = 1_048_576\n", &MODULES);
    let folder = plant.folder.join("routes");
    fs::create_dir(&folder).unwrap();
    for (module, text) in routes {
        fs::write(folder.join(format!("{module}.toml")), text).unwrap();
    }
    let (sensor, begun_ms) = (plant.sensor(), now_ms() - 86_400_000);
    let limits = format!(
        "UPDATE sensors SET measurement_range_min = 0, measurement_range_max = 200, warning_threshold_min = NULL, \
         critical_threshold_min = NULL, warning_threshold_max = 90, critical_threshold_max = 100 WHERE sensor_id = '{}'",
        sensor.sensor_id
    );
    plant.execute("genims_master_db", &limits);
    plant.serve();
    Trialled { harness, plant, sensor, begun_ms }
}

fn route((database, table): (&str, &str)) -> String {
    ROUTE.replace("DATABASE", database).replace("TABLE", table)
}

/// What MongoDB has of each kind of event. All of one machine, whose last tool and operator are still there.
fn documents(harness: &'static Harness) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/routes/production.toml");
    let shipped = fs::read_to_string(shipped).unwrap();
    let trial = begin(harness, &[("production", shipped), ("maintenance", route(THERE))]);
    trial.go_on(0, BEFORE);
    trial.plant.idle();
    trial.plant.stack.stop_server(Server::Mongodb).unwrap();
    trial.go_on(BEFORE, BEFORE + MEANWHILE);
    trial.plant.stack.start_server(Server::Mongodb).unwrap();
    // Something ends that began in the gap.
    trial.go_on(BEFORE + MEANWHILE, BEFORE + MEANWHILE + BEHIND);
    trial.plant.idle();
    let count = |collection: &str, filter| trial.plant.documents(collection, filter).len() as i64;
    let kinds = [
        ("machine_state_changes", "state_changed"),
        ("production_counts", "parts_counted"),
        ("energy_readings", "energy_metered"),
        ("tool_usage_history", "tool_changed"),
        ("operator_sessions", "operator_changed"),
    ];
    assert!(count(kinds[0].0, doc! {}) < trial.count_of(kinds[0].1), "it lacks nothing");
    let report = trial.resync("production");
    assert!(report["closed"][0]["told_again"].as_i64() > Some(0), "{report:#}");
    for (collection, kind) in kinds {
        assert_eq!(count(collection, doc! {}), trial.count_of(kind), "{collection}: {report:#}");
    }
    assert_eq!(count("tool_usage_history", doc! { "removed_at": Bson::Null }), 1);
    assert_eq!(count("operator_sessions", doc! { "status": "active" }), 1);
    // The board shows what is, and not how the gap ended.
    let live = trial.plant.documents("machine_live_state", doc! {});
    let last_ms = trial.begun_ms + (BEFORE + MEANWHILE + BEHIND - 1) * 1_000;
    assert_eq!(live[0].get_datetime("state_since").unwrap().timestamp_millis(), last_ms, "{live:?}");
    let operator = format!("EMP-{}", (BEFORE + MEANWHILE + BEHIND - 1) / 200);
    assert_eq!(live[0].get_str("operator_id").unwrap(), operator, "{live:?}");
    assert_eq!(trial.resync("production")["closed"], Value::Array(Vec::new()));
}

fn made_anew(harness: &'static Harness) {
    let trial = begin(harness, &[("hr", route(AWAY)), ("maintenance", route(THERE))]);
    nothing_lacks(&trial);
    trial.go_on(0, BEFORE);
    eventually("the rows before", PATIENCE, || trial.count(AWAY) == trial.count(THERE));
    long_ago(&trial, 235);
    close(&trial.plant, AWAY.0);
    trial.go_on(BEFORE, BEFORE + MEANWHILE);
    open(&trial.plant, AWAY.0);
    let report = trial.plant.idle();
    let lacking = trial.count(THERE) - trial.count(AWAY);
    assert!(lacking > 2_000, "{lacking}");
    // Two, where a batch that was at hand goes in when more of the log is gone behind it.
    let gaps = trial.gaps();
    assert_eq!(sink(&report, "hr")["gaps"].as_array().map(Vec::len), Some(gaps.len()), "{report:#}");
    assert!(!gaps.is_empty() && gaps.iter().all(|gap| gap["closed_at"].is_null()), "{gaps:#?}");
    let records: i64 = gaps.iter().filter_map(|gap| gap["records"].as_i64()).sum();
    assert!(records >= lacking, "{lacking} {gaps:#?}");

    killed_in_the_middle(&trial);
    // More comes by the stream meanwhile: the end of what began in the gap, too, before that is made anew.
    slow_down(&trial);
    let report = std::thread::scope(|scope| {
        scope.spawn(|| trial.go_on(BEFORE + MEANWHILE, BEFORE + MEANWHILE + BEHIND));
        trial.resync("hr")
    });
    let now = &report["closed"][0];
    assert_eq!(now["made"].as_i64().unwrap() + now["made_before"].as_i64().unwrap(), lacking, "{report:#}");
    assert!(now["made_before"].as_i64() > Some(0) && now["made"].as_i64() > Some(0), "{report:#}");
    eventually("all rows", PATIENCE, || trial.count(AWAY) == trial.count(THERE));
    assert_eq!(trial.told(AWAY), trial.told(THERE));
    closed(&trial);
}

/// Commands that have nothing to do, or cannot, say so.
fn nothing_lacks(trial: &Trialled) {
    assert_eq!(trial.resync("hr")["closed"], Value::Array(Vec::new()));
    let unrouted = "no route leads into genims_manufacturing_db; routes lead into genims_";
    for (arguments, says) in [
        (&["routes", "resync", "genims_no_db"][..], "genims_no_db"),
        (&["routes", "resync", "manufacturing"], unrouted),
        (&["routes", "resync", "hr", "--from", "2026-01-01T00:00:00Z"], "lacks nothing"),
    ] {
        let output = trial.plant.cli(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{arguments:?}: {error}");
    }
}

/// The pictures below this number came hours ago: what they said, and later ones do not, is looked for among what is older.
fn long_ago(trial: &Trialled, number: i64) {
    let update = format!(
        "UPDATE scada_machine_data SET created_at = created_at - interval '3 hours' \
         WHERE timestamp < to_timestamp({}) AT TIME ZONE 'UTC'",
        trial.begun_ms / 1_000 + number
    );
    trial.plant.execute("genims_operations_db", &update);
}

/// Each statement that inserts takes a while.
fn slow_down(trial: &Trialled) {
    let slow = format!(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2); RETURN NULL; END'; \
         CREATE TRIGGER slow AFTER INSERT ON {} FOR EACH STATEMENT EXECUTE FUNCTION slow()",
        AWAY.1
    );
    trial.plant.execute(AWAY.0, &slow);
}

/// A run that dies when some of its batches are there.
fn killed_in_the_middle(trial: &Trialled) {
    let before = trial.count(AWAY);
    slow_down(trial);
    let run = trial.harness.spawn(&["--config", "genims.toml", "routes", "resync", AWAY.0], &trial.plant.folder);
    eventually("the first batch", PATIENCE, || {
        assert!(run.wait(Duration::ZERO).is_none(), "it has ended: {}", run.log_text());
        trial.count(AWAY) > before
    });
    run.kill();
    trial.plant.execute(AWAY.0, &format!("DROP TRIGGER slow ON {}; DROP FUNCTION slow", AWAY.1));
    assert!(trial.count(AWAY) < trial.count(THERE), "it was not killed in the middle");
}

/// The gap is gone everywhere, and another run changes nothing.
fn closed(trial: &Trialled) {
    let gaps = trial.gaps();
    assert!(gaps.iter().all(|gap| gap["closed_at"].is_string() && gap["not_made"].is_number()), "{gaps:#?}");
    eventually("no gap is shown any more", PATIENCE, || {
        sink(&trial.plant.stats(), "hr")["gaps"].as_array().is_some_and(Vec::is_empty)
    });
    assert_eq!(trial.resync("hr")["closed"], Value::Array(Vec::new()));
    assert_eq!(trial.told(AWAY), trial.told(THERE));
}
