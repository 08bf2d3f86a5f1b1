//! The wind farm La Haute Borne (Meuse, France; operator ENGIE): four Senvion MM82 turbines of 2,050 kW, whose SCADA
//! records of 2014 and 2015 ENGIE published as open data (Licence Ouverte). Machine and signal names are those of the
//! records, so that a replay finds its sensors by machine and code.
//!
//! Ranges and limits from the records themselves and the turbine's data sheet: a thermometer at -273 degrees is outside
//! its range, as it happened in reality; a pitch or a vane angle has no limit to fear.

use super::base::CREATED_AT;
use super::load::Row;

pub(super) const FACTORY_ID: &str = "FAC-LHB";
pub(super) const LINE_ID: &str = "LINE-LHB";
pub(super) const TURBINES: u64 = 4;
pub(super) const SENSORS: u64 = TURBINES * SIGNALS.len() as u64;

const NAMES: [&str; TURBINES as usize] = ["R80711", "R80721", "R80736", "R80790"];

struct Signal {
    code: &'static str,
    name: &'static str,
    sensor_type: &'static str,
    unit: &'static str,
    range: (f64, f64),
    normal: (f64, f64),
    warning: (Option<f64>, Option<f64>),
    critical: (Option<f64>, Option<f64>),
}

const NONE: (Option<f64>, Option<f64>) = (None, None);

const fn signal(
    code: &'static str,
    name: &'static str,
    sensor_type: &'static str,
    unit: &'static str,
    range: (f64, f64),
    normal: (f64, f64),
) -> Signal {
    Signal { code, name, sensor_type, unit, range, normal, warning: NONE, critical: NONE }
}

const SIGNALS: [Signal; 7] = [
    signal("Ba_avg", "Blade pitch angle", "position", "deg", (-180.0, 360.0), (-2.0, 90.0)),
    // Rated 2,050 kW; a standing turbine draws up to 18 kW.
    Signal {
        warning: (None, Some(2_100.0)),
        critical: (None, Some(2_250.0)),
        ..signal("P_avg", "Active power", "power", "kW", (-100.0, 2_500.0), (-20.0, 2_060.0))
    },
    // Cut-out at 25 m/s.
    Signal {
        warning: (None, Some(22.0)),
        critical: (None, Some(25.0)),
        ..signal("Ws_avg", "Wind speed", "wind_speed", "m/s", (0.0, 60.0), (0.0, 18.0))
    },
    signal("Va_avg", "Vane position", "position", "deg", (-180.0, 180.0), (-25.0, 25.0)),
    Signal {
        warning: (Some(-20.0), Some(40.0)),
        critical: (Some(-30.0), Some(50.0)),
        ..signal("Ot_avg", "Outdoor temperature", "temperature", "C", (-50.0, 80.0), (-10.0, 36.0))
    },
    signal("Ya_avg", "Nacelle angle", "position", "deg", (0.0, 360.0), (0.0, 360.0)),
    signal("Wa_avg", "Absolute wind direction", "wind_direction", "deg", (0.0, 360.0), (0.0, 360.0)),
];

fn machine_id(turbine: &str) -> String {
    format!("WT-{turbine}")
}

pub(super) fn factory(_number: u64, row: &mut Row<'_>) {
    row.text(FACTORY_ID).text("La Haute Borne Wind Farm (ENGIE)").text("France").text("Vaudeville-le-Haut");
    row.text("Meuse, Grand Est").text("Europe/Paris").empty().text("2009-01-01").text("wind farm").empty();
    row.text("active").text(CREATED_AT);
}

pub(super) fn line(_number: u64, row: &mut Row<'_>) {
    row.text(LINE_ID).text(FACTORY_ID).text("La Haute Borne turbines").value(1).text("Electrical energy");
    // A unit is a kilowatt-hour.
    row.text("wind park").value(8_200).value(8_200).empty().value(TURBINES).text("automatic").text("2009-01-01");
    row.text("active").text(CREATED_AT);
}

pub(super) fn machine(number: u64, row: &mut Row<'_>) {
    let name = NAMES[(number % TURBINES) as usize];
    row.text(&machine_id(name)).text(LINE_ID).text(FACTORY_ID).text(&format!("Wind turbine {name}")).text(name);
    row.text("Wind turbine").text("Senvion").text("MM82").empty().text("2009-01-01").empty().value(2_050);
    row.decimal(2_050.0, 2).text("quarterly").text("high").empty().value(20).empty().text("active").text(CREATED_AT);
}

pub(super) fn sensor(number: u64, row: &mut Row<'_>) {
    let signals = SIGNALS.len() as u64;
    let (turbine, signal) = (NAMES[(number / signals % TURBINES) as usize], &SIGNALS[(number % signals) as usize]);
    row.text(&format!("SEN-{turbine}-{}", signal.code)).text(&machine_id(turbine)).text(LINE_ID).text(FACTORY_ID);
    row.text(&format!("{} (10 min mean)", signal.name)).text(signal.code).text(signal.sensor_type).text(signal.unit);
    row.decimal(signal.range.0, 4).decimal(signal.range.1, 4).decimal(signal.normal.0, 4).decimal(signal.normal.1, 4);
    row.optional(signal.warning.0, 4).optional(signal.warning.1, 4);
    row.optional(signal.critical.0, 4).optional(signal.critical.1, 4);
    // One value in 600 s is 0.00 Hz in this column's two places: left empty.
    row.empty().text("SCADA").empty().empty().empty().empty().empty().text("active").text(CREATED_AT);
}
