//! The arithmetic of the verdict. Pure: what was sent and what is held go in, the findings come out. Sensors and machines
//! of others are none of its business.

use super::Holdings;
use crate::load::tally::{Tallies, Tally};
use serde::Serialize;
use std::collections::HashMap;

/// Which sums a database can be held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exactness {
    /// PostgreSQL: every microsecond and every ten-thousandth.
    Microseconds,
    /// MongoDB: milliseconds and ten-thousandths.
    Milliseconds,
}

/// One database's findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    pub readings: u64,
    pub missing: u64,
    pub duplicates: u64,
    /// Sensors with the right number of readings, none of them double, but other times or values than were sent.
    pub altered_sensors: u64,
    /// Readings that nobody sent.
    pub unexpected: u64,
    /// Readings that were there before the run, of sensors that hold exactly what was sent.
    pub there_before: u64,
    pub snapshots: u64,
    pub snapshots_missing: u64,
    pub snapshots_surplus: u64,
    /// A few sensors at fault, for looking closer.
    pub examples: Vec<String>,
}

const EXAMPLES_MAX: usize = 5;

impl Findings {
    pub fn is_clean(&self) -> bool {
        self.missing == 0
            && self.duplicates == 0
            && self.altered_sensors == 0
            && self.unexpected == 0
            && self.snapshots_missing == 0
            && self.snapshots_surplus == 0
    }

    fn example(&mut self, text: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text);
        }
    }
}

fn agrees(sent: &Tally, held: &Tally, exactness: Exactness) -> bool {
    let coarse = sent.count == held.count && sent.value_e4 == held.value_e4 && sent.time_ms == held.time_ms;
    match exactness {
        Exactness::Milliseconds => coarse,
        Exactness::Microseconds => coarse && sent.time_us == held.time_us && sent.pair == held.pair,
    }
}

/// What is held on top of `before`. A sensor that holds exactly what was sent holds it, whenever it came: sent again, a reading
/// is stored once. How many of these readings were there before is said beside it.
pub fn since(held: &Holdings, before: &Holdings, sent: &Tallies, exactness: Exactness) -> (Holdings, u64) {
    let none = Tally::default();
    let mut there_before = 0;
    let on_top = |(id, tally): (&String, &Tally)| {
        let earlier = before.sensors.get(id).unwrap_or(&none);
        let is_whole = sent.sensors.get(id).is_some_and(|sent| agrees(sent, tally, exactness));
        if is_whole {
            there_before += earlier.count;
            return (id.clone(), *tally);
        }
        (id.clone(), tally.since(earlier))
    };
    let sensors = held.sensors.iter().map(on_top).collect();
    let machines = held
        .machines
        .iter()
        .map(|(id, count)| (id.clone(), count.saturating_sub(before.machines.get(id).copied().unwrap_or(0))))
        .collect();
    (Holdings { sensors, machines }, there_before)
}

/// Sensors whose holdings differ from what was sent: for these the exact number of duplicates must be asked for.
pub fn suspects(sent: &Tallies, held: &Holdings, exactness: Exactness) -> Vec<String> {
    let none = Tally::default();
    let differs = |id: &String, tally: &Tally| {
        !sent.untimed.contains_key(id) && !agrees(tally, held.sensors.get(id).unwrap_or(&none), exactness)
    };
    sent.sensors.iter().filter(|(id, tally)| differs(id, tally)).map(|(id, _)| id.clone()).collect()
}

/// Compares. `duplicates`: by sensor, at least for all [`suspects`].
pub fn judge(sent: &Tallies, held: &Holdings, duplicates: &HashMap<String, u64>, exactness: Exactness) -> Findings {
    let mut findings = Findings::default();
    let none = Tally::default();
    for (id, tally) in &sent.sensors {
        let held = held.sensors.get(id).unwrap_or(&none);
        let double = duplicates.get(id).copied().unwrap_or(0).min(held.count);
        compare(id, tally, held, double, exactness, &mut findings);
    }
    for (id, tally) in &sent.untimed {
        // The server chose the times, so only count and values can be held against it.
        let held = held.sensors.get(id).unwrap_or(&none);
        findings.readings += held.count;
        findings.missing += tally.count.saturating_sub(held.count);
        findings.unexpected += held.count.saturating_sub(tally.count);
        if held.count != tally.count {
            findings.example(format!("{id}: sent {}, held {}", tally.count, held.count));
        } else if held.value_e4 != tally.value_e4 {
            findings.altered_sensors += 1;
            findings.example(format!("{id}: other values"));
        }
    }
    for (machine, &count) in &sent.machines {
        let held = held.machines.get(machine).copied().unwrap_or(0);
        findings.snapshots += held;
        findings.snapshots_missing += count.saturating_sub(held);
        findings.snapshots_surplus += held.saturating_sub(count);
    }
    findings
}

fn compare(id: &str, sent: &Tally, held: &Tally, double: u64, exactness: Exactness, findings: &mut Findings) {
    findings.readings += held.count;
    if double == 0 && agrees(sent, held, exactness) {
        return;
    }
    let distinct = held.count - double;
    findings.duplicates += double;
    findings.missing += sent.count.saturating_sub(distinct);
    findings.unexpected += distinct.saturating_sub(sent.count);
    if distinct == sent.count && double == 0 {
        findings.altered_sensors += 1;
        findings.example(format!("{id}: other times or values"));
    } else {
        findings.example(format!("{id}: sent {}, held {}, {double} double", sent.count, held.count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE_US: i64 = 1_700_000_000_000_000;

    fn tally(readings: &[(i64, i64)]) -> Tally {
        let mut tally = Tally::default();
        readings.iter().for_each(|&(after_us, value)| tally.add(BASE_US, BASE_US + after_us, value));
        tally
    }

    fn sent(readings: &[(i64, i64)]) -> Tallies {
        Tallies { sensors: [("S".to_owned(), tally(readings))].into(), ..Tallies::default() }
    }

    fn held(readings: &[(i64, i64)]) -> Holdings {
        Holdings { sensors: [("S".to_owned(), tally(readings))].into(), ..Holdings::default() }
    }

    fn verdict(sent_readings: &[(i64, i64)], held_readings: &[(i64, i64)], double: u64) -> Findings {
        let (sent, held) = (sent(sent_readings), held(held_readings));
        let duplicates = [("S".to_owned(), double)].into();
        judge(&sent, &held, &duplicates, Exactness::Microseconds)
    }

    const SENT: [(i64, i64); 3] = [(0, 10), (1_000, 20), (2_000, 30)];

    #[test]
    fn what_arrived_whole_is_clean() {
        let findings = verdict(&SENT, &[SENT[2], SENT[0], SENT[1]], 0);
        assert!(findings.is_clean());
        assert_eq!(findings.readings, 3);
    }

    #[test]
    fn a_missing_a_double_and_a_foreign_reading_are_told_apart() {
        let missing = verdict(&SENT, &SENT[1..], 0);
        assert_eq!((missing.missing, missing.duplicates), (1, 0));
        let double = verdict(&SENT, &[SENT[0], SENT[0], SENT[1], SENT[2]], 1);
        assert_eq!((double.missing, double.duplicates, double.unexpected), (0, 1, 0));
        let both = verdict(&SENT, &[SENT[0], SENT[0], SENT[1]], 1);
        assert_eq!((both.missing, both.duplicates), (1, 1));
        let foreign = verdict(&SENT, &[SENT[0], SENT[1], SENT[2], (5, 5)], 0);
        assert_eq!((foreign.missing, foreign.unexpected), (0, 1));
    }

    #[test]
    fn one_lost_and_one_doubled_reading_make_the_sensor_suspect_although_the_count_fits() {
        let sent = sent(&SENT);
        let held = held(&[SENT[0], SENT[0], SENT[1]]);
        assert_eq!(suspects(&sent, &held, Exactness::Microseconds), ["S"]);
        assert_eq!(suspects(&sent, &held, Exactness::Milliseconds), ["S"]);
    }

    #[test]
    fn an_altered_value_is_seen_and_nothing_is_clean_with_it() {
        let findings = verdict(&SENT, &[SENT[0], SENT[1], (2_000, 31)], 0);
        assert_eq!((findings.altered_sensors, findings.missing), (1, 0));
        assert!(!findings.is_clean());
    }

    #[test]
    fn milliseconds_are_enough_for_mongodb_only() {
        let cut = held(&[(0, 10), (1_000, 20), (2_000, 30)]);
        let sent = sent(&[(0, 10), (1_999, 20), (2_000, 30)]);
        assert!(suspects(&sent, &cut, Exactness::Milliseconds).is_empty());
        assert_eq!(suspects(&sent, &cut, Exactness::Microseconds), ["S"]);
    }

    #[test]
    fn what_was_there_before_is_subtracted() {
        let before = held(&[(7, 7)]);
        let mut after = before.clone();
        if let Some(tally) = after.sensors.get_mut("S") {
            tally.merge(&self::tally(&SENT));
        }
        let (held, there_before) = since(&after, &before, &sent(&SENT), Exactness::Microseconds);
        assert!(judge(&sent(&SENT), &held, &HashMap::new(), Exactness::Microseconds).is_clean());
        assert_eq!(there_before, 0);
    }

    #[test]
    fn what_was_sent_before_and_is_sent_again_is_not_missing() {
        for (already, count) in [(&SENT[..], 3), (&SENT[..1], 1)] {
            let (held, there_before) = since(&held(&SENT), &held(already), &sent(&SENT), Exactness::Microseconds);
            assert!(judge(&sent(&SENT), &held, &HashMap::new(), Exactness::Microseconds).is_clean());
            assert_eq!(there_before, count);
        }
        // One of them is nowhere.
        let (held, there_before) = since(&held(&SENT[1..]), &held(&SENT[2..]), &sent(&SENT), Exactness::Microseconds);
        let findings = judge(&sent(&SENT), &held, &HashMap::new(), Exactness::Microseconds);
        assert!(!findings.is_clean() && there_before == 0);
    }

    #[test]
    fn snapshots_are_counted_by_machine() {
        let sent = Tallies { machines: [("M".to_owned(), 5), ("N".to_owned(), 1)].into(), ..Tallies::default() };
        let held = Holdings { machines: [("M".to_owned(), 4), ("N".to_owned(), 2)].into(), ..Holdings::default() };
        let findings = judge(&sent, &held, &HashMap::new(), Exactness::Microseconds);
        assert_eq!((findings.snapshots_missing, findings.snapshots_surplus), (1, 1));
    }
}
