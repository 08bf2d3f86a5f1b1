//! PEM files. Enters: the path of one. Leaves: its certificates, or why it holds none.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error, PemObject};
use std::path::Path;

/// Adds the certificates of authorities; at least one.
pub(crate) fn authorities(path: &Path, store: &mut RootCertStore) -> Result<(), String> {
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The certificates, whomever they are of; at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let told = |error: Error| match error {
        Error::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    let found = CertificateDer::pem_file_iter(path).map_err(told)?;
    let certificates = found.collect::<Result<Vec<_>, _>>().map_err(told)?;
    if certificates.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(certificates) }
}
