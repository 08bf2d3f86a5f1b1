//! Bare MongoDB bulk insert: one writer, ready-made documents, unordered, into a time-series collection with the options
//! and indexes of the mirror, in a scratch database.

use super::rows::{ID_AT, TIMESTAMP_AT, batch, document};
use super::{BATCH_ROWS, BaselineError};
use crate::database::Mongo;
use crate::plant::Plant;
use ::mongodb::Collection;
use bson::{Document, RawDocumentBuf, doc};
use futures_util::TryStreamExt;

const DATABASE: &str = "genims_loadtest";
const COLLECTION: &str = "sensor_readings";

pub struct MongoBaseline {
    database: ::mongodb::Database,
    collection: Collection<RawDocumentBuf>,
    documents: Vec<RawDocumentBuf>,
    batch_ms: i64,
    batches: u32,
}

impl MongoBaseline {
    pub async fn prepare(mongo: Mongo, plant: &Plant) -> Result<Self, BaselineError> {
        let database = mongo.client.database(DATABASE);
        // What a run that was killed left behind goes first.
        database.drop().await?;
        create(&mongo.database(), &database).await?;
        let start_us = chrono::Utc::now().timestamp() * 1_000_000;
        let per_sensor = (BATCH_ROWS / plant.sensors.len().max(1) + 1) as i64;
        let mut documents = Vec::with_capacity(BATCH_ROWS);
        for row in batch(plant, BATCH_ROWS, start_us, 1_000) {
            documents.push(raw(document(&row, [0; 12]).to_vec())?);
        }
        let collection = database.collection(COLLECTION);
        Ok(Self { database, collection, documents, batch_ms: per_sensor, batches: 0 })
    }

    /// One bulk; returns its documents.
    pub async fn batch(&mut self) -> Result<u64, BaselineError> {
        self.move_on()?;
        self.batches += 1;
        let result = self.collection.insert_many(&self.documents).ordered(false).await?;
        Ok(result.inserted_ids.len() as u64)
    }

    /// The same documents a little later and under new ids.
    fn move_on(&mut self) -> Result<(), BaselineError> {
        let step_ms = if self.batches == 0 { 0 } else { self.batch_ms };
        for (number, document) in self.documents.iter_mut().enumerate() {
            let mut bytes = std::mem::take(document).into_bytes();
            let time = bytes[TIMESTAMP_AT..TIMESTAMP_AT + 8].try_into().map_or(0, i64::from_le_bytes);
            bytes[TIMESTAMP_AT..TIMESTAMP_AT + 8].copy_from_slice(&(time + step_ms).to_le_bytes());
            bytes[ID_AT..ID_AT + 4].copy_from_slice(&self.batches.to_be_bytes());
            bytes[ID_AT + 8..ID_AT + 12].copy_from_slice(&(number as u32).to_be_bytes());
            *document = raw(Ok(bytes))?;
        }
        Ok(())
    }

    pub async fn remove(self) -> Result<(), BaselineError> {
        self.database.drop().await?;
        Ok(())
    }
}

fn raw(bytes: Result<Vec<u8>, bson::error::Error>) -> Result<RawDocumentBuf, BaselineError> {
    bytes.and_then(RawDocumentBuf::from_bytes).map_err(|error| BaselineError::Other(error.to_string()))
}

/// A collection with the mirror's own options and indexes.
async fn create(mirror: &::mongodb::Database, scratch: &::mongodb::Database) -> Result<(), BaselineError> {
    let found: Vec<Document> = mirror
        .run_cursor_command(doc! { "listCollections": 1, "filter": { "name": COLLECTION } })
        .await?
        .try_collect()
        .await?;
    let options = found.first().and_then(|collection| collection.get_document("options").ok()).ok_or_else(|| {
        BaselineError::Other("MongoDB has no collection sensor_readings: run `genims provision`".into())
    })?;
    let mut command = doc! { "create": COLLECTION };
    for key in ["timeseries", "expireAfterSeconds"] {
        if let Some(value) = options.get(key) {
            command.insert(key, value.clone());
        }
    }
    scratch.run_command(command).await?;
    let indexes: Vec<Document> =
        mirror.run_cursor_command(doc! { "listIndexes": COLLECTION }).await?.try_collect().await?;
    let indexes: Vec<Document> = indexes
        .iter()
        .map(|index| {
            doc! {
                "name": index.get_str("name").unwrap_or("index"),
                "key": index.get_document("key").cloned().unwrap_or_default(),
            }
        })
        .collect();
    if !indexes.is_empty() {
        scratch.run_command(doc! { "createIndexes": COLLECTION, "indexes": indexes }).await?;
    }
    Ok(())
}
