//! Plants, lines, machines and their sensors, for those who look: what master data says of them at once, and what the operations
//! database knows when it is asked, which all who look share.
//!
//! - [`report`]: what is told, as plain data
//! - [`PlantSource`]: where it comes from; the server answers
//! - `cached`: answers that all who look share
//! - `pages`, of `list_page`, `machine_page`, `sensor_plot`, `plot`, `words`: the pages; `api`: the same as JSON

pub mod report;

mod api;
mod cached;
mod list_page;
mod machine_page;
mod pages;
mod plot;
mod sensor_plot;
mod words;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub(crate) use api::router as api;
pub(crate) use cached::{Cached, SharedAnswer};
pub(crate) use pages::router as pages;
#[cfg(test)]
pub(crate) use sample::{NoPlants, SamplePlants};
pub(crate) use words::clock;

use report::{
    ChartSpan, FactoryEntry, MachineDetail, MachineMaster, MachineStatus, MachineView, MachinesView, OLD_AFTER_MS,
    OeeReport, OperationsView, Proven, ReadingsAnswer, ReadingsView, SensorMaster, SensorReadings, SensorView,
};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

pub(crate) const OPERATIONS: &str = "genims_operations_db";

/// Of one page, and of one question to the database.
pub(crate) const MACHINES_MAX: usize = 200;
/// Plots of 300 points: a page of so many stays below 120 kB.
pub(crate) const SENSORS_MAX: usize = 12;
/// Snapshots that are looked at for when a state began: of each machine of a list, and of one machine alone.
const SNAPSHOTS_OF_MANY: u32 = 60;
const SNAPSHOTS_OF_ONE: u32 = 20_000;

const STATUS_VALID: Duration = Duration::from_secs(2);
/// A finished hour changes only by what comes late.
const OEE_VALID: Duration = Duration::from_secs(600);
/// Many snapshots take seconds to be read: nobody waits for all of that, and whoever looks again finds the answer.
const OEE_WAIT: Duration = Duration::from_millis(100);
const OEE_ON_ITS_WAY: &str = "it is being computed; look again in some seconds";
/// The analysis gives an hour as long until it is finished.
const HOUR_GRACE_MS: i64 = 120_000;
const HOUR_MS: i64 = 3_600_000;

/// What is on its way.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// What the server knows of plants. Master data is at hand; the rest asks the operations database, within bounds of time. An error is
/// the cause, in words.
pub trait PlantSource: Send + Sync + 'static {
    /// Whether this server writes to the operations database.
    fn follows_operations(&self) -> bool;

    /// Those that have active machines, by id.
    fn factories(&self) -> Vec<FactoryEntry>;

    /// Active machines by factory, line and id, `limit` at most from `offset` on, and how many there are.
    fn machines(&self, factory: Option<&str>, offset: usize, limit: usize) -> (usize, Vec<MachineMaster>);

    fn machine(&self, machine_id: &str) -> Option<MachineMaster>;

    /// Active sensors of a machine by id, `limit` at most from `offset` on.
    fn sensors(&self, machine_id: &str, offset: usize, limit: usize) -> Vec<SensorMaster>;

    /// `snapshots`: of each machine so many at most are looked at.
    fn statuses<'a>(
        &'a self,
        machines: &'a [String],
        snapshots: u32,
        now_ms: i64,
    ) -> Answering<'a, Proven<Vec<MachineStatus>>>;

    /// A finished hour. Machines without snapshots have none.
    fn oee<'a>(&'a self, machines: &'a [String], hour_ms: i64) -> Answering<'a, Proven<Vec<OeeReport>>>;

    fn readings<'a>(
        &'a self,
        machine_id: &'a str,
        sensors: &'a [String],
        span: ChartSpan,
        until_ms: i64,
    ) -> Answering<'a, Proven<ReadingsAnswer>>;
}

/// What all who look share.
pub(crate) struct Plants {
    source: Arc<dyn PlantSource>,
    /// By machines and snapshots.
    statuses: Cached<(Vec<String>, u32), Proven<Vec<MachineStatus>>>,
    /// By machines and hour.
    oee: Cached<(Vec<String>, i64), Proven<Vec<OeeReport>>>,
    /// By machine and the first of its sensors, one for each span: a long one is asked for less often.
    readings: [Cached<(String, usize), Proven<ReadingsAnswer>>; 3],
}

/// What the two questions about machines gave.
#[derive(Default)]
struct Known {
    statuses: SharedAnswer<Proven<Vec<MachineStatus>>>,
    oee: SharedAnswer<Proven<Vec<OeeReport>>>,
}

impl Plants {
    pub(crate) fn new(source: Arc<dyn PlantSource>) -> Self {
        let valid = |span| match span {
            ChartSpan::TenMinutes => Duration::from_secs(2),
            ChartSpan::Hour => Duration::from_secs(6),
            ChartSpan::Day => Duration::from_secs(60),
        };
        Self {
            source,
            statuses: Cached::new(STATUS_VALID),
            oee: Cached::new(OEE_VALID),
            readings: ChartSpan::ALL.map(|span| Cached::new(valid(span))),
        }
    }

    /// Machines of a factory, or of all; `None`: there is no such factory.
    pub(crate) async fn machines(
        &self,
        factory: Option<&str>,
        (offset, limit): (usize, usize),
        now_ms: i64,
    ) -> Option<MachinesView> {
        let factories = self.source.factories();
        if factory.is_some_and(|wanted| !factories.iter().any(|factory| factory.factory_id == wanted)) {
            return None;
        }
        let (total, masters) = self.source.machines(factory, offset, limit.min(MACHINES_MAX));
        let ids: Vec<String> = masters.iter().map(|machine| machine.machine_id.clone()).collect();
        let known = self.known(ids, SNAPSHOTS_OF_MANY, now_ms).await;
        let items = known.views(masters, now_ms);
        Some(MachinesView {
            taken_ms: now_ms,
            operations: self.operations(&known.statuses),
            factories,
            total,
            offset,
            items,
            proofs: known.proofs(),
            oee_outage: known.oee.outage,
        })
    }

    /// `None`: master data has no such machine.
    pub(crate) async fn machine(&self, machine_id: &str, now_ms: i64) -> Option<MachineDetail> {
        let master = self.source.machine(machine_id)?;
        let known = self.known(vec![master.machine_id.clone()], SNAPSHOTS_OF_ONE, now_ms).await;
        let machine = known.views(vec![master], now_ms).pop()?;
        let (operations, proofs) = (self.operations(&known.statuses), known.proofs());
        Some(MachineDetail { taken_ms: now_ms, operations, machine, proofs, oee_outage: known.oee.outage })
    }

    /// Sensors of a machine from `offset` on; `None`: master data has no such machine.
    pub(crate) async fn readings(
        &self,
        machine_id: &str,
        span: ChartSpan,
        offset: usize,
        now_ms: i64,
    ) -> Option<ReadingsView> {
        let master = self.source.machine(machine_id)?;
        let sensors = self.source.sensors(machine_id, offset, SENSORS_MAX);
        let ids: Vec<String> = sensors.iter().map(|sensor| sensor.sensor_id.clone()).collect();
        let (_, until_ms) = span.bounds_ms(now_ms);
        let answer = if self.source.follows_operations() {
            let (source, key) = (self.source.clone(), (machine_id.to_owned(), offset));
            let machine_id = key.0.clone();
            let ask = async move { source.readings(&machine_id, &ids, span, until_ms).await };
            self.readings[span as usize].get(&key, now_ms, ask).await
        } else {
            SharedAnswer::default()
        };
        // Those of the answer, which may be older than the question.
        let (from_ms, until_ms) = span.bounds_ms(answer.value.as_ref().map_or(now_ms, |(_, at_ms)| *at_ms));
        let operations = self.operations(&answer);
        let known = answer.value.map(|(known, _)| known);
        let found = known.iter().flat_map(|known| known.value.sensors.iter());
        let mut found: HashMap<&str, &SensorReadings> = found.map(|sensor| (&*sensor.sensor_id, sensor)).collect();
        let view = |master: SensorMaster| {
            let readings = found.remove(master.sensor_id.as_str()).cloned().unwrap_or_default();
            SensorView { master, last: readings.last, buckets: readings.buckets }
        };
        Some(ReadingsView {
            taken_ms: now_ms,
            operations,
            machine_id: master.machine_id,
            span,
            bucket_seconds: span.bucket_seconds(),
            from_ms,
            until_ms,
            total: master.sensors,
            offset,
            items: sensors.into_iter().map(view).collect(),
            faults: known.as_ref().map(|known| known.value.faults.clone()).unwrap_or_default(),
            proofs: known.map(|known| known.proofs.clone()).unwrap_or_default(),
        })
    }

    async fn known(&self, machines: Vec<String>, snapshots: u32, now_ms: i64) -> Known {
        if machines.is_empty() || !self.source.follows_operations() {
            return Known::default();
        }
        let (source, key) = (self.source.clone(), (machines.clone(), snapshots));
        let of = machines.clone();
        let ask = async move { source.statuses(&of, snapshots, now_ms).await };
        let statuses = self.statuses.get(&key, now_ms, ask).await;
        // One that does not answer is not asked twice.
        if statuses.outage.is_some() {
            return Known { statuses, ..Known::default() };
        }
        Known { statuses, oee: self.last_oee(machines, now_ms).await }
    }

    /// Of the last finished hour, as far as it is known in [`OEE_WAIT`].
    async fn last_oee(&self, machines: Vec<String>, now_ms: i64) -> SharedAnswer<Proven<Vec<OeeReport>>> {
        let (source, hour_ms) = (self.source.clone(), last_finished_hour(now_ms));
        let of = machines.clone();
        let ask = async move { source.oee(&of, hour_ms).await };
        let answer = timeout(OEE_WAIT, self.oee.get(&(machines, hour_ms), now_ms, ask)).await;
        // It goes on without us.
        answer.unwrap_or_else(|_| SharedAnswer::unknown(now_ms, OEE_ON_ITS_WAY))
    }

    fn operations<V>(&self, answer: &SharedAnswer<V>) -> OperationsView {
        OperationsView {
            database: OPERATIONS,
            followed: self.source.follows_operations(),
            answered_ms: answer.value.as_ref().map(|(_, at_ms)| *at_ms),
            outage: answer.outage.clone(),
        }
    }
}

/// The hour before the one that `now` falls into, or the one before that while the first may still grow.
fn last_finished_hour(now_ms: i64) -> i64 {
    ((now_ms - HOUR_GRACE_MS).div_euclid(HOUR_MS) - 1) * HOUR_MS
}

impl Known {
    fn views(&self, masters: Vec<MachineMaster>, now_ms: i64) -> Vec<MachineView> {
        let statuses = self.statuses.value.iter().flat_map(|(known, _)| known.value.iter());
        let mut statuses: HashMap<&str, &MachineStatus> = statuses.map(|found| (&*found.machine_id, found)).collect();
        let hours = self.oee.value.iter().flat_map(|(known, _)| known.value.iter());
        let mut hours: HashMap<&str, &OeeReport> = hours.map(|found| (&*found.machine_id, found)).collect();
        let view = |master: MachineMaster| {
            let status = statuses.remove(master.machine_id.as_str()).cloned();
            let oee = hours.remove(master.machine_id.as_str()).cloned();
            let telemetry_ms = status.as_ref().and_then(MachineStatus::telemetry_ms);
            // Clocks of sources may be ahead.
            let telemetry_age_ms = telemetry_ms.map(|at_ms| (now_ms - at_ms).max(0));
            let is_old = telemetry_age_ms.is_none_or(|age_ms| age_ms > OLD_AFTER_MS);
            MachineView { master, status, oee, telemetry_age_ms, is_old }
        };
        masters.into_iter().map(view).collect()
    }

    fn proofs(&self) -> Vec<crate::proof::Proof> {
        let statuses = self.statuses.value.iter().flat_map(|(known, _)| known.proofs.iter());
        let oee = self.oee.value.iter().flat_map(|(known, _)| known.proofs.iter());
        statuses.chain(oee).cloned().collect()
    }
}
