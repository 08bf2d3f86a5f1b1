//! `genims retention`: arguments in, a table or JSON out; exit code 1 when a database failed, or a run
//! left what should have gone.

use super::conclude;
use chrono::NaiveDate;
use clap::{Args, Subcommand};
use genims_databases::{Environment, Registry};
use genims_model::{counted, noun};
use genims_platform::retention::{self, DatabaseRetention, How, RetentionOptions, RetentionReport, TableReport};
use genims_terminal::{Progress, say};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct RetentionArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say what is older than it is kept, and what of it is held and why; nothing is changed
    Plan(Which),
    /// Delete what the plan says, telemetry when it is archived; each purge is entered in the audit trail
    Run(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// Only this database, by name or module
    #[arg(long, value_name = "MODULE")]
    module: Option<String>,
    /// Count back from this day (2026-11-28) instead of today
    #[arg(long, value_name = "DAY")]
    as_of: Option<NaiveDate>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: RetentionArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let (which, run) = match args.action {
        Action::Plan(which) => (which, false),
        Action::Run(which) => (which, true),
    };
    let registry = Registry::load(None)?;
    let bar = Progress::new("retention", "databases");
    let show = |what: &str| bar.show(what);
    let options = RetentionOptions { module: which.module, as_of: which.as_of, run };
    let report = retention::run(&registry, environment, &options, &show).await;
    drop(bar);
    let report = report?;
    conclude(&report, which.json, print, report.ok())
}

fn print(report: &RetentionReport) {
    for database in &report.databases {
        say!("{:24} {}", database.database, summary(database, report.run));
        for table in database.tables.iter().filter(|table| table.how == How::Expiry || aged(table) > 0) {
            say!("    {}", line(table, report.run));
            for (why, rows) in &table.held {
                say!("        {rows} held: {why}");
            }
            if table.blocked > 0 {
                say!("        {} of them should go: mend what is said, and run this again", table.blocked);
            }
        }
        for remark in &database.remarks {
            say!("    {remark}");
        }
        if let Some(error) = &database.error {
            say!("    {error}");
        }
    }
    for remark in &report.remarks {
        say!("{remark}");
    }
    say!("as of {}, {:.2} s", report.as_of, report.seconds);
}

/// What is old enough.
fn aged(table: &TableReport) -> u64 {
    table.goes + table.held.values().sum::<u64>()
}

fn summary(database: &DatabaseRetention, run: bool) -> String {
    let sum = |of: fn(&TableReport) -> u64| database.tables.iter().map(of).sum::<u64>();
    let held = sum(|table| table.held.values().sum());
    match (&database.error, run) {
        (Some(_), _) => "FAILED".to_owned(),
        (None, true) => format!("{} deleted, {held} held", counted(sum(|table| table.gone), "row")),
        (None, false) => format!("{} to go, {held} held", counted(sum(|table| table.goes), "row")),
    }
}

fn line(table: &TableReport, run: bool) -> String {
    let before = table.before.map_or_else(String::new, |day| format!(" before {day}"));
    let decides = format!("{}{before}", table.decides);
    let days = match table.how {
        How::Partitions => format!(" ({}{})", counted(table.partitions, "partition"), archive(table, run)),
        How::Rows | How::Expiry => String::new(),
    };
    match table.how {
        How::Expiry => format!("{:32} expires: {decides}", table.table),
        _ if run => format!("{:32} {} deleted{days}: {decides}", table.table, rows(table.gone)),
        _ => format!("{:32} {} to go{days}: {decides}", table.table, rows(table.goes)),
    }
}

/// One below the other.
fn rows(count: u64) -> String {
    format!("{count:>10} {:<4}", noun(count, "row"))
}

fn archive(table: &TableReport, run: bool) -> String {
    match &table.archive {
        None => String::new(),
        Some(collection) if run => format!(", {} in {collection}", counted(table.archived, "more document")),
        Some(collection) => format!(", first archived in {collection}"),
    }
}
