//! One socket of the frame protocol: its read buffer, its write buffer, and PINGs answered ahead of their turn.
//!
//! Invariants: the read buffer holds at most one frame more than [`LOOK_AHEAD_BYTES`]; a client that does not read its
//! answers is cut after [`WRITE_TIMEOUT`].

use super::refusal::Refusal;
use crate::{ListenMetrics, count};
use bytes::{Buf, BytesMut};
use genims_decode::frame::{Frame, FrameError, FrameType, HEADER_BYTES, Header, Next, encode, next_frame};
use genims_model::now_us;
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

/// An idle connection keeps this much: ten thousand of them stay small.
const READ_BYTES_MIN: usize = 4 * 1024;

/// The most that one read of a busy connection asks for.
const READ_BYTES_MAX: usize = 256 * 1024;

/// How far past frames that must wait we read to find PINGs behind them.
const LOOK_AHEAD_BYTES: usize = 512 * 1024;

const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long, and how much, a refused client may still send before we close: closing with unread bytes in the kernel
/// would reset the connection, and the client might never see why.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A socket, or what stands in its place.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) struct Wire<S> {
    stream: S,
    input: BytesMut,
    output: Vec<u8>,
    body_bytes_max: u32,
    read_bytes: usize,
    /// Up to here the input was searched for PINGs; always a frame boundary.
    scanned: usize,
    /// PINGs before `scanned` that have their PONG already.
    answered: u32,
    /// When the newest bytes came.
    pub(super) received_us: i64,
    pub(super) received_at: Instant,
    pub(super) ended: bool,
    metrics: Arc<ListenMetrics>,
}

impl<S: Stream> Wire<S> {
    pub(super) fn new(stream: S, body_bytes_max: u32, metrics: Arc<ListenMetrics>) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: Vec::new(),
            body_bytes_max,
            read_bytes: READ_BYTES_MIN,
            scanned: 0,
            answered: 0,
            received_us: now_us(),
            received_at: Instant::now(),
            ended: false,
            metrics,
        }
    }

    /// The frame at the front of the input.
    pub(super) fn peek(&self) -> Result<Option<Frame<'_>>, FrameError> {
        match next_frame(&self.input, self.body_bytes_max)? {
            Next::Frame(frame) => Ok(Some(frame)),
            Next::NeedsBytes(_) => Ok(None),
        }
    }

    /// How many bytes were read and not taken.
    pub(super) fn ahead(&self) -> usize {
        self.input.len()
    }

    /// Drops a frame from the front of the input.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.input.advance(bytes);
        self.scanned = self.scanned.saturating_sub(bytes);
    }

    /// Whether there is room to read on while the frames at the front have to wait.
    pub(super) fn may_look_ahead(&self) -> bool {
        !self.ended && self.input.len() < LOOK_AHEAD_BYTES
    }

    /// Reads once. Cancel-safe. The end of the stream and a lost connection both set `ended`.
    pub(super) async fn fill(&mut self) {
        let wanted = match Header::parse(&self.input) {
            Ok(Some(header)) => header.body_bytes.min(self.body_bytes_max) as usize + HEADER_BYTES,
            _ => 0,
        };
        let wanted = wanted.saturating_sub(self.input.len());
        self.input.reserve(self.read_bytes.max(wanted));
        let room = self.input.capacity() - self.input.len();
        match self.stream.read_buf(&mut self.input).await {
            Ok(0) | Err(_) => self.ended = true,
            Ok(bytes) => {
                count(&self.metrics.bytes_total, bytes as u64);
                self.received_us = now_us();
                self.received_at = Instant::now();
                if bytes == room {
                    self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
                }
            }
        }
    }

    /// Gives the memory of a busy time back.
    pub(super) fn rest(&mut self) {
        if self.input.is_empty() && self.read_bytes > READ_BYTES_MIN {
            self.input = BytesMut::new();
            self.output = Vec::new();
            self.read_bytes = READ_BYTES_MIN;
        }
    }

    /// Answers a PING whose turn has come, unless it was answered ahead.
    pub(super) fn pong(&mut self) {
        if self.answered > 0 {
            self.answered -= 1;
        } else {
            encode::pong(&mut self.output);
        }
    }

    /// Answers the PINGs that stand behind frames which have to wait.
    pub(super) fn pong_ahead(&mut self) {
        // What is wrong with a frame is found, and said, when its turn comes. Only PINGs are checked whole here.
        while let Ok(Some(header)) = Header::parse(&self.input[self.scanned..]) {
            let bytes = HEADER_BYTES.saturating_add(header.body_bytes as usize);
            let Some(frame) = self.input[self.scanned..].get(..bytes) else { break };
            if header.frame_type == FrameType::Ping && matches!(next_frame(frame, 0), Ok(Next::Frame(_))) {
                self.answered += 1;
                encode::pong(&mut self.output);
            }
            self.scanned += bytes;
        }
    }

    /// Lets `write` append an answer, to leave with the next flush.
    pub(super) fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.output);
    }

    /// Writes everything that was put, in one write. Not cancel-safe: run it to its end.
    pub(super) async fn flush(&mut self) -> std::io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = timeout(WRITE_TIMEOUT, async {
            self.stream.write_all(&self.output).await?;
            // Of what TLS has taken, some may still be with it.
            self.stream.flush().await
        })
        .await;
        self.output.clear();
        written.unwrap_or_else(|_| Err(Error::new(ErrorKind::TimedOut, "the client does not read its answers")))
    }

    /// Says why, and closes so that the client can read it.
    pub(super) async fn close(mut self, refusal: Option<&Refusal>) {
        if let Some(refusal) = refusal {
            encode::refuse(refusal.sequence, refusal.code, &refusal.message, &mut self.output);
        }
        if self.flush().await.is_err() || self.stream.shutdown().await.is_err() || self.ended {
            return;
        }
        let until = Instant::now() + LINGER;
        let mut left = LINGER_BYTES_MAX;
        while left > 0 {
            self.input.clear();
            self.input.reserve(READ_BYTES_MIN);
            match timeout_at(until, self.stream.read_buf(&mut self.input)).await {
                Ok(Ok(bytes)) if bytes > 0 => left = left.saturating_sub(bytes),
                _ => break,
            }
        }
    }
}
