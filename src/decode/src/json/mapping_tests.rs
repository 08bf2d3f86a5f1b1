//! Shapes that only a mapping in the configuration makes readable.

use super::super::collected::{Collected, Found};
use crate::{Decoder, Templates, TopicTemplate};
use genims_model::Quality::{Bad, Good, Uncertain};
use genims_model::Reason;

const TIME_US: Option<i64> = Some(1_700_000_000_123_000);

fn decoder(toml: &str) -> Decoder {
    let entry: TopicTemplate = toml::from_str(toml).unwrap();
    Decoder::new(Templates::new([&entry]).unwrap())
}

fn decoded(decoder: &Decoder, topic: &str, payload: &str) -> Collected {
    let mut visitor = Collected::default();
    decoder.message(topic, payload.as_bytes(), &mut visitor);
    visitor
}

const FOREIGN: &str = r#"
template = "press/{machine}/data"
states = { RUN = 1, HALT = 0 }
qualities = { OK = "good", STALE = "uncertain", ERR = "bad" }
[keys]
list = "body.points"
sensor = "addr"
value = "val.raw"
time = "when"
quality = "st"
"#;

#[test]
fn a_list_of_foreign_objects_is_read_by_its_keys() {
    let payload = r#"{"hdr":{"id":7,"v":1},"when":1700000000123,"body":{"n":4,"points":[
        {"addr":"TEMP","val":{"raw":21.5,"unit":"C"},"st":"OK","id":5},
        {"addr":40001,"val":{"raw":"HALT"},"st":"STALE","value":99},
        {"addr":"RUN","val":{"raw":"run"},"when":"2023-11-14T22:13:20.123Z","st":"ERR"},
        {"addr":"BAD","val":{"raw":"hello"},"st":"OK"}]}}"#;
    let found = decoded(&decoder(FOREIGN), "press/M1/data", payload);
    let expected = [("TEMP", 21.5, Good), ("40001", 0.0, Uncertain), ("RUN", 1.0, Bad)]
        .map(|(tag, value, quality)| Found::new(tag, TIME_US, value).on("M1").of_quality(quality));
    assert_eq!((found.points.as_slice(), found.reasons()), (&expected[..], vec![Reason::NotANumber]));
    assert!(found.rejects[0].1.contains("hello"), "{}", found.rejects[0].1);
    // What is set aside comes to the same again under its topic.
    let again = decoded(&decoder(FOREIGN), "press/M1/data", &found.fragments()[0]);
    assert_eq!((again.points, again.rejects), (vec![], found.rejects));
}

#[test]
fn an_object_of_foreign_objects_is_keyed_by_sensor() {
    let decoder = decoder(
        "template = \"cell/{machine}\"\nstates = { Auf = 1 }\n[keys]\nlist = \"tags\"\nvalue = \"wert\"\ntime = \"zeit\"",
    );
    let payload =
        r#"{"zeit":1700000000123,"tags":{"TEMP":{"wert":1.5},"DOOR":"auf","N":{"wert":null},"P":{"value":2}}}"#;
    let found = decoded(&decoder, "cell/M1", payload);
    let expected =
        [("TEMP", 1.5), ("DOOR", 1.0), ("P", 2.0)].map(|(tag, value)| Found::new(tag, TIME_US, value).on("M1"));
    assert_eq!((found.points.as_slice(), found.reasons()), (&expected[..], vec![Reason::NotANumber]));
}

#[test]
fn a_mapped_key_that_stands_twice_loses_nothing_in_silence() {
    let foreign = decoder(FOREIGN);
    let (topic, time) = ("press/M1/data", r#""when":1700000000123"#);
    for payload in [
        format!(r#"{{{time},"body":{{"points":[{{"addr":"A","val":{{"raw":1}},"val":{{"raw":2}}}}]}}}}"#),
        format!(r#"{{{time},"body":{{"points":[{{"addr":"A","val":{{"raw":1,"raw":2}}}}]}}}}"#),
        format!(r#"{{{time},"body":{{"points":[{{"addr":"A","addr":"B","val":{{"raw":1}}}}]}}}}"#),
        format!(r#"{{{time},"body":{{"points":[{{"addr":"A","st":"OK","st":"ERR","val":{{"raw":1}}}}]}}}}"#),
        format!(r#"{{{time},{time},"body":{{"points":[{{"addr":"A","val":{{"raw":1}}}}]}}}}"#),
        format!(r#"{{{time},"body":{{"points":[{{"addr":"A","val":{{"raw":1}}}}],"points":[]}}}}"#),
        format!(r#"{{{time},"body":{{"points":[{{"addr":"A","val":{{"raw":1}},"val":{{"raw":null}}}}]}}}}"#),
    ] {
        let found = decoded(&foreign, topic, &payload);
        assert_eq!((found.points.len(), found.reasons()), (0, vec![Reason::MalformedPayload]), "{payload}");
        let again = decoded(&foreign, topic, &found.fragments()[0]);
        assert_eq!((again.points.len(), again.reasons()), (0, vec![Reason::MalformedPayload]), "{payload}");
    }
    // In an object that is keyed by sensor the first is taken and the others are set aside.
    let keyed = decoder("template = \"cell/{machine}\"\n[keys]\nlist = \"tags\"\nvalue = \"wert\"");
    let payload = r#"{"tags":{"A":{"wert":1},"B":2,"A":{"wert":3},"\u0042":4}}"#;
    let found = decoded(&keyed, "cell/M1", payload);
    let expected = [("A", 1.0), ("B", 2.0)].map(|(tag, value)| Found::new(tag, None, value).on("M1"));
    assert_eq!((found.points.as_slice(), found.reasons()), (&expected[..], vec![Reason::MalformedPayload; 2]));
    let again = decoded(&keyed, "cell/M1", &found.fragments()[0]);
    assert_eq!((again.points, again.rejects), (vec![], vec![found.rejects[0].clone()]));
}

#[test]
fn one_reading_an_array_and_lines_are_read_by_the_same_keys() {
    let decoder =
        decoder("template = \"s/{machine}/{tag}\"\n[keys]\nvalue = \"m.v\"\ntime = \"m.t\"\nmachine = \"dev\"");
    let one = r#"{"value":"remark","dev":"M9","m":{"v":"+1.50","t":"1700000000123"}}"#;
    let expected = Found::new("TEMP", TIME_US, 1.5).on("M9");
    for (payload, count) in [(one.to_owned(), 1), (format!("[{one},{one},]"), 2), (format!("{one}\n{one}"), 2)] {
        let found = decoded(&decoder, "s/M1/TEMP", &payload);
        assert_eq!((found.points, found.rejects), (vec![expected.clone(); count], vec![]), "{payload}");
    }
    // Usual names stay understood, and a key whose name has a point is found as it stands.
    let usual = r#"{"value":1.5,"ts":1700000000123}"#;
    assert_eq!(decoded(&decoder, "s/M1/TEMP", usual).points, [Found::new("TEMP", TIME_US, 1.5).on("M1")]);
    assert_eq!(decoded(&decoder, "s/M1/TEMP", r#"{"m.v":2}"#).points, [Found::new("TEMP", None, 2.0).on("M1")]);
    let snapshot = decoded(&decoder, "s/M1/scada", r#"{"machine_state":"RUNNING","dev":"M9"}"#);
    assert_eq!(snapshot.snapshots[0].0, "M1");
}

#[test]
fn what_is_at_fault_is_set_aside_as_it_was_sent() {
    let decoder = decoder("template = \"s/{machine}/{tag}\"\n[keys]\nvalue = \"m.v\"");
    for (payload, reason, told) in [
        (r#"{"a":1,"m":{"v":"hello"}}"#, Reason::NotANumber, "hello"),
        (r#"{"m":{"v":NaN}}"#, Reason::NotFinite, "NaN"),
        (r#"{"m":{"v":1"#, Reason::MalformedPayload, "breaks off"),
        (r#"{"m":{"v":1}} x"#, Reason::MalformedPayload, "follows"),
        (r#"{"m" {"v":1}}"#, Reason::MalformedPayload, "colon"),
    ] {
        let found = decoded(&decoder, "s/M1/TEMP", payload);
        assert_eq!((found.points.len(), found.reasons()), (0, vec![reason]), "{payload}");
        assert!(found.rejects[0].1.contains(told), "{payload}: {}", found.rejects[0].1);
        assert_eq!(found.fragments()[0], payload);
    }
}

#[test]
fn words_stand_for_values_wherever_a_value_may_stand() {
    let decoder = decoder(
        "template = \"genims/v1/{factory}/{line}/{machine}/{sensor}\"\nstates = { AUTO = 2, OPEN = 0, true = 5, \"1\" = 7 }",
    );
    let topic = "genims/v1/F/L/M1/TEMP";
    let temp = |value: f64| Found::new("TEMP", None, value).on("M1");
    for (payload, value) in [
        ("AUTO", 2.0),
        ("\"auto\"", 2.0),
        ("open\r\n", 0.0),
        ("closed", 0.0),
        ("on", 1.0),
        ("1.5", 1.5),
        (r#"{"value":"Auto"}"#, 2.0),
        (r#"{"v":true}"#, 5.0),
        (r#"{"v":"1"}"#, 7.0),
        (r#"{"v":1}"#, 1.0),
        (r#"{"values":{"TEMP":"AUTO"}}"#, 2.0),
        (r#"{"values":[{"id":"TEMP","v":"AUTO"}]}"#, 2.0),
        (r#"{"TEMP":"AUTO","note":"hello"}"#, 2.0),
    ] {
        let found = decoded(&decoder, topic, payload);
        assert_eq!((found.points, found.rejects), (vec![temp(value)], vec![]), "{payload}");
    }
    let named = decoded(&decoder, topic, r#"{"sensor_id":"AUTO","machine_id":"OPEN","value":1}"#);
    assert_eq!(named.points, [Found::new("AUTO", None, 1.0).on("OPEN")]);
    let snapshot = decoded(&decoder, "genims/v1/F/L/M1/scada", r#"{"machine_state":"AUTO"}"#);
    assert_eq!(snapshot.snapshots[0].2.machine_state, "AUTO");
    let batch = decoded(&decoder, "genims/v1/F/readings", r#"{"sensor_id":"S","value":"AUTO"}"#);
    assert_eq!(batch.reasons(), [Reason::NotANumber], "below other topics the words mean nothing");
}

/// Whatever the form that it has in a message: it is read as if it had been sent alone.
#[test]
fn words_of_snapshots_stay_words_in_messages() {
    let decoder = decoder("template = \"press/{machine}/data\"\nstates = { AUTO = 2 }");
    let snapshot = r#"{"machine_state":"AUTO","operation_mode":"AUTO"}"#;
    let text = serde_json::Value::from(snapshot).to_string();
    let buffer = format!(r#"{{"type":"Buffer","data":{:?}}}"#, snapshot.as_bytes());
    let lines = serde_json::Value::from(format!("{snapshot}\n{{\"A\":\"AUTO\"}}")).to_string();
    let a = Found::new("A", None, 2.0).on("M1");
    for (payload, points) in [
        (snapshot.to_owned(), vec![]),
        (format!(r#"{{"_msgid":"a","payload":{snapshot}}}"#), vec![]),
        (format!(r#"{{"topic":"press","payload":{snapshot}}}"#), vec![]),
        (format!(r#"{{"_msgid":"a","payload":[{snapshot},{{"name":"A","value":"AUTO"}}]}}"#), vec![a.clone()]),
        (format!(r#"{{"_msgid":"a","payload":{text}}}"#), vec![]),
        (format!(r#"{{"_msgid":"a","payload":{}}}"#, text.replace("\\\"", "'")), vec![]),
        (format!(r#"{{"_msgid":"a","payload":{buffer}}}"#), vec![]),
        (format!(r#"{{"_msgid":"a","payload":{lines}}}"#), vec![a.clone()]),
    ] {
        let found = decoded(&decoder, "press/M1/data", &payload);
        assert_eq!((found.points, found.rejects), (points, vec![]), "{payload}");
        let [(machine, _, fields)] = &found.snapshots[..] else { panic!("{payload}: {:?}", found.snapshots) };
        let words = (fields.machine_state.as_str(), fields.operation_mode.as_deref());
        assert_eq!((machine.as_str(), words), ("M1", ("AUTO", Some("AUTO"))), "{payload}");
    }
    // Among tags it is one that is called so.
    let data_set = r#"{"DataSetWriterId":1,"Payload":{"machine_state":{"Value":"AUTO"},"A":{"Value":"AUTO"}}}"#;
    let found = decoded(&decoder, "press/M1/data", data_set);
    assert!(found.snapshots.is_empty() && found.points.contains(&a), "{found:?}");
}

#[test]
fn a_template_needs_no_sensor_where_keys_name_it() {
    let all = decoder("template = \"plant/dump\"\n[keys]\nsensor = \"tagname\"\nvalue = \"pv\"\nmachine = \"unit\"");
    let found = decoded(&all, "plant/dump", r#"[{"tagname":"T1","pv":1,"unit":"M3"},{"tagname":"T2","pv":"2"}]"#);
    assert_eq!(found.points, [Found::new("T1", None, 1.0).on("M3"), Found::new("T2", None, 2.0)]);
}

proptest::proptest! {
    #[test]
    fn any_json_is_translated_without_panic_and_leaves_something(text in "[\\[\\]{},:\"a1v \\\\.-]{0,40}") {
        let decoder = decoder("template = \"s/{machine}/{tag}\"\nstates = { a = 1 }\n[keys]\nlist = \"v\"\nvalue = \"a.v\"\nsensor = \"a1\"");
        let payload = format!("{{{text}");
        let found = decoded(&decoder, "s/M1/T", &payload);
        let says_nothing = payload.contains("\"v\"");
        proptest::prop_assert!(says_nothing || found.points.len() + found.rejects.len() > 0, "{}", payload);
    }
}

#[test]
fn times_of_a_clock_without_an_offset_are_read_in_the_zone_of_the_topic() {
    let decoder = decoder("template = \"press/{machine}/data\"\nzone = \"Europe/Berlin\"\n[keys]\ntime = \"at\"");
    let read = |payload: &str| decoded(&decoder, "press/M1/data", payload);
    for payload in [
        r#"{"time":"2023-11-14 23:13:20.123","A":1}"#,
        r#"{"at":"2023-11-14T23:13:20,123","A":1}"#,
        r#"{"Time":"2023-11-14 23:13:20.123","A":1}"#,
        r#"{"datetime":"2023/11/14 23:13:20.123","A":1}"#,
        r#"{"timestamp_ms":"20231114T231320.123","A":1}"#,
        r#"{"ts":"2023-11-14 23:13:20.123","values":{"A":1}}"#,
        r#"{"values":[{"ts":"2023-11-14 23:13:20.123","name":"A","v":1}]}"#,
        r#"{"A":{"value":1,"time":"2023-11-14 23:13:20.123"}}"#,
        // One with an offset, and a number, mean what they meant.
        r#"{"time":"2023-11-14T22:13:20.123Z","A":1}"#,
        r#"{"time":1700000000123,"A":1}"#,
    ] {
        let found = read(payload);
        assert_eq!((found.points, found.rejects), (vec![Found::new("A", TIME_US, 1.0).on("M1")], vec![]), "{payload}");
    }
    let summer = read(r#"{"time":"2023-07-14 22:13:20","A":1}"#);
    assert_eq!(summer.points[0].timestamp_us, Some(1_689_365_600_000_000), "two hours ahead");
    // What the clock shows twice, or never, nobody can tell.
    for time in ["2023-10-29 02:30:00", "2023-03-26 02:30:00", "noon"] {
        let found = read(&format!(r#"{{"time":"{time}","A":1}}"#));
        assert_eq!((found.points.len(), found.reasons()), (0, vec![Reason::BadTimestamp]), "{time}");
    }
    let nowhere = decoded(&Decoder::default(), "genims/v1/F/L/M/A", r#"{"time":"2023-11-14 23:13:20","value":1}"#);
    assert!(nowhere.rejects[0].1.contains("zone = \"Europe/Berlin\""), "{}", nowhere.rejects[0].1);
}

/// Whatever the form: documents that are nearly JSON, in text, in buffers, and lines.
#[test]
fn the_zone_of_the_topic_is_that_of_every_form() {
    let decoder = decoder("template = \"press/{machine}/data\"\nzone = \"Europe/Berlin\"\nstates = { RUN = 1 }");
    let document = r#"{"time":"2023-11-14 23:13:20.123","A":1}"#;
    let buffer = format!(r#"{{"type":"Buffer","data":{:?}}}"#, document.as_bytes());
    let text = serde_json::Value::from(document).to_string();
    let loose_text = serde_json::Value::from(document.replace('"', "'")).to_string();
    for payload in [
        document.replace('"', "'"),
        r#"{time: "2023-11-14 23:13:20.123", A: 1}"#.to_owned(),
        format!("[{}]", document.replace('"', "'")),
        "{'time': '2023-11-14 23:13:20.123', 'A': 'RUN'}".to_owned(),
        text.clone(),
        loose_text.clone(),
        format!(r#"{{"_msgid":"a","payload":{text}}}"#),
        format!(r#"{{"_msgid":"a","payload":{loose_text}}}"#),
        format!(r#"{{"_msgid":"a","payload":{buffer}}}"#),
        r#"{"_msgid":"a","time":"2023-11-14 23:13:20.123","payload":{"A":"RUN"}}"#.to_owned(),
        "M1 A=1 2023-11-14T23:13:20.123".to_owned(),
        "M1 A=1 2023-11-14 23:13:20.123".to_owned(),
        "M1 A=1 2023-11-14T22:13:20.123Z".to_owned(),
        "M1 A=1 1700000000123".to_owned(),
    ] {
        let found = decoded(&decoder, "press/M1/data", &payload);
        assert_eq!((found.points, found.rejects), (vec![Found::new("A", TIME_US, 1.0).on("M1")], vec![]), "{payload}");
    }
    for payload in [
        "{'time': '2023-10-29 02:30:00', 'A': 1}",
        r#"{"_msgid":"a","payload":"{\"time\":\"2023-10-29 02:30:00\",\"A\":1}"}"#,
        "M1 A=1 2023-10-29T02:30:00",
    ] {
        let found = decoded(&decoder, "press/M1/data", payload);
        assert_eq!(
            (found.points.len(), found.reasons()),
            (0, vec![Reason::BadTimestamp]),
            "twice on the clock: {payload}"
        );
        assert_eq!(found.fragments(), [payload]);
    }
    // A zone that is said is not asked for again.
    for line in ["M1 A=1 2023-10-29T02:30:00", "M1 A=1 2023-03-26 02:30:00"] {
        let found = decoded(&decoder, "press/M1/data", line);
        let expected = "the timestamp has no offset, and the clock of the topic's zone shows that time twice or never";
        assert_eq!(found.rejects[0].1, format!("{expected}: `{line}`; write it with Z or an offset as +01:00"));
    }
    for (payload, told) in [
        (r#"{"time":"2023-10-29 02:30:00","A":1}"#, "twice or never"),
        (r#"{"time":"2023-03-26T02:30:00","A":1}"#, "twice or never"),
        (r#"{"values":[{"name":"A","v":1,"t":"2023-10-29 02:30:00"}]}"#, "twice or never"),
        (r#"{"time":"14.11.2023 23:13:20","A":1}"#, "neither a number nor RFC 3339"),
    ] {
        let found = decoded(&decoder, "press/M1/data", payload);
        assert_eq!((found.points.len(), found.reasons()), (0, vec![Reason::BadTimestamp]), "{payload}");
        let detail = &found.rejects[0].1;
        assert!(detail.contains(told) && !detail.contains("zone ="), "{payload}: {detail}");
        let again = decoded(&decoder, "press/M1/data", found.fragments()[0].as_str());
        assert_eq!(again.rejects, found.rejects, "{payload}");
    }
    let nowhere = decoded(&Decoder::default(), "genims/v1/F/L/M1/tags", "M1 A=1 2023-11-14T23:13:20");
    assert!(nowhere.rejects[0].1.contains("zone = \"Europe/Berlin\""), "{}", nowhere.rejects[0].1);
}

#[test]
fn the_zone_of_the_topic_is_that_of_snapshots() {
    let decoder = decoder(
        "template = \"press/{machine}/scada\"\nzone = \"Europe/Berlin\"\nstates = { AUTO = 2 }\n[keys]\nvalue = \"shift_id\"",
    );
    let snapshot = r#"{"time":"2023-11-14 23:13:20.123","machine_state":"AUTO","shift_id":"A","last_fault_timestamp":"2023-07-14 22:13:20"}"#;
    let text = serde_json::Value::from(snapshot).to_string();
    for payload in [
        snapshot.to_owned(),
        snapshot.replace('"', "'"),
        format!("[{snapshot}]"),
        format!(r#"{{"_msgid":"a","payload":{snapshot}}}"#),
        format!(r#"{{"_msgid":"a","payload":{text}}}"#),
    ] {
        let found = decoded(&decoder, "press/M1/scada", &payload);
        let [(machine, timestamp_us, fields)] = &found.snapshots[..] else { panic!("{payload}: {found:?}") };
        assert_eq!((machine.as_str(), *timestamp_us, found.rejects.len()), ("M1", TIME_US, 0), "{payload}");
        assert_eq!(fields.last_fault_timestamp_us, Some(1_689_365_600_000_000), "two hours ahead: {payload}");
        assert_eq!((fields.machine_state.as_str(), fields.shift_id.as_deref()), ("AUTO", Some("A")), "{payload}");
    }
}
