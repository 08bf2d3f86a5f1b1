//! From what databases count to bytes a day, and from those to days left. No I/O and no clock: counts, sizes and days are arguments.

use crate::doctor::size_text;
use genims_model::counted;
use std::collections::BTreeMap;

/// Complete days that are looked at: a week, so that a Sunday weighs no more than it should.
pub(super) const DAYS: u64 = 7;

/// Rows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) all: u64,
    /// Of the last complete days.
    pub(super) recent: u64,
    /// Those that the server deletes by itself in as many days to come.
    pub(super) expiring: u64,
    /// Of the oldest, in days; none of an empty table.
    pub(super) age_days: Option<u64>,
}

/// What came into one table in the last complete days.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Inflow {
    pub(super) table: String,
    /// On disk, with indexes.
    pub(super) bytes: u64,
    /// None where they were not counted.
    pub(super) rows: Option<u64>,
    pub(super) came_bytes: f64,
    pub(super) expiring_bytes: f64,
    pub(super) age_days: Option<u64>,
}

impl Inflow {
    /// Each row takes what the mean of all rows takes.
    pub(super) fn of_rows(table: &str, bytes: u64, counted: &Counted) -> Self {
        let mean = if counted.all == 0 { 0.0 } else { bytes as f64 / counted.all as f64 };
        Self {
            table: table.to_owned(),
            bytes,
            rows: Some(counted.recent),
            came_bytes: counted.recent as f64 * mean,
            expiring_bytes: counted.expiring as f64 * mean,
            age_days: counted.age_days,
        }
    }

    /// Complete days that it is the sum of: a table of three days did not grow for seven, however old its neighbours are.
    fn days(&self) -> u64 {
        self.age_days.unwrap_or(0).min(DAYS)
    }
}

/// What could have said when its rows came, and did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Tables that gave no answer: locked, slow, or closed to the login.
    pub(super) silent: usize,
    /// Time series that hold nothing of these days: what comes into them, as into an archive, bears the time of long ago.
    pub(super) undated: usize,
}

impl LeftOut {
    fn remark(self) -> String {
        let Self { silent, undated } = self;
        let mut remark = String::new();
        if silent > 0 {
            remark.push_str(&format!("; {} gave no answer", counted(silent, "table")));
        }
        if undated > 0 {
            remark.push_str(&format!("; not measured: {undated} time series with nothing of these days"));
        }
        remark
    }
}

/// How fast one database grows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Growth {
    /// Bytes, less what the server itself lets expire; none where nothing measures it.
    pub(super) a_day: Option<f64>,
    /// What was measured, for people.
    pub(super) remark: String,
    pub(super) rows_a_day: BTreeMap<String, f64>,
}

impl Growth {
    /// `bytes` are the whole database's.
    pub(super) fn of(inflows: &[Inflow], bytes: u64, left_out: LeftOut) -> Self {
        let ages: Vec<u64> = inflows.iter().map(Inflow::days).filter(|days| *days > 0).collect();
        let (Some(least), Some(most)) = (ages.iter().min(), ages.iter().max()) else {
            let why = if !inflows.is_empty() {
                "no row is older than today"
            } else if left_out.silent == 0 {
                "no table says when its rows came"
            } else {
                "of what says when its rows came, nothing answered"
            };
            let remark = format!("growth is not measured: {why}{}", left_out.remark());
            return Self { remark, ..Self::default() };
        };
        let sum = |of: fn(&Inflow) -> f64| inflows.iter().map(of).sum::<f64>();
        let came = sum(|inflow| inflow.came_bytes / inflow.days().max(1) as f64);
        let expires = sum(|inflow| inflow.expiring_bytes) / DAYS as f64;
        let measured = sum(|inflow| inflow.bytes as f64);
        let up_to = if least == most { "" } else { "up to " };
        let mut remark = format!("mean of {up_to}{}", counted(*most, "complete day"));
        if bytes > 0 {
            let share = (measured / bytes as f64 * 100.0).min(100.0);
            remark.push_str(&format!(", of tables with {share:.0} % of its bytes"));
        }
        remark.push_str(&left_out.remark());
        if expires > 0.0 {
            remark.push_str(&format!("; {} a day come, {} expire", size_text(came), size_text(expires)));
        }
        let rows = |inflow: &Inflow| Some((inflow.table.clone(), inflow.rows? as f64 / inflow.days().max(1) as f64));
        Self { a_day: Some(came - expires), remark, rows_a_day: inflows.iter().filter_map(rows).collect() }
    }

    /// Of a table whose rows were counted.
    pub(super) fn rows_a_day(&self, table: &str) -> Option<f64> {
        self.rows_a_day.get(table).copied()
    }
}

/// Days until there is no room; none where nothing grows, or nobody knows how fast.
pub(super) fn days_left(room: f64, a_day: Option<f64>) -> Option<f64> {
    a_day.filter(|a_day| *a_day > 0.0).map(|a_day| room.max(0.0) / a_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: LeftOut = LeftOut { silent: 0, undated: 0 };

    fn inflow(table: &str, bytes: u64, counted: Counted) -> Inflow {
        Inflow::of_rows(table, bytes, &counted)
    }

    #[test]
    fn the_rows_of_a_week_times_their_mean_size_make_a_day() {
        let counted = Counted { all: 100, recent: 14, expiring: 0, age_days: Some(300) };
        let growth =
            Growth::of(&[inflow("orders", 100_000, counted), inflow("empty", 0, Counted::default())], 400_000, NONE);
        assert_eq!((growth.a_day, growth.rows_a_day("orders")), (Some(2_000.0), Some(2.0)));
        assert_eq!((growth.rows_a_day("empty"), growth.rows_a_day("other")), (Some(0.0), None));
        assert_eq!(growth.remark, "mean of 7 complete days, of tables with 25 % of its bytes");
    }

    #[test]
    fn a_young_database_is_measured_over_the_days_that_it_has() {
        let of = |age_days| {
            let counted = Counted { all: 30, recent: 30, expiring: 0, age_days };
            Growth::of(&[inflow("orders", 3_000, counted)], 3_000, LeftOut { silent: 2, undated: 1 })
        };
        assert_eq!(of(Some(3)).a_day, Some(1_000.0));
        let one = of(Some(1)).remark;
        assert!(one.starts_with("mean of 1 complete day, "), "{one}");
        assert!(
            one.ends_with("; 2 tables gave no answer; not measured: 1 time series with nothing of these days"),
            "{one}"
        );
        for (young, none) in [(Some(0), "older than today"), (None, "older than today")] {
            let growth = of(young);
            assert!(growth.a_day.is_none() && growth.remark.contains(none), "{growth:?}");
        }
        let uncounted = Inflow {
            rows: None,
            came_bytes: 70.0,
            ..inflow("days", 1, Counted { age_days: Some(9), ..Counted::default() })
        };
        let growth = Growth::of(&[uncounted], 1, NONE);
        assert_eq!((growth.a_day, growth.rows_a_day("days")), (Some(10.0), None));
        let nothing = Growth::of(&[], 3_000, NONE);
        assert!(nothing.a_day.is_none() && nothing.remark.contains("no table says"), "{nothing:?}");
        let silent = Growth::of(&[], 3_000, LeftOut { silent: 1, undated: 0 });
        assert!(
            silent.a_day.is_none() && silent.remark.ends_with("nothing answered; 1 table gave no answer"),
            "{silent:?}"
        );
    }

    #[test]
    fn a_stream_begun_yesterday_is_not_spread_over_the_days_of_older_tables() {
        let old = inflow("plants", 1_000, Counted { all: 10, recent: 0, expiring: 0, age_days: Some(2_000) });
        let young = inflow("readings", 70_000, Counted { all: 700, recent: 700, expiring: 0, age_days: Some(1) });
        let growth = Growth::of(&[old, young], 71_000, NONE);
        assert_eq!((growth.a_day, growth.rows_a_day("readings")), (Some(70_000.0), Some(700.0)));
        assert!(growth.remark.starts_with("mean of up to 7 complete days, "), "{}", growth.remark);
    }

    #[test]
    fn what_expires_by_itself_is_no_growth() {
        let counted = Counted { all: 1_000, recent: 70, expiring: 70, age_days: Some(90) };
        let growth = Growth::of(&[inflow("readings", 1_000_000_000, counted)], 1_000_000_000, NONE);
        assert_eq!(growth.a_day, Some(0.0));
        assert!(growth.remark.ends_with("; 10.0 MB a day come, 10.0 MB expire"), "{}", growth.remark);
    }

    #[test]
    fn only_what_grows_is_full_one_day() {
        assert_eq!(days_left(1_000.0, Some(10.0)), Some(100.0));
        assert_eq!([days_left(1.0, Some(0.0)), days_left(1.0, Some(-5.0)), days_left(1.0, None)], [None; 3]);
        assert_eq!(days_left(-5.0, Some(1.0)), Some(0.0), "there is no room left");
    }
}
