//! A sender of lines, which nobody acknowledges. What a connection that was ended in order had brought is durable once
//! nothing waits before the log; what another one had brought may be: lines that say their time are sent again.

use crate::database::Key;
use crate::ledger::Ledger;
use crate::plan::Maker;
use genims_listen::line::simulated::SimulatedLine;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Lines of one connection; then it is ended in order.
const LINES_MAX: usize = 12;
/// More than all lines of a connection, so that a write never waits.
const PIPE_BYTES: usize = 1 << 20;

struct Line {
    key: Key,
    bytes: Vec<u8>,
    is_timed: bool,
}

/// The server's end of a connection. A sender that dies is told from one that closes.
struct Wire {
    pipe: DuplexStream,
    is_broken: Arc<AtomicBool>,
    /// Nobody is told, which a run must notice.
    hides: bool,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.pipe).poll_read(context, buffer))?;
        let is_over = buffer.filled().len() == before;
        if is_over && self.is_broken.load(Ordering::Relaxed) && !self.hides {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

struct Link {
    /// `None` once it was ended in order.
    stream: Option<DuplexStream>,
    is_broken: Arc<AtomicBool>,
    serving: JoinHandle<()>,
    lines: Vec<Line>,
    /// Written, but for the bytes that the network still has.
    held_back: Vec<u8>,
}

pub(crate) struct LineClient {
    maker: Maker,
    random: ChaCha8Rng,
    hides_breaks: bool,
    link: Option<Link>,
    /// The server's side of connections that broke.
    broken: Vec<JoinHandle<()>>,
    /// To be sent again.
    open: Vec<Line>,
}

impl LineClient {
    pub(crate) fn new(maker: Maker, random: ChaCha8Rng, hides_breaks: bool) -> Self {
        Self { maker, random, hides_breaks, link: None, broken: Vec::new(), open: Vec::new() }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty() && self.link.is_none()
    }

    pub(crate) fn server_died(&mut self) {
        if let Some(link) = self.link.take() {
            link.serving.abort();
            self.keep(link.lines);
        }
        self.broken.drain(..).for_each(|serving| serving.abort());
    }

    /// The connection breaks, in the middle of a line perhaps.
    pub(crate) fn disconnect(&mut self) {
        if let Some(link) = self.link.take_if(|link| link.stream.is_some()) {
            link.is_broken.store(true, Ordering::Relaxed);
            self.broken.push(link.serving);
            self.keep(link.lines);
        }
    }

    /// Of readings without a time a second one would be another: they are sent once.
    fn keep(&mut self, lines: Vec<Line>) {
        self.open.extend(lines.into_iter().filter(|line| line.is_timed));
    }

    /// Connects if need be, and sends again what is open.
    pub(crate) async fn connect(&mut self, door: &SimulatedLine, shutdown: &CancellationToken) {
        if self.link.is_some() {
            return;
        }
        let (stream, pipe) = tokio::io::duplex(PIPE_BYTES);
        let is_broken = Arc::new(AtomicBool::new(false));
        let wire = Wire { pipe, is_broken: is_broken.clone(), hides: self.hides_breaks };
        let serving = tokio::spawn(door.serve(wire, shutdown.clone()));
        let lines = std::mem::take(&mut self.open);
        let mut link = Link { stream: Some(stream), is_broken, serving, lines: Vec::new(), held_back: Vec::new() };
        for line in lines {
            link.write(line, 0).await;
        }
        self.link = Some(link);
    }

    /// Sends up to three more lines, and ends a connection that has had enough.
    pub(crate) async fn send(&mut self, ledger: &mut Ledger) {
        for _ in 0..self.random.random_range(0..4) {
            let is_timed = self.random.random_bool(0.7);
            let hold_back = self.random.random_range(0..20);
            let Some(link) = self.link.as_mut().filter(|link| link.stream.is_some()) else { return };
            let (key, bytes) = self.maker.line(is_timed);
            ledger.send(std::slice::from_ref(&key));
            link.write(Line { key, bytes, is_timed }, hold_back).await;
            if link.lines.len() >= LINES_MAX {
                link.end().await;
            }
        }
    }

    /// Says nothing more.
    pub(crate) async fn end(&mut self) {
        if let Some(link) = &mut self.link {
            link.end().await;
        }
    }

    /// How many lines are known to be durable; `is_drained`: nothing waits before the log.
    pub(crate) async fn hear(&mut self, ledger: &mut Ledger, is_drained: bool) -> usize {
        while let Some(at) = self.broken.iter().position(JoinHandle::is_finished) {
            self.broken.swap_remove(at).await.expect("no panic in a connection");
        }
        let Some(link) = self.link.take_if(|link| link.serving.is_finished()) else { return 0 };
        if link.stream.is_none() && !is_drained {
            self.link = Some(link);
            return 0;
        }
        let is_in_order = link.stream.is_none();
        link.serving.await.expect("no panic in a connection");
        if !is_in_order {
            // The server has given it up.
            self.keep(link.lines);
            return 0;
        }
        link.lines.iter().for_each(|line| ledger.acknowledge(std::slice::from_ref(&line.key)));
        link.lines.len()
    }
}

impl Link {
    /// Writes all but the last `hold_back` bytes, which go with the next line.
    async fn write(&mut self, line: Line, hold_back: usize) {
        self.held_back.extend(&line.bytes);
        self.lines.push(line);
        let ready = self.held_back.len().saturating_sub(hold_back);
        let rest = self.held_back.split_off(ready);
        let written = std::mem::replace(&mut self.held_back, rest);
        // A server that has closed shows when its side ends.
        if let Some(stream) = &mut self.stream {
            let _ = stream.write_all(&written).await;
        }
    }

    async fn end(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            let _ = stream.write_all(&self.held_back).await;
            let _ = stream.shutdown().await;
        }
    }
}
