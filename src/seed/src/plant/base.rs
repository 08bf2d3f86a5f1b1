//! What the rows of all tables of the plant share: the day they are counted from, ids, random numbers.

use super::load::{Row, Table};
use super::words::{FactorySite, SITES};
use chrono::{Days, NaiveDate};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// All dates are counted from this day, so that a plant does not depend on the day on which it is made. It lies before every
/// day on which a seeded history may end.
const BASE: NaiveDate = NaiveDate::from_ymd_opt(2023, 10, 1).expect("a date");
pub(super) const CREATED_AT: &str = "2023-10-01 00:00:00";

/// A table's random numbers do not depend on those of another, nor a row's on those of the rows before.
pub(super) fn random(seed: u64, table: u8, row: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(u64::from(table) << 56 | row);
    random
}

pub(super) fn days_before_base(days: u64) -> NaiveDate {
    BASE.checked_sub_days(Days::new(days)).unwrap_or(BASE)
}

pub(super) fn factory_id(factory: u64) -> String {
    format!("FAC-{:02}", factory + 1)
}

pub(super) fn line_id(line: u64) -> String {
    format!("LINE-{:02}", line + 1)
}

pub(super) fn machine_id(machine: u64) -> String {
    format!("MCH-{:04}", machine + 1)
}

pub(super) fn site(factory: u64) -> &'static FactorySite {
    &SITES[(factory % SITES.len() as u64) as usize]
}

/// A table whose last `extra` rows are the wind farm's.
pub(super) fn with_turbines(
    name: &'static str,
    columns: &'static [&'static str],
    rows: u64,
    extra: u64,
    own: impl Fn(u64, &mut Row<'_>) + Send + Sync + 'static,
    turbines: impl Fn(u64, &mut Row<'_>) + Send + Sync + 'static,
) -> Table<'static> {
    let write = move |number: u64, row: &mut Row<'_>| {
        if number < rows { own(number, row) } else { turbines(number - rows, row) }
    };
    Table { name, columns, rows: rows + extra, write: Box::new(write) }
}
