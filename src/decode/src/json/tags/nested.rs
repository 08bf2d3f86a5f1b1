//! What stands in the place of one tag's value, or of what is said of the tags: lists, and objects that nobody looks into.

use super::walk::Walk;
use super::{Listed, Reader, Top};
use crate::Visitor;
use crate::json::cursor::{Cursor, Syntax, Text, Value};
use crate::json::fields::{number_value, only_item};
use crate::json::keys::{Known, Says};
use crate::json::passed::{self, Passed};

impl<'o, V: Visitor, R: Reader<'o>> Walk<'_, 'o, V, R> {
    /// What is said of the tags: where a name belongs, an object or a list may hold something else.
    pub(super) fn told(&mut self, key: &str, cursor: &mut Cursor<'o>) -> Result<(), Syntax> {
        let names = |known: Known| matches!(known.says, Says::Sensor | Says::Machine) || key == "group";
        let is_nested = matches!(cursor.token(), Some(b'{' | b'['));
        if !is_nested || cursor.is_at(self.passed) || !Known::of(key.as_bytes()).is_some_and(names) {
            return cursor.skip();
        }
        let length = self.enter(key);
        let result = self.held_otherwise(cursor, true);
        self.path.truncate(length);
        result
    }

    /// Text that is nobody's value may be a document with some.
    pub(super) fn text(&mut self, text: Text<'_>) {
        let text = text.to_str();
        if text.trim_start().starts_with(['{', '[']) && self.look(text.as_bytes()).has_reading {
            self.not_taken();
        }
    }

    /// What stands under a word for a list of tags, and is none or a second one: labels, or tags by their devices.
    #[cold]
    pub(super) fn held(&mut self, known: Known, key: &str, cursor: &mut Cursor<'o>) -> Result<(), Syntax> {
        let length = self.enter(key);
        let result = match cursor.token() {
            Some(b'[') => self.tag(cursor),
            Some(b'{') if known.says == Says::List => {
                let top = std::mem::replace(&mut self.top, Top::Around);
                let result = self.object_of_tag(cursor, 0);
                self.top = top;
                result
            }
            _ => self.held_otherwise(cursor, self.top == Top::Lists),
        };
        self.path.truncate(length);
        result
    }

    /// What is not taken, as an object of values beside a value. `is_worth_a_look`: nobody else reads it.
    fn held_otherwise(&mut self, cursor: &mut Cursor<'o>, is_worth_a_look: bool) -> Result<(), Syntax> {
        let written = cursor.pass()?;
        if is_worth_a_look && self.look(written).has_reading {
            self.not_taken();
        }
        Ok(())
    }

    /// Whether an object that was not taken holds readings: of a tag that was, or is not to be, any number may be one.
    pub(super) fn holds_reading(&self, object: &[u8]) -> bool {
        let passed = self.look(object);
        let is_of_tag = || self.is_in(&self.inside) || self.is_known_beside();
        passed.has_reading || (passed.has_number && is_of_tag())
    }

    fn look(&self, written: &[u8]) -> Passed {
        passed::look(written, self.passed, &|sensor: &str| self.visitor.knows(self.common.machine, sensor))
    }

    /// Several lists of plain values may be a table.
    #[cold]
    pub(super) fn tell_of_table(&mut self, object: &[u8]) {
        let first = self.plain_list.take();
        self.plain_lists = 0;
        let knows = |sensor: &str| self.visitor.knows(self.common.machine, sensor);
        if self.not_taken.is_none() && passed::holds_table(object, &knows) {
            self.not_taken = first;
        }
    }

    /// A list, or an object that is too deep.
    pub(super) fn nested(&mut self, written: &'o [u8]) {
        if std::ptr::eq(written.as_ptr(), self.passed.as_ptr()) {
            return;
        }
        let length = self.path.len();
        let mut separator = None;
        for candidate in ["_", ""] {
            self.path.push_str(candidate);
            self.path.push('1');
            separator = separator.or(self.is_known().then_some(candidate));
            self.path.truncate(length);
        }
        match separator.filter(|_| written.starts_with(b"[")) {
            Some(separator) => self.phases(separator, written),
            None => self.listed(written),
        }
    }

    fn listed(&mut self, written: &'o [u8]) {
        if self.is_in(&self.inside) {
            if self.top != Top::Keyed && self.look(written).has_number {
                self.not_taken();
            }
            return;
        }
        let listed = match written {
            [b'[', ..] => self.reader.list(written, &self.path, self.common, self.visitor),
            _ => self.too_deep(written),
        };
        match listed {
            Listed::Taken => {
                self.saw();
            }
            _ if self.is_known() => self.one(only_item(written), written),
            Listed::Unknown if self.top.is_around() => {}
            Listed::Doubtful | Listed::Unknown => self.not_taken(),
            Listed::Nothing => {
                self.plain_lists += 1;
                self.plain_list.get_or_insert_with(|| self.path.clone());
            }
        }
    }

    /// An object of tags that nobody looks into.
    fn too_deep(&self, object: &[u8]) -> Listed {
        match self.look(object) {
            Passed { has_reading: true, .. } => Listed::Doubtful,
            Passed { has_number: true, .. } => Listed::Unknown,
            Passed { .. } => Listed::Nothing,
        }
    }

    /// A list of the values of phases. What is no JSON ends it.
    fn phases(&mut self, separator: &str, list: &[u8]) {
        let length = self.path.len();
        let mut cursor = Cursor::new(list);
        cursor.take(b'[');
        let mut phase = 0;
        while !matches!(cursor.token(), None | Some(b']')) {
            phase += 1;
            let start = cursor.at();
            let Ok(value) = cursor.value() else { return };
            let written = cursor.since(start);
            self.path.push_str(&format!("{separator}{phase}"));
            match value {
                Value::Null => {}
                value => self.one(number_value(value), written),
            }
            self.path.truncate(length);
            if !cursor.take(b',') {
                return;
            }
        }
    }
}
