//! What a connection holds of the gate that it came through: who it is, what it may, and whether it may stay.

use super::clients::{Client, Credentials, Denied};
use super::gate::ListenerGate;
use super::guest::{Eviction, Guest};
use crate::count;
use crate::notices::{Kind, Peer};
use genims_locks::refusals;
use genims_pipeline::intake::Scope;
use std::sync::Arc;
use tokio::time::Instant;

/// Dropped with the connection.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<ListenerGate>,
    guest: Option<Arc<Guest>>,
    peer: Peer,
    client: Option<Arc<Client>>,
    /// The reading of the file of clients that `client` is of.
    reading: u64,
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(guest) = &self.guest {
            self.gate.left(guest);
        }
    }
}

impl Pass {
    pub(super) fn new(gate: Arc<ListenerGate>, guest: Option<Arc<Guest>>, peer: Peer) -> Self {
        Self { gate, guest, peer, client: None, reading: 0 }
    }

    /// Who it is by its certificate.
    pub(crate) fn identity(&self) -> Option<&str> {
        self.guest.as_ref().and_then(|guest| guest.identity())
    }

    /// Whose sessions and sequences are its own: the client logged in, or the certificate's.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.client.as_ref().map(|client| &*client.name).or_else(|| self.identity())
    }

    /// Where a load balancer names the client it speaks for.
    pub(crate) fn set_peer(&mut self, peer: Peer) {
        self.peer = peer;
    }

    pub(crate) fn eviction(&self) -> Option<Eviction> {
        self.guest.as_ref().and_then(|guest| guest.eviction())
    }

    /// Lets the client in, or says why not. `topics`: the protocol has topics, which a client may be held to.
    pub(crate) async fn log_in(
        &mut self,
        shown: Credentials<'_>,
        topics: bool,
        deadline: Instant,
    ) -> Result<(), Denied> {
        let Some(clients) = self.gate.clients.clone() else { return Ok(()) };
        let reading = clients.reading();
        let found = clients.admit(self.identity(), shown, self.peer, deadline).await;
        let found = found.and_then(|client| match client {
            None if !self.gate.anonymous => Err(Denied::Nobody),
            Some(client) if !topics && client.topics.is_some() && client.scope.machines.is_none() => {
                Err(Denied::TopicsOnly)
            }
            client => Ok(client),
        });
        let client = match found {
            Ok(client) => client,
            Err(denied) => {
                self.denied(shown.name.or(self.identity()).unwrap_or_default(), denied);
                return Err(denied);
            }
        };
        if let (Some(client), Some(guest)) = (&client, &self.guest) {
            guest.log_in(client.name.clone());
            // Disabled between the answer and the entry on the list.
            if clients.client(&client.name).is_none_or(|client| client.disabled) {
                self.denied(&client.name, Denied::Disabled);
                return Err(Denied::Disabled);
            }
        }
        (self.client, self.reading) = (client, reading);
        Ok(())
    }

    fn denied(&self, name: &str, denied: Denied) {
        count(&self.gate.metrics.logins_refused_total, 1);
        self.gate.refusals.tell(denied.kind(), &self.gate.listener, name, &self.peer.host());
        let about = format!("{name}@{}", self.peer.host());
        if let Some(not_told) = self.gate.notices.due(Kind::Login, &about, Instant::now()) {
            let identity = self.identity().unwrap_or_default();
            tracing::warn!(client = name, identity, address = %self.peer, not_told, "client not let in: {denied}");
        }
    }

    /// What the file of clients says now. True when it says something else than before.
    #[inline]
    pub(crate) fn refresh(&mut self) -> bool {
        let (Some(client), Some(clients)) = (&self.client, &self.gate.clients) else { return false };
        let reading = clients.reading();
        if reading == self.reading {
            return false;
        }
        self.reading = reading;
        // One that is gone is sent away by the gate; until then it may what it might.
        if let Some(now) = clients.client(&client.name) {
            self.client = Some(now);
        }
        true
    }

    /// Whether there is a topic that it may not publish under.
    #[inline]
    pub(crate) fn is_held_to_topics(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.topics.is_some())
    }

    /// Whether it may publish under a topic; what may not is counted and told.
    #[inline]
    pub(crate) fn may_publish(&self, topic: &str) -> bool {
        match &self.client {
            None => true,
            Some(client) => client.may_publish(topic) || self.breach(topic),
        }
    }

    #[cold]
    fn breach(&self, topic: &str) -> bool {
        count(&self.gate.metrics.denied_total, 1);
        let name = self.owner().unwrap_or_default();
        self.gate.refusals.tell(refusals::RefusalKind::Topic, &self.gate.listener, name, &self.peer.host());
        if let Some(not_told) = self.gate.notices.due(Kind::Breach, name, Instant::now()) {
            tracing::warn!(
                client = name,
                address = %self.peer,
                topic,
                not_told,
                "message refused: the client may not publish there; `genims client allow` says where it may"
            );
        }
        false
    }

    /// The machines whose readings it may send, and the tables it may write rows into.
    pub(crate) fn scope(&self) -> Scope {
        self.client.as_ref().map(|client| client.scope.clone()).unwrap_or_default()
    }
}
