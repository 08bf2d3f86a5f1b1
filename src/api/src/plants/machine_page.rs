//! `/machines/{id}`: one machine, its sensors and its faults as words and numbers that are ready to print.

use super::SENSORS_MAX;
use super::api::encoded;
use super::report::{ChartSpan, FaultReport, MachineDetail, MachineView, ReadingsView};
use super::sensor_plot::{SensorPlot, sensor_plot};
use super::words::{clock, hour, level, others, seconds, trouble, what};
use crate::format;
use crate::proof::Proof;
use crate::sign::Signed;
use askama::Template;

#[derive(Template)]
#[template(path = "machine.html")]
pub(super) struct MachinePage<'a> {
    version: &'a str,
    name: &'a str,
    what: String,
    factory: &'a str,
    factory_link: String,
    line: &'a str,
    taken_ms: i64,
    level: &'static str,
    verdict: String,
    tiles: Vec<MachineTile>,
    spans: Vec<SpanLink>,
    plots: Vec<SensorPlot<'a>>,
    faults: Vec<FaultRow<'a>>,
    others: Vec<(String, String)>,
    data: String,
    proofs: Vec<&'a Proof>,
    signed: Option<Signed>,
}

struct MachineTile {
    id: &'static str,
    label: &'static str,
    value: String,
    notes: Vec<String>,
    level: &'static str,
    old: Option<String>,
}

struct SpanLink {
    name: &'static str,
    link: String,
    is_shown: bool,
}

struct FaultRow<'a> {
    fault: &'a FaultReport,
    start: String,
    end: String,
    level: &'static str,
}

impl<'a> MachinePage<'a> {
    pub(super) fn new(
        detail: &'a MachineDetail,
        readings: &'a ReadingsView,
        version: &'a str,
        signed: Option<Signed>,
    ) -> Self {
        let (machine, master, now_ms) = (&detail.machine, &detail.machine.master, detail.taken_ms);
        let trouble = trouble(&detail.operations, now_ms).or_else(|| trouble(&readings.operations, now_ms));
        let (level, verdict) = trouble.unwrap_or_else(|| (level(machine), sentence(machine)));
        let link = format!("/machines/{}", encoded(&master.machine_id));
        let span = readings.span.as_str();
        let spans = ChartSpan::ALL.map(|span| SpanLink {
            name: span.as_str(),
            link: format!("{link}?span={}", span.as_str()),
            is_shown: span == readings.span,
        });
        let fault = |fault: &'a FaultReport| FaultRow {
            fault,
            start: clock(fault.start_ms, now_ms),
            end: fault.end_ms.map_or_else(|| "open".to_owned(), |end_ms| clock(end_ms, now_ms)),
            level: if fault.end_ms.is_none() { "bad" } else { "plain" },
        };
        Self {
            version,
            name: &master.machine_id,
            what: what(machine),
            factory: &master.factory_id,
            factory_link: format!("/plants?factory={}", encoded(&master.factory_id)),
            line: &master.line_id,
            taken_ms: now_ms,
            level,
            verdict,
            tiles: tiles(detail, now_ms),
            spans: spans.into(),
            plots: readings.items.iter().map(|sensor| sensor_plot(sensor, readings, now_ms)).collect(),
            faults: readings.faults.iter().map(fault).collect(),
            others: others(&format!("{link}?span={span}&"), "sensors", (readings.offset, SENSORS_MAX, readings.total)),
            data: format!("/api/v1{link}/readings?span={span}&offset={}", readings.offset),
            proofs: detail.proofs.iter().chain(&readings.proofs).collect(),
            signed,
        }
    }
}

fn sentence(machine: &MachineView) -> String {
    let status = machine.status.as_ref();
    let state = status.and_then(|status| status.state.as_deref()).unwrap_or("no state known");
    match status.and_then(|status| status.fault.as_ref()) {
        Some(fault) => format!("{state}, with fault {}", fault.fault_code),
        None => state.to_owned(),
    }
}

fn tiles(detail: &MachineDetail, now_ms: i64) -> Vec<MachineTile> {
    let machine = &detail.machine;
    let status = machine.status.as_ref();
    let unknown = || format::UNKNOWN.to_owned();
    let since = status.and_then(|status| Some((status.since_ms?, status.began_earlier)));
    let since = since.map(|(at_ms, earlier)| {
        let word = if earlier { "since before" } else { "since" };
        format!("{word} {}", clock(at_ms, now_ms))
    });
    let fault = status.and_then(|status| status.fault.as_ref());
    let fault_notes = fault.map(|fault| {
        let severity = if fault.severity.is_empty() { "no severity" } else { &fault.severity };
        vec![fault.description.clone(), format!("{severity}, since {}", clock(fault.start_ms, now_ms))]
    });
    let oee_notes = machine.oee.as_ref().map(|oee| {
        let shares = [oee.availability, oee.performance, oee.quality].map(format::percent);
        let [availability, performance, quality] = shares;
        vec![
            format!("hour from {}", hour(oee.hour_ms, now_ms)),
            format!("availability {availability} x performance {performance} x quality {quality}"),
        ]
    });
    let oee_notes = oee_notes.or_else(|| detail.oee_outage.as_ref().map(|outage| vec![outage.cause.clone()]));
    let tile = |id, label, value, level, notes: Option<Vec<String>>| MachineTile {
        id,
        label,
        value,
        notes: notes.unwrap_or_default(),
        level,
        old: None,
    };
    let state = status.and_then(|status| status.state.clone()).unwrap_or_else(unknown);
    let code = fault
        .map_or_else(|| if status.is_some() { "none".to_owned() } else { unknown() }, |fault| fault.fault_code.clone());
    let oee = machine.oee.as_ref().map_or_else(unknown, |oee| format::percent(oee.oee));
    let telemetry = machine.telemetry_age_ms.map_or_else(unknown, seconds);
    let old = (machine.is_old && status.is_some()).then(|| "nothing came for five minutes or longer".to_owned());
    vec![
        MachineTile {
            old: old.clone(),
            ..tile("state", "State", state, level(machine), since.map(|since| vec![since]))
        },
        tile("fault", "Open fault", code, if fault.is_some() { "bad" } else { "plain" }, fault_notes),
        tile("oee", "OEE", oee, "plain", oee_notes),
        MachineTile {
            level: if old.is_some() { "warn" } else { "plain" },
            old,
            ..tile("telemetry", "Last telemetry", telemetry, "plain", Some(vec!["ago: snapshot or reading".to_owned()]))
        },
    ]
}
