//! CONNECT to CONNACK. A fresh socket enters; a connection with its session leaves, or a refusal is written.
//!
//! Bounds: one packet of at most the maximum size, `connect_timeout` for all of it.

use super::Shared;
use super::close;
use super::dialogue::Dialogue;
use super::input::{Input, Read};
use super::packet::connect::{self, Connect};
use super::packet::outbound::{self, Connack};
use super::packet::{Fault, Version, kind, reason, wire};
use super::proxy;
use super::registry::{Granted, count_fault};
use super::telling::{self, Caller};
use super::will::KeptWill;
use crate::count;
use crate::locks::{Credentials, Denied, Pass, Secured, Socket};
use crate::notices::Peer;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

/// A CONNECT that comes while all places are taken is waited for this long, so that the client can be told in its version.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// What a client id may take. The specification asks for 23 at least.
const CLIENT_ID_BYTES_MAX: usize = 256;

/// A longer PROXY header is refused in front of TLS: there has to be room for it whole.
const PROXY_BYTES_MAX: usize = 1_024;
const PEEK_PAUSE: Duration = Duration::from_millis(2);
const NO_HEADER_IN_TIME: Fault = Fault::new(reason::SERVER_BUSY, "no complete PROXY header in time");

/// A CONNACK takes this much at most, without an assigned client id.
const CONNACK_BYTES_MAX: usize = 40;

/// How a handshake fails: with words for a client of that version, or without where it is not known.
struct Refusal {
    version: Option<Version>,
    fault: Fault,
}

impl Refusal {
    fn new(version: Version, fault: Fault) -> Self {
        Self { version: Some(version), fault }
    }
}

/// Who comes, before it has said CONNECT.
pub(super) struct Arrival {
    pass: Pass,
    peer: Peer,
    /// A PROXY header comes first.
    header_is_due: bool,
    deadline: Instant,
}

impl Arrival {
    pub(super) fn new(pass: Pass, peer: Peer, shared: &Shared) -> Self {
        let deadline = Instant::now() + shared.options.connect_timeout;
        Self { pass, peer, header_is_due: shared.options.proxy_protocol, deadline }
    }
}

/// The handshake of TLS, behind the PROXY header, which is in clear. `None`: refused.
pub(super) async fn secure(
    mut socket: TcpStream,
    shared: &Shared,
    mut peer: Peer,
    shutdown: &CancellationToken,
) -> Option<(Secured, Arrival)> {
    let deadline = Instant::now() + shared.options.connect_timeout;
    if shared.options.proxy_protocol {
        match timeout_at(deadline, proxy_header(&mut socket)).await.unwrap_or(Err(NO_HEADER_IN_TIME)) {
            Ok(Some(header)) => peer.0 = header.client.or(peer.0),
            Ok(None) => return None,
            Err(fault) => {
                count_fault(shared, ("", peer), "", &fault);
                telling::refused_connection(shared, &Input::default(), &fault, peer);
                return None;
            }
        }
    }
    let (socket, pass) = shared.gate.secure(socket, peer, deadline, shutdown).await?;
    Some((socket, Arrival { pass, peer, header_is_due: false, deadline }))
}

/// Takes the header off the socket, and not a byte more: what follows is TLS's. `None`: a load balancer has looked whether anybody
/// listens, and has left; it says nothing then, or that it speaks for itself.
async fn proxy_header(socket: &mut TcpStream) -> Result<Option<proxy::ProxyHeader>, Fault> {
    let mut bytes = [0; PROXY_BYTES_MAX];
    loop {
        let Ok(peeked @ 1..) = socket.peek(&mut bytes).await else { return Ok(None) };
        if let Some(header) = proxy::header(&bytes[..peeked])? {
            if socket.read_exact(&mut bytes[..header.bytes]).await.is_err() {
                return Ok(None);
            }
            let is_a_look = header.client.is_none() && !matches!(socket.peek(&mut bytes).await, Ok(1..));
            return Ok((!is_a_look).then_some(header));
        }
        if peeked == bytes.len() {
            return Err(proxy::DAMAGED);
        }
        // What is peeked at stays readable: nothing tells of the bytes behind it.
        sleep(PEEK_PAUSE).await;
    }
}

/// Lets a client in; `None` when it was refused or has left, in which case everything is done.
pub(super) async fn run<S: Socket>(
    mut socket: S,
    mut arrival: Arrival,
    shared: &Arc<Shared>,
) -> Option<(S, Input, Admitted)> {
    let mut input = Input::default();
    let received = receive(&mut socket, &mut input, shared, &mut arrival).await;
    let peer = arrival.peer;
    let identity = arrival.pass.identity().unwrap_or_default().to_owned();
    let refusal = match received {
        Ok(false) => return None,
        Ok(true) => match admit(&mut input, shared, arrival).await {
            Ok(admitted) => return Some((socket, input, admitted)),
            Err(refusal) => refusal,
        },
        Err(refusal) => refusal,
    };
    count_fault(shared, (&identity, peer), "", &refusal.fault);
    telling::refused_connection(shared, &input, &refusal.fault, peer);
    refuse(socket, &refusal).await;
    None
}

/// Turns a client away that came while all places were taken.
pub(super) async fn refuse_busy(mut socket: TcpStream, shared: Arc<Shared>) {
    // Without a handshake nothing can be said, and nobody gets one.
    if !shared.gate.is_plain() {
        return;
    }
    let mut input = Input::default();
    let peer = Peer::of(&socket);
    let pass = shared.gate.pass(peer, &CancellationToken::new());
    let deadline = Instant::now() + BUSY_TIMEOUT;
    let mut arrival = Arrival { deadline, ..Arrival::new(pass, peer, &shared) };
    if let Ok(true) = receive(&mut socket, &mut input, &shared, &mut arrival).await
        && let Ok(Some(frame)) = wire::frame(input.bytes(), shared.options.packet_bytes_max as usize, None)
        && let Ok(version) = connect::version(frame.body)
    {
        let fault = Fault::new(reason::SERVER_BUSY, "too many connections; try again later, with growing pauses");
        refuse(socket, &Refusal::new(version, fault)).await;
    }
}

async fn refuse(socket: impl Socket, refusal: &Refusal) {
    let mut output = Vec::new();
    if let Some(version) = refusal.version {
        outbound::put_refusal(&mut output, version, refusal.fault.reason, refusal.fault.text);
    }
    close::close(socket, &output).await;
}

/// Waits for a complete CONNECT; false when the client leaves before. A PROXY header before it puts the client's address in
/// the place of the load balancer's.
async fn receive(
    socket: &mut impl Socket,
    input: &mut Input,
    shared: &Shared,
    Arrival { pass, peer, header_is_due, deadline }: &mut Arrival,
) -> Result<bool, Refusal> {
    loop {
        if *header_is_due {
            let header = proxy::header(input.bytes()).map_err(|fault| Refusal { version: None, fault })?;
            if let Some(header) = header {
                input.consume(header.bytes);
                peer.0 = header.client.or(peer.0);
                pass.set_peer(*peer);
                *header_is_due = false;
            }
        }
        if !*header_is_due && is_connect(input.bytes(), shared)? {
            return Ok(true);
        }
        input.rest(&shared.buffers);
        if timeout_at(*deadline, socket.readable()).await.is_err() {
            let fault = Fault::new(reason::SERVER_BUSY, "no complete CONNECT in time");
            return Err(Refusal { version: None, fault });
        }
        match input.read(socket, &shared.buffers).await {
            Ok(Read::Bytes(bytes)) => count(&shared.metrics.bytes_total, bytes as u64),
            Ok(Read::Nothing) => {}
            Ok(Read::End) | Err(_) => return Ok(false),
        }
    }
}

/// Whether the bytes are a complete CONNECT; false while they can become one.
fn is_connect(bytes: &[u8], shared: &Shared) -> Result<bool, Refusal> {
    let unspoken = |fault| Refusal { version: None, fault };
    if bytes.first().is_some_and(|first| first >> 4 != kind::CONNECT) {
        return match proxy::start(bytes) {
            proxy::Start::Header if !shared.options.proxy_protocol => Err(unspoken(proxy::NOT_EXPECTED)),
            proxy::Start::Open => Ok(false),
            _ => Err(unspoken(Fault::protocol("the first packet is not CONNECT"))),
        };
    }
    match wire::frame(bytes, shared.options.packet_bytes_max as usize, None) {
        Ok(frame) => Ok(frame.is_some()),
        Err(fault) => {
            let header = wire::header(bytes, None).ok().flatten();
            let body = header.and_then(|header| bytes.get(header.header_bytes..)).unwrap_or_default();
            Err(Refusal { version: connect::version(body).ok(), fault })
        }
    }
}

/// What the handshake has settled.
pub(super) struct Admitted {
    pub(super) lease: super::registry::Lease,
    pub(super) dialogue: Dialogue,
    pub(super) will: Option<KeptWill>,
    /// Silence after which the client is lost; zero is "never".
    pub(super) silence_max: Duration,
}

async fn admit(input: &mut Input, shared: &Arc<Shared>, arrival: Arrival) -> Result<Admitted, Refusal> {
    let Arrival { mut pass, peer, deadline, .. } = arrival;
    let options = &shared.options;
    let frame = wire::frame(input.bytes(), options.packet_bytes_max as usize, None);
    let Ok(Some(frame)) = frame else {
        return Err(Refusal { version: None, fault: Fault::malformed("CONNECT is not complete") });
    };
    let version = connect::version(frame.body).map_err(|(version, fault)| Refusal { version, fault })?;
    let refused = |fault| Refusal::new(version, fault);
    let connect = Connect::parse(frame.flags(), frame.body, version).map_err(refused)?;
    check(&connect).map_err(refused)?;
    let shown = Credentials { name: connect.user_name, secret: connect.password.unwrap_or_default() };
    pass.log_in(shown, true, deadline).await.map_err(|denied| refused(denial(denied)))?;
    pass.take_place(connect.client_id).map_err(|denied| refused(denial(denied)))?;
    if connect.will.is_some_and(|will| !pass.may_publish(will.topic)) {
        return Err(refused(Fault::new(reason::NOT_AUTHORIZED, "the client may not publish its will there")));
    }
    let assigned = connect.client_id.is_empty().then(|| format!("genims-{}", uuid::Uuid::new_v4().as_simple()));
    let client_id = assigned.as_deref().unwrap_or(connect.client_id);
    let (keep_alive, keep_alive_told) = keep_alive(&connect, options.keep_alive_max);
    let asked = Duration::from_secs(connect.session_expiry.into());
    let session_expiry = asked.min(options.session_expiry_max);
    let will = connect.will.map(|will| shared.registry.wills.will(client_id, &will, options.will_delay_max));
    let will = will.transpose().map_err(refused)?;
    let (lease, granted) =
        shared.registry.enter(&session_id(&pass, client_id), connect.clean_start).await.map_err(refused)?;
    let Granted { session, present, will: older_will } = granted;
    let mut dialogue = Dialogue::new(shared.clone(), version, connect.packet_bytes_max, session_expiry, session);
    if version == Version::V5 {
        dialogue.receive_maximum = receive_maximum(options.receive_maximum, pass.rate());
    }
    let welcome = Connack {
        session_present: present,
        session_expiry: (session_expiry != asked).then_some(session_expiry.as_secs() as u32),
        receive_maximum: dialogue.receive_maximum,
        packet_bytes_max: options.packet_bytes_max,
        topic_alias_maximum: options.topic_alias_maximum,
        assigned_client_id: assigned.as_deref(),
        keep_alive: keep_alive_told,
    };
    let first_received_us = connect.first_received_us;
    dialogue.caller = Caller { client_id: client_id.into(), peer, first_received_us };
    tracing::debug!(client_id, address = %peer, owner = pass.owner().unwrap_or_default(), "MQTT client let in");
    dialogue.pass = Some(pass);
    outbound::put_connack(&mut dialogue.output, version, &welcome);
    if let Some(will) = older_will {
        dialogue.fire(will);
    }
    let bytes = frame.bytes;
    input.consume(bytes);
    Ok(Admitted { lease, dialogue, will, silence_max: keep_alive * 3 / 2 })
}

/// Under what the session is kept. No client id has a zero byte.
fn session_id(pass: &Pass, client_id: &str) -> String {
    pass.owner().map_or_else(|| client_id.to_owned(), |owner| format!("{owner}\0{client_id}"))
}

/// As a client is told it: which of name and secret is wrong is nobody's business.
fn denial(denied: Denied) -> Fault {
    match denied {
        Denied::Unknown | Denied::Wrong => {
            Fault::new(reason::BAD_USER_NAME_OR_PASSWORD, "user name or password is wrong")
        }
        Denied::LockedOut => Fault::new(
            reason::BAD_USER_NAME_OR_PASSWORD,
            "too many wrong passwords; try again later, with the right one",
        ),
        Denied::Disabled => Fault::new(reason::BANNED, "the client is disabled"),
        Denied::Nobody => Fault::new(reason::NOT_AUTHORIZED, "a user name and password, or a certificate, is needed"),
        Denied::TopicsOnly => Fault::new(reason::NOT_AUTHORIZED, "the client may not speak this protocol"),
        Denied::Busy => {
            Fault::new(reason::SERVER_BUSY, "too many logins at once; try again later, with growing pauses")
        }
        Denied::ConnectionsOfClient => {
            Fault::new(reason::QUOTA_EXCEEDED, "the client has as many connections as it may")
        }
        Denied::ConnectionsOfAddress => {
            Fault::new(reason::QUOTA_EXCEEDED, "this address has as many connections as it may")
        }
    }
}

/// A client that is held to a rate, and can be told, has no more messages under way than it may send in a second: what it would send
/// beyond waits with it, and not before our door.
fn receive_maximum(max: u16, rate: Option<NonZeroU64>) -> u16 {
    rate.and_then(|rate| u16::try_from(rate.get()).ok()).map_or(max, |rate| rate.min(max))
}

fn check(connect: &Connect<'_>) -> Result<(), Fault> {
    if connect.authentication_method.is_some() {
        return Err(Fault::new(reason::BAD_AUTHENTICATION_METHOD, "enhanced authentication is not supported"));
    }
    if connect.client_id.len() > CLIENT_ID_BYTES_MAX {
        return Err(Fault::new(reason::CLIENT_IDENTIFIER_NOT_VALID, "the client identifier is over 256 bytes long"));
    }
    // [MQTT-3.1.3-8] of 3.1.1: a session that goes on needs a name.
    if connect.version != Version::V5 && connect.client_id.is_empty() && !connect.clean_start {
        return Err(Fault::new(reason::CLIENT_IDENTIFIER_NOT_VALID, "a session to keep needs a client identifier"));
    }
    if (connect.packet_bytes_max as usize) < CONNACK_BYTES_MAX + if connect.client_id.is_empty() { 48 } else { 0 } {
        return Err(Fault::new(reason::PACKET_TOO_LARGE, ""));
    }
    Ok(())
}

/// The keep-alive in force, and what the client must be told of it.
fn keep_alive(connect: &Connect<'_>, max: Duration) -> (Duration, Option<u16>) {
    let asked = Duration::from_secs(connect.keep_alive.into());
    if connect.version != Version::V5 || (!asked.is_zero() && asked <= max) {
        return (asked, None);
    }
    let seconds = u16::try_from(max.as_secs()).unwrap_or(u16::MAX);
    (Duration::from_secs(seconds.into()), Some(seconds))
}
