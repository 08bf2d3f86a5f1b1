//! What the routes into one database have done, and which routes are in force: shared by the target that writes and the
//! report that shows.

use crate::error::SinkError;
use crate::routed::gaps::{Gap, Passed};
use arc_swap::ArcSwap;
use genims_routes::{DatabaseRoutes, Lookup};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Counters of one route since the server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteCounts {
    /// Events that it took.
    pub events: u64,
    /// Rows made or changed.
    pub rows: u64,
    /// Events that the database refused for good.
    pub refused: u64,
    /// Time that its statements took.
    pub busy: Duration,
}

impl RouteCounts {
    pub(crate) fn add(&mut self, other: Self) {
        self.events += other.events;
        self.rows += other.rows;
        self.refused += other.refused;
        self.busy += other.busy;
    }
}

/// The routes into one database and what they have done.
#[derive(Debug)]
pub struct Routed {
    routes: ArcSwap<DatabaseRoutes>,
    counts: Mutex<BTreeMap<String, RouteCounts>>,
    /// What was looked up in other databases, as JSON, by the look-up's name.
    looked_up: Mutex<BTreeMap<String, Arc<str>>>,
    /// As they were looked at last.
    gaps: Mutex<Vec<Gap>>,
    /// When the events of the last batch were received.
    received_us: Mutex<Option<i64>>,
    /// How far the router has come; nobody routes beside a command.
    passed: Option<Arc<Passed>>,
}

impl Routed {
    pub fn new(routes: Arc<DatabaseRoutes>) -> Self {
        Self {
            routes: ArcSwap::new(routes),
            counts: Mutex::default(),
            looked_up: Mutex::default(),
            gaps: Mutex::default(),
            received_us: Mutex::default(),
            passed: None,
        }
    }

    /// Behind a router.
    pub fn with_passed(self, passed: Arc<Passed>) -> Self {
        Self { passed: Some(passed), ..self }
    }

    pub fn routes(&self) -> Arc<DatabaseRoutes> {
        self.routes.load_full()
    }

    /// Other routes from the next batch on. What a look-up answered that is another one now is forgotten.
    pub fn replace(&self, routes: Arc<DatabaseRoutes>) {
        let mut looked_up = self.looked_up.lock();
        let before = self.routes.swap(routes.clone());
        looked_up.retain(|name, _| {
            let find = |routes: &DatabaseRoutes| routes.lookups.iter().find(|lookup| lookup.name == *name).cloned();
            find(&before) == find(&routes)
        });
    }

    /// Route by route, also those that have done nothing yet.
    pub fn counts(&self) -> Vec<(String, RouteCounts)> {
        let routes = self.routes();
        let counts = self.counts.lock();
        let of = |name: &String| (name.clone(), counts.get(name).copied().unwrap_or_default());
        routes.routes.iter().map(|route| of(&route.name)).collect()
    }

    /// What a look-up answered; of one that was replaced meanwhile it says nothing.
    pub fn put_lookup(&self, lookup: &Lookup, rows: &str) {
        let mut looked_up = self.looked_up.lock();
        if self.routes().lookups.contains(lookup) {
            looked_up.insert(lookup.name.clone(), rows.into());
        }
    }

    pub(crate) fn put_gaps(&self, gaps: Vec<Gap>) {
        *self.gaps.lock() = gaps;
    }

    /// The gaps that nobody has closed.
    pub fn open_gaps(&self) -> Vec<Gap> {
        self.gaps.lock().iter().filter(|gap| gap.closed.is_none()).cloned().collect()
    }

    /// How far a database that has everything below `position` is to say that it has followed the first log, where it lacks something.
    pub(crate) fn to_follow(&self, position: u64) -> Option<(Uuid, u64)> {
        let followed = self.passed.as_ref()?.followed(position)?;
        let gaps = self.gaps.lock();
        gaps.iter().any(|gap| gap.closed.is_none() && gap.followed != Some(followed)).then_some(followed)
    }

    /// Whether it lacks something, as was looked at last.
    pub(crate) fn lacks(&self) -> bool {
        self.gaps.lock().iter().any(|gap| gap.closed.is_none())
    }

    /// Whether the look-up was answered, as it is now.
    pub fn knows(&self, lookup: &str) -> bool {
        self.looked_up.lock().contains_key(lookup)
    }

    /// The values of a statement's look-ups, in its order.
    pub(crate) fn lookups(&self, names: &[String]) -> Result<Vec<Arc<str>>, SinkError> {
        let known = self.looked_up.lock();
        let value = |name: &String| known.get(name).cloned().ok_or_else(|| SinkError::NotLookedUp(name.clone()));
        names.iter().map(value).collect()
    }

    /// When the events of the last batch were received: what comes next is about as old.
    pub fn received_us(&self) -> Option<i64> {
        *self.received_us.lock()
    }

    /// After a start: when what was told last was received.
    pub(crate) fn was_told(&self, received_us: Option<i64>) {
        let mut known = self.received_us.lock();
        *known = known.or(received_us);
    }

    /// Enters what a committed batch did, and when it was received, if anything in it says so.
    pub(crate) fn enter(&self, received_us: Option<i64>, done: Vec<(String, RouteCounts)>) {
        let mut known = self.received_us.lock();
        *known = received_us.or(*known);
        drop(known);
        let mut counts = self.counts.lock();
        for (name, more) in done {
            counts.entry(name).or_default().add(more);
        }
    }
}
