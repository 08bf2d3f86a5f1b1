//! The parts of a routed document as BSON.

use bson::{Bson, DateTime, Document};
use genims_routes::document::Part;

pub(super) fn time_of(us: i64) -> DateTime {
    DateTime::from_millis(us.div_euclid(1_000))
}

pub(super) fn bson_of(parts: &[(String, Part)]) -> Document {
    let value = |part: &Part| match part {
        Part::Json(json) => bson_of_json(json),
        Part::Time(us) => Bson::DateTime(time_of(*us)),
        Part::Nested(parts) => Bson::Document(bson_of(parts)),
    };
    parts.iter().map(|(name, part)| (name.clone(), value(part))).collect()
}

fn bson_of_json(value: &serde_json::Value) -> Bson {
    match value {
        serde_json::Value::Bool(truth) => Bson::Boolean(*truth),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Bson::Int64(number),
            None => Bson::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Bson::String(text.clone()),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => Bson::Null,
    }
}
