//! All tests that need real servers, in one program.
//!
//! One private stack of servers per run, started when the first test asks for it, stopped at the end of the run: deleted
//! when every test passed, kept and named when one failed. A topic is a file with `tests(harness) -> Vec<Trial>`.

#![allow(clippy::unwrap_used, reason = "a test that meets an error it did not expect should stop there")]

mod backup;
mod backup_s3;
mod bounds;
mod broken;
mod browser;
mod capacity;
mod changes;
mod checklist;
mod clients;
mod clocks;
mod commands;
mod compliance;
mod damage;
mod data_folder;
mod databases;
mod dead_letters;
mod devices;
mod devstack;
mod doctor;
mod document;
mod effects;
mod etl;
mod failures;
mod foreign;
mod full_disk;
mod harness;
mod history;
mod hosted;
mod hub;
mod hub_mysql;
mod hub_names;
mod hub_questions;
mod hub_report;
mod kill9;
mod late;
mod leftovers;
mod lineage;
mod locks;
mod logs;
mod maintenance;
mod mirror;
mod monitoring;
mod mysql;
mod numbers;
mod object_service;
mod one_step_back;
mod package;
mod passwords;
mod plants;
mod plants_day;
mod platform;
mod points;
mod pooler;
mod positions;
mod powercut;
mod provision;
mod provision_mongo;
mod questions;
mod readme;
mod replays;
mod resolver;
mod retention;
mod roles;
mod routes;
mod routes_each;
mod routes_gaps;
mod routes_story;
mod rows;
mod runbook;
mod running;
mod seed;
mod seeding;
mod sender;
mod server;
mod sign_in;
mod sink;
mod standby;
mod stream;
mod tally;
mod top;
mod verify;
mod window;

use harness::Harness;
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// Tests are taken in the order of their list: one of these that began last would run alone while all other threads are
/// idle. The second needs nothing of what the first makes for those behind it.
const LONGEST: [&str; 13] = [
    "seeding::empty_servers_become_the_whole_platform",
    "seeding::killed_at_any_moment_it_ends_the_same",
    "backup::what_was_destroyed_comes_back",
    "readme::every_command_does_what_it_says",
    "checklist::every_line_holds_with_evidence_and_what_breaks_shows",
    "seeding::months_later_nothing_is_red",
    "seeding::late_readings_break_nothing",
    "broken::each_row_breaks_exactly_its_rules",
    "verify::what_is_broken_fails_its_rule_and_no_other",
    "routes::each_database_stops_in_turn_and_delays_no_other",
    "runbook::databases",
    "runbook::senders_and_people",
    "retention::days_of_telemetry_go_and_the_ledger_adds_up",
];

/// The others of one topic wait for the same, or all compute. They are dealt into so many hands, of which each gives one in turn.
const HANDS: usize = 4;

fn in_turn(mut trials: Vec<Trial>) -> Vec<Trial> {
    trials.sort_by_key(|trial| LONGEST.iter().position(|name| trial.name() == *name).unwrap_or(LONGEST.len()));
    let mut others: Vec<(usize, Trial)> = trials.split_off(LONGEST.len()).into_iter().enumerate().collect();
    let hand = others.len().div_ceil(HANDS).max(1);
    others.sort_by_key(|(at, _)| (at % hand, at / hand));
    trials.extend(others.into_iter().map(|(_, trial)| trial));
    trials
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Tests wait for servers most of their time: twice the cores are still not busy all of it.
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    arguments.test_threads = arguments.test_threads.or(Some(2 * cores));
    let harness = Harness::new();
    let topics: &[fn(&'static Harness) -> Vec<Trial>] = &[
        devstack::tests,
        databases::tests,
        hosted::tests,
        passwords::tests,
        provision::tests,
        provision_mongo::tests,
        mysql::tests,
        roles::tests,
        seed::tests,
        history::tests,
        hub::tests,
        hub_questions::tests,
        changes::tests,
        seeding::tests,
        stream::tests,
        effects::tests,
        clients::tests,
        devices::tests,
        failures::tests,
        clocks::tests,
        bounds::tests,
        full_disk::tests,
        damage::tests,
        broken::tests,
        dead_letters::tests,
        replays::tests,
        mirror::tests,
        kill9::tests,
        lineage::tests,
        standby::tests,
        positions::tests,
        locks::tests,
        sign_in::tests,
        numbers::tests,
        one_step_back::tests,
        package::tests,
        powercut::tests,
        routes::tests,
        routes_each::tests,
        routes_gaps::tests,
        rows::tests,
        routes_story::tests,
        sink::tests,
        etl::tests,
        retention::tests,
        maintenance::tests,
        backup::tests,
        backup_s3::tests,
        points::tests,
        verify::tests,
        doctor::tests,
        checklist::tests,
        commands::tests,
        compliance::tests,
        logs::tests,
        foreign::tests,
        monitoring::tests,
        plants_day::tests,
        top::tests,
        browser::tests,
        readme::tests,
        runbook::tests,
    ];
    let trials: Vec<Trial> = topics.iter().flat_map(|tests| tests(harness)).collect();
    for name in LONGEST {
        assert!(trials.iter().any(|trial| trial.name() == name), "there is no {name}");
    }
    let conclusion = libtest_mimic::run(&arguments, in_turn(trials));
    harness.print_slowest();
    harness.end(conclusion.has_failed());
    conclusion.exit_code()
}
