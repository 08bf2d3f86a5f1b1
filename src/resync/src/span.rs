//! When what is in gaps was received, and which gaps are closed together.
//!
//! In: gaps, what the database was told. Out: spans of receipt, among which the gaps' records are.

use crate::request::{Made, ResyncError};
use chrono::{DateTime, SecondsFormat};
use genims_stores::routed::gaps::{Facts, Gap, KEPT_US};
use std::ops::Range;

/// Receipts and the log's order differ by what waited in front of a full queue.
pub(crate) const AROUND_US: i64 = 900_000_000;

/// Gaps in groups: those whose times overlap, with their margins, are closed together, since what was made anew of one is in the times of
/// the other.
pub fn together(gaps: Vec<Gap>) -> Vec<Vec<Gap>> {
    let mut groups: Vec<Vec<Gap>> = Vec::new();
    for gap in gaps {
        match groups.last_mut() {
            Some(group) if overlaps(&hull(group), &gap) => group.push(gap),
            _ => groups.push(vec![gap]),
        }
    }
    groups
}

fn overlaps(before: &Gap, gap: &Gap) -> bool {
    before.events == gap.events && begins_us(gap) <= ends_us(before)
}

/// From which receipt on something may be in a gap.
pub fn begins_us(gap: &Gap) -> i64 {
    gap.received_from_us.unwrap_or(0).saturating_sub(AROUND_US)
}

/// Behind which receipt nothing is in a gap.
pub fn ends_us(gap: &Gap) -> i64 {
    gap.received_to_us.saturating_add(AROUND_US)
}

/// The times and ends of a group's gaps as those of one; there is one at least.
pub(crate) fn hull(gaps: &[Gap]) -> Gap {
    let mut hull = gaps[0].clone();
    for gap in &gaps[1..] {
        hull.received_from_us = hull.received_from_us.zip(gap.received_from_us).map(|(one, other)| one.min(other));
        hull.received_to_us = hull.received_to_us.max(gap.received_to_us);
        hull.routed = gap.routed.or(hull.routed);
        hull.followed = gap.followed.or(hull.followed);
    }
    hull
}

/// How many of the events that were made anew are entered for each gap of a group: no more than it lost, the last has the rest.
pub fn shares(gaps: &[Gap], made: &Made) -> Vec<u64> {
    let mut rest = made.made + made.made_before;
    let mut shares: Vec<u64> = Vec::new();
    for (index, gap) in gaps.iter().enumerate() {
        let share = if index + 1 == gaps.len() { rest } else { rest.min(gap.events_lost().unwrap_or(0)) };
        rest -= share;
        shares.push(share);
    }
    shares
}

/// Receipts whose facts are kept.
pub(crate) fn around(span: &Range<i64>) -> Range<i64> {
    span.start.saturating_sub(KEPT_US)..span.end.saturating_add(KEPT_US)
}

/// Receipts among which the gap's are.
pub(crate) fn span(gap: &Gap, since_us: Option<i64>) -> Result<Range<i64>, ResyncError> {
    let start = match (gap.received_from_us, since_us) {
        (Some(_), Some(_)) => return Err(ResyncError::BeginningKnown),
        (Some(_), None) => begins_us(gap),
        (None, Some(since_us)) if since_us > gap.received_to_us => {
            return Err(ResyncError::BeginsBehindItsEnd { end: told_time(gap.received_to_us) });
        }
        (None, Some(since_us)) => since_us,
        (None, None) => return Err(ResyncError::BeginningUnknown),
    };
    Ok(start..ends_us(gap))
}

fn told_time(us: i64) -> String {
    DateTime::from_timestamp_micros(us).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// No further back than it is known what the database was told: before that the stream has written. Where that is known of nothing,
/// from the gap on.
pub(crate) fn told_of(span: Range<i64>, gap: &Gap, facts: &Facts) -> Range<i64> {
    let start = match (gap.received_from_us, &facts.received_us) {
        (Some(from_us), Some(told)) => span.start.max(told.start.min(from_us)),
        (Some(from_us), None) => from_us,
        (None, _) => span.start,
    };
    start..span.end
}

#[cfg(test)]
#[path = "span_tests.rs"]
mod tests;
