//! The in-flight window of a TCP client: DATA frames in sequence, acknowledged up to a point, repeated from the point
//! that the server's WELCOME names.

use super::super::feed::{Class, Message};
use super::super::stats::Stats;
use super::Outbox;
use crate::wire::frame::{self, Incoming};
use crate::wire::{Identity, WireError};
use std::collections::VecDeque;
use std::sync::Arc;

pub struct TcpSession {
    identity: Identity,
    window: usize,
    in_flight_max: usize,
    body_bytes_max: usize,
    /// Sensor ids by handle.
    names: Arc<[String]>,
    /// Which handles this connection has defined, and how many are missing.
    defined: Vec<bool>,
    undefined: usize,
    in_flight: VecDeque<(u64, Message)>,
    next_sequence: u64,
    open: bool,
    awaits_pong: bool,
}

impl TcpSession {
    pub fn new(identity: impl Into<Identity>, window: u32, names: Arc<[String]>) -> Self {
        Self {
            identity: identity.into(),
            window: window as usize,
            in_flight_max: usize::MAX,
            body_bytes_max: usize::MAX,
            defined: vec![false; names.len()],
            undefined: names.len(),
            names,
            in_flight: VecDeque::new(),
            next_sequence: 1,
            open: false,
            awaits_pong: false,
        }
    }

    pub fn open(&mut self, out: &mut Outbox<'_>) {
        self.defined.fill(false);
        self.undefined = self.names.len();
        frame::hello(out.bytes, &self.identity);
    }

    pub fn is_open(&self) -> bool {
        self.open
    }

    pub fn has_room(&self) -> bool {
        self.in_flight.len() < self.window.min(self.in_flight_max)
    }

    pub fn unacked(&self) -> usize {
        self.in_flight.len()
    }

    pub fn expect_pong(&mut self) {
        self.awaits_pong = true;
    }

    pub fn awaits_pong(&self) -> bool {
        self.awaits_pong
    }

    pub fn broken(&mut self) {
        self.open = false;
        self.awaits_pong = false;
    }

    /// A duplicate repeats the sequence of the message before it, as a client does that missed an acknowledgement.
    pub fn send(&mut self, message: Message, out: &mut Outbox<'_>) -> Result<(), WireError> {
        if message.class == Class::Duplicate {
            self.write(self.next_sequence - 1, &message, out)?;
            out.pool.give(message.bytes);
            return Ok(());
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.write(sequence, &message, out)?;
        self.in_flight.push_back((sequence, message));
        Ok(())
    }

    fn write(&mut self, sequence: u64, message: &Message, out: &mut Outbox<'_>) -> Result<(), WireError> {
        const BASE_BYTES: usize = 8;
        let (base, records) = message.bytes.split_at(BASE_BYTES);
        let base_us = base.try_into().map_or(0, i64::from_le_bytes);
        let mut fresh: Vec<u16> = Vec::new();
        if self.undefined > 0 {
            for handle in frame::handles(records) {
                let defined = &mut self.defined[usize::from(handle)];
                if !*defined {
                    *defined = true;
                    fresh.push(handle);
                }
            }
            self.undefined -= fresh.len();
        }
        let names = fresh.iter().map(|&handle| (handle, self.names[usize::from(handle)].as_str()));
        let at = out.bytes.len();
        frame::data(out.bytes, sequence, base_us, names, records);
        let body_bytes = out.bytes.len() - at - frame::HEADER_BYTES;
        if body_bytes > self.body_bytes_max {
            return Err(WireError::Refused(format!(
                "a frame body of {body_bytes} bytes, {} are allowed: use a smaller batch",
                self.body_bytes_max
            )));
        }
        Ok(())
    }

    pub fn receive(&mut self, input: &[u8], out: &mut Outbox<'_>) -> Result<usize, WireError> {
        let mut used = 0;
        while let Some((incoming, bytes)) = frame::parse(&input[used..])? {
            used += bytes;
            match incoming {
                Incoming::Welcome { last_sequence, body_bytes_max, in_flight_max } => {
                    self.open = true;
                    self.body_bytes_max = body_bytes_max as usize;
                    self.in_flight_max = (in_flight_max as usize).max(1);
                    self.settle(last_sequence, out)?;
                    self.resend(out)?;
                }
                Incoming::Ack { sequence } => self.settle(sequence, out)?,
                Incoming::Pong => self.awaits_pong = false,
            }
        }
        Ok(used)
    }

    fn settle(&mut self, up_to: u64, out: &mut Outbox<'_>) -> Result<(), WireError> {
        if up_to >= self.next_sequence {
            return Err(WireError::Malformed("acknowledgement of a sequence that was never sent"));
        }
        while self.in_flight.front().is_some_and(|(sequence, _)| *sequence <= up_to) {
            if let Some((_, message)) = self.in_flight.pop_front() {
                out.settle(message);
            }
        }
        Ok(())
    }

    fn resend(&mut self, out: &mut Outbox<'_>) -> Result<(), WireError> {
        let in_flight = std::mem::take(&mut self.in_flight);
        for (sequence, message) in &in_flight {
            if message.class == Class::Original {
                Stats::add(&out.stats.resent, u64::from(message.readings));
            }
            self.write(*sequence, message, out)?;
        }
        self.in_flight = in_flight;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::feed::Pool;
    use super::*;
    use crate::wire::frame::Value;

    fn answer(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut frame = vec![b'G', b'F', 1, kind];
        frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&frame);
        hasher.update(body);
        frame.extend_from_slice(&hasher.finalize().to_le_bytes());
        frame.extend_from_slice(body);
        frame
    }

    fn welcome(last_sequence: u64) -> Vec<u8> {
        let mut body = last_sequence.to_le_bytes().to_vec();
        body.extend_from_slice(&1_000_000_u32.to_le_bytes());
        body.extend_from_slice(&8_u32.to_le_bytes());
        answer(2, &body)
    }

    fn message(handle: u16) -> Message {
        let mut bytes = 7_i64.to_le_bytes().to_vec();
        frame::push_record(&mut bytes, handle, 0, Value::E4(5), 0);
        Message { bytes, start: 0, intended_us: 1, readings: 1, snapshots: 0, class: Class::Original }
    }

    #[test]
    fn a_new_connection_repeats_what_is_not_durable_and_defines_the_names_again() {
        let names: Arc<[String]> = vec!["A".to_owned(), "B".to_owned()].into();
        let mut session = TcpSession::new("c".to_owned(), 16, names);
        let (mut bytes, mut pool, stats, mut acked) = (Vec::new(), Pool::default(), Stats::default(), Vec::new());
        let mut out = Outbox { bytes: &mut bytes, pool: &mut pool, stats: &stats, now_us: 1, acked: &mut acked };
        session.open(&mut out);
        session.receive(&welcome(0), &mut out).expect("welcomed");
        for handle in [0, 1, 1] {
            session.send(message(handle), &mut out).expect("sent");
        }
        assert_eq!(session.undefined, 0);
        session.broken();
        out.bytes.clear();
        session.open(&mut out);
        let hello = out.bytes.len();
        session.receive(&welcome(1), &mut out).expect("welcomed");
        assert_eq!(session.unacked(), 2);
        // Sequence 2 with one name, sequence 3 without.
        let again = &out.bytes[hello..];
        assert_eq!(again[12], 2);
        assert_eq!(again[28..30], [1, 0]);
        let second = &again[12 + 8 + 8 + 2 + 4 + 4 + 16..];
        assert_eq!((second[3], second[12]), (3, 3));
        assert_eq!(second[28..30], [0, 0]);
        assert!(session.receive(&answer(4, &9_u64.to_le_bytes()), &mut out).is_err());
        session.receive(&answer(4, &3_u64.to_le_bytes()), &mut out).expect("acknowledged");
        assert_eq!(session.unacked(), 0);
        assert_eq!(Stats::get(&stats.acked), 3);
    }
}
