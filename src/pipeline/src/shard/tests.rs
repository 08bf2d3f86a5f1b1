//! What a shard makes of readings and snapshots, and what it remembers.

use super::*;
use genims_analysis::sensor::SameTimestamp;
use genims_catalogue::{Limits, Sensor};
use genims_model::{Protocol, Quality, Receipt, Status};

fn rules(same_timestamp: SameTimestamp) -> Rules {
    Rules {
        same_timestamp,
        retention_us: 86_400_000_000,
        late_after_us: 60_000_000,
        skew_tolerated_us: 5_000_000,
        skew_us_max: 3_600_000_000,
        bounds: Bounds { keep_min: 16, held_max: 1 << 20 },
        routed: true,
    }
}

fn shard(same_timestamp: SameTimestamp) -> Shard {
    let mut catalogue = Catalogue::default();
    catalogue.put_sensor(Sensor {
        sensor_id: "S1".to_owned(),
        machine_id: "M1".to_owned(),
        line_id: "L1".to_owned(),
        factory_id: "F1".to_owned(),
        unit: "C".to_owned(),
        sensor_code: None,
        sensor_type: None,
        limits: Limits {
            range_max: Some(200.0),
            warning_max: Some(80.0),
            critical_max: Some(100.0),
            ..Limits::default()
        },
        sampling_frequency_hz: None,
        calibration_day: None,
        calibration_frequency_days: None,
        active: true,
    });
    let accounts = Arc::new(Accounts::new(["test".to_owned()]));
    Shard::new(0, 1, Arc::new(Directory::new(catalogue)), accounts, rules(same_timestamp))
}

const NOW_US: i64 = 1_800_000_000_000_000;

fn send(shard: &mut Shard, readings: &[(i64, f64)]) -> Portion {
    send_as(shard, false, readings)
}

fn send_as(shard: &mut Shard, untimed: bool, readings: &[(i64, f64)]) -> Portion {
    let mut portion = Portion::default();
    let readings = readings
        .iter()
        .map(|(offset_us, value)| RawReading {
            sensor: SensorNo(0),
            untimed,
            quality: Quality::Good,
            timestamp_us: NOW_US + offset_us,
            value: *value,
        })
        .collect::<Vec<_>>();
    shard.accounts.received(0, readings.len() as u64);
    let chunk = Chunk {
        protocol: Protocol::Mqtt,
        source: 0,
        client: "".into(),
        received_us: NOW_US,
        topics: Topics::default(),
        readings,
        snapshots: Vec::new(),
        events: Vec::new(),
        dead_letters: Vec::new(),
        rows: Vec::new(),
        marks: Vec::new(),
        receipt: Receipt::unwatched(),
    };
    shard.take(chunk, &mut portion);
    portion
}

#[test]
fn status_follows_the_thresholds_and_quality_the_clock() {
    let mut shard = shard(SameTimestamp::KeepAll);
    let portion =
        send(&mut shard, &[(-1_000, 50.0), (0, 90.0), (1, 101.0), (2, 201.0), (9_000_000, 1.0), (-80_000_000, 1.0)]);
    let seen: Vec<_> = portion.readings.iter().map(|r| (r.status, r.quality)).collect();
    assert_eq!(
        seen,
        [
            (Status::Normal, Quality::Good),
            (Status::Warning, Quality::Good),
            (Status::Critical, Quality::Good),
            (Status::Critical, Quality::Bad),
            (Status::Normal, Quality::Skewed),
            (Status::Normal, Quality::Late),
        ]
    );
}

#[test]
fn a_resend_is_counted_once_under_every_rule_and_survives_a_restart() {
    for rule in [SameTimestamp::KeepAll, SameTimestamp::First, SameTimestamp::Last, SameTimestamp::Reject] {
        let mut first_run = shard(rule);
        let taken = send(&mut first_run, &[(0, 1.0), (1, 2.0), (0, 1.0)]);
        assert_eq!((taken.readings.len(), first_run.accounts.total().duplicate), (2, 1));

        let mut second_run = shard(rule);
        second_run.remember(&Group { readings: taken.readings, ..Group::default() });
        let again = send(&mut second_run, &[(0, 1.0), (1, 2.0), (2, 3.0)]);
        assert_eq!((again.readings.len(), second_run.accounts.total().duplicate), (1, 2));
    }
}

#[test]
fn equal_values_without_a_time_are_readings_of_their_own_under_every_rule() {
    for rule in [SameTimestamp::KeepAll, SameTimestamp::First, SameTimestamp::Last, SameTimestamp::Reject] {
        let mut shard = shard(rule);
        // One stands in the way.
        send(&mut shard, &[(7, 42.5)]);
        let mut times = Vec::new();
        // Rounds that overlap: of one connection, of two, after the clock was set back.
        for offset_us in [0, 0, 3, 150, 100_000, -50, -50] {
            let portion = send_as(&mut shard, true, &[(offset_us, 42.5); 100]);
            assert!(portion.dead_letters.is_empty() && portion.readings.iter().all(|reading| reading.flags == 0));
            let new: Vec<_> = portion.readings.iter().map(|reading| reading.timestamp_us - NOW_US).collect();
            assert!(new.is_sorted_by(|one, next| one < next), "{new:?}");
            assert!(new[0] >= offset_us && new[99] < offset_us + 800, "{new:?}");
            times.extend(new);
        }
        times.push(7);
        times.sort_unstable();
        times.dedup();
        assert_eq!((times.len(), shard.accounts.total().duplicate), (701, 0));
    }
}

#[test]
fn another_value_at_the_same_timestamp_follows_the_rule() {
    let outcome = |rule| {
        let mut shard = shard(rule);
        let portion = send(&mut shard, &[(0, 1.0), (0, 2.0)]);
        let replaces = portion.readings.iter().filter(|r| r.is(genims_model::reading::flag::REPLACES)).count();
        (portion.readings.len(), replaces, portion.dead_letters.len(), shard.accounts.total().duplicate)
    };
    assert_eq!(outcome(SameTimestamp::KeepAll), (2, 0, 0, 0));
    assert_eq!(outcome(SameTimestamp::First), (1, 0, 0, 1));
    assert_eq!(outcome(SameTimestamp::Last), (2, 1, 0, 0));
    assert_eq!(outcome(SameTimestamp::Reject), (1, 0, 1, 0));
}

#[test]
fn readings_out_of_time_are_set_aside_with_the_reason_and_can_be_replayed() {
    let mut shard = shard(SameTimestamp::KeepAll);
    let portion = send(&mut shard, &[(-90_000_000_000, 1.5), (4_000_000_000, 1.0)]);
    let reasons: Vec<_> = portion.dead_letters.iter().map(|dead_letter| dead_letter.reason).collect();
    assert_eq!(reasons, [Reason::TooOld, Reason::BadTimestamp]);
    let element: serde_json::Value = serde_json::from_slice(&portion.dead_letters[0].payload).expect("JSON");
    assert_eq!(element["sensor_id"], "S1");
    assert_eq!(element["value"], 1.5);
}

#[test]
fn what_is_set_aside_keeps_the_topic_of_its_message_and_its_sender() {
    let mut shard = shard(SameTimestamp::Reject);
    let reading = |offset_us: i64, value: f64| RawReading {
        sensor: SensorNo(0),
        untimed: false,
        quality: Quality::Good,
        timestamp_us: NOW_US + offset_us,
        value,
    };
    let mut topics = Topics::default();
    let mut readings = vec![reading(0, 1.0)];
    // Of each message one is stored, and one is not.
    for (topic, at_fault) in
        [("a", reading(4_000_000_000, 1.0)), ("b", reading(-90_000_000_000, 1.0)), ("c", reading(0, 2.0))]
    {
        topics.begin(topic, readings.len(), 0);
        readings.extend([reading(readings.len() as i64, 5.0), at_fault]);
    }
    let fields = genims_model::snapshot::SnapshotFields::default();
    let snapshot = Snapshot { machine: MachineNo(0), source: 3, received_us: NOW_US, timestamp_us: 0, fields };
    topics.begin("d/scada", readings.len(), 0);
    let chunk = Chunk {
        protocol: Protocol::Mqtt,
        source: 3,
        client: "press-7".into(),
        received_us: NOW_US,
        topics,
        readings,
        snapshots: vec![snapshot],
        events: Vec::new(),
        dead_letters: Vec::new(),
        rows: Vec::new(),
        marks: Vec::new(),
        receipt: Receipt::unwatched(),
    };
    let mut portion = Portion::default();
    shard.accounts = Arc::new(Accounts::new(["0", "1", "2", "3"].map(str::to_owned)));
    shard.take(chunk, &mut portion);
    let found: Vec<_> =
        portion.dead_letters.iter().map(|dead_letter| (dead_letter.topic.as_str(), dead_letter.reason)).collect();
    use Reason::{BadTimestamp, SameTimestamp as Same, TooOld};
    assert_eq!(found, [("a", BadTimestamp), ("b", TooOld), ("c", Same), ("d/scada", TooOld)]);
    assert!(
        portion
            .dead_letters
            .iter()
            .all(|dead_letter| (dead_letter.source, dead_letter.client.as_str()) == (3, "press-7"))
    );
}

#[test]
fn a_reading_from_the_future_does_not_blind_its_sensor() {
    for ahead_us in [59_000_000, 61_000_000, 3_300_000_000] {
        let mut shard = shard(SameTimestamp::KeepAll);
        send(&mut shard, &[(ahead_us, 50.0)]);
        let critical: Vec<_> = (0..10).map(|at| (at, 150.0)).collect();
        let portion = send(&mut shard, &critical);
        let starts = portion.events.iter().filter_map(|event| match event {
            Event::FaultOpened(fault) => Some(fault.start_us - NOW_US),
            _ => None,
        });
        let starts = starts.collect::<Vec<_>>();
        assert_eq!(starts, [0], "{ahead_us}");
        let seen = |reading: &genims_model::Reading| (reading.quality, reading.min_1min, reading.max_1min);
        if ahead_us > 60_000_000 {
            assert!(portion.readings.iter().all(|reading| seen(reading) == (Quality::Good, 150.0, 150.0)));
        }
        // It spoke just now: it is not silent half a minute later.
        let mut later = Portion::default();
        (0..TICK_SLICES).for_each(|_| shard.tick(NOW_US + 30_000_000, &mut later));
        assert!(!later.events.iter().any(|event| matches!(event, Event::SensorHealth(_))), "{:?}", later.events);
        // What came is known, whatever came from ahead and however much.
        let again = send(&mut shard, &[&critical[..], &[(ahead_us, 50.0)]].concat());
        assert_eq!((again.readings.len(), shard.accounts.total().duplicate), (0, 11), "{ahead_us}");
    }
}

#[test]
fn a_sensor_that_is_always_ahead_is_analysed_too() {
    let mut shard = shard(SameTimestamp::KeepAll);
    let ahead: Vec<_> = (0..5).map(|at| (600_000_000 + at, 150.0)).collect();
    // One reading even further ahead does not blind it either.
    let portion = send(&mut shard, &[&[(3_300_000_000, 50.0)], &ahead[..]].concat());
    assert_eq!(portion.events.iter().filter(|event| matches!(event, Event::FaultOpened(_))).count(), 1);
    assert_eq!(portion.readings.len(), 6);
}

#[test]
fn a_snapshot_of_a_machine_that_nobody_numbered_is_set_aside() {
    let mut shard = shard(SameTimestamp::KeepAll);
    shard.accounts.received(0, 1);
    let (machine, fields) = (MachineNo(7), genims_model::snapshot::SnapshotFields::default());
    let snapshot = Snapshot { machine, source: 0, received_us: NOW_US, timestamp_us: NOW_US, fields };
    let mut portion = Portion::default();
    let mut aside = Aside { client: "", topics: &Topics::default(), dead_letters: DeadLetters::default() };
    assert!(shard.take_snapshot((0, snapshot), &mut aside, &mut portion), "it is no duplicate");
    let reasons: Vec<_> = portion.dead_letters.iter().map(|dead_letter| dead_letter.reason).collect();
    assert_eq!((portion.snapshots.len(), reasons), (0, vec![Reason::UnknownMachine]));
}

#[test]
fn a_full_memory_knows_what_it_took_last() {
    let mut shard = shard(SameTimestamp::KeepAll);
    send(&mut shard, &[(1_000_000_000, 1.0)]);
    shard.rules.bounds = Bounds { keep_min: 16, held_max: 16 };
    for at in 0..100 {
        assert_eq!(send(&mut shard, &[(100_000_000 + at, 2.0)]).readings.len(), 1);
        assert_eq!(send(&mut shard, &[(100_000_000 + at, 2.0)]).readings.len(), 0, "{at}");
    }
}

#[test]
fn an_open_fault_is_taken_up_after_a_restart_and_closes_once() {
    let mut first_run = shard(SameTimestamp::KeepAll);
    let portion = send(&mut first_run, &[(0, 150.0), (1, 150.0), (2, 150.0)]);
    let opened: Vec<_> = portion
        .events
        .iter()
        .filter_map(|event| if let Event::FaultOpened(fault) = event { Some(fault.clone()) } else { None })
        .collect();
    assert_eq!(opened.len(), 1);

    let mut second_run = shard(SameTimestamp::KeepAll);
    second_run.resume_faults(&opened);
    let readings: Vec<_> = (3..10).map(|offset| (offset, 20.0)).collect();
    let events = send(&mut second_run, &readings).events;
    let closed = events.iter().filter(|e| matches!(e, Event::FaultClosed(f) if f.start_us == NOW_US)).count();
    assert_eq!(closed, 1);
}
