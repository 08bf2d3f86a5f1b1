//! The history into PostgreSQL and MongoDB at once: one walk, one group after the other, each into both.
//!
//! Either may be left out, be ahead or behind: what one of them has already is passed over. A second run changes nothing.

use super::postgres::{self, Store};
use super::{History, HistoryParameters};
use crate::catalogue::Directory;
use crate::databases::{MongoSettings, PostgresSettings};
use crate::platform::PlatformError;
use crate::sink::SinkError;
use crate::sink::follow::Target;
use crate::sink::gather::Batch;
use crate::sink::mongo::{MongoNames, MongoTarget};
use bson::{Document, doc};
use mongodb::{Client, Collection};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Groups that wait for the databases.
const GROUPS_AHEAD: usize = 2;
/// Longer than the server lets an insert run.
const STILL_RUNNING_PATIENCE: Duration = Duration::from_secs(130);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What a run did.
#[derive(Clone, Debug, Serialize)]
pub struct HistorySummary {
    pub parameters: HistoryParameters,
    /// Records of the groups that this run wrote into either database; 0 when all was there.
    pub readings: u64,
    pub snapshots: u64,
    pub events: u64,
    pub seconds: f64,
}

#[derive(Clone, Copy, Debug)]
pub struct HistoryProgress {
    /// Microseconds since 1970: the history is there up to here.
    pub until_us: i64,
    pub span_us: (i64, i64),
}

/// Loads the history into the databases given. Dropping the call leaves whole groups behind, and the next one goes on.
pub async fn load_history(
    history: &Arc<History>,
    postgres: Option<&PostgresSettings>,
    mongodb: Option<&MongoSettings>,
    progress: &(dyn Fn(HistoryProgress) + Sync),
) -> Result<HistorySummary, PlatformError> {
    let started = Instant::now();
    let parameters = history.parameters;
    let mut summary = HistorySummary { parameters, readings: 0, snapshots: 0, events: 0, seconds: 0.0 };
    let mut store = match postgres {
        Some(settings) => Some(Store::open(settings, history).await?),
        None => None,
    };
    let mut mirror = match mongodb {
        Some(settings) => Some(Mirror::open(settings, history).await?),
        None => None,
    };
    let stored = match &store {
        Some(store) => store.is_loaded().await?,
        None => true,
    };
    if !stored || mirror.as_ref().is_some_and(|mirror| !mirror.loaded) {
        let mut groups = groups(history);
        while let Some(batch) = groups.recv().await {
            let (stored, mirrored) = tokio::join!(take(&mut store, &batch), mirror_take(&mut mirror, &batch));
            if stored? | mirrored? {
                summary.readings += batch.readings().count() as u64;
                summary.snapshots += batch.snapshots().count() as u64;
                summary.events += batch.events().count() as u64;
            }
            progress(HistoryProgress { until_us: super::stored_us(&batch), span_us: parameters.span_us() });
        }
        if let Some(store) = &store {
            store.finish().await?;
        }
        if let Some(mirror) = &mirror {
            mirror.finish().await?;
        }
    }
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

/// The parameters of the history that PostgreSQL holds (whole or in part), so that a later run can go on with them.
pub async fn stored_history(settings: &PostgresSettings) -> Result<Option<HistoryParameters>, PlatformError> {
    let client = settings.connect().await?;
    let failed = |error| PlatformError::from(settings.error(error));
    let exists = client.query_one("SELECT to_regclass('genims_internal.seed_ledger') IS NOT NULL", &[]).await;
    if !exists.map_err(failed)?.get::<_, bool>(0) {
        return Ok(None);
    }
    let query = "SELECT digest FROM genims_internal.seed_ledger WHERE name = $1";
    let found = client.query_opt(query, &[&postgres::NAME]).await.map_err(failed)?;
    let digest = found.and_then(|row| serde_json::from_str::<serde_json::Value>(row.get(0)).ok());
    Ok(digest.and_then(|digest| serde_json::from_value(digest["parameters"].clone()).ok()))
}

/// A thread of its own makes the groups.
fn groups(history: &Arc<History>) -> tokio::sync::mpsc::Receiver<Batch> {
    let (sender, receiver) = tokio::sync::mpsc::channel(GROUPS_AHEAD);
    let history = history.clone();
    tokio::task::spawn_blocking(move || {
        for group in history.groups() {
            let mut batch = Batch::default();
            batch.push(Arc::new(group));
            // Nobody takes them any more when the call was dropped.
            if sender.blocking_send(batch).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn take(store: &mut Option<Store>, batch: &Batch) -> Result<bool, PlatformError> {
    match store {
        Some(store) => store.take(batch).await,
        None => Ok(false),
    }
}

async fn mirror_take(mirror: &mut Option<Mirror>, batch: &Batch) -> Result<bool, PlatformError> {
    match mirror {
        Some(mirror) => mirror.take(batch).await,
        None => Ok(false),
    }
}

/// MongoDB, written by the sink itself: intent, look, insert, ledger, position.
struct Mirror {
    database: String,
    target: MongoTarget,
    position: u64,
    ledger: Collection<Document>,
    loaded: bool,
}

impl Mirror {
    async fn open(settings: &MongoSettings, history: &History) -> Result<Self, PlatformError> {
        let client: Client = settings.client().await?;
        let names = MongoNames { database: settings.database_name().to_owned(), ..MongoNames::default() };
        let ledger = client.database(&names.internal).collection::<Document>("seed_ledger");
        let digest = history.parameters.digest();
        let id = Self::id(settings.database_name());
        let failed = |error| PlatformError::from(settings.error(error));
        let fresh = doc! { "$setOnInsert": { "digest": &digest, "loaded": false } };
        ledger.update_one(doc! { "_id": &id }, fresh).upsert(true).await.map_err(failed)?;
        let found = ledger.find_one(doc! { "_id": &id }).await.map_err(failed)?.unwrap_or_default();
        if let Ok(stored) = found.get_str("digest")
            && stored != digest
        {
            return Err(postgres::another(settings.database(), stored));
        }
        let directory = Arc::new(Directory::new(history.site.catalogue.clone()));
        let mut target = MongoTarget::new(client, names, directory);
        let position = target.open(history.parameters.log_id(), 0).await;
        let position = position.map_err(|source| store_failed(settings.database(), source))?;
        let loaded = found.get_bool("loaded").unwrap_or(false);
        Ok(Self { database: settings.database_name().to_owned(), target, position, ledger, loaded })
    }

    /// Several platforms may share a server.
    fn id(database: &str) -> Document {
        doc! { "database": database, "name": postgres::NAME }
    }

    async fn take(&mut self, batch: &Batch) -> Result<bool, PlatformError> {
        if batch.next_offset <= self.position {
            return Ok(false);
        }
        let patience = Instant::now() + STILL_RUNNING_PATIENCE;
        loop {
            match self.target.commit(batch, self.position).await {
                Ok(_) => break,
                // An insert of a killed run, which the server goes on with.
                Err(SinkError::StillRunning) if Instant::now() < patience => tokio::time::sleep(LOOK_AGAIN).await,
                Err(source) => return Err(store_failed(&self.database, source)),
            }
        }
        self.position = batch.next_offset;
        Ok(true)
    }

    async fn finish(&self) -> Result<(), PlatformError> {
        let loaded =
            doc! { "$set": { "loaded": true, "rows": self.position as i64, "seeded_at": bson::DateTime::now() } };
        let updated = self.ledger.update_one(doc! { "_id": Self::id(&self.database) }, loaded).await;
        updated.map(|_| ()).map_err(|error| store_failed(&self.database, error.into()))
    }
}

fn store_failed(database: &str, source: SinkError) -> PlatformError {
    PlatformError::Store { database: database.to_owned(), source: Box::new(source) }
}
