//! TLS for all connections: at each listener, and towards each database, by the private servers' own authority.
//!
//! In: the private servers. Out: a configuration of `genims serve`, and what the commands have to know.

use anyhow::Context;
use genims_dev::Stack;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// What serves without TLS, and listens where the environment says.
const CONFIGURATION: &str = include_str!("../../../config/genims.toml");

pub(crate) struct Encryption {
    /// Whom everybody believes.
    pub(crate) authority: PathBuf,
    /// With a certificate at every address where something listens.
    pub(crate) configuration: PathBuf,
}

impl Encryption {
    pub(crate) fn prepare(stack: &Stack, folder: &Path) -> anyhow::Result<Self> {
        let configuration = folder.join("genims.toml");
        let [certificate, key] = stack.certificate_files();
        let absolute =
            |path: &Path| std::path::absolute(path).with_context(|| format!("{} has no absolute path", path.display()));
        let text = with_certificates(CONFIGURATION, &absolute(&certificate)?, &absolute(&key)?);
        std::fs::write(&configuration, text)
            .with_context(|| format!("{} cannot be written", configuration.display()))?;
        Ok(Self { authority: absolute(&stack.ca_file())?, configuration })
    }

    /// Believes the authority, as all commands do.
    pub(crate) fn http_agent(&self) -> anyhow::Result<ureq::Agent> {
        let unreadable = || format!("{} cannot be read", self.authority.display());
        let pem = std::fs::read(&self.authority).with_context(unreadable)?;
        let authority = Certificate::from_pem(&pem).with_context(unreadable)?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[authority]))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        Ok(ureq::Agent::config_builder().tls_config(tls.build()).build().into())
    }

    /// PostgreSQL and MySQL offer TLS, and it is taken; MongoDB's drivers want to be told.
    pub(crate) fn mongodb_url(&self, url: &str) -> String {
        format!("{url}&tls=true&tlsCAFile={}", self.authority.display())
    }
}

fn with_certificates(configuration: &str, certificate: &Path, key: &Path) -> String {
    // A JSON string is one of TOML, too.
    let tls = format!("tls = {{ cert_file = {}, key_file = {} }}\n", json!(certificate), json!(key));
    let lines = configuration.lines().map(|line| {
        let certified = if line.starts_with("listen = ") { tls.as_str() } else { "" };
        format!("{line}\n{certified}")
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_the_certificate() {
        let found = with_certificates(CONFIGURATION, Path::new("/a b/c.crt"), Path::new("/k\"ey"));
        let listening = CONFIGURATION.lines().filter(|line| line.starts_with("listen")).count();
        let tls = r#"tls = { cert_file = "/a b/c.crt", key_file = "/k\"ey" }"#;
        assert!(listening >= 4);
        assert_eq!(found.lines().filter(|line| *line == tls).count(), listening);
        let without: String = found.lines().filter(|line| *line != tls).map(|line| format!("{line}\n")).collect();
        assert_eq!(without, CONFIGURATION);
    }
}
