//! What the doctor found of connections, and the security audit of doors and files.

use super::looks::Missing;
use crate::security::{Finding, Severity};
use crate::settings::{Listener, ListenerKind, Settings};
use genims_databases::Database;
use genims_model::counted;
use genims_platform::checklist::Outcome;
use genims_platform::doctor::{DatabaseCheck, DoctorReport, Examination, Grade, IN_CLEAR, Subject};

pub(super) fn doctor(report: &DoctorReport, databases: &[&Database], subjects: &[Subject], strict: bool) -> Outcome {
    let one = |database: &&Database| {
        let outcome = match report.databases.iter().find(|examined| examined.database == database.name) {
            Some(examined) => judged(examined, subjects, strict),
            None => Outcome::unknown("it was not examined", "run `genims doctor`"),
        };
        (database.module.clone(), outcome)
    };
    Outcome::of_all(databases.iter().map(one).collect())
}

/// What is not there because nobody could look at it is unknown where the server is away, and fails where it refused.
fn judged(examined: &Examination, subjects: &[Subject], strict: bool) -> Outcome {
    let failed = examined.checks.iter().find(|check| check.grade == Grade::Failed);
    let remedy = |remedy: &Option<String>| remedy.clone().unwrap_or_else(|| "run `genims doctor`".to_owned());
    if subjects.is_empty() {
        return match failed {
            Some(check) => Outcome::fails(&check.found, remedy(&check.remedy)),
            None if examined.checks.is_empty() => Outcome::unknown("it was not examined", "run `genims doctor`"),
            None => Outcome::holds(told(examined, &[Subject::Version, Subject::Login, Subject::Latency])),
        };
    }
    for subject in subjects {
        match (examined.check(*subject), failed) {
            (Some(check), _) if check.grade == Grade::Failed => {
                return Outcome::fails(&check.found, remedy(&check.remedy));
            }
            (Some(check), _) if strict && !is_strict(check) => {
                let usual = "let the server offer TLS, and ask for it in the URL (.env.example says how)".to_owned();
                let found = format!("{} {}", word(*subject), check.found);
                return Outcome::fails(found.trim(), check.remedy.clone().unwrap_or(usual));
            }
            (Some(_), _) => {}
            (None, Some(cause)) if cause.subject == Subject::Reachable => {
                return Outcome::unknown(&cause.found, remedy(&cause.remedy));
            }
            (None, Some(cause)) => return Outcome::fails(&cause.found, remedy(&cause.remedy)),
            (None, None) => return Outcome::unknown("it was not examined", "run `genims doctor`"),
        }
    }
    Outcome::holds(told(examined, subjects))
}

/// Nothing to remark, and not in clear even on this machine.
fn is_strict(check: &DatabaseCheck) -> bool {
    check.grade == Grade::Ok && !(check.subject == Subject::Tls && check.found.starts_with(IN_CLEAR))
}

fn told(examined: &Examination, subjects: &[Subject]) -> String {
    let found = subjects.iter().filter_map(|subject| examined.check(*subject));
    let found = found.map(|check| format!("{} {}", word(check.subject), check.found).trim().to_owned());
    found.collect::<Vec<_>>().join(", ")
}

fn word(subject: Subject) -> &'static str {
    match subject {
        Subject::Reachable => "at",
        Subject::Version => "",
        Subject::Tls => "TLS",
        Subject::Login => "login",
        Subject::Rights => "may",
        Subject::Latency => "latency",
        Subject::Pool => "connections at once:",
        Subject::Schema => "schema",
        Subject::Tables => "tables",
        Subject::Size => "size",
        Subject::Clock => "clock",
        Subject::Replication => "replication:",
    }
}

/// Those in clear, on this machine, too.
pub(super) fn listeners(settings: &Settings) -> Outcome {
    let in_clear = |listener: &&Listener| match &listener.kind {
        ListenerKind::Bridge(options) => options.broker.starts_with("mqtt://"),
        kind => kind.locks().0.is_none(),
    };
    let mut clear: Vec<&str> =
        settings.listeners.iter().filter(in_clear).map(|listener| listener.name.as_str()).collect();
    if settings.http.tls.is_none() {
        clear.push("the HTTP side");
    }
    let all = settings.listeners.len() + 1;
    if clear.is_empty() {
        return Outcome::holds(format!("{all} listeners and bridges, the HTTP side included, are encrypted"));
    }
    let found = format!("{} of {all} listeners and bridges are in clear: {}", clear.len(), clear.join(", "));
    Outcome::fails(found, "give them certificates ([listeners.tls], [http.tls]), and let brokers be mqtts://")
}

pub(super) fn security(findings: Result<&[Finding], &Missing>) -> Outcome {
    match findings {
        Ok(findings) => {
            let high = findings.iter().filter(|finding| finding.severity == Severity::High).count();
            Outcome::holds(format!("it ran now: {}, {high} of them high", counted(findings.len(), "finding")))
        }
        Err(missing) => Outcome::not_looked_at(missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_databases::{Engine, Environment};
    use genims_platform::checklist::LineState;
    use std::path::Path;

    fn examined(checks: &[(Subject, Grade, &str)]) -> Examination {
        let check = |(subject, grade, found): &(Subject, Grade, &str)| DatabaseCheck {
            subject: *subject,
            grade: *grade,
            found: (*found).to_owned(),
            measure: None,
            remedy: (*grade != Grade::Ok).then(|| "mend it".to_owned()),
        };
        Examination {
            database: "genims_hr_db".to_owned(),
            engine: Engine::Postgresql,
            place: String::new(),
            connection: String::new(),
            passed: true,
            checks: checks.iter().map(check).collect(),
            seconds: 0.0,
        }
    }

    #[test]
    fn a_server_that_is_away_is_no_database_that_is_missing() {
        let (reachable, login, schema) = (Subject::Reachable, Subject::Login, Subject::Schema);
        let state =
            |checks: &[(Subject, Grade, &str)], subjects: &[Subject]| judged(&examined(checks), subjects, false).state;
        let away = [(reachable, Grade::Failed, "refused")];
        assert_eq!(state(&away, &[login]), LineState::Unknown);
        assert_eq!(state(&away, &[reachable, login]), LineState::Fails);
        assert_eq!(state(&away, &[]), LineState::Fails);
        let gone = [(reachable, Grade::Ok, "h:1"), (schema, Grade::Failed, "does not exist")];
        assert_eq!(state(&gone, &[login]), LineState::Fails);
        let there = [(reachable, Grade::Ok, "h:1"), (login, Grade::Ok, "ada")];
        assert_eq!((state(&there, &[login]), state(&there, &[])), (LineState::Holds, LineState::Holds));
        assert_eq!(state(&[], &[]), LineState::Unknown);
    }

    #[test]
    fn what_is_good_enough_on_this_machine_or_a_warning_fails_where_a_line_is_strict() {
        let clear = format!("{IN_CLEAR}; on this machine");
        for (subject, grade, found, strictly) in [
            (Subject::Tls, Grade::Ok, clear.as_str(), LineState::Fails),
            (Subject::Tls, Grade::Warning, IN_CLEAR, LineState::Fails),
            (Subject::Tls, Grade::Ok, "TLSv1.3", LineState::Holds),
            (Subject::Login, Grade::Warning, "none", LineState::Fails),
            (Subject::Login, Grade::Ok, "nonesuch", LineState::Holds),
        ] {
            let examined = examined(&[(subject, grade, found)]);
            assert_eq!(judged(&examined, &[subject], false).state, LineState::Holds, "{found}");
            assert_eq!(judged(&examined, &[subject], true).state, strictly, "{found}");
        }
    }

    #[test]
    fn a_listener_in_clear_is_named_wherever_it_listens() {
        let settings =
            |text: &str| Settings::parse(text, Path::new("plant.toml"), &Environment::default()).expect("settings");
        let clear =
            listeners(&settings("[[listeners]]\ntype = \"mqtt\"\nname = \"press\"\nlisten = \"127.0.0.1:1884\""));
        assert_eq!(clear.state, LineState::Fails);
        assert!(clear.found.contains("2 of 2") && clear.found.contains("press, the HTTP side"), "{}", clear.found);
    }
}
