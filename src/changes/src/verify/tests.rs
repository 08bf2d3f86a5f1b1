//! A trail in memory, altered in every way.

use super::*;
use crate::change::ChangeOperation;
use crate::change::tests::change;
use crate::entry::{Ends, Seal, entries};
use chrono::NaiveDateTime;

struct Kept {
    writes: Vec<Write>,
    rows: Vec<ChangedRow>,
    seals: Vec<Seal>,
    ends: Ends,
}

fn at() -> NaiveDateTime {
    chrono::DateTime::from_timestamp(1_790_000_100, 0).expect("a time").naive_utc()
}

/// Entries 1 to 9, three in each seal behind the first.
fn trail() -> Kept {
    let mut ends = Ends::default();
    let database = "genims_erp_db";
    let first = Seal::new(database, at(), &ends, [Vec::new(), Vec::new()]);
    ends.seal = first.end();
    let mut kept = Kept { writes: Vec::new(), rows: Vec::new(), seals: vec![first], ends: Ends::default() };
    for batch in 0..3 {
        let mut digests = [Vec::new(), Vec::new()];
        for id in 1..=3 {
            let (write, row) = entries(database, change(batch * 3 + id, ChangeOperation::Update), id, at(), &mut ends);
            let row = row.expect("an update");
            digests[0].extend(write.digest());
            digests[1].extend(row.digest());
            kept.writes.push(write);
            kept.rows.push(row);
        }
        let seal = Seal::new(database, at(), &ends, digests);
        ends.seal = seal.end();
        kept.seals.push(seal);
    }
    kept.ends = ends;
    kept
}

fn examined(kept: &Kept) -> Vec<(&'static str, i64)> {
    let mut report = VerifiedTrail::default();
    let mut seals = Checked::new(std::iter::empty());
    let mut writes = Digests::new(|seal| (seal.write.position, &seal.write_digests));
    let mut changes = Digests::new(|seal| (seal.change.position, &seal.change_digests));
    for seal in &kept.seals {
        seals.add(seal, &mut report);
        writes.add(seal);
        changes.add(seal);
    }
    let head = |end: &End| vec![("the data folder", end.clone())];
    let mut chain = Chain::new("writes", End::default(), writes, head(&kept.ends.write));
    kept.writes.iter().for_each(|entry| chain.next(&entry.common, entry.hash(), entry.digest(), true, &mut report));
    chain.finish(seals.ends[0], &mut report);
    let mut chain = Chain::new("changes", End::default(), changes, head(&kept.ends.change));
    for entry in &kept.rows {
        chain.next(&entry.common, entry.hash(), entry.digest(), entry.images_are_true(), &mut report);
    }
    chain.finish(seals.ends[1], &mut report);
    report.findings.iter().map(|finding| (finding.chain, finding.position)).collect()
}

#[test]
fn a_trail_that_nobody_touched_has_no_findings() {
    assert_eq!(examined(&trail()), []);
}

type Edit = fn(&mut Kept);

#[test]
fn every_edit_is_found_at_its_entry() {
    let edits: [(&'static str, Edit); 6] = [
        ("writes", |kept| kept.writes[4].common.actor_id = "EMP-8".to_owned()),
        ("writes", |kept| kept.writes[4].client_address = None),
        ("writes", |kept| {
            kept.writes[4].transaction_id = Some("1".to_owned());
            kept.writes[4].common.row_hash = kept.writes[4].hash();
        }),
        ("changes", |kept| kept.rows[4].after = Some(r#"{"id":"7","status":"closed"}"#.to_owned())),
        ("changes", |kept| kept.rows[4].classification = "public".to_owned()),
        ("changes", |kept| kept.rows[4].write_position = 2),
    ];
    for (number, (chain, edit)) in edits.into_iter().enumerate() {
        let mut kept = trail();
        edit(&mut kept);
        assert_eq!(examined(&kept).first(), Some(&(chain, 5)), "edit {number}");
    }
}

#[test]
fn deletion_insertion_and_cut_are_found_where_they_begin() {
    let mut kept = trail();
    kept.writes.remove(4);
    assert_eq!(examined(&kept), [("writes", 5)]);

    let mut kept = trail();
    kept.rows.truncate(6);
    assert_eq!(examined(&kept), [("changes", 7), ("changes", 7)]);

    // With its seal, so that only the head knows.
    let mut kept = trail();
    kept.writes.truncate(6);
    kept.rows.truncate(6);
    kept.seals.truncate(3);
    assert_eq!(examined(&kept), [("writes", 7), ("changes", 7)]);

    let mut kept = trail();
    let mut ends = kept.ends.clone();
    let (write, row) = entries("genims_erp_db", change(99, ChangeOperation::Update), 1, at(), &mut ends);
    kept.writes.push(write);
    kept.rows.extend(row);
    assert_eq!(examined(&kept), [("writes", 10), ("changes", 10)]);
}

#[test]
fn a_trail_written_anew_differs_from_its_head() {
    let mut kept = trail();
    let mut other = trail();
    kept.ends.write.hash = "00".to_owned();
    std::mem::swap(&mut kept.writes, &mut other.writes);
    assert_eq!(examined(&kept), [("writes", 9)]);
    let mut kept = trail();
    kept.seals.remove(1);
    assert!(examined(&kept).contains(&("seals", 2)));
}
