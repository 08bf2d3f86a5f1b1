//! `genims verify`: counts, references, rules and the ledger; a table or JSON; exit code 1 on any violation,
//! also when something could not be looked at. A rule without rows to look at is shown as EMPTY and not counted as holding;
//! where all of them are, nothing was verified, and the exit code is 1, too.

use anyhow::Context;
use chrono::NaiveDate;
use clap::Args;
use genims_databases::{Environment, Registry};
use genims_model::counted;
use genims_platform::verify::{self, Finding, LEDGER_MODULE, Progress, RuleOutcome, Verdict, VerifyOptions, report};
use genims_terminal::say;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

/// Check counts, references, coherence and the ledger over all databases; exit code 1 on any violation
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Only what belongs to this module (erp, hr ...); `ledger` is the stream's ledger alone
    #[arg(long, value_name = "MODULE")]
    module: Option<String>,
    /// Rules of this folder instead of the built-in config/verify
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Judge by this day, YYYY-MM-DD, as if it had just begun: nothing may have happened after it; now, if not given
    #[arg(long, value_name = "DAY")]
    as_of: Option<NaiveDate>,
    /// Print the verdict as JSON, with every reference
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: VerifyArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let bar = genims_terminal::Progress::new("verify", "pieces");
    let show = |progress: Progress<'_>| match progress {
        Progress::Planned(pieces) => bar.set_total(pieces as u64),
        Progress::Done(what) => {
            bar.show(what);
            bar.advance();
        }
    };
    let options = VerifyOptions { module: args.module, rules: args.rules, as_of: args.as_of };
    let verdict = verify::run(&registry, environment, &options, &show).await;
    drop(bar);
    let verdict = verdict?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&verdict).context("the verdict as JSON")?);
    } else {
        print(&verdict);
    }
    Ok(if verdict.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One line of the table.
struct Line<'a> {
    rule: String,
    looked_at: u64,
    violations: u64,
    result: String,
    /// To be shown below it when it has not passed.
    findings: Vec<&'a Finding>,
}

fn print(verdict: &Verdict) {
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let paint = |text: &str, code: &str| {
        if colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    };
    for database in verdict.databases.iter().filter(|database| !database.reachable) {
        let cause = database.error.as_deref().unwrap_or_default();
        say!("{} {}: {cause}", paint("DOWN", "31"), database.database);
    }
    let lines = lines(verdict);
    let width = lines.iter().map(|line| line.rule.chars().count()).max().unwrap_or(0).max(4);
    say!("{:<width$}  {:>14}  {:>10}  result", "rule", "rows looked at", "violations");
    for line in &lines {
        let worst = worst(&line.findings);
        let (word, colour) = match worst {
            RuleOutcome::Passed => ("ok", "32"),
            RuleOutcome::Empty => ("EMPTY", "33"),
            RuleOutcome::Violated => ("VIOLATED", "31"),
            RuleOutcome::Failed => ("FAILED", "31"),
            RuleOutcome::Skipped => ("SKIPPED", "33"),
        };
        let (rule, looked_at, violations) = (&line.rule, line.looked_at, line.violations);
        let result = if line.result.is_empty() { String::new() } else { format!(": {}", line.result) };
        say!("{rule:<width$}  {looked_at:>14}  {violations:>10}  {}{result}", paint(word, colour));
        let silent = |finding: &&&Finding| matches!(finding.outcome, RuleOutcome::Passed | RuleOutcome::Empty);
        line.findings.iter().filter(|finding| !silent(finding)).for_each(|finding| print_examples(finding));
    }
    let count = |outcome| verdict.count(outcome);
    let passed = count(RuleOutcome::Passed);
    say!(
        "{} {}, {} had nothing to look at, {} violated, {} failed, {} skipped; {:.2} s",
        counted(passed, "rule"),
        if passed == 1 { "holds" } else { "hold" },
        count(RuleOutcome::Empty),
        count(RuleOutcome::Violated),
        count(RuleOutcome::Failed),
        count(RuleOutcome::Skipped),
        verdict.seconds
    );
    if !verdict.explanation.is_empty() {
        say!("{}", paint(&verdict.explanation, "31"));
    }
}

fn print_examples(finding: &Finding) {
    // What was skipped has its database above the table.
    if finding.outcome == RuleOutcome::Skipped {
        return;
    }
    if finding.family == report::REFERENCES {
        say!("    {}: {}. {}", finding.rule, counted(finding.violations, "row"), finding.says);
    } else if finding.outcome == RuleOutcome::Violated {
        say!("    {}", finding.says);
    }
    if finding.outcome == RuleOutcome::Failed && finding.family == report::REFERENCES {
        say!("      {}", finding.explanation);
    }
    for example in &finding.examples {
        say!("      {}: {}", example.key, example.detail);
    }
    if finding.violations > finding.examples.len() as u64
        && !finding.examples.is_empty()
        && finding.family != LEDGER_MODULE
    {
        say!("      ...");
    }
}

/// References are summed up per database, inside it and out of it; every other rule has a line of its own.
fn lines(verdict: &Verdict) -> Vec<Line<'_>> {
    let (mut counts, mut rules) = (Vec::new(), Vec::new());
    let mut references: BTreeMap<String, Line<'_>> = BTreeMap::new();
    for finding in &verdict.findings {
        let line = Line {
            rule: finding.rule.clone(),
            looked_at: finding.looked_at,
            violations: finding.violations,
            result: finding.explanation.clone(),
            findings: vec![finding],
        };
        if finding.family == report::COUNTS {
            counts.push(line);
        } else if finding.family == report::REFERENCES {
            let to = if finding.databases.len() == 1 { "inside" } else { "to others" };
            let rule = format!("references of {} {to}", finding.databases.first().map_or("", String::as_str));
            let sum = references.entry(rule.clone()).or_insert(Line {
                rule,
                looked_at: 0,
                violations: 0,
                result: String::new(),
                findings: Vec::new(),
            });
            sum.looked_at += finding.looked_at;
            sum.violations += finding.violations;
            sum.findings.push(finding);
            let empty = sum.findings.iter().filter(|finding| finding.outcome == RuleOutcome::Empty).count();
            let empty = if empty == 0 { String::new() } else { format!(", {empty} of them in no row") };
            sum.result = format!("{}{empty}", counted(sum.findings.len(), "reference"));
        } else {
            rules.push(line);
        }
    }
    counts.into_iter().chain(references.into_values()).chain(rules).collect()
}

/// What a line as a whole is; empty when all of it is.
fn worst(findings: &[&Finding]) -> RuleOutcome {
    let order = [RuleOutcome::Violated, RuleOutcome::Failed, RuleOutcome::Skipped, RuleOutcome::Passed];
    let found = order.into_iter().find(|outcome| findings.iter().any(|finding| finding.outcome == *outcome));
    found.unwrap_or(RuleOutcome::Empty)
}
