//! The HTTP side of a running server, as commands ask it: by the configuration's address or another, with a token where users sign in.

use anyhow::bail;
use genims::settings::{HttpOptions, reachable};
use genims_api::snapshot::ServerSnapshot;
use genims_databases::Environment;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Where the server's HTTP side is, and what is shown there.
pub(super) struct Door {
    agent: ureq::Agent,
    pub(super) url: String,
    /// Of a user, where users sign in.
    token: Option<String>,
}

impl Door {
    /// `named` is where it is if not where `http`, the configuration, says.
    pub(super) fn new(
        named: Option<&str>,
        environment: &Environment,
        http: impl FnOnce() -> anyhow::Result<HttpOptions>,
    ) -> anyhow::Result<Self> {
        let url = match named {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => {
                let http = http()?;
                let scheme = if http.tls.is_some() { "https" } else { "http" };
                format!("{scheme}://{}", reachable(http.listen))
            }
        };
        Ok(Self { agent: agent(&url)?, url, token: environment.secret("GENIMS_TOKEN")? })
    }

    pub(super) fn snapshot(&self) -> Result<ServerSnapshot, String> {
        self.get("/api/v1/snapshot")
    }

    /// What stands at a path; else why not, for people.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        let Self { agent, url, token } = self;
        let ask = || -> Result<T, ureq::Error> {
            let mut request = agent.get(format!("{url}{path}"));
            if let Some(token) = token {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            request.call()?.body_mut().read_json()
        };
        ask().map_err(|error| match error {
            ureq::Error::StatusCode(401) => {
                format!("{url} asks for a token; put that of `genims user token NAME` into GENIMS_TOKEN")
            }
            error if url.starts_with("https:") && error.to_string().contains("certificate") => {
                format!("{url}: {error}; let SSL_CERT_FILE name a PEM file with the authority's certificate")
            }
            error => format!("{url}: {error}"),
        })
    }
}

/// Over TLS it trusts whom the operating system trusts, or those that SSL_CERT_FILE names.
fn agent(url: &str) -> anyhow::Result<ureq::Agent> {
    let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX));
    if !url.starts_with("https:") {
        return Ok(config.build().into());
    }
    if let Some(problem) = genims_databases::roots::variable_problem() {
        bail!("{problem}");
    }
    let found = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<_> = found.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
    Ok(config.tls_config(tls.build()).build().into())
}
