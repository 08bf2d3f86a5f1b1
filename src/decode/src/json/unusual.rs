//! What is said of a reading under keys that say nothing by themselves, and of its time where that cannot be read: flags
//! (`"valid": false`), qualities under other names (`"sensorQuality": "Bad"`), times in heads (`"header": {"timestamp": ...}`), a day
//! and a time of day in two keys.
//!
//! Enters a member; leaves the time and quality that it says, or a mark by which it is told that it was not taken.

use super::common::Common;
use super::cursor::{Cursor, Syntax, Text, Value};
use super::element::{CLOCK, Element, LOCAL_TIME, NESTED, ODD_QUALITY, STAMPED};
use super::envelope::member;
use super::fields::{is_no_time, odd_quality, stamp};
use super::keys::{
    Known, QUALITY_RANK_DOUBT, QUALITY_RANK_FLAG, QUALITY_RANK_GOOD, QUALITY_RANK_Q, QUALITY_RANK_WORD, Ranked, Says,
    TIME_RANK_HEAD, TIME_RANK_STAMP, TIME_RANK_T, is_of_time,
};
use crate::fault::Fault;
use crate::{Remark, Visitor, latin_1, quality};
use genims_model::{Quality, Reason};

const DAY_US: i64 = 86_400_000_000;

const APART: Fault = Fault::new(
    Reason::BadTimestamp,
    "the day and the time of day stand in two keys; write them as one, 2023-11-14T22:13:20Z",
);

/// What senders call the object that says something of all the others.
const HEADS: [&str; 8] = ["header", "Header", "head", "Head", "meta", "Meta", "metadata", "Metadata"];

/// Whether an object under this key says something of what stands beside it.
pub(super) fn is_head(key: &str) -> bool {
    HEADS.contains(&key)
}

/// Whether a path leads into such an object.
pub(super) fn is_in_head(path: &str) -> bool {
    HEADS.iter().filter_map(|head| path.strip_prefix(head)).any(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What a flag says against a value, where a boolean stands there. `Questionable` is PI's.
fn flagged(key: &[u8], is_set: bool) -> Option<Quality> {
    let (quality, is_said) = match key {
        b"valid" | b"Valid" | b"isValid" | b"is_valid" | b"IsValid" | b"good" | b"ok" | b"OK" | b"s" => {
            (Quality::Bad, !is_set)
        }
        b"invalid" | b"isNull" | b"is_null" | b"IsNull" | b"bad" | b"isBad" | b"is_bad" | b"IsBad" => {
            (Quality::Bad, is_set)
        }
        b"Questionable" | b"questionable" | b"isUncertain" => (Quality::Uncertain, is_set),
        _ => return None,
    };
    is_said.then_some(quality)
}

fn is_flag(key: &[u8]) -> bool {
    flagged(key, true).or(flagged(key, false)).is_some()
}

/// Whether a flag under this key is said of the tags beside it. One letter may be any tag.
pub(super) fn is_flag_of_tags(key: &str) -> bool {
    key.len() > 1 && is_flag(key.as_bytes())
}

/// Whether a word of OPC under this key is a quality.
fn is_word_of_quality(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    matches!(&*key, "q" | "qc") || key.contains("qual") || key.contains("status")
}

impl<'a> Element<'a> {
    #[inline(never)]
    pub(super) fn unusual_member(&mut self, key: &[u8], text: Text<'a>, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        let written = cursor.pass()?;
        match written {
            [b't' | b'T' | b'f' | b'F', ..] => {
                let is_set = written[0].eq_ignore_ascii_case(&b't');
                match flagged(key, is_set) {
                    Some(Quality::Uncertain) => self.doubt(),
                    Some(quality) => self.quality.offer(QUALITY_RANK_FLAG, Ok(quality)),
                    None => {}
                }
                if !is_flag(key) {
                    self.saw_number(text);
                }
            }
            [b'{', ..] => {
                self.odd |= NESTED;
                if std::str::from_utf8(key).is_ok_and(is_head) {
                    self.time_in_head(written);
                }
            }
            [b'[', ..] => self.odd |= NESTED,
            _ => {}
        }
        Ok(())
    }

    /// What is good and questionable is uncertain.
    #[cold]
    fn doubt(&mut self) {
        if self.quality.rank == QUALITY_RANK_GOOD && matches!(self.quality.candidate, Some(Ok(Quality::Good))) {
            self.quality = Ranked::default();
        }
        self.quality.offer(QUALITY_RANK_DOUBT, Ok(Quality::Uncertain));
    }

    /// What stands under `Good`, which may be doubted before it is said.
    pub(super) fn good_member(&mut self, known: Known, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        let is_doubted = self.quality.rank == QUALITY_RANK_DOUBT;
        self.said(known, cursor)?;
        if is_doubted {
            self.doubt();
        }
        Ok(())
    }

    #[cold]
    pub(super) fn quality_word(&mut self, key: &[u8], word: Text<'_>) {
        if !std::str::from_utf8(key).is_ok_and(is_word_of_quality) {
            return;
        }
        let said = quality::of_opc_text(&word.to_str());
        said.into_iter().for_each(|quality| self.quality.offer(QUALITY_RANK_WORD, Ok(quality)));
    }

    /// The quality of the tags in an object of the element: what need not be one is said of them, too, unless it is a tag itself.
    #[inline(never)]
    pub(super) fn quality_around<V: Visitor>(&self, common: Common<'_>, visitor: &V) -> Quality {
        let knows = |key: &str| visitor.knows(common.machine, key);
        let is_meant = self.quality.rank >= QUALITY_RANK_WORD && !self.knows_flag(knows);
        if is_meant { self.quality_or(common.quality) } else { common.quality }
    }

    /// What the element says of the time of its tags, of which one may be called `t`.
    pub(super) fn time_of_tags<V: Visitor>(&self, machine: Option<&str>, visitor: &V) -> Result<Option<i64>, Fault> {
        let is_short = self.timestamp_us.rank == TIME_RANK_T && self.values.is_none() && self.list.is_none();
        let is_tag = is_short && (visitor.knows(machine, "t") || self.has_no_time());
        if is_tag && !self.says_besides("t", |says| matches!(says, Says::Time(_) | Says::Stamp)) {
            return Ok(None);
        }
        self.timestamp_us.candidate.transpose()
    }

    /// The same of their quality, and `q`.
    pub(super) fn quality_of_tags<V: Visitor>(&self, other: Quality, machine: Option<&str>, visitor: &V) -> Quality {
        let is_short = self.quality.rank == QUALITY_RANK_Q && self.values.is_none() && self.list.is_none();
        let is_tag = is_short && visitor.knows(machine, "q");
        let is_alone = || !self.says_besides("q", |says| says == Says::Quality);
        // A word that need not be a quality is one beside a value alone.
        let is_tagged = self.quality.rank >= QUALITY_RANK_WORD && self.values.is_none() && self.list.is_none();
        if matches!(self.quality.rank, QUALITY_RANK_FLAG | QUALITY_RANK_DOUBT)
            && is_tagged
            && let Some(quality) = self.flagged_as(machine, visitor)
        {
            return quality;
        }
        if is_tagged || (is_tag && is_alone()) { other } else { self.quality_or(other) }
    }

    /// Whether a key other than `own` says such a thing.
    #[cold]
    fn says_besides(&self, own: &str, is_such: impl Fn(Says) -> bool) -> bool {
        let mut found = false;
        let read = Cursor::new(self.bytes).object(|cursor, key| {
            let key = key.to_str();
            let known = Known::of_any(key.as_bytes());
            found |= key != own && known.is_some_and(|known| is_such(known.says));
            cursor.skip()
        });
        found || read.is_err()
    }

    /// Whether `t` is the element's only time and holds a number that is none.
    #[cold]
    fn has_no_time(&self) -> bool {
        member(self.bytes, "t").is_some_and(is_no_time)
    }

    /// What a flag says against the tags beside it that is none of the catalogue's tags itself.
    #[cold]
    fn flagged_as<V: Visitor>(&self, machine: Option<&str>, visitor: &V) -> Option<Quality> {
        let mut said = None;
        let read = Cursor::new(self.bytes).object(|cursor, key| {
            let key = key.to_str();
            let is_set = match cursor.pass()?.first() {
                Some(b't' | b'T') => true,
                Some(b'f' | b'F') => false,
                _ => return Ok(()),
            };
            let quality = flagged(key.as_bytes(), is_set).filter(|_| is_flag_of_tags(&key));
            if said != Some(Quality::Bad) && quality.is_some() && !visitor.knows(machine, &key) {
                said = quality;
            }
            Ok(())
        });
        read.ok().and(said)
    }

    /// Whether a flag or a word of quality is a tag that the catalogue has.
    #[cold]
    fn knows_flag(&self, knows: impl Fn(&str) -> bool) -> bool {
        let mut found = false;
        let read = Cursor::new(self.bytes).object(|cursor, key| {
            let key = key.to_str();
            found = found || ((is_flag(key.as_bytes()) || is_word_of_quality(&key)) && knows(&key));
            cursor.skip()
        });
        found || read.is_err()
    }

    /// The time in an object that says something of the others: it counts where they have none.
    #[cold]
    fn time_in_head(&mut self, head: &[u8]) {
        let (mut time, mut is_unread) = (None, false);
        let read = Cursor::new(head).object(|cursor, key| {
            let key = key.to_str();
            let says = Known::of_any(key.as_bytes()).map(|known| known.says);
            match says {
                Some(Says::Time(_) | Says::Stamp) => {
                    let before = *cursor;
                    let found = stamp(cursor)?.filter(|_| says != Some(Says::Stamp));
                    is_unread |= found.is_none() && !is_empty_time(before);
                    time = time.or(found);
                }
                _ => cursor.skip()?,
            }
            Ok(())
        });
        match time.filter(|_| read.is_ok()) {
            Some(timestamp_us) => self.timestamp_us.offer(TIME_RANK_HEAD, Ok(timestamp_us)),
            None if is_unread => self.odd |= LOCAL_TIME,
            None => {}
        }
    }

    /// What stands behind a word that means a time where one stands there.
    #[cold]
    pub(super) fn stamp_member(&mut self, rank: u8, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        let mut before = *cursor;
        if let Some(timestamp_us) = stamp(cursor)? {
            let is_day_alone = timestamp_us % DAY_US == 0 && self.odd & CLOCK != 0;
            self.timestamp_us.offer(rank, if is_day_alone { Err(APART) } else { Ok(timestamp_us) });
            return Ok(());
        }
        self.has_others = true;
        match before.value()? {
            Value::Nested => self.odd |= NESTED,
            Value::Text(text) if !text.is_no_time() => {
                let text = text.to_str();
                self.odd |= if is_of_day(&text) { LOCAL_TIME } else { 0 };
                if is_of_clock(&text) {
                    self.odd |= LOCAL_TIME | CLOCK;
                    let is_day = matches!(self.timestamp_us.candidate, Some(Ok(us)) if us % DAY_US == 0);
                    if is_day && self.timestamp_us.rank >= TIME_RANK_STAMP {
                        self.timestamp_us.candidate = Some(Err(APART));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Text that begins with a digit and is long enough for a time.
    #[cold]
    pub(super) fn stamp_word(&mut self, word: Text<'_>) {
        self.odd |= if is_of_day_and_clock(&word.to_str()) { STAMPED } else { 0 };
    }

    /// Says so where a quality cannot be read, and where a time cannot and none else is there. `timestamp_us`: that of what the
    /// element says, also from around it.
    #[inline(never)]
    pub(super) fn remark<V: Visitor>(&self, timestamp_us: Option<i64>, visitor: &mut V) {
        if self.odd & ODD_QUALITY != 0 {
            visitor.remark(Remark::UnknownQuality, &latin_1::read(odd_quality(self.bytes)));
        }
        if self.odd & (LOCAL_TIME | STAMPED) == 0 || self.timestamp_us.candidate.is_some() {
            return;
        }
        if self.odd & LOCAL_TIME != 0 {
            visitor.remark(Remark::UnknownTime, &latin_1::read(self.time_not_taken()));
        } else if timestamp_us.is_none() && !holds_time(self.bytes, HOLDS_TIME_DEEP_MAX) {
            visitor.remark(Remark::UnknownTime, &self.stamp_not_taken());
        }
    }

    /// What is a time under a key that says nothing by itself, with its key.
    #[cold]
    fn stamp_not_taken(&self) -> String {
        let mut found = String::new();
        let read = Cursor::new(self.bytes).object(|cursor, key| {
            let key = key.to_str();
            if let Value::Text(text) = cursor.value()?
                && found.is_empty()
                && Known::of_any(key.as_bytes()).is_none()
                && is_of_day_and_clock(&text.to_str())
            {
                found = format!("{key}: {}", text.to_str());
            }
            Ok(())
        });
        if read.is_ok() { found } else { String::new() }
    }

    /// What may be a time and was not read as one, with its key.
    #[cold]
    fn time_not_taken(&self) -> &'a [u8] {
        let mut found = &b""[..];
        let mut cursor = Cursor::new(self.bytes);
        let read = cursor.object(|cursor, key| {
            let name = key.to_str();
            let is_stamp = Known::of_gateway(name.as_bytes()).is_some_and(|known| known.says == Says::Stamp);
            let written = cursor.pass()?;
            let is_unread = is_stamp && written.starts_with(b"\"") && stamp(&mut Cursor::new(written)) == Ok(None);
            if found.is_empty() && (is_unread || (written.starts_with(b"{") && is_head(&name))) {
                found = written;
            }
            Ok(())
        });
        if read.is_ok() { found } else { b"" }
    }

    /// What `properties` of a metric of Sparkplug say of its quality: a code of OPC DA, where 0 is bad.
    #[cold]
    pub(super) fn quality_in_properties(&mut self, properties: &[u8]) {
        let Some(written) = member(properties, "Quality").or_else(|| member(properties, "quality")) else { return };
        let written = if written.starts_with(b"{") { member(written, "value").unwrap_or(b"null") } else { written };
        let text = std::str::from_utf8(written).unwrap_or_default().trim_matches('"');
        let said = if text == "0" { Some(Quality::Bad) } else { quality::of_text(text) };
        said.into_iter().for_each(|quality| self.quality.offer(QUALITY_RANK_WORD, Ok(quality)));
    }
}

/// Whether nothing stands there that could be a time.
fn is_empty_time(mut cursor: Cursor<'_>) -> bool {
    match cursor.value() {
        Ok(Value::Text(text)) => text.is_no_time(),
        _ => true,
    }
}

/// Whether text begins as a day does, in whatever order: `2023-11-14`, `14.11.2023`, `11/14/23`.
fn is_of_day(text: &str) -> bool {
    let day = text.trim_start().split([' ', 'T', 't']).next().unwrap_or_default();
    let marks = day.bytes().filter(|byte| matches!(byte, b'-' | b'/' | b'.')).count();
    marks == 2 && day.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'/' | b'.'))
}

/// Whether it is a time of day alone.
fn is_of_clock(text: &str) -> bool {
    let text = text.trim();
    let clock = text.split(|at: char| !matches!(at, '0'..='9' | ':' | '.' | ',')).next().unwrap_or_default();
    clock.contains(':') && clock.starts_with(|first: char| first.is_ascii_digit())
}

/// Whether it is a day and a time of day behind it: `2023-11-14T22:13:20Z`, `14.11.2023 22:13:20`.
fn is_of_day_and_clock(text: &str) -> bool {
    is_of_day(text) && text.split_once([' ', 'T', 't']).is_some_and(|(_, clock)| is_of_clock(clock))
}

/// Objects and lists in each other in which a time is looked for.
const HOLDS_TIME_DEEP_MAX: usize = 8;

/// Whether a time stands in an object or a list, however deep, under a key that says so.
#[cold]
fn holds_time(written: &[u8], deep: usize) -> bool {
    let mut found = false;
    let mut cursor = Cursor::new(written);
    if written.starts_with(b"{") {
        let read = cursor.object(|cursor, key| {
            let inside = cursor.pass()?;
            let is_time = is_of_time(key.to_str().as_bytes()) && matches!(stamp(&mut Cursor::new(inside)), Ok(Some(_)));
            found = found || is_time || (deep > 0 && holds_time(inside, deep - 1));
            Ok(())
        });
        return read.is_ok() && found;
    }
    let mut more = cursor.take(b'[');
    while more && !found {
        let Ok(entry) = cursor.pass() else { return false };
        found = deep > 0 && holds_time(entry, deep - 1);
        more = cursor.take(b',');
    }
    found
}
