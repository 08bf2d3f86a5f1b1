//! Changes of business tables on real servers: from a session's statement to the audit trail and the change stream, once, in
//! order, whatever is killed or away; and a trail that somebody has altered.

mod arrival;
mod audited;
mod tampering;

use crate::harness::Harness;
use libtest_mimic::Trial;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("changes::arrive_once_in_order_in_all_places", arrival::once_in_order),
        harness.trial("changes::survive_kills_of_the_server", arrival::kills),
        harness.trial("changes::every_tampering_is_found", tampering::every_tampering_is_found),
    ]
}
