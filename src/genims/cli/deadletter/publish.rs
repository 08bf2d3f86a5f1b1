//! The way back in: publishes messages to an MQTT listener and waits until each is acknowledged, for the replay of dead
//! letters.

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// Nothing acknowledged for this long ends the attempt.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Larger than any payload that a dead letter keeps.
const PACKET_BYTES_MAX: usize = 2 << 20;

#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    #[error("the server at {address} cannot be reached: {source}; is `genims serve` running?")]
    Connection { address: SocketAddr, source: Box<rumqttc::ConnectionError> },
    #[error(
        "the server at {address} acknowledged {acked} of {sent} messages, then nothing for 30 s; look at its /readyz"
    )]
    Silence { address: SocketAddr, acked: usize, sent: usize },
    #[error("a message cannot be published: {0}; its topic is no valid MQTT topic")]
    Message(#[source] Box<rumqttc::ClientError>),
}

/// Publishes with QoS 1; returns once the server has acknowledged all of them, in other words: once they are durable.
pub(super) async fn publish(
    address: SocketAddr,
    client_id: &str,
    messages: &[(String, Vec<u8>)],
) -> Result<(), PublishError> {
    let mut options = MqttOptions::new(client_id, address.ip().to_string(), address.port());
    options.set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
    let (client, mut events) = AsyncClient::new(options, messages.len() + 1);
    for (topic, payload) in messages {
        client
            .try_publish(topic, QoS::AtLeastOnce, false, payload.clone())
            .map_err(|error| PublishError::Message(Box::new(error)))?;
    }
    let mut acked = 0;
    while acked < messages.len() {
        let event = timeout(SILENCE_MAX, events.poll())
            .await
            .map_err(|_| PublishError::Silence { address, acked, sent: messages.len() })?
            .map_err(|source| PublishError::Connection { address, source: Box::new(source) })?;
        acked += usize::from(matches!(event, Event::Incoming(Packet::PubAck(_))));
    }
    // The last word: the server need not record a lost client. A failure changes nothing about what is acknowledged.
    if client.try_disconnect().is_ok() {
        let _ = timeout(Duration::from_secs(1), events.poll()).await;
    }
    Ok(())
}
