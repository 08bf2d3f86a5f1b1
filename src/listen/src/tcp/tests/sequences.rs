//! What becomes of clients that do not go on where WELCOME says.

use super::*;
use std::sync::atomic::Ordering;

fn regressions(trial: &Trial) -> u64 {
    trial.metrics.sequence_regressions_total.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_first_sequence_near_the_end_of_counting_is_refused_and_does_not_silence_its_client() {
    let trial = Trial::plain().await;
    for sequence in [u64::MAX, 1 << 60, 1 << 40, (1 << 40) - 5, (1 << 39) + 1] {
        let id = sequence.to_string();
        let (mut plc, _) = trial.connect(&id).await;
        plc.send(&one(sequence)).await;
        assert_eq!(plc.refused().await, (3, sequence));
        for then in [1, 2] {
            let (mut plc, last) = trial.connect(&id).await;
            assert_eq!(last, then - 1);
            plc.send(&one(then)).await;
            plc.acked(then).await;
        }
    }
    assert_eq!((trial.plant.account().committed, trial.plant.account().duplicate), (10, 0));
}

#[tokio::test]
async fn a_first_sequence_that_was_never_set_does_not_silence_its_client() {
    const UNSET: u64 = u32::MAX as u64;
    let trial = Trial::plain().await;
    let (mut plc, _) = trial.connect("plc").await;
    plc.send(&[one(UNSET), one(UNSET + 1)].concat()).await;
    plc.acked(UNSET + 1).await;
    trial.plant.until(|_, taken| taken.marks.iter().any(|mark| mark.sequence == UNSET + 1)).await;
    drop(plc);
    // Mended, it counts from the beginning, and each of its frames is stored before it is acknowledged.
    let (mut plc, last) = trial.connect("plc").await;
    assert_eq!(last, UNSET + 1);
    trial.plant.set(Mode::Hold);
    plc.send(&[one(1), one(2)].concat()).await;
    trial.plant.until(|account, _| account.received == 4).await;
    plc.is_silent().await;
    assert_eq!(trial.progress.durable("plc"), 0);
    trial.plant.set(Mode::Settle);
    plc.acked(2).await;
    trial.plant.until(|_, taken| taken.marks.iter().any(|mark| mark.sequence == 2)).await;
    drop(plc);
    let (mut plc, last) = trial.connect("plc").await;
    assert_eq!(last, 2);
    plc.send(&[one(2), one(3)].concat()).await;
    plc.acked(3).await;
    assert_eq!((trial.plant.account().committed, trial.plant.account().duplicate), (5, 1));
    let marks: Vec<u64> = trial.plant.taken.lock().marks.iter().map(|mark| mark.sequence).collect();
    let at = |sequence| marks.iter().position(|marked| *marked == sequence).expect("a mark");
    assert!(at(UNSET + 1) < at(0) && at(0) < at(2), "{marks:?}");
}

#[tokio::test]
async fn nobody_counts_anew_while_frames_of_before_are_under_way() {
    const UNSET: u64 = u32::MAX as u64;
    let options = TcpOptions { takeover_timeout: Duration::from_millis(100), ..TcpOptions::default() };
    let trial = Trial::new(options, &[]).await;
    trial.plant.set(Mode::Hold);
    let (mut old, _) = trial.connect("plc").await;
    old.send(&one(UNSET)).await;
    trial.plant.until(|account, _| account.received == 1).await;
    let (mut new, _) = trial.connect("plc").await;
    new.send(&one(1)).await;
    assert_eq!(new.refused().await, (5, 0), "the ACK of what is under way would be taken for its own");
    trial.plant.set(Mode::Settle);
    let (mut new, last) = trial.connect("plc").await;
    assert_eq!(last, UNSET);
    new.send(&one(1)).await;
    new.acked(1).await;
    assert_eq!((trial.plant.account().committed, trial.plant.account().duplicate), (2, 0));
}

#[tokio::test]
async fn a_device_that_lost_its_count_and_does_not_heed_welcome_is_stored() {
    let trial = Trial::new(TcpOptions::default(), &[("plc", 1_000_000)]).await;
    let (mut plc, last) = trial.connect("plc").await;
    assert_eq!(last, 1_000_000);
    plc.send(&[one(1), one(2), one(3)].concat()).await;
    plc.acked(3).await;
    assert_eq!((trial.plant.account().committed, trial.plant.account().duplicate), (3, 0));
    assert_eq!(regressions(&trial), 1, "one connection, however many frames");
}

#[tokio::test]
async fn who_begins_at_or_below_the_sequence_of_welcome_is_counted() {
    let trial = Trial::new(TcpOptions::default(), &[("plc", 41)]).await;
    for (sequences, told) in [([42, 43], 0), ([43, 44], 1), ([44, 45], 2), ([50, 51], 2)] {
        let (mut plc, _) = trial.connect("plc").await;
        plc.send(&sequences.map(one).concat()).await;
        plc.acked(sequences[1]).await;
        assert_eq!(regressions(&trial), told, "{sequences:?}");
    }
    assert_eq!((trial.plant.account().committed, trial.plant.account().duplicate), (6, 2));
}

#[tokio::test]
async fn who_has_counted_beyond_where_clients_begin_goes_on_after_a_restart() {
    const BEGIN: u64 = 1 << 39;
    let trial = Trial::plain().await;
    let (mut plc, _) = trial.connect("plc").await;
    plc.send(&(BEGIN..BEGIN + 10).flat_map(one).collect::<Vec<u8>>()).await;
    plc.acked(BEGIN + 9).await;
    let marks = trial.progress.marks();
    let recovered: Vec<_> = marks.iter().map(|mark| (mark.client.as_str(), mark.sequence)).collect();
    let trial = Trial::new(TcpOptions::default(), &recovered).await;
    let (mut plc, last) = trial.connect("plc").await;
    assert_eq!(last, BEGIN + 9);
    plc.send(&one(BEGIN + 10)).await;
    plc.acked(BEGIN + 10).await;
    assert_eq!(trial.plant.account().committed, 1);
}
