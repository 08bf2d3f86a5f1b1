//! The plants: which machines and sensors exist (read from the master database) and how they behave.
//!
//! - [`master`]: rows of `genims_master_db` become a [`Plant`]
//! - [`quantity`]: what a sensor measures, told from its type
//! - [`fault`]: ten patterns in which machines go wrong
//! - [`machine`]: states, shifts, wear; owns the signals of its sensors
//! - [`signal`]: one sensor's value over time
//!
//! The same seed, plant and times give the same values. Values are held as ten-thousandths (`_e4`), the scale of
//! `DECIMAL(15,4)`, so that text, binary and sums are exact.

pub mod fault;
pub mod machine;
pub mod master;
pub mod quantity;
pub mod signal;

use quantity::Quantity;
use std::ops::Range;

/// A row of `sensors`, as far as the simulation needs it.
#[derive(Clone, Debug)]
pub struct Sensor {
    pub sensor_id: String,
    pub sensor_code: String,
    pub sensor_type: String,
    pub unit: String,
    pub quantity: Quantity,
    pub limits: Limits,
    pub sampling_hz: f64,
    /// Index into [`Plant::machines`].
    pub machine: usize,
}

/// Where a sensor's values may lie, widest to narrowest; always `range >= critical >= normal`, never empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub range: (f64, f64),
    pub critical: (f64, f64),
    pub normal: (f64, f64),
}

/// A row of `machines`, as far as the simulation needs it.
#[derive(Clone, Debug)]
pub struct Machine {
    pub machine_id: String,
    pub line_id: String,
    pub factory_id: String,
    pub capacity_per_hour: i32,
    pub power_kw: f64,
    /// Its sensors: a run of [`Plant::sensors`].
    pub sensors: Range<usize>,
}

#[derive(Clone, Debug, Default)]
pub struct Plant {
    /// Sorted by factory, line and machine id.
    pub machines: Vec<Machine>,
    /// Grouped by machine, in the machines' order.
    pub sensors: Vec<Sensor>,
}

impl Plant {
    /// A plant without a database: for tests and for baselines that need only ids.
    pub fn synthetic(machines: usize, sensors_per_machine: usize) -> Self {
        let mut plant = Self::default();
        for machine in 0..machines {
            let first = plant.sensors.len();
            for sensor in 0..sensors_per_machine {
                let quantity = Quantity::ALL[sensor % Quantity::ALL.len()];
                plant.sensors.push(Sensor {
                    sensor_id: format!("SNS-{:06}", first + sensor),
                    sensor_code: format!("{}-{sensor}", quantity.code()),
                    sensor_type: quantity.code().to_lowercase(),
                    unit: "u".to_owned(),
                    quantity,
                    limits: Limits { range: (-50.0, 250.0), critical: (0.0, 100.0), normal: (40.0, 60.0) },
                    sampling_hz: 1.0,
                    machine,
                });
            }
            plant.machines.push(Machine {
                machine_id: format!("MCH-{machine:04}"),
                line_id: format!("LINE-{:03}", machine / 10),
                factory_id: format!("FAC-{:02}", machine / 50),
                capacity_per_hour: 120,
                power_kw: 15.0,
                sensors: first..plant.sensors.len(),
            });
        }
        plant
    }

    /// The index of a machine's sensor by its code.
    pub fn sensor_by_code(&self, machine: &Machine, code: &str) -> Option<usize> {
        machine.sensors.clone().find(|&index| self.sensors[index].sensor_code == code)
    }
}
