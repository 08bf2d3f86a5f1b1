//! A client of the frame protocol: numbered frames of readings and of rows, acknowledged up to a sequence, sent again from there
//! on. One may lose its memory: it counts anew from 1 then, and does not heed what WELCOME tells of before.

use crate::database::Key;
use crate::ledger::Ledger;
use crate::plan::{Damage, Maker};
use crate::rows;
use futures_util::FutureExt;
use genims_decode::frame::{Ack, FrameType, Next, Welcome, encode, next_frame};
use genims_listen::tcp::simulated::SimulatedTcp;
use std::collections::VecDeque;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const UNDER_WAY_MAX: usize = 6;
/// Where a client begins that will lose its count: what it sends then is too far below to pass for sent again.
const FAR: u64 = 1_000_000;
/// More than all open frames, so that a write never waits.
const PIPE_BYTES: usize = 1 << 20;

struct Frame {
    sequence: u64,
    bytes: Vec<u8>,
    keys: Vec<Key>,
    /// Keys of rows.
    rows: Vec<u64>,
}

struct Link {
    stream: DuplexStream,
    input: Vec<u8>,
    is_welcome: bool,
}

pub(crate) struct TcpClient {
    id: String,
    maker: Maker,
    link: Option<Link>,
    /// The server's side of all connections so far that may still work.
    served: Vec<JoinHandle<()>>,
    open: VecDeque<Frame>,
    next_sequence: u64,
    count: Count,
    damage: Damage,
}

/// What a client knows of its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    Kept,
    MayBeLost,
    /// It counts anew. `heard`: the server has acknowledged something of that.
    Lost {
        heard: bool,
    },
}

impl TcpClient {
    pub(crate) fn new(id: String, maker: Maker, loses_count: bool, damage: Damage) -> Self {
        let (next_sequence, count) = if loses_count { (FAR, Count::MayBeLost) } else { (1, Count::Kept) };
        Self { id, maker, link: None, served: Vec::new(), open: VecDeque::new(), next_sequence, count, damage }
    }

    pub(crate) fn may_lose_count(&self) -> bool {
        self.count == Count::MayBeLost
    }

    /// The device starts again and remembers nothing.
    pub(crate) fn lose_count(&mut self) {
        self.link = None;
        self.open.clear();
        (self.next_sequence, self.count) = (1, Count::Lost { heard: false });
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn server_died(&mut self) {
        self.link = None;
        self.served.drain(..).for_each(|serving| serving.abort());
    }

    /// The connection breaks; the server finds out by itself.
    pub(crate) fn disconnect(&mut self) {
        self.link = None;
    }

    pub(crate) async fn connect(&mut self, door: &SimulatedTcp, shutdown: &CancellationToken) {
        if self.link.is_some() {
            return;
        }
        let (mut stream, theirs) = tokio::io::duplex(PIPE_BYTES);
        self.served.push(tokio::spawn(door.serve(theirs, shutdown.clone())));
        let mut hello = Vec::new();
        encode::hello(&self.id, &mut hello);
        stream.write_all(&hello).await.expect("room in the pipe");
        self.link = Some(Link { stream, input: Vec::new(), is_welcome: false });
    }

    pub(crate) async fn send(&mut self, ledger: &mut Ledger) {
        if self.may_send() {
            let sequence = self.next_sequence;
            let (keys, bytes) = self.maker.frame(sequence);
            ledger.send(&keys);
            self.write(Frame { sequence, bytes, keys, rows: Vec::new() }).await;
        }
    }

    /// Sends a frame of so many rows. Where too many wait for their database the server ends the connection, and the frame is
    /// sent again by the next one.
    pub(crate) async fn send_rows(&mut self, count: u64, ledger: &mut Ledger) {
        if self.may_send() {
            let sequence = self.next_sequence;
            let rows = ledger.rows.send(count);
            let bytes = rows::frame(sequence, &rows);
            self.write(Frame { sequence, bytes, keys: Vec::new(), rows }).await;
        }
    }

    fn may_send(&self) -> bool {
        self.open.len() < UNDER_WAY_MAX && self.link.as_ref().is_some_and(|link| link.is_welcome)
    }

    async fn write(&mut self, frame: Frame) {
        self.next_sequence += 1;
        // A server that has closed shows at the next read.
        if let Some(link) = &mut self.link {
            let _ = link.stream.write_all(&frame.bytes).await;
        }
        self.open.push_back(frame);
    }

    /// Reads the server's answers; how many frames were acknowledged.
    pub(crate) async fn turn(&mut self, ledger: &mut Ledger) -> usize {
        while let Some(at) = self.served.iter().position(JoinHandle::is_finished) {
            self.served.swap_remove(at).await.expect("no panic in a connection");
        }
        let Some(link) = &mut self.link else { return 0 };
        let mut is_over = false;
        while let Some(read) = link.stream.read_buf(&mut link.input).now_or_never() {
            if !matches!(read, Ok(1..)) {
                is_over = true;
                break;
            }
        }
        let input = std::mem::take(&mut link.input);
        let mut rest = &input[..];
        let mut durable = None;
        let mut told = None;
        while let Ok(Next::Frame(frame)) = next_frame(rest, 1 << 20) {
            match frame.frame_type {
                FrameType::Welcome => {
                    told = Some(Welcome::parse(frame.body).expect("a WELCOME").last_sequence);
                    durable = told;
                }
                FrameType::Ack => durable = Some(Ack::parse(frame.body).expect("an ACK").sequence),
                FrameType::Refuse => is_over = true,
                _ => {}
            }
            rest = &rest[frame.bytes()..];
        }
        link.input = rest.to_vec();
        let heard = self.count == Count::Lost { heard: true };
        if let Some(told) = told.filter(|told| *told >= self.next_sequence && self.damage == Damage::None) {
            assert!(!heard, "WELCOME tells {told}, of before the client counted anew and was acknowledged");
        }
        let acknowledged = durable.map_or(0, |durable| self.acknowledge(durable, ledger));
        if told.is_some()
            && let Some(link) = &mut self.link
        {
            link.is_welcome = true;
            for frame in &self.open {
                let _ = link.stream.write_all(&frame.bytes).await;
            }
        }
        if is_over {
            self.link = None;
        }
        acknowledged
    }

    fn acknowledge(&mut self, durable: u64, ledger: &mut Ledger) -> usize {
        if let Count::Lost { .. } = self.count
            && durable >= self.next_sequence
        {
            return 0;
        }
        assert!(durable < self.next_sequence, "{durable} was never sent");
        let mut acknowledged = 0;
        while let Some(frame) = self.open.pop_front_if(|frame| frame.sequence <= durable) {
            ledger.acknowledge(&frame.keys);
            ledger.rows.acknowledge(&frame.rows);
            acknowledged += 1;
        }
        if self.count == (Count::Lost { heard: false }) && acknowledged > 0 {
            self.count = Count::Lost { heard: true };
        }
        acknowledged
    }
}
