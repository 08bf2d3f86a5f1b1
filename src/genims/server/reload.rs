//! Certificates, revocation lists and clients, read again while the server runs: when their files change, and on SIGHUP.

use genims_listen::locks::{LOOK_EVERY, Locks};
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub(super) async fn run(locks: Locks, stop: CancellationToken) {
    let locks = Arc::new(locks);
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => Some(hangup),
        Err(error) => {
            tracing::warn!(%error, "SIGHUP cannot be watched; changed files are noticed without it");
            None
        }
    };
    loop {
        let everything = tokio::select! {
            () = stop.cancelled() => return,
            () = asked(&mut hangup) => {
                tracing::info!("SIGHUP: certificates and clients are read again");
                true
            }
            () = sleep(LOOK_EVERY) => false,
        };
        let locks = locks.clone();
        if let Err(error) = spawn_blocking(move || locks.look(everything)).await {
            tracing::error!(%error, "certificates and clients could not be looked at");
        }
    }
}

async fn asked(hangup: &mut Option<Signal>) {
    match hangup {
        Some(hangup) => drop(hangup.recv().await),
        None => std::future::pending().await,
    }
}
