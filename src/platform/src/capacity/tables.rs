//! By which column the rows of a table came: `created_at`, else the column by which they age as config/retention says.

use crate::errors::PlatformError;
use crate::retention;
use genims_databases::{Database, Kind, Model, Registry};
use std::collections::BTreeMap;

const CREATED: &str = "created_at";

/// By table; those without such a column are left out.
pub(super) fn columns(registry: &Registry, database: &Database) -> Result<BTreeMap<String, String>, PlatformError> {
    let model = Model::of(database).map_err(|cause| PlatformError::Model { cause })?;
    let mut columns = retention::times(registry, database, &model)?;
    let is_time = |kind| matches!(kind, Kind::Date | Kind::Timestamp);
    let created = model.tables.iter().filter(|table| table.column(CREATED).is_some_and(|column| is_time(column.kind)));
    columns.extend(created.map(|table| (table.name.clone(), CREATED.to_owned())));
    Ok(columns)
}

/// For how many days `genims retention` keeps the rows of each table.
pub(super) fn days_kept(registry: &Registry, database: &Database) -> Result<BTreeMap<String, u64>, PlatformError> {
    let model = Model::of(database).map_err(|cause| PlatformError::Model { cause })?;
    retention::days_kept(registry, database, &model)
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_databases::Engine;

    #[test]
    fn most_tables_of_every_relational_database_say_when_their_rows_came() {
        let registry = Registry::load(None).expect("the embedded registry");
        let (mut tables, mut timed) = (0, 0);
        for database in registry.all().iter().filter(|database| database.engine != Engine::Mongodb) {
            let columns = columns(&registry, database).unwrap_or_else(|error| panic!("{error}"));
            assert!(!columns.is_empty(), "{}", database.name);
            (tables, timed) = (tables + database.tables as usize, timed + columns.len());
        }
        assert!(timed * 5 > tables * 4, "{timed} of {tables}");
    }

    #[test]
    fn both_tables_of_daily_partitions_are_kept_for_a_known_time() {
        let registry = Registry::load(None).expect("the embedded registry");
        let kept = days_kept(&registry, registry.get("operations").expect("in the registry")).expect("readable");
        let days = ["sensor_data", "scada_machine_data"].map(|table| kept.get(table).copied());
        assert!(days[0].is_some_and(|days| days > 365) && days[0] == days[1], "{days:?}");
    }

    #[test]
    fn created_at_goes_before_the_column_by_which_rows_age() {
        let registry = Registry::load(None).expect("the embedded registry");
        let of = |name: &str| columns(&registry, registry.get(name).expect("in the registry")).expect("readable");
        let erp = of("erp");
        assert_eq!(erp.get("sales_orders").map(String::as_str), Some("created_at"));
        assert_eq!(erp.get("inventory_balances"), None);
        assert_eq!(of("analytics").get("fact_sensor_hourly").map(String::as_str), Some("hour_start"));
    }
}
