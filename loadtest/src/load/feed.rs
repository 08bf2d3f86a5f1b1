//! The seam between what is sent and how: run, replay, probes and the mosquitto baseline are feeds.

use super::tally::Tallies;

/// How the accounting sees a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Original,
    /// The same readings a second time: the server is to count, not to store them.
    Duplicate,
    /// One dead letter.
    Garbage,
}

/// For MQTT `bytes[start..]` is a PUBLISH that lacks its packet identifier; for TCP it is the base time (8 bytes) and
/// the records of a DATA frame; for line protocol it is the text.
#[derive(Clone, Debug)]
pub struct Message {
    pub bytes: Vec<u8>,
    pub start: usize,
    /// When it should have been sent: latencies count from here, whatever held it up.
    pub intended_us: i64,
    pub readings: u32,
    pub snapshots: u32,
    pub class: Class,
}

pub enum Next {
    Message(Message),
    /// Nothing before this time.
    At(i64),
    Done,
}

/// Buffers of acknowledged messages, to be filled again. Bounded by the in-flight windows it is fed from.
#[derive(Debug, Default)]
pub struct Pool(Vec<Vec<u8>>);

impl Pool {
    const BUFFERS_MAX: usize = 64;

    pub fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    pub fn give(&mut self, mut buffer: Vec<u8>) {
        if self.0.len() < Self::BUFFERS_MAX {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

pub trait Feed: Send + 'static {
    /// Called only while there is room in the in-flight window.
    fn next(&mut self, now_us: i64, pool: &mut Pool) -> Next;

    /// What the feed made, once it is done.
    fn into_tallies(self) -> Tallies
    where
        Self: Sized;
}
