//! The shard queue under loom: every order of its steps, with every value that the memory model lets a load see.
//!
//! Sleeping has no time limit here, so a lost wake-up is a deadlock, which loom reports.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "the queue is compiled a second time, for the test")]

mod primitives;
#[path = "../src/queue.rs"]
mod queue;

use genims_model::{Chunk, Mark, Protocol, RawReading, Receipt, SensorNo};
use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;
use queue::ShardQueue;
use std::time::Duration;

const FOR_EVER: Duration = Duration::MAX;

fn chunk(records: usize) -> Chunk {
    let reading = RawReading {
        sensor: SensorNo(0),
        untimed: false,
        quality: genims_model::Quality::Good,
        timestamp_us: 0,
        value: 0.0,
    };
    Chunk {
        protocol: Protocol::Mqtt,
        source: 0,
        client: "".into(),
        received_us: 0,
        topics: genims_model::Topics::default(),
        readings: vec![reading; records],
        snapshots: Vec::new(),
        events: Vec::new(),
        dead_letters: Vec::new(),
        marks: Vec::<Mark>::new(),
        rows: Vec::new(),
        receipt: Receipt::unwatched(),
    }
}

fn every_order(test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(test);
}

/// As a connection does it.
async fn push(queue: &ShardQueue, chunk: Chunk) {
    let mut next = Some(chunk);
    while let Some(chunk) = next.take() {
        let Err(chunk) = queue.push(chunk) else { return };
        let room = queue.room();
        let Err(chunk) = queue.push(*chunk) else { return };
        room.wait().await;
        next = Some(*chunk);
    }
}

fn take(queue: &ShardQueue, chunks: usize) -> usize {
    let (mut taken, mut records) = (0, 0);
    while taken < chunks {
        if let Some(chunk) = queue.pop_wait(FOR_EVER) {
            taken += 1;
            records += chunk.records();
        }
    }
    records
}

fn pushers_and_shard(chunks_max: usize, records_max: usize, loads: &'static [&'static [usize]]) {
    every_order(move || {
        let queue = Arc::new(ShardQueue::with_bounds(chunks_max, records_max, usize::MAX));
        let pushers: Vec<_> = loads
            .iter()
            .map(|load| {
                let queue = queue.clone();
                thread::spawn(move || load.iter().for_each(|records| block_on(push(&queue, chunk(*records)))))
            })
            .collect();
        let records = take(&queue, loads.iter().map(|load| load.len()).sum());
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        assert_eq!(records, loads.iter().copied().flatten().sum::<usize>());
        assert_eq!((queue.records(), queue.pop().is_none()), (0, true));
    });
}

#[test]
fn a_sleeping_shard_is_woken() {
    pushers_and_shard(4, 10, &[&[1, 1]]);
}

#[test]
fn two_pushers_wait_for_records() {
    pushers_and_shard(4, 2, &[&[2], &[2]]);
}

#[test]
fn two_pushers_wait_for_a_place() {
    pushers_and_shard(1, 10, &[&[1], &[1]]);
}

#[test]
fn one_pusher_waits_for_its_own_chunk() {
    pushers_and_shard(1, 10, &[&[1, 1]]);
}

/// Both see the queue empty; neither may wait for the other, which holds nothing.
#[test]
fn two_oversized_chunks_get_in() {
    pushers_and_shard(4, 2, &[&[3], &[3]]);
}

/// The shard's thread may not have been there yet when its queue was closed.
#[test]
fn a_closed_queue_does_not_sleep() {
    every_order(|| {
        let queue = Arc::new(ShardQueue::with_bounds(1, 1, usize::MAX));
        let closing = queue.clone();
        let closer = thread::spawn(move || closing.close());
        assert!(queue.pop_wait(FOR_EVER).is_none());
        closer.join().unwrap();
    });
}

/// The shard's thread ends on finding a closed queue empty: a chunk that another thread pushed before is not left behind.
#[test]
fn whoever_finds_a_closed_queue_empty_has_taken_everything() {
    every_order(|| {
        let queue = Arc::new(ShardQueue::with_bounds(4, 10, usize::MAX));
        let (pushing, closing) = (queue.clone(), queue.clone());
        let closer = thread::spawn(move || {
            let pusher = thread::spawn(move || assert!(pushing.push(chunk(1)).is_ok()));
            pusher.join().unwrap();
            closing.close();
        });
        let mut records = 0;
        loop {
            let was_closed = queue.is_closed();
            match queue.pop_wait(FOR_EVER) {
                Some(chunk) => records += chunk.records(),
                None if was_closed => break,
                None => {}
            }
        }
        closer.join().unwrap();
        assert_eq!(records, 1);
    });
}
