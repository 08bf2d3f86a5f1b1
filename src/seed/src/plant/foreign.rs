//! `genims seed plant --from MAPPING`: the machines of a foreign file and their sensors, so that its records can be replayed.
//!
//! Enters: the mapping that `loadtest replay --describe` proposes, of it what a plant is made of. Leaves: rows of
//! `genims_master_db`, in one transaction. Invariants: what is there is not touched, and a second run changes nothing; a
//! machine that stands elsewhere, or an id that means something else, is an error and leaves nothing.

use super::load::{self, Existing, Row, Table};
use super::{Summary, begin};
use crate::errors::SeedError;
use chrono::{DateTime, Utc};
use genims_databases::{PostgresSettings, pooling};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;
use tokio_postgres::Transaction;

/// The column's width.
const ID_CHARS_MAX: usize = 50;

/// The part of a mapping that says what the plant is made of. The rest says how the file is read.
#[derive(Clone, Debug, Deserialize)]
pub struct ForeignPlant {
    plant: Place,
    /// Column of the file to sensor code.
    values: BTreeMap<String, String>,
    /// By sensor code.
    #[serde(default)]
    units: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    factory: String,
    line: String,
    machines: Vec<String>,
}

struct Sensor {
    id: String,
    machine: String,
    code: String,
    name: String,
    unit: Option<String>,
}

impl ForeignPlant {
    /// `place` is the file's name, for messages.
    pub fn parse(place: &str, text: &str) -> Result<Self, SeedError> {
        let wrong = |cause: String| SeedError::Mapping { place: place.to_owned(), cause };
        let plant: Self = toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        plant.check().map_err(wrong)?;
        Ok(plant)
    }

    fn check(&self) -> Result<(), String> {
        let Place { factory, line, machines } = &self.plant;
        if machines.is_empty() || self.values.is_empty() {
            return Err("names no machine in plant.machines, or no column in [values]; name one of each".to_owned());
        }
        let ids = [factory, line].into_iter().chain(machines).chain(self.values.values());
        for id in ids {
            if id.is_empty()
                || id.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '/' | '+' | '#' | '"' | '\\'))
            {
                return Err(format!("{id:?} is no id: topics and payloads name it; use letters, digits, - and _"));
            }
        }
        let again = twice(machines.iter()).or_else(|| twice(self.values.values()));
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
            self.values
                .iter()
                .map(|(column, code)| Sensor {
                    id: format!("SEN-{machine}-{code}"),
                    machine: machine.clone(),
                    code: code.clone(),
                    name: column.chars().take(200).collect(),
                    unit: self.units.get(code).map(|unit| unit.chars().take(ID_CHARS_MAX).collect()),
                })
                .collect::<Vec<_>>()
        };
        self.plant.machines.iter().flat_map(of).collect()
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
    let Place { factory, line, machines } = &plant.plant;
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
    let rows = transaction.query(query, &[&plant.plant.machines]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

const FACTORY: &[&str] =
    &["factory_id", "factory_name", "country", "city", "timezone", "factory_type", "status", "created_at"];
const LINE: &[&str] = &["line_id", "factory_id", "line_name", "line_number", "status", "created_at"];
const MACHINE: &[&str] =
    &["machine_id", "line_id", "factory_id", "machine_name", "machine_code", "status", "created_at"];
const SENSOR: &[&str] = &[
    "sensor_id",
    "machine_id",
    "line_id",
    "factory_id",
    "sensor_name",
    "sensor_code",
    "sensor_type",
    "measurement_unit",
    "data_protocol",
    "status",
    "created_at",
];

fn tables_of<'p>(plant: &'p ForeignPlant, there: &BTreeSet<(String, String)>, now: DateTime<Utc>) -> [Table<'p>; 4] {
    let now = now.format("%Y-%m-%d %H:%M:%S").to_string();
    let created = [now.clone(), now.clone(), now.clone(), now];
    let [of_factory, of_line, of_machine, of_sensor] = created;
    let Place { factory, line, machines } = &plant.plant;
    let mut sensors = plant.sensors();
    sensors.retain(|sensor| !there.contains(&(sensor.machine.clone(), sensor.code.clone())));
    [
        Table {
            name: "factories",
            columns: FACTORY,
            rows: 1,
            write: Box::new(move |_, row: &mut Row<'_>| {
                // Where it is nobody has said.
                row.text(factory).text(factory).text("unknown").text("unknown").text("UTC").text("foreign records");
                row.text("active").text(&of_factory);
            }),
        },
        Table {
            name: "production_lines",
            columns: LINE,
            rows: 1,
            write: Box::new(move |_, row: &mut Row<'_>| {
                row.text(line).text(factory).text(line).value(1).text("active").text(&of_line);
            }),
        },
        Table {
            name: "machines",
            columns: MACHINE,
            rows: machines.len() as u64,
            write: Box::new(move |number, row: &mut Row<'_>| {
                let machine = &machines[number as usize];
                row.text(machine).text(line).text(factory).text(machine).text(machine).text("active").text(&of_machine);
            }),
        },
        Table {
            name: "sensors",
            columns: SENSOR,
            rows: sensors.len() as u64,
            write: Box::new(move |number, row: &mut Row<'_>| {
                let sensor = &sensors[number as usize];
                row.text(&sensor.id).text(&sensor.machine).text(line).text(factory);
                row.text(&sensor.name).text(&sensor.code);
                text_or_empty(row, sensor.unit.as_deref().and_then(sensor_type));
                text_or_empty(row, sensor.unit.as_deref());
                row.text("file").text("active").text(&of_sensor);
            }),
        },
    ]
}

fn text_or_empty(row: &mut Row<'_>, text: Option<&str>) {
    match text {
        Some(text) => row.text(text),
        None => row.empty(),
    };
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

    const MAPPING: &str = "delimiter = \";\"\n[machine]\nid = \"P7\"\n[values]\n\"Temp [°C]\" = \"Temp\"\nx = \"X\"\n\
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
                rows.push(row.trim_end().replace("\t2023-11-14 22:13:20", ""));
            }
        }
        rows
    }

    #[test]
    fn each_machine_has_a_sensor_for_each_column_that_it_does_not_have_yet() {
        let all = rows(&[("P8", "Temp")]);
        assert_eq!(all.len(), 1 + 1 + 2 + 3, "{all:#?}");
        assert_eq!(all[4], "SEN-P7-Temp\tP7\tL\tF\tTemp [°C]\tTemp\ttemperature\t°C\tfile\tactive");
        assert_eq!(all[6], "SEN-P8-X\tP8\tL\tF\tx\tX\t\\N\t\\N\tfile\tactive");
    }

    #[test]
    fn what_cannot_be_made_is_refused_with_the_file_and_what_to_write() {
        for (from, to, said) in [
            ("[plant]\n", "[plan]\n", "missing field `plant`"),
            ("[\"P7\", \"P8\"]", "[]", "plant.machines"),
            ("\"P8\"", "\"P7\"", "stands twice"),
            ("\"P8\"", "\"P 8\"", "\"P 8\" is no id"),
            ("= \"X\"", "= \"Temp\"", "stands twice"),
            ("= \"X\"", "= \"A-code-of-as-many-as-fifty-characters-or-still-more\"", "more than 50"),
        ] {
            let error = ForeignPlant::parse("m.toml", &MAPPING.replace(from, to)).expect_err(to).to_string();
            assert!(error.contains("m.toml") && error.contains(said), "{error}");
        }
    }
}
