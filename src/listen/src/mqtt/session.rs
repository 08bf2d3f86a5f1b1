//! A client's session state: the part of MQTT that outlives a connection.
//!
//! It holds the packet identifiers of QoS 2 messages that were received and not released, and the subscriptions. Bounds:
//! 65,535 packet identifiers, of which v5 clients may use as many on each connection as the receive maximum says, and
//! [`super::subscriptions::SUBSCRIPTIONS_MAX`] subscriptions.

use super::subscriptions::Subscriptions;
use genims_model::Receipt;
use hashbrown::HashMap;
use std::sync::Arc;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Session {
    /// Woken by receipts, and by a newer connection that takes the session over.
    pub(super) waiter: Arc<Notify>,
    pub(super) subscriptions: Subscriptions,
    exchanges: HashMap<u16, Exchange, foldhash::fast::RandomState>,
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
