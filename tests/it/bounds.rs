//! What must stay within bounds whatever happens outside: memory, file handles, the time that a stop takes.

use crate::dead_letters::{TABLE, balanced};
use crate::harness::Harness;
use crate::routes::{picture, plant as routed_plant};
use crate::running::eventually;
use crate::sender::{Answer, Connection, Load, LoadOptions, Speech, encode, now_us};
use crate::server::{Plant, Setup};
use crate::stream::{now_ms, send};
use crate::tally::sink;
use crate::{positions, routes};
use genims::server::STOP_MAX;
use genims_dev::Server;
use libtest_mimic::Trial;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
const SMALL_SPOOL: &str = "[spool]\nmax_bytes = 4194304\n";
/// What the README allows.
pub(crate) const RSS_MB_MAX: u64 = 512;
const SENDERS: usize = 64;
/// Of each other kind.
const SENDERS_OF_OTHERS: usize = 16;
/// A server that takes nothing for so long has no room.
const BLOCKED_AFTER: Duration = Duration::from_secs(5);
const GARBAGE_BYTES: usize = 60_000;
static GARBAGE: [u8; GARBAGE_BYTES] = [b'{'; GARBAGE_BYTES];

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("bounds::a_full_log_and_hung_databases_do_not_delay_the_stop", stops_in_time),
        harness.trial("bounds::large_garbage_against_a_full_log_takes_little_memory", garbage_takes_little_memory),
        harness
            .trial("bounds::overlong_lines_of_many_connections_take_little_memory", overlong_lines_take_little_memory),
        harness.trial("bounds::what_was_cut_says_so_and_is_not_replayed", cut_dead_letters),
        harness.trial("bounds::running_out_of_file_handles_is_waited_out", file_handles_run_out),
        harness.trial("bounds::a_crash_leaves_no_core", a_crash_leaves_no_core),
    ]
}

const DATABASES: [Server; 3] = [Server::Postgres, Server::Mariadb, Server::Mongodb];
/// Those of the modules that have routes here.
const ROUTED: [&str; 3] = ["hr", "audit", "production"];

/// Every database hangs with a batch on its way, and the log is full.
fn fill_and_hang(harness: &Harness, plant: &Plant) -> Load {
    let machine = plant.sensor();
    let change = |number: i64| {
        let state = if number % 2 == 0 { "RUNNING" } else { "IDLE" };
        picture(&machine, now_ms() - 3_600_000 + number * 1_000, state, 0, None)
    };
    let speeches = vec![Speech::MqttV3, Speech::Frames, Speech::MqttV5, Speech::Frames];
    let interval = Duration::from_millis(8);
    let load = Load::start(plant, &LoadOptions { speeches, interval, ..LoadOptions::usual("hang") });
    eventually("the first acknowledgements", PATIENCE, || load.acked() > 1_000);
    send(harness, plant, &[change(0)]);
    let routed = |stats: &Value| ROUTED.iter().all(|name| sink(stats, name)["position"].as_u64() > Some(0));
    eventually("every database follows", PATIENCE, || routed(&plant.stats()));
    DATABASES.iter().for_each(|server| plant.stack.pause_server(*server).unwrap());
    send(harness, plant, &[change(1)]);
    eventually("the spool is full", PATIENCE, || plant.stats()["spool"]["full"] == true);
    let waits = |stats: &Value| ROUTED.iter().all(|name| sink(stats, name)["lag_records"].as_u64() > Some(0));
    eventually("every database has a batch to write", PATIENCE, || waits(&plant.stats()));
    load
}

/// The sinks, those that follow the log of events, and what follows changes and computes reports: all wait for an answer.
fn stops_in_time(harness: &'static Harness) {
    let more = format!("{SMALL_SPOOL}[routes]\ndirectory = \"routes\"\n");
    let plant = routed_plant(harness, &more, &["master", "operations", "production", "hr", "audit"]);
    let folder = plant.folder.join("routes");
    std::fs::create_dir(&folder).unwrap();
    for (name, text) in routes::EACH.iter().chain(&positions::EACH) {
        std::fs::write(folder.join(name), text).unwrap();
    }
    plant.serve();
    let load = fill_and_hang(harness, &plant);
    let begun = Instant::now();
    plant.terminate();
    let took = begun.elapsed();
    DATABASES.iter().for_each(|server| plant.stack.resume_server(*server).unwrap());
    assert!(took < STOP_MAX, "the stop took {took:?}");
    plant.serve_full();
    load.finish(PATIENCE);
}

/// Many clients of MQTT without acknowledgements, and beside them some of every other kind: what is refused, and what is in
/// order but large.
fn garbage_takes_little_memory(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup { more: SMALL_SPOOL, ..Setup::default() });
    plant.stack.stop_server(Server::Postgres).unwrap();
    let topic = format!("{}/scada", plant.sensor().machine_topic());
    let mut most_mb = 0;
    std::thread::scope(|scope| {
        let plant = &plant;
        let mut senders = Vec::new();
        senders.extend((0..SENDERS).map(|no| scope.spawn(move || push(plant.doors.mqtt, no))));
        senders.extend((0..SENDERS_OF_OTHERS).map(|no| scope.spawn(move || push_aliased(plant.doors.mqtt, no))));
        senders.extend((0..SENDERS_OF_OTHERS).map(|no| scope.spawn(move || push_frames(plant.doors.tcp, no))));
        senders.extend((0..SENDERS_OF_OTHERS).map(|_| scope.spawn(move || push_lines(plant.doors.line))));
        let topic = &topic;
        senders
            .extend((0..SENDERS_OF_OTHERS).map(|no| scope.spawn(move || push_snapshots(plant.doors.mqtt, topic, no))));
        let wills: Vec<_> =
            (0..SENDERS_OF_OTHERS).map(|no| scope.spawn(move || push_wills(plant.doors.mqtt, no))).collect();
        while !(senders.iter().all(ScopedJoinHandle::is_finished) && wills.iter().all(ScopedJoinHandle::is_finished)) {
            most_mb = most_mb.max(rss_mb(plant));
            std::thread::sleep(Duration::from_millis(50));
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        let taken: usize = wills.into_iter().map(|sender| sender.join().unwrap()).sum();
        assert!(taken >= SENDERS_OF_OTHERS, "only {taken} wills were taken");
    });
    let stats = plant.stats();
    println!("garbage: {most_mb} MB at most");
    assert!(stats["spool"]["full"] == true && stats["identity_holds"] == true, "{stats:#}");
    for source in stats["sources"].as_array().unwrap() {
        let read = source["listener"]["bytes_total"].as_u64().unwrap_or(u64::MAX);
        assert!(read > (SENDERS_OF_OTHERS * GARBAGE_BYTES / 2) as u64, "hardly anything came: {source:#}");
    }
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
fn cut_dead_letters(harness: &'static Harness) {
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
        assert!(text.contains(&format!("dead letter {id} was left: its payload was cut")), "{text}");
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

/// Until the server takes no more for a while, or has taken enough.
fn push_until_blocked(mut take: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline && take() {}
}

/// Sends in MQTT 3.1.1 without QoS.
fn push(address: SocketAddr, no: usize) {
    let mut connection = Connection::open(address, Speech::MqttV3, &format!("garbage-{no}"));
    let message = publish("genims/v1/FAC-01/readings", 0x30, &[], &GARBAGE);
    push_until_blocked(|| connection.offer(&message, BLOCKED_AFTER));
}

/// Sends in MQTT 5 with QoS 1, as many at once as the server allows, all by one alias of the topic.
fn push_aliased(address: SocketAddr, no: usize) {
    const RECEIVE_MAXIMUM: u16 = 4_096;
    let mut connection = Connection::open(address, Speech::MqttV5, &format!("aliased-{no}"));
    let (mut id, mut under_way) = (0, 0);
    push_until_blocked(|| {
        if under_way == RECEIVE_MAXIMUM {
            let acked = matches!(connection.answer_within(BLOCKED_AFTER), Some(Answer::Acked(_) | Answer::Refused(..)));
            under_way -= u16::from(acked);
            return acked;
        }
        // The first one says what the alias stands for.
        let topic = if id == 0 { "genims/v1/FAC-01/readings" } else { "" };
        (id, under_way) = (id % u16::MAX + 1, under_way + 1);
        let message = publish(topic, 0x32, &[&id.to_be_bytes()[..], &[3, 0x23, 0, 1]].concat(), &GARBAGE);
        connection.offer(&message, BLOCKED_AFTER)
    });
}

/// Sends frames full of sensors that nobody knows.
fn push_frames(address: SocketAddr, no: usize) {
    const NAME_BYTES: usize = 240;
    let mut connection = Connection::open(address, Speech::Frames, &format!("frames-{no}"));
    let sensors: Vec<String> = (0..GARBAGE_BYTES / NAME_BYTES)
        .map(|sensor| format!("{no}-{sensor:0>width$}", width = NAME_BYTES - 4))
        .collect();
    let mut number = 0;
    push_until_blocked(|| {
        number += 1;
        let mut frame = Vec::new();
        encode::message(Speech::Frames, number, &sensors, now_us(), false, &mut frame);
        connection.offer(&frame, BLOCKED_AFTER)
    });
}

/// Sends lines that are none.
fn push_lines(address: SocketAddr) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_write_timeout(Some(BLOCKED_AFTER)).unwrap();
    let line = [vec![b'x'; GARBAGE_BYTES], b"\n".to_vec()].concat();
    push_until_blocked(|| connection.write_all(&line).is_ok());
}

/// Sends snapshots that are in order, each with as much text as its columns hold.
fn push_snapshots(address: SocketAddr, topic: &str, no: usize) {
    /// As the decoder takes them.
    const DESCRIPTION: usize = 10_000;
    let mut connection = Connection::open(address, Speech::MqttV3, &format!("snapshots-{no}"));
    let (mut at_ms, text) = (now_ms() - 3_600_000 + no as i64, "x".repeat(DESCRIPTION));
    push_until_blocked(|| {
        let snapshots = (0..GARBAGE_BYTES / DESCRIPTION).map(|_| {
            at_ms += SENDERS_OF_OTHERS as i64;
            json!({ "timestamp_ms": at_ms, "machine_state": "FAULT", "fault_code": "E1", "fault_description": text })
        });
        let payload = Value::Array(snapshots.collect()).to_string();
        connection.offer(&publish(topic, 0x30, &[], payload.as_bytes()), BLOCKED_AFTER)
    });
}

/// Goes away without a word, again and again: each will is an event. Says how many were taken.
fn push_wills(address: SocketAddr, no: usize) -> usize {
    const CONNECTIONS: usize = 200;
    let id = format!("will-{no}");
    let text = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let fields =
        [b"\0\x04MQTT\x04\x06\0\x3c".to_vec(), text(id.as_bytes()), text(b"plant/lost"), text(&GARBAGE)].concat();
    let connect = [vec![0x10], length(fields.len()), fields].concat();
    let mut taken = 0;
    for _ in 0..CONNECTIONS {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(BLOCKED_AFTER)).unwrap();
        let mut answer = [0; 4];
        if connection.write_all(&connect).is_err() || connection.read_exact(&mut answer).is_err() {
            break;
        }
        // Refused where the wills of others have taken all room.
        assert!(matches!(answer, [0x20, 2, 0, 0 | 3]), "{answer:02x?}");
        taken += usize::from(answer[3] == 0);
    }
    taken
}

/// A PUBLISH; `middle` stands between topic and payload.
fn publish(topic: &str, first: u8, middle: &[u8], payload: &[u8]) -> Vec<u8> {
    let topic = [&(topic.len() as u16).to_be_bytes(), topic.as_bytes()].concat();
    [vec![first], length(topic.len() + middle.len() + payload.len()), topic, middle.to_vec(), payload.to_vec()].concat()
}

/// The remaining length of a packet.
fn length(mut bytes: usize) -> Vec<u8> {
    let mut length = Vec::new();
    while bytes >= 0x80 {
        length.push((bytes % 0x80) as u8 | 0x80);
        bytes /= 0x80;
    }
    length.push(bytes as u8);
    length
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

/// It would hold the passwords of all databases.
fn a_crash_leaves_no_core(harness: &'static Harness) {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", Plant::shared(harness).pid())).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"], "now, and whatever is asked for");
}

fn rss_mb(plant: &Plant) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", plant.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}
