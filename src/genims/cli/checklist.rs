//! `genims checklist`: every line of the go-live checklist looked at, as text, JSON or one HTML page; `sign` records what only people can
//! settle. Exit code 1 when a line fails or could not be looked at.

use super::conclude;
use super::door::Door;
use anyhow::Context;
use chrono::Utc;
use clap::{Args, Subcommand};
use genims::checklist::{self, ChecklistPlaces, Progress};
use genims::settings::Settings;
use genims_backup::Location;
use genims_databases::{Environment, Registry};
use genims_platform::checklist::{ChecklistReport, LineReport, LineState, definition, page, signatures};
use genims_platform::doctor;
use genims_terminal::say;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What must hold before go-live: 143 lines, each looked at now or signed by people; exit code 1 if one fails or is unknown
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ChecklistArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only the lines of this phase ("schema", "data load" ...)
    #[arg(long, value_name = "PHASE")]
    phase: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Write the report as one self-contained HTML page as well
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The folder that `genims backup` and `genims drill --to` write to, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "DIR")]
    backups: Option<PathBuf>,
    /// Where the server's HTTP side is, for example http://127.0.0.1:9400 [default: where the configuration says]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// How long each database server may take for one answer
    #[arg(long, value_name = "DURATION", default_value_t = doctor::TIMEOUT.into())]
    timeout: humantime::Duration,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Record that a line which only people can settle is settled; signing again adds a signature, and the latest counts
    Sign {
        /// The line: C142
        #[arg(value_name = "ID")]
        id: String,
        /// Who signs
        #[arg(long, value_name = "NAME")]
        by: String,
        /// Where it can be read, or what was decided
        #[arg(long, value_name = "TEXT")]
        note: String,
        /// Print the signature as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(
    args: ChecklistArgs,
    config: Option<&Path>,
    settings: &Settings,
    environment: &Environment,
) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let lines = definition::load(&registry)?;
    if let Some(Action::Sign { id, by, note, json }) = args.action {
        let line = lines.to_sign(&id)?;
        let signature = signatures::sign(&registry, environment, line, (&by, &note), Utc::now()).await?;
        return conclude(&signature, json, |signature| say!("{}: {signature}", signature.line_id), true);
    }
    let chosen = lines.of(args.phase.as_deref())?;
    let door = Door::new(args.url.as_deref(), environment, || Ok(settings.http.clone()))?;
    let backups = args.backups.as_deref().map(|path| Location::named(path, environment)).transpose()?;
    let bar = genims_terminal::Progress::new("checklist", "lines");
    let show = |progress: Progress<'_>| match progress {
        Progress::Planned(lines) => bar.set_total(lines as u64),
        Progress::Step(what) => bar.show(what),
        Progress::Done => bar.advance(),
    };
    let places = ChecklistPlaces {
        registry: &registry,
        environment,
        settings,
        config,
        backups: backups.as_ref(),
        answer_max: *args.timeout,
        // All that /stats has, and how fast the log grows.
        stats: &|| tokio::task::block_in_place(|| door.get("/api/v1/snapshot")),
        now: Utc::now(),
    };
    // Before all that takes its time: a page that cannot be written would cost the report.
    let open = |file: &PathBuf| File::create(file).with_context(|| format!("{} cannot be written", file.display()));
    let html = args.html.as_ref().map(open).transpose()?;
    let signed = signatures::all(&registry, environment).await.map_err(|error| error.to_string());
    let signed = signed.as_ref().map_err(String::as_str);
    let report = checklist::run(&lines, &chosen, &places, signed, &show).await;
    drop(bar);
    if let Some(mut html) = html {
        html.write_all(page(&report)?.as_bytes()).context("the page cannot be written")?;
    }
    let code = conclude(&report, args.json, print, report.passed)?;
    if let Some(file) = args.html.filter(|_| !args.json) {
        say!("{}", file.display());
    }
    Ok(code)
}

fn print(report: &ChecklistReport) {
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut phase = "";
    for line in &report.lines {
        if line.phase != phase {
            phase = &line.phase;
            say!("\n{phase}");
        }
        print_line(line, colours);
    }
    say!("\n{}; {:.1} s", report.summary(), report.seconds);
}

fn print_line(line: &LineReport, colours: bool) {
    let word = format!("{:<12}", line.state.as_str());
    let word = match (line.state, colours) {
        (LineState::Fails, true) => format!("\u{1b}[31m{word}\u{1b}[0m"),
        (LineState::Unknown | LineState::ToBeSigned, true) => format!("\u{1b}[33m{word}\u{1b}[0m"),
        _ => word,
    };
    say!("{}  {word}  {}", line.id, line.must_hold);
    for found in &line.evidence {
        say!("      {found}");
    }
    if let Some(remedy) = &line.remedy {
        say!("      to do: {remedy}");
    }
}
