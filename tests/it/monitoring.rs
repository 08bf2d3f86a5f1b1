//! What Prometheus makes of us, by its own tool: the metrics of a real server, and the alerts and the dashboard that are shipped.

use crate::harness::Harness;
use crate::server::{Plant, Setup};
use crate::stream::send;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

const ALERTS: &str = include_str!("../../config/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../config/grafana/genims.json");
const ALERTS_TEST: &str = include_str!("alerts_test.yml");

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("monitoring::promtool_finds_no_fault_in_metrics_and_nothing_to_alert_of", metrics_of_a_server),
        harness.trial("monitoring::promtool_reads_each_expression_of_the_dashboard", expressions_of_the_dashboard),
        harness.trial("monitoring::each_alert_fires_on_what_is_at_fault_and_on_nothing_else", alerts_fire),
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
