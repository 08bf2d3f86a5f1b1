//! MQTT without sockets: the dialogue, its session and its acknowledgements are what production runs; who connects and when
//! is the simulation's business.

use super::dialogue::{Dialogue, Limit};
use super::end::End;
use super::input::{Buffers, Input};
use super::packet::Version;
use super::registry::Registry;
use super::session::Session;
use super::{MqttOptions, Shared};
use crate::locks::ListenerGate;
use crate::notices::Notices;
use crate::{Decode, ListenMetrics};
use genims_model::SourceNo;
use genims_pipeline::intake::Intake;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a client takes at most.
const PACKET_BYTES_MAX: u32 = 1 << 20;

/// A listener without its socket.
pub struct SimulatedMqtt(Arc<Shared>);

impl SimulatedMqtt {
    pub fn new(options: MqttOptions, source: SourceNo, intake: Arc<Intake>, decode: Arc<dyn Decode>) -> Self {
        let registry = Registry::new(options.sessions_max);
        Self(Arc::new(Shared {
            options,
            source,
            intake,
            decode,
            metrics: Arc::new(ListenMetrics::default()),
            gate: ListenerGate::unlocked(Arc::default()),
            statistics: Arc::new(|| 0),
            started: Instant::now(),
            buffers: Buffers::default(),
            registry,
            notices: Notices::default(),
        }))
    }

    /// A connection behind its CONNACK; `session` goes on with an earlier one.
    pub fn connect(&self, version: Version, session: Option<Parked>) -> Connection {
        let session = session.map_or_else(Session::default, |parked| parked.0);
        let dialogue = Dialogue::new(self.0.clone(), version, PACKET_BYTES_MAX, Duration::ZERO, session);
        Connection { dialogue, input: Input::default() }
    }
}

/// A session without a connection.
pub struct Parked(Session);

pub struct Connection {
    dialogue: Dialogue,
    input: Input,
}

impl Connection {
    /// Bytes from the client.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.put(bytes);
    }

    /// Everything that can be done without waiting; an error ends the connection.
    pub fn turn(&mut self) -> Result<(), String> {
        let turned = self.dialogue.turn(&mut self.input, Limit::Kept);
        turned.map(|_| ()).map_err(|End { fault, .. }| format!("{fault:?}"))
    }

    /// Bytes to the client.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.dialogue.output)
    }

    /// The connection breaks. What was staged is still submitted, as production does.
    pub async fn end(mut self) -> Parked {
        self.dialogue.try_submit();
        let session = self.dialogue.bequeath();
        self.dialogue.submit().await;
        Parked(session)
    }
}
