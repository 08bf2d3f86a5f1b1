//! CONNECT and CONNACK, both versions.

use super::*;
use std::sync::atomic::Ordering;

/// The properties of a CONNACK, as (identifier, value) with numbers widened.
fn properties(connack: &[u8]) -> Vec<(u8, u64, String)> {
    let mut rest = &connack[5..];
    let mut found = Vec::new();
    while let Some((&id, value)) = rest.split_first() {
        let (bytes, text) = match id {
            0x11 | 0x27 => (4, false),
            0x13 | 0x21 | 0x22 => (2, false),
            0x2A => (1, false),
            0x12 | 0x1F => (2 + usize::from(u16::from_be_bytes([value[0], value[1]])), true),
            other => panic!("unexpected property {other:02x}"),
        };
        if text {
            found.push((id, 0, String::from_utf8(value[2..bytes].to_vec()).unwrap()));
        } else {
            let number = value[..bytes].iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
            found.push((id, number, String::new()));
        }
        rest = &value[bytes..];
    }
    found
}

async fn answer(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut raw = server.raw().await;
    raw.send(bytes).await;
    raw.packet().await
}

#[tokio::test]
async fn a_v5_connack_announces_the_limits() {
    let options = MqttOptions {
        receive_maximum: 20,
        topic_alias_maximum: 7,
        packet_bytes_max: 5_000,
        keep_alive_max: Duration::from_secs(100),
        session_expiry_max: Duration::from_secs(1_000),
        ..MqttOptions::default()
    };
    let server = Server::start(options).await;
    let asked = [0x11, 0xFF, 0xFF, 0xFF, 0xFF];
    let connack = answer(&server, &connect(5, 2, 101, &asked, "", &[])).await;
    let found = properties(&connack);
    let number = |id| found.iter().find(|property| property.0 == id).map(|property| property.1);
    assert_eq!(number(0x11), Some(1_000));
    assert_eq!(number(0x21), Some(20));
    assert_eq!(number(0x27), Some(5_000));
    assert_eq!(number(0x22), Some(7));
    assert_eq!(number(0x13), Some(100));
    assert_eq!(number(0x2A), Some(0));
    assert!(found.iter().any(|(id, _, text)| *id == 0x12 && text.len() > 20));
    // What is granted as asked is not repeated.
    let connack = answer(&server, &connect(5, 2, 60, &[0x11, 0, 0, 0, 9], "named", &[])).await;
    let ids: Vec<u8> = properties(&connack).iter().map(|property| property.0).collect();
    assert_eq!(ids, [0x21, 0x27, 0x22, 0x2A]);
    server.stop().await;
}

#[tokio::test]
async fn v3_refusals_have_their_codes() {
    let server = Server::start(MqttOptions::default()).await;
    assert_eq!(answer(&server, &connect(3, 2, 0, &[], "c", &[])).await, [0x20, 2, 0, 1]);
    assert_eq!(answer(&server, &connect(4, 0, 0, &[], "", &[])).await, [0x20, 2, 0, 2]);
    assert_eq!(answer(&server, &connect(4, 2, 0, &[], "", &[])).await, [0x20, 2, 0, 0]);
    assert_eq!(answer(&server, &connect(4, 2, 0, &[], &"x".repeat(300), &[])).await, [0x20, 2, 0, 2]);
    server.stop().await;
}

#[tokio::test]
async fn v5_refusals_have_their_codes() {
    let server = Server::start(MqttOptions::default()).await;
    let cases: [(&str, Vec<u8>, u8); 12] = [
        ("level 6", connect(6, 2, 0, &[], "c", &[]), 0x84),
        ("client id too long", connect(5, 2, 0, &[], &"x".repeat(300), &[]), 0x85),
        ("authentication method", connect(5, 2, 0, &[0x15, 0, 1, b'x'], "c", &[]), 0x8C),
        ("authentication data alone", connect(5, 2, 0, &[0x16, 0, 1, b'x'], "c", &[]), 0x82),
        ("reserved connect flag", connect(5, 3, 0, &[], "c", &[]), 0x81),
        ("will QoS without will", connect(5, 0b1010, 0, &[], "c", &[]), 0x81),
        ("receive maximum 0", connect(5, 2, 0, &[0x21, 0, 0], "c", &[]), 0x82),
        ("property twice", connect(5, 2, 0, &[0x21, 0, 1, 0x21, 0, 1], "c", &[]), 0x82),
        ("unknown property", connect(5, 2, 0, &[0x2B, 0], "c", &[]), 0x81),
        ("property of another packet", connect(5, 2, 0, &[0x23, 0, 1], "c", &[]), 0x81),
        ("maximum packet size below a CONNACK", connect(5, 2, 0, &[0x27, 0, 0, 0, 5], "c", &[]), 0x95),
        ("bytes behind the payload", connect(5, 2, 0, &[], "c", &[1]), 0x81),
    ];
    for (name, bytes, reason) in cases {
        let connack = answer(&server, &bytes).await;
        assert_eq!((connack[0], connack[2], connack[3]), (0x20, 0, reason), "{name}: {connack:02x?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_connect_is_closed_without_a_word() {
    let server = Server::start(MqttOptions::default()).await;
    let bad_utf8 = [text("MQTT"), vec![4, 2, 0, 0, 0, 1, 0xFF]].concat();
    let cases: [Vec<u8>; 6] = [
        publish(4, 0, "t/S0", 0, "1"),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        packet(0x10, &[text("MQXX"), vec![4, 2, 0, 0, 0, 0]].concat()),
        // v3.1.1 has no CONNACK code for malformed packets.
        connect(4, 3, 0, &[], "c", &[]),
        packet(0x10, &bad_utf8),
        vec![0x10, 0xFF, 0xFF, 0xFF, 0xFF, 1],
    ];
    for bytes in cases {
        let mut raw = server.raw().await;
        raw.send(&bytes).await;
        raw.closed().await;
    }
    assert_eq!(server.metrics.protocol_errors_total.load(Ordering::Relaxed), 6);
    server.stop().await;
}

#[tokio::test]
async fn any_user_name_and_password_are_let_in() {
    let server = Server::start(MqttOptions::default()).await;
    let payload = [text("user"), text("secret")].concat();
    let connack = answer(&server, &connect(4, 0b1100_0010, 0, &[], "c", &payload)).await;
    assert_eq!(connack, [0x20, 2, 0, 0]);
    server.stop().await;
}

#[tokio::test]
async fn publishing_may_begin_before_the_connack() {
    let server = Server::start(MqttOptions::default()).await;
    let mut raw = server.raw().await;
    raw.send(&[connect(4, 2, 0, &[], "c", &[]), publish(4, 2, "t/S0", 5, "1"), vec![0xE0, 0]].concat()).await;
    raw.expect(&[0x20, 2, 0, 0]).await;
    server.plant.until(|account, _| account.committed == 1).await;
    server.stop().await;
}

#[tokio::test]
async fn a_slow_connect_is_closed_and_counted() {
    let options = MqttOptions { connect_timeout: Duration::from_secs(1), ..MqttOptions::default() };
    let server = Server::start(options).await;
    let mut silent = server.raw().await;
    let mut slow = server.raw().await;
    slow.send(&connect(4, 2, 0, &[], "c", &[])[..9]).await;
    silent.closed().await;
    slow.closed().await;
    assert_eq!(server.metrics.refused_total.load(Ordering::Relaxed), 2);
    server.stop().await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_in_its_version() {
    let server = Server::start(MqttOptions { connections_max: 1, ..MqttOptions::default() }).await;
    let mut first = server.v5("first").await;
    assert_eq!(answer(&server, &connect(4, 2, 0, &[], "c", &[])).await, [0x20, 2, 0, 3]);
    let connack = answer(&server, &connect(5, 2, 0, &[], "c", &[])).await;
    assert_eq!((connack[0], connack[3]), (0x20, 0x89));
    first.send(&PINGREQ).await;
    first.expect(&PINGRESP).await;
    assert_eq!(server.metrics.refused_total.load(Ordering::Relaxed), 2);
    first.send(&[0xE0, 0]).await;
    first.closed().await;
    drop(first);
    for attempt in 0.. {
        let connack = answer(&server, &connect(4, 2, 0, &[], "c", &[])).await;
        if connack == [0x20, 2, 0, 0] {
            break;
        }
        assert!(attempt < 50, "the place is given again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn shutdown_acknowledges_what_is_open_and_says_goodbye() {
    let server = Server::start(MqttOptions::default()).await;
    server.spool(Mode::Hold).await;
    let (mut v3, mut v5) = (server.v3("a").await, server.v5("b").await);
    for (version, client) in [(4, &mut v3), (5, &mut v5)] {
        client.send(&publish(version, 2, "t/S0", 1, "1")).await;
    }
    server.plant.until(|_, taken| taken.chunks == 2).await;
    server.shutdown.cancel();
    v3.silence().await;
    server.spool(Mode::Settle).await;
    for (version, client) in [(4, &mut v3), (5, &mut v5)] {
        client.expect(&ack(0x40, 1)).await;
        client.refused(version, 0x8B).await;
    }
    drop((v3, v5));
    assert!(server.plant.taken.lock().events.is_empty());
    server.stop().await;
}
