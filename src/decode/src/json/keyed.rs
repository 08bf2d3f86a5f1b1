//! `{"PRESS-1": [{"ts": 1700000000000, "values": {"TEMP": 1.5}}], "PRESS-2": [...]}`: lists under the names of those they are of,
//! as the gateway of ThingsBoard sends them for machines, and its queries and Ubidots for sensors.
//!
//! A key is a machine if the catalogue has it, and else a sensor if the catalogue has that, or if the entries of its list have
//! values without names. An object in the place of a list counts where it is a machine's and the topic names none.

use super::cursor::Cursor;
use super::element::Element;
use super::values::Common;
use super::{envelope, list};
use crate::Visitor;
use crate::fault::{Fault, checked_name};

impl<'a> Element<'a> {
    /// `deep`: how far lists in the entries are followed. `false`: the keys are no names.
    #[cold]
    pub(super) fn report_keyed<V: Visitor>(
        &self,
        common: Common<'_>,
        deep: usize,
        visitor: &mut V,
    ) -> Result<bool, Fault> {
        if common.machine.is_some() && memchr::memchr(b'[', self.bytes).is_none() {
            return Ok(false);
        }
        let Some(members) = envelope::members_by_name(self.bytes).filter(|members| !members.is_empty()) else {
            return Ok(false);
        };
        let mut meant = Vec::with_capacity(members.len());
        for (key, written) in &members {
            let is_list = written.starts_with(b"[");
            let is_machine = visitor.knows_machine(key) && (is_list || common.machine.is_none());
            let is_sensor = is_list
                && (visitor.knows(common.machine, key) || (common.sensor.is_none() && !is_machine))
                && is_history(written);
            if !(is_sensor || is_machine) {
                return Ok(false);
            }
            let name = Some(checked_name(key)?);
            let of_sensor = Common { sensor: name, thing: None, ..common };
            let of_machine = Common { machine: name, sensor: None, thing: None, ..common };
            meant.push((if is_sensor { of_sensor } else { of_machine }, *written));
        }
        for (common, written) in meant {
            list::report(written, common, visitor, |cursor, visitor| {
                Element::parse(cursor).map(|entry| entry.report_item(None, common, deep, visitor))
            });
        }
        Ok(true)
    }
}

/// Whether the first entry of a list has a value and no name.
fn is_history(list: &[u8]) -> bool {
    let mut cursor = Cursor::new(list);
    cursor.take(b'[');
    Element::parse(&mut cursor).is_ok_and(|entry| entry.value.candidate.is_some() && entry.sensor.candidate.is_none())
}
