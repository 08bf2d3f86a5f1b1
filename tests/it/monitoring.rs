//! What Prometheus makes of us, by its own tool: the metrics of a real server, and the alerts and the dashboard that are shipped.
//! Other topics show [`fires`] what their faults make a server say.

use crate::clients::try_publish;
use crate::harness::Harness;
use crate::powercut::mount::{Mounted, can_mount};
use crate::running::eventually;
use crate::server::{Plant, Setup};
use crate::stream::send;
use genims_dev::Server;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Alerts on what is late wait for a minute of it.
const LATE: Duration = Duration::from_secs(240);
/// The alert is on what takes more than a second.
const SLOW: Duration = Duration::from_millis(1_500);

/// No server can be made to say it: that the identity holds is what every test of the stream asserts, under every fault that it knows, and
/// one that breaks it has found a fault of ours. So `alerts_test.yml` alone says what it would look like.
const BY_RULES_ALONE: [&str; 1] = ["GenimsIdentityBroken"];

const ALERTS: &str = include_str!("../../config/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../config/grafana/genims.json");
const ALERTS_TEST: &str = include_str!("alerts_test.yml");

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("monitoring::promtool_finds_no_fault_in_metrics_and_nothing_to_alert_of", metrics_of_a_server),
        harness.trial("monitoring::promtool_reads_each_expression_of_the_dashboard", expressions_of_the_dashboard),
        harness.trial("monitoring::each_alert_fires_on_what_is_at_fault_and_on_nothing_else", alerts_fire),
        harness.trial("monitoring::what_goes_wrong_with_a_server_fires", what_goes_wrong_fires),
        harness.trial("monitoring::a_disk_that_is_slow_or_fails_fires", what_a_disk_does_fires),
        harness.trial("monitoring::each_alert_is_fired_by_a_real_server_or_says_why_not", |_| fired_by_servers()),
    ]
}

/// What it printed, when it was content.
#[track_caller]
fn promtool(arguments: &[&str], input: &Path) -> String {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(File::open(input).unwrap());
    let output =
        command.output().unwrap_or_else(|error| panic!("promtool: {error}; `genims-dev install --tests` has it"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {}\n{said}", output.status);
    said
}

fn names(text: &str, before: &str) -> Vec<String> {
    let after = text.split(before).skip(1);
    after.map(|rest| rest.split([',', '\n', ' ']).next().unwrap_or_default().to_owned()).collect()
}

fn metrics_of_a_server(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let sensor = plant.sensor();
    send(harness, &plant, &[(sensor.topic(), "1.5".to_owned()), (sensor.topic(), "hot".to_owned())]);
    plant.idle();
    let (status, metrics) = plant.get("/metrics").unwrap();
    assert_eq!(status, 200, "{metrics}");
    let page = plant.folder.join("metrics.txt");
    fs::write(&page, &metrics).unwrap();
    let said = promtool(&["check", "metrics"], &page);
    assert_eq!(said, "", "not even a remark");

    let rules = quiet(&plant.folder, &metrics);
    promtool(&["test", "rules", &rules.to_string_lossy()], &page);
}

/// A test of the alerts on a server that stays as it is: none of them fires.
fn quiet(folder: &Path, metrics: &str) -> PathBuf {
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    let samples: Vec<(&str, &str)> = samples.map(|line| line.rsplit_once(' ').unwrap()).collect();
    assert!(samples.len() > 100, "{metrics}");
    let series = samples.iter().map(|(series, value)| json!({ "series": series, "values": format!("{value}+0x30") }));
    let up = json!({ "series": "up{job=\"genims\"}", "values": "1+0x30" });
    let fires_not = names(ALERTS, "- alert: ");
    let fires_not = fires_not.iter().map(|name| json!({ "alertname": name, "eval_time": "20m", "exp_alerts": [] }));
    let test = json!({
        "rule_files": [ours("config/prometheus/alerts.yml")],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": series.chain([up]).collect::<Vec<Value>>(),
            "alert_rule_test": fires_not.collect::<Vec<Value>>(),
        }],
    });
    let path = folder.join("quiet.yml");
    // YAML reads JSON.
    fs::write(&path, test.to_string()).unwrap();
    path
}

fn expressions_of_the_dashboard(harness: &'static Harness) {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let rules =
        targets.enumerate().map(|(no, target)| json!({ "record": format!("query_{no}"), "expr": target["expr"] }));
    let rules: Vec<Value> = rules.collect();
    let path = harness.folder("dashboard").join("queries.yml");
    let groups = json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    fs::write(&path, groups.to_string()).unwrap();
    let said = promtool(&["check", "rules", &path.to_string_lossy()], &path);
    assert!(said.contains(&format!("{} rules found", rules.len())), "{said}");
}

/// A file of the project, wherever the tests run.
fn ours(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}

fn alerts_fire(harness: &'static Harness) {
    let nothing = harness.folder("alerts").join("nothing");
    fs::write(&nothing, "").unwrap();
    let alerts = names(ALERTS, "- alert: ");
    let said = promtool(&["check", "rules", &ours("config/prometheus/alerts.yml")], &nothing);
    assert!(said.contains(&format!("{} rules found", alerts.len())), "{said}");
    promtool(&["test", "rules", &ours("tests/it/alerts_test.yml")], &nothing);

    // An alert of which nothing is expected is passed by promtool.
    let all: BTreeSet<&str> = alerts.iter().map(String::as_str).collect();
    let cases: Vec<&str> = ALERTS_TEST.split("alertname: ").skip(1).collect();
    let of = |is_meant: fn(&str) -> bool| -> BTreeSet<&str> {
        let cases = cases.iter().filter(|case| is_meant(case));
        cases.map(|case| case.split([',', '\n']).next().unwrap_or_default()).collect()
    };
    assert_eq!(of(|case| case.contains("exp_labels: ")), all, "each fires");
    assert_eq!(of(|case| case.contains("exp_alerts: []")), all, "each does not");
}

/// What these alerts say fires on a server as it is now, had it been so for long and its counters begun at zero. Others may fire, too.
#[track_caller]
pub(crate) fn fires(plant: &Plant, alerts: &[&str]) {
    fires_on(plant, plant.get("/metrics").map(|(_, metrics)| metrics), alerts);
}

/// By what it said; nothing: it does not answer.
#[track_caller]
fn fires_on(plant: &Plant, metrics: Option<String>, alerts: &[&str]) {
    let up = if metrics.is_some() { "1+0x26" } else { "1+0x5 0+0x20" };
    let metrics = metrics.unwrap_or_default();
    let samples = metrics.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap());
    let series = samples.map(|(series, value)| {
        let name = series.split('{').next().unwrap();
        let counts = ["_total", "_count", "_sum"].iter().any(|end| name.ends_with(end));
        let values = match counts {
            true => format!("0+0x5 {value}+0x20"),
            // Quantiles are of what goes on in the same way.
            false if name.ends_with("_bucket") => format!("0+{value}x26"),
            false => format!("{value}+0x26"),
        };
        json!({ "series": series, "values": values })
    });
    let up = json!({ "series": "up{job=\"genims\"}", "values": up });
    let fire = alerts.iter().map(|name| json!({ "labels": format!("{{alertname=\"{name}\"}}"), "value": 1 }));
    let firing = format!("ALERTS{{alertstate=\"firing\",alertname=~\"{}\"}}", alerts.join("|"));
    let test = json!({
        "rule_files": [ours("config/prometheus/alerts.yml")],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": series.chain([up]).collect::<Vec<Value>>(),
            "promql_expr_test": [{
                "expr": format!("group by (alertname) ({firing})"),
                "eval_time": "18m",
                "exp_samples": fire.collect::<Vec<Value>>(),
            }],
        }],
    });
    let path = plant.folder.join("fires.yml");
    fs::write(&path, test.to_string()).unwrap();
    promtool(&["test", "rules", &path.to_string_lossy()], &path);
}

/// Whatever is answered, until the other side closes.
fn say(address: SocketAddr, text: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LATE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

fn what_goes_wrong_fires(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let sensor = plant.sensor();
    send(harness, &plant, &vec![(sensor.topic(), "hot".to_owned()); 200]);
    plant.idle();
    for _ in 0..15 {
        say(plant.doors.mqtt, "GET / HTTP/1.1\r\n\r\n");
    }
    for _ in 0..25 {
        say(plant.doors.http, "GET /stats HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n");
    }
    fires(&plant, &["GenimsConnectionsRefused", "GenimsDeadLetters", "GenimsRefusals"]);

    plant.stack.stop_server(Server::Mongodb).unwrap();
    plant.execute("genims_master_db", "UPDATE factories SET city = city || '!'");
    send(harness, &plant, &[(sensor.topic(), "1.5".to_owned())]);
    let exceeds = |metrics: &str, name: &str, limit: f64| {
        let mut samples = metrics.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        samples.any(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() > limit)
    };
    eventually("mirror and changes are more than a minute late, and MongoDB was asked meanwhile", LATE, || {
        let (_, metrics) = plant.get("/metrics").unwrap();
        let is_down =
            |line: &str| line.starts_with("genims_database_up{") && line.rsplit(' ').next().unwrap().parse() == Ok(0.0);
        metrics.lines().any(is_down)
            && exceeds(&metrics, "genims_sink_lag_seconds", 60.0)
            && exceeds(&metrics, "genims_changes_age_seconds", 60.0)
    });
    fires(&plant, &["GenimsChangesLate", "GenimsDatabaseAway", "GenimsSinkLate", "GenimsSinkNotFollowing"]);
    plant.terminate();
    fires(&plant, &["GenimsAway"]);
}

fn what_a_disk_does_fires(harness: &'static Harness) {
    if !can_mount(&harness.folder("slow_disk")) {
        return;
    }
    let plant = Plant::prepare(harness, &Setup::default());
    let disk = Mounted::new(&plant.folder.join("data")).unwrap();
    plant.serve();
    let sensor = plant.sensor();
    disk.slow_down(SLOW);
    send(harness, &plant, &vec![(sensor.topic(), "1.5".to_owned()); 3]);
    disk.slow_down(Duration::ZERO);
    fires(&plant, &["GenimsAcknowledgesSlowly"]);
    plant.idle();

    // A server whose log has failed ends; with a batch that a database does not answer that takes it long enough to be asked.
    plant.stack.pause_server(Server::Postgres).unwrap();
    send(harness, &plant, &[(sensor.topic(), "2.5".to_owned())]);
    disk.lose_power();
    let lost = [(sensor.topic(), b"3.5".to_vec())];
    // Nothing is answered.
    let _ = try_publish(plant.doors.mqtt, &harness.unique("lost"), 0, &lost);
    let mut said = None;
    eventually("the server says that its log has failed", LATE, || {
        said = plant.get("/metrics").map(|(_, metrics)| metrics);
        said.as_ref().is_some_and(|metrics| metrics.lines().any(|line| line.starts_with("genims_spool_failed 1")))
    });
    fires_on(&plant, said, &["GenimsLogFailed", "GenimsNotReady"]);
    eventually("the server ends with the cause", LATE, || plant.log_text().contains("the spool has failed: "));
    plant.stack.resume_server(Server::Postgres).unwrap();
    plant.kill();
}

fn read_sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// A test that lets a server fire an alert names it.
fn fired_by_servers() {
    let mut told = String::new();
    read_sources(Path::new(&ours("tests/it")), &mut told);
    for alert in names(ALERTS, "- alert: ") {
        let times = told.matches(&format!("\"{alert}\"")).count();
        let by_rules = BY_RULES_ALONE.contains(&alert.as_str());
        assert!(times > 0 && (!by_rules || times == 1), "{alert} is named {times} times, by rules alone: {by_rules}");
    }
}
