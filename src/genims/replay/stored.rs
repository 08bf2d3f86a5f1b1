//! Whether a running server has stored what was sent to it: asked of its `/stats`, or of this server itself.
//!
//! Readings are stored when the operations database has passed them. Rows for tables go on into the log of events and to their own
//! database; what that refuses comes back as a dead letter, and is stored like one.

use anyhow::{Context, bail};
use genims_api::report::Observe;
use genims_consumers::router::ROUTER;
use genims_stores::postgres::session::SINK as OPERATIONS;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the databases may take to come up with what was sent.
const WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
const HTTP_TIMEOUT: Duration = Duration::from_secs(5);
/// Sinks of the first log; all others follow that of events.
const FIRST_LOG: [&str; 3] = [OPERATIONS, "mongodb", ROUTER];

/// The server that is asked.
#[derive(Clone)]
pub enum WatchedServer {
    /// By its HTTP side.
    Http(SocketAddr),
    /// This process.
    Here(Arc<dyn Observe>),
}

impl fmt::Display for WatchedServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(address) => write!(formatter, "http://{address}/stats"),
            Self::Here(_) => formatter.write_str("/stats"),
        }
    }
}

/// What of `/stats` is looked at.
#[derive(Deserialize)]
struct Stats {
    spool: SpoolStats,
    sinks: Vec<SinkStats>,
}

#[derive(Deserialize)]
struct SpoolStats {
    next_offset: u64,
    #[serde(default)]
    letters_waiting: u64,
}

#[derive(Deserialize)]
struct SinkStats {
    name: String,
    #[serde(default)]
    database: Option<String>,
    position: u64,
    #[serde(default)]
    lag_records: u64,
}

impl Stats {
    fn of(observer: &dyn Observe) -> Self {
        let report = observer.report();
        let sinks = report.sinks.into_iter().map(|sink| SinkStats {
            name: sink.name,
            database: sink.database,
            position: sink.position,
            lag_records: sink.lag_records,
        });
        let spool = SpoolStats { next_offset: report.spool.next_offset, letters_waiting: report.spool.letters_waiting };
        Self { spool, sinks: sinks.collect() }
    }

    fn sink(&self, name: &str) -> anyhow::Result<&SinkStats> {
        let found = self.sinks.iter().find(|sink| sink.name == name);
        found.with_context(|| format!("the server has no sink {name}"))
    }
}

/// Waits until everything that the log holds now is stored; `databases` are those that rows among it go to.
pub(super) async fn wait(server: &WatchedServer, databases: &BTreeSet<String>) -> anyhow::Result<()> {
    let deadline = Instant::now() + WAIT;
    let end = stats(server).await?.spool.next_offset;
    passed(server, deadline, &[(OPERATIONS.to_owned(), end)]).await?;
    if databases.is_empty() {
        return Ok(());
    }
    passed(server, deadline, &[(ROUTER.to_owned(), end)]).await?;
    let routed = stats(server).await?;
    let own = routed.sinks.iter().filter(|sink| {
        !FIRST_LOG.contains(&sink.name.as_str()) && sink.database.as_ref().is_some_and(|name| databases.contains(name))
    });
    let ends: Vec<_> = own.map(|sink| (sink.name.clone(), sink.position + sink.lag_records)).collect();
    passed(server, deadline, &ends).await?;
    // What they refused is on its way into the first log.
    while stats(server).await?.spool.letters_waiting > 0 {
        if Instant::now() > deadline {
            bail!("{}: letters of refused rows wait for room in the log", unknown(server));
        }
        tokio::time::sleep(POLL).await;
    }
    let end = stats(server).await?.spool.next_offset;
    passed(server, deadline, &[(OPERATIONS.to_owned(), end)]).await
}

/// Waits until each sink is at its end.
async fn passed(server: &WatchedServer, deadline: Instant, ends: &[(String, u64)]) -> anyhow::Result<()> {
    loop {
        let stats = stats(server).await?;
        let mut behind = None;
        for (name, end) in ends {
            let sink = stats.sink(name).with_context(|| unknown(server))?;
            if sink.position < *end {
                behind = Some(format!("{name} is at {} of {end}", sink.position));
            }
        }
        let Some(behind) = behind else { return Ok(()) };
        if Instant::now() > deadline {
            bail!("{}: {behind}", unknown(server));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn unknown(server: &WatchedServer) -> String {
    format!(
        "everything was sent and is durable, but whether it is stored cannot be told: ask {server}, and \
         `genims deadletter list` for what came back"
    )
}

async fn stats(server: &WatchedServer) -> anyhow::Result<Stats> {
    let address = match server {
        WatchedServer::Http(address) => *address,
        WatchedServer::Here(observer) => return Ok(Stats::of(&**observer)),
    };
    let ask = move || -> Result<Stats, ureq::Error> {
        let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(HTTP_TIMEOUT)).build().into();
        agent.get(format!("http://{address}/stats")).call()?.body_mut().read_json()
    };
    tokio::task::spawn_blocking(ask).await?.with_context(|| unknown(server))
}
