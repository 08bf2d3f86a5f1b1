//! The go-live checklist, looked at: each line of `genims_platform::checklist` by what this program already knows how to find out.
//!
//! - [`looks`]: what several lines need, found once
//! - [`project`]: what this program and this machine say; [`connections`]: the doctor, and who listens in clear
//! - [`growth`]: what fills up
//! - [`data`]: what databases hold, and what flows between them; [`running`]: the running server; [`recovery`]: backups and drills
//!
//! In: the lines, settings, environment, a way to ask the server. Out: a report. Invariants: nothing is changed; whatever cannot be
//! looked at makes its lines unknown and no others; every wait for a server ends.

mod connections;
mod data;
mod growth;
mod looks;
mod project;
mod recovery;
mod running;

use crate::settings::Settings;
use chrono::{DateTime, Utc};
use genims_backup::Location;
use genims_databases::{Environment, Registry};
use genims_platform::checklist::definition::meant;
use genims_platform::checklist::question::{self, Expected};
use genims_platform::checklist::signatures::Signatures;
use genims_platform::checklist::{Check, ChecklistReport, Line, LineReport, LineState, Lines, Outcome, benchmark};
use looks::Looks;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where everything is.
pub struct ChecklistPlaces<'a> {
    pub registry: &'a Registry,
    pub environment: &'a Environment,
    pub settings: &'a Settings,
    /// The file that settings were read from.
    pub config: Option<&'a Path>,
    /// Where backups lie, if that was named.
    pub backups: Option<&'a Location>,
    /// What a database server is given from one answer to the next.
    pub answer_max: Duration,
    /// The snapshot of the running server.
    pub stats: &'a dyn Fn() -> Result<serde_json::Value, String>,
    pub now: DateTime<Utc>,
}

/// Something to show while it runs.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// So many lines in all.
    Planned(usize),
    Step(&'a str),
    /// One line is done.
    Done,
}

/// Looks at these lines. Those above one that speaks of all above it are looked at as well, and not shown.
pub async fn run(
    lines: &Lines,
    chosen: &[&Line],
    places: &ChecklistPlaces<'_>,
    signatures: Result<&Signatures, &str>,
    show: &dyn Fn(Progress<'_>),
) -> ChecklistReport {
    let started = Instant::now();
    let speaks_of_all = |line: &&Line| line.checks.contains(&Check::LinesAbove {});
    let last = chosen.iter().filter(|line| speaks_of_all(line)).map(|line| &line.id).max();
    let wanted = |line: &&Line| chosen.iter().any(|it| it.id == line.id) || last.is_some_and(|last| line.id < *last);
    let wanted: Vec<&Line> = lines.all.iter().filter(wanted).collect();
    show(Progress::Planned(wanted.len()));
    let looks = Looks::new(places, show);
    let mut reports: Vec<LineReport> = Vec::new();
    for line in wanted {
        show(Progress::Step(&line.id));
        let mut outcomes = Vec::new();
        for check in &line.checks {
            outcomes.push(look(check, &reports, lines, places, &looks).await);
        }
        let own = signatures.map(|all| all.get(&line.id).map(Vec::as_slice).unwrap_or_default());
        reports.push(LineReport::new(line, outcomes, own));
        show(Progress::Done);
    }
    reports.retain(|report| chosen.iter().any(|line| line.id == report.id));
    ChecklistReport::new(places.now, reports, started.elapsed().as_secs_f64())
}

/// `above`: the lines before the check's own.
async fn look(
    check: &Check,
    above: &[LineReport],
    lines: &Lines,
    places: &ChecklistPlaces<'_>,
    looks: &Looks<'_>,
) -> Outcome {
    let (registry, environment) = (places.registry, places.environment);
    match check {
        Check::Registry { on, databases, kept_years } => {
            project::registry(&meant(on, registry), *databases, *kept_years)
        }
        Check::Dictionary { tables } => project::dictionary(registry, *tables),
        Check::Document { file, says, names_connections } => {
            project::document(file, says, if *names_connections { registry.all() } else { &[] })
        }
        Check::Environment { on, databases } => project::environment(&meant(on, registry), environment, *databases),
        Check::Doctor { on, subjects, strict } => {
            connections::doctor(looks.doctor().await, &meant(on, registry), subjects, *strict)
        }
        Check::Capacity { days } => growth::capacity(places, looks.stats().await, *days).await,
        Check::Verify(rules) => data::verify(looks.verdict().await, rules, registry),
        Check::Sql { on, sql, remedy } => {
            let mut each = Vec::new();
            for database in meant(on, registry) {
                each.push((database.module.clone(), question::sql(database, environment, sql, remedy).await));
            }
            Outcome::of_all(each)
        }
        Check::Collections { names, at_least, in_all, filled } => match registry.get("production") {
            Ok(database) => question::collections(database, environment, names, (*at_least, *in_all), *filled).await,
            Err(error) => Outcome::not_looked_at(error),
        },
        Check::Command { command, at, none_of, at_least, at_most, remedy } => match registry.get("production") {
            Ok(database) => {
                let expected = Expected { at, none_of, at_least: *at_least, at_most: *at_most };
                question::command(database, environment, command, expected, remedy).await
            }
            Err(error) => Outcome::not_looked_at(error),
        },
        Check::Benchmark { on, sessions, objectives } => timed(on, *sessions, *objectives, lines, places).await,
        Check::Server(server) => running::server(looks.stats().await, server),
        Check::Etl { target, except, sources, every, succeeded_within } => {
            let wanted = data::Jobs { except, sources: *sources, every: *every, succeeded_within: *succeeded_within };
            data::etl(places, target, wanted).await
        }
        Check::AuditTrail {} => data::audit_trail(places).await,
        Check::Expiry {} => data::expiry(places).await,
        Check::Listeners {} => connections::listeners(places.settings),
        Check::Security {} => connections::security(looks.security()),
        Check::Backups { on, on_schedule, whole } => {
            recovery::backups(places, looks.backups(), &meant(on, registry), *on_schedule, *whole, looks.show)
        }
        Check::Drill { on, at_least, younger_than } => {
            recovery::drill(places, &meant(on, registry), *at_least, *younger_than)
        }
        Check::Ignored { file } => project::ignored(Path::new(file)).await,
        Check::Passwords {} => project::passwords(environment, places.config),
        Check::LinesAbove {} => lines_above(above),
    }
}

async fn timed(
    on: &[String],
    sessions: usize,
    objectives: bool,
    lines: &Lines,
    places: &ChecklistPlaces<'_>,
) -> Outcome {
    let mut each = Vec::new();
    for database in meant(on, places.registry) {
        let own = |query: &&genims_platform::checklist::definition::Query| {
            query.database == database.module || query.database == database.name
        };
        for query in lines.queries.iter().filter(own) {
            let outcome = benchmark::run(query, database, places.environment, sessions, objectives).await;
            each.push((database.module.clone(), outcome));
        }
    }
    let mut outcome = Outcome::of_all(each);
    if sessions > 1 && outcome.state == LineState::Holds {
        outcome.found = format!("{sessions} sessions at once; {}", outcome.found);
    }
    outcome
}

fn lines_above(reports: &[LineReport]) -> Outcome {
    let worst = reports.iter().map(|report| report.state).max().unwrap_or(LineState::Unknown);
    let alike: Vec<&str> =
        reports.iter().filter(|report| report.state == worst).map(|report| report.id.as_str()).collect();
    let count = alike.len();
    match worst {
        LineState::Holds | LineState::Signed => {
            Outcome::holds(format!("all {} lines above hold or are signed", reports.len()))
        }
        _ => Outcome {
            state: worst,
            found: format!("{count} of the {} lines above: {}: {}", reports.len(), worst.as_str(), alike.join(", ")),
            remedy: Some("see these lines".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(id: &str, outcome: Outcome) -> LineReport {
        let line = Line {
            id: id.to_owned(),
            phase: "go-live".to_owned(),
            must_hold: "x".to_owned(),
            checks: Vec::new(),
            sign: None,
        };
        LineReport::new(&line, vec![outcome], Ok(&[]))
    }

    #[test]
    fn a_line_about_all_above_is_as_the_worst_of_them() {
        let holds = || report("C001", Outcome::holds("yes"));
        let unknown = || report("C002", Outcome::unknown("away", "start it"));
        let fails = || report("C003", Outcome::fails("no", "mend it"));
        assert_eq!(lines_above(&[holds()]).state, LineState::Holds);
        assert_eq!(lines_above(&[holds(), unknown()]).state, LineState::Unknown);
        let worst = lines_above(&[holds(), unknown(), fails()]);
        assert_eq!((worst.state, worst.found.contains("C003")), (LineState::Fails, true));
        assert_eq!(lines_above(&[]).state, LineState::Unknown, "nothing above holds nothing");
    }
}
