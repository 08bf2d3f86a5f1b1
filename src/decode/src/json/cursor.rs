//! A pull parser on bytes: strict JSON (RFC 8259), nothing copied, nesting bounded.
//!
//! Every method leaves the cursor behind what it read. After a [`Syntax`] the cursor stands at the byte at fault and is
//! of no further use. Strings are checked when read (escapes, control characters, UTF-8), so [`Text::to_str`] cannot
//! meet surprises. The literals `NaN` and `Infinity` are read as [`Value::NotFinite`] where a value is pulled, so that
//! they can be rejected under their own reason; [`Cursor::skip`] refuses them.

use crate::number::Decimal;
use std::borrow::Cow;

/// Levels of nesting below a payload's own elements. Deeper documents are refused, as skipping recurses.
pub(crate) const DEPTH_MAX: u32 = 64;

/// What is wrong with the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax(pub(crate) &'static str);

/// A string between its quotes, still escaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    bytes: &'a [u8],
    escaped: bool,
}

/// A number and the bytes it was read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    pub(crate) decimal: Decimal,
    text: &'a [u8],
}

impl Number<'_> {
    #[inline]
    pub(crate) fn to_f64(self) -> f64 {
        self.decimal.to_f64(self.text)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Number(Number<'a>),
    Text(Text<'a>),
    NotFinite,
    Boolean,
    Null,
    /// An object or array, skipped.
    Nested,
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
                return Err(Syntax("a key in quotes was expected"));
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
            Some((decimal, length)) => {
                self.at += length;
                Ok(Value::Number(Number { decimal, text: &bytes[..length] }))
            }
            None if self.not_finite() => Ok(Value::NotFinite),
            None => Err(Syntax("this is no number")),
        }
    }

    #[cold]
    fn other_value(&mut self) -> Result<Value<'a>, Syntax> {
        match self.token() {
            Some(b'{' | b'[') => self.skip().map(|()| Value::Nested),
            Some(b'n') if self.literal(b"null") => Ok(Value::Null),
            Some(b't') if self.literal(b"true") => Ok(Value::Boolean),
            Some(b'f') if self.literal(b"false") => Ok(Value::Boolean),
            Some(_) if self.not_finite() => Ok(Value::NotFinite),
            Some(_) => Err(Syntax("a value was expected")),
            None => Err(Syntax("the document breaks off")),
        }
    }

    /// Consumes `NaN`, `Infinity`, `-inf` and the like: no JSON, but what many libraries write.
    fn not_finite(&mut self) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let sign = usize::from(rest.first() == Some(&b'-'));
        let letters = rest[sign..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let word = &rest[sign..sign + letters];
        let found = is_not_finite(word);
        self.at += if found { sign + letters } else { 0 };
        found
    }

    fn literal(&mut self, literal: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(literal));
        self.at += if found { literal.len() } else { 0 };
        found
    }

    /// Skips one value of any kind.
    pub(crate) fn skip(&mut self) -> Result<(), Syntax> {
        self.skip_nested(DEPTH_MAX)
    }

    fn skip_nested(&mut self, depth_left: u32) -> Result<(), Syntax> {
        let next = self.token();
        if matches!(next, Some(b'{' | b'[')) && depth_left == 0 {
            return Err(Syntax("the document is nested too deeply"));
        }
        match next {
            Some(b'{') => self.object(|cursor, _| cursor.skip_nested(depth_left - 1)),
            Some(b'[') => {
                self.at += 1;
                if self.take(b']') {
                    return Ok(());
                }
                loop {
                    self.skip_nested(depth_left - 1)?;
                    if self.take(b']') {
                        return Ok(());
                    }
                    if !self.take(b',') {
                        return Err(Syntax("a comma or the end of the array was expected"));
                    }
                }
            }
            _ => match self.value()? {
                Value::NotFinite => Err(Syntax("NaN and Infinity are no JSON")),
                _ => Ok(()),
            },
        }
    }

    /// Reads the string whose opening quote is next.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Text<'a>, Syntax> {
        let start = self.at + 1;
        let mut at = start;
        while let Some(word) = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let special = special_bytes(u64::from_le_bytes(*word));
            if special != 0 {
                at += special.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        while self.bytes.get(at).is_some_and(|byte| is_plain(*byte)) {
            at += 1;
        }
        self.at = at;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Text { bytes: &self.bytes[start..at], escaped: false });
        }
        self.string_with_specials(start)
    }

    /// The rest of a string from its first escape or non-ASCII byte.
    #[cold]
    fn string_with_specials(&mut self, start: usize) -> Result<Text<'a>, Syntax> {
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    let length = escape(&self.bytes[self.at..]).ok_or(Syntax("this is no escape"))?.1;
                    self.at += length;
                }
                Some(0..0x20) => return Err(Syntax("a control character in a string")),
                Some(_) => self.at += 1,
                None => return Err(Syntax("a string breaks off")),
            }
        }
        let bytes = self.since(start);
        if let Err(error) = std::str::from_utf8(bytes) {
            self.at = start + error.valid_up_to();
            return Err(Syntax("a string is no UTF-8"));
        }
        self.at += 1;
        Ok(Text { bytes, escaped })
    }
}

impl<'a> Text<'a> {
    pub(crate) const EMPTY: Self = Self { bytes: &[], escaped: false };

    /// Whether both mean the same characters.
    #[inline]
    pub(crate) fn same(self, other: Self) -> bool {
        if self.escaped || other.escaped { self.to_str() == other.to_str() } else { self.bytes == other.bytes }
    }

    /// The bytes between the quotes. Compare keys with it only when it is not escaped.
    #[inline]
    pub(crate) fn plain(&self) -> Option<&'a [u8]> {
        (!self.escaped).then_some(self.bytes)
    }

    /// Borrowed unless there are escapes.
    #[inline]
    pub(crate) fn to_str(self) -> Cow<'a, str> {
        match std::str::from_utf8(self.bytes) {
            Ok(text) if !self.escaped => Cow::Borrowed(text),
            _ => Cow::Owned(unescape(self.bytes)),
        }
    }
}

/// Whether the letters mean NaN or an infinity.
pub(crate) fn is_not_finite(word: &[u8]) -> bool {
    ["nan", "inf", "infinity"].iter().any(|literal| word.eq_ignore_ascii_case(literal.as_bytes()))
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
fn unescape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(backslash) = rest.iter().position(|byte| *byte == b'\\') {
        text.push_str(&String::from_utf8_lossy(&rest[..backslash]));
        let (character, length) = escape(&rest[backslash..]).unwrap_or((char::REPLACEMENT_CHARACTER, 1));
        text.push(character);
        rest = &rest[backslash + length..];
    }
    text.push_str(&String::from_utf8_lossy(rest));
    text
}

#[inline]
fn is_plain(byte: u8) -> bool {
    (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\'
}

/// Marks the high bit of each byte that is not plain, eight at a time. Bytes above the lowest marked one may be marked
/// wrongly (a borrow runs upwards); only the lowest is used.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let equals = |byte: u8| {
        let difference = word ^ (ONES * u64::from(byte));
        difference.wrapping_sub(ONES) & !difference
    };
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (equals(b'"') | equals(b'\\') | control | word) & HIGHS
}

#[cfg(test)]
#[path = "cursor_tests.rs"]
mod tests;
