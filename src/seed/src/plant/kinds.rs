//! Kinds of machines and the measuring points on them: units, ranges and limits as an engineer would set them.
//!
//! Vibration limits are the zone borders of ISO 20816-3 for medium machines on rigid foundations (2.8 and 4.5 mm/s RMS).

/// One measuring point. Empty limits: nothing to fear on that side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub quantity: &'static Quantity,
    pub place: &'static str,
    /// What the device can deliver.
    pub range: (f64, f64),
    /// Good operation.
    pub normal: (f64, f64),
    pub warning: (Option<f64>, Option<f64>),
    pub critical: (Option<f64>, Option<f64>),
}

/// The ten types of sensors.
#[derive(Debug)]
pub(super) struct Quantity {
    pub sensor_type: &'static str,
    pub code: &'static str,
    pub unit: &'static str,
    pub sampling_hz: f64,
    pub accuracy_percent: f64,
    pub calibration_days: i32,
    pub makers: [(&'static str, &'static str); 2],
}

macro_rules! quantity {
    ($name:ident, $kind:literal, $code:literal, $unit:literal, $hz:literal, $accuracy:literal, $days:literal, $makers:expr) => {
        static $name: Quantity = Quantity {
            sensor_type: $kind,
            code: $code,
            unit: $unit,
            sampling_hz: $hz,
            accuracy_percent: $accuracy,
            calibration_days: $days,
            makers: $makers,
        };
    };
}

quantity!(TEMPERATURE, "temperature", "TEMP", "C", 1.0, 0.5, 365, [("Endress+Hauser", "TM411"), ("ifm", "TA2502")]);
quantity!(VIBRATION, "vibration", "VIB", "mm/s", 5.0, 3.0, 365, [("ifm", "VVB001"), ("SKF", "CMSS 2200")]);
quantity!(PRESSURE, "pressure", "PRES", "bar", 2.0, 0.5, 365, [("WIKA", "A-10"), ("ifm", "PN2093")]);
quantity!(
    CURRENT,
    "electrical_current",
    "CURR",
    "A",
    2.0,
    1.0,
    730,
    [("Phoenix Contact", "MACX MCR"), ("LEM", "DK 100")]
);
quantity!(FLOW, "flow", "FLOW", "l/min", 1.0, 1.0, 365, [("ifm", "SM6020"), ("Krohne", "OPTIFLUX 1050")]);
quantity!(SPEED, "rotational_speed", "RPM", "rpm", 2.0, 0.1, 730, [("Heidenhain", "ERN 1387"), ("SICK", "DFS60")]);
quantity!(TORQUE, "torque", "TORQ", "Nm", 2.0, 0.5, 365, [("HBK", "T40B"), ("Kistler", "4503B")]);
quantity!(POSITION, "position", "POS", "mm", 2.0, 0.1, 730, [("Balluff", "BTL7"), ("Heidenhain", "LC 485")]);
quantity!(HUMIDITY, "humidity", "HUM", "%", 0.1, 2.0, 365, [("Vaisala", "HMT120"), ("Rotronic", "HF5")]);
quantity!(POWER, "power", "PWR", "kW", 1.0, 0.5, 730, [("Siemens", "SENTRON PAC3220"), ("Janitza", "UMG 96")]);

#[cfg(test)]
pub(super) static QUANTITIES: [&Quantity; 10] =
    [&TEMPERATURE, &VIBRATION, &PRESSURE, &CURRENT, &FLOW, &SPEED, &TORQUE, &POSITION, &HUMIDITY, &POWER];

/// Too little is to be feared as much as too much.
const fn both(
    quantity: &'static Quantity,
    place: &'static str,
    range: (f64, f64),
    normal: (f64, f64),
    warning: (f64, f64),
    critical: (f64, f64),
) -> Point {
    Point {
        quantity,
        place,
        range,
        normal,
        warning: (Some(warning.0), Some(warning.1)),
        critical: (Some(critical.0), Some(critical.1)),
    }
}

/// Only too much is to be feared.
const fn upper(
    quantity: &'static Quantity,
    place: &'static str,
    range: (f64, f64),
    normal: (f64, f64),
    warning: f64,
    critical: f64,
) -> Point {
    Point { quantity, place, range, normal, warning: (None, Some(warning)), critical: (None, Some(critical)) }
}

/// A kind of machine.
#[derive(Debug)]
pub(super) struct MachineKind {
    pub name: &'static str,
    pub code: &'static str,
    pub makers: [(&'static str, &'static str); 2],
    pub power_kw: f64,
    pub value_usd: f64,
    pub life_years: i32,
    pub points: &'static [Point],
}

pub(super) static MACHINING_CENTRE: MachineKind = MachineKind {
    name: "CNC machining centre",
    code: "CNC",
    makers: [("DMG MORI", "NHX 4000"), ("Mazak", "HCN-5000")],
    power_kw: 45.0,
    value_usd: 420_000.0,
    life_years: 15,
    points: &[
        upper(&TEMPERATURE, "Spindle bearing", (-20.0, 150.0), (30.0, 60.0), 72.0, 85.0),
        upper(&VIBRATION, "Spindle", (0.0, 25.0), (0.3, 1.4), 2.8, 4.5),
        both(&PRESSURE, "Hydraulic clamping", (0.0, 250.0), (55.0, 65.0), (50.0, 72.0), (42.0, 80.0)),
        upper(&CURRENT, "Spindle drive", (0.0, 160.0), (15.0, 70.0), 90.0, 110.0),
        both(&FLOW, "Coolant", (0.0, 120.0), (45.0, 60.0), (35.0, 75.0), (20.0, 90.0)),
        upper(&SPEED, "Spindle", (0.0, 20_000.0), (2_000.0, 12_000.0), 14_000.0, 16_000.0),
        upper(&POWER, "Machine", (0.0, 90.0), (8.0, 35.0), 42.0, 50.0),
        both(&POSITION, "Z axis", (-10.0, 720.0), (20.0, 680.0), (5.0, 700.0), (0.0, 710.0)),
        upper(&TORQUE, "Spindle", (0.0, 400.0), (20.0, 160.0), 210.0, 250.0),
    ],
};

pub(super) static LATHE: MachineKind = MachineKind {
    name: "CNC lathe",
    code: "LTH",
    makers: [("INDEX", "G220"), ("Okuma", "LB3000 EX")],
    power_kw: 32.0,
    value_usd: 260_000.0,
    life_years: 15,
    points: &[
        upper(&TEMPERATURE, "Headstock", (-20.0, 150.0), (30.0, 58.0), 70.0, 82.0),
        upper(&VIBRATION, "Headstock", (0.0, 25.0), (0.3, 1.4), 2.8, 4.5),
        upper(&SPEED, "Main spindle", (0.0, 8_000.0), (800.0, 4_500.0), 5_200.0, 6_000.0),
        upper(&CURRENT, "Main drive", (0.0, 120.0), (10.0, 50.0), 65.0, 80.0),
        both(&FLOW, "Coolant", (0.0, 80.0), (28.0, 40.0), (20.0, 50.0), (12.0, 60.0)),
        both(&PRESSURE, "Chuck", (0.0, 100.0), (22.0, 30.0), (18.0, 35.0), (14.0, 40.0)),
        upper(&TORQUE, "Turret", (0.0, 200.0), (10.0, 70.0), 95.0, 120.0),
    ],
};

pub(super) static PRESS: MachineKind = MachineKind {
    name: "Hydraulic press",
    code: "PRS",
    makers: [("Schuler", "MSC 800"), ("AIDA", "DSF-N2")],
    power_kw: 160.0,
    value_usd: 980_000.0,
    life_years: 25,
    points: &[
        both(&PRESSURE, "Main cylinder", (0.0, 400.0), (180.0, 260.0), (150.0, 285.0), (120.0, 310.0)),
        both(&TEMPERATURE, "Hydraulic oil", (-20.0, 120.0), (38.0, 52.0), (25.0, 60.0), (15.0, 70.0)),
        upper(&VIBRATION, "Frame", (0.0, 50.0), (0.4, 1.4), 2.8, 4.5),
        both(&POSITION, "Ram", (-5.0, 1_050.0), (40.0, 960.0), (10.0, 990.0), (0.0, 1_010.0)),
        upper(&POWER, "Main pump", (0.0, 250.0), (40.0, 130.0), 155.0, 180.0),
        both(&FLOW, "Oil cooler", (0.0, 300.0), (120.0, 170.0), (95.0, 200.0), (70.0, 230.0)),
        upper(&CURRENT, "Main pump motor", (0.0, 500.0), (90.0, 260.0), 310.0, 360.0),
        upper(&TORQUE, "Ejector drive", (0.0, 900.0), (80.0, 420.0), 520.0, 620.0),
    ],
};

pub(super) static WELDING_ROBOT: MachineKind = MachineKind {
    name: "Welding robot cell",
    code: "WLD",
    makers: [("KUKA", "KR QUANTEC"), ("FANUC", "ARC Mate 120")],
    power_kw: 28.0,
    value_usd: 190_000.0,
    life_years: 12,
    points: &[
        both(&CURRENT, "Welding", (0.0, 500.0), (160.0, 240.0), (140.0, 265.0), (115.0, 300.0)),
        upper(&TEMPERATURE, "Torch", (0.0, 400.0), (60.0, 160.0), 210.0, 260.0),
        both(&FLOW, "Shielding gas", (0.0, 40.0), (13.0, 17.0), (10.5, 20.0), (8.0, 24.0)),
        upper(&VIBRATION, "Axis 6", (0.0, 25.0), (0.3, 1.4), 2.8, 4.5),
        upper(&TORQUE, "Axis 2", (-1_500.0, 1_500.0), (100.0, 620.0), 800.0, 950.0),
        both(&PRESSURE, "Clamping air", (0.0, 16.0), (5.6, 6.4), (5.0, 7.2), (4.4, 8.0)),
        both(&POSITION, "Seam tracker", (-20.0, 20.0), (-1.5, 1.5), (-3.0, 3.0), (-6.0, 6.0)),
    ],
};

pub(super) static MOULDING_MACHINE: MachineKind = MachineKind {
    name: "Injection moulding machine",
    code: "IMM",
    makers: [("ENGEL", "duo 500"), ("ARBURG", "ALLROUNDER 720")],
    power_kw: 75.0,
    value_usd: 340_000.0,
    life_years: 15,
    points: &[
        both(&TEMPERATURE, "Barrel zone 3", (0.0, 450.0), (215.0, 235.0), (205.0, 245.0), (190.0, 262.0)),
        both(&PRESSURE, "Injection", (0.0, 2_500.0), (850.0, 1_250.0), (700.0, 1_400.0), (550.0, 1_600.0)),
        both(&TEMPERATURE, "Mould", (0.0, 200.0), (48.0, 62.0), (40.0, 70.0), (30.0, 82.0)),
        both(&FLOW, "Mould cooling", (0.0, 100.0), (32.0, 44.0), (25.0, 52.0), (16.0, 62.0)),
        both(&POSITION, "Screw", (-2.0, 320.0), (8.0, 285.0), (3.0, 300.0), (0.0, 310.0)),
        both(&HUMIDITY, "Granulate dryer", (0.0, 100.0), (8.0, 18.0), (4.0, 25.0), (1.0, 35.0)),
        upper(&POWER, "Machine", (0.0, 140.0), (18.0, 60.0), 72.0, 85.0),
        upper(&SPEED, "Screw", (0.0, 600.0), (60.0, 260.0), 320.0, 380.0),
    ],
};

pub(super) static ASSEMBLY_STATION: MachineKind = MachineKind {
    name: "Assembly station",
    code: "ASM",
    makers: [("Bosch Rexroth", "TS 2plus"), ("thyssenkrupp", "AS-410")],
    power_kw: 8.0,
    value_usd: 95_000.0,
    life_years: 12,
    points: &[
        both(&TORQUE, "Nutrunner", (0.0, 120.0), (38.0, 46.0), (35.0, 49.0), (31.0, 54.0)),
        both(&POSITION, "Press-in", (-1.0, 160.0), (24.0, 138.0), (15.0, 145.0), (5.0, 152.0)),
        both(&PRESSURE, "Compressed air", (0.0, 16.0), (5.7, 6.5), (5.1, 7.2), (4.5, 8.0)),
        upper(&CURRENT, "Drives", (0.0, 40.0), (3.0, 14.0), 19.0, 24.0),
        upper(&TEMPERATURE, "Control cabinet", (-20.0, 100.0), (24.0, 38.0), 45.0, 52.0),
        both(&HUMIDITY, "Cell", (0.0, 100.0), (35.0, 55.0), (28.0, 62.0), (20.0, 72.0)),
    ],
};

pub(super) static FURNACE: MachineKind = MachineKind {
    name: "Heat treatment furnace",
    code: "FUR",
    makers: [("IPSEN", "ATLAS"), ("AICHELIN", "Multi-Chamber")],
    power_kw: 220.0,
    value_usd: 760_000.0,
    life_years: 25,
    points: &[
        both(&TEMPERATURE, "Chamber", (0.0, 1_200.0), (905.0, 945.0), (890.0, 960.0), (865.0, 985.0)),
        both(&PRESSURE, "Furnace gas", (0.0, 1.0), (0.02, 0.06), (0.01, 0.09), (0.005, 0.15)),
        both(&FLOW, "Quench oil", (0.0, 1_500.0), (640.0, 820.0), (540.0, 940.0), (420.0, 1_100.0)),
        both(&TEMPERATURE, "Quench bath", (0.0, 250.0), (62.0, 82.0), (52.0, 95.0), (40.0, 115.0)),
        upper(&POWER, "Heating", (0.0, 400.0), (90.0, 190.0), 225.0, 260.0),
        upper(&CURRENT, "Heating", (0.0, 800.0), (140.0, 300.0), 355.0, 410.0),
        upper(&VIBRATION, "Circulation fan", (0.0, 25.0), (0.4, 1.4), 2.8, 4.5),
        upper(&SPEED, "Circulation fan", (0.0, 3_000.0), (900.0, 1_450.0), 1_600.0, 1_800.0),
    ],
};

pub(super) static COMPRESSOR: MachineKind = MachineKind {
    name: "Screw compressor",
    code: "CMP",
    makers: [("Atlas Copco", "GA 90"), ("KAESER", "DSD 175")],
    power_kw: 90.0,
    value_usd: 88_000.0,
    life_years: 15,
    points: &[
        both(&PRESSURE, "Outlet", (0.0, 16.0), (7.0, 7.8), (6.4, 8.4), (5.8, 9.2)),
        upper(&TEMPERATURE, "Air end outlet", (-20.0, 150.0), (72.0, 92.0), 100.0, 110.0),
        upper(&VIBRATION, "Air end", (0.0, 25.0), (0.5, 1.4), 2.8, 4.5),
        upper(&POWER, "Motor", (0.0, 150.0), (55.0, 88.0), 98.0, 110.0),
        both(&SPEED, "Motor", (0.0, 4_000.0), (1_450.0, 2_950.0), (1_200.0, 3_150.0), (900.0, 3_400.0)),
        both(&HUMIDITY, "Compressed air", (0.0, 100.0), (4.0, 16.0), (1.5, 24.0), (0.5, 35.0)),
        both(&FLOW, "Cooling water", (0.0, 200.0), (70.0, 95.0), (55.0, 115.0), (40.0, 140.0)),
    ],
};

pub(super) static CONVEYOR: MachineKind = MachineKind {
    name: "Conveyor",
    code: "CNV",
    makers: [("Interroll", "MCP"), ("SEW-EURODRIVE", "MOVI-C")],
    power_kw: 5.5,
    value_usd: 42_000.0,
    life_years: 15,
    points: &[
        upper(&CURRENT, "Drive", (0.0, 30.0), (4.0, 9.0), 12.0, 15.0),
        upper(&SPEED, "Drive drum", (0.0, 300.0), (45.0, 140.0), 170.0, 200.0),
        upper(&TEMPERATURE, "Gearbox", (-20.0, 120.0), (32.0, 58.0), 70.0, 82.0),
        upper(&VIBRATION, "Gearbox", (0.0, 25.0), (0.3, 1.4), 2.8, 4.5),
        both(&POSITION, "Belt edge", (-60.0, 60.0), (-8.0, 8.0), (-15.0, 15.0), (-25.0, 25.0)),
    ],
};

pub(super) static PACKAGING_MACHINE: MachineKind = MachineKind {
    name: "Packaging machine",
    code: "PCK",
    makers: [("Syntegon", "Kliklok"), ("MULTIVAC", "R 245")],
    power_kw: 18.0,
    value_usd: 150_000.0,
    life_years: 12,
    points: &[
        both(&TEMPERATURE, "Sealing bar", (0.0, 300.0), (148.0, 162.0), (140.0, 170.0), (128.0, 185.0)),
        both(&PRESSURE, "Vacuum", (-1.0, 1.0), (-0.92, -0.8), (-0.97, -0.7), (-0.99, -0.55)),
        upper(&SPEED, "Main shaft", (0.0, 400.0), (70.0, 190.0), 230.0, 270.0),
        upper(&CURRENT, "Main drive", (0.0, 60.0), (6.0, 22.0), 28.0, 34.0),
        both(&HUMIDITY, "Packing room", (0.0, 100.0), (38.0, 55.0), (30.0, 62.0), (22.0, 72.0)),
        upper(&POWER, "Machine", (0.0, 40.0), (4.0, 14.0), 17.0, 21.0),
    ],
};

/// A kind of production line: its name, product category and line type, and the machines along it, in order and repeated.
#[derive(Debug)]
pub(super) struct LineKind {
    pub name: &'static str,
    pub category: &'static str,
    pub line_type: &'static str,
    pub units_per_hour: i32,
    pub automation: &'static str,
    pub machines: &'static [&'static MachineKind],
}

pub(super) static LINES: [LineKind; 8] = [
    LineKind {
        name: "Housing machining",
        category: "Housings",
        line_type: "machining",
        units_per_hour: 60,
        automation: "automatic",
        machines: &[
            &MACHINING_CENTRE,
            &MACHINING_CENTRE,
            &MACHINING_CENTRE,
            &LATHE,
            &CONVEYOR,
            &ASSEMBLY_STATION,
            &COMPRESSOR,
        ],
    },
    LineKind {
        name: "Shaft turning and hardening",
        category: "Shafts",
        line_type: "machining",
        units_per_hour: 90,
        automation: "automatic",
        machines: &[&LATHE, &LATHE, &MACHINING_CENTRE, &FURNACE, &CONVEYOR, &LATHE],
    },
    LineKind {
        name: "Panel stamping",
        category: "Panels",
        line_type: "stamping",
        units_per_hour: 420,
        automation: "automatic",
        machines: &[&PRESS, &PRESS, &CONVEYOR, &PRESS, &COMPRESSOR],
    },
    LineKind {
        name: "Frame welding",
        category: "Frames",
        line_type: "welding",
        units_per_hour: 48,
        automation: "automatic",
        machines: &[&WELDING_ROBOT, &WELDING_ROBOT, &WELDING_ROBOT, &CONVEYOR, &WELDING_ROBOT, &COMPRESSOR],
    },
    LineKind {
        name: "Cover moulding",
        category: "Covers",
        line_type: "moulding",
        units_per_hour: 240,
        automation: "automatic",
        machines: &[&MOULDING_MACHINE, &MOULDING_MACHINE, &MOULDING_MACHINE, &CONVEYOR, &COMPRESSOR],
    },
    LineKind {
        name: "Drive assembly",
        category: "Drive units",
        line_type: "assembly",
        units_per_hour: 40,
        automation: "semi-automatic",
        machines: &[&ASSEMBLY_STATION, &ASSEMBLY_STATION, &ASSEMBLY_STATION, &CONVEYOR, &ASSEMBLY_STATION, &COMPRESSOR],
    },
    LineKind {
        name: "Gear hardening and finishing",
        category: "Gears",
        line_type: "heat treatment",
        units_per_hour: 120,
        automation: "semi-automatic",
        machines: &[&MACHINING_CENTRE, &FURNACE, &LATHE, &FURNACE, &CONVEYOR],
    },
    LineKind {
        name: "Final packaging",
        category: "Spare part kits",
        line_type: "packaging",
        units_per_hour: 300,
        automation: "semi-automatic",
        machines: &[&PACKAGING_MACHINE, &CONVEYOR, &PACKAGING_MACHINE, &PACKAGING_MACHINE, &COMPRESSOR],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_nested_and_all_ten_types_occur() {
        let mut seen = std::collections::BTreeSet::new();
        for point in LINES.iter().flat_map(|line| line.machines).flat_map(|kind| kind.points) {
            seen.insert(point.quantity.sensor_type);
            let lower = [Some(point.range.0), point.critical.0, point.warning.0, Some(point.normal.0)];
            let upper = [Some(point.normal.1), point.warning.1, point.critical.1, Some(point.range.1)];
            for side in [lower, upper] {
                let given: Vec<f64> = side.into_iter().flatten().collect();
                assert!(given.windows(2).all(|pair| pair[0] <= pair[1]), "{point:?}");
            }
            assert!(point.normal.0 < point.normal.1, "{point:?}");
        }
        let all: std::collections::BTreeSet<_> = QUANTITIES.iter().map(|quantity| quantity.sensor_type).collect();
        assert_eq!(seen, all);
        assert_eq!(all.len(), 10);
    }
}
