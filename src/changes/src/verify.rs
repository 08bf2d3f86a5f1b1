//! `genims audit verify`: the trail compared with itself and with what is kept elsewhere.
//!
//! In: the chains and seals of MySQL as of one moment, heads from the data folder and MongoDB, read before. Out: for each database
//! what was looked at and what differs, the first entry of each difference by its position. What is found:
//!
//! - an entry edited: its hash, its image's hash or, for columns that neither covers, its digest in a seal
//! - an entry deleted or put in between: positions and hashes of the chain
//! - an entry added without the delivery: no seal covers it
//! - a chain cut off or written anew: the heads

use crate::entry::{ChangedRow, Common, End, Ends, Write};
use crate::error::ChangesError;
use crate::heads::{self, Head, HeadsByDatabase, Kept};
use crate::read::{Reader, Span};
use genims_databases::{MongoSettings, MysqlSettings};
use serde::Serialize;
use std::path::Path;

mod seals;

use seals::{Checked, Digest, Digests};

/// Differences that are listed of one chain; more are only counted.
const LISTED_MAX: usize = 20;

#[derive(Clone, Debug, Serialize)]
pub struct TrailReport {
    pub databases: Vec<VerifiedTrail>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct VerifiedTrail {
    pub database: String,
    pub writes: u64,
    pub changes: u64,
    pub seals: u64,
    /// Heads that were compared.
    pub heads: Vec<&'static str>,
    pub findings: Vec<Finding>,
    pub findings_total: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `writes`, `changes`, `seals`.
    pub chain: &'static str,
    /// The first entry that differs.
    pub position: i64,
    pub what: String,
}

impl TrailReport {
    pub fn ok(&self) -> bool {
        self.databases.iter().all(|database| database.findings_total == 0)
    }
}

impl VerifiedTrail {
    fn find(&mut self, chain: &'static str, position: i64, what: impl Into<String>) {
        self.findings_total += 1;
        if self.findings.iter().filter(|finding| finding.chain == chain).count() < LISTED_MAX {
            self.findings.push(Finding { chain, position, what: what.into() });
        }
    }
}

/// What is kept outside MySQL, with the place.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    pub heads: Vec<(&'static str, HeadsByDatabase)>,
    pub checkpoints: Vec<(&'static str, HeadsByDatabase)>,
}

impl Outside {
    /// Of the data folder and of MongoDB; `remark` is told why the latter cannot be compared.
    pub async fn read(
        data_dir: &Path,
        mongo: Option<&MongoSettings>,
        remark: &dyn Fn(&ChangesError),
    ) -> Result<Self, ChangesError> {
        let mut outside = Self::default();
        for (kept, places) in [(Kept::Heads, &mut outside.heads), (Kept::Checkpoints, &mut outside.checkpoints)] {
            places.push(("the data folder", heads::from_file(kept, data_dir)?));
            let Some(mongo) = mongo else { continue };
            match heads::from_mongo(kept, mongo).await {
                Ok(all) => places.push(("MongoDB", all)),
                Err(error) => remark(&error),
            }
        }
        Ok(outside)
    }
}

/// Examines the trail of all databases, or of one. What is kept outside must have been read before.
pub async fn verify(
    settings: &MysqlSettings,
    outside: &Outside,
    only: Option<&str>,
) -> Result<TrailReport, ChangesError> {
    let mut reader = Reader::open(settings).await?;
    let mut names = reader.databases().await?;
    names.extend(outside.heads.iter().flat_map(|(_, all)| all.keys().cloned()));
    names.sort();
    names.dedup();
    let mut databases = Vec::new();
    for name in names.iter().filter(|name| only.is_none_or(|only| only == *name)) {
        let [kept, checkpoints] = [&outside.heads, &outside.checkpoints]
            .map(|places| places.iter().filter_map(|(place, all)| Some((*place, all.get(name)?))).collect::<Vec<_>>());
        databases.push(examine(&mut reader, name, &kept, &checkpoints).await?);
    }
    reader.close().await;
    Ok(TrailReport { databases })
}

async fn examine(
    reader: &mut Reader,
    database: &str,
    kept: &[(&'static str, &Head)],
    checkpoints: &[(&'static str, &Head)],
) -> Result<VerifiedTrail, ChangesError> {
    let mut report = VerifiedTrail { database: database.to_owned(), ..VerifiedTrail::default() };
    let [write, change] = reader.checkpoint(database).await?;
    for (chain, begin, of) in
        [("writes", &write, (|ends| &ends.write) as fn(&Ends) -> &End), ("changes", &change, |ends| &ends.change)]
    {
        let known = checkpoints.iter().map(|(_, kept)| of(&kept.ends));
        if begin.position > 0 && !known.into_iter().any(|known| is_covered(begin, known)) {
            let what = format!("to {} are said to be deleted by retention, and only MySQL says so", begin.position);
            report.find(chain, 1, what);
        }
    }
    let mut seals = Checked::new(kept.iter().map(|(_, head)| head.ends.seal.position));
    seals.all(reader, database, &mut report).await?;
    let heads = |of: fn(&Ends) -> &End| {
        let places = kept.iter().chain(checkpoints);
        places.map(|(place, head)| (*place, of(&head.ends).clone())).collect()
    };
    let digests = Digests::new(|seal| (seal.write.position, &seal.write_digests));
    let mut chain = Chain::new("writes", write, digests, heads(|ends| &ends.write));
    loop {
        let page = reader.writes(database, &Span::Behind(chain.end.position)).await?;
        let (Some(first), Some(last)) = (page.first(), page.last()) else { break };
        chain.digests.load(reader, database, first.common.position, last.common.position).await?;
        for entry in &page {
            report.writes += 1;
            chain.next(&entry.common, entry.hash(), entry.digest(), true, &mut report);
        }
    }
    chain.finish(seals.ends[0], &mut report);
    let digests = Digests::new(|seal| (seal.change.position, &seal.change_digests));
    let mut chain = Chain::new("changes", change, digests, heads(|ends| &ends.change));
    loop {
        let page = reader.changed_rows(database, chain.end.position).await?;
        let (Some(first), Some(last)) = (page.first(), page.last()) else { break };
        chain.digests.load(reader, database, first.common.position, last.common.position).await?;
        for entry in &page {
            report.changes += 1;
            chain.next(&entry.common, entry.hash(), entry.digest(), entry.images_are_true(), &mut report);
        }
    }
    chain.finish(seals.ends[1], &mut report);
    for (place, head) in kept {
        report.heads.push(place);
        let end = &head.ends.seal;
        let found = seals.hashes.get(&end.position).and_then(Option::as_ref);
        if end.position > 0 && found != Some(&end.hash) {
            report.find("seals", end.position, format!("is not the seal that {place} keeps, of {} UTC", head.at));
        }
        for broken in &head.breaks {
            let (was, is) = (broken.expected.write.position, broken.found.write.position);
            let what = format!(
                "entries were gone or other ones at {} UTC: the head kept in {place} said {was}, the trail ended at {is}",
                broken.found_at
            );
            report.find("writes", was.min(is) + 1, what);
        }
    }
    Ok(report)
}

/// Whether a chain may begin behind `begin`: a checkpoint that is kept elsewhere is there or further on.
fn is_covered(begin: &End, known: &End) -> bool {
    begin.position < known.position || begin == known
}

/// One chain, walked in order.
struct Chain {
    name: &'static str,
    end: End,
    digests: Digests,
    /// Where it is, by place.
    heads: Vec<(&'static str, End)>,
}

impl Chain {
    fn new(name: &'static str, begin: End, digests: Digests, heads: Vec<(&'static str, End)>) -> Self {
        // What retention deleted needs no head.
        let heads = heads.into_iter().filter(|(_, end)| end.position > begin.position).collect();
        Self { name, end: begin, digests, heads }
    }

    fn next(&mut self, entry: &Common, hash: String, digest: [u8; 32], images: bool, report: &mut VerifiedTrail) {
        let (name, position) = (self.name, entry.position);
        let expected = self.end.position + 1;
        if position != expected {
            report.find(name, expected, format!("is missing; the next entry is {position}"));
        } else if entry.previous_hash != self.end.hash {
            report.find(name, position, "does not follow the entry before it: one of the two was replaced");
        }
        let whose = || format!("{} of {} {}", entry.operation, entry.table, entry.key);
        if entry.row_hash != hash {
            report.find(name, position, format!("was altered ({}): its hash is not that of its columns", whose()));
        } else if !images {
            report.find(name, position, format!("was altered ({}): an image is not the one that was hashed", whose()));
        } else {
            match self.digests.of(position) {
                Digest::Before => {}
                Digest::Sealed(sealed) if sealed == digest => {}
                Digest::Sealed(_) => report.find(
                    name,
                    position,
                    format!("was altered ({}): it is not what was sealed at its delivery", whose()),
                ),
                Digest::Missing => {
                    report.find(name, position, format!("was inserted ({}): no seal covers it", whose()));
                }
            }
        }
        for (place, head) in self.heads.iter().filter(|(_, head)| head.position == position) {
            if head.hash != entry.row_hash {
                report.find(name, position, format!("is not the entry that {place} keeps the hash of: rewritten"));
            }
        }
        self.end = End { position, hash: entry.row_hash.clone() };
    }

    /// `sealed`: the last entry that the seals know.
    fn finish(self, sealed: i64, report: &mut VerifiedTrail) {
        let name = self.name;
        if sealed > self.end.position {
            report.find(
                name,
                self.end.position + 1,
                format!("and all behind it are cut off; sealed are entries to {sealed}"),
            );
        }
        for (place, head) in self.heads.iter().filter(|(_, head)| head.position > self.end.position) {
            let first = self.end.position + 1;
            report.find(
                name,
                first,
                format!("and all behind it are cut off; the head kept in {place} is {}", head.position),
            );
        }
    }
}

/// Whether an entry by itself is what it says; for those who look at some entries alone.
pub(crate) fn is_true(write: &Write, row: Option<&ChangedRow>) -> bool {
    let same_event = |row: &ChangedRow| {
        let (write, row) = (&write.common, &row.common);
        (&write.event_uid, &write.table, &write.key, &write.operation, &write.actor_id, write.occurred_at)
            == (&row.event_uid, &row.table, &row.key, &row.operation, &row.actor_id, row.occurred_at)
    };
    write.common.row_hash == write.hash()
        && row.is_none_or(|row| row.common.row_hash == row.hash() && row.images_are_true() && same_event(row))
}

#[cfg(test)]
mod tests;
