//! Tags under one key, and other members beside it: neither hides the other.

use super::super::collected::{Found, come_back, decoded, points};
use genims_model::Quality::Bad;
use genims_model::Reason::{MalformedPayload, NotANumber};

const TIME_US: Option<i64> = Some(1_700_000_000_123_000);
const TAGS: &str = "genims/v1/F1/L1/M1/tags";
const TEMP: &str = "genims/v1/F1/L1/M1/TEMP";

fn timed(sensor: &str, value: f64) -> Found {
    Found::new(sensor, TIME_US, value).on("M1")
}

fn untimed(sensor: &str, value: f64) -> Found {
    Found::new(sensor, None, value).on("M1")
}

#[test]
fn a_list_of_tags_beside_a_number_is_taken() {
    for key in ["data", "readings", "records", "payload", "params", "items", "measurements", "x"] {
        let payload = format!(r#"{{"seq":12,"ts":1700000000123,"{key}":[{{"name":"TEMP","value":71.5}}]}}"#);
        // What the catalogue has tells that the number beside is none of the tags; else nothing of it is lost.
        assert_eq!(points(TAGS, &["TEMP"], &payload), [timed("TEMP", 71.5)], "{payload}");
        assert_eq!(points(TAGS, &["TEMP", "seq"], &payload), [timed("seq", 12.0), timed("TEMP", 71.5)], "{payload}");
        assert_eq!(points(TAGS, &[], &payload), [timed("seq", 12.0), timed("TEMP", 71.5)], "{payload}");
        let rows = format!(r#"{{"seq":12,"{key}":[{{"ts":1700000000123,"A":1,"B":2}}]}}"#);
        assert_eq!(points(TAGS, &["A"], &rows), [timed("A", 1.0), timed("B", 2.0)], "{rows}");
    }
    let edgex = r#"{"deviceName":"d","origin":1700000000123000000,"readings":[
        {"resourceName":"TEMP","valueType":"Float32","value":"71.5"}]}"#;
    assert_eq!(points(TAGS, &["TEMP"], edgex), [timed("TEMP", 71.5)]);
    for key in ["records", "payload", "params"] {
        let alone = format!(r#"{{"ts":1700000000123,"{key}":[{{"name":"TEMP","value":71.5}}]}}"#);
        assert_eq!(points(TAGS, &[], &alone), [timed("TEMP", 71.5)], "{alone}");
        let rows = format!(r#"{{"ts":1700000000123,"{key}":[{{"TEMP":71.5}}]}}"#);
        assert_eq!(points(TAGS, &[], &rows), [timed("TEMP", 71.5)], "{rows}");
    }
    let history = r#"{"n":2,"data":[{"value":1,"ts":1700000000123},{"value":2,"ts":1700000000123}]}"#;
    assert_eq!(points(TEMP, &["TEMP"], history), [timed("TEMP", 1.0), timed("TEMP", 2.0)]);
    let alarms = history.replace("data", "alarms");
    let found = decoded(TEMP, &["TEMP"], &alarms);
    assert_eq!(
        (found.points, found.remarks),
        (vec![untimed("n", 2.0)], vec!["alarms".to_owned()]),
        "not every list is a history"
    );
    // An entry at fault is set aside alone, and of two lists both are taken.
    let bad = decoded(TAGS, &["A"], r#"{"seq":12,"data":[{"name":"A","value":1},{"name":"B","value":"x"}]}"#);
    assert_eq!((bad.points.as_slice(), bad.reasons()), (&[untimed("A", 1.0)][..], vec![NotANumber]));
    come_back(TAGS, &bad);
    let two = r#"{"seq":12,"x":[{"name":"A","value":1}],"y":[{"name":"B","value":1}]}"#;
    assert_eq!(points(TAGS, &["A"], two), [untimed("A", 1.0), untimed("B", 1.0)]);
    let nobody = decoded(TAGS, &[], r#"{"temp":5,"data":[{"a":1}]}"#);
    assert_eq!((nobody.points, nobody.remarks), (vec![untimed("temp", 5.0)], vec!["data".to_owned()]), "nobody's list");
}

#[test]
fn an_object_of_known_tags_beside_a_number_is_taken() {
    for key in ["tags", "metrics", "Tags", "Metrics", "data"] {
        let payload = format!(r#"{{"seq":12,"timestamp":1700000000123,"{key}":{{"TEMP":21.5,"B":{{"value":2}}}}}}"#);
        assert_eq!(points(TAGS, &["TEMP"], &payload), [timed("TEMP", 21.5), timed("B", 2.0)], "{payload}");
        let both = points(TAGS, &["TEMP", "seq"], &payload);
        assert_eq!(both, [timed("TEMP", 21.5), timed("B", 2.0), timed("seq", 12.0)], "{payload}");
    }
    // Labels are none.
    assert_eq!(points(TAGS, &["temp"], r#"{"temp":5,"tags":{"site":"x","rack":3}}"#), [untimed("temp", 5.0)]);
}

#[test]
fn values_that_are_none_are_set_aside_beside_other_members() {
    for payload in
        [r#"{"ts":1700000000123,"rate":1000,"values":[1.2,1.3]}"#, r#"{"ts":1700000000123,"rate":1000,"vals":[1,2]}"#]
    {
        let found = decoded(TAGS, &["rate"], payload);
        assert_eq!((found.points.as_slice(), found.reasons()), (&[timed("rate", 1000.0)][..], vec![MalformedPayload]));
        assert!(found.fragments()[0].contains(r#""timestamp_us":1700000000123000"#), "{:?}", found.fragments());
        come_back(TAGS, &found);
    }
    for nothing in ["null", "[]", "\"\"", "{}"] {
        let payload = format!(r#"{{"temp":5,"values":{nothing}}}"#);
        assert_eq!(decoded(TAGS, &[], &payload).rejects, [], "{payload}");
    }
}

#[test]
fn what_stands_in_several_values_is_read_as_outside_of_them() {
    let beckhoff =
        r#"{"GroupName":"g","Timestamp":1700000000123,"Values":{"stMotor":{"fSpeed":1.5,"stAxis":{"fPos":2}},"A":3}}"#;
    let expected = [timed("stMotor.fSpeed", 1.5), timed("stMotor.stAxis.fPos", 2.0), timed("A", 3.0)];
    assert_eq!(points(TAGS, &[], beckhoff), expected);
    assert_eq!(
        points(TAGS, &[], r#"{"values":{"TEMP":[21.5],"B":["2"]}}"#),
        [untimed("TEMP", 21.5), untimed("B", 2.0)]
    );
    assert_eq!(points(TAGS, &["P_1"], r#"{"values":{"P":[1,2]}}"#), [untimed("P_1", 1.0), untimed("P_2", 2.0)]);
    let found =
        decoded(TAGS, &[], r#"{"values":{"A":[1,2],"B":[],"C":{"unit":"x"},"D":{"E":1,"E":2},"T":[1],"T":[2]}}"#);
    assert_eq!(found.points, [untimed("D.E", 1.0), untimed("T", 1.0)]);
    let reasons = [NotANumber, NotANumber, NotANumber, MalformedPayload, NotANumber];
    assert_eq!(found.reasons(), reasons, "{:?}", found.rejects);
    let bad = decoded(TAGS, &[], r#"{"quality":"bad","values":{"D":{"E":1,"F":NaN}}}"#);
    assert_eq!((bad.points.as_slice(), bad.rejects.len()), (&[untimed("D.E", 1.0).of_quality(Bad)][..], 1));
    come_back(TAGS, &bad);
}

#[test]
fn an_object_in_place_of_a_value_is_several_where_the_catalogue_has_them() {
    for key in ["value", "v", "val", "Value"] {
        let payload = format!(r#"{{"ts":1700000000123,"{key}":{{"temperature":21.5,"humidity":48}}}}"#);
        let expected = [timed("temperature", 21.5), timed("humidity", 48.0)];
        assert_eq!(points(TAGS, &["temperature"], &payload), expected, "{payload}");
        assert_eq!(points(TEMP, &["TEMP", "humidity"], &payload), expected, "{payload}");
        let unknown = decoded(TAGS, &[], &payload);
        assert_eq!((unknown.points.len(), unknown.fragments()), (0, vec![payload]), "else nobody knows what it is");
    }
}

#[test]
fn one_character_may_be_a_tag_s_name() {
    assert_eq!(points(TAGS, &["t", "h"], r#"{"t":21.5,"h":48}"#), [untimed("t", 21.5), untimed("h", 48.0)]);
    assert_eq!(
        points(TAGS, &["h"], r#"{"t":-5.5,"h":48}"#),
        [untimed("t", -5.5), untimed("h", 48.0)],
        "no time at all"
    );
    assert_eq!(points(TAGS, &[], r#"{"t":21.5}"#), [untimed("t", 21.5)]);
    assert_eq!(points(TAGS, &["q", "p"], r#"{"q":3,"p":5}"#), [untimed("q", 3.0), untimed("p", 5.0)]);
    assert_eq!(points(TAGS, &["d", "h"], r#"{"d":120,"h":48}"#), [untimed("d", 120.0), untimed("h", 48.0)]);
    assert_eq!(points(TAGS, &["d"], r#"{"d":120,"h":48}"#), [untimed("d", 120.0), untimed("h", 48.0)]);
    assert_eq!(points(TAGS, &["v", "h"], r#"{"v":230,"h":48}"#), [untimed("v", 230.0), untimed("h", 48.0)]);
    for payload in [r#"{"data":[{"t":21.5,"q":3,"h":48}]}"#, r#"{"data":{"t":21.5,"q":3,"h":48}}"#] {
        let expected = [untimed("t", 21.5), untimed("q", 3.0), untimed("h", 48.0)];
        assert_eq!(points(TAGS, &["q", "h"], payload), expected, "{payload}");
    }
    // Where they are none, they mean what they mean.
    assert_eq!(points(TAGS, &["h"], r#"{"t":1700000000123,"h":48,"q":24}"#), [timed("h", 48.0).of_quality(Bad)]);
    let known = points(TAGS, &["t", "h"], r#"{"ts":1700000000123,"t":21.5,"h":48}"#);
    assert_eq!(known, [timed("t", 21.5), timed("h", 48.0)]);
    assert_eq!(
        points(TAGS, &["t", "q"], r#"{"values":{"A":1},"t":1700000000123,"q":24}"#),
        [timed("A", 1.0).of_quality(Bad)]
    );
    let noon = decoded(TAGS, &["h"], r#"{"t":"noon","h":48}"#);
    assert_eq!(noon.reasons(), [genims_model::Reason::BadTimestamp], "text there is no temperature");
}

/// Limits and expectations of what stands beside them.
#[test]
fn a_list_of_what_stands_beside_it_is_a_remark() {
    for list in [r#""limits":[{"name":"TEMP","value":80}]"#, r#""forecast":[{"TEMP":25}]"#, r#""rows":[{"TEMP":25}]"#] {
        let message = format!(r#"{{"ts":1700000000123,"TEMP":21.5,{list}}}"#);
        let found = decoded(TAGS, &["TEMP"], &message);
        let values: Vec<f64> = found.points.iter().map(|point| point.value).collect();
        assert_eq!((values, found.rejects.len()), (vec![21.5], 0), "{message}");
    }
}

/// A time or quality of the message's own is not given up for a tag of one letter.
#[test]
fn a_time_of_its_own_is_kept_beside_a_tag_called_t() {
    let message = r#"{"t":21.5,"h":48,"datetime":"2023-11-14T22:13:20Z"}"#;
    let found = decoded(TAGS, &["t", "h"], message);
    assert!(found.points.iter().all(|point| point.timestamp_us.is_some()), "{found:?}");
}
