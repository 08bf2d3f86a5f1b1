//! What was set aside becomes rows of `genims_internal.dead_letters`, in the transaction of its batch.

use crate::postgres::copy::{EncodeRows, Refused};
use crate::postgres::field::PutField;
use crate::postgres::folding::{DeadLetterCounts, Folded, source_name};
use bytes::{BufMut, BytesMut};
use genims_model::Reason;
use uuid::Uuid;

pub const COLUMNS: &str = "spool_id, log_offset, received_at, source, client, topic, reason, sqlstate, detail, payload, \
     payload_bytes, letters, records, last_received_at, fold, cause";
const FIELDS: i16 = 16;

/// Dead letters as they came, then the refusals of this batch.
pub struct DeadLetterRows<'a> {
    pub spool_id: Uuid,
    /// The listeners' names by number.
    pub sources: &'a [String],
    pub dead_letters: &'a [Folded<'a>],
    /// With what each stands for.
    pub refused: &'a [(Refused, DeadLetterCounts)],
}

impl DeadLetterRows<'_> {
    fn open(&self, log_offset: u64, received_us: i64, source: Option<u8>, client: &str, out: &mut BytesMut) {
        out.put_i16(FIELDS);
        out.put_bytea(self.spool_id.as_bytes());
        out.put_int8(log_offset as i64);
        out.put_timestamp(received_us);
        out.put_foreign_text(&source_name(self.sources, source));
        out.put_foreign_text(client);
    }
}

fn put_counts(counts: DeadLetterCounts, last_received_us: i64, out: &mut BytesMut) {
    out.put_int8(counts.dead_letters as i64);
    out.put_int8(counts.records as i64);
    out.put_timestamp(last_received_us);
}

fn put_key(key: &Uuid, out: &mut BytesMut) {
    out.put_bytea(key.as_bytes());
}

impl EncodeRows for DeadLetterRows<'_> {
    fn rows(&self) -> usize {
        self.dead_letters.len() + self.refused.len()
    }

    fn encode(&mut self, index: usize, out: &mut BytesMut) {
        if let Some(Folded { offset, dead_letter, counts, last_received_us, fold, cause }) =
            self.dead_letters.get(index)
        {
            self.open(*offset, dead_letter.received_us, Some(dead_letter.source), &dead_letter.client, out);
            out.put_foreign_text(&dead_letter.topic);
            out.put_text(dead_letter.reason.code());
            out.put_null();
            out.put_foreign_text(&dead_letter.detail);
            out.put_bytea(&dead_letter.payload);
            out.put_int8(dead_letter.payload_bytes as i64);
            put_counts(*counts, *last_received_us, out);
            put_key(fold, out);
            match cause {
                Some(cause) => put_key(cause, out),
                None => out.put_null(),
            }
        } else {
            let (refused, counts) = &self.refused[index - self.dead_letters.len()];
            self.open(refused.log_offset, refused.received_us, refused.source, "", out);
            out.put_text("");
            out.put_text(Reason::RefusedByDatabase.code());
            out.put_optional(refused.sqlstate.as_deref(), PutField::put_text);
            out.put_foreign_text(&refused.detail);
            out.put_bytea(&refused.payload);
            out.put_int8(refused.payload.len() as i64);
            put_counts(*counts, refused.received_us, out);
            out.put_null();
            out.put_null();
        }
    }

    /// Dead letters are written so that PostgreSQL has nothing to refuse; if it does, the batch waits and says why.
    fn refused(&self, index: usize) -> Refused {
        match self.dead_letters.get(index) {
            Some(Folded { offset, dead_letter, .. }) => Refused {
                log_offset: *offset,
                source: Some(dead_letter.source),
                received_us: dead_letter.received_us,
                payload: dead_letter.payload.clone(),
                sqlstate: None,
                detail: dead_letter.detail.clone(),
            },
            None => self.refused[index - self.dead_letters.len()].0.clone(),
        }
    }
}

impl DeadLetterRows<'_> {
    /// What row `index` stands for.
    pub fn counts(&self, index: usize) -> DeadLetterCounts {
        match self.dead_letters.get(index) {
            Some(folded) => folded.counts,
            None => self.refused[index - self.dead_letters.len()].1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_count_matches_the_column_list() {
        assert_eq!(COLUMNS.split(',').count(), FIELDS as usize);
    }
}
