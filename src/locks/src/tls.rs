//! TLS of one door: files enter, what a handshake needs leaves. Read again when they change.
//!
//! Invariant: sessions to be resumed belong to what was loaded with them, and end with it: after a change everybody shows a
//! certificate again.

use super::LockError;
use super::certificate::Certificate;
use super::options::{ClientCertificate, TlsOptions};
use super::watch::Watched;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

/// Sessions that may be resumed; each keeps its client's certificate, 1 to 2 KiB.
const SESSIONS_MAX: usize = 8_192;

/// Everything of one reading of the files.
pub struct Loaded {
    /// Counts the readings.
    pub number: u64,
    pub config: Arc<ServerConfig>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// Serial numbers on the revocation lists, whoever's: whom to look at first.
    revoked: HashSet<Box<[u8]>>,
}

impl Loaded {
    /// Whether a client that shows this certificate would be let in now; the cause if not.
    pub fn admits(&self, certificate: Option<&Certificate>) -> Result<(), rustls::Error> {
        match (&self.verifier, certificate) {
            (None, _) => Ok(()),
            (Some(verifier), None) if verifier.client_auth_mandatory() => Err(rustls::Error::NoCertificatesPresented),
            (Some(_), None) => Ok(()),
            (Some(verifier), Some(certificate)) => match certificate.chain.split_first() {
                Some((own, others)) => verifier.verify_client_cert(own, others, UnixTime::now()).map(|_| ()),
                None => Err(rustls::Error::NoCertificatesPresented),
            },
        }
    }

    /// Quickly found to be on a list, which [`Loaded::admits`] has to confirm.
    pub fn suspects(&self, certificate: &Certificate) -> bool {
        self.revoked.contains(&certificate.serial)
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Loaded").field("number", &self.number).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub struct Tls {
    options: TlsOptions,
    /// Clients read what the door says.
    answers: bool,
    current: ArcSwap<Loaded>,
    watched: Mutex<Watched>,
}

impl Tls {
    pub fn open(options: &TlsOptions, answers: bool) -> Result<Self, LockError> {
        let watched = Watched::new(files(options));
        let current = ArcSwap::from_pointee(load(options, answers, 0)?);
        Ok(Self { options: options.clone(), answers, current, watched: Mutex::new(watched) })
    }

    pub fn current(&self) -> Arc<Loaded> {
        self.current.load_full()
    }

    /// Hands out another's handshakes, as if its sessions had outlived the change.
    #[cfg(feature = "trial")]
    pub fn put_config(&self, config: Arc<ServerConfig>) {
        let current = self.current.load();
        let (number, verifier, revoked) = (current.number, current.verifier.clone(), current.revoked.clone());
        self.current.store(Arc::new(Loaded { number, config, verifier, revoked }));
    }

    /// What was read anew, if the files have changed. An error leaves what was in force.
    pub fn look(&self, everything: bool) -> Option<Result<Arc<Loaded>, LockError>> {
        if !self.watched.lock().is_due(everything) {
            return None;
        }
        let number = self.current.load().number + 1;
        let loaded = load(&self.options, self.answers, number).map(Arc::new);
        if let Ok(loaded) = &loaded {
            self.current.store(loaded.clone());
        }
        Some(loaded)
    }
}

fn files(options: &TlsOptions) -> Vec<PathBuf> {
    let sure = [options.cert_file.clone(), options.key_file.clone()];
    sure.into_iter().chain(options.client_ca_file.clone()).chain(options.crl_file.clone()).collect()
}

/// Reads everything and gives it up again: what is wrong with it shows.
pub fn check(options: &TlsOptions) -> Result<(), LockError> {
    load(options, true, 0).map(|_| ())
}

fn load(options: &TlsOptions, answers: bool, number: u64) -> Result<Loaded, LockError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = certificates(&options.cert_file)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&options.key_file)?)
        .map_err(|error| unusable(&options.key_file, "private key", error))?;
    let lists = options.crl_file.as_deref().map_or_else(|| Ok(Vec::new()), lists)?;
    let revoked = lists.iter().flat_map(|(_, serials)| serials.iter().cloned()).collect();
    let verifier = match &options.client_ca_file {
        Some(path) => Some(verifier(options, path, lists.into_iter().map(|(list, _)| list), &provider)?),
        None => None,
    };
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match &verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        unusable(&options.key_file, "private key", format!("{error} ({})", options.cert_file.display()))
    })?;
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
    // A client that never reads would close with the ticket unread, upon which its system resets the connection and what it
    // sent last is lost.
    config.send_tls13_tickets = usize::from(answers);
    Ok(Loaded { number, config: Arc::new(config), verifier, revoked })
}

fn verifier(
    options: &TlsOptions,
    path: &Path,
    lists: impl IntoIterator<Item = CertificateRevocationListDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, LockError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| unusable(path, "certificate", error))?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).with_crls(lists);
    if options.client_certificate == ClientCertificate::Optional {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|error| unusable(options.crl_file.as_deref().unwrap_or(path), "revocation list", error))
}

/// A revocation list, and the serial numbers on it.
type List = (CertificateRevocationListDer<'static>, Vec<Box<[u8]>>);

fn lists(path: &Path) -> Result<Vec<List>, LockError> {
    let bytes = read(path)?;
    let mut lists = Vec::new();
    for list in CertificateRevocationListDer::pem_slice_iter(&bytes) {
        let list = list.map_err(|error| unusable(path, "revocation list", error))?;
        let serials = serials(path, &list)?;
        lists.push((list, serials));
    }
    if lists.is_empty() { Err(empty(path, "revocation list (X509 CRL)")) } else { Ok(lists) }
}

fn serials(path: &Path, list: &[u8]) -> Result<Vec<Box<[u8]>>, LockError> {
    let (_, parsed) =
        CertificateRevocationList::from_der(list).map_err(|error| unusable(path, "revocation list", error))?;
    let now = UnixTime::now().as_secs() as i64;
    if parsed.next_update().is_some_and(|next| next.timestamp() < now) {
        let (file, issuer) = (path.display(), parsed.issuer());
        tracing::warn!(%file, %issuer, "a revocation list is past its next update; get a newer one");
    }
    Ok(parsed.iter_revoked_certificates().map(|revoked| revoked.raw_serial().into()).collect())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, LockError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|error| unusable(path, "certificate", error))?;
    if found.is_empty() { Err(empty(path, "certificate")) } else { Ok(found) }
}

fn read(path: &Path) -> Result<Vec<u8>, LockError> {
    std::fs::read(path).map_err(|source| LockError::Read { path: path.to_owned(), source })
}

fn empty(path: &Path, what: &'static str) -> LockError {
    LockError::Empty { path: path.to_owned(), what }
}

fn unusable(path: &Path, what: &'static str, cause: impl std::fmt::Display) -> LockError {
    LockError::Unusable { path: path.to_owned(), what, cause: cause.to_string() }
}
