//! Documents that are nearly JSON, as Python prints a dictionary (`{'value': 1.5, 'ok': True}`) and JavaScript an object
//! (`{value: 1.5}`), and values with their units (`{"TEMP": 21.5 °C}`): enters the text, leaves the same as JSON. Looked at where the document could not be read as it came.

/// `None`: it is not of that kind.
#[cold]
pub(super) fn as_json(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + 16);
    let (mut at, mut is_key, mut is_changed) = (0, false, false);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let end = string_end(text, at)?;
                out.extend_from_slice(&text[at..end]);
                (at, is_key) = (end, false);
                continue;
            }
            b'\'' => {
                let end = string_end(text, at)?;
                quote(&text[at + 1..end - 1], &mut out);
                (at, is_key, is_changed) = (end, false, true);
                continue;
            }
            byte if is_key && is_of_name(*byte) => {
                let length = text[at..].iter().take_while(|byte| is_of_name(**byte)).count();
                quote(&text[at..at + length], &mut out);
                (at, is_key, is_changed) = (at + length, false, true);
                continue;
            }
            b':' if let Some((start, length)) = words(&text[at + 1..]) => {
                out.push(b':');
                out.extend_from_slice(&text[at + 1..at + 1 + start]);
                quote(&text[at + 1 + start..at + 1 + start + length], &mut out);
                (at, is_key, is_changed) = (at + 1 + start + length, false, true);
                continue;
            }
            b'{' | b',' => is_key = is_before_key(&text[at + 1..]),
            _ => {}
        }
        out.push(*byte);
        at += 1;
    }
    is_changed.then_some(out)
}

/// Whether the next thing, at the beginning of an object or behind a comma, is a name with a colon behind it.
fn is_before_key(text: &[u8]) -> bool {
    let name = text.trim_ascii_start();
    let length = name.iter().take_while(|byte| is_of_name(**byte)).count();
    length > 0 && !name[0].is_ascii_digit() && name[length..].trim_ascii_start().starts_with(b":")
}

/// The longest value with a unit that is looked for: without a bound each colon of a payload would cost the rest of it.
const WORDS_BYTES_MAX: usize = 256;

/// Where a value without quotes stands that has blanks in it (`21.5 °C`), and how long it is.
fn words(text: &[u8]) -> Option<(usize, usize)> {
    let text = &text[..text.len().min(WORDS_BYTES_MAX)];
    let end = text.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b'{' | b'[' | b'"' | b'\'' | b'\n'))?;
    let start = text.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let words = text.get(start..end)?.trim_ascii_end();
    let has_blank = words.contains(&b' ') || words.contains(&b'\t');
    // A colon may be a clock's; else a comma is missing before the next key.
    let has_key = words.windows(2).any(|pair| pair[1] == b':' && !pair[0].is_ascii_digit());
    (has_blank && !has_key && matches!(text[end], b',' | b'}')).then_some((start, words.len()))
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-' | b'.')
}

/// Behind the quote that closes the string which begins at `at`.
fn string_end(text: &[u8], at: usize) -> Option<usize> {
    let mut end = at + 1;
    while *text.get(end)? != text[at] {
        end += if text[end] == b'\\' { 2 } else { 1 };
    }
    Some(end + 1)
}

fn quote(content: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut bytes = content.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' if bytes.peek() == Some(&b'\'') => {}
            b'\\' => {
                out.push(byte);
                out.extend(bytes.next());
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Counted, not timed: a value is looked for so far and no further.
    #[test]
    fn a_value_with_a_unit_has_a_bound() {
        let of = |length: usize| [b" 5 ".as_slice(), &vec![b'x'; length - 3], b",".as_slice()].concat();
        assert_eq!(words(&of(WORDS_BYTES_MAX - 1)), Some((1, WORDS_BYTES_MAX - 2)));
        assert_eq!(words(&of(WORDS_BYTES_MAX)), None);
    }

    proptest! {
        /// Otherwise it would be read as often as it changes.
        #[test]
        fn what_was_made_json_is_not_made_json_again(text in r#"[\{\}\[\]'":,ab1 \\\\n]{0,40}"#) {
            if let Some(json) = as_json(text.as_bytes()) {
                prop_assert_eq!(as_json(&json), None, "{} became {}", text, String::from_utf8_lossy(&json));
            }
        }
    }
}
