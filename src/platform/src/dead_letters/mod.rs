//! Questions about what was set aside, for `genims deadletter list | show | replay | purge`.
//!
//! Replaying is the caller's: it sends [`StoredDeadLetter::payload`] through the intake again, calls [`mark_replayed`], and has
//! [`again`] look what came back. What is deleted, and that it stays in the books, is in [`purge`].

pub mod again;
pub mod purge;

use chrono::{DateTime, Utc};
use genims_model::Reason;
use genims_stores::postgres::{scada_rows, sensor_rows};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};
use uuid::Uuid;

/// One row of `genims_internal.dead_letters`.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredDeadLetter {
    pub letter_id: i64,
    pub spool_id: Uuid,
    pub log_offset: i64,
    pub received_at: DateTime<Utc>,
    /// The listener it came through.
    pub source: String,
    /// Who sent it; empty for rows that PostgreSQL refused.
    pub client: String,
    /// Empty for what came without one (TCP frames, lines), and for rows that PostgreSQL refused.
    pub topic: String,
    pub reason: String,
    pub sqlstate: Option<String>,
    pub detail: String,
    /// Cut after 1 MiB; its beginning in lists.
    pub payload: Vec<u8>,
    pub payload_bytes: i64,
    /// What of that is in the table.
    pub kept_bytes: i64,
    pub replayed_at: Option<DateTime<Utc>>,
    /// How often it came; `received_at` is when it came first.
    pub dead_letters: i64,
    /// The records that were set aside with it: a dead letter may hold several elements of a message.
    pub records: i64,
    /// When it came last.
    pub last_received_at: DateTime<Utc>,
    /// The payload is the first of `letters` different ones of the same cause; the others were only counted.
    pub is_sample: bool,
}

/// The payload as text where it is text, else in hexadecimal digits.
impl Serialize for StoredDeadLetter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.payload_text();
        let hex = || self.payload.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut out = serializer.serialize_struct("dead_letter", 21)?;
        out.serialize_field("letter_id", &self.letter_id)?;
        out.serialize_field("spool_id", &self.spool_id)?;
        out.serialize_field("log_offset", &self.log_offset)?;
        out.serialize_field("received_at", &self.received_at)?;
        out.serialize_field("last_received_at", &self.last_received_at)?;
        out.serialize_field("listener", &self.source)?;
        out.serialize_field("source", &self.source)?;
        out.serialize_field("client", &self.client)?;
        out.serialize_field("topic", &self.topic)?;
        out.serialize_field("reason", &self.reason)?;
        out.serialize_field("sqlstate", &self.sqlstate)?;
        out.serialize_field("detail", &self.detail)?;
        out.serialize_field("payload_text", &text)?;
        out.serialize_field("payload_hex", &text.is_none().then(hex))?;
        out.serialize_field("payload_bytes", &self.payload_bytes)?;
        out.serialize_field("payload_kept_bytes", &self.kept_bytes)?;
        out.serialize_field("payload_is_cut", &!self.is_complete())?;
        out.serialize_field("replayed_at", &self.replayed_at)?;
        out.serialize_field("letters", &self.dead_letters)?;
        out.serialize_field("records", &self.records)?;
        out.serialize_field("is_sample", &self.is_sample)?;
        out.end()
    }
}

impl StoredDeadLetter {
    /// True for a reading or snapshot that PostgreSQL refused: its finished row is in the payload, see [`restore`].
    pub fn holds_row(&self) -> bool {
        self.was_refused() && self.payload.windows(ROW_KEY.len()).any(|w| w == ROW_KEY)
    }

    /// True for what PostgreSQL refused behind the log, whatever it was.
    pub fn was_refused(&self) -> bool {
        self.reason == Reason::RefusedByDatabase.code()
    }

    /// Of rows for a table: their database.
    pub fn rows_database(&self) -> Option<String> {
        let (database, _) = self.topic.strip_prefix("genims/v1/rows/")?.split_once('/')?;
        Some(database.to_owned())
    }

    /// The payload where it is text; of one that is longer than what was kept, whole characters.
    pub fn payload_text(&self) -> Option<&str> {
        match std::str::from_utf8(&self.payload) {
            Ok(text) => Some(text),
            Err(error) if error.error_len().is_none() && (self.payload.len() as i64) < self.payload_bytes => {
                std::str::from_utf8(&self.payload[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        }
    }

    /// False for a payload that was cut: only the sender still has all of it.
    pub fn is_complete(&self) -> bool {
        self.kept_bytes == self.payload_bytes
    }
}

/// Which dead letters to list; the default is the newest hundred that wait.
#[derive(Clone, Debug)]
pub struct DeadLetterFilter {
    pub reason: Option<String>,
    pub source: Option<String>,
    pub since: Option<DateTime<Utc>>,
    pub include_replayed: bool,
    pub limit: i64,
}

impl Default for DeadLetterFilter {
    fn default() -> Self {
        Self { reason: None, source: None, since: None, include_replayed: false, limit: 100 }
    }
}

/// Dead letters of one reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReasonCount {
    pub reason: String,
    pub waiting: i64,
    pub replayed: i64,
    /// The records that all of them stand for.
    pub records: i64,
    /// Records that replays brought back, whose dead letters wait as before.
    pub returned: i64,
    /// Records of those that were purged.
    pub purged: i64,
}

const ROW_KEY: &[u8] = b"\"row\":{";

const COLUMNS: &str = "letter_id, spool_id, log_offset, received_at, source, client, topic, reason, sqlstate, detail, \
     payload_bytes, length(payload)::bigint AS kept_bytes, replayed_at, letters, records, coalesce(last_received_at, received_at) AS last_received_at, \
     coalesce(fold = cause, false) AS is_sample";
/// What of a payload a list shows.
pub const LISTED_BYTES_MAX: i32 = 512;

/// Newest first, with the beginnings of payloads.
pub async fn list(client: &Client, filter: &DeadLetterFilter) -> Result<Vec<StoredDeadLetter>, Error> {
    let query = format!(
        "SELECT {COLUMNS}, substring(payload FOR {LISTED_BYTES_MAX}) AS payload FROM genims_internal.dead_letters
         WHERE ($1::text IS NULL OR reason = $1) AND ($2::text IS NULL OR source = $2)
           AND ($3::timestamptz IS NULL OR received_at >= $3) AND ($4 OR replayed_at IS NULL)
         ORDER BY letter_id DESC LIMIT $5"
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
        (&filter.reason, Type::TEXT),
        (&filter.source, Type::TEXT),
        (&filter.since, Type::TIMESTAMPTZ),
        (&filter.include_replayed, Type::BOOL),
        (&filter.limit, Type::INT8),
    ];
    Ok(client.query_typed(&query, &parameters).await?.iter().map(dead_letter).collect())
}

/// The named dead letters with their payloads, in order; unknown ids are left out.
pub async fn fetch(client: &Client, letter_ids: &[i64]) -> Result<Vec<StoredDeadLetter>, Error> {
    let query = format!(
        "SELECT {COLUMNS}, payload FROM genims_internal.dead_letters WHERE letter_id = ANY($1) ORDER BY letter_id"
    );
    Ok(client.query_typed(&query, &[(&letter_ids, Type::INT8_ARRAY)]).await?.iter().map(dead_letter).collect())
}

/// A dead letter without its payload, and how long that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptDeadLetter {
    pub letter_id: i64,
    pub kept_bytes: i64,
}

const HELD: &str = "SELECT letter_id, length(payload)::bigint FROM genims_internal.dead_letters";

fn held(row: &Row) -> KeptDeadLetter {
    KeptDeadLetter { letter_id: row.get(0), kept_bytes: row.get(1) }
}

/// Waiting dead letters of a reason above `after` and up to `last`, oldest first: pages for a replay of many.
pub async fn waiting(
    client: &Client,
    reason: &str,
    after: i64,
    last: i64,
    limit: i64,
) -> Result<Vec<KeptDeadLetter>, Error> {
    let query = format!(
        "{HELD} WHERE letter_id > $1 AND letter_id <= $2 AND replayed_at IS NULL AND reason = $3 ORDER BY letter_id LIMIT $4"
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 4] =
        [(&after, Type::INT8), (&last, Type::INT8), (&reason, Type::TEXT), (&limit, Type::INT8)];
    Ok(client.query_typed(&query, &parameters).await?.iter().map(held).collect())
}

/// How many wait of a reason above `after` and up to `last`.
pub async fn count_waiting(client: &Client, reason: &str, after: i64, last: i64) -> Result<u64, Error> {
    let query = "SELECT count(*) FROM genims_internal.dead_letters
         WHERE letter_id > $1 AND letter_id <= $2 AND replayed_at IS NULL AND reason = $3";
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&after, Type::INT8), (&last, Type::INT8), (&reason, Type::TEXT)];
    Ok(client.query_typed_one(query, &parameters).await?.get::<_, i64>(0).unsigned_abs())
}

/// The newest dead letter's id; 0 without any.
pub async fn newest_id(client: &Client) -> Result<i64, Error> {
    let query = "SELECT coalesce(max(letter_id), 0) FROM genims_internal.dead_letters";
    Ok(client.query_typed_one(query, &[]).await?.get(0))
}

/// Those of the ids that exist, each once, oldest first.
pub async fn existing(client: &Client, letter_ids: &[i64]) -> Result<Vec<KeptDeadLetter>, Error> {
    let query = format!("{HELD} WHERE letter_id = ANY($1) ORDER BY letter_id");
    Ok(client.query_typed(&query, &[(&letter_ids, Type::INT8_ARRAY)]).await?.iter().map(held).collect())
}

/// Puts the row of a refused reading or snapshot where it belongs and marks its dead letter, together or not at all; false for
/// a dead letter that holds no row or does not wait. Sent through the stream again, it would be known there, and counted as a
/// duplicate.
pub async fn restore(client: &Client, letter_id: i64) -> Result<bool, Error> {
    let insert = |name: &str, table: &str, columns: &str, its_own: &str| {
        format!(
            "{name} AS (INSERT INTO public.{table} ({columns})
                SELECT {columns} FROM dead_letter, jsonb_populate_record(NULL::public.{table}, dead_letter.finished)
                WHERE dead_letter.finished ? '{its_own}' RETURNING 1)"
        )
    };
    let restore = format!(
        "WITH dead_letter AS (
            SELECT convert_from(payload, 'UTF8')::jsonb -> 'row' AS finished FROM genims_internal.dead_letters
            WHERE letter_id = $1 AND replayed_at IS NULL AND reason = 'refused_by_database'
              AND length(payload) = payload_bytes FOR UPDATE),
        {}, {}
        UPDATE genims_internal.dead_letters SET replayed_at = now()
        WHERE letter_id = $1 AND (EXISTS (SELECT FROM reading) OR EXISTS (SELECT FROM snapshot))",
        insert("reading", "sensor_data", sensor_rows::COLUMNS, "measurement_value"),
        insert("snapshot", "scada_machine_data", scada_rows::COLUMNS, "machine_state"),
    );
    Ok(client.execute_typed(&restore, &[(&letter_id, Type::INT8)]).await? == 1)
}

/// Marks dead letters as sent again; answers how many were waiting until now.
pub async fn mark_replayed(client: &Client, letter_ids: &[i64]) -> Result<u64, Error> {
    let update = "UPDATE genims_internal.dead_letters SET replayed_at = now()
         WHERE letter_id = ANY($1) AND replayed_at IS NULL";
    client.execute_typed(update, &[(&letter_ids, Type::INT8_ARRAY)]).await
}

pub async fn count_by_reason(client: &Client) -> Result<Vec<ReasonCount>, Error> {
    let query =
        "SELECT reason, sum(waiting)::bigint, sum(replayed)::bigint, sum(records)::bigint, sum(returned)::bigint,
             sum(purged)::bigint FROM (
             SELECT reason, count(*) FILTER (WHERE replayed_at IS NULL) AS waiting, count(replayed_at) AS replayed,
                 sum(records) AS records, 0 AS returned, 0 AS purged FROM genims_internal.dead_letters GROUP BY reason
             UNION ALL SELECT reason, 0, 0, 0, sum(returned), sum(records - returned)
                 FROM genims_internal.dead_letters_purged GROUP BY reason) AS counted
         GROUP BY reason ORDER BY reason";
    let rows = client.query_typed(query, &[]).await?;
    let count = |row: &Row| ReasonCount {
        reason: row.get(0),
        waiting: row.get(1),
        replayed: row.get(2),
        records: row.get(3),
        returned: row.get(4),
        purged: row.get(5),
    };
    Ok(rows.iter().map(count).collect())
}

fn dead_letter(row: &Row) -> StoredDeadLetter {
    StoredDeadLetter {
        letter_id: row.get("letter_id"),
        spool_id: row.get("spool_id"),
        log_offset: row.get("log_offset"),
        received_at: row.get("received_at"),
        source: row.get("source"),
        client: row.get("client"),
        topic: row.get("topic"),
        reason: row.get("reason"),
        sqlstate: row.get("sqlstate"),
        detail: row.get("detail"),
        payload: row.get("payload"),
        payload_bytes: row.get("payload_bytes"),
        kept_bytes: row.get("kept_bytes"),
        replayed_at: row.get("replayed_at"),
        dead_letters: row.get("letters"),
        records: row.get("records"),
        last_received_at: row.get("last_received_at"),
        is_sample: row.get("is_sample"),
    }
}
