//! The in-flight window of an MQTT client. Packet identifiers are slots of the window, so that an acknowledgement finds
//! its message without a search.

use super::super::feed::{Class, Message};
use super::super::stats::Stats;
use super::{Outbox, Unconfirmed};
use crate::wire::mqtt::{self, Incoming, Version};
use crate::wire::{Identity, WireError};

const KEEP_ALIVE_S: u16 = 60;

#[derive(Debug)]
struct InFlight {
    message: Message,
    /// Sends keep their order when they are repeated.
    order: u64,
    /// QoS 2: the server has it (PUBREC), PUBREL is on its way.
    released: bool,
}

pub struct MqttSession {
    version: Version,
    qos: u8,
    identity: Identity,
    window: usize,
    receive_maximum: usize,
    slots: Vec<Option<InFlight>>,
    free: Vec<u16>,
    next_order: u64,
    open: bool,
    awaits_pong: bool,
    unconfirmed: Unconfirmed,
}

impl MqttSession {
    /// `window`: 1..=16384.
    pub fn new(version: Version, qos: u8, identity: impl Into<Identity>, window: u32) -> Self {
        let window = if qos == 0 { 0 } else { window as usize };
        Self {
            version,
            qos,
            identity: identity.into(),
            window,
            receive_maximum: usize::from(u16::MAX),
            slots: (0..window).map(|_| None).collect(),
            free: (0..window as u16).rev().collect(),
            next_order: 0,
            open: false,
            awaits_pong: false,
            unconfirmed: Unconfirmed::default(),
        }
    }

    pub fn open(&mut self, out: &mut Outbox<'_>) {
        mqtt::connect(out.bytes, self.version, &self.identity, KEEP_ALIVE_S, self.qos == 0);
    }

    pub fn is_open(&self) -> bool {
        self.open
    }

    pub fn qos(&self) -> u8 {
        self.qos
    }

    pub fn has_room(&self) -> bool {
        self.qos == 0 || (!self.free.is_empty() && self.unacked() < self.receive_maximum)
    }

    pub fn unacked(&self) -> usize {
        self.window - self.free.len()
    }

    pub fn unconfirmed(&mut self) -> &mut Unconfirmed {
        &mut self.unconfirmed
    }

    pub fn expect_pong(&mut self) {
        self.awaits_pong = true;
    }

    pub fn awaits_pong(&self) -> bool {
        self.awaits_pong
    }

    pub fn broken(&mut self, stats: &Stats) {
        self.open = false;
        self.awaits_pong = false;
        self.unconfirmed.lost(stats);
    }

    pub fn send(&mut self, message: Message, out: &mut Outbox<'_>) {
        if self.qos == 0 {
            return self.unconfirmed.send(message, out);
        }
        let Some(slot) = self.free.pop() else {
            debug_assert!(false, "send is called only while there is room");
            return;
        };
        write(out.bytes, &message, slot, false);
        self.slots[usize::from(slot)] = Some(InFlight { message, order: self.next_order, released: false });
        self.next_order += 1;
    }

    pub fn receive(&mut self, input: &[u8], out: &mut Outbox<'_>) -> Result<usize, WireError> {
        let mut used = 0;
        while let Some((incoming, bytes)) = mqtt::parse(&input[used..], self.version)? {
            used += bytes;
            match incoming {
                Incoming::ConnAck { session_present, receive_maximum } => {
                    self.open = true;
                    if let Some(maximum) = receive_maximum {
                        self.receive_maximum = usize::from(maximum);
                    }
                    self.resend(session_present, out);
                }
                Incoming::PubAck { id, refused } => self.settle(id, refused, out)?,
                Incoming::PubRec { id, refused: None } => {
                    if let Some(in_flight) = self.slot(id)? {
                        in_flight.released = true;
                    }
                    mqtt::pubrel(out.bytes, id);
                }
                Incoming::PubRec { id, refused } => self.settle(id, refused, out)?,
                Incoming::PubComp { id } => self.settle(id, None, out)?,
                Incoming::PingResp => self.awaits_pong = false,
                Incoming::Disconnect { reason } => {
                    return Err(WireError::Refused(format!("DISCONNECT with reason code 0x{reason:02X}")));
                }
                Incoming::Other(_) => return Err(WireError::Malformed("a packet that no publisher expects")),
            }
        }
        Ok(used)
    }

    fn slot(&mut self, id: u16) -> Result<Option<&mut InFlight>, WireError> {
        let index = usize::from(id).wrapping_sub(1);
        self.slots
            .get_mut(index)
            .map(Option::as_mut)
            .ok_or(WireError::Malformed("acknowledgement of an identifier that was never used"))
    }

    /// A second acknowledgement of one message (possible after a resend) is ignored.
    fn settle(&mut self, id: u16, refused: Option<u8>, out: &mut Outbox<'_>) -> Result<(), WireError> {
        let Some(in_flight) = self.slot(id)? else { return Ok(()) };
        if let Some(reason) = refused
            && in_flight.message.class != Class::Garbage
        {
            return Err(WireError::Refused(format!("a PUBLISH with reason code 0x{reason:02X}")));
        }
        if let Some(in_flight) = self.slots[usize::from(id) - 1].take() {
            self.free.push(id - 1);
            out.settle(in_flight.message);
        }
        Ok(())
    }

    /// After a reconnect: everything unacknowledged again, in the old order.
    fn resend(&mut self, session_present: bool, out: &mut Outbox<'_>) {
        let mut order: Vec<(u64, u16)> = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(slot, in_flight)| in_flight.as_ref().map(|in_flight| (in_flight.order, slot as u16)))
            .collect();
        order.sort_unstable();
        for (_, slot) in order {
            let Some(in_flight) = &self.slots[usize::from(slot)] else { continue };
            if in_flight.released {
                if session_present {
                    mqtt::pubrel(out.bytes, slot + 1);
                } else if let Some(in_flight) = self.slots[usize::from(slot)].take() {
                    // The server took it (PUBREC) and has forgotten the handshake: complete.
                    self.free.push(slot);
                    out.settle(in_flight.message);
                }
                continue;
            }
            if in_flight.message.class == Class::Original {
                Stats::add(&out.stats.resent, u64::from(in_flight.message.readings));
            }
            write(out.bytes, &in_flight.message, slot, true);
        }
    }
}

fn write(out: &mut Vec<u8>, message: &Message, slot: u16, dup: bool) {
    let at = out.len();
    out.extend_from_slice(&message.bytes[message.start..]);
    mqtt::set_packet_id(&mut out[at..], slot + 1, dup);
}

#[cfg(test)]
mod tests {
    use super::super::super::feed::Pool;
    use super::*;

    struct Harness {
        session: MqttSession,
        bytes: Vec<u8>,
        pool: Pool,
        stats: Stats,
        acked: Vec<i64>,
    }

    impl Harness {
        fn new(qos: u8, window: u32) -> Self {
            Self {
                session: MqttSession::new(Version::V311, qos, "c".to_owned(), window),
                bytes: Vec::new(),
                pool: Pool::default(),
                stats: Stats::default(),
                acked: Vec::new(),
            }
        }

        fn with<R>(&mut self, act: impl FnOnce(&mut MqttSession, &mut Outbox<'_>) -> R) -> R {
            let mut out = Outbox {
                bytes: &mut self.bytes,
                pool: &mut self.pool,
                stats: &self.stats,
                now_us: 5,
                acked: &mut self.acked,
            };
            act(&mut self.session, &mut out)
        }

        fn publish(&mut self, intended_us: i64) {
            let qos = self.session.qos;
            let mut bytes = Vec::new();
            mqtt::begin_publish(&mut bytes, Version::V311, b"t", qos);
            bytes.push(b'x');
            let start = mqtt::finish_publish(&mut bytes, qos);
            let message = Message { bytes, start, intended_us, readings: 1, snapshots: 0, class: Class::Original };
            self.with(|session, out| session.send(message, out));
        }

        fn receive(&mut self, input: &[u8]) -> Result<usize, WireError> {
            self.with(|session, out| session.receive(input, out))
        }
    }

    const CONNACK: &[u8] = b"\x20\x02\x00\x00";

    #[test]
    fn the_window_closes_and_an_acknowledgement_opens_it() {
        let mut harness = Harness::new(1, 2);
        harness.receive(CONNACK).expect("welcomed");
        harness.publish(1);
        harness.publish(2);
        assert!(!harness.session.has_room());
        harness.receive(b"\x40\x02\x00\x02").expect("acknowledged");
        assert!(harness.session.has_room());
        assert_eq!(harness.acked, [2]);
        assert!(harness.receive(b"\x40\x02\x00\x09").is_err());
        assert_eq!(harness.receive(b"\x40\x02\x00\x02"), Ok(4));
        assert_eq!(harness.acked, [2]);
    }

    #[test]
    fn what_was_not_acknowledged_is_sent_again_in_order_with_dup() {
        let mut harness = Harness::new(1, 4);
        harness.receive(CONNACK).expect("welcomed");
        harness.publish(1);
        harness.publish(2);
        harness.receive(b"\x40\x02\x00\x01").expect("acknowledged");
        harness.publish(3);
        harness.session.broken(&harness.stats);
        assert!(!harness.session.is_open());
        harness.bytes.clear();
        harness.receive(CONNACK).expect("welcomed");
        // Message 2 (id 2), then message 3 (id 1 again), both with DUP.
        assert_eq!(harness.bytes, b"\x3A\x06\x00\x01t\x00\x02x\x3A\x06\x00\x01t\x00\x01x");
        assert_eq!(Stats::get(&harness.stats.resent), 2);
    }

    #[test]
    fn qos_2_completes_with_pubcomp_and_a_released_message_is_not_published_again() {
        let mut harness = Harness::new(2, 4);
        harness.receive(CONNACK).expect("welcomed");
        harness.publish(1);
        harness.bytes.clear();
        harness.receive(b"\x50\x02\x00\x01").expect("received");
        assert_eq!(harness.bytes, b"\x62\x02\x00\x01");
        assert!(harness.acked.is_empty());
        harness.session.broken(&harness.stats);
        harness.bytes.clear();
        harness.receive(b"\x20\x02\x01\x00").expect("welcomed");
        assert_eq!(harness.bytes, b"\x62\x02\x00\x01");
        harness.receive(b"\x70\x02\x00\x01").expect("complete");
        assert_eq!(harness.acked, [1]);
        assert_eq!(harness.session.unacked(), 0);
    }
}
