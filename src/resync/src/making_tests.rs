//! What stored records tell of again, and what they do not.

use super::*;
use genims_catalogue::{Limits, Machine, Sensor};
use genims_model::event::SensorHealth;
use genims_model::reading::flag;
use genims_model::snapshot::SnapshotFields;
use genims_model::{Protocol, Quality, Status};

pub(crate) const SECOND_US: i64 = 1_000_000;
pub(crate) const BEGIN_US: i64 = 1_760_000_000 * SECOND_US;

pub(crate) fn catalogue() -> (Arc<Catalogue>, MachineNo, SensorNo) {
    let mut catalogue = Catalogue::default();
    let [machine_id, line_id, factory_id] = ["M1", "L1", "F1"].map(str::to_owned);
    let (machine, _) = catalogue.put_machine(Machine {
        machine_id: machine_id.clone(),
        line_id: line_id.clone(),
        factory_id: factory_id.clone(),
        machine_code: None,
        machine_type: None,
        design_capacity_units_per_hour: Some(60),
        active: true,
    });
    let (sensor, _) = catalogue.put_sensor(Sensor {
        sensor_id: "S1".to_owned(),
        machine_id,
        line_id,
        factory_id,
        unit: "C".to_owned(),
        sensor_code: Some("TEMP-1".to_owned()),
        sensor_type: Some("temperature".to_owned()),
        limits: Limits { critical_max: Some(80.0), ..Limits::default() },
        sampling_frequency_hz: None,
        calibration_day: None,
        calibration_frequency_days: None,
        active: true,
    });
    (Arc::new(catalogue), machine, sensor)
}

pub(crate) fn rules() -> Rules {
    Rules {
        same_timestamp: Default::default(),
        retention_us: 0,
        late_after_us: SECOND_US,
        skew_tolerated_us: SECOND_US,
        skew_us_max: SECOND_US,
        bounds: genims_analysis::window::Bounds { keep_min: 16, held_max: 1_000 },
        routed: false,
    }
}

pub(crate) fn snapshot(machine: MachineNo, second: i64, state: &str, kwh: f64, fault: Option<&str>) -> Received {
    let at_us = BEGIN_US + second * SECOND_US;
    let fields = SnapshotFields {
        machine_state: state.to_owned(),
        energy_consumed_kwh: Some(kwh),
        fault_code: fault.map(str::to_owned),
        ..SnapshotFields::default()
    };
    Received::Snapshot(Box::new(Snapshot { machine, source: 0, received_us: at_us, timestamp_us: at_us, fields }))
}

pub(crate) fn reading(sensor: SensorNo, second: i64, value: f64) -> Received {
    let at_us = BEGIN_US + second * SECOND_US;
    Received::Reading(Reading {
        sensor,
        protocol: Protocol::Mqtt,
        status: Status::Normal,
        quality: Quality::Good,
        flags: if value > 80.0 { flag::ABOVE_CRITICAL } else { 0 },
        source: 0,
        timestamp_us: at_us,
        received_us: at_us,
        value,
        min_1min: value,
        max_1min: value,
        avg_1min: value,
        std_1min: 0.0,
        anomaly_score: 0.0,
    })
}

fn made(maker: &mut Maker, records: &[Received]) -> Vec<Event> {
    let mut events = Vec::new();
    for record in records {
        maker.see(record, &mut events);
    }
    events
}

#[test]
fn the_states_of_a_machine_are_told_again_and_its_silence_is_not() {
    let (catalogue, machine, _) = catalogue();
    let mut maker = Maker::new(catalogue, rules(), Vec::new());
    let records =
        [(0, "IDLE"), (10, "RUNNING"), (4_000, "IDLE")].map(|(at, state)| snapshot(machine, at, state, 0.0, None));
    let told: Vec<(String, Option<i64>)> = made(&mut maker, &records)
        .into_iter()
        .filter_map(|event| match event {
            Event::StateChanged { to, lasted_us, .. } => Some((to, lasted_us)),
            Event::MachineSilent { .. } => panic!("told by the clock"),
            _ => None,
        })
        .collect();
    let expected = [("IDLE", None), ("RUNNING", None), ("IDLE", Some(3_990 * SECOND_US))];
    assert_eq!(told, expected.map(|(to, lasted_us)| (to.to_owned(), lasted_us)));
}

#[test]
fn a_fault_that_was_open_ends_as_its_row_says_and_one_of_a_sensor_opens_as_in_the_stream() {
    let (catalogue, machine, sensor) = catalogue();
    let (start_us, end_us) = (BEGIN_US - 600 * SECOND_US, BEGIN_US + SECOND_US);
    let opened = FaultOpened {
        machine,
        fault_code: "E-7".to_owned(),
        category: "control".to_owned(),
        severity: "high".to_owned(),
        description: String::new(),
        start_us,
        sensor: None,
        detection_method: "plc".to_owned(),
    };
    let closed = FaultClosed {
        machine,
        fault_code: "E-7".to_owned(),
        start_us,
        end_us,
        downtime_minutes: Some(10),
        production_loss_units: Some(77),
    };
    // The sensor's has a row, too; what else the analysis may find of it has none.
    let of_sensor = FaultOpened {
        fault_code: "TEMP-1_HIGH".to_owned(),
        start_us: BEGIN_US + 2 * SECOND_US,
        sensor: Some(sensor),
        detection_method: "threshold".to_owned(),
        ..opened.clone()
    };
    let faults = vec![Event::FaultOpened(opened), Event::FaultOpened(of_sensor), Event::FaultClosed(closed.clone())];
    let mut maker = Maker::new(catalogue, rules(), faults);
    let mut records = vec![snapshot(machine, 0, "FAULT", 0.0, Some("E-7")), snapshot(machine, 1, "RUNNING", 0.0, None)];
    records.extend((2..5).map(|second| reading(sensor, second, 90.0)));
    records.extend((5..20).map(|second| reading(sensor, second, if second < 12 { 40.0 } else { 90.0 })));
    let events = made(&mut maker, &records);
    assert!(events.contains(&Event::FaultClosed(closed)), "{events:?}");
    let opened: Vec<&FaultOpened> = events
        .iter()
        .filter_map(|event| match event {
            Event::FaultOpened(fault) => Some(fault),
            _ => None,
        })
        .collect();
    assert_eq!(opened.len(), 1, "{events:?}");
    assert_eq!((opened[0].fault_code.as_str(), opened[0].sensor), ("TEMP-1_HIGH", Some(sensor)));
    assert!(events.iter().any(|event| matches!(event, Event::LimitCrossed(crossed) if crossed.level == "critical")));
}

#[test]
fn energy_is_told_at_the_moments_of_the_stream_once_the_register_was_taken_up() {
    let (catalogue, machine, _) = catalogue();
    let told_at = |taken_up: bool| {
        let mut maker = Maker::new(catalogue.clone(), rules(), Vec::new());
        let mut events = Vec::new();
        for second in (0..200).step_by(10) {
            let record = snapshot(machine, second, "RUNNING", second as f64, None);
            maker.see(&record, &mut events);
            if let Received::Snapshot(snapshot) = &record
                && taken_up
                && second == 30
            {
                maker.take_up_energy(snapshot, snapshot.timestamp_us);
            }
        }
        let told = events.iter().filter_map(|event| match event {
            Event::EnergyMetered { timestamp_us, kwh, .. } => Some(((timestamp_us - BEGIN_US) / SECOND_US, *kwh)),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(told_at(false), [(60, 60.0), (120, 60.0), (180, 60.0)]);
    assert_eq!(told_at(true), [(90, 60.0), (150, 60.0)]);
}

#[test]
fn health_is_told_as_it_was_stored() {
    let (catalogue, _, sensor) = catalogue();
    let health = SensorHealth {
        sensor,
        timestamp_us: BEGIN_US,
        health_score: 40.0,
        drift_percentage: None,
        noise_level: None,
        last_communication_us: None,
        communication_failures_24h: 1,
        stuck: false,
        erratic: false,
        out_of_range_24h: 0,
        average_latency_ms: None,
        overall_status: "silent".to_owned(),
    };
    let mut maker = Maker::new(catalogue, rules(), Vec::new());
    let events = made(&mut maker, &[Received::Health(Box::new(health.clone()))]);
    assert_eq!(events, [Event::SensorHealth(health)]);
}

/// The stream's clock finished it, when nothing came. What the next snapshot adds to it the stream told with that.
#[test]
fn an_hour_that_ended_in_the_quiet_before_is_not_made_anew() {
    let (catalogue, machine, _) = catalogue();
    let planned_s = |passes: bool| {
        let mut maker = Maker::new(catalogue.clone(), rules(), Vec::new());
        made(&mut maker, &[500, 600, 700].map(|second| snapshot(machine, second, "RUNNING", 0.0, None)));
        let quiet_s = 8 * 3_600;
        if passes {
            maker.pass(BEGIN_US + quiet_s * SECOND_US);
        }
        let events = made(&mut maker, &[snapshot(machine, quiet_s + 300, "RUNNING", 0.0, None)]);
        let planned = events.iter().filter_map(|event| match event {
            Event::OeeHour(hour) => Some(hour.planned_seconds),
            _ => None,
        });
        planned.collect::<Vec<_>>()
    };
    assert_eq!((planned_s(false), planned_s(true)), (vec![200.0, 300.0], vec![300.0]));
}

/// What a gateway said once and not again, because it did not change.
#[test]
fn what_was_said_long_before_is_no_change() {
    let (catalogue, machine, _) = catalogue();
    let says = |second: i64, operator: Option<&str>, tool: Option<i32>| {
        let Received::Snapshot(mut snapshot) = snapshot(machine, second, "RUNNING", 0.0, None) else { unreachable!() };
        (snapshot.fields.operator_id, snapshot.fields.tool_number) = (operator.map(str::to_owned), tool);
        Received::Snapshot(snapshot)
    };
    let mut maker = Maker::new(catalogue, rules(), Vec::new());
    made(&mut maker, &[says(0, Some("A"), Some(4)), says(9_000, None, None)]);
    let events = made(&mut maker, &[says(9_010, Some("A"), None), says(9_020, Some("B"), Some(5))]);
    let told = |event: &&Event| matches!(event, Event::OperatorChanged { .. } | Event::ToolChanged { .. });
    let told: Vec<String> = events.iter().filter(told).map(|event| format!("{event:?}")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("from: 4, to: 5") && told[1].contains(r#"from: "A", to: "B""#), "{told:?}");
}
