//! The locks of one listener: the handshake of those who come, and who of those inside has to leave.
//!
//! Invariant: whoever is inside is on the list before the certificates and clients in force are asked about him, so that a
//! change finds either an old answer on the list or is found by it.

use super::LockError;
use super::certificate::Certificate;
use super::clients::Clients;
use super::options::TlsOptions;
use super::pass::{Eviction, Guest, Pass};
use super::socket::Secured;
use super::tls::{Loaded, Tls};
use crate::notices::{Kind, Notices, Peer};
use crate::{ListenMetrics, count};
use parking_lot::Mutex;
use rustls::HandshakeKind;
use rustls::pki_types::UnixTime;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub struct Gate {
    listener: String,
    pub(super) tls: Option<Tls>,
    pub(super) clients: Option<Arc<Clients>>,
    /// Those who show nothing are let in, although there are clients.
    pub(super) anonymous: bool,
    pub(crate) metrics: Arc<ListenMetrics>,
    guests: Mutex<HashMap<u64, Arc<Guest>>>,
    next: AtomicU64,
    pub(super) notices: Notices,
}

impl Gate {
    /// Without locks: everybody comes in.
    pub fn unlocked(metrics: Arc<ListenMetrics>) -> Arc<Self> {
        Arc::new(Self::with(String::new(), None, None, false, metrics))
    }

    /// `clients`: who may come in; `None` is everybody that TLS lets in.
    pub fn open(
        listener: &str,
        tls: Option<&TlsOptions>,
        clients: Option<Arc<Clients>>,
        anonymous: bool,
        metrics: Arc<ListenMetrics>,
    ) -> Result<Arc<Self>, LockError> {
        let tls = tls.map(Tls::open).transpose()?;
        Ok(Arc::new(Self::with(listener.to_owned(), tls, clients, anonymous, metrics)))
    }

    fn with(
        listener: String,
        tls: Option<Tls>,
        clients: Option<Arc<Clients>>,
        anonymous: bool,
        metrics: Arc<ListenMetrics>,
    ) -> Self {
        let (guests, next, notices) = (Mutex::default(), AtomicU64::new(0), Notices::default());
        Self { listener, tls, clients, anonymous, metrics, guests, next, notices }
    }

    pub fn metrics(&self) -> Arc<ListenMetrics> {
        self.metrics.clone()
    }

    /// No TLS: bytes are spoken in clear.
    pub(crate) fn is_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// The pass of a connection without TLS.
    pub(crate) fn pass(self: &Arc<Self>, peer: Peer, leave: &CancellationToken) -> Pass {
        self.enter(None, peer, leave)
    }

    /// The handshake. `None`: refused, and told. `leave` is cancelled when the connection has to end.
    pub(crate) async fn secure(
        self: &Arc<Self>,
        socket: TcpStream,
        peer: Peer,
        deadline: Instant,
        leave: &CancellationToken,
    ) -> Option<(Secured, Pass)> {
        let tls = self.tls.as_ref()?;
        let loaded = tls.current();
        let accepting = TlsAcceptor::from(loaded.config.clone()).accept(socket);
        let stream = match timeout_at(deadline, accepting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.refused(peer, "", &error),
            Err(_) => return self.refused(peer, "", &"no complete handshake in time"),
        };
        let session = stream.get_ref().1;
        let chain = session.peer_certificates().unwrap_or_default();
        let certificate = Certificate::of(chain).map(Arc::new);
        if certificate.is_none() && !chain.is_empty() {
            return self.refused(peer, "", &"the certificate names nobody: give it a common name");
        }
        let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        let pass = self.enter(certificate.clone(), peer, leave);
        // What was loaded meanwhile did not see this guest, and a session that goes on has shown nothing.
        let current = tls.current();
        if (resumed || current.number != loaded.number)
            && let Err(error) = current.admits(certificate.as_deref())
        {
            return self.refused(peer, pass.identity().unwrap_or_default(), &error);
        }
        Some((Secured::new(stream), pass))
    }

    fn refused<T>(&self, peer: Peer, identity: &str, error: &dyn std::fmt::Display) -> Option<T> {
        count(&self.metrics.handshakes_refused_total, 1);
        if let Some(not_told) = self.notices.due(Kind::Tls, &peer.host(), Instant::now()) {
            tracing::warn!(
                listener = self.listener, address = %peer, identity, %error, not_told, "TLS handshake refused"
            );
        }
        None
    }

    pub(super) fn enter(
        self: &Arc<Self>,
        certificate: Option<Arc<Certificate>>,
        peer: Peer,
        leave: &CancellationToken,
    ) -> Pass {
        // Where nobody can be sent away there is no list to keep.
        if certificate.is_none() && self.clients.is_none() {
            return Pass::new(self.clone(), None, peer);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let guest = Arc::new(Guest::new(number, certificate, leave.clone()));
        self.guests.lock().insert(number, guest.clone());
        Pass::new(self.clone(), Some(guest), peer)
    }

    pub(super) fn left(&self, guest: &Guest) {
        self.guests.lock().remove(&guest.number);
    }

    pub(super) fn inside(&self) -> Vec<Arc<Guest>> {
        self.guests.lock().values().cloned().collect()
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
        for guest in self.inside() {
            if guest.certificate.as_ref().is_some_and(|certificate| certificate.not_after < now) {
                self.evict(&guest, Eviction::Expired);
            }
            if let (Some(clients), Some(name)) = (&self.clients, guest.client())
                && clients.client(name).is_none_or(|client| client.disabled)
            {
                self.evict(&guest, Eviction::Disabled);
            }
        }
    }

    /// Those on a revocation list first: to verify the chains of ten thousand takes a second.
    fn check_certificates(&self, loaded: &Loaded) {
        let (first, others): (Vec<_>, Vec<_>) = self
            .inside()
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
