//! The registry of metrics, written as Prometheus' text. One [`Collector`] reads the report of the moment at every scrape: the
//! stream counts in atomics of its own and knows nothing of this. Labels are listeners, sinks, shards, outcomes and reasons:
//! small closed sets; topics and sensors never become labels.

use super::report::{
    ChangesReport, Latency, ListenerReport, Observe, RouteReport, SINK_STATES, ServerReport, SinkReport,
};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The registry of one server.
pub(crate) fn registry(observer: Arc<dyn Observe>) -> Registry {
    let mut registry = Registry::with_prefix("genims");
    registry.register_collector(Box::new(Reported(observer)));
    registry
}

/// All of it.
pub(crate) fn text(registry: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::with_capacity(16_384);
    encode_registry(&mut text, registry)?;
    Ok(named_as_samples(&text))
}

/// The encoder writes OpenMetrics, where a counter and what is information are called without the suffix of their samples. Not all
/// that read metrics know it, `promtool check metrics` among them; the older format, where both are called the same, all do.
fn named_as_samples(text: &str) -> String {
    let mut named = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|described| described.split_once(' ')) {
            // The next line is the type.
            let kind = lines.next().and_then(|line| line.rsplit_once(' ')).map_or("untyped", |(_, kind)| kind);
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            named.push_str(&format!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}"));
        } else {
            named.push_str(line);
        }
        named.push('\n');
    }
    named
}

struct Reported(Arc<dyn Observe>);

impl fmt::Debug for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reported")
    }
}

impl Collector for Reported {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let report = self.0.report();
        let mut page = Page(encoder);
        server(&mut page, &report)?;
        sources(&mut page, &report)?;
        spool(&mut page, &report)?;
        sinks(&mut page, &report)?;
        routes(&mut page, &report)?;
        changes(&mut page, &report)
    }
}

type Labels<'a> = Vec<(&'static str, Cow<'a, str>)>;

/// Name and help.
type Described = (&'static str, &'static str);

/// A counter, and how it is read.
type Counted<T> = (Described, fn(&T) -> u64);

/// Families, each with its samples. Names lack the prefix of the registry, those of counters also their `_total`.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn family<'l, V>(
        &mut self,
        (name, help): Described,
        kind: MetricType,
        samples: impl IntoIterator<Item = (Labels<'l>, V)>,
        write: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            if labels.is_empty() {
                write(&mut family, value)?;
            } else {
                write(&mut family.encode_family(&labels)?, value)?;
            }
        }
        Ok(())
    }

    fn counters<'l>(
        &mut self,
        described: Described,
        samples: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        self.family(described, MetricType::Counter, samples, |metric, count| {
            metric.encode_counter::<NoLabelSet, _, f64>(&count, None)
        })
    }

    fn gauges<'l>(
        &mut self,
        described: Described,
        samples: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        self.family(described, MetricType::Gauge, samples, |metric, value| {
            // The encoder gives up the whole page for what no i64 holds.
            metric.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))
        })
    }

    fn measures<'l>(
        &mut self,
        described: Described,
        samples: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
        self.family(described, MetricType::Gauge, samples, |metric, value| metric.encode_gauge(&value))
    }

    fn histograms<'l>(
        &mut self,
        described: Described,
        samples: impl IntoIterator<Item = (Labels<'l>, Latency)>,
    ) -> fmt::Result {
        self.family(described, MetricType::Histogram, samples, |metric, latency| {
            metric.encode_histogram::<NoLabelSet>(latency.sum_seconds, latency.count, &latency.buckets(), None)
        })
    }

    fn gauge(&mut self, name: &'static str, help: &'static str, value: u64) -> fmt::Result {
        self.gauges((name, help), [(Labels::new(), value)])
    }
}

/// The encoder writes labels as they are.
fn label<'a>(key: &'static str, text: &'a str) -> Labels<'a> {
    let plain = !text.contains(['\\', '"', '\n']);
    let text =
        if plain { text.into() } else { text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into() };
    vec![(key, text)]
}

fn labels<'a>(first: (&'static str, &'a str), second: (&'static str, &'a str)) -> Labels<'a> {
    let mut labels = label(first.0, first.1);
    labels.extend(label(second.0, second.1));
    labels
}

fn server(page: &mut Page<'_>, report: &ServerReport) -> fmt::Result {
    let version = label("version", &report.version);
    page.family(
        ("build", "Version of the running server."),
        MetricType::Info,
        [(Labels::new(), version)],
        |metric, v| metric.encode_info(&v),
    )?;
    page.measures(("uptime_seconds", "Seconds since the server started."), [(Labels::new(), report.uptime_seconds)])?;
    page.gauge("ready", "1 while records can be accepted durably.", report.ready.into())?;
    let identity = "1 while received = committed + duplicate + dead_lettered + dropped + in_flight.";
    page.gauge("identity_holds", identity, report.identity_holds.into())?;
    page.gauge("at_risk_records", "Records received but not yet synced to the spool.", report.at_risk_records)?;
    page.gauge("catalogue_sensors", "Active sensors in the catalogue.", report.catalogue.sensors)?;
    page.gauge("catalogue_machines", "Machines in the catalogue.", report.catalogue.machines)?;
    let shards = report.shards.iter().enumerate();
    page.gauges(
        ("shard_queued_records", "Records waiting in front of a shard."),
        shards.map(|(no, shard)| (vec![("shard", no.to_string().into())], shard.queued_records)),
    )?;
    let measured = report.clocks.iter().filter_map(|clock| Some((&clock.database, clock.offset_seconds?)));
    page.measures(
        ("clock_offset_seconds", "How far a database server's clock is ahead of ours."),
        measured.map(|(database, offset)| (label("database", database), offset)),
    )?;
    let asked = report.databases.iter().filter_map(|database| Some((&database.name, database.answers?)));
    page.measures(
        ("database_up", "Whether a database of the registry answered when it was asked last, once a minute."),
        asked.map(|(name, answers)| (label("database", name), f64::from(u8::from(answers)))),
    )?;
    let backups = || report.backups.items.iter();
    let aged = backups().filter_map(|backup| Some((label("database", &backup.database), backup.age_seconds?)));
    page.gauges(("backup_age_seconds", "Age of the newest complete backup in the folder of [backups]."), aged)?;
    let judged = backups().filter_map(|backup| Some((label("database", &backup.database), u64::from(backup.late?))));
    page.gauges(("backup_late", "1 where it is older than the registry wants it, or there is none."), judged)?;
    page.counters(
        ("dead_letters", "Records set aside, by reason."),
        report.dead_letter_reasons.iter().map(|(reason, count)| (label("reason", reason), *count)),
    )?;
    page.counters(
        ("remarks", "Records taken although something of their message does not fit, by kind."),
        report.remarks.iter().map(|(kind, count)| (label("kind", kind), *count)),
    )?;
    page.counters(
        ("refusals", "Logins, requests and messages refused, by door and kind."),
        report.refusals.iter().map(|one| (labels(("door", &one.door), ("kind", &one.kind)), one.total)),
    )
}

fn sources(page: &mut Page<'_>, report: &ServerReport) -> fmt::Result {
    let sources = || report.sources.iter();
    page.counters(
        ("received", "Records received, by listener."),
        sources().map(|source| (label("listener", &source.name), source.account.received)),
    )?;
    let finished = sources().flat_map(|source| {
        let account = &source.account;
        let outcomes = [
            ("committed", account.committed),
            ("duplicate", account.duplicate),
            ("dead_lettered", account.dead_lettered),
            ("dropped", account.dropped),
        ];
        outcomes.map(|(outcome, count)| (labels(("listener", &source.name), ("outcome", outcome)), count))
    });
    page.counters(("finished", "Records by listener and outcome."), finished)?;
    page.gauges(
        ("in_flight_records", "Records received and not yet finished, by listener."),
        sources().map(|source| (label("listener", &source.name), source.account.in_flight)),
    )?;
    let listeners =
        || sources().filter_map(|source| Some((label("listener", &source.name), source.listener.as_ref()?)));
    page.gauges(
        ("connections_open", "Connections open."),
        listeners().map(|(labels, listener)| (labels, listener.connections_open)),
    )?;
    let counters: [Counted<ListenerReport>; 12] = [
        (("connections", "Connections accepted."), |l| l.connections_total),
        (("connections_refused", "Connections refused."), |l| l.refused_total),
        (("messages", "Messages received."), |l| l.messages_total),
        (("received_bytes", "Bytes received."), |l| l.bytes_total),
        (("acks", "Acknowledgements sent."), |l| l.acks_total),
        (("protocol_errors", "Protocol errors."), |l| l.protocol_errors_total),
        (("sequence_regressions", "Connections that began at or below the last sequence of their WELCOME."), |l| {
            l.sequence_regressions_total
        }),
        (("handshakes_refused", "TLS handshakes refused."), |l| l.handshakes_refused_total),
        (("logins_refused", "Clients not let in."), |l| l.logins_refused_total),
        (("denied", "Messages refused because their client may not publish there."), |l| l.denied_total),
        (("evicted", "Connections ended because their client may no longer be in."), |l| l.evicted_total),
        (("rate_limited", "Waits of connections whose client had sent as much as it may."), |l| l.rate_limited_total),
    ];
    for (described, read) in counters {
        page.counters(described, listeners().map(|(labels, listener)| (labels, read(listener))))?;
    }
    Ok(())
}

fn spool(page: &mut Page<'_>, report: &ServerReport) -> fmt::Result {
    let spool = &report.spool;
    let single = |value| [(Labels::new(), value)];
    page.gauge("spool_bytes", "Bytes of the spool on disk.", spool.bytes)?;
    page.gauge("spool_bytes_max", "The spool's size cap.", spool.bytes_max)?;
    page.gauge("spool_full", "1 while the spool is at its cap.", spool.full.into())?;
    page.gauge("spool_failed", "1 after a failed sync: restart needed.", spool.failed.is_some().into())?;
    let full = ("spool_full_episodes", "Times the cap or a full disk made senders wait.");
    page.counters(full, single(spool.full_episodes_total))?;
    page.counters(("spool_groups", "Groups synced."), single(spool.groups_total))?;
    page.gauge("spool_next_offset", "Records ever appended.", spool.next_offset)?;
    page.histograms(
        ("receive_to_durable_seconds", "From the read of the socket to the sync of the spool."),
        [(Labels::new(), spool.receive_to_durable_ms)],
    )?;
    page.histograms(("spool_sync_seconds", "Each sync of the spool."), [(Labels::new(), spool.sync_ms)])
}

fn sinks(page: &mut Page<'_>, report: &ServerReport) -> fmt::Result {
    let sinks = || report.sinks.iter().map(|sink| (label("sink", &sink.name), sink));
    page.gauges(
        ("sink_connected", "1 while the sink reaches its database."),
        sinks().map(|(labels, sink)| (labels, sink.connected.into())),
    )?;
    page.gauges(
        ("sink_lag_records", "Records in the spool that the sink has not committed."),
        sinks().map(|(labels, sink)| (labels, sink.lag_records)),
    )?;
    page.measures(
        ("sink_lag_seconds", "Age of the oldest record not committed."),
        sinks().map(|(labels, sink)| (labels, sink.lag_seconds)),
    )?;
    page.gauges(
        ("sink_gaps", "Gaps that a routed database still has; `genims routes resync` closes them."),
        sinks().map(|(labels, sink)| (labels, sink.gaps.len() as u64)),
    )?;
    let counters: [Counted<SinkReport>; 7] = [
        (("sink_rows", "Rows or documents committed."), |s| s.rows_total),
        (("sink_batches", "Batches committed."), |s| s.batches_total),
        (("sink_bytes", "Bytes sent."), |s| s.bytes_total),
        (("sink_retries", "Batches tried again."), |s| s.retries_total),
        (("sink_refused", "Rows that the database refused for good."), |s| s.refused_total),
        (("sink_expired", "Readings past the mirror's expiry, not mirrored."), |s| s.expired_total),
        (("sink_gap_records", "Records that the spool no longer held for the sink."), |s| s.gap_records_total),
    ];
    for (described, read) in counters {
        page.counters(described, sinks().map(|(labels, sink)| (labels, read(sink))))?;
    }
    let states = report.sinks.iter().flat_map(|sink| {
        SINK_STATES.map(|state| (labels(("sink", &sink.name), ("state", state)), u64::from(sink.state == state)))
    });
    page.gauges(("sink_state", "1 for the state in which the sink is, 0 for the others."), states)?;
    page.histograms(
        ("receive_to_committed_seconds", "From the read of the socket to the sink's commit."),
        sinks().map(|(labels, sink)| (labels, sink.receive_to_committed_ms)),
    )
}

fn routes(page: &mut Page<'_>, report: &ServerReport) -> fmt::Result {
    let counters: [Counted<RouteReport>; 3] = [
        (("route_events", "Events that the route took."), |r| r.events_total),
        (("route_rows", "Rows or documents that it made or changed."), |r| r.rows_total),
        (("route_refused", "Events that its database refused for good."), |r| r.refused_total),
    ];
    for (described, read) in counters {
        let routes = report.routes.iter();
        let samples = routes.map(|route| (labels(("database", &route.database), ("route", &route.route)), read(route)));
        page.counters(described, samples)?;
    }
    Ok(())
}

fn changes(page: &mut Page<'_>, report: &ServerReport) -> fmt::Result {
    fn labelled(changes: &ChangesReport) -> Labels<'_> {
        labels(("database", &changes.database), ("target", &changes.target))
    }
    let all = || report.changes.iter().map(|changes| (labelled(changes), changes));
    page.gauges(
        ("changes_waiting", "Changes of business tables that a target lacks."),
        all().map(|(labels, changes)| (labels, changes.waiting)),
    )?;
    page.measures(
        ("changes_age_seconds", "Age of the oldest change that a target lacks."),
        all().map(|(labels, changes)| (labels, changes.age_seconds)),
    )?;
    let counters: [Counted<ChangesReport>; 2] = [
        (("changes_delivered", "Changes delivered."), |changes| changes.delivered_total),
        (("changes_retries", "Deliveries tried again."), |changes| changes.retries_total),
    ];
    for (described, read) in counters {
        page.counters(described, all().map(|(labels, changes)| (labels, read(changes))))?;
    }
    Ok(())
}
