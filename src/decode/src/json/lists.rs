//! What a list of objects is that stands beside other members, in whichever depth of a message: enters the list with the name under
//! which it stands, leaves whether its entries are readings.
//!
//! An entry is a reading if it names a sensor and says a value, or if the catalogue has one of its members, or if it says a value
//! alone and the catalogue has whom it stands under: then it is of that one's history. If what it names is said beside the list,
//! too, and it has no time of its own, it says something else of that: a limit, what is expected. One such entry is enough, and
//! the list is no list of readings. Lists of lists are judged as one.

use super::common::Common;
use super::cursor::{Cursor, Value};
use super::element::Element;
use super::envelope::{self, WRAPPERS, knows_member};
use super::fields::{SINCE_2001_US, number_value};
use super::keys::{Known, Says, may_hold_tags};
use super::passed;
use super::tags::Listed;
use crate::{NAME_BYTES_MAX, Visitor};
use std::cell::OnceCell;
use std::collections::HashSet;

/// Lists in lists that are followed.
pub(super) const NESTED_MAX: usize = 4;

/// What is said around a list.
pub(super) struct Around<'l, V> {
    pub(super) machine: Option<&'l str>,
    /// The machine of what stands beside the list.
    pub(super) beside: Option<&'l str>,
    /// Whom entries mean under a word for any list.
    pub(super) sensor: Option<&'l str>,
    /// What the message calls its own device.
    pub(super) device: Option<&'l str>,
    /// The message, its own list, and the names that have a value in it, once they are asked for.
    pub(super) message: (&'l [u8], Option<&'l [u8]>),
    pub(super) valued: &'l OnceCell<HashSet<String>>,
    pub(super) visitor: &'l V,
}

/// What was found in a list so far.
#[derive(Default)]
pub(super) struct Judged {
    has_readings: bool,
    says_else: bool,
    has_numbers: bool,
    /// What the catalogue has stands further inside of an entry, where nobody looks for readings.
    holds_known: bool,
    /// Whose history it is.
    pub(super) of: Option<String>,
    /// The catalogue has a sensor of it that has no value beside it.
    pub(super) is_known: bool,
}

impl Judged {
    /// As if it had been taken, if it may be.
    pub(super) fn listed(&self) -> Listed {
        match self {
            Self { says_else: true, .. } => Listed::Doubtful,
            Self { has_readings: true, .. } => Listed::Taken,
            Self { holds_known: true, .. } => Listed::Doubtful,
            Self { has_numbers: true, .. } => Listed::Unknown,
            _ => Listed::Nothing,
        }
    }
}

impl<V: Visitor> Around<'_, V> {
    /// Whether a sensor of a machine has a value beside the list.
    fn is_beside(&self, machine: Option<&str>, name: &str) -> bool {
        let valued = || valued(self.message.0, self.message.1, self.beside, self.visitor);
        machine == self.beside && self.valued.get_or_init(valued).contains(name)
    }

    /// `path`: the name of the list.
    pub(super) fn judge(&self, list: &[u8], path: &str) -> Judged {
        let mut judged = Judged::default();
        self.judge_list(list, path, NESTED_MAX, &mut judged);
        if !judged.has_readings {
            let passed = passed::look(list, b"", &|sensor: &str| self.visitor.knows(self.machine, sensor));
            judged.holds_known |= passed.has_reading || (passed.has_number && self.history(path).is_some());
        }
        judged
    }

    fn judge_list(&self, list: &[u8], path: &str, deep: usize, judged: &mut Judged) {
        let mut cursor = Cursor::new(list);
        cursor.take(b'[');
        loop {
            let token = cursor.token();
            let Ok(written) = cursor.pass() else { return };
            match token {
                Some(b'{') => self.judge_entry(written, path, deep, judged),
                Some(b'[') if deep > 0 => self.judge_list(written, path, deep - 1, judged),
                Some(b'[') => judged.has_numbers = true,
                _ => {}
            }
            if !cursor.take(b',') {
                return;
            }
        }
    }

    fn judge_entry(&self, written: &[u8], path: &str, deep: usize, judged: &mut Judged) {
        let Ok(entry) = Element::parse(&mut Cursor::new(written)) else { return };
        let common = Common { machine: self.machine, device: self.device, ..Common::NONE };
        let entry = entry.of_machine(common, self.visitor).unwrap_or(entry);
        let own = entry.own_machine(self.machine.is_some(), self.visitor).ok().flatten().map(|name| name.to_str());
        let machine = own.as_deref().or(self.machine);
        let knows = |sensor: &str| self.visitor.knows(machine, sensor);
        // Of a machine that the catalogue lacks they are readings, too: they are set aside under its name.
        let is_other = machine != self.beside;
        let may_know = |sensor: &str| knows(sensor) || (is_other && self.visitor.knows(self.beside, sensor));
        let list = || if is_other { entry.list.or_else(|| list_of_readings(written, &may_know)) } else { entry.list };
        let has_time = matches!(entry.timestamp_us.candidate, Some(Ok(us)) if us >= SINCE_2001_US);
        let says_value = entry.value.candidate.is_some() || entry.error.is_some() || entry.has_typed_value();
        let mut reading = |is_known: bool, is_beside: bool| {
            judged.says_else |= is_beside && !has_time;
            judged.has_readings = true;
            judged.is_known |= is_known && !is_beside;
        };
        if let Some(Ok(name)) = entry.sensor.candidate.filter(|_| says_value) {
            let name = entry.own_name(name, machine, self.visitor);
            let is_text = matches!(entry.value.candidate, Some(Err(_))) && entry.error.is_none();
            match knows(&name) {
                // What is no number of nobody may be said of anything.
                false if is_text => judged.has_numbers = true,
                is_known => reading(is_known, self.is_beside(machine, &name)),
            }
        } else if let (false, Some(values)) = (says_value, entry.values) {
            reading(knows_member(values, &knows), self.has_beside(machine, values));
        } else if let Some(list) = list().filter(|_| !says_value) {
            match deep.checked_sub(1) {
                Some(deep) => {
                    let named = entry.sensor.candidate.and_then(Result::ok);
                    let named = named.map(|name| entry.own_name(name, machine, self.visitor));
                    self.judge_inner(list, (path, machine, named.as_deref()), deep, judged);
                }
                // Each level would be read once more.
                None => judged.has_numbers = true,
            }
        } else if knows_member(written, &may_know) {
            reading(!is_other || knows_member(written, &knows), self.has_beside(machine, written));
        } else if is_other && let Some(inner) = envelope::inner(written, may_know, may_know) {
            reading(knows_member(inner.tags, &knows), self.has_beside(machine, inner.tags));
        } else if let (true, Some(of)) = (says_value, self.history(path)) {
            // Under its own name it is one tag among others, and the message is not its list.
            reading(self.sensor == Some(of), self.is_beside(self.machine, of));
            judged.of = Some(of.to_owned());
        } else {
            judged.has_numbers |= has_number(written);
            judged.holds_known |= passed::holds_reading(written, &knows);
        }
    }

    /// A list in an entry: if the entry has a name, it may be that one's history.
    fn judge_inner(
        &self,
        list: &[u8],
        (path, machine, named): (&str, Option<&str>, Option<&str>),
        deep: usize,
        judged: &mut Judged,
    ) {
        let around = Around { machine, sensor: named.or(self.sensor), ..*self };
        let of = judged.of.take();
        around.judge_list(list, if named.is_some() { "values" } else { path }, deep, judged);
        judged.of = if named.is_some() { of } else { of.or(judged.of.take()) };
    }

    /// Whose history stands under a name: the sensor's that is called so, or as its last part; under a word for any list, whoever's
    /// that word stands under, or who is named around it.
    fn history<'n>(&'n self, path: &'n str) -> Option<&'n str> {
        let (outer, last) = path.rsplit_once('.').unwrap_or(("", path));
        let is_word = |key: &str| {
            is_word_of_lists(key) || Known::of(key.as_bytes()).is_some_and(|known| known.says == Says::Several)
        };
        // A longer one names nobody, and is not read for each list in its object.
        let tail = outer.floor_char_boundary(outer.len().saturating_sub(NAME_BYTES_MAX + 1));
        let outer_last = outer[tail..].rsplit('.').next().unwrap_or_default();
        let around = if is_word(last) { [Some(outer), Some(outer_last), self.sensor] } else { [None; 3] };
        let mut candidates = [path, last].into_iter().chain(around.into_iter().flatten());
        candidates.find(|name| (1..=NAME_BYTES_MAX).contains(&name.len()) && self.visitor.knows(self.machine, name))
    }

    /// Whether a member of an object of a machine has a value beside the list, too.
    fn has_beside(&self, machine: Option<&str>, object: &[u8]) -> bool {
        let mut found = false;
        let read = Cursor::new(object).object(|cursor, key| {
            let key = key.to_str();
            found |= Known::of(key.as_bytes()).is_none() && self.is_beside(machine, &key);
            cursor.skip()
        });
        read.is_ok() && found
    }
}

fn has_number(object: &[u8]) -> bool {
    let mut found = false;
    let read = Cursor::new(object).object(|cursor, key| {
        let is_number = matches!(cursor.value()?, Value::Number(_) | Value::Boolean(_));
        let is_value = |known: Known| matches!(known.says, Says::Value | Says::Data);
        found |= is_number && Known::of(key.to_str().as_bytes()).is_none_or(is_value);
        Ok(())
    });
    read.is_ok() && found
}

/// The names under which numbers stand in a message, by their own keys and as paths, and those of the entries of its `list`.
#[cold]
fn valued<V: Visitor>(message: &[u8], list: Option<&[u8]>, machine: Option<&str>, visitor: &V) -> HashSet<String> {
    let mut names = HashSet::new();
    valued_in(&mut Cursor::new(message), &mut String::new(), 0, &mut names);
    names.extend(list.into_iter().flat_map(|list| names_of_entries(list, machine, visitor)));
    names
}

/// Objects in objects that are followed, as deep as tags are.
const DEPTH_MAX: usize = 8;

fn valued_in(cursor: &mut Cursor<'_>, path: &mut String, depth: usize, names: &mut HashSet<String>) {
    // What breaks off has said what it said.
    let _ = cursor.object(|cursor, key| {
        let key = key.to_str();
        let length = path.len();
        path.push_str(if length > 0 { "." } else { "" });
        path.push_str(&key);
        let mut inside = *cursor;
        let value = cursor.value()?;
        // Longer ones name nobody, and many of them would be many times the message.
        if number_value(value).is_ok() {
            names.extend(
                [&**path, &*key].iter().filter(|name| name.len() <= NAME_BYTES_MAX).map(|name| (*name).to_owned()),
            );
        } else if depth < DEPTH_MAX && inside.token() == Some(b'{') {
            let is_value = Element::parse(&mut inside.clone()).is_ok_and(|tag| tag.value.candidate.is_some());
            if is_value && path.len() <= NAME_BYTES_MAX {
                names.extend([path.clone(), key.into_owned()]);
            }
            valued_in(&mut inside, path, depth + 1, names);
        }
        path.truncate(length);
        Ok(())
    });
}

/// The sensors of a machine that the entries of its list name.
pub(super) fn names_of_entries<V: Visitor>(list: &[u8], machine: Option<&str>, visitor: &V) -> HashSet<String> {
    let mut names = HashSet::new();
    let mut cursor = Cursor::new(list);
    cursor.take(b'[');
    while cursor.token() == Some(b'{') {
        let Ok(entry) = Element::parse(&mut cursor) else { break };
        cursor.take(b',');
        let own = entry.own_machine(machine.is_some(), visitor).ok().flatten();
        if own.is_some_and(|own| Some(&*own.to_str()) != machine) {
            continue;
        }
        names.extend(entry.sensor.candidate.and_then(Result::ok).map(|name| name.to_str().into_owned()));
    }
    names
}

/// The first list in an object that begins with a reading.
pub(super) fn list_of_readings<'a>(object: &'a [u8], knows: &impl Fn(&str) -> bool) -> Option<&'a [u8]> {
    let is_reading = |entry: &[u8]| {
        let is_named = |entry: Element<'_>| entry.sensor.candidate.is_some() && entry.value.candidate.is_some();
        Element::parse(&mut Cursor::new(entry)).is_ok_and(is_named) || knows_member(entry, knows)
    };
    let mut list = None;
    let read = Cursor::new(object).object(|cursor, key| {
        let written = cursor.pass()?;
        let is_first = list.is_none() && may_hold_tags(&key.to_str());
        if is_first && envelope::first_entry(written).is_some_and(is_reading) {
            list = Some(written);
        }
        Ok(())
    });
    list.filter(|_| read.is_ok())
}

/// Whether the entries of a list are values without names, by the first of them.
pub(super) fn is_history(list: &[u8]) -> bool {
    let first = envelope::first_entry(list).and_then(|first| Element::parse(&mut Cursor::new(first)).ok());
    first.is_some_and(|first| {
        first.sensor.candidate.is_none() && (first.value.candidate.is_some() || first.has_typed_value())
    })
}

/// The names under which members of an object stand.
pub(super) fn names_of_members(object: &[u8]) -> HashSet<String> {
    let mut names = HashSet::new();
    let _ = Cursor::new(object).object(|cursor, key| {
        names.insert(key.to_str().into_owned());
        cursor.skip()
    });
    names
}

/// Whether a key says of a list no more than that it is one.
pub(super) fn is_word_of_lists(key: &str) -> bool {
    const LISTS: [&str; 31] = [
        "rows",
        "records",
        "items",
        "elements",
        "entries",
        "history",
        "samples",
        "points",
        "series",
        "timeseries",
        "list",
        "batch",
        "events",
        "logs",
        "results",
        "objects",
        "devices",
        "machines",
        "nodes",
        "assets",
        "things",
        "groups",
        "channels",
        "signals",
        "variables",
        "parameters",
        "lines",
        "frames",
        "packets",
        "queue",
        "buffer",
    ];
    let is = |word: &&str| key.eq_ignore_ascii_case(word);
    LISTS.iter().any(is) || WRAPPERS.iter().any(is)
}
