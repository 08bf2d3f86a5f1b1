//! Which rows of a PostgreSQL database go: temporary tables of keys, one for each table that ages.
//!
//! Enters: rules, legal holds, who refers to whom. Leaves: for each table the keys of rows that are old enough, that no hold names,
//! and that nothing refers to which stays. Invariants: a part goes with its document and never before; a row goes only if all that
//! refers to it goes, in this database and in the others; what cannot be asked refers to everything.

use super::holds::{Holds, reason};
use super::report::{How, TableReport};
use super::rules::{By, Referrer, RetentionRule};
use super::sql::{column, is_old, key_text, keys, same_key};
use chrono::NaiveDate;
use genims_databases::{Engine, PostgresClient, quoted};
use std::collections::BTreeMap;
use tokio_postgres::Error;
use tokio_postgres::types::Type;

/// Values compared with another database at once.
const ASKED_AT_ONCE: i64 = 10_000;

/// A table whose rows age one by one.
pub(super) struct Going {
    pub(super) rule: RetentionRule,
    pub(super) before: NaiveDate,
    /// The temporary table of keys.
    pub(super) keys: String,
    pub(super) report: TableReport,
    referrers: Vec<Referrer>,
}

impl Going {
    pub(super) fn new(index: usize, rule: RetentionRule, as_of: NaiveDate, referrers: Vec<Referrer>) -> Self {
        let before = rule.before(as_of);
        let said = (!matches!(rule.by, By::Parent { .. })).then_some(before);
        let report = TableReport::new(&rule.table.name, How::Rows, rule.decides(), said);
        Self { keys: format!("pg_temp.going_{index}"), before, report, referrers, rule }
    }

    pub(super) fn public(&self) -> String {
        public(&self.rule.table.name)
    }

    /// Takes rows of a condition on the table `t` out of what goes.
    async fn hold(&mut self, client: &PostgresClient, condition: &str, why: &str) -> Result<u64, Error> {
        if self.report.goes == 0 {
            return Ok(0);
        }
        let same = same_key(&self.rule.table, "g", "t");
        let sql = format!("DELETE FROM {} g USING {} t WHERE {same} AND {condition}", self.keys, self.public());
        let rows = client.execute_typed(&sql, &[]).await?;
        self.report.hold(why, rows);
        Ok(rows)
    }
}

fn public(table: &str) -> String {
    format!("public.{}", quoted(Engine::Postgresql, table))
}

fn named(name: &str) -> String {
    quoted(Engine::Postgresql, name)
}

/// Fills the tables of keys, documents before their parts, and takes out what is held by law.
pub(super) async fn fill(
    client: &PostgresClient,
    database: &str,
    all: &mut [Going],
    holds: &Holds,
) -> Result<(), Error> {
    for index in documents_first(all) {
        let old = match &all[index].rule.by {
            By::Parent { column, table, key } => part_of(all, column, table, key),
            _ => is_old(Engine::Postgresql, &all[index].rule, "t", all[index].before),
        };
        let going = &mut all[index];
        let list = keys(&going.rule.table, "t");
        let bare = going.rule.table.key.iter().map(|key| named(key)).collect::<Vec<_>>().join(", ");
        let (keys, public) = (&going.keys, going.public());
        let make = format!(
            "CREATE TEMP TABLE {} AS SELECT {list} FROM {public} t WHERE {}; ALTER TABLE {keys} ADD PRIMARY KEY ({bare}); ANALYZE {keys}",
            keys.trim_start_matches("pg_temp."),
            old.as_deref().unwrap_or("false"),
        );
        client.batch_execute(&make).await?;
        let count = client.query_typed_one(&format!("SELECT count(*) FROM {keys}"), &[]).await?;
        going.report.goes = count.get::<_, i64>(0).unsigned_abs();
    }
    for going in all.iter_mut() {
        hold_by_law(client, database, going, holds).await?;
    }
    Ok(())
}

async fn hold_by_law(client: &PostgresClient, database: &str, going: &mut Going, holds: &Holds) -> Result<(), Error> {
    let held = holds.of(database, &going.rule.table.name);
    if let Some(hold) = &held.all {
        going.hold(client, "true", &reason(hold)).await?;
        return Ok(());
    }
    let mut by_hold: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    held.keys.iter().for_each(|(key, hold)| by_hold.entry(hold).or_default().push(key));
    for (hold, keys) in by_hold {
        let text = key_text(Engine::Postgresql, &going.rule.table, "g");
        let sql = format!("DELETE FROM {} g WHERE {text} = ANY($1)", going.keys);
        let rows = client.execute_typed(&sql, &[(&keys, Type::TEXT_ARRAY)]).await?;
        going.report.hold(reason(hold), rows);
    }
    Ok(())
}

/// That the document of the part `t` goes.
fn part_of(all: &[Going], part: &str, table: &str, key: &str) -> Option<String> {
    let document = all.iter().find(|going| going.rule.table.name == table)?;
    let (public, keys) = (document.public(), &document.keys);
    let (same, key, part) = (same_key(&document.rule.table, "p", "gp"), named(key), named(part));
    Some(format!("EXISTS (SELECT FROM {public} p JOIN {keys} gp ON {same} WHERE p.{key} = t.{part})"))
}

/// Takes out what something refers to that stays, until nothing more is found: each round takes out a row at least. How
/// many were taken out.
pub(super) async fn settle(client: &PostgresClient, database: &str, all: &mut [Going]) -> Result<u64, Error> {
    let mut all_found = 0;
    loop {
        let mut found = 0;
        for index in 0..all.len() {
            let document = match &all[index].rule.by {
                By::Parent { column, table, key } => part_of(all, column, table, key).map(|goes| (goes, table.clone())),
                _ => None,
            };
            if let Some((goes, table)) = document {
                found += all[index].hold(client, &format!("NOT {goes}"), &format!("its {table} stays")).await?;
            }
            for referrer in all[index].referrers.clone() {
                if referrer.database != database {
                    continue;
                }
                let stays = stays(all, &referrer.table);
                // As text, for both sides need not be declared alike.
                let (from, column) = (public(&referrer.table), column(Engine::Postgresql, "r", &referrer.column));
                let target = self::column(Engine::Postgresql, "t", &referrer.target);
                let refers = format!("EXISTS (SELECT FROM {from} r WHERE {column}::text = {target}::text{stays})");
                found += all[index].hold(client, &refers, &why(&referrer)).await?;
            }
        }
        if found == 0 {
            return Ok(all_found);
        }
        all_found += found;
    }
}

/// ` AND NOT EXISTS ...`: that the row `r` of a table stays; nothing for a table of which all stay.
fn stays(all: &[Going], table: &str) -> String {
    all.iter().find(|going| going.rule.table.name == table).map_or_else(String::new, |going| {
        let same = same_key(&going.rule.table, "gr", "r");
        format!(" AND NOT EXISTS (SELECT FROM {} gr WHERE {same})", going.keys)
    })
}

fn why(referrer: &Referrer) -> String {
    format!("{}.{}.{} refers to it", referrer.database, referrer.table, referrer.column)
}

/// A database that is asked whether it refers to something.
pub(super) struct Asked<'a> {
    pub(super) client: &'a PostgresClient,
    /// What goes there; its references count no more.
    pub(super) going: &'a [Going],
}

/// What another database says of a reference.
pub(super) enum OtherDatabase<'a> {
    Asked(Asked<'a>),
    /// It does not exist, so it refers to nothing.
    Absent,
    Away,
}

/// Takes out what rows of other databases refer to that stay. How many were taken out.
pub(super) async fn ask_others<'a>(
    client: &PostgresClient,
    database: &str,
    all: &mut [Going],
    others: &dyn Fn(&str) -> OtherDatabase<'a>,
) -> Result<u64, Error> {
    let mut found = 0;
    for going in all.iter_mut() {
        for referrer in going.referrers.clone() {
            if referrer.database == database || going.report.goes == 0 {
                continue;
            }
            match others(&referrer.database) {
                OtherDatabase::Absent => {}
                OtherDatabase::Away => {
                    found += going.hold(client, "true", &format!("{} cannot be asked", referrer.database)).await?;
                }
                OtherDatabase::Asked(other) => found += ask(client, going, &referrer, &other).await?,
            }
        }
    }
    Ok(found)
}

/// Value by value in pages, so that neither side holds more than one.
async fn ask(client: &PostgresClient, going: &mut Going, referrer: &Referrer, other: &Asked<'_>) -> Result<u64, Error> {
    let (public, same) = (going.public(), same_key(&going.rule.table, "g", "t"));
    let target = format!("{}::text", column(Engine::Postgresql, "t", &referrer.target));
    let page = format!(
        "SELECT DISTINCT {target} COLLATE \"C\" FROM {} g JOIN {public} t ON {same} \
         WHERE ($1::text IS NULL OR {target} COLLATE \"C\" > $1) AND {target} IS NOT NULL ORDER BY 1 LIMIT {ASKED_AT_ONCE}",
        going.keys
    );
    let refers = format!(
        "SELECT DISTINCT r.{column}::text FROM {table} r WHERE r.{column}::text = ANY($1){stays}",
        column = named(&referrer.column),
        table = self::public(&referrer.table),
        stays = stays(other.going, &referrer.table),
    );
    let hold = format!("DELETE FROM {} g USING {public} t WHERE {same} AND {target} = ANY($1)", going.keys);
    let mut last: Option<String> = None;
    let mut found = 0;
    loop {
        let rows = client.query_typed(&page, &[(&last, Type::TEXT)]).await?;
        let values: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let Some(next) = values.last().cloned() else { return Ok(found) };
        let rows = other.client.query_typed(&refers, &[(&values, Type::TEXT_ARRAY)]).await?;
        let referred: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        if !referred.is_empty() {
            let rows = client.execute_typed(&hold, &[(&referred, Type::TEXT_ARRAY)]).await?;
            going.report.hold(why(referrer), rows);
            found += rows;
        }
        last = Some(next);
    }
}

/// Documents before their parts.
fn documents_first(all: &[Going]) -> Vec<usize> {
    let depth = |going: &Going| {
        let (mut at, mut depth) = (going, 0);
        while let By::Parent { table, .. } = &at.rule.by {
            let Some(document) = all.iter().find(|going| going.rule.table.name == *table) else { break };
            (at, depth) = (document, depth + 1);
        }
        depth
    };
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|index| depth(&all[*index]));
    order
}

/// What refers before what it refers to, so that no foreign key is in the way; a circle is entered anywhere.
pub(super) fn referring_first(database: &str, all: &[Going]) -> Vec<usize> {
    let mut left: Vec<usize> = (0..all.len()).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let is_free = |index: &usize| {
            let referrers = all[*index].referrers.iter().filter(|referrer| referrer.database == database);
            let mut others = referrers.filter(|referrer| referrer.table != all[*index].rule.table.name);
            !others.any(|referrer| left.iter().any(|other| all[*other].rule.table.name == referrer.table))
        };
        let at = left.iter().position(is_free).unwrap_or(0);
        order.push(left.remove(at));
    }
    order
}
