//! Deletes dead letters, and enters in `genims_internal.dead_letters_purged` how many: one statement does both, so that the
//! ledger and the counts by reason add up at every moment. Copies that a replay brought back are entered as those: their dead letters
//! are there.
//!
//! The bound of the whole table is kept in rounds over the causes (listener, client, topic, reason): what was replayed goes
//! first, then the oldest dead letters of the causes with the most. A device that floods the table pushes out its own dead letters,
//! not those of others.

use crate::actions::{self, Action};
use chrono::{DateTime, Utc};
use genims_model::counted;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

/// `[dead_letters]` of the configuration: what a server keeps.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetterOptions {
    /// How long a dead letter is kept after it came last.
    #[serde(with = "humantime_serde")]
    pub keep_for: Duration,
    /// What the dead letters may hold together: payloads and texts.
    pub max_bytes: u64,
}

impl Default for DeadLetterOptions {
    fn default() -> Self {
        Self { keep_for: Duration::from_secs(90 * 24 * 3_600), max_bytes: 1 << 30 }
    }
}

/// Which to delete: those that match all that is said.
#[derive(Clone, Debug, Default)]
pub struct Which {
    pub letter_ids: Option<Vec<i64>>,
    pub reason: Option<String>,
    /// Those that came last before.
    pub before: Option<DateTime<Utc>>,
}

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    pub rows: u64,
    #[serde(rename = "letters")]
    pub dead_letters: u64,
    pub records: u64,
}

impl Purged {
    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.dead_letters += other.dead_letters;
        self.records += other.records;
    }
}

/// Rows deleted in one transaction: none holds locks for long.
const AT_ONCE: i64 = 50_000;

/// About what a row takes beside its texts and payload.
const ROW_BYTES: &str = "200";

/// A parameter with its type: statements stay unnamed, so that a pooler may stand in between.
type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// Deletes what matches.
pub async fn purge(client: &Client, which: &Which) -> Result<Purged, Error> {
    let select = "SELECT letter_id FROM genims_internal.dead_letters
         WHERE ($2::bigint[] IS NULL OR letter_id = ANY($2)) AND ($3::text IS NULL OR reason = $3)
           AND ($4::timestamptz IS NULL OR coalesce(last_received_at, received_at) < $4)
         ORDER BY letter_id LIMIT $1";
    let values: [Value<'_>; 3] =
        [(&which.letter_ids, Type::INT8_ARRAY), (&which.reason, Type::TEXT), (&which.before, Type::TIMESTAMPTZ)];
    delete(client, select, &values, Gone::Purged).await
}

/// Deletes what a replay has brought back as it was; the dead letters themselves wait.
pub(super) async fn delete_copies(client: &Client, letter_ids: &[i64]) -> Result<Purged, Error> {
    let select =
        "SELECT letter_id FROM genims_internal.dead_letters WHERE letter_id = ANY($2) ORDER BY letter_id LIMIT $1";
    delete(client, select, &[(&letter_ids, Type::INT8_ARRAY)], Gone::Copies).await
}

/// Deletes what is too much, so that the dead letters hold at most `bytes_max` together.
pub async fn purge_to_size(client: &Client, bytes_max: u64) -> Result<Purged, Error> {
    let bytes = format!("({ROW_BYTES} + octet_length(payload) + octet_length(detail) + octet_length(topic))");
    let bytes_max = i64::try_from(bytes_max).unwrap_or(i64::MAX);
    let held = format!("SELECT coalesce(sum({bytes}), 0)::bigint FROM genims_internal.dead_letters");
    if client.query_typed_one(&held, &[]).await?.get::<_, i64>(0) <= bytes_max {
        return Ok(Purged::default());
    }
    let select = format!(
        "SELECT letter_id FROM (
             SELECT letter_id, sum(bytes) OVER (ORDER BY waits DESC, nth, letter_id DESC) AS held FROM (
                 SELECT letter_id, {bytes} AS bytes, replayed_at IS NULL AS waits,
                     row_number() OVER (PARTITION BY source, client, topic, reason ORDER BY letter_id DESC) AS nth
                 FROM genims_internal.dead_letters) AS sized) AS summed
         WHERE held > $2::bigint ORDER BY held DESC LIMIT $1"
    );
    delete(client, &select, &[(&bytes_max, Type::INT8)], Gone::Purged).await
}

/// What it is that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// Dead letters.
    Purged,
    /// Second ones of dead letters that stay.
    Copies,
}

/// Deletes what `select` names, piece by piece; its first parameter is how many at once.
async fn delete(client: &Client, select: &str, values: &[Value<'_>], what: Gone) -> Result<Purged, Error> {
    let (column, value, sum) = match what {
        Gone::Purged => ("", "", ""),
        Gone::Copies => (", returned", ", records", ", returned = purged.returned + excluded.returned"),
    };
    let delete = format!(
        "WITH gone AS (DELETE FROM genims_internal.dead_letters WHERE letter_id IN ({select})
             RETURNING source, reason, letters, records),
         sums AS (SELECT source, reason, count(*) AS deleted, sum(letters)::bigint AS letters, sum(records)::bigint AS records
             FROM gone GROUP BY source, reason),
         entered AS (INSERT INTO genims_internal.dead_letters_purged AS purged (source, reason, letters, records, purged_at{column})
             SELECT source, reason, letters, records, now(){value} FROM sums
             ON CONFLICT (source, reason) DO UPDATE SET letters = purged.letters + excluded.letters,
                 records = purged.records + excluded.records, purged_at = excluded.purged_at{sum})
         SELECT coalesce(sum(deleted), 0)::bigint, coalesce(sum(letters), 0)::bigint, coalesce(sum(records), 0)::bigint
         FROM sums"
    );
    let values: Vec<Value<'_>> = std::iter::once((&AT_ONCE as _, Type::INT8)).chain(values.iter().cloned()).collect();
    let mut purged = Purged::default();
    loop {
        let row = client.query_typed_one(&delete, &values).await?;
        let [rows, dead_letters, records] = [0, 1, 2].map(|index| row.get::<_, i64>(index).unsigned_abs());
        purged.add(Purged { rows, dead_letters, records });
        if rows < AT_ONCE.unsigned_abs() {
            break;
        }
    }
    if purged.rows > 0 {
        let (rows, records) = (counted(purged.rows, "dead letter"), counted(purged.records, "record"));
        let description = match what {
            Gone::Purged => format!("purged {rows} of {records}"),
            Gone::Copies => format!("deleted {rows} of {records} that a replay brought back as copies of what waits"),
        };
        let action = Action {
            service: "genims-purge",
            activity: "delete",
            module: "operations",
            database: "genims_operations_db",
            description: &description,
            rows: purged.rows,
        };
        actions::record(client, &action).await?;
    }
    Ok(purged)
}
