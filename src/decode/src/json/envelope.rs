//! Messages around what is meant, by their other keys: enters an element, leaves the object inside whose members are tags.
//!
//! | message | known by | tags |
//! |---|---|---|
//! | Telegraf | `fields` beside `name` or an object `tags` | `fields`; the machine, where the topic has none: tag `machine_id` or `machine`, else `name` |
//! | The Things Stack | `uplink_message` beside `end_device_ids` | its `decoded_payload`, with its `received_at` |
//! | ChirpStack | `object` beside `deviceInfo`, `devEUI` or `deduplicationId` | `object` |
//! | device shadows of AWS | `state` with an object `reported`, also in `current` beside `previous` | `reported` |
//! | Losant | an object `data` and nothing else that is no known key | `data` |
//! | anybody's | one object under a word of [`WRAPPERS`] whose members the catalogue knows | that object, with its time |
//!
//! Where the catalogue knows a tag by its whole path (`object.x`, `data.x`), the message is an object of tags like any other.
//! What stands around it is of the network, and nobody's value unless the catalogue knows it. Asked only of elements with one of these keys, and of those in
//! which nothing else is a value: there a single list of objects is taken, or an object `tags` or `metrics`.

use super::cursor::Cursor;
use super::fields::inner_time;
use super::keys::{Known, may_hold_tags};
use crate::NAME_BYTES_MAX;
use crate::fault::Fault;
use std::borrow::Cow;

/// What a message holds.
pub(super) struct Inner<'a> {
    pub(super) tags: &'a [u8],
    /// What of the message belongs to them: they themselves, and what else is said of the same.
    pub(super) within: &'a [u8],
    /// Better than that of the message.
    pub(super) timestamp_us: Option<Result<i64, Fault>>,
    pub(super) machine: Option<Cow<'a, str>>,
    /// It was named as one, and not only where nothing else does.
    pub(super) machine_is_sure: bool,
}

/// The objects of an element that may hold tags, and what tells which does.
#[derive(Default)]
struct Members<'a> {
    fields: Option<&'a [u8]>,
    labels: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
    uplink: Option<&'a [u8]>,
    object: Option<&'a [u8]>,
    state: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
    /// What a shadow was before, and is now.
    previous: Option<&'a [u8]>,
    current: Option<&'a [u8]>,
    is_of_things_stack: bool,
    is_of_chirpstack: bool,
    has_others: bool,
    /// Objects under one of [`WRAPPERS`] whose members are known by themselves.
    wrapped: Vec<&'a [u8]>,
}

/// What senders call the object around their tags.
pub(super) const WRAPPERS: [&str; 20] = [
    "tags",
    "metrics",
    "Tags",
    "Metrics",
    "payload",
    "params",
    "msg",
    "message",
    "body",
    "data",
    "sensors",
    "reported",
    "telemetry",
    "properties",
    "readings",
    "measurements",
    "result",
    "feeds",
    "content",
    "StatusSNS",
];

/// Objects inside of objects in which a path is looked for, as deep as tags are followed.
const DEPTH_MAX: usize = 8;

/// `knows`: whether the catalogue has a sensor of that name. `knows_inside`: of the machine that the object around tags names.
#[cold]
pub(super) fn inner(
    element: &[u8],
    knows: impl Fn(&str) -> bool,
    knows_inside: impl Fn(&str) -> bool,
) -> Option<Inner<'_>> {
    let mut found = Members::default();
    let read = Cursor::new(element).object(|cursor, key| {
        let written = cursor.pass()?;
        let object = Some(written).filter(|written| written.starts_with(b"{"));
        let name = key.to_str();
        if WRAPPERS.contains(&&*name) && !knows_any(&name, written, &knows, 0) {
            found.wrapped.extend(object.filter(|object| knows_member(object, &knows_inside)));
        }
        match &*name {
            "fields" => found.fields = object,
            "tags" => found.labels = object,
            "name" => found.name = Some(written),
            "uplink_message" => found.uplink = object,
            "end_device_ids" => found.is_of_things_stack = true,
            "object" => found.object = object,
            "deviceInfo" | "devEUI" | "deduplicationId" => found.is_of_chirpstack = true,
            "state" => found.state = object,
            "data" => found.data = object,
            "previous" if object.is_some() => found.previous = object,
            "current" if object.is_some() => found.current = object,
            key => found.has_others |= Known::of(key.as_bytes()).is_none(),
        }
        Ok(())
    });
    read.ok()?;
    found.inner(element, knows)
}

impl<'a> Members<'a> {
    fn inner(self, element: &'a [u8], knows: impl Fn(&str) -> bool) -> Option<Inner<'a>> {
        let plain =
            |tags| Some(Inner { tags, within: tags, timestamp_us: None, machine: None, machine_is_sure: false });
        let is_new = |path: &str, written: &&[u8]| !knows_any(path, written, &knows, 0);
        if let Some(uplink) = self.uplink.filter(|_| self.is_of_things_stack) {
            if !is_new("uplink_message", &uplink) {
                return None;
            }
            let tags = member(uplink, "decoded_payload").filter(|tags| tags.starts_with(b"{")).unwrap_or(b"{}");
            let received = member(uplink, "received_at").filter(|written| written.starts_with(b"\""));
            let received = received.and_then(|written| Cursor::new(written).value().ok());
            return Some(Inner { timestamp_us: received.map(inner_time), ..plain(tags)? });
        }
        if let Some(object) = self.object.filter(|_| self.is_of_chirpstack) {
            return Some(object).filter(|object| is_new("object", object)).and_then(plain);
        }
        if let Some(tags) = self.fields.filter(|_| self.name.is_some() || self.labels.is_some()) {
            let label = |name: &str| self.labels.and_then(|labels| member(labels, name));
            let labelled = label("machine_id").or_else(|| label("machine"));
            let machine = labelled.or(self.name).and_then(text);
            let inner = Inner { machine, machine_is_sure: labelled.is_some(), ..plain(tags)? };
            return is_new("fields", &tags).then_some(inner);
        }
        if let Some((state, reported)) = self.state.and_then(|state| Some((state, member(state, "reported")?))) {
            let is_meant = reported.starts_with(b"{") && is_new("state", &state);
            // What is desired of them is nobody's reading.
            return if is_meant { Some(Inner { within: state, ..plain(reported)? }) } else { None };
        }
        if let (Some(_), Some(current), false) = (self.previous, self.current, self.has_others)
            && let Some(reported) = member(current, "state").and_then(|state| member(state, "reported"))
        {
            let is_meant = reported.starts_with(b"{") && is_new("current", &current);
            // What was reported before was a message of its own.
            return if is_meant { Some(Inner { within: element, ..plain(reported)? }) } else { None };
        }
        let is_alone = self.previous.is_none()
            && self.current.is_none()
            && !self.has_others
            && self.object.is_none()
            && self.state.is_none()
            && self.uplink.is_none();
        let data = self.data.filter(|data| is_alone && is_new("data", data));
        let [wrapped] = self.wrapped[..] else { return data.and_then(plain) };
        data.or(Some(wrapped)).and_then(plain)
    }
}

/// What stands under keys without a meaning of their own.
type ByName<'a> = Vec<(Cow<'a, str>, &'a [u8])>;

/// The lists of objects of an element, and its objects, by their keys, and whether it has single values, too.
#[cold]
pub(super) fn members_by_name(element: &[u8]) -> Option<(ByName<'_>, bool)> {
    let (mut members, mut has_values) = (Vec::new(), false);
    let read = Cursor::new(element).object(|cursor, key| {
        let written = cursor.pass()?;
        let name = key.to_str();
        if Known::of(name.as_bytes()).is_some() {
            return Ok(());
        }
        let mut inside = Cursor::new(written);
        if written.starts_with(b"{") || (inside.take(b'[') && inside.token() == Some(b'{')) {
            members.push((name, written));
        } else {
            has_values |= !written.starts_with(b"\"") && written != b"null";
        }
        Ok(())
    });
    Some((members, has_values)).filter(|_| read.is_ok())
}

/// The object in which a message holds something, under one of [`WRAPPERS`].
#[cold]
pub(super) fn only_wrapped(element: &[u8]) -> Option<&[u8]> {
    let mut found = Vec::new();
    let read = Cursor::new(element).object(|cursor, key| {
        let written = cursor.pass()?;
        found.extend(Some(written).filter(|_| written.starts_with(b"{") && WRAPPERS.contains(&&*key.to_str())));
        Ok(())
    });
    let [wrapped] = found[..] else { return None };
    read.ok().map(|()| wrapped)
}

/// Whether the catalogue has a sensor by a path that leads into a `part` of an element.
#[cold]
pub(super) fn holds_known(element: &[u8], part: &[u8], knows: &impl Fn(&str) -> bool) -> bool {
    let mut found = false;
    let read = Cursor::new(element).object(|cursor, key| {
        cursor.token();
        let is_part = cursor.is_at(part);
        let written = cursor.pass()?;
        found = found || (is_part && knows_any(&key.to_str(), written, knows, 0));
        Ok(())
    });
    read.is_ok() && found
}

/// The list of objects that is all an element says.
#[cold]
pub(super) fn only_list(element: &[u8]) -> Option<&[u8]> {
    let (mut list, mut lists) = (None, 0);
    let read = Cursor::new(element).object(|cursor, key| {
        let written = cursor.pass()?;
        let is_list = written.starts_with(b"[") && first_entry(written).is_some();
        if is_list && may_hold_tags(&key.to_str()) {
            (list, lists) = (Some(written), lists + 1);
        }
        Ok(())
    });
    list.filter(|_| read.is_ok() && lists == 1)
}

/// An object of tags that is called so.
#[cold]
pub(super) fn named_tags(element: &[u8]) -> Option<&[u8]> {
    let tags = ["tags", "metrics", "Tags", "Metrics"].iter().find_map(|name| member(element, name));
    tags.filter(|tags| tags.starts_with(b"{"))
}

/// What stands behind a key of an object; the first, where it stands twice.
pub(super) fn member<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut found = None;
    let read = Cursor::new(object).object(|cursor, key| {
        let written = cursor.pass()?;
        found = found.or(Some(written).filter(|_| key.to_str() == name));
        Ok(())
    });
    read.ok().and(found)
}

/// Whether the catalogue knows what was `written` at `path`, or anything in it.
fn knows_any(path: &str, written: &[u8], knows: &impl Fn(&str) -> bool, depth: usize) -> bool {
    if path.len() > NAME_BYTES_MAX {
        return false;
    }
    let is_list = || written.starts_with(b"[") && ["_1", "1"].iter().any(|phase| knows(&format!("{path}{phase}")));
    if knows(path) || is_list() {
        return true;
    }
    if depth == DEPTH_MAX || !written.starts_with(b"{") {
        return false;
    }
    let mut found = false;
    let read = Cursor::new(written).object(|cursor, key| {
        let inside = cursor.pass()?;
        found = found || knows_any(&format!("{path}.{}", key.to_str()), inside, knows, depth + 1);
        Ok(())
    });
    read.is_ok() && found
}

/// The first entry of a list of objects.
pub(super) fn first_entry(list: &[u8]) -> Option<&[u8]> {
    let mut inside = Cursor::new(list);
    let is_list = inside.take(b'[') && inside.token() == Some(b'{');
    is_list.then(|| inside.pass().ok()).flatten()
}

/// Whether the catalogue has a member of an object by its own name.
pub(super) fn knows_member(object: &[u8], knows: &impl Fn(&str) -> bool) -> bool {
    let mut found = false;
    let read = Cursor::new(object).object(|cursor, key| {
        let inside = cursor.pass()?;
        found = found || (Known::of(key.to_str().as_bytes()).is_none() && knows_any(&key.to_str(), inside, knows, 0));
        Ok(())
    });
    read.is_ok() && found
}

pub(super) fn text(written: &[u8]) -> Option<Cow<'_, str>> {
    let quoted = Some(written).filter(|written| written.starts_with(b"\""))?;
    let text = Cursor::new(quoted).string().ok()?;
    Some(text.to_str()).filter(|text| !text.trim().is_empty())
}
