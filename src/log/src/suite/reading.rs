//! Readers: everything durable, in order, once, from any offset.

use super::{Subject, append, both, events, fill, fill_more, read};
use crate::contract::{Consumer, Log, LogReader};
use crate::file::samples;
use genims_model::{Mark, Portion};
use std::time::Duration;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn every_reader_sees_every_record_in_order_from_any_offset<S: Subject>() {
    let subject = S::new();
    assert!(read(subject.log(), 0).is_empty());
    let end = fill(&subject);
    for from in 0..=end {
        assert_eq!(read(subject.log(), from), events(from, end - from), "from {from}");
    }
    assert!(subject.log().reader(end + 1).is_err(), "no record has had this offset");
}

fn a_waiting_reader_wakes_with_the_next_group<S: Subject>() {
    let (subject, runtime) = (S::new(), runtime());
    let mut reader = subject.log().reader(0).unwrap();
    append(&subject, 3);
    assert_eq!(runtime.block_on(reader.next()).unwrap().events, events(0, 3));
    assert!(reader.try_next().unwrap().is_none());
    // Whoever gives up waiting loses nothing.
    let given_up = runtime.block_on(async { tokio::time::timeout(Duration::from_millis(1), reader.next()).await });
    assert!(given_up.is_err(), "nothing is there yet");
    std::thread::scope(|scope| {
        let woken = scope.spawn(|| runtime.block_on(reader.next()).unwrap());
        append(&subject, 2);
        let group = woken.join().unwrap();
        assert_eq!((group.first_offset, group.events.len()), (3, 2));
    });
}

fn records_of_every_kind_are_there_as_they_came_and_marks_have_no_offset<S: Subject>() {
    let subject = S::new();
    let mut expected = Vec::new();
    for salt in 1..5 {
        let portion = samples::portion(2, 1, 1, salt);
        let group = samples::group_of(&portion, subject.log().next_offset());
        subject.append(portion);
        assert_eq!(subject.log().next_offset(), group.next_offset());
        expected.push(group);
        let marks = vec![Mark { client: "plc".to_owned(), sequence: salt }];
        subject.append(Portion { marks, ..Portion::default() });
        assert_eq!(subject.log().next_offset(), expected.iter().map(|group| group.len()).sum::<u64>());
    }
    let mut reader = subject.log().reader(0).unwrap();
    for expected in expected {
        let group = reader.try_next().unwrap().expect("a group");
        assert_eq!(*group, expected);
    }
    assert!(reader.try_next().unwrap().is_none(), "marks alone are not shown");
}

fn readers_do_not_disturb_each_other<S: Subject>() {
    let subject = S::new();
    let end = fill(&subject);
    let [mut one, mut other] = [0, end].map(|from| subject.log().reader(from).unwrap());
    append(&subject, 1);
    assert_eq!(other.try_next().unwrap().unwrap().first_offset, end);
    assert_eq!(one.try_next().unwrap().unwrap().first_offset, 0);
    assert!(other.try_next().unwrap().is_none());
}

fn a_reader_under_which_records_go_fails_instead_of_skipping_and_a_new_one_begins_with_the_oldest<S: Subject>() {
    let subject = S::new();
    subject.register(&Consumer::hold("one")).unwrap();
    let mut reader = subject.log().reader(0).unwrap();
    let end = fill_more(&subject, 20);
    subject.log().save_cursor("one", end).unwrap();
    subject.maintain();
    let first = subject.log().first_offset();
    assert!(first > 0, "consumed records go");
    assert!(reader.try_next().is_err());
    append(&subject, 7);
    assert_eq!(read(subject.log(), 0), events(first, end + 7 - first));
}

both!(
    every_reader_sees_every_record_in_order_from_any_offset,
    a_waiting_reader_wakes_with_the_next_group,
    records_of_every_kind_are_there_as_they_came_and_marks_have_no_offset,
    readers_do_not_disturb_each_other,
    a_reader_under_which_records_go_fails_instead_of_skipping_and_a_new_one_begins_with_the_oldest,
);
