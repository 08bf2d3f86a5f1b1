//! What a bridge is told, and the checks that make it safe to hand to the client library, which panics on some values.

use super::BridgeError;
use crate::{Acknowledge, topic};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The client library refuses shorter ones by a panic.
const KEEP_ALIVE_MIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MqttVersion {
    #[serde(rename = "3.1.1")]
    V4,
    #[default]
    #[serde(rename = "5")]
    V5,
}

/// The quality of service asked for; the broker delivers with the lower of this and the publisher's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Qos {
    AtMostOnce,
    #[default]
    AtLeastOnce,
    ExactlyOnce,
}

impl From<Qos> for u8 {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => 0,
            Qos::AtLeastOnce => 1,
            Qos::ExactlyOnce => 2,
        }
    }
}

impl TryFrom<u8> for Qos {
    type Error = String;

    fn try_from(level: u8) -> Result<Self, String> {
        match level {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            _ => Err(format!("qos is {level}; it must be 0, 1 or 2")),
        }
    }
}

/// A password: shown by nobody.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("***")
    }
}

/// One bridge to one broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BridgeOptions {
    /// `mqtt://host[:1883]` or `mqtts://host[:8883]`.
    pub broker: String,
    pub mqtt_version: MqttVersion,
    /// The broker keeps the session, and what we have not acknowledged, under this name: keep it, and give every bridge
    /// on that broker its own. Without it one is made of the server's and the listener's name.
    pub client_id: Option<String>,
    /// Topic filters; `$share/{group}/{filter}` shares the messages with the other members of the group.
    pub topics: Vec<String>,
    pub qos: Qos,
    /// True makes the broker forget us with every disconnect: messages published meanwhile are lost.
    pub clean_session: bool,
    /// MQTT 5: how long the broker keeps the session of an absent bridge.
    #[serde(with = "humantime_serde")]
    pub session_expiry: Duration,
    pub username: Option<String>,
    #[serde(skip_serializing)]
    pub password: Option<Secret>,
    /// Its content, without the last newline, is the password.
    pub password_file: Option<PathBuf>,
    /// Certificates (PEM) to trust with `mqtts://`; without it those of the system.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate and its key (PEM), for a broker that asks for one.
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// A larger message becomes a dead letter; see [`PAYLOAD_KEPT_BYTES_MAX`](genims_model::dead_letter::PAYLOAD_KEPT_BYTES_MAX).
    pub packet_bytes_max: u32,
    /// Messages, and their bytes, taken from the broker but not yet acknowledged.
    pub in_flight_messages_max: u16,
    pub in_flight_bytes_max: usize,
    /// The pause before a new attempt: random, up to a bound that doubles from `min` to `max`.
    #[serde(with = "humantime_serde")]
    pub reconnect_delay_min: Duration,
    #[serde(with = "humantime_serde")]
    pub reconnect_delay_max: Duration,
    /// How long open messages are waited for at shutdown.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    pub acknowledge: Acknowledge,
}

impl Default for BridgeOptions {
    fn default() -> Self {
        Self {
            broker: "mqtt://127.0.0.1:1883".to_owned(),
            mqtt_version: MqttVersion::default(),
            client_id: None,
            topics: vec!["genims/v1/#".to_owned()],
            qos: Qos::default(),
            clean_session: false,
            session_expiry: Duration::from_secs(7 * 24 * 3600),
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            keep_alive: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            packet_bytes_max: 1024 * 1024,
            in_flight_messages_max: 4_096,
            in_flight_bytes_max: 16 * 1024 * 1024,
            reconnect_delay_min: Duration::from_millis(250),
            reconnect_delay_max: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
            acknowledge: Acknowledge::Durable,
        }
    }
}

/// Where the broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
}

impl BridgeOptions {
    /// Checks everything that can be checked without the broker.
    pub fn check(&self) -> Result<(), BridgeError> {
        let wrong = |what: &'static str| Err(BridgeError::Options { what });
        self.endpoint()?;
        if self.client_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > usize::from(u16::MAX)) {
            return wrong("client_id must have 1 to 65535 bytes: the broker keeps our messages under it");
        }
        if self.topics.is_empty() {
            return wrong("topics is empty: name at least one topic filter");
        }
        if !self.topics.iter().all(|topic| is_filter(topic)) {
            return wrong("topics has an invalid filter: # and + stand for whole levels, # only for the last");
        }
        if self.keep_alive < KEEP_ALIVE_MIN || self.keep_alive.as_secs() > u64::from(u16::MAX) {
            return wrong("keep_alive must be 5s to 18h");
        }
        if self.in_flight_messages_max == 0 {
            return wrong("in_flight_messages_max must be at least 1");
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            return wrong("cert_file and key_file belong together: set both or none");
        }
        if self.password.is_some() && self.password_file.is_some() {
            return wrong("both password and password_file are set; choose one");
        }
        Ok(())
    }

    pub(super) fn endpoint(&self) -> Result<Endpoint, BridgeError> {
        let wrong = BridgeError::Options { what: "broker must be mqtt://host[:port] or mqtts://host[:port]" };
        let (rest, tls) = match (self.broker.strip_prefix("mqtt://"), self.broker.strip_prefix("mqtts://")) {
            (Some(rest), _) => (rest, false),
            (_, Some(rest)) => (rest, true),
            _ => return Err(wrong),
        };
        let rest = rest.trim_end_matches('/');
        let default_port = if tls { 8883 } else { 1883 };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                let Ok(port) = port.parse() else { return Err(wrong) };
                (host, port)
            }
            _ => (rest, default_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains(['/', '@']) {
            return Err(wrong);
        }
        Ok(Endpoint { host: host.to_owned(), port, tls })
    }

    /// The password, from wherever it is.
    pub(super) fn password(&self) -> Result<Option<String>, BridgeError> {
        match (&self.password, &self.password_file) {
            (Some(password), _) => Ok(Some(password.0.clone())),
            (None, Some(path)) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
                Err(source) => Err(BridgeError::File { path: path.clone(), source }),
            },
            (None, None) => Ok(None),
        }
    }
}

/// A topic filter, alone or of a shared subscription.
fn is_filter(filter: &str) -> bool {
    match filter.strip_prefix("$share/").map(|rest| rest.split_once('/')) {
        Some(Some((group, filter))) => !group.is_empty() && !group.contains(['#', '+']) && topic::is_filter(filter),
        Some(None) => false,
        None => topic::is_filter(filter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(broker: &str) -> Option<(String, u16, bool)> {
        let options = BridgeOptions { broker: broker.to_owned(), ..BridgeOptions::default() };
        options.endpoint().ok().map(|endpoint| (endpoint.host, endpoint.port, endpoint.tls))
    }

    #[test]
    fn brokers_are_named_by_url() {
        assert_eq!(endpoint("mqtt://broker"), Some(("broker".to_owned(), 1883, false)));
        assert_eq!(endpoint("mqtts://broker/"), Some(("broker".to_owned(), 8883, true)));
        assert_eq!(endpoint("mqtt://[::1]:1884"), Some(("::1".to_owned(), 1884, false)));
        assert_eq!(endpoint("mqtt://[::1]"), Some(("::1".to_owned(), 1883, false)));
        for wrong in ["", "broker:1883", "mqtt://", "mqtt://:1", "mqtt://h:port", "mqtt://user:pw@h:1", "http://h"] {
            assert_eq!(endpoint(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn filters_are_checked_as_mqtt_says() {
        for right in ["#", "+", "a/b", "a/+/c/#", "/", "$share/g/a/#", "$SYS/#"] {
            assert!(is_filter(right), "{right}");
        }
        for wrong in ["", "a#", "#/a", "a+/b", "$share/g", "$share//a", "$share/+/a"] {
            assert!(!is_filter(wrong), "{wrong}");
        }
    }

    #[test]
    fn values_that_would_panic_in_the_client_library_are_refused() {
        assert!(BridgeOptions::default().check().is_ok());
        for options in [
            BridgeOptions { keep_alive: Duration::from_secs(4), ..BridgeOptions::default() },
            BridgeOptions { client_id: Some(String::new()), ..BridgeOptions::default() },
            BridgeOptions { topics: Vec::new(), ..BridgeOptions::default() },
            BridgeOptions { cert_file: Some("cert.pem".into()), ..BridgeOptions::default() },
            BridgeOptions { in_flight_messages_max: 0, ..BridgeOptions::default() },
        ] {
            assert!(options.check().is_err(), "{options:?}");
        }
    }

    #[test]
    fn a_password_is_not_shown_and_may_come_from_a_file() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "s3cret\n").expect("written");
        let options: BridgeOptions = toml::from_str(&format!(
            "username = \"u\"\npassword_file = {:?}\nqos = 2\nmqtt_version = \"3.1.1\"\nkeep_alive = \"1m\"",
            file.path()
        ))
        .expect("parses");
        assert_eq!(options.password().expect("readable"), Some("s3cret".to_owned()));
        assert_eq!((options.qos, options.mqtt_version), (Qos::ExactlyOnce, MqttVersion::V4));
        let shown = format!("{:?}", BridgeOptions { password: Some(Secret("s3cret".to_owned())), ..options });
        assert!(!shown.contains("s3cret"));
        assert!(toml::from_str::<BridgeOptions>("qos = 3").is_err());
    }
}
