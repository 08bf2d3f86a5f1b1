//! What is wrong with a configuration, and where: file, line, key, value as it stands in the file, what is allowed, and the
//! nearest key or word that is known. Values from the environment are never shown.

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use std::fmt::Write;
use toml::Value;
use toml::de::{DeTable, DeValue};

/// Words at least this alike are taken for a slip of the pen.
const ALIKE: f64 = 0.8;

/// One step from the file's top towards a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) path: Vec<Step>,
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn new(path: impl IntoIterator<Item = Step>, detail: impl Into<String>) -> Self {
        Self { path: path.into_iter().collect(), detail: detail.into() }
    }

    /// The fault lies below `prefix`.
    pub(super) fn below(mut self, prefix: &[Step]) -> Self {
        self.path.splice(0..0, prefix.iter().cloned());
        self
    }

    /// Line (if the file says anything of it), key and value, what is wrong.
    pub(super) fn describe(&self, text: &str) -> (Option<usize>, String) {
        let found = locate(text, &self.path);
        let mut said = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if said.is_empty() => said.push_str(key),
                Step::Key(key) => said.extend([".", key]),
                Step::Index(index) => said.extend([format!("[{index}]")]),
            }
        }
        let is_secret = said.ends_with("password");
        if let Some(value) = found.value.filter(|_| !is_secret) {
            let _ = write!(said, " = {value}");
        }
        (found.line, if said.is_empty() { self.detail.clone() } else { format!("{said}: {}", self.detail) })
    }
}

/// Reads `value`, which stands at `path`.
pub(super) fn read<T: DeserializeOwned>(path: &[Step], value: Value) -> Result<T, Fault> {
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
        let detail = detail(error.inner().message(), &mut steps);
        Fault { path: steps, detail }.below(path)
    })
}

/// A key that is not among the known ones.
pub(super) fn unknown_key(path: Vec<Step>, key: &str, known: &[&str]) -> Fault {
    Fault { path, detail: format!("unknown key; {}", allowed(key, known)) }
}

/// serde's message in our words.
fn detail(message: &str, steps: &mut Vec<Step>) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let key = quoted.next().unwrap_or_default();
        if steps.last() != Some(&Step::from(key)) {
            steps.push(Step::from(key));
        }
        return format!("unknown key; {}", allowed(key, &quoted.collect::<Vec<_>>()));
    }
    if message.starts_with("unknown variant") {
        let word = quoted.next().unwrap_or_default();
        return format!("not a word known here; {}", allowed(word, &quoted.collect::<Vec<_>>()));
    }
    match message.trim() {
        message if message.ends_with("a duration") => format!("{message} like \"10s\", \"5m\" or \"90d\""),
        message => message.to_owned(),
    }
}

fn allowed(word: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|known| (strsim::jaro_winkler(word, known), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let list = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
    match nearest {
        Some((_, nearest)) => format!("did you mean {nearest}? Allowed here: {list}"),
        None => format!("allowed here: {list}"),
    }
}

#[derive(Default)]
struct Located {
    line: Option<usize>,
    value: Option<String>,
}

/// How far the file itself goes along the path; the value only when it goes to the end and is no table.
fn locate(text: &str, path: &[Step]) -> Located {
    let Ok(root) = DeTable::parse(text) else { return Located::default() };
    let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
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
        located = Located { line: Some(line(at)), value: shown.map(str::to_owned) };
        table = value.get_ref().as_table();
        here = Some(value.get_ref());
    }
    located
}
