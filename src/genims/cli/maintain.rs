//! `genims maintain`: arguments in, a table or JSON out; exit code 1 when a database failed, or its window is closed.

use super::conclude;
use chrono::Utc;
use clap::{Args, Subcommand};
use genims_backup::backup;
use genims_databases::{Environment, Registry};
use genims_platform::maintenance::{self, MaintainedDatabase, MaintenanceMode, MaintenanceReport, Upkeep, UpkeepState};
use genims_terminal::{Progress, say};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct MaintainArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say what is to be done, why, and when the windows are; nothing is changed
    Plan {
        #[command(flatten)]
        which: Which,
    },
    /// Do it, in the windows of config/databases.toml; at the end of one the next goes on
    Run {
        #[command(flatten)]
        which: Which,
        /// Pass over databases whose window is closed; for a timer that runs it each hour
        #[arg(long, conflicts_with = "now")]
        due: bool,
        /// At once, outside of the windows too
        #[arg(long)]
        now: bool,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Databases, by name or module [default: all]
    #[arg(value_name = "DB")]
    databases: Vec<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: MaintainArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let (which, mode) = match args.action {
        Action::Plan { which } => (which, MaintenanceMode::Plan),
        Action::Run { which, now: true, .. } => (which, MaintenanceMode::Now),
        Action::Run { which, due: true, .. } => (which, MaintenanceMode::Due),
        Action::Run { which, .. } => (which, MaintenanceMode::Window),
    };
    let registry = Registry::load(None)?;
    let databases = backup::chosen(&registry, &which.databases)?;
    let bar = Progress::new("maintain", "");
    let show = |what: &str| bar.show(what);
    let report = maintenance::run(&registry, environment, &databases, mode, &Utc::now, &show).await;
    drop(bar);
    conclude(&report, which.json, print, report.ok())
}

fn print(report: &MaintenanceReport) {
    for database in &report.databases {
        say!("{:24} {}", database.database, summary(database));
        for upkeep in &database.upkeep {
            say!("    {}", line(upkeep));
        }
        for told in database.remarks.iter().chain(&database.error) {
            say!("    {told}");
        }
    }
    say!("{:.2} s", report.seconds);
}

fn summary(database: &MaintainedDatabase) -> String {
    let states = [
        (UpkeepState::Planned, "to do"),
        (UpkeepState::Done, "done"),
        (UpkeepState::Left, "left to the next window"),
        (UpkeepState::InUse, "in use"),
        (UpkeepState::Failed, "FAILED"),
    ];
    let counts = states.map(|(state, word)| (database.count(state), word));
    let told: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let window = match database.open_until {
        Some(end) => format!("window open until {}", end.format("%Y-%m-%d %H:%M UTC")),
        None => format!("window opens {}", database.opens_next.format("%Y-%m-%d %H:%M UTC")),
    };
    match (&database.error, told.is_empty()) {
        (Some(_), true) => "FAILED".to_owned(),
        (Some(_), false) => format!("FAILED after {}", told.join(", ")),
        (None, true) => format!("nothing to do; {window}"),
        (None, false) => format!("{}; {window}", told.join(", ")),
    }
}

fn line(upkeep: &Upkeep) -> String {
    let how = match (upkeep.state, &upkeep.error) {
        (_, Some(error)) => format!("FAILED: {error}"),
        (UpkeepState::Done, None) => format!("{:.2} s", upkeep.seconds),
        (UpkeepState::InUse, None) => "in use".to_owned(),
        (UpkeepState::Left, None) => "left".to_owned(),
        (UpkeepState::Planned | UpkeepState::Failed, None) => String::new(),
    };
    format!("{:8} {:44} {how:>8}  {}", upkeep.kind.word(), upkeep.of, upkeep.why).trim_end().to_owned()
}
