//! TLS to the broker. Options enter; leaves the transport: TLS 1.2 or 1.3, trusting the given certificates or those of the
//! operating system, with a certificate of our own where the broker asks for one.

use super::BridgeError;
use super::options::BridgeOptions;
use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

pub(super) fn transport(options: &BridgeOptions) -> Result<Transport, BridgeError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(options)?);
    let config = match (&options.cert_file, &options.key_file) {
        (Some(cert_file), Some(key_file)) => config.with_client_auth_cert(certificates(cert_file)?, key(key_file)?)?,
        _ => config.with_no_client_auth(),
    };
    Ok(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(config))))
}

fn roots(options: &BridgeOptions) -> Result<RootCertStore, BridgeError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &options.ca_file {
        roots.add_parsable_certificates(certificates(path)?);
        if roots.is_empty() {
            return Err(BridgeError::Certificates { path: path.clone() });
        }
        return Ok(roots);
    }
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(BridgeError::SystemCertificates) } else { Ok(roots) }
}

fn read(path: &Path) -> Result<Vec<u8>, BridgeError> {
    std::fs::read(path).map_err(|source| BridgeError::File { path: path.to_owned(), source })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BridgeError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?).filter_map(Result::ok).collect();
    if certificates.is_empty() { Err(BridgeError::Certificates { path: path.to_owned() }) } else { Ok(certificates) }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, BridgeError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|source| BridgeError::Key { path: path.to_owned(), source })
}
