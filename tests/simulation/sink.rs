//! The loop of each consumer, as production runs it: databases behind both logs, and the router between these.

use crate::database::{Connection, Database, Events, lock};
use crate::log::Followed;
use crate::router::{Routes, Routing};
use genims_catalogue::Directory;
use genims_consumers::SinkMetrics;
use genims_consumers::follow::{FollowOptions, Follower, Settlement};
use genims_consumers::gather::BatchLimits;
use genims_consumers::router::ROUTER;
use genims_stores::SinkError;
use genims_stores::rows::RowDesk;
use genims_stores::target::Target;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Who follows a log.
pub(crate) enum Consumer {
    Database(Arc<Mutex<Database>>),
    /// Of events out of the first log.
    Router(Routes),
}

/// One sink of this life.
pub(crate) struct Sink {
    pub(crate) consumer: Consumer,
    /// What becomes of the events that it reads.
    events: Events,
    pub(crate) log: Followed,
    metrics: Arc<SinkMetrics>,
    pub(crate) settlement: Option<Settlement>,
    /// Where rows of programs are for its database.
    desk: Option<Arc<RowDesk>>,
    /// Brought back from another database where others go on behind a gap.
    pub(crate) is_brought_back: bool,
    pub(crate) following: Option<JoinHandle<Result<(), SinkError>>>,
    pub(crate) is_refused: bool,
}

impl Sink {
    pub(crate) fn new(consumer: Consumer, events: Events, log: Followed) -> Self {
        let (metrics, settlement, desk, following) = (Arc::default(), None, None, None);
        let (is_brought_back, is_refused) = (false, false);
        Self { consumer, events, log, metrics, settlement, desk, is_brought_back, following, is_refused }
    }

    /// `metrics` are those that the desk's dead letters ask how far it is.
    pub(crate) fn with_rows(self, desk: Option<Arc<RowDesk>>, metrics: Arc<SinkMetrics>) -> Self {
        Self { desk, metrics, ..self }
    }

    /// One of those that are cut off and go on with what is still there, as production's routes do.
    pub(crate) fn is_small(&self) -> bool {
        matches!(self.consumer, Consumer::Router(_)) || self.events == Events::Stored
    }

    fn name(&self) -> &'static str {
        match &self.consumer {
            Consumer::Database(database) => lock(database).name,
            Consumer::Router(_) => ROUTER,
        }
    }

    /// Starts it. A log that cannot say so now (its disk is full) is asked again with the next step.
    pub(crate) fn follow(&mut self, directory: &Arc<Directory>, seed: u64, stop: &CancellationToken) {
        let (name, spool) = (self.name(), self.log.spool.clone());
        if self.is_small() && spool.is_cut_off(name) && spool.restart_at(name, spool.first_offset()).is_err() {
            return;
        }
        self.following = Some(match &self.consumer {
            Consumer::Database(database) => {
                let desk = self.desk.clone();
                self.run(Connection::new(database, directory, &spool, self.events, desk), seed, stop)
            }
            Consumer::Router(routes) => self.run(Routing::new(routes.clone(), spool), seed, stop),
        });
    }

    fn run(
        &self,
        target: impl Target + 'static,
        seed: u64,
        stop: &CancellationToken,
    ) -> JoinHandle<Result<(), SinkError>> {
        let (metrics, settlement) = (self.metrics.clone(), self.settlement.clone());
        let follower = Follower::new(target, self.log.clone(), limits(), metrics, settlement);
        tokio::spawn(follower.with_options(self.follow_options(seed)).run(stop.clone()))
    }

    fn follow_options(&self, seed: u64) -> FollowOptions {
        FollowOptions {
            commit_timeout: Duration::from_secs(30),
            jitter_seed: Some(seed),
            gap_ends: self.is_brought_back,
            ..FollowOptions::default()
        }
    }
}

fn limits() -> BatchLimits {
    // Equal, so that how long a commit really took decides nothing.
    let wait = Duration::from_millis(50);
    BatchLimits { batch_size: 60, linger: wait, flush_interval: wait, ..BatchLimits::default() }
}
