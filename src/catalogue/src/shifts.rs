//! Which shift a factory works at a moment. Shift times are local to the factory; everything else is UTC.

use chrono::{DateTime, NaiveTime, Timelike};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

/// A row of `genims_master_db.shifts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    pub shift_id: String,
    pub start: NaiveTime,
    pub end: NaiveTime,
}

/// The shifts of one factory and its time zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactoryShifts {
    pub factory_id: String,
    /// IANA name; a factory without one, or with one that does not exist, works in UTC.
    pub timezone: Option<String>,
    pub shifts: Vec<Shift>,
}

/// All factories' shifts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShiftCalendar {
    factories: HashMap<String, (chrono_tz::Tz, Vec<Shift>)>,
}

impl FactoryShifts {
    /// The factory's time zone, if there is none of that name.
    pub fn unknown_zone(&self) -> Option<&str> {
        self.timezone.as_deref().filter(|name| name.parse::<chrono_tz::Tz>().is_err())
    }
}

impl ShiftCalendar {
    pub fn new(factories: impl IntoIterator<Item = FactoryShifts>) -> Self {
        let factories = factories
            .into_iter()
            .map(|factory| {
                let zone = factory.timezone.as_deref().and_then(|name| name.parse().ok()).unwrap_or(chrono_tz::UTC);
                (factory.factory_id, (zone, factory.shifts))
            })
            .collect();
        Self { factories }
    }

    /// The shift in which `timestamp_us` (UTC) falls; a shift that ends before it starts spans midnight.
    pub fn shift_at(&self, factory_id: &str, timestamp_us: i64) -> Option<&str> {
        let (zone, shifts) = self.factories.get(factory_id)?;
        let local = DateTime::from_timestamp_micros(timestamp_us)?.with_timezone(zone);
        let time = NaiveTime::from_num_seconds_from_midnight_opt(local.num_seconds_from_midnight(), 0)?;
        let holds = |shift: &&Shift| {
            if shift.start < shift.end {
                shift.start <= time && time < shift.end
            } else {
                shift.start <= time || time < shift.end
            }
        };
        shifts.iter().find(holds).map(|shift| shift.shift_id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_shift_spans_midnight_in_the_factory_s_own_zone() {
        let at = |hour| NaiveTime::from_hms_opt(hour, 0, 0).expect("an hour");
        let shift = |id: &str, start, end| Shift { shift_id: id.to_owned(), start: at(start), end: at(end) };
        let calendar = ShiftCalendar::new([FactoryShifts {
            factory_id: "F1".to_owned(),
            timezone: Some("Europe/Berlin".to_owned()),
            shifts: vec![shift("A", 6, 14), shift("B", 14, 22), shift("C", 22, 6)],
        }]);
        let micros = |text: &str| DateTime::parse_from_rfc3339(text).expect("a time").timestamp_micros();
        // Berlin is UTC+1 in winter, UTC+2 in summer.
        assert_eq!(calendar.shift_at("F1", micros("2026-01-10T05:30:00Z")), Some("A"));
        assert_eq!(calendar.shift_at("F1", micros("2026-07-10T04:30:00Z")), Some("A"));
        assert_eq!(calendar.shift_at("F1", micros("2026-01-10T22:30:00Z")), Some("C"));
        assert_eq!(calendar.shift_at("nowhere", 0), None);
    }

    #[test]
    fn a_zone_that_does_not_exist_is_found() {
        let factory = |timezone: Option<&str>| FactoryShifts {
            factory_id: "F1".to_owned(),
            timezone: timezone.map(str::to_owned),
            shifts: Vec::new(),
        };
        assert_eq!(factory(Some("Europe/Atlantis")).unknown_zone(), Some("Europe/Atlantis"));
        assert_eq!(factory(Some("Europe/Berlin")).unknown_zone(), None);
        assert_eq!(factory(None).unknown_zone(), None);
    }
}
