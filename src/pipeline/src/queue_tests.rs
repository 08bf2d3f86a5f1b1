//! What bounds a shard's queue, and who wakes whom. Every order of its steps is tried in `tests/queue.rs`.

use crate::primitives::Ordering;
use crate::queue::ShardQueue;
use genims_model::{Chunk, DeadLetter, Protocol, Reason, Receipt, Topics};
use std::sync::Arc;

fn chunk(payload_bytes: usize) -> Chunk {
    let dead_letter = DeadLetter {
        source: 0,
        client: String::new(),
        received_us: 0,
        topic: String::new(),
        reason: Reason::MalformedPayload,
        detail: String::new(),
        payload: vec![0; payload_bytes],
        payload_bytes: payload_bytes as u64,
        records: 1,
    };
    Chunk {
        protocol: Protocol::Mqtt,
        source: 0,
        client: "".into(),
        received_us: 0,
        topics: Topics::default(),
        readings: Vec::new(),
        snapshots: Vec::new(),
        events: Vec::new(),
        dead_letters: vec![dead_letter],
        rows: Vec::new(),
        marks: Vec::new(),
        receipt: Receipt::unwatched(),
    }
}

#[test]
fn large_dead_letters_fill_the_queue_by_their_bytes() {
    let queue = ShardQueue::new(100_000, 1 << 20);
    let mut taken = 0;
    while queue.push(chunk(60_000)).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, (1 << 20) / chunk(60_000).bytes());
    assert!(queue.pop().is_some() && queue.push(chunk(60_000)).is_ok());
    while queue.pop().is_some() {}
    // Larger than the whole queue: let in alone.
    assert!(queue.push(chunk(2 << 20)).is_ok() && queue.push(chunk(1)).is_err());
}

/// A chunk that is in the ring and was not counted: the next one, for which the count has room, must not vanish.
#[test]
#[should_panic(expected = "the ring holds more chunks than were let in")]
fn a_chunk_that_was_let_in_and_finds_no_place_is_never_passed_over() {
    let queue = ShardQueue::with_bounds(1, 10, usize::MAX);
    assert!(queue.ring.push(chunk(1)).is_ok());
    assert!(queue.push(chunk(1)).is_ok());
}

/// Room that is made before the wait begins ends the wait at once: no clock is needed.
#[tokio::test]
async fn room_made_after_the_registration_is_never_missed() {
    let queue = Arc::new(ShardQueue::new(1, usize::MAX));
    for _ in 0..1_000 {
        assert!(queue.push(chunk(1)).is_ok());
        let room = queue.room();
        assert!(queue.push(chunk(1)).is_err());
        let shard = queue.clone();
        let popped = std::thread::spawn(move || shard.pop().is_some());
        room.wait().await;
        assert!(popped.join().expect("no panic"));
    }
    assert_eq!(queue.waiters.load(Ordering::SeqCst), 0);
}
