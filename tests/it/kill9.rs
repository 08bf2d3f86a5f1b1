//! `kill -9` of the server under load, again and again: what was acknowledged is in both databases, once.
//!
//! `GENIMS_KILLS` says how often (200: `make kill9`), `GENIMS_SEED` makes the moments those of an earlier run.

use crate::harness::Harness;
use crate::running::eventually;
use crate::sender::{Load, LoadOptions};
use crate::server::{Plant, Setup};
use crate::tally;
use libtest_mimic::Trial;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

const KILLS_USUAL: u64 = 6;
/// From the moment when the server says that it is ready.
const LIFE_MS: std::ops::Range<u64> = 200..1_500;
const CATCH_UP: Duration = Duration::from_secs(120);

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("kill9::what_was_acknowledged_is_stored_once", what_was_acknowledged_is_stored_once)]
}

/// A number from the environment, or the usual one.
pub(crate) fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

fn what_was_acknowledged_is_stored_once(harness: &'static Harness) {
    let (kills, seed) = (number("GENIMS_KILLS", KILLS_USUAL), number("GENIMS_SEED", rand::rng().random()));
    println!("kill9: {kills} kills, GENIMS_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let plant = Plant::start(harness, &Setup::default());
    let load = Load::start(&plant, &LoadOptions::usual("kill9"));
    for kill in 0..kills {
        std::thread::sleep(Duration::from_millis(random.random_range(LIFE_MS)));
        plant.kill();
        let acked = load.acked();
        plant.serve();
        if kill % 20 == 0 {
            // The moments are random, so some lives end before they began; not for long, though.
            eventually("acknowledgements after a kill", CATCH_UP, || load.acked() > acked);
        }
    }
    let connections = load.connections();
    let sent = load.finish(CATCH_UP);
    assert!(sent.iter().all(|client| client.open.is_empty()), "the server is up: everything is acknowledged");
    let stats = tally::drained(&plant, CATCH_UP);
    println!("kill9: {} readings acknowledged over {connections} connections", tally::readings(&sent));
    tally::everything_is_there_once(harness, &plant, &sent);
    assert_eq!(stats["identity_holds"], true, "{stats:#}");
    plant.cli_ok(&["verify", "--module", "ledger"]);
}
