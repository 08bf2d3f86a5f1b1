//! The protocol over real sockets, against shards that do what the test says.

mod pace;
mod plc;
mod sequences;

use super::*;
use crate::trial::Mode;
use genims_decode::frame::{FrameType, Record, RecordValue, Welcome, encode};
use genims_model::Quality;
use plc::{PATIENCE, Plc, Trial, data, ping, u64_at, written};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

fn one(sequence: u64) -> Vec<u8> {
    data(sequence, &["S0"], &[(0, sequence as f64)])
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")).collect()
}

/// The bytes of the example in the module header.
fn example(name: &str) -> Vec<u8> {
    let lines = include_str!("../mod.rs").lines().filter_map(|line| line.strip_prefix("//! "));
    let mut text = String::new();
    for line in lines.skip_while(|line| *line != "```text").skip(1).take_while(|line| *line != "```") {
        let (label, bytes) = line.split_at(9);
        if label.trim() == name || (label.trim().is_empty() && !text.is_empty()) {
            text.push_str(bytes);
        } else if !text.is_empty() {
            break;
        }
    }
    hex(&text)
}

#[test]
fn the_example_in_the_header_has_the_bytes_that_the_codec_writes() {
    let options = TcpOptions::default();
    let welcome = Welcome {
        last_sequence: 0,
        body_bytes_max: options.body_bytes_max,
        in_flight_max: options.in_flight_frames_max,
    };
    let record = |delta_us, value| Record { handle: 7, quality: Quality::Good, delta_us, value };
    let records = [record(0, RecordValue::Float(21.5)), record(100_000, RecordValue::Integer(22))];
    let names = [(7, "TEMP-0042")];
    assert_eq!(example("HELLO"), written(|out| encode::hello("plc-7", out)));
    assert_eq!(example("WELCOME"), written(|out| encode::welcome(welcome, out)));
    assert_eq!(example("DATA"), written(|out| encode::data(1, 1_767_225_600_000_000, &names, &records, out)));
    assert_eq!(example("ACK"), written(|out| encode::ack(1, out)));
    assert_eq!(example("PING"), ping());
    assert_eq!(example("PONG"), written(encode::pong));
}

#[tokio::test]
async fn the_example_in_the_header_is_answered_as_it_says() {
    let trial = Trial::plain().await;
    let mut catalogue = (*trial.plant.directory.load()).clone();
    catalogue.put_sensor(crate::trial::sensor("TEMP-0042", "M0"));
    trial.plant.directory.publish(catalogue);
    let mut plc = Plc { stream: TcpStream::connect(trial.address).await.expect("the server listens") };
    for (sent, answer) in [("HELLO", "WELCOME"), ("DATA", "ACK"), ("PING", "PONG")] {
        plc.send(&example(sent)).await;
        let mut read = vec![0; example(answer).len()];
        timeout(PATIENCE, plc.stream.read_exact(&mut read)).await.expect("in time").expect("an answer");
        assert_eq!(read, example(answer), "{answer}");
    }
    let taken = trial.plant.taken.lock();
    let seen: Vec<_> = taken.readings.iter().map(|reading| (reading.timestamp_us, reading.value)).collect();
    assert_eq!(seen, [(1_767_225_600_000_000, 21.5), (1_767_225_600_100_000, 22.0)]);
}

#[tokio::test]
async fn frames_are_acknowledged_only_after_they_have_settled() {
    let trial = Trial::plain().await;
    trial.plant.set(Mode::Hold);
    let (mut plc, last) = trial.connect("plc").await;
    assert_eq!(last, 0);
    plc.send(&[one(1), one(2), one(3)].concat()).await;
    trial.plant.until(|account, _| account.received == 3).await;
    plc.is_silent().await;
    trial.plant.set(Mode::Settle);
    plc.acked(3).await;
    assert_eq!(trial.progress.durable("plc"), 3);
}

#[tokio::test]
async fn settled_rounds_are_marked_durable_afterwards() {
    let trial = Trial::plain().await;
    let (mut plc, _) = trial.connect("plc").await;
    plc.send(&data(1, &["S0", "S1"], &[(0, 1.0), (1, 1.0)])).await;
    plc.acked(1).await;
    trial.plant.until(|_, taken| taken.marks.iter().any(|mark| mark.client == "plc" && mark.sequence == 1)).await;
    assert_eq!(trial.progress.marks().len(), 1);
}

#[tokio::test]
async fn a_resent_frame_is_counted_as_duplicate_and_acknowledged_again() {
    let trial = Trial::new(TcpOptions::default(), &[("plc", 41)]).await;
    let (mut plc, last) = trial.connect("plc").await;
    assert_eq!(last, 41);
    plc.send(&data(41, &["S0", "S1"], &[(0, 1.0), (1, 2.0)])).await;
    plc.acked(41).await;
    assert_eq!((trial.plant.account().duplicate, trial.plant.account().committed), (2, 0));
    // The names of the resent frame stay defined.
    plc.send(&data(42, &[], &[(1, 3.0)])).await;
    plc.acked(42).await;
    assert_eq!((trial.plant.account().duplicate, trial.plant.account().committed), (2, 1));
    assert!(trial.plant.account().holds());
}

#[tokio::test]
async fn a_gap_is_refused_and_what_came_before_it_is_acknowledged() {
    let trial = Trial::plain().await;
    let (mut plc, _) = trial.connect("plc").await;
    plc.send(&[one(1), one(3)].concat()).await;
    plc.acked(1).await;
    assert_eq!(plc.refused().await, (3, 3));
}

#[tokio::test]
async fn a_frame_with_a_wrong_checksum_is_refused_as_malformed() {
    let trial = Trial::plain().await;
    let (mut plc, _) = trial.connect("plc").await;
    let mut bad = one(1);
    let last = bad.len() - 1;
    bad[last] ^= 1;
    plc.send(&bad).await;
    assert_eq!(plc.refused().await, (1, 0));
    assert_eq!(trial.plant.account().received, 0);
}

#[tokio::test]
async fn a_frame_that_is_too_large_is_refused_by_its_header_alone() {
    let trial = Trial::new(TcpOptions { body_bytes_max: 100, ..TcpOptions::default() }, &[]).await;
    let (mut plc, _) = trial.connect("plc").await;
    plc.send(&data(1, &[], &[(0, 1.0); 10])[..12]).await;
    assert_eq!(plc.refused().await, (2, 0));
}

#[tokio::test]
async fn data_before_hello_and_silence_instead_of_hello_are_refused() {
    let options = TcpOptions { hello_timeout: Duration::from_millis(50), ..TcpOptions::default() };
    let trial = Trial::new(options, &[]).await;
    let mut early = Plc { stream: TcpStream::connect(trial.address).await.expect("the server listens") };
    early.send(&one(1)).await;
    assert_eq!(early.refused().await, (3, 0));
    let mut silent = Plc { stream: TcpStream::connect(trial.address).await.expect("the server listens") };
    assert_eq!(silent.refused().await, (3, 0));
}

#[tokio::test]
async fn connections_above_the_limit_are_refused_as_busy() {
    let trial = Trial::new(TcpOptions { connections_max: 1, ..TcpOptions::default() }, &[]).await;
    let (_first, _) = trial.connect("one").await;
    let mut second = Plc { stream: TcpStream::connect(trial.address).await.expect("the server listens") };
    assert_eq!(second.refused().await, (5, 0));
    assert_eq!(trial.metrics.refused_total.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_the_spool_drops_by_policy_is_refused_and_can_be_sent_again() {
    let trial = Trial::plain().await;
    let (mut plc, _) = trial.connect("plc").await;
    plc.send(&one(1)).await;
    plc.acked(1).await;
    trial.plant.set(Mode::Refuse);
    plc.send(&one(2)).await;
    assert_eq!(plc.refused().await, (4, 2));
    trial.plant.set(Mode::Settle);
    let (mut plc, last) = trial.connect("plc").await;
    assert_eq!(last, 1);
    plc.send(&one(2)).await;
    plc.acked(2).await;
}

#[tokio::test]
async fn a_newer_connection_takes_over_and_is_told_what_the_older_one_made_durable() {
    let trial = Trial::plain().await;
    trial.plant.set(Mode::Hold);
    let (mut old, _) = trial.connect("plc").await;
    old.send(&[one(1), one(2)].concat()).await;
    trial.plant.until(|account, _| account.received == 2).await;
    let mut new = trial.greet("plc").await;
    assert_eq!(old.refused().await, (6, 0));
    new.is_silent().await;
    trial.plant.set(Mode::Settle);
    let (kind, body) = new.frame().await;
    assert_eq!((kind, u64_at(&body, 0)), (FrameType::Welcome, 2));
    new.send(&[one(2), one(3)].concat()).await;
    new.acked(3).await;
    assert_eq!((trial.plant.account().committed, trial.plant.account().duplicate), (3, 1));
}

#[tokio::test]
async fn a_resend_of_frames_still_under_way_is_not_stored_twice() {
    let options = TcpOptions { takeover_timeout: Duration::from_millis(100), ..TcpOptions::default() };
    let trial = Trial::new(options, &[]).await;
    trial.plant.set(Mode::Hold);
    let (mut old, _) = trial.connect("plc").await;
    old.send(&one(1)).await;
    trial.plant.until(|account, _| account.received == 1).await;
    let (mut new, last) = trial.connect("plc").await;
    assert_eq!(last, 0);
    new.send(&one(1)).await;
    trial.plant.until(|account, _| account.duplicate == 1).await;
    new.is_silent().await;
    trial.plant.set(Mode::Settle);
    new.acked(1).await;
    assert_eq!(trial.plant.account().committed, 1);
}

#[tokio::test]
async fn a_ping_is_answered_while_the_window_is_full_and_while_the_pipeline_pushes_back() {
    let options = TcpOptions { in_flight_frames_max: 2, ..TcpOptions::default() };
    let trial = Trial::new(options, &[]).await;
    trial.plant.set(Mode::Hold);
    let (mut plc, _) = trial.connect("full window").await;
    plc.send(&[one(1), one(2), one(3), ping()].concat()).await;
    assert_eq!(plc.frame().await.0, FrameType::Pong);
    trial.plant.until(|account, _| account.received == 2).await;
    trial.plant.set(Mode::Settle);
    plc.acked(3).await;
    trial.plant.set(Mode::Stop);
    let (mut pushed, _) = trial.connect("pushed back").await;
    let many: Vec<(u16, f64)> = (0..600).map(|value| (0, f64::from(value))).collect();
    pushed.send(&data(1, &["S0"], &many)).await;
    trial.plant.until(|account, _| account.received == 3 + 600).await;
    pushed.send(&data(2, &["S0"], &many)).await;
    trial.plant.until(|account, _| account.received == 3 + 1200).await;
    pushed.send(&[ping(), one(3), ping()].concat()).await;
    assert_eq!(pushed.frame().await.0, FrameType::Pong);
    assert_eq!(pushed.frame().await.0, FrameType::Pong);
    trial.plant.set(Mode::Settle);
    pushed.acked(3).await;
    pushed.is_silent().await;
}

#[tokio::test]
async fn records_that_cannot_be_stored_are_set_aside_and_their_frame_is_acknowledged() {
    let trial = Trial::plain().await;
    let (mut plc, _) = trial.connect("plc").await;
    plc.send(&data(1, &["S0", "NOBODY"], &[(0, 1.0), (1, 2.0), (0, f64::NAN), (9, 4.0)])).await;
    plc.acked(1).await;
    let taken = trial.plant.taken.lock();
    assert_eq!((taken.readings.len(), taken.dead_letters.len()), (1, 3));
    for dead_letter in &taken.dead_letters {
        // Frames have no topic; what is kept names its sensor, and can be decoded under a batch topic.
        assert_eq!((dead_letter.topic.as_str(), dead_letter.client.as_str(), dead_letter.source), ("", "plc", 0));
        assert_eq!(dead_letter.payload.len() as u64, dead_letter.payload_bytes);
    }
}

#[tokio::test]
async fn a_sensor_that_becomes_known_is_taken_without_a_new_connection() {
    let trial = Trial::plain().await;
    let (mut plc, _) = trial.connect("plc").await;
    plc.send(&data(1, &["LATER"], &[(0, 1.0)])).await;
    plc.acked(1).await;
    let mut catalogue = (*trial.plant.directory.load()).clone();
    catalogue.put_sensor(crate::trial::sensor("LATER", "M1"));
    trial.plant.directory.publish(catalogue);
    plc.send(&data(2, &[], &[(0, 2.0)])).await;
    plc.acked(2).await;
    let taken = trial.plant.taken.lock();
    assert_eq!((taken.readings.len(), taken.dead_letters.len()), (1, 1));
}

#[tokio::test]
async fn at_shutdown_and_after_a_half_close_open_frames_are_still_acknowledged() {
    let trial = Trial::plain().await;
    trial.plant.set(Mode::Hold);
    let (mut half, _) = trial.connect("half").await;
    let (mut open, _) = trial.connect("open").await;
    half.send(&one(1)).await;
    half.stream.shutdown().await.expect("its side closes");
    open.send(&one(1)).await;
    trial.plant.until(|account, _| account.received == 2).await;
    trial.stop.cancel();
    tokio::time::sleep(Duration::from_millis(50)).await;
    trial.plant.set(Mode::Settle);
    half.acked(1).await;
    open.acked(1).await;
    timeout(PATIENCE, trial.server).await.expect("the server ends").expect("in order");
    assert_eq!(trial.metrics.connections_open.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn frames_cut_anywhere_arrive_whole() {
    let trial = Trial::plain().await;
    let (mut plc, _) = trial.connect("plc").await;
    let stream: Vec<u8> = (1..=40).flat_map(one).collect();
    for piece in stream.chunks(37) {
        plc.send(piece).await;
        tokio::task::yield_now().await;
    }
    plc.acked(40).await;
    assert_eq!(trial.plant.account().committed, 40);
}

#[tokio::test]
async fn rows_of_which_too_many_wait_are_refused_and_what_came_before_is_acknowledged() {
    let trial = Trial::plain().await;
    trial.plant.rows.set_full("db", true);
    let rows = |sequence, database: &str| written(|out| encode::rows(sequence, database, "t", b"{\"id\":1}", out));
    let (mut plc, _) = trial.connect("erp").await;
    plc.send(&[one(1), rows(2, "other"), rows(3, "db"), one(4)].concat()).await;
    plc.acked(2).await;
    assert_eq!(plc.refused().await, (4, 3));
    assert_eq!(trial.plant.account().received, 2);
    trial.plant.rows.set_full("db", false);
    let (mut plc, last) = trial.connect("erp").await;
    assert_eq!(last, 2);
    plc.send(&[rows(3, "db"), one(4)].concat()).await;
    plc.acked(4).await;
}
