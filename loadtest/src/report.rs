//! The report of a run: JSON for machines, a page for people, and the exit code's reason.

use crate::say::say;
use crate::verdict::judge::Findings;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
    pub count: u64,
}

impl Percentiles {
    /// `None` for an empty histogram: no measurement is not zero.
    pub fn of(microseconds: &Histogram<u64>) -> Option<Self> {
        let ms = |us: u64| us as f64 / 1e3;
        (!microseconds.is_empty()).then(|| Self {
            p50: ms(microseconds.value_at_quantile(0.5)),
            p99: ms(microseconds.value_at_quantile(0.99)),
            p999: ms(microseconds.value_at_quantile(0.999)),
            max: ms(microseconds.max()),
            count: microseconds.len(),
        })
    }
}

/// Rates per second of the same machine without the server; the mean of those before and after a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Baselines {
    pub joint_per_s: Option<f64>,
    /// Both at once, each on its own account.
    pub joint_copy_per_s: Option<f64>,
    pub joint_mongo_per_s: Option<f64>,
    pub copy_per_s: Option<f64>,
    pub mongo_per_s: Option<f64>,
    pub mosquitto_qos0_per_s: Option<f64>,
    pub mosquitto_qos1_per_s: Option<f64>,
}

/// The plan once more, at a listener in clear.
#[derive(Clone, Debug, Serialize)]
pub struct InClear {
    pub messages_per_s: f64,
    pub problems: Vec<String>,
}

/// One stream's part in a run.
#[derive(Clone, Debug, Serialize)]
pub struct StreamReport {
    pub name: String,
    pub sent: u64,
    pub acked: u64,
    pub snapshots_sent: u64,
    pub messages_sent: u64,
    pub bytes_sent: u64,
    pub resent: u64,
    pub duplicates_forced: u64,
    pub garbage_sent: u64,
    pub connects: u64,
    pub connection_errors: u64,
    pub last_error: Option<String>,
    pub ack_latency_ms: Option<Percentiles>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub plan: String,
    /// `ok`, `failed`, or `unjudged` where no database was named.
    pub verdict: &'static str,
    /// Why it failed, for a person.
    pub problems: Vec<String>,
    /// Original readings.
    pub sent: u64,
    /// Acknowledged by the server, or written out where the protocol has no acknowledgement (`fire_and_forget`).
    pub acked: u64,
    pub fire_and_forget: u64,
    pub unacked_messages: u64,
    pub committed_postgres: Option<u64>,
    pub committed_mongodb: Option<u64>,
    /// Stored more than once, the worse of the two databases.
    pub duplicates: u64,
    pub duplicates_postgres: Option<u64>,
    pub duplicates_mongodb: Option<u64>,
    /// Sent but not stored when the wait ended, the worse of the two databases.
    pub missing: u64,
    pub missing_postgres: Option<u64>,
    pub missing_mongodb: Option<u64>,
    /// What is missing was still on its way: rows arrived until the wait ended.
    pub still_arriving_postgres: bool,
    pub still_arriving_mongodb: bool,
    pub dead_lettered: Option<u64>,
    pub dead_letters_expected: u64,
    pub dead_letter_reasons: BTreeMap<String, u64>,
    /// Readings sent a second time on purpose, and because a connection broke: both must have been stored once.
    pub duplicates_forced: u64,
    pub resent: u64,
    pub snapshots_sent: u64,
    pub snapshots_postgres: Option<u64>,
    pub snapshots_mongodb: Option<u64>,
    /// From the first send to the moment the last reading was committed in every database asked.
    pub seconds: f64,
    pub readings_per_s: f64,
    /// From the first send to the last acknowledgement.
    pub send_seconds: f64,
    pub acked_per_s: f64,
    pub messages_per_s: f64,
    /// Readings that the plan's rate asked for but that were not sent in time; 0 = the rate was held.
    pub behind: u64,
    pub ack_latency_ms: Option<Percentiles>,
    pub visible_latency_ms: Option<Percentiles>,
    pub probes_unseen: Option<u64>,
    pub baseline_joint_per_s: Option<f64>,
    pub baseline_copy_per_s: Option<f64>,
    pub baseline_mongo_per_s: Option<f64>,
    pub baseline_mosquitto_per_s: Option<f64>,
    pub ratio_to_joint: Option<f64>,
    pub ratio_to_copy: Option<f64>,
    /// Acknowledged messages against mosquitto's QoS 1.
    pub ratio_to_mosquitto: Option<f64>,
    pub baselines: Vec<Baselines>,
    /// Acknowledged messages against the mean of the same plan in clear, before and after.
    pub ratio_to_clear: Option<f64>,
    pub in_clear: Vec<InClear>,
    pub server_rss_mb_max: Option<f64>,
    pub postgres: Option<Findings>,
    pub mongodb: Option<Findings>,
    pub streams: Vec<StreamReport>,
    /// Replays: what the file held and what was left out.
    pub replay: Option<crate::replay::records::Summary>,
    /// The server's own account (`/stats`), for comparison only.
    pub server_stats: Option<serde_json::Value>,
}

impl Report {
    pub fn passed(&self) -> bool {
        self.verdict != "failed"
    }

    /// Enters the baselines and the ratios to their means.
    pub fn compare(&mut self, baselines: Vec<Baselines>) {
        let mean = |pick: fn(&Baselines) -> Option<f64>| {
            let rates: Vec<f64> = baselines.iter().filter_map(pick).collect();
            (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64)
        };
        self.baseline_joint_per_s = mean(|b| b.joint_per_s);
        self.baseline_copy_per_s = mean(|b| b.copy_per_s);
        self.baseline_mongo_per_s = mean(|b| b.mongo_per_s);
        self.baseline_mosquitto_per_s = mean(|b| b.mosquitto_qos1_per_s);
        let ratio = |rate: f64, baseline: Option<f64>| baseline.filter(|b| *b > 0.0).map(|b| rate / b);
        self.ratio_to_joint = ratio(self.readings_per_s, self.baseline_joint_per_s);
        self.ratio_to_copy = ratio(self.readings_per_s, self.baseline_copy_per_s);
        self.ratio_to_mosquitto = ratio(self.messages_per_s, self.baseline_mosquitto_per_s);
        self.baselines = baselines;
    }

    /// Enters the same plan's runs in clear, and the ratio to their mean.
    pub fn compare_to_clear(&mut self, runs: Vec<InClear>) {
        let total: f64 = runs.iter().map(|run| run.messages_per_s).sum();
        self.ratio_to_clear = (total > 0.0).then(|| self.messages_per_s * runs.len() as f64 / total);
        self.in_clear = runs;
    }

    pub fn print(&self) {
        let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |v| v.to_string());
        let percent = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"));
        let latency = |value: Option<Percentiles>| {
            value.map_or_else(
                || "not measured".to_owned(),
                |p| format!("p50 {:.2}  p99 {:.2}  p999 {:.2}  max {:.2} ms", p.p50, p.p99, p.p999, p.max),
            )
        };
        say!("\n{}: {}", self.plan, self.verdict.to_uppercase());
        say!("  sent {}  acked {}  unacked messages {}", self.sent, self.acked, self.unacked_messages);
        say!("  committed  PostgreSQL {}  MongoDB {}", number(self.committed_postgres), number(self.committed_mongodb));
        say!("  missing {}  duplicates {}", self.missing, self.duplicates);
        let there = [&self.postgres, &self.mongodb].map(|findings| findings.as_ref().map_or(0, |it| it.there_before));
        if there != [0, 0] {
            say!("  there already, and sent again  PostgreSQL {}  MongoDB {}", there[0], there[1]);
        }
        say!(
            "  dead letters {} (expected {})  sent twice on purpose {}  sent again after breaks {}",
            number(self.dead_lettered),
            self.dead_letters_expected,
            self.duplicates_forced,
            self.resent
        );
        if self.snapshots_sent > 0 {
            say!(
                "  snapshots  sent {}  PostgreSQL {}  MongoDB {}",
                self.snapshots_sent,
                number(self.snapshots_postgres),
                number(self.snapshots_mongodb)
            );
        }
        say!("  {:.0} readings/s over {:.1} s until the last was committed", self.readings_per_s, self.seconds);
        say!("  {:.0} messages/s, {:.0} readings/s acknowledged", self.messages_per_s, self.acked_per_s);
        if self.behind > 0 {
            say!("  the planned rate was not held: {} readings behind", self.behind);
        }
        say!("  acknowledged after {}", latency(self.ack_latency_ms));
        say!("  visible after      {}", latency(self.visible_latency_ms));
        if !self.baselines.is_empty() {
            say!(
                "  ratio to joint {}  to COPY {}  to mosquitto {}",
                percent(self.ratio_to_joint),
                percent(self.ratio_to_copy),
                percent(self.ratio_to_mosquitto)
            );
        }
        if !self.in_clear.is_empty() {
            let rates: Vec<String> = self.in_clear.iter().map(|run| format!("{:.0}", run.messages_per_s)).collect();
            say!("  ratio to clear {}  (there {} messages/s)", percent(self.ratio_to_clear), rates.join(" and "));
        }
        if let Some(replay) = &self.replay {
            replay.print();
        }
        if let Some(megabytes) = self.server_rss_mb_max {
            say!("  server memory at most {megabytes:.1} MB");
        }
        for problem in &self.problems {
            say!("  ! {problem}");
        }
    }
}

/// Writes any report as JSON.
pub fn write_json<T: Serialize>(path: &Path, report: &T) -> std::io::Result<()> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    std::fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_to_the_mean_of_the_baselines() {
        let mut report = Report { readings_per_s: 90.0, ..Report::default() };
        let baseline = |joint| Baselines { joint_per_s: Some(joint), ..Baselines::default() };
        report.compare(vec![baseline(100.0), baseline(140.0)]);
        assert_eq!(report.baseline_joint_per_s, Some(120.0));
        assert_eq!(report.ratio_to_joint, Some(0.75));
        assert_eq!(report.ratio_to_copy, None);
    }

    #[test]
    fn the_ratio_to_clear_is_that_of_messages_to_the_mean_before_and_after() {
        let mut report = Report { messages_per_s: 90.0, ..Report::default() };
        report.compare_to_clear(Vec::new());
        assert_eq!(report.ratio_to_clear, None);
        let run = |messages_per_s| InClear { messages_per_s, problems: vec!["late".to_owned()] };
        report.compare_to_clear(vec![run(80.0), run(120.0)]);
        assert_eq!(report.ratio_to_clear, Some(0.9));
        crate::engine::conclude(&mut report);
        assert!(!report.passed() && report.problems.contains(&"in clear: late".to_owned()), "{:?}", report.problems);
    }

    #[test]
    fn percentiles_are_milliseconds_and_nothing_measured_is_nothing() {
        let mut histogram = crate::load::stats::latencies();
        assert_eq!(Percentiles::of(&histogram), None);
        for us in 1..=1_000 {
            histogram.saturating_record(us * 1_000);
        }
        let percentiles = Percentiles::of(&histogram).expect("measured");
        assert!((percentiles.p50 - 500.0).abs() < 1.0 && (percentiles.p99 - 990.0).abs() < 1.0);
    }
}
