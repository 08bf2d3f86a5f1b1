//! Documents into MongoDB. There are no transactions here, so every seeded document has an `_id` that only its collection
//! and row decide: what a killed run left is recognised by its `_id` and not inserted again.

use super::ledger::{SeedLedger, written};
use super::{Message, Plan, SeedProgress, SeededDatabase, Show};
use crate::errors::SeedError;
use crate::functions::site_seed;
use crate::value::{DAY_US, Value};
use crate::world::Parameters;
use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use genims_databases::MongoSettings;
use genims_databases::mongo::INTERNAL_DATABASE;
use mongodb::{Collection, Database};
use std::collections::HashSet;
use tokio::sync::mpsc::Receiver;

const LEDGER: &str = "seed_ledger";

pub(super) async fn ledger(settings: &MongoSettings) -> Result<SeedLedger, SeedError> {
    let failed = |error| SeedError::from(settings.error(error));
    let collection: Collection<Document> = settings.client().await?.database(INTERNAL_DATABASE).collection(LEDGER);
    let found: Vec<Document> =
        collection.find(doc! {}).sort(doc! { "_id": 1 }).await.map_err(failed)?.try_collect().await.map_err(failed)?;
    let text = |entry: &Document, name| entry.get_str(name).unwrap_or_default().to_owned();
    Ok(SeedLedger::new(found.iter().map(|entry| (text(entry, "_id"), text(entry, "parameters"))).collect()))
}

pub(super) async fn load(
    settings: &MongoSettings,
    parameters: Parameters,
    mut receiver: Receiver<Message>,
    report: &mut SeededDatabase,
    show: Show<'_>,
) -> Result<(), SeedError> {
    let client = settings.client().await?;
    let database = client.database(settings.database_name());
    let ledger: Collection<Document> = client.database(INTERNAL_DATABASE).collection(LEDGER);
    let mut open: Option<Filling> = None;
    while let Some(message) = receiver.recv().await {
        match message {
            Message::Begin | Message::Chunk(_) => {}
            Message::Table(plan) => open = Some(Filling::start(settings, &database, plan, parameters).await?),
            Message::Documents(documents) => {
                if let Some(filling) = &mut open {
                    report.bytes += filling.insert(settings, documents).await?;
                }
            }
            Message::Commit => {
                let Some(Filling { plan, .. }) = open.take() else { continue };
                let entry = doc! { "_id": &plan.table, "parameters": written(parameters), "rows": plan.rows as i64 };
                ledger.insert_one(entry).await.map_err(|error| settings.error(error))?;
                (report.rows, report.loaded) = (report.rows + plan.rows as u64, report.loaded + 1);
                show(SeedProgress::Table { database: settings.database(), table: &plan.table, rows: plan.rows as u64 });
            }
            Message::Failed(cause) => return Err(SeedError::Specs { cause }),
        }
    }
    Ok(())
}

/// A collection being filled.
struct Filling {
    plan: Plan,
    collection: Collection<Document>,
    /// The first eight bytes of its ids.
    prefix: u64,
    there: HashSet<u32>,
    next: u32,
}

impl Filling {
    async fn start(
        settings: &MongoSettings,
        database: &Database,
        plan: Plan,
        parameters: Parameters,
    ) -> Result<Self, SeedError> {
        let failed = |error| SeedError::Table { table: plan.table.clone(), source: settings.error(error) };
        let collection: Collection<Document> = database.collection(&plan.table);
        let prefix = site_seed(parameters.seed, &plan.table, 0);
        let mut there = HashSet::new();
        let left = doc! { "_id": { "$gte": id(prefix, 0), "$lte": id(prefix, u32::MAX) } };
        let mut found = collection.find(left).projection(doc! { "_id": 1 }).await.map_err(failed)?;
        while let Some(document) = found.try_next().await.map_err(failed)? {
            if let Ok(id) = document.get_object_id("_id") {
                let [.., a, b, c, d] = id.bytes();
                there.insert(u32::from_be_bytes([a, b, c, d]));
            }
        }
        Ok(Self { plan, collection, prefix, there, next: 0 })
    }

    /// The bytes inserted.
    async fn insert(&mut self, settings: &MongoSettings, documents: Vec<Document>) -> Result<u64, SeedError> {
        let mut missing = Vec::with_capacity(documents.len());
        for mut document in documents {
            if !self.there.contains(&self.next) {
                document.insert("_id", id(self.prefix, self.next));
                missing.push(document);
            }
            self.next += 1;
        }
        let bytes = missing.iter().filter_map(|document| document.to_vec().ok()).map(|bytes| bytes.len() as u64).sum();
        if !missing.is_empty() {
            let inserted = self.collection.insert_many(missing).ordered(false).await;
            inserted
                .map_err(|error| SeedError::Table { table: self.plan.table.clone(), source: settings.error(error) })?;
        }
        Ok(bytes)
    }
}

fn id(prefix: u64, row: u32) -> ObjectId {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&prefix.to_be_bytes());
    bytes[8..].copy_from_slice(&row.to_be_bytes());
    ObjectId::from_bytes(bytes)
}

/// `a.b` becomes field `b` in document `a`; nulls are left out.
pub(super) fn document(names: &[String], values: &[&Value]) -> Document {
    let mut document = Document::new();
    for (name, value) in names.iter().zip(values).filter(|(_, value)| !value.is_null()) {
        put(&mut document, name, bson(value));
    }
    document
}

fn put(document: &mut Document, name: &str, value: Bson) {
    match name.split_once('.') {
        None => drop(document.insert(name, value)),
        Some((first, rest)) => {
            if let Bson::Document(inner) =
                document.entry(first.to_owned()).or_insert_with(|| Bson::Document(Document::new()))
            {
                put(inner, rest, value);
            }
        }
    }
}

fn bson(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Boolean(value) => Bson::Boolean(*value),
        Value::Integer(value) => Bson::Int64(*value),
        Value::Number(value) => Bson::Double(*value),
        Value::Text(text) => Bson::String(text.to_string()),
        Value::Date(days) => Bson::DateTime(bson::DateTime::from_millis(i64::from(*days) * DAY_US / 1000)),
        Value::Timestamp(us) => Bson::DateTime(bson::DateTime::from_millis(us / 1000)),
        Value::Time(_) | Value::Interval(_) => {
            let mut text = String::new();
            value.append_to(&mut text);
            Bson::String(text)
        }
        Value::Bytes(bytes) => {
            Bson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: bytes.as_ref().clone() })
        }
        Value::List(values) => Bson::Array(values.iter().map(bson).collect()),
        Value::Object(fields) => {
            Bson::Document(fields.iter().map(|(name, value)| (name.to_string(), bson(value))).collect())
        }
    }
}
