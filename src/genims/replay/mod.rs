//! The replay of dead letters: what was set aside goes through the running server again, and is looked for behind it. `genims deadletter
//! replay` asks for it, and the server itself, when somebody does at its page.
//!
//! - It ends with the dead letters that waited when it began, and goes through them piece by piece, oldest first: what it
//!   holds at once has a bound, however many there are.
//! - A dead letter counts as stored when the operations database has passed everything that was sent, and nothing of it has
//!   come back; rows for tables when their database has, too. What comes back is told by the client id, which is one for each
//!   dead letter of each replay: what a device sends meanwhile is its own.
//! - What says no time itself is stored under the time when it was received first; of what came several times, each is a
//!   reading with a time of its own from then on.
//! - One that comes back waits as before, in its own row; see [`again`].
//!
//! Of it, `copies` says how often one is sent, `pieces` how many at once; `publish` sends, `stored` looks behind it.

mod copies;
mod pieces;
mod publish;
mod stored;

pub use publish::Login;
pub use stored::WatchedServer;

use crate::settings::{Listener, ListenerKind, reachable};
use anyhow::{Context, bail};
use copies::copies;
use genims_databases::{Environment, PostgresClient as Client};
use genims_decode::Decoder;
use genims_decode::topic::Templates;
use genims_model::counted;
use genims_platform::actions::{self, Action};
use genims_platform::dead_letters::again::{self, Returned, Sent};
use genims_platform::dead_letters::{self, KeptDeadLetter, StoredDeadLetter};
use pieces::{CHUNK, pieces};
use publish::Message;
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use uuid::Uuid;

/// Dead letters sent before it is looked what came back.
const SETTLE_AT: usize = 1_000;
/// Dead letters that came back and are told one by one.
const TOLD_MAX: usize = 20;
/// Under which topic a dead letter without one goes back: its payload names its sensors.
pub const REPLAY_TOPIC: &str = "genims/v1/replay/readings";

/// Which dead letters.
#[derive(Clone, Debug)]
pub enum ReplayWanted {
    DeadLetters(Vec<i64>),
    /// Those that wait of a reason, the oldest ones: no further piece is begun once so many are in hand.
    Reason {
        reason: String,
        max: u64,
    },
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub enum ReplayStep {
    /// So many are sent again or put back.
    Replayed(u64),
    /// All are sent, and it waits until they are stored.
    Waiting,
}

/// By which way they go.
pub struct ReplayWay<'r> {
    pub client: &'r Client,
    pub topics: Templates,
    /// The server's MQTT listener, if it has one that speaks in clear.
    pub mqtt: Option<SocketAddr>,
    pub server: WatchedServer,
    pub login: Option<Login>,
    pub show: &'r (dyn Fn(ReplayStep) + Send + Sync),
}

/// What became of them.
#[derive(Debug, Default, Serialize)]
pub struct Replayed {
    /// Dead letters that were to be replayed.
    pub asked: u64,
    /// Of these, those that are stored now.
    pub stored: u64,
    /// Sent again, or put back directly.
    pub replayed: u64,
    /// Records of these that were set aside again.
    pub returned: u64,
    /// Rows that the database still refuses.
    pub refused: u64,
    /// Rows that the database refused while what was sent was stored; whose they are cannot be told.
    pub refused_meanwhile: u64,
    /// Only a part of the payload was kept: only the sender has it whole.
    pub cut: u64,
    /// Which, the first ones.
    pub cut_ids: Vec<i64>,
    /// Refused by the database, and no row to put back: events, and dead letters that were refused themselves.
    pub without_row: u64,
    /// Of those sent again, the ones that came without a topic.
    pub without_topic: u64,
    /// Dead letters of the replayed causes that were only counted, without their payloads.
    pub counted_only: u64,
    /// Of a reason, those beyond what was wanted at most: they wait.
    pub left: u64,
    /// Those that came back, and why: the first ones.
    pub back: Vec<Returned>,
}

struct Replay<'r> {
    way: ReplayWay<'r>,
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
    /// It was seen that the server says what it has stored.
    is_watched: bool,
}

/// What became of them, and the first that went wrong.
pub async fn run(way: ReplayWay<'_>, wanted: &ReplayWanted) -> anyhow::Result<(Replayed, Option<anyhow::Error>)> {
    let client = way.client;
    let mut replay = Replay {
        sender: format!("genims-replay-{}", Uuid::new_v4().simple()),
        newest: dead_letters::newest_id(client).await?,
        sent: Vec::new(),
        databases: BTreeSet::new(),
        decoder: Decoder::new(way.topics.clone()),
        done: Replayed::default(),
        refusal: None,
        is_over: false,
        is_watched: false,
        way,
    };
    match wanted {
        ReplayWanted::DeadLetters(letter_ids) => {
            // Named twice, it is sent once.
            let held = known(client, letter_ids).await?;
            for ids in pieces(&held) {
                replay.take(&ids).await?;
            }
        }
        ReplayWanted::Reason { reason, max } => {
            let mut after = 0;
            while !replay.is_over && replay.done.asked < *max {
                let held = dead_letters::waiting(client, reason, after, replay.newest, CHUNK as i64).await?;
                let Some(last) = held.last() else { break };
                after = last.letter_id;
                for ids in pieces(&held) {
                    replay.take(&ids).await?;
                }
            }
            let rest = dead_letters::count_waiting(client, reason, after, replay.newest).await?;
            // What the server no longer took was to be replayed all the same.
            let counted = if replay.is_over { &mut replay.done.asked } else { &mut replay.done.left };
            *counted += rest;
        }
    }
    (replay.way.show)(ReplayStep::Waiting);
    replay.settle().await?;
    let Replay { done, refusal, .. } = replay;
    if done.replayed > 0 {
        enter(client, &done).await?;
    }
    Ok((done, refusal))
}

/// What was replayed is an entry of the audit trail.
async fn enter(client: &Client, done: &Replayed) -> anyhow::Result<()> {
    let (dead_letters, records) = (counted(done.replayed, "dead letter"), counted(done.returned, "record"));
    let description = format!("replayed {dead_letters}, {records} came back");
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
pub async fn known(client: &Client, letter_ids: &[i64]) -> anyhow::Result<Vec<KeptDeadLetter>> {
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
        let all = dead_letters::fetch(self.way.client, ids).await?;
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
            match dead_letters::restore(self.way.client, *letter_id).await {
                Ok(restored) => {
                    self.done.replayed += u64::from(restored);
                    self.done.stored += 1;
                }
                Err(error) => {
                    self.done.refused += 1;
                    let context = format!("dead letter {letter_id} is refused again; mend the row or the table first");
                    self.refusal.get_or_insert(anyhow::Error::new(error).context(context));
                }
            }
        }
        self.send(whole).await?;
        (self.way.show)(ReplayStep::Replayed(self.done.replayed));
        if self.sent.len() >= SETTLE_AT { self.settle().await } else { Ok(()) }
    }

    async fn send(&mut self, mut whole: Vec<StoredDeadLetter>) -> anyhow::Result<()> {
        if whole.is_empty() {
            return Ok(());
        }
        let address = self.way.mqtt.context(
            "the configuration has no MQTT listener without TLS; add one on loopback, or name one with --mqtt",
        )?;
        if !self.is_watched
            && let Err(error) = stored::check(&self.way.server).await
        {
            self.refusal.get_or_insert(error);
            self.is_over = true;
            return Ok(());
        }
        self.is_watched = true;
        let messages: Vec<Message> = whole.iter_mut().map(|dead_letter| self.message(dead_letter)).collect();
        let all = messages.iter().map(|message| Sent { letter_id: message.letter_id, copies: message.copies });
        let mut sent: Vec<Sent> = all.collect();
        let (acknowledged, error) = publish::publish(address, self.way.login.as_ref(), messages).await;
        if let Some(error) = error {
            self.refusal.get_or_insert(error.into());
            self.is_over = true;
        }
        // At once: they are durable, and are not to be sent again by a replay that comes behind one that was killed.
        dead_letters::mark_replayed(self.way.client, &acknowledged).await.context("replayed but not marked as such")?;
        let samples = whole.iter().filter(|dead_letter| dead_letter.is_sample);
        self.done.counted_only +=
            samples.map(|sample| sample.dead_letters.unsigned_abs().saturating_sub(1)).sum::<u64>();
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
        let sent = std::mem::take(&mut self.sent);
        if let Err(error) = stored::wait(&self.way.server, &std::mem::take(&mut self.databases)).await {
            // None of them counts as stored; what is known of the others is reported.
            self.refusal.get_or_insert(error);
            self.is_over = true;
            return Ok(());
        }
        let back = again::settle(self.way.client, &self.sender, &sent, self.newest).await?;
        self.done.stored += (sent.len() - back.len()) as u64;
        self.done.returned += back.iter().map(|back| back.records).sum::<u64>();
        self.done.refused_meanwhile = again::refused_since(self.way.client, self.newest).await?;
        let room = TOLD_MAX.saturating_sub(self.done.back.len());
        self.done.back.extend(back.into_iter().take(room));
        Ok(())
    }
}

/// The first MQTT listener of the configuration that speaks in clear.
pub fn mqtt_address(listeners: &[Listener]) -> Option<SocketAddr> {
    let listen = listeners.iter().find_map(|listener| match &listener.kind {
        ListenerKind::Mqtt(options) if options.tls.is_none() => Some(options.listen),
        _ => None,
    });
    listen.map(reachable)
}

/// As whom to log in: GENIMS_REPLAY_NAME and GENIMS_REPLAY_SECRET, where clients have to.
pub fn login(environment: &Environment) -> anyhow::Result<Option<Login>> {
    let Some(name) = environment.get("GENIMS_REPLAY_NAME") else { return Ok(None) };
    let secret = environment
        .secret("GENIMS_REPLAY_SECRET")?
        .context("GENIMS_REPLAY_NAME is set, GENIMS_REPLAY_SECRET is not")?;
    Ok(Some(Login { name: name.to_owned(), secret }))
}
