//! `genims client`: who may send, with which secret, and what. Writes the file of clients, which a running server reads again
//! by itself; needs neither server nor database.

use anyhow::{Context, bail};
use clap::{Args, Subcommand, value_parser};
use genims::settings::Settings;
use genims_listen::locks::clients::ClientOptions;
use genims_listen::locks::clients::file::{ClientEntry, READINGS_PER_SECOND_MAX, change, read};
use genims_locks::LockError;
use genims_locks::secret::drawn;
use genims_model::counted;
use genims_terminal::say;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    #[command(subcommand)]
    action: Action,

    /// Print the outcome as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// A new client; prints its secret, which is shown once and stored hashed
    Add(AddArgs),
    /// All clients and what they may
    List,
    /// Another secret for a client, whose tokens end; connections that are open stay
    Rotate(SecretArgs),
    /// A token for a client, which it shows as its password in place of the secret; shown once and stored hashed. `rotate` ends all of them
    Token(NameArgs),
    /// Lets a client in no more; its connections end within a second
    Disable(NameArgs),
    /// Lets it in again
    Enable(NameArgs),
    /// What a client may send, in place of what it might before; open connections are held to it at once
    Allow(AllowArgs),
    /// How much a client may send and connect, in place of what was said before; what is not said goes by [clients]. Noticed within a
    /// second; connections that are open stay
    Limit(LimitArgs),
}

#[derive(Debug, Args)]
struct NameArgs {
    /// The user name of MQTT, the name in HELLO, the common name of its certificate
    name: String,
}

#[derive(Debug, Args)]
struct SecretArgs {
    #[command(flatten)]
    client: NameArgs,

    /// Take the secret from this file (- is standard input) instead of drawing one
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Scope {
    /// A topic filter that it may publish under; repeat it for more. Without any: all topics
    #[arg(long = "topic", value_name = "FILTER")]
    topics: Vec<String>,

    /// A machine whose readings it may send; repeat it for more. Without any: all machines
    #[arg(long = "machine", value_name = "ID")]
    machines: Vec<String>,

    /// A table that it may write rows into; * stands for any number of characters; repeat it for more. Without any: none
    #[arg(long, value_name = "DATABASE.TABLE")]
    rows: Vec<String>,
}

#[derive(Debug, Args)]
struct AddArgs {
    #[command(flatten)]
    secret: SecretArgs,

    /// Without a secret: it shows a certificate of its name
    #[arg(long, conflicts_with = "secret_file")]
    certificate: bool,

    #[command(flatten)]
    scope: Scope,
}

#[derive(Debug, Args)]
struct AllowArgs {
    #[command(flatten)]
    client: NameArgs,

    #[command(flatten)]
    scope: Scope,

    /// All topics and all machines; tables for rows are named by --rows alone
    #[arg(long, conflicts_with_all = ["topics", "machines"])]
    everything: bool,
}

#[derive(Debug, Args)]
struct LimitArgs {
    #[command(flatten)]
    client: NameArgs,

    #[command(flatten)]
    limits: Limits,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Limits {
    /// Readings a second, over all its connections; one that sends more is read more slowly, and loses nothing
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=READINGS_PER_SECOND_MAX))]
    readings_per_second: Option<u64>,

    /// Connections at once, at all listeners; more are refused
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=CONNECTIONS_MAX))]
    connections: Option<u64>,

    /// No limit at all, whatever [clients] says
    #[arg(long, conflicts_with_all = ["readings_per_second", "connections", "default"])]
    none: bool,

    /// As [clients] says
    #[arg(long, conflicts_with_all = ["readings_per_second", "connections"])]
    default: bool,
}

/// More handles than a system gives.
const CONNECTIONS_MAX: u64 = 1 << 20;

pub(crate) fn run(args: ClientArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let options = settings.clients.clone().unwrap_or_default();
    let path = options.path(&settings.data_dir);
    if settings.clients.is_none() {
        eprintln!("genims: the configuration has no [clients]: nobody is asked to log in until it has");
    }
    let json = args.json;
    match args.action {
        Action::Add(args) => add(&path, args, json),
        Action::List => list(&path, &options, json),
        Action::Rotate(SecretArgs { client: NameArgs { name }, secret_file }) => {
            let (secret, is_drawn) = secret(secret_file.as_deref())?;
            alter(&path, &name, |entry| entry.rotate(&secret))?;
            told(&name, is_drawn.then_some(("secret", &secret)), "has a new secret", json)
        }
        Action::Token(NameArgs { name }) => {
            let token = alter(&path, &name, ClientEntry::token)?;
            told(&name, Some(("token", &token)), "has one more token", json)
        }
        Action::Disable(NameArgs { name }) => {
            alter(&path, &name, |entry| {
                entry.disabled = true;
                Ok(())
            })?;
            told(&name, None, "is disabled", json)
        }
        Action::Enable(NameArgs { name }) => {
            alter(&path, &name, |entry| {
                entry.disabled = false;
                Ok(())
            })?;
            told(&name, None, "is let in again", json)
        }
        Action::Allow(AllowArgs { client: NameArgs { name }, scope, everything }) => {
            if !everything && scope.topics.is_empty() && scope.machines.is_empty() && scope.rows.is_empty() {
                bail!("say what it may send: --topic, --machine, --rows, or --everything");
            }
            alter(&path, &name, |entry| {
                put(entry, scope);
                Ok(())
            })?;
            told(&name, None, "may send what was said", json)
        }
        Action::Limit(LimitArgs { client: NameArgs { name }, limits }) => {
            let Limits { readings_per_second, connections, none, default } = limits;
            alter(&path, &name, |entry| {
                let limit = |said: Option<u64>| if default { None } else { said.or(none.then_some(0)) };
                entry.readings_per_second_max = limit(readings_per_second);
                entry.connections_max = limit(connections);
                Ok(())
            })?;
            told(&name, None, "has the limits that were said", json)
        }
    }
}

fn add(path: &Path, args: AddArgs, json: bool) -> anyhow::Result<ExitCode> {
    let AddArgs { secret: SecretArgs { client: NameArgs { name }, secret_file }, certificate, scope } = args;
    let given = if certificate { None } else { Some(secret(secret_file.as_deref())?) };
    let mut entry = ClientEntry::new(&name, given.as_ref().map(|(secret, _)| secret.as_str()))?;
    put(&mut entry, scope);
    change(path, |entries| {
        if entries.iter().any(|entry| entry.name == name) {
            let remedy = "`genims client rotate` gives it another secret";
            return Err(LockError::Account(format!("there is a client {name} already; {remedy}")));
        }
        entries.push(entry);
        Ok(())
    })?;
    let shown = given.as_ref().filter(|(_, is_drawn)| *is_drawn).map(|(secret, _)| secret);
    told(&name, shown.map(|secret| ("secret", secret)), "was added", json)
}

fn put(entry: &mut ClientEntry, scope: Scope) {
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    (entry.topics, entry.machines, entry.rows) = (some(scope.topics), some(scope.machines), scope.rows);
}

/// The secret, and whether nobody knows it yet.
pub(super) fn secret(file: Option<&Path>) -> anyhow::Result<(String, bool)> {
    let Some(file) = file else { return Ok((drawn(), true)) };
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    Ok((text.trim_end_matches(['\r', '\n']).to_owned(), false))
}

fn alter<T>(
    path: &Path,
    name: &str,
    by: impl FnOnce(&mut ClientEntry) -> Result<T, LockError>,
) -> Result<T, LockError> {
    change(path, |entries| match entries.iter_mut().find(|entry| entry.name == name) {
        Some(entry) => by(entry),
        None => Err(LockError::Account(format!("there is no client {name}; `genims client list` shows all"))),
    })
}

/// `shown`: what is seen this once.
fn told(name: &str, shown: Option<(&str, &String)>, what: &str, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        let (word, value) = shown.map_or(("secret", None), |(word, value)| (word, Some(value)));
        say!("{:#}", json!({ "client": name, word: value }));
    } else {
        say!("{name} {what}");
        if let Some((word, value)) = shown {
            say!("{word}: {value}");
            say!("It is shown this once: only its hash is kept.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(path: &Path, options: &ClientOptions, json: bool) -> anyhow::Result<ExitCode> {
    let entries = read(path)?;
    if json {
        let told = |entry: &ClientEntry| -> Value {
            json!({
                "client": entry.name, "disabled": entry.disabled, "has_secret": entry.hash.is_some(),
                "tokens": entry.tokens.len(), "topics": entry.topics, "machines": entry.machines, "rows": entry.rows, "added": entry.added, "rotated": entry.rotated,
                "readings_per_second_max": entry.readings_per_second_max, "connections_max": entry.connections_max,
            })
        };
        let clients: Vec<Value> = entries.iter().map(told).collect();
        let ClientOptions { failures_max, readings_per_second_max, connections_max, .. } = options;
        say!(
            "{:#}",
            json!({
                "file": path, "failures_max": failures_max, "readings_per_second_max": readings_per_second_max,
                "connections_max": connections_max, "clients": clients,
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    for entry in &entries {
        let state = if entry.disabled { "disabled" } else { "enabled" };
        let comes = if entry.hash.is_some() { "secret" } else { "certificate" };
        let all = |list: &Option<Vec<String>>| list.as_ref().map_or_else(|| "all".to_owned(), |list| list.join(", "));
        let tokens = match entry.tokens.len() {
            0 => String::new(),
            1 => ", 1 token".to_owned(),
            many => format!(", {many} tokens"),
        };
        say!("{}  {state}, {comes}{tokens}, since {}", entry.name, entry.rotated);
        let rows = if entry.rows.is_empty() { "none".to_owned() } else { entry.rows.join(", ") };
        say!("    topics {}; machines {}; rows {rows}", all(&entry.topics), all(&entry.machines));
        say!("    {}", limits(entry, options));
    }
    say!("{} in {}", counted(entries.len(), "client"), path.display());
    Ok(ExitCode::SUCCESS)
}

/// What is in force for a client, and whether its account says so.
fn limits(entry: &ClientEntry, options: &ClientOptions) -> String {
    let told = |own: Option<u64>, general: u64| {
        let limit = match own.unwrap_or(general) {
            0 => "any number".to_owned(),
            limit => limit.to_string(),
        };
        if own.is_some() { limit } else { format!("{limit} (by [clients])") }
    };
    let readings = told(entry.readings_per_second_max, options.readings_per_second_max);
    let connections = told(entry.connections_max, options.connections_max);
    format!("readings a second {readings}; connections {connections}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, FromArgMatches, Parser};

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        client: ClientArgs,
    }

    fn parsed(arguments: &str) -> Result<Limits, clap::Error> {
        let words = ["genims", "limit"].into_iter().chain(arguments.split(' '));
        let found = Program::command().try_get_matches_from(words)?;
        match Program::from_arg_matches(&found)?.client.action {
            Action::Limit(args) => Ok(args.limits),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_limit_is_said_or_there_is_none_or_it_goes_by_the_configuration() {
        let args = parsed("press-4 --readings-per-second 500 --connections 2").expect("both");
        assert_eq!(
            (args.readings_per_second, args.connections, args.none, args.default),
            (Some(500), Some(2), false, false)
        );
        assert!(parsed("press-4 --none").expect("none").none && parsed("press-4 --default").expect("default").default);
        for wrong in [
            "press-4",
            "press-4 --none --default",
            "press-4 --none --connections 2",
            "press-4 --default --readings-per-second 2",
            "press-4 --connections 0",
            "press-4 --readings-per-second 1000000001",
            "press-4 --readings-per-second -1",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_says_which_limits_are_in_force_and_who_says_so() {
        let mut entry = ClientEntry::new("a", None).expect("made");
        let general = ClientOptions { readings_per_second_max: 100, ..ClientOptions::default() };
        let told = limits(&entry, &general);
        assert_eq!(told, "readings a second 100 (by [clients]); connections any number (by [clients])");
        (entry.readings_per_second_max, entry.connections_max) = (Some(0), Some(3));
        assert_eq!(limits(&entry, &general), "readings a second any number; connections 3");
    }
}
