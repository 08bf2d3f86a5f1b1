//! Decoding throughput of every payload form, in readings per second on one core, without catalogue or pipeline.
//!
//! The visitor folds each point into a checksum, so that nothing can be optimised away and little is added.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use genims_decode::frame::{self, HandleTable, Record, RecordValue};
use genims_decode::timestamp::Unit;
use genims_decode::{Decoder, Name, Point, Templates, TopicTemplate, Visitor, line_protocol};
use genims_model::snapshot::SnapshotFields;
use genims_model::{Quality, Reason};
use std::fmt::{Arguments, Write};
use std::hint::black_box;

const READINGS: u64 = 100;
const BASE_MS: u64 = 1_700_000_000_000;
const BATCH: &str = "genims/v1/FAC-01/readings";
const SENSOR: &str = "genims/v1/FAC-01/LINE-03/MCH-0042/SEN-000123";
const TAGS: &str = "genims/v1/FAC-01/LINE-03/MCH-0042/tags";
const SCADA: &str = "genims/v1/FAC-01/LINE-03/MCH-0042/scada";

#[derive(Default)]
struct Sum {
    value: f64,
    bits: u64,
}

impl Visitor for Sum {
    fn point(&mut self, point: Point<'_>) {
        self.value += point.value;
        self.bits ^= match point.name {
            Name::Sensor { machine, sensor } => (sensor.len() + machine.map_or(0, str::len)) as u64,
            Name::Handle(handle) => u64::from(handle),
        };
        self.bits = self.bits.wrapping_add(point.timestamp_us.unwrap_or_default() as u64 ^ point.quality as u64);
    }

    fn snapshot(&mut self, machine: &str, timestamp_us: Option<i64>, fields: SnapshotFields) {
        self.bits ^= machine.len() as u64 ^ timestamp_us.unwrap_or_default() as u64;
        black_box(fields);
    }

    fn reject(&mut self, _: Reason, _: Arguments<'_>, fragment: &[u8]) {
        self.bits ^= fragment.len() as u64;
    }

    fn define(&mut self, sensor: &str) -> u32 {
        self.bits ^= sensor.len() as u64;
        7
    }
}

/// What a form decodes to: only one that is read as it is meant is worth measuring.
#[derive(Default)]
struct Probe {
    found: u64,
    rejects: u64,
}

impl Visitor for Probe {
    fn point(&mut self, _: Point<'_>) {
        self.found += 1;
    }

    fn snapshot(&mut self, _: &str, _: Option<i64>, _: SnapshotFields) {
        self.found += 1;
    }

    fn reject(&mut self, _: Reason, _: Arguments<'_>, _: &[u8]) {
        self.rejects += 1;
    }

    fn define(&mut self, _: &str) -> u32 {
        7
    }
}

fn value(n: u64) -> f64 {
    (n * 7_919 % 100_000) as f64 / 1_000.0
}

fn joined(separator: &str, each: impl Fn(u64) -> String) -> String {
    (0..READINGS).map(each).collect::<Vec<_>>().join(separator)
}

fn array() -> String {
    let each = |n| {
        let value = value(n);
        format!("{{\"sensor_id\":\"SEN-{:06}\",\"value\":{value},\"timestamp_ms\":{}}}", n * 17, BASE_MS + n)
    };
    format!("[{}]", joined(",", each))
}

/// The gateway names itself beside the machine.
fn array_of_gateway() -> String {
    let of_gateway = "{\"deviceId\":\"gateway-7\",\"machine_id\":\"MCH-0042\",";
    array().replace('{', of_gateway)
}

fn array_wide() -> String {
    let each = |n| {
        let value = value(n);
        format!(
            "{{\"timestamp\": {}.{:06}, \"sensor_id\": \"SEN-{:06}\", \"unit\": \"°C\", \"value\": {value}, \
             \"quality\": \"good\", \"seq\": {n}}}",
            BASE_MS / 1_000,
            n * 1_001,
            n * 17,
        )
    };
    format!("[{}]", joined(", ", each))
}

fn thingsboard() -> String {
    let element = |n: u64| {
        let values: Vec<String> = (0..10).map(|k| format!("\"TEMP_{k}\":{}", value(n * 10 + k))).collect();
        format!("{{\"ts\":{},\"values\":{{{}}}}}", BASE_MS + n, values.join(","))
    };
    format!("[{}]", (0..READINGS / 10).map(element).collect::<Vec<_>>().join(","))
}

/// As UMH, Tasmota and most devices send their values: each key is a tag, with what is said of all of them beside.
fn tags() -> String {
    let element = |n: u64| {
        let tags: Vec<String> = (0..10).map(|k| format!("\"TEMP_{k}\":{}", value(n * 10 + k))).collect();
        format!("{{\"timestamp_ms\":{},\"unit\":\"C\",{}}}", BASE_MS + n, tags.join(","))
    };
    format!("[{}]", (0..READINGS / 10).map(element).collect::<Vec<_>>().join(","))
}

/// The list of a gateway such as Kepware: each entry with its name, value, quality and time.
fn gateway_list() -> String {
    let entry = |n: u64| {
        let value = value(n);
        format!("{{\"id\":\"Channel1.Device1.TEMP_{n}\",\"v\":{value},\"q\":true,\"t\":{}}}", BASE_MS + n)
    };
    format!("{{\"timestamp\":{BASE_MS},\"values\":[{}]}}", joined(",", entry))
}

fn lines_by_sensor() -> String {
    joined("\n", |n| format!("r,sensor_id=SEN-{:06} value={} {}000000", n * 17, value(n), BASE_MS + n))
}

fn lines_of_gateway() -> String {
    lines_by_sensor().replace("r,", "r,device=gateway-7,machine_id=MCH-0042,")
}

fn lines_by_machine() -> String {
    let line = |n: u64| {
        let fields: Vec<String> = (0..10).map(|k| format!("TEMP_{k}={}", value(n * 10 + k))).collect();
        format!("press,machine_id=MCH-0042 {} {}000000", fields.join(","), BASE_MS + n)
    };
    (0..READINGS / 10).map(line).collect::<Vec<_>>().join("\n")
}

fn snapshots() -> String {
    let mut fields = String::new();
    for (column, value) in [
        ("operation_mode", "\"AUTO\""),
        ("parts_produced_cumulative", "123456"),
        ("parts_rejected_shift", "3"),
        ("actual_cycle_time_seconds", "31.25"),
        ("oee_percentage", "87.5"),
        ("spindle_speed_rpm", "12000"),
        ("power_consumption_kw", "12.75"),
        ("program_number", "\"O1234\""),
        ("alarm_codes", "\"A1,A2\""),
        ("temperature_actual_c", "61.2"),
    ] {
        let _ = write!(fields, ",\"{column}\":{value}");
    }
    format!(
        "[{}]",
        joined(",", |n| format!("{{\"timestamp_ms\":{},\"machine_state\":\"RUNNING\"{fields}}}", BASE_MS + n))
    )
}

fn names() -> Vec<String> {
    (0..READINGS).map(|n| format!("SEN-{:06}", n * 17)).collect()
}

fn frame_bytes(with_names: bool, integers: bool) -> Vec<u8> {
    let names = names();
    let table: Vec<(u16, &str)> =
        if with_names { (0..).zip(names.iter().map(String::as_str)).collect() } else { Vec::new() };
    let record = |n: u64| Record {
        handle: n as u16,
        quality: Quality::Good,
        delta_us: n as i32,
        value: if integers { RecordValue::Integer(n as i64) } else { RecordValue::Float(value(n)) },
    };
    let records: Vec<Record> = (0..READINGS).map(record).collect();
    let mut bytes = Vec::new();
    frame::encode::data(0, BASE_MS as i64 * 1_000, &table, &records, &mut bytes);
    bytes
}

fn own_templates() -> Templates {
    let template = "acme/{site}/{area}/{line}/{cell}/{tag}".to_owned();
    Templates::new([&TopicTemplate { template, ..TopicTemplate::default() }]).unwrap_or_default()
}

fn message_forms(criterion: &mut Criterion) {
    let decoder = Decoder::default();
    let mut group = criterion.benchmark_group("decode");
    for (form, topic, payload, elements) in [
        ("json_array", BATCH, array().into_bytes(), READINGS),
        ("json_array_of_gateway", BATCH, array_of_gateway().into_bytes(), READINGS),
        ("json_array_wide", BATCH, array_wide().into_bytes(), READINGS),
        ("json_thingsboard", SENSOR, thingsboard().into_bytes(), READINGS),
        ("json_tags", TAGS, tags().into_bytes(), READINGS),
        ("json_gateway_list", TAGS, gateway_list().into_bytes(), READINGS),
        ("json_single", SENSOR, b"{\"value\":12.345,\"timestamp_ms\":1700000000123}".to_vec(), 1),
        ("bare_number", SENSOR, b"12.345".to_vec(), 1),
        ("json_snapshots", SCADA, snapshots().into_bytes(), READINGS),
        ("lines_by_sensor", BATCH, lines_by_sensor().into_bytes(), READINGS),
        ("lines_of_gateway", BATCH, lines_of_gateway().into_bytes(), READINGS),
        ("lines_by_machine", BATCH, lines_by_machine().into_bytes(), READINGS),
        ("frame_with_names", BATCH, frame_bytes(true, false), READINGS),
    ] {
        let mut probe = Probe::default();
        decoder.message(topic, &payload, &mut probe);
        assert_eq!((probe.rejects, probe.found), (0, elements), "{form} must decode to all of its readings");
        group.throughput(Throughput::Elements(elements));
        group.bench_function(BenchmarkId::from_parameter(form), |bencher| {
            bencher.iter(|| {
                let mut sum = Sum::default();
                decoder.message(black_box(topic), black_box(&payload), &mut sum);
                sum.bits
            });
        });
    }
    group.finish();
}

/// A connection's frames: header, checksum and records; names were defined before.
fn connection_frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (form, bytes) in [("frame_f64", frame_bytes(false, false)), ("frame_i64", frame_bytes(false, true))] {
        let (mut handles, mut sum) = (HandleTable::default(), Sum::default());
        for (handle, name) in (0..).zip(names()) {
            handles.define(handle, &name, &mut sum);
        }
        group.throughput(Throughput::Elements(READINGS));
        group.bench_function(BenchmarkId::from_parameter(form), |bencher| {
            bencher.iter(|| {
                let Ok(frame::Next::Frame(found)) = frame::next_frame(black_box(&bytes), 1 << 20) else { return 0 };
                let mut sum = Sum::default();
                let sequence = frame::decode_data(found.body, &mut handles, &mut sum);
                sum.bits ^ sequence.unwrap_or_default()
            });
        });
    }
    let lines = lines_by_sensor().replace("000000\n", "\n");
    group.bench_function(BenchmarkId::from_parameter("lines_in_ms"), |bencher| {
        bencher.iter(|| {
            let mut sum = Sum::default();
            line_protocol::decode(black_box(lines.as_bytes()), Some(Unit::Milliseconds), &mut sum);
            sum.bits
        });
    });
    group.finish();
}

fn topics(criterion: &mut Criterion) {
    let templates = own_templates();
    let mut group = criterion.benchmark_group("topic");
    group.throughput(Throughput::Elements(1));
    for (form, topic) in [("native", SENSOR), ("batch", BATCH), ("template", "acme/berlin/press/LINE-03/MCH-0042/TEMP")]
    {
        group.bench_function(BenchmarkId::from_parameter(form), |bencher| {
            bencher.iter(|| templates.parse(black_box(topic)));
        });
    }
    group.finish();
}

criterion_group!(benches, message_forms, connection_frames, topics);
criterion_main!(benches);
