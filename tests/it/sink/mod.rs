//! The sinks against real servers.

mod isolation;
mod mongodb;
mod numbers;
mod partitions;
mod plant;
mod postgres;
mod proxy;
mod refusals;
mod routed;
mod routed_gaps;
mod routed_servers;
mod servers;
mod stuck;

use crate::harness::Harness;
use libtest_mimic::Trial;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    let topics = [
        postgres::tests,
        partitions::tests,
        isolation::tests,
        refusals::tests,
        stuck::tests,
        routed::tests,
        routed_gaps::tests,
        mongodb::tests,
        numbers::tests,
    ];
    topics.into_iter().flat_map(|tests| tests(harness)).collect()
}
