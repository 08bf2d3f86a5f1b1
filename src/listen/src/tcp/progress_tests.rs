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
    assert_eq!(session.place(&client, 2, false, RESEND_MIN), Place::Next);
}

#[test]
fn only_the_first_frame_of_a_connection_may_leave_a_gap() {
    let client = Client::new("plc".to_owned(), 5);
    let mut session = Session { received: 7, ..Session::default() };
    session.push(round(7, &receipt()));
    assert_eq!(session.place(&client, 5, true, RESEND_MIN), Place::Resend { durable: true });
    assert_eq!(session.place(&client, 7, true, RESEND_MIN), Place::Resend { durable: false });
    assert_eq!(session.place(&client, 8, false, RESEND_MIN), Place::Next);
    assert_eq!(session.place(&client, 9, false, RESEND_MIN), Place::Gap { expected: 8 });
    assert_eq!(session.place(&client, 9, true, RESEND_MIN), Place::Next);
}

#[test]
fn a_sequence_that_nobody_can_have_counted_to_is_told_from_a_gap() {
    let client = Client::new("plc".to_owned(), 0);
    let mut session = Session::default();
    for sequence in [u64::MAX, SEQUENCE_MAX + 1, SEQUENCE_MAX, SEQUENCE_MAX - 1, BEGIN_MAX + 1] {
        assert_eq!(session.place(&client, sequence, true, RESEND_MIN), Place::TooFar { expected: 1 }, "{sequence}");
    }
    // A server that has forgotten the client cannot know how far it has come.
    assert_eq!(session.place(&client, BEGIN_MAX, true, RESEND_MIN), Place::Next);
    session.receive(7);
    assert_eq!(session.place(&client, 7 + GAP_MAX, true, RESEND_MIN), Place::Next);
    for first in [true, false] {
        assert_eq!(session.place(&client, 8 + GAP_MAX, first, RESEND_MIN), Place::TooFar { expected: 8 });
    }
    // Who begins as far as it may is heard for as long as it counts, and gaps bring nobody much further.
    session.receive(BEGIN_MAX);
    assert_eq!(session.place(&client, BEGIN_MAX + 1, false, RESEND_MIN), Place::Next);
    assert_eq!(session.place(&client, BEGIN_MAX + RESEND_MIN, true, RESEND_MIN), Place::Next);
    let further = BEGIN_MAX + RESEND_MIN + 1;
    assert_eq!(session.place(&client, further, true, RESEND_MIN), Place::TooFar { expected: BEGIN_MAX + 1 });
    session.receive(SEQUENCE_MAX);
    assert_eq!(
        session.place(&client, SEQUENCE_MAX + 1, false, RESEND_MIN),
        Place::TooFar { expected: SEQUENCE_MAX + 1 }
    );
}

#[test]
fn a_client_that_comes_back_far_below_counts_anew_and_one_that_sends_again_does_not() {
    let client = Client::new("plc".to_owned(), u64::from(u32::MAX));
    let mut session = Session { received: client.durable(), marked: client.durable(), ..Session::default() };
    let oldest = client.durable() - RESEND_MIN;
    assert_eq!(session.place(&client, oldest, true, RESEND_MIN), Place::Resend { durable: true });
    assert_eq!(session.place(&client, oldest - 1, true, RESEND_MIN), Place::Anew);
    assert_eq!(session.place(&client, 1, true, RESEND_MIN), Place::Anew);
    // In the midst of a connection nobody goes back so far.
    assert_eq!(session.place(&client, 1, false, RESEND_MIN), Place::Gap { expected: client.durable() + 1 });

    session.begin_anew(&client);
    assert_eq!((client.durable(), session.place(&client, 1, true, RESEND_MIN)), (0, Place::Next));
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
    assert_eq!((client.durable(), session.place(&client, 1, true, RESEND_MIN)), (1, Place::Resend { durable: true }));
    assert_eq!(session.mark(&client), Some(Mark { client: "plc".to_owned(), sequence: 1 }));
}

#[test]
fn a_resend_lies_within_twice_the_window() {
    assert_eq!([1, 1_024, 2_048].map(resend_max), [RESEND_MIN; 3]);
    assert_eq!(resend_max(1 << 20), 1 << 21);
    let client = Client::new("plc".to_owned(), 1_000_000);
    let session = Session { received: client.durable(), ..Session::default() };
    assert_eq!(session.place(&client, 1, true, resend_max(1_024)), Place::Anew);
    assert_eq!(session.place(&client, 1, true, resend_max(1 << 20)), Place::Resend { durable: true });
}

#[test]
fn who_counts_beyond_where_it_may_begin_is_heard_after_a_restart() {
    const ACKNOWLEDGED: u64 = BEGIN_MAX + 9;
    // As the marks say; and as they say after a crash, when they lag behind what was acknowledged.
    for marked in [ACKNOWLEDGED, ACKNOWLEDGED - 1_000] {
        let before = Progress::new(8, HashMap::from([("plc".to_owned(), marked)]));
        let marks = before.marks().into_iter().map(|mark| (mark.client, mark.sequence));
        let progress = Progress::new(8, marks.collect());
        assert_eq!(progress.durable("plc"), marked);
        let client = progress.client("plc").expect("room");
        let session = client.session.try_lock().expect("nobody owns it");
        assert_eq!(session.place(&client, ACKNOWLEDGED + 1, true, RESEND_MIN), Place::Next, "{marked}");
    }
}

#[test]
fn nobody_counts_anew_beyond_where_clients_begin() {
    let known = BEGIN_MAX + GAP_MAX;
    let client = Client::new("plc".to_owned(), known);
    let session = Session { received: known, ..Session::default() };
    assert_eq!(session.place(&client, BEGIN_MAX + 1, true, RESEND_MIN), Place::TooFar { expected: known + 1 });
    assert_eq!(session.place(&client, BEGIN_MAX, true, RESEND_MIN), Place::Anew);
}

#[test]
fn a_recovered_sequence_that_would_silence_its_client_is_not_believed() {
    let last = SEQUENCE_MAX - GAP_MAX;
    let recovered = [("good", 9), ("far", last), ("too far", last + 1), ("poisoned", u64::MAX)];
    let recovered = recovered.map(|(id, sequence)| (id.to_owned(), sequence));
    let progress = Progress::new(8, HashMap::from(recovered));
    assert_eq!(["good", "far", "too far", "poisoned"].map(|id| progress.durable(id)), [9, last, 0, 0]);
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
