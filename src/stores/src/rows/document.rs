//! A row as a document of MongoDB.

use bson::oid::ObjectId;
use bson::{Bson, DateTime, Document};
use genims_model::Row;
use serde_json::{Map, Value};
use uuid::Uuid;

/// A row on its way.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) log_offset: u64,
    pub(super) row: &'a Row,
    pub(super) document: Document,
    /// Whether the row brought no `_id`, so that it has one that follows from its place in the log.
    pub(super) id_is_made: bool,
    pub(super) bytes: usize,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(log: Uuid, log_offset: u64, row: &'a Row) -> Result<Self, String> {
        let values: Value = serde_json::from_str(&row.values).map_err(|error| error.to_string())?;
        let Bson::Document(mut document) = value(&values)? else { return Err("no document".to_owned()) };
        let id_is_made = !row.upsert && !document.contains_key("_id");
        if id_is_made {
            document.insert("_id", format!("row-{}-{log_offset}", log.simple()));
        }
        // What cannot be sent would fail all that is sent with it.
        let bytes = document.to_vec().map_err(|error| error.to_string())?.len();
        Ok(Self { log_offset, row, document, id_is_made, bytes })
    }

    /// The document that is meant, as a query. A value is never read as an operator.
    pub(super) fn query(&self, names: &[String]) -> Document {
        let named = self.document.iter().filter(|(name, _)| names.contains(name));
        named.map(|(name, value)| (name.clone(), Bson::Document(bson::doc! { "$eq": value }))).collect()
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    fn outgoing(row: &Row) -> Result<Outgoing<'_>, String> {
        Outgoing::new(Uuid::nil(), 7, row)
    }

    fn row(values: &str) -> Row {
        Row { values: values.to_owned(), ..Row::default() }
    }

    #[test]
    fn what_the_driver_could_not_send_is_found_before() {
        for values in ["{\"a\\u0000\":1}", "{\"a\":[{\"b\\u0000\":1}]}", "{\"a\":{\"$where\":\"x\"}}", "{\"a\":1e999}"]
        {
            assert!(outgoing(&row(values)).is_err(), "{values}");
        }
    }

    #[test]
    fn numbers_keep_their_type_and_a_query_has_no_operators_of_the_row() {
        let row = row("{\"a\":{\"$numberLong\":\"5\"},\"b\":5.0,\"c\":{\"$gt\":1,\"x\":2}}");
        let outgoing = outgoing(&row).unwrap();
        assert!(outgoing.id_is_made);
        assert_eq!(outgoing.document.get("a"), Some(&Bson::Int64(5)));
        assert_eq!(outgoing.document.get("b"), Some(&Bson::Double(5.0)));
        let query = outgoing.query(&["a".to_owned(), "c".to_owned()]);
        assert_eq!(query, doc! { "a": { "$eq": 5_i64 }, "c": { "$eq": { "$gt": 1, "x": 2 } } });
    }
}
