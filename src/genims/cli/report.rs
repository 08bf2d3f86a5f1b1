//! `genims report`: arguments in, a report on standard output or in a folder; exit code 1 when something could not be looked at.

use super::conclude;
use anyhow::{Context, ensure};
use chrono::{Days, NaiveDate, Utc};
use clap::{Args, Subcommand};
use genims::compliance::gather;
use genims::settings::Settings;
use genims_databases::{Environment, Registry};
use genims_model::counted;
use genims_platform::compliance::{ComplianceReport, keep};
use genims_terminal::say;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    report: Report,
}

#[derive(Debug, Subcommand)]
enum Report {
    /// What an auditor of a plant asks about a day: who changed what, who was refused, whether the audit trail is unbroken, what is
    /// overdue, open or held; `serve` writes that of the day before at 03:00 UTC into `compliance` of its data folder
    Compliance {
        /// The day (2026-11-28), of UTC, once it is over [default: yesterday]
        #[arg(long, value_name = "DAY")]
        day: Option<NaiveDate>,
        /// Write it into this folder, as HTML and as CSV
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(args: ReportArgs, settings: &Settings, environment: &Environment) -> anyhow::Result<ExitCode> {
    let Report::Compliance { day, to, json } = args.report;
    let (registry, now) = (Registry::load(None)?, Utc::now());
    let today = now.date_naive();
    let day = match day {
        Some(day) => day,
        None => today.checked_sub_days(Days::new(1)).context("there is no day before today")?,
    };
    // What it says would be of a part of the day, and the day would count as reported.
    ensure!(
        day < today,
        "{day} is not over: by UTC it is {today}, and the newest day that can be reported is the one before it"
    );
    let report = gather(settings, environment, &registry, day, now).await;
    let written = match &to {
        Some(folder) => {
            let written = keep::write(folder, &report);
            Some(written.with_context(|| format!("the report cannot be written into {}", folder.display()))?)
        }
        None => None,
    };
    let print = |report: &ComplianceReport| {
        print(report);
        if let Some(page) = &written {
            say!("written: {}", page.display());
        }
    };
    conclude(&report, json, print, report.is_complete())
}

fn print(report: &ComplianceReport) {
    say!("compliance report of {}", report.day);
    for section in &report.sections {
        say!("");
        say!("{}: {}", section.title, counted(section.rows.len(), "row"));
        if let Some(error) = &section.error {
            say!("    NOT LOOKED AT: {error}");
        }
        for row in &section.rows {
            let values = section.columns.iter().zip(row).filter(|(_, value)| !value.is_empty());
            let values: Vec<String> = values.map(|(column, value)| format!("{column} {value}")).collect();
            say!("    {}", values.join(", "));
        }
        if section.is_cut {
            say!("    and more");
        }
    }
}
