//! Consecutive groups of the log on their way into a database.

use genims_model::{DeadLetter, Event, Group, Reading, Row, Snapshot};
use std::sync::Arc;

/// Groups in log order, without a gap.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub first_offset: u64,
    pub next_offset: u64,
    pub groups: Vec<Arc<Group>>,
    /// When the oldest record was received.
    pub oldest_received_us: Option<i64>,
    /// Groups below have nothing for the database: they waited for one that has.
    pub nothing_below: u64,
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

    /// Panics where the group does not go on where the batch ends: the database would take what lies between for stored.
    pub fn push(&mut self, group: Arc<Group>) {
        if self.groups.is_empty() {
            self.first_offset = group.first_offset;
        } else {
            assert_eq!(group.first_offset, self.next_offset, "a batch holds its groups without a gap");
        }
        self.next_offset = group.next_offset();
        self.bytes += group.bytes();
        self.oldest_received_us = match (self.oldest_received_us, oldest_received_us(&group)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.groups.push(group);
    }

    /// Cuts off what lies below `position`; `self` keeps the rest. Inside a group it lies where the log has shown the
    /// group's parts before, and now shows it whole.
    pub fn split_below(&mut self, position: u64) -> Self {
        let of = Self { nothing_below: self.nothing_below, ..Self::default() };
        let (mut below, mut rest) = (of.clone(), of);
        for group in std::mem::take(&mut self.groups) {
            if group.next_offset() <= position {
                below.push(group);
            } else if group.first_offset >= position {
                rest.push(group);
            } else {
                let (front, behind) = Arc::unwrap_or_clone(group).split(position);
                below.push(Arc::new(front));
                rest.push(Arc::new(behind));
            }
        }
        *self = rest;
        below
    }

    /// Two batches of half the groups each; `None` for a single group, which lands whole or not at all.
    pub(crate) fn halves(&self) -> Option<(Self, Self)> {
        let (first, second) = self.groups.split_at(self.groups.len() / 2);
        (!first.is_empty()).then(|| (Self::of(first), Self::of(second)))
    }

    /// Batches of at most `records` records, or of one group that holds more.
    pub fn pieces(&self, records: u64) -> Vec<Self> {
        let mut pieces: Vec<Self> = Vec::new();
        for group in &self.groups {
            match pieces.last_mut() {
                Some(last) if last.len() + group.len() <= records => last.push(group.clone()),
                _ => pieces.push(Self::of(std::slice::from_ref(group))),
            }
        }
        pieces
    }

    fn of(groups: &[Arc<Group>]) -> Self {
        let mut batch = Self::default();
        groups.iter().for_each(|group| batch.push(group.clone()));
        batch
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

    pub fn rows(&self) -> impl Iterator<Item = (u64, &Row)> {
        self.groups.iter().flat_map(|group| (group.first_row_offset()..).zip(&group.rows))
    }
}

/// When the oldest record of a group was received, or what the events of the log of events tell of.
pub fn oldest_received_us(group: &Group) -> Option<i64> {
    let readings = group.readings.iter().map(|reading| reading.received_us);
    let snapshots = group.snapshots.iter().map(|snapshot| snapshot.received_us);
    let dead_letters = group.dead_letters.iter().map(|dead_letter| dead_letter.received_us);
    let rows = group.rows.iter().map(|row| row.received_us);
    readings.chain(snapshots).chain(dead_letters).chain(rows).chain(group.events_received_us()).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use genims_model::SensorNo;

    #[test]
    #[should_panic(expected = "without a gap")]
    fn a_batch_with_a_gap_is_never_made() {
        let group = |first_offset| {
            let readings = vec![sample::reading(SensorNo(0), 1); 2];
            Arc::new(Group { first_offset, readings, ..Group::default() })
        };
        let mut batch = Batch::default();
        [5, 7, 10].into_iter().for_each(|first_offset| batch.push(group(first_offset)));
    }

    #[test]
    fn pieces_and_halves_hold_every_group_once_in_order() {
        let mut batch = Batch::default();
        for size in [3, 4, 9, 1, 1] {
            let readings = vec![sample::reading(SensorNo(0), 1); size];
            batch.push(Arc::new(Group { first_offset: batch.next_offset, readings, ..Group::default() }));
        }
        let spans =
            |pieces: &[Batch]| pieces.iter().map(|piece| (piece.first_offset, piece.next_offset)).collect::<Vec<_>>();
        assert_eq!(spans(&batch.pieces(8)), [(0, 7), (7, 16), (16, 18)]);
        assert_eq!(spans(&batch.pieces(u64::MAX)), [(0, 18)]);
        let (first, second) = batch.halves().expect("more than one group");
        assert_eq!(spans(&[first.clone(), second]), [(0, 7), (7, 18)]);
        let (first, _) = first.halves().expect("two groups");
        assert!(first.halves().is_none());
    }
}
