//! What a client may publish. The topic is held to at the door; whose readings a message brings, record by record, at the intake.

use super::Dialogue;
use crate::mqtt::acks::Answer;
use crate::mqtt::packet::inbound::Publish;
use crate::mqtt::packet::{Fault, Version, reason};
use crate::mqtt::session::Seen;

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
}
