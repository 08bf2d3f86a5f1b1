//! Clients that lose nothing: they keep what was not acknowledged and send it again after every reconnect.
//!
//! Enter: the server's doors and a rate. Leaves: for each client what was acknowledged and what never was. Every client owns
//! its sensors, or shares them with the others of its load and owns the milliseconds; each of its messages is one reading of
//! every one of them at a time of its own, so `(sensor, time)` names a reading for good, in milliseconds too, which is all that
//! MongoDB keeps.

mod connection;
mod link;
mod speech;

pub(crate) use connection::Connection;
use link::Client;
pub(crate) use speech::{Answer, Speech, encode};

use crate::server::{Doors, Plant};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The fraction of a millisecond that all timestamps have: what PostgreSQL keeps and MongoDB cuts off.
pub(crate) const TICK_FRACTION_US: i64 = 123;

/// What all clients send at a time: exact in a double and in four decimals, and within any sensor's range.
pub(crate) fn value_at(timestamp_us: i64) -> f64 {
    20.0 + (timestamp_us.div_euclid(1_000).rem_euclid(16)) as f64 / 16.0
}

/// Now, on the tick.
pub(crate) fn now_us() -> i64 {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    now_ms * 1_000 + TICK_FRACTION_US
}

fn door(doors: &Doors, speech: Speech) -> SocketAddr {
    match speech {
        Speech::MqttV3 | Speech::MqttV5 => doors.mqtt,
        Speech::Frames => doors.tcp,
    }
}

/// What the clients shall do.
#[derive(Clone, Debug)]
pub(crate) struct LoadOptions {
    /// Part of the client ids; a load of another name is another set of clients.
    pub(crate) name: String,
    /// One client each.
    pub(crate) speeches: Vec<Speech>,
    pub(crate) sensors_each: usize,
    /// The clients make up their sensors' ids with this front part (`<machine>:<any>`) instead of taking known ones.
    pub(crate) unknown: Option<String>,
    /// The sensors that are made up are the same for all clients.
    pub(crate) shared: bool,
    /// Between two messages of one client.
    pub(crate) interval: Duration,
}

impl LoadOptions {
    /// Four clients, 4,000 readings per second.
    pub(crate) fn usual(name: &str) -> Self {
        let speeches = vec![Speech::MqttV3, Speech::Frames, Speech::MqttV5, Speech::Frames];
        let (sensors_each, interval) = (20, Duration::from_millis(20));
        Self { name: name.to_owned(), speeches, sensors_each, unknown: None, shared: false, interval }
    }
}

/// What the clients have seen so far, all together.
#[derive(Debug, Default)]
struct Seen {
    /// Readings.
    acked: AtomicU64,
    /// Messages that the server said it would not store.
    refused: AtomicU64,
    pongs: AtomicU64,
    connections: AtomicU64,
}

impl Seen {
    fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// One client's account, at the end.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) sensors: Vec<String>,
    /// Timestamps of acknowledged messages.
    pub(crate) acked: Vec<i64>,
    /// Timestamps of messages that were sent and never acknowledged.
    pub(crate) open: Vec<i64>,
}

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Load {
    seen: Arc<Seen>,
    /// No new messages; clients end when everything is acknowledged.
    finishing: Arc<AtomicBool>,
    /// Clients end now.
    abandoned: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Sent>>,
}

impl Load {
    pub(crate) fn start(plant: &Plant, options: &LoadOptions) -> Self {
        let (seen, finishing, abandoned) = <(Arc<Seen>, Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let client = |(no, speech): (usize, &Speech)| {
            let client = Client {
                id: format!("{}-{no}", options.name),
                address: door(&plant.doors, *speech),
                speech: *speech,
                sensors: (0..options.sensors_each)
                    .map(|sensor| match &options.unknown {
                        Some(front) if options.shared => format!("{front}-{sensor}"),
                        Some(front) => format!("{front}-{no}-{sensor}"),
                        None => plant.sensor().sensor_id,
                    })
                    .collect(),
                own_ms: if options.shared { (no as i64, options.speeches.len() as i64) } else { (0, 1) },
                interval: options.interval,
                seen: seen.clone(),
                finishing: finishing.clone(),
                abandoned: abandoned.clone(),
            };
            std::thread::spawn(move || client.run())
        };
        let clients = options.speeches.iter().enumerate().map(client).collect();
        Self { seen, finishing, abandoned, clients }
    }

    /// Readings acknowledged so far.
    pub(crate) fn acked(&self) -> u64 {
        self.seen.acked.load(Ordering::Relaxed)
    }

    pub(crate) fn refused(&self) -> u64 {
        self.seen.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn pongs(&self) -> u64 {
        self.seen.pongs.load(Ordering::Relaxed)
    }

    /// Connections made so far.
    pub(crate) fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::Relaxed)
    }

    /// Readings acknowledged per second, over `time`.
    pub(crate) fn rate(&self, time: Duration) -> f64 {
        let before = self.acked();
        std::thread::sleep(time);
        (self.acked() - before) as f64 / time.as_secs_f64()
    }

    /// Sends nothing new, and waits until everything is acknowledged or `limit` is over.
    pub(crate) fn finish(self, limit: Duration) -> Vec<Sent> {
        self.finishing.store(true, Ordering::Release);
        let deadline = Instant::now() + limit;
        while !self.clients.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.abandoned.store(true, Ordering::Release);
        self.clients.into_iter().map(|client| client.join().unwrap()).collect()
    }
}
