//! The payload forms, written straight into the message. Everything that does not change is prepared once per sensor.

use super::feed::{Class, Message};
use crate::plan::{Garbage, Protocol};
use crate::plant::{Plant, Sensor};
use crate::wire::frame::{self, Value};
use crate::wire::mqtt::{self, Version};
use crate::wire::text::{push_e4, push_integer};

/// One reading to be written.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Position among the connection's sensors.
    pub slot: usize,
    pub timestamp_us: i64,
    pub value_e4: i64,
}

/// The fixed texts of one sensor.
#[derive(Clone, Debug)]
pub struct Texts {
    pub sensor_id: String,
    /// `genims/v1/{factory}/{line}/{machine}/{sensor}`
    pub topic: Box<[u8]>,
    /// `{"sensor_id":"...","value":`
    json_head: Box<[u8]>,
    /// `"CODE":`
    code_head: Box<[u8]>,
    /// `{"machine_id":"...","ts":`
    machine_head: Box<[u8]>,
    /// `readings,sensor_id=... value=`
    line_head: Box<[u8]>,
}

impl Texts {
    pub fn new(plant: &Plant, sensor: &Sensor) -> Self {
        let machine = &plant.machines[sensor.machine];
        let id = &sensor.sensor_id;
        let bytes = |text: String| text.into_bytes().into_boxed_slice();
        // A machine's values are keyed by code where the sensor has one.
        let key = if sensor.sensor_code.is_empty() { id } else { &sensor.sensor_code };
        Self {
            sensor_id: id.clone(),
            topic: bytes(format!("genims/v1/{}/{}/{}/{id}", machine.factory_id, machine.line_id, machine.machine_id)),
            json_head: bytes(format!("{{\"sensor_id\":\"{id}\",\"value\":")),
            code_head: bytes(format!("\"{key}\":")),
            machine_head: bytes(format!("{{\"machine_id\":\"{}\",\"ts\":", machine.machine_id)),
            line_head: bytes(format!("readings,sensor_id={id} value=")),
        }
    }
}

pub fn value_json(buffer: &mut Vec<u8>, reading: &Reading) {
    buffer.extend_from_slice(b"{\"value\":");
    push_e4(buffer, reading.value_e4);
    buffer.extend_from_slice(b",\"timestamp_us\":");
    push_integer(buffer, reading.timestamp_us);
    buffer.push(b'}');
}

/// `[{...},{...}]`
pub fn readings_json(buffer: &mut Vec<u8>, texts: &[Texts], readings: &[Reading]) {
    let mut mark = b'[';
    for reading in readings {
        buffer.push(mark);
        mark = b',';
        buffer.extend_from_slice(&texts[reading.slot].json_head);
        push_e4(buffer, reading.value_e4);
        buffer.extend_from_slice(b",\"timestamp_us\":");
        push_integer(buffer, reading.timestamp_us);
        buffer.push(b'}');
    }
    buffer.push(b']');
}

/// Readings of one machine, those of one time together: one object, or an array of several. `ts` is in microseconds,
/// which its magnitude tells.
pub fn machine_json(buffer: &mut Vec<u8>, texts: &[Texts], readings: &[Reading]) {
    let scans = readings.chunk_by(|a, b| a.timestamp_us == b.timestamp_us);
    let several = readings.first().map(|r| r.timestamp_us) != readings.last().map(|r| r.timestamp_us);
    if several {
        buffer.push(b'[');
    }
    for (index, scan) in scans.enumerate() {
        if index > 0 {
            buffer.push(b',');
        }
        buffer.extend_from_slice(&texts[scan[0].slot].machine_head);
        push_integer(buffer, scan[0].timestamp_us);
        buffer.extend_from_slice(b",\"values\":");
        let mut mark = b'{';
        for reading in scan {
            buffer.push(mark);
            mark = b',';
            buffer.extend_from_slice(&texts[reading.slot].code_head);
            push_e4(buffer, reading.value_e4);
        }
        buffer.extend_from_slice(b"}}");
    }
    if several {
        buffer.push(b']');
    }
}

/// One line per reading, time in nanoseconds.
pub fn line_protocol(buffer: &mut Vec<u8>, texts: &[Texts], readings: &[Reading]) {
    for reading in readings {
        buffer.extend_from_slice(&texts[reading.slot].line_head);
        push_e4(buffer, reading.value_e4);
        buffer.push(b' ');
        push_integer(buffer, reading.timestamp_us);
        buffer.extend_from_slice(b"000\n");
    }
}

/// What a TCP session makes a DATA frame of: base time and records. The handle is the slot.
pub fn tcp_records(buffer: &mut Vec<u8>, readings: &[Reading]) {
    let base_us = readings.first().map_or(0, |reading| reading.timestamp_us);
    buffer.extend_from_slice(&base_us.to_le_bytes());
    push_records(buffer, base_us, readings);
}

fn push_records(buffer: &mut Vec<u8>, base_us: i64, readings: &[Reading]) {
    for reading in readings {
        let delta_us = (reading.timestamp_us - base_us) as i32;
        frame::push_record(buffer, reading.slot as u16, 0, Value::E4(reading.value_e4), delta_us);
    }
}

/// A whole frame as MQTT payload: sequence 0, every name defined. `scratch` is any buffer.
pub fn mqtt_frame(buffer: &mut Vec<u8>, scratch: &mut Vec<u8>, texts: &[Texts], readings: &[Reading]) {
    let base_us = readings.first().map_or(0, |reading| reading.timestamp_us);
    scratch.clear();
    push_records(scratch, base_us, readings);
    // Readings go round the sensors in order, so the first round holds every name.
    let first = readings.first().map_or(0, |reading| reading.slot);
    let round = 1 + readings.iter().skip(1).take_while(|reading| reading.slot != first).count();
    let names =
        readings.iter().take(round).map(|reading| (reading.slot as u16, texts[reading.slot].sensor_id.as_str()));
    frame::data(buffer, 0, base_us, names, scratch);
}

/// A message that the server must set aside as exactly one dead letter.
pub fn garbage(mut bytes: Vec<u8>, protocol: Protocol, qos: u8, kind: Garbage, texts: &Texts, now_us: i64) -> Message {
    let mut start = 0;
    match protocol {
        Protocol::Mqtt | Protocol::Mqtt5 => {
            let version = if protocol == Protocol::Mqtt { Version::V311 } else { Version::V5 };
            let (topic, payload): (&[u8], String) = match kind {
                Garbage::Malformed => (&texts.topic, format!("{{\"value\": 12.5, \"timestamp_us\": {now_us}")),
                Garbage::NotANumber => (&texts.topic, format!("{{\"value\":\"hot\",\"timestamp_us\":{now_us}}}")),
                Garbage::UnknownTopic => (b"loadtest/garbage", format!("{{\"value\":1,\"timestamp_us\":{now_us}}}")),
                Garbage::UnknownSensor => {
                    (b"genims/v1/F/L/M/LOADTEST-NOBODY", format!("{{\"value\":1,\"timestamp_us\":{now_us}}}"))
                }
            };
            mqtt::begin_publish(&mut bytes, version, topic, qos);
            bytes.extend_from_slice(payload.as_bytes());
            start = mqtt::finish_publish(&mut bytes, qos);
        }
        // A damaged frame ends the connection, so garbage is a value that no column holds.
        Protocol::Tcp => {
            bytes.extend_from_slice(&now_us.to_le_bytes());
            frame::push_record(&mut bytes, 0, 0, Value::Raw(f64::NAN), 0);
        }
        Protocol::Line => {
            let line = match kind {
                Garbage::NotANumber => format!("readings,sensor_id={} value=\"hot\" {now_us}000\n", texts.sensor_id),
                Garbage::UnknownSensor => format!("readings,sensor_id=LOADTEST-NOBODY value=1 {now_us}000\n"),
                _ => format!("readings,sensor_id={} {now_us}000\n", texts.sensor_id),
            };
            bytes.extend_from_slice(line.as_bytes());
        }
    }
    Message { bytes, start, intended_us: now_us, readings: 0, snapshots: 0, class: Class::Garbage }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<Texts> {
        let plant = Plant::synthetic(1, 2);
        plant.sensors.iter().map(|sensor| Texts::new(&plant, sensor)).collect()
    }

    const READINGS: [Reading; 3] = [
        Reading { slot: 0, timestamp_us: 1_700_000_000_000_001, value_e4: 15_000 },
        Reading { slot: 1, timestamp_us: 1_700_000_000_000_001, value_e4: -5 },
        Reading { slot: 0, timestamp_us: 1_700_000_000_000_002, value_e4: 20_000 },
    ];

    fn json(write: impl Fn(&mut Vec<u8>)) -> serde_json::Value {
        let mut buffer = Vec::new();
        write(&mut buffer);
        serde_json::from_slice(&buffer).expect("valid JSON")
    }

    #[test]
    fn json_forms_say_what_was_meant() {
        let texts = texts();
        let single = json(|buffer| value_json(buffer, &READINGS[1]));
        assert_eq!(single, serde_json::json!({"value": -0.0005, "timestamp_us": 1_700_000_000_000_001_i64}));
        let batch = json(|buffer| readings_json(buffer, &texts, &READINGS));
        assert_eq!(batch.as_array().map(Vec::len), Some(3));
        assert_eq!(batch[2]["sensor_id"], "SNS-000000");
        assert_eq!(batch[2]["value"], 2.0);
        let machine = json(|buffer| machine_json(buffer, &texts, &READINGS));
        assert_eq!(machine[0]["values"]["VIBR-1"], -0.0005);
        assert_eq!(machine[1]["ts"], 1_700_000_000_000_002_i64);
        let one = json(|buffer| machine_json(buffer, &texts, &READINGS[..2]));
        assert_eq!(one["machine_id"], "MCH-0000");
    }

    #[test]
    fn line_protocol_has_nanoseconds() {
        let mut buffer = Vec::new();
        line_protocol(&mut buffer, &texts(), &READINGS[..1]);
        assert_eq!(buffer, b"readings,sensor_id=SNS-000000 value=1.5000 1700000000000001000\n");
    }

    #[test]
    fn a_frame_in_mqtt_names_every_sensor_once() {
        let mut buffer = Vec::new();
        mqtt_frame(&mut buffer, &mut Vec::new(), &texts(), &READINGS);
        // Header 12, sequence 8, base 8, then the number of names.
        assert_eq!(&buffer[28..30], &[2, 0]);
        assert_eq!(buffer.len(), 12 + 8 + 8 + 2 + 2 * (3 + 10) + 4 + 3 * 16);
    }
}
