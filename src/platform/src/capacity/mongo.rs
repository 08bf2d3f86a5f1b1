//! What the document store knows of its size and growth: documents by the field by which they expire, time series by their buckets,
//! whose ids begin with the time of their first measurement. Collections that say neither are not measured, nor are time series that hold
//! nothing of these days: an archive gets what is years old, and its ids do not say when.

use super::disk;
use super::growth::{Counted, DAYS, Growth, Inflow, LeftOut};
use super::known::{Disk, Known, server};
use super::limits::{self, Limits};
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

pub(super) async fn ask(
    database: &Database,
    environment: &Environment,
    limits: Limits,
) -> Result<Known, PlatformError> {
    let settings = MongoSettings::from_environment(database, environment)?;
    let client = settings.client().await?;
    let place = settings.place();
    let failed = |source| PlatformError::from(settings.error(source));
    let store = client.database(settings.database_name());
    let limit = limits.answer;
    let statistics = limits::answer(&place, limit, store.run_command(doc! { "dbStats": 1 })).await?.map_err(failed)?;
    let bytes = (number(&statistics, "storageSize") + number(&statistics, "indexSize")) as u64;
    let session = Session { store, today: midnight(), limit };
    let collections = limits::answer(&place, limit, session.collections()).await?.map_err(failed)?;
    let (mut inflows, mut left_out) = (Vec::new(), LeftOut::default());
    for collection in collections {
        if limits.are_reached() {
            left_out.silent += 1;
            continue;
        }
        // One that takes long for its commands, or is refused, costs no other: only a connection that fails ends all.
        match limits::answer(&place, limit, session.measured(collection)).await {
            Ok(Ok(Measured::Inflow(inflow))) => inflows.push(inflow),
            Ok(Ok(Measured::Untimed)) => {}
            Ok(Ok(Measured::Undated)) => left_out.undated += 1,
            Ok(Ok(Measured::Hidden)) | Err(_) => left_out.silent += 1,
            Ok(Err(error)) if is_refused(&error) => left_out.silent += 1,
            Ok(Err(error)) => return Err(failed(error)),
        }
    }
    let disk = limits::answer(&place, limit, of_server(&client, &place, &statistics)).await?;
    Ok(Known {
        database: database.name.clone(),
        engine: Engine::Mongodb,
        server: server(&place).to_owned(),
        bytes,
        growth: Growth::of(&inflows, bytes, left_out),
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

/// What one collection said.
#[derive(Debug, PartialEq)]
enum Measured {
    Inflow(Inflow),
    /// It says of nothing when it came.
    Untimed,
    /// It holds times of long ago alone: whether something came on these days is not to be told from them.
    Undated,
    /// The buckets are not to be seen.
    Hidden,
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

    /// `bytes` on disk.
    fn measured(&self, bytes: u64, counted: &Counted) -> Measured {
        let is_of_long_ago = counted.recent == 0 && counted.age_days.is_some_and(|days| days > 0);
        if self.by == By::Buckets && is_of_long_ago {
            return Measured::Undated;
        }
        Measured::Inflow(Inflow::of_rows(&self.name, bytes, counted))
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
    async fn collections(&self) -> Result<Vec<CollectionSpecification>, Error> {
        let found: Vec<CollectionSpecification> = self.store.list_collections().await?.try_collect().await?;
        let is_own = |one: &CollectionSpecification| {
            one.collection_type != CollectionType::View && !one.name.starts_with("system.")
        };
        Ok(found.into_iter().filter(is_own).collect())
    }

    async fn measured(&self, collection: CollectionSpecification) -> Result<Measured, Error> {
        match self.timed(collection).await? {
            Some(timed) => self.inflow(&timed).await,
            None => Ok(Measured::Untimed),
        }
    }

    async fn timed(&self, collection: CollectionSpecification) -> Result<Option<Timed>, Error> {
        let CollectionSpecification { name, options, .. } = collection;
        if options.timeseries.is_some() {
            return Ok(Some(Timed { name, by: By::Buckets, expires_after: options.expire_after_seconds }));
        }
        let mut indexes = self.store.collection::<Document>(&name).list_indexes().await?;
        while let Some(index) = indexes.try_next().await? {
            let expires_after = index.options.and_then(|options| options.expire_after);
            if let (Some(_), Some(field)) = (expires_after, index.keys.keys().next()) {
                let by = By::Field(field.clone());
                return Ok(Some(Timed { name, by, expires_after }));
            }
        }
        Ok(None)
    }

    async fn inflow(&self, timed: &Timed) -> Result<Measured, Error> {
        let statistics = self.store.run_command(doc! { "collStats": &timed.name }).await?;
        let bytes = number(&statistics, "storageSize") + number(&statistics, "totalIndexSize");
        // Room of what went is used again.
        let taken = (bytes - number(&statistics, "freeStorageSize")).max(0.0) as u64;
        let collection: Collection<Document> = self.store.collection(&timed.stored_in());
        let all = collection.estimated_document_count().max_time(self.limit).await?;
        let buckets = statistics.get_document("timeseries").map_or(0.0, |series| number(series, "bucketCount"));
        if all == 0 && buckets > 0.0 {
            return Ok(Measured::Hidden);
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
        Ok(timed.measured(taken, &counted))
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
    fn a_series_of_long_ago_does_not_say_what_came() {
        let counted = |recent, age_days| Counted { all: 9, recent, expiring: 0, age_days };
        let of = |by, recent, age_days| timed(by).measured(900, &counted(recent, age_days));
        assert_eq!(of(By::Buckets, 0, Some(1_098)), Measured::Undated);
        for (recent, age_days) in [(1, Some(1_098)), (0, Some(0)), (0, None)] {
            assert!(matches!(of(By::Buckets, recent, age_days), Measured::Inflow(_)), "{recent} {age_days:?}");
        }
        let sent = of(By::Field("sent_at".to_owned()), 0, Some(90));
        assert!(matches!(sent, Measured::Inflow(inflow) if inflow.came_bytes == 0.0), "none came");
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
