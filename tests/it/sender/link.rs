//! One client: a thread, a socket that never blocks, and what is not acknowledged yet.

use super::speech::{next_answer, packet_id};
use super::{Answer, Seen, Sent, Speech, encode, now_us};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Messages under way.
const WINDOW: usize = 64;
const PING_EVERY: Duration = Duration::from_millis(500);
const CONNECT_WAIT: Duration = Duration::from_secs(1);
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);
/// A message that was refused is tried again after this.
const REFUSED_PAUSE: Duration = Duration::from_millis(200);
const IDLE_PAUSE: Duration = Duration::from_millis(2);
/// A backlog of messages that were due is sent at once up to this, the rest is forgone.
const BACKLOG_MAX: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) address: SocketAddr,
    pub(super) speech: Speech,
    pub(super) sensors: Vec<String>,
    /// Its messages are of the first one of so many milliseconds, of the second one, ...
    pub(super) own_ms: (i64, i64),
    pub(super) interval: Duration,
    pub(super) seen: Arc<Seen>,
    pub(super) finishing: Arc<AtomicBool>,
    pub(super) abandoned: Arc<AtomicBool>,
}

/// A message that is not acknowledged.
#[derive(Debug)]
struct Kept {
    number: u64,
    timestamp_us: i64,
    /// It was refused: when it is sent again.
    again_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Memory {
    kept: VecDeque<Kept>,
    acked: Vec<i64>,
    last_number: u64,
    last_timestamp_us: i64,
}

#[derive(Debug)]
struct Link {
    socket: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    welcomed: bool,
    ping_at: Instant,
}

impl Client {
    pub(super) fn run(self) -> Sent {
        let mut memory = Memory::default();
        let mut due = Instant::now();
        while !self.is_over(&memory) {
            if let Some(mut link) = self.connect() {
                while !self.is_over(&memory)
                    && let Ok(busy) = self.turn(&mut link, &mut memory, &mut due)
                {
                    if !busy {
                        std::thread::sleep(IDLE_PAUSE);
                    }
                }
            }
            std::thread::sleep(RECONNECT_PAUSE);
        }
        let open = memory.kept.iter().map(|kept| kept.timestamp_us).collect();
        Sent { sensors: self.sensors, acked: memory.acked, open }
    }

    fn is_over(&self, memory: &Memory) -> bool {
        self.abandoned.load(Ordering::Acquire) || (self.finishing.load(Ordering::Acquire) && memory.kept.is_empty())
    }

    fn connect(&self) -> Option<Link> {
        let socket = TcpStream::connect_timeout(&self.address, CONNECT_WAIT).ok()?;
        // A port of ours to a server that is gone can be connected with itself.
        if socket.local_addr().ok()? == self.address {
            return None;
        }
        socket.set_nonblocking(true).ok()?;
        socket.set_nodelay(true).ok()?;
        Seen::add(&self.seen.connections, 1);
        let mut output = Vec::new();
        encode::hello(self.speech, &self.id, &mut output);
        Some(Link { socket, input: Vec::new(), output, welcomed: false, ping_at: Instant::now() + PING_EVERY })
    }

    /// Everything that can be done without waiting; false when that was nothing.
    fn turn(&self, link: &mut Link, memory: &mut Memory, due: &mut Instant) -> std::io::Result<bool> {
        let now = Instant::now();
        if link.welcomed {
            self.put_refused(link, memory, now);
            *due = (*due).max(now.checked_sub(BACKLOG_MAX).unwrap_or(now));
            if *due <= now && memory.kept.len() < WINDOW && !self.finishing.load(Ordering::Acquire) {
                *due += self.interval;
                self.put_next(link, memory);
            }
            if link.ping_at <= now {
                link.ping_at = now + PING_EVERY;
                encode::ping(self.speech, &mut link.output);
            }
        }
        let wrote = link.write()?;
        let read = link.read()?;
        while let Some(answer) = next_answer(self.speech, &mut link.input) {
            self.take(answer, link, memory)?;
        }
        Ok(wrote || read)
    }

    fn put_next(&self, link: &mut Link, memory: &mut Memory) {
        let (own, of) = self.own_ms;
        let earliest_us = now_us().max(memory.last_timestamp_us + 1_000);
        let timestamp_us = earliest_us + (own - earliest_us.div_euclid(1_000)).rem_euclid(of) * 1_000;
        memory.last_timestamp_us = timestamp_us;
        memory.last_number += 1;
        let number = memory.last_number;
        encode::message(self.speech, number, &self.sensors, timestamp_us, false, &mut link.output);
        memory.kept.push_back(Kept { number, timestamp_us, again_at: None });
    }

    fn put_refused(&self, link: &mut Link, memory: &mut Memory, now: Instant) {
        for kept in memory.kept.iter_mut().filter(|kept| kept.again_at.is_some_and(|at| at <= now)) {
            kept.again_at = None;
            // Not marked: the exchange that the mark would speak of is over.
            encode::message(self.speech, kept.number, &self.sensors, kept.timestamp_us, false, &mut link.output);
        }
    }

    fn take(&self, answer: Answer, link: &mut Link, memory: &mut Memory) -> std::io::Result<()> {
        match answer {
            Answer::Welcome(number) => {
                self.acked_up_to(number, memory);
                link.welcomed = true;
                for kept in &mut memory.kept {
                    kept.again_at = None;
                    encode::message(self.speech, kept.number, &self.sensors, kept.timestamp_us, true, &mut link.output);
                }
            }
            Answer::AckedUpTo(number) => self.acked_up_to(number, memory),
            Answer::Acked(id) => {
                let place = memory.kept.iter().position(|kept| packet_id(kept.number) == id);
                let kept = memory.kept.remove(place.expect("acknowledged once, and sent before")).unwrap();
                self.acked(&kept, memory);
            }
            Answer::Refused(id, reason) => {
                assert_eq!(reason, 0x97, "quota exceeded is the only reason to refuse one of these");
                Seen::add(&self.seen.refused, 1);
                let kept = memory.kept.iter_mut().find(|kept| packet_id(kept.number) == id);
                kept.expect("refused once, and sent before").again_at = Some(Instant::now() + REFUSED_PAUSE);
            }
            Answer::Pong => Seen::add(&self.seen.pongs, 1),
            Answer::Closing(code) => {
                if self.speech == Speech::Frames && code == 4 {
                    Seen::add(&self.seen.refused, 1);
                }
                return Err(ErrorKind::ConnectionAborted.into());
            }
        }
        Ok(())
    }

    fn acked_up_to(&self, number: u64, memory: &mut Memory) {
        while memory.kept.front().is_some_and(|kept| kept.number <= number) {
            let kept = memory.kept.pop_front().unwrap();
            self.acked(&kept, memory);
        }
    }

    fn acked(&self, kept: &Kept, memory: &mut Memory) {
        memory.acked.push(kept.timestamp_us);
        Seen::add(&self.seen.acked, self.sensors.len() as u64);
    }
}

impl Link {
    /// True when something was written.
    fn write(&mut self) -> std::io::Result<bool> {
        if self.output.is_empty() {
            return Ok(false);
        }
        match self.socket.write(&self.output) {
            Ok(count) => {
                self.output.drain(..count);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// True when something was read.
    fn read(&mut self) -> std::io::Result<bool> {
        let mut bytes = [0; 16 * 1024];
        match self.socket.read(&mut bytes) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.input.extend_from_slice(&bytes[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}
