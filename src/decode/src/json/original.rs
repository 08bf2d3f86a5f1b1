//! Between a decoder that reads what was made of a payload and the visitor: enter points and faults of what was made, leave
//! the points, and as faults what the sender wrote.

use crate::{Form, Point, Remark, Visitor};
use genims_model::snapshot::SnapshotFields;
use genims_model::{Quality, Reason};
use std::fmt::Arguments;

/// Hands on what comes of a translation, or of what a message holds in another form; where all of it is at fault, what the sender wrote is set aside.
pub(super) struct Original<'v, V: ?Sized> {
    pub(super) visitor: &'v mut V,
    pub(super) payload: &'v [u8],
    pub(super) translated: &'v [u8],
    /// Where `payload` is one of any number of parts: how these are kept together.
    pub(super) form: Option<Form>,
    /// What is said around it of the time and quality of what comes without.
    pub(super) timestamp_us: Option<i64>,
    pub(super) quality: Quality,
    /// The part was set aside: once is enough.
    is_told: bool,
}

impl<'v, V: ?Sized> Original<'v, V> {
    pub(super) fn new(visitor: &'v mut V, payload: &'v [u8], translated: &'v [u8]) -> Self {
        let (form, timestamp_us, quality) = (None, None, Quality::Good);
        Self { visitor, payload, translated, form, timestamp_us, quality, is_told: false }
    }

    /// Whether a fragment means the same only with what stands around it, or is all there is.
    fn is_whole(&self, fragment: &[u8]) -> bool {
        let is_said_around = self.timestamp_us.is_some() || self.quality != Quality::Good;
        is_said_around || fragment.trim_ascii() == self.translated.trim_ascii()
    }
}

impl<V: Visitor + ?Sized> Visitor for Original<'_, V> {
    fn point(&mut self, point: Point<'_>) {
        let timestamp_us = point.timestamp_us.or(self.timestamp_us);
        let quality = if point.quality == Quality::Good { self.quality } else { point.quality };
        self.visitor.point(Point { timestamp_us, quality, ..point });
    }

    fn snapshot(&mut self, machine: &str, timestamp_us: Option<i64>, fields: SnapshotFields) {
        self.visitor.snapshot(machine, timestamp_us.or(self.timestamp_us), fields);
    }

    fn reject(&mut self, reason: Reason, detail: Arguments<'_>, fragment: &[u8]) {
        match self.form {
            Some(form) if !self.is_told => self.visitor.reject_part(form, reason, detail, self.payload),
            Some(_) => {}
            None => self.visitor.reject(reason, detail, if self.is_whole(fragment) { self.payload } else { fragment }),
        }
        self.is_told = true;
    }

    fn reject_part(&mut self, form: Form, reason: Reason, detail: Arguments<'_>, fragment: &[u8]) {
        if self.is_whole(fragment) {
            self.reject(reason, detail, fragment);
        } else {
            self.visitor.reject_part(form, reason, detail, fragment);
        }
    }

    fn define(&mut self, sensor: &str) -> u32 {
        self.visitor.define(sensor)
    }

    fn remark(&mut self, remark: Remark, what: &str) {
        self.visitor.remark(remark, what);
    }

    fn knows(&self, machine: Option<&str>, sensor: &str) -> bool {
        self.visitor.knows(machine, sensor)
    }

    fn knows_machine(&self, machine: &str) -> bool {
        self.visitor.knows_machine(machine)
    }
}
