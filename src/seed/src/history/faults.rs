//! The rows of `machine_faults`: what the analysis found, completed by what a maintenance department would write down.
//!
//! Found by a walk over those machines alone on which something goes wrong. `fault_id` counts from 1 by start, machine and
//! code. Times, codes, downtime of faults that controllers report: as the stream says; downtime of a crossed limit: how long
//! the machine stood meanwhile.

use super::timeline::{Episode, MINUTE_US};
use super::walk::{Walk, WalkScope};
use super::{HistoryParameters, PlantHistory};
use crate::functions::{Random, site_seed};
use crate::value::{Value, round};
use genims_model::event::{FaultClosed, FaultOpened};
use genims_model::{Event, Group, MachineNo, SensorNo, Status};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// All columns of the contract, in its order.
pub(super) const COLUMNS: [&str; 26] = [
    "fault_id",
    "machine_id",
    "line_id",
    "factory_id",
    "fault_code",
    "fault_category",
    "fault_severity",
    "fault_description",
    "fault_start_time",
    "fault_end_time",
    "fault_duration_seconds",
    "production_loss_units",
    "downtime_minutes",
    "estimated_cost_usd",
    "root_cause_category",
    "root_cause_description",
    "contributing_sensors",
    "resolution_action",
    "maintenance_ticket_id",
    "resolved_by",
    "detection_method",
    "predicted_in_advance",
    "advance_warning_hours",
    "status",
    "created_at",
    "updated_at",
];

const LABOUR_USD_PER_HOUR: f64 = 68.0;
const UNIT_USD: f64 = 1.9;

/// The key under which a fault is opened and closed.
type Key = (i64, MachineNo, String);

/// One fault with its end, if it has one.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub opened: FaultOpened,
    pub closed: Option<FaultClosed>,
    /// When the sensor (of a controller's fault: any sensor of the machine) first left its warning limits.
    pub warned_us: Option<i64>,
}

/// Gathers faults from groups.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    faults: BTreeMap<Key, Fault>,
    /// First warnings by sensor and the beginning of the episode.
    warnings: HashMap<(SensorNo, i64), i64>,
}

/// All faults, in the order of their ids.
pub(super) fn all(history: &Arc<PlantHistory>) -> Vec<Fault> {
    let mut gatherer = Gatherer::default();
    Walk::new(history, WalkScope::Faults).for_each(|group| gatherer.take(history, &group));
    gatherer.finish(history)
}

impl Gatherer {
    pub(super) fn take(&mut self, history: &PlantHistory, group: &Group) {
        for reading in group.readings.iter().filter(|reading| reading.status != Status::Normal) {
            let Some(entry) = history.site.catalogue.sensor(reading.sensor) else { continue };
            // What strays for no reason is no warning.
            let episode = history.episode(entry.machine, reading.timestamp_us);
            if let Some(episode) = episode.filter(|episode| history.reach(episode, reading.sensor.0).is_some()) {
                self.warnings.entry((reading.sensor, episode.from_us)).or_insert(reading.timestamp_us);
            }
        }
        for event in &group.events {
            match event {
                Event::FaultOpened(opened) => {
                    let key = (opened.start_us, opened.machine, opened.fault_code.clone());
                    self.faults.insert(key, Fault { opened: opened.clone(), closed: None, warned_us: None });
                }
                Event::FaultClosed(closed) => {
                    let key = (closed.start_us, closed.machine, closed.fault_code.clone());
                    if let Some(fault) = self.faults.get_mut(&key) {
                        fault.closed = Some(closed.clone());
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) fn finish(self, history: &PlantHistory) -> Vec<Fault> {
        let Self { faults, warnings } = self;
        let complete = |mut fault: Fault| {
            let opened = &fault.opened;
            if let Some(episode) = history.episode(opened.machine, opened.start_us) {
                let sensors = &history.site.stations[opened.machine.0 as usize].sensors;
                let own = sensors.iter().filter(|no| opened.sensor.is_none_or(|sensor| sensor.0 == **no));
                let first = own.filter_map(|no| warnings.get(&(SensorNo(*no), episode.from_us))).min();
                fault.warned_us = first.copied().filter(|first| *first < opened.start_us);
            }
            fault
        };
        faults.into_values().map(complete).collect()
    }
}

impl PlantHistory {
    /// What goes wrong on a machine at a moment, repair included.
    pub(super) fn episode(&self, machine: MachineNo, at_us: i64) -> Option<&Episode> {
        let timeline = self.timelines.get(machine.0 as usize)?;
        timeline.episodes.iter().find(|episode| (episode.from_us..episode.ends_us).contains(&at_us))
    }
}

/// What a resolved fault cost.
struct Impact {
    minutes: i64,
    units: i64,
    usd: f64,
}

impl Fault {
    /// A row, in the order of [`COLUMNS`].
    pub(super) fn row(&self, history: &PlantHistory, fault_id: i64) -> [Value; COLUMNS.len()] {
        let Self { opened, closed, warned_us } = self;
        let no = opened.machine.0 as usize;
        let machine = &history.site.catalogue.machines()[no].machine;
        let sensor = opened.sensor.and_then(|no| history.site.catalogue.sensor(no));
        let episode = history.episode(opened.machine, opened.start_us);
        let resolved = closed.as_ref().zip(episode);
        let impact = closed.as_ref().map(|closed| self.impact(history, closed, episode));
        let text = |text: &str| Value::text(text);
        let pattern =
            |of: fn(&Episode) -> &'static str| resolved.map_or(Value::Null, |(_, episode)| Value::text(of(episode)));
        let of_impact = |of: fn(&Impact) -> Value| impact.as_ref().map_or(Value::Null, of);
        let warned_hours = warned_us.map(|warned_us| (opened.start_us - warned_us) as f64 / (60.0 * MINUTE_US as f64));
        let end_us = closed.as_ref().map(|closed| closed.end_us);
        [
            Value::Integer(fault_id),
            text(&machine.machine_id),
            text(&machine.line_id),
            text(&machine.factory_id),
            text(&opened.fault_code),
            text(&opened.category),
            text(&opened.severity),
            text(&opened.description),
            Value::Timestamp(opened.start_us),
            end_us.map_or(Value::Null, Value::Timestamp),
            end_us.map_or(Value::Null, |end_us| Value::Integer((end_us - opened.start_us) / 1_000_000)),
            of_impact(|impact| Value::Integer(impact.units)),
            of_impact(|impact| Value::Integer(impact.minutes)),
            of_impact(|impact| Value::Number(impact.usd)),
            pattern(|episode| episode.pattern.root_cause_category),
            pattern(|episode| episode.pattern.root_cause),
            sensor.map_or(Value::Null, |entry| text(&entry.sensor.sensor_id)),
            pattern(|episode| episode.pattern.resolution),
            Value::Null,
            resolved.map_or(Value::Null, |_| text(technician(history, no, opened.start_us))),
            text(&opened.detection_method),
            Value::Boolean(warned_hours.is_some()),
            warned_hours.map_or(Value::Null, |hours| Value::Number(round(hours, 2))),
            text(if closed.is_some() { "resolved" } else { "open" }),
            Value::Timestamp(opened.start_us),
            Value::Timestamp(end_us.unwrap_or(opened.start_us)),
        ]
    }

    /// The repair is on the account of the controller's fault, so that it counts once.
    fn impact(&self, history: &PlantHistory, closed: &FaultClosed, episode: Option<&Episode>) -> Impact {
        let no = self.opened.machine.0 as usize;
        let capacity = history.site.catalogue.machines()[no].machine.design_capacity_units_per_hour.unwrap_or(0);
        let stood = history.timelines[no].down_us((closed.start_us, closed.end_us)) / MINUTE_US;
        let minutes = closed.downtime_minutes.map_or(stood, i64::from);
        let units = closed.production_loss_units.map_or(minutes * i64::from(capacity) / 60, i64::from);
        let repair = episode.filter(|_| self.opened.sensor.is_none()).map_or(0.0, |episode| {
            let hours = (episode.ends_us - episode.repair_us) as f64 / (60.0 * MINUTE_US as f64);
            episode.pattern.parts_usd + hours * LABOUR_USD_PER_HOUR
        });
        Impact { minutes, units, usd: round(repair + units as f64 * UNIT_USD, 2) }
    }
}

/// The same one for all faults of an episode that began about the same time.
fn technician(history: &PlantHistory, no: usize, start_us: i64) -> &str {
    let HistoryParameters { seed, .. } = history.parameters;
    let all = &history.site.stations[no].technicians;
    let mut random = Random::new(site_seed(seed, "technician", 6), no);
    let shift = (start_us / (8 * 60 * MINUTE_US)) as usize;
    all.get((random.below(all.len().max(1)) + shift) % all.len().max(1)).map_or("", String::as_str)
}
