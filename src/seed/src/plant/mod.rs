//! `genims seed plant`: deterministic master data. Enters: a size and a seed. Leaves: rows of `genims_master_db`.
//!
//! Invariants: the same size and seed give the same bytes, `created_at` included; everything is loaded in one transaction,
//! so readers see the whole plant or none of it, and a killed run leaves nothing; rows that are there and equal are not
//! touched, rows that differ become what the size and the seed say, and rows of others are left alone.

mod base;
mod foreign;
mod kinds;
mod layout;
mod load;
mod mapping;
mod people;
mod rows;
mod turbines;
mod words;

use crate::errors::SeedError;
pub use foreign::{ForeignPlant, foreign_plant};
use genims_databases::{PostgresClient, PostgresSettings, pooling};
use load::Existing;
pub use load::TableSummary;
use serde::{Deserialize, Serialize};
use std::time::Instant;
use tokio_postgres::Transaction;

/// How large the plant group shall be. The wind farm (4 turbines, 28 signals) comes on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantSize {
    pub factories: u32,
    pub lines: u32,
    pub machines: u32,
    pub sensors: u32,
    pub seed: u64,
}

impl Default for PlantSize {
    fn default() -> Self {
        Self { factories: 4, lines: 20, machines: 235, sensors: 1_760, seed: 1 }
    }
}

/// A catalogue of more sensors has never been tried.
const SENSORS_MAX: u32 = 1_000_000;

impl PlantSize {
    fn check(self) -> Result<Self, SeedError> {
        let wrong = |cause: String| Err(SeedError::PlantSize { cause });
        if self.factories == 0 {
            return wrong("there must be at least one factory".to_owned());
        }
        if self.lines < self.factories {
            return wrong(format!("{} factories need at least as many lines; raise --lines", self.factories));
        }
        if self.machines < self.lines {
            return wrong(format!("{} lines need at least as many machines; raise --machines", self.lines));
        }
        if self.sensors < self.machines {
            return wrong(format!("{} machines need at least as many sensors; raise --sensors", self.machines));
        }
        if self.sensors > SENSORS_MAX {
            return wrong(format!("at most {SENSORS_MAX} sensors; lower --sensors"));
        }
        Ok(self)
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// `None` where a mapping says what there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<PlantSize>,
    pub tables: Vec<TableSummary>,
    pub seconds: f64,
}

/// Something to show while it runs.
#[derive(Clone, Copy, Debug)]
pub struct PlantProgress {
    pub table: &'static str,
    pub rows: u64,
    pub rows_total: u64,
}

/// Makes the plant in `genims_master_db`.
pub async fn plant(
    master: &PostgresSettings,
    size: PlantSize,
    progress: &(dyn Fn(PlantProgress) + Sync),
) -> Result<Summary, SeedError> {
    let started = Instant::now();
    let size = size.check()?;
    let failed = |source| SeedError::from(master.error(source));
    let mut client = master.connect().await?;
    pooling::require_session(master, &client).await?;
    let transaction = begin(&mut client).await.map_err(failed)?;
    let mut tables = Vec::new();
    for table in rows::tables(size) {
        let show = |rows| progress(PlantProgress { table: table.name, rows, rows_total: table.rows });
        tables.push(load::load(&transaction, &table, Existing::FollowsSeed, &show).await.map_err(failed)?);
    }
    transaction.commit().await.map_err(failed)?;
    if tables.iter().any(|table| table.inserted + table.updated > 0) {
        let names: Vec<&str> = tables.iter().map(|table| table.table).collect();
        client.batch_execute(&format!("ANALYZE {}", names.join(", "))).await.map_err(failed)?;
    }
    Ok(Summary { size: Some(size), tables, seconds: started.elapsed().as_secs_f64() })
}

/// One seeding at a time.
async fn begin(client: &mut PostgresClient) -> Result<Transaction<'_>, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    let alone = "SET LOCAL lock_timeout = '60s'; SELECT pg_advisory_xact_lock(hashtextextended('genims seed', 0))";
    transaction.batch_execute(alone).await?;
    Ok(transaction)
}

/// Every table's name, columns and rows in COPY text form, for those who refer to them.
pub(super) fn texts(size: PlantSize) -> Vec<(&'static str, &'static [&'static str], String)> {
    let text = |table: &load::Table<'_>| {
        let mut buffer = String::new();
        (0..table.rows).for_each(|number| table.append(number, &mut buffer));
        buffer
    };
    rows::tables(size).iter().map(|table| (table.name, table.columns, text(table))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(size: PlantSize) -> String {
        let mut buffer = String::new();
        for table in rows::tables(size) {
            for number in 0..table.rows {
                let start = buffer.len();
                table.append(number, &mut buffer);
                let fields = buffer[start..].matches('\t').count() + 1;
                assert_eq!(fields, table.columns.len(), "{} {number}", table.name);
            }
        }
        buffer
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let size = PlantSize::default();
        assert_eq!(bytes(size), bytes(size));
        assert_ne!(bytes(size), bytes(PlantSize { seed: 2, ..size }));
    }

    #[test]
    fn the_default_plant_has_its_promised_size_and_the_turbines() {
        let rows: std::collections::HashMap<&str, u64> =
            rows::tables(PlantSize::default()).iter().map(|table| (table.name, table.rows)).collect();
        assert_eq!((rows["factories"], rows["production_lines"]), (5, 21));
        assert_eq!((rows["machines"], rows["sensors"]), (239, 1_788));
        let text = bytes(PlantSize::default());
        for expected in ["SEN-001760\tMCH-0235\tLINE-20\tFAC-04", "WT-R80711", "\tBa_avg\t", "Europe/Berlin"] {
            assert!(text.contains(expected), "{expected}");
        }
    }

    #[test]
    fn a_plant_that_cannot_be_is_refused_with_the_flag_to_change() {
        let default = PlantSize::default();
        for (size, flag) in [
            (PlantSize { lines: 3, ..default }, "--lines"),
            (PlantSize { machines: 19, ..default }, "--machines"),
            (PlantSize { sensors: 100, ..default }, "--sensors"),
            (PlantSize { sensors: 1_000_001, ..default }, "--sensors"),
        ] {
            let error = size.check().expect_err("impossible").to_string();
            assert!(error.contains(flag), "{error}");
        }
    }
}
