//! The report as Prometheus text (exposition format 0.0.4). Labels are listeners, sinks, shards, outcomes and reasons:
//! small closed sets; topics and sensors never become labels.

use super::report::{Latency, Listener, Report, SINK_STATES, Sink};
use std::fmt::{Display, Write};

/// Renders the whole page.
pub fn render(report: &Report) -> String {
    let mut page = Page(String::with_capacity(8_192));
    server(&mut page, report);
    sources(&mut page, report);
    spool(&mut page, report);
    sinks(&mut page, report);
    page.0
}

/// Name, kind, help, and how to read it.
type Family<T, V> = (&'static str, &'static str, &'static str, fn(&T) -> V);

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escape(text))).collect();
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{}}} {value}", labels.join(","))
        };
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// One family with one sample per labelled item.
    fn each<T, V: Display>(
        &mut self,
        (name, kind, help): (&str, &str, &str),
        label: &str,
        items: &[T],
        read: impl Fn(&T) -> (String, V),
    ) {
        self.family(name, kind, help);
        for item in items {
            let (text, value) = read(item);
            self.sample(name, &[(label, &text)], value);
        }
    }

    fn latency(&mut self, name: &str, labels: &[(&str, &str)], latency: &Latency) {
        for (quantile, millis) in [("0.5", latency.p50), ("0.99", latency.p99), ("0.999", latency.p999)] {
            let mut labels = labels.to_vec();
            labels.push(("quantile", quantile));
            self.sample(name, &labels, millis / 1_000.0);
        }
        self.sample(&format!("{name}_count"), labels, latency.count);
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn server(page: &mut Page, report: &Report) {
    page.family("genims_build_info", "gauge", "Version of the running server.");
    page.sample("genims_build_info", &[("version", report.version)], 1);
    page.single("genims_uptime_seconds", "gauge", "Seconds since the server started.", report.uptime_seconds);
    page.single("genims_ready", "gauge", "1 while records can be accepted durably.", u8::from(report.ready));
    page.single(
        "genims_identity_holds",
        "gauge",
        "1 while received = committed + duplicate + dead_lettered + dropped + in_flight.",
        u8::from(report.identity_holds),
    );
    page.single(
        "genims_at_risk_records",
        "gauge",
        "Records received but not yet synced to the spool.",
        report.at_risk_records,
    );
    page.single("genims_catalogue_sensors", "gauge", "Active sensors in the catalogue.", report.catalogue.sensors);
    page.single("genims_catalogue_machines", "gauge", "Machines in the catalogue.", report.catalogue.machines);
    let shards: Vec<_> = report.shards.iter().enumerate().collect();
    page.each(
        ("genims_shard_queued_records", "gauge", "Records waiting in front of a shard."),
        "shard",
        &shards,
        |(no, shard)| (no.to_string(), shard.queued_records),
    );
    let measured = report.clocks.iter().filter_map(|clock| clock.offset_seconds.map(|offset| (clock.database, offset)));
    page.each(
        ("genims_clock_offset_seconds", "gauge", "How far a database server's clock is ahead of ours."),
        "database",
        &measured.collect::<Vec<_>>(),
        |(database, offset)| ((*database).to_owned(), *offset),
    );
    page.each(
        ("genims_dead_letters_total", "counter", "Records set aside, by reason."),
        "reason",
        &report.dead_letter_reasons,
        |(reason, count)| ((*reason).to_owned(), *count),
    );
}

fn sources(page: &mut Page, report: &Report) {
    let name = "genims_received_total";
    page.family(name, "counter", "Records received, by listener.");
    for source in &report.sources {
        page.sample(name, &[("listener", &source.name)], source.account.received);
    }
    let name = "genims_finished_total";
    page.family(name, "counter", "Records by listener and outcome.");
    for source in &report.sources {
        let account = &source.account;
        for (outcome, count) in [
            ("committed", account.committed),
            ("duplicate", account.duplicate),
            ("dead_lettered", account.dead_lettered),
            ("dropped", account.dropped),
        ] {
            page.sample(name, &[("listener", &source.name), ("outcome", outcome)], count);
        }
    }
    let name = "genims_in_flight_records";
    page.family(name, "gauge", "Records received and not yet finished, by listener.");
    for source in &report.sources {
        page.sample(name, &[("listener", &source.name)], source.account.in_flight);
    }
    let listeners: Vec<_> =
        report.sources.iter().filter_map(|source| source.listener.as_ref().map(|l| (&source.name, l))).collect();
    let families: [Family<Listener, u64>; 7] = [
        ("genims_connections_open", "gauge", "Connections open.", |l| l.connections_open),
        ("genims_connections_total", "counter", "Connections accepted.", |l| l.connections_total),
        ("genims_connections_refused_total", "counter", "Connections refused.", |l| l.refused_total),
        ("genims_messages_total", "counter", "Messages received.", |l| l.messages_total),
        ("genims_received_bytes_total", "counter", "Bytes received.", |l| l.bytes_total),
        ("genims_acks_total", "counter", "Acknowledgements sent.", |l| l.acks_total),
        ("genims_protocol_errors_total", "counter", "Protocol errors.", |l| l.protocol_errors_total),
    ];
    for (name, kind, help, read) in families {
        page.each((name, kind, help), "listener", &listeners, |(name, l)| ((*name).clone(), read(l)));
    }
}

fn spool(page: &mut Page, report: &Report) {
    let spool = &report.spool;
    page.single("genims_spool_bytes", "gauge", "Bytes of the spool on disk.", spool.bytes);
    page.single("genims_spool_bytes_max", "gauge", "The spool's size cap.", spool.bytes_max);
    page.single("genims_spool_full", "gauge", "1 while the spool is at its cap.", u8::from(spool.full));
    page.single(
        "genims_spool_failed",
        "gauge",
        "1 after a failed sync: restart needed.",
        u8::from(spool.failed.is_some()),
    );
    page.single(
        "genims_spool_full_episodes_total",
        "counter",
        "Times the cap or a full disk made senders wait.",
        spool.full_episodes_total,
    );
    page.single("genims_spool_groups_total", "counter", "Groups synced.", spool.groups_total);
    page.single("genims_spool_next_offset", "counter", "Records ever appended.", spool.next_offset);
    let name = "genims_receive_to_durable_seconds";
    page.family(name, "summary", "From the read of the socket to the sync of the spool.");
    page.latency(name, &[], &spool.receive_to_durable_ms);
    let name = "genims_spool_sync_seconds";
    page.family(name, "summary", "Each sync of the spool.");
    page.latency(name, &[], &spool.sync_ms);
}

fn sinks(page: &mut Page, report: &Report) {
    let families: [Family<Sink, f64>; 10] = [
        ("genims_sink_connected", "gauge", "1 while the sink reaches its database.", |s| {
            f64::from(u8::from(s.connected))
        }),
        ("genims_sink_lag_records", "gauge", "Records in the spool that the sink has not committed.", |s| {
            s.lag_records as f64
        }),
        ("genims_sink_lag_seconds", "gauge", "Age of the oldest record not committed.", |s| s.lag_seconds),
        ("genims_sink_rows_total", "counter", "Rows or documents committed.", |s| s.rows_total as f64),
        ("genims_sink_batches_total", "counter", "Batches committed.", |s| s.batches_total as f64),
        ("genims_sink_bytes_total", "counter", "Bytes sent.", |s| s.bytes_total as f64),
        ("genims_sink_retries_total", "counter", "Batches tried again.", |s| s.retries_total as f64),
        ("genims_sink_refused_total", "counter", "Rows that the database refused for good.", |s| {
            s.refused_total as f64
        }),
        ("genims_sink_expired_total", "counter", "Readings past the mirror's expiry, not mirrored.", |s| {
            s.expired_total as f64
        }),
        ("genims_sink_gap_records_total", "counter", "Records that the spool no longer held for the sink.", |s| {
            s.gap_records_total as f64
        }),
    ];
    for (name, kind, help, read) in families {
        page.each((name, kind, help), "sink", &report.sinks, |sink| (sink.name.clone(), read(sink)));
    }
    let name = "genims_sink_state";
    page.family(name, "gauge", "1 for the state in which the sink is, 0 for the others.");
    for sink in &report.sinks {
        for state in SINK_STATES {
            page.sample(name, &[("sink", &sink.name), ("state", state)], u8::from(sink.state == state));
        }
    }
    let name = "genims_receive_to_committed_seconds";
    page.family(name, "summary", "From the read of the socket to the sink's commit.");
    for sink in &report.sinks {
        page.latency(name, &[("sink", &sink.name)], &sink.receive_to_committed_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Source;
    use super::*;

    #[test]
    fn every_sample_belongs_to_a_declared_family_and_labels_are_escaped() {
        let report = Report {
            version: "1",
            sources: vec![Source { name: "a\"b".to_owned(), ..Source::default() }],
            sinks: vec![Sink { name: "postgres".to_owned(), state: "retrying", ..Sink::default() }],
            ..Report::default()
        };
        let text = render(&report);
        assert!(text.contains(r#"genims_received_total{listener="a\"b"} 0"#));
        assert!(text.contains(r#"genims_sink_state{sink="postgres",state="retrying"} 1"#));
        assert!(text.contains(r#"genims_sink_state{sink="postgres",state="following"} 0"#));
        let declared: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let family = name.strip_suffix("_count").unwrap_or(name);
            assert!(declared.contains(&family), "{line}");
            assert!(line.rsplit(' ').next().is_some_and(|value| value.parse::<f64>().is_ok()), "{line}");
        }
    }
}
