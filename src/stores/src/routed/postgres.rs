//! A PostgreSQL database that events are routed to: one transaction a batch, with the position in it.

use super::gaps::noted::Noted;
use super::gaps::{self, Facts, Gap, Gaps, Pruned};
use super::progress::{RouteCounts, Routed};
use super::{POSITIONS_TABLE, RefusedEvent, events, json, taken};
use crate::batch::Batch;
use crate::error::{SinkError, answered};
use crate::postgres::Connector;
use crate::postgres::connection::Connection;
use crate::postgres::copy::{Copied, Refused};
use crate::postgres::isolate::{BatchMode, Rowwise, run};
use crate::postgres::positions::Positions;
use crate::rows::{self, RowDesk};
use crate::target::{Committed, GroupFilter, Target};
use genims_catalogue::Directory;
use genims_model::Position;
use genims_routes::RoutedEvent;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

const SET_ASIDE: &str = "INSERT INTO genims_internal.refused_events (log_id, log_offset, route, event, code, detail)
     VALUES ($1, $2, $3, $4::text::jsonb, $5, $6) ON CONFLICT DO NOTHING";

/// Who the audit trail says it was; and no constraint waits for the commit, where it would refuse all events for one.
const ACTOR: &str = "SET LOCAL genims.actor = 'service:genims-routes'; SET CONSTRAINTS ALL IMMEDIATE; ";

/// See the module's header.
pub struct RoutedPostgres<C> {
    connection: Connection<C>,
    directory: Arc<Directory>,
    routed: Arc<Routed>,
    rows: Option<Arc<RowDesk>>,
    /// What the log gave last: later positions are of its history.
    start: Position,
    pruned: Pruned,
}

impl<C: Connector> RoutedPostgres<C> {
    /// `name` is the consumer's in the log of events.
    pub fn new(name: &'static str, connect: C, directory: Arc<Directory>, routed: Arc<Routed>) -> Self {
        let positions = Positions { table: POSITIONS_TABLE, sink: name };
        let (connection, start) = (Connection::new(connect, positions), Position::beginning(Uuid::nil()));
        Self { connection, directory, routed, rows: None, start, pruned: Pruned::default() }
    }

    /// Writes programs' rows, too.
    pub fn with_rows(self, rows: Option<Arc<RowDesk>>) -> Self {
        Self { rows, ..self }
    }
}

impl<C: Connector> Target for RoutedPostgres<C> {
    fn name(&self) -> &'static str {
        self.connection.positions.sink
    }

    fn takes_events(&self) -> bool {
        !self.routed.routes().routes.is_empty()
    }

    fn filter(&self) -> Option<GroupFilter> {
        Some(super::filter(&self.routed, &self.directory))
    }

    async fn open(&mut self, start: &Position, _: u64) -> Result<Position, SinkError> {
        let sink = self.name();
        let session = self.connection.open().await?;
        if !session.begun.starts_with(ACTOR) {
            session.begun.insert_str(0, ACTOR);
        }
        let position = answered(session.position(start)).await?;
        self.routed.put_gaps(gaps::postgres::gaps(&session.client, sink).await?);
        if let Some(followed) = self.routed.to_follow(position.next_offset()) {
            gaps::postgres::follow(&session.client, sink, followed).await?;
        }
        if self.routed.received_us().is_none() {
            self.routed.was_told(gaps::postgres::newest(&session.client, sink).await?);
        }
        self.start = start.clone();
        Ok(position)
    }

    fn close(&mut self) {
        self.connection.close();
    }

    async fn commit(&mut self, batch: &Batch, position: u64) -> Result<Committed, SinkError> {
        let events = events(self.start.log(), batch, &self.directory.load());
        let routes = self.routed.routes();
        let positions = self.connection.positions;
        let noted = Noted::of(self.start.log(), batch, position, &events, self.takes_events());
        let is_looked_at = self.pruned.is_due() || !noted.gaps.is_empty();
        let reached = self.start.moved_to(batch.next_offset);
        let transaction = self.connection.session()?.begin().await?;
        let (mut done, mut committed) = (Vec::new(), Committed::default());
        for (route, statement) in routes.statements() {
            let events = taken(route, &events);
            if events.is_empty() {
                continue;
            }
            let begun = Instant::now();
            let mut counts = RouteCounts { events: events.len() as u64, ..RouteCounts::default() };
            let looked_up = self.routed.lookups(&statement.lookups).map_err(|error| error.in_route(&route.name))?;
            let mut work = RouteRows { sql: &statement.text, events, looked_up };
            let mut refused = Vec::new();
            let written = run(&transaction, BatchMode::Isolating, &mut work, &mut refused).await;
            let written = written.map_err(|error| error.in_route(&route.name))?;
            for (_, refused) in refused {
                set_aside(&transaction, self.start.log(), &RefusedEvent::of(&route.name, refused)).await?;
                counts.refused += 1;
            }
            counts.rows = written.rows;
            counts.busy = begun.elapsed();
            committed.bytes += written.bytes;
            committed.refused_uncounted += counts.refused;
            done.push((route.name.clone(), counts));
        }
        if let Some(desk) = &self.rows {
            let refused = rows::postgres::write(&transaction, &desk.waiting(batch)).await?;
            desk.set_aside(refused)?;
            desk.report(batch, &mut committed);
        }
        gaps::postgres::note(&transaction, positions.sink, &noted).await?;
        if let Some(followed) = noted.followed.filter(|_| self.routed.lacks() || !noted.gaps.is_empty()) {
            gaps::postgres::follow(&transaction, positions.sink, followed).await?;
        }
        let mut gaps = None;
        if is_looked_at {
            if let Some(received_us) = noted.received_us {
                gaps::postgres::prune(&transaction, positions.sink, received_us).await?;
            }
            gaps = Some(gaps::postgres::gaps(&transaction, positions.sink).await?);
        }
        answered(positions.move_to(&transaction, position, &reached)).await?;
        answered(transaction.commit()).await?;
        gaps.into_iter().for_each(|gaps| self.routed.put_gaps(gaps));
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

impl<C: Connector> Gaps for RoutedPostgres<C> {
    async fn gaps(&mut self) -> Result<Vec<Gap>, SinkError> {
        let sink = self.name();
        gaps::postgres::gaps(&self.connection.open().await?.client, sink).await
    }

    async fn facts(&mut self, _: &[Gap], received_us: Range<i64>) -> Result<Facts, SinkError> {
        let sink = self.name();
        gaps::postgres::facts(&self.connection.open().await?.client, sink, received_us).await
    }

    async fn refused(&mut self, log: Uuid, offsets: Range<u64>) -> Result<u64, SinkError> {
        gaps::postgres::refused(&self.connection.open().await?.client, log, offsets).await
    }

    async fn close_gap(&mut self, gap: &Gap, made: u64) -> Result<(), SinkError> {
        let sink = self.name();
        gaps::postgres::close(&self.connection.open().await?.client, sink, gap, made).await
    }
}

/// One route's statement over the events that it takes.
struct RouteRows<'a> {
    sql: &'a str,
    events: Vec<&'a RoutedEvent>,
    looked_up: Vec<Arc<str>>,
}

impl Rowwise for RouteRows<'_> {
    fn rows(&self) -> usize {
        self.events.len()
    }

    async fn run(&mut self, transaction: &Transaction<'_>, range: Range<usize>) -> Result<Copied, SinkError> {
        let batch = json(&self.events[range]);
        let looked_up: Vec<&str> = self.looked_up.iter().map(AsRef::as_ref).collect();
        let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&batch, Type::TEXT)];
        values.extend(looked_up.iter().map(|rows| (rows as &(dyn ToSql + Sync), Type::TEXT)));
        let rows = answered(transaction.execute_typed(self.sql, &values)).await?;
        Ok(Copied { rows, bytes: batch.len() as u64 })
    }

    fn refused(&self, index: usize) -> Refused {
        let event = self.events[index];
        Refused {
            log_offset: event.log_offset,
            source: None,
            received_us: event.at_us,
            payload: json(&self.events[index..=index]).into_bytes(),
            sqlstate: None,
            detail: String::new(),
        }
    }
}

impl RefusedEvent {
    fn of(route: &str, refused: Refused) -> Self {
        let event = String::from_utf8_lossy(&refused.payload).into_owned();
        let (code, detail, log_offset) = (refused.sqlstate, refused.detail, refused.log_offset);
        Self { route: route.to_owned(), log_offset, event, code, detail }
    }
}

async fn set_aside(transaction: &Transaction<'_>, log: Uuid, refused: &RefusedEvent) -> Result<(), SinkError> {
    let offset = refused.log_offset as i64;
    let values: [(&(dyn ToSql + Sync), Type); 6] = [
        (&log, Type::UUID),
        (&offset, Type::INT8),
        (&refused.route, Type::TEXT),
        (&refused.event, Type::TEXT),
        (&refused.code, Type::TEXT),
        (&refused.detail, Type::TEXT),
    ];
    answered(transaction.execute_typed(SET_ASIDE, &values)).await?;
    Ok(())
}
