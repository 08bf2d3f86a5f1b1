//! Which column of a CSV file is what, and how its cells are written.
//!
//! The file of a mapping is what `--describe` proposes and what `genims seed plant --from` reads as well: that takes the
//! machines, the sensor codes, `[units]` and `[plant]`, this takes the rest.

use super::cells::{Marks, TimeFormat};
use crate::complaint;
use chrono::format::{Item, StrftimeItems};
use chrono_tz::Tz;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    #[error("cannot read the mapping {}: {source}; pass --mapping with an existing file", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the mapping {}:{line}: {what}", path.display())]
    Parse { path: PathBuf, line: usize, what: String },
    #[error("the mapping {}: {what}", path.display())]
    Wrong { path: PathBuf, what: String },
    #[error("cannot read the records {}: {source}; pass --file with an existing CSV file", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("{} is larger than {gigabytes} GiB unpacked; split it", path.display())]
    TooLarge { path: PathBuf, gigabytes: u64 },
    #[error("the records cannot be read: {0}")]
    Csv(#[from] csv::Error),
    #[error("the file has no line {0} with a header: mend header_line in the mapping")]
    NoHeader(u64),
    #[error("the file has no column {name:?}: compare the mapping with the file's header, which has {header}")]
    NoColumn { name: String, header: String },
    #[error("no row could be read: {example}; compare the mapping with the file, or let --describe propose one")]
    NothingRead { example: Skipped },
    #[error(
        "genims_master_db has no sensor {code:?} on a machine {machine:?}: `genims seed plant --from MAPPING` makes it, or \
         mend the mapping's machine id and sensor codes"
    )]
    UnknownSensor { machine: String, code: String },
}

/// A cell that could not be read, or must not be sent.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    pub file: String,
    pub line: u64,
    pub column: String,
    pub value: String,
    pub why: String,
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, line, column, value, why } = self;
        write!(formatter, "{file}:{line}, column {column}: {value:?} {why}")
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// One byte.
    #[serde(default = "comma")]
    pub delimiter: char,
    #[serde(default = "point")]
    pub decimal: char,
    pub thousands: Option<char>,
    /// The line of the header, from 1; 0 where there is none and columns are named by number: "#1".
    #[serde(default = "first")]
    pub header_line: u64,
    /// The line of the first record: the one after the header if not given.
    pub first_line: Option<u64>,
    /// Cells that say that there is no value, besides empty ones.
    #[serde(default)]
    pub no_value: Vec<String>,
    pub timestamp: TimestampColumn,
    pub machine: MachineColumn,
    /// Column name to sensor code.
    pub values: BTreeMap<String, String>,
    /// Sensor code to unit; for the plant.
    #[serde(default)]
    pub units: BTreeMap<String, String>,
    /// Where a row holds one value and says whose it is; then `values` has the cells that say so, not columns.
    pub long: Option<LongColumns>,
    /// What the plant is made of; read by `genims seed plant --from`.
    pub plant: Option<PlantMade>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongColumns {
    /// The column that names the sensor.
    pub tag: String,
    /// The column with its value.
    pub value: String,
    /// Cells of the tag column whose values are meant to be left out.
    #[serde(default)]
    pub ignore: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlantMade {
    pub factory: String,
    pub line: String,
    pub machines: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampColumn {
    /// One column, or several whose cells are joined by blanks: a date and a time of day.
    #[serde(deserialize_with = "one_or_more")]
    pub column: Vec<String>,
    /// See [`TimeFormat`].
    #[serde(default = "rfc3339")]
    format: String,
    /// Of times without an offset, like Europe/Berlin.
    #[serde(default = "utc")]
    zone: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineColumn {
    /// Without it all records are of one machine.
    pub column: Option<String>,
    /// The machine id, with `{value}` in place of the cell.
    #[serde(default = "same")]
    pub id: String,
    /// Ids of cells that make none.
    #[serde(default)]
    pub ids: BTreeMap<String, String>,
}

fn comma() -> char {
    ','
}
fn point() -> char {
    '.'
}
fn first() -> u64 {
    1
}
fn rfc3339() -> String {
    "rfc3339".to_owned()
}
fn utc() -> String {
    "UTC".to_owned()
}
fn same() -> String {
    PLACEHOLDER.to_owned()
}

const PLACEHOLDER: &str = "{value}";

fn one_or_more<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a column's name, or a list of them")]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(name) => vec![name],
        OneOrMore::More(names) => names,
    })
}

impl Mapping {
    pub fn load(path: &Path) -> Result<Self, MappingError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| MappingError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    pub fn parse(text: &str, path: &Path) -> Result<Self, MappingError> {
        let mapping: Self = toml::from_str(text).map_err(|error| {
            let (line, what) = complaint::of(text, &error);
            MappingError::Parse { path: path.to_owned(), line, what }
        })?;
        mapping.check().map_err(|what| MappingError::Wrong { path: path.to_owned(), what })?;
        Ok(mapping)
    }

    fn check(&self) -> Result<(), String> {
        if !self.delimiter.is_ascii() {
            return Err(format!("delimiter {:?} is no ASCII character", self.delimiter));
        }
        if self.thousands == Some(self.decimal) {
            return Err(format!("decimal and thousands are both {:?}; leave one out", self.decimal));
        }
        if self.timestamp.column.is_empty() {
            return Err("timestamp.column names no column".to_owned());
        }
        if self.values.is_empty() {
            return Err("[values] names no column; write \"column\" = \"sensor code\"".to_owned());
        }
        self.timestamp.time_format()?;
        match (&self.machine.column, self.machine.id.contains(PLACEHOLDER)) {
            (Some(_), false) => Err(format!("machine.id {:?} has no {PLACEHOLDER}", self.machine.id)),
            (None, true) => Err(format!("machine.id is {:?} and no machine.column is named", self.machine.id)),
            _ => Ok(()),
        }
    }

    pub fn marks(&self) -> Marks {
        Marks { decimal: self.decimal, thousands: self.thousands }
    }

    /// The line of the first record.
    pub fn first_line(&self) -> u64 {
        self.first_line.unwrap_or(self.header_line + 1)
    }

    /// Of times, as checked at reading.
    pub fn time_format(&self) -> TimeFormat {
        self.timestamp.time_format().unwrap_or_else(|_| TimeFormat { name: rfc3339(), zone: Tz::UTC })
    }
}

impl TimestampColumn {
    fn time_format(&self) -> Result<TimeFormat, String> {
        let known = |_| format!("timestamp.zone {:?} is no time zone; write one like Europe/Berlin, or UTC", self.zone);
        let zone = self.zone.parse().map_err(known)?;
        let is_named = ["rfc3339", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns"].contains(&self.format.as_str());
        if !is_named && !self.format.contains('%') {
            let allowed = "rfc3339, epoch_s, epoch_ms, epoch_us, epoch_ns, or a pattern like %d.%m.%Y %H:%M:%S";
            return Err(format!("timestamp.format {:?} is no format; write {allowed}", self.format));
        }
        if !is_named && StrftimeItems::new(&self.format).any(|item| item == Item::Error) {
            let allowed = "%Y %m %d %H %M %S and the like, as in strftime";
            return Err(format!("timestamp.format {:?} has a % that stands for nothing; write {allowed}", self.format));
        }
        Ok(TimeFormat { name: self.format.clone(), zone })
    }
}

impl MachineColumn {
    /// The id of the machine that a cell names.
    pub fn id_of(&self, cell: &str) -> String {
        self.ids.get(cell).cloned().unwrap_or_else(|| self.id.replace(PLACEHOLDER, cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[timestamp]\ncolumn = \"t\"\n[machine]\nid = \"M\"\n[values]\nv = \"V\"\n";

    #[test]
    fn what_a_mapping_leaves_out_is_usual_and_what_is_wrong_is_said() {
        let parse = |text: &str| Mapping::parse(text, Path::new("m.toml"));
        let mapping = parse(GOOD).expect("valid");
        assert_eq!((mapping.delimiter, mapping.decimal, mapping.first_line()), (',', '.', 2));
        assert_eq!(mapping.time_format(), TimeFormat { name: "rfc3339".to_owned(), zone: Tz::UTC });
        assert_eq!(mapping.timestamp.column, ["t"]);
        for (text, said) in [
            (format!("thousands = \".\"\n{GOOD}"), "both '.'"),
            (format!("delimeter = \";\"\n{GOOD}"), "m.toml:1: delimeter is no key here; did you mean delimiter?"),
            (
                format!("{GOOD}[plant]\nfactory = \"F\"\nline = \"L\"\nmachinez = []\n"),
                "m.toml:10: machinez is no key here; did you mean machines?",
            ),
            (format!("{GOOD}[long]\ntag = \"t\"\n"), "value is missing"),
            (format!("header_line = \"1\"\n{GOOD}"), "must be a whole number"),
            (GOOD.replace("\"t\"", "\"t\"\nformat = \"%d.%Q.%Y\""), "stands for nothing"),
            (GOOD.replace("id = \"M\"", "column = \"m\"\nid = \"M\""), "no {value}"),
            (GOOD.replace("id = \"M\"", ""), "no machine.column"),
            (GOOD.replace("\"t\"", "\"t\"\nzone = \"Berlin\""), "Europe/Berlin"),
            (GOOD.replace("\"t\"", "\"t\"\nformat = \"iso\""), "epoch_ms"),
            (GOOD.replace("v = \"V\"", ""), "[values]"),
            (GOOD.replace("\"t\"", "5"), "a list of them"),
        ] {
            let error = parse(&text).expect_err(&text).to_string();
            assert!(error.contains("m.toml") && error.contains(said), "{error}");
        }
    }

    #[test]
    fn machines_are_named_by_their_cells() {
        let column = |text: &str| toml::from_str::<MachineColumn>(text).expect("valid");
        assert_eq!(column("column = \"m\"\nid = \"MCH-{value}\"").id_of("7"), "MCH-7");
        assert_eq!(column("column = \"m\"\n[ids]\n\"Press 7\" = \"PRESS-7\"").id_of("Press 7"), "PRESS-7");
        assert_eq!(column("id = \"M\"").id_of(""), "M");
    }
}
