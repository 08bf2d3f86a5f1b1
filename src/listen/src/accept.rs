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
            prepare(&stream);
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

/// A peer that vanishes without a word (power cut, a router that has forgotten it) is noticed after two minutes, whatever
/// the protocol above asks for, and its place is given to others: when nothing is under way by probes, else (nothing is
/// probed while a last acknowledgement is sent again and again, for a quarter of an hour) by [`UNANSWERED_MAX`].
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_INTERVAL: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;
const UNANSWERED_MAX: Duration = Duration::from_secs(120);

/// Failures are left alone: the connection works without.
fn prepare(stream: &TcpStream) {
    // Acknowledgements are small and must not wait for more bytes.
    let _ = stream.set_nodelay(true);
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_INTERVAL).with_retries(PROBES);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&probes);
    let _ = socket.set_tcp_user_timeout(Some(UNANSWERED_MAX));
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

    #[tokio::test]
    async fn a_peer_that_vanishes_is_probed_and_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (asked, mut answer) = tokio::sync::mpsc::unbounded_channel();
        let serve = |stream: TcpStream| {
            let socket = SockRef::from(&stream);
            let found = (socket.keepalive(), socket.tcp_keepalive_time(), socket.tcp_keepalive_interval());
            let more = (socket.tcp_keepalive_retries().ok(), socket.tcp_user_timeout().ok().flatten());
            let _ = asked.send((found.0.ok(), found.1.ok(), found.2.ok(), more));
            std::future::ready(())
        };
        let limits = AcceptLimits { connections_max: 1, drain_timeout: Duration::from_secs(1) };
        let shutdown = CancellationToken::new();
        let running = run(listener, limits, Arc::default(), shutdown.clone(), serve, |_| std::future::ready(()));
        let client = async {
            let _stream = TcpStream::connect(address).await.expect("connected");
            let found = answer.recv().await;
            shutdown.cancel();
            found
        };
        let ((), found) = tokio::join!(running, client);
        let more = (Some(PROBES), Some(UNANSWERED_MAX));
        assert_eq!(found, Some((Some(true), Some(PROBE_AFTER), Some(PROBE_INTERVAL), more)));
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
