//! Clients that are held to a rate and to a number of connections: over streams without a socket, under a clock that moves when all
//! wait for it.

use super::super::connection::serve;
use super::super::*;
use super::plc::{data, written};
use crate::locks::clients::file::{ClientEntry, change};
use crate::locks::{AnonymousPolicy, ClientOptions, Clients};
use crate::notices::Peer;
use crate::trial::Plant;
use genims_decode::frame::{FrameType, Next, encode, next_frame};
use genims_locks::certificate::Certificate;
use genims_locks::refusals::{RefusalKind, Refusals};
use std::collections::HashMap;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

/// More than any test sends.
const STREAM_BYTES: usize = 1 << 20;

struct Limited {
    plant: Plant,
    shared: Arc<Shared>,
    refusals: Arc<Refusals>,
    _folder: TempDir,
}

impl Limited {
    /// The client `a` comes by a certificate.
    async fn new(readings_per_second_max: u64, connections_max: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("clients.toml");
        let limits = (Some(readings_per_second_max), Some(connections_max));
        let entry = ClientEntry::new("a", None).expect("made");
        let entry = ClientEntry { readings_per_second_max: limits.0, connections_max: limits.1, ..entry };
        change(&path, |all| {
            all.push(entry);
            Ok(())
        })
        .expect("written");
        let clients = Clients::open(&path, &ClientOptions::default()).expect("read");
        let refusals = Arc::<Refusals>::default();
        let gate = ListenerGate::open("trial", true, None, Some(clients), AnonymousPolicy::default(), refusals.clone());
        let plant = Plant::new(1_000_000);
        let options = TcpOptions { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..TcpOptions::default() };
        let progress = Arc::new(Progress::new(CLIENTS_MAX, HashMap::new()));
        let (intake, accounts) = (plant.intake.clone(), plant.accounts.clone());
        let server = TcpServer::bind(options, 0, intake, accounts, progress, gate.expect("no files"));
        Self { shared: server.await.expect("port 0 binds").shared, plant, refusals, _folder: folder }
    }

    /// A connection of a client id, which has sent this already.
    async fn connect(&self, id: &str, frames: &[u8]) -> DuplexStream {
        let (mut client, server) = tokio::io::duplex(STREAM_BYTES);
        client.write_all(&written(|out| encode::hello(id, out))).await.expect("room");
        client.write_all(frames).await.expect("room");
        let certificate =
            Certificate { chain: Vec::new(), identity: "a".into(), serial: Box::default(), not_after: i64::MAX };
        let leave = CancellationToken::new();
        let pass = self.shared.gate.enter(Some(certificate.into()), Peer::default(), &leave);
        tokio::spawn(serve(server, self.shared.clone(), leave, pass));
        client
    }
}

async fn frame(client: &mut DuplexStream) -> (FrameType, Vec<u8>) {
    let mut frame = vec![0; 12];
    client.read_exact(&mut frame).await.expect("a frame");
    frame.resize(12 + u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]) as usize, 0);
    client.read_exact(&mut frame[12..]).await.expect("its body");
    let Ok(Next::Frame(frame)) = next_frame(&frame, u32::MAX) else { panic!("no whole frame: {frame:?}") };
    (frame.frame_type, frame.body.to_vec())
}

/// Until everything up to a sequence is acknowledged; how many PONGs came before.
async fn acked(client: &mut DuplexStream, sequence: u64) -> usize {
    let mut pongs = 0;
    loop {
        match frame(client).await {
            (FrameType::Pong, _) => pongs += 1,
            (FrameType::Welcome, _) => {}
            (FrameType::Ack, body) if u64::from_le_bytes(body[..8].try_into().expect("eight bytes")) >= sequence => {
                return pongs;
            }
            (FrameType::Ack, _) => {}
            (kind, body) => panic!("{kind:?}: {}", String::from_utf8_lossy(&body)),
        }
    }
}

fn frames(sequences: impl Iterator<Item = u64>) -> Vec<u8> {
    sequences.flat_map(|sequence| data(sequence, &["S0"], &[(0, 1.0); 10])).collect()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_held_to_a_rate_is_read_more_slowly_and_loses_nothing() {
    let limited = Limited::new(100, 0).await;
    let begun = Instant::now();
    let sent = [frames(1..=100), written(encode::ping)].concat();
    let mut client = limited.connect("plc", &sent).await;
    assert_eq!(acked(&mut client, 100).await, 1, "PING is answered while frames wait");
    // A second's worth at once; the last frame may go beyond what is allowed.
    assert!(begun.elapsed() >= Duration::from_millis(1_000 * (1_000 - 100 - 10) / 100), "{:?}", begun.elapsed());
    let waits = limited.shared.metrics.rate_limited_total.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!((limited.plant.account().received, waits > 10), (1_000, true), "{waits}");
    // Frames sent again cost as much as new ones.
    let again = Instant::now();
    let sent = [frames(std::iter::repeat_n(100, 50)), frames(101..=101)].concat();
    client.write_all(&sent).await.expect("room");
    acked(&mut client, 101).await;
    assert!(again.elapsed() >= Duration::from_millis(1_000 * (500 - 100 - 10) / 100), "{:?}", again.elapsed());
    let account = limited.plant.account();
    assert_eq!((account.committed, account.duplicate), (1_010, 500));
    let (busiest, _) = limited.shared.metrics.talkers.busiest(10, Instant::now());
    assert_eq!((busiest[0].client.as_str(), busiest[0].totals.received), ("a", 1_510));
}

#[tokio::test(start_paused = true)]
async fn a_connection_above_the_client_s_number_is_refused_and_a_newer_one_of_an_id_is_not() {
    let limited = Limited::new(0, 1).await;
    let mut first = limited.connect("plc", &frames(1..=1)).await;
    acked(&mut first, 1).await;
    let mut other = limited.connect("other", &[]).await;
    let (kind, body) = frame(&mut other).await;
    assert_eq!((kind, u16::from_le_bytes([body[8], body[9]])), (FrameType::Refuse, 5));
    assert_eq!(limited.refusals.totals(), [("trial".to_owned(), RefusalKind::ConnectionLimit, 1)]);
    let mut newer = limited.connect("plc", &frames(2..=2)).await;
    acked(&mut newer, 2).await;
    assert_eq!(frame(&mut first).await.0, FrameType::Refuse, "taken over");
}
