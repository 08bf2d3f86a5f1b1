//! Which tables hold rows that age, and by what: config/retention, embedded, checked against the schema.
//!
//! Enters: the files and the registry. Leaves: a [`RetentionRule`] for each such table. Invariants: every table and column exists, the
//! column is a time, a part refers to what it is a part of; how long is said by the registry unless a file has another span; an
//! archive is a collection of minutes, and what is archived there are readings.

use super::archive::PRODUCTION;
use super::minutes::{COLUMNS, FIELDS};
use crate::errors::PlatformError;
use chrono::{Days, NaiveDate};
use genims_databases::{Database, Engine, Kind, Model, Registry, Table, schema};
use include_dir::{Dir, include_dir};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../config/retention");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tables: BTreeMap<String, Said>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Time(String),
    More(More),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct More {
    time: Option<String>,
    #[serde(default, with = "humantime_serde")]
    keep: Option<Duration>,
    of: Option<String>,
    archive: Option<String>,
}

/// By what the rows of a table go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A date or timestamp.
    Time(String),
    /// A month as text.
    Month(String),
    /// Part of a document: its column, the document's table and the column of that.
    Parent { column: String, table: String, key: String },
}

#[derive(Clone, Debug)]
pub(super) struct RetentionRule {
    pub(super) table: Table,
    pub(super) by: By,
    /// Whole days.
    pub(super) keep_days: u64,
    /// The collection in which its rows are condensed before they go.
    pub(super) archive: Option<String>,
}

impl RetentionRule {
    /// The first day that is kept.
    pub(super) fn before(&self, as_of: NaiveDate) -> NaiveDate {
        as_of.checked_sub_days(Days::new(self.keep_days)).unwrap_or(NaiveDate::MIN)
    }

    /// What decides, for people.
    pub(super) fn decides(&self) -> String {
        match &self.by {
            By::Time(column) | By::Month(column) => column.clone(),
            By::Parent { table, .. } => format!("part of {table}"),
        }
    }
}

/// The rules of one database in the order of their names; empty for one whose rows are kept for good.
pub(super) fn of(registry: &Registry, database: &Database, model: &Model) -> Result<Vec<RetentionRule>, PlatformError> {
    let name = format!("{}.toml", database.name);
    match FILES.get_file(&name).and_then(include_dir::File::contents_utf8) {
        Some(text) => parse(&name, text, registry, database, model),
        None => Ok(Vec::new()),
    }
}

/// Files of databases that are not in the registry say nothing to anybody.
pub(super) fn check_names(registry: &Registry) -> Result<(), PlatformError> {
    let names = FILES.files().filter_map(|file| file.path().file_name()?.to_str()?.strip_suffix(".toml"));
    for name in names {
        registry.get(name)?;
    }
    Ok(())
}

fn parse(
    file: &str,
    text: &str,
    registry: &Registry,
    database: &Database,
    model: &Model,
) -> Result<Vec<RetentionRule>, PlatformError> {
    let production = registry.get(PRODUCTION)?;
    let wrong = |cause: String| PlatformError::Retention { file: file.to_owned(), cause };
    let read: File = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let mut rules = Vec::new();
    for (name, said) in &read.tables {
        let said = match said {
            Said::Time(time) => &More { time: Some(time.clone()), ..More::default() },
            Said::More(more) => more,
        };
        let table = model.table(name).ok_or_else(|| {
            wrong(format!("{} has no table {name}{}", database.name, near(name, model.tables.iter().map(|t| &t.name))))
        })?;
        if table.key.is_empty() {
            return Err(wrong(format!("{name} has no primary key, by which its rows could be named")));
        }
        let (by, keep) = match (&said.time, &said.of) {
            (Some(time), None) => (timed(table, time).map_err(wrong)?, said.keep.or(database.retention)),
            (None, Some(of)) if said.keep.is_none() && read.tables.contains_key(of) => {
                (part(database, model, table, of).map_err(wrong)?, Some(Duration::ZERO))
            }
            (None, Some(of)) if said.keep.is_none() => {
                return Err(wrong(format!("{name} is said to be part of {of}, which is not in this file")));
            }
            _ => return Err(wrong(format!("{name} takes `time` (and `keep`, `archive`), or `of` alone"))),
        };
        let keep = keep.ok_or_else(|| wrong(format!("{name}: neither the registry nor `keep` says how long")))?;
        if let Some(collection) = &said.archive {
            archived(production, table, &by, collection).map_err(wrong)?;
        }
        let (table, keep_days, archive) = (table.clone(), keep.as_secs().div_ceil(86_400), said.archive.clone());
        rules.push(RetentionRule { table, by, keep_days, archive });
    }
    acyclic(&rules).map_err(wrong)?;
    Ok(rules)
}

/// Parts of parts end at a document that has a time.
fn acyclic(rules: &[RetentionRule]) -> Result<(), String> {
    for rule in rules {
        let mut at = rule;
        for _ in 0..=rules.len() {
            let By::Parent { table, .. } = &at.by else { break };
            let Some(parent) = rules.iter().find(|rule| rule.table.name == *table) else { break };
            at = parent;
        }
        if matches!(at.by, By::Parent { .. }) {
            return Err(format!("{} is in the end a part of itself", rule.table.name));
        }
    }
    Ok(())
}

fn timed(table: &Table, time: &str) -> Result<By, String> {
    let column = table.column(time).ok_or_else(|| {
        format!("{} has no column {time}{}", table.name, near(time, table.columns.iter().map(|column| &column.name)))
    })?;
    match column.kind {
        Kind::Date | Kind::Timestamp => Ok(By::Time(time.to_owned())),
        Kind::Text(Some(7)) => Ok(By::Month(time.to_owned())),
        _ => Err(format!("{}.{time} is {}, no date, timestamp or month", table.name, column.declared)),
    }
}

/// That rows of the table can be condensed, and that the collection is one of minutes.
fn archived(production: &Database, table: &Table, by: &By, collection: &str) -> Result<(), String> {
    if !matches!(by, By::Time(_)) {
        return Err(format!("{}: only what goes by a time is archived", table.name));
    }
    if let Some(column) = COLUMNS.iter().find(|column| table.column(column).is_none()) {
        return Err(format!("{} has no column {column}: only readings of sensors are archived", table.name));
    }
    let files = schema::files(production);
    let names: Vec<String> = files.iter().map(|file| file.name.trim_end_matches(".json").to_owned()).collect();
    let Some(at) = names.iter().position(|name| name == collection) else {
        return Err(format!("{PRODUCTION} has no collection {collection}{}", near(collection, names.iter())));
    };
    let form: serde_json::Value = serde_json::from_str(files[at].text).map_err(|error| error.to_string())?;
    let fields = &form["fields"]["properties"];
    let lacks = FIELDS.iter().find(|field| !fields[**field].is_object());
    match (form["timeseries"].is_object(), lacks) {
        (false, _) => Err(format!("{collection} is no time series, and only one takes an archive")),
        (true, Some(field)) => Err(format!("{collection} has no field {field}: its documents are no minutes")),
        (true, None) => Ok(()),
    }
}

fn part(database: &Database, model: &Model, table: &Table, of: &str) -> Result<By, String> {
    let prefix = format!("{}.{of}.", database.name);
    let refers = |target: &String| target.strip_prefix(&prefix).map(str::to_owned);
    let found = table.columns.iter().find_map(|column| {
        let key = column.references.iter().find_map(refers)?;
        Some(By::Parent { column: column.name.clone(), table: of.to_owned(), key })
    });
    found.ok_or_else(|| match model.table(of) {
        Some(_) => format!("no column of {} refers to {of}", table.name),
        None => format!("{} has no table {of}", database.name),
    })
}

/// `; did you mean work_orders?`, when one is near.
fn near<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let alike = known.map(|known| (strsim::jaro_winkler(name, known), known));
    let nearest = alike.max_by(|(one, _), (other, _)| one.total_cmp(other)).filter(|(alike, _)| *alike > 0.8);
    nearest.map_or_else(String::new, |(_, nearest)| format!("; did you mean {nearest}?"))
}

/// A column of a table that refers to another table's.
#[derive(Clone, Debug)]
pub(super) struct Referrer {
    pub(super) database: String,
    pub(super) table: String,
    pub(super) column: String,
    /// The column that is referred to.
    pub(super) target: String,
}

/// Who refers to a table, in all databases.
pub(super) fn referrers(models: &[(Engine, Model)], database: &str, table: &str) -> Vec<Referrer> {
    let prefix = format!("{database}.{table}.");
    let mut found = Vec::new();
    for (_, model) in models {
        for referring in &model.tables {
            for column in &referring.columns {
                for target in column.references.iter().filter_map(|target| target.strip_prefix(&prefix)) {
                    found.push(Referrer {
                        database: model.database.clone(),
                        table: referring.name.clone(),
                        column: column.name.clone(),
                        target: target.to_owned(),
                    });
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(name: &str, text: &str) -> Result<Vec<RetentionRule>, String> {
        let registry = Registry::load(None).expect("the embedded registry");
        let database = registry.get(name).expect("in the registry");
        let model = Model::of(database).expect("a readable schema");
        parse("t.toml", text, &registry, database, &model).map_err(|error| error.to_string())
    }

    #[test]
    fn every_shipped_file_fits_the_schema_and_every_relational_database_that_ages_has_one() {
        let registry = Registry::load(None).expect("the embedded registry");
        check_names(&registry).expect("names of the registry");
        for database in registry.all().iter().filter(|database| database.engine != Engine::Mongodb) {
            let model = Model::of(database).expect("a readable schema");
            let rules = of(&registry, database, &model).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(rules.is_empty(), database.retention.is_none(), "{}", database.name);
        }
    }

    #[test]
    fn what_the_schema_does_not_have_is_refused_with_the_nearest_name() {
        let table = rules("operations", "[tables]\nmachine_fault = \"fault_end_time\"").expect_err("no such table");
        assert!(table.contains("did you mean machine_faults?"), "{table}");
        let column = rules("operations", "[tables]\nmachine_faults = \"fault_ends_time\"").expect_err("no such column");
        assert!(column.contains("did you mean fault_end_time?"), "{column}");
        let kind = rules("operations", "[tables]\nmachine_faults = \"fault_code\"").expect_err("no time");
        assert!(kind.contains("no date"), "{kind}");
        let key = rules("operations", "[tables]\nmachine_faults = { tmie = \"fault_end_time\" }");
        assert!(key.is_err());
    }

    #[test]
    fn a_part_needs_its_document_and_a_reference_to_it() {
        let text = "[tables]\nwork_orders = \"closed_at\"\nwork_order_operations = { of = \"work_orders\" }";
        let rules = |text| self::rules("manufacturing", text);
        let parts = rules(text).expect("a document and its parts");
        assert!(matches!(&parts[0].by, By::Parent { table, .. } if table == "work_orders"), "{:?}", parts[0].by);
        assert!(rules("[tables]\nwork_order_operations = { of = \"work_orders\" }").is_err(), "no document");
        let no_reference = "[tables]\nwork_orders = \"closed_at\"\nproduction_schedule = \"schedule_date\"\n\
                            work_order_operations = { of = \"production_schedule\" }";
        assert!(rules(no_reference).is_err_and(|error| error.contains("refers to")));
        let both = "[tables]\nwork_orders = { time = \"closed_at\", of = \"work_orders\" }";
        assert!(rules(both).is_err());
    }

    #[test]
    fn only_readings_are_archived_and_only_in_a_collection_of_minutes() {
        let said = |table: &str, collection: &str| {
            let text = format!("[tables]\n{table} = {{ time = \"timestamp\", archive = \"{collection}\" }}");
            rules("operations", &text)
        };
        let taken = said("sensor_data", "sensor_readings_archive").expect("an archive");
        assert_eq!(taken[0].archive.as_deref(), Some("sensor_readings_archive"));
        for (table, collection, why) in [
            ("sensor_data", "sensor_reading_archive", "did you mean sensor_readings_archive?"),
            ("sensor_data", "sensor_readings", "no field value_min"),
            ("sensor_data", "notifications", "no time series"),
            ("scada_machine_data", "sensor_readings_archive", "no column sensor_id"),
        ] {
            let error = said(table, collection).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
        let part = "[tables]\nwork_orders = \"closed_at\"\n\
                    work_order_operations = { of = \"work_orders\", archive = \"sensor_readings_archive\" }";
        let error = rules("manufacturing", part).expect_err("a part has no time of its own");
        assert!(error.contains("goes by a time"), "{error}");
    }

    #[test]
    fn the_first_day_kept_is_counted_back_from_the_day_asked_for() {
        let rules = rules("operations", "[tables]\nsensor_data = { time = \"timestamp\", keep = \"2 days\" }");
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        assert_eq!(rules.expect("a rule")[0].before(day("2024-03-01")), day("2024-02-28"));
    }
}
