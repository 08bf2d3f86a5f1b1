//! A CSV file becomes readings, in order of time.
//!
//! Left out and counted: empty cells, cells that are no number, and records that repeat a machine's time (summer-time
//! switches in some files): two values for one moment cannot both be right, and which one is stored would depend on the
//! server's same-timestamp rule.

use super::mapping::{Mapping, MappingError};
use crate::load::payload::Reading;
use crate::plant::Plant;
use crate::plant::signal::to_e4;
use flate2::read::MultiGzDecoder;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub file: String,
    pub records: u64,
    pub readings: u64,
    pub empty_cells: u64,
    pub cells_not_a_number: u64,
    pub repeated_records: u64,
    /// Values with more than the four decimals that the table holds.
    pub rounded: u64,
    /// Added to every source time, microseconds.
    pub shifted_us: i64,
}

#[derive(Debug, Default)]
pub struct Records {
    /// By time; `slot` is a position in `sensors`.
    readings: Vec<Reading>,
    /// Indices into the plant's sensors.
    pub sensors: Vec<usize>,
    pub sensor_ids: Vec<String>,
    pub summary: Summary,
}

impl Records {
    pub fn read(path: &Path, mapping: &Mapping, plant: &Plant) -> Result<Self, MappingError> {
        let file = File::open(path).map_err(|source| MappingError::Open { path: path.to_owned(), source })?;
        let reader = BufReader::new(file);
        let gz = path.extension().is_some_and(|extension| extension == "gz");
        let input: Box<dyn Read> = if gz { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) };
        let mut records = Self::parse(input, mapping, plant)?;
        records.summary.file = path.display().to_string();
        Ok(records)
    }

    fn parse(input: impl Read, mapping: &Mapping, plant: &Plant) -> Result<Self, MappingError> {
        let delimiter = u8::try_from(mapping.delimiter).unwrap_or(b',');
        let mut csv = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(input);
        let headers = csv.headers()?.clone();
        let column = |name: &str| {
            headers
                .iter()
                .position(|header| header.trim() == name)
                .ok_or_else(|| MappingError::NoColumn(name.to_owned()))
        };
        let time_at = column(&mapping.timestamp.column)?;
        let machine_at = column(&mapping.machine.column)?;
        let mut values = Vec::new();
        for (name, code) in &mapping.values {
            values.push((column(name)?, code.as_str()));
        }
        let mut records = Self::default();
        let mut slots_by_machine: HashMap<String, Vec<usize>> = HashMap::new();
        let mut seen = HashSet::new();
        for (index, row) in csv.records().enumerate() {
            let row = row?;
            let fault = |what: String| MappingError::Row { row: index as u64 + 2, what };
            let (time, machine) = (&row[time_at], &row[machine_at]);
            let timestamp_us = mapping
                .timestamp
                .parse(time)
                .ok_or_else(|| fault(format!("{time:?} does not fit the format {:?}", mapping.timestamp.format)))?;
            records.summary.records += 1;
            if !slots_by_machine.contains_key(machine) {
                let slots = records.enter_machine(machine, mapping, &values, plant)?;
                slots_by_machine.insert(machine.to_owned(), slots);
            }
            let Some(slots) = slots_by_machine.get(machine) else { continue };
            if !seen.insert((slots.first().copied(), timestamp_us)) {
                records.summary.repeated_records += 1;
                continue;
            }
            for (&(at, _), &slot) in values.iter().zip(slots) {
                records.cell(row.get(at).unwrap_or_default().trim(), slot, timestamp_us);
            }
        }
        records.readings.sort_by_key(|reading| reading.timestamp_us);
        records.summary.readings = records.readings.len() as u64;
        Ok(records)
    }

    /// The slots of a machine's value columns, in the columns' order.
    fn enter_machine(
        &mut self,
        cell: &str,
        mapping: &Mapping,
        values: &[(usize, &str)],
        plant: &Plant,
    ) -> Result<Vec<usize>, MappingError> {
        let machine_id = mapping.machine.id.replace("{value}", cell);
        let machine = plant.machines.iter().find(|machine| machine.machine_id == machine_id);
        let mut slots = Vec::new();
        for (_, code) in values {
            let sensor = machine
                .and_then(|machine| plant.sensor_by_code(machine, code))
                .ok_or_else(|| MappingError::UnknownSensor { machine: machine_id.clone(), code: (*code).to_owned() })?;
            slots.push(self.sensors.len());
            self.sensors.push(sensor);
            self.sensor_ids.push(plant.sensors[sensor].sensor_id.clone());
        }
        Ok(slots)
    }

    fn cell(&mut self, cell: &str, slot: usize, timestamp_us: i64) {
        if cell.is_empty() {
            self.summary.empty_cells += 1;
            return;
        }
        let Some(value) = cell.parse::<f64>().ok().filter(|value| value.is_finite()) else {
            self.summary.cells_not_a_number += 1;
            return;
        };
        if cell.split_once('.').is_some_and(|(_, decimals)| decimals.len() > 4) {
            self.summary.rounded += 1;
        }
        self.readings.push(Reading { slot, timestamp_us, value_e4: to_e4(value) });
    }

    /// The first and last source time.
    pub fn range_us(&self) -> Option<(i64, i64)> {
        Some((self.readings.first()?.timestamp_us, self.readings.last()?.timestamp_us))
    }

    /// Moves all times by the same whole number of milliseconds, so that the last is at `now_us`.
    pub fn shift_to(&mut self, now_us: i64) {
        let Some((_, last_us)) = self.range_us() else { return };
        let shift_us = (now_us - last_us).div_euclid(1_000) * 1_000;
        self.summary.shifted_us = shift_us;
        for reading in &mut self.readings {
            reading.timestamp_us += shift_us;
        }
    }

    /// One list for each connection; a sensor stays on one of them, and so does a machine as long as there are enough.
    pub fn split(self, connections: usize) -> Vec<Vec<Reading>> {
        let parts = connections.clamp(1, self.sensors.len().max(1));
        let mut lists: Vec<Vec<Reading>> = vec![Vec::new(); parts];
        for reading in self.readings {
            lists[reading.slot * parts / self.sensors.len()].push(reading);
        }
        lists
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPING: &str = "[timestamp]\ncolumn = \"when\"\n[machine]\ncolumn = \"who\"\nid = \"MCH-{value}\"\n\
                           [values]\nhot = \"TEMP-0\"\nloud = \"VIBR-1\"\n";

    fn mapping() -> Mapping {
        toml::from_str(MAPPING).expect("valid")
    }

    fn parse(csv: &str) -> Result<Records, MappingError> {
        Records::parse(csv.as_bytes(), &mapping(), &Plant::synthetic(2, 2))
    }

    const CSV: &str = "who,when,loud,hot,extra\n\
                       0001,2014-06-01T00:10:00+02:00,2.5,,x\n\
                       0000,2014-06-01T00:00:00+02:00,1.23456,-7,x\n\
                       0000,2014-06-01T00:00:00+02:00,9,9,x\n\
                       0000,2014-06-01T00:20:00+02:00,much,8,x\n";

    #[test]
    fn cells_find_their_sensors_and_what_is_left_out_is_counted() {
        let records = parse(CSV).expect("readable");
        let summary = &records.summary;
        assert_eq!((summary.records, summary.readings), (4, 4));
        assert_eq!((summary.empty_cells, summary.cells_not_a_number, summary.repeated_records), (1, 1, 1));
        assert_eq!(summary.rounded, 1);
        let named: Vec<(&str, i64, i64)> = records
            .readings
            .iter()
            .map(|r| (records.sensor_ids[r.slot].as_str(), r.timestamp_us / 60_000_000 % 60, r.value_e4))
            .collect();
        assert_eq!(
            named,
            [
                ("SNS-000000", 0, -70_000),
                ("SNS-000001", 0, 12_346),
                ("SNS-000003", 10, 25_000),
                ("SNS-000000", 20, 80_000)
            ]
        );
    }

    #[test]
    fn the_shift_moves_the_last_record_to_now_and_keeps_the_spacing() {
        let mut records = parse(CSV).expect("readable");
        let before: Vec<i64> = records.readings.iter().map(|r| r.timestamp_us).collect();
        let now_us = 1_800_000_000_123_456;
        records.shift_to(now_us);
        let (_, last_us) = records.range_us().expect("readings");
        assert!((0..1_000).contains(&(now_us - last_us)));
        for (old, new) in before.iter().zip(&records.readings) {
            assert_eq!(new.timestamp_us - old, records.summary.shifted_us);
        }
    }

    #[test]
    fn a_machine_stays_on_one_connection() {
        let lists = parse(CSV).expect("readable").split(2);
        assert_eq!(lists.iter().map(Vec::len).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn unknown_columns_machines_and_times_are_refused_with_their_names() {
        assert!(matches!(parse("who,when,hot\n"), Err(MappingError::NoColumn(name)) if name == "loud"));
        let unknown = parse("who,when,hot,loud\n9,2014-06-01T00:00:00Z,1,1\n");
        assert!(matches!(unknown, Err(MappingError::UnknownSensor { machine, .. }) if machine == "MCH-9"));
        let untimely = parse("who,when,hot,loud\n0000,yesterday,1,1\n");
        assert!(matches!(untimely, Err(MappingError::Row { row: 2, .. })));
    }

    #[test]
    fn the_shipped_month_is_complete() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mapping = Mapping::load(&folder.join("../config/loadtest/replay_la_haute_borne.toml")).expect("valid");
        let mut plant = Plant::default();
        for name in ["R80711", "R80721", "R80736", "R80790"] {
            let mut synthetic = Plant::synthetic(1, mapping.values.len());
            let first = plant.sensors.len();
            for (sensor, code) in synthetic.sensors.iter_mut().zip(mapping.values.values()) {
                sensor.machine = plant.machines.len();
                sensor.sensor_id = format!("{name}-{code}");
                sensor.sensor_code.clone_from(code);
            }
            plant.sensors.append(&mut synthetic.sensors);
            let mut machine = synthetic.machines.remove(0);
            machine.machine_id = format!("WT-{name}");
            machine.sensors = first..plant.sensors.len();
            plant.machines.push(machine);
        }
        let file = folder.join("data/la_haute_borne_2014_06.csv.gz");
        let records = Records::read(&file, &mapping, &plant).expect("readable");
        // Thirty days, every ten minutes, four turbines.
        assert_eq!(records.summary.records, 30 * 144 * 4);
        assert_eq!(records.summary.readings + records.summary.empty_cells, 30 * 144 * 4 * 7);
        assert_eq!(records.summary.repeated_records, 0);
    }
}
