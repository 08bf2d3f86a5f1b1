//! TLS towards PostgreSQL, with the meaning libpq gives to `sslmode` and `sslrootcert`.
//!
//! `require` encrypts without asking who is there, unless a root certificate is given: then it acts like `verify-ca`.

use super::errors::DatabaseError;
use super::{pem, roots};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// libpq's `sslmode`, without the rarely wanted `allow`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    Disable,
    #[default]
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl SslMode {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }

    /// libpq's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    /// What tokio-postgres has to know: whether to ask for TLS, and whether to insist.
    pub(crate) fn negotiation(self) -> tokio_postgres::config::SslMode {
        match self {
            Self::Disable => tokio_postgres::config::SslMode::Disable,
            Self::Prefer => tokio_postgres::config::SslMode::Prefer,
            Self::Require | Self::VerifyCa | Self::VerifyFull => tokio_postgres::config::SslMode::Require,
        }
    }
}

/// Whose signature makes a server's certificate good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// A PEM file.
    File(PathBuf),
    /// Whom the operating system trusts.
    System,
}

/// The connector for one database.
pub fn connector(database: &str, mode: SslMode, root: Option<&Roots>) -> Result<MakeRustlsConnect, DatabaseError> {
    let failed = |cause: String, remedy| DatabaseError::Tls { database: database.to_owned(), cause, remedy };
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string(), "this build of rustls lacks TLS 1.2 and 1.3: report it"))?;
    let verifier: Arc<dyn ServerCertVerifier> = match (mode, root) {
        (SslMode::VerifyCa | SslMode::VerifyFull, None) => {
            let cause = "sslmode=verify-ca and verify-full need a root certificate".to_owned();
            return Err(failed(cause, "add sslrootcert=/path/ca.pem to its URL"));
        }
        (SslMode::VerifyFull, Some(root)) => chain_verifier(database, root, &provider)?,
        (SslMode::VerifyCa | SslMode::Require, Some(root)) => {
            Arc::new(AnyName(chain_verifier(database, root, &provider)?))
        }
        _ => Arc::new(Unverified(provider)),
    };
    Ok(MakeRustlsConnect::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

fn chain_verifier(
    database: &str,
    root: &Roots,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, DatabaseError> {
    let remedy = "let sslrootcert name a PEM file with the certificate of the authority";
    let failed = |cause: String| DatabaseError::Tls { database: database.to_owned(), cause, remedy };
    let mut store = RootCertStore::empty();
    match root {
        Roots::File(path) => {
            pem::authorities(path, &mut store).map_err(|cause| failed(format!("{}: {cause}", path.display())))?
        }
        Roots::System => {
            store.add_parsable_certificates(roots::certificates(database)?);
        }
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .build()
        .map_err(|error| failed(error.to_string()))
}

/// `verify-ca`: the chain must hold, the name need not.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // rustls checks the name last, so everything else has held.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// `prefer` and `require`: whoever answers may answer, but must hold the key of the certificate that is shown.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use std::io::Write;

    struct Authority {
        pem: tempfile::NamedTempFile,
        leaf: CertificateDer<'static>,
    }

    /// An authority, and a certificate for `db.example` that it signed.
    fn authority() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a root");
        let mut pem = tempfile::NamedTempFile::new().expect("a file");
        pem.write_all(root.pem().as_bytes()).expect("written");
        let issuer = Issuer::from_params(&params, key);
        let leaf_key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["db.example".to_owned()])
            .expect("a name")
            .signed_by(&leaf_key, &issuer)
            .expect("a leaf");
        Authority { pem, leaf: leaf.der().clone() }
    }

    fn verify(verifier: &dyn ServerCertVerifier, leaf: &CertificateDer<'_>, name: &'static str) -> bool {
        let name = ServerName::try_from(name).expect("a name");
        verifier.verify_server_cert(leaf, &[], &name, &[], UnixTime::now()).is_ok()
    }

    #[test]
    fn verify_full_wants_chain_and_name_and_verify_ca_the_chain_alone() {
        let (ours, other) = (authority(), authority());
        let provider = Arc::new(ring::default_provider());
        let full = chain_verifier("db", &Roots::File(ours.pem.path().to_owned()), &provider).expect("a verifier");
        let any_name = AnyName(full.clone());
        assert!(verify(full.as_ref(), &ours.leaf, "db.example"));
        assert!(!verify(full.as_ref(), &ours.leaf, "elsewhere.example"));
        assert!(!verify(full.as_ref(), &other.leaf, "db.example"));
        assert!(verify(&any_name, &ours.leaf, "elsewhere.example"));
        assert!(!verify(&any_name, &other.leaf, "db.example"));
    }

    #[test]
    fn verification_without_a_root_certificate_is_refused_with_the_remedy() {
        for mode in [SslMode::VerifyCa, SslMode::VerifyFull] {
            let error = connector("genims_hr_db", mode, None).map(|_| ()).expect_err("no root").to_string();
            assert!(error.contains("sslrootcert"), "{error}");
        }
        let missing = connector("db", SslMode::VerifyFull, Some(&Roots::File("/nonexistent/ca.pem".into())));
        assert!(missing.map(|_| ()).expect_err("no file").to_string().contains("/nonexistent/ca.pem"));
    }

    #[test]
    fn unverified_modes_need_no_file() {
        for mode in [SslMode::Disable, SslMode::Prefer, SslMode::Require] {
            assert!(connector("db", mode, None).is_ok(), "{mode:?}");
        }
    }
}
