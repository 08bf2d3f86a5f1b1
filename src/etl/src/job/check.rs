//! What a file of config/etl must be like: enters a job as it was written, leaves nothing or what is wrong with it.

use super::{Job, Table, Watch, WriteMode};
use crate::days::{OF_DAYS, says};
use crate::documents::pipeline;
use chrono_tz::Tz;
use genims_databases::{Engine, Registry};
use std::collections::BTreeSet;

/// Of names of staging tables: with number and prefix they fit MySQL's 64 characters.
const NAME_CHARACTERS_MAX: usize = 40;

pub(super) fn check(registry: &Registry, job: &Job) -> Result<(), String> {
    is_name(&job.name)?;
    if job.lookback_days.is_some_and(|days| days < 1) {
        return Err("lookback_days is 1 or more".to_owned());
    }
    let engine = registry.get(&job.target).map_err(|error| error.to_string())?.engine;
    if engine == Engine::Postgresql {
        return Err(format!("{}: a job fills a MySQL database or the document store", job.target));
    }
    let watched = job.watches.iter().map(|watch| &watch.database);
    let extracted = job.extracts.iter().map(|extract| &extract.database);
    let computed = job.tables.iter().filter_map(|table| table.database.as_ref());
    let compared = job.reconciliations.iter().map(|reconciliation| &reconciliation.database);
    for database in watched.chain(extracted).chain(computed).chain(compared) {
        is_source(registry, database)?;
    }
    if job.watches.is_empty() {
        return Err("it needs a [[watch]]: nothing would ever be computed".to_owned());
    }
    check_days(job)?;
    if job.tables.is_empty() || job.reconciliations.is_empty() {
        return Err("it needs a [[table]] that it fills and a [[reconcile]] by which that is proved".to_owned());
    }
    job.watches.iter().try_for_each(Watch::check)?;
    check_names(job, engine)?;
    if engine == Engine::Mongodb { check_collections(job) } else { check_tables(job) }
}

/// Each name is there once, and SQL names nothing that is not.
fn check_names(job: &Job, engine: Engine) -> Result<(), String> {
    let mut known = BTreeSet::new();
    for extract in &job.extracts {
        is_name(&extract.name)?;
        extract.index.iter().try_for_each(|column| is_name(column))?;
        if !known.insert(extract.name.as_str()) {
            return Err(format!("{} is there twice", extract.name));
        }
    }
    let mut filled = BTreeSet::new();
    for table in &job.tables {
        is_name(&table.name)?;
        table.key.iter().try_for_each(|column| is_name(column))?;
        if table.key.is_empty() || (table.write == WriteMode::ReplaceWindow && table.window.is_none()) {
            return Err(format!("{} needs a `key`, and a `window` where that is replaced", table.name));
        }
        // A source does not see what another has computed.
        let has = |name: &str| known.contains(name) || (engine == Engine::Mysql && filled.contains(name));
        if let Some(name) = places(&table.sql).find(|name| !has(name)) {
            return Err(format!("{}: {{{name}}} is neither an [[extract]] nor a [[table]] above it", table.name));
        }
        if known.contains(table.name.as_str()) || !filled.insert(table.name.as_str()) {
            return Err(format!("{} is there twice", table.name));
        }
    }
    // A pipeline has braces of its own.
    if engine == Engine::Mongodb {
        return Ok(());
    }
    for made in &job.reconciliations {
        let has = |name: &str| known.contains(name) || filled.contains(name);
        if let Some(name) = places(&made.target).find(|name| !has(name)) {
            return Err(format!("{:?}: {{{name}}} is neither an [[extract]] nor a [[table]]", made.says));
        }
    }
    Ok(())
}

fn check_tables(job: &Job) -> Result<(), String> {
    let of_collections = job.tables.iter().find(|table| table.database.is_some()).map(|table| &table.name);
    let of_pipelines = job.reconciliations.iter().find_map(|made| made.table.as_ref());
    match of_collections.or(of_pipelines) {
        Some(name) => {
            Err(format!("{name}: `database` of a table and `table` of a comparison are for the document store"))
        }
        None => Ok(()),
    }
}

fn check_collections(job: &Job) -> Result<(), String> {
    if job.zone != Tz::UTC || !job.has_days() {
        let cause =
            "days of a job that fills the document store are those of UTC: one of another zone is said by its SQL";
        return Err(cause.to_owned());
    }
    for table in &job.tables {
        if table.database.is_none() || table.write != WriteMode::ReplaceWindow {
            return Err(format!("{} needs the `database` that computes it, and replaces its window", table.name));
        }
        let window = table.window.as_deref().unwrap_or_default();
        is_name(window).map_err(|error| format!("window of {}: {error}", table.name))?;
    }
    for made in &job.reconciliations {
        let named = |table: &Table| made.table.as_ref() == Some(&table.name);
        if !job.tables.iter().any(named) {
            return Err(format!("{:?}: `table` names the collection that is asked", made.says));
        }
        pipeline(&made.target).map_err(|cause| format!("{:?}: target: {cause}", made.says))?;
    }
    Ok(())
}

fn check_days(job: &Job) -> Result<(), String> {
    if [job.months, job.neighbours, job.onward].into_iter().filter(|said| *said).count() > 1 {
        return Err("of months, neighbours and onward a job says one at most".to_owned());
    }
    if job.has_days() {
        return Ok(());
    }
    let of_days = OF_DAYS.into_iter().find(|name| job.texts().any(|sql| says(sql, name)));
    if let Some(name) = of_days {
        return Err(format!("no [[watch]] has an `at`, so the job has no days, and :{name} means nothing"));
    }
    if job.months || job.neighbours || job.onward || job.lookback_days.is_some() {
        return Err("no [[watch]] has an `at`: months, neighbours, onward and lookback_days mean nothing".to_owned());
    }
    Ok(())
}

fn is_source(registry: &Registry, database: &str) -> Result<(), String> {
    let found = registry.get(database).map_err(|error| error.to_string())?;
    if found.engine != Engine::Postgresql {
        return Err(format!("{database}: sources are PostgreSQL databases, the target is another"));
    }
    Ok(())
}

pub(super) fn is_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || name.len() > NAME_CHARACTERS_MAX || !name.chars().all(fits) {
        return Err(format!("{name:?} is no name: a-z, 0-9 and _, {NAME_CHARACTERS_MAX} characters at most"));
    }
    Ok(())
}

/// The names in braces.
fn places(sql: &str) -> impl Iterator<Item = &str> {
    sql.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}
