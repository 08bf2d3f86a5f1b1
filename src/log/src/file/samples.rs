//! Made-up but complete records for the tests of this folder.

use genims_model::event::{FaultClosed, FaultOpened, OeeHour, SensorHealth};
use genims_model::snapshot::SnapshotFields;
use genims_model::{
    DeadLetter, Event, Group, MachineNo, Mark, Portion, Protocol, Quality, Reading, Reason, Row, SensorNo, Snapshot,
    Status,
};

pub(super) fn reading(salt: u64) -> Reading {
    let value = salt as f64 * 0.25;
    Reading {
        sensor: SensorNo(salt as u32),
        protocol: Protocol::from_u8((salt % 4) as u8).unwrap(),
        status: Status::from_u8((salt % 3) as u8).unwrap(),
        quality: Quality::from_u8((salt % 5) as u8).unwrap(),
        flags: salt as u8,
        source: (salt >> 3) as u8,
        timestamp_us: salt.cast_signed(),
        received_us: -(salt.cast_signed() / 2),
        value,
        min_1min: value - 1.0,
        max_1min: value + 1.0,
        avg_1min: -value,
        std_1min: value / 3.0,
        anomaly_score: (salt % 100) as f32 / 100.0,
    }
}

pub(super) fn snapshot(salt: u64) -> Snapshot {
    let fields = SnapshotFields {
        machine_state: "RUNNING".to_owned(),
        fault_code: salt.is_multiple_of(2).then(|| format!("F{salt}")),
        parts_produced_cumulative: Some(salt.cast_signed()),
        actual_cycle_time_seconds: Some(1.5),
        ..SnapshotFields::default()
    };
    Snapshot { machine: MachineNo(salt as u32), source: 1, received_us: 2, timestamp_us: 3, fields }
}

/// A fault that opens, another one, and the end of the first.
pub(super) fn faults() -> (FaultOpened, FaultOpened, FaultClosed) {
    let opened = FaultOpened {
        machine: MachineNo(1),
        fault_code: "OVERHEAT".to_owned(),
        category: "thermal".to_owned(),
        severity: "high".to_owned(),
        description: "spindle".to_owned(),
        start_us: 10,
        sensor: Some(SensorNo(4)),
        detection_method: "threshold".to_owned(),
    };
    let other = FaultOpened { start_us: 11, ..opened.clone() };
    let closed = FaultClosed {
        machine: MachineNo(1),
        fault_code: "OVERHEAT".to_owned(),
        start_us: 10,
        end_us: 20,
        downtime_minutes: Some(1),
        production_loss_units: None,
    };
    (opened, other, closed)
}

fn event(salt: u64) -> Event {
    let (opened, _, closed) = faults();
    match salt % 3 {
        0 => Event::FaultOpened(FaultOpened { start_us: salt.cast_signed(), ..opened }),
        1 => Event::FaultClosed(closed),
        _ => Event::PartsCounted {
            machine: MachineNo(2),
            timestamp_us: salt.cast_signed(),
            produced: 5,
            rejected: 1,
            interval_us: None,
        },
    }
}

fn dead_letter(salt: u64) -> DeadLetter {
    DeadLetter {
        source: 2,
        client: String::new(),
        received_us: salt.cast_signed(),
        topic: "genims/v1/F1/L1/M1/X".to_owned(),
        reason: Reason::ALL[(salt % 11) as usize],
        detail: "tried".to_owned(),
        payload: vec![salt as u8; (salt % 50) as usize],
        payload_bytes: salt % 50,
        records: 1,
    }
}

pub(super) fn row(salt: u64) -> Row {
    Row {
        source: 1,
        client: "erp".to_owned(),
        received_us: salt.cast_signed(),
        database: "genims_erp_db".to_owned(),
        table: "materials".to_owned(),
        upsert: salt.is_multiple_of(2),
        key: vec!["material_id".to_owned()],
        values: format!("{{\"material_id\":\"MAT-{salt}\"}}"),
    }
}

/// Of seven clients, which count anew now and then.
fn mark(salt: u64) -> Mark {
    Mark { client: format!("plc-{}", salt % 7), sequence: if salt.is_multiple_of(11) { 0 } else { salt } }
}

/// `others` snapshots, events, dead letters and rows each.
pub(crate) fn portion(readings: usize, others: usize, marks: usize, salt: u64) -> Portion {
    let salts = |count: usize| (0..count as u64).map(move |index| salt.wrapping_add(index) >> 1);
    Portion {
        readings: salts(readings).map(reading).collect(),
        snapshots: salts(others).map(snapshot).collect(),
        events: salts(others).map(event).collect(),
        dead_letters: salts(others).map(dead_letter).collect(),
        rows: salts(others).map(row).collect(),
        marks: salts(marks).map(mark).collect(),
        ..Portion::default()
    }
}

/// The group that a portion becomes when it is not split.
pub(crate) fn group_of(portion: &Portion, first_offset: u64) -> Group {
    Group {
        first_offset,
        readings: portion.readings.clone(),
        snapshots: portion.snapshots.clone(),
        events: portion.events.clone(),
        dead_letters: portion.dead_letters.clone(),
        rows: portion.rows.clone(),
        marks: portion.marks.clone(),
        skipped: 0,
    }
}

/// One of everything, fixed for ever: the content of the committed golden files.
pub(super) fn golden() -> Portion {
    let (opened, _, closed) = faults();
    let health = SensorHealth {
        sensor: SensorNo(7),
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
    };
    let hour = OeeHour {
        machine: MachineNo(3),
        hour_us: 3_600_000_000,
        availability: 0.5,
        performance: 0.75,
        quality: 1.0,
        oee: 0.375,
        running_seconds: 1_800.0,
        planned_seconds: 3_600.0,
        produced: 42,
        rejected: 0,
    };
    let lost = Event::ClientLost {
        client_id: "plc-1".to_owned(),
        timestamp_us: 50,
        will_topic: "genims/v1/F1".to_owned(),
        will_payload: vec![0, 200, 255],
    };
    let (from, to) = ("IDLE".to_owned(), "RUNNING".to_owned());
    let mut portion = portion(3, 2, 0, 40);
    portion.events = vec![
        Event::FaultOpened(opened),
        Event::FaultClosed(closed),
        Event::SensorHealth(health),
        Event::StateChanged { machine: MachineNo(2), timestamp_us: 40, from, to, lasted_us: None },
        Event::PartsCounted { machine: MachineNo(2), timestamp_us: 41, produced: 5, rejected: 1, interval_us: None },
        Event::OeeHour(hour),
        lost,
        Event::FaultOpened(FaultOpened { start_us: 60, ..faults().0 }),
    ];
    portion.marks = vec![Mark { client: "plc-9".to_owned(), sequence: 17 }];
    // There were none when these files were written; they have a golden file of their own.
    portion.rows.clear();
    portion
}
