//! The command line.

use crate::baseline::{BaselineArgs, baseline};
use crate::idle::{IdleArgs, idle};
use crate::replay::{ReplayArgs, replay};
use crate::run::{RunArgs, run};
use clap::{Parser, Subcommand};
use std::path::Path;
use std::process::ExitCode;

/// Load, replays and honest verdicts for a GenIMS server on this machine
#[derive(Parser, Debug)]
#[command(name = "loadtest", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Simulate plants by a plan, then ask the databases what arrived
    Run(Box<RunArgs>),
    /// Send real records from a CSV file, then ask the databases what arrived
    Replay(Box<ReplayArgs>),
    /// Measure what this machine can do without the server
    Baseline(Box<BaselineArgs>),
    /// Hold many idle MQTT connections
    Idle(IdleArgs),
}

/// The message and those of its causes that it does not quote already.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(cause.trim()) {
            text.extend([": ", cause.trim()]);
        }
    }
    text
}

/// 0: passed; 1: readings are missing or double, or the verdict failed otherwise; 2: it could not be carried out.
pub fn main() -> ExitCode {
    // Before the arguments: they take from the environment what is not given.
    let settings = Path::new(".env");
    if settings.exists()
        && let Err(error) = dotenvy::from_path(settings)
    {
        eprintln!("loadtest: .env cannot be read: {error}; mend that line");
        return ExitCode::from(2);
    }
    let cli = Cli::parse();
    // Two drivers bring TLS; they share one provider. It can be set only once, which this is.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Two threads: sending does not delay the probes' watch, and the server keeps most of the machine.
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("loadtest: cannot start: {error}");
            return ExitCode::from(2);
        }
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run(*args).await,
            Command::Replay(args) => replay(*args).await,
            Command::Baseline(args) => baseline(*args).await,
            Command::Idle(args) => idle(args).await,
        }
    });
    // What still runs ends with the process: drivers of a runtime that is shut down panic.
    std::mem::forget(runtime);
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("loadtest: {}", told(&error));
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_a_message_quotes_is_not_told_again() {
        let error = crate::replay::mapping::Mapping::load(Path::new("/nonexistent.toml")).expect_err("no file");
        assert_eq!(told(&error.into()).matches("No such file").count(), 1);
        let error = anyhow::Error::msg("refused").context("the server does not answer");
        assert_eq!(told(&error), "the server does not answer: refused");
    }
}
