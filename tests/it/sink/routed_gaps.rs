//! What each engine remembers of a gap: that it is there, what was told around it, what was made anew, that it is closed. And what MongoDB has
//! of a batch that was cut off in its middle.

use super::plant::Plant;
use super::routed::{changes, in_mongodb, in_mysql, in_postgres};
use super::routed_servers::{Databases, routed_trial};
use crate::harness::Harness;
use genims_model::{Group, Mark, Position};
use genims_stores::SinkError;
use genims_stores::batch::Batch;
use genims_stores::routed::gaps::{Gap, Gaps};
use genims_stores::routed::progress::Routed;
use genims_stores::target::Target;
use libtest_mimic::Trial;
use mongodb::bson::{Document, doc};
use mysql_async::prelude::Queryable;
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        routed_trial(harness, "each_engine_remembers_a_gap_until_it_is_closed", each_engine),
        routed_trial(harness, "what_is_made_anew_is_never_beside_what_a_half_batch_left", half_written),
        routed_trial(harness, "what_was_told_in_many_batches_is_read_whole", many_batches),
        routed_trial(harness, "a_position_that_goes_back_alone_forgets_nothing_that_was_told", position_back),
    ]
}

/// Before the gap, in it, behind it.
const PARTS: [i64; 3] = [40, 30, 20];
const ALL: i64 = PARTS[0] + PARTS[1] + PARTS[2];
/// When the parts are received, microseconds since 1970.
const RECEIVED_US: [u64; 3] = [1_000_000_000, 2_000_000_000, 3_000_000_000];

/// Twice as many as are read at once, and one.
const BATCHES: i64 = 401;

async fn each_engine(databases: Arc<Databases>) {
    let plant = Plant::new();
    let target = || databases.target_in_postgres(&plant, databases.postgres_address());
    lacks(&plant, [target(), target()]).await;
    assert_eq!(in_postgres(&databases).await, (ALL, ALL));

    let plant = Plant::new();
    let target = || databases.usual_target_in_mysql(&plant);
    lacks(&plant, [target(), target()]).await;
    assert_eq!(in_mysql(&databases).await, (ALL, ALL));

    let plant = Plant::new();
    let first = databases.target_in_mongo(&plant, databases.mongo_address()).await;
    lacks(&plant, [first, databases.target_in_mongo(&plant, databases.mongo_address()).await]).await;
    assert_eq!(in_mongodb(&databases).await, (ALL, ALL));
}

/// What the router appends of one part: it says when it was received, and how far the first log has been routed.
fn part(index: usize) -> Group {
    let marks =
        [(Mark::RECEIVED.to_owned(), RECEIVED_US[index]), (format!("log/{}", first_log()), 1_000 * (index as u64 + 1))];
    let marks = marks.map(|(client, sequence)| Mark { client, sequence }).to_vec();
    Group { marks, ..changes(PARTS[..index].iter().sum(), PARTS[index]) }
}

/// The same events, from number `from` of the part on, as they are made anew.
fn made_anew(index: usize, from: i64, count: i64) -> Group {
    let marks = [(Mark::RECEIVED, RECEIVED_US[index]), (Mark::MADE_ANEW, 1)];
    let marks = marks.map(|(client, sequence)| Mark { client: client.to_owned(), sequence }).to_vec();
    Group { marks, ..changes(PARTS[..index].iter().sum::<i64>() + from, count) }
}

fn batch(first_offset: u64, group: Group) -> Batch {
    let mut batch = Batch::default();
    batch.push(Arc::new(Group { first_offset, ..group }));
    batch
}

fn first_log() -> Uuid {
    Uuid::from_u128(77)
}

async fn lacks<T: Gaps + 'static>(plant: &Plant, [(first, _), (mut second, routed)]: [(T, Arc<Routed>); 2]) {
    plant.append(part(0));
    let sink = plant.follow(first, false, 1_000);
    plant.caught_up().await;
    sink.abort().await;
    plant.append(part(1));
    plant.append(part(2));
    let lost = PARTS[0] as u64..(PARTS[0] + PARTS[1]) as u64;
    plant.log.remove_below(lost.end);

    // What the stream does when it goes on behind the gap.
    let log = plant.log.id();
    let start = Position::beginning(log);
    assert_eq!(second.open(&start, 0).await.unwrap().next_offset(), lost.start);
    // Look-ups ask for what was the case when the events came, from the first one on.
    assert_eq!(routed.received_us(), Some(RECEIVED_US[0] as i64));
    second.commit(&batch(lost.end, part(2)), lost.start).await.unwrap();
    let own = |gaps: Vec<Gap>| gaps.into_iter().filter(|gap| gap.events == log).collect::<Vec<_>>();
    let gaps = own(second.gaps().await.unwrap());
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let gap = &gaps[0];
    assert_eq!((&gap.lost.offsets, gap.events_lost(), gap.closed), (&lost, Some(PARTS[1] as u64), None));
    assert_eq!((gap.received_from_us, gap.received_to_us), (Some(RECEIVED_US[0] as i64), RECEIVED_US[2] as i64));
    assert_eq!((gap.routed, gap.followed), (Some((first_log(), 3_000)), Some((first_log(), 3_000))));
    assert_eq!(own(routed.open_gaps()), gaps);

    let facts = second.facts(&gaps, 0..i64::MAX).await.unwrap();
    assert_eq!((facts.stream.len() as i64, facts.made_anew.len()), (PARTS[0] + PARTS[2], 0));
    assert_eq!(facts.received_us, Some(RECEIVED_US[0] as i64..RECEIVED_US[2] as i64));

    // The same events under another log's name and numbers, as they are made anew.
    let anew = Position::beginning(gap.made_anew());
    assert_eq!(second.open(&anew, 0).await.unwrap().next_offset(), 0);
    let again = batch(0, made_anew(1, 0, PARTS[1]));
    second.commit(&again, 0).await.unwrap();
    let moved = second.commit(&again, 0).await.unwrap_err();
    assert!(matches!(moved, SinkError::PositionMoved { expected: 0 }), "{moved}");
    second.close();
    assert_eq!(second.open(&anew, 0).await.unwrap().next_offset(), PARTS[1] as u64);
    let facts = second.facts(&gaps, 0..i64::MAX).await.unwrap();
    assert_eq!((facts.stream.len() as i64, facts.made_anew.len() as i64), (PARTS[0] + PARTS[2], PARTS[1]));
    assert!(facts.stream.is_disjoint(&facts.made_anew) && facts.intended.is_empty());
    assert_eq!(second.refused(anew.log(), 0..PARTS[1] as u64).await.unwrap(), 0);

    second.close_gap(gap, 29).await.unwrap();
    let closed = own(second.gaps().await.unwrap())[0].closed.unwrap();
    assert!(closed.at_us > gap.noticed_us && closed.made == 29, "{closed:?}");
    // A later look of the server shows it no more.
    second.open(&start, 0).await.unwrap();
    assert_eq!(own(routed.open_gaps()), []);

    // The log gets another name: what came before its gap is known by the facts of the old one.
    let renamed = Position::beginning(Uuid::new_v4()).moved_to(500);
    assert_eq!(second.open(&renamed, 0).await.unwrap().next_offset(), 500);
    let nothing = Group { events: Vec::new(), skipped: 1, ..part(2) };
    second.commit(&batch(600, nothing), 500).await.unwrap();
    let gaps = second.gaps().await.unwrap();
    let gap = gaps.iter().find(|gap| gap.events == renamed.log()).unwrap();
    assert_eq!(gap.received_from_us, Some(RECEIVED_US[2] as i64));
}

/// More than are read at once.
async fn many_batches(databases: Arc<Databases>) {
    let plant = Plant::new();
    let (mut target, _) = databases.target_in_postgres(&plant, databases.postgres_address());
    one_by_one(&mut target, plant.log.id()).await;
    let plant = Plant::new();
    let (mut target, _) = databases.usual_target_in_mysql(&plant);
    one_by_one(&mut target, plant.log.id()).await;
    let plant = Plant::new();
    let (mut target, _) = databases.target_in_mongo(&plant, databases.mongo_address()).await;
    one_by_one(&mut target, plant.log.id()).await;
}

async fn one_by_one<T: Gaps>(target: &mut T, log: Uuid) {
    let start = Position::beginning(log);
    target.open(&start, 0).await.unwrap();
    for number in 0..BATCHES {
        let group = Group { marks: part(0).marks, ..changes(number, 1) };
        target.commit(&batch(number as u64, group), number as u64).await.unwrap();
    }
    assert_eq!(target.facts(&[], 0..i64::MAX).await.unwrap().stream.len() as i64, BATCHES);
}

/// The batch that comes again from there may be a shorter one.
async fn position_back(databases: Arc<Databases>) {
    let back =
        |log: Uuid| format!("UPDATE genims_internal.route_positions SET next_offset = 0 WHERE spool_id = '{log}'");
    let plant = Plant::new();
    let (mut target, _) = databases.target_in_postgres(&plant, databases.postgres_address());
    told(&mut target, plant.log.id(), PARTS[0], PARTS[0]).await;
    databases.connect_postgres().await.batch_execute(&back(plant.log.id())).await.unwrap();
    told(&mut target, plant.log.id(), 10, PARTS[0]).await;

    let plant = Plant::new();
    let (mut target, _) = databases.usual_target_in_mysql(&plant);
    told(&mut target, plant.log.id(), PARTS[0], PARTS[0]).await;
    databases.connect_mysql().await.query_drop(back(plant.log.id())).await.unwrap();
    told(&mut target, plant.log.id(), 10, PARTS[0]).await;

    let plant = Plant::new();
    let (mut target, _) = databases.target_in_mongo(&plant, databases.mongo_address()).await;
    told(&mut target, plant.log.id(), PARTS[0], PARTS[0]).await;
    put_back(&databases, plant.log.id(), 0).await;
    told(&mut target, plant.log.id(), 10, PARTS[0]).await;
}

/// Writes the first `count` events; then so many are among what it was told.
async fn told<T: Gaps>(target: &mut T, log: Uuid, count: i64, known: i64) {
    target.close();
    let start = Position::beginning(log);
    assert_eq!(target.open(&start, 0).await.unwrap().next_offset(), 0);
    let group = Group { marks: part(0).marks, ..changes(0, count) };
    target.commit(&batch(0, group), 0).await.unwrap();
    assert_eq!(target.facts(&[], 0..i64::MAX).await.unwrap().stream.len() as i64, known);
}

/// MongoDB has the documents of a batch and not its position, and then the log no longer has the batch.
async fn half_written(databases: Arc<Databases>) {
    let plant = Plant::new();
    let (mut target, _) = databases.target_in_mongo(&plant, databases.mongo_address()).await;
    let log = plant.log.id();
    let start = Position::beginning(log);
    let lost = PARTS[0] as u64..(PARTS[0] + PARTS[1]) as u64;
    target.open(&start, 0).await.unwrap();
    target.commit(&batch(0, part(0)), 0).await.unwrap();
    target.commit(&batch(lost.start, part(1)), lost.start).await.unwrap();
    put_back(&databases, log, lost.start).await;
    target.close();
    assert_eq!(target.open(&start, 0).await.unwrap().next_offset(), lost.start);
    target.commit(&batch(lost.end, part(2)), lost.start).await.unwrap();

    let mut gaps = target.gaps().await.unwrap();
    gaps.retain(|gap| gap.events == log);
    let facts = target.facts(&gaps, 0..i64::MAX).await.unwrap();
    assert_eq!((facts.stream.len() as i64, facts.intended.len() as i64), (PARTS[0] + PARTS[2], PARTS[1]));
    let anew = Position::beginning(gaps[0].made_anew());
    target.open(&anew, 0).await.unwrap();
    target.commit(&batch(0, made_anew(1, 0, PARTS[1])), 0).await.unwrap();
    assert_eq!(in_mongodb(&databases).await, (ALL, ALL));

    // A run that was killed before its position moved: the next one makes other batches. It names its events without the stream's help.
    let (mut target, _) = databases.target_in_mongo(&plant, databases.mongo_address()).await;
    let series = databases.mongo_database().await;
    series.collection::<Document>("machine_state_changes").drop().await.unwrap();
    for (from, count) in [(0, 20), (10, 20)] {
        put_back(&databases, anew.log(), 0).await;
        target.open(&anew, 0).await.unwrap();
        target.commit(&batch(0, made_anew(1, from, count)), 0).await.unwrap();
        target.close();
    }
    assert_eq!(in_mongodb(&databases).await, (PARTS[1], PARTS[1]));
}

/// The position that MongoDB remembers of a log; what it has intended stays.
async fn put_back(databases: &Databases, log: Uuid, next_offset: u64) {
    let positions = databases.mongo_client().await.database("genims_internal").collection::<Document>("sink_positions");
    let of_log = doc! { "_id.spool_id": log.to_string() };
    let update = doc! { "$set": { "next_offset": next_offset as i64 } };
    let updated = positions.update_one(of_log, update).await.unwrap();
    assert!(updated.matched_count <= 1, "{updated:?}");
}
