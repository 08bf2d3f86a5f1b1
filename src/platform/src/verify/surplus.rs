//! What explains that the mirror has more readings of a sensor than PostgreSQL. Enters: what both add up to. Leaves: the
//! sensors for which nothing does. Nothing is asked here.
//!
//! - What PostgreSQL refused lies in its dead letters with sensor, time and value: of what the mirror has without those,
//!   number and checksum have to be those of what PostgreSQL stored.
//! - What a later reading of the same time took the place of (`same_timestamp = "last"`) is only counted, for all sensors
//!   together. A sensor has at most as many of them as documents beside the first of their time.
//! - Dead letters that were purged, or kept without their content, are only counted, too.
//!
//! A document that is there twice is none of these: each reading of the log has a name of its own in the mirror.

use genims_model::counted;
use std::collections::BTreeMap;
use std::ops::Add;

/// Number and checksum of readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) checksum: u64,
}

impl Add for Sum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { count: self.count + other.count, checksum: self.checksum + other.checksum }
    }
}

/// The readings of one sensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Readings {
    pub(super) stored: Sum,
    pub(super) mirrored: Sum,
    /// What PostgreSQL refused and nobody has put back. The mirror took it, unless it was brought back from PostgreSQL since.
    pub(super) refused: Sum,
    /// Those of the refused that the mirror has: looked up where [`Readings::has_some_refused`].
    pub(super) found: Sum,
}

/// How the readings of one sensor stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Agree,
    /// The mirror has so many that no dead letter explains.
    More(u64),
    /// The mirror lacks some, or has others.
    Differ,
}

impl Readings {
    /// The mirror may have some of what PostgreSQL refused; which, sums cannot tell.
    pub(super) fn has_some_refused(&self) -> bool {
        let Self { stored, mirrored, refused, .. } = *self;
        refused.count > 0 && mirrored.count > stored.count && mirrored != stored + refused
    }

    pub(super) fn standing(&self) -> Standing {
        let Self { stored, mirrored, refused, found } = *self;
        let explained = stored + found;
        match mirrored.count.checked_sub(explained.count) {
            _ if [stored, stored + refused, explained].contains(&mirrored) => Standing::Agree,
            None | Some(0) => Standing::Differ,
            Some(more) => Standing::More(more),
        }
    }

    pub(super) fn surplus(&self) -> u64 {
        self.mirrored.count.saturating_sub(self.stored.count)
    }

    fn difference(&self) -> String {
        let [here, there, refused] = [self.stored, self.mirrored, self.refused].map(|sum| sum.count);
        let and_refused = if refused == 0 { String::new() } else { format!(" and {refused} refused") };
        let as_many = [here, here + refused, here + self.found.count].contains(&there);
        let differ = as_many && self.standing() != Standing::Agree;
        let others = if differ { ", of different times or values" } else { "" };
        format!("{} in PostgreSQL{and_refused}, {there} in the mirror{others}", counted(here, "reading"))
    }
}

/// What is known of all sensors together only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AcrossSensors {
    /// Rows that PostgreSQL replaced.
    pub(super) replaced: u64,
    /// Refused rows of which the content is gone.
    pub(super) lost: u64,
}

/// The documents of one sensor at times that have several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shared {
    /// Under a name that another one has.
    pub(super) doubled: u64,
    /// With a name of their own, beside the first of their time.
    pub(super) beside: u64,
}

/// The sensors of which the mirror has to be asked for [`Shared`]: those that only a count could explain, and those that have
/// some of the refused.
pub(super) fn doubtful<'a>(readings: &'a BTreeMap<String, Readings>, counted: &AcrossSensors) -> Vec<&'a str> {
    let more: u64 = readings.values().map(|readings| more(readings.standing())).sum();
    let may_be_explained = more <= counted.replaced + counted.lost;
    let is_doubtful = |readings: &Readings| match readings.standing() {
        Standing::More(_) if may_be_explained => true,
        Standing::Agree | Standing::More(_) | Standing::Differ => readings.found.count > 0,
    };
    readings.iter().filter(|(_, readings)| is_doubtful(readings)).map(|(sensor, _)| sensor.as_str()).collect()
}

/// The sensors whose readings differ without an explanation, and how.
pub(super) fn unexplained<'a>(
    readings: &'a BTreeMap<String, Readings>,
    shared: &BTreeMap<String, Shared>,
    counted: &AcrossSensors,
) -> Vec<(&'a str, String)> {
    let of = |sensor: &String| shared.get(sensor).copied().unwrap_or_default();
    // Each by its own documents first; what is left over may be any sensor's.
    let mut replaced = 0;
    let mut lost = 0;
    for (sensor, readings) in readings.iter().filter(|(sensor, _)| of(sensor).doubled == 0) {
        let more = more(readings.standing());
        let beside = more.min(of(sensor).beside);
        (replaced, lost) = (replaced + beside, lost + more - beside);
    }
    let are_explained = lost + replaced.saturating_sub(counted.replaced) <= counted.lost;
    let difference = |sensor: &String, readings: &Readings| {
        let doubled = of(sensor).doubled;
        match readings.standing() {
            _ if doubled > 0 => Some(format!("{}, {doubled} of them twice", readings.difference())),
            Standing::More(_) if !are_explained => Some(readings.difference()),
            Standing::Differ => Some(readings.difference()),
            Standing::Agree | Standing::More(_) => None,
        }
    };
    readings.iter().filter_map(|(sensor, readings)| Some((sensor.as_str(), difference(sensor, readings)?))).collect()
}

fn more(standing: Standing) -> u64 {
    match standing {
        Standing::More(more) => more,
        Standing::Agree | Standing::Differ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number and checksum: stored, mirrored, refused.
    type Case = (&'static str, [(u64, u64); 3]);

    fn readings(of: &[Case]) -> BTreeMap<String, Readings> {
        let sum = |(count, checksum)| Sum { count, checksum };
        of.iter()
            .map(|(sensor, sums)| {
                let [stored, mirrored, refused] = sums.map(sum);
                ((*sensor).to_owned(), Readings { stored, mirrored, refused, found: Sum::default() })
            })
            .collect()
    }

    fn differing(of: &[Case], shared: &[(&str, Shared)], counted: AcrossSensors) -> Vec<String> {
        let (readings, shared) =
            (readings(of), shared.iter().map(|(sensor, of)| ((*sensor).to_owned(), *of)).collect());
        unexplained(&readings, &shared, &counted).into_iter().map(|(sensor, _)| sensor.to_owned()).collect()
    }

    const NOTHING: AcrossSensors = AcrossSensors { replaced: 0, lost: 0 };

    #[test]
    fn what_was_refused_of_one_sensor_explains_no_document_of_another() {
        let refused = ("A", [(9, 40), (12, 46), (3, 6)]);
        assert!(differing(&[refused], &[], NOTHING).is_empty());
        let doubled = ("B", [(1, 5), (2, 10), (0, 0)]);
        assert_eq!(differing(&[refused, doubled], &[], NOTHING), ["B"]);
        assert!(doubtful(&readings(&[refused, doubled]), &NOTHING).is_empty(), "nothing could explain it");
    }

    #[test]
    fn as_many_as_were_refused_have_to_be_those() {
        for mirrored in [(12, 46), (9, 40)] {
            assert!(differing(&[("A", [(9, 40), mirrored, (3, 6)])], &[], NOTHING).is_empty(), "all, or none of them");
        }
        for mirrored in [(12, 47), (9, 41), (8, 40), (13, 46)] {
            assert_eq!(differing(&[("A", [(9, 40), mirrored, (3, 6)])], &[], NOTHING), ["A"], "{mirrored:?}");
        }
    }

    /// Nine stored, three refused; the mirror has `mirrored`, `found` of the refused among them.
    fn some_of_the_refused(mirrored: (u64, u64), found: (u64, u64)) -> BTreeMap<String, Readings> {
        let mut readings = readings(&[("A", [(9, 40), mirrored, (3, 6)])]);
        let of_a = readings.get_mut("A").expect("it is there");
        assert!(of_a.has_some_refused(), "else nobody would look");
        of_a.found = Sum { count: found.0, checksum: found.1 };
        readings
    }

    #[test]
    fn some_of_the_refused_may_be_there_and_nothing_twice() {
        let some = some_of_the_refused((11, 45), (2, 5));
        assert_eq!(doubtful(&some, &NOTHING), ["A"]);
        assert!(unexplained(&some, &BTreeMap::new(), &NOTHING).is_empty());
        let twice = BTreeMap::from([("A".to_owned(), Shared { doubled: 1, beside: 0 })]);
        let found = unexplained(&some, &twice, &NOTHING);
        assert!(found[0].1.ends_with("and 3 refused, 11 in the mirror, 1 of them twice"), "{found:?}");
    }

    #[test]
    fn some_of_the_refused_excuse_no_stored_reading_that_is_gone_or_has_changed() {
        for (mirrored, found) in [
            // Eight of the stored and two of the refused.
            ((10, 42), (2, 5)),
            // All of the stored, one of them changed.
            ((11, 46), (2, 5)),
            // As many as were refused, two of them.
            ((12, 48), (2, 5)),
        ] {
            let some = some_of_the_refused(mirrored, found);
            assert_eq!(unexplained(&some, &BTreeMap::new(), &NOTHING).len(), 1, "{mirrored:?}");
            let lost = AcrossSensors { replaced: 0, lost: mirrored.0.saturating_sub(11) };
            let passes = unexplained(&some, &BTreeMap::new(), &lost).is_empty();
            assert_eq!(passes, mirrored.0 == 12, "only what is more can be one that was purged");
        }
    }

    #[test]
    fn a_replaced_reading_shares_its_time_and_all_of_them_are_as_many_as_the_ledger_says() {
        let replaced = |replaced| AcrossSensors { replaced, lost: 0 };
        let of = [("A", [(9, 40), (10, 45), (0, 0)]), ("B", [(4, 4), (6, 9), (0, 0)])];
        let beside = |beside| Shared { doubled: 0, beside };
        let shared = [("A", beside(1)), ("B", beside(2))];
        assert_eq!(doubtful(&readings(&of), &replaced(3)), ["A", "B"]);
        assert!(differing(&of, &shared, replaced(3)).is_empty());
        assert_eq!(differing(&of, &shared, replaced(2)), ["A", "B"], "more than were replaced");
        assert_eq!(differing(&of, &[("A", beside(1))], replaced(3)), ["A", "B"], "B's have times of their own");
        let doubled = [("A", beside(1)), ("B", Shared { doubled: 1, beside: 1 })];
        assert_eq!(differing(&of, &doubled, replaced(3)), ["B"], "a document that is there twice replaces nothing");
        assert!(
            differing(&of, &[("A", beside(1))], AcrossSensors { replaced: 1, lost: 2 }).is_empty(),
            "B's were purged"
        );
    }

    #[test]
    fn nothing_explains_what_the_mirror_lacks_or_has_otherwise() {
        let counted = AcrossSensors { replaced: 9, lost: 9 };
        for case in [("A", [(10, 1), (9, 2), (0, 0)]), ("A", [(9, 1), (9, 2), (0, 0)]), ("A", [(1, 5), (0, 0), (2, 7)])]
        {
            assert_eq!(differing(&[case], &[], counted), ["A"], "{case:?}");
        }
    }
}
