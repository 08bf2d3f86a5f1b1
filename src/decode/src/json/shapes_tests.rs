//! OPC UA PubSub, Siemens and Shelly, as their manuals print it.

use super::super::collected::{Collected, Found};
use crate::Decoder;
use genims_model::Quality::{Bad, Good, Uncertain};
use genims_model::Reason;

const TIME_US: Option<i64> = Some(1_700_000_000_123_000);
const TOPIC: &str = "genims/v1/F1/L1/M1/tags";

fn decoded(payload: &str) -> Collected {
    let mut visitor = Collected::default();
    Decoder::default().message(TOPIC, payload.as_bytes(), &mut visitor);
    visitor
}

fn found(sensor: &str, value: f64) -> Found {
    Found::new(sensor, TIME_US, value).on("M1")
}

fn points(payload: &str) -> Vec<Found> {
    let found = decoded(payload);
    assert_eq!(found.rejects, [], "{payload}");
    found.points
}

#[test]
fn opc_ua_pubsub_has_data_set_messages_with_payloads() {
    let network = r#"{"MessageId":"9279c0b3","MessageType":"ua-data","PublisherId":"P","Messages":[
        {"DataSetWriterId":101,"SequenceNumber":68468,"MetaDataVersion":{"MajorVersion":1,"MinorVersion":2},"Timestamp":"2023-11-14T22:13:20.123Z",
         "Payload":{"Active":true,"Temperature":25.5,"Info":"running","Int64":"12","Pos":{"X":1,"Y":0.2}}},
        {"DataSetWriterId":102,"Timestamp":"2001-01-01T00:00:00Z","Status":{"Code":1073741824},"Payload":{
          "A":{"Value":1.5,"SourceTimestamp":"2023-11-14T22:13:20.123Z"},
          "B":{"Value":2,"StatusCode":{"Code":2147483648,"Symbol":"Bad"},"SourceTimestamp":"2023-11-14T22:13:20.123Z","ServerTimestamp":"2001-01-01T00:00:00Z"},
          "C":{"Value":{"Type":11,"Body":3.25},"StatusCode":0,"SourceTimestamp":"2023-11-14T22:13:20.123Z"}}},
        {"DataSetWriterId":103,"MessageType":"ua-keepalive","SequenceNumber":7}]}"#;
    let expected = [
        found("Active", 1.0),
        found("Temperature", 25.5),
        found("Int64", 12.0),
        found("Pos.X", 1.0),
        found("Pos.Y", 0.2),
        found("A", 1.5).of_quality(Uncertain),
        found("B", 2.0).of_quality(Bad),
        found("C", 3.25).of_quality(Good),
    ];
    assert_eq!(points(network), expected);
    let single = r#"{"PublisherId":"P","DataSetWriterId":101,"Timestamp":"2023-11-14T22:13:20.123Z","Payload":{"T":{"Type":11,"Body":25.5},"Counter":{"Value":0}}}"#;
    assert_eq!(points(single), [found("T", 25.5), found("Counter", 0.0)]);
    for silent in ["ua-keepalive", "ua-metadata", "ua-status"] {
        assert_eq!(points(&format!("{{\"MessageType\":\"{silent}\",\"PublisherId\":\"P\",\"Status\":2}}")), []);
    }
    // What is no message of OPC UA keeps its tags.
    assert_eq!(decoded(r#"{"Payload":{"T":1},"rssi":-50}"#).points.len(), 2);
}

#[test]
fn a_value_of_opc_ua_at_fault_is_set_aside_alone() {
    let payload = r#"{"DataSetWriterId":1,"Timestamp":1700000000123,"Payload":{"A":{"Value":"hello"},"B":{"Value":2},"C":{"Value":NaN}}}"#;
    let of_three = decoded(payload);
    assert_eq!(of_three.points, [found("B", 2.0)]);
    assert_eq!(of_three.reasons(), [Reason::NotANumber, Reason::NotFinite]);
    assert!(
        of_three.rejects[0].1.starts_with("A: the value is no number: `\\\"hello\\\"`"),
        "{}",
        of_three.rejects[0].1
    );
    for (reason, _, fragment) in &of_three.rejects {
        let again = decoded(std::str::from_utf8(fragment).unwrap());
        assert_eq!((again.points.len(), again.reasons()), (0, vec![*reason]));
        assert_eq!(again.fragments(), [String::from_utf8_lossy(fragment)]);
    }
}

#[test]
fn siemens_has_datapoints_records_and_quality_codes() {
    let edge = r#"{"seq":84631,"vals":[{"id":"101","qc":3,"ts":"2023-11-14T22:13:20.123Z","val":5},
        {"id":"102","qc":0,"qx":192,"ts":"2023-11-14T22:13:20.123456Z","val":"6.5"},{"id":"103","qc":1,"ts":1700000000123,"val":true}]}"#;
    let second = Found::new("102", Some(1_700_000_000_123_456), 6.5).on("M1").of_quality(Bad);
    assert_eq!(points(edge), [found("101", 5.0), second, found("103", 1.0).of_quality(Uncertain)]);
    let around = r#"{"seq":1,"ts":"2023-11-14T22:13:20.123Z","vals":[{"id":"A","val":1,"qc":2}]}"#;
    assert_eq!(points(around), [found("A", 1.0)]);
    let records = r#"{"seq":1,"records":[{"ts":"2023-11-14T22:13:20.123Z","rseq":1,"vals":[{"id":"A","val":1,"qc":3},{"id":"B","val":2}]},
        {"ts":1700000000123,"rseq":2,"vals":[{"id":"A","val":3}]}]}"#;
    assert_eq!(points(records), [found("A", 1.0), found("B", 2.0), found("A", 3.0)]);
    let insights = r#"[{"timestamp":"2023-11-14T22:13:20.123Z","values":[{"dataPointId":"DP1","value":"9.5","qualityCode":"0"}]}]"#;
    assert_eq!(points(insights), [found("DP1", 9.5)]);
    let items = r#"{"Timestamp":1700000000123,"DataItems":[{"Variable":"T1","Type":"REAL","Value":"9.5","QualityCode":"192"}]}"#;
    assert_eq!(points(items), [found("T1", 9.5)]);
    let by_name = r#"{"Timestamp":1700000000123,"T1":{"Value":"9.5","Station":"S","Type":"REAL","QualityCode":"24"}}"#;
    assert_eq!(points(by_name), [found("T1", 9.5).of_quality(Bad)]);
    assert_eq!(
        points(r#"{"records":[{"a":1}],"temp":5,"Status":1}"#).len(),
        2,
        "other lists and states stay what they were"
    );
}

#[test]
fn shelly_notifies_of_its_components() {
    let status = r#"{"src":"shellyplus1pm-441793","dst":"x/events","method":"NotifyStatus","params":{"ts":1700000000.123,
        "switch:0":{"id":0,"source":"timer","output":true,"apower":8.9,"temperature":{"tC":23.5}},"temperature:100":{"id":100,"tC":5.5}}}"#;
    let expected = [
        found("switch:0.output", 1.0),
        found("switch:0.apower", 8.9),
        found("switch:0.temperature.tC", 23.5),
        found("temperature:100.tC", 5.5),
    ];
    assert_eq!(points(status), expected);
    assert_eq!(points(&status.replace("NotifyStatus", "NotifyFullStatus")), expected);
    let button = r#"{"src":"s","method":"NotifyEvent","params":{"ts":1700000000.12,"events":[{"component":"input:0","id":0,"event":"btn_down"}]}}"#;
    assert_eq!(points(button), [], "an event is no value");
    assert_eq!(decoded(r#"{"method":"get","params":{"a":1}}"#).points, [Found::new("params.a", None, 1.0).on("M1")]);
}

#[test]
fn a_fault_of_a_single_reading_is_told_with_what_stands_there() {
    for (payload, told) in [
        (r#"{"value":"hello"}"#, "the value is no number: `\\\"hello\\\"`; write a number"),
        (r#"{"x":7,"value":"1,5"}"#, "1,5"),
        (r#"{"value":NaN}"#, "`NaN`; leave the value out"),
        (r#"{"value":123456789012}"#, "`123456789012`"),
        (r#"{"value":1,"ts":"noon"}"#, "`\\\"noon\\\"`; write the seconds"),
        (r#"{"value":null}"#, "the value is no number"),
        (r#"[{"v":[1,2]}]"#, "`[1,2]`"),
    ] {
        let found = decoded(payload);
        assert_eq!((found.points.len(), found.rejects.len()), (0, 1), "{payload}");
        assert!(found.rejects[0].1.contains(told), "{payload}: {}", found.rejects[0].1);
    }
}

#[test]
fn a_message_of_node_red_means_its_payload() {
    let message = |payload: &str| format!("{{\"_msgid\":\"a1\",\"topic\":\"x\",\"qos\":1,\"payload\":{payload}}}");
    let untimed = |sensor: &str, value: f64| Found::new(sensor, None, value).on("M1");
    assert_eq!(points(&message("71.5")), [untimed("x", 71.5)]);
    assert_eq!(points(&message("\"71.5\"")), [untimed("x", 71.5)]);
    assert_eq!(points(&message("true")), [untimed("x", 1.0)]);
    assert_eq!(points(&message("{\"value\":1.5,\"ts\":1700000000123}")), [found("x", 1.5)]);
    assert_eq!(points(&message("{\"A\":1,\"B\":2}")), [untimed("A", 1.0), untimed("B", 2.0)]);
    let list = "[{\"sensor_id\":\"A\",\"value\":1},{\"sensor_id\":\"B\",\"value\":\"x\"}]";
    let of_list = decoded(&message(list));
    assert_eq!((of_list.reasons(), of_list.points), (vec![Reason::NotANumber], vec![untimed("A", 1.0)]));
    assert_eq!(decoded(&message("\"hello\"")).reasons(), [Reason::NotANumber]);
    assert!(decoded(&message("\"hello\"")).rejects[0].1.contains("hello"));
    // A message in a message is an object of tags, however deep.
    let deep = format!("{}1{}", "{\"_msgid\":1,\"payload\":".repeat(20_000), "}".repeat(20_000));
    decoded(&deep);
    assert_eq!(decoded("{\"payload\":5,\"weight\":3}").points.len(), 2, "only what says that it is a message is one");
}

#[test]
fn typed_integers_of_sparkplug_are_what_their_type_says() {
    let value = |member: &str| {
        let found = decoded(&format!(r#"{{"ts":1700000000123,"metrics":[{{"name":"E",{member}}}]}}"#));
        (found.points.first().map(|point| point.value), found.reasons())
    };
    for (member, expected) in [
        (r#""longValue":5000000000"#, 5e9),
        (r#""longValue":"5000000000""#, 5e9),
        (r#""long_value":18446744073709551611"#, -5.0),
        (r#""longValue":"18446744073709551611","datatype":4"#, -5.0),
        (r#""intValue":2147483647"#, 2_147_483_647.0),
        (r#""intValue":-5"#, -5.0),
        (r#""int_value":4294967291,"datatype":3"#, -5.0),
        (r#""datatype":"Int16","intValue":4294967291"#, -5.0),
        (r#""intValue":4294967291,"dataType":"UInt32""#, 4_294_967_291.0),
        (r#""intValue":4294967291,"datatype":7"#, 4_294_967_291.0),
        (r#""doubleValue":4294967291.5"#, 4_294_967_291.5),
        (r#""boolean_value":true"#, 1.0),
        (r#""value":{"longValue":18446744073709551611}"#, -5.0),
    ] {
        assert_eq!(value(member), (Some(expected), vec![]), "{member}");
    }
    for (member, reason) in [
        (r#""intValue":4294967291"#, Reason::NotANumber),
        (r#""value":{"intValue":4294967291}"#, Reason::NotANumber),
        (r#""longValue":18446744073709551611,"datatype":8"#, Reason::OutOfRange),
        (r#""longValue":9007199254740993"#, Reason::OutOfRange),
        (r#""floatValue":"warm""#, Reason::NotANumber),
    ] {
        assert_eq!(value(member), (None, vec![reason]), "{member}");
    }
}

#[test]
fn a_quality_of_opc_da_is_bad_at_zero_in_quotes_too() {
    let aveva = |quality: &str| {
        points(&format!(r#"{{"values":[{{"id":"A","d":1,"dt":5,"ts":1700000000123,"q":{quality}}}]}}"#))
    };
    for (quality, expected) in [("0", Bad), ("\"0\"", Bad), ("\"192\"", Good)] {
        assert_eq!(aveva(quality), [found("A", 1.0).of_quality(expected)], "{quality}");
    }
}
