//! A group of days: computed, compared with the sources, stored whole or not at all.
//!
//! Enters: a job, snapshots of its sources, the days. Leaves: rows or documents in the target, or an error that says how the two sides
//! differ, and the target as it was.

use crate::bookkeeping::{Done, Lease};
use crate::days::{Placeholders, Span};
use crate::error::EtlError;
use crate::job::{Job, Reconciliation};
use crate::source::SourceDatabase;
use crate::store::DocumentTarget;
use crate::target::TargetDatabase;
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};

/// Differences that a message names.
const SHOWN_MAX: usize = 5;

/// What is computed from.
pub struct Given<'a> {
    pub job: &'a Job,
    pub sources: BTreeMap<String, SourceDatabase>,
    /// In the zone of the job.
    pub today: NaiveDate,
}

impl Given<'_> {
    pub fn source(&self, database: &str) -> Result<&SourceDatabase, EtlError> {
        let none = || EtlError::NoBookkeeping { database: database.to_owned() };
        self.sources.get(database).ok_or_else(none)
    }

    /// SQL of the job for some days.
    fn filled(&self, sql: &str, span: Span) -> String {
        Placeholders { span, zone: self.job.zone, today: self.today }.fill(sql)
    }

    /// Computes the days of a group in MySQL, stores them, and commits if they agree with the sources.
    pub async fn rows(
        &self,
        target: &mut TargetDatabase,
        lease: &Lease,
        span: Span,
        done: &mut Done,
    ) -> Result<(), EtlError> {
        let job = self.job;
        for extract in &job.extracts {
            let what = format!("job {}: extracting {}", job.name, extract.name);
            let rows = self.source(&extract.database)?.rows(&what, &self.filled(&extract.sql, span)).await?;
            done.rows_out += target.stage(&extract.name, &extract.index, rows).await?;
        }
        let mut columns = Vec::new();
        for table in &job.tables {
            columns.push(target.form(table, &self.filled(&table.sql, span)).await?);
        }
        target.begin().await?;
        for (table, columns) in job.tables.iter().zip(&columns) {
            done.rows_in += target.compute(table, columns, &self.filled(&table.sql, span)).await?;
            let window = table.window.as_ref().map(|window| self.filled(window, span));
            target.shift(table, columns, window.as_deref()).await?;
        }
        for made in &job.reconciliations {
            let what = format!("job {}: {}", job.name, made.says);
            let source = self.source(&made.database)?.answers(&what, &self.filled(&made.source, span)).await?;
            let stored = target.answers(&what, &self.filled(&made.target, span)).await?;
            self.agree(made, span, &source, &stored)?;
        }
        lease.hold().await?;
        target.commit().await
    }

    /// Lets a source compute the documents of a group, and swaps them in if they agree with the sources.
    pub async fn documents(
        &self,
        target: &mut DocumentTarget,
        lease: &Lease,
        span: Span,
        done: &mut Done,
    ) -> Result<(), EtlError> {
        let job = self.job;
        let mut lookups = BTreeMap::new();
        for extract in &job.extracts {
            let what = format!("job {}: extracting {}", job.name, extract.name);
            let sql = self.filled(&extract.sql, span);
            let (rows, lookup) = self.source(&extract.database)?.lookup(&what, &sql).await?;
            done.rows_out += rows;
            lookups.insert(extract.name.as_str(), lookup);
        }
        for table in &job.tables {
            let what = format!("job {}: computing {}", job.name, table.name);
            let sql = placed(&self.filled(&table.sql, span), &lookups);
            let source = self.source(table.database.as_deref().unwrap_or_default())?;
            let stored = target.stage(table, source.documents(&what, &sql).await?).await?;
            done.rows_out += stored;
            done.rows_in += stored;
        }
        for made in &job.reconciliations {
            let what = format!("job {}: {}", job.name, made.says);
            let sql = placed(&self.filled(&made.source, span), &lookups);
            let source = self.source(&made.database)?.answers(&what, &sql).await?;
            self.agree(made, span, &source, &target.answers(&what, made).await?)?;
        }
        lease.hold().await?;
        target.swap(&job.tables, span).await
    }

    fn agree(
        &self,
        made: &Reconciliation,
        span: Span,
        source: &BTreeMap<String, String>,
        target: &BTreeMap<String, String>,
    ) -> Result<(), EtlError> {
        let found = differences(source, target, made.tolerance);
        if found.is_empty() {
            return Ok(());
        }
        let more =
            if found.len() > SHOWN_MAX { format!(" and {} more", found.len() - SHOWN_MAX) } else { String::new() };
        let shown: Vec<String> = found.into_iter().take(SHOWN_MAX).collect();
        Err(EtlError::Disagrees {
            job: self.job.name.clone(),
            first: span.first.to_string(),
            last: span.last.to_string(),
            says: made.says.clone(),
            differences: format!("{}{more}", shown.join("; ")),
        })
    }
}

/// SQL in which subqueries stand for the names in braces; in one pass, for their rows may hold braces, too.
fn placed(sql: &str, lookups: &BTreeMap<&str, String>) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some((head, tail)) = rest.split_once('{') {
        out.push_str(head);
        match tail.split_once('}').and_then(|(name, after)| Some((lookups.get(name)?, after))) {
            Some((lookup, after)) => {
                out.push_str(lookup);
                rest = after;
            }
            None => {
                out.push('{');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

/// What one side says and the other does not, each in a few words.
fn differences(source: &BTreeMap<String, String>, target: &BTreeMap<String, String>, tolerance: f64) -> Vec<String> {
    let keys: BTreeSet<&String> = source.keys().chain(target.keys()).collect();
    let differ = keys.into_iter().filter(|key| match (source.get(*key), target.get(*key)) {
        (Some(one), Some(other)) => !same(one, other, tolerance),
        _ => true,
    });
    let side = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
    differ.map(|key| format!("{key}: source {}, target {}", side(source.get(key)), side(target.get(key)))).collect()
}

/// Numbers by their value, else texts.
fn same(one: &str, other: &str, tolerance: f64) -> bool {
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => (one - other).abs() <= tolerance,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_agree_by_value() {
        let side = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let (one, other) = (side(&[("a", "1.50"), ("b", "x")]), side(&[("a", "1.5"), ("b", "x")]));
        assert_eq!(differences(&one, &other, 0.0), [""; 0]);
        let found = differences(&side(&[("a", "1"), ("b", "2")]), &side(&[("a", "1.2"), ("c", "3")]), 0.1);
        assert_eq!(found, ["a: source 1, target 1.2", "b: source 2, target nothing", "c: source nothing, target 3"]);
    }

    #[test]
    fn look_ups_stand_for_the_names_in_braces() {
        let lookups = BTreeMap::from([("a", "(SELECT '{b}')".to_owned()), ("b", "(SELECT 2)".to_owned())]);
        let sql = "SELECT * FROM {a} AS a, {b} AS b WHERE x = '{c}' AND y = '{'";
        assert_eq!(
            placed(sql, &lookups),
            "SELECT * FROM (SELECT '{b}') AS a, (SELECT 2) AS b WHERE x = '{c}' AND y = '{'"
        );
    }
}
