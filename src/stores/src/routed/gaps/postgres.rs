//! Gaps and facts in a PostgreSQL database: `genims_internal.route_gaps`, `genims_internal.routed_facts`.

use super::noted::Noted;
use super::{Closed, FACTS_PAGE, Facts, Gap, KEPT_US, LostRecords, facts_of};
use crate::error::{SinkError, answered};
use genims_model::now_us;
use std::ops::Range;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{GenericClient, Row};
use uuid::Uuid;

type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// A position that was put back alone meets what was told before, and the batch may be a shorter one now: what was told stays told.
const TELL: &str =
    "INSERT INTO genims_internal.routed_facts AS told (log_id, sink, first_offset, next_offset, received_us, is_anew, facts)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (sink, log_id, first_offset) DO UPDATE
     SET next_offset = greatest(told.next_offset, EXCLUDED.next_offset),
         received_us = greatest(told.received_us, EXCLUDED.received_us), facts = told.facts || EXCLUDED.facts";

/// When what lies before the gap was received follows from the newest batch before it, of this log or of one before it.
const NOTICE: &str = "INSERT INTO genims_internal.route_gaps (log_id, sink, from_offset, to_offset, events_id,
         received_from_us, received_to_us, routed_id, routed_offset, noticed_us)
     SELECT $1, $2, $3, $4, $5, coalesce($6, (SELECT max(received_us) FROM genims_internal.routed_facts
         WHERE sink = $2 AND NOT is_anew AND (log_id <> $1 OR next_offset <= $3))), $7, $8, $9, $10
     ON CONFLICT DO NOTHING";

const FOLLOW: &str = "UPDATE genims_internal.route_gaps SET followed_id = $2, followed_offset = $3
     WHERE sink = $1 AND closed_us IS NULL AND (followed_id IS DISTINCT FROM $2 OR followed_offset < $3)";

/// What is around an open gap stays. Of whichever log: it may have got another name.
const PRUNE: &str = "DELETE FROM genims_internal.routed_facts AS facts
     WHERE sink = $1 AND received_us < $2 AND NOT EXISTS (SELECT FROM genims_internal.route_gaps AS gap
         WHERE gap.sink = $1 AND gap.closed_us IS NULL AND facts.received_us
             BETWEEN coalesce(gap.received_from_us, 0) - $3 AND gap.received_to_us + $3)";

const GAPS: &str = "SELECT log_id, from_offset, to_offset, events_id, received_from_us, received_to_us, routed_id,
         routed_offset, noticed_us, closed_us, made, followed_id, followed_offset
     FROM genims_internal.route_gaps WHERE sink = $1 ORDER BY noticed_us, to_offset";

/// A page, behind a row.
const FACTS: &str = "SELECT is_anew, received_us, facts, log_id, first_offset FROM genims_internal.routed_facts
     WHERE sink = $1 AND received_us BETWEEN $2 AND $3 AND (log_id, first_offset) > ($4, $5)
     ORDER BY log_id, first_offset LIMIT $6";

const NEWEST: &str = "SELECT max(received_us) FROM genims_internal.routed_facts WHERE sink = $1 AND NOT is_anew";

const REFUSED: &str = "SELECT count(*) FROM genims_internal.refused_events
     WHERE log_id = $1 AND log_offset >= $2 AND log_offset < $3";

const CLOSE: &str = "UPDATE genims_internal.route_gaps SET closed_us = $5, made = $6
     WHERE log_id = $1 AND sink = $2 AND from_offset = $3 AND to_offset = $4 AND closed_us IS NULL";

/// Inside the batch's transaction.
pub(crate) async fn note(client: &impl GenericClient, sink: &str, noted: &Noted) -> Result<(), SinkError> {
    for gap in &noted.gaps {
        let offsets = [gap.lost.offsets.start as i64, gap.lost.offsets.end as i64];
        let (routed_id, routed_offset) = gap.routed.map(|(log, offset)| (log, offset as i64)).unzip();
        let values: [Value<'_>; 10] = [
            (&gap.lost.log, Type::UUID),
            (&sink, Type::TEXT),
            (&offsets[0], Type::INT8),
            (&offsets[1], Type::INT8),
            (&gap.events, Type::UUID),
            (&gap.received_from_us, Type::INT8),
            (&gap.received_to_us, Type::INT8),
            (&routed_id, Type::UUID),
            (&routed_offset, Type::INT8),
            (&gap.noticed_us, Type::INT8),
        ];
        answered(client.execute_typed(NOTICE, &values)).await?;
    }
    if noted.facts.is_empty() {
        return Ok(());
    }
    let offsets = [noted.offsets.start as i64, noted.offsets.end as i64];
    let received_us = noted.received_us.unwrap_or_else(now_us);
    let values: [Value<'_>; 7] = [
        (&noted.log, Type::UUID),
        (&sink, Type::TEXT),
        (&offsets[0], Type::INT8),
        (&offsets[1], Type::INT8),
        (&received_us, Type::INT8),
        (&noted.is_anew, Type::BOOL),
        (&noted.facts, Type::BYTEA),
    ];
    answered(client.execute_typed(TELL, &values)).await?;
    Ok(())
}

/// How far the first log is followed, for each open gap.
pub(crate) async fn follow(
    client: &impl GenericClient,
    sink: &str,
    (log, offset): (Uuid, u64),
) -> Result<(), SinkError> {
    let offset = offset as i64;
    let values: [Value<'_>; 3] = [(&sink, Type::TEXT), (&log, Type::UUID), (&offset, Type::INT8)];
    answered(client.execute_typed(FOLLOW, &values)).await?;
    Ok(())
}

pub(crate) async fn prune(client: &impl GenericClient, sink: &str, received_us: i64) -> Result<(), SinkError> {
    let below_us = received_us.saturating_sub(KEPT_US);
    let values: [Value<'_>; 3] = [(&sink, Type::TEXT), (&below_us, Type::INT8), (&KEPT_US, Type::INT8)];
    answered(client.execute_typed(PRUNE, &values)).await?;
    Ok(())
}

pub(crate) async fn gaps(client: &impl GenericClient, sink: &str) -> Result<Vec<Gap>, SinkError> {
    let rows = answered(client.query_typed(GAPS, &[(&sink, Type::TEXT)])).await?;
    let gap = |row: &Row| {
        let offset = |index| row.get::<_, i64>(index) as u64;
        let routed: Option<Uuid> = row.get(6);
        let made = row.get::<_, Option<i64>>(10).unwrap_or(0) as u64;
        let followed: Option<Uuid> = row.get(11);
        Gap {
            events: row.get(3),
            lost: LostRecords { log: row.get(0), offsets: offset(1)..offset(2) },
            received_from_us: row.get(4),
            received_to_us: row.get(5),
            routed: routed.zip(row.get::<_, Option<i64>>(7).map(|offset| offset as u64)),
            followed: followed.zip(row.get::<_, Option<i64>>(12).map(|offset| offset as u64)),
            noticed_us: row.get(8),
            closed: row.get::<_, Option<i64>>(9).map(|at_us| Closed { at_us, made }),
        }
    };
    Ok(rows.iter().map(gap).collect())
}

pub(crate) async fn facts(
    client: &impl GenericClient,
    sink: &str,
    received_us: Range<i64>,
) -> Result<Facts, SinkError> {
    let (mut facts, mut last) = (Facts::default(), (Uuid::nil(), -1_i64));
    let page = FACTS_PAGE as i64;
    loop {
        let values: [Value<'_>; 6] = [
            (&sink, Type::TEXT),
            (&received_us.start, Type::INT8),
            (&received_us.end, Type::INT8),
            (&last.0, Type::UUID),
            (&last.1, Type::INT8),
            (&page, Type::INT8),
        ];
        let rows = answered(client.query_typed(FACTS, &values)).await?;
        rows.iter().for_each(|row| facts.add(row.get(0), row.get(1), facts_of(row.get(2))));
        match rows.last() {
            Some(row) if rows.len() == FACTS_PAGE => last = (row.get(3), row.get(4)),
            _ => return Ok(facts),
        }
    }
}

/// When what the stream told last was received.
pub(crate) async fn newest(client: &impl GenericClient, sink: &str) -> Result<Option<i64>, SinkError> {
    let rows = answered(client.query_typed(NEWEST, &[(&sink, Type::TEXT)])).await?;
    Ok(rows.first().and_then(|row| row.get(0)))
}

pub(crate) async fn refused(client: &impl GenericClient, log: Uuid, offsets: Range<u64>) -> Result<u64, SinkError> {
    let (from, to) = (offsets.start as i64, offsets.end as i64);
    let values: [Value<'_>; 3] = [(&log, Type::UUID), (&from, Type::INT8), (&to, Type::INT8)];
    let rows = answered(client.query_typed(REFUSED, &values)).await?;
    Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
}

pub(crate) async fn close(client: &impl GenericClient, sink: &str, gap: &Gap, made: u64) -> Result<(), SinkError> {
    let offsets = [gap.lost.offsets.start as i64, gap.lost.offsets.end as i64];
    let (closed_us, made) = (now_us(), made as i64);
    let values: [Value<'_>; 6] = [
        (&gap.lost.log, Type::UUID),
        (&sink, Type::TEXT),
        (&offsets[0], Type::INT8),
        (&offsets[1], Type::INT8),
        (&closed_us, Type::INT8),
        (&made, Type::INT8),
    ];
    answered(client.execute_typed(CLOSE, &values)).await?;
    Ok(())
}
