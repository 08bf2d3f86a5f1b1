//! Plants for tests: none, and some of a given size.

use super::report::{
    ChartSpan, FactoryEntry, FaultReport, LastReading, MachineMaster, MachineStatus, OeeReport, Proven, ReadingBucket,
    ReadingsAnswer, SensorMaster, SensorReadings, Thresholds,
};
use super::{Answering, PlantSource};
use crate::proof::Proof;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// As others may write it.
pub(super) const HOSTILE: &str = "</td><script>alert(1)</script>\"'&";

/// A server without machines.
pub(crate) struct NoPlants;

impl PlantSource for NoPlants {
    fn follows_operations(&self) -> bool {
        false
    }

    fn factories(&self) -> Vec<FactoryEntry> {
        Vec::new()
    }

    fn machines(&self, _: Option<&str>, _: usize, _: usize) -> (usize, Vec<MachineMaster>) {
        (0, Vec::new())
    }

    fn machine(&self, _: &str) -> Option<MachineMaster> {
        None
    }

    fn sensors(&self, _: &str, _: usize, _: usize) -> Vec<SensorMaster> {
        Vec::new()
    }

    fn statuses<'a>(&'a self, _: &'a [String], _: u32, _: i64) -> Answering<'a, Proven<Vec<MachineStatus>>> {
        Box::pin(async { Ok(Proven::default()) })
    }

    fn oee<'a>(&'a self, _: &'a [String], _: i64) -> Answering<'a, Proven<Vec<OeeReport>>> {
        Box::pin(async { Ok(Proven::default()) })
    }

    fn readings<'a>(
        &'a self,
        _: &'a str,
        _: &'a [String],
        _: ChartSpan,
        _: i64,
    ) -> Answering<'a, Proven<ReadingsAnswer>> {
        Box::pin(async { Ok(Proven::default()) })
    }
}

/// So many machines in two factories, each with so many sensors. Of every ten machines, the first has a fault, the second was silent
/// for ten minutes, and the third is not known to the database.
pub(crate) struct SamplePlants {
    pub(super) machines: usize,
    pub(super) sensors: usize,
    pub(super) is_followed: bool,
    pub(crate) is_away: AtomicBool,
    /// Seconds that the OEE takes.
    pub(super) oee_takes_s: u64,
    pub(super) asked: AtomicUsize,
}

impl SamplePlants {
    pub(crate) fn new(machines: usize, sensors: usize) -> Self {
        let (is_away, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
        Self { machines, sensors, is_followed: true, is_away, oee_takes_s: 0, asked }
    }

    fn master(&self, no: usize) -> MachineMaster {
        MachineMaster {
            machine_id: format!("MCH-{no:04}"),
            machine_code: Some(if no == 3 { HOSTILE.to_owned() } else { format!("CNC-{no}") }),
            machine_type: Some("CNC machining centre".to_owned()),
            line_id: format!("LINE-{:02}", no / 10),
            factory_id: if no < self.machines / 2 { "FAC-01".to_owned() } else { "FAC 02&".to_owned() },
            sensors: self.sensors,
        }
    }

    fn all(&self) -> impl Iterator<Item = MachineMaster> + '_ {
        (0..self.machines).map(|no| self.master(no))
    }

    fn answer<'a, T: Send + 'a>(&'a self, name: &'static str, value: T) -> Answering<'a, Proven<T>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.is_away.load(Ordering::Relaxed) {
                return Err(format!("no route to host {HOSTILE}"));
            }
            let proof = Proof { name: name.into(), sql: format!("SELECT '{name}' < 2;"), ..Proof::default() };
            Ok(Proven { value, proofs: vec![proof] })
        })
    }
}

fn status(machine_id: &str, now_ms: i64) -> MachineStatus {
    let no: usize = machine_id.trim_start_matches("MCH-").parse().unwrap();
    let ago_ms = if no % 10 == 1 { 600_000 } else { 2_000 };
    let fault = (no.is_multiple_of(10)).then(|| FaultReport {
        fault_code: format!("E{no}"),
        severity: "high".to_owned(),
        description: HOSTILE.to_owned(),
        start_ms: now_ms - 90_000,
        ..FaultReport::default()
    });
    MachineStatus {
        machine_id: machine_id.to_owned(),
        state: Some(if fault.is_some() { "FAULT" } else { "RUNNING" }.to_owned()),
        since_ms: Some(now_ms - 200_000),
        began_earlier: no % 10 == 4,
        snapshot_ms: Some(now_ms - ago_ms),
        reading_ms: Some(now_ms - ago_ms - 1_000),
        open_faults: if fault.is_some() { 3 } else { 0 },
        fault,
    }
}

fn hour(machine_id: &str, hour_ms: i64) -> OeeReport {
    OeeReport {
        machine_id: machine_id.to_owned(),
        hour_ms,
        oee: 0.72,
        availability: 0.9,
        performance: 0.8,
        quality: 1.0,
        ..OeeReport::default()
    }
}

/// Wide and restless, as plots may be.
fn readings(sensor_id: &str, span: ChartSpan, until_ms: i64) -> SensorReadings {
    let bucket_ms = span.bucket_seconds() * 1_000;
    let count = span.seconds() / span.bucket_seconds();
    let bucket = |no: i64| {
        let mean = 50.0 + ((no * 7_919) % 83) as f64;
        let not_good = i64::from(no % 2 == 0);
        let (min, max) = (mean - 20.0, mean + 30.0);
        ReadingBucket { at_ms: until_ms - (count - no) * bucket_ms, min, mean, max, rows: 2, not_good }
    };
    let last = LastReading {
        value: 91.25,
        unit: "C".to_owned(),
        at_ms: until_ms - 1_500,
        quality: "uncertain".to_owned(),
        status: "critical".to_owned(),
        is_anomaly: true,
    };
    SensorReadings { sensor_id: sensor_id.to_owned(), last: Some(last), buckets: (0..count).map(bucket).collect() }
}

impl PlantSource for SamplePlants {
    fn follows_operations(&self) -> bool {
        self.is_followed
    }

    fn factories(&self) -> Vec<FactoryEntry> {
        let half = self.machines / 2;
        let entry = |id: &str, machines| FactoryEntry { factory_id: id.to_owned(), machines };
        vec![entry("FAC 02&", self.machines - half), entry("FAC-01", half)]
    }

    fn machines(&self, factory: Option<&str>, offset: usize, limit: usize) -> (usize, Vec<MachineMaster>) {
        let of = || self.all().filter(|machine| factory.is_none_or(|wanted| machine.factory_id == wanted));
        (of().count(), of().skip(offset).take(limit).collect())
    }

    fn machine(&self, machine_id: &str) -> Option<MachineMaster> {
        self.all().find(|machine| machine.machine_id == machine_id)
    }

    fn sensors(&self, machine_id: &str, offset: usize, limit: usize) -> Vec<SensorMaster> {
        let sensor = |no: usize| SensorMaster {
            sensor_id: format!("SEN-{machine_id}-{no}"),
            sensor_code: Some(if no == 1 { HOSTILE.to_owned() } else { format!("TEMP-{no}") }),
            sensor_type: Some("temperature".to_owned()),
            unit: "C".to_owned(),
            thresholds: Thresholds { warning_max: Some(80.0), critical_max: Some(90.0), ..Thresholds::default() },
        };
        (0..self.sensors).skip(offset).take(limit).map(sensor).collect()
    }

    fn statuses<'a>(
        &'a self,
        machines: &'a [String],
        _: u32,
        now_ms: i64,
    ) -> Answering<'a, Proven<Vec<MachineStatus>>> {
        let known = machines.iter().filter(|machine| !machine.ends_with('2'));
        self.answer("states", known.map(|machine| status(machine, now_ms)).collect())
    }

    fn oee<'a>(&'a self, machines: &'a [String], hour_ms: i64) -> Answering<'a, Proven<Vec<OeeReport>>> {
        let known = machines.iter().filter(|machine| !machine.ends_with('2'));
        let hours = known.map(|machine| hour(machine, hour_ms)).collect();
        Box::pin(async move {
            if self.oee_takes_s > 0 {
                tokio::time::sleep(Duration::from_secs(self.oee_takes_s)).await;
            }
            self.answer("oee", hours).await
        })
    }

    fn readings<'a>(
        &'a self,
        machine_id: &'a str,
        sensors: &'a [String],
        span: ChartSpan,
        until_ms: i64,
    ) -> Answering<'a, Proven<ReadingsAnswer>> {
        let fault = |code: &str, sensors: &str, end_ms| FaultReport {
            fault_code: code.to_owned(),
            description: HOSTILE.to_owned(),
            sensors: sensors.to_owned(),
            start_ms: until_ms - 60_000,
            end_ms,
            ..FaultReport::default()
        };
        let of_sensor = format!("SEN-{machine_id}-0");
        let faults = vec![fault("E7", "", None), fault("THRESHOLD", &of_sensor, Some(until_ms - 30_000))];
        let sensors = sensors.iter().map(|sensor| readings(sensor, span, until_ms)).collect();
        self.answer("readings", ReadingsAnswer { sensors, faults })
    }
}
