//! A log whose files were damaged: it opens or says why not, and never shows a record that nobody wrote.

use crate::damage::{damage, files};
use genims_log::contract::Consumer;
use genims_log::file::{Recovered, Spool, SpoolError, SpoolOptions, open};
use genims_model::event::{FaultOpened, LimitCrossed};
use genims_model::snapshot::SnapshotFields;
use genims_model::{
    DeadLetter, Event, Group, MachineNo, Mark, Portion, Protocol, Quality, Reading, Reason, SensorNo, Snapshot, Status,
};

const PORTIONS: u64 = 12;
/// Damage that lies wholly below is passed over by a start; nothing behind may be missing.
const CURSOR: u64 = 30;
const CLIENT: &str = "plc";

/// A record with an offset.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Reading(Reading),
    Snapshot(Box<Snapshot>),
    Event(Box<Event>),
    DeadLetter(Box<DeadLetter>),
}

/// Each six bytes of `data` are one act of damage to a log that holds records of every kind.
pub fn recovery(data: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let options = SpoolOptions {
        directory: folder.path().to_owned(),
        max_bytes: 1 << 20,
        segment_bytes: 4_096,
        fsync: false,
        ..SpoolOptions::default()
    };
    let written = fill(&options).unwrap();
    damage(&files(folder.path()), data);

    let Ok(shown) = shown(&options, &written) else { return };
    let gap = shown.windows(2).find(|pair| pair[0] >= CURSOR && pair[1] != pair[0] + 1);
    assert!(gap.is_none() && shown.is_sorted(), "a gap in {shown:?}");
    let again = self::shown(&options, &written).unwrap();
    assert_eq!(shown, again, "what a start has shown stays");
}

/// The kinds alternate, so that damage meets each of them beside each other.
fn portion(number: u64) -> Portion {
    let at = number.cast_signed();
    let reading = |index: u64| Reading {
        sensor: SensorNo((number + index) as u32),
        protocol: Protocol::Mqtt,
        status: Status::Normal,
        quality: Quality::Good,
        flags: index as u8,
        source: 1,
        timestamp_us: at * 1_000,
        received_us: at * 1_000 + 5,
        value: number as f64 / 4.0,
        min_1min: -1.0,
        max_1min: 1.0,
        avg_1min: 0.25,
        std_1min: 0.5,
        anomaly_score: 0.125,
    };
    let fields = SnapshotFields { machine_state: "RUNNING".to_owned(), ..SnapshotFields::default() };
    let snapshot = Snapshot { machine: MachineNo(number as u32), source: 0, received_us: at, timestamp_us: at, fields };
    let dead_letter = DeadLetter {
        source: 0,
        client: CLIENT.to_owned(),
        received_us: at,
        topic: "t".repeat(1 + number as usize * 37 % 300),
        reason: Reason::ALL[number as usize % Reason::ALL.len()],
        payload_bytes: number,
        records: 1 + number % 2,
        payload: vec![number as u8; number as usize * 11],
        detail: number.to_string(),
    };
    Portion {
        readings: (0..number % 5).map(reading).collect(),
        snapshots: vec![snapshot; number as usize % 2],
        events: vec![event(number); 1 + number as usize % 2],
        dead_letters: vec![dead_letter; number as usize % 3],
        marks: vec![Mark { client: CLIENT.to_owned(), sequence: number }],
        ..Portion::default()
    }
}

fn event(number: u64) -> Event {
    let (machine, timestamp_us) = (MachineNo(number as u32), number.cast_signed());
    let (from, to) = ("IDLE".to_owned(), "RUNNING".to_owned());
    match number % 5 {
        0 => Event::FaultOpened(FaultOpened {
            machine,
            fault_code: "OVERHEAT".to_owned(),
            category: "thermal".to_owned(),
            severity: "high".to_owned(),
            description: String::new(),
            start_us: timestamp_us,
            sensor: Some(SensorNo(1)),
            detection_method: "threshold".to_owned(),
        }),
        1 => Event::StateChanged { machine, timestamp_us, from, to, lasted_us: Some(7) },
        2 => Event::ToolChanged { machine, timestamp_us, from: 1, to: 2 },
        3 => Event::LimitCrossed(LimitCrossed {
            sensor: SensorNo(1),
            timestamp_us,
            start_us: 0,
            value: 2.0,
            limit: 1.0,
            above: true,
            level: "warning".to_owned(),
            beyond: true,
        }),
        _ => Event::ClientLost {
            client_id: CLIENT.to_owned(),
            timestamp_us,
            will_topic: "a/b".to_owned(),
            will_payload: vec![0xFF; 20],
        },
    }
}

fn items(group: &Group) -> impl Iterator<Item = Item> {
    let readings = group.readings.iter().copied().map(Item::Reading);
    let snapshots = group.snapshots.iter().cloned().map(|snapshot| Item::Snapshot(Box::new(snapshot)));
    let events = group.events.iter().cloned().map(|event| Item::Event(Box::new(event)));
    let dead_letters = group.dead_letters.iter().cloned().map(|dead_letter| Item::DeadLetter(Box::new(dead_letter)));
    readings.chain(snapshots).chain(events).chain(dead_letters)
}

/// What stands at each offset.
fn fill(options: &SpoolOptions) -> Result<Vec<Item>, SpoolError> {
    let (mut appender, spool, _) = open(options)?;
    spool.register(&Consumer::hold("postgres"))?;
    let mut written = Vec::new();
    for number in 0..PORTIONS {
        let groups = appender.append(&mut portion(number))?;
        groups.iter().for_each(|group| written.extend(items(group)));
    }
    spool.save_cursor("postgres", CURSOR)?;
    spool.close()?;
    Ok(written)
}

/// The offsets that a start shows; what stands at them is compared with what was written.
fn shown(options: &SpoolOptions, written: &[Item]) -> Result<Vec<u64>, SpoolError> {
    let (_appender, spool, recovered) = open(options)?;
    check_recovered(&recovered, written);
    let mut offsets = Vec::new();
    let read = replay(&spool, recovered.first_offset, written, &mut offsets);
    let closed = spool.close();
    read.and(closed).map(|()| offsets)
}

fn check_recovered(recovered: &Recovered, written: &[Item]) {
    assert!(recovered.next_offset <= written.len() as u64, "the log ends at {}", recovered.next_offset);
    for (client, sequence) in &recovered.marks {
        assert!(client == CLIENT && *sequence < PORTIONS, "nobody marked {client} at {sequence}");
    }
    for fault in &recovered.open_faults {
        let known = |item: &Item| matches!(item, Item::Event(event) if **event == Event::FaultOpened(fault.clone()));
        assert!(written.iter().any(known), "nobody opened {fault:?}");
    }
}

fn replay(spool: &Spool, from: u64, written: &[Item], offsets: &mut Vec<u64>) -> Result<(), SpoolError> {
    spool.replay(from, |group| {
        for (offset, found) in (group.first_offset..).zip(items(group)) {
            assert_eq!(Some(&found), written.get(offset as usize), "at offset {offset}");
            offsets.push(offset);
        }
    })
}
