//! What was read from a socket and not yet processed, and the pool that lends the memory for it.
//!
//! An idle connection holds no buffer: it borrows one when its socket turns readable and gives it back once everything
//! is processed. The rest of a packet that has not come whole is kept in a buffer of its own size.

use super::packet::Version;
use super::packet::wire::{self, Header};
use crate::locks::Socket;
use crossbeam::queue::ArrayQueue;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use tokio::io::AsyncReadExt;

/// One read brings at most this much.
const BUFFER_BYTES: usize = 64 * 1024;

/// Buffers kept for the next reader: as many as are in use at once on a handful of cores, with a reserve.
const BUFFERS_MAX: usize = 64;

/// A read is given at least this much room.
const ROOM_BYTES_MIN: usize = 8 * 1024;

/// A rest up to this size is copied, so that the buffer can go back to the pool.
const REST_BYTES_MAX: usize = 4 * 1024;

/// Lends buffers.
#[derive(Debug)]
pub(super) struct Buffers {
    free: ArrayQueue<Vec<u8>>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { free: ArrayQueue::new(BUFFERS_MAX) }
    }
}

impl Buffers {
    fn borrow(&self) -> Vec<u8> {
        self.free.pop().unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
    }

    /// What is not of the pool's size, or more than it keeps, is freed.
    fn give_back(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() == BUFFER_BYTES {
            buffer.clear();
            let _ = self.free.push(buffer);
        }
    }
}

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Bytes(usize),
    Nothing,
    /// The peer has closed its side.
    End,
}

#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    /// Everything before is processed.
    start: usize,
    /// Everything before was looked at for PINGREQ; not before `start` unless nothing was.
    looked_at: usize,
}

impl Input {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.bytes.len());
    }

    /// Reads once, without waiting.
    pub(super) async fn read(&mut self, socket: &mut impl Socket, buffers: &Buffers) -> io::Result<Read> {
        if self.bytes.capacity() < BUFFER_BYTES {
            let mut buffer = buffers.borrow();
            buffer.extend_from_slice(self.bytes());
            self.bytes = buffer;
            self.moved();
        } else if self.bytes.capacity() - self.bytes.len() < ROOM_BYTES_MIN {
            self.bytes.drain(..self.start);
            self.moved();
            self.bytes.reserve(ROOM_BYTES_MIN);
        }
        // `read_buf` and not `try_read_buf`: only the former knows that a short read has emptied the socket, which saves
        // a system call for each round.
        let mut read = pin!(socket.read_buf(&mut self.bytes));
        match poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await {
            Poll::Ready(Ok(0)) => Ok(Read::End),
            Poll::Ready(Ok(count)) => Ok(Read::Bytes(count)),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Ok(Read::Nothing),
        }
    }

    /// What a read would have brought.
    #[cfg(any(test, feature = "simulation"))]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.moved();
        self.bytes.extend_from_slice(bytes);
    }

    fn moved(&mut self) {
        self.looked_at = self.looked_at.saturating_sub(self.start);
        self.start = 0;
    }

    /// Before waiting: gives the buffer back if there is little or nothing in it.
    pub(super) fn rest(&mut self, buffers: &Buffers) {
        if self.bytes.capacity() == 0 || self.len() > REST_BYTES_MAX || self.bytes.capacity() == self.len() {
            return;
        }
        let rest = self.bytes().to_vec();
        buffers.give_back(std::mem::replace(&mut self.bytes, rest));
        self.moved();
    }

    /// Counts the PINGREQs among the complete packets that wait, each once.
    pub(super) fn pings_ahead(&mut self, version: Version) -> u32 {
        let mut pings = 0;
        self.looked_at = self.looked_at.max(self.start);
        while let Some(bytes) = self.bytes.get(self.looked_at..)
            && let Ok(Some(Header { first, header_bytes, body_bytes })) = wire::header(bytes, Some(version))
            && bytes.len() >= header_bytes + body_bytes
        {
            pings += u32::from(first == PINGREQ && body_bytes == 0);
            self.looked_at += header_bytes + body_bytes;
        }
        pings
    }
}

const PINGREQ: u8 = super::packet::kind::PINGREQ << 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ping_ahead_is_counted_once_although_the_buffer_moves() {
        let buffers = Buffers::default();
        let mut input = Input { bytes: vec![0x30, 1, 7, 0xC0, 0, 0x30, 2, 0xC0, 0, 0xC0], ..Input::default() };
        assert_eq!(input.pings_ahead(Version::V5), 1);
        input.consume(3);
        input.bytes.reserve(100);
        input.rest(&buffers);
        assert_eq!(input.bytes(), [0xC0, 0, 0x30, 2, 0xC0, 0, 0xC0]);
        assert_eq!(input.pings_ahead(Version::V5), 0);
        input.bytes.push(0);
        assert_eq!(input.pings_ahead(Version::V5), 1);
    }
}
