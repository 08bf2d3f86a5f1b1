//! What clients may subscribe to: the statistics below `$SYS/` that the server itself publishes. Everything else is
//! refused filter by filter, since this server ingests and does not route.

use super::packet::inbound::{Filter, Subscribe};
use super::packet::outbound::put_publish;
use super::packet::{Version, reason};
use std::time::Duration;

/// Per session.
pub(super) const SUBSCRIPTIONS_MAX: usize = 32;

/// How often subscribers are told.
pub(super) const STATISTICS_INTERVAL: Duration = Duration::from_secs(10);

/// What only the server as a whole can know. Implemented by closures.
pub trait Statistics: Send + Sync {
    /// Readings taken since the start.
    fn readings_received(&self) -> u64;
}

impl<F: Fn() -> u64 + Send + Sync> Statistics for F {
    fn readings_received(&self) -> u64 {
        self()
    }
}

/// One picture of the statistics: topic and value. The topics are those that other brokers use where there is one.
pub(super) type Picture = [(&'static str, String); 5];

/// A session's subscriptions.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Vec<Subscription>);

#[derive(Debug, PartialEq, Eq)]
struct Subscription {
    filter: Box<str>,
    identifier: Option<u32>,
    retain_as_published: bool,
}

/// What became of a SUBSCRIBE.
pub(super) struct Subscribed<'a> {
    /// One per filter.
    pub(super) codes: Vec<u8>,
    /// A picture of the statistics is due at once.
    pub(super) due: bool,
    /// The first filter that is refused.
    pub(super) refused: Option<&'a str>,
}

impl Subscriptions {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Enters a SUBSCRIBE.
    pub(super) fn subscribe<'a>(&mut self, subscribe: &Subscribe<'a>, version: Version) -> Subscribed<'a> {
        let (mut due, mut refused) = (false, None);
        let codes = subscribe
            .filters
            .iter()
            .map(|filter| match self.add(filter, subscribe.identifier) {
                Ok(known) => {
                    due |= filter.retain_handling == 0 || (filter.retain_handling == 1 && !known);
                    // Statistics are published with QoS 0, whatever was asked for.
                    reason::SUCCESS
                }
                Err(code) => {
                    refused = refused.or(Some(filter.filter));
                    match version {
                        // There is no code for a refusal: what is granted never brings a message.
                        Version::V31 => reason::SUCCESS,
                        Version::V3 => reason::UNSPECIFIED_ERROR,
                        Version::V5 => code,
                    }
                }
            })
            .collect();
        Subscribed { codes, due, refused }
    }

    /// Whether the filter was there before, or why it is refused.
    fn add(&mut self, filter: &Filter<'_>, identifier: Option<u32>) -> Result<bool, u8> {
        check(filter.filter)?;
        let new =
            Subscription { filter: filter.filter.into(), identifier, retain_as_published: filter.retain_as_published };
        if let Some(known) = self.0.iter_mut().find(|known| *known.filter == *filter.filter) {
            *known = new;
            return Ok(true);
        }
        if self.0.len() >= SUBSCRIPTIONS_MAX {
            return Err(reason::QUOTA_EXCEEDED);
        }
        self.0.push(new);
        Ok(false)
    }

    /// Removes what UNSUBSCRIBE names; a code per filter.
    pub(super) fn unsubscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let remove = |filter: &&str| {
            if !is_valid(filter) {
                return reason::TOPIC_FILTER_INVALID;
            }
            let before = self.0.len();
            self.0.retain(|known| *known.filter != **filter);
            if self.0.len() < before { reason::SUCCESS } else { reason::NO_SUBSCRIPTION_EXISTED }
        };
        filters.iter().map(remove).collect()
    }

    /// Appends a PUBLISH for each value that a filter matches. `retained`: sent because of a new subscription, like a
    /// retained message.
    pub(super) fn publish(
        &self,
        picture: &Picture,
        version: Version,
        retained: bool,
        packet_bytes_max: u32,
        out: &mut Vec<u8>,
    ) {
        for (topic, value) in picture {
            let matching = || self.0.iter().filter(|known| matches(&known.filter, topic));
            if matching().next().is_none() {
                continue;
            }
            let identifiers: Vec<u32> = matching().filter_map(|known| known.identifier).collect();
            let retain = retained || matching().any(|known| known.retain_as_published);
            let start = out.len();
            put_publish(out, version, retain, topic, &identifiers, value.as_bytes());
            // [MQTT-3.1.2-24]
            if out.len() - start > packet_bytes_max as usize {
                out.truncate(start);
            }
        }
    }
}

/// Whether a filter is granted, or the code that refuses it.
fn check(filter: &str) -> Result<(), u8> {
    if filter.starts_with("$share/") {
        Err(reason::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED)
    } else if !is_valid(filter) {
        Err(reason::TOPIC_FILTER_INVALID)
    } else if filter == "$SYS" || filter.starts_with("$SYS/") {
        Ok(())
    } else {
        Err(reason::NOT_AUTHORIZED)
    }
}

/// Wildcards take a whole level, `#` the last one ([MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.7.3-1]).
fn is_valid(filter: &str) -> bool {
    let mut levels = filter.split('/').peekable();
    let mut valid = !filter.is_empty();
    while let Some(level) = levels.next() {
        valid &= !level.contains(['+', '#']) || level == "+" || (level == "#" && levels.peek().is_none());
    }
    valid
}

fn matches(filter: &str, topic: &str) -> bool {
    let mut topic = topic.split('/');
    for level in filter.split('/') {
        match (level, topic.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(name)) if level == name => {}
            _ => return false,
        }
    }
    topic.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_below_sys_are_granted_and_others_refused_with_their_own_codes() {
        for filter in ["$SYS/#", "$SYS/broker/uptime", "$SYS/+/uptime", "$SYS"] {
            assert_eq!(check(filter), Ok(()), "{filter}");
        }
        for (filter, code) in [
            ("genims/v1/#", reason::NOT_AUTHORIZED),
            ("#", reason::NOT_AUTHORIZED),
            ("$SYSTEM/x", reason::NOT_AUTHORIZED),
            ("$share/g/$SYS/#", reason::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED),
            ("$SYS/#/x", reason::TOPIC_FILTER_INVALID),
            ("$SYS/a+", reason::TOPIC_FILTER_INVALID),
            ("", reason::TOPIC_FILTER_INVALID),
        ] {
            assert_eq!(check(filter), Err(code), "{filter}");
        }
    }

    #[test]
    fn wildcards_match_levels() {
        for (filter, topic, expected) in [
            ("$SYS/#", "$SYS/broker/uptime", true),
            ("$SYS/broker/uptime/#", "$SYS/broker/uptime", true),
            ("$SYS/+/uptime", "$SYS/broker/uptime", true),
            ("$SYS/+", "$SYS/broker/uptime", false),
            ("$SYS/broker/uptime/x", "$SYS/broker/uptime", false),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }
}
