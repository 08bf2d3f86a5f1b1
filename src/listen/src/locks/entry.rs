//! How one comes in: a socket enters, a connection with its pass leaves, or nobody.
//!
//! Invariant: whoever is inside is on the list before the certificates and clients in force are asked about him, so that a
//! change finds either an old answer on the list or is found by it.

use super::ahead::Ahead;
use super::gate::ListenerGate;
use super::guest::Guest;
use super::pass::Pass;
use super::socket::Secured;
use crate::count;
use crate::notices::{Kind, Peer};
use genims_locks::certificate::Certificate;
use genims_locks::refusals;
use rustls::HandshakeKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

impl ListenerGate {
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
        let accepting = TlsAcceptor::from(loaded.config.clone()).accept(Ahead::new(socket));
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
        self.refusals.tell(refusals::RefusalKind::Handshake, &self.listener, identity, &peer.host());
        if let Some(not_told) = self.notices.due(Kind::Tls, &peer.host(), Instant::now()) {
            tracing::warn!(
                listener = self.listener, address = %peer, identity, %error, not_told, "TLS handshake refused"
            );
        }
        None
    }

    pub(crate) fn enter(
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
}
