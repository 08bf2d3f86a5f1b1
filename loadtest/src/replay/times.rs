//! Which columns of a foreign file hold the time, and in which format: the one that most of its cells fit.
//!
//! Rows enter, a [`Found`] leaves. Where day and month cannot be told apart, the format under which time goes forward is
//! taken; where that does not tell either, the other one is named beside it.

use super::cells::TimeFormat;
use super::text::Row;
use chrono_tz::Tz;

/// Formats in the order of trust; each is either a name or a pattern, and [`TimeFormat`] reads it.
const FORMATS: [&str; 35] = [
    "rfc3339",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f %#z",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%d.%m.%Y %H:%M:%S%.f",
    "%d.%m.%Y, %H:%M:%S%.f",
    "%d.%m.%Y %H:%M",
    "%d.%m.%y %H:%M:%S%.f",
    "%d.%m.%y %H:%M",
    "%d/%m/%Y %H:%M:%S%.f",
    "%m/%d/%Y %H:%M:%S%.f",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y, %I:%M:%S %p",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M",
    "%d-%m-%Y %H:%M:%S%.f",
    "%d-%m-%Y %H:%M",
    "%d-%b-%Y %H:%M:%S%.f",
    "%d-%b-%y %H:%M:%S%.f",
    "%Y%m%d%H%M%S",
    "%Y%m%d %H%M%S",
    "%Y%m%dT%H%M%S",
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%d.%m.%y",
];
const EPOCHS: [&str; 4] = ["epoch_s", "epoch_ms", "epoch_us", "epoch_ns"];
/// A column of its own beside one with the date.
const TIMES_OF_DAY: [&str; 4] = ["%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%H%M%S"];
const HINTS: [&str; 6] = ["time", "zeit", "date", "datum", "epoch", "ts"];

/// 1990 to 2100: what is outside was read wrongly.
const PLAUSIBLE_US: std::ops::Range<i64> = 631_152_000_000_000..4_102_444_800_000_000;

/// Where the time stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub columns: Vec<usize>,
    pub format: TimeFormat,
    /// Other formats that all cells fit as well.
    pub also: Vec<String>,
}

impl Found {
    pub fn cell(&self, row: &Row) -> String {
        joined(row, &self.columns)
    }

    pub fn parse(&self, row: &Row) -> Option<i64> {
        plausible(&self.format, &self.cell(row))
    }

    fn fits(&self, rows: &[Row]) -> usize {
        rows.iter().filter(|row| self.parse(row).is_some()).count()
    }

    fn is_date_alone(&self) -> bool {
        self.format.name.contains('%') && !self.format.name.contains("%H") && !self.format.name.contains("%I")
    }
}

/// Whether a cell could be a time.
pub fn is_time(cell: &str) -> bool {
    cell.len() >= 6 && FORMATS.iter().any(|name| plausible(&format(name), cell).is_some())
}

/// So many rows tell columns and formats; all of them tell formats that are alike.
const SAMPLE: usize = 500;

/// So many rows may stand above the first record, of a file that has few.
const ABOVE_MAX: usize = 10;

/// The columns that hold the time in at least half of the rows.
pub fn find(all: &[Row], width: usize) -> Option<Found> {
    let rows = &all[..all.len().min(SAMPLE)];
    let least = rows.len().saturating_sub(ABOVE_MAX).div_ceil(2).max(1);
    let best = |formats: &[&str], columns: &dyn Fn(usize) -> Vec<usize>, preferred: &dyn Fn(usize) -> bool| {
        let mut best: Option<(bool, usize, Found)> = None;
        for column in 0..width {
            for name in formats {
                let found = Found { columns: columns(column), format: format(name), also: Vec::new() };
                let fits = found.fits(rows);
                let rank = (preferred(column), fits);
                if fits >= least && best.as_ref().is_none_or(|best| rank > (best.0, best.1)) {
                    best = Some((rank.0, rank.1, found));
                }
            }
        }
        best.map(|(_, _, found)| found)
    };
    let hinted = |column: usize| {
        let names = rows.iter().take(5).filter_map(|row| row.cells.get(column));
        names.map(str::to_lowercase).any(|name| HINTS.iter().any(|hint| name.contains(hint)))
    };
    let written = best(&FORMATS, &|column| vec![column], &|_| true);
    let found = match written {
        Some(date) if date.is_date_alone() => with_time_of_day(&date, rows, width).unwrap_or(date),
        Some(written) => written,
        None => best(&EPOCHS, &|column| vec![column], &hinted)?,
    };
    Some(settled(found, rows, all))
}

/// The column with the time of day beside one with the date.
fn with_time_of_day(date: &Found, rows: &[Row], width: usize) -> Option<Found> {
    let whole = date.fits(rows);
    let columns = (0..width).filter(|column| !date.columns.contains(column));
    columns
        .flat_map(|column| TIMES_OF_DAY.map(|time| (column, time)))
        .map(|(column, time)| Found {
            columns: vec![date.columns[0], column],
            format: format(&format!("{} {time}", date.format.name)),
            also: Vec::new(),
        })
        .find(|found| found.fits(rows) == whole)
}

/// Of the formats that fit as many rows the one under which time goes back least often.
fn settled(found: Found, sample: &[Row], rows: &[Row]) -> Found {
    let fits = found.fits(sample);
    let time_of_day =
        if found.columns.len() > 1 { found.format.name.split_once(' ').map(|(_, time)| time) } else { None };
    let names = FORMATS.iter().map(|name| time_of_day.map_or((*name).to_owned(), |time| format!("{name} {time}")));
    let alike = names.map(|name| Found { format: format(&name), ..found.clone() });
    let alike: Vec<Found> = alike.filter(|other| other.fits(sample) == fits).collect();
    // What fits fewer rows is worse than what goes back.
    let rank = |other: Found| ((rows.len() - other.fits(rows), steps_back(&other, rows)), other);
    let alike: Vec<((usize, usize), Found)> = alike.into_iter().map(rank).collect();
    let Some(least) = alike.iter().map(|(rank, _)| rank).min() else { return found };
    let differs = |other: &Found, best: &Found| rows.iter().any(|row| other.parse(row) != best.parse(row));
    let mut best: Vec<Found> = alike.iter().filter(|(rank, _)| rank == least).map(|(_, other)| other.clone()).collect();
    let mut chosen = best.remove(0);
    chosen.also = best.iter().filter(|other| differs(other, &chosen)).map(|other| other.format.name.clone()).collect();
    chosen
}

fn steps_back(found: &Found, rows: &[Row]) -> usize {
    let times: Vec<i64> = rows.iter().filter_map(|row| found.parse(row)).collect();
    times.windows(2).filter(|pair| pair[1] < pair[0]).count()
}

fn joined(row: &Row, columns: &[usize]) -> String {
    columns.iter().map(|column| row.cells.get(*column).unwrap_or_default()).collect::<Vec<_>>().join(" ")
}

fn plausible(format: &TimeFormat, cell: &str) -> Option<i64> {
    format.parse(cell).filter(|at| PLAUSIBLE_US.contains(at))
}

fn format(name: &str) -> TimeFormat {
    TimeFormat { name: name.to_owned(), zone: Tz::UTC }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::text;

    fn found(text: &str) -> (Vec<usize>, String, Vec<String>) {
        let rows: Vec<Row> = text::rows(text, ';').map(|row| row.expect("readable")).collect();
        let width = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
        let found = find(&rows, width).unwrap_or_else(|| panic!("no time in {text}"));
        (found.columns, found.format.name, found.also)
    }

    #[test]
    fn formats_are_told_by_their_cells() {
        for (cells, format) in [
            ("2024-02-13T10:00:00Z", "rfc3339"),
            ("2024-02-13 10:00:00", "%Y-%m-%d %H:%M:%S%.f"),
            ("2024-02-13 10:00:00.125", "%Y-%m-%d %H:%M:%S%.f"),
            ("2024-02-13 10:00:00 +0100", "%Y-%m-%d %H:%M:%S%.f %#z"),
            ("13.02.2024 10:00", "%d.%m.%Y %H:%M"),
            ("13.02.24 10:00:01", "%d.%m.%y %H:%M:%S%.f"),
            ("13/02/2024 10:00:00", "%d/%m/%Y %H:%M:%S%.f"),
            ("02/13/2024 10:00:00", "%m/%d/%Y %H:%M:%S%.f"),
            ("02/13/2024 10:00:00 PM", "%m/%d/%Y %I:%M:%S %p"),
            ("13-Feb-2024 10:00:00", "%d-%b-%Y %H:%M:%S%.f"),
            ("20240213100000", "%Y%m%d%H%M%S"),
            ("1707818400", "epoch_s"),
            ("1707818400.25", "epoch_s"),
            ("1707818400123", "epoch_ms"),
            ("1707818400123456", "epoch_us"),
            ("1707818400123456789", "epoch_ns"),
        ] {
            assert_eq!(
                found(&format!("a;b\n7;{cells}\n8;{cells}")),
                (vec![1], format.to_owned(), Vec::new()),
                "{cells}"
            );
        }
    }

    #[test]
    fn a_date_and_a_time_of_day_in_columns_of_their_own_belong_together() {
        let text = "Datum;Wert;Uhrzeit\n13.02.2024;1;10:00:00\n13.02.2024;2;10:00:01";
        assert_eq!(found(text).0, [0, 2]);
        assert_eq!(found(text).1, "%d.%m.%Y %H:%M:%S%.f");
    }

    #[test]
    fn day_and_month_are_told_by_the_way_time_goes_and_else_both_are_named() {
        let forward = "t\n01/02/2024 00:00\n01/03/2024 00:00\n02/01/2024 00:00";
        assert_eq!(found(forward).1, "%m/%d/%Y %H:%M");
        let (_, format, also) = found("t\n01/02/2024 00:00\n01/02/2024 00:01");
        assert_eq!((format.as_str(), also), ("%d/%m/%Y %H:%M", vec!["%m/%d/%Y %H:%M".to_owned()]));
    }

    #[test]
    fn of_two_numbers_that_could_be_times_the_one_that_is_called_so_is_taken() {
        assert_eq!(found("counter;timestamp\n1700000000;1707818400\n1700000001;1707818401").0, [1]);
    }
}
