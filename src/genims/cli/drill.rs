//! `genims drill`: arguments in, a table of times or JSON out; exit code 1 when a database did not come back.

use super::backup::EncryptionArgs;
use super::{conclude, restore};
use anyhow::Context;
use clap::Args;
use genims_backup::drill::{self, DrillKeys, DrillReport};
use genims_backup::encryption::Identities;
use genims_backup::point::drill::{self as point_drill, DrillMoment, PointDrillReport};
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
    /// Bring each to this moment instead, with its zone, like 2026-02-11T09:30:00Z; `newest`: the newest that is held of its server
    #[arg(long, value_name = "TIME|newest", requires = "from", value_parser = moment)]
    point: Option<DrillMoment>,
    /// Folder that `genims backup servers` writes to
    #[arg(long, value_name = "DIR", requires = "point", conflicts_with_all = ["to", "recipients", "recipients_file"])]
    from: Option<PathBuf>,
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
    if let (Some(from), Some(moment)) = (&args.from, args.point) {
        let bar = genims_terminal::Progress::new("drill", "");
        let show = |database: &Database, what: &str| bar.show(format!("{}: {what}", database.name));
        let from = (from.as_path(), moment);
        let report = point_drill::run(&registry, environment, &databases, from, identities.as_ref(), &show).await;
        drop(bar);
        let report = report?;
        return conclude(&report, args.json, print_points, report.ok());
    }
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

fn moment(text: &str) -> Result<DrillMoment, String> {
    if text == "newest" {
        return Ok(DrillMoment::Newest);
    }
    restore::moment(text).map(DrillMoment::At)
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

fn print_points(report: &PointDrillReport) {
    say!("{:24} {:>10} {:>24} {:>12} {:>12}", "database", "RTO", "moment", "exposed", "rows");
    for database in &report.databases {
        let name = &database.database;
        match (database.point, &database.error) {
            (Some(point), None) => say!(
                "{name:24} {:>8.2} s {:>24} {:>10.2} s {:>12}",
                database.restore_seconds,
                point.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
                database.exposed_seconds,
                database.rows
            ),
            (_, error) => {
                say!("{name:24} FAILED");
                say!("    {}", error.as_deref().unwrap_or_default());
            }
        }
    }
    if !report.left_out.is_empty() {
        say!("no moments of their own: {}", report.left_out.join(", "));
    }
    say!("{:.2} s in all; exposed: how old the newest moment is that is held", report.seconds);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_newest_or_has_its_zone() {
        assert_eq!(moment("newest"), Ok(DrillMoment::Newest));
        let at = "2026-02-11T09:30:00Z".parse().map(DrillMoment::At);
        assert_eq!(moment("2026-02-11T10:30:00+01:00"), Ok(at.unwrap()));
        assert!(moment("yesterday").is_err() && moment("2026-02-11 09:30:00").is_err());
    }

    #[test]
    fn what_a_drill_saves_in_passing_is_nobody_elses_and_no_folder_that_can_be_guessed() {
        let guessed = std::env::temp_dir().join(format!("genims-drill-{}", std::process::id()));
        let (one, two) = (passing_folder().unwrap(), passing_folder().unwrap());
        assert!(one.path() != two.path() && one.path() != guessed);
        assert_eq!(one.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}
