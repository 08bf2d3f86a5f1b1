//! When a job is due: enters a line of cron, a zone and two moments, leaves the latest moment between them that it names.
//!
//! Invariants: no clock is read here; a moment that clocks put forward leave out is due when they go on.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use croner::Cron;
use std::str::FromStr;

/// Occurrences that are looked at between two moments: a minute's schedule, for a day. Further back the search begins anew.
const LOOKED_AT_MAX: usize = 24 * 60;

/// Minute, hour, day, month, weekday, in a zone.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub line: String,
    cron: Cron,
    zone: Tz,
}

impl Schedule {
    pub fn parse(line: &str, zone: Tz) -> Result<Self, String> {
        let cron = Cron::from_str(line).map_err(|error| format!("schedule {line:?}: {error}"))?;
        Ok(Self { line: line.to_owned(), cron, zone })
    }

    /// The first occurrence after a moment; `None` when there is none.
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.cron.find_next_occurrence(&after.with_timezone(&self.zone), false).ok()?;
        Some(next.with_timezone(&Utc)).filter(|next| *next > after)
    }

    /// The latest occurrence after `since`, up to `now`: a run for it makes up for all those before it, because it takes every
    /// day that changed, oldest first.
    pub fn due(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut latest = self.next(since).filter(|next| *next <= now)?;
        // Nobody need count the minutes of a year that a server was down.
        let late = now - Duration::days(1);
        if latest < late {
            latest = self.next(late).filter(|next| *next <= now).unwrap_or(latest);
        }
        for _ in 0..LOOKED_AT_MAX {
            match self.next(latest).filter(|next| *next <= now) {
                Some(next) => latest = next,
                None => break,
            }
        }
        Some(latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    #[test]
    fn what_was_missed_is_due_once() {
        let hourly = Schedule::parse("5 * * * *", Tz::UTC).expect("a schedule");
        let due = |since: &str, now: &str| hourly.due(at(since), at(now));
        assert_eq!(due("2026-11-28T10:05:00Z", "2026-11-28T11:04:59Z"), None);
        assert_eq!(due("2026-11-28T10:05:00Z", "2026-11-28T11:05:00Z"), Some(at("2026-11-28T11:05:00Z")));
        assert_eq!(due("2026-11-28T10:05:00Z", "2026-11-28T15:30:00Z"), Some(at("2026-11-28T15:05:00Z")));
        assert_eq!(due("2020-01-01T00:00:00Z", "2026-11-28T15:30:00Z"), Some(at("2026-11-28T15:05:00Z")));
        let leap = Schedule::parse("0 2 29 2 *", Tz::UTC).expect("a schedule");
        assert_eq!(leap.due(at("2024-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z")), Some(at("2024-02-29T02:00:00Z")));
    }

    #[test]
    fn a_plant_s_two_o_clock_comes_every_day_of_its_calendar() {
        for zone in [Tz::UTC, Tz::Asia__Kolkata, Tz::Europe__Paris, Tz::America__New_York, Tz::Australia__Lord_Howe] {
            let daily = Schedule::parse("0 2 * * *", zone).expect("a schedule");
            let (mut now, end) = (at("2024-01-01T12:00:00Z"), at("2028-01-01T00:00:00Z"));
            while now < end {
                let next = daily.next(now).expect("there is always a next day");
                let hours = (next - now).num_hours();
                assert!((1..=25).contains(&hours), "{zone}: after {now} comes {next}");
                assert_eq!(daily.due(now, next), Some(next), "{zone}");
                assert_eq!(daily.due(now, next - Duration::seconds(1)), None, "{zone}");
                now = next;
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["", "x", "61 * * * *", "* * *"] {
            assert!(Schedule::parse(line, Tz::UTC).is_err(), "{line}");
        }
    }
}
