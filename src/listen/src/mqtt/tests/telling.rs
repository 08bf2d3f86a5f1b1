//! What is wrong with devices and load balancers is told once, with client id and address.

use super::*;
use crate::locks::{AnonymousPolicy, TlsOptions};
use crate::trial::authority::{Authority, put};
use crate::trial::heard::Heard;
use genims_locks::refusals::{RefusalKind, Refusals};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn a_client_id_of_two_devices_is_told_once() {
    let heard = Heard::start();
    let server = Server::start(MqttOptions::default()).await;
    let mut owner = server.v3("same").await;
    for takeovers in 1..=12 {
        let newer = server.v3("same").await;
        owner.closed().await;
        owner = newer;
        let lines = heard.with(&["two devices", "client_id=same", "address=127.0.0.1:"]);
        assert_eq!(lines.len(), usize::from(takeovers >= 5), "{takeovers}: {lines:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_refused_subscription_is_told_once_for_each_client() {
    let heard = Heard::start();
    let server = Server::start(MqttOptions::default()).await;
    for client_id in ["dashboard", "panel"] {
        for _ in 0..3 {
            let mut client = server.v3(client_id).await;
            client.send(&packet(0x82, &[vec![0, 9], text("$SYS/#"), vec![0], text("plant/#"), vec![0]].concat())).await;
            assert_eq!(client.packet().await, [0x90, 4, 0, 9, 0, 0x80]);
        }
        let client_id = format!("client_id={client_id}");
        let lines = heard.with(&["subscription refused", &client_id, "address=127.0.0.1:", "filter=plant/#"]);
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
    server.stop().await;
}

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C\x0A\0\0\x07\x0A\0\0\x01\x1F\x90\x07\x5B";
const V1: &[u8] = b"PROXY TCP4 10.0.0.7 10.0.0.1 8080 1883\r\n";

#[tokio::test]
async fn a_proxy_header_names_the_client_where_it_is_expected() {
    let heard = Heard::start();
    let server = Server::start(MqttOptions { proxy_protocol: true, ..MqttOptions::default() }).await;
    for (header, cut) in [(V1, 3), (V2, 14), (b"PROXY UNKNOWN\r\n", 1), (V2, V2.len())] {
        let mut client = server.raw().await;
        let bytes = [header, &connect(4, 2, 0, &[], "behind", &[])].concat();
        client.send(&bytes[..cut]).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
        client.send(&bytes[cut..]).await;
        client.expect(&[0x20, 2, 0, 0]).await;
        client.send(&publish(4, 2, "t/S0", 1, "1")).await;
        client.expect(&ack(0x40, 1)).await;
        client.send(&packet(0x82, &[vec![0, 9], text("plant/#"), vec![0]].concat())).await;
        client.expect(&[0x90, 3, 0, 9, 0x80]).await;
    }
    assert_eq!(heard.with(&["client_id=behind", "address=10.0.0.7:8080"]).len(), 1);
    for _ in 0..2 {
        let mut client = server.raw().await;
        client.send(&connect(4, 2, 0, &[], "c", &[])).await;
        client.closed().await;
    }
    assert_eq!(heard.with(&["no PROXY header", "proxy_protocol = true", "address=127.0.0.1:"]).len(), 1);
    assert_eq!(refused(&server).1, 0, "it is no error of the protocol");
    server.stop().await;
}

/// Connections turned away, errors of the protocol, handshakes of TLS that failed.
fn refused(server: &Server) -> (u64, u64, u64) {
    let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let metrics = &server.metrics;
    (of(&metrics.refused_total), of(&metrics.protocol_errors_total), of(&metrics.handshakes_refused_total))
}

#[tokio::test]
async fn in_front_of_tls_a_header_is_counted_as_what_it_is_and_a_look_at_the_port_not_at_all() {
    let (heard, folder, authority) = (Heard::start(), tempfile::tempdir().unwrap(), Authority::new("plant"));
    let issued = authority.issue("server", 1, (2000, 4000));
    let tls = TlsOptions {
        cert_file: put(folder.path(), "server.pem", &issued.cert),
        key_file: put(folder.path(), "server.key", &issued.key),
        ..TlsOptions::default()
    };
    let (refusals, policy) = (Arc::<Refusals>::default(), AnonymousPolicy::default());
    let gate = ListenerGate::open("behind", true, Some(&tls), None, policy, refusals.clone()).unwrap();
    let options = MqttOptions { proxy_protocol: true, ..MqttOptions::default() };
    let server = Server::with_gate(options, Plant::new(1_000_000), gate).await;
    for look in [&b""[..], b"PROXY UNKNOWN\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut balancer = server.raw().await;
        balancer.send(look).await;
        balancer.0.shutdown().await.unwrap();
        balancer.closed().await;
    }
    assert_eq!(refused(&server), (0, 0, 0));
    assert!(refusals.totals().is_empty(), "{:?}", refusals.totals());
    let too_long = [&V2[..14], &[0xFF; 2_000]].concat();
    for bytes in [&b"\x16\x03\x01\x02\0"[..], b"PROXY TCP4 ten 10.0.0.1 1 2\r\n", &too_long[..]] {
        let mut client = server.raw().await;
        client.send(bytes).await;
        client.closed().await;
    }
    assert_eq!(refused(&server), (3, 0, 0));
    assert_eq!(refusals.totals(), [("behind".to_owned(), RefusalKind::ProxyHeader, 3)]);
    assert_eq!(heard.with(&["no PROXY header", "address=127.0.0.1:"]).len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_proxy_header_that_is_not_expected_is_refused_with_what_to_set() {
    let heard = Heard::start();
    let server = Server::start(MqttOptions::default()).await;
    for header in [V1, V2] {
        let mut client = server.raw().await;
        client.send(&[header, &connect(4, 2, 0, &[], "c", &[])].concat()).await;
        client.closed().await;
    }
    let lines = heard.with(&["set proxy_protocol = true for this listener", "address=127.0.0.1:"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(refused(&server), (2, 0, 0));
    server.stop().await;
}
