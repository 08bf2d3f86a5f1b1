//! Whose signature on a certificate is believed: a file of authorities, or those that the operating system trusts.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;

/// The error names the file.
pub fn roots(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    let Some(path) = file else {
        store.add_parsable_certificates(trusted());
        return Ok(store);
    };
    for certificate in authorities(path)? {
        store.add(certificate).map_err(|error| unreadable(path, &error))?;
    }
    Ok(store)
}

/// The same as certificates.
pub fn certificates(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, String> {
    file.map_or_else(|| Ok(trusted()), authorities)
}

/// Those of the operating system.
fn trusted() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found = found.map_err(|error| unreadable(path, &error))?;
    if found.is_empty() { Err(unreadable(path, &"there is none; it holds certificates in PEM")) } else { Ok(found) }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("cannot read authorities in {}: {error}", path.display())
}
