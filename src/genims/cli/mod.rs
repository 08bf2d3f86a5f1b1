//! One file per command. `main` -> arguments -> `run` -> exit code; every failure names the cause and the remedy on
//! standard error and exits non-zero.

#![deny(clippy::print_stdout, reason = "a closed pipe is no panic: see `genims_terminal::say`")]

mod audit;
mod backup;
mod backup_servers;
mod backup_shown;
mod capacity;
mod checklist;
mod client;
mod connections;
mod deadletter;
mod dictionary;
mod doctor;
mod door;
mod drill;
mod etl;
mod hub;
mod log;
mod maintain;
mod options;
mod provision;
mod report;
mod restore;
mod retention;
mod routes;
mod security;
mod seed;
mod serve;
mod top;
mod user;
mod validate;
mod verify;

use anyhow::Context;
use clap::{Parser, Subcommand};
use genims::server::STOP_MAX;
use genims::settings::{Settings, SettingsError};
use genims_databases::{Environment, Timelines};
use genims_terminal::say;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Where the configuration is looked for when --config does not say.
const CONFIG_FILE: &str = "config/genims.toml";

#[derive(Parser)]
#[command(name = "genims", version, about = "The data platform of a manufacturing group", long_about = None)]
struct Cli {
    /// Configuration file [default: config/genims.toml, else the built-in one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(about = format!(
        "Run the ingest server until SIGINT or SIGTERM, which it obeys within {} seconds",
        STOP_MAX.as_secs()
    ))]
    Serve,
    /// Watch a running server in the terminal: rates, backlogs, states; q quits
    Top(top::TopArgs),
    /// Check the configuration without starting anything
    Validate(validate::ValidateArgs),
    /// Print every key of the configuration: type, default, range, meaning
    Options(options::OptionsArgs),
    /// Create the databases and bring their schemas up to date
    Provision(provision::ProvisionArgs),
    /// Fill the databases with deterministic data
    Seed(seed::SeedArgs),
    /// Check counts, references, coherence and the ledger over all databases
    Verify(verify::VerifyArgs),
    /// Examine all connections, with a remedy beside each failure
    Doctor(doctor::DoctorArgs),
    /// What fills up, how fast, and how many days are left; `slow`: which statements take long
    Capacity(capacity::CapacityArgs),
    /// What must hold before go-live, line by line, looked at now; exit code 1 if a line fails or is unknown
    Checklist(checklist::ChecklistArgs),
    /// Print what every table and column means; needs no server
    Dictionary(dictionary::DictionaryArgs),
    /// Print a page for each team: its databases, who may enter them, how to connect, save and restore; needs no server
    Connections(connections::ConnectionsArgs),
    /// One read-only database in which all databases can be asked together
    Hub(hub::HubArgs),
    /// Which event of the stream becomes which row of the other databases
    Routes(routes::RoutesArgs),
    /// What is older than it is kept, and what of it is held; lets it go
    Retention(retention::RetentionArgs),
    /// Vacuum, analyze and rebuild what wears out in use, in each database's maintenance window
    Maintain(maintain::MaintainArgs),
    /// Fill reporting, warehouse and roll-ups from the other databases; `serve` does it by schedule
    Etl(etl::EtlArgs),
    /// What an auditor asks about a day, as a page and a table
    Report(report::ReportArgs),
    /// Who may send to `serve`: add, list, rotate, token, disable, enable, allow, limit
    Client(client::ClientArgs),
    /// Who may sign in to the HTTP side of `serve`, as what: add, list, rotate, token, disable, enable, role
    User(user::UserArgs),
    /// What an attacker would look for: open doors, rights on files, old certificates, usual passwords
    Security(security::SecurityArgs),
    /// Save databases into a folder, each alone, while everything runs
    Backup(backup::BackupArgs),
    /// Bring a database back from a backup
    Restore(restore::RestoreArgs),
    /// Prove that backups bring databases back, and how fast
    Drill(drill::DrillArgs),
    /// Look after the durable log; the server must be stopped
    Log(log::LogArgs),
    /// Examine the audit trail of all changes, or hand its entries out
    Audit(audit::AuditArgs),
    /// List, show and replay what was set aside
    Deadletter(deadletter::DeadletterArgs),
}

/// Runs the command of this process.
pub(crate) fn main() -> ExitCode {
    leave_no_core();
    let cli = Cli::parse();
    match run(cli).and_then(|code| genims_terminal::written().map(|()| code)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("genims: {}", genims_terminal::told(&error));
            ExitCode::FAILURE
        }
    }
}

/// What a crash would write to the disk holds the passwords of 17 databases.
fn leave_no_core() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Nobody needs a right to have less.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Command::Dictionary(args) = cli.command {
        return dictionary::run(args);
    }
    if let Command::Connections(args) = &cli.command {
        return connections::run(args);
    }
    if let Command::Options(args) = &cli.command {
        return options::run(args);
    }
    if let Command::Validate(args) = &cli.command {
        return validate::run(args, cli.config.as_deref());
    }
    init_log();
    let environment = fenced(Environment::load(None)?, &cli)?;
    let settings = || load_settings(cli.config.as_deref(), &environment);
    let runtime = tokio::runtime::Runtime::new().context("the async runtime cannot start")?;
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Serve => serve::run(settings()?, &environment).await,
            Command::Top(args) => top::run(args, &environment, || Ok(settings()?.http)).await,
            Command::Provision(args) => provision::run(args, &environment).await,
            Command::Seed(args) => seed::run(args, &environment).await,
            Command::Verify(args) => verify::run(args, &environment).await,
            Command::Doctor(args) => doctor::run(args, &environment).await,
            Command::Capacity(args) => capacity::run(args, &settings()?, &environment).await,
            Command::Checklist(args) => {
                checklist::run(args, configuration(cli.config.as_deref()), &settings()?, &environment).await
            }
            Command::Hub(args) => hub::run(args, &environment).await,
            Command::Routes(args) => routes::run(args, &settings()?, &environment).await,
            Command::Retention(args) => retention::run(args, &environment).await,
            Command::Maintain(args) => maintain::run(args, &environment).await,
            Command::Etl(args) => etl::run(args, &environment).await,
            Command::Report(args) => report::run(args, &settings()?, &environment).await,
            Command::Client(args) => client::run(args, &settings()?),
            Command::User(args) => user::run(args, &settings()?),
            Command::Security(args) => {
                security::run(args, configuration(cli.config.as_deref()), &settings()?, &environment).await
            }
            Command::Backup(args) => backup::run(args, &environment).await,
            Command::Restore(args) => restore::run(args, &environment).await,
            Command::Drill(args) => drill::run(args, &environment).await,
            Command::Log(args) => log::run(args, &settings()?, &environment).await,
            Command::Audit(args) => audit::run(args, &settings()?, &environment).await,
            Command::Deadletter(args) => deadletter::run(args, &settings()?, &environment).await,
            Command::Dictionary(_) | Command::Connections(_) | Command::Options(_) | Command::Validate(_) => {
                Ok(ExitCode::SUCCESS)
            }
        }
    });
    // What still runs ends with the process. A dropped runtime would wait for ever for what is stuck in a call that nobody
    // can end, and one that is shut down panics the drivers' tasks that wait for a timer.
    std::mem::forget(runtime);
    outcome
}

/// What the server has learned of failovers counts for commands beside it, too, where they may read it.
fn fenced(environment: Environment, cli: &Cli) -> anyhow::Result<Environment> {
    let is_server = matches!(cli.command, Command::Serve);
    let Ok(settings) = load_settings(cli.config.as_deref(), &environment) else { return Ok(environment) };
    match Timelines::load(&settings.data_dir, is_server) {
        Ok(timelines) => Ok(environment.with_timelines(timelines)),
        Err(error) if is_server => Err(error.into()),
        Err(_) => Ok(environment),
    }
}

/// The file that settings are read from; `None` for the built-in one.
fn configuration(named: Option<&Path>) -> Option<&Path> {
    let usual = Path::new(CONFIG_FILE);
    named.or_else(|| usual.exists().then_some(usual))
}

fn load_settings(named: Option<&Path>, environment: &Environment) -> Result<Settings, SettingsError> {
    Settings::load(configuration(named), environment)
}

/// Prints a report, for programs or for people; the exit code says whether all is well.
fn conclude<R: Serialize>(report: &R, json: bool, print: impl FnOnce(&R), is_well: bool) -> anyhow::Result<ExitCode> {
    if json {
        say!("{}", serde_json::to_string_pretty(report).context("the report as JSON")?);
    } else {
        print(report);
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Logs go to standard error, so that --json on standard output stays clean.
fn init_log() {
    let filter = EnvFilter::try_from_env("GENIMS_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,refinery_core=warn,tokio_postgres=warn"));
    let json = std::env::var("GENIMS_LOG_FORMAT").is_ok_and(|format| format == "json");
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if json {
        log.json().init();
    } else {
        log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init();
    }
}
