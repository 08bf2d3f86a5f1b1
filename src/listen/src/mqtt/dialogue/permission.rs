//! What a client may publish, and what is not taken for now. The topic is held to at the door; whose readings a message brings,
//! record by record, at the intake.

use super::Dialogue;
use crate::mqtt::acks::Answer;
use crate::mqtt::packet::inbound::Publish;
use crate::mqtt::packet::{Fault, Version, reason};
use crate::mqtt::session::Seen;
use genims_decode::topic::database_of_rows;

impl Dialogue {
    /// Takes over what the file of clients says by now.
    #[inline]
    pub(super) fn heed(&mut self) {
        if let Some(pass) = &mut self.pass
            && pass.refresh()
            && let Some(intake) = &mut self.intake
        {
            intake.set_scope(pass.scope());
        }
    }

    /// Whether one more QoS 1 or 2 message fits. v5 clients know the receive maximum and must keep to it; v3.1.1 clients
    /// are made to wait until enough of theirs is acknowledged.
    pub(super) fn may_take(&self) -> Result<bool, Fault> {
        let receive_maximum = usize::from(self.receive_maximum);
        match self.version {
            Version::V31 | Version::V3 => Ok(self.acks.owed() < receive_maximum),
            // Exchanges of an earlier connection do not count: each connection begins with the full quota.
            Version::V5 if self.in_flight < receive_maximum => Ok(true),
            Version::V5 => Err(Fault::new(
                reason::RECEIVE_MAXIMUM_EXCEEDED,
                "more messages under way than the receive maximum allows",
            )),
        }
    }

    /// A message of QoS 2 that was taken before it was forbidden comes to its end.
    #[inline]
    pub(super) fn may_publish(&mut self, publish: &Publish<'_>) -> bool {
        let Self { pass: Some(pass), aliases, session, .. } = self else { return true };
        if !pass.is_held_to_topics() {
            return true;
        }
        let topic = aliases.topic(publish);
        crate::is_broker_state(topic.as_bytes())
            || (publish.qos == 2 && session.seen(publish.packet_id) != Seen::New)
            || pass.may_publish(topic)
    }

    /// Answers a message under a topic that the client may not publish under. It is not stored.
    #[cold]
    pub(super) fn deny(&mut self, publish: &Publish<'_>) -> Result<bool, Fault> {
        let answer = match (publish.qos, self.version) {
            (0, _) => return Ok(true),
            (_, Version::V31 | Version::V3) => {
                return Err(Fault::new(reason::NOT_AUTHORIZED, "the client may not publish under this topic"));
            }
            (1, Version::V5) => Answer::AckDenied,
            (_, Version::V5) => Answer::RecDenied,
        };
        self.begin();
        self.acks.owe(publish.packet_id, answer);
        Ok(true)
    }

    /// Whether it brings rows for a database that takes no more for now.
    #[inline]
    pub(super) fn is_full_for(&self, publish: &Publish<'_>) -> bool {
        let database = database_of_rows(self.aliases.topic(publish));
        database.is_some_and(|database| self.shared.intake.is_full_for(database))
    }

    /// Answers a message with such rows. It is not stored, and new when it comes again.
    #[cold]
    pub(super) fn refuse_rows(&mut self, publish: &Publish<'_>) -> Result<bool, Fault> {
        if publish.qos == 1 {
            // Whatever becomes of the connection: what the session remembers is taken for stored.
            self.session.resends.forget(publish.packet_id);
        }
        let answer = match (publish.qos, self.version) {
            (_, Version::V31 | Version::V3) => {
                let text = "too many rows wait for their database; send again later";
                return Err(Fault::new(reason::QUOTA_EXCEEDED, text));
            }
            (1, Version::V5) => Answer::AckRefused,
            (_, Version::V5) => Answer::RecRefused,
        };
        self.begin();
        self.acks.owe(publish.packet_id, answer);
        Ok(true)
    }
}
