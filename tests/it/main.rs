//! All tests that need real servers, in one program.
//!
//! One private stack of servers per run, started when the first test asks for it, stopped at the end of the run: deleted
//! when every test passed, kept and named when one failed. A topic is a file with `tests(harness) -> Vec<Trial>`.

#![allow(clippy::unwrap_used, reason = "a test that meets an error it did not expect should stop there")]

mod backup;
mod bounds;
mod changes;
mod clients;
mod commands;
mod databases;
mod devstack;
mod doctor;
mod effects;
mod etl;
mod failures;
mod foreign;
mod harness;
mod history;
mod hosted;
mod hub;
mod hub_mysql;
mod hub_questions;
mod hub_report;
mod kill9;
mod late;
mod leftovers;
mod letters;
mod lineage;
mod mirror;
mod mysql;
mod numbers;
mod passwords;
mod platform;
mod pooler;
mod powercut;
mod provision;
mod provision_mongo;
mod questions;
mod retention;
mod roles;
mod routes;
mod routes_story;
mod rows;
mod running;
mod seed;
mod seeding;
mod sender;
mod server;
mod sink;
mod stream;
mod tally;
mod verify;
mod window;

use harness::Harness;
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
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
        failures::tests,
        bounds::tests,
        letters::tests,
        mirror::tests,
        kill9::tests,
        lineage::tests,
        numbers::tests,
        powercut::tests,
        routes::tests,
        rows::tests,
        routes_story::tests,
        sink::tests,
        etl::tests,
        retention::tests,
        backup::tests,
        verify::tests,
        doctor::tests,
        commands::tests,
        foreign::tests,
    ];
    let trials = topics.iter().flat_map(|tests| tests(harness)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    harness.print_slowest();
    harness.end(conclusion.has_failed());
    conclusion.exit_code()
}
