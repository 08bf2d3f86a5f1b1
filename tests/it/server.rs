//! A plant for one test or a few: databases of its own, a real `genims serve` in front of them, and ways to look into both.

#![allow(dead_code, reason = "a tool box: which tools are in use changes with the topics")]

use crate::harness::{Harness, PrivateStack, connect_postgres, write_env};
use crate::running::Running;
use crate::tally;
use genims_dev::{Server, free_port};
use mongodb::bson::{Document, doc};
use serde_json::Value;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio_postgres::Row;

/// Long enough for a busy machine; a wait that is over earlier ends earlier.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// What makes one plant different from another.
pub(crate) struct Setup<'a> {
    pub(crate) servers: &'a [Server],
    /// More keys of the MQTT listener.
    pub(crate) mqtt: &'a str,
    /// More of the configuration. `BROKER` stands for the address of the stack's mosquitto.
    pub(crate) more: &'a str,
    /// What follows.
    pub(crate) sinks: &'a [&'a str],
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { servers: &[Server::Postgres, Server::Mongodb], mqtt: "", more: "", sinks: &["postgres", "mongodb"] }
    }
}

/// One row of `sensors`.
#[derive(Clone, Debug)]
pub(crate) struct Sensor {
    pub(crate) sensor_id: String,
    pub(crate) sensor_code: String,
    pub(crate) machine_id: String,
    pub(crate) line_id: String,
    pub(crate) factory_id: String,
}

impl Sensor {
    pub(crate) fn topic(&self) -> String {
        format!("{}/{}", self.machine_topic(), self.sensor_id)
    }

    pub(crate) fn machine_topic(&self) -> String {
        format!("genims/v1/{}/{}/{}", self.factory_id, self.line_id, self.machine_id)
    }
}

/// Where the server listens; the same at every start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doors {
    pub(crate) http: SocketAddr,
    pub(crate) mqtt: SocketAddr,
    pub(crate) tcp: SocketAddr,
    pub(crate) line: SocketAddr,
}

pub(crate) struct Plant {
    harness: &'static Harness,
    pub(crate) stack: PrivateStack,
    pub(crate) folder: PathBuf,
    pub(crate) doors: Doors,
    sensors: Vec<Sensor>,
    taken: AtomicUsize,
    server: Mutex<Option<Running>>,
}

/// A bridge for each way to subscribe, and a topic layout of the plant's own.
const SHARED: &str = r#"
[[listeners]]
type = "bridge"
name = "bridge-one"
broker = "mqtt://BROKER"
client_id = "bridge-one"
topics = ["$share/genims/genims/v1/#"]
qos = 2
[[listeners]]
type = "bridge"
name = "bridge-two"
broker = "mqtt://BROKER"
client_id = "bridge-two"
topics = ["$share/genims/genims/v1/#"]
qos = 2
[[listeners]]
type = "bridge"
name = "bridge-plain"
broker = "mqtt://BROKER"
client_id = "bridge-plain"
mqtt_version = "3.1.1"
topics = ["acme/#"]
qos = 2
[[topics]]
template = "acme/{factory}/{line}/{machine}/{sensor}"
"#;

impl Plant {
    /// The plant of all tests that disturb nobody: each uses sensors of its own.
    pub(crate) fn shared(harness: &'static Harness) -> &'static Self {
        static PLANT: OnceLock<Plant> = OnceLock::new();
        let servers = &[Server::Postgres, Server::Mongodb, Server::Mosquitto];
        PLANT.get_or_init(|| Self::start(harness, &Setup { servers, more: SHARED, ..Setup::default() }))
    }

    /// Servers, databases, master data, and the running server.
    pub(crate) fn start(harness: &'static Harness, setup: &Setup<'_>) -> Self {
        let plant = Self::prepare(harness, setup);
        plant.serve();
        plant
    }

    /// Everything but the server.
    pub(crate) fn prepare(harness: &'static Harness, setup: &Setup<'_>) -> Self {
        Self::prepare_on(harness, setup, Self::servers(harness, setup.servers))
    }

    /// With the databases of the stream, and master data in them.
    pub(crate) fn servers(harness: &'static Harness, servers: &[Server]) -> PrivateStack {
        harness.copy_of("plant", servers, || Self::seeded(harness))
    }

    /// The same with the databases of these modules. Each choice is provisioned once: many tests make the same.
    pub(crate) fn prepare_with(harness: &'static Harness, setup: &Setup<'_>, modules: &[&str]) -> Self {
        let name = format!("plant_{}", modules.join("_"));
        let stack = harness.copy_of(&name, setup.servers, || Self::provisioned(harness, modules));
        Self::prepare_on(harness, setup, stack)
    }

    fn prepare_on(harness: &'static Harness, setup: &Setup<'_>, stack: PrivateStack) -> Self {
        let folder = harness.folder("plant");
        let [http, mqtt, tcp, line] = free_addresses();
        let mut plant = Self {
            harness,
            stack,
            folder,
            doors: Doors { http, mqtt, tcp, line },
            sensors: Vec::new(),
            taken: AtomicUsize::new(0),
            server: Mutex::default(),
        };
        plant.write_configuration(setup);
        plant.sensors = plant.read_sensors();
        plant
    }

    /// Servers on which the databases of the stream are provisioned, and a plant is seeded.
    fn seeded(harness: &'static Harness) -> PrivateStack {
        let stack = harness.private_stack(&Server::ALL);
        let size = ["--factories", "2", "--lines", "4", "--machines", "40", "--sensors", "400"];
        for command in [crate::provision::STREAM.to_vec(), [["seed", "plant"].as_slice(), &size].concat()] {
            let mut command = harness.command(&command);
            command.env("GENIMS_POSTGRES_URL", stack.postgres_url("postgres"));
            let output = command.env("GENIMS_MONGODB_URL", stack.mongodb_url()).output().unwrap();
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        stack
    }

    fn provisioned(harness: &'static Harness, modules: &[&str]) -> PrivateStack {
        let stack = Self::servers(harness, &Server::ALL);
        let only = modules.iter().flat_map(|module| ["--only", module]);
        let mut command = harness.command(&["provision"].into_iter().chain(only).collect::<Vec<_>>());
        command.env("GENIMS_POSTGRES_URL", stack.postgres_url("postgres"));
        command.env("GENIMS_MYSQL_URL", stack.mysql_url(""));
        let output = command.env("GENIMS_MONGODB_URL", stack.mongodb_url()).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stdout));
        stack
    }

    /// Lets the server and the commands reach the PostgreSQL databases by these URLs.
    pub(crate) fn reach(&self, url: &dyn Fn(&str) -> String) {
        let (master, operations) = (url("genims_master_db"), url("genims_operations_db"));
        let mongodb = self.stack.mongodb_url();
        let environment = format!(
            "GENIMS_MASTER_DB_URL='{master}'\nGENIMS_OPERATIONS_DB_URL='{operations}'\nGENIMS_MONGODB_URL='{mongodb}'\n"
        );
        write_env(&self.folder.join(".env"), environment);
    }

    fn write_configuration(&self, setup: &Setup<'_>) {
        self.reach(&|database| self.stack.postgres_url(database));
        let mut text = format!("data_dir = \"{}\"\n", self.folder.join("data").display());
        // Each start writes a segment full of zeros, and syncs it piece by piece.
        if !setup.more.contains("[spool]") {
            text.push_str("[spool]\nsegment_bytes = 8388608\n");
        }
        let more = if setup.servers.contains(&Server::Mosquitto) {
            setup.more.replace("BROKER", &self.stack.mqtt_address().to_string())
        } else {
            setup.more.to_owned()
        };
        writeln!(text, "[http]\nlisten = \"{}\"", self.doors.http).unwrap();
        for (kind, address, keys) in
            [("mqtt", self.doors.mqtt, setup.mqtt), ("tcp", self.doors.tcp, ""), ("line", self.doors.line, "")]
        {
            writeln!(text, "[[listeners]]\ntype = \"{kind}\"\nname = \"{kind}\"\nlisten = \"{address}\"\n{keys}")
                .unwrap();
        }
        for kind in setup.sinks {
            writeln!(text, "[[sinks]]\ntype = \"{kind}\"").unwrap();
        }
        text.push_str(&more);
        std::fs::write(self.folder.join("genims.toml"), text).unwrap();
    }

    fn read_sensors(&self) -> Vec<Sensor> {
        // One sensor of each machine after the other, so that tests beside each other mostly touch different machines.
        let query = "SELECT sensor_id, sensor_code, machine_id, line_id, factory_id FROM sensors \
                     WHERE sensor_id ~ '^SEN-[0-9]+$' ORDER BY row_number() OVER (PARTITION BY machine_id ORDER BY sensor_id), 1";
        let of = |row: &Row| Sensor {
            sensor_id: row.get(0),
            sensor_code: row.get(1),
            machine_id: row.get(2),
            line_id: row.get(3),
            factory_id: row.get(4),
        };
        self.query("genims_master_db", query).iter().map(of).collect()
    }

    /// A sensor that no other test uses.
    pub(crate) fn sensor(&self) -> Sensor {
        self.sensors[self.taken.fetch_add(1, Ordering::Relaxed)].clone()
    }

    /// Starts the server and waits until it is ready.
    pub(crate) fn serve(&self) {
        self.serve_until("/readyz");
    }

    /// Starts a server that may have no room in its log: waits until it is alive.
    pub(crate) fn serve_full(&self) {
        self.serve_until("/healthz");
    }

    /// Starts a server that may not live long: waits for nothing.
    pub(crate) fn begin(&self) {
        let running = self.harness.spawn(&["--config", "genims.toml", "serve"], &self.folder);
        *self.server() = Some(running);
    }

    fn serve_until(&self, path: &str) {
        self.begin();
        let deadline = Instant::now() + PATIENCE;
        while self.get(path).is_none_or(|(status, _)| status != 200) {
            let gone = self.server().as_ref().is_some_and(|server| server.wait(Duration::ZERO).is_some());
            assert!(!gone && Instant::now() < deadline, "no good answer from {path}:\n{}", self.log_text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        self.server().take().expect("the server runs").kill();
    }

    /// SIGTERM, and an orderly end.
    pub(crate) fn terminate(&self) {
        let server = self.server().take().expect("the server runs");
        server.terminate();
        let status = server.wait(PATIENCE).unwrap_or_else(|| panic!("it does not end:\n{}", server.log_text()));
        assert!(status.success(), "{status}:\n{}", server.log_text());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server().as_ref().expect("the server runs").pid()
    }

    /// What the server has in memory.
    pub(crate) fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn log_text(&self) -> String {
        std::fs::read_to_string(self.folder.join("genims.log")).unwrap_or_default()
    }

    fn server(&self) -> MutexGuard<'_, Option<Running>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A command of the real binary, with this plant's configuration, to its end.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_genims"));
        command.args(["--config", "genims.toml"]).args(arguments).current_dir(&self.folder);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// The same; what it printed. Panics when it fails.
    pub(crate) fn cli_ok(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "genims {arguments:?}: {}\n{out}\n{error}", output.status);
        out.into_owned()
    }

    /// Status and body; `None` when nobody answers.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .into();
        let mut response = agent.get(format!("http://{}{path}", self.doors.http)).call().ok()?;
        Some((response.status().as_u16(), response.body_mut().read_to_string().ok()?))
    }

    pub(crate) fn stats(&self) -> Value {
        let (status, body) = self.get("/stats").expect("the server answers");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Waits until all that was received is in both databases; the report of then.
    #[track_caller]
    pub(crate) fn idle(&self) -> Value {
        tally::drained(self, PATIENCE)
    }

    /// Runs a query on one of the plant's PostgreSQL databases.
    #[track_caller]
    pub(crate) fn query(&self, database: &str, query: &str) -> Vec<Row> {
        self.harness.block_on(async {
            let client = connect_postgres(&self.stack.postgres_url(database)).await;
            client.query(query, &[]).await.unwrap_or_else(|error| panic!("{query}: {error:?}"))
        })
    }

    /// Runs statements on one of the plant's PostgreSQL databases.
    #[track_caller]
    pub(crate) fn execute(&self, database: &str, statements: &str) {
        self.harness.block_on(async {
            let client = connect_postgres(&self.stack.postgres_url(database)).await;
            client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
        });
    }

    /// How many rows of an operations table fulfil a condition.
    #[track_caller]
    pub(crate) fn rows(&self, table: &str, condition: &str) -> i64 {
        self.query("genims_operations_db", &format!("SELECT count(*) FROM {table} WHERE {condition}"))[0].get(0)
    }

    pub(crate) fn documents(&self, collection: &str, filter: Document) -> Vec<Document> {
        use futures_util::TryStreamExt;
        self.harness.block_on(async {
            let client = mongodb::Client::with_uri_str(self.stack.mongodb_url()).await.unwrap();
            let collection = client.database("genims_production").collection::<Document>(collection);
            collection.find(filter).await.unwrap().try_collect().await.unwrap()
        })
    }

    /// How many readings of a sensor there are: in PostgreSQL, in MongoDB.
    #[track_caller]
    pub(crate) fn stored(&self, sensor: &Sensor) -> (i64, i64) {
        let rows = self.rows("sensor_data", &format!("sensor_id = '{}'", sensor.sensor_id));
        let documents = self.documents("sensor_readings", doc! { "meta.sensor_id": &sensor.sensor_id });
        (rows, documents.len() as i64)
    }

    /// Waits until both databases hold `count` readings of the sensor, and sees that they stay at it.
    #[track_caller]
    pub(crate) fn stored_exactly(&self, sensor: &Sensor, count: i64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (rows, documents) = self.stored(sensor);
            if rows >= count && documents >= count {
                break;
            }
            let found = format!("{rows} rows, {documents} documents instead of {count} of {sensor:?}");
            assert!(Instant::now() < deadline, "{found}: {:#}", self.stats());
            std::thread::sleep(Duration::from_millis(80));
        }
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(self.stored(sensor), (count, count), "{sensor:?}");
    }
}

/// Addresses that nobody listens on now, and that no other test of this run gets while one of its servers is down.
pub(crate) fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    std::array::from_fn(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(&[]).unwrap())))
}
