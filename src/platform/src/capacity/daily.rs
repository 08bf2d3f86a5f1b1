//! What a table's daily partitions say: how many days are ready, and what the last complete days take. No I/O: partitions and the
//! day are arguments.

use super::growth::{DAYS, Inflow};
use chrono::{Days, NaiveDate};
use std::collections::BTreeSet;

/// One partition of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// None of the default partition.
    pub(super) day: Option<NaiveDate>,
    /// On disk, with indexes: an empty one takes some pages, too.
    pub(super) bytes: u64,
    /// Whether it has rows.
    pub(super) is_filled: bool,
}

/// A table of daily partitions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Partitioned {
    pub(super) table: String,
    /// Days behind today that have a partition, without a gap.
    pub(super) days_ahead: u64,
    /// Rows lie where no day is meant.
    pub(super) default_is_filled: bool,
    /// None where the partitions do not say how large they are.
    pub(super) inflow: Option<Inflow>,
}

/// The day of a partition by its name, `sensor_data_20261122`.
pub(super) fn day(table: &str, partition: &str) -> Option<NaiveDate> {
    let day = partition.strip_prefix(table)?.strip_prefix('_')?;
    NaiveDate::parse_from_str(day, "%Y%m%d").ok()
}

/// Bytes of the days that `genims retention run` lets go in as many days to come as are looked back at. `purged`: the last day of the
/// table that it has let go. Where that should have been followed by others long ago, nobody runs it, and nothing goes.
pub(super) fn expiring(partitions: &[Partition], today: NaiveDate, keep_days: u64, purged: NaiveDate) -> f64 {
    let back = |days: u64| today.checked_sub_days(Days::new(days)).unwrap_or(NaiveDate::MIN);
    // Whoever runs it once a week is late by a week.
    if purged < back(keep_days + 2 * DAYS) {
        return 0.0;
    }
    let (first, end) = (back(keep_days), back(keep_days.saturating_sub(DAYS)));
    let goes =
        |partition: &&Partition| partition.is_filled && partition.day.is_some_and(|day| (first..end).contains(&day));
    partitions.iter().filter(goes).map(|partition| partition.bytes as f64).sum()
}

impl Partitioned {
    pub(super) fn of(table: &str, partitions: &[Partition], today: NaiveDate) -> Self {
        let days: BTreeSet<NaiveDate> = partitions.iter().filter_map(|partition| partition.day).collect();
        let ahead = (1..).map_while(|ahead| today.checked_add_days(Days::new(ahead)));
        let days_ahead = ahead.take_while(|day| days.contains(day)).count() as u64;
        let first = today.checked_sub_days(Days::new(DAYS)).unwrap_or(today);
        let filled: Vec<(NaiveDate, u64)> = partitions
            .iter()
            .filter(|partition| partition.is_filled)
            .filter_map(|partition| Some((partition.day?, partition.bytes)))
            .collect();
        let recent = filled.iter().filter(|(day, _)| (first..today).contains(day));
        let oldest = filled.iter().map(|(day, _)| *day).min();
        let inflow = Inflow {
            table: table.to_owned(),
            bytes: partitions.iter().map(|partition| partition.bytes).sum(),
            came_bytes: recent.map(|(_, bytes)| *bytes as f64).sum(),
            age_days: oldest.and_then(|oldest| u64::try_from((today - oldest).num_days()).ok()),
            ..Inflow::default()
        };
        let default_is_filled = partitions.iter().any(|partition| partition.day.is_none() && partition.is_filled);
        Self { table: table.to_owned(), days_ahead, default_is_filled, inflow: Some(inflow) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn partition(day: &str, bytes: u64, is_filled: bool) -> Partition {
        Partition { day: Some(date(day)), bytes, is_filled }
    }

    /// Bytes that came, and the age of the oldest that are there.
    fn came(partitions: &[Partition], today: &str) -> (f64, Option<u64>) {
        let inflow = Partitioned::of("sensor_data", partitions, date(today)).inflow.expect("measured");
        (inflow.came_bytes, inflow.age_days)
    }

    #[test]
    fn the_name_of_a_partition_says_its_day() {
        assert_eq!(day("sensor_data", "sensor_data_20240229"), Some(date("2024-02-29")));
        for other in ["sensor_data_default", "sensor_data_20230229", "sensor_health_20240229", "sensor_data20240229"] {
            assert_eq!(day("sensor_data", other), None, "{other}");
        }
    }

    #[test]
    fn complete_days_count_and_today_does_not() {
        let partitions = [
            partition("2024-02-20", 9_000, true),
            partition("2024-02-27", 1_000, true),
            partition("2024-02-29", 2_000, true),
            // Empty, whatever it takes.
            partition("2024-03-01", 500, false),
            partition("2024-03-05", 700, true),
        ];
        let found = Partitioned::of("sensor_data", &partitions, date("2024-03-05"));
        assert_eq!((found.inflow.map(|inflow| inflow.bytes), found.default_is_filled), (Some(13_200), false));
        assert_eq!(came(&partitions, "2024-03-05"), (3_000.0, Some(14)));
        assert_eq!(came(&partitions[4..], "2024-03-05"), (0.0, Some(0)));
        assert_eq!(came(&partitions[4..], "2024-03-04"), (0.0, None), "of days to come");
    }

    #[test]
    fn what_retention_lets_go_next_is_taken_off_while_somebody_runs_it() {
        let partitions = [
            partition("2024-03-01", 1, true),
            partition("2024-03-10", 20, true),
            partition("2024-03-12", 300, false),
            partition("2024-03-16", 4_000, true),
            partition("2024-03-17", 50_000, true),
            Partition { day: None, bytes: 600_000, is_filled: true },
        ];
        let of = |purged: &str| expiring(&partitions, date("2024-04-09"), 30, date(purged));
        assert_eq!([of("2024-03-09"), of("2024-02-25")], [4_020.0; 2], "of the week from 10 March on");
        assert_eq!(of("2024-02-24"), 0.0, "nobody has run it for a fortnight");
    }

    #[test]
    fn days_ahead_end_at_the_first_gap() {
        let days = ["2024-02-28", "2024-02-29", "2024-03-01", "2024-03-03"].map(|day| partition(day, 0, false));
        let ahead = |today: &str| Partitioned::of("t", &days, date(today)).days_ahead;
        assert_eq!([ahead("2024-02-28"), ahead("2024-03-01"), ahead("2024-03-02"), ahead("2024-03-03")], [2, 0, 1, 0]);
        let default = Partition { day: None, bytes: 8_192, is_filled: true };
        assert!(Partitioned::of("t", &[default], date("2024-03-01")).default_is_filled);
    }
}
