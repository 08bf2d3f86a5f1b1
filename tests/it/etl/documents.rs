//! Roll-ups of the document store: whole days or none, by the plant's own days, with ids that follow from what they say.

use super::{MASTER, OPERATIONS, Plant};
use crate::harness::Harness;
use crate::platform::Platform;
use crate::seeding::{ORDINARY, seeded_in_the_past};
use chrono::{Days, NaiveDate};
use genims_databases::{Environment, Registry};
use genims_etl::bookkeeping::RunKind;
use genims_etl::days::Span;
use genims_etl::run::{Places, Request, run};
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::{Client, Database};
use serde_json::Value;

const HOURS: &str = "hourly_machine_summary";
const DAYS: &str = "daily_production_summary";
const MONTHS: &str = "monthly_financial_summary";
const INTERNAL: &str = "genims_internal";

async fn store(plant: &Plant, database: &str) -> Database {
    Client::with_uri_str(plant.platform.stack.mongodb_url()).await.unwrap().database(database)
}

/// All documents of a collection, by id.
fn documents(plant: &Plant, collection: &str) -> Vec<Document> {
    plant.harness.block_on(async {
        let collection = store(plant, "genims_production").await.collection::<Document>(collection);
        let mut found = collection.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
        let mut all = Vec::new();
        while found.advance().await.unwrap() {
            all.push(found.deserialize_current().unwrap());
        }
        all
    })
}

/// Some fields of a document, those that are not there as a dash.
fn told(document: &Document, fields: &[&str]) -> String {
    let value = |field: &&str| match document.get(field) {
        None => "-".to_owned(),
        Some(Bson::String(text)) => text.clone(),
        Some(Bson::DateTime(at)) => at.to_string()[..10].to_owned(),
        Some(value) => value.to_string(),
    };
    fields.iter().map(value).collect::<Vec<_>>().join(" ")
}

fn midnight(day: NaiveDate) -> DateTime {
    DateTime::from_millis(day.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp_millis())
}

fn staging_collections(plant: &Plant) -> Vec<String> {
    let names = plant.harness.block_on(async { store(plant, INTERNAL).await.list_collection_names().await.unwrap() });
    names.into_iter().filter(|name| name.starts_with("etl_") && name != "etl_swaps").collect()
}

/// By hand, as the report of the same snapshots: a span over midnight is split, and an hour with nothing but a fault is one of silence.
pub(super) fn hours_are_computed(plant: &Plant) {
    plant.days("machine_summary");
    let (day, next) = (plant.day, plant.day + Days::new(1));
    let fields =
        ["_id", "snapshot_count", "running_seconds", "produced", "fault_count", "offline_seconds", "is_complete"];
    let hours: Vec<String> = documents(plant, HOURS).iter().map(|hour| told(hour, &fields)).collect();
    assert_eq!(
        hours,
        [
            format!("M1 {day}T12:00:00Z - - 0 1 3600 true"),
            format!("M1 {day}T23:00:00Z 2 120 10 0 3480 true"),
            format!("M1 {next}T00:00:00Z 2 120 25 0 3120 true"),
        ]
    );
    let last = documents(plant, HOURS).pop().unwrap();
    assert_eq!((last.get_f64("availability").unwrap(), last.get_f64("quality").unwrap()), (0.25, 1.0));
    assert_eq!(plant.days("machine_summary"), 0, "nothing changed");
    plant
        .platform
        .execute(OPERATIONS, "UPDATE machine_faults SET fault_start_time = fault_start_time + interval '1 hour'");
    assert!(plant.days("machine_summary") > 0);
    let ids: Vec<String> = documents(plant, HOURS).iter().map(|hour| told(hour, &["_id"])).collect();
    assert_eq!(ids[0], format!("M1 {day}T13:00:00Z"), "and the hour before is gone: {ids:?}");
    plant
        .platform
        .execute(OPERATIONS, "UPDATE machine_faults SET fault_start_time = fault_start_time - interval '1 hour'");
    plant.days("machine_summary");
    // What retention has taken, or may have, no backfill computes to nothing.
    let (success, told) = plant.etl(&["backfill", "machine_summary", "--from", "2015-01-01", "--to", "2015-01-02"]);
    assert!(success && told[0]["days"] == 0, "{told:?}");
    what_is_below_zero_counts_as_nothing(plant, next);
}

/// A counter that wrapped and a transformer the wrong way round: the hour is stored, as if they had said nothing.
fn what_is_below_zero_counts_as_nothing(plant: &Plant, next: NaiveDate) {
    plant.platform.execute(
        OPERATIONS,
        &format!(
            "INSERT INTO scada_machine_data (machine_id, line_id, factory_id, timestamp, machine_state, parts_produced_cumulative, parts_rejected_shift, \
             energy_consumed_kwh, power_consumption_kw) VALUES ('M1', 'L1', 'F1', '{next} 00:04:00', 'IDLE', 5, 0, 7, 2), \
             ('M1', 'L1', 'F1', '{next} 00:05:00', 'IDLE', -32768, -1, -1, -3.2)"
        ),
    );
    assert!(plant.days("machine_summary") > 0);
    let last = documents(plant, HOURS).pop().unwrap();
    assert_eq!(told(&last, &["snapshot_count", "produced", "rejected"]), "4 25 0");
    assert_eq!((last.get_f64("energy_kwh").unwrap(), last.get_f64("peak_power_kw").unwrap()), (0.0, 2.0));
    plant.platform.execute(OPERATIONS, &format!("DELETE FROM scada_machine_data WHERE timestamp >= '{next} 00:04:00'"));
    plant.days("machine_summary");
}

/// Half past one in Pune is four o'clock of the day before in New York.
pub(super) fn days_are_those_of_the_plant(plant: &Plant) {
    let (day, next) = (plant.day, plant.day + Days::new(1));
    plant.platform.execute(
        OPERATIONS,
        &format!(
            "INSERT INTO production_runs (run_id, line_id, factory_id, product_id, run_start_time, run_end_time, target_quantity, actual_quantity, rejected_quantity) \
             VALUES ('R1', 'L1', 'F1', 'P1', '{day} 20:00', '{day} 22:00', 60, 50, 5)"
        ),
    );
    let fields = ["_id", "timezone", "production_date", "produced", "good_quantity", "planned_quantity", "is_final"];
    let said = |zone: &str, day: NaiveDate| format!("L1 P1 {day}T00:00:00Z {zone} {day} 50 45 60 true");
    for (zone, named, local) in [
        ("'Asia/Kolkata'", "Asia/Kolkata", next),
        ("'America/New_York'", "America/New_York", day),
        ("'Nowhere/Else'", "UTC", day),
        ("NULL", "UTC", day),
    ] {
        plant.platform.execute(MASTER, &format!("UPDATE factories SET timezone = {zone}"));
        plant.days("daily_production");
        let found: Vec<String> = documents(plant, DAYS).iter().map(|one| told(one, &fields)).collect();
        assert_eq!(found, [said(named, local)], "one document, on its day: {zone}");
    }
    // Who typed a quantity below zero takes nothing from the day, and stops nobody's.
    plant.platform.execute(
        OPERATIONS,
        &format!(
            "INSERT INTO production_runs (run_id, line_id, factory_id, product_id, run_start_time, run_end_time, target_quantity, actual_quantity, rejected_quantity, \
             scrapped_quantity, oee_percentage, shift_id) VALUES ('R2', 'L1', 'F1', 'P1', '{day} 22:00', '{day} 23:00', -3, -7, -1, -2, -5, 'S1')"
        ),
    );
    plant.days("daily_production");
    let found: Vec<String> = documents(plant, DAYS)
        .iter()
        .map(|one| told(one, &["run_count", "produced", "good_quantity", "planned_quantity", "availability"]))
        .collect();
    assert_eq!(found, ["2 50 45 60 -"], "and what no run says is not known");
    plant.platform.execute(OPERATIONS, "DELETE FROM production_runs WHERE run_id = 'R2'");
    plant.days("daily_production");
    a_midnight_that_comes_twice_begins_the_day_once(plant);
}

/// In Havana clocks went back at one to midnight, at 05:00 UTC: half past midnight came at 04:30 and at 05:30, both on the same day.
fn a_midnight_that_comes_twice_begins_the_day_once(plant: &Plant) {
    plant.platform.execute(MASTER, "UPDATE factories SET timezone = 'America/Havana'");
    plant.platform.execute(
        OPERATIONS,
        "INSERT INTO production_runs (run_id, line_id, factory_id, product_id, run_start_time, run_end_time, actual_quantity) VALUES \
         ('R3', 'L1', 'F1', 'P1', '2025-11-02 03:30', '2025-11-02 03:45', 1), ('R4', 'L1', 'F1', 'P1', '2025-11-02 04:30', '2025-11-02 04:45', 2), \
         ('R5', 'L1', 'F1', 'P1', '2025-11-02 05:30', '2025-11-02 05:45', 4)",
    );
    let twice: NaiveDate = "2025-11-02".parse().unwrap();
    let compute = || backfill(plant.harness, &plant.platform, "daily_production", twice, twice + Days::new(3));
    let found = || -> Vec<String> {
        let all = documents(plant, DAYS);
        let of_it = all.iter().filter(|one| one.get_datetime("production_date").ok() == Some(&midnight(twice)));
        of_it.map(|one| told(one, &["run_count", "produced"])).collect()
    };
    compute();
    assert_eq!(found(), ["2 6"]);
    plant.platform.execute(OPERATIONS, "DELETE FROM production_runs WHERE run_id IN ('R3', 'R4', 'R5')");
    compute();
    assert_eq!(found(), [""; 0]);
    plant.platform.execute(MASTER, "UPDATE factories SET timezone = NULL");
    plant.days("daily_production");
}

/// A job that loses a run on its way changes nothing, and leaves nothing.
pub(super) fn what_disagrees_is_refused(plant: &Plant) {
    let folder = plant.harness.folder("jobs-of-documents");
    let good = include_str!("../../../config/etl/daily_production.toml");
    let made = "greatest(coalesce(r.actual_quantity, 0), 0) AS produced";
    let bad = good.replace(made, "greatest(coalesce(r.actual_quantity, 0), 0) - 7 AS produced");
    assert_ne!(good, bad);
    std::fs::write(folder.join("daily_production.toml"), bad).unwrap();
    let (folder, day, before) = (folder.display().to_string(), plant.day.to_string(), documents(plant, DAYS));
    let error = plant.failure(&["--jobs", &folder, "backfill", "daily_production", "--from", &day, "--to", &day]);
    assert!(error.contains("does not agree") && error.contains("F1: source 1 50 60, target 1 43 60"), "{error}");
    assert_eq!(documents(plant, DAYS), before);
    assert_eq!(staging_collections(plant), [""; 0]);
    assert_eq!(plant.last_outcome("daily_production", 0), "failed");
}

/// As a run leaves it that is killed when its documents count and are not in their places; one killed before leaves what nobody sees.
pub(super) fn what_counted_is_brought_to_its_place(plant: &Plant) {
    let day = plant.day;
    let mut one = documents(plant, DAYS).remove(0);
    plant.platform.execute(
        MASTER,
        "INSERT INTO genims_internal.etl_runs (run_id, job, kind, outcome) VALUES \
         (990001, 'daily_production', 'manual', 'abandoned'), (990002, 'daily_production', 'manual', 'abandoned')",
    );
    one.insert("scrapped", 3_i64);
    let swap = swap(990_001, day);
    plant.harness.block_on(async {
        let internal = store(plant, INTERNAL).await;
        let staging = |run: i64| internal.collection::<Document>(&format!("etl_{run}_{DAYS}"));
        staging(990_001).insert_one(&one).await.unwrap();
        staging(990_002).insert_one(&one).await.unwrap();
        internal.collection::<Document>("etl_swaps").insert_one(swap).await.unwrap();
        // A document of before, by another hand, under the same day.
        let days = store(plant, "genims_production").await.collection::<Document>(DAYS);
        days.delete_one(doc! { "production_date": midnight(day) }).await.unwrap();
        one.insert("_id", "of another hand");
        days.insert_one(&one).await.unwrap();
    });
    assert_eq!(plant.days("daily_production"), 0);
    let found: Vec<String> = documents(plant, DAYS).iter().map(|one| told(one, &["_id", "scrapped"])).collect();
    assert_eq!(found, [format!("L1 P1 {day}T00:00:00Z 3")]);
    assert_eq!(staging_collections(plant), [""; 0]);
    let (success, report) =
        plant.etl(&["backfill", "daily_production", "--from", &day.to_string(), "--to", &day.to_string()]);
    assert!(success, "{report:?}");
    assert_eq!(told(&documents(plant, DAYS)[0], &["scrapped"]), "-", "computed anew");
}

fn swap(run_id: i64, day: NaiveDate) -> Document {
    doc! {
        "_id": "daily_production", "run_id": run_id, "first": day.to_string(), "last": day.to_string(),
        "tables": [{ "name": DAYS, "window": "production_date" }],
    }
}

/// A swap without its staging collection, as a restored `genims_internal` may have it, and one that the collection refuses: neither empties a
/// day for longer than until the next run, which computes what they covered.
pub(super) fn what_is_gone_takes_no_day_along(plant: &Plant) {
    let (day, of_before) = (plant.day, documents(plant, DAYS).remove(0));
    let swaps = || async { store(plant, INTERNAL).await.collection::<Document>("etl_swaps") };
    plant.harness.block_on(async {
        swaps().await.insert_one(swap(990_003, day)).await.unwrap();
        let days = store(plant, "genims_production").await.collection::<Document>(DAYS);
        let edited = days.update_one(doc! { "production_date": midnight(day) }, doc! { "$set": { "scrapped": 3_i64 } });
        assert_eq!(edited.await.unwrap().modified_count, 1);
    });
    assert!(plant.days("daily_production") > 0);
    let found: Vec<String> = documents(plant, DAYS).iter().map(|one| told(one, &["_id", "scrapped"])).collect();
    assert_eq!(found, [format!("L1 P1 {day}T00:00:00Z -")]);
    plant.harness.block_on(async {
        let staging = store(plant, INTERNAL).await.collection::<Document>(&format!("etl_990002_{DAYS}"));
        let mut refused = of_before.clone();
        refused.insert("produced", -5_i64);
        staging.insert_one(refused).await.unwrap();
        swaps().await.insert_one(swap(990_002, day)).await.unwrap();
    });
    assert!(plant.days("daily_production") > 0);
    assert_eq!(told(&documents(plant, DAYS)[0], &["_id", "produced"]), told(&of_before, &["_id", "produced"]));
    assert_eq!(staging_collections(plant), [""; 0]);
    let left = plant.harness.block_on(async { swaps().await.count_documents(doc! {}).await.unwrap() });
    assert_eq!(left, 0);
}

/// The rule of each collection, a number of it that counts, the field that has its day, and the job that computes it.
const RULES: [[&str; 5]; 3] = [
    ["hourly_summaries_count_what_came", HOURS, "reading_count", "hour_start", "machine_summary"],
    ["daily_summaries_hold_the_runs", DAYS, "produced", "production_date", "daily_production"],
    ["financial_summaries_are_the_balances", MONTHS, "net_income", "period_start", "financial_summary"],
];

/// What a seeding computed agrees with its sources, `genims verify` notices when it does no more, and what it says to do mends it.
pub(super) fn what_is_lost_is_found(harness: &'static Harness) {
    let platform = seeded_in_the_past(harness);
    let ended: NaiveDate = ORDINARY.parse().unwrap();
    let findings = || {
        let output = platform.cli(&["verify", "--module", "production", "--json"], &[]).stdout;
        let verdict: Value = serde_json::from_slice(&output).unwrap();
        let findings = verdict["findings"].as_array().unwrap();
        let finding =
            |rule: &str| findings.iter().find(|finding| finding["rule"] == rule).unwrap_or_else(|| panic!("{rule}"));
        RULES.map(|[rule, ..]| finding(rule).clone())
    };
    let outcomes = || findings().map(|finding| finding["outcome"].as_str().unwrap().to_owned());
    assert_eq!(outcomes(), ["passed"; 3]);
    for (index, [rule, collection, number, window, job]) in RULES.into_iter().enumerate() {
        let filter = match collection {
            // Months that closing leaves alone, and that are over.
            MONTHS => doc! { "factory_id": "ALL", "fiscal_month": { "$lt": 10 } },
            _ => doc! { window: { "$gte": midnight(ended - Days::new(30)) } },
        };
        let changed: NaiveDate = harness.block_on(async {
            let client = Client::with_uri_str(platform.stack.mongodb_url()).await.unwrap();
            let documents = client.database("genims_production").collection::<Document>(collection);
            let first = documents.find_one(filter).sort(doc! { "_id": 1 }).await.unwrap().unwrap();
            let changed = documents.update_one(doc! { "_id": first.get("_id") }, doc! { "$inc": { number: 1 } });
            assert_eq!(changed.await.unwrap().modified_count, 1, "{rule}");
            told(&first, &[window]).parse().unwrap()
        });
        let mut expected = ["passed"; 3];
        expected[index] = "violated";
        assert_eq!(outcomes(), expected, "{rule}");
        let said = findings()[index]["examples"][0]["detail"].as_str().unwrap().to_owned();
        assert!(said.contains(&format!("`genims etl backfill {job} --from DAY --to DAY`")), "{said}");
        backfill(harness, &platform, job, changed, ended);
        assert_eq!(outcomes(), ["passed"; 3], "{rule}");
    }
}

/// As on the day on which the history ends: later some of its days are no longer kept.
fn backfill(harness: &'static Harness, platform: &Platform, job: &str, day: NaiveDate, ended: NaiveDate) {
    let registry = Registry::load(None).unwrap();
    let jobs = genims_etl::job::load(&registry, None).unwrap();
    let places = Places { registry, environment: Environment::from_pairs(platform.variables().iter().cloned()) };
    let now = ended.and_hms_opt(12, 0, 0).unwrap().and_utc();
    let backfill = Some(Span { first: day, last: day });
    let request = Request { kind: RunKind::Backfill, due_at: None, now, backfill };
    let job = genims_etl::job::named(&jobs, job).unwrap();
    assert!(harness.block_on(run(&places, job, request, &|_| ())).unwrap().days > 0);
}
