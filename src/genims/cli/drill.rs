//! `genims drill`: arguments in, a table of times or JSON out; exit code 1 when a database did not come back.

use super::conclude;
use anyhow::Context;
use clap::Args;
use genims_backup::backup;
use genims_backup::drill::{self, DrillReport};
use genims_databases::{Database, Environment, Registry};
use genims_terminal::say;
use std::path::PathBuf;
use std::process::ExitCode;

/// Save databases, restore each beside itself, count, drop the copy: how long it takes, and how much would be lost
#[derive(Debug, Args)]
pub(crate) struct DrillArgs {
    /// Databases, by name or module [default: all]
    #[arg(value_name = "DB")]
    databases: Vec<String>,
    /// Folder for the backups, which stay; without it they are deleted at the end
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: DrillArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let names = if args.databases.is_empty() { vec![backup::ALL.to_owned()] } else { args.databases };
    let databases = backup::chosen(&registry, &names)?;
    let passing = std::env::temp_dir().join(format!("genims-drill-{}", std::process::id()));
    let folder = args.to.as_ref().unwrap_or(&passing);
    let bar = genims_terminal::Progress::new("drill", "");
    let show = |database: &Database, what: &str| bar.show(format!("{}: {what}", database.name));
    let report = drill::run(&registry, environment, &databases, folder, &show).await;
    drop(bar);
    if args.to.is_none() && passing.exists() {
        std::fs::remove_dir_all(&passing).with_context(|| format!("{} cannot be removed", passing.display()))?;
    }
    let report = report?;
    if let Some(to) = &args.to {
        drill::keep(to, &report)?;
    }
    conclude(&report, args.json, print, report.ok())
}

fn print(report: &DrillReport) {
    say!("{:24} {:>10} {:>10} {:>12} {:>12}", "database", "backup", "RTO", "exposed", "rows");
    for database in &report.databases {
        let name = &database.database;
        match &database.error {
            None => say!(
                "{name:24} {:>8.2} s {:>8.2} s {:>10.2} s {:>12}",
                database.backup_seconds,
                database.restore_seconds,
                database.exposed_seconds,
                database.rows
            ),
            Some(error) => {
                say!("{name:24} FAILED");
                say!("    {error}");
            }
        }
    }
    say!("{:.2} s in all; exposed: what a loss now would cost where no log gives it again", report.seconds);
}
