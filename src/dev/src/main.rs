//! The `genims-dev` command: private servers, the demo and the figures. No part of what runs in production.

#![deny(clippy::print_stdout, reason = "a closed pipe is no panic: see `genims_terminal::say`")]

mod bench;
mod commands;
mod demo;
mod encryption;
mod figures;
mod stacks;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "genims-dev", version, about = "Private servers and the demo of GenIMS", long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Servers(commands::ServersCommand),
    /// Everything at once: servers, schemas, data, proof, stream, load, verdict
    Demo(demo::DemoArgs),
    /// Measure what is promised in figures, each beside its bound
    Figures(figures::FiguresArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Servers(command) => commands::run(command).map(|()| ExitCode::SUCCESS),
        Command::Demo(args) => demo::run(args),
        Command::Figures(args) => figures::run(&args),
    };
    outcome.and_then(|code| genims_terminal::written().map(|()| code)).unwrap_or_else(|error| {
        eprintln!("genims-dev: {}", genims_terminal::told(&error));
        ExitCode::FAILURE
    })
}
