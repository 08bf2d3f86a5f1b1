//! What may be readings in what a message does not take: remarked upon, or set aside; and what is plainly none says nothing.

use super::super::collected::{Collected, Found, come_back};
use super::cursor::TOKENS;
use crate::{Decoder, Name, Point, Remark, Visitor};
use genims_model::Quality::Bad;
use genims_model::Reason;
use genims_model::snapshot::SnapshotFields;
use std::cell::Cell;
use std::fmt::Arguments;

const TAGS: &str = "genims/v1/F1/L1/M1/tags";
const TEMP: &str = "genims/v1/F1/L1/M1/TEMP";
const KNOWN: [&str; 3] = ["TEMP", "HUM", "BATT"];

fn of(sensor: &str, value: f64) -> Found {
    Found::new(sensor, None, value).on("M1")
}

/// What a message makes where the catalogue has these sensors, and no machine that is called as one of them.
fn decoded(topic: &str, known: &[&'static str], payload: &str) -> Collected {
    let mut visitor = Collected { known: known.to_vec(), knows_no_machine: true, ..Collected::default() };
    Decoder::default().message(topic, payload.as_bytes(), &mut visitor);
    visitor
}

fn found(payload: &str) -> Collected {
    decoded(TAGS, &KNOWN, payload)
}

/// What a message makes, and its remarks; nothing is set aside.
#[track_caller]
fn remarked(payload: &str, expected: &[Found], remarks: &[&str]) {
    let found = found(payload);
    assert_eq!((found.points.as_slice(), found.rejects), (expected, vec![]), "{payload}");
    assert_eq!(found.remarks, remarks, "{payload}");
}

#[test]
fn pairs_tables_and_histories_in_other_shapes_are_remarked_upon() {
    for (member, what) in [
        (r#""rows":[["TEMP",5],["HUM",4]]"#, "rows"),
        (r#""group":{"HUM":4}"#, "group"),
        (r#""x":[["time","TEMP"],[1700000000000,5]]"#, "x"),
        (r#""columns":["time","TEMP"],"rows":[[1700000000000,5]]"#, "columns"),
        (r#""rows":[[1700000000000,5],[1700000001000,6],[1,2]],"fields":["time","TEMP"]"#, "rows"),
        (r#""names":["TEMP","HUM"],"nums":[5,4]"#, "names"),
        (r#""header":["TEMP","HUM"],"data":["5","4"]"#, "header"),
        (r#""result":{"columns":["time","TEMP"],"rows":[[1700000000000,5]]}"#, "result.columns"),
        (r#""series":[{"name":"TEMP","values":[[1700000000000,5]]}]"#, "series"),
        (r#""series":[{"name":"TEMP","values":[5,6]}]"#, "series"),
        (r#""series":[{"name":"TEMP","data":{"value":5}}]"#, "series"),
        (r#""series":[{"name":"TEMP","points":[{"ts":1700000000000,"value":5}]}]"#, "series"),
        (r#""series":[{"values":[5,6],"channel":"TEMP"}]"#, "series"),
        (r#""a":[{"series":[{"name":"press","columns":["time","TEMP"],"values":[[1700000000000,5]]}]}]"#, "a"),
        (r#""x":{"name":"TEMP","values":[5]}"#, "x"),
        (r#""x":{"TEMP":[5,6]}"#, "x.TEMP"),
        (r#""x":{"TEMP":[[1700000000000,5]]}"#, "x.TEMP"),
        (r#""machine":{"id":"M1","HUM":4}"#, "machine"),
        (r#""sensor":{"HUM":4}"#, "sensor"),
        (r#""x":"{\"HUM\":4}""#, "x"),
        (r#""payload":"[{\"name\":\"HUM\",\"value\":4}]""#, "payload"),
    ] {
        remarked(&format!(r#"{{"BATT":3,{member}}}"#), &[of("BATT", 3.0)], &[what]);
        remarked(&format!(r#"{{{member},"BATT":3}}"#), &[of("BATT", 3.0)], &[what]);
    }
    for payload in [
        r#"{"name":"TEMP","value":5,"x":"{\"HUM\":4}"}"#,
        r#"{"method":"NotifyStatus","params":{"TEMP":5},"x":{"HUM":4}}"#,
        r#"{"MessageType":"ua-data","Payload":{"TEMP":{"Value":5}},"x":[["HUM",4]]}"#,
        r#"{"Messages":[{"DataSetWriterId":1,"Payload":{"TEMP":{"Value":5}},"x":{"HUM":4}}]}"#,
    ] {
        remarked(payload, &[of("TEMP", 5.0)], &["x"]);
    }
    for payload in [r#"{"values":{"TEMP":5},"TEMP":[6]}"#, r#"{"payload":{"TEMP":5},"TEMP":{"value":6}}"#] {
        remarked(payload, &[of("TEMP", 5.0)], &["TEMP"]);
    }
}

#[test]
fn what_is_plainly_no_reading_says_nothing() {
    for member in [
        r#""sensors":["TEMP","HUM"]"#,
        r#""sensors":["TEMP","HUM"],"accel":[1,2,3]"#,
        r#""spectrum":[[0,1],[1,2]],"location":[48.1,11.5]"#,
        r#""alarms":[{"name":"HUM","text":"dry"}],"ids":[{"name":"HUM","id":7}]"#,
        r#""units":{"HUM":"%"},"metadata":{"x":{"HUM":{"timestamp":1700000000}}}"#,
        r#""x":[{"name":"HUM","time":1700000000}]"#,
        r#""note":"{\"HUM\":\"dry\"}","text":"\u0041\n[HUM] 5""#,
    ] {
        remarked(&format!(r#"{{"BATT":3,{member}}}"#), &[of("BATT", 3.0)], &[]);
        remarked(&format!(r#"{{{member},"BATT":3}}"#), &[of("BATT", 3.0)], &[]);
        remarked(&format!(r#"{{"values":{{"BATT":3}},{member}}}"#), &[of("BATT", 3.0)], &[]);
    }
}

/// A shadow says of each tag when it was reported, and a document of it how it was before.
#[test]
fn documents_of_a_device_shadow_make_no_remarks() {
    let state = r#""state":{"desired":{"TEMP":4},"reported":{"TEMP":5,"BATT":{"value":3}}}"#;
    let metadata = r#""metadata":{"desired":{"TEMP":{"timestamp":1700000000}},"reported":{"TEMP":{"timestamp":1700000000},"BATT":{"value":{"timestamp":1700000000}}}}"#;
    let timed = |sensor, value| Found::new(sensor, Some(1_700_000_000_000_000), value).on("M1");
    for payload in [
        format!(r#"{{{state},{metadata},"version":12,"timestamp":1700000000,"clientToken":"a"}}"#),
        format!(r#"{{{metadata},"timestamp":1700000000,{state}}}"#),
        format!(
            r#"{{"previous":{{{},{metadata},"version":11}},"current":{{{state},{metadata},"version":12}},"timestamp":1700000000}}"#,
            state.replace('5', "6")
        ),
    ] {
        remarked(&payload, &[timed("TEMP", 5.0), timed("BATT", 3.0)], &[]);
    }
    // Elsewhere `current` is a tag as any other.
    let meter = decoded(TAGS, &["current", "voltage"], r#"{"voltage":230,"current":5}"#);
    assert_eq!(meter.points, [of("voltage", 230.0), of("current", 5.0)]);
    let beside = decoded(TAGS, &["current", "voltage"], r#"{"name":"voltage","value":230,"current":5}"#);
    assert_eq!((beside.points, beside.remarks), (vec![of("voltage", 230.0)], vec!["current".to_owned()]));
}

#[test]
fn what_is_known_in_the_object_of_one_tag_is_remarked_upon() {
    for beside in
        [r#""x":[{"HUM":4}]"#, r#""x":{"HUM":4}"#, r#""HUM":4"#, r#""HUM":[4]"#, r#""tags":[{"name":"HUM","value":4}]"#]
    {
        for payload in [
            format!(r#"{{"TEMP":{{"value":5,{beside}}}}}"#),
            format!(r#"{{"values":{{"TEMP":{{"value":5,{beside}}}}}}}"#),
            format!(r#"{{"tags":[{{"name":"TEMP","value":5,{beside}}}]}}"#),
            format!(r#"{{"tags":[{{{beside},"value":5,"name":"TEMP"}}]}}"#),
        ] {
            remarked(&payload, &[of("TEMP", 5.0)], &["TEMP"]);
        }
    }
    let named = |payload: &str| remarked(payload, &[of("TEMP", 5.0)], &["HUM"]);
    named(r#"{"name":"TEMP","value":5,"HUM":{"value":4}}"#);
    named(r#"{"name":"TEMP","value":5,"HUM":[4]}"#);
    let own = r#"{"TEMP":{"value":5,"unit":"C","quality":{"code":192},"x":[{"seq":4,"name":"HUM","unit":"%"}]}}"#;
    let numbered = r#"{"TEMP":{"value":5,"min":0,"max":9,"x":[{"seq":4}]}}"#;
    for payload in [own.replace(r#""seq":4,"#, ""), numbered.to_owned()] {
        remarked(&payload, &[of("TEMP", 5.0)], &[]);
    }
    let part = decoded(TAGS, &["TEMP", "HUM", "TEMP.HUM"], r#"{"TEMP":{"value":5,"HUM":4}}"#);
    assert_eq!((part.points, part.remarks.len()), (vec![of("TEMP", 5.0), of("TEMP.HUM", 4.0)], 0));
}

#[test]
fn objects_that_are_too_deep_are_remarked_upon() {
    let deep = |beside: &str, levels: usize, inside: &str| {
        format!("{{{beside},{}{{{inside}}}{}}}", r#""a":{"#.repeat(levels - 1) + r#""a":"#, "}".repeat(levels - 1))
    };
    let path = ["a"; 9].join(".");
    for levels in [9, 12, 200] {
        for inside in [r#""HUM":5"#, r#""NEW":5"#, r#""x":[{"name":"HUM","value":5}]"#] {
            remarked(&deep(r#""TEMP":5"#, levels, inside), &[of("TEMP", 5.0)], &[&path]);
        }
        remarked(&deep(r#""values":{"TEMP":5}"#, levels, r#""HUM":5"#), &[of("TEMP", 5.0)], &[&path]);
        remarked(&deep(r#""name":"TEMP","value":5"#, levels, r#""HUM":5"#), &[of("TEMP", 5.0)], &[&path]);
    }
    remarked(&deep(r#""TEMP":5"#, 12, r#""note":"x""#), &[of("TEMP", 5.0)], &[]);
    let taken = found(&deep(r#""TEMP":5"#, 8, r#""HUM":5"#));
    assert_eq!((taken.points.len(), taken.remarks.len()), (2, 0), "as deep as tags are followed: {taken:?}");
}

#[test]
fn errors_are_set_aside_in_every_shape_and_place() {
    let hum = |payload: &str, error: &str| {
        let found = found(payload);
        assert_eq!((found.points.as_slice(), found.reasons()), (&[of("TEMP", 5.0)][..], vec![Reason::NotANumber]));
        assert_eq!(found.fragments(), [format!(r#"{{"machine_id":"M1","errors":{{"HUM":{error}}}}}"#)], "{payload}");
        assert_eq!(found.remarks, Vec::<String>::new(), "{payload}");
        come_back(TAGS, &found);
    };
    for (errors, error) in [
        (r#"{"HUM":3}"#, "3"),
        (r#"[{"name":"HUM","value":3}]"#, r#"{"name":"HUM","value":3}"#),
        (r#"[{"code":1},{"tag":"HUM","message":"timeout"},5,"E5"]"#, r#"{"tag":"HUM","message":"timeout"}"#),
        (r#"["HUM"]"#, r#""HUM""#),
    ] {
        for holder in [
            format!(r#"{{"TEMP":5,"errors":{errors}}}"#),
            format!(r#"{{"values":{{"TEMP":5}},"errors":{errors}}}"#),
            format!(r#"{{"tags":[{{"name":"TEMP","value":5}}],"errors":{errors}}}"#),
            format!(r#"{{"name":"TEMP","value":5,"errors":{errors}}}"#),
            format!(r#"{{"data":{{"TEMP":5,"errors":{errors}}}}}"#),
            format!(r#"{{"_msgid":"a","payload":{{"TEMP":5}},"errors":{errors}}}"#),
            format!(r#"{{"rows":[{{"TEMP":5,"errors":{errors}}}]}}"#),
        ] {
            hum(&holder, error);
        }
    }
    for none in ["[]", r#"["E5"]"#, r#"[{"code":5,"message":"x"}]"#, "{}", "null"] {
        remarked(&format!(r#"{{"TEMP":5,"errors":{none}}}"#), &[of("TEMP", 5.0)], &[]);
    }
    assert_eq!(found(r#"{"errors":[{"code":5}]}"#).reasons(), [Reason::MalformedPayload]);
    // What is broken there costs itself, or all of the message, and never a value that is set aside with it and stored, too.
    let broken = found(r#"{"TEMP":5,"errors":["HUM" "x"]}"#);
    assert_eq!((broken.points.len(), broken.rejects.len()), (1, 1), "{broken:?}");
    let broken = found(r#"{"TEMP":5,"errors":{"HUM" 3}}"#);
    assert_eq!((broken.points.len(), broken.rejects.len()), (0, 1), "{broken:?}");
}

#[test]
fn a_flag_beside_tags_is_said_of_them() {
    let bad = [of("TEMP", 5.0).of_quality(Bad)];
    for payload in [
        r#"{"TEMP":5,"valid":false}"#,
        r#"{"isNull":true,"TEMP":5}"#,
        r#"{"ok":false,"ts":"","TEMP":"5"}"#,
        r#"{"TEMP":[{"value":5}],"valid":false}"#,
        r#"{"rows":[{"TEMP":5}],"valid":false}"#,
        r#"{"rows":[{"TEMP":5,"valid":false}]}"#,
        r#"{"data":{"TEMP":5,"valid":false}}"#,
        r#"{"_msgid":"a","payload":{"TEMP":5,"valid":false}}"#,
    ] {
        remarked(payload, &bad, &[]);
    }
    remarked(r#"{"TEMP":5,"valid":true,"isNull":false}"#, &[of("TEMP", 5.0)], &[]);
    remarked(r#"{"TEMP":5,"valid":false,"quality":"good"}"#, &[of("TEMP", 5.0)], &[]);
    // A tag of the catalogue, and one letter, say nothing of the others.
    let tag = decoded(TAGS, &["TEMP", "ok"], r#"{"TEMP":5,"ok":false}"#);
    assert_eq!(tag.points, [of("TEMP", 5.0), of("ok", 0.0)]);
    remarked(r#"{"TEMP":5,"s":false}"#, &[of("TEMP", 5.0), of("s", 0.0)], &[]);
    assert_eq!(found(r#"{"ok":true}"#).reasons(), [Reason::MalformedPayload], "nothing goes without a word");
}

/// Equal as well as different: each gets a time of its own where it is stored, in this order.
#[test]
fn values_of_a_history_without_times_come_in_the_order_written() {
    let both = [of("TEMP", 5.0), of("TEMP", 6.0), of("TEMP", 5.0)];
    for payload in [
        r#"{"TEMP":[{"v":5},{"v":6},{"v":5}]}"#,
        r#"{"values":{"TEMP":[{"value":5},{"value":6},{"value":5}]}}"#,
        r#"{"series":[{"name":"TEMP","values":[{"v":5},{"v":6},{"v":5}]}]}"#,
        r#"[{"TEMP":5},{"TEMP":6},{"TEMP":5}]"#,
        r#"{"rows":[{"TEMP":5},{"TEMP":6},{"TEMP":5}]}"#,
        r#"{"values":[{"id":"TEMP","v":5},{"id":"TEMP","v":6},{"id":"TEMP","v":5}]}"#,
    ] {
        remarked(payload, &both, &[]);
    }
    let below = decoded(TEMP, &KNOWN, r#"[{"value":5},{"value":6},{"value":5}]"#);
    assert_eq!(below.points, both);
}

/// Counts what it is asked, by the length of the names.
#[derive(Default)]
struct Counting {
    asked: Cell<usize>,
    told: usize,
}

impl Visitor for Counting {
    fn point(&mut self, point: Point<'_>) {
        self.told += if let Name::Sensor { sensor, .. } = point.name { sensor.len() } else { 0 };
    }
    fn snapshot(&mut self, _: &str, _: Option<i64>, _: SnapshotFields) {}
    fn reject(&mut self, _: Reason, _: Arguments<'_>, fragment: &[u8]) {
        self.told += fragment.len();
    }
    fn define(&mut self, _: &str) -> u32 {
        0
    }
    fn remark(&mut self, _: Remark, what: &str) {
        self.told += what.len();
    }
    fn knows(&self, _: Option<&str>, sensor: &str) -> bool {
        self.asked.set(self.asked.get() + sensor.len() + 1);
        KNOWN.contains(&sensor)
    }
}

/// The work that a payload costs: tokens looked for, bytes asked for and told.
fn work(payload: &str) -> usize {
    let mut visitor = Counting::default();
    let before = TOKENS.get();
    Decoder::default().message(TAGS, payload.as_bytes(), &mut visitor);
    TOKENS.get() - before + visitor.asked.get() + visitor.told
}

/// Counted, not timed: of a payload twice as long the work is about twice as much.
#[test]
fn the_work_grows_as_the_payload_does() {
    let nested = |open: &str, inside: &str, close: &str, n: usize| open.repeat(n) + inside + &close.repeat(n);
    let beside = |member: String| format!(r#"{{"TEMP":5,{member}}}"#);
    let list = |key: &str, entry: &str, n: usize| format!(r#""{key}":[{}]"#, vec![entry; n].join(","));
    let members = |each: &dyn Fn(usize) -> String, n: usize| (0..n).map(each).collect::<Vec<_>>().join(",");
    type Form<'f> = (&'f str, Box<dyn Fn(usize) -> String + 'f>);
    let long = |n: usize| "k".repeat(n * 8);
    let forms: [Form<'_>; 17] = [
        (
            "entries of a long name",
            Box::new(|n| format!(r#"{{"name":"{}",{}}}"#, long(n), list("values", r#"{"v":"x"}"#, n))),
        ),
        (
            "of a long topic",
            Box::new(|n| format!(r#"{{"topic":"{}",{}}}"#, long(n), list("payload", r#"{"v":"x"}"#, n))),
        ),
        ("errors in text", Box::new(|n| beside(members(&|n| format!(r#""t{n}":"{{\"HUM\":4}}""#), n)))),
        ("objects", Box::new(|n| beside(format!(r#""a":{}"#, nested(r#"{"a":"#, "5", "}", n))))),
        ("objects of unknown", Box::new(|n| format!("{{{}}}", members(&|n| format!(r#""a{n}":{{"b":[1]}}"#), n)))),
        ("lists", Box::new(|n| beside(format!(r#""a":{}"#, nested("[", "5", "]", n))))),
        ("lists of entries", Box::new(|n| beside(nested(r#""x":[{"#, r#""NEW":5"#, "}]", n)))),
        ("lists of tags", Box::new(|n| nested(r#"{"tags":["#, r#"{"name":"HUM","value":4}"#, "]}", n))),
        ("in a tag", Box::new(|n| format!(r#"{{"TEMP":{{"value":5,"x":{}}}}}"#, nested(r#"[{"x":"#, "5", "}]", n)))),
        ("tables", Box::new(|n| beside(members(&|n| format!(r#""t{n}":{{"c":["HUM"],"r":["a"]}}"#), n)))),
        ("plain lists", Box::new(|n| beside(members(&|n| format!(r#""t{n}":["HUM"],"r{n}":[1,2]"#), n)))),
        ("pairs", Box::new(|n| beside(list("rows", r#"["HUM",4]"#, n)))),
        ("devices", Box::new(|n| beside(list("devices", r#"{"device":"M9","x":{"y":[{"HUM":4}]}}"#, n)))),
        ("errors", Box::new(|n| beside(list("errors", r#"{"name":"HUM","code":4}"#, n)))),
        ("entries", Box::new(|n| beside(list("tags", r#"{"name":"HUM","value":4,"x":{"BATT":1}}"#, n)))),
        ("messages", Box::new(|n| format!("[{}]", vec![r#"{"id":"M9","device":"d","tags":[]}"#; n].join(",")))),
        (
            "long names",
            Box::new(|n| {
                let name = "k".repeat(n * 8);
                format!(
                    r#"{{"TEMP":5,"{name}":{{{},"l":[{{}}],"m":[[1]]}}}}"#,
                    members(&|n| format!(r#""a{n}":{{"b":1}}"#), n)
                )
            }),
        ),
    ];
    for (name, form) in &forms {
        let (once, twice) = (work(&form(2_000)), work(&form(4_000)));
        assert!(twice < once * 5 / 2, "{name}: {once}, then {twice}");
    }
}
