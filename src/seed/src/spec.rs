//! What `config/seed` says: `<database>/*.toml` how many rows each table has and what its columns mean, `columns.toml` what
//! a column means wherever its name says so, `shapes.toml` what must be true of the whole, `words*.toml` lists of words.

use super::language::{Node, parse};
use super::words::Words;
use genims_databases::Kind;
use genims_databases::complaint::{self, Complaint, Fault, Faults, Step};
use include_dir::{Dir, include_dir};
use regex::Regex;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../config/seed");

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    Small,
    Medium,
    Full,
}

/// How many rows a table has.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "must be a whole number, an expression in quotes, or { small = 10, medium = 100, full = 1000 }"
)]
pub(crate) enum Rows {
    Fixed(usize),
    /// An expression.
    Computed(String),
    Scaled {
        small: usize,
        medium: usize,
        full: usize,
    },
}

/// One table of a seed file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    rows: Option<Rows>,
    each: Option<String>,
    per: Option<toml::Value>,
    csv: Option<String>,
    #[serde(default)]
    inherit: bool,
    #[serde(default)]
    references: BTreeMap<String, String>,
    #[serde(default)]
    free: BTreeSet<String>,
    #[serde(default)]
    columns: BTreeMap<String, toml::Value>,
}

/// Where the rows of a table come from.
#[derive(Debug)]
pub(crate) enum Source {
    Rows(Rows, Option<Node>),
    /// So many rows for each row of another table; `per` is read in that table's scope.
    Each {
        table: String,
        per: Node,
    },
    /// Written down: header and lines; an empty field is null.
    Csv {
        header: Vec<String>,
        lines: Vec<Vec<String>>,
    },
}

#[derive(Debug)]
pub(crate) struct TableSpec {
    pub source: Source,
    pub columns: BTreeMap<String, Node>,
    /// Columns of which nothing is said are those of the same name of the parent, if it has them.
    pub inherit: bool,
    /// References that the schema cannot declare (documents): column to `module.table.column`.
    pub references: BTreeMap<String, String>,
    /// References of which every row is as good as another: drawn at random.
    pub free: BTreeSet<String>,
}

/// `columns.toml`: what a column means by its name.
#[derive(Debug)]
pub(crate) struct Rule {
    name: Regex,
    kind: Option<Kind>,
    pub value: Node,
}

impl Rule {
    pub(crate) fn matches(&self, column: &str, kind: Kind) -> bool {
        let same = |wanted: Kind| std::mem::discriminant(&wanted) == std::mem::discriminant(&kind);
        self.name.is_match(column) && self.kind.is_none_or(same)
    }
}

/// `shapes.toml`: what must be true of the rows of all tables together.
#[derive(Debug)]
pub(crate) struct Shape {
    pub says: String,
    /// In whose scope `holds` is read.
    pub table: String,
    pub holds: Node,
}

#[derive(Debug, Default)]
pub(crate) struct Specs {
    /// By database, then table.
    pub tables: BTreeMap<String, BTreeMap<String, TableSpec>>,
    pub rules: Vec<Rule>,
    pub shapes: Vec<Shape>,
    pub words: Words,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShapesFile {
    shape: Vec<ShapeFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShapeFile {
    says: String,
    table: String,
    holds: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    rule: Vec<RuleFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    column: String,
    kind: Option<String>,
    value: toml::Value,
}

impl Specs {
    /// The embedded files, or those of a folder like `config/seed`.
    pub(crate) fn load(folder: Option<&Path>, draft: bool) -> Result<Self, String> {
        let mut specs = Self::default();
        for (path, text) in sources(folder)? {
            let place = folder.unwrap_or(Path::new("config/seed")).join(&path).display().to_string();
            match specs.add(&place, &path, &text).map_err(|complaints| complaint::listed(&complaints)) {
                Err(cause) if draft => eprintln!("left out: {cause}"),
                other => other?,
            }
        }
        Ok(specs)
    }

    fn add(&mut self, place: &str, path: &Path, text: &str) -> Result<(), Vec<Complaint>> {
        let (stem, folder) = (path.file_stem().unwrap_or_default(), path.parent().unwrap_or(Path::new("")));
        if let Some(database) = folder.file_name() {
            let tables = self.tables.entry(database.to_string_lossy().into_owned()).or_default();
            for (table, spec) in parse_tables(place, text)? {
                if tables.contains_key(&table) {
                    let problem = "the table is in another file, too; keep one of them";
                    return Err(vec![Fault::new([Step::from(table.as_str())], problem).told(place, text)]);
                }
                tables.insert(table, spec);
            }
        } else if stem == "columns" {
            self.rules = rules(place, text)?;
        } else if stem == "shapes" {
            self.shapes = shapes(place, text)?;
        } else {
            self.words.extend(Words::parse(place, text)?, place, text)?;
        }
        Ok(())
    }
}

/// Every TOML file below the folder with its path in it, in the order of the paths.
fn sources(folder: Option<&Path>) -> Result<Vec<(PathBuf, String)>, String> {
    let mut files = Vec::new();
    match folder {
        None => {
            let folders = std::iter::once(&FILES).chain(FILES.dirs());
            for file in folders.flat_map(|folder| folder.files()) {
                files.push((file.path().to_owned(), file.contents_utf8().unwrap_or_default().to_owned()));
            }
        }
        Some(root) => read_folder(root, root, &mut files).map_err(|error| format!("{}: {error}", root.display()))?,
    }
    files.retain(|(path, _)| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    Ok(files)
}

fn read_folder(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, String)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_folder(root, &path, files)?;
        } else if let (Ok(inside), Ok(text)) = (path.strip_prefix(root), std::fs::read_to_string(&path)) {
            files.push((inside.to_owned(), text));
        }
    }
    Ok(())
}

fn parse_tables(place: &str, text: &str) -> Result<Vec<(String, TableSpec)>, Vec<Complaint>> {
    let files: BTreeMap<String, TableFile> = complaint::parse(place, text)?;
    let (mut tables, mut faults) = (Vec::new(), Faults::default());
    for (name, file) in files {
        let spec = table(file).map_err(|fault| fault.below(&[Step::from(name.as_str())]));
        tables.extend(faults.take(spec).map(|spec| (name, spec)));
    }
    faults.or(tables, place, text)
}

/// A fault's path is that in the table.
fn table(file: TableFile) -> Result<TableSpec, Fault> {
    let of = |key: &'static str| move |cause: String| Fault::new([Step::from(key)], cause);
    let source = match (file.rows, file.each, file.csv) {
        (Some(rows), None, None) => {
            let node = match &rows {
                Rows::Computed(text) => Some(parse(text).map_err(of("rows"))?),
                _ => None,
            };
            Source::Rows(rows, node)
        }
        (None, Some(table), None) => {
            let per = match file.per {
                Some(value) => expression(&value).map_err(of("per"))?,
                None => Node::Literal(super::value::Value::Integer(1)),
            };
            Source::Each { table, per }
        }
        (None, None, Some(csv)) => read_csv(&csv).map_err(of("csv"))?,
        _ => return Err(Fault::new([], "say either rows, or each (and per), or csv")),
    };
    let column = |name: &str| [Step::from("columns"), Step::from(name)];
    if let Some(both) = file.free.iter().find(|name| file.columns.contains_key(*name)) {
        let problem = "it is free, and an expression says what it follows: keep one of them";
        return Err(Fault::new(column(both), problem));
    }
    let mut columns = BTreeMap::new();
    for (name, value) in file.columns {
        let node = expression(&value).map_err(|cause| Fault::new(column(&name), cause))?;
        columns.insert(name, node);
    }
    Ok(TableSpec { source, columns, inherit: file.inherit, references: file.references, free: file.free })
}

/// A text is an expression, a number or boolean itself.
fn expression(value: &toml::Value) -> Result<Node, String> {
    match value {
        toml::Value::String(text) => parse(text),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => parse(&value.to_string()),
        other => Err(format!("{other} is no expression")),
    }
}

fn read_csv(text: &str) -> Result<Source, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.trim().as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.iter().map(str::to_owned).collect();
    let mut lines = Vec::new();
    for record in reader.records() {
        lines.push(record.map_err(|error| error.to_string())?.iter().map(str::to_owned).collect());
    }
    Ok(Source::Csv { header, lines })
}

/// The place of an item's key in a list of tables.
fn item(list: &str, index: usize, key: &str) -> [Step; 3] {
    [Step::from(list), Step::from(index), Step::from(key)]
}

fn shapes(place: &str, text: &str) -> Result<Vec<Shape>, Vec<Complaint>> {
    let file: ShapesFile = complaint::parse(place, text)?;
    let (mut shapes, mut faults) = (Vec::new(), Faults::default());
    for (index, ShapeFile { says, table, holds }) in file.shape.into_iter().enumerate() {
        let holds = parse(&holds).map_err(|cause| Fault::new(item("shape", index, "holds"), cause));
        shapes.extend(faults.take(holds).map(|holds| Shape { says, table, holds }));
    }
    faults.or(shapes, place, text)
}

/// What `kind` of a rule may say.
const KINDS: [(&str, Kind); 8] = [
    ("text", Kind::Text(None)),
    ("integer", Kind::Integer),
    ("decimal", Kind::Decimal(0)),
    ("boolean", Kind::Boolean),
    ("date", Kind::Date),
    ("time", Kind::Time),
    ("timestamp", Kind::Timestamp),
    ("json", Kind::Json),
];

fn rules(place: &str, text: &str) -> Result<Vec<Rule>, Vec<Complaint>> {
    let file: RulesFile = complaint::parse(place, text)?;
    let (mut rules, mut faults) = (Vec::new(), Faults::default());
    for (index, written) in file.rule.into_iter().enumerate() {
        rules.extend(faults.take(rule(index, &written)));
    }
    faults.or(rules, place, text)
}

fn rule(index: usize, written: &RuleFile) -> Result<Rule, Fault> {
    let at = |key: &str| item("rule", index, key);
    let kind = match written.kind.as_deref() {
        None => None,
        Some(word) => {
            let known = KINDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind);
            let words: Vec<&str> = KINDS.iter().map(|(known, _)| *known).collect();
            Some(known.ok_or_else(|| Fault::unknown(at("kind"), "not a kind of column", word, &words))?)
        }
    };
    let name = Regex::new(&format!("^(?:{})$", written.column)).map_err(|error| {
        let told = error.to_string();
        Fault::new(at("column"), format!("no regular expression: {}", told.lines().last().unwrap_or_default().trim()))
    })?;
    let value = expression(&written.value).map_err(|cause| Fault::new(at("value"), cause))?;
    Ok(Rule { name, kind, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, text: &str) -> String {
        let added = Specs::default().add(&format!("specs/{path}"), Path::new(path), text);
        complaint::listed(&added.expect_err(text))
    }

    #[test]
    fn a_fault_is_told_once_with_its_line_key_value_and_the_nearest_that_is_known() {
        for (path, text, expected) in [
            (
                "db/a.toml",
                "[t]\nrowz = 3\n",
                "specs/db/a.toml:2: t.rowz = 3: unknown key; did you mean rows? Allowed here: rows, each,",
            ),
            (
                "db/a.toml",
                "[t]\nrows = true\n",
                "specs/db/a.toml:2: t.rows = true: must be a whole number, an expression in quotes, or {",
            ),
            ("db/a.toml", "[t]\nrows = 3\n[t.columns]\na = \"1 +\"\n", "specs/db/a.toml:4: t.columns.a = \"1 +\": "),
            ("db/a.toml", "[t]\nrows = 3\ncolumns = 4\n", "specs/db/a.toml:3: t.columns = 4: must be a table"),
            ("db/a.toml", "[t]\n", "specs/db/a.toml:1: t: say either rows, or each (and per), or csv"),
            ("db/a.toml", "[t]\nrows = 3\nrows = 4\n", "specs/db/a.toml:3: is no TOML: "),
            (
                "columns.toml",
                "[[rule]]\ncolumn = 'a'\nkind = 'integr'\nvalue = 1\n",
                "specs/columns.toml:3: rule[0].kind = 'integr': not a kind of column; did you mean integer?",
            ),
            (
                "columns.toml",
                "[[rule]]\ncolumn = '('\nvalue = 1\n",
                "specs/columns.toml:2: rule[0].column = '(': no regular expression: ",
            ),
            (
                "shapes.toml",
                "[[shape]]\nsays = 's'\ntable = 't'\n",
                "specs/shapes.toml:1: shape[0].holds: is missing; add it",
            ),
            ("words.toml", "a = 'b'\n", "specs/words.toml:1: a = 'b': must be a list, in square brackets"),
            ("words.toml", "a = []\n", "specs/words.toml:1: a: the list is empty"),
        ] {
            let told = told(path, text);
            assert!(told.starts_with(expected), "{told} is not {expected}");
        }
        let both = told("db/a.toml", "[t]\nrowz = 3\n[u]\nrows = 2\nspec = 1\n");
        assert!(
            both.starts_with("2 faults:\n  specs/db/a.toml:2: ") && both.contains("\n  specs/db/a.toml:5: u.spec"),
            "{both}"
        );
    }
}
