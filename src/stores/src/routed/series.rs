//! The time series among the collections that routes fill. An insert into one that is not there makes an ordinary collection of its
//! name, without expiry and with the room of one: those that are missing are made as their schema files say, and what an insert has
//! made of one that was dropped under load is dropped as soon as it holds nothing but our own unfinished batch, and made again.

use super::parts::bson_of;
use crate::error::{SinkError, answered};
use crate::mongo::collections::{TimeSeries, ensure, names};
use bson::{Bson, Document, doc};
use genims_routes::document::{document, id};
use genims_routes::event::uid;
use genims_routes::{Operation, Route, RoutedEvent};
use hashbrown::HashSet;
use mongodb::Database;
use std::ops::Range;
use uuid::Uuid;

/// The time series that the routes fill, as schema files describe them.
pub(super) fn wanted<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Vec<TimeSeries> {
    let mut found: Vec<TimeSeries> = Vec::new();
    for route in routes.into_iter().filter(|route| route.operation == Operation::Insert) {
        let is_new = !found.iter().any(|series| series.name == route.table);
        found.extend(TimeSeries::described(&route.table).filter(|_| is_new));
    }
    found
}

/// What our own unfinished batches may have written.
pub(super) struct Unfinished<'a> {
    pub(super) log: Uuid,
    pub(super) offsets: Range<u64>,
    /// The routes with the events that each takes.
    pub(super) taken: &'a [(&'a Route, Vec<&'a RoutedEvent>)],
}

impl Unfinished<'_> {
    /// The `_id`s that are ours in a collection: by the offsets, and by the events where those name themselves otherwise.
    fn ids(&self, table: &str) -> Vec<Bson> {
        let mut ids = Vec::new();
        for (route, events) in self.taken.iter().filter(|(route, _)| route.table == table) {
            ids.extend(self.offsets.clone().map(|offset| Bson::from(id(route, &uid(self.log, offset)))));
            ids.extend(events.iter().filter_map(|event| bson_of(&document(route, event)).remove("_id")));
        }
        ids
    }

    /// Documents in the collection that are ours, and others.
    async fn counts(&self, database: &Database, table: &str) -> Result<(u64, u64), SinkError> {
        let ids = self.ids(table);
        let ours = count(database, table, doc! { "_id": { "$in": &ids } }).await?;
        Ok((ours, count(database, table, doc! { "_id": { "$nin": &ids } }).await?))
    }
}

/// Makes those of `wanted` that are not there. What a crash left in the middle of [`remake`] goes; other ordinary collections are left
/// to their owners.
pub(super) async fn make_ready(
    database: &Database,
    wanted: &[TimeSeries],
    unfinished: &Unfinished<'_>,
) -> Result<(), SinkError> {
    let ordinary = answered(names(database, "collection")).await?;
    for series in wanted.iter().filter(|series| ordinary.iter().any(|name| name == series.name)) {
        if let (1.., 0) = unfinished.counts(database, series.name).await? {
            tracing::warn!(
                collection = series.name,
                "made by an insert after it was dropped; made again as time series"
            );
            answered(async { database.collection::<Document>(series.name).drop().await }).await?;
        }
    }
    answered(ensure(database, wanted)).await
}

/// Makes those of `expected` again that are no longer time series; which ones, to be written once more.
pub(super) async fn remake(
    database: &Database,
    expected: &[TimeSeries],
    unfinished: &Unfinished<'_>,
) -> Result<HashSet<&'static str>, SinkError> {
    if expected.is_empty() {
        return Ok(HashSet::new());
    }
    let now = answered(names(database, "timeseries")).await?;
    let is_lost = |series: &&TimeSeries| !now.iter().any(|name| name == series.name);
    let lost: Vec<TimeSeries> = expected.iter().filter(is_lost).cloned().collect();
    for TimeSeries { name, .. } in &lost {
        let (_, foreign) = unfinished.counts(database, name).await?;
        if foreign > 0 {
            return Err(SinkError::NotTimeSeries { collection: (*name).to_owned(), foreign });
        }
        tracing::warn!(
            collection = name,
            "dropped under load; made again as time series, its indexes by `genims provision`"
        );
        answered(async { database.collection::<Document>(name).drop().await }).await?;
    }
    answered(ensure(database, &lost)).await?;
    Ok(lost.iter().map(|series| series.name).collect())
}

async fn count(database: &Database, table: &str, filter: Document) -> Result<u64, SinkError> {
    answered(async { database.collection::<Document>(table).count_documents(filter).limit(1_000_000).await }).await
}
