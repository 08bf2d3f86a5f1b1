//! Bridges to a broker that speaks TLS.

use super::*;
use std::path::PathBuf;
use std::process::Command;

/// The port of the broker, for the test that runs itself again.
const PORT_VARIABLE: &str = "GENIMS_TRIAL_TLS_PORT";

fn put(broker: &Broker, name: &str, text: &str) -> PathBuf {
    let path = broker.folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    path
}

/// A broker with a certificate of its own in `cert.pem`; the certificates of clients it knows are in `clients.pem`.
fn guarded(more: &str) -> (Broker, PathBuf) {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let broker = Broker::new(&format!("certfile {{folder}}/cert.pem\nkeyfile {{folder}}/key.pem\n{more}"));
    put(&broker, "key.pem", &key.signing_key.serialize_pem());
    let certificate = put(&broker, "cert.pem", &key.cert.pem());
    (broker, certificate)
}

#[tokio::test]
async fn credentials_and_tls_are_used() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let broker = Broker::new(
        "certfile {folder}/cert.pem\nkeyfile {folder}/key.pem\npassword_file {folder}/passwords\nallow_anonymous false",
    );
    std::fs::write(broker.folder.path().join("cert.pem"), key.cert.pem()).expect("written");
    std::fs::write(broker.folder.path().join("key.pem"), key.signing_key.serialize_pem()).expect("written");
    let passwords = broker.folder.path().join("passwords");
    let made = Command::new("mosquitto_passwd").args(["-c", "-b"]).arg(&passwords).args(["bridge", "right"]).status();
    assert!(made.expect("mosquitto_passwd is installed").success());
    let mut broker = broker;
    broker.start();
    let plant = Plant::new(1_000);
    for version in [MqttVersion::V4, MqttVersion::V5] {
        let options = |password: &str| BridgeOptions {
            broker: format!("mqtts://localhost:{}", broker.port),
            ca_file: Some(broker.folder.path().join("cert.pem")),
            username: Some("bridge".to_owned()),
            password: Some(Secret(password.to_owned())),
            ..broker.options(version)
        };
        let wrong = Running::start(options("wrong"), &plant);
        wrong.until(|metrics| metrics.reconnects_total.load(Ordering::Relaxed) > 1).await;
        assert!(!wrong.metrics.connected.load(Ordering::Relaxed));
        wrong.shut_down().await;
        Running::connected(options("right"), &plant).await.shut_down().await;
    }
}

#[tokio::test]
async fn a_broker_that_asks_for_our_certificate_gets_it() {
    let (mut broker, ca_file) = guarded("cafile {folder}/clients.pem\nrequire_certificate true\n");
    let ours = rcgen::generate_simple_self_signed(["bridge".to_owned()]).expect("a certificate");
    let cert_file = put(&broker, "clients.pem", &ours.cert.pem());
    let key_file = put(&broker, "client-key.pem", &ours.signing_key.serialize_pem());
    broker.start();
    let plant = Plant::new(1_000);
    for version in [MqttVersion::V4, MqttVersion::V5] {
        let without = BridgeOptions {
            broker: format!("mqtts://localhost:{}", broker.port),
            ca_file: Some(ca_file.clone()),
            ..broker.options(version)
        };
        let with =
            BridgeOptions { cert_file: Some(cert_file.clone()), key_file: Some(key_file.clone()), ..without.clone() };
        let refused = Running::start(without, &plant);
        refused.until(|metrics| metrics.reconnects_total.load(Ordering::Relaxed) > 1).await;
        refused.shut_down().await;
        Running::connected(with, &plant).await.shut_down().await;
    }
}

/// What the operating system trusts is said by an environment variable of a process of its own.
#[tokio::test]
async fn without_ca_file_the_roots_of_the_operating_system_are_trusted() {
    let options =
        |port: &str| BridgeOptions { broker: format!("mqtts://localhost:{port}"), ..BridgeOptions::default() };
    if let Ok(port) = std::env::var(PORT_VARIABLE) {
        let plant = Plant::new(1_000);
        Running::connected(options(&port), &plant).await.shut_down().await;
        return;
    }
    let (mut broker, certificate) = guarded("");
    broker.start();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let other = put(&broker, "other.pem", &other.cert.pem());
    for (trusted, connects) in [(certificate, true), (other, false)] {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        let name = "bridge::tests::tls::without_ca_file_the_roots_of_the_operating_system_are_trusted";
        command.args(["--exact", name]).env(PORT_VARIABLE, broker.port.to_string()).env("SSL_CERT_FILE", trusted);
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("joined").expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.success(), connects, "{said}");
        assert!(said.contains("running 1 test"), "{said}");
    }
}
