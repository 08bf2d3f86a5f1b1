//! Shapes of JSON that nobody listed, by a key mapping in the configuration: `keys`, `states`, `qualities` and `zone` of a
//! `[[topics]]` entry go in, a checked [`Mapping`] comes out. [`super::json`] uses it on what comes below that topic.
//!
//! A key is named by its path: `reading.raw` is the key `raw` in the object `reading`, or one key of that name. What `keys`
//! leaves out is looked for under its usual names.

use super::fault::NO_OFFSET;
use super::{quality, timestamp};
use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use genims_model::Quality;
use genims_model::reading::VALUE_MAX;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// Which keys of a foreign JSON say what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// Several readings: a list of objects, or an object with one of them per sensor. The other keys are looked for in
    /// each, and what one does not have around the list.
    pub list: Option<String>,
    pub sensor: Option<String>,
    pub machine: Option<String>,
    pub value: Option<String>,
    pub time: Option<String>,
    pub quality: Option<String>,
}

/// What a mapped key says; its place in [`Mapping::paths`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    List,
    Sensor,
    Machine,
    Value,
    Time,
    Quality,
}

pub(crate) const PARTS: usize = 6;

impl Keys {
    fn each(&self) -> [(Part, &'static str, Option<&String>); PARTS] {
        [
            (Part::List, "list", self.list.as_ref()),
            (Part::Sensor, "sensor", self.sensor.as_ref()),
            (Part::Machine, "machine", self.machine.as_ref()),
            (Part::Value, "value", self.value.as_ref()),
            (Part::Time, "time", self.time.as_ref()),
            (Part::Quality, "quality", self.quality.as_ref()),
        ]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.each().iter().all(|(_, _, path)| path.is_none())
    }
}

/// Objects in objects that a path may lead through.
const LEVELS_MAX: usize = 8;

/// What can be wrong with a mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    #[error("keys.{part} = \"{path}\" is no key; write the key's name, or `outer.inner` for one in an object")]
    NoKey { part: &'static str, path: String },
    #[error("keys.{part} = \"{path}\" has {levels} levels; at most {LEVELS_MAX} are supported")]
    TooDeep { part: &'static str, path: String, levels: usize },
    #[error("keys.{first} and keys.{second} are both \"{path}\"; a key says one thing")]
    SameKey { first: &'static str, second: &'static str, path: String },
    #[error("states.\"{word}\" does not fit the column; at most 11 digits before the point")]
    StateTooLarge { word: String },
    #[error("{table} has \"{word}\" twice (case does not count); remove one of them")]
    WordTwice { table: &'static str, word: String },
    #[error("{table} has an empty word; name what the device sends")]
    EmptyWord { table: &'static str },
    #[error("qualities.\"{word}\" = \"{quality}\" is no quality; write good, uncertain or bad")]
    NoQuality { word: String, quality: String },
    #[error("zone = \"{zone}\" is no time zone; write one of the IANA's, for example Europe/Berlin")]
    NoZone { zone: String },
}

/// A checked mapping that says at least something.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// By [`Part`].
    pub(crate) paths: [Option<Box<str>>; PARTS],
    states: Vec<(Box<str>, f64)>,
    qualities: Vec<(Box<str>, Quality)>,
    /// Where the clocks stand whose times have no offset.
    zone: Option<Tz>,
}

impl Mapping {
    /// `None`: nothing is said.
    pub(super) fn compile(
        keys: &Keys,
        states: &BTreeMap<String, f64>,
        qualities: &BTreeMap<String, String>,
        zone: Option<&str>,
    ) -> Result<Option<Self>, MappingError> {
        if keys.is_empty() && states.is_empty() && qualities.is_empty() && zone.is_none() {
            return Ok(None);
        }
        let zone = zone.map(|zone| Tz::from_str(zone).map_err(|_| MappingError::NoZone { zone: zone.to_owned() }));
        let zone = zone.transpose()?;
        check_words("states", states.keys())?;
        check_words("qualities", qualities.keys())?;
        let paths = check_keys(keys)?;
        let state = |(word, value): (&String, &f64)| {
            let fits = value.abs() <= VALUE_MAX;
            fits.then(|| (word.as_str().into(), *value))
                .ok_or_else(|| MappingError::StateTooLarge { word: word.clone() })
        };
        let quality = |(word, quality): (&String, &String)| {
            let known = quality::of_text(quality).map(|known| (word.as_str().into(), known));
            known.ok_or_else(|| MappingError::NoQuality { word: word.clone(), quality: quality.clone() })
        };
        let states = states.iter().map(state).collect::<Result<_, _>>()?;
        let qualities = qualities.iter().map(quality).collect::<Result<_, _>>()?;
        Ok(Some(Self { paths, states, qualities, zone }))
    }

    /// Where the clocks stand here.
    pub(crate) fn zone(&self) -> Option<Tz> {
        self.zone
    }

    /// What of it is said of snapshots, whose keys are columns: their times.
    pub(crate) fn of_snapshots(&self) -> Option<Self> {
        let zone = Some(self.zone?);
        Some(Self { paths: Default::default(), states: Vec::new(), qualities: Vec::new(), zone })
    }

    /// The value that a word stands for here; case does not count.
    pub(crate) fn state(&self, word: &str) -> Option<f64> {
        find(&self.states, word)
    }

    /// The time that a clock without an offset shows here, with one, or with the zone's name if that shows it twice or never.
    /// `None`: it has one, or is no time.
    pub(crate) fn with_offset(&self, text: &str) -> Option<String> {
        let zone = self.zone?;
        match timestamp::of_clock(text, zone) {
            Some(time_us) => {
                Some(DateTime::from_timestamp_micros(time_us)?.to_rfc3339_opts(SecondsFormat::Micros, true))
            }
            // With the zone's name it is told why it is refused.
            None if timestamp::from_text(text, None) == Err(NO_OFFSET) => Some(format!("{} {zone}", text.trim_ascii())),
            None => None,
        }
    }

    pub(crate) fn quality(&self, word: &str) -> Option<Quality> {
        find(&self.qualities, word)
    }
}

fn find<T: Copy>(words: &[(Box<str>, T)], word: &str) -> Option<T> {
    let word = word.trim();
    words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, meant)| *meant)
}

/// The paths of the keys, by [`Part`].
fn check_keys(keys: &Keys) -> Result<[Option<Box<str>>; PARTS], MappingError> {
    let parts = keys.each();
    for (at, (_, part, path)) in parts.iter().enumerate() {
        let Some(path) = path else { continue };
        let levels = path.split('.').count();
        if path.split('.').any(|level| level.trim().is_empty()) {
            return Err(MappingError::NoKey { part, path: (*path).clone() });
        }
        if levels > LEVELS_MAX {
            return Err(MappingError::TooDeep { part, path: (*path).clone(), levels });
        }
        if let Some((_, first, _)) = parts[..at].iter().find(|(_, _, other)| other == &Some(*path)) {
            return Err(MappingError::SameKey { first, second: part, path: (*path).clone() });
        }
    }
    Ok(parts.map(|(_, _, path)| path.map(|path| path.as_str().into())))
}

fn check_words<'w>(table: &'static str, words: impl Iterator<Item = &'w String>) -> Result<(), MappingError> {
    let mut seen = BTreeSet::new();
    for word in words {
        if word.trim().is_empty() {
            return Err(MappingError::EmptyWord { table });
        }
        if !seen.insert(word.trim().to_ascii_lowercase()) {
            return Err(MappingError::WordTwice { table, word: word.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
