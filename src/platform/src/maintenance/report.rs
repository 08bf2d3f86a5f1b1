//! What is to be done to a database, why, and what came of it.

use chrono::{DateTime, Utc};
use genims_databases::{Database, Engine, MaintenanceWindow};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UpkeepKind {
    /// PostgreSQL: dead rows become room for others, and statistics are taken anew.
    Vacuum,
    /// PostgreSQL: what a rebuild that was broken off left behind goes.
    Drop,
    /// PostgreSQL: an index is built anew beside itself.
    Reindex,
    /// MySQL: a table is built anew beside itself.
    Optimize,
    /// MySQL: statistics are taken anew.
    Analyze,
    /// MongoDB: the file of a collection gives back what is free in it.
    Compact,
}

impl UpkeepKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Vacuum => "vacuum",
            Self::Drop => "drop",
            Self::Reindex => "reindex",
            Self::Optimize => "optimize",
            Self::Analyze => "analyze",
            Self::Compact => "compact",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UpkeepState {
    Planned,
    Done,
    /// The end of the window came first; the next one goes on with it.
    Left,
    /// Somebody else has it locked; the next window tries again.
    InUse,
    Failed,
}

/// One piece of work.
#[derive(Clone, Debug, Serialize)]
pub struct Upkeep {
    /// The table, the index or the collection.
    pub of: String,
    pub kind: UpkeepKind,
    pub why: String,
    pub state: UpkeepState,
    pub seconds: f64,
    pub error: Option<String>,
    /// What does it; nothing for MongoDB, which takes no text.
    #[serde(skip)]
    pub(super) statement: String,
}

impl Upkeep {
    pub(super) fn new(kind: UpkeepKind, of: String, why: String, statement: String) -> Self {
        Self { of, kind, why, state: UpkeepState::Planned, seconds: 0.0, error: None, statement }
    }

    pub(super) fn end(&mut self, outcome: UpkeepOutcome) {
        (self.state, self.error) = match outcome {
            UpkeepOutcome::Done => (UpkeepState::Done, None),
            UpkeepOutcome::OutOfTime => (UpkeepState::Left, None),
            UpkeepOutcome::InUse => (UpkeepState::InUse, None),
            UpkeepOutcome::Failed(error) => (UpkeepState::Failed, Some(error)),
        };
    }
}

/// What the server answered.
#[derive(Debug)]
pub(super) enum UpkeepOutcome {
    Done,
    OutOfTime,
    InUse,
    Failed(String),
}

#[derive(Clone, Debug, Serialize)]
pub struct MaintainedDatabase {
    pub database: String,
    pub engine: Engine,
    pub window: MaintenanceWindow,
    /// None while it is closed.
    pub open_until: Option<DateTime<Utc>>,
    pub opens_next: DateTime<Utc>,
    pub upkeep: Vec<Upkeep>,
    /// What an operator should know and that fails nothing.
    pub remarks: Vec<String>,
    pub error: Option<String>,
}

impl MaintainedDatabase {
    pub(super) fn new(database: &Database, now: DateTime<Utc>) -> Self {
        let window = database.maintenance.clone();
        Self {
            database: database.name.clone(),
            engine: database.engine,
            open_until: window.open_until(now),
            opens_next: window.next(now),
            window,
            upkeep: Vec::new(),
            remarks: Vec::new(),
            error: None,
        }
    }

    /// How many pieces of work ended so.
    pub fn count(&self, state: UpkeepState) -> usize {
        self.upkeep.iter().filter(|upkeep| upkeep.state == state).count()
    }

    /// What was done, in a sentence for the audit trail; none: nothing was.
    pub(super) fn told(&self) -> Option<String> {
        let mut kinds: BTreeMap<UpkeepKind, usize> = BTreeMap::new();
        for upkeep in self.upkeep.iter().filter(|upkeep| upkeep.state == UpkeepState::Done) {
            *kinds.entry(upkeep.kind).or_default() += 1;
        }
        let done: Vec<String> = kinds.iter().map(|(kind, count)| format!("{} of {count}", kind.word())).collect();
        (!done.is_empty()).then(|| format!("maintenance: {}", done.join(", ")))
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct MaintenanceReport {
    pub databases: Vec<MaintainedDatabase>,
    pub seconds: f64,
}

impl MaintenanceReport {
    /// Whether nothing failed. What is left to the next window, or in use, is no failure.
    pub fn ok(&self) -> bool {
        self.databases.iter().all(|database| database.error.is_none() && database.count(UpkeepState::Failed) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_databases::Registry;

    #[test]
    fn what_is_left_or_in_use_fails_nothing_and_what_was_done_is_told() {
        let registry = Registry::load(None).expect("the embedded registry");
        let mut database = MaintainedDatabase::new(registry.get("hr").expect("there"), DateTime::UNIX_EPOCH);
        assert_eq!(database.told(), None);
        let upkeep = |kind, outcome| {
            let mut upkeep = Upkeep::new(kind, "t".to_owned(), String::new(), String::new());
            upkeep.end(outcome);
            upkeep
        };
        let vacuum = |outcome| upkeep(UpkeepKind::Vacuum, outcome);
        database.upkeep = vec![
            upkeep(UpkeepKind::Reindex, UpkeepOutcome::Done),
            vacuum(UpkeepOutcome::Done),
            vacuum(UpkeepOutcome::Done),
            vacuum(UpkeepOutcome::OutOfTime),
            vacuum(UpkeepOutcome::InUse),
        ];
        assert_eq!(database.told().as_deref(), Some("maintenance: vacuum of 2, reindex of 1"));
        let report =
            |database: &MaintainedDatabase| MaintenanceReport { databases: vec![database.clone()], seconds: 0.0 }.ok();
        assert!(report(&database));
        database.upkeep.push(vacuum(UpkeepOutcome::Failed("disk full".to_owned())));
        assert!(!report(&database));
    }
}
