//! `genims seed sweep`: the seed of a day, computed and held to its schemas and to the shapes that questions rely on, without
//! a server. What `config/seed` says must be true on every day of the calendar, and nobody can wait for all of them.

use super::spec::Specs;
use super::supplied;
use super::world::{Broken, Parameters, World};
use chrono::NaiveDate;
use genims_databases::{Constraints, Registry};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;

/// What became of one day.
#[derive(Clone, Debug, Serialize)]
pub struct SweptDay {
    pub day: NaiveDate,
    pub tables: usize,
    pub rows: usize,
    pub seconds: f64,
    /// Everything that does not hold.
    pub broken: Vec<Broken>,
}

/// Computes and checks everything that is seeded with these parameters. An error means that nothing could be computed.
pub fn sweep(registry: &Registry, parameters: Parameters) -> Result<SweptDay, String> {
    let started = Instant::now();
    let mut specs = Specs::load(None, false)?;
    let shapes = std::mem::take(&mut specs.shapes);
    let world = World::new(registry, specs, supplied::all(registry, parameters)?, parameters, false)?;
    let mut swept = SweptDay { day: parameters.day(), tables: 0, rows: 0, seconds: 0.0, broken: Vec::new() };
    let mut constraints = BTreeMap::new();
    for database in registry.all() {
        let of_tables = Constraints::of(database)?;
        constraints.extend(of_tables.into_iter().map(|(table, of)| (format!("{}.{table}", database.name), of)));
    }
    for database in registry.all() {
        for table in world.tables_of(&database.name) {
            swept.broken.extend(world.check(table, &constraints));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scale;

    /// 29 February, and the end of a fiscal year: without optimisation a day takes the better part of a minute. `make sweep`
    /// takes every day of two years.
    const AWKWARD: [&str; 2] = ["2028-02-29", "2027-03-31"];

    #[test]
    fn the_seed_holds_on_awkward_days() {
        let registry = Registry::load(None).expect("the embedded registry");
        for day in AWKWARD {
            let parameters = Parameters::new(1, Scale::Small, day.parse().expect("a day"), 2);
            let swept = sweep(&registry, parameters).expect("computed");
            assert!(swept.broken.is_empty(), "{day}: {:#?}", swept.broken);
            assert!(swept.tables > 600 && swept.rows > 100_000, "{} tables, {} rows", swept.tables, swept.rows);
        }
    }
}
