//! How the server is spoken to: flags and environment enter; where a listener is, TLS and a login leave. Only loopback is accepted.

use crate::authorities::{certificates, roots};
use crate::load::socket::Peer;
use crate::wire::{Identity, Login};
use clap::Args;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Holds the secret of `--user`: others see the flags of a process.
const SECRET: &str = "GENIMS_LOADTEST_SECRET";

/// For an answer of the HTTP side.
const ANSWER_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("{0}: not a host:port that resolves; write for example 127.0.0.1:1884")]
    Address(String),
    #[error("{0} is not on this machine: the harness works on loopback addresses only")]
    NotLoopback(String),
    #[error("{0}: write mqtts:// or tls:// for TLS, mqtt:// or tcp:// for none")]
    Scheme(String),
    #[error("TLS: {0}")]
    Tls(String),
    #[error("{SECRET} is not set: it holds the secret of --user")]
    NoSecret,
}

#[derive(Args, Clone, Debug, Default)]
pub struct Access {
    /// Speak TLS at every listener; at one alone its address says so: mqtts://HOST:PORT, tls://HOST:PORT
    #[arg(long)]
    pub tls: bool,
    /// Authorities (PEM) of the server's certificate; without it whom the operating system trusts
    #[arg(long, value_name = "FILE", env = "GENIMS_TLS_CA_FILE")]
    pub ca: Option<PathBuf>,
    /// The certificate to show (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// The client to log in as, with the secret in GENIMS_LOADTEST_SECRET
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

/// A host and port on this machine.
pub fn loopback(address: &str) -> Result<SocketAddr, AccessError> {
    let all = resolved(address)?;
    all.first().copied().ok_or_else(|| AccessError::Address(address.to_owned()))
}

fn resolved(address: &str) -> Result<Vec<SocketAddr>, AccessError> {
    let found = address.to_socket_addrs().map_err(|_| AccessError::Address(address.to_owned()))?;
    let reached = |mut found: SocketAddr| {
        if found.ip().is_unspecified() {
            // What a server listens on everywhere is reached through loopback.
            found.set_ip(if found.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        found
    };
    let found: Vec<SocketAddr> = found.map(reached).collect();
    if found.iter().all(|found| found.ip().is_loopback()) {
        Ok(found)
    } else {
        Err(AccessError::NotLoopback(address.to_owned()))
    }
}

impl Access {
    /// Where a listener is, and how it is spoken to there.
    pub fn peer(&self, address: &str) -> Result<Peer, AccessError> {
        let (secured, place) = match address.split_once("://") {
            None => (self.tls, address),
            Some(("mqtts" | "tls", place)) => (true, place.trim_end_matches('/')),
            Some(("mqtt" | "tcp", place)) => (false, place.trim_end_matches('/')),
            Some(_) => return Err(AccessError::Scheme(address.to_owned())),
        };
        let addresses = resolved(place)?;
        let first = addresses.first().copied().ok_or_else(|| AccessError::Address(address.to_owned()))?;
        let tls = if secured { Some((self.config()?, server_name(place, first)?)) } else { None };
        Ok(Peer { addresses, tls })
    }

    fn config(&self) -> Result<Arc<ClientConfig>, AccessError> {
        let failed = |error: rustls::Error| AccessError::Tls(error.to_string());
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
        let builder = builder.with_root_certificates(roots(self.ca.as_deref()).map_err(AccessError::Tls)?);
        let mut config = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let shown: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect);
                let shown = shown.map_err(|error| unreadable(cert, &error))?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
                builder.with_client_auth_cert(shown, key).map_err(failed)?
            }
            _ => builder.with_no_client_auth(),
        };
        // Each connection stands for a device of its own: a handshake that goes on with the session of another would cost less.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    /// A client of the server's HTTP side, which believes the same authorities.
    pub fn http_agent(&self, secured: bool) -> Result<ureq::Agent, AccessError> {
        let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX));
        if !secured {
            return Ok(config.build().into());
        }
        let found = certificates(self.ca.as_deref()).map_err(AccessError::Tls)?;
        let found: Vec<_> = found.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&found))
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()));
        Ok(config.tls_config(tls.build()).build().into())
    }

    /// The account to log in to, where one is named.
    pub fn login(&self) -> Result<Option<Login>, AccessError> {
        self.login_with(std::env::var(SECRET).ok())
    }

    fn login_with(&self, secret: Option<String>) -> Result<Option<Login>, AccessError> {
        let Some(name) = self.user.clone() else { return Ok(None) };
        Ok(Some(Login { name, secret: secret.ok_or(AccessError::NoSecret)? }))
    }

    /// As whom a connection comes that calls itself so.
    pub fn identity(&self, client_id: String) -> Result<Identity, AccessError> {
        Ok(Identity { client_id, login: self.login()? })
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> AccessError {
    AccessError::Tls(format!("cannot read {}: {error}", path.display()))
}

/// Whom the certificate has to name: the host as it is written.
fn server_name(place: &str, address: SocketAddr) -> Result<ServerName<'static>, AccessError> {
    let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
    if host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok() {
        return Ok(ServerName::from(address.ip()));
    }
    ServerName::try_from(host.to_owned()).map_err(|_| AccessError::Address(place.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An authority, in a file, which is all that is needed to ask for TLS.
    fn access(folder: &Path) -> Access {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let ca = folder.join("ca.pem");
        std::fs::write(&ca, issued.cert.pem()).expect("written");
        std::fs::write(folder.join("key.pem"), issued.signing_key.serialize_pem()).expect("written");
        Access { ca: Some(ca), ..Access::default() }
    }

    #[test]
    fn foreign_addresses_are_refused() {
        assert!(loopback("127.0.0.1:1883").is_ok());
        assert!(loopback("[::1]:1883").is_ok());
        assert!(loopback("0.0.0.0:1883").is_ok_and(|address| address.ip().is_loopback()));
        assert!(matches!(loopback("10.1.2.3:1883"), Err(AccessError::NotLoopback(_))));
        assert!(matches!(loopback("nonsense"), Err(AccessError::Address(_))));
        let access = Access::default();
        assert!(matches!(access.peer("mqtt://10.1.2.3:1883"), Err(AccessError::NotLoopback(_))));
        assert!(matches!(access.peer("http://127.0.0.1:1883"), Err(AccessError::Scheme(_))));
    }

    #[test]
    fn the_scheme_says_whether_tls_is_spoken_and_without_one_the_flag_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let access = access(folder.path());
        let name = |access: &Access, address: &str| {
            let peer = access.peer(address).unwrap_or_else(|error| panic!("{address}: {error}"));
            assert!(peer.addresses.iter().all(|address| address.port() == 8883), "{peer:?}");
            peer.tls.map(|(_, name)| name.to_str().into_owned())
        };
        for clear in ["127.0.0.1:8883", "mqtt://127.0.0.1:8883", "tcp://[::1]:8883"] {
            assert_eq!(name(&access, clear), None, "{clear}");
        }
        let flagged = Access { tls: true, ..access.clone() };
        assert_eq!(name(&flagged, "127.0.0.1:8883").as_deref(), Some("127.0.0.1"));
        assert_eq!(name(&flagged, "mqtt://127.0.0.1:8883"), None);
        for (address, expected) in [
            ("mqtts://localhost:8883", "localhost"),
            ("mqtts://127.0.0.1:8883/", "127.0.0.1"),
            ("tls://[::1]:8883", "::1"),
            ("tls://0.0.0.0:8883", "127.0.0.1"),
        ] {
            assert_eq!(name(&access, address).as_deref(), Some(expected), "{address}");
        }
    }

    #[test]
    fn files_that_are_not_what_they_should_be_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let good = access(folder.path());
        let (ca, key) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
        let tried = |access: Access| access.peer("tls://localhost:8883").map(|_| ()).map_err(|error| error.to_string());
        let showing =
            |cert: &Path, key: &Path| Access { cert: Some(cert.to_owned()), key: Some(key.to_owned()), ..good.clone() };
        assert_eq!(tried(showing(&ca, &key)), Ok(()));
        for (access, file) in [
            (Access { ca: Some(folder.path().join("none.pem")), ..Access::default() }, "none.pem"),
            (Access { ca: Some(key.clone()), ..Access::default() }, "key.pem"),
            (showing(&folder.path().join("lost.pem"), &key), "lost.pem"),
            (showing(&ca, &ca), "ca.pem"),
        ] {
            let error = tried(access).expect_err(file);
            assert!(error.contains(file), "{error}");
        }
    }

    #[test]
    fn a_name_needs_its_secret_which_is_never_shown() {
        let access = Access { user: Some("press-4".to_owned()), ..Access::default() };
        assert!(matches!(access.login_with(None), Err(AccessError::NoSecret)));
        let login = access.login_with(Some("hush".to_owned())).expect("a secret").expect("a login");
        assert_eq!((login.name.as_str(), login.secret.as_str()), ("press-4", "hush"));
        assert!(!format!("{login:?}").contains("hush"));
        assert!(Access::default().login_with(Some("hush".to_owned())).is_ok_and(|login| login.is_none()));
    }
}
