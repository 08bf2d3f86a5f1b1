//! How many dead letters of a replay are in memory at once: enter those to be replayed, leave pieces in the same order.

use genims_platform::dead_letters::KeptDeadLetter;

/// Dead letters published and marked at once.
pub(super) const CHUNK: usize = 100;
/// What their payloads hold together, unless one alone holds more.
const CHUNK_BYTES: i64 = 16 << 20;

/// The ids of each piece.
pub(super) fn pieces(held: &[KeptDeadLetter]) -> Vec<Vec<i64>> {
    let mut pieces: Vec<Vec<i64>> = Vec::new();
    let mut bytes = 0;
    for KeptDeadLetter { letter_id, kept_bytes } in held {
        match pieces.last_mut() {
            Some(piece) if piece.len() < CHUNK && bytes + kept_bytes <= CHUNK_BYTES => {
                piece.push(*letter_id);
                bytes += kept_bytes;
            }
            _ => {
                pieces.push(vec![*letter_id]);
                bytes = *kept_bytes;
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_has_a_bound_of_dead_letters_and_of_bytes_and_all_keep_their_order() {
        let of = |sizes: &[i64]| -> Vec<KeptDeadLetter> {
            (1..)
                .zip(sizes)
                .map(|(letter_id, kept_bytes)| KeptDeadLetter { letter_id, kept_bytes: *kept_bytes })
                .collect()
        };
        let small = pieces(&of(&[100; 250]));
        assert_eq!(small.iter().map(Vec::len).collect::<Vec<_>>(), [CHUNK, CHUNK, 50]);
        assert_eq!(small.concat(), (1..=250).collect::<Vec<i64>>());
        let half = CHUNK_BYTES / 2;
        assert_eq!(pieces(&of(&[half, half, 1, CHUNK_BYTES + 1, 1])), [vec![1, 2], vec![3], vec![4], vec![5]]);
        assert!(pieces(&[]).is_empty());
    }
}
