//! A token, which a client shows as its password: told once, kept as a digest, gone when its secret is rotated.

use super::session::{ACK, REFUSE, Session, frames};
use super::{Locked, add, mosquitto};
use crate::harness::Harness;
use crate::running::eventually;
use crate::server::PATIENCE;
use serde_json::Value;

fn login(secret: &str) -> Option<(&str, &str)> {
    Some(("press 4", secret))
}

pub(super) fn opens(harness: &'static Harness) {
    let locked = Locked::start(harness, "[clients]\n");
    let plant = &locked.plant;
    let sensor = plant.sensor();
    let secret = add(plant, &["press 4"]);
    let path = plant.folder.join("data").join("clients.toml");
    let file = || std::fs::read_to_string(&path).unwrap();
    assert!(!file().contains("tokens"), "the release before reads it as long as nobody has one");
    let told: Value = serde_json::from_str(&plant.cli_ok(&["client", "--json", "token", "press 4"])).unwrap();
    let token = told["token"].as_str().unwrap();
    assert!(token.len() == 64 && token != secret, "256 bits");
    let publish = |secret: &str| mosquitto(plant, login(secret), "mqttv5", &sensor.topic()).status.success();
    eventually("the token is known", PATIENCE, || publish(token));
    assert!(mosquitto(plant, login(token), "mqttv311", &sensor.topic()).status.success());
    assert!(publish(&secret), "the secret opens beside it");
    let mut tcp = Session::plain(plant.doors.tcp);
    tcp.send(&frames("frames", login(token), &sensor, 1));
    tcp.until_frame(ACK);
    locked.rows(&sensor, 4);
    let listed = plant.cli_ok(&["client", "list"]);
    assert!(listed.contains("press 4  enabled, secret, 1 token, since "), "{listed}");

    let told: Value = serde_json::from_str(&plant.cli_ok(&["client", "--json", "rotate", "press 4"])).unwrap();
    let rotated = told["secret"].as_str().unwrap();
    eventually("the new secret is known", PATIENCE, || publish(rotated));
    assert!(!publish(token), "it ended with the secret");
    let mut refused = Session::plain(plant.doors.tcp);
    refused.send(&frames("frames-2", login(token), &sensor, 1));
    refused.until_frame(REFUSE);
    refused.closed();
    for told in [&plant.log_text(), &listed, &file()] {
        assert!(!told.contains(token) && !told.contains(&secret) && !told.contains(rotated), "{told}");
    }
    assert!(!plant.cli(&["client", "token", "nobody"]).status.success());
}
