//! Where consumers stand: cursors, positions, histories.

use super::{Subject, append, assert_whole, both, events, fill, fill_more, read};
use crate::contract::{Consumer, Log};
use crate::history::Resume;
use genims_model::Position;

fn a_cursor_only_moves_forward_and_a_rewind_moves_it_back<S: Subject>() {
    let subject = S::new();
    let log = subject.log();
    for name in ["fast", "slow"] {
        assert_eq!(subject.register(&Consumer::hold(name)).unwrap(), 0);
    }
    let end = fill(&subject);
    log.save_cursor("fast", end).unwrap();
    log.save_cursor("fast", 3).unwrap();
    log.save_cursor("slow", 2).unwrap();
    assert_eq!((log.cursor("fast"), log.cursor("slow"), log.cursor("none")), (Some(end), Some(2), None));
    assert_eq!(log.rewind("fast", 4).unwrap(), 4);
    assert_eq!(log.cursor("fast"), Some(4));
    assert_eq!(read(log, 4), events(4, end - 4));
    // A rewind never moves forward.
    assert_eq!(log.rewind("slow", 7).unwrap(), 7);
    assert_eq!(log.cursor("slow"), Some(2));
}

fn a_cursor_behind_the_end_and_one_of_nobody_are_refused<S: Subject>() {
    let subject = S::new();
    let log = subject.log();
    subject.register(&Consumer::hold("one")).unwrap();
    let end = fill(&subject);
    assert!(log.save_cursor("one", end + 1).is_err() && log.restart_at("one", end + 1).is_err());
    assert_eq!(log.cursor("one"), Some(0));
    assert!(
        log.save_cursor("none", 1).is_err() && log.rewind("none", 1).is_err() && log.restart_at("none", 1).is_err()
    );
    assert_eq!(log.cursor("none"), None);
    log.save_cursor("one", end).unwrap();
}

fn a_log_that_is_opened_again_goes_on_where_it_and_its_consumers_were<S: Subject>() {
    let mut subject = S::new();
    subject.register(&Consumer::hold("one")).unwrap();
    let end = fill(&subject);
    subject.log().save_cursor("one", 5).unwrap();
    let (before, at_end) = (subject.log().position(5), subject.log().position(end));
    for opening in 1..4 {
        subject = subject.reopened();
        assert_eq!(subject.register(&Consumer::hold("one")).unwrap(), 5);
        assert_eq!(subject.register(&Consumer::hold("new")).unwrap(), 0);
        let log = subject.log();
        assert_eq!((log.next_offset(), log.cursor("one")), (end + opening - 1, Some(5)));
        assert_eq!([&before, &at_end].map(|position| log.resume(position)), [Resume::At(5), Resume::At(end)]);
        append(&subject, 1);
        assert_whole(subject.log());
    }
}

fn a_position_of_this_log_is_resumed_where_it_stands_and_of_another_nowhere<S: Subject>() {
    let (subject, other) = (S::new(), S::new());
    let (end, log) = (fill(&subject), subject.log());
    fill(&other);
    for offset in [0, 5, end] {
        assert_eq!(log.resume(&log.position(offset)), Resume::At(offset));
    }
    assert_eq!(log.resume(&other.log().position(5)), Resume::NotInHistory { shared: None });
    // Who has nothing lacks nothing of another history.
    assert_eq!(log.resume(&other.log().position(0)), Resume::At(0));
    assert!(matches!(log.resume(&log.position(end + 1)), Resume::NotInHistory { .. }), "it never held that");
    // As releases without epochs stored it: of the log's first epoch, which ended with the first opening.
    let old = |offset| Position::beginning(log.position(offset).log()).moved_to(offset);
    assert_eq!(log.resume(&old(0)), Resume::At(0));
}

fn a_copy_that_went_on_knows_what_it_does_not_hold<S: Subject>() {
    // Somebody needs all of it.
    let holder = Consumer::hold("one");
    let subject = S::new();
    subject.register(&holder).unwrap();
    let shared = fill(&subject);
    let copy = subject.copied();
    copy.register(&holder).unwrap();
    let remembered = [0, shared, shared + 9].map(|offset| {
        fill(&subject);
        subject.log().position(offset)
    });
    let expected = [Resume::At(0), Resume::At(shared), Resume::NotInHistory { shared: Some(shared) }];
    let judged = |copy: &S| remembered.each_ref().map(|position| copy.log().resume(position));
    assert_eq!(judged(&copy), expected);
    // Grown past what is remembered, and opened again: the offset alone would look fine.
    fill_more(&copy, 5);
    assert_eq!(judged(&copy), expected);
    let copy = copy.reopened();
    copy.register(&holder).unwrap();
    assert_eq!(judged(&copy), expected);
    let theirs = copy.log().position(shared + 9);
    assert_eq!(subject.log().resume(&theirs), Resume::NotInHistory { shared: Some(shared) });
}

fn a_position_whose_records_went_says_where_the_log_begins<S: Subject>() {
    let subject = S::new();
    subject.register(&Consumer::hold("one")).unwrap();
    let end = fill_more(&subject, 20);
    let log = subject.log();
    let remembered = log.position(3);
    log.save_cursor("one", end).unwrap();
    subject.maintain();
    let first = log.first_offset();
    assert!(first > 3);
    assert_eq!(log.resume(&remembered), Resume::Behind { first });
    assert_eq!(log.rewind("one", 3).unwrap(), first, "what is gone is gone");
}

both!(
    a_cursor_only_moves_forward_and_a_rewind_moves_it_back,
    a_cursor_behind_the_end_and_one_of_nobody_are_refused,
    a_log_that_is_opened_again_goes_on_where_it_and_its_consumers_were,
    a_position_of_this_log_is_resumed_where_it_stands_and_of_another_nowhere,
    a_copy_that_went_on_knows_what_it_does_not_hold,
    a_position_whose_records_went_says_where_the_log_begins,
);
