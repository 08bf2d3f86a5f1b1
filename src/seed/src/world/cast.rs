//! Values become what their column takes; what cannot is an error that names the row.

use super::evaluate::Made;
use crate::functions::time::{parse_date, parse_time, parse_timestamp};
use crate::value::{Value, days, round};
use genims_databases::{Column, Kind};
use std::collections::HashSet;
use std::sync::Arc;

/// Casts a whole column, and holds it to NOT NULL and to uniqueness.
pub(super) fn column(made: &Made, rows: usize, column: &Column, key: bool) -> Result<Vec<Value>, String> {
    let mut cast = Vec::with_capacity(rows);
    let mut seen = HashSet::new();
    for row in 0..rows {
        let value = made.get(row);
        let value = one(value, column.kind).map_err(|cause| format!("{cause}, row {}", row + 1))?;
        if value.is_null() && !column.nullable {
            return Err(format!("{} must not be null, row {}", column.name, row + 1));
        }
        if (key || column.unique) && !value.is_null() && !seen.insert(value.clone()) {
            return Err(format!("{value:?} twice although it is unique, row {}", row + 1));
        }
        cast.push(value);
    }
    Ok(cast)
}

/// From CSV and from the defaults of the schema; empty is null.
pub(crate) fn parse(text: &str, kind: Kind) -> Result<Value, String> {
    let wrong = || format!("{text:?} is no {kind:?}");
    if text.is_empty() || text.eq_ignore_ascii_case("null") {
        return Ok(Value::Null);
    }
    Ok(match kind {
        Kind::Text(_) | Kind::Point => Value::text(text),
        Kind::Integer => Value::Integer(text.parse().map_err(|_| wrong())?),
        Kind::Decimal(_) | Kind::Float => Value::Number(text.parse().map_err(|_| wrong())?),
        Kind::Boolean => match text {
            "true" | "1" | "t" => Value::Boolean(true),
            "false" | "0" | "f" => Value::Boolean(false),
            _ => return Err(wrong()),
        },
        Kind::Date => parse_date(text).ok_or_else(wrong)?,
        Kind::Time => parse_time(text).ok_or_else(wrong)?,
        Kind::Timestamp => parse_timestamp(text).ok_or_else(wrong)?,
        Kind::Json => from_json(&serde_json::from_str(text).map_err(|_| wrong())?),
        Kind::TextArray => Value::List(Arc::new(text.split('|').map(Value::text).collect())),
    })
}

fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Boolean(*value),
        serde_json::Value::Number(number) => {
            number.as_i64().map_or_else(|| Value::Number(number.as_f64().unwrap_or(0.0)), Value::Integer)
        }
        serde_json::Value::String(text) => Value::text(text),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.iter().map(from_json).collect())),
        serde_json::Value::Object(fields) => Value::Object(Arc::new(
            fields.iter().map(|(name, value)| (name.as_str().into(), from_json(value))).collect(),
        )),
    }
}

fn one(value: &Value, kind: Kind) -> Result<Value, String> {
    let wrong = || format!("{value:?} does not fit {kind:?}");
    if value.is_null() {
        return Ok(Value::Null);
    }
    Ok(match kind {
        Kind::Text(limit) => {
            let mut text = String::new();
            value.append_to(&mut text);
            if limit.is_some_and(|limit| text.chars().count() as u64 > limit) {
                return Err(wrong());
            }
            Value::text(text)
        }
        Kind::Integer => match value {
            Value::Boolean(value) => Value::Integer(i64::from(*value)),
            other => Value::Integer(other.integer().ok_or_else(wrong)?),
        },
        Kind::Decimal(scale) => match value {
            Value::Integer(value) => Value::Integer(*value),
            other => Value::Number(round(other.number().filter(|number| number.is_finite()).ok_or_else(wrong)?, scale)),
        },
        Kind::Float => Value::Number(value.number().filter(|number| number.is_finite()).ok_or_else(wrong)?),
        Kind::Boolean => match value {
            Value::Boolean(_) => value.clone(),
            Value::Integer(number) => Value::Boolean(*number != 0),
            _ => return Err(wrong()),
        },
        Kind::Date => Value::Date(days(value.date().ok_or_else(wrong)?)),
        Kind::Timestamp => Value::Timestamp(value.timestamp().ok_or_else(wrong)?),
        Kind::Time => match value {
            Value::Time(_) => value.clone(),
            Value::Timestamp(us) => Value::Time(us.rem_euclid(crate::value::DAY_US)),
            _ => return Err(wrong()),
        },
        Kind::TextArray => match value {
            Value::List(_) => value.clone(),
            other => Value::List(Arc::new(vec![other.clone()])),
        },
        Kind::Json | Kind::Point => value.clone(),
    })
}

/// Something of the right type for a column of a table that is not described yet.
pub(super) fn draft(name: &str, row: usize, column: Option<&Column>) -> Value {
    match column.map(|column| column.kind) {
        Some(Kind::Text(limit)) => Value::text(
            format!("{name}-{row}")
                .chars()
                .rev()
                .take(limit.unwrap_or(50) as usize)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect::<String>(),
        ),
        Some(Kind::Integer | Kind::Decimal(_) | Kind::Float) => Value::Integer(row as i64 + 1),
        Some(Kind::Boolean) => Value::Boolean(row.is_multiple_of(2)),
        Some(Kind::Date) => Value::Date(20_400 + row as i32),
        Some(Kind::Timestamp) => Value::Timestamp((20_400 + row as i64) * crate::value::DAY_US),
        _ => Value::Null,
    }
}
