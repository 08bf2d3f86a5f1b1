//! `genims connections`: a page for each team, with its databases and how to connect to them.

use anyhow::Context;
use clap::Args;
use genims::connections::{guide, markdown};
use genims_terminal::say;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct ConnectionsArgs {
    /// Print the pages as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ConnectionsArgs) -> anyhow::Result<ExitCode> {
    let guide = guide()?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&guide).context("the guide as JSON")?);
    } else {
        say!("{}", markdown(&guide).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
