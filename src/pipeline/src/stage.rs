//! What one connection has for one shard until its round is submitted.

use genims_model::{DeadLetter, Event, Mark, RawReading, Row, Snapshot, Topics};

#[derive(Debug, Default)]
pub(crate) struct Stage {
    pub(crate) topics: Topics,
    /// The message that was staged last.
    message: u64,
    pub(crate) readings: Vec<RawReading>,
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) events: Vec<Event>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    pub(crate) rows: Vec<Row>,
    pub(crate) marks: Vec<Mark>,
}

impl Stage {
    /// What is staged next is of this message.
    #[inline]
    pub(crate) fn enter(&mut self, message: u64, topic: &str) {
        if self.message != message {
            self.message = message;
            self.topics.begin(topic, self.readings.len(), self.snapshots.len());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.readings.is_empty()
            && self.snapshots.is_empty()
            && self.events.is_empty()
            && self.dead_letters.is_empty()
            && self.rows.is_empty()
            && self.marks.is_empty()
    }
}
