//! Several documents, each beginning on a line of its own (NDJSON), or one that is broken: enters the payload, leaves what its
//! documents hold. One at fault ends where the next line begins one, and costs that one nothing.

use super::cursor::{Cursor, Syntax};
use super::element::Element;
use super::{is_old, reject_syntax, report};
use crate::{Address, Visitor};

/// Documents at fault in one message that are set aside one by one; then the rest is. Each may have been read to the end.
pub(super) const FAULTS_MAX: usize = 64;

#[cold]
pub(super) fn decode<V: Visitor>(address: &Address<'_>, payload: &[u8], visitor: &mut V) {
    let mut rest = payload;
    let mut faults = 0;
    while !rest.is_empty() {
        let mut cursor = Cursor::new(rest);
        let result = Element::parse(&mut cursor);
        let end = if result.is_ok() { document_end(&cursor, rest) } else { None };
        let at = payload.len() - rest.len() + cursor.at();
        match (result, end) {
            (Ok(element), Some(end)) => {
                report(address, &element, visitor);
                rest = &rest[end..];
            }
            (result, _) => {
                let follows = Syntax("something follows the document (several stand on a line each)");
                faults += 1;
                let end = if faults < FAULTS_MAX { next_document(rest) } else { None }.unwrap_or(rest.len());
                reject_syntax(result.err().unwrap_or(follows), at, rest[..end].trim_ascii_end(), visitor);
                rest = &rest[end..];
            }
        }
    }
}

/// `cursor` stands behind a document: where the next line with something begins, or the end. `None`: something else follows.
fn document_end(cursor: &Cursor<'_>, payload: &[u8]) -> Option<usize> {
    let mut behind = *cursor;
    let next = behind.token();
    if next == Some(0) {
        return is_old(&payload[behind.at()..]).then_some(payload.len());
    }
    let between = payload.get(cursor.at()..behind.at())?;
    let begins = |next: u8| between.contains(&b'\n') && !matches!(next, b',' | b':' | b']' | b'}');
    next.is_none_or(begins).then(|| behind.at())
}

/// The first further line that begins a document: with a brace that cannot go on with what stands before it, or only in an object
/// that was never closed.
fn next_document(payload: &[u8]) -> Option<usize> {
    let mut open = Vec::new();
    let (mut start, mut last) = (0, None);
    for line in payload.split_inclusive(|byte| *byte == b'\n') {
        let begins = match last {
            None | Some(b'[') => false,
            Some(b',' | b':' | b'{') => open.last() == Some(&b'{'),
            Some(_) => true,
        };
        if begins && line.starts_with(b"{") {
            return Some(start);
        }
        pass_line(line, &mut open);
        last = line.trim_ascii_end().last().copied().or(last);
        start += line.len();
    }
    None
}

/// Keeps the brackets that are `open` behind a line. No text goes on behind its end.
fn pass_line(line: &[u8], open: &mut Vec<u8>) {
    let (mut in_text, mut is_escaped) = (false, false);
    for byte in line {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => open.push(*byte),
            b'}' | b']' if !in_text => {
                open.pop();
            }
            _ => {}
        }
    }
}
