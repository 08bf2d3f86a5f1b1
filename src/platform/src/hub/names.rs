//! Names that applications of the platform say and that no database has: config/hub/names.toml. Among them are MongoDB's collections: its data is in the hub through the copies that tables of other databases hold.
//!
//! Enters: the file, embedded. Leaves: views in the hub. Invariants: what a name stands for exists; a name hides no table that
//! its schema already has; who may read what it stands for may read the name.

use super::foreign::{literal, name, reader_of};
use super::source::remembered;
use super::{SchemaReport, SchemaStatus, told};
use crate::errors::PlatformError;
use genims_databases::{PostgresClient, PostgresSettings, Registry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tokio_postgres::Transaction;

const FILE: &str = "config/hub/names.toml (embedded)";
const EMBEDDED: &str = include_str!("../../../../config/hub/names.toml");

/// Views in here stand for collections of MongoDB.
const COLLECTIONS: &str = "genims_production";

/// Views in here need no schema in front of them.
pub(super) const UNQUALIFIED: &str = "names";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schemas: Vec<Schema>,
    views: Vec<View>,
    #[serde(default)]
    absent: Vec<Absent>,
}

/// Collections of MongoDB that no other database has a copy of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Absent {
    names: Vec<String>,
    why: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Schema {
    name: String,
    stands_for: String,
    why: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct View {
    schema: String,
    name: String,
    of: Option<String>,
    sql: Option<String>,
    module: Option<String>,
    why: String,
}

/// One name, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HubName {
    pub name: String,
    pub stands_for: String,
    pub why: String,
}

/// All names, checked against the registry.
#[derive(Clone, Debug)]
pub struct HubNames {
    schemas: Vec<(Schema, String)>,
    views: Vec<(View, String)>,
    absent: Vec<Absent>,
}

impl HubNames {
    pub fn load(registry: &Registry) -> Result<Self, PlatformError> {
        Self::parse(EMBEDDED, registry)
    }

    fn parse(text: &str, registry: &Registry) -> Result<Self, PlatformError> {
        let wrong = |cause: String| PlatformError::HubNames { file: FILE, cause };
        let file: File = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let module = |database: &str| {
            let entry = registry.get(database).map_err(|error| wrong(error.to_string()))?;
            Ok::<String, PlatformError>(entry.module.clone())
        };
        let schemas = file.schemas.into_iter().map(|schema| {
            let module = module(&schema.stands_for)?;
            Ok((schema, module))
        });
        let views = file.views.into_iter().map(|view| {
            let module = match (&view.of, &view.sql, &view.module) {
                (Some(of), None, None) => module(of.split('.').next().unwrap_or_default())?,
                (None, Some(_), Some(name)) => module(name)?,
                _ => return Err(wrong(format!("{}: give either `of`, or `sql` with `module`", view.name))),
            };
            Ok((view, module))
        });
        Ok(Self {
            schemas: schemas.collect::<Result<_, PlatformError>>()?,
            views: views.collect::<Result<_, _>>()?,
            absent: file.absent,
        })
    }

    /// Drops what stands on a database's tables; [`bring_in_step`] makes it again.
    pub(super) fn drop_of(&self, database: &str) -> Vec<String> {
        let schemas = self.schemas.iter().filter(|(schema, _)| schema.stands_for == database);
        let schemas = schemas.map(|(schema, _)| format!("DROP SCHEMA IF EXISTS {} CASCADE", name(&schema.name)));
        let asks = |view: &View| view.of.iter().chain(&view.sql).any(|text| text.contains(database));
        let views = self.views.iter().filter(|(view, _)| asks(view));
        let views = views.map(|(view, _)| format!("{}.{}", name(&view.schema), name(&view.name)));
        schemas.chain(views.map(|view| format!("DROP VIEW IF EXISTS {view}"))).collect()
    }

    /// What there is, in the order of the file.
    pub fn all(&self) -> Vec<HubName> {
        let schemas = self.schemas.iter().map(|(schema, _)| HubName {
            name: format!("{}.*", schema.name),
            stands_for: format!("{}.*", schema.stands_for),
            why: schema.why.clone(),
        });
        let views = self.views.iter().map(|(view, _)| HubName {
            name: if view.schema == UNQUALIFIED { view.name.clone() } else { format!("{}.{}", view.schema, view.name) },
            stands_for: view.of.clone().unwrap_or_else(|| view.sql.as_deref().map(tables_in).unwrap_or_default()),
            why: view.why.clone(),
        });
        let absent = self.absent.iter().flat_map(|absent| {
            absent.names.iter().map(|name| HubName {
                name: format!("{COLLECTIONS}.{name}"),
                stands_for: "not in the hub".to_owned(),
                why: absent.why.clone(),
            })
        });
        schemas.chain(views).chain(absent).collect()
    }
}

/// The tables that a query asks, in their order.
fn tables_in(sql: &str) -> String {
    let mut tables: Vec<&str> = Vec::new();
    for word in sql.split(|character: char| !character.is_ascii_alphanumeric() && !['_', '.'].contains(&character)) {
        if word.starts_with("genims_") && !tables.contains(&word) {
            tables.push(word);
        }
    }
    tables.join(", ")
}

/// Makes what is missing. A name whose source is in `missing` is left out and said.
pub(super) async fn bring_in_step(
    hub: &mut PostgresClient,
    settings: &PostgresSettings,
    names: &HubNames,
    missing: &[&str],
    check: bool,
) -> Vec<SchemaReport> {
    let mut reports = Vec::new();
    for (schema, module) in &names.schemas {
        let outcome = if missing.contains(&schema.stands_for.as_str()) {
            Err(PlatformError::HubSource { source_database: schema.stands_for.clone() })
        } else {
            whole_schema(hub, settings, schema, module, check).await
        };
        reports.push(told(&schema.name, outcome));
    }
    let mut by_schema: BTreeMap<&str, Vec<&(View, String)>> = BTreeMap::new();
    for view in &names.views {
        by_schema.entry(&view.0.schema).or_default().push(view);
    }
    for (schema, views) in by_schema {
        let outcome = single_views(hub, settings, &views, missing, check).await;
        reports.push(told(&format!("{schema} (other names)"), outcome));
    }
    reports
}

/// A schema with a view for each foreign table of another.
async fn whole_schema(
    hub: &mut PostgresClient,
    settings: &PostgresSettings,
    schema: &Schema,
    module: &str,
    check: bool,
) -> Result<(SchemaStatus, usize), PlatformError> {
    let failed = |error| PlatformError::from(settings.error(error));
    let wanted = remembered(hub, &schema.stands_for).await.map_err(failed)?.unwrap_or_default();
    // A source that was imported anew took the views with it, so what is counted decides beside what is remembered.
    let counted = "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind = 'f'), \
                   (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace($2) AND relkind = 'v')";
    let row = hub.query_one(counted, &[&schema.stands_for, &schema.name]).await.map_err(failed)?;
    let (tables, views): (i64, i64) = (row.get(0), row.get(1));
    let known = remembered(hub, &schema.name).await.map_err(failed)?;
    let same = tables == views && known.as_deref() == Some(wanted.as_str());
    let count = usize::try_from(tables).unwrap_or_default();
    if same || check {
        return Ok((if same { SchemaStatus::Same } else { SchemaStatus::Stale }, count));
    }
    let transaction = hub.transaction().await.map_err(failed)?;
    make_whole_schema(&transaction, schema, module, &wanted).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok((SchemaStatus::Imported, count))
}

async fn make_whole_schema(
    transaction: &Transaction<'_>,
    schema: &Schema,
    module: &str,
    wanted: &str,
) -> Result<(), tokio_postgres::Error> {
    let alias = name(&schema.name);
    transaction.batch_execute(&format!("DROP SCHEMA IF EXISTS {alias} CASCADE; CREATE SCHEMA {alias}")).await?;
    let query = "SELECT relname::text FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind = 'f'";
    for row in transaction.query(query, &[&schema.stands_for]).await? {
        let table = name(row.get(0));
        let view = format!("CREATE VIEW {alias}.{table} AS SELECT * FROM {}.{table}", name(&schema.stands_for));
        transaction.batch_execute(&view).await?;
    }
    let reader = reader_of(module);
    transaction
        .batch_execute(&format!(
            "COMMENT ON SCHEMA {alias} IS {}; GRANT USAGE ON SCHEMA {alias} TO {reader}; \
             GRANT SELECT ON ALL TABLES IN SCHEMA {alias} TO {reader}",
            literal(wanted)
        ))
        .await
}

/// The views of one schema. Each remembers its definition, because the server's own rendering of it reads differently.
async fn single_views(
    hub: &mut PostgresClient,
    settings: &PostgresSettings,
    views: &[&(View, String)],
    missing: &[&str],
    check: bool,
) -> Result<(SchemaStatus, usize), PlatformError> {
    let failed = |error| PlatformError::from(settings.error(error));
    let mut status = SchemaStatus::Same;
    let mut waits: Vec<&str> = Vec::new();
    for (view, module) in views {
        let query =
            view.sql.clone().unwrap_or_else(|| format!("SELECT * FROM {}", view.of.clone().unwrap_or_default()));
        if let Some(source) = missing.iter().find(|source| query.contains(*source) || view.schema == **source) {
            waits.push(source);
            continue;
        }
        let comment = format!("{}. Made by: {query}", view.why);
        let place = format!("{}.{}", name(&view.schema), name(&view.name));
        let known = "SELECT obj_description(to_regclass($1), 'pg_class')";
        let known: Option<String> = hub.query_one(known, &[&place]).await.map_err(failed)?.get(0);
        if known.as_deref() == Some(comment.as_str()) {
            continue;
        }
        if check {
            status = SchemaStatus::Stale;
            continue;
        }
        let reader = reader_of(module);
        let transaction = hub.transaction().await.map_err(failed)?;
        transaction
            .batch_execute(&format!(
                "CREATE SCHEMA IF NOT EXISTS {schema}; DROP VIEW IF EXISTS {place}; CREATE VIEW {place} AS {query}; \
                 COMMENT ON VIEW {place} IS {comment}; GRANT USAGE ON SCHEMA {schema} TO {reader}; \
                 GRANT SELECT ON {place} TO {reader}",
                schema = name(&view.schema),
                comment = literal(&comment),
            ))
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        status = SchemaStatus::Imported;
    }
    waits.dedup();
    if !waits.is_empty() {
        return Err(PlatformError::HubSource { source_database: waits.join(", ") });
    }
    Ok((status, views.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        Registry::load(None).expect("the embedded registry")
    }

    #[test]
    fn every_name_of_the_file_stands_for_a_table_of_the_schema() {
        let names = HubNames::load(&registry()).expect("the embedded file");
        assert!(names.all().iter().any(|name| name.name == "energy_consumption"), "{:?}", names.all());
        let registry = registry();
        let model = |database: &str| {
            let entry = registry.get(database).expect("in the registry");
            genims_databases::Model::of(entry).unwrap_or_else(|cause| panic!("{cause}"))
        };
        for (view, _) in &names.views {
            if let Some((database, table)) = view.of.as_deref().and_then(|of| of.split_once('.')) {
                assert!(model(database).table(table).is_some(), "{database}.{table}");
            }
            if view.schema != UNQUALIFIED && view.schema != COLLECTIONS {
                assert!(
                    model(&view.schema).table(&view.name).is_none(),
                    "{}.{} is a table already",
                    view.schema,
                    view.name
                );
            }
        }
    }

    /// No collection is forgotten, and none is both.
    #[test]
    fn every_collection_has_a_copy_or_a_reason_why_not() {
        let registry = registry();
        let database = registry.get(COLLECTIONS).expect("in the registry");
        let files = genims_databases::schema::files(database);
        let mut there: Vec<String> = files.iter().map(|file| file.name.trim_end_matches(".json").to_owned()).collect();
        let names = HubNames::load(&registry).expect("the embedded file").all();
        let prefix = format!("{COLLECTIONS}.");
        let mut told: Vec<String> =
            names.iter().filter_map(|name| name.name.strip_prefix(&prefix).map(str::to_owned)).collect();
        there.sort();
        told.sort();
        assert_eq!(told, there);
        let readings = names.iter().find(|name| name.name.ends_with(".sensor_readings")).expect("a view");
        assert_eq!(readings.stands_for, "genims_operations_db.sensor_data");
    }

    #[test]
    fn a_name_for_nothing_is_refused() {
        let entry =
            |line: &str| format!("schemas = []\n[[views]]\nschema = \"names\"\nname = \"x\"\nwhy = \"w\"\n{line}");
        for line in ["", "of = \"genims_no_db.t\"", "sql = \"SELECT 1\"", "of = \"genims_hr_db.t\"\nsql = \"SELECT 1\""]
        {
            assert!(HubNames::parse(&entry(line), &registry()).is_err(), "{line}");
        }
    }
}
