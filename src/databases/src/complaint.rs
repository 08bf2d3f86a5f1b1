//! What is wrong with a TOML file of ours, and where: file, line, key, value as it stands in the file, what is allowed, and the
//! nearest key or word that is known. Values from the environment are never shown.
//!
//! Enters: the text of a file, or a value of it with its path; leaves: what serde makes of it, or [`Complaint`]s, one for
//! each place. Configurations, rules of `genims verify` and the files of a seeding are all read by this.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use std::fmt::{self, Write};
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// Faults of one file that are told at once.
const FAULTS_MAX: usize = 32;

/// Of a longer value only the beginning is shown.
const SHOWN_CHARACTERS_MAX: usize = 120;

/// Words at least this alike are taken for a slip of the pen.
const ALIKE: f64 = 0.8;

/// One step from the file's top towards a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// One fault, whose place in the file is looked up when it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub path: Vec<Step>,
    /// What is wrong, with what is allowed.
    pub problem: String,
    allowed: Option<String>,
    nearest: Option<String>,
    /// The word at fault, where no value of the file shows it.
    word: Option<String>,
}

impl Fault {
    pub fn new(path: impl IntoIterator<Item = Step>, problem: impl Into<String>) -> Self {
        Self { path: path.into_iter().collect(), problem: problem.into(), allowed: None, nearest: None, word: None }
    }

    /// A value that is not what its key takes.
    pub fn must_be(path: impl IntoIterator<Item = Step>, allowed: impl Into<String>) -> Self {
        let allowed = allowed.into();
        Self { allowed: Some(allowed.clone()), ..Self::new(path, format!("must be {allowed}")) }
    }

    /// `word` is not among the known ones; `what` says what it was taken for.
    pub fn unknown(path: impl IntoIterator<Item = Step>, what: &str, word: &str, known: &[&str]) -> Self {
        let nearest = known
            .iter()
            .map(|known| (strsim::jaro_winkler(word, known), *known))
            .filter(|(alike, _)| *alike >= ALIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, nearest)| nearest.to_owned());
        let list = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
        let problem = match &nearest {
            Some(nearest) => format!("{what}; did you mean {nearest}? Allowed here: {list}"),
            None => format!("{what}; allowed here: {list}"),
        };
        Self { allowed: Some(list), nearest, ..Self::new(path, problem) }
    }

    /// Told with whose fault it is.
    pub fn of(mut self, whose: &str) -> Self {
        self.problem = format!("{whose}: {}", self.problem);
        self
    }

    /// The fault lies below `prefix`.
    pub fn below(mut self, prefix: &[Step]) -> Self {
        self.path.splice(0..0, prefix.iter().cloned());
        self
    }

    /// As it is told: with line (if the file says anything of it), key and value.
    pub fn told(self, file: &str, text: &str) -> Complaint {
        let found = locate(text, &self.path);
        let mut key = String::new();
        for step in &self.path {
            match step {
                Step::Key(name) if key.is_empty() => key.push_str(name),
                Step::Key(name) => key.extend([".", name]),
                Step::Index(index) => key.extend([format!("[{index}]")]),
            }
        }
        let is_secret = |value: &String| key.ends_with("password") || value.contains('@');
        let problem = match self.word {
            // What serde buffers is told by its table.
            Some(word) if found.value.is_none() => format!("`{word}` is {}", self.problem),
            _ => self.problem,
        };
        Complaint {
            file: Some(file.to_owned()),
            line: found.line,
            value: found.value.filter(|value| !is_secret(value)).map(beginning),
            key: Some(key).filter(|key| !key.is_empty()),
            problem,
            allowed: self.allowed,
            nearest: self.nearest,
        }
    }
}

fn beginning(value: String) -> String {
    match value.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value,
    }
}

/// All that is wrong, one fault for each place.
#[derive(Debug, Default)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        if self.0.iter().all(|earlier| earlier.path != fault.path) {
            self.0.push(fault);
        }
    }

    pub fn take<T>(&mut self, outcome: Result<T, Fault>) -> Option<T> {
        outcome.map_err(|fault| self.add(fault)).ok()
    }

    /// `what` was read; with any fault the answer is all of them, by their lines.
    pub fn or<T>(self, what: T, file: &str, text: &str) -> Result<T, Vec<Complaint>> {
        if self.0.is_empty() {
            return Ok(what);
        }
        let mut complaints: Vec<Complaint> = self.0.into_iter().map(|fault| fault.told(file, text)).collect();
        complaints.sort_by_key(|complaint| complaint.line.unwrap_or(usize::MAX));
        Err(complaints)
    }

    /// Whether anything is wrong at or below a place.
    pub fn any_below(&self, path: &[Step]) -> bool {
        self.0.iter().any(|fault| fault.path.starts_with(path))
    }
}

/// A fault as it is told, to people as text and to programs as data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Complaint {
    /// `None` for what stands in no file: a variable of the environment.
    pub file: Option<String>,
    pub line: Option<usize>,
    /// The key of the file, or the variable.
    pub key: Option<String>,
    /// As it stands in the file; secrets are left out.
    pub value: Option<String>,
    pub problem: String,
    pub allowed: Option<String>,
    pub nearest: Option<String>,
}

impl Complaint {
    /// What is no TOML at all.
    pub fn syntax(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map(|span| line_of(text, span.start));
        let problem = format!("is no TOML: {}; mend that line", error.message().trim().replace('\n', ", "));
        Self { file: Some(file.to_owned()), line, problem, ..Self::default() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(out, "{file}:{line}: ")?,
            (Some(file), None) => write!(out, "{file}: ")?,
            (None, _) => {}
        }
        match (&self.key, &self.value) {
            (Some(key), Some(value)) => write!(out, "{key} = {value}: ")?,
            (Some(key), None) => write!(out, "{key}: ")?,
            (None, _) => {}
        }
        out.write_str(&self.problem)
    }
}

/// One on the line, several on lines of their own.
pub fn listed(complaints: &[Complaint]) -> String {
    if let [one] = complaints {
        return one.to_string();
    }
    let mut text = format!("{} faults:", complaints.len());
    for complaint in complaints {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {complaint}");
    }
    text
}

/// Reads a whole file. A key at fault is told and left out, so that the others are looked at, too.
pub fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Vec<Complaint>> {
    let root = text.parse::<Table>().map_err(|error| vec![Complaint::syntax(file, text, &error)])?;
    let (mut root, mut faults) = (Value::from(root), Faults::default());
    loop {
        let fault = match read::<T>(&[], root.clone()) {
            Ok(found) => return faults.or(found, file, text),
            Err(fault) => fault,
        };
        let path = fault.path.clone();
        // What is missing because it was left out is no fault of the file.
        let is_follow_up = faults.any_below(&path);
        if !is_follow_up {
            faults.add(fault);
        }
        if is_follow_up || faults.0.len() >= FAULTS_MAX || !leave_out(&mut root, &path) {
            return faults.or((), file, text).map_or_else(Err, |()| Err(Vec::new()));
        }
    }
}

/// Whether there was a key at `path`, which is gone then. Items of lists stay, for the others' numbers.
fn leave_out(root: &mut Value, path: &[Step]) -> bool {
    let Some((Step::Key(last), before)) = path.split_last() else { return false };
    let found = before.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get_mut(key.as_str()),
        Step::Index(index) => value.get_mut(*index),
    });
    found.and_then(Value::as_table_mut).is_some_and(|table| table.remove(last).is_some())
}

/// Reads `value`, which stands at `path`.
pub fn read<T: DeserializeOwned>(path: &[Step], value: Value) -> Result<T, Fault> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut steps: Vec<Step> = error
            .path()
            .iter()
            .filter_map(|segment| match segment {
                Segment::Seq { index } => Some(Step::Index(*index)),
                Segment::Map { key } => Some(Step::Key(key.clone())),
                Segment::Enum { .. } | Segment::Unknown => None,
            })
            .collect();
        let message = error.inner().message().trim().to_owned();
        let mut quoted = message.split('`').skip(1).step_by(2);
        let fault = if message.starts_with("unknown field") {
            let key = quoted.next().unwrap_or_default();
            if steps.last() != Some(&Step::from(key)) {
                steps.push(Step::from(key));
            }
            Fault::unknown(steps, "unknown key", key, &quoted.collect::<Vec<_>>())
        } else if message.starts_with("unknown variant") {
            let word = quoted.next().unwrap_or_default();
            let fault = Fault::unknown(steps, "not a word known here", word, &quoted.collect::<Vec<_>>());
            Fault { word: Some(word.to_owned()), ..fault }
        } else if message.starts_with("missing field") {
            steps.push(Step::from(quoted.next().unwrap_or_default()));
            Fault::new(steps, "is missing; add it")
        } else if let Some(allowed) = message.strip_prefix("must be ") {
            Fault::must_be(steps, allowed)
        } else {
            match message.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected ")) {
                Some((_, wanted)) => Fault::must_be(steps, in_words(wanted)),
                None => Fault::new(steps, message),
            }
        };
        fault.below(path)
    })
}

/// serde's names of types in the words of the file.
fn in_words(wanted: &str) -> &str {
    match wanted {
        "a string" | "string" | "str" | "path string" => "a text, in quotes",
        "a boolean" | "bool" => "true or false",
        "a sequence" | "sequence" => "a list, in square brackets",
        "f64" | "f32" => "a number",
        "a map" | "map" => "a table",
        wanted if wanted.starts_with("struct ") => "a table",
        wanted if wanted.starts_with(['u', 'i']) && wanted[1..].parse::<u8>().is_ok() => "a whole number",
        "usize" | "isize" => "a whole number",
        "a duration" => "a duration like \"10s\", \"5m\" or \"90d\"",
        wanted => wanted,
    }
}

#[derive(Default)]
struct Located {
    line: Option<usize>,
    value: Option<String>,
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// How far the file itself goes along the path; the value only when it goes to the end and is no table.
fn locate(text: &str, path: &[Step]) -> Located {
    let Ok(root) = DeTable::parse(text) else { return Located::default() };
    let mut located = Located::default();
    let mut table = Some(root.get_ref());
    let mut here: Option<&DeValue<'_>> = None;
    for step in path {
        let next = match step {
            Step::Key(key) => table
                .and_then(|table| table.iter().find(|(name, _)| name.get_ref() == key.as_str()))
                .map(|(name, value)| (name.span().start, value)),
            Step::Index(index) => here
                .and_then(DeValue::as_array)
                .and_then(|items| items.get(*index))
                .map(|value| (value.span().start, value)),
        };
        let Some((at, value)) = next else {
            return Located { value: None, ..located };
        };
        let is_plain = !matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_));
        let shown = text.get(value.span()).filter(|shown| is_plain && !shown.contains('\n'));
        located = Located { line: Some(line_of(text, at)), value: shown.map(str::to_owned) };
        table = value.get_ref().as_table();
        here = Some(value.get_ref());
    }
    located
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        rule: Vec<Rule>,
        #[serde(default)]
        notes: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rule {
        name: String,
        rows: Option<u32>,
    }

    fn told(text: &str) -> Vec<String> {
        let found = parse::<File>("a.toml", text);
        found.expect_err(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_fault_of_a_file_is_told_once_with_its_place() {
        let file = parse::<File>("a.toml", "[[rule]]\nname = 'a'\nrows = 3\n").expect("a good file");
        assert_eq!((file.rule[0].name.as_str(), file.rule[0].rows, file.notes), ("a", Some(3), None));
        let two = "notes = 7\n[[rule]]\nname = 'a'\n\nrowz = 3\n[[rule]]\nname = 'b'\nrows = 'x'\n";
        assert_eq!(
            told(two),
            [
                "a.toml:1: notes = 7: must be a text, in quotes",
                "a.toml:5: rule[0].rowz = 3: unknown key; did you mean rows? Allowed here: name, rows",
                "a.toml:8: rule[1].rows = 'x': must be a whole number",
            ]
        );
        assert_eq!(told("[[rule]]\nrows = 1\n"), ["a.toml:1: rule[0].name: is missing; add it"]);
        assert_eq!(told("[[rule]]\nname = 1\n"), ["a.toml:2: rule[0].name = 1: must be a text, in quotes"]);
        assert_eq!(told("rule = 1\n"), ["a.toml:1: rule = 1: must be a list, in square brackets"]);
        let broken = told("[[rule]]\nname = 'a\n");
        assert!(broken.len() == 1 && broken[0].starts_with("a.toml:2: is no TOML: "), "{broken:?}");
    }

    #[test]
    fn long_values_are_cut_and_secrets_are_not_shown() {
        let long = told(&format!("[[rule]]\nname = 'a'\nrows = '{}'\n", "\u{e4}".repeat(500)));
        assert!(long[0].len() < 400 && long[0].contains("\u{e4}...: must be a whole number"), "{long:?}");
        assert_eq!(told("[[rule]]\nname = 'a'\nrows = 'u:p@h'\n"), ["a.toml:3: rule[0].rows: must be a whole number"]);
    }
}
