//! What devices were seen to print and mean: times and machines inside of messages, qualities under other names, values that
//! are none.

use super::super::collected::{Collected, Found};
use crate::Decoder;
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
    // The name of a measurement need not be a machine.
    let found =
        decoded(BELOW, r#"{"name":"M2","fields":{"TEMP":21.5},"tags":{"host":"gw"},"timestamp":1700000000123}"#);
    assert_eq!(found.points, [temp(Some(TIME_US))]);
}

#[test]
fn what_may_be_hex_and_a_state_of_a_historian_are_no_values() {
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
