//! A wire between a sink and its database that can fail in two ways: connections stay open and nothing passes any more, or
//! what the server answers is lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the wire fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// In both directions, with open connections.
    Silent,
    /// The server gets everything and does it; its answer is lost with the connection.
    AnswerLost,
}

/// When it fails, once.
#[derive(Clone, Copy, Debug)]
struct Fault {
    /// A connection must have sent more than these.
    bytes: u64,
    /// ... and send this now, where TLS does not hide it.
    text: &'static str,
    failure: Failure,
}

/// Passes bytes on between its clients and one server.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    failed: Arc<AtomicU64>,
}

/// Answers that were under way before the one that is lost.
const ANSWERS_WAIT: Duration = Duration::from_millis(500);

impl Proxy {
    /// The first connection that sends more than `bytes` falls silent in both directions, and no other does.
    pub(super) async fn silent_after(server: SocketAddr, bytes: u64) -> Self {
        Self::silent_before(server, bytes, "").await
    }

    /// The first connection that sends `text` behind more than `bytes` falls silent before it, and no other does.
    pub(super) async fn silent_before(server: SocketAddr, bytes: u64, text: &'static str) -> Self {
        Self::failing(server, Fault { bytes, text, failure: Failure::Silent }).await
    }

    /// The first connection that sends more than `bytes` loses the answer to that and ends, and no other does.
    pub(super) async fn unanswered_after(server: SocketAddr, bytes: u64) -> Self {
        Self::unanswered(server, bytes, "").await
    }

    /// The first connection that sends `text` behind more than `bytes` loses the answer to that and ends, and no other does.
    pub(super) async fn unanswered(server: SocketAddr, bytes: u64, text: &'static str) -> Self {
        Self::failing(server, Fault { bytes, text, failure: Failure::AnswerLost }).await
    }

    async fn failing(server: SocketAddr, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let failed = Arc::new(AtomicU64::new(0));
        let count = failed.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(upstream) = TcpStream::connect(server).await else { continue };
                tokio::spawn(pass(client, upstream, fault, count.clone()));
            }
        });
        Self { address, failed }
    }

    /// How many connections have failed.
    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

async fn pass(client: TcpStream, server: TcpStream, fault: Fault, failed: Arc<AtomicU64>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (fails, mut failing) = watch::channel(false);
    let is_lost = failing.clone();
    let up = async {
        let is_it =
            |piece: &[u8]| piece.windows(fault.text.len().max(1)).any(|part| part.starts_with(fault.text.as_bytes()));
        let begins_to_fail =
            |sent: u64, piece: &[u8]| sent > fault.bytes && is_it(piece) && failed.swap(1, Ordering::Relaxed) == 0;
        let stop = |sent: u64, piece: &[u8]| {
            let begins = begins_to_fail(sent, piece);
            if begins {
                fails.send_replace(true);
            }
            begins && fault.failure == Failure::Silent
        };
        if let Some(kept) = forward(from_client, to_server, stop).await {
            std::future::pending::<()>().await;
            drop(kept);
        }
    };
    let down = async {
        let begins_to_lose = |_: u64, _: &[u8]| fault.failure == Failure::AnswerLost && *is_lost.borrow();
        // It is kept when nothing passes any more: dropped, it would close the connection.
        let mut forwarded = std::pin::pin!(forward(from_server, to_client, begins_to_lose));
        let falls_silent = async {
            let _ = failing.wait_for(|failing| *failing && fault.failure == Failure::Silent).await;
        };
        let lost = tokio::select! {
            lost = &mut forwarded => lost,
            () = falls_silent => std::future::pending().await,
        };
        // The client hears nothing any more, and the server is heard until it has done what it was told last.
        if let Some((mut server, _client)) = lost {
            let mut answers = [0; 4 * 1024];
            let said = async { while server.read(&mut answers).await.is_ok_and(|read| read > 0) {} };
            let _ = tokio::time::timeout(ANSWERS_WAIT, said).await;
        }
    };
    tokio::select! { () = up => {} () = down => {} }
}

/// Until the end of either side, or until `stop` says so of the bytes read: then the halves are the caller's.
async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    stop: impl Fn(u64, &[u8]) -> bool,
) -> Option<(OwnedReadHalf, OwnedWriteHalf)> {
    let (mut buffer, mut sent) = (vec![0; 64 * 1024], 0);
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return None };
        if stop(sent + read as u64, &buffer[..read]) {
            return Some((from, to));
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return None;
        }
        sent += read as u64;
    }
}
