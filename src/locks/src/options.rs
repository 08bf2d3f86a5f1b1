//! What a listener is told of its locks.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Whether a client has to show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificate {
    #[default]
    Required,
    /// Those without log in with a secret.
    Optional,
}

/// `[listeners.tls]`: TLS 1.2 or 1.3 on a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsOptions {
    /// The listener's certificate (PEM), with those between it and the authority behind it.
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    /// The authorities (PEM) of clients' certificates; without it no client is asked for one.
    pub client_ca_file: Option<PathBuf>,
    pub client_certificate: ClientCertificate,
    /// Revocation lists (PEM), one of each authority that a client's certificate goes through.
    pub crl_file: Option<PathBuf>,
}

impl TlsOptions {
    /// Checks what no file has to be read for.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.cert_file.as_os_str().is_empty() {
            return Err(("cert_file", "is missing: TLS needs a certificate (PEM)"));
        }
        if self.key_file.as_os_str().is_empty() {
            return Err(("key_file", "is missing: TLS needs the certificate's key (PEM)"));
        }
        if self.client_ca_file.is_none() && self.crl_file.is_some() {
            return Err(("crl_file", "needs client_ca_file: without it no client shows a certificate"));
        }
        Ok(())
    }
}
