//! `loadtest idle`: opens many MQTT connections that say nothing, in clear or with TLS, holds them, and tells what they
//! cost the server.

use crate::access::Access;
use crate::load::socket::{Connected, Peer};
use crate::memory::Sampler;
use crate::progress::Progress;
use crate::say::say;
use crate::targets::MQTT;
use crate::wire::Identity;
use crate::wire::mqtt::{self, Incoming, Version};
use anyhow::Context;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const HANDSHAKES_MAX: usize = 64;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
const KEEP_ALIVE_S: u16 = 120;
/// Files that the process needs besides its sockets.
const FILES_SPARE: u64 = 100;

#[derive(Args, Clone, Debug)]
pub struct IdleArgs {
    #[arg(long, default_value_t = 10_000)]
    pub connections: u32,
    /// How long to hold them all
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    #[arg(long, env = "GENIMS_MQTT_LISTEN", default_value = MQTT)]
    pub mqtt: String,
    #[arg(long)]
    pub server_pid: Option<u32>,
    #[arg(long)]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    pub access: Access,
}

#[derive(Debug, Default, Serialize)]
pub struct IdleReport {
    pub connections_asked: u64,
    pub connections_open: u64,
    /// Lost while they were held.
    pub connections_lost: u64,
    pub open_seconds: f64,
    pub held_seconds: u64,
    pub first_error: Option<String>,
    pub server_rss_mb_before: Option<f64>,
    pub server_rss_mb_open: Option<f64>,
    pub server_rss_mb_max: Option<f64>,
    pub server_rss_kb_per_connection: Option<f64>,
}

#[derive(Debug, Default)]
struct Counts {
    open: AtomicU64,
    lost: AtomicU64,
    failed: AtomicU64,
    first_error: parking_lot::Mutex<Option<String>>,
}

pub async fn idle(args: IdleArgs) -> anyhow::Result<bool> {
    let peer = args.access.peer(&args.mqtt)?;
    raise_file_limit(u64::from(args.connections) + FILES_SPARE)?;
    let memory = args.server_pid.map(Sampler::start);
    let before_mb = memory.as_ref().and_then(Sampler::now_mb);
    let counts = Arc::new(Counts::default());
    let stop = CancellationToken::new();
    let gate = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let mut tasks = JoinSet::new();
    let begun = Instant::now();
    for number in 0..args.connections {
        let identity = args.access.identity(format!("loadtest-idle-{}-{number}", std::process::id()))?;
        tasks.spawn(hold(peer.clone(), identity, gate.clone(), counts.clone(), stop.clone()));
    }
    let mut progress = Progress::new("idle");
    let asked = u64::from(args.connections);
    loop {
        let open = counts.open.load(Ordering::Relaxed);
        progress.show(&format!("{open} of {asked} connections"));
        if open + counts.failed.load(Ordering::Relaxed) >= asked {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let open_seconds = begun.elapsed().as_secs_f64();
    for second in 0..args.seconds {
        progress.show(&format!("holding, {second} of {} s", args.seconds));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    drop(progress);
    let open_mb = memory.as_ref().and_then(Sampler::now_mb);
    let open = counts.open.load(Ordering::Relaxed);
    let report = IdleReport {
        connections_asked: asked,
        connections_open: open,
        connections_lost: counts.lost.load(Ordering::Relaxed),
        open_seconds,
        held_seconds: args.seconds,
        first_error: counts.first_error.lock().clone(),
        server_rss_mb_before: before_mb,
        server_rss_mb_open: open_mb,
        server_rss_mb_max: memory.as_ref().and_then(Sampler::max_mb),
        server_rss_kb_per_connection: open_mb
            .zip(before_mb)
            .filter(|_| open > 0)
            .map(|(after, before)| (after - before) * 1_024.0 / open as f64),
    };
    // The receivers end with their tasks.
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    say!("{}", serde_json::to_string_pretty(&report)?);
    if let Some(path) = &args.json {
        crate::report::write_json(path, &report).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(report.connections_open == asked && report.connections_lost == 0)
}

async fn hold(peer: Peer, identity: Identity, gate: Arc<Semaphore>, counts: Arc<Counts>, stopped: CancellationToken) {
    let opened = {
        // The gate is never closed; were it, the connection would simply not wait.
        let _permit = gate.acquire().await;
        timeout(HANDSHAKE_TIMEOUT, open(&peer, &identity)).await
    };
    let outcome = match opened {
        Ok(Ok(stream)) => {
            counts.open.fetch_add(1, Ordering::Relaxed);
            stay(stream, stopped).await.inspect_err(|_| {
                counts.lost.fetch_add(1, Ordering::Relaxed);
            })
        }
        Ok(Err(error)) => {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            Err(error)
        }
        Err(_) => {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            Err(anyhow::anyhow!("no CONNACK within {HANDSHAKE_TIMEOUT:?}"))
        }
    };
    if let Err(error) = outcome {
        counts.first_error.lock().get_or_insert_with(|| error.to_string());
    }
}

/// Nothing is measured on this side, so it need not be known what it is.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

async fn open(peer: &Peer, identity: &Identity) -> anyhow::Result<Box<dyn Duplex>> {
    let mut stream: Box<dyn Duplex> = match peer.connect().await? {
        Connected::Clear(stream) => Box::new(stream),
        Connected::Secured(stream) => stream,
    };
    let mut out = Vec::new();
    mqtt::connect(&mut out, Version::V311, identity, KEEP_ALIVE_S, true);
    stream.write_all(&out).await?;
    stream.flush().await?;
    let mut input = Vec::new();
    loop {
        if let Some((incoming, _)) = mqtt::parse(&input, Version::V311)? {
            anyhow::ensure!(matches!(incoming, Incoming::ConnAck { .. }), "{incoming:?} instead of CONNACK");
            return Ok(stream);
        }
        anyhow::ensure!(stream.read_buf(&mut input).await? > 0, "closed before CONNACK");
    }
}

/// Keeps the connection alive until told to stop; an end before that is an error.
async fn stay(mut stream: Box<dyn Duplex>, stopped: CancellationToken) -> anyhow::Result<()> {
    let mut answer = [0_u8; 64];
    let mut ping = tokio::time::interval(Duration::from_secs(u64::from(KEEP_ALIVE_S) / 2));
    ping.tick().await;
    loop {
        tokio::select! {
            () = stopped.cancelled() => {
                // The server may be gone already; nothing hangs on the farewell.
                let _ = stream.write_all(&mqtt::DISCONNECT).await;
                let _ = stream.flush().await;
                return Ok(());
            }
            _ = ping.tick() => {
                stream.write_all(&mqtt::PINGREQ).await?;
                stream.flush().await?;
            }
            read = stream.read(&mut answer) => anyhow::ensure!(read? > 0, "the server closed an idle connection"),
        }
    }
}

/// Raises the limit on open files as far as it may be raised.
fn raise_file_limit(wanted: u64) -> anyhow::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let current = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum })?;
    anyhow::ensure!(
        current >= wanted,
        "only {current} open files are allowed, {wanted} are needed: raise `ulimit -Hn`"
    );
    Ok(())
}
