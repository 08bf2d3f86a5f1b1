//! Connections over real sockets, byte for byte, against a door whose "spool" does what the test says. The packets are
//! written out here and not by the codec under test.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod backlog;
mod clients;
mod connecting;
mod limits;
mod pace;
mod permissions;
mod publishing;
mod rows;
mod sessions;
mod subscribing;
mod telling;
mod versions;

use super::{MqttOptions, serve};
use crate::locks::ListenerGate;
use crate::trial::{Mode, Plant};
use crate::{Decode, ListenMetrics};
use genims_decode::{Name, Point, Visitor};
use genims_model::{Quality, Reason};
use genims_pipeline::intake::IntakeBuffer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// What a test waits at most for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// A bare number; the sensor is the topic's last level.
struct BareNumbers;

impl Decode for BareNumbers {
    fn message(&self, topic: &str, payload: &[u8], into: &mut IntakeBuffer) {
        if payload.is_empty() {
            return;
        }
        let sensor = topic.rsplit('/').next().unwrap_or_default();
        match std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok()) {
            Some(value) => into.point(Point {
                name: Name::Sensor { machine: None, sensor },
                timestamp_us: None,
                value,
                quality: Quality::Good,
            }),
            None => into.reject(Reason::NotANumber, format_args!("not a number"), payload),
        }
    }
}

struct Server {
    plant: Plant,
    address: SocketAddr,
    metrics: Arc<ListenMetrics>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(options: MqttOptions) -> Self {
        Self::with_plant(options, Plant::new(1_000_000)).await
    }

    async fn with_plant(options: MqttOptions, plant: Plant) -> Self {
        Self::with_gate(options, plant, ListenerGate::unlocked(Arc::default())).await
    }

    async fn with_gate(options: MqttOptions, plant: Plant, gate: Arc<ListenerGate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = gate.metrics();
        let shutdown = CancellationToken::new();
        let serving = serve(
            listener,
            options,
            plant.intake.clone(),
            Arc::new(BareNumbers),
            0,
            gate,
            Arc::new(|| 42),
            shutdown.clone(),
        );
        let task = tokio::spawn(async { serving.await.unwrap() });
        Self { plant, address, metrics, shutdown, task }
    }

    async fn raw(&self) -> Raw {
        Raw(TcpStream::connect(self.address).await.unwrap())
    }

    /// Connected with v3.1.1, clean session, no keep-alive.
    async fn v3(&self, client_id: &str) -> Raw {
        let mut raw = self.raw().await;
        raw.send(&connect(4, 2, 0, &[], client_id, &[])).await;
        raw.expect(&[0x20, 2, 0, 0]).await;
        raw
    }

    /// Connected with v5, clean start, no keep-alive, no properties.
    async fn v5(&self, client_id: &str) -> Raw {
        let mut raw = self.raw().await;
        raw.send(&connect(5, 2, 0, &[], client_id, &[])).await;
        let connack = raw.packet().await;
        assert_eq!((connack[0], connack[3]), (0x20, 0), "{connack:02x?}");
        raw
    }

    async fn version(&self, version: u8, client_id: &str) -> Raw {
        if version == 4 { self.v3(client_id).await } else { self.v5(client_id).await }
    }

    /// Changes what the shards do, and waits until they have noticed.
    async fn spool(&self, mode: Mode) {
        self.plant.set(mode);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.task).await.expect("the server ends in time").unwrap();
    }
}

struct Raw(TcpStream);

impl Raw {
    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next packet, whole.
    async fn packet(&mut self) -> Vec<u8> {
        timeout(PATIENCE, async {
            let mut packet = vec![self.0.read_u8().await.unwrap()];
            let mut length = 0;
            for shift in [0, 7, 14, 21] {
                let byte = self.0.read_u8().await.unwrap();
                packet.push(byte);
                length |= usize::from(byte & 0x7F) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let start = packet.len();
            packet.resize(start + length, 0);
            self.0.read_exact(&mut packet[start..]).await.unwrap();
            packet
        })
        .await
        .expect("a packet comes in time")
    }

    async fn expect(&mut self, packet: &[u8]) {
        assert_eq!(self.packet().await, packet);
    }

    /// Nothing comes for a while.
    async fn silence(&mut self) {
        let mut byte = [0];
        let read = timeout(Duration::from_millis(150), self.0.read(&mut byte)).await;
        assert!(read.is_err(), "silence expected, got {read:?} {byte:02x?}");
    }

    /// The server closes without another word.
    async fn closed(&mut self) {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("closed in time");
        assert!(rest.is_empty(), "{rest:02x?} before the close ({read:?})");
    }

    /// v5: DISCONNECT with this reason, then the close. v3.1.1: the close.
    async fn refused(&mut self, version: u8, reason: u8) {
        if version == 5 {
            let packet = self.packet().await;
            assert_eq!((packet[0], packet[2]), (0xE0, reason), "{packet:02x?}");
        }
        self.closed().await;
    }
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// A packet from its first byte and body.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut rest = body.len();
    loop {
        let more = if rest > 127 { 0x80 } else { 0 };
        bytes.push((rest % 128) as u8 | more);
        rest /= 128;
        if more == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

/// `payload` is what follows the client id: will, user name, password.
fn connect(level: u8, flags: u8, keep_alive: u16, properties: &[u8], client_id: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = text("MQTT");
    body.extend_from_slice(&[level, flags]);
    body.extend_from_slice(&keep_alive.to_be_bytes());
    if level == 5 {
        body.push(properties.len() as u8);
        body.extend_from_slice(properties);
    }
    body.extend_from_slice(&text(client_id));
    body.extend_from_slice(payload);
    packet(0x10, &body)
}

/// PUBLISH without properties; `packet_id` is left out for QoS 0. `flags`: DUP 8, QoS 0, 2 or 4, RETAIN 1.
fn publish(version: u8, flags: u8, topic: &str, packet_id: u16, payload: &str) -> Vec<u8> {
    let mut body = text(topic);
    if flags & 0b110 != 0 {
        body.extend_from_slice(&packet_id.to_be_bytes());
    }
    if version == 5 {
        body.push(0);
    }
    body.extend_from_slice(payload.as_bytes());
    packet(0x30 | flags, &body)
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP with reason 0.
fn ack(first: u8, packet_id: u16) -> [u8; 4] {
    let [high, low] = packet_id.to_be_bytes();
    [first, 2, high, low]
}
const PINGREQ: [u8; 2] = [0xC0, 0];
const PINGRESP: [u8; 2] = [0xD0, 0];
