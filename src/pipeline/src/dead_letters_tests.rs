//! What the door sets aside: few dead letters of one message, each in a form that comes to the same when it is sent again.

use crate::intake::{Intake, WhenFull};
use crate::intake_tests::{point, submit};
use crate::queue::ShardQueue;
use genims_catalogue::{Catalogue, Directory, Limits, Sensor};
use genims_decode::frame::{Record, RecordValue, encode};
use genims_decode::{Decoder, Point, Visitor};
use genims_model::{Accounts, Chunk, DeadLetter, Protocol, Quality};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A door without a catalogue, and its queue.
fn unknowing() -> (Arc<Intake>, Arc<ShardQueue>) {
    door(Catalogue::default())
}

fn door(catalogue: Catalogue) -> (Arc<Intake>, Arc<ShardQueue>) {
    let catalogue = Arc::new(Directory::new(catalogue));
    let queue = Arc::new(ShardQueue::new(1 << 20, 1 << 26));
    let accounts = Arc::new(Accounts::new(["test".to_owned()]));
    let full = Arc::new(AtomicBool::new(false));
    let intake = Intake::new(catalogue, vec![queue.clone()], accounts, None, WhenFull::Block, full);
    (Arc::new(intake), queue)
}

/// The dead letters of one message.
async fn dead_letters(topic: &str, payload: &[u8]) -> Vec<DeadLetter> {
    let (intake, queue) = unknowing();
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    buffer.set_client("press-7");
    buffer.begin(1_800_000_000_000_000);
    buffer.set_topic(topic);
    Decoder::default().message(topic, payload, &mut buffer);
    submit(&mut buffer).await;
    std::iter::from_fn(|| queue.pop()).flat_map(|chunk| chunk.dead_letters).collect()
}

fn records(dead_letters: &[DeadLetter]) -> u64 {
    dead_letters.iter().map(|dead_letter| dead_letter.records).sum()
}

const BATCH: &str = "genims/v1/F1/readings";

/// Every form in which one message can hold any number of faults.
fn floods() -> Vec<(&'static str, Vec<u8>, u64)> {
    let repeated = |part: &str, count: usize| part.repeat(count);
    let unknown =
        |no: usize| format!(r#"{{"sensor_id":"S{no}","value":1.5,"timestamp_us":{}}}"#, 1_790_000_000_000_000 + no);
    let elements: Vec<String> = (0..20_000).map(unknown).collect();
    let mut frames = Vec::new();
    let record = Record { handle: 0, quality: Quality::Good, delta_us: 0, value: RecordValue::Float(f64::NAN) };
    encode::data(0, 1_790_000_000_000_000, &[(0, "S1")], &vec![record; 20_000], &mut frames);
    vec![
        ("numbers in an array", format!("[{}1]", repeated("1,", 249_999)).into_bytes(), 250_000),
        ("no JSON in an array", format!("[{}x]", repeated("x,", 199_999)).into_bytes(), 200_000),
        ("unknown sensors", format!("[{}]", elements.join(",")).into_bytes(), 20_000),
        (
            "keys of values",
            format!(r#"{{"ts":1790000000000,"values":{{{}"z":1}}}}"#, repeated(r#""a":[],"#, 9_999)).into_bytes(),
            10_000,
        ),
        ("lines", repeated("m1 a=\"x\" 1790000000000000000\n", 20_000).into_bytes(), 20_000),
        ("records of a frame", frames, 20_000),
    ]
}

#[tokio::test]
async fn one_message_makes_few_dead_letters_however_many_faults_it_has_and_each_record_is_counted() {
    for (what, payload, faults) in floods() {
        let found = dead_letters(BATCH, &payload).await;
        assert_eq!(records(&found), faults, "{what}");
        let kept: usize = found.iter().map(|dead_letter| dead_letter.payload.len()).sum();
        assert!(found.len() <= 2 * 16 + 3 + kept / 32_768, "{what}: {} dead letters of {kept} bytes", found.len());
        for dead_letter in &found {
            assert_eq!((dead_letter.topic.as_str(), dead_letter.client.as_str()), (BATCH, "press-7"));
            assert_eq!(dead_letter.payload.len() as u64, dead_letter.payload_bytes, "{what}: kept whole");
        }
    }
}

/// What a replay sends is what was at fault, and all of it.
#[tokio::test]
async fn dead_letters_of_many_records_decode_to_the_same_records_again() {
    for (what, payload, _) in floods() {
        for dead_letter in dead_letters(BATCH, &payload).await {
            let again = dead_letters(BATCH, &dead_letter.payload).await;
            assert_eq!(records(&again), dead_letter.records, "{what}");
            assert!(again.iter().all(|again| again.reason == dead_letter.reason), "{what}");
        }
    }
}

#[tokio::test]
async fn a_few_faults_of_a_message_are_dead_letters_of_their_own_with_their_details() {
    let found = dead_letters(BATCH, br#"[{"sensor_id":"A","value":"hot"},{"sensor_id":"B","value":"cold"}]"#).await;
    assert_eq!(found.len(), 2);
    assert!(found.iter().zip(["hot", "cold"]).all(|(dead_letter, value)| {
        String::from_utf8_lossy(&dead_letter.payload).contains(value) && dead_letter.records == 1
    }));
}

/// The dead letters of one message that is over: for how many records, with their details.
async fn kept(topic: &str, payload: &str) -> Vec<(u64, String, String)> {
    let (intake, queue) = unknowing();
    let dead_letters = ended(&intake, &queue, (topic, payload), 1_800_000_000_000_000).await.dead_letters.into_iter();
    dead_letters
        .map(|dead_letter| {
            (dead_letter.records, dead_letter.detail, String::from_utf8(dead_letter.payload).expect("text"))
        })
        .collect()
}

/// What comes of a message that is over.
async fn ended(intake: &Arc<Intake>, queue: &ShardQueue, (topic, payload): (&str, &str), received_us: i64) -> Chunk {
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    buffer.begin(received_us);
    buffer.set_topic(topic);
    Decoder::default().message(topic, payload.as_bytes(), &mut buffer);
    buffer.end_message(payload.as_bytes());
    submit(&mut buffer).await;
    queue.pop().expect("handed over")
}

#[tokio::test]
async fn what_nobody_knows_is_kept_as_it_came_with_what_its_sender_said_beside() {
    let whole = r#"{"deviceId":"press-9","unit":"C","ts":1790000000000,"A":1,"B":{"value":2}}"#;
    let found = kept(BATCH, whole).await;
    assert_eq!((found.len(), found[0].0, found[0].2.as_str()), (1, 2, whole), "{found:?}");
    assert!(found[0].1.contains("sensor A ") && found[0].1.ends_with("; and 1 more of this message"), "{found:?}");
    // Without a time it has that of its receipt from then on: nothing else of it is another's.
    for payload in [
        r#"{"deviceId":"press-9","A":1,"B":2}"#,
        r#"{"topic":"plant/press-9/OIL","payload":{"name":"A","value":1}}"#,
        r#"{"topic":"plant/press-9/OIL","payload":"1.5"}"#,
    ] {
        let found = kept(BATCH, payload).await;
        let timed = payload.replacen('{', r#"{"timestamp_us":1800000000000000,"#, 1);
        assert_eq!((found.len(), found[0].2.as_str()), (1, timed.as_str()), "{found:?}");
        let named = if payload.contains("1.5") { "sensor OIL is not" } else { "sensor A is not" };
        assert!(found[0].1.starts_with(named), "{found:?}");
        assert_eq!(kept(BATCH, &timed).await, found, "sent again it is the same");
    }
    // What is not of unknown sensors alone, what may say a time and what is no object is kept part by part.
    for payload in [
        r#"{"ts":1790000000000,"values":{"A":1,"B":"x"}}"#,
        r#"{"deviceId":"press-9","timestamp_us":null,"A":1,"B":2}"#,
        r#"{"deviceId":"press-9",'timestamp_us':null,"A":1,"B":2}"#,
        r#"{"deviceId":"press-9",timestamp_us:null,"A":1,"B":2}"#,
        r#"{"deviceId":"press-9","timestamp\u005fus":null,"A":1,"B":2}"#,
        r#"{"deviceId":"press-9","\u0074imestamp_us":null,"A":1,"B":2}"#,
        r#"[{"name":"A","value":1,"ts":1790000000000},{"name":"B","value":1}]"#,
        r#"[{"name":"A","value":1,"ts":1790000000000},{"name":"B","value":1,"ts":1790000000000}]"#,
    ] {
        let found = kept(BATCH, payload).await;
        assert!(found.len() == 2 && found.iter().all(|(_, _, kept)| kept != payload), "{found:?}");
    }
}

/// As after the sensor was entered: each of its values comes back with a time of its own, so that none is taken for a resend.
#[tokio::test]
async fn values_without_times_of_one_sensor_that_nobody_knew_come_back_apart() {
    let temp = Sensor {
        sensor_id: "TEMP".to_owned(),
        machine_id: "M1".to_owned(),
        line_id: "L1".to_owned(),
        factory_id: "F1".to_owned(),
        unit: "C".to_owned(),
        sensor_code: None,
        sensor_type: None,
        limits: Limits::default(),
        sampling_frequency_hz: None,
        calibration_day: None,
        calibration_frequency_days: None,
        active: true,
    };
    let mut catalogue = Catalogue::default();
    catalogue.put_sensor(temp);
    let (knowing, queue) = door(catalogue);
    let first_us = 1_800_000_000_000_000;
    for (payload, values) in [
        (r#"{"TEMP":[{"value":5},{"value":5},{"value":6}]}"#, vec![5.0, 5.0, 6.0]),
        (r#"{"sensor_id":"TEMP","values":[{"value":5},{"value":5}]}"#, vec![5.0, 5.0]),
        // Those of one time are told apart by whose they are.
        (r#"{"TEMP":[{"value":5}]}"#, vec![5.0]),
    ] {
        let mut found = Vec::new();
        for (_, _, dead_letter) in kept(BATCH, payload).await {
            let again = ended(&knowing, &queue, (BATCH, &dead_letter), first_us + 60_000_000).await;
            assert_eq!(again.dead_letters.len(), 0, "{payload} left {dead_letter}");
            found.extend(again.readings.iter().map(|reading| (reading.untimed, reading.timestamp_us, reading.value)));
        }
        let expected = values.iter().enumerate().map(|(at, value)| (false, first_us + at as i64, *value));
        assert_eq!(found, expected.collect::<Vec<_>>(), "{payload}");
    }
}

#[tokio::test]
async fn what_comes_without_a_time_gets_one_of_its_own_in_the_order_of_arrival() {
    let (intake, queue) = unknowing();
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    // The third round comes after the clock was set back.
    for received_us in [5_000_000, 5_000_002, 3_000_000] {
        buffer.begin(received_us);
        for _ in 0..3 {
            buffer.point(Point { timestamp_us: None, ..point("nobody", 42.5) });
        }
        buffer.snapshot("nothing", None, genims_model::snapshot::SnapshotFields::default());
        submit(&mut buffer).await;
    }
    let dead_letters = std::iter::from_fn(|| queue.pop()).flat_map(|chunk| chunk.dead_letters);
    let times: Vec<i64> = dead_letters
        .map(|dead_letter| serde_json::from_slice::<serde_json::Value>(&dead_letter.payload).expect("JSON"))
        .map(|element| element["timestamp_us"].as_i64().expect("a time"))
        .collect();
    let rows = [5_000_000..5_000_008, 3_000_000..3_000_004];
    assert_eq!(times, rows.into_iter().flatten().collect::<Vec<i64>>());
}
