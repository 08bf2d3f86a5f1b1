//! Tables against the contract: each is there, none is there besides, none is empty. A collection whose documents expire may
//! be empty once the whole seeded history has.

use super::report::{COUNTS, Finding, Problem};
use super::source::Sources;
use crate::link::{Fields, field, number};
use chrono::{NaiveDate, NaiveTime};
use futures_util::{StreamExt, TryStreamExt, stream};
use genims_databases::{Database, Engine, Model, expiry, quoted, schema};
use mongodb::bson::Document;
use std::time::{Duration, Instant};

/// Collections looked into at the same time.
const COLLECTIONS_AT_ONCE: usize = 8;

/// Two findings: the tables, and whether they hold anything.
pub(super) async fn check(sources: &Sources, database: &Database, model: &Model) -> Vec<Finding> {
    let started = Instant::now();
    let name = database.name.as_str();
    let (noun, expected) = match database.engine {
        Engine::Mongodb => ("collection", collections_of_the_contract(database)),
        _ => ("table", model.tables.iter().map(|table| table.name.clone()).collect()),
    };
    let module = &database.module;
    let says = format!("{name} holds exactly the {} {noun}s of the contract", expected.len());
    let mut tables = Finding::new(format!("{noun}s_of_{module}"), COUNTS, &[name], says);
    let says = format!("Every {noun} of {name} holds something");
    let mut rows = Finding::new(format!("no_empty_{noun}_in_{module}"), COUNTS, &[name], says);
    match found(sources, database).await {
        Err(problem) => {
            tables.unfinished(&problem);
            rows.unfinished(&problem);
        }
        Ok(found) => {
            compare(&mut tables, noun, &expected, &found);
            let known: Vec<&str> = expected.iter().filter(|name| found.contains(name)).map(String::as_str).collect();
            rows.looked_at = known.len() as u64;
            match empty(sources, database, &known).await {
                Ok(empty) => empty.into_iter().for_each(|table| rows.violation(table, "is empty")),
                Err(problem) => rows.unfinished(&problem),
            }
        }
    }
    rows.seconds = started.elapsed().as_secs_f64();
    vec![tables, rows]
}

fn collections_of_the_contract(database: &Database) -> Vec<String> {
    schema::files(database).iter().filter_map(|file| Some(file.name.strip_suffix(".json")?.to_owned())).collect()
}

fn compare(finding: &mut Finding, noun: &str, expected: &[String], found: &[String]) {
    finding.looked_at = found.len() as u64;
    for name in expected.iter().filter(|name| !found.contains(name)) {
        finding.violation(name, "is missing: run `genims provision`");
    }
    for name in found.iter().filter(|name| !expected.contains(name)) {
        finding.violation(name, format!("is no {noun} of the contract: move it to another schema or database"));
    }
}

async fn found(sources: &Sources, database: &Database) -> Result<Vec<String>, Problem> {
    let mut names = Vec::new();
    let of = match database.engine {
        Engine::Postgresql => "'public'",
        Engine::Mysql => "DATABASE()",
        Engine::Mongodb => {
            let documents = sources.documents(&database.name)?;
            let store = documents.client.database(documents.settings.database_name());
            let all = store.list_collection_names().await;
            names = all.map_err(|error| Problem::Query(documents.settings.error(error).to_string()))?;
            names.retain(|name| !name.starts_with("system."));
            return Ok(names);
        }
    };
    let query = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {of} AND table_type = 'BASE TABLE'"
    );
    sources.rows(&database.name, &query, &mut |row| names.push(field(&row, 0).to_owned())).await?;
    Ok(names)
}

/// Those of `names` that hold nothing.
async fn empty(sources: &Sources, database: &Database, names: &[&str]) -> Result<Vec<String>, Problem> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    if database.engine == Engine::Mongodb {
        return empty_collections(sources, database, names).await;
    }
    let one = |name: &&str| {
        let table = quoted(database.engine, name);
        format!("SELECT '{name}', (SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1) AS first_row)")
    };
    let query = names.iter().map(one).collect::<Vec<_>>().join(" UNION ALL ");
    let mut empty = Vec::new();
    let each = &mut |row: Fields<'_>| {
        if number(&row, 1) == 0 {
            empty.push(field(&row, 0).to_owned());
        }
    };
    sources.rows(&database.name, &query, each).await?;
    Ok(empty)
}

async fn empty_collections(sources: &Sources, database: &Database, names: &[&str]) -> Result<Vec<String>, Problem> {
    let documents = sources.documents(&database.name)?;
    let store = documents.client.database(documents.settings.database_name());
    let look = |name: &str| {
        let (collection, name) = (store.collection::<Document>(name), name.to_owned());
        async move { Ok((name, collection.find_one(Document::new()).await?.is_none())) }
    };
    let looked: Result<Vec<(String, bool)>, mongodb::error::Error> =
        stream::iter(names.iter().map(|name| look(name))).buffered(COLLECTIONS_AT_ONCE).try_collect().await;
    let looked = looked.map_err(|error| Problem::Query(documents.settings.error(error).to_string()))?;
    let now_us = sources.now_us();
    let mut found = Vec::new();
    for (name, _) in looked.into_iter().filter(|(_, empty)| *empty) {
        let kept = expiry::of_collection(database, &name).map_err(|error| Problem::Query(error.to_string()))?;
        if !has_expired(documents.seeded, kept, now_us) {
            found.push(name);
        }
    }
    Ok(found)
}

/// Whether documents of the last seeded day are gone by now. Nothing seeded: nothing can have expired.
fn has_expired(seeded: Option<NaiveDate>, kept: Option<Duration>, now_us: i64) -> bool {
    let (Some(day), Some(kept)) = (seeded, kept) else { return false };
    let end_us = day.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
    end_us.saturating_add(i64::try_from(kept.as_micros()).unwrap_or(i64::MAX)) < now_us
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_expires_may_be_empty_and_only_after_its_time() {
        let (day_us, a_day) = (86_400_000_000, Some(Duration::from_secs(86_400)));
        let seeded = NaiveDate::from_ymd_opt(1970, 1, 11);
        assert!(!has_expired(seeded, a_day, 11 * day_us) && has_expired(seeded, a_day, 11 * day_us + 1));
        assert!(!has_expired(seeded, None, i64::MAX) && !has_expired(None, a_day, i64::MAX));
    }

    #[test]
    fn missing_and_unexpected_tables_are_violations() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut finding = Finding::new("r", COUNTS, &["d"], "");
        compare(&mut finding, "table", &names("a b c"), &names("c a x"));
        let keys: Vec<&str> = finding.examples.iter().map(|example| example.key.as_str()).collect();
        assert_eq!((keys, finding.looked_at, finding.violations), (vec!["b", "x"], 3, 2));
        let mut finding = Finding::new("r", COUNTS, &["d"], "");
        compare(&mut finding, "table", &names("a b"), &names("b a"));
        assert!(finding.passed);
    }
}
