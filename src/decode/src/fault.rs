//! Why an element is rejected, before it becomes a dead letter: no allocation, so that a flood of bad input costs little.

use super::NAME_BYTES_MAX;
use genims_model::Reason;
use genims_model::reading::VALUE_MAX;
use std::fmt;

/// The reason, and the words for a person. `subject` is the key, column or field at fault, or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) what: &'static str,
    pub(crate) subject: &'static str,
}

impl Fault {
    pub(crate) const fn new(reason: Reason, what: &'static str) -> Self {
        Self { reason, what, subject: "" }
    }

    pub(crate) const fn malformed(what: &'static str) -> Self {
        Self::new(Reason::MalformedPayload, what)
    }

    pub(crate) const fn about(self, subject: &'static str) -> Self {
        Self { subject, ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.subject.is_empty() {
            write!(out, "{}: ", self.subject)?;
        }
        out.write_str(self.what)
    }
}

pub(crate) const NOT_FINITE: Fault = Fault::new(Reason::NotFinite, "the value is NaN or infinite");
pub(crate) const OUT_OF_RANGE: Fault =
    Fault::new(Reason::OutOfRange, "the value does not fit DECIMAL(15,4): 11 digits before the point");
pub(crate) const NOT_A_NUMBER: Fault = Fault::new(Reason::NotANumber, "the value is no number");

/// The value as a [`super::Point`] may carry it. Negative zero becomes zero, as in the database, so that equal values
/// have equal bits.
#[inline]
pub(crate) fn checked_value(value: f64) -> Result<f64, Fault> {
    if value.abs() <= VALUE_MAX {
        Ok(value + 0.0)
    } else if value.is_finite() {
        Err(OUT_OF_RANGE)
    } else {
        Err(NOT_FINITE)
    }
}

/// A name that can stand in the catalogue: not empty, not endless, and without NUL, which PostgreSQL cannot store.
#[inline]
pub(crate) fn checked_name(name: &str) -> Result<&str, Fault> {
    if name.is_empty() {
        Err(Fault::malformed("the name is empty"))
    } else if name.len() > NAME_BYTES_MAX {
        Err(Fault::malformed("the name is longer than 255 bytes"))
    } else if name.as_bytes().contains(&0) {
        Err(Fault::malformed("the name contains NUL"))
    } else {
        Ok(name)
    }
}
