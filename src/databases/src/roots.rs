//! The root certificates that the operating system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), for servers whose
//! certificate a public authority signed.
//!
//! Enters: nothing. Leaves: certificates, or their file for the driver that takes none. Invariant: an operating system without
//! any is an error, never an empty store that refuses every server.

use super::errors::DatabaseError;
use super::pem;
use rustls::pki_types::CertificateDer;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const REMEDY: &str = "install the package ca-certificates, or name the authority's PEM file in its URL";
/// Names other certificates than the operating system's.
const VARIABLE: &str = "SSL_CERT_FILE";

/// All certificates that could be read; an error names who needs them.
pub fn certificates(database: &str) -> Result<Vec<CertificateDer<'static>>, DatabaseError> {
    check_variable(database)?;
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return Ok(found.certs);
    }
    let first = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
    let cause = format!("the operating system has no root certificates{first}");
    Err(DatabaseError::Tls { database: database.to_owned(), cause, remedy: REMEDY })
}

/// Why the file that [`VARIABLE`] names cannot be used: whoever sets it means no others.
pub fn variable_problem() -> Option<String> {
    problem_of(std::env::var_os(VARIABLE))
}

fn problem_of(value: Option<OsString>) -> Option<String> {
    let path = value.filter(|value| !value.is_empty())?;
    let cause = pem::certificates(Path::new(&path)).err()?;
    Some(format!("{VARIABLE} names {}: {cause}", path.to_string_lossy()))
}

pub(crate) fn check_variable(database: &str) -> Result<(), DatabaseError> {
    const REMEDY: &str = "let SSL_CERT_FILE name a PEM file with the certificates of authorities, or unset it";
    match variable_problem() {
        Some(cause) => Err(DatabaseError::Tls { database: database.to_owned(), cause, remedy: REMEDY }),
        None => Ok(()),
    }
}

/// The file that holds them all, where there is one.
pub(crate) fn file() -> Option<PathBuf> {
    openssl_probe::probe().cert_file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_points_nowhere_is_named() {
        let nothing = tempfile::NamedTempFile::new().expect("a file");
        for (path, cause) in [(Path::new("/nonexistent/ca.pem"), "No such file"), (nothing.path(), "no certificate")] {
            let problem = problem_of(Some(path.into())).expect("no certificates there");
            assert!(problem.contains("SSL_CERT_FILE names") && problem.contains(cause), "{problem}");
        }
        assert_eq!((problem_of(None), problem_of(Some(OsString::new()))), (None, None));
    }
}
