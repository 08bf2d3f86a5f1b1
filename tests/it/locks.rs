//! The locks of a running server, tried with clients that others wrote: TLS on each listener, certificates of all sorts,
//! clients with secrets, what they may publish, and changes of all of it while connections are open.

#[path = "../../src/listen/src/trial/authority.rs"]
pub(crate) mod authority;
mod certificates;
mod limits;
mod load;
pub(crate) mod session;
mod storm;
mod tokens;

use crate::harness::{Harness, write_env};
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Sensor, Setup, free_addresses};
use authority::{Authority, Issued, put};
use genims_dev::Server;
use libtest_mimic::Trial;
use serde_json::Value;
use session::{ACK, REFUSE, Session, connect_packet, frames};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

const GOOD: (i32, i32) = (2000, 4000);

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("locks::every_listener_speaks_tls_with_clients_of_others", every_listener_speaks_tls),
        harness.trial("locks::certificates_that_are_not_good_stay_out", certificates::not_good),
        harness.trial("locks::a_reload_ends_the_revoked_and_nobody_else", a_reload_ends_the_revoked),
        harness.trial("locks::clients_log_in_and_are_locked_out_and_disabled", clients_log_in),
        harness.trial("locks::a_token_opens_in_place_of_the_secret", tokens::opens),
        harness.trial("locks::a_client_is_held_to_its_topics_and_machines", held_to_topics_and_machines),
        harness.trial("locks::a_client_that_sends_too_much_slows_itself_alone", limits::sends_too_much),
        harness.trial("locks::many_tls_clients_that_are_idle_cost_little", storm::idle_cost_little),
        harness.trial("locks::many_tls_clients_that_come_back_lose_nothing", storm::storm_loses_nothing),
        harness.trial("locks::the_load_generator_delivers_over_tls", load::delivers),
        harness.trial("locks::what_would_stand_open_does_not_start", what_would_stand_open),
    ]
}

/// A plant whose listeners are there a second time, with TLS.
struct Locked {
    plant: Plant,
    authority: Authority,
    folder: PathBuf,
    mqtt: SocketAddr,
    tcp: SocketAddr,
    line: SocketAddr,
}

impl Locked {
    fn start(harness: &'static Harness, more: &str) -> Self {
        let (folder, authority) = (harness.folder("locks"), Authority::new("plant authority"));
        let server = authority.issue("server", 1, GOOD);
        put(&folder, "server.pem", &server.cert);
        put(&folder, "server.key", &server.key);
        put(&folder, "ca.pem", &authority.pem);
        put(&folder, "crl.pem", &authority.revokes(&[]));
        let [mqtt, tcp, line] = free_addresses();
        let mut text = String::new();
        for (kind, address) in [("mqtt", mqtt), ("tcp", tcp), ("line", line)] {
            let file = |name: &str| folder.join(name).display().to_string();
            write!(
                text,
                "[[listeners]]\ntype = \"{kind}\"\nname = \"{kind}-tls\"\nlisten = \"{address}\"\n[listeners.tls]\n\
                 cert_file = {:?}\nkey_file = {:?}\nclient_ca_file = {:?}\ncrl_file = {:?}\n",
                file("server.pem"),
                file("server.key"),
                file("ca.pem"),
                file("crl.pem")
            )
            .unwrap();
        }
        text.push_str(more);
        let setup = Setup { servers: &[Server::Postgres], sinks: &["postgres"], more: &text, ..Setup::default() };
        Self { plant: Plant::start(harness, &setup), authority, folder, mqtt, tcp, line }
    }

    /// A client's certificate and key in files of its name.
    fn issue(&self, name: &str, serial: u64) -> [String; 2] {
        files(&self.folder, name, &self.authority.issue(name, serial, GOOD))
    }

    fn ca(&self) -> String {
        self.folder.join("ca.pem").display().to_string()
    }

    /// A counter of a listener.
    fn counted(&self, name: &str, listener: &str) -> u64 {
        self.measured(&format!("{name}_total"), listener)
    }

    fn measured(&self, name: &str, listener: &str) -> u64 {
        let (_, page) = self.plant.get("/metrics").unwrap();
        let start = format!("genims_{name}{{listener=\"{listener}\"}} ");
        page.lines()
            .find_map(|line| line.strip_prefix(&start)?.parse().ok())
            .unwrap_or_else(|| panic!("{start}: {page}"))
    }

    fn mosquitto_pub(&self, version: &str, shown: Option<&[String; 2]>, topic: &str, value: f64) -> Output {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "localhost", "-p", &self.mqtt.port().to_string(), "-V", version, "--cafile", &self.ca()]);
        if let Some([cert, key]) = shown {
            command.args(["--cert", cert, "--key", key]);
        }
        command.args(["-q", "1", "-t", topic, "-m", &format!("{{\"value\": {value}}}")]).output().unwrap()
    }

    fn session(&self, address: SocketAddr, shown: &[String; 2]) -> Session {
        Session::secured(address, &self.ca(), shown)
    }

    /// PostgreSQL holds this many readings of the sensor, in the end.
    #[track_caller]
    fn rows(&self, sensor: &Sensor, count: i64) {
        let condition = format!("sensor_id = '{}'", sensor.sensor_id);
        eventually("the rows", PATIENCE, || self.plant.rows("sensor_data", &condition) == count);
    }
}

fn files(folder: &Path, name: &str, issued: &Issued) -> [String; 2] {
    let paths = [("pem", &issued.cert), ("key", &issued.key)];
    paths.map(|(kind, text)| put(folder, &format!("{name}.{kind}"), text).display().to_string())
}

fn every_listener_speaks_tls(harness: &'static Harness) {
    let locked = Locked::start(harness, "");
    let shown = locked.issue("plc-7", 7);
    let sensor = locked.plant.sensor();
    for (value, version) in [(1.0, "mqttv311"), (2.0, "mqttv5")] {
        let output = locked.mosquitto_pub(version, Some(&shown), &sensor.topic(), value);
        assert!(output.status.success(), "{version}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let output = Command::new("python3")
        .args(["-c", include_str!("locks/paho_tls.py"), &locked.mqtt.port().to_string(), &locked.ca()])
        .args(&shown)
        .args([&sensor.topic(), "50"])
        .env("PYTHONPATH", crate::clients::paho())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "50", "{}", String::from_utf8_lossy(&output.stderr));
    locked.rows(&sensor, 52);

    let sensor = locked.plant.sensor();
    let mut line = locked.session(locked.line, &shown);
    line.send(format!("mcu,sensor_id={} value=1.5\n", sensor.sensor_id).as_bytes());
    locked.rows(&sensor, 1);

    let sensor = locked.plant.sensor();
    let mut tcp = locked.session(locked.tcp, &shown);
    tcp.send(&frames("plc-7-frames", None, &sensor, 1));
    tcp.until_frame(ACK);
    locked.rows(&sensor, 1);
    // Whose lines they are is what the certificate says.
    line.send(b"mcu,sensor_id=NOBODY-KNOWS value=1\n");
    eventually("a dead letter of plc-7", PATIENCE, || {
        locked.plant.rows("genims_internal.dead_letters", "client = 'plc-7' AND reason = 'unknown_sensor'") == 1
    });
    // More than a TLS record, and more than the sockets hold.
    let sensor = locked.plant.sensor();
    let mut long = String::new();
    let start_ms = chrono::Utc::now().timestamp_millis() - 100_000;
    for number in 0..20_000 {
        writeln!(long, "mcu,sensor_id={} value={number} {}", sensor.sensor_id, start_ms + number).unwrap();
    }
    line.send(long.as_bytes());
    locked.rows(&sensor, 20_000);
    assert_eq!(locked.counted("handshakes_refused", "mqtt-tls"), 0);
    locked.plant.terminate();
}

fn a_reload_ends_the_revoked(harness: &'static Harness) {
    let locked = Locked::start(harness, "");
    let bad = locked.issue("bad", 13);
    let mut bad_mqtt = locked.session(locked.mqtt, &bad);
    bad_mqtt.send(&connect_packet(5, "bad", None));
    assert_eq!(bad_mqtt.packet()[0], 0x20);
    let sensor = locked.plant.sensor();
    let mut bad_tcp = locked.session(locked.tcp, &bad);
    bad_tcp.send(&frames("bad", None, &sensor, 1));
    bad_tcp.until_frame(ACK);
    let mut bad_line = locked.session(locked.line, &bad);
    bad_line.send(format!("mcu,sensor_id={} value=1.5\n", sensor.sensor_id).as_bytes());
    locked.rows(&sensor, 2);
    let mut others: Vec<Session> = (0..10)
        .map(|number| {
            let mut session = locked.session(locked.mqtt, &locked.issue(&format!("good-{number}"), 100 + number));
            session.send(&connect_packet(4, &format!("good-{number}"), None));
            assert_eq!(session.packet(), [0x20, 2, 0, 0]);
            session
        })
        .collect();

    let begun = Instant::now();
    put(&locked.folder, "crl.pem", &locked.authority.revokes(&[13]));
    let packet = bad_mqtt.packet();
    assert_eq!((packet[0], packet[2]), (0xE0, 0x98), "{packet:02x?}");
    bad_mqtt.closed();
    bad_tcp.until_frame(REFUSE);
    bad_tcp.closed();
    bad_line.closed();
    // How long it may take by design is asserted beside LOOK_EVERY; the rest is up to the machine.
    println!("revoked clients were out after {:?}", begun.elapsed());
    for listener in ["mqtt-tls", "tcp-tls", "line-tls"] {
        assert_eq!(locked.counted("evicted", listener), 1, "{listener}");
    }
    assert!(locked.plant.log_text().contains("identity=\"bad\""), "{}", locked.plant.log_text());
    assert!(!locked.mosquitto_pub("mqttv5", Some(&bad), &sensor.topic(), 1.0).status.success());

    // Another certificate of the listener, and a SIGHUP on top: those who are inside notice nothing.
    let server = locked.authority.issue("another server", 2, GOOD);
    put(&locked.folder, "server.pem", &server.cert);
    put(&locked.folder, "server.key", &server.key);
    let asked = Command::new("kill").args(["-HUP", &locked.plant.pid().to_string()]).status().unwrap();
    assert!(asked.success());
    eventually("SIGHUP is obeyed", PATIENCE, || locked.plant.log_text().contains("SIGHUP"));
    eventually("the new certificate is shown", PATIENCE, || {
        let port = locked.mqtt.port().to_string();
        let shown = locked.issue("good", 200);
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-cert", &shown[0], "-key", &shown[1]])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).contains("CN = another server")
    });
    for session in &mut others {
        session.send(&[0xC0, 0]);
        assert_eq!(session.packet(), [0xD0, 0]);
    }
    assert_eq!(locked.measured("connections_open", "mqtt-tls"), 10);
}

/// Adds a client; its secret.
fn add(plant: &Plant, arguments: &[&str]) -> String {
    let told = plant.cli_ok(&[&["client", "--json", "add"], arguments].concat());
    let told: Value = serde_json::from_str(&told).unwrap();
    told["secret"].as_str().unwrap_or_default().to_owned()
}

fn mosquitto(plant: &Plant, login: Option<(&str, &str)>, version: &str, topic: &str) -> Output {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &plant.doors.mqtt.port().to_string(), "-V", version]);
    if let Some((name, secret)) = login {
        command.args(["-u", name, "-P", secret]);
    }
    command.args(["-q", "1", "-t", topic, "-m", "{\"value\": 1}"]).output().unwrap()
}

fn clients_log_in(harness: &'static Harness) {
    let locked = Locked::start(harness, "[clients]\nfailures_max = 3\n");
    let plant = &locked.plant;
    let sensor = plant.sensor();
    assert!(!mosquitto(plant, None, "mqttv5", &sensor.topic()).status.success(), "nobody is a client yet");
    let secret = add(plant, &["press 4"]);
    let file = plant.folder.join("data").join("clients.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("$argon2id$") && !text.contains(&secret), "{text}");
    let login = Some(("press 4", secret.as_str()));
    eventually("the client is known", PATIENCE, || {
        mosquitto(plant, login, "mqttv311", &sensor.topic()).status.success()
    });
    assert!(mosquitto(plant, login, "mqttv5", &sensor.topic()).status.success());
    locked.rows(&sensor, 2);

    // Frames with the same secret; lines by a certificate of its name, and not without.
    let sensor = plant.sensor();
    let mut tcp = Session::plain(plant.doors.tcp);
    tcp.send(&frames("frames", login, &sensor, 1));
    tcp.until_frame(ACK);
    for login in [None, Some(("press 4", "wrong"))] {
        let mut refused = Session::plain(plant.doors.tcp);
        refused.send(&frames("frames-2", login, &sensor, 1));
        refused.until_frame(REFUSE);
        refused.closed();
    }
    let line = Session::plain(plant.doors.line);
    line.closed();
    let shown = locked.issue("press 4", 7);
    let mut line = locked.session(locked.line, &shown);
    line.send(format!("mcu,sensor_id={} value=1.5\n", sensor.sensor_id).as_bytes());
    locked.rows(&sensor, 2);
    let stranger = locked.session(locked.line, &locked.issue("stranger", 8));
    stranger.closed();
    assert_eq!((locked.counted("logins_refused", "tcp"), locked.counted("logins_refused", "line")), (2, 1));

    // Locked out: the one of before counts as well, and another secret opens again.
    for _ in 0..2 {
        assert!(!mosquitto(plant, Some(("press 4", "wrong")), "mqttv5", &sensor.topic()).status.success());
    }
    assert!(!mosquitto(plant, login, "mqttv5", &sensor.topic()).status.success(), "locked out");
    assert!(plant.log_text().contains("client not let in"), "{}", plant.log_text());
    let told: Value = serde_json::from_str(&plant.cli_ok(&["client", "--json", "rotate", "press 4"])).unwrap();
    let secret = told["secret"].as_str().unwrap().to_owned();
    let login = Some(("press 4", secret.as_str()));
    eventually("the new secret", PATIENCE, || mosquitto(plant, login, "mqttv5", &sensor.topic()).status.success());

    disabled(&locked, &secret, (&tcp, &line), &sensor);
}

/// Disabled: out, and out it stays; no secret was told to the log.
fn disabled(locked: &Locked, secret: &str, (tcp, line): (&Session, &Session), sensor: &Sensor) {
    let (plant, login) = (&locked.plant, Some(("press 4", secret)));
    let mut open = Session::plain(plant.doors.mqtt);
    open.send(&connect_packet(5, "open", login));
    assert_eq!(open.packet()[0], 0x20);
    let other = add(plant, &["other"]);
    plant.cli_ok(&["client", "disable", "press 4"]);
    let packet = open.packet();
    assert_eq!((packet[0], packet[2]), (0xE0, 0x98), "{packet:02x?}");
    open.closed();
    tcp.until_frame(REFUSE);
    line.closed();
    assert!(!mosquitto(plant, login, "mqttv5", &sensor.topic()).status.success());
    let login = Some(("other", other.as_str()));
    assert!(mosquitto(plant, login, "mqttv5", &sensor.topic()).status.success());
    let listed = plant.cli_ok(&["client", "list"]);
    assert!(listed.contains("press 4  disabled, secret") && listed.contains("other  enabled"), "{listed}");
    for told in [&plant.log_text(), &listed] {
        assert!(!told.contains(secret) && !told.contains(&other) && !told.contains("$argon2id$"), "{told}");
    }
    assert!(!plant.cli(&["client", "add", "other"]).status.success(), "there is one");
    assert!(!plant.cli(&["client", "disable", "nobody"]).status.success());
}

fn held_to_topics_and_machines(harness: &'static Harness) {
    let locked = Locked::start(harness, "[clients]\n");
    let plant = &locked.plant;
    let (own, foreign) = (plant.sensor(), plant.sensor());
    assert_ne!(own.machine_id, foreign.machine_id);
    let filter = format!("{}/#", own.machine_topic());
    let by_topic = add(plant, &["by-topic", "--topic", &filter]);
    let by_machine = add(plant, &["by-machine", "--machine", &own.machine_id]);
    for (name, secret) in [("by-topic", &by_topic), ("by-machine", &by_machine)] {
        let login = Some((name, secret.as_str()));
        eventually("it is known", PATIENCE, || mosquitto(plant, login, "mqttv5", &own.topic()).status.success());
    }
    locked.rows(&own, 2);
    let login = Some(("by-topic", by_topic.as_str()));
    let output = mosquitto(plant, login, "mqttv5", &foreign.topic());
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(said.to_lowercase().contains("not authorized"), "{said}");
    assert_eq!(locked.counted("denied", "mqtt"), 1);
    let mut v3 = Session::plain(plant.doors.mqtt);
    v3.send(&connect_packet(4, "v3", login));
    assert_eq!(v3.packet(), [0x20, 2, 0, 0]);
    v3.send(&session::publish_packet(&foreign.topic(), b"{\"value\": 1}"));
    v3.closed();
    assert_eq!(locked.counted("denied", "mqtt"), 2);
    let mut frame = Session::plain(plant.doors.tcp);
    frame.send(&frames("f", login, &own, 1));
    frame.until_frame(REFUSE);

    // By machine, whatever carries it: what is of others is set aside, and comes back once it may.
    let login = Some(("by-machine", by_machine.as_str()));
    let mut frame = Session::plain(plant.doors.tcp);
    frame.send(&frames("g", login, &foreign, 1));
    frame.until_frame(ACK);
    eventually("a dead letter", PATIENCE, || plant.rows("genims_internal.dead_letters", "reason = 'not_allowed'") == 1);
    let replay = |login: Option<(&str, &str)>| {
        let mut text = std::fs::read_to_string(plant.folder.join(".env")).unwrap();
        if let Some((name, secret)) = login {
            writeln!(text, "GENIMS_REPLAY_NAME={name}\nGENIMS_REPLAY_SECRET={secret}").unwrap();
        }
        write_env(&plant.folder.join(".env"), text);
        plant.cli(&["deadletter", "replay", "--reason", "not_allowed"])
    };
    assert!(!replay(None).status.success(), "a replay has to log in as well");
    plant.cli_ok(&["client", "allow", "by-machine", "--machine", &own.machine_id, "--machine", &foreign.machine_id]);
    eventually("it may", PATIENCE, || {
        mosquitto(plant, login, "mqttv5", &foreign.topic()).status.success() && {
            plant.rows("sensor_data", &format!("sensor_id = '{}'", foreign.sensor_id)) > 0
        }
    });
    let output = replay(login);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let condition = format!("sensor_id = '{}'", foreign.sensor_id);
    assert!(plant.rows("sensor_data", &condition) >= 2, "the replayed one is there");
    assert_eq!(plant.idle()["identity_holds"], true);
}

fn what_would_stand_open(harness: &'static Harness) {
    let folder = harness.folder("open");
    let validate = |text: &str| {
        let path = put(&folder, "genims.toml", &format!("data_dir = \"data\"\n{text}")).display().to_string();
        let output = harness.command(&["--config", &path, "validate"]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), told)
    };
    let open = "[[listeners]]\ntype = \"mqtt\"\nlisten = \"0.0.0.0:0\"\n";
    let (is_valid, told) = validate(open);
    assert!(!is_valid && told.contains("plaintext = true"), "{told}");
    let (is_valid, told) = validate(&format!("{open}plaintext = true\n"));
    assert!(is_valid && told.contains("listens in clear outside loopback"), "{told}");
    let issued = files(&folder, "server", &Authority::new("a").issue("server", 1, GOOD));
    let other = files(&folder, "other", &Authority::new("a").issue("other", 1, GOOD));
    let tls = |cert: &str, key: &str| format!("{open}[listeners.tls]\ncert_file = {cert:?}\nkey_file = {key:?}\n");
    let (is_valid, told) = validate(&tls(&issued[0], &issued[1]));
    assert!(is_valid && told.contains("(mqtt, TLS)"), "{told}");
    for (cert, key, place) in [
        ("missing.pem", &*issued[1], "tls.cert_file"),
        (&*issued[1], &*issued[1], "tls.cert_file"),
        (&*issued[0], &*other[0], "tls.key_file"),
        (&*issued[0], &*other[1], "tls.key_file"),
    ] {
        let (is_valid, told) = validate(&tls(cert, key));
        assert!(!is_valid && told.contains(place), "{told}");
    }
    // Clients that others can read.
    let path = put(&folder, "clients.toml", "[[client]]\nname = \"a\"\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (is_valid, told) = validate(&format!("[clients]\nfile = {:?}\n", path.display().to_string()));
    assert!(!is_valid && told.contains("chmod 600"), "{told}");
}
