//! `genims validate`: the configuration, what it needs of this machine, and the connections of all databases, checked without
//! starting or connecting anything; all faults at once. Exit code 1 when `genims serve`, or a command, would stumble.

use crate::cli::load_settings;
use clap::Args;
use genims::server::obstacles;
use genims::settings::{Complaint, ListenerKind, Settings};
use genims_databases::configured::{self, Examined};
use genims_databases::{Database, DatabaseError, Environment, Registry};
use genims_listen::locks::ClientOptions;
use genims_model::counted;
use genims_platform::{hub, provision};
use genims_terminal::say;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Print what was understood, or what is wrong, as JSON
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    faults: Vec<Complaint>,
    /// What is no fault, and surprises whoever did not mean it.
    warnings: Vec<String>,
    settings: Option<Settings>,
    connections: Examined,
    /// Variables that `genims serve` does not start without.
    missing: Vec<String>,
}

pub(crate) fn run(args: &ValidateArgs, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let found = look(config)?;
    if args.json {
        say!("{:#}", as_json(&found));
    } else {
        print(&found);
    }
    Ok(if found.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn look(config: Option<&Path>) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let environment = match Environment::load(None) {
        Ok(environment) => environment,
        Err(DatabaseError::Dotenv { path, cause }) => {
            found.faults.extend(cause.lines().map(|cause| of_line(&path, cause)));
            return Ok(found);
        }
        Err(error @ DatabaseError::OpenDotenv { .. }) => {
            found.faults.push(Complaint { problem: error.to_string(), ..Complaint::default() });
            return Ok(found);
        }
        Err(error) => return Err(error.into()),
    };
    let registry = Registry::load(None)?;
    found.connections = connections(&registry, &environment);
    match load_settings(config, &environment) {
        Err(error) => found.faults.extend(error.complaints()),
        Ok(settings) => {
            found.faults.extend(obstacles::on_this_machine(&settings));
            let needed = obstacles::databases(&settings, &registry);
            let missing = needed.iter().filter(|database| found.connections.without.contains(&database.name));
            found.missing.extend(missing.map(|database| database.connection.clone()));
            found.warnings.extend(surprises(&settings));
            found.settings = Some(settings);
        }
    }
    found.faults.extend(found.connections.faults.iter().cloned().map(obstacles::of_variable));
    if found.connections.places.is_empty() && found.connections.faults.is_empty() {
        let remedy = "set GENIMS_POSTGRES_URL, GENIMS_MYSQL_URL and GENIMS_MONGODB_URL, or one variable a database";
        found.warnings.push(format!("no database is configured, in the environment or in .env: {remedy}"));
    }
    Ok(found)
}

/// `line 3: NAME has ...` of an environment file.
fn of_line(path: &str, cause: &str) -> Complaint {
    let (line, problem) = match cause.strip_prefix("line ").and_then(|rest| rest.split_once(": ")) {
        Some((line, problem)) => (line.parse().ok(), problem),
        None => (None, cause),
    };
    let problem = format!("{problem}; .env.example shows the form");
    Complaint { file: Some(path.to_owned()), line, problem, ..Complaint::default() }
}

/// Of the 17 databases and their roles, and of the hub where it has a URL of its own.
fn connections(registry: &Registry, environment: &Environment) -> Examined {
    let own = hub::entry();
    let has_own = environment.get(hub::CONNECTION).is_some() || environment.get("GENIMS_HUB_URL_FILE").is_some();
    let all: Vec<&Database> = registry.all().iter().chain(Some(&own).filter(|_| has_own)).collect();
    let mut examined = configured::examine(all, environment);
    let place = examined.places.get(&own.name).cloned().unwrap_or_default();
    let name = place.rsplit_once('/').map_or("", |(_, name)| name);
    if hub::misplaced(registry, name) {
        let problem = format!("{place} is another database; name an empty one, or one that does not exist");
        examined.faults.push(configured::ConnectionFault { variable: hub::CONNECTION.to_owned(), problem });
    }
    examined.faults.extend(provision::unreadable_passwords(registry.all(), environment));
    examined
}

/// What a file that leaves nearly everything out amounts to.
fn surprises(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    if settings.listeners.is_empty() {
        warnings.push("no [[listeners]]: nothing can be received".to_owned());
    }
    if settings.postgres.is_none() && settings.mongodb.is_none() {
        warnings.push("no [[sinks]]: what is received stays in the spool and reaches no database".to_owned());
    }
    let has_limits = |clients: &ClientOptions| clients.readings_per_second_max > 0 || clients.connections_max > 0;
    for listener in &settings.listeners {
        let (name, (tls, _, anonymous)) = (&listener.name, listener.kind.locks());
        if anonymous.admitted && settings.clients.as_ref().is_some_and(has_limits) {
            warnings.push(format!(
                "listener {name} lets in who has no account (anonymous = true): the limits of [clients] do not hold there"
            ));
        }
        if listener.kind.is_exposed() {
            warnings.push(format!("listener {name} listens in clear outside loopback: whoever reaches it reads along"));
        }
        let asks = tls.is_some_and(|tls| tls.client_ca_file.is_some());
        if settings.clients.is_some() && matches!(listener.kind, ListenerKind::Line(_)) && !asks && !anonymous.admitted
        {
            warnings.push(format!(
                "listener {name} lets nobody in: lines cannot log in; ask for certificates (client_ca_file) or set anonymous = true"
            ));
        }
    }
    warnings
}

fn listeners(settings: &Settings) -> Vec<Value> {
    let listeners = settings.listeners.iter().map(|listener| {
        let (kind, at) = match &listener.kind {
            ListenerKind::Mqtt(options) => ("mqtt", options.listen.to_string()),
            ListenerKind::Tcp(options) => ("tcp", options.listen.to_string()),
            ListenerKind::Line(options) => ("line", options.listen.to_string()),
            ListenerKind::Bridge(options) => ("bridge", options.broker.clone()),
        };
        json!({ "name": listener.name, "type": kind, "at": at, "tls": listener.kind.locks().0.is_some() })
    });
    listeners.collect()
}

fn sinks(settings: &Settings) -> Vec<&'static str> {
    let sinks = [("postgres", settings.postgres.is_some()), ("mongodb", settings.mongodb.is_some())];
    sinks.into_iter().filter_map(|(name, present)| present.then_some(name)).collect()
}

fn as_json(found: &Found) -> Value {
    let mut told = json!({
        "valid": found.faults.is_empty(), "faults": found.faults, "warnings": found.warnings,
        "databases": found.connections.places, "missing": found.missing,
    });
    if let Some(settings) = &found.settings {
        told["data_dir"] = json!(settings.data_dir);
        told["http"] = json!(settings.http.listen.to_string());
        told["listeners"] = json!(listeners(settings));
        told["sinks"] = json!(sinks(settings));
    }
    told
}

/// What is wrong goes to standard error, and nothing else is said then.
fn print(found: &Found) {
    if !found.faults.is_empty() {
        eprintln!("genims: the configuration has {}:", counted(found.faults.len(), "fault"));
        found.faults.iter().for_each(|fault| eprintln!("  {fault}"));
        return;
    }
    match found.missing.is_empty() && found.warnings.is_empty() {
        true => say!("The configuration is valid."),
        false => say!("The configuration is valid, with what is said below."),
    }
    if let Some(settings) = &found.settings {
        say!("data      {}", settings.data_dir.display());
        say!("http      {}", settings.http.listen);
        for listener in listeners(settings) {
            let text = |key: &str| listener[key].as_str().unwrap_or_default().to_owned();
            let tls = if listener["tls"] == true { ", TLS" } else { "" };
            say!("listener  {} ({}{tls}) on {}", text("name"), text("type"), text("at"));
        }
        let sinks = sinks(settings);
        say!("sinks     {}", if sinks.is_empty() { "none".to_owned() } else { sinks.join(", ") });
    }
    for (name, place) in &found.connections.places {
        say!("database  {name} at {place}");
    }
    for variable in &found.missing {
        say!("missing   {variable}: `genims serve` does not start without it");
    }
    for warning in &found.warnings {
        say!("warning   {warning}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Vec<String> {
        let registry = Registry::load(None).expect("the embedded registry");
        let examined = connections(&registry, &Environment::from_pairs(pairs.iter().copied()));
        examined.faults.into_iter().map(|fault| format!("{}: {}", fault.variable, fault.problem)).collect()
    }

    #[test]
    fn the_url_of_the_hub_is_looked_at() {
        assert_eq!(of(&[("GENIMS_HUB_URL", "postgresql://h/hub")]), [""; 0]);
        for (url, cause) in [
            ("postgresql://h:0/hub", "1 to 65535"),
            ("mysql://h/hub", "postgresql://"),
            ("postgresql://h/postgres", "another database"),
            ("postgresql://h/genims_hr_db", "another database"),
        ] {
            let told = of(&[("GENIMS_HUB_URL", url)]);
            assert!(told.len() == 1 && told[0].starts_with("GENIMS_HUB_URL: ") && told[0].contains(cause), "{told:?}");
        }
    }

    #[test]
    fn limits_that_whoever_shows_no_account_escapes_are_told() {
        let told = |limit: u32| {
            let text = format!(
                "[clients]\nreadings_per_second_max = {limit}\n\
                 [[listeners]]\ntype = \"mqtt\"\nlisten = \"127.0.0.1:1\"\nanonymous = true\n"
            );
            let settings = Settings::parse(&text, Path::new("t"), &Environment::default()).expect("a good file");
            surprises(&settings).join("\n").contains("limits of [clients] do not hold")
        };
        assert!(told(10) && !told(0));
    }

    #[test]
    fn an_empty_file_is_told_what_it_means() {
        let settings = Settings::parse("", Path::new("t"), &Environment::default()).expect("an empty file");
        let told = surprises(&settings).join("\n");
        assert!(told.contains("nothing can be received") && told.contains("reaches no database"), "{told}");
    }
}
