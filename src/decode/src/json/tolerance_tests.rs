//! What a device did not mean as the value must not cost the value.

use super::super::collected::{Collected, Found};
use super::*;
use crate::Kind;
use genims_model::Quality;

fn decoded(payload: impl AsRef<[u8]>) -> Collected {
    let address = Address { factory: Some("F1"), line: Some("L1"), machine: Some("M1"), kind: Kind::Sensor("TEMP") };
    let mut visitor = Collected::default();
    decode(&address, payload.as_ref(), &mut visitor);
    visitor
}

fn temp(value: f64) -> Found {
    Found::new("TEMP", None, value).on("M1")
}

#[test]
fn unused_keys_may_hold_anything() {
    let deep = format!("{}1{}", "[{\"a\":".repeat(5_000), "}]".repeat(5_000));
    let used = [
        "null",
        "NaN",
        "-Infinity",
        "nan",
        "1.#QNAN",
        "00123",
        "+1",
        ".5",
        "0x1F",
        "12abc",
        "undefined",
        "None",
        "True",
        "'x'",
        "",
        "[1,2,]",
        "[NaN]",
        "{\"value\":7}",
        "{\"a\":[{\"b\":\"}]\"}]}",
        "[[],{},\"\\\\\"]",
        "\"\\x\"",
        "\"C:\\data\\q\"",
        "\"a\nb\"",
        "\"\\uD83D\"",
        "1.2.3.4",
        "2023-11-14",
        "12:30",
        deep.as_str(),
    ];
    for content in used {
        for payload in [
            format!("{{\"x\":{content},\"value\":1.5}}"),
            format!("{{\"value\":1.5,\"x\": {content} }}"),
            format!("[{{\"value\":1.5,\"x\":{content}}}]"),
        ] {
            let found = decoded(&payload);
            assert_eq!((found.points, found.rejects), (vec![temp(1.5)], vec![]), "{content}");
        }
    }
    for latin_1 in
        [&b"{\"ort\":\"K\xf6ln\",\"value\":1.5}"[..], b"{\"\xd6l\":1,\"value\":1.5}", b"{\"x\":\xff,\"value\":1.5}"]
    {
        let found = decoded(latin_1);
        assert_eq!((found.points, found.rejects), (vec![temp(1.5)], vec![]));
    }
}

#[test]
fn a_null_is_a_key_left_out() {
    for key in [
        "sensor_id",
        "sensor",
        "tag",
        "name",
        "id",
        "machine_id",
        "machine",
        "quality",
        "values",
        "timestamp",
        "ts",
        "t",
        "timestamp_ms",
        "time",
        "unit",
    ] {
        let found = decoded(format!("{{\"value\":1.5,\"{key}\":null}}"));
        assert_eq!((found.points, found.rejects), (vec![temp(1.5)], vec![]), "{key}");
    }
    let found = decoded("{\"values\":{\"A\":null,\"B\":2}}");
    assert_eq!(found.points, [Found::new("B", None, 2.0).on("M1")]);
    assert_eq!(found.reasons(), [Reason::NotANumber]);
}

#[test]
fn separators_behind_the_last_member_are_not_meant() {
    for payload in ["{\"value\":1.5,}", "{\"value\":1.5 , }", "[{\"value\":1.5},]", "[{\"value\":1.5,} , ]"] {
        let found = decoded(payload);
        assert_eq!((found.points, found.rejects), (vec![temp(1.5)], vec![]), "{payload}");
    }
    let found = decoded("{\"values\":{\"TEMP\":1.5,},}");
    assert_eq!((found.points, found.rejects), (vec![temp(1.5)], vec![]));
}

#[test]
fn values_are_read_as_meters_and_switches_print_them() {
    for (written, value) in [
        ("00123", 123.0),
        (".14", 0.14),
        ("+23.5", 23.5),
        ("1.", 1.0),
        ("+2.35E+001", 23.5),
        ("1e3", 1_000.0),
        ("\"23.5\"", 23.5),
        ("\" +23.5 \"", 23.5),
        ("\"2\\u0033.5\"", 23.5),
        ("\"23.5\\u0000\\u0000\"", 23.5),
        ("\"- 23.5;\"", -23.5),
        ("ON", 1.0),
        ("true", 1.0),
        ("false", 0.0),
        ("\"ON\"", 1.0),
        ("\"off\"", 0.0),
        ("\"Open\"", 1.0),
        ("\"CLOSED\"", 0.0),
        ("18.54322356", 18.5432),
        ("\"18.54325\"", 18.5433),
        ("-0.00001", 0.0),
    ] {
        let found = decoded(format!("{{\"value\":{written}}}"));
        assert_eq!((found.points, found.rejects), (vec![temp(value)], vec![]), "{written}");
        let found = decoded(format!("{{\"values\":{{\"TEMP\":{written}}}}}"));
        assert_eq!((found.points, found.rejects), (vec![temp(value)], vec![]), "{written}");
    }
}

#[test]
fn quality_of_good_stays_good_without_a_word() {
    assert_eq!(decoded("{\"value\":1,\"quality\":null}").points[0].quality, Quality::Good);
}
