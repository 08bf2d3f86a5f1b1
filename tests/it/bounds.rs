//! What must stay within bounds whatever happens outside: memory, file handles, the time that a stop takes.

use crate::harness::Harness;
use crate::running::eventually;
use crate::sender::{Answer, Connection, Load, LoadOptions, Speech, encode};
use crate::server::{Plant, Setup};
use genims_dev::Server;
use libtest_mimic::Trial;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
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
