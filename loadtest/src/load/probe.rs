//! Probes: marker readings of one reserved sensor at a low rate, and the watch on PostgreSQL that sees them appear.

use super::feed::{Class, Feed, Message, Next, Pool};
use super::payload::{self, Reading, Texts};
use super::tally::{Fence, Tallies, Tally};
use crate::clock::Clock;
use crate::verdict::postgres::timestamp;
use crate::wire::mqtt::{self, Version};
use hdrhistogram::Histogram;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

/// Outstanding probes at most; beyond that new ones are not watched (but still sent and judged).
const WATCHED_MAX: usize = 1_024;
/// How long the watch goes on after the last probe was sent.
const LINGER: Duration = Duration::from_secs(60);

pub struct ProbeFeed {
    pub texts: Texts,
    /// QoS 1 over MQTT, else a TCP frame.
    pub over_mqtt: bool,
    pub start_us: i64,
    pub stop_us: i64,
    pub interval_us: i64,
    next_us: i64,
    tally: Tally,
    watch: mpsc::Sender<i64>,
}

impl ProbeFeed {
    pub fn new(
        texts: Texts,
        over_mqtt: bool,
        (start_us, stop_us): (i64, i64),
        per_second: f64,
    ) -> (Self, mpsc::Receiver<i64>) {
        let (watch, watched) = mpsc::channel(WATCHED_MAX);
        let interval_us = (1e6 / per_second) as i64;
        let feed = Self {
            texts,
            over_mqtt,
            start_us,
            stop_us,
            interval_us,
            next_us: start_us,
            tally: Tally::default(),
            watch,
        };
        (feed, watched)
    }
}

impl Feed for ProbeFeed {
    fn next(&mut self, now_us: i64, pool: &mut Pool) -> Next {
        if self.next_us >= self.stop_us || now_us >= self.stop_us {
            return Next::Done;
        }
        if now_us < self.next_us {
            return Next::At(self.next_us);
        }
        let at_us = self.next_us;
        self.next_us += self.interval_us;
        let value_e4 = 500_000 + (at_us / 7) % 10_000;
        self.tally.add(self.start_us / 1_000 * 1_000, at_us, value_e4);
        let reading = Reading { slot: 0, timestamp_us: at_us, value_e4 };
        let mut bytes = pool.take();
        let mut start = 0;
        if self.over_mqtt {
            mqtt::begin_publish(&mut bytes, Version::V311, &self.texts.topic, 1);
            payload::value_json(&mut bytes, &reading);
            start = mqtt::finish_publish(&mut bytes, 1);
        } else {
            payload::tcp_records(&mut bytes, &[reading]);
        }
        // A full watch list leaves this probe unwatched, never unsent.
        let _ = self.watch.try_send(at_us);
        Next::Message(Message { bytes, start, intended_us: at_us, readings: 1, snapshots: 0, class: Class::Original })
    }

    fn into_tallies(self) -> Tallies {
        let last_us = self.next_us - self.interval_us;
        let mut tallies = Tallies::default();
        if self.tally.count > 0 {
            let sensor_id = self.texts.sensor_id;
            tallies.fences.push(Fence { sensor_id: sensor_id.clone(), timestamp_us: last_us });
            tallies.sensors = HashMap::from([(sensor_id, self.tally)]);
            tallies.widen((self.start_us, last_us));
        }
        tallies
    }
}

/// What the watch saw.
pub struct Visibility {
    pub latency_us: Histogram<u64>,
    pub unseen: u64,
}

/// Looks for outstanding probes every `poll_interval` (less often while PostgreSQL answers slowly) until all were seen.
pub async fn watch(
    client: Client,
    sensor_id: String,
    mut probes: mpsc::Receiver<i64>,
    poll_interval: Duration,
    clock: Clock,
) -> Result<Visibility, tokio_postgres::Error> {
    let query = "select timestamp from public.sensor_data \
                 where sensor_id = $1 and timestamp = any($2) and timestamp between $3 and $4";
    let mut latency_us = super::stats::latencies();
    let mut open: Vec<i64> = Vec::new();
    let mut sending = true;
    let mut ended_us = 0;
    while sending || !open.is_empty() {
        if open.is_empty() {
            match probes.recv().await {
                Some(at_us) => open.push(at_us),
                None => break,
            }
        }
        loop {
            match probes.try_recv() {
                Ok(at_us) => open.push(at_us),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    if sending {
                        ended_us = clock.now_us();
                    }
                    sending = false;
                    break;
                }
            }
        }
        if !sending && clock.now_us() - ended_us > LINGER.as_micros() as i64 {
            break;
        }
        let asked_us = clock.now_us();
        let times: Vec<_> = open.iter().map(|&at_us| timestamp(at_us)).collect();
        let (from, to) = (times.iter().min().copied(), times.iter().max().copied());
        let values: [(&(dyn ToSql + Sync), Type); 4] = [
            (&sensor_id, Type::TEXT),
            (&times, Type::TIMESTAMP_ARRAY),
            (&from, Type::TIMESTAMP),
            (&to, Type::TIMESTAMP),
        ];
        let rows = client.query_typed(query, &values).await?;
        let seen_us = clock.now_us();
        for row in rows {
            let found: chrono::NaiveDateTime = row.try_get(0)?;
            let found_us = found.and_utc().timestamp_micros();
            if let Some(index) = open.iter().position(|&at_us| at_us == found_us) {
                open.swap_remove(index);
                latency_us.saturating_record((seen_us - found_us).max(1) as u64);
            }
        }
        let took = Duration::from_micros((seen_us - asked_us).max(0) as u64);
        tokio::time::sleep(poll_interval.max(took * 3)).await;
    }
    Ok(Visibility { latency_us, unseen: open.len() as u64 })
}
