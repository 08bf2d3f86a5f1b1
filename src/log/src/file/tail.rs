//! The newest durable groups, in memory, for the readers that keep up. Groups without records (marks alone) are not
//! kept: readers do not see them.
//!
//! Bounded by bytes; the oldest groups give way. Whatever is not here is on disk, so the bound never costs a record.

use genims_model::Group;
use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Tail {
    groups: Mutex<Groups>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Groups {
    queue: VecDeque<(Arc<Group>, usize)>,
    bytes: usize,
}

impl Tail {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { groups: Mutex::default(), bytes_max }
    }

    pub(super) fn push(&self, group: Arc<Group>) {
        let bytes = group.bytes();
        let mut evicted = Vec::new();
        let mut groups = self.lock();
        groups.queue.push_back((group, bytes));
        groups.bytes += bytes;
        while groups.bytes > self.bytes_max && groups.queue.len() > 1 {
            evicted.extend(groups.pop());
        }
        // What is evicted is freed outside the lock.
        drop(groups);
    }

    /// The group that holds the record with this offset.
    pub(super) fn find(&self, offset: u64) -> Option<Arc<Group>> {
        let groups = self.lock();
        let index = groups.queue.partition_point(|(group, _)| group.next_offset() <= offset);
        groups.queue.get(index).filter(|(group, _)| group.first_offset <= offset).map(|(group, _)| group.clone())
    }

    /// Lets go of the groups that every sink has behind it.
    pub(super) fn release(&self, below: u64) {
        let mut released = Vec::new();
        let mut groups = self.lock();
        while groups.queue.front().is_some_and(|(group, _)| group.next_offset() <= below) {
            released.extend(groups.pop());
        }
        drop(groups);
    }

    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock()
    }
}

impl Groups {
    fn pop(&mut self) -> Option<Arc<Group>> {
        let (group, bytes) = self.queue.pop_front()?;
        self.bytes -= bytes;
        Some(group)
    }
}

/// The part of a group from `offset` on.
pub(super) fn from_offset(group: Arc<Group>, offset: u64) -> Arc<Group> {
    if offset <= group.first_offset {
        return group;
    }
    let (_, rest) = Arc::unwrap_or_clone(group).split(offset);
    Arc::new(rest)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn group(first_offset: u64, readings: usize) -> Arc<Group> {
        Arc::new(samples::group_of(&samples::portion(readings, 0, 0, first_offset), first_offset))
    }

    #[test]
    fn a_record_is_found_by_any_offset_of_its_group_and_by_no_other() {
        let tail = Tail::new(1 << 20);
        tail.push(group(10, 5));
        tail.push(group(15, 2));
        assert!(tail.find(9).is_none());
        assert_eq!(tail.find(14).unwrap().first_offset, 10);
        assert_eq!(tail.find(15).unwrap().first_offset, 15);
        assert!(tail.find(17).is_none());
        tail.release(16);
        assert!(tail.find(14).is_none() && tail.find(16).is_some());
    }

    #[test]
    fn the_oldest_groups_give_way_at_the_bound() {
        let one = group(0, 10).bytes();
        let tail = Tail::new(one * 3);
        for first_offset in (0..100).step_by(10) {
            tail.push(group(first_offset, 10));
            assert!(tail.bytes() <= one * 3);
        }
        assert!(tail.find(69).is_none() && tail.find(70).is_some());
    }

    #[test]
    fn a_group_is_cut_at_any_offset_without_moving_the_other_records() {
        let whole = Arc::new(samples::group_of(&samples::portion(3, 2, 1, 1), 100));
        for offset in 100..whole.next_offset() {
            let rest = from_offset(whole.clone(), offset);
            assert_eq!((rest.first_offset, rest.next_offset()), (offset, whole.next_offset()));
            assert_eq!(rest.rows.last(), whole.rows.last());
            let first_reading = whole.readings.get((offset - 100) as usize);
            assert_eq!(rest.readings.first(), first_reading);
        }
    }
}
