//! Very many clients with TLS: what one that says nothing costs the server, and all of them coming back at once after `kill -9`.
//!
//! `GENIMS_IDLE_CONNECTIONS` says how many are idle, `GENIMS_STORM_CLIENTS` how many come back (10,000 and 2,000: `make storm`).

use super::authority::Authority;
use super::session::{connect_packet, numbered_packet};
use super::{GOOD, Locked};
use crate::harness::Harness;
use crate::kill9::number;
use crate::running::{eventually, goes_on};
use crate::server::PATIENCE;
use crate::stream::now_ms;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const IDLE_USUAL: u64 = 500;
const STORM_USUAL: u64 = 200;
/// So many come in at once where no storm is meant.
const AT_ONCE: usize = 32;
/// The issue allows 512 MiB with 10,000 of them: this for each ...
const KIB_OF_ONE_MAX: u64 = 48;
/// ... and this for what does not grow with them: threads' caches, what handshakes leave to the allocator.
const KIB_BESIDE_MAX: u64 = 32 * 1_024;
const KIB_MAX: u64 = 512 * 1_024;
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// What never ends has failed; how long it takes is told, and up to the machine.
const NEVER: Duration = Duration::from_secs(600);

type Connection = TlsStream<TcpStream>;

/// Clients with one certificate, each with a client id and a reading for each time that it comes.
struct Fleet {
    connector: TlsConnector,
    address: SocketAddr,
    topic: String,
    clients: usize,
    base_ms: i64,
    acked: AtomicUsize,
}

impl Fleet {
    fn new(locked: &Locked, topic: String, clients: usize) -> Arc<Self> {
        let config = config(&locked.authority);
        let base_ms = now_ms() - 60_000;
        let (connector, address) = (TlsConnector::from(Arc::new(config)), locked.mqtt);
        Arc::new(Self { connector, address, topic, clients, base_ms, acked: AtomicUsize::new(0) })
    }

    async fn try_in(&self, client: usize) -> io::Result<Connection> {
        let socket = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = self.connector.connect(name, socket).await?;
        connection.write_all(&connect_packet(4, &format!("fleet-{client}"), None)).await?;
        connection.flush().await?;
        answered(&mut connection, [0x20, 2, 0, 0]).await?;
        Ok(connection)
    }

    /// The client's reading of this round, acknowledged.
    async fn try_send(&self, client: usize, round: usize) -> io::Result<Connection> {
        let mut connection = self.try_in(client).await?;
        let value = round * self.clients + client;
        let payload = format!("{{\"value\": {value}, \"timestamp_ms\": {}}}", self.base_ms + value as i64);
        connection.write_all(&numbered_packet(&self.topic, 1, payload.as_bytes())).await?;
        connection.flush().await?;
        answered(&mut connection, [0x40, 2, 0, 1]).await?;
        Ok(connection)
    }

    /// The same, however often it has to come for it.
    async fn send(&self, client: usize, round: usize) -> Connection {
        let mut pause = PAUSES.0;
        loop {
            match self.try_send(client, round).await {
                Ok(connection) => {
                    self.acked.fetch_add(1, Ordering::Relaxed);
                    return connection;
                }
                Err(_) => sleep(pause).await,
            }
            pause = (2 * pause).min(PAUSES.1);
        }
    }

    /// In until the server is gone, and in again.
    async fn comes_back(self: Arc<Self>, client: usize) -> Connection {
        let mut connection = self.send(client, 0).await;
        // Nobody says anything: its end is waited for.
        let said = connection.read_u8().await;
        assert!(said.is_err(), "{said:?}");
        self.send(client, 1).await
    }
}

async fn answered<const N: usize>(connection: &mut Connection, expected: [u8; N]) -> io::Result<()> {
    let mut answer = [0; N];
    connection.read_exact(&mut answer).await?;
    if answer == expected { Ok(()) } else { Err(io::Error::other(format!("{answer:02x?}"))) }
}

fn config(authority: &Authority) -> ClientConfig {
    let issued = authority.issue("fleet", 500, GOOD);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    builder.with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap()
}

fn allow_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

pub(super) fn idle_cost_little(harness: &'static Harness) {
    allow_files();
    let locked = Locked::start(harness, "");
    let clients = number("GENIMS_IDLE_CONNECTIONS", IDLE_USUAL) as usize;
    let fleet = Fleet::new(&locked, locked.plant.sensor().topic(), clients);
    let before_kib = locked.plant.rss_kib();
    let come_in = stream::iter(0..clients).map(|client| fleet.try_in(client)).buffer_unordered(AT_ONCE);
    let connected: Vec<io::Result<Connection>> =
        harness.block_on(async { timeout(NEVER, come_in.collect::<Vec<_>>()).await }).expect("an end");
    let mut idle: Vec<Connection> = connected.into_iter().map(|connection| connection.expect("let in")).collect();
    let open = || locked.measured("connections_open", "mqtt-tls");
    assert_eq!(open(), clients as u64);
    harness.block_on(async {
        for connection in &mut idle {
            connection.write_all(&[0xC0, 0]).await.unwrap();
            connection.flush().await.unwrap();
            answered(connection, [0xD0, 0]).await.unwrap();
        }
    });
    let kib = locked.plant.rss_kib();
    let grown_kib = kib.saturating_sub(before_kib);
    let of_one_kib = grown_kib as f64 / clients as f64;
    println!(
        "{clients} idle TLS connections: {} MiB of server memory, {} MiB before: {of_one_kib:.1} KiB each",
        kib / 1_024,
        before_kib / 1_024
    );
    assert!(kib < KIB_MAX && grown_kib < clients as u64 * KIB_OF_ONE_MAX + KIB_BESIDE_MAX, "{grown_kib} KiB grown");
    drop(idle);
    eventually("all have left", PATIENCE, || open() == 0);
    locked.plant.terminate();
}

pub(super) fn storm_loses_nothing(harness: &'static Harness) {
    allow_files();
    let locked = Locked::start(harness, "");
    let plant = &locked.plant;
    let (sensor, clients) = (plant.sensor(), number("GENIMS_STORM_CLIENTS", STORM_USUAL) as usize);
    let fleet = Fleet::new(&locked, sensor.topic(), clients);
    let lives: Vec<_> =
        harness.block_on(async { (0..clients).map(|client| tokio::spawn(fleet.clone().comes_back(client))).collect() });
    let acked = || fleet.acked.load(Ordering::Relaxed);
    goes_on("all are in", PATIENCE, || {
        let acked = acked();
        (acked < clients).then_some(acked)
    });
    let begun = Instant::now();
    plant.kill();
    plant.serve();
    let served = begun.elapsed();
    let back = harness.block_on(async { timeout(NEVER, join_all(lives)).await }).expect("an end");
    let back: Vec<Connection> = back.into_iter().map(|life| life.expect("it came back")).collect();
    let (back_after, served_after) = (begun.elapsed().as_secs_f64(), served.as_secs_f64());
    println!("{clients} TLS clients were back, each with a reading acknowledged, {back_after:.1} s after kill -9");
    println!("(the server itself was ready after {served_after:.1} s)");
    assert_eq!((back.len(), acked()), (clients, 2 * clients));
    assert_eq!(locked.measured("connections_open", "mqtt-tls"), clients as u64);
    assert_eq!(plant.idle()["identity_holds"], true);
    let of = &sensor.sensor_id;
    let stored = format!("SELECT count(DISTINCT measurement_value) FROM sensor_data WHERE sensor_id = '{of}'");
    let stored: i64 = plant.query("genims_operations_db", &stored)[0].get(0);
    assert_eq!(stored, 2 * clients as i64, "what was acknowledged is stored");
    drop(back);
    plant.terminate();
}
