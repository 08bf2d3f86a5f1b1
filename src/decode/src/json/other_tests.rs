//! Further members of the kinds that gateways, clouds and languages write: other spellings, other wrappers, other forms.

use super::super::collected::{Found, come_back, decoded, points};
use genims_model::Quality::{Bad, Good, Uncertain};
use genims_model::Reason::{BadTimestamp, MalformedPayload, NotANumber};

const TIME_US: Option<i64> = Some(1_700_000_000_123_000);
const TAGS: &str = "genims/v1/F1/L1/M1/tags";
const TEMP: &str = "genims/v1/F1/L1/M1/TEMP";
const BATCH: &str = "genims/v1/F1/readings";

fn timed(sensor: &str, value: f64) -> Found {
    Found::new(sensor, TIME_US, value).on("M1")
}

fn untimed(sensor: &str, value: f64) -> Found {
    Found::new(sensor, None, value).on("M1")
}

#[test]
fn a_quality_may_be_an_object() {
    for (quality, expected) in [
        (r#"{"name":"Good"}"#, Good),
        (r#"{"name":"Bad_Stale"}"#, Bad),
        (r#"{"code":192}"#, Good),
        (r#"{"code":0}"#, Good),
        (r#"{"Code":2147483648}"#, Bad),
        (r#"{"code":512,"name":"Bad"}"#, Bad),
        (r#"{"name":"Uncertain","code":192}"#, Uncertain),
        (r#"{"level":"Good","userCode":5}"#, Good),
        (r#"{"intValue":24,"good":false}"#, Bad),
        (r#"{"good":true}"#, Good),
        (r#"{"_value":2147483648,"_name":"odd"}"#, Bad),
        (r#"{"value":64}"#, Uncertain),
    ] {
        let expected = |sensor| untimed(sensor, 1.0).of_quality(expected);
        assert_eq!(points(TEMP, &[], &format!(r#"{{"value":1,"quality":{quality}}}"#)), [expected("TEMP")]);
        assert_eq!(points(TAGS, &[], &format!(r#"{{"A":{{"value":1,"quality":{quality}}}}}"#)), [expected("A")]);
        assert_eq!(points(TAGS, &[], &format!(r#"{{"tags":[{{"name":"A","v":1,"q":{quality}}}]}}"#)), [expected("A")]);
    }
    for odd in ["{}", r#"{"a":1}"#, r#"["Good"]"#, r#"{"name":"fair"}"#] {
        let found = decoded(TEMP, &[], format!(r#"{{"value":1,"quality":{odd}}}"#));
        assert_eq!(
            (found.points, found.remarks),
            (vec![untimed("TEMP", 1.0).of_quality(Uncertain)], vec![odd.to_owned()])
        );
    }
}

#[test]
fn qualities_have_other_keys_too() {
    for (member, expected) in [
        (r#""statusCode":{"value":0}"#, Good),
        (r#""statusCode":{"value":2147483648}"#, Bad),
        (r#""statusCode":"Bad (0x80000000)""#, Bad),
        (r#""statusCode":200"#, Good),
        (r#""QUALITY":"bad""#, Bad),
        (r#""quality_code":24"#, Bad),
        (r#""status":"Bad_NoCommunication""#, Bad),
        (r#""status":"error""#, Good),
        (r#""status":5"#, Good),
        (r#""statusCode":503"#, Good),
        (r#""quality":512"#, Bad),
        (r#""quality":{"code":514}"#, Bad),
        (r#""quality":256"#, Uncertain),
        (r#""opcQuality":0"#, Good),
        (r#""opcQuality":"Bad""#, Bad),
        (r#""opc_quality":24"#, Bad),
        (r#""dataQuality":"BAD""#, Bad),
        (r#""qualityStatus":"BAD""#, Bad),
        (r#""status_code":2147483648"#, Bad),
        (r#""statuscode":"BadNoCommunication""#, Bad),
        (r#""Good":false,"Questionable":false,"Substituted":false"#, Bad),
        (r#""isGood":true"#, Good),
        (r#""error":"none""#, Good),
        (r#""error":"OK""#, Good),
        (r#""error":"No error""#, Good),
        (r#""error":"-""#, Good),
        (r#""error":{}"#, Good),
        (r#""error":[]"#, Good),
        (r#""error":"E5""#, Bad),
    ] {
        let payload = format!(r#"{{"value":1,{member}}}"#);
        assert_eq!(points(TEMP, &[], &payload), [untimed("TEMP", 1.0).of_quality(expected)], "{payload}");
    }
}

#[test]
fn times_have_other_keys_too_where_a_time_stands_there() {
    for key in [
        "sourceTimestamp",
        "timeStamp",
        "TIMESTAMP",
        "Time",
        "Epoch",
        "datetime",
        "last_seen",
        "ts_ms",
        "unixtime",
        "unix_time",
        "clock",
        "ts_us",
        "timestampUs",
        "timestamp_s",
        "timestampUtc",
        "date",
        "eventTime",
        "enqueuedTime",
        "observedAt",
        "published_at",
        "resultTime",
        "lastSeen",
        "reported_at",
        "origin",
    ] {
        for time in ["1700000000123", "\"2023-11-14T22:13:20.123Z\"", "{\"seconds\":1700000000,\"nanos\":123000000}"] {
            let payload = format!(r#"{{"value":1.5,"{key}":{time}}}"#);
            assert_eq!(points(TEMP, &[], &payload), [timed("TEMP", 1.5)], "{payload}");
            let payload = format!(r#"{{"A":1.5,"{key}":{time}}}"#);
            assert_eq!(points(TAGS, &[], &payload), [timed("A", 1.5)], "{payload}");
        }
        // Anything else there is what it was: a tag, or a remark; so is a local time.
        for other in ["5", "\"2023-11-14T22:13:20\"", "\"noon\"", "null", "[1]", "20231114"] {
            let payload = format!(r#"{{"value":1.5,"{key}":{other}}}"#);
            let found = decoded(TEMP, &[], &payload);
            assert_eq!((found.points, found.rejects), (vec![untimed("TEMP", 1.5)], vec![]), "{payload}");
            let told: &[&str] = if other.contains("2023-") { &[other] } else { &[] };
            assert_eq!(found.remarks, told, "{payload}");
        }
    }
    // The usual key is better, wherever it stands; a sensor of the catalogue keeps its value.
    for payload in [r#"{"Time":1,"A":1.5,"ts":1700000000123}"#, r#"{"ts":1700000000123,"A":1.5,"Epoch":1800000000}"#] {
        assert!(points(TAGS, &[], payload).contains(&timed("A", 1.5)), "{payload}");
    }
    let known = points(TAGS, &["Epoch"], r#"{"A":1.5,"Epoch":1700000000}"#);
    assert!(known.iter().any(|point| (point.sensor.as_str(), point.value) == ("Epoch", 1_700_000_000.0)), "{known:?}");
}

#[test]
fn names_have_other_keys_too_where_text_stands_there() {
    for key in ["sensorId", "SensorID", "tagName", "TagName", "Tag", "ID", "nodeId", "tagPath", "key", "channel", "n"] {
        let payload = format!(r#"{{"{key}":"A","value":1.5}}"#);
        assert_eq!(points(BATCH, &[], &payload), [Found::new("A", None, 1.5)], "{payload}");
        let list = format!(r#"{{"data":[{payload},{{"{key}":"B","value":2}}]}}"#);
        assert_eq!(points(TAGS, &[], &list), [untimed("A", 1.5), untimed("B", 2.0)], "{list}");
        // Of a sensor's topic it is a remark, and a number there is a tag.
        let below = format!(r#"{{"{key}":"A","value":1.5}}"#);
        let expected = if key.starts_with(['s', 'S']) { "A" } else { "TEMP" };
        assert_eq!(points(TEMP, &["TEMP"], &below), [untimed(expected, 1.5)], "{below}");
        assert_eq!(points(TAGS, &[], &format!(r#"{{"{key}":7,"B":2}}"#)), [untimed(key, 7.0), untimed("B", 2.0)]);
    }
    let two = r#"{"channel":"A","label":"B","value":1.5}"#;
    assert_eq!(points(TAGS, &[], two), [untimed("A", 1.5)], "two words for a name are no key given twice");
    let on_machine = points(BATCH, &[], r#"{"sensorId":"A","machineId":"M1","value":1.5}"#);
    assert_eq!(on_machine, [untimed("A", 1.5)]);
    let node = r#"{"NodeId":{"Id":"A","IdType":1,"Namespace":2},"Value":{"Value":1.5}}"#;
    assert_eq!(points(TAGS, &[], node), [untimed("A", 1.5)]);
    let opcua =
        r#"{"nodeId":"ns=2;s=A","value":{"value":1.5,"statusCode":0,"sourceTimestamp":"2023-11-14T22:13:20.123Z"}}"#;
    assert_eq!(points(TAGS, &[], opcua), [timed("A", 1.5)]);
    // What the sensor of an one-wire bus is called is no value, although it has digits.
    let tasmota = r#"{"DS18B20-1":{"Id":"0316","Temperature":21.5}}"#;
    assert_eq!(points(TAGS, &[], tasmota), [untimed("DS18B20-1.Temperature", 21.5)]);
}

#[test]
fn shapes_are_known_in_capitals_and_as_single_objects() {
    for payload in [
        r#"{"Timestamp":"2023-11-14T22:13:20.123Z","GroupName":"g","Values":{"A":1.5}}"#,
        r#"{"TIMESTAMP":1700000000123,"VALUES":{"A":1.5}}"#,
        r#"{"ts":1700000000123,"Tags":[{"Name":"A","Value":1.5}]}"#,
        r#"{"ts":1700000000123,"Tags":{"A":1.5}}"#,
        r#"{"MessageId":"1","MessageType":"ua-data","Messages":{"DataSetWriterId":1,"Timestamp":1700000000123,"Payload":{"A":{"Value":1.5}}}}"#,
        r#"{"type":"PropertyValueUpdate","payload":{"assetId":"a","propertyId":"A","values":[{"timestamp":{"timeInSeconds":1700000000,"offsetInNanos":123000000},"quality":"GOOD","value":{"doubleValue":1.5}}]}}"#,
        r#"{"metrics":[{"name":"A","timestamp":1700000000123,"datatype":9,"floatValue":1.5}]}"#,
        r#"{"name":"A","ts":1700000000123,"double_value":1.5}"#,
        r#"{"name":"A","ts":1700000000123,"value":{"$numberDouble":"1.5"}}"#,
    ] {
        assert_eq!(points(TAGS, &[], payload), [timed("A", 1.5)], "{payload}");
    }
    let reply = r#"{"StatusSNS":{"Time":"2023-11-14T22:13:20","ENERGY":{"Power":5}}}"#;
    let reply = decoded(TAGS, &["ENERGY.Power"], reply);
    assert_eq!((reply.points, reply.remarks.len()), (vec![untimed("ENERGY.Power", 5.0)], 1), "its time has no offset");
}

#[test]
fn lists_stand_under_the_names_of_machines_and_sensors() {
    let telemetry =
        r#"{"P1":[{"ts":1700000000123,"values":{"A":1,"B":2}}],"P2":[{"ts":1700000000123,"values":{"A":3}},{"A":4}]}"#;
    let expected = [
        Found::new("A", TIME_US, 1.0).on("P1"),
        Found::new("B", TIME_US, 2.0).on("P1"),
        Found::new("A", TIME_US, 3.0).on("P2"),
        Found::new("A", None, 4.0).on("P2"),
    ];
    assert_eq!(points(BATCH, &["P1", "P2"], telemetry), expected);
    assert_eq!(points(TAGS, &["P1", "P2"], telemetry), expected);
    for (topic, known) in [(BATCH, &["P1"][..]), (TAGS, &["P1"]), (BATCH, &[]), (TAGS, &[])] {
        assert_eq!(
            points(topic, known, telemetry),
            expected,
            "a machine that the catalogue lacks is nobody else: {known:?}"
        );
    }
    let with_count = telemetry.replacen('{', r#"{"seq":7,"#, 1);
    assert_eq!(points(TAGS, &["P1"], &with_count), expected, "a number beside machines is a remark");
    let count = std::slice::from_ref(&untimed("seq", 7.0)).to_vec();
    assert_eq!(points(TAGS, &["P1", "seq"], &with_count), [count, expected.to_vec()].concat(), "unless it is known");
    // A word for any list names no machine.
    for key in ["rows", "Data", "items", "telemetry"] {
        let rows = format!(r#"{{"{key}":[{{"ts":1700000000123,"values":{{"A":1}}}}]}}"#);
        assert_eq!(points(TAGS, &[], &rows), [timed("A", 1.0)], "{key}");
    }
    assert_eq!(points(BATCH, &["P1"], r#"{"P1":{"A":1}}"#), [Found::new("A", None, 1.0).on("P1")]);
    let series = r#"{"A":[{"ts":1700000000123,"value":"1"},{"ts":1700000000123,"value":2}],"B":[{"value":3,"timestamp":1700000000123}]}"#;
    for known in [&[][..], &["A", "B"]] {
        assert_eq!(points(TAGS, known, series), [timed("A", 1.0), timed("A", 2.0), timed("B", 3.0)], "{known:?}");
    }
    let bad = decoded(TAGS, &[], r#"{"A":[{"value":1},{"value":"x"}],"B":[{"value":2}]}"#);
    assert_eq!((bad.points.as_slice(), bad.reasons()), (&[untimed("A", 1.0), untimed("B", 2.0)][..], vec![NotANumber]));
    come_back(TAGS, &bad);
    // Below a sensor's topic a list is its history, whatever it is called.
    assert_eq!(points(TEMP, &["TEMP"], r#"{"history":[{"value":1}]}"#), [untimed("TEMP", 1.0)]);
}

#[test]
fn documents_may_stand_in_text_and_in_buffers() {
    let buffer = |text: &str| format!(r#"{{"type":"Buffer","data":{:?}}}"#, text.as_bytes());
    for payload in [
        buffer("21.5"),
        buffer(r#"{"value":21.5}"#),
        format!(r#"{{"_msgid":"1","topic":"x","payload":{}}}"#, buffer("21.5")),
        r#"{"topic":"x","payload":21.5}"#.to_owned(),
        r#"{"topic":"x","payload":"{\"value\":21.5}"}"#.to_owned(),
        r#"{"_msgid":"1","payload":[21.5]}"#.to_owned(),
        r#""{\"value\":21.5}""#.to_owned(),
        r#""\"{\\\"value\\\":21.5}\"""#.replace(r#"\"{"#, "{").replace(r#"}\""#, "}").replace(r#"\\\""#, r#"\""#),
        "[21.5]".to_owned(),
    ] {
        assert_eq!(points(TEMP, &["TEMP"], &payload), [untimed("TEMP", 21.5)], "{payload}");
    }
    let tags = format!(r#"[{},{{"A":2}}]"#, buffer(r#"{"A":1}"#));
    assert_eq!(points(TAGS, &[], &tags), [untimed("A", 1.0), untimed("A", 2.0)]);
    assert_eq!(points(TAGS, &["payload"], r#"{"topic":"x","payload":5}"#), [untimed("payload", 5.0)]);
    // What is at fault inside is set aside as it came; its parts alone.
    for payload in
        [buffer("warm"), buffer("\u{1}\u{2}"), r#""{\"value\":}""#.to_owned(), r#""{\"value\":\"x\"}""#.to_owned()]
    {
        let found = decoded(TEMP, &[], &payload);
        assert_eq!((found.points.len(), found.fragments()), (0, vec![payload.clone()]));
        come_back(TEMP, &found);
    }
    for payload in
        [r#"{"type":"Buffer","data":[300]}"#, r#"{"type":"Buffer","data":[]}"#, r#"{"type":"Other","data":[50]}"#]
    {
        assert_eq!(decoded(TEMP, &[], payload).reasons(), [MalformedPayload], "{payload}");
    }
    let mut deep = "5".to_owned();
    for _ in 0..12 {
        deep = serde_json::Value::from(format!("[{deep}]")).to_string();
        decoded(TEMP, &[], &deep);
    }
}

#[test]
fn what_python_and_javascript_print_is_read() {
    for payload in [
        "{'value': 21.5, 'ok': True, 'x': None}",
        "{'value': '21.5', 'note': \"it's\"}",
        r#"{'value': 21.5, 'note': 'it\'s "so"'}"#,
        "{value: 21.5}",
        "{ value : 21.5, note: 'a:b, {c}' }",
        "{\"value\":21.5,note:\"x\"}",
        "[{'value': 21.5}]",
        "[{value:21.5,}]",
        "{\"value\":ON,\"value\":1}",
    ] {
        let found = decoded(TEMP, &[], payload);
        if payload.contains("ON") {
            assert_eq!(found.reasons(), [MalformedPayload], "{payload}");
        } else {
            assert_eq!((found.points, found.rejects), (vec![untimed("TEMP", 21.5)], vec![]), "{payload}");
        }
    }
    assert_eq!(points(TEMP, &[], "{\"value\":ON}"), [untimed("TEMP", 1.0)]);
    assert_eq!(points(BATCH, &[], "{'sensor_id': 'A', 'value': 1}\n{'sensor_id': 'B', 'value': 2}").len(), 2);
    let lines = decoded(
        BATCH,
        &[],
        "{'sensor_id': 'A', 'value': 1}\n{'sensor_id': 'B', 'value': }\n{'sensor_id': 'C', 'value': 3}",
    );
    assert_eq!((lines.points.len(), lines.rejects.len()), (2, 1), "a line at fault is set aside alone");
    let array = format!("[{}{{'a':]}}]", "{'value': x},".repeat(99));
    let array = decoded(BATCH, &[], array);
    assert_eq!((array.points.len(), array.parts), (0, 99), "elements at fault can be kept together");
    for bad in ["{'value': 21.5", "{value 21.5}", "{'value': 21.5}}", "{'value: 21.5}", "{value: {a}}", "{1: 2}"] {
        let found = decoded(TEMP, &[], bad);
        assert_eq!((found.points.len(), found.fragments()), (0, vec![bad.to_owned()]), "{bad}");
    }
}

#[test]
fn packs_of_senml_say_names_and_times_once() {
    let pack = r#"[{"bn":"urn:dev:mac:01:","bt":1700000000.123,"bu":"A","n":"voltage","u":"V","v":120.1},{"n":"current","t":-0.1,"v":1.2},
        {"n":"on","vb":true},{"n":"text","vs":"5"},{"n":"label","vs":"a"},{"u":"A"}]"#;
    for topic in [TAGS, TEMP] {
        let found = decoded(topic, &[], pack);
        let current = Found::new("current", Some(1_700_000_000_023_000), 1.2).on("M1");
        assert_eq!(found.points, [timed("voltage", 120.1), current, timed("on", 1.0), timed("text", 5.0)]);
        assert_eq!(found.reasons(), [NotANumber]);
        come_back(topic, &found);
    }
    let full = decoded(TAGS, &["urn:dev:mac:01:voltage"], pack);
    assert_eq!(full.points[0], timed("urn:dev:mac:01:voltage", 120.1));
    let based = r#"[{"bn":"P1/","bt":1700000000.123,"bv":20},{"n":"A","v":1},{"n":"B","v":-2.5}]"#;
    let of_machine = |sensor: &str, value: f64| Found::new(sensor, TIME_US, value).on("P1");
    assert_eq!(points(BATCH, &["P1"], based), [of_machine("A", 21.0), of_machine("B", 17.5)]);
    assert_eq!(points(TAGS, &[], r#"{"bn":"x/","bt":1700000000.123,"e":[{"n":"A","v":1}]}"#), [timed("A", 1.0)]);
    assert_eq!(points(TAGS, &[], r#"[{"n":"A","u":"Cel","v":1}]"#), [untimed("A", 1.0)]);
    let sum = decoded(TAGS, &[], r#"[{"bn":"x/","bt":1700000000,"n":"A","v":1},{"n":"B","s":7}]"#);
    assert_eq!((sum.points.len(), sum.reasons()), (1, vec![NotANumber]));
    assert_eq!(sum.fragments(), [r#"{"bn":"x/","bt":1700000000,"n":"B","s":7}"#]);
    assert_eq!(decoded(TAGS, &[], &sum.rejects[0].2).reasons(), [NotANumber], "it means the same alone");
    let relative = decoded(TAGS, &[], r#"[{"bn":"x/","n":"A","v":1},{"n":"A","v":2,"t":-5},{"n":"A","v":2,"t":60}]"#);
    assert_eq!((relative.points.as_slice(), relative.reasons()), (&[untimed("A", 1.0)][..], vec![BadTimestamp; 2]));
    assert_eq!(
        points(TAGS, &[], r#"[{"n":"on","vb":true},{"n":"off","vb":false}]"#),
        [untimed("on", 1.0), untimed("off", 0.0)]
    );
    let phases = r#"{"va":230,"vb":231,"vc":229}"#;
    assert_eq!(
        points(TAGS, &[], phases),
        [("va", 230.0), ("vb", 231.0), ("vc", 229.0)].map(|(tag, v)| untimed(tag, v))
    );
    // A tag that is called so makes no pack.
    assert_eq!(points(TAGS, &[], r#"{"bt":5,"bv":6}"#), [untimed("bt", 5.0), untimed("bv", 6.0)]);
}
