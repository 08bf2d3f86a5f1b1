//! What options may be, beyond their types: what would otherwise fail, or do nothing useful, only after the start.

use super::fault::{Fault, Step};
use super::{Listener, ListenerKind, Settings};
use genims_consumers::gather::BatchLimits;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The protocol's own bound of a packet.
const MQTT_PACKET_BYTES_MAX: u32 = 268_435_455;
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// As many handles as a system gives at most, by default.
const CONNECTIONS_MAX: usize = 1 << 20;

/// Checks the options of one table.
struct Table {
    path: Vec<Step>,
}

impl Table {
    fn within<T: PartialOrd + Display>(&self, key: &str, value: T, range: RangeInclusive<T>) -> Result<(), Fault> {
        if range.contains(&value) {
            return Ok(());
        }
        Err(self.fault(key, format!("must be {} to {}", range.start(), range.end())))
    }

    fn lasts(&self, key: &str, value: Duration, range: RangeInclusive<Duration>) -> Result<(), Fault> {
        if range.contains(&value) {
            return Ok(());
        }
        let shown = |duration: &Duration| humantime::format_duration(*duration).to_string().replace(' ', "");
        Err(self.fault(key, format!("must be {} to {}", shown(range.start()), shown(range.end()))))
    }

    fn fault(&self, key: &str, detail: String) -> Fault {
        Fault::new(self.path.iter().cloned().chain([Step::from(key)]), detail)
    }
}

pub(super) fn check(settings: &Settings) -> Result<(), Fault> {
    addresses(settings)?;
    for (index, listener) in settings.listeners.iter().enumerate() {
        let table = Table { path: vec![Step::from("listeners"), Step::from(index)] };
        check_listener(&table, listener)?;
    }
    let letters = Table { path: vec![Step::from("dead_letters")] };
    letters.lasts("keep_for", settings.dead_letters.keep_for, 60 * SECOND..=36_500 * DAY)?;
    letters.within("max_bytes", settings.dead_letters.max_bytes, 1 << 20..=1 << 50)?;
    let pipeline = Table { path: vec![Step::from("pipeline")] };
    let options = &settings.pipeline;
    pipeline.within("shards", options.shards, 0..=64)?;
    pipeline.within("queue_records", options.queue_records, 1_024..=1 << 24)?;
    pipeline.lasts("late_after", options.late_after, Duration::ZERO..=30 * DAY)?;
    pipeline.lasts("clock_skew_max", options.clock_skew_max, Duration::ZERO..=DAY)?;
    if options.clock_skew_tolerated > options.clock_skew_max {
        let detail = "must not be more than clock_skew_max, beyond which readings are refused";
        return Err(pipeline.fault("clock_skew_tolerated", detail.to_owned()));
    }
    settings.spool.check().map_err(|error| Fault::new([Step::from("spool")], error.to_string()))
}

pub(super) fn check_sink(path: &[Step], limits: &BatchLimits) -> Result<(), Fault> {
    let sink = Table { path: path.to_vec() };
    sink.within("batch_size", limits.batch_size, 1..=1_000_000)?;
    sink.within("batch_bytes_max", limits.batch_bytes_max, 1 << 16..=1 << 30)?;
    sink.lasts("linger", limits.linger, Duration::ZERO..=60 * SECOND)?;
    sink.lasts("flush_interval", limits.flush_interval, MILLISECOND..=60 * SECOND)
}

fn check_listener(table: &Table, listener: &Listener) -> Result<(), Fault> {
    match &listener.kind {
        ListenerKind::Mqtt(options) => {
            table.within("connections_max", options.connections_max, 1..=CONNECTIONS_MAX)?;
            table.within("packet_bytes_max", options.packet_bytes_max, 1_024..=MQTT_PACKET_BYTES_MAX)?;
            table.within("receive_maximum", options.receive_maximum, 1..=u16::MAX)?;
            table.lasts("keep_alive_max", options.keep_alive_max, SECOND..=Duration::from_secs(65_535))?;
            table.lasts("connect_timeout", options.connect_timeout, MILLISECOND..=60 * SECOND)?;
            table.lasts("write_timeout", options.write_timeout, MILLISECOND..=600 * SECOND)?;
            table.lasts("drain_timeout", options.drain_timeout, Duration::ZERO..=60 * SECOND)
        }
        ListenerKind::Tcp(options) => {
            table.within("connections_max", options.connections_max, 1..=CONNECTIONS_MAX)?;
            table.within("body_bytes_max", options.body_bytes_max, 1_024..=1 << 28)?;
            table.within("in_flight_frames_max", options.in_flight_frames_max, 1..=1 << 20)?;
            table.within("in_flight_bytes_max", options.in_flight_bytes_max, 1_024..=1 << 30)?;
            table.lasts("hello_timeout", options.hello_timeout, MILLISECOND..=60 * SECOND)?;
            table.lasts("idle_timeout", options.idle_timeout, SECOND..=DAY)?;
            table.lasts("takeover_timeout", options.takeover_timeout, MILLISECOND..=60 * SECOND)?;
            table.lasts("drain_timeout", options.drain_timeout, Duration::ZERO..=60 * SECOND)
        }
        ListenerKind::Line(options) => {
            table.within("connections_max", options.connections_max, 1..=CONNECTIONS_MAX)?;
            table.within("line_bytes_max", options.line_bytes_max, 64..=1 << 24)?;
            table.lasts("idle_timeout", options.idle_timeout, SECOND..=DAY)?;
            table.lasts("drain_timeout", options.drain_timeout, Duration::ZERO..=60 * SECOND)
        }
        ListenerKind::Bridge(options) => {
            options.check().map_err(|error| Fault::new(table.path.iter().cloned(), error.to_string()))?;
            table.within("packet_bytes_max", options.packet_bytes_max, 1_024..=MQTT_PACKET_BYTES_MAX)?;
            table.within("in_flight_bytes_max", options.in_flight_bytes_max, 1_024..=1 << 30)?;
            table.lasts("connect_timeout", options.connect_timeout, MILLISECOND..=60 * SECOND)?;
            table.lasts("reconnect_delay_min", options.reconnect_delay_min, MILLISECOND..=600 * SECOND)?;
            if options.reconnect_delay_max < options.reconnect_delay_min {
                let detail = "must not be less than reconnect_delay_min".to_owned();
                return Err(table.fault("reconnect_delay_max", detail));
            }
            table.lasts("drain_timeout", options.drain_timeout, Duration::ZERO..=60 * SECOND)
        }
    }
}

/// No two may listen at one address; port 0 is a different one each time.
fn addresses(settings: &Settings) -> Result<(), Fault> {
    let listeners = settings.listeners.iter().enumerate().filter_map(|(index, listener)| {
        let path = vec![Step::from("listeners"), Step::from(index), Step::from("listen")];
        listener.kind.listen().map(|address| (format!("listener {}", listener.name), path, address))
    });
    let http = ("http".to_owned(), vec![Step::from("http"), Step::from("listen")], settings.http.listen);
    let all: Vec<(String, Vec<Step>, SocketAddr)> = [http].into_iter().chain(listeners).collect();
    for (index, (_, path, address)) in all.iter().enumerate() {
        let clash = all[..index].iter().find(|(_, _, other)| overlap(*address, *other));
        if let Some((name, _, other)) = clash {
            let detail = format!("{name} has {other} already; give each a port of its own");
            return Err(Fault::new(path.iter().cloned(), detail));
        }
    }
    Ok(())
}

fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = |address: SocketAddr| address.ip().is_unspecified();
    one.port() == other.port()
        && one.port() != 0
        && (one.ip() == other.ip()
            || (one.is_ipv4() == other.is_ipv4() && (everywhere(one) || everywhere(other)))
            // The unspecified IPv6 address takes IPv4 as well.
            || [one, other].into_iter().any(|address| address.is_ipv6() && everywhere(address)))
}
