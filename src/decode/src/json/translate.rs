//! A foreign JSON goes in with its [`Mapping`], one of the usual keys comes out; see [`super::element`].
//!
//! A part whose mapped key is there is written under its usual name, and other keys that would say the same are left out;
//! everything else stays as it is, and what stands there twice is written twice, for the usual reader to find. So what is set aside, which is written with the usual names, is read under the mapping as
//! it was before. Words become values wherever a value may stand, never in names, times and qualities. A snapshot stays as it
//! is, but for its times. What a message holds as text or in a buffer is read with the same words and times.

use super::common::quoted;
use super::cursor::{Cursor, Syntax};
use super::keys::{Known, Says, is_of_time};
use super::mapped::{Members, Written};
use super::{envelope, inside, loose};
use crate::latin_1;
use crate::mapping::{Mapping, PARTS, Part};
use std::borrow::Cow;
use std::collections::HashSet;

/// What translating makes of one byte at most, on average: a bound for what a message may cost.
const GROWTH_MAX: usize = 16;

/// Translates documents: one, an array of them, or several behind each other. `None`: it is no such JSON, or more than a
/// mapping may make of it; the payload itself then says what is wrong with it.
#[cold]
pub(super) fn translate(mapping: &Mapping, payload: &[u8]) -> Option<Vec<u8>> {
    let mut translation = Translation { mapping, out: Vec::with_capacity(payload.len() * 2) };
    let mut cursor = Cursor::new(payload);
    let done = if cursor.take(b'[') { translation.array(&mut cursor) } else { Ok(()) };
    done.ok()?;
    while let Some(next) = cursor.token() {
        // Anything else that follows is for the usual reader to tell.
        match next {
            b'{' => {}
            // Behind it stands what a buffer held before.
            0 => break,
            _ => return None,
        }
        translation.element(&mut cursor, &[]).ok()?;
        translation.out.push(b'\n');
    }
    (translation.out.len() <= GROWTH_MAX * (payload.len() + 64)).then_some(translation.out)
}

struct Translation<'m> {
    mapping: &'m Mapping,
    out: Vec<u8>,
}

impl Translation<'_> {
    /// `cursor` stands behind the opening bracket.
    fn array(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Syntax> {
        self.out.push(b'[');
        while !cursor.take(b']') {
            self.document(cursor)?;
            self.out.push(b',');
            if !cursor.take(b',') && cursor.token() != Some(b']') {
                return Err(Syntax("a comma or the end of the array was expected"));
            }
        }
        self.out.push(b']');
        Ok(())
    }

    fn document(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Syntax> {
        if cursor.token() == Some(b'{') {
            return self.element(cursor, &[]);
        }
        let other = cursor.pass()?;
        self.copy(other)
    }

    /// `named`: the sensor's key in an object of readings, with its quotes; twice where it stands there twice.
    fn element(&mut self, cursor: &mut Cursor<'_>, named: &[&[u8]]) -> Result<(), Syntax> {
        cursor.token();
        let start = *cursor;
        let members = self.members(cursor)?;
        if members.is_snapshot {
            return self.snapshot(cursor.since(start.at()));
        }
        self.out.push(b'{');
        for named in named {
            self.member(b"\"sensor_id\"", named);
        }
        for written in members.each(Part::Sensor).filter(|_| named.is_empty()) {
            self.member(b"\"sensor_id\"", &name(written));
        }
        for written in members.each(Part::Machine) {
            self.member(b"\"machine_id\"", &name(written));
        }
        for written in members.each(Part::Time) {
            self.member(b"\"timestamp\"", &self.time(written));
        }
        for written in members.each(Part::Quality) {
            self.quality(b"\"quality\"", written);
        }
        for list in members.each(Part::List) {
            self.list(list)?;
        }
        for value in members.each(Part::Value).filter(|_| !members.has(Part::List)) {
            self.out.extend_from_slice(b"\"value\":");
            self.copy(value)?;
            self.out.push(b',');
        }
        self.rest(&members, named)?;
        self.out.push(b'}');
        Ok(())
    }

    /// A snapshot, with offsets where its times have none.
    fn snapshot(&mut self, whole: &[u8]) -> Result<(), Syntax> {
        if self.mapping.zone().is_none() {
            self.out.extend_from_slice(whole);
            return Ok(());
        }
        self.out.push(b'{');
        Cursor::new(whole).object(|cursor, key| {
            let key = key.to_str();
            let written = cursor.pass()?;
            let written = if is_time(&key) { self.time(written) } else { Cow::Borrowed(written) };
            self.member(quoted(&key).as_bytes(), &written);
            Ok(())
        })?;
        self.out.push(b'}');
        Ok(())
    }

    /// What a message holds as text or in a buffer, with values for words and offsets for times.
    fn held(&self, written: &[u8]) -> Option<String> {
        let document = match inside::buffer(written) {
            Some(bytes) => Cow::Owned(String::from_utf8(bytes).ok()?),
            None => inside::document(written)?,
        };
        document.trim_start().starts_with(['{', '[']).then_some(())?;
        let loose = loose::as_json(document.as_bytes());
        let mut inner = Translation { mapping: self.mapping, out: Vec::with_capacity(document.len()) };
        inner.documents(loose.as_deref().unwrap_or(document.as_bytes())).ok()?;
        Some(latin_1::read(&inner.out).into_owned())
    }

    /// What a message holds: a document, a list of them, or several on a line each. The words of snapshots stay.
    fn documents(&mut self, written: &[u8]) -> Result<(), Syntax> {
        let mut cursor = Cursor::new(written);
        while let Some(next) = cursor.token() {
            if matches!(next, b'[' | b']' | b',' | b'}' | b':') {
                cursor.take(next);
                self.out.push(next);
                continue;
            }
            match cursor.pass()? {
                snapshot if envelope::member(snapshot, "machine_state").is_some() => self.snapshot(snapshot)?,
                other => self.copy(other)?,
            }
            self.out.push(b'\n');
        }
        Ok(())
    }

    /// The members that no mapped key takes the place of.
    fn rest(&mut self, members: &Members<'_>, named: &[&[u8]]) -> Result<(), Syntax> {
        for (key, known, written) in &members.rest {
            let says = known.map(|known| known.says);
            if says.is_some_and(|says| members.replaces(says) || (says == Says::Sensor && !named.is_empty())) {
                continue;
            }
            match says {
                Some(Says::Quality) => self.quality(key.as_bytes(), written),
                Some(Says::Payload) if let Some(text) = self.held(written) => {
                    self.member(key.as_bytes(), quoted(&text).as_bytes());
                }
                Some(says) if !holds_values(says) => self.member(key.as_bytes(), written),
                _ => {
                    self.out.extend_from_slice(key.as_bytes());
                    self.out.push(b':');
                    match says {
                        Some(Says::Payload) if members.is_message => self.documents(written)?,
                        _ => self.copy(written)?,
                    }
                    self.out.push(b',');
                }
            }
        }
        Ok(())
    }

    fn members<'a>(&self, cursor: &mut Cursor<'a>) -> Result<Members<'a>, Syntax> {
        let mut members =
            Members { parts: [Written::default(); PARTS], rest: Vec::new(), is_snapshot: false, is_message: false };
        let mut path = String::new();
        cursor.object(|cursor, key| {
            path.clear();
            path.push_str(&key.to_str());
            let known = Known::of(path.as_bytes());
            members.is_snapshot |= known.is_some_and(|known| known.says == Says::MachineState);
            members.is_message |= path == "topic" || known.is_some_and(|known| known.says == Says::NodeRed);
            cursor.token();
            let mut inside = *cursor;
            let written = cursor.pass()?;
            let key = quoted(&path);
            if !self.find(&mut path, &mut inside, written, &mut members.parts)? {
                let is_time = is_time(&word(key.as_bytes()));
                let written = if is_time { self.time(written) } else { Cow::Borrowed(written) };
                members.rest.push((key, known, written));
            }
            Ok(())
        })?;
        Ok(members)
    }

    /// Whether the value `written` next to `cursor`, whose key is at `path`, is a mapped one or holds one.
    fn find<'a>(
        &self,
        path: &mut String,
        cursor: &mut Cursor<'a>,
        written: &'a [u8],
        parts: &mut [Written<'a>; PARTS],
    ) -> Result<bool, Syntax> {
        let mut found = false;
        let mut leads_on = false;
        for (part, mapped) in parts.iter_mut().zip(&self.mapping.paths) {
            let Some(behind) = mapped.as_deref().and_then(|mapped| mapped.strip_prefix(path.as_str())) else {
                continue;
            };
            if behind.is_empty() {
                part.put(written);
                found = true;
            }
            leads_on |= behind.starts_with('.');
        }
        if leads_on && !found && cursor.token() == Some(b'{') {
            cursor.object(|cursor, key| {
                let length = path.len();
                path.push('.');
                path.push_str(&key.to_str());
                cursor.token();
                let mut inside = *cursor;
                let written = cursor.pass()?;
                found |= self.find(path, &mut inside, written, parts)?;
                path.truncate(length);
                Ok(())
            })?;
        }
        Ok(found)
    }

    fn list(&mut self, list: &[u8]) -> Result<(), Syntax> {
        let mut cursor = Cursor::new(list);
        self.out.extend_from_slice(b"\"values\":");
        if cursor.take(b'[') {
            self.array(&mut cursor)?;
        } else if cursor.token() == Some(b'{') {
            self.out.push(b'[');
            let mut seen = HashSet::new();
            cursor.object(|cursor, key| {
                let name = quoted(&key.to_str());
                let twice = [name.as_bytes(); 2];
                // The first is taken, the others are at fault.
                let named = if seen.insert(name.clone()) { &twice[..1] } else { &twice[..] };
                if cursor.token() == Some(b'{') {
                    self.element(cursor, named)?;
                } else {
                    let value = cursor.pass()?;
                    self.out.push(b'{');
                    for named in named {
                        self.member(b"\"sensor_id\"", named);
                    }
                    self.out.extend_from_slice(b"\"value\":");
                    self.copy(value)?;
                    self.out.push(b'}');
                }
                self.out.push(b',');
                Ok(())
            })?;
            self.out.push(b']');
        } else {
            self.out.extend_from_slice(list);
        }
        self.out.push(b',');
        Ok(())
    }

    fn member(&mut self, key: &[u8], written: &[u8]) {
        for piece in [key, b":", written, b","] {
            self.out.extend_from_slice(piece);
        }
    }

    /// A time, with the offset of the clock's zone where it has none itself.
    fn time<'a>(&self, written: &'a [u8]) -> Cow<'a, [u8]> {
        let text = || Some(word(written)).filter(|_| written.starts_with(b"\""));
        match text().and_then(|text| self.mapping.with_offset(&text)) {
            Some(time) => Cow::Owned(quoted(&time).into_bytes()),
            None => Cow::Borrowed(written),
        }
    }

    fn quality(&mut self, key: &[u8], written: &[u8]) {
        match self.mapping.quality(&word(written)) {
            Some(quality) => self.member(key, quoted(quality.as_str()).as_bytes()),
            None => self.member(key, written),
        }
    }

    /// Copies a value; words that stand for values become them.
    fn copy(&mut self, written: &[u8]) -> Result<(), Syntax> {
        let mut cursor = Cursor::new(written);
        let (mut is_value, mut is_of_time) = (true, false);
        while let Some(next) = cursor.token() {
            if matches!(next, b'{' | b'}' | b'[' | b']' | b',' | b':') {
                cursor.take(next);
                self.out.push(next);
                continue;
            }
            let token = cursor.pass()?;
            if cursor.token() == Some(b':') {
                let key = word(token);
                is_value = Known::of(key.as_bytes()).is_none_or(|known| holds_values(known.says));
                is_of_time = is_time(&key);
                self.out.extend_from_slice(token);
                continue;
            }
            let starts_word = !token.starts_with(b"-") && !token.first().is_some_and(u8::is_ascii_digit);
            match self.mapping.state(&word(token)).filter(|_| is_value && starts_word) {
                _ if is_of_time => self.out.extend_from_slice(&self.time(token)),
                Some(value) => self.out.extend_from_slice(value.to_string().as_bytes()),
                None => self.out.extend_from_slice(token),
            }
        }
        Ok(())
    }
}

/// Whether a time stands behind a key, or may: of a reading, or in a column of a snapshot.
fn is_time(key: &str) -> bool {
    is_of_time(key.as_bytes()) || key == "last_fault_timestamp"
}

/// Whether a value may stand behind a key that says so.
fn holds_values(says: Says) -> bool {
    use Says::{Data, List, Messages, Params, Payload, Records, Several, Value};
    matches!(says, Value | Data | Several | List | Messages | Records | Payload | Params)
}

/// What stands in a token, without quotes and escapes.
fn word(token: &[u8]) -> String {
    match Cursor::new(token).string() {
        Ok(text) if token.starts_with(b"\"") => text.to_str().into_owned(),
        _ => String::from_utf8_lossy(token).into_owned(),
    }
}

/// A name; devices number their tags, too.
fn name(written: &[u8]) -> Vec<u8> {
    if written.starts_with(b"\"") { written.to_vec() } else { quoted(&word(written)).into_bytes() }
}
