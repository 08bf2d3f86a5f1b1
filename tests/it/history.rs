//! The operations history into real databases: once, however often it is begun, killed and repeated.

use crate::harness::{Harness, PrivateStack, connect_postgres};
use crate::platform::let_expire;
use crate::server::Plant;
use genims_databases::{Environment, MongoSettings, PostgresSettings, Registry};
use genims_dev::Server;
use genims_platform::verify;
use genims_seed::Scale;
use genims_seed::history::{
    HistoryParameters, HistoryProgress, HistorySummary, PlantHistory, Written, load_history, simulate, stored_history,
};
use libtest_mimic::Trial;
use mongodb::bson::{Document, doc};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("history::a_killed_run_goes_on_and_a_second_one_changes_nothing", killed_and_repeated),
        harness.trial("history::the_small_scale_is_loaded_in_seconds", small_scale),
        harness.trial("history::faults_of_live_traffic_are_never_overwritten", live_faults_stay),
        harness.trial("history::a_detached_partition_gets_no_more_rows", detached_under_load),
    ]
}

/// Servers of its own: the mirror's ledger is one for a whole server.
struct Place {
    _stack: PrivateStack,
    environment: Environment,
    postgres: PostgresSettings,
    postgres_url: String,
    mongodb: MongoSettings,
}

impl Place {
    fn new(harness: &'static Harness) -> Self {
        let stack = Plant::servers(harness, &[Server::Postgres, Server::Mongodb]);
        harness.block_on(let_expire(&stack, false));
        let (url, mongodb_url) = (stack.postgres_url("genims_operations_db"), stack.mongodb_url());
        let variables = [("GENIMS_OPERATIONS_DB_URL", url.as_str()), ("GENIMS_MONGODB_URL", mongodb_url.as_str())];
        let environment = Environment::from_pairs(variables);
        let registry = Registry::load(None).unwrap();
        let of = |name: &str| registry.get(name).unwrap();
        let postgres = PostgresSettings::from_environment(of("operations"), &environment).unwrap();
        let mongodb = MongoSettings::from_environment(of("production"), &environment).unwrap();
        Self { environment, postgres, postgres_url: url, mongodb, _stack: stack }
    }

    async fn load(&self, history: &Arc<PlantHistory>) -> HistorySummary {
        load_history(history, Some(&self.postgres), Some(&self.mongodb), &|_| {}).await.unwrap()
    }

    async fn number(&self, query: &str) -> i64 {
        connect_postgres(&self.postgres_url).await.query_one(query, &[]).await.unwrap().get(0)
    }

    /// Everything that was written, in one line.
    async fn digest(&self) -> String {
        let query = "SELECT concat_ws(' ',
            (SELECT concat_ws(':', count(*), sum(measurement_value), sum(avg_value_1min), sum(anomaly_score)) FROM sensor_data),
            (SELECT concat_ws(':', count(*), sum(energy_consumed_kwh)) FROM scada_machine_data),
            (SELECT md5(string_agg(t::text, '|' ORDER BY fault_id)) FROM machine_faults t),
            (SELECT concat_ws(':', count(*), sum(health_score), max(created_at)) FROM sensor_health),
            (SELECT concat_ws(':', count(*), max(committed_at)) FROM genims_internal.ingest_batches),
            (SELECT string_agg(t::text, '|' ORDER BY name) FROM genims_internal.seed_history t))";
        let digest: String = connect_postgres(&self.postgres_url).await.query_one(query, &[]).await.unwrap().get(0);
        let client = self.mongodb.client().await.unwrap();
        let mirror = client.database(self.mongodb.database_name());
        let mut counts = Vec::new();
        for name in ["sensor_readings", "scada_events", "machine_fault_events", "oee_metrics"] {
            counts.push(mirror.collection::<Document>(name).count_documents(doc! {}).await.unwrap());
        }
        format!("{digest} {counts:?}")
    }

    async fn verified(&self) {
        let options =
            verify::VerifyOptions { module: Some(verify::LEDGER_MODULE.to_owned()), rules: None, as_of: None };
        let registry = Registry::load(None).unwrap();
        let verdict = verify::run(&registry, &self.environment, &options, &|_| {}).await.unwrap();
        assert!(verdict.passed, "{verdict:#?}");
    }

    /// Mean value per sensor, from both sides.
    async fn mirror_is_equal(&self) {
        let client = self.mongodb.client().await.unwrap();
        let readings = client.database(self.mongodb.database_name()).collection::<Document>("sensor_readings");
        let group = doc! { "$group": { "_id": null, "sum": { "$sum": "$value" }, "ids": { "$sum": 1 } } };
        let mut sums = readings.aggregate([group]).await.unwrap();
        assert!(sums.advance().await.unwrap());
        let mirrored = sums.deserialize_current().unwrap();
        let row = connect_postgres(&self.postgres_url).await;
        let row = row.query_one("SELECT sum(measurement_value)::float8, count(*) FROM sensor_data", &[]).await.unwrap();
        let (sum, count): (f64, i64) = (row.get(0), row.get(1));
        assert_eq!(i64::from(mirrored.get_i32("ids").unwrap()), count);
        assert!((mirrored.get_f64("sum").unwrap() - sum).abs() < 1e-6 * sum.abs());
    }
}

/// It ends on a fixed day, so that all runs load the same.
fn history(days: u32, seed: u64) -> Arc<PlantHistory> {
    let today = chrono::NaiveDate::from_ymd_opt(2026, 2, 11).unwrap().to_epoch_days();
    simulate(HistoryParameters { days, ..HistoryParameters::new(Scale::Small, seed, today) }).unwrap()
}

fn killed_and_repeated(harness: &'static Harness) {
    let place = Place::new(harness);
    let history = history(1, 1);
    harness.block_on(async {
        for _ in 0..2 {
            // Dropped while the group behind the one just written is on its way.
            let written = Notify::new();
            let progress = |_: HistoryProgress| written.notify_one();
            tokio::select! {
                _ = load_history(&history, Some(&place.postgres), Some(&place.mongodb), &progress) => panic!("too fast to kill"),
                () = async { written.notified().await; tokio::time::sleep(std::time::Duration::from_millis(150)).await } => {}
            }
        }
        let part = place.number("SELECT count(*) FROM sensor_data").await;
        place.load(&history).await;
        let whole = place.number("SELECT count(*) FROM sensor_data").await;
        assert!(0 < part && part < whole, "{part} of {whole}");
        assert!(whole >= 144 * 1_770, "{whole}");
        let (faults, last) = ("SELECT count(*) FROM machine_faults", "SELECT max(fault_id) FROM machine_faults");
        assert!(place.number(faults).await >= 15);
        assert_eq!(place.number(faults).await, place.number(last).await, "ids from 1 in order");
        assert_eq!(place.number("SELECT count(*) FROM genims_partitions.sensor_data_default").await, 0);
        place.verified().await;
        place.mirror_is_equal().await;
        let before = place.digest().await;
        let again = place.load(&history).await;
        assert_eq!((again.postgres, again.mongodb), (Written::default(), Written::default()));
        assert_eq!(place.digest().await, before);
        assert_eq!(stored_history(&place.postgres).await.unwrap(), Some(history.parameters));
        let other = self::history(1, 2);
        let refused = load_history(&other, Some(&place.postgres), None, &|_| {}).await.unwrap_err().to_string();
        assert!(refused.contains("another history"), "{refused}");
        assert_eq!(place.digest().await, before);
    });
}

fn small_scale(harness: &'static Harness) {
    let place = Place::new(harness);
    let history = history(2, 1);
    harness.block_on(async {
        let begun = Instant::now();
        let summary = place.load(&history).await;
        let seconds = begun.elapsed().as_secs_f64();
        let records = summary.postgres.readings + summary.postgres.snapshots + summary.postgres.events;
        println!("{records} records, {seconds:.1} s: {:.0} records/s into both", records as f64 / seconds);
        println!("{:?}\n{:?}", summary.postgres, summary.mongodb);
        for table in ["sensor_data", "scada_machine_data", "sensor_health", "machine_faults"] {
            let bytes =
                "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r' AND relname ~";
            let bytes = place.number(&format!("{bytes} '^{table}(_2.*)?$'")).await;
            let rows = place.number(&format!("SELECT count(*) FROM {table}")).await;
            println!("{table}: {rows} rows, {:.0} bytes each with indexes", bytes as f64 / rows as f64);
        }
        assert!(place.number("SELECT count(*) FROM machine_faults").await >= 30);
        assert!(place.number("SELECT count(*) FROM machine_faults WHERE status = 'open'").await >= 3);
        place.verified().await;
        place.mirror_is_equal().await;
    });
}

fn live_faults_stay(harness: &'static Harness) {
    let place = Place::new(harness);
    let history = history(1, 1);
    harness.block_on(async {
        let live = "INSERT INTO machine_faults (machine_id, line_id, factory_id, fault_code, fault_start_time)
             VALUES ('M', 'L', 'F', 'E1', now())";
        connect_postgres(&place.postgres_url).await.batch_execute(live).await.unwrap();
        let refused = load_history(&history, Some(&place.postgres), None, &|_| {}).await.unwrap_err().to_string();
        assert!(refused.contains("live traffic"), "{refused}");
        assert_eq!(place.number("SELECT count(*) FROM machine_faults").await, 1);
        assert_eq!(place.number("SELECT count(*) FROM sensor_data").await, 0);
    });
}

/// Detached between two groups: what comes later is where the table shows it.
fn detached_under_load(harness: &'static Harness) {
    let place = Place::new(harness);
    let history = history(1, 1);
    harness.block_on(async {
        let written = Notify::new();
        let progress = |_: HistoryProgress| written.notify_one();
        let detached = "SELECT count(*) FROM genims_partitions.sensor_data_20260210";
        let detach = async {
            written.notified().await;
            let client = connect_postgres(&place.postgres_url).await;
            let command = "ALTER TABLE sensor_data DETACH PARTITION genims_partitions.sensor_data_20260210";
            client.batch_execute(command).await.unwrap();
            place.number(detached).await
        };
        let load = load_history(&history, Some(&place.postgres), None, &progress);
        let (summary, before) = tokio::join!(load, detach);
        let (shown, after) = (place.number("SELECT count(*) FROM sensor_data").await, place.number(detached).await);
        assert!(before > 0 && shown > 0, "{before} rows before it was detached, {shown} after");
        assert_eq!(before, after, "rows went into a table that nobody sees");
        assert_eq!(shown + after, summary.unwrap().postgres.readings as i64);
    });
}
