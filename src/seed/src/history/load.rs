//! The history into PostgreSQL and MongoDB at once: one walk makes the groups, each database takes them at its own pace.
//!
//! Either may be left out, be ahead or behind: what one of them has already is passed over. A second run changes nothing.

use super::postgres::{self, PATIENCE, Store, start};
use super::{HistoryParameters, PlantHistory};
use crate::errors::SeedError;
use bson::{Document, doc};
use genims_catalogue::Directory;
use genims_databases::{MongoSettings, PostgresSettings};
use genims_model::Backoff;
use genims_stores::SinkError;
use genims_stores::batch::Batch;
use genims_stores::mongo::{MongoNames, MongoTarget};
use genims_stores::target::Target;
use mongodb::{Client, Collection};
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedSender};
use tokio::task::JoinSet;

/// Groups that wait for the databases.
const GROUPS_AHEAD: usize = 2;

/// What a run wrote into one database; nothing when all was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Written {
    pub readings: u64,
    pub snapshots: u64,
    pub events: u64,
    /// Spent in writing, waiting for groups not included.
    pub seconds: f64,
}

/// What a run did.
#[derive(Clone, Debug, Serialize)]
pub struct HistorySummary {
    pub parameters: HistoryParameters,
    pub postgres: Written,
    pub mongodb: Written,
    pub seconds: f64,
}

#[derive(Clone, Copy, Debug)]
pub struct HistoryProgress {
    pub database: &'static str,
    /// Microseconds since 1970: this database has the history up to here.
    pub until_us: i64,
    pub span_us: (i64, i64),
}

/// Loads the history into the databases given. Dropping the call leaves whole groups behind, and the next one goes on.
pub async fn load_history(
    history: &Arc<PlantHistory>,
    postgres: Option<&PostgresSettings>,
    mongodb: Option<&MongoSettings>,
    progress: &(dyn Fn(HistoryProgress) + Sync),
) -> Result<HistorySummary, SeedError> {
    let started = Instant::now();
    let mut places = Vec::new();
    if let Some(settings) = postgres {
        let store = Store::open(settings, history).await?;
        places.push((store.is_loaded().await?, Destination::Postgres(Box::new(store))));
    }
    if let Some(settings) = mongodb {
        let mirror = Mirror::open(settings, history).await?;
        places.push((mirror.loaded, Destination::Mongodb(Box::new(mirror))));
    }
    let parameters = history.parameters;
    let [postgres, mongodb] = [Written::default(); 2];
    let mut summary = HistorySummary { parameters, postgres, mongodb, seconds: 0.0 };
    let (report, mut reports) = tokio::sync::mpsc::unbounded_channel();
    let (mut senders, mut writers) = (Vec::new(), JoinSet::new());
    for (_, place) in places.into_iter().filter(|(loaded, _)| !loaded) {
        let (sender, batches) = tokio::sync::mpsc::channel(GROUPS_AHEAD);
        senders.push(sender);
        writers.spawn(place.write(batches, report.clone()));
    }
    drop(report);
    make_groups(history, senders);
    while let Some((database, until_us)) = reports.recv().await {
        progress(HistoryProgress { database, until_us, span_us: parameters.span_us() });
    }
    // Whoever fails first ends the others.
    while let Some(joined) = writers.join_next().await {
        let (place, written) = joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        *(if place == POSTGRES { &mut summary.postgres } else { &mut summary.mongodb }) = written;
    }
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

/// A thread of its own makes the groups; everybody gets each.
fn make_groups(history: &Arc<PlantHistory>, senders: Vec<Sender<Message>>) {
    let history = history.clone();
    tokio::task::spawn_blocking(move || {
        for group in history.groups().take_while(|_| !senders.is_empty()) {
            let mut batch = Batch::default();
            batch.push(Arc::new(group));
            let batch = Some(Arc::new(batch));
            // Nobody takes them any more when the call was dropped or somebody failed.
            if senders.iter().any(|sender| sender.blocking_send(batch.clone()).is_err()) {
                return;
            }
        }
        for sender in &senders {
            // The same.
            let _ = sender.blocking_send(None);
        }
    });
}

const POSTGRES: &str = "PostgreSQL";
const MONGODB: &str = "MongoDB";

/// The next group; `None` is the end, which a channel that closes early is not.
type Message = Option<Arc<Batch>>;

/// Who takes groups.
enum Destination {
    Postgres(Box<Store>),
    Mongodb(Box<Mirror>),
}

impl Destination {
    fn name(&self) -> &'static str {
        match self {
            Self::Postgres(_) => POSTGRES,
            Self::Mongodb(_) => MONGODB,
        }
    }

    /// Takes all groups; what is there already is passed over.
    async fn write(
        mut self,
        mut batches: Receiver<Message>,
        report: UnboundedSender<(&'static str, i64)>,
    ) -> Result<(&'static str, Written), SeedError> {
        let (name, mut written) = (self.name(), Written::default());
        while let Some(message) = batches.recv().await {
            let Some(batch) = message else {
                match &self {
                    Self::Postgres(store) => store.finish().await?,
                    Self::Mongodb(mirror) => mirror.finish().await?,
                }
                break;
            };
            let begun = Instant::now();
            let new = match &mut self {
                Self::Postgres(store) => store.take(&batch).await?,
                Self::Mongodb(mirror) => mirror.take(&batch).await?,
            };
            if new {
                written.readings += batch.readings().count() as u64;
                written.snapshots += batch.snapshots().count() as u64;
                written.events += batch.events().count() as u64;
                written.seconds += begun.elapsed().as_secs_f64();
            }
            // A report that nobody reads any more is no loss.
            let _ = report.send((name, super::stored_us(&batch)));
        }
        Ok((name, written))
    }
}

/// The parameters of the history that PostgreSQL holds (whole or in part), so that a later run can go on with them.
pub async fn stored_history(settings: &PostgresSettings) -> Result<Option<HistoryParameters>, SeedError> {
    let client = settings.connect().await?;
    let failed = |error| SeedError::from(settings.error(error));
    let exists = client.query_one("SELECT to_regclass('genims_internal.seed_history') IS NOT NULL", &[]).await;
    if !exists.map_err(failed)?.get::<_, bool>(0) {
        return Ok(None);
    }
    let query = "SELECT digest FROM genims_internal.seed_history WHERE name = $1";
    let found = client.query_opt(query, &[&postgres::NAME]).await.map_err(failed)?;
    let digest = found.and_then(|row| serde_json::from_str::<serde_json::Value>(row.get(0)).ok());
    Ok(digest.and_then(|digest| serde_json::from_value(digest["parameters"].clone()).ok()))
}

/// MongoDB, written by the sink itself: intent, look, insert, ledger, position.
struct Mirror {
    database: String,
    log: uuid::Uuid,
    target: MongoTarget,
    position: u64,
    ledger: Collection<Document>,
    loaded: bool,
}

impl Mirror {
    async fn open(settings: &MongoSettings, history: &PlantHistory) -> Result<Self, SeedError> {
        let client: Client = settings.client().await?;
        let names = MongoNames { database: settings.database_name().to_owned(), ..MongoNames::default() };
        let ledger = client.database(&names.internal).collection::<Document>("seed_history");
        let digest = history.parameters.digest();
        let id = Self::id(settings.database_name());
        let failed = |error| SeedError::from(settings.error(error));
        let fresh = doc! { "$setOnInsert": { "digest": &digest, "loaded": false } };
        ledger.update_one(doc! { "_id": &id }, fresh).upsert(true).await.map_err(failed)?;
        let found = ledger.find_one(doc! { "_id": &id }).await.map_err(failed)?.unwrap_or_default();
        if let Ok(stored) = found.get_str("digest")
            && stored != digest
        {
            return Err(postgres::another(settings.database(), stored));
        }
        let directory = Arc::new(Directory::new(history.site.catalogue.clone()));
        let mut target = MongoTarget::new(client, names, directory).as_of(history.parameters.span_us().1);
        let log = history.parameters.log_id();
        let position = target.open(&start(log), 0).await;
        let position = position.map_err(|source| store_failed(settings.database(), source))?.next_offset();
        let loaded = found.get_bool("loaded").unwrap_or(false);
        Ok(Self { database: settings.database_name().to_owned(), log, target, position, ledger, loaded })
    }

    /// Several platforms may share a server.
    fn id(database: &str) -> Document {
        doc! { "database": database, "name": postgres::NAME }
    }

    async fn take(&mut self, batch: &Batch) -> Result<bool, SeedError> {
        if batch.next_offset <= self.position {
            return Ok(false);
        }
        let (patience, mut backoff) = (Instant::now() + PATIENCE, Backoff::default());
        while let Err(source) = self.target.commit(batch, self.position).await {
            // An insert of a killed run with which the server goes on, or one that was too much: the next is smaller.
            let may_pass = matches!(source, SinkError::StillRunning) || source.is_too_much();
            if !may_pass || Instant::now() > patience {
                return Err(store_failed(&self.database, source));
            }
            tokio::time::sleep(backoff.next_delay()).await;
            self.target.close();
            let reopened = self.target.open(&start(self.log), 0).await;
            let reached = reopened.map_err(|source| store_failed(&self.database, source))?.next_offset();
            if reached >= batch.next_offset {
                break;
            }
        }
        self.position = batch.next_offset;
        Ok(true)
    }

    async fn finish(&self) -> Result<(), SeedError> {
        let loaded =
            doc! { "$set": { "loaded": true, "rows": self.position as i64, "seeded_at": bson::DateTime::now() } };
        let updated = self.ledger.update_one(doc! { "_id": Self::id(&self.database) }, loaded).await;
        updated.map(|_| ()).map_err(|error| store_failed(&self.database, error.into()))
    }
}

fn store_failed(database: &str, source: SinkError) -> SeedError {
    SeedError::Store { database: database.to_owned(), source: Box::new(source) }
}
