//! A platform whose changes are audited by a running server, which may only insert into the trail.

use crate::harness::{Harness, connect_postgres, write_env};
use crate::platform::Platform;
use crate::running::{Running, eventually};
use crate::server::free_addresses;
use genims_databases::{MysqlConnection, MysqlSettings, PostgresClient};
use mongodb::bson::{Document, doc};
use mysql_async::prelude::{FromRow, Queryable};
use serde_json::Value;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A row as the query gives it.
type AskedRow = (String, String, String, i64, Option<String>, Option<String>);

pub(super) const PATIENCE: Duration = Duration::from_secs(60);
const WRITER_PASSWORD: &str = "audit-writer-secret";

pub(super) struct Audited {
    harness: &'static Harness,
    pub(super) platform: Platform,
    folder: PathBuf,
    http: SocketAddr,
}

/// One entry of `data_change_audit`: operation, key, actor, version, before, after.
pub(super) type Entry = (String, String, String, i64, Option<Value>, Option<Value>);

impl Audited {
    /// Provisioned, with a table of the test's own in the CRM and one sensor, so that the server waits for no master data.
    pub(super) fn new(harness: &'static Harness) -> Self {
        let platform = Platform::new(harness);
        let (folder, [http, mqtt]) = (harness.folder("audited"), free_addresses());
        let audited = Self { harness, platform, folder, http };
        let table = "CREATE TABLE widgets (widget_id int PRIMARY KEY, name text NOT NULL, price numeric(10, 2), made_at timestamp); \
                     CREATE TABLE pairs (a text, b int, note text, PRIMARY KEY (a, b)); CREATE TABLE loose (x int)";
        audited.platform.execute("genims_crm_db", table);
        let password = [("GENIMS_AUDIT_WRITER_PASSWORD", WRITER_PASSWORD)];
        let provisioned = audited.platform.cli(&["provision", "--json"], &password);
        assert!(provisioned.status.success(), "{}", String::from_utf8_lossy(&provisioned.stdout));
        let said = String::from_utf8_lossy(&provisioned.stdout).into_owned();
        assert!(said.contains("changes of 3 tables are audited"), "{said}");
        let size = ["--factories", "1", "--lines", "1", "--machines", "1", "--sensors", "1"];
        let seeded = audited.platform.cli(&[["seed", "plant"].as_slice(), size.as_slice()].concat(), &[]);
        assert!(seeded.status.success(), "{}", String::from_utf8_lossy(&seeded.stderr));
        let mut environment = String::new();
        for (name, value) in audited.platform.variables() {
            writeln!(environment, "{name}='{value}'").unwrap();
        }
        let trail = audited.platform.stack.mysql_url("genims_audit_db");
        let (_, place) = trail.rsplit_once('@').unwrap();
        writeln!(environment, "GENIMS_AUDIT_DB_URL='mysql://genims_audit_writer:{WRITER_PASSWORD}@{place}'").unwrap();
        write_env(&audited.folder.join(".env"), environment);
        let text = format!(
            "data_dir = \"{}\"\n[http]\nlisten = \"{http}\"\n[[listeners]]\ntype = \"mqtt\"\nname = \"mqtt\"\nlisten = \"{mqtt}\"\n",
            audited.folder.join("data").display()
        );
        std::fs::write(audited.folder.join("genims.toml"), text).unwrap();
        audited
    }

    pub(super) fn serve(&self) -> Running {
        self.harness.spawn(&["--config", "genims.toml", "serve"], &self.folder)
    }

    /// The real binary beside the server; as an administrator of the trail, who may read it.
    pub(super) fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_genims"));
        command.args(["--config", "genims.toml"]).args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command.env("GENIMS_AUDIT_DB_URL", self.platform.stack.mysql_url("genims_audit_db")).output().unwrap()
    }

    pub(super) fn verified(&self) -> (bool, Value) {
        let output = self.cli(&["audit", "verify", "--json"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {error}"));
        (output.status.success(), report)
    }

    pub(super) async fn crm(&self) -> PostgresClient {
        connect_postgres(&self.platform.stack.postgres_url("genims_crm_db")).await
    }

    async fn trail(&self) -> MysqlConnection {
        let url = self.platform.stack.mysql_url("genims_audit_db");
        MysqlSettings::from_url("genims_audit_db", &url).unwrap().connect().await.unwrap()
    }

    /// A statement on the trail, by somebody who may do anything.
    pub(super) fn tamper(&self, statements: &[&str]) {
        self.harness.block_on(async {
            let mut trail = self.trail().await;
            for statement in statements {
                trail.query_drop(*statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
            }
        });
    }

    pub(super) fn asked<T: FromRow + Send + 'static>(&self, query: &str) -> Vec<T> {
        self.harness
            .block_on(async { self.trail().await.query(query).await.unwrap_or_else(|e| panic!("{query}: {e}")) })
    }

    pub(super) fn entries(&self, table: &str) -> Vec<Entry> {
        let query = format!(
            "SELECT operation, record_key, CONCAT(actor_type, ' ', actor_id), record_version, before_image, after_image \
             FROM data_change_audit WHERE database_name = 'genims_crm_db' AND table_name = '{table}' ORDER BY chain_position"
        );
        let rows: Vec<AskedRow> = self.asked(&query);
        let json = |text: Option<String>| text.map(|text| serde_json::from_str(&text).unwrap());
        rows.into_iter().map(|(o, k, a, v, before, after)| (o, k, a, v, json(before), json(after))).collect()
    }

    pub(super) fn documents(&self, table: &str) -> Vec<Document> {
        use futures_util::TryStreamExt;
        self.harness.block_on(async {
            let client = mongodb::Client::with_uri_str(self.platform.stack.mongodb_url()).await.unwrap();
            let collection = client.database("genims_production").collection::<Document>("entity_change_stream");
            let found = collection.find(doc! { "database": "genims_crm_db", "table": table });
            found.sort(doc! { "position": 1 }).await.unwrap().try_collect().await.unwrap()
        })
    }

    /// Waits until both targets have so many changes of a table, and sees that they stay at it.
    #[track_caller]
    pub(super) fn arrived(&self, table: &str, count: usize) {
        eventually(&format!("{count} changes of {table} arrive"), PATIENCE, || {
            self.entries(table).len() >= count && self.documents(table).len() >= count
        });
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!((self.entries(table).len(), self.documents(table).len()), (count, count), "{table}");
    }

    fn deliveries(&self) -> Vec<Value> {
        let text =
            ureq::get(format!("http://{}/stats", self.http)).call().unwrap().body_mut().read_to_string().unwrap();
        let mut stats: Value = serde_json::from_str(&text).unwrap();
        serde_json::from_value(stats["changes"].take()).unwrap()
    }

    /// What one delivery of the CRM shows.
    pub(super) fn stats(&self, target: &str) -> Value {
        let all = self.deliveries();
        let found = all.iter().find(|one| one["database"] == "genims_crm_db" && one["target"] == target);
        found.unwrap_or_else(|| panic!("{all:#?}")).clone()
    }

    /// How many databases' changes go to a target.
    pub(super) fn followed(&self, target: &str) -> usize {
        let is_followed = |one: &&Value| one["target"] == target && one["state"] == "following";
        self.deliveries().iter().filter(is_followed).count()
    }

    /// Rows that wait in the outbox of the CRM.
    pub(super) fn outbox(&self) -> i64 {
        self.harness.block_on(async {
            let query = "SELECT count(*) FROM genims_internal.changes";
            self.crm().await.query_one(query, &[]).await.unwrap().get(0)
        })
    }
}
