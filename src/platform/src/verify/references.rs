//! Every reference: a value names a row of its target, or of one of its targets.
//!
//! A reference inside its database is checked there, all those of a table in one query. One that leaves it is checked here:
//! the keys of the target are streamed once into a set, then the distinct values of every column that refers to it are
//! streamed past it, so memory holds the keys of a few targets and never the referring rows.

use super::keys::KeySet;
use super::report::{Finding, Problem, REFERENCES};
use super::source::Sources;
use crate::link::{Fields, field, number};
use genims_databases::quoted;
use genims_databases::{Engine, Kind, Model};
use genims_model::counted;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) database: String,
    pub(super) table: String,
    pub(super) column: String,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(str::to_owned);
        let place = Self { database: parts.next()?, table: parts.next()?, column: parts.next()? };
        parts.next().is_none().then_some(place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.database, self.table, self.column)
    }
}

/// A column that refers.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) from: Place,
    engine: Engine,
    /// The column holds a list of keys.
    list: bool,
    /// Its type is not that of its targets.
    mixed: bool,
    pub(super) targets: Vec<Place>,
}

impl Reference {
    fn is_inside(&self) -> bool {
        self.targets.iter().all(|target| target.database == self.from.database)
    }

    fn finding(&self) -> Finding {
        let targets: Vec<String> = self.targets.iter().map(ToString::to_string).collect();
        let others: BTreeSet<&str> = self.targets.iter().map(|target| target.database.as_str()).collect();
        let mut databases = vec![self.from.database.as_str()];
        databases.extend(others.into_iter().filter(|name| *name != self.from.database));
        let says = format!("A value is in {}", targets.join(" or "));
        Finding::new(format!("{} refers", self.from), REFERENCES, &databases, says)
    }

    /// Values that are not null with the number of their rows: `k`, `n`.
    fn values(&self) -> String {
        let quote = |name: &str| quoted(self.engine, name);
        let (table, column) = (quote(&self.from.table), quote(&self.from.column));
        if self.list {
            return format!("SELECT k, count(*) AS n FROM (SELECT unnest({column}) AS k FROM {table}) AS u GROUP BY k");
        }
        format!("SELECT {column} AS k, count(*) AS n FROM {table} WHERE {column} IS NOT NULL GROUP BY {column}")
    }
}

fn as_text(engine: Engine, expression: &str) -> String {
    match engine {
        Engine::Mysql => format!("CAST({expression} AS CHAR)"),
        _ => format!("{expression}::text"),
    }
}

/// References of the tables of `database` (of all without one). What they name has been checked with the schema.
pub(super) fn of(models: &[(Engine, Model)], database: Option<&str>) -> Vec<Reference> {
    let kind = |place: &Place| {
        let (_, model) = models.iter().find(|(_, model)| model.database == place.database)?;
        Some(model.table(&place.table)?.column(&place.column)?.kind)
    };
    let mut references = Vec::new();
    for (engine, model) in models.iter().filter(|(_, model)| database.is_none_or(|name| name == model.database)) {
        for table in &model.tables {
            for column in table.columns.iter().filter(|column| !column.references.is_empty()) {
                let targets: Vec<Place> = column.references.iter().filter_map(|text| Place::parse(text)).collect();
                let list = column.kind == Kind::TextArray;
                let text = |kind: Kind| matches!(kind, Kind::Text(_) | Kind::TextArray);
                let same =
                    |target| kind(target).is_some_and(|other| other == column.kind || text(other) && text(column.kind));
                references.push(Reference {
                    from: Place {
                        database: model.database.clone(),
                        table: table.name.clone(),
                        column: column.name.clone(),
                    },
                    engine: *engine,
                    list,
                    mixed: !targets.iter().all(same),
                    targets,
                });
            }
        }
    }
    references
}

/// Work that is done in one go.
pub(super) enum Batch {
    /// Of one table, all of them inside its database.
    Inside(Vec<Reference>),
    /// To the same targets.
    Across(Vec<Reference>),
}

pub(super) fn batches(references: Vec<Reference>) -> Vec<Batch> {
    let mut inside: BTreeMap<(String, String), Vec<Reference>> = BTreeMap::new();
    let mut across: BTreeMap<Vec<Place>, Vec<Reference>> = BTreeMap::new();
    for reference in references {
        if reference.is_inside() {
            let table = (reference.from.database.clone(), reference.from.table.clone());
            inside.entry(table).or_default().push(reference);
        } else {
            across.entry(reference.targets.clone()).or_default().push(reference);
        }
    }
    inside.into_values().map(Batch::Inside).chain(across.into_values().map(Batch::Across)).collect()
}

impl Batch {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Inside(references) => {
                references.first().map(|one| format!("references of {}.{}", one.from.database, one.from.table))
            }
            Self::Across(references) => {
                references.first().and_then(|one| one.targets.first()).map(|target| format!("references to {target}"))
            }
        }
        .unwrap_or_default()
    }

    /// The databases that it reads.
    pub(super) fn databases(&self) -> impl Iterator<Item = &str> {
        let (Self::Inside(references) | Self::Across(references)) = self;
        let targets = references.iter().flat_map(|one| &one.targets);
        references.iter().map(|one| &one.from).chain(targets).map(|place| place.database.as_str())
    }

    pub(super) async fn check(&self, sources: &Sources) -> Vec<Finding> {
        match self {
            Self::Inside(references) => check_inside(sources, references).await,
            Self::Across(references) => check_across(sources, references).await,
        }
    }
}

/// Adds one distinct value without a target.
fn orphan(finding: &mut Finding, key: &str, rows: u64) {
    finding.violation(key, format!("names no row, in {}", counted(rows, "row")));
    // Rows are counted, not distinct values.
    finding.violations += rows.saturating_sub(1);
}

async fn check_inside(sources: &Sources, references: &[Reference]) -> Vec<Finding> {
    let started = Instant::now();
    let mut findings: Vec<Finding> = references.iter().map(Reference::finding).collect();
    if let Err(problem) = look_inside(sources, references, &mut findings).await {
        findings.iter_mut().for_each(|finding| finding.unfinished(&problem));
    }
    let share = started.elapsed().as_secs_f64() / findings.len().max(1) as f64;
    findings.iter_mut().for_each(|finding| finding.seconds = share);
    findings
}

async fn look_inside(sources: &Sources, references: &[Reference], findings: &mut [Finding]) -> Result<(), Problem> {
    let Some(first) = references.first() else { return Ok(()) };
    let (engine, database) = (first.engine, first.from.database.as_str());
    let columns: Vec<String> =
        references.iter().map(|one| format!("count({})", quoted(engine, &one.from.column))).collect();
    let count = format!("SELECT {} FROM {}", columns.join(", "), quoted(engine, &first.from.table));
    let each = &mut |row: Fields<'_>| {
        for (index, finding) in findings.iter_mut().enumerate() {
            finding.looked_at = number(&row, index);
        }
    };
    sources.rows(database, &count, each).await?;
    let orphans: Vec<String> = references.iter().enumerate().map(|(index, one)| orphans(index, one)).collect();
    let each = &mut |row: Fields<'_>| {
        if let Some(finding) = findings.get_mut(number(&row, 0) as usize) {
            orphan(finding, field(&row, 1), number(&row, 2));
        }
    };
    sources.rows(database, &orphans.join(" UNION ALL "), each).await
}

/// The values of one reference that no target has.
fn orphans(index: usize, reference: &Reference) -> String {
    let engine = reference.engine;
    let missing = reference.targets.iter().map(|target| {
        let column = format!("target.{}", quoted(engine, &target.column));
        let equal = if reference.mixed {
            format!("{} = {}", as_text(engine, &column), as_text(engine, "found.k"))
        } else {
            format!("{column} = found.k")
        };
        format!("NOT EXISTS (SELECT 1 FROM {} AS target WHERE {equal})", quoted(engine, &target.table))
    });
    let missing: Vec<String> = missing.collect();
    let key = as_text(engine, "found.k");
    format!("SELECT {index}, {key}, found.n FROM ({}) AS found WHERE {}", reference.values(), missing.join(" AND "))
}

async fn check_across(sources: &Sources, references: &[Reference]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = references.iter().map(Reference::finding).collect();
    let Some(first) = references.first() else { return findings };
    let mut keys = KeySet::default();
    for target in &first.targets {
        if let Err(problem) = load(sources, target, &mut keys).await {
            findings.iter_mut().for_each(|finding| finding.unfinished(&problem));
            return findings;
        }
    }
    for (table, finding) in references.iter().zip(&mut findings) {
        let started = Instant::now();
        let database = table.from.database.as_str();
        let key = as_text(table.engine, "found.k");
        let query = format!("SELECT {key}, found.n FROM ({}) AS found", table.values());
        let each = &mut |row: Fields<'_>| {
            let (key, rows) = (field(&row, 0), number(&row, 1));
            finding.looked_at += rows;
            if !keys.contains(key) {
                orphan(finding, key, rows);
            }
        };
        let looked = sources.rows(database, &query, each).await;
        if let Err(problem) = looked {
            finding.unfinished(&problem);
        }
        finding.seconds = started.elapsed().as_secs_f64();
    }
    findings
}

async fn load(sources: &Sources, target: &Place, keys: &mut KeySet) -> Result<(), Problem> {
    let engine = sources.get(&target.database)?.engine;
    let (table, column) = (quoted(engine, &target.table), quoted(engine, &target.column));
    let query = format!("SELECT DISTINCT {} FROM {table} WHERE {column} IS NOT NULL", as_text(engine, &column));
    sources.rows(&target.database, &query, &mut |row| keys.insert(field(&row, 0))).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_databases::Registry;

    fn models() -> Vec<(Engine, Model)> {
        let registry = Registry::load(None).expect("the embedded registry");
        let of = |database| Model::of(database).expect("a schema");
        registry.all().iter().map(|database| (database.engine, of(database))).collect()
    }

    #[test]
    fn every_reference_of_the_contract_is_in_exactly_one_batch() {
        let references = of(&models(), None);
        assert!(references.len() > 626, "{}", references.len());
        let crossing = references.iter().filter(|one| !one.is_inside()).count();
        assert!(crossing > 100 && crossing < references.len());
        let all: BTreeSet<Place> = references.iter().map(|one| one.from.clone()).collect();
        assert_eq!(all.len(), references.len(), "a column is there once");
        let expected = references.len();
        let mut batched = 0;
        for batch in batches(references) {
            assert!(!batch.name().is_empty());
            match batch {
                Batch::Inside(list) => {
                    assert!(list.iter().all(|one| one.is_inside() && one.from.table == list[0].from.table));
                    batched += list.len();
                }
                Batch::Across(list) => {
                    assert!(list.iter().all(|one| one.targets == list[0].targets));
                    batched += list.len();
                }
            }
        }
        assert_eq!(batched, expected);
    }

    #[test]
    fn every_target_is_understood() {
        for (_, model) in models() {
            for text in model.tables.iter().flat_map(|table| &table.columns).flat_map(|column| &column.references) {
                assert!(Place::parse(text).is_some(), "{text}");
            }
        }
    }

    #[test]
    fn rows_and_not_values_are_counted() {
        let mut finding = Finding::new("r", REFERENCES, &["d"], "");
        orphan(&mut finding, "X-1", 3);
        orphan(&mut finding, "X-2", 1);
        assert_eq!((finding.violations, finding.examples.len()), (4, 2));
    }
}
