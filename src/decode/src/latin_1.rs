//! Bytes that devices mean as text go in, characters come out: UTF-8, and what is none is read as Latin-1, in which every byte
//! is a character.

use std::borrow::Cow;

/// All of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(characters(bytes)),
    }
}

/// At most so many of the first bytes, to a whole character.
pub(crate) fn beginning(bytes: &[u8], bytes_max: usize) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            Cow::Borrowed(&text[..end.unwrap_or(0)])
        }
        Err(_) => Cow::Owned(characters(bytes.get(..bytes_max).unwrap_or(bytes))),
    }
}

/// One for each byte.
pub(crate) fn characters(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf_8_is_latin_1() {
        assert_eq!(read("Öl".as_bytes()), "Öl");
        assert_eq!(read(b"\xd6l \xb0C"), "Öl °C");
        assert_eq!(beginning("aÖl".as_bytes(), 2), "a");
        assert_eq!(beginning(b"a\xd6l", 2), "aÖ");
        assert_eq!(beginning("Öl".as_bytes(), 60), "Öl");
    }
}
