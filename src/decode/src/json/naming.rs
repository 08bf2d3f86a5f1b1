//! Which sensor an element means where that can be read in two ways, by what the catalogue knows.
//!
//! - Below a topic whose last level is no sensor of the catalogue, an element's weaker names (`name`, `id`, `tag` ...) count if the
//!   catalogue has them, and below `tags` always: that level stands for the tags of its machine.
//! - There `value` is one tag among others if the catalogue has one of these others. If the element names a sensor (`sensor`,
//!   `tag`, `name` ...) that the catalogue lacks, the value is that sensor's, and the known tags are taken beside it.
//! - Of a node id of OPC UA (`nsu=urn:plc;s=TEMP-1`) the string identifier counts unless the catalogue has the whole. The
//!   `DisplayName` beside it counts if the catalogue has it and neither of these, and where the identifier is no string.

use super::cursor::{Cursor, Text, Value};
use super::keys::{Known, SENSOR_RANK_NODE, SENSOR_RANK_PROVED, Says};
use crate::{Address, Kind, Visitor};
use std::borrow::Cow;

/// The last level of a topic below which payloads name the sensors of its machine.
pub(super) const TAGS_LEVEL: &str = "tags";

/// The sensor that a key of `rank` names, on a machine; `element` is where a `DisplayName` may stand.
#[inline]
pub(super) fn of<'n, V: Visitor>(
    named: Text<'n>,
    rank: u8,
    (element, machine): (&'n [u8], Option<&str>),
    visitor: &V,
) -> Cow<'n, str> {
    if rank == SENSOR_RANK_NODE { of_node(named.to_str(), element, machine, visitor) } else { named.to_str() }
}

#[cold]
fn of_node<'n, V: Visitor>(
    node_id: Cow<'n, str>,
    element: &'n [u8],
    machine: Option<&str>,
    visitor: &V,
) -> Cow<'n, str> {
    if visitor.knows(machine, &node_id) {
        return node_id;
    }
    let identifier = node_id.strip_prefix("s=").or_else(|| node_id.split_once(";s=").map(|(_, behind)| behind));
    let identifier = identifier.filter(|identifier| !identifier.is_empty()).map(str::to_owned);
    if identifier.as_deref().is_some_and(|identifier| visitor.knows(machine, identifier)) {
        return identifier.map_or(node_id, Cow::Owned);
    }
    let display = if element.is_empty() { None } else { display_name(element) };
    match (display, identifier) {
        (Some(name), Some(_)) if visitor.knows(machine, &name) => name,
        (Some(name), None) if is_node_id(&node_id) => name,
        (_, Some(identifier)) => Cow::Owned(identifier),
        _ => node_id,
    }
}

/// Whether it is the id of a node by a number, a GUID or bytes: a name that no person gave.
fn is_node_id(node_id: &str) -> bool {
    let identifier = node_id.rsplit(';').next().unwrap_or_default();
    ["i=", "g=", "b="].into_iter().any(|kind| identifier.starts_with(kind))
}

/// What OPC Publisher calls a node.
fn display_name(element: &[u8]) -> Option<Cow<'_, str>> {
    let mut name = None;
    let read = Cursor::new(element).object(|cursor, key| {
        if key.to_str() != "DisplayName" {
            return cursor.skip();
        }
        if let Value::Text(text) = cursor.value()? {
            name = Some(text).filter(|text| text.is_sound() && !text.is_blank()).map(Text::to_str);
        }
        Ok(())
    });
    read.ok().and(name)
}

/// The sensor of an element with a weak name below a topic that names a sensor, too.
#[cold]
pub(super) fn of_weak<'n, V: Visitor>(
    named: Cow<'n, str>,
    rank: u8,
    topic: &'n str,
    machine: Option<&str>,
    visitor: &V,
) -> Cow<'n, str> {
    let may_count = rank <= SENSOR_RANK_PROVED || !visitor.knows(machine, topic);
    if may_count && (topic == TAGS_LEVEL || visitor.knows(machine, &named)) { named } else { Cow::Borrowed(topic) }
}

/// The sensor of an element with several names, of which `first` is the best: the first that the catalogue has.
#[cold]
pub(super) fn of_several<'n, V: Visitor>(
    first: Cow<'n, str>,
    element: &'n [u8],
    machine: Option<&str>,
    visitor: &V,
) -> Cow<'n, str> {
    if visitor.knows(machine, &first) {
        return first;
    }
    let (mut best, mut rank) = (None, u8::MAX);
    let read = Cursor::new(element).object(|cursor, key| {
        let known = Known::of_any(key.to_str().as_bytes());
        let Some(known) = known.filter(|known| matches!(known.says, Says::Sensor | Says::Label)) else {
            return cursor.skip();
        };
        if let Value::Text(text) = cursor.value()?
            && known.rank < rank
            && visitor.knows(machine, &text.to_str())
        {
            (best, rank) = (Some(text.to_str()), known.rank);
        }
        Ok(())
    });
    best.filter(|_| read.is_ok()).unwrap_or(first)
}

/// The sensor whose name is the number behind the key of `rank`, if the catalogue has it.
#[cold]
pub(super) fn of_number<V: Visitor>(element: &[u8], rank: u8, machine: Option<&str>, visitor: &V) -> Option<String> {
    let mut name = None;
    let read = Cursor::new(element).object(|cursor, key| {
        let is_meant =
            Known::of(key.to_str().as_bytes()).is_some_and(|known| (known.says, known.rank) == (Says::Sensor, rank));
        if let Value::Number(number) = cursor.value()?
            && is_meant
        {
            name = Some(String::from_utf8_lossy(number.text).into_owned());
        }
        Ok(())
    });
    read.ok().and(name).filter(|name| visitor.knows(machine, name))
}

/// Whether the value of an element, which has no strong name, is one tag among others. `is_named`: it has a weak one. `sensor`:
/// whom it and its topic mean.
#[cold]
pub(super) fn is_among_tags<V: Visitor>(
    (element, is_named, sensor): (&[u8], bool, Option<&str>),
    address: &Address<'_>,
    machine: Option<&str>,
    visitor: &V,
) -> bool {
    let is_of_sensor = match address.kind {
        Kind::Sensor(_) => sensor.is_some_and(|sensor| visitor.knows(machine, sensor)),
        _ => is_named || machine.is_none(),
    };
    if is_of_sensor {
        return false;
    }
    let mut is_known = false;
    let read = Cursor::new(element).object(|cursor, key| {
        let key = key.to_str();
        let may_be_tag = key.len() == 1 || Known::of(key.as_bytes()).is_none();
        is_known |= may_be_tag && visitor.knows(machine, &key);
        cursor.skip()
    });
    read.is_ok() && is_known
}
