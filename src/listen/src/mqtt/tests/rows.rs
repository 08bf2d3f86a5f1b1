//! Rows for a database for which too many wait: refused message by message where MQTT can say so, and nothing else is.

use super::*;

/// What is published there, [`BareNumbers`] takes for readings.
const ROWS: &str = "genims/v1/rows/db/S2";

fn full(server: &Server, full: bool) {
    assert!(server.plant.rows.set_full("db", full));
}

#[tokio::test]
async fn a_v5_client_is_told_and_everything_else_goes_on() {
    let server = Server::start(MqttOptions::default()).await;
    full(&server, true);
    let mut client = server.v5("erp").await;
    let messages = [
        publish(5, 2, "x/S0", 1, "1"),
        publish(5, 2, ROWS, 2, "2"),
        publish(5, 4, ROWS, 3, "3"),
        publish(5, 2, "genims/v1/rows/other/S1", 4, "4"),
    ];
    client.send(&messages.concat()).await;
    client.expect(&ack(0x40, 1)).await;
    client.expect(&[0x40, 3, 0, 2, 0x97]).await;
    client.expect(&[0x50, 3, 0, 3, 0x97]).await;
    client.expect(&ack(0x40, 4)).await;
    assert_eq!(server.plant.account().received, 2, "what is refused is not counted");
    // Sent again, each is new.
    full(&server, false);
    client.send(&[publish(5, 2 | 8, ROWS, 2, "2"), publish(5, 4, ROWS, 3, "3")].concat()).await;
    client.expect(&ack(0x40, 2)).await;
    client.expect(&ack(0x50, 3)).await;
    let account = server.plant.account();
    assert_eq!((account.received, account.committed), (4, 4));
    server.stop().await;
}

#[tokio::test]
async fn a_message_of_qos_2_that_was_taken_before_comes_to_its_end() {
    let server = Server::start(MqttOptions::default()).await;
    let mut client = server.v5("erp").await;
    client.send(&publish(5, 4, ROWS, 1, "1")).await;
    client.expect(&ack(0x50, 1)).await;
    full(&server, true);
    client.send(&publish(5, 4 | 8, ROWS, 1, "1")).await;
    client.expect(&ack(0x50, 1)).await;
    client.send(&ack(0x62, 1)).await;
    client.expect(&ack(0x70, 1)).await;
    assert_eq!(server.plant.account().received, 1);
    server.stop().await;
}

#[tokio::test]
async fn with_v3_what_came_before_is_acknowledged_and_the_connection_ends() {
    let server = Server::start(MqttOptions::default()).await;
    full(&server, true);
    for flags in [2, 4] {
        let mut client = server.v3("erp").await;
        let messages =
            [publish(4, 2, "x/S0", 1, "1"), publish(4, flags, ROWS, 2, "2"), publish(4, 2, "x/S1", 3, "3")].concat();
        client.send(&messages).await;
        client.expect(&ack(0x40, 1)).await;
        client.closed().await;
    }
    assert_eq!(server.plant.account().received, 2);
    full(&server, false);
    let mut client = server.v3("erp").await;
    client.send(&publish(4, 2 | 8, ROWS, 2, "2")).await;
    client.expect(&ack(0x40, 2)).await;
    server.stop().await;
}

#[tokio::test]
async fn a_message_of_qos_0_ends_no_connection() {
    let server = Server::start(MqttOptions::default()).await;
    full(&server, true);
    for version in [4, 5] {
        let mut client = server.version(version, "erp").await;
        client.send(&[publish(version, 0, ROWS, 0, "1"), PINGREQ.to_vec()].concat()).await;
        client.expect(&PINGRESP).await;
    }
    // The gate sets it aside.
    server.plant.until(|account, _| account.received == 2).await;
    server.stop().await;
}

#[tokio::test]
async fn what_was_refused_is_new_to_a_session_that_goes_on() {
    for flags in [2, 4] {
        let server = Server::start(MqttOptions::default()).await;
        full(&server, true);
        for is_present in [0, 1, 1] {
            let mut client = server.raw().await;
            client.send(&connect(4, 0, 0, &[], "erp", &[])).await;
            client.expect(&[0x20, 2, is_present, 0]).await;
            client.send(&publish(4, flags | (is_present << 3), ROWS, 2, "2")).await;
            client.closed().await;
        }
        assert_eq!(server.plant.account().received, 0);
        full(&server, false);
        let mut client = server.raw().await;
        client.send(&connect(4, 0, 0, &[], "erp", &[])).await;
        client.expect(&[0x20, 2, 1, 0]).await;
        client.send(&publish(4, flags | 8, ROWS, 2, "2")).await;
        client.expect(&ack(if flags == 2 { 0x40 } else { 0x50 }, 2)).await;
        assert_eq!(server.plant.account().received, 1, "acknowledged is stored");
        server.stop().await;
    }
}
