//! Records as bytes and back, whatever their content or damage.

use super::super::record::{Counts, Damage, FORMAT, HEADER_BYTES, decode, encode, seal};
use super::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_encoded_decodes_to_the_same(
        readings in 0..40_usize, others in 0..4_usize, marks in 0..4_usize, first_offset in 0..1_u64 << 60, salt: u64,
    ) {
        let portion = samples::portion(readings, others, marks, salt);
        let mut bytes = Vec::new();
        let counts = encode(&portion, first_offset, 7, usize::MAX, &mut bytes).unwrap();
        let (group, length) = decode(&bytes).unwrap();
        prop_assert_eq!(length, bytes.len());
        prop_assert_eq!(counts.offsets(), group.len());
        prop_assert_eq!(group, samples::group_of(&portion, first_offset));
    }

    #[test]
    fn a_flipped_bit_never_passes(at in 0..1_000_usize, bit in 0..8_u32, salt: u64) {
        let mut bytes = Vec::new();
        encode(&samples::portion(5, 1, 1, salt), 9, 0, usize::MAX, &mut bytes).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn a_split_portion_loses_nothing(readings in 0..60_usize, others in 0..5_usize, bytes_max in 1..4_000_usize) {
        let mut portion = samples::portion(readings, others, others, 3);
        let whole = samples::group_of(&portion, 0);
        let mut joined = Group::default();
        let mut bytes = Vec::new();
        loop {
            let counts = encode(&portion, 0, 0, bytes_max, &mut bytes).unwrap();
            if counts == Counts::default() {
                break;
            }
            let (mut part, _) = decode(&bytes).unwrap();
            joined.readings.append(&mut part.readings);
            joined.snapshots.append(&mut part.snapshots);
            joined.events.append(&mut part.events);
            joined.dead_letters.append(&mut part.dead_letters);
            joined.rows.append(&mut part.rows);
            joined.marks.append(&mut part.marks);
            portion.readings.drain(..counts.readings as usize);
            portion.snapshots.drain(..counts.snapshots as usize);
            portion.events.drain(..counts.events as usize);
            portion.dead_letters.drain(..counts.dead_letters as usize);
            portion.rows.drain(..counts.rows as usize);
            portion.marks.drain(..counts.marks as usize);
        }
        prop_assert_eq!(joined, whole);
    }
}

#[test]
fn a_count_with_a_valid_checksum_that_promises_too_much_is_refused() {
    let mut bytes = Vec::new();
    encode(&samples::portion(1, 0, 0, 1), 0, 0, usize::MAX, &mut bytes).unwrap();
    for (offsets, sections) in [(2, 1), (u32::MAX, 1), (1, 2), (1, u32::MAX), (1, 0)] {
        seal(&mut bytes, FORMAT, 0, 0, offsets, sections).unwrap();
        assert!(matches!(decode(&bytes), Err(Damage::Content(_))));
    }
    for readings in [2, u32::MAX] {
        bytes[HEADER_BYTES + 4..HEADER_BYTES + 8].copy_from_slice(&readings.to_le_bytes());
        seal(&mut bytes, FORMAT, 0, 0, readings, 1).unwrap();
        assert!(matches!(decode(&bytes), Err(Damage::Content(_))));
    }
}

#[test]
fn zeros_are_blank_and_not_broken() {
    assert_eq!(decode(&[0; 100]), Err(Damage::Blank));
    assert_eq!(decode(&[0; 10]), Err(Damage::CutOff));
}
