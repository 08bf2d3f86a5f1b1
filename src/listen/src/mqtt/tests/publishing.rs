//! QoS 0, 1, 2: what is stored, when it is acknowledged.

use super::*;

#[tokio::test]
async fn all_qualities_of_service_are_stored_and_acknowledged_in_both_versions() {
    let server = Server::start(MqttOptions::default()).await;
    for version in [4, 5] {
        let before = server.plant.account().received;
        let mut client = server.version(version, "c").await;
        client.send(&publish(version, 0, "t/S0", 0, "1")).await;
        client.send(&publish(version, 2, "t/S1", 10, "2")).await;
        client.expect(&ack(0x40, 10)).await;
        client.send(&publish(version, 4, "t/S2", 11, "3")).await;
        client.expect(&ack(0x50, 11)).await;
        client.send(&ack(0x62, 11)).await;
        client.expect(&ack(0x70, 11)).await;
        server.plant.until(|account, _| account.committed == before + 3).await;
    }
    let values: Vec<f64> = server.plant.taken.lock().readings.iter().map(|reading| reading.value).collect();
    assert_eq!(values, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
    server.stop().await;
}

#[tokio::test]
async fn no_acknowledgement_leaves_before_its_receipt_has_settled() {
    let server = Server::start(MqttOptions::default()).await;
    for version in [4, 5] {
        server.spool(Mode::Hold).await;
        let mut client = server.version(version, "c").await;
        client.send(&publish(version, 2, "t/S0", 1, "1")).await;
        client.send(&publish(version, 4, "t/S1", 2, "2")).await;
        client.silence().await;
        client.send(&publish(version, 2, "t/S1", 3, "2")).await;
        client.send(&PINGREQ).await;
        client.expect(&PINGRESP).await;
        client.silence().await;
        server.spool(Mode::Settle).await;
        client.expect(&ack(0x40, 1)).await;
        client.expect(&ack(0x50, 2)).await;
        client.expect(&ack(0x40, 3)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_stored_is_dead_lettered_and_acknowledged() {
    let server = Server::start(MqttOptions::default()).await;
    let mut client = server.v5("c").await;
    client.send(&publish(5, 2, "t/S0", 1, "warm")).await;
    client.expect(&ack(0x40, 1)).await;
    client.send(&publish(5, 2, "t/nobody", 2, "1")).await;
    client.expect(&ack(0x40, 2)).await;
    // A message without records has nothing to wait for, and still keeps its place.
    client.send(&[publish(5, 2, "t/S0", 3, ""), publish(5, 2, "t/S0", 4, "4")].concat()).await;
    client.expect(&ack(0x40, 3)).await;
    client.expect(&ack(0x40, 4)).await;
    server.plant.until(|account, taken| account.committed == 3 && taken.dead_letters.len() == 2).await;
    assert_eq!(server.plant.taken.lock().dead_letters[0].topic, "t/S0");
    server.stop().await;
}

#[tokio::test]
async fn a_qos_1_message_sent_again_on_the_same_connection_is_stored_once() {
    let server = Server::start(MqttOptions { receive_maximum: 1, ..MqttOptions::default() }).await;
    for version in [4, 5] {
        let before = server.plant.account().received;
        // What an earlier connection has taken is another matter.
        let mut client = server.version(version, &format!("c{version}")).await;
        // Before it is acknowledged, in one write and in another.
        server.spool(Mode::Hold).await;
        client
            .send(&[publish(version, 2, "t/S0", 7, "42.5"), publish(version, 0b1010, "t/S0", 7, "42.5")].concat())
            .await;
        client.silence().await;
        client.send(&publish(version, 0b1010, "t/S0", 7, "42.5")).await;
        client.silence().await;
        server.spool(Mode::Settle).await;
        for _ in 0..3 {
            client.expect(&ack(0x40, 7)).await;
        }
        // And behind.
        client.send(&publish(version, 0b1010, "t/S0", 7, "42.5")).await;
        client.expect(&ack(0x40, 7)).await;
        assert_eq!(server.plant.account().received, before + 1);
        // Another value, another identifier and a message without the flag are readings of their own.
        for (flags, id, value) in [(0b1010, 7, "43.5"), (0b1010, 8, "42.5"), (2, 7, "43.5"), (2, 7, "42.5")] {
            client.send(&publish(version, flags, "t/S0", id, value)).await;
            client.expect(&ack(0x40, id)).await;
        }
        assert_eq!(server.plant.account().received, before + 5);
        // The identifier is the last message's.
        client.send(&publish(version, 0b1010, "t/S0", 7, "43.5")).await;
        client.expect(&ack(0x40, 7)).await;
        assert_eq!(server.plant.account().received, before + 6);
    }
    server.stop().await;
}

#[tokio::test]
async fn the_repeat_of_a_refused_qos_1_message_is_refused_too() {
    let server = Server::start(MqttOptions::default()).await;
    server.spool(Mode::Hold).await;
    let mut client = server.v5("c").await;
    client.send(&publish(5, 2, "t/S0", 7, "1")).await;
    client.silence().await;
    client.send(&publish(5, 0b1010, "t/S0", 7, "1")).await;
    client.silence().await;
    server.spool(Mode::Refuse).await;
    for _ in 0..2 {
        client.expect(&[0x40, 3, 0, 7, 0x97]).await;
    }
    // What was refused is new when it comes again.
    server.spool(Mode::Settle).await;
    client.send(&publish(5, 0b1010, "t/S0", 7, "1")).await;
    client.expect(&ack(0x40, 7)).await;
    server.plant.until(|account, _| account.committed == 1).await;
    server.stop().await;
}

#[tokio::test]
async fn a_qos_2_message_sent_again_is_stored_once() {
    let server = Server::start(MqttOptions::default()).await;
    for version in [4, 5] {
        let before = server.plant.account().received;
        let mut client = server.version(version, "c").await;
        client.send(&publish(version, 4, "t/S0", 1, "1")).await;
        client.expect(&ack(0x50, 1)).await;
        client.send(&publish(version, 0b1100, "t/S0", 1, "1")).await;
        client.expect(&ack(0x50, 1)).await;
        client.send(&ack(0x62, 1)).await;
        client.expect(&ack(0x70, 1)).await;
        assert_eq!(server.plant.account().received, before + 1);
        // After PUBCOMP the identifier is free for another message.
        client.send(&publish(version, 4, "t/S0", 1, "2")).await;
        client.expect(&ack(0x50, 1)).await;
        assert_eq!(server.plant.account().received, before + 2);
    }
    server.stop().await;
}

#[tokio::test]
async fn each_repeat_of_a_qos_2_message_before_its_release_gets_a_pubrec_and_is_stored_once() {
    let server = Server::start(MqttOptions::default()).await;
    for version in [4, 5] {
        let before = server.plant.account().received;
        let mut client = server.version(version, "c").await;
        let repeats = [4, 0b1100, 4].map(|flags| publish(version, flags, "t/S0", 7, "1"));
        // In one write, while the receipt is open, and after it has settled.
        server.spool(Mode::Hold).await;
        client.send(&repeats.concat()).await;
        client.silence().await;
        client.send(&repeats[1]).await;
        client.silence().await;
        server.spool(Mode::Settle).await;
        client.send(&repeats[2]).await;
        for _ in 0..5 {
            client.expect(&ack(0x50, 7)).await;
        }
        client.send(&ack(0x62, 7)).await;
        client.expect(&ack(0x70, 7)).await;
        assert_eq!(server.plant.account().received, before + 1);
    }
    server.stop().await;
}

#[tokio::test]
async fn the_repeat_of_a_refused_qos_2_message_is_refused_too() {
    let server = Server::start(MqttOptions::default()).await;
    server.spool(Mode::Hold).await;
    let mut client = server.v5("c").await;
    client.send(&[publish(5, 4, "t/S0", 7, "1"), publish(5, 0b1100, "t/S0", 7, "1")].concat()).await;
    client.silence().await;
    // A round of its own.
    client.send(&publish(5, 0b1100, "t/S0", 7, "1")).await;
    client.silence().await;
    server.spool(Mode::Refuse).await;
    for _ in 0..3 {
        client.expect(&[0x50, 3, 0, 7, 0x97]).await;
    }
    server.spool(Mode::Settle).await;
    client.send(&publish(5, 4, "t/S0", 7, "1")).await;
    client.expect(&ack(0x50, 7)).await;
    server.stop().await;
}

#[tokio::test]
async fn a_release_of_nothing_is_answered_with_its_reason() {
    let server = Server::start(MqttOptions::default()).await;
    let mut client = server.v5("c").await;
    client.send(&ack(0x62, 9)).await;
    client.expect(&[0x70, 3, 0, 9, 0x92]).await;
    let mut client = server.v3("d").await;
    client.send(&ack(0x62, 9)).await;
    client.expect(&ack(0x70, 9)).await;
    server.stop().await;
}

#[tokio::test]
async fn a_release_before_its_receipt_does_not_complete_the_message() {
    let server = Server::start(MqttOptions::default()).await;
    server.spool(Mode::Hold).await;
    for version in [4, 5] {
        let mut client = server.version(version, "c").await;
        client.send(&publish(version, 4, "t/S0", 1, "1")).await;
        client.send(&ack(0x62, 1)).await;
        client.refused(version, 0x82).await;
    }
    server.spool(Mode::Settle).await;
    server.stop().await;
}

#[tokio::test]
async fn a_refused_round_is_told_in_v5_and_closes_v3() {
    let server = Server::start(MqttOptions::default()).await;
    server.spool(Mode::Refuse).await;
    let mut client = server.v5("c").await;
    client.send(&publish(5, 2, "t/S0", 1, "1")).await;
    client.expect(&[0x40, 3, 0, 1, 0x97]).await;
    client.send(&publish(5, 4, "t/S0", 2, "1")).await;
    client.expect(&[0x50, 3, 0, 2, 0x97]).await;
    // The exchange is over: the same identifier starts a new one.
    server.spool(Mode::Settle).await;
    client.send(&publish(5, 4, "t/S0", 2, "1")).await;
    client.expect(&ack(0x50, 2)).await;
    server.spool(Mode::Refuse).await;
    let mut client = server.v3("d").await;
    client.send(&publish(4, 2, "t/S0", 1, "1")).await;
    client.closed().await;
    assert_eq!(server.plant.account().dropped, 3);
    server.stop().await;
}

#[tokio::test]
async fn a_topic_alias_stands_for_its_topic_until_it_is_changed() {
    let server = Server::start(MqttOptions { topic_alias_maximum: 3, ..MqttOptions::default() }).await;
    let aliased = |topic: &str, alias: u8, value: &str| {
        let body = [text(topic), vec![3, 0x23, 0, alias], value.into()].concat();
        packet(0x30, &body)
    };
    let mut client = server.v5("c").await;
    client
        .send(&[aliased("t/S0", 3, "1"), aliased("", 3, "2"), aliased("t/S1", 3, "3"), aliased("", 3, "4")].concat())
        .await;
    server.plant.until(|account, _| account.committed == 4).await;
    let mut seen: Vec<_> =
        server.plant.taken.lock().readings.iter().map(|reading| (reading.sensor.0, reading.value)).collect();
    seen.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(seen, [(0, 1.0), (0, 2.0), (1, 3.0), (1, 4.0)]);
    for (topic, alias, reason) in [("t/S0", 0, 0x94), ("t/S0", 4, 0x94), ("", 2, 0x82)] {
        let mut client = server.v5("d").await;
        client.send(&aliased(topic, alias, "1")).await;
        client.refused(5, reason).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn packets_split_at_any_byte_are_the_same_packets() {
    let server = Server::start(MqttOptions::default()).await;
    let mut client = server.v3("c").await;
    let bytes = [publish(4, 2, "t/S0", 1, "1.5"), publish(4, 2, "t/S1", 2, "2.5"), PINGREQ.to_vec()].concat();
    for split in 1..bytes.len() {
        client.send(&bytes[..split]).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
        client.send(&bytes[split..]).await;
        let mut answers = vec![client.packet().await, client.packet().await, client.packet().await];
        answers.sort();
        assert_eq!(answers, [ack(0x40, 1).to_vec(), ack(0x40, 2).to_vec(), PINGRESP.to_vec()]);
    }
    assert_eq!(server.plant.account().received, 2 * (bytes.len() as u64 - 1));
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_closes_its_side_still_gets_its_acknowledgements() {
    let server = Server::start(MqttOptions::default()).await;
    server.spool(Mode::Hold).await;
    let mut client = server.v3("c").await;
    client.send(&publish(4, 2, "t/S0", 1, "1")).await;
    client.0.shutdown().await.unwrap();
    client.silence().await;
    server.spool(Mode::Settle).await;
    client.expect(&ack(0x40, 1)).await;
    client.closed().await;
    server.stop().await;
}
