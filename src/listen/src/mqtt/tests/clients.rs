//! A client library that others use: rumqttc, both versions, all qualities of service.

use super::*;
use std::time::Instant;

const MESSAGES: u16 = 300;

#[tokio::test]
async fn rumqttc_v4_delivers_with_every_quality_of_service() {
    use rumqttc::{AsyncClient, Event, MqttOptions as Options, Outgoing, Packet, QoS};
    let server = Server::start(MqttOptions::default()).await;
    let mut received = 0;
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let options = Options::new("rumqttc", "127.0.0.1", server.address.port());
        let (client, mut events) = AsyncClient::new(options, 1_000);
        for index in 0..MESSAGES {
            client.publish(format!("t/S{}", index % 10), qos, false, index.to_string()).await.unwrap();
        }
        let (mut sent, mut acknowledged) = (0, 0);
        let deadline = Instant::now() + PATIENCE;
        while (qos == QoS::AtMostOnce && sent < MESSAGES) || (qos != QoS::AtMostOnce && acknowledged < MESSAGES) {
            assert!(Instant::now() < deadline);
            match events.poll().await.unwrap() {
                Event::Outgoing(Outgoing::Publish(_)) => sent += 1,
                Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) => acknowledged += 1,
                _ => {}
            }
        }
        client.disconnect().await.unwrap();
        while events.poll().await.is_ok() {}
        received += u64::from(MESSAGES);
        server.plant.until(|account, _| account.committed == received).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn rumqttc_v5_delivers_with_every_quality_of_service_and_sees_statistics() {
    use rumqttc::Outgoing;
    use rumqttc::v5::mqttbytes::{QoS, v5::Packet};
    use rumqttc::v5::{AsyncClient, Event, MqttOptions as Options};
    let server = Server::start(MqttOptions::default()).await;
    let mut received = 0;
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let options = Options::new("rumqttc", "127.0.0.1", server.address.port());
        let (client, mut events) = AsyncClient::new(options, 1_000);
        client.subscribe("$SYS/#", QoS::AtLeastOnce).await.unwrap();
        for index in 0..MESSAGES {
            client.publish(format!("t/S{}", index % 10), qos, false, index.to_string()).await.unwrap();
        }
        let (mut sent, mut acknowledged, mut statistics) = (0, 0, 0);
        let deadline = Instant::now() + PATIENCE;
        while sent < MESSAGES || (qos != QoS::AtMostOnce && acknowledged < MESSAGES) || statistics < 5 {
            assert!(Instant::now() < deadline);
            match events.poll().await.unwrap() {
                Event::Outgoing(Outgoing::Publish(_)) => sent += 1,
                Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) => acknowledged += 1,
                Event::Incoming(Packet::Publish(_)) => statistics += 1,
                _ => {}
            }
        }
        client.disconnect().await.unwrap();
        while events.poll().await.is_ok() {}
        received += u64::from(MESSAGES);
        server.plant.until(|account, _| account.committed == received).await;
    }
    server.stop().await;
}
