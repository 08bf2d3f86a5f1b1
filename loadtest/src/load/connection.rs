//! One client's socket: fills the window from its feed, writes many messages at once, reads acknowledgements, comes back
//! after a break, and ends only when everything is acknowledged or the time to give up has come.
//!
//! Reading never waits for writing or the other way round, so a server that pushes back is seen, not deadlocked with.

use super::feed::{Feed, Next, Pool};
use super::session::{Outbox, Session};
use super::socket::{Connected, Peer, Socket};
use super::stats::Stats;
use crate::clock::Clock;
use crate::wire::WireError;
use backon::{BackoffBuilder, ExponentialBuilder};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::time::{sleep, sleep_until, timeout};

/// Messages are gathered up to this size before a write.
const WRITE_BYTES: usize = 64 * 1024;
const READ_BYTES: usize = 16 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may take to close after our farewell.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// A silent connection shows that it lives.
const PING_INTERVAL_US: i64 = 20_000_000;

#[derive(Debug, thiserror::Error)]
enum Break {
    #[error("connection: {0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Wire(#[from] WireError),
    #[error("the server closed the connection")]
    Closed,
    #[error("no answer to the connect within {CONNECT_TIMEOUT:?}")]
    Timeout,
}

/// Why a connection came to its end in order.
enum End {
    Finished,
    Storm,
    GaveUp,
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub start_us: i64,
    /// Whatever is unacknowledged then stays so.
    pub give_up_us: i64,
    /// Breaks of all connections at once; 0 = none.
    pub storm_interval_us: i64,
}

pub struct Connection<F: Feed> {
    pub peer: Peer,
    pub session: Session,
    pub feed: F,
    pub stats: Arc<Stats>,
    pub clock: Clock,
    pub limits: Limits,
    pool: Pool,
    out: Vec<u8>,
    /// So much of `out` was handed over; it is emptied once all of it has left.
    written: usize,
    acked: Vec<i64>,
    done: bool,
    ponged: bool,
    storms: i64,
}

impl<F: Feed> Connection<F> {
    pub fn new(peer: Peer, session: Session, feed: F, stats: Arc<Stats>, clock: Clock, limits: Limits) -> Self {
        Self {
            peer,
            session,
            feed,
            stats,
            clock,
            limits,
            pool: Pool::default(),
            out: Vec::with_capacity(WRITE_BYTES),
            written: 0,
            acked: Vec::new(),
            done: false,
            ponged: false,
            storms: 0,
        }
    }

    /// Runs to the end; returns the feed and how many messages stayed unacknowledged.
    pub async fn run(mut self) -> (F, usize) {
        let backoff = ExponentialBuilder::new().with_min_delay(BACKOFF_MIN).with_max_delay(BACKOFF_MAX);
        let backoff = backoff.without_max_times();
        let mut delays = backoff.build();
        loop {
            match self.one_connection().await {
                Ok(End::Finished | End::GaveUp) => break,
                Ok(End::Storm) => delays = backoff.build(),
                Err(error) => {
                    if self.session.is_open() {
                        delays = backoff.build();
                    }
                    self.session.broken(&self.stats);
                    self.stats.failed(error.to_string());
                    if self.clock.now_us() >= self.limits.give_up_us {
                        break;
                    }
                    sleep(delays.next().unwrap_or(BACKOFF_MAX)).await;
                }
            }
        }
        let unacked = self.session.unacked();
        (self.feed, unacked)
    }

    async fn one_connection(&mut self) -> Result<End, Break> {
        let connected = timeout(CONNECT_TIMEOUT, self.peer.connect()).await.map_err(|_| Break::Timeout)??;
        Stats::add(&self.stats.connects, 1);
        match connected {
            Connected::Clear(mut stream) => self.converse(&mut stream).await,
            Connected::Secured(mut stream) => self.converse(&mut *stream).await,
        }
    }

    async fn converse(&mut self, stream: &mut impl Socket) -> Result<End, Break> {
        self.out.clear();
        self.written = 0;
        self.ponged = false;
        self.with_outbox(|session, _, out| session.open(out));
        let end = self.pump(stream).await?;
        match end {
            End::Storm if self.session.survives_a_break() => self.session.broken(&self.stats),
            End::GaveUp => self.session.broken(&self.stats),
            End::Storm | End::Finished => self.part(stream).await?,
        }
        Ok(end)
    }

    fn with_outbox<R>(&mut self, act: impl FnOnce(&mut Session, &mut F, &mut Outbox<'_>) -> R) -> R {
        let mut out = Outbox {
            bytes: &mut self.out,
            pool: &mut self.pool,
            stats: &self.stats,
            now_us: self.clock.now_us(),
            acked: &mut self.acked,
        };
        act(&mut self.session, &mut self.feed, &mut out)
    }

    /// Carries messages until the end, a storm or a break.
    async fn pump(&mut self, stream: &mut impl Socket) -> Result<End, Break> {
        let mut input = vec![0_u8; READ_BYTES];
        let mut filled = 0;
        let mut last_write_us = self.clock.now_us();
        let welcome_us = last_write_us + CONNECT_TIMEOUT.as_micros() as i64;
        loop {
            // Reading comes first: acknowledgements open the window that is filled next.
            self.try_read(stream, &mut input, &mut filled)?;
            let mut wake_us = self.fill()?;
            let now_us = self.clock.now_us();
            if !self.out.is_empty() {
                last_write_us = now_us;
                if !self.try_write(stream)? {
                    // Whatever is due, it waits for the socket.
                    wake_us = i64::MAX;
                }
            }
            if let Some(end) = self.end(now_us) {
                return Ok(end);
            }
            if !self.session.is_open() {
                if now_us >= welcome_us {
                    return Err(Break::Timeout);
                }
                wake_us = welcome_us;
            } else if now_us - last_write_us > PING_INTERVAL_US {
                self.with_outbox(|session, _, out| session.ping(out));
                last_write_us = now_us;
            }
            self.wait(&*stream, wake_us.min(last_write_us + PING_INTERVAL_US + 1).min(self.next_stop_us())).await?;
        }
    }

    /// Until the socket is ready for what is to be done, or `wake_us`.
    async fn wait(&mut self, stream: &impl Socket, wake_us: i64) -> Result<(), Break> {
        let interest = if self.out.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        if wake_us <= self.clock.now_us() {
            // Something is due, but other connections want their turn.
            tokio::task::yield_now().await;
            return Ok(());
        }
        tokio::select! {
            ready = stream.ready(interest) => ready?,
            () = sleep_until(self.clock.instant(wake_us)) => {}
        }
        Ok(())
    }

    /// Takes messages from the feed; returns when it wants to be asked again (`i64::MIN`: at once).
    fn fill(&mut self) -> Result<i64, Break> {
        loop {
            if self.done || !self.session.is_open() || !self.session.has_room() {
                return Ok(i64::MAX);
            }
            if self.out.len() - self.written >= WRITE_BYTES {
                return Ok(i64::MIN);
            }
            let now_us = self.clock.now_us();
            match self.feed.next(now_us, &mut self.pool) {
                Next::Message(message) => self.with_outbox(|session, _, out| session.send(message, out))?,
                Next::At(at_us) => return Ok(at_us),
                Next::Done => self.done = true,
            }
        }
    }

    /// True if everything queued went out.
    fn try_write(&mut self, stream: &mut impl Socket) -> Result<bool, Break> {
        while self.written < self.out.len() {
            match stream.try_write(&self.out[self.written..]) {
                Ok(0) => return Err(Break::Closed),
                Ok(bytes) => {
                    self.written += bytes;
                    Stats::add(&self.stats.bytes_sent, bytes as u64);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        match stream.try_flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            flushed => flushed?,
        }
        self.out.clear();
        self.written = 0;
        self.session.written(&self.stats);
        Ok(true)
    }

    fn try_read(&mut self, stream: &mut impl Socket, input: &mut [u8], filled: &mut usize) -> Result<(), Break> {
        loop {
            match stream.try_read(&mut input[*filled..]) {
                Ok(0) => return Err(Break::Closed),
                Ok(bytes) => *filled += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            let used = self.with_outbox(|session, _, out| session.receive(&input[..*filled], out))?;
            input.copy_within(used..*filled, 0);
            *filled -= used;
            if *filled == input.len() {
                return Err(WireError::Malformed("a packet larger than any that a publisher expects").into());
            }
            self.stats.acknowledged(self.clock.now_us(), &self.acked);
            self.acked.clear();
        }
    }

    fn next_stop_us(&self) -> i64 {
        let storm_us = match self.limits.storm_interval_us {
            0 => i64::MAX,
            interval_us => self.limits.start_us + interval_us * (self.storms + 1),
        };
        if self.done { self.limits.give_up_us } else { storm_us.min(self.limits.give_up_us) }
    }

    fn end(&mut self, now_us: i64) -> Option<End> {
        if now_us >= self.limits.give_up_us {
            return Some(End::GaveUp);
        }
        if self.done && self.session.is_open() && self.session.unacked() == 0 && self.out.is_empty() {
            if self.ponged && !self.session.awaits_pong() {
                return Some(End::Finished);
            }
            // Nothing is acknowledged at QoS 0; the answer to a ping says that all before it was read.
            if !self.ponged {
                self.ponged = true;
                if !self.with_outbox(|session, _, out| session.ping(out)) {
                    return Some(End::Finished);
                }
            }
            return None;
        }
        let interval_us = self.limits.storm_interval_us;
        if interval_us > 0 && !self.done && now_us >= self.limits.start_us + interval_us * (self.storms + 1) {
            self.storms = (now_us - self.limits.start_us) / interval_us;
            return Some(End::Storm);
        }
        None
    }

    /// Leaves in order: all bytes out, farewell, then the server's end of the stream.
    async fn part(&mut self, stream: &mut impl Socket) -> Result<(), Break> {
        self.with_outbox(|session, _, out| session.farewell(out));
        let leave = async {
            stream.write_all(&self.out[self.written..]).await?;
            stream.shutdown().await?;
            let mut rest = [0_u8; 1024];
            while stream.read(&mut rest).await? > 0 {}
            Ok::<(), std::io::Error>(())
        };
        let left = timeout(CLOSE_TIMEOUT, leave).await;
        // A reset or silence after the farewell is the server's manners, not a loss of what it has read.
        if matches!(left, Ok(Ok(()))) || self.session.unacked() == 0 {
            self.session.written(&self.stats);
        }
        self.out.clear();
        self.written = 0;
        self.session.broken(&self.stats);
        Ok(())
    }
}
