//! The hours in which a database may be vacuumed and rebuilt: `Sun 02:00-04:00`, `Sat,Sun 22:00-01:00`, `Mon-Fri 01:00-02:00`,
//! `daily 01:00-02:00`.
//!
//! In: the registry's words, a moment. Out: whether the window is open, until when, and when it opens next. Invariants: all times are
//! UTC, so that no change of clocks opens it twice or leaves it out; a window lasts an hour at least and less than a day, and belongs to the day on which it
//! opens.

use chrono::{DateTime, Datelike, Days, NaiveTime, TimeDelta, Utc, Weekday};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const DAY: TimeDelta = TimeDelta::days(1);
/// What works in windows looks each hour.
const LOOKED_AT_EVERY: TimeDelta = TimeDelta::hours(1);
const FORM: &str = "write \"Sun 02:00-04:00\", \"Sat,Sun 22:00-01:00\", \"Mon-Fri 01:00-02:00\" or \"daily 01:00-02:00\"; times are UTC";

/// As the registry writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MaintenanceWindow {
    text: String,
    /// From Monday on.
    days: [bool; 7],
    from: NaiveTime,
    lasts: TimeDelta,
}

impl MaintenanceWindow {
    /// When the window that is open now closes.
    pub fn open_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // One of yesterday may go on past midnight.
        let openings = [0, 1].into_iter().filter_map(|days| self.opening(now.checked_sub_days(Days::new(days))?));
        openings.filter(|opening| *opening <= now).map(|opening| opening + self.lasts).find(|end| *end > now)
    }

    /// When it opens next after a moment.
    pub fn next(&self, after: DateTime<Utc>) -> DateTime<Utc> {
        let mut openings = (0..=7).filter_map(|days| self.opening(after.checked_add_days(Days::new(days))?));
        openings.find(|opening| *opening > after).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Of the day of a moment.
    fn opening(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let day = moment.date_naive();
        let opens = self.days[day.weekday().num_days_from_monday() as usize];
        opens.then(|| day.and_time(self.from).and_utc())
    }
}

/// The hours in which the fewest work.
impl Default for MaintenanceWindow {
    fn default() -> Self {
        let (text, days) = ("Sun 02:00-04:00".to_owned(), [false, false, false, false, false, false, true]);
        Self { text, days, from: NaiveTime::MIN + TimeDelta::hours(2), lasts: TimeDelta::hours(2) }
    }
}

impl FromStr for MaintenanceWindow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |cause: &str| format!("{text:?} is no maintenance window: {cause}; {FORM}");
        let (days, hours) = text.split_once(' ').ok_or_else(|| wrong("it has no days and hours"))?;
        let days = days_of(days).ok_or_else(|| wrong("it names no days of the week"))?;
        let (from, to) = hours.split_once('-').ok_or_else(|| wrong("its hours have no end"))?;
        let time =
            |text: &str| NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| wrong("it names no hours of a day"));
        let (from, to) = (time(from)?, time(to)?);
        let lasts = if to < from { to - from + DAY } else { to - from };
        if lasts < LOOKED_AT_EVERY {
            return Err(wrong("it is shorter than an hour, after which the timer looks again"));
        }
        Ok(Self { text: text.to_owned(), days, from, lasts })
    }
}

fn days_of(text: &str) -> Option<[bool; 7]> {
    if text == "daily" {
        return Some([true; 7]);
    }
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (first.parse::<Weekday>().ok()?, last.parse::<Weekday>().ok()?);
        days[day.num_days_from_monday() as usize] = true;
        while day != last {
            day = day.succ();
            days[day.num_days_from_monday() as usize] = true;
        }
    }
    Some(days)
}

impl TryFrom<String> for MaintenanceWindow {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MaintenanceWindow> for String {
    fn from(window: MaintenanceWindow) -> Self {
        window.text
    }
}

impl fmt::Display for MaintenanceWindow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} UTC", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> MaintenanceWindow {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Of December 2026, whose first day is a Tuesday.
    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-12-{text}:00Z").parse().expect("a moment")
    }

    #[test]
    fn it_is_open_from_its_first_minute_to_its_last() {
        let sunday = window("Sun 02:00-04:00");
        assert_eq!(sunday, MaintenanceWindow::default());
        for (moment, until) in
            [("06T01:59", None), ("06T02:00", Some("06T04:00")), ("06T03:59", Some("06T04:00")), ("06T04:00", None)]
        {
            assert_eq!(sunday.open_until(at(moment)), until.map(at), "{moment}");
        }
        assert_eq!(sunday.open_until(at("07T03:00")), None, "a Monday");
        let night = window("Sat 22:00-01:30");
        assert_eq!(night.open_until(at("05T23:00")), Some(at("06T01:30")));
        assert_eq!(night.open_until(at("06T01:29")), Some(at("06T01:30")), "it opened on Saturday");
        assert_eq!([at("06T23:00"), at("05T01:00")].map(|moment| night.open_until(moment)), [None, None]);
        assert_eq!(window("daily 22:00-00:00").open_until(at("01T23:59")), Some(at("02T00:00")));
    }

    #[test]
    fn it_opens_next_on_the_next_of_its_days() {
        let next = |text: &str, moment: &str| window(text).next(at(moment));
        assert_eq!(next("Sun 02:00-04:00", "01T12:00"), at("06T02:00"));
        assert_eq!(next("Sun 02:00-04:00", "06T02:00"), at("13T02:00"), "it is open already");
        assert_eq!(next("daily 01:00-02:00", "01T12:00"), at("02T01:00"));
        assert_eq!(next("Mon-Fri 01:00-02:00", "04T12:00"), at("07T01:00"), "over the weekend");
        assert_eq!(next("Sat,Sun 22:00-01:00", "01T12:00"), at("05T22:00"));
        assert_eq!(next("Sat-Mon 02:00-04:00", "06T12:00"), at("07T02:00"), "a week goes round");
    }

    #[test]
    fn what_names_no_hours_of_a_week_is_refused() {
        for text in [
            "",
            "Sun",
            "Sun 02:00",
            "02:00-04:00",
            "Son 02:00-04:00",
            "Sun 02:00-02:00",
            "Sun 23:30-00:29",
            "Sun 25:00-26:00",
            "Sun 2-4",
            "Sun,, 02:00-04:00",
            "Mon- 02:00-04:00",
        ] {
            let error = text.parse::<MaintenanceWindow>().expect_err(text);
            assert!(error.contains("Sun 02:00-04:00"), "{error}");
        }
    }
}
