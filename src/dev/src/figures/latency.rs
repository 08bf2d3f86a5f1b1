//! From the receipt of what an event tells of to the commit of its rows, as the server measures it for each routed database.

use super::figure::{Bound, Figure, Promise};
use super::lab::{Lab, Load, Setup};
use anyhow::bail;
use serde_json::Value;
use std::collections::BTreeSet;

const PLAN: &str = "demo.toml";
const SECONDS: &str = "20";
/// Fewer say nothing of the slowest hundredth.
const EVENTS_MIN: u64 = 100;

const P50: Promise = Promise {
    name: "event_row_p50",
    what: "event to row, half of them, the slowest database",
    unit: "ms",
    bound: Bound::AtMost(100.0),
};
const P99: Promise = Promise {
    name: "event_row_p99",
    what: "event to row, 99 of 100, the slowest database",
    unit: "ms",
    bound: Bound::AtMost(250.0),
};

pub(super) fn measure(lab: &mut Lab) -> anyhow::Result<Vec<Figure>> {
    lab.serve(Setup::Shipped)?;
    let arguments = ["--seconds", SECONDS];
    let load = Load { name: "event_to_row".to_owned(), plan: PLAN, arguments: &arguments, is_judged: true };
    lab.load(&load)?;
    let stats = lab.quiet()?;
    lab.bench.stop_server();
    let written = written(&stats);
    if written.is_empty() {
        bail!("no database got rows of {EVENTS_MIN} events");
    }
    let slowest = |at: fn(&Written) -> f64| written.iter().map(at).fold(f64::NAN, f64::max);
    let [p50, p99] = [slowest(|one| one.p50), slowest(|one| one.p99)];
    let told: Vec<String> = written.iter().map(Written::told).collect();
    let settings = format!(
        "config/loadtest/{PLAN} for {SECONDS} s, all routes on; events, p50 and p99 of receive_to_committed_ms: {}",
        told.join("; ")
    );
    Ok(vec![Figure::new(P50, vec![p50], settings.clone()), Figure::new(P99, vec![p99], settings)])
}

/// A routed database.
#[derive(Debug, PartialEq)]
struct Written {
    name: String,
    events: u64,
    p50: f64,
    p99: f64,
}

impl Written {
    fn told(&self) -> String {
        let Self { name, events, p50, p99 } = self;
        format!("{name} {events}, {p50:.1}, {p99:.1}")
    }
}

/// Databases in which events became rows: others only move their positions.
fn written(stats: &Value) -> Vec<Written> {
    let routes = stats["routes"].as_array().into_iter().flatten();
    let with_rows = routes.filter(|route| route["rows_total"].as_u64().is_some_and(|rows| rows > 0));
    let names: BTreeSet<&str> = with_rows.filter_map(|route| route["database"].as_str()).collect();
    let sinks = stats["sinks"].as_array().into_iter().flatten();
    let written = sinks.filter_map(|sink| {
        let latency = &sink["receive_to_committed_ms"];
        Some(Written {
            name: sink["name"].as_str().filter(|name| names.contains(name))?.to_owned(),
            events: latency["count"].as_u64()?,
            p50: latency["p50"].as_f64()?,
            p99: latency["p99"].as_f64()?,
        })
    });
    written.filter(|one| one.events >= EVENTS_MIN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_databases_with_rows_and_enough_events_count() {
        let sink = |name: &str, count: u64| {
            let latency = json!({ "count": count, "p50": 1.5, "p99": 2.5 });
            json!({ "name": name, "receive_to_committed_ms": latency })
        };
        let route = |database: &str, rows: u64| json!({ "database": database, "rows_total": rows });
        let stats = json!({
            "sinks": [sink("postgres", 500), sink("erp", 500), sink("hr", 500), sink("wms", 99)],
            "routes": [route("erp", 1), route("hr", 0), route("wms", 7)],
        });
        assert_eq!(written(&stats), [Written { name: "erp".to_owned(), events: 500, p50: 1.5, p99: 2.5 }]);
    }
}
