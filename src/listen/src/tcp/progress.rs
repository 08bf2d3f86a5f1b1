//! How far each client of the frame protocol has come, over connections and over restarts of the server.
//!
//! Enters: what the spool recovered, and the receipts of rounds as they settle. Leaves: the sequence that WELCOME tells and
//! that ACKs carry. Invariants:
//! - `durable` never passes a frame whose round is open or was refused by policy;
//! - a client's [`Session`] has one owner at a time: a newer connection waits until the older one has let go of it, and
//!   the older one never lets go in the middle of a submit;
//! - at most `clients_max` clients are remembered; the longest unused go first, never one with an owner or open rounds;
//! - no sequence, whatever it is, keeps its client from being heard afterwards: a gap leaves enough to count on to, and who
//!   comes back far below what is known of it counts anew.

use genims_model::{Mark, Receipt};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Notify, OwnedMutexGuard, watch};

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;

/// Enough for every PLC of a large group; about 10 MiB when full.
pub const CLIENTS_MAX: usize = 65_536;

/// Nobody counts this far, frame by frame: 1,000 frames a second take 34 years. What lies beyond is a client's mistake.
pub(super) const SEQUENCE_MAX: u64 = 1 << 40;

/// No client begins beyond, and no gap leads there: it can count on for 17 years.
pub(super) const BEGIN_MAX: u64 = 1 << 39;

/// The largest gap that a connection's first frame may leave behind what is known of its client: 50 days of 1,000 frames a
/// second, far more than a restored server can have forgotten.
pub(super) const GAP_MAX: u64 = 1 << 32;

/// The furthest mark of an earlier run that is believed: its client can go on by [`GAP_MAX`]. Nobody who begins where it may
/// counts so far.
const RECOVERED_MAX: u64 = SEQUENCE_MAX - GAP_MAX;

/// However small the window is: so many frames may have been sent again.
const RESEND_MIN: u64 = 4_096;

/// What lies further behind is no resend: twice as many frames as a client of the listener may have without ACK.
pub(super) fn resend_max(in_flight_frames_max: u32) -> u64 {
    (2 * u64::from(in_flight_frames_max)).max(RESEND_MIN)
}

/// Clients forgotten in one go, as a share of all: making room costs one look at every client.
const FORGET_SHARE: usize = 16;

/// The registry, shared by all listeners of the frame protocol.
#[derive(Debug)]
pub struct Progress {
    clients_max: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    clients: HashMap<String, Slot>,
    /// Counts look-ups; orders clients by last use.
    tick: u64,
}

#[derive(Debug)]
struct Slot {
    client: Arc<Client>,
    used: u64,
}

impl Progress {
    /// `recovered`: the last durable sequence per client, as the spool's marks say. One beyond [`RECOVERED_MAX`] (earlier
    /// releases took any) is not believed: its client would soon have nothing to count to.
    pub fn new(clients_max: usize, recovered: HashMap<String, u64>) -> Self {
        let clients = recovered
            .into_iter()
            .filter(|(id, durable)| *durable <= RECOVERED_MAX && !id.starts_with(Mark::RESERVED))
            .take(clients_max)
            .map(|(id, durable)| (id.clone(), Slot { client: Arc::new(Client::new(id, durable)), used: 0 }))
            .collect();
        Self { clients_max: clients_max.max(1), table: Mutex::new(Table { clients, tick: 0 }) }
    }

    /// Everybody's durable progress, for a spool that is about to delete the segments with older marks.
    pub fn marks(&self) -> Vec<Mark> {
        let table = self.lock();
        let marks =
            table.clients.values().map(|slot| Mark { client: slot.client.id.clone(), sequence: slot.client.durable() });
        marks.filter(|mark| mark.sequence > 0).collect()
    }

    /// The last durable sequence of a client, 0 when it is not known.
    pub fn durable(&self, client: &str) -> u64 {
        self.lock().clients.get(client).map_or(0, |slot| slot.client.durable())
    }

    /// The client of that id, known or new. `None` when the registry is full of clients that cannot be forgotten.
    pub(super) fn client(&self, id: &str) -> Option<Arc<Client>> {
        let mut table = self.lock();
        table.tick += 1;
        let tick = table.tick;
        if let Some(slot) = table.clients.get_mut(id) {
            slot.used = tick;
            return Some(slot.client.clone());
        }
        if table.clients.len() >= self.clients_max && !table.forget((self.clients_max / FORGET_SHARE).max(1)) {
            return None;
        }
        let client = Arc::new(Client::new(id.to_owned(), 0));
        table.clients.insert(id.to_owned(), Slot { client: client.clone(), used: tick });
        Some(client)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }
}

impl Table {
    /// Forgets up to `count` of the longest unused clients; false when there was none to forget.
    fn forget(&mut self, count: usize) -> bool {
        let mut unused: Vec<(u64, &String)> = self
            .clients
            .iter()
            .filter(|(_, slot)| slot.client.is_forgettable())
            .map(|(id, slot)| (slot.used, id))
            .collect();
        unused.sort_unstable();
        let gone: Vec<String> = unused.into_iter().take(count).map(|(_, id)| id.clone()).collect();
        for id in &gone {
            self.clients.remove(id);
        }
        !gone.is_empty()
    }
}

/// One client of the protocol.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: String,
    durable: AtomicU64,
    /// Woken by receipts; whoever owns the session listens.
    pub(super) waiter: Arc<Notify>,
    /// Connections of this client so far. An owner whose number is not the newest has been taken over.
    generation: watch::Sender<u64>,
    session: Arc<tokio::sync::Mutex<Session>>,
}

impl Client {
    fn new(id: String, durable: u64) -> Self {
        let session = Session { received: durable, marked: durable, ..Session::default() };
        Self {
            id,
            durable: AtomicU64::new(durable),
            waiter: Arc::new(Notify::new()),
            generation: watch::Sender::new(0),
            session: Arc::new(tokio::sync::Mutex::new(session)),
        }
    }

    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Announces a new connection: whoever owns the session now is asked to let go.
    pub(super) fn take_over(&self) -> Lease {
        let mut number = 0;
        self.generation.send_modify(|newest| {
            *newest += 1;
            number = *newest;
        });
        Lease { number, newest: self.generation.subscribe() }
    }

    /// Waits until nobody else owns the session.
    pub(super) async fn own(&self) -> OwnedMutexGuard<Session> {
        self.session.clone().lock_owned().await
    }

    fn is_forgettable(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
            && self
                .session
                .try_lock()
                .is_ok_and(|session| session.rounds.iter().all(|round| round.receipt.is_settled()))
    }
}

/// A connection's right to its client's session, until a newer connection comes.
#[derive(Debug)]
pub(super) struct Lease {
    number: u64,
    newest: watch::Receiver<u64>,
}

impl Lease {
    pub(super) fn is_over(&self) -> bool {
        *self.newest.borrow() != self.number
    }

    /// Resolves when a newer connection of the client has come. Cancel-safe.
    pub(super) async fn over(&mut self) {
        let number = self.number;
        // The sender lives in the client, which the connection holds: it cannot be gone.
        let _ = self.newest.wait_for(|newest| *newest != number).await;
    }
}

/// Frames handed to the pipeline together, under one receipt.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) last_sequence: u64,
    /// 0 for a round that carries a mark alone.
    pub(super) frames: u32,
    pub(super) bytes: usize,
    pub(super) receipt: Receipt,
}

/// What a client has under way.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The highest sequence handed to the pipeline.
    received: u64,
    /// The highest sequence that a mark was submitted for.
    marked: u64,
    rounds: VecDeque<Round>,
    frames_in_flight: u32,
    bytes_in_flight: usize,
    /// A round was refused by policy: nothing behind it counts as durable until all have settled.
    refused: bool,
    /// The client counts anew, and nothing of that is durable yet: rounds carry a mark that takes back those before.
    anew: bool,
}

/// How a DATA frame's sequence stands to what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Next,
    /// Received before. `durable`: it can be acknowledged again at once.
    Resend {
        durable: bool,
    },
    /// So far behind what was received that it cannot have been sent again: see [`Session::begin_anew`].
    Anew,
    Gap {
        expected: u64,
    },
    /// Beyond what any client can have counted to.
    TooFar {
        expected: u64,
    },
}

impl Session {
    /// `first`: the connection's first DATA frame, which may leave a gap: see the client rules in the module header.
    /// `resend_max`: see [`resend_max`].
    pub(super) fn place(&self, client: &Client, sequence: u64, first: bool, resend_max: u64) -> Place {
        let expected = self.received + 1;
        if self.received.saturating_sub(sequence) > resend_max {
            if !first {
                Place::Gap { expected }
            } else if sequence > BEGIN_MAX {
                Place::TooFar { expected }
            } else {
                Place::Anew
            }
        } else if sequence <= self.received {
            Place::Resend { durable: sequence <= client.durable() }
        } else if self.is_too_far(sequence, resend_max) {
            Place::TooFar { expected }
        } else if sequence == expected || first {
            Place::Next
        } else {
            Place::Gap { expected }
        }
    }

    /// Of a sequence above what was received. Beyond [`BEGIN_MAX`] a gap is as wide as marks lag behind after a crash.
    fn is_too_far(&self, sequence: u64, resend_max: u64) -> bool {
        let (is_known, ahead) = (self.received > 0, sequence - self.received);
        let goes_on = is_known && ahead <= resend_max;
        let leads_too_far = sequence > BEGIN_MAX || (is_known && ahead > GAP_MAX);
        sequence > SEQUENCE_MAX || (leads_too_far && !goes_on)
    }

    /// Forgets how far the client had come, as if it were new; what it sends again is found by the shards' memory of readings.
    /// Nothing may be under way: a round that settles later would acknowledge what has just been taken.
    pub(super) fn begin_anew(&mut self, client: &Client) {
        assert!(self.is_drained(), "a client counts anew while frames of before are under way");
        (self.received, self.marked, self.anew) = (0, 0, true);
        client.durable.store(0, Ordering::Release);
    }

    /// Frames up to `sequence` are on their way into the pipeline.
    pub(super) fn receive(&mut self, sequence: u64) {
        self.received = sequence;
    }

    pub(super) fn push(&mut self, round: Round) {
        self.frames_in_flight += round.frames;
        self.bytes_in_flight += round.bytes;
        self.rounds.push_back(round);
    }

    pub(super) fn frames_in_flight(&self) -> u32 {
        self.frames_in_flight
    }

    pub(super) fn bytes_in_flight(&self) -> usize {
        self.bytes_in_flight
    }

    pub(super) fn is_drained(&self) -> bool {
        self.rounds.is_empty()
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Takes settled rounds off the front; true when the durable sequence has moved.
    pub(super) fn settle(&mut self, client: &Client) -> bool {
        let before = client.durable();
        let mut durable = before;
        while self.rounds.front().is_some_and(|round| round.receipt.is_settled()) {
            let Some(round) = self.rounds.pop_front() else { break };
            self.frames_in_flight -= round.frames;
            self.bytes_in_flight -= round.bytes;
            if round.frames == 0 {
                continue;
            }
            self.refused |= round.receipt.is_refused();
            if !self.refused {
                durable = round.last_sequence;
            }
        }
        client.durable.store(durable, Ordering::Release);
        // The first round has settled with the mark that it carried.
        self.anew &= durable == before;
        durable > before
    }

    /// Once nothing is in flight, what was refused may be sent again. False while rounds behind a refused one are open.
    pub(super) fn resume(&mut self, client: &Client) -> bool {
        if self.refused && !self.rounds.is_empty() {
            return false;
        }
        if self.rounds.is_empty() {
            self.refused = false;
            self.received = client.durable();
        }
        true
    }

    /// The mark that the next round should carry: if progress has been made since the last, or what earlier ones say is over.
    pub(super) fn mark(&mut self, client: &Client) -> Option<Mark> {
        if self.anew {
            return Some(Mark { client: client.id.clone(), sequence: 0 });
        }
        let sequence = client.durable();
        if sequence <= self.marked {
            return None;
        }
        self.marked = sequence;
        Some(Mark { client: client.id.clone(), sequence })
    }

    pub(super) fn owes_mark(&self, client: &Client) -> bool {
        client.durable() > self.marked
    }
}
