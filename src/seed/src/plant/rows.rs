//! The rows of the plant group: factories, lines, machines, sensors, and by [`people`](super::people) shifts, staff,
//! products and customers. The wind farm's rows follow those of the plants in each table.

use super::PlantSize;
use super::base::{CREATED_AT, days_before_base, factory_id, line_id, machine_id, random, site, with_turbines};
use super::layout::Layout;
use super::load::{Row, Table};
use super::words::SITES;
use super::{people, turbines};
use rand::RngExt;

/// All tables in the order in which their foreign keys allow them to be loaded.
pub(super) fn tables(size: PlantSize) -> Vec<Table<'static>> {
    let layout = Layout { size };
    let mut tables = vec![factories(layout), lines(layout), machines(layout), sensors(layout)];
    tables.extend(people::tables(layout));
    tables
}

pub(super) const FACTORY_COLUMNS: &[&str] = &[
    "factory_id",
    "factory_name",
    "country",
    "city",
    "region",
    "timezone",
    "total_area_sqm",
    "operational_since",
    "factory_type",
    "certification",
    "status",
    "created_at",
];

fn factories(layout: Layout) -> Table<'static> {
    let own = |number: u64, row: &mut Row<'_>| {
        let site = site(number);
        // The list of sites is gone through again for larger groups.
        let again = number / SITES.len() as u64;
        let name = if again == 0 { site.name.to_owned() } else { format!("{} {}", site.name, again + 1) };
        row.text(&factory_id(number)).text(&name).text(site.country).text(site.city).text(site.region);
        row.text(site.timezone).value(site.area_sqm).value(format_args!("{}-{:02}-01", site.since.0, site.since.1));
        row.text(site.kind).text(site.certification).text("active").text(CREATED_AT);
    };
    with_turbines("factories", FACTORY_COLUMNS, layout.size.factories.into(), 1, own, turbines::factory)
}

pub(super) const LINE_COLUMNS: &[&str] = &[
    "line_id",
    "factory_id",
    "line_name",
    "line_number",
    "product_category",
    "line_type",
    "design_capacity_units_per_hour",
    "installed_capacity_units_per_hour",
    "line_length_meters",
    "num_stations",
    "automation_level",
    "commissioning_date",
    "status",
    "created_at",
];

fn lines(layout: Layout) -> Table<'static> {
    let own = move |number: u64, row: &mut Row<'_>| {
        let mut random = random(layout.size.seed, 1, number);
        let kind = layout.line_kind(number);
        let stations = layout.machines_of_line(number);
        let in_factory = layout.number_in_factory(number);
        let installed = f64::from(kind.units_per_hour) * random.random_range(0.88..1.0);
        row.text(&line_id(number)).text(&factory_id(layout.factory_of_line(number)));
        row.text(&format!("{} {in_factory}", kind.name)).value(in_factory).text(kind.category).text(kind.line_type);
        row.value(kind.units_per_hour).value(installed as i32);
        row.decimal(stations as f64 * random.random_range(4.5..9.5), 2).value(stations).text(kind.automation);
        row.value(days_before_base(random.random_range(400..5_500))).text("active").text(CREATED_AT);
    };
    with_turbines("production_lines", LINE_COLUMNS, layout.size.lines.into(), 1, own, turbines::line)
}

pub(super) const MACHINE_COLUMNS: &[&str] = &[
    "machine_id",
    "line_id",
    "factory_id",
    "machine_name",
    "machine_code",
    "machine_type",
    "manufacturer",
    "model_number",
    "serial_number",
    "installation_date",
    "last_major_overhaul",
    "design_capacity_units_per_hour",
    "power_rating_kw",
    "maintenance_schedule",
    "criticality",
    "asset_value_usd",
    "expected_life_years",
    "current_age_years",
    "status",
    "created_at",
];

fn machines(layout: Layout) -> Table<'static> {
    let own = move |number: u64, row: &mut Row<'_>| {
        let mut random = random(layout.size.seed, 2, number);
        let place = layout.machine(number);
        let (kind, position) = (place.kind, place.position);
        let (maker, model) = kind.makers[random.random_range(0..kind.makers.len())];
        let age_days = random.random_range(200..u64::from(kind.life_years.unsigned_abs()) * 300);
        row.text(&machine_id(number)).text(&line_id(place.line)).text(&factory_id(place.factory));
        row.text(&format!("{} {position}", kind.name));
        row.text(&format!("{}-{:02}-{position:02}", kind.code, place.line + 1)).text(kind.name);
        row.text(maker).text(model).value(format_args!("{}{:07}", kind.code, random.random_range(1..10_000_000_u32)));
        row.value(days_before_base(age_days));
        // Half way through every five years a machine is taken apart.
        match (age_days * 2 / 1_826, age_days * 2 % 1_826) {
            (0, _) => row.empty(),
            (_, since) => row.value(days_before_base(since / 2)),
        };
        row.value(layout.line_kind(place.line).units_per_hour);
        row.decimal(kind.power_kw * random.random_range(0.9..1.15), 2);
        row.text(["weekly", "monthly", "monthly", "quarterly"][random.random_range(0..4)]);
        row.text(["low", "medium", "medium", "high", "critical"][random.random_range(0..5)]);
        row.decimal(kind.value_usd * random.random_range(0.85..1.25), 2).value(kind.life_years);
        row.decimal(age_days as f64 / 365.25, 2).text("active").text(CREATED_AT);
    };
    with_turbines("machines", MACHINE_COLUMNS, layout.size.machines.into(), turbines::TURBINES, own, turbines::machine)
}

pub(super) const SENSOR_COLUMNS: &[&str] = &[
    "sensor_id",
    "machine_id",
    "line_id",
    "factory_id",
    "sensor_name",
    "sensor_code",
    "sensor_type",
    "measurement_unit",
    "measurement_range_min",
    "measurement_range_max",
    "normal_operating_min",
    "normal_operating_max",
    "warning_threshold_min",
    "warning_threshold_max",
    "critical_threshold_min",
    "critical_threshold_max",
    "sampling_frequency_hz",
    "data_protocol",
    "manufacturer",
    "model_number",
    "calibration_date",
    "calibration_frequency_days",
    "accuracy_percentage",
    "status",
    "created_at",
];

fn sensors(layout: Layout) -> Table<'static> {
    let own = move |number: u64, row: &mut Row<'_>| {
        let mut random = random(layout.size.seed, 3, number);
        let place = layout.sensor(number);
        let machine = layout.machine(place.machine);
        let (point, quantity) = (place.point, place.point.quantity);
        let again = if place.round == 0 { String::new() } else { format!(" {}", place.round + 1) };
        row.value(format_args!("SEN-{:06}", number + 1)).text(&machine_id(place.machine));
        row.text(&line_id(machine.line)).text(&factory_id(machine.factory));
        row.text(&format!("{} {}{again}", point.place, quantity.sensor_type.replace('_', " ")));
        row.text(&format!("{}-{}", quantity.code, place.number)).text(quantity.sensor_type).text(quantity.unit);
        row.decimal(point.range.0, 4).decimal(point.range.1, 4);
        // No two machines run alike: the band of good operation is narrower than the kind's by up to a tenth.
        let width = point.normal.1 - point.normal.0;
        row.decimal(point.normal.0 + width * random.random_range(0.0..0.05), 4);
        row.decimal(point.normal.1 - width * random.random_range(0.0..0.05), 4);
        row.optional(point.warning.0, 4).optional(point.warning.1, 4);
        row.optional(point.critical.0, 4).optional(point.critical.1, 4).decimal(quantity.sampling_hz, 2);
        row.text(["MQTT", "MQTT", "OPC-UA", "Modbus TCP"][random.random_range(0..4)]);
        let (maker, model) = quantity.makers[random.random_range(0..quantity.makers.len())];
        row.text(maker).text(model);
        // One in twenty is overdue.
        let since = random.random_range(0..u64::from(quantity.calibration_days.unsigned_abs()) * 20 / 19);
        row.value(days_before_base(since)).value(quantity.calibration_days);
        row.decimal(quantity.accuracy_percent, 2).text("active").text(CREATED_AT);
    };
    with_turbines("sensors", SENSOR_COLUMNS, layout.size.sensors.into(), turbines::SENSORS, own, turbines::sensor)
}
