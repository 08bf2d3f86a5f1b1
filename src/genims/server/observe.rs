//! Fills the report from everybody's counters.

use super::RoutedView;
use super::backups::Backups;
use super::changes::ChangesView;
use super::clocks::Watched;
use super::master;
use super::reach::Asked;
use super::sinks::SinkView;
use super::stream::Stream;
use genims_api::report::{
    CatalogueReport, ChangesReport, ClockReport, GapReport, Latency, ListenerReport, Observe, RefusalReport,
    RouteReport, ServerReport, ShardReport, SinkReport, SourceReport, SpoolReport, Word,
};
use genims_api::talkers::{OthersReport, TALKERS_MAX, TalkerReport, TalkersReport};
use genims_catalogue::keeper::Keeper;
use genims_consumers::SinkState;
use genims_listen::ListenMetrics;
use genims_listen::bridge::BridgeMetrics;
use genims_listen::talkers::Talkers;
use genims_locks::refusals::Refusals;
use genims_log::file::{RowDeadLetters, Spool};
use genims_model::Accounts;
use genims_pipeline::intake::Intake;
use genims_pipeline::queue::ShardQueue;
use genims_pipeline::remarks::RemarkKind;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// Of a database for which the log of events is full.
const ROWS_WAIT: &str = "too many rows wait for it: no more are taken until it has some of them";

pub(super) struct Observer {
    started: Instant,
    accounts: Arc<Accounts>,
    intake: Arc<Intake>,
    keeper: Arc<Keeper>,
    queues: Vec<Arc<ShardQueue>>,
    spool: Spool,
    row_dead_letters: Arc<RowDeadLetters>,
    sinks: Vec<SinkView>,
    routed: Vec<RoutedView>,
    changes: Vec<ChangesView>,
    master: Arc<Mutex<master::Status>>,
    clocks: Vec<Arc<Watched>>,
    databases: Vec<Arc<Asked>>,
    pub(super) backups: Arc<Backups>,
    counted_from: u64,
    doors: Mutex<HashMap<String, (String, DoorMetrics)>>,
    refusals: Arc<Refusals>,
}

/// Where a listener's counters are.
enum DoorMetrics {
    Listener(Arc<ListenMetrics>),
    Bridge(Arc<BridgeMetrics>),
}

impl Observer {
    pub(super) fn new(
        stream: &Stream,
        master: Arc<Mutex<master::Status>>,
        (sinks, routed): (Vec<SinkView>, Vec<RoutedView>),
        changes: Vec<ChangesView>,
        clocks: Vec<Arc<Watched>>,
        (databases, backups): (Vec<Arc<Asked>>, Arc<Backups>),
        refusals: Arc<Refusals>,
    ) -> Self {
        Self {
            started: Instant::now(),
            accounts: stream.accounts.clone(),
            intake: stream.intake.clone(),
            keeper: stream.keeper.clone(),
            queues: stream.queues.clone(),
            spool: stream.spool.clone(),
            row_dead_letters: stream.row_dead_letters.clone(),
            sinks,
            routed,
            changes,
            master,
            clocks,
            databases,
            backups,
            counted_from: stream.counted_from,
            doors: Mutex::default(),
            refusals,
        }
    }

    /// A listener has opened at `address`.
    pub(super) fn add_listener(&self, name: &str, address: String, metrics: Arc<ListenMetrics>) {
        self.doors().insert(name.to_owned(), (address, DoorMetrics::Listener(metrics)));
    }

    /// A bridge has started towards `broker`.
    pub(super) fn add_bridge(&self, name: &str, broker: String, metrics: Arc<BridgeMetrics>) {
        self.doors().insert(name.to_owned(), (broker, DoorMetrics::Bridge(metrics)));
    }

    fn doors(&self) -> MutexGuard<'_, HashMap<String, (String, DoorMetrics)>> {
        self.doors.lock()
    }

    fn sources(&self) -> Vec<SourceReport> {
        let doors = self.doors();
        self.accounts
            .by_source()
            .into_iter()
            .map(|(name, account)| SourceReport {
                name: name.to_owned(),
                account,
                listener: doors.get(name).map(|(address, door)| door.view(address.clone())),
            })
            .collect()
    }

    fn spool(&self) -> SpoolReport {
        let metrics = self.spool.metrics();
        SpoolReport {
            id: self.spool.name().to_string(),
            bytes: self.spool.bytes(),
            bytes_max: self.spool.max_bytes(),
            full: self.spool.full_flag().load(Relaxed),
            failed: self.spool.failure().map(str::to_owned),
            first_offset: self.spool.first_offset(),
            next_offset: self.spool.next_offset(),
            counted_from: self.counted_from,
            dead_letters_waiting: self.row_dead_letters.waiting(),
            groups_total: metrics.groups_appended.load(Relaxed),
            full_episodes_total: metrics.full_episodes.load(Relaxed),
            receive_to_durable_ms: Latency::of(&metrics.receive_to_durable_us()),
            sync_ms: Latency::of(&metrics.sync_us()),
        }
    }

    fn sink(&self, view: &SinkView) -> SinkReport {
        let routed = self.routed.iter().find(|routed| routed.database == view.name);
        let (metrics, next_offset) = (&view.metrics, view.log.next_offset());
        // A log that takes nothing holds its writer up inside an append, which looks again and again whether it may go on.
        let blocked = view.writes.as_ref().and_then(|log| log.refusal().or_else(|| log.full_because()));
        let rows_wait = view.log.is_full_for(view.name).then_some(ROWS_WAIT);
        let error = metrics.last_error();
        let told: Vec<&str> = error.as_deref().into_iter().chain(rows_wait).collect();
        let state = if blocked.is_some() { SinkState::Retrying } else { metrics.state() };
        SinkReport {
            name: view.name.to_owned(),
            database: view.database.clone(),
            state: state.as_str().into(),
            connected: state == SinkState::Following,
            position: metrics.remembered(),
            lag_records: metrics.lag_rows(next_offset),
            lag_seconds: metrics.lag(next_offset).as_secs_f64(),
            rows_total: metrics.rows_total.load(Relaxed),
            batches_total: metrics.batches_total.load(Relaxed),
            bytes_total: metrics.bytes_total.load(Relaxed),
            retries_total: metrics.retries_total.load(Relaxed),
            refused_total: metrics.refused_total.load(Relaxed),
            expired_total: metrics.expired_total.load(Relaxed),
            gap_records_total: metrics.gap_records_total.load(Relaxed),
            gaps: routed.map(|view| view.routed.open_gaps().iter().map(gap).collect()).unwrap_or_default(),
            last_error: blocked.or_else(|| (!told.is_empty()).then(|| told.join("; "))),
            receive_to_committed_ms: Latency::of(&metrics.latency_us()),
        }
    }

    fn routes(&self) -> Vec<RouteReport> {
        let of = |view: &RoutedView| {
            let database = view.database;
            view.routed.counts().into_iter().map(move |(route, counts)| RouteReport {
                database: database.into(),
                route,
                events_total: counts.events,
                rows_total: counts.rows,
                refused_total: counts.refused,
                busy_seconds: counts.busy.as_secs_f64(),
            })
        };
        self.routed.iter().flat_map(of).collect()
    }

    fn changes(&self) -> Vec<ChangesReport> {
        let view = |view: &ChangesView| ChangesReport {
            database: view.database.clone(),
            target: view.target.into(),
            state: view.metrics.state().as_str().into(),
            waiting: view.metrics.waiting(),
            age_seconds: view.metrics.age_seconds(),
            delivered_total: view.metrics.delivered_total.load(Relaxed),
            retries_total: view.metrics.retries_total.load(Relaxed),
            last_error: view.metrics.last_error(),
        };
        self.changes.iter().map(view).collect()
    }

    fn refusals(&self) -> Vec<RefusalReport> {
        let totals = self.refusals.totals().into_iter();
        totals.map(|(door, kind, total)| RefusalReport { door, kind: kind.as_str().into(), total }).collect()
    }

    fn clocks(&self) -> Vec<ClockReport> {
        let clock = |watched: &Arc<Watched>| ClockReport {
            database: watched.database.into(),
            offset_seconds: watched.difference().map(|difference| difference.us as f64 / 1_000_000.0),
            complaint: watched.complaint(),
        };
        self.clocks.iter().map(clock).collect()
    }

    fn catalogue(&self) -> CatalogueReport {
        let status = self.master.lock().clone();
        let catalogue = self.keeper.directory().load();
        CatalogueReport {
            sensors: catalogue.active_sensors() as u64,
            machines: catalogue.machines().len() as u64,
            refreshed_seconds_ago: status.refreshed_at.map(|at| at.elapsed().as_secs_f64()),
            last_error: status.last_error,
        }
    }
}

fn gap(gap: &genims_stores::routed::gaps::Gap) -> GapReport {
    let offsets = &gap.lost.offsets;
    GapReport {
        from_offset: offsets.start,
        to_offset: offsets.end,
        received_from_us: gap.received_from_us,
        received_to_us: gap.received_to_us,
    }
}

fn owned((word, count): (&'static str, u64)) -> (Word, u64) {
    (word.into(), count)
}

impl DoorMetrics {
    fn talkers(&self) -> &Talkers {
        match self {
            Self::Listener(metrics) => &metrics.talkers,
            Self::Bridge(metrics) => &metrics.talkers,
        }
    }

    fn view(&self, address: String) -> ListenerReport {
        match self {
            Self::Listener(metrics) => ListenerReport {
                address,
                connections_open: metrics.connections_open.load(Relaxed),
                connections_total: metrics.connections_total.load(Relaxed),
                refused_total: metrics.refused_total.load(Relaxed),
                messages_total: metrics.messages_total.load(Relaxed),
                bytes_total: metrics.bytes_total.load(Relaxed),
                acks_total: metrics.acks_total.load(Relaxed),
                protocol_errors_total: metrics.protocol_errors_total.load(Relaxed),
                sequence_regressions_total: metrics.sequence_regressions_total.load(Relaxed),
                handshakes_refused_total: metrics.handshakes_refused_total.load(Relaxed),
                logins_refused_total: metrics.logins_refused_total.load(Relaxed),
                denied_total: metrics.denied_total.load(Relaxed),
                evicted_total: metrics.evicted_total.load(Relaxed),
                rate_limited_total: metrics.rate_limited_total.load(Relaxed),
            },
            Self::Bridge(metrics) => ListenerReport {
                address,
                connections_open: u64::from(metrics.connected.load(Relaxed)),
                connections_total: metrics.reconnects_total.load(Relaxed),
                refused_total: metrics.refused_total.load(Relaxed),
                messages_total: metrics.messages_total.load(Relaxed),
                bytes_total: metrics.bytes_total.load(Relaxed),
                acks_total: metrics.acks_total.load(Relaxed),
                ..ListenerReport::default()
            },
        }
    }
}

impl Observe for Observer {
    fn report(&self) -> ServerReport {
        let sources = self.sources();
        let mut total = genims_model::Account::default();
        sources.iter().for_each(|source| total.add(&source.account));
        let spool = self.spool();
        let sinks: Vec<SinkReport> = self.sinks.iter().map(|view| self.sink(view)).collect();
        let shards: Vec<ShardReport> =
            self.queues.iter().map(|queue| ShardReport { queued_records: queue.records() as u64 }).collect();
        // In flight and not waiting for PostgreSQL in the log: still in memory only.
        let settling = self.sinks.iter().filter(|view| view.settles);
        let in_log = settling.map(|view| view.metrics.behind(spool.next_offset)).max().unwrap_or(0);
        let not_ready_because = match (&spool.failed, self.spool.refusal(), spool.full) {
            (Some(cause), ..) => Some(format!("the spool has failed: {cause}")),
            (None, Some(cause), _) => Some(cause),
            (None, None, true) => {
                Some(self.spool.full_because().unwrap_or_else(|| "the spool has no room; senders wait".to_owned()))
            }
            (None, None, false) => None,
        };
        ServerReport {
            version: env!("CARGO_PKG_VERSION").into(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            ready: not_ready_because.is_none(),
            not_ready_because,
            identity_holds: total.holds(),
            at_risk_records: total.in_flight.saturating_sub(in_log),
            total,
            sources,
            catalogue: self.catalogue(),
            shards,
            spool,
            sinks,
            routes: self.routes(),
            changes: self.changes(),
            clocks: self.clocks(),
            databases: self.databases.iter().map(|asked| asked.report()).collect(),
            dead_letter_reasons: self.accounts.set_aside_by_reason().into_iter().map(owned).collect(),
            remarks: RemarkKind::ALL.map(|kind| owned((kind.as_str(), self.intake.remarks().count(kind)))).to_vec(),
            refusals: self.refusals(),
            backups: self.backups.report(),
        }
    }

    fn talkers(&self) -> TalkersReport {
        let (mut talkers, mut others) = (Vec::new(), OthersReport::default());
        for (listener, (_, door)) in self.doors().iter() {
            let (busiest, rest) = door.talkers().busiest(TALKERS_MAX, tokio::time::Instant::now());
            others.clients += rest.clients;
            others.received += rest.totals.received;
            others.bytes += rest.totals.bytes;
            others.dead_letters += rest.totals.dead_letters;
            others.waits += rest.totals.waits;
            talkers.extend(busiest.into_iter().map(|talking| TalkerReport {
                listener: listener.clone(),
                client: talking.client,
                connections: talking.connections as u64,
                received_per_second: talking.received_per_second,
                received: talking.totals.received,
                bytes: talking.totals.bytes,
                dead_letters: talking.totals.dead_letters,
                waits: talking.totals.waits,
            }));
        }
        TalkersReport::new(talkers, others)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_report_knows_every_state_of_a_sink() {
        let states = genims_consumers::SinkState::ALL.map(genims_consumers::SinkState::as_str);
        assert_eq!(states, genims_api::report::SINK_STATES);
    }
}
