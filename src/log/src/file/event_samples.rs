//! Samples of every kind of event, in the order in which the kinds came: the content of committed golden files, which
//! never changes.

use super::samples::faults;
use genims_model::event::{AnomalySeen, FaultOpened, LimitCrossed, OeeHour, SensorHealth};
use genims_model::{Event, MachineNo, SensorNo};

/// Each line: the version of the section that first held the kind, the kind, its samples.
macro_rules! samples {
    ($($version:literal $kind:pat => [$($sample:expr),+];)+) => {
        /// A new kind of event does not compile here before it has a line, which is a new version and a new golden file.
        pub(super) fn version(event: &Event) -> u16 {
            match event {
                $($kind => $version,)+
            }
        }

        /// Everything that a section of this version may hold.
        pub(super) fn of_version(version: u16) -> Vec<Event> {
            let mut events = Vec::new();
            $(
                let samples = [$($sample),+];
                assert!(samples.iter().all(|sample| matches!(sample, $kind)), "samples of another kind");
                if $version <= version {
                    events.extend(samples);
                }
            )+
            events
        }
    };
}

const MACHINE: MachineNo = MachineNo(2);
const SENSOR: SensorNo = SensorNo(7);

samples! {
    1 Event::FaultOpened(_) => [
        Event::FaultOpened(faults().0),
        Event::FaultOpened(FaultOpened { start_us: 12, sensor: None, ..faults().0 })
    ];
    1 Event::FaultClosed(_) => [Event::FaultClosed(faults().2)];
    1 Event::SensorHealth(_) => [Event::SensorHealth(SensorHealth {
        sensor: SENSOR,
        timestamp_us: 30,
        health_score: 87.5,
        drift_percentage: Some(0.25),
        noise_level: None,
        last_communication_us: Some(29),
        communication_failures_24h: 2,
        stuck: false,
        erratic: true,
        out_of_range_24h: 3,
        average_latency_ms: Some(1.5),
        overall_status: "degraded".to_owned(),
    })];
    1 Event::StateChanged { .. } => [state_changed(None), state_changed(Some(6_000_000))];
    1 Event::PartsCounted { .. } => [parts_counted(None), parts_counted(Some(1_000_000))];
    1 Event::OeeHour(_) => [Event::OeeHour(OeeHour {
        machine: MACHINE,
        hour_us: 3_600_000_000,
        availability: 0.5,
        performance: 0.75,
        quality: 1.0,
        oee: 0.375,
        running_seconds: 1_800.0,
        planned_seconds: 3_600.0,
        produced: 42,
        rejected: 0,
    })];
    1 Event::ClientLost { .. } => [Event::ClientLost {
        client_id: "plc-1".to_owned(),
        timestamp_us: 50,
        will_topic: "genims/v1/F1".to_owned(),
        will_payload: vec![0, 200, 255],
    }];
    2 Event::EnergyMetered { .. } => [Event::EnergyMetered {
        machine: MACHINE,
        timestamp_us: 60,
        kwh: 1.25,
        register_kwh: 90_210.5,
        interval_us: 900_000_000,
    }];
    2 Event::ToolChanged { .. } => [Event::ToolChanged { machine: MACHINE, timestamp_us: 61, from: 2, to: 13 }];
    2 Event::OperatorChanged { .. } => [operator_changed(None), operator_changed(Some("A"))];
    3 Event::LimitCrossed(_) => [Event::LimitCrossed(LimitCrossed {
        sensor: SENSOR,
        timestamp_us: 70,
        start_us: 69,
        value: 81.5,
        limit: 80.0,
        above: true,
        level: "warning".to_owned(),
        beyond: true,
    })];
    3 Event::AnomalySeen(_) => [Event::AnomalySeen(AnomalySeen {
        sensor: SENSOR,
        start_us: 71,
        end_us: 79,
        readings: 4,
        score: 0.875,
        value: 99.5,
        expected: 20.25,
    })];
    3 Event::QualityMeasured { .. } => [quality_measured(None), quality_measured(Some(7.25))];
    3 Event::MachineSilent { .. } => [
        Event::MachineSilent { machine: MACHINE, timestamp_us: 90, last_us: 30, silent: true },
        Event::MachineSilent { machine: MACHINE, timestamp_us: 95, last_us: 94, silent: false }
    ];
}

fn state_changed(lasted_us: Option<i64>) -> Event {
    let (from, to) = ("IDLE".to_owned(), "RUNNING".to_owned());
    Event::StateChanged { machine: MACHINE, timestamp_us: 40, from, to, lasted_us }
}

fn parts_counted(interval_us: Option<i64>) -> Event {
    Event::PartsCounted { machine: MACHINE, timestamp_us: 41, produced: 5, rejected: 1, interval_us }
}

fn operator_changed(shift_id: Option<&str>) -> Event {
    let (from, to, shift_id) = (String::new(), "EMP-17".to_owned(), shift_id.map(str::to_owned));
    Event::OperatorChanged { machine: MACHINE, timestamp_us: 62, from, to, shift_id }
}

fn quality_measured(low: Option<f64>) -> Event {
    Event::QualityMeasured { sensor: SENSOR, timestamp_us: 80, value: 7.5, low, high: Some(8.0) }
}
