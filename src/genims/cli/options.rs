//! `genims options`: every key of the configuration with type, default, range and meaning.

use anyhow::Context;
use clap::Args;
use genims::settings::reference;
use genims_terminal::say;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct OptionsArgs {
    /// Print the keys as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &OptionsArgs) -> anyhow::Result<ExitCode> {
    if args.json {
        say!("{}", serde_json::to_string_pretty(&reference::reference()).context("the reference as JSON")?);
    } else {
        say!("{}", reference::markdown().trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
