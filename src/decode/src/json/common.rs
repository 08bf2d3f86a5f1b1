//! What the readings of one element have in common, and how a part of it is set aside: as an element of its own, which says the same
//! of time, machine and quality.

use crate::fault::{Fault, Told};
use crate::{Form, NAME_BYTES_MAX, Visitor};
use genims_model::Quality;

pub(super) const TWICE: Fault = Fault::malformed("the key stands twice; the first one was taken");

/// What all values of an element have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common<'a> {
    pub(super) machine: Option<&'a str>,
    /// Whom entries of a list mean that name no sensor themselves: by the element around them, or by its topic.
    pub(super) sensor: Option<&'a str>,
    /// The same, where the element itself says it: the tags of its entries are parts of that.
    pub(super) thing: Option<&'a str>,
    /// What the message calls its own device, which entries of its lists may repeat.
    pub(super) device: Option<&'a str>,
    pub(super) timestamp_us: Option<i64>,
    pub(super) quality: Quality,
}

impl Common<'_> {
    /// Nothing in common.
    pub(super) const NONE: Self =
        Self { machine: None, sensor: None, thing: None, device: None, timestamp_us: None, quality: Quality::Good };
}

#[cold]
pub(super) fn reject<V: Visitor>(fault: Fault, key: &str, value: &[u8], common: Common<'_>, visitor: &mut V) {
    let shown = beginning(key);
    let start = format!("{}\"values\":{{{}:", opening(common), quoted(shown));
    let fragment = [start.as_bytes(), value, b"}}"].concat();
    let detail = format_args!("{shown}: {}", fault.told(value));
    visitor.reject_part(Form::Elements, fault.reason, detail, &fragment);
}

/// As [`reject`], for a tag with an object of its own. `within`: what stands around the tag, which tells how its object is read.
#[cold]
pub(super) fn reject_object<V: Visitor>(
    told: Told<'_>,
    within: Within,
    (key, object): (&str, &[u8]),
    common: Common<'_>,
    visitor: &mut V,
) {
    let shown = beginning(key);
    let (before, behind) = match within {
        Within::Element => ("", "}"),
        Within::Values => ("\"values\":{", "}}"),
    };
    let start = format!("{}{before}{}:", opening(common), quoted(shown));
    let fragment = [start.as_bytes(), object, behind.as_bytes()].concat();
    visitor.reject_part(Form::Elements, told.reason(), format_args!("{shown}: {told}"), &fragment);
}

/// Where a tag stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    Element,
    Values,
}

/// A name, or the beginning of one that is too long, which is too long still: told of each of many values, all of it would be many
/// times the message.
pub(super) fn beginning(name: &str) -> &str {
    &name[..name.ceil_char_boundary(NAME_BYTES_MAX + 1)]
}

/// The beginning of a fragment: what the values of its element have in common.
pub(super) fn opening(common: Common<'_>) -> String {
    let mut fragment = String::from("{");
    if let Some(timestamp_us) = common.timestamp_us {
        fragment += &format!("\"timestamp_us\":{timestamp_us},");
    }
    if let Some(machine) = common.machine {
        fragment += &format!("\"machine_id\":{},", quoted(machine));
    }
    if common.quality != Quality::Good {
        fragment += &format!("\"quality\":\"{}\",", common.quality.as_str());
    }
    fragment
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
