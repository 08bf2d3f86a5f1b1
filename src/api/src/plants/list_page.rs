//! `/plants`: factories, lines and machines as words and numbers that are ready to print.

use super::MACHINES_MAX;
use super::api::encoded;
use super::report::{MachineView, MachinesView};
use super::words::{hour, is_state, level, others, seconds, trouble, what};
use crate::format;
use crate::proof::Proof;
use crate::sign::Signed;
use askama::Template;

#[derive(Template)]
#[template(path = "plants.html")]
pub(super) struct PlantsPage<'a> {
    version: &'a str,
    taken_ms: i64,
    level: &'static str,
    verdict: String,
    factories: Vec<FactoryLink<'a>>,
    /// All factories are shown.
    is_all: bool,
    lines: Vec<LineRows<'a>>,
    /// Of which hour the OEE is.
    hour: String,
    /// Why it is not known.
    no_oee: Option<&'a str>,
    /// Earlier and later machines: where, and which.
    others: Vec<(String, String)>,
    proofs: &'a [Proof],
    signed: Option<Signed>,
}

struct FactoryLink<'a> {
    name: &'a str,
    link: String,
    machines: usize,
    is_shown: bool,
}

/// The machines of one line.
struct LineRows<'a> {
    factory: &'a str,
    line: &'a str,
    machines: Vec<MachineRow<'a>>,
}

struct MachineRow<'a> {
    link: String,
    name: &'a str,
    what: String,
    level: &'static str,
    state: &'a str,
    lasted: String,
    fault: String,
    oee: String,
    age: String,
}

impl<'a> PlantsPage<'a> {
    pub(super) fn new(
        view: &'a MachinesView,
        factory: Option<&'a str>,
        version: &'a str,
        signed: Option<Signed>,
    ) -> Self {
        let link = |name: &'a str| format!("/plants?factory={}", encoded(name));
        let factories = view.factories.iter().map(|entry| FactoryLink {
            name: &entry.factory_id,
            link: link(&entry.factory_id),
            machines: entry.machines,
            is_shown: factory == Some(&entry.factory_id),
        });
        let (level, verdict) = trouble(&view.operations, view.taken_ms).unwrap_or_else(|| counted(view));
        let hour_ms = view.items.iter().find_map(|machine| machine.oee.as_ref()).map(|oee| oee.hour_ms);
        let base = factory.map_or_else(|| "/plants?".to_owned(), |name| link(name) + "&");
        Self {
            version,
            taken_ms: view.taken_ms,
            level,
            verdict,
            factories: factories.collect(),
            is_all: factory.is_none(),
            lines: lines(view),
            hour: hour_ms.map(|at_ms| format!(" of {}", hour(at_ms, view.taken_ms))).unwrap_or_default(),
            no_oee: view.oee_outage.as_ref().map(|outage| outage.cause.as_str()),
            others: others(&base, "machines", (view.offset, MACHINES_MAX, view.total)),
            proofs: &view.proofs,
            signed,
        }
    }
}

/// One sentence on the machines that are shown: of a part, it speaks of no other.
fn counted(view: &MachinesView) -> (&'static str, String) {
    let (shown, total) = (view.items.len(), view.total);
    let which = match shown {
        0 if total > 0 => return ("plain", format!("None of the {total} machines is on this page")),
        _ if shown < total => format!("Machines {} to {} of {total}", view.offset + 1, view.offset + shown),
        _ => genims_model::counted(total, "machine"),
    };
    let count = |is: &dyn Fn(&MachineView) -> bool| view.items.iter().filter(|machine| is(machine)).count();
    let faulty = count(&|machine| level(machine) == "bad");
    let old = count(&|machine| machine.is_old);
    let running = count(&|machine| !machine.is_old && is_state(machine, "RUNNING"));
    let level = match () {
        () if faulty > 0 || old > 0 => "warn",
        () if shown < total => "plain",
        () => "good",
    };
    (level, format!("{which}: {running} running, {faulty} with a fault, {old} of which nothing new comes"))
}

fn lines<'a>(view: &'a MachinesView) -> Vec<LineRows<'a>> {
    let same = |one: &MachineView, next: &MachineView| {
        (&one.master.factory_id, &one.master.line_id) == (&next.master.factory_id, &next.master.line_id)
    };
    let of = |machines: &'a [MachineView]| {
        let first = &machines.first()?.master;
        let machines = machines.iter().map(|machine| row(machine, view.taken_ms)).collect();
        Some(LineRows { factory: &first.factory_id, line: &first.line_id, machines })
    };
    view.items.chunk_by(same).filter_map(of).collect()
}

fn row(machine: &MachineView, now_ms: i64) -> MachineRow<'_> {
    let status = machine.status.as_ref();
    let fault = status.and_then(|status| status.fault.as_ref());
    let more = status.map_or(0, |status| status.open_faults.saturating_sub(1));
    let unknown = || format::UNKNOWN.to_owned();
    MachineRow {
        link: format!("/machines/{}", encoded(&machine.master.machine_id)),
        name: &machine.master.machine_id,
        what: what(machine),
        level: level(machine),
        state: status.and_then(|status| status.state.as_deref()).unwrap_or(format::UNKNOWN),
        lasted: lasted(machine, now_ms).unwrap_or_else(unknown),
        fault: fault.map_or_else(unknown, |fault| match more {
            0 => fault.fault_code.clone(),
            more => format!("{} and {more} more", fault.fault_code),
        }),
        oee: machine.oee.as_ref().map_or_else(unknown, |oee| format::percent(oee.oee)),
        age: age(machine),
    }
}

/// How long the state has lasted.
fn lasted(machine: &MachineView, now_ms: i64) -> Option<String> {
    let status = machine.status.as_ref()?;
    let span = seconds(now_ms - status.since_ms?);
    Some(if status.began_earlier { format!("over {span}") } else { span })
}

fn age(machine: &MachineView) -> String {
    match machine.telemetry_age_ms {
        None if machine.status.is_none() => format::UNKNOWN.to_owned(),
        None => "old: none for 24 h".to_owned(),
        Some(age_ms) if machine.is_old => format!("old: {}", seconds(age_ms)),
        Some(age_ms) => seconds(age_ms),
    }
}
