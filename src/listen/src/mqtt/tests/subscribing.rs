//! `$SYS/#` is granted; everything else is refused filter by filter, and the connection lives on.

use super::*;

fn subscribe(version: u8, properties: &[u8], filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = vec![0, 9];
    if version == 5 {
        body.push(properties.len() as u8);
        body.extend_from_slice(properties);
    }
    for (filter, options) in filters {
        body.extend_from_slice(&text(filter));
        body.push(*options);
    }
    packet(0x82, &body)
}

#[tokio::test]
async fn each_filter_gets_its_own_answer_and_the_connection_lives_on() {
    let server = Server::start(MqttOptions::default()).await;
    let filters = [("plant/#", 1), ("$share/g/x", 1), ("bad#", 1), ("$SYS/none", 2)];
    let mut v5 = server.v5("a").await;
    v5.send(&subscribe(5, &[], &filters)).await;
    v5.expect(&[0x90, 7, 0, 9, 0, 0x87, 0x9E, 0x8F, 0]).await;
    let mut v3 = server.v3("b").await;
    v3.send(&subscribe(4, &[], &filters)).await;
    v3.expect(&[0x90, 6, 0, 9, 0x80, 0x80, 0x80, 0]).await;
    for (version, client) in [(4, &mut v3), (5, &mut v5)] {
        client.send(&publish(version, 2, "t/S0", 1, "1")).await;
        client.expect(&ack(0x40, 1)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn statistics_come_at_once_to_a_new_subscriber() {
    let server = Server::start(MqttOptions::default()).await;
    let mut v3 = server.v3("a").await;
    v3.send(&subscribe(4, &[], &[("$SYS/#", 0)])).await;
    v3.expect(&[0x90, 3, 0, 9, 0]).await;
    let mut topics = Vec::new();
    for _ in 0..5 {
        let message = v3.packet().await;
        assert_eq!(message[0], 0x31, "QoS 0, retained");
        let length = usize::from(message[3]);
        topics.push(String::from_utf8(message[4..4 + length].to_vec()).unwrap());
    }
    assert_eq!(topics[1], "$SYS/broker/uptime");
    let mut v5 = server.v5("b").await;
    // With a subscription identifier, then once more with "only for a new subscription".
    v5.send(&subscribe(5, &[0x0B, 7], &[("$SYS/broker/readings/received", 0)])).await;
    v5.expect(&[0x90, 4, 0, 9, 0, 0]).await;
    let expected = [text("$SYS/broker/readings/received"), vec![2, 0x0B, 7], b"42".to_vec()].concat();
    v5.expect(&packet(0x31, &expected)).await;
    v5.send(&subscribe(5, &[0x0B, 7], &[("$SYS/broker/readings/received", 0x10)])).await;
    v5.expect(&[0x90, 4, 0, 9, 0, 0]).await;
    v5.silence().await;
    server.stop().await;
}

#[tokio::test]
async fn statistics_come_again_every_ten_seconds_until_unsubscribed() {
    let server = Server::start(MqttOptions::default()).await;
    let mut client = server.v5("a").await;
    client.send(&subscribe(5, &[], &[("$SYS/broker/clients/connected", 0x20)])).await;
    client.expect(&[0x90, 4, 0, 9, 0, 0]).await;
    client.silence().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let expected = [text("$SYS/broker/clients/connected"), vec![0], b"1".to_vec()].concat();
    client.expect(&packet(0x30, &expected)).await;
    let unsubscribe =
        [vec![0, 10, 0], text("$SYS/broker/clients/connected"), text("$SYS/other"), text("bad+")].concat();
    client.send(&packet(0xA2, &unsubscribe)).await;
    client.expect(&[0xB0, 6, 0, 10, 0, 0, 0x11, 0x8F]).await;
    let mut v3 = server.v3("b").await;
    v3.send(&packet(0xA2, &[vec![0, 10], text("x")].concat())).await;
    v3.expect(&[0xB0, 2, 0, 10]).await;
    server.stop().await;
}

#[tokio::test]
async fn malformed_subscriptions_end_the_connection() {
    let server = Server::start(MqttOptions::default()).await;
    let cases: [(u8, Vec<u8>, u8); 12] = [
        (5, subscribe(5, &[], &[]), 0x82),
        (4, subscribe(4, &[], &[]), 0),
        (5, subscribe(5, &[], &[("a", 3)]), 0x81),
        (4, subscribe(4, &[], &[("a", 4)]), 0),
        (5, subscribe(5, &[], &[("a", 0x30)]), 0x82),
        (5, subscribe(5, &[], &[("$share/g/a", 4)]), 0x82),
        (5, packet(0x80, &subscribe(5, &[], &[("a", 0)])[2..]), 0x81),
        (5, packet(0xA2, &[0, 1, 0]), 0x82),
        // An empty filter.
        (5, subscribe(5, &[], &[("$SYS/#", 0), ("", 0)]), 0x82),
        (4, subscribe(4, &[], &[("", 0)]), 0),
        (5, packet(0xA2, &[0, 1, 0, 0, 0]), 0x82),
        (4, packet(0xA2, &[0, 1, 0, 0]), 0),
    ];
    for (version, bytes, reason) in cases {
        let mut client = server.version(version, "c").await;
        client.send(&bytes).await;
        client.refused(version, reason).await;
    }
    server.stop().await;
}
