//! Clients that others wrote: mosquitto_pub, paho (Python, C), rumqttc, and bridges behind a real broker. Every message is
//! stored exactly once in PostgreSQL and in MongoDB.

use crate::harness::Harness;
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Sensor};
use libtest_mimic::Trial;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

pub(crate) const MESSAGES: usize = 200;
const QOS: [u8; 3] = [0, 1, 2];

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("clients::mosquitto_pub_v3_and_v5_at_every_qos", mosquitto_pub_v3_and_v5),
        harness.trial("clients::paho_v3_and_v5_at_every_qos", paho_v3_and_v5),
        harness.trial("clients::paho_c_at_every_version", paho_c),
        harness.trial("clients::node_red_payload_forms", node_red),
        harness.trial("clients::rumqttc_v4_at_every_qos", rumqttc_v4),
        harness.trial("clients::rumqttc_v5_at_every_qos", rumqttc_v5),
        harness.trial("clients::bridges_behind_a_broker", bridges_behind_a_broker),
        harness.trial("clients::equal_values_without_a_time_are_a_row_each", equal_values),
    ]
}

/// The source time of a sensor's first message: a while ago, not so long that the mirror would let it expire.
fn start_ms() -> i64 {
    chrono::Utc::now().timestamp_millis() - 600_000
}

/// Sees that all [`MESSAGES`] are there once, with their values.
#[track_caller]
pub(crate) fn all_once(plant: &Plant, sensor: &Sensor, client: &str) {
    plant.stored_exactly(sensor, MESSAGES as i64);
    let query = format!(
        "SELECT count(DISTINCT timestamp), sum(measurement_value)::bigint, min(data_source), min(protocol) \
         FROM sensor_data WHERE sensor_id = '{}'",
        sensor.sensor_id
    );
    let row = &plant.query("genims_operations_db", &query)[0];
    let expected = (MESSAGES as i64, (0..MESSAGES as i64).sum::<i64>());
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), expected, "{client}");
}

/// [`MESSAGES`] readings, one a line.
fn lines() -> String {
    let mut lines = String::new();
    let start_ms = start_ms();
    for number in 0..MESSAGES as i64 {
        writeln!(lines, "{{\"value\": {number}, \"timestamp_ms\": {}}}", start_ms + number).unwrap();
    }
    lines
}

pub(crate) fn mosquitto_pub(address: SocketAddr, version: &str, qos: u8, topic: &str) {
    let mut child = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &address.port().to_string(), "-V", version])
        .args(["-q", &qos.to_string(), "-t", topic, "-l"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines().as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "mosquitto_pub {version} QoS {qos}");
}

fn mosquitto_pub_v3_and_v5(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    for (version, qos) in ["mqttv311", "mqttv5"].into_iter().flat_map(|version| QOS.map(|qos| (version, qos))) {
        let sensor = plant.sensor();
        mosquitto_pub(plant.doors.mqtt, version, qos, &sensor.topic());
        all_once(plant, &sensor, &format!("mosquitto_pub {version} QoS {qos}"));
    }
}

/// The library, installed once into the build's cache.
pub(crate) fn paho() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("paho-mqtt-2.1.0");
        if !folder.exists() {
            let partial = folder.with_extension(format!("{}.partial", std::process::id()));
            let install = ["-m", "pip", "install", "--quiet", "--no-deps", "--target"];
            let output = Command::new("python3").args(install).arg(&partial).arg("paho-mqtt==2.1.0").output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            std::fs::rename(partial, &folder).unwrap();
        }
        folder
    })
}

fn paho_v3_and_v5(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    for (version, qos) in ["3.1", "3.1.1", "5"].into_iter().flat_map(|version| QOS.map(|qos| (version, qos))) {
        let sensor = plant.sensor();
        let output = Command::new("python3")
            .args(["-c", include_str!("paho_client.py"), &plant.doors.mqtt.port().to_string(), version])
            .args([&qos.to_string(), &sensor.topic(), &MESSAGES.to_string(), &start_ms().to_string()])
            .env("PYTHONPATH", paho())
            .output()
            .unwrap();
        let acknowledged = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert_eq!(acknowledged, MESSAGES.to_string(), "{}", String::from_utf8_lossy(&output.stderr));
        all_once(plant, &sensor, &format!("paho {version} QoS {qos}"));
    }
}

/// paho's example programs in C, unpacked once into the build's cache.
fn paho_c_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("paho-mqtt-c");
        if !folder.exists() {
            let partial = folder.with_extension(format!("{}.partial", std::process::id()));
            std::fs::create_dir_all(&partial).unwrap();
            let script = "apt-get download paho.mqtt.c-examples && dpkg -x *.deb .";
            let output = Command::new("sh").args(["-c", script]).current_dir(&partial).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            std::fs::rename(partial, &folder).unwrap();
        }
        folder
    })
}

/// A program that publishes for ever behind the end of its input: that stays open, and the program ends with the test.
struct Endless {
    child: Child,
    input: ChildStdin,
}

impl Endless {
    /// It takes more and more memory once its server has gone and nobody ends it: there is a bound.
    fn start(command: &mut Command) -> Self {
        const BYTES_MAX: u64 = 1 << 30;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let limit = Rlimit { current: Some(BYTES_MAX), maximum: Some(BYTES_MAX) };
        prlimit(Some(Pid::from_child(&child)), Resource::As, limit).unwrap();
        Self { input: child.stdin.take().unwrap(), child }
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn paho_c(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let program = paho_c_folder().join("usr/bin/paho_c_pub_static");
    for (version, qos) in [("31", 1), ("311", 0), ("311", 2), ("5", 1)] {
        let sensor = plant.sensor();
        let mut running = Endless::start(
            Command::new(&program)
                .args(["-h", "127.0.0.1", "-p", &plant.doors.mqtt.port().to_string(), "-t", &sensor.topic()])
                .args(["-q", &qos.to_string(), "-V", version, "-i", &harness.unique("paho-c"), "--quiet"]),
        );
        // Its line feeds are part of the payload.
        let lines = lines();
        let lines: Vec<&str> = lines.split_inclusive('\n').collect();
        let stored = format!("sensor_id = '{}'", sensor.sensor_id);
        // It drops what it has no room for: that is 100 messages.
        for (at, portion) in lines.chunks(50).enumerate() {
            running.input.write_all(portion.concat().as_bytes()).unwrap();
            let sent = 50 * at as i64 + portion.len() as i64;
            eventually("the portion is stored", PATIENCE, || plant.rows("sensor_data", &stored) >= sent);
        }
        all_once(plant, &sensor, &format!("paho C {version} QoS {qos}"));
    }
}

/// What Node-RED's MQTT node makes of a message's payload, or of a whole message.
fn node_red(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let at_ms = start_ms();
    let timed = format!("\"timestamp\": {at_ms}, \"quality\": \"Uncertain\"");
    // `CODE` stands for the code of the sensor. Behind the payload: the value, and whether quality and time are told.
    let forms = [
        ("a number", "71.5".to_owned(), ("71.5000", false)),
        ("a string", "71.5 \n".to_owned(), ("71.5000", false)),
        ("a string in quotes", "\"71.5\"".to_owned(), ("71.5000", false)),
        ("a boolean", "true".to_owned(), ("1.0000", false)),
        ("a buffer", "{\"type\": \"Buffer\", \"data\": [55, 49, 46, 53]}".to_owned(), ("71.5000", false)),
        ("an object", format!("{{\"value\": 71.5, {timed}}}"), ("71.5000", true)),
        ("an array", format!("[{{\"value\": 71.5, {timed}}}]"), ("71.5000", true)),
        ("an object of tags", "{\"CODE\": 71.5}".to_owned(), ("71.5000", false)),
        ("a message", "{\"_msgid\": \"a1b2\", \"topic\": \"x\", \"payload\": \"71.5\"}".to_owned(), ("71.5000", false)),
        (
            "a message with time and quality",
            format!("{{\"_msgid\": \"a1b2\", \"payload\": 71.5, {timed}}}"),
            ("71.5000", true),
        ),
        (
            "a message with an object",
            "{\"payload\": {\"CODE\": 71.5}, \"qos\": 1, \"_msgid\": \"a1b2\"}".to_owned(),
            ("71.5000", false),
        ),
    ];
    for (form, payload, expected) in forms {
        let sensor = plant.sensor();
        let address = plant.doors.mqtt;
        let status = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &address.port().to_string(), "-q", "1", "-t", &sensor.topic()])
            .args(["-m", &payload.replace("CODE", &sensor.sensor_code)])
            .status();
        assert!(status.unwrap().success(), "{form}");
        plant.stored_exactly(&sensor, 1);
        let query = format!(
            "SELECT measurement_value::text, quality = 'uncertain', (extract(epoch FROM timestamp) * 1000)::bigint = {at_ms}
             FROM sensor_data WHERE sensor_id = '{}'",
            sensor.sensor_id
        );
        let row = &plant.query("genims_operations_db", &query)[0];
        let found: (&str, bool, bool) = (row.get(0), row.get(1), row.get(2));
        let (value, is_told) = expected;
        assert_eq!(found, (value, is_told, is_told), "{form}");
    }
}

fn readings(sensor: &Sensor) -> Vec<(String, Vec<u8>)> {
    let start_ms = start_ms();
    let payload = |number: i64| format!("{{\"value\": {number}, \"timestamp_ms\": {}}}", start_ms + number);
    (0..MESSAGES as i64).map(|number| (sensor.topic(), payload(number).into_bytes())).collect()
}

fn rumqttc_v4(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    for qos in QOS {
        let sensor = plant.sensor();
        publish(plant.doors.mqtt, &harness.unique("rumqttc-v4"), qos, &readings(&sensor));
        all_once(plant, &sensor, &format!("rumqttc v4 QoS {qos}"));
    }
}

/// Publishes with MQTT 3.1.1; returns once the server has acknowledged everything.
#[track_caller]
pub(crate) fn publish(address: SocketAddr, client_id: &str, qos: u8, messages: &[(String, Vec<u8>)]) {
    try_publish(address, client_id, qos, messages).unwrap();
}

/// As [`publish`], where the server may go away meanwhile: some of what is not acknowledged may be stored.
pub(crate) fn try_publish(
    address: SocketAddr,
    client_id: &str,
    qos: u8,
    messages: &[(String, Vec<u8>)],
) -> Result<(), Box<rumqttc::ConnectionError>> {
    use rumqttc::{Client, Event, Incoming, MqttOptions, Outgoing, QoS};
    let mut options = MqttOptions::new(client_id, address.ip().to_string(), address.port());
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut connection) = Client::new(options, messages.len() + 1);
    let level = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)];
    for (topic, payload) in messages {
        client.publish(topic, level, false, payload.clone()).unwrap();
    }
    let mut finished = 0;
    for event in connection.iter() {
        let done = match event? {
            Event::Outgoing(Outgoing::Publish(_)) => qos == 0,
            Event::Incoming(Incoming::PubAck(_)) => qos == 1,
            Event::Incoming(Incoming::PubComp(_)) => qos == 2,
            // The last one of all, so nothing is cut off.
            Event::Outgoing(Outgoing::Disconnect) => return Ok(()),
            _ => false,
        };
        finished += usize::from(done);
        if done && finished == messages.len() {
            client.disconnect().unwrap();
        }
    }
    unreachable!("events end with an error or a disconnection")
}

fn rumqttc_v5(harness: &'static Harness) {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, PubCompReason};
    use rumqttc::v5::{Client, Event, MqttOptions};
    let plant = Plant::shared(harness);
    for qos in QOS {
        let sensor = plant.sensor();
        let address = plant.doors.mqtt;
        let options = MqttOptions::new(harness.unique("rumqttc-v5"), address.ip().to_string(), address.port());
        let (client, mut connection) = Client::new(options, MESSAGES + 1);
        let level = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)];
        for (topic, payload) in readings(&sensor) {
            client.publish(topic, level, false, payload).unwrap();
        }
        let mut finished = 0;
        for event in connection.iter() {
            let done = match event.unwrap() {
                Event::Outgoing(rumqttc::Outgoing::Publish(_)) => qos == 0,
                Event::Incoming(Packet::PubAck(ack)) => {
                    assert_eq!(ack.reason, PubAckReason::Success);
                    qos == 1
                }
                Event::Incoming(Packet::PubComp(ack)) => {
                    assert_eq!(ack.reason, PubCompReason::Success);
                    qos == 2
                }
                Event::Outgoing(rumqttc::Outgoing::Disconnect) => break,
                _ => false,
            };
            finished += usize::from(done);
            if done && finished == MESSAGES {
                client.disconnect().unwrap();
            }
        }
        all_once(plant, &sensor, &format!("rumqttc v5 QoS {qos}"));
    }
}

/// The plant's bridges: two members of a shared subscription with MQTT 5, one plain with 3.1.1.
/// Waits until the shared plant's bridges are connected and subscribed.
pub(crate) fn bridged(plant: &Plant) {
    let connected = |source: &serde_json::Value| source["listener"]["connections_open"] == 1;
    eventually("all three bridges are connected and subscribed", PATIENCE, || {
        let stats = plant.stats();
        let bridges = stats["sources"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|source| source["name"].as_str().unwrap().starts_with("bridge"));
        bridges.filter(|bridge| connected(bridge)).count() == 3
    });
}

/// The same value a hundred times, without a time: in one write to the server, and by way of a broker.
fn equal_values(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let (written, bridged_on) = (plant.sensor(), plant.sensor());
    let text = |text: &str| [(text.len() as u16).to_be_bytes().as_slice(), text.as_bytes()].concat();
    let packet = |kind: u8, body: &[u8]| {
        assert!(body.len() < 128, "its length takes one byte");
        [&[kind, body.len() as u8], body].concat()
    };
    let connect = [b"\0\x04MQTT\x04\x02\0\x3c".as_slice(), &text(&harness.unique("equal"))].concat();
    let mut stream = TcpStream::connect(plant.doors.mqtt).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&packet(0x10, &connect)).unwrap();
    let mut welcome = [0; 4];
    stream.read_exact(&mut welcome).unwrap();
    assert_eq!(welcome, [0x20, 2, 0, 0]);
    let publish_of = |no: u16| packet(0x32, &[&*text(&written.topic()), &no.to_be_bytes(), b"42.5"].concat());
    stream.write_all(&(1..=100).flat_map(publish_of).collect::<Vec<u8>>()).unwrap();
    let mut acks = [0; 400];
    stream.read_exact(&mut acks).unwrap();
    let acknowledged: Vec<u16> = acks.chunks(4).map(|ack| u16::from_be_bytes([ack[2], ack[3]])).collect();
    assert_eq!(acknowledged, (1..=100).collect::<Vec<u16>>());

    bridged(plant);
    let messages = vec![(bridged_on.topic(), b"42.5".to_vec()); 100];
    publish(plant.stack.mqtt_address(), &harness.unique("equal"), 1, &messages);
    for sensor in [&written, &bridged_on] {
        plant.stored_exactly(sensor, 100);
        let query = "SELECT count(DISTINCT timestamp) FROM sensor_data WHERE measurement_value = 42.5 AND sensor_id";
        let row = &plant.query("genims_operations_db", &format!("{query} = '{}'", sensor.sensor_id))[0];
        assert_eq!(row.get::<_, i64>(0), 100, "{sensor:?}");
    }
}

fn bridges_behind_a_broker(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    bridged(plant);
    let broker = plant.stack.mqtt_address();
    for (way, qos) in ["shared", "plain"].into_iter().flat_map(|way| QOS.map(|qos| (way, qos))) {
        let sensor = plant.sensor();
        // The plain one has its topics below another level; the template in the plant's configuration knows them.
        let topic = if way == "shared" { sensor.topic() } else { sensor.topic().replacen("genims/v1", "acme", 1) };
        mosquitto_pub(broker, "mqttv5", qos, &topic);
        all_once(plant, &sensor, &format!("bridge {way} QoS {qos}"));
    }
    let stats = plant.stats();
    for source in stats["sources"].as_array().unwrap() {
        assert!(!source["name"].as_str().unwrap().starts_with("bridge") || source["received"] != 0, "{source:#}");
    }
}
