//! The door and the registrar: a number goes to the shards only when it is durable, whoever registered it.

use crate::intake::{Intake, IntakeBuffer, WhenFull};
use crate::queue::ShardQueue;
use crate::remarks::Kind;
use genims_catalogue::Machine;
use genims_catalogue::keeper::{Keeper, LogIdentity, MasterData};
use genims_decode::{Decoder, Name, Point, Visitor};
use genims_model::{Accounts, Protocol, Quality, SensorNo};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::Notify;

fn keeper(folder: &Path) -> Arc<Keeper> {
    let log = LogIdentity { id: uuid::Uuid::from_u128(1), directory: folder, blank: true };
    Arc::new(Keeper::open(folder, log).expect("a journal"))
}

fn point<'a>(sensor: &'a str, value: f64) -> Point<'a> {
    let name = Name::Sensor { machine: Some("M1"), sensor };
    Point { name, timestamp_us: Some(1), value, quality: Quality::Good }
}

fn begun(folder: &Path) -> (Arc<Keeper>, Arc<Intake>, Arc<ShardQueue>) {
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
        Some(keeper.clone()),
        WhenFull::Block,
        Arc::new(AtomicBool::new(false)),
    );
    (keeper, Arc::new(intake), queue)
}

async fn submit(buffer: &mut IntakeBuffer) {
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
async fn what_comes_without_a_time_gets_one_of_its_own_in_the_order_of_arrival() {
    let catalogue = Arc::new(genims_catalogue::Directory::new(genims_catalogue::Catalogue::default()));
    let queue = Arc::new(ShardQueue::new(1_000, 1 << 20));
    let accounts = Arc::new(Accounts::new(["test".to_owned()]));
    let full = Arc::new(AtomicBool::new(false));
    let intake = Arc::new(Intake::new(catalogue, vec![queue.clone()], accounts, None, WhenFull::Block, full));
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    // The third round comes after the clock was set back.
    for received_us in [5_000_000, 5_000_002, 3_000_000] {
        buffer.begin(received_us);
        for _ in 0..3 {
            buffer.point(Point { timestamp_us: None, ..point("nobody", 42.5) });
        }
        buffer.snapshot("nothing", None, genims_model::snapshot::SnapshotFields::default());
        submit(&mut buffer).await;
    }
    let letters = std::iter::from_fn(|| queue.pop()).flat_map(|chunk| chunk.dead_letters);
    let times: Vec<i64> = letters
        .map(|letter| serde_json::from_slice::<serde_json::Value>(&letter.payload).expect("JSON"))
        .map(|element| element["timestamp_us"].as_i64().expect("a time"))
        .collect();
    let rows = [5_000_000..5_000_008, 3_000_000..3_000_004];
    assert_eq!(times, rows.into_iter().flatten().collect::<Vec<i64>>());
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
        Kind::ALL.map(|kind| intake.remarks().count(kind))
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
    let mut lines = |text: &str| {
        buffer.set_topic("");
        genims_decode::line_protocol::decode(text.as_bytes(), None, &mut buffer);
        intake.remarks().count(Kind::Place)
    };
    assert_eq!(lines("r,sensor_id=S1 value=1"), 6);
    assert_eq!(lines("r,sensor_id=S1,machine_id=M9 value=1"), 7);
    submit(&mut buffer).await;
    let taken: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
    let readings: usize = taken.iter().map(|chunk| chunk.readings.len()).sum();
    assert_eq!((readings, taken.iter().map(|chunk| chunk.snapshots.len()).sum::<usize>()), (10, 2));
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
    let letters = queue.pop().expect("handed over").dead_letters;
    assert_eq!(letters[0].detail, "neither machine M1 nor a sensor with the id S1 is in the catalogue");
}
