//! What gateways and devices publish, as their manuals print it.

use super::super::collected::{Collected, Found};
use super::*;
use crate::Kind;
use genims_model::Quality::{Bad, Good, Uncertain};

const TIME_MS: &str = "1700000000123";
const TIME_US: Option<i64> = Some(1_700_000_000_123_000);

fn sensor() -> Address<'static> {
    Address { factory: Some("F1"), line: Some("L1"), machine: Some("M1"), kind: Kind::Sensor("TEMP") }
}

fn batch() -> Address<'static> {
    Address { factory: Some("F1"), line: None, machine: None, kind: Kind::Readings }
}

fn decoded(address: Address<'_>, payload: impl AsRef<[u8]>) -> Collected {
    let mut visitor = Collected::default();
    decode(&address, payload.as_ref(), &mut visitor);
    visitor
}

fn points(payload: &str) -> Vec<Found> {
    let found = decoded(sensor(), payload);
    assert_eq!(found.rejects, [], "{payload}");
    found.points
}

fn found(sensor: &str, value: f64) -> Found {
    Found::new(sensor, TIME_US, value).on("M1")
}

/// Set aside, sent again, set aside again for the same reason: and nothing else comes of it.
fn come_back(address: Address<'_>, found: &Collected) {
    for (reason, detail, fragment) in &found.rejects {
        let again = decoded(address, fragment);
        assert_eq!((again.points.len(), again.reasons()), (0, vec![*reason]), "{}", String::from_utf8_lossy(fragment));
        assert_eq!(again.rejects[0].1.is_empty(), detail.is_empty());
    }
}

#[test]
fn kepware_lists_values_with_quality_and_time() {
    let payload = r#"{"timestamp":1700000000999,"values":[
        {"id":"CH1.DEV1.TEMP","v":71.5,"q":true,"t":1700000000123},
        {"id":"CH1.DEV1.RUN","v":true,"q":false,"t":1700000000123},
        {"id":"CH1.DEV1.COUNT","v":"42","q":192,"t":"1700000000123"}]}"#;
    let expected =
        [found("CH1.DEV1.TEMP", 71.5), found("CH1.DEV1.RUN", 1.0).of_quality(Bad), found("CH1.DEV1.COUNT", 42.0)];
    assert_eq!(points(payload), expected);
    let payload = format!(r#"{{"timestamp":{TIME_MS},"values":[{{"id":"A","v":1}},{{"id":"B","v":2,"q":64}}]}}"#);
    assert_eq!(points(&payload), [found("A", 1.0), found("B", 2.0).of_quality(Uncertain)]);
    assert_eq!(points(r#"{"timestamp":1,"values":[]}"#), []);
}

#[test]
fn an_entry_at_fault_is_set_aside_alone() {
    let payload = format!(
        r#"{{"timestamp":{TIME_MS},"machine_id":"M7","q":"bad","values":[{{"id":"A","v":1}},{{"id":"B","v":"x"}},{{"v":3}},{{"id":"D"}},
            {{"id":"E" "v":1}},{{"id":"F","v":null,"q":false}},{{"id":"G","v":1,"t":"noon"}},{{"id":"H","v":NaN}},7,{{"id":"Z","v":9}},]}}"#
    );
    let found = decoded(batch(), &payload);
    let expected = [("A", 1.0), ("Z", 9.0)];
    assert_eq!(found.points, expected.map(|(id, value)| Found::new(id, TIME_US, value).on("M7").of_quality(Bad)));
    use Reason::{BadTimestamp, MalformedPayload, NotANumber, NotFinite};
    let expected = [
        NotANumber,
        MalformedPayload,
        NotANumber,
        MalformedPayload,
        NotANumber,
        BadTimestamp,
        NotFinite,
        MalformedPayload,
    ];
    assert_eq!(found.reasons(), expected);
    let first =
        format!(r#"{{"timestamp_us":{TIME_MS}000,"machine_id":"M7","quality":"bad","values":[{{"id":"B","v":"x"}}]}}"#);
    assert_eq!(found.fragments()[0], first);
    assert!(found.rejects[0].1.contains("\\\"x\\\""), "{}", found.rejects[0].1);
}

#[test]
fn neuron_says_what_it_could_not_read() {
    let payload = format!(
        r#"{{"node":"modbus","group":"g","timestamp":{TIME_MS},"values":{{"tag0":123}},"errors":{{"tag1":2014,"tag2":0}},"metas":{{}}}}"#
    );
    let by_values = decoded(sensor(), &payload);
    assert_eq!(by_values.points, [found("tag0", 123.0)]);
    assert_eq!(by_values.reasons(), [Reason::NotANumber]);
    assert_eq!(by_values.rejects[0].1, "tag1: the gateway could not read the tag: error 2014");
    come_back(sensor(), &by_values);

    let payload = format!(
        r#"{{"node":"modbus","group":"g","timestamp":{TIME_MS},"tags":[{{"name":"tag0","value":123}},{{"name":"tag1","error":2014}},
            {{"name":"tag2","value":5,"error":3}},{{"name":"tag3","value":6,"error":0}}]}}"#
    );
    let by_tags = decoded(sensor(), &payload);
    assert_eq!(by_tags.points, [found("tag0", 123.0), found("tag2", 5.0).of_quality(Bad), found("tag3", 6.0)]);
    assert!(by_tags.rejects[0].1.contains("2014"), "{}", by_tags.rejects[0].1);
    come_back(sensor(), &by_tags);
    // Where the topic names no machine, the node is it.
    assert_eq!(decoded(batch(), &payload).points[0].machine.as_deref(), Some("modbus"));
}

#[test]
fn aveva_speaks_of_opc_da() {
    for (quality, expected) in [("192", Good), ("0", Bad), ("24", Bad), ("64", Uncertain)] {
        let payload = format!(r#"{{"d":23.5,"dt":5,"ts":"2023-11-14T22:13:20.123Z","q":{quality}}}"#);
        assert_eq!(points(&payload), [found("TEMP", 23.5).of_quality(expected)], "{quality}");
    }
    assert_eq!(points(r#"{"q":0,"ts":1700000000123,"d":true}"#), [found("TEMP", 1.0)]);
}

#[test]
fn values_have_short_names_and_capitals() {
    for payload in [
        r#"{"v":23.5,"t":1700000000123}"#,
        r#"{"val":23.5,"ts":1700000000123,"q":"Good"}"#,
        r#"{"Value":23.5,"Timestamp":1700000000123,"Quality":"Good","Name":"x"}"#,
        r#"{"v":null,"value":23.5,"ts":1700000000123}"#,
        r#"{"value":23.5,"v":7,"d":{"a":1},"tags":["a"],"metrics":null,"errors":[],"error":"","ts":1700000000123}"#,
    ] {
        assert_eq!(decoded(sensor(), payload).points.first(), Some(&found("TEMP", 23.5)), "{payload}");
    }
    assert_eq!(decoded(sensor(), r#"{"value":null}"#).reasons(), [Reason::NotANumber]);
    assert_eq!(decoded(sensor(), r#"{"v":1,"v":2}"#).reasons(), [Reason::MalformedPayload]);
}

#[test]
fn sparkplug_in_json_and_advantech_have_lists_of_other_names() {
    let payload = format!(
        r#"{{"timestamp":5,"metrics":[{{"name":"A","timestamp":{TIME_MS},"dataType":"Int32","value":100,"properties":{{"Quality":{{"value":192}}}}}}],"seq":0}}"#
    );
    assert_eq!(points(&payload), [found("A", 100.0)]);
    assert_eq!(points(r#"{"d":[{"tag":"A","value":1.5}],"ts":"2023-11-14T22:13:20.123Z"}"#), [found("A", 1.5)]);
    assert_eq!(points(r#"{"d":{"A":1.5},"ts":1700000000123}"#), [found("A", 1.5)]);
}

#[test]
fn an_object_of_tags_is_one_reading_each() {
    let payload = r#"{"timestamp_ms":1700000000123,"temperature":21.5,"pressure":3,"pos":{"x":1,"y":{"z":"2.5"}},"run":true,"note":"ok","list":[1],"none":null}"#;
    let expected = [("temperature", 21.5), ("pressure", 3.0), ("pos.x", 1.0), ("pos.y.z", 2.5), ("run", 1.0)]
        .map(|(tag, value)| found(tag, value));
    assert_eq!(points(payload), expected);
    let of_node = decoded(batch(), r#"{"machine_id":"M1","ts":1700000000123,"temperature":21.5}"#);
    assert_eq!(of_node.points, [found("temperature", 21.5)]);
    let bad = decoded(sensor(), r#"{"ts":1700000000123,"A":NaN,"B":1e11,"C":2,"C":3,"D":4}"#);
    assert_eq!(bad.points, [found("C", 2.0), found("D", 4.0)]);
    assert_eq!(bad.reasons(), [Reason::NotFinite, Reason::OutOfRange, Reason::MalformedPayload]);
    for empty in
        [r#"{"ts":1}"#, r#"{"note":"ok"}"#, r#"{"sensor_id":"S1","temperature":1}"#, r#"{"values":[1,2]}"#, "{}"]
    {
        assert_eq!(decoded(sensor(), empty).reasons(), [Reason::MalformedPayload], "{empty}");
    }
}

#[test]
fn tasmota_and_shelly_send_objects_in_objects() {
    let untimed = |tag: &str, value: f64| Found::new(tag, None, value).on("M1");
    let tasmota = r#"{"Time":"2023-11-14T23:13:20","ENERGY":{"TotalStartTime":"2022-01-01T00:00:00","Total":3.185,"Power":5,"Voltage":226},"AM2301":{"Temperature":21.4},"POWER":"ON","TempUnit":"C"}"#;
    let expected = [
        untimed("ENERGY.Total", 3.185),
        untimed("ENERGY.Power", 5.0),
        untimed("ENERGY.Voltage", 226.0),
        untimed("AM2301.Temperature", 21.4),
        untimed("POWER", 1.0),
    ];
    assert_eq!(points(tasmota), expected);
    let shelly = r#"{"id":0,"source":"timer","output":true,"apower":8.9,"aenergy":{"total":6.532,"by_minute":[45.1,47.2]},"temperature":{"tC":23.5},"errors":["overtemp"]}"#;
    let expected = [
        untimed("output", 1.0),
        untimed("apower", 8.9),
        untimed("aenergy.total", 6.532),
        untimed("temperature.tC", 23.5),
    ];
    assert_eq!(points(shelly), expected);
}

#[test]
fn documents_on_lines_of_their_own_are_all_taken() {
    let document = |n: u32| format!(r#"{{"sensor_id":"S{n}","value":{n},"ts":{TIME_MS}}}"#);
    for separator in ["\n", "\r\n", "\n\n", " \n "] {
        let found = decoded(batch(), [document(1), document(2), document(3)].join(separator));
        let expected = [1.0, 2.0, 3.0].map(|n| Found::new(&format!("S{n}"), TIME_US, n));
        assert_eq!((found.points, found.rejects), (expected.to_vec(), vec![]), "{separator:?}");
    }
    for bad in [
        r#"{"sensor_id":"X" "value":1}"#,
        r#"{"value":1"#,
        "{\"value\":\"",
        r#"{"sensor_id":"X","value":"x"}"#,
        r#"{"a":1} x"#,
    ] {
        let found = decoded(batch(), [document(1).as_str(), bad, &document(2)].join("\n"));
        let sensors: Vec<&str> = found.points.iter().map(|point| point.sensor.as_str()).collect();
        assert_eq!((sensors, found.fragments()), (vec!["S1", "S2"], vec![bad.to_owned()]), "{bad}");
    }
    let found = decoded(batch(), "{\"x\":[1\n".repeat(100_000));
    assert_eq!((found.points.len(), found.rejects.len()), (0, super::lines::FAULTS_MAX), "what it costs is bounded");
    let cut = "{\"ts\":1,\"values\":[\n{\"id\":\"A\",\"v\":1},\n{\"id\":\"B\",\"v\":2}";
    assert_eq!(decoded(batch(), cut).fragments(), [cut], "no line of it is a document");
    let pretty = format!("{{\n  \"sensor_id\": \"S1\",\n  \"value\": 1,\n  \"ts\": {TIME_MS}\n}}");
    assert_eq!(decoded(batch(), [pretty.as_str(), &pretty].join("\n")).points.len(), 2);
    assert_eq!(decoded(batch(), document(1) + &document(2)).reasons(), [Reason::MalformedPayload]);
}
