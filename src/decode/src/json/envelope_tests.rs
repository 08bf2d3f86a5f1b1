//! Networks, clouds and gateways that wrap what is meant, and lists that name it once.

use super::super::collected::{Found, come_back, decoded};
use genims_model::Quality::{Bad, Uncertain};
use genims_model::Reason::{BadTimestamp, MalformedPayload, NotANumber};

const TIME_US: Option<i64> = Some(1_700_000_000_123_000);
const TAGS: &str = "genims/v1/F1/L1/M1/tags";
const TEMP: &str = "genims/v1/F1/L1/M1/TEMP";
const BATCH: &str = "genims/v1/F1/readings";

fn points(topic: &str, payload: &str) -> Vec<Found> {
    let found = decoded(topic, &[], payload);
    assert_eq!(found.rejects, [], "{payload}");
    found.points
}

fn timed(sensor: &str, value: f64) -> Found {
    Found::new(sensor, TIME_US, value).on("M1")
}

fn untimed(sensor: &str, value: f64) -> Found {
    Found::new(sensor, None, value).on("M1")
}

#[test]
fn telegraf_has_fields_beside_labels() {
    let one = r#"{"fields":{"a":30,"b":1.5,"note":"ok","up":true},"name":"docker","tags":{"host":"raynor","unit":"3"},"timestamp":1700000000123}"#;
    let expected = [timed("a", 30.0), timed("b", 1.5), timed("up", 1.0)];
    assert_eq!(points(TAGS, one), expected);
    let batch =
        format!(r#"{{"metrics":[{one},{{"fields":{{"c":2}},"name":"mem","tags":{{}},"timestamp":1700000000123}}]}}"#);
    assert_eq!(points(TAGS, &batch), [&expected[..], &[timed("c", 2.0)]].concat());
    // Where the topic names no machine: a label, else the measurement, as in line protocol.
    let labelled = one.replace("\"unit\":\"3\"", "\"machine_id\":\"M1\"");
    assert_eq!(points(BATCH, &labelled), expected);
    assert_eq!(points(BATCH, one)[0].machine.as_deref(), Some("docker"));
    assert_eq!(points(TAGS, r#"{"fields":{"a":1},"b":2}"#), [untimed("fields.a", 1.0), untimed("b", 2.0)]);
}

#[test]
fn lorawan_servers_wrap_what_their_decoder_made() {
    let things = r#"{"end_device_ids":{"device_id":"dev1","dev_eui":"0004A30B001C0530"},"received_at":"2001-01-01T00:00:00Z",
        "uplink_message":{"f_port":1,"f_cnt":5,"frm_payload":"gkHe","decoded_payload":{"temperature":21.5,"wind":{"speed":3}},
        "rx_metadata":[{"rssi":-35,"snr":5.2}],"settings":{"frequency":"868300000"},"received_at":"2023-11-14T22:13:20.123Z"},"simulated":true}"#;
    assert_eq!(points(TAGS, things), [timed("temperature", 21.5), timed("wind.speed", 3.0)]);
    let bare = decoded(TAGS, &[], things.replace("decoded_payload", "other"));
    assert_eq!(
        (bare.points.len(), bare.reasons()),
        (0, vec![MalformedPayload]),
        "without a decoder nothing is a value"
    );
    let chirpstack = r#"{"deduplicationId":"3ac7","time":"2023-11-14T22:13:20.123Z","deviceInfo":{"deviceName":"d","devEui":"01"},
        "devAddr":"01","adr":true,"dr":5,"fCnt":4,"fPort":85,"confirmed":false,"data":"AQ==","object":{"temperature":21.5},
        "rxInfo":[{"rssi":-48}],"txInfo":{"frequency":868100000}}"#;
    assert_eq!(points(TAGS, chirpstack), [timed("temperature", 21.5)]);
    let third = r#"{"applicationID":"1","devEUI":"AQ==","fCnt":4,"fPort":2,"object":{"temp":1,"value":2}}"#;
    assert_eq!(points(TAGS, third), [untimed("temp", 1.0), untimed("value", 2.0)]);
    assert_eq!(points(TAGS, r#"{"object":5,"weight":3}"#).len(), 2, "only what says that it is a message is one");
}

#[test]
fn clouds_wrap_what_a_device_reports() {
    let shadow = r#"{"state":{"reported":{"temp":21.5,"on":true},"desired":{"on":false}},"version":5,"timestamp":1700000000123}"#;
    assert_eq!(points(TAGS, shadow), [timed("temp", 21.5), timed("on", 1.0)]);
    assert_eq!(points(TAGS, r#"{"state":"ON","level":3}"#), [untimed("state", 1.0), untimed("level", 3.0)]);
    for time in
        [r#"{"$date":"2023-11-14T22:13:20.123Z"}"#, r#""2023-11-14T22:13:20.123Z""#, r#"{"$date":1700000000123}"#]
    {
        let losant = format!(r#"{{"time":{time},"data":{{"voltage":3.5}}}}"#);
        assert_eq!(points(TAGS, &losant), [timed("voltage", 3.5)], "{losant}");
    }
    let known = decoded(TAGS, &["data.voltage"], r#"{"data":{"voltage":3.5}}"#);
    assert_eq!(known.points, [untimed("data.voltage", 3.5)], "the catalogue knows better");
    assert_eq!(points(TAGS, r#"{"data":{"a":1},"b":2}"#), [untimed("data.a", 1.0), untimed("b", 2.0)]);
    let sitewise = r#"{"propertyAlias":"/plant/temp","propertyValues":[
        {"value":{"doubleValue":21.5},"timestamp":{"timeInSeconds":1700000000,"offsetInNanos":123000000},"quality":"GOOD"},
        {"value":{"integerValue":7},"timestamp":{"timeInSeconds":"1700000000","offsetInNanos":123000999},"quality":"BAD"}]}"#;
    let second = Found::new("/plant/temp", TIME_US, 7.0).on("M1").of_quality(Bad);
    assert_eq!(points(TAGS, sitewise), [timed("/plant/temp", 21.5), second]);
}

#[test]
fn what_the_catalogue_has_by_its_path_is_a_tag_as_before() {
    const MESSAGES: [(&str, &str); 5] = [
        ("fields.a", r#"{"name":"docker","fields":{"a":5},"tags":{},"n":7}"#),
        (
            "uplink_message.decoded_payload.a",
            r#"{"end_device_ids":{},"uplink_message":{"decoded_payload":{"a":5}},"n":7}"#,
        ),
        ("object.b.a", r#"{"devEUI":"01","object":{"b":{"a":5}},"n":7}"#),
        ("state.reported.a", r#"{"state":{"reported":{"a":5}},"n":7}"#),
        ("data", r#"{"data":{"value":5}}"#),
    ];
    for (path, payload) in MESSAGES {
        let found = decoded(TAGS, &[path], payload);
        assert!(found.points.contains(&untimed(path, 5.0)), "{payload}: {:?}", found.points);
        assert_eq!(found.rejects, [], "{payload}");
    }
    // So is what stands around the tags, unless they have it; of what nobody knows nothing is made.
    for (_, payload) in &MESSAGES[..4] {
        let found = decoded(TAGS, &["n", "a"], payload);
        let inside = if payload.contains("b\":") { "b.a" } else { "a" };
        assert_eq!(found.points, [untimed(inside, 5.0), untimed("n", 7.0)], "{payload}");
        assert_eq!(points(TAGS, payload), [untimed(inside, 5.0)], "{payload}");
    }
    let both =
        r#"{"devEUI":"01","fCnt":4,"object":{"fCnt":5},"rxInfo":{"rssi":-48,"snr":{"value":3}},"txInfo":{"value":1}}"#;
    let found = decoded(TAGS, &["fCnt", "rxInfo.rssi", "rxInfo.snr"], both);
    assert_eq!(found.points, [untimed("fCnt", 5.0), untimed("rxInfo.rssi", -48.0), untimed("rxInfo.snr", 3.0)]);
    let without_decoder = decoded(TAGS, &["fCnt"], r#"{"devEUI":"01","fCnt":4,"object":{}}"#);
    assert_eq!(without_decoder.points, [untimed("fCnt", 4.0)]);
    // A name that few senders use may be a sensor of the plant.
    let named = decoded(TAGS, &["containerid"], r#"{"containerid":17,"weight":5}"#);
    assert_eq!(named.points, [untimed("containerid", 17.0), untimed("weight", 5.0)]);
    let beside = decoded(BATCH, &["temp"], r#"{"machine_id":"M1","DisplayName":"Line 1","value":5,"temp":6}"#);
    assert_eq!(beside.points, [untimed("value", 5.0), untimed("temp", 6.0)]);
}

#[test]
fn an_object_in_place_of_a_time_is_read_or_refused() {
    for (time, expected) in [
        (r#"{"seconds":1700000000,"nanos":123000000}"#, TIME_US),
        (r#"{"timeInSeconds":1700000000}"#, Some(1_700_000_000_000_000)),
        (r#"{"sec":1700000000,"nsec":123000000}"#, TIME_US),
        (r#"{"epochSecond":"1700000000","nano":123000000}"#, TIME_US),
        (r#"{"_seconds":1700000000,"_nanoseconds":123000000}"#, TIME_US),
        (r#"{"secs":1700000000,"usec":123000}"#, TIME_US),
        (r#"{"sec":1700000000,"usec":1000000}"#, None),
        (r#"{"sec":1700000000,"usec":9223372036854775807}"#, None),
        (r#"{"$date":{"$numberLong":"1700000000123"}}"#, TIME_US),
        (r#"{"$date":{}}"#, None),
        (r#"{"seconds":1700000000,"seconds":1}"#, None),
        (r#"{"seconds":1700000000,"nanos":1000000000}"#, None),
        (r#"{"seconds":1700000000,"nanos":0,"nanos":1}"#, None),
        (r#"{"seconds":-5}"#, None),
        (r#"{"seconds":9223372036854775807}"#, None),
        (r#"{"$date":"noon"}"#, None),
        ("{}", None),
        ("[1]", None),
    ] {
        let found = decoded(TEMP, &[], format!(r#"{{"value":1,"ts":{time}}}"#));
        match expected {
            Some(_) => assert_eq!(found.points, [Found::new("TEMP", expected, 1.0).on("M1")], "{time}"),
            None => assert_eq!((found.points.len(), found.reasons()), (0, vec![BadTimestamp]), "{time}"),
        }
    }
}

#[test]
fn a_list_without_names_is_the_history_of_one_sensor() {
    let entries = r#"[{"v":1,"t":1700000000123},{"v":2,"t":1700000000123,"q":64},{"v":"x"},{"v":null}]"#;
    let expected = [timed("TEMP", 1.0), timed("TEMP", 2.0).of_quality(Uncertain)];
    for (topic, payload) in [
        (TEMP, format!(r#"{{"values":{entries}}}"#)),
        (TAGS, format!(r#"{{"id":"TEMP","values":{entries}}}"#)),
        (TAGS, format!(r#"{{"sensor_id":"TEMP","values":{entries}}}"#)),
        (TAGS, format!(r#"{{"values":[{{"id":"TEMP","values":{entries}}}]}}"#)),
    ] {
        let found = decoded(topic, &[], &payload);
        assert_eq!((found.points.as_slice(), found.reasons()), (&expected[..], vec![NotANumber; 2]), "{payload}");
        come_back(topic, &found);
    }
    let of_batch = decoded(BATCH, &[], r#"{"sensor_id":"S1","values":[{"v":1}]}"#);
    assert_eq!(of_batch.points, [Found::new("S1", None, 1.0)]);
    for (topic, payload) in [(BATCH, r#"{"values":[{"v":1}]}"#), (TAGS, r#"{"values":[{"v":1}]}"#)] {
        assert_eq!(decoded(topic, &[], payload).reasons(), [MalformedPayload], "nobody is named: {payload}");
    }
    // Entries with names of their own mean these.
    assert_eq!(points(TEMP, r#"{"values":[{"id":"A","v":1}]}"#), [untimed("A", 1.0)]);
}

#[test]
fn rows_are_objects_of_tags() {
    for key in ["values", "tags", "data", "readings", "rows"] {
        let payload = format!(
            r#"{{"{key}":[{{"ts":1700000000123,"A":1,"B":2.5,"note":"x"}},{{"ts":1700000000123,"A":3,"C":{{"x":4}}}}]}}"#
        );
        assert_eq!(
            points(TAGS, &payload),
            [timed("A", 1.0), timed("B", 2.5), timed("A", 3.0), timed("C.x", 4.0)],
            "{key}"
        );
    }
    let omf = r#"[{"containerid":"Tank1","values":[{"Timestamp":"2023-11-14T22:13:20.123Z","Pressure":12.5},
        {"Timestamp":"2023-11-14T22:13:20.123Z","Value":3}]},{"containerid":"Tank2","values":[{"Timestamp":1700000000123,"Pressure":14}]}]"#;
    assert_eq!(points(TAGS, omf), [timed("Tank1.Pressure", 12.5), timed("Tank1", 3.0), timed("Tank2.Pressure", 14.0)]);
    // What has a name and no value, or a value by its type alone, is at fault as before.
    for entry in [r#"{"id":"A","temp":1}"#, r#"{"alias":5,"int_value":7}"#, r#"{"ts":1}"#, "{}"] {
        let found = decoded(TAGS, &[], format!(r#"{{"values":[{entry}]}}"#));
        assert_eq!((found.points.len(), found.rejects.len()), (0, 1), "{entry}");
        come_back(TAGS, &found);
    }
    // Beside tags a list is a remark, and of two lists none is meant.
    assert_eq!(points(TAGS, r#"{"temp":5,"data":[{"a":1}]}"#), [untimed("temp", 5.0)]);
    assert_eq!(decoded(TAGS, &[], r#"{"x":[{"a":1}],"y":[{"b":1}]}"#).reasons(), [MalformedPayload]);
    assert_eq!(
        points(TAGS, r#"{"ts":1700000000123,"tags":{"A":1.5,"B":{"value":2}}}"#),
        [timed("A", 1.5), timed("B", 2.0)]
    );
}

#[test]
fn a_list_of_one_number_is_that_number() {
    for payload in [r#"{"value":[21]}"#, r#"{"value":"[21]"}"#, r#"{"v":["21"]}"#, "\"21\""] {
        assert_eq!(points(TEMP, payload), [untimed("TEMP", 21.0)], "{payload}");
    }
    assert_eq!(decoded(TAGS, &["A"], r#"{"A":[5],"B":[6]}"#).points, [untimed("A", 5.0)]);
    assert_eq!(points(TAGS, r#"{"A":"[5]"}"#), [untimed("A", 5.0)]);
    for payload in
        [r#"{"value":[]}"#, r#"{"value":[1,2]}"#, r#"{"value":"[1,2]"}"#, r#"{"value":[[1]]}"#, r#"{"value":"[]"}"#]
    {
        assert_eq!(decoded(TEMP, &[], payload).reasons(), [NotANumber], "{payload}");
    }
}

#[test]
fn whatever_is_around_known_tags_costs_nothing() {
    for around in
        ["payload", "params", "msg", "message", "body", "data", "sensors", "reported", "telemetry", "properties"]
    {
        let payload = format!(r#"{{"event":"x","n":7,"{around}":{{"a":5,"ts":1700000000123}}}}"#);
        let found = decoded(TAGS, &["a"], &payload);
        assert_eq!((found.points, found.rejects), (vec![timed("a", 5.0)], vec![]), "{payload}");
        // The catalogue knows better.
        let path: &'static str = format!("{around}.a").leak();
        let found = decoded(TAGS, &["a", path], &payload);
        assert!(found.points.iter().any(|point| point.sensor == path), "{payload}: {:?}", found.points);
    }
    let two = decoded(TAGS, &["a"], r#"{"msg":{"a":5},"body":{"a":6}}"#);
    assert!(two.points.iter().all(|point| point.sensor != "a"), "two of them: {:?}", two.points);
}

#[test]
fn a_time_beside_the_tags_in_an_envelope_is_theirs() {
    assert_eq!(points(TAGS, r#"{"data":{"a":5,"ts":1700000000123}}"#), [timed("a", 5.0)]);
    assert_eq!(
        points(TAGS, r#"{"ts":1700000000123,"data":{"a":5,"ts":1}}"#),
        [timed("a", 5.0)],
        "what counts from a start is no time"
    );
    let shadow = r#"{"state":{"reported":{"a":5,"quality":"bad","timestamp":1700000000123}}}"#;
    assert_eq!(points(TAGS, shadow), [timed("a", 5.0).of_quality(Bad)]);
}

#[test]
fn values_may_be_objects_with_a_value_each() {
    let payload = r#"{"ts":1700000000123,"values":{"a":{"value":5,"quality":"bad"},"b":{"v":"6"},"c":7,"d":{"val":8,"t":1700000000123}}}"#;
    let expected = [timed("a", 5.0).of_quality(Bad), timed("b", 6.0), timed("c", 7.0), timed("d", 8.0)];
    assert_eq!(points(TAGS, payload), expected);
    let found = decoded(TAGS, &[], r#"{"values":{"a":{"x":"cold"},"b":{"value":"hot"},"c":1}}"#);
    assert_eq!((found.points.as_slice(), found.rejects.len()), (&[untimed("c", 1.0)][..], 2));
    come_back(TAGS, &found);
    let twice = decoded(TAGS, &[], r#"{"values":{"a":{"value":1},"a":{"value":2}}}"#);
    assert_eq!((twice.points.as_slice(), twice.rejects.len()), (&[untimed("a", 1.0)][..], 1));
    // Short keys of an object elsewhere: where the catalogue has the sensor.
    let payload = r#"{"a":{"v":5,"t":1700000000123}}"#;
    assert_eq!(decoded(TAGS, &["a"], payload).points, [timed("a", 5.0)]);
}
