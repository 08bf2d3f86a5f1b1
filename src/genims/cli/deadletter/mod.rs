//! `genims deadletter list | show | replay`: what was set aside, and its way back in.

mod publish;

use crate::cli::say::say;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use genims::settings::{ListenerKind, Settings};
use genims_databases::PostgresClient as Client;
use genims_databases::{Environment, PostgresSettings, Registry};
use genims_platform::dead_letters::{self, Filter, StoredDeadLetter};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

/// Dead letters published and marked at once.
const REPLAY_CHUNK: usize = 500;
/// Under which topic a dead letter without one goes back: its payload names its sensors.
const REPLAY_TOPIC: &str = "genims/v1/replay/readings";

#[derive(Debug, Args)]
pub(crate) struct DeadletterArgs {
    #[command(subcommand)]
    command: DeadletterCommand,
}

#[derive(Debug, Subcommand)]
enum DeadletterCommand {
    /// Newest first, with counts by reason
    List {
        /// Only this reason, for example unknown_sensor
        #[arg(long)]
        reason: Option<String>,
        /// Also those that were replayed
        #[arg(long)]
        all: bool,
        #[arg(long, default_value_t = 20)]
        limit: i64,
        #[arg(long)]
        json: bool,
    },
    /// One dead letter with its payload
    Show {
        letter_id: i64,
        #[arg(long)]
        json: bool,
    },
    /// Send dead letters through the running server again
    Replay {
        /// Only these dead letters
        letter_ids: Vec<i64>,
        /// All waiting dead letters of this reason
        #[arg(long, conflicts_with = "letter_ids")]
        reason: Option<String>,
        /// The server's MQTT listener [default: the first one of the configuration]
        #[arg(long, value_name = "ADDRESS")]
        mqtt: Option<SocketAddr>,
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(
    args: DeadletterArgs,
    settings: &Settings,
    environment: &Environment,
) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let postgres = PostgresSettings::from_environment(registry.get("genims_operations_db")?, environment)?;
    let client = postgres.connect().await?;
    match args.command {
        DeadletterCommand::List { reason, all, limit, json } => {
            let filter = Filter { reason, include_replayed: all, limit, ..Filter::default() };
            list(&client, &filter, json).await
        }
        DeadletterCommand::Show { letter_id, json } => show(&client, letter_id, json).await,
        DeadletterCommand::Replay { letter_ids, reason, mqtt, json } => {
            let address = mqtt.map_or_else(|| mqtt_address(settings), Ok)?;
            replay(&client, letter_ids, reason.as_deref(), address, json).await
        }
    }
}

async fn list(client: &Client, filter: &Filter, json: bool) -> anyhow::Result<ExitCode> {
    let counts = dead_letters::count_by_reason(client).await?;
    let dead_letters = dead_letters::list(client, filter).await?;
    if json {
        say!("{:#}", serde_json::json!({ "reasons": counts, "letters": dead_letters }));
        return Ok(ExitCode::SUCCESS);
    }
    for count in &counts {
        say!("{:<22} {:>8} waiting {:>8} replayed", count.reason, count.waiting, count.replayed);
    }
    for dead_letter in &dead_letters {
        say!(
            "{:>8}  {}  {:<20} {:<10} {}  {}",
            dead_letter.letter_id,
            dead_letter.received_at.format("%Y-%m-%d %H:%M:%S"),
            dead_letter.reason,
            dead_letter.source,
            dead_letter.topic,
            dead_letter.detail
        );
    }
    if counts.is_empty() {
        say!("Nothing was set aside.");
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(client: &Client, letter_id: i64, json: bool) -> anyhow::Result<ExitCode> {
    let dead_letters = dead_letters::fetch(client, &[letter_id]).await?;
    let Some(dead_letter) = dead_letters.first() else {
        bail!("there is no dead letter {letter_id}; see genims deadletter list")
    };
    let payload = String::from_utf8_lossy(&dead_letter.payload);
    if json {
        let mut shown = serde_json::to_value(dead_letter)?;
        shown["payload_text"] = payload.into();
        say!("{shown:#}");
        return Ok(ExitCode::SUCCESS);
    }
    say!("letter    {}", dead_letter.letter_id);
    say!("received  {} through {}", dead_letter.received_at, dead_letter.source);
    say!("topic     {}", dead_letter.topic);
    say!(
        "reason    {}{}",
        dead_letter.reason,
        dead_letter.sqlstate.as_ref().map(|s| format!(" (SQLSTATE {s})")).unwrap_or_default()
    );
    say!("detail    {}", dead_letter.detail);
    if let Some(at) = dead_letter.replayed_at {
        say!("replayed  {at}");
    }
    say!("payload   {} bytes\n{payload}", dead_letter.payload_bytes);
    Ok(ExitCode::SUCCESS)
}

async fn replay(
    client: &Client,
    letter_ids: Vec<i64>,
    reason: Option<&str>,
    address: SocketAddr,
    json: bool,
) -> anyhow::Result<ExitCode> {
    if letter_ids.is_empty() && reason.is_none() {
        bail!("nothing to replay; name dead letters or a --reason");
    }
    let (mut replayed, mut cut, mut after) = (0, 0, 0);
    let mut refused_again = None;
    let mut named = letter_ids.into_iter();
    loop {
        let ids = match reason {
            Some(_) => dead_letters::waiting_ids(client, reason, after, REPLAY_CHUNK as i64).await?,
            None => named.by_ref().take(REPLAY_CHUNK).collect(),
        };
        let Some(last) = ids.last() else { break };
        after = *last;
        let (whole, partial): (Vec<StoredDeadLetter>, Vec<StoredDeadLetter>) =
            dead_letters::fetch(client, &ids).await?.into_iter().partition(StoredDeadLetter::is_complete);
        cut += partial.len();
        let (rows, whole): (Vec<StoredDeadLetter>, Vec<StoredDeadLetter>) =
            whole.into_iter().partition(StoredDeadLetter::holds_row);
        for dead_letter in &rows {
            match dead_letters::restore(client, dead_letter.letter_id).await {
                Ok(restored) => replayed += u64::from(restored),
                Err(error) => refused_again = Some((dead_letter.letter_id, error)),
            }
        }
        let messages: Vec<_> = whole.iter().map(message).collect();
        publish::publish(address, &messages).await?;
        let done: Vec<i64> = whole.iter().map(|dead_letter| dead_letter.letter_id).collect();
        replayed += dead_letters::mark_replayed(client, &done).await.context("replayed but not marked as such")?;
    }
    if json {
        say!("{}", serde_json::json!({ "replayed": replayed, "cut": cut }));
    } else {
        say!("{replayed} dead letters replayed; what is still wrong comes back as a new dead letter.");
        if cut > 0 {
            say!(
                "{cut} dead letters hold only a part of a long payload and were left: only their sender has it whole."
            );
        }
    }
    match refused_again {
        Some((letter_id, error)) => {
            Err(error).with_context(|| format!("letter {letter_id} is refused again; mend the row or the table first"))
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

fn message(dead_letter: &StoredDeadLetter) -> (String, Vec<u8>) {
    let topic = if dead_letter.topic.is_empty() { REPLAY_TOPIC } else { &dead_letter.topic };
    (topic.to_owned(), dead_letter.payload.clone())
}

/// The first MQTT listener of the configuration; one that listens everywhere is reached through loopback.
fn mqtt_address(settings: &Settings) -> anyhow::Result<SocketAddr> {
    let listen = settings.listeners.iter().find_map(|listener| match &listener.kind {
        ListenerKind::Mqtt(options) => Some(options.listen),
        _ => None,
    });
    let mut address = listen.context("the configuration has no MQTT listener; name one with --mqtt")?;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    Ok(address)
}
