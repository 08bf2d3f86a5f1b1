//! The stack's own certificate authority and one server certificate for `localhost`, 127.0.0.1 and ::1.
//!
//! Made once per stack, owned by the account of the servers, mode 0600 (PostgreSQL refuses a key that others can read).
//! The authority's own key is not kept: nothing else can ever be signed with it.

use super::account::Account;
use super::error::Result;
use chrono::Datelike;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use std::path::{Path, PathBuf};

const VALID_YEARS: i32 = 10;

/// Where the files are.
#[derive(Clone, Debug)]
pub(super) struct TlsFiles {
    pub(super) ca: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// Certificate and key in one file, as mongod wants it.
    pub(super) bundle: PathBuf,
}

impl TlsFiles {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            ca: folder.join("ca.pem"),
            certificate: folder.join("server.crt"),
            key: folder.join("server.key"),
            bundle: folder.join("server.pem"),
        }
    }

    /// Makes the files unless they are there; the bundle comes last, so it proves the others.
    pub(super) fn ensure(&self, account: &Account) -> Result<()> {
        if self.bundle.exists() {
            return Ok(());
        }
        let authority = CertifiedIssuer::self_signed(authority_params()?, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = server_params()?.signed_by(&key, &authority)?;
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        account.write_secret(&self.ca, authority.pem().as_bytes())?;
        account.write_secret(&self.certificate, certificate.as_bytes())?;
        account.write_secret(&self.key, key.as_bytes())?;
        account.write_secret(&self.bundle, format!("{certificate}{key}").as_bytes())
    }
}

fn authority_params() -> Result<CertificateParams> {
    let mut params = validity(CertificateParams::new([])?);
    params.distinguished_name.push(DnType::CommonName, "GenIMS private development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn server_params() -> Result<CertificateParams> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut params = validity(CertificateParams::new(names)?);
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// From the start of last year, so that a clock that is set back a little does not matter.
fn validity(mut params: CertificateParams) -> CertificateParams {
    let year = chrono::Utc::now().year();
    params.not_before = date_time_ymd(year - 1, 1, 1);
    params.not_after = date_time_ymd(year + VALID_YEARS, 1, 1);
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn certificates_are_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let files = TlsFiles::in_folder(dir.path());
        let account = Account::of_caller();
        files.ensure(&account).unwrap();
        let first = fs::read(&files.bundle).unwrap();
        assert!(first.starts_with(&fs::read(&files.certificate).unwrap()));
        assert!(first.ends_with(&fs::read(&files.key).unwrap()));
        files.ensure(&account).unwrap();
        assert_eq!(fs::read(&files.bundle).unwrap(), first);
    }
}
