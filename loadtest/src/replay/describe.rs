//! `loadtest replay --describe FILE`: a mapping for a file that nobody has described, as TOML for somebody to look over.
//!
//! Enters: a CSV file as a logger, a spreadsheet or a historian wrote it. Leaves: what [`Mapping`](super::mapping::Mapping)
//! reads, with what could not be told, or was left out, in comments.

use super::cells::Marks;
use super::columns::{self, Role};
use super::header::{self, unit_of};
use super::long::{self, Long};
use super::mapping::MappingError;
use super::marks;
use super::text::{self, Row};
use super::times::{self, Found};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What is looked at: a proposal needs no more.
const ROWS_MAX: usize = 200_000;
/// Rows that tell the delimiter.
const SAMPLE: usize = 200;
const DELIMITERS: [char; 4] = [';', '\t', ',', '|'];
/// `SEN-{machine}-{code}` fits the 50 characters of a sensor's id.
const MACHINE_CHARS_MAX: usize = 20;
const CODE_CHARS_MAX: usize = 24;

#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    #[error(transparent)]
    Read(#[from] MappingError),
    #[error(
        "{}: no column holds times that are known here; write the mapping by hand, after the example of \
         config/loadtest/replay_la_haute_borne.toml",
        .0.display()
    )]
    NoTime(PathBuf),
    #[error("{}: no column beside the time holds numbers; name a file of measurements", .0.display())]
    NoValues(PathBuf),
}

/// The mapping proposed for a file.
pub fn describe(path: &Path) -> Result<String, DescribeError> {
    Ok(Proposal::of(&text::read(path)?, path)?.to_string())
}

struct Proposal<'p> {
    path: &'p Path,
    delimiter: char,
    marks: marks::Told,
    long: Option<Long>,
    header_line: u64,
    first_line: u64,
    records: usize,
    time: Found,
    columns: Vec<Column>,
    no_values: BTreeSet<String>,
}

struct Column {
    /// As in the file; "#3" where that names no column or two.
    name: String,
    role: Role,
    code: String,
    unit: Option<String>,
}

impl<'p> Proposal<'p> {
    fn of(text: &str, path: &'p Path) -> Result<Self, DescribeError> {
        let delimiter = delimiter(text);
        let rows = text::rows(text, delimiter).filter(|row| !row.as_ref().is_ok_and(is_empty));
        let mut rows: Vec<Row> = rows.take(ROWS_MAX).collect::<Result<_, _>>().map_err(MappingError::from)?;
        let width = usual_width(&rows);
        let time = times::find(&rows, width).ok_or_else(|| DescribeError::NoTime(path.to_owned()))?;
        let first = rows.iter().position(|row| time.parse(row).is_some()).unwrap_or(0);
        let records = rows.split_off(first);
        let header = header::find(&rows, width);
        let of = |row: Option<&Row>| -> Vec<String> {
            (0..width).map(|at| row.map_or("", |row| cell(row, at)).to_owned()).collect()
        };
        let (titles, units) = (of(header.names), of(header.units));
        let machine = columns::called_machine(&titles, &records, &time);
        let marks = marks::told(&records, &time.columns.iter().copied().chain(machine).collect::<Vec<_>>());
        let long = long::find(&titles, &records, &time, marks.marks, machine);
        let roles = match &long {
            Some(long) => (0..width).map(|at| role_beside(long, at, (records.as_slice(), &time, machine))).collect(),
            None => columns::roles(&titles, &records, &time, marks.marks),
        };
        let is_measured = long.as_ref().is_none_or(|long| long.tags.values().any(long::Tag::is_measured));
        if !roles.contains(&Role::Value) || !is_measured {
            return Err(DescribeError::NoValues(path.to_owned()));
        }
        let no_values = columns::no_values(&records, &roles);
        Ok(Self {
            path,
            delimiter,
            marks,
            long,
            header_line: header.names.map_or(0, |row| row.line),
            first_line: records[0].line,
            records: records.len(),
            time,
            columns: named(&titles, &units, roles),
            no_values,
        })
    }

    fn machines(&self) -> Option<(&Column, BTreeMap<&str, String>)> {
        self.columns.iter().find_map(|column| match &column.role {
            Role::Machine(cells) => {
                let mut taken = BTreeSet::new();
                Some((
                    column,
                    cells.iter().map(|c| (c.as_str(), unique(clean(c, MACHINE_CHARS_MAX), &mut taken))).collect(),
                ))
            }
            _ => None,
        })
    }

    /// What the file is called, as a machine's id.
    fn stem(&self) -> String {
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let stem = clean(name.split('.').next().unwrap_or_default(), MACHINE_CHARS_MAX);
        if stem.is_empty() { "MACHINE".to_owned() } else { stem }
    }
}

impl std::fmt::Display for Proposal<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = self.path.display();
        writeln!(
            out,
            "# Proposed for {} after a look at {} records. Check it, then:",
            quoted(&file.to_string()),
            self.records
        )?;
        writeln!(out, "#   genims seed plant --from THIS_FILE")?;
        writeln!(out, "#   loadtest replay --mapping THIS_FILE --file {}\n", quoted(&file.to_string()))?;
        writeln!(out, "delimiter = {}", quoted(&self.delimiter.to_string()))?;
        if let Some(doubt) = &self.marks.doubt {
            writeln!(out, "# LOOK AT THIS: {doubt}.")?;
        }
        writeln!(out, "decimal = {}", quoted(&self.marks.marks.decimal.to_string()))?;
        if let Some(mark) = self.marks.marks.thousands {
            writeln!(out, "thousands = {}", quoted(&mark.to_string()))?;
        }
        let comment = if self.header_line == 0 { "    # none: columns are named by number" } else { "" };
        writeln!(out, "header_line = {}{comment}", self.header_line)?;
        writeln!(out, "first_line = {}", self.first_line)?;
        if !self.no_values.is_empty() {
            writeln!(out, "no_value = [{}]", list(self.no_values.iter().map(String::as_str)))?;
        }
        self.write_time(out)?;
        let machines = self.write_machine(out)?;
        match &self.long {
            Some(long) => self.write_tags(long, out)?,
            None => self.write_values(out)?,
        }
        writeln!(out, "\n# What `genims seed plant --from` makes, as far as it is not there.\n[plant]")?;
        writeln!(out, "factory = \"FAC-CSV\"\nline = \"LINE-CSV\"")?;
        writeln!(out, "machines = [{}]", list(machines.iter().map(String::as_str)))
    }
}

impl Proposal<'_> {
    fn write_time(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.time.columns.iter().map(|at| self.columns[*at].name.as_str()).collect();
        writeln!(out, "\n[timestamp]")?;
        match names.as_slice() {
            [one] => writeln!(out, "column = {}", quoted(one))?,
            several => writeln!(out, "column = [{}]", list(several.iter().copied()))?,
        }
        for other in &self.time.also {
            writeln!(out, "# All times fit {} as well.", quoted(other))?;
        }
        let format = &self.time.format.name;
        writeln!(out, "format = {}", quoted(format))?;
        if format.contains('%') && !format.contains('z') {
            writeln!(out, "zone = \"UTC\"    # of the logger's clock, like Europe/Berlin: the file does not say")?;
        }
        Ok(())
    }

    /// The ids of the machines.
    fn write_machine(&self, out: &mut std::fmt::Formatter<'_>) -> Result<Vec<String>, std::fmt::Error> {
        writeln!(out, "\n[machine]")?;
        let stem = self.stem();
        let Some((column, ids)) = self.machines() else {
            writeln!(out, "id = {}    # after the file's name: all records are of one machine", quoted(&stem))?;
            return Ok(vec![stem]);
        };
        writeln!(out, "column = {}", quoted(&column.name))?;
        if ids.keys().all(|cell| cell.bytes().all(|byte| byte.is_ascii_digit())) {
            let prefix: String = stem.chars().take(MACHINE_CHARS_MAX - 8).collect();
            writeln!(out, "id = {}", quoted(&format!("{prefix}-{{value}}")))?;
            return Ok(ids.keys().map(|cell| format!("{prefix}-{cell}")).collect());
        }
        writeln!(out, "id = \"{{value}}\"")?;
        let other: Vec<(&&str, &String)> = ids.iter().filter(|(cell, id)| *cell != id).collect();
        if !other.is_empty() {
            writeln!(out, "[machine.ids]")?;
        }
        for (cell, id) in other {
            writeln!(out, "{} = {}", quoted(cell), quoted(id))?;
        }
        Ok(ids.into_values().collect())
    }

    fn write_values(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "\n# Column = code of the sensor on its machine.\n[values]")?;
        let values = || self.columns.iter().filter(|column| column.role == Role::Value);
        for column in values() {
            writeln!(out, "{} = {}", quoted(&column.name), quoted(&column.code))?;
        }
        let is_alone = values().count() == 1;
        for column in &self.columns {
            let Role::LeftOut(why) = &column.role else { continue };
            writeln!(out, "# {} is left out: {}", quoted(&column.name), why)?;
            if is_alone && why.starts_with(columns::NO_NUMBERS) && long::may_be_tags(&column.name) {
                writeln!(out, "# LOOK AT THIS: if it says whose value a row has, name it as tag of a table [long].")?;
            }
        }
        if values().any(|column| column.unit.is_some()) {
            writeln!(out, "\n[units]")?;
        }
        for (code, unit) in values().filter_map(|column| Some((&column.code, column.unit.as_ref()?))) {
            writeln!(out, "{} = {}", quoted(code), quoted(unit))?;
        }
        Ok(())
    }
}

impl Proposal<'_> {
    fn write_tags(&self, long: &Long, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let column = |at: usize| quoted(&self.columns[at].name);
        writeln!(out, "\n# Each row has one value; a column says whose it is.\n[long]")?;
        writeln!(out, "tag = {}\nvalue = {}", column(long.tag), column(long.value))?;
        for column in &self.columns {
            if let Role::LeftOut(why) = &column.role {
                writeln!(out, "# {} is left out: {why}", quoted(&column.name))?;
            }
        }
        let (measured, others): (Vec<_>, Vec<_>) = long.tags.iter().partition(|(_, tag)| tag.is_measured());
        for (name, tag) in &others {
            let why = if tag.text.is_empty() { "empty".to_owned() } else { format!("no numbers, like {:?}", tag.text) };
            writeln!(out, "# {} is left out: {why}", quoted(name))?;
        }
        if !others.is_empty() {
            writeln!(out, "ignore = [{}]", list(others.iter().map(|(name, _)| name.as_str())))?;
        }
        writeln!(out, "\n# Cell of that column = code of the sensor on its machine.\n[values]")?;
        let mut taken = BTreeSet::new();
        let code = |name: &str| match clean(name, CODE_CHARS_MAX) {
            code if code.is_empty() => "TAG".to_owned(),
            code => code,
        };
        let coded: Vec<(&String, String, &Option<String>)> =
            measured.iter().map(|(name, tag)| (*name, unique(code(name), &mut taken), &tag.unit)).collect();
        for (name, code, _) in &coded {
            writeln!(out, "{} = {}", quoted(name), quoted(code))?;
        }
        if coded.iter().any(|(.., unit)| unit.is_some()) {
            writeln!(out, "\n[units]")?;
        }
        for (code, unit) in coded.iter().filter_map(|(_, code, unit)| Some((code, unit.as_deref()?))) {
            writeln!(out, "{} = {}", quoted(code), quoted(unit_of(unit).unwrap_or(unit)))?;
        }
        Ok(())
    }
}

/// The role of a column where one column has all values.
fn role_beside(long: &Long, at: usize, (records, time, machine): (&[Row], &Found, Option<usize>)) -> Role {
    match at {
        at if time.columns.contains(&at) => Role::Time,
        at if machine == Some(at) => columns::machine_role(records, at),
        at if at == long.value => Role::Value,
        at if at == long.tag => Role::LeftOut("it says whose the value is".to_owned()),
        at if long.unit == Some(at) => Role::LeftOut("it has the units".to_owned()),
        _ => Role::LeftOut("it is beside the value".to_owned()),
    }
}

/// The one with which most rows have the same width, and most cells are numbers or times.
fn delimiter(text: &str) -> char {
    let score = |delimiter: char| {
        let rows: Vec<Row> = text::rows(text, delimiter).take(SAMPLE).flatten().filter(|row| !is_empty(row)).collect();
        let width = usual_width(&rows);
        if width < 2 {
            return 0.0;
        }
        let usual = rows.iter().filter(|row| row.cells.len() == width).count() as f64 / rows.len() as f64;
        let cells: Vec<&str> = rows.iter().flat_map(|row| row.cells.iter()).filter(|cell| !cell.is_empty()).collect();
        let read = |cell: &str| {
            ['.', ','].into_iter().any(|decimal| Marks { decimal, thousands: None }.number(cell).is_some())
                || times::is_time(cell)
        };
        let typed = cells.iter().filter(|cell| read(cell)).count() as f64 / cells.len().max(1) as f64;
        usual * (0.1 + typed)
    };
    let scores = DELIMITERS.map(|delimiter| (score(delimiter), delimiter));
    scores
        .into_iter()
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map_or(',', |(_, delimiter)| delimiter)
}

/// The width of most rows, the larger one of two that are as frequent.
fn usual_width(rows: &[Row]) -> usize {
    let mut widths = BTreeMap::new();
    rows.iter().for_each(|row| *widths.entry(row.cells.len()).or_insert(0) += 1);
    widths.into_iter().max_by_key(|(width, count)| (*count, *width)).map_or(0, |(width, _)| width)
}

/// Names by which columns are found, codes and units.
fn named(titles: &[String], units: &[String], roles: Vec<Role>) -> Vec<Column> {
    let mut taken = BTreeSet::new();
    let columns = titles.iter().zip(units).zip(roles).enumerate();
    columns
        .map(|(at, ((title, unit), role))| {
            let is_unique = !title.is_empty() && titles.iter().filter(|other| *other == title).count() == 1;
            let name = if is_unique { title.clone() } else { format!("#{}", at + 1) };
            let (bare, own) = split_unit(title);
            let bare = clean(bare, CODE_CHARS_MAX);
            let bare = if bare.is_empty() { format!("V{}", at + 1) } else { bare };
            let below = unit_of(unit).unwrap_or(unit);
            let unit = own.map(str::to_owned).or_else(|| (!below.is_empty()).then(|| below.to_owned()));
            let code = if role == Role::Value { unique(bare, &mut taken) } else { bare };
            Column { name, role, code, unit }
        })
        .collect()
}

/// `Temp [°C]`, `Temp (°C)`, `Temp in °C`, `Temp / °C`: name and unit.
fn split_unit(title: &str) -> (&str, Option<&str>) {
    if let Some(unit) = unit_of(title) {
        let at = title.rfind(['[', '(']).unwrap_or(title.len());
        return (title[..at].trim(), Some(unit));
    }
    for mark in [" in ", " / "] {
        if let Some((name, unit)) = title.rsplit_once(mark)
            && unit.chars().count() <= 8
        {
            return (name.trim(), Some(unit.trim()));
        }
    }
    (title, None)
}

/// Letters, digits, `-`, `_` and `.`: what topics, payloads and ids take without ado.
fn clean(text: &str, chars_max: usize) -> String {
    let mut plain = String::new();
    for c in text.trim().chars() {
        match c {
            'ä' => plain.push_str("ae"),
            'ö' => plain.push_str("oe"),
            'ü' => plain.push_str("ue"),
            'Ä' => plain.push_str("Ae"),
            'Ö' => plain.push_str("Oe"),
            'Ü' => plain.push_str("Ue"),
            'ß' => plain.push_str("ss"),
            c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') => plain.push(c),
            _ if plain.ends_with('_') => {}
            _ => plain.push('_'),
        }
    }
    plain.trim_matches('_').chars().take(chars_max).collect()
}

fn unique(name: String, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2_u32..).map(|number| format!("{name}_{number}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name));
    let free = free.unwrap_or(name);
    taken.insert(free.clone());
    free
}

fn is_empty(row: &Row) -> bool {
    row.cells.iter().all(str::is_empty)
}

fn cell(row: &Row, at: usize) -> &str {
    row.cells.get(at).unwrap_or_default()
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.map(quoted).collect::<Vec<_>>().join(", ")
}

/// A basic string of TOML, on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(quoted, "\\u{:04X}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
