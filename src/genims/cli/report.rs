//! `genims report`: arguments in, a report on standard output or in a folder; exit code 1 when something could not be looked at.

use super::conclude;
use super::deadletter::shown;
use anyhow::{Context, ensure};
use chrono::{Days, NaiveDate, Utc};
use clap::{Args, Subcommand};
use genims::compliance::gather;
use genims::settings::Settings;
use genims_databases::{Environment, Registry};
use genims_model::counted;
use genims_platform::compliance::{ComplianceReport, ReportSection, keep};
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
        lines(section).iter().for_each(|line| say!("{line}"));
    }
}

/// Names come from whoever knocked: what they say must not reach the terminal as it is.
fn lines(section: &ReportSection) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", section.title, counted(section.rows.len(), "row"))];
    if let Some(error) = &section.error {
        lines.push(format!("    NOT LOOKED AT: {}", shown(error)));
    }
    for row in &section.rows {
        let values = section.columns.iter().zip(row).filter(|(_, value)| !value.is_empty());
        let values: Vec<String> = values.map(|(column, value)| format!("{column} {}", shown(value))).collect();
        lines.push(format!("    {}", values.join(", ")));
    }
    if section.is_cut {
        lines.push("    and more".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_typed_does_not_reach_the_terminal_as_it_is() {
        let section = ReportSection {
            name: "sign_ins",
            title: "Refused sign-ins",
            says: "Of the day.",
            columns: &["name", "times"],
            rows: vec![vec!["\u{1b}[2Jroot\n".to_owned(), "3".to_owned()]],
            is_cut: true,
            error: None,
        };
        assert_eq!(lines(&section), ["Refused sign-ins: 1 row", "    name \\u{1b}[2Jroot\\n, times 3", "    and more"]);
    }
}
