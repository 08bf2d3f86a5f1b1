//! The document store that a job fills: staging collections in `genims_internal`, and the swap of a group of days.
//!
//! Enters: rows of the sources. Leaves: the collections of the target, changed by whole days. MongoDB has no transactions here (one server
//! alone has none), so what a transaction would promise is promised otherwise. Invariants: documents are computed into staging
//! collections that have the validator and the unique indexes of their target, so what that would refuse is refused there, and compared with the source there;
//! one document (`etl_swaps`) is the moment from which they count: without it nothing of them is ever visible, with it they are
//! brought into their places, by the next run if this one is killed. Bringing them there twice ends the same. Before a day loses anything
//! the run looks whether that document is still its own: where another run has taken over, staging collections may be gone, and one
//! that is gone looks like one that is empty.

use crate::days::Span;
use crate::documents::{document, pipeline, told};
use crate::error::EtlError;
use crate::job::{Reconciliation, Table};
use crate::source::DocumentRows;
use crate::target::{by_run, staging_name};
use bson::{Bson, DateTime, Document, doc};
use chrono::{NaiveDate, NaiveTime};
use futures_util::{StreamExt, TryStreamExt};
use genims_databases::MongoSettings;
use genims_databases::mongo::{INTERNAL_DATABASE, durable};
use mongodb::error::ErrorKind;
use mongodb::results::CollectionSpecification;
use mongodb::{Collection, Database, IndexModel};
use std::collections::{BTreeMap, HashSet};

const SWAPS: &str = "etl_swaps";
/// Documents in one command.
const DOCUMENTS_MAX: usize = 1_000;
/// DuplicateKey, DocumentValidationFailure.
const REFUSALS: [i32; 2] = [11_000, 121];

pub struct DocumentTarget {
    settings: MongoSettings,
    /// The one of the contract.
    database: Database,
    internal: Database,
    job: String,
    run_id: i64,
    /// Staging collections that exist.
    staged: Vec<String>,
    /// What was staged counts, or may: it stays until it is in its place.
    counts: bool,
}

impl DocumentTarget {
    pub async fn open(settings: MongoSettings, job: &str, run_id: i64) -> Result<Self, EtlError> {
        let client = settings.client().await?;
        let (database, internal) = (client.database(settings.database_name()), client.database(INTERNAL_DATABASE));
        Ok(Self { settings, database, internal, job: job.to_owned(), run_id, staged: Vec::new(), counts: false })
    }

    fn failed(&self, what: &str, error: mongodb::error::Error) -> EtlError {
        EtlError::Statement { what: what.to_owned(), source: self.settings.error(error) }
    }

    fn swaps(&self) -> Collection<Document> {
        self.internal.collection(SWAPS)
    }

    /// The runs whose staging collections are still there.
    pub async fn leftovers(&self) -> Result<BTreeMap<i64, Vec<String>>, EtlError> {
        Ok(by_run(self.names().await?))
    }

    async fn names(&self) -> Result<Vec<String>, EtlError> {
        let names = self.internal.list_collection_names().await;
        names.map_err(|error| self.failed("looking for staging collections", error))
    }

    pub async fn drop_staging(&self, names: &[String]) -> Result<(), EtlError> {
        for name in names {
            let dropped = self.internal.collection::<Document>(name).drop().await;
            dropped.map_err(|error| self.failed("dropping a staging collection", error))?;
        }
        Ok(())
    }

    /// Brings to its end what an earlier run of the job had to leave; before anything else of it is computed or dropped. Where what it
    /// computed is gone (`genims_internal` was restored or emptied), no day is touched, and what the target refuses it refuses for ever: then
    /// the run, to be [given up](Self::give_up) once it is noted that its days must be computed anew, and the days.
    pub async fn settle(&self) -> Result<Option<(i64, Span)>, EtlError> {
        let found = self.swaps().find_one(doc! { "_id": &self.job }).await;
        let Some(swap) = found.map_err(|error| self.failed("looking for an unfinished swap", error))? else {
            return Ok(None);
        };
        let swap = Swap::read(&swap).ok_or_else(|| EtlError::Loading {
            what: format!("job {}: an unfinished swap", self.job),
            cause: format!("{INTERNAL_DATABASE}.{SWAPS} holds what this release does not understand"),
        })?;
        let (job, run) = (&self.job, swap.run_id);
        let staged: Vec<String> = swap.tables.iter().map(|(name, _)| staging_name(run, name)).collect();
        let names = self.names().await?;
        if let Some(gone) = staged.iter().find(|name| !names.contains(name)) {
            let Span { first, last } = swap.span;
            tracing::warn!(job, run, gone, %first, %last, "what an earlier run computed is gone; its days are computed anew");
            return Ok(Some((run, swap.span)));
        }
        tracing::info!(job, run, "days that an earlier run computed are brought to their places");
        match self.bring(&swap).await {
            Err(error @ EtlError::Refused { .. }) => {
                tracing::warn!(job, run, %error, "what an earlier run computed is given up");
                Ok(Some((run, swap.span)))
            }
            Err(error) => Err(error),
            Ok(()) => self.drop_staging(&staged).await.map(|()| None),
        }
    }

    /// Lets a swap go that cannot be brought to its end.
    pub async fn give_up(&self, run_id: i64) -> Result<(), EtlError> {
        let gone = self.swaps().delete_one(doc! { "_id": &self.job, "run_id": run_id }).await;
        gone.map(drop).map_err(|error| self.failed("giving up a swap", error))
    }

    /// Makes a staging collection of the form of its target, and fills it; how many documents there were.
    pub async fn stage(&mut self, table: &Table, mut rows: DocumentRows) -> Result<u64, EtlError> {
        let what = format!("computing {}", table.name);
        let staging = staging_name(self.run_id, &table.name);
        let mut create = self.internal.create_collection(&staging);
        if let Some(validator) = self.validator(&what, &table.name).await? {
            create = create.validator(validator);
        }
        create.await.map_err(|error| self.failed(&what, error))?;
        self.staged.push(staging.clone());
        let unique = self.unique(&table.name).await.map_err(|error| self.failed(&what, error))?;
        if !unique.is_empty() {
            let created = self.internal.collection::<Document>(&staging).create_indexes(unique).await;
            created.map_err(|error| self.failed(&what, error))?;
        }
        let collection = self.internal.collection::<Document>(&staging);
        let bad = |cause| EtlError::Loading { what: what.clone(), cause };
        let (mut batch, mut count) = (Vec::with_capacity(DOCUMENTS_MAX), 0);
        loop {
            let row = rows.rows.next().await;
            if let Some(row) = &row {
                let row = row.as_ref().map_err(|error| {
                    bad(format!("the source stopped: {}", genims_databases::errors::postgres_cause(error)))
                })?;
                batch.push(document(row, &rows.fields, &table.key).map_err(bad)?);
            }
            if batch.len() == DOCUMENTS_MAX || (row.is_none() && !batch.is_empty()) {
                count += batch.len() as u64;
                let inserted = collection.insert_many(std::mem::take(&mut batch)).await;
                inserted.map_err(|error| self.failed(&what, error))?;
            }
            if row.is_none() {
                return Ok(count);
            }
        }
    }

    async fn validator(&self, what: &str, name: &str) -> Result<Option<Document>, EtlError> {
        let failed = |error| self.failed(what, error);
        let found = self.database.list_collections().filter(doc! { "name": name }).await.map_err(failed)?;
        let mut found: Vec<CollectionSpecification> = found.try_collect().await.map_err(failed)?;
        let none = || EtlError::NoCollection { database: self.settings.place(), collection: name.to_owned() };
        found.pop().map(|collection| collection.options.validator).ok_or_else(none)
    }

    /// What must be unique in the target must be so before it counts.
    async fn unique(&self, name: &str) -> Result<Vec<IndexModel>, mongodb::error::Error> {
        let indexes = self.database.collection::<Document>(name).list_indexes().await?;
        let all: Vec<IndexModel> = indexes.try_collect().await?;
        let is_unique = |index: &IndexModel| index.options.as_ref().is_some_and(|options| options.unique == Some(true));
        Ok(all.into_iter().filter(is_unique).collect())
    }

    /// Keys and values of what was staged, as text.
    pub async fn answers(&self, what: &str, made: &Reconciliation) -> Result<BTreeMap<String, String>, EtlError> {
        let stages = pipeline(&made.target);
        let stages = stages.map_err(|cause| EtlError::Loading { what: what.to_owned(), cause })?;
        let staging = staging_name(self.run_id, made.table.as_deref().unwrap_or_default());
        let failed = |error| self.failed(what, error);
        let cursor = self.internal.collection::<Document>(&staging).aggregate(stages).await.map_err(failed)?;
        let found: Vec<Document> = cursor.try_collect().await.map_err(failed)?;
        Ok(found.iter().map(|answer| (told(answer.get("k")), told(answer.get("v")))).collect())
    }

    /// From here on what was staged counts; then it takes the place of what the days had.
    pub async fn swap(&mut self, tables: &[Table], span: Span) -> Result<(), EtlError> {
        let of = |table: &Table| (table.name.clone(), table.window.clone().unwrap_or_default());
        let swap = Swap { run_id: self.run_id, span, tables: tables.iter().map(of).collect() };
        // Whether it was written is not known when the connection breaks: then the next run finds it, or not.
        self.counts = true;
        let noted = self.swaps().insert_one(swap.written(&self.job)).await;
        noted.map_err(|error| self.failed("storing", error))?;
        self.bring(&swap).await?;
        self.counts = false;
        Ok(())
    }

    async fn bring(&self, swap: &Swap) -> Result<(), EtlError> {
        for (name, window) in &swap.tables {
            for day in swap.span.first.iter_days().take_while(|day| *day <= swap.span.last) {
                self.bring_day(swap, name, window, day).await?;
            }
        }
        // What days look like is noted next, in another database that waits for its disk: so does this.
        let done = self.swaps().delete_one(self.own(swap)).write_concern(durable()).await;
        match done.map_err(|error| self.failed("storing", error))?.deleted_count {
            0 => Err(self.taken_over()),
            _ => Ok(()),
        }
    }

    fn own(&self, swap: &Swap) -> Document {
        doc! { "_id": &self.job, "run_id": swap.run_id }
    }

    fn taken_over(&self) -> EtlError {
        EtlError::TakenOver { job: self.job.clone() }
    }

    /// What is no longer computed goes first, or a unique index might see one thing twice.
    async fn bring_day(&self, swap: &Swap, name: &str, window: &str, day: NaiveDate) -> Result<(), EtlError> {
        let failed = |error| self.failed(&format!("storing {name}"), error);
        let staged: Collection<Document> = self.internal.collection(&staging_name(swap.run_id, name));
        let target: Collection<Document> = self.database.collection(name);
        let within = doc! { window: { "$gte": midnight(day), "$lt": midnight(day.succ_opt().unwrap_or(day)) } };
        let computed = ids(&staged, &within).await.map_err(failed)?;
        let computed: HashSet<String> = computed.into_iter().filter_map(text).collect();
        let is_computed = |id: &Bson| id.as_str().is_some_and(|id| computed.contains(id));
        let stored = ids(&target, &within).await.map_err(failed)?;
        let gone: Vec<Bson> = stored.into_iter().filter(|id| !is_computed(id)).collect();
        // After the ids: the collection in which they were looked for was there.
        let is_own = self.swaps().find_one(self.own(swap)).await.map_err(failed)?.is_some();
        if !is_own {
            return Err(self.taken_over());
        }
        for part in gone.chunks(DOCUMENTS_MAX) {
            target.delete_many(doc! { "_id": { "$in": part } }).await.map_err(failed)?;
        }
        let into = doc! { "db": self.database.name(), "coll": name };
        let merge = doc! { "into": into, "on": "_id", "whenMatched": "replace", "whenNotMatched": "insert" };
        let merged = staged.aggregate([doc! { "$match": within }, doc! { "$merge": merge }]).await;
        merged.map_err(|error| match is_refusal(&error) {
            true => EtlError::Refused { what: format!("storing {name}"), source: self.settings.error(error) },
            false => failed(error),
        })?;
        Ok(())
    }

    /// Ends a group: staging collections go, unless what is in them counts and is not in its place.
    pub async fn clear(&mut self) -> Result<(), EtlError> {
        let staged = std::mem::take(&mut self.staged);
        if self.counts { Ok(()) } else { self.drop_staging(&staged).await }
    }
}

/// What is on its way from staging collections to its places.
struct Swap {
    run_id: i64,
    span: Span,
    /// Collections, each with the field that has the day.
    tables: Vec<(String, String)>,
}

impl Swap {
    /// One for each job: its next run begins by bringing it to its end.
    fn written(&self, job: &str) -> Document {
        let table = |(name, window): &(String, String)| doc! { "name": name, "window": window };
        let tables: Vec<Document> = self.tables.iter().map(table).collect();
        let (first, last) = (self.span.first.to_string(), self.span.last.to_string());
        doc! { "_id": job, "run_id": self.run_id, "first": first, "last": last, "tables": tables }
    }

    fn read(swap: &Document) -> Option<Self> {
        let day = |name: &str| swap.get_str(name).ok().and_then(|day| day.parse().ok());
        let table = |table: &Bson| {
            let table = table.as_document()?;
            Some((table.get_str("name").ok()?.to_owned(), table.get_str("window").ok()?.to_owned()))
        };
        let tables: Option<Vec<_>> = swap.get_array("tables").ok()?.iter().map(table).collect();
        let span = Span { first: day("first")?, last: day("last")? };
        Some(Self { run_id: swap.get_i64("run_id").ok()?, span, tables: tables? })
    }
}

/// An `_id` that a job made.
fn text(id: Bson) -> Option<String> {
    match id {
        Bson::String(text) => Some(text),
        _ => None,
    }
}

/// A unique index or a validator that what was staged does not fit.
fn is_refusal(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, ErrorKind::Command(command) if REFUSALS.contains(&command.code))
}

fn midnight(day: NaiveDate) -> DateTime {
    DateTime::from_millis(day.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
}

async fn ids(collection: &Collection<Document>, within: &Document) -> Result<Vec<Bson>, mongodb::error::Error> {
    let mut found = collection.find(within.clone()).projection(doc! { "_id": 1 }).await?;
    let mut ids = Vec::new();
    while let Some(mut document) = found.try_next().await? {
        ids.extend(document.remove("_id"));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_is_read_as_it_was_written() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let span = Span { first: day("2026-02-27"), last: day("2026-03-01") };
        let swap = Swap { run_id: 7, span, tables: vec![("t".to_owned(), "hour_start".to_owned())] };
        let written = swap.written("a_job");
        assert_eq!(written.get("_id"), Some(&Bson::String("a_job".to_owned())));
        let read = Swap::read(&written).expect("a swap");
        assert_eq!((read.run_id, read.span, read.tables), (7, span, swap.tables));
        assert!(Swap::read(&doc! { "_id": "a_job", "run_id": 7_i64 }).is_none());
    }
}
