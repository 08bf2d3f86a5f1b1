//! One connection of the frame protocol, from WELCOME to the last ACK.
//!
//! One task, no lock per frame: every read is cut into frames, everything that fits the window is staged and submitted
//! under one receipt, and all receipts that have settled meanwhile are acknowledged in one write. While the pipeline pushes
//! back, or the window is full, the socket is read ahead (bounded) so that PINGs are still answered.
//!
//! Invariant: a submit is never abandoned half-way while the server runs, else frames would be neither stored nor refused.

mod pace;

use super::handshake::{Welcomed, handshake};
use super::progress::{Client, Round, Session};
use super::refusal::Refusal;
use super::sequence::{self, TakenFrame};
use super::wire::{Stream, Wire};
use super::{Shared, TcpOptions};
use crate::count;
use crate::locks::Pass;
use crate::notices::Peer;
use genims_decode::Visitor;
use genims_decode::frame::{Data, FrameType, HandleTable, RefuseCode, RowsFrame, encode};
use genims_model::{Protocol, RecordOutcome};
use genims_pipeline::intake::IntakeBuffer;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Bytes that one round takes at most: bounds what a chunk holds and how long a fast client keeps a thread.
const ROUND_BYTES_MAX: usize = 1024 * 1024;

/// Sensor ids that one connection may have defined: bounds what a client can make us remember.
const NAME_BYTES_MAX: usize = 1024 * 1024;

/// A mark travels with the client's next frames; without any for so long it is submitted alone.
const MARK_DELAY: Duration = Duration::from_millis(200);

/// How long open rounds are waited for before a REFUSE is sent.
const REFUSE_DRAIN: Duration = Duration::from_secs(1);

/// Turns a connection away that came while all places were taken.
pub(super) async fn refuse_busy(stream: TcpStream, shared: Arc<Shared>) {
    // Without a handshake nothing can be said, and nobody gets one.
    if !shared.gate.is_plain() {
        return;
    }
    let refusal = Refusal::busy("too many connections");
    Wire::new(stream, 0, shared.metrics.clone()).close(Some(&refusal)).await;
}

/// Serves one socket until it ends, behind TLS where that is spoken.
pub(super) async fn accept(stream: TcpStream, shared: Arc<Shared>, shutdown: CancellationToken) {
    let peer = Peer::of(&stream);
    if shared.gate.is_plain() {
        let pass = shared.gate.pass(peer, &shutdown);
        return serve(stream, shared, shutdown, pass).await;
    }
    // Boxed, so that a plain connection's task has no room for it.
    Box::pin(async {
        let deadline = Instant::now() + shared.options.hello_timeout;
        if let Some((stream, pass)) = shared.gate.secure(stream, peer, deadline, &shutdown).await {
            serve(stream, shared, shutdown, pass).await;
        }
    })
    .await;
}

/// Serves one connection until it ends.
pub(super) async fn serve(stream: impl Stream, shared: Arc<Shared>, shutdown: CancellationToken, mut pass: Pass) {
    let mut wire = Wire::new(stream, shared.options.body_bytes_max, shared.metrics.clone());
    let refusal = match handshake(&mut wire, &shared, &mut pass).await {
        Ok(None) => return,
        Ok(Some(who)) => {
            let mut intake =
                shared.intake.buffer(shared.source, Protocol::Tcp, shared.options.acknowledge.waits_for_commit());
            intake.set_client(&who.client_id);
            intake.set_scope(pass.scope());
            let (shared, names) = (shared.clone(), Names::default());
            let mut connection =
                Connection { shared, who, pass, intake, names, shutdown, first: true, again: false, resumes_at: None };
            let end = connection.run(&mut wire).await;
            connection.finish(&mut wire, end).await
        }
        Err(refusal) => {
            count_refusal(&shared, &pass, &refusal);
            Some(refusal)
        }
    };
    wire.close(refusal.as_ref()).await;
}

fn count_refusal(shared: &Shared, pass: &Pass, refusal: &Refusal) {
    match refusal.code {
        RefuseCode::Malformed | RefuseCode::TooLarge | RefuseCode::Protocol => {
            count(&shared.metrics.protocol_errors_total, 1);
            pass.tell_protocol();
            tracing::debug!(code = ?refusal.code, message = refusal.message, "client refused");
        }
        // The gate has counted, and told.
        RefuseCode::Denied => {}
        RefuseCode::Full | RefuseCode::Busy | RefuseCode::TakenOver => count(&shared.metrics.refused_total, 1),
    }
}

/// Why a connection ends.
enum End {
    /// The client closed its side, is silent, or no longer reads: what is open is still settled and acknowledged.
    Left,
    Shutdown,
    TakenOver,
    Refused(Refusal),
}

struct Connection {
    shared: Arc<Shared>,
    who: Welcomed,
    pass: Pass,
    intake: IntakeBuffer,
    names: Names,
    shutdown: CancellationToken,
    /// No DATA has come yet.
    first: bool,
    /// A durable frame was sent again: the ACK is due although nothing has moved.
    again: bool,
    /// Until then the client's frames wait: it has sent as much as it may.
    resumes_at: Option<Instant>,
}

/// The names that the connection has defined, and how much they take.
#[derive(Default)]
struct Names {
    handles: HandleTable,
    bytes: usize,
}

impl Names {
    fn define(&mut self, data: &Data<'_>, intake: &mut IntakeBuffer) -> Result<(), Refusal> {
        for (handle, name) in data.names() {
            let replaced = self.handles.name(handle).map_or(0, str::len);
            self.bytes = self.bytes - replaced + name.len();
            if self.bytes > NAME_BYTES_MAX {
                let message = format!("more than {NAME_BYTES_MAX} bytes of names; use more connections");
                return Err(Refusal::new(RefuseCode::Protocol, data.sequence, message));
            }
            self.handles.define(handle, name, intake);
        }
        Ok(())
    }
}

/// What one pass over the input has staged.
#[derive(Default)]
struct Staged {
    last_sequence: u64,
    frames: u32,
    bytes: usize,
    /// Records of frames that were sent again, which are not staged.
    repeated: u64,
    /// Of frames with records: how many there were, and their bytes, as they were sent.
    taken: u64,
    taken_bytes: u64,
    /// Frames were left because the window is full, or the client has sent as much as it may.
    held: bool,
    limited: bool,
}

impl Connection {
    async fn run<S: Stream>(&mut self, wire: &mut Wire<S>) -> End {
        let mut mark_alone = false;
        loop {
            let (staged, refused) = self.take(wire);
            let held = staged.held;
            if staged.frames > 0 || mark_alone {
                self.submit(wire, staged).await;
                mark_alone = false;
            }
            self.acknowledge(wire);
            if held {
                wire.pong_ahead();
            }
            if wire.flush().await.is_err() {
                wire.ended = true;
            }
            if let Some(end) = self.end(wire, refused, held) {
                return end;
            }
            if !held && wire.peek().is_ok_and(|frame| frame.is_some()) {
                continue;
            }
            let readable = if held { wire.may_look_ahead() } else { !wire.ended };
            let is_idle = self.who.session.is_drained() && !held;
            let wakes_at = self.resumes_at.unwrap_or(wire.received_at + self.shared.options.idle_timeout);
            // Whatever ends the wait, the loop looks at everything else too.
            tokio::select! {
                biased;
                () = wire.fill(), if readable => {}
                () = self.who.client.waiter.notified() => {}
                () = self.who.lease.over() => {}
                () = self.shutdown.cancelled() => {}
                () = sleep(MARK_DELAY), if self.who.session.is_drained() && self.who.session.owes_mark(&self.who.client) => {
                    mark_alone = true;
                    wire.rest();
                }
                () = sleep_until(wakes_at), if self.resumes_at.is_some() || is_idle => {
                    if is_idle {
                        return End::Left;
                    }
                }
            }
        }
    }

    fn end<S: Stream>(&self, wire: &Wire<S>, refused: Option<Refusal>, held: bool) -> Option<End> {
        if let Some(refusal) = refused {
            Some(End::Refused(refusal))
        } else if self.who.session.is_refused() {
            let message = "the spool is full and drops by policy; send again from this sequence later";
            Some(End::Refused(Refusal::new(RefuseCode::Full, self.who.client.durable() + 1, message)))
        } else if self.who.lease.is_over() {
            Some(End::TakenOver)
        } else if self.shutdown.is_cancelled() {
            let evicted = self.pass.eviction().map(|why| Refusal::new(RefuseCode::Denied, 0, why.text()));
            Some(evicted.map_or(End::Shutdown, End::Refused))
        } else if wire.ended && !held {
            Some(End::Left)
        } else {
            None
        }
    }

    /// Cuts frames off the input and stages those that fit the window; where the client is limited, at most `records_max` records
    /// and the frame that goes beyond them. A refusal is of the frame behind them.
    fn stage<const LIMITED: bool>(
        &mut self,
        wire: &mut Wire<impl Stream>,
        records_max: u64,
    ) -> (Staged, Option<Refusal>) {
        let mut staged = Staged::default();
        let mut begun = false;
        let refused = loop {
            let frame = match wire.peek() {
                Ok(Some(frame)) => frame,
                Ok(None) => break None,
                Err(error) => break Some(error.into()),
            };
            let bytes = frame.bytes();
            match frame.frame_type {
                kind @ (FrameType::Data | FrameType::Rows) => {
                    if !self.fits(&staged) {
                        staged.held = true;
                        break None;
                    }
                    if LIMITED && self.spent(&staged) >= records_max {
                        (staged.held, staged.limited) = (true, true);
                        break None;
                    }
                    staged.taken += 1;
                    staged.taken_bytes += bytes as u64;
                    if !begun {
                        begun = true;
                        self.begin(wire.received_us);
                    }
                    let body = frame.body;
                    let taken = match kind {
                        FrameType::Rows => self.rows(body, &mut staged),
                        _ => self.data(body, &mut staged),
                    };
                    if let Err(refusal) = taken {
                        break Some(refusal);
                    }
                }
                FrameType::Ping => wire.pong(),
                FrameType::Hello => break Some(Refusal::protocol("HELLO came twice")),
                other => break Some(Refusal::protocol(format!("{other:?} is not for clients to send"))),
            }
            wire.consume(bytes);
            if staged.bytes >= ROUND_BYTES_MAX {
                break None;
            }
        };
        (staged, refused)
    }

    /// Takes over what the file of clients says by now.
    fn heed(&mut self) {
        if self.pass.refresh() {
            self.intake.set_scope(self.pass.scope());
        }
    }

    fn begin(&mut self, received_us: i64) {
        self.heed();
        if self.intake.begin(received_us) || self.names.handles.wants_resolving() {
            self.intake.forget_handles();
            self.names.handles.resolve_again(&mut self.intake);
        }
    }

    /// Whether one more DATA frame may be taken now.
    fn fits(&self, staged: &Staged) -> bool {
        let TcpOptions { in_flight_frames_max, in_flight_bytes_max, .. } = self.shared.options;
        self.who.session.frames_in_flight() + staged.frames < in_flight_frames_max
            && self.who.session.bytes_in_flight() + staged.bytes < in_flight_bytes_max
    }

    /// Stages one DATA frame, or counts it as a duplicate.
    fn data(&mut self, body: &[u8], staged: &mut Staged) -> Result<(), Refusal> {
        let data = Data::parse(body)?;
        let is_next = self.place(data.sequence)?;
        // The names of a frame that was sent again still count: later frames of this connection may use them.
        self.names.define(&data, &mut self.intake)?;
        if is_next {
            data.report(&self.names.handles, &mut self.intake);
            self.received(data.sequence, body, staged);
        } else {
            let (source, records) = (self.shared.source, data.len() as u64);
            staged.repeated += records;
            self.shared.accounts.received(source, records);
            self.shared.accounts.finished(source, RecordOutcome::Duplicate, records);
        }
        Ok(())
    }

    /// Stages one ROWS frame; of one that was sent again nothing is counted, as nobody has looked how many rows it holds.
    fn rows(&mut self, body: &[u8], staged: &mut Staged) -> Result<(), Refusal> {
        let RowsFrame { sequence, database, table, payload } = RowsFrame::parse(body)?;
        if self.place(sequence)? {
            if self.shared.intake.is_full_for(database) {
                let message = format!("too many rows wait for {database}; send again from this sequence later");
                return Err(Refusal::new(RefuseCode::Full, sequence, message));
            }
            self.intake.admit_rows(true);
            self.intake.rows(database, table, payload);
            self.received(sequence, body, staged);
        }
        Ok(())
    }

    fn received(&mut self, sequence: u64, body: &[u8], staged: &mut Staged) {
        self.who.session.receive(sequence);
        staged.last_sequence = sequence;
        staged.frames += 1;
        staged.bytes += body.len();
    }

    /// Whether the frame is the next one; false for one that was sent again.
    fn place(&mut self, sequence: u64) -> Result<bool, Refusal> {
        count(&self.shared.metrics.messages_total, 1);
        let first = std::mem::take(&mut self.first);
        match sequence::take(&self.shared, &mut self.who, sequence, first)? {
            TakenFrame::Next => Ok(true),
            TakenFrame::Again { durable } => {
                self.again |= durable;
                Ok(false)
            }
        }
    }

    /// Hands the round over, waiting for room as long as it takes; PINGs and settled rounds are answered meanwhile.
    async fn submit<S: Stream>(&mut self, wire: &mut Wire<S>, staged: Staged) {
        if let Some(mark) = self.who.session.mark(&self.who.client) {
            self.intake.mark(mark);
        }
        let mut slot = None;
        let Self { intake, who: Welcomed { session, client, .. }, shared, again, .. } = self;
        let receipt = {
            let mut submitted = pin!(intake.submit(&client.waiter, &mut slot));
            loop {
                tokio::select! {
                    biased;
                    receipt = &mut submitted => break receipt,
                    () = client.waiter.notified() => {}
                    () = wire.fill(), if wire.may_look_ahead() => {}
                }
                acknowledge(session, client, shared, again, wire);
                wire.pong_ahead();
                if wire.flush().await.is_err() {
                    wire.ended = true;
                }
            }
        };
        let Staged { last_sequence, frames, bytes, .. } = staged;
        session.push(Round { last_sequence, frames, bytes, receipt });
    }

    /// Puts one ACK for everything that has settled since the last.
    fn acknowledge<S: Stream>(&mut self, wire: &mut Wire<S>) {
        acknowledge(&mut self.who.session, &self.who.client, &self.shared, &mut self.again, wire);
    }

    /// Settles what is open, bounded, sends the last ACK, and makes the progress durable.
    async fn finish<S: Stream>(mut self, wire: &mut Wire<S>, end: End) -> Option<Refusal> {
        let (refusal, patience) = match end {
            End::Left | End::Shutdown => (None, self.shared.options.drain_timeout),
            End::TakenOver => (Some(Refusal::taken_over()), Duration::ZERO),
            End::Refused(refusal) => (Some(refusal), REFUSE_DRAIN),
        };
        let deadline = Instant::now() + patience;
        while !self.who.session.is_drained() && Instant::now() < deadline && !self.who.lease.is_over() {
            tokio::select! {
                biased;
                () = self.who.client.waiter.notified() => {}
                () = self.who.lease.over() => {}
                () = sleep_until(deadline) => {}
            }
            self.acknowledge(wire);
            if wire.flush().await.is_err() {
                wire.ended = true;
            }
        }
        self.acknowledge(wire);
        if !self.who.lease.is_over()
            && let Some(mark) = self.who.session.mark(&self.who.client)
        {
            // A mark given up costs nothing but a resend that is found to be one.
            self.intake.mark(mark);
            let _ = timeout(MARK_DELAY, self.intake.submit(&self.who.client.waiter, &mut None)).await;
        }
        if let Some(refusal) = &refusal {
            count_refusal(&self.shared, &self.pass, refusal);
        }
        refusal
    }
}

fn acknowledge<S: Stream>(
    session: &mut Session,
    client: &Client,
    shared: &Shared,
    again: &mut bool,
    wire: &mut Wire<S>,
) {
    if session.settle(client) || std::mem::take(again) {
        *again = false;
        count(&shared.metrics.acks_total, 1);
        wire.put(|out| encode::ack(client.durable(), out));
    }
}
