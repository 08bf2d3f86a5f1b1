//! One generated value. Numbers that must add up are rounded to the scale of their column as soon as the column is made, so
//! what another column sees is what the database will hold.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime};
use compact_str::CompactString;
use std::cmp::Ordering;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub(crate) const DAY_US: i64 = 86_400_000_000;

#[derive(Clone, Debug, Default)]
pub(crate) enum Value {
    #[default]
    Null,
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text(CompactString),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01, UTC.
    Timestamp(i64),
    /// Microseconds.
    Interval(i64),
    Bytes(Arc<Vec<u8>>),
    List(Arc<Vec<Value>>),
    Object(Arc<Vec<(CompactString, Value)>>),
}

impl Value {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::Text(CompactString::from(text.as_ref()))
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(crate) fn is_true(&self) -> bool {
        matches!(self, Self::Boolean(true))
    }

    /// Numbers as such; everything else is not one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Number(value) => Some(*value),
            Self::Boolean(value) => Some(f64::from(u8::from(*value))),
            _ => None,
        }
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Number(value) => Some(value.round() as i64),
            _ => None,
        }
    }

    /// Dates, and the dates of timestamps.
    pub(crate) fn date(&self) -> Option<NaiveDate> {
        match self {
            Self::Date(days) => Some(date(*days)),
            Self::Timestamp(us) => Some(date(us.div_euclid(DAY_US) as i32)),
            _ => None,
        }
    }

    /// Timestamps, and dates as their midnight.
    pub(crate) fn timestamp(&self) -> Option<i64> {
        match self {
            Self::Timestamp(us) => Some(*us),
            Self::Date(days) => Some(i64::from(*days) * DAY_US),
            _ => None,
        }
    }

    /// Values that SQL would compare, in its order; nulls last.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Greater,
            (_, Self::Null) => Ordering::Less,
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Date(_) | Self::Timestamp(_), _) => self.timestamp().cmp(&other.timestamp()),
            (Self::Time(left), Self::Time(right)) | (Self::Interval(left), Self::Interval(right)) => left.cmp(right),
            (Self::Integer(left), Self::Integer(right)) => left.cmp(right),
            _ => self.number().partial_cmp(&other.number()).unwrap_or(Ordering::Equal),
        }
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => false,
            (Self::Boolean(left), Self::Boolean(right)) => left == right,
            (Self::Text(_), Self::Text(_)) => self.compare(other) == Ordering::Equal,
            (Self::Text(_), _) | (_, Self::Text(_)) => false,
            _ => self.compare(other) == Ordering::Equal,
        }
    }

    /// As text, for building other texts; null is empty.
    pub(crate) fn append_to(&self, out: &mut String) {
        let _ = match self {
            Self::Null => Ok(()),
            Self::Boolean(value) => write!(out, "{value}"),
            Self::Integer(value) => write!(out, "{value}"),
            Self::Number(value) => write!(out, "{value}"),
            Self::Text(text) => out.write_str(text),
            Self::Date(days) => write!(out, "{}", date(*days)),
            Self::Time(us) => {
                write!(out, "{:02}:{:02}:{:02}", us / 3_600_000_000, us / 60_000_000 % 60, us / 1_000_000 % 60)
            }
            Self::Timestamp(us) => write!(out, "{}", timestamp(*us)),
            Self::Interval(us) => write!(out, "{us}"),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}")),
            Self::List(_) | Self::Object(_) => write!(out, "{}", self.json()),
        };
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Boolean(value) => (*value).into(),
            Self::Integer(value) => (*value).into(),
            Self::Number(value) => serde_json::Number::from_f64(*value).map_or(serde_json::Value::Null, Into::into),
            Self::List(values) => values.iter().map(Self::json).collect(),
            Self::Object(fields) => {
                serde_json::Value::Object(fields.iter().map(|(name, value)| (name.to_string(), value.json())).collect())
            }
            other => {
                let mut text = String::new();
                other.append_to(&mut text);
                text.into()
            }
        }
    }
}

/// Equal by [`Value::same`] means equal here, so that rows can be found by key; nulls never meet in a lookup.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::List(left), Self::List(right)) => left == right,
            _ => self.same(other),
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Text(text) => text.hash(state),
            Self::Date(_) | Self::Timestamp(_) => self.timestamp().hash(state),
            Self::Boolean(value) => value.hash(state),
            Self::Integer(_) | Self::Number(_) => self.number().map(f64::to_bits).hash(state),
            Self::Time(us) | Self::Interval(us) => us.hash(state),
            Self::List(values) => values.hash(state),
            Self::Null | Self::Bytes(_) | Self::Object(_) => {}
        }
    }
}

const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");

pub(crate) fn date(days: i32) -> NaiveDate {
    let shift = Days::new(u64::from(days.unsigned_abs()));
    if days < 0 { EPOCH.checked_sub_days(shift) } else { EPOCH.checked_add_days(shift) }.unwrap_or(EPOCH)
}

pub(crate) fn days(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - EPOCH.num_days_from_ce()
}

pub(crate) fn timestamp(us: i64) -> NaiveDateTime {
    DateTime::from_timestamp_micros(us).unwrap_or_default().naive_utc()
}

/// Half away from zero, as numeric rounds.
pub(crate) fn round(value: f64, scale: i64) -> f64 {
    let factor = 10_f64.powi(i32::try_from(scale).unwrap_or(0));
    let scaled = value * factor;
    // 1.005 is stored a little below itself: what is a half but for the last bits is one.
    let nudged = scaled + scaled * 4.0 * f64::EPSILON;
    nudged.round() / factor
}
