//! MongoDB's roll-ups against their sources, by other means than the jobs that fill them.
//!
//! In: sums over the documents, by the document store itself; the sources' own totals, without days, zones and hours, and the balances of
//! accounts instead of their entries. Out: a finding for each collection. Only what had come before the seeded history ended is
//! compared: what comes later the next run takes, and until then both sides are right.

use super::report::{DOWNSTREAM as FAMILY, Finding, Problem};
use super::source::Sources;
use super::{FINANCIAL, OPERATIONS, PRODUCTION};
use crate::link::{Fields, field};
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use std::collections::HashMap;
use std::time::Instant;

/// Amounts are floating point in documents.
const TOLERANCE: f64 = 0.05;

/// A collection, and what its sums must be.
struct RollUp {
    rule: &'static str,
    says: &'static str,
    collection: &'static str,
    /// The job that fills it.
    job: &'static str,
    source: &'static str,
    /// Keys and numbers.
    sql: &'static str,
    /// Documents of `_id`, the key, and `numbers`.
    stages: fn() -> Vec<Document>,
}

const ROLL_UPS: [RollUp; 3] = [
    RollUp {
        rule: "hourly_summaries_count_what_came",
        says: "The hours of a machine count its readings and snapshots when all of them had come before the history ended",
        collection: "hourly_machine_summary",
        job: "machine_summary",
        source: OPERATIONS,
        sql: "SELECT s.machine_id, concat_ws(' ', r.readings, s.snapshots) FROM
                (SELECT machine_id, count(*) AS snapshots, max(created_at) AS came FROM scada_machine_data GROUP BY machine_id) s
                JOIN (SELECT machine_id, count(*) AS readings, max(created_at) AS came FROM sensor_data GROUP BY machine_id) r
                  ON r.machine_id = s.machine_id
              WHERE greatest(s.came, r.came) <= {seeded}",
        stages: || of_two("$machine_id", ["$reading_count", "$snapshot_count"]),
    },
    RollUp {
        rule: "daily_summaries_hold_the_runs",
        says: "The days of a line hold the parts of its runs, whatever their zone, when all had come before the history ended",
        collection: "daily_production_summary",
        job: "daily_production",
        source: OPERATIONS,
        sql: "SELECT line_id, concat_ws(' ', sum(greatest(coalesce(actual_quantity, 0), 0)), count(*)) FROM production_runs
              GROUP BY line_id HAVING max(greatest(created_at, updated_at)) <= {seeded}",
        stages: || of_two("$line_id", ["$produced", "$run_count"]),
    },
    RollUp {
        rule: "financial_summaries_are_the_balances",
        says: "The result of a fiscal month is what the balances of its accounts say, but of the last, which closing empties",
        collection: "monthly_financial_summary",
        job: "financial_summary",
        source: FINANCIAL,
        sql: "SELECT b.fiscal_year || '-' || b.fiscal_period, sum(coalesce(b.period_credit, 0) - coalesce(b.period_debit, 0))
              FROM account_balances b JOIN chart_of_accounts a ON a.account_id = b.account_id
              JOIN fiscal_periods p ON p.fiscal_year = b.fiscal_year AND p.period_number = b.fiscal_period
              WHERE a.account_type IN ('revenue', 'expense') AND b.cost_center_id IS NULL AND b.fiscal_period < 12 AND p.end_date < {seeded}
              GROUP BY b.fiscal_year, b.fiscal_period HAVING sum(coalesce(b.period_credit, 0) - coalesce(b.period_debit, 0)) <> 0",
        stages: || {
            let month = doc! { "$concat": [{ "$toString": "$fiscal_year" }, "-", { "$toString": "$fiscal_month" }] };
            let sums = doc! { "$group": { "_id": month, "net": { "$sum": "$net_income" } } };
            vec![doc! { "$match": { "factory_id": "ALL" } }, sums, doc! { "$project": { "numbers": ["$net"] } }]
        },
    },
];

fn of_two(key: &str, [one, other]: [&str; 2]) -> Vec<Document> {
    let sums = doc! { "$group": { "_id": key, "one": { "$sum": one }, "other": { "$sum": other } } };
    vec![sums, doc! { "$project": { "numbers": ["$one", "$other"] } }]
}

pub(super) async fn check(sources: &Sources) -> Vec<Finding> {
    let mut findings = Vec::new();
    for roll_up in &ROLL_UPS {
        let started = Instant::now();
        let mut finding = Finding::new(roll_up.rule, FAMILY, &[PRODUCTION, roll_up.source], roll_up.says);
        if let Err(problem) = compare(sources, roll_up, &mut finding).await {
            finding.unfinished(&problem);
        }
        finding.seconds = started.elapsed().as_secs_f64();
        findings.push(finding);
    }
    findings
}

async fn compare(sources: &Sources, roll_up: &RollUp, finding: &mut Finding) -> Result<(), Problem> {
    let documents = documents(sources, roll_up).await?;
    let each = &mut |row: Fields<'_>| {
        finding.looked_at += 1;
        let (key, wanted) = (field(&row, 0), numbers(field(&row, 1)));
        let found = documents.get(key).map_or(&[][..], Vec::as_slice);
        if !same(&wanted, found) {
            // An ordinary run takes what changed in the sources: of documents that are lost it knows nothing.
            let remedy = format!("run `genims etl backfill {} --from DAY --to DAY` over its days", roll_up.job);
            finding.violation(key, format!("source {wanted:?}, documents {found:?}: {remedy}"));
        }
    };
    sources.rule_rows(roll_up.source, roll_up.sql, each).await
}

async fn documents(sources: &Sources, roll_up: &RollUp) -> Result<HashMap<String, Vec<f64>>, Problem> {
    let store = sources.documents(PRODUCTION)?;
    let failed = |error| Problem::Query(store.settings.error(error).to_string());
    let database = store.client.database(store.settings.database_name());
    let found = database.collection::<Document>(roll_up.collection).aggregate((roll_up.stages)()).await;
    let found: Vec<Document> = found.map_err(failed)?.try_collect().await.map_err(failed)?;
    let sums = |document: &Document| {
        let key = document.get_str("_id").ok()?.to_owned();
        Some((key, document.get_array("numbers").ok()?.iter().filter_map(number).collect()))
    };
    Ok(found.iter().filter_map(sums).collect())
}

fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Double(number) => Some(*number),
        Bson::Int32(number) => Some(f64::from(*number)),
        Bson::Int64(number) => Some(*number as f64),
        _ => None,
    }
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(' ').filter_map(|number| number.parse().ok()).collect()
}

fn same(one: &[f64], other: &[f64]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| (one - other).abs() <= TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_compared_as_numbers() {
        assert_eq!(numbers("12 3.50"), [12.0, 3.5]);
        assert!(same(&numbers("12 3.50"), &[12.0, 3.51]));
        assert!(!same(&numbers("12 3.50"), &[12.0]) && !same(&numbers("12"), &[13.0]) && !same(&numbers("1"), &[]));
        assert_eq!([Bson::Int32(1), Bson::Int64(2), Bson::Null].iter().filter_map(number).sum::<f64>(), 3.0);
    }

    #[test]
    fn every_collection_of_a_roll_up_is_of_the_contract() {
        let registry = genims_databases::Registry::load(None).expect("the embedded registry");
        let database = registry.get(PRODUCTION).expect("in the registry");
        let files: Vec<&str> = genims_databases::schema::files(database).into_iter().map(|file| file.name).collect();
        for roll_up in &ROLL_UPS {
            assert!(files.iter().any(|file| file.contains(roll_up.collection)), "{}: {files:?}", roll_up.collection);
            assert_eq!((roll_up.stages)().last().map(|stage| stage.contains_key("$project")), Some(true));
        }
    }
}
