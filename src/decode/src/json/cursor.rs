//! A pull parser on bytes: JSON (RFC 8259) and what devices write in its place, nothing copied, nothing recursive.
//!
//! Every method leaves the cursor behind what it read. After a [`Syntax`] the cursor stands at the byte at fault and is
//! of no further use. Only the structure is insisted on, as what nobody asks for must not cost what is asked for:
//! - [`Cursor::skip`] passes any value whose quotes and brackets close: the content is not looked at.
//! - A string that is no UTF-8 is read as Latin-1. It may have any escape; whoever needs its characters asks
//!   [`Text::is_sound`].
//! - A bare word that means nothing is [`Value::Odd`], `NaN` and `Infinity` are [`Value::NotFinite`]: they are rejected
//!   under their own reasons, and only where a value counts.
//! - A comma may stand behind the last member.

use crate::latin_1;
use crate::number::Decimal;
use crate::value::{is_not_finite, switch_state};
use std::borrow::Cow;

/// What is wrong with the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax(pub(crate) &'static str);

/// A string between its quotes, still escaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    bytes: &'a [u8],
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Escaped,
    /// No UTF-8: Latin-1, perhaps with escapes.
    Latin1,
    /// With an escape that JSON does not know.
    Unsound,
}

/// A number and the bytes it was read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    pub(crate) decimal: Decimal,
    pub(crate) text: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Number(Number<'a>),
    Text(Text<'a>),
    NotFinite,
    Boolean(bool),
    Null,
    /// An object or array, skipped.
    Nested,
    /// A bare word that means nothing.
    Odd,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The position of the next byte.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Whether `part` of what is read begins at the next byte.
    pub(crate) fn is_at(&self, part: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| !part.is_empty() && std::ptr::eq(rest.as_ptr(), part.as_ptr()))
    }

    /// Goes on at `at`, which may be behind a fault.
    pub(crate) fn jump(&mut self, at: usize) {
        self.at = at;
    }

    /// The bytes from `start` up to here.
    #[inline]
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next byte that is not white space, not consumed.
    #[inline]
    pub(crate) fn token(&mut self) -> Option<u8> {
        #[cfg(test)]
        TOKENS.set(TOKENS.get() + 1);
        while let Some(byte) = self.peek() {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Consumes `byte` if it is the next token.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.token() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Reads an object; `each` gets every key and must consume its value.
    #[inline]
    pub(crate) fn object(
        &mut self,
        mut each: impl FnMut(&mut Self, Text<'a>) -> Result<(), Syntax>,
    ) -> Result<(), Syntax> {
        if !self.take(b'{') {
            return Err(Syntax("an object was expected"));
        }
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            if self.token() != Some(b'"') {
                return self.no_key();
            }
            let key = self.string()?;
            if !self.take(b':') {
                return Err(Syntax("a colon was expected"));
            }
            each(self, key)?;
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(Syntax("a comma or the end of the object was expected"));
            }
        }
    }

    /// Where a key was expected: all is well behind the last comma of an object.
    #[cold]
    fn no_key(&mut self) -> Result<(), Syntax> {
        match self.token() {
            Some(b'}') => {
                self.at += 1;
                Ok(())
            }
            Some(b'0'..=b'9') => Err(Syntax("a key in quotes was expected (a decimal comma is written as a point)")),
            _ => Err(Syntax("a key in quotes was expected")),
        }
    }

    /// Reads any value; objects and arrays are only skipped.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<Value<'a>, Syntax> {
        match self.token() {
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'"') => self.string().map(Value::Text),
            _ => self.other_value(),
        }
    }

    #[inline]
    fn number(&mut self) -> Result<Value<'a>, Syntax> {
        let bytes = self.bytes.get(self.at..).unwrap_or_default();
        match Decimal::scan(bytes) {
            Some((decimal, length)) if bytes.get(length).is_none_or(|next| ends_word(*next)) => {
                self.at += length;
                Ok(Value::Number(Number { decimal, text: &bytes[..length] }))
            }
            _ => self.word(),
        }
    }

    #[cold]
    fn other_value(&mut self) -> Result<Value<'a>, Syntax> {
        match self.token() {
            Some(b'{' | b'[') => self.skip().map(|()| Value::Nested),
            Some(_) => self.word(),
            None => Err(Syntax("the document breaks off")),
        }
    }

    /// A value without quotes that is no number of JSON's.
    #[cold]
    fn word(&mut self) -> Result<Value<'a>, Syntax> {
        let start = self.at;
        self.pass_word();
        let word = self.since(start);
        let is = |literal: &str| word.eq_ignore_ascii_case(literal.as_bytes());
        Ok(match word {
            b"" => return Err(Syntax("a value was expected")),
            _ if is("null") || is("none") || is("undefined") => Value::Null,
            _ if is("true") => Value::Boolean(true),
            _ if is("false") => Value::Boolean(false),
            _ if is_not_finite(word) => Value::NotFinite,
            _ if let Some(state) = switch_state(word) => Value::Boolean(state == 1.0),
            _ => Decimal::printed(word).map_or(Value::Odd, |decimal| Value::Number(Number { decimal, text: word })),
        })
    }

    /// Passes what has neither quotes nor brackets.
    #[inline]
    pub(crate) fn pass_word(&mut self) {
        while self.peek().is_some_and(|byte| !ends_word(byte)) {
            self.at += 1;
        }
    }

    /// Skips one value of any kind and content, also none at all.
    pub(crate) fn skip(&mut self) -> Result<(), Syntax> {
        let mut open = 0_usize;
        loop {
            match self.token() {
                Some(b'"') => self.string().map(|_| ())?,
                Some(b'{' | b'[') => {
                    open += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') if open > 0 => {
                    open -= 1;
                    self.at += 1;
                }
                Some(b',' | b':') if open > 0 => self.at += 1,
                Some(b':') => return Err(Syntax("a value was expected")),
                Some(_) => self.pass_word(),
                None => return Err(Syntax("the document breaks off")),
            }
            if open == 0 {
                return Ok(());
            }
        }
    }

    /// Skips one value; the answer is its bytes.
    pub(crate) fn pass(&mut self) -> Result<&'a [u8], Syntax> {
        self.token();
        let start = self.at;
        self.skip()?;
        Ok(self.since(start))
    }

    /// Reads the string whose opening quote is next.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Text<'a>, Syntax> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let Some(word) = rest.first_chunk::<8>() else {
                at += rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len());
                break;
            };
            let special = special_bytes(u64::from_le_bytes(*word));
            if special != 0 {
                at += special.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        self.at = at;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Text { bytes: &self.bytes[start..at], form: Form::Plain });
        }
        self.string_with_specials(start)
    }

    /// The rest of a string from its first escape, control character or non-ASCII byte.
    #[cold]
    fn string_with_specials(&mut self, start: usize) -> Result<Text<'a>, Syntax> {
        let mut form = Form::Plain;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => match escape(&self.bytes[self.at..]) {
                    Some((_, length)) => {
                        form = if form == Form::Plain { Form::Escaped } else { form };
                        self.at += length;
                    }
                    None => {
                        form = Form::Unsound;
                        // What follows the backslash belongs to it, whatever it is.
                        self.at += 2;
                    }
                },
                Some(_) => self.at += 1,
                None => return Err(Syntax("a string breaks off")),
            }
        }
        let bytes = self.since(start);
        if form != Form::Unsound && std::str::from_utf8(bytes).is_err() {
            form = Form::Latin1;
        }
        self.at += 1;
        Ok(Text { bytes, form })
    }
}

impl<'a> Text<'a> {
    pub(crate) const EMPTY: Self = Self { bytes: &[], form: Form::Plain };

    /// Whether both mean the same characters; asked for each pair of an object's keys, and never by a call.
    #[inline(always)]
    pub(crate) fn same(self, other: Self) -> bool {
        if self.form == Form::Plain && other.form == Form::Plain {
            self.bytes == other.bytes
        } else {
            self.to_str() == other.to_str()
        }
    }

    /// The bytes between the quotes. Compare keys with it only when it is not escaped.
    #[inline]
    pub(crate) fn plain(&self) -> Option<&'a [u8]> {
        (self.form == Form::Plain).then_some(self.bytes)
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn is_blank(self) -> bool {
        self.bytes.trim_ascii().is_empty()
    }

    /// Whether no time is said: by a blank text, or as .NET and OPC UA print the time that was never set.
    pub(crate) fn is_no_time(self) -> bool {
        self.is_blank() || self.bytes.starts_with(b"0001-01-01T00:00:00")
    }

    /// Whether [`Text::to_str`] says what the sender wrote.
    #[inline]
    pub(crate) fn is_sound(self) -> bool {
        self.form != Form::Unsound
    }

    /// Borrowed unless there are escapes. Of an unsound text, what cannot be read is replaced.
    #[inline]
    pub(crate) fn to_str(self) -> Cow<'a, str> {
        match std::str::from_utf8(self.bytes) {
            Ok(text) if self.form == Form::Plain => Cow::Borrowed(text),
            _ => Cow::Owned(unescape(self.bytes, self.form == Form::Latin1)),
        }
    }
}

/// The character that an escape at the beginning of `bytes` stands for, and its length.
fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let character = match bytes.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let unit = hex(bytes.get(2..6)?)?;
            let low = || bytes.get(6..8).filter(|next| *next == b"\\u").and_then(|_| hex(bytes.get(8..12)?));
            return match unit {
                0xD800..0xDC00 => {
                    let low = low().filter(|low| (0xDC00..0xE000).contains(low))?;
                    char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)).map(|character| (character, 12))
                }
                _ => char::from_u32(unit).map(|character| (character, 6)),
            };
        }
        _ => return None,
    };
    Some((character, 2))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
}

#[cold]
fn unescape(bytes: &[u8], is_latin_1: bool) -> String {
    let piece = |bytes: &[u8]| match is_latin_1 {
        true => latin_1::characters(bytes),
        false => String::from_utf8_lossy(bytes).into_owned(),
    };
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(backslash) = rest.iter().position(|byte| *byte == b'\\') {
        text.push_str(&piece(&rest[..backslash]));
        let (character, length) = escape(&rest[backslash..]).unwrap_or((char::REPLACEMENT_CHARACTER, 1));
        text.push(character);
        rest = &rest[backslash + length..];
    }
    text.push_str(&piece(rest));
    text
}

/// Whether a list or an object, of sound structure, has nothing in it.
pub(super) fn is_empty(written: &[u8]) -> bool {
    written.get(1..).is_some_and(|inside| matches!(inside.trim_ascii_start(), [b']' | b'}', ..]))
}

/// Whether a bare word or number cannot go on with `byte`.
#[inline]
fn ends_word(byte: u8) -> bool {
    matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b'"' | b'{' | b'[')
}

#[inline]
fn is_plain(byte: u8) -> bool {
    (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\'
}

/// Marks the high bit of each byte that is not plain, eight at a time: subtracting sets it where a byte is less than what is
/// subtracted, and where it was set before the byte is no ASCII. Bytes above the lowest marked one may be marked wrongly (a
/// borrow runs upwards); only the lowest is used.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let equals = |byte: u8| (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * 0x20);
    (equals(b'"') | equals(b'\\') | control | word) & HIGHS
}

#[cfg(test)]
thread_local! {
    /// How many tokens were looked for, by which tests see what reading costs.
    pub(crate) static TOKENS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests;
