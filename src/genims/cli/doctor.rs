//! `genims doctor`: a table of all connections, or JSON; exit code 1 when anything failed.

use super::conclude;
use clap::Args;
use genims_databases::{Environment, Registry};
use genims_model::counted;
use genims_platform::doctor::{self, Diagnosis, DoctorReport, Examination, Grade, Subject};
use genims_terminal::say;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Examine all 17 connections: reach, TLS, rights, latency, schema, clock, replication; with a remedy beside each failure
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// How long each server may take for one answer
    #[arg(long, value_name = "DURATION", default_value_t = doctor::TIMEOUT.into())]
    timeout: humantime::Duration,
}

/// The columns of the table; what is longer is told below it.
const COLUMNS: [(&str, Subject); 10] = [
    ("version", Subject::Version),
    ("tls", Subject::Tls),
    ("rights", Subject::Rights),
    ("latency", Subject::Latency),
    ("pool", Subject::Pool),
    ("schema", Subject::Schema),
    ("tables", Subject::Tables),
    ("size", Subject::Size),
    ("clock", Subject::Clock),
    ("replication", Subject::Replication),
];

pub(crate) async fn run(args: DoctorArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let bar = genims_terminal::Progress::new("doctor", "");
    let report = doctor::run(&Registry::load(None)?, environment, *args.timeout).await;
    drop(bar);
    conclude(&report, args.json, print, report.passed)
}

fn print(report: &DoctorReport) {
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut rows = vec![header()];
    rows.extend(report.databases.iter().map(row));
    let widths: Vec<usize> =
        (0..rows[0].len()).map(|column| rows.iter().map(|row| row[column].0.len()).max().unwrap_or(0)).collect();
    for row in &rows {
        let cells =
            row.iter().zip(&widths).map(|((text, grade), width)| painted(&format!("{text:<width$}"), *grade, colours));
        say!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    for (server, found) in replication(report) {
        say!("\nreplication of {server}: {found}");
    }
    report.findings.iter().for_each(|finding| print_finding(finding, colours));
    say!("\n{}; {:.2} s", summary(report), report.seconds);
}

/// What did not fit into a cell, once for each server.
fn replication(report: &DoctorReport) -> BTreeMap<&str, &str> {
    let told = report.databases.iter().filter_map(|database| {
        let found = database.check(Subject::Replication)?.found.as_str();
        let server = database.place.rsplit_once('/').map_or(database.place.as_str(), |(server, _)| server);
        (short(Subject::Replication, found) != found).then_some((server, found))
    });
    told.collect()
}

/// A database with a warning works, and is not as it should be.
fn summary(report: &DoctorReport) -> String {
    let count = |grade| report.databases.iter().filter(|database| worst(database) == grade).count();
    let causes = |grade| report.findings.iter().filter(|finding| finding.grade == grade).count();
    let (good, all) = (count(Grade::Ok), report.databases.len());
    let are = if all == 1 { "is as it" } else { "are as they" };
    let mut text = format!("{good} of {} {are} should be", counted(all, "database"));
    let warning = (Grade::Warning, "works with a warning", "work with a warning");
    for (grade, one, several) in [warning, (Grade::Failed, "does not work", "do not work")] {
        if count(grade) > 0 {
            let what = if count(grade) == 1 { one } else { several };
            text.push_str(&format!(", {} {what} ({})", count(grade), counted(causes(grade), "cause")));
        }
    }
    text
}

fn header() -> Vec<(String, Grade)> {
    let names = ["database", "state"].into_iter().chain(COLUMNS.map(|(name, _)| name));
    names.map(|name| (name.to_owned(), Grade::Ok)).collect()
}

fn row(database: &Examination) -> Vec<(String, Grade)> {
    let worst = worst(database);
    let state = match worst {
        Grade::Ok => "ok",
        Grade::Warning => "warning",
        Grade::Failed => "FAILED",
    };
    let mut cells = vec![(database.database.clone(), Grade::Ok), (state.to_owned(), worst)];
    for (_, subject) in COLUMNS {
        cells.push(match database.check(subject) {
            None => ("-".to_owned(), Grade::Ok),
            Some(check) if check.grade == Grade::Failed => ("failed".to_owned(), Grade::Failed),
            Some(check) => (short(subject, &check.found).to_owned(), check.grade),
        });
    }
    cells
}

/// What fits into a cell.
fn short(subject: Subject, found: &str) -> &str {
    match subject {
        Subject::Tls | Subject::Tables => found.split([' ', ';', ',']).next().unwrap_or(found),
        Subject::Rights => found.rsplit("; ").next().unwrap_or(found),
        Subject::Replication => found.split([' ', ',', ';', ':']).next().unwrap_or(found),
        _ => found,
    }
}

fn worst(database: &Examination) -> Grade {
    database.checks.iter().map(|check| check.grade).fold(Grade::Ok, worse)
}

fn worse(one: Grade, other: Grade) -> Grade {
    match (one, other) {
        (Grade::Failed, _) | (_, Grade::Failed) => Grade::Failed,
        (Grade::Warning, _) | (_, Grade::Warning) => Grade::Warning,
        _ => Grade::Ok,
    }
}

fn print_finding(finding: &Diagnosis, colours: bool) {
    let whose = match finding.databases.as_slice() {
        [one] => one.clone(),
        all => format!("{} databases ({})", all.len(), all.join(", ")),
    };
    let word = if finding.grade == Grade::Failed { "failed" } else { "warning" };
    let (subject, found) = (format!("{:?}", finding.subject).to_lowercase(), &finding.found);
    say!("\n{} {whose}: {subject}: {found}", painted(word, finding.grade, colours));
    say!("  remedy: {}", finding.remedy);
}

fn painted(text: &str, grade: Grade, colours: bool) -> String {
    match (grade, colours) {
        (Grade::Warning, true) => format!("\u{1b}[33m{text}\u{1b}[0m"),
        (Grade::Failed, true) => format!("\u{1b}[31m{text}\u{1b}[0m"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_holds_a_word_and_no_mark_behind_it() {
        assert_eq!(short(Subject::Tables, "none; run `genims provision`"), "none");
        assert_eq!(short(Subject::Tables, "12 of 14"), "12");
        assert_eq!(short(Subject::Tls, "TLSv1.3, by TLS_AES_256"), "TLSv1.3");
        assert_eq!(short(Subject::Rights, "a login of its own; reads and writes"), "reads and writes");
    }
}
