//! Clients that others wrote: mosquitto_pub, paho (Python), rumqttc, and a bridge behind a real broker.

use crate::harness::Harness;
use libtest_mimic::Trial;

pub(crate) fn tests(_harness: &'static Harness) -> Vec<Trial> {
    Vec::new()
}
