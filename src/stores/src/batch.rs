//! Consecutive groups of the log on their way into a database.

use genims_model::{DeadLetter, Event, Group, Reading, Snapshot};
use std::mem::size_of;
use std::sync::Arc;

/// Groups in log order, without a gap.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub first_offset: u64,
    pub next_offset: u64,
    pub groups: Vec<Arc<Group>>,
    /// When the oldest record was received.
    pub oldest_received_us: Option<i64>,
    bytes: usize,
}

impl Batch {
    pub fn len(&self) -> u64 {
        self.next_offset - self.first_offset
    }

    /// True also for a batch of groups that hold nothing but marks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About what its groups occupy in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn push(&mut self, group: Arc<Group>) {
        if self.groups.is_empty() {
            self.first_offset = group.first_offset;
        }
        self.next_offset = group.next_offset();
        self.bytes += group_bytes(&group);
        self.oldest_received_us = match (self.oldest_received_us, oldest_received_us(&group)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.groups.push(group);
    }

    /// Cuts off the groups that lie wholly below `position`; `self` keeps the rest.
    pub fn split_below(&mut self, position: u64) -> Self {
        let (mut below, mut rest) = (Self::default(), Self::default());
        for group in std::mem::take(&mut self.groups) {
            if group.next_offset() <= position { below.push(group) } else { rest.push(group) }
        }
        *self = rest;
        below
    }

    /// Every reading with its log offset.
    pub fn readings(&self) -> impl Iterator<Item = (u64, &Reading)> {
        self.groups.iter().flat_map(|group| (group.first_offset..).zip(&group.readings))
    }

    pub fn snapshots(&self) -> impl Iterator<Item = (u64, &Snapshot)> {
        self.groups.iter().flat_map(|group| (group.first_snapshot_offset()..).zip(&group.snapshots))
    }

    pub fn events(&self) -> impl Iterator<Item = (u64, &Event)> {
        self.groups.iter().flat_map(|group| (group.first_event_offset()..).zip(&group.events))
    }

    pub fn dead_letters(&self) -> impl Iterator<Item = (u64, &DeadLetter)> {
        self.groups.iter().flat_map(|group| (group.first_dead_letter_offset()..).zip(&group.dead_letters))
    }
}

/// About what a group occupies; text inside snapshots and events is estimated.
pub fn group_bytes(group: &Group) -> usize {
    let letters: usize = group.dead_letters.iter().map(|letter| size_of::<DeadLetter>() + letter.payload.len()).sum();
    group.readings.len() * size_of::<Reading>()
        + group.snapshots.len() * (size_of::<Snapshot>() + 128)
        + group.events.len() * (size_of::<Event>() + 128)
        + letters
}

fn oldest_received_us(group: &Group) -> Option<i64> {
    let readings = group.readings.iter().map(|reading| reading.received_us);
    let snapshots = group.snapshots.iter().map(|snapshot| snapshot.received_us);
    let letters = group.dead_letters.iter().map(|letter| letter.received_us);
    readings.chain(snapshots).chain(letters).min()
}
