//! What a broker takes: messages of one reading over fifty connections, with the client code of a run.

use super::BaselineError;
use crate::access::loopback;
use crate::clock::Clock;
use crate::load::connection::{Connection, Limits};
use crate::load::feed::{Class, Feed, Message, Next, Pool};
use crate::load::payload::{Reading, Texts, value_json};
use crate::load::session::{MqttSession, Session};
use crate::load::socket::Peer;
use crate::load::stats::Stats;
use crate::load::tally::Tallies;
use crate::plant::Plant;
use crate::wire::mqtt::{self, Version};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 50;
/// As in config/loadtest/single_qos1.toml; mosquitto queues what is above its own limit.
const WINDOW: u32 = 100;
const GRACE_US: i64 = 30_000_000;

/// Single readings as fast as they go.
struct SingleFeed {
    texts: Texts,
    qos: u8,
    stop_us: i64,
    value_e4: i64,
}

impl Feed for SingleFeed {
    fn next(&mut self, now_us: i64, pool: &mut Pool) -> Next {
        if now_us >= self.stop_us {
            return Next::Done;
        }
        self.value_e4 = (self.value_e4 + 7_919) % 1_000_000;
        let mut bytes = pool.take();
        mqtt::begin_publish(&mut bytes, Version::V311, &self.texts.topic, self.qos);
        value_json(&mut bytes, &Reading { slot: 0, timestamp_us: now_us, value_e4: self.value_e4 });
        let start = mqtt::finish_publish(&mut bytes, self.qos);
        Next::Message(Message { bytes, start, intended_us: now_us, readings: 1, snapshots: 0, class: Class::Original })
    }

    fn into_tallies(self) -> Tallies {
        Tallies::default()
    }
}

/// Messages per second: acknowledged ones at QoS 1; at QoS 0 written ones up to the moment when the broker has read
/// everything (it answers a ping that was sent last).
pub async fn measure(
    address: &str,
    qos: u8,
    warmup: Duration,
    seconds: Duration,
) -> Result<Option<f64>, BaselineError> {
    let peer = Peer::clear(loopback(address).map_err(|error| BaselineError::Other(error.to_string()))?);
    let clock = Clock::start();
    let start_us = clock.now_us();
    let warm_us = start_us + warmup.as_micros() as i64;
    let stop_us = warm_us + seconds.as_micros() as i64;
    let stats = Arc::new(Stats::default());
    let plant = Plant::synthetic(CONNECTIONS, 1);
    let mut tasks = JoinSet::new();
    for sensor in &plant.sensors {
        let client_id = format!("loadtest-{start_us:x}-baseline-{}", sensor.machine);
        let session = Session::Mqtt(MqttSession::new(Version::V311, qos, client_id, WINDOW));
        let feed = SingleFeed { texts: Texts::new(&plant, sensor), qos, stop_us, value_e4: 0 };
        let limits = Limits { start_us, give_up_us: stop_us + GRACE_US, storm_interval_us: 0 };
        tasks.spawn(Connection::new(peer.clone(), session, feed, stats.clone(), clock, limits).run());
    }
    tokio::time::sleep_until(clock.instant(warm_us)).await;
    let (at_warm, warm_us) = (Stats::get(&stats.acked), clock.now_us());
    if qos > 0 {
        // What comes after the end of sending is only the rest of the windows.
        tokio::time::sleep_until(clock.instant(stop_us)).await;
    }
    let (mut at_end, mut end_us) = (Stats::get(&stats.acked), clock.now_us());
    while tasks.join_next().await.is_some() {}
    if qos == 0 {
        (at_end, end_us) = (Stats::get(&stats.acked), clock.now_us());
    }
    if at_end == 0 {
        let why = stats.last_error().unwrap_or_else(|| "no message was taken".to_owned());
        return Err(BaselineError::Other(format!("mosquitto: {why}")));
    }
    Ok(Some((at_end - at_warm) as f64 / crate::clock::seconds_between(warm_us, end_us)))
}
