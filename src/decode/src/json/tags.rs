//! `{"temperature": 21.5, "ENERGY": {"Power": 5}, "ts": 1700000000000}`: an object of tags, as the historian of UMH, Tasmota
//! and Shelly send it.
//!
//! Each number, switch state, and text that reads as one of the two is a reading of the sensor that its key names; objects
//! inside add their key before a point: `ENERGY.Power`, unless they say one tag's `value`, as those of OPC UA do. What else
//! is there is a remark, unless the catalogue knows better:
//! - text, a list or an object of a known sensor is no number, and rejected;
//! - a list of one number of a known sensor is that number;
//! - a list whose numbers are known sensors is one of phases: `Power_1`, `Power_2` ... or `Power1`, `Power2` ...
//! - beside one tag's `value`, and around the tags of a message, the other members are tags where they are known.
//!
//! Nulls, blank text, keys that have a meaning of their own and those of the sender's protocol are always remarks. A tag at
//! fault is rejected alone, in the form of [`values`].

mod nested;
mod walk;

use super::common::Common;
use super::cursor::{Cursor, Syntax};
use super::fields::only_item;
use crate::Visitor;
use crate::fault::{Fault, Told};
use std::collections::HashSet;
use walk::Walk;

/// What the outermost object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Top {
    /// Tags, and what is said of all of them.
    Tags,
    /// `value` is one of the tags.
    WithValue,
    /// Tags of the thing that is named around it, if one is: `pump.temperature`.
    Entry,
    /// What stands around tags: a tag itself where it is known.
    Around,
    /// The same beside `values` or a list, where one letter means what it means.
    Beside,
    /// What stands around lists and objects under the names of those they are of, which are read by themselves.
    Keyed,
    /// What stands beside a value: nothing but lists is taken.
    Lists,
}

impl Top {
    /// Whether nothing is a tag but what the catalogue has.
    fn is_around(self) -> bool {
        matches!(self, Self::Around | Self::Beside | Self::Keyed | Self::Lists)
    }
}

/// What is in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// Readings, which were handed over.
    Taken,
    /// It names what is said beside it: other values of that, or nobody knows what.
    Doubtful,
    /// Numbers that nobody knows.
    Unknown,
    /// Nothing that could be a reading.
    Nothing,
}

/// How what stands inside of an object of tags is read.
pub(super) trait Reader<'o> {
    /// Reads the object next to the cursor and hands it over under the given name if it is one tag's. `None`: it is not, and the
    /// cursor stays.
    fn tag<V: Visitor>(
        &self,
        cursor: &mut Cursor<'o>,
        named: &str,
        common: Common<'_>,
        visitor: &mut V,
    ) -> Result<Option<Result<(), Told<'o>>>, Syntax>;

    /// Hands over the readings of a list that stands under the given name.
    fn list<V: Visitor>(&self, list: &'o [u8], named: &str, common: Common<'_>, visitor: &mut V) -> Listed;
}

/// Hands over one point per tag of `object`, whose structure is known to be sound. `false`: it has none.
pub(super) fn report<'o, V: Visitor>(
    object: &'o [u8],
    top: Top,
    common: Common<'_>,
    visitor: &mut V,
    reader: &impl Reader<'o>,
) -> Result<bool, Fault> {
    let mut walk = Walk::new(top, common, visitor, reader);
    let result = walk.object(&mut Cursor::new(object), 0);
    walk.finish(result)
}

/// As [`report`], of the tags that lie in a message, and of what is known around them. `within`: what of the message that is not.
pub(super) fn report_inner<'o, V: Visitor>(
    object: &'o [u8],
    (around, within): (&'o [u8], &'o [u8]),
    common: Common<'_>,
    visitor: &mut V,
    reader: &impl Reader<'o>,
) -> Result<bool, Fault> {
    let mut walk = Walk::new(Top::WithValue, common, visitor, reader);
    let inside = walk.object(&mut Cursor::new(object), 0);
    let has_inside = !walk.seen.is_empty();
    walk.inside = std::mem::take(&mut walk.seen);
    walk.top = Top::Around;
    walk.passed = within;
    // Where all of the message belongs together, nothing is around.
    let has_around = !std::ptr::eq(around.as_ptr(), within.as_ptr());
    let result = inside.and_then(|()| if has_around { walk.object(&mut Cursor::new(around), 0) } else { Ok(()) });
    walk.finish(result).map(|has_tags| has_tags || has_inside)
}

/// As [`report`], of what is known beside what was `taken`, of which `passed` is a part of the object.
#[cold]
pub(super) fn report_around<'o, V: Visitor>(
    object: &'o [u8],
    (top, taken, passed): (Top, HashSet<String>, &'o [u8]),
    common: Common<'_>,
    visitor: &mut V,
    reader: &impl Reader<'o>,
) -> Result<(), Fault> {
    let mut walk = Walk::new(top, common, visitor, reader);
    (walk.inside, walk.passed, walk.has_others) = (taken, passed, true);
    let result = walk.object(&mut Cursor::new(object), 0);
    walk.finish(result).map(|_| ())
}

/// As [`report`], of the object or list that stands under a name. `false`: it is no value and has none.
#[cold]
pub(super) fn report_under<'o, V: Visitor>(
    name: &str,
    written: &'o [u8],
    common: Common<'_>,
    visitor: &mut V,
    reader: &impl Reader<'o>,
) -> bool {
    let mut walk = Walk::new(Top::Tags, common, visitor, reader);
    walk.path.push_str(name);
    let read = match only_item(written) {
        Ok(value) => {
            walk.one(Ok(value), written);
            Ok(())
        }
        Err(_) if written.starts_with(b"{") => walk.object(&mut Cursor::new(written), 1),
        Err(_) => {
            walk.nested(written);
            Ok(())
        }
    };
    walk.finish(read) == Ok(true)
}
