//! The members of an element of a foreign JSON: what stands behind its mapped keys, by [`Part`], and the others; see
//! [`super::translate`].

use super::keys::{Known, Says};
use crate::mapping::{PARTS, Part};
use std::borrow::Cow;

/// What stands behind a mapped key, and behind the same key once more.
#[derive(Clone, Copy, Default)]
pub(super) struct Written<'a> {
    first: Option<&'a [u8]>,
    again: Option<&'a [u8]>,
}

impl<'a> Written<'a> {
    pub(super) fn put(&mut self, written: &'a [u8]) {
        match self.first {
            None => self.first = Some(written),
            Some(_) => self.again = self.again.or(Some(written)),
        }
    }

    /// `null` is a key left out, if it stands alone.
    pub(super) fn each(self) -> impl Iterator<Item = &'a [u8]> {
        let alone = self.again.is_none();
        self.first.into_iter().filter(move |written| !alone || *written != b"null").chain(self.again)
    }
}

/// The bytes of the mapped keys that are there, by [`Part`], and the other members.
pub(super) struct Members<'a> {
    pub(super) parts: [Written<'a>; PARTS],
    pub(super) rest: Vec<(String, Option<Known>, Cow<'a, [u8]>)>,
    pub(super) is_snapshot: bool,
    /// It may be a message that means its payload.
    pub(super) is_message: bool,
}

impl<'a> Members<'a> {
    pub(super) fn each(&self, part: Part) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.parts[part as usize].each()
    }

    pub(super) fn has(&self, part: Part) -> bool {
        self.each(part).next().is_some()
    }

    /// Whether a mapped key says what a usual one would say.
    pub(super) fn replaces(&self, says: Says) -> bool {
        let several = self.has(Part::List) || self.has(Part::Value);
        match says {
            Says::Sensor => self.has(Part::Sensor),
            Says::Machine => self.has(Part::Machine),
            Says::Time(_) => self.has(Part::Time),
            Says::Quality | Says::QualityBits | Says::Status | Says::OpcDa => self.has(Part::Quality),
            Says::Value | Says::Data | Says::Several | Says::List | Says::Messages | Says::Records => several,
            _ => false,
        }
    }
}
