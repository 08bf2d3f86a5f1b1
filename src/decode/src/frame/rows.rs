//! The body of a ROWS frame: rows for one table of any database.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | sequence, of the same count as DATA frames |
//! | 1 + n | length and name of the database |
//! | 1 + n | length and name of the table |
//! | rest | JSON, as on the topic `genims/v1/rows/{database}/{table}` |

use super::{FrameError, FrameType, Reader};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowsFrame<'a> {
    pub sequence: u64,
    pub database: &'a str,
    pub table: &'a str,
    pub payload: &'a [u8],
}

impl<'a> RowsFrame<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, FrameError> {
        let mut reader = Reader::new(FrameType::Rows, body);
        let sequence = reader.u64()?;
        let database_bytes = reader.u8()?;
        let database = reader.text(usize::from(database_bytes))?;
        let table_bytes = reader.u8()?;
        let table = reader.text(usize::from(table_bytes))?;
        Ok(Self { sequence, database, table, payload: reader.rest })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HEADER_BYTES, encode};
    use super::*;

    #[test]
    fn a_body_says_which_table_and_carries_its_rows() {
        let mut bytes = Vec::new();
        encode::rows(7, "db", "t", b"{}", &mut bytes);
        let body = &bytes[HEADER_BYTES..];
        assert_eq!(body, b"\x07\0\0\0\0\0\0\0\x02db\x01t{}");
        assert_eq!(RowsFrame::parse(body), Ok(RowsFrame { sequence: 7, database: "db", table: "t", payload: b"{}" }));
        for length in 0..body.len() - 2 {
            assert!(RowsFrame::parse(&body[..length]).is_err(), "{length}");
        }
    }
}
