//! Readings and events in two logs on disk: a database of events that is away for long has its backlog in the second log
//! alone. It is cut off there and counted; readings go on and their log stays small.

use crate::follow::{FollowOptions, Follower};
use crate::follow_tests::{Database, Fake, eventually};
use crate::gather::BatchLimits;
use crate::metrics::SinkMetrics;
use crate::router::{EventRouter, ROUTER};
use genims_log::contract::Consumer;
use genims_log::file::{self, Appender, Spool, SpoolOptions};
use genims_model::{Event, MachineNo, Portion, SensorNo};
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
        // An append that waits for the database that is away would never return.
        let appended = tokio::task::spawn_blocking(move || {
            appender.append(&mut portion(number)).unwrap();
            appender
        });
        let appended = tokio::time::timeout(Duration::from_secs(60), appended).await;
        appender = appended.expect("readings are taken").expect("no panic");
        readings.save_cursor("postgres", readings.next_offset()).unwrap();
        eventually("the router follows", || readings.cursor(ROUTER) == Some(readings.next_offset())).await;
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
