//! What must stay within bounds whatever happens outside: memory, file handles, the time that a stop takes.

use crate::harness::Harness;
use crate::letters::{TABLE, balanced};
use crate::running::eventually;
use crate::sender::{Answer, Connection, Load, LoadOptions, Speech, encode};
use crate::server::{Plant, Setup};
use genims_dev::Server;
use libtest_mimic::Trial;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
const SMALL_SPOOL: &str = "[spool]\nmax_bytes = 4194304\n";
/// `genims serve --help` and the README say so.
const STOP_MAX: Duration = Duration::from_secs(10);
/// What the README allows.
const RSS_MB_MAX: u64 = 512;
const SENDERS: usize = 64;
const GARBAGE_BYTES: usize = 60_000;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("bounds::a_full_log_and_hung_databases_do_not_delay_the_stop", stops_in_time),
        harness.trial("bounds::large_garbage_against_a_full_log_takes_little_memory", garbage_takes_little_memory),
        harness
            .trial("bounds::overlong_lines_of_many_connections_take_little_memory", overlong_lines_take_little_memory),
        harness.trial("bounds::what_was_cut_says_so_and_is_not_replayed", cut_letters),
        harness.trial("bounds::running_out_of_file_handles_is_waited_out", file_handles_run_out),
    ]
}

fn fill_and_hang(plant: &Plant) -> Load {
    let speeches = vec![Speech::MqttV3, Speech::Frames, Speech::MqttV5, Speech::Frames];
    let interval = Duration::from_millis(8);
    let load = Load::start(plant, &LoadOptions { speeches, interval, ..LoadOptions::usual("hang") });
    eventually("the first acknowledgements", PATIENCE, || load.acked() > 1_000);
    plant.stack.pause_server(Server::Postgres).unwrap();
    plant.stack.pause_server(Server::Mongodb).unwrap();
    eventually("the spool is full", PATIENCE, || plant.stats()["spool"]["full"] == true);
    load
}

fn stops_in_time(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup { more: SMALL_SPOOL, ..Setup::default() });
    let load = fill_and_hang(&plant);
    let begun = Instant::now();
    plant.terminate();
    let took = begun.elapsed();
    plant.stack.resume_server(Server::Postgres).unwrap();
    plant.stack.resume_server(Server::Mongodb).unwrap();
    assert!(took < STOP_MAX, "the stop took {took:?}");
    plant.serve_full();
    load.finish(PATIENCE);
}

fn garbage_takes_little_memory(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup { more: SMALL_SPOOL, ..Setup::default() });
    plant.stack.stop_server(Server::Postgres).unwrap();
    let payload = vec![b'{'; GARBAGE_BYTES];
    let message = publish("genims/v1/FAC-01/readings", &payload);
    let mut most_mb = 0;
    std::thread::scope(|scope| {
        let (plant, message) = (&plant, &message);
        let senders: Vec<_> = (0..SENDERS).map(|no| scope.spawn(move || push(plant.doors.mqtt, no, message))).collect();
        while senders.iter().any(|sender| !sender.is_finished()) {
            most_mb = most_mb.max(rss_mb(plant));
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let stats = plant.stats();
    println!("garbage: {most_mb} MB at most");
    assert!(stats["spool"]["full"] == true && stats["identity_holds"] == true, "{stats:#}");
    assert!(most_mb < RSS_MB_MAX, "{most_mb} MB");
    plant.stack.start_server(Server::Postgres).unwrap();
}

/// Each could fill a dead letter of its own.
fn overlong_lines_take_little_memory(harness: &'static Harness) {
    const CONNECTIONS: usize = 300;
    const LINE_BYTES: usize = 1_200_000;
    /// Two thirds of what the lines have.
    const GROWTH_MB_MAX: u64 = 240;
    let plant = Plant::start(harness, &Setup::default());
    let before_mb = rss_mb(&plant);
    let piece = vec![b'x'; LINE_BYTES];
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut sender = TcpStream::connect(plant.doors.line).unwrap();
        sender.write_all(&piece).unwrap();
        senders.push(sender);
    }
    let sent = (CONNECTIONS * LINE_BYTES) as u64;
    let received = || {
        let stats = plant.stats();
        let sources = stats["sources"].as_array().unwrap().clone();
        let line = sources.into_iter().find(|source| source["name"] == "line").unwrap();
        line["listener"]["bytes_total"].as_u64().unwrap()
    };
    let mut most_mb = 0;
    eventually("all is read", PATIENCE, || {
        most_mb = most_mb.max(rss_mb(&plant));
        received() >= sent
    });
    println!("overlong lines: {before_mb} MB before, {most_mb} MB at most");
    senders.iter_mut().for_each(|sender| sender.write_all(b"\n").unwrap());
    let told = format!("reason = 'too_large' AND payload_bytes = {LINE_BYTES}");
    eventually("each is set aside", PATIENCE, || {
        most_mb = most_mb.max(rss_mb(&plant));
        let query = format!("SELECT coalesce(sum(letters), 0)::bigint FROM genims_internal.dead_letters WHERE {told}");
        plant.query("genims_operations_db", &query)[0].get::<_, i64>(0) == CONNECTIONS as i64
    });
    println!("overlong lines: {most_mb} MB at most in the end");
    assert!(most_mb - before_mb < GROWTH_MB_MAX, "{before_mb} MB before, {most_mb} MB at most");
    assert_eq!(plant.idle()["identity_holds"], true);
}

/// More than a dead letter keeps.
fn cut_letters(harness: &'static Harness) {
    const LINE_BYTES: usize = 1_200_000;
    const KEPT_BYTES: usize = 1024 * 1024;
    let plant = Plant::start(harness, &Setup::default());
    let mut sender = TcpStream::connect(plant.doors.line).unwrap();
    let line = format!("r,sensor_id=NOBODY value=1,text=\"{}\"", "é".repeat(LINE_BYTES / 2));
    sender.write_all(&[line.as_bytes(), b"\n"].concat()).unwrap();
    let waits = "reason = 'too_large' AND replayed_at IS NULL";
    eventually("it is set aside", PATIENCE, || plant.rows(TABLE, waits) == 1);
    let letter_id: i64 = plant.query("genims_operations_db", &format!("SELECT letter_id FROM {TABLE}"))[0].get(0);
    let id = letter_id.to_string();

    let shown: Value = serde_json::from_str(&plant.cli_ok(&["deadletter", "show", &id, "--json"])).unwrap();
    assert_eq!(shown["payload_bytes"], line.len(), "{}", shown["detail"]);
    assert_eq!((&shown["payload_is_cut"], &shown["payload_kept_bytes"]), (&true.into(), &KEPT_BYTES.into()));
    assert!(line.starts_with(shown["payload_text"].as_str().unwrap()));
    let told = format!("cut: the first {KEPT_BYTES} of {} bytes were kept", line.len());
    assert!(shown["detail"].as_str().unwrap().contains(&told), "{}", shown["detail"]);
    let text = plant.cli_ok(&["deadletter", "show", &id]);
    assert!(text.contains(&format!("payload   {} bytes, CUT: the first {KEPT_BYTES} were kept", line.len())));
    let list: Value = serde_json::from_str(&plant.cli_ok(&["deadletter", "list", "--json"])).unwrap();
    let listed = &list["letters"][0];
    assert_eq!((&listed["payload_is_cut"], &listed["payload_kept_bytes"]), (&true.into(), &KEPT_BYTES.into()));
    assert!(listed["payload_text"].as_str().unwrap().len() < 1_000);

    for arguments in [&["deadletter", "replay", &id][..], &["deadletter", "replay", "--reason", "too_large"]] {
        let said = plant.cli(arguments);
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!((said.status.code(), text.starts_with("0 of 1 stored.\n")), (Some(1), true), "{text}");
        assert!(text.contains(&format!("letter {id} was left: its payload was cut")), "{text}");
    }
    let said = plant.cli(&["deadletter", "replay", &id, "--json"]).stdout;
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!((&said["cut"], &said["replayed"], &said["cut_ids"][0]), (&1.into(), &0.into(), &letter_id.into()));
    assert_eq!(
        (plant.rows(TABLE, waits), plant.rows("sensor_data", "sensor_id = 'NOBODY'")),
        (1, 0),
        "it waits as before"
    );
    balanced(&plant);
}

/// Sends without QoS until the server takes no more for a while.
fn push(address: SocketAddr, no: usize, message: &[u8]) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let id = format!("garbage-{no}");
    let mut connect = vec![0x10, 12 + id.len() as u8, 0, 4];
    connect.extend_from_slice(b"MQTT\x04\x02\x00\x00\x00");
    connect.push(id.len() as u8);
    connect.extend_from_slice(id.as_bytes());
    connection.write_all(&connect).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline && connection.write_all(message).is_ok() {}
}

/// A PUBLISH of QoS 0 in MQTT 3.1.1.
fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![0x30];
    let mut length = 2 + topic.len() + payload.len();
    while length >= 0x80 {
        message.push((length % 0x80) as u8 | 0x80);
        length /= 0x80;
    }
    message.push(length as u8);
    message.extend_from_slice(&(topic.len() as u16).to_be_bytes());
    message.extend_from_slice(topic.as_bytes());
    message.extend_from_slice(payload);
    message
}

fn file_handles_run_out(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let pid = Pid::from_raw(i32::try_from(plant.pid()).unwrap()).unwrap();
    let mut before = Connection::open(plant.doors.mqtt, Speech::MqttV5, "before");
    let open = std::fs::read_dir(format!("/proc/{}/fd", plant.pid())).unwrap().count() as u64;
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(open), maximum }).unwrap();
    // The kernel completes connections that nobody has accepted.
    let waiting: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(plant.doors.mqtt).unwrap()).collect();
    eventually("the shortage is told", PATIENCE, || plant.log_text().contains("cannot accept connections"));
    before.send(|out| encode::ping(Speech::MqttV5, out));
    assert_eq!(before.answer(), Some(Answer::Pong), "those who are there are served");
    std::thread::sleep(Duration::from_secs(3));
    let told = plant.log_text().matches("cannot accept connections").count();
    // Once for each listener that had somebody waiting.
    assert!(told <= 4, "told {told} times:\n{}", plant.log_text());
    drop(waiting);
    prlimit(Some(pid), Resource::Nofile, limit).unwrap();
    let mut after = Connection::open(plant.doors.mqtt, Speech::MqttV5, "after");
    after.send(|out| encode::ping(Speech::MqttV5, out));
    assert_eq!(after.answer(), Some(Answer::Pong));
}

fn rss_mb(plant: &Plant) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", plant.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}
