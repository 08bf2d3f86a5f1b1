//! The root certificates that the operating system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), for servers whose
//! certificate a public authority signed.
//!
//! Enters: nothing. Leaves: certificates, or their file for the driver that takes none. Invariant: an operating system without
//! any is an error, never an empty store that refuses every server.

use super::errors::DatabaseError;
use rustls::pki_types::CertificateDer;
use std::path::PathBuf;

const REMEDY: &str = "install the package ca-certificates, or name the authority's PEM file in its URL";

/// All certificates that could be read.
pub(crate) fn certificates(database: &str) -> Result<Vec<CertificateDer<'static>>, DatabaseError> {
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return Ok(found.certs);
    }
    let first = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
    let cause = format!("the operating system has no root certificates{first}");
    Err(DatabaseError::Tls { database: database.to_owned(), cause, remedy: REMEDY })
}

/// The file that holds them all, where there is one.
pub(crate) fn file() -> Option<PathBuf> {
    openssl_probe::probe().cert_file
}
