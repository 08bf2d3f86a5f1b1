//! What a limited client has sent that nobody has taken yet, when its connection ends; and under which name it is summed.

use super::permissions::{Locked, entry};
use super::*;
use crate::locks::clients::file::ClientEntry;
use std::sync::atomic::Ordering;
use std::time::Instant;

const MESSAGES: u64 = 500;

/// A client that may send one reading a second.
async fn limited() -> Locked {
    Locked::start(vec![ClientEntry { readings_per_second_max: Some(1), ..entry("a", &[], &[]) }], false).await
}

/// Sends more with QoS 0 than it may, all of which the server has read.
async fn sends_too_much(locked: &Locked) -> Raw {
    let mut raw = locked.client(4, "a").await;
    let read = || locked.server.metrics.bytes_total.load(Ordering::Relaxed);
    let messages = publish(4, 0, "t/S0", 0, "1").repeat(MESSAGES as usize);
    let until = read() + messages.len() as u64;
    raw.send(&messages).await;
    let deadline = Instant::now() + PATIENCE;
    while read() < until {
        assert!(Instant::now() < deadline, "not read");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(locked.server.plant.account().received < MESSAGES, "most of it waits");
    raw
}

#[tokio::test]
async fn what_waits_for_the_limit_is_taken_when_the_server_shuts_down() {
    let locked = limited().await;
    let _raw = sends_too_much(&locked).await;
    let server = locked.server;
    server.shutdown.cancel();
    timeout(PATIENCE, server.task).await.expect("the server ends in time").unwrap();
    assert_eq!(server.plant.account().received, MESSAGES);
}

#[tokio::test]
async fn what_waits_for_the_limit_is_taken_when_a_newer_connection_takes_over_which_pays_for_it() {
    let locked = limited().await;
    let _raw = sends_too_much(&locked).await;
    let mut newer = locked.client(4, "a").await;
    locked.server.plant.until(|account, _| account.received == MESSAGES).await;
    newer.send(&publish(4, 2, "t/S0", 7, "1")).await;
    newer.silence().await;
    assert_eq!(locked.server.plant.account().received, MESSAGES);
    locked.server.stop().await;
}

#[tokio::test]
async fn what_waits_for_the_limit_is_not_taken_of_a_client_that_may_no_longer_be_in() {
    let locked = limited().await;
    let mut raw = sends_too_much(&locked).await;
    locked.change(|all| all[0].disabled = true);
    raw.closed().await;
    assert!(locked.server.plant.account().received < MESSAGES);
    locked.server.stop().await;
}

#[tokio::test]
async fn who_calls_itself_like_an_account_is_not_summed_under_its_name() {
    let locked = Locked::start(vec![entry("a", &[], &[])], true).await;
    let (mut client, mut anonymous) = (locked.client(4, "a").await, locked.server.v3("a").await);
    for (raw, packet_ids) in [(&mut client, 1..=2), (&mut anonymous, 1..=1)] {
        for packet_id in packet_ids {
            raw.send(&publish(4, 2, "t/S0", packet_id, "1")).await;
            raw.expect(&ack(0x40, packet_id)).await;
        }
    }
    let (mut all, _) = locked.server.metrics.talkers.busiest(10, tokio::time::Instant::now());
    all.sort_unstable_by(|one, other| one.client.cmp(&other.client));
    let told: Vec<_> = all.iter().map(|talking| (talking.client.as_str(), talking.totals.received)).collect();
    assert_eq!(told, [("a", 2), ("anonymous: a", 1)]);
    locked.server.stop().await;
}
