//! `genims backup`, `genims backup list`: arguments in, a table or JSON out; exit code 1 when a database was not saved, or a backup
//! cannot be read.

use super::conclude;
use anyhow::Context;
use chrono::Utc;
use clap::{Args, Subcommand};
use genims_backup::backup::{self, BackupProgress, BackupReport};
use genims_backup::listing::{self, Listing};
use genims_databases::{Environment, Registry};
use genims_terminal::say;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub(crate) struct BackupArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// Databases, by name or module; `all` for every one
    #[arg(required = true, value_name = "DB|all")]
    databases: Vec<String>,
    /// Folder that gets a folder for each database, and in it one for each backup
    #[arg(long, value_name = "DIR", required = true)]
    to: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say which backups a folder has, and how old they are
    List {
        /// Folder that `genims backup` wrote to
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(args: BackupArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    match (args.action, args.to) {
        (Some(Action::List { from, json }), _) => list(&registry, &from, json),
        (None, Some(to)) => save(&registry, environment, &args.databases, &to, args.json).await,
        (None, None) => anyhow::bail!("no folder was named; add --to DIR"),
    }
}

async fn save(
    registry: &Registry,
    environment: &Environment,
    names: &[String],
    to: &Path,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let databases = backup::chosen(registry, names)?;
    let bar = genims_terminal::Progress::new("backup", "databases");
    bar.set_total(databases.len() as u64);
    let show = |progress: BackupProgress<'_>| match progress {
        BackupProgress::Step { database, what } => bar.show(format!("{database}: {what}")),
        BackupProgress::Bytes(bytes) => bar.show(size(bytes)),
        BackupProgress::Finished(_) => bar.advance(),
    };
    let report = backup::run(registry, environment, &databases, to, &show).await;
    drop(bar);
    let report = report?;
    conclude(&report, json, print, report.ok())
}

fn print(report: &BackupReport) {
    for database in &report.databases {
        let (name, seconds) = (&database.database, database.seconds);
        match (&database.path, &database.error) {
            (Some(path), _) => {
                let (rows, size) = (database.rows, size(database.bytes));
                say!("{name:24} {seconds:>7.2} s {rows:>12} rows {size:>10}  {}", path.display());
            }
            (None, error) => {
                say!("{name:24} {seconds:>7.2} s  FAILED");
                say!("    {}", error.as_deref().unwrap_or_default());
            }
        }
    }
    let saved = report.databases.iter().filter(|database| database.error.is_none()).count();
    say!("{saved} of {} databases saved, {:.2} s", report.databases.len(), report.seconds);
}

fn list(registry: &Registry, from: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let listing = listing::list(registry, from, Utc::now())?;
    if json {
        say!("{}", serde_json::to_string_pretty(&listing).context("the list as JSON")?);
    } else {
        print_list(&listing);
    }
    Ok(if listing.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_list(listing: &Listing) {
    for entry in &listing.backups {
        let path = entry.path.display();
        match (entry.age_seconds, &entry.error) {
            (Some(seconds), None) => {
                let (age, size) = (age(seconds), size(entry.bytes));
                say!("{:24} {age:>10} old {:>12} rows {size:>10}  {path}", entry.database, entry.rows);
            }
            (_, error) => say!("{:24} DAMAGED  {}", entry.database, error.as_deref().unwrap_or_default()),
        }
    }
    if !listing.missing.is_empty() {
        say!("no backup of {}", listing.missing.join(", "));
    }
}

/// In the largest units that say something.
fn age(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min", seconds / 60),
        3_600..=86_399 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..=999_999 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
