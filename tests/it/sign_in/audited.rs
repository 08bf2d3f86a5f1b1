//! What is refused, at the HTTP side and at each kind of listener, is counted at once and stands in the audit trail with kind, door,
//! name and address.

use super::front::Front;
use crate::harness::Harness;
use crate::locks::authority::{Authority, put};
use crate::locks::session::{Session, connect_packet};
use crate::platform::Platform;
use crate::running::eventually;
use crate::server::{PATIENCE, free_addresses};
use genims_decode::frame::encode;
use serde_json::Value;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

/// On the revocation list.
const REVOKED: u64 = 13;
/// Lines of the line protocol may have as much.
const LINE_BYTES_MAX: usize = 1_024;

/// Listeners beside the one for MQTT.
struct Doors {
    folder: PathBuf,
    authority: Authority,
    tcp: SocketAddr,
    tcp_tls: SocketAddr,
    line_tls: SocketAddr,
}

impl Doors {
    fn new(harness: &'static Harness) -> Self {
        let (folder, authority) = (harness.folder("doors"), Authority::new("plant authority"));
        let server = authority.issue("server", 1, (2000, 4000));
        for (name, text) in [
            ("server.pem", &server.cert),
            ("server.key", &server.key),
            ("ca.pem", &authority.pem),
            ("crl.pem", &authority.revokes(&[REVOKED])),
        ] {
            put(&folder, name, text);
        }
        let [tcp, tcp_tls, line_tls] = free_addresses();
        Self { folder, authority, tcp, tcp_tls, line_tls }
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn configuration(&self) -> String {
        let mut text = format!("[[listeners]]\ntype = \"tcp\"\nname = \"tcp\"\nlisten = \"{}\"\n", self.tcp);
        let lines = format!("line_bytes_max = {LINE_BYTES_MAX}\n");
        for (kind, address, keys) in [("tcp", self.tcp_tls, ""), ("line", self.line_tls, &*lines)] {
            write!(
                text,
                "[[listeners]]\ntype = \"{kind}\"\nname = \"{kind}-tls\"\nlisten = \"{address}\"\n{keys}[listeners.tls]\n\
                 cert_file = {:?}\nkey_file = {:?}\nclient_ca_file = {:?}\ncrl_file = {:?}\n",
                self.file("server.pem"),
                self.file("server.key"),
                self.file("ca.pem"),
                self.file("crl.pem")
            )
            .unwrap();
        }
        text
    }

    fn session(&self, address: SocketAddr, name: &str, serial: u64, years: (i32, i32)) -> Session {
        let issued = self.authority.issue(name, serial, years);
        let shown = [("pem", &issued.cert), ("key", &issued.key)]
            .map(|(kind, text)| put(&self.folder, &format!("{name}.{kind}"), text).display().to_string());
        Session::secured(address, &self.file("ca.pem"), &shown)
    }

    /// Certificates that are not good, and bytes that no client of ours would send. `shown`: name and secret of a client.
    fn refuse(&self, mqtt: SocketAddr, shown: (&str, &str)) {
        for address in [self.tcp_tls, self.line_tls] {
            self.session(address, "expired", 8, (2000, 2001)).ended();
            self.session(address, "revoked", REVOKED, (2000, 4000)).ended();
        }
        // A length of five bytes, and a packet larger than any.
        for bytes in [&[0x30, 0x80, 0x80, 0x80, 0x80, 1][..], &[0x30, 0xFF, 0xFF, 0xFF, 0x7F]] {
            let mut client = Session::plain(mqtt);
            client.send(&connect_packet(5, "client", Some(shown)));
            assert_eq!(client.packet()[0], 0x20);
            client.send(bytes);
            client.ended();
        }
        let mut stranger = Session::plain(mqtt);
        stranger.send(&[0x30, 2, 0, 0]);
        stranger.ended();
        let mut large = Vec::new();
        encode::hello("client", &mut large);
        large[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        for bytes in [&b"no frame at all"[..], &large] {
            let mut stranger = Session::plain(self.tcp);
            stranger.send(bytes);
            stranger.ended();
        }
    }
}

/// All that the HTTP side refuses. `cookie`: of the engineer `ada`.
fn refused_over_http(front: &Front, cookie: &str) {
    assert_eq!(front.get("/stats", None).status, 401);
    assert_eq!(front.get("/audit", Some(cookie)).status, 403);
    assert_eq!(front.post("/sign-out", Some(cookie), "proof=guessed").status, 403);
    assert_eq!(front.post("/sign-in", None, "no=form").status, 422);
    let token = [("Authorization".to_owned(), "Bearer guessed".to_owned())];
    assert_eq!(front.with("GET", "/stats", &token, "").status, 401);
    for (name, status) in [("ada", 401), ("ada", 401), ("ada", 429), ("mallory'; --", 401)] {
        assert_eq!(front.post("/sign-in", None, &format!("name={name}&secret=wrong+and+long")).status, status);
    }
}

pub(super) fn counted_and_audited(harness: &'static Harness) {
    let (platform, doors) = (Platform::new(harness), Doors::new(harness));
    let keys = format!("sign_in = \"required\"\nfailures_max = 2\n{}", doors.configuration());
    let mut front = Front::new(harness, false, &keys);
    front.reach(platform.variables());
    let secret = front.add("ada", "engineer");
    let client: Value =
        serde_json::from_str(&front.cli(&["client", "--json", "add", "press-4", "--topic", "genims/v1/A/#"])).unwrap();
    let right = client["secret"].as_str().unwrap();
    front.cli(&["client", "add", "gauge-1", "--certificate"]);
    front.serve();
    let cookie = front.sign_in("ada", &secret);
    refused_over_http(&front, &cookie);
    let publish = |secret: &str, topic: &str| {
        let port = front.mqtt.port().to_string();
        let login = ["-u", "press-4", "-P", secret, "-q", "1", "-t", topic, "-m", "1"];
        Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &port, "-V", "mqttv5"])
            .args(login)
            .output()
            .unwrap()
    };
    publish("wrong and long", "genims/v1/A/x");
    publish(right, "genims/v1/B/x");
    doors.refuse(front.mqtt, ("press-4", right));
    // Left open: after the line that is too long come others.
    let mut line = doors.session(doors.line_tls, "gauge-1", 7, (2000, 4000));
    line.send(format!("{}\n", "x".repeat(2 * LINE_BYTES_MAX)).as_bytes());

    let of = |door: &str, kind: &str| {
        let metrics = front.with("GET", "/metrics", &[("Cookie".to_owned(), cookie.clone())], "").text;
        let start = format!("genims_refusals_total{{door=\"{door}\",kind=\"{kind}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse::<u64>().ok()).unwrap_or(0)
    };
    for (door, kind, name, at_least) in [
        ("http", "nobody", "", 1),
        ("http", "role", "ada", 1),
        ("http", "forged", "ada", 1),
        ("http", "malformed", "", 1),
        ("http", "wrong_token", "", 1),
        ("http", "wrong_secret", "ada", 2),
        ("http", "locked_out", "ada", 1),
        ("http", "unknown_name", "mallory'; --", 1),
        ("mqtt", "wrong_secret", "press-4", 1),
        ("mqtt", "topic", "press-4", 1),
        ("mqtt", "protocol", "press-4", 3),
        ("mqtt", "protocol", "", 3),
        ("tcp", "protocol", "", 2),
        ("line-tls", "protocol", "gauge-1", 1),
        ("tcp-tls", "handshake", "", 2),
        ("line-tls", "handshake", "", 2),
    ] {
        eventually(&format!("{door} {kind} is counted: {}", front.log()), PATIENCE, || of(door, kind) >= at_least);
        let name = name.replace('\'', "''");
        let entry = format!(
            "SELECT CAST(COUNT(*) AS CHAR) FROM user_activity_log WHERE outcome = 'denied' AND actor_id = 'genims-serve' \
             AND module_name = 'security' AND client_address = '127.0.0.1' AND rows_returned >= 1 \
             AND activity_description LIKE '{kind}: %door {door}, name \"{name}\", from \"127.0.0.1\"%'"
        );
        let arrived = || platform.mysql("genims_audit_db", &entry).first().is_some_and(|count| count != "0");
        eventually(&format!("{door} {kind} is audited: {}", front.log()), PATIENCE, arrived);
    }
    let told: Vec<String> = platform.mysql("genims_audit_db", "SELECT activity_description FROM user_activity_log");
    let secrets = ["wrong and long", &*secret, right];
    assert!(!told.iter().any(|told| secrets.iter().any(|secret| told.contains(secret))), "{told:?}");
}
