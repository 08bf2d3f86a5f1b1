//! The router of events, as production runs it: from the log of everything into a log of events on the same disk.
//!
//! In production a thread of its own waits for room and for a refused history; here the wait for a history hands control
//! back, and whoever finds no room on the disk gets it (see `writer`).

use crate::database::{Database, lock};
use genims_consumers::router::EventRouter;
use genims_log::file::Spool;
use genims_model::Position;
use genims_stores::SinkError;
use genims_stores::batch::Batch;
use genims_stores::target::{Committed, Target};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The log of events and its router, of one life.
#[derive(Clone)]
pub(crate) struct Routes {
    pub(crate) router: EventRouter,
    pub(crate) log: Spool,
    /// Notified after each append.
    pub(crate) appended: Arc<Notify>,
    /// What was gone before the router saw it is what this one lacks.
    pub(crate) routed: Arc<Mutex<Database>>,
}

/// See the module's header.
pub(crate) struct Routing {
    routes: Routes,
    readings: Spool,
}

impl Routing {
    pub(crate) fn new(routes: Routes, readings: Spool) -> Self {
        Self { routes, readings }
    }
}

impl Target for Routing {
    fn name(&self) -> &'static str {
        self.routes.router.name()
    }

    async fn open(&mut self, start: &Position, written: u64) -> Result<Position, SinkError> {
        let position = self.routes.router.open(start, written).await?;
        let first_offset = self.readings.first_offset();
        if position.offset < first_offset {
            lock(&self.routes.routed).gaps.push((position.log, position.offset, first_offset));
        }
        Ok(position)
    }

    fn close(&mut self) {
        self.routes.router.close();
    }

    async fn commit(&mut self, batch: &Batch, position: u64) -> Result<Committed, SinkError> {
        while self.routes.log.refusal().is_some() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let committed = self.routes.router.commit(batch, position).await;
        self.routes.appended.notify_waiters();
        committed
    }

    async fn recall(&mut self, batch: &Batch) -> Result<Committed, SinkError> {
        self.routes.router.recall(batch).await
    }
}
