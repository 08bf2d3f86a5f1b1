//! One connection to the broker, in MQTT 3.1.1 or 5, behind one face.
//!
//! Enters options; leaves [`Happening`]s, and takes acknowledgements through [`Line`]. What the client library gets wrong
//! is mended here: it ends the connection on a PUBREL of an exchange begun before it was started (rumqtt issue 664), so
//! the packet ids of such exchanges are remembered and announced to its next event loop.

use super::BridgeError;
use super::options::{BridgeOptions, Endpoint, MqttVersion, Qos};
use crate::mqtt::packet::wire::REMAINING_LENGTH_MAX;
use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5 as packet5;
use rumqttc::{Outgoing, Transport, v5};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A broker has at most 65,535 packet ids open, so the request channel takes any acknowledgements that can be due, and the
/// few requests besides: handing one over never waits and is never refused for want of room.
const REQUESTS_MAX: usize = 65_535 + 16;

/// Larger than any packet: the library would end the connection upon a larger one, and a broker of MQTT 3.1.1 would send it
/// again to the next, for ever. [`BridgeOptions::packet_bytes_max`] is judged by the worker.
const PACKET_BYTES_MAX: usize = REMAINING_LENGTH_MAX + 5;

/// What a PUBLISH has beside topic and payload, with room for properties.
const OVERHEAD_BYTES_MAX: usize = 64 * 1024;

/// What a broker of MQTT 5 is told to send at most: the library holds a packet whole, whatever its size, and lets nobody pass
/// over one. That is to take no more memory than everything else that is under way. What is larger the broker drops, as MQTT
/// wants it.
fn packet_bytes_told(options: &BridgeOptions) -> u32 {
    let bytes = options.in_flight_bytes_max.max(options.packet_bytes_max as usize).saturating_add(OVERHEAD_BYTES_MAX);
    u32::try_from(bytes.min(PACKET_BYTES_MAX)).unwrap_or(u32::MAX)
}

/// A message from the broker.
pub(super) struct Delivery {
    pub(super) topic: Bytes,
    pub(super) payload: Bytes,
    /// The broker has sent it again.
    pub(super) is_resend: bool,
    /// `None` for QoS 0.
    pub(super) ack: Option<Ack>,
}

impl Delivery {
    pub(super) fn bytes(&self) -> usize {
        self.topic.len() + self.payload.len()
    }
}

/// The right to acknowledge one message, on the connection it came from.
#[derive(Debug)]
pub(super) struct Ack {
    line: Arc<Line>,
    packet_id: u16,
    exactly_once: bool,
}

impl Ack {
    /// False when the connection is gone: the broker will send the message again.
    pub(super) fn hand_over(&self) -> bool {
        self.line.acknowledge(self.packet_id, self.exactly_once)
    }

    /// The packet identifier of a QoS 1 message.
    pub(super) fn at_least_once(&self) -> Option<u16> {
        (!self.exactly_once).then_some(self.packet_id)
    }

    /// Whether both are of one connection.
    pub(super) fn is_beside(&self, line: &Arc<Line>) -> bool {
        Arc::ptr_eq(&self.line, line)
    }

    pub(super) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Asks for the connection's end, so that the broker sends again what was not acknowledged.
    pub(super) fn condemn(&self) {
        self.line.condemned.store(true, Ordering::Release);
    }
}

/// The sending side of one connection; its event loop may be gone already.
#[derive(Debug)]
pub(super) struct Line {
    client: Client,
    /// Acknowledgements handed over and not yet written.
    waiting: AtomicUsize,
    condemned: AtomicBool,
}

#[derive(Debug)]
enum Client {
    V4(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

impl Line {
    fn acknowledge(&self, packet_id: u16, exactly_once: bool) -> bool {
        // Counted before it is handed over: the event loop may write it at once.
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let handed_over = match &self.client {
            Client::V4(client) => client.try_ack(&publish4(packet_id, exactly_once)).is_ok(),
            Client::V5(client) => client.try_ack(&publish5(packet_id, exactly_once)).is_ok(),
        };
        if !handed_over {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
        handed_over
    }
}

type QoS5 = v5::mqttbytes::QoS;

/// As much of a message as the client library needs to acknowledge it, or to know of it.
fn publish4(packet_id: u16, exactly_once: bool) -> rumqttc::Publish {
    let qos = if exactly_once { rumqttc::QoS::ExactlyOnce } else { rumqttc::QoS::AtLeastOnce };
    let mut publish = rumqttc::Publish::new("", qos, Vec::new());
    publish.pkid = packet_id;
    publish
}

fn publish5(packet_id: u16, exactly_once: bool) -> packet5::Publish {
    let qos = if exactly_once { QoS5::ExactlyOnce } else { QoS5::AtLeastOnce };
    let mut publish = packet5::Publish::new("", qos, Bytes::new(), None);
    publish.pkid = packet_id;
    publish
}

/// What a connection tells.
pub(super) enum Happening {
    Connected {
        session_present: bool,
    },
    Message(Delivery),
    Subscribed {
        refused: usize,
        asked: usize,
    },
    /// Keep-alive, acknowledgements written, and the like.
    Nothing,
}

/// Makes connections, and remembers between them what must be remembered.
pub(super) struct Dialer {
    options: BridgeOptions,
    client_id: String,
    endpoint: Endpoint,
    password: Option<String>,
    transport: Transport,
    /// Packet ids of messages whose PUBREC was written and whose PUBREL has not come.
    half_done: BTreeSet<u16>,
}

/// One connection, from the attempt on.
pub(super) struct Link {
    events: Events,
    pub(super) line: Arc<Line>,
}

enum Events {
    V4(Box<rumqttc::EventLoop>),
    V5(Box<v5::EventLoop>),
}

impl Dialer {
    pub(super) fn new(options: &BridgeOptions, client_id: String) -> Result<Self, BridgeError> {
        let endpoint = options.endpoint()?;
        let transport = if endpoint.tls { super::tls::transport(options)? } else { Transport::tcp() };
        let password = options.password()?;
        Ok(Self { options: options.clone(), client_id, endpoint, password, transport, half_done: BTreeSet::new() })
    }

    /// An attempt; it runs as the link is polled.
    pub(super) fn dial(&self) -> Link {
        let (events, client) = match self.options.mqtt_version {
            MqttVersion::V4 => {
                let (client, mut events) = rumqttc::AsyncClient::new(self.options4(), REQUESTS_MAX);
                let timeout_s = self.options.connect_timeout.as_secs().max(1);
                // Acknowledgements are small packets: with Nagle's algorithm each group of them waits 40 ms.
                events.network_options.set_connection_timeout(timeout_s);
                events.network_options.set_tcp_nodelay(true);
                (Events::V4(Box::new(events)), Client::V4(client))
            }
            MqttVersion::V5 => {
                let (client, events) = v5::AsyncClient::new(self.options5(), REQUESTS_MAX);
                (Events::V5(Box::new(events)), Client::V5(client))
            }
        };
        let line = Line { client, waiting: AtomicUsize::new(0), condemned: AtomicBool::new(false) };
        Link { events, line: Arc::new(line) }
    }

    fn options4(&self) -> rumqttc::MqttOptions {
        let (from, Endpoint { host, port, .. }) = (&self.options, &self.endpoint);
        let mut options = rumqttc::MqttOptions::new(&self.client_id, host, *port);
        options
            .set_transport(self.transport.clone())
            .set_keep_alive(from.keep_alive)
            .set_clean_session(from.clean_session)
            .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX)
            .set_inflight(1)
            .set_manual_acks(true);
        if let Some(username) = &from.username {
            options.set_credentials(username, self.password.as_deref().unwrap_or_default());
        }
        options
    }

    fn options5(&self) -> v5::MqttOptions {
        let (from, Endpoint { host, port, .. }) = (&self.options, &self.endpoint);
        let mut options = v5::MqttOptions::new(&self.client_id, host, *port);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        // Without an expiry the broker would drop the session with the connection.
        let expiry_s = u32::try_from(from.session_expiry.as_secs()).unwrap_or(u32::MAX);
        options
            .set_transport(self.transport.clone())
            .set_keep_alive(from.keep_alive)
            .set_connection_timeout(from.connect_timeout.as_secs().max(1))
            .set_clean_start(from.clean_session)
            .set_session_expiry_interval((!from.clean_session).then_some(expiry_s))
            .set_receive_maximum(Some(from.in_flight_messages_max))
            .set_max_packet_size(Some(packet_bytes_told(from)))
            .set_outgoing_inflight_upper_limit(1)
            .set_network_options(network)
            .set_manual_acks(true);
        if let Some(username) = &from.username {
            options.set_credentials(username, self.password.as_deref().unwrap_or_default());
        }
        options
    }

    /// Learns from how a connection ended. True when the next attempt will mend it and need not wait.
    pub(super) fn learn(&mut self, error: &BridgeError) -> bool {
        let packet_id = match error {
            BridgeError::Link3(error) => match &**error {
                rumqttc::ConnectionError::MqttState(rumqttc::StateError::Unsolicited(id)) => *id,
                _ => return false,
            },
            BridgeError::Link5(error) => match &**error {
                v5::ConnectionError::MqttState(v5::StateError::Unsolicited(id)) => *id,
                _ => return false,
            },
            _ => return false,
        };
        // Nothing else than a PUBREL can be unsolicited: we publish nothing.
        self.half_done.insert(packet_id)
    }
}

impl Link {
    /// The next event. Not cancel-safe while connecting.
    pub(super) async fn next(&mut self, dialer: &mut Dialer) -> Result<Happening, BridgeError> {
        match &mut self.events {
            Events::V4(events) => {
                let event = events.poll().await.map_err(|error| BridgeError::Link3(Box::new(error)))?;
                Ok(self.happening4(event, dialer))
            }
            Events::V5(events) => {
                let event = events.poll().await.map_err(|error| BridgeError::Link5(Box::new(error)))?;
                Ok(self.happening5(event, dialer))
            }
        }
    }

    fn happening4(&mut self, event: rumqttc::Event, dialer: &mut Dialer) -> Happening {
        use rumqttc::{Event, Packet, SubscribeReasonCode};
        match event {
            Event::Incoming(Packet::ConnAck(ack)) => self.connected(ack.session_present, dialer),
            Event::Incoming(Packet::Publish(publish)) => {
                let (qos, packet_id, is_resend) = (publish.qos as u8, publish.pkid, publish.dup);
                self.message(publish.topic.into(), publish.payload, qos, packet_id, is_resend)
            }
            Event::Incoming(Packet::SubAck(ack)) => {
                let refused = ack.return_codes.iter().filter(|code| **code == SubscribeReasonCode::Failure).count();
                Happening::Subscribed { refused, asked: ack.return_codes.len() }
            }
            Event::Outgoing(outgoing) => self.written(&outgoing, dialer),
            Event::Incoming(_) => Happening::Nothing,
        }
    }

    fn happening5(&mut self, event: v5::Event, dialer: &mut Dialer) -> Happening {
        use packet5::{Packet, SubscribeReasonCode};
        match event {
            v5::Event::Incoming(Packet::ConnAck(ack)) => self.connected(ack.session_present, dialer),
            v5::Event::Incoming(Packet::Publish(publish)) => {
                self.message(publish.topic, publish.payload, publish.qos as u8, publish.pkid, publish.dup)
            }
            v5::Event::Incoming(Packet::SubAck(ack)) => {
                let granted = |code: &&SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                let asked = ack.return_codes.len();
                Happening::Subscribed { refused: asked - ack.return_codes.iter().filter(granted).count(), asked }
            }
            v5::Event::Outgoing(outgoing) => self.written(&outgoing, dialer),
            v5::Event::Incoming(_) => Happening::Nothing,
        }
    }

    fn message(&self, topic: Bytes, payload: Bytes, qos: u8, packet_id: u16, is_resend: bool) -> Happening {
        let ack = (qos > 0).then(|| Ack { line: self.line.clone(), packet_id, exactly_once: qos == 2 });
        Happening::Message(Delivery { topic, payload, is_resend, ack })
    }

    fn written(&self, outgoing: &Outgoing, dialer: &mut Dialer) -> Happening {
        match outgoing {
            Outgoing::PubAck(_) => {
                self.line.waiting.fetch_sub(1, Ordering::AcqRel);
            }
            Outgoing::PubRec(packet_id) => {
                self.line.waiting.fetch_sub(1, Ordering::AcqRel);
                dialer.half_done.insert(*packet_id);
            }
            Outgoing::PubComp(packet_id) => {
                dialer.half_done.remove(packet_id);
            }
            _ => {}
        }
        Happening::Nothing
    }

    /// Announces the exchanges that the broker may go on with to the fresh event loop.
    fn connected(&mut self, session_present: bool, dialer: &mut Dialer) -> Happening {
        if !session_present {
            dialer.half_done.clear();
        }
        for packet_id in &dialer.half_done {
            // With manual acknowledgement this only notes the id; the event it queues is none of ours.
            match &mut self.events {
                Events::V4(events) => {
                    let packet = rumqttc::Packet::Publish(publish4(*packet_id, true));
                    if events.state.handle_incoming_packet(packet).is_ok() {
                        events.state.events.pop_back();
                    }
                }
                Events::V5(events) => {
                    let packet = packet5::Packet::Publish(publish5(*packet_id, true));
                    if events.state.handle_incoming_packet(packet).is_ok() {
                        events.state.events.pop_back();
                    }
                }
            }
        }
        Happening::Connected { session_present }
    }

    /// Asks for all topics in one SUBSCRIBE. False when the request did not fit, which a fresh channel rules out.
    pub(super) fn subscribe(&self, topics: &[String], qos: Qos) -> bool {
        match &self.line.client {
            Client::V4(client) => {
                let qos = match qos {
                    Qos::AtMostOnce => rumqttc::QoS::AtMostOnce,
                    Qos::AtLeastOnce => rumqttc::QoS::AtLeastOnce,
                    Qos::ExactlyOnce => rumqttc::QoS::ExactlyOnce,
                };
                let filters = topics.iter().map(|topic| rumqttc::SubscribeFilter::new(topic.clone(), qos));
                client.try_subscribe_many(filters).is_ok()
            }
            Client::V5(client) => {
                let qos = match qos {
                    Qos::AtMostOnce => QoS5::AtMostOnce,
                    Qos::AtLeastOnce => QoS5::AtLeastOnce,
                    Qos::ExactlyOnce => QoS5::ExactlyOnce,
                };
                // Retained messages come with a new subscription, and not again with every start of ours: the session
                // has them, or what replaced them, already.
                let filters = topics.iter().map(|topic| packet5::Filter {
                    retain_forward_rule: packet5::RetainForwardRule::OnNewSubscribe,
                    ..packet5::Filter::new(topic.clone(), qos)
                });
                client.try_subscribe_many(filters).is_ok()
            }
        }
    }

    /// Gives topics up. False when a request did not fit.
    pub(super) fn unsubscribe(&self, topics: &[String]) -> bool {
        topics.iter().all(|topic| match &self.line.client {
            Client::V4(client) => client.try_unsubscribe(topic).is_ok(),
            Client::V5(client) => client.try_unsubscribe(topic).is_ok(),
        })
    }

    pub(super) fn disconnect(&self) -> bool {
        match &self.line.client {
            Client::V4(client) => client.try_disconnect().is_ok(),
            Client::V5(client) => client.try_disconnect().is_ok(),
        }
    }

    pub(super) fn has_acks_waiting(&self) -> bool {
        self.line.waiting.load(Ordering::Acquire) > 0
    }

    pub(super) fn is_condemned(&self) -> bool {
        self.line.condemned.load(Ordering::Acquire)
    }
}
