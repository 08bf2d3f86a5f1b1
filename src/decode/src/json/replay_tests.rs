//! What is set aside of a message of which something was stored: the part at fault and nothing else, so that a replay stores
//! nothing twice; with all that is said of it, so that mended it is what it would have been.

use super::super::collected::{Found, decoded};
use genims_model::Quality::{Bad, Good};
use genims_model::Reason::{BadTimestamp, MalformedPayload, NotANumber, OutOfRange};

const TIME_US: Option<i64> = Some(1_700_000_000_123_000);
const TAGS: &str = "genims/v1/F1/L1/M1/tags";
const BATCH: &str = "genims/v1/F1/readings";
const SCADA: &str = "genims/v1/F1/L1/M1/scada";

/// The reading at fault has `NaN` for its value; mended it is 7.
#[track_caller]
fn alone(topic: &str, known: &[&'static str], payload: &str, lost: &Found) {
    let found = decoded(topic, known, payload);
    assert!(!found.points.is_empty() && !found.points.contains(lost), "{payload}: {:?}", found.points);
    let [(reason, _, fragment)] = &found.rejects[..] else { panic!("{payload}: {:?}", found.rejects) };
    let again = decoded(topic, known, fragment);
    let shown = String::from_utf8_lossy(fragment).into_owned();
    assert_eq!((again.reasons(), again.points), (vec![*reason], vec![]), "{payload} left {shown}");
    assert_eq!(again.rejects[0].2, *fragment, "{payload} left {shown}");
    // In a buffer the three letters stand as their codes.
    let mended = decoded(topic, known, shown.replace("NaN", "7").replace("78,97,78", "55"));
    assert_eq!((mended.points, mended.rejects), (vec![lost.clone()], vec![]), "{payload} left {shown}");
}

#[test]
fn a_part_at_fault_is_set_aside_alone_and_means_the_same_alone() {
    let lost = |sensor: &str| Found::new(sensor, TIME_US, 7.0).on("M1");
    let b = lost("B");
    for payload in [
        r#"{"ts":1700000000123,"A":1,"B":NaN}"#,
        r#"{"ts":1700000000123,"A":1,"B":{"value":NaN}}"#,
        r#"{"ts":1700000000123,"values":{"A":1,"B":NaN}}"#,
        r#"{"ts":1700000000123,"values":{"A":1,"B":{"v":NaN}}}"#,
        r#"{"ts":1700000000123,"values":[{"id":"A","v":1},{"id":"B","v":NaN}]}"#,
        r#"{"rows":[{"ts":1700000000123,"A":1,"B":NaN}]}"#,
        r#"{"DataSetWriterId":1,"Timestamp":1700000000123,"Payload":{"A":{"Value":1},"B":{"Value":NaN}}}"#,
        r#"{"deviceName":"d","origin":1700000000123000000,"readings":[{"resourceName":"A","value":"1"},{"resourceName":"B","value":NaN}]}"#,
        r#"[{'ts':1700000000123,'values':{'A':1,'B':NaN}}]"#,
        "{'ts':1700000000123,'values':{'A':1,'B':NaN}}",
        r#""{\"ts\":1700000000123,\"values\":{\"A\":1,\"B\":NaN}}""#,
        "{\"A\":1,\"ts\":1700000000123}\n{\"name\":\"B\",\"value\":NaN,\"ts\":1700000000123}",
        "M1 A=1,B=NaN 1700000000123000000",
    ] {
        alone(TAGS, &["A"], payload, &b);
    }
    let shelly = r#"{"method":"NotifyStatus","params":{"ts":1700000000.123,"switch:0":{"apower":1,"voltage":NaN}}}"#;
    alone(TAGS, &[], shelly, &lost("switch:0.voltage"));
    let container = r#"[{"containerid":"T","values":[{"ts":1700000000123,"A":1,"B":NaN}]}]"#;
    alone(TAGS, &[], container, &lost("T.B"));
}

#[test]
fn a_part_keeps_its_machine_and_quality() {
    let lost = |machine: &str| Found::new("B", TIME_US, 7.0).on(machine).of_quality(Bad);
    for payload in [
        r#"{"ts":1700000000123,"machine_id":"M7","q":24,"A":1,"B":NaN}"#,
        r#"{"ts":1700000000123,"machine_id":"M7","q":24,"values":[{"id":"A","v":1},{"id":"B","v":NaN}]}"#,
        "press,machine_id=M7,quality=bad A=1,B=NaN 1700000000123000000",
    ] {
        alone(BATCH, &[], payload, &lost("M7"));
    }
    let two =
        r#"{"P1":[{"ts":1700000000123,"q":24,"values":{"A":1,"B":NaN}}],"P2":[{"ts":1700000000123,"values":{"A":2}}]}"#;
    alone(BATCH, &["P1", "P2"], two, &lost("P1"));
    alone(TAGS, &["P1", "P2"], two, &lost("P1"));
}

/// What a message says of what it holds as text or in a buffer is said of the part, too.
#[test]
fn a_part_keeps_what_the_message_around_it_says() {
    let lost = |sensor: &str, machine: &str| Found::new(sensor, TIME_US, 7.0).on(machine).of_quality(Bad);
    let documents = [
        r#"{"values":{"A":1,"B":NaN}}"#,
        r#"{"A":1,"B":NaN}"#,
        r#"[{"id":"A","v":1},{"id":"B","v":NaN}]"#,
        "{'values':{'A':1,'B':NaN}}",
        "{\"A\":1}\n{\"name\":\"B\",\"value\":NaN}",
        "{\"ts\":1700000000123,\"A\":1}\n{\"ts\":1700000000123,\"B\":NaN,\"C\":2}",
    ];
    for document in documents {
        let text = serde_json::Value::from(document).to_string();
        let buffer = format!(r#"{{"type":"Buffer","data":{:?}}}"#, document.as_bytes());
        for payload in [text, buffer] {
            let members = format!(r#""ts":1700000000123,"quality":"bad","payload":{payload}}}"#);
            alone(TAGS, &[], &format!(r#"{{"_msgid":"a",{members}"#), &lost("B", "M1"));
            alone(BATCH, &[], &format!(r#"{{"_msgid":"a","machine_id":"M7",{members}"#), &lost("B", "M7"));
        }
    }
    let lines = format!(r#"{{"type":"Buffer","data":{:?}}}"#, "M1 A=1,B=NaN".as_bytes());
    let lines = format!(r#"{{"_msgid":"a","ts":1700000000123,"quality":"bad","payload":{lines}}}"#);
    alone(TAGS, &[], &lines, &lost("B", "M1"));
    let history = r#"[{"value":1},{"value":NaN}]"#;
    let text = serde_json::Value::from(format!(r#"{{"values":{history}}}"#)).to_string();
    for payload in [history.to_owned(), text] {
        let named = format!(r#"{{"topic":"plant/TEMP","ts":1700000000123,"quality":"bad","payload":{payload}}}"#);
        alone(TAGS, &["TEMP"], &named, &lost("TEMP", "M1"));
    }
    // A device need not be a machine, and what is good by its own word is good.
    let good = |sensor: &str, machine: &str| Found::new(sensor, TIME_US, 7.0).on(machine);
    let devices = r#"[{"device":"gw","name":"A","value":1},{"device":"gw","name":"B","value":NaN}]"#;
    let text = serde_json::Value::from(devices).to_string();
    let named = format!(r#"{{"_msgid":"a","machine_id":"M7","ts":1700000000123,"payload":{text}}}"#);
    alone(BATCH, &[], &named, &good("B", "M7"));
    let own = r#"{"quality":"good","values":{"A":1,"B":NaN}}"#;
    for payload in [own.to_owned(), serde_json::Value::from(own).to_string()] {
        let message = format!(r#"{{"_msgid":"a","ts":1700000000123,"quality":"bad","payload":{payload}}}"#);
        assert_eq!(decoded(TAGS, &[], &message).points[0].quality, Good, "{message}");
        alone(TAGS, &[], &message, &good("B", "M1"));
    }
    let empty = decoded(TAGS, &[], r#"{"_msgid":"a","ts":1700000000123,"payload":"[{\"A\":1},{}]"}"#);
    assert_eq!((empty.points.len(), empty.fragments()), (1, vec![r#"{"timestamp_us":1700000000123000}"#.to_owned()]));
    // What is no element stands as text beside others, and is at fault as it was.
    let broken = serde_json::Value::from("{\"A\":1}\n{\"B\" 2}").to_string();
    let found = decoded(TAGS, &[], format!(r#"[{{"_msgid":"a","ts":1700000000123,"payload":{broken}}}]"#));
    assert_eq!((found.points.len(), found.fragments()), (1, vec![r#""{\"B\" 2}""#.to_owned()]));
    let again = decoded(TAGS, &[], &found.rejects[0].2);
    assert_eq!((again.points.len(), again.reasons()), (0, vec![MalformedPayload]));
}

#[test]
fn a_column_at_fault_is_set_aside_without_its_snapshot() {
    let members = r#""ts":1700000000123,"machine_state":"RUNNING","tool_number":3.5,"spindle_speed_rpm":"fast","last_fault_timestamp":"noon","shift_id":"A""#;
    let plain = format!("{{{members}}}");
    let named = format!(r#"{{"machine_id":"M1",{members}}}"#);
    let text = serde_json::Value::from(plain.as_str()).to_string();
    for (topic, message) in [
        (SCADA, plain.clone()),
        (SCADA, format!("[{plain}]")),
        (SCADA, format!(r#"{{"_msgid":"a","payload":{plain}}}"#)),
        (SCADA, format!(r#"{{"_msgid":"a","payload":{text}}}"#)),
        (BATCH, named.clone()),
        (BATCH, format!(r#"[{{"sensor_id":"S","value":1}},{named}]"#)),
    ] {
        let found = decoded(topic, &[], &message);
        let [(machine, timestamp_us, fields)] = &found.snapshots[..] else { panic!("{message}: {found:?}") };
        assert_eq!((machine.as_str(), *timestamp_us, fields.shift_id.as_deref()), ("M1", TIME_US, Some("A")));
        assert_eq!(found.reasons(), [OutOfRange, NotANumber, BadTimestamp], "{message}");
        let part = |column: &str| {
            format!(r#"{{"timestamp_us":1700000000123000,"machine_id":"M1","machine_state":null,{column}}}"#)
        };
        let parts = [r#""tool_number":3.5"#, r#""spindle_speed_rpm":"fast""#, r#""last_fault_timestamp":"noon""#];
        assert_eq!(found.fragments(), parts.map(part), "{message}");
        let told = "tool_number: the value is no integer that fits the column: `3.5`; the other columns were taken";
        assert_eq!(found.rejects[0].1, told);
        for (reason, _, fragment) in &found.rejects {
            let again = decoded(topic, &[], fragment);
            assert_eq!((again.snapshots.len(), again.points.len(), again.reasons()), (0, 0, vec![*reason]));
            assert_eq!(again.rejects[0].2, *fragment);
            // Also where it could be read by now: the snapshot is stored.
            let mended = String::from_utf8_lossy(fragment).replace("3.5", "3");
            assert_eq!(decoded(topic, &[], &mended).snapshots.len(), 0, "{mended}");
        }
    }
}

#[test]
fn around_a_message_a_quality_given_twice_costs_what_is_inside() {
    let members = r#""topic":"t","payload":{"sensor_id":"S","value":1},"data_quality":"good","data_quality":"bad""#;
    let found = decoded(SCADA, &[], format!("{{{members}}}"));
    assert_eq!((found.points.len(), found.snapshots.len(), found.rejects.len()), (0, 0, 1), "{found:?}");
    assert!(found.rejects[0].1.contains("a key stands twice"), "{found:?}");
}

#[test]
fn of_a_column_given_twice_the_others_are_set_aside_without_their_snapshot() {
    let members = r#""ts":1700000000123,"machine_state":"RUNNING","shift_id":"A","data_quality":"good""#;
    let message = format!(r#"{{{members},"shift_id":"B","data_quality":"bad"}}"#);
    let found = decoded(SCADA, &[], &message);
    let [(machine, timestamp_us, fields)] = &found.snapshots[..] else { panic!("{found:?}") };
    assert_eq!((machine.as_str(), *timestamp_us), ("M1", TIME_US));
    assert_eq!((fields.shift_id.as_deref(), fields.data_quality.as_deref()), (Some("A"), Some("good")));
    let part = |column: &str| {
        format!(r#"{{"timestamp_us":1700000000123000,"machine_id":"M1","machine_state":null,{column}}}"#)
    };
    assert_eq!(found.fragments(), [part(r#""shift_id":"B""#), part(r#""data_quality":"bad""#)]);
    let told = r#"shift_id: the column stands twice; the first one was taken: `\"B\"`; the other columns were taken"#;
    assert_eq!(found.rejects[0].1, told);
    for (reason, _, fragment) in &found.rejects {
        let again = decoded(SCADA, &[], fragment);
        assert_eq!((again.snapshots.len(), again.reasons()), (0, vec![*reason]));
        assert_eq!(again.rejects[0].2, *fragment);
    }
    // Keys of the snapshot itself are no columns, and of two states nobody knows which is meant.
    for twice in [r#""machine_state":"IDLE""#, r#""ts":1700000000124"#] {
        let found = decoded(SCADA, &[], format!("{{{members},{twice}}}"));
        assert_eq!((found.snapshots.len(), found.reasons()), (0, vec![MalformedPayload]), "{twice}");
    }
    // Of a reading it is the quality.
    let reading = decoded(TAGS, &[], r#"{"sensor_id":"S","value":1,"data_quality":"good","data_quality":"bad"}"#);
    assert_eq!((reading.points.len(), reading.reasons()), (0, vec![MalformedPayload]));
}

#[test]
fn what_is_whole_is_set_aside_as_it_came() {
    for payload in [
        r#"{"_msgid":"a","ts":1700000000123,"payload":"{\"value\":\"x\"}"}"#,
        r#"[{'values': {'A' 1}}]"#,
        r#"{"ts":1700000000123,"value":"x","note":"n"}"#,
    ] {
        let found = decoded(TAGS, &[], payload);
        let kept = payload.trim_start_matches('[').trim_end_matches(']').to_owned();
        assert_eq!((found.points.len(), found.fragments()), (0, vec![kept]), "{payload}");
    }
    assert_eq!(decoded(TAGS, &[], r#"{"ts":1700000000123,"A":1}"#).points[0].quality, Good);
}
