//! Whether a running server has stored what was sent to it: asked of its `/stats`, or of this server itself.
//!
//! Readings are stored when the operations database has passed them. Rows for tables go on into the log of events and to their own
//! database; what that refuses comes back as a dead letter, and is stored like one.

use anyhow::{Context, anyhow, bail};
use genims_api::report::Observe;
use genims_consumers::router::ROUTER;
use genims_stores::postgres::session::SINK as OPERATIONS;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the databases may take to come up with what was sent.
const WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// Sinks of the first log; all others follow that of events.
const FIRST_LOG: [&str; 3] = [OPERATIONS, "mongodb", ROUTER];

/// What stands at a path; else why not, for people.
type Fetch = Arc<dyn Fn(&str) -> Result<Value, String> + Send + Sync>;

/// The server that is asked.
#[derive(Clone)]
pub enum WatchedServer {
    /// By its HTTP side: where that is, and what fetches what stands at a path of it, with a token where users sign in.
    Http { url: String, get: Fetch },
    /// This process.
    Here(Arc<dyn Observe>),
}

impl fmt::Display for WatchedServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { url, .. } => write!(formatter, "{url}/stats"),
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
    #[serde(default, rename = "letters_waiting")]
    dead_letters_waiting: u64,
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
        let spool = SpoolStats {
            next_offset: report.spool.next_offset,
            dead_letters_waiting: report.spool.dead_letters_waiting,
        };
        Self { spool, sinks: sinks.collect() }
    }

    fn sink(&self, name: &str) -> anyhow::Result<&SinkStats> {
        let found = self.sinks.iter().find(|sink| sink.name == name);
        found.with_context(|| format!("the server has no sink {name}"))
    }
}

/// Whether it can be seen there what becomes of what is sent: without that nothing is, since what came back would not be found.
pub(super) async fn check(server: &WatchedServer) -> anyhow::Result<()> {
    let why = "nothing was sent, since nobody could tell what becomes of it; is `genims serve` running?";
    said(server).await.map(drop).context(why)
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
    while stats(server).await?.spool.dead_letters_waiting > 0 {
        if Instant::now() > deadline {
            bail!("{}: dead letters of refused rows wait for room in the log", unknown(server));
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
    said(server).await.with_context(|| unknown(server))
}

async fn said(server: &WatchedServer) -> anyhow::Result<Stats> {
    let get = match server {
        WatchedServer::Http { get, .. } => get.clone(),
        WatchedServer::Here(observer) => return Ok(Stats::of(&**observer)),
    };
    let told = tokio::task::spawn_blocking(move || get("/stats")).await?;
    Ok(serde_json::from_value(told.map_err(|why| anyhow!(why))?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(said: Result<Value, String>) -> WatchedServer {
        WatchedServer::Http { url: "http://there".to_owned(), get: Arc::new(move |_: &str| said.clone()) }
    }

    #[tokio::test]
    async fn whoever_is_not_let_in_hears_why_and_sends_nothing() {
        let refused = server(Err("http://there asks for a token; put it into GENIMS_TOKEN".to_owned()));
        let error = format!("{:#}", check(&refused).await.unwrap_err());
        assert!(error.starts_with("nothing was sent") && error.contains("GENIMS_TOKEN"), "{error}");
        let error = format!("{:#}", wait(&refused, &BTreeSet::new()).await.unwrap_err());
        assert!(error.contains("ask http://there/stats") && error.contains("GENIMS_TOKEN"), "{error}");
        let sinks = serde_json::json!([{ "name": OPERATIONS, "position": 7 }]);
        let answers = server(Ok(serde_json::json!({ "spool": { "next_offset": 7 }, "sinks": sinks })));
        assert!(check(&answers).await.is_ok() && wait(&answers, &BTreeSet::new()).await.is_ok());
        assert!(check(&server(Ok(Value::Null))).await.is_err(), "another program answers there");
    }
}
