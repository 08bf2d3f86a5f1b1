//! What is kept, for whom and how long; when appends wait.

use super::{Subject, append, assert_whole, both, eventually, fill_more};
use crate::contract::{Consumer, Log};
use std::thread;

/// More groups of forty events than the log may hold.
const TOO_MANY: usize = 400;

fn what_everybody_has_passed_goes_and_the_slowest_holds_the_rest<S: Subject>() {
    let subject = S::new();
    let log = subject.log();
    subject.register(&Consumer::hold("fast")).unwrap();
    subject.register(&Consumer::hold("slow")).unwrap();
    let end = fill_more(&subject, 20);
    log.save_cursor("fast", end).unwrap();
    subject.maintain();
    assert_eq!(log.first_offset(), 0);
    log.save_cursor("slow", 410).unwrap();
    subject.maintain();
    assert!((1..=410).contains(&log.first_offset()), "{}", log.first_offset());
    assert_whole(log);
}

fn a_consumer_that_is_not_registered_this_time_holds_nothing<S: Subject>() {
    let subject = S::new();
    subject.register(&Consumer::hold("one")).unwrap();
    subject.register(&Consumer::hold("dismissed")).unwrap();
    fill_more(&subject, 20);
    let subject = subject.reopened();
    subject.register(&Consumer::hold("one")).unwrap();
    subject.log().save_cursor("one", subject.log().next_offset()).unwrap();
    // Before the first append others may still register.
    subject.maintain();
    assert_eq!(subject.log().first_offset(), 0);
    append(&subject, 1);
    subject.maintain();
    let first = subject.log().first_offset();
    assert!(first > 0);
    // It comes back, and gets what is there.
    assert_eq!(subject.register(&Consumer::hold("dismissed")).unwrap(), first);
    assert!(!subject.log().is_cut_off("dismissed"));
    assert_whole(subject.log());
}

fn records_under_a_rewound_cursor_stay_until_it_has_passed_them_again<S: Subject>() {
    let subject = S::new();
    let log = subject.log();
    subject.register(&Consumer::hold("one")).unwrap();
    let end = fill_more(&subject, 20);
    log.save_cursor("one", end).unwrap();
    assert_eq!(log.rewind("one", 100).unwrap(), 100);
    subject.maintain();
    fill_more(&subject, 20);
    subject.maintain();
    assert!(log.first_offset() <= 100);
    assert_whole(log);
    log.save_cursor("one", log.next_offset()).unwrap();
    subject.maintain();
    assert!(log.first_offset() > 100, "consumed records go as before");
}

fn a_rewound_cursor_is_one_after_the_next_opening<S: Subject>() {
    let subject = S::new();
    subject.register(&Consumer::hold("one")).unwrap();
    let end = fill_more(&subject, 3);
    subject.log().save_cursor("one", end).unwrap();
    subject.log().rewind("one", 40).unwrap();
    let subject = subject.reopened();
    assert_eq!(subject.register(&Consumer::hold("one")).unwrap(), 40);
}

fn a_consumer_beyond_its_backlog_is_cut_off_and_blocks_nobody<S: Subject>() {
    let subject = S::new();
    let mirror = Consumer::resync("mirror", S::BYTES_MAX / 2);
    subject.register(&Consumer::hold("main").settling()).unwrap();
    subject.register(&mirror).unwrap();
    let log = subject.log();
    for _ in 0..TOO_MANY {
        // Without a cut-off this blocks for ever at the cap.
        let end = append(&subject, 40);
        log.save_cursor("main", end).unwrap();
    }
    assert!(log.is_cut_off("mirror") && !log.is_cut_off("main") && !log.is_cut_off("nobody"));
    assert_eq!(log.cursor("mirror"), Some(0), "it says where the consumer stood");
    subject.maintain();
    assert!(log.first_offset() > 0, "it holds nothing");
    // It stays cut off over an opening, until it has been brought back from elsewhere.
    let subject = subject.reopened();
    let log = subject.log();
    subject.register(&Consumer::hold("main").settling()).unwrap();
    subject.register(&mirror).unwrap();
    assert!(log.is_cut_off("mirror"));
    assert!(log.restart_at("mirror", 0).is_err(), "that is gone");
    let first = log.first_offset();
    log.restart_at("mirror", first).unwrap();
    assert_eq!((log.is_cut_off("mirror"), log.cursor("mirror")), (false, Some(first)));
    // The log keeps records for it again.
    let end = append(&subject, 40);
    log.save_cursor("main", end).unwrap();
    subject.maintain();
    assert_eq!(log.first_offset(), first);
    assert_whole(log);
}

fn a_consumer_beyond_its_backlog_goes_on_while_others_need_the_same<S: Subject>() {
    let subject = S::new();
    let mirror = Consumer::resync("mirror", S::BYTES_MAX / 8);
    subject.register(&Consumer::hold("main")).unwrap();
    subject.register(&mirror).unwrap();
    let log = subject.log();
    let end = fill_more(&subject, TOO_MANY / 8);
    subject.maintain();
    assert_eq!((log.is_cut_off("mirror"), log.first_offset()), (false, 0), "nothing would go");
    log.save_cursor("mirror", 40).unwrap();
    subject.maintain();
    assert!(!log.is_cut_off("mirror"));
    // Now it alone needs what is there.
    log.save_cursor("main", end).unwrap();
    let end = fill_more(&subject, TOO_MANY / 8);
    log.save_cursor("main", end).unwrap();
    subject.maintain();
    assert!(log.is_cut_off("mirror") && log.first_offset() > 0, "{}", log.first_offset());
}

fn a_consumer_within_its_backlog_is_waited_for<S: Subject>() {
    let subject = S::new();
    subject.register(&Consumer::hold("main")).unwrap();
    subject.register(&Consumer::resync("mirror", S::BYTES_MAX / 2)).unwrap();
    let end = fill_more(&subject, 10);
    subject.log().save_cursor("main", end).unwrap();
    subject.maintain();
    assert_eq!((subject.log().is_cut_off("mirror"), subject.log().first_offset()), (false, 0));
}

fn nothing_is_appended_while_anybody_is_refused<S: Subject>() {
    let subject = S::new();
    let log = subject.log();
    subject.register(&Consumer::hold("one")).unwrap();
    let end = append(&subject, 4);
    log.refuse("one", Some("another history".to_owned()));
    log.refuse("other", Some("another one".to_owned()));
    thread::scope(|scope| {
        let appending = scope.spawn(|| append(&subject, 1));
        eventually("the append waits", || subject.is_blocked());
        log.refuse("one", None);
        eventually("the append waits for the other one", || subject.is_blocked());
        assert_eq!(log.next_offset(), end);
        log.refuse("other", None);
        assert_eq!(appending.join().unwrap(), end + 1);
    });
    // Nobody was: nothing changes.
    log.refuse("one", None);
    assert!(!subject.is_blocked());
    assert_eq!(append(&subject, 1), end + 2);
}

fn at_the_cap_an_append_waits_for_whom_the_log_holds_and_goes_on_when_it_has_caught_up<S: Subject>() {
    let subject = S::new();
    let log = subject.log();
    subject.register(&Consumer::hold("one")).unwrap();
    let mut waits = 0;
    thread::scope(|scope| {
        let appending = scope.spawn(|| fill_more(&subject, TOO_MANY));
        while !appending.is_finished() {
            eventually("the log is full, or everything is in it", || subject.is_blocked() || appending.is_finished());
            let end = log.next_offset();
            waits += u64::from(subject.is_blocked());
            assert_whole(log);
            log.save_cursor("one", end).unwrap();
            eventually("it goes on", || log.next_offset() > end || appending.is_finished());
        }
        assert_eq!(appending.join().unwrap(), TOO_MANY as u64 * 40);
    });
    assert!(waits > 0, "the log is smaller than that");
}

fn without_anybody_to_wait_for_appends_never_wait<S: Subject>() {
    let subject = S::new();
    let end = fill_more(&subject, TOO_MANY);
    assert_eq!(end, TOO_MANY as u64 * 40);
    assert_whole(subject.log());
}

both!(
    what_everybody_has_passed_goes_and_the_slowest_holds_the_rest,
    a_consumer_that_is_not_registered_this_time_holds_nothing,
    records_under_a_rewound_cursor_stay_until_it_has_passed_them_again,
    a_rewound_cursor_is_one_after_the_next_opening,
    a_consumer_beyond_its_backlog_is_cut_off_and_blocks_nobody,
    a_consumer_beyond_its_backlog_goes_on_while_others_need_the_same,
    a_consumer_within_its_backlog_is_waited_for,
    nothing_is_appended_while_anybody_is_refused,
    at_the_cap_an_append_waits_for_whom_the_log_holds_and_goes_on_when_it_has_caught_up,
    without_anybody_to_wait_for_appends_never_wait,
);
