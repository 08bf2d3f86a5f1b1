//! A browser that looks, and a program that asks: the page with its events, the pages behind it, the API, once a second each.
//!
//! Leaves: how much was seen. Invariant: a page that did not come is an error, for who sees nothing costs nothing.

use anyhow::{Context, anyhow};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(1);
const STREAMS: [&str; 2] = ["/live", "/api/v1/events"];
const PAGES: [&str; 8] = [
    "/",
    "/plants",
    "/machines/MCH-0001?span=10m",
    "/operations",
    "/api/v1/snapshot",
    "/api/v1/flows",
    "/api/v1/machines",
    "/metrics",
];

type Watching = JoinHandle<anyhow::Result<u64>>;

pub(super) struct Browser {
    stop: Arc<AtomicBool>,
    streams: Vec<Watching>,
    pages: Watching,
}

pub(super) struct Seen {
    pub(super) events: u64,
    pub(super) pages: u64,
}

impl Browser {
    pub(super) fn open(http: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let follow = |path: &str| {
            let (url, stop) = (format!("http://{http}{path}"), stop.clone());
            thread::spawn(move || followed(&url, &stop))
        };
        let streams = STREAMS.map(follow).into();
        let stopped = stop.clone();
        let pages = thread::spawn(move || asked(http, &stopped));
        Self { stop, streams, pages }
    }

    pub(super) fn close(self) -> anyhow::Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        let mut events = 0;
        for stream in self.streams {
            events += ended(stream)?;
        }
        Ok(Seen { events, pages: ended(self.pages)? })
    }
}

fn ended(watching: Watching) -> anyhow::Result<u64> {
    watching.join().map_err(|_| anyhow!("a client of the HTTP side panicked"))?
}

/// Server-sent events; one comes each second, so the end is noticed.
fn followed(url: &str, stop: &AtomicBool) -> anyhow::Result<u64> {
    let answer = ureq::get(url).call().with_context(|| format!("{url} cannot be followed"))?;
    let mut events = 0;
    for line in BufReader::new(answer.into_body().into_reader()).lines() {
        let line = line.with_context(|| format!("{url} ended after {events} events"))?;
        events += u64::from(line.starts_with("data:"));
        if stop.load(Ordering::Relaxed) {
            return Ok(events);
        }
    }
    Err(anyhow!("{url} ended after {events} events"))
}

fn asked(http: SocketAddr, stop: &AtomicBool) -> anyhow::Result<u64> {
    let agent = ureq::Agent::new_with_defaults();
    let mut pages = 0;
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        for path in PAGES {
            let url = format!("http://{http}{path}");
            let text = agent.get(&url).call().and_then(|mut answer| answer.body_mut().read_to_string());
            text.with_context(|| format!("{url} did not come"))?;
            pages += 1;
        }
        thread::sleep(EVERY.saturating_sub(begun.elapsed()));
    }
    Ok(pages)
}
