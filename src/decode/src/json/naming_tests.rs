//! Who is meant: remarks that look like names, and names that look like remarks.

use super::super::collected::{Found, come_back, decoded, points};
use genims_model::Quality::Bad;
use genims_model::Reason::MalformedPayload;

const TAGS: &str = "genims/v1/F1/L1/M1/tags";
const TEMP: &str = "genims/v1/F1/L1/M1/TEMP";
const BATCH: &str = "genims/v1/F1/readings";

fn untimed(sensor: &str, value: f64) -> Found {
    Found::new(sensor, None, value).on("M1")
}

#[test]
fn a_node_in_a_list_is_no_machine_where_one_is_named_around_it() {
    for key in ["tags", "values", "metrics", "data"] {
        let payload = format!(r#"{{"{key}":[{{"node":"modbus","name":"TEMP","value":1.5}}]}}"#);
        assert_eq!(points(TAGS, &[], &payload), [untimed("TEMP", 1.5)], "{payload}");
        assert_eq!(points(BATCH, &[], &payload), [Found::new("TEMP", None, 1.5).on("modbus")], "{payload}");
    }
    let around =
        r#"{"machine_id":"M1","values":[{"node":"x","name":"TEMP","v":1.5},{"machine":"M2","name":"TEMP","v":2}]}"#;
    let expected = [untimed("TEMP", 1.5), Found::new("TEMP", None, 2.0).on("M2")];
    assert_eq!(points(BATCH, &[], around), expected, "a key that says machine is one");
}

#[test]
fn what_the_device_is_built_of_is_no_sensor_of_the_catalogue() {
    let weather = r#"{"sensor":"BME280","temperature":21.5,"humidity":48}"#;
    let expected = [untimed("temperature", 21.5), untimed("humidity", 48.0)];
    assert_eq!(points(TAGS, &["temperature", "humidity"], weather), expected);
    assert_eq!(points(TAGS, &[], weather), expected);
    assert_eq!(points(TEMP, &["TEMP"], r#"{"sensor":"DHT22","value":21.5}"#), [untimed("TEMP", 21.5)]);
    assert_eq!(points(TEMP, &["TEMP"], r#"{"sensor":"DHT22","value":21.5,"unit":"C"}"#), [untimed("TEMP", 21.5)]);
    // Where it is one, it is meant, whatever stands beside it.
    for (beside, remarks) in [("", &[][..]), (r#","unit":"C""#, &[]), (r#","humidity":48"#, &["humidity"])] {
        let named = format!(r#"{{"sensor":"VIB","value":21.5{beside}}}"#);
        for topic in [TEMP, TAGS] {
            let found = decoded(topic, &["TEMP", "VIB", "humidity"], &named);
            assert_eq!((found.points, found.rejects), (vec![untimed("VIB", 21.5)], vec![]), "{named}");
            assert_eq!(found.remarks, remarks, "{named}");
        }
    }
    assert_eq!(points(BATCH, &[], r#"{"sensor":"S1","value":21.5}"#), [Found::new("S1", None, 21.5)]);
    assert_eq!(
        points(TEMP, &["TEMP"], r#"{"sensor_id":"S1","value":21.5}"#),
        [untimed("S1", 21.5)],
        "who says so, means it"
    );
}

#[test]
fn a_number_in_place_of_a_name_costs_nothing_where_the_topic_names_all() {
    for member in [r#""sensor":3"#, r#""machine":7"#, r#""sensor":3,"machine":7"#, r#""id":9"#] {
        let single = format!(r#"{{{member},"value":1}}"#);
        assert_eq!(points(TEMP, &["TEMP"], &single), [untimed("TEMP", 1.0)], "{single}");
    }
    let list = r#"{"tags":[{"machine":7,"name":"A","value":1}]}"#;
    assert_eq!(points(TAGS, &[], list), [untimed("A", 1.0)]);
    let id = decoded(TEMP, &["TEMP"], r#"{"machine_id":7,"value":1}"#);
    assert_eq!((id.points.len(), id.reasons()), (0, vec![MalformedPayload]), "an id is meant");
    let nobody = decoded(BATCH, &[], r#"{"machine":7,"sensor_id":"A","value":1}"#);
    assert_eq!((nobody.points.len(), nobody.reasons()), (0, vec![MalformedPayload]), "else it is at fault as before");
    come_back(BATCH, &nobody);
}

#[test]
fn an_error_beside_a_single_value_makes_it_bad_as_in_a_list() {
    for payload in [
        r#"{"name":"TEMP","value":0,"error":2014}"#,
        r#"{"name":"TEMP","error":"timeout","value":0,"quality":"Good"}"#,
        r#"{"name":"TEMP","quality":"Good","value":0,"error":2014}"#,
        r#"{"tags":[{"name":"TEMP","value":0,"error":2014}]}"#,
    ] {
        assert_eq!(points(TAGS, &[], payload), [untimed("TEMP", 0.0).of_quality(Bad)], "{payload}");
    }
    for none in ["0", "null", "\"\"", "false"] {
        let payload = format!(r#"{{"name":"TEMP","value":0,"error":{none}}}"#);
        assert_eq!(points(TAGS, &[], &payload), [untimed("TEMP", 0.0)], "{payload}");
    }
}

#[test]
fn a_device_is_the_machine_if_the_catalogue_has_it() {
    for key in ["device", "deviceId", "device_id", "deviceName", "asset", "thing", "DeviceName"] {
        let of_press = format!(r#"{{"{key}":"PRESS-1","TEMP":5}}"#);
        let expected = Found::new("TEMP", None, 5.0).on("PRESS-1");
        assert_eq!(points(BATCH, &["PRESS-1"], &of_press), std::slice::from_ref(&expected), "{of_press}");
        assert_eq!(points(BATCH, &[], &of_press), [Found::new("TEMP", None, 5.0)], "nobody's: {of_press}");
        assert_eq!(points(TAGS, &["PRESS-1"], &of_press), std::slice::from_ref(&expected), "nobody else's: {of_press}");
        assert_eq!(points(TAGS, &[], &of_press), [untimed("TEMP", 5.0)], "the sender's own name: {of_press}");
        let list = format!(r#"{{"values":[{{"{key}":"PRESS-1","name":"TEMP","v":5}}]}}"#);
        assert_eq!(points(BATCH, &["PRESS-1"], &list), std::slice::from_ref(&expected), "{list}");
        let named = format!(r#"{{"{key}":"gateway 7","machine_id":"PRESS-1","TEMP":5}}"#);
        assert_eq!(points(BATCH, &["PRESS-1", "PRESS-2"], &named), std::slice::from_ref(&expected), "{named}");
        // Digits there are a name, and of a sensor of the catalogue the value.
        let digits = format!(r#"{{"{key}":"42","TEMP":5}}"#);
        assert_eq!(points(TAGS, &[], &digits), [untimed("TEMP", 5.0)], "{digits}");
    }
    for (known, line, machine) in [
        (&["PRESS-1"][..], "modbus,device=PRESS-1 TEMP=5", "PRESS-1"),
        (&["PRESS-1"], "modbus,host=gw,name=PRESS-1 TEMP=5", "PRESS-1"),
        (&["PRESS-1", "modbus"], "modbus,device=PRESS-1 TEMP=5", "modbus"),
        (&[], "modbus,device=PRESS-1 TEMP=5", "modbus"),
        (&["PRESS-1"], "modbus,device=PRESS-1,machine_id=M7 TEMP=5", "M7"),
    ] {
        let found = decoded(BATCH, known, line);
        assert_eq!(found.points, [Found::new("TEMP", None, 5.0).on(machine)], "{line} {known:?}");
    }
    let bad = decoded(BATCH, &["PRESS-1"], "modbus,device=PRESS-1 TEMP=warm");
    assert_eq!(bad.fragments(), ["modbus,machine_id=PRESS-1 TEMP=warm"], "what is set aside keeps its machine");
}

#[test]
fn sensors_have_further_words_for_their_names() {
    for key in ["sensor_code", "sensorCode", "tagId", "tag_id", "sensorName", "sensor_name", "resourceName", "NAME"] {
        let payload = format!(r#"{{"{key}":"TEMP","value":5}}"#);
        assert_eq!(points(TAGS, &[], &payload), [untimed("TEMP", 5.0)], "{payload}");
        let list = format!(r#"{{"data":[{payload}]}}"#);
        assert_eq!(points(TAGS, &[], &list), [untimed("TEMP", 5.0)], "{list}");
    }
    let capitals = r#"{"ID":1,"TIME":1700000000123,"NAME":"TEMP-1","VALUE":21.5}"#;
    let expected = [Found::new("TEMP-1", Some(1_700_000_000_123_000), 21.5).on("M1")];
    assert_eq!(points(TAGS, &["TEMP-1"], capitals), expected);
    assert_eq!(points(TAGS, &[], capitals), expected);
    assert_eq!(points(TEMP, &["TEMP"], r#"{"NAME":"Oil","name":"oil","value":5}"#), [untimed("TEMP", 5.0)]);
    assert_eq!(points(TAGS, &["NAME"], r#"{"NAME":5}"#), [untimed("NAME", 5.0)], "a number is a tag");
}

#[test]
fn of_several_names_the_one_that_the_catalogue_has_counts() {
    for entry in [
        r#"{"id":"TEMP-1","name":"Oil temperature","v":5}"#,
        r#"{"name":"Oil temperature","id":"TEMP-1","v":5}"#,
        r#"{"tag":"Oil temperature","key":"TEMP-1","v":5}"#,
        r#"{"channel":"Oil temperature","item":"TEMP-1","v":5}"#,
        r#"{"id":"f3a1","tagName":"Oil","resourceName":"TEMP-1","v":5}"#,
    ] {
        for (topic, payload) in
            [(TAGS, entry.to_owned()), (TAGS, format!("[{entry}]")), (TAGS, format!(r#"{{"tags":[{entry}]}}"#))]
        {
            assert_eq!(points(topic, &["TEMP-1"], &payload), [untimed("TEMP-1", 5.0)], "{payload}");
            let none = points(topic, &[], &payload);
            assert!(none[0].sensor.starts_with("Oil"), "the first counts where nobody knows: {payload} {none:?}");
        }
        assert_eq!(points(TEMP, &["TEMP", "TEMP-1"], entry), [untimed("TEMP", 5.0)], "the topic's own: {entry}");
    }
    let both = r#"{"id":"TEMP-1","name":"TEMP-2","v":5}"#;
    assert_eq!(points(TAGS, &["TEMP-1", "TEMP-2"], both), [untimed("TEMP-2", 5.0)], "the better of two");
}

#[test]
fn a_number_is_a_name_where_the_catalogue_has_it() {
    for (topic, payload) in [
        (TAGS, r#"{"tags":[{"id":40001,"v":5}]}"#),
        (TAGS, r#"{"values":[{"id":40001,"v":5}]}"#),
        (TAGS, r#"{"id":40001,"v":5}"#),
        (TAGS, r#"{"sensor_id":40001,"v":5}"#),
    ] {
        assert_eq!(points(topic, &["40001"], payload), [untimed("40001", 5.0)], "{payload}");
    }
    assert_eq!(points(TEMP, &["TEMP", "40001"], r#"{"id":40001,"v":5}"#), [untimed("TEMP", 5.0)]);
    let unknown = decoded(TAGS, &[], r#"{"tags":[{"id":40001,"v":5}]}"#);
    assert_eq!((unknown.points.len(), unknown.reasons()), (0, vec![MalformedPayload]));
    come_back(TAGS, &unknown);
}

#[test]
fn several_names_of_the_machine_agree_or_it_is_said() {
    let press = |machine: &str| Found::new("TEMP", None, 5.0).on(machine);
    let known = &["PRESS-1", "PRESS-2"];
    for same in [
        r#"{"machine":"PRESS-1","machine_id":"PRESS-1","device":"PRESS-1","TEMP":5}"#,
        r#"{"device":"PRESS-1","asset":"\u0050RESS-1","deviceName":"Press in hall 2","TEMP":5}"#,
        r#"{"deviceId":"7f3a","deviceName":"PRESS-1","TEMP":5}"#,
        r#"{"values":[{"deviceId":"7f3a","asset":"PRESS-1","name":"TEMP","v":5}]}"#,
        r#"{"deviceId":"7f3a","deviceName":"Press in hall 2","machine_id":"PRESS-1","TEMP":5}"#,
        r#"{"deviceId":"7f3a","deviceName":"Press","asset":"hall 2","machine_id":"PRESS-1","TEMP":5}"#,
        "modbus,device=PRESS-1,machine=PRESS-1,host=gw TEMP=5",
        "modbus,device=7f3a,asset=hall,machine_id=PRESS-1 TEMP=5",
        "modbus,device=7f3a,machine_id=PRESS-1 TEMP=5",
    ] {
        assert_eq!(points(BATCH, known, same), [press("PRESS-1")], "{same}");
    }
    for (message, told) in [
        (
            r#"{"machine":"PRESS-2","machine_id":"PRESS-1","TEMP":5}"#,
            "machine_id says machine PRESS-1, machine says machine PRESS-2",
        ),
        (
            r#"{"device":"PRESS-2","machine_id":"PRESS-1","TEMP":5}"#,
            "machine_id says machine PRESS-1, device says machine PRESS-2",
        ),
        (
            r#"{"deviceId":"7f3a","deviceName":"\u0050RESS-2","machine_id":"PRESS-1","TEMP":5}"#,
            "machine_id says machine PRESS-1, deviceName says machine PRESS-2",
        ),
        (
            r#"{"deviceId":"7f3a","deviceName":"Press","asset":"hall 2","thing":"PRESS-2","machine_id":"PRESS-1","TEMP":5}"#,
            "machine_id says machine PRESS-1, thing says machine PRESS-2",
        ),
        (
            r#"{"deviceId":"7f3a","asset":"PRESS-1","thing":"PRESS-2","TEMP":5}"#,
            "asset says machine PRESS-1, thing says machine PRESS-2",
        ),
        (r#"{"asset":"PRESS-1","thing":"PRESS-2","TEMP":5}"#, "asset says machine PRESS-1, thing says machine PRESS-2"),
        (
            r#"{"machine":"PRESS-1","machineId":"P-9","TEMP":5}"#,
            "machine says machine PRESS-1, machineId says machine P-9",
        ),
        (
            r#"[{"sensor_id":"TEMP","machine_id":"PRESS-1","machine":"PRESS-2","value":5}]"#,
            "machine_id says machine PRESS-1, machine says machine PRESS-2",
        ),
        (
            r#"{"values":[{"name":"TEMP","machine":"PRESS-1","device":"PRESS-2","v":5}]}"#,
            "machine says machine PRESS-1, device says machine PRESS-2",
        ),
        (
            r#"{"_msgid":"a","machine_id":"PRESS-2","payload":{"machine_id":"PRESS-1","TEMP":5}}"#,
            "machine_id says machine PRESS-1, machine_id says machine PRESS-2",
        ),
        (
            r#"{"_msgid":"a","device":"PRESS-2","payload":"{\"machine\":\"PRESS-1\",\"TEMP\":5}"}"#,
            "machine says machine PRESS-1, device says machine PRESS-2",
        ),
        (
            "m,machine=PRESS-2,machine_id=PRESS-1 TEMP=5",
            "machine says machine PRESS-2, machine_id says machine PRESS-1",
        ),
        ("m,device=PRESS-2,machine_id=PRESS-1 TEMP=5", "device says machine PRESS-2, machine_id says machine PRESS-1"),
        (
            "m,device=7f3a,asset=PRESS-2,machine_id=PRESS-1 TEMP=5",
            "asset says machine PRESS-2, machine_id says machine PRESS-1",
        ),
        (
            "m,sensor=TEMP,machine=PRESS-1,asset=PRESS-2 value=5",
            "machine says machine PRESS-1, asset says machine PRESS-2",
        ),
        ("m,thing=PRESS-1,device=PRESS-2 TEMP=5", "thing says machine PRESS-1, device says machine PRESS-2"),
    ] {
        let found = decoded(BATCH, known, message);
        assert_eq!((found.points, found.rejects), (vec![press("PRESS-1")], vec![]), "{message}");
        assert_eq!(found.remarks, [told], "{message}");
    }
    // Nor are those two names whose entries stand in each other, or of which the catalogue lacks one.
    let nested = r#"{"machine_id":"PRESS-1","values":[{"machine":"PRESS-2","name":"TEMP","v":5}]}"#;
    assert_eq!(points(BATCH, known, nested), [press("PRESS-2")]);
    let state =
        decoded("genims/v1/F1/L1/M1/scada", &[], r#"{"machine_state":"IDLE","machine_id":"M1","machine":"M2"}"#);
    assert_eq!(
        (state.snapshots.len(), state.remarks),
        (1, vec!["machine_id says machine M1, machine says machine M2".to_owned()])
    );
}

#[test]
fn a_value_is_that_of_the_sensor_that_its_object_names_and_known_tags_are_taken_beside_it() {
    for key in ["sensor", "tag", "name", "id"] {
        let payload = format!(r#"{{"{key}":"NEW-1","value":5,"TEMP":21.5,"rssi":-70,"unit":"C"}}"#);
        let expected = [untimed("NEW-1", 5.0), untimed("TEMP", 21.5)];
        assert_eq!(points(TAGS, &["TEMP"], &payload), expected, "{payload}");
        assert_eq!(points("genims/v1/F1/L1/M1/machine-data", &["TEMP"], &payload), expected, "{payload}");
        // Where the catalogue has it, or nothing that stands beside it, that is a remark.
        let remarked = |topic: &str, known: &[&'static str], payload: &str, point: Found| {
            let found = decoded(topic, known, payload);
            assert_eq!((found.points, found.rejects), (vec![point], vec![]), "{payload}");
            assert_eq!(found.remarks, ["TEMP"], "{payload}");
        };
        remarked(TAGS, &["TEMP", "NEW-1"], &payload, untimed("NEW-1", 5.0));
        assert_eq!(points(TAGS, &[], &payload), [untimed("NEW-1", 5.0)], "{payload}");
        // Below the topic of a sensor the value is that one's, and in a batch the name is all.
        remarked(TEMP, &["TEMP"], &payload, untimed("TEMP", 5.0));
        remarked(BATCH, &["TEMP"], &payload.replacen('{', r#"{"machine_id":"M1","#, 1), untimed("NEW-1", 5.0));
        // A tag called value is one that the catalogue has.
        let value = points(TAGS, &["TEMP", "value"], &payload);
        assert_eq!(value, [untimed("value", 5.0), untimed("TEMP", 21.5), untimed("rssi", -70.0)], "{payload}");
    }
    let rated = r#"{"ts":1700000000123,"sensor":"NEW-1","value":5,"error":3,"TEMP":21.5}"#;
    let time_us = Some(1_700_000_000_123_000);
    let expected =
        [("NEW-1", 5.0), ("TEMP", 21.5)].map(|(name, value)| Found::new(name, time_us, value).on("M1").of_quality(Bad));
    assert_eq!(points(TAGS, &["TEMP"], rated), expected);
    let bad = decoded(TAGS, &["TEMP"], r#"{"sensor":"NEW-1","value":"x","TEMP":21.5}"#);
    assert_eq!((bad.points.len(), bad.rejects.len()), (0, 1), "the whole is set aside, and nothing of it stored");
}
