//! Who owns which session. A client id enters with a new connection; its session leaves to that connection, and comes back
//! when the connection ends, to be kept for as long as it was promised.
//!
//! Invariants: a session has at most one owner; a newer connection gets it only after the older one has let go of it
//! ([MQTT-3.1.4-3]); at most `parked_max` sessions are kept without a connection; a will fires at most once. The lock is
//! taken when connections come and go, never per message.

use super::Shared;
use super::packet::{Fault, reason};
use super::proxy;
use super::session::Session;
use super::telling::Caller;
use super::will::{self, KeptWill};
use crate::count;
use crate::notices::Peer;
use genims_model::now_us;
use hashbrown::HashMap;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// How long a new connection waits for the same client's older one to let go. That takes one turn of its loop.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(5);

/// How exact expiry and will delay are.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// How long the messages of a client without a session are remembered, in case it sends them again.
const RESENDS_KEPT: Duration = Duration::from_secs(60);

/// A connection's claim on its client id.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) client_id: Box<str>,
    number: u64,
    taken_over: Arc<AtomicBool>,
}

impl Lease {
    /// A newer connection wants the session.
    pub(super) fn is_taken_over(&self) -> bool {
        self.taken_over.load(Ordering::Acquire)
    }
}

/// What a new connection gets.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) session: Session,
    /// There was state, and it goes on.
    pub(super) present: bool,
    /// The will of an older connection, if it has to fire now.
    pub(super) will: Option<KeptWill>,
}

#[derive(Debug)]
enum Entry {
    Owned {
        owner: Owner,
        successor: Option<Successor>,
    },
    /// `is_over`: the session has ended, and only what may be sent again is remembered.
    Parked {
        session: Session,
        is_over: bool,
        expires: Instant,
        will: Option<(Instant, Box<KeptWill>)>,
    },
}

#[derive(Debug)]
struct Owner {
    number: u64,
    taken_over: Arc<AtomicBool>,
    waiter: Arc<Notify>,
}

/// A newer connection that waits.
#[derive(Debug)]
struct Successor {
    number: u64,
    taken_over: Arc<AtomicBool>,
    clean_start: bool,
    hand_over: oneshot::Sender<Granted>,
}

#[derive(Debug, Default)]
struct Entries {
    by_client_id: HashMap<Box<str>, Entry, foldhash::fast::RandomState>,
    parked: usize,
}

#[derive(Debug)]
pub(super) struct Registry {
    entries: Mutex<Entries>,
    next: AtomicU64,
    parked_max: usize,
    pub(super) wills: will::WillRoom,
}

impl Registry {
    pub(super) fn new(parked_max: usize) -> Self {
        Self { entries: Mutex::default(), next: AtomicU64::new(0), parked_max, wills: will::WillRoom::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock()
    }

    /// Takes the client's session, if need be from an older connection. The caller must [`Registry::release`] it.
    pub(super) async fn enter(&self, client_id: &str, clean_start: bool) -> Result<(Lease, Granted), Fault> {
        let lease = Lease {
            client_id: client_id.into(),
            number: self.next.fetch_add(1, Ordering::Relaxed),
            taken_over: Arc::default(),
        };
        let mut waiting = match self.claim(&lease, clean_start) {
            Ok(granted) => return Ok((lease, granted)),
            Err(waiting) => waiting,
        };
        let granted = match timeout(TAKEOVER_TIMEOUT, &mut waiting).await {
            Ok(granted) => granted.ok(),
            Err(_) => self.give_up(&lease, &mut waiting),
        };
        let busy = Fault::new(reason::SERVER_UNAVAILABLE, "another connection with this client id is in the way");
        granted.map(|granted| (lease, granted)).ok_or(busy)
    }

    /// The session at once, or a place as successor of the connection that has it.
    fn claim(&self, lease: &Lease, clean_start: bool) -> Result<Granted, oneshot::Receiver<Granted>> {
        let mut entries = self.lock();
        if let Some(Entry::Owned { owner, successor }) = entries.by_client_id.get_mut(&lease.client_id) {
            let (hand_over, waiting) = oneshot::channel();
            // An successor that waits already is told by the loss of its sender.
            *successor =
                Some(Successor { number: lease.number, taken_over: lease.taken_over.clone(), clean_start, hand_over });
            owner.taken_over.store(true, Ordering::Release);
            owner.waiter.notify_one();
            return Err(waiting);
        }
        let mut granted = Granted { session: Session::default(), present: false, will: None };
        if let Some(Entry::Parked { session, is_over, expires, will }) = entries.by_client_id.remove(&lease.client_id) {
            entries.parked -= 1;
            granted.present = !clean_start && !is_over && expires > Instant::now();
            if granted.present {
                granted.session = session;
            } else {
                granted.session = session.begun_anew();
                granted.will = will.map(|(_, will)| *will);
            }
        }
        let owner = Owner {
            number: lease.number,
            taken_over: lease.taken_over.clone(),
            waiter: granted.session.waiter.clone(),
        };
        entries.by_client_id.insert(lease.client_id.clone(), Entry::Owned { owner, successor: None });
        Ok(granted)
    }

    /// An successor waits no longer; what was handed over in the same moment is taken after all.
    fn give_up(&self, lease: &Lease, waiting: &mut oneshot::Receiver<Granted>) -> Option<Granted> {
        let mut entries = self.lock();
        if let Some(Entry::Owned { successor, .. }) = entries.by_client_id.get_mut(&lease.client_id)
            && successor.as_ref().is_some_and(|successor| successor.number == lease.number)
        {
            *successor = None;
        }
        waiting.try_recv().ok()
    }

    /// A connection ends: its session goes to the successor, is kept for `expiry`, or ends now. Returns the will if it has to
    /// fire now.
    pub(super) fn release(
        &self,
        lease: &Lease,
        session: Session,
        expiry: Duration,
        will: Option<KeptWill>,
    ) -> Option<KeptWill> {
        let mut entries = self.lock();
        let successor = match entries.by_client_id.get_mut(&lease.client_id) {
            Some(Entry::Owned { owner, successor }) if owner.number == lease.number => successor.take(),
            _ => return will,
        };
        let present = !expiry.is_zero();
        let mut session = session;
        if let Some(successor) = successor {
            let present = present && !successor.clean_start;
            let handed_over = if present { session } else { session.begun_anew() };
            let granted = Granted { session: handed_over, present, will: None };
            let owner = Owner {
                number: successor.number,
                taken_over: successor.taken_over,
                waiter: granted.session.waiter.clone(),
            };
            match successor.hand_over.send(granted) {
                Ok(()) => {
                    let entry = Entry::Owned { owner, successor: None };
                    entries.by_client_id.insert(lease.client_id.clone(), entry);
                    // The session goes on before the delay is over: the will is off ([MQTT-3.1.3-9]).
                    return will.filter(|will| !present || will.delay.is_zero());
                }
                Err(granted) => session = granted.session,
            }
        }
        entries.by_client_id.remove(&lease.client_id);
        let is_over = !present;
        // What is only remembered leaves room for sessions that are kept.
        let room = if is_over { self.parked_max / 2 } else { self.parked_max };
        if entries.parked >= room || (is_over && session.resends.is_empty()) {
            return will;
        }
        let (session, expiry) = if is_over { (session.begun_anew(), RESENDS_KEPT) } else { (session, expiry) };
        let now = Instant::now();
        let mut due = will;
        let delayed = due
            .take_if(|will| !is_over && !will.delay.is_zero() && self.wills.lets_wait(will))
            .map(|will| (now + will.delay.min(expiry), Box::new(will)));
        entries.parked += 1;
        let entry = Entry::Parked { session, is_over, expires: now + expiry, will: delayed };
        entries.by_client_id.insert(lease.client_id.clone(), entry);
        due
    }

    /// Drops expired sessions; returns the wills that are due at `now`, or all of them.
    fn sweep(&self, now: Instant, all_wills: bool) -> Vec<KeptWill> {
        let mut entries = self.lock();
        let mut due = Vec::new();
        if entries.parked == 0 {
            return due;
        }
        let Entries { by_client_id, parked } = &mut *entries;
        by_client_id.retain(|_, entry| {
            let Entry::Parked { expires, will, .. } = entry else { return true };
            if let Some((_, will)) = will.take_if(|(at, _)| all_wills || *at <= now) {
                due.push(*will);
            }
            let keep = *expires > now;
            *parked -= usize::from(!keep);
            keep
        });
        due
    }
}

/// Lets sessions expire and delayed wills fire until shutdown, then fires the wills that still wait: their clients were
/// lost before.
pub(super) async fn keep(shared: &Shared, shutdown: CancellationToken) {
    loop {
        let over = tokio::select! {
            () = tokio::time::sleep(SWEEP_INTERVAL) => false,
            () = shutdown.cancelled() => true,
        };
        let wills = shared.registry.sweep(Instant::now(), over);
        if !wills.is_empty() {
            let mut intake = shared.intake_buffer(&Caller::default(), None);
            intake.begin(now_us());
            let stage = |(event, taken)| {
                intake.event(event);
                taken
            };
            let _taken: Vec<_> = wills.into_iter().map(KeptWill::into_event).map(stage).collect();
            let waiter = Arc::default();
            let mut receipt = None;
            let submitted = intake.submit(&waiter, &mut receipt);
            if over {
                let _ = timeout(shared.options.drain_timeout, submitted).await;
            } else {
                submitted.await;
            }
        }
        if over {
            return;
        }
    }
}

/// Counts the end of a connection that the server has brought about. `owner`: as the gate knows the client, if it does.
pub(super) fn count_fault(shared: &Shared, (owner, peer): (&str, Peer), client_id: &str, fault: &Fault) {
    let counter = match fault.reason {
        reason::SERVER_SHUTTING_DOWN => return,
        // The gate has counted, and told.
        reason::BAD_USER_NAME_OR_PASSWORD | reason::NOT_AUTHORIZED | reason::BANNED | reason::ADMINISTRATIVE_ACTION => {
            return;
        }
        reason::SERVER_BUSY
        | reason::SERVER_UNAVAILABLE
        | reason::SESSION_TAKEN_OVER
        | reason::QUOTA_EXCEEDED
        | reason::KEEP_ALIVE_TIMEOUT => &shared.metrics.refused_total,
        _ if proxy::is_about(fault) => {
            shared.gate.tell_proxy(peer);
            &shared.metrics.refused_total
        }
        _ => {
            shared.gate.tell_protocol(owner, peer);
            &shared.metrics.protocol_errors_total
        }
    };
    count(counter, 1);
    tracing::debug!(client_id, %fault, "MQTT client refused");
}
