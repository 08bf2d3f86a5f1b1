//! What `/metrics` says: its form, its names, and that alerts and dashboards name nothing else.

use super::prometheus::registry;
use super::report::{Latency, ListenerReport, Observe, ServerReport, SinkReport, SourceReport};
use hdrhistogram::Histogram;
use std::sync::Arc;

impl Observe for ServerReport {
    fn report(&self) -> ServerReport {
        self.clone()
    }
}

fn text(report: ServerReport) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry(Arc::new(report))).unwrap();
    text
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
    let declared: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let suffixes = ["_total", "_info", "_sum", "_count", "_bucket"];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let family = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        assert!(declared.contains(&family) || declared.contains(&name), "{line}");
        assert!(line.rsplit(' ').next().is_some_and(|value| value.parse::<f64>().is_ok()), "{line}");
    }
    let mut once = declared.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), declared.len(), "{declared:?}");
    assert!(text.ends_with("# EOF\n"));
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
    let mut names: Vec<String> = declared
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        })
        .collect();
    names.sort_unstable();
    assert_eq!(names, NAMES);
}

const NAMES: [&str; 56] = [
    "acks_total",
    "at_risk_records",
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
    let dashboard: serde_json::Value = serde_json::from_str(GRAFANA).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.iter().all(|panel| panel["targets"].as_array().is_some_and(|targets| !targets.is_empty())));
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
