//! The mapping of a foreign file, as `loadtest replay --describe` proposes it and a replay reads it. Here it tells what the
//! plant is made of; the rest is held to the same rules as there, so that it fails before anything is made.

use chrono::format::{Item, StrftimeItems};
use chrono_tz::Tz;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Stands for the cell that names the machine.
const PLACEHOLDER: &str = "{value}";
const NAMED_FORMATS: [&str; 5] = ["rfc3339", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns"];
/// Words at least this alike are taken for a slip of the pen.
const ALIKE: f64 = 0.8;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    dead_code,
    reason = "some keys are for the replay alone; here it matters that they are known and of their type"
)]
pub(super) struct Mapping {
    delimiter: Option<char>,
    #[serde(default = "point")]
    decimal: char,
    thousands: Option<char>,
    header_line: Option<u64>,
    first_line: Option<u64>,
    #[serde(default)]
    no_value: Vec<String>,
    timestamp: Timestamp,
    machine: Machine,
    long: Option<Long>,
    /// Column of the file, or cell of the long format's tag column, to sensor code.
    pub(super) values: BTreeMap<String, String>,
    /// By sensor code.
    #[serde(default)]
    pub(super) units: BTreeMap<String, String>,
    pub(super) plant: MappedPlant,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Timestamp {
    column: OneOrMore,
    #[serde(default = "rfc3339")]
    format: String,
    #[serde(default = "utc")]
    zone: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a column's name, or a list of them")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "as above")]
struct Machine {
    column: Option<String>,
    #[serde(default = "placeholder")]
    id: String,
    #[serde(default)]
    ids: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "as above")]
struct Long {
    tag: String,
    value: String,
    #[serde(default)]
    ignore: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MappedPlant {
    pub(super) factory: String,
    pub(super) line: String,
    pub(super) machines: Vec<String>,
}

fn point() -> char {
    '.'
}
fn rfc3339() -> String {
    "rfc3339".to_owned()
}
fn utc() -> String {
    "UTC".to_owned()
}
fn placeholder() -> String {
    PLACEHOLDER.to_owned()
}

impl Mapping {
    /// What is wrong, with its line where it is that of one.
    pub(super) fn parse(text: &str) -> Result<Self, (Option<usize>, String)> {
        let mapping: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            (line, said(error.message().trim()))
        })?;
        mapping.check().map_err(|cause| (None, cause))?;
        Ok(mapping)
    }

    fn check(&self) -> Result<(), String> {
        if self.delimiter.is_some_and(|delimiter| !delimiter.is_ascii()) {
            return Err("delimiter is no ASCII character; write one like \";\"".to_owned());
        }
        if self.thousands == Some(self.decimal) {
            return Err(format!("decimal and thousands are both {:?}; leave one out", self.decimal));
        }
        let Timestamp { column, format, zone } = &self.timestamp;
        let names = match column {
            OneOrMore::One(name) => std::slice::from_ref(name),
            OneOrMore::More(names) => names,
        };
        if names.iter().all(String::is_empty) {
            return Err("timestamp.column names no column; name one".to_owned());
        }
        if zone.parse::<Tz>().is_err() {
            return Err(format!("timestamp.zone {zone:?} is no time zone; write one like Europe/Berlin, or UTC"));
        }
        if !NAMED_FORMATS.contains(&format.as_str()) {
            if !format.contains('%') {
                let allowed = "or a pattern like %d.%m.%Y %H:%M:%S";
                let named = NAMED_FORMATS.join(", ");
                return Err(format!("timestamp.format {format:?} is no format; write {named}, {allowed}"));
            }
            if StrftimeItems::new(format).any(|item| item == Item::Error) {
                let allowed = "%Y %m %d %H %M %S and the like, as in strftime";
                return Err(format!("timestamp.format {format:?} has a % that stands for nothing; write {allowed}"));
            }
        }
        match (&self.machine.column, self.machine.id.contains(PLACEHOLDER)) {
            (Some(_), false) => Err(format!("machine.id {:?} has no {PLACEHOLDER}; write it in", self.machine.id)),
            (None, true) => Err("machine.id is that of every machine; name one, or a machine.column".to_owned()),
            _ => Ok(()),
        }
    }
}

/// The parser's message in the words of the file, with the nearest key that there is.
fn said(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let key = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.collect();
        let alike = known.iter().map(|known| (strsim::jaro_winkler(key, known), known));
        let nearest = alike.filter(|(alike, _)| *alike >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
        let hint = nearest.map_or_else(String::new, |(_, nearest)| format!("did you mean {nearest}? "));
        return format!("{key} is no key here; {hint}known are {}", known.join(", "));
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("{} is missing; add it", key.trim_matches('`'));
    }
    match message.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((_, "a string")) => "must be a text, in quotes".to_owned(),
        Some((_, "a character")) => "must be one character, in quotes".to_owned(),
        Some((_, "a sequence")) => "must be a list, in square brackets".to_owned(),
        Some((_, "u64")) => "must be a whole number".to_owned(),
        Some((_, wanted)) if wanted.starts_with("struct ") || wanted == "a map" => "must be a table".to_owned(),
        Some((_, wanted)) => format!("must be {wanted}"),
        None => message.to_owned(),
    }
}
