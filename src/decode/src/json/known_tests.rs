//! What can be read in two ways, or as nothing, is read by what the catalogue has.

use super::super::collected::{Collected, Found, decoded as decoded_under};
use genims_model::Quality::{Bad, Good, Uncertain};
use genims_model::Reason::{MalformedPayload, NotANumber};

const TIME_US: Option<i64> = Some(1_700_000_000_123_000);
const TAGS: &str = "genims/v1/F1/L1/M1/tags";

fn decoded(known: &[&'static str], payload: impl AsRef<[u8]>) -> Collected {
    decoded_under(TAGS, known, payload)
}

fn points(known: &[&'static str], payload: &str) -> Vec<Found> {
    let found = decoded(known, payload);
    assert_eq!(found.rejects, [], "{payload}");
    found.points
}

fn untimed(sensor: &str, value: f64) -> Found {
    Found::new(sensor, None, value).on("M1")
}

/// Set aside, sent again, set aside again as it was.
fn come_back(known: &[&'static str], found: &Collected) {
    for (reason, detail, fragment) in &found.rejects {
        let again = decoded(known, fragment);
        assert_eq!((again.points.len(), again.rejects), (0, vec![(*reason, detail.clone(), fragment.clone())]));
    }
}

#[test]
fn what_is_no_number_of_a_known_sensor_is_set_aside_under_its_name() {
    const KNOWN: [&str; 7] = ["TEMP", "P", "V", "L", "IN.O", "N", "B"];
    let payload = r#"{"ts":1700000000123,"TEMP":"warm","P":"1,5","V":[],"L":["x"],"IN":{"O":{"a":"b"}},"N":null,"B":" ","note":"ok","list":[1],"X":2}"#;
    let found = decoded(&KNOWN, payload);
    assert_eq!(found.points, [Found::new("X", TIME_US, 2.0).on("M1")]);
    assert_eq!(found.reasons(), [NotANumber; 5]);
    for (reject, told) in found.rejects.iter().zip([
        "TEMP: the value is no number: `\\\"warm\\\"`; write a number",
        "P: the value is no number: `\\\"1,5\\\"`; write the decimal mark",
        "V: the value is no number: `[]`; write one number",
        "L: the value is no number: `[\\\"x\\\"]`",
        "IN.O: the value is no number: `{",
    ]) {
        assert!(reject.1.starts_with(told), "{} is not {told}", reject.1);
    }
    assert_eq!(found.fragments()[0], r#"{"timestamp_us":1700000000123000,"machine_id":"M1","values":{"TEMP":"warm"}}"#);
    come_back(&KNOWN, &found);
    // Of sensors that nobody knows the same are remarks.
    assert_eq!(points(&[], payload), [Found::new("X", TIME_US, 2.0).on("M1")]);
}

#[test]
fn a_list_of_phases_is_a_reading_each_where_the_catalogue_has_them() {
    let payload = r#"{"ENERGY":{"Power":[1,2,null,"x"],"Voltage":[230,231.5],"Current":[1,2],"by_minute":[3,4]}}"#;
    let found = decoded(&["ENERGY.Power_1", "ENERGY.Voltage1", "ENERGY.Voltage2", "ENERGY.Current"], payload);
    let expected = [
        untimed("ENERGY.Power_1", 1.0),
        untimed("ENERGY.Power_2", 2.0),
        untimed("ENERGY.Voltage1", 230.0),
        untimed("ENERGY.Voltage2", 231.5),
    ];
    assert_eq!((found.points.as_slice(), found.reasons()), (&expected[..], vec![NotANumber; 2]));
    assert!(found.rejects[0].1.starts_with("ENERGY.Power_4: "), "{}", found.rejects[0].1);
    assert!(found.rejects[1].1.starts_with("ENERGY.Current: "), "{}", found.rejects[1].1);
    for broken in ["[1,,2]", "[1 2]", "[[1],{\"a\":2}]", "[,]", "[NaN]"] {
        decoded(&["T_1"], format!("{{\"T\":{broken}}}"));
    }
}

#[test]
fn a_tag_called_value_hides_no_other() {
    let payload = r#"{"value":21.5,"pressure":3,"unit":"C"}"#;
    assert_eq!(points(&["pressure"], payload), [untimed("value", 21.5), untimed("pressure", 3.0)]);
    assert_eq!(points(&["pressure", "tags"], payload), [untimed("tags", 21.5)], "it is the topic's sensor");
    assert_eq!(points(&[], payload), [untimed("tags", 21.5)]);
    let of_topic = decoded_under("genims/v1/F1/L1/M1/TEMP", &["TEMP", "pressure"], payload);
    assert_eq!(of_topic.points, [untimed("TEMP", 21.5)]);

    let nested = r#"{"motor":{"value":5,"current":3,"x":1}}"#;
    let (motor, current) = (untimed("motor", 5.0), untimed("motor.current", 3.0));
    assert_eq!(points(&["motor", "motor.current"], nested), [motor.clone(), current.clone()]);
    let expected = [untimed("motor.value", 5.0), current, untimed("motor.x", 1.0)];
    assert_eq!(points(&["motor.current"], nested), expected);
    assert_eq!(points(&[], nested), [motor]);
}

#[test]
fn a_name_counts_below_a_level_that_is_no_sensor() {
    let payload = r#"{"name":"U1","value":3}"#;
    assert_eq!(points(&[], payload), [untimed("U1", 3.0)]);
    for (topic, known, expected) in [
        ("machine-data", &["U1"][..], "U1"),
        ("machine-data", &[], "machine-data"),
        ("TEMP", &["TEMP", "U1"], "TEMP"),
        ("TEMP", &["TEMP"], "TEMP"),
    ] {
        let found = decoded_under(&format!("genims/v1/F1/L1/M1/{topic}"), known, payload);
        assert_eq!((found.points, found.rejects), (vec![untimed(expected, 3.0)], vec![]), "{topic} {known:?}");
    }
    assert_eq!(points(&[], r#"{"id":7,"value":3}"#), [untimed("tags", 3.0)]);
}

#[test]
fn samples_of_opc_publisher_name_a_node_and_hold_a_data_value() {
    let sample = |node: &str, value: &str| {
        format!(
            r#"{{"NodeId":"{node}","EndpointUrl":"opc.tcp://h:4840","ApplicationUri":"urn:x","Timestamp":"2001-01-01T00:00:00Z",
            "Value":{{{value}"SourceTimestamp":"2023-11-14T22:13:20.123Z","ServerTimestamp":"2002-01-01T00:00:00Z"}}}}"#
        )
    };
    let temp = Found::new("TEMP", TIME_US, 71.5).on("M1");
    for value in [r#""Value":71.5,"#, r#""Value":71.5,"StatusCode":0,"#, r#""Value":{"Type":11,"Body":71.5},"#] {
        for node in ["TEMP", "s=TEMP", "ns=2;s=TEMP", "nsu=http://microsoft.com/Opc/OpcPlc/;s=TEMP"] {
            let one = sample(node, value);
            assert_eq!(points(&[], &one), std::slice::from_ref(&temp), "{one}");
            assert_eq!(points(&[], &format!("[{one},{one}]")), [temp.clone(), temp.clone()]);
        }
    }
    // A node id that the catalogue has whole, and one without a name.
    let whole = "ns=2;s=TEMP";
    assert_eq!(points(&[whole], &sample(whole, r#""Value":1,"#))[0].sensor, whole);
    assert_eq!(points(&[], &sample("i=2258", r#""Value":1,"#))[0].sensor, "i=2258");
    for (code, expected) in
        [("0", Good), ("1073741824", Uncertain), (r#"{"Code":2147483648,"Symbol":"Bad"}"#, Bad), (r#""Bad""#, Bad)]
    {
        let found = points(&[], &sample("TEMP", &format!(r#""Value":1,"StatusCode":{code},"#)));
        assert_eq!(found[0].quality, expected, "{code}");
    }
    let unread = decoded(&[], sample("TEMP", r#""StatusCode":{"Code":2150891520},"#));
    assert_eq!((unread.points.len(), unread.reasons()), (0, vec![NotANumber]));
    assert!(unread.rejects[0].1.contains("could not read"), "{}", unread.rejects[0].1);
    come_back(&[], &unread);
    let of_batch = decoded_under("genims/v1/F1/readings", &[], sample("ns=2;s=TEMP", r#""Value":71.5,"#));
    assert_eq!(of_batch.points, [Found::new("TEMP", TIME_US, 71.5)]);
}

#[test]
fn opc_publisher_names_nodes_for_people_too() {
    let sample = |node: &str, name: &str| {
        format!(
            r#"{{"NodeId":"{node}","DisplayName":"{name}","EndpointUrl":"opc.tcp://h:4840","Value":{{"Value":1.5}}}}"#
        )
    };
    let sensor = |known: &[&'static str], node: &str, name: &str| {
        let found = points(known, &sample(node, name));
        assert_eq!(found.len(), 1, "{node} {name}");
        found[0].sensor.clone()
    };
    // What the catalogue has, in this order; else the identifier if it is a name, else the name.
    assert_eq!(sensor(&["ns=2;s=A", "A", "Temp"], "ns=2;s=A", "Temp"), "ns=2;s=A");
    assert_eq!(sensor(&["A", "Temp"], "ns=2;s=A", "Temp"), "A");
    assert_eq!(sensor(&["Temp"], "ns=2;s=A", "Temp"), "Temp");
    assert_eq!(sensor(&[], "ns=2;s=A", "Temp"), "A");
    for node in [
        "i=2258",
        "ns=3;i=1001",
        "nsu=urn:plc;g=09087e75-8e5e-499b-954f-f2a9603db28a",
        "ns=1;b=M/RbKBsRVkePCePcx24oRA==",
    ] {
        assert_eq!(sensor(&[], node, "Temp"), "Temp", "{node}");
        assert_eq!(sensor(&[], node, " "), node, "a blank name is none");
    }
    assert_eq!(points(&[], r#"{"DisplayName":"Temp","Value":{"Value":1.5}}"#), [untimed("Temp", 1.5)]);
    let below = decoded_under("genims/v1/F1/L1/M1/TEMP", &["TEMP"], sample("i=1", "Temp"));
    assert_eq!(below.points, [untimed("TEMP", 1.5)], "the topic names a sensor");
}

#[test]
fn what_stands_twice_in_a_value_of_opc_ua_is_at_fault_there_too() {
    for payload in [
        r#"{"sensor_id":"A","value":1,"StatusCode":0,"StatusCode":2147483648}"#,
        r#"{"sensor_id":"A","value":1,"Status":"Good","Status":"Bad"}"#,
        r#"{"sensor_id":"A","value":{"Value":1,"StatusCode":0,"StatusCode":2147483648}}"#,
        r#"{"sensor_id":"A","value":{"Value":1,"SourceTimestamp":1700000000,"SourceTimestamp":1700000001}}"#,
        r#"{"sensor_id":"A","value":{"Value":{"Body":1,"Body":2}}}"#,
        r#"{"DataSetWriterId":1,"Status":2147483648,"Status":0,"Payload":{"A":1}}"#,
    ] {
        let found = decoded(&[], payload);
        assert_eq!((found.points.len(), found.reasons()), (0, vec![MalformedPayload]), "{payload}");
        assert_eq!(found.fragments(), [payload]);
    }
    let of_tags =
        decoded(&[], r#"{"A":{"Value":1,"StatusCode":0,"StatusCode":2147483648},"B":{"Value":2,"StatusCode":0}}"#);
    assert_eq!((of_tags.points.as_slice(), of_tags.reasons()), (&[untimed("B", 2.0)][..], vec![MalformedPayload]));
    come_back(&[], &of_tags);
    let of_list = decoded(&[], r#"{"values":[{"id":"A","v":1,"qc":3,"qc":0},{"id":"B","v":2,"qc":3}]}"#);
    assert_eq!((of_list.points.as_slice(), of_list.reasons()), (&[untimed("B", 2.0)][..], vec![MalformedPayload]));
    // Two names of one thing, and states that are no quality.
    let both = r#"{"sensor_id":"A","value":1,"Status":"Good","StatusCode":2147483648}"#;
    assert_eq!(points(&[], both), [untimed("A", 1.0).of_quality(Bad)]);
    assert_eq!(points(&[], r#"{"sensor_id":"A","value":1,"Status":5,"Status":6}"#), [untimed("A", 1.0)]);
    // In an object of tags it may be a tag: the first is taken.
    let tags = decoded(&[], r#"{"A":1,"Status":0,"Status":0}"#);
    assert_eq!((tags.points.len(), tags.reasons()), (2, vec![MalformedPayload]));
}

#[test]
fn what_belongs_to_the_senders_protocol_is_no_tag() {
    let shelly = r#"{"method":"NotifyStatus","params":{"switch:0":{"id":0,"apower":8.9,"aenergy":{"total":6.5,"by_minute":[1,2],"minute_ts":1700000000}}}}"#;
    assert_eq!(points(&[], shelly), [untimed("switch:0.apower", 8.9), untimed("switch:0.aenergy.total", 6.5)]);
    let birth = r#"{"timestamp":1700000000123,"metrics":[{"name":"Node Control/Rebirth","dataType":"Boolean","value":false},
        {"name":"bdSeq","value":7},{"name":"Device Control/Reboot","value":null},{"name":"TEMP","value":71.5}],"seq":0}"#;
    assert_eq!(points(&[], birth), [Found::new("TEMP", TIME_US, 71.5).on("M1")]);
    assert_eq!(points(&[], r#"{"Node Control/Rebirth":false,"TEMP":1}"#), [untimed("TEMP", 1.0)]);
    assert_eq!(points(&[], r#"{"bdSeq":3}"#), []);
}

#[test]
fn what_is_blank_or_odd_beside_a_value_costs_nothing() {
    for key in ["quality", "q", "ts", "timestamp", "time", "t", "sensor_id", "name", "machine_id"] {
        let found = decoded(&[], format!(r#"{{"value":1.5,"{key}":""}}"#));
        assert_eq!((found.points, found.rejects), (vec![untimed("tags", 1.5)], vec![]), "{key}");
        assert!(found.remarks.is_empty());
    }
    for payload in [
        r#"{"value":1.5,"quality":"fair"}"#,
        r#"{"quality":"fair","tags":[{"name":"tags","value":1.5}]}"#,
        r#"{"tags":[{"name":"tags","value":1.5,"q":"fair"}]}"#,
        r#"{"values":{"tags":1.5},"quality":"fair"}"#,
    ] {
        let found = decoded(&[], payload);
        assert_eq!(found.points, [untimed("tags", 1.5).of_quality(Uncertain)], "{payload}");
        assert_eq!((found.rejects, found.remarks), (vec![], vec!["\"fair\"".to_owned()]), "{payload}");
    }
    // One that can be read counts, wherever it stands.
    let both = decoded(&[], r#"{"value":1.5,"quality":"fair","q":192}"#);
    assert_eq!(both.points, [untimed("tags", 1.5)]);
}

#[test]
fn names_that_are_no_utf_8_are_latin_1() {
    let oil = untimed("Öl", 1.0);
    for payload in [
        &b"{\"\xd6l\":1}"[..],
        b"{\"values\":{\"\xd6l\":1}}",
        b"{\"values\":[{\"id\":\"\xd6l\",\"v\":1}]}",
        b"{\"sensor_id\":\"\xd6l\",\"value\":1}",
        b"{\"A\":{\"\xd6l\":1}}",
    ] {
        let found = decoded(&[], payload);
        let sensor = if payload.starts_with(b"{\"A") { untimed("A.Öl", 1.0) } else { oil.clone() };
        assert_eq!((found.points, found.rejects), (vec![sensor], vec![]), "{}", String::from_utf8_lossy(payload));
    }
    // What is set aside keeps the sender's bytes.
    let found = decoded(&[], b"{\"values\":{\"\xd6l\":\"K\xf6ln\"}}");
    assert_eq!(found.rejects[0].2, b"{\"machine_id\":\"M1\",\"values\":{\"\xc3\x96l\":\"K\xf6ln\"}}");
    assert!(found.rejects[0].1.starts_with("Öl: the value is no number: `\\\"Köln"), "{}", found.rejects[0].1);
    come_back(&[], &found);
}

#[test]
fn several_keys_that_hold_values_do_not_hide_each_other() {
    for payload in [
        r#"{"tags":[{"name":"A","value":1}],"metrics":[{"name":"B","value":2}]}"#,
        r#"{"tags":[{"name":"A","value":1}],"tags":[{"name":"B","value":2}]}"#,
        r#"{"values":{"A":1},"tags":[{"name":"B","value":2}]}"#,
        r#"{"values":{"A":1},"d":{"B":2}}"#,
        r#"{"d":{"A":1},"values":{"B":2}}"#,
        r#"{"values":{"A":1},"errors":{"B":2},"errors":{"C":2}}"#,
        r#"{"_msgid":"1","payload":{"A":1},"payload":{"B":2}}"#,
        r#"{"DataSetWriterId":1,"Payload":{"A":1},"Payload":{"B":2}}"#,
        r#"{"sensor_id":"A","value":{"Value":1,"Value":2}}"#,
    ] {
        let found = decoded(&[], payload);
        assert_eq!((found.points.len(), found.reasons()), (0, vec![MalformedPayload]), "{payload}");
        assert_eq!(found.fragments(), [payload]);
    }
    for payload in
        [r#"{"tags":[{"name":"A","value":1}],"metrics":[]}"#, r#"{"values":{},"tags":[{"name":"A","value":1}]}"#]
    {
        assert_eq!(points(&[], payload), [untimed("A", 1.0)], "{payload}");
    }
    // Beside them a key that nobody asks for may hold anything, and what is empty says nothing.
    assert_eq!(points(&["B"], r#"{"values":{"A":1},"points":{"B":2}}"#), [untimed("A", 1.0)]);
    for empty in ["[]", r#"{"values":{}}"#, r#"{"values":[]}"#, r#"{"tags":[],"ts":1700000000123}"#, ""] {
        assert_eq!(points(&[], empty), [], "{empty}");
    }
}

#[test]
fn a_message_names_what_was_wrong_with_this_input() {
    for (payload, told) in [
        (r#"{"t":1700000000123}"#, "`t` is read as the time; write the value as `value`"),
        (r#"{"ts":1700000000123}"#, "write the value beside its time"),
        (r#"{"note":"ok"}"#, "`{\\\"note\\\":\\\"ok\\\"}`; write a number as `value`"),
        (r#"{"values":5}"#, "`values` is neither an object of numbers nor a list"),
        (r#"{"value":1_000}"#, "`1_000`; write its digits without anything between them"),
        (r#"{"value":"1 000"}"#, "write its digits without anything between them"),
        (r#"{"value":"1.000.000"}"#, "write the decimal mark as a point"),
        (r#"{"value":"1,5"}"#, "write the decimal mark as a point"),
        (r#"{"value":"12 kWh"}"#, "without a unit"),
        (r#"{"value":{"raw":1}}"#, "name its key as `value` in the keys"),
        (r#"{"value":[1,2]}"#, "write one number"),
        (
            r#"{"name":"U1","intValue":3,"longValue":4}"#,
            "no key says the value: `{\\\"name\\\":\\\"U1\\\",\\\"intValue\\\":3,\\\"longValue\\\":4}`; write it as `value`",
        ),
        (r#"{"metrics":[{"name":"U1","int_value":4294967295}]}"#, "may stand for a negative one; send its `datatype`"),
        (r#"{"values":[{"id":"A","v":"warm"}]}"#, "the value is no number: `\\\"warm\\\"`; write a number"),
    ] {
        let found = decoded(&[], payload);
        assert_eq!((found.points.len(), found.rejects.len()), (0, 1), "{payload}");
        assert!(found.rejects[0].1.contains(told), "{payload}: {}", found.rejects[0].1);
    }
    let bare = decoded_under("genims/v1/F1/L1/M1/TEMP", &[], "1_000");
    assert!(bare.rejects[0].1.contains("`1_000`; write its digits without"), "{}", bare.rejects[0].1);
}
