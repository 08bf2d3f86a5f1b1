//! `genims hub`: arguments in, a table or JSON out; exit code 1 when a schema failed or is not in step.

use anyhow::Context;
use clap::{Args, Subcommand};
use genims_databases::{Environment, Registry};
use genims_platform::hub::{self, HubReport, Names, Status};
use genims_terminal::{Progress, say};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct HubArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the hub, or bring it in step with the databases; harmless to repeat
    Provision {
        /// Say what is not in step and change nothing; then the exit code is 1
        #[arg(long)]
        check: bool,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the other names under which the platform's applications find tables there
    Names {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(args: HubArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    match args.action {
        Action::Provision { check, json } => {
            let bar = Progress::new("hub provision", "schemas");
            let show = |what: &str| {
                bar.show(what);
                bar.advance();
            };
            let report = hub::run(&registry, environment, check, &show).await;
            drop(bar);
            let report = report?;
            if json {
                say!("{}", serde_json::to_string_pretty(&report).context("the report as JSON")?);
            } else {
                print(&report);
            }
            Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Action::Names { json } => {
            let names = Names::load(&registry)?.all();
            if json {
                say!("{}", serde_json::to_string_pretty(&names).context("the names as JSON")?);
            }
            for name in names.iter().filter(|_| !json) {
                say!("{:36} {:40} {}", name.name, name.stands_for, name.why);
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn print(report: &HubReport) {
    for schema in &report.schemas {
        let what = match schema.status {
            Status::Same => "in step",
            Status::Imported => "imported",
            Status::Stale => "NOT in step; run `genims hub provision`",
            Status::Failed => "FAILED",
        };
        say!("{:36} {:>4} tables  {what}", schema.schema, schema.tables);
        if !schema.left_out.is_empty() {
            say!("    left out, because of types of their own: {}", schema.left_out.join(", "));
        }
        if let Some(error) = &schema.error {
            say!("    {error}");
        }
    }
    say!("{} in {:.2} s", report.place, report.seconds);
}
