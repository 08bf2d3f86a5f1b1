//! x
use crate::harness::Harness;
use libtest_mimic::Trial;
pub(crate) fn tests(_: &'static Harness) -> Vec<Trial> { vec![] }
