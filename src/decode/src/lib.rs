//! Bytes become points: pure functions, no I/O, no clock, no catalogue.
//!
//! A decoder never fails as a whole when one element is bad: it reports the good points and rejects the bad element with
//! its reason and the bytes at fault. What it finds goes to a [`Visitor`], borrowed from the payload: nothing is
//! allocated per point.
//!
//! - [`topic`]: MQTT topics become an [`Address`]; [`template`]: topic layouts of one's own; [`mapping`]: JSON of
//!   other shapes below them
//! - [`payload`]: tells the forms apart by the first byte and hands over to
//! - [`json`] (UMH, ThingsBoard, arrays, bare numbers), [`snapshot`] (SCADA pictures), [`line_protocol`] (Influx),
//!   [`frame`] (our binary frame)
//! - [`timestamp`]: s, ms, us, ns told apart by magnitude; [`number`]: decimal text, exactly; `value`: what of it the
//!   column holds; `quality`: words and codes of OPC; `latin_1`: text that is no UTF-8
//!
//! What is set aside can be sent again: a fragment under the topic of its message decodes to what it decoded to then,
//! unless it is no longer at fault.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod frame;
pub mod json;
pub mod line_protocol;
pub mod mapping;
pub mod number;
pub mod payload;
pub mod snapshot;
pub mod template;
pub mod timestamp;
pub mod topic;

#[cfg(test)]
mod collected;
mod fault;
mod latin_1;
mod quality;
#[cfg(test)]
mod readme_tests;
mod value;

pub use mapping::{Keys, Mapping, MappingError};
pub use payload::Decoder;
pub use template::{LevelRole, TemplateError, TopicTemplate};
pub use topic::Templates;

use genims_model::snapshot::SnapshotFields;
use genims_model::{Quality, Reason};

/// The longest sensor or machine name in any form: what the length byte of a binary frame's name table can say. It also
/// bounds the fragments that decoders build around a name.
pub const NAME_BYTES_MAX: usize = 255;

/// What a topic says about the payload behind it. Borrowed from the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    pub factory: Option<&'a str>,
    pub line: Option<&'a str>,
    pub machine: Option<&'a str>,
    pub kind: Kind<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// One sensor: its id or code.
    Sensor(&'a str),
    /// A machine snapshot.
    Scada,
    /// A mixed batch: every element names its sensor.
    Readings,
    /// Rows for any table of any database.
    Rows { database: &'a str, table: &'a str },
}

/// How a payload names a sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// The id or code in the topic, or the id in a batch element. With a machine, a code of that machine is
    /// recognised as well.
    Sensor { machine: Option<&'a str>, sensor: &'a str },
    /// A handle that the visitor itself gave out for a name table (binary frames): see [`Visitor::define`].
    Handle(u32),
}

/// One value. `timestamp_us` is `None` when the payload has no time: the time of receipt stands in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point<'a> {
    pub name: Name<'a>,
    pub timestamp_us: Option<i64>,
    /// Within `VALUE_MAX` and with at most four decimals: decoders round the digits behind and reject the rest.
    pub value: f64,
    pub quality: Quality,
}

/// How several fragments of one form make one payload that decodes to what they decode to alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In brackets, with commas between them.
    Elements,
    /// With line feeds between them.
    Lines,
    /// One straight behind the other.
    Frames,
}

/// Receives what a decoder finds, in payload order.
pub trait Visitor {
    fn point(&mut self, point: Point<'_>);
    /// `machine` as named by the topic or the element.
    fn snapshot(&mut self, machine: &str, timestamp_us: Option<i64>, fields: SnapshotFields);
    /// `fragment`: the bytes at fault, in a form that can be decoded alone under the same topic where possible.
    fn reject(&mut self, reason: Reason, detail: std::fmt::Arguments<'_>, fragment: &[u8]);
    /// As [`Visitor::reject`], for one of any number of parts of a message: parts of one form can be kept together.
    fn reject_part(&mut self, form: Form, reason: Reason, detail: std::fmt::Arguments<'_>, fragment: &[u8]) {
        let _ = form;
        self.reject(reason, detail, fragment);
    }
    /// A name table entry of a binary frame. The answer is what [`Name::Handle`] will carry for it; resolving once
    /// per name instead of once per value is what makes the form fast.
    fn define(&mut self, sensor: &str) -> u32;
    /// What is worth saying of a message although nothing of it is set aside.
    fn remark(&mut self, _remark: Remark, _what: &str) {}
    /// Whether the catalogue has the sensor, by its id or by its code on the machine. Asked only where a payload can be read in
    /// two ways, or as nothing.
    fn knows(&self, _machine: Option<&str>, _sensor: &str) -> bool {
        false
    }
    /// Rows for a table, as they came: who knows the table judges them.
    fn rows(&mut self, _database: &str, _table: &str, payload: &[u8]) {
        let what = "rows are not taken here";
        self.reject(Reason::UnknownTopic, format_args!("{what}"), payload);
    }
    /// Whether the catalogue has a machine of that id. Asked only where it may be another's name.
    fn knows_machine(&self, _machine: &str) -> bool {
        false
    }
    /// Where the message's topic says that its readings come from; called before anything else of it is handed over.
    fn place(&mut self, _address: &Address<'_>) {}
}

/// See [`Visitor::remark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remark {
    /// A snapshot has a key that is no column.
    UnknownColumn,
    /// What stands for a quality cannot be read; the reading was taken as uncertain.
    UnknownQuality,
    /// Keys or tags name different machines; the first that counts was taken.
    OtherMachine,
    /// What may be a time cannot be read as one, and nothing else says it; that of receipt was taken.
    UnknownTime,
    /// What may hold readings was not taken.
    NotTaken,
}
