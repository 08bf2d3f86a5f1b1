//! Topic filters of MQTT: what is one, and which topics it stands for.

/// MQTT 5 section 4.7.1, without shared subscriptions.
pub(crate) fn is_filter(filter: &str) -> bool {
    let levels = filter.split('/').count();
    !filter.is_empty()
        && filter.split('/').enumerate().all(|(at, level)| match level {
            "+" => true,
            "#" => at + 1 == levels,
            _ => !level.contains(['#', '+', '\0']),
        })
}

/// `filter` has passed [`is_filter`]. Wildcards do not stand for a first level that begins with `$` ([MQTT-4.7.2-1]).
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            // Also of the level above: "a/#" stands for "a".
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked_as_mqtt_says() {
        for right in ["#", "+", "a/b", "a/+/c/#", "/", "$SYS/#"] {
            assert!(is_filter(right), "{right}");
        }
        for wrong in ["", "a#", "#/a", "a+/b", "a/b+", "\0"] {
            assert!(!is_filter(wrong), "{wrong}");
        }
    }

    #[test]
    fn filters_match_as_mqtt_says() {
        for (filter, topic) in [
            ("a/b", "a/b"),
            ("a/+/c", "a/b/c"),
            ("a/+/c", "a//c"),
            ("a/#", "a/b/c"),
            ("a/#", "a"),
            ("#", "a/b"),
            ("+", "a"),
            ("/+", "/a"),
            ("$SYS/#", "$SYS/a"),
        ] {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in [
            ("a/b", "a/b/c"),
            ("a/b/c", "a/b"),
            ("a/+", "a"),
            ("a/+", "a/b/c"),
            ("+", "/a"),
            ("a/#", "ab"),
            ("a/b", "a/B"),
            ("#", "$SYS/a"),
            ("+/a", "$SYS/a"),
        ] {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }
}
