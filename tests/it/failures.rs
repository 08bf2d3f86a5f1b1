//! Databases that stop, hang or stay away, a log at its cap, restarts, many idle clients: nothing is lost, nothing is there
//! twice, and nobody waits who need not.
//!
//! `GENIMS_OUTAGE_SECONDS` says how long a database is away, `GENIMS_IDLE_CONNECTIONS` how many clients say nothing.

use crate::harness::Harness;
use crate::kill9::number;
use crate::monitoring;
use crate::running::eventually;
use crate::sender::{Answer, Connection, Load, LoadOptions, Sent, Speech, encode, now_us};
use crate::server::{PATIENCE, Plant, Setup};
use crate::tally::{self, sink};
use genims::server::STOP_MAX;
use genims_dev::Server;
use libtest_mimic::Trial;
use serde_json::Value;
use std::time::{Duration, Instant};

const OUTAGE_SECONDS_USUAL: u64 = 8;
const CATCH_UP: Duration = Duration::from_secs(120);
/// A rate is measured over this.
const SAMPLE: Duration = Duration::from_secs(3);
/// An outage costs the listeners nothing, but other tests run on the same cores; listeners that wait acknowledge nothing.
const RATE_SHARE_MIN: f64 = 0.3;
const SMALL_SPOOL: &str = "[spool]\nmax_bytes = 4194304\n";
const IDLE_CONNECTIONS_USUAL: u64 = 1_000;
/// The issue allows 512 MiB with 10,000 idle connections.
const RSS_MB_MAX: u64 = 256;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("failures::databases_that_stop_slow_nobody_and_catch_up", databases_that_stop),
        harness.trial("failures::databases_that_hang_slow_nobody_and_catch_up", databases_that_hang),
        harness.trial("failures::databases_that_crash_under_load_lose_nothing", databases_that_crash),
        harness.trial("failures::a_crash_while_a_database_hangs_loses_nothing", a_crash_while_a_database_hangs),
        harness.trial("failures::acknowledged_after_the_commit_means_committed", acknowledged_after_the_commit),
        harness.trial("failures::a_full_spool_blocks_and_says_so", a_full_spool_blocks_and_says_so),
        harness.trial("failures::a_full_spool_drops_the_newest_and_says_so", a_full_spool_drops_the_newest),
        harness.trial("failures::the_server_starts_while_every_database_is_down", starts_while_every_database_is_down),
        harness.trial("failures::a_day_detached_under_load_gets_no_more_rows", a_day_detached_under_load),
        harness.trial("failures::orderly_restarts_under_load_lose_nothing", orderly_restarts_under_load_lose_nothing),
        harness.trial("failures::idle_connections_cost_little", idle_connections_cost_little),
    ]
}

/// The end of every test here.
fn verdict(harness: &Harness, plant: &Plant, loads: impl IntoIterator<Item = Load>) {
    let sent: Vec<Sent> = loads.into_iter().flat_map(|load| load.finish(CATCH_UP)).collect();
    assert!(sent.iter().all(|client| client.open.is_empty()), "not all was acknowledged:\n{}", plant.log_text());
    let stats = tally::drained(plant, CATCH_UP);
    tally::everything_is_there_once(harness, plant, &sent);
    assert_eq!(stats["identity_holds"], true, "{stats:#}");
    assert_eq!(stats["total"]["dead_lettered"], 0, "{stats:#}");
    plant.cli_ok(&["verify", "--module", "ledger"]);
}

fn name_of(server: Server) -> &'static str {
    if server == Server::Postgres { "postgres" } else { "mongodb" }
}

/// While `ailing` are away: clients are acknowledged, the lag shows where it is, and the other database goes on.
fn nobody_waits(plant: &Plant, load: &Load, ailing: &[Server], usual: f64) {
    let seconds = number("GENIMS_OUTAGE_SECONDS", OUTAGE_SECONDS_USUAL);
    let before = plant.stats();
    let rate = load.rate(Duration::from_secs(seconds));
    assert!(rate > usual * RATE_SHARE_MIN, "{ailing:?} away: {rate:.0} of {usual:.0} readings/s\n{}", plant.log_text());
    assert_eq!(plant.get("/readyz").map(|(status, _)| status), Some(200));
    let stats = plant.stats();
    assert_eq!((&stats["identity_holds"], &stats["spool"]["full"]), (&true.into(), &false.into()), "{stats:#}");
    for server in [Server::Postgres, Server::Mongodb] {
        let view = sink(&stats, name_of(server));
        let (records, seconds_behind) = (view["lag_records"].as_u64().unwrap(), view["lag_seconds"].as_f64().unwrap());
        if ailing.contains(&server) {
            assert!(records as f64 > rate * seconds as f64 / 2.0, "{ailing:?} away: {stats:#}");
            assert!(seconds_behind > seconds as f64 / 2.0, "{ailing:?} away: {stats:#}");
        } else {
            let position = |stats: &Value| sink(stats, name_of(server))["position"].as_u64().unwrap();
            assert!(position(&stats) > position(&before), "{ailing:?} away: {stats:#}");
        }
    }
}

/// The server is ready all the same, and names each sink that does not follow.
fn says_who_is_away(plant: &Plant, away: &[Server]) {
    for server in [Server::Postgres, Server::Mongodb] {
        let name = name_of(server);
        let expected = if away.contains(&server) { "retrying" } else { "following" };
        eventually(name, PATIENCE, || sink(&plant.stats(), name)["state"] == expected);
        let (status, ready) = plant.get("/readyz").unwrap();
        assert_eq!(status, 200, "{ready}");
        assert_eq!(ready.contains(&format!("sink {name}: retrying: ")), away.contains(&server), "{ready}");
    }
}

fn catches_up(plant: &Plant) {
    tally::caught_up(plant, &["postgres", "mongodb"], CATCH_UP);
}

fn databases_that_stop(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let load = Load::start(&plant, &LoadOptions::usual("stop"));
    for away in [&[Server::Postgres][..], &[Server::Mongodb], &[Server::Postgres, Server::Mongodb]] {
        let usual = load.rate(SAMPLE);
        away.iter().for_each(|server| plant.stack.stop_server(*server).unwrap());
        nobody_waits(&plant, &load, away, usual);
        says_who_is_away(&plant, away);
        away.iter().for_each(|server| plant.stack.start_server(*server).unwrap());
        catches_up(&plant);
    }
    verdict(harness, &plant, [load]);
}

fn databases_that_hang(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let load = Load::start(&plant, &LoadOptions::usual("hang"));
    for server in [Server::Postgres, Server::Mongodb] {
        let usual = load.rate(SAMPLE);
        plant.stack.pause_server(server).unwrap();
        nobody_waits(&plant, &load, &[server], usual);
        plant.stack.resume_server(server).unwrap();
        catches_up(&plant);
    }
    verdict(harness, &plant, [load]);
}

fn databases_that_crash(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let load = Load::start(&plant, &LoadOptions::usual("crash"));
    for server in [Server::Postgres, Server::Mongodb, Server::Mongodb, Server::Postgres] {
        let acked = load.acked();
        eventually("acknowledgements", CATCH_UP, || load.acked() > acked + 4_000);
        plant.stack.kill_server(server).unwrap();
        plant.stack.start_server(server).unwrap();
    }
    catches_up(&plant);
    verdict(harness, &plant, [load]);
}

/// What a database was sent before it hung, it may still do after its sender has died and come back.
fn a_crash_while_a_database_hangs(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let load = Load::start(&plant, &LoadOptions::usual("both"));
    for server in [Server::Mongodb, Server::Postgres, Server::Mongodb, Server::Postgres] {
        let acked = load.acked();
        eventually("acknowledgements", CATCH_UP, || load.acked() > acked + 4_000);
        plant.stack.pause_server(server).unwrap();
        std::thread::sleep(Duration::from_millis(700));
        plant.kill();
        plant.serve();
        std::thread::sleep(Duration::from_millis(300));
        plant.stack.resume_server(server).unwrap();
    }
    catches_up(&plant);
    verdict(harness, &plant, [load]);
}

/// Rows of the day go where the table shows them; the partition can be put back with what it had.
fn a_day_detached_under_load(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let load = Load::start(&plant, &LoadOptions::usual("detached"));
    let more = || {
        let acked = load.acked();
        eventually("acknowledgements", CATCH_UP, || load.acked() > acked + 4_000);
    };
    more();
    eventually("rows", CATCH_UP, || plant.rows("sensor_data", "true") > 0);
    let newest = "SELECT tableoid::regclass::text, timestamp::date::text, (timestamp::date + 1)::text FROM sensor_data \
                  ORDER BY timestamp DESC LIMIT 1";
    let newest = &plant.query("genims_operations_db", newest)[0];
    let [partition, day, next_day] = [0_usize, 1, 2].map(|column| newest.get::<_, String>(column));
    plant.execute("genims_operations_db", &format!("ALTER TABLE sensor_data DETACH PARTITION {partition}"));
    let detached = plant.rows(&partition, "true");
    assert!(detached > 0 && partition.contains(&day.replace('-', "")), "{partition}");
    more();
    eventually("rows beside it", CATCH_UP, || plant.rows("sensor_data", "true") > 1_000);
    assert_eq!(plant.rows(&partition, "true"), detached, "rows went where nobody sees them");
    assert_eq!(sink(&plant.stats(), "postgres")["state"], "following");
    // As an operator puts it back: what came meanwhile moves in.
    let attach = format!(
        "BEGIN; LOCK TABLE sensor_data IN ACCESS EXCLUSIVE MODE;
         WITH moved AS (DELETE FROM sensor_data WHERE timestamp >= '{day}' AND timestamp < '{next_day}' RETURNING *)
         INSERT INTO {partition} OVERRIDING SYSTEM VALUE SELECT * FROM moved;
         ALTER TABLE sensor_data ATTACH PARTITION {partition} FOR VALUES FROM ('{day}') TO ('{next_day}'); COMMIT"
    );
    plant.execute("genims_operations_db", &attach);
    more();
    verdict(harness, &plant, [load]);
}

fn acknowledged_after_the_commit(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup { mqtt: "acknowledge = \"committed\"", ..Setup::default() });
    let speeches = vec![Speech::MqttV3, Speech::MqttV5];
    let load = Load::start(&plant, &LoadOptions { speeches, ..LoadOptions::usual("commit") });
    eventually("acknowledgements", CATCH_UP, || load.acked() > 2_000);
    plant.kill();
    // The server's disk could be lost now.
    let (acked, rows) = (load.acked(), plant.rows("sensor_data", "true"));
    assert!(rows as u64 >= acked, "{acked} acknowledged, {rows} committed");
    plant.serve();
    eventually("acknowledgements", CATCH_UP, || load.acked() > acked + 2_000);
    plant.stack.stop_server(Server::Postgres).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let acked = load.acked();
    std::thread::sleep(SAMPLE);
    assert_eq!(load.acked(), acked, "acknowledged, but not committed");
    assert_eq!(plant.get("/readyz").map(|(status, _)| status), Some(200));
    plant.stack.start_server(Server::Postgres).unwrap();
    eventually("acknowledgements", CATCH_UP, || load.acked() > acked);
    verdict(harness, &plant, [load]);
}

/// Stops PostgreSQL under load, until the log is full.
fn fill(plant: &Plant, load: &Load) {
    eventually("the first acknowledgements", CATCH_UP, || load.acked() > 1_000);
    plant.stack.stop_server(Server::Postgres).unwrap();
    eventually("the spool is full", CATCH_UP, || plant.stats()["spool"]["full"] == true);
    let (status, reason) = plant.get("/readyz").unwrap();
    assert!(status == 503 && reason.contains("cap"), "{status} {reason}");
    assert_eq!(plant.get("/healthz").map(|(status, _)| status), Some(200), "full is not dead");
    monitoring::fires(plant, &["GenimsLogFillsUp", "GenimsNotReady", "GenimsSinkNotFollowing"]);
}

fn fast(name: &str, speeches: &[Speech]) -> LoadOptions {
    LoadOptions { speeches: speeches.to_vec(), interval: Duration::from_millis(8), ..LoadOptions::usual(name) }
}

fn a_full_spool_blocks_and_says_so(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup { more: SMALL_SPOOL, ..Setup::default() });
    let load = Load::start(&plant, &fast("block", &[Speech::MqttV3, Speech::Frames, Speech::MqttV5, Speech::Frames]));
    fill(&plant, &load);
    // What was under way when the flag went up may still get through.
    std::thread::sleep(Duration::from_secs(1));
    let (acked, pongs, connections) = (load.acked(), load.pongs(), load.connections());
    std::thread::sleep(SAMPLE);
    assert_eq!(load.acked(), acked, "acknowledged, but there is no room");
    assert!(load.pongs() >= pongs + 4 * 3, "{} pings answered while blocked", load.pongs() - pongs);
    assert_eq!(load.connections(), connections, "blocked clients stay connected");
    let stats = plant.stats();
    let (bytes, bytes_max) = (stats["spool"]["bytes"].as_u64().unwrap(), stats["spool"]["bytes_max"].as_u64().unwrap());
    assert!(bytes <= bytes_max && stats["total"]["dropped"] == 0 && stats["identity_holds"] == true, "{stats:#}");
    tally::caught_up(&plant, &["mongodb"], CATCH_UP);
    // A crash with a full log loses nothing, nor does an orderly end; each next start finds the log as full as it was.
    plant.kill();
    plant.serve_full();
    eventually("the spool is full again", CATCH_UP, || plant.stats()["spool"]["full"] == true);
    let begun = Instant::now();
    plant.terminate();
    assert!(begun.elapsed() < STOP_MAX, "an orderly end with a full log took {:?}", begun.elapsed());
    plant.serve_full();
    plant.stack.start_server(Server::Postgres).unwrap();
    eventually("room again", CATCH_UP, || plant.stats()["spool"]["full"] == false && load.acked() > acked);
    assert_eq!(plant.get("/readyz").map(|(status, _)| status), Some(200));
    verdict(harness, &plant, [load]);
}

fn a_full_spool_drops_the_newest(harness: &'static Harness) {
    let more = format!("{SMALL_SPOOL}[pipeline]\nwhen_full = \"drop_newest\"\n");
    let plant = Plant::start(harness, &Setup { more: &more, ..Setup::default() });
    let load = Load::start(&plant, &fast("drop", &[Speech::Frames; 4]));
    fill(&plant, &load);
    // Clients that were there may have a full window of messages that wait behind the door; a new one has not.
    let late = Load::start(&plant, &fast("late", &[Speech::Frames]));
    eventually("frames are refused", CATCH_UP, || late.refused() > 0);
    assert_eq!(late.acked(), 0, "acknowledged, but there is no room");

    // Nobody else uses MQTT here: its account is exact.
    let mqtt = || plant.stats()["sources"].as_array().unwrap().iter().find(|s| s["name"] == "mqtt").unwrap().clone();
    let sensors: Vec<String> = (0..5).map(|_| plant.sensor().sensor_id).collect();
    let publish = |speech, number: u64| {
        let mut connection = Connection::open(plant.doors.mqtt, speech, &format!("drop-{number}"));
        connection.send(|out| encode::message(speech, number, &sensors, now_us(), false, out));
        connection
    };
    assert!(matches!(publish(Speech::MqttV5, 1).answer(), Some(Answer::Refused(_, 0x97))));
    assert_eq!(publish(Speech::MqttV3, 2).answer(), None, "3.1.1 can only close");
    let mut quiet = Connection::open(plant.doors.mqtt, Speech::MqttV5, "drop-quiet");
    for number in 0..10 {
        quiet.send(|out| encode::unacknowledged(Speech::MqttV5, &sensors, now_us() + 1_000 * number, out));
    }
    quiet.send(|out| encode::ping(Speech::MqttV5, out));
    assert_eq!(quiet.answer(), Some(Answer::Pong));
    eventually("twelve messages of five readings are counted as dropped", CATCH_UP, || mqtt()["dropped"] == 12 * 5);
    let account = mqtt();
    assert_eq!((&account["received"], &account["in_flight"]), (&60.into(), &0.into()), "{account:#}");
    assert!(plant.stats()["identity_holds"] == true);
    monitoring::fires(&plant, &["GenimsRecordsDropped"]);

    let acked = load.acked();
    plant.stack.start_server(Server::Postgres).unwrap();
    eventually("room again", CATCH_UP, || plant.stats()["spool"]["full"] == false && load.acked() > acked);
    verdict(harness, &plant, [load, late]);
}

fn starts_while_every_database_is_down(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let load = Load::start(&plant, &LoadOptions::usual("down"));
    eventually("the first acknowledgements", CATCH_UP, || load.acked() > 1_000);
    plant.terminate();
    plant.stack.stop_server(Server::Postgres).unwrap();
    plant.stack.stop_server(Server::Mongodb).unwrap();
    // Once after an orderly end, once after a crash with records that no database has.
    for _ in 0..2 {
        let (acked, begun) = (load.acked(), Instant::now());
        plant.serve();
        assert!(begun.elapsed() < Duration::from_secs(8), "a known catalogue is not waited for");
        eventually("acknowledgements without any database", CATCH_UP, || load.acked() > acked + 5_000);
        plant.kill();
    }
    plant.serve();
    plant.stack.start_server(Server::Postgres).unwrap();
    plant.stack.start_server(Server::Mongodb).unwrap();
    verdict(harness, &plant, [load]);
}

fn orderly_restarts_under_load_lose_nothing(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let load = Load::start(&plant, &LoadOptions::usual("restart"));
    for _ in 0..2 {
        let acked = load.acked();
        eventually("acknowledgements", CATCH_UP, || load.acked() > acked + 4_000);
        plant.terminate();
        plant.serve();
    }
    verdict(harness, &plant, [load]);
}

fn idle_connections_cost_little(harness: &'static Harness) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let plant = Plant::start(harness, &Setup::default());
    let speech = |no: usize| if no.is_multiple_of(2) { Speech::MqttV3 } else { Speech::MqttV5 };
    let count = number("GENIMS_IDLE_CONNECTIONS", IDLE_CONNECTIONS_USUAL) as usize;
    let before_mb = rss_mb(&plant);
    let mut idle: Vec<Connection> =
        (0..count).map(|no| Connection::open(plant.doors.mqtt, speech(no), &format!("idle-{no}"))).collect();
    let connected_mb = rss_mb(&plant);
    let load = Load::start(&plant, &LoadOptions::usual("beside"));
    std::thread::sleep(SAMPLE);
    for (no, connection) in idle.iter_mut().enumerate() {
        connection.send(|out| encode::ping(speech(no), out));
    }
    assert!(idle.iter_mut().all(|connection| connection.answer() == Some(Answer::Pong)));
    let loaded_mb = rss_mb(&plant);
    println!("idle: {before_mb} MB empty, {connected_mb} MB with {count} idle, {loaded_mb} MB under load");
    assert!(loaded_mb < RSS_MB_MAX, "{loaded_mb} MB");
    verdict(harness, &plant, [load]);
}

fn rss_mb(plant: &Plant) -> u64 {
    plant.rss_kib() / 1_024
}
