//! Doors as devices and brokers find them: mosquitto's own bridge, peers that vanish, lines in milliseconds, an ESP.

use crate::clients::{MESSAGES, all_once, mosquitto_pub};
use crate::harness::Harness;
use crate::running::{Running, eventually};
use crate::server::{PATIENCE, Plant, Sensor, Setup, free_addresses};
use crate::stream::{now_ms, rows};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("devices::mosquitto_s_own_bridge_delivers_into_both_databases", mosquitto_s_own_bridge),
        harness.trial("devices::a_peer_that_vanishes_is_probed_for_whatever_it_asked", a_vanished_peer_is_probed),
        harness.trial("devices::lines_in_milliseconds_keep_them", lines_in_milliseconds),
        harness.trial("devices::what_an_esp_sends_is_stored", what_an_esp_sends),
    ]
}

/// A stock mosquitto that has been told of our server, and nothing else of how to speak with it.
fn mosquitto_s_own_bridge(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    for version in ["", "bridge_protocol_version mqttv31", "bridge_protocol_version mqttv50"] {
        let folder = harness.folder("mosquitto");
        let [broker] = free_addresses();
        let configuration = format!(
            "user root\nlistener {} 127.0.0.1\nallow_anonymous true\nconnection genims-{}\naddress {}\ntopic genims/# out 1\n{version}\n",
            broker.port(),
            broker.port(),
            plant.doors.mqtt
        );
        std::fs::write(folder.join("conf"), configuration).unwrap();
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(folder.join("conf"));
        let mosquitto = Running::spawn(command, folder.join("mosquitto.log"));
        eventually("mosquitto listens", PATIENCE, || TcpStream::connect(broker).is_ok());
        let sensor = plant.sensor();
        mosquitto_pub(broker, "mqttv311", 1, &sensor.topic());
        all_once(plant, &sensor, &format!("mosquitto's bridge {version}: {}", mosquitto.log_text()));
        // What it says of its own connection is no reading, and no dead letter.
        assert_eq!(plant.rows("genims_internal.dead_letters", "topic LIKE '$SYS/%'"), 0);
        assert!(MESSAGES > 0 && mosquitto.wait(Duration::ZERO).is_none(), "{}", mosquitto.log_text());
    }
}

/// The kernel's timer of our end of a connection: its kind, and in how many hundredths of a second it is due.
fn timer(local: SocketAddr, peer: SocketAddr) -> Option<(u8, u64)> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = |field: &str| u16::from_str_radix(field.split(':').nth(1)?, 16).ok();
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_ours = port(fields[1]) == Some(local.port()) && port(fields[2]) == Some(peer.port());
        let (kind, due) = fields[5].split_once(':')?;
        is_ours.then(|| Some((kind.parse().ok()?, u64::from_str_radix(due, 16).ok()?)))?
    })
}

/// Keep-alive 0 means that the client need not say anything; TCP asks for it all the same.
fn a_vanished_peer_is_probed(harness: &'static Harness) {
    const KEEPALIVE: u8 = 2;
    let plant = Plant::shared(harness);
    let mut device = TcpStream::connect(plant.doors.mqtt).unwrap();
    device.set_read_timeout(Some(PATIENCE)).unwrap();
    device.write_all(b"\x10\x12\0\x04MQTT\x04\x02\0\0\0\x06silent").unwrap();
    let mut welcome = [0; 4];
    device.read_exact(&mut welcome).unwrap();
    assert_eq!(welcome, [0x20, 2, 0, 0]);
    let doors = [plant.doors.mqtt, plant.doors.tcp, plant.doors.line];
    let others = [TcpStream::connect(doors[1]).unwrap(), TcpStream::connect(doors[2]).unwrap()];
    let peers = [&device, &others[0], &others[1]].map(|stream| stream.local_addr().unwrap());
    for (door, peer) in doors.into_iter().zip(peers) {
        // Others than this one wait for an answer for some milliseconds.
        eventually(&format!("the probe of {door}"), PATIENCE, || {
            timer(door, peer).is_some_and(|(kind, _)| kind == KEEPALIVE)
        });
        let (_, due) = timer(door, peer).unwrap();
        assert!(due <= 61 * 100, "{door}: in {due} hundredths of a second");
    }
}

/// Without being told the unit, and told; also what is set aside, and comes back.
fn lines_in_milliseconds(harness: &'static Harness) {
    let [told] = free_addresses();
    let more = format!("[[listeners]]\ntype = \"line\"\nname = \"told\"\nlisten = \"{told}\"\nprecision = \"ms\"\n");
    let plant = Plant::start(harness, &Setup { more: &more, ..Setup::default() });
    let at_ms = now_ms() - 600_000;
    for door in [plant.doors.line, told] {
        let sensor = plant.sensor();
        let later = Sensor {
            sensor_id: format!("LATER-{}", door.port()),
            sensor_code: format!("L-{}", door.port()),
            ..sensor.clone()
        };
        let text: String = [&sensor, &later]
            .iter()
            .flat_map(|sensor| {
                (0..3).map(|no| format!("m,sensor_id={} value={no}.25 {}\n", sensor.sensor_id, at_ms + no))
            })
            .collect();
        TcpStream::connect(door).unwrap().write_all(text.as_bytes()).unwrap();
        let expected: Vec<(i64, String)> = (0..3).map(|no| ((at_ms + no) * 1_000, format!("{no}.2500"))).collect();
        plant.stored_exactly(&sensor, 3);
        assert_eq!(rows(&plant, &sensor), expected);

        let known = plant.stats()["catalogue"]["sensors"].as_i64().unwrap();
        let names = json!({ "sensor_id": later.sensor_id, "sensor_code": later.sensor_code });
        let copy = format!(
            "INSERT INTO sensors SELECT (jsonb_populate_record(s, '{names}')).* FROM sensors s WHERE sensor_id = '{}'",
            sensor.sensor_id
        );
        plant.execute("genims_master_db", &copy);
        eventually("the catalogue follows", PATIENCE, || plant.stats()["catalogue"]["sensors"] == known + 1);
        let replay = ["deadletter", "replay", "--reason", "unknown_sensor", "--json"];
        let replayed: Value = serde_json::from_str(&plant.cli_ok(&replay)).unwrap();
        assert_eq!((&replayed["stored"], &replayed["asked"]), (&json!(3), &json!(3)), "{replayed}");
        plant.stored_exactly(&later, 3);
        assert_eq!(rows(&plant, &later), expected);
    }
}

/// As PubSubClient does it on an ESP: MQTT 3.1, QoS 0, a bare number without a time, and each byte in a write of its own.
fn what_an_esp_sends(harness: &'static Harness) {
    const READINGS: i64 = 10;
    let plant = Plant::shared(harness);
    let sensor = plant.sensor();
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let packet = |first: u8, body: Vec<u8>| {
        assert!(body.len() < 128, "its length needs a second byte");
        [vec![first, body.len() as u8], body].concat()
    };
    let mut device = TcpStream::connect(plant.doors.mqtt).unwrap();
    device.set_read_timeout(Some(PATIENCE)).unwrap();
    let client_id = harness.unique("ESP8266Client");
    // A clean session, 15 s of keep-alive.
    device.write_all(&packet(0x10, [text("MQIsdp"), vec![3, 2, 0, 15], text(&client_id)].concat())).unwrap();
    let mut welcome = [0; 4];
    device.read_exact(&mut welcome).unwrap();
    assert_eq!(welcome, [0x20, 2, 0, 0]);
    for number in 0..READINGS {
        let body = [text(&sensor.topic()), format!("{number}.5").into_bytes()].concat();
        packet(0x30, body).iter().for_each(|byte| device.write_all(&[*byte]).unwrap());
    }
    // Nothing acknowledges QoS 0: the answer to PINGREQ says that what came before it was read.
    device.write_all(&[0xC0, 0]).unwrap();
    let mut pong = [0; 2];
    device.read_exact(&mut pong).unwrap();
    assert_eq!(pong, [0xD0, 0]);
    device.write_all(&[0xE0, 0]).unwrap();
    plant.stored_exactly(&sensor, READINGS);
    let values: Vec<String> = rows(plant, &sensor).into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, (0..READINGS).map(|number| format!("{number}.5000")).collect::<Vec<_>>());
}
