//! Clients that log in: who comes in, what they may publish, and that their sessions are theirs.

use super::*;
use crate::locks::clients::file::{ClientEntry, change};
use crate::locks::{AnonymousPolicy, ClientOptions, Clients, ListenerGate, Locks};
use genims_locks::refusals::{RefusalKind, Refusals};
use std::path::PathBuf;
use tempfile::TempDir;

const SECRET: &str = "a secret of twenty bytes";

pub(super) struct Locked {
    pub(super) server: Server,
    locks: Locks,
    path: PathBuf,
    refusals: Arc<Refusals>,
    _folder: TempDir,
}

pub(super) fn entry(name: &str, topics: &[&str], machines: &[&str]) -> ClientEntry {
    let mut entry = ClientEntry::new(name, Some(SECRET)).unwrap();
    let some = |list: &[&str]| (!list.is_empty()).then(|| list.iter().map(|item| (*item).to_owned()).collect());
    (entry.topics, entry.machines) = (some(topics), some(machines));
    entry
}

impl Locked {
    pub(super) async fn start(entries: Vec<ClientEntry>, anonymous: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clients.toml");
        change(&path, |all| {
            all.extend(entries);
            Ok(())
        })
        .unwrap();
        let options = ClientOptions { failures_max: 3, ..ClientOptions::default() };
        let clients = Clients::open(&path, &options).unwrap();
        let policy = AnonymousPolicy { admitted: anonymous, ..AnonymousPolicy::default() };
        let refusals = Arc::<Refusals>::default();
        let gate = ListenerGate::open("trial", true, None, Some(clients.clone()), policy, refusals.clone()).unwrap();
        let server = Server::with_gate(MqttOptions::default(), Plant::new(1_000_000), gate.clone()).await;
        Self { server, locks: Locks { gates: vec![gate], clients: Some(clients) }, path, refusals, _folder: folder }
    }

    pub(super) fn change(&self, by: impl FnOnce(&mut Vec<ClientEntry>)) {
        change(&self.path, |all| {
            by(all);
            Ok(())
        })
        .unwrap();
        self.locks.look(true);
    }

    /// What CONNECT is answered with.
    async fn try_as(&self, version: u8, name: &str, secret: &str, client_id: &str) -> (Raw, u8) {
        let mut raw = self.server.raw().await;
        let login = [text(name), text(secret)].concat();
        raw.send(&connect(version, 0xC2, 0, &[], client_id, &login)).await;
        let connack = raw.packet().await;
        assert_eq!(connack[0], 0x20, "{connack:02x?}");
        (raw, connack[3])
    }

    pub(super) async fn client(&self, version: u8, name: &str) -> Raw {
        let (raw, code) = self.try_as(version, name, SECRET, name).await;
        assert_eq!(code, 0, "{name}");
        raw
    }

    fn counted(&self) -> (u64, u64, u64) {
        let of = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        let metrics = &self.server.metrics;
        (of(&metrics.logins_refused_total), of(&metrics.denied_total), of(&metrics.evicted_total))
    }
}

#[tokio::test]
async fn a_client_comes_in_with_its_secret_and_nobody_without() {
    let locked =
        Locked::start(vec![entry("a", &[], &[]), ClientEntry::new("by-certificate", None).unwrap()], false).await;
    locked.client(4, "a").await;
    locked.client(5, "a").await;
    for (version, name, secret, code) in [
        (4, "a", "wrong", 4),
        (5, "a", "wrong", 0x86),
        (4, "nobody", SECRET, 4),
        (5, "nobody", SECRET, 0x86),
        (5, "by-certificate", "", 0x86),
    ] {
        let (mut raw, answer) = locked.try_as(version, name, secret, "x").await;
        assert_eq!(answer, code, "{name} {secret}");
        raw.closed().await;
    }
    for (version, code) in [(4, 5), (5, 0x87)] {
        let mut raw = locked.server.raw().await;
        raw.send(&connect(version, 2, 0, &[], "x", &[])).await;
        assert_eq!(raw.packet().await[3], code);
        raw.closed().await;
    }
    assert_eq!(locked.counted(), (7, 0, 0));
    let open = Locked::start(vec![entry("a", &[], &[])], true).await;
    open.server.v5("x").await;
    assert_eq!(open.try_as(5, "a", "wrong", "x").await.1, 0x86, "what is shown has to be right");
}

#[tokio::test]
async fn too_many_wrong_secrets_lock_the_name_until_it_has_another() {
    let locked = Locked::start(vec![entry("a", &[], &[]), entry("b", &[], &[])], false).await;
    for _ in 0..3 {
        assert_eq!(locked.try_as(5, "a", "wrong", "x").await.1, 0x86);
    }
    let before = locked.counted().0;
    assert_eq!(locked.try_as(5, "a", SECRET, "x").await.1, 0x86, "the right one is not heard either");
    assert_eq!(locked.counted().0, before + 1);
    locked.client(5, "b").await;
    locked.change(|all| all[0].rotate("another secret, long enough").unwrap());
    assert_eq!(locked.try_as(5, "a", "another secret, long enough", "x").await.1, 0);
    assert_eq!(locked.try_as(5, "a", SECRET, "x").await.1, 0x86, "the old one is no longer good");
}

#[tokio::test]
async fn a_token_is_shown_as_the_password_and_ends_with_the_secret() {
    let mut a = entry("a", &[], &[]);
    let token = a.token().unwrap();
    let locked = Locked::start(vec![a, entry("b", &[], &[])], false).await;
    for version in [4, 5] {
        assert_eq!(locked.try_as(version, "a", &token, "x").await.1, 0);
    }
    locked.client(5, "a").await;
    assert_eq!(locked.try_as(5, "b", &token, "x").await.1, 0x86, "it is another's");
    // Whoever guesses under its name locks out the secret, and not what nobody guesses.
    for _ in 0..3 {
        assert_eq!(locked.try_as(5, "a", &token.replace(char::is_numeric, "x"), "x").await.1, 0x86);
    }
    assert_eq!(locked.try_as(5, "a", SECRET, "x").await.1, 0x86);
    assert_eq!(locked.try_as(5, "a", &token, "x").await.1, 0);
    locked.change(|all| all[0].disabled = true);
    assert_eq!(locked.try_as(5, "a", &token, "x").await.1, 0x8A);
    locked.change(|all| {
        all[0].disabled = false;
        all[0].rotate("another secret, long enough").unwrap();
    });
    assert_eq!(locked.try_as(5, "a", &token, "x").await.1, 0x86, "it is gone");
}

#[tokio::test]
async fn topics_are_held_to_as_the_standards_say() {
    let locked = Locked::start(vec![entry("a", &["t/+", "u/#"], &[])], false).await;
    let mut v5 = locked.client(5, "a").await;
    // In order, and the good ones are stored. What is passed over at QoS 0 is not.
    v5.send(&publish(5, 2, "t/S0", 1, "1")).await;
    v5.send(&publish(5, 2, "other/S0", 2, "2")).await;
    v5.send(&publish(5, 4, "t/too/deep/S0", 3, "3")).await;
    v5.send(&publish(5, 0, "other/S0", 0, "4")).await;
    v5.send(&publish(5, 2, "u/x/S0", 4, "5")).await;
    v5.expect(&ack(0x40, 1)).await;
    v5.expect(&[0x40, 3, 0, 2, 0x87]).await;
    v5.expect(&[0x50, 3, 0, 3, 0x87]).await;
    v5.expect(&ack(0x40, 4)).await;
    // The exchange is over: its identifier is free for another.
    v5.send(&publish(5, 4, "t/S0", 3, "6")).await;
    v5.expect(&ack(0x50, 3)).await;
    assert_eq!(locked.counted(), (0, 3, 0));

    let mut v3 = locked.try_as(4, "a", SECRET, "v3").await.0;
    v3.send(&publish(4, 0, "other/S0", 0, "7")).await;
    v3.send(&publish(4, 2, "t/S0", 1, "8")).await;
    v3.expect(&ack(0x40, 1)).await;
    v3.send(&publish(4, 2, "other/S0", 2, "9")).await;
    v3.closed().await;
    assert_eq!(locked.counted(), (0, 5, 0));
    locked.server.plant.until(|account, _| account.committed == 4).await;
    let values: Vec<f64> = locked.server.plant.taken.lock().readings.iter().map(|reading| reading.value).collect();
    assert_eq!(values, [1.0, 5.0, 6.0, 8.0]);
}

#[tokio::test]
async fn a_will_is_held_to_the_topics_too() {
    let locked = Locked::start(vec![entry("a", &["t/+"], &[])], false).await;
    for (topic, code) in [("t/x", 0), ("other", 0x87)] {
        let mut raw = locked.server.raw().await;
        let rest = [vec![0], text(topic), text("gone"), text("a"), text(SECRET)].concat();
        raw.send(&connect(5, 0xC6, 0, &[], "x", &rest)).await;
        assert_eq!(raw.packet().await[3], code, "{topic}");
    }
}

#[tokio::test]
async fn records_of_other_machines_are_set_aside_and_acknowledged() {
    let locked = Locked::start(vec![entry("a", &[], &["M0"])], false).await;
    let mut client = locked.client(5, "a").await;
    // S0 is on M0, S1 on M1.
    for (id, sensor) in [(1, "t/S0"), (2, "t/S1")] {
        client.send(&publish(5, 2, sensor, id, "1")).await;
        client.expect(&ack(0x40, id)).await;
    }
    let dead_letters = std::mem::take(&mut locked.server.plant.taken.lock().dead_letters);
    assert_eq!((dead_letters.len(), dead_letters[0].reason), (1, Reason::NotAllowed));
    assert!(dead_letters[0].detail.contains("M1"), "{}", dead_letters[0].detail);
    assert_eq!(locked.server.plant.taken.lock().readings.len(), 1);
    // Changed while it is connected.
    locked.change(|all| all[0].machines = Some(vec!["M1".to_owned()]));
    for (id, sensor) in [(3, "t/S0"), (4, "t/S1")] {
        client.send(&publish(5, 2, sensor, id, "2")).await;
        client.expect(&ack(0x40, id)).await;
    }
    assert_eq!(locked.server.plant.taken.lock().readings.len(), 2);
    assert!(locked.server.plant.taken.lock().dead_letters[0].detail.contains("M0"));
    locked.change(|all| (all[0].machines, all[0].topics) = (None, Some(vec!["t/S1".to_owned()])));
    client.send(&publish(5, 2, "t/S0", 5, "3")).await;
    client.expect(&[0x40, 3, 0, 5, 0x87]).await;
}

#[tokio::test]
async fn a_disabled_client_is_sent_away_and_stays_out_until_it_is_enabled() {
    let locked = Locked::start(vec![entry("a", &[], &[]), entry("b", &[], &[])], false).await;
    let (mut v3, mut v5) = (locked.client(4, "a").await, locked.try_as(5, "a", SECRET, "second").await.0);
    let mut other = locked.client(5, "b").await;
    locked.change(|all| all[0].disabled = true);
    v5.refused(5, 0x98).await;
    v3.closed().await;
    assert_eq!(locked.counted().2, 2);
    assert_eq!(locked.try_as(5, "a", SECRET, "x").await.1, 0x8A);
    assert_eq!(locked.try_as(4, "a", SECRET, "x").await.1, 5);
    other.send(&PINGREQ).await;
    other.expect(&PINGRESP).await;
    locked.change(|all| all[0].disabled = false);
    locked.client(5, "a").await;
    // Neither a file that cannot be read nor one that is gone opens the door.
    std::fs::write(&locked.path, "[[client]]\nname").unwrap();
    locked.locks.look(true);
    other.send(&PINGREQ).await;
    other.expect(&PINGRESP).await;
    std::fs::remove_file(&locked.path).unwrap();
    locked.locks.look(true);
    other.refused(5, 0x98).await;
    assert_eq!(locked.try_as(5, "b", SECRET, "x").await.1, 0x86);
}

#[tokio::test]
async fn nobody_takes_over_the_session_of_another() {
    let locked = Locked::start(vec![entry("a", &[], &[]), entry("b", &[], &[])], false).await;
    let mut of_a = locked.try_as(5, "a", SECRET, "same").await.0;
    let mut of_b = locked.try_as(5, "b", SECRET, "same").await.0;
    for client in [&mut of_a, &mut of_b] {
        client.send(&PINGREQ).await;
        client.expect(&PINGRESP).await;
    }
    let _newer = locked.try_as(5, "a", SECRET, "same").await.0;
    of_a.refused(5, 0x8E).await;
    of_b.send(&PINGREQ).await;
    of_b.expect(&PINGRESP).await;
}

/// The server has seen that a connection is gone.
async fn open_are(server: &Server, connections: u64) {
    let open = || server.metrics.connections_open.load(std::sync::atomic::Ordering::Relaxed);
    timeout(PATIENCE, async {
        while open() != connections {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("gone in time");
}

#[tokio::test]
async fn a_client_has_as_many_connections_as_it_may_and_a_newer_one_of_an_id_takes_its_place() {
    let mut held = entry("a", &[], &[]);
    (held.connections_max, held.readings_per_second_max) = (Some(2), Some(7));
    let locked = Locked::start(vec![held, entry("b", &[], &[])], false).await;
    let mut first = locked.try_as(4, "a", SECRET, "one").await.0;
    let (second, code) = locked.try_as(5, "a", SECRET, "two").await;
    assert_eq!(code, 0);
    for (version, code) in [(4, 3), (5, 0x97)] {
        let (mut refused, answer) = locked.try_as(version, "a", SECRET, "three").await;
        assert_eq!(answer, code);
        refused.closed().await;
    }
    // Another client has its own, and who comes back under its id is no connection more.
    locked.client(5, "b").await;
    let (_newer, code) = locked.try_as(4, "a", SECRET, "one").await;
    assert_eq!(code, 0);
    first.closed().await;
    assert_eq!(locked.try_as(5, "a", SECRET, "three").await.1, 0x97);
    let told = locked.refusals.totals();
    assert_eq!(told, [("trial".to_owned(), RefusalKind::ConnectionLimit, 3)]);
    assert_eq!((locked.refusals.due(tokio::time::Instant::now())[0].name.as_str(), locked.counted().0), ("a", 0));
    assert_eq!(locked.server.metrics.refused_total.load(std::sync::atomic::Ordering::Relaxed), 4, "and one taken over");
    drop(second);
    open_are(&locked.server, 1).await;
    assert_eq!(locked.try_as(5, "a", SECRET, "three").await.1, 0, "its place is free");
    locked.change(|all| all[0].connections_max = Some(0));
    let _third = locked.client(5, "a").await;
    assert_eq!(locked.try_as(5, "a", SECRET, "four").await.1, 0);
}

#[tokio::test]
async fn a_client_of_v5_is_told_that_it_has_no_more_under_way_than_a_second_s_worth() {
    let mut held = entry("a", &[], &[]);
    held.readings_per_second_max = Some(7);
    let locked = Locked::start(vec![held, entry("b", &[], &[])], false).await;
    for (name, told) in [("a", [0x21, 0, 7]), ("b", [0x21, 0x10, 0])] {
        let mut raw = locked.server.raw().await;
        raw.send(&connect(5, 0xC2, 0, &[], "x", &[text(name), text(SECRET)].concat())).await;
        let connack = raw.packet().await;
        assert!(connack.windows(3).any(|window| window == told), "{name}: {connack:02x?}");
    }
}

#[tokio::test]
async fn those_without_an_account_are_counted_by_their_address() {
    let refusals = Arc::<Refusals>::default();
    let policy = AnonymousPolicy { connections_per_address_max: 2, ..AnonymousPolicy::default() };
    let gate = ListenerGate::open("trial", true, None, None, policy, refusals.clone()).unwrap();
    let server = Server::with_gate(MqttOptions::default(), Plant::new(1_000_000), gate).await;
    let (first, _second) = (server.v3("one").await, server.v5("two").await);
    for (version, code) in [(4, 3), (5, 0x97)] {
        let mut raw = server.raw().await;
        raw.send(&connect(version, 2, 0, &[], "three", &[])).await;
        assert_eq!(raw.packet().await[3], code);
        raw.closed().await;
    }
    let told = refusals.due(tokio::time::Instant::now());
    assert_eq!((told[0].kind, told[0].name.as_str(), told[0].times), (RefusalKind::ConnectionLimit, "", 2));
    drop(first);
    open_are(&server, 1).await;
    server.v3("three").await;
}
