//! Everybody who sends: clients of each protocol.

use crate::ledger::Ledger;
use crate::line_client::LineClient;
use crate::mqtt_client::MqttClient;
use crate::plan::{Broken, Extent, Maker, Plan};
use crate::server::Server;
use crate::tcp_client::TcpClient;
use genims_listen::mqtt::packet::Version;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;
use std::time::Duration;

const MQTT: usize = 2;
const TCP: usize = 2;
const LINES: usize = 2;

pub(crate) struct Clients {
    mqtt: Vec<MqttClient>,
    tcp: Vec<TcpClient>,
    lines: Vec<LineClient>,
    /// Programs that send rows.
    programs: Vec<MqttClient>,
    /// Clients of frames send rows, too.
    sends_rows: bool,
    /// What decides when senders of lines break off, and who sends rows.
    added: ChaCha8Rng,
}

impl Clients {
    pub(crate) fn new(plan: &Plan, random: &mut ChaCha8Rng, added: &mut ChaCha8Rng) -> Self {
        let versions = [Version::V3, Version::V5];
        let mqtt = (0..MQTT).map(|no| MqttClient::new(versions[no % 2], Maker::new(no, plan, random))).collect();
        let tcp = (MQTT..MQTT + TCP).map(|no| {
            let loses_count = plan.extent == Extent::Whole && no == MQTT;
            TcpClient::new(format!("plc-{no}"), Maker::new(no, plan, random), loses_count, plan.damage)
        });
        let tcp = tcp.collect();
        let fork = |added: &mut ChaCha8Rng| ChaCha8Rng::seed_from_u64(added.random());
        let hides = plan.broken == Broken::TrustsBrokenLines;
        let senders = if plan.extent == Extent::Whole { LINES } else { 0 };
        let lines = (MQTT + TCP..MQTT + TCP + senders)
            .map(|no| LineClient::new(Maker::new(no, plan, added), fork(added), hides))
            .collect();
        let programs = if plan.has_rows { &versions[..] } else { &[] };
        let programs = programs.iter().map(|version| MqttClient::new(*version, Maker::new(0, plan, added))).collect();
        Self { mqtt, tcp, lines, programs, sends_rows: plan.has_rows, added: fork(added) }
    }

    pub(crate) fn number(&self) -> usize {
        MQTT + TCP + self.lines.len()
    }

    /// Who sends lines.
    pub(crate) fn senders(&self) -> Range<usize> {
        MQTT + TCP..self.number()
    }

    /// Everybody sends, and here and there a connection breaks; how many messages were acknowledged.
    pub(crate) async fn work(&mut self, server: &Server, ledger: &mut Ledger, random: &mut ChaCha8Rng) -> usize {
        let mut acknowledged = 0;
        for client in &mut self.mqtt {
            if random.random_bool(0.05) {
                client.disconnect();
            }
            client.connect(&server.mqtt).await;
            for _ in 0..random.random_range(0..3) {
                client.send(ledger);
            }
            acknowledged += client.turn(ledger);
        }
        for client in &mut self.tcp {
            if random.random_bool(0.05) {
                client.disconnect();
            }
            if client.may_lose_count() && self.added.random_bool(0.05) {
                client.lose_count();
            }
            client.connect(&server.tcp, &server.doors).await;
            for _ in 0..random.random_range(0..3) {
                client.send(ledger).await;
            }
            if self.sends_rows && self.added.random_bool(0.3) {
                client.send_rows(self.added.random_range(1..5), ledger).await;
            }
        }
        for client in &mut self.lines {
            if self.added.random_bool(0.1) {
                client.disconnect();
            }
            client.connect(&server.line, &server.doors).await;
            client.send(ledger).await;
        }
        for client in &mut self.programs {
            if self.added.random_bool(0.05) {
                client.disconnect();
            }
            client.connect(&server.mqtt).await;
            for _ in 0..self.added.random_range(0..3) {
                client.send_rows(self.added.random_range(1..=2), self.added.random_range(1..5), ledger);
            }
            acknowledged += client.turn(ledger);
        }
        // The connections of frames and lines are tasks of their own: they get their turn here.
        tokio::time::sleep(Duration::from_millis(1)).await;
        acknowledged
    }

    pub(crate) async fn hear(&mut self, server: &Server, ledger: &mut Ledger) -> usize {
        let mut acknowledged = 0;
        for client in self.mqtt.iter_mut().chain(&mut self.programs) {
            acknowledged += client.turn(ledger);
        }
        for client in &mut self.tcp {
            acknowledged += client.turn(ledger).await;
        }
        let is_drained = server.is_drained();
        for client in &mut self.lines {
            acknowledged += client.hear(ledger, is_drained).await;
        }
        acknowledged
    }

    /// What is open is sent again, and nothing else.
    pub(crate) async fn finish(&mut self, server: &Server) {
        for client in self.mqtt.iter_mut().chain(&mut self.programs) {
            client.connect(&server.mqtt).await;
        }
        for client in &mut self.tcp {
            client.connect(&server.tcp, &server.doors).await;
        }
        for client in self.lines.iter_mut().filter(|client| !client.is_idle()) {
            client.connect(&server.line, &server.doors).await;
            client.end().await;
        }
    }

    pub(crate) fn server_died(&mut self) {
        self.mqtt.iter_mut().chain(&mut self.programs).for_each(MqttClient::server_died);
        self.tcp.iter_mut().for_each(TcpClient::server_died);
        self.lines.iter_mut().for_each(LineClient::server_died);
    }

    pub(crate) fn are_idle(&self) -> bool {
        self.mqtt.iter().chain(&self.programs).all(MqttClient::is_idle)
            && self.tcp.iter().all(TcpClient::is_idle)
            && self.lines.iter().all(LineClient::is_idle)
    }
}
