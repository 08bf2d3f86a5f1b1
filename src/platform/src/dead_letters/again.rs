//! What became of dead letters that went through the server again, each under a client id of its own.
//!
//! - Nothing came back: it is stored.
//! - It came back as it was: it waits as before, and the row that came back is deleted.
//! - A part of it came back: the rest is stored, so it stays marked as replayed, and what came back takes its place with its
//!   listener, client and time of receipt, under a number of its own.
//!
//! Copies that are deleted are entered as such, so that ledger and accounts still add up and nobody takes them for purged.

use super::purge::delete_copies;
use serde::Serialize;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

/// A dead letter of which something came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Returned {
    pub letter_id: i64,
    /// Why it was set aside this time.
    pub reason: String,
    pub detail: String,
    /// Records that came back.
    pub records: u64,
    /// Records of it that are stored now, as far as it was known how many it held.
    pub stored_records: u64,
    /// The dead letters that wait in its place; itself where nothing of it was stored.
    pub waits_as: Vec<i64>,
    /// What came back as it was, and is not needed beside it.
    #[serde(skip)]
    copies: Vec<i64>,
}

impl Returned {
    /// Nothing of it was stored.
    pub fn is_whole(&self) -> bool {
        self.waits_as == [self.letter_id]
    }
}

/// A dead letter that went through the server again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub letter_id: i64,
    /// How often.
    pub copies: u64,
}

/// The client id under which a dead letter is sent.
pub fn client_id(sender: &str, letter_id: i64) -> String {
    format!("{sender}-{letter_id}")
}

/// Looks what of `sent` has come back since the dead letter `since`, and puts the table in order. Whatever is going to come
/// back must have been stored.
pub async fn settle(client: &Client, sender: &str, sent: &[Sent], since: i64) -> Result<Vec<Returned>, Error> {
    let returned = returned(client, sender, sent, since).await?;
    let (whole, parts): (Vec<&Returned>, Vec<&Returned>) = returned.iter().partition(|returned| returned.is_whole());
    let waits: Vec<i64> = whole.iter().map(|returned| returned.letter_id).collect();
    if !waits.is_empty() {
        let update = "UPDATE genims_internal.dead_letters SET replayed_at = NULL WHERE letter_id = ANY($1)";
        client.execute_typed(update, &[(&waits, Type::INT8_ARRAY)]).await?;
        let copies: Vec<i64> = whole.iter().flat_map(|returned| &returned.copies).copied().collect();
        delete_copies(client, &copies).await?;
    }
    if !parts.is_empty() {
        let pairs = parts.iter().flat_map(|part| part.waits_as.iter().map(|row| (*row, part.letter_id)));
        let (rows, originals): (Vec<i64>, Vec<i64>) = pairs.unzip();
        let update =
            "UPDATE genims_internal.dead_letters AS rest SET source = original.source, client = original.client,
                 topic = original.topic, received_at = original.received_at,
                 last_received_at = coalesce(original.last_received_at, original.received_at), fold = NULL, cause = NULL
             FROM unnest($1::bigint[], $2::bigint[]) AS pair (row_id, original_id)
             JOIN genims_internal.dead_letters AS original ON original.letter_id = pair.original_id
             WHERE rest.letter_id = pair.row_id";
        let values: [(&(dyn ToSql + Sync), Type); 2] = [(&rows, Type::INT8_ARRAY), (&originals, Type::INT8_ARRAY)];
        client.execute_typed(update, &values).await?;
    }
    Ok(returned)
}

/// A dead letter that holds parts of a message, or came alone and comes back with the same payload, has come back whole, if all
/// copies of it did.
async fn returned(client: &Client, sender: &str, sent: &[Sent], since: i64) -> Result<Vec<Returned>, Error> {
    let query = "SELECT original.letter_id, sum(back.records)::bigint AS records,
             greatest(original.records * min(sent.copies) / original.letters - sum(back.records), 0)::bigint AS stored,
             array_agg(back.letter_id ORDER BY back.letter_id) AS rows,
             (array_agg(back.reason ORDER BY back.letter_id))[1] AS reason,
             (array_agg(back.detail ORDER BY back.letter_id))[1] AS detail,
             (count(*) = 1 AND bool_and(back.payload = original.payload AND back.letters >= sent.copies))
                 OR (original.records > original.letters AND coalesce(original.fold <> original.cause, true)
                     AND sum(back.records) * original.letters >= original.records * min(sent.copies)) AS is_whole
         FROM unnest($2::bigint[], $4::bigint[]) AS sent (letter_id, copies)
         JOIN genims_internal.dead_letters AS original USING (letter_id)
         JOIN genims_internal.dead_letters AS back ON back.client = $1::text || '-' || original.letter_id::text
         WHERE back.letter_id > $3
         GROUP BY original.letter_id ORDER BY original.letter_id";
    let ids: Vec<i64> = sent.iter().map(|sent| sent.letter_id).collect();
    let copies: Vec<i64> = sent.iter().map(|sent| i64::try_from(sent.copies).unwrap_or(i64::MAX)).collect();
    let values: [(&(dyn ToSql + Sync), Type); 4] =
        [(&sender, Type::TEXT), (&ids, Type::INT8_ARRAY), (&since, Type::INT8), (&copies, Type::INT8_ARRAY)];
    let of = |row: &Row| {
        let (letter_id, rows): (i64, Vec<i64>) = (row.get("letter_id"), row.get("rows"));
        let count = |column: &str| row.get::<_, i64>(column).unsigned_abs();
        let (waits_as, copies, stored_records) =
            if row.get("is_whole") { (vec![letter_id], rows, 0) } else { (rows, Vec::new(), count("stored")) };
        let (reason, detail) = (row.get("reason"), row.get("detail"));
        Returned { letter_id, reason, detail, records: count("records"), stored_records, waits_as, copies }
    };
    Ok(client.query_typed(query, &values).await?.iter().map(of).collect())
}

/// Rows that PostgreSQL has refused since the dead letter `since`: nobody can tell who sent them.
pub async fn refused_since(client: &Client, since: i64) -> Result<u64, Error> {
    let query =
        "SELECT count(*) FROM genims_internal.dead_letters WHERE letter_id > $1 AND reason = 'refused_by_database'";
    Ok(client.query_typed_one(query, &[(&since, Type::INT8)]).await?.get::<_, i64>(0).unsigned_abs())
}
