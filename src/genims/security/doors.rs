//! Listeners, bridges and the HTTP side: who reaches them, in clear or not, and whether anybody is asked who he is.

use super::Finding;
use super::Subject::{Accounts, Ports, Tls};
use crate::settings::{HttpOptions, Listener, ListenerKind, Settings};
use genims_locks::options::ClientCertificate;
use std::net::{IpAddr, SocketAddr};

pub(super) fn look(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for listener in &settings.listeners {
        match &listener.kind {
            ListenerKind::Bridge(options) => findings.extend(bridge(&listener.name, &options.broker)),
            kind => {
                let Some(address) = kind.listen().filter(is_public) else { continue };
                findings.extend(everywhere(&format!("listener {}", listener.name), address));
                findings.extend(guarded(settings, listener));
            }
        }
    }
    if is_public(&settings.http.listen) {
        findings.extend(everywhere("the HTTP side", settings.http.listen));
        findings.extend(http(&settings.http));
    }
    findings
}

fn is_public(address: &SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

fn everywhere(what: &str, address: SocketAddr) -> Option<Finding> {
    let remedy = "name the address of the network that needs it in listen";
    let found = || format!("{what} listens on all interfaces ({address})");
    address.ip().is_unspecified().then(|| Finding::medium(Ports, found(), remedy))
}

fn guarded(settings: &Settings, listener: &Listener) -> Vec<Finding> {
    let (name, (tls, _, anonymous)) = (&listener.name, listener.kind.locks());
    let mut findings = Vec::new();
    if tls.is_none() {
        let remedy = format!("give it a certificate ([listeners.tls] of {name})");
        findings.push(Finding::high(
            Tls,
            format!("listener {name} listens in clear: secrets and readings are read along"),
            remedy,
        ));
    }
    let asks = |tls: &genims_locks::options::TlsOptions| {
        tls.client_ca_file.is_some() && tls.client_certificate == ClientCertificate::Required
    };
    if tls.is_some_and(asks) {
        return findings;
    }
    if settings.clients.is_none() {
        let remedy = "add [clients] and `genims client add`, or ask for certificates (client_ca_file)";
        findings.push(Finding::high(
            Accounts,
            format!("whoever reaches listener {name} may send: nobody is asked who he is"),
            remedy,
        ));
    } else if anonymous.admitted {
        let remedy = "set anonymous = false, once every client has an account";
        findings.push(Finding::medium(Accounts, format!("listener {name} lets in those who show nothing"), remedy));
    }
    if let Some(rows) = settings
        .rows
        .as_ref()
        .filter(|rows| !rows.anonymous.is_empty() && (settings.clients.is_none() || anonymous.admitted))
    {
        let found = format!("whoever reaches listener {name} may write rows into {}", rows.anonymous.join(", "));
        findings.push(Finding::high(
            Accounts,
            found,
            "take them out of anonymous in [rows]; `genims client allow --rows` says who may",
        ));
    }
    findings
}

fn http(options: &HttpOptions) -> Vec<Finding> {
    let mut findings = Vec::new();
    if options.tls.is_none() {
        let remedy = "give it a certificate ([http.tls]), or listen on loopback behind a proxy that has one";
        findings.push(Finding::high(
            Tls,
            "the HTTP side is reached in clear: passwords and sessions are read along",
            remedy,
        ));
    }
    if !options.asks_to_sign_in() {
        let remedy = "set sign_in = \"required\" in [http]; `genims user add` makes the users";
        findings.push(Finding::high(
            Accounts,
            "whoever reaches the HTTP side sees and does everything: nobody signs in",
            remedy,
        ));
    } else if options.open_metrics {
        let remedy = "give what reads them a token (`genims user token`), and set open_metrics = false";
        findings.push(Finding::medium(Accounts, "/metrics answers those who have not signed in", remedy));
    }
    findings
}

fn bridge(name: &str, broker: &str) -> Option<Finding> {
    let place = broker.strip_prefix("mqtt://")?;
    let host = place.split(['/', '?']).next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let found = format!("bridge {name} speaks to {host} in clear: its password and all messages are read along");
    (!is_here)
        .then(|| Finding::high(Tls, found, "write mqtts:// (and ca_file, where the broker's authority is your own)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::Severity;
    use genims_databases::Environment;
    use std::path::Path;

    fn found(text: &str) -> Vec<(Severity, String)> {
        let settings = Settings::parse(text, Path::new("plant.toml"), &Environment::default()).expect("a good file");
        look(&settings).into_iter().map(|finding| (finding.severity, finding.found)).collect()
    }

    #[test]
    fn what_is_on_loopback_is_nobody_s_business() {
        let text = "[http]\nlisten = \"127.0.0.1:9400\"\n[[listeners]]\ntype = \"mqtt\"\nlisten = \"127.0.0.1:1883\"\n\
            [[listeners]]\ntype = \"bridge\"\nbroker = \"mqtt://[::1]:1883\"\n[rows]\ndatabases = [\"genims_hr_db\"]\nanonymous = [\"genims_hr_db.*\"]";
        assert_eq!(found(text), []);
    }

    #[test]
    fn each_open_door_is_found() {
        let mqtt = "[[listeners]]\ntype = \"mqtt\"\nname = \"m\"\n";
        let clear = "listen = \"10.0.0.1:1883\"\nplaintext = true\n";
        let tls = "listen = \"10.0.0.1:8883\"\ntls = { cert_file = \"c\", key_file = \"k\" }\n";
        let asking =
            "listen = \"10.0.0.1:8883\"\ntls = { cert_file = \"c\", key_file = \"k\", client_ca_file = \"a\" }\n";
        let rows = "[rows]\ndatabases = [\"genims_hr_db\"]\nanonymous = [\"genims_hr_db.*\"]\n";
        let cases: [(String, &[&str]); 9] = [
            (format!("{mqtt}{clear}"), &["in clear", "nobody is asked"]),
            (
                format!("{mqtt}{}", clear.replace("10.0.0.1", "0.0.0.0")),
                &["on all interfaces", "in clear", "nobody is asked"],
            ),
            (format!("{mqtt}{tls}"), &["nobody is asked"]),
            (format!("{mqtt}{tls}[clients]\n"), &[]),
            (
                format!("{mqtt}{tls}anonymous = true\n[clients]\n{rows}"),
                &["those who show nothing", "may write rows into genims_hr_db.*"],
            ),
            (format!("{mqtt}{asking}"), &[]),
            (
                "[[listeners]]\ntype = \"bridge\"\nbroker = \"mqtt://broker.plant\"\n".to_owned(),
                &["speaks to broker.plant in clear"],
            ),
            ("[http]\nlisten = \"10.0.0.1:9400\"\nplaintext = true\n".to_owned(), &["HTTP side is reached in clear"]),
            (
                "[http]\nlisten = \"[::]:9400\"\nsign_in = \"off\"\ntls = { cert_file = \"c\", key_file = \"k\" }\n"
                    .to_owned(),
                &["on all interfaces", "nobody signs in"],
            ),
        ];
        for (text, expected) in cases {
            let found = found(&text);
            assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
            for said in expected {
                assert!(found.iter().any(|(_, found)| found.contains(said)), "{text}: {said}: {found:?}");
            }
        }
    }
}
