//! The whole walk: a client's socket, the server, PostgreSQL and MongoDB.

use crate::harness::Harness;
use crate::server::{Plant, Setup};
use libtest_mimic::Trial;
use std::sync::OnceLock;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("stream::smoke", smoke)]
}

/// A plant with the default rules; each test uses sensors of its own.
fn plant(harness: &'static Harness) -> &'static Plant {
    static PLANT: OnceLock<Plant> = OnceLock::new();
    PLANT.get_or_init(|| Plant::start(harness, &Setup::default()))
}

fn smoke(harness: &'static Harness) {
    let plant = plant(harness);
    let sensor = plant.sensor();
    let out = std::process::Command::new("mosquitto_pub")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &plant.doors.mqtt.port().to_string(),
            "-q",
            "1",
            "-t",
            &sensor.topic(),
            "-m",
            "{\"value\": 12.5}",
        ])
        .output()
        .unwrap();
    assert!(out.status.success());
    plant.stored_exactly(&sensor, 1);
    println!("{:#}", plant.idle());
}
