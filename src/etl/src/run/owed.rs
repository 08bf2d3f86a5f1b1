//! Which days a run computes anew, and of which it notes what they look like.
//!
//! Enters: what days look like and looked like, the groups of a run. Invariants: a day is noted once everything that it changes is stored,
//! so what a run leaves undone the next one finds.

use crate::bookkeeping::{Digests, WHOLE_TABLE};
use crate::days::{self, Span};
use chrono::{Duration, NaiveDate};
use std::collections::{BTreeMap, BTreeSet};

/// What the bookkeeping calls the day of the run, for jobs to which it matters: of one that says `:today` it concerns all days, of one
/// whose days reach onward it is the last that was computed.
pub(super) const DAY_OF_RUN: &str = "today";
/// What stands there, of a job whose days reach onward, for the day from which a run that ends now leaves the rest to the next one.
const OWED: &str = "owed";
/// What it calls days that may go on somewhere, for documents, which say whether they are final.
const UNDER_WAY: &str = "under way";

/// The days with rows that are not over in all zones: once they are, they look otherwise, whether or not anything came.
pub(super) fn under_way(now: &Digests, today: NaiveDate) -> Digests {
    let going = now.keys().map(|(_, day)| *day).filter(|day| *day >= today - Duration::days(1));
    going.map(|day| ((UNDER_WAY.to_owned(), day), "going".to_owned())).collect()
}

pub(super) fn kept(mut days: BTreeSet<NaiveDate>, from: Option<NaiveDate>) -> BTreeSet<NaiveDate> {
    days.retain(|day| from.is_none_or(|from| *day >= from));
    days
}

/// The days with rows, of each watch.
pub(super) fn known(now: &Digests, stored: &Digests) -> Vec<BTreeSet<NaiveDate>> {
    let mut known: BTreeMap<&str, BTreeSet<NaiveDate>> = BTreeMap::new();
    for (watch, day) in now.keys().chain(stored.keys()).filter(|(_, day)| *day != WHOLE_TABLE) {
        known.entry(watch).or_default().insert(*day);
    }
    known.into_values().collect()
}

/// Whether a table of which no day is known, or the day of the run, is another than when all was stored.
pub(super) fn a_whole_table_differs(now: &Digests, stored: &Digests) -> bool {
    let mut whole = now.keys().chain(stored.keys()).filter(|(_, day)| *day == WHOLE_TABLE);
    whole.any(|key| now.get(key) != stored.get(key))
}

/// The days that look otherwise than when they were stored; all of them when a whole table does.
pub(super) fn dirty(now: &Digests, stored: &Digests, first: Option<NaiveDate>) -> BTreeSet<NaiveDate> {
    let differs: BTreeSet<NaiveDate> = now
        .keys()
        .chain(stored.keys())
        .filter(|key| now.get(*key) != stored.get(*key))
        .map(|(_, day)| *day)
        .filter(|day| *day == WHOLE_TABLE || first.is_none_or(|first| *day >= first))
        .collect();
    let all = a_whole_table_differs(now, stored);
    let days = now.keys().chain(stored.keys()).map(|(_, day)| *day);
    days.filter(|day| *day != WHOLE_TABLE && (all || differs.contains(day))).collect()
}

/// Of these groups the first so many are stored: their days that change none of the others. Where rows are measured against those beside
/// them, `known` has the days with rows of each watch.
pub(super) fn settled(groups: &[Span], stored: usize, known: Option<&[BTreeSet<NaiveDate>]>) -> BTreeSet<NaiveDate> {
    let (stored, owed) = groups.split_at(stored.min(groups.len()));
    let is_owed = |day: &NaiveDate| owed.iter().any(|span| span.contains(*day));
    let changes_none = |day: NaiveDate, known: &[BTreeSet<NaiveDate>]| {
        !days::with_neighbours(&BTreeSet::from([day]), known).iter().any(is_owed)
    };
    let days = stored.iter().flat_map(|span| span.first.iter_days().take_while(move |day| *day <= span.last));
    days.filter(|day| known.is_none_or(|known| changes_none(*day, known))).collect()
}

/// What is noted of a day whatever was found.
pub(super) type Mark = ((String, NaiveDate), Option<String>);

/// How far the days are stored that reach onward: the group after this one begins with a day that is owed, this one no more.
pub(super) fn reached(groups: &[Span], now: &Digests, at: usize) -> Vec<Mark> {
    let key = |span: &Span| (DAY_OF_RUN.to_owned(), span.first);
    let stored = groups.get(at).map(key).map(|key| (key.clone(), now.get(&key).cloned()));
    let owed = groups.get(at + 1).map(key).map(|key| (key, Some(OWED.to_owned())));
    stored.into_iter().chain(owed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn digests(given: &[(&str, NaiveDate, &str)]) -> Digests {
        given.iter().map(|(watch, day, digest)| (((*watch).to_owned(), *day), (*digest).to_owned())).collect()
    }

    #[test]
    fn a_day_is_dirty_when_it_came_changed_or_went() {
        let [one, two, three, four] = ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"].map(day);
        let stored = digests(&[("a", one, "1"), ("a", two, "1"), ("b", two, "1"), ("a", three, "1")]);
        let now = digests(&[("a", one, "1"), ("a", two, "1"), ("b", two, "2"), ("a", four, "1")]);
        assert_eq!(dirty(&now, &stored, None), BTreeSet::from([two, three, four]));
        assert_eq!(dirty(&now, &stored, Some(four)), BTreeSet::from([four]));
        assert_eq!(dirty(&now, &now, None), BTreeSet::new());
    }

    #[test]
    fn a_day_is_noted_when_all_that_it_changes_is_stored() {
        let [friday, saturday, monday, tuesday] = ["2026-01-02", "2026-01-03", "2026-01-05", "2026-01-06"].map(day);
        let rows = BTreeSet::from([friday, monday, tuesday]);
        let groups = days::groups(&BTreeSet::from([friday, saturday, monday, tuesday]));
        assert_eq!(groups.len(), 2);
        let all = BTreeSet::from([friday, saturday, monday, tuesday]);
        let known = [rows];
        // The first step of Monday is measured from Friday, with nothing between them; so Friday waits, and so does the day beside it.
        assert_eq!(settled(&groups, 1, Some(&known)), BTreeSet::new());
        assert_eq!(settled(&groups, 1, None), BTreeSet::from([friday, saturday]));
        assert_eq!((settled(&groups, 0, None), settled(&groups, 2, Some(&known))), (BTreeSet::new(), all));
        // A month in a row is cut, too.
        let long: BTreeSet<NaiveDate> = friday.iter_days().take(days::GROUP_DAYS + 3).collect();
        let last = friday + Duration::days(days::GROUP_DAYS as i64 - 1);
        let noted = settled(&days::groups(&long), 1, Some(&[long]));
        assert_eq!((noted.len(), noted.contains(&last)), (days::GROUP_DAYS - 1, false));
    }

    #[test]
    fn a_run_that_ends_in_the_middle_leaves_the_rest_of_the_days_that_reach_onward() {
        let [one, today] = ["2026-01-02", "2026-03-01"].map(day);
        let now = digests(&[("a", one, "2"), (DAY_OF_RUN, today, "reached")]);
        let mut stored = digests(&[("a", one, "1"), (DAY_OF_RUN, today, "reached")]);
        let groups = days::groups(&days::onward(&dirty(&now, &stored, None), today));
        let note = |marks: Vec<Mark>, stored: &mut Digests| {
            for (key, digest) in marks {
                stored.remove(&key);
                stored.extend(digest.map(|digest| (key, digest)));
            }
        };
        stored.insert(("a".to_owned(), one), "2".to_owned());
        note(reached(&groups, &now, 0), &mut stored);
        assert_eq!(days::onward(&dirty(&now, &stored, None), today).first(), groups.get(1).map(|group| &group.first));
        note(reached(&groups, &now, 1), &mut stored);
        assert_eq!(dirty(&now, &stored, None), BTreeSet::new());
        assert_eq!(groups.len(), 2);
    }

    #[test]
    fn a_day_is_computed_once_more_when_it_is_over() {
        let [one, two, three] = ["2026-01-01", "2026-01-02", "2026-01-03"].map(day);
        let rows = digests(&[("a", one, "1"), ("a", two, "1"), ("names", WHOLE_TABLE, "1")]);
        let on = |today: NaiveDate| rows.clone().into_iter().chain(under_way(&rows, today)).collect::<Digests>();
        assert_eq!(dirty(&on(two), &on(two), None), BTreeSet::new());
        assert_eq!(dirty(&on(three), &on(two), None), BTreeSet::from([one]));
        assert_eq!(dirty(&on(day("2026-02-01")), &on(two), None), BTreeSet::from([one, two]));
        assert_eq!(on(day("2026-02-01")), rows);
    }

    #[test]
    fn a_changed_table_makes_all_days_dirty() {
        let [one, two] = ["2026-01-01", "2026-01-02"].map(day);
        let stored = digests(&[("a", one, "1"), ("a", two, "1"), ("names", WHOLE_TABLE, "1")]);
        let now = digests(&[("a", one, "1"), ("a", two, "1"), ("names", WHOLE_TABLE, "2")]);
        assert_eq!(dirty(&now, &stored, None), BTreeSet::from([one, two]));
        assert!(a_whole_table_differs(&now, &stored) && !a_whole_table_differs(&now, &now));
    }
}
