//! What a connection holds of the gate that it came through: who it is, what it may, how much it may, and whether it may stay.

use super::clients::{Credentials, Denied, KnownClient};
use super::gate::ListenerGate;
use super::guest::{Eviction, Guest};
use super::places::PlacePermit;
use super::usage::Ready;
use crate::count;
use crate::notices::{Kind, Peer};
use crate::talkers::{Batch, Talker};
use genims_locks::refusals;
use genims_pipeline::intake::Scope;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use tokio::time::Instant;

/// Dropped with the connection.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<ListenerGate>,
    guest: Option<Arc<Guest>>,
    peer: Peer,
    client: Option<Arc<KnownClient>>,
    /// The reading of the file of clients that `client` is of.
    reading: u64,
    place: Option<Place>,
    talker: Option<Talker>,
}

/// One of the connections that its client, or its address, may have.
#[derive(Debug)]
enum Place {
    OfClient { _permit: PlacePermit<Box<str>> },
    OfAddress { _permit: PlacePermit<IpAddr> },
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
        Self { gate, guest, peer, client: None, reading: 0, place: None, talker: None }
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
            None if !self.gate.anonymous.admitted => Err(Denied::Nobody),
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

    /// Takes one of the places that its client may have, or, where it has no account, its address. `client_id`: as it calls itself;
    /// empty where it has no name, or the protocol no names. To be asked once, by whoever was let in.
    pub(crate) fn take_place(&mut self, client_id: &str) -> Result<(), Denied> {
        let per_address_max = self.gate.anonymous.connections_per_address_max;
        let taken = match (&self.client, self.peer.0) {
            (Some(client), _) => {
                // Without a name each connection is another one.
                let number = self.guest.as_ref().map_or(0, |guest| guest.number);
                let listener = &self.gate.listener;
                let id = if client_id.is_empty() { number.to_string() } else { format!("\0{client_id}") };
                let permit = client.usage.place(format!("{listener}\0{id}").into(), client.limits);
                permit.map(|_permit| Some(Place::OfClient { _permit })).ok_or(Denied::ConnectionsOfClient)
            }
            (None, Some(address)) if per_address_max > 0 => {
                let permit = self.gate.addresses.take(address.ip().to_canonical(), usize::MAX, per_address_max);
                permit.map(|_permit| Some(Place::OfAddress { _permit })).ok_or(Denied::ConnectionsOfAddress)
            }
            (None, _) => Ok(None),
        };
        match taken {
            Ok(place) => {
                let talker = self.gate.metrics.talkers.enter(&self.talker_name(client_id), Instant::now());
                (self.place, self.talker) = (place, Some(talker));
                Ok(())
            }
            Err(denied) => {
                // What somebody without an account calls itself is its own choice.
                self.tell_denied(self.owner().unwrap_or_default(), denied);
                Err(denied)
            }
        }
    }

    /// Whose readings are summed. What somebody without an account calls itself is its own choice: where there are accounts, it is told
    /// from their names.
    fn talker_name(&self, client_id: &str) -> String {
        match self.owner() {
            Some(owner) => owner.to_owned(),
            None if client_id.is_empty() => self.peer.host(),
            None if self.gate.clients.is_some() => format!("anonymous: {client_id}"),
            None => client_id.to_owned(),
        }
    }

    /// What it sent is malformed, or more than may come at once. What somebody without an account calls itself is its own choice.
    pub(crate) fn tell_protocol(&self) {
        self.gate.tell_protocol(self.owner().unwrap_or_default(), self.peer);
    }

    fn denied(&self, name: &str, denied: Denied) {
        count(&self.gate.metrics.logins_refused_total, 1);
        self.tell_denied(name, denied);
    }

    fn tell_denied(&self, name: &str, denied: Denied) {
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

    /// How many readings a second its client may send; `None` is as many as there are.
    #[inline]
    pub(crate) fn rate(&self) -> Option<NonZeroU64> {
        self.client.as_ref().and_then(|client| client.limits.readings_per_second)
    }

    /// How many records may be taken now out of so many bytes, which are the client's until [`Pass::settle`] says how many were.
    /// Nothing may be waited for in between.
    pub(crate) fn draw(&self, bytes: usize, now: Instant) -> u64 {
        match (self.rate(), &self.client) {
            // None is shorter than a byte.
            (Some(rate), Some(client)) => client.usage.draw(rate, bytes as u64, now),
            _ => u64::MAX,
        }
    }

    /// Of the records that were drawn, `spent` were taken.
    pub(crate) fn settle(&self, drawn: u64, spent: u64) {
        if let (Some(rate), Some(client)) = (self.rate(), &self.client) {
            client.usage.settle(rate, drawn, spent);
        }
    }

    /// When more may be taken, or to be asked again. Counts the wait, and tells of it, if the client has sent as much as it may.
    #[cold]
    pub(crate) fn wait(&self, now: Instant) -> Instant {
        let (Some(rate), Some(client)) = (self.rate(), &self.client) else { return now };
        let resumes_at = match client.usage.ready(rate, now) {
            Ready::Soon(at) => return at,
            Ready::Later(at) => at,
        };
        count(&self.gate.metrics.rate_limited_total, 1);
        self.talker.iter().for_each(Talker::count_wait);
        if let Some(not_told) = self.gate.notices.due(Kind::Rate, &client.name, now) {
            tracing::warn!(
                listener = self.gate.listener,
                client = &*client.name,
                address = %self.peer,
                readings_per_second_max = rate.get(),
                not_told,
                "the client sends more than it may: it is read more slowly; `genims client limit` says how much"
            );
        }
        resumes_at
    }

    /// Once for each batch: who sends how much.
    #[inline]
    pub(crate) fn count(&self, batch: Batch) {
        if let Some(talker) = &self.talker {
            talker.count(batch);
        }
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
