//! What options may be, beyond their types: what would otherwise fail, or do nothing useful, only after the start. One key
//! by itself is held to the table of [`options`](super::options); here is what several of them say together.

use super::options::{Allowed, Key, Section};
use super::{Listener, ListenerKind, Settings, reference};
use genims_databases::complaint::{Fault, Faults, Step};
use genims_listen::bridge::BridgeOptions;
use genims_listen::locks::TlsOptions;
use genims_pipeline::SameTimestamp;
use std::net::SocketAddr;
use toml::{Table, Value};

/// Holds every key that a table of the file has to what it may be.
pub(super) fn keys(path: &[Step], section: &Section, table: &Table, faults: &mut Faults) {
    for key in section.keys {
        let Some(value) = table.get(key.name) else { continue };
        let place = path.iter().cloned().chain([Step::from(key.name)]);
        match (key.allowed, value) {
            (Allowed::Words(known), Value::String(word)) if !known.contains(&word.as_str()) => {
                faults.add(Fault::unknown(place, "not a word known here", word, known));
            }
            _ if !is_allowed(key, value) => faults.add(Fault::must_be(place, form(key, value))),
            _ => {}
        }
    }
}

fn is_allowed(key: &Key, value: &Value) -> bool {
    match (key.allowed, value) {
        (Allowed::Number(least, most), Value::Integer(value)) => {
            u64::try_from(*value).is_ok_and(|value| (least..=most).contains(&value))
        }
        (Allowed::AtLeast(least), Value::Integer(value)) => u64::try_from(*value).is_ok_and(|value| value >= least),
        (Allowed::Time(least, most), Value::String(text)) => {
            humantime::parse_duration(text).is_ok_and(|value| (least..=most).contains(&value))
        }
        (Allowed::Words(_), Value::String(_)) | (Allowed::Switch, Value::Boolean(_)) => true,
        (Allowed::Text(_), Value::Table(_) | Value::Array(_)) => reference::kind(key.allowed) != "text",
        // Read by whoever knows the form.
        (Allowed::Text(_), Value::String(_)) => true,
        _ => false,
    }
}

/// What a key takes, and what about the value as it stands is not like it.
fn form(key: &Key, value: &Value) -> String {
    let allowed = match key.allowed {
        Allowed::AtLeast(least) => format!("at least {least}"),
        other => reference::allowed(other),
    };
    match (key.allowed, value) {
        (Allowed::Number(..) | Allowed::AtLeast(_), Value::Integer(_)) => allowed,
        (Allowed::Number(..) | Allowed::AtLeast(_), Value::String(_)) => {
            format!("{allowed}, a whole number without quotes")
        }
        (Allowed::Number(..) | Allowed::AtLeast(_), _) => format!("{allowed}, a whole number"),
        (Allowed::Time(..), _) => format!("{allowed}, written like \"10s\", \"5m\" or \"90d\""),
        (Allowed::Words(_), _) => format!("one of {allowed}"),
        (Allowed::Switch, _) => "true or false, without quotes".to_owned(),
        (Allowed::Text(_), _) if reference::kind(key.allowed) == "text" => format!("{allowed}, in quotes"),
        (Allowed::Text(_), _) => allowed,
    }
}

/// What several values say together. Where one of them is at fault by itself there is no more to be said.
pub(super) fn check(settings: &Settings, listeners: &[(usize, Listener)], faults: &mut Faults) {
    if settings.data_dir.as_os_str().is_empty() {
        faults.add(Fault::must_be([Step::from("data_dir")], "a folder, and is empty"));
    }
    let at = |index: usize| [Step::from("listeners"), Step::from(index)];
    let good: Vec<&(usize, Listener)> = listeners.iter().filter(|(index, _)| !faults.any_below(&at(*index))).collect();
    names(&good, faults);
    addresses(settings, &good, faults);
    let no_sink = settings.postgres.is_none() && !faults.any_below(&[Step::from("sinks")]);
    for (index, listener) in good {
        if no_sink && listener.kind.waits_for_commit() {
            let remedy = "waits for the sink of type \"postgres\", and there is none: nothing would ever be acknowledged; \
                          add [[sinks]] with type = \"postgres\", or set acknowledge = \"durable\"";
            faults.add(Fault::new(at(*index).into_iter().chain([Step::from("acknowledge")]), remedy));
        }
        if let ListenerKind::Bridge(options) = &listener.kind {
            check_bridge(&at(*index), options, faults);
        }
        locks(&at(*index), listener, faults);
    }
    http(settings, faults);
    pipeline(settings, faults);
    if !faults.any_below(&[Step::from("spool")]) {
        faults.take(settings.spool.check().map_err(|error| Fault::new([Step::from("spool")], error.to_string())));
    }
}

fn http(settings: &Settings, faults: &mut Faults) {
    let key = |names: &[&str]| {
        let names = names.iter().map(|name| Step::from(*name));
        [Step::from("http")].into_iter().chain(names).collect::<Vec<_>>()
    };
    if faults.any_below(&key(&[])) {
        return;
    }
    let options = &settings.http;
    let tls = options.tls();
    if let Some(Err((name, problem))) = tls.as_ref().map(TlsOptions::check) {
        faults.add(Fault::new(key(&["tls", name]), problem));
    }
    if options.is_public() && tls.is_none() && !options.plaintext {
        let problem = "others than this machine could read along, secrets among it: add [http.tls] with cert_file and key_file, \
                       or plaintext = true where the network is trusted";
        faults.add(Fault::new(key(&["listen"]), problem));
    }
}

fn pipeline(settings: &Settings, faults: &mut Faults) {
    let options = &settings.pipeline;
    let key = |name: &str| [Step::from("pipeline"), Step::from(name)];
    if faults.any_below(&[Step::from("pipeline")]) {
        return;
    }
    if options.clock_skew_tolerated > options.clock_skew_max {
        let problem = "must not be more than clock_skew_max, beyond which readings are refused";
        faults.add(Fault::new(key("clock_skew_tolerated"), problem));
    }
    if options.same_timestamp == SameTimestamp::Last && settings.mongodb.is_some() {
        let problem = "the mirror only ever adds documents, so it would keep what PostgreSQL replaces: choose keep_all, first \
                       or reject, or leave the sink of type \"mongodb\" out";
        faults.add(Fault::new(key("same_timestamp"), problem));
    }
}

fn locks(path: &[Step], listener: &Listener, faults: &mut Faults) {
    let (tls, plaintext, _) = listener.kind.locks();
    let key =
        |names: &[&str]| path.iter().cloned().chain(names.iter().map(|name| Step::from(*name))).collect::<Vec<_>>();
    if let Some(Err((name, problem))) = tls.map(TlsOptions::check) {
        faults.add(Fault::new(key(&["tls", name]), problem));
    }
    if listener.kind.is_exposed() && !plaintext {
        let problem = "others than this machine could read along and send: add [listeners.tls] with cert_file and key_file, \
                       or plaintext = true where the network is trusted";
        faults.add(Fault::new(key(&["listen"]), problem));
    }
}

fn names(listeners: &[&(usize, Listener)], faults: &mut Faults) {
    for (at, (index, listener)) in listeners.iter().enumerate() {
        if listeners[..at].iter().any(|(_, earlier)| earlier.name == listener.name) {
            let path = [Step::from("listeners"), Step::from(*index), Step::from("name")];
            faults.add(Fault::new(path, "another listener has this name; give each its own"));
        }
    }
}

fn check_bridge(path: &[Step], options: &BridgeOptions, faults: &mut Faults) {
    let key = |name: &str| path.iter().cloned().chain([Step::from(name)]);
    if options.broker.trim_end_matches('/').ends_with(":0") {
        faults.add(Fault::new(key("broker"), "has the port 0, where nobody answers: write 1 to 65535"));
    }
    faults.take(options.check().map_err(|error| Fault::new(path.iter().cloned(), error.to_string())));
    if options.reconnect_delay_max < options.reconnect_delay_min {
        faults.add(Fault::new(key("reconnect_delay_max"), "must not be less than reconnect_delay_min"));
    }
}

/// No two may listen at one address; port 0 is a different one each time.
fn addresses(settings: &Settings, listeners: &[&(usize, Listener)], faults: &mut Faults) {
    let listeners = listeners.iter().filter_map(|(index, listener)| {
        let path = vec![Step::from("listeners"), Step::from(*index), Step::from("listen")];
        listener.kind.listen().map(|address| (format!("listener {}", listener.name), path, address))
    });
    let http = ("http".to_owned(), vec![Step::from("http"), Step::from("listen")], settings.http.listen);
    let http = Some(http).filter(|_| !faults.any_below(&[Step::from("http")]));
    let all: Vec<(String, Vec<Step>, SocketAddr)> = http.into_iter().chain(listeners).collect();
    for (index, (_, path, address)) in all.iter().enumerate() {
        let clash = all[..index].iter().find(|(_, _, other)| overlap(*address, *other));
        if let Some((name, _, other)) = clash {
            let problem = format!("{name} has {other} already; give each a port of its own");
            faults.add(Fault::new(path.iter().cloned(), problem));
        }
    }
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
