//! The body of a DATA frame: names and 16-byte records go in, points come out.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | sequence u64: 1 in a client's first frame, one more in each further; 0 inside MQTT |
//! | 8 | base_us i64: microseconds since 1970 UTC |
//! | 2 | names u16, then for each: handle u16, length u8, sensor id in UTF-8 |
//! | 4 | count u32, then for each a record: |
//! | 16 | handle u16, quality u8 (0 good, 1 uncertain, 2 bad), kind u8 (0 `f64`, 1 `i64`), delta_us i32, value |
//!
//! A record's time is `base_us + delta_us`. A frame whose layout is broken is an error; a record at fault is rejected
//! alone, as a frame of that record and its name, bit for bit.

use super::handles::HandleTable;
use super::{Frame, FrameError, FrameType, Next, RECORD_BYTES, Reader, encode, next_frame};
use crate::fault::{Fault, OUT_OF_RANGE, checked_name};
use crate::value;
use crate::{Form, Name, Point, Visitor, timestamp};
use genims_model::Quality;

/// The largest integer that `DECIMAL(15,4)` holds; exact as `f64`.
const INTEGER_MAX: u64 = 99_999_999_999;

/// A DATA body whose layout holds.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    pub sequence: u64,
    pub base_us: i64,
    names: Names<'a>,
    records: &'a [[u8; RECORD_BYTES]],
}

impl<'a> Data<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, FrameError> {
        let mut reader = Reader::new(FrameType::Data, body);
        let (sequence, base_us, count) = (reader.u64()?, reader.i64()?, reader.u16()?);
        let names = Names { reader, left: count };
        for _ in 0..count {
            let (_, name) = read_name(&mut reader)?;
            checked_name(name).map_err(|fault| reader.error(fault.what))?;
        }
        let count = reader.u32()? as usize;
        let (records, rest) = reader.rest.as_chunks();
        if records.len() != count || !rest.is_empty() {
            return Err(reader.error("its length does not fit the count of records"));
        }
        Ok(Self { sequence, base_us, names, records })
    }

    /// The handles that the frame defines.
    pub fn names(&self) -> Names<'a> {
        self.names
    }

    /// How many records the frame holds.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Enters the frame's names. A resent frame's names count as well, although its records do not.
    pub fn define<V: Visitor>(&self, handles: &mut HandleTable, visitor: &mut V) {
        for (handle, name) in self.names {
            handles.define(handle, name, visitor);
        }
    }

    /// Hands over the records.
    #[inline]
    pub fn report<V: Visitor>(&self, handles: &HandleTable, visitor: &mut V) {
        self.report_records(handles.resolved(), |handle| handles.name(handle), visitor);
    }

    /// The base, so bounded that no record's offset makes it overflow; what is bounded is far from any time that is taken.
    #[inline]
    fn base_near(&self) -> i64 {
        self.base_us.clamp(i64::MIN / 2, i64::MAX / 2)
    }

    #[inline]
    fn report_records<'n, V: Visitor>(
        &self,
        resolved: &[Option<u32>],
        name_of: impl Fn(u16) -> Option<&'n str>,
        visitor: &mut V,
    ) {
        let base_us = self.base_near();
        for record in self.records {
            match point(record, base_us, resolved) {
                Ok(point) => visitor.point(point),
                // The fault is found anew there: to carry it out of the loop is what every good record would pay for.
                Err(_) => self.reject(record, resolved, &name_of, visitor),
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn reject<'n, V: Visitor>(
        &self,
        record: &[u8; RECORD_BYTES],
        resolved: &[Option<u32>],
        name_of: impl Fn(u16) -> Option<&'n str>,
        visitor: &mut V,
    ) {
        let Err(fault) = point(record, self.base_near(), resolved) else { return };
        let handle = u16::from_le_bytes([record[0], record[1]]);
        let name = name_of(handle);
        let names = name.map(|name| (handle, name));
        let mut fragment = Vec::new();
        encode::data_of_bytes(0, self.base_us, names.as_slice(), std::iter::once(*record), &mut fragment);
        match name {
            Some(name) => {
                let detail = format_args!("sensor {name}: {fault}");
                visitor.reject_part(Form::Frames, fault.reason, detail, &fragment);
            }
            None => {
                let detail = format_args!("handle {handle}: {fault}");
                visitor.reject_part(Form::Frames, fault.reason, detail, &fragment);
            }
        }
    }
}

/// Handles and names in frame order.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    reader: Reader<'a>,
    left: u16,
}

impl<'a> Iterator for Names<'a> {
    type Item = (u16, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        read_name(&mut self.reader).ok()
    }
}

fn read_name<'a>(reader: &mut Reader<'a>) -> Result<(u16, &'a str), FrameError> {
    let (handle, length) = (reader.u16()?, reader.u8()?);
    Ok((handle, reader.text(usize::from(length))?))
}

/// `base_us`: see [`Data::base_near`].
#[inline]
fn point(record: &[u8; RECORD_BYTES], base_us: i64, resolved: &[Option<u32>]) -> Result<Point<'static>, Fault> {
    let [h0, h1, quality, kind, d0, d1, d2, d3, value @ ..] = *record;
    let handle = resolved.get(usize::from(u16::from_le_bytes([h0, h1]))).copied().flatten();
    let handle = handle.ok_or(Fault::malformed("no name was defined for it"))?;
    let quality = match quality {
        0 => Quality::Good,
        1 => Quality::Uncertain,
        2 => Quality::Bad,
        _ => return Err(Fault::malformed("quality must be 0, 1 or 2")),
    };
    let value = match kind {
        0 => value::of_float(f64::from_le_bytes(value))?,
        1 => integer_value(i64::from_le_bytes(value))?,
        _ => return Err(Fault::malformed("kind must be 0 (f64) or 1 (i64)")),
    };
    let delta_us = i64::from(i32::from_le_bytes([d0, d1, d2, d3]));
    let timestamp_us = timestamp::checked(base_us + delta_us)?;
    Ok(Point { name: Name::Handle(handle), timestamp_us: Some(timestamp_us), value, quality })
}

#[inline]
fn integer_value(value: i64) -> Result<f64, Fault> {
    if value.unsigned_abs() <= INTEGER_MAX { Ok(value as f64) } else { Err(OUT_OF_RANGE) }
}

/// Decodes a DATA body of a connection; the answer is its sequence.
#[inline]
pub fn decode_data<V: Visitor>(body: &[u8], handles: &mut HandleTable, visitor: &mut V) -> Result<u64, FrameError> {
    let data = Data::parse(body)?;
    data.define(handles, visitor);
    data.report(handles, visitor);
    Ok(data.sequence)
}

/// Decodes an MQTT payload that is DATA frames, header included: one, or several that stand one behind the other. The names
/// of a frame end with it. After an error nothing was handed over.
pub fn decode_message<V: Visitor>(payload: &[u8], visitor: &mut V) -> Result<(), FrameError> {
    // Nearly always there is one, which is then parsed once.
    let (data, behind) = first_frame(payload)?;
    let mut rest = behind;
    while !rest.is_empty() {
        rest = first_frame(rest)?.1;
    }
    report_alone(&data, visitor);
    rest = behind;
    while let Ok((data, behind)) = first_frame(rest) {
        report_alone(&data, visitor);
        rest = behind;
    }
    Ok(())
}

/// The frame that the payload begins with, and what follows it.
fn first_frame(payload: &[u8]) -> Result<(Data<'_>, &[u8]), FrameError> {
    let wrong = |frame_type, what| FrameError::Body { frame_type, what };
    let Next::Frame(Frame { frame_type, body }) = next_frame(payload, u32::MAX)? else {
        return Err(wrong(FrameType::Data, "the payload ends before the frame"));
    };
    if frame_type != FrameType::Data {
        return Err(wrong(frame_type, "a payload must be a DATA frame"));
    }
    let behind = payload.get(super::HEADER_BYTES + body.len()..).unwrap_or_default();
    Ok((Data::parse(body)?, behind))
}

/// Hands over the records of a frame whose names are its own.
fn report_alone<V: Visitor>(data: &Data<'_>, visitor: &mut V) {
    let mut resolved: Vec<Option<u32>> = Vec::new();
    for (handle, name) in data.names() {
        let place = usize::from(handle);
        if place >= resolved.len() {
            resolved.resize(place + 1, None);
        }
        resolved[place] = Some(visitor.define(name));
    }
    // The last definition of a handle counts.
    let name_of = |handle| data.names().filter(|(defined, _)| *defined == handle).last().map(|(_, name)| name);
    data.report_records(&resolved, name_of, visitor);
}

#[cfg(test)]
mod tests {
    use super::super::super::collected::{Collected, Found};
    use super::super::{Record, RecordValue};
    use super::*;
    use genims_model::Reason;
    use proptest::prelude::*;

    const BASE_US: i64 = 1_700_000_000_000_000;

    fn record(handle: u16, delta_us: i32, value: RecordValue) -> Record {
        Record { handle, quality: Quality::Good, delta_us, value }
    }

    fn frame(names: &[(u16, &str)], records: &[Record]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode::data(0, BASE_US, names, records, &mut bytes);
        bytes
    }

    fn decoded(payload: &[u8]) -> Collected {
        let mut visitor = Collected::default();
        decode_message(payload, &mut visitor).unwrap();
        visitor
    }

    #[test]
    fn floats_and_integers_arrive_with_time_and_quality() {
        let uncertain = Record { quality: Quality::Uncertain, ..record(9, -5, RecordValue::Integer(99_999_999_999)) };
        let payload = frame(&[(3, "S1"), (9, "S2")], &[record(3, 1, RecordValue::Float(1.5)), uncertain]);
        let second = Found::new("S2", Some(BASE_US - 5), 99_999_999_999.0).of_quality(Quality::Uncertain);
        assert_eq!(decoded(&payload).points, [Found::new("S1", Some(BASE_US + 1), 1.5), second]);
    }

    #[test]
    fn a_record_at_fault_is_rejected_alone_and_its_fragment_says_the_same_again() {
        let records = [
            record(1, 0, RecordValue::Float(f64::NAN)),
            record(1, 0, RecordValue::Float(1e11)),
            record(1, 0, RecordValue::Integer(-100_000_000_000)),
            record(2, 0, RecordValue::Float(1.0)),
            record(1, 0, RecordValue::Float(7.0)),
        ];
        let found = decoded(&frame(&[(1, "S1")], &records));
        assert_eq!(found.points, [Found::new("S1", Some(BASE_US), 7.0)]);
        let reasons = [Reason::NotFinite, Reason::OutOfRange, Reason::OutOfRange, Reason::MalformedPayload];
        assert_eq!(found.reasons(), reasons);
        for (reason, detail, fragment) in &found.rejects {
            let again = decoded(fragment);
            assert_eq!(again.points, []);
            assert_eq!(again.rejects, [(*reason, detail.clone(), fragment.clone())]);
        }
    }

    #[test]
    fn frames_that_stand_one_behind_the_other_are_each_decoded_with_names_of_their_own() {
        let one = frame(&[(1, "S1")], &[record(1, 0, RecordValue::Float(1.0))]);
        let two = frame(&[(1, "S2")], &[record(1, 0, RecordValue::Float(2.0))]);
        let expected = [Found::new("S1", Some(BASE_US), 1.0), Found::new("S2", Some(BASE_US), 2.0)];
        assert_eq!(decoded(&[one, two].concat()).points, expected);
    }

    #[test]
    fn times_out_of_reach_and_unknown_codes_are_rejected() {
        let mut bytes = Vec::new();
        encode::data(0, i64::MIN, &[(1, "S1")], &[record(1, -1, RecordValue::Float(1.0))], &mut bytes);
        assert_eq!(decoded(&bytes).reasons(), [Reason::BadTimestamp]);
        for at in [2, 3] {
            let mut record = record(1, 0, RecordValue::Float(1.0)).to_bytes();
            record[at] = 3;
            let mut bytes = Vec::new();
            encode::data_of_bytes(0, BASE_US, &[(1, "S1")], std::iter::once(record), &mut bytes);
            assert_eq!(decoded(&bytes).reasons(), [Reason::MalformedPayload]);
        }
    }

    #[test]
    fn names_live_as_long_as_the_connection() {
        let (mut handles, mut visitor) = (HandleTable::default(), Collected::default());
        let body = |names: &[(u16, &str)], sequence| {
            let mut bytes = Vec::new();
            encode::data(sequence, BASE_US, names, &[record(1, 0, RecordValue::Float(2.0))], &mut bytes);
            bytes.split_off(super::super::HEADER_BYTES)
        };
        assert_eq!(decode_data(&body(&[(1, "S1")], 1), &mut handles, &mut visitor), Ok(1));
        assert_eq!(decode_data(&body(&[], 2), &mut handles, &mut visitor), Ok(2));
        assert_eq!(decode_data(&body(&[(1, "S2")], 3), &mut handles, &mut visitor), Ok(3));
        let sensors: Vec<&str> = visitor.points.iter().map(|point| point.sensor.as_str()).collect();
        assert_eq!(sensors, ["S1", "S1", "S2"]);
    }

    #[test]
    fn a_broken_layout_is_an_error_of_the_frame() {
        let good = frame(&[(1, "S1")], &[record(1, 0, RecordValue::Float(1.0))]);
        let body = &good[super::super::HEADER_BYTES..];
        for length in 0..body.len() {
            assert!(Data::parse(&body[..length]).is_err(), "{length}");
        }
        assert!(Data::parse(&[body, &[0]].concat()).is_err());
        assert!(Data::parse(&[body, &[0; 16]].concat()).is_err());
        let mut no_utf_8 = body.to_vec();
        no_utf_8[21] = 0xff;
        assert!(Data::parse(&no_utf_8).is_err());
        assert!(decode_message(&frame(&[(1, "")], &[]), &mut Collected::default()).is_err());
        assert!(decode_message(&good[..20], &mut Collected::default()).is_err());
        let mut nothing = Collected::default();
        assert!(decode_message(&[&good[..], &good[..20]].concat(), &mut nothing).is_err());
        assert_eq!(nothing, Collected::default());
        let mut ping = Vec::new();
        encode::ping(&mut ping);
        assert!(decode_message(&ping, &mut Collected::default()).is_err());
    }

    prop_compose! {
        fn any_record()(
            handle in 0_u16..6,
            quality in prop_oneof![Just(Quality::Good), Just(Quality::Uncertain), Just(Quality::Bad)],
            delta_us in any::<i32>(),
            value in prop_oneof![
                (-99_999_999_999.0..99_999_999_999.0).prop_map(RecordValue::Float),
                (-99_999_999_999_i64..=99_999_999_999).prop_map(RecordValue::Integer),
            ],
        ) -> Record {
            Record { handle, quality, delta_us, value }
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(records in proptest::collection::vec(any_record(), 0..40)) {
            let names = ["A", "B", "C", "D", "E", "Fühler"];
            let table: Vec<(u16, &str)> = (0..).zip(names).collect();
            let found = decoded(&frame(&table, &records));
            let expected: Vec<Found> = records
                .iter()
                .map(|record| {
                    let value = match record.value {
                        RecordValue::Float(value) => value::of_float(value).unwrap(),
                        RecordValue::Integer(value) => value as f64,
                    };
                    let timestamp_us = Some(BASE_US + i64::from(record.delta_us));
                    Found::new(names[usize::from(record.handle)], timestamp_us, value).of_quality(record.quality)
                })
                .collect();
            prop_assert_eq!(found.points, expected);
            prop_assert_eq!(found.rejects, []);
        }

        #[test]
        fn any_body_is_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = decode_data(&body, &mut HandleTable::default(), &mut Collected::default());
        }
    }
}
