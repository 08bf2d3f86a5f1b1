//! One client across its connections: what is in flight, what is acknowledged, what must be sent again.
//!
//! - [`mqtt`], [`tcp`]: where messages are acknowledged, they stay here until then; a broken connection loses none
//! - fire and forget (MQTT QoS 0, line protocol): a message counts as acknowledged once it is written out; what was
//!   queued when a connection broke is counted as unconfirmed

mod mqtt;
mod tcp;

pub use mqtt::MqttSession;
pub use tcp::TcpSession;

use super::feed::{Class, Message, Pool};
use super::stats::Stats;
use crate::wire::WireError;
use crate::wire::mqtt as mqtt_wire;

/// Outgoing bytes and the counters they touch.
pub struct Outbox<'a> {
    pub bytes: &'a mut Vec<u8>,
    pub pool: &'a mut Pool,
    pub stats: &'a Stats,
    pub now_us: i64,
    /// Intended times of the messages acknowledged by the current read.
    pub acked: &'a mut Vec<i64>,
}

impl Outbox<'_> {
    /// The message is with the server for good.
    fn settle(&mut self, message: Message) {
        if message.class == Class::Original {
            Stats::add(&self.stats.acked, u64::from(message.readings));
            Stats::add(&self.stats.snapshots_acked, u64::from(message.snapshots));
            self.acked.push(message.intended_us);
        }
        Stats::add(&self.stats.messages_acked, 1);
        self.pool.give(message.bytes);
    }

    fn count_sent(&self, message: &Message) {
        let stats = self.stats;
        stats.sending(self.now_us);
        Stats::add(&stats.messages_sent, 1);
        match message.class {
            Class::Original => {
                Stats::add(&stats.sent, u64::from(message.readings));
                Stats::add(&stats.snapshots_sent, u64::from(message.snapshots));
            }
            Class::Duplicate => Stats::add(&stats.duplicates_forced, u64::from(message.readings)),
            Class::Garbage => Stats::add(&stats.garbage_sent, 1),
        }
    }
}

/// Written but not acknowledged by nature.
#[derive(Debug, Default)]
pub struct Unconfirmed {
    readings: u64,
    snapshots: u64,
    messages: u64,
}

impl Unconfirmed {
    fn send(&mut self, message: Message, out: &mut Outbox<'_>) {
        if message.class == Class::Original {
            self.readings += u64::from(message.readings);
            self.snapshots += u64::from(message.snapshots);
        }
        self.messages += 1;
        out.bytes.extend_from_slice(&message.bytes[message.start..]);
        out.pool.give(message.bytes);
    }

    fn written(&mut self, stats: &Stats) {
        Stats::add(&stats.acked, self.readings);
        Stats::add(&stats.snapshots_acked, self.snapshots);
        Stats::add(&stats.messages_acked, self.messages);
        *self = Self::default();
    }

    fn lost(&mut self, stats: &Stats) {
        Stats::add(&stats.unconfirmed_at_break, self.readings + self.snapshots);
        *self = Self::default();
    }
}

pub enum Session {
    Mqtt(MqttSession),
    Tcp(TcpSession),
    Line(Unconfirmed),
}

impl Session {
    pub fn line() -> Self {
        Self::Line(Unconfirmed::default())
    }

    /// The first bytes on a new connection.
    pub fn open(&mut self, out: &mut Outbox<'_>) {
        match self {
            Self::Mqtt(session) => session.open(out),
            Self::Tcp(session) => session.open(out),
            Self::Line(_) => {}
        }
    }

    /// Whether the server has welcomed the connection.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Mqtt(session) => session.is_open(),
            Self::Tcp(session) => session.is_open(),
            Self::Line(_) => true,
        }
    }

    pub fn has_room(&self) -> bool {
        match self {
            Self::Mqtt(session) => session.has_room(),
            Self::Tcp(session) => session.has_room(),
            Self::Line(_) => true,
        }
    }

    /// Whether a break loses nothing, so that it may come without farewell.
    pub fn survives_a_break(&self) -> bool {
        match self {
            Self::Mqtt(session) => session.qos() > 0,
            Self::Tcp(_) => true,
            Self::Line(_) => false,
        }
    }

    pub fn unacked(&self) -> usize {
        match self {
            Self::Mqtt(session) => session.unacked(),
            Self::Tcp(session) => session.unacked(),
            Self::Line(_) => 0,
        }
    }

    pub fn send(&mut self, message: Message, out: &mut Outbox<'_>) -> Result<(), WireError> {
        out.count_sent(&message);
        match self {
            Self::Mqtt(session) => session.send(message, out),
            Self::Tcp(session) => return session.send(message, out),
            Self::Line(unconfirmed) => unconfirmed.send(message, out),
        }
        Ok(())
    }

    /// Reads complete packets from the front of `input`; returns how many bytes they took.
    pub fn receive(&mut self, input: &[u8], out: &mut Outbox<'_>) -> Result<usize, WireError> {
        match self {
            Self::Mqtt(session) => session.receive(input, out),
            Self::Tcp(session) => session.receive(input, out),
            Self::Line(_) => Ok(input.len()),
        }
    }

    /// Everything queued has reached the socket.
    pub fn written(&mut self, stats: &Stats) {
        match self {
            Self::Mqtt(session) => session.unconfirmed().written(stats),
            Self::Line(unconfirmed) => unconfirmed.written(stats),
            Self::Tcp(_) => {}
        }
    }

    pub fn broken(&mut self, stats: &Stats) {
        match self {
            Self::Mqtt(session) => session.broken(stats),
            Self::Tcp(session) => session.broken(),
            Self::Line(unconfirmed) => unconfirmed.lost(stats),
        }
    }

    /// A sign of life, also the question whether everything before it was read. True: an answer will come.
    pub fn ping(&mut self, out: &mut Outbox<'_>) -> bool {
        match self {
            Self::Mqtt(session) => {
                out.bytes.extend_from_slice(&mqtt_wire::PINGREQ);
                session.expect_pong();
            }
            Self::Tcp(session) => {
                crate::wire::frame::ping(out.bytes);
                session.expect_pong();
            }
            Self::Line(_) => return false,
        }
        true
    }

    /// Whether the answer to the last ping is still missing.
    pub fn awaits_pong(&self) -> bool {
        match self {
            Self::Mqtt(session) => session.awaits_pong(),
            Self::Tcp(session) => session.awaits_pong(),
            Self::Line(_) => false,
        }
    }

    pub fn farewell(&self, out: &mut Outbox<'_>) {
        if matches!(self, Self::Mqtt(_)) {
            out.bytes.extend_from_slice(&mqtt_wire::DISCONNECT);
        }
    }
}
