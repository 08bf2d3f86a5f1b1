//! `genims seed sweep`: the seed of a day, computed and held to its schemas and to the shapes that questions rely on, without
//! a server. What `config/seed` says must be true on every day of the calendar, and nobody can wait for all of them.

use super::plant::PlantSize;
use super::spec::{Scale, Specs};
use super::supplied;
use super::world::{Broken, Parameters, World};
use chrono::{Datelike, NaiveDate};
use genims_databases::{Constraints, Registry};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// The same seed and days of sensors as `genims seed` takes.
const SEED: u64 = 1;
const SENSOR_DAYS: u32 = 2;

/// What became of one day.
#[derive(Clone, Debug, Serialize)]
pub struct SweptDay {
    pub day: NaiveDate,
    pub tables: usize,
    pub rows: usize,
    /// Of the plant group, without the turbines.
    pub sensors: u32,
    pub seconds: f64,
    /// Everything that does not hold.
    pub broken: Vec<Broken>,
}

/// The first or the last day of a month: where most that depends on the day changes.
pub fn is_turn_of_month(day: NaiveDate) -> bool {
    day.day() == 1 || day.succ_opt().is_none_or(|next| next.day() == 1)
}

/// What all days have in common.
#[derive(Debug)]
pub struct Sweep {
    registry: Registry,
    specs: Option<PathBuf>,
    /// By `database.table`.
    constraints: BTreeMap<String, Constraints>,
}

impl Sweep {
    /// Of the embedded `config/seed`, or of a folder like it.
    pub fn new(registry: &Registry, specs: Option<PathBuf>) -> Result<Self, String> {
        let mut constraints = BTreeMap::new();
        for database in registry.all() {
            let of_tables = Constraints::of(database)?;
            constraints.extend(of_tables.into_iter().map(|(table, of)| (format!("{}.{table}", database.name), of)));
        }
        Ok(Self { registry: registry.clone(), specs, constraints })
    }

    /// Computes and checks everything that is seeded on this day. An error means that nothing could be computed.
    ///
    /// Much of the work of a day are its readings, and what becomes of them does not know the calendar. So only the first
    /// and the last day of a month have all sensors; the others have one a machine.
    pub fn day(&self, day: NaiveDate) -> Result<SweptDay, String> {
        let started = Instant::now();
        let parameters = Parameters::new(SEED, Scale::Small, day, SENSOR_DAYS);
        let whole = parameters.history().plant;
        let size = if is_turn_of_month(day) { whole } else { PlantSize { sensors: whole.machines, ..whole } };
        let mut specs = Specs::load(self.specs.as_deref(), false)?;
        let shapes = std::mem::take(&mut specs.shapes);
        let supplied = supplied::of_plant(&self.registry, parameters, size)?;
        let world = World::new(&self.registry, specs, supplied, parameters, false)?;
        let sensors = size.sensors;
        let mut swept = SweptDay { day, tables: 0, rows: 0, sensors, seconds: 0.0, broken: Vec::new() };
        for database in self.registry.all() {
            for table in world.tables_of(&database.name) {
                swept.broken.extend(world.check(table, &self.constraints));
                swept.rows += world.rows(table).unwrap_or(0);
                swept.tables += 1;
            }
        }
        for shape in &shapes {
            let cause = match world.holds(shape) {
                Ok(true) => continue,
                Ok(false) => format!("{} does not hold", shape.says),
                Err(cause) => format!("{}: {cause}", shape.says),
            };
            swept.broken.push(Broken { table: shape.table.clone(), row: None, cause });
        }
        swept.seconds = started.elapsed().as_secs_f64();
        Ok(swept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first day that a history may end on, a Sunday on which clocks change, 29 February. `make sweep` takes many more.
    const AWKWARD: [&str; 4] = ["2024-01-01", "2027-03-28", "2027-03-31", "2028-02-29"];

    #[test]
    fn the_seed_holds_on_awkward_days() {
        let registry = Registry::load(None).expect("the embedded registry");
        let sweep = Sweep::new(&registry, None).expect("the embedded schema");
        // What jobs compute out of the others is not seeded.
        let by_jobs = ["genims_reporting_db", "genims_analytics_db"];
        let seeded = registry.all().iter().filter(|database| !by_jobs.contains(&database.name.as_str()));
        let roll_ups = 3;
        let contract: usize = seeded.map(|database| database.tables as usize).sum::<usize>() - roll_ups;
        for day in AWKWARD {
            let swept = sweep.day(day.parse().expect("a day")).expect("computed");
            assert!(swept.broken.is_empty(), "{day}: {:#?}", swept.broken);
            assert!(swept.tables >= contract && swept.rows > 100_000, "{} tables, {} rows", swept.tables, swept.rows);
        }
    }
}
