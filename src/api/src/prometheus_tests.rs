//! What `/metrics` says: its form, its names, and that alerts and dashboards name nothing else.

use super::prometheus::registry;
use super::report::{Latency, ListenerReport, Observe, ServerReport, SinkReport, SourceReport};
use super::talkers::TalkersReport;
use hdrhistogram::Histogram;
use std::sync::Arc;

impl Observe for ServerReport {
    fn report(&self) -> ServerReport {
        self.clone()
    }

    fn talkers(&self) -> TalkersReport {
        super::window_tests::talkers()
    }
}

fn text(report: ServerReport) -> String {
    super::prometheus::text(&registry(Arc::new(report))).unwrap()
}

fn sample() -> ServerReport {
    let mut latency = Histogram::new_with_bounds(1, 3_600_000_000, 2).unwrap();
    latency.record_n(400, 3).unwrap();
    latency.record(7_000).unwrap();
    latency.record(3_600_000_000).unwrap();
    let latency = Latency::of(&latency);
    let source =
        SourceReport { name: "a\"b".to_owned(), listener: Some(ListenerReport::default()), ..SourceReport::default() };
    let sink = SinkReport { state: "retrying".into(), receive_to_committed_ms: latency, ..SinkReport::default() };
    ServerReport {
        version: "1".into(),
        sources: vec![source],
        sinks: vec![SinkReport { name: "postgres".to_owned(), ..sink }],
        ..ServerReport::default()
    }
}

#[test]
fn every_sample_belongs_to_a_declared_family_and_labels_are_escaped() {
    let text = text(sample());
    assert!(text.contains(r#"genims_received_total{listener="a\"b"} 0"#), "{text}");
    assert!(text.contains(r#"genims_build_info{version="1"} 1"#), "{text}");
    assert!(text.contains(r#"genims_sink_state{sink="postgres",state="retrying"} 1"#), "{text}");
    assert!(text.contains(r#"genims_sink_state{sink="postgres",state="following"} 0"#), "{text}");
    let declared = |what: &str| -> Vec<&str> {
        text.lines().filter_map(|line| line.strip_prefix(what)?.split(' ').next()).collect()
    };
    let (helped, declared) = (declared("# HELP "), declared("# TYPE "));
    assert_eq!(helped, declared, "each is told what it is");
    let parts = ["_sum", "_count", "_bucket"];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let family = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        assert!(declared.contains(&family), "{line}");
        assert!(line.rsplit(' ').next().is_some_and(|value| value.parse::<f64>().is_ok()), "{line}");
    }
    let mut once = declared.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), declared.len(), "{declared:?}");
    assert!(
        text.contains("# TYPE genims_received_total counter\n") && text.contains("# TYPE genims_build_info gauge\n")
    );
    assert!(!text.contains("# EOF") && text.ends_with('\n'), "OpenMetrics alone has an end");
}

#[test]
fn durations_are_histograms_whose_buckets_add_up() {
    let text = text(sample());
    let at = |le: &str| {
        let series = format!(r#"genims_receive_to_committed_seconds_bucket{{le="{le}",sink="postgres"}} "#);
        let line = text.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse::<u64>().unwrap()
    };
    assert_eq!((at("0.00025"), at("0.0005"), at("0.01"), at("1800.0"), at("+Inf")), (0, 3, 4, 4, 5), "{text}");
    assert!(text.contains(r#"genims_receive_to_committed_seconds_count{sink="postgres"} 5"#), "{text}");
    let sum = text.lines().find_map(|l| l.strip_prefix(r#"genims_receive_to_committed_seconds_sum{sink="postgres"} "#));
    let sum: f64 = sum.unwrap().parse().unwrap();
    assert!((sum / 3_600.008 - 1.0).abs() < 0.01, "{sum}");
    assert!(text.contains("# TYPE genims_spool_sync_seconds histogram\n"), "{text}");
}

/// Dashboards and alerts name these.
#[test]
fn no_name_is_lost() {
    let text = text(sample());
    let declared = text.lines().filter_map(|line| line.strip_prefix("# TYPE genims_")?.split_once(' '));
    let mut names: Vec<&str> = declared.map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, NAMES);
}

const NAMES: [&str; 60] = [
    "acks_total",
    "at_risk_records",
    "backup_age_seconds",
    "backup_late",
    "build_info",
    "catalogue_machines",
    "catalogue_sensors",
    "changes_age_seconds",
    "changes_delivered_total",
    "changes_retries_total",
    "changes_waiting",
    "clock_offset_seconds",
    "connections_open",
    "connections_refused_total",
    "connections_total",
    "database_up",
    "dead_letters_total",
    "denied_total",
    "evicted_total",
    "finished_total",
    "handshakes_refused_total",
    "identity_holds",
    "in_flight_records",
    "logins_refused_total",
    "messages_total",
    "protocol_errors_total",
    "rate_limited_total",
    "ready",
    "receive_to_committed_seconds",
    "receive_to_durable_seconds",
    "received_bytes_total",
    "received_total",
    "refusals_total",
    "remarks_total",
    "route_events_total",
    "route_refused_total",
    "route_rows_total",
    "sequence_regressions_total",
    "shard_queued_records",
    "sink_batches_total",
    "sink_bytes_total",
    "sink_connected",
    "sink_expired_total",
    "sink_gap_records_total",
    "sink_gaps",
    "sink_lag_records",
    "sink_lag_seconds",
    "sink_refused_total",
    "sink_retries_total",
    "sink_rows_total",
    "sink_state",
    "spool_bytes",
    "spool_bytes_max",
    "spool_failed",
    "spool_full",
    "spool_full_episodes_total",
    "spool_groups_total",
    "spool_next_offset",
    "spool_sync_seconds",
    "uptime_seconds",
];

const ALERTS: &str = include_str!("../../../config/prometheus/alerts.yml");
const GRAFANA: &str = include_str!("../../../config/grafana/genims.json");

/// The names of metrics in a text, without the prefix; each is that of a series or of a part of a histogram.
fn named(text: &str) -> Vec<&str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !word(c)).filter_map(|found| found.strip_prefix("genims_"));
    words.map(|name| name.strip_suffix("_bucket").unwrap_or(name)).collect()
}

#[test]
fn alerts_and_dashboards_name_metrics_that_there_are() {
    for (file, text) in [("alerts.yml", ALERTS), ("genims.json", GRAFANA)] {
        let unknown: Vec<&str> = named(text).into_iter().filter(|name| !NAMES.contains(name)).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
        assert!(named(text).len() > 10, "{file}");
    }
    assert_eq!(named("rate(genims_no_such_total[1m]) > genims_ready"), ["no_such_total", "ready"]);
    let queries = queries();
    assert!(queries.len() > 20 && queries.iter().all(|(expression, _)| !named(expression).is_empty()), "{queries:?}");
}

/// The expressions of the dashboard, each with what its lines are called.
fn queries() -> Vec<(String, String)> {
    let dashboard: serde_json::Value = serde_json::from_str(GRAFANA).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().filter(|targets| !targets.is_empty());
        targets.unwrap_or_else(|| panic!("{panel} shows nothing"))
    });
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned();
    targets.map(|target| (text(&target["expr"]), text(&target["legendFormat"]))).collect()
}

/// What stands between two marks, however often.
fn between<'t>(text: &'t str, (open, close): (&str, &str)) -> Vec<&'t str> {
    text.split(open).skip(1).filter_map(|rest| Some(rest.split_once(close)?.0)).collect()
}

/// The labels that an expression asks for, and those that what is said of it repeats.
fn asked(expression: &str, said: &str) -> Vec<String> {
    let grouped = between(expression, ("by (", ")")).into_iter().flat_map(|labels| labels.split(','));
    let matched = between(expression, ("{", "}")).into_iter().flat_map(|matchers| matchers.split(','));
    let matched = matched.filter_map(|matcher| matcher.split(['=', '!']).next());
    let said = between(said, ("{{", "}}")).into_iter().map(|label| label.trim().trim_start_matches("$labels."));
    grouped.chain(matched).chain(said).map(|label| label.trim().to_owned()).collect()
}

#[test]
fn alerts_and_dashboards_ask_for_labels_that_their_metrics_have() {
    let text = text(super::openapi_tests::report());
    println!("{text}");
    let has = |name: &str, label: &str| {
        let series = text.lines().filter(|line| line.starts_with(&format!("genims_{name}")));
        let key = |line: &str| line.contains(&format!("{{{label}=\"")) || line.contains(&format!(",{label}=\""));
        // Those two are Prometheus' own.
        ["job", "instance"].contains(&label) || series.into_iter().any(key)
    };
    let alerts = ALERTS.split("- alert: ").skip(1).map(|alert| {
        let expression = between(alert, ("expr: ", "\n")).concat();
        let said = alert.split_once("annotations:").map_or("", |(_, said)| said);
        (expression, said.to_owned())
    });
    for (expression, said) in alerts.chain(queries()) {
        for label in asked(&expression, &said) {
            let names = named(&expression);
            assert!(names.is_empty() || names.iter().any(|name| has(name, &label)), "{label} of {expression}: {said}");
        }
    }
    assert!(has("refusals_total", "door") && !has("refusals_total", "sink") && has("spool_sync_seconds", "le"));
    assert_eq!(asked("sum by (le, a) (x{b!=\"1\",c=\"2\"})", "{{d}} {{ $labels.e }}"), ["le", "a", "b", "c", "d", "e"]);
}

#[test]
fn alerts_have_a_cause_and_a_remedy() {
    let alerts: Vec<&str> = ALERTS.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 10, "{}", alerts.len());
    for alert in alerts {
        for part in ["expr: ", "severity: ", "summary: ", "description: "] {
            assert!(alert.contains(part), "{part} is missing of {alert}");
        }
    }
}
