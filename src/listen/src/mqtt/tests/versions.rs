//! MQTT 3.1, bridges of other brokers, and versions that are not spoken.

use super::*;
use crate::trial::broker::Broker;
use crate::trial::heard::Heard;

/// CONNECT under any name and level; `rest` is what follows the keep-alive.
fn connect_as(name: &str, level: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    packet(0x10, &[text(name), vec![level, flags, 0, 0], rest.to_vec()].concat())
}

async fn v31(server: &Server, client_id: &str) -> Raw {
    let mut raw = server.raw().await;
    raw.send(&connect_as("MQIsdp", 3, 2, &text(client_id))).await;
    raw.expect(&[0x20, 2, 0, 0]).await;
    raw
}

#[tokio::test]
async fn mqtt_3_1_delivers_with_every_quality_of_service() {
    let server = Server::start(MqttOptions::default()).await;
    for client_id in ["esp", "a client id of more than twenty-three bytes"] {
        let before = server.plant.account().received;
        let mut client = v31(&server, client_id).await;
        client.send(&publish(4, 0, "t/S0", 0, "1")).await;
        client.send(&publish(4, 2, "t/S1", 10, "2")).await;
        client.expect(&ack(0x40, 10)).await;
        client.send(&publish(4, 4, "t/S2", 11, "3")).await;
        client.expect(&ack(0x50, 11)).await;
        // 3.1 repeats PUBREL with DUP.
        client.send(&[ack(0x62, 11), ack(0x6A, 11)].concat()).await;
        client.expect(&ack(0x70, 11)).await;
        client.expect(&ack(0x70, 11)).await;
        client.send(&PINGREQ).await;
        client.expect(&PINGRESP).await;
        server.plant.until(|account, _| account.committed == before + 3).await;
        client.send(&[0xE0, 0]).await;
        client.closed().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn mqtt_3_1_is_told_nothing_that_it_has_no_code_for() {
    let server = Server::start(MqttOptions::default()).await;
    // The byte of "session present" is reserved, also when there is a session.
    for _ in 0..2 {
        let mut client = server.raw().await;
        client.send(&connect_as("MQIsdp", 3, 0, &text("kept"))).await;
        client.expect(&[0x20, 2, 0, 0]).await;
        client.send(&publish(4, 4, "t/S0", 1, "1")).await;
        client.expect(&ack(0x50, 1)).await;
        // SUBSCRIBE, again with DUP; a failure code would be read as a quality of service.
        for first in [0x82, 0x8A] {
            client.send(&packet(first, &[vec![0, 9], text("plant/#"), vec![1]].concat())).await;
            client.expect(&[0x90, 3, 0, 9, 0]).await;
        }
        client.send(&[0xE0, 0]).await;
        client.closed().await;
    }
    assert_eq!(server.plant.account().received, 1, "the session went on");
    // Flags that promise a user name and a password which the packet does not have.
    let mut client = server.raw().await;
    client.send(&connect_as("MQIsdp", 3, 0b1100_0010, &text("c"))).await;
    client.expect(&[0x20, 2, 0, 0]).await;
    let mut client = server.raw().await;
    client.send(&connect_as("MQIsdp", 3, 0b1100_0010, &[text("c"), text("user"), text("secret")].concat())).await;
    client.expect(&[0x20, 2, 0, 0]).await;
    server.stop().await;
}

#[tokio::test]
async fn the_bit_of_a_private_bridge_changes_nothing() {
    let server = Server::start(MqttOptions::default()).await;
    for (name, level) in [("MQIsdp", 0x83), ("MQTT", 0x84)] {
        let mut bridge = server.raw().await;
        bridge.send(&connect_as(name, level, 2, &text("bridge"))).await;
        bridge.expect(&[0x20, 2, 0, 0]).await;
        bridge.send(&publish(4, 2, "t/S0", 1, "1")).await;
        bridge.expect(&ack(0x40, 1)).await;
    }
    let mut bridge = server.raw().await;
    bridge.send(&connect_as("MQTT", 0x85, 2, &[vec![0], text("bridge")].concat())).await;
    let connack = bridge.packet().await;
    assert_eq!((connack[0], connack[3]), (0x20, 0));
    server.stop().await;
}

#[tokio::test]
async fn a_version_that_is_not_spoken_is_answered_in_its_form_and_told_once() {
    let heard = Heard::start();
    let server = Server::start(MqttOptions::default()).await;
    let v3 = text("old device");
    let v5 = [vec![0], text("new device")].concat();
    for _ in 0..3 {
        for (name, level) in [("MQIsdp", 2), ("MQIsdp", 4), ("MQTT", 3), ("MQTT", 0x83), ("MQTT", 0)] {
            let mut client = server.raw().await;
            client.send(&connect_as(name, level, 2, &v3)).await;
            client.expect(&[0x20, 2, 0, 1]).await;
            client.closed().await;
        }
        for level in [6, 0x86] {
            let mut client = server.raw().await;
            client.send(&connect_as("MQTT", level, 2, &v5)).await;
            let connack = client.packet().await;
            assert_eq!((connack[0], connack[2], connack[3]), (0x20, 0, 0x84), "{connack:02x?}");
            client.closed().await;
        }
    }
    for device in ["old device", "new device"] {
        let lines = heard.with(&["MQTT client refused", device, "address=127.0.0.1:"]);
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
    server.stop().await;
}

/// With its default settings: the private bit, version 3.1.1, and a notification of its own state.
#[tokio::test]
async fn a_mosquitto_bridge_with_default_settings_delivers() {
    let server = Server::start(MqttOptions::default()).await;
    let connection =
        format!("connection to-genims\naddress {}\ntopic plant/# out 1\nstart_type automatic", server.address);
    let broker = Broker::started(&connection);
    broker.publish("plant/S0", 1, 0..50).await;
    server.plant.until(|account, _| account.committed == 50).await;
    drop(broker);
    {
        let taken = server.plant.taken.lock();
        let values: Vec<f64> = taken.readings.iter().map(|reading| reading.value).collect();
        assert_eq!(values, (0..50).map(f64::from).collect::<Vec<_>>());
        assert!(taken.dead_letters.is_empty(), "the state of the bridge is no reading: {:?}", taken.dead_letters);
    }
    server.stop().await;
}
