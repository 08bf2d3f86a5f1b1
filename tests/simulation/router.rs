//! The router of events, as production runs it: from the log of everything into a log of events on the same disk.
//!
//! In production a thread of its own waits for room and for a refused history; here the wait for a history hands control
//! back, and whoever finds no room on the disk gets it (see `writer`).

use crate::database::{Database, lock};
use crate::dead_letters::DeadLetters;
use crate::plan::{Broken, Plan};
use crate::rows;
use crate::server::{ROUTED, events_options};
use genims_consumers::SinkMetrics;
use genims_consumers::follow::Settlement;
use genims_consumers::router::{self, EventRouter, ROUTER};
use genims_log::contract::Consumer;
use genims_log::file::simulated::{self, FakeDisk};
use genims_log::file::{Spool, SpoolError};
use genims_model::{Accounts, Position};
use genims_rows::Gate;
use genims_stores::SinkError;
use genims_stores::batch::Batch;
use genims_stores::rows::RowDesk;
use genims_stores::target::{Committed, Target};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// As in production: of the first log for the router, of the second for a database.
const ROUTER_SHARE: u64 = 2;
const DATABASE_SHARE: u64 = 4;

/// The log of events and its router, of one life.
#[derive(Clone)]
pub(crate) struct Routes {
    pub(crate) router: EventRouter,
    pub(crate) log: Spool,
    /// Notified after each append.
    pub(crate) appended: Arc<Notify>,
    /// What was gone before the router saw it is what this one lacks.
    pub(crate) routed: Arc<Mutex<Database>>,
    /// Of the rows that are for it.
    pub(crate) settlement: Settlement,
    /// Which of them are not to be written.
    pub(crate) desk: Option<Arc<RowDesk>>,
    /// Of the database's follower.
    pub(crate) metrics: Arc<SinkMetrics>,
    /// Where rows are taken.
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) goes_on_behind: bool,
}

impl Routes {
    /// Opens the log of events, where there is one, with its router. `readings`: the first log, and where this life began.
    pub(crate) fn open(
        plan: &Plan,
        disk: &FakeDisk,
        (readings, recovered_until): (&Spool, u64),
        databases: &[Arc<Mutex<Database>>],
        accounts: &Arc<Accounts>,
        dead_letters: Option<&DeadLetters>,
    ) -> Result<Option<Self>, SpoolError> {
        let (Some(options), Some(routed)) = (events_options(plan), databases.get(ROUTED)) else { return Ok(None) };
        let (appender, log, recovered) = simulated::open(disk, &options)?;
        let marks = if plan.broken == Broken::ForgetsRouted { HashMap::new() } else { recovered.marks };
        let remembered = router::remembered(&marks, readings.name()).unwrap_or(0).min(readings.next_offset());
        // As in production: no row that was acknowledged may be missed.
        let consumer = match plan.has_rows {
            true => Consumer::hold(ROUTER),
            false => Consumer::resync(ROUTER, readings.max_bytes() / ROUTER_SHARE),
        };
        let passed = readings.register(&consumer)?;
        let (name, share) = (lock(routed).name, log.max_bytes() / DATABASE_SHARE);
        let consumer = match plan.has_rows && plan.broken != Broken::CutsOffRows {
            true => Consumer::compact(name, rows::DATABASE, share),
            false => Consumer::resync(name, share),
        };
        let from = log.register(&consumer)?;
        let waiting = rows::held(readings, remembered.max(passed))?.len() + rows::held(&log, from)?.len();
        accounts.received(accounts.recovered(), waiting as u64);
        let metrics = Arc::<SinkMetrics>::default();
        let desk =
            dead_letters.map(|dead_letters| dead_letters.desk(rows::DATABASE, &log, recovered.next_offset, &metrics));
        Ok(Some(Self {
            router: EventRouter::new(appender, marks, passed).with_recovered(recovered_until, accounts.recovered()),
            log,
            appended: Arc::default(),
            routed: routed.clone(),
            settlement: Settlement {
                accounts: accounts.clone(),
                recovered_until: recovered.next_offset,
                rows_of: Some(rows::DATABASE.to_owned()),
            },
            desk,
            metrics,
            gate: None,
            goes_on_behind: plan.broken == Broken::GoesOnBehindRestores,
        }))
    }

    /// While too many rows wait for the database the door takes no more.
    pub(crate) fn look_for_room(&self) {
        if let Some(gate) = &self.gate {
            gate.set_full(rows::DATABASE, self.log.is_full_for(lock(&self.routed).name));
        }
    }
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
        if position.next_offset() < first_offset {
            lock(&self.routes.routed).gaps.push((position.log(), position.next_offset(), first_offset));
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
