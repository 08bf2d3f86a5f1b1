//! What is malformed, too large, too much, too slow; and what happens while the pipeline pushes back.

use super::*;
use crate::locks::AnonymousPolicy;
use crate::trial::heard::Heard;
use genims_locks::refusals::{RefusalKind, Refusals};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn faults_are_told_in_v5_and_close_v3() {
    let options = MqttOptions { packet_bytes_max: 1_024, ..MqttOptions::default() };
    let (heard, refusals) = (Heard::start(), Arc::<Refusals>::default());
    let gate = ListenerGate::open("mqtt", true, None, None, AnonymousPolicy::default(), refusals.clone()).unwrap();
    let server = Server::with_gate(options, Plant::new(1_000_000), gate).await;
    let with_properties = |properties: &[u8]| {
        let body = [text("t/S0"), vec![properties.len() as u8], properties.to_vec(), b"1".to_vec()].concat();
        packet(0x30, &body)
    };
    let cases: Vec<(&str, u8, Vec<u8>, u8)> = [4, 5]
        .into_iter()
        .flat_map(|version| {
            let tail: &[u8] = if version == 5 { &[0] } else { &[] };
            [
                ("second CONNECT", version, connect(version, 2, 0, &[], "c", &[]), 0x82),
                ("QoS 3", version, publish(version, 6, "t", 1, "1"), 0x81),
                ("DUP with QoS 0", version, publish(version, 8, "t", 0, "1"), 0x81),
                ("packet id 0", version, publish(version, 2, "t", 0, "1"), 0x82),
                ("wildcard +", version, publish(version, 0, "t/+", 0, "1"), 0x81),
                ("wildcard #", version, publish(version, 2, "#", 1, "1"), 0x81),
                ("NUL in topic", version, publish(version, 0, "t\0", 0, "1"), 0x81),
                ("empty topic", version, publish(version, 0, "", 0, "1"), 0x82),
                ("topic not UTF-8", version, packet(0x30, &[&[0, 1, 0xFF], tail].concat()), 0x81),
                ("topic cut short", version, packet(0x30, &[0, 9, b't']), 0x81),
                ("flags of PUBREL", version, ack(0x60, 1).to_vec(), 0x81),
                ("flags of PINGREQ", version, vec![0xC1, 0], 0x81),
                ("PINGREQ with a body", version, vec![0xC0, 1, 0], 0x81),
                ("packet type 0", version, vec![0, 0], 0x81),
                ("CONNACK from a client", version, vec![0x20, 2, 0, 0], 0x82),
                ("remaining length of five bytes", version, vec![0x30, 0x80, 0x80, 0x80, 0x80, 1], 0x81),
                ("too large", version, vec![0x30, 0xFE, 0x07], 0x95),
            ]
        })
        .chain([
            ("AUTH", 5, vec![0xF0, 0], 0x82),
            ("PUBACK with an unknown reason", 5, vec![0x40, 3, 0, 1, 0x92], 0x82),
            ("PUBREC with an unknown reason", 5, vec![0x50, 4, 0, 1, 0x01, 0], 0x82),
            ("PUBREL with an unknown reason", 5, vec![0x62, 3, 0, 1, 0x80], 0x82),
            ("PUBCOMP with an unknown reason", 5, vec![0x70, 3, 0, 1, 0xFF], 0x82),
            ("AUTH", 4, vec![0xF0, 0], 0x81),
            ("DISCONNECT with a body", 4, vec![0xE0, 1, 0], 0x81),
            ("subscription identifier", 5, with_properties(&[0x0B, 1]), 0x82),
            ("payload format 2", 5, with_properties(&[1, 2]), 0x82),
            ("property cut short", 5, packet(0x30, &[0, 1, b't', 3, 0x23, 0]), 0x81),
            ("response topic with wildcard", 5, with_properties(&[8, 0, 1, b'#']), 0x82),
            ("remaining length not shortest", 5, vec![0xC0, 0x80, 0], 0x81),
        ])
        .collect();
    let count = cases.len() as u64;
    for (name, version, bytes, reason) in cases {
        let mut client = server.version(version, "c").await;
        client.send(&bytes).await;
        println!("{name} v{version}");
        client.refused(version, reason).await;
    }
    assert_eq!(server.metrics.protocol_errors_total.load(Ordering::Relaxed), count);
    assert_eq!(refusals.totals(), [("mqtt".to_owned(), RefusalKind::Protocol, count)]);
    let due = refusals.due(tokio::time::Instant::now());
    assert!(due.len() == 1 && due[0].times == count && due[0].host == "127.0.0.1", "told together: {due:?}");
    let lines = heard.with(&["input refused", "listener=mqtt", "address=127.0.0.1:"]);
    assert!((1..count as usize).contains(&lines.len()), "once a minute, however long this takes: {lines:?}");
    assert_eq!(server.plant.account().received, 0);
    server.stop().await;
}

#[tokio::test]
async fn valid_rarities_are_let_through() {
    let server = Server::start(MqttOptions::default()).await;
    let mut v5 = server.v5("a").await;
    let properties = [1, 1, 2, 0, 0, 0, 9, 3, 0, 1, b'x', 8, 0, 1, b'r', 9, 0, 1, 0, 0x26, 0, 1, b'k', 0, 1, b'v'];
    let body = [text("t/S0"), vec![0, 1, properties.len() as u8], properties.to_vec(), b"1".to_vec()].concat();
    // Retained, with every property that a client may send.
    v5.send(&packet(0x33, &body)).await;
    v5.expect(&ack(0x40, 1)).await;
    // Acknowledgements of what we never sent.
    v5.send(&[ack(0x40, 5), ack(0x70, 5), ack(0x50, 5)].concat()).await;
    v5.expect(&[0x62, 3, 0, 5, 0x92]).await;
    let mut v3 = server.v3("b").await;
    // Small clients pad the remaining length.
    v3.send(&[0xC0, 0x80, 0]).await;
    v3.expect(&PINGRESP).await;
    server.stop().await;
}

#[tokio::test]
async fn a_too_large_connect_is_refused_in_its_version() {
    let server = Server::start(MqttOptions { packet_bytes_max: 1_024, ..MqttOptions::default() }).await;
    let mut raw = server.raw().await;
    raw.send(&connect(5, 2, 0, &[], &"x".repeat(2_000), &[])).await;
    let connack = raw.packet().await;
    assert_eq!((connack[0], connack[3]), (0x20, 0x95));
    server.stop().await;
}

#[tokio::test]
async fn the_receive_maximum_binds_v5_clients_and_makes_v3_clients_wait() {
    let server = Server::start(MqttOptions { receive_maximum: 3, ..MqttOptions::default() }).await;
    server.spool(Mode::Hold).await;
    let burst =
        |version, count: u16| -> Vec<u8> { (1..=count).flat_map(|id| publish(version, 2, "t/S0", id, "1")).collect() };
    let mut within = server.v5("within").await;
    within.send(&burst(5, 3)).await;
    within.silence().await;
    let mut beyond = server.v5("beyond").await;
    beyond.send(&burst(5, 4)).await;
    beyond.refused(5, 0x93).await;
    let mut v3 = server.v3("v3").await;
    v3.send(&burst(4, 9)).await;
    v3.silence().await;
    assert_eq!(server.plant.account().received, 9);
    server.spool(Mode::Settle).await;
    for id in 1..=9 {
        v3.expect(&ack(0x40, id)).await;
    }
    for id in 1..=3 {
        within.expect(&ack(0x40, id)).await;
    }
    // QoS 2 counts until PUBCOMP.
    for id in 1..=3 {
        within.send(&publish(5, 4, "t/S0", id, "1")).await;
        within.expect(&ack(0x50, id)).await;
    }
    within.send(&ack(0x62, 1)).await;
    within.expect(&ack(0x70, 1)).await;
    within.send(&publish(5, 2, "t/S0", 9, "1")).await;
    within.expect(&ack(0x40, 9)).await;
    within.send(&[publish(5, 2, "t/S0", 10, "1"), publish(5, 2, "t/S0", 11, "1")].concat()).await;
    within.refused(5, 0x93).await;
    server.stop().await;
}

#[tokio::test]
async fn a_silent_client_is_lost_after_one_and_a_half_keep_alives() {
    let server = Server::start(MqttOptions::default()).await;
    for version in [4, 5] {
        let mut client = server.raw().await;
        client.send(&connect(version, 2, 1, &[], "c", &[])).await;
        client.packet().await;
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            client.send(&PINGREQ).await;
            client.expect(&PINGRESP).await;
        }
        let silent = std::time::Instant::now();
        client.refused(version, 0x8D).await;
        let waited = silent.elapsed();
        assert!((1_400..2_500).contains(&waited.as_millis()), "{waited:?}");
    }
    assert_eq!(server.metrics.refused_total.load(Ordering::Relaxed), 2);
    server.stop().await;
}

#[tokio::test]
async fn pings_are_answered_while_the_pipeline_pushes_back_and_order_is_kept() {
    let server = Server::with_plant(MqttOptions::default(), Plant::new(4)).await;
    server.spool(Mode::Stop).await;
    let mut client = server.raw().await;
    client.send(&connect(4, 2, 1, &[], "c", &[])).await;
    client.expect(&[0x20, 2, 0, 0]).await;
    let value = |id: u16| id.to_string();
    for id in 1..=20 {
        client.send(&publish(4, 2, "t/S0", id, &value(id))).await;
        if id % 5 == 0 {
            client.send(&PINGREQ).await;
            client.expect(&PINGRESP).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Longer than the keep-alive allows, with a ping in time.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(800)).await;
        client.send(&PINGREQ).await;
        client.expect(&PINGRESP).await;
    }
    server.spool(Mode::Settle).await;
    for id in 1..=20 {
        client.expect(&ack(0x40, id)).await;
    }
    client.send(&PINGREQ).await;
    client.expect(&PINGRESP).await;
    let values: Vec<f64> = server.plant.taken.lock().readings.iter().map(|reading| reading.value).collect();
    assert_eq!(values, (1..=20).map(f64::from).collect::<Vec<_>>());
    server.stop().await;
}

#[tokio::test]
async fn a_flooding_client_is_read_only_as_far_as_the_bound_and_loses_nothing() {
    let server = Server::with_plant(MqttOptions::default(), Plant::new(4)).await;
    server.spool(Mode::Stop).await;
    let mut client = server.v3("c").await;
    let message = publish(4, 0, "t/S0", 0, "1.000000000000000000000000000000000000000000000000000000000000000000001");
    let count = 40_000_u64;
    let flood: Vec<u8> = message.iter().copied().cycle().take(message.len() * count as usize).collect();
    let mut writer = tokio::spawn(async move {
        client.send(&flood).await;
        client
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    let read = server.metrics.bytes_total.load(Ordering::Relaxed);
    assert!(read < 700_000, "{read} bytes were read");
    server.spool(Mode::Settle).await;
    let mut client = timeout(PATIENCE, &mut writer).await.unwrap().unwrap();
    client.send(&PINGREQ).await;
    client.expect(&PINGRESP).await;
    server.plant.until(|account, _| account.committed == count).await;
    assert!(server.plant.account().holds());
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up() {
    let options = MqttOptions { write_timeout: Duration::from_secs(1), ..MqttOptions::default() };
    let server = Server::start(options).await;
    let mut client = server.v3("c").await;
    let pings: Vec<u8> = PINGREQ.repeat(200_000);
    // The kernel's buffers fill up, then ours.
    let flood = async { while client.0.write_all(&pings).await.is_ok() {} };
    timeout(PATIENCE, flood).await.expect("the server closes the connection");
    server.stop().await;
}

#[tokio::test]
async fn records_that_wait_for_room_are_stored_although_the_client_has_gone() {
    let server = Server::with_plant(MqttOptions::default(), Plant::new(2)).await;
    server.spool(Mode::Stop).await;
    let mut client = server.v5("c").await;
    for id in 1..=6 {
        client.send(&publish(5, 2, "t/S0", id, "1")).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let received = server.plant.account().received;
    assert!(received >= 3, "a submit waits");
    drop(client);
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.spool(Mode::Settle).await;
    server.plant.until(|account, _| account.received >= received && account.in_flight == 0).await;
    server.stop().await;
}

#[test]
fn options_are_read_from_toml_and_checked() {
    let options: MqttOptions =
        toml::from_str("listen = \"127.0.0.1:1884\"\nacknowledge = \"committed\"\nconnect_timeout = \"2s\"").unwrap();
    assert_eq!(options.acknowledge, crate::Acknowledge::Committed);
    assert_eq!(options.connect_timeout, Duration::from_secs(2));
    assert!(options.validate().is_ok());
    assert!(toml::from_str::<MqttOptions>("acknowlege = \"committed\"").is_err());
    for wrong in [
        MqttOptions { receive_maximum: 0, ..MqttOptions::default() },
        MqttOptions { packet_bytes_max: 10, ..MqttOptions::default() },
        MqttOptions { keep_alive_max: Duration::ZERO, ..MqttOptions::default() },
    ] {
        assert!(wrong.validate().is_err(), "{wrong:?}");
    }
}
