//! `genims backup`, `genims backup due | servers | list`: arguments in, a table or JSON out; exit code 1 when a database was not
//! saved, or a backup cannot be read or removed.

use super::backup_shown::{on, print_encrypted, size};
use super::{backup_servers, conclude};
use anyhow::Context;
use chrono::Utc;
use clap::{Args, Subcommand};
use genims_backup::backup::{self, BackedUpDatabase, BackupProgress, BackupReport};
use genims_backup::due::{self, DueReport};
use genims_backup::encryption::Recipients;
use genims_backup::listing::{self, ListedBackup, Listing};
use genims_backup::{BackupError, Location};
use genims_databases::{Database, Environment, Registry};
use genims_model::{counted, noun};
use genims_terminal::{Progress, say};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub(crate) struct BackupArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// Databases, by name or module; `all` for every one
    #[arg(required = true, value_name = "DB|all")]
    databases: Vec<String>,
    /// Folder that gets a folder for each database, and in it one for each backup; or s3://BUCKET/PREFIX
    #[arg(long, value_name = "DIR", required = true)]
    to: Option<PathBuf>,
    #[command(flatten)]
    encryption: EncryptionArgs,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

// For whom backups are encrypted; without any of it they are in clear. (What `///` says would stand above the help of each command.)
#[derive(Debug, Args)]
pub(crate) struct EncryptionArgs {
    /// Encrypt for this recipient of age (age1...); may be given several times, each opens it alone
    #[arg(long = "recipient", value_name = "age1...")]
    recipients: Vec<String>,
    /// Encrypt for the recipients in this file, one a line
    #[arg(long, value_name = "FILE")]
    recipients_file: Option<PathBuf>,
}

impl EncryptionArgs {
    pub(crate) fn recipients(&self) -> Result<Option<Recipients>, BackupError> {
        Recipients::named(&self.recipients, self.recipients_file.as_deref())
    }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Save what is due by the registry, then remove what was kept for long enough; for a timer that runs it each hour
    Due {
        /// Databases, by name or module [default: all]
        #[arg(value_name = "DB")]
        databases: Vec<String>,
        /// Folder of the backups, or s3://BUCKET/PREFIX
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        #[command(flatten)]
        encryption: EncryptionArgs,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Copy whole servers where that is due, and keep what their own logs say, so that `restore --point` reaches any moment; for a
    /// timer that runs it every few minutes
    Servers {
        /// Databases whose servers are meant, by name or module [default: all]
        #[arg(value_name = "DB")]
        databases: Vec<String>,
        /// Folder of the backups; a place in S3 is refused
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        #[command(flatten)]
        encryption: EncryptionArgs,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say which backups there are, and how old they are
    List {
        /// Folder that `genims backup` wrote to, or s3://BUCKET/PREFIX
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
        (Some(Action::Due { databases, to, encryption, json }), _) => {
            let (databases, recipients) = (backup::chosen(&registry, &databases)?, encryption.recipients()?);
            let to = Location::named(&to, environment)?;
            look_after(&registry, environment, &databases, &to, recipients.as_ref(), json).await
        }
        (Some(Action::Servers { databases, to, encryption, json }), _) => {
            let (databases, recipients) = (backup::chosen(&registry, &databases)?, encryption.recipients()?);
            backup_servers::keep(&registry, environment, &databases, &to, recipients.as_ref(), json).await
        }
        (Some(Action::List { from, json }), _) => {
            list(&registry, environment, &Location::named(&from, environment)?, json)
        }
        (None, Some(to)) => {
            let recipients = args.encryption.recipients()?;
            let databases = backup::chosen(&registry, &args.databases)?;
            let to = Location::named(&to, environment)?;
            save(&registry, environment, &databases, &to, recipients.as_ref(), args.json).await
        }
        (None, None) => anyhow::bail!("no folder was named; add --to DIR"),
    }
}

async fn save(
    registry: &Registry,
    environment: &Environment,
    databases: &[&Database],
    to: &Location,
    recipients: Option<&Recipients>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let bar = Progress::new("backup", "databases");
    bar.set_total(databases.len() as u64);
    let show = |progress: BackupProgress<'_>| on(&bar, progress);
    let report = backup::run(registry, environment, databases, to, recipients, &show).await;
    drop(bar);
    let report = report?;
    conclude(&report, json, print, report.ok())
}

async fn look_after(
    registry: &Registry,
    environment: &Environment,
    databases: &[&Database],
    to: &Location,
    recipients: Option<&Recipients>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let bar = Progress::new("backup", "databases");
    let show = |progress: BackupProgress<'_>| on(&bar, progress);
    let report = due::run(registry, environment, databases, to, recipients, &Utc::now, &show).await;
    drop(bar);
    let report = report?;
    conclude(&report, json, print_due, report.ok())
}

fn print_due(report: &DueReport) {
    let (mut saved, mut removed) = (0, 0);
    for database in &report.databases {
        if let Some(backup) = &database.saved {
            print_saved(backup);
            saved += usize::from(backup.error.is_none());
        }
        for backup in &database.removed {
            say!("{:24} removed {}: {}", database.database, backup.path.display(), backup.why);
            removed += 1;
        }
        for others in &database.not_counted {
            say!("{:24} not counted, and stay: {others}", database.database);
        }
        if let Some(error) = &database.error {
            say!("{:24} FAILED", database.database);
            say!("    {error}");
        }
    }
    let due = report.databases.iter().filter(|database| database.saved.is_some()).count();
    let all = report.databases.len();
    let (of, were) = (counted(all, "database"), if all == 1 { "was" } else { "were" });
    let removed = counted(removed, "backup");
    say!("{due} of {of} {were} due, {saved} saved; {removed} removed; {:.2} s", report.seconds);
    print_encrypted(&report.encrypted_for);
    if let Some(next) = report.databases.iter().filter_map(|database| database.next_at).min() {
        say!("next at {}", next.format("%Y-%m-%d %H:%M UTC"));
    }
}

fn print(report: &BackupReport) {
    report.databases.iter().for_each(print_saved);
    let saved = report.databases.iter().filter(|database| database.error.is_none()).count();
    say!("{saved} of {} saved, {:.2} s", counted(report.databases.len(), "database"), report.seconds);
    print_encrypted(&report.encrypted_for);
}

fn print_saved(database: &BackedUpDatabase) {
    let (name, seconds) = (&database.database, database.seconds);
    match (&database.path, &database.error) {
        (Some(path), _) => {
            let (rows, size) = (database.rows, size(database.bytes));
            let row = noun(rows, "row");
            say!("{name:24} {seconds:>7.2} s {rows:>12} {row:<4} {size:>10}  {}", path.display());
        }
        (None, error) => {
            say!("{name:24} {seconds:>7.2} s  FAILED");
            say!("    {}", error.as_deref().unwrap_or_default());
        }
    }
}

fn list(registry: &Registry, environment: &Environment, from: &Location, json: bool) -> anyhow::Result<ExitCode> {
    let listing = listing::list(registry, environment, from, Utc::now())?;
    if json {
        say!("{}", serde_json::to_string_pretty(&listing).context("the list as JSON")?);
    } else {
        print_list(&listing);
    }
    Ok(if listing.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_list(listing: &Listing) {
    listing.backups.iter().for_each(print_listed);
    for points in &listing.points {
        let told = backup_servers::told(&points.held);
        say!("server {:17} {told}  {}", points.place, points.folder.display());
        points.damaged.iter().for_each(|damaged| say!("{:24} DAMAGED  {damaged}", points.place));
    }
    if !listing.missing.is_empty() {
        say!("no backup of {}", listing.missing.join(", "));
    }
    if !listing.due.is_empty() {
        say!("due: {}", listing.due.join(", "));
    }
}

fn print_listed(entry: &ListedBackup) {
    let (name, path) = (&entry.database, entry.path.display());
    if let Some(error) = &entry.error {
        say!("{name:24} DAMAGED  {error}");
        return;
    }
    let how = if entry.encrypted { "  encrypted" } else { "" };
    let remark = entry.remark.as_ref().map(|remark| format!("  {remark}")).unwrap_or_default();
    match entry.age_seconds {
        Some(seconds) => {
            let (age, size) = (age(seconds), size(entry.bytes));
            let row = noun(entry.rows, "row");
            say!("{name:24} {age:>10} old {:>12} {row:<4} {size:>10}  {path}{how}{remark}", entry.rows);
        }
        None => say!("{name:24} {path}{remark}"),
    }
}

/// In the largest units that say something.
fn age(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min", seconds / 60),
        3_600..=86_399 => format!("{} h", seconds / 3_600),
        _ => counted(seconds / 86_400, "day"),
    }
}
