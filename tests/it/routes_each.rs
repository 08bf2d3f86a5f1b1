//! Each of the 17 databases is stopped in turn while telemetry and events come in: all others have what has come meanwhile, and when it
//! is back, it has, too.

use crate::harness::Harness;
use crate::routes::{close, open, picture, plant};
use crate::running::{eventually, goes_on};
use crate::sender::{Load, LoadOptions, Speech};
use crate::server::{PATIENCE, Plant, Sensor};
use crate::stream::{now_ms, send};
use crate::tally::{self, caught_up, sink};
use genims_databases::{Database, Engine, Registry};
use genims_dev::Server;
use genims_model::counted;
use libtest_mimic::Trial;
use mongodb::bson::doc;
use mysql_async::prelude::Queryable;
use serde_json::Value;
use std::fmt::Write;
use std::fs;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("routes::each_database_stops_in_turn_and_delays_no_other", each)]
}

/// Changes of a machine's state while each database is away.
const CHANGES: i64 = 20;
/// The sinks of what every reading reaches; the others have the names of their modules.
const STREAM: [(&str, &str); 2] = [("postgres", "genims_operations_db"), ("mongodb", "genims_production")];
/// Where each event becomes a row: database, table, the column that names the event, and what else the table asks for.
const PLACES: [(&str, &str, &str, &str); 16] = [
    ("genims_master_db", "products", "product_id", "product_name = \"event.kind\""),
    (
        "genims_manufacturing_db",
        "defects",
        "defect_id",
        "defect_description = \"event.kind\"\ndetected_date = \"event.at\"",
    ),
    ("genims_maintenance_db", "cmms_integration_log", "log_id", ""),
    ("genims_quality_db", "qms_integration_log", "log_id", "integration_type = \"event.kind\""),
    ("genims_erp_db", "erp_mes_sync_log", "sync_id", ""),
    ("genims_financial_db", "gl_audit_trail", "audit_id", ""),
    ("genims_wms_db", "warehouses", "warehouse_id", "warehouse_code = \"event.uid\"\nwarehouse_name = \"event.kind\""),
    ("genims_tms_db", "wms_tms_sync_log", "sync_id", ""),
    ("genims_crm_db", "crm_integration_log", "log_id", ""),
    ("genims_service_db", "service_integration_log", "log_id", ""),
    ("genims_hr_db", "hcm_integration_log", "log_id", ""),
    ("genims_supplier_db", "supplier_portal_integration_log", "log_id", "integration_type = \"event.kind\""),
    (
        "genims_reporting_db",
        "supplier_performance_summary",
        "supplier_id",
        "period_month = \"'2026-01'\"\nsupplier_name = \"event.kind\"\nrefreshed_at = \"event.at\"",
    ),
    ("genims_analytics_db", "dim_shift", "shift_id", "shift_name = \"event.kind\""),
    (
        "genims_audit_db",
        "business_alerts",
        "alert_number",
        r#"alert_sequence = "1"
alert_event = "'raised'"
occurred_at = "event.at"
database_name = "'genims_operations_db'"
table_name = "'scada_machine_data'"
record_key = "event.machine_id"
actor_type = "'service'"
actor_id = "'genims'"
alert_type = "'machine_fault'"
severity = "'high'"
alert_title = "event.kind"
alert_message = "event.machine_id"
rule_code = "'test'"
factory_id = "event.factory_id"
acknowledge_by = "event.at + INTERVAL 5 MINUTE"
correlation_id = "event.uid""#,
    ),
    (
        "genims_production",
        "machine_state_changes",
        "trigger",
        r#"timestamp = "event.at"
state = "event.state_to"
[route.columns.meta]
factory_id = "event.factory_id"
line_id = "event.line_id"
machine_id = "event.machine_id""#,
    ),
];

struct Turn {
    harness: &'static Harness,
    plant: Plant,
    databases: Vec<Database>,
    sensor: Sensor,
    begun_ms: i64,
}

fn place(database: &Database) -> (&'static str, &'static str, &'static str) {
    let found = PLACES.iter().find(|(name, ..)| *name == database.name);
    found.map(|(_, table, key, more)| (*table, *key, *more)).expect("each has its place")
}

fn route(database: &Database) -> String {
    let (table, key, more) = place(database);
    format!(
        "database = \"{}\"\n[[route]]\nname = \"told\"\nabout = \"a row for each change of a state\"\n\
         events = [\"state_changed\"]\ntable = \"{table}\"\n[route.columns]\n{key} = \"event.uid\"\n{more}\n",
        database.name
    )
}

fn each(harness: &'static Harness) {
    let databases = Registry::load(None).unwrap().all().to_vec();
    let modules: Vec<&str> = databases.iter().map(|database| database.module.as_str()).collect();
    let plant = plant(harness, "[routes]\ndirectory = \"routes\"\n", &modules);
    let (sensor, begun_ms) = (plant.sensor(), now_ms() - 86_400_000);
    let turn = Turn { harness, plant, databases, sensor, begun_ms };
    turn.prepare();
    turn.plant.serve();
    let load = Load::start(
        &turn.plant,
        &LoadOptions { speeches: vec![Speech::MqttV3, Speech::Frames], ..LoadOptions::usual("each-in-turn") },
    );
    for (number, database) in (0..).zip(&turn.databases) {
        turn.stop(database);
        turn.change_states(number);
        turn.others_have_it(database, (number + 1) * CHANGES);
        turn.start(database);
        let own: Vec<String> = turn.sinks_of(database);
        caught_up(&turn.plant, &own.iter().map(String::as_str).collect::<Vec<_>>(), PATIENCE);
    }
    let sent = load.finish(PATIENCE);
    let report = turn.plant.idle();
    assert_eq!(report["identity_holds"], true, "{report:#}");
    tally::everything_is_there_once(harness, &turn.plant, &sent);
    for database in turn.routed() {
        assert_eq!(turn.told(database), turn.databases.len() as i64 * CHANGES, "{}", database.name);
        let sink = sink(&report, &database.module);
        assert_eq!((&sink["refused_total"], &sink["gap_records_total"]), (&0.into(), &0.into()), "{sink:#}");
    }
    turn.refuse_in_mysql(&["genims_audit_db", "genims_analytics_db"]);
}

impl Turn {
    /// All but the one that the stream itself writes.
    fn routed(&self) -> impl Iterator<Item = &Database> {
        self.databases.iter().filter(|database| database.name != "genims_operations_db")
    }

    fn mysql(&self, statements: &[String]) -> Vec<i64> {
        self.harness.block_on(async {
            let mut connection = mysql_async::Conn::from_url(self.plant.stack.mysql_url("")).await.unwrap();
            let mut answer = Vec::new();
            for statement in statements {
                answer = connection.query(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
            }
            connection.disconnect().await.unwrap();
            answer
        })
    }

    /// Routes, and an account of its own for each database of MariaDB, where a single one cannot be stopped.
    fn prepare(&self) {
        let folder = self.plant.folder.join("routes");
        fs::create_dir(&folder).unwrap();
        let env = self.plant.folder.join(".env");
        let mut environment = fs::read_to_string(&env).unwrap();
        for database in self.routed() {
            fs::write(folder.join(format!("{}.toml", database.module)), route(database)).unwrap();
            let name = &database.name;
            match database.engine {
                Engine::Postgresql | Engine::Mongodb => {}
                Engine::Mysql => {
                    self.mysql(&[
                        format!("CREATE USER {name}@'%' IDENTIFIED BY '{name}'"),
                        format!("GRANT ALL ON *.* TO {name}@'%'"),
                    ]);
                    let url = self.plant.stack.mysql_url(name);
                    let address = url.rsplit_once('@').map_or(url.as_str(), |(_, address)| address);
                    writeln!(environment, "{}='mysql://{name}:{name}@{address}'", database.connection).unwrap();
                }
            }
        }
        fs::write(&env, environment).unwrap();
    }

    fn stop(&self, database: &Database) {
        let name = &database.name;
        match database.engine {
            Engine::Postgresql => close(&self.plant, name),
            Engine::Mongodb => self.plant.stack.stop_server(Server::Mongodb).unwrap(),
            Engine::Mysql => {
                self.mysql(&[format!("ALTER USER {name}@'%' ACCOUNT LOCK")]);
                // A session that is just being let in is not shown yet.
                let sessions = format!("SELECT id FROM information_schema.processlist WHERE user = '{name}'");
                let mut looks_without = 0;
                while looks_without < 10 {
                    let sessions = self.mysql(std::slice::from_ref(&sessions));
                    looks_without = if sessions.is_empty() { looks_without + 1 } else { 0 };
                    sessions.into_iter().for_each(|id| self.end_session(id));
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
            }
        }
    }

    /// What databases of one server refuse is told of each that has, and of no other; they refuse the same events of a route of one name.
    fn refuse_in_mysql(&self, refusing: &[&str]) {
        let of_mysql: Vec<&Database> =
            self.databases.iter().filter(|database| database.engine == Engine::Mysql).collect();
        for database in of_mysql.iter().filter(|database| refusing.contains(&database.name.as_str())) {
            let at = format!("{0}.refuse_each BEFORE INSERT ON {0}.{1}", database.name, place(database).0);
            let refuse = "FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused for a test'";
            self.mysql(&[format!("CREATE TRIGGER {at} {refuse}")]);
        }
        self.change_states(self.databases.len() as i64);
        self.plant.idle();
        for database in of_mysql {
            let output = self.plant.cli(&["verify", "--module", &database.module, "--json"]).stdout;
            let verdict: Value = serde_json::from_slice(&output).unwrap();
            let rule = format!("events_reach_{}", database.module);
            let finding =
                verdict["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == rule.as_str());
            let finding = finding.unwrap_or_else(|| panic!("{rule}: {verdict:#}"));
            let refused = if refusing.contains(&database.name.as_str()) { CHANGES } else { 0 };
            let detail = format!("{} refused for good", counted(refused, "event"));
            let told = finding["examples"].to_string();
            assert_eq!(finding["outcome"], if refused > 0 { "violated" } else { "passed" }, "{finding:#}");
            assert_eq!(told.contains(&detail), refused > 0, "{finding:#}");
        }
    }

    fn end_session(&self, id: i64) {
        self.harness.block_on(async {
            let mut connection = mysql_async::Conn::from_url(self.plant.stack.mysql_url("")).await.unwrap();
            // It may have ended by itself.
            let _ = connection.query_drop(format!("KILL {id}")).await;
            connection.disconnect().await.unwrap();
        });
    }

    fn start(&self, database: &Database) {
        match database.engine {
            Engine::Postgresql => open(&self.plant, &database.name),
            Engine::Mongodb => self.plant.stack.start_server(Server::Mongodb).unwrap(),
            Engine::Mysql => drop(self.mysql(&[format!("ALTER USER {}@'%' ACCOUNT UNLOCK", database.name)])),
        }
    }

    fn change_states(&self, round: i64) {
        let messages: Vec<_> = (round * CHANGES..(round + 1) * CHANGES)
            .map(|number| {
                let state = if number % 2 == 0 { "RUNNING" } else { "IDLE" };
                picture(&self.sensor, self.begun_ms + number * 1_000, state, 0, None)
            })
            .collect();
        send(self.harness, &self.plant, &messages);
    }

    fn sinks_of(&self, database: &Database) -> Vec<String> {
        let stream = STREAM.iter().filter(|(_, of)| *of == database.name).map(|(sink, _)| (*sink).to_owned());
        let routed = self.routed().filter(|routed| routed.name == database.name).map(|routed| routed.module.clone());
        stream.chain(routed).collect()
    }

    /// All of the stream up to now, and all events, while this one shows that it is away.
    fn others_have_it(&self, away: &Database, changes: i64) {
        let own = self.sinks_of(away);
        eventually("it is shown that it is away", PATIENCE, || {
            let report = self.plant.stats();
            own.iter().all(|name| sink(&report, name)["connected"] == false)
        });
        let report = self.plant.stats();
        let names: Vec<&str> = report["sinks"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|sink| sink["name"].as_str())
            .filter(|name| !own.iter().any(|own| own == name))
            .collect();
        assert_eq!(
            names.len() + own.len(),
            self.databases.len() + 2,
            "one a database, the mirror, and who hands events on: {names:?}"
        );
        caught_up(&self.plant, &names, PATIENCE);
        for database in self.routed().filter(|database| database.name != away.name) {
            goes_on("its events", PATIENCE, || {
                let told = self.told(database);
                (told != changes).then_some((database.name.clone(), told))
            });
        }
    }

    /// How many events it has, each once.
    fn told(&self, database: &Database) -> i64 {
        let (table, key, _) = place(database);
        let counts = |table: &str| format!("SELECT count(*) FROM {table} WHERE {key} LIKE 'EV-%'");
        match database.engine {
            Engine::Postgresql => self.plant.query(&database.name, &counts(table))[0].get(0),
            Engine::Mysql => self.mysql(&[counts(&format!("{}.{table}", database.name))])[0],
            Engine::Mongodb => self.plant.documents(table, doc! {}).len() as i64,
        }
    }
}
