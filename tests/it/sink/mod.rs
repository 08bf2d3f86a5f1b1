//! The sinks against real servers.

mod mongodb;
mod numbers;
mod partitions;
mod plant;
mod postgres;
mod servers;

use crate::harness::Harness;
use libtest_mimic::Trial;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    [postgres::tests(harness), partitions::tests(harness), mongodb::tests(harness), numbers::tests(harness)]
        .into_iter()
        .flatten()
        .collect()
}
