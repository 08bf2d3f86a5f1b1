//! One value against its column. In: the raw JSON. Out: JSON in the form that the database's writer passes on, or what is wrong.
//!
//! Numbers keep their digits. Times are written as the database reads them, in UTC; MongoDB's types that JSON lacks as its
//! extended JSON. What a database can judge alone (a rounding, a network address) is left to it.

use crate::payload::{elements, fields};
use crate::schema::{Column, Dialect, Kind};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

/// Of a longer value only the beginning is told.
const SHOWN_MAX: usize = 60;

/// The value as it is written, or what is wrong with it.
pub fn checked(column: &Column, raw: &str, dialect: Dialect) -> Result<String, String> {
    if column.generated {
        return Err("the database computes it; leave it out".to_owned());
    }
    if raw == "null" {
        return if column.nullable { Ok(raw.to_owned()) } else { Err("null is not allowed".to_owned()) };
    }
    let written = of_kind(&column.kind, raw, dialect)?;
    if column.length.is_none() && column.words.is_empty() {
        return Ok(written);
    }
    // Elements of arrays have no length of their own.
    let Some(text) = text(raw) else { return Ok(written) };
    let characters = text.chars().count();
    if let Some(length) = column.length.filter(|length| characters > *length as usize) {
        return Err(format!("a text of {characters} characters; {length} at most"));
    }
    // MySQL's collations tell no upper case from lower case; one that does has the last word.
    let is = |word: &String| word == &text || dialect == Dialect::Mysql && word.to_lowercase() == text.to_lowercase();
    if !column.words.is_empty() && !column.words.iter().any(is) {
        return Err(format!("{} is none of {}", shown(raw), column.words.join(", ")));
    }
    Ok(written)
}

fn of_kind(kind: &Kind, raw: &str, dialect: Dialect) -> Result<String, String> {
    let written = match kind {
        Kind::Integer(low, high) => integer(raw, *low, *high, dialect)?,
        Kind::Decimal(size) => decimal(raw, *size)?,
        Kind::Float => float(raw, dialect),
        Kind::Boolean => boolean(raw, dialect),
        Kind::Text | Kind::Other(_) => return plain_text(kind, raw, dialect),
        Kind::Date => text(raw).filter(|text| text.parse::<NaiveDate>().is_ok()).map(|_| raw.to_owned()),
        Kind::Time => text(raw).filter(|text| is_time(text)).map(|_| raw.to_owned()),
        Kind::Timestamp | Kind::Moment => moment(kind, raw, dialect),
        Kind::Uuid => text(raw).filter(|text| is_uuid(text)).map(|_| raw.to_owned()),
        Kind::Json if dialect == Dialect::Postgres && raw.contains("\\u0000") => {
            return Err("PostgreSQL stores no character U+0000".to_owned());
        }
        Kind::Json | Kind::Any => Some(raw.to_owned()),
        Kind::Object => raw.starts_with('{').then(|| raw.to_owned()),
        Kind::Array(of) => return array(of, raw, dialect),
    };
    written.ok_or_else(|| unfit(kind, raw))
}

fn unfit(kind: &Kind, raw: &str) -> String {
    format!("{} is not {}", shown(raw), kind.told())
}

fn shown(raw: &str) -> String {
    let mut shown: String = raw.chars().take(SHOWN_MAX).collect();
    if shown.len() < raw.len() {
        shown.push_str("...");
    }
    shown
}

/// A JSON string's content.
fn text(raw: &str) -> Option<String> {
    if raw.starts_with('"') { serde_json::from_str(raw).ok() } else { None }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn is_number(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

fn plain_text(kind: &Kind, raw: &str, dialect: Dialect) -> Result<String, String> {
    let Some(text) = text(raw) else { return Err(unfit(kind, raw)) };
    if dialect == Dialect::Postgres && text.contains('\0') {
        return Err("PostgreSQL stores no character U+0000".to_owned());
    }
    Ok(raw.to_owned())
}

fn integer(raw: &str, low: i64, high: u64, dialect: Dialect) -> Result<Option<String>, String> {
    // `3.0` is how some languages write the whole number 3.
    let digits = raw.strip_suffix(".0").unwrap_or(raw);
    let Ok(number) = digits.parse::<i128>() else { return Ok(None) };
    if number < i128::from(low) || number > i128::from(high) {
        return Err(format!("{} is not within {low} and {high}", shown(raw)));
    }
    let is_long = i32::try_from(number).is_err();
    Ok(Some(match dialect {
        Dialect::Mongo if is_long => format!("{{\"$numberLong\":\"{number}\"}}"),
        _ => number.to_string(),
    }))
}

/// Also as text, for those who cannot write more than 17 digits.
fn decimal(raw: &str, size: Option<(u32, u32)>) -> Result<Option<String>, String> {
    let number = if is_number(raw) { raw.to_owned() } else { text(raw).unwrap_or_default() };
    // What is a number of JSON is one of the databases.
    let Ok(serde_json::Value::Number(value)) = serde_json::from_str(&number) else { return Ok(None) };
    if let Some((precision, scale)) = size {
        let whole = precision.saturating_sub(scale);
        let bound = 10_f64.powi(whole.min(300) as i32);
        if value.as_f64().is_none_or(|value| value.abs() >= bound) {
            return Err(format!("{} has more than {whole} digits before the point", shown(raw)));
        }
    }
    Ok(Some(number))
}

fn float(raw: &str, dialect: Dialect) -> Option<String> {
    let finite = is_number(raw) && raw.parse::<f64>().is_ok_and(f64::is_finite);
    let is_whole = !raw.contains(['.', 'e', 'E']);
    finite.then(|| match dialect {
        // A whole number stays one for MongoDB, too long for 64 bits or not.
        Dialect::Mongo if is_whole && raw.parse::<i64>().is_err() => format!("{raw}.0"),
        _ => raw.to_owned(),
    })
}

fn boolean(raw: &str, dialect: Dialect) -> Option<String> {
    match raw {
        "true" | "false" => Some(raw.to_owned()),
        "0" | "1" if dialect == Dialect::Mysql => Some(raw.to_owned()),
        _ => None,
    }
}

fn array(of: &Kind, raw: &str, dialect: Dialect) -> Result<String, String> {
    if !raw.starts_with('[') {
        return Err(format!("{} is not a JSON array", shown(raw)));
    }
    let element = |raw: &str| if raw == "null" { Ok(raw.to_owned()) } else { of_kind(of, raw, dialect) };
    let elements: Result<Vec<String>, String> = elements(raw)?.into_iter().map(element).collect();
    Ok(format!("[{}]", elements?.join(",")))
}

fn is_time(text: &str) -> bool {
    ["%H:%M:%S%.f", "%H:%M"].iter().any(|form| NaiveTime::parse_from_str(text, form).is_ok())
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    lengths.eq([8, 4, 4, 4, 12]) && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn moment(kind: &Kind, raw: &str, dialect: Dialect) -> Option<String> {
    if dialect == Dialect::Mongo
        && let Some(utc) = extended_date(raw)
    {
        return Some(date_of_mongo(utc));
    }
    let text = text(raw)?;
    let zoned = DateTime::parse_from_rfc3339(&text)
        .or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f%:z"))
        .map(|zoned| zoned.to_utc());
    let local = match zoned {
        Ok(utc) => utc.naive_utc(),
        // Only a column without a zone takes what says none.
        Err(_) if *kind == Kind::Timestamp => local(&text)?,
        Err(_) => return None,
    };
    Some(match (dialect, kind) {
        (Dialect::Mongo, _) => date_of_mongo(local.and_utc()),
        (Dialect::Postgres, Kind::Moment) => quoted(&local.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()),
        _ => quoted(&local.format("%Y-%m-%d %H:%M:%S%.6f").to_string()),
    })
}

fn local(text: &str) -> Option<NaiveDateTime> {
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let time = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    time.or_else(|| Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN)))
}

fn date_of_mongo(utc: DateTime<Utc>) -> String {
    format!("{{\"$date\":{{\"$numberLong\":\"{}\"}}}}", utc.timestamp_millis())
}

/// `{"$date": ...}` as text or as milliseconds: what a letter of ours holds.
fn extended_date(raw: &str) -> Option<DateTime<Utc>> {
    let outer = fields(raw).ok()?;
    let [(name, value)] = outer.as_slice() else { return None };
    if name != "$date" {
        return None;
    }
    if let Some(text) = text(value) {
        return Some(DateTime::parse_from_rfc3339(&text).ok()?.to_utc());
    }
    let inner = fields(value).ok()?;
    let [(name, value)] = inner.as_slice() else { return None };
    let ms = if name == "$numberLong" { text(value)?.parse().ok()? } else { return None };
    DateTime::from_timestamp_millis(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: Kind, raw: &str, dialect: Dialect) -> Result<String, String> {
        checked(&Column::new(kind), raw, dialect)
    }

    #[test]
    fn each_type_takes_its_values_and_keeps_every_digit() {
        let decimal = Kind::Decimal(Some((20, 4)));
        let whole = || Kind::Integer(-128, 127);
        for (kind, raw, expected) in [
            (whole(), "-128", "-128"),
            (whole(), "3.0", "3"),
            (decimal.clone(), "1234567890123456.7891", "1234567890123456.7891"),
            (decimal, "\"1234567890123456.7891\"", "1234567890123456.7891"),
            (Kind::Float, "1e-7", "1e-7"),
            (Kind::Boolean, "true", "true"),
            (Kind::Text, "\"a\\u0041\"", "\"a\\u0041\""),
            (Kind::Date, "\"2026-02-28\"", "\"2026-02-28\""),
            (Kind::Time, "\"06:30\"", "\"06:30\""),
            (Kind::Timestamp, "\"2026-01-31T06:30:00+05:30\"", "\"2026-01-31 01:00:00.000000\""),
            (Kind::Timestamp, "\"2026-01-31 06:30\"", "\"2026-01-31 06:30:00.000000\""),
            (Kind::Moment, "\"2026-01-31T06:30:00.25Z\"", "\"2026-01-31T06:30:00.250000Z\""),
            (Kind::Uuid, "\"123e4567-e89b-12d3-a456-426614174000\"", "\"123e4567-e89b-12d3-a456-426614174000\""),
            (Kind::Json, "{\"a\": 1}", "{\"a\": 1}"),
            (Kind::Array(Box::new(Kind::Text)), "[\"a\", null]", "[\"a\",null]"),
            (Kind::Text, "null", "null"),
        ] {
            assert_eq!(written(kind.clone(), raw, Dialect::Postgres).as_deref(), Ok(expected), "{kind:?} {raw}");
        }
        let of_mongo = |kind, raw| written(kind, raw, Dialect::Mongo).unwrap();
        assert_eq!(of_mongo(Kind::Integer(i64::MIN, i64::MAX as u64), "4000000000"), r#"{"$numberLong":"4000000000"}"#);
        let date = r#"{"$date":{"$numberLong":"1769841000000"}}"#;
        assert_eq!(of_mongo(Kind::Moment, "\"2026-01-31T06:30:00Z\""), date);
        assert_eq!(of_mongo(Kind::Moment, date), date);
    }

    #[test]
    fn what_does_not_fit_says_why() {
        for (kind, raw, said) in [
            (Kind::Integer(0, 255), "256", "not within 0 and 255"),
            (Kind::Integer(0, 255), "1.5", "is not a whole number"),
            (Kind::Integer(0, 255), "\"1\"", "is not a whole number"),
            (Kind::Decimal(Some((5, 2))), "1000", "more than 3 digits"),
            (Kind::Decimal(None), "\"abc\"", "is not a number"),
            (Kind::Float, "\"1\"", "is not a number"),
            (Kind::Boolean, "1", "is not true or false"),
            (Kind::Text, "5", "is not a text"),
            (Kind::Text, "\"\\u0000\"", "U+0000"),
            (Kind::Date, "\"2026-02-30\"", "is not a date"),
            (Kind::Time, "\"25:00:00\"", "is not a time"),
            (Kind::Moment, "\"2026-01-31T06:30:00\"", "a time with its zone"),
            (Kind::Timestamp, "12", "is not a time"),
            (Kind::Uuid, "\"x\"", "is not a UUID"),
            (Kind::Object, "[]", "is not a JSON object"),
            (Kind::Array(Box::new(Kind::Text)), "[1]", "is not a text"),
        ] {
            let error = written(kind.clone(), raw, Dialect::Postgres).unwrap_err();
            assert!(error.contains(said), "{kind:?} {raw}: {error}");
        }
    }

    #[test]
    fn a_column_bounds_length_and_words_and_says_whether_null_may_be() {
        let text = |nullable, length, words: &[&str]| Column {
            nullable,
            length,
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            ..Column::new(Kind::Text)
        };
        let check = |column: &Column, raw| checked(column, raw, Dialect::Mysql);
        assert_eq!(check(&text(true, Some(2), &[]), "\"äö\"").as_deref(), Ok("\"äö\""));
        assert!(check(&text(true, Some(2), &[]), "\"abc\"").unwrap_err().contains("3 characters; 2 at most"));
        assert!(check(&text(true, None, &["open", "done"]), "\"opn\"").unwrap_err().contains("none of open, done"));
        assert!(check(&text(false, None, &[]), "null").unwrap_err().contains("null is not allowed"));
        let generated = Column { generated: true, ..Column::new(Kind::Text) };
        assert!(check(&generated, "\"x\"").unwrap_err().contains("leave it out"));
    }
}
