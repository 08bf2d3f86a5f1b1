//! What a start takes from the log: groups that an earlier run wrote enter; the shards' memory, the records that still wait
//! for their commit, and the numbers in use leave.

use crate::shard::Shard;
use genims_catalogue::used::Used;
use genims_model::Group;
use genims_model::event::FaultOpened;
use genims_model::group::dead_letter_records;

#[derive(Debug)]
pub struct Recovery {
    settled: u64,
    pending: u64,
    used: Used,
}

impl Recovery {
    /// Everything below `settled` is finished; `open_faults` were open when the earlier run ended.
    pub fn new(settled: u64, open_faults: &[FaultOpened]) -> Self {
        let mut used = Used::default();
        open_faults.iter().for_each(|fault| used.see_fault(fault));
        Self { settled, pending: 0, used }
    }

    /// Takes the next group.
    pub fn see(&mut self, group: &Group, shards: &mut [Shard]) {
        self.pending += records_from(group, self.settled);
        self.used.see(group);
        shards.iter_mut().for_each(|shard| shard.remember(group));
    }

    /// Records of the account that are not finished.
    pub fn pending(&self) -> u64 {
        self.pending
    }

    pub fn used(&self) -> Used {
        self.used
    }
}

/// Records of the account at or behind an offset; events are not in the account.
fn records_from(group: &Group, offset: u64) -> u64 {
    let behind = |first: u64, count: usize| (first + count as u64).saturating_sub(offset.max(first));
    let finished = offset.saturating_sub(group.first_dead_letter_offset()) as usize;
    behind(group.first_offset, group.readings.len())
        + behind(group.first_snapshot_offset(), group.snapshots.len())
        + dead_letter_records(group.dead_letters.get(finished..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_model::{DeadLetter, Event, MachineNo, Reason};

    #[test]
    fn only_counted_records_behind_the_offset_are_pending() {
        let dead_letter = DeadLetter {
            source: 0,
            client: String::new(),
            received_us: 0,
            topic: String::new(),
            reason: Reason::TooOld,
            detail: String::new(),
            payload: Vec::new(),
            payload_bytes: 0,
            records: 1,
        };
        let event =
            Event::PartsCounted { machine: MachineNo(0), timestamp_us: 0, produced: 1, rejected: 0, interval_us: None };
        // Offsets: events 10 and 11, dead letters 12 and 13.
        let group = Group {
            first_offset: 10,
            events: vec![event.clone(), event],
            dead_letters: vec![dead_letter.clone(), DeadLetter { records: 5, ..dead_letter }],
            ..Group::default()
        };
        for (offset, pending) in [(0, 6), (10, 6), (12, 6), (13, 5), (14, 0), (99, 0)] {
            assert_eq!(records_from(&group, offset), pending, "{offset}");
        }
    }
}
