//! The ledger against what PostgreSQL and its MongoDB mirror really hold.
//!
//! Every batch wrote a ledger row in the same transaction (PostgreSQL) or right behind it (MongoDB). So sums of the ledger
//! are what must be there, counts are what is there, and each difference gets an explanation. The server deletes what has
//! expired in its own time: of a batch whose first document may have expired nothing has to be there any more.

use super::readings;
use super::report::{Finding, LEDGER as FAMILY, Problem};
use super::source::Sources;
use super::{OPERATIONS, PRODUCTION};
use crate::link::{Fields, field, number};
use bson::{Document, doc};
use futures_util::TryStreamExt;
use genims_databases::mongo::INTERNAL_DATABASE;
use genims_model::counted;
use genims_stores::mongo::collections;
use mongodb::Database;
use std::time::Instant;

/// What PostgreSQL's ledger adds up to.
#[derive(Debug, Default)]
struct PostgresLedger {
    batches: i64,
    sensor_rows: i64,
    superseded_rows: i64,
    replaced_rows: i64,
    scada_rows: i64,
    dead_letters: i64,
    refused_rows: i64,
    gaps: i64,
    mixed: i64,
}

const LEDGER: &str = "SELECT coalesce(sum(sensor_rows), 0)::bigint, coalesce(sum(superseded_rows), 0)::bigint,
    coalesce(sum(replaced_rows), 0)::bigint, coalesce(sum(scada_rows), 0)::bigint,
    coalesce(sum(dead_letters), 0)::bigint, coalesce(sum(refused_rows), 0)::bigint,
    count(*) FILTER (WHERE following <> next_offset),
    count(*) FILTER (WHERE next_offset - first_offset
        <> sensor_rows + superseded_rows + scada_rows + events + dead_letters + refused_rows), count(*)
    FROM (SELECT *, lead(first_offset) OVER (PARTITION BY spool_id ORDER BY first_offset) AS following
          FROM genims_internal.ingest_batches) AS batches";

/// Compares both databases with their ledgers and with each other. What one of them cannot be asked is a finding too.
pub(super) async fn check(sources: &Sources) -> Vec<Finding> {
    let started = Instant::now();
    let mut findings = Vec::new();
    let unfinished = |rule, databases: &[&str], problem: &Problem| {
        let mut finding = Finding::new(rule, FAMILY, databases, "The ledger can be compared with what is there");
        finding.unfinished(problem);
        finding
    };
    let ledger = ledger(sources).await;
    match &ledger {
        Ok(ledger) => match postgres_findings(sources, ledger).await {
            Ok(found) => findings.extend(found),
            Err(problem) => findings.push(unfinished("ledger_of_postgres", &[OPERATIONS], &problem)),
        },
        Err(problem) => findings.push(unfinished("ledger_of_postgres", &[OPERATIONS], problem)),
    }
    match mongo(sources, ledger.as_ref().ok()).await {
        Ok(found) => findings.extend(found),
        Err(problem) => findings.push(unfinished("ledger_of_the_mirror", &[PRODUCTION], &problem)),
    }
    let replaced = |ledger: &PostgresLedger| ledger.superseded_rows + ledger.replaced_rows;
    match readings::check(sources, ledger.as_ref().map_or(0, replaced).unsigned_abs()).await {
        Ok(found) => findings.push(found),
        Err(problem) => findings.push(unfinished(readings::RULE, &[OPERATIONS, PRODUCTION], &problem)),
    }
    if let Err(problem) = &ledger {
        findings.push(unfinished("mirror_agrees_with_postgres", &[OPERATIONS, PRODUCTION], problem));
    }
    let share = started.elapsed().as_secs_f64() / findings.len().max(1) as f64;
    findings.iter_mut().for_each(|finding| finding.seconds = share);
    findings
}

async fn ledger(sources: &Sources) -> Result<PostgresLedger, Problem> {
    let mut ledger = PostgresLedger::default();
    let each = &mut |row: Fields<'_>| {
        let sum = |index| field(&row, index).parse().unwrap_or(0);
        ledger = PostgresLedger {
            sensor_rows: sum(0),
            superseded_rows: sum(1),
            replaced_rows: sum(2),
            scada_rows: sum(3),
            dead_letters: sum(4),
            refused_rows: sum(5),
            gaps: sum(6),
            mixed: sum(7),
            batches: sum(8),
        };
    };
    sources.rows(OPERATIONS, LEDGER, each).await?;
    Ok(ledger)
}

async fn postgres_findings(sources: &Sources, ledger: &PostgresLedger) -> Result<Vec<Finding>, Problem> {
    let mut findings = vec![
        none("ledger_has_no_gaps", ledger.batches, ledger.gaps, "each batch begins where the one before it ended"),
        none("ledger_adds_up", ledger.batches, ledger.mixed, "every offset of a batch is in exactly one of its counts"),
    ];
    // A row of dead letters may stand for many, and what was purged is entered beside it.
    let dead_letters = "SELECT coalesce(sum(letters), 0)::bigint FROM (SELECT letters FROM genims_internal.dead_letters
         UNION ALL SELECT letters FROM genims_internal.dead_letters_purged) AS every_one";
    // So is what retention took away.
    let rows = |table: &str| {
        format!(
            "SELECT (SELECT count(*) FROM {table}) + (SELECT coalesce(sum(rows), 0)::bigint
                 FROM genims_internal.purged_rows WHERE table_name = '{table}')"
        )
    };
    let tables = [
        ("sensor_data_holds_the_ledger", rows("sensor_data"), ledger.sensor_rows - ledger.replaced_rows),
        ("scada_machine_data_holds_the_ledger", rows("scada_machine_data"), ledger.scada_rows),
        ("dead_letters_hold_the_ledger", dead_letters.to_owned(), ledger.dead_letters + ledger.refused_rows),
    ];
    for (rule, query, expected) in tables {
        let mut found = 0;
        sources.rows(OPERATIONS, &query, &mut |row| found = number(&row, 0)).await?;
        findings.push(at_least(rule, OPERATIONS, expected, found as i64, "rows that other clients wrote"));
    }
    Ok(findings)
}

/// Without PostgreSQL's ledger, all but the comparison with it.
async fn mongo(sources: &Sources, ledger: Option<&PostgresLedger>) -> Result<Vec<Finding>, Problem> {
    let documents = sources.documents(PRODUCTION)?;
    let database = documents.client.database(documents.settings.database_name());
    let internal = documents.client.database(INTERNAL_DATABASE);
    let found = mongo_findings(&database, &internal, ledger, sources.now_us()).await;
    found.map_err(|error| Problem::Query(documents.settings.error(error).to_string()))
}

async fn mongo_findings(
    database: &Database,
    internal: &Database,
    postgres: Option<&PostgresLedger>,
    now_us: i64,
) -> Result<Vec<Finding>, mongodb::error::Error> {
    let ledger = mongo_ledger(internal, Document::new()).await?;
    let mut findings = Vec::new();
    for series in collections::ALL {
        let oldest = bson::DateTime::from_millis(series.expired_below_us(now_us).div_euclid(1_000));
        let kept = match series.expire_after() {
            Some(_) => doc! { "timestamp_min": { "$not": { "$lt": oldest } } },
            None => Document::new(),
        };
        let kept = sum(&mongo_ledger(internal, kept).await?, series.name);
        let found = database.collection::<Document>(series.name).count_documents(doc! {}).await? as i64;
        findings.push(held(series.name, sum(&ledger, series.name), kept, found));
    }
    let Some(postgres) = postgres else { return Ok(findings) };
    let [mirrored, expired, refused, unknown, not_mirrored] =
        ["sensor_readings", "expired", "refused", "unknown", "not_mirrored"].map(|field| sum(&ledger, field));
    let (expected, found) = (postgres.sensor_rows + postgres.superseded_rows, mirrored + expired + not_mirrored);
    let explanation = match found - expected {
        0 if expired == 0 => "both hold the same readings".to_owned(),
        0 => format!("older than the mirror keeps them: {}", counted(expired, "reading")),
        behind if behind < 0 => format!(
            "the mirror is {} behind ({refused} refused, {unknown} unknown); if a server runs, ask again when its lag is 0",
            -behind
        ),
        ahead => format!("PostgreSQL is {ahead} behind ({} refused there)", postgres.refused_rows),
    };
    // What PostgreSQL refused is in its dead letters, which have a rule of their own; the mirror took it.
    let passed = (expected..=expected + postgres.refused_rows).contains(&found);
    findings.push(compared(
        "mirror_agrees_with_postgres",
        &[OPERATIONS, PRODUCTION],
        expected,
        found,
        passed,
        explanation,
    ));
    Ok(findings)
}

/// What the mirror's ledger adds up to over the batches of the filter.
async fn mongo_ledger(internal: &Database, filter: Document) -> Result<Document, mongodb::error::Error> {
    let fields = [
        "sensor_readings",
        "scada_events",
        "machine_fault_events",
        "oee_metrics",
        "expired",
        "refused",
        "unknown",
        "not_mirrored",
    ];
    let mut group = doc! { "_id": null };
    for field in fields {
        group.insert(field, doc! { "$sum": format!("${field}") });
    }
    let pipeline = [doc! { "$match": filter }, doc! { "$group": group }];
    let mut sums = internal.collection::<Document>("ingest_batches").aggregate(pipeline).await?;
    Ok(sums.try_next().await?.unwrap_or_default())
}

fn sum(ledger: &Document, field: &str) -> i64 {
    ledger.get_i64(field).or_else(|_| ledger.get_i32(field).map(i64::from)).unwrap_or(0)
}

fn none(rule: &str, batches: i64, found: i64, meaning: &str) -> Finding {
    let mut finding = Finding::new(rule, FAMILY, &[OPERATIONS], format!("In the ledger {meaning}"));
    finding.looked_at = batches.unsigned_abs();
    if found > 0 {
        finding.violation("genims_internal.ingest_batches", format!("broken by {}", counted(found, "batch")));
        finding.violations = found.unsigned_abs();
    }
    finding.explanation = meaning.to_owned();
    finding
}

fn at_least(rule: &str, database: &str, expected: i64, found: i64, surplus: &str) -> Finding {
    let explanation = match found - expected {
        0 => "equal".to_owned(),
        more if more > 0 => format!("{more} {surplus}"),
        less => format!("{} are gone: deleted, expired, or lost with a partition", -less),
    };
    compared(rule, &[database], expected, found, found >= expected, explanation)
}

/// A collection against all that was written into it, `written`, and the part of it that cannot have expired, `kept`.
fn held(collection: &str, written: i64, kept: i64, found: i64) -> Finding {
    let rule = format!("{collection}_hold_the_ledger");
    if (kept..written).contains(&found) {
        let explanation = format!("{} have expired", written - found);
        return compared(&rule, &[PRODUCTION], kept, found, true, explanation);
    }
    at_least(&rule, PRODUCTION, written, found, "documents that other clients wrote")
}

fn compared(rule: &str, databases: &[&str], expected: i64, found: i64, passed: bool, explanation: String) -> Finding {
    let mut finding = Finding::new(rule, FAMILY, databases, "What the ledger says was written is there");
    finding.looked_at = found.unsigned_abs();
    if !passed {
        finding.violation(rule, format!("expected {expected}, found {found}"));
        finding.violations = expected.abs_diff(found);
    }
    finding.explanation = explanation;
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_have_expired_may_be_gone() {
        let some = held("sensor_readings", 10, 4, 7);
        assert!(some.passed && some.rule == "sensor_readings_hold_the_ledger" && some.explanation == "3 have expired");
        assert!(held("sensor_readings", 10, 0, 0).passed);
        let lost = held("sensor_readings", 10, 4, 3);
        assert!(!lost.passed && lost.violations == 7, "{lost:?}");
        assert!(!held("machine_fault_events", 10, 10, 9).passed);
    }

    #[test]
    fn fewer_rows_than_the_ledger_says_are_violations_and_more_are_explained() {
        let missing = at_least("r", OPERATIONS, 10, 7, "more");
        assert!(!missing.passed && missing.violations == 3 && missing.explanation.starts_with("3 are gone"));
        let more = at_least("r", OPERATIONS, 7, 10, "rows that other clients wrote");
        assert!(more.passed && more.violations == 0 && more.explanation == "3 rows that other clients wrote");
        assert_eq!(none("r", 5, 2, "m").violations, 2);
    }
}
