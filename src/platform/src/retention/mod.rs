//! `genims retention`: rows that are older than they are kept go, unless something holds them.
//!
//! Enters: the registry (how long), config/retention (which tables, by which column), the legal holds. Leaves: a
//! [`RetentionReport`]: what goes, what is held and why, what is gone. Invariants: `plan` and `run` look in the same way; without
//! knowledge of the legal holds nothing goes; what has an archive goes only when it stands there; a database that fails stops no
//! other; each purge is entered in the audit trail, or the report says that it is not.
//!
//! - [`rules`]: what ages; [`holds`]: what the law holds
//! - [`postgres`]: one PostgreSQL database: [`partitions`] by the day, [`going`] row by row
//! - [`parts`]: what of telemetry goes at once; [`dropping`]: how
//! - [`archive`]: where telemetry is condensed to [`minutes`] before it goes, [`portion`] by portion
//! - [`mysql`], [`mongo`]: the others; [`entry`]: the audit trail

mod archive;
mod dropping;
mod entry;
mod going;
mod holds;
mod minutes;
mod mongo;
mod mysql;
mod partitions;
mod parts;
mod portion;
mod postgres;
mod report;
mod rules;
mod sql;

pub use report::{DatabaseRetention, How, RetentionReport, TableReport};

use crate::errors::PlatformError;
use chrono::{NaiveDate, Utc};
use genims_databases::{Database, Engine, Environment, Model, Registry};
use holds::{Holds, Law};
use postgres::{Open, Opened, Run};
use rules::{By, RetentionRule};
use std::collections::BTreeMap;
use std::time::Instant;
use uuid::Uuid;

const AUDIT: &str = "genims_audit_db";

#[derive(Clone, Debug, Default)]
pub struct RetentionOptions {
    /// One module; all of them without.
    pub module: Option<String>,
    /// From which day to count back; today without. Never a day to come.
    pub as_of: Option<NaiveDate>,
    /// Delete, instead of only saying what would be.
    pub run: bool,
}

/// One database of a run.
struct Chosen<'a> {
    database: &'a Database,
    rules: Vec<RetentionRule>,
}

/// Plans or purges. An error means that nothing was begun; what fails later is in the report.
pub async fn run(
    registry: &Registry,
    environment: &Environment,
    options: &RetentionOptions,
    progress: &dyn Fn(&str),
) -> Result<RetentionReport, PlatformError> {
    let started = Instant::now();
    let as_of = day(options.as_of, Utc::now().date_naive())?;
    let models = models(registry)?;
    let chosen = chosen(registry, &models, options.module.as_deref())?;
    let mut report =
        RetentionReport { as_of, run: options.run, databases: Vec::new(), remarks: Vec::new(), seconds: 0.0 };
    progress("legal holds");
    let holds = match Holds::load(registry.get(AUDIT)?, environment).await {
        Ok(Some(holds)) => holds,
        Ok(None) => {
            report.remarks.push(format!("{AUDIT} does not exist: no legal holds, and no purge is entered there"));
            Holds::default()
        }
        Err(error) => return Err(PlatformError::HoldsUnknown { cause: error.to_string() }),
    };
    let production = registry.get(archive::PRODUCTION)?;
    let law = Law { audit: registry.get(AUDIT)?, environment };
    let run = Run { models: &models, holds: &holds, law, as_of, production, environment };
    let session = Uuid::new_v4();
    let mut entries = Vec::new();
    relational(registry, environment, options, &run, &chosen, progress, &mut report).await;
    for chosen in chosen.iter().filter(|chosen| chosen.database.engine != Engine::Postgresql) {
        let database = chosen.database;
        progress(&database.name);
        let mut found = DatabaseRetention::new(database);
        let purge = options.run.then_some(progress);
        let result = match database.engine {
            Engine::Mongodb => mongo::look(database, environment, &holds, as_of, &mut found).await,
            _ => mysql::run(database, environment, &run, &chosen.rules, purge, &mut found).await,
        };
        found.error = result.err().map(|error| error.to_string());
        report.databases.push(found);
    }
    for found in report.databases.iter().filter(|found| options.run && found.engine == Engine::Mysql) {
        let module = &registry.get(&found.database)?.module;
        if let Err(error) = entry::record_at_once(registry.get(AUDIT)?, environment, session, module, found).await {
            entries.push(not_entered(&found.database, &error));
        }
    }
    report.remarks.append(&mut entries);
    report.databases.sort_by_key(|found| registry.get(&found.database).map(|known| known.load_order).unwrap_or(0));
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

fn not_entered(database: &str, error: &dyn std::fmt::Display) -> String {
    format!("the purge of {database} is not entered in the audit trail: {error}")
}

fn day(asked: Option<NaiveDate>, today: NaiveDate) -> Result<NaiveDate, PlatformError> {
    match asked {
        Some(day) if day > today => Err(PlatformError::DayToCome { day }),
        asked => Ok(asked.unwrap_or(today)),
    }
}

fn models(registry: &Registry) -> Result<Vec<(Engine, Model)>, PlatformError> {
    let model = |database: &Database| Ok((database.engine, Model::of(database)?));
    let models: Result<Vec<_>, String> = registry.all().iter().map(model).collect();
    models.map_err(|cause| PlatformError::Model { cause })
}

/// The column by which the rows of each table age; tables that have none are left out.
pub(crate) fn times(
    registry: &Registry,
    database: &Database,
    model: &Model,
) -> Result<BTreeMap<String, String>, PlatformError> {
    let time = |rule: RetentionRule| match rule.by {
        By::Time(column) => Some((rule.table.name, column)),
        By::Month(_) | By::Parent { .. } => None,
    };
    Ok(rules::of(registry, database, model)?.into_iter().filter_map(time).collect())
}

/// For how many days the rows of each table are kept, by a time of their own.
pub(crate) fn days_kept(
    registry: &Registry,
    database: &Database,
    model: &Model,
) -> Result<BTreeMap<String, u64>, PlatformError> {
    let rules = rules::of(registry, database, model)?.into_iter().filter(|rule| matches!(rule.by, By::Time(_)));
    Ok(rules.map(|rule| (rule.table.name, rule.keep_days)).collect())
}

/// Those whose rows age. All files are checked, whichever module is asked for.
fn chosen<'a>(
    registry: &'a Registry,
    models: &[(Engine, Model)],
    module: Option<&str>,
) -> Result<Vec<Chosen<'a>>, PlatformError> {
    rules::check_names(registry)?;
    let only = module.map(|module| registry.get(module)).transpose()?;
    let mut chosen = Vec::new();
    for (database, (_, model)) in registry.all().iter().zip(models) {
        let rules = rules::of(registry, database, model)?;
        let ages = !rules.is_empty() || database.engine == Engine::Mongodb;
        if ages && only.is_none_or(|only| only.name == database.name) {
            chosen.push(Chosen { database, rules });
        }
    }
    Ok(chosen)
}

/// Databases refer to each other in circles, so all are asked again until none takes out another row of what goes.
async fn settle(opened: &mut Opened, chosen: &[Chosen<'_>], progress: &dyn Fn(&str), report: &mut RetentionReport) {
    loop {
        let mut found = 0;
        for database in chosen.iter().rev().map(|chosen| chosen.database) {
            let Some(mut open) = opened.open.remove(&database.name) else { continue };
            progress(&format!("{}: what refers to it", database.name));
            match open.settle(opened).await {
                Ok(rows) => {
                    found += rows;
                    opened.open.insert(database.name.clone(), open);
                }
                Err(error) => {
                    let mut failed = open.end();
                    failed.error = Some(error.to_string());
                    report.databases.push(failed);
                    // The others have to ask again, and hold what it might refer to.
                    found += 1;
                }
            }
        }
        if found == 0 {
            return;
        }
    }
}

/// The PostgreSQL databases. All are opened, because rows of one refer to rows of another; what refers goes first.
async fn relational(
    registry: &Registry,
    environment: &Environment,
    options: &RetentionOptions,
    run: &Run<'_>,
    chosen: &[Chosen<'_>],
    progress: &dyn Fn(&str),
    report: &mut RetentionReport,
) {
    let is_chosen = |name: &str| chosen.iter().find(|chosen| chosen.database.name == name);
    if !chosen.iter().any(|chosen| chosen.database.engine == Engine::Postgresql) {
        return;
    }
    let mut opened = Opened::default();
    let fail = |database: &Database, error: &dyn std::fmt::Display| {
        let mut found = DatabaseRetention::new(database);
        found.error = Some(error.to_string());
        found
    };
    for database in registry.all().iter().filter(|database| database.engine == Engine::Postgresql) {
        progress(&database.name);
        match Open::connect(database, environment).await {
            Ok(Some(open)) => _ = opened.open.insert(database.name.clone(), open),
            Ok(None) => {
                opened.absent.insert(database.name.clone());
                if is_chosen(&database.name).is_some() {
                    let error = PlatformError::NotProvisioned { database: database.name.clone() };
                    report.databases.push(fail(database, &error));
                }
            }
            Err(error) if is_chosen(&database.name).is_some() => report.databases.push(fail(database, &error)),
            Err(_) => {}
        }
    }
    for chosen in chosen {
        let name = &chosen.database.name;
        let Some(mut open) = opened.open.remove(name) else { continue };
        progress(name);
        match open.look(run, chosen.rules.clone(), &opened).await {
            Ok(()) => _ = opened.open.insert(name.clone(), open),
            // What it refers to cannot be known any more.
            Err(error) => report.databases.push(fail(chosen.database, &error)),
        }
    }
    settle(&mut opened, chosen, progress, report).await;
    for chosen in chosen.iter().rev() {
        let Some(mut open) = opened.open.remove(&chosen.database.name) else { continue };
        if options.run {
            if let Err(error) = open.purge(&run.law, &opened, progress).await {
                open.report.error = Some(error.to_string());
            }
            // What went before a failure is gone, too.
            if let Err(error) = open.enter(&chosen.database.module).await {
                report.remarks.push(not_entered(&chosen.database.name, &error));
            }
        }
        report.databases.push(open.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_to_come_would_delete_what_is_still_kept() {
        let day_of = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let today = day_of("2026-11-28");
        assert_eq!(day(None, today).expect("today"), today);
        assert_eq!(day(Some(day_of("2020-02-29")), today).expect("a day that was"), day_of("2020-02-29"));
        assert!(day(Some(day_of("2026-11-29")), today).is_err());
    }

    #[test]
    fn a_module_is_looked_at_alone_and_an_unknown_one_refused() {
        let registry = Registry::load(None).expect("the embedded registry");
        let models = models(&registry).expect("readable schemas");
        let names = |module| -> Result<Vec<String>, PlatformError> {
            Ok(chosen(&registry, &models, module)?.iter().map(|chosen| chosen.database.name.clone()).collect())
        };
        assert_eq!(names(Some("hr")).expect("a module"), ["genims_hr_db"]);
        let all = names(None).expect("all");
        assert!(all.len() == 16 && !all.contains(&"genims_master_db".to_owned()), "{all:?}");
        assert!(names(Some("nothing")).is_err());
    }
}
