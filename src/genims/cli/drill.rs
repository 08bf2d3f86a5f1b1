//! `genims drill`: arguments in, a table of times or JSON out; exit code 1 when a database did not come back.

use super::backup::EncryptionArgs;
use super::conclude;
use anyhow::Context;
use clap::Args;
use genims_backup::drill::{self, DrillKeys, DrillReport};
use genims_backup::encryption::Identities;
use genims_backup::{Location, backup};
use genims_databases::{Database, Environment, Registry};
use genims_model::counted;
use genims_terminal::say;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitCode;
use tempfile::TempDir;

/// Save databases, restore each beside itself, count, drop the copy: how long it takes, and how much would be lost
#[derive(Debug, Args)]
pub(crate) struct DrillArgs {
    /// Databases, by name or module [default: all]
    #[arg(value_name = "DB")]
    databases: Vec<String>,
    /// Folder for the backups, which stay, or s3://BUCKET/PREFIX; without it they are deleted at the end
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    #[command(flatten)]
    encryption: EncryptionArgs,
    /// File with the age identity that opens what is encrypted; nobody else may read it
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: DrillArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let databases = backup::chosen(&registry, &args.databases)?;
    let recipients = args.encryption.recipients()?;
    let identities = args.identity.as_deref().map(Identities::read).transpose()?;
    let keys = DrillKeys::of(recipients.as_ref(), identities.as_ref())?;
    let (folder, passing) = match &args.to {
        Some(to) => (Location::named(to, environment)?, None),
        None => {
            let passing = passing_folder()?;
            (Location::from(passing.path()), Some(passing))
        }
    };
    let bar = genims_terminal::Progress::new("drill", "");
    let show = |database: &Database, what: &str| bar.show(format!("{}: {what}", database.name));
    let report = drill::run(&registry, environment, &databases, &folder, keys, &show).await;
    drop(bar);
    if let Some(passing) = passing {
        let path = passing.path().display().to_string();
        passing.close().with_context(|| format!("{path} cannot be removed"))?;
    }
    let report = report?;
    if args.to.is_some() {
        drill::keep(&folder, &report)?;
    }
    conclude(&report, args.json, print, report.ok())
}

/// Where others can neither look nor put a backup of theirs: what lies there is restored by the owners' logins.
fn passing_folder() -> anyhow::Result<TempDir> {
    let ours = Permissions::from_mode(0o700);
    let made = tempfile::Builder::new().prefix("genims-drill-").permissions(ours).tempdir();
    made.context("no folder for the backups can be made; name one: --to DIR")
}

fn print(report: &DrillReport) {
    say!("{:24} {:>10} {:>10} {:>12} {:>12} {:>12}", "database", "backup", "RTO", "exposed", "", "rows");
    for database in &report.databases {
        let name = &database.database;
        match &database.error {
            None => say!(
                "{name:24} {:>8.2} s {:>8.2} s {:>10.2} s {:>12} {:>12}",
                database.backup_seconds,
                database.restore_seconds,
                database.exposed_seconds,
                counted(database.exposed_rows, "row"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_drill_saves_in_passing_is_nobody_elses_and_no_folder_that_can_be_guessed() {
        let guessed = std::env::temp_dir().join(format!("genims-drill-{}", std::process::id()));
        let (one, two) = (passing_folder().unwrap(), passing_folder().unwrap());
        assert!(one.path() != two.path() && one.path() != guessed);
        assert_eq!(one.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}
