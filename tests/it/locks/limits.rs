//! A client that is held to a rate slows itself and nobody else: judged by what the server had of it when another, which sent as
//! much, was done, however long that took.

use super::session::{Session, connect_packet, numbered_packet};
use super::{Locked, add, mosquitto};
use crate::harness::Harness;
use crate::running::eventually;
use crate::server::{PATIENCE, Plant};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const MESSAGES: u16 = 10_000;
/// Behind so many messages PINGREQ is sent: far more than a second's worth, and not more than the server reads ahead.
const BEFORE_PING: u16 = 100;

/// Sends all its messages with QoS 1, a reading each, as fast as they are taken, and counts how it is answered.
struct Publisher {
    socket: TcpStream,
    acks: Arc<AtomicU64>,
    pongs: Arc<AtomicU64>,
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Publisher {
    fn start(plant: &Plant, login: (&str, &str), topic: &str) -> Self {
        let mut socket = TcpStream::connect(plant.doors.mqtt).unwrap();
        socket.write_all(&connect_packet(4, login.0, Some(login))).unwrap();
        let mut connack = [0; 4];
        socket.read_exact(&mut connack).unwrap();
        assert_eq!(connack, [0x20, 2, 0, 0]);
        let mut bytes = Vec::new();
        for id in 1..=MESSAGES {
            bytes.extend(numbered_packet(topic, id, format!("{{\"value\": {id}}}").as_bytes()));
            if id == BEFORE_PING {
                bytes.extend([0xC0, 0]);
            }
        }
        let (mut reads, mut writes) = (socket.try_clone().unwrap(), socket.try_clone().unwrap());
        // Both end with the socket, at the latest when it is shut down.
        thread::spawn(move || writes.write_all(&bytes));
        let (acks, pongs) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (counts_acks, counts_pongs) = (acks.clone(), pongs.clone());
        thread::spawn(move || {
            let mut head = [0; 2];
            while reads.read_exact(&mut head).is_ok() {
                if head == [0xD0, 0] {
                    counts_pongs.fetch_add(1, Ordering::SeqCst);
                } else if head != [0x40, 2] || reads.read_exact(&mut head).is_err() {
                    return;
                } else {
                    counts_acks.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self { socket, acks, pongs }
    }

    fn acks(&self) -> u64 {
        self.acks.load(Ordering::SeqCst)
    }
}

/// What the server says of a client.
fn talker(plant: &Plant, client: &str) -> Value {
    let stats = plant.stats();
    let busiest = stats["talkers"]["busiest"].as_array().unwrap();
    busiest.iter().find(|talker| talker["client"] == client).cloned().unwrap_or_default()
}

pub(super) fn sends_too_much(harness: &'static Harness) {
    let locked = Locked::start(harness, "[clients]\n");
    let plant = &locked.plant;
    let slow_secret = add(plant, &["slow"]);
    plant.cli_ok(&["client", "limit", "slow", "--readings-per-second", "1", "--connections", "1"]);
    let listed = plant.cli_ok(&["client", "list"]);
    assert!(listed.contains("readings a second 1; connections 1"), "{listed}");
    let free_secret = add(plant, &["free"]);
    let (slow, free) = (("slow", slow_secret.as_str()), ("free", free_secret.as_str()));
    let (slow_sensor, free_sensor, topic) = (plant.sensor(), plant.sensor(), plant.sensor().topic());
    // With it the server knows all that was written before.
    eventually("the client is known", PATIENCE, || mosquitto(plant, Some(free), "mqttv5", &topic).status.success());

    let slowed = Publisher::start(plant, slow, &slow_sensor.topic());
    let flows = Publisher::start(plant, free, &free_sensor.topic());
    for (version, code) in [(4, 3), (5, 0x97)] {
        let mut second = Session::plain(plant.doors.mqtt);
        second.send(&connect_packet(version, "second", Some(slow)));
        let packet = second.packet();
        assert_eq!((packet[0], packet[3]), (0x20, code), "{packet:02x?}");
        second.closed();
    }
    eventually("the other is done", PATIENCE, || flows.acks() == u64::from(MESSAGES));
    let acked = slowed.acks();
    let talking = talker(plant, "slow");
    let received = talking["received"].as_u64().unwrap();
    // A second's worth is one reading: a thousand of them would have taken the other a quarter of an hour.
    assert!((1..1_000).contains(&received), "{talking}");
    assert!(acked <= received, "{acked} acknowledged, {talking}");
    assert!(talking["waits"].as_u64().unwrap() > 0, "{talking}");
    assert!(talker(plant, "free")["received"].as_u64().unwrap() >= u64::from(MESSAGES));
    eventually("PINGREQ is answered while messages wait", PATIENCE, || slowed.pongs.load(Ordering::SeqCst) == 1);
    assert!(locked.counted("rate_limited", "mqtt") > 0);
    let (_, metrics) = plant.get("/metrics").unwrap();
    assert!(metrics.contains(r#"genims_refusals_total{door="mqtt",kind="connection_limit"} 2"#), "{metrics}");
    let (status, page) = plant.get("/api/v1/talkers").unwrap();
    assert!(status == 200 && page.contains("\"client\":\"slow\""), "{page}");
    assert!(plant.log_text().contains("sends more than it may"), "{}", plant.log_text());

    // Noticed by the running server: what waited was not lost.
    plant.cli_ok(&["client", "limit", "slow", "--none"]);
    eventually("what waited is taken", PATIENCE, || slowed.acks() == u64::from(MESSAGES));
    for sensor in [&slow_sensor, &free_sensor] {
        locked.rows(sensor, i64::from(MESSAGES));
    }
    assert_eq!(plant.idle()["identity_holds"], true);
}
