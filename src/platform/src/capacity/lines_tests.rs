//! When a line is short, and when nobody can say.

use super::*;
use crate::capacity::daily::Partition;
use crate::capacity::growth::{Counted, Growth, Inflow, LeftOut};
use crate::capacity::known::Disk;
use genims_databases::Engine;
use std::slice::from_ref;

fn known(database: &str) -> Known {
    Known {
        database: database.to_owned(),
        engine: Engine::Postgresql,
        server: "h:1".to_owned(),
        bytes: 5,
        growth: Growth::default(),
        partitioned: Vec::new(),
        numberings: Vec::new(),
        transaction_age: None,
        disk: Disk::Unknown(String::new()),
    }
}

fn numbering(name: &str, table: Option<&str>, last: u64) -> Numbering {
    Numbering { name: name.to_owned(), table: table.map(str::to_owned), last, limit: 1_000, step: 2 }
}

fn told(bytes: u64, seconds_until_full: Option<f64>, full: bool) -> LogPlace {
    let told = Ok(LogFill { bytes, bytes_max: 1_000, full, is_measured: true, seconds_until_full });
    LogPlace { what: "log of readings", folder: "spool".into(), bytes_max: 2_000, told }
}

#[test]
fn a_log_is_short_from_half_on_or_when_it_is_soon_full() {
    let state = |bytes, seconds, full| log(&told(bytes, seconds, full), None).state;
    assert_eq!(state(500, None, false), CapacityState::Enough);
    assert_eq!(state(501, None, false), CapacityState::Short);
    assert_eq!(state(100, Some(3_599.0), false), CapacityState::Short);
    assert_eq!([state(99, Some(1.0), false), state(100, Some(3_600.0), false)], [CapacityState::Enough; 2]);
    assert_eq!(state(10, None, true), CapacityState::Short);
    let young = |bytes| {
        let fill = LogFill { bytes, bytes_max: 1_000, ..LogFill::default() };
        log(&LogPlace { told: Ok(fill), ..told(0, None, false) }, None)
    };
    let calm = young(500);
    assert!(calm.state == CapacityState::Unmeasured && calm.remark.starts_with("growth is not measured"), "{calm:?}");
    assert_eq!(young(501).state, CapacityState::Short, "however it grows");
    let line = log(&told(200, Some(172_800.0), false), Some(7));
    assert_eq!(
        (line.now, line.limit, line.days_left, line.growth_a_day),
        (Some(200), Some(1_000), Some(2.0), Some(400.0))
    );
}

#[test]
fn without_a_server_a_log_has_the_size_of_its_folder_and_no_forecast() {
    let away = LogPlace { told: Err("http://h:1: refused".to_owned()), ..told(0, None, false) };
    let line = log(&away, Some(300));
    assert_eq!((line.now, line.limit, line.days_left), (Some(300), Some(2_000), None));
    assert!(line.state == CapacityState::Unmeasured && line.remark == "size on disk; http://h:1: refused", "{line:?}");
    assert_eq!(log(&away, Some(1_500)).state, CapacityState::Short);
    let absent = log(&away, None);
    assert!(absent.now.is_none() && absent.remark.contains("spool is not there yet"), "{absent:?}");
}

#[test]
fn numbers_last_as_long_as_rows_come_in_as_they_did() {
    let mut one = known("genims_hr_db");
    let counted = Counted { all: 70, recent: 70, expiring: 0, age_days: Some(30) };
    one.growth = Growth::of(&[Inflow::of_rows("orders", 700, &counted)], 700, LeftOut::default());
    one.numberings = vec![numbering("orders.id", Some("orders"), 200), numbering("loose", None, 300)];
    let found = numbers(from_ref(&one), 40);
    let [line] = &found[..] else { panic!("{found:?}") };
    assert_eq!((line.what.as_str(), line.state), ("numbers of genims_hr_db: loose", CapacityState::Unmeasured));
    assert_eq!(line.remark, "the nearest to its end of 2 numbered columns and sequences");
    // 800 are left, 20 a day go: two for each row.
    let found = numbers(from_ref(&one), 41);
    let [line] = &found[..] else { panic!("{found:?}") };
    assert_eq!((line.what.as_str(), line.days_left), ("numbers of genims_hr_db: orders.id", Some(40.0)));
    assert!(line.state == CapacityState::Short && line.remark.contains("larger type"), "{line:?}");
    one.numberings[1].last = 800;
    let found: Vec<_> = numbers(from_ref(&one), 41).into_iter().map(|line| line.now).collect();
    assert_eq!(found, [Some(800), Some(200)], "near its end, however fast; the fullest first");
    assert_eq!(numbers(&[known("genims_crm_db")], 30), []);
}

#[test]
fn transactions_are_short_where_nothing_was_frozen_for_long() {
    let aged = |database, age| Known { transaction_age: Some(age), ..known(database) };
    let calm = transactions(&[aged("a", 10_000), aged("b", 200_000_000), known("c")]);
    assert_eq!((calm.len(), calm[0].what.as_str()), (1, "transaction ids of b"));
    assert!(calm[0].state == CapacityState::Unmeasured && calm[0].remark.contains("of 2 databases"), "{calm:?}");
    let short = transactions(&[aged("a", 10_000), aged("b", TRANSACTIONS / 2)]);
    assert!(
        short.len() == 1 && short[0].state == CapacityState::Short && short[0].remark.contains("VACUUM"),
        "{short:?}"
    );
}

#[test]
fn partitions_are_short_when_nobody_made_them_for_a_week() {
    let today: chrono::NaiveDate = "2024-03-05".parse().expect("a day");
    let state = |ahead: u64, warn_days| {
        let day = |no| Partition { day: today.checked_add_days(chrono::Days::new(no)), bytes: 0, is_filled: false };
        let days: Vec<Partition> = (0..=ahead).map(day).collect();
        let mut known = known("genims_operations_db");
        known.partitioned = vec![Partitioned::of("sensor_data", &days, today)];
        let lines = partitions(&known, warn_days);
        assert_eq!((lines[0].what.as_str(), lines[0].now), ("partitions of sensor_data", Some(ahead)));
        lines[0].state
    };
    assert_eq!([state(7, 30), state(6, 30)], [CapacityState::Enough, CapacityState::Short]);
    assert_eq!([state(3, 3), state(2, 3)], [CapacityState::Enough, CapacityState::Short]);
}

#[test]
fn a_database_that_does_not_answer_is_a_line_with_the_reason() {
    let line = unreachable("genims_hr_db", "refused; start it");
    assert_eq!((line.state, line.remark.as_str()), (CapacityState::Unreachable, "refused; start it"));
    assert_eq!(database(&known("a")).state, CapacityState::Unmeasured);
    let grows = Known { growth: Growth { a_day: Some(0.0), ..Growth::default() }, ..known("a") };
    assert_eq!(database(&grows).state, CapacityState::Enough);
}
