//! One binary COPY of rows that encode themselves.
//!
//! In: rows by index. Out: large chunks on the wire (tokio-postgres' own writer flushes every 4 KiB).
//! A COPY that is not finished fails, so an early return leaves nothing behind.

use crate::postgres::field::{COPY_HEADER, COPY_TRAILER};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::SinkExt;
use genims_model::SourceNo;
use std::ops::Range;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::{Error, Statement, Transaction};

/// Bytes of a chunk: large enough that the hand-over costs nothing, small enough to stay in the cache.
const CHUNK_BYTES: usize = 256 * 1024;
/// Room behind a full chunk, so that the row that fills it does not move it.
const CHUNK_SLACK_BYTES: usize = 4 * 1024;

/// Rows of one table.
pub trait EncodeRows: Send {
    fn rows(&self) -> usize;
    /// Appends row `index`: field count and fields. Rows are asked for in ascending order mostly, so an encoder may
    /// keep what neighbours share.
    fn encode(&mut self, index: usize, out: &mut BytesMut);
    /// Row `index` in a form that can be replayed.
    fn refused(&self, index: usize) -> Refused;
}

/// A row that PostgreSQL will not take.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub log_offset: u64,
    /// The account that counts it; `None` for events.
    pub source: Option<SourceNo>,
    pub received_us: i64,
    pub payload: Vec<u8>,
    pub sqlstate: Option<String>,
    pub detail: String,
}

/// What a COPY did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Copied {
    pub rows: u64,
    pub bytes: u64,
}

/// Copies `range`; `buffer` is working memory that keeps its allocation.
pub async fn copy(
    transaction: &Transaction<'_>,
    statement: &Statement,
    rows: &mut dyn EncodeRows,
    range: Range<usize>,
    buffer: &mut BytesMut,
) -> Result<Copied, Error> {
    let sink = transaction.copy_in::<_, Bytes>(statement).await?;
    let mut sink = std::pin::pin!(sink);
    let mut bytes = 0;
    buffer.clear();
    buffer.reserve(CHUNK_BYTES + CHUNK_SLACK_BYTES);
    buffer.put_slice(&COPY_HEADER);
    for index in range {
        rows.encode(index, buffer);
        if buffer.len() >= CHUNK_BYTES {
            bytes += buffer.len() as u64;
            sink.send(buffer.split().freeze()).await?;
            buffer.reserve(CHUNK_BYTES + CHUNK_SLACK_BYTES);
        }
    }
    buffer.put_slice(&COPY_TRAILER);
    bytes += buffer.len() as u64;
    sink.send(buffer.split().freeze()).await?;
    let rows = sink.finish().await?;
    Ok(Copied { rows, bytes })
}

impl Refused {
    pub(super) fn because(mut self, refusal: &DbError) -> Self {
        self.sqlstate = Some(refusal.code().code().to_owned());
        let detail = refusal.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        let context = refusal.where_().map(|context| format!("; {context}")).unwrap_or_default();
        self.detail = format!("{}{detail}{context}", refusal.message());
        self
    }

    /// What is left to say of a dead letter that the table of dead letters refused.
    pub(super) fn bare(self) -> Self {
        let detail = format!("the dead letter itself was refused, its content is lost: {}", self.detail);
        Self { payload: Vec::new(), detail, ..self }
    }
}

/// The database's refusal, when it is the row's own fault. Everything else, from a lost connection to a missing table, is mended
/// outside and worth repeating.
pub fn refusal(error: &Error) -> Option<&DbError> {
    error.as_db_error().filter(|refusal| is_own_fault(refusal.code().code()) || is_outside_policy(refusal))
}

/// Whether a policy of row level security does not allow the row. Its code is that of a missing right, which is not the row's fault,
/// and its message is in the server's language; the routine that raises it is for policies alone.
fn is_outside_policy(refusal: &DbError) -> bool {
    *refusal.code() == SqlState::INSUFFICIENT_PRIVILEGE && refusal.routine() == Some("ExecWithCheckOptions")
}

/// Data exceptions (22), constraints (23), WITH CHECK OPTION (44), program limits such as an oversized index row (54), and what
/// functions and triggers raise: by RAISE, ASSERT or INTO STRICT (P0), by CASE and subqueries that fit no row (20, 21), by
/// external routines (2F, 38, 39), under a code of their own (45 as in other databases, and all classes that the standard
/// leaves to implementations and PostgreSQL does not take).
fn is_own_fault(sqlstate: &str) -> bool {
    const OF_ROWS: [&str; 11] = ["20", "21", "22", "23", "2F", "38", "39", "44", "45", "54", "P0"];
    /// PostgreSQL's own among the classes of implementations, but those above: resources, states, intervention, system, snapshots,
    /// internal errors.
    const OF_SERVERS: [&str; 6] = ["53", "55", "57", "58", "72", "XX"];
    let class = sqlstate.get(..2).unwrap_or_default();
    OF_ROWS.contains(&class)
        || (class.starts_with(|first: char| matches!(first, '5'..='9' | 'I'..='Z')) && !OF_SERVERS.contains(&class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_row_does_is_told_from_what_ails_the_server() {
        let rows = [
            "22003", "23514", "23505", "44000", "54000", "P0001", "P0002", "P0004", "20000", "21000", "38000", "45000",
        ];
        let own = ["U0001", "GM001", "99999", "ZZ123"];
        assert!(rows.iter().all(|code| is_own_fault(code)));
        assert_eq!(own.map(is_own_fault), [true, false, true, true], "G belongs to the standard");
        let servers = [
            "08006", "25P02", "28000", "40001", "40P01", "42501", "42P01", "53100", "53200", "53300", "53400", "55P03",
            "57014", "57P01", "58030", "F0000", "HV000", "XX000", "XX001", "",
        ];
        assert_eq!(servers.iter().find(|code| is_own_fault(code)), None);
    }
}
