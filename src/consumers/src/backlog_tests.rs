//! Readings and events in two logs on disk: a database of events that is away for long has its backlog in the second log
//! alone. It is cut off there and counted, or keeps its rows alone; readings go on and their log stays small.

use crate::fake_database::{Database, Fake};
use crate::follow::{FollowOptions, Follower};
use crate::follow_tests::eventually;
use crate::gather::BatchLimits;
use crate::metrics::SinkMetrics;
use crate::router::{EventRouter, ROUTER};
use genims_log::contract::Consumer;
use genims_log::file::{self, Appender, Spool, SpoolOptions};
use genims_model::{Event, MachineNo, Portion, Row, SensorNo};
use genims_stores::SinkError;
use genims_stores::sample;
use genims_stores::target::Target;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SEGMENT_BYTES: u64 = 16 << 10;
const READINGS_BYTES_MAX: u64 = 256 << 10;
const EVENTS_BYTES_MAX: u64 = 256 << 10;
/// The name of [`Fake`].
const ROUTED: &str = "fake";
/// Each of twenty readings and ten events.
const PORTIONS: i64 = 600;

fn open(directory: &Path, max_bytes: u64) -> (Appender, Spool) {
    let options = SpoolOptions {
        directory: directory.to_owned(),
        max_bytes,
        segment_bytes: SEGMENT_BYTES,
        memory_bytes: 1 << 20,
        retain_bytes: 0,
        fsync: false,
    };
    let (appender, spool, _) = file::open(&options).unwrap();
    (appender, spool)
}

fn portion(number: i64) -> Portion {
    let event = |at| Event::PartsCounted {
        machine: MachineNo(0),
        timestamp_us: number * 10 + at,
        produced: 1,
        rejected: 0,
        interval_us: None,
    };
    let readings = vec![sample::reading(SensorNo(0), number); 20];
    Portion { readings, events: (0..10).map(event).collect(), ..Portion::default() }
}

fn follow(
    target: impl Target + 'static,
    log: &Spool,
    metrics: &Arc<SinkMetrics>,
    stop: &CancellationToken,
) -> JoinHandle<Result<(), SinkError>> {
    let limits = BatchLimits { linger: Duration::from_millis(1), ..BatchLimits::default() };
    let options = FollowOptions { look_interval: Duration::from_millis(5), ..FollowOptions::default() };
    let follower = Follower::new(target, log.clone(), limits, metrics.clone(), None).with_options(options);
    tokio::spawn(follower.run(stop.clone()))
}

/// As the door takes them: in order, by the log of readings. An append that waits for the database that is away would never
/// return.
async fn append(mut appender: Appender, mut portion: Portion, readings: &Spool) -> Appender {
    let appended = tokio::task::spawn_blocking(move || {
        appender.append(&mut portion).unwrap();
        appender
    });
    let appended = tokio::time::timeout(Duration::from_secs(60), appended).await;
    let appender = appended.expect("readings are taken").expect("no panic");
    readings.save_cursor("postgres", readings.next_offset()).unwrap();
    eventually("the router follows", || readings.cursor(ROUTER) == Some(readings.next_offset())).await;
    appender
}

fn full_episodes(log: &Spool) -> u64 {
    log.metrics().full_episodes.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backlog_of_a_database_with_routes_never_pins_the_readings() {
    let folder = tempfile::tempdir().unwrap();
    let (mut appender, readings) = open(&folder.path().join("spool"), READINGS_BYTES_MAX);
    let (events_appender, events) = open(&folder.path().join("events"), EVENTS_BYTES_MAX);
    readings.register(&Consumer::hold("postgres").settling()).unwrap();
    readings.register(&Consumer::resync(ROUTER, READINGS_BYTES_MAX / 2)).unwrap();
    events.register(&Consumer::resync(ROUTED, EVENTS_BYTES_MAX / 4)).unwrap();
    let database = Arc::new(Mutex::new(Database { is_away: true, ..Database::default() }));
    let (stop, metrics) = (CancellationToken::new(), Arc::<SinkMetrics>::default());
    let router = EventRouter::new(events_appender, Default::default(), 0);
    let routing = follow(router, &readings, &Arc::default(), &stop);
    let away = follow(Fake::new(&database), &events, &metrics, &stop);

    for number in 0..PORTIONS {
        appender = append(appender, portion(number), &readings).await;
        assert!(events.bytes() <= EVENTS_BYTES_MAX);
    }
    assert_eq!(events.next_offset(), PORTIONS.unsigned_abs() * 10);
    // More than twice its cap went through the log of readings, and the database that is away pins nothing of it.
    let through = readings.metrics().bytes_appended.load(Ordering::Relaxed);
    assert!(through > 2 * READINGS_BYTES_MAX, "{through} bytes are too few to show anything");
    eventually("consumed readings go", || readings.bytes() <= 4 * SEGMENT_BYTES).await;
    assert_eq!((full_episodes(&readings), full_episodes(&events)), (0, 0), "nobody waited");

    let ended = tokio::time::timeout(Duration::from_secs(60), away).await.expect("an end").expect("no panic");
    assert!(matches!(ended, Err(SinkError::CutOff { position: 0, .. })), "{ended:?}");
    assert!(events.is_cut_off(ROUTED) && !readings.is_cut_off(ROUTER));
    assert_eq!(metrics.state(), crate::SinkState::CutOff);

    // It comes back, and goes on with what is still there; the rest is counted.
    database.lock().is_away = false;
    eventually("events that nobody needs go", || events.bytes() < 2 * SEGMENT_BYTES).await;
    let first = events.first_offset();
    assert!(first > 0);
    events.restart_at(ROUTED, first).unwrap();
    let back = follow(Fake::new(&database), &events, &metrics, &stop);
    let end = events.next_offset();
    eventually("the events that are left", || database.lock().offsets.len() as u64 == end - first).await;
    assert_eq!(database.lock().offsets, (first..end).collect::<Vec<_>>());
    assert_eq!(metrics.gap_records_total.load(Ordering::Relaxed), first);
    stop.cancel();
    for running in [routing, back] {
        running.await.expect("no panic").expect("a clean end");
    }
}

const DATABASE: &str = "genims_hr_db";

/// One for the database that is away, one for another.
fn rows(number: i64) -> Vec<Row> {
    let of = |database: &str| Row { database: database.to_owned(), received_us: number, ..Row::default() };
    vec![of(DATABASE), of("genims_erp_db")]
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_wait_for_a_database_pin_neither_events_nor_readings() {
    let folder = tempfile::tempdir().unwrap();
    let (mut appender, readings) = open(&folder.path().join("spool"), READINGS_BYTES_MAX);
    let (events_appender, events) = open(&folder.path().join("events"), EVENTS_BYTES_MAX);
    readings.register(&Consumer::hold("postgres").settling()).unwrap();
    readings.register(&Consumer::hold(ROUTER)).unwrap();
    events.register(&Consumer::compact(ROUTED, DATABASE, EVENTS_BYTES_MAX / 4)).unwrap();
    events.register(&Consumer::compact("erp", "genims_erp_db", EVENTS_BYTES_MAX / 4)).unwrap();
    let database = Arc::new(Mutex::new(Database { is_away: true, ..Database::default() }));
    let (stop, metrics) = (CancellationToken::new(), Arc::<SinkMetrics>::default());
    let router = EventRouter::new(events_appender, Default::default(), 0);
    let routing = follow(router, &readings, &Arc::default(), &stop);
    let away = follow(Fake::new(&database), &events, &metrics, &stop);

    let mut sent = Vec::new();
    for number in 0..PORTIONS {
        // Few, and never any room for events between the first and the last.
        let rows = if number % 100 == 0 { rows(number) } else { Vec::new() };
        sent.extend(rows.iter().filter(|row| row.database == DATABASE).cloned());
        appender = append(appender, Portion { rows, ..portion(number) }, &readings).await;
        events.save_cursor("erp", events.next_offset()).unwrap();
        assert!(events.bytes() < 2 * EVENTS_BYTES_MAX);
    }
    let through = events.metrics().bytes_appended.load(Ordering::Relaxed);
    assert!(through > EVENTS_BYTES_MAX, "{through} bytes are too few to show anything");
    assert_eq!((full_episodes(&readings), full_episodes(&events)), (0, 0), "nobody waited");
    assert!(!away.is_finished() && !events.is_cut_off(ROUTED) && !events.is_full_for(ROUTED));

    database.lock().is_away = false;
    let end = events.next_offset();
    eventually("it has come to the end", || events.cursor(ROUTED) == Some(end)).await;
    stop.cancel();
    for running in [routing, away] {
        running.await.expect("no panic").expect("a clean end");
    }
    let groups = std::mem::take(&mut database.lock().groups);
    let rows = groups.iter().flat_map(|group| &group.rows).filter(|row| row.database == DATABASE);
    assert_eq!(rows.cloned().collect::<Vec<Row>>(), sent, "each once, in order");
    let gap = metrics.gap_records_total.load(Ordering::Relaxed);
    assert!(gap > end / 4, "{gap} of {end} are lacking");
    let taken: u64 = groups.iter().map(|group| group.len() - group.skipped).sum();
    assert_eq!(gap + taken, end, "what it lacks is counted");
}
