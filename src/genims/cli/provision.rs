//! `genims provision`: arguments in, a table or JSON out; exit code 1 when a database failed or drifted.

use crate::cli::say::say;
use anyhow::Context;
use genims_databases::{Environment, Registry};
use genims_platform::provision::{self, DatabaseReport, Mode, Options, Progress, ProvisionReport, Status};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Create and migrate databases, collections and partitions; harmless to repeat
#[derive(Debug, clap::Args)]
pub(crate) struct ProvisionArgs {
    /// Only this database, by name or module; may be repeated
    #[arg(long, value_name = "DB")]
    only: Vec<String>,
    /// Say what would be done and change nothing
    #[arg(long, conflicts_with = "check")]
    plan: bool,
    /// Compare what stands with what the migrations say; differences end with exit code 1
    #[arg(long)]
    check: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Another registry than the built-in config/databases.toml
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
}

pub(crate) async fn run(args: ProvisionArgs) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(args.registry.as_deref())?;
    let environment = Environment::load(None)?;
    let mode = match (args.plan, args.check) {
        (true, _) => Mode::Plan,
        (_, true) => Mode::Check,
        _ => Mode::Apply,
    };
    let display = Display::new(args.json);
    let options = Options { only: args.only, mode };
    let report = provision::run(&registry, &environment, &options, &|progress| display.show(progress)).await?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&report).context("the report as JSON")?);
    } else {
        print(&report);
    }
    Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One line per database that is being worked on; nothing when standard error is no terminal.
struct Display {
    bars: MultiProgress,
    by_database: Mutex<HashMap<String, ProgressBar>>,
}

impl Display {
    fn new(quiet: bool) -> Self {
        let bars = MultiProgress::new();
        if quiet {
            bars.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        Self { bars, by_database: Mutex::default() }
    }

    fn show(&self, progress: Progress<'_>) {
        let mut bars = self.by_database.lock();
        match progress {
            Progress::Step { database, what } => {
                let bar = bars.entry(database.to_owned()).or_insert_with(|| self.spinner(database));
                bar.set_message(what.to_owned());
            }
            Progress::Finished(report) => {
                if let Some(bar) = bars.remove(&report.database) {
                    bar.finish_and_clear();
                }
            }
        }
    }

    fn spinner(&self, database: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:24} {elapsed:>4} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(database.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

/// What was done is told in full for one database; for more the counts say it, and --json has the rest.
fn print(report: &ProvisionReport) {
    let mut skipped = 0;
    let worked_on = report.databases.iter().filter(|database| database.status != Status::Skipped).count();
    let in_full = report.mode != Mode::Apply || worked_on == 1;
    for database in &report.databases {
        if database.status == Status::Skipped {
            skipped += 1;
            continue;
        }
        say!("{:24} {:>6.2} s  {}", database.database, database.seconds, summary(database, report.mode));
        for change in database.changes.iter().filter(|_| in_full) {
            say!("    {change}");
        }
        for difference in &database.drift {
            say!("    drift: {difference}");
        }
        if let Some(error) = &database.error {
            say!("    {error}");
        }
    }
    if skipped > 0 {
        say!("{skipped} databases of the registry have no schema yet");
    }
    say!("{:.2} s in all", report.seconds);
}

fn summary(database: &DatabaseReport, mode: Mode) -> String {
    match (database.status, mode) {
        (Status::Failed, _) => "FAILED".to_owned(),
        (Status::Drifted, _) => format!("{} differences", database.drift.len()),
        (_, Mode::Check) => "as its schema says".to_owned(),
        (_, Mode::Plan) if database.changes.is_empty() => "nothing to do".to_owned(),
        (_, Mode::Plan) => format!("{} changes to make", database.changes.len()),
        (_, Mode::Apply) if database.changes.is_empty() => "nothing changed".to_owned(),
        (_, Mode::Apply) => format!("{} changes made", database.changes.len()),
    }
}
