//! From a log in memory into a log on disk: an event or a row is there once, in order, wherever the router ends and goes on.

use crate::follow::{FollowOptions, Follower};
use crate::gather::BatchLimits;
use crate::metrics::SinkMetrics;
use crate::router::{self, EventRouter, ROUTER};
use genims_log::contract::{Consumer, Log};
use genims_log::file::{self, Appender, Recovered, Spool, SpoolOptions};
use genims_log::memory::MemoryLog;
use genims_model::{Event, Group, Row, SensorNo};
use genims_stores::batch::Batch;
use genims_stores::routed::gaps::noted::RouterGap;
use genims_stores::sample;
use genims_stores::target::Target;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const EVENTS: i64 = 20;

/// Two logs; the second is opened anew by each life.
struct Trial {
    first: Arc<MemoryLog>,
    folder: TempDir,
    segment_bytes: u64,
}

/// A second log that is open.
struct Life {
    router: EventRouter,
    events: Spool,
}

fn event(number: i64) -> Event {
    let will_topic = "t".to_owned();
    Event::ClientLost { client_id: number.to_string(), timestamp_us: number, will_topic, will_payload: Vec::new() }
}

impl Trial {
    /// Each event has readings before it, and a group behind it that holds none.
    fn new() -> Self {
        let first = MemoryLog::new(Uuid::from_u128(1));
        first.register(&Consumer::hold(ROUTER));
        for number in 0..EVENTS {
            let readings = vec![sample::reading(SensorNo(0), number); 2];
            first.append(Group { readings: readings.clone(), events: vec![event(number)], ..Group::default() });
            first.append(Group { readings, ..Group::default() });
        }
        Self { first, folder: TempDir::new().unwrap(), segment_bytes: 32 << 10 }
    }

    fn open(&self) -> (Appender, Spool, Recovered) {
        let options = SpoolOptions {
            directory: self.folder.path().to_owned(),
            max_bytes: self.segment_bytes * 32,
            segment_bytes: self.segment_bytes,
            memory_bytes: 1 << 20,
            retain_bytes: 0,
            fsync: false,
        };
        file::open(&options).unwrap()
    }

    fn life(&self) -> Life {
        let (appender, events, recovered) = self.open();
        // Nobody reads it here, and nothing of it goes.
        events.register(&Consumer::resync("reader", u64::MAX)).unwrap();
        let passed = self.first.cursor(ROUTER).unwrap_or(0);
        Life { router: EventRouter::new(appender, recovered.marks, passed), events }
    }

    /// Follows the first log to its end.
    async fn route(&self, life: &Life) -> Arc<SinkMetrics> {
        let (metrics, stop) = (Arc::new(SinkMetrics::default()), CancellationToken::new());
        let limits = BatchLimits { batch_size: 3, ..BatchLimits::default() };
        let follower = Follower::new(life.router.clone(), self.first.clone(), limits, metrics.clone(), None)
            .with_options(FollowOptions { look_interval: Duration::from_millis(5), ..FollowOptions::default() });
        let running = tokio::spawn(follower.run(stop.clone()));
        let end = self.first.next_offset();
        while metrics.position.load(Ordering::Relaxed) < end || self.first.cursor(ROUTER) != Some(end) {
            assert!(!running.is_finished(), "the loop ended by itself");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
        running.await.expect("no panic").expect("a clean end");
        metrics
    }

    fn routed(&self) -> Vec<i64> {
        let (_appender, events, _) = self.open();
        numbers(&events)
    }
}

fn numbers(events: &Spool) -> Vec<i64> {
    let mut numbers = Vec::new();
    let mut of = |event: &Event| match event {
        Event::ClientLost { timestamp_us, .. } => numbers.push(*timestamp_us),
        other => panic!("{other:?}"),
    };
    events.replay(events.first_offset(), |group| group.events.iter().for_each(&mut of)).unwrap();
    numbers
}

fn all() -> Vec<i64> {
    (0..EVENTS).collect()
}

/// The groups of the first log from `from` to `to`, as one batch.
fn batch(log: &Arc<MemoryLog>, from: u64, to: u64) -> Batch {
    use genims_log::contract::LogReader;
    let mut reader = log.reader(from).unwrap();
    let mut batch = Batch::default();
    while batch.is_empty() || batch.next_offset < to {
        batch.push(reader.try_next().unwrap().expect("a group"));
    }
    batch
}

#[tokio::test]
async fn an_event_is_there_once_wherever_the_router_dies() {
    // A group with an event has three records, one without has two.
    for died_at in (0..EVENTS as u64 * 5).step_by(5) {
        let trial = Trial::new();
        {
            let mut life = trial.life();
            let place = life.router.open(&trial.first.position(0), 0).await.unwrap();
            life.router.commit(&batch(&trial.first, 0, died_at + 3), place.next_offset()).await.unwrap();
            // The end comes before the cursor is saved.
        }
        assert_eq!(trial.first.cursor(ROUTER), Some(0));
        trial.route(&trial.life()).await;
        assert_eq!(trial.routed(), all(), "died at {died_at}");
    }
}

#[tokio::test]
async fn a_cursor_that_was_lost_brings_nothing_a_second_time() {
    let trial = Trial::new();
    trial.route(&trial.life()).await;
    for cursor in [0, 7, 50] {
        trial.first.set_cursor(ROUTER, cursor);
        trial.route(&trial.life()).await;
        assert_eq!(trial.routed(), all(), "cursor at {cursor}");
    }
}

#[tokio::test]
async fn a_router_that_is_started_again_in_the_same_server_goes_on() {
    let trial = Trial::new();
    let life = trial.life();
    trial.route(&life).await;
    trial.first.append(Group { events: vec![event(EVENTS)], ..Group::default() });
    trial.route(&life).await;
    assert_eq!(numbers(&life.events), (0..=EVENTS).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_the_first_log_removed_is_counted_and_the_rest_is_routed() {
    let trial = Trial::new();
    // The sixth event's group begins at 25.
    trial.first.remove_below(25);
    let metrics = trial.route(&trial.life()).await;
    assert_eq!(trial.routed(), (5..EVENTS).collect::<Vec<_>>());
    assert_eq!(metrics.gap_records_total.load(Ordering::Relaxed), 25);
}

#[tokio::test]
async fn what_a_router_that_was_cut_off_lacks_is_counted() {
    let trial = Trial::new();
    let life = trial.life();
    trial.route(&life).await;
    let end = trial.first.next_offset();
    (EVENTS..EVENTS + 10).for_each(|number| {
        trial.first.append(Group { events: vec![event(number)], ..Group::default() });
    });
    trial.first.cut_off(ROUTER);
    trial.first.remove_below(end + 4);
    trial.first.restart_at(ROUTER, end + 4).unwrap();
    let metrics = trial.route(&life).await;
    assert_eq!(metrics.gap_records_total.load(Ordering::Relaxed), 4);
    assert_eq!(numbers(&life.events), (0..EVENTS).chain(EVENTS + 4..EVENTS + 10).collect::<Vec<_>>());
    assert_eq!(gaps(&life.events), [(EVENTS as u64, end, end + 4)]);
}

#[tokio::test]
async fn it_is_known_how_far_the_router_has_looked_also_where_there_is_no_event() {
    let trial = Trial::new();
    let life = trial.life();
    trial.route(&life).await;
    let (first, end) = (trial.first.id(), trial.first.next_offset());
    let followed = |position| life.router.passed().followed(position);
    assert_eq!(followed(life.events.next_offset()), Some((first, end)));
    assert_eq!(followed(life.events.next_offset() - 1), None);
    // So does the next one, of what comes then.
    drop(life);
    trial.first.append(Group { readings: vec![sample::reading(SensorNo(0), 7); 2], ..Group::default() });
    let life = trial.life();
    trial.route(&life).await;
    assert_eq!(life.router.passed().followed(life.events.next_offset()), Some((first, end + 2)));
}

/// The gaps that groups tell of: which event is behind it, from which record of the first log to which.
fn gaps(events: &Spool) -> Vec<(u64, u64, u64)> {
    let mut gaps = Vec::new();
    events
        .replay(events.first_offset(), |group| {
            for gap in RouterGap::all_of(&group.marks) {
                assert!(gap.log == Uuid::from_u128(1) && gap.until_us > 0, "{:?}", group.marks);
                gaps.push((group.first_event_offset(), gap.from, gap.to));
            }
        })
        .unwrap();
    gaps
}

#[tokio::test]
async fn databases_are_told_once_what_the_router_lacks_also_when_it_dies_before_there_is_an_event() {
    let trial = Trial::new();
    let life = trial.life();
    trial.route(&life).await;
    let end = trial.first.next_offset();
    let readings = vec![sample::reading(SensorNo(0), 7); 2];
    for _ in 0..3 {
        trial.first.append(Group { readings: readings.clone(), ..Group::default() });
    }
    trial.first.cut_off(ROUTER);
    trial.first.remove_below(end + 4);
    trial.first.restart_at(ROUTER, end + 4).unwrap();
    // No event comes behind the gap before the router dies, twice.
    trial.route(&life).await;
    drop(life);
    for _ in 0..2 {
        trial.first.append(Group { readings: readings.clone(), ..Group::default() });
        trial.route(&trial.life()).await;
    }
    for number in EVENTS..EVENTS + 2 {
        trial.first.append(Group { events: vec![event(number)], ..Group::default() });
        let life = trial.life();
        trial.route(&life).await;
        assert_eq!(gaps(&life.events), [(EVENTS as u64, end, end + 4)]);
    }
}

/// It is of the log that it was in: another one begins at offset 0 again, and its router lacks nothing.
#[tokio::test]
async fn a_gap_is_told_once_also_when_the_first_log_is_replaced_by_another() {
    for is_told_before in [true, false] {
        let mut trial = Trial::new();
        let life = trial.life();
        trial.route(&life).await;
        let end = trial.first.next_offset();
        let readings = vec![sample::reading(SensorNo(0), 7); 2];
        for _ in 0..3 {
            trial.first.append(Group { readings: readings.clone(), ..Group::default() });
        }
        trial.first.cut_off(ROUTER);
        trial.first.remove_below(end + 4);
        trial.first.restart_at(ROUTER, end + 4).unwrap();
        trial.route(&life).await;
        if is_told_before {
            trial.first.append(Group { events: vec![event(EVENTS)], ..Group::default() });
            trial.route(&life).await;
        }
        drop(life);
        trial.first = MemoryLog::new(Uuid::from_u128(2));
        trial.first.register(&Consumer::hold(ROUTER));
        for number in EVENTS + 1..EVENTS + 4 {
            trial.first.append(Group { events: vec![event(number)], ..Group::default() });
            let life = trial.life();
            trial.route(&life).await;
            assert_eq!(gaps(&life.events), [(EVENTS as u64, end, end + 4)], "told before: {is_told_before}");
        }
    }
}

/// A row of about 20 KiB.
fn row(number: i64) -> Row {
    Row { source: 0, received_us: number, values: " ".repeat(20 << 10), ..Row::default() }
}

fn rows(events: &Spool) -> Vec<(i64, u8)> {
    let mut rows = Vec::new();
    events
        .replay(events.first_offset(), |group| rows.extend(group.rows.iter().map(|row| (row.received_us, row.source))))
        .unwrap();
    rows
}

/// Every record says how far the first log has been read: what it holds and the mark are durable together.
fn whole(events: &Spool) {
    let mut records = 0;
    let mut see = |group: &Group| {
        records += 1;
        assert!(group.marks.iter().any(|mark| mark.client == router::mark(Uuid::from_u128(1))), "{:?}", group.marks);
    };
    events.replay(events.first_offset(), &mut see).unwrap();
    assert!(records > 1, "one record is no test");
}

#[tokio::test]
async fn many_events_at_once_are_records_that_each_have_their_mark() {
    // The smallest segment takes records of 512 bytes alone.
    for (segment_bytes, count) in [(4 << 10, 500), (8 << 20, 20_000)] {
        let first = MemoryLog::new(Uuid::from_u128(1));
        let numbers_of_all: Vec<i64> = (0..count).collect();
        numbers_of_all.chunks(10).for_each(|some| {
            first.append(Group { events: some.iter().map(|number| event(*number)).collect(), ..Group::default() });
        });
        let trial = Trial { first: first.clone(), folder: TempDir::new().unwrap(), segment_bytes };
        let mut life = trial.life();
        life.router.open(&first.position(0), 0).await.unwrap();
        life.router.commit(&batch(&first, 0, first.next_offset()), 0).await.unwrap();
        assert_eq!(numbers(&life.events), numbers_of_all);
        whole(&life.events);
    }
}

#[tokio::test]
async fn rows_go_with_the_events_and_are_there_once_however_many_records_they_take() {
    for segment_bytes in [32 << 10, 8 << 20] {
        rows_are_there_once(segment_bytes).await;
    }
}

async fn rows_are_there_once(segment_bytes: u64) {
    let first = MemoryLog::new(Uuid::from_u128(1));
    let folder = TempDir::new().unwrap();
    // More than a record of the second log takes, of which the first ten were left by an earlier run.
    let of = |rows: std::ops::Range<i64>, number| Group {
        rows: rows.map(row).collect(),
        events: vec![event(number)],
        ..Group::default()
    };
    first.append(of(0..10, 0));
    let recovered_until = first.next_offset();
    first.append(of(10..20, 1));
    first.append(of(20..30, 2));
    let trial = Trial { first: first.clone(), folder, segment_bytes };
    let all = batch(&first, 0, first.next_offset());
    let expected: Vec<(i64, u8)> = (0..30).map(|number| (number, if number < 10 { 9 } else { 0 })).collect();
    {
        let life = trial.life();
        let mut router = life.router.clone().with_recovered(recovered_until, 9);
        router.open(&first.position(0), 0).await.unwrap();
        router.commit(&all, 0).await.unwrap();
        assert_eq!((rows(&life.events), numbers(&life.events)), (expected.clone(), vec![0, 1, 2]));
        whole(&life.events);
    }
    // A batch that comes again brings nothing again.
    let life = trial.life();
    let mut router = life.router.with_recovered(recovered_until, 9);
    let position = router.open(&first.position(0), 0).await.unwrap();
    assert_eq!(position.next_offset(), first.next_offset());
    router.commit(&all, 0).await.unwrap();
    assert_eq!(rows(&life.events), expected);
}

#[tokio::test]
async fn a_mark_counts_under_the_name_that_the_first_log_was_given() {
    let trial = Trial::new();
    trial.route(&trial.life()).await;
    let (end, renamed) = (trial.first.next_offset(), Uuid::from_u128(2));
    {
        let (mut appender, _events, recovered) = trial.open();
        assert_eq!(router::remembered(&recovered.marks, renamed), None);
        let read = router::remembered(&recovered.marks, trial.first.position(0).log()).expect("a mark");
        let position = trial.first.position(read).renamed(renamed);
        router::remember(&mut appender, &position).unwrap();
    }
    let (_appender, events, recovered) = trial.open();
    // The last group holds no event.
    assert_eq!(router::remembered(&recovered.marks, renamed), Some(end - 2));
    assert_eq!(numbers(&events), all(), "marks alone take nothing away");
}

#[tokio::test]
async fn a_second_log_ahead_of_the_first_closes_the_doors_before_they_open() {
    let trial = Trial::new();
    let end = trial.first.next_offset();
    for (ahead, refused) in [(0, false), (1, true)] {
        {
            let (mut appender, ..) = trial.open();
            router::remember(&mut appender, &trial.first.position(end + ahead)).unwrap();
        }
        trial.life().router.judge(&trial.first);
        assert_eq!(trial.first.refusal().is_some(), refused);
    }
}
