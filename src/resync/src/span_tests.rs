//! Where a gap begins and ends, and which go together.

use super::*;
use crate::writing::tests::gap as lacking;
use genims_stores::routed::gaps::LostRecords;
use uuid::Uuid;

fn gap(received_from_us: Option<i64>) -> Gap {
    Gap { received_from_us, received_to_us: 50 * KEPT_US, ..lacking() }
}

#[test]
fn a_beginning_is_asked_for_where_it_is_not_known_and_only_there() {
    let end_us = 50 * KEPT_US + AROUND_US;
    assert!(matches!(span(&gap(None), None), Err(ResyncError::BeginningUnknown)));
    assert!(matches!(span(&gap(Some(1)), Some(2)), Err(ResyncError::BeginningKnown)));
    assert!(matches!(span(&gap(None), Some(51 * KEPT_US)), Err(ResyncError::BeginsBehindItsEnd { .. })));
    assert_eq!(span(&gap(None), Some(7)).unwrap(), 7..end_us);
    assert_eq!(span(&gap(Some(40 * KEPT_US)), None).unwrap(), 40 * KEPT_US - AROUND_US..end_us);
}

#[test]
fn gaps_that_lie_close_are_closed_together_and_the_books_balance() {
    let at = |from_us: i64, to_us: i64, offsets: Range<u64>| {
        let lost = LostRecords { log: Uuid::from_u128(1), offsets };
        Gap { received_to_us: to_us, lost, ..gap(Some(from_us)) }
    };
    let far_us = 10 * KEPT_US;
    let gaps = vec![at(5, 9, 0..4), at(12, 20, 6..16), at(far_us, far_us + 1, 20..30)];
    let groups = together(gaps.clone());
    assert_eq!(groups, [gaps[..2].to_vec(), gaps[2..].to_vec()]);
    let hull = hull(&groups[0]);
    assert_eq!((hull.received_from_us, hull.received_to_us), (Some(5), 20));
    let made = |made| Made { made, made_before: 1, ..Made::default() };
    assert_eq!([shares(&groups[0], &made(2)), shares(&groups[0], &made(12))], [[3, 0], [4, 9]]);
}

#[test]
fn nothing_is_taken_for_lacking_before_it_is_known_what_was_told() {
    let gap = gap(Some(40 * KEPT_US));
    let wide = span(&gap, None).unwrap();
    let told = |received_us| told_of(wide.clone(), &gap, &Facts { received_us, ..Facts::default() });
    let (from_us, to_us) = (40 * KEPT_US, 50 * KEPT_US);
    assert_eq!(told(Some(from_us - 5..to_us + 9)), from_us - 5..wide.end);
    assert_eq!(told(Some(0..60 * KEPT_US)), wide);
    // Its facts are gone: what lies around it was told.
    assert_eq!(told(None), from_us..wide.end);
}
