//! Where sequences stand, and what settles when.

use super::*;

fn round(sequence: u64, receipt: &Receipt) -> Round {
    Round { last_sequence: sequence, frames: 1, bytes: 10, receipt: receipt.clone() }
}

fn receipt() -> Receipt {
    Receipt::unwatched()
}

#[test]
fn the_durable_sequence_waits_for_the_oldest_open_round() {
    let client = Client::new("plc".to_owned(), 0);
    let mut session = Session::default();
    let (one, two) = (receipt(), receipt());
    session.push(round(1, &one));
    session.push(round(2, &two));
    two.settle_part();
    assert!(!session.settle(&client));
    assert_eq!((client.durable(), session.frames_in_flight()), (0, 2));
    one.settle_part();
    assert!(session.settle(&client));
    assert_eq!((client.durable(), session.frames_in_flight(), session.bytes_in_flight()), (2, 0, 0));
}

#[test]
fn nothing_behind_a_refused_round_counts_as_durable() {
    let client = Client::new("plc".to_owned(), 0);
    let mut session = Session::default();
    let receipts = [receipt(), receipt(), receipt()];
    for (index, receipt) in receipts.iter().enumerate() {
        session.receive(index as u64 + 1);
        session.push(round(index as u64 + 1, receipt));
    }
    receipts[0].settle_part();
    receipts[1].refuse_part();
    session.settle(&client);
    assert!(session.is_refused() && !session.resume(&client));
    receipts[2].settle_part();
    session.settle(&client);
    assert_eq!(client.durable(), 1);
    assert!(session.resume(&client));
    assert_eq!(session.place(&client, 2, false), Place::Next);
}

#[test]
fn only_the_first_frame_of_a_connection_may_leave_a_gap() {
    let client = Client::new("plc".to_owned(), 5);
    let mut session = Session { received: 7, ..Session::default() };
    session.push(round(7, &receipt()));
    assert_eq!(session.place(&client, 5, true), Place::Resend { durable: true });
    assert_eq!(session.place(&client, 7, true), Place::Resend { durable: false });
    assert_eq!(session.place(&client, 8, false), Place::Next);
    assert_eq!(session.place(&client, 9, false), Place::Gap { expected: 8 });
    assert_eq!(session.place(&client, 9, true), Place::Next);
}

#[test]
fn a_sequence_that_nobody_can_have_counted_to_is_told_from_a_gap() {
    let client = Client::new("plc".to_owned(), 0);
    let mut session = Session::default();
    for sequence in [u64::MAX, SEQUENCE_MAX + 1, SEQUENCE_MAX, SEQUENCE_MAX - 1, BEGIN_MAX + 1] {
        assert_eq!(session.place(&client, sequence, true), Place::TooFar { expected: 1 }, "{sequence}");
    }
    // A server that has forgotten the client cannot know how far it has come.
    assert_eq!(session.place(&client, BEGIN_MAX, true), Place::Next);
    session.receive(7);
    assert_eq!(session.place(&client, 7 + GAP_MAX, true), Place::Next);
    for first in [true, false] {
        assert_eq!(session.place(&client, 8 + GAP_MAX, first), Place::TooFar { expected: 8 });
    }
    // Who begins as far as it may is heard for as long as it counts, and gaps bring nobody further.
    session.receive(BEGIN_MAX);
    assert_eq!(session.place(&client, BEGIN_MAX + 1, false), Place::Next);
    assert_eq!(session.place(&client, BEGIN_MAX + 2, true), Place::TooFar { expected: BEGIN_MAX + 1 });
    session.receive(SEQUENCE_MAX);
    assert_eq!(session.place(&client, SEQUENCE_MAX + 1, false), Place::TooFar { expected: SEQUENCE_MAX + 1 });
}

#[test]
fn a_client_that_comes_back_far_below_counts_anew_and_one_that_sends_again_does_not() {
    let client = Client::new("plc".to_owned(), u64::from(u32::MAX));
    let mut session = Session { received: client.durable(), marked: client.durable(), ..Session::default() };
    let oldest = client.durable() - RESEND_MAX;
    assert_eq!(session.place(&client, oldest, true), Place::Resend { durable: true });
    assert_eq!(session.place(&client, oldest - 1, true), Place::Anew);
    assert_eq!(session.place(&client, 1, true), Place::Anew);
    // In the midst of a connection nobody goes back so far.
    assert_eq!(session.place(&client, 1, false), Place::Gap { expected: client.durable() + 1 });

    session.begin_anew(&client);
    assert_eq!((client.durable(), session.place(&client, 1, true)), (0, Place::Next));
    let taken_back = Some(Mark { client: "plc".to_owned(), sequence: 0 });
    let receipts = [receipt(), receipt()];
    for (index, receipt) in receipts.iter().enumerate() {
        let sequence = index as u64 + 1;
        session.receive(sequence);
        assert_eq!(session.mark(&client), taken_back, "no round without it before one has settled");
        session.push(round(sequence, receipt));
    }
    receipts[0].settle_part();
    assert!(session.settle(&client));
    assert_eq!((client.durable(), session.place(&client, 1, true)), (1, Place::Resend { durable: true }));
    assert_eq!(session.mark(&client), Some(Mark { client: "plc".to_owned(), sequence: 1 }));
}

#[test]
fn a_recovered_sequence_that_would_silence_its_client_is_not_believed() {
    let recovered = [("good", 9), ("poisoned", u64::MAX), ("all but", SEQUENCE_MAX)];
    let recovered = recovered.map(|(id, sequence)| (id.to_owned(), sequence));
    let progress = Progress::new(8, HashMap::from(recovered));
    assert_eq!(["good", "poisoned", "all but"].map(|id| progress.durable(id)), [9, 0, 0]);
}

#[test]
fn progress_is_marked_once() {
    let client = Client::new("plc".to_owned(), 3);
    let mut session = Session { marked: 3, ..Session::default() };
    assert_eq!(session.mark(&client), None);
    let receipt = receipt();
    session.push(round(4, &receipt));
    receipt.settle_part();
    session.settle(&client);
    assert_eq!(session.mark(&client), Some(Mark { client: "plc".to_owned(), sequence: 4 }));
    assert_eq!(session.mark(&client), None);
}

#[test]
fn the_longest_unused_client_is_forgotten_and_a_connected_one_never() {
    let progress = Progress::new(2, HashMap::from([("old".to_owned(), 9)]));
    let held = progress.client("held");
    assert!(held.is_some());
    assert!(progress.client("new").is_some());
    assert_eq!(progress.durable("old"), 0);
    let also_held = progress.client("new");
    assert!(also_held.is_some());
    assert!(progress.client("one too many").is_none());
    drop(also_held);
    assert!(progress.client("one too many").is_some());
}

#[tokio::test]
async fn a_newer_connection_ends_the_lease_of_the_older() {
    let client = Client::new("plc".to_owned(), 0);
    let mut first = client.take_over();
    assert!(!first.is_over());
    let second = client.take_over();
    first.over().await;
    assert!(first.is_over() && !second.is_over());
}
