//! Everything that is seeded, computed on demand: a table's rows and columns are made when first asked for, and kept. A
//! column is a pure function of the seed, so a module can be seeded alone and still refer to the others.
//!
//! Enters: [`Specs`], the schema models, rows that others supply (the plant, the history). Leaves: columns of [`Value`]s,
//! already cast to their column's type. Errors name table, column and row.

pub(super) mod cast;
mod check;
mod evaluate;
mod forget;
mod free;
mod gather;
mod window;

use super::functions::{Context, Random, site_seed};
use super::history::HistoryParameters;
use super::language::Node;
use super::spec::{Rows, Scale, Source, Specs, TableSpec};
use super::value::Value;
use foldhash::{HashMap, HashMapExt};
use gather::Groups;
use genims_databases::{Column, Kind, Model, Registry, Table};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What the whole seed depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Parameters {
    pub seed: u64,
    pub scale: Scale,
    /// The day on which the history ends, days since 1970-01-01.
    pub today: i32,
    /// Days of sensor and SCADA history.
    pub sensor_days: u32,
}

impl Parameters {
    /// The first day on which a history may end: the company that it tells of is older than that, and so is everything that
    /// `config/seed` gives a date of its own.
    pub const FIRST_DAY: chrono::NaiveDate = chrono::NaiveDate::from_ymd_opt(2024, 1, 1).expect("a date");

    pub fn new(seed: u64, scale: Scale, day: chrono::NaiveDate, sensor_days: u32) -> Self {
        Self { seed, scale, today: super::value::days(day), sensor_days }
    }

    /// On which the history ends.
    pub fn day(self) -> chrono::NaiveDate {
        super::value::date(self.today)
    }

    /// What the operations history depends on.
    pub(crate) fn history(self) -> HistoryParameters {
        let mut history = HistoryParameters::new(self.scale, self.seed, self.today);
        history.days = self.sensor_days;
        history.plant.seed = self.seed;
        history
    }
}

pub(crate) type Values = Rc<Vec<Value>>;

/// Rows made elsewhere: the plant, the operations history.
#[derive(Debug, Default)]
pub(crate) struct Supplied {
    pub rows: usize,
    pub columns: HashMap<String, Vec<Value>>,
}

/// A table's rows and where each comes from.
#[derive(Clone)]
struct Extent {
    rows: usize,
    /// The row of the parent, and the number among its children.
    parents: Option<Rc<(Vec<u32>, Vec<u32>)>>,
}

struct Entry {
    /// `database.table`
    name: String,
    database: String,
    model: Option<Table>,
    spec: Option<TableSpec>,
    extent: RefCell<Option<Extent>>,
    columns: RefCell<HashMap<String, Values>>,
    /// Where a key's row is.
    indexes: RefCell<HashMap<String, Rc<HashMap<Value, u32>>>>,
    groups: RefCell<HashMap<String, Rc<Groups>>>,
}

impl Entry {
    /// A step on the way to others, not written itself.
    fn is_step(&self) -> bool {
        self.name.rsplit('.').next().is_some_and(|table| table.starts_with('_'))
    }
}

/// Which table; only a [`World`] gives them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableId(usize);

pub use check::Broken;

pub(crate) struct World {
    parameters: Parameters,
    specs_rules: Vec<super::spec::Rule>,
    words: super::words::Words,
    entries: Vec<Entry>,
    /// By `database.table` and by `module.table`.
    names: HashMap<String, TableId>,
    /// Tables that nothing is said about yet are taken for 20 rows.
    draft: bool,
    /// What is being computed, to tell a circle.
    path: RefCell<Vec<String>>,
}

impl World {
    pub(crate) fn new(
        registry: &Registry,
        specs: Specs,
        mut supplied: BTreeMap<String, Supplied>,
        parameters: Parameters,
        draft: bool,
    ) -> Result<Self, String> {
        let Specs { mut tables, rules, words, .. } = specs;
        let mut world = Self {
            parameters,
            specs_rules: rules,
            words,
            entries: Vec::new(),
            names: HashMap::new(),
            draft,
            path: RefCell::default(),
        };
        for database in registry.all() {
            let mut specs = tables.remove(&database.name).unwrap_or_default();
            for table in Model::of(database)?.tables {
                let spec = specs.remove(&table.name);
                world.add(&database.name, &database.module, table.name.clone(), Some(table), spec);
            }
            let documents = database.engine == genims_databases::Engine::Mongodb;
            for (name, spec) in specs {
                // A name with _ in front is a step on the way: computed when asked for, not written.
                if !documents && !name.starts_with('_') {
                    return Err(format!("config/seed/{}: there is no table {name}", database.name));
                }
                world.add(&database.name, &database.module, name, None, Some(spec));
            }
        }
        if !draft {
            free::check(&world)?;
        }
        for entry in &world.entries {
            let Some(supplied) = supplied.remove(&entry.name) else { continue };
            *entry.extent.borrow_mut() = Some(Extent { rows: supplied.rows, parents: None });
            let columns = supplied.columns.into_iter().map(|(name, values)| (name, Rc::new(values)));
            *entry.columns.borrow_mut() = columns.collect();
        }
        Ok(world)
    }

    fn add(&mut self, database: &str, module: &str, table: String, model: Option<Table>, spec: Option<TableSpec>) {
        let (id, name) = (TableId(self.entries.len()), format!("{database}.{table}"));
        self.names.insert(format!("{module}.{table}"), id);
        self.names.insert(name.clone(), id);
        self.entries.push(Entry {
            name,
            database: database.to_owned(),
            model,
            spec,
            extent: RefCell::default(),
            columns: RefCell::default(),
            indexes: RefCell::default(),
            groups: RefCell::default(),
        });
    }

    fn entry(&self, table: TableId) -> &Entry {
        &self.entries[table.0]
    }

    pub(crate) fn name(&self, table: TableId) -> &str {
        &self.entry(table).name
    }

    /// The tables of one database that anything is said about, in the order of the schema.
    pub(crate) fn tables_of(&self, database: &str) -> Vec<TableId> {
        let of =
            |entry: &Entry| entry.database == database && (entry.spec.is_some() || entry.extent.borrow().is_some());
        (0..self.entries.len()).filter(|at| of(&self.entries[*at])).map(TableId).collect()
    }

    /// Tables of the schema that nothing is said about.
    pub(crate) fn unspecified(&self, database: &str) -> Vec<&str> {
        let of = |entry: &&Entry| entry.database == database && entry.spec.is_none() && entry.extent.borrow().is_none();
        self.entries.iter().filter(of).map(|entry| entry.name.as_str()).collect()
    }

    /// `table` in the database of `near`, or `module.table`, or `database.table`.
    fn find(&self, near: TableId, name: &str) -> Result<TableId, String> {
        let local = format!("{}.{name}", self.entry(near).database);
        let found = self.names.get(&local).or_else(|| self.names.get(name));
        found.copied().ok_or_else(|| format!("there is no table {name}"))
    }

    /// Without its database.
    pub(crate) fn short_name(&self, table: TableId) -> &str {
        self.name(table).rsplit('.').next().unwrap_or_default()
    }

    /// Whether it is to be written: `config/seed` says something about it (else its rows are supplied and loaded by others),
    /// and it is no step on the way.
    pub(crate) fn is_written(&self, table: TableId) -> bool {
        self.entry(table).spec.is_some() && !self.entry(table).is_step()
    }

    pub(crate) fn rows(&self, table: TableId) -> Result<usize, String> {
        Ok(self.extent(table)?.rows)
    }

    fn extent(&self, table: TableId) -> Result<Extent, String> {
        let entry = self.entry(table);
        if let Some(extent) = entry.extent.borrow().as_ref() {
            return Ok(extent.clone());
        }
        let Some(spec) = entry.spec.as_ref() else {
            return if self.draft {
                Ok(Extent { rows: 20, parents: None })
            } else {
                Err(format!("{}: config/seed says nothing about it", entry.name))
            };
        };
        let extent = self.within(format!("{} rows", entry.name), || match &spec.source {
            Source::Csv { lines, .. } => Ok(Extent { rows: lines.len(), parents: None }),
            Source::Rows(rows, node) => self.count(table, rows, node.as_ref()),
            Source::Each { table: parent, per } => self.children(table, parent, per),
        })?;
        *entry.extent.borrow_mut() = Some(extent.clone());
        Ok(extent)
    }

    fn count(&self, table: TableId, rows: &Rows, node: Option<&Node>) -> Result<Extent, String> {
        let rows = match rows {
            Rows::Fixed(rows) => *rows,
            Rows::Scaled { small, medium, full } => match self.parameters.scale {
                Scale::Small => *small,
                Scale::Medium => *medium,
                Scale::Full => *full,
            },
            Rows::Computed(_) => {
                let node = node.ok_or("rows: no expression")?;
                let value = self.evaluate(&evaluate::Scope { table, rows: 1, column: "rows" }, node)?;
                value.get(0).integer().and_then(|rows| usize::try_from(rows).ok()).ok_or("rows: no number")?
            }
        };
        Ok(Extent { rows, parents: None })
    }

    fn children(&self, table: TableId, parent: &str, per: &Node) -> Result<Extent, String> {
        let parent = self.find(table, parent)?;
        let rows = self.rows(parent)?;
        // Named after the child, so that two tables of children of one parent draw different numbers.
        let column = format!("{}#per", self.name(table));
        let counts = self.evaluate(&evaluate::Scope { table: parent, rows, column: &column }, per)?;
        let (mut parents, mut numbers) = (Vec::new(), Vec::new());
        for row in 0..rows {
            let count = match counts.get(row) {
                Value::Boolean(some) => u32::from(*some),
                value => value.integer().unwrap_or(0).clamp(0, i64::from(u32::MAX)) as u32,
            };
            for number in 0..count {
                parents.push(row as u32);
                numbers.push(number);
            }
        }
        Ok(Extent { rows: parents.len(), parents: Some(Rc::new((parents, numbers))) })
    }

    fn parent_of(&self, table: TableId) -> Result<TableId, String> {
        match self.entry(table).spec.as_ref().map(|spec| &spec.source) {
            Some(Source::Each { table: parent, .. }) => self.find(table, parent),
            _ => Err("parent: only a table made with `each` has one".to_owned()),
        }
    }

    /// Runs `make` with `what` on the path of things being computed.
    fn within<T>(&self, what: String, make: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        if let Some(at) = self.path.borrow().iter().position(|above| *above == what) {
            return Err(format!("a circle: {} -> {what}", self.path.borrow()[at..].join(" -> ")));
        }
        self.path.borrow_mut().push(what);
        let made = make();
        let what = self.path.borrow_mut().pop().unwrap_or_default();
        made.map_err(|cause| if cause.contains("\n  in ") { cause } else { format!("{cause}\n  in {what}") })
    }

    /// One column, cast to its type.
    pub(crate) fn column(&self, table: TableId, name: &str) -> Result<Values, String> {
        let entry = self.entry(table);
        if let Some(values) = entry.columns.borrow().get(name) {
            return Ok(Rc::clone(values));
        }
        let rows = self.rows(table)?;
        let declared = entry.model.as_ref().and_then(|model| model.column(name));
        let made = self.within(format!("{}.{name}", entry.name), || {
            let values = self.make(table, rows, name, declared)?;
            match declared {
                Some(column) => {
                    cast::column(&values, rows, column, entry.model.as_ref().is_some_and(|model| model.key == [name]))
                }
                None => Ok(values.into_vec(rows)),
            }
        })?;
        let values = Rc::new(made);
        entry.columns.borrow_mut().insert(name.to_owned(), Rc::clone(&values));
        Ok(values)
    }

    /// What is said of the column in its table, else what its name says, else what the schema says.
    fn make(
        &self,
        table: TableId,
        rows: usize,
        name: &str,
        declared: Option<&Column>,
    ) -> Result<evaluate::Made, String> {
        let entry = self.entry(table);
        let scope = evaluate::Scope { table, rows, column: name };
        let Some(spec) = entry.spec.as_ref() else {
            return Ok((0..rows).map(|row| cast::draft(name, row, declared)).collect::<Vec<_>>().into());
        };
        if let Source::Csv { header, lines } = &spec.source
            && let Some(at) = header.iter().position(|column| column == name)
        {
            let kind = declared.map_or(Kind::Text(None), |column| column.kind);
            return lines
                .iter()
                .map(|line| cast::parse(&line[at], kind))
                .collect::<Result<Vec<_>, _>>()
                .map(evaluate::Made::from);
        }
        if let Some(node) = spec.columns.get(name) {
            return self.evaluate(&scope, node);
        }
        let Some(declared) = declared else { return Err(format!("{} has no column {name}", entry.name)) };
        if spec.inherit && self.has_column(self.parent_of(table)?, name) {
            return self.path(table, &["parent".to_owned(), name.to_owned()]).map(evaluate::Made::Each);
        }
        if declared.generated {
            return Ok((1..=rows as i64).map(Value::Integer).collect::<Vec<_>>().into());
        }
        if let Some(rule) = self.specs_rules.iter().find(|rule| rule.matches(name, declared.kind)) {
            return self.evaluate(&scope, &rule.value);
        }
        if let (Some(target), true) = (declared.references.first(), self.draft || spec.free.contains(name)) {
            return self.any_of(table, rows, name, target);
        }
        match &declared.default {
            Some(text) => Ok(evaluate::Made::Same(cast::parse(text, declared.kind)?)),
            None => Ok(evaluate::Made::Same(Value::Null)),
        }
    }

    /// Whether a table that inherits has the column from its parent.
    fn inherits(&self, entry: &Entry, name: &str) -> bool {
        let table = self.names.get(&entry.name).copied();
        table.and_then(|table| self.parent_of(table).ok()).is_some_and(|parent| self.has_column(parent, name))
    }

    fn has_column(&self, table: TableId, name: &str) -> bool {
        let entry = self.entry(table);
        entry.model.as_ref().is_some_and(|model| model.column(name).is_some())
            || entry.spec.as_ref().is_some_and(|spec| spec.columns.contains_key(name))
    }

    /// A free reference: any row; in a draft to the own table: none.
    fn any_of(&self, table: TableId, rows: usize, name: &str, target: &str) -> Result<evaluate::Made, String> {
        let (target, column) = self.target(table, target)?;
        if target == table {
            return Ok(evaluate::Made::Same(Value::Null));
        }
        let keys = self.column(target, &column)?;
        if keys.is_empty() {
            return Ok(evaluate::Made::Same(Value::Null));
        }
        let site = site_seed(self.parameters.seed, &format!("{}.{name}", self.name(table)), 0);
        let pick = |row| keys[Random::new(site, row).below(keys.len())].clone();
        Ok((0..rows).map(pick).collect::<Vec<_>>().into())
    }

    /// `database.table.column`, `module.table.column`, `table.column`
    fn target(&self, near: TableId, target: &str) -> Result<(TableId, String), String> {
        let (table, column) = target.rsplit_once('.').ok_or_else(|| format!("{target} is no table.column"))?;
        Ok((self.find(near, table)?, column.to_owned()))
    }

    /// Where the values of a key column are; of equal ones the first.
    fn index(&self, table: TableId, column: &str) -> Result<Rc<HashMap<Value, u32>>, String> {
        if let Some(index) = self.entry(table).indexes.borrow().get(column) {
            return Ok(Rc::clone(index));
        }
        let values = self.column(table, column)?;
        let mut index = HashMap::with_capacity(values.len());
        for (row, value) in values.iter().enumerate().filter(|(_, value)| !value.is_null()) {
            index.entry(value.clone()).or_insert(row as u32);
        }
        let index = Rc::new(index);
        self.entry(table).indexes.borrow_mut().insert(column.to_owned(), Rc::clone(&index));
        Ok(index)
    }

    /// The columns to write, in the order of the schema; documents: as the file names them.
    pub(crate) fn columns_of(&self, table: TableId) -> Vec<String> {
        let entry = self.entry(table);
        match (&entry.model, &entry.spec) {
            (Some(model), _) => model.columns.iter().map(|column| column.name.clone()).collect(),
            (None, Some(spec)) => spec.columns.keys().filter(|name| !name.starts_with('_')).cloned().collect(),
            (None, None) => entry.columns.borrow().keys().cloned().collect(),
        }
    }

    pub(crate) fn model(&self, table: TableId) -> Option<&Table> {
        self.entry(table).model.as_ref()
    }

    fn context(&self, scope: &evaluate::Scope<'_>, extent: Option<&Extent>, site: u64, row: usize) -> Context<'_> {
        let in_parent =
            extent.and_then(|extent| extent.parents.as_ref()).map_or(row, |parents| parents.1[row] as usize);
        Context {
            random: Random::new(site, row),
            row,
            in_parent,
            rows: scope.rows,
            today: self.parameters.today,
            sensor_days: self.parameters.sensor_days,
            words: &self.words,
        }
    }
}
