//! Rows that are not said in `config/seed` but made by code: the plant of the stream and its history.

use super::history;
use super::plant::{self, PlantSize};
use super::spec::Scale;
use super::value::Value;
use super::world::{Parameters, Supplied, cast};
use foldhash::{HashMap, HashMapExt};
use genims_databases::{Model, Registry};
use std::collections::BTreeMap;

const MASTER: &str = "genims_master_db";

/// Everything that code makes.
pub(super) fn all(registry: &Registry, parameters: Parameters) -> Result<BTreeMap<String, Supplied>, String> {
    of_plant(registry, parameters, parameters.history().plant)
}

/// The same of a plant of another size.
pub(super) fn of_plant(
    registry: &Registry,
    parameters: Parameters,
    size: PlantSize,
) -> Result<BTreeMap<String, Supplied>, String> {
    let history = history::simulate(history::HistoryParameters { plant: size, ..parameters.history() })?;
    let mut all = plant(registry, size)?;
    // The health of every sensor over months would not fit in memory.
    let tables =
        if parameters.scale == Scale::Full { history::Tables::Faults } else { history::Tables::FaultsAndHealth };
    all.extend(history::supplied(&history, registry, tables)?);
    all.extend(history::observed(&history));
    Ok(all)
}

/// The plant's tables by `database.table`.
fn plant(registry: &Registry, size: PlantSize) -> Result<BTreeMap<String, Supplied>, String> {
    let database = registry.get(MASTER).map_err(|error| error.to_string())?;
    let model = Model::of(database)?;
    let mut all = BTreeMap::new();
    for (table, columns, lines) in plant::texts(size) {
        let described = model.table(table).ok_or_else(|| format!("{MASTER} has no table {table}"))?;
        let mut supplied = Supplied { rows: lines.lines().count(), columns: HashMap::new() };
        for (at, name) in columns.iter().enumerate() {
            let kind = described.column(name).ok_or_else(|| format!("{table} has no column {name}"))?.kind;
            let field = |line: &str| match line.split('\t').nth(at) {
                None | Some("\\N") => Ok(Value::Null),
                Some(text) => cast::parse(text, kind),
            };
            let values = lines
                .lines()
                .map(field)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|cause| format!("{table}.{name}: {cause}"))?;
            supplied.columns.insert((*name).to_owned(), values);
        }
        all.insert(format!("{MASTER}.{table}"), supplied);
    }
    Ok(all)
}
