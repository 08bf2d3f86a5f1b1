//! `"errors": {"TEMP": 2014}`, `"errors": [{"name": "TEMP", "code": 2014}]`: what a gateway could not read, beside what it could.
//!
//! Enters an element; leaves a rejection for each tag that has an error: by its key, or as an entry of a list that names a sensor of
//! the catalogue. Other entries are errors of anything.

use super::common::{Common, opening, quoted};
use super::cursor::{Cursor, Syntax, Text};
use super::element::Element;
use super::list::is_no_error;
use crate::fault::NOT_READ;
use crate::{Form, Visitor};

impl Element<'_> {
    /// Rejects every tag of `errors` that has one, once the others were handed over.
    pub(super) fn report_errors<V: Visitor>(&self, common: Common<'_>, visitor: &mut V) {
        if let Some(errors) = self.errors {
            report(errors, common, visitor);
        }
    }
}

#[cold]
fn report<V: Visitor>(errors: &[u8], common: Common<'_>, visitor: &mut V) {
    let mut cursor = Cursor::new(errors);
    // What breaks off has said what it said: beside what was handed over nothing may be set aside whole.
    let _ = match errors.first() {
        Some(b'[') => report_listed(&mut cursor, common, visitor),
        _ => cursor.object(|cursor, key| {
            reject_error(&key.to_str(), cursor.pass()?, common, visitor);
            Ok(())
        }),
    };
}

fn report_listed<V: Visitor>(cursor: &mut Cursor<'_>, common: Common<'_>, visitor: &mut V) -> Result<(), Syntax> {
    cursor.take(b'[');
    while !cursor.take(b']') {
        let written = cursor.pass()?;
        let name = match written.first() {
            Some(b'{') => Element::parse(&mut Cursor::new(written))?.sensor.candidate.and_then(Result::ok),
            Some(b'"') => Cursor::new(written).string().ok(),
            _ => None,
        };
        if let Some(name) = name.map(Text::to_str).filter(|name| visitor.knows(common.machine, name)) {
            reject_error(&name, written, common, visitor);
        }
        if !cursor.take(b',') && cursor.token() != Some(b']') {
            return Err(Syntax("a comma or the end of the list was expected"));
        }
    }
    Ok(())
}

fn reject_error<V: Visitor>(key: &str, error: &[u8], common: Common<'_>, visitor: &mut V) {
    if is_no_error(error) {
        return;
    }
    let key: String = key.chars().take(crate::NAME_BYTES_MAX).collect();
    let error = String::from_utf8_lossy(error);
    let fragment = format!("{}\"errors\":{{{}:{error}}}}}", opening(common), quoted(&key));
    let detail = format_args!("{key}: {NOT_READ}: error {error}");
    visitor.reject_part(Form::Elements, NOT_READ.reason, detail, fragment.as_bytes());
}
