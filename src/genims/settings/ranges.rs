//! What options may be, beyond their types: what would otherwise fail, or do nothing useful, only after the start. One key
//! by itself is held to the table of [`options`](super::options); here is what several of them say together.

use super::fault::{Fault, Step};
use super::options::{Allowed, Section};
use super::{ListenerKind, Settings, reference};
use genims_listen::bridge::BridgeOptions;
use genims_pipeline::SameTimestamp;
use std::net::SocketAddr;
use toml::{Table, Value};

/// Holds every key that a table of the file has to what it may be.
pub(super) fn keys(path: &[Step], section: &Section, table: &Table) -> Result<(), Fault> {
    for key in section.keys {
        let is_allowed = match (key.allowed, table.get(key.name)) {
            (Allowed::Number(least, most), Some(Value::Integer(value))) => {
                u64::try_from(*value).is_ok_and(|value| (least..=most).contains(&value))
            }
            (Allowed::AtLeast(least), Some(Value::Integer(value))) => {
                u64::try_from(*value).is_ok_and(|value| value >= least)
            }
            (Allowed::Time(least, most), Some(Value::String(text))) => {
                humantime::parse_duration(text).is_ok_and(|value| (least..=most).contains(&value))
            }
            _ => true,
        };
        if !is_allowed {
            let path = path.iter().cloned().chain([Step::from(key.name)]);
            return Err(Fault::new(path, format!("must be {}", reference::allowed(key.allowed))));
        }
    }
    Ok(())
}

pub(super) fn check(settings: &Settings) -> Result<(), Fault> {
    addresses(settings)?;
    for (index, listener) in settings.listeners.iter().enumerate() {
        if let ListenerKind::Bridge(options) = &listener.kind {
            check_bridge(&[Step::from("listeners"), Step::from(index)], options)?;
        }
    }
    let options = &settings.pipeline;
    if options.clock_skew_tolerated > options.clock_skew_max {
        let detail = "must not be more than clock_skew_max, beyond which readings are refused";
        return Err(Fault::new([Step::from("pipeline"), Step::from("clock_skew_tolerated")], detail));
    }
    if options.same_timestamp == SameTimestamp::Last && settings.mongodb.is_some() {
        let detail = "the mirror only ever adds documents, so it would keep what PostgreSQL replaces: choose keep_all, first \
                      or reject, or leave the sink of type \"mongodb\" out";
        return Err(Fault::new([Step::from("pipeline"), Step::from("same_timestamp")], detail));
    }
    settings.spool.check().map_err(|error| Fault::new([Step::from("spool")], error.to_string()))
}

fn check_bridge(path: &[Step], options: &BridgeOptions) -> Result<(), Fault> {
    options.check().map_err(|error| Fault::new(path.iter().cloned(), error.to_string()))?;
    if options.reconnect_delay_max < options.reconnect_delay_min {
        let path = path.iter().cloned().chain([Step::from("reconnect_delay_max")]);
        return Err(Fault::new(path, "must not be less than reconnect_delay_min"));
    }
    Ok(())
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
