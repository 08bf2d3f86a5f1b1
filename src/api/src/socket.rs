//! Connections of the HTTP side: plain ones, or with TLS. Sockets enter; connections whose handshake is done leave.
//!
//! Invariants: a handshake keeps nobody else waiting; there are [`CONNECTIONS_MAX`] at most, half of them of one address (of IPv6:
//! of one network), so that nobody alone shuts everybody out; a connection on which nothing was
//! sent for [`UNANSWERED_MAX`] ends, however slowly its request drips in: whoever listens is sent something each second.

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use genims_locks::network;
use genims_locks::refusals::{RefusalKind, Refusals};
use genims_locks::tls::Tls;
use genims_model::Backoff;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// As refusals name this side.
pub const DOOR: &str = "http";

/// A client that takes nothing of what it is sent for so long is disconnected, so that no place and no memory is held for it.
const UNSENT_MAX: Duration = Duration::from_secs(20);
const CONNECTIONS_MAX: usize = 512;
const UNANSWERED_MAX: Duration = Duration::from_secs(30);
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// After an error of the listening socket, mostly too many open files, it rests.
const REST_MIN: Duration = Duration::from_millis(50);
const REST_MAX: Duration = Duration::from_secs(1);

/// The other end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    /// What places and streams are counted by.
    pub(crate) fn network(self) -> IpAddr {
        network::of(self.0)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.to_canonical().fmt(formatter)
    }
}

impl Connected<IncomingStream<'_, Accepted>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Accepted>) -> Self {
        *stream.remote_addr()
    }
}

/// What axum serves.
pub(crate) struct Accepted {
    ready: mpsc::Receiver<(Connection, Peer)>,
    address: SocketAddr,
}

impl Accepted {
    /// Accepts until it is dropped.
    pub(crate) fn of(listener: TcpListener, tls: Option<Arc<Tls>>, refusals: Arc<Refusals>) -> io::Result<Self> {
        Self::with(listener, tls, refusals, CONNECTIONS_MAX)
    }

    fn with(
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        refusals: Arc<Refusals>,
        connections_max: usize,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(16);
        let places = Arc::new(Places { most: connections_max, taken: Mutex::default() });
        tokio::spawn(accept(listener, tls, refusals, sender, places));
        Ok(Self { ready, address })
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    refusals: Arc<Refusals>,
    ready: mpsc::Sender<(Connection, Peer)>,
    places: Arc<Places>,
) {
    let mut rests = Backoff::new(REST_MIN, REST_MAX);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return,
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection of the HTTP side could not be accepted");
                if rests.wait(ready.closed()).await {
                    continue;
                }
                return;
            }
        };
        rests.reset();
        let peer = Peer(address.ip());
        let Some(place) = Places::take(&places, peer) else {
            refusals.tell(RefusalKind::Busy, DOOR, "", &peer.to_string());
            continue;
        };
        bound(&socket);
        let Some(tls) = &tls else {
            if ready.send((Connection::new(Socket::Plain(socket), place), peer)).await.is_err() {
                return;
            }
            continue;
        };
        let handshake = TlsAcceptor::from(tls.current().config.clone()).accept(socket);
        let (ready, refusals) = (ready.clone(), refusals.clone());
        tokio::spawn(async move {
            match timeout(HANDSHAKE_MAX, handshake).await {
                Ok(Ok(stream)) => {
                    // Refused: the server is ending.
                    let _ = ready.send((Connection::new(Socket::Secured(Box::new(stream)), place), peer)).await;
                }
                Ok(Err(_)) | Err(_) => refusals.tell(RefusalKind::Handshake, DOOR, "", &peer.to_string()),
            }
        });
    }
}

#[derive(Debug)]
struct Places {
    most: usize,
    /// How many each network has.
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's, until this is dropped.
#[derive(Debug)]
struct ConnectionPermit {
    of: Arc<Places>,
    host: IpAddr,
}

impl Places {
    fn take(places: &Arc<Self>, peer: Peer) -> Option<ConnectionPermit> {
        let host = peer.network();
        let mut taken = places.taken.lock();
        let own = taken.get(&host).copied().unwrap_or(0);
        if own >= (places.most / 2).max(1) || taken.values().sum::<usize>() >= places.most {
            return None;
        }
        taken.insert(host, own + 1);
        Some(ConnectionPermit { of: places.clone(), host })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut taken = self.of.taken.lock();
        if let Some(own) = taken.get_mut(&self.host) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.host);
            }
        }
    }
}

fn bound(socket: &TcpStream) {
    let limited = socket2::SockRef::from(socket).set_tcp_user_timeout(Some(UNSENT_MAX));
    if let Err(error) = limited.and_then(|()| socket.set_nodelay(true)) {
        tracing::debug!(%error, "a connection of the HTTP side keeps the system's time-outs");
    }
}

impl Listener for Accepted {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            // Whoever accepts has panicked, which ends the server.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Peer(self.address.ip()))
    }
}

enum Socket {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

/// One connection, which holds its place.
pub(crate) struct Connection {
    socket: Socket,
    ends: Pin<Box<Sleep>>,
    _place: ConnectionPermit,
}

impl Connection {
    fn new(socket: Socket, place: ConnectionPermit) -> Self {
        Self { socket, ends: Box::pin(sleep(UNANSWERED_MAX)), _place: place }
    }

    fn with<T>(&mut self, on: impl FnOnce(Pin<&mut dyn Duplex>) -> T) -> T {
        match &mut self.socket {
            Socket::Plain(socket) => on(Pin::new(socket)),
            Socket::Secured(socket) => on(Pin::new(&mut **socket)),
        }
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(read) = self.with(|socket| socket.poll_read(context, into)) {
            return Poll::Ready(read);
        }
        self.ends.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.with(|socket| socket.poll_write(context, bytes));
        if written.is_ready() {
            self.ends.as_mut().reset(Instant::now() + UNANSWERED_MAX);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|socket| socket.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|socket| socket.poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn connections_beyond_the_bound_of_an_address_are_refused_and_counted_until_one_ends() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, refusals) = (listener.local_addr().unwrap(), Arc::<Refusals>::default());
        let mut accepted = Accepted::with(listener, None, refusals.clone(), 4).unwrap();
        let mut clients = Vec::new();
        let mut inside = Vec::new();
        for _ in 0..2 {
            clients.push(TcpStream::connect(address).await.unwrap());
            inside.push(accepted.accept().await.0);
        }
        let mut refused = TcpStream::connect(address).await.unwrap();
        assert_eq!(refused.read(&mut [0]).await.unwrap(), 0, "it is closed");
        assert_eq!(refusals.totals(), [(DOOR.to_owned(), RefusalKind::Busy, 1)]);
        inside.clear();
        let mut client = TcpStream::connect(address).await.unwrap();
        let (mut served, peer) = accepted.accept().await;
        client.write_all(b"x").await.unwrap();
        assert_eq!((served.read_u8().await.unwrap(), peer.to_string()), (b'x', "127.0.0.1".to_owned()));
    }

    #[test]
    fn one_address_has_half_of_the_places_and_gives_them_back() {
        let places = Arc::new(Places { most: 4, taken: Mutex::default() });
        let take = |last: u8| Places::take(&places, Peer(IpAddr::from([10, 0, 0, last])));
        let mut of_one = [take(1), take(1)];
        assert!(of_one.iter().all(Option::is_some) && take(1).is_none());
        let mapped = "::ffff:10.0.0.1".parse().map(Peer).unwrap();
        assert!(Places::take(&places, mapped).is_none(), "it is the same address");
        let of_network = |last: &str| Places::take(&places, format!("2001:db8::{last}").parse().map(Peer).unwrap());
        let of_six = [of_network("1"), of_network("2:1")];
        assert!(of_six.iter().all(Option::is_some) && of_network("3").is_none(), "they are of one network");
        drop(of_six);
        let others = [take(2), take(3)];
        assert!(others.iter().all(Option::is_some) && take(4).is_none(), "there are no more");
        of_one[0] = None;
        assert!(take(4).is_some());
        drop((of_one, others));
        assert!(places.taken.lock().is_empty(), "nothing is kept of those who left");
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_is_answered_ends_however_its_request_drips_in() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = listener.accept().await.unwrap().0;
        let places = Arc::new(Places { most: 1, taken: Mutex::default() });
        let place = Places::take(&places, Peer(IpAddr::from([127, 0, 0, 1]))).unwrap();
        let mut connection = Connection::new(Socket::Plain(socket), place);
        connection.ends = Box::pin(sleep(Duration::from_millis(50)));
        let dripping = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(10)).await;
            }
        });
        let mut read = [0; 1];
        let ended = loop {
            if let Err(error) = connection.read_exact(&mut read).await {
                break error;
            }
        };
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        connection.write_all(b"y").await.unwrap();
        let left = connection.ends.deadline().duration_since(Instant::now());
        assert!(left > UNANSWERED_MAX / 2, "an answer gives it its time again: {left:?}");
        dripping.abort();
    }
}
