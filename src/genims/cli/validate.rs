//! `genims validate`: the configuration, checked without starting anything.

use crate::cli::say::say;
use clap::Args;
use genims::settings::{ListenerKind, Settings};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Print what was understood as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: ValidateArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let listeners: Vec<_> = settings
        .listeners
        .iter()
        .map(|listener| {
            let (kind, at) = match &listener.kind {
                ListenerKind::Mqtt(options) => ("mqtt", options.listen.to_string()),
                ListenerKind::Tcp(options) => ("tcp", options.listen.to_string()),
                ListenerKind::Line(options) => ("line", options.listen.to_string()),
                ListenerKind::Bridge(options) => ("bridge", options.broker.clone()),
            };
            json!({ "name": listener.name, "type": kind, "at": at })
        })
        .collect();
    let sinks: Vec<&str> = [("postgres", settings.postgres.is_some()), ("mongodb", settings.mongodb.is_some())]
        .into_iter()
        .filter_map(|(name, present)| present.then_some(name))
        .collect();
    if args.json {
        let found = json!({
            "valid": true, "data_dir": settings.data_dir, "http": settings.http.listen.to_string(),
            "listeners": listeners, "sinks": sinks,
        });
        say!("{found:#}");
    } else {
        say!("The configuration is valid.");
        say!("data      {}", settings.data_dir.display());
        say!("http      {}", settings.http.listen);
        for listener in &listeners {
            let text = |key: &str| listener[key].as_str().unwrap_or_default().to_owned();
            say!("listener  {} ({}) on {}", text("name"), text("type"), text("at"));
        }
        say!("sinks     {}", sinks.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}
