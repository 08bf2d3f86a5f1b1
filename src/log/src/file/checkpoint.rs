//! What each segment repeats at its front so that it can be understood without its predecessors: how far every client
//! was taken, and which faults are open. Groups enter; the marks and faults of a restart leave.
//!
//! Both are bounded. At the bound the entries that were touched longest ago give way: a client unheard of for so long
//! is told "nothing durable yet" when it comes back, and its resends are caught as duplicate readings.

use super::error::SpoolError;
use genims_model::event::FaultOpened;
use genims_model::{Cause, Event, Group, MachineNo, Mark};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::Hash;

const MARKS_MAX: usize = 65_536;
const FAULTS_MAX: usize = 65_536;

/// A fault is known by machine, code and start.
type FaultKey = (MachineNo, String, i64);

#[derive(Clone, Debug, Default)]
pub(super) struct Checkpoint {
    marks: HashMap<String, Touched<u64>>,
    faults: HashMap<FaultKey, Touched<FaultOpened>>,
    /// Counts changes, so that entries can be ordered by the last one.
    clock: u64,
}

#[derive(Clone, Debug)]
struct Touched<T> {
    value: T,
    at: u64,
}

/// The stored form; entries in the order in which they were touched.
#[derive(Serialize, Deserialize)]
struct Stored {
    marks: Vec<(String, u64)>,
    faults: Vec<FaultOpened>,
}

impl Checkpoint {
    pub(super) fn apply(&mut self, group: &Group) {
        for mark in &group.marks {
            self.mark(&mark.client, mark.sequence);
        }
        for event in &group.events {
            match event {
                Event::FaultOpened(fault) => self.open(fault.clone()),
                Event::FaultClosed(closed) => {
                    self.faults.remove(&(closed.machine, closed.fault_code.clone(), closed.start_us));
                }
                _ => {}
            }
        }
    }

    pub(super) fn marks(&self) -> HashMap<String, u64> {
        self.marks.iter().map(|(client, mark)| (client.clone(), mark.value)).collect()
    }

    /// Open faults, oldest first.
    pub(super) fn open_faults(&self) -> Vec<FaultOpened> {
        in_order(&self.faults).into_iter().map(|(_, fault)| fault.clone()).collect()
    }

    /// In the form of the newest front version.
    pub(super) fn encode(&self) -> Result<Vec<u8>, SpoolError> {
        let marks = in_order(&self.marks).into_iter().map(|(client, sequence)| (client.clone(), *sequence)).collect();
        Ok(rmp_serde::to_vec_named(&Stored { marks, faults: self.open_faults() })?)
    }

    /// Reads the checkpoint of a front of this version: by position in version 1, by name (and so open to new fields) since.
    pub(super) fn decode(version: u32, bytes: &[u8]) -> Result<Self, Cause> {
        let stored: Stored = if version == 1 { postcard::from_bytes(bytes)? } else { rmp_serde::from_slice(bytes)? };
        let mut checkpoint = Self::default();
        for (client, sequence) in stored.marks {
            checkpoint.mark(&client, sequence);
        }
        for fault in stored.faults {
            checkpoint.open(fault);
        }
        Ok(checkpoint)
    }

    /// A resend may bring an older mark behind a newer one: the higher one holds, until 0 says that the client counts anew. Our
    /// own, which are few, never do, and are never forgotten, however many clients there are.
    fn mark(&mut self, client: &str, sequence: u64) {
        self.clock += 1;
        let is_own = client.starts_with(Mark::RESERVED);
        let at = if is_own { u64::MAX } else { self.clock };
        match self.marks.get_mut(client) {
            Some(mark) if sequence == 0 && !is_own => *mark = Touched { value: 0, at },
            Some(mark) => *mark = Touched { value: mark.value.max(sequence), at },
            None => {
                self.marks.insert(client.to_owned(), Touched { value: sequence, at });
                forget_oldest(&mut self.marks, MARKS_MAX);
            }
        }
    }

    fn open(&mut self, fault: FaultOpened) {
        self.clock += 1;
        let key = (fault.machine, fault.fault_code.clone(), fault.start_us);
        self.faults.insert(key, Touched { value: fault, at: self.clock });
        forget_oldest(&mut self.faults, FAULTS_MAX);
    }
}

fn in_order<K: Hash + Eq, T>(entries: &HashMap<K, Touched<T>>) -> Vec<(&K, &T)> {
    let mut ordered: Vec<_> = entries.iter().collect();
    ordered.sort_unstable_by_key(|(_, entry)| entry.at);
    ordered.into_iter().map(|(key, entry)| (key, &entry.value)).collect()
}

/// Forgets an eighth at once, so that the search for the oldest is paid rarely.
fn forget_oldest<K: Hash + Eq, T>(entries: &mut HashMap<K, Touched<T>>, max: usize) {
    if entries.len() <= max {
        return;
    }
    let mut ages: Vec<u64> = entries.values().map(|entry| entry.at).collect();
    let (_, newest_forgotten, _) = ages.select_nth_unstable(max / 8);
    let newest_forgotten = *newest_forgotten;
    entries.retain(|_, entry| entry.at > newest_forgotten);
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn marked(client: &str, sequence: u64) -> Group {
        Group { marks: vec![Mark { client: client.to_owned(), sequence }], ..Group::default() }
    }

    #[test]
    fn the_highest_mark_of_a_client_holds() {
        let mut checkpoint = Checkpoint::default();
        for sequence in [3, 9, 4] {
            checkpoint.apply(&marked("plc-1", sequence));
        }
        assert_eq!(checkpoint.marks().get("plc-1"), Some(&9));
    }

    #[test]
    fn a_client_that_counts_anew_is_not_held_to_what_was_said_before() {
        let mut checkpoint = Checkpoint::default();
        for sequence in [u64::from(u32::MAX), 0, 3] {
            checkpoint.apply(&marked("plc-1", sequence));
            checkpoint.apply(&marked("log/refused", sequence));
        }
        let checkpoint = Checkpoint::decode(2, &checkpoint.encode().unwrap()).unwrap();
        assert_eq!(checkpoint.marks().get("plc-1"), Some(&3));
        assert_eq!(checkpoint.marks().get("log/refused"), Some(&u64::from(u32::MAX)), "ours do not count anew");
    }

    #[test]
    fn a_closed_fault_is_forgotten_and_an_open_one_survives_the_stored_form() {
        let mut checkpoint = Checkpoint::default();
        let (opened, other, closed) = samples::faults();
        checkpoint.apply(&Group {
            events: vec![Event::FaultOpened(opened), Event::FaultOpened(other.clone()), Event::FaultClosed(closed)],
            ..marked("plc-1", 5)
        });
        let checkpoint = Checkpoint::decode(2, &checkpoint.encode().unwrap()).unwrap();
        assert_eq!(checkpoint.open_faults(), vec![other]);
        assert_eq!(checkpoint.marks().get("plc-1"), Some(&5));
    }

    #[test]
    fn at_the_bound_the_clients_heard_of_longest_ago_give_way() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.mark("log/refused", 7);
        for client in 0..MARKS_MAX {
            checkpoint.mark(&client.to_string(), 1);
        }
        checkpoint.mark("0", 2);
        checkpoint.mark("new", 1);
        assert!(checkpoint.marks.len() <= MARKS_MAX);
        assert_eq!(checkpoint.marks().get("log/refused"), Some(&7));
        assert!(
            checkpoint.marks.contains_key("0")
                && checkpoint.marks.contains_key("new")
                && !checkpoint.marks.contains_key("1")
        );
    }
}
