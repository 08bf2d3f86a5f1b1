//! Lines as devices and agents write them, at fault and not.

use super::super::collected::{Collected, Found};
use super::*;
use genims_model::Reason;
use proptest::prelude::*;

const TIME_NS: &str = "1700000000123456000";
const TIME_US: Option<i64> = Some(1_700_000_000_123_456);

fn decoded(text: &str) -> Collected {
    let mut visitor = Collected::default();
    decode(text.as_bytes(), Some(Unit::Nanoseconds), &mut visitor);
    visitor
}

fn points(text: &str) -> Vec<Found> {
    let found = decoded(text);
    assert_eq!(found.rejects, [], "{text}");
    found.points
}

#[test]
fn a_sensor_tag_names_the_sensor_and_value_is_its_value() {
    let expected = [Found::new("S1", TIME_US, 12.5)];
    assert_eq!(points(&format!("any,sensor_id=S1,host=x value=12.5,status=\"ok\" {TIME_NS}")), expected);
    assert_eq!(points(&format!("any,sensor=S1 value=12.5 {TIME_NS}\r\n")), expected);
    let with_machine = points("any,machine=M1,sensor=TEMP value=1i");
    assert_eq!(with_machine, [Found::new("TEMP", None, 1.0).on("M1")]);
}

#[test]
fn the_fields_of_a_machine_are_its_sensors() {
    let expected = [Found::new("TEMP", TIME_US, 1.5).on("M1"), Found::new("RPM", TIME_US, 900.0).on("M1")];
    assert_eq!(points(&format!("press,machine_id=M1 TEMP=1.5,RPM=900i {TIME_NS}")), expected);
    assert_eq!(points(&format!("M1 TEMP=1.5,RPM=900u {TIME_NS}")), expected);
    assert_eq!(points(&format!("M1,host=x TEMP=1.5,RPM=9e2 {TIME_NS}")), expected);
}

#[test]
fn escapes_are_undone_where_they_are_allowed() {
    let found = points(r"Presse\ 1\,a Öl\=\ Druck=1,b\c=2");
    let expected = [Found::new("Öl= Druck", None, 1.0), Found::new(r"b\c", None, 2.0)];
    assert_eq!(found, expected.map(|point| point.on("Presse 1,a")));
    let found = points(r#"m,sensor=a\ b note="x, y=1 \" z",value=3"#);
    assert_eq!(found, [Found::new("a b", None, 3.0)]);
}

#[test]
fn timestamps_count_the_given_unit() {
    for (unit, time) in [
        (Unit::Seconds, "1700000000"),
        (Unit::Milliseconds, "1700000000000"),
        (Unit::Microseconds, "1700000000000000"),
        (Unit::Nanoseconds, "1700000000000000000"),
    ] {
        for unit in [Some(unit), None] {
            let mut visitor = Collected::default();
            decode(format!("M1 T=1 {time}").as_bytes(), unit, &mut visitor);
            assert_eq!(visitor.points[0].timestamp_us, Some(1_700_000_000_000_000), "{time} {unit:?}");
        }
    }
}

#[test]
fn what_is_set_aside_keeps_its_time_without_a_unit() {
    for time in ["5", "5000000", "1700000000123", "1700000000123456789"] {
        let mut found = Collected::default();
        decode(format!("M1 T=NaN {time}").as_bytes(), None, &mut found);
        let fixed = String::from_utf8(found.rejects[0].2.clone()).unwrap().replace("NaN", "1");
        let mut again = Collected::default();
        decode(fixed.as_bytes(), None, &mut again);
        let mut expected = Collected::default();
        decode(format!("M1 T=1 {time}").as_bytes(), None, &mut expected);
        assert_eq!(again, expected, "{time}");
    }
}

#[test]
fn a_line_that_is_none_is_told_with_what_stands_there() {
    let write = "`M temp=21.5,hum=48`, M for the machine";
    for (line, told) in [
        ("hello", format!("no fields stand behind the measurement: `hello`; write {write}")),
        ("press,line=2", format!("no fields stand behind the measurement: `press,line=2`; write {write}")),
    ] {
        let found = decoded(line);
        assert_eq!(found.rejects, [(Reason::MalformedPayload, told, line.as_bytes().to_vec())]);
    }
    for json in [r#"{"T":1}"#, r#"{"T": 1, "P": 2}"#, r#"[{"T":1,"P":2}]"#, r#"{"url":"a=b","T":1}"#, "[21.5]", "{"] {
        let told = format!("JSON is not taken in lines: `{}`; send it by MQTT, or write {write}", json.escape_debug());
        let found = decoded(&format!("{json}\nM1 T=1"));
        assert_eq!(found.rejects, [(Reason::MalformedPayload, told, json.as_bytes().to_vec())]);
        assert_eq!(found.points, [Found::new("T", None, 1.0).on("M1")], "{json}");
    }
    // A measurement may begin so, and a fault of its values is told as any other.
    assert_eq!(points("[hall] T=1"), [Found::new("T", None, 1.0).on("[hall]")]);
    assert_eq!(decoded("[hall] T=1 soon").reasons(), [Reason::BadTimestamp]);
}

#[test]
fn comments_and_empty_lines_say_nothing() {
    assert_eq!(decoded("# a comment\n\n  \r\n#M1 T=1\n"), Collected::default());
}

#[test]
fn the_quality_of_a_line_is_that_of_its_values() {
    let expected = [Found::new("T", None, 1.0).on("M1").of_quality(Quality::Bad)];
    assert_eq!(points("M1 T=1,quality=\"bad\""), expected);
    assert_eq!(points("M1 T=1,quality=\"Bad_NoCommunication\""), expected);
    let fair = decoded("M1 T=1,quality=\"fair\"");
    assert_eq!(fair.points, [Found::new("T", None, 1.0).on("M1").of_quality(Quality::Uncertain)]);
    assert_eq!((fair.rejects, fair.remarks), (vec![], vec!["fair".to_owned()]));
    assert_eq!(points("M1 T=1,quality=\"\""), [Found::new("T", None, 1.0).on("M1")]);
    let twice = decoded("M1 T=1,quality=\"good\",quality=\"bad\"");
    assert_eq!((twice.points.len(), twice.reasons()), (0, vec![Reason::MalformedPayload]));
    assert_eq!(points("M1 quality=5"), [Found::new("quality", None, 5.0).on("M1")]);
}

/// As Telegraf writes it where its quality is a tag: with a capital, blanks escaped.
#[test]
fn the_quality_of_a_line_may_be_a_tag() {
    use Quality::{Bad, Good, Uncertain};
    for (tag, expected) in [
        ("quality=bad", Bad),
        ("Quality=Bad", Bad),
        ("Quality=Bad_NoCommunication", Bad),
        (r"Quality=The\ operation\ succeeded.\ StatusGood\ (0x0)", Good),
        (r"Quality=The\ node\ id\ is\ unknown.\ StatusBadNodeIDUnknown\ (0x80340000)", Bad),
        (r"quality=24\ (Bad)", Bad),
        ("quality=\"uncertain\"", Uncertain),
        ("Quality=192", Good),
        ("Quality=24", Bad),
        ("quality=0", Good),
        ("quality=0x80310000", Bad),
        ("quality=", Good),
    ] {
        for line in [format!("opcua,id=x,{tag} T=1,U=2"), format!("opcua,{tag},machine_id=opcua T=1,U=2")] {
            let expected = [("T", 1.0), ("U", 2.0)]
                .map(|(code, value)| Found::new(code, None, value).on("opcua").of_quality(expected));
            assert_eq!(points(&line), expected, "{line}");
        }
        let line = format!("r,sensor_id=S,{tag} value=1.5");
        assert_eq!(points(&line), [Found::new("S", None, 1.5).of_quality(expected)], "{line}");
    }
    // The field stands nearer to the value; a code there counts beside a sensor's.
    let field = points("r,sensor_id=S,quality=good value=1.5,Quality=\"bad\"");
    assert_eq!(field, [Found::new("S", None, 1.5).of_quality(Bad)]);
    assert_eq!(
        points("r,sensor_id=S,quality=good value=1.5,quality=24i"),
        [Found::new("S", None, 1.5).of_quality(Bad)]
    );
    let line = "M1,quality=bad T=1,quality=192i";
    assert_eq!(points(line), [Found::new("T", None, 1.0).on("M1")], "so it does in a line of several sensors");
    let mut found = Collected { known: vec!["quality"], ..Collected::default() };
    decode(line.as_bytes(), None, &mut found);
    let expected =
        [("T", 1.0), ("quality", 192.0)].map(|(name, value)| Found::new(name, None, value).on("M1").of_quality(Bad));
    assert_eq!(found.points, expected, "unless it is one of them");
    let odd = decoded(r"M1,Quality=so\ so T=1");
    assert_eq!(odd.points, [Found::new("T", None, 1.0).on("M1").of_quality(Uncertain)]);
    assert_eq!(odd.remarks, ["so so"]);
    for twice in ["M1,quality=good,Quality=bad T=1", "M1,quality=good,quality=good T=1"] {
        let twice = decoded(twice);
        assert_eq!((twice.points.len(), twice.reasons()), (0, vec![Reason::MalformedPayload]));
    }
    let aside = decoded(&format!("M1,Quality=Bad T=1,U=NaN {TIME_NS}"));
    assert_eq!(aside.fragments(), [format!("M1 U=NaN,quality=\"bad\" {TIME_NS}")], "what is set aside keeps it");
}

#[test]
fn a_bad_line_rejects_only_itself() {
    let found = decoded("M1 T=1\nbroken\nM1 T=2 noon\nM1 T=3 -5\nM1 T=\nM1 T=4\n");
    let values: Vec<f64> = found.points.iter().map(|point| point.value).collect();
    assert_eq!(values, [1.0, 4.0]);
    assert_eq!(found.fragments(), ["broken", "M1 T=2 noon", "M1 T=3 -5", "M1 T="]);
    use Reason::{BadTimestamp, MalformedPayload, NotANumber};
    assert_eq!(found.reasons(), [MalformedPayload, BadTimestamp, BadTimestamp, NotANumber]);
}

#[test]
fn a_line_at_fault_hands_nothing_over() {
    for text in [
        "M1 T=1,U",
        "M1 T=1,=2",
        "M1 T=1 ,U=2",
        ",a=b T=1",
        "M1,a T=1",
        "M1,=b T=1",
        "M1",
        "M1 ",
        "M1 T=1,U=\"open",
        "M1 T=1,U=\"a\"b",
        "M1 T=1, U=2",
        "M1,sensor=S other=1",
        "M1,sensor=S value=1,value=2",
        "M1,sensor=S,sensor=R value=1",
        "M1 T=1 1 2",
        "M1 T=1\u{0}2",
    ] {
        let found = decoded(text);
        assert_eq!(found.points, [], "{text}");
        assert_eq!(found.rejects.len(), 1, "{text}");
    }
}

#[test]
fn what_is_not_the_value_does_not_cost_it() {
    let of_sensor = |quality| Found::new("S", None, 1.5).of_quality(quality);
    use Quality::{Bad, Good, Uncertain};
    for (text, quality) in [
        ("r,sensor_id=S value=1.5,note=hello", Good),
        ("r,sensor_id=S value=1.5,note=", Good),
        ("r,sensor_id=S value=1.5,n=5i5,m=-1u,k=1.000.000", Good),
        ("r,sensor_id=S,host= value=1.5", Good),
        ("r,sensor_id=S, value=1.5", Good),
        ("r,sensor_id=S value=1.5,quality=bad", Bad),
        ("r,sensor_id=S,quality=bad value=1.5", Bad),
        ("r,sensor_id=S,quality=bad value=1.5,quality=\"good\"", Good),
        ("r,sensor_id=S value=1.5,quality=0", Good),
        ("r,sensor_id=S value=1.5,quality=192i", Good),
        ("r,sensor_id=S value=1.5,quality=24i", Bad),
        ("r,sensor_id=S value=1.5,quality=2.5", Good),
        ("r,sensor_id=S value=1.5,quality=130i", Uncertain),
    ] {
        assert_eq!(points(text), [of_sensor(quality)], "{text}");
    }
    let found = decoded("M1,a= T=1,U=1x,V=,W=5i5,X=-5u,Y=2 1700000000");
    let values: Vec<f64> = found.points.iter().map(|point| point.value).collect();
    assert_eq!((values, found.rejects.len()), (vec![1.0, 2.0], 4));
    for (reason, detail, fragment) in &found.rejects {
        let again = decoded(std::str::from_utf8(fragment).unwrap());
        assert_eq!((again.points, again.rejects), (vec![], vec![(*reason, detail.clone(), fragment.clone())]));
    }
}

#[test]
fn times_behind_a_line_may_have_a_fraction_or_be_text() {
    for (text, us) in [
        ("M1 T=1 1700000000.5", 1_700_000_000_500_000),
        ("M1 T=1 1700000000123.25", 1_700_000_000_123_250),
        ("M1 T=1 2023-11-14T22:13:20Z", 1_700_000_000_000_000),
    ] {
        let mut found = Collected::default();
        decode(text.as_bytes(), None, &mut found);
        assert_eq!((found.points, found.rejects), (vec![Found::new("T", Some(us), 1.0).on("M1")], vec![]), "{text}");
    }
    for text in ["M1 T=1 1.5.5", "M1 T=1 2023-11-14T22:13:20", "M1 T=1 U=2", "M1 T=1 1700000000,5"] {
        assert_eq!(decoded(text).reasons(), [Reason::BadTimestamp], "{text}");
    }
}

#[test]
fn a_field_at_fault_is_rejected_alone_and_can_be_sent_again() {
    let text = "press,machine=M1,host=h A=1,B=\"x\",C=\"\",D=NaN,E=1e11,F=100000000000i,G=2,quality=\"bad\" 1700000000";
    let mut found = Collected { known: vec!["B", "C"], ..Collected::default() };
    decode(text.as_bytes(), Some(Unit::Seconds), &mut found);
    let values: Vec<f64> = found.points.iter().map(|point| point.value).collect();
    assert_eq!(values, [1.0, 2.0]);
    use Reason::{NotANumber, NotFinite, OutOfRange};
    assert_eq!(found.reasons(), [NotANumber, NotANumber, NotFinite, OutOfRange, OutOfRange]);
    assert_eq!(found.fragments()[0], "press,machine_id=M1 B=\"x\",quality=\"bad\" 1700000000000000000");
    for (reason, detail, fragment) in &found.rejects {
        let again = decoded(std::str::from_utf8(fragment).unwrap());
        assert_eq!((again.points, again.rejects), (vec![], vec![(*reason, detail.clone(), fragment.clone())]));
    }
}

#[test]
fn values_are_read_as_meters_and_switches_print_them() {
    let text = "M1 A=00123,B=.14,C=+23.5,D=1.,E=+2.35E+001,F=\"23.5\",G=true,H=F,I=\"on\",J=18.54322356";
    let values: Vec<f64> = points(text).iter().map(|point| point.value).collect();
    assert_eq!(values, [123.0, 0.14, 23.5, 1.0, 23.5, 23.5, 1.0, 0.0, 1.0, 18.5432]);
}

#[test]
fn the_first_of_a_field_given_twice_is_taken_and_the_others_are_set_aside() {
    let found = decoded("M1 T=1,U=2,T=3,T=4");
    let expected = [Found::new("T", None, 1.0).on("M1"), Found::new("U", None, 2.0).on("M1")];
    assert_eq!((found.points.as_slice(), found.fragments()), (&expected[..], vec!["M1 T=3".into(), "M1 T=4".into()]));
    let many: Vec<String> = (0..300).map(|n| format!("K{n}={n}")).collect();
    let found = decoded(&format!("M1 {},K7=1,K200=1", many.join(",")));
    assert_eq!((found.points.len(), found.rejects.len()), (300, 2));
}

#[test]
fn a_field_at_fault_is_told_with_what_stands_there() {
    let detail = |text: &str| decoded(text).rejects[0].1.clone();
    assert!(
        detail("M1 T=\"1,5\"").starts_with("field T: the value is no number: `\\\"1,5\\\"`; write the decimal mark")
    );
    assert!(detail("M1 T=\"hello\"").contains("hello"));
    assert!(detail("M1 T=NaN").contains("leave the value out"));
}

#[test]
fn text_that_is_no_utf_8_is_latin_1() {
    let latin_1 = |text: &str| -> Collected {
        let bytes: Vec<u8> = text.chars().map(|character| character as u8).collect();
        let mut visitor = Collected::default();
        decode(&bytes, Some(Unit::Nanoseconds), &mut visitor);
        visitor
    };
    for text in ["M1,ort=Köln T=1", "M1,sensor=T,machine=M1 note=\"Öl\",value=1", "Öl,machine=M1 T=1"] {
        assert_eq!(latin_1(text).points, [Found::new("T", None, 1.0).on("M1")], "{text}");
    }
    for (text, machine, sensor) in
        [("Öl T=1", "Öl", "T"), ("M1 Öl=1", "M1", "Öl"), ("m,machine=M1,sensor=Öl value=1", "M1", "Öl")]
    {
        assert_eq!(latin_1(text).points, [Found::new(sensor, None, 1.0).on(machine)], "{text}");
    }
    let at_fault = latin_1("M1 T=1 Ö");
    assert_eq!((at_fault.points.len(), at_fault.rejects.len()), (0, 1));
    assert_eq!(at_fault.rejects[0].2, b"M1 T=1 \xd6");
}

#[test]
fn text_in_quotes_may_hold_line_feeds() {
    let text = "M1 note=\"a\nb,c=1 \\\" x\r\n\nd\",T=1 5000\nM1 T=2\nM1,k=v T=3,end=\"\n\"";
    let values: Vec<f64> = decoded(text).points.iter().map(|point| point.value).collect();
    assert_eq!(values, [1.0, 2.0, 3.0]);
    assert_eq!(decoded(text).rejects, [], "text beside a number is a remark, as in JSON");
    let mut known = Collected { known: vec!["note", "end"], ..Collected::default() };
    decode(text.as_bytes(), None, &mut known);
    assert_eq!(
        (known.points.len(), known.reasons()),
        (3, vec![Reason::NotANumber; 2]),
        "unless the catalogue has the sensor"
    );
    for alone in ["M1 note=\"a\"", "M1 T=warm,U=1", "M1,sensor=T value=\"a\",x=1"] {
        assert_eq!(decoded(alone).reasons(), [Reason::NotANumber], "{alone}");
    }
    let lost = decoded("M1 T=1,note=\"a\nM1 T=2,note=\"b\"\nM1 T=3\n");
    let values: Vec<f64> = lost.points.iter().map(|point| point.value).collect();
    assert_eq!(
        (values, lost.fragments()[0].as_str()),
        (vec![2.0, 3.0], "M1 T=1,note=\"a"),
        "a lost quote costs its line"
    );
    let many = format!("M1 T=1,note=\"{}\"\nM1 T=2", "\n".repeat(FEEDS_QUOTED_MAX + 1));
    assert_eq!(decoded(&many).points.last().unwrap().value, 2.0);
}

#[test]
fn separators_and_zero_bytes_at_the_end_of_a_line_are_not_meant() {
    for text in ["M1 T=1;\nM1 T=1,\r\nM1 T=1\0\nM1 T=1 \0\0", "M1 T=1\0\0\nM1 T=1; \nM1 T=1;;\nM1 T=1"] {
        assert_eq!(points(text).len(), 4, "{text:?}");
    }
}

fn escaped(text: &str) -> String {
    text.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ ")
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        machine in "[a-zA-Zö][a-zA-Z0-9 ,=°]{0,9}[a-z]",
        codes in proptest::collection::btree_map("[a-zA-Z][a-zA-Z0-9 ,=/]{0,9}[a-z]", -99_999_999_999.0..99_999_999_999.0_f64, 1..8),
        timestamp_us in 0_i64..4_000_000_000_000_000,
    ) {
        let fields: Vec<String> = codes.iter().map(|(code, value)| format!("{}={value}", escaped(code))).collect();
        let text = format!("m,machine_id={} {} {timestamp_us}000", escaped(&machine), fields.join(","));
        let expected: Vec<Found> =
            codes.iter().map(|(code, value)| Found::new(code, Some(timestamp_us), value::of_float(*value).unwrap()).on(&machine)).collect();
        let found = decoded(&text);
        prop_assert_eq!(found.rejects, [], "{}", text);
        prop_assert_eq!(found.points, expected);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        decode(&bytes, Some(Unit::Nanoseconds), &mut Collected::default());
    }

    #[test]
    fn text_like_lines_is_read_without_panic(text in "[aM,= \\\\\"1.iu\n#-]{0,40}") {
        let said = |line: &&[u8]| !line.is_empty() && line[0] != b'#';
        let lines = text.lines().map(|line| value::trim_end(line.trim().as_bytes())).filter(said).count();
        let found = decoded(&text);
        prop_assert!(found.points.len() + found.rejects.len() >= lines.min(1), "{}", text);
    }
}
