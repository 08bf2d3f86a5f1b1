//! `genims serve`: the ingest server, until SIGINT or SIGTERM.

use anyhow::Context;
use genims::server::panics::Panics;
use genims::server::{Server, obstacles};
use genims::settings::Settings;
use genims_databases::Environment;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) async fn run(settings: Settings, environment: &Environment) -> anyhow::Result<ExitCode> {
    let obstacles = obstacles::all(&settings, environment)?;
    if !obstacles.is_empty() {
        let told: Vec<String> = obstacles.iter().map(|obstacle| format!("\n  {obstacle}")).collect();
        anyhow::bail!("the server cannot start:{}", told.concat());
    }
    let panics = Panics::watch();
    raise_file_limit();
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be watched")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be watched")?;
    let server = tokio::select! {
        biased;
        started = Server::start(settings, environment) => started?,
        _ = interrupt.recv() => return Ok(stopped_early()),
        _ = terminate.recv() => return Ok(stopped_early()),
    };
    let failed = tokio::select! {
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        cause = server.failed() => Some(cause),
        cause = panics.first() => Some(cause),
    };
    tracing::info!("stopping: no new data is taken; what was received becomes durable first");
    server.stop().await;
    match failed.or_else(|| panics.seen().map(str::to_owned)) {
        None => Ok(ExitCode::SUCCESS),
        Some(cause) => anyhow::bail!("{cause}"),
    }
}

/// Nothing was open yet, so nothing was received.
fn stopped_early() -> ExitCode {
    tracing::info!("stopped before the listeners were opened");
    ExitCode::SUCCESS
}

/// One handle per connection: as many as the system lets us have.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "the limit of open files stays as it is; raise it with ulimit -n for many connections");
    }
}
