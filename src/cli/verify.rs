//! `genims verify`: the ledger against what the databases really hold; exit code 1 on any violation.

use clap::Args;
use genims::databases::{Environment, MongoSettings, PostgresSettings, Registry};
use genims::platform::verify;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: VerifyArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let postgres = PostgresSettings::from_environment(registry.get("genims_operations_db")?, environment)?;
    let mongodb = MongoSettings::from_environment(registry.get("genims_production")?, environment)?;
    let verdict = verify::run(&postgres, &mongodb).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&verdict)?);
    } else {
        println!("{:<38} {:>12} {:>12}  result", "rule", "expected", "found");
        for finding in &verdict.findings {
            let mark = if finding.passed { "ok" } else { "VIOLATED" };
            println!(
                "{:<38} {:>12} {:>12}  {mark}: {}",
                finding.rule, finding.expected, finding.found, finding.explanation
            );
        }
    }
    Ok(if verdict.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
