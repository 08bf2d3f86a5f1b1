//! Dates, times and business calendars.

use super::{Context, Entry, entry, integer, number, string};
use crate::value::{DAY_US, Value, date as date_of, days as days_of};
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike, Weekday};
use chrono_tz::Tz;

const HOUR_US: i64 = 3_600_000_000;
const MINUTE_US: i64 = 60_000_000;

/// A year, so that every season and every month-end is there.
const HISTORY_DAYS: i64 = 365;

pub(super) const LIST: &[Entry] = &[
    entry("today", (0, 0), |context, _| Ok(Value::Date(context.today)), "the day on which the history ends"),
    entry(
        "now",
        (0, 0),
        |context, _| Ok(Value::Timestamp(i64::from(context.today) * DAY_US)),
        "the end of the history: midnight of today(), UTC",
    ),
    entry(
        "history_days",
        (0, 0),
        |_, _| Ok(Value::Integer(HISTORY_DAYS)),
        "days over which business documents are spread",
    ),
    entry(
        "sensor_days",
        (0, 0),
        |context, _| Ok(Value::Integer(i64::from(context.sensor_days))),
        "days of sensor and SCADA history",
    ),
    entry("days_ago", (1, 1), days_ago, "days_ago(n): a date"),
    entry(
        "business_day",
        (2, 2),
        business_day,
        "business_day(from, to): a random Monday to Friday between two dates, more in busy months and lately",
    ),
    entry("workday", (1, 1), workday, "workday(date): the date, or the Monday after its weekend"),
    entry(
        "days",
        (1, 1),
        |_, arguments| Ok(Value::Interval((number(arguments[0])? * DAY_US as f64) as i64)),
        "days(n): an interval",
    ),
    entry(
        "hours",
        (1, 1),
        |_, arguments| Ok(Value::Interval((number(arguments[0])? * HOUR_US as f64) as i64)),
        "hours(n): an interval",
    ),
    entry(
        "minutes",
        (1, 1),
        |_, arguments| Ok(Value::Interval((number(arguments[0])? * MINUTE_US as f64) as i64)),
        "minutes(n): an interval",
    ),
    entry(
        "seconds",
        (1, 1),
        |_, arguments| Ok(Value::Interval((number(arguments[0])? * 1e6) as i64)),
        "seconds(n): an interval",
    ),
    entry("in_days", (1, 1), |_, arguments| in_units(arguments[0], DAY_US), "in_days(interval): a number"),
    entry("in_hours", (1, 1), |_, arguments| in_units(arguments[0], HOUR_US), "in_hours(interval): a number"),
    entry("in_minutes", (1, 1), |_, arguments| in_units(arguments[0], MINUTE_US), "in_minutes(interval): a number"),
    entry("in_seconds", (1, 1), |_, arguments| in_units(arguments[0], 1_000_000), "in_seconds(interval): a number"),
    entry("add_months", (2, 2), add_months, "add_months(date, n)"),
    entry("month_start", (1, 1), |_, arguments| Ok(shift(date(arguments[0])?.with_day(1))), "first day of the month"),
    entry("month_end", (1, 1), month_end, "last day of the month"),
    entry("at", (2, 2), at, "at(date, hours): a timestamp, 14.5 is half past two"),
    entry("time_of", (1, 1), time_of, "time_of(hours or timestamp): a time of day"),
    entry("utc", (3, 3), utc, "utc(date, time of day, 'Europe/Berlin'): local time as UTC timestamp"),
    entry("local", (2, 2), local, "local(timestamp, 'Europe/Berlin'): UTC as local timestamp"),
    entry("year", (1, 1), |_, arguments| Ok(Value::Integer(i64::from(date(arguments[0])?.year()))), "year(date)"),
    entry(
        "quarter",
        (1, 1),
        |_, arguments| Ok(Value::Integer(i64::from(date(arguments[0])?.month0() / 3 + 1))),
        "quarter(date)",
    ),
    entry("month", (1, 1), |_, arguments| Ok(Value::Integer(i64::from(date(arguments[0])?.month()))), "month(date)"),
    entry(
        "week",
        (1, 1),
        |_, arguments| Ok(Value::Integer(i64::from(date(arguments[0])?.iso_week().week()))),
        "ISO week",
    ),
    entry("day", (1, 1), |_, arguments| Ok(Value::Integer(i64::from(date(arguments[0])?.day()))), "day of the month"),
    entry(
        "day_of_year",
        (1, 1),
        |_, arguments| Ok(Value::Integer(i64::from(date(arguments[0])?.ordinal()))),
        "day of the year",
    ),
    entry(
        "weekday",
        (1, 1),
        |_, arguments| Ok(Value::Integer(i64::from(date(arguments[0])?.weekday().number_from_monday()))),
        "1 is Monday",
    ),
    entry("hour", (1, 1), hour, "hour(timestamp or time)"),
    entry("strftime", (2, 2), strftime, "strftime(date, '%Y-%m')"),
    entry(
        "to_char",
        (2, 2),
        |context, arguments| {
            let form = string(arguments[1])?.replace("YYYY", "%Y").replace("MM", "%m").replace("DD", "%d");
            strftime(context, &[arguments[0], &Value::text(form)])
        },
        "to_char(date, 'YYYY-MM-DD')",
    ),
    entry("to_date", (1, 1), to_date, "date of a timestamp or text"),
    entry("to_timestamp", (1, 1), to_timestamp, "timestamp of a date or text"),
];

pub(crate) fn parse_date(text: &str) -> Option<Value> {
    text.parse::<NaiveDate>().ok().map(|date| Value::Date(days_of(date)))
}

pub(crate) fn parse_time(text: &str) -> Option<Value> {
    let time = text.parse::<NaiveTime>().or_else(|_| NaiveTime::parse_from_str(text, "%H:%M")).ok()?;
    Some(Value::Time(i64::from(time.num_seconds_from_midnight()) * 1_000_000))
}

pub(crate) fn parse_timestamp(text: &str) -> Option<Value> {
    let parsed = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f");
    let parsed = parsed.or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")).ok();
    parsed
        .map(|time| Value::Timestamp(time.and_utc().timestamp_micros()))
        .or_else(|| text.parse::<NaiveDate>().ok().map(|date| Value::Timestamp(i64::from(days_of(date)) * DAY_US)))
}

fn date(value: &Value) -> Result<NaiveDate, String> {
    value.date().ok_or_else(|| format!("{value:?} is no date"))
}

fn shift(date: Option<NaiveDate>) -> Value {
    date.map_or(Value::Null, |date| Value::Date(days_of(date)))
}

fn days_ago(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(Value::Date(context.today - integer(arguments[0])? as i32))
}

/// Busy before the summer and in autumn, quiet in August and December.
const SEASON: [f64; 12] = [0.92, 0.95, 1.05, 1.02, 1.0, 1.04, 0.96, 0.82, 1.06, 1.1, 1.08, 0.84];

fn business_day(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let (from, to) = (days_of(date(arguments[0])?), days_of(date(arguments[1])?));
    if to < from {
        return Err(format!("{} is after {}", date_of(from), date_of(to)));
    }
    let span = to - from;
    let mut chosen = to;
    // Rejection against the season and a growth of a tenth a year; bounded, the last draw stands.
    for _ in 0..16 {
        chosen = from + context.random.below(span as usize + 1) as i32;
        let day = date_of(chosen);
        let growth = 1.0 - 0.1 * f64::from(to - chosen) / 365.0;
        if is_workday(day) && context.random.unit() * 1.1 < SEASON[day.month0() as usize] * growth.max(0.3) {
            return Ok(Value::Date(chosen));
        }
    }
    Ok(Value::Date((chosen - weekend_days(date_of(chosen))).max(from)))
}

fn is_workday(day: NaiveDate) -> bool {
    weekend_days(day) == 0
}

/// Days since the Friday before.
fn weekend_days(day: NaiveDate) -> i32 {
    match day.weekday() {
        Weekday::Sat => 1,
        Weekday::Sun => 2,
        _ => 0,
    }
}

fn workday(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let day = date(arguments[0])?;
    let wait = match day.weekday() {
        Weekday::Sat => 2,
        Weekday::Sun => 1,
        _ => 0,
    };
    Ok(Value::Date(days_of(day) + wait))
}

fn in_units(value: &Value, unit: i64) -> Result<Value, String> {
    match value {
        Value::Interval(us) => Ok(Value::Number(*us as f64 / unit as f64)),
        // Dates differ by whole days.
        Value::Integer(days) => Ok(Value::Number(*days as f64 * DAY_US as f64 / unit as f64)),
        other => Err(format!("{other:?} is no interval")),
    }
}

fn add_months(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let (day, months) = (date(arguments[0])?, integer(arguments[1])?);
    let by = Months::new(months.unsigned_abs() as u32);
    Ok(shift(if months < 0 { day.checked_sub_months(by) } else { day.checked_add_months(by) }))
}

fn month_end(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let first = date(arguments[0])?.with_day(1);
    Ok(shift(first.and_then(|day| day.checked_add_months(Months::new(1))).and_then(|day| day.pred_opt())))
}

fn at(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let midnight = i64::from(days_of(date(arguments[0])?)) * DAY_US;
    Ok(match arguments[1] {
        Value::Time(us) => Value::Timestamp(midnight + us),
        hours => Value::Timestamp(midnight + (number(hours)? * 3600.0) as i64 * 1_000_000),
    })
}

fn time_of(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(match arguments[0] {
        Value::Timestamp(us) => Value::Time(us.rem_euclid(DAY_US)),
        Value::Time(us) => Value::Time(*us),
        hours => Value::Time((number(hours)? * 3600.0) as i64 * 1_000_000 % DAY_US),
    })
}

fn zone(value: &Value) -> Result<Tz, String> {
    string(value)?.parse().map_err(|_| format!("{value:?} is no time zone"))
}

fn utc(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let time = match arguments[1] {
        Value::Time(us) => *us,
        hours => (number(hours)? * 3600.0) as i64 * 1_000_000,
    };
    let local = crate::value::timestamp(i64::from(days_of(date(arguments[0])?)) * DAY_US + time);
    let zone = zone(arguments[2])?;
    // In the hour that a spring night skips, the hour after is meant.
    let found = zone
        .from_local_datetime(&local)
        .earliest()
        .or_else(|| zone.from_local_datetime(&(local + chrono::TimeDelta::hours(1))).earliest());
    Ok(found.map_or(Value::Null, |time| Value::Timestamp(time.timestamp_micros())))
}

fn local(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let us = arguments[0].timestamp().ok_or("no timestamp")?;
    let there = zone(arguments[1])?.from_utc_datetime(&crate::value::timestamp(us)).naive_local();
    Ok(Value::Timestamp(there.and_utc().timestamp_micros()))
}

fn hour(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let us = match arguments[0] {
        Value::Time(us) => *us,
        other => other.timestamp().ok_or_else(|| format!("{other:?} is no time"))?.rem_euclid(DAY_US),
    };
    Ok(Value::Integer(us / HOUR_US))
}

fn strftime(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let us = arguments[0].timestamp().ok_or("no date")?;
    let time = crate::value::timestamp(us);
    let mut text = String::new();
    std::fmt::Write::write_fmt(&mut text, format_args!("{}", time.format(string(arguments[1])?)))
        .map_err(|_| "no such form")?;
    Ok(Value::text(text))
}

fn to_date(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    match arguments[0] {
        Value::Text(text) => parse_date(text).ok_or_else(|| format!("{text:?} is no date")),
        other => Ok(Value::Date(days_of(date(other)?))),
    }
}

fn to_timestamp(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    match arguments[0] {
        Value::Text(text) => parse_timestamp(text).ok_or_else(|| format!("{text:?} is no timestamp")),
        other => other.timestamp().map(Value::Timestamp).ok_or_else(|| format!("{other:?} is no date")),
    }
}
