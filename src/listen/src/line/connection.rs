//! One line protocol connection: read, cut into lines, decode, submit; again.
//!
//! Invariant: at most [`ROUNDS_MAX`] rounds are under way, and nothing is read while the pipeline has no room, or the client has
//! sent as much as it may.

use super::Shared;
use super::lines::{Lines, Overlong, Sink};
use super::room::Share;
use crate::count;
use crate::locks::{Credentials, Pass};
use crate::notices::Peer;
use crate::talkers::Batch;
use bytes::{Buf, BytesMut};
use genims_decode::{Visitor, line_protocol};
use genims_model::now_us;
use genims_model::{Protocol, Reason, Receipt};
use genims_pipeline::intake::IntakeBuffer;
use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// Rounds that one connection may have between the socket and the spool.
const ROUNDS_MAX: usize = 64;

const READ_BYTES_MIN: usize = 4 * 1024;
const READ_BYTES_MAX: usize = 256 * 1024;

/// What a connection that sends nothing holds for what may come.
const FIRST_BYTES: usize = 512;

struct Connection {
    shared: Arc<Shared>,
    intake: IntakeBuffer,
    pass: Pass,
    waiter: Arc<Notify>,
    rounds: VecDeque<Receipt>,
    /// The room that overlong lines of the round take.
    heads: Vec<Share>,
}

/// How long a handshake of TLS may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves one socket until it ends, behind TLS where that is spoken.
pub(super) async fn accept(stream: TcpStream, shared: Arc<Shared>, shutdown: CancellationToken) {
    let peer = Peer::of(&stream);
    if shared.gate.is_plain() {
        let pass = shared.gate.pass(peer, &shutdown);
        return serve(stream, peer, shared, shutdown, pass).await;
    }
    // Boxed, so that a plain connection's task has no room for it.
    Box::pin(async {
        let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
        if let Some((stream, pass)) = shared.gate.secure(stream, peer, deadline, &shutdown).await {
            serve(stream, peer, shared, shutdown, pass).await;
        }
    })
    .await;
}

/// Serves one connection until the sender closes it, it falls silent or has to leave, or the server shuts down.
pub(super) async fn serve(
    mut stream: impl AsyncRead + Unpin,
    peer: Peer,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
    mut pass: Pass,
) {
    // There is no word for "no" in this protocol, and none to log in with.
    if pass.log_in(Credentials::default(), false, Instant::now() + HANDSHAKE_TIMEOUT).await.is_err() {
        return;
    }
    if pass.take_place("").is_err() {
        return count(&shared.metrics.refused_total, 1);
    }
    let mut intake = shared.intake.buffer(shared.source, Protocol::LineProtocol, false);
    match (pass.owner(), peer.0) {
        (Some(owner), _) => intake.set_client(owner),
        // Without the port, which is another one for each connection.
        (None, Some(peer)) => intake.set_client(&peer.ip().to_canonical().to_string()),
        (None, None) => {}
    }
    intake.set_scope(pass.scope());
    let mut lines = Lines::new(shared.options.line_bytes_max, shared.heads.clone());
    let idle = shared.options.idle_timeout;
    let (waiter, rounds) = (Arc::default(), VecDeque::new());
    let mut connection = Connection { shared, intake, pass, waiter, rounds, heads: Vec::new() };
    let (mut input, mut read_bytes) = (BytesMut::new(), READ_BYTES_MIN);
    let ended_in_order = loop {
        if shutdown.is_cancelled() {
            break false;
        }
        if input.is_empty() {
            // Whoever sends nothing holds no memory.
            input = BytesMut::new();
        }
        let read = tokio::select! {
            biased;
            () = shutdown.cancelled() => break false,
            read = read_next(&mut stream, &mut input, read_bytes) => read,
            () = sleep(idle) => break false,
        };
        let Ok((read, room)) = read else { break false };
        if read == 0 {
            break true;
        }
        count(&connection.shared.metrics.bytes_total, read as u64);
        connection.heed();
        // All that limits cost those who have none: one branch for everything that a read brought.
        let drawn =
            if connection.pass.rate().is_none() { u64::MAX } else { connection.draw(input.len(), &shutdown).await };
        if drawn < u64::MAX {
            // What is read is taken: little at once.
            read_bytes = READ_BYTES_MIN;
        } else if read == room {
            read_bytes = (read_bytes * 2).min(READ_BYTES_MAX);
        }
        connection.intake.begin(now_us());
        let taken = lines.take(&input, &mut connection);
        input.advance(taken);
        connection.count(drawn, taken);
        if connection.intake.staged_records() > 0 && !connection.submit(&shutdown).await {
            return;
        }
    };
    connection.intake.begin(now_us());
    if !ended_in_order && !input.is_empty() {
        // A line without its newline may have lost digits: only an orderly end makes it whole.
        let detail = format_args!("the connection broke off inside this line");
        connection.intake.reject(Reason::MalformedPayload, detail, &std::mem::take(&mut input));
    }
    lines.finish(&input, &mut connection);
    if connection.intake.staged_records() > 0 && !connection.submit(&shutdown).await {
        return;
    }
    // The receipts are waited for only so that a shutdown of the server drains the pipeline behind us.
    let deadline = Instant::now() + connection.shared.options.drain_timeout;
    let _ = timeout_at(deadline, connection.settle(0)).await;
}

/// Waits for bytes, and reads as many as there is room for; how many that were, and the room. Cancel-safe.
async fn read_next(
    stream: &mut (impl AsyncRead + Unpin),
    input: &mut BytesMut,
    bytes: usize,
) -> io::Result<(usize, usize)> {
    if input.is_empty() {
        let mut first = [0; FIRST_BYTES];
        let read = stream.read(&mut first).await?;
        input.extend_from_slice(&first[..read]);
        return Ok((read, FIRST_BYTES));
    }
    input.reserve(bytes);
    let room = input.capacity() - input.len();
    Ok((stream.read_buf(input).await?, room))
}

impl Connection {
    /// Takes over what the file of clients says by now.
    fn heed(&mut self) {
        if self.pass.refresh() {
            self.intake.set_scope(self.pass.scope());
        }
    }

    /// Waits until the client may send more, and takes that; or until a shutdown, for which what was read is taken as well.
    async fn draw(&mut self, bytes: usize, shutdown: &CancellationToken) -> u64 {
        loop {
            let now = Instant::now();
            let drawn = self.pass.draw(bytes, now);
            if drawn > 0 || shutdown.is_cancelled() {
                return drawn;
            }
            let resumes_at = self.pass.wait(now);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = sleep_until(resumes_at) => {}
            }
            self.heed();
        }
    }

    /// Of what was drawn, what the round has cost the client.
    fn count(&self, drawn: u64, bytes: usize) {
        let (records, dead_letters) = (self.intake.staged_records(), self.intake.staged_dead_letters());
        if drawn < u64::MAX {
            self.pass.settle(drawn, records);
        }
        self.pass.count(Batch { records, bytes: bytes as u64, dead_letters });
    }

    /// Hands the round over. False when a shutdown cut the wait for room short.
    async fn submit(&mut self, shutdown: &CancellationToken) -> bool {
        let patience = self.shared.options.drain_timeout;
        let mut slot = None;
        let receipt = {
            let mut submitted = pin!(self.intake.submit(&self.waiter, &mut slot));
            tokio::select! {
                biased;
                receipt = &mut submitted => Some(receipt),
                () = shutdown.cancelled() => timeout(patience, submitted).await.ok(),
            }
        };
        let Some(receipt) = receipt else {
            tracing::warn!("line protocol records given up at shutdown: the pipeline had no room");
            return false;
        };
        // The queue of the shard has a bound of its own.
        self.heads.clear();
        self.rounds.push_back(receipt);
        tokio::select! {
            biased;
            () = self.settle(ROUNDS_MAX - 1) => true,
            () = shutdown.cancelled() => true,
        }
    }

    /// Waits until at most `rounds_max` rounds are under way. Cancel-safe.
    async fn settle(&mut self, rounds_max: usize) {
        loop {
            while self.rounds.front().is_some_and(Receipt::is_settled) {
                self.rounds.pop_front();
            }
            if self.rounds.len() <= rounds_max {
                return;
            }
            self.waiter.notified().await;
        }
    }
}

impl Sink for Connection {
    fn block(&mut self, block: &[u8], lines: u64) {
        count(&self.shared.metrics.messages_total, lines);
        line_protocol::decode(block, self.shared.options.precision, &mut self.intake);
    }

    fn overlong(&mut self, line: Overlong) {
        count(&self.shared.metrics.protocol_errors_total, 1);
        self.pass.tell_protocol();
        let limit = self.shared.options.line_bytes_max;
        let Overlong { head, bytes, share } = line;
        let detail = format_args!("a line of {bytes} bytes is longer than line_bytes_max = {limit}");
        self.intake.reject_head(Reason::TooLarge, detail, &head, bytes);
        self.heads.push(share);
    }
}
