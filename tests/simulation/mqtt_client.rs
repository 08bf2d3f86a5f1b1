//! An MQTT client with QoS 1 and 2 that sends again what was not acknowledged, the oldest first, and what was refused for now.

use crate::database::Key;
use crate::ledger::Ledger;
use crate::plan::{Made, Maker};
use crate::rows;
use genims_listen::mqtt::packet::{Version, kind, wire};
use genims_listen::mqtt::simulated::{Connection, Parked, SimulatedMqtt};
use std::collections::VecDeque;
use tokio::task::JoinHandle;

const UNDER_WAY_MAX: usize = 6;

struct Message {
    packet_id: u16,
    qos: u8,
    topic: String,
    payload: Vec<u8>,
    keys: Vec<Key>,
    /// Keys of a program's rows.
    rows: Vec<u64>,
    /// Too many rows wait for their database.
    is_refused: bool,
}

pub(crate) struct MqttClient {
    version: Version,
    maker: Maker,
    connection: Option<Connection>,
    /// The session of the connection before, once what it had staged is submitted.
    parked: Option<JoinHandle<Parked>>,
    open: VecDeque<Message>,
    next_id: u16,
}

impl MqttClient {
    pub(crate) fn new(version: Version, maker: Maker) -> Self {
        Self { version, maker, connection: None, parked: None, open: VecDeque::new(), next_id: 1 }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// The server has died, and its sessions with it.
    pub(crate) fn server_died(&mut self) {
        self.connection = None;
        if let Some(parked) = self.parked.take() {
            parked.abort();
        }
    }

    /// The connection breaks; answers under way are lost with it.
    pub(crate) fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.parked = Some(tokio::spawn(connection.end()));
        }
    }

    /// Connects if need be, and sends again what is open.
    pub(crate) async fn connect(&mut self, door: &SimulatedMqtt) {
        if let Some(connection) = &mut self.connection {
            for message in &mut self.open {
                if std::mem::take(&mut message.is_refused) {
                    connection.receive(&publish(self.version, message, false));
                }
            }
            return;
        }
        if self.parked.as_ref().is_some_and(|parked| !parked.is_finished()) {
            return;
        }
        let parked = match self.parked.take() {
            Some(parked) => Some(parked.await.expect("no panic")),
            None => None,
        };
        let mut connection = door.connect(self.version, parked);
        for message in &mut self.open {
            message.is_refused = false;
            connection.receive(&publish(self.version, message, true));
        }
        self.connection = Some(connection);
    }

    /// Sends one more message, when the window allows it.
    pub(crate) fn send(&mut self, ledger: &mut Ledger) {
        if self.may_send() {
            let Made { qos, topic, payload, keys } = self.maker.message();
            ledger.send(&keys);
            self.publish(Message { packet_id: 0, qos, topic, payload, keys, rows: Vec::new(), is_refused: false });
        }
    }

    /// Sends one more message of so many rows, likewise.
    pub(crate) fn send_rows(&mut self, qos: u8, count: u64, ledger: &mut Ledger) {
        if self.may_send() {
            let rows = ledger.rows.send(count);
            let (topic, payload) = rows::message(&rows);
            self.publish(Message { packet_id: 0, qos, topic, payload, keys: Vec::new(), rows, is_refused: false });
        }
    }

    fn may_send(&self) -> bool {
        self.connection.is_some() && self.open.len() < UNDER_WAY_MAX
    }

    fn publish(&mut self, message: Message) {
        let message = Message { packet_id: self.next_id, ..message };
        self.next_id += 1;
        if let Some(connection) = &mut self.connection {
            connection.receive(&publish(self.version, &message, false));
        }
        self.open.push_back(message);
    }

    /// Lets the server work on what came, and reads its answers; how many messages were acknowledged.
    pub(crate) fn turn(&mut self, ledger: &mut Ledger) -> usize {
        let Some(connection) = &mut self.connection else { return 0 };
        let turned = connection.turn();
        let output = connection.take_output();
        let mut acknowledged = 0;
        let mut rest = &output[..];
        while let Ok(Some(frame)) = wire::frame(rest, 1 << 20, Some(self.version)) {
            let packet_id = u16::from_be_bytes([frame.body[0], frame.body[1]]);
            let is_fine = frame.body.get(2).is_none_or(|reason| *reason < 0x80);
            if matches!(frame.kind(), kind::PUBACK | kind::PUBREC) {
                let at = self.open.iter().position(|message| message.packet_id == packet_id);
                if let Some(at) = at.filter(|_| is_fine) {
                    let message = self.open.remove(at).expect("just found");
                    ledger.acknowledge(&message.keys);
                    ledger.rows.acknowledge(&message.rows);
                    acknowledged += 1;
                } else if let Some(at) = at {
                    self.open[at].is_refused = !self.open[at].rows.is_empty();
                }
                if frame.kind() == kind::PUBREC && is_fine {
                    connection.receive(&[0x62, 2, frame.body[0], frame.body[1]]);
                }
            }
            rest = &rest[frame.bytes..];
        }
        if turned.is_err() {
            self.disconnect();
        }
        acknowledged
    }
}

fn publish(version: Version, message: &Message, again: bool) -> Vec<u8> {
    let mut body = Vec::new();
    wire::put_string(&mut body, &message.topic);
    body.extend(message.packet_id.to_be_bytes());
    if version == Version::V5 {
        body.push(0);
    }
    body.extend(&message.payload);
    let mut packet = vec![kind::PUBLISH << 4 | u8::from(again) << 3 | message.qos << 1];
    wire::put_varint(&mut packet, body.len());
    packet.extend(body);
    packet
}
