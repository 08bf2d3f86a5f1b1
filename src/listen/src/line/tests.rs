//! The listener over real sockets, against shards that do what the test says.

use super::*;
use crate::locks::clients::file::{ClientEntry, change};
use crate::locks::{AnonymousPolicy, ClientOptions, Clients};
use crate::notices::Peer;
use crate::trial::{Mode, Plant};
use genims_locks::certificate::Certificate;
use genims_locks::refusals::{RefusalKind, Refusals};
use genims_model::dead_letter::PAYLOAD_KEPT_BYTES_MAX;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(10);

/// About ten megabytes: more than the sockets and the queues hold.
const LINES: usize = 400_000;

struct Trial {
    plant: Plant,
    metrics: Arc<ListenMetrics>,
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Trial {
    async fn new(options: LineOptions) -> Self {
        Self::with_gate(options, ListenerGate::unlocked(Arc::default())).await
    }

    async fn with_gate(options: LineOptions, gate: Arc<ListenerGate>) -> Self {
        let (plant, metrics) = (Plant::new(1_000), gate.metrics());
        let options = LineOptions { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..options };
        let server = LineServer::bind(options, 0, plant.intake.clone(), gate).await;
        let server = server.expect("port 0 binds");
        let address = server.address().expect("bound");
        let stop = CancellationToken::new();
        Self { plant, metrics, address, server: tokio::spawn(server.serve(stop.clone())), stop }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the server listens")
    }
}

async fn closed(stream: &mut TcpStream) {
    let read = timeout(PATIENCE, stream.read(&mut [0])).await.expect("the server closes");
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn lines_cut_anywhere_are_taken_and_the_last_needs_no_newline() {
    let trial = Trial::new(LineOptions::default()).await;
    let mut sender = trial.connect().await;
    for piece in ["t,sensor_id=S0 value=1", ".5\nt,sensor", "_id=S1 value=2\n", "what?\nt,sensor_id=S2 value=3"] {
        sender.write_all(piece.as_bytes()).await.expect("the server reads");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sender.shutdown().await.expect("closes");
    trial.plant.until(|account, _| account.committed == 4).await;
    let mut values: Vec<f64> = trial.plant.taken.lock().readings.iter().map(|reading| reading.value).collect();
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [1.5, 2.0, 3.0]);
    {
        let dead_letters = &trial.plant.taken.lock().dead_letters;
        let [dead_letter] = &dead_letters[..] else { panic!("{dead_letters:?}") };
        // Lines have no topic, and their sender no name but its address.
        assert_eq!((dead_letter.topic.as_str(), dead_letter.client.as_str(), dead_letter.source), ("", "127.0.0.1", 0));
        assert_eq!((dead_letter.payload.as_slice(), dead_letter.payload_bytes), (&b"what?"[..], 5));
    }
    assert_eq!(trial.metrics.messages_total.load(std::sync::atomic::Ordering::Relaxed), 4);
    closed(&mut sender).await;
}

#[tokio::test]
async fn an_overlong_line_is_set_aside_and_the_next_line_is_taken() {
    let trial = Trial::new(LineOptions::default()).await;
    let mut sender = trial.connect().await;
    const LONGEST: usize = PAYLOAD_KEPT_BYTES_MAX;
    for bytes in [300_000, LONGEST + 7] {
        sender.write_all(&vec![b'x'; bytes]).await.expect("the server reads");
        sender.write_all(b"\nt,sensor_id=S0 value=7\n").await.expect("the server reads");
    }
    trial.plant.until(|account, _| account.committed == 4).await;
    let taken = trial.plant.taken.lock();
    assert_eq!((taken.readings.len(), taken.dead_letters.len()), (2, 2));
    for (dead_letter, (bytes, kept)) in taken.dead_letters.iter().zip([(300_000, 300_000), (LONGEST + 7, LONGEST)]) {
        assert!(dead_letter.detail.contains(&bytes.to_string()), "{}", dead_letter.detail);
        assert_eq!((dead_letter.payload.len(), dead_letter.payload_bytes), (kept, bytes as u64));
        let cut = format!("; cut: the first {kept} of {bytes} bytes were kept");
        assert_eq!(dead_letter.detail.ends_with(&cut), kept < bytes, "{}", dead_letter.detail);
    }
}

#[tokio::test]
async fn a_pipeline_without_room_stops_the_reading_and_nothing_is_lost() {
    let trial = Trial::new(LineOptions::default()).await;
    trial.plant.set(Mode::Stop);
    let mut sender = trial.connect().await;
    let lines = "t,sensor_id=S0 value=1\n".repeat(LINES);
    let writer = tokio::spawn(async move {
        sender.write_all(lines.as_bytes()).await.expect("the server reads");
        sender.shutdown().await.expect("closes");
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!writer.is_finished(), "that many fit no socket buffer");
    assert!(trial.plant.account().received < 100_000, "{:?}", trial.plant.account());
    trial.plant.set(Mode::Settle);
    trial.plant.until(|account, _| account.committed == LINES as u64).await;
    writer.await.expect("in order");
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let trial = Trial::new(LineOptions { idle_timeout: Duration::from_millis(50), ..LineOptions::default() }).await;
    closed(&mut trial.connect().await).await;
}

#[tokio::test]
async fn a_line_that_breaks_off_without_an_orderly_end_is_set_aside() {
    let trial = Trial::new(LineOptions { idle_timeout: Duration::from_millis(50), ..LineOptions::default() }).await;
    let mut sender = trial.connect().await;
    sender.write_all(b"t,sensor_id=S0 value=1\nt,sensor_id=S1 value=1.2").await.expect("the server reads");
    trial.plant.until(|account, _| account.committed == 2).await;
    let taken = trial.plant.taken.lock();
    assert_eq!(
        (taken.readings.len(), taken.dead_letters[0].payload.as_slice()),
        (1, b"t,sensor_id=S1 value=1.2".as_slice())
    );
}

#[tokio::test]
async fn connections_above_the_limit_are_closed_and_counted() {
    let trial = Trial::new(LineOptions { connections_max: 1, ..LineOptions::default() }).await;
    let mut first = trial.connect().await;
    first.write_all(b"t,sensor_id=S0 value=1\n").await.expect("the server reads");
    trial.plant.until(|account, _| account.committed == 1).await;
    closed(&mut trial.connect().await).await;
    assert_eq!(trial.metrics.refused_total.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_shutdown_waits_for_what_was_read() {
    let trial = Trial::new(LineOptions::default()).await;
    trial.plant.set(Mode::Hold);
    let mut sender = trial.connect().await;
    sender.write_all(b"t,sensor_id=S0 value=1\n").await.expect("the server reads");
    trial.plant.until(|account, _| account.received == 1).await;
    trial.stop.cancel();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!trial.server.is_finished());
    trial.plant.set(Mode::Settle);
    timeout(PATIENCE, trial.server).await.expect("the server ends").expect("in order");
    assert_eq!(trial.plant.account().committed, 1);
}

#[tokio::test]
async fn connections_above_what_an_address_may_have_are_closed_and_told() {
    let (refusals, policy) =
        (Arc::<Refusals>::default(), AnonymousPolicy { connections_per_address_max: 1, ..AnonymousPolicy::default() });
    let gate = ListenerGate::open("lines", false, None, None, policy, refusals.clone()).expect("no files");
    let trial = Trial::with_gate(LineOptions::default(), gate).await;
    let mut first = trial.connect().await;
    first.write_all(b"t,sensor_id=S0 value=1\n").await.expect("the server reads");
    trial.plant.until(|account, _| account.committed == 1).await;
    closed(&mut trial.connect().await).await;
    assert_eq!(refusals.totals(), [("lines".to_owned(), RefusalKind::ConnectionLimit, 1)]);
    assert_eq!(trial.metrics.refused_total.load(std::sync::atomic::Ordering::Relaxed), 1);
    let (busiest, _) = trial.metrics.talkers.busiest(10, tokio::time::Instant::now());
    assert_eq!((busiest[0].client.as_str(), busiest[0].totals.received), ("127.0.0.1", 1));
}

/// Over a stream without a socket, under a clock that moves when all wait for it.
#[tokio::test(start_paused = true)]
async fn a_client_that_is_held_to_a_rate_is_read_more_slowly_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("clients.toml");
    let entry = ClientEntry { readings_per_second_max: Some(100), ..ClientEntry::new("a", None).expect("made") };
    change(&path, |all| {
        all.push(entry);
        Ok(())
    })
    .expect("written");
    let clients = Clients::open(&path, &ClientOptions::default()).expect("read");
    let gate = ListenerGate::open("lines", false, None, Some(clients), AnonymousPolicy::default(), Arc::default());
    let (gate, plant) = (gate.expect("no files"), Plant::new(1_000_000));
    let options = LineOptions { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..LineOptions::default() };
    let server = LineServer::bind(options, 0, plant.intake.clone(), gate.clone()).await.expect("port 0 binds");
    let certificate =
        Certificate { chain: Vec::new(), identity: "a".into(), serial: Box::default(), not_after: i64::MAX };
    let stop = CancellationToken::new();
    let pass = gate.enter(Some(certificate.into()), Peer::default(), &stop);
    let lines = "t,sensor_id=S0 value=1\n".repeat(1_000);
    let (mut sender, stream) = tokio::io::duplex(lines.len());
    sender.write_all(lines.as_bytes()).await.expect("room");
    drop(sender);
    let begun = tokio::time::Instant::now();
    connection::serve(stream, Peer::default(), server.shared, stop, pass).await;
    // A second's worth at once, and what one read brings goes beyond.
    let least = Duration::from_millis(1_000 * (1_000 - 100 - 200) / 100);
    assert!(begun.elapsed() >= least, "{:?}", begun.elapsed());
    plant.until(|account, _| account.committed == 1_000).await;
}
