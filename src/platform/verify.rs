//! The ledger against what the databases really hold: `genims verify`.
//!
//! Every batch wrote a ledger row in the same transaction (PostgreSQL) or right behind it (MongoDB). So sums of the ledger
//! are what must be there, counts are what is there, and each difference gets an explanation.

use crate::databases::errors::DatabaseError;
use crate::databases::{MongoSettings, PostgresSettings};
use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::Serialize;
use tokio_postgres::Client;

/// Where the MongoDB ledger is.
const INTERNAL_DATABASE: &str = "genims_internal";

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub rule: &'static str,
    /// What the ledger says.
    pub expected: i64,
    /// What is there.
    pub found: i64,
    pub passed: bool,
    pub explanation: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub passed: bool,
    pub findings: Vec<Finding>,
}

/// What PostgreSQL's ledger adds up to.
#[derive(Debug, Default)]
struct PostgresLedger {
    sensor_rows: i64,
    superseded_rows: i64,
    replaced_rows: i64,
    scada_rows: i64,
    letters: i64,
    refused_rows: i64,
    gaps: i64,
    mixed: i64,
}

const LEDGER: &str = "SELECT coalesce(sum(sensor_rows), 0)::bigint, coalesce(sum(superseded_rows), 0)::bigint,
    coalesce(sum(replaced_rows), 0)::bigint, coalesce(sum(scada_rows), 0)::bigint,
    coalesce(sum(dead_letters), 0)::bigint, coalesce(sum(refused_rows), 0)::bigint,
    count(*) FILTER (WHERE following <> next_offset),
    count(*) FILTER (WHERE next_offset - first_offset
        <> sensor_rows + superseded_rows + scada_rows + events + dead_letters + refused_rows)
    FROM (SELECT *, lead(first_offset) OVER (PARTITION BY spool_id ORDER BY first_offset) AS following
          FROM genims_internal.ingest_batches) AS batches";

/// Compares both databases with their ledgers and with each other.
pub async fn run(postgres: &PostgresSettings, mongodb: &MongoSettings) -> Result<Verdict, DatabaseError> {
    let client = postgres.connect().await?;
    let of_postgres = |error| postgres.error(error);
    let ledger = ledger(&client).await.map_err(of_postgres)?;
    let mut findings = postgres_findings(&client, &ledger).await.map_err(of_postgres)?;
    let mongo = mongodb.client().await?;
    let database = mongo.database(mongodb.database_name());
    let internal = mongo.database(INTERNAL_DATABASE);
    findings.extend(mongo_findings(&database, &internal, &ledger).await.map_err(|error| mongodb.error(error))?);
    Ok(Verdict { passed: findings.iter().all(|finding| finding.passed), findings })
}

async fn ledger(client: &Client) -> Result<PostgresLedger, tokio_postgres::Error> {
    let row = client.query_one(LEDGER, &[]).await?;
    Ok(PostgresLedger {
        sensor_rows: row.get(0),
        superseded_rows: row.get(1),
        replaced_rows: row.get(2),
        scada_rows: row.get(3),
        letters: row.get(4),
        refused_rows: row.get(5),
        gaps: row.get(6),
        mixed: row.get(7),
    })
}

async fn postgres_findings(client: &Client, ledger: &PostgresLedger) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let mut findings = vec![
        none("ledger_has_no_gaps", ledger.gaps, "each batch begins where the one before it ended"),
        none("ledger_adds_up", ledger.mixed, "every offset of a batch is in exactly one of its counts"),
    ];
    let tables = [
        ("sensor_data_holds_the_ledger", "sensor_data", ledger.sensor_rows - ledger.replaced_rows),
        ("scada_machine_data_holds_the_ledger", "scada_machine_data", ledger.scada_rows),
        ("dead_letters_hold_the_ledger", "genims_internal.dead_letters", ledger.letters + ledger.refused_rows),
    ];
    for (rule, table, expected) in tables {
        // Table names are the constants above.
        let found: i64 = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await?.get(0);
        findings.push(at_least(rule, expected, found, "rows that other clients wrote"));
    }
    Ok(findings)
}

async fn mongo_findings(
    database: &Database,
    internal: &Database,
    postgres: &PostgresLedger,
) -> Result<Vec<Finding>, mongodb::error::Error> {
    let ledger = mongo_ledger(internal).await?;
    let mut findings = Vec::new();
    for (rule, collection) in [
        ("sensor_readings_hold_the_ledger", "sensor_readings"),
        ("scada_events_hold_the_ledger", "scada_events"),
        ("machine_fault_events_hold_the_ledger", "machine_fault_events"),
        ("oee_metrics_hold_the_ledger", "oee_metrics"),
    ] {
        let found = database.collection::<Document>(collection).count_documents(doc! {}).await? as i64;
        findings.push(at_least(rule, sum(&ledger, collection), found, "documents that other clients wrote"));
    }
    let [mirrored, expired, refused, unknown] =
        ["sensor_readings", "expired", "refused", "unknown"].map(|field| sum(&ledger, field));
    let (expected, found) = (postgres.sensor_rows + postgres.superseded_rows, mirrored + expired);
    let explanation = match found - expected {
        0 if expired == 0 => "both hold the same readings".to_owned(),
        0 => format!("{expired} readings are older than the mirror keeps them"),
        behind if behind < 0 => format!(
            "the mirror is {} behind ({refused} refused, {unknown} unknown); if a server runs, ask again when its lag is 0",
            -behind
        ),
        ahead => format!("PostgreSQL is {ahead} behind ({} refused there)", postgres.refused_rows),
    };
    // What PostgreSQL refused is in its dead letters, which have a rule of their own; the mirror took it.
    let passed = (expected..=expected + postgres.refused_rows).contains(&found);
    findings.push(Finding { rule: "mirror_agrees_with_postgres", expected, found, passed, explanation });
    Ok(findings)
}

async fn mongo_ledger(internal: &Database) -> Result<Document, mongodb::error::Error> {
    let fields =
        ["sensor_readings", "scada_events", "machine_fault_events", "oee_metrics", "expired", "refused", "unknown"];
    let mut group = doc! { "_id": null };
    for field in fields {
        group.insert(field, doc! { "$sum": format!("${field}") });
    }
    let pipeline = [doc! { "$group": group }];
    let mut sums = internal.collection::<Document>("ingest_batches").aggregate(pipeline).await?;
    Ok(sums.try_next().await?.unwrap_or_default())
}

fn sum(ledger: &Document, field: &str) -> i64 {
    ledger.get_i64(field).or_else(|_| ledger.get_i32(field).map(i64::from)).unwrap_or(0)
}

fn none(rule: &'static str, found: i64, meaning: &str) -> Finding {
    let explanation = if found == 0 { meaning.to_owned() } else { format!("{found} batches break it: {meaning}") };
    Finding { rule, expected: 0, found, passed: found == 0, explanation }
}

fn at_least(rule: &'static str, expected: i64, found: i64, surplus: &str) -> Finding {
    let explanation = match found - expected {
        0 => "equal".to_owned(),
        more if more > 0 => format!("{more} {surplus}"),
        less => format!("{} are gone: deleted, expired, or lost with a partition", -less),
    };
    Finding { rule, expected, found, passed: found >= expected, explanation }
}
