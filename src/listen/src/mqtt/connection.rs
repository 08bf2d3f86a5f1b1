//! The loop of one connection: read, process, submit, acknowledge, write; then wait for whichever comes first.
//!
//! Invariants: a submit that has begun is finished even when the client is gone, else its records would be neither stored
//! nor refused; nothing but the wait at the loop's end takes time, so a takeover or a shutdown is seen at once.

use super::Shared;
use super::close;
use super::dialogue::{Dialogue, Limit};
use super::end::End;
use super::handshake::{self, Admitted, Arrival};
use super::input::{Input, Read};
use super::packet::{Fault, reason};
use super::registry::{Lease, count_fault};
use super::telling;
use super::will::KeptWill;
use crate::count;
use crate::locks::Socket;
use crate::notices::Peer;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// While packets have to wait, the socket is read ahead this far, in search of PINGREQ and of the client's end.
const AHEAD_BYTES_MAX: usize = 256 * 1024;

/// How often a connection is looked at that does nothing.
const TICK: Duration = Duration::from_secs(60);

/// Serves one socket until it ends.
pub(super) async fn serve(socket: TcpStream, shared: Arc<Shared>, shutdown: CancellationToken) {
    let peer = Peer::of(&socket);
    // Boxed, so that an idle connection's task does not carry the states that it has left or is yet to reach.
    if shared.gate.is_plain() {
        let pass = shared.gate.pass(peer, &shutdown);
        let admitted = Box::pin(handshake::run(socket, Arrival::new(pass, peer, &shared), &shared)).await;
        converse(admitted, shared, shutdown).await;
    } else {
        Box::pin(async {
            let Some((socket, arrival)) = handshake::secure(socket, &shared, peer, &shutdown).await else { return };
            let admitted = Box::pin(handshake::run(socket, arrival, &shared)).await;
            converse(admitted, shared, shutdown).await;
        })
        .await;
    }
}

async fn converse<S: Socket>(admitted: Option<(S, Input, Admitted)>, shared: Arc<Shared>, shutdown: CancellationToken) {
    let Some((socket, input, admitted)) = admitted else { return };
    let mut connection = Connection::new(socket, input, shared, shutdown, admitted);
    let end = connection.run().await;
    Box::pin(connection.finish(end)).await;
}

struct Connection<S> {
    socket: S,
    input: Input,
    dialogue: Dialogue,
    shared: Arc<Shared>,
    lease: Lease,
    /// The session's; see [`super::session::Session::waiter`].
    waiter: Arc<Notify>,
    shutdown: CancellationToken,
    will: Option<KeptWill>,
    silence_max: Duration,
    heard: Instant,
    /// Since when the client takes nothing.
    stalled: Option<Instant>,
    /// The client has closed its side.
    ended: bool,
}

/// What a wait ended with.
enum Wake {
    Readable,
    Tick,
    Other,
}

impl<S: Socket> Connection<S> {
    fn new(socket: S, input: Input, shared: Arc<Shared>, shutdown: CancellationToken, admitted: Admitted) -> Box<Self> {
        let Admitted { lease, dialogue, will, silence_max } = admitted;
        let waiter = dialogue.session.waiter.clone();
        Box::new(Self {
            socket,
            input,
            dialogue,
            shared,
            lease,
            waiter,
            shutdown,
            will,
            silence_max,
            heard: Instant::now(),
            stalled: None,
            ended: false,
        })
    }

    async fn run(&mut self) -> End {
        let mut timer = pin!(sleep_until(self.next_tick()));
        loop {
            let held = match self.turn(Limit::Kept) {
                Ok(held) => held,
                Err(end) => return end,
            };
            if let Some(end) = self.leaves() {
                return end;
            }
            if self.ended && !held {
                return End::CLOSED;
            }
            let next = self.next_tick();
            if next < timer.deadline() {
                timer.as_mut().reset(next);
            }
            let outcome = match self.wait(held, timer.as_mut()).await {
                Wake::Readable => self.read().await,
                Wake::Tick => self.tick(held),
                Wake::Other => continue,
            };
            if let Err(end) = outcome {
                return end;
            }
            if timer.is_elapsed() {
                timer.as_mut().reset(self.next_tick());
            }
        }
    }

    /// Everything that can be done without waiting. True when complete packets have to wait.
    fn turn(&mut self, limit: Limit) -> Result<bool, End> {
        let held = self.dialogue.turn(&mut self.input, limit)?;
        self.flush().map_err(|_| End::LOST)?;
        Ok(held)
    }

    /// Why the connection has to go, although neither side has ended it. Unless its client may no longer be in, what it has sent so far
    /// is taken.
    fn leaves(&mut self) -> Option<End> {
        let is_taken_over = self.lease.is_taken_over();
        if !is_taken_over && !self.shutdown.is_cancelled() {
            return None;
        }
        let evicted = self.dialogue.eviction();
        if evicted.is_none()
            && self.dialogue.resumes_at.is_some()
            && let Err(other) = self.turn(Limit::Lifted)
        {
            return Some(other);
        }
        Some(match evicted {
            _ if is_taken_over => {
                Fault::new(reason::SESSION_TAKEN_OVER, "a newer connection uses this client identifier").into()
            }
            Some(evicted) => evicted,
            None => End::SHUTDOWN,
        })
    }

    async fn wait(&mut self, held: bool, timer: Pin<&mut Sleep>) -> Wake {
        self.input.rest(&self.shared.buffers);
        let reads = !self.ended && (!held || self.input.len() < AHEAD_BYTES_MAX);
        let writes = self.writes();
        let submits = self.dialogue.is_submitting();
        let Self { socket, dialogue, waiter, shutdown, .. } = self;
        tokio::select! {
            biased;
            () = dialogue.submit(), if submits => Wake::Other,
            () = socket.readable(), if reads => Wake::Readable,
            () = waiter.notified() => Wake::Other,
            () = socket.writable(), if writes => Wake::Other,
            () = shutdown.cancelled() => Wake::Other,
            () = timer => Wake::Tick,
        }
    }

    async fn read(&mut self) -> Result<(), End> {
        match self.input.read(&mut self.socket, &self.shared.buffers).await {
            Ok(Read::Bytes(bytes)) => {
                self.heard = Instant::now();
                count(&self.shared.metrics.bytes_total, bytes as u64);
            }
            Ok(Read::Nothing) => {}
            Ok(Read::End) => self.ended = true,
            Err(_) => return Err(End::LOST),
        }
        Ok(())
    }

    /// Whether something waits for the socket to take it.
    fn writes(&self) -> bool {
        !self.dialogue.output.is_empty() || !self.socket.is_flushed()
    }

    /// Writes as much as the socket takes.
    fn flush(&mut self) -> io::Result<()> {
        let output = &mut self.dialogue.output;
        while !output.is_empty() {
            match self.socket.try_write(output) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) if count == output.len() => output.clear(),
                Ok(count) => drop(output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stalled.get_or_insert_with(Instant::now);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        if !self.socket.is_flushed() {
            match self.socket.try_flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stalled.get_or_insert_with(Instant::now);
                    return Ok(());
                }
                flushed => flushed?,
            }
        }
        self.stalled = None;
        Ok(())
    }

    fn silent_at(&self) -> Option<Instant> {
        (!self.silence_max.is_zero()).then(|| self.heard + self.silence_max)
    }

    fn stalled_at(&self) -> Option<Instant> {
        self.stalled.map(|since| since + self.shared.options.write_timeout)
    }

    fn next_tick(&self) -> Instant {
        let tick = Instant::now() + TICK;
        let dialogue = &self.dialogue;
        [self.silent_at(), self.stalled_at(), dialogue.statistics_due, dialogue.resumes_at]
            .into_iter()
            .flatten()
            .fold(tick, Ord::min)
    }

    /// What time brings.
    fn tick(&mut self, held: bool) -> Result<(), End> {
        let now = Instant::now();
        if self.stalled_at().is_some_and(|at| at <= now) {
            return Err(End::LOST);
        }
        // While packets wait we may have stopped reading: its silence is our doing.
        if held {
            self.heard = now;
        }
        if self.silent_at().is_some_and(|at| at <= now) {
            return Err(Fault::new(reason::KEEP_ALIVE_TIMEOUT, "no packet within 1.5 times the keep-alive").into());
        }
        if self.dialogue.statistics_due.is_some_and(|due| due <= now) {
            self.dialogue.publish_statistics(false);
        }
        // Whoever only waited for the next message that it may send has not been quiet.
        if self.dialogue.resumes_at.take_if(|at| *at <= now).is_none() {
            self.dialogue.trim();
        }
        Ok(())
    }

    /// Waits (bounded) until everything submitted has settled, and acknowledges it. Returns what has come in between.
    async fn drain(&mut self) -> Result<(), End> {
        let deadline = Instant::now() + self.shared.options.drain_timeout;
        loop {
            self.dialogue.try_submit();
            self.dialogue.settle()?;
            self.flush().map_err(|_| End::LOST)?;
            if self.dialogue.is_settled() && !self.writes() {
                return Ok(());
            }
            if self.lease.is_taken_over() {
                return Ok(());
            }
            let writes = self.writes();
            let submits = self.dialogue.is_submitting();
            let Self { socket, dialogue, waiter, .. } = &mut *self;
            tokio::select! {
                () = dialogue.submit(), if submits => {}
                () = waiter.notified() => {}
                () = socket.writable(), if writes => {}
                () = sleep_until(deadline) => return Ok(()),
            }
        }
    }

    async fn finish(mut self: Box<Self>, mut end: End) {
        if end.drains
            && let Err(other) = self.drain().await
        {
            end.fault = other.fault.or(end.fault);
        }
        self.dialogue.try_submit();
        if let Some(fault) = &end.fault {
            let (caller, pass) = (&self.dialogue.caller, &self.dialogue.pass);
            let owner = pass.as_ref().and_then(|pass| pass.owner()).unwrap_or_default();
            count_fault(&self.shared, (owner, caller.peer), &caller.client_id, fault);
            if fault.reason == reason::SESSION_TAKEN_OVER {
                telling::takeover(&self.shared, &self.dialogue.caller);
            }
            self.dialogue.put_disconnect(fault);
        }
        let session = self.dialogue.bequeath();
        let will = self.will.take().filter(|_| end.fires_will);
        let will = self.shared.registry.release(&self.lease, session, self.dialogue.session_expiry, will);
        let output = std::mem::take(&mut self.dialogue.output);
        let Self { socket, mut dialogue, input, .. } = *self;
        // What is stored may wait long, and needs no more input.
        drop(input);
        let store = async {
            dialogue.submit().await;
            if let Some(will) = will {
                dialogue.fire(will);
                dialogue.submit().await;
            }
        };
        tokio::join!(close::close(socket, &output), store);
    }
}
