//! Bridges to a private mosquitto, against shards that do what the test says.

mod oversize;
mod resends;
mod tls;

use super::*;
use crate::trial::broker::Broker;
use crate::trial::heard::Heard;
use crate::trial::{Mode, Plant};
use genims_decode::{Name, Point, Visitor};
use genims_model::{DeadLetter, Quality, Reason};
use genims_pipeline::intake::IntakeBuffer;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(10);

/// One server with one bridge.
const NAME: BridgeName<'static> =
    BridgeName { server: Uuid::from_u128(0x1234_5678_9ABC_DEF0_1234_5678_9ABC_DEF0), listener: "plant", folder: None };

/// The topic's last level is the sensor, the payload its value.
struct LastLevel;

impl Decode for LastLevel {
    fn message(&self, topic: &str, payload: &[u8], into: &mut IntakeBuffer) {
        let sensor = topic.rsplit('/').next().unwrap_or_default();
        match std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok()) {
            Some(value) => into.point(Point {
                name: Name::Sensor { machine: None, sensor },
                timestamp_us: None,
                value,
                quality: Quality::Good,
            }),
            None => into.reject(Reason::NotANumber, format_args!("not a number"), payload),
        }
    }
}

impl Broker {
    fn options(&self, mqtt_version: MqttVersion) -> BridgeOptions {
        BridgeOptions {
            broker: format!("mqtt://127.0.0.1:{}", self.port),
            mqtt_version,
            topics: vec!["plant/#".to_owned()],
            reconnect_delay_min: Duration::from_millis(20),
            reconnect_delay_max: Duration::from_millis(200),
            drain_timeout: Duration::from_secs(2),
            ..BridgeOptions::default()
        }
    }
}

struct Running {
    metrics: Arc<BridgeMetrics>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(options: BridgeOptions, plant: &Plant) -> Self {
        Self::named(NAME, options, plant)
    }

    fn named(name: BridgeName<'_>, options: BridgeOptions, plant: &Plant) -> Self {
        let metrics = Arc::new(BridgeMetrics::default());
        let bridge =
            Bridge::new(options, name, 0, &plant.intake, Arc::new(LastLevel), metrics.clone()).expect("good options");
        let stop = CancellationToken::new();
        Self { metrics, task: tokio::spawn(bridge.serve(stop.clone())), stop }
    }

    async fn connected(options: BridgeOptions, plant: &Plant) -> Self {
        let running = Self::start(options, plant);
        running.until(|metrics| metrics.connected.load(Ordering::Relaxed)).await;
        // SUBSCRIBE follows CONNACK at once, but not within it.
        tokio::time::sleep(Duration::from_millis(100)).await;
        running
    }

    async fn until(&self, wish: impl Fn(&BridgeMetrics) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !wish(&self.metrics) {
            assert!(Instant::now() < deadline, "not reached: {:?}", self.metrics);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn acks(&self) -> u64 {
        self.metrics.acks_total.load(Ordering::Relaxed)
    }

    fn messages(&self) -> u64 {
        self.metrics.messages_total.load(Ordering::Relaxed)
    }

    /// As a crash of the server would.
    async fn die(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    async fn shut_down(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.task).await.expect("it ends in time").expect("in order");
    }
}

async fn unsettled_messages_come_again_after_a_crash(version: MqttVersion, qos: u8) {
    let broker = Broker::started("");
    let plant = Plant::new(1_000);
    plant.set(Mode::Hold);
    let options = BridgeOptions { qos: Qos::try_from(qos).expect("0 to 2"), ..broker.options(version) };
    let first = Running::connected(options.clone(), &plant).await;
    broker.publish("plant/S0", qos, 0..5).await;
    plant.until(|account, _| account.received == 5).await;
    assert_eq!(first.acks(), 0);
    first.die().await;
    let second = Running::start(options.clone(), &plant);
    plant.until(|account, _| account.received == 10).await;
    assert_eq!(second.acks(), 0);
    plant.set(Mode::Settle);
    second.until(|metrics| metrics.acks_total.load(Ordering::Relaxed) == 5).await;
    second.shut_down().await;
    let third = Running::connected(options, &plant).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(third.messages(), 0, "what was acknowledged does not come again");
    third.shut_down().await;
}

#[tokio::test]
async fn unsettled_messages_come_again_after_a_crash_with_mqtt_3_1_1() {
    unsettled_messages_come_again_after_a_crash(MqttVersion::V4, 1).await;
}

#[tokio::test]
async fn unsettled_messages_come_again_after_a_crash_with_mqtt_5() {
    unsettled_messages_come_again_after_a_crash(MqttVersion::V5, 1).await;
}

#[tokio::test]
async fn unsettled_messages_come_again_after_a_crash_with_qos_2() {
    unsettled_messages_come_again_after_a_crash(MqttVersion::V4, 2).await;
    unsettled_messages_come_again_after_a_crash(MqttVersion::V5, 2).await;
}

async fn a_restarted_broker_is_found_again(version: MqttVersion) {
    let mut broker = Broker::new("");
    let plant = Plant::new(1_000);
    let bridge = Running::start(broker.options(version), &plant);
    bridge.until(|metrics| metrics.reconnects_total.load(Ordering::Relaxed) > 1).await;
    broker.start();
    bridge.until(|metrics| metrics.connected.load(Ordering::Relaxed)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    broker.publish("plant/S0", 1, 0..3).await;
    plant.until(|account, _| account.committed == 3).await;
    bridge.until(|metrics| metrics.acks_total.load(Ordering::Relaxed) == 3).await;
    plant.set(Mode::Hold);
    broker.publish("plant/S1", 1, 3..5).await;
    plant.until(|account, _| account.received == 5).await;
    broker.stop();
    bridge.until(|metrics| !metrics.connected.load(Ordering::Relaxed)).await;
    broker.start();
    plant.set(Mode::Settle);
    // Two of the old connection could no longer be acknowledged; sent again, they are known and acknowledged.
    bridge.until(|metrics| metrics.acks_total.load(Ordering::Relaxed) == 5).await;
    assert_eq!((plant.account().received, plant.account().committed), (5, 5));
    bridge.shut_down().await;
}

#[tokio::test]
async fn a_restarted_broker_is_found_again_with_mqtt_3_1_1() {
    a_restarted_broker_is_found_again(MqttVersion::V4).await;
}

#[tokio::test]
async fn a_restarted_broker_is_found_again_with_mqtt_5() {
    a_restarted_broker_is_found_again(MqttVersion::V5).await;
}

#[tokio::test]
async fn a_broker_that_has_forgotten_the_session_is_subscribed_to_again() {
    let mut broker = Broker::started("");
    let plant = Plant::new(1_000);
    let bridge = Running::connected(broker.options(MqttVersion::V5), &plant).await;
    broker.stop();
    std::fs::remove_file(broker.folder.path().join("mosquitto.db")).expect("saved on its end");
    bridge.until(|metrics| !metrics.connected.load(Ordering::Relaxed)).await;
    broker.start();
    bridge.until(|metrics| metrics.connected.load(Ordering::Relaxed)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    broker.publish("plant/S0", 1, 0..2).await;
    plant.until(|account, _| account.committed == 2).await;
    bridge.shut_down().await;
}

async fn a_shared_subscription_divides_the_messages(version: MqttVersion) {
    let broker = Broker::started("");
    let plant = Plant::new(10_000);
    let options = |client_id: &str| BridgeOptions {
        client_id: Some(client_id.to_owned()),
        topics: vec!["$share/ingest/plant/#".to_owned()],
        ..broker.options(version)
    };
    let one = Running::connected(options("one"), &plant).await;
    let two = Running::connected(options("two"), &plant).await;
    broker.publish("plant/S1", 1, 0..200).await;
    plant.until(|account, _| account.committed == 200).await;
    assert_eq!(one.messages() + two.messages(), 200);
    assert!(one.messages() > 0 && two.messages() > 0, "{} and {}", one.messages(), two.messages());
    one.shut_down().await;
    two.shut_down().await;
}

#[tokio::test]
async fn a_shared_subscription_divides_the_messages_with_mqtt_3_1_1() {
    a_shared_subscription_divides_the_messages(MqttVersion::V4).await;
}

#[tokio::test]
async fn a_shared_subscription_divides_the_messages_with_mqtt_5() {
    a_shared_subscription_divides_the_messages(MqttVersion::V5).await;
}

#[tokio::test]
async fn messages_refused_by_policy_are_not_acknowledged_and_come_again() {
    let broker = Broker::started("");
    let plant = Plant::new(1_000);
    let bridge = Running::connected(broker.options(MqttVersion::V5), &plant).await;
    plant.set(Mode::Refuse);
    broker.publish("plant/S0", 1, 0..3).await;
    bridge.until(|metrics| metrics.refused_total.load(Ordering::Relaxed) >= 3).await;
    assert_eq!(bridge.acks(), 0);
    plant.set(Mode::Settle);
    plant.until(|account, _| account.committed == 3).await;
    bridge.until(|metrics| metrics.acks_total.load(Ordering::Relaxed) == 3).await;
    bridge.shut_down().await;
}

#[tokio::test]
async fn a_pipeline_without_room_and_a_small_window_lose_nothing_and_lock_nothing() {
    let broker = Broker::started("max_inflight_messages 0\nmax_queued_messages 0\n");
    for version in [MqttVersion::V4, MqttVersion::V5] {
        let plant = Plant::new(50);
        plant.set(Mode::Stop);
        let options = BridgeOptions {
            in_flight_messages_max: 7,
            client_id: Some(format!("{version:?}")),
            ..broker.options(version)
        };
        let bridge = Running::connected(options, &plant).await;
        broker.publish("plant/S0", 1, 0..2_000).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        // The window, and what the library had read with its last message.
        assert!(bridge.messages() <= 7 + 9, "{:?}", bridge.metrics);
        plant.set(Mode::Settle);
        plant.until(|account, _| account.committed == 2_000).await;
        bridge.until(|metrics| metrics.acks_total.load(Ordering::Relaxed) == 2_000).await;
        assert_eq!(bridge.metrics.reconnects_total.load(Ordering::Relaxed), 0);
        bridge.shut_down().await;
    }
}

#[tokio::test]
async fn a_shutdown_acknowledges_what_settles_in_time() {
    let broker = Broker::started("");
    let plant = Plant::new(1_000);
    plant.set(Mode::Hold);
    let bridge = Running::connected(broker.options(MqttVersion::V4), &plant).await;
    broker.publish("plant/S0", 1, 0..4).await;
    plant.until(|account, _| account.received == 4).await;
    bridge.stop.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    plant.set(Mode::Settle);
    let metrics = bridge.metrics.clone();
    bridge.shut_down().await;
    assert_eq!(metrics.acks_total.load(Ordering::Relaxed), 4);
    let again = Running::connected(broker.options(MqttVersion::V4), &plant).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(again.messages(), 0);
    again.shut_down().await;
}

/// A broker that goes on with an exchange of quality 2 that an earlier process has begun.
#[tokio::test]
async fn a_pubrel_from_before_our_start_is_answered_and_does_not_end_the_bridge() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let plant = Plant::new(1_000);
    let options = BridgeOptions {
        broker: format!("mqtt://127.0.0.1:{port}"),
        mqtt_version: MqttVersion::V4,
        qos: Qos::ExactlyOnce,
        ..BridgeOptions::default()
    };
    let bridge = Running::start(options, &plant);
    let answered = async {
        loop {
            let (mut stream, _) = listener.accept().await.expect("the bridge connects");
            let mut bytes = vec![0; 1024];
            let _ = stream.read(&mut bytes).await.expect("CONNECT");
            stream.write_all(&[0x20, 2, 1, 0, 0x62, 2, 0, 7]).await.expect("CONNACK, PUBREL");
            let mut heard = Vec::new();
            while stream.read_buf(&mut heard).await.is_ok_and(|bytes| bytes > 0) {
                if heard.windows(4).any(|window| window == [0x70, 2, 0, 7]) {
                    return;
                }
            }
        }
    };
    timeout(PATIENCE, answered).await.expect("PUBCOMP in time");
    assert_eq!(bridge.metrics.reconnects_total.load(Ordering::Relaxed), 1);
    bridge.die().await;
}

#[tokio::test]
async fn a_dead_letter_keeps_its_topic_and_a_broker_s_own_state_is_none() {
    let broker = Broker::started("sys_interval 1\n");
    let plant = Plant::new(1_000);
    let topics = vec!["$SYS/#".to_owned(), "plant/#".to_owned()];
    let bridge = Running::connected(BridgeOptions { topics, ..broker.options(MqttVersion::V5) }, &plant).await;
    bridge.until(|metrics| metrics.messages_total.load(Ordering::Relaxed) > 20).await;
    broker.publish_bytes("plant/S1", b"warm").await;
    broker.publish_bytes("plant/S2", b"warmer").await;
    plant.until(|account, _| account.committed == 2).await;
    let dead_letters = plant.taken.lock().dead_letters.clone();
    let topics: Vec<&str> = dead_letters.iter().map(|dead_letter| dead_letter.topic.as_str()).collect();
    assert_eq!(topics, ["plant/S1", "plant/S2"]);
    // Who published it the broker does not tell.
    assert!(
        dead_letters
            .iter()
            .all(|dead_letter| (dead_letter.source, dead_letter.client.as_str()) == (0, &*NAME.client_id()))
    );
    bridge.shut_down().await;
}

#[tokio::test]
async fn a_filter_taken_out_of_the_configuration_is_unsubscribed() {
    let broker = Broker::started("");
    for version in [MqttVersion::V4, MqttVersion::V5] {
        let (plant, folder) = (Plant::new(1_000), TempDir::new().expect("a folder"));
        let name = BridgeName { folder: Some(folder.path()), ..NAME };
        let client_id = Some(format!("{version:?}"));
        for (topics, taken) in [(&["plant/#", "other/#"][..], 2), (&["plant/#"], 1)] {
            let topics = topics.iter().copied().map(str::to_owned).collect();
            let options = BridgeOptions { topics, client_id: client_id.clone(), ..broker.options(version) };
            let bridge = Running::named(name, options, &plant);
            bridge.until(|metrics| metrics.connected.load(Ordering::Relaxed)).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            broker.publish("other/S0", 1, 0..1).await;
            broker.publish("plant/S1", 1, 0..1).await;
            bridge.until(|metrics| metrics.acks_total.load(Ordering::Relaxed) == taken).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(bridge.messages(), taken);
            bridge.shut_down().await;
        }
    }
}

#[test]
fn the_client_id_is_one_bridge_s_own_and_stays() {
    let other_server = BridgeName { server: Uuid::from_u128(7), ..NAME };
    let other_listener = BridgeName { listener: "hall 2/ö", ..NAME };
    assert_eq!(NAME.client_id(), "genims-123456789abc-plant");
    assert_eq!(other_server.client_id(), "genims-000000000000-plant");
    assert_eq!(other_listener.client_id(), "genims-123456789abc-hall-2---44f4f240");
    // Names that differ in what an id cannot hold are two bridges.
    let ids: Vec<String> =
        ["hall-2", "hall 2", "hall_2", "hall/2"].map(|listener| BridgeName { listener, ..NAME }.client_id()).into();
    assert_eq!(ids[0], "genims-123456789abc-hall-2");
    assert!((1..ids.len()).all(|at| !ids[at..].contains(&ids[at - 1])), "{ids:?}");
}

#[tokio::test]
async fn a_bridge_that_is_not_connected_says_which_listener_it_is_and_what_to_do() {
    let heard = Heard::start();
    let broker = Broker::new("");
    let plant = Plant::new(10);
    for version in [MqttVersion::V4, MqttVersion::V5] {
        let bridge = Running::start(broker.options(version), &plant);
        // The first attempt may only teach it what the broker speaks, which it does not tell.
        bridge.until(|metrics| metrics.reconnects_total.load(Ordering::Relaxed) > 1).await;
        bridge.shut_down().await;
    }
    let client_id = format!("client_id={}", NAME.client_id());
    let lines = heard.with(&["listener=plant", &client_id, "see that the broker runs at this address"]);
    assert!(lines.len() >= 2, "{lines:?}");
}

#[tokio::test]
async fn a_bridge_that_the_broker_does_not_know_says_what_it_needs() {
    let heard = Heard::start();
    let mut broker = Broker::new("password_file {folder}/passwords");
    std::fs::write(broker.folder.path().join("passwords"), "").expect("written");
    broker.start();
    let plant = Plant::new(10);
    for version in [MqttVersion::V4, MqttVersion::V5] {
        let bridge = Running::start(broker.options(version), &plant);
        // The first attempt may only teach it what the broker speaks, which it does not tell.
        bridge.until(|metrics| metrics.reconnects_total.load(Ordering::Relaxed) > 1).await;
        bridge.shut_down().await;
    }
    let lines = heard.with(&["listener=plant", "set username and password or password_file"]);
    assert!(lines.len() >= 2, "{lines:?}");
}
