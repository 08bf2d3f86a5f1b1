//! The walk through time: readings and snapshots of every machine, through the stream's own analysis, out as groups of a
//! log.
//!
//! Time goes in steps of the sensors' interval. In each step every machine is read once, then the analysis looks at the
//! clock (once a step, while every sensor is fresh; the server does it every second), then follow the snapshots and the
//! readings of sensors that are watched more closely, because something goes wrong with them.

use super::controller::{Controller, Wiring};
use super::signal::Signal;
use super::timeline::{Episode, MINUTE_US};
use super::{HistoryParameters, PlantHistory};
use crate::functions::{Random, site_seed};
use genims_catalogue::Directory;
use genims_model::{
    Accounts, Chunk, Group, MachineNo, Portion, Protocol, Quality, RawReading, Receipt, SensorNo, Snapshot,
};
use genims_pipeline::PipelineOptions;
use genims_pipeline::shard::Shard;
use std::sync::Arc;

/// How often a watched sensor is read: two or three times in each of its windows.
const WATCH_US: i64 = 25_000_000;
/// Machines are read within so much of a step's beginning.
const SPREAD_US: u64 = 20_000_000;
const LOOK_AT_THE_CLOCK_US: i64 = 22_000_000;
/// A shard looks at one eighth of its sensors in each tick.
const TICKS: usize = 8;
/// By then every fault is closed, even that of a sensor which falls silent or is stuck meanwhile.
const AFTERMATH_US: i64 = 20 * super::timeline::HOUR_US;
/// Records of one group; a group is one transaction.
const GROUP_RECORDS: usize = 100_000;

/// What is wrong with a sensor itself.
#[derive(Clone, Copy, Debug)]
enum Ailment {
    /// Says nothing.
    Silent { from_us: i64, until_us: i64 },
    /// Shows the same value again and again.
    Stuck { from_us: i64, until_us: i64 },
}

struct Runner {
    no: MachineNo,
    offset_us: i64,
    protocol: Protocol,
    controller: Controller,
    /// The sensors to read, and which effect of a pattern touches each: looked up by type.
    sensors: Vec<(SensorNo, Signal, Option<Ailment>)>,
}

/// An iterator over the groups of the history.
pub(super) struct Walk {
    history: Arc<PlantHistory>,
    shard: Shard,
    runners: Vec<Runner>,
    scope: WalkScope,
    at_us: i64,
    offset: u64,
}

/// How much of the plant is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WalkScope {
    All,
    /// Only machines on which something goes wrong, while it does, and only the sensors that show it: all faults, little
    /// else.
    Faults,
}

impl Walk {
    pub(super) fn new(history: &Arc<PlantHistory>, scope: WalkScope) -> Self {
        let directory = Arc::new(Directory::new(history.site.catalogue.clone()));
        let accounts = Arc::new(Accounts::new([super::SOURCE.to_owned()]));
        let shard = Shard::new(0, 1, directory, accounts, PipelineOptions::default().rules());
        let machines = 0..history.site.stations.len();
        let wanted = machines.filter(|no| scope == WalkScope::All || !history.timelines[*no].episodes.is_empty());
        let runners = wanted.map(|no| Runner::new(history, no, scope)).collect();
        Self { history: history.clone(), shard, runners, scope, at_us: history.parameters.span_us().0, offset: 0 }
    }

    /// One step of the sensors' interval.
    fn step(&mut self, portion: &mut Portion) {
        let Self { history, shard, runners, scope, at_us, .. } = self;
        let (from_us, until_us) = (*at_us, *at_us + history.parameters.sensor_interval_us());
        let concerns = |episode: &Episode| episode.from_us < until_us && episode.repair_us + AFTERMATH_US > from_us;
        let wanted = |runner: &&mut Runner| {
            *scope == WalkScope::All || history.timelines[runner.no.0 as usize].episodes.iter().any(concerns)
        };
        for runner in runners.iter_mut().filter(wanted) {
            let time_us = from_us + runner.offset_us;
            if let Some(chunk) = runner.read(history, time_us, |_| true) {
                shard.take(chunk, portion);
            }
        }
        (0..TICKS).for_each(|_| shard.tick(from_us + LOOK_AT_THE_CLOCK_US, portion));
        for runner in runners.iter_mut().filter(wanted) {
            runner.between(history, (from_us, until_us), |chunk| shard.take(chunk, portion));
        }
        *at_us = until_us;
    }
}

impl Iterator for Walk {
    type Item = Group;

    fn next(&mut self) -> Option<Group> {
        let parameters = self.history.parameters;
        if self.at_us >= parameters.span_us().1 {
            return None;
        }
        let mut portion = Portion::default();
        let until_us = (self.at_us + group_us(&parameters)).min(parameters.span_us().1);
        while self.at_us < until_us {
            self.step(&mut portion);
        }
        let Portion { readings, snapshots, events, dead_letters, marks, .. } = portion;
        let group =
            Group { first_offset: self.offset, readings, snapshots, events, dead_letters, marks, ..Group::default() };
        self.offset = group.next_offset();
        Some(group)
    }
}

/// How much time a group holds: whole steps, and a whole part of a day, so that no group holds two days.
fn group_us(parameters: &HistoryParameters) -> i64 {
    let hour_us = super::timeline::HOUR_US;
    let per_hour = u64::from(parameters.plant.sensors) * hour_us as u64 / parameters.sensor_interval_us() as u64;
    let hours = [24, 12, 8, 6, 4, 3, 2].into_iter().find(|hours| per_hour * hours <= GROUP_RECORDS as u64);
    hours.unwrap_or(1) as i64 * hour_us
}

impl Runner {
    fn new(history: &PlantHistory, no: usize, scope: WalkScope) -> Self {
        let (site, seed) = (&history.site, history.parameters.seed);
        let machine = &site.catalogue.machines()[no].machine;
        let mut random = Random::new(site_seed(seed, &machine.machine_id, 4), 0);
        let (offset_us, protocol) = ((random.next() % SPREAD_US) as i64, random.next() % 5);
        let episodes = &history.timelines[no].episodes;
        let touched = |sensor: u32| episodes.iter().any(|episode| history.reach(episode, sensor).is_some());
        let wanted = site.stations[no].sensors.iter().filter(|sensor| scope == WalkScope::All || touched(**sensor));
        let sensors = wanted.filter_map(|sensor| {
            let entry = site.catalogue.sensor(SensorNo(*sensor))?;
            let signal = Signal::new(seed, &entry.sensor, site.devices.get(*sensor as usize)?);
            Some((entry.no, signal, ailment(&history.parameters, &entry.sensor.sensor_id)))
        });
        Self {
            no: MachineNo(no as u32),
            offset_us,
            protocol: if protocol == 0 { Protocol::Tcp } else { Protocol::Mqtt },
            controller: Controller::new(seed, machine, history.parameters.span_us().0),
            sensors: sensors.collect(),
        }
    }

    /// Snapshots and close readings of a step, in order of time.
    fn between(&mut self, history: &PlantHistory, (from_us, until_us): (i64, i64), mut take: impl FnMut(Chunk)) {
        let first_us = from_us + self.offset_us;
        let watched: Vec<&Episode> = history.timelines[self.no.0 as usize]
            .episodes
            .iter()
            .filter(|episode| watch(episode).0 < until_us && watch(episode).1 > from_us)
            .collect();
        let scada_us = history.parameters.scada_interval_us();
        // The first of the step shares its time with the readings that were taken already.
        let mut next_scada_us = (from_us + scada_us - 1).div_euclid(scada_us) * scada_us + self.offset_us;
        let mut next_watch_us = if watched.is_empty() { i64::MAX } else { first_us + WATCH_US };
        let end_us = until_us + self.offset_us;
        while next_scada_us.min(next_watch_us) < end_us {
            if next_scada_us <= next_watch_us {
                take(self.snapshot(history, next_scada_us));
                next_scada_us += scada_us;
            } else {
                let close = |sensor: SensorNo| watched.iter().any(|episode| history.reach(episode, sensor.0).is_some());
                if let Some(chunk) = self.read(history, next_watch_us, close) {
                    take(chunk);
                }
                next_watch_us += WATCH_US;
            }
        }
    }

    /// What the sensors show at one moment; none when nobody is to be read.
    fn read(&mut self, history: &PlantHistory, at_us: i64, wanted: impl Fn(SensorNo) -> bool) -> Option<Chunk> {
        let timeline = &history.timelines[self.no.0 as usize];
        let episode = timeline.episodes.iter().find(|episode| episode.shows(at_us));
        let load_at = |at_us: i64| timeline.segments[timeline.at(at_us)].load;
        let mut readings = Vec::with_capacity(self.sensors.len());
        for (sensor, signal, ailment) in self.sensors.iter().filter(|(sensor, _, _)| wanted(*sensor)) {
            let shown_us = match *ailment {
                Some(Ailment::Silent { from_us, until_us }) if (from_us..until_us).contains(&at_us) => continue,
                Some(Ailment::Stuck { from_us, until_us }) if (from_us..until_us).contains(&at_us) => from_us,
                _ => at_us,
            };
            let effect = episode.and_then(|episode| {
                let (reach, curve) = history.reach(episode, sensor.0)?;
                Some(reach * curve.at(episode.progress(shown_us)))
            });
            let value = signal.value(shown_us, load_at(shown_us), effect.filter(|share| *share != 0.0));
            readings.push(RawReading {
                sensor: *sensor,
                untimed: false,
                quality: Quality::Good,
                timestamp_us: at_us,
                value,
            });
        }
        (!readings.is_empty()).then(|| self.chunk(at_us, readings, Vec::new()))
    }

    fn snapshot(&mut self, history: &PlantHistory, at_us: i64) -> Chunk {
        let no = self.no.0 as usize;
        let station = &history.site.stations[no];
        let wiring = Wiring {
            machine: &history.site.catalogue.machines()[no].machine,
            power_kw: station.power_kw,
            operators: &station.operators,
            shifts: &history.site.catalogue.shifts,
        };
        let fields = self.controller.snapshot(&wiring, &history.timelines[no], at_us);
        let received_us = self.received_us(at_us);
        let snapshot = Snapshot { machine: self.no, source: 0, received_us, timestamp_us: at_us, fields };
        self.chunk(at_us, Vec::new(), vec![snapshot])
    }

    /// The network takes 4 to 40 ms.
    fn received_us(&self, at_us: i64) -> i64 {
        at_us + 4_000 + (Random::new(u64::from(self.no.0), at_us as usize).next() % 36_000) as i64
    }

    fn chunk(&self, at_us: i64, readings: Vec<RawReading>, snapshots: Vec<Snapshot>) -> Chunk {
        Chunk {
            protocol: self.protocol,
            source: 0,
            client: "".into(),
            received_us: self.received_us(at_us),
            topics: genims_model::Topics::default(),
            readings,
            snapshots,
            events: Vec::new(),
            dead_letters: Vec::new(),
            rows: Vec::new(),
            marks: Vec::new(),
            receipt: Receipt::unwatched(),
        }
    }
}

/// From when until when the touched sensors are read closely: long enough to see the fault close.
fn watch(episode: &Episode) -> (i64, i64) {
    ((episode.from_us + episode.full_us) / 2, episode.repair_us + 15 * MINUTE_US)
}

/// One sensor in 120 falls silent for some hours, one in 250 is stuck for half a day.
fn ailment(parameters: &HistoryParameters, sensor_id: &str) -> Option<Ailment> {
    let mut random = Random::new(site_seed(parameters.seed, sensor_id, 5), 0);
    let (dice, span_us) = (random.unit(), parameters.span_us());
    let from_us = span_us.0 + ((span_us.1 - span_us.0) as f64 * (0.2 + 0.5 * random.unit())) as i64;
    let hours = |hours: f64| from_us + (hours * super::timeline::HOUR_US as f64) as i64;
    if dice < 1.0 / 120.0 {
        Some(Ailment::Silent { from_us, until_us: hours(3.0 + 6.0 * random.unit()) })
    } else if dice < 1.0 / 120.0 + 1.0 / 250.0 {
        Some(Ailment::Stuck { from_us, until_us: hours(12.0 + 4.0 * random.unit()) })
    } else {
        None
    }
}
