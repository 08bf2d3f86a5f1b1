//! What is left of a group when nothing but rows is needed of it: these stay where they are, and groups that only count
//! offsets stand for everything between them.

use genims_model::{Group, Row};

/// Groups in the place of this one, with the same offsets; marks are left out.
pub(crate) fn compact(group: &Group, mut is_needed: impl FnMut(u64, &Row) -> bool) -> Vec<Group> {
    let mut parts: Vec<Group> = Vec::new();
    let mut end = group.first_offset;
    let pass = |parts: &mut Vec<Group>, from: u64, below: u64| {
        if from < below {
            parts.push(Group { first_offset: from, skipped: below - from, ..Group::default() });
        }
    };
    let rows = (group.first_row_offset()..).zip(&group.rows);
    for (offset, row) in rows.filter(|(offset, row)| is_needed(*offset, row)) {
        pass(&mut parts, end, offset);
        end = offset + 1;
        match parts.last_mut().filter(|last| last.skipped == 0) {
            Some(last) => last.rows.push(row.clone()),
            None => parts.push(Group { first_offset: offset, rows: vec![row.clone()], ..Group::default() }),
        }
    }
    pass(&mut parts, end, group.next_offset());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::samples;

    #[test]
    fn rows_keep_their_offsets_and_nothing_else_is_left() {
        let whole = samples::group_of(&samples::portion(2, 6, 1, 1), 100);
        let first = whole.first_row_offset();
        assert_eq!(whole.rows.len(), 6, "the sample is no test");
        for needed in 0..64_u64 {
            let is_needed = |offset: u64| offset >= first && needed & (1 << (offset - first)) != 0;
            let parts = compact(&whole, |offset, _| is_needed(offset));
            let mut offset = whole.first_offset;
            for part in &parts {
                assert_eq!(part.first_offset, offset);
                assert_eq!(part.len(), part.rows.len() as u64 + part.skipped);
                assert!(part.rows.is_empty() != (part.skipped == 0), "{part:?}");
                offset = part.next_offset();
            }
            assert_eq!(offset, whole.next_offset());
            let kept: Vec<(u64, &Row)> =
                parts.iter().flat_map(|part| (part.first_row_offset()..).zip(&part.rows)).collect();
            let expected: Vec<(u64, &Row)> =
                (first..).zip(&whole.rows).filter(|(offset, _)| is_needed(*offset)).collect();
            assert_eq!(kept, expected);
        }
    }
}
