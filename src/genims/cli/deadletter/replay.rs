//! `genims deadletter replay`: what was set aside goes through the running server again, and is looked for behind it.
//!
//! - It ends with the dead letters that waited when it began; what comes back meanwhile is counted, not sent again.
//! - A dead letter counts as stored when the operations database has passed everything that was sent, and nothing of it has
//!   come back. What comes back is told by the client id, which is one for each replay: what a device sends meanwhile is its own.

use super::publish;
use crate::cli::say::say;
use anyhow::{Context, bail};
use clap::Args;
use genims::settings::{ListenerKind, Settings};
use genims_databases::PostgresClient as Client;
use genims_platform::actions::{self, Action};
use genims_platform::dead_letters::{self, StoredDeadLetter};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Dead letters published and marked at once.
const CHUNK: usize = 100;
/// Under which topic a dead letter without one goes back: its payload names its sensors.
const REPLAY_TOPIC: &str = "genims/v1/replay/readings";
/// How long the operations database may take to come up with what was sent.
const STORED_WAIT: Duration = Duration::from_secs(60);
const STORED_POLL: Duration = Duration::from_millis(100);
const HTTP_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Only these dead letters
    letter_ids: Vec<i64>,
    /// All waiting dead letters of this reason
    #[arg(long, conflicts_with = "letter_ids", value_parser = super::reasons())]
    reason: Option<String>,
    /// The server's MQTT listener [default: the first one of the configuration]
    #[arg(long, value_name = "ADDRESS")]
    mqtt: Option<SocketAddr>,
    /// The server's HTTP side, which tells when all is stored [default: that of the configuration]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    #[arg(long)]
    json: bool,
}

/// What became of them.
#[derive(Debug, Default, Serialize)]
struct Replayed {
    /// Sent again, or put back directly.
    replayed: u64,
    /// Records of these that were set aside again.
    returned: u64,
    /// Rows that the database still refuses.
    refused: u64,
    /// Only a part of the payload was kept: only the sender has it whole.
    cut: u64,
    /// Letters of the replayed causes that were only counted, without their payloads.
    counted_only: u64,
}

pub(super) async fn run(client: &Client, args: ReplayArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let newest = dead_letters::newest_id(client).await?;
    let sender = format!("genims-replay-{}", Uuid::new_v4().simple());
    let mut done = Replayed::default();
    let mut refusal = None;
    match &args.reason {
        None if args.letter_ids.is_empty() => bail!("nothing to replay; name dead letters or a --reason"),
        None => {
            known(client, &args.letter_ids).await?;
            for ids in args.letter_ids.chunks(CHUNK) {
                send(client, ids, (&args, settings, &sender), &mut done, &mut refusal).await?;
            }
        }
        Some(reason) => {
            let mut after = 0;
            loop {
                let ids = dead_letters::waiting_ids(client, reason, after, newest, CHUNK as i64).await?;
                let Some(last) = ids.last() else { break };
                after = *last;
                send(client, &ids, (&args, settings, &sender), &mut done, &mut refusal).await?;
            }
        }
    }
    let sent = done.replayed > 0;
    if sent {
        stored(args.http.unwrap_or_else(|| reachable(settings.http.listen))).await?;
        done.returned = dead_letters::returned(client, newest, &sender).await?;
    }
    if sent {
        let description = format!("replayed {} dead letters, {} records came back", done.replayed, done.returned);
        let action = Action {
            service: "genims-replay",
            activity: "edit",
            module: "operations",
            database: "genims_operations_db",
            description: &description,
            rows: done.replayed,
        };
        actions::record(client, &action).await?;
    }
    report(&done, args.json)?;
    if let Some(error) = refusal {
        return Err(error);
    }
    let all_stored = done.returned + done.refused + done.cut == 0;
    Ok(if all_stored { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Nothing is sent when an id is wrong.
pub(super) async fn known(client: &Client, letter_ids: &[i64]) -> anyhow::Result<()> {
    let found = dead_letters::existing_ids(client, letter_ids).await?;
    let unknown: Vec<String> = letter_ids.iter().filter(|id| !found.contains(id)).map(i64::to_string).collect();
    if !unknown.is_empty() {
        bail!("there is no dead letter {}; see genims deadletter list", unknown.join(", "));
    }
    Ok(())
}

async fn send(
    client: &Client,
    ids: &[i64],
    (args, settings, sender): (&ReplayArgs, &Settings, &str),
    done: &mut Replayed,
    refusal: &mut Option<anyhow::Error>,
) -> anyhow::Result<()> {
    let (whole, partial): (Vec<StoredDeadLetter>, Vec<StoredDeadLetter>) =
        dead_letters::fetch(client, ids).await?.into_iter().partition(StoredDeadLetter::is_complete);
    done.cut += partial.len() as u64;
    let (rows, whole): (Vec<StoredDeadLetter>, Vec<StoredDeadLetter>) =
        whole.into_iter().partition(StoredDeadLetter::holds_row);
    for StoredDeadLetter { letter_id, .. } in &rows {
        match dead_letters::restore(client, *letter_id).await {
            Ok(restored) => done.replayed += u64::from(restored),
            Err(error) => {
                done.refused += 1;
                let context = format!("letter {letter_id} is refused again; mend the row or the table first");
                refusal.get_or_insert(anyhow::Error::new(error).context(context));
            }
        }
    }
    if whole.is_empty() {
        return Ok(());
    }
    let address = args.mqtt.map_or_else(|| mqtt_address(settings), Ok)?;
    let messages: Vec<_> = whole.iter().map(message).collect();
    publish::publish(address, sender, &messages).await?;
    let samples = whole.iter().filter(|dead_letter| dead_letter.is_sample);
    done.counted_only += samples.map(|sample| sample.letters.unsigned_abs().saturating_sub(1)).sum::<u64>();
    let letters: Vec<i64> = whole.iter().map(|dead_letter| dead_letter.letter_id).collect();
    dead_letters::mark_replayed(client, &letters).await.context("replayed but not marked as such")?;
    // Also those that had been replayed before: they were sent, and may come back.
    done.replayed += letters.len() as u64;
    Ok(())
}

fn report(done: &Replayed, json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", serde_json::to_string(done)?);
        return Ok(());
    }
    let Replayed { replayed, returned, refused, cut, counted_only } = done;
    match returned {
        0 => say!("{replayed} dead letters replayed, all of them are stored."),
        _ => {
            say!("{replayed} dead letters sent again.");
            say!("{returned} records of them were set aside again; `genims deadletter list` has the reasons.");
        }
    }
    if *counted_only > 0 {
        say!("{counted_only} more of the same causes were only counted: only their sender has them.");
    }
    if *refused > 0 {
        say!("{refused} rows are still refused by the database.");
    }
    if *cut > 0 {
        say!("{cut} hold only a part of a long payload and were left: only their sender has it whole.");
    }
    Ok(())
}

fn message(dead_letter: &StoredDeadLetter) -> (String, Vec<u8>) {
    let topic = if dead_letter.topic.is_empty() { REPLAY_TOPIC } else { &dead_letter.topic };
    (topic.to_owned(), dead_letter.payload.clone())
}

/// What of `/stats` is looked at.
#[derive(Deserialize)]
struct Stats {
    spool: SpoolStats,
    sinks: Vec<SinkStats>,
}

#[derive(Deserialize)]
struct SpoolStats {
    next_offset: u64,
}

#[derive(Deserialize)]
struct SinkStats {
    name: String,
    position: u64,
}

/// Waits until the operations database has everything that the log holds now.
async fn stored(address: SocketAddr) -> anyhow::Result<()> {
    let unknown = || {
        format!(
            "everything was sent and is durable, but whether it is stored cannot be told: ask http://{address}/stats, and \
             `genims deadletter list` for what came back"
        )
    };
    let operations = genims_stores::postgres::session::SINK;
    let deadline = Instant::now() + STORED_WAIT;
    let mut end = None;
    loop {
        let stats = stats(address).await.with_context(unknown)?;
        let end = *end.get_or_insert(stats.spool.next_offset);
        let sink = stats.sinks.iter().find(|sink| sink.name == operations);
        let sink = sink.context("the server has no sink of type postgres").with_context(unknown)?;
        if sink.position >= end {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{}: it is at {} of {end}", unknown(), sink.position);
        }
        tokio::time::sleep(STORED_POLL).await;
    }
}

async fn stats(address: SocketAddr) -> anyhow::Result<Stats> {
    let ask = move || -> Result<Stats, ureq::Error> {
        let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(HTTP_TIMEOUT)).build().into();
        agent.get(format!("http://{address}/stats")).call()?.body_mut().read_json()
    };
    Ok(tokio::task::spawn_blocking(ask).await??)
}

/// The first MQTT listener of the configuration.
fn mqtt_address(settings: &Settings) -> anyhow::Result<SocketAddr> {
    let listen = settings.listeners.iter().find_map(|listener| match &listener.kind {
        ListenerKind::Mqtt(options) => Some(options.listen),
        _ => None,
    });
    Ok(reachable(listen.context("the configuration has no MQTT listener; name one with --mqtt")?))
}

/// One that listens everywhere is reached through loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    address
}
