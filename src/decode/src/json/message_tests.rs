//! Messages of Node-RED and of brokers' rules: what stands beside the payload belongs to it.

use super::super::collected::{Found, come_back, decoded, points};
use genims_model::Quality::{Bad, Good, Uncertain};
use genims_model::Reason::{BadTimestamp, NotANumber};

const TIME_US: Option<i64> = Some(1_700_000_000_123_000);
const TAGS: &str = "genims/v1/F1/L1/M1/tags";
const TEMP: &str = "genims/v1/F1/L1/M1/TEMP";
const BATCH: &str = "genims/v1/F1/readings";

fn temp(value: f64) -> Found {
    Found::new("TEMP", TIME_US, value).on("M1")
}

/// The same payload as it may stand in a message: an object, text of it, a number, its text.
const PAYLOADS: [&str; 7] = [
    r#"{"value":1.5}"#,
    r#"[{"value":1.5}]"#,
    r#""{\"value\":1.5}""#,
    r#""{'value':1.5}""#,
    "1.5",
    r#""1.5""#,
    r#"{"type":"Buffer","data":[49,46,53]}"#,
];

#[test]
fn a_payload_has_time_and_quality_from_its_message() {
    for payload in PAYLOADS {
        let plain = format!(r#"{{"_msgid":"a","topic":"x","timestamp":1700000000123,"payload":{payload}}}"#);
        assert_eq!(points(TEMP, &[], &plain), [temp(1.5)], "{plain}");
        let rated = format!(r#"{{"topic":"x","qos":0,"quality":"Bad","timestamp":1700000000123,"payload":{payload}}}"#);
        assert_eq!(points(TEMP, &[], &rated), [temp(1.5).of_quality(Bad)], "{rated}");
        let odd =
            decoded(TEMP, &[], format!(r#"{{"topic":"x","quality":"fair","ts":1700000000123,"payload":{payload}}}"#));
        assert_eq!((odd.points, odd.rejects), (vec![temp(1.5).of_quality(Uncertain)], vec![]), "{payload}");
        assert_eq!(odd.remarks, ["\"fair\""], "{payload}");
        let noon = decoded(TEMP, &[], format!(r#"{{"topic":"x","ts":"noon","payload":{payload}}}"#));
        assert_eq!((noon.points.len(), noon.reasons()), (0, vec![BadTimestamp]), "{payload}");
        come_back(TEMP, &noon);
    }
    for inner in [r#"{"value":1.5,"ts":1700000000123,"q":192}"#, r#""{\"value\":1.5,\"ts\":1700000000123}""#] {
        let own = format!(r#"{{"topic":"x","timestamp":1600000000000,"payload":{inner}}}"#);
        assert_eq!(points(TEMP, &[], &own), [temp(1.5)], "the payload's own are better");
    }
    let own = r#"{"topic":"x","ts":1700000000123,"quality":"bad","payload":{"value":1.5,"quality":"good"}}"#;
    assert_eq!(points(TEMP, &[], own), [temp(1.5).of_quality(Good)]);
    let tags = r#"{"_msgid":"a","timestamp":1700000000123,"quality":"bad","payload":{"A":1,"B":{"value":2}}}"#;
    let expected =
        [("A", 1.0), ("B", 2.0)].map(|(tag, value)| Found::new(tag, TIME_US, value).on("M1").of_quality(Bad));
    assert_eq!(points(TAGS, &[], tags), expected);
}

#[test]
fn what_is_at_fault_in_a_payload_keeps_the_time_of_its_message() {
    for payload in [r#"{"values":{"A":1,"B":"x"}}"#, r#"[{"id":"A","v":1},{"id":"B","v":"x"}]"#] {
        let found = decoded(TAGS, &[], format!(r#"{{"_msgid":"a","ts":1700000000123,"payload":{payload}}}"#));
        assert_eq!((found.points.len(), found.reasons()), (1, vec![NotANumber]));
        assert!(found.fragments()[0].contains("1700000000123"), "{:?}", found.fragments());
        come_back(TAGS, &found);
    }
    let text = r#"{"_msgid":"a","ts":1700000000123,"payload":"{\"values\":{\"A\":1,\"B\":\"x\"}}"}"#;
    let found = decoded(TAGS, &[], text);
    let part = r#"{"timestamp_us":1700000000123000,"machine_id":"M1","values":{"B":"x"}}"#;
    assert_eq!((found.points.len(), found.fragments()), (1, vec![part.to_owned()]));
    come_back(TAGS, &found);
}

#[test]
fn the_message_s_topic_names_a_sensor_that_the_catalogue_has() {
    for payload in PAYLOADS {
        for topic in ["TEMP", "plant/M1/TEMP"] {
            let message = format!(r#"{{"topic":"{topic}","ts":1700000000123,"payload":{payload}}}"#);
            assert_eq!(points(TAGS, &["TEMP"], &message), [temp(1.5)], "{message}");
            let of_batch = points(BATCH, &["TEMP"], &message);
            assert_eq!(of_batch, [Found::new("TEMP", TIME_US, 1.5)], "{message}");
            // The topic of the listener is the better one, and of a sensor that nobody has nothing is made.
            let below = points("genims/v1/F1/L1/M1/VIB", &["TEMP", "VIB"], &message);
            assert_eq!(below[0].sensor, "VIB", "{message}");
            // Where nothing else names one, it is set aside under its name.
            assert_eq!(points(TAGS, &[], &message), [temp(1.5)], "{message}");
            assert_eq!(points(BATCH, &[], &message), [Found::new("TEMP", TIME_US, 1.5)], "{message}");
            assert_eq!(points(TAGS, &["tags"], &message)[0].sensor, "tags", "a sensor of the topic is one: {message}");
        }
    }
    for inner in [r#"{"name":"VIB","value":1}"#, r#""{\"name\":\"VIB\",\"value\":1}""#] {
        let named = format!(r#"{{"topic":"TEMP","payload":{inner}}}"#);
        for known in [&["TEMP", "VIB"][..], &["TEMP"], &[]] {
            let found = points(TAGS, known, &named);
            assert_eq!(found[0].sensor, "VIB", "a name in the payload is its own, known or not: {known:?}");
        }
    }
    // Of tags, and of a snapshot, it names nobody whom the catalogue lacks.
    let tags = r#"{"topic":"plant/x/","payload":{"A":[{"value":1}],"B":[{"value":2}]}}"#;
    let sensors: Vec<String> = points(TAGS, &[], tags).into_iter().map(|point| point.sensor).collect();
    assert_eq!(sensors, ["A", "B"]);
    assert_eq!(points(TAGS, &[], r#"{"topic":"plant/x/","payload":2}"#)[0].sensor, "x");
    assert_eq!(points(TAGS, &[], r#"{"topic":"/","payload":2}"#)[0].sensor, "tags", "a topic without a level");
    let state = decoded(BATCH, &["x"], r#"{"topic":"x","machine_id":"M1","payload":{"machine_state":"IDLE"}}"#);
    assert_eq!((state.snapshots.len(), state.snapshots[0].0.as_str()), (1, "M1"));
    let machine = r#"{"topic":"x","machine_id":"M7","payload":{"sensor_id":"A","value":1}}"#;
    assert_eq!(points(BATCH, &[], machine), [Found::new("A", None, 1.0).on("M7")]);
    let named = r#"{"_msgid":"a","name":"TEMP","ts":1700000000123,"payload":1.5}"#;
    assert_eq!(points(TAGS, &[], named), [temp(1.5)]);
}

#[test]
fn a_snapshot_may_be_a_message_s_payload() {
    for payload in [r#"{"machine_state":"RUNNING"}"#, r#""{\"machine_state\":\"RUNNING\"}""#] {
        let message = format!(r#"{{"topic":"TEMP","ts":1700000000123,"payload":{payload}}}"#);
        let found = decoded("genims/v1/F1/L1/M1/scada", &["TEMP"], &message);
        let [(machine, timestamp_us, fields)] = &found.snapshots[..] else { panic!("{message}: {found:?}") };
        assert_eq!((machine.as_str(), *timestamp_us, fields.machine_state.as_str()), ("M1", TIME_US, "RUNNING"));
        assert_eq!(found.rejects, []);
    }
    let neither = decoded("genims/v1/F1/L1/M1/scada", &[], r#"{"topic":"x","payload":{"speed":5}}"#);
    assert_eq!((neither.snapshots.len(), neither.rejects.len()), (0, 1));
}

#[test]
fn messages_in_messages_are_not_followed_for_ever() {
    for topic in [TAGS, "genims/v1/F1/L1/M1/scada"] {
        let deep = format!("{}1{}", r#"{"topic":"x","payload":"#.repeat(4_000), "}".repeat(4_000));
        let found = decoded(topic, &[], &deep);
        assert!(found.points.is_empty() && found.rejects.len() == 1, "{topic}");
    }
}
