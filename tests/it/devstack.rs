//! The development stack itself: the servers answer, come back, are shown, and keep to themselves.

use crate::harness::{self, Harness, connect_postgres};
use crate::leftovers;
use genims_dev::{EnvFile, ProcessId, Server, Stack};
use libtest_mimic::Trial;
use mongodb::bson::doc;
use serde_json::Value;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("devstack::the_four_servers_do_their_work", the_four_servers_do_their_work),
        harness.trial("devstack::tls_is_offered_under_the_own_authority", tls_is_offered_under_the_own_authority),
        harness.trial("devstack::status_shows_url_pid_and_folder", status_shows_url_pid_and_folder),
        harness.trial("devstack::installing_tells_its_steps_as_data", installing_tells_its_steps),
        harness.trial("devstack::a_killed_server_comes_back_with_its_data", a_killed_server_comes_back_with_its_data),
        harness.trial("devstack::a_paused_server_does_not_answer", a_paused_server_does_not_answer),
        harness.trial("devstack::two_stacks_never_meet", two_stacks_never_meet),
        harness.trial("devstack::a_taken_port_is_replaced", a_taken_port_is_replaced),
        harness.trial("devstack::only_own_processes_are_stopped", only_own_processes_are_stopped),
        harness.trial("devstack::up_and_down_work_from_the_command_line", up_and_down_work_from_the_command_line),
        harness.trial("devstack::down_finds_what_was_brought_up_elsewhere", down_finds_what_was_brought_up_elsewhere),
        harness.trial("devstack::a_foreign_env_file_is_left_alone", a_foreign_env_file_is_left_alone),
        harness.trial("devstack::memory_that_nobody_finds_is_given_back", memory_that_nobody_finds_is_given_back),
        harness.trial("devstack::a_container_has_less_memory_than_its_machine", |_| {
            harness::a_container_has_less_memory_than_its_machine();
        }),
    ]
}

fn the_four_servers_do_their_work(harness: &'static Harness) {
    let stack = harness.stack();
    let url = harness.postgres_database(stack);
    harness.block_on(async {
        let client = connect_postgres(&url).await;
        client.batch_execute("CREATE TABLE t (x bigint); INSERT INTO t VALUES (42)").await.unwrap();
        let row = client.query_one("SELECT x, current_setting('timezone'), version() FROM t", &[]).await.unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (42, "UTC"));
    });

    let database = harness.mongodb_database(stack);
    harness.block_on(async {
        let things = database.collection::<mongodb::bson::Document>("things");
        things.insert_one(doc! { "x": 42 }).await.unwrap();
        assert_eq!(things.count_documents(doc! { "x": 42 }).await.unwrap(), 1);
    });

    assert_eq!(mariadb(stack, "SELECT 41 + 1, @@time_zone, @@character_set_server"), "42\t+00:00\tutf8mb4");
    assert_eq!(round_trip_through_mosquitto(stack, &harness.unique("topic")), "42");
}

fn mariadb(stack: &Stack, sql: &str) -> String {
    let port = format!("--port={}", stack.port(Server::Mariadb));
    let mut command = Command::new("mariadb");
    command.args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", &port, "--user=root"]);
    command.args(["--skip-column-names", "--batch", "--execute", sql]).env("MYSQL_PWD", stack.password());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A retained message, so that it does not matter who comes first.
fn round_trip_through_mosquitto(stack: &Stack, topic: &str) -> String {
    let port = stack.port(Server::Mosquitto).to_string();
    let to = ["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic];
    let sent = Command::new("mosquitto_pub").args(to).args(["-r", "-m", "42"]).status().unwrap();
    assert!(sent.success());
    let received = Command::new("mosquitto_sub").args(to).args(["-C", "1", "-W", "10"]).output().unwrap();
    String::from_utf8(received.stdout).unwrap().trim().to_owned()
}

fn tls_is_offered_under_the_own_authority(harness: &'static Harness) {
    let stack = harness.stack();
    let ca_file = stack.ca_file();
    harness.block_on(async {
        let url = format!("{}&tls=true&tlsCAFile={}", stack.mongodb_url(), ca_file.display());
        let client = mongodb::Client::with_uri_str(url).await.unwrap();
        client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    });
    let address = stack.mqtts_address().port().to_string();
    let mut publish = Command::new("mosquitto_pub");
    publish.args(["-h", "localhost", "-p", &address, "-t", "tls", "-q", "1", "-m", "x", "--cafile"]).arg(&ca_file);
    assert!(publish.status().unwrap().success());

    let postgres = format!(
        "host=127.0.0.1 port={} user=postgres dbname=postgres sslmode=verify-full sslrootcert={}",
        stack.port(Server::Postgres),
        ca_file.display()
    );
    let mut psql = Command::new("psql");
    psql.args([&postgres, "-Atc", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"]);
    let output = psql.env("PGPASSWORD", stack.password()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "t", "{}", String::from_utf8_lossy(&output.stderr));
}

fn installing_tells_its_steps(harness: &'static Harness) {
    harness.stack();
    let output = harness.run_dev(&["install", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["installed"], &told["steps"][0]), (&true.into(), &"everything is there".into()), "{told:#}");
}

fn status_shows_url_pid_and_folder(harness: &'static Harness) {
    let stack = harness.stack();
    let folder = stack.folder().to_str().unwrap();
    let output = harness.run_dev(&["status", "--json", "--dir", folder]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["dir"], folder);
    assert_eq!(status["servers"]["postgres"]["url"], stack.postgres_url("postgres"));
    for server in Server::ALL {
        let shown = &status["servers"][server.name()];
        let pid = u32::try_from(shown["pid"].as_u64().unwrap()).unwrap();
        assert_eq!(Some(pid), stack.pid(server));
        assert!(ProcessId::of(pid).is_some(), "{server} runs");
        assert_eq!(shown["port"], stack.port(server));
        assert!(std::path::Path::new(shown["dir"].as_str().unwrap()).is_dir());
    }
}

fn a_killed_server_comes_back_with_its_data(harness: &'static Harness) {
    let stack = harness.private_stack(&[Server::Postgres, Server::Mongodb]);
    let (url, database) = (harness.postgres_database(&stack), harness.mongodb_database(&stack));
    let journaled = mongodb::options::WriteConcern::builder().journal(true).build();
    let options = mongodb::options::CollectionOptions::builder().write_concern(journaled).build();
    let things = database.collection_with_options::<mongodb::bson::Document>("things", options);
    harness.block_on(async {
        let client = connect_postgres(&url).await;
        client.batch_execute("CREATE TABLE t (x bigint); INSERT INTO t VALUES (42)").await.unwrap();
        things.insert_one(doc! { "x": 42 }).await.unwrap();
    });
    for server in [Server::Postgres, Server::Mongodb] {
        let before = (stack.pid(server).unwrap(), stack.port(server));
        stack.kill_server(server).unwrap();
        assert_eq!(stack.pid(server), None);
        stack.start_server(server).unwrap();
        assert_ne!(stack.pid(server).unwrap(), before.0);
        assert_eq!(stack.port(server), before.1, "clients keep their URL");
    }
    harness.block_on(async {
        let client = connect_postgres(&url).await;
        let row = client.query_one("SELECT count(*) FROM t", &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 1);
        assert_eq!(things.count_documents(doc! {}).await.unwrap(), 1);
    });
}

fn a_paused_server_does_not_answer(harness: &'static Harness) {
    let stack = harness.private_stack(&[Server::Postgres]);
    let url = stack.postgres_url("postgres");
    harness.block_on(async {
        let client = connect_postgres(&url).await;
        stack.pause_server(Server::Postgres).unwrap();
        let query = client.simple_query("SELECT 1");
        tokio::pin!(query);
        assert!(tokio::time::timeout(Duration::from_millis(300), &mut query).await.is_err());
        stack.resume_server(Server::Postgres).unwrap();
        tokio::time::timeout(Duration::from_secs(10), query).await.unwrap().unwrap();
    });
}

fn two_stacks_never_meet(harness: &'static Harness) {
    let (one, other) = (harness.stack(), harness.private_stack(&[Server::Postgres, Server::Mosquitto]));
    for server in [Server::Postgres, Server::Mosquitto] {
        assert_ne!(one.port(server), other.port(server));
        assert_ne!(one.pid(server), other.pid(server));
    }
    assert_ne!(one.password(), other.password());
    assert_eq!(other.pid(Server::Mongodb), None, "only what was asked for runs");
    let pids = Server::ALL.map(|server| one.pid(server));
    let (folder, port) = (other.folder().to_owned(), other.port(Server::Postgres));
    drop(other);
    assert!(!folder.exists());
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok(), "the deleted stack's server is gone");
    assert_eq!(Server::ALL.map(|server| one.pid(server)), pids);
}

fn a_taken_port_is_replaced(harness: &'static Harness) {
    let stack = harness.private_stack(&[Server::Mosquitto]);
    let port = stack.port(Server::Mosquitto);
    stack.stop_server(Server::Mosquitto).unwrap();
    let somebody_else = TcpListener::bind(("127.0.0.1", port)).unwrap();
    stack.start_server(Server::Mosquitto).unwrap();
    assert_ne!(stack.port(Server::Mosquitto), port);
    drop(somebody_else);
    assert_eq!(round_trip_through_mosquitto(&stack, "t"), "42");
}

/// A remembered pid that meanwhile belongs to somebody else must not be signalled.
fn only_own_processes_are_stopped(harness: &'static Harness) {
    let stack = harness.private_stack(&[Server::Mosquitto]);
    stack.stop_server(Server::Mosquitto).unwrap();
    let mut stranger = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    let process = ProcessId::of(stranger.id()).unwrap();

    let path = stack.folder().join("data/state.json");
    let mut state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    state["servers"]["mosquitto"]["process"] = serde_json::to_value(process).unwrap();
    std::fs::write(&path, state.to_string()).unwrap();

    assert_eq!(stack.pid(Server::Mosquitto), None);
    let output = harness.run_dev(&["down", "--dir", stack.folder().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(process.is_alive());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    stack.start_server(Server::Mosquitto).unwrap();
}

fn up_and_down_work_from_the_command_line(harness: &'static Harness) {
    let folder = harness.folder("command_line");
    let up = harness.spawn_dev(&["up", "mosquitto", "--small", "--dir", "stack"], &folder);
    let ended = up.wait(Duration::from_secs(60)).expect("`dev up` returns once the servers answer");
    assert!(ended.success(), "{}", up.log_text());
    assert!(up.log_text().contains("mqtt://127.0.0.1:"), "{}", up.log_text());
    let variables = std::fs::read_to_string(folder.join(".env")).unwrap();
    assert!(variables.contains("GENIMS_MQTT_ADDRESS="), "{variables}");
    let stack = Stack::open(&folder.join("stack")).unwrap().unwrap();
    let process = ProcessId::of(stack.pid(Server::Mosquitto).unwrap()).unwrap();

    let down = harness.spawn_dev(&["down", "--delete", "--dir", "stack"], &folder);
    let ended = down.wait(Duration::from_secs(60)).unwrap();
    assert!(ended.success(), "{}", down.log_text());
    assert!(!process.is_alive());
    assert!(!folder.join("stack").exists());
    assert!(!folder.join(".env").exists());
}

/// Without `--dir`, as somebody does who has forgotten where it is.
fn down_finds_what_was_brought_up_elsewhere(harness: &'static Harness) {
    let folder = harness.folder("elsewhere");
    let run = |arguments: &[&str]| {
        let mut command = harness.other("genims-dev", arguments);
        let output = command.current_dir(&folder).stdin(Stdio::null()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let up = run(&["up", "mosquitto", "--small", "--dir", "some/where"]);
    assert!(up.0, "{}", up.1);
    let stack = Stack::open(&folder.join("some/where")).unwrap().unwrap();
    let process = ProcessId::of(stack.pid(Server::Mosquitto).unwrap()).unwrap();
    let status = run(&["status"]);
    assert!(status.0 && status.1.contains("mqtt://127.0.0.1:"), "{}", status.1);
    let down = run(&["down"]);
    assert!(down.0 && !process.is_alive(), "{}", down.1);

    // Of several the one that runs; where that does not tell, none of them.
    let (one, other) =
        (run(&["up", "mosquitto", "--small"]), run(&["up", "mosquitto", "--small", "--dir", "some/where"]));
    assert!(one.0 && other.0, "{} {}", one.1, other.1);
    let asked = run(&["down"]);
    assert!(!asked.0 && asked.1.contains("some/where") && asked.1.contains("--dir"), "{}", asked.1);
    assert!(run(&["down", "--dir", ".genims", "--delete"]).0);
    let process = ProcessId::of(stack_pid(&folder.join("some/where"))).unwrap();
    let down = run(&["down", "--delete"]);
    assert!(down.0 && !process.is_alive(), "{}", down.1);
    assert!(!folder.join("some/where").exists() && !folder.join(".genims").exists() && !folder.join(".env").exists());
}

fn stack_pid(folder: &std::path::Path) -> u32 {
    Stack::open(folder).unwrap().unwrap().pid(Server::Mosquitto).unwrap()
}

/// A `.env` that somebody wrote by hand holds passwords that exist nowhere else.
fn a_foreign_env_file_is_left_alone(harness: &'static Harness) {
    let stack = harness.stack();
    let path = harness.folder("env").join(".env");
    std::fs::write(&path, "SECRET=1\n").unwrap();
    assert_eq!(stack.write_env_file(&path).unwrap(), EnvFile::NotOurs);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "SECRET=1\n");
}

/// Not that of others, nor what a process still works in.
fn memory_that_nobody_finds_is_given_back(harness: &'static Harness) {
    let (memory, disk) = (harness.folder("memory"), harness.folder("disk"));
    let gone = memory.join("gone");
    let data = |name: &str, origin: &std::path::Path| {
        let data = memory.join(name);
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("origin"), origin.to_str().unwrap()).unwrap();
        data
    };
    let (lost, found) = (data("genims-lost", &gone), data("genims-found", &disk));
    let (other, used) = (data("other-lost", &gone), data("genims-used", &gone));
    let unsaid = memory.join("genims-unsaid");
    std::fs::create_dir(&unsaid).unwrap();
    let bin = disk.join("genims-lost-bin");
    std::fs::create_dir(&bin).unwrap();
    let mut user = Command::new("sleep").arg("600").current_dir(&used).spawn().unwrap();
    leftovers::give_memory_back(&memory, &disk);
    let there = [&lost, &bin, &found, &other, &used, &unsaid].map(|folder| folder.exists());
    user.kill().unwrap();
    user.wait().unwrap();
    assert_eq!(there, [false, false, true, true, true, true]);
    leftovers::give_memory_back(&memory, &disk);
    assert!(!used.exists(), "nobody works there any more");
}
