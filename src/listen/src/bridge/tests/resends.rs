//! What a broker sends again: retained messages to a new subscription, and what it has no acknowledgement of.

use super::*;
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_retained_message_is_stored_once_however_often_the_bridge_starts() {
    for version in [MqttVersion::V4, MqttVersion::V5] {
        let broker = Broker::started("");
        broker.retain("plant/S0", b"42.5").await;
        let folder = tempfile::tempdir().expect("a folder");
        let name = BridgeName { folder: Some(folder.path()), ..NAME };
        let plant = Plant::new(1_000);
        for start in 0..3 {
            let bridge = Running::named(name, broker.options(version), &plant);
            plant.until(|account, _| account.committed > start).await;
            // What is published while the bridge runs comes as ever; nothing else has come before it.
            bridge.until(|metrics| metrics.connected.load(Ordering::Relaxed)).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            broker.publish("plant/S1", 1, 0..1).await;
            plant.until(|account, _| account.committed >= 2 + start).await;
            bridge.shut_down().await;
        }
        assert_eq!(plant.account().committed, 4, "{version:?}");
        // A further filter is asked for alone: the retained message does not come again.
        let topics = vec!["plant/#".to_owned(), "hall/#".to_owned()];
        let bridge = Running::named(name, BridgeOptions { topics, ..broker.options(version) }, &plant);
        bridge.until(|metrics| metrics.connected.load(Ordering::Relaxed)).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        broker.publish("hall/S1", 1, 0..1).await;
        plant.until(|account, _| account.committed >= 5).await;
        assert_eq!(plant.account().committed, 5, "{version:?}");
        bridge.shut_down().await;
    }
}

/// Plays a broker of MQTT 3.1.1 up to SUBACK, with a session that goes on.
async fn welcome(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.expect("the bridge connects");
    let mut bytes = vec![0; 1024];
    let _ = stream.read(&mut bytes).await.expect("CONNECT");
    stream.write_all(&[0x20, 2, 1, 0]).await.expect("CONNACK");
    stream
}

fn publish(first: u8, packet_id: u8, value: &str) -> Vec<u8> {
    let body = [&[0, 8][..], b"plant/S1", &[0, packet_id], value.as_bytes()].concat();
    [&[first, body.len() as u8][..], &body].concat()
}

/// Reads until the acknowledgement of `packet_id` has come.
async fn acknowledged(stream: &mut TcpStream, packet_id: u8) {
    let mut heard = Vec::new();
    while !heard.windows(4).any(|window| window == [0x40, 2, 0, packet_id]) {
        let bytes = timeout(PATIENCE, stream.read_buf(&mut heard)).await.expect("in time").expect("read");
        assert!(bytes > 0, "closed before PUBACK {packet_id}: {heard:02x?}");
    }
}

#[tokio::test]
async fn an_untimed_value_sent_again_for_want_of_an_acknowledgement_is_one_row() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let plant = Plant::new(1_000);
    let options = BridgeOptions {
        broker: format!("mqtt://{}", listener.local_addr().expect("bound")),
        mqtt_version: MqttVersion::V4,
        reconnect_delay_min: Duration::from_millis(20),
        ..BridgeOptions::default()
    };
    let bridge = Running::start(options, &plant);
    let mut first = welcome(&listener).await;
    first.write_all(&publish(0x32, 7, "42.5")).await.expect("sent");
    first.write_all(&publish(0x32, 8, "42.5")).await.expect("sent");
    plant.until(|account, _| account.committed == 2).await;
    // Sent again on the same connection, too.
    first.write_all(&publish(0x3A, 7, "42.5")).await.expect("sent");
    acknowledged(&mut first, 7).await;
    first.write_all(&publish(0x32, 9, "42.5")).await.expect("sent");
    first.write_all(&publish(0x3A, 9, "42.5")).await.expect("sent");
    plant.until(|account, _| account.committed == 3).await;
    // The acknowledgements are lost.
    drop(first);
    let mut second = welcome(&listener).await;
    second.write_all(&publish(0x3A, 7, "42.5")).await.expect("sent");
    acknowledged(&mut second, 7).await;
    // The identifier is used for another message, and one comes with another content.
    second.write_all(&publish(0x32, 7, "42.5")).await.expect("sent");
    acknowledged(&mut second, 7).await;
    second.write_all(&publish(0x3A, 8, "43")).await.expect("sent");
    acknowledged(&mut second, 8).await;
    assert_eq!(plant.account().received, 5);
    bridge.die().await;
}

/// What it brought is stored while the next connection is being made, which that does not concern.
#[tokio::test]
async fn what_a_lost_connection_brought_does_not_disturb_the_attempt_at_the_next() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let plant = Plant::new(1_000);
    let options = BridgeOptions {
        broker: format!("mqtt://{}", listener.local_addr().expect("bound")),
        mqtt_version: MqttVersion::V4,
        reconnect_delay_min: Duration::from_millis(20),
        ..BridgeOptions::default()
    };
    plant.set(Mode::Hold);
    let bridge = Running::start(options, &plant);
    let mut first = welcome(&listener).await;
    first.write_all(&publish(0x32, 7, "42.5")).await.expect("sent");
    plant.until(|account, _| account.received == 1).await;
    drop(first);
    let (mut second, _) = listener.accept().await.expect("the bridge connects");
    let _ = second.read(&mut [0; 1024]).await.expect("CONNECT");
    plant.set(Mode::Settle);
    plant.until(|account, _| account.committed == 1).await;
    // Time for what would happen.
    tokio::time::sleep(Duration::from_millis(100)).await;
    second.write_all(&[0x20, 2, 1, 0]).await.expect("CONNACK");
    second.write_all(&publish(0x3A, 7, "42.5")).await.expect("sent");
    acknowledged(&mut second, 7).await;
    assert_eq!(plant.account().received, 1);
    bridge.die().await;
}
