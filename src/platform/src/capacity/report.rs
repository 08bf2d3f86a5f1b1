//! What fills up, a line each.

use serde::Serialize;

/// What a line speaks of, and so what its numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CapacityKind {
    /// Bytes of one database.
    Database,
    /// Bytes of a file system that holds databases or logs.
    Disk,
    /// Bytes of a log of the server.
    Log,
    /// Days that have a partition ahead.
    Partitions,
    /// Numbers that a sequence or an identity column has given away.
    Numbers,
    /// Transactions since rows were last frozen.
    Transactions,
}

impl CapacityKind {
    pub const ALL: [Self; 6] =
        [Self::Database, Self::Disk, Self::Log, Self::Partitions, Self::Numbers, Self::Transactions];

    /// Of several of them.
    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "databases",
            Self::Disk => "disks",
            Self::Log => "logs",
            Self::Partitions => "partitions",
            Self::Numbers => "numbers",
            Self::Transactions => "transaction ids",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CapacityState {
    Enough,
    /// Nobody knows how fast it grows, or how large it may be.
    Unmeasured,
    /// Less is left than asked for.
    Short,
    /// It could not be asked.
    Unreachable,
}

/// One thing that fills up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CapacityLine {
    pub kind: CapacityKind,
    pub what: String,
    pub state: CapacityState,
    pub now: Option<u64>,
    /// `null` where nothing measures it: nothing here is guessed.
    pub growth_a_day: Option<f64>,
    /// `null` of what is bounded by something else: a database by its disk.
    pub limit: Option<u64>,
    /// At the present growth.
    pub days_left: Option<f64>,
    pub remark: String,
}

impl CapacityLine {
    /// With nothing known.
    pub(super) fn new(kind: CapacityKind, what: impl Into<String>, remark: impl Into<String>) -> Self {
        let (what, remark) = (what.into(), remark.into());
        let state = CapacityState::Unmeasured;
        Self { kind, what, state, now: None, growth_a_day: None, limit: None, days_left: None, remark }
    }

    /// Whether its numbers are bytes.
    pub fn is_bytes(&self) -> bool {
        matches!(self.kind, CapacityKind::Database | CapacityKind::Disk | CapacityKind::Log)
    }

    /// Of its limit, 0 to 1.
    pub(super) fn share(&self) -> Option<f64> {
        let limit = self.limit.filter(|limit| *limit > 0)?;
        Some(self.now? as f64 / limit as f64)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CapacityReport {
    /// Everything could be asked, and nothing has fewer days left than `warn_days`.
    pub passed: bool,
    pub warn_days: u32,
    pub lines: Vec<CapacityLine>,
    pub seconds: f64,
}

impl CapacityReport {
    pub(super) fn new(warn_days: u32, lines: Vec<CapacityLine>, seconds: f64) -> Self {
        let is_fault = |state| matches!(state, CapacityState::Short | CapacityState::Unreachable);
        Self { passed: !lines.iter().any(|line| is_fault(line.state)), warn_days, lines, seconds }
    }

    /// The kinds that have a line.
    pub fn kinds(&self) -> impl Iterator<Item = CapacityKind> {
        CapacityKind::ALL.into_iter().filter(|kind| self.lines.iter().any(|line| line.kind == *kind))
    }

    pub fn in_state(&self, state: CapacityState) -> impl Iterator<Item = &CapacityLine> {
        self.lines.iter().filter(move |line| line.state == state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_or_away_fails_and_what_is_not_measured_does_not() {
        let passed = |state| {
            let line = CapacityLine { state, ..CapacityLine::new(CapacityKind::Disk, "disk", "") };
            CapacityReport::new(30, vec![line], 0.0).passed
        };
        assert!(passed(CapacityState::Enough) && passed(CapacityState::Unmeasured));
        assert!(!passed(CapacityState::Short) && !passed(CapacityState::Unreachable));
    }

    #[test]
    fn a_share_needs_a_limit() {
        let line = |now, limit| CapacityLine { now, limit, ..CapacityLine::new(CapacityKind::Log, "log", "") };
        assert_eq!(line(Some(1), Some(4)).share(), Some(0.25));
        assert_eq!(
            [line(None, Some(4)), line(Some(1), None), line(Some(1), Some(0))].map(|line| line.share()),
            [None; 3]
        );
    }
}
