//! `genims doctor`: a table of all connections, or JSON; exit code 1 when anything failed.

use crate::cli::say::say;
use anyhow::Context;
use clap::Args;
use genims_databases::{Environment, Registry};
use genims_platform::doctor::{self, DoctorReport, Examination, Grade, Subject};
use std::io::IsTerminal;
use std::process::ExitCode;

/// Examine all 17 connections: reach, TLS, rights, latency, schema, clock; with a remedy beside each failure
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// The columns of the table; what is longer is told below it.
const COLUMNS: [(&str, Subject); 9] = [
    ("version", Subject::Version),
    ("tls", Subject::Tls),
    ("rights", Subject::Rights),
    ("latency", Subject::Latency),
    ("pool", Subject::Pool),
    ("schema", Subject::Schema),
    ("tables", Subject::Tables),
    ("size", Subject::Size),
    ("clock", Subject::Clock),
];

pub(crate) async fn run(args: DoctorArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let report = doctor::run(&Registry::load(None)?, environment).await;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&report).context("the report as JSON")?);
    } else {
        print(&report);
    }
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    print_remedies(report, Grade::Failed, "failed", colours);
    print_remedies(report, Grade::Warning, "warning", colours);
    let failed = report.databases.iter().filter(|database| !database.passed).count();
    let all = report.databases.len();
    say!("\n{} of {all} databases are as they should be; {:.2} s", all - failed, report.seconds);
}

fn header() -> Vec<(String, Grade)> {
    let names = ["database", "state"].into_iter().chain(COLUMNS.map(|(name, _)| name));
    names.map(|name| (name.to_owned(), Grade::Ok)).collect()
}

fn row(database: &Examination) -> Vec<(String, Grade)> {
    let worst = database.checks.iter().map(|check| check.grade).fold(Grade::Ok, worse);
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
        Subject::Tls => found.split(' ').next().unwrap_or(found),
        Subject::Rights => found.rsplit("; ").next().unwrap_or(found),
        Subject::Tables => found.split(' ').next().unwrap_or(found),
        _ => found,
    }
}

fn worse(one: Grade, other: Grade) -> Grade {
    match (one, other) {
        (Grade::Failed, _) | (_, Grade::Failed) => Grade::Failed,
        (Grade::Warning, _) | (_, Grade::Warning) => Grade::Warning,
        _ => Grade::Ok,
    }
}

/// The same finding in many databases is told once.
fn print_remedies(report: &DoctorReport, grade: Grade, word: &str, colours: bool) {
    let mut told: Vec<(Subject, String, String, Vec<&str>)> = Vec::new();
    for database in &report.databases {
        for check in database.checks.iter().filter(|check| check.grade == grade) {
            let remedy = check.remedy.clone().unwrap_or_default();
            match told.iter_mut().find(|known| known.0 == check.subject && known.1 == check.found && known.2 == remedy)
            {
                Some(known) => known.3.push(&database.database),
                None => told.push((check.subject, check.found.clone(), remedy, vec![&database.database])),
            }
        }
    }
    for (subject, found, remedy, databases) in told {
        let whose = match databases.as_slice() {
            [first, _, ..] => format!("{first} and {} more", databases.len() - 1),
            _ => databases.join(", "),
        };
        say!("\n{} {whose}: {}: {found}", painted(word, grade, colours), format!("{subject:?}").to_lowercase());
        say!("  remedy: {remedy}");
    }
}

fn painted(text: &str, grade: Grade, colours: bool) -> String {
    match (grade, colours) {
        (Grade::Warning, true) => format!("\u{1b}[33m{text}\u{1b}[0m"),
        (Grade::Failed, true) => format!("\u{1b}[31m{text}\u{1b}[0m"),
        _ => text.to_owned(),
    }
}
