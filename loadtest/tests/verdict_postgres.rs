//! The verdict against a real PostgreSQL: sums computed by SQL must be those that the harness keeps, and planted faults
//! must be found. The server is private: port and folder of its own, gone at the end.

use genims_loadtest::clock::Clock;
use genims_loadtest::database::PostgresUrl;
use genims_loadtest::load::tally::{Fence, Tallies, Tally};
use genims_loadtest::verdict::judge::Findings;
use genims_loadtest::verdict::wait::{Patience, Store};
use genims_loadtest::verdict::{Holdings, Span, postgres};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;
use tokio_postgres::Client;

/// A private server; stopped when dropped.
struct PrivatePostgres {
    bin: PathBuf,
    folder: TempDir,
    port: u16,
}

impl PrivatePostgres {
    fn start() -> Self {
        let bin = bin_folder();
        let folder = tempfile::Builder::new().prefix("loadtest-pg-").tempdir().expect("a folder below /tmp");
        if is_root() {
            // PostgreSQL refuses to run as root.
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let server = Self { bin, folder, port };
        run(server.command("initdb").args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"]).arg(server.data()));
        let options = format!("-p {port} -k {} -c listen_addresses=127.0.0.1 -c fsync=off", server.path().display());
        let log = server.path().join("log");
        let mut start = server.command("pg_ctl");
        run(start.args(["-w", "-o", &options, "-D"]).arg(server.data()).arg("-l").arg(log).arg("start"));
        server
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command.current_dir("/");
            command
        } else {
            Command::new(program)
        }
    }

    async fn connect(&self) -> Client {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        PostgresUrl::parse(&url).expect("valid").connect().await.expect("the private server answers")
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        let stopped =
            self.command("pg_ctl").args(["-m", "immediate", "-w", "-D"]).arg(self.data()).arg("stop").output();
        if let Err(error) = stopped {
            eprintln!("the private server could not be stopped: {error}");
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Where initdb is: Debian keeps it off the PATH.
fn bin_folder() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|e| e.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").is_file())
        .expect("PostgreSQL must be installed: genims-dev install")
}

const TABLES: &str = "
    create table sensor_data (
        sensor_data_id bigserial, sensor_id varchar(50) not null, timestamp timestamp not null,
        measurement_value decimal(15,4) not null);
    create table scada_machine_data (machine_id varchar(50) not null, timestamp timestamp not null);
    create schema genims_internal;
    create table genims_internal.dead_letters (reason text not null, records bigint not null);
    create table genims_internal.dead_letters_purged (reason text not null, records bigint not null)";

const BASE_US: i64 = 1_795_312_345_678_000;

/// Times and values with awkward digits; both signs.
fn readings() -> Vec<(i64, i64)> {
    (0..500).map(|n| (BASE_US + n * 12_347 + n % 7, (n - 250) * 98_765_431 + n)).collect()
}

async fn insert(client: &Client, sensor: &str, readings: &[(i64, i64)]) {
    let insert = "insert into sensor_data (sensor_id, timestamp, measurement_value) \
                  values ($1, $2, $3::text::decimal(15,4))";
    for &(timestamp_us, value_e4) in readings {
        let mut value = Vec::new();
        genims_loadtest::wire::text::push_e4(&mut value, value_e4);
        let value = String::from_utf8(value).expect("ASCII");
        client
            .execute(insert, &[&sensor, &postgres::timestamp(timestamp_us), &value])
            .await
            .expect("the row is accepted");
    }
}

/// What the harness believes to have sent with two sensors.
fn sent() -> (Tallies, Span) {
    let readings = readings();
    let mut tallies = Tallies::default();
    for sensor in ["S1", "S2"] {
        let mut tally = Tally::default();
        readings.iter().for_each(|&(at_us, value_e4)| tally.add(BASE_US, at_us, value_e4));
        tallies.sensors.insert(sensor.to_owned(), tally);
        let last = readings.last().map_or(0, |reading| reading.0);
        tallies.fences.push(Fence { sensor_id: sensor.to_owned(), timestamp_us: last });
        tallies.widen((BASE_US, last));
    }
    tallies.machines.insert("M1".to_owned(), 1);
    let (from_us, to_us) = tallies.range_us.expect("a range");
    (tallies, Span { from_us, to_us })
}

async fn verdict(client: Client) -> (Findings, bool) {
    let (sent, span) = sent();
    let clock = Clock::start();
    let patience = Patience { deadline_us: clock.now_us() + 2_000_000, stall: Duration::from_millis(200) };
    let store = Store::Postgres(client);
    let fenced_us = store.await_fences(&sent, patience, clock).await.expect("PostgreSQL answers");
    let settled =
        store.settle(&sent, span, &Holdings::default(), fenced_us, patience, clock).await.expect("PostgreSQL answers");
    (settled.findings, settled.complete_us.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_agree_with_sql_and_every_planted_fault_is_found() {
    let server = PrivatePostgres::start();
    let client = server.connect().await;
    client.batch_execute(TABLES).await.expect("tables");
    insert(&client, "S1", &readings()).await;
    insert(&client, "S2", &readings()).await;
    // Others' rows within the span, and ours outside of it, are none of the verdict's business.
    insert(&client, "OTHER", &readings()).await;
    insert(&client, "S1", &[(BASE_US - 1, 5)]).await;
    client
        .execute("insert into scada_machine_data values ('M1', $1)", &[&postgres::timestamp(BASE_US)])
        .await
        .expect("the snapshot is accepted");
    let (clean, complete) = verdict(server.connect().await).await;
    assert!(clean.is_clean() && complete, "{clean:?}");
    assert_eq!((clean.readings, clean.snapshots), (1_000, 1));

    // One row is doubled, another lost: the count still fits.
    let second = postgres::timestamp(readings()[1].0);
    let third = postgres::timestamp(readings()[2].0);
    let double = "insert into sensor_data (sensor_id, timestamp, measurement_value) \
                  select sensor_id, timestamp, measurement_value from sensor_data where sensor_id = 'S1' and timestamp = $1";
    assert_eq!(client.execute(double, &[&second]).await.expect("doubled"), 1);
    let lose = "delete from sensor_data where sensor_id = 'S1' and timestamp = $1";
    assert_eq!(client.execute(lose, &[&third]).await.expect("lost"), 1);
    let (faulty, complete) = verdict(server.connect().await).await;
    assert_eq!((faulty.readings, faulty.missing, faulty.duplicates), (1_000, 1, 1));
    assert!(!complete && !faulty.is_clean());

    // The other sensor's value is altered in its last digit.
    let alter = "update sensor_data set measurement_value = measurement_value + 0.0001 \
                 where sensor_id = 'S2' and timestamp = $1";
    assert_eq!(client.execute(alter, &[&second]).await.expect("altered"), 1);
    let (faulty, _) = verdict(server.connect().await).await;
    assert_eq!((faulty.missing, faulty.duplicates, faulty.altered_sensors), (1, 1, 1));

    let dead_letters = postgres::dead_letters(&client).await.expect("PostgreSQL answers");
    assert_eq!(dead_letters, Some(std::collections::BTreeMap::new()));
}
