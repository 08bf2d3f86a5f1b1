//! A client's session state: the part of MQTT that outlives a connection.
//!
//! It holds the packet identifiers of QoS 2 messages that were received and not released, the last QoS 1 messages, and the
//! subscriptions. Bounds:
//! 65,535 packet identifiers, of which v5 clients may use as many on each connection as the receive maximum says, and
//! [`super::subscriptions::SUBSCRIPTIONS_MAX`] subscriptions.

use super::subscriptions::Subscriptions;
use crate::resends::Resends;
use genims_model::Receipt;
use hashbrown::HashMap;
use std::sync::Arc;
use tokio::sync::Notify;

#[derive(Debug)]
pub(super) struct Session {
    /// Woken by receipts, and by a newer connection that takes the session over.
    pub(super) waiter: Arc<Notify>,
    pub(super) subscriptions: Subscriptions,
    /// QoS 1 messages that the client may send again.
    pub(super) resends: Resends,
    exchanges: HashMap<u16, Exchange, foldhash::fast::RandomState>,
}

/// QoS 1 messages remembered of one client: more than clients have under way at once.
const RESENDS_MAX: usize = 512;

impl Default for Session {
    fn default() -> Self {
        Self {
            waiter: Arc::default(),
            subscriptions: Subscriptions::default(),
            resends: Resends::new(RESENDS_MAX),
            exchanges: HashMap::default(),
        }
    }
}

/// Where the delivery of a QoS 2 message stands.
#[derive(Debug)]
enum Exchange {
    /// Received by this connection; PUBREC not sent.
    Open,
    /// Received by an earlier connection, which ended before the receipt had settled.
    Settling(Receipt),
    /// Durable; PUBREC sent, or due.
    Stored,
}

/// What a QoS 2 PUBLISH is to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Store it.
    New,
    /// It is under way on this connection: PUBREC, and PUBREC again, once it is durable.
    UnderWay,
    /// It was received by an earlier connection, and whether it is durable will be known soon.
    Unsure,
    /// It is durable: PUBREC again.
    Stored,
}

impl Session {
    /// A new session of the same client: many send again what is under way although they begin anew.
    pub(super) fn begun_anew(self) -> Self {
        Self { waiter: self.waiter, resends: self.resends, ..Self::default() }
    }

    /// Looks a QoS 1 message up, among those of earlier connections.
    #[inline]
    pub(super) fn resent(&mut self, packet_id: u16, digest: u64, is_resend: bool) -> Seen {
        match self.resends.find(packet_id, digest, is_resend) {
            None => Seen::New,
            Some(Some(receipt)) if !receipt.is_settled() => {
                self.resends.put_back(packet_id, digest, receipt);
                Seen::Unsure
            }
            Some(Some(receipt)) if receipt.is_refused() => Seen::New,
            Some(_) => Seen::Stored,
        }
    }

    /// Looks a packet identifier up, and resolves what an earlier connection has left.
    pub(super) fn seen(&mut self, packet_id: u16) -> Seen {
        match self.exchanges.get(&packet_id) {
            None => Seen::New,
            Some(Exchange::Open) => Seen::UnderWay,
            Some(Exchange::Stored) => Seen::Stored,
            Some(Exchange::Settling(receipt)) if !receipt.is_settled() => Seen::Unsure,
            Some(Exchange::Settling(receipt)) if receipt.is_refused() => {
                self.exchanges.remove(&packet_id);
                Seen::New
            }
            Some(Exchange::Settling(_)) => {
                self.stored(packet_id);
                Seen::Stored
            }
        }
    }

    /// Opens an exchange; false when there is one under that identifier.
    pub(super) fn open(&mut self, packet_id: u16) -> bool {
        self.exchanges.try_insert(packet_id, Exchange::Open).is_ok()
    }

    pub(super) fn stored(&mut self, packet_id: u16) {
        self.exchanges.insert(packet_id, Exchange::Stored);
    }

    pub(super) fn settling(&mut self, packet_id: u16, receipt: Receipt) {
        self.exchanges.insert(packet_id, Exchange::Settling(receipt));
    }

    pub(super) fn forget(&mut self, packet_id: u16) {
        self.exchanges.remove(&packet_id);
    }

    /// PUBREL: ends the exchange. `UnderWay` and `Unsure` leave it open, since its message may not be durable.
    pub(super) fn release(&mut self, packet_id: u16) -> Seen {
        let seen = self.seen(packet_id);
        if seen == Seen::Stored {
            self.exchanges.remove(&packet_id);
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_left_open_is_stored_only_when_its_receipt_says_so() {
        let mut session = Session::default();
        let receipts = [(); 2].map(|()| Receipt::new(1, false, session.waiter.clone()));
        for (id, receipt) in (1..).zip(&receipts) {
            session.settling(id, receipt.clone());
            assert_eq!(session.seen(id), Seen::Unsure);
            assert_eq!(session.release(id), Seen::Unsure);
        }
        receipts[0].settle_part();
        receipts[1].refuse_part();
        assert_eq!(session.seen(1), Seen::Stored);
        assert_eq!(session.seen(2), Seen::New);
        assert_eq!(session.release(1), Seen::Stored);
        assert_eq!(session.release(1), Seen::New);
    }
}
