//! The load generator over TLS, with a certificate and a login, on connections that break: its own verdict says that all arrived once.

use super::authority::put;
use super::{Locked, add, mosquitto};
use crate::harness::Harness;
use crate::running::eventually;
use crate::server::PATIENCE;
use serde_json::Value;

const SINGLES: &str = r#"
name = "singles"
seconds = 1
[[streams]]
name = "singles"
protocol = "mqtt"
form = "value_json"
connections = 2
rate = 200
reconnect_every = "400ms"
[[streams]]
name = "twice"
protocol = "mqtt5"
form = "readings_json"
qos = 2
rate = 2000
batch = 100
"#;

/// Frames of more than a TLS record.
const FRAMES: &str = r#"
name = "frames"
seconds = 1
[[streams]]
name = "frames"
protocol = "tcp"
form = "frame"
connections = 2
rate = 20000
batch = 2000
reconnect_every = "400ms"
"#;

struct Load<'a> {
    harness: &'static Harness,
    locked: &'a Locked,
    shown: [String; 2],
    secret: String,
}

impl Load<'_> {
    /// Whether it was content, and what it said.
    fn run(&self, arguments: &[&str], secret: &str) -> (bool, String) {
        let (ca, [cert, key]) = (self.locked.ca(), &self.shown);
        let access = ["--ca", ca.as_str(), "--cert", cert.as_str(), "--key", key.as_str(), "--user", "load"];
        let mut command = self.harness.other("loadtest", &[arguments, &access].concat());
        for database in ["master", "operations"] {
            let url = self.locked.plant.stack.postgres_url(&format!("genims_{database}_db"));
            command.env(format!("GENIMS_{}_DB_URL", database.to_uppercase()), url);
        }
        let output = command.env("GENIMS_LOADTEST_SECRET", secret).output().unwrap();
        let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
        (output.status.success(), said)
    }

    /// The report of a plan that has arrived.
    #[track_caller]
    fn report(&self, plan: &str, text: &str, arguments: &[&str]) -> Value {
        let file = put(&self.locked.folder, &format!("{plan}.toml"), text).display().to_string();
        let json = self.locked.folder.join(format!("{plan}.json")).display().to_string();
        let arguments = [&["run", "--plan", &file, "--json", &json], arguments].concat();
        let (content, said) = self.run(&arguments, &self.secret);
        assert!(content, "{said}");
        let report: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
        assert_eq!(report["verdict"], "ok", "{said}");
        assert!(report["sent"].as_u64().unwrap() > 0 && report["sent"] == report["committed_postgres"], "{said}");
        report
    }
}

pub(super) fn delivers(harness: &'static Harness) {
    let locked = Locked::start(harness, "[clients]\n");
    let plant = &locked.plant;
    let (shown, secret) = (locked.issue("plc-7", 7), add(plant, &["load"]));
    let topic = plant.sensor().topic();
    let login = Some(("load", secret.as_str()));
    eventually("the client is known", PATIENCE, || mosquitto(plant, login, "mqttv5", &topic).status.success());
    let load = Load { harness, locked: &locked, shown, secret: secret.clone() };

    let (port, clear) = (locked.mqtt.port(), plant.doors.mqtt.to_string());
    let (secured, flagged) = (format!("mqtts://localhost:{port}"), format!("localhost:{}", locked.tcp.port()));
    let report = load.report("singles", SINGLES, &["--mqtt", &secured, "--clear", &clear]);
    assert!(report["ratio_to_clear"].as_f64().is_some_and(|ratio| ratio > 0.0), "{report}");
    assert_eq!(report["in_clear"].as_array().map(Vec::len), Some(2), "{report}");
    load.report("frames", FRAMES, &["--tls", "--tcp", &flagged]);
    let (content, said) = load.run(&["idle", "--connections", "20", "--seconds", "1", "--mqtt", &secured], &secret);
    assert!(content && said.contains("\"connections_open\": 20"), "{said}");

    // Not by itself is it in clear, or anybody's.
    let (content, said) = load.run(&["idle", "--connections", "1", "--seconds", "1", "--mqtt", &secured], "wrong");
    assert!(!content && said.contains("CONNACK"), "{said}");
    let plain = format!("mqtt://localhost:{port}");
    assert!(!load.run(&["idle", "--connections", "1", "--seconds", "1", "--mqtt", &plain], &secret).0);
    assert_eq!(plant.idle()["identity_holds"], true);
}
