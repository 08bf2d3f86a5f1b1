//! Lines of what is no disk: databases, the server's logs, partitions, numbers and transactions. No I/O.

use super::daily::Partitioned;
use super::disk::{NEARLY_FULL_BYTES, NEARLY_FULL_SHARE};
use super::growth::days_left;
use super::known::{Known, Numbering};
use super::report::{CapacityKind, CapacityLine, CapacityState};
use crate::doctor::size_text;
use genims_databases::partitions::DAYS_AHEAD;
use genims_model::counted;
use std::path::PathBuf;

/// PostgreSQL counts transactions round in a circle: what is older than half of it would be in the future, so it stops before.
const TRANSACTIONS: u64 = 1 << 31;
/// Numbers that are given away at a pace that nobody knows are short from here on.
const NUMBERS_SHARE_MAX: f64 = 0.8;
/// Autovacuum freezes at a tenth. Where it has come so far, something has long kept it from doing so.
const TRANSACTIONS_SHARE_MAX: f64 = 0.5;
/// A log is a buffer: its size of one minute says little about the next. From half on some database stays behind, as the alert
/// GenimsLogFillsUp has it, and what is nearly empty is full within the hour only in figures.
const LOG_SHARE_MAX: f64 = 0.5;
const LOG_SHARE_TRUSTED: f64 = 0.1;
const LOG_SECONDS_MIN: f64 = 3_600.0;
const DAY_SECONDS: f64 = 86_400.0;

/// One of the server's logs.
#[derive(Clone, Debug)]
pub struct LogPlace {
    pub what: &'static str,
    pub folder: PathBuf,
    /// Its cap.
    pub bytes_max: u64,
    /// What the running server says of it, or why that is not known.
    pub told: Result<LogFill, String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LogFill {
    pub bytes: u64,
    pub bytes_max: u64,
    pub full: bool,
    /// Whether its growth is known: not of a server that has just started, nor from its /stats.
    pub is_measured: bool,
    /// At its present growth; none while it does not grow.
    pub seconds_until_full: Option<f64>,
}

pub(super) fn database(known: &Known) -> CapacityLine {
    let growth = &known.growth;
    let state = if growth.a_day.is_some() { CapacityState::Enough } else { CapacityState::Unmeasured };
    CapacityLine {
        state,
        now: Some(known.bytes),
        growth_a_day: growth.a_day,
        ..CapacityLine::new(CapacityKind::Database, &known.database, &growth.remark)
    }
}

pub(super) fn unreachable(database: &str, error: &str) -> CapacityLine {
    let line = CapacityLine::new(CapacityKind::Database, database, error);
    CapacityLine { state: CapacityState::Unreachable, ..line }
}

/// `on_disk`: what its folder takes, for a server that does not say it.
pub(super) fn log(place: &LogPlace, on_disk: Option<u64>) -> CapacityLine {
    let line = |remark: &str| CapacityLine::new(CapacityKind::Log, place.what, remark);
    let (fill, remark) = match &place.told {
        Ok(fill) => (*fill, String::new()),
        Err(why) => {
            let Some(bytes) = on_disk else {
                let remark = format!("{} is not there yet; {why}", place.folder.display());
                return CapacityLine { limit: Some(place.bytes_max), ..line(&remark) };
            };
            (LogFill { bytes, bytes_max: place.bytes_max, ..LogFill::default() }, format!("size on disk; {why}"))
        }
    };
    let (room, seconds) = (fill.bytes_max.saturating_sub(fill.bytes) as f64, fill.seconds_until_full);
    let line = CapacityLine {
        now: Some(fill.bytes),
        limit: Some(fill.bytes_max),
        growth_a_day: seconds.filter(|seconds| *seconds > 0.0).map(|seconds| room / (seconds / DAY_SECONDS)),
        days_left: if fill.full { Some(0.0) } else { seconds.map(|seconds| seconds / DAY_SECONDS) },
        ..line(&remark)
    };
    let share = line.share().unwrap_or(0.0);
    let is_soon = share >= LOG_SHARE_TRUSTED && seconds.is_some_and(|seconds| seconds < LOG_SECONDS_MIN);
    let (state, remark) = match &place.told {
        _ if fill.full || is_soon || share > LOG_SHARE_MAX => {
            (CapacityState::Short, "a database stays behind: `genims top` shows which by its PENDING".to_owned())
        }
        Err(_) => (CapacityState::Unmeasured, remark),
        Ok(_) if !fill.is_measured => {
            (CapacityState::Unmeasured, "growth is not measured: the server has not run for long enough".to_owned())
        }
        Ok(_) if seconds.is_some() => (CapacityState::Enough, "at the growth of the last minute".to_owned()),
        Ok(_) => (CapacityState::Enough, "at the growth of the last minute not full within 30 days".to_owned()),
    };
    CapacityLine { state, remark, ..line }
}

/// Whoever writes or provisions makes them for a fortnight; that they were not made for a week is worth a look, however many days
/// were asked for.
fn partitions_min(warn_days: u32) -> u64 {
    u64::from(warn_days).min(DAYS_AHEAD / 2)
}

/// From where on something of a kind is short, for people.
pub fn short_from(kind: CapacityKind, warn_days: u32) -> String {
    let days = format!("fewer than {} left", counted(warn_days, "day"));
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    match kind {
        CapacityKind::Database => "never by themselves: their disk is".to_owned(),
        CapacityKind::Disk => {
            let (share, bytes) = (percent(NEARLY_FULL_SHARE), size_text(NEARLY_FULL_BYTES as f64));
            format!("{days}, or less than {share} and less than {bytes} free")
        }
        CapacityKind::Log => {
            let (half, trusted) = (percent(LOG_SHARE_MAX), percent(LOG_SHARE_TRUSTED));
            format!("more than {half} full, or from {trusted} on full within the hour")
        }
        CapacityKind::Partitions => {
            let least = counted(partitions_min(warn_days), "day");
            format!("fewer than {least} ahead, of the {DAYS_AHEAD} for which they are made")
        }
        CapacityKind::Numbers => format!("{days}, or {} given away", percent(NUMBERS_SHARE_MAX)),
        CapacityKind::Transactions => format!("{} used, whatever is left", percent(TRANSACTIONS_SHARE_MAX)),
    }
}

pub(super) fn partitions(known: &Known, warn_days: u32) -> Vec<CapacityLine> {
    let least = partitions_min(warn_days);
    let line = |table: &Partitioned| {
        let mut remark =
            "made ahead by `genims provision`, and by the server with the first readings of a day".to_owned();
        if table.default_is_filled {
            remark.push_str("; rows lie in the default partition");
        }
        let state = if table.days_ahead < least { CapacityState::Short } else { CapacityState::Enough };
        CapacityLine {
            state,
            now: Some(table.days_ahead),
            limit: Some(DAYS_AHEAD),
            days_left: Some(table.days_ahead as f64),
            ..CapacityLine::new(CapacityKind::Partitions, format!("partitions of {}", table.table), remark)
        }
    };
    known.partitioned.iter().map(line).collect()
}

/// Those that are short; without one, the one nearest to its end.
pub(super) fn numbers(known: &[Known], warn_days: u32) -> Vec<CapacityLine> {
    let lines = known.iter().flat_map(|known| known.numberings.iter().map(move |one| numbering(known, one, warn_days)));
    nearest(lines.collect(), "numbered columns and sequences")
}

fn numbering(known: &Known, one: &Numbering, warn_days: u32) -> CapacityLine {
    let rows = one.table.as_ref().and_then(|table| known.growth.rows_a_day(table));
    let growth = rows.map(|rows| rows * one.step as f64);
    let left = days_left(one.limit.saturating_sub(one.last) as f64, growth);
    let mut line = CapacityLine {
        now: Some(one.last),
        limit: Some(one.limit),
        growth_a_day: growth,
        days_left: left,
        ..CapacityLine::new(CapacityKind::Numbers, format!("numbers of {}: {}", known.database, one.name), "")
    };
    let is_near = line.share().is_some_and(|share| share >= NUMBERS_SHARE_MAX);
    if is_near || left.is_some_and(|days| days < f64::from(warn_days)) {
        line.state = CapacityState::Short;
        line.remark = "give the column (and its sequence) a larger type".to_owned();
    } else {
        line.state = if growth.is_some() { CapacityState::Enough } else { CapacityState::Unmeasured };
    }
    line
}

/// The age of the oldest rows that were never frozen.
pub(super) fn transactions(known: &[Known]) -> Vec<CapacityLine> {
    let line = |known: &Known| {
        let what = format!("transaction ids of {}", known.database);
        let mut line = CapacityLine {
            now: Some(known.transaction_age?),
            limit: Some(TRANSACTIONS),
            ..CapacityLine::new(CapacityKind::Transactions, what, "")
        };
        if line.share().is_some_and(|share| share >= TRANSACTIONS_SHARE_MAX) {
            line.state = CapacityState::Short;
            line.remark =
                "autovacuum does not freeze: end old transactions, prepared ones and replication slots, then VACUUM \
                           (FREEZE)"
                    .to_owned();
        }
        Some(line)
    };
    nearest(known.iter().filter_map(line).collect(), "databases of PostgreSQL")
}

/// The short ones, fullest first; without one, the fullest of all.
fn nearest(mut lines: Vec<CapacityLine>, of: &str) -> Vec<CapacityLine> {
    let share = |line: &CapacityLine| line.share().unwrap_or(0.0);
    lines.sort_by(|one, other| share(other).total_cmp(&share(one)));
    let all = lines.len();
    let short = lines.iter().filter(|line| line.state == CapacityState::Short).count();
    if short > 0 {
        lines.retain(|line| line.state == CapacityState::Short);
    } else {
        lines.truncate(1);
        for line in &mut lines {
            line.remark = format!("the nearest to its end of {all} {of}");
        }
    }
    lines
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
