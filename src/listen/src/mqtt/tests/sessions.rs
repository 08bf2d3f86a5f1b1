//! Takeover, session state, expiry, wills.

use super::*;
use genims_model::Event;

/// CONNECT with v5, `clean`, an expiry and, if wanted, a will with a delay.
fn connect_v5(client_id: &str, clean: bool, expiry: u32, will_delay: Option<u32>) -> Vec<u8> {
    let properties = [vec![0x11], expiry.to_be_bytes().to_vec()].concat();
    let clean = u8::from(clean) << 1;
    match will_delay {
        None => connect(5, clean, 0, &properties, client_id, &[]),
        Some(delay) => {
            let will = [vec![5, 0x18], delay.to_be_bytes().to_vec(), text("will/topic"), text("gone")].concat();
            connect(5, clean | 0b100, 0, &properties, client_id, &will)
        }
    }
}

/// Connects and returns "session present".
async fn enter(server: &Server, bytes: &[u8]) -> (Raw, bool) {
    let mut raw = server.raw().await;
    raw.send(bytes).await;
    let connack = raw.packet().await;
    assert_eq!((connack[0], connack[3]), (0x20, 0), "{connack:02x?}");
    (raw, connack[2] == 1)
}

fn v3_kept(client_id: &str) -> Vec<u8> {
    connect(4, 0, 0, &[], client_id, &[])
}

fn lost(server: &Server) -> usize {
    server.plant.taken.lock().events.len()
}

#[tokio::test]
async fn a_newer_connection_takes_the_session_over() {
    let server = Server::start(MqttOptions::default()).await;
    for version in [4, 5] {
        let mut old = server.version(version, "same").await;
        let mut new = server.version(version, "same").await;
        old.refused(version, 0x8E).await;
        new.send(&publish(version, 2, "t/S0", 1, "1")).await;
        new.expect(&ack(0x40, 1)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn many_connections_with_one_client_id_leave_exactly_one() {
    let server = Server::start(MqttOptions::default()).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut raw = server.raw().await;
        raw.send(&connect(4, 2, 0, &[], "same", &[])).await;
        clients.push(raw);
    }
    let mut alive = 0;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for client in &mut clients {
        let mut answer = [0; 6];
        let _ = client.0.write_all(&PINGREQ).await;
        let read = timeout(PATIENCE, client.0.read_exact(&mut answer)).await.unwrap();
        alive += usize::from(read.is_ok() && answer == [0x20, 2, 0, 0, 0xD0, 0]);
    }
    assert_eq!(alive, 1);
    server.stop().await;
}

#[tokio::test]
async fn session_present_is_true_only_while_there_is_a_session() {
    let server = Server::start(MqttOptions::default()).await;
    let bye = [0xE0, 0];
    for (first, second, present) in [
        (v3_kept("a"), v3_kept("a"), true),
        (connect(4, 2, 0, &[], "b", &[]), v3_kept("b"), false),
        (v3_kept("c"), connect(4, 2, 0, &[], "c", &[]), false),
        (connect_v5("d", true, 60, None), connect_v5("d", false, 60, None), true),
        (connect_v5("e", true, 0, None), connect_v5("e", false, 60, None), false),
        (connect_v5("f", true, 60, None), connect_v5("f", true, 60, None), false),
        (connect_v5("g", true, 1, None), connect_v5("g", false, 1, None), false),
        // One session for both versions.
        (v3_kept("h"), connect_v5("h", false, 1, None), true),
    ] {
        let (mut client, before) = enter(&server, &first).await;
        assert!(!before);
        client.send(&bye).await;
        client.closed().await;
        if first == connect_v5("g", true, 1, None) {
            tokio::time::sleep(Duration::from_millis(1_100)).await;
        }
        let (_client, found) = enter(&server, &second).await;
        assert_eq!(found, present, "{second:02x?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_takeover_hands_the_session_over_only_if_it_outlives_its_connection() {
    let server = Server::start(MqttOptions::default()).await;
    for (expiry, present) in [(60, true), (0, false)] {
        let (mut old, _) = enter(&server, &connect_v5("c", true, expiry, None)).await;
        let (_new, found) = enter(&server, &connect_v5("c", false, 0, None)).await;
        assert_eq!(found, present);
        old.refused(5, 0x8E).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_disconnect_may_shorten_or_lengthen_the_expiry_but_not_begin_one() {
    let server = Server::start(MqttOptions::default()).await;
    let (mut client, _) = enter(&server, &connect_v5("c", true, 60, None)).await;
    client.send(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0]).await;
    client.closed().await;
    let (mut client, present) = enter(&server, &connect_v5("c", false, 0, None)).await;
    assert!(!present);
    client.send(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 9]).await;
    client.refused(5, 0x82).await;
    server.stop().await;
}

#[tokio::test]
async fn a_qos_2_message_is_stored_once_across_connections() {
    let server = Server::start(MqttOptions::default()).await;
    let (mut client, _) = enter(&server, &v3_kept("c")).await;
    client.send(&publish(4, 4, "t/S0", 1, "1")).await;
    client.expect(&ack(0x50, 1)).await;
    drop(client);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (mut client, present) = enter(&server, &v3_kept("c")).await;
    assert!(present);
    client.send(&publish(4, 0b1100, "t/S0", 1, "1")).await;
    client.expect(&ack(0x50, 1)).await;
    client.send(&ack(0x62, 1)).await;
    client.expect(&ack(0x70, 1)).await;
    assert_eq!(server.plant.account().received, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_qos_2_message_whose_receipt_is_open_waits_for_it_on_the_next_connection() {
    let server = Server::start(MqttOptions::default()).await;
    for (mode, stored) in [(Mode::Settle, 0), (Mode::Refuse, 1)] {
        let before = server.plant.account().received;
        server.spool(Mode::Hold).await;
        let (mut client, _) = enter(&server, &v3_kept("c")).await;
        client.send(&publish(4, 4, "t/S0", 1, "1")).await;
        server.plant.until(|account, _| account.received == before + 1).await;
        // The takeover comes while the receipt is open.
        let (mut newer, present) = enter(&server, &v3_kept("c")).await;
        assert!(present);
        client.closed().await;
        newer.send(&publish(4, 0b1100, "t/S0", 1, "1")).await;
        newer.silence().await;
        server.spool(mode).await;
        if mode == Mode::Refuse {
            // What was refused is taken as new, once; then the spool has room again.
            server.plant.until(|account, _| account.received == before + 2).await;
            newer.closed().await;
        } else {
            newer.expect(&ack(0x50, 1)).await;
            newer.send(&ack(0x62, 1)).await;
            newer.expect(&ack(0x70, 1)).await;
        }
        assert_eq!(server.plant.account().received, before + 1 + stored);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_session_that_goes_on_has_its_full_receive_quota() {
    let server = Server::start(MqttOptions { receive_maximum: 3, ..MqttOptions::default() }).await;
    let (mut client, _) = enter(&server, &connect_v5("c", true, 60, None)).await;
    for id in 1..=3 {
        client.send(&publish(5, 4, "t/S0", id, "1")).await;
        client.expect(&ack(0x50, id)).await;
    }
    drop(client);
    let (mut client, present) = enter(&server, &connect_v5("c", false, 60, None)).await;
    assert!(present);
    for id in 4..=6 {
        client.send(&publish(5, 4, "t/S0", id, "1")).await;
        client.expect(&ack(0x50, id)).await;
    }
    for id in 1..=6 {
        client.send(&ack(0x62, id)).await;
        client.expect(&ack(0x70, id)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_will_fires_when_the_client_is_lost_and_not_when_it_says_goodbye() {
    let server = Server::start(MqttOptions::default()).await;
    let will_v3 = [text("will/topic"), text("gone")].concat();
    for (goodbye, fires) in [
        (vec![0xE0, 0], false),
        (vec![0xE0, 1, 0], false),
        (vec![0xE0, 1, 4], true),
        (vec![], true),
        // A protocol error counts as lost.
        (vec![0xF0, 0], true),
    ] {
        let before = lost(&server);
        let (mut client, _) = enter(&server, &connect_v5("c", true, 0, Some(0))).await;
        client.send(&goodbye).await;
        drop(client);
        if fires {
            server.plant.until(|_, taken| taken.events.len() == before + 1).await;
        } else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(lost(&server), before, "{goodbye:02x?}");
        }
    }
    let before = lost(&server);
    let (client, _) = enter(&server, &connect(4, 0b110, 0, &[], "v3", &will_v3)).await;
    drop(client);
    server.plant.until(|_, taken| taken.events.len() == before + 1).await;
    let events = server.plant.taken.lock().events.clone();
    let Some(Event::ClientLost { client_id, will_topic, will_payload, timestamp_us }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!((client_id.as_str(), will_topic.as_str(), &will_payload[..]), ("v3", "will/topic", &b"gone"[..]));
    assert!(*timestamp_us > 1_600_000_000_000_000);
    server.stop().await;
}

#[tokio::test]
async fn a_will_on_a_sensor_s_topic_is_an_event_and_no_reading() {
    let server = Server::start(MqttOptions::default()).await;
    let will = [text("t/S0"), text("42.5")].concat();
    for qos in [0, 1, 2] {
        let before = lost(&server);
        let (client, _) = enter(&server, &connect(4, 0b110 | qos << 3, 0, &[], "w", &will)).await;
        drop(client);
        server.plant.until(|_, taken| taken.events.len() == before + 1).await;
        let events = server.plant.taken.lock().events.clone();
        let Some(Event::ClientLost { will_topic, will_payload, .. }) = events.last() else { panic!("{events:?}") };
        assert_eq!((will_topic.as_str(), &will_payload[..]), ("t/S0", &b"42.5"[..]));
    }
    assert_eq!((server.plant.account().received, server.plant.taken.lock().readings.len()), (0, 0));
    server.stop().await;
}

#[tokio::test]
async fn a_delayed_will_fires_after_its_delay_unless_the_client_comes_back() {
    let server = Server::start(MqttOptions::default()).await;
    let (client, _) = enter(&server, &connect_v5("stays away", true, 60, Some(1))).await;
    let (other, _) = enter(&server, &connect_v5("comes back", true, 60, Some(1))).await;
    let (session_ends, _) = enter(&server, &connect_v5("no session", true, 0, Some(60))).await;
    drop((client, other, session_ends));
    server.plant.until(|_, taken| taken.events.len() == 1).await;
    let (_back, present) = enter(&server, &connect_v5("comes back", false, 60, None)).await;
    assert!(present);
    server.plant.until(|_, taken| taken.events.len() == 2).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(lost(&server), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_clean_start_fires_the_will_that_waits_and_a_takeover_fires_the_old_one() {
    let server = Server::start(MqttOptions::default()).await;
    let (client, _) = enter(&server, &connect_v5("c", true, 60, Some(60))).await;
    drop(client);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(lost(&server), 0);
    let (_client, present) = enter(&server, &connect_v5("c", true, 60, Some(0))).await;
    assert!(!present);
    server.plant.until(|_, taken| taken.events.len() == 1).await;
    let (_newer, present) = enter(&server, &connect_v5("c", false, 60, None)).await;
    assert!(present);
    server.plant.until(|_, taken| taken.events.len() == 2).await;
    server.stop().await;
}

#[tokio::test]
async fn wills_that_wait_fire_at_shutdown() {
    let server = Server::start(MqttOptions::default()).await;
    let (client, _) = enter(&server, &connect_v5("c", true, 60, Some(60))).await;
    drop(client);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let taken = server.plant.taken.clone();
    server.shutdown.cancel();
    server.plant.until(|_, taken| taken.events.len() == 1).await;
    assert_eq!(taken.lock().events.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_qos_2_message_that_was_refused_as_a_packet_leaves_nothing_in_the_session() {
    let server = Server::start(MqttOptions::default()).await;
    let (mut client, _) = enter(&server, &connect_v5("c", true, 60, None)).await;
    // An alias without a topic.
    client.send(&packet(0x34, &[0, 0, 0, 1, 3, 0x23, 0, 1])).await;
    client.refused(5, 0x82).await;
    let (mut client, present) = enter(&server, &connect_v5("c", false, 60, None)).await;
    assert!(present);
    client.send(&publish(5, 0b1100, "t/S0", 1, "1")).await;
    client.expect(&ack(0x50, 1)).await;
    server.stop().await;
}

#[tokio::test]
async fn an_untimed_value_sent_again_after_a_reconnect_is_one_row() {
    let server = Server::start(MqttOptions::default()).await;
    let mut rows = 0;
    for (version, hello) in [
        (4, v3_kept("kept")),
        (4, connect(4, 2, 0, &[], "clean", &[])),
        (5, connect_v5("kept-5", false, 60, None)),
        (5, connect_v5("clean-5", true, 0, None)),
    ] {
        let (mut first, _) = enter(&server, &hello).await;
        first.send(&publish(version, 2, "t/S0", 7, "42.5")).await;
        first.packet().await;
        rows += 1;
        drop(first);
        let (mut second, _) = enter(&server, &hello).await;
        second.send(&publish(version, 0b1010, "t/S0", 7, "42.5")).await;
        second.packet().await;
        assert_eq!(server.plant.account().received, rows, "{hello:02x?}");
        // The same value under an identifier that was given up, and another value, are readings of their own.
        second.send(&publish(version, 2, "t/S0", 7, "42.5")).await;
        second.packet().await;
        second.send(&publish(version, 0b1010, "t/S0", 8, "42.5")).await;
        second.packet().await;
        rows += 2;
        drop(second);
        let (mut third, _) = enter(&server, &hello).await;
        third.send(&publish(version, 0b1010, "t/S0", 7, "43.5")).await;
        third.packet().await;
        rows += 1;
        assert_eq!(server.plant.account().received, rows, "{hello:02x?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_resend_waits_for_the_first_one_to_be_durable() {
    let server = Server::start(MqttOptions::default()).await;
    server.spool(Mode::Hold).await;
    let (mut first, _) = enter(&server, &v3_kept("kept")).await;
    first.send(&publish(4, 2, "t/S0", 7, "42.5")).await;
    server.plant.until(|_, taken| taken.readings.len() == 1).await;
    drop(first);
    let (mut second, _) = enter(&server, &v3_kept("kept")).await;
    second.send(&publish(4, 0b1010, "t/S0", 7, "42.5")).await;
    let mut byte = [0];
    let read = timeout(Duration::from_millis(200), second.0.read_exact(&mut byte)).await;
    assert!(read.is_err(), "nothing is durable yet");
    server.spool(Mode::Settle).await;
    second.expect(&ack(0x40, 7)).await;
    assert_eq!(server.plant.account().received, 1);
    server.stop().await;
}
