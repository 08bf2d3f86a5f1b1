//! `genims provision`: arguments in, a table or JSON out; exit code 1 when a database failed or drifted.

use super::conclude;
use genims_databases::{Environment, Registry};
use genims_model::counted;
use genims_platform::provision::{
    self, Mode, ProvisionOptions, ProvisionProgress, ProvisionReport, ProvisionStatus, ProvisionedDatabase,
};
use genims_terminal::say;
use std::path::PathBuf;
use std::process::ExitCode;

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

pub(crate) async fn run(args: ProvisionArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(args.registry.as_deref())?;
    let mode = match (args.plan, args.check) {
        (true, _) => Mode::Plan,
        (_, true) => Mode::Check,
        _ => Mode::Apply,
    };
    let bar = genims_terminal::Progress::new("provision", "databases");
    let show = |progress: ProvisionProgress<'_>| match progress {
        ProvisionProgress::Step { database, what } => bar.show(format!("{database}: {what}")),
        ProvisionProgress::Finished(_) => bar.advance(),
    };
    let options = ProvisionOptions { only: args.only, mode };
    let report = provision::run(&registry, environment, &options, &show).await;
    drop(bar);
    let report = report?;
    conclude(&report, args.json, print, report.ok())
}

/// What was done is told in full for one database; for more the counts say it, and --json has the rest.
fn print(report: &ProvisionReport) {
    let mut skipped = 0;
    let worked_on = report.databases.iter().filter(|database| database.status != ProvisionStatus::Skipped).count();
    let in_full = report.mode != Mode::Apply || worked_on == 1;
    for database in &report.databases {
        if database.status == ProvisionStatus::Skipped {
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
        say!("without a schema as yet: {} of the registry", counted(skipped, "database"));
    }
    say!("{:.2} s in all", report.seconds);
}

fn summary(database: &ProvisionedDatabase, mode: Mode) -> String {
    match (database.status, mode) {
        (ProvisionStatus::Failed, _) => "FAILED".to_owned(),
        (ProvisionStatus::Drifted, _) => counted(database.drift.len(), "difference"),
        (_, Mode::Check) => "as its schema says".to_owned(),
        (_, Mode::Plan) if database.changes.is_empty() => "nothing to do".to_owned(),
        (_, Mode::Plan) => format!("{} to make", counted(database.changes.len(), "change")),
        (_, Mode::Apply) if database.changes.is_empty() => "nothing changed".to_owned(),
        (_, Mode::Apply) => format!("{} made", counted(database.changes.len(), "change")),
    }
}
