//! The locks of one listener, and who of those inside has to leave. How one comes in is told by `entry`.

use super::clients::Clients;
use super::guest::{Eviction, Guest};
use super::places::Places;
use crate::notices::{Kind, Notices, Peer};
use crate::{ListenMetrics, count};
use genims_locks::LockError;
use genims_locks::certificate::Certificate;
use genims_locks::options::TlsOptions;
use genims_locks::refusals::{self, Refusals};
use genims_locks::tls::{Loaded, Tls};
use parking_lot::Mutex;
use rustls::pki_types::UnixTime;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

/// What those without an account may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnonymousPolicy {
    /// Where clients log in, those who show nothing are let in, too.
    pub admitted: bool,
    /// Connections from one address; 0 is any number.
    pub connections_per_address_max: usize,
}

#[derive(Debug)]
pub struct ListenerGate {
    pub(super) listener: String,
    pub(super) tls: Option<Tls>,
    pub(super) clients: Option<Arc<Clients>>,
    pub(super) anonymous: AnonymousPolicy,
    /// Of connections without an account.
    pub(super) addresses: Arc<Places<IpAddr>>,
    pub(crate) metrics: Arc<ListenMetrics>,
    pub(super) guests: Mutex<HashMap<u64, Arc<Guest>>>,
    pub(super) next: AtomicU64,
    /// The reading of the file of clients that those inside were held to.
    checked: AtomicU64,
    pub(super) notices: Notices,
    pub(super) refusals: Arc<Refusals>,
}

impl ListenerGate {
    /// Without locks: everybody comes in.
    pub fn unlocked(metrics: Arc<ListenMetrics>) -> Arc<Self> {
        Arc::new(Self::with(String::new(), None, None, AnonymousPolicy::default(), (metrics, Arc::default())))
    }

    /// `answers`: the protocol has answers, which clients read. `clients`: who may come in; `None` is everybody that TLS
    /// lets in.
    pub fn open(
        listener: &str,
        answers: bool,
        tls: Option<&TlsOptions>,
        clients: Option<Arc<Clients>>,
        anonymous: AnonymousPolicy,
        refusals: Arc<Refusals>,
    ) -> Result<Arc<Self>, LockError> {
        let tls = tls.map(|options| Tls::open(options, answers)).transpose()?;
        Ok(Arc::new(Self::with(listener.to_owned(), tls, clients, anonymous, (Arc::default(), refusals))))
    }

    fn with(
        listener: String,
        tls: Option<Tls>,
        clients: Option<Arc<Clients>>,
        anonymous: AnonymousPolicy,
        (metrics, refusals): (Arc<ListenMetrics>, Arc<Refusals>),
    ) -> Self {
        let (guests, next, notices, addresses) =
            (Mutex::default(), AtomicU64::new(0), Notices::default(), Arc::default());
        let checked = AtomicU64::new(clients.as_ref().map_or(0, |clients| clients.reading()));
        Self { listener, tls, clients, anonymous, addresses, metrics, guests, next, checked, notices, refusals }
    }

    pub fn metrics(&self) -> Arc<ListenMetrics> {
        self.metrics.clone()
    }

    /// No TLS: bytes are spoken in clear.
    pub(crate) fn is_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// What `name` sent is malformed, or more than may come at once. The listener has counted it.
    #[cold]
    pub(crate) fn tell_protocol(&self, name: &str, peer: Peer) {
        let host = peer.host();
        self.refusals.tell(refusals::RefusalKind::Protocol, &self.listener, name, &host);
        if let Some(not_told) = self.notices.due(Kind::Protocol, &host, Instant::now()) {
            tracing::warn!(
                listener = self.listener,
                client = name,
                address = %peer,
                not_told,
                "input refused: malformed, or more at once than is taken; GENIMS_LOG=debug says what of whom"
            );
        }
    }

    /// Not the PROXY header that is due, or one where none is. The listener has counted and told it.
    #[cold]
    pub(crate) fn tell_proxy(&self, peer: Peer) {
        self.refusals.tell(refusals::RefusalKind::ProxyHeader, &self.listener, "", &peer.host());
    }

    pub(super) fn left(&self, guest: &Guest) {
        self.guests.lock().remove(&guest.number);
    }

    /// Those inside of whom something holds.
    pub(super) fn those(&self, holds: impl Fn(&Guest) -> bool) -> Vec<Arc<Guest>> {
        self.guests.lock().values().filter(|guest| holds(guest)).cloned().collect()
    }

    /// Reads certificates anew if they have changed, and sends away who may not stay.
    pub(super) fn look(&self, everything: bool) {
        match self.tls.as_ref().and_then(|tls| tls.look(everything)) {
            Some(Ok(loaded)) => {
                tracing::info!(listener = self.listener, "certificates were read again");
                self.check_certificates(&loaded);
            }
            Some(Err(error)) => tracing::error!(
                listener = self.listener, %error, "certificates cannot be read again; those read before stay in force"
            ),
            None => {}
        }
        let now = UnixTime::now().as_secs() as i64;
        let has_expired = |shown: &Arc<Certificate>| shown.not_after < now;
        for guest in self.those(|guest| guest.certificate.as_ref().is_some_and(has_expired)) {
            self.evict(&guest, Eviction::Expired);
        }
        let Some(clients) = &self.clients else { return };
        let reading = clients.reading();
        if self.checked.swap(reading, Ordering::Relaxed) != reading {
            let is_out = |name: &str| clients.client(name).is_none_or(|client| client.disabled);
            for guest in self.those(|guest| guest.client().is_some_and(is_out)) {
                self.evict(&guest, Eviction::Disabled);
            }
        }
    }

    /// Those on a revocation list first: to verify the chains of ten thousand takes a second.
    fn check_certificates(&self, loaded: &Loaded) {
        let (first, others): (Vec<_>, Vec<_>) = self
            .those(|guest| guest.certificate.is_some())
            .into_iter()
            .partition(|guest| guest.certificate.as_deref().is_some_and(|shown| loaded.suspects(shown)));
        for guest in first.into_iter().chain(others) {
            let Some(certificate) = &guest.certificate else { continue };
            if let Err(error) = loaded.admits(Some(certificate)) {
                tracing::debug!(identity = certificate.identity, %error, "a certificate is no longer good");
                self.evict(&guest, Eviction::Revoked);
            }
        }
    }

    pub(super) fn evict(&self, guest: &Guest, why: Eviction) {
        if guest.evict(why) {
            count(&self.metrics.evicted_total, 1);
            let (identity, client) = (guest.identity().unwrap_or_default(), guest.client().unwrap_or_default());
            let about = if client.is_empty() { identity } else { client };
            self.refusals.tell(refusals::RefusalKind::Evicted, &self.listener, about, "");
            if let Some(not_told) = self.notices.due(Kind::Eviction, about, Instant::now()) {
                tracing::warn!(
                    listener = self.listener,
                    identity,
                    client,
                    not_told,
                    "connection ended: {}",
                    why.text()
                );
            }
        }
    }
}
