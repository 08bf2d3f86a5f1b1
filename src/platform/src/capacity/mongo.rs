//! What the document store knows of its size and growth: documents by the field by which they expire, time series by their buckets,
//! whose ids begin with the time of their first measurement. Collections that say neither are not measured.

use super::disk;
use super::growth::{Counted, DAYS, Growth, Inflow};
use super::known::{Disk, Known, server};
use super::limits;
use crate::errors::PlatformError;
use chrono::{NaiveTime, Utc};
use futures_util::TryStreamExt;
use genims_databases::{Database, Engine, Environment, MongoClient, MongoSettings};
use mongodb::Collection;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::results::{CollectionSpecification, CollectionType};
use std::time::Duration;

const DAY_SECONDS: i64 = 86_400;
const SPAN_SECONDS: i64 = DAYS as i64 * DAY_SECONDS;

/// `limit`: for one answer.
pub(super) async fn ask(
    database: &Database,
    environment: &Environment,
    limit: Duration,
) -> Result<Known, PlatformError> {
    let settings = MongoSettings::from_environment(database, environment)?;
    let client = settings.client().await?;
    let place = settings.place();
    let failed = |source| PlatformError::from(settings.error(source));
    let store = client.database(settings.database_name());
    let statistics = limits::answer(&place, limit, store.run_command(doc! { "dbStats": 1 })).await?.map_err(failed)?;
    let bytes = (number(&statistics, "storageSize") + number(&statistics, "indexSize")) as u64;
    let session = Session { store, today: midnight(), limit };
    let timed = limits::answer(&place, limit, session.timed()).await?.map_err(failed)?;
    let (mut inflows, mut silent) = (Vec::new(), 0);
    for one in &timed {
        match limits::answer(&place, limit, session.inflow(one)).await? {
            Ok(Some(inflow)) => inflows.push(inflow),
            Ok(None) => silent += 1,
            Err(error) if is_refused(&error) => silent += 1,
            Err(error) => return Err(failed(error)),
        }
    }
    let disk = limits::answer(&place, limit, of_server(&client, &place, &statistics)).await?;
    Ok(Known {
        database: database.name.clone(),
        engine: Engine::Mongodb,
        server: server(&place).to_owned(),
        bytes,
        growth: Growth::of(&inflows, bytes, silent),
        partitioned: Vec::new(),
        numberings: Vec::new(),
        transaction_age: None,
        disk,
    })
}

/// The server says how full its disk is, wherever that is; where its data lies only to some logins.
async fn of_server(client: &MongoClient, place: &str, statistics: &Document) -> Disk {
    let options = client.database("admin").run_command(doc! { "getCmdLineOpts": 1 }).await.unwrap_or_default();
    let storage = options.get_document("parsed").and_then(|parsed| parsed.get_document("storage"));
    let directory = storage.ok().and_then(|storage| storage.get_str("dbPath").ok());
    let [used, total] = ["fsUsedSize", "fsTotalSize"].map(|key| number(statistics, key) as u64);
    match disk::of_server(place, directory) {
        Disk::Unknown(_) if total > 0 => Disk::Told { used, total },
        disk => disk,
    }
}

/// A collection that says when its documents came.
#[derive(Debug)]
struct Timed {
    name: String,
    by: By,
    expires_after: Option<Duration>,
}

#[derive(Debug, PartialEq)]
enum By {
    Field(String),
    Buckets,
}

impl Timed {
    /// A moment as the key has it.
    fn key(&self, seconds: i64) -> Bson {
        match self.by {
            By::Field(_) => Bson::DateTime(DateTime::from_millis(seconds.saturating_mul(1_000))),
            By::Buckets => {
                let seconds = u32::try_from(seconds.max(0)).unwrap_or(u32::MAX);
                Bson::ObjectId(ObjectId::from_parts(seconds, [0; 5], [0; 3]))
            }
        }
    }

    fn field(&self) -> &str {
        match &self.by {
            By::Field(field) => field,
            By::Buckets => "_id",
        }
    }

    /// Where the documents, or the buckets, are.
    fn stored_in(&self) -> String {
        match self.by {
            By::Field(_) => self.name.clone(),
            By::Buckets => format!("system.buckets.{}", self.name),
        }
    }
}

struct Session {
    store: mongodb::Database,
    /// When today began, in seconds since 1970.
    today: i64,
    limit: Duration,
}

impl Session {
    async fn timed(&self) -> Result<Vec<Timed>, Error> {
        let (mut timed, mut collections) = (Vec::new(), self.store.list_collections().await?);
        while let Some(collection) = collections.try_next().await? {
            if collection.collection_type == CollectionType::View || collection.name.starts_with("system.") {
                continue;
            }
            if collection.options.timeseries.is_some() {
                let CollectionSpecification { name, options, .. } = collection;
                timed.push(Timed { name, by: By::Buckets, expires_after: options.expire_after_seconds });
                continue;
            }
            let mut indexes = self.store.collection::<Document>(&collection.name).list_indexes().await?;
            while let Some(index) = indexes.try_next().await? {
                let expires_after = index.options.and_then(|options| options.expire_after);
                if let (Some(_), Some(field)) = (expires_after, index.keys.keys().next()) {
                    let by = By::Field(field.clone());
                    timed.push(Timed { name: collection.name.clone(), by, expires_after });
                    break;
                }
            }
        }
        Ok(timed)
    }

    /// None where the buckets are not to be seen.
    async fn inflow(&self, timed: &Timed) -> Result<Option<Inflow>, Error> {
        let statistics = self.store.run_command(doc! { "collStats": &timed.name }).await?;
        let bytes = number(&statistics, "storageSize") + number(&statistics, "totalIndexSize");
        // Room of what went is used again.
        let taken = (bytes - number(&statistics, "freeStorageSize")).max(0.0) as u64;
        let collection: Collection<Document> = self.store.collection(&timed.stored_in());
        let all = collection.estimated_document_count().max_time(self.limit).await?;
        let buckets = statistics.get_document("timeseries").map_or(0.0, |series| number(series, "bucketCount"));
        if all == 0 && buckets > 0.0 {
            return Ok(None);
        }
        let recent = self.count(&collection, timed, self.today - SPAN_SECONDS).await?;
        let expiring = match timed.expires_after {
            Some(after) => {
                let after = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
                self.count(&collection, timed, self.today.saturating_sub(after)).await?
            }
            None => 0,
        };
        let age_days = self.oldest(&collection, timed).await?.map(|oldest| age_days(self.today, oldest));
        let counted = Counted { all, recent, expiring, age_days: age_days.flatten() };
        Ok(Some(Inflow::of_rows(&timed.name, taken, &counted)))
    }

    /// Of so many days from a moment on.
    async fn count(&self, collection: &Collection<Document>, timed: &Timed, from: i64) -> Result<u64, Error> {
        let (from, to) = (timed.key(from), timed.key(from.saturating_add(SPAN_SECONDS)));
        let span = doc! { timed.field(): { "$gte": from, "$lt": to } };
        collection.count_documents(span).max_time(self.limit).await
    }

    /// In seconds since 1970.
    async fn oldest(&self, collection: &Collection<Document>, timed: &Timed) -> Result<Option<i64>, Error> {
        let field = timed.field();
        let kind = if timed.by == By::Buckets { "objectId" } else { "date" };
        let first = collection.find_one(doc! { field: { "$type": kind } }).sort(doc! { field: 1 });
        let found = first.projection(doc! { field: 1 }).max_time(self.limit).await?;
        Ok(found.and_then(|found| match found.get(field)? {
            Bson::DateTime(time) => Some(time.timestamp_millis().div_euclid(1_000)),
            Bson::ObjectId(id) => Some(id.timestamp().timestamp_millis().div_euclid(1_000)),
            _ => None,
        }))
    }
}

/// When today began, UTC, in seconds since 1970.
fn midnight() -> i64 {
    Utc::now().date_naive().and_time(NaiveTime::MIN).and_utc().timestamp()
}

/// Days that began since; none of what is to come.
fn age_days(today: i64, oldest: i64) -> Option<u64> {
    u64::try_from(today.div_euclid(DAY_SECONDS) - oldest.div_euclid(DAY_SECONDS)).ok()
}

/// What the server itself said no to: a right, or the time that one command may take.
pub(super) fn is_refused(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(_))
}

/// Numbers come as whatever type the server finds small enough.
pub(super) fn number(document: &Document, key: &str) -> f64 {
    match document.get(key) {
        Some(Bson::Double(value)) => *value,
        Some(Bson::Int64(value)) => *value as f64,
        Some(Bson::Int32(value)) => f64::from(*value),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(by: By) -> Timed {
        Timed { name: "sensor_readings".to_owned(), by, expires_after: None }
    }

    #[test]
    fn buckets_are_found_by_the_time_in_their_id() {
        let buckets = timed(By::Buckets);
        assert_eq!((buckets.field(), buckets.stored_in().as_str()), ("_id", "system.buckets.sensor_readings"));
        let Bson::ObjectId(id) = buckets.key(1_709_164_800) else { panic!("an id") };
        assert_eq!((id.timestamp().timestamp_millis(), &id.bytes()[4..]), (1_709_164_800_000, &[0; 8][..]));
        // What is kept longer than since 1970 is all of it.
        assert_eq!(buckets.key(-1), buckets.key(0));
        let field = timed(By::Field("sent_at".to_owned()));
        assert_eq!((field.field(), field.stored_in().as_str()), ("sent_at", "sensor_readings"));
        assert_eq!(field.key(1_709_164_800), Bson::DateTime(DateTime::from_millis(1_709_164_800_000)));
    }

    #[test]
    fn ages_are_counted_in_days_that_began() {
        let today = 20_000 * DAY_SECONDS;
        let ages =
            [today + 5, today, today - 1, today - DAY_SECONDS, today + DAY_SECONDS].map(|at| age_days(today, at));
        assert_eq!(ages, [Some(0), Some(0), Some(1), Some(1), None]);
        assert_eq!(midnight() % DAY_SECONDS, 0);
    }
}
