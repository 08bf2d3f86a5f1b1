//! What a journal needs of its entries: all of them enter, and those leave that replaying still comes to the same by.
//!
//! - Each entry that gave a number stays in its place: numbers are implied by order.
//! - Of the changes of one number the last one stays, and the last one before its code changed: whoever was entered with a
//!   code last has it. Where that would say nothing new any more, the one before it stays, too.
//! - Of a registration the first mention in master data stays, and of the shifts the last word.

use super::Catalogue;
use super::entry::Entry;
use hashbrown::{HashMap, HashSet};

/// Changes of a sensor's number under one code, each by its place among the entries, from one that stays in any case on.
#[derive(Clone, Copy)]
struct Run {
    first: usize,
    before_last: usize,
    last: usize,
}

/// In their order.
pub(crate) fn compact(entries: &[Entry]) -> Vec<Entry> {
    let mut catalogue = Catalogue::default();
    let mut kept = vec![false; entries.len()];
    let (mut runs, mut machines, mut shifts) = (HashMap::new(), HashMap::new(), None);
    let mut waiting: HashSet<&str> = HashSet::new();
    for (at, entry) in entries.iter().enumerate() {
        match entry {
            Entry::Machine(machine) => {
                let given = catalogue.machines().len();
                let (no, changed) = catalogue.put_machine(machine.clone());
                if catalogue.machines().len() > given {
                    kept[at] = true;
                } else if changed {
                    machines.insert(no.0, at);
                }
            }
            Entry::Sensor(sensor) | Entry::Registered(sensor) => {
                let is_registration = matches!(entry, Entry::Registered(_));
                let id = sensor.sensor_id.as_str();
                let is_kept = if is_registration {
                    waiting.insert(id);
                    true
                } else {
                    waiting.remove(id)
                };
                kept[at] |= is_kept;
                let (no, changed) = catalogue.put_sensor(sensor.clone());
                if changed {
                    let run = runs.entry(no.0).or_insert(Run::of(at));
                    let goes_on = !is_kept && code(&entries[run.last]) == code(entry);
                    run.take(at, goes_on, entries, &mut kept);
                }
            }
            Entry::Shifts(_) => shifts = Some(at),
        }
    }
    runs.values().for_each(|run: &Run| run.keep(entries, &mut kept));
    machines.into_values().chain(shifts).for_each(|at| kept[at] = true);
    entries.iter().zip(kept).filter(|(_, kept)| *kept).map(|(entry, _)| entry.clone()).collect()
}

impl Run {
    fn of(at: usize) -> Self {
        Self { first: at, before_last: at, last: at }
    }

    /// Takes the next change of the number; where the run does not go on, another one begins.
    fn take(&mut self, at: usize, goes_on: bool, entries: &[Entry], kept: &mut [bool]) {
        if goes_on {
            (self.before_last, self.last) = (self.last, at);
        } else {
            self.keep(entries, kept);
            *self = Self::of(at);
        }
    }

    fn keep(self, entries: &[Entry], kept: &mut [bool]) {
        kept[self.first] = true;
        kept[self.last] = true;
        kept[self.before_last] |= sensor(&entries[self.first]) == sensor(&entries[self.last]);
    }
}

fn sensor(entry: &Entry) -> Option<&super::Sensor> {
    match entry {
        Entry::Sensor(sensor) | Entry::Registered(sensor) => Some(sensor),
        Entry::Machine(_) | Entry::Shifts(_) => None,
    }
}

fn code(entry: &Entry) -> Option<&str> {
    sensor(entry)?.sensor_code.as_deref()
}

#[cfg(test)]
mod tests {
    use super::super::journal::registered;
    use super::super::tests::{machine, sensor};
    use super::super::{Machine, Sensor};
    use super::*;
    use proptest::prelude::*;

    fn replayed(entries: &[Entry]) -> Catalogue {
        let mut catalogue = Catalogue::default();
        entries.iter().for_each(|entry| entry.apply(&mut catalogue));
        catalogue
    }

    /// Few names, codes and values, so that they meet.
    fn entry() -> impl Strategy<Value = Entry> {
        let machines = (0..3_u8, 0..2_u8, 0..2_i32).prop_map(|(id, line, capacity)| {
            Entry::Machine(Machine {
                line_id: format!("L{line}"),
                design_capacity_units_per_hour: Some(capacity),
                ..machine(&format!("M{id}"))
            })
        });
        let sensors = (0..2_u8, 0..12_u8, 0..4_usize, 0..2_i32, 0..8_u8).prop_map(|(id, machine, code, day, kind)| {
            let sensor_code = [Some("C0"), Some("C0"), Some("C1"), None][code].map(str::to_owned);
            let calibration_day = Some(day);
            let made = sensor(&format!("S{id}"), &format!("M{}", machine / 11), "");
            let made = Sensor { sensor_code, calibration_day, ..made };
            if kind == 0 { Entry::Registered(made) } else { Entry::Sensor(made) }
        });
        let shifts = (0..2_u8).prop_map(|factory| {
            let factory_id = format!("F{factory}");
            Entry::Shifts(vec![super::super::shifts::FactoryShifts { factory_id, timezone: None, shifts: Vec::new() }])
        });
        prop_oneof![2 => machines, 12 => sensors, 1 => shifts]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn what_is_left_says_the_same(entries in proptest::collection::vec(entry(), 0..40)) {
            let left = compact(&entries);
            prop_assert_eq!(replayed(&left), replayed(&entries));
            prop_assert_eq!(registered(&left), registered(&entries));
            prop_assert!(left.len() <= entries.len());
        }
    }

    #[test]
    fn what_changes_daily_leaves_no_more_than_three_entries_of_a_sensor() {
        let mut entries = vec![Entry::Machine(machine("M1"))];
        for day in 0..1_000 {
            for id in ["S1", "S2"] {
                // Another limit every day; or there and back.
                let calibration_day = Some(if id == "S1" { day } else { day % 2 });
                entries.push(Entry::Sensor(Sensor { calibration_day, ..sensor(id, "M1", "T") }));
            }
        }
        let left = compact(&entries);
        assert!(left.len() <= 1 + 2 * 3, "{} entries are left", left.len());
        assert_eq!(replayed(&left), replayed(&entries));
    }
}
