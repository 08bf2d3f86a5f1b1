//! What the pages of plants show: master data from the catalogue in force, states and readings from the operations database, asked on a
//! connection of its own when somebody looks.

mod hours;
mod index;
mod readings;
mod statuses;

use super::ServerError;
use crate::settings::Settings;
use genims_api::plants::report::{
    ChartSpan, FactoryEntry, MachineMaster, MachineStatus, OeeReport, Proven, ReadingsAnswer, SensorMaster,
};
use genims_api::plants::{Answering, PlantSource};
use genims_catalogue::Directory;
use genims_databases::reader::SharedReader;
use genims_databases::{Environment, PostgresSettings, Registry};
use index::Index;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const OPERATIONS: &str = "genims_operations_db";
const DAY_MS: i64 = 86_400_000;
/// Of each machine of a list so many sensors are looked at for its last reading.
const SENSORS_LOOKED_AT: usize = 40;

/// Whole seconds: queries of one second are the same text.
fn whole(ms: i64) -> i64 {
    ms.div_euclid(1_000) * 1_000
}

pub(super) struct PlantReader {
    directory: Arc<Directory>,
    /// Of the catalogue that was in force when somebody looked last.
    index: Mutex<Option<Arc<Index>>>,
    /// None where the server writes to no operations database.
    readers: Option<Readers>,
}

/// What takes seconds has a connection of its own, so that nothing waits behind it.
struct Readers {
    quick: SharedReader,
    hours: SharedReader,
}

impl PlantReader {
    pub(super) fn new(
        settings: &Settings,
        environment: &Environment,
        directory: Arc<Directory>,
    ) -> Result<Arc<Self>, ServerError> {
        let readers = match &settings.postgres {
            Some(_) => {
                let registry = Registry::load(None)?;
                let database = PostgresSettings::from_environment(registry.get(OPERATIONS)?, environment)?;
                Some(Readers { quick: SharedReader::new(database.clone()), hours: SharedReader::new(database) })
            }
            None => None,
        };
        Ok(Arc::new(Self { directory, index: Mutex::default(), readers }))
    }

    /// Gives the connections back while nobody looks.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let Some(Readers { quick, hours }) = &self.readers else { return };
        tokio::select! {
            () = quick.close_when_idle() => {}
            () = hours.close_when_idle() => {}
            () = stop.cancelled() => {}
        }
    }

    fn index(&self) -> Arc<Index> {
        let catalogue = self.directory.load();
        let mut kept = self.index.lock();
        match kept.as_ref() {
            Some(index) if Arc::ptr_eq(&index.catalogue, &catalogue) => index.clone(),
            _ => kept.insert(Arc::new(Index::of(catalogue))).clone(),
        }
    }

    fn readers(&self) -> Result<&Readers, String> {
        self.readers.as_ref().ok_or_else(|| format!("this server does not write to {OPERATIONS}"))
    }
}

impl PlantSource for PlantReader {
    fn follows_operations(&self) -> bool {
        self.readers.is_some()
    }

    fn factories(&self) -> Vec<FactoryEntry> {
        self.index().factories()
    }

    fn machines(&self, factory: Option<&str>, offset: usize, limit: usize) -> (usize, Vec<MachineMaster>) {
        self.index().machines(factory, (offset, limit))
    }

    fn machine(&self, machine_id: &str) -> Option<MachineMaster> {
        self.index().machine(machine_id)
    }

    fn sensors(&self, machine_id: &str, offset: usize, limit: usize) -> Vec<SensorMaster> {
        self.index().sensors(machine_id, offset, limit)
    }

    fn statuses<'a>(
        &'a self,
        machines: &'a [String],
        snapshots: u32,
        now_ms: i64,
    ) -> Answering<'a, Proven<Vec<MachineStatus>>> {
        Box::pin(async move {
            let reader = &self.readers()?.quick;
            let sensors = self.index().pairs(machines, SENSORS_LOOKED_AT);
            let queries = statuses::queries(machines, sensors, snapshots, now_ms);
            let answers = reader.ask(&queries).await?;
            let [states, readings] = answers.as_slice() else { return Ok(Proven::default()) };
            let value = statuses::statuses(states, readings).map_err(|error| reader.error(error))?;
            Ok(Proven { value, proofs: statuses::proofs(&queries) })
        })
    }

    fn oee<'a>(&'a self, machines: &'a [String], hour_ms: i64) -> Answering<'a, Proven<Vec<OeeReport>>> {
        Box::pin(async move {
            let (reader, index) = (&self.readers()?.hours, self.index());
            let queries = hours::queries(machines, |machine| index.design_cycle_s(machine), hour_ms);
            let mut value = Vec::with_capacity(machines.len());
            // One by one: meanwhile others get their answers.
            for query in &queries {
                let answers = reader.ask(std::slice::from_ref(query)).await?;
                value.extend(hours::hours(&answers, hour_ms).map_err(|error| reader.error(error))?);
            }
            Ok(Proven { value, proofs: queries.first().map(hours::proof).into_iter().collect() })
        })
    }

    fn readings<'a>(
        &'a self,
        machine_id: &'a str,
        sensors: &'a [String],
        span: ChartSpan,
        until_ms: i64,
    ) -> Answering<'a, Proven<ReadingsAnswer>> {
        Box::pin(async move {
            let reader = &self.readers()?.quick;
            let queries = readings::queries(machine_id, sensors, span, until_ms);
            let answers = reader.ask(&queries).await?;
            let value = readings::readings(sensors, &answers).map_err(|error| reader.error(error))?;
            Ok(Proven { value, proofs: readings::proofs(&queries) })
        })
    }
}
