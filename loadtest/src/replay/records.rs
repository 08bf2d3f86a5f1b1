//! A CSV file becomes readings, in order of time.
//!
//! What is left out is counted, and of what somebody may have meant as a value the first examples are kept with line and
//! column: cells that are no number, rows whose time or machine cannot be read, records that contradict an earlier one of
//! the same machine and time: two values for one moment cannot both be right, and which one is stored would depend on the
//! server's same-timestamp rule. Empty cells, and records that are there twice, are nobody's loss. The hour that a clock shows
//! twice, when summer ends, is told apart by the order of the rows.

use super::cells::{Moment, TimeFormat};
use super::fold::Series;
use super::layout::{Cell, Columns, Values};
use super::mapping::{Mapping, MappingError, Skipped};
use super::text::{self, Row};
use crate::load::payload::Reading;
use crate::plant::Plant;
use crate::plant::signal::to_e4;
use crate::say::say;
use csv::StringRecord;
use serde::Serialize;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

const EXAMPLES_MAX: usize = 5;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub file: String,
    pub records: u64,
    pub readings: u64,
    pub empty_cells: u64,
    /// Not sent although the file has them; the sum of the next three, in values.
    pub skipped_values: u64,
    pub cells_not_a_number: u64,
    /// Records, without a time or a machine that can be read.
    pub records_unreadable: u64,
    /// Records, with other values than an earlier one of the same machine and time.
    pub records_contradicting: u64,
    /// The first of what was skipped.
    pub examples: Vec<Skipped>,
    /// There twice with the same values.
    pub repeated_records: u64,
    /// Values with more than the four decimals that the table holds.
    pub rounded: u64,
    /// Readings that the mirror does not keep, so that nobody expects them there.
    pub older_than_mirror_keeps: u64,
    /// Added to every source time, microseconds.
    pub shifted_us: i64,
}

impl Summary {
    fn skip(&mut self, row: &Row, column: &str, value: &str, why: impl Into<String>) {
        if self.examples.len() < EXAMPLES_MAX {
            let (file, column, value) = (self.file.clone(), column.to_owned(), value.to_owned());
            let why = why.into();
            self.examples.push(Skipped { file, line: row.line, column, value, why });
        }
    }

    /// What a reader of the counts above needs to know of the file.
    pub fn print(&self) {
        say!(
            "  {}: {} records, {} readings; {} cells empty, {} values skipped, {} records there twice",
            self.file,
            self.records,
            self.readings,
            self.empty_cells,
            self.skipped_values,
            self.repeated_records
        );
        if self.older_than_mirror_keeps > 0 {
            say!("  {} readings are older than MongoDB keeps them: not expected there", self.older_than_mirror_keeps);
        }
    }

    /// Why a replay that left values out has not passed.
    pub fn problem(&self) -> Option<String> {
        let examples: Vec<String> = self.examples.iter().map(ToString::to_string).collect();
        (self.skipped_values > 0).then(|| {
            format!(
                "{} values of the file were not sent ({} cells no number, {} records without a readable time or machine, {} \
                 contradicting ones): {}; mend the file or the mapping, or name what means no value in no_value",
                self.skipped_values,
                self.cells_not_a_number,
                self.records_unreadable,
                self.records_contradicting,
                examples.join("; ")
            )
        })
    }
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

fn digest(row: &Row, cells: &[Cell<'_>]) -> u64 {
    let mut digest = DefaultHasher::new();
    cells.iter().for_each(|(_, at, _)| Columns::cell(row, *at).hash(&mut digest));
    digest.finish()
}

/// What is known of the file and of its machines so far.
struct Known<'m> {
    columns: Columns<'m>,
    format: TimeFormat,
    mapping: &'m Mapping,
    plant: &'m Plant,
    /// By the cell that names the machine.
    slots: HashMap<String, Vec<usize>>,
    /// By the first slot of a record: the order of its times.
    series: HashMap<usize, Series>,
    /// By first slot and time.
    digests: HashMap<(usize, i64), u64>,
}

impl Records {
    pub fn read(path: &Path, mapping: &Mapping, plant: &Plant) -> Result<Self, MappingError> {
        Self::parse(&text::read(path)?, &path.display().to_string(), mapping, plant)
    }

    pub(super) fn parse(text: &str, file: &str, mapping: &Mapping, plant: &Plant) -> Result<Self, MappingError> {
        let mut rows = text::rows(text, mapping.delimiter);
        let mut header = StringRecord::new();
        if mapping.header_line > 0 {
            let found = rows.find(|row| row.as_ref().map_or(true, |row| row.line >= mapping.header_line));
            header = found.transpose()?.ok_or(MappingError::NoHeader(mapping.header_line))?.cells;
        }
        let columns = Columns::find(mapping, &header)?;
        let mut records = Self::default();
        records.summary.file = file.to_owned();
        let format = mapping.time_format();
        let (slots, series, digests) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut known = Known { columns, format, mapping, plant, slots, series, digests };
        for row in rows {
            let row = row?;
            if row.line >= mapping.first_line() && row.cells.iter().any(|cell| !cell.is_empty()) {
                records.take(&row, &mut known)?;
            }
        }
        records.readings.sort_by_key(|reading| reading.timestamp_us);
        records.summary.readings = records.readings.len() as u64;
        match records.summary.examples.first() {
            Some(example) if records.readings.is_empty() => Err(MappingError::NothingRead { example: example.clone() }),
            _ => Ok(records),
        }
    }

    fn take(&mut self, row: &Row, known: &mut Known<'_>) -> Result<(), MappingError> {
        self.summary.records += 1;
        let (time, mapping) = (known.columns.time(row), known.mapping);
        let time_column = || mapping.timestamp.column.join(" + ");
        let (first_us, second_us) = match known.format.moment(&time) {
            Some(Moment::At(at_us)) => (at_us, None),
            Some(Moment::Twice(first_us, second_us)) => (first_us, Some(second_us)),
            None => {
                self.unreadable(row, known, &time_column(), &time, "is no time in the mapping's format");
                return Ok(());
            }
            Some(Moment::Never(from, to)) => {
                let why = format!(
                    "is a time that {} does not have: its clocks go from {} to {} that day; write the zone of the logger's \
                     clock",
                    known.format.zone,
                    from.format("%H:%M"),
                    to.format("%H:%M")
                );
                self.unreadable(row, known, &time_column(), &time, why);
                return Ok(());
            }
        };
        let machine = known.columns.machine.map_or("", |at| Columns::cell(row, at));
        if let (Some(column), "") = (&mapping.machine.column, machine) {
            self.unreadable(row, known, column, machine, "names no machine");
            return Ok(());
        }
        let Some(cells) = known.columns.cells(row) else {
            if let (Some(long), Values::Long { tag, .. }) = (&mapping.long, &known.columns.values) {
                let why = "is no tag of the mapping; name it in [values], or in ignore of [long]";
                self.unreadable(row, known, &long.tag, Columns::cell(row, *tag), why);
            }
            return Ok(());
        };
        let Some(&(of, ..)) = cells.first() else { return Ok(()) };
        if !known.slots.contains_key(machine) {
            let slots = self.enter_machine(machine, known)?;
            known.slots.insert(machine.to_owned(), slots);
        }
        let Some(slots) = known.slots.get(machine) else { return Ok(()) };
        let timestamp_us = known.series.entry(slots[of]).or_default().instant(first_us, second_us);
        let digest = digest(row, &cells);
        match known.digests.insert((slots[of], timestamp_us), digest) {
            Some(earlier) if earlier == digest => self.summary.repeated_records += 1,
            Some(earlier) => {
                known.digests.insert((slots[of], timestamp_us), earlier);
                self.summary.records_contradicting += 1;
                self.summary.skipped_values += known.columns.filled(row);
                let why = match second_us {
                    Some(_) => {
                        "comes twice that day, and the order of the rows does not tell which it is; give times with an offset"
                    }
                    None => "has other values than an earlier record of this machine and time",
                };
                self.summary.skip(row, &time_column(), &time, why);
            }
            None => {
                for (number, at, name) in cells {
                    self.cell(row, Columns::cell(row, at), name, mapping, (slots[number], timestamp_us));
                }
            }
        }
        Ok(())
    }

    fn unreadable(&mut self, row: &Row, known: &Known<'_>, column: &str, value: &str, why: impl Into<String>) {
        self.summary.records_unreadable += 1;
        self.summary.skipped_values += known.columns.filled(row);
        self.summary.skip(row, column, value, why);
    }

    /// The slots of a machine's value columns, in the columns' order.
    fn enter_machine(&mut self, cell: &str, known: &Known<'_>) -> Result<Vec<usize>, MappingError> {
        let (plant, machine_id) = (known.plant, known.mapping.machine.id_of(cell));
        let machine = plant.machines.iter().find(|machine| machine.machine_id == machine_id);
        let mut slots = Vec::new();
        for code in &known.columns.codes {
            let sensor = machine
                .and_then(|machine| plant.sensor_by_code(machine, code))
                .ok_or_else(|| MappingError::UnknownSensor { machine: machine_id.clone(), code: (*code).to_owned() })?;
            slots.push(self.sensors.len());
            self.sensors.push(sensor);
            self.sensor_ids.push(plant.sensors[sensor].sensor_id.clone());
        }
        Ok(slots)
    }

    fn cell(&mut self, row: &Row, cell: &str, column: &str, mapping: &Mapping, (slot, timestamp_us): (usize, i64)) {
        if cell.is_empty() || mapping.no_value.iter().any(|word| word == cell) {
            self.summary.empty_cells += 1;
            return;
        }
        let Some(value) = mapping.marks().number(cell) else {
            self.summary.cells_not_a_number += 1;
            self.summary.skipped_values += 1;
            self.summary.skip(row, column, cell, "is no number that the table holds");
            return;
        };
        if cell.split_once(mapping.decimal).is_some_and(|(_, decimals)| decimals.len() > 4) {
            self.summary.rounded += 1;
        }
        self.readings.push(Reading { slot, timestamp_us, value_e4: to_e4(value) });
    }

    /// `sensor seconds value`, a line each: for tests.
    #[cfg(test)]
    pub(super) fn listed(&self) -> String {
        let line = |r: &Reading| {
            format!("{} {} {}\n", self.sensor_ids[r.slot], r.timestamp_us / 1_000_000, r.value_e4 as f64 / 1e4)
        };
        self.readings.iter().map(line).collect()
    }

    /// How many readings are older than a time.
    pub fn older_than(&self, time_us: i64) -> u64 {
        self.readings.partition_point(|reading| reading.timestamp_us < time_us) as u64
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
        Records::parse(csv, "f.csv", &mapping(), &Plant::synthetic(2, 2))
    }

    const CSV: &str = "who,when,loud,hot,extra\n\
                       0001,2014-06-01T00:10:00+02:00,2.5,,x\n\
                       0000,2014-06-01T00:00:00+02:00,1.23456,-7,x\n\
                       0000,2014-06-01T00:00:00+02:00,9,9,x\n\
                       0000,2014-06-01T00:20:00+02:00,much,8,x\n\
                       0001,2014-06-01T00:10:00+02:00,2.5,,y\n\
                       0000,later,1,2,x\n";

    #[test]
    fn cells_find_their_sensors_and_what_is_left_out_is_counted() {
        let records = parse(CSV).expect("readable");
        let summary = &records.summary;
        assert_eq!((summary.records, summary.readings), (6, 4));
        assert_eq!((summary.empty_cells, summary.cells_not_a_number, summary.repeated_records), (1, 1, 1));
        assert_eq!((summary.records_contradicting, summary.records_unreadable, summary.skipped_values), (1, 1, 5));
        let told = summary.problem().expect("values were left out");
        for part in [
            "5 values",
            "f.csv:4, column when: \"2014-06-01T00:00:00+02:00\"",
            "column loud: \"much\"",
            "f.csv:7, column when: \"later\"",
        ] {
            assert!(told.contains(part), "{told}");
        }
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
    fn the_hour_that_comes_twice_is_two_and_the_one_that_does_not_come_is_named() {
        let text = MAPPING.replace("\"when\"", "\"when\"\nformat = \"%Y-%m-%d %H:%M\"\nzone = \"Europe/Berlin\"");
        let mapping = Mapping::parse(&text, Path::new("m.toml")).expect("valid");
        let parse = |rows: &[&str]| {
            let rows: String = rows.iter().map(|row| format!("0000,{row},\n")).collect();
            let csv = format!("who,when,hot,loud\n{rows}");
            Records::parse(&csv, "f.csv", &mapping, &Plant::synthetic(2, 2)).expect("readable")
        };
        let autumn = parse(&["2024-10-27 02:00,1", "2024-10-27 02:30,2", "2024-10-27 02:00,3", "2024-10-27 02:30,4"]);
        let times: Vec<i64> = autumn.readings.iter().map(|r| r.timestamp_us / 1_000_000 - 1_729_987_200).collect();
        assert_eq!((times, autumn.summary.problem()), (vec![0, 1_800, 3_600, 5_400], None));
        let spring = parse(&["2024-03-31 01:30,1", "2024-03-31 02:30,2", "2024-03-31 03:30,3"]);
        let told = spring.summary.problem().expect("one does not exist");
        let gap = "f.csv:3, column when: \"2024-03-31 02:30\" is a time that Europe/Berlin does not have: its clocks go from \
                   02:00 to 03:00 that day";
        assert!(told.contains(gap) && spring.summary.readings == 2, "{told}");
    }

    #[test]
    fn a_row_for_each_value_finds_its_sensor_and_an_unknown_tag_is_told() {
        let text = "[timestamp]\ncolumn = \"t\"\n[machine]\nid = \"MCH-0000\"\n[long]\ntag = \"tag\"\nvalue = \"v\"\n\
                    ignore = [\"S\"]\n[values]\nA = \"TEMP-0\"\nB = \"VIBR-1\"\n";
        let mapping = Mapping::parse(text, Path::new("m.toml")).expect("valid");
        let rows = "t,tag,v\n2024-01-01T00:00:00Z,A,1\n2024-01-01T00:00:00Z,B,2\n2024-01-01T00:00:00Z,S,on\n\
                    2024-01-01T00:00:00Z,A,1\n2024-01-01T00:00:00Z,B,3\n2024-01-01T00:00:01Z,C,4\n";
        let records = Records::parse(rows, "f.csv", &mapping, &Plant::synthetic(2, 2)).expect("readable");
        let summary = &records.summary;
        assert_eq!((summary.readings, summary.repeated_records, summary.records_contradicting), (2, 1, 1));
        assert_eq!((summary.skipped_values, summary.records_unreadable), (2, 1));
        let told = summary.problem().expect("two were left out");
        assert!(told.contains("f.csv:7, column tag: \"C\" is no tag of the mapping"), "{told}");
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
        assert!(matches!(parse("who,when,hot\n"), Err(MappingError::NoColumn { name, .. }) if name == "loud"));
        let unknown = parse("who,when,hot,loud\n9,2014-06-01T00:00:00Z,1,1\n");
        assert!(matches!(unknown, Err(MappingError::UnknownSensor { machine, .. }) if machine == "MCH-9"));
        let untimely = parse("who,when,hot,loud\n0000,yesterday,1,1\n");
        assert!(matches!(untimely, Err(MappingError::NothingRead { example }) if example.line == 2));
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
