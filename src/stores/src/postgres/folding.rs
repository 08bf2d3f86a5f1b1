//! How many rows a cause of dead letters makes. Enter: the dead letters of a batch. Leave: the rows to write; what the table has
//! already is counted there.
//!
//! - Equal dead letters (log, listener, client, topic, reason, payload) are one row as long as it waits: with how often, when first
//!   and when last.
//! - What only the sender can mend is kept whole [`WHOLE_MAX`] times for each cause (listener, client, topic, reason) in an
//!   hour; the next one is kept as a sample, and what follows is counted there. What is mended here is kept whole,
//!   however much it is: it is data.
//! - Whatever is folded is counted: the rows' `letters` add up to the offsets of the log, their `records` to the account.

use crate::error::{SinkError, answered};
use crate::postgres::isolate::{BatchMode, alone};
use chrono::{DateTime, Utc};
use genims_model::DeadLetter;
use hashbrown::HashMap;
use sha2::{Digest, Sha256};
use tokio_postgres::Transaction;
use uuid::Uuid;

/// Dead letters of one cause that are kept whole in an hour.
pub const WHOLE_MAX: i64 = 100;
const HOUR_US: i64 = 3_600_000_000;

/// What a row stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetterCounts {
    /// Offsets of the log.
    pub dead_letters: u64,
    /// Records of the account.
    pub records: u64,
}

impl DeadLetterCounts {
    pub const ONE: Self = Self { dead_letters: 1, records: 1 };
}

/// A row to be.
#[derive(Clone, Debug)]
pub struct Folded<'a> {
    /// Of the first one.
    pub offset: u64,
    /// The first one.
    pub dead_letter: &'a DeadLetter,
    pub counts: DeadLetterCounts,
    pub last_received_us: i64,
    /// What equal dead letters have in common; the cause where the row counts the others of it.
    pub fold: Uuid,
    /// What dead letters of the same hour and cause have in common, where their number is bounded.
    pub cause: Option<Uuid>,
}

impl Folded<'_> {
    fn take(&mut self, other: &Self) {
        self.counts.dead_letters += other.counts.dead_letters;
        self.counts.records += other.counts.records;
        self.last_received_us = self.last_received_us.max(other.last_received_us);
    }
}

/// The name of a listener; `None` is the analysis.
pub fn source_name(sources: &[String], no: Option<u8>) -> String {
    match no {
        Some(no) => sources.get(usize::from(no)).cloned().unwrap_or_else(|| format!("#{no}")),
        None => "analysis".to_owned(),
    }
}

/// Counts in the table what it has already, and answers the rows to write.
pub async fn fold<'a>(
    transaction: &Transaction<'_>,
    mode: BatchMode,
    spool_id: Uuid,
    sources: &[String],
    dead_letters: impl Iterator<Item = (u64, &'a DeadLetter)>,
) -> Result<Vec<Folded<'a>>, SinkError> {
    let equal = equal(spool_id, sources, dead_letters);
    let new = count_there(transaction, mode, equal).await?;
    let mut causes: Vec<Uuid> = new.iter().filter_map(|row| row.cause).collect();
    causes.sort_unstable();
    causes.dedup();
    let whole = whole_rows(transaction, &causes).await?;
    let (mut rows, counted) = within_bound(new, whole);
    rows.extend(count_there(transaction, mode, counted).await?);
    Ok(rows)
}

/// The dead letters of a batch, each once.
fn equal<'a>(
    spool_id: Uuid,
    sources: &[String],
    dead_letters: impl Iterator<Item = (u64, &'a DeadLetter)>,
) -> Vec<Folded<'a>> {
    let mut rows: Vec<Folded<'a>> = Vec::new();
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    for (offset, dead_letter) in dead_letters {
        let cause = Sha256::new()
            .chain_update(spool_id)
            .chain_update(text_key(&source_name(sources, Some(dead_letter.source))))
            .chain_update(text_key(&dead_letter.client))
            .chain_update(text_key(&dead_letter.topic))
            .chain_update(dead_letter.reason.code());
        // A dead letter that was cut is told from others by its true length, too.
        let fold = key(cause
            .clone()
            .chain_update(b"=")
            .chain_update(dead_letter.payload_bytes.to_le_bytes())
            .chain_update(&dead_letter.payload));
        let hour = dead_letter.received_us.div_euclid(HOUR_US);
        let bounded = dead_letter.reason.is_mended_by_sender();
        let row = Folded {
            offset,
            dead_letter,
            counts: DeadLetterCounts { dead_letters: 1, records: dead_letter.records },
            last_received_us: dead_letter.received_us,
            fold,
            cause: bounded.then(|| key(cause.chain_update(b"#").chain_update(hour.to_le_bytes()))),
        };
        put(&mut rows, &mut places, row);
    }
    rows
}

fn put<'a>(rows: &mut Vec<Folded<'a>>, places: &mut HashMap<Uuid, usize>, row: Folded<'a>) {
    match places.get(&row.fold) {
        Some(place) => rows[*place].take(&row),
        None => {
            places.insert(row.fold, rows.len());
            rows.push(row);
        }
    }
}

fn key(hash: Sha256) -> Uuid {
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(bytes)
}

/// With its length, so that no two rows of texts look alike.
fn text_key(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// Those to keep whole, and those to count; `whole`: how many of each cause the table keeps.
fn within_bound<'a>(new: Vec<Folded<'a>>, mut whole: HashMap<Uuid, i64>) -> (Vec<Folded<'a>>, Vec<Folded<'a>>) {
    let (mut kept, mut counted, mut places) = (Vec::new(), Vec::new(), HashMap::new());
    for row in new {
        let Some(cause) = row.cause else {
            kept.push(row);
            continue;
        };
        let whole = whole.entry(cause).or_default();
        if *whole < WHOLE_MAX {
            *whole += 1;
            kept.push(row);
        } else {
            put(&mut counted, &mut places, Folded { fold: cause, ..row });
        }
    }
    (kept, counted)
}

async fn whole_rows(transaction: &Transaction<'_>, causes: &[Uuid]) -> Result<HashMap<Uuid, i64>, SinkError> {
    if causes.is_empty() {
        return Ok(HashMap::new());
    }
    let select = "SELECT cause, count(*) FROM genims_internal.dead_letters WHERE cause = ANY($1) GROUP BY cause";
    let rows = answered(transaction.query(select, &[&causes])).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Adds the rows to those that wait under the same key; answers the others. Several may wait where one came while another was
/// being replayed: the oldest one counts.
async fn count_there<'a>(
    transaction: &Transaction<'_>,
    mode: BatchMode,
    mut rows: Vec<Folded<'a>>,
) -> Result<Vec<Folded<'a>>, SinkError> {
    if rows.is_empty() {
        return Ok(rows);
    }
    let keys: Vec<Uuid> = rows.iter().map(|row| row.fold).collect();
    let dead_letters: Vec<i64> = rows.iter().map(|row| row.counts.dead_letters as i64).collect();
    let records: Vec<i64> = rows.iter().map(|row| row.counts.records as i64).collect();
    let last: Vec<DateTime<Utc>> =
        rows.iter().map(|row| DateTime::from_timestamp_micros(row.last_received_us).unwrap_or_default()).collect();
    let update = "UPDATE genims_internal.dead_letters AS kept SET letters = kept.letters + more.letters,
             records = kept.records + more.records, last_received_at = greatest(kept.last_received_at, more.last)
         FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[]) AS more (fold, letters, records, last),
             LATERAL (SELECT min(letter_id) AS letter_id FROM genims_internal.dead_letters AS waiting
                 WHERE waiting.fold = more.fold AND waiting.replayed_at IS NULL) AS first
         WHERE kept.letter_id = first.letter_id AND kept.replayed_at IS NULL RETURNING kept.fold";
    let mut counted: Vec<Uuid> = Vec::new();
    let counting = async {
        let found = answered(transaction.query(update, &[&keys, &dead_letters, &records, &last])).await?;
        counted = found.iter().map(|row| row.get(0)).collect();
        Ok(())
    };
    if mode == BatchMode::Whole {
        counting.await?;
    } else if let Some(error) = alone(transaction, counting).await? {
        tracing::warn!(%error, "dead letters that came before cannot be counted; they are kept once more");
    }
    counted.sort_unstable();
    rows.retain(|row| counted.binary_search(&row.fold).is_err());
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_model::Reason;

    fn dead_letter(client: &str, reason: Reason, payload: &str, received_us: i64) -> DeadLetter {
        DeadLetter {
            source: 0,
            client: client.to_owned(),
            received_us,
            topic: "t".to_owned(),
            reason,
            detail: String::new(),
            payload: payload.as_bytes().to_vec(),
            payload_bytes: payload.len() as u64,
            records: 1,
        }
    }

    fn folded(dead_letters: &[DeadLetter]) -> Vec<Folded<'_>> {
        equal(Uuid::nil(), &["mqtt".to_owned()], (0..).zip(dead_letters))
    }

    fn counts(rows: &[Folded<'_>]) -> Vec<u64> {
        rows.iter().map(|row| row.counts.dead_letters).collect()
    }

    #[test]
    fn only_equal_dead_letters_of_one_sender_are_one_row() {
        let malformed = Reason::MalformedPayload;
        let dead_letters = [
            dead_letter("a", malformed, "x", 5),
            dead_letter("a", malformed, "x", 7),
            dead_letter("b", malformed, "x", 6),
            dead_letter("a", malformed, "y", 6),
            dead_letter("a", Reason::UnknownTopic, "x", 6),
            DeadLetter { topic: "other".to_owned(), ..dead_letter("a", malformed, "x", 6) },
            dead_letter("a", malformed, "x", 6),
        ];
        let rows = folded(&dead_letters);
        assert_eq!(counts(&rows), [3, 1, 1, 1, 1]);
        assert_eq!((rows[0].offset, rows[0].dead_letter.received_us, rows[0].last_received_us), (0, 5, 7));
    }

    #[test]
    fn beyond_the_bound_of_an_hour_dead_letters_of_a_cause_are_counted_and_none_of_another() {
        let noise = |client: &str, hour: i64| {
            let at_us = hour * HOUR_US + 1;
            (0..250)
                .map(|no| dead_letter(client, Reason::MalformedPayload, &format!("{hour}/{no}"), at_us))
                .collect::<Vec<_>>()
        };
        let dead_letters = [noise("a", 7), noise("a", 8), noise("b", 7)].concat();
        let (kept, counted) = within_bound(folded(&dead_letters), HashMap::new());
        assert_eq!((kept.len(), counts(&counted)), (300, vec![150, 150, 150]));
        assert_eq!(counted[0].dead_letter.payload, b"7/100", "the first beyond is the sample");
        let before = folded(&dead_letters)[0].cause.map(|cause| (cause, 99));
        assert_eq!(within_bound(folded(&dead_letters), before.into_iter().collect()).0.len(), 201);
    }

    #[test]
    fn what_is_mended_here_is_kept_whole_however_much_it_is() {
        let dead_letters: Vec<DeadLetter> =
            (0..250).map(|no| dead_letter("a", Reason::UnknownSensor, &no.to_string(), 1)).collect();
        let (kept, counted) = within_bound(folded(&dead_letters), HashMap::new());
        assert_eq!((kept.len(), counted.len()), (250, 0));
    }
}
