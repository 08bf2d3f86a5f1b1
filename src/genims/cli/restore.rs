//! `genims restore`: arguments in, what stands now out, as text or JSON; an error when it is not what the backup holds.

use super::conclude;
use chrono::{DateTime, Utc};
use clap::Args;
use genims_backup::Location;
use genims_backup::encryption::Identities;
use genims_backup::point;
use genims_backup::restore::{self, EmptiedMirror, RestoreReport, RestoreRequest};
use genims_databases::{Environment, Registry};
use genims_model::counted;
use genims_terminal::say;
use std::path::PathBuf;
use std::process::ExitCode;

/// Bring a database back from a backup; every byte is checked before anything is touched
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// Name or module
    #[arg(value_name = "DB")]
    database: String,
    /// Folder that `genims backup` wrote to, or s3://BUCKET/PREFIX, for the newest complete backup in it, of its own server if there is one; or the folder of one backup
    #[arg(long, value_name = "DIR", required_unless_present = "from_postgres")]
    from: Option<PathBuf>,
    /// Of genims_production: no backup; the running server gives the stream's part again, from its log and from PostgreSQL
    #[arg(long, conflicts_with_all = ["from", "name", "identity", "point"])]
    from_postgres: bool,
    /// With --from-postgres: lose readings and snapshots that MongoDB holds and PostgreSQL lacks
    #[arg(long, requires = "from_postgres")]
    lose_readings: bool,
    /// Restore it under another name on the same server; nobody is given a way into the copy
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// As it was at this moment, out of what `genims backup servers` keeps; with its zone, like 2026-02-11T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    point: Option<DateTime<Utc>>,
    /// File with the age identity that opens an encrypted backup; nobody else may read it
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Lose the tables that stand where it goes
    #[arg(long)]
    replace: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: RestoreArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let database = registry.get(&args.database)?;
    let identities = args.identity.as_deref().map(Identities::read).transpose()?;
    let bar = genims_terminal::Progress::new("restore", "");
    let show = |what: &str| bar.show(what);
    let wanted = RestoreRequest {
        database,
        environment,
        name: args.name.as_deref(),
        identities: identities.as_ref(),
        replace: args.replace,
        show: &show,
    };
    let Some(from) = &args.from else {
        let emptied = restore::mirror(&registry, &wanted, args.lose_readings).await;
        drop(bar);
        return conclude(&emptied?, args.json, print_mirror, true);
    };
    let report = match args.point {
        Some(point) => point::run(&registry, &wanted, from, point).await,
        None => restore::run(&registry, &wanted, &Location::named(from, environment)?).await,
    };
    drop(bar);
    let report = report?;
    conclude(&report, args.json, print, true)
}

pub(super) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let read = DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc());
    read.map_err(|_| "write it with its zone, like 2026-02-11T09:30:00Z".to_owned())
}

fn print_mirror(mirror: &EmptiedMirror) {
    say!("{}: what `genims serve` gives again by itself, from its log and from PostgreSQL, is empty", mirror.place);
    for (collection, documents) in &mirror.gone {
        say!("    {collection}: {} gone", counted(*documents, "document"));
    }
    for change in &mirror.changes {
        say!("    {change}");
    }
    say!("{:.2} s in all", mirror.seconds);
}

fn print(report: &RestoreReport) {
    say!("{}: {} from {}", report.place, counted(report.rows, "row"), report.from.display());
    say!("as it was at {}", report.backup_begun_at.format("%Y-%m-%d %H:%M:%S UTC"));
    if let Some(server) = &report.other_server {
        say!("saved from another server: {server}");
    }
    for other in &report.passed_over {
        say!("passed over {}: {}", other.path.display(), other.why);
    }
    for position in &report.log_positions {
        say!("{} goes on with the log {} at {}", position.sink, position.log, position.next_offset);
    }
    for change in &report.changes {
        say!("    {change}");
    }
    say!("{:.2} s in all", report.seconds);
}
