//! The door and the registrar: a number goes to the shards only when it is durable, whoever registered it.

use crate::intake::{Intake, IntakeBuffer, Registrar, Scope, WhenFull};
use crate::queue::ShardQueue;
use crate::remarks::RemarkKind;
use genims_catalogue::Machine;
use genims_catalogue::keeper::{Keeper, LogIdentity, MasterData};
use genims_decode::{Decoder, Name, Point, Visitor};
use genims_model::snapshot::SnapshotFields;
use genims_model::{Accounts, DeadLetter, Protocol, Quality, Reason, SensorNo};
use genims_rows::Gate;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::Notify;

fn keeper(folder: &Path) -> Arc<Keeper> {
    let log = LogIdentity { id: uuid::Uuid::from_u128(1), directory: folder, blank: true };
    Arc::new(Keeper::open(folder, log).expect("a journal"))
}

pub(crate) fn point<'a>(sensor: &'a str, value: f64) -> Point<'a> {
    let name = Name::Sensor { machine: Some("M1"), sensor };
    Point { name, timestamp_us: Some(1), value, quality: Quality::Good }
}

fn begun(folder: &Path) -> (Arc<Keeper>, Arc<Intake>, Arc<ShardQueue>) {
    begun_with(folder, true, None)
}

pub(crate) fn begun_with(
    folder: &Path,
    registers: bool,
    gate: Option<Arc<Gate>>,
) -> (Arc<Keeper>, Arc<Intake>, Arc<ShardQueue>) {
    let keeper = keeper(folder);
    let machine = Machine {
        machine_id: "M1".to_owned(),
        line_id: "L1".to_owned(),
        factory_id: "F1".to_owned(),
        machine_code: None,
        machine_type: None,
        design_capacity_units_per_hour: None,
        active: true,
    };
    keeper.follow(MasterData { machines: vec![machine], ..MasterData::default() }).expect("written");
    let queue = Arc::new(ShardQueue::new(1_000, 1 << 20));
    let intake = Intake::new(
        keeper.directory().clone(),
        vec![queue.clone()],
        Arc::new(Accounts::new(["test".to_owned()])),
        Some(Registrar { keeper: keeper.clone(), registers }),
        WhenFull::Block,
        Arc::new(AtomicBool::new(false)),
    );
    (keeper, Arc::new(intake.with_rows(gate)), queue)
}

pub(crate) async fn submit(buffer: &mut IntakeBuffer) {
    buffer.submit(&Arc::new(Notify::new()), &mut None).await;
}

#[tokio::test]
async fn who_uses_the_number_of_another_s_registration_makes_it_durable_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let (running, intake, queue) = begun(folder.path());
    let mut first = intake.buffer(0, Protocol::Mqtt, false);
    let mut second = intake.buffer(0, Protocol::Mqtt, false);
    first.begin(1);
    second.begin(1);
    first.point(point("S-NEW", 1.0));
    second.point(point("S-NEW", 77.5));
    assert_eq!(running.directory().load().sensor_by_id("S-NEW"), None, "nobody has synced it");
    submit(&mut second).await;
    let taken = queue.pop().expect("handed over").readings;
    // What a start after a power cut would find.
    let durable = keeper(folder.path()).directory().load().sensor_by_id("S-NEW");
    assert_eq!((durable, taken[0].value), (Some(taken[0].sensor), 77.5));
    submit(&mut first).await;
    assert_eq!(queue.pop().expect("handed over").readings[0].sensor, taken[0].sensor);
}

#[tokio::test]
async fn a_handle_to_a_registered_number_works_before_and_after_it_is_published() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_running, intake, queue) = begun(folder.path());
    let mut buffer = intake.buffer(0, Protocol::Tcp, false);
    buffer.begin(1);
    buffer.point(point("S-NEW", 1.0));
    let handle = SensorNo(buffer.define("S-NEW"));
    buffer.point(Point { name: Name::Handle(handle.0), ..point("", 2.0) });
    submit(&mut buffer).await;
    assert!(buffer.begin(2), "the catalogue has changed");
    buffer.point(Point { name: Name::Handle(handle.0), ..point("", 3.0) });
    submit(&mut buffer).await;
    let values: Vec<f64> =
        std::iter::from_fn(|| queue.pop()).flat_map(|chunk| chunk.readings).map(|reading| reading.value).collect();
    assert_eq!(values, [1.0, 2.0, 3.0]);
}

#[tokio::test]
async fn readings_keep_the_topic_of_their_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_running, intake, queue) = begun(folder.path());
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    for round in [["a", "b"], ["b", "a"]] {
        buffer.begin(1);
        for topic in round {
            buffer.set_topic(topic);
            buffer.point(point("S-1", 1.0));
            buffer.point(point("S-2", 2.0));
        }
        submit(&mut buffer).await;
        let chunk = queue.pop().expect("handed over");
        let topics: Vec<&str> = (0..4).map(|index| chunk.topics.of_reading(index)).collect();
        assert_eq!(topics, [round[0], round[0], round[1], round[1]]);
    }
    // A transport without messages has none.
    let mut lines = intake.buffer(0, Protocol::LineProtocol, false);
    lines.begin(1);
    lines.point(point("S-1", 3.0));
    submit(&mut lines).await;
    assert_eq!(queue.pop().expect("handed over").topics.of_reading(0), "");
}

#[tokio::test]
async fn a_list_of_phases_is_read_once_the_catalogue_has_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_running, intake, queue) = begun(folder.path());
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    let mut taken = Vec::new();
    for round in 1..=2 {
        buffer.begin(round);
        buffer.set_topic("genims/v1/F1/L1/M1/tags");
        Decoder::default().message("genims/v1/F1/L1/M1/tags", br#"{"Power_1":7,"Power":[1,2]}"#, &mut buffer);
        submit(&mut buffer).await;
        let chunk = queue.pop().expect("handed over");
        taken.push(chunk.readings.iter().map(|reading| reading.value).collect::<Vec<f64>>());
    }
    assert_eq!(taken, [vec![7.0], vec![7.0, 2.0]], "the first stands there twice");
}

#[tokio::test]
async fn a_place_that_is_not_the_catalogue_s_is_said_and_the_reading_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_running, intake, queue) = begun(folder.path());
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    buffer.begin(1);
    buffer.point(point("S1", 1.0));
    submit(&mut buffer).await;
    buffer.begin(2);
    let decoder = Decoder::default();
    let mut message = |topic: &str, payload: &str| {
        buffer.set_topic(topic);
        decoder.message(topic, payload.as_bytes(), &mut buffer);
        [RemarkKind::Place, RemarkKind::Column].map(|kind| intake.remarks().count(kind))
    };
    assert_eq!(message("genims/v1/F1/L1/M1/S1", "1"), [0, 0]);
    assert_eq!(message("genims/v1/F1/readings", "{\"sensor_id\":\"S1\",\"value\":1}"), [0, 0]);
    assert_eq!(message("genims/v1/F9/L1/M1/S1", "1"), [1, 0]);
    assert_eq!(message("genims/v1/F1/L9/M1/S1", "1"), [2, 0]);
    assert_eq!(message("genims/v1/F1/L1/M9/S1", "1"), [3, 0]);
    assert_eq!(message("genims/v1/F1/L1/M1/S1", "{\"value\":1,\"machine_id\":\"M9\"}"), [4, 0]);
    assert_eq!(message("genims/v1/F9/readings", "{\"sensor_id\":\"S1\",\"value\":1}"), [5, 0]);
    assert_eq!(message("genims/v1/F1/L1/M1/scada", "{\"machine_state\":\"IDLE\",\"seq\":1}"), [5, 1]);
    assert_eq!(message("genims/v1/F1/L9/M1/scada", "{\"machine_state\":\"IDLE\",\"ts\":1700000000}"), [6, 1]);
    assert_eq!(message("genims/v1/F1/L1/M1/S1", "{\"value\":1,\"quality\":\"fair\"}"), [6, 1]);
    assert_eq!([RemarkKind::Quality, RemarkKind::State].map(|kind| intake.remarks().count(kind)), [1, 0]);
    let own_word = "{\"machine_state\":\"GRINDING\",\"ts\":1700000001}";
    assert_eq!(message("genims/v1/F1/L1/M1/scada", own_word), [6, 1]);
    assert_eq!(message("genims/v1/F1/L1/M1/scada", &own_word.replace("GRINDING", "Running")), [6, 1]);
    assert_eq!(intake.remarks().count(RemarkKind::State), 1, "it may be misspelt, and it is the machine's word");
    let two = r#"{"sensor_id":"S1","machine_id":"M1","machine":"M9","value":1}"#;
    assert_eq!(message("genims/v1/F1/readings", two), [7, 1], "two machines in one element");
    assert_eq!(message("genims/v1/F1/readings", &two.replace("M9", "M1")), [7, 1]);
    let mut lines = |text: &str| {
        buffer.set_topic("");
        genims_decode::line_protocol::decode(text.as_bytes(), None, &mut buffer);
        intake.remarks().count(RemarkKind::Place)
    };
    assert_eq!(lines("r,sensor_id=S1 value=1"), 7);
    assert_eq!(lines("r,sensor_id=S1,machine_id=M9 value=1"), 8);
    assert_eq!(lines("r,sensor_id=S1,machine_id=M1,machine=M9 value=1"), 9);
    submit(&mut buffer).await;
    let taken: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
    let readings: usize = taken.iter().map(|chunk| chunk.readings.len()).sum();
    assert_eq!((readings, taken.iter().map(|chunk| chunk.snapshots.len()).sum::<usize>()), (14, 4));
}

#[tokio::test]
async fn the_part_that_is_unknown_is_named() {
    let catalogue = Arc::new(genims_catalogue::Directory::new(genims_catalogue::Catalogue::default()));
    let queue = Arc::new(ShardQueue::new(1_000, 1 << 20));
    let accounts = Arc::new(Accounts::new(["test".to_owned()]));
    let full = Arc::new(AtomicBool::new(false));
    let intake = Arc::new(Intake::new(catalogue, vec![queue.clone()], accounts, None, WhenFull::Block, full));
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    buffer.begin(1);
    buffer.point(point("S1", 1.0));
    submit(&mut buffer).await;
    let dead_letters = queue.pop().expect("handed over").dead_letters;
    let remedy = Reason::UnknownSensor.remedy();
    assert!(remedy.contains("genims_master_db.sensors"));
    let expected = format!("neither machine M1 nor a sensor with the id S1 is in the catalogue; {remedy}");
    assert_eq!(dead_letters[0].detail, expected);

    let folder = tempfile::tempdir().expect("a folder");
    let (keeper, ..) = begun(folder.path());
    let queue = Arc::new(ShardQueue::new(1_000, 1 << 20));
    let (accounts, full) = (Arc::new(Accounts::new(["test".to_owned()])), Arc::new(AtomicBool::new(false)));
    let catalogue = keeper.directory().clone();
    let intake = Arc::new(Intake::new(catalogue, vec![queue.clone()], accounts, None, WhenFull::Block, full));
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    buffer.begin(1);
    buffer.point(point("S9", 1.0));
    genims_decode::line_protocol::decode(b"r,sensor_id=S9 value=1", None, &mut buffer);
    submit(&mut buffer).await;
    let dead_letters: Vec<_> = std::iter::from_fn(|| queue.pop()).flat_map(|chunk| chunk.dead_letters).collect();
    let details: Vec<&str> = dead_letters.iter().map(|dead_letter| dead_letter.detail.as_str()).collect();
    let of_machine = "sensor S9 is not in the catalogue, neither as an id nor as a code of machine M1";
    assert_eq!(details, [of_machine, "sensor S9 is not in the catalogue"].map(|what| format!("{what}; {remedy}")));

    buffer.begin(2);
    let decoder = genims_decode::Decoder::default();
    for (topic, payload) in [("tags", r#"{"value": 3}"#), ("S9", r#"{"value": 3}"#), ("tags", r#"{"S9": 3}"#)] {
        let topic = format!("genims/v1/F/L/M1/{topic}");
        buffer.set_topic(&topic);
        decoder.message(&topic, payload.as_bytes(), &mut buffer);
    }
    submit(&mut buffer).await;
    let dead_letters: Vec<_> = std::iter::from_fn(|| queue.pop()).flat_map(|chunk| chunk.dead_letters).collect();
    let [tags, by_topic, by_payload] = &dead_letters[..] else { panic!("{dead_letters:#?}") };
    let expects = "a payload below .../tags names its sensors, and this one names none; write {\"TEMP-1\": 71.5}";
    assert!(tags.detail.starts_with(expects) && tags.reason == Reason::UnknownSensor, "{tags:?}");
    let named = format!("{of_machine}; the topic's last level names it, unless the payload does; {remedy}");
    assert_eq!((&by_topic.detail, &by_payload.detail), (&named, &format!("{of_machine}; {remedy}")));
}

fn of_machines(machines: Option<[&str; 1]>) -> Scope {
    Scope { machines: machines.map(|machines| Arc::new(machines.map(Into::into).into())), ..Scope::default() }
}

#[tokio::test]
async fn what_is_of_other_machines_is_set_aside_whatever_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (running, intake, queue) = begun(folder.path());
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    buffer.begin(1);
    buffer.point(point("S-1", 1.0));
    submit(&mut buffer).await;
    queue.pop().expect("handed over");
    let known = running.directory().load().sensor_by_id("S-1").expect("registered");
    for (machines, taken) in [(Some(["M1"]), 3), (Some(["M2"]), 0), (None, 3)] {
        buffer.set_scope(of_machines(machines));
        buffer.begin(2);
        buffer.point(point("S-1", 2.0));
        buffer.point(Point { name: Name::Handle(known.0), ..point("", 3.0) });
        buffer.snapshot("M1", Some(1), SnapshotFields::default());
        submit(&mut buffer).await;
        let chunk = queue.pop().expect("handed over");
        assert_eq!(chunk.readings.len() + chunk.snapshots.len(), taken, "{machines:?}");
        let dead_letters: Vec<&DeadLetter> = chunk.dead_letters.iter().collect();
        assert_eq!(dead_letters.len(), 3 - taken, "{machines:?}");
        assert!(
            dead_letters
                .iter()
                .all(|dead_letter| dead_letter.reason == Reason::NotAllowed && dead_letter.detail.contains("M1"))
        );
    }
    // Nor does it enter sensors of others, or of no machine.
    buffer.set_scope(of_machines(Some(["M2"])));
    buffer.begin(3);
    buffer.point(point("S-NEW", 1.0));
    assert_ne!(buffer.define("S-NEW") & (1 << 31), 0, "unknown");
    submit(&mut buffer).await;
    assert_eq!(queue.pop().expect("handed over").dead_letters[0].reason, Reason::UnknownSensor);
    assert_eq!(running.directory().load().sensor_by_id("S-NEW"), None);
}

/// As after a full disk: master data has it, the journal does not.
#[tokio::test]
async fn what_master_data_has_is_not_unknown_while_its_number_is_not_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let (running, intake, queue) = begun_with(folder.path(), false, None);
    running.register(Some("M1"), "S-LATE").expect("entered");
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    buffer.begin(1);
    assert!(buffer.knows(Some("M1"), "S-LATE") && !buffer.knows(Some("M1"), "S-NEVER"));
    buffer.point(point("S-LATE", 1.0));
    buffer.point(point("S-NEVER", 2.0));
    submit(&mut buffer).await;
    let chunk = queue.pop().expect("handed over");
    assert_eq!((chunk.readings.len(), chunk.dead_letters.len()), (1, 1));
    let durable = keeper(folder.path()).directory().load().sensor_by_id("S-LATE");
    assert_eq!(durable, Some(chunk.readings[0].sensor));
}
