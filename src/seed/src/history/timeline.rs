//! One machine's life, decided before anything is measured: what state it is in when, and what goes wrong.
//!
//! Running, idle, setup and maintenance follow one another by chance; an episode (a fault pattern running its course) stops
//! the machine until it is repaired; some lines rest on Sundays. Everything depends on the seed and the machine alone.

use super::pattern::Pattern;
use crate::functions::{Random, site_seed};

pub(super) const MINUTE_US: i64 = 60_000_000;
pub(super) const HOUR_US: i64 = 60 * MINUTE_US;
pub(super) const DAY_US: i64 = 24 * HOUR_US;

/// They fail ten times as often as the others.
pub(super) const BAD_MACHINES: [&str; 5] = ["MCH-0007", "MCH-0019", "MCH-0042", "MCH-0088", "MCH-0131"];
/// Of these one fault is open when the history ends.
const STILL_BROKEN: [&str; 3] = ["MCH-0007", "MCH-0042", "MCH-0131"];
const DAYS_BETWEEN_EPISODES: f64 = 14.0;
const DAYS_BETWEEN_EPISODES_BAD: f64 = 1.4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Idle,
    Setup,
    Fault,
    Maintenance,
    Off,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Idle => "IDLE",
            Self::Setup => "SETUP",
            Self::Fault => "FAULT",
            Self::Maintenance => "MAINTENANCE",
            Self::Off => "OFF",
        }
    }

    /// Whether the machine stands for a fault.
    pub(super) fn is_down(self) -> bool {
        matches!(self, Self::Fault | Self::Maintenance)
    }

    fn mean_minutes(self) -> f64 {
        match self {
            Self::Running => 95.0,
            Self::Idle => 9.0,
            Self::Setup => 18.0,
            Self::Maintenance => 45.0,
            Self::Fault | Self::Off => 30.0,
        }
    }
}

/// From `from_us` until the next one begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Segment {
    pub from_us: i64,
    pub state: State,
    /// 0 (standing) to 1 (full load).
    pub load: f64,
}

/// A pattern running its course: signs from `from_us`, full effect at `full_us`, the machine stops at `stops_us`, is worked
/// on from `repair_us` and runs again at `ends_us`. A pattern that stops nothing ends at `repair_us`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Episode {
    pub pattern: &'static Pattern,
    pub from_us: i64,
    pub full_us: i64,
    pub stops_us: i64,
    pub repair_us: i64,
    pub ends_us: i64,
    /// Which sensor drifts, and to which side.
    pub drifting: u32,
    pub sign: f64,
}

impl Episode {
    pub(super) fn progress(&self, at_us: i64) -> f64 {
        ((at_us - self.from_us) as f64 / (self.full_us - self.from_us).max(1) as f64).clamp(0.0, 1.0)
    }

    /// While the values are not what they should be.
    pub(super) fn shows(&self, at_us: i64) -> bool {
        (self.from_us..self.repair_us).contains(&at_us)
    }
}

/// What the plan of a machine depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    pub seed: u64,
    pub machine_id: &'a str,
    /// From, until.
    pub span_us: (i64, i64),
    /// Rests from Sunday morning to Monday morning.
    pub rests: bool,
    /// What can go wrong: patterns, and the sensors one of which may drift.
    pub patterns: &'a [&'static Pattern],
    pub sensors: &'a [u32],
}

#[derive(Clone, Debug)]
pub(super) struct Timeline {
    pub segments: Vec<Segment>,
    pub episodes: Vec<Episode>,
}

impl Timeline {
    pub(super) fn new(plan: &Plan<'_>) -> Self {
        let mut random = Random::new(site_seed(plan.seed, plan.machine_id, 1), 0);
        let episodes = episodes(plan, &mut random);
        let mut interruptions: Vec<(i64, Vec<(State, i64)>)> = Vec::new();
        for episode in episodes.iter().filter(|episode| episode.pattern.stops) {
            let down = vec![(State::Fault, episode.repair_us), (State::Maintenance, episode.ends_us)];
            interruptions.push((episode.stops_us, down));
        }
        if plan.rests {
            let days = plan.span_us.0.div_euclid(DAY_US) - 1..=plan.span_us.1.div_euclid(DAY_US);
            // 1970-01-01 was a Thursday.
            for day in days.filter(|day| day.rem_euclid(7) == 3) {
                let from_us = day * DAY_US + 6 * HOUR_US;
                let until_us = from_us + DAY_US;
                let busy = |episode: &Episode| episode.from_us < until_us && episode.ends_us > from_us;
                if !episodes.iter().any(busy) {
                    interruptions.push((from_us, vec![(State::Off, until_us)]));
                }
            }
        }
        interruptions.sort_by_key(|(from_us, _)| *from_us);
        Self { segments: segments(plan, &interruptions, &mut random), episodes }
    }

    /// The segment in force.
    pub(super) fn at(&self, at_us: i64) -> usize {
        self.segments.partition_point(|segment| segment.from_us <= at_us).saturating_sub(1)
    }

    /// How long the machine was down for faults within a span.
    pub(super) fn down_us(&self, (from_us, until_us): (i64, i64)) -> i64 {
        let until = |index: usize| self.segments.get(index + 1).map_or(i64::MAX, |next| next.from_us);
        let first = self.at(from_us);
        let touched =
            self.segments.iter().enumerate().skip(first).take_while(|(_, segment)| segment.from_us < until_us);
        let down = touched.filter(|(_, segment)| segment.state.is_down());
        down.map(|(index, segment)| (until(index).min(until_us) - segment.from_us.max(from_us)).max(0)).sum()
    }
}

fn episodes(plan: &Plan<'_>, random: &mut Random) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::new();
    if plan.patterns.is_empty() {
        return episodes;
    }
    let bad = BAD_MACHINES.contains(&plan.machine_id);
    let mean_us = if bad { DAYS_BETWEEN_EPISODES_BAD } else { DAYS_BETWEEN_EPISODES } * DAY_US as f64;
    let end_us = plan.span_us.1;
    // The last one of the still broken ones has its time for itself.
    let last_us = STILL_BROKEN.contains(&plan.machine_id).then(|| end_us - 7 * HOUR_US);
    let mut at_us = plan.span_us.0;
    loop {
        at_us += exponential(random, mean_us).max(2.0 * HOUR_US as f64) as i64;
        let episode = episode(plan, random, at_us);
        if at_us >= end_us || last_us.is_some_and(|last_us| episode.ends_us >= last_us) {
            break;
        }
        at_us = episode.ends_us;
        episodes.push(episode);
    }
    if let Some(last_us) = last_us.filter(|last_us| *last_us > plan.span_us.0) {
        let mut last = episode(plan, random, last_us);
        while !last.pattern.stops {
            last = episode(plan, random, last_us);
        }
        // Stands, and is not yet repaired.
        last.stops_us = last.stops_us.min(end_us - HOUR_US);
        (last.repair_us, last.ends_us) = (end_us + HOUR_US, end_us + 3 * HOUR_US);
        episodes.push(last);
    }
    episodes
}

fn episode(plan: &Plan<'_>, random: &mut Random, from_us: i64) -> Episode {
    let pattern = plan.patterns[random.below(plan.patterns.len())];
    let mut minutes = |usual: f64, spread: (f64, f64)| {
        (usual * (spread.0 + (spread.1 - spread.0) * random.unit()) * MINUTE_US as f64) as i64
    };
    let full_us = from_us + minutes(pattern.develops_minutes, (0.7, 1.2));
    let stops_us = full_us + minutes(25.0, (0.6, 1.8));
    let repair_us = stops_us + minutes(30.0, (0.3, 2.0));
    let ends_us = repair_us + minutes(pattern.repair_minutes, (0.6, 1.6));
    let drifting = plan.sensors.get(random.below(plan.sensors.len().max(1))).copied().unwrap_or(0);
    let sign = if random.next() & 1 == 0 { 1.0 } else { -1.0 };
    Episode { pattern, from_us, full_us, stops_us, repair_us, ends_us, drifting, sign }
}

fn segments(plan: &Plan<'_>, interruptions: &[(i64, Vec<(State, i64)>)], random: &mut Random) -> Vec<Segment> {
    let mut segments = Vec::new();
    // Begun some time before, so that machines do not all start together.
    let mut at_us = plan.span_us.0 - (random.unit() * 4.0 * HOUR_US as f64) as i64;
    let mut interruptions = interruptions.iter().peekable();
    let mut state = State::Running;
    while at_us <= plan.span_us.1 {
        if let Some((_, steps)) = interruptions.next_if(|(from_us, _)| *from_us <= at_us) {
            for (down, until_us) in steps {
                if *until_us > at_us {
                    segments.push(Segment { from_us: at_us, state: *down, load: load(*down, at_us, random) });
                    at_us = *until_us;
                }
            }
            state = State::Setup;
            continue;
        }
        segments.push(Segment { from_us: at_us, state, load: load(state, at_us, random) });
        let mean_us = state.mean_minutes() * MINUTE_US as f64;
        let dwell_us = exponential(random, mean_us).clamp(mean_us * 0.1, mean_us * 4.0) as i64;
        at_us += dwell_us;
        if let Some((from_us, _)) = interruptions.peek() {
            at_us = at_us.min(*from_us);
        }
        state = after(state, random.unit());
    }
    segments
}

fn after(state: State, dice: f64) -> State {
    match state {
        State::Running if dice < 0.62 => State::Idle,
        State::Running if dice < 0.97 => State::Setup,
        State::Running => State::Maintenance,
        _ => State::Running,
    }
}

fn load(state: State, at_us: i64, random: &mut Random) -> f64 {
    // Nights are slower.
    let pace = if (5..21).contains(&(at_us.rem_euclid(DAY_US) / HOUR_US)) { 1.0 } else { 0.93 };
    match state {
        State::Running => pace * (0.88 + 0.12 * random.unit()),
        State::Setup => 0.3,
        State::Idle => 0.12,
        State::Fault | State::Maintenance => 0.04,
        State::Off => 0.0,
    }
}

fn exponential(random: &mut Random, mean: f64) -> f64 {
    -(1.0 - random.unit()).ln() * mean
}
