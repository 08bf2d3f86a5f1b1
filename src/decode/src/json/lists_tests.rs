//! Lists in every place of a message, and what else stands beside that which it says: nothing of it goes without a word.

use super::super::collected::{Collected, Found, come_back};
use crate::Decoder;
use genims_model::Reason::NotANumber;

const TIME_US: Option<i64> = Some(1_700_000_000_123_000);
const TAGS: &str = "genims/v1/F1/L1/M1/tags";
const TEMP: &str = "genims/v1/F1/L1/M1/TEMP";
const BATCH: &str = "genims/v1/F1/readings";
const KNOWN: [&str; 3] = ["TEMP", "HUM", "BATT"];

/// What a message makes where the catalogue has these sensors, and no machine that is called as one of them.
fn decoded(topic: &str, known: &[&'static str], payload: impl AsRef<[u8]>) -> Collected {
    let mut visitor = Collected { known: known.to_vec(), knows_no_machine: true, ..Collected::default() };
    Decoder::default().message(topic, payload.as_ref(), &mut visitor);
    visitor
}

fn of(sensor: &str, value: f64) -> Found {
    Found::new(sensor, None, value).on("M1")
}

fn timed(sensor: &str, value: f64) -> Found {
    Found::new(sensor, TIME_US, value).on("M1")
}

fn sorted(mut found: Collected) -> Collected {
    found.points.sort_by(|a, b| (&a.sensor, a.value).partial_cmp(&(&b.sensor, b.value)).unwrap());
    found
}

/// What a message below `topic` makes, and nothing is set aside or remarked upon.
#[track_caller]
fn taken(topic: &str, payload: &str, expected: &[Found]) {
    let found = sorted(decoded(topic, &KNOWN, payload));
    assert_eq!(found.points, expected, "{payload}");
    assert_eq!((found.rejects, found.remarks), (vec![], Vec::<String>::new()), "{payload}");
}

#[test]
fn every_entry_of_a_list_beside_a_number_is_looked_at() {
    let both = [of("BATT", 3.6), of("TEMP", 5.0)];
    let payload = r#"{"BATT":3.6,"data":[{"addr":1,"val":5},{"name":"TEMP","value":5}]}"#;
    let found = sorted(decoded(TAGS, &KNOWN, payload));
    assert_eq!((found.points.as_slice(), found.rejects.len()), (&both[..], 1), "the first entry names nobody");
    come_back(TAGS, &found);
    let rows = decoded(TAGS, &KNOWN, r#"{"BATT":3.6,"rows":[{"NEWCOL":1},{"TEMP":2}]}"#);
    assert_eq!(rows.points, [of("BATT", 3.6), of("NEWCOL", 1.0), of("TEMP", 2.0)], "and nobody's column is set aside");
    let empty = sorted(decoded(TAGS, &KNOWN, r#"{"BATT":3.6,"data":[{},{"name":"TEMP","value":5}]}"#));
    assert_eq!(empty.points, both);
    taken(TAGS, r#"{"BATT":3.6,"data":[null,{"name":"TEMP","value":5}]}"#, &both);
}

#[test]
fn several_lists_and_lists_of_lists_are_taken() {
    let two = r#"{"BATT":3.6,"io":[{"id":"TEMP","v":5}],"ai":[{"id":"HUM","v":6}]}"#;
    taken(TAGS, two, &[of("BATT", 3.6), of("HUM", 6.0), of("TEMP", 5.0)]);
    let same = r#"{"BATT":3.6,"io":[{"id":"TEMP","v":5}],"ai":[{"id":"TEMP","v":6}]}"#;
    taken(TAGS, same, &[of("BATT", 3.6), of("TEMP", 5.0), of("TEMP", 6.0)]);
    for nested in [
        r#"{"BATT":3.6,"slots":[[{"name":"TEMP","value":5}]]}"#,
        r#"{"BATT":3.6,"slots":[[[{"name":"TEMP","value":5}]],[]]}"#,
        r#"{"BATT":3.6,"a":{"slots":[{"name":"TEMP","value":5}]}}"#,
        r#"{"BATT":3.6,"records":[{"seq":1,"values":{"TEMP":5}}]}"#,
        r#"{"BATT":3.6,"d":[{"name":"TEMP","value":5}]}"#,
        r#"{"data":[{"name":"TEMP","value":5}],"payload":{"BATT":3.6}}"#,
    ] {
        taken(TAGS, nested, &[of("BATT", 3.6), of("TEMP", 5.0)]);
    }
    // Of a sensor that the catalogue lacks the value is set aside under its name, whatever stands around it.
    let new = decoded(TAGS, &KNOWN, r#"{"values":{"TEMP":5},"io":[{"name":"NEW","value":2}]}"#);
    assert_eq!(new.points, [of("TEMP", 5.0), of("NEW", 2.0)]);
    for deep in [r#"{"BATT":3.6,"x":"#.to_owned() + &"[".repeat(60_000), r#"{"x":[{"name":"TEMP","#.repeat(5_000)] {
        decoded(TAGS, &KNOWN, deep);
    }
    let entries = format!("{}{}{}", r#"{"BATT":1,"x":[{"TEMP":2,"y":"#.repeat(2_000), "3", "}]}".repeat(2_000));
    decoded(TAGS, &KNOWN, entries);
}

#[test]
fn a_list_inside_of_an_envelope_is_taken() {
    let both = [of("BATT", 3.6), of("TEMP", 21.5)];
    for payload in [
        r#"{"end_device_ids":{"device_id":"d"},"uplink_message":{"f_port":1,"decoded_payload":{"BATT":3.6,"data":[{"name":"TEMP","value":21.5}]},"rx_metadata":[{"rssi":-35}]}}"#,
        r#"{"deviceInfo":{"devEui":"01"},"fCnt":4,"object":{"BATT":3.6,"messages":[{"name":"TEMP","value":21.5}]},"rxInfo":[{"rssi":-48}]}"#,
        r#"{"state":{"reported":{"BATT":3.6,"tags":[{"name":"TEMP","value":21.5}]},"desired":{"BATT":4}}}"#,
        r#"{"data":{"BATT":3.6,"values":{"TEMP":21.5}}}"#,
        r#"{"topic":"x","payload":{"BATT":3.6,"data":[{"name":"TEMP","value":21.5}]}}"#,
    ] {
        taken(TAGS, payload, &both);
    }
    taken(TAGS, r#"{"device":{"tags":[{"name":"TEMP","value":21.5}]},"RSSI":-50}"#, &[of("TEMP", 21.5)]);
}

#[test]
fn entries_with_a_time_of_their_own_are_readings_beside_the_same_tags() {
    let history = r#""history":[{"timestamp":1700000000123,"TEMP":20.5,"HUM":47}]"#;
    let expected = [timed("HUM", 47.0), of("HUM", 48.0), timed("TEMP", 20.5), of("TEMP", 21.5)];
    taken(TAGS, &format!(r#"{{"TEMP":21.5,"HUM":48,{history}}}"#), &expected);
    taken(TAGS, &format!(r#"{{"n":7,"readings":{{"TEMP":21.5,"HUM":48,{history}}}}}"#), &expected);
    taken(TAGS, &format!(r#"{{"values":{{"TEMP":21.5,"HUM":48}},{history}}}"#), &expected);
    // Of a single value, too.
    let entries = r#"[{"value":20.5,"ts":1700000000123}]"#;
    for payload in [
        format!(r#"{{"value":21.5,"history":{entries}}}"#),
        format!(r#"{{"sensor_id":"TEMP","value":21.5,"history":{entries}}}"#),
    ] {
        taken(TEMP, &payload, &[timed("TEMP", 20.5), of("TEMP", 21.5)]);
    }
    let new = decoded(TAGS, &KNOWN, r#"{"TEMP":21.5,"NEW":3,"history":[{"ts":1700000000123,"TEMP":20.5}]}"#);
    assert!(new.points.contains(&of("NEW", 3.0)), "it is set aside under its name: {new:?}");
}

#[test]
fn the_history_of_a_known_tag_stands_beside_numbers() {
    let both = [of("BATT", 3.6), timed("TEMP", 21.5)];
    let entries = r#"[{"value":21.5,"timestamp":1700000000123}]"#;
    for payload in [
        format!(r#"{{"TEMP":{entries},"BATT":3.6}}"#),
        format!(r#"{{"BATT":3.6,"TEMP":{{"values":{entries}}}}}"#),
        // ThingsPro of Moxa.
        format!(r#"{{"BATT":3.6,"tags":{{"dev":{{"TEMP":{{"values":{entries}}}}}}}}}"#),
        format!(r#"{{"BATT":3.6,"data":{{"TEMP":{entries}}}}}"#),
    ] {
        taken(TAGS, &payload, &both);
    }
    let new = decoded(TAGS, &KNOWN, format!(r#"{{"TEMP":{entries},"NEW":1}}"#));
    assert_eq!(new.points, [timed("TEMP", 21.5), of("NEW", 1.0)], "one tag among others");
    let bad = decoded(TAGS, &KNOWN, r#"{"TEMP":[{"value":21.5},{"value":"x"}],"BATT":3.6}"#);
    assert_eq!((bad.points.len(), bad.reasons()), (2, vec![NotANumber]));
    come_back(TAGS, &bad);
}

#[test]
fn known_tags_beside_values_and_lists_are_taken() {
    let both = [of("HUM", 4.0), of("TEMP", 5.0)];
    for payload in [
        r#"{"HUM":4,"tags":[{"name":"TEMP","value":5}]}"#,
        r#"{"HUM":4,"metrics":[{"name":"TEMP","value":5}]}"#,
        r#"{"HUM":4,"values":{"TEMP":5}}"#,
        r#"{"HUM":4,"d":{"TEMP":5},"seq":8}"#,
        r#"{"HUM":4,"vals":[{"id":"TEMP","val":5}],"seq":8}"#,
        r#"{"HUM":4,"d":{"tags":[{"name":"TEMP","value":5}]}}"#,
    ] {
        taken(TAGS, payload, &both);
    }
}

#[test]
fn what_may_be_readings_and_is_not_taken_is_remarked_upon() {
    for (payload, what) in [
        (r#"{"TEMP":21.5,"limits":[{"name":"TEMP","value":80},{"name":"HUM","value":90}]}"#, "limits"),
        (r#"{"TEMP":21.5,"forecast":[{"TEMP":25}]}"#, "forecast"),
        (r#"{"TEMP":21.5,"data":[{"a":1}]}"#, "data"),
        (r#"{"TEMP":21.5,"alarms":[{"value":1}]}"#, "alarms"),
        (r#"{"values":{"TEMP":21.5},"limits":[{"name":"TEMP","value":80}]}"#, "limits"),
        (r#"{"values":{"TEMP":21.5},"points":{"HUM":2}}"#, "points"),
        (r#"{"values":{"TEMP":21.5},"TEMP":22}"#, "TEMP"),
        (r#"{"name":"TEMP","value":21.5,"d":{"HUM":2}}"#, "d"),
    ] {
        let found = decoded(TAGS, &KNOWN, payload);
        assert_eq!((found.points, found.rejects), (vec![of("TEMP", 21.5)], vec![]), "{payload}");
        assert_eq!(found.remarks, [what], "{payload}");
    }
    // What is plainly something else is none: text, bare numbers, addresses, what the network says.
    for payload in [
        r#"{"TEMP":21.5,"note":"ok","list":[1,2],"names":["a"],"gateways":[{"mac":"00:11"}]}"#,
        r#"{"values":{"TEMP":21.5},"gateways":[{"rssi":-50}],"seq":7}"#,
    ] {
        taken(TAGS, payload, &[of("TEMP", 21.5)]);
    }
}

#[test]
fn a_value_in_a_wrapper_is_the_topic_s_sensor_s() {
    let event = r#"{"specversion":"1.0","id":"7","source":"/press","type":"reading","data":{"value":21.5,"timestamp":1700000000123}}"#;
    for payload in [
        event,
        r#"{"data":{"value":21.5,"timestamp":1700000000123}}"#,
        r#"{"payload":{"value":21.5,"timestamp":1700000000123}}"#,
        r#"{"payload":{"v":21.5},"ts":1700000000123}"#,
    ] {
        taken(TEMP, payload, &[timed("TEMP", 21.5)]);
    }
    for key in ["metrics", "io", "d"] {
        let list = format!(r#"{{"value":21.5,"{key}":[{{"name":"HUM","value":5}}]}}"#);
        taken(TEMP, &list, &[of("HUM", 5.0), of("TEMP", 21.5)]);
    }
    taken(TAGS, r#"{"data":{"name":"TEMP","value":21.5,"timestamp":1700000000123}}"#, &[timed("TEMP", 21.5)]);
    taken(TEMP, r#"{"data":{"value":21.5},"BATT":3.6}"#, &[of("BATT", 3.6), of("TEMP", 21.5)]);
    let of_batch = decoded(BATCH, &KNOWN, r#"{"data":{"sensor_id":"S1","value":5}}"#);
    assert_eq!(of_batch.points, [Found::new("S1", None, 5.0)]);
}

#[test]
fn the_history_of_whom_an_entry_names_is_taken() {
    let history = r#"{"BATT":3.6,"series":[{"name":"TEMP","values":[{"ts":1700000000123,"value":21.5}]}]}"#;
    taken(TAGS, history, &[of("BATT", 3.6), timed("TEMP", 21.5)]);
    let of_moxa = r#"{"tags":{"dev":{"TEMP":{"values":[{"updateTimeStamp":1700000000123000,"value":21.5}]}}}}"#;
    taken(TAGS, of_moxa, &[timed("TEMP", 21.5)]);
    // A value without a name is nobody's, whoever stands before it.
    let mixed = r#"{"BATT":3.6,"series":[{"name":"TEMP","values":[{"value":21.5}]},{"value":5}]}"#;
    let found = sorted(decoded(TAGS, &KNOWN, mixed));
    assert_eq!((found.points, found.rejects.len()), (vec![of("BATT", 3.6), of("TEMP", 21.5)], 1));
}

#[test]
fn what_is_known_far_inside_of_a_list_is_remarked_upon() {
    for payload in [
        r#"{"TEMP":21.5,"a":[{"b":{"HUM":6}}]}"#,
        r#"{"TEMP":21.5,"a":[{"b":[{"HUM":6}]}]}"#,
        r#"{"values":{"TEMP":21.5},"a":[{"b":[{"c":{"HUM":6}}]}]}"#,
        r#"{"TEMP":21.5,"a":[{"b":[{"name":"HUM","value":6}]}]}"#,
        r#"{"TEMP":21.5,"a":[{"id":"x","b":[{"id":"y","c":[{"name":"HUM","value":6}]}]}]}"#,
    ] {
        let found = decoded(TAGS, &KNOWN, payload);
        assert_eq!((found.points, found.remarks), (vec![of("TEMP", 21.5)], vec!["a".to_owned()]), "{payload}");
    }
}

/// Lists in entries of lists are read once more for each level: they are followed so far and no further.
#[test]
fn what_is_too_deep_is_remarked_upon() {
    let nested = |deep: usize| {
        let (open, close) = (r#"{"tags":["#.repeat(deep), "]}".repeat(deep));
        format!(r#"{{"TEMP":21.5,"x":[{open}{{"name":"NEW","value":5}}{close}]}}"#)
    };
    let found = decoded(TAGS, &KNOWN, nested(40));
    assert_eq!((found.points, found.remarks), (vec![of("TEMP", 21.5)], vec!["x".to_owned()]));
}

#[test]
fn tags_beside_errors_are_taken() {
    taken(TAGS, r#"{"TEMP":21.5,"errors":{}}"#, &[of("TEMP", 21.5)]);
    let found = decoded(TAGS, &KNOWN, r#"{"TEMP":21.5,"errors":{"HUM":3}}"#);
    assert_eq!((found.points, found.rejects.len()), (vec![of("TEMP", 21.5)], 1));
    let silent = decoded(TAGS, &KNOWN, r#"{"node":"n","group":"g","timestamp":1700000000123,"errors":{}}"#);
    assert_eq!((silent.points, silent.rejects), (vec![], vec![]));
}

/// A message and a named value say one thing: what is known beside it is not taken.
#[test]
fn what_is_known_beside_a_payload_or_a_named_value_is_remarked_upon() {
    let temp = |topic: &str, payload: &str, what: &str| {
        let found = decoded(topic, &KNOWN, payload);
        assert_eq!((found.points, found.rejects), (vec![of("TEMP", 5.0)], vec![]), "{payload}");
        assert_eq!(found.remarks, [what], "{payload}");
    };
    for (beside, what) in [
        (r#""HUM":4"#, "HUM"),
        (r#""HUM":"4""#, "HUM"),
        (r#""HUM":true"#, "HUM"),
        (r#""x":{"HUM":4}"#, "x"),
        (r#""data":{"HUM":4}"#, "data"),
        (r#""tags":{"HUM":4}"#, "tags"),
    ] {
        temp(TAGS, &format!(r#"{{"_msgid":"a","payload":{{"TEMP":5}},{beside}}}"#), what);
        temp(TAGS, &format!(r#"{{{beside},"topic":"a/TEMP","payload":5}}"#), what);
        temp(TAGS, &format!(r#"{{"sensor":"TEMP","value":5,{beside}}}"#), what);
        temp(TAGS, &format!(r#"{{"sensor_id":"TEMP",{beside},"value":5}}"#), what);
        temp(TEMP, &format!(r#"{{"value":5,{beside}}}"#), what);
    }
    temp(TAGS, r#"{"name":"TEMP","value":5,"payload":{"HUM":4}}"#, "payload");
    for beside in [r#""seq":4"#, r#""unit":"C""#, r#""HUM":"dry""#, r#""HUM":null"#, r#""x":{"seq":4}"#, r#""ok":true"#]
    {
        taken(TAGS, &format!(r#"{{"_msgid":"a","qos":0,"payload":{{"TEMP":5}},{beside}}}"#), &[of("TEMP", 5.0)]);
        taken(TAGS, &format!(r#"{{"sensor_id":"TEMP","value":5,{beside}}}"#), &[of("TEMP", 5.0)]);
    }
}
