//! What the demo found, summed over its runs, for people and as JSON.

use super::readiness;
use anyhow::Context;
use genims_terminal::say;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Counts that add up over the runs.
const SUMS: [&str; 7] =
    ["sent", "acked", "committed_postgres", "committed_mongodb", "duplicates", "dead_lettered", "missing"];

/// Measures that only the simulated run has in a meaningful form.
const OF_THE_RUN: [&str; 7] = [
    "seconds",
    "readings_per_s",
    "ack_latency_ms",
    "visible_latency_ms",
    "baseline_joint_per_s",
    "ratio_to_joint",
    "server_rss_mb_max",
];

/// The reports of the single steps, as their commands wrote them.
pub(super) struct Parts {
    pub(super) run: Value,
    pub(super) replay: Value,
    pub(super) verify: Value,
    pub(super) stats: Value,
    pub(super) readiness: Value,
}

pub(super) struct Figures(Map<String, Value>);

impl Figures {
    pub(super) fn of(parts: &Parts) -> anyhow::Result<Self> {
        let mut report = Map::new();
        for key in SUMS {
            let count = |part: &Value, name: &str| {
                part[key].as_u64().with_context(|| format!("the {name} report has no count \"{key}\""))
            };
            report.insert(key.to_owned(), (count(&parts.run, "run")? + count(&parts.replay, "replay")?).into());
        }
        for key in OF_THE_RUN {
            report.insert(key.to_owned(), parts.run[key].clone());
        }
        report.insert("identity_holds".to_owned(), parts.stats["identity_holds"].clone());
        report.insert("account".to_owned(), parts.stats["total"].clone());
        report.insert("routes".to_owned(), parts.stats["routes"].clone());
        report.insert("readiness".to_owned(), parts.readiness.clone());
        let parts = json!({ "run": parts.run, "replay": parts.replay, "verify": parts.verify });
        report.insert("parts".to_owned(), parts);
        Ok(Self(report))
    }

    fn count(&self, key: &str) -> u64 {
        self.0[key].as_u64().unwrap_or(0)
    }

    /// Nothing missing, nothing twice, both databases agree with what was acknowledged, every proof passed.
    pub(super) fn is_clean(&self) -> bool {
        let acked = self.count("acked");
        self.count("missing") == 0
            && self.count("duplicates") == 0
            && self.count("committed_postgres") == acked
            && self.count("committed_mongodb") == acked
            && self.0["identity_holds"] == true
            && self.0["parts"]["verify"]["passed"] == true
            && self.0["readiness"]["drill"]["failed"].as_array().is_some_and(Vec::is_empty)
    }

    pub(super) fn print(&self) {
        say!("\n  readings      all");
        for key in SUMS {
            say!("  {key:<20} {:>12}", self.count(key));
        }
        let account = &self.0["account"];
        let of = |key: &str| account[key].as_u64().unwrap_or(0);
        say!(
            "\n  received {} = committed {} + duplicate {} + dead_lettered {} + dropped {} + in_flight {}",
            of("received"),
            of("committed"),
            of("duplicate"),
            of("dead_lettered"),
            of("dropped"),
            of("in_flight")
        );
        say!("\n  latency (ms)             p50        p99       p999");
        for (label, key) in [("acknowledged", "ack_latency_ms"), ("visible in PostgreSQL", "visible_latency_ms")] {
            let at = |quantile: &str| self.0[key][quantile].as_f64().unwrap_or(f64::NAN);
            say!("  {label:<21} {:>9.2}  {:>9.2}  {:>9.2}", at("p50"), at("p99"), at("p999"));
        }
        say!("\n  events became rows: {}", self.routed());
        let rate = self.0["readings_per_s"].as_f64().unwrap_or(0.0);
        say!("\n  {rate:.0} readings/s through the simulated run");
        say!(
            "  {}",
            if self.is_clean() { "Nothing is missing, nothing is there twice." } else { "NOT CLEAN: see above." }
        );
    }

    pub(super) fn print_readiness(&self) {
        readiness::print(&self.0["readiness"]);
    }

    /// `database rows, ...` of the routes; what was refused is said.
    fn routed(&self) -> String {
        let mut rows: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for route in self.0["routes"].as_array().into_iter().flatten() {
            let sums = rows.entry(route["database"].as_str().unwrap_or("?")).or_default();
            sums.0 += route["rows_total"].as_u64().unwrap_or(0);
            sums.1 += route["refused_total"].as_u64().unwrap_or(0);
        }
        let each = rows.iter().map(|(database, (rows, refused))| match refused {
            0 => format!("{database} {rows}"),
            refused => format!("{database} {rows} (REFUSED {refused})"),
        });
        each.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(&self.0)?;
        std::fs::write(path, text + "\n").with_context(|| format!("{} cannot be written", path.display()))
    }
}
