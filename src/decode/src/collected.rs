//! What the decoders' tests see: everything that was reported, owned.

use super::{Decoder, Form, Name, Point, Remark, Visitor};
use genims_model::snapshot::SnapshotFields;
use genims_model::{Quality, Reason};
use std::fmt::Arguments;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) machine: Option<String>,
    pub(super) sensor: String,
    pub(super) timestamp_us: Option<i64>,
    pub(super) value: f64,
    pub(super) quality: Quality,
}

impl Found {
    /// A good reading of a sensor without machine.
    pub(super) fn new(sensor: &str, timestamp_us: Option<i64>, value: f64) -> Self {
        Self { machine: None, sensor: sensor.to_owned(), timestamp_us, value, quality: Quality::Good }
    }

    pub(super) fn on(mut self, machine: &str) -> Self {
        self.machine = Some(machine.to_owned());
        self
    }

    pub(super) fn of_quality(mut self, quality: Quality) -> Self {
        self.quality = quality;
        self
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Collected {
    pub(super) points: Vec<Found>,
    pub(super) snapshots: Vec<(String, Option<i64>, SnapshotFields)>,
    /// Reason, detail, fragment.
    pub(super) rejects: Vec<(Reason, String, Vec<u8>)>,
    /// Handle `n` stands for `names[n]`.
    pub(super) names: Vec<String>,
    pub(super) remarks: Vec<String>,
    /// How many of the rejects can be kept together with others.
    pub(super) parts: usize,
    /// What the catalogue has.
    pub(super) known: Vec<&'static str>,
    /// The sensors of that are this machine's, and known by no other.
    pub(super) of_machine: Option<&'static str>,
    /// None of that is a machine.
    pub(super) knows_no_machine: bool,
}

impl Collected {
    pub(super) fn reasons(&self) -> Vec<Reason> {
        self.rejects.iter().map(|reject| reject.0).collect()
    }

    pub(super) fn fragments(&self) -> Vec<String> {
        self.rejects.iter().map(|reject| String::from_utf8_lossy(&reject.2).into_owned()).collect()
    }
}

/// What a message makes where the catalogue has these sensors.
pub(super) fn decoded(topic: &str, known: &[&'static str], payload: impl AsRef<[u8]>) -> Collected {
    let mut visitor = Collected { known: known.to_vec(), ..Collected::default() };
    Decoder::default().message(topic, payload.as_ref(), &mut visitor);
    visitor
}

/// Set aside, sent again, set aside again as it was.
pub(super) fn come_back(topic: &str, found: &Collected) {
    for (reason, detail, fragment) in &found.rejects {
        let again = decoded(topic, &[], fragment);
        assert_eq!((again.points.len(), again.rejects), (0, vec![(*reason, detail.clone(), fragment.clone())]));
    }
}

impl Visitor for Collected {
    fn point(&mut self, point: Point<'_>) {
        let (machine, sensor) = match point.name {
            Name::Sensor { machine, sensor } => (machine.map(str::to_owned), sensor.to_owned()),
            Name::Handle(handle) => (None, self.names[handle as usize].clone()),
        };
        let Point { timestamp_us, value, quality, .. } = point;
        self.points.push(Found { machine, sensor, timestamp_us, value, quality });
    }

    fn snapshot(&mut self, machine: &str, timestamp_us: Option<i64>, fields: SnapshotFields) {
        self.snapshots.push((machine.to_owned(), timestamp_us, fields));
    }

    fn reject(&mut self, reason: Reason, detail: Arguments<'_>, fragment: &[u8]) {
        self.rejects.push((reason, detail.to_string(), fragment.to_vec()));
    }

    fn reject_part(&mut self, _: Form, reason: Reason, detail: Arguments<'_>, fragment: &[u8]) {
        self.parts += 1;
        self.reject(reason, detail, fragment);
    }

    fn define(&mut self, sensor: &str) -> u32 {
        self.names.push(sensor.to_owned());
        (self.names.len() - 1) as u32
    }

    fn remark(&mut self, _: Remark, what: &str) {
        self.remarks.push(what.to_owned());
    }

    fn knows(&self, machine: Option<&str>, sensor: &str) -> bool {
        self.of_machine.is_none_or(|only| machine == Some(only)) && self.known.contains(&sensor)
    }

    fn knows_machine(&self, machine: &str) -> bool {
        !self.knows_no_machine && self.known.contains(&machine)
    }
}

/// The points of a payload of which nothing is set aside or remarked upon.
#[track_caller]
pub(crate) fn points(topic: &str, known: &[&'static str], payload: &str) -> Vec<Found> {
    let found = decoded(topic, known, payload);
    assert_eq!((found.rejects, found.remarks), (vec![], Vec::<String>::new()), "{payload}");
    found.points
}
