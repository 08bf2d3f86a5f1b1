//! Messages in every form through the one door, and the replay contract.

use super::super::collected::{Collected, Found};
use super::super::frame::{Record, RecordValue, encode};
use super::super::template::TopicTemplate;
use super::*;
use proptest::prelude::*;

const SENSOR: &str = "genims/v1/F1/L1/M1/TEMP";
const SCADA: &str = "genims/v1/F1/L1/M1/scada";
const BATCH: &str = "genims/v1/F1/readings";

fn decoded(topic: &str, payload: impl AsRef<[u8]>) -> Collected {
    let mut visitor = Collected::default();
    Decoder::default().message(topic, payload.as_ref(), &mut visitor);
    visitor
}

fn temp(value: f64) -> Found {
    Found::new("TEMP", None, value).on("M1")
}

fn frame_payload() -> Vec<u8> {
    let record = Record { handle: 1, quality: Quality::Good, delta_us: 0, value: RecordValue::Float(2.5) };
    let mut payload = Vec::new();
    encode::data(0, 1_700_000_000_000_000, &[(1, "S1")], &[record], &mut payload);
    payload
}

#[test]
fn the_first_byte_tells_the_form() {
    assert_eq!(decoded(SENSOR, " {\"value\":1.5}").points, [temp(1.5)]);
    assert_eq!(decoded(SENSOR, "[{\"value\":1.5}]").points, [temp(1.5)]);
    assert_eq!(decoded(BATCH, "M1 TEMP=1.5").points, [temp(1.5)]);
    assert_eq!(decoded(BATCH, frame_payload()).points, [Found::new("S1", Some(1_700_000_000_000_000), 2.5)]);
    assert_eq!(decoded(SCADA, "{\"machine_state\":\"IDLE\"}").snapshots.len(), 1);
}

#[test]
fn a_bare_number_is_a_reading_of_the_topics_sensor() {
    for (payload, value) in
        [("1.5", 1.5), (" -7\r\n", -7.0), ("0", 0.0), ("1e3", 1_000.0), ("99999999999", 99_999_999_999.0)]
    {
        assert_eq!(decoded(SENSOR, payload).points, [temp(value)], "{payload}");
    }
    assert_eq!(decoded(BATCH, "1.5").reasons(), [Reason::MalformedPayload]);
}

#[test]
fn bare_values_are_read_as_meters_and_switches_print_them() {
    for (payload, value) in [
        ("00123", 123.0),
        (".14", 0.14),
        ("+23.5", 23.5),
        ("1.", 1.0),
        ("+2.35E+001", 23.5),
        ("\"23.5\"", 23.5),
        ("\" 12 \"", 12.0),
        ("ON", 1.0),
        ("\"off\"", 0.0),
        ("true", 1.0),
        ("closed", 0.0),
        ("18.54322356", 18.5432),
    ] {
        assert_eq!(decoded(SENSOR, payload).points, [temp(value)], "{payload}");
    }
}

#[test]
fn what_stands_around_the_payload_costs_nothing() {
    for (before, behind) in [
        ("\u{feff}", ""),
        ("", "\0"),
        ("", "\0\0\n"),
        ("", ";"),
        ("", ",\r\n"),
        ("\u{feff} \n", " \0 "),
        ("", "; \n\0"),
        // Scales and scanners put STX and ETX around, or end with SUB.
        ("\x02", "\x03"),
        ("\x02 ", "\r\n\x1a"),
    ] {
        let around = |text: &str| format!("{before}{text}{behind}");
        assert_eq!(decoded(SENSOR, around("1.5")), decoded(SENSOR, "1.5"), "{before:?} {behind:?}");
        for form in ["{\"value\":1.5}", "[{\"value\":1.5}]", "M1 TEMP=1.5"] {
            let found = decoded(SENSOR, around(form));
            assert_eq!((found.points, found.rejects), (vec![temp(1.5)], vec![]), "{before:?} {form} {behind:?}");
        }
        let snapshot = decoded(SCADA, around("{\"machine_state\":\"IDLE\"}"));
        assert_eq!((snapshot.snapshots.len(), snapshot.rejects.len()), (1, 0));
    }
}

#[test]
fn what_a_buffer_held_before_is_no_part_of_the_payload() {
    for old in ["\0 ld}", "\0\"value\":7}", "\0\0x", "\0]", "\0=5"] {
        for form in ["{\"value\":1.5}", "[{\"value\":1.5}]", "M1 TEMP=1.5", "1.5"] {
            let found = decoded(SENSOR, format!("{form}{old}"));
            assert_eq!((found.points, found.rejects), (vec![temp(1.5)], vec![]), "{form} {old:?}");
        }
        let lines = decoded(SENSOR, format!("{{\"value\":1.5}}\n{{\"value\":2}}{old}"));
        assert_eq!((lines.points.len(), lines.rejects.len()), (2, 0), "{old:?}");
    }
    // What could be UTF-16, and lines that may be of use, are set aside as they came.
    for payload in [&b"1\0.\x005\0"[..], b"\x001\0.\x005", b"hello\0x", b"{\"value\":1.5\0}"] {
        let found = decoded(SENSOR, payload);
        assert_eq!((found.points.len(), found.rejects.len()), (0, 1), "{payload:?}");
    }
    let second = decoded(SENSOR, "M1 TEMP=1\nM1 TEMP=2\0x\nM1 TEMP=3");
    assert_eq!((second.points.len(), second.rejects.len()), (2, 1));
}

#[test]
fn binary_payloads_are_told_so() {
    let cbor = b"\xa1\x61t\xfb\x40\x35\x5e\xb8\x51\xeb\x85\x1f";
    let message_pack = b"\x81\xa1t\xcb\x40\x35\x5e\xb8\x51\xeb\x85\x1f";
    let sparkplug = b"\x08\xfb\xa7\xd0\xb1\xbc\x31\x12\x0f\x0a\x04a=b\n\x18\x00\x20\x0a\x6d\0\0\xac\x41";
    for payload in [&cbor[..], message_pack, sparkplug] {
        for topic in [SENSOR, BATCH, "genims/v1/F1/L1/M1/tags"] {
            let found = decoded(topic, payload);
            assert_eq!((found.points.len(), found.reasons()), (0, vec![Reason::MalformedPayload]), "{payload:?}");
            assert!(found.rejects[0].1.contains("binary (Sparkplug B"), "{}", found.rejects[0].1);
            assert_eq!(found.rejects[0].2, payload);
        }
    }
    assert!(decoded("spBv1.0/G/NDATA/E", sparkplug).rejects[0].1.contains("Sparkplug B"));
    // Text in Latin-1 is none.
    let found = decoded(SENSOR, b"M1 TEMP=1.5,note=\"\xd6l\"\0");
    assert_eq!(found.points, [temp(1.5)]);
}

#[test]
fn an_empty_message_says_nothing() {
    for topic in [SENSOR, BATCH, SCADA, ""] {
        for payload in ["", "\0", "\0\0"] {
            assert_eq!(decoded(topic, payload), Collected::default(), "{topic} {payload:?}");
        }
    }
}

#[test]
fn bare_values_that_are_no_readings_say_why() {
    use Reason::{MalformedPayload, NotANumber, NotFinite, OutOfRange};
    for (payload, reason, detail) in [
        ("NaN", NotFinite, "`NaN`"),
        ("nan", NotFinite, "leave the value out"),
        ("Infinity", NotFinite, ""),
        ("-inf", NotFinite, ""),
        ("+inf", NotFinite, ""),
        ("1.#QNAN", NotFinite, ""),
        ("\"twelve\"", NotANumber, "twelve"),
        ("null", NotANumber, "`null`"),
        ("100000000000", OutOfRange, "11 digits"),
        ("1e999", OutOfRange, "`1e999`"),
        ("1,5", MalformedPayload, "`1,5`; write the decimal mark as a point"),
        ("12 C", MalformedPayload, "`12 C`; write the number alone, without a unit"),
        ("12abc", MalformedPayload, "without a unit"),
        ("0x1F", MalformedPayload, "`0x1F`; write it in decimal digits"),
        ("\"open", MalformedPayload, "open"),
        ("-", MalformedPayload, "`-`"),
        ("  \n", MalformedPayload, "blank"),
        ("hello", MalformedPayload, "`hello`; write a number"),
        ("<xml/>", MalformedPayload, "`<xml/>`"),
        (";", MalformedPayload, "blank"),
    ] {
        let found = decoded(SENSOR, payload);
        assert_eq!((found.points.len(), found.reasons()), (0, vec![reason]), "{payload}");
        assert_eq!(found.fragments()[0].trim(), payload.trim(), "{payload}");
        assert!(found.rejects[0].1.contains(detail), "{payload}: {}", found.rejects[0].1);
    }
    let utf_16: Vec<u8> = "\u{feff}1.5".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(decoded(SENSOR, utf_16).rejects[0].1.contains("UTF-16"));
}

#[test]
fn line_protocol_may_begin_like_another_form() {
    for payload in ["3D\\ printer TEMP=1", "Nozzle TEMP=1", "GF1 TEMP=1", "true TEMP=1", "-5 TEMP=1"] {
        let found = decoded(BATCH, payload);
        assert_eq!((found.points.len(), found.rejects.len()), (1, 0), "{payload}");
    }
}

#[test]
fn a_measurement_that_is_no_machine_stands_for_the_topic_s() {
    let topic = "genims/v1/F1/L1/M1/tags";
    let machines = |known: &[&'static str], line: &str| -> Vec<Option<String>> {
        let mut visitor = Collected { known: known.to_vec(), ..Collected::default() };
        Decoder::default().message(topic, line.as_bytes(), &mut visitor);
        visitor.points.into_iter().map(|point| point.machine).collect()
    };
    let (one, two) = (Some("M1".to_owned()), Some("M2".to_owned()));
    assert_eq!(
        machines(&["M2"], "modbus,host=gw TEMP=1.5,VIB=2\nM2 TEMP=3\nx,machine_id=M2 TEMP=4"),
        [one.clone(), one, two.clone(), two]
    );
}

#[test]
fn pairs_without_a_measurement_are_told_so() {
    let topic = "genims/v1/F1/L1/M1/tags";
    for payload in ["temp=21.5 hum=48", "TEMP=21.5", "temp=21.5&hum=48", "temp=21.5,hum=48", "temp=21.5\nhum=48"] {
        let found = decoded(topic, payload);
        assert_eq!(found.points, [], "{payload}");
        assert_eq!(found.fragments().join("\n"), payload, "nothing of it is lost");
        for (reason, detail, _) in &found.rejects {
            assert_eq!(*reason, Reason::MalformedPayload, "{payload}");
            assert!(detail.contains("write `M temp=21.5,hum=48`"), "{payload}: {detail}");
        }
    }
    for line in ["temp=21.5 hum=48", "temp=21.5,host=gw hum=48"] {
        let found = decoded(BATCH, line);
        assert_eq!((found.points.len(), found.fragments()), (0, vec![line.to_owned()]), "for want of a machine, too");
        assert!(found.rejects[0].1.contains("write `M temp=21.5,hum=48`"), "{}", found.rejects[0].1);
    }
    // Base64 is no pair.
    for payload in ["gkHeAA==", "gkHeAA=", "gkHeAA==\r\n"] {
        let found = decoded(topic, payload);
        assert_eq!((found.points.len(), found.reasons()), (0, vec![Reason::MalformedPayload]), "{payload}");
        assert!(found.rejects[0].1.contains("`gkHeAA=") && !found.rejects[0].1.contains("line"), "{payload}");
        assert!(decoded(BATCH, payload).rejects[0].1.contains("neither JSON nor line protocol: `gkHeAA="), "{payload}");
    }
    // An escaped sign of equality is one of the name's letters, and a machine's name is what the catalogue has.
    assert_eq!(decoded(topic, "a\\=b TEMP=1").points, [temp(1.0)]);
    let mut visitor = Collected { known: vec!["a=b"], ..Collected::default() };
    Decoder::default().message(topic, b"a=b TEMP=1", &mut visitor);
    assert_eq!(visitor.points, [Found::new("TEMP", None, 1.0).on("a=b")]);
}

#[test]
fn telegraf_writes_the_quality_of_opc_ua_with_a_capital() {
    let bad = "opcua,id=ns\\=2;s\\=T TEMP=21.5,Quality=\"The node is unknown. StatusBadNodeIDUnknown (0x80340000)\"";
    let found = decoded("genims/v1/F1/L1/M1/tags", bad);
    assert_eq!((found.points, found.rejects), (vec![temp(21.5).of_quality(Quality::Bad)], vec![]));
    let good = "opcua TEMP=21.5,Quality=\"The operation succeeded. StatusGood (0x0)\"";
    assert_eq!(decoded("genims/v1/F1/L1/M1/tags", good).points, [temp(21.5)]);
    for line in ["r,sensor_id=TEMP,machine_id=M1 value=21.5,Quality=24", "r,machine_id=M1,Quality=bad TEMP=21.5"] {
        assert_eq!(decoded(BATCH, line).points, [temp(21.5).of_quality(Quality::Bad)], "{line}");
    }
    let json = r#"{"value":21.5,"Quality":"The operation succeeded. StatusGood (0x0)"}"#;
    assert_eq!(decoded(SENSOR, json).points, [temp(21.5)]);
}

#[test]
fn a_topic_that_names_a_machine_needs_no_more() {
    for (template, topic) in [
        ("zigbee2mqtt/{machine}", "zigbee2mqtt/M1"),
        ("losant/{machine}/state", "losant/M1/state"),
        ("devices/{machine}/messages/events/", "devices/M1/messages/events/"),
    ] {
        let entry = TopicTemplate { template: template.to_owned(), ..TopicTemplate::default() };
        let decoder = Decoder::new(Templates::new([&entry]).unwrap());
        let mut visitor = Collected::default();
        decoder.message(topic, br#"{"TEMP":1.5}"#, &mut visitor);
        decoder.message(topic, b"1.5", &mut visitor);
        assert_eq!((visitor.points.as_slice(), visitor.rejects.len()), (&[temp(1.5)][..], 1), "{template}");
    }
}

#[test]
fn damaged_frames_are_malformed() {
    let good = frame_payload();
    for length in 2..good.len() {
        assert_eq!(decoded(BATCH, &good[..length]).reasons(), [Reason::MalformedPayload]);
    }
    for at in 2..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 0x10;
        let found = decoded(BATCH, &damaged);
        assert_eq!((found.points.len(), found.rejects.len()), (0, 1), "{at}");
    }
}

#[test]
fn unknown_topics_and_rows_are_rejected_whole() {
    for topic in ["acme/x", "genims/v1/rows/genims_erp/orders", "genims/v1/F1"] {
        let found = decoded(topic, "{\"value\":1}");
        assert_eq!(found.reasons(), [Reason::UnknownTopic]);
        assert_eq!(found.fragments(), ["{\"value\":1}"]);
    }
    assert_eq!(decoded("genims/v1/rows/a/b", "1").rejects[0].1, "rows are not taken here");
}

#[test]
fn below_scada_only_json_is_taken() {
    for payload in ["1.5".as_bytes(), b"M1 T=1", &frame_payload()] {
        let found = decoded(SCADA, payload);
        assert_eq!((found.points.len(), found.reasons()), (0, vec![Reason::MalformedPayload]));
    }
}

#[test]
fn a_snapshot_is_kept_without_the_columns_at_fault_which_are_told() {
    let whole = r#"{"ts":1700000000123,"machine_state":"RUNNING","fault_code":0,"program_number":1234,"tool_number":3.5,"oee_percentage":NaN}"#;
    let found = decoded(SCADA, whole);
    let [(machine, timestamp_us, fields)] = &found.snapshots[..] else { panic!("{found:?}") };
    assert_eq!((machine.as_str(), *timestamp_us), ("M1", Some(1_700_000_000_123_000)));
    assert_eq!((fields.fault_code.as_deref(), fields.program_number.as_deref()), (None, Some("1234")));
    assert_eq!((fields.tool_number, fields.oee_percentage), (None, None));
    let column = r#"{"timestamp_us":1700000000123000,"machine_id":"M1","machine_state":null,"tool_number":3.5}"#;
    assert_eq!((found.reasons(), found.fragments()), (vec![Reason::OutOfRange], vec![column.to_owned()]));
    assert!(found.rejects[0].1.starts_with("tool_number: "), "{}", found.rejects[0].1);
}

#[test]
fn an_own_template_leads_to_the_same_readings() {
    let entry = TopicTemplate { template: "acme/{site}/{cell}/{tag}".to_owned(), ..TopicTemplate::default() };
    let decoder = Decoder::new(Templates::new([&entry]).unwrap());
    let mut visitor = Collected::default();
    decoder.message("acme/F1/M1/TEMP", b"1.5", &mut visitor);
    decoder.message("acme/F1/M1/scada", b"{\"machine_state\":\"IDLE\"}", &mut visitor);
    assert_eq!((visitor.points, visitor.snapshots.len()), (vec![temp(1.5)], 1));
}

#[test]
fn the_intakes_element_for_an_unknown_sensor_is_decoded_under_its_topic() {
    let element = serde_json::json!({ "sensor_id": "S \"1\"", "timestamp_us": 5, "value": 1.5 }).to_string();
    let expected = Found::new("S \"1\"", Some(5), 1.5);
    assert_eq!(decoded("", &element).points, std::slice::from_ref(&expected));
    assert_eq!(decoded(BATCH, &element).points, std::slice::from_ref(&expected));
    assert_eq!(decoded(SENSOR, &element).points, [expected.on("M1")]);
}

#[test]
fn fragments_of_every_transport_are_decoded_under_the_empty_topic() {
    assert_eq!(decoded("", frame_payload()).points.len(), 1);
    assert_eq!(decoded("", "M1 TEMP=1 0000000000000005000").points, [Found::new("TEMP", Some(5), 1.0).on("M1")]);
    assert_eq!(decoded("", "{\"machine_id\":\"M1\",\"machine_state\":\"IDLE\"}").snapshots.len(), 1);
}

proptest! {
    #[test]
    fn any_message_is_decoded_without_panic_and_leaves_something(
        topic in prop_oneof![Just(SENSOR), Just(SCADA), Just(BATCH), Just(""), Just("x")],
        payload in proptest::collection::vec(any::<u8>(), 0..60),
        start in prop_oneof![Just(""), Just("GF\u{1}\u{3}"), Just("{\""), Just("[{"), Just("1"), Just("m,a=b ")],
    ) {
        let payload = [start.as_bytes(), &payload].concat();
        let found = decoded(topic, &payload);
        let start = meant(&payload);
        let silent = start.starts_with(b"#") || start.starts_with(b"[") || payload.iter().all(|byte| *byte == 0);
        prop_assert!(silent || found.points.len() + found.snapshots.len() + found.rejects.len() > 0);
    }
}
