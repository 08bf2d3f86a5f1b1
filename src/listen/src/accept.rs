//! Taking connections from a TCP socket: bounded, never tight in a loop, and all handed back at shutdown.
//!
//! Enters a bound socket; leaves one spawned task per connection. At most `connections_max` run at once; what comes above
//! is given to `refuse`, of which at most [`REFUSALS_AT_ONCE_MAX`] run; the rest is closed without a word.

use super::notices::TELL_EVERY;
use super::{ListenMetrics, count};
use genims_model::Backoff;
use socket2::{SockRef, TcpKeepalive};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Polite refusals cost a task for up to a second each.
const REFUSALS_AT_ONCE_MAX: usize = 64;

/// After a failed `accept` (no file handles left, mostly) the listener rests, each time about twice as long.
const REST_MIN: Duration = Duration::from_millis(50);
const REST_MAX: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("cannot listen on {address}: {source}; choose a free port, or stop the process that holds it")]
    Bind { address: SocketAddr, source: std::io::Error },
}

pub async fn bind(address: SocketAddr) -> Result<TcpListener, AcceptError> {
    TcpListener::bind(address).await.map_err(|source| AcceptError::Bind { address, source })
}

/// Limits of one accept loop.
#[derive(Clone, Copy, Debug)]
pub struct AcceptLimits {
    pub connections_max: usize,
    /// How long connections may take to end after shutdown before they are cut.
    pub drain_timeout: Duration,
    pub probes: Probes,
}

/// A peer that vanishes without a word (power cut, a router that has forgotten it) is noticed after two minutes, whatever
/// the protocol above asks for, and its place is given to others: when nothing is under way by probes, else (nothing is
/// probed while a last acknowledgement is sent again and again, for a quarter of an hour) by `unanswered_max`.
#[derive(Clone, Copy, Debug)]
pub struct Probes {
    after: Duration,
    interval: Duration,
    retries: u32,
    unanswered_max: Duration,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            after: Duration::from_secs(60),
            interval: Duration::from_secs(15),
            retries: 4,
            unanswered_max: Duration::from_secs(120),
        }
    }
}

/// Accepts until shutdown, then waits (bounded) for the connections to end by themselves.
pub async fn run<S, R, FS, FR>(
    listener: TcpListener,
    limits: AcceptLimits,
    metrics: Arc<ListenMetrics>,
    shutdown: CancellationToken,
    serve: S,
    refuse: R,
) where
    S: Fn(TcpStream) -> FS,
    R: Fn(TcpStream) -> FR,
    FS: Future<Output = ()> + Send + 'static,
    FR: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
    let refusals = Arc::new(Semaphore::new(REFUSALS_AT_ONCE_MAX));
    let mut connections = JoinSet::new();
    let mut shortage = Shortage::new();
    while !shutdown.is_cancelled() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            () = shutdown.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => {
                shortage.is_over();
                stream
            }
            Err(error) => {
                let rest = shortage.rest(&error, Instant::now());
                let _ = timeout(rest, shutdown.cancelled()).await;
                continue;
            }
        };
        count(&metrics.connections_total, 1);
        if let Ok(place) = places.clone().try_acquire_owned() {
            prepare(&stream, &limits.probes);
            let open = Open::new(metrics.clone());
            let connection = serve(stream);
            connections.spawn(async move {
                connection.await;
                drop((open, place));
            });
        } else {
            count(&metrics.refused_total, 1);
            if let Ok(place) = refusals.clone().try_acquire_owned() {
                let refusal = refuse(stream);
                connections.spawn(async move {
                    refusal.await;
                    drop(place);
                });
            }
        }
    }
    drop(listener);
    let drained = timeout(limits.drain_timeout, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(connections = connections.len(), "connections cut: they did not end in time");
        connections.shutdown().await;
    }
}

/// Failures are left alone: the connection works without.
fn prepare(stream: &TcpStream, probes: &Probes) {
    // Acknowledgements are small and must not wait for more bytes.
    let _ = stream.set_nodelay(true);
    let Probes { after, interval, retries, unanswered_max } = *probes;
    let keepalive = TcpKeepalive::new().with_time(after).with_interval(interval).with_retries(retries);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&keepalive);
    let _ = socket.set_tcp_user_timeout(Some(unanswered_max));
}

/// Failing `accept`s in a row.
#[derive(Debug)]
struct Shortage {
    rests: Backoff,
    told_at: Option<Instant>,
    untold: u64,
}

impl Shortage {
    fn new() -> Self {
        Self { rests: Backoff::new(REST_MIN, REST_MAX), told_at: None, untold: 0 }
    }

    /// How long to wait before the next try. Tells of the first failure, and then once in [`TELL_EVERY`].
    fn rest(&mut self, error: &std::io::Error, now: Instant) -> Duration {
        if self.told_at.is_none_or(|told_at| now.duration_since(told_at) >= TELL_EVERY) {
            let not_told = std::mem::take(&mut self.untold);
            tracing::warn!(
                %error,
                not_told,
                "cannot accept connections for now; trying again; if file handles ran out, raise `ulimit -n`"
            );
            self.told_at = Some(now);
        } else {
            self.untold += 1;
        }
        self.rests.next_delay()
    }

    /// The next failure starts with a short rest again; whether it is told depends on the last time that one was.
    fn is_over(&mut self) {
        self.rests.reset();
    }
}

/// Keeps the gauge of open connections right, also when a task is cut.
struct Open(Arc<ListenMetrics>);

impl Open {
    fn new(metrics: Arc<ListenMetrics>) -> Self {
        count(&metrics.connections_open, 1);
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections_open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockFilter;
    use std::io::ErrorKind;
    use tokio::io::AsyncReadExt;
    use tokio::sync::mpsc;
    use tokio::time::sleep;

    /// What became of a connection.
    #[derive(Debug, PartialEq, Eq)]
    enum Became {
        Served,
        Refused,
        Ended(Option<ErrorKind>),
    }

    /// Its kernel answers no probe: what comes is dropped before TCP sees it.
    fn vanish(peer: &TcpStream) {
        const RETURN: u16 = 0x06;
        let nothing = SockFilter::new(RETURN, 0, 0, 0);
        SockRef::from(peer).attach_filter(&[nothing]).expect("a filter");
    }

    #[tokio::test]
    async fn the_place_of_a_peer_that_vanished_is_given_to_the_next() {
        const PATIENCE: Duration = Duration::from_secs(60);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (told, mut hears) = mpsc::unbounded_channel();
        let serve = |mut stream: TcpStream| {
            let told = told.clone();
            async move {
                let _ = told.send(Became::Served);
                let ended = stream.read(&mut [0]).await;
                let _ = told.send(Became::Ended(ended.err().map(|error| error.kind())));
            }
        };
        let refuse = |_| {
            let _ = told.send(Became::Refused);
            std::future::ready(())
        };
        let second = Duration::from_secs(1);
        let probes = Probes { after: second, interval: second, retries: 1, unanswered_max: second };
        let limits = AcceptLimits { connections_max: 1, drain_timeout: second, probes };
        let shutdown = CancellationToken::new();
        let running = run(listener, limits, Arc::default(), shutdown.clone(), serve, refuse);
        let clients = async {
            let peer = TcpStream::connect(address).await.expect("connected");
            assert_eq!(hears.recv().await, Some(Became::Served));
            let _too_many = TcpStream::connect(address).await.expect("connected");
            assert_eq!(hears.recv().await, Some(Became::Refused));
            vanish(&peer);
            assert_eq!(hears.recv().await, Some(Became::Ended(Some(ErrorKind::TimedOut))));
            // The place is free as soon as the task of the connection is done.
            loop {
                let _next = TcpStream::connect(address).await.expect("connected");
                match hears.recv().await {
                    Some(Became::Refused) => sleep(Duration::from_millis(10)).await,
                    other => {
                        assert_eq!(other, Some(Became::Served));
                        break;
                    }
                }
            }
            shutdown.cancel();
        };
        timeout(PATIENCE, async { tokio::join!(running, clients) }).await.expect("it is given up in time");
    }

    #[tokio::test]
    async fn a_peer_that_vanishes_is_probed_and_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (asked, mut answer) = mpsc::unbounded_channel();
        let serve = |stream: TcpStream| {
            let socket = SockRef::from(&stream);
            let found = (socket.keepalive(), socket.tcp_keepalive_time(), socket.tcp_keepalive_interval());
            let more = (socket.tcp_keepalive_retries().ok(), socket.tcp_user_timeout().ok().flatten());
            let _ = asked.send((found.0.ok(), found.1.ok(), found.2.ok(), more));
            std::future::ready(())
        };
        let probes = Probes::default();
        let limits = AcceptLimits { connections_max: 1, drain_timeout: Duration::from_secs(1), probes };
        let shutdown = CancellationToken::new();
        let running = run(listener, limits, Arc::default(), shutdown.clone(), serve, |_| std::future::ready(()));
        let client = async {
            let _stream = TcpStream::connect(address).await.expect("connected");
            let found = answer.recv().await;
            shutdown.cancel();
            found
        };
        let ((), found) = tokio::join!(running, client);
        let more = (Some(probes.retries), Some(probes.unanswered_max));
        assert_eq!(found, Some((Some(true), Some(probes.after), Some(probes.interval), more)));
    }

    #[test]
    fn a_shortage_is_waited_out_with_growing_rests_and_told_once_a_minute() {
        let (mut shortage, begun) = (Shortage::new(), Instant::now());
        let error = std::io::Error::from_raw_os_error(24);
        let rests: Vec<Duration> = (0..7).map(|_| shortage.rest(&error, begun)).collect();
        assert!(rests[0] < rests[2] && rests[2] < rests[4] && rests[6] <= REST_MAX, "{rests:?}");
        assert_eq!((shortage.told_at, shortage.untold), (Some(begun), 6));
        shortage.is_over();
        let later = begun + TELL_EVERY;
        assert!(shortage.rest(&error, later) <= REST_MIN + Duration::from_millis(1));
        assert_eq!((shortage.told_at, shortage.untold), (Some(later), 0));
    }
}
