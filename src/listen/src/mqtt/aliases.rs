//! Topics that a client has given numbers to (v5). A message enters; the topic it means leaves.
//!
//! Bounds: the topic alias maximum, and [`ALIASES_BYTES_MAX`] for all topics together.

use super::packet::inbound::Publish;
use super::packet::{Fault, reason};

/// What the topics behind a connection's aliases may take together.
const ALIASES_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Aliases {
    topics: Vec<Option<Box<str>>>,
    bytes: usize,
}

impl Aliases {
    /// Enters or changes the message's alias, or checks that it has a topic. Doing so twice changes nothing.
    #[inline]
    pub(super) fn enter(&mut self, publish: &Publish<'_>, alias_max: u16) -> Result<(), Fault> {
        match publish.alias {
            None => Ok(()),
            Some(alias) => self.enter_alias(alias, publish.topic, alias_max),
        }
    }

    /// The topic of a message that was entered.
    #[inline]
    pub(super) fn topic<'a>(&'a self, publish: &Publish<'a>) -> &'a str {
        match publish.alias {
            Some(alias) if publish.topic.is_empty() => self.known(alias).unwrap_or_default(),
            _ => publish.topic,
        }
    }

    fn known(&self, alias: u16) -> Option<&str> {
        self.topics.get(usize::from(alias).checked_sub(1)?)?.as_deref()
    }

    fn enter_alias(&mut self, alias: u16, topic: &str, alias_max: u16) -> Result<(), Fault> {
        if alias == 0 || alias > alias_max {
            return Err(Fault::new(reason::TOPIC_ALIAS_INVALID, "the topic alias is above the topic alias maximum"));
        }
        let known = self.known(alias);
        if topic.is_empty() {
            return if known.is_some() { Ok(()) } else { Err(Fault::protocol("the topic alias has no topic yet")) };
        }
        if known == Some(topic) {
            return Ok(());
        }
        let bytes = self.bytes - known.map_or(0, str::len) + topic.len();
        if bytes > ALIASES_BYTES_MAX {
            return Err(Fault::new(reason::QUOTA_EXCEEDED, "the topics behind the aliases take over 64 KiB"));
        }
        let alias = usize::from(alias);
        if self.topics.len() < alias {
            self.topics.resize(alias, None);
        }
        self.topics[alias - 1] = Some(topic.into());
        self.bytes = bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_behind_aliases_are_bounded_and_a_changed_one_gives_its_room_back() {
        let topic = "t".repeat(30_000);
        let message = |alias| Publish {
            duplicate: false,
            qos: 0,
            retain: false,
            topic: &topic,
            packet_id: 0,
            alias: Some(alias),
            payload: b"",
        };
        let mut aliases = Aliases::default();
        for alias in [1, 2, 2, 1] {
            assert_eq!(aliases.enter(&message(alias), 9), Ok(()));
        }
        let fault = aliases.enter(&message(3), 9).expect_err("the third topic is too much");
        assert_eq!(fault.reason, reason::QUOTA_EXCEEDED);
        assert_eq!(aliases.enter(&Publish { topic: "short", ..message(1) }, 9), Ok(()));
        assert_eq!(aliases.enter(&message(3), 9), Ok(()));
        assert_eq!(aliases.topic(&Publish { topic: "", ..message(1) }), "short");
    }
}
