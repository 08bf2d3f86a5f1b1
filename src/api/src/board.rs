//! What the page shows, as words and numbers that are ready to print. Enters: a snapshot and the points of the charts. Leaves: the
//! page, or the part of it that changes each second. Everything that others wrote is escaped by the template.

mod lines;

use super::charts::{self, Drawn};
use super::format;
use super::past::Point;
use super::proof::{OPERATIONS, Proof};
use super::report::{Latency, SourceReport};
use super::sign::Signed;
use super::snapshot::{Flow, ServerSnapshot};
use super::talkers::TalkerRow;
use askama::Template;
use lines::RouteRow;

/// Master data that was not looked at for so long is old.
const MASTER_DATA_OLD_SECONDS: f64 = 60.0;
/// A backlog of this age is worth a colour.
const LATE_SECONDS: f64 = 10.0;
const FILL_HIGH: f64 = 0.5;

/// The whole page.
#[derive(Template)]
#[template(path = "page.html")]
pub(crate) struct Page<'a> {
    pub(crate) board: Board<'a>,
    /// Who looks, when somebody signed in.
    pub(crate) signed: Option<Signed>,
}

/// The part that changes.
#[derive(Template)]
#[template(path = "board.html")]
pub(crate) struct Board<'a> {
    version: &'a str,
    taken_ms: i64,
    level: &'static str,
    verdict: String,
    tiles: Vec<Tile<'a>>,
    charts: Vec<Drawn>,
    flows: Vec<Row<'a>>,
    routes: Vec<RouteRow<'a>>,
    listeners: Vec<ListenerRow<'a>>,
    talkers: Vec<TalkerRow<'a>>,
    /// Clients that are not shown.
    other_talkers: String,
    dead_letters: Vec<(&'a str, String)>,
    dead_letters_proof: Option<&'a Proof>,
    changes_proof: Option<&'a Proof>,
    remarks: Vec<(&'a str, String)>,
    complaints: Vec<&'a str>,
}

struct Tile<'a> {
    id: &'static str,
    label: &'static str,
    value: String,
    unit: &'static str,
    notes: Vec<String>,
    /// `plain`, `good`, `warn` or `bad`.
    level: &'static str,
    /// Of a whole, in percent.
    meter: Option<u64>,
    /// Says that this tile's data is old, and how old.
    old: Option<String>,
    proof: Option<&'a Proof>,
}

/// A way into a database, or a database that the server does not write to.
struct Row<'a> {
    database: &'a str,
    engine: &'a str,
    what: String,
    level: &'static str,
    state: &'a str,
    rate: String,
    pending: String,
    age: String,
    quarantined: String,
    retried: String,
    dropped: String,
    flow: Option<&'a Flow>,
    /// Where it stands.
    proof: Option<&'a Proof>,
    /// What is quarantined.
    aside: Option<&'a Proof>,
}

struct ListenerRow<'a> {
    name: &'a str,
    address: &'a str,
    level: &'static str,
    /// Open, accepted, refused, errors, messages, bytes.
    connections: Vec<String>,
    /// Received, stored, duplicate, set aside, dropped, in flight.
    account: Vec<String>,
}

impl<'a> Board<'a> {
    pub(crate) fn new(snapshot: &'a ServerSnapshot, points: &[Point]) -> Self {
        let report = &snapshot.report;
        let counted = |counts: &'a [(super::report::Word, u64)]| {
            let there = counts.iter().filter(|(_, count)| *count > 0);
            there.map(|(word, count)| (word.as_ref(), format::count(*count))).collect()
        };
        let (level, verdict) = verdict(snapshot);
        Self {
            version: &report.version,
            taken_ms: snapshot.taken_ms,
            level,
            verdict,
            tiles: tiles(snapshot),
            charts: charts::of(points),
            flows: rows(snapshot),
            routes: lines::routes(snapshot),
            listeners: report.sources.iter().map(door).collect(),
            other_talkers: format::count(snapshot.talkers.unshown()),
            talkers: snapshot.talkers.rows(),
            dead_letters: counted(&report.dead_letter_reasons),
            dead_letters_proof: proof(snapshot, "dead_letters"),
            changes_proof: proof(snapshot, "changes"),
            remarks: counted(&report.remarks),
            complaints: report.clocks.iter().filter_map(|clock| clock.complaint.as_deref()).collect(),
        }
    }
}

fn proof<'a>(snapshot: &'a ServerSnapshot, name: &str) -> Option<&'a Proof> {
    snapshot.proofs.iter().find(|proof| proof.name == name)
}

/// One sentence on the whole.
fn verdict(snapshot: &ServerSnapshot) -> (&'static str, String) {
    let report = &snapshot.report;
    if let Some(cause) = &report.not_ready_because {
        return ("bad", format!("Not ready: {cause}"));
    }
    if !report.identity_holds {
        return ("bad", "The accounting identity does not hold".to_owned());
    }
    let troubled: Vec<&str> =
        snapshot.flows.iter().filter(|flow| level(flow) == "bad").map(|flow| flow.name.as_str()).collect();
    match troubled.len() {
        0 => ("good", "Ready: what arrives is stored".to_owned()),
        1..=3 => ("warn", format!("Ready, but not all databases follow: {}", troubled.join(", "))),
        more => ("warn", format!("Ready, but {more} ways into databases do not follow: {} and others", troubled[0])),
    }
}

/// How good the state of a flow is.
pub fn level(flow: &Flow) -> &'static str {
    match flow.state.as_ref() {
        "retrying" | "cut_off" | "failed" => "bad",
        "connecting" | "absent" => "warn",
        _ if flow.pending_seconds > LATE_SECONDS => "warn",
        _ => "good",
    }
}

fn tiles(snapshot: &ServerSnapshot) -> Vec<Tile<'_>> {
    let mut tiles = flow_tiles(snapshot);
    tiles.extend(state_tiles(snapshot));
    tiles.push(lines::backups(snapshot));
    tiles
}

/// What goes through.
fn flow_tiles(snapshot: &ServerSnapshot) -> Vec<Tile<'_>> {
    let (report, rates) = (&snapshot.report, &snapshot.rates);
    let known = rates.span_seconds > 0.0;
    let rate = |per_second: f64| if known { format::rate(per_second) } else { format::UNKNOWN.to_owned() };
    let received = &report.total.received;
    vec![
        Tile {
            id: "stored",
            label: "Rows stored",
            value: rate(rates.stored_per_second),
            unit: "per second",
            notes: vec![format!("{} committed since the start", format::count(report.total.committed))],
            proof: proof(snapshot, "stored_per_second"),
            ..Tile::plain()
        },
        Tile {
            id: "received",
            label: "Readings in",
            value: rate(rates.received_per_second),
            unit: "per second",
            notes: vec![format!("{} received since the start", format::count(*received))],
            ..Tile::plain()
        },
        latency_tile("durable", "Read to durable", &report.spool.receive_to_durable_ms),
        latency_tile(
            "committed",
            "Read to committed",
            &report.sinks.first().map_or_else(Latency::default, |sink| sink.receive_to_committed_ms),
        ),
    ]
}

fn latency_tile(id: &'static str, label: &'static str, latency: &Latency) -> Tile<'static> {
    let [p50, p999, max] = [latency.p50, latency.p999, latency.max].map(format::latency);
    Tile {
        id,
        label,
        value: if latency.count == 0 { format::UNKNOWN.to_owned() } else { format::latency(latency.p99) },
        unit: "99th percentile",
        notes: vec![format!("since the start: median {p50}, 99.9th {p999}, longest {max}")],
        ..Tile::plain()
    }
}

/// What stands still, and should.
fn state_tiles(snapshot: &ServerSnapshot) -> Vec<Tile<'_>> {
    let (report, fill) = (&snapshot.report, &snapshot.fill);
    let total = &report.total;
    let until = match fill.seconds_until_full {
        _ if report.spool.full => "full: senders wait".to_owned(),
        Some(seconds) => format!("full in {} at this growth", format::span(seconds)),
        None => "not growing".to_owned(),
    };
    let fill_level = match fill.share {
        _ if report.spool.full || report.spool.failed.is_some() => "bad",
        share if share > FILL_HIGH => "warn",
        _ => "good",
    };
    let ended = [total.committed, total.duplicate, total.dead_lettered, total.dropped, total.in_flight];
    let [committed, duplicate, dead, dropped, in_flight] = ended.map(format::count);
    let looked = report.catalogue.refreshed_seconds_ago;
    let old = match looked {
        None => Some("master data was not read in this run".to_owned()),
        Some(ago) => (ago > MASTER_DATA_OLD_SECONDS).then(|| format!("master data is {} old", format::span(ago))),
    };
    vec![
        Tile {
            id: "log",
            label: "Log",
            value: format::percent(fill.share),
            unit: "of its cap",
            notes: vec![
                until,
                format!("{} of {}", format::bytes(report.spool.bytes), format::bytes(report.spool.bytes_max)),
            ],
            level: fill_level,
            meter: Some((fill.share * 100.0).clamp(0.0, 100.0) as u64),
            proof: proof(snapshot, "position"),
            ..Tile::plain()
        },
        Tile {
            id: "account",
            label: "Accounting identity",
            value: if report.identity_holds { "holds".to_owned() } else { "broken".to_owned() },
            unit: "",
            notes: vec![
                format!("{} received =", format::count(total.received)),
                format!(
                    "{committed} stored + {duplicate} duplicate + {dead} set aside + {dropped} dropped + {in_flight} in flight"
                ),
            ],
            level: if report.identity_holds { "good" } else { "bad" },
            proof: proof(snapshot, "stored"),
            ..Tile::plain()
        },
        Tile {
            id: "catalogue",
            label: "Sensors",
            value: format::count(report.catalogue.sensors),
            unit: "active",
            notes: vec![format!("{} machines", format::count(report.catalogue.machines))]
                .into_iter()
                .chain(report.catalogue.last_error.clone())
                .collect(),
            level: if old.is_some() { "warn" } else { "plain" },
            old,
            ..Tile::plain()
        },
        Tile {
            id: "uptime",
            label: "Up",
            value: format::span(report.uptime_seconds),
            unit: "",
            notes: vec![format!("{} at risk until the next sync", format::count(report.at_risk_records))],
            ..Tile::plain()
        },
    ]
}

impl Tile<'_> {
    fn plain() -> Self {
        Self {
            id: "",
            label: "",
            value: String::new(),
            unit: "",
            notes: Vec::new(),
            level: "plain",
            meter: None,
            old: None,
            proof: None,
        }
    }
}

/// Each database of the registry with all that flows into it, then what belongs to none.
fn rows(snapshot: &ServerSnapshot) -> Vec<Row<'_>> {
    let databases = &snapshot.report.databases;
    let mut rows = Vec::new();
    for database in databases {
        let before = rows.len();
        let own = snapshot.flows.iter().filter(|flow| flow.database.as_ref() == Some(&database.name));
        rows.extend(own.map(|flow| row(snapshot, flow, &database.name, &database.engine)));
        if rows.len() == before {
            rows.push(Row { database: &database.name, engine: &database.engine, ..Row::idle() });
        }
    }
    let known = |name: &String| databases.iter().any(|database| database.name == *name);
    let other = snapshot.flows.iter().filter(|flow| !flow.database.as_ref().is_some_and(known));
    rows.extend(other.map(|flow| row(snapshot, flow, flow.database.as_deref().unwrap_or("log of events"), "")));
    rows
}

fn row<'a>(snapshot: &'a ServerSnapshot, flow: &'a Flow, database: &'a str, engine: &'a str) -> Row<'a> {
    let is_ledger = flow.kind == "sink" && database == OPERATIONS;
    let aside = flow.name.strip_prefix("routes/").map(|module| format!("quarantined/{module}"));
    Row {
        database,
        engine,
        what: what(flow),
        level: level(flow),
        state: &flow.state,
        rate: format::rate(flow.rate_per_second),
        pending: format::count(flow.pending),
        age: if flow.pending == 0 { format::UNKNOWN.to_owned() } else { format::span(flow.pending_seconds) },
        quarantined: format::count(flow.quarantined),
        retried: format::count(flow.retried),
        dropped: format::count(flow.dropped),
        flow: Some(flow),
        proof: proof(snapshot, if is_ledger { "position" } else { &flow.name }),
        aside: aside.and_then(|name| proof(snapshot, &name)),
    }
}

/// What flows there.
pub fn what(flow: &Flow) -> String {
    match flow.kind.as_ref() {
        "sink" => "readings".to_owned(),
        "router" | "routes" => "events".to_owned(),
        _ => format!("changes to {}", flow.name.rsplit('/').next().unwrap_or_default()),
    }
}

/// The class of a number: on a small screen those that say nothing are left out.
fn weight(number: &str) -> &'static str {
    if number == "0" || number == format::UNKNOWN { "zero" } else { "number" }
}

impl Row<'_> {
    fn idle() -> Self {
        let none = || format::UNKNOWN.to_owned();
        Self {
            database: "",
            engine: "",
            what: none(),
            level: "plain",
            state: "not written by this server",
            rate: none(),
            pending: none(),
            age: none(),
            quarantined: none(),
            retried: none(),
            dropped: none(),
            flow: None,
            proof: None,
            aside: None,
        }
    }
}

fn door(source: &SourceReport) -> ListenerRow<'_> {
    let account = &source.account;
    let account = [
        account.received,
        account.committed,
        account.duplicate,
        account.dead_lettered,
        account.dropped,
        account.in_flight,
    ];
    let (address, connections) = match &source.listener {
        None => ("left in the log by an earlier run", vec![format::UNKNOWN.to_owned(); 6]),
        Some(door) => {
            let counts = [
                door.connections_open,
                door.connections_total,
                door.turned_away(),
                door.protocol_errors_total,
                door.messages_total,
            ];
            let counts = counts.into_iter().map(format::count).chain([format::bytes(door.bytes_total)]);
            (door.address.as_str(), counts.collect())
        }
    };
    let refusing = source.listener.as_ref().is_some_and(|door| door.turned_away() + door.protocol_errors_total > 0);
    ListenerRow {
        name: &source.name,
        address,
        level: if refusing { "warn" } else { "plain" },
        connections,
        account: account.into_iter().map(format::count).collect(),
    }
}
