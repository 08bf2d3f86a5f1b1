//! `genims validate`: the configuration and the connections of all databases, checked without starting or connecting anything.

use crate::cli::say::say;
use anyhow::Context;
use clap::Args;
use genims::settings::{ListenerKind, Settings};
use genims_databases::{Environment, Registry, configured};
use serde_json::json;
use std::collections::BTreeMap;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Print what was understood as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: ValidateArgs, settings: &Settings, environment: &Environment) -> anyhow::Result<ExitCode> {
    let (places, missing) = databases(settings, environment)?;
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
            "listeners": listeners, "sinks": sinks, "databases": places, "missing": missing,
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
        for (name, place) in &places {
            say!("database  {name} at {place}");
        }
        for variable in &missing {
            say!("missing   {variable}: `genims serve` does not start without it");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The places of all databases that are configured, and the variables that `genims serve` needs and nobody set: a
/// configuration may be checked where the secrets are not.
fn databases(
    settings: &Settings,
    environment: &Environment,
) -> anyhow::Result<(BTreeMap<String, String>, Vec<String>)> {
    let needed = [
        ("genims_master_db", true),
        ("genims_operations_db", settings.postgres.is_some()),
        ("genims_production", settings.mongodb.is_some()),
    ];
    let (mut places, mut missing) = (BTreeMap::new(), Vec::new());
    for database in Registry::load(None)?.all() {
        match configured::place(database, environment).context("a connection cannot work")? {
            Some(place) => {
                places.insert(database.name.clone(), place);
            }
            None if needed.contains(&(database.name.as_str(), true)) => missing.push(database.connection.clone()),
            None => {}
        }
    }
    Ok((places, missing))
}
