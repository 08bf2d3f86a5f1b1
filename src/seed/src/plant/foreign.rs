//! `genims seed plant --from MAPPING`: the machines of a foreign file and their sensors, so that its records can be replayed.
//!
//! Enters: the mapping that `loadtest replay --describe` proposes, of it what a plant is made of. Leaves: rows of
//! `genims_master_db`, in one transaction. Invariants: what is there is not touched, and a second run changes nothing; a
//! machine that stands elsewhere, or an id that means something else, is an error and leaves nothing.

use super::load::{self, Existing, Row, Table};
use super::mapping::{MappedPlant, Mapping};
use super::{Summary, begin, rows};
use crate::errors::SeedError;
use chrono::{DateTime, Utc};
use genims_databases::{PostgresSettings, pooling};
use std::collections::{BTreeSet, HashSet};
use std::time::Instant;
use tokio_postgres::Transaction;

/// The column's width.
const ID_CHARS_MAX: usize = 50;

struct Sensor {
    id: String,
    machine: String,
    code: String,
    name: String,
    unit: Option<String>,
}

/// What a mapping says of the plant.
#[derive(Clone, Debug)]
pub struct ForeignPlant(Mapping);

impl ForeignPlant {
    /// `place` is the file's name, for messages. The whole mapping is looked at: what a replay would refuse is refused here.
    pub fn parse(place: &str, text: &str) -> Result<Self, SeedError> {
        let wrong = |cause: String| SeedError::Mapping { place: place.to_owned(), cause };
        let plant = Self(Mapping::parse(text).map_err(|(line, cause)| SeedError::Mapping {
            place: line.map_or_else(|| place.to_owned(), |line| format!("{place}:{line}")),
            cause,
        })?);
        plant.check().map_err(wrong)?;
        Ok(plant)
    }

    fn check(&self) -> Result<(), String> {
        let MappedPlant { factory, line, machines } = &self.0.plant;
        if machines.is_empty() || self.0.values.is_empty() {
            return Err("names no machine in plant.machines, or no column in [values]; name one of each".to_owned());
        }
        let ids = [factory, line].into_iter().chain(machines).chain(self.0.values.values());
        for id in ids {
            if id.is_empty()
                || id.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '/' | '+' | '#' | '"' | '\\'))
            {
                return Err(format!("{id:?} is no id: topics and payloads name it; use letters, digits, - and _"));
            }
        }
        let again = twice(machines.iter()).or_else(|| twice(self.0.values.values()));
        if let Some(name) = again {
            return Err(format!("{name:?} stands twice; a machine and a sensor code each have one place"));
        }
        match self.sensors().iter().find(|sensor| sensor.id.chars().count() > ID_CHARS_MAX) {
            Some(sensor) => Err(format!(
                "the sensor id {} has more than {ID_CHARS_MAX} characters; shorten the machine or the code",
                sensor.id
            )),
            None => Ok(()),
        }
    }

    fn sensors(&self) -> Vec<Sensor> {
        let of = |machine: &String| {
            self.0
                .values
                .iter()
                .map(|(column, code)| Sensor {
                    id: format!("SEN-{machine}-{code}"),
                    machine: machine.clone(),
                    code: code.clone(),
                    name: column.chars().take(200).collect(),
                    unit: self.0.units.get(code).map(|unit| unit.chars().take(ID_CHARS_MAX).collect()),
                })
                .collect::<Vec<_>>()
        };
        self.0.plant.machines.iter().flat_map(of).collect()
    }
}

fn twice<'a>(mut names: impl Iterator<Item = &'a String>) -> Option<String> {
    let mut seen = HashSet::new();
    names.find(|name| !seen.insert(*name)).cloned()
}

/// Makes what is missing of the plant in `genims_master_db`.
pub async fn foreign_plant(
    master: &PostgresSettings,
    plant: &ForeignPlant,
    place: &str,
    now: DateTime<Utc>,
) -> Result<Summary, SeedError> {
    let started = Instant::now();
    let failed = |source| SeedError::from(master.error(source));
    let mut client = master.connect().await?;
    pooling::require_session(master, &client).await?;
    let transaction = begin(&mut client).await.map_err(failed)?;
    if let Some(cause) = contradiction(&transaction, plant).await.map_err(failed)? {
        return Err(SeedError::Mapping { place: place.to_owned(), cause });
    }
    let there = sensors_there(&transaction, plant).await.map_err(failed)?;
    let mut tables = Vec::new();
    for table in tables_of(plant, &there, now) {
        tables.push(load::load(&transaction, &table, Existing::Stays, &|_| {}).await.map_err(failed)?);
    }
    transaction.commit().await.map_err(failed)?;
    Ok(Summary { size: None, tables, seconds: started.elapsed().as_secs_f64() })
}

/// What stands in master data and says otherwise.
async fn contradiction(
    transaction: &Transaction<'_>,
    plant: &ForeignPlant,
) -> Result<Option<String>, tokio_postgres::Error> {
    let MappedPlant { factory, line, machines } = &plant.0.plant;
    let query = "SELECT factory_id FROM production_lines WHERE line_id = $1 AND factory_id <> $2";
    if let Some(row) = transaction.query_opt(query, &[line, factory]).await? {
        let other: &str = row.get(0);
        return Ok(Some(format!(
            "the line {line} stands in {other}; write factory = \"{other}\", or name another line"
        )));
    }
    let query = "SELECT machine_id, line_id, factory_id FROM machines
                 WHERE machine_id = ANY ($1) AND (line_id, factory_id) <> ($2, $3) LIMIT 1";
    if let Some(row) = transaction.query_opt(query, &[machines, line, factory]).await? {
        let (machine, line, factory): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let remedy = format!("write line = \"{line}\" and factory = \"{factory}\", or name the machine otherwise");
        return Ok(Some(format!("the machine {machine} stands elsewhere; {remedy}")));
    }
    let ids: Vec<(String, String, String)> =
        plant.sensors().into_iter().map(|sensor| (sensor.id, sensor.machine, sensor.code)).collect();
    let named: Vec<&String> = ids.iter().map(|(id, ..)| id).collect();
    let query = "SELECT sensor_id, machine_id, coalesce(sensor_code, '') FROM sensors WHERE sensor_id = ANY ($1)";
    for row in transaction.query(query, &[&named]).await? {
        let (id, machine, code): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        if !ids.contains(&(id.clone(), machine.clone(), code.clone())) {
            let cause = format!("the sensor {id} is there already, {code:?} of the machine {machine}");
            return Ok(Some(format!("{cause}; change the machine's id or the code")));
        }
    }
    Ok(None)
}

/// By machine and code, under whatever id.
async fn sensors_there(
    transaction: &Transaction<'_>,
    plant: &ForeignPlant,
) -> Result<BTreeSet<(String, String)>, tokio_postgres::Error> {
    let query = "SELECT machine_id, sensor_code FROM sensors WHERE machine_id = ANY ($1) AND sensor_code IS NOT NULL";
    let rows = transaction.query(query, &[&plant.0.plant.machines]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// A row of the columns that every plant has; what nobody said stays empty.
fn write(row: &mut Row<'_>, columns: &[&str], created: &str, said: &[(&str, &str)]) {
    for column in columns {
        let text = match *column {
            "status" => "active",
            "created_at" => created,
            column => said.iter().find(|(name, _)| *name == column).map_or("", |(_, text)| *text),
        };
        if text.is_empty() {
            row.empty()
        } else {
            row.text(text)
        };
    }
}

fn tables_of<'p>(plant: &'p ForeignPlant, there: &BTreeSet<(String, String)>, now: DateTime<Utc>) -> [Table<'p>; 4] {
    let created = now.format("%Y-%m-%d %H:%M:%S").to_string();
    let [of_factory, of_line, of_machine, of_sensor] = [(); 4].map(|()| created.clone());
    let MappedPlant { factory, line, machines } = &plant.0.plant;
    let mut sensors = plant.sensors();
    sensors.retain(|sensor| !there.contains(&(sensor.machine.clone(), sensor.code.clone())));
    let place: [(&str, &str); 2] = [("line_id", line), ("factory_id", factory)];
    [
        Table {
            name: "factories",
            columns: rows::FACTORY_COLUMNS,
            rows: 1,
            write: Box::new(move |_, row: &mut Row<'_>| {
                // Where it is nobody has said.
                let nowhere: [(&str, &str); 3] = [("country", "unknown"), ("city", "unknown"), ("timezone", "UTC")];
                let named: [(&str, &str); 3] =
                    [place[1], ("factory_name", factory), ("factory_type", "foreign records")];
                write(row, rows::FACTORY_COLUMNS, &of_factory, &[&named[..], &nowhere].concat());
            }),
        },
        Table {
            name: "production_lines",
            columns: rows::LINE_COLUMNS,
            rows: 1,
            write: Box::new(move |_, row: &mut Row<'_>| {
                let named: [(&str, &str); 2] = [("line_name", line.as_str()), ("line_number", "1")];
                write(row, rows::LINE_COLUMNS, &of_line, &[&place[..], &named].concat());
            }),
        },
        Table {
            name: "machines",
            columns: rows::MACHINE_COLUMNS,
            rows: machines.len() as u64,
            write: Box::new(move |number, row: &mut Row<'_>| {
                let id = machines[number as usize].as_str();
                let named: [(&str, &str); 3] = [("machine_id", id), ("machine_name", id), ("machine_code", id)];
                write(row, rows::MACHINE_COLUMNS, &of_machine, &[&place[..], &named].concat());
            }),
        },
        Table {
            name: "sensors",
            columns: rows::SENSOR_COLUMNS,
            rows: sensors.len() as u64,
            write: Box::new(move |number, row: &mut Row<'_>| {
                let Sensor { id, machine, code, name, unit } = &sensors[number as usize];
                let unit = unit.as_deref().unwrap_or_default();
                let named: [(&str, &str); 7] = [
                    ("sensor_id", id.as_str()),
                    ("machine_id", machine),
                    ("sensor_name", name),
                    ("sensor_code", code),
                    ("sensor_type", sensor_type(unit).unwrap_or_default()),
                    ("measurement_unit", unit),
                    ("data_protocol", "file"),
                ];
                write(row, rows::SENSOR_COLUMNS, &of_sensor, &[&place[..], &named].concat());
            }),
        },
    ]
}

/// What a unit is a unit of, in the words of the other sensors; `None` where it may be several things.
fn sensor_type(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "°C" | "C" | "K" | "°F" => "temperature",
        "bar" | "mbar" | "Pa" | "hPa" | "kPa" | "MPa" | "psi" => "pressure",
        "mm/s" => "vibration",
        "A" | "mA" => "electrical_current",
        "W" | "kW" | "MW" => "power",
        "rpm" | "1/min" | "min-1" | "U/min" => "rotational_speed",
        "l/min" | "l/h" | "m³/h" | "m3/h" => "flow",
        "Nm" => "torque",
        "mm" | "deg" | "°" => "position",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPING: &str = "delimiter = \";\"\n[timestamp]\ncolumn = \"t\"\n[machine]\nid = \"P7\"\n[values]\n\"Temp [°C]\" = \"Temp\"\nx = \"X\"\n\
                           [units]\nTemp = \"°C\"\n[plant]\nfactory = \"F\"\nline = \"L\"\nmachines = [\"P7\", \"P8\"]\n";

    fn rows(there: &[(&str, &str)]) -> Vec<String> {
        let plant = ForeignPlant::parse("m.toml", MAPPING).expect("valid");
        let there = there.iter().map(|(machine, code)| ((*machine).to_owned(), (*code).to_owned())).collect();
        let now = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
        let mut rows = Vec::new();
        for table in tables_of(&plant, &there, now) {
            for number in 0..table.rows {
                let mut row = String::new();
                table.append(number, &mut row);
                assert_eq!(row.split('\t').count(), table.columns.len(), "{}: {row}", table.name);
                rows.push(row.trim_end().replace("\t2023-11-14 22:13:20", "").replace("\t\\N", ""));
            }
        }
        rows
    }

    #[test]
    fn each_machine_has_a_sensor_for_each_column_that_it_does_not_have_yet() {
        let all = rows(&[("P8", "Temp")]);
        assert_eq!(all.len(), 1 + 1 + 2 + 3, "{all:#?}");
        assert_eq!(all[4], "SEN-P7-Temp\tP7\tL\tF\tTemp [°C]\tTemp\ttemperature\t°C\tfile\tactive");
        assert_eq!(all[6], "SEN-P8-X\tP8\tL\tF\tx\tX\tfile\tactive");
    }

    #[test]
    fn what_cannot_be_made_is_refused_with_the_file_and_what_to_write() {
        for (from, to, said) in [
            ("[plant]\n", "[plan]\n", "plan is no key here; did you mean plant?"),
            ("[\"P7\", \"P8\"]", "[]", "plant.machines"),
            ("machines =", "machinez =", "m.toml:14: machinez is no key here; did you mean machines?"),
            ("\"t\"", "\"t\"\nzone = \"Berlin\"", "Europe/Berlin"),
            ("\"t\"", "\"t\"\nformat = \"iso\"", "epoch_ms"),
            ("\"t\"", "\"t\"\nformat = \"%Q\"", "stands for nothing"),
            ("id = \"P7\"", "column = \"m\"\nid = \"P7\"", "{value}"),
            ("delimiter", "thousands = \".\"\ndecimal = \".\"\ndelimiter", "are both"),
            ("[timestamp]\ncolumn = \"t\"\n", "", "timestamp is missing"),
            ("\"P8\"", "\"P7\"", "stands twice"),
            ("\"P8\"", "\"P 8\"", "\"P 8\" is no id"),
            ("= \"X\"", "= \"Temp\"", "stands twice"),
            ("= \"X\"", "= \"A-code-of-as-many-as-fifty-characters-or-still-more\"", "more than 50"),
        ] {
            let error = ForeignPlant::parse("m.toml", &MAPPING.replacen(from, to, 1)).expect_err(to).to_string();
            assert!(error.contains("m.toml") && error.contains(said), "{error}");
        }
    }
}
