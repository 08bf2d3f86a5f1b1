//! The plant as the history sees it: the stream's own catalogue, made of the rows that `genims seed plant` writes, and
//! what the simulation needs besides. No database is asked.

use crate::plant::{self, PlantSize};
use crate::value::days;
use chrono::{NaiveDate, NaiveTime};
use genims_catalogue::shifts::{FactoryShifts, Shift, ShiftCalendar};
use genims_catalogue::{Catalogue, Limits, Machine, Sensor};
use std::collections::HashMap;

/// What the catalogue does not say of a sensor.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub normal: (f64, f64),
}

/// What the catalogue does not say of a machine.
#[derive(Clone, Debug)]
pub(super) struct Station {
    pub power_kw: f64,
    /// The numbers of its sensors.
    pub sensors: Vec<u32>,
    /// Who repairs it, and who works at it in the shifts A, B and C.
    pub technicians: Vec<String>,
    pub operators: Vec<(char, String)>,
}

/// Sensors and machines have the numbers of their rows, from 0.
#[derive(Debug)]
pub(super) struct Site {
    pub catalogue: Catalogue,
    pub devices: Vec<Device>,
    pub stations: Vec<Station>,
}

/// A table in COPY text form.
struct Text {
    columns: &'static [&'static str],
    lines: String,
}

/// One row of it.
struct Line<'a> {
    columns: &'static [&'static str],
    fields: Vec<&'a str>,
}

impl Text {
    fn rows(&self) -> impl Iterator<Item = Line<'_>> {
        self.lines.lines().map(|line| Line { columns: self.columns, fields: line.split('\t').collect() })
    }
}

impl Line<'_> {
    fn get(&self, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|name| *name == column)?;
        self.fields.get(at).copied().filter(|field| *field != "\\N")
    }

    fn text(&self, column: &str) -> String {
        self.get(column).unwrap_or_default().to_owned()
    }

    fn number(&self, column: &str) -> Option<f64> {
        self.get(column)?.parse().ok()
    }

    fn optional(&self, column: &str) -> Option<String> {
        self.get(column).map(str::to_owned)
    }
}

impl Site {
    pub(super) fn new(size: PlantSize) -> Self {
        let texts = plant::texts(size).into_iter().map(|(name, columns, lines)| (name, Text { columns, lines }));
        let texts: HashMap<&str, Text> = texts.collect();
        let mut site = Self { catalogue: Catalogue::default(), devices: Vec::new(), stations: Vec::new() };
        let rows = |table: &str| texts.get(table).into_iter().flat_map(Text::rows);
        let staff: Vec<Line<'_>> = rows("employees").collect();
        rows("machines").for_each(|row| site.machine(&row, &staff));
        rows("sensors").for_each(|row| site.sensor(&row));
        let mut factories: Vec<FactoryShifts> = Vec::new();
        for row in rows("factories") {
            let (factory_id, timezone) = (row.text("factory_id"), row.optional("timezone"));
            let of = |shift: &Line<'_>| shift.get("factory_id") == Some(factory_id.as_str());
            let shifts = rows("shifts").filter(of).filter_map(|shift| self::shift(&shift)).collect();
            factories.push(FactoryShifts { factory_id, timezone, shifts });
        }
        site.catalogue.shifts = ShiftCalendar::new(factories);
        site
    }

    fn machine(&mut self, row: &Line<'_>, staff: &[Line<'_>]) {
        let line = row.get("line_id");
        let on_line: Vec<&Line<'_>> = staff.iter().filter(|employee| employee.get("line_id") == line).collect();
        let technicians = on_line.iter().filter(|employee| employee.get("department") == Some("Maintenance"));
        let technicians: Vec<String> = technicians.map(|employee| employee.text("employee_id")).collect();
        let working = on_line
            .iter()
            .filter(|employee| matches!(employee.get("role"), Some("Machine operator" | "Control room operator")));
        let shift = |employee: &Line<'_>| employee.get("shift").and_then(|code| code.chars().next()).unwrap_or('A');
        let operators: Vec<(char, String)> =
            working.map(|employee| (shift(employee), employee.text("employee_id"))).collect();
        let technicians =
            if technicians.is_empty() { operators.iter().map(|(_, id)| id.clone()).collect() } else { technicians };
        let power_kw = row.number("power_rating_kw").unwrap_or(10.0);
        self.stations.push(Station { power_kw, sensors: Vec::new(), technicians, operators });
        self.catalogue.put_machine(Machine {
            machine_id: row.text("machine_id"),
            line_id: row.text("line_id"),
            factory_id: row.text("factory_id"),
            machine_code: row.optional("machine_code"),
            machine_type: row.optional("machine_type"),
            design_capacity_units_per_hour: row
                .get("design_capacity_units_per_hour")
                .and_then(|text| text.parse().ok()),
            active: true,
        });
    }

    fn sensor(&mut self, row: &Line<'_>) {
        let limits = Limits {
            range_min: row.number("measurement_range_min"),
            range_max: row.number("measurement_range_max"),
            warning_min: row.number("warning_threshold_min"),
            warning_max: row.number("warning_threshold_max"),
            critical_min: row.number("critical_threshold_min"),
            critical_max: row.number("critical_threshold_max"),
        };
        let low = row.number("normal_operating_min").or(limits.range_min).unwrap_or(0.0);
        let high = row.number("normal_operating_max").or(limits.range_max).unwrap_or(100.0);
        let calibrated = row.get("calibration_date").and_then(|text| text.parse::<NaiveDate>().ok());
        let (no, _) = self.catalogue.put_sensor(Sensor {
            sensor_id: row.text("sensor_id"),
            machine_id: row.text("machine_id"),
            line_id: row.text("line_id"),
            factory_id: row.text("factory_id"),
            unit: row.text("measurement_unit"),
            sensor_code: row.optional("sensor_code"),
            sensor_type: row.optional("sensor_type"),
            limits,
            sampling_frequency_hz: row.number("sampling_frequency_hz"),
            calibration_day: calibrated.map(days),
            calibration_frequency_days: row.get("calibration_frequency_days").and_then(|text| text.parse().ok()),
            active: true,
        });
        self.devices.push(Device { normal: (low, high) });
        if let Some(entry) = self.catalogue.sensor(no)
            && let Some(station) = self.stations.get_mut(entry.machine.0 as usize)
        {
            station.sensors.push(no.0);
        }
    }
}

fn shift(row: &Line<'_>) -> Option<Shift> {
    let time = |column: &str| NaiveTime::parse_from_str(row.get(column)?, "%H:%M").ok();
    Some(Shift { shift_id: row.text("shift_id"), start: time("start_time")?, end: time("end_time")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_the_plant_and_every_machine_has_somebody_to_repair_it() {
        let site = Site::new(PlantSize::default());
        assert_eq!((site.catalogue.sensors().len(), site.devices.len()), (1_788, 1_788));
        assert_eq!((site.catalogue.machines().len(), site.stations.len()), (239, 239));
        assert!(site.stations.iter().all(|station| !station.technicians.is_empty() && !station.sensors.is_empty()));
        let noon_us = 20_779 * 86_400_000_000 + 12 * 3_600_000_000;
        assert_eq!(site.catalogue.shifts.shift_at("FAC-01", noon_us), Some("SHF-01-A"));
    }
}
