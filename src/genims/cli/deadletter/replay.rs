//! `genims deadletter replay`: what was set aside goes through the running server again, and is looked for behind it.
//!
//! - It ends with the dead letters that waited when it began, and goes through them piece by piece, oldest first: what it
//!   holds at once has a bound, however many there are.
//! - A dead letter counts as stored when the operations database has passed everything that was sent, and nothing of it has
//!   come back; rows for tables when their database has, too. What comes back is told by the client id, which is one for each
//!   letter of each replay: what a device sends meanwhile is its own.
//! - What says no time itself is stored under the time when it was received first; of what came several times, each is a
//!   reading with a time of its own from then on.
//! - One that comes back waits as before, in its own row; see [`again`].

use super::copies::copies;
use super::pieces::{CHUNK, pieces};
use super::publish::{self, Login, Message};
use super::stored;
use crate::cli::reachable;
use anyhow::{Context, bail};
use clap::Args;
use genims::settings::{ListenerKind, Settings};
use genims_databases::{Environment, PostgresClient as Client};
use genims_decode::Decoder;
use genims_platform::actions::{self, Action};
use genims_platform::dead_letters::again::{self, Returned, Sent};
use genims_platform::dead_letters::{self, KeptLetter, StoredDeadLetter};
use genims_terminal::{Progress, say};
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::ExitCode;
use uuid::Uuid;

/// Dead letters sent before it is looked what came back.
const SETTLE_AT: usize = 1_000;
/// Dead letters that came back and are told one by one.
const TOLD_MAX: usize = 20;
/// Under which topic a dead letter without one goes back: its payload names its sensors.
pub(super) const REPLAY_TOPIC: &str = "genims/v1/replay/readings";

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
    /// Dead letters that were to be replayed.
    asked: u64,
    /// Of these, those that are stored now.
    stored: u64,
    /// Sent again, or put back directly.
    replayed: u64,
    /// Records of these that were set aside again.
    returned: u64,
    /// Rows that the database still refuses.
    refused: u64,
    /// Rows that the database refused while what was sent was stored; whose they are cannot be told.
    refused_meanwhile: u64,
    /// Only a part of the payload was kept: only the sender has it whole.
    cut: u64,
    /// Which, the first ones.
    cut_ids: Vec<i64>,
    /// Refused by the database, and no row to put back: events, and dead letters that were refused themselves.
    without_row: u64,
    /// Of those sent again, the ones that came without a topic.
    without_topic: u64,
    /// Letters of the replayed causes that were only counted, without their payloads.
    counted_only: u64,
    /// Those that came back, and why: the first ones.
    back: Vec<Returned>,
}

struct Replay<'r> {
    client: &'r Client,
    args: &'r ReplayArgs,
    settings: &'r Settings,
    login: Option<Login>,
    /// The beginning of the client ids.
    sender: String,
    /// The newest dead letter of before.
    newest: i64,
    /// Sent, and not yet looked for.
    sent: Vec<Sent>,
    /// The databases that rows among them go to.
    databases: BTreeSet<String>,
    decoder: Decoder,
    done: Replayed,
    refusal: Option<anyhow::Error>,
    /// The server does not take any more.
    is_over: bool,
    bar: Progress,
}

pub(super) async fn run(
    client: &Client,
    args: ReplayArgs,
    settings: &Settings,
    login: Option<Login>,
) -> anyhow::Result<ExitCode> {
    let mut replay = Replay {
        client,
        args: &args,
        settings,
        login,
        sender: format!("genims-replay-{}", Uuid::new_v4().simple()),
        newest: dead_letters::newest_id(client).await?,
        sent: Vec::new(),
        databases: BTreeSet::new(),
        decoder: Decoder::new(settings.topics.clone()),
        done: Replayed::default(),
        refusal: None,
        is_over: false,
        bar: Progress::new("deadletter replay", "dead letters"),
    };
    match &args.reason {
        None if args.letter_ids.is_empty() => bail!("nothing to replay; name dead letters or a --reason"),
        None => {
            // Named twice, it is sent once.
            let held = known(client, &args.letter_ids).await?;
            for ids in pieces(&held) {
                replay.take(&ids).await?;
            }
        }
        Some(reason) => {
            let mut after = 0;
            while !replay.is_over {
                let held = dead_letters::waiting(client, reason, after, replay.newest, CHUNK as i64).await?;
                let Some(last) = held.last() else { break };
                after = last.letter_id;
                for ids in pieces(&held) {
                    replay.take(&ids).await?;
                }
            }
            // What the server no longer took was to be replayed all the same.
            replay.done.asked += dead_letters::count_waiting(client, reason, after, replay.newest).await?;
        }
    }
    replay.bar.show("waiting until they are stored");
    replay.settle().await?;
    let Replay { done, refusal, bar, .. } = replay;
    drop(bar);
    if done.replayed > 0 {
        enter(client, &done).await?;
    }
    report(&done, args.json)?;
    if let Some(error) = refusal {
        return Err(error);
    }
    let all_stored = done.stored == done.asked && done.refused_meanwhile == 0;
    Ok(if all_stored { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was replayed is an entry of the audit trail.
async fn enter(client: &Client, done: &Replayed) -> anyhow::Result<()> {
    let description = format!("replayed {} dead letters, {} records came back", done.replayed, done.returned);
    let action = Action {
        service: "genims-replay",
        activity: "edit",
        module: "operations",
        database: "genims_operations_db",
        description: &description,
        rows: done.replayed,
    };
    Ok(actions::record(client, &action).await?)
}

/// Nothing is sent when an id is wrong.
pub(super) async fn known(client: &Client, letter_ids: &[i64]) -> anyhow::Result<Vec<KeptLetter>> {
    let found = dead_letters::existing(client, letter_ids).await?;
    let ids: BTreeSet<i64> = found.iter().map(|held| held.letter_id).collect();
    let unknown: Vec<String> = letter_ids.iter().filter(|id| !ids.contains(id)).map(i64::to_string).collect();
    if !unknown.is_empty() {
        bail!("there is no dead letter {}; see genims deadletter list", unknown.join(", "));
    }
    Ok(found)
}

impl Replay<'_> {
    /// Puts back what is a finished row, and sends the others.
    async fn take(&mut self, ids: &[i64]) -> anyhow::Result<()> {
        if self.is_over {
            self.done.asked += ids.len() as u64;
            return Ok(());
        }
        let all = dead_letters::fetch(self.client, ids).await?;
        self.done.asked += all.len() as u64;
        let (whole, partial): (Vec<StoredDeadLetter>, Vec<StoredDeadLetter>) =
            all.into_iter().partition(StoredDeadLetter::is_complete);
        self.done.cut += partial.len() as u64;
        let room = TOLD_MAX.saturating_sub(self.done.cut_ids.len());
        self.done.cut_ids.extend(partial.iter().map(|dead_letter| dead_letter.letter_id).take(room));
        let (rows, whole): (Vec<StoredDeadLetter>, Vec<StoredDeadLetter>) =
            whole.into_iter().partition(StoredDeadLetter::holds_row);
        // Sent, they would say nothing, and nothing would come back.
        let (lost, whole): (Vec<StoredDeadLetter>, Vec<StoredDeadLetter>) =
            whole.into_iter().partition(StoredDeadLetter::was_refused);
        self.done.without_row += lost.len() as u64;
        for StoredDeadLetter { letter_id, .. } in &rows {
            match dead_letters::restore(self.client, *letter_id).await {
                Ok(restored) => {
                    self.done.replayed += u64::from(restored);
                    self.done.stored += 1;
                }
                Err(error) => {
                    self.done.refused += 1;
                    let context = format!("letter {letter_id} is refused again; mend the row or the table first");
                    self.refusal.get_or_insert(anyhow::Error::new(error).context(context));
                }
            }
        }
        self.send(whole).await?;
        self.bar.set_done(self.done.replayed);
        if self.sent.len() >= SETTLE_AT { self.settle().await } else { Ok(()) }
    }

    async fn send(&mut self, mut whole: Vec<StoredDeadLetter>) -> anyhow::Result<()> {
        if whole.is_empty() {
            return Ok(());
        }
        let address = self.args.mqtt.map_or_else(|| mqtt_address(self.settings), Ok)?;
        let messages: Vec<Message> = whole.iter_mut().map(|dead_letter| self.message(dead_letter)).collect();
        let all = messages.iter().map(|message| Sent { letter_id: message.letter_id, copies: message.copies });
        let mut sent: Vec<Sent> = all.collect();
        let (acknowledged, error) = publish::publish(address, self.login.as_ref(), messages).await;
        if let Some(error) = error {
            self.refusal.get_or_insert(error.into());
            self.is_over = true;
        }
        // At once: they are durable, and are not to be sent again by a replay that comes behind one that was killed.
        dead_letters::mark_replayed(self.client, &acknowledged).await.context("replayed but not marked as such")?;
        let samples = whole.iter().filter(|dead_letter| dead_letter.is_sample);
        self.done.counted_only += samples.map(|sample| sample.letters.unsigned_abs().saturating_sub(1)).sum::<u64>();
        let is_sent = |dead_letter: &&StoredDeadLetter| acknowledged.contains(&dead_letter.letter_id);
        let without_topic = whole.iter().filter(is_sent).filter(|dead_letter| dead_letter.topic.is_empty());
        self.done.without_topic += without_topic.count() as u64;
        self.databases.extend(whole.iter().filter_map(StoredDeadLetter::rows_database));
        // Also those that had been replayed before: they were sent, and may come back.
        self.done.replayed += acknowledged.len() as u64;
        sent.retain(|sent| acknowledged.contains(&sent.letter_id));
        self.sent.extend(sent);
        Ok(())
    }

    /// Takes the payload out of the dead letter: it is held once.
    fn message(&self, dead_letter: &mut StoredDeadLetter) -> Message {
        let topic = if dead_letter.topic.is_empty() { REPLAY_TOPIC } else { &dead_letter.topic };
        Message {
            letter_id: dead_letter.letter_id,
            client_id: again::client_id(&self.sender, dead_letter.letter_id),
            first_received_us: dead_letter.received_at.timestamp_micros(),
            topic: topic.to_owned(),
            copies: copies(dead_letter, topic, &self.decoder),
            lane: dead_letter.rows_database(),
            payload: std::mem::take(&mut dead_letter.payload),
        }
    }

    /// Waits until what was sent is stored, and looks what of it came back.
    async fn settle(&mut self) -> anyhow::Result<()> {
        if self.sent.is_empty() {
            return Ok(());
        }
        let address = self.args.http.unwrap_or_else(|| reachable(self.settings.http.listen));
        let sent = std::mem::take(&mut self.sent);
        if let Err(error) = stored::wait(address, &std::mem::take(&mut self.databases)).await {
            // None of them counts as stored; what is known of the others is reported.
            self.refusal.get_or_insert(error);
            self.is_over = true;
            return Ok(());
        }
        let back = again::settle(self.client, &self.sender, &sent, self.newest).await?;
        self.done.stored += (sent.len() - back.len()) as u64;
        self.done.returned += back.iter().map(|back| back.records).sum::<u64>();
        self.done.refused_meanwhile = again::refused_since(self.client, self.newest).await?;
        let room = TOLD_MAX.saturating_sub(self.done.back.len());
        self.done.back.extend(back.into_iter().take(room));
        Ok(())
    }
}

fn report(done: &Replayed, json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", serde_json::to_string(done)?);
        return Ok(());
    }
    let Replayed { asked, stored, returned, refused, refused_meanwhile, cut, counted_only, back, .. } = done;
    let Replayed { without_row, without_topic, .. } = done;
    say!("{stored} of {asked} stored.");
    for Returned { letter_id, reason, detail, .. } in back {
        say!("letter {letter_id} came back and waits: {reason}: {}", super::shown(detail));
    }
    if *returned > 0 {
        say!("{returned} records were set aside again; `genims deadletter list` has the reasons.");
    }
    if *counted_only > 0 {
        say!("{counted_only} more of the same causes were only counted: only their sender has them.");
    }
    if *refused > 0 {
        say!("{refused} rows are still refused by the database.");
    }
    if *refused_meanwhile > 0 {
        say!("{refused_meanwhile} rows were refused by the database meanwhile; see --reason refused_by_database.");
    }
    if *without_topic > 0 {
        say!(
            "{without_topic} came without a topic (frames, lines) and were sent to {REPLAY_TOPIC}: their payloads name the sensors."
        );
    }
    if *without_row > 0 {
        say!(
            "{without_row} hold no row that could be put back (an event, or a dead letter that was refused itself) and were \
             left; `genims deadletter show` has what is known, `purge` removes them."
        );
    }
    for letter_id in &done.cut_ids {
        say!(
            "letter {letter_id} was left: its payload was cut; `genims deadletter show {letter_id}` has how much was kept."
        );
    }
    if *cut > 0 {
        say!("{cut} hold only a part of a long payload and were left: only their sender has it whole.");
    }
    Ok(())
}

/// The first MQTT listener of the configuration that speaks in clear.
fn mqtt_address(settings: &Settings) -> anyhow::Result<SocketAddr> {
    let listen = settings.listeners.iter().find_map(|listener| match &listener.kind {
        ListenerKind::Mqtt(options) if options.tls.is_none() => Some(options.listen),
        _ => None,
    });
    let missing = "the configuration has no MQTT listener without TLS; add one on loopback, or name one with --mqtt";
    Ok(reachable(listen.context(missing)?))
}

/// As whom to log in: GENIMS_REPLAY_NAME and GENIMS_REPLAY_SECRET, where clients have to.
pub(super) fn login(environment: &Environment) -> anyhow::Result<Option<Login>> {
    let Some(name) = environment.get("GENIMS_REPLAY_NAME") else { return Ok(None) };
    let secret = environment
        .secret("GENIMS_REPLAY_SECRET")?
        .context("GENIMS_REPLAY_NAME is set, GENIMS_REPLAY_SECRET is not")?;
    Ok(Some(Login { name: name.to_owned(), secret }))
}
