//! Who looks: every answer is made of a [`ServerSnapshot`] that is taken here, at once and of the same report, so that page, API,
//! events, metrics and `genims top` cannot disagree about a moment. Once a second a sample is kept for rates and charts, and
//! handed to those who listen: they share one copy, and one who is slow misses some.

use super::board::Board;
use super::operations::{Operations, OperationsSource};
use super::past::{self, Past, Point};
use super::plants::{PlantSource, Plants};
use super::report::{Observe, ServerReport};
use super::snapshot::ServerSnapshot;
use super::talkers::TalkersReport;
use askama::Template;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Listeners at once, of pages and programs.
pub(crate) const LISTENERS_MAX: usize = 32;
/// Of one user, or, where nobody signs in, of one address: nobody alone keeps all others from watching.
pub(crate) const OF_ONE_MAX: usize = 8;

/// What a second brings to those who listen, as JSON.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tick {
    /// The snapshot.
    pub(crate) snapshot: Arc<str>,
    /// The part of the page that changes.
    pub(crate) board: Arc<str>,
}

/// How many each has.
#[derive(Debug, Default)]
struct Places(Mutex<HashMap<Box<str>, usize>>);

/// One listener's, until this is dropped.
#[derive(Debug)]
pub(crate) struct ListenerPermit {
    of: Arc<Places>,
    who: Box<str>,
}

impl Drop for ListenerPermit {
    fn drop(&mut self) {
        let mut taken = self.of.0.lock();
        if let Some(own) = taken.get_mut(&self.who) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.who);
            }
        }
    }
}

pub(crate) struct Window {
    observer: Arc<dyn Observe>,
    past: Mutex<Past>,
    ticks: watch::Sender<Tick>,
    places: Arc<Places>,
    plants: Plants,
    operations: Operations,
}

impl Window {
    pub(crate) fn with_sources(
        observer: Arc<dyn Observe>,
        plants: Arc<dyn PlantSource>,
        operations: Arc<dyn OperationsSource>,
    ) -> Arc<Self> {
        let (past, ticks, places) = (Mutex::default(), watch::Sender::default(), Arc::default());
        let (plants, operations) = (Plants::new(plants), Operations::new(operations));
        Arc::new(Self { observer, past, ticks, places, plants, operations })
    }

    /// Without plants.
    #[cfg(test)]
    pub(crate) fn new(observer: Arc<dyn Observe>) -> Arc<Self> {
        let operations = Arc::new(super::operations::SampleOperations::default());
        Self::with_sources(observer, Arc::new(super::plants::NoPlants), operations)
    }

    pub(crate) fn plants(&self) -> &Plants {
        &self.plants
    }

    pub(crate) fn operations(&self) -> &Operations {
        &self.operations
    }

    /// What is now.
    pub(crate) fn snapshot(&self) -> ServerSnapshot {
        let (report, talkers) = (self.observer.report(), self.observer.talkers());
        ServerSnapshot::new(report, talkers, genims_model::now_us() / 1_000, Instant::now(), &self.past.lock())
    }

    /// The last ten minutes, oldest first.
    pub(crate) fn points(&self) -> Vec<Point> {
        self.past.lock().points()
    }

    /// A place among those who listen; `None` when all are taken, or all that one may have. `who`: a user, or an address.
    pub(crate) fn listen(&self, who: &str) -> Option<(watch::Receiver<Tick>, ListenerPermit)> {
        let mut taken = self.places.0.lock();
        let own = taken.get(who).copied().unwrap_or(0);
        if own >= OF_ONE_MAX || taken.values().sum::<usize>() >= LISTENERS_MAX {
            return None;
        }
        taken.insert(who.into(), own + 1);
        Some((self.ticks.subscribe(), ListenerPermit { of: self.places.clone(), who: who.into() }))
    }

    /// Samples until `shutdown` is cancelled.
    pub(crate) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut every = tokio::time::interval(past::EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = shutdown.cancelled() => return,
            }
            self.sample(Instant::now());
        }
    }

    pub(crate) fn sample(&self, now: Instant) {
        let snapshot = self.snapshot();
        let delivered = snapshot.flows.iter().map(|flow| (flow.name.clone(), flow.delivered_total)).collect();
        self.past.lock().add(now, (snapshot.taken_ms, snapshot.rates), &snapshot.report, delivered);
        if self.ticks.receiver_count() > 0 {
            self.ticks.send_replace(self.tick(&snapshot));
        }
    }

    fn tick(&self, snapshot: &ServerSnapshot) -> Tick {
        let board = Board::new(snapshot, &self.points()).render();
        let board = board.unwrap_or_else(|error| {
            tracing::error!(%error, "the page cannot be drawn");
            String::new()
        });
        let board = serde_json::json!({ "taken_ms": snapshot.taken_ms, "html": board }).to_string();
        // A snapshot has no map with keys that are no text: it always has a form as JSON.
        let snapshot = serde_json::to_string(snapshot).unwrap_or_default();
        Tick { snapshot: snapshot.into(), board: board.into() }
    }
}

/// So that metrics are made of the same reports.
impl Observe for Window {
    fn report(&self) -> ServerReport {
        self.observer.report()
    }

    fn talkers(&self) -> TalkersReport {
        self.observer.talkers()
    }
}
