//! Influx line protocol goes in, points come out: `measurement,tag=value field=1.5,other=2i 1700000000000000000`.
//!
//! How a line names its sensors:
//! - tag `sensor_id` or `sensor`: the sensor; its value is the field `value`, other fields are remarks
//! - else tag `machine_id` or `machine`: the machine; each field is a sensor of it, by code or id
//! - else the measurement is the machine
//!
//! With both tags the sensor may be a code of the machine. A field `quality` that is a string belongs to the whole line: see
//! [`super::quality`]. Values are floats, integers (`i`, exact), unsigned integers (`u`, exact) or what
//! [`super::value`] reads as one; other text is rejected for its field alone, a line that cannot be read for itself alone.
//! Empty lines and those that begin with `#` are skipped. Text that is no UTF-8 is only a fault of the name it stands in. Text
//! in quotes may hold line feeds, if the line that goes on behind them can be read as a whole: a lost quote costs one line.
//!
//! Timestamps are integers in the unit that the caller names; without one the digits tell it, see [`super::timestamp`].
//! What is rejected of a readable line is written anew as a line of that field alone, always in nanoseconds, so that it
//! means the same anywhere.

mod line;

use super::fault::{Fault, checked_name};
use super::timestamp::Unit;
use super::{Form, Name, Point, Visitor, quality, value};
use genims_model::Quality;
use line::{Escaped, Field, FieldValue, Line, QUOTES_OPEN};
use std::collections::HashSet;

/// Decodes any number of lines; the last one needs no line feed. `unit`: what the timestamps count; `None` lets their
/// digits tell.
#[inline]
pub fn decode<V: Visitor>(text: &[u8], unit: Option<Unit>, visitor: &mut V) {
    let mut rest = text;
    while !rest.is_empty() {
        let here = rest;
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = value::trim_end(&rest[..end]).trim_ascii_start();
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        let Err(fault) = decode_line(line, unit, visitor) else { continue };
        match decode_across(here, end, fault, unit, visitor) {
            Some(behind) => rest = &here[behind..],
            None => visitor.reject_part(Form::Lines, fault.reason, format_args!("{fault}"), line),
        }
    }
}

/// Line feeds in one text in quotes that are followed.
pub const FEEDS_QUOTED_MAX: usize = 16;

/// Decodes a line whose quotes are open at its first line feed, at `end`; the answer is where the next line begins. `None`:
/// it cannot be read with what follows either.
#[cold]
fn decode_across<V: Visitor>(
    text: &[u8],
    mut end: usize,
    fault: Fault,
    unit: Option<Unit>,
    visitor: &mut V,
) -> Option<usize> {
    if fault != QUOTES_OPEN {
        return None;
    }
    for _ in 0..FEEDS_QUOTED_MAX {
        let start = end + 1;
        let piece = text.get(start..).filter(|piece| !piece.is_empty())?;
        end = start + memchr::memchr(b'\n', piece).unwrap_or(piece.len());
        if !text[start..end].contains(&b'"') {
            continue;
        }
        match decode_line(value::trim_end(&text[..end]).trim_ascii_start(), unit, visitor) {
            Ok(()) => return Some((end + 1).min(text.len())),
            Err(fault) if fault == QUOTES_OPEN => {}
            Err(_) => return None,
        }
    }
    None
}

/// A fault is the line's; nothing was handed over then.
#[inline]
fn decode_line<V: Visitor>(line: &[u8], unit: Option<Unit>, visitor: &mut V) -> Result<(), Fault> {
    match std::str::from_utf8(line) {
        Ok(text) => decode_text(text, unit, visitor),
        Err(_) => decode_unsound(line, unit, visitor),
    }
}

/// A line with bytes that are no UTF-8: what they stand in is a remark, or a name that cannot be told.
#[cold]
fn decode_unsound<V: Visitor>(line: &[u8], unit: Option<Unit>, visitor: &mut V) -> Result<(), Fault> {
    let text = String::from_utf8_lossy(line);
    let line = Line::parse(&text, unit)?;
    let unsound = |name: Escaped<'_>| name.raw().contains(char::REPLACEMENT_CHARACTER);
    let mut names: Vec<Escaped<'_>> = line.sensor.into_iter().chain(line.machine).collect();
    if line.sensor.is_none() {
        let fields: Vec<Field<'_>> = line.fields().collect::<Result<_, Fault>>()?;
        names.extend(fields.iter().map(|field| field.key));
        names.extend(line.machine.is_none().then_some(line.measurement));
    }
    if names.into_iter().any(unsound) {
        return Err(Fault::malformed("a name in the line is no UTF-8"));
    }
    decode_text(&text, unit, visitor)
}

#[inline]
fn decode_text<V: Visitor>(text: &str, unit: Option<Unit>, visitor: &mut V) -> Result<(), Fault> {
    if text.contains('\0') {
        return Err(Fault::malformed("the line contains NUL"));
    }
    let line = Line::parse(text, unit)?;
    let (quality, mut value_field) = (quality_of(&line)?, None);
    let machine = line.machine.map(Escaped::to_str);
    let measurement = line.measurement.to_str();
    checked_name(&measurement)?;
    let Some(sensor) = line.sensor.map(Escaped::to_str) else {
        let machine = checked_name(machine.as_deref().unwrap_or(&measurement))?;
        let mut seen = FieldsSeen::default();
        for (place, field) in line.fields().enumerate() {
            let field = field?;
            if field.is_quality() {
                continue;
            }
            if !seen.is_new(&line, place, field) {
                let fault = Fault::malformed("the field stands twice; the first one was taken");
                reject_field(&line, field, fault, quality, visitor);
                continue;
            }
            let code = field.key.to_str();
            report(&line, field, Name::Sensor { machine: Some(machine), sensor: &code }, quality, visitor);
        }
        return Ok(());
    };
    let machine = machine.as_deref().map(checked_name).transpose()?;
    checked_name(&sensor)?;
    for field in line.fields() {
        let field = field?;
        if field.key.is("value") && value_field.replace(field).is_some() {
            return Err(Fault::malformed("the field value stands twice"));
        }
    }
    let field = value_field.ok_or(Fault::malformed("a line with a sensor tag needs a field named value"))?;
    report(&line, field, Name::Sensor { machine, sensor: &sensor }, quality, visitor);
    Ok(())
}

/// Finds fields that stand twice: a bit per name tells most new ones, and a line with many fields pays for a set.
#[derive(Default)]
struct FieldsSeen<'a> {
    bits: u64,
    many: HashSet<&'a str>,
}

/// Names that are compared one by one.
const FIELDS_FEW: usize = 32;

impl<'a> FieldsSeen<'a> {
    #[inline]
    fn is_new(&mut self, line: &Line<'a>, place: usize, field: Field<'a>) -> bool {
        let name = field.key.raw();
        let (first, last) = match name.as_bytes() {
            [first, .., last] => (*first, *last),
            rest => (rest.first().copied().unwrap_or_default(), 0),
        };
        let bit = 1 << ((u32::from(last) + u32::from(first) * 7 + name.len() as u32 * 13) & 63);
        let may_be_seen = self.bits & bit != 0;
        self.bits |= bit;
        if place >= FIELDS_FEW {
            return self.is_new_of_many(line, field);
        }
        !may_be_seen || line.fields().take(place).flatten().all(|earlier| earlier.key != field.key)
    }

    #[cold]
    fn is_new_of_many(&mut self, line: &Line<'a>, field: Field<'a>) -> bool {
        if self.many.is_empty() {
            self.many.extend(line.fields().take(FIELDS_FEW).flatten().map(|earlier| earlier.key.raw()));
        }
        self.many.insert(field.key.raw())
    }
}

#[inline]
fn report<V: Visitor>(line: &Line<'_>, field: Field<'_>, name: Name<'_>, quality: Quality, visitor: &mut V) {
    let value = match field.value {
        FieldValue::Number(value) => value,
        FieldValue::Text(text) => value::of_text(text.as_bytes()),
    };
    let sound = match name {
        Name::Sensor { sensor, .. } => checked_name(sensor).map(|_| ()),
        Name::Handle(_) => Ok(()),
    };
    match sound.and(value) {
        Ok(value) => visitor.point(Point { name, timestamp_us: line.timestamp_us, value, quality }),
        Err(fault) => reject_field(line, field, fault, quality, visitor),
    }
}

#[cold]
fn reject_field<V: Visitor>(line: &Line<'_>, field: Field<'_>, fault: Fault, quality: Quality, visitor: &mut V) {
    let mut fragment = line.measurement.raw().to_owned();
    for (tag, name) in [("sensor_id", line.sensor), ("machine_id", line.machine)] {
        if let Some(name) = name {
            fragment += &format!(",{tag}={}", name.raw());
        }
    }
    fragment += " ";
    fragment += field.raw;
    if quality != Quality::Good {
        fragment += &format!(",quality=\"{}\"", quality.as_str());
    }
    if let Some(timestamp_us) = line.timestamp_us {
        fragment += &format!(" {timestamp_us:016}000");
    }
    let written = field.raw.as_bytes().get(field.key.raw().len() + 1..).unwrap_or_default();
    let key: String = field.key.to_str().chars().take(super::NAME_BYTES_MAX).collect();
    let detail = format_args!("field {key}: {}", fault.told(written));
    visitor.reject_part(Form::Lines, fault.reason, detail, fragment.as_bytes());
}

/// What the line says of its values.
fn quality_of(line: &Line<'_>) -> Result<Quality, Fault> {
    let Some(word) = line.quality else { return Ok(Quality::Good) };
    quality::of_text(word).ok_or(quality::NO_QUALITY)
}

#[cfg(test)]
mod tests {
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
    fn comments_and_empty_lines_say_nothing() {
        assert_eq!(decoded("# a comment\n\n  \r\n#M1 T=1\n"), Collected::default());
    }

    #[test]
    fn the_quality_of_a_line_is_that_of_its_values() {
        let expected = [Found::new("T", None, 1.0).on("M1").of_quality(Quality::Bad)];
        assert_eq!(points("M1 T=1,quality=\"bad\""), expected);
        assert_eq!(points("M1 T=1,quality=\"Bad_NoCommunication\""), expected);
        assert_eq!(decoded("M1 T=1,quality=\"fair\"").reasons(), [Reason::MalformedPayload]);
        assert_eq!(points("M1 quality=5"), [Found::new("quality", None, 5.0).on("M1")]);
    }

    #[test]
    fn a_bad_line_rejects_only_itself() {
        let found = decoded("M1 T=1\nbroken\nM1 T=2 noon\nM1 T=3 -5\nM1 T=\nM1 T=4\n");
        let values: Vec<f64> = found.points.iter().map(|point| point.value).collect();
        assert_eq!(values, [1.0, 4.0]);
        assert_eq!(found.fragments(), ["broken", "M1 T=2 noon", "M1 T=3 -5", "M1 T="]);
        use Reason::{BadTimestamp, MalformedPayload};
        assert_eq!(found.reasons(), [MalformedPayload, BadTimestamp, BadTimestamp, MalformedPayload]);
    }

    #[test]
    fn a_line_at_fault_hands_nothing_over() {
        for text in [
            "M1 T=1,U",
            "M1 T=1,=2",
            "M1 T=1 ,U=2",
            ",a=b T=1",
            "M1,a T=1",
            "M1,a= T=1",
            "M1,=b T=1",
            "M1",
            "M1 ",
            "M1 T=1,U=1x",
            "M1 T=1,U=1.000.000",
            "M1 T=1,U=\"open",
            "M1 T=1,U=\"a\"b",
            "M1 T=1, U=2",
            "M1,sensor=S other=1",
            "M1,sensor=S value=1,value=2",
            "M1,sensor=S,sensor=R value=1",
            "M1 T=1 1 2",
            "M1 T=5i5",
            "M1 T=-5u",
            "M1 T=1\u{0}2",
        ] {
            let found = decoded(text);
            assert_eq!(found.points, [], "{text}");
            assert_eq!(found.rejects.len(), 1, "{text}");
        }
    }

    #[test]
    fn a_field_at_fault_is_rejected_alone_and_can_be_sent_again() {
        let text =
            "press,machine=M1,host=h A=1,B=\"x\",C=\"\",D=NaN,E=1e11,F=100000000000i,G=2,quality=\"bad\" 1700000000";
        let mut found = Collected::default();
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
        assert_eq!(
            (found.points.as_slice(), found.fragments()),
            (&expected[..], vec!["M1 T=3".into(), "M1 T=4".into()])
        );
        let many: Vec<String> = (0..300).map(|n| format!("K{n}={n}")).collect();
        let found = decoded(&format!("M1 {},K7=1,K200=1", many.join(",")));
        assert_eq!((found.points.len(), found.rejects.len()), (300, 2));
    }

    #[test]
    fn a_field_at_fault_is_told_with_what_stands_there() {
        let detail = |text: &str| decoded(text).rejects[0].1.clone();
        assert!(
            detail("M1 T=\"1,5\"")
                .starts_with("field T: the value is no number: `\\\"1,5\\\"`; write the decimal mark")
        );
        assert!(detail("M1 T=\"hello\"").contains("hello"));
        assert!(detail("M1 T=NaN").contains("leave the value out"));
    }

    #[test]
    fn text_that_is_no_utf_8_is_a_fault_of_names_alone() {
        let latin_1 = |text: &str| -> Collected {
            let bytes: Vec<u8> = text.chars().map(|character| character as u8).collect();
            let mut visitor = Collected::default();
            decode(&bytes, Some(Unit::Nanoseconds), &mut visitor);
            visitor
        };
        for text in ["M1,ort=Köln T=1", "M1,sensor=T,machine=M1 note=\"Öl\",value=1", "Öl,machine=M1 T=1"] {
            assert_eq!(latin_1(text).points, [Found::new("T", None, 1.0).on("M1")], "{text}");
        }
        for text in ["Öl T=1", "M1 Öl=1", "m,sensor=Öl value=1", "m,machine=Öl T=1", "M1 T=1 Ö"] {
            let found = latin_1(text);
            assert_eq!((found.points.len(), found.rejects.len()), (0, 1), "{text}");
        }
    }

    #[test]
    fn text_in_quotes_may_hold_line_feeds() {
        let text = "M1 note=\"a\nb,c=1 \\\" x\r\n\nd\",T=1 5000\nM1 T=2\nM1,k=v T=3,end=\"\n\"";
        let values: Vec<f64> = decoded(text).points.iter().map(|point| point.value).collect();
        assert_eq!(values, [1.0, 2.0, 3.0]);
        assert_eq!(decoded(text).fragments().len(), 2, "text is no reading");
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
}
