//! The way back in: publishes dead letters to an MQTT listener, each under a client id of its own and with the time when it
//! was received first, as often as [`Message::copies`] says, and waits until each copy is acknowledged.

use genims_listen::mqtt::packet::connect::FIRST_RECEIVED;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, ClientError, ConnectionError, Event, MqttOptions};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Nothing acknowledged for this long ends the attempt.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Copies of one dead letter that are not acknowledged yet.
const WINDOW: u64 = 64;
/// Connections at once.
const CONNECTIONS_MAX: usize = 32;

#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    #[error("the server at {address} cannot be reached: {source}; is `genims serve` running?")]
    Connection { address: SocketAddr, source: Box<ConnectionError> },
    #[error("the server at {address} acknowledged nothing for 30 s; look at its /readyz")]
    Silence { address: SocketAddr },
    #[error("a message cannot be published: {0}; its topic is no valid MQTT topic")]
    Message(#[source] Box<ClientError>),
    #[error("the server has no room for more: {reason:?}; look at its /readyz")]
    Refused { reason: PubAckReason },
    #[error("sending a message broke off: {0}")]
    Aborted(#[source] tokio::task::JoinError),
}

/// Who replays, where clients log in.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) name: String,
    pub(super) secret: String,
}

/// What is sent for one dead letter.
pub(super) struct Message {
    pub(super) letter_id: i64,
    pub(super) client_id: String,
    pub(super) first_received_us: i64,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// How often it is sent.
    pub(super) copies: u64,
}

/// Publishes with QoS 1; the answer is which dead letters the server has acknowledged, in other words: which are durable, and
/// the first error.
pub(super) async fn publish(
    address: SocketAddr,
    login: Option<&Login>,
    messages: Vec<Message>,
) -> (Vec<i64>, Option<PublishError>) {
    let (mut acknowledged, mut first_error) = (Vec::new(), None);
    let (mut waiting, mut under_way) = (messages.into_iter(), JoinSet::new());
    loop {
        while under_way.len() < CONNECTIONS_MAX
            && let Some(message) = waiting.next()
        {
            under_way.spawn(publish_one(address, login.cloned(), message));
        }
        let Some(ended) = under_way.join_next().await else { return (acknowledged, first_error) };
        match ended.unwrap_or_else(|error| Err(PublishError::Aborted(error))) {
            Ok(letter_id) => acknowledged.push(letter_id),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
}

async fn publish_one(address: SocketAddr, login: Option<Login>, message: Message) -> Result<i64, PublishError> {
    let mut options = MqttOptions::new(message.client_id, address.ip().to_string(), address.port());
    let mut properties = ConnectProperties::new();
    properties.user_properties = vec![(FIRST_RECEIVED.to_owned(), message.first_received_us.to_string())];
    options.set_connect_properties(properties);
    if let Some(Login { name, secret }) = login {
        options.set_credentials(name, secret);
    }
    let (client, mut events) = AsyncClient::new(options, WINDOW as usize + 1);
    let (mut sent, mut acknowledged) = (0, 0);
    while acknowledged < message.copies {
        while sent < message.copies && sent - acknowledged < WINDOW {
            client
                .try_publish(message.topic.as_str(), QoS::AtLeastOnce, false, message.payload.clone())
                .map_err(|error| PublishError::Message(Box::new(error)))?;
            sent += 1;
        }
        let event = timeout(SILENCE_MAX, events.poll())
            .await
            .map_err(|_| PublishError::Silence { address })?
            .map_err(|source| PublishError::Connection { address, source: Box::new(source) })?;
        let Event::Incoming(Packet::PubAck(ack)) = event else { continue };
        match ack.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => acknowledged += 1,
            reason => return Err(PublishError::Refused { reason }),
        }
    }
    // The last word: the server need not keep the place. A failure changes nothing about what is acknowledged.
    if client.try_disconnect().is_ok() {
        let _ = timeout(Duration::from_secs(1), events.poll()).await;
    }
    Ok(message.letter_id)
}
