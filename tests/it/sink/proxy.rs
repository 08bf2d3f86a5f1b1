//! A wire between a sink and its database that can fall silent: connections stay open, and nothing passes any more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Passes bytes on between its clients and one server.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    silenced: Arc<AtomicU64>,
}

impl Proxy {
    /// The first connection that sends more than `bytes` falls silent in both directions, and no other does.
    pub(super) async fn silent_after(server: SocketAddr, bytes: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silenced = Arc::new(AtomicU64::new(0));
        let count = silenced.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(upstream) = TcpStream::connect(server).await else { continue };
                tokio::spawn(pass(client, upstream, bytes, count.clone()));
            }
        });
        Self { address, silenced }
    }

    /// How many connections have fallen silent.
    pub(super) fn silenced(&self) -> u64 {
        self.silenced.load(Ordering::Relaxed)
    }
}

async fn pass(client: TcpStream, server: TcpStream, bytes: u64, silenced: Arc<AtomicU64>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (silence, mut silent) = tokio::sync::watch::channel(false);
    let up = async {
        if forward(from_client, to_server, |sent| sent > bytes && silenced.swap(1, Ordering::Relaxed) == 0).await {
            silence.send_replace(true);
            std::future::pending::<()>().await;
        }
    };
    let down = async {
        tokio::select! {
            _ = forward(from_server, to_client, |_| false) => {}
            // The halves of both sockets stay open.
            () = async { silent.wait_for(|silent| *silent).await.unwrap(); std::future::pending::<()>().await } => {}
        }
    };
    tokio::select! { () = up => {} () = down => {} }
}

/// Until the end of either side, or until `stop` says so of the bytes forwarded: then true, and the sockets are kept.
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, stop: impl Fn(u64) -> bool) -> bool {
    let (mut buffer, mut sent) = (vec![0; 64 * 1024], 0);
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return false };
        if stop(sent + read as u64) {
            std::mem::forget((from, to));
            return true;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return false;
        }
        sent += read as u64;
    }
}
