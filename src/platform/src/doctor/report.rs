//! What the doctor found: one list of checks per database, each with its remedy where it is not as it should be.

use genims_databases::{DatabaseError, Engine};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::Notify;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    Ok,
    /// Works, and should be otherwise where it is in earnest.
    Warning,
    Failed,
}

/// What is found of TLS where there is none, at the beginning of the text.
pub const IN_CLEAR: &str = "none";

/// What is looked at, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Whom the server follows, and who follows it.
    Replication,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DatabaseCheck {
    pub subject: Subject,
    pub grade: Grade,
    /// What was found, for people.
    pub found: String,
    /// What was measured: milliseconds (latency, clock), bytes (size, replication), counts (pool, tables, schema).
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
    /// The variable of a URL of its own.
    pub connection: String,
    /// Nothing failed.
    pub passed: bool,
    pub checks: Vec<DatabaseCheck>,
    pub seconds: f64,
}

impl Examination {
    pub fn check(&self, subject: Subject) -> Option<&DatabaseCheck> {
        self.checks.iter().find(|check| check.subject == subject)
    }
}

/// One cause for somebody to look into, however many databases it shows in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    pub grade: Grade,
    pub subject: Subject,
    pub found: String,
    pub remedy: String,
    pub databases: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DoctorReport {
    /// Nothing failed in any database.
    pub passed: bool,
    /// What is not as it should be, each cause once: failures first.
    pub findings: Vec<Diagnosis>,
    pub databases: Vec<Examination>,
    pub seconds: f64,
}

impl DoctorReport {
    pub(super) fn new(databases: Vec<Examination>, seconds: f64) -> Self {
        let passed = databases.iter().all(|database| database.passed);
        Self { passed, findings: findings(&databases), databases, seconds }
    }
}

/// What a cause is called where it shows in several databases.
const ANY_DATABASE: &str = "<database>";
const ANY_VARIABLE: &str = "<its own variable>";

fn findings(databases: &[Examination]) -> Vec<Diagnosis> {
    // Each with its text as it is without the names of its database.
    let mut known: Vec<((String, String), Diagnosis)> = Vec::new();
    for grade in [Grade::Failed, Grade::Warning] {
        for database in databases {
            let general =
                |text: &str| text.replace(&database.database, ANY_DATABASE).replace(&database.connection, ANY_VARIABLE);
            for check in database.checks.iter().filter(|check| check.grade == grade) {
                let (found, remedy) = (check.found.clone(), check.remedy.clone().unwrap_or_default());
                let texts = (general(&found), general(&remedy));
                let same = |of: &&mut ((String, String), Diagnosis)| {
                    of.0 == texts && of.1.subject == check.subject && of.1.grade == grade
                };
                match known.iter_mut().find(same) {
                    Some((_, finding)) => {
                        (finding.found, finding.remedy) = texts;
                        finding.databases.push(database.database.clone());
                    }
                    None => {
                        let databases = vec![database.database.clone()];
                        let finding = Diagnosis { grade, subject: check.subject, found, remedy, databases };
                        known.push((texts, finding));
                    }
                }
            }
        }
    }
    known.into_iter().map(|(_, finding)| finding).collect()
}

/// The checks of one database while they are made. What was found before a server stopped answering is kept.
#[derive(Debug, Default)]
pub(super) struct Checks {
    pub(super) place: String,
    /// Its URL is that of a whole server, not of this database alone.
    pub(super) whole_server: bool,
    pub(super) made: Vec<DatabaseCheck>,
    /// Told of each check as it is made.
    pub(super) progress: Arc<Notify>,
}

impl Checks {
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
        if let Some(check) = self.made.last_mut() {
            check.measure = Some(measure);
        }
    }

    fn push(&mut self, subject: Subject, grade: Grade, found: impl Into<String>, remedy: Option<String>) {
        self.made.push(DatabaseCheck { subject, grade, found: found.into(), measure: None, remedy });
        self.progress.notify_one();
    }

    pub(super) fn has(&self, subject: Subject) -> bool {
        self.made.iter().any(|check| check.subject == subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examination(name: &str, check: fn(&mut Checks, &str)) -> Examination {
        let mut checks = Checks::default();
        check(&mut checks, name);
        Examination {
            database: name.to_owned(),
            engine: Engine::Postgresql,
            place: String::new(),
            connection: format!("{}_URL", name.to_uppercase()),
            passed: checks.made.iter().all(|check| check.grade != Grade::Failed),
            checks: checks.made,
            seconds: 0.0,
        }
    }

    #[test]
    fn one_cause_is_one_finding_whatever_the_databases_are_called() {
        let refused: fn(&mut Checks, &str) = |checks, name| {
            let remedy = format!("start the server, or mend {}_URL", name.to_uppercase());
            checks.fail(Subject::Reachable, format!("{name} at h:1/{name}: connection refused"), remedy);
        };
        let other: fn(&mut Checks, &str) = |checks, _| checks.fail(Subject::Login, "no password", "give one");
        let clear: fn(&mut Checks, &str) = |checks, _| checks.warn(Subject::Tls, "none", "turn it on");
        let all = [("a_db", clear), ("b_db", refused), ("c_db", refused), ("d_db", other)];
        let report = DoctorReport::new(all.map(|(name, check)| examination(name, check)).to_vec(), 0.0);
        let told: Vec<(Subject, &str, usize)> =
            report.findings.iter().map(|it| (it.subject, it.found.as_str(), it.databases.len())).collect();
        let of_two = "<database> at h:1/<database>: connection refused";
        assert_eq!(
            told,
            [(Subject::Reachable, of_two, 2), (Subject::Login, "no password", 1), (Subject::Tls, "none", 1)]
        );
        assert_eq!(report.findings[0].remedy, "start the server, or mend <its own variable>");
        let one = DoctorReport::new(vec![examination("b_db", refused)], 0.0);
        assert_eq!(one.findings[0].found, "b_db at h:1/b_db: connection refused");
    }
}
