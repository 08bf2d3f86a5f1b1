//! A server of the protocol for one test, and clients that speak it.

use super::super::*;
use crate::trial::Plant;
use genims_decode::frame::{FrameType, Next, Record, RecordValue, encode, next_frame};
use genims_model::Quality;
use std::collections::HashMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Trial {
    pub(super) plant: Plant,
    pub(super) progress: Arc<Progress>,
    pub(super) metrics: Arc<ListenMetrics>,
    pub(super) address: SocketAddr,
    pub(super) stop: CancellationToken,
    pub(super) server: JoinHandle<()>,
}

impl Trial {
    pub(super) async fn new(options: TcpOptions, recovered: &[(&str, u64)]) -> Self {
        let plant = Plant::new(1_000);
        let recovered: HashMap<_, _> = recovered.iter().map(|(id, sequence)| ((*id).to_owned(), *sequence)).collect();
        let progress = Arc::new(Progress::new(CLIENTS_MAX, recovered));
        let metrics = Arc::new(ListenMetrics::default());
        let options = TcpOptions { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..options };
        let (intake, accounts) = (plant.intake.clone(), plant.accounts.clone());
        let server =
            TcpServer::bind(options, 0, intake, accounts, progress.clone(), ListenerGate::unlocked(metrics.clone()))
                .await
                .expect("port 0 binds");
        let address = server.address().expect("bound");
        let stop = CancellationToken::new();
        Self { plant, progress, metrics, address, server: tokio::spawn(server.serve(stop.clone())), stop }
    }

    pub(super) async fn plain() -> Self {
        Self::new(TcpOptions::default(), &[]).await
    }

    /// A connection that has sent HELLO.
    pub(super) async fn greet(&self, id: &str) -> Plc {
        let mut plc = Plc { stream: TcpStream::connect(self.address).await.expect("the server listens") };
        plc.send(&written(|out| encode::hello(id, out))).await;
        plc
    }

    /// A connection behind its handshake, and the sequence that WELCOME told.
    pub(super) async fn connect(&self, id: &str) -> (Plc, u64) {
        let mut plc = self.greet(id).await;
        let (kind, body) = plc.frame().await;
        assert_eq!(kind, FrameType::Welcome, "{}", String::from_utf8_lossy(&body));
        (plc, u64_at(&body, 0))
    }
}

pub(super) struct Plc {
    pub(super) stream: TcpStream,
}

impl Plc {
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the server reads");
    }

    pub(super) async fn frame(&mut self) -> (FrameType, Vec<u8>) {
        timeout(PATIENCE, async {
            let mut header = [0; 12];
            self.stream.read_exact(&mut header).await.expect("a frame");
            let mut frame = header.to_vec();
            frame.resize(12 + u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize, 0);
            self.stream.read_exact(&mut frame[12..]).await.expect("its body");
            let Ok(Next::Frame(frame)) = next_frame(&frame, u32::MAX) else { panic!("no whole frame: {frame:?}") };
            (frame.frame_type, frame.body.to_vec())
        })
        .await
        .expect("the server answers")
    }

    pub(super) async fn acked(&mut self, sequence: u64) {
        loop {
            let (kind, body) = self.frame().await;
            assert_eq!(kind, FrameType::Ack, "{}", String::from_utf8_lossy(&body));
            let told = u64_at(&body, 0);
            assert!(told <= sequence);
            if told == sequence {
                return;
            }
        }
    }

    /// The code and sequence of a REFUSE behind which the server closes.
    pub(super) async fn refused(&mut self) -> (u16, u64) {
        let (kind, body) = self.frame().await;
        assert_eq!(kind, FrameType::Refuse);
        assert_eq!(usize::from(u16::from_le_bytes([body[10], body[11]])), body.len() - 12);
        let end = timeout(PATIENCE, self.stream.read(&mut [0])).await.expect("the server closes");
        assert_eq!(end.expect("in order"), 0);
        (u16::from_le_bytes([body[8], body[9]]), u64_at(&body, 0))
    }

    pub(super) async fn is_silent(&mut self) {
        let quiet = timeout(Duration::from_millis(100), self.stream.read(&mut [0])).await;
        assert!(quiet.is_err(), "nothing should have come");
    }
}

pub(super) fn u64_at(body: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(body[at..at + 8].try_into().expect("eight bytes"))
}

pub(super) fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

pub(super) fn ping() -> Vec<u8> {
    written(encode::ping)
}

/// A DATA frame that names sensors 0.. as handles 0.. and holds records of (handle, value).
pub(super) fn data(sequence: u64, names: &[&str], records: &[(u16, f64)]) -> Vec<u8> {
    let names: Vec<_> = names.iter().enumerate().map(|(handle, name)| (handle as u16, *name)).collect();
    let record = |(handle, value): &(u16, f64)| Record {
        handle: *handle,
        quality: Quality::Good,
        delta_us: 500,
        value: RecordValue::Float(*value),
    };
    let records: Vec<_> = records.iter().map(record).collect();
    written(|out| encode::data(sequence, 1_700_000_000_000_000, &names, &records, out))
}
