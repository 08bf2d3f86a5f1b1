//! Acknowledgements that are owed. Each round (what one submit brought) enters with its receipt; acknowledgements leave in
//! the order in which the messages came ([MQTT-4.6.0-2], [MQTT-4.6.0-3]) and only once the round's receipt has settled.

use super::packet::outbound::put_acknowledgement;
use super::packet::{Version, kind, reason};
use super::session::Session;
use genims_model::Receipt;
use hashbrown::HashSet;
use std::collections::VecDeque;

/// What a message is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// PUBACK, for QoS 1.
    Ack,
    /// PUBACK for a message sent again on the same connection: nothing was staged for it.
    AckAgain,
    /// PUBACK for a message that is not taken for now, or was sent again and refused meanwhile.
    AckRefused,
    /// PUBREC, for QoS 2, the first time.
    Rec,
    /// PUBREC for a message sent again although it is stored, or about to be: nothing was staged for it.
    RecAgain,
    /// PUBREC for a message that is not taken for now, or was sent again and refused meanwhile.
    RecRefused,
    /// PUBACK and PUBREC that say that the client may not publish there: nothing was staged.
    AckDenied,
    RecDenied,
}

#[derive(Debug, Default)]
pub(super) struct Acks {
    owed: VecDeque<(u16, Answer)>,
    rounds: VecDeque<Round>,
    /// Owed by the round that is being staged, or submitted.
    staged: usize,
}

#[derive(Debug)]
struct Round {
    receipt: Receipt,
    acks: usize,
}

/// What [`Acks::settle`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) rounds: usize,
    /// Acknowledgements written, refusals included.
    pub(super) acks: usize,
    /// Exchanges that are over: they no longer count against the receive maximum.
    pub(super) ended: usize,
    /// A round was refused and v3.1.1 has no way to say so: the connection must close.
    pub(super) must_close: bool,
}

impl Acks {
    /// The round that is being staged owes an answer.
    #[inline]
    pub(super) fn owe(&mut self, packet_id: u16, answer: Answer) {
        self.owed.push_back((packet_id, answer));
        self.staged += 1;
    }

    /// The staged round was submitted.
    pub(super) fn submitted(&mut self, receipt: Receipt) {
        self.rounds.push_back(Round { receipt, acks: std::mem::take(&mut self.staged) });
    }

    /// Rounds whose receipt is open, as far as we have looked.
    pub(super) fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// Acknowledgements owed.
    pub(super) fn owed(&self) -> usize {
        self.owed.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rounds.is_empty() && self.owed.is_empty()
    }

    /// Writes what is due.
    pub(super) fn settle(&mut self, version: Version, session: &mut Session, out: &mut Vec<u8>) -> Settled {
        let mut settled = Settled::default();
        while let Some(round) = self.rounds.front()
            && round.receipt.is_settled()
        {
            let refused = round.receipt.is_refused();
            if refused && round.acks > 0 && version != Version::V5 {
                settled.must_close = true;
                return settled;
            }
            let acks = round.acks;
            let code = if refused { reason::QUOTA_EXCEEDED } else { reason::SUCCESS };
            if refused {
                self.refuse_repeats(acks);
            }
            for (packet_id, answer) in self.owed.drain(..acks) {
                match answer {
                    Answer::Ack => {
                        put_acknowledgement(out, version, kind::PUBACK, packet_id, code);
                        if refused {
                            // Should the refusal get lost, the message is new when it comes again.
                            session.resends.forget(packet_id);
                        }
                    }
                    Answer::Rec => {
                        put_acknowledgement(out, version, kind::PUBREC, packet_id, code);
                        if refused {
                            session.forget(packet_id);
                        } else {
                            session.stored(packet_id);
                        }
                    }
                    Answer::AckAgain => put_acknowledgement(out, version, kind::PUBACK, packet_id, reason::SUCCESS),
                    Answer::AckRefused => {
                        put_acknowledgement(out, version, kind::PUBACK, packet_id, reason::QUOTA_EXCEEDED);
                    }
                    Answer::RecAgain => put_acknowledgement(out, version, kind::PUBREC, packet_id, reason::SUCCESS),
                    Answer::RecRefused => {
                        put_acknowledgement(out, version, kind::PUBREC, packet_id, reason::QUOTA_EXCEEDED);
                    }
                    Answer::AckDenied => {
                        put_acknowledgement(out, version, kind::PUBACK, packet_id, reason::NOT_AUTHORIZED);
                    }
                    Answer::RecDenied => {
                        put_acknowledgement(out, version, kind::PUBREC, packet_id, reason::NOT_AUTHORIZED);
                    }
                }
                settled.ended += usize::from(answer == Answer::Ack || (answer == Answer::Rec && refused));
            }
            settled.acks += acks;
            settled.rounds += 1;
            self.rounds.pop_front();
        }
        settled
    }

    /// The first `acks` of what is owed are of a refused round: messages of it that were sent again are refused with it, up to
    /// where their packet identifier begins another exchange.
    fn refuse_repeats(&mut self, acks: usize) {
        let mut refused = HashSet::<u16, foldhash::fast::RandomState>::default();
        for (index, (packet_id, answer)) in self.owed.iter_mut().enumerate() {
            match answer {
                Answer::Rec | Answer::Ack if index < acks => drop(refused.insert(*packet_id)),
                Answer::Rec | Answer::Ack => drop(refused.remove(packet_id)),
                Answer::RecAgain if refused.contains(packet_id) => *answer = Answer::RecRefused,
                Answer::AckAgain if refused.contains(packet_id) => *answer = Answer::AckRefused,
                _ => {}
            }
        }
    }

    /// The connection ends: messages whose round is still open are left to the session with their receipts.
    /// `last` is the receipt of a round whose submit has begun and not ended.
    pub(super) fn bequeath(&mut self, last: Option<&Receipt>, session: &mut Session) {
        let mut open = Vec::new();
        let mut owed = self.owed.drain(..);
        let last = last.map(|receipt| (receipt.clone(), self.staged));
        let rounds = self.rounds.drain(..).map(|round| (round.receipt, round.acks)).chain(last);
        for (receipt, acks) in rounds {
            for (packet_id, answer) in owed.by_ref().take(acks) {
                match answer {
                    Answer::Rec => session.settling(packet_id, receipt.clone()),
                    Answer::Ack => open.push((packet_id, Some(receipt.clone()))),
                    _ => {}
                }
            }
        }
        // A round that was staged and never submitted has stored nothing.
        for (packet_id, answer) in owed {
            match answer {
                Answer::Rec => session.forget(packet_id),
                Answer::Ack => open.push((packet_id, None)),
                _ => {}
            }
        }
        session.resends.end(open.into_iter());
        self.staged = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Notify;

    fn receipt() -> Receipt {
        Receipt::new(1, false, Arc::new(Notify::new()))
    }

    #[test]
    fn acks_leave_in_order_although_the_later_round_settles_first() {
        let (mut acks, mut session, mut out) = (Acks::default(), Session::default(), Vec::new());
        let (first, second) = (receipt(), receipt());
        acks.owe(1, Answer::Ack);
        acks.submitted(first.clone());
        acks.owe(2, Answer::Ack);
        acks.submitted(second.clone());
        second.settle_part();
        assert_eq!(acks.settle(Version::V3, &mut session, &mut out).acks, 0);
        assert!(out.is_empty());
        first.settle_part();
        assert_eq!(acks.settle(Version::V3, &mut session, &mut out).ended, 2);
        assert_eq!(out, [0x40, 2, 0, 1, 0x40, 2, 0, 2]);
        assert!(acks.is_empty());
    }

    #[test]
    fn a_refused_round_is_never_acknowledged_as_stored() {
        let (mut session, mut out) = (Session::default(), Vec::new());
        for version in [Version::V3, Version::V5] {
            let mut acks = Acks::default();
            let receipt = receipt();
            assert!(session.open(7));
            acks.owe(7, Answer::Rec);
            acks.submitted(receipt.clone());
            receipt.refuse_part();
            let settled = acks.settle(version, &mut session, &mut out);
            assert_eq!(settled.must_close, version == Version::V3);
            session.forget(7);
        }
        assert_eq!(out, [0x50, 3, 0, 7, reason::QUOTA_EXCEEDED]);
    }
}
