//! One value against its column. In: the raw JSON. Out: JSON in the form that the database's writer passes on, or what is wrong.
//!
//! Numbers keep their digits. Times are written as the database reads them, in UTC; MongoDB's types that JSON lacks as its
//! extended JSON. What a database can judge alone (a rounding, a network address) is left to it.

use crate::names;
use crate::number::{decimal, float, integer, long_of};
use crate::payload::{elements, fields, shown, text};
use crate::schema::{Column, Dialect, Kind};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Utc};

/// Dimensions of an array of PostgreSQL.
const DIMENSIONS_MAX: usize = 6;
const NO_NUL: &str = "PostgreSQL stores no character U+0000";

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
    let same = |fits: bool| fits.then(|| raw.to_owned());
    let written = match kind {
        Kind::Integer(low, high) => integer(raw, *low, *high, dialect)?,
        Kind::Decimal(size) => decimal(raw, *size)?,
        Kind::Float | Kind::Number => float(raw, *kind == Kind::Float, dialect),
        Kind::Boolean => boolean(raw, dialect),
        Kind::Text | Kind::Other(_) => return plain_text(kind, raw, dialect),
        Kind::Date => {
            same(text(raw).and_then(|text| text.parse::<NaiveDate>().ok()).is_some_and(|day| is_day(day, dialect)))
        }
        Kind::Year => year(raw),
        Kind::Time => same(text(raw).is_some_and(|text| is_time(&text, dialect))),
        Kind::Timestamp | Kind::Moment => moment(kind, raw, dialect),
        Kind::Uuid => same(text(raw).is_some_and(|text| is_uuid(&text))),
        Kind::Json | Kind::Any => Some(json(raw, dialect)?),
        Kind::Object if raw.starts_with('{') => Some(json(raw, dialect)?),
        Kind::Object => None,
        Kind::Array(of) => return array(of, raw, dialect, DIMENSIONS_MAX),
    };
    written.ok_or_else(|| unfit(kind, raw))
}

/// Any JSON, as far as the database can store all of it.
fn json(raw: &str, dialect: Dialect) -> Result<String, String> {
    match dialect {
        Dialect::Postgres if names_nul(raw) => return Err(NO_NUL.to_owned()),
        Dialect::Mongo => names::check(raw)?,
        Dialect::Postgres | Dialect::Mysql => {}
    }
    Ok(raw.to_owned())
}

/// Whether the JSON holds the character U+0000. It cannot stand there as itself, and behind another backslash its digits are text.
fn names_nul(raw: &str) -> bool {
    let is_escaped = |at: usize| raw[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
    raw.match_indices("\\u0000").any(|(at, _)| !is_escaped(at))
}

fn unfit(kind: &Kind, raw: &str) -> String {
    format!("{} is not {}", shown(raw), kind.told())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn plain_text(kind: &Kind, raw: &str, dialect: Dialect) -> Result<String, String> {
    let Some(text) = text(raw) else { return Err(unfit(kind, raw)) };
    if dialect == Dialect::Postgres && text.contains('\0') {
        return Err(NO_NUL.to_owned());
    }
    Ok(raw.to_owned())
}

fn boolean(raw: &str, dialect: Dialect) -> Option<String> {
    match raw {
        "true" | "false" => Some(raw.to_owned()),
        "0" | "1" if dialect == Dialect::Mysql => Some(raw.to_owned()),
        _ => None,
    }
}

/// `dimensions`: so many brackets may be within each other.
fn array(of: &Kind, raw: &str, dialect: Dialect, dimensions: usize) -> Result<String, String> {
    if !raw.starts_with('[') {
        return Err(format!("{} is not a JSON array", shown(raw)));
    }
    // PostgreSQL's type of an array says nothing of its dimensions.
    let nests = dialect == Dialect::Postgres && !matches!(of, Kind::Json | Kind::Any);
    let element = |raw: &str| match raw {
        "null" => Ok(raw.to_owned()),
        _ if nests && raw.starts_with('[') => match dimensions {
            0 | 1 => Err(format!("an array of more than {DIMENSIONS_MAX} dimensions")),
            more => array(of, raw, dialect, more - 1),
        },
        _ => of_kind(of, raw, dialect),
    };
    let elements: Result<Vec<String>, String> = elements(raw)?.into_iter().map(element).collect();
    Ok(format!("[{}]", elements?.join(",")))
}

/// SQL has the years that four digits can tell, after Christ.
fn is_day(day: NaiveDate, dialect: Dialect) -> bool {
    dialect == Dialect::Mongo || (1..=9999).contains(&day.year())
}

/// MySQL's zero year as well.
fn year(raw: &str) -> Option<String> {
    let year: u16 = raw.strip_suffix(".0").unwrap_or(raw).parse().ok()?;
    (year == 0 || (1901..=2155).contains(&year)).then(|| year.to_string())
}

fn is_time(text: &str, dialect: Dialect) -> bool {
    let is_of_day =
        |text: &str| ["%H:%M:%S%.f", "%H:%M"].iter().any(|form| NaiveTime::parse_from_str(text, form).is_ok());
    if dialect != Dialect::Mysql {
        return is_of_day(text);
    }
    // In MySQL a span of 838 hours and less, to either side: the hours are a number of their own.
    let span = text.strip_prefix('-').unwrap_or(text);
    let Some((hours, rest)) = span.split_once(':') else { return false };
    let is_number = (1..=3).contains(&hours.len()) && hours.bytes().all(|byte| byte.is_ascii_digit());
    is_number && hours.parse::<u32>().is_ok_and(|hours| hours <= 838) && is_of_day(&format!("00:{rest}"))
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
    if !is_day(local.date(), dialect) {
        return None;
    }
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

/// `{"$date": ...}` as text or as milliseconds: what a dead letter of ours holds.
fn extended_date(raw: &str) -> Option<DateTime<Utc>> {
    let outer = fields(raw).ok()?;
    let [(name, value)] = outer.as_slice() else { return None };
    if name != "$date" {
        return None;
    }
    if let Some(text) = text(value) {
        return Some(DateTime::parse_from_rfc3339(&text).ok()?.to_utc());
    }
    DateTime::from_timestamp_millis(long_of(value)?)
}
