//! `genims serve`: the ingest server, until SIGINT or SIGTERM.

use anyhow::Context;
use genims::databases::Environment;
use genims::server::Server;
use genims::settings::Settings;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) async fn run(settings: Settings, environment: &Environment) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be watched")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be watched")?;
    let server = Server::start(settings, environment).await?;
    let failed = tokio::select! {
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        cause = server.failed() => Some(cause),
    };
    tracing::info!("stopping: no new data is taken; what was received becomes durable first");
    server.stop().await;
    match failed {
        None => Ok(ExitCode::SUCCESS),
        Some(cause) => anyhow::bail!("{cause}"),
    }
}
