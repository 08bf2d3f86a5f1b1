//! Certificates, revocation lists, clients and users, read again while the server runs: when their files change, on SIGHUP, and
//! when somebody who may asks for it.

use super::front::Look;
use genims_locks::watch::LOOK_EVERY;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub(super) async fn run(looks: Vec<Look>, asked: Arc<Notify>, stop: CancellationToken) {
    let looks = Arc::new(looks);
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
            () = hung_up(&mut hangup) => {
                tracing::info!("SIGHUP: certificates, clients and users are read again");
                true
            }
            () = asked.notified() => true,
            () = sleep(LOOK_EVERY) => false,
        };
        let looks = looks.clone();
        if let Err(error) = spawn_blocking(move || looks.iter().for_each(|look| look(everything))).await {
            tracing::error!(%error, "certificates, clients and users could not be looked at");
        }
    }
}

async fn hung_up(hangup: &mut Option<Signal>) {
    match hangup {
        Some(hangup) => drop(hangup.recv().await),
        None => std::future::pending().await,
    }
}
