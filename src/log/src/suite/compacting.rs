//! Consumers that lose no row of their database however far behind they are, and that nobody waits for.

use super::{Subject, append, both, events, fill_more};
use crate::contract::{Consumer, Log, LogReader};
use genims_model::{Portion, Row};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// More groups of forty events than the log may hold.
const TOO_MANY: usize = 400;
const HR: &str = "genims_hr_db";
const ERP: &str = "genims_erp_db";

/// Everything that is held: rows with their offsets, and of how many records only the offset is left.
#[derive(Debug, Default, PartialEq)]
struct Held {
    rows: Vec<(u64, Row)>,
    events: u64,
    passed: u64,
}

fn held<L: Log>(log: &L, from: u64) -> Held {
    let mut reader = log.reader(from).unwrap();
    let (mut held, mut next) = (Held::default(), None);
    while let Some(group) = reader.try_next().unwrap() {
        assert!(next.is_none_or(|next| next == group.first_offset), "offsets are dense");
        assert_eq!(group.events, events(group.first_event_offset(), group.events.len() as u64));
        held.rows.extend((group.first_row_offset()..).zip(group.rows.iter().cloned()));
        held.events += group.events.len() as u64;
        held.passed += group.skipped;
        next = Some(group.next_offset());
    }
    assert_eq!(next.unwrap_or(log.first_offset()), log.next_offset());
    held
}

fn row(database: &str, number: u64) -> Row {
    let values = format!("{{\"id\":{number},\"text\":\"{}\"}}", "x".repeat(500));
    Row { database: database.to_owned(), values, ..Row::default() }
}

fn register<S: Subject>(subject: &S) {
    let of = |name, database| Consumer::compact(name, database, S::BYTES_MAX / 8);
    for consumer in [Consumer::hold("main"), of("hr", HR), of("erp", ERP)] {
        subject.register(&consumer).unwrap();
    }
}

/// Appends rows of one group, and tells their offsets.
fn append_rows<S: Subject>(subject: &S, rows: Vec<Row>) -> Vec<(u64, Row)> {
    let events = events(subject.log().next_offset(), 3);
    let first = subject.log().next_offset() + 3;
    subject.append(Portion { events, rows: rows.clone(), ..Portion::default() });
    (first..).zip(rows).collect()
}

/// Many events, which everybody but those who are away takes at once.
fn flood<S: Subject>(subject: &S, taking: &[&str]) {
    for _ in 0..TOO_MANY {
        let end = append(subject, 40);
        taking.iter().for_each(|name| subject.log().save_cursor(name, end).unwrap());
    }
}

fn of<'a>(rows: &'a [(u64, Row)], database: &str) -> Vec<&'a (u64, Row)> {
    rows.iter().filter(|(_, row)| row.database == database).collect()
}

fn rows_of_a_consumer_that_is_away_stay_where_they_are_and_nothing_else_waits_for_it<S: Subject>() {
    let subject = S::new();
    register(&subject);
    let mut appended = Vec::new();
    for round in 0..3 {
        let rows = (0..5).map(|at| row(if u64::is_multiple_of(at, 2) { HR } else { ERP }, round * 5 + at));
        appended.extend(append_rows(&subject, rows.collect()));
        // Without compaction this blocks for ever at the cap.
        flood(&subject, &["main", "erp"]);
    }
    subject.maintain();
    let log = subject.log();
    let end = log.next_offset();
    assert_eq!((log.is_cut_off("hr"), log.cursor("hr")), (false, Some(0)));
    assert!(log.first_offset() <= appended[0].0);
    let found = held(log, 0);
    assert_eq!(of(&found.rows, HR), of(&appended, HR), "each is there once, under its offset");
    assert!(of(&found.rows, ERP).is_empty(), "those that their database has go");
    assert!(found.passed > end / 2, "{} of {end} are gone", found.passed);
    assert_eq!(log.first_offset() + found.rows.len() as u64 + found.events + found.passed, end);
    assert!(!subject.is_full_for("hr") && !subject.is_full_for("main") && !subject.is_full_for("nobody"));
    // From any row on, too.
    for (offset, row) in of(&appended, HR) {
        assert_eq!(held(log, *offset).rows.first(), Some(&(*offset, row.clone())));
    }
    // An opening changes nothing.
    let subject = subject.reopened();
    register(&subject);
    flood(&subject, &["main", "erp"]);
    assert_eq!(of(&held(subject.log(), 0).rows, HR), of(&appended, HR));
    // Back again, it takes them, and they go.
    let end = subject.log().next_offset();
    subject.log().save_cursor("hr", end).unwrap();
    append(&subject, 40);
    subject.maintain();
    assert!(subject.log().first_offset() > appended.last().unwrap().0);
}

fn rows_that_a_consumer_has_passed_are_not_kept_for_it<S: Subject>() {
    let subject = S::new();
    register(&subject);
    let appended = append_rows(&subject, (0..6).map(|at| row(HR, at)).collect());
    let (reached, _) = appended[3];
    subject.log().save_cursor("hr", reached).unwrap();
    flood(&subject, &["main", "erp"]);
    subject.maintain();
    assert_eq!(held(subject.log(), reached).rows, appended[3..]);
    assert_eq!(subject.log().cursor("hr"), Some(reached));
}

fn a_consumer_within_its_backlog_gets_everything<S: Subject>() {
    let subject = S::new();
    register(&subject);
    append_rows(&subject, vec![row(HR, 1), row(ERP, 2)]);
    let end = fill_more(&subject, 4);
    ["main", "erp"].iter().for_each(|name| subject.log().save_cursor(name, end).unwrap());
    subject.maintain();
    let found = held(subject.log(), 0);
    assert_eq!((found.rows.len(), found.events, found.passed), (2, end - 2, 0));
}

fn nothing_is_compacted_that_another_needs<S: Subject>() {
    let subject = S::new();
    register(&subject);
    append_rows(&subject, vec![row(HR, 1), row(ERP, 2)]);
    // Both are behind: each finds its rows.
    flood(&subject, &["main"]);
    subject.maintain();
    assert_eq!(held(subject.log(), 0).rows.len(), 2);
    // One that holds everything has it all.
    let subject = S::new();
    register(&subject);
    append_rows(&subject, vec![row(HR, 1)]);
    let end = fill_more(&subject, 40);
    subject.log().save_cursor("erp", end).unwrap();
    subject.maintain();
    let found = held(subject.log(), 0);
    assert_eq!((found.rows.len(), found.passed, found.events), (1, 0, end - 1));
}

fn rows_beyond_the_cap_make_no_append_wait_and_the_log_says_that_it_is_full_for_their_database<S: Subject>() {
    let subject = S::new();
    register(&subject);
    let log = subject.log();
    let mut appended = Vec::new();
    // Whoever brings rows asks, and stops: as late as this one does, none is lost.
    let mut late = 0;
    while late < 10 {
        let number = appended.len() as u64;
        assert!(number * 500 < 4 * S::BYTES_MAX, "it never says that it is full");
        appended.extend(append_rows(&subject, (0..20).map(|at| row(HR, number + at)).collect()));
        ["main", "erp"].iter().for_each(|name| log.save_cursor(name, log.next_offset()).unwrap());
        subject.maintain();
        late += u64::from(subject.is_full_for("hr"));
    }
    assert!(appended.len() as u64 * 500 > S::BYTES_MAX / 2);
    assert!(!subject.is_full_for("erp") && !subject.is_full_for("main"), "for nobody else");
    // Everything else goes on.
    flood(&subject, &["main", "erp"]);
    assert_eq!(held(log, 0).rows, appended);
    // It takes half of them, and then the rest.
    let (half, _) = appended[appended.len() / 2];
    for offset in [half, log.next_offset()] {
        log.save_cursor("hr", offset).unwrap();
        append(&subject, 1);
        subject.maintain();
        assert!(!subject.is_full_for("hr"));
        assert!(held(log, log.first_offset()).rows.iter().all(|found| appended.contains(found)));
    }
    assert!(log.first_offset() > half);
}

fn of_what_is_compacted_to_nothing_the_oldest_goes<S: Subject>() {
    let subject = S::new();
    register(&subject);
    let log = subject.log();
    flood(&subject, &["main", "erp"]);
    subject.maintain();
    let first = log.first_offset();
    assert!(first > log.next_offset() / 4, "the log begins at {first}");
    // Its cursor tells that its database never had that; no other start moves it.
    assert_eq!((log.is_cut_off("hr"), log.cursor("hr")), (false, Some(0)));
    let subject = subject.reopened();
    register(&subject);
    assert_eq!(subject.log().cursor("hr"), Some(0));
    // A row ends that, wherever it comes.
    let appended = append_rows(&subject, vec![row(HR, 1)]);
    flood(&subject, &["main", "erp"]);
    subject.maintain();
    let log = subject.log();
    assert!((first..=appended[0].0).contains(&log.first_offset()));
    assert_eq!(held(log, log.first_offset()).rows, appended);
}

fn rows_that_their_database_has_taken_close_no_door_of_another<S: Subject>() {
    let subject = S::new();
    register(&subject);
    let log = subject.log();
    let first = append_rows(&subject, vec![row(HR, 0)]);
    let mut number = 0;
    while !subject.is_full_for("erp") {
        append_rows(&subject, (0..20).map(|at| row(ERP, number + at)).collect());
        number += 20;
        assert!(number * 500 < 4 * S::BYTES_MAX, "it never says that it is full");
        log.save_cursor("main", log.next_offset()).unwrap();
        subject.maintain();
    }
    assert!(subject.is_full_for("hr"));
    log.save_cursor("erp", log.next_offset()).unwrap();
    append(&subject, 1);
    log.save_cursor("main", log.next_offset()).unwrap();
    subject.maintain();
    assert!(!subject.is_full_for("hr") && !subject.is_full_for("erp"));
    assert_eq!(of(&held(log, log.first_offset()).rows, HR), of(&first, HR));
}

fn two_consumers_find_their_rows_wherever_they_stand<S: Subject>() {
    let mut passed = 0;
    for seed in 0..8 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut subject = S::new();
        register(&subject);
        let mut appended = Vec::new();
        let mut cursors = [("hr", HR, 0), ("erp", ERP, 0)];
        for step in 0..150_u64 {
            match rng.random_range(0..10) {
                0 | 1 => {
                    let count = rng.random_range(1..6);
                    let rows = (0..count).map(|at| row(if rng.random_bool(0.5) { HR } else { ERP }, step * 10 + at));
                    let rows = rows.collect();
                    appended.extend(append_rows(&subject, rows));
                }
                2..=5 => {
                    fill_more(&subject, rng.random_range(1..20));
                }
                6 => {
                    subject = subject.reopened();
                    register(&subject);
                }
                _ => {
                    let (name, _, cursor) = &mut cursors[rng.random_range(0..2)];
                    *cursor = rng.random_range(*cursor..=subject.log().next_offset());
                    subject.log().save_cursor(name, *cursor).unwrap();
                    subject.maintain();
                }
            }
            let log = subject.log();
            log.save_cursor("main", log.next_offset()).unwrap();
            let found = held(log, log.first_offset());
            passed += found.passed;
            assert!(found.rows.iter().all(|row| appended.contains(row)), "seed {seed}, step {step}");
            for (name, database, cursor) in cursors {
                let lacks = |rows: &[(u64, Row)]| -> Vec<(u64, Row)> {
                    of(rows, database).into_iter().filter(|(offset, _)| *offset >= cursor).cloned().collect()
                };
                assert_eq!(lacks(&found.rows), lacks(&appended), "{name}, seed {seed}, step {step}");
            }
        }
    }
    assert!(passed > 0, "nothing was compacted");
}

both!(
    of_what_is_compacted_to_nothing_the_oldest_goes,
    rows_that_their_database_has_taken_close_no_door_of_another,
    two_consumers_find_their_rows_wherever_they_stand,
    rows_of_a_consumer_that_is_away_stay_where_they_are_and_nothing_else_waits_for_it,
    rows_that_a_consumer_has_passed_are_not_kept_for_it,
    a_consumer_within_its_backlog_gets_everything,
    nothing_is_compacted_that_another_needs,
    rows_beyond_the_cap_make_no_append_wait_and_the_log_says_that_it_is_full_for_their_database,
);
