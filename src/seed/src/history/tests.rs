//! What a history of two days must be: the same each time, true in its computed columns, eventful.

use super::faults::Fault;
use super::supplied::{Tables, supplied};
use super::walk::{Walk, WalkScope};
use super::{HistoryParameters, PlantHistory, faults, simulate};
use crate::spec::Scale;
use genims_analysis::anomaly::{ANOMALY_FROM, Usual};
use genims_databases::Registry;
use genims_model::reading::flag;
use genims_model::{Event, Group, Reading, SensorNo};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

const TODAY: i32 = 20_779;

fn small() -> &'static (Arc<PlantHistory>, Vec<Group>) {
    static SMALL: OnceLock<(Arc<PlantHistory>, Vec<Group>)> = OnceLock::new();
    SMALL.get_or_init(|| {
        let history = simulate(HistoryParameters::new(Scale::Small, 1, TODAY)).expect("good parameters");
        let groups = history.groups().collect();
        (history, groups)
    })
}

fn small_faults() -> &'static Vec<Fault> {
    static FAULTS: OnceLock<Vec<Fault>> = OnceLock::new();
    FAULTS.get_or_init(|| faults::all(&small().0))
}

fn events() -> impl Iterator<Item = &'static Event> {
    small().1.iter().flat_map(|group| &group.events)
}

#[test]
fn the_same_parameters_give_the_same_groups_and_another_seed_others() {
    let of = |seed| {
        let parameters = HistoryParameters { days: 1, ..HistoryParameters::new(Scale::Small, seed, TODAY) };
        let history = simulate(parameters).expect("good parameters");
        (parameters.log_id(), history.groups().take(1).collect::<Vec<_>>())
    };
    let first = of(1);
    assert_eq!(first, of(1));
    assert_ne!(first, of(2));
}

#[test]
fn groups_are_dense_and_none_holds_two_days() {
    let (history, groups) = small();
    let mut offset = 0;
    for group in groups {
        assert_eq!(group.first_offset, offset);
        offset = group.next_offset();
        let times = group.readings.iter().map(|reading| reading.timestamp_us);
        let days: BTreeSet<i64> = times
            .chain(group.snapshots.iter().map(|s| s.timestamp_us))
            .map(|us| us.div_euclid(super::DAY_US))
            .collect();
        assert_eq!(days.len(), 1);
        assert!(group.len() < 200_000 && group.dead_letters.is_empty());
    }
    let readings: usize = groups.iter().map(|group| group.readings.len()).sum();
    let snapshots: usize = groups.iter().map(|group| group.snapshots.len()).sum();
    assert_eq!(snapshots, 239 * 2 * 288);
    assert!((514_000..640_000).contains(&readings), "{readings}");
    assert_eq!(history.parameters.span_us().1, i64::from(TODAY) * super::DAY_US);
}

/// Window, limits and score of one sensor, worked out from its values alone.
fn check_by_hand(history: &PlantHistory, sensor: SensorNo, readings: &[&Reading]) -> usize {
    let limits = history.site.catalogue.sensor(sensor).expect("a sensor").sensor.limits;
    let width = limits.range_max.zip(limits.range_min).map(|(max, min)| max - min);
    let (mut usual, mut full_windows) = (Usual::new(width), 0);
    for (at, reading) in readings.iter().enumerate() {
        let window: Vec<f64> = readings[..=at]
            .iter()
            .filter(|other| other.timestamp_us > reading.timestamp_us - 60_000_000)
            .map(|other| other.value)
            .collect();
        let mean = window.iter().sum::<f64>() / window.len() as f64;
        let variance = window.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / window.len() as f64;
        let scale = reading.value.abs().max(1.0);
        assert_eq!(reading.min_1min, window.iter().copied().fold(f64::INFINITY, f64::min));
        assert_eq!(reading.max_1min, window.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        assert!(
            (reading.avg_1min - mean).abs() < 1e-9 * scale && (reading.std_1min - variance.sqrt()).abs() < 1e-6 * scale
        );
        let score = usual.score(reading.value);
        assert_eq!((reading.anomaly_score, reading.is(flag::ANOMALY)), (score, score >= ANOMALY_FROM));
        assert_eq!(reading.is(flag::ABOVE_CRITICAL), limits.critical_max.is_some_and(|limit| reading.value > limit));
        assert_eq!(reading.is(flag::BELOW_CRITICAL), limits.critical_min.is_some_and(|limit| reading.value < limit));
        assert_eq!(reading.is(flag::ABOVE_WARNING), limits.warning_max.is_some_and(|limit| reading.value > limit));
        full_windows += usize::from(window.len() > 1);
    }
    full_windows
}

#[test]
fn computed_columns_are_those_worked_out_by_hand() {
    let (history, groups) = small();
    let mut faulty: Vec<SensorNo> = small_faults().iter().filter_map(|fault| fault.opened.sensor).collect();
    faulty.truncate(5);
    let mut full_windows = 0;
    for sensor in faulty.into_iter().chain([SensorNo(0), SensorNo(1_000), SensorNo(1_787)]) {
        let of = |group: &'static Group| group.readings.iter().filter(move |reading| reading.sensor == sensor);
        let readings: Vec<&Reading> = groups.iter().flat_map(of).collect();
        assert!(readings.is_sorted_by_key(|reading| reading.timestamp_us) && readings.len() >= 200);
        full_windows += check_by_hand(history, sensor, &readings);
    }
    assert!(full_windows > 500, "only {full_windows} windows hold more than one reading");
}

#[test]
fn faults_open_and_close_on_many_machines_and_some_stay_open() {
    let all = small_faults();
    let (closed, open): (Vec<&Fault>, Vec<&Fault>) = all.iter().partition(|fault| fault.closed.is_some());
    let machines: BTreeSet<u32> = all.iter().map(|fault| fault.opened.machine.0).collect();
    println!("{} faults on {} machines, {} open", all.len(), machines.len(), open.len());
    assert!(all.len() >= 30 && machines.len() >= 15, "{} on {}", all.len(), machines.len());
    assert!(open.len() >= 3 && open.len() * 2 < all.len(), "{}", open.len());
    let registry = Registry::load(None).expect("the embedded registry");
    let tables = supplied(&small().0, &registry, Tables::Faults).expect("rows");
    let table = &tables["genims_operations_db.machine_faults"];
    assert_eq!(table.rows, all.len());
    let column = |name: &str| &table.columns[name];
    assert!(column("fault_id").iter().map(|id| id.integer()).eq((1..=all.len() as i64).map(Some)));
    let stood = column("downtime_minutes").iter().filter(|minutes| minutes.integer().is_some_and(|m| m > 0)).count();
    assert!(stood * 3 > closed.len() * 2, "{stood} of {} with downtime", closed.len());
    assert_eq!(column("resolved_by").iter().filter(|by| !by.is_null()).count(), closed.len());
    assert!(column("predicted_in_advance").iter().any(|predicted| predicted.is_true()));
    let methods: BTreeSet<&str> = all.iter().map(|fault| fault.opened.detection_method.as_str()).collect();
    assert_eq!(methods, BTreeSet::from(["plc", "threshold"]));
}

#[test]
fn the_walk_over_faulty_machines_finds_exactly_the_faults_of_the_whole() {
    let parameters = HistoryParameters { days: 5, ..HistoryParameters::new(Scale::Small, 7, TODAY) };
    let history = simulate(parameters).expect("good parameters");
    let mut whole = faults::Gatherer::default();
    history.groups().for_each(|group| whole.take(&history, &group));
    let lines = |faults: Vec<Fault>| faults.iter().map(|fault| format!("{fault:?}")).collect::<Vec<_>>();
    let (whole, alone) = (lines(whole.finish(&history)), lines(faults::all(&history)));
    assert!(whole == alone, "{} and {}", whole.len(), alone.len());
    assert!(whole.len() > 100, "{}", whole.len());
}

#[test]
fn bad_machines_fail_more_often() {
    let parameters = HistoryParameters { days: 30, ..HistoryParameters::new(Scale::Small, 3, TODAY) };
    let history = simulate(parameters).expect("good parameters");
    let mut counts: BTreeMap<bool, (usize, usize)> = BTreeMap::new();
    for (entry, timeline) in history.site.catalogue.machines().iter().zip(&history.timelines) {
        let bad = super::timeline::BAD_MACHINES.contains(&entry.machine.machine_id.as_str());
        let count = counts.entry(bad).or_default();
        *count = (count.0 + timeline.episodes.len(), count.1 + 1);
    }
    let per_machine = |bad| counts[&bad].0 as f64 / counts[&bad].1 as f64;
    assert!(per_machine(true) > 4.0 * per_machine(false), "{counts:?}");
}

#[test]
fn everything_that_the_analysis_notices_happens() {
    let count = |wanted: fn(&Event) -> bool| events().filter(|event| wanted(event)).count();
    assert!(count(|event| matches!(event, Event::StateChanged { .. })) > 5_000);
    assert!(count(|event| matches!(event, Event::PartsCounted { .. })) > 50_000);
    // The last hour of each machine is finished by nobody; who rests or is maintained for an hour has none.
    assert!((239 * 40..=239 * 47).contains(&count(|event| matches!(event, Event::OeeHour(_)))));
    assert!(count(|event| matches!(event, Event::SensorHealth(_))) > 1_788 * 46);
    for status in ["healthy", "failed", "silent"] {
        let of = |event: &&Event| matches!(event, Event::SensorHealth(health) if health.overall_status == status);
        assert!(events().filter(of).count() > 0, "{status}");
    }
    let oee: Vec<f64> =
        events().filter_map(|event| if let Event::OeeHour(hour) = event { Some(hour.oee) } else { None }).collect();
    let mean = oee.iter().sum::<f64>() / oee.len() as f64;
    assert!((0.45..0.95).contains(&mean), "{mean}");
}

#[test]
fn the_supplied_health_is_that_of_the_groups() {
    let parameters = HistoryParameters { days: 1, ..HistoryParameters::new(Scale::Small, 1, TODAY) };
    let history = simulate(parameters).expect("good parameters");
    let registry = Registry::load(None).expect("the embedded registry");
    let tables = supplied(&history, &registry, Tables::FaultsAndHealth).expect("rows");
    let health = Walk::new(&history, WalkScope::All).flat_map(|group| group.events);
    let health = health.filter(|event| matches!(event, Event::SensorHealth(_))).count();
    assert_eq!(tables["genims_operations_db.sensor_health"].rows, health);
    assert!(health > 1_788 * 22);
}
