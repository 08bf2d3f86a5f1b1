//! The way back in: publishes dead letters to an MQTT listener, each under a client id of its own and with the time when it
//! was received first, as often as [`Message::copies`] says, and waits until each copy is acknowledged. Those of one lane go one
//! after the other, and none behind one that failed; the lanes go side by side.

use genims_listen::mqtt::packet::connect::FIRST_RECEIVED;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, ClientError, ConnectionError, Event, MqttOptions};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;
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
pub struct Login {
    pub name: String,
    pub secret: String,
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
    /// What has to keep its order: rows of one database, of which a later one may change or need an earlier one.
    pub(super) lane: Option<String>,
}

/// Publishes with QoS 1; the answer is which dead letters the server has acknowledged, in other words: which are durable, and
/// the first error.
pub(super) async fn publish(
    address: SocketAddr,
    login: Option<&Login>,
    messages: Vec<Message>,
) -> (Vec<i64>, Option<PublishError>) {
    let login = login.cloned();
    publish_by(messages, move |message| publish_one(address, login.clone(), message)).await
}

/// As [`publish`], each message by `publish_one`, of which the answer is its dead letter once all of its copies are acknowledged.
async fn publish_by<P, F>(messages: Vec<Message>, publish_one: P) -> (Vec<i64>, Option<PublishError>)
where
    P: Fn(Message) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<i64, PublishError>> + Send + 'static,
{
    // Each is told at once: what ends a lane must not make its acknowledged ones be sent again. There is room for all.
    let (acknowledging, mut acknowledged) = mpsc::channel(messages.len().max(1));
    let mut first_error = None;
    let (mut waiting, mut under_way) = (lanes(messages).into_iter(), JoinSet::new());
    loop {
        while under_way.len() < CONNECTIONS_MAX
            && let Some(lane) = waiting.next()
        {
            under_way.spawn(publish_lane(lane, publish_one.clone(), acknowledging.clone()));
        }
        let Some(ended) = under_way.join_next().await else { break };
        first_error = first_error.or(ended.unwrap_or_else(|error| Err(PublishError::Aborted(error))).err());
    }
    let durable = std::iter::from_fn(|| acknowledged.try_recv().ok()).collect();
    (durable, first_error)
}

/// The messages of each lane, in order; one without a lane has one of its own.
fn lanes(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let (mut lanes, mut places) = (Vec::new(), HashMap::new());
    for message in messages {
        let new = lanes.len();
        let place = message.lane.clone().map_or(new, |lane| *places.entry(lane).or_insert(new));
        if place == new {
            lanes.push(Vec::new());
        }
        lanes[place].push(message);
    }
    lanes
}

/// Tells which were acknowledged; the answer is what stopped the others.
async fn publish_lane<F>(
    lane: Vec<Message>,
    publish_one: impl Fn(Message) -> F,
    acknowledging: mpsc::Sender<i64>,
) -> Result<(), PublishError>
where
    F: Future<Output = Result<i64, PublishError>>,
{
    for message in lane {
        let letter_id = publish_one(message).await?;
        // Who hears it waits for the lanes.
        let _ = acknowledging.send(letter_id).await;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn message(letter_id: i64, lane: Option<&str>) -> Message {
        Message {
            letter_id,
            client_id: String::new(),
            first_received_us: 0,
            topic: String::new(),
            payload: Vec::new(),
            copies: 1,
            lane: lane.map(str::to_owned),
        }
    }

    #[test]
    fn rows_of_one_database_go_one_after_the_other_and_all_else_side_by_side() {
        let lanes = lanes(vec![
            message(1, Some("erp")),
            message(2, None),
            message(3, Some("hr")),
            message(4, Some("erp")),
            message(5, None),
            message(6, Some("erp")),
        ]);
        let ids: Vec<Vec<i64>> =
            lanes.iter().map(|lane| lane.iter().map(|message| message.letter_id).collect()).collect();
        assert_eq!(ids, [vec![1, 4, 6], vec![2], vec![3], vec![5]]);
    }

    #[tokio::test]
    async fn what_was_acknowledged_counts_however_its_lane_ends() {
        let sent = |message: Message| async move {
            match message.letter_id {
                2 => panic!("a fault of the program"),
                3 => Err(PublishError::Refused { reason: PubAckReason::QuotaExceeded }),
                letter_id => Ok(letter_id),
            }
        };
        for (at_fault, told) in [(2, "sending a message broke off"), (3, "the server has no room for more")] {
            let erp = [1, at_fault, 5].map(|letter_id| message(letter_id, Some("erp")));
            let messages = erp.into_iter().chain([message(4, None)]).collect();
            let (mut acknowledged, error) = publish_by(messages, sent).await;
            acknowledged.sort_unstable();
            assert_eq!(acknowledged, [1, 4], "none behind {at_fault}");
            assert!(error.is_some_and(|error| error.to_string().starts_with(told)), "{told}");
        }
    }
}
