//! QoS 1 messages whose acknowledgement their sender may not have got: it sends them again, on its next connection or, as many
//! did before that was forbidden, on the same one.
//!
//! Enters each message with its packet identifier; leaves, for one that comes with the DUP flag, whether it was taken. DUP
//! alone proves nothing: identifier, topic and payload must be those of an earlier message of the same client, and an
//! identifier that was used anew since counts for the newer message. Bounds: the last [`Resends::max`] messages are
//! remembered, as hashes; what a sender has under way at once is less.

use foldhash::fast::FixedState;
use genims_model::Receipt;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};

/// A message that was taken on an earlier connection. `None`: it is durable, or will be before anything later is.
type Left = (u64, Option<Receipt>);

#[derive(Debug)]
pub(crate) struct Resends {
    max: usize,
    recent: VecDeque<(u16, Left)>,
    left: HashMap<u16, Left, foldhash::fast::RandomState>,
}

impl Resends {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, recent: VecDeque::new(), left: HashMap::default() }
    }

    pub(crate) fn digest(topic: &[u8], payload: &[u8]) -> u64 {
        let mut hasher = FixedState::default().build_hasher();
        hasher.write_usize(topic.len());
        hasher.write(topic);
        hasher.write(payload);
        hasher.finish()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.left.is_empty()
    }

    /// A message with the DUP flag has come. `Some`: this connection has taken it, with the receipt it then had, if any.
    #[cold]
    pub(crate) fn repeated(&self, packet_id: u16, digest: u64) -> Option<Option<Receipt>> {
        let newest = self.recent.iter().rev().find(|(known, _)| *known == packet_id);
        newest.filter(|(_, (known, _))| *known == digest).map(|(_, (_, receipt))| receipt.clone())
    }

    /// A message under `packet_id` has come. `Some`: an earlier connection has taken it, with the receipt it then had if that is not
    /// known to have settled.
    #[inline]
    pub(crate) fn find(&mut self, packet_id: u16, digest: u64, is_resend: bool) -> Option<Option<Receipt>> {
        if self.left.is_empty() {
            return None;
        }
        let (known, receipt) = self.left.remove(&packet_id)?;
        (is_resend && known == digest).then_some(receipt)
    }

    /// As before [`Resends::find`], which is to be asked again.
    pub(crate) fn put_back(&mut self, packet_id: u16, digest: u64, receipt: Receipt) {
        self.left.insert(packet_id, (digest, Some(receipt)));
    }

    /// The message is taken.
    #[inline]
    pub(crate) fn take(&mut self, packet_id: u16, digest: u64, receipt: Option<Receipt>) {
        if self.recent.len() >= self.max {
            self.recent.pop_front();
        }
        self.recent.push_back((packet_id, (digest, receipt)));
    }

    /// What was taken under `packet_id` was refused after all.
    pub(crate) fn forget(&mut self, packet_id: u16) {
        self.recent.retain(|(known, _)| *known != packet_id);
        self.left.remove(&packet_id);
    }

    /// The connection ends. `open`: what is known of messages whose round is not known to have settled; `None` for those that
    /// were never submitted.
    pub(crate) fn end(&mut self, open: impl Iterator<Item = (u16, Option<Receipt>)>) {
        let open: HashMap<u16, Option<Receipt>> = open.collect();
        // The identifiers of an even earlier connection are as old as can be.
        if self.left.len() + self.recent.len() > self.max {
            self.left.clear();
        }
        for (packet_id, (digest, receipt)) in self.recent.drain(..) {
            match open.get(&packet_id) {
                Some(None) => self.left.remove(&packet_id),
                Some(Some(receipt)) => self.left.insert(packet_id, (digest, Some(receipt.clone()))),
                None => self.left.insert(packet_id, (digest, receipt)),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(messages: &[(u16, &[u8])]) -> Resends {
        let mut resends = Resends::new(3);
        for (packet_id, payload) in messages {
            resends.take(*packet_id, Resends::digest(b"t", payload), None);
        }
        resends.end(std::iter::empty());
        resends
    }

    fn is_known(resends: &mut Resends, packet_id: u16, payload: &[u8], is_resend: bool) -> bool {
        resends.find(packet_id, Resends::digest(b"t", payload), is_resend).is_some()
    }

    #[test]
    fn a_resend_is_known_by_flag_identifier_and_content_on_a_later_connection_once() {
        let mut fresh = Resends::new(3);
        fresh.take(1, Resends::digest(b"t", b"42.5"), None);
        assert!(!is_known(&mut fresh, 1, b"42.5", true), "it is of the same connection");
        let all: [(u16, &[u8]); 2] = [(1, b"42.5"), (2, b"7")];
        assert!(is_known(&mut ended(&all), 1, b"42.5", true));
        assert!(!is_known(&mut ended(&all), 1, b"42.5", false));
        assert!(!is_known(&mut ended(&all), 1, b"43", true));
        assert!(!is_known(&mut ended(&all), 3, b"42.5", true));
        let mut again = ended(&all);
        assert!(is_known(&mut again, 1, b"42.5", true));
        assert!(!is_known(&mut again, 1, b"42.5", true), "the identifier is free again");
        assert_ne!(Resends::digest(b"ab", b"c"), Resends::digest(b"a", b"bc"));
    }

    #[test]
    fn a_repeat_on_the_same_connection_is_known_by_the_newest_message_of_its_identifier() {
        let digest = |payload: &[u8]| Resends::digest(b"t", payload);
        let mut resends = Resends::new(3);
        assert!(resends.repeated(1, digest(b"42.5")).is_none());
        resends.take(1, digest(b"42.5"), None);
        resends.take(2, digest(b"7"), Some(Receipt::unwatched()));
        assert!(resends.repeated(1, digest(b"42.5")).is_some_and(|receipt| receipt.is_none()));
        assert!(resends.repeated(2, digest(b"7")).is_some_and(|receipt| receipt.is_some()));
        assert!(resends.repeated(2, digest(b"42.5")).is_none());
        resends.take(1, digest(b"43"), None);
        assert!(resends.repeated(1, digest(b"42.5")).is_none(), "the identifier is another message's now");
        resends.forget(1);
        assert!(resends.repeated(1, digest(b"43")).is_none(), "it was refused");
    }

    #[test]
    fn what_was_refused_is_new_when_it_comes_again() {
        let mut resends = Resends::new(3);
        resends.take(1, Resends::digest(b"t", b"42.5"), None);
        resends.take(2, Resends::digest(b"t", b"42.5"), None);
        resends.forget(1);
        resends.end(std::iter::empty());
        assert!(!is_known(&mut resends, 1, b"42.5", true));
        assert!(is_known(&mut resends, 2, b"42.5", true));
    }

    #[test]
    fn memory_is_bounded_and_what_was_never_submitted_is_forgotten() {
        let mut many = ended(&[(1, b"1"), (2, b"2"), (3, b"3"), (4, b"4")]);
        assert_eq!((many.left.len(), is_known(&mut many, 1, b"1", true)), (3, false));
        let mut resends = Resends::new(3);
        resends.take(1, 1, None);
        resends.take(2, 2, None);
        let receipt = Receipt::unwatched();
        resends.end([(1, None), (2, Some(receipt))].into_iter());
        assert!(resends.find(1, 1, true).is_none());
        assert!(resends.find(2, 2, true).is_some_and(|receipt| receipt.is_some()));
        assert!(resends.is_empty());
    }
}
