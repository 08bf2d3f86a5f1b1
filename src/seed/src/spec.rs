//! What `config/seed` says: `<database>/*.toml` how many rows each table has and what its columns mean, `columns.toml` what
//! a column means wherever its name says so, `shapes.toml` what must be true of the whole, `words*.toml` lists of words.

use super::language::{Node, parse};
use super::words::Words;
use genims_databases::Kind;
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
#[serde(untagged)]
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
            match specs.add(&path, &text).map_err(|cause| format!("config/seed/{}: {cause}", path.display())) {
                Err(cause) if draft => eprintln!("left out: {cause}"),
                other => other?,
            }
        }
        Ok(specs)
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<(), String> {
        let (stem, folder) = (path.file_stem().unwrap_or_default(), path.parent().unwrap_or(Path::new("")));
        if let Some(database) = folder.file_name() {
            let tables = self.tables.entry(database.to_string_lossy().into_owned()).or_default();
            for (table, spec) in parse_tables(text)? {
                if tables.contains_key(&table) {
                    return Err(format!("{table} is there twice"));
                }
                tables.insert(table, spec);
            }
        } else if stem == "columns" {
            self.rules = rules(text)?;
        } else if stem == "shapes" {
            self.shapes = shapes(text)?;
        } else {
            self.words.extend(Words::parse(text)?)?;
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

pub(crate) fn parse_tables(text: &str) -> Result<Vec<(String, TableSpec)>, String> {
    let files: BTreeMap<String, TableFile> = toml::from_str(text).map_err(|error| error.to_string())?;
    files
        .into_iter()
        .map(|(name, file)| {
            let spec = table(file).map_err(|cause| format!("[{name}] {cause}"))?;
            Ok((name, spec))
        })
        .collect()
}

fn table(file: TableFile) -> Result<TableSpec, String> {
    let source = match (file.rows, file.each, file.csv) {
        (Some(rows), None, None) => {
            let node = match &rows {
                Rows::Computed(text) => Some(parse(text).map_err(|cause| format!("rows: {cause}"))?),
                _ => None,
            };
            Source::Rows(rows, node)
        }
        (None, Some(table), None) => {
            let per = match file.per {
                Some(value) => expression(&value).map_err(|cause| format!("per: {cause}"))?,
                None => Node::Literal(super::value::Value::Integer(1)),
            };
            Source::Each { table, per }
        }
        (None, None, Some(csv)) => read_csv(&csv)?,
        _ => return Err("say either rows, or each (and per), or csv".to_owned()),
    };
    if let Some(both) = file.free.iter().find(|name| file.columns.contains_key(*name)) {
        return Err(format!("{both}: it is free, and an expression says what it follows: keep one of them"));
    }
    let mut columns = BTreeMap::new();
    for (name, value) in file.columns {
        let node = expression(&value).map_err(|cause| format!("{name}: {cause}"))?;
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

fn shapes(text: &str) -> Result<Vec<Shape>, String> {
    let file: ShapesFile = toml::from_str(text).map_err(|error| error.to_string())?;
    let shape = |ShapeFile { says, table, holds }: ShapeFile| match parse(&holds) {
        Ok(holds) => Ok(Shape { says, table, holds }),
        Err(cause) => Err(format!("{says}: {cause}")),
    };
    file.shape.into_iter().map(shape).collect()
}

fn rules(text: &str) -> Result<Vec<Rule>, String> {
    let file: RulesFile = toml::from_str(text).map_err(|error| error.to_string())?;
    file.rule
        .into_iter()
        .map(|rule| {
            let named = |cause: String| format!("{}: {cause}", rule.column);
            let kind = match rule.kind.as_deref() {
                None => None,
                Some("text") => Some(Kind::Text(None)),
                Some("integer") => Some(Kind::Integer),
                Some("decimal") => Some(Kind::Decimal(0)),
                Some("boolean") => Some(Kind::Boolean),
                Some("date") => Some(Kind::Date),
                Some("time") => Some(Kind::Time),
                Some("timestamp") => Some(Kind::Timestamp),
                Some("json") => Some(Kind::Json),
                Some(other) => return Err(named(format!("kind {other:?} is not known"))),
            };
            let name = Regex::new(&format!("^(?:{})$", rule.column)).map_err(|error| named(error.to_string()))?;
            let value = expression(&rule.value).map_err(named)?;
            Ok(Rule { name, kind, value })
        })
        .collect()
}
