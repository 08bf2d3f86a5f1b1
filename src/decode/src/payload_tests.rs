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
fn bare_values_that_are_no_readings_say_why() {
    use Reason::{MalformedPayload, NotANumber, NotFinite, OutOfRange};
    for (payload, reason) in [
        ("NaN", NotFinite),
        ("nan", NotFinite),
        ("Infinity", NotFinite),
        ("-inf", NotFinite),
        ("+inf", NotFinite),
        ("\"12\"", NotANumber),
        ("true", NotANumber),
        ("null", NotANumber),
        ("100000000000", OutOfRange),
        ("1e999", OutOfRange),
        ("1,5", MalformedPayload),
        ("12 C", MalformedPayload),
        ("01", MalformedPayload),
        ("\"open", MalformedPayload),
        ("-", MalformedPayload),
        ("", MalformedPayload),
        ("  \n", MalformedPayload),
        ("hello", MalformedPayload),
        ("<xml/>", MalformedPayload),
        ("\u{feff}{}", MalformedPayload),
    ] {
        let found = decoded(SENSOR, payload);
        assert_eq!((found.points.len(), found.reasons()), (0, vec![reason]), "{payload}");
        assert_eq!(found.fragments()[0].trim(), payload.trim(), "{payload}");
    }
}

#[test]
fn line_protocol_may_begin_like_another_form() {
    for payload in ["3D\\ printer TEMP=1", "Nozzle TEMP=1", "GF1 TEMP=1", "true TEMP=1", "-5 TEMP=1"] {
        let found = decoded(BATCH, payload);
        assert_eq!((found.points.len(), found.rejects.len()), (1, 0), "{payload}");
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
    assert_eq!(decoded("genims/v1/rows/a/b", "1").rejects[0].1, "rows are not taken by this server yet");
}

#[test]
fn below_scada_only_json_is_taken() {
    for payload in ["1.5".as_bytes(), b"M1 T=1", &frame_payload()] {
        let found = decoded(SCADA, payload);
        assert_eq!((found.points.len(), found.reasons()), (0, vec![Reason::MalformedPayload]));
    }
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
    assert_eq!(decoded("", "M1 TEMP=1 5000").points, [Found::new("TEMP", Some(5), 1.0).on("M1")]);
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
        let silent = payload.trim_ascii().starts_with(b"#") || payload.trim_ascii().starts_with(b"[");
        prop_assert!(silent || found.points.len() + found.snapshots.len() + found.rejects.len() > 0);
    }
}
