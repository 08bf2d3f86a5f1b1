//! Rows as documents of MongoDB. No transaction spans them and the position, so a batch may be written twice: a document without
//! an `_id` gets one that follows from its place in the log, and where an insert may be there already, what is there is
//! compared with it.

use super::{RefusedRow, Run, Unwritten, runs};
use crate::error::{SinkError, answered};
use bson::oid::ObjectId;
use bson::{Bson, DateTime, Document, doc};
use genims_model::Row;
use mongodb::Database;
use serde_json::{Map, Value};
use uuid::Uuid;

const DUPLICATE_KEY: i32 = 11000;
/// A validator, rights, a field that cannot be changed, a name that cannot be stored.
const REFUSALS: [i32; 6] = [121, DUPLICATE_KEY, 13, 66, 52, 2];
const ROWS_MAX: usize = 1_000;

/// Writes the rows; those that were not written come back. Rows below `uncertain_below` may be there.
pub(crate) async fn write<'a>(
    database: &Database,
    log: Uuid,
    rows: &[(u64, &'a Row)],
    uncertain_below: u64,
) -> Result<Unwritten<'a>, SinkError> {
    let mut all = Unwritten::default();
    for run in runs(rows, ROWS_MAX) {
        let mut documents = Vec::new();
        for &(log_offset, row) in &run.rows {
            match document(log, log_offset, row) {
                Ok(document) => documents.push((log_offset, row, document)),
                Err(detail) => {
                    let code = "extended JSON".to_owned();
                    all.refused.push(RefusedRow { log_offset, row, code, column: None, detail });
                }
            }
        }
        for (index, code, detail) in send(database, &run, &documents).await? {
            let Some((log_offset, row, document)) = documents.get(index) else { continue };
            if code == DUPLICATE_KEY && !row.upsert && is_there(database, row, document).await? {
                // This very row, written before its batch was given up, or one that was sent again.
                if *log_offset >= uncertain_below {
                    all.repeated.push(*log_offset);
                }
                continue;
            }
            let column = run.columns.iter().find(|column| detail.contains(&format!("{column}:"))).cloned();
            let column = column.or_else(|| column_of_validator(&detail));
            all.refused.push(RefusedRow { log_offset: *log_offset, row, code: code.to_string(), column, detail });
        }
    }
    Ok(all)
}

fn document(log: Uuid, log_offset: u64, row: &Row) -> Result<Document, String> {
    let values: Value = serde_json::from_str(&row.values).map_err(|error| error.to_string())?;
    let Bson::Document(mut document) = value(&values)? else { return Err("no document".to_owned()) };
    if !row.upsert && !document.contains_key("_id") {
        document.insert("_id", format!("row-{}-{log_offset}", log.simple()));
    }
    Ok(document)
}

/// JSON as BSON; an object whose one key begins with a dollar sign is a type that JSON lacks.
fn value(json: &Value) -> Result<Bson, String> {
    Ok(match json {
        Value::Null => Bson::Null,
        Value::Bool(truth) => Bson::Boolean(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(number) => i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32),
            None => Bson::Double(number.as_f64().ok_or("a number that cannot be stored")?),
        },
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(elements) => Bson::Array(elements.iter().map(value).collect::<Result<_, _>>()?),
        Value::Object(fields) if fields.len() == 1 && fields.keys().all(|name| name.starts_with('$')) => {
            extended(fields).ok_or_else(|| format!("{json} is no value of MongoDB"))?
        }
        Value::Object(fields) => {
            let field = |(name, json): (&String, &Value)| Ok((name.clone(), value(json)?));
            Bson::Document(fields.iter().map(field).collect::<Result<_, String>>()?)
        }
    })
}

fn extended(fields: &Map<String, Value>) -> Option<Bson> {
    let (name, json) = fields.iter().next()?;
    let long = |json: &Value| json.get("$numberLong").unwrap_or(json).as_str()?.parse::<i64>().ok();
    Some(match name.as_str() {
        "$numberLong" => Bson::Int64(long(json)?),
        "$date" => Bson::DateTime(match long(json) {
            Some(ms) => DateTime::from_millis(ms),
            None => DateTime::parse_rfc3339_str(json.as_str()?).ok()?,
        }),
        "$oid" => Bson::ObjectId(ObjectId::parse_str(json.as_str()?).ok()?),
        "$numberDecimal" => Bson::Decimal128(json.as_str()?.parse().ok()?),
        _ => return None,
    })
}

/// One command for the run; what it says of single documents.
async fn send(
    database: &Database,
    run: &Run<'_>,
    documents: &[(u64, &Row, Document)],
) -> Result<Vec<(usize, i32, String)>, SinkError> {
    if documents.is_empty() {
        return Ok(Vec::new());
    }
    let table = &run.first().table;
    let command = if run.first().upsert {
        let update = |(_, row, document): &(u64, &Row, Document)| {
            let (key, set): (Document, Document) =
                document.clone().into_iter().partition(|(name, _)| row.key.contains(name));
            doc! { "q": key, "u": { "$set": set }, "upsert": true }
        };
        doc! { "update": table, "updates": documents.iter().map(update).collect::<Vec<_>>(), "ordered": false }
    } else {
        let documents: Vec<&Document> = documents.iter().map(|(_, _, document)| document).collect();
        doc! { "insert": table, "documents": documents, "ordered": false }
    };
    let answer = match answered(async { database.run_command(command).await }).await {
        Ok(answer) => answer,
        // The command as a whole: rights, or a collection that is a view.
        Err(SinkError::Mongo(error)) => match error.kind.as_ref() {
            mongodb::error::ErrorKind::Command(command) if REFUSALS.contains(&command.code) => {
                let all = (0..documents.len()).map(|index| (index, command.code, command.message.clone()));
                return Ok(all.collect());
            }
            _ => return Err(SinkError::Mongo(error)),
        },
        Err(error) => return Err(error),
    };
    let mut refused = Vec::new();
    for error in answer.get_array("writeErrors").into_iter().flatten().filter_map(Bson::as_document) {
        let index = error.get_i32("index").ok().and_then(|index| usize::try_from(index).ok()).unwrap_or(usize::MAX);
        let code = error.get_i32("code").unwrap_or(0);
        let mut message = error.get_str("errmsg").unwrap_or_default().to_owned();
        if let Ok(info) = error.get_document("errInfo") {
            message = format!("{message}: {info}");
        }
        if !REFUSALS.contains(&code) {
            return Err(SinkError::MongoWrite { code, message });
        }
        refused.push((index, code, message));
    }
    Ok(refused)
}

/// Whether what stands in the way is this document, with no field more.
async fn is_there(database: &Database, row: &Row, document: &Document) -> Result<bool, SinkError> {
    // Where another key tells which document is meant, the `_id` was made for this one.
    let has_key = !row.key.is_empty();
    let is_key = |name: &str| if has_key { row.key.iter().any(|key| key == name) } else { name == "_id" };
    let key: Document = document.clone().into_iter().filter(|(name, _)| is_key(name)).collect();
    let collection = database.collection::<Document>(&row.table);
    let found = answered(async { collection.find_one(key).await }).await?;
    let is_equal = |found: &Document| {
        let mut given = document.iter().filter(|(name, _)| *name != "_id" || is_key(name));
        found.len() == document.len() && given.all(|(name, value)| found.get(name) == Some(value))
    };
    Ok(found.is_some_and(|found| is_equal(&found)))
}

/// The property that a validator's answer names first.
fn column_of_validator(detail: &str) -> Option<String> {
    let (_, rest) = detail.split_once("\"propertyName\": \"")?;
    rest.split_once('"').map(|(name, _)| name.to_owned())
}
