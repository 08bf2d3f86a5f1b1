//! Rows as documents of MongoDB. No transaction spans them and the position, so a batch may be written twice: a document without
//! an `_id` gets one that follows from its place in the log, and where an insert may be there already, what is there is
//! compared with it.
//!
//! What is the row's fault and what is the server's is told by a list of the server's faults: whatever else is said of a single
//! document is the document's, for one that is tried for ever would stop all that come behind.

use super::document::Outgoing;
use super::{RefusedRow, Run, Unwritten, runs};
use crate::error::{SinkError, answered};
use bson::{Bson, Document, doc};
use genims_model::Row;
use genims_rows::payload::fields;
use mongodb::Database;
use mongodb::error::ErrorKind;
use uuid::Uuid;

const DUPLICATE_KEY: i32 = 11000;
const ROWS_MAX: usize = 1_000;
/// A command is one document, of 16 MiB at most.
const COMMAND_BYTES_MAX: usize = 8 << 20;

/// What passes or is mended at the server: connections and hosts (6, 7, 9001, 317, 384), time and locks (24, 46, 50, 89, 112, 202, 262),
/// a change of the primary (91, 189, 10107, 11600, 11602, 13435, 13436, 10058), interruptions (11601, 175, 237, 290, 314, 365), logins (18,
/// 391), write concerns (64, 79, 100), shards (63, 133, 150, 249, 13388), disk and files (37, 38, 39, 14031), snapshots and
/// transactions (134, 225, 246, 251).
/// <https://github.com/mongodb/mongo/blob/v6.0/src/mongo/base/error_codes.yml>
#[rustfmt::skip]
const OF_THE_SERVER: [i32; 44] = [
    6, 7, 9001, 317, 384, 24, 46, 50, 89, 112, 202, 262, 91, 189, 10107, 11600, 11602, 13435, 13436, 10058, 11601, 175, 237, 290,
    314, 365, 18, 391, 64, 79, 100, 63, 133, 150, 249, 13388, 37, 38, 39, 14031, 134, 225, 246, 251,
];

/// Where rows go, and what is known of earlier attempts.
#[derive(Clone, Copy)]
pub(crate) struct RowDestination<'a> {
    pub(crate) database: &'a Database,
    /// Marks our operations, so that one that still runs can be found.
    pub(crate) comment: &'a str,
    pub(crate) log: Uuid,
    /// Rows below may be there.
    pub(crate) uncertain_below: u64,
}

/// What is said of one document.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    index: usize,
    code: String,
    detail: String,
}

/// Writes the rows; those that were not written come back.
pub(crate) async fn write<'a>(place: RowDestination<'_>, rows: &[(u64, &'a Row)]) -> Result<Unwritten<'a>, SinkError> {
    let mut all = Unwritten::default();
    for run in runs(rows, ROWS_MAX) {
        let mut documents = Vec::new();
        for &(log_offset, row) in &run.rows {
            match Outgoing::new(place.log, log_offset, row) {
                Ok(document) => documents.push(document),
                Err(detail) => {
                    let code = "BSON".to_owned();
                    all.refused.push(RefusedRow { log_offset, row, code, column: None, detail });
                }
            }
        }
        let mut open = pieces(&documents);
        while let Some((start, end)) = open.pop() {
            let documents = &documents[start..end];
            let refusals = match send(place, &run, documents).await {
                Ok(refusals) => refusals,
                Err(error) => {
                    let Some((code, detail)) = refusal(&error) else { return Err(error) };
                    if documents.len() > 1 {
                        let middle = start.midpoint(end);
                        open.extend([(middle, end), (start, middle)]);
                        continue;
                    }
                    vec![Refusal { index: 0, code, detail }]
                }
            };
            for refusal in refusals {
                let Some(outgoing) = documents.get(refusal.index) else { continue };
                place.sort_out(&run, rows, outgoing, refusal, &mut all).await?;
            }
        }
    }
    Ok(all)
}

/// What one command takes; the last first.
fn pieces(documents: &[Outgoing<'_>]) -> Vec<(usize, usize)> {
    let (mut pieces, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (index, document) in documents.iter().enumerate() {
        if bytes + document.bytes > COMMAND_BYTES_MAX && index > start {
            pieces.push((start, index));
            (start, bytes) = (index, 0);
        }
        bytes += document.bytes;
    }
    if start < documents.len() {
        pieces.push((start, documents.len()));
    }
    pieces.reverse();
    pieces
}

/// One command; what it says of single documents.
async fn send(place: RowDestination<'_>, run: &Run<'_>, documents: &[Outgoing<'_>]) -> Result<Vec<Refusal>, SinkError> {
    let command = command(place.comment, run, documents);
    let answer = answered(async { place.database.run_command(command).await }).await?;
    concern(&answer)?;
    refusals(&answer)
}

fn command(comment: &str, run: &Run<'_>, documents: &[Outgoing<'_>]) -> Document {
    let table = &run.first().table;
    if !run.first().upsert {
        let documents: Vec<&Document> = documents.iter().map(|outgoing| &outgoing.document).collect();
        return doc! { "insert": table, "comment": comment, "documents": documents, "ordered": false };
    }
    let update = |outgoing: &Outgoing<'_>| {
        let changed = outgoing.document.iter().filter(|(name, _)| !outgoing.row.key.contains(name));
        let set: Document = changed.map(|(name, value)| (name.clone(), value.clone())).collect();
        doc! { "q": outgoing.query(&outgoing.row.key), "u": { "$set": set }, "upsert": true }
    };
    let updates: Vec<Document> = documents.iter().map(update).collect();
    doc! { "update": table, "comment": comment, "updates": updates, "ordered": false }
}

/// What was written is not where it has to be: no document's fault.
pub(crate) fn concern(answer: &Document) -> Result<(), SinkError> {
    let Ok(error) = answer.get_document("writeConcernError") else { return Ok(()) };
    let message = error.get_str("errmsg").unwrap_or_default().to_owned();
    Err(SinkError::MongoWrite { code: error.get_i32("code").unwrap_or(0), message })
}

fn refusals(answer: &Document) -> Result<Vec<Refusal>, SinkError> {
    let mut refusals = Vec::new();
    for error in answer.get_array("writeErrors").into_iter().flatten().filter_map(Bson::as_document) {
        let index = error.get_i32("index").ok().and_then(|index| usize::try_from(index).ok()).unwrap_or(usize::MAX);
        let code = error.get_i32("code").unwrap_or(0);
        let mut message = error.get_str("errmsg").unwrap_or_default().to_owned();
        if let Ok(info) = error.get_document("errInfo") {
            message = format!("{message}: {info}");
        }
        if OF_THE_SERVER.contains(&code) {
            return Err(SinkError::MongoWrite { code, message });
        }
        refusals.push(Refusal { index, code: code.to_string(), detail: message });
    }
    Ok(refusals)
}

/// Code and message, where a command failed for what is in it: rights, a collection that is a view, a document that the driver cannot
/// send.
fn refusal(error: &SinkError) -> Option<(String, String)> {
    let SinkError::Mongo(error) = error else { return None };
    match error.kind.as_ref() {
        _ if error.contains_label("RetryableWriteError") => None,
        ErrorKind::Command(command) if OF_THE_SERVER.contains(&command.code) => None,
        ErrorKind::Command(command) => Some((command.code.to_string(), command.message.clone())),
        ErrorKind::BsonSerialization(_)
        | ErrorKind::BsonDeserialization(_)
        | ErrorKind::Bson(_)
        | ErrorKind::InvalidArgument { .. } => Some(("driver".to_owned(), error.to_string())),
        _ => None,
    }
}

impl RowDestination<'_> {
    /// A document that was refused is there already, or is to be set aside.
    async fn sort_out<'a>(
        self,
        run: &Run<'a>,
        rows: &[(u64, &'a Row)],
        outgoing: &Outgoing<'a>,
        refusal: Refusal,
        all: &mut Unwritten<'a>,
    ) -> Result<(), SinkError> {
        let Refusal { code, detail, .. } = refusal;
        let &Outgoing { log_offset, row, .. } = outgoing;
        if code == DUPLICATE_KEY.to_string() && !row.upsert && self.is_there(rows, outgoing).await? {
            // This very row, written before its batch was given up, or one that was sent again.
            if log_offset >= self.uncertain_below {
                all.repeated.push(log_offset);
            }
            return Ok(());
        }
        let column = run.columns.iter().find(|column| detail.contains(&format!("{column}:"))).cloned();
        let column = column.or_else(|| column_of_validator(&detail));
        all.refused.push(RefusedRow { log_offset, row, code, column, detail });
        Ok(())
    }

    /// Whether what stands in the way is this document: with no field more, or changed since by a row that was written with it.
    async fn is_there(self, rows: &[(u64, &Row)], outgoing: &Outgoing<'_>) -> Result<bool, SinkError> {
        let Outgoing { log_offset, row, document, id_is_made, .. } = outgoing;
        let id = ["_id".to_owned()];
        let is_uncertain = *log_offset < self.uncertain_below;
        // Nobody else makes such an `_id`.
        if is_uncertain && *id_is_made && self.find(row, outgoing.query(&id)).await?.is_some() {
            return Ok(true);
        }
        // Where another key tells which document is meant, the `_id` was made for this one.
        let key: &[String] = if row.key.is_empty() { &id } else { &row.key };
        let Some(found) = self.find(row, outgoing.query(key)).await? else { return Ok(false) };
        let is_key = |name: &String| key.contains(name);
        let mut given = document.iter().filter(|(name, _)| *name != "_id" || is_key(name));
        let is_equal = found.len() == document.len() && given.all(|(name, value)| found.get(name) == Some(value));
        Ok(is_equal || is_uncertain && !id_is_made && is_changed_later(rows, *log_offset, row, self.uncertain_below))
    }

    async fn find(self, row: &Row, query: Document) -> Result<Option<Document>, SinkError> {
        let collection = self.database.collection::<Document>(&row.table);
        match answered(async { collection.find_one(query).await }).await {
            // What cannot be looked for is not known to be there.
            Err(error) if refusal(&error).is_some() => Ok(None),
            found => found,
        }
    }
}

/// Whether a later row that may be written already changes what this one inserts.
fn is_changed_later(rows: &[(u64, &Row)], log_offset: u64, row: &Row, uncertain_below: u64) -> bool {
    let value = |row: &Row, name: &String| {
        let fields = fields(&row.values).unwrap_or_default();
        fields.into_iter().find(|(other, _)| other == name).map(|(_, raw)| raw.to_owned())
    };
    let later = rows.iter().filter(|(offset, _)| *offset > log_offset && *offset < uncertain_below);
    let mut upserts = later.filter(|(_, later)| later.upsert && later.table == row.table);
    upserts.any(|(_, later)| later.key.iter().all(|name| value(later, name) == value(row, name)))
}

/// The property that a validator's answer names first.
fn column_of_validator(detail: &str) -> Option<String> {
    let (_, rest) = detail.split_once("\"propertyName\": \"")?;
    rest.split_once('"').map(|(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(upsert: bool, table: &str, key: &[&str], values: &str) -> Row {
        let (table, values) = (table.to_owned(), values.to_owned());
        Row { upsert, table, key: key.iter().map(|name| (*name).to_owned()).collect(), values, ..Row::default() }
    }

    #[test]
    fn what_is_said_of_one_document_is_its_own_fault_unless_the_server_says_its_own() {
        let answer = |code: i32| doc! { "ok": 1, "writeErrors": [{ "index": 1, "code": code, "errmsg": "no" }] };
        for code in [2, 9, 14, 52, 57, 66, 121, 10334, 11000, 16755, 17280, 28, 40, 0] {
            let refusals = refusals(&answer(code)).unwrap();
            assert_eq!(refusals, [Refusal { index: 1, code: code.to_string(), detail: "no".to_owned() }]);
        }
        for code in [6, 7, 24, 50, 89, 91, 112, 189, 202, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436, 14031] {
            assert!(refusals(&answer(code)).is_err(), "{code}");
        }
    }

    #[test]
    fn a_write_concern_that_is_not_met_is_no_success() {
        assert!(concern(&doc! { "ok": 1, "n": 1 }).is_ok());
        let answer = doc! { "ok": 1, "n": 1, "writeConcernError": { "code": 64, "errmsg": "waiting timed out" } };
        let error = concern(&answer).unwrap_err();
        assert!(error.to_string().contains("waiting timed out") && refusal(&error).is_none());
    }

    #[test]
    fn what_never_leaves_the_client_is_refused_and_what_is_lost_is_tried_again() {
        let of = |kind: ErrorKind| refusal(&SinkError::Mongo(kind.into()));
        let unsent = doc! { "a\0": 1 }.to_vec().unwrap_err();
        assert_eq!(of(unsent.into()).unwrap().0, "driver");
        let lost = std::io::Error::other("lost");
        assert_eq!(of(ErrorKind::Io(std::sync::Arc::new(lost))), None);
        assert_eq!(refusal(&SinkError::StillRunning), None);
    }

    #[test]
    fn a_command_is_marked_and_holds_no_operators_of_a_row() {
        let row = row(true, "notes", &["code"], r#"{"code":{"$date":{"$numberLong":"0"}},"n":1}"#);
        let rows = [(3, &row)];
        let (run, outgoing) = (runs(&rows, 9).remove(0), Outgoing::new(Uuid::nil(), 3, &row).unwrap());
        let command = command("genims-routes m x", &run, &[outgoing]);
        assert_eq!(command.get_str("comment").unwrap(), "genims-routes m x");
        let update = command.get_array("updates").unwrap()[0].as_document().unwrap();
        let date = bson::DateTime::from_millis(0);
        assert_eq!(update, &doc! { "q": { "code": { "$eq": date } }, "u": { "$set": { "n": 1 } }, "upsert": true });
    }

    #[test]
    fn a_command_is_no_longer_than_a_server_takes() {
        let row = row(false, "notes", &[], "{\"a\":1}");
        let sized = |bytes| Outgoing { bytes, ..Outgoing::new(Uuid::nil(), 3, &row).unwrap() };
        let half = COMMAND_BYTES_MAX / 2;
        assert_eq!(pieces(&[sized(half), sized(half), sized(1)]), [(2, 3), (0, 2)]);
        assert_eq!(pieces(&[sized(half * 3), sized(1)]), [(1, 2), (0, 1)]);
        assert_eq!(pieces(&[]), []);
    }

    #[test]
    fn a_document_that_a_later_row_of_the_same_attempt_has_changed_was_written() {
        let insert = row(false, "notes", &["code"], r#"{"code":"A","n":1}"#);
        let upsert = row(true, "notes", &["code"], r#"{"n":2,"code":"A"}"#);
        let other_key = row(true, "notes", &["code"], r#"{"n":2,"code":"B"}"#);
        let other_table = row(true, "more", &["code"], r#"{"n":2,"code":"A"}"#);
        let rows = |later| [(5, &insert), (6, later)];
        assert!(is_changed_later(&rows(&upsert), 5, &insert, 7));
        assert!(!is_changed_later(&rows(&upsert), 5, &insert, 6), "that row was not tried yet");
        assert!(!is_changed_later(&rows(&other_key), 5, &insert, 7));
        assert!(!is_changed_later(&rows(&other_table), 5, &insert, 7));
        assert!(!is_changed_later(&rows(&insert), 5, &insert, 7), "an insert changes nothing");
        assert!(!is_changed_later(&rows(&upsert), 6, &insert, 7), "an earlier one");
    }
}
