//! One MySQL database: rows that are old enough, that no hold names and that no row refers to which stays, in bounded batches.

use super::holds::{Held, reason};
use super::postgres::Run;
use super::report::{DatabaseRetention, How, TableReport};
use super::rules::{self, RetentionRule};
use super::sql::{column, is_old, key_text};
use crate::errors::PlatformError;
use genims_databases::errors::mysql_code;
use genims_databases::{Database, Engine, Environment, MysqlConnection, MysqlSettings, literal, quoted};
use genims_model::Backoff;
use mysql_async::prelude::Queryable;

const AT_ONCE: u64 = 5_000;
const ATTEMPTS_MAX: u32 = 10;

/// A lock that was not to be had in time, and a deadlock.
const CONTENDED: [u16; 2] = [1205, 1213];

/// Access denied to a table, and to a database.
const DENIED: [u16; 2] = [1142, 1044];

/// Looks what goes, and with `purge` deletes it.
pub(super) async fn run(
    database: &Database,
    environment: &Environment,
    run: &Run<'_>,
    rules: &[RetentionRule],
    purge: Option<&dyn Fn(&str)>,
    report: &mut DatabaseRetention,
) -> Result<(), PlatformError> {
    let settings = MysqlSettings::from_environment(database, environment)?;
    let mut connection = settings.connect().await?;
    let failed = |source: mysql_async::Error| match mysql_code(&source) {
        Some(code) if DENIED.contains(&code) => {
            PlatformError::PurgeRight { database: database.name.clone(), cause: source.to_string() }
        }
        _ => settings.error(source).into(),
    };
    connection.query_drop("SET SESSION innodb_lock_wait_timeout = 2").await.map_err(failed)?;
    let mut order: Vec<&RetentionRule> = rules.iter().collect();
    // What refers goes first; no table here refers to one that refers to it.
    order.sort_by_key(|rule| refers_to(rule, rules, database));
    for rule in order {
        let before = rule.before(run.as_of);
        let mut table = TableReport::new(&rule.table.name, How::Rows, rule.decides(), Some(before));
        let looked = look(&mut connection, database, run, rules, rule, &mut table).await;
        let condition = looked.map_err(failed)?;
        let goes = table.goes;
        if let (Some(progress), Some(condition), true) = (purge, condition, goes > 0) {
            progress(&rule.table.name);
            let deleted = delete(&mut connection, rule, &condition, &mut table).await;
            deleted.map_err(failed)?;
        }
        report.tables.push(table);
    }
    genims_databases::mysql::disconnect(connection).await;
    report.tables.sort_by(|one, other| one.table.cmp(&other.table));
    Ok(())
}

/// How many tables of the rules refer to it.
fn refers_to(rule: &RetentionRule, rules: &[RetentionRule], database: &Database) -> usize {
    let prefix = format!("{}.{}.", database.name, rule.table.name);
    let columns = rules.iter().flat_map(|other| &other.table.columns);
    columns.filter(|column| column.references.iter().any(|target| target.starts_with(&prefix))).count()
}

/// The condition of what goes; none when all of it is held.
async fn look(
    connection: &mut MysqlConnection,
    database: &Database,
    run: &Run<'_>,
    rules: &[RetentionRule],
    rule: &RetentionRule,
    report: &mut TableReport,
) -> Result<Option<String>, mysql_async::Error> {
    let table = quoted(Engine::Mysql, &rule.table.name);
    let Some(mut condition) = is_old(Engine::Mysql, rule, &table, rule.before(run.as_of)) else { return Ok(None) };
    report.goes = count(connection, &table, &condition).await?;
    let held = run.holds.of(&database.name, &rule.table.name);
    if let Some(hold) = &held.all {
        report.hold(reason(hold), report.goes);
        return Ok(None);
    }
    let mut held_by: Vec<(String, String)> = by_law(&held, &key_text(Engine::Mysql, &rule.table, &table));
    for referrer in rules::referrers(run.models, &database.name, &rule.table.name) {
        // MySQL deletes from no table that the same statement reads.
        if referrer.table == rule.table.name {
            continue;
        }
        let other = rules.iter().find(|other| other.table.name == referrer.table);
        let goes = other.and_then(|other| is_old(Engine::Mysql, other, "r", other.before(run.as_of)));
        let stays = goes.map_or_else(String::new, |goes| format!(" AND NOT COALESCE({goes}, FALSE)"));
        let (from, column_of) = (quoted(Engine::Mysql, &referrer.table), column(Engine::Mysql, "r", &referrer.column));
        let target = column(Engine::Mysql, &table, &referrer.target);
        let refers = format!("EXISTS (SELECT 1 FROM {from} r WHERE {column_of} = {target}{stays})");
        held_by.push((format!("{}.{} refers to it", referrer.table, referrer.column), refers));
    }
    for (why, held) in held_by {
        let rows = count(connection, &table, &format!("{condition} AND {held}")).await?;
        report.hold(why, rows);
        condition = format!("{condition} AND NOT {held}");
    }
    Ok(Some(condition))
}

fn by_law(held: &Held, key: &str) -> Vec<(String, String)> {
    let one =
        |(record, hold): (&String, &String)| (reason(hold), format!("({key} = {})", literal(Engine::Mysql, record)));
    held.keys.iter().map(one).collect()
}

async fn count(connection: &mut MysqlConnection, table: &str, condition: &str) -> Result<u64, mysql_async::Error> {
    let count: Option<u64> = connection.query_first(format!("SELECT COUNT(*) FROM {table} WHERE {condition}")).await?;
    Ok(count.unwrap_or(0))
}

async fn delete(
    connection: &mut MysqlConnection,
    rule: &RetentionRule,
    condition: &str,
    report: &mut TableReport,
) -> Result<(), mysql_async::Error> {
    let sql = format!("DELETE FROM {} WHERE {condition} LIMIT {AT_ONCE}", quoted(Engine::Mysql, &rule.table.name));
    let is_contended = |error: &mysql_async::Error| mysql_code(error).is_some_and(|code| CONTENDED.contains(&code));
    loop {
        let attempt = async || connection.query_drop(&sql).await;
        Backoff::default().retry(ATTEMPTS_MAX, is_contended, attempt).await?;
        let rows = connection.affected_rows();
        report.gone += rows;
        if rows < AT_ONCE {
            return Ok(());
        }
    }
}
