//! What was set aside becomes rows of `genims_internal.dead_letters`, in the transaction of its batch.

use crate::postgres::copy::{EncodeRows, Refused};
use crate::postgres::field::PutField;
use bytes::{BufMut, BytesMut};
use genims_model::{DeadLetter, Reason};
use uuid::Uuid;

pub const COLUMNS: &str = "spool_id, log_offset, received_at, source, topic, reason, sqlstate, detail, payload, \
     payload_bytes";
const FIELDS: i16 = 10;

/// Dead letters as they came, then the refusals of this batch.
pub struct DeadLetterRows<'a> {
    pub spool_id: Uuid,
    /// The listeners' names by number.
    pub sources: &'a [String],
    pub dead_letters: Vec<(u64, &'a DeadLetter)>,
    pub refused: &'a [Refused],
}

impl DeadLetterRows<'_> {
    fn source(&self, no: Option<u8>) -> String {
        match no {
            Some(no) => self.sources.get(usize::from(no)).cloned().unwrap_or_else(|| format!("#{no}")),
            None => "analysis".to_owned(),
        }
    }

    fn open(&self, log_offset: u64, received_us: i64, source: Option<u8>, out: &mut BytesMut) {
        out.put_i16(FIELDS);
        out.put_bytea(self.spool_id.as_bytes());
        out.put_int8(log_offset as i64);
        out.put_timestamp(received_us);
        out.put_foreign_text(&self.source(source));
    }
}

impl EncodeRows for DeadLetterRows<'_> {
    fn rows(&self) -> usize {
        self.dead_letters.len() + self.refused.len()
    }

    fn encode(&mut self, index: usize, out: &mut BytesMut) {
        if let Some((offset, dead_letter)) = self.dead_letters.get(index) {
            self.open(*offset, dead_letter.received_us, Some(dead_letter.source), out);
            out.put_foreign_text(&dead_letter.topic);
            out.put_text(dead_letter.reason.code());
            out.put_null();
            out.put_foreign_text(&dead_letter.detail);
            out.put_bytea(&dead_letter.payload);
            out.put_int8(dead_letter.payload_bytes as i64);
        } else {
            let refused = &self.refused[index - self.dead_letters.len()];
            self.open(refused.log_offset, refused.received_us, refused.source, out);
            out.put_text("");
            out.put_text(Reason::RefusedByDatabase.code());
            out.put_optional(refused.sqlstate.as_deref(), PutField::put_text);
            out.put_foreign_text(&refused.detail);
            out.put_bytea(&refused.payload);
            out.put_int8(refused.payload.len() as i64);
        }
    }

    /// Dead letters are written so that PostgreSQL has nothing to refuse; if it does, the batch waits and says why.
    fn refused(&self, index: usize) -> Refused {
        match self.dead_letters.get(index) {
            Some((offset, dead_letter)) => Refused {
                log_offset: *offset,
                source: Some(dead_letter.source),
                received_us: dead_letter.received_us,
                payload: dead_letter.payload.clone(),
                sqlstate: None,
                detail: dead_letter.detail.clone(),
            },
            None => self.refused[index - self.dead_letters.len()].clone(),
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
