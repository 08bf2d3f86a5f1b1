//! Lists whose entries name machines: what is of another machine than the topic's is never stored on that.

use super::super::collected::{Collected, Found, decoded};
use genims_model::Quality::Bad;

const TAGS: &str = "genims/v1/F1/L1/M1/tags";
/// Also the machines of the catalogue.
const KNOWN: [&str; 4] = ["TEMP", "HUM", "BATT", "M2"];

fn on(machine: &str, sensor: &str, value: f64) -> Found {
    Found::new(sensor, None, value).on(machine)
}

fn found(payload: &str) -> Collected {
    let mut found = decoded(TAGS, &KNOWN, payload);
    found.points.sort_by(|a, b| (&a.sensor, &a.machine).cmp(&(&b.sensor, &b.machine)));
    found
}

/// What a message makes, and nothing is set aside or remarked upon.
#[track_caller]
fn taken(payload: &str, expected: &[Found]) {
    let found = found(payload);
    assert_eq!(found.points, expected, "{payload}");
    assert_eq!((found.rejects, found.remarks), (vec![], Vec::<String>::new()), "{payload}");
}

const HELD: [&str; 7] = [
    r#""tags":[{"name":"TEMP","value":5}]"#,
    r#""values":[{"id":"TEMP","v":5}]"#,
    r#""readings":[{"resourceName":"TEMP","value":"5"}]"#,
    r#""rows":[{"TEMP":5}]"#,
    r#""values":{"TEMP":5}"#,
    r#""tags":{"TEMP":5}"#,
    r#""data":{"TEMP":5}"#,
];

#[test]
fn an_entry_that_names_a_machine_of_the_catalogue_is_that_one_s() {
    for key in ["id", "ID", "name", "device", "deviceId", "asset", "machine", "node"] {
        for held in HELD {
            let devices = format!(r#""devices":[{{"{key}":"M2",{held}}}]"#);
            taken(&format!("{{{devices}}}"), &[on("M2", "TEMP", 5.0)]);
            taken(&format!(r#"{{{devices},"BATT":4}}"#), &[on("M1", "BATT", 4.0), on("M2", "TEMP", 5.0)]);
            taken(&format!(r#"{{{devices},"TEMP":4}}"#), &[on("M1", "TEMP", 4.0), on("M2", "TEMP", 5.0)]);
        }
    }
    for entry in [
        r#"{"name":"Press 2","id":"M2","tags":[{"name":"TEMP","value":5}]}"#,
        r#"{"name":"M2","id":"7","tags":[{"name":"TEMP","value":5}]}"#,
        r#"{"name":"analog","device":"M2","tags":[{"name":"TEMP","value":5}]}"#,
        r#"{"device":"M2","TEMP":5}"#,
        r#"{"device":"M2","ai":[{"name":"TEMP","value":5}],"di":[{"mac":"a"}]}"#,
        r#"{"device":"M2","sensor_id":"TEMP","values":[{"value":5}]}"#,
    ] {
        taken(&format!(r#"{{"devices":[{entry}],"BATT":4}}"#), &[on("M1", "BATT", 4.0), on("M2", "TEMP", 5.0)]);
    }
}

#[test]
fn what_is_of_a_machine_that_the_catalogue_lacks_is_set_aside_under_its_name() {
    for key in ["device", "machine"] {
        for held in HELD {
            let devices = format!(r#""devices":[{{"{key}":"M9",{held}}}]"#);
            for payload in [format!("{{{devices}}}"), format!(r#"{{{devices},"BATT":4}}"#)] {
                let found = found(&payload);
                assert!(
                    found.points.iter().all(|point| point.sensor == "BATT" || point.machine.as_deref() == Some("M9")),
                    "{payload}: {found:?}"
                );
                assert!(
                    found.points.iter().any(|point| point.machine.as_deref() == Some("M9"))
                        || !found.rejects.is_empty(),
                    "{payload}: {found:?}"
                );
            }
        }
    }
    let list = r#"{"devices":[{"device":"M9","tags":[{"name":"TEMP","value":5}]}],"BATT":4}"#;
    taken(list, &[on("M1", "BATT", 4.0), on("M9", "TEMP", 5.0)]);
}

/// In an envelope, in an array, and alone.
#[test]
fn a_message_that_names_a_machine_of_the_catalogue_is_that_one_s() {
    let temp = [on("M2", "TEMP", 5.0)];
    for key in ["id", "ID", "name", "device", "deviceId", "asset", "machine"] {
        for held in HELD {
            let element = format!(r#"{{"{key}":"M2",{held}}}"#);
            for payload in [format!("[{element}]"), format!(r#"{{"messages":[{element}]}}"#), element] {
                taken(&payload, &temp);
            }
        }
    }
    for element in [
        r#"{"device":"M2","TEMP":5}"#,
        r#"{"name":"M2","TEMP":5}"#,
        r#"{"device":"M2","sensor":"TEMP","value":5}"#,
        r#"{"deviceName":"M2","resourceName":"TEMP","value":"5"}"#,
    ] {
        for payload in [element.to_owned(), format!("[{element}]"), format!(r#"{{"readings":[{element}]}}"#)] {
            taken(&payload, &temp);
        }
        let both = [on("M1", "TEMP", 4.0), on("M2", "TEMP", 5.0)];
        taken(&format!(r#"[{{"TEMP":4}},{element}]"#), &both);
    }
    taken("modbus,device=M2 TEMP=5", &temp);
    taken(r#"{"_msgid":"a","device":"M2","payload":{"TEMP":5}}"#, &temp);
    // At the top of a message, what the catalogue lacks is the sender's own name, or a group's.
    for own in [r#""device":"M9""#, r#""id":"M9""#, r#""name":"analog""#, r#""node":"plc""#] {
        for held in HELD {
            for payload in [format!("{{{own},{held}}}"), format!("[{{{own},{held}}}]")] {
                taken(&payload, &[on("M1", "TEMP", 5.0)]);
            }
        }
    }
    taken("modbus,device=M9 TEMP=5", &[on("M1", "TEMP", 5.0)]);
}

#[test]
fn tags_in_an_entry_of_an_unknown_device_are_not_the_topic_s() {
    let other = [on("M1", "BATT", 4.0), on("M9", "TEMP", 5.0)];
    for entry in [
        r#"{"device":"M9","TEMP":5}"#,
        r#"{"TEMP":5,"seq":"a","deviceId":"M9"}"#,
        r#"{"device":"M9","TEMP":{"value":5}}"#,
        r#"{"device":"M9","tags":[{"name":"TEMP","value":5}]}"#,
    ] {
        taken(&format!(r#"{{"devices":[{entry}],"BATT":4}}"#), &other);
        taken(&format!(r#"{{"devices":[{entry}]}}"#), &other[1..]);
        // The message's own name, which its entries repeat.
        for around in [r#""deviceId":"M9","#, r#""device":"M9","BATT":4,"#] {
            let found = found(&format!(r#"{{{around}"rows":[{entry}]}}"#));
            let temp = found.points.iter().find(|point| point.sensor == "TEMP");
            assert_eq!(temp, Some(&on("M1", "TEMP", 5.0)), "{around} {entry}");
        }
    }
}

#[test]
fn what_names_no_machine_is_the_topic_s() {
    let temp = [on("M1", "BATT", 4.0), on("M1", "TEMP", 5.0)];
    for entry in [
        // Of a sensor that is named, the history.
        r#"{"name":"TEMP","values":[{"value":5}]}"#,
        r#"{"id":7,"tags":[{"name":"TEMP","value":5}]}"#,
        r#"{"seq":1,"tags":[{"name":"TEMP","value":5}]}"#,
        // A group.
        r#"{"name":"analog","tags":[{"name":"TEMP","value":5}]}"#,
        r#"{"id":"M9","tags":[{"name":"TEMP","value":5}]}"#,
        r#"{"device":"gw","name":"TEMP","value":5}"#,
    ] {
        taken(&format!(r#"{{"x":[{entry}],"BATT":4}}"#), &temp);
    }
    let telegraf = r#"{"metrics":[{"name":"press","tags":{"host":"gw"},"fields":{"TEMP":5}}]}"#;
    taken(telegraf, &[on("M1", "TEMP", 5.0)]);
    taken(r#"{"x":[{"name":"NEW","values":[{"value":5}]}]}"#, &[on("M1", "NEW", 5.0)]);
}

#[test]
fn the_same_tag_of_another_machine_is_a_reading_beside_it() {
    let both = [on("M1", "TEMP", 4.0), on("M2", "TEMP", 5.0)];
    for payload in [
        r#"{"devices":[{"machine":"M2","TEMP":5}],"TEMP":4}"#,
        r#"{"devices":[{"machine_id":"M2","name":"TEMP","value":5}],"TEMP":4}"#,
        r#"{"devices":[{"machine":"M2","tags":[{"name":"TEMP","value":5}]}],"TEMP":4}"#,
        r#"{"tags":[{"machine":"M2","name":"TEMP","value":5}],"TEMP":4}"#,
        r#"{"data":{"devices":[{"machine":"M2","TEMP":5}],"TEMP":4}}"#,
    ] {
        taken(payload, &both);
    }
    let new = found(r#"{"devices":[{"machine":"M9","TEMP":5}],"TEMP":4}"#);
    assert_eq!(new.points, [on("M1", "TEMP", 4.0), on("M9", "TEMP", 5.0)], "to be set aside under its name");
    let own = found(r#"{"limits":[{"machine":"M1","TEMP":5}],"TEMP":4}"#);
    assert_eq!((own.points, own.remarks), (vec![on("M1", "TEMP", 4.0)], vec!["limits".to_owned()]));
}

#[test]
fn a_flag_beside_an_object_of_tags_is_said_of_them() {
    for payload in [
        r#"{"data":{"TEMP":5},"valid":false}"#,
        r#"{"valid":false,"payload":{"TEMP":5}}"#,
        r#"{"tags":{"TEMP":5},"isNull":true}"#,
        r#"{"data":{"TEMP":5},"sensorStatus":"Bad"}"#,
        r#"{"x":[{"data":{"TEMP":5},"valid":false}]}"#,
    ] {
        taken(payload, &[on("M1", "TEMP", 5.0).of_quality(Bad)]);
    }
    taken(r#"{"data":{"TEMP":5},"valid":true}"#, &[on("M1", "TEMP", 5.0)]);
    taken(r#"{"data":{"TEMP":5,"quality":"good"},"valid":false}"#, &[on("M1", "TEMP", 5.0)]);
    // A tag of the catalogue says nothing of the others.
    let tag = decoded(TAGS, &["TEMP", "valid"], r#"{"data":{"TEMP":5},"valid":false}"#);
    assert_eq!(tag.points, [on("M1", "TEMP", 5.0), on("M1", "valid", 0.0)]);
}
