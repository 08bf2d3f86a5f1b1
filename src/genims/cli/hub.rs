//! `genims hub`: arguments in, a table or JSON out; exit code 1 when a schema failed or is not in step, or a question was not answered.

use super::conclude;
use anyhow::Context;
use chrono::{NaiveDate, Utc};
use clap::{Args, Subcommand};
use genims_databases::{Environment, Registry};
use genims_model::{counted, noun};
use genims_platform::hub::questions::{self, Answer, Hub};
use genims_platform::hub::{self, HubNames, HubReport, SchemaStatus};
use genims_terminal::{Progress, say};
use serde_json::Value;
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
    /// List the other names under which the platform's applications find tables there, and MongoDB's collections
    Names {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask questions that people of the plant ask over several databases; without a name, list them
    Ask {
        /// The questions
        names: Vec<String>,
        /// The day they are asked for, UTC; today when left out
        #[arg(long, value_name = "YYYY-MM-DD")]
        as_of: Option<NaiveDate>,
        /// Print the answers as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(args: HubArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    match args.action {
        Action::Provision { check, json } => provision(&registry, environment, check, json).await,
        Action::Names { json } => names(&registry, json),
        Action::Ask { names, json, .. } if names.is_empty() => list(json),
        Action::Ask { names, as_of, json } => {
            let day = as_of.unwrap_or_else(|| Utc::now().date_naive());
            ask(&registry, environment, &names, day, json).await
        }
    }
}

async fn provision(
    registry: &Registry,
    environment: &Environment,
    check: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let bar = Progress::new("hub provision", "schemas");
    let show = |what: &str| {
        bar.show(what);
        bar.advance();
    };
    let report = hub::run(registry, environment, check, &show).await;
    drop(bar);
    let report = report?;
    conclude(&report, json, print, report.ok())
}

fn names(registry: &Registry, json: bool) -> anyhow::Result<ExitCode> {
    let names = HubNames::load(registry)?.all();
    if json {
        say!("{}", serde_json::to_string_pretty(&names).context("the names as JSON")?);
    }
    for name in names.iter().filter(|_| !json) {
        say!("{:40} {:40} {}", name.name, name.stands_for, name.why);
    }
    Ok(ExitCode::SUCCESS)
}

fn list(json: bool) -> anyhow::Result<ExitCode> {
    let questions = questions::all()?;
    if json {
        say!("{}", serde_json::to_string_pretty(&questions).context("the questions as JSON")?);
    }
    for question in questions.iter().filter(|_| !json) {
        say!("{:40} {:16} {}", question.name, question.asks, question.question);
    }
    Ok(ExitCode::SUCCESS)
}

/// Each is asked, also after one that could not be answered.
async fn ask(
    registry: &Registry,
    environment: &Environment,
    names: &[String],
    day: NaiveDate,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let questions = questions::named(names)?;
    let mut hub = Hub::open(registry, environment).await?;
    let (mut told, mut unanswered) = (Vec::new(), false);
    for question in &questions {
        match hub.ask(question, day).await {
            Ok(answer) if json => told.push(serde_json::to_value(&answer).context("an answer as JSON")?),
            Ok(answer) => show(&answer),
            Err(error) => {
                unanswered = true;
                if json {
                    told.push(serde_json::json!({ "name": question.name, "error": error.to_string() }));
                } else {
                    say!("{}: {error}", question.name);
                }
            }
        }
    }
    if json {
        say!("{}", serde_json::to_string_pretty(&told).context("the answers as JSON")?);
    }
    Ok(if unanswered { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A table as wide as its values.
fn show(answer: &Answer) {
    say!("{} ({})", answer.question.question, answer.question.asks);
    let cell = |row: &Value, column: &String| match &row[column.as_str()] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut lines = vec![answer.columns.clone()];
    lines.extend(answer.rows.iter().map(|row| answer.columns.iter().map(|column| cell(row, column)).collect()));
    let width = |index: usize| {
        lines.iter().filter_map(|line: &Vec<String>| line.get(index)).map(|text| text.chars().count()).max()
    };
    let widths: Vec<usize> = (0..answer.columns.len()).map(|index| width(index).unwrap_or_default()).collect();
    for line in &lines {
        let padded: Vec<String> = line.iter().zip(&widths).map(|(text, &width)| format!("{text:width$}")).collect();
        say!("  {}", padded.join("  ").trim_end());
    }
    let verdict = if answer.is_sensible { "as it should be" } else { "NOT what it should be" };
    say!("  {}, {verdict}: {}", counted(answer.rows.len(), "row"), answer.question.sensible);
    say!("");
}

fn print(report: &HubReport) {
    for schema in &report.schemas {
        let what = match schema.status {
            SchemaStatus::Same => "in step",
            SchemaStatus::Imported => "imported",
            SchemaStatus::Stale => "NOT in step; run `genims hub provision`",
            SchemaStatus::Failed => "FAILED",
        };
        say!("{:36} {:>4} {:<6}  {what}", schema.schema, schema.tables, noun(schema.tables, "table"));
        if !schema.left_out.is_empty() {
            say!("    left out, because of types of their own: {}", schema.left_out.join(", "));
        }
        if let Some(error) = &schema.error {
            say!("    {error}");
        }
    }
    say!("{} in {:.2} s", report.place, report.seconds);
}
