//! Documents in every form, sound and broken, with serde_json as the second opinion.

use super::super::collected::{Collected, Found};
use super::*;
use crate::Kind;
use genims_model::Quality;
use proptest::prelude::*;

const TIME_MS: &str = "1700000000123";
const TIME_US: Option<i64> = Some(1_700_000_000_123_000);

fn batch() -> Address<'static> {
    Address { factory: Some("F1"), line: None, machine: None, kind: Kind::Readings }
}

fn sensor() -> Address<'static> {
    Address { factory: Some("F1"), line: Some("L1"), machine: Some("M1"), kind: Kind::Sensor("TEMP") }
}

fn scada() -> Address<'static> {
    Address { kind: Kind::Scada, ..sensor() }
}

fn decoded(address: Address<'_>, payload: impl AsRef<[u8]>) -> Collected {
    let mut visitor = Collected::default();
    decode(&address, payload.as_ref(), &mut visitor);
    visitor
}

fn points(address: Address<'_>, payload: &str) -> Vec<Found> {
    let found = decoded(address, payload);
    assert_eq!(found.rejects, [], "{payload}");
    found.points
}

fn reasons(address: Address<'_>, payload: &str) -> Vec<Reason> {
    let found = decoded(address, payload);
    assert_eq!(found.points, [], "{payload}");
    found.reasons()
}

fn s1(value: f64) -> Found {
    Found::new("S1", TIME_US, value)
}

#[test]
fn keys_may_stand_in_any_order_and_others_are_skipped() {
    for payload in [
        r#"{"sensor_id":"S1","value":12.345,"timestamp_ms":1700000000123}"#,
        r#" { "timestamp_ms" : 1700000000123 , "value" : 12.345 , "sensor_id" : "S1" } "#,
        r#"[{"value":12.345,"unit":{"a":[1,{"b":null}]},"timestamp_ms":1700000000123,"sensor_id":"S1","x":"\"}"}]"#,
        r#"{"s\u0065nsor_id":"\u00531","value":1.2345e1,"timestamp_ms":17000000001.23e2}"#,
    ] {
        assert_eq!(points(batch(), payload), [s1(12.345)], "{payload}");
    }
}

#[test]
fn every_name_and_time_key_is_understood_and_the_stronger_one_wins() {
    for key in ["sensor_id", "sensor", "id", "name", "tag"] {
        let payload = format!(r#"{{"{key}":"S1","value":1,"ts":{TIME_MS}}}"#);
        assert_eq!(points(batch(), &payload), [s1(1.0)], "{key}");
    }
    let payload = format!(r#"{{"id":17,"name":"Oil","sensor_id":"S1","value":1,"ts":{TIME_MS}}}"#);
    assert_eq!(points(batch(), &payload), [s1(1.0)]);
    for time in [
        r#""timestamp_us":1700000000123000"#,
        r#""timestamp_ns":1700000000123000000"#,
        r#""timestamp":1700000000.123"#,
        r#""ts":"2023-11-14T22:13:20.123Z""#,
        r#""time":1700000000123"#,
        r#""t":1700000000123000"#,
        r#""ts":"1700000000123""#,
        r#""timestamp_us":"1700000000123000""#,
        r#""timestamp":"2023-11-14T23:13:20,123+0100""#,
        r#""time":"2023-11-14 22:13:20.123z""#,
        r#""timestamp":null,"ts":1700000000123"#,
        r#""time":"shift 2","timestamp_ms":1700000000123"#,
    ] {
        let payload = format!(r#"{{"sensor":"S1","value":1,{time}}}"#);
        assert_eq!(points(batch(), &payload), [s1(1.0)], "{time}");
    }
    assert_eq!(points(batch(), r#"{"sensor":"S1","value":1}"#), [Found::new("S1", None, 1.0)]);
}

#[test]
fn a_sensor_topic_names_the_sensor_unless_the_element_does() {
    let temp = Found::new("TEMP", TIME_US, 1.5).on("M1");
    let payload = format!(r#"{{"value":1.5,"timestamp_ms":{TIME_MS}}}"#);
    assert_eq!(points(sensor(), &payload), std::slice::from_ref(&temp));
    let payload = format!(r#"{{"value":1.5,"id":"message 7","name":"Oil","ts":{TIME_MS}}}"#);
    assert_eq!(points(sensor(), &payload), [temp]);
    let payload = format!(r#"{{"sensor_id":"S1","timestamp_ms":{TIME_MS},"value":1.5}}"#);
    assert_eq!(points(sensor(), &payload), [s1(1.5).on("M1")]);
}

#[test]
fn a_machine_in_the_element_belongs_to_its_sensor() {
    for key in ["machine_id", "machine"] {
        let payload = format!(r#"[{{"{key}":"M7","tag":"TEMP","value":2,"ts":{TIME_MS}}}]"#);
        assert_eq!(points(batch(), &payload), [Found::new("TEMP", TIME_US, 2.0).on("M7")]);
    }
}

#[test]
fn values_of_one_time_are_read_with_the_time_before_or_behind() {
    let expected = [Found::new("TEMP", TIME_US, 1.5).on("M1"), Found::new("P", TIME_US, -2.0).on("M1")];
    for payload in [
        r#"{"ts":1700000000123,"values":{"TEMP":1.5,"P":-2}}"#,
        r#"{"values":{"TEMP":1.5,"\u0050":-2},"ts":1700000000123}"#,
        r#"[{"ts":1700000000123,"values":{"TEMP":1.5}},{"ts":1700000000123,"values":{"P":-2}}]"#,
    ] {
        assert_eq!(points(sensor(), payload), expected, "{payload}");
    }
    let payload = r#"{"machine_id":"M1","ts":1700000000123,"values":{"TEMP":1.5,"P":-2}}"#;
    assert_eq!(points(batch(), payload), expected);
    assert_eq!(decoded(sensor(), r#"{"ts":1,"values":{}}"#), Collected::default());
}

#[test]
fn a_bad_key_of_values_is_rejected_alone_and_can_be_sent_again() {
    let payload = r#"{"ts":1700000000123,"quality":"bad","machine":"M \"9","values":
        {"A":"x","B":"1,5","C":null,"D":NaN,"E":1e11,"F":{"a":[]},"":1,"G":7,"G":8,"\u0048":"\u0048"}}"#;
    let found = decoded(batch(), payload);
    assert_eq!(found.points, [Found::new("G", TIME_US, 7.0).on("M \"9").of_quality(Quality::Bad)]);
    use Reason::{MalformedPayload, NotANumber, NotFinite, OutOfRange};
    let expected = [
        NotANumber,
        NotANumber,
        NotANumber,
        NotFinite,
        OutOfRange,
        NotANumber,
        MalformedPayload,
        MalformedPayload,
        NotANumber,
    ];
    assert_eq!(found.reasons(), expected);
    let first = r#"{"timestamp_us":1700000000123000,"machine_id":"M \"9","quality":"bad","values":{"A":"x"}}"#;
    assert_eq!(found.fragments()[0], first);
    for (place, (reason, _, fragment)) in found.rejects.iter().enumerate() {
        let again = decoded(batch(), fragment);
        // The second G is only at fault beside the first.
        let expected = if place == 7 { vec![] } else { vec![*reason] };
        assert_eq!(again.reasons(), expected, "{}", String::from_utf8_lossy(fragment));
        assert!(place == 7 || again.fragments() == [String::from_utf8_lossy(fragment)]);
    }
}

#[test]
fn duplicate_keys_are_found_in_long_objects_too() {
    let mut members: Vec<String> = (0..200).map(|n| format!("\"K{n}\":{n}")).collect();
    members.extend(["\"K0\":1".to_owned(), "\"K150\":1".to_owned(), "\"\\u004b7\":1".to_owned()]);
    let found = decoded(sensor(), format!("{{\"values\":{{{}}}}}", members.join(",")));
    assert_eq!((found.points.len(), found.rejects.len()), (200, 3));
}

#[test]
fn qualities_are_words_or_opc_numbers() {
    use Quality::{Bad, Good, Uncertain};
    for (text, expected) in [
        ("\"good\"", Good),
        ("\"UNCERTAIN\"", Uncertain),
        ("\"Bad\"", Bad),
        ("192", Good),
        ("64", Uncertain),
        ("0", Good),
        ("216", Good),
        ("4", Bad),
        ("2150694912", Bad),
        ("\"Bad_NoCommunication\"", Bad),
        ("\"0\"", Good),
        ("true", Good),
        ("false", Bad),
    ] {
        let payload = format!(r#"{{"value":1,"quality":{text}}}"#);
        assert_eq!(points(sensor(), &payload)[0].quality, expected, "{text}");
    }
    for text in ["\"fair\"", "128", "-1", "1.5", "[]"] {
        let payload = format!(r#"{{"value":1,"quality":{text}}}"#);
        let found = decoded(sensor(), &payload);
        assert_eq!((found.points[0].quality, found.rejects), (Uncertain, vec![]), "{text}");
        assert_eq!(found.remarks, [text]);
    }
}

#[test]
fn values_that_are_no_numbers_say_why() {
    use Reason::{NotANumber, NotFinite, OutOfRange};
    for (value, reason) in [
        ("\"1,5\"", NotANumber),
        ("\"\"", NotANumber),
        ("12abc", NotANumber),
        ("0x1F", NotANumber),
        ("null", NotANumber),
        ("{}", NotANumber),
        ("[]", NotANumber),
        ("[1,2]", NotANumber),
        ("NaN", NotFinite),
        ("Infinity", NotFinite),
        ("-Infinity", NotFinite),
        ("99999999999.99995", OutOfRange),
        ("100000000000", OutOfRange),
        ("-100000000000", OutOfRange),
        ("9007199254740993", OutOfRange),
        ("123456789012345678901234567890", OutOfRange),
        ("1e400", OutOfRange),
    ] {
        assert_eq!(reasons(sensor(), &format!("{{\"value\":{value}}}")), [reason], "{value}");
    }
    for value in [99_999_999_999.999_9, -99_999_999_999.999_9, 99_999_999_999.0, 0.0001] {
        assert_eq!(points(sensor(), &format!("{{\"value\":{value}}}"))[0].value, value);
    }
    let zero = points(sensor(), "{\"value\":-0.0}")[0].value;
    assert_eq!(zero.to_bits(), 0);
}

#[test]
fn bad_times_are_rejected_as_such() {
    for time in ["true", "noon", "\"noon\"", "-5", "1e30", "{}", "NaN", "\"2023-11-14T22:13:20\""] {
        assert_eq!(reasons(sensor(), &format!(r#"{{"value":1,"ts":{time}}}"#)), [Reason::BadTimestamp], "{time}");
    }
}

#[test]
fn missing_and_double_keys_are_malformed() {
    for payload in [
        "{}",
        r#"{"ts":1}"#,
        r#"{"value":1,"value":2}"#,
        r#"{"value":1,"v\u0061lue":2}"#,
        r#"{"value":1,"ts":1,"ts":1}"#,
        r#"{"value":1,"values":{"A":1}}"#,
        r#"{"values":5}"#,
        r#"{"sensor_id":7,"value":1}"#,
        r#"{"sensor_id":"a\u0000","value":1}"#,
        r#"{"machine_id":7,"value":1}"#,
    ] {
        assert_eq!(reasons(sensor(), payload), [Reason::MalformedPayload], "{payload}");
    }
    assert_eq!(reasons(batch(), r#"{"value":1}"#), [Reason::MalformedPayload]);
    let long = format!(r#"{{"sensor_id":"{}","value":1}}"#, "x".repeat(256));
    assert_eq!(reasons(batch(), &long), [Reason::MalformedPayload]);
}

#[test]
fn a_bad_element_takes_no_neighbour_with_it() {
    let good = |n: u32| format!(r#"{{"sensor_id":"S{n}","value":{n},"ts":{TIME_MS}}}"#);
    for bad in [
        r#"{"sensor_id":"X","value":"a"}"#,
        r#"{"sensor_id":"X","value":NaN}"#,
        r#"{"sensor_id":"X" "value":1}"#,
        r#"{"sensor_id":"X","value":01a}"#,
        r#"{"sensor_id":"X","value":1,5}"#,
        r#"{"sensor_id":"X","value":[1,}]}"#,
        r#"{"sensor_id":"\x, ]}","value":1}"#,
        r#"{sensor_id:"X"}"#,
        "17",
        "null",
        "\"text, ]\"",
        "[1,2]",
        "tru",
        "{}",
    ] {
        let found = decoded(batch(), format!("[{}, {bad} ,{}]", good(1), good(2)));
        let sensors: Vec<&str> = found.points.iter().map(|point| point.sensor.as_str()).collect();
        if bad.contains("[1,}") {
            assert_eq!((sensors, found.rejects.len()), (vec!["S1"], 1), "its brackets do not match");
            continue;
        }
        assert_eq!(sensors, ["S1", "S2"], "{bad}");
        assert_eq!(found.fragments(), [bad], "{bad}");
    }
    let mut no_utf_8 = format!("[{},", good(1)).into_bytes();
    no_utf_8.extend(b"{\"sensor_id\":\"\xff\\x\",\"value\":1},");
    no_utf_8.extend(format!("{}]", good(2)).as_bytes());
    let found = decoded(batch(), no_utf_8);
    assert_eq!((found.points.len(), found.reasons()), (2, vec![Reason::MalformedPayload]));
}

#[test]
fn a_document_that_breaks_off_keeps_what_came_before() {
    let whole = format!(r#"[{{"sensor_id":"S1","value":1,"ts":{TIME_MS}}},{{"sensor_id":"S2","value":2,"ts":5}}]"#);
    let first_end = whole.find('}').unwrap() + 1;
    let second_end = whole.len() - 1;
    for length in 1..whole.len() {
        let found = decoded(batch(), &whole[..length]);
        let expected = usize::from(length >= first_end) + usize::from(length >= second_end);
        assert_eq!(found.points.len(), expected, "{length}");
        assert_eq!(found.reasons(), [Reason::MalformedPayload], "{length}");
        let fragment = &found.fragments()[0];
        assert!(whole[..length].ends_with(fragment.as_str()), "{fragment}");
    }
}

#[test]
fn nothing_may_follow_the_document() {
    assert_eq!(reasons(sensor(), r#"{"value":1} x"#), [Reason::MalformedPayload]);
    assert_eq!(reasons(sensor(), r#"{"value":1}{"value":2}"#), [Reason::MalformedPayload]);
    let found = decoded(sensor(), r#"[{"value":1}] x"#);
    assert_eq!((found.points.len(), found.fragments()), (1, vec!["x".to_owned()]));
    assert_eq!(decoded(sensor(), "[] x").fragments(), ["x"]);
    assert_eq!(decoded(sensor(), "[]"), Collected::default());
}

#[test]
fn snapshots_come_alone_in_arrays_and_in_mixed_batches() {
    let alone = format!(r#"{{"machine_state":"RUNNING","tool_number":4,"timestamp_ms":{TIME_MS}}}"#);
    let found = decoded(scada(), &alone);
    let (machine, timestamp_us, fields) = &found.snapshots[0];
    assert_eq!((machine.as_str(), *timestamp_us, fields.tool_number), ("M1", TIME_US, Some(4)));
    assert_eq!(decoded(scada(), format!("[{alone},{alone}]")).snapshots.len(), 2);
    let mixed = format!(
        r#"[{{"machine_id":"M7","machine_state":"IDLE"}},{{"sensor_id":"S1","value":1,"ts":{TIME_MS}}},{{"machine_state":"IDLE"}}]"#
    );
    let found = decoded(batch(), &mixed);
    assert_eq!((found.snapshots[0].0.as_str(), found.snapshots.len()), ("M7", 1));
    assert_eq!(found.points, [s1(1.0)]);
    assert_eq!(found.fragments(), [r#"{"machine_state":"IDLE"}"#]);
}

#[test]
fn below_scada_an_object_without_a_state_is_malformed() {
    for payload in [r#"{"tool_number":4}"#, r#"{"value":1}"#, r#"{"ts":1,"values":{"A":1}}"#, "{}"] {
        assert_eq!(reasons(scada(), payload), [Reason::MalformedPayload], "{payload}");
    }
    let found = decoded(scada(), r#"{"machine_state":"RUNNING","oee_percentage":1000}"#);
    assert_eq!(found.reasons(), [Reason::OutOfRange]);
    assert!(found.rejects[0].1.starts_with("oee_percentage"));
}

proptest! {
    #[test]
    fn batches_written_by_serde_json_are_read_back(
        readings in proptest::collection::vec(
            ("\\PC{1,20}", -99_999_999_999.0..99_999_999_999.0_f64, 0_i64..=crate::timestamp::TIMESTAMP_US_MAX),
            0..20,
        ),
        pretty in any::<bool>(),
    ) {
        let elements: Vec<serde_json::Value> = readings
            .iter()
            .map(|(sensor, value, us)| serde_json::json!({ "sensor_id": sensor, "value": value, "timestamp_us": us }))
            .collect();
        let payload = if pretty { serde_json::to_vec_pretty(&elements) } else { serde_json::to_vec(&elements) };
        let found = decoded(batch(), payload.unwrap());
        let expected: Vec<Found> = readings
            .iter()
            .map(|(sensor, value, us)| Found::new(sensor, Some(*us), crate::value::of_float(*value).unwrap()))
            .collect();
        prop_assert_eq!(found.rejects, []);
        prop_assert_eq!(found.points, expected);
    }

    #[test]
    fn what_serde_json_takes_is_taken_and_nothing_is_lost(at in any::<prop::sample::Index>(), byte in any::<u8>(), array in any::<bool>()) {
        let element = r#"{"sensor_id":"S1","value":-12.5e1,"ts":1700000000123,"x":[{"y":null},"é"]}"#;
        let mut payload = if array { format!("[{element},{element},{element}]") } else { element.to_owned() }.into_bytes();
        let at = at.index(payload.len());
        payload[at] = byte;
        let found = decoded(batch(), &payload);
        let valid = serde_json::from_slice::<serde_json::Value>(&payload).is_ok();
        let broken = found.rejects.iter().any(|reject| reject.1.contains(" at byte "));
        prop_assert!(!valid || !broken, "{}", String::from_utf8_lossy(&payload));
        prop_assert!(found.points.len() + found.rejects.len() >= 1);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), open in "[\\[{]{1,2}\"?") {
        for address in [batch(), sensor(), scada()] {
            decoded(address, [open.as_bytes(), &bytes].concat());
        }
    }

    #[test]
    fn fragments_are_rejected_again_for_the_same_reason(text in "[\\[\\]{},:\"a1 \\\\N.-]{0,30}") {
        let found = decoded(sensor(), format!("[{{\"value\":{text}}},{{\"value\":1}}]"));
        for (reason, _, fragment) in found.rejects {
            // Only elements can be sent again; the rest of a broken array is no document.
            if fragment.starts_with(b"{") {
                let again = decoded(sensor(), &fragment);
                prop_assert_eq!(again.reasons().first().copied(), Some(reason), "{}", String::from_utf8_lossy(&fragment));
            }
        }
    }
}
