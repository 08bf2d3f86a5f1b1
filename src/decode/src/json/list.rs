//! `"values": [{"id": "TEMP", "v": 1.5, "q": true, "t": 1700000000000}, ...]`: how gateways send several tags at once.
//!
//! Kepware and AVEVA call the list `values`, Neuron `tags`, Sparkplug in JSON `metrics`, Advantech `d`. Each entry names its
//! sensor, or has it from the element around it or the topic: then the list is one sensor's history; time, machine and quality
//! it may have from there, too. An entry without value and name is an object of tags. What a gateway could not read it says by an
//! `error` in the entry, or by `"errors": {"TEMP": 2014}` beside the values: with a value that is a reading of bad quality,
//! without one it is rejected, so that it is on record. An entry at fault is rejected alone, as an element of its own.

use super::common::{Common, beginning, opening, quoted};
use super::cursor::{Cursor, Syntax, is_empty};
use super::element_end;
use super::fields::written_at_fault;
use crate::fault::Fault;
use crate::{Form, Visitor};

/// Reads the value next to the cursor; the answer are its bytes if it is a list of objects, or an empty one.
pub(super) fn check<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Syntax> {
    cursor.token();
    let start = cursor.at();
    cursor.skip()?;
    let bytes = cursor.since(start);
    let mut inside = Cursor::new(bytes);
    let is_list = inside.take(b'[') && matches!(inside.token(), Some(b'{' | b']'));
    Ok(is_list.then_some(bytes))
}

/// As [`check`]; an object in the place of the list is its only entry.
pub(super) fn check_message<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Syntax> {
    if cursor.token() == Some(b'{') { cursor.pass().map(Some) } else { check(cursor) }
}

/// Whether what stands behind `error` means that there is none.
pub(super) fn is_no_error(written: &[u8]) -> bool {
    const WORDS: [&[u8]; 8] = [b"", b"0", b"-", b"ok", b"none", b"no error", b"no_error", b"noerror"];
    let text = written.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
    let is_said = |text: &[u8]| WORDS.iter().any(|word| text.trim_ascii().eq_ignore_ascii_case(word));
    matches!(written, b"" | b"0" | b"null" | b"false") || is_empty(written) || text.is_some_and(is_said)
}

/// Hands over one point per entry of `list`, which [`check`] has passed; an object is the only entry of one. `report_entry`: reads one and hands it over; a
/// fault of its syntax leaves the cursor anywhere.
pub(super) fn report<'l, V: Visitor>(
    list: &'l [u8],
    common: Common<'_>,
    visitor: &mut V,
    report_entry: impl Fn(&mut Cursor<'l>, &mut V) -> Result<Result<(), Fault>, Syntax>,
) {
    let mut cursor = Cursor::new(list);
    cursor.take(b'[');
    while !cursor.take(b']') {
        cursor.token();
        let start = cursor.at();
        let result = match report_entry(&mut cursor, visitor) {
            Ok(result) => result,
            Err(Syntax(what)) => {
                cursor.jump(element_end(list, start).unwrap_or(list.len()));
                Err(Fault::malformed(what))
            }
        };
        if let Err(fault) = result
            && cursor.since(start).trim_ascii() != b"null"
        {
            reject(fault, cursor.since(start), common, visitor);
        }
        if !cursor.take(b',') && cursor.token() != Some(b']') {
            let start = cursor.at();
            if let Some(rest) = list.get(start..).filter(|rest| !rest.is_empty()) {
                reject(Fault::malformed("a comma or the end of the list was expected"), rest, common, visitor);
            }
            return;
        }
    }
}

#[cold]
fn reject<V: Visitor>(fault: Fault, entry: &[u8], common: Common<'_>, visitor: &mut V) {
    let sensor =
        common.sensor.map_or_else(String::new, |sensor| format!("\"sensor_id\":{},", quoted(beginning(sensor))));
    let start = opening(common) + &sensor + "\"values\":[";
    let fragment = [start.as_bytes(), entry, b"]}"].concat();
    let written = Some(written_at_fault(entry, fault)).filter(|written| !written.is_empty()).unwrap_or(entry);
    visitor.reject_part(Form::Elements, fault.reason, format_args!("{}", fault.told(written)), &fragment);
}
