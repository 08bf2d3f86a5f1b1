//! What a run is made of: its seed decides the plant, the clients' messages, and everything that goes wrong.

use crate::clock;
use crate::database::{Key, UNTIMED};
use genims_catalogue::keeper::MasterData;
use genims_catalogue::{Limits, Machine, Sensor};
use genims_decode::frame::encode::{self, Record, RecordValue};
use genims_model::Quality;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What is broken on purpose, to see that runs notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    /// Messages are acknowledged before they are durable.
    AcknowledgesEarly,
    /// A start does not rebuild the memory that recognises resends.
    ForgetsResends,
    /// The reader passes over a group.
    SkipsGroups,
    /// The disk claims to have synced.
    LyingDisk,
    /// A start does not tell the router how far it has read.
    ForgetsRouted,
    /// A connection that broke off is taken for one that ended in order.
    TrustsBrokenLines,
    /// A database that rows wait for is cut off as one that events alone are for.
    CutsOffRows,
    /// A database with routes that went back goes on where it was before.
    GoesOnBehindRestores,
    /// A start does not know which dead letters of refused rows the log has.
    ForgetsForwarded,
    /// Dead letters of refused rows are taken for stored before they are.
    LosesDeadLetters,
}

/// What takes part in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What there was before lines and routes: seeds that once failed mean something here alone.
    Core,
    /// Senders of lines and, mostly, a log of events too.
    Whole,
}

/// What may go wrong in a run beyond crashes and failing databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    None,
    /// A bit turns over somewhere in the data folder.
    Rot,
    /// The data folder is put back to an older copy.
    OldCopy,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) damage: Damage,
    pub(crate) registers: bool,
    pub(crate) shards: usize,
    /// Segments are small, so that runs have many.
    pub(crate) segment_bytes: u64,
    pub(crate) max_bytes: u64,
    pub(crate) lives: usize,
    pub(crate) broken: Broken,
    pub(crate) extent: Extent,
    /// The cap of the log of events, where there is one.
    pub(crate) events_bytes_max: Option<u64>,
    /// Programs and devices send rows for the database that has routes.
    pub(crate) has_rows: bool,
    /// How far the mirror may fall behind before it is cut off.
    pub(crate) mirror_bytes_max: u64,
}

impl Plan {
    /// And what decides the rest: of the core, and of what was added to it.
    pub(crate) fn new(seed: u64, broken: Broken, extent: Extent) -> (Self, [ChaCha8Rng; 2]) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut added = ChaCha8Rng::seed_from_u64(!seed);
        // Small caps: a database that is away is cut off now and then.
        let events_bytes_max = added.random_range(32..160) << 10;
        let has_routes = extent == Extent::Whole && added.random_bool(0.8);
        let (is_capped, mirror_bytes_max) = (added.random_bool(0.5), added.random_range(8..48) << 10);
        let damage = match random.random_range(0..10) {
            0 => Damage::Rot,
            1 => Damage::OldCopy,
            _ => Damage::None,
        };
        let plan = Self {
            seed,
            damage,
            registers: random.random_bool(0.5),
            shards: random.random_range(1..=2),
            segment_bytes: random.random_range(4_096..12_000),
            max_bytes: random.random_range(64..256) << 10,
            lives: random.random_range(2..=4),
            broken,
            extent,
            events_bytes_max: has_routes.then_some(events_bytes_max),
            has_rows: has_routes && added.random_bool(0.6),
            mirror_bytes_max: if is_capped { mirror_bytes_max } else { u64::MAX },
        };
        (plan, [random, added])
    }
}

pub(crate) const MACHINES: usize = 3;
const SENSORS_EACH: usize = 2;

fn sensor(client: usize, no: usize) -> String {
    format!("S{client}-{no}")
}

fn machine(no: usize) -> String {
    format!("M{no}")
}

/// The sensor of a client's lines that say no time.
fn untimed_sensor(client: usize) -> String {
    format!("{UNTIMED}{client}")
}

/// Master data of `clients` clients' sensors; `senders` of them send lines.
pub(crate) fn master(clients: usize, senders: std::ops::Range<usize>) -> MasterData {
    let machines = (0..MACHINES).map(|no| Machine {
        machine_id: machine(no),
        line_id: "L1".to_owned(),
        factory_id: "F1".to_owned(),
        machine_code: None,
        machine_type: None,
        design_capacity_units_per_hour: None,
        active: true,
    });
    let sensors = (0..clients).flat_map(|client| (0..SENSORS_EACH).map(move |no| (client, no)));
    let timed = sensors.map(|(client, no)| (sensor(client, no), (client + no) % MACHINES));
    let untimed = senders.map(|client| (untimed_sensor(client), client % MACHINES));
    let sensors = timed.chain(untimed).map(|(sensor_id, no)| Sensor {
        sensor_id,
        machine_id: machine(no),
        line_id: "L1".to_owned(),
        factory_id: "F1".to_owned(),
        unit: "C".to_owned(),
        sensor_code: None,
        sensor_type: None,
        limits: Limits { critical_max: Some(100.0), range_max: Some(200.0), ..Limits::default() },
        sampling_frequency_hz: None,
        calibration_day: None,
        calibration_frequency_days: None,
        active: true,
    });
    MasterData { machines: machines.collect(), sensors: sensors.collect(), factories: Vec::new() }
}

/// A message with the readings in it.
pub(crate) struct Made {
    pub(crate) qos: u8,
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) keys: Vec<Key>,
}

/// Makes what one client sends: no reading twice.
pub(crate) struct Maker {
    client: usize,
    registers: bool,
    random: ChaCha8Rng,
    last_us: i64,
    new_sensors: u32,
    untimed: u32,
}

impl Maker {
    pub(crate) fn new(client: usize, plan: &Plan, random: &mut ChaCha8Rng) -> Self {
        let random = ChaCha8Rng::seed_from_u64(random.random());
        Self { client, registers: plan.registers, random, last_us: 0, new_sensors: 0, untimed: 0 }
    }

    fn sensor(&mut self) -> String {
        if self.registers && self.random.random_bool(0.1) {
            self.new_sensors += 1;
            return format!("N{}-{}", self.client, self.new_sensors);
        }
        sensor(self.client, self.random.random_range(0..SENSORS_EACH))
    }

    /// A time that this client has not used.
    fn time(&mut self) -> i64 {
        let now_us = clock::now_us();
        self.last_us = (self.last_us + 1).max(now_us - self.random.random_range(0..5_000));
        self.last_us
    }

    fn value(&mut self) -> f64 {
        f64::from(self.random.random_range(0..1_200_u16)) / 8.0
    }

    fn key(&mut self, sensor: String) -> (Key, f64) {
        let value = self.value();
        (Key { sensor, timestamp_us: self.time(), value_bits: value.to_bits() }, value)
    }

    pub(crate) fn message(&mut self) -> Made {
        let qos = self.random.random_range(1..=2);
        let machine = machine(self.random.random_range(0..MACHINES));
        match self.random.random_range(0..12) {
            0 => {
                let topic = format!("genims/v1/F1/L1/{machine}/scada");
                let at = self.time();
                let state = ["RUNNING", "IDLE", "FAULT"][self.random.random_range(0..3)];
                let payload = format!("{{\"machine_state\":\"{state}\",\"timestamp_us\":{at}}}").into_bytes();
                Made { qos, topic, payload, keys: Vec::new() }
            }
            1 => Made { qos, topic: "genims/v1/F1/readings".to_owned(), payload: b"[{".to_vec(), keys: Vec::new() },
            2..=5 => {
                let sensor = sensor(self.client, 0);
                let topic = format!("genims/v1/F1/L1/{}/{sensor}", self::machine(self.client % MACHINES));
                let (key, value) = self.key(sensor);
                let payload = format!("{{\"value\":{value},\"timestamp_us\":{}}}", key.timestamp_us).into_bytes();
                Made { qos, topic, payload, keys: vec![key] }
            }
            _ => {
                let count = self.random.random_range(1..12);
                let mut keys = Vec::new();
                let mut elements = Vec::new();
                for _ in 0..count {
                    let sensor = self.sensor();
                    let (key, value) = self.key(sensor);
                    elements.push(serde_json::json!({
                        "machine_id": machine,
                        "sensor_id": key.sensor,
                        "timestamp_us": key.timestamp_us,
                        "value": value,
                    }));
                    keys.push(key);
                }
                let payload = serde_json::Value::from(elements).to_string().into_bytes();
                Made { qos, topic: "genims/v1/F1/readings".to_owned(), payload, keys }
            }
        }
    }

    /// A line of one reading; `timed`: it says when.
    pub(crate) fn line(&mut self, timed: bool) -> (Key, Vec<u8>) {
        if !timed {
            self.untimed += 1;
            // No value twice: it is what such a reading is known by.
            let (sensor, value) = (untimed_sensor(self.client), f64::from(self.untimed) / 16.0);
            let line = format!("m,sensor_id={sensor} value={value}\n").into_bytes();
            return (Key { sensor, timestamp_us: 0, value_bits: value.to_bits() }, line);
        }
        let sensor = self.sensor();
        let (key, value) = self.key(sensor);
        let machine = machine(self.random.random_range(0..MACHINES));
        let (sensor, at_us) = (&key.sensor, key.timestamp_us);
        let line = format!("m,machine_id={machine},sensor_id={sensor} value={value} {at_us}000\n").into_bytes();
        (key, line)
    }

    /// A DATA frame, of known sensors: frames name no machine.
    pub(crate) fn frame(&mut self, sequence: u64) -> (Vec<Key>, Vec<u8>) {
        let base_us = clock::now_us();
        let names: Vec<String> = (0..SENSORS_EACH).map(|no| sensor(self.client, no)).collect();
        let mut keys = Vec::new();
        let mut records = Vec::new();
        for _ in 0..self.random.random_range(1..12) {
            let handle = self.random.random_range(0..SENSORS_EACH);
            let (key, value) = self.key(names[handle].clone());
            records.push(Record {
                handle: handle as u16,
                quality: Quality::Good,
                delta_us: i32::try_from(key.timestamp_us - base_us).expect("near the base"),
                value: RecordValue::Float(value),
            });
            keys.push(key);
        }
        let defined: Vec<(u16, &str)> = (0..).zip(names.iter().map(String::as_str)).collect();
        let mut bytes = Vec::new();
        encode::data(sequence, base_us, &defined, &records, &mut bytes);
        (keys, bytes)
    }
}
