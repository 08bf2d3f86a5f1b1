//! Messages larger than the bridge takes.

use super::*;
use genims_model::dead_letter::PAYLOAD_KEPT_BYTES_MAX;

#[tokio::test]
async fn an_oversize_message_is_set_aside_and_what_is_behind_it_flows() {
    let heard = Heard::start();
    for version in [MqttVersion::V4, MqttVersion::V5] {
        let broker = Broker::started("");
        let plant = Plant::new(1_000);
        let options = BridgeOptions { packet_bytes_max: 100_000, ..broker.options(version) };
        let bridge = Running::connected(options, &plant).await;
        broker.publish("plant/S0", 1, 0..2).await;
        broker.publish_bytes("plant/S1", &vec![b'7'; 2_000_000]).await;
        broker.publish("plant/S2", 1, 2..5).await;
        plant.until(|account, taken| account.committed == 6 && taken.readings.len() == 5).await;
        bridge.until(|metrics| metrics.acks_total.load(Ordering::Relaxed) == 6).await;
        assert_eq!(bridge.metrics.reconnects_total.load(Ordering::Relaxed), 0);
        {
            let dead_letters = &plant.taken.lock().dead_letters;
            let [dead_letter] = &dead_letters[..] else { panic!("{dead_letters:?}") };
            assert_eq!((dead_letter.topic.as_str(), dead_letter.payload_bytes), ("plant/S1", 2_000_000));
            assert_eq!((dead_letter.reason, dead_letter.payload.len()), (Reason::TooLarge, PAYLOAD_KEPT_BYTES_MAX));
            assert!(dead_letter.detail.contains("packet_bytes_max = 100000"), "{}", dead_letter.detail);
        }
        bridge.shut_down().await;
    }
    assert_eq!(heard.with(&["listener=plant", "topic=plant/S1", "raise packet_bytes_max"]).len(), 2);
}

#[tokio::test]
async fn what_is_more_than_may_be_under_way_stays_with_a_broker_of_mqtt_5() {
    let heard = Heard::start();
    let broker = Broker::started("");
    let plant = Plant::new(1_000);
    let options =
        BridgeOptions { packet_bytes_max: 100_000, in_flight_bytes_max: 300_000, ..broker.options(MqttVersion::V5) };
    let bridge = Running::connected(options, &plant).await;
    broker.publish_bytes("plant/S1", &vec![b'7'; 2_000_000]).await;
    broker.publish_bytes("plant/S2", &vec![b'7'; 200_000]).await;
    broker.publish("plant/S3", 1, 0..3).await;
    plant.until(|account, taken| account.committed == 4 && taken.readings.len() == 3).await;
    let kept = |dead_letter: &DeadLetter| (dead_letter.payload_bytes, dead_letter.payload.len());
    let dead_letters: Vec<(u64, usize)> = plant.taken.lock().dead_letters.iter().map(kept).collect();
    assert_eq!((dead_letters, bridge.messages()), (vec![(200_000, 200_000)], 4));
    assert_eq!(bridge.metrics.reconnects_total.load(Ordering::Relaxed), 0);
    bridge.shut_down().await;
    assert_eq!(heard.with(&["listener=plant", "topic=plant/S2", "raise packet_bytes_max"]).len(), 1);
}
