//! From when until when what stands in a PEM file may be used: certificates, and revocation lists.

use super::LockError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use std::path::Path;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

/// Seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Whose certificate it is, or who made the list.
    pub name: String,
    pub from: i64,
    /// `None` for a list that says nothing of its next.
    pub until: Option<i64>,
}

/// Of each certificate in the file.
pub fn certificates(path: &Path) -> Result<Vec<Validity>, LockError> {
    const WHAT: &str = "certificate";
    each(path, WHAT, |der: CertificateDer<'_>| {
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| unusable(path, WHAT, &error))?;
        let validity = parsed.validity();
        let (from, until) = (validity.not_before.timestamp(), Some(validity.not_after.timestamp()));
        Ok(Validity { name: parsed.subject().to_string(), from, until })
    })
}

/// Of each revocation list in the file.
pub fn revocation_lists(path: &Path) -> Result<Vec<Validity>, LockError> {
    const WHAT: &str = "revocation list";
    each(path, WHAT, |der: CertificateRevocationListDer<'_>| {
        let (_, parsed) = CertificateRevocationList::from_der(&der).map_err(|error| unusable(path, WHAT, &error))?;
        let (from, until) = (parsed.last_update().timestamp(), parsed.next_update().map(|time| time.timestamp()));
        Ok(Validity { name: parsed.issuer().to_string(), from, until })
    })
}

fn each<D: PemObject>(
    path: &Path,
    what: &'static str,
    read: impl Fn(D) -> Result<Validity, LockError>,
) -> Result<Vec<Validity>, LockError> {
    let bytes = std::fs::read(path).map_err(|source| LockError::Read { path: path.to_owned(), source })?;
    let found = D::pem_slice_iter(&bytes).map(|der| read(der.map_err(|error| unusable(path, what, &error))?));
    let found = found.collect::<Result<Vec<_>, _>>()?;
    match found.is_empty() {
        true => Err(LockError::Empty { path: path.to_owned(), what }),
        false => Ok(found),
    }
}

fn unusable(path: &Path, what: &'static str, cause: &dyn std::fmt::Display) -> LockError {
    LockError::Unusable { path: path.to_owned(), what, cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    #[test]
    fn a_file_says_of_each_certificate_until_when_it_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chain.pem");
        let pem = |until: i32| {
            let mut params = CertificateParams::new(vec!["plc-7.example".to_owned()]).expect("names");
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
            params.self_signed(&KeyPair::generate().expect("a key")).expect("signed").pem()
        };
        std::fs::write(&path, pem(2021) + &pem(2030)).expect("written");
        let found = certificates(&path).expect("two certificates");
        let until: Vec<_> = found.iter().map(|validity| validity.until).collect();
        assert_eq!(until, [Some(1_609_459_200), Some(1_893_456_000)]);
        assert_eq!(found[0].from, 1_577_836_800);
        assert!(matches!(revocation_lists(&path), Err(LockError::Empty { what: "revocation list", .. })));
        assert!(matches!(certificates(&folder.path().join("none.pem")), Err(LockError::Read { .. })));
    }
}
