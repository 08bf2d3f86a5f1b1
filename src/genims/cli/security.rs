//! `genims security audit`: what an attacker would look for; exit code 1 when anything is found.

use super::conclude;
use clap::{Args, Subcommand};
use genims::security::{self, Finding, Severity, Subject};
use genims::settings::Settings;
use genims_databases::{Environment, Registry};
use genims_model::counted;
use genims_platform::doctor::{self, Grade};
use genims_terminal::say;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

#[derive(Debug, Args)]
pub(crate) struct SecurityArgs {
    #[command(subcommand)]
    command: SecurityCommand,
}

#[derive(Debug, Subcommand)]
enum SecurityCommand {
    /// Open doors, TLS, accounts, rights on files, certificates, usual passwords, rights in the databases; exit code 1 on findings
    Audit(AuditArgs),
}

#[derive(Debug, Args)]
struct AuditArgs {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    /// Ask no database what its logins may do
    #[arg(long)]
    offline: bool,
}

#[derive(Debug, Serialize)]
struct SecurityReport {
    passed: bool,
    findings: Vec<Finding>,
}

pub(crate) async fn run(
    args: SecurityArgs,
    config: Option<&Path>,
    settings: &Settings,
    environment: &Environment,
) -> anyhow::Result<ExitCode> {
    let SecurityCommand::Audit(args) = args.command;
    let mut findings = security::audit(settings, config, environment, SystemTime::now())?;
    if !args.offline {
        findings.extend(of_databases(environment).await?);
    }
    findings.sort_by_key(|finding| finding.severity);
    let report = SecurityReport { passed: findings.is_empty(), findings };
    conclude(&report, args.json, print, report.passed)
}

/// What the doctor says of TLS and rights. A database that does not answer is not examined, and that is said.
async fn of_databases(environment: &Environment) -> anyhow::Result<Vec<Finding>> {
    let bar = genims_terminal::Progress::new("security audit", "");
    let report = doctor::run(&Registry::load(None)?, environment, doctor::TIMEOUT).await;
    drop(bar);
    let of_interest = report.findings.into_iter().filter_map(|finding| {
        let subject = match finding.subject {
            doctor::Subject::Tls => Subject::Tls,
            doctor::Subject::Rights if finding.grade == Grade::Warning => Subject::Rights,
            doctor::Subject::Reachable | doctor::Subject::Login => Subject::Rights,
            _ => return None,
        };
        let whose = finding.databases.join(", ");
        let (severity, found) = match finding.subject {
            doctor::Subject::Reachable | doctor::Subject::Login => {
                (Severity::Medium, format!("{whose}: not examined: {}", finding.found))
            }
            _ => (Severity::High, format!("{whose}: {}", finding.found)),
        };
        Some(Finding { severity, subject, found, remedy: finding.remedy })
    });
    Ok(of_interest.collect())
}

fn print(report: &SecurityReport) {
    for finding in &report.findings {
        let severity = if finding.severity == Severity::High { "high  " } else { "medium" };
        say!("{severity}  {}: {}", finding.subject.as_str(), finding.found);
        say!("        remedy: {}", finding.remedy);
    }
    match report.findings.len() {
        0 => say!("Nothing was found."),
        1 => say!("\n1 finding"),
        count => say!("\n{}", counted(count, "finding")),
    }
}
