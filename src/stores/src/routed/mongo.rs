//! MongoDB as a database that events are routed to. No transaction spans documents and position, so a batch may be written
//! twice: inserts have `_id`s that follow from the event, upserts come in the order of the log, and end the same. Time-series
//! collections have no unique `_id`; what may be in them already is looked up before it is written again, and that not before an
//! earlier attempt has ended, which a server works on after its client is gone.

use super::documents::{DOCUMENTS_MAX, lacking, write};
use super::gaps::mongo::Book;
use super::gaps::noted::Noted;
use super::gaps::{Facts, Gap, Gaps, Pruned, fact};
use super::progress::{RouteCounts, Routed};
use super::runs::runs;
use super::series::{self, Unfinished};
use super::{events, json, taken};
use crate::batch::Batch;
use crate::error::{SinkError, answered};
use crate::mongo::bookkeeping::Bookkeeping;
use crate::mongo::collections::names;
use crate::mongo::lookup::nothing_runs;
use crate::rows::{self, RowDesk};
use crate::target::{Committed, GroupFilter, Target};
use bson::{DateTime, Document, doc};
use futures_util::future::{try_join, try_join_all};
use genims_catalogue::Directory;
use genims_model::Position;
use genims_routes::joined::{LookupAnswer, joins};
use genims_routes::{Lookup, Route, RoutedEvent};
use hashbrown::{HashMap, HashSet};
use mongodb::{Client, Database};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// What is known since the last `open`.
struct Session {
    bookkeeping: Bookkeeping,
    /// Records below may be there already.
    uncertain_below: u64,
    time_series: HashSet<String>,
    /// Those of the schema's that were made where they were missing.
    ready: HashSet<&'static str>,
}

/// See the module's header.
pub struct RoutedMongo {
    name: &'static str,
    client: Client,
    database: String,
    internal: String,
    directory: Arc<Directory>,
    routed: Arc<Routed>,
    rows: Option<Arc<RowDesk>>,
    session: Option<Session>,
    /// Look-ups as they were answered last, ready to be joined.
    known: HashMap<String, (Arc<str>, LookupAnswer)>,
    /// What the log gave last: later positions are of its history.
    start: Position,
    book: Book,
    pruned: Pruned,
    /// See [`Facts::intended`].
    intended: HashMap<u64, (Uuid, u64)>,
}

impl RoutedMongo {
    /// `name` is the consumer's in the log of events.
    pub fn new(
        name: &'static str,
        client: Client,
        database: String,
        directory: Arc<Directory>,
        routed: Arc<Routed>,
    ) -> Self {
        let internal = "genims_internal".to_owned();
        let (start, known) = (Position::beginning(Uuid::nil()), HashMap::new());
        let (book, pruned) = (Book::new(&client, &internal, name), Pruned::default());
        let (rows, session, intended) = (None, None, HashMap::new());
        Self {
            name,
            client,
            database,
            internal,
            directory,
            routed,
            rows,
            session,
            known,
            start,
            book,
            pruned,
            intended,
        }
    }

    /// Writes programs' rows, too.
    pub fn with_rows(self, rows: Option<Arc<RowDesk>>) -> Self {
        Self { rows, ..self }
    }
}

impl Target for RoutedMongo {
    fn name(&self) -> &'static str {
        self.name
    }

    fn takes_events(&self) -> bool {
        !self.routed.routes().routes.is_empty()
    }

    fn filter(&self) -> Option<GroupFilter> {
        Some(super::filter(&self.routed, &self.directory))
    }

    async fn open(&mut self, start: &Position, written: u64) -> Result<Position, SinkError> {
        let bookkeeping = Bookkeeping::new(&self.client, &self.internal, start.log());
        let known = answered(bookkeeping.position(start)).await?;
        let (time_series, ready) = match self.session.take() {
            Some(session) => (session.time_series, session.ready),
            None => {
                self.book.make_ready().await?;
                (time_series(&self.client.database(&self.database)).await?, HashSet::new())
            }
        };
        let uncertain_below = known.intent_offset.max(written);
        self.routed.put_gaps(self.book.gaps().await?);
        if let Some(followed) = self.routed.to_follow(known.reached.next_offset()) {
            self.book.follow(followed).await?;
        }
        if self.routed.received_us().is_none() {
            self.routed.was_told(self.book.newest().await?);
        }
        self.session = Some(Session { bookkeeping, uncertain_below, time_series, ready });
        self.start = start.clone();
        Ok(known.reached)
    }

    fn close(&mut self) {
        self.session = None;
    }

    async fn commit(&mut self, batch: &Batch, position: u64) -> Result<Committed, SinkError> {
        let mut events = events(self.start.log(), batch, &self.directory.load());
        let noted = Noted::of(self.start.log(), batch, position, &events, self.takes_events());
        self.name_as_intended(&mut events);
        let routes = self.routed.routes();
        for lookup in routes.routes.iter().filter_map(|route| joins(route, &routes.lookups)) {
            self.learn(lookup)?;
        }
        let joined: Vec<_> = routes.routes.iter().map(|route| self.joined(route, &routes.lookups, &events)).collect();
        let each = routes.routes.iter().zip(&joined).map(|(route, joined)| match joined {
            Some(joined) => (route, joined.iter().collect()),
            None => (route, taken(route, &events)),
        });
        let taken: Vec<(&Route, Vec<&RoutedEvent>)> = each.collect();

        let (database, comment) = (self.client.database(&self.database), self.comment());
        let session = self.session.as_mut().ok_or_else(|| SinkError::Connect("no connection is open".into()))?;
        let intent = session.uncertain_below.max(batch.next_offset);
        if position < session.uncertain_below {
            answered(nothing_runs(&self.client, &comment)).await?;
        }
        // An earlier run may have made another choice: what is made anew may be there whatever the position says.
        let is_uncertain = noted.is_anew || batch.first_offset < session.uncertain_below;
        let unfinished = Unfinished { log: self.start.log(), offsets: batch.first_offset..intent, taken: &taken };
        session.make_ready(&database, &routes.routes, &unfinished).await?;
        let intended = answered(session.bookkeeping.intend(position, intent));
        if noted.is_anew {
            intended.await?;
        } else {
            try_join(intended, self.book.tell(&noted)).await?;
        }
        let done = self.write(&database, is_uncertain, &unfinished).await?;
        if noted.is_anew {
            self.book.tell(&noted).await?;
        }
        self.keep_book(&noted).await?;
        let session = self.session.as_ref().ok_or_else(|| SinkError::Connect("no connection is open".into()))?;
        let mut committed = Committed::default();
        if let Some(desk) = &self.rows {
            let waiting = desk.waiting(batch);
            let place = rows::mongo::RowDestination {
                database: &database,
                comment: &comment,
                log: self.start.log(),
                uncertain_below: session.uncertain_below,
            };
            let refused = rows::mongo::write(place, &waiting).await?;
            desk.set_aside(refused)?;
            desk.report(batch, &mut committed);
        }
        answered(session.bookkeeping.advance(position, &self.start.moved_to(batch.next_offset), None)).await?;
        committed.refused_uncounted += done.iter().map(|(_, counts)| counts.refused).sum::<u64>();
        let done = done.into_iter().map(|(route, counts)| (route.name.clone(), counts)).collect();
        self.routed.enter(noted.received_us, done);
        Ok(committed)
    }

    /// Nothing of events is in any account, but rows are.
    async fn recall(&mut self, batch: &Batch) -> Result<Committed, SinkError> {
        let mut committed = Committed::default();
        self.rows.iter().for_each(|desk| desk.report(batch, &mut committed));
        Ok(committed)
    }
}

impl Gaps for RoutedMongo {
    async fn gaps(&mut self) -> Result<Vec<Gap>, SinkError> {
        self.book.gaps().await
    }

    async fn facts(&mut self, gaps: &[Gap], received_us: Range<i64>) -> Result<Facts, SinkError> {
        let facts = self.book.facts(gaps, received_us).await?;
        self.intended = facts.intended.clone();
        Ok(facts)
    }

    async fn refused(&mut self, log: Uuid, offsets: Range<u64>) -> Result<u64, SinkError> {
        let (from, to) = (offsets.start as i64, offsets.end as i64);
        let those = doc! { "_id.log_id": log.to_string(), "_id.log_offset": { "$gte": from, "$lt": to } };
        let refused = self.client.database(&self.internal).collection::<Document>("refused_events");
        answered(async { refused.count_documents(those).await }).await
    }

    async fn close_gap(&mut self, gap: &Gap, made: u64) -> Result<(), SinkError> {
        self.book.close(gap, made).await
    }
}

impl Session {
    /// Before the first document of a time series of the schema.
    async fn make_ready(
        &mut self,
        database: &Database,
        routes: &[Route],
        unfinished: &Unfinished<'_>,
    ) -> Result<(), SinkError> {
        let mut fresh = series::wanted(routes);
        fresh.retain(|series| !self.ready.contains(series.name));
        if !fresh.is_empty() {
            series::make_ready(database, &fresh, unfinished).await?;
            self.time_series = time_series(database).await?;
            self.ready.extend(fresh.iter().map(|series| series.name));
        }
        Ok(())
    }
}

impl RoutedMongo {
    /// Marks our operations, so that one that still runs can be found.
    fn comment(&self) -> String {
        format!("genims-routes {} {}", self.name, self.start.log())
    }

    /// What may be there under the name that the stream gave it gets the same again.
    fn name_as_intended(&self, events: &mut [RoutedEvent]) {
        for event in events.iter_mut().filter(|_| !self.intended.is_empty()) {
            if let Some((log, number)) = self.intended.get(&fact(event)) {
                event.name(*log, *number);
            }
        }
    }

    /// After the batch's documents: the gap before it, how far the first log is followed, and what is too old goes.
    async fn keep_book(&mut self, noted: &Noted) -> Result<(), SinkError> {
        self.book.notice(noted).await?;
        if let Some(followed) = noted.followed.filter(|_| self.routed.lacks() || !noted.gaps.is_empty()) {
            self.book.follow(followed).await?;
        }
        if self.pruned.is_due() || !noted.gaps.is_empty() {
            if let Some(received_us) = noted.received_us {
                self.book.prune(received_us).await?;
            }
            self.routed.put_gaps(self.book.gaps().await?);
        }
        Ok(())
    }

    /// Writes the batch; what of it was in a time series that was dropped meanwhile, once more.
    async fn write<'a>(
        &self,
        database: &Database,
        is_uncertain: bool,
        unfinished: &Unfinished<'a>,
    ) -> Result<Vec<(&'a Route, RouteCounts)>, SinkError> {
        let Some(session) = &self.session else { return Err(SinkError::Connect("no connection is open".into())) };
        let mut expected =
            series::wanted(unfinished.taken.iter().filter(|(_, events)| !events.is_empty()).map(|(route, _)| *route));
        expected.retain(|series| session.time_series.contains(series.name));
        let mut done: Vec<(&Route, RouteCounts)> = Vec::new();
        let mut lost: Option<HashSet<&'static str>> = None;
        let runs = runs(unfinished.taken);
        loop {
            let lost_before = lost.as_ref();
            let of_collections = runs.iter().map(|runs| async move {
                let mut done = Vec::new();
                for (route, events) in runs {
                    if lost_before.is_none_or(|lost| lost.contains(route.table.as_str())) {
                        let may_be_there = is_uncertain && session.time_series.contains(&route.table);
                        done.push((*route, self.write_run(database, route, events, may_be_there).await?));
                    }
                }
                Ok::<_, SinkError>(done)
            });
            done.extend(try_join_all(of_collections).await?.into_iter().flatten());
            let again = series::remake(database, &expected, unfinished).await?;
            if again.is_empty() {
                return Ok(done);
            }
            done.retain(|(route, _)| !again.contains(route.table.as_str()));
            lost = Some(again);
        }
    }

    async fn write_run(
        &self,
        database: &Database,
        route: &Route,
        events: &[&RoutedEvent],
        may_be_there: bool,
    ) -> Result<RouteCounts, SinkError> {
        let begun = Instant::now();
        let mut counts = RouteCounts { events: events.len() as u64, ..RouteCounts::default() };
        for events in events.chunks(DOCUMENTS_MAX) {
            let missing;
            let events = if may_be_there {
                missing = lacking(database, route, events).await?;
                missing.as_slice()
            } else {
                events
            };
            if events.is_empty() {
                continue;
            }
            let outcome = write(database, &self.comment(), route, events).await;
            let outcome = outcome.map_err(|error| error.in_route(&route.name))?;
            counts.rows += outcome.written;
            counts.refused += outcome.refused.len() as u64;
            self.set_aside(route, events, &outcome.refused).await?;
        }
        counts.busy = begun.elapsed();
        Ok(counts)
    }

    /// Makes ready what a look-up answered, unless that was done before.
    fn learn(&mut self, lookup: &Lookup) -> Result<(), SinkError> {
        let answers = self.routed.lookups(std::slice::from_ref(&lookup.name))?;
        for rows in answers {
            if self.known.get(&lookup.name).is_some_and(|(known, _)| Arc::ptr_eq(known, &rows)) {
                continue;
            }
            let known = LookupAnswer::of(lookup, &rows).map_err(|error| SinkError::Connect(Box::new(error)))?;
            self.known.insert(lookup.name.clone(), (rows, known));
        }
        Ok(())
    }

    /// The route's events with what its look-up says of them; `None` for a route without one.
    fn joined(&self, route: &Route, lookups: &[Lookup], events: &[RoutedEvent]) -> Option<Vec<RoutedEvent>> {
        let (_, known) = self.known.get(&joins(route, lookups)?.name)?;
        Some(taken(route, events).into_iter().filter_map(|event| known.join(event)).collect())
    }

    async fn set_aside(
        &self,
        route: &Route,
        events: &[&RoutedEvent],
        refused: &[(usize, i32, String)],
    ) -> Result<(), SinkError> {
        let collection = self.client.database(&self.internal).collection::<Document>("refused_events");
        for (index, code, detail) in refused {
            let event = events[*index];
            let id = doc! {
                "log_id": self.start.log().to_string(), "log_offset": event.log_offset as i64, "route": &route.name,
            };
            let set = doc! {
                "event": json(&events[*index..=*index]), "code": code, "detail": detail, "at": DateTime::now(),
            };
            let update = collection.update_one(doc! { "_id": id }, doc! { "$setOnInsert": set }).upsert(true);
            answered(async { update.await }).await?;
        }
        Ok(())
    }
}

async fn time_series(database: &Database) -> Result<HashSet<String>, SinkError> {
    Ok(answered(names(database, "timeseries")).await?.into_iter().collect())
}
