//! A gate over real sockets: who comes in, and who has to leave. The protocols behind it are not asked here.

use super::guest::Eviction;
use super::*;
use crate::ListenMetrics;
use crate::notices::Peer;
use crate::trial::authority::{Authority, Issued, put};
use genims_locks::{certificate, tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

const GOOD: (i32, i32) = (2000, 4000);

struct Trial {
    folder: TempDir,
    authority: Authority,
    options: TlsOptions,
    gate: Arc<ListenerGate>,
    listener: TcpListener,
}

/// What the server's side of a connection holds.
struct Inside {
    pass: Pass,
    leave: CancellationToken,
}

impl Trial {
    async fn new(client_certificate: ClientCertificate) -> Self {
        let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new("plant"));
        let server = authority.issue("server", 1, GOOD);
        let options = TlsOptions {
            cert_file: put(folder.path(), "server.pem", &server.cert),
            key_file: put(folder.path(), "server.key", &server.key),
            client_ca_file: Some(put(folder.path(), "ca.pem", &authority.pem)),
            client_certificate,
            crl_file: Some(put(folder.path(), "crl.pem", &authority.revokes(&[]))),
        };
        let gate = ListenerGate::open("trial", true, Some(&options), None, AnonymousPolicy::default(), Arc::default())
            .expect("good files");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self { folder, authority, options, gate, listener }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn client(&self, shown: Option<&Issued>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.pem.as_bytes()).expect("PEM")).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("versions").with_root_certificates(roots);
        let Some(shown) = shown else { return Arc::new(builder.with_no_client_auth()) };
        let chain = CertificateDer::pem_slice_iter(shown.cert.as_bytes()).map(|found| found.expect("PEM")).collect();
        let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).expect("PEM");
        Arc::new(builder.with_client_auth_cert(chain, key).expect("they belong together"))
    }

    /// Connects; how the handshake went for the client, and what the server holds of it, if it was let in. A byte is sent to
    /// the client, behind which it has its ticket.
    async fn connect(&self, config: &Arc<ClientConfig>) -> (Option<HandshakeKind>, Option<Inside>) {
        let address = self.listener.local_addr().expect("bound");
        let client = async {
            let socket = TcpStream::connect(address).await.expect("connected");
            let name = ServerName::try_from("localhost").expect("a name");
            let mut stream = TlsConnector::from(config.clone()).connect(name, socket).await.ok()?;
            stream.read_u8().await.ok()?;
            stream.get_ref().1.handshake_kind()
        };
        let server = async {
            let (socket, _) = self.listener.accept().await.expect("accepted");
            let leave = CancellationToken::new();
            let deadline = Instant::now() + Duration::from_secs(60);
            let (mut stream, pass) = self.gate.secure(socket, Peer::default(), deadline, &leave).await?;
            stream.write_all(b"!").await.expect("written");
            stream.flush().await.expect("written");
            Some(Inside { pass, leave })
        };
        tokio::join!(client, server)
    }

    fn refused(&self) -> u64 {
        self.gate.metrics.handshakes_refused_total.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn only_good_certificates_of_the_authority_come_in() {
    let trial = Trial::new(ClientCertificate::Required).await;
    let (kind, inside) = trial.connect(&trial.client(Some(&trial.authority.issue("plc-7", 7, GOOD)))).await;
    assert_eq!(kind, Some(HandshakeKind::Full));
    assert_eq!(inside.expect("let in").pass.identity(), Some("plc-7"));
    assert_eq!(trial.refused(), 0);
    let expired = trial.authority.issue("plc-7", 8, (2000, 2001));
    let early = trial.authority.issue("plc-7", 9, (3999, 4000));
    let foreign = Authority::new("plant").issue("plc-7", 7, GOOD);
    for (refused, shown) in [(1, Some(&expired)), (2, Some(&early)), (3, Some(&foreign)), (4, None)] {
        assert!(trial.connect(&trial.client(shown)).await.1.is_none(), "{refused}");
        assert_eq!(trial.refused(), refused);
    }
    assert!(trial.gate.those(|_| true).is_empty());
    let trial = Trial::new(ClientCertificate::Optional).await;
    let (_, inside) = trial.connect(&trial.client(None)).await;
    assert_eq!(inside.expect("let in").pass.identity(), None);
    assert!(trial.connect(&trial.client(Some(&expired))).await.1.is_none(), "shown, it has to be good");
}

#[tokio::test]
async fn a_revoked_client_leaves_and_cannot_resume_and_the_others_stay() {
    let trial = Trial::new(ClientCertificate::Required).await;
    let (bad, good) = (trial.authority.issue("bad", 7, GOOD), trial.authority.issue("good", 8, GOOD));
    let (bad, good) = (trial.client(Some(&bad)), trial.client(Some(&good)));
    let first = trial.connect(&bad).await.1.expect("let in");
    let (kind, resumed) = trial.connect(&bad).await;
    assert_eq!(kind, Some(HandshakeKind::Resumed), "else this test shows nothing");
    let resumed = resumed.expect("let in");
    assert_eq!(resumed.pass.identity(), Some("bad"));
    let other = trial.connect(&good).await.1.expect("let in");
    trial.gate.look(false);
    assert!(!first.leave.is_cancelled() && !resumed.leave.is_cancelled());

    put(trial.path(), "crl.pem", &trial.authority.revokes(&[7]));
    trial.gate.look(false);
    trial.gate.look(false);
    for inside in [&first, &resumed] {
        assert!(inside.leave.is_cancelled());
        assert_eq!(inside.pass.eviction(), Some(Eviction::Revoked));
    }
    assert!(!other.leave.is_cancelled() && other.pass.eviction().is_none());
    assert_eq!(trial.gate.metrics.evicted_total.load(Ordering::Relaxed), 2);
    assert!(trial.connect(&bad).await.1.is_none(), "neither with its session nor without");
    let (kind, again) = trial.connect(&good).await;
    assert!(again.is_some() && kind == Some(HandshakeKind::Full), "sessions end with what was read with them");
    drop((first, resumed, other, again));
    assert!(trial.gate.those(|_| true).is_empty(), "who has left is on no list");
}

#[tokio::test]
async fn a_session_that_goes_on_is_held_to_the_certificate_it_began_with() {
    let trial = Trial::new(ClientCertificate::Required).await;
    let config = trial.client(Some(&trial.authority.issue("plc-7", 7, GOOD)));
    trial.connect(&config).await.1.expect("let in");
    // Sessions survive a change here, as they do while a certificate runs out.
    let before = trial.gate.tls.as_ref().expect("TLS").current();
    put(trial.path(), "crl.pem", &trial.authority.revokes(&[7]));
    trial.gate.look(true);
    trial.gate.tls.as_ref().expect("TLS").put_config(before.config.clone());
    let (_, inside) = trial.connect(&config).await;
    assert!(inside.is_none());
    assert_eq!(trial.refused(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_leaves_in_force_what_was() {
    let trial = Trial::new(ClientCertificate::Required).await;
    let config = trial.client(Some(&trial.authority.issue("plc-7", 7, GOOD)));
    let inside = trial.connect(&config).await.1.expect("let in");
    let other = trial.authority.issue("other", 9, GOOD);
    for (name, text) in [("crl.pem", "half a li"), ("server.key", &*other.key), ("ca.pem", "")] {
        let before = std::fs::read_to_string(trial.path().join(name)).expect("read");
        put(trial.path(), name, text);
        assert!(tls::check(&trial.options).is_err(), "{name}");
        trial.gate.look(true);
        assert!(trial.connect(&config).await.1.is_some(), "{name}");
        put(trial.path(), name, &before);
    }
    assert!(!inside.leave.is_cancelled());
    // A new certificate of the listener is what the next client sees.
    put(trial.path(), "server.pem", &other.cert);
    put(trial.path(), "server.key", &other.key);
    trial.gate.look(true);
    assert!(trial.connect(&config).await.1.is_some());
    assert!(!inside.leave.is_cancelled());
}

#[tokio::test]
async fn a_certificate_that_runs_out_ends_its_connection() {
    let trial = Trial::new(ClientCertificate::Required).await;
    let leave = CancellationToken::new();
    let pem = trial.authority.issue("plc-7", 7, (2000, 2001)).cert;
    let chain = [CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")];
    let certificate = certificate::Certificate::of(&chain).map(Arc::new);
    let pass = trial.gate.enter(certificate, Peer::default(), &leave);
    trial.gate.look(false);
    assert_eq!((pass.eviction(), leave.is_cancelled()), (Some(Eviction::Expired), true));
}

#[tokio::test]
async fn without_locks_nobody_is_kept_on_a_list() {
    let gate = ListenerGate::unlocked(Arc::<ListenMetrics>::default());
    let mut pass = gate.pass(Peer::default(), &CancellationToken::new());
    pass.log_in(Credentials::default(), true, Instant::now()).await.expect("everybody");
    assert!(
        pass.may_publish("anything") && pass.scope().machines.is_none() && pass.owner().is_none() && !pass.refresh()
    );
    assert!(gate.those(|_| true).is_empty() && Locks { gates: vec![gate.clone()], clients: None }.is_idle());
}

#[tokio::test]
async fn a_client_that_never_reads_is_sent_nothing_to_read() {
    let mut trial = Trial::new(ClientCertificate::Required).await;
    trial.gate =
        ListenerGate::open("trial", false, Some(&trial.options), None, AnonymousPolicy::default(), Arc::default())
            .expect("good files");
    let config = trial.client(Some(&trial.authority.issue("plc-7", 7, GOOD)));
    for _ in 0..2 {
        // A ticket would have been used for the second handshake.
        assert_eq!(trial.connect(&config).await.0, Some(HandshakeKind::Full));
    }
}

/// Whoever sends each message in a record of its own is read as one who sends them together.
#[tokio::test]
async fn records_that_have_come_are_read_at_once() {
    const RECORDS: usize = 200;
    let trial = Trial::new(ClientCertificate::Optional).await;
    let (config, address) = (trial.client(None), trial.listener.local_addr().expect("bound"));
    let (says, said) = tokio::sync::oneshot::channel();
    let client = async {
        let socket = TcpStream::connect(address).await.expect("connected");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = TlsConnector::from(config).connect(name, socket).await.expect("let in");
        for number in 0..RECORDS {
            stream.write_all(&[number as u8; 100]).await.expect("taken");
            stream.flush().await.expect("taken");
        }
        says.send(()).expect("heard");
        stream
    };
    let server = async {
        let (socket, _) = trial.listener.accept().await.expect("accepted");
        let (leave, deadline) = (CancellationToken::new(), Instant::now() + Duration::from_secs(60));
        let (mut stream, _pass) = trial.gate.secure(socket, Peer::default(), deadline, &leave).await.expect("let in");
        said.await.expect("said");
        let (mut heard, mut reads) = (Vec::<u8>::with_capacity(64 * 1024), 0);
        while heard.len() < RECORDS * 100 {
            assert!(stream.read_buf(&mut heard).await.expect("read") > 0, "{} bytes", heard.len());
            reads += 1;
        }
        let sent: Vec<u8> = (0..RECORDS).flat_map(|number| [number as u8; 100]).collect();
        assert!(heard == sent, "other bytes");
        assert!(reads < RECORDS / 2, "{reads} reads for {RECORDS} records");
    };
    let (_client, ()) = tokio::join!(client, server);
}
