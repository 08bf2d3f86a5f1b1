//! What both pages of plants say in the same words: how good a machine's state is, what is not known and why, times and spans.

use super::report::{MachineView, OperationsView};
use crate::format;
use chrono::DateTime;

/// Why less is known than should be.
pub(super) fn trouble(operations: &OperationsView, now_ms: i64) -> Option<(&'static str, String)> {
    if !operations.followed {
        let told = "This server writes to no PostgreSQL: states and readings are not known; a sink of type \"postgres\" brings them";
        return Some(("warn", told.to_owned()));
    }
    let outage = operations.outage.as_ref()?;
    let shown = match operations.answered_ms {
        Some(at_ms) => format!("what is shown is of {}", clock(at_ms, now_ms)),
        None => "nothing is known yet".to_owned(),
    };
    let since = clock(outage.since_ms, now_ms);
    Some(("bad", format!("Old: no newer answer since {since}; {shown}: {}", outage.cause)))
}

pub(super) fn is_state(machine: &MachineView, word: &str) -> bool {
    let state = machine.status.as_ref().and_then(|status| status.state.as_deref());
    state.is_some_and(|state| state.eq_ignore_ascii_case(word))
}

pub(super) fn level(machine: &MachineView) -> &'static str {
    let has_fault = machine.status.as_ref().is_some_and(|status| status.fault.is_some());
    match () {
        () if has_fault || is_state(machine, "FAULT") => "bad",
        () if machine.is_old => "warn",
        () if is_state(machine, "RUNNING") => "good",
        () => "plain",
    }
}

/// Code and type.
pub(super) fn what(machine: &MachineView) -> String {
    let master = &machine.master;
    let words = [&master.machine_code, &master.machine_type].into_iter().flatten().map(String::as_str);
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
}

pub(super) fn seconds(ms: i64) -> String {
    format::span(ms.max(0) as f64 / 1_000.0)
}

/// A time of day, with its day unless it is today's.
pub(crate) fn clock(at_ms: i64, now_ms: i64) -> String {
    let of = DateTime::from_timestamp_millis;
    let (Some(at), Some(now)) = (of(at_ms), of(now_ms)) else { return format::UNKNOWN.to_owned() };
    let form = if at.date_naive() == now.date_naive() { "%H:%M:%S UTC" } else { "%Y-%m-%d %H:%M:%S UTC" };
    at.format(form).to_string()
}

pub(super) fn hour(at_ms: i64, now_ms: i64) -> String {
    clock(at_ms, now_ms).replace(":00 UTC", " UTC")
}

/// The parts of a list before and after this one.
pub(super) fn others(base: &str, what: &str, (offset, limit, total): (usize, usize, usize)) -> Vec<(String, String)> {
    let of = |from: usize| {
        let until = from.saturating_add(limit).min(total);
        (format!("{base}offset={from}"), format!("{what} {} to {until} of {total}", from + 1))
    };
    let earlier = (offset > 0 && total > 0).then(|| of(offset.min(total).saturating_sub(limit)));
    let later = (offset.saturating_add(limit) < total).then(|| of(offset + limit));
    earlier.into_iter().chain(later).collect()
}
