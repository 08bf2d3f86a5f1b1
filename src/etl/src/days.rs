//! Days of a zone: the UTC instants they have, which of them are computed anew, in what groups, and what SQL calls them.
//!
//! Invariants: the days of a zone, one after another, cover every instant once, whatever its clocks do.

use chrono::{Datelike, Days, Duration, LocalResult, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;
use std::collections::BTreeSet;

/// Days that are moved by one transaction, at most: it bounds locks, and what a killed run does again.
pub const GROUP_DAYS: usize = 31;
/// Of jobs whose rows are those of months: a source without days of its own is read once for each group.
const GROUP_MONTHS: u32 = 12;
/// How far clocks were ever put forward at midnight: a whole day, in Samoa.
const STEPS_MAX: u32 = 24 * 4;

/// Days in a row, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub first: NaiveDate,
    pub last: NaiveDate,
}

impl Span {
    /// The UTC instants of its days: from, including, up to, not including.
    pub fn instants(&self, zone: Tz) -> (NaiveDateTime, NaiveDateTime) {
        (begins(zone, self.first), begins(zone, after(self.last)))
    }

    pub fn days(&self) -> i64 {
        (self.last - self.first).num_days() + 1
    }

    pub fn contains(&self, day: NaiveDate) -> bool {
        self.first <= day && day <= self.last
    }
}

/// The first UTC instant of a day.
pub fn begins(zone: Tz, day: NaiveDate) -> NaiveDateTime {
    let mut local = day.and_time(NaiveTime::MIN);
    for _ in 0..=STEPS_MAX {
        match zone.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => return at.naive_utc(),
            // Clocks are put forward over midnight: the day begins where they go on.
            LocalResult::None => local += Duration::minutes(15),
        }
    }
    day.and_time(NaiveTime::MIN)
}

fn after(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(Days::new(1)).unwrap_or(day)
}

fn before(day: NaiveDate) -> NaiveDate {
    day.checked_sub_days(Days::new(1)).unwrap_or(day)
}

/// With each day those beside it, and the nearest ones with rows of each table: what is measured from row to row reaches that far.
pub fn with_neighbours(days: &BTreeSet<NaiveDate>, known: &[BTreeSet<NaiveDate>]) -> BTreeSet<NaiveDate> {
    let mut all = days.clone();
    for day in days {
        all.extend([before(*day), after(*day)]);
        for table in known {
            all.extend(table.range(..*day).next_back());
            all.extend(table.range(after(*day)..).next());
        }
    }
    all
}

/// Days in a row together, oldest first, [`GROUP_DAYS`] at most.
pub fn groups(days: &BTreeSet<NaiveDate>) -> Vec<Span> {
    let mut groups: Vec<Span> = Vec::new();
    for day in days {
        match groups.last_mut() {
            Some(group) if after(group.last) == *day && group.days() < GROUP_DAYS as i64 => group.last = *day,
            _ => groups.push(Span { first: *day, last: *day }),
        }
    }
    groups
}

/// The months of these days, those in a row together, [`GROUP_MONTHS`] at most.
pub fn months(days: &BTreeSet<NaiveDate>) -> Vec<Span> {
    let firsts: BTreeSet<NaiveDate> = days.iter().filter_map(|day| day.with_day(1)).collect();
    let mut groups: Vec<Span> = Vec::new();
    for first in firsts {
        let last = later(first, 1).map_or(first, before);
        match groups.last_mut() {
            Some(group)
                if after(group.last) == first && later(group.first, GROUP_MONTHS).is_some_and(|end| first < end) =>
            {
                group.last = last;
            }
            _ => groups.push(Span { first, last }),
        }
    }
    groups
}

/// All days from the first of these to the last, and to today: what one day holds, those after it hold, too.
pub fn onward(days: &BTreeSet<NaiveDate>, today: NaiveDate) -> BTreeSet<NaiveDate> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return BTreeSet::new() };
    let last = today.max(*last);
    first.iter_days().take_while(|day| *day <= last).collect()
}

/// The first day, from this one on, with which a month begins.
pub fn month_begins(day: NaiveDate) -> NaiveDate {
    let first = day.with_day(1).filter(|first| *first != day);
    first.and_then(|first| later(first, 1)).unwrap_or(day)
}

fn later(first: NaiveDate, months: u32) -> Option<NaiveDate> {
    first.checked_add_months(Months::new(months))
}

/// What `:from`, `:to` (UTC), `:first`, `:last` (days of the zone) and `:today` stand for in SQL.
#[derive(Clone, Copy, Debug)]
pub struct Placeholders {
    pub span: Span,
    pub zone: Tz,
    /// The day of the run.
    pub today: NaiveDate,
}

/// Placeholders that need days to be computed.
pub const OF_DAYS: [&str; 4] = ["from", "to", "first", "last"];
/// The placeholder of the day of the run.
pub const TODAY: &str = "today";

impl Placeholders {
    /// SQL with literals that both engines read in their places.
    pub fn fill(&self, sql: &str) -> String {
        let (from, to) = self.span.instants(self.zone);
        let moment = |at: NaiveDateTime| format!("TIMESTAMP '{}'", at.format("%Y-%m-%d %H:%M:%S"));
        let day = |day: NaiveDate| format!("DATE '{}'", day.format("%Y-%m-%d"));
        let of_days = [moment(from), moment(to), day(self.span.first), day(self.span.last)];
        let values: Vec<(&str, String)> =
            OF_DAYS.into_iter().zip(of_days).chain(std::iter::once((TODAY, day(self.today)))).collect();
        let mut out = String::with_capacity(sql.len() + 64);
        let mut rest = sql;
        while let Some(at) = rest.find(':') {
            let (head, tail) = rest.split_at(at);
            out.push_str(head);
            let name: &str = &tail[1..];
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            let value = values.iter().find(|(known, _)| *known == &name[..end]);
            match value {
                Some((_, value)) => {
                    out.push_str(value);
                    rest = &name[end..];
                }
                // A cast, or a colon in a text.
                _ => {
                    out.push(':');
                    rest = name;
                }
            }
            if rest.starts_with(':') && out.ends_with(':') {
                out.push(':');
                rest = &rest[1..];
            }
        }
        out.push_str(rest);
        out
    }
}

/// Whether SQL has a placeholder of this name.
pub fn says(sql: &str, name: &str) -> bool {
    let more = |c: char| c.is_ascii_alphanumeric() || c == '_';
    sql.split(':').skip(1).any(|rest| rest.strip_prefix(name).is_some_and(|tail| !tail.starts_with(more)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn set(days: &[&str]) -> BTreeSet<NaiveDate> {
        days.iter().map(|text| day(text)).collect()
    }

    #[test]
    fn days_cover_every_instant_once_whatever_the_clocks_do() {
        let zones = [
            Tz::UTC,
            Tz::Asia__Kolkata,
            Tz::Europe__Paris,
            Tz::America__New_York,
            Tz::America__Sao_Paulo,
            Tz::Asia__Beirut,
            Tz::America__Havana,
            Tz::Australia__Lord_Howe,
            Tz::Pacific__Apia,
        ];
        for zone in zones {
            let mut at: DateTime<Utc> = "2010-12-30T00:00:00Z".parse().expect("an instant");
            let end: DateTime<Utc> = "2030-01-02T00:00:00Z".parse().expect("an instant");
            while at < end {
                let local = at.with_timezone(&zone).date_naive();
                let (from, to) = Span { first: local, last: local }.instants(zone);
                let utc = at.naive_utc();
                assert!(from <= utc && utc < to, "{zone} {utc}: {local} is {from} to {to}");
                at += Duration::minutes(90);
            }
        }
    }

    #[test]
    fn a_day_has_23_24_or_25_hours() {
        let hours = |text: &str| {
            let (from, to) = Span { first: day(text), last: day(text) }.instants(Tz::Europe__Paris);
            (to - from).num_hours()
        };
        assert_eq!(["2026-03-29", "2026-06-01", "2026-10-25"].map(hours), [23, 24, 25]);
        // Midnight did not exist on this day.
        let (from, to) = Span { first: day("2018-11-04"), last: day("2018-11-04") }.instants(Tz::America__Sao_Paulo);
        assert_eq!((to - from).num_hours(), 23);
    }

    #[test]
    fn neighbours_are_the_days_beside_and_the_nearest_with_rows() {
        let snapshots = set(&["2026-01-01", "2026-01-10", "2026-01-20", "2026-01-25"]);
        let faults = set(&["2026-01-12", "2026-01-13"]);
        let all = with_neighbours(&set(&["2026-01-10"]), &[snapshots, faults]);
        assert_eq!(all, set(&["2026-01-01", "2026-01-09", "2026-01-10", "2026-01-11", "2026-01-12", "2026-01-20"]));
    }

    #[test]
    fn groups_are_days_in_a_row_and_bounded() {
        let mut days = set(&["2026-01-05", "2026-02-28", "2026-03-01"]);
        let two = Span { first: day("2026-02-28"), last: day("2026-03-01") };
        assert_eq!(groups(&days), [Span { first: day("2026-01-05"), last: day("2026-01-05") }, two]);
        days.extend((0..100).map(|n| day("2027-01-01") + Duration::days(n)));
        let made = groups(&days);
        assert!(made.iter().all(|group| group.days() <= GROUP_DAYS as i64));
        assert_eq!(made.iter().map(Span::days).sum::<i64>(), 103);
    }

    #[test]
    fn months_are_whole_and_bounded() {
        let mut days = set(&["2026-01-31", "2026-02-03", "2026-02-28", "2026-04-30"]);
        let [two, one] = [("2026-01-01", "2026-02-28"), ("2026-04-01", "2026-04-30")]
            .map(|(first, last)| Span { first: day(first), last: day(last) });
        assert_eq!(months(&days), [two, one]);
        days.extend((0..800).map(|n| day("2027-11-05") + Duration::days(n)));
        let made = months(&days);
        assert!(made.iter().all(|group| group.days() <= 366 && group.first.day() == 1), "{made:?}");
        assert_eq!(made.last().map(|group| group.last), Some(day("2030-01-31")));
    }

    #[test]
    fn a_month_begins_on_its_first_day() {
        for (from, begins) in [("2026-02-01", "2026-02-01"), ("2026-02-02", "2026-03-01"), ("2026-12-31", "2027-01-01")]
        {
            assert_eq!(month_begins(day(from)), day(begins), "{from}");
        }
    }

    #[test]
    fn a_day_reaches_to_today() {
        let today = day("2026-03-02");
        assert_eq!(
            onward(&set(&["2026-02-27"]), today),
            set(&["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"])
        );
        assert_eq!(onward(&set(&["2026-03-02", "2026-03-04"]), today).len(), 3);
        assert!(onward(&BTreeSet::new(), today).is_empty());
    }

    #[test]
    fn placeholders_are_filled_and_casts_are_not() {
        let one = day("2026-03-29");
        let span = Span { first: one, last: one };
        let values = Placeholders { span, zone: Tz::Europe__Paris, today: day("2026-04-02") };
        let sql = "SELECT a::from, b::date, ':x' WHERE t >= :from AND t < :to AND d BETWEEN :first AND :last AND :total > :today - 90";
        assert_eq!(
            values.fill(sql),
            "SELECT a::from, b::date, ':x' WHERE t >= TIMESTAMP '2026-03-28 23:00:00' AND t < TIMESTAMP '2026-03-29 22:00:00' \
             AND d BETWEEN DATE '2026-03-29' AND DATE '2026-03-29' AND :total > DATE '2026-04-02' - 90"
        );
        assert!(says(sql, TODAY) && says(sql, "to") && says("x = :today", TODAY));
        assert!(!says("t > :total AND u > :today_or_so", TODAY) && !says("t > :today", "to"));
    }
}
