//! What the doctor found: one list of checks per database, each with its remedy where it is not as it should be.

use genims_databases::{DatabaseError, Engine};
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    Ok,
    /// Works, and should be otherwise where it is in earnest.
    Warning,
    Failed,
}

/// What is looked at, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A server answers at the address of the URL.
    Reachable,
    Version,
    Tls,
    Login,
    /// What the login may do.
    Rights,
    /// The median of some round trips.
    Latency,
    /// Several connections at once.
    Pool,
    /// Migrations that are applied, against the embedded ones.
    Schema,
    Tables,
    Size,
    /// The server's clock against ours.
    Clock,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    pub subject: Subject,
    pub grade: Grade,
    /// What was found, for people.
    pub found: String,
    /// What was measured: milliseconds (latency, clock), bytes (size), counts (pool, tables, schema).
    pub measure: Option<f64>,
    pub remedy: Option<String>,
}

/// Everything about one database.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Examination {
    pub database: String,
    pub engine: Engine,
    /// `host:port/database`; empty when its URL cannot be read.
    pub place: String,
    /// Nothing failed.
    pub passed: bool,
    pub checks: Vec<Check>,
    pub seconds: f64,
}

impl Examination {
    pub fn check(&self, subject: Subject) -> Option<&Check> {
        self.checks.iter().find(|check| check.subject == subject)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DoctorReport {
    /// Nothing failed in any database.
    pub passed: bool,
    pub databases: Vec<Examination>,
    pub seconds: f64,
}

/// The checks of one database while they are made. What was found before a server stopped answering is kept.
#[derive(Debug, Default)]
pub(super) struct Checklist {
    pub(super) place: String,
    pub(super) checks: Vec<Check>,
}

impl Checklist {
    pub(super) fn ok(&mut self, subject: Subject, found: impl Into<String>) {
        self.push(subject, Grade::Ok, found, None);
    }

    pub(super) fn warn(&mut self, subject: Subject, found: impl Into<String>, remedy: impl Into<String>) {
        self.push(subject, Grade::Warning, found, Some(remedy.into()));
    }

    pub(super) fn fail(&mut self, subject: Subject, found: impl Into<String>, remedy: impl Into<String>) {
        self.push(subject, Grade::Failed, found, Some(remedy.into()));
    }

    /// An error knows its own remedy.
    pub(super) fn error(&mut self, subject: Subject, error: &DatabaseError) {
        let text = error.to_string();
        let (cause, remedy) = error.cause_and_remedy(&text);
        self.fail(subject, cause, remedy);
    }

    /// What the last check measured.
    pub(super) fn measured(&mut self, measure: f64) {
        if let Some(check) = self.checks.last_mut() {
            check.measure = Some(measure);
        }
    }

    fn push(&mut self, subject: Subject, grade: Grade, found: impl Into<String>, remedy: Option<String>) {
        self.checks.push(Check { subject, grade, found: found.into(), measure: None, remedy });
    }

    pub(super) fn has(&self, subject: Subject) -> bool {
        self.checks.iter().any(|check| check.subject == subject)
    }
}
