//! `genims audit`: the trail examined, and handed to auditors. In: MySQL's audit tables, the heads of the data folder and of
//! MongoDB. Out: what differs, or the entries of a span; exit code 1 when anything was altered, cut off or added.

use super::conclude;
use anyhow::{Context, bail};
use chrono::{NaiveDate, NaiveDateTime};
use clap::{Args, Subcommand, ValueEnum};
use genims::settings::Settings;
use genims_changes::ChangesError;
use genims_changes::export::{self, ExportRange, Exported};
use genims_changes::prune::Prune;
use genims_changes::verify::{self, Outside, TrailReport, VerifiedTrail};
use genims_databases::configured::if_configured;
use genims_databases::{Environment, MongoSettings, MysqlSettings, Registry};
use genims_model::{counted, noun};
use genims_terminal::say;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Find every edit, deletion, insertion or cut of the audit trail; exit code 1 if there is one
    Verify {
        /// Only the changes of this database, by name or module
        #[arg(long, value_name = "DB")]
        database: Option<String>,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Hand out the entries of a span of time, each with its hashes and whether they are true
    Export {
        /// First day or moment, UTC: 2026-01-31, 2026-01-31T08:00:00
        #[arg(long, value_name = "TIME", value_parser = first_moment)]
        from: NaiveDateTime,
        /// Last day (all of it) or the moment before which to stop
        #[arg(long, value_name = "TIME", value_parser = last_moment)]
        to: NaiveDateTime,
        #[arg(long, value_enum, default_value = "csv")]
        format: Format,
        /// Only the changes of this database, by name or module
        #[arg(long, value_name = "DB")]
        database: Option<String>,
        /// Write to this file instead of standard output
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Delete the oldest entries whose retention is over and leave a checkpoint; without --yes only say which
    Prune {
        /// Entries that occurred before this day or moment, UTC
        #[arg(long, value_name = "TIME", value_parser = first_moment)]
        before: NaiveDateTime,
        /// Do it
        #[arg(long)]
        yes: bool,
        /// Print what goes as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Csv,
    /// One object a line
    Json,
}

fn moment(text: &str) -> Result<(NaiveDateTime, bool), String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok((day.and_time(chrono::NaiveTime::MIN), true));
    }
    let moment = text.trim_end_matches('Z').replacen(' ', "T", 1).parse::<NaiveDateTime>();
    moment.map(|moment| (moment, false)).map_err(|_| "write 2026-01-31 or 2026-01-31T08:00:00, UTC".to_owned())
}

fn first_moment(text: &str) -> Result<NaiveDateTime, String> {
    moment(text).map(|(moment, _)| moment)
}

fn last_moment(text: &str) -> Result<NaiveDateTime, String> {
    match moment(text)? {
        (day, true) => day.checked_add_days(chrono::Days::new(1)).ok_or_else(|| "there is no day after it".to_owned()),
        (moment, false) => Ok(moment),
    }
}

pub(crate) async fn run(args: AuditArgs, settings: &Settings, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let mysql = MysqlSettings::from_environment(registry.get("genims_audit_db")?, environment)?;
    let named = |database: Option<String>| -> anyhow::Result<Option<String>> {
        Ok(database.map(|name| registry.get(&name).map(|entry| entry.name.clone())).transpose()?)
    };
    match args.command {
        AuditCommand::Verify { database, json } => {
            // Before the trail: what is delivered meanwhile is behind them.
            let mongo = mongo(&registry, environment)?;
            let remark =
                |error: &ChangesError| eprintln!("genims: what MongoDB keeps of the trail is not compared: {error}");
            let outside = Outside::read(&settings.data_dir, mongo.as_ref(), &remark).await?;
            let report = verify::verify(&mysql, &outside, named(database)?.as_deref()).await?;
            conclude(&report, json, print, report.ok())
        }
        AuditCommand::Export { from, to, format, database, output } => {
            if to <= from {
                bail!("--to is not behind --from");
            }
            let wanted = ExportRange { from, to, database: named(database)? };
            let format = match format {
                Format::Csv => export::Format::Csv,
                Format::Json => export::Format::Json,
            };
            let exported = match &output {
                Some(path) => {
                    let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
                    export::export(&mysql, &wanted, format, BufWriter::new(file)).await?
                }
                None => export::export(&mysql, &wanted, format, BufWriter::new(io::stdout())).await?,
            };
            Ok(told(exported))
        }
        AuditCommand::Prune { before, yes, json } => {
            let mongo = mongo(&registry, environment)?;
            let audit = registry.get("genims_audit_db")?;
            let data_dir = &settings.data_dir;
            let prune = Prune { settings: &mysql, audit, data_dir, mongo: mongo.as_ref(), before, delete: yes };
            let pruned = prune.run().await?;
            if json {
                say!("{}", serde_json::to_string_pretty(&pruned).context("what goes as JSON")?);
                return Ok(ExitCode::SUCCESS);
            }
            for one in &pruned {
                let last = one.checkpoint.write.position;
                let counts = counts(one.writes.unsigned_abs(), one.changes.unsigned_abs());
                say!("{:26} {counts}, to position {last}", one.database);
            }
            say!("{}", if yes { "Deleted." } else { "Nothing was deleted: run this with --yes." });
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn mongo(registry: &Registry, environment: &Environment) -> anyhow::Result<Option<MongoSettings>> {
    Ok(if_configured(MongoSettings::from_environment(registry.get("genims_production")?, environment))?)
}

/// One below the other.
fn counts(writes: u64, changes: u64) -> String {
    format!("{writes:>9} {:<6} {changes:>9} {:<7}", noun(writes, "write"), noun(changes, "change"))
}

fn print(report: &TrailReport) {
    for database in &report.databases {
        let VerifiedTrail { writes, changes, seals, .. } = database;
        let heads = if database.heads.is_empty() {
            "no head".to_owned()
        } else {
            format!("heads in {}", database.heads.join(" and "))
        };
        let verdict = match database.findings_total {
            0 => "untouched".to_owned(),
            count => counted(count, "FINDING").to_uppercase(),
        };
        let seals = format!("{seals:>7} {}", noun(*seals, "seal"));
        say!("{:26} {} {seals}, {heads}: {verdict}", database.database, counts(*writes, *changes));
        for finding in &database.findings {
            say!("    {} {}: {}", finding.chain, finding.position, finding.what);
        }
    }
    if report.databases.is_empty() {
        say!("The trail is empty.");
    }
}

/// Beside the export, which may be on standard output.
fn told(exported: Exported) -> ExitCode {
    let Exported { entries, altered } = exported;
    if altered == 0 {
        eprintln!("{}, each with true hashes", counted(entries, "entry"));
        return ExitCode::SUCCESS;
    }
    let entries = counted(entries, "entry");
    eprintln!("{entries}, {altered} of them ALTERED; `genims audit verify` says which and how");
    ExitCode::FAILURE
}
