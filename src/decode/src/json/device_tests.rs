//! What devices were seen to print and mean: times and machines inside of messages, qualities under other names, values that
//! are none.

use super::super::collected::{Collected, Found};
use crate::Decoder;
use genims_model::Quality::{Bad, Good, Uncertain};
use genims_model::Reason;

const TIME_US: i64 = 1_700_000_000_123_000;
const BELOW: &str = "genims/v1/F1/L1/M1/tags";
const SENSOR: &str = "genims/v1/F1/L1/M1/TEMP";

fn decoded(topic: &str, payload: &str) -> Collected {
    let mut visitor = Collected { known: vec!["TEMP"], ..Collected::default() };
    Decoder::default().message(topic, payload.as_bytes(), &mut visitor);
    visitor
}

fn temp(timestamp_us: Option<i64>) -> Found {
    Found::new("TEMP", timestamp_us, 21.5).on("M1")
}

#[test]
fn the_time_of_the_sample_is_better_than_that_of_its_message() {
    let sample = "1700000000123";
    for payload in [
        r#"{"enqueuedTime":"2023-11-14T22:14:00Z","body":{"timestamp":T,"TEMP":21.5}}"#,
        r#"{"ts":1700000099000,"data":{"ts":T,"TEMP":21.5}}"#,
        r#"{"sent_at":"2023-11-14T22:14:00Z","data":{"measured_at":T,"TEMP":21.5}}"#,
        r#"{"end_device_ids":{"device_id":"d"},"uplink_message":{"received_at":"2023-11-14T22:14:00Z","decoded_payload":{"time":T,"TEMP":21.5}}}"#,
        r#"{"deduplicationId":"x","time":"2023-11-14T22:14:00Z","object":{"timestamp":T,"TEMP":21.5}}"#,
        // Inside of the value.
        r#"{"name":"TEMP","value":{"value":21.5,"timestamp":T}}"#,
        r#"{"Items":[{"Name":"TEMP","Value":{"Timestamp":T,"Value":21.5,"Good":true}}]}"#,
    ] {
        let payload = payload.replace(":T", &format!(":{sample}"));
        let found = decoded(BELOW, &payload);
        assert_eq!((found.points, found.rejects), (vec![temp(Some(TIME_US))], vec![]), "{payload}");
    }
    // What is no time inside is not meant.
    let found = decoded(BELOW, r#"{"ts":1700000000123,"data":{"time":"soon","TEMP":21.5}}"#);
    assert_eq!(found.points, [temp(Some(TIME_US))]);
}

#[test]
fn times_have_many_names_and_one_that_was_never_set_is_none() {
    let names =
        ["@timestamp", "TIME", "TS", "time_ms", "deviceTime", "last_updated", "last_changed", "received_at", "dateutc"];
    for name in names {
        for time in ["1700000000123", "\"2023-11-14T22:13:20.123Z\""] {
            let payload = format!(r#"{{"{name}":{time},"value":21.5}}"#);
            assert_eq!(decoded(SENSOR, &payload).points, [temp(Some(TIME_US))], "{payload}");
        }
    }
    let never =
        r#"{"Value":21.5,"SourceTimestamp":"0001-01-01T00:00:00Z","ServerTimestamp":"2023-11-14T22:13:20.123Z"}"#;
    for payload in [never.to_owned(), format!(r#"{{"TEMP":{never}}}"#)] {
        let found = decoded(BELOW, &payload.replace("\"Value\":21.5,", "\"Value\":21.5,\"name\":\"TEMP\","));
        assert_eq!((found.points, found.rejects), (vec![temp(Some(TIME_US))], vec![]), "{payload}");
    }
}

#[test]
fn a_sensor_of_a_line_is_one_of_the_topic_s_machine_if_the_catalogue_says_so() {
    let line = "press,sensor=TEMP value=21.5";
    assert_eq!(decoded(BELOW, line).points, [temp(None)]);
    let other = "press,sensor=SEN-9 value=21.5";
    assert_eq!(decoded(BELOW, other).points, [Found::new("SEN-9", None, 21.5)], "an id needs no machine");
}

#[test]
fn the_machine_inside_of_a_message_is_meant() {
    for payload in [
        r#"{"data":{"machine":"M2","TEMP":21.5}}"#,
        r#"{"name":"x","fields":{"TEMP":21.5},"tags":{"machine_id":"M2"},"timestamp":1700000000123}"#,
    ] {
        let found = decoded(BELOW, payload);
        let machines: Vec<_> = found.points.iter().map(|point| point.machine.as_deref()).collect();
        assert_eq!(machines, [Some("M2")], "{payload}");
    }
    // Where nothing else names it, beside another number too: its sensors are asked for, not those of no machine.
    for payload in
        [r#"{"data":{"machine":"M2","TEMP":21.5},"seq":1}"#, r#"{"seq":1,"msg":{"TEMP":21.5,"machine_id":"M2"}}"#]
    {
        let mut found = Collected { known: vec!["TEMP"], of_machine: Some("M2"), ..Collected::default() };
        Decoder::default().message("genims/v1/F1/readings", payload.as_bytes(), &mut found);
        let expected = Found::new("TEMP", None, 21.5).on("M2");
        assert_eq!((found.points, found.rejects), (vec![expected], vec![]), "{payload}");
    }
    // The name of a measurement need not be a machine.
    let found =
        decoded(BELOW, r#"{"name":"M2","fields":{"TEMP":21.5},"tags":{"host":"gw"},"timestamp":1700000000123}"#);
    assert_eq!(found.points, [temp(Some(TIME_US))]);
}

#[test]
fn what_may_be_hex_and_a_state_of_a_historian_are_no_values() {
    let line = decoded(BELOW, "M1 TEMP=00E1");
    assert_eq!((line.points.len(), line.reasons()), (0, vec![Reason::NotANumber]));
    assert_eq!(decoded(BELOW, "M1 TEMP=1E5").points, [Found::new("TEMP", None, 100_000.0).on("M1")]);
    for payload in [r#"{"value":"00E1"}"#, r#"{"value":"1E05"}"#, r#"{"value":"00e1"}"#] {
        let found = decoded(SENSOR, payload);
        assert_eq!((found.points.len(), found.reasons()), (0, vec![Reason::NotANumber]), "{payload}");
    }
    for payload in [r#"{"value":"1E5"}"#, r#"{"value":"1.0E05"}"#, r#"{"value":"1E+5"}"#, r#"{"value":1E05}"#] {
        assert_eq!(decoded(SENSOR, payload).points.len(), 1, "{payload}");
    }
    let state = r#"{"Timestamp":1700000000123,"Value":{"Name":"Pt Created","Value":253,"IsSystem":true},"Good":false}"#;
    let found = decoded(SENSOR, state);
    assert_eq!((found.points.len(), found.reasons()), (0, vec![Reason::NotANumber]));
}

#[test]
fn a_decimal_comma_in_a_line_is_told_and_stores_nothing() {
    for line in ["M1 TEMP=23,5,HUM=48", "M1 TEMP=1,234,HUM=48", "M1 TEMP=21,5,HUM=48,2,P=1013 1700000000123"] {
        let found = decoded("genims/v1/F1/readings", line);
        assert_eq!((found.points.len(), found.reasons()), (0, vec![Reason::MalformedPayload]), "{line}");
        assert!(found.rejects[0].1.contains("write the decimal mark as a point"), "{}", found.rejects[0].1);
    }
    let found = decoded("genims/v1/F1/readings", "M1 TEMP=21.5,5\\,a=1");
    assert_eq!(found.points.len(), 2, "{found:?}");
}

#[test]
fn a_quality_has_many_names() {
    for (member, expected) in [
        (r#""valid":false"#, Bad),
        (r#""is_valid":false"#, Bad),
        (r#""isValid":true"#, Good),
        (r#""isNull":true"#, Bad),
        (r#""isNull":false"#, Good),
        (r#""good":false"#, Bad),
        (r#""ok":false"#, Bad),
        (r#""Q":"Bad""#, Bad),
        (r#""QC":"Uncertain""#, Uncertain),
        (r#""sensorStatus":"BAD""#, Bad),
        (r#""opcQualityText":"Bad_NoCommunication""#, Bad),
        (r#""statusText":"badly tuned""#, Good),
        (r#""unit":"bar""#, Good),
        (r#""Questionable":true"#, Uncertain),
        (r#""Questionable":false"#, Good),
        (r#""Good":true,"Questionable":true"#, Uncertain),
        (r#""Questionable":true,"Good":true"#, Uncertain),
        (r#""Good":true,"Questionable":false,"Substituted":false"#, Good),
        (r#""Good":false,"Questionable":true"#, Bad),
        (r#""Questionable":true,"Good":false"#, Bad),
        (r#""Questionable":true,"valid":false"#, Bad),
        (r#""isUncertain":true"#, Uncertain),
        (r#""properties":{"Quality":{"type":"Int32","value":500}}"#, Uncertain),
        (r#""properties":{"Quality":{"type":"Int32","value":0}}"#, Bad),
        (r#""properties":{"Quality":{"type":"Int32","value":192}}"#, Good),
    ] {
        let expected = temp(None).of_quality(expected);
        let found = decoded(SENSOR, &format!(r#"{{"value":21.5,{member}}}"#));
        assert_eq!((found.points, found.rejects), (vec![expected.clone()], vec![]), "{member}");
        for list in [
            format!(r#"{{"metrics":[{{"name":"TEMP","value":21.5,{member}}}]}}"#),
            format!(r#"{{"TEMP":{{"value":21.5,{member}}}}}"#),
        ] {
            assert_eq!(decoded(BELOW, &list).points, std::slice::from_ref(&expected), "{list}");
        }
    }
    let kepware = r#"{"result":[{"id":"TEMP","s":false,"r":"bad","v":21.5,"t":1700000000123}]}"#;
    assert_eq!(decoded(BELOW, kepware).points, [temp(Some(TIME_US)).of_quality(Bad)]);
    for (flags, expected) in [
        (r#""Good":true,"Questionable":true"#, Uncertain),
        (r#""Questionable":true,"Good":false"#, Bad),
        (r#""Good":true,"Questionable":false"#, Good),
    ] {
        let expected = vec![temp(Some(TIME_US)).of_quality(expected)];
        let pi =
            format!(r#"{{"Items":[{{"Name":"TEMP","Value":{{"Timestamp":1700000000123,"Value":21.5,{flags}}}}}]}}"#);
        let found = decoded(BELOW, &pi);
        assert_eq!((&found.points, found.rejects), (&expected, vec![]), "{pi}");
        let tags = decoded(BELOW, &format!(r#"{{"TEMP":21.5,"timestamp":1700000000123,{flags}}}"#));
        assert_eq!((tags.points, tags.rejects), (expected, vec![]), "{flags}");
    }
    // Of tags words say nothing: they may be some.
    let tags = decoded(BELOW, r#"{"TEMP":21.5,"valid":true,"weldStatus":"Bad","s":false}"#);
    assert!(tags.points.contains(&temp(None)), "{tags:?}");
}

#[test]
fn a_line_says_its_quality_as_a_code_and_as_a_status() {
    for (line, expected) in [
        ("M1 TEMP=21.5,quality=0i", Good),
        ("M1 TEMP=21.5,quality=24i", Bad),
        ("M1 quality=64,TEMP=21.5", Uncertain),
        ("M1 TEMP=21.5,status=\"Bad\"", Bad),
        ("M1 TEMP=21.5,status=Bad", Bad),
        ("M1 status=\"BadNoCommunication\",TEMP=21.5", Bad),
        ("M1 TEMP=21.5,opcQuality=\"Uncertain\"", Uncertain),
        ("M1 TEMP=21.5,status=\"running\"", Good),
        ("M1 TEMP=21.5,status=\"Bad\",quality=\"good\"", Good),
        ("m,machine=M1,sensor=TEMP value=21.5,status=\"Bad\"", Bad),
        ("m,machine=M1,sensor=TEMP value=21.5,quality=24i", Bad),
    ] {
        let found = decoded("genims/v1/F1/readings", line);
        assert_eq!((found.points, found.rejects), (vec![temp(None).of_quality(expected)], vec![]), "{line}");
    }
    let sensor = decoded("genims/v1/F1/readings", "M1 quality=5");
    assert_eq!(sensor.points, [Found::new("quality", None, 5.0).on("M1")], "alone it is a value");
}

#[test]
fn a_time_that_is_not_read_is_told() {
    for payload in [
        r#"{"value":21.5,"datetime":"2026-11-30 05:58:18"}"#,
        r#"{"value":21.5,"Date":"2026-11-30","Time":"05:58:18"}"#,
        r#"{"value":21.5,"created_at":"30.11.2026 05:58:18"}"#,
        r#"{"value":21.5,"meta":{"ts":"2026-11-30T05:58:18"}}"#,
        r#"{"value":21.5,"metadata":{"created_at":"2026-11-30T05:58:18Z"}}"#,
        r#"{"TEMP":21.5,"datetime":"2026-11-30 05:58:18"}"#,
        r#"{"tags":[{"name":"TEMP","value":21.5,"datetime":"2026-11-30 05:58:18"}]}"#,
        // Under keys that nobody listed.
        r#"{"value":21.5,"stampUTC":"2026-11-30T05:58:18Z"}"#,
        r#"{"stampUTC":"2026-11-30 05:58:18","ts":null,"value":21.5}"#,
        r#"{"TEMP":21.5,"stampUTC":"30.11.2026 05:58:18"}"#,
        r#"{"tags":[{"name":"TEMP","value":21.5,"stampUTC":"2026-11-30T05:58:18Z"}]}"#,
        r#"{"stampUTC":"2026-11-30T05:58:18Z","tags":[{"name":"TEMP","value":21.5}]}"#,
        r#"{"data":{"TEMP":21.5,"stampUTC":"2026-11-30T05:58:18Z"}}"#,
        r#"{"_msgid":"a","payload":21.5,"stampUTC":"2026-11-30T05:58:18Z"}"#,
    ] {
        let found = decoded(SENSOR, payload);
        assert_eq!((found.points, found.rejects), (vec![temp(None)], vec![]), "{payload}");
        assert_eq!(found.remarks.len(), 1, "{payload}");
        assert!(found.remarks[0].contains("2026"), "{payload}: {:?}", found.remarks);
    }
    for payload in [
        r#"{"value":21.5,"datetime":"2026-11-30 05:58:18","ts":1700000000123}"#,
        r#"{"value":21.5,"header":{"timestamp":"2023-11-14T22:13:20.123Z"}}"#,
        r#"{"header":{"timestamp":"2023-11-14T22:13:20.123Z"},"body":{"TEMP":21.5}}"#,
        r#"{"metadata":{"timestamp":1700000000123},"payload":{"TEMP":21.5}}"#,
        r#"{"meta":{"ts":1700000000123},"TEMP":21.5}"#,
        r#"{"meta":{"ts":1600000000123},"value":21.5,"ts":1700000000123}"#,
        r#"{"value":21.5,"stampUTC":"2026-11-30T05:58:18Z","ts":1700000000123}"#,
        r#"{"value":21.5,"installed":"2020-11-30T05:58:18Z","header":{"ts":1700000000123}}"#,
        r#"{"ts":1700000000123,"tags":[{"name":"TEMP","value":21.5,"installed":"2020-11-30T05:58:18Z"}]}"#,
        r#"{"sentOn":"2026-11-30T05:58:18Z","tags":[{"name":"TEMP","value":21.5,"ts":1700000000123}]}"#,
        r#"{"sentOn":"2026-11-30T05:58:18Z","data":{"TEMP":21.5,"ts":1700000000123}}"#,
        r#"{"ts":1700000000123,"data":{"TEMP":21.5,"installed":"2020-11-30T05:58:18Z"}}"#,
        r#"{"_msgid":"a","sentOn":"2026-11-30T05:58:18Z","payload":{"TEMP":21.5,"ts":1700000000123}}"#,
        r#"{"_msgid":"a","ts":1700000000123,"payload":{"TEMP":21.5,"installed":"2020-11-30T05:58:18Z"}}"#,
    ] {
        let found = decoded(SENSOR, payload);
        assert_eq!((found.points, found.rejects), (vec![temp(Some(TIME_US))], vec![]), "{payload}");
        assert_eq!(found.remarks, [""; 0], "{payload}");
    }
    // No times, however long.
    for text in ["8949020000001234567", "10.0.1-rc.3 of 2026-11-30", "192.168.100.100/24:80", "2026-11-30 (the third)"]
    {
        let found = decoded(SENSOR, &format!(r#"{{"value":21.5,"part":"{text}"}}"#));
        assert_eq!((found.points, found.remarks), (vec![temp(None)], vec![]), "{text}");
    }
    for payload in [
        r#"{"Date":"2026-11-30T00:00:00Z","Time":"04:58:18","value":21.5}"#,
        r#"{"Time":"04:58:18","Date":"2026-11-30T00:00:00Z","value":21.5}"#,
    ] {
        let found = decoded(SENSOR, payload);
        assert_eq!((found.points.len(), found.reasons()), (0, vec![Reason::BadTimestamp]), "{payload}");
    }
}

#[test]
fn a_broken_line_costs_no_neighbour() {
    for (payload, values, broken) in [
        ("{\"TEMP\":21.5}\r\n{\"TEMP\":\r\n{\"TEMP\":48}\r\n", &[21.5, 48.0][..], &["{\"TEMP\":"][..]),
        ("{\"TEMP\":21.5}\n{\"TEMP\":47,\n{\"TEMP\":48}\n", &[21.5, 48.0], &["{\"TEMP\":47,"]),
        ("{\"TEMP\":21.5}\nERROR: timeout\n{\"TEMP\":49}", &[21.5, 49.0], &["ERROR: timeout"]),
        ("{\"TEMP\":21.5}\nOK", &[21.5], &["OK"]),
        ("{\"TEMP\":[1,\n{\"TEMP\":48}", &[], &["{\"TEMP\":[1,\n{\"TEMP\":48}"]),
        ("{\"TEMP\":21.5}\n}\n", &[], &["{\"TEMP\":21.5}\n}"]),
    ] {
        let found = decoded(BELOW, payload);
        let found_values: Vec<f64> = found.points.iter().map(|point| point.value).collect();
        assert_eq!(
            (found_values.as_slice(), found.fragments()),
            (values, broken.iter().map(|&at| at.to_owned()).collect()),
            "{payload}"
        );
    }
}

#[test]
fn a_unit_without_quotes_costs_one_tag_and_says_what_to_write() {
    let found = decoded(BELOW, r#"{"TEMP":21.5 °C,"HUM":48}"#);
    assert_eq!(found.points, [Found::new("HUM", None, 48.0).on("M1")]);
    assert_eq!(found.reasons(), [Reason::NotANumber]);
    assert!(found.rejects[0].1.ends_with("write the number alone, without a unit"), "{:?}", found.rejects);
    let single = decoded(SENSOR, r#"{"value": 12 kWh}"#);
    assert!(single.rejects[0].1.ends_with("write the number alone, without a unit"), "{:?}", single.rejects);
    let missing = decoded(BELOW, r#"{"TEMP":21.5 "HUM":48}"#);
    assert_eq!((missing.points.len(), missing.reasons()), (0, vec![Reason::MalformedPayload]));
}

#[test]
fn a_reason_says_what_to_write_for_this_input() {
    for (payload, told) in [
        ("21.5\r\n21.6", "send one value a message"),
        ("21.5;22.5;23.5", "what has several columns is written as JSON"),
        ("200,c8y_Temperature,T,21.5,C", "what has several columns is written as JSON"),
        ("2026-11-30T05:58:18Z;21.5", "what has several columns is written as JSON"),
        ("[21,5]", "write one number, its decimal mark as a point"),
        ("[\"2026-11-30T05:58:18Z\",21.5]", "under the names of their sensors"),
        ("RUNNING", "in the states of the topic's [[topics]] template"),
        ("M1 TEMP=21.5 HUM=48", "write a comma there"),
    ] {
        let found = decoded(SENSOR, payload);
        assert!(found.points.is_empty() && !found.rejects.is_empty(), "{payload}: {found:?}");
        assert!(found.rejects.iter().all(|reject| reject.1.contains(told)), "{payload}: {found:?}");
    }
}

#[test]
fn an_entry_that_says_good_is_good_in_a_message_that_says_bad() {
    for held in [
        r#"[{"name":"TEMP","value":21.5,"quality":"good"},{"name":"HUM","value":1}]"#,
        r#"{"values":[{"id":"TEMP","v":21.5,"q":192},{"id":"HUM","v":1}]}"#,
        "{\"name\":\"TEMP\",\"value\":21.5,\"quality\":\"good\"}\n{\"name\":\"HUM\",\"value\":1}",
    ] {
        let text = serde_json::Value::from(held).to_string();
        let found = decoded(BELOW, &format!(r#"{{"_msgid":"a","quality":"bad","payload":{text}}}"#));
        let hum = Found::new("HUM", None, 1.0).on("M1").of_quality(Bad);
        assert_eq!((found.points, found.rejects), (vec![temp(None), hum], vec![]), "{held}");
    }
}
