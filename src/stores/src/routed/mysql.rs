//! A MySQL database that events are routed to: one transaction a batch, with the position in it. Positions lie in the
//! database `genims_internal` of the same server, so that the databases of the contract hold exactly its tables.

use super::gaps::noted::Noted;
use super::gaps::{self, Facts, Gap, Gaps, Pruned};
use super::progress::{RouteCounts, Routed};
use super::{POSITIONS_TABLE, RefusedEvent, events, json, taken};
use crate::batch::Batch;
use crate::error::{SinkError, answered};
use crate::rows::{self, RowDesk};
use crate::target::{Committed, GroupFilter, Target};
use genims_catalogue::Directory;
use genims_databases::{MysqlConnection, MysqlSettings};
use genims_model::Position;
use genims_routes::{Route, RoutedEvent};
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Value};
use std::iter::once;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

const SET_ASIDE: &str = "INSERT INTO genims_internal.refused_events \
     (sink, log_id, log_offset, route, event, code, detail) VALUES (?, ?, ?, ?, ?, ?, ?) \
     ON DUPLICATE KEY UPDATE route = VALUES(route)";

/// Below [`crate::error::ANSWER_TIMEOUT`]. While nothing arrives the connection is used every 2 s.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// Refusals that are the row's own fault though they have no SQLSTATE that says so: no default (1364), a wrong value (1366), a
/// CHECK (3819 of MySQL, 4025 of MariaDB).
const REFUSALS: [u16; 4] = [1364, 1366, 3819, 4025];

/// See the module's header.
pub struct RoutedMysql {
    name: &'static str,
    settings: MysqlSettings,
    directory: Arc<Directory>,
    routed: Arc<Routed>,
    rows: Option<Arc<RowDesk>>,
    connection: Option<MysqlConnection>,
    /// What the log gave last: later positions are of its history.
    start: Position,
    pruned: Pruned,
}

impl RoutedMysql {
    /// `name` is the consumer's in the log of events.
    pub fn new(name: &'static str, settings: MysqlSettings, directory: Arc<Directory>, routed: Arc<Routed>) -> Self {
        let (rows, connection, pruned) = (None, None, Pruned::default());
        let start = Position::beginning(Uuid::nil());
        Self { name, settings, directory, routed, rows, connection, start, pruned }
    }

    /// Writes programs' rows, too.
    pub fn with_rows(self, rows: Option<Arc<RowDesk>>) -> Self {
        Self { rows, ..self }
    }

    /// The connection that is open, or a new one.
    async fn connected(&mut self) -> Result<&mut MysqlConnection, SinkError> {
        Ok(match &mut self.connection {
            Some(connection) => connection,
            none => {
                let fresh = self.settings.connect_bounded(IDLE_MAX).await;
                none.insert(fresh.map_err(|error| SinkError::Connect(Box::new(error)))?)
            }
        })
    }
}

impl Gaps for RoutedMysql {
    async fn gaps(&mut self) -> Result<Vec<Gap>, SinkError> {
        let sink = self.name;
        gaps::mysql::gaps(self.connected().await?, sink).await
    }

    async fn facts(&mut self, _: &[Gap], received_us: Range<i64>) -> Result<Facts, SinkError> {
        let sink = self.name;
        gaps::mysql::facts(self.connected().await?, sink, received_us).await
    }

    async fn refused(&mut self, log: Uuid, offsets: Range<u64>) -> Result<u64, SinkError> {
        let sink = self.name;
        gaps::mysql::refused(self.connected().await?, sink, log, offsets).await
    }

    async fn close_gap(&mut self, gap: &Gap, made: u64) -> Result<(), SinkError> {
        let sink = self.name;
        gaps::mysql::close(self.connected().await?, sink, gap, made).await
    }
}

impl Target for RoutedMysql {
    fn name(&self) -> &'static str {
        self.name
    }

    fn takes_events(&self) -> bool {
        !self.routed.routes().routes.is_empty()
    }

    fn filter(&self) -> Option<GroupFilter> {
        Some(super::filter(&self.routed, &self.directory))
    }

    async fn open(&mut self, start: &Position, _: u64) -> Result<Position, SinkError> {
        let sink = self.name;
        let connection = self.connected().await?;
        let position = position(connection, sink, start).await?;
        let gaps = gaps::mysql::gaps(connection, sink).await?;
        self.routed.put_gaps(gaps);
        if let Some(followed) = self.routed.to_follow(position.next_offset()) {
            gaps::mysql::follow(self.connected().await?, sink, followed).await?;
        }
        if self.routed.received_us().is_none() {
            let newest = gaps::mysql::newest(self.connected().await?, sink).await?;
            self.routed.was_told(newest);
        }
        self.start = start.clone();
        Ok(position)
    }

    fn close(&mut self) {
        self.connection = None;
    }

    async fn commit(&mut self, batch: &Batch, position: u64) -> Result<Committed, SinkError> {
        let events = events(self.start.log(), batch, &self.directory.load());
        let routes = self.routed.routes();
        let noted = Noted::of(self.start.log(), batch, position, &events, self.takes_events());
        let is_looked_at = self.pruned.is_due() || !noted.gaps.is_empty();
        let connection = self.connection.as_mut().ok_or_else(|| SinkError::Connect("no connection is open".into()))?;
        answered(connection.query_drop("START TRANSACTION")).await?;
        let (mut done, mut committed) = (Vec::new(), Committed::default());
        for (route, statement) in routes.statements() {
            let events = taken(route, &events);
            if events.is_empty() {
                continue;
            }
            let begun = Instant::now();
            let looked_up = self.routed.lookups(&statement.lookups).map_err(|error| error.in_route(&route.name))?;
            let written = write(connection, route, &statement.text, &looked_up, &events).await;
            let Written { rows, bytes, refused } = written.map_err(|error| error.in_route(&route.name))?;
            let counts =
                RouteCounts { events: events.len() as u64, rows, refused: refused.len() as u64, busy: begun.elapsed() };
            for refused in refused {
                set_aside(connection, (self.name, self.start.log()), refused).await?;
            }
            committed.bytes += bytes;
            committed.refused_uncounted += counts.refused;
            done.push((route.name.clone(), counts));
        }
        if let Some(desk) = &self.rows {
            let refused = rows::mysql::write(connection, &desk.waiting(batch)).await?;
            desk.set_aside(refused)?;
            desk.report(batch, &mut committed);
        }
        let reached = self.start.moved_to(batch.next_offset);
        gaps::mysql::note(connection, self.name, &noted).await?;
        if let Some(followed) = noted.followed.filter(|_| self.routed.lacks() || !noted.gaps.is_empty()) {
            gaps::mysql::follow(connection, self.name, followed).await?;
        }
        let mut gaps = None;
        if is_looked_at {
            if let Some(received_us) = noted.received_us {
                gaps::mysql::prune(connection, self.name, received_us).await?;
            }
            gaps = Some(gaps::mysql::gaps(connection, self.name).await?);
        }
        move_position(connection, self.name, position, &reached).await?;
        answered(connection.query_drop("COMMIT")).await?;
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

struct Written {
    rows: u64,
    bytes: u64,
    refused: Vec<RefusedEvent>,
}

/// Runs the route's statement for all its events; what is refused is found by halving, and set aside. What takes too long for one
/// statement is halved likewise.
async fn write(
    connection: &mut MysqlConnection,
    route: &Route,
    statement: &str,
    looked_up: &[Arc<str>],
    events: &[&RoutedEvent],
) -> Result<Written, SinkError> {
    let mut written = Written { rows: 0, bytes: 0, refused: Vec::new() };
    let mut open = Vec::from([(0, events.len())]);
    while let Some((start, end)) = open.pop() {
        answered(connection.query_drop("SAVEPOINT piece")).await?;
        let batch = json(&events[start..end]);
        let bytes = batch.len() as u64;
        let values = once(batch.as_str()).chain(looked_up.iter().map(AsRef::as_ref)).map(Value::from).collect();
        let error = match answered(connection.exec_drop(statement, Params::Positional(values))).await {
            Ok(()) => {
                written.rows += connection.affected_rows();
                written.bytes += bytes;
                continue;
            }
            Err(error) => error,
        };
        let refusal = refusal(&error);
        let is_one = end - start <= 1;
        // Without an answer this connection is no longer usable.
        let halving_helps = matches!(error, SinkError::Mysql(_)) && error.is_too_much() && !is_one;
        if refusal.is_none() && !halving_helps {
            return Err(error);
        }
        answered(connection.query_drop("ROLLBACK TO SAVEPOINT piece")).await?;
        if let Some((code, detail)) = refusal.filter(|_| is_one) {
            let (route, log_offset) = (route.name.clone(), events[start].log_offset);
            written.refused.push(RefusedEvent { route, log_offset, event: batch, code: Some(code), detail });
            continue;
        }
        let middle = start.midpoint(end);
        open.push((middle, end));
        open.push((start, middle));
    }
    Ok(written)
}

/// SQLSTATE and message, when the refusal is the row's own fault; else it is mended outside and worth repeating.
fn refusal(error: &SinkError) -> Option<(String, String)> {
    let SinkError::Mysql(error) = error else { return None };
    let mysql_async::Error::Server(refusal) = error.as_ref() else { return None };
    let own = refusal.state.starts_with("22")
        || refusal.state.starts_with("23")
        || refusal.state.starts_with("45")
        || REFUSALS.contains(&refusal.code);
    own.then(|| (refusal.state.clone(), format!("{} ({})", refusal.message, refusal.code)))
}

async fn set_aside(
    connection: &mut MysqlConnection,
    (sink, log): (&str, Uuid),
    refused: RefusedEvent,
) -> Result<(), SinkError> {
    let RefusedEvent { route, log_offset, event, code, detail } = refused;
    let values = (sink, log.to_string(), log_offset, route, event, code, detail);
    answered(connection.exec_drop(SET_ASIDE, values)).await
}

/// Where MySQL says this log's consumer stopped; a log it does not know starts at `start`.
async fn position(connection: &mut MysqlConnection, name: &str, start: &Position) -> Result<Position, SinkError> {
    if let Some(known) = remembered(connection, name, start.log()).await? {
        return Ok(known);
    }
    remember(connection, name, start).await?;
    Ok(remembered(connection, name, start.log()).await?.unwrap_or_else(|| start.clone()))
}

/// What MySQL remembers of the log.
pub async fn remembered(
    connection: &mut MysqlConnection,
    name: &str,
    log: Uuid,
) -> Result<Option<Position>, SinkError> {
    let select = format!("SELECT next_offset, history FROM {POSITIONS_TABLE} WHERE spool_id = ? AND sink = ?");
    let row: Option<(u64, Option<String>)> = answered(connection.exec_first(select, (log.to_string(), name))).await?;
    let Some((offset, history)) = row else { return Ok(None) };
    Ok(Some(Position::from_stored(log, offset, &history.unwrap_or_default())?))
}

/// Stores the position of a log that MySQL does not know.
pub async fn remember(connection: &mut MysqlConnection, name: &str, position: &Position) -> Result<(), SinkError> {
    let insert = format!(
        "INSERT INTO {POSITIONS_TABLE} (spool_id, sink, next_offset, history) VALUES (?, ?, ?, ?) \
         ON DUPLICATE KEY UPDATE sink = sink"
    );
    let values = (position.log().to_string(), name, position.next_offset(), position.history());
    answered(connection.exec_drop(insert, values)).await
}

/// Moves the position inside the batch's transaction; whoever comes second finds it moved.
async fn move_position(
    connection: &mut MysqlConnection,
    name: &str,
    from: u64,
    to: &Position,
) -> Result<(), SinkError> {
    let update = format!(
        "UPDATE {POSITIONS_TABLE} SET next_offset = ?, history = ?, updated_at = CURRENT_TIMESTAMP(6) \
         WHERE spool_id = ? AND sink = ? AND next_offset = ?"
    );
    let values = (to.next_offset(), to.history(), to.log().to_string(), name, from);
    answered(connection.exec_drop(update, values)).await?;
    match connection.affected_rows() {
        1 => Ok(()),
        _ => Err(SinkError::PositionMoved { expected: from }),
    }
}
