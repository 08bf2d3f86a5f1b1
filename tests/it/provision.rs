//! Provisioning on real servers: the contract holds, runs can be repeated, killed and doubled, drift shows.

use crate::harness::{Harness, connect_postgres, write_env};
use crate::running::today_with_room;
use genims_databases::{Environment, Registry, partitions, schema};
use genims_platform::provision::{self, Mode, ProvisionOptions, ProvisionReport, ProvisionStatus};
use libtest_mimic::Trial;
use mongodb::bson::doc;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("provision::the_tables_are_those_of_the_contract", the_tables_are_those_of_the_contract),
        harness.trial("provision::existing_clients_insert_and_select", existing_clients_insert_and_select),
        harness.trial("provision::a_second_run_changes_nothing", a_second_run_changes_nothing),
        harness.trial("provision::two_runs_at_once_both_succeed", two_runs_at_once_both_succeed),
        harness.trial("provision::a_killed_run_is_simply_run_again", a_killed_run_is_simply_run_again),
        harness.trial("provision::drift_is_reported_and_ends_with_one", drift_is_reported_and_ends_with_one),
        harness.trial("provision::a_database_that_is_down_stops_no_other", a_database_that_is_down_stops_no_other),
        harness.trial("provision::nobody_is_refused_while_a_day_is_made", nobody_is_refused_while_a_day_is_made),
        harness.trial("provision::rows_of_unmade_days_move_into_their_partition", rows_of_unmade_days_move),
        harness
            .trial("provision::time_series_options_are_mended_or_reported", time_series_options_are_mended_or_reported),
    ]
}

/// The command that provisions the databases of the stream.
pub(crate) const STREAM: [&str; 7] = ["provision", "--only", "master", "--only", "operations", "--only", "production"];

/// The three databases of the stream, under names of one test's own.
pub(crate) struct Platform {
    pub(crate) master: String,
    pub(crate) operations: String,
    mongodb: String,
    mongodb_database: mongodb::Database,
}

impl Platform {
    pub(crate) fn new(harness: &'static Harness) -> Self {
        let stack = harness.stack();
        let mongodb_database = harness.mongodb_database(stack);
        Self {
            master: stack.postgres_url(&harness.unique("master")),
            operations: stack.postgres_url(&harness.unique("operations")),
            mongodb: stack.mongodb_url().replacen("/?", &format!("/{}?", mongodb_database.name()), 1),
            mongodb_database,
        }
    }

    fn variables(&self) -> [(&'static str, &str); 3] {
        [
            ("GENIMS_MASTER_DB_URL", self.master.as_str()),
            ("GENIMS_OPERATIONS_DB_URL", self.operations.as_str()),
            ("GENIMS_MONGODB_URL", self.mongodb.as_str()),
        ]
    }

    pub(crate) fn environment(&self) -> Environment {
        Environment::from_pairs(self.variables())
    }

    /// A `.env` for the binary that runs in `folder`.
    pub(crate) fn write_env(&self, folder: &Path) {
        let lines: Vec<String> = self.variables().iter().map(|(name, value)| format!("{name}='{value}'")).collect();
        write_env(&folder.join(".env"), lines.join("\n"));
    }

    async fn provision(&self, mode: Mode) -> ProvisionReport {
        provision_with(&self.environment(), &MODULES, mode).await
    }

    /// For tests that seed or read master data: the other two hold nothing of it.
    pub(crate) async fn provision_master(&self) {
        assert!(provision_with(&self.environment(), &MODULES[..1], Mode::Apply).await.ok());
    }
}

const MODULES: [&str; 3] = ["master", "operations", "production"];

async fn provision_with(environment: &Environment, modules: &[&str], mode: Mode) -> ProvisionReport {
    let registry = Registry::load(None).unwrap();
    let only = modules.iter().map(|module| (*module).to_owned()).collect();
    provision::run(&registry, environment, &ProvisionOptions { only, mode }, &|_| {}).await.unwrap()
}

fn changes(report: &ProvisionReport) -> Vec<&String> {
    report.databases.iter().flat_map(|database| &database.changes).collect()
}

/// What keeps a report from being good, in few words.
fn problems(report: &ProvisionReport) -> Vec<&String> {
    report.databases.iter().flat_map(|database| database.drift.iter().chain(&database.error)).collect()
}

fn drift(report: &ProvisionReport) -> Vec<&String> {
    report.databases.iter().flat_map(|database| &database.drift).collect()
}

/// The facts of the contract for both databases: `table;position;column;type;nullable;default`.
fn contract(database: &str) -> BTreeSet<String> {
    let lines = include_str!("contract.csv").lines().skip(1);
    lines.filter_map(|line| line.strip_prefix(database)?.strip_prefix(';')).map(as_postgres_says_it).collect()
}

fn as_postgres_says_it(line: &str) -> String {
    let [table, position, column, kind, nullable, default] = line.split(';').collect::<Vec<_>>()[..] else {
        panic!("not a line of the contract: {line}");
    };
    let serial = kind == "BIGSERIAL";
    let kind = match kind {
        "BIGSERIAL" => "bigint".to_owned(),
        "TIMESTAMP" => "timestamp without time zone".to_owned(),
        "TIME" => "time without time zone".to_owned(),
        other => other.to_lowercase().replace("varchar", "character varying").replace("decimal", "numeric"),
    };
    let default = match default {
        "" if serial => format!("nextval('{table}_{column}_seq'::regclass)"),
        text if text.starts_with('\'') => format!("{text}::character varying"),
        other => other.to_owned(),
    };
    format!("{table};{position};{column};{kind};{nullable};{default}")
}

fn the_tables_are_those_of_the_contract(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        assert!(platform.provision(Mode::Apply).await.ok());
        for (url, database) in [(&platform.master, "genims_master_db"), (&platform.operations, "genims_operations_db")]
        {
            assert_contract(&connect_postgres(url).await, database).await;
        }
    });
}

/// Every table that existing clients know has exactly the columns they know.
pub(crate) async fn assert_contract(client: &tokio_postgres::Client, database: &str) {
    let expected = contract(database);
    assert!(expected.len() > 100, "{database}");
    let tables: BTreeSet<&str> = expected.iter().filter_map(|line| line.split(';').next()).collect();
    let rows = client
        .query(
            "SELECT concat_ws(';', t.table_name, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), \
             NOT a.attnotnull, coalesce(pg_get_expr(d.adbin, d.adrelid), '')) \
             FROM information_schema.tables t \
             JOIN pg_attribute a ON a.attrelid = format('public.%I', t.table_name)::regclass AND a.attnum > 0 \
             LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
             WHERE t.table_schema = 'public' AND t.table_type = 'BASE TABLE'",
            &[],
        )
        .await
        .unwrap();
    let lines = rows.iter().map(|row| row.get::<_, String>(0).replace(";t;", ";true;").replace(";f;", ";false;"));
    // Tables that only the platform knows have no clients yet.
    let found: BTreeSet<String> =
        lines.filter(|line| tables.contains(line.split(';').next().unwrap_or_default())).collect();
    let difference: Vec<_> = expected.symmetric_difference(&found).collect();
    assert!(difference.is_empty(), "{database}: {difference:#?}");
    let row = client.query_one("SELECT current_setting('timezone')", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "UTC");
}

fn existing_clients_insert_and_select(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        assert!(platform.provision(Mode::Apply).await.ok());
        let client = connect_postgres(&platform.operations).await;
        // With the defaults left out, on days recent, far back and far ahead.
        for timestamp in ["now()", "now() - interval '80 days'", "'2014-05-05 05:05'", "'2099-01-01'"] {
            let insert = format!(
                "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, timestamp, measurement_value, \
                 measurement_unit) VALUES ('S', 'M', 'L', 'F', {timestamp}, 21.5, 'C'); \
                 INSERT INTO scada_machine_data (machine_id, line_id, factory_id, timestamp, machine_state) \
                 VALUES ('M', 'L', 'F', {timestamp}, 'running')"
            );
            client.batch_execute(&insert).await.unwrap();
        }
        // With every column, the id from the sequence under the name that BIGSERIAL gave it.
        client
            .batch_execute(
                "INSERT INTO sensor_data VALUES (nextval('sensor_data_sensor_data_id_seq'), 'S', 'M', 'L', 'F', now(), 1, \
                 'C', 'normal', 'good', false, false, false, false, 1, 1, 1, 0, 0.1, false, 'IoT', 'mqtt', now()); \
                 INSERT INTO machine_faults (machine_id, line_id, factory_id, fault_code, fault_start_time) \
                 VALUES ('M', 'L', 'F', 'E1', now()); \
                 INSERT INTO sensor_health (sensor_id, machine_id, timestamp) VALUES ('S', 'M', now()); \
                 INSERT INTO production_runs (run_id, line_id, factory_id, product_id, run_start_time) \
                 VALUES ('R', 'L', 'F', 'P', now()); \
                 INSERT INTO maintenance_events (maintenance_id, machine_id, line_id, factory_id) VALUES ('X', 'M', 'L', 'F')",
            )
            .await
            .unwrap();
        let row = client
            .query_one(
                "SELECT count(*), count(DISTINCT sensor_data_id), min(status), max(data_source), \
                 pg_get_serial_sequence('sensor_data', 'sensor_data_id') FROM sensor_data WHERE sensor_id = 'S'",
                &[],
            )
            .await
            .unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (5, 5));
        assert_eq!((row.get::<_, &str>(2), row.get::<_, &str>(3)), ("normal", "IoT"));
        assert_eq!(row.get::<_, &str>(4), "public.sensor_data_sensor_data_id_seq");
        let row = client.query_one("SELECT fault_id, status FROM machine_faults", &[]).await.unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (1, "open"));
    });
}

/// Files of the two relational databases of the stream.
fn migrations() -> usize {
    let registry = Registry::load(None).unwrap();
    let files = |name: &str| schema::files(registry.get(name).unwrap()).len();
    files("master") + files("operations")
}

fn a_second_run_changes_nothing(harness: &'static Harness) {
    today_with_room();
    let platform = Platform::new(harness);
    harness.block_on(async {
        let planned = platform.provision(Mode::Plan).await;
        let first = platform.provision(Mode::Apply).await;
        assert!(planned.ok() && first.ok(), "{planned:?} {first:?}");
        assert_eq!(changes(&planned).iter().filter(|change| change.starts_with("migration")).count(), migrations());
        assert!(changes(&first).len() > changes(&planned).len(), "the partitions come on top");
        for mode in [Mode::Apply, Mode::Plan, Mode::Check] {
            let again = platform.provision(mode).await;
            assert!(again.ok() && changes(&again).is_empty(), "{again:?}");
        }
    });
}

fn two_runs_at_once_both_succeed(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        let runs = [platform.provision(Mode::Apply), platform.provision(Mode::Apply), platform.provision(Mode::Apply)];
        for report in futures_util::future::join_all(runs).await {
            assert_eq!(problems(&report), Vec::<&String>::new());
        }
        assert_eq!(problems(&platform.provision(Mode::Check).await), Vec::<&String>::new());
    });
}

fn a_killed_run_is_simply_run_again(harness: &'static Harness) {
    today_with_room();
    let platform = Platform::new(harness);
    let folder = harness.folder("killed");
    platform.write_env(&folder);
    for step in 0..12 {
        let run = harness.spawn(&STREAM, &folder);
        std::thread::sleep(Duration::from_millis(15 * step));
        run.kill();
    }
    let run = harness.spawn(&STREAM, &folder);
    assert!(run.wait(Duration::from_secs(60)).is_some_and(|status| status.success()), "{}", run.log_text());
    harness.block_on(async {
        assert_eq!(problems(&platform.provision(Mode::Check).await), Vec::<&String>::new());
        assert_eq!(changes(&platform.provision(Mode::Apply).await), Vec::<&String>::new());
    });
}

fn drift_is_reported_and_ends_with_one(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let folder = harness.folder("drift");
    platform.write_env(&folder);
    harness.block_on(async {
        assert!(platform.provision(Mode::Apply).await.ok());
        let client = connect_postgres(&platform.operations).await;
        client
            .batch_execute("ALTER TABLE machine_faults ADD extra integer; DROP INDEX machine_faults_open_idx")
            .await
            .unwrap();
        let report = platform.provision(Mode::Check).await;
        assert_eq!(drift(&report).len(), 2, "{report:?}");
        assert!(drift(&report)[0].contains("machine_faults_open_idx is missing"), "{report:?}");
        assert!(drift(&report)[1].contains("machine_faults.extra is in no migration"), "{report:?}");
    });
    let run = harness.spawn(&[STREAM.as_slice(), &["--check"]].concat(), &folder);
    let status = run.wait(Duration::from_secs(60)).unwrap();
    assert_eq!(status.code(), Some(1), "{}", run.log_text());
}

fn a_database_that_is_down_stops_no_other(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let down = Environment::from_pairs([
        ("GENIMS_MASTER_DB_URL", platform.master.as_str()),
        ("GENIMS_OPERATIONS_DB_URL", "postgresql://genims:hunter2@127.0.0.1:1/genims_operations_db"),
        ("GENIMS_MONGODB_URL", platform.mongodb.as_str()),
    ]);
    harness.block_on(async {
        let report = provision_with(&down, &MODULES, Mode::Apply).await;
        assert!(!report.ok());
        let status = |name: &str| report.databases.iter().find(|database| database.database == name).unwrap();
        assert_eq!(status("genims_master_db").status, ProvisionStatus::Ok);
        assert_eq!(status("genims_production").status, ProvisionStatus::Ok);
        let failed = status("genims_operations_db");
        assert_eq!((failed.status, failed.transient), (ProvisionStatus::Failed, true));
        let error = failed.error.as_deref().unwrap();
        assert!(error.contains("127.0.0.1:1") && error.contains("start the server"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    });
}

fn rows_of_unmade_days_move(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        assert!(platform.provision(Mode::Apply).await.ok());
        let client = connect_postgres(&platform.operations).await;
        for hour in 0..24 {
            let insert = format!(
                "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, timestamp, measurement_value, \
                 measurement_unit) SELECT 'S', 'M', 'L', 'F', day + interval '{hour} hours', 1, 'C' \
                 FROM unnest(ARRAY[timestamp '2014-05-04', '2014-05-05', '2014-05-06']) AS day"
            );
            client.batch_execute(&insert).await.unwrap();
        }
        let day: chrono::NaiveDate = "2014-05-05".parse().unwrap();
        assert_eq!(partitions::missing(&client, "sensor_data", (day, day)).await.unwrap(), 1);
        assert_eq!(partitions::ensure(&client, "sensor_data", (day, day)).await.unwrap(), 1);
        assert_eq!(partitions::ensure(&client, "sensor_data", (day, day)).await.unwrap(), 0);
        let rows = client
            .query("SELECT tableoid::regclass::text, count(*) FROM sensor_data GROUP BY 1 ORDER BY 1", &[])
            .await
            .unwrap();
        let counts: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let expected = [("genims_partitions.sensor_data_20140505", 24), ("genims_partitions.sensor_data_default", 48)];
        assert_eq!(counts, expected.map(|(table, rows)| (table.to_owned(), rows)));
    });
}

fn nobody_is_refused_while_a_day_is_made(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        assert!(platform.provision(Mode::Apply).await.ok());
        let (writer, maker) =
            (connect_postgres(&platform.operations).await, connect_postgres(&platform.operations).await);
        let days: Vec<chrono::NaiveDate> =
            (0..20).map(|day| chrono::NaiveDate::from_yo_opt(2014, 100 + day).unwrap()).collect();
        let write = async {
            for day in days.iter().flat_map(|day| [day; 5]) {
                let insert = format!(
                    "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, timestamp, measurement_value, \
                     measurement_unit) SELECT 'S', 'M', 'L', 'F', timestamp '{day}' + n * interval '1 second', 1, 'C' \
                     FROM generate_series(1, 500) n"
                );
                writer.batch_execute(&insert).await.unwrap();
            }
        };
        let make = async {
            for day in &days {
                assert_eq!(partitions::ensure(&maker, "sensor_data", (*day, *day)).await.unwrap(), 1);
            }
        };
        futures_util::future::join(write, make).await;
        let query = "SELECT count(*), count(*) FILTER (WHERE tableoid = 'genims_partitions.sensor_data_default'::regclass) \
                     FROM sensor_data";
        let row = maker.query_one(query, &[]).await.unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (50_000, 0));
    });
}

fn time_series_options_are_mended_or_reported(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        let database = &platform.mongodb_database;
        // Somebody was here before: coarser than its file says, which MongoDB cannot take back.
        let coarse = doc! { "timeField": "timestamp", "metaField": "meta", "granularity": "hours" };
        database.run_command(doc! { "create": "scada_events", "timeseries": coarse }).await.unwrap();
        let report = platform.provision(Mode::Apply).await;
        assert!(!report.ok());
        assert_eq!(drift(&report).len(), 1);
        assert!(drift(&report)[0].contains("scada_events") && drift(&report)[0].contains("finer"), "{report:?}");
        assert!(changes(&report).iter().any(|change| change.contains("scada_events: expiry 7776000 s")), "{report:?}");

        database.run_command(doc! { "collMod": "oee_metrics", "expireAfterSeconds": 60_i64 }).await.unwrap();
        database.run_command(doc! { "collMod": "machine_fault_events", "expireAfterSeconds": 60_i64 }).await.unwrap();
        let check = platform.provision(Mode::Check).await;
        assert_eq!(drift(&check).len(), 3, "{check:?}");
        let mended = platform.provision(Mode::Apply).await;
        assert_eq!(changes(&mended).len(), 2, "{mended:?}");
        let names: BTreeSet<String> = database.list_collection_names().await.unwrap().into_iter().collect();
        for name in ["machine_fault_events", "oee_metrics", "scada_events", "sensor_readings"] {
            assert!(names.contains(name), "{names:?}");
        }
        assert_eq!(drift(&platform.provision(Mode::Check).await).len(), 1, "the granularity stays reported");
    });
}
