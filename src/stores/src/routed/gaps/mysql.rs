//! Gaps and facts of a MySQL database, in the database `genims_internal` of its server: `route_gaps`, `routed_facts`.

use super::noted::Noted;
use super::{Closed, FACTS_PAGE, Facts, Gap, KEPT_US, LostRecords, facts_of};
use crate::error::{SinkError, answered};
use genims_databases::MysqlConnection;
use genims_model::now_us;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Row, Value};
use std::ops::Range;
use uuid::Uuid;

/// A position that was put back alone meets what was told before, and the batch may be a shorter one now: what was told stays told.
const TELL: &str = "INSERT INTO genims_internal.routed_facts (log_id, sink, first_offset, next_offset, received_us, is_anew, facts) \
     VALUES (?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE \
     next_offset = greatest(next_offset, VALUES(next_offset)), received_us = greatest(received_us, VALUES(received_us)), \
     facts = concat(facts, VALUES(facts))";

/// When what lies before the gap was received follows from the newest batch before it, of this log or of one before it.
const NOTICE: &str = "INSERT INTO genims_internal.route_gaps (log_id, sink, from_offset, to_offset, events_id, \
         received_from_us, received_to_us, routed_id, routed_offset, noticed_us) \
     SELECT ?, ?, ?, ?, ?, coalesce(?, (SELECT max(received_us) FROM genims_internal.routed_facts \
         WHERE sink = ? AND NOT is_anew AND (log_id <> ? OR next_offset <= ?))), ?, ?, ?, ? \
     ON DUPLICATE KEY UPDATE genims_internal.route_gaps.noticed_us = genims_internal.route_gaps.noticed_us";

const FOLLOW: &str = "UPDATE genims_internal.route_gaps SET followed_offset = IF(followed_id <=> ? AND followed_offset > ?, \
         followed_offset, ?), followed_id = ? WHERE sink = ? AND closed_us IS NULL";

/// What is around an open gap stays. Of whichever log: it may have got another name.
const PRUNE: &str = "DELETE FROM genims_internal.routed_facts \
     WHERE sink = ? AND received_us < ? AND NOT EXISTS (SELECT 1 FROM genims_internal.route_gaps AS gap \
         WHERE gap.sink = ? AND gap.closed_us IS NULL AND routed_facts.received_us \
             BETWEEN coalesce(gap.received_from_us, 0) - ? AND gap.received_to_us + ?)";

const GAPS: &str = "SELECT log_id, from_offset, to_offset, events_id, received_from_us, received_to_us, routed_id, \
         routed_offset, noticed_us, closed_us, made, followed_id, followed_offset \
     FROM genims_internal.route_gaps WHERE sink = ? ORDER BY noticed_us, to_offset";

/// A page, behind a row.
const FACTS: &str = "SELECT is_anew, received_us, facts, log_id, first_offset FROM genims_internal.routed_facts \
     WHERE sink = ? AND received_us BETWEEN ? AND ? AND (log_id > ? OR (log_id = ? AND first_offset > ?)) \
     ORDER BY log_id, first_offset LIMIT ?";

const NEWEST: &str = "SELECT max(received_us) FROM genims_internal.routed_facts WHERE sink = ? AND NOT is_anew";

const REFUSED: &str = "SELECT count(*) FROM genims_internal.refused_events \
     WHERE sink = ? AND log_id = ? AND log_offset >= ? AND log_offset < ?";

const CLOSE: &str = "UPDATE genims_internal.route_gaps SET closed_us = ?, made = ? \
     WHERE log_id = ? AND sink = ? AND from_offset = ? AND to_offset = ? AND closed_us IS NULL";

async fn execute(connection: &mut MysqlConnection, statement: &str, values: Vec<Value>) -> Result<(), SinkError> {
    answered(connection.exec_drop(statement, Params::Positional(values))).await
}

/// Inside the batch's transaction.
pub(crate) async fn note(connection: &mut MysqlConnection, sink: &str, noted: &Noted) -> Result<(), SinkError> {
    for gap in &noted.gaps {
        let LostRecords { log, offsets } = &gap.lost;
        let (routed_id, routed_offset) = gap.routed.map(|(log, offset)| (log.to_string(), offset)).unzip();
        let values = vec![
            log.to_string().into(),
            sink.into(),
            offsets.start.into(),
            offsets.end.into(),
            gap.events.to_string().into(),
            gap.received_from_us.into(),
            sink.into(),
            log.to_string().into(),
            offsets.start.into(),
            gap.received_to_us.into(),
            routed_id.into(),
            routed_offset.into(),
            gap.noticed_us.into(),
        ];
        execute(connection, NOTICE, values).await?;
    }
    if noted.facts.is_empty() {
        return Ok(());
    }
    let values = vec![
        noted.log.to_string().into(),
        sink.into(),
        noted.offsets.start.into(),
        noted.offsets.end.into(),
        noted.received_us.unwrap_or_else(now_us).into(),
        noted.is_anew.into(),
        noted.facts.as_slice().into(),
    ];
    execute(connection, TELL, values).await
}

/// How far the first log is followed, for each open gap.
pub(crate) async fn follow(
    connection: &mut MysqlConnection,
    sink: &str,
    (log, offset): (Uuid, u64),
) -> Result<(), SinkError> {
    let log = log.to_string();
    let values = vec![log.as_str().into(), offset.into(), offset.into(), log.as_str().into(), sink.into()];
    execute(connection, FOLLOW, values).await
}

pub(crate) async fn prune(connection: &mut MysqlConnection, sink: &str, received_us: i64) -> Result<(), SinkError> {
    let below_us = received_us.saturating_sub(KEPT_US);
    let values = vec![sink.into(), below_us.into(), sink.into(), KEPT_US.into(), KEPT_US.into()];
    execute(connection, PRUNE, values).await
}

pub(crate) async fn gaps(connection: &mut MysqlConnection, sink: &str) -> Result<Vec<Gap>, SinkError> {
    let rows: Vec<Row> = answered(connection.exec(GAPS, (sink,))).await?;
    let found: Option<Vec<Gap>> = rows.iter().map(gap).collect();
    found.ok_or_else(|| SinkError::Bookkeeping("genims_internal.route_gaps"))
}

fn gap(row: &Row) -> Option<Gap> {
    let log = |index| row.get::<String, _>(index)?.parse::<Uuid>().ok();
    let number = |index| row.get::<Option<i64>, _>(index).flatten();
    let [routed, followed] =
        [6, 11].map(|index| row.get::<Option<String>, _>(index).flatten().and_then(|text| text.parse::<Uuid>().ok()));
    let made = number(10).unwrap_or(0) as u64;
    Some(Gap {
        events: log(3)?,
        lost: LostRecords { log: log(0)?, offsets: row.get(1)?..row.get(2)? },
        received_from_us: number(4),
        received_to_us: number(5)?,
        routed: routed.zip(row.get::<Option<u64>, _>(7).flatten()),
        followed: followed.zip(row.get::<Option<u64>, _>(12).flatten()),
        noticed_us: number(8)?,
        closed: number(9).map(|at_us| Closed { at_us, made }),
    })
}

pub(crate) async fn facts(
    connection: &mut MysqlConnection,
    sink: &str,
    received_us: Range<i64>,
) -> Result<Facts, SinkError> {
    let (mut facts, mut last) = (Facts::default(), (String::new(), 0_u64));
    loop {
        let (log, offset) = &last;
        let values = (sink, received_us.start, received_us.end, log, log, offset, FACTS_PAGE);
        let rows: Vec<(bool, i64, Vec<u8>, String, u64)> = answered(connection.exec(FACTS, values)).await?;
        for (is_anew, received_us, bytes, ..) in &rows {
            facts.add(*is_anew, *received_us, facts_of(bytes));
        }
        match rows.into_iter().nth(FACTS_PAGE - 1) {
            Some((.., log, offset)) => last = (log, offset),
            None => return Ok(facts),
        }
    }
}

/// When what the stream told last was received.
pub(crate) async fn newest(connection: &mut MysqlConnection, sink: &str) -> Result<Option<i64>, SinkError> {
    let newest: Option<Option<i64>> = answered(connection.exec_first(NEWEST, (sink,))).await?;
    Ok(newest.flatten())
}

pub(crate) async fn refused(
    connection: &mut MysqlConnection,
    sink: &str,
    log: Uuid,
    offsets: Range<u64>,
) -> Result<u64, SinkError> {
    let values = (sink, log.to_string(), offsets.start, offsets.end);
    Ok(answered(connection.exec_first::<u64, _, _>(REFUSED, values)).await?.unwrap_or(0))
}

pub(crate) async fn close(connection: &mut MysqlConnection, sink: &str, gap: &Gap, made: u64) -> Result<(), SinkError> {
    let LostRecords { log, offsets } = &gap.lost;
    let values = vec![
        now_us().into(),
        made.into(),
        log.to_string().into(),
        sink.into(),
        offsets.start.into(),
        offsets.end.into(),
    ];
    execute(connection, CLOSE, values).await
}
