//! The audit chains as words that are ready to print: a part of two pages, of which auditors see one.

use super::report::{ChainView, HeadView, TrailView};
use crate::format;
use crate::plants::clock;
use crate::plants::report::Outage;
use crate::proof::Proof;
use genims_model::counted;

/// See `chains.html`.
pub(crate) struct ChainsPart<'a> {
    pub(crate) old: Option<String>,
    pub(crate) remark: Option<&'a str>,
    pub(crate) rows: Vec<ChainRow<'a>>,
    pub(crate) proofs: &'a [Proof],
}

pub(crate) struct ChainRow<'a> {
    pub(crate) database: &'a str,
    pub(crate) level: &'static str,
    pub(crate) verdict: String,
    pub(crate) writes: String,
    pub(crate) changes: String,
    pub(crate) sealed: String,
    pub(crate) heads: Vec<String>,
    pub(crate) breaks: Vec<String>,
}

impl<'a> ChainsPart<'a> {
    pub(crate) fn new(trail: &'a TrailView, now_ms: i64) -> Self {
        Self {
            old: old(trail.outage.as_ref(), trail.answered_ms, now_ms),
            remark: trail.remark.as_deref(),
            rows: trail.items.iter().map(|chain| row(chain, now_ms)).collect(),
            proofs: &trail.proofs,
        }
    }

    /// How many are not whole.
    pub(crate) fn broken(&self) -> usize {
        self.rows.iter().filter(|row| row.level == "bad").count()
    }
}

/// That nothing newer is known, and why.
pub(super) fn old(outage: Option<&Outage>, answered_ms: Option<i64>, now_ms: i64) -> Option<String> {
    let outage = outage?;
    let shown = match answered_ms {
        Some(at_ms) => format!("what is shown is of {}", clock(at_ms, now_ms)),
        None => "nothing is known yet".to_owned(),
    };
    Some(format!("no newer answer since {}; {shown}: {}", clock(outage.since_ms, now_ms), outage.cause))
}

fn row(chain: &ChainView, now_ms: i64) -> ChainRow<'_> {
    let (level, verdict) = match () {
        () if !chain.breaks.is_empty() => ("bad", format!("{} found", counted(chain.breaks.len(), "break"))),
        () if chain.is_cut() => ("bad", "shorter than its head says".to_owned()),
        () if chain.seal == 0 => ("plain", "nothing sealed yet".to_owned()),
        () if chain.heads.is_empty() => ("warn", "no head is kept of it".to_owned()),
        () => ("good", "no break found".to_owned()),
    };
    let number = |position: i64| format::count(position.unsigned_abs());
    let sealed = match chain.sealed_ms {
        Some(at_ms) => format!("{} (no. {})", clock(at_ms, now_ms), number(chain.seal)),
        None => format::UNKNOWN.to_owned(),
    };
    let head = |head: &HeadView| {
        let HeadView { place, kept_at, writes, changes, seal } = head;
        format!("{place}: seal {seal}, writes to {writes}, changes to {changes}, since {kept_at} UTC")
    };
    let breaks = chain.breaks.iter().map(|found| {
        let (at, expected, is) = (&found.found_at, found.expected, found.found);
        format!("found at {at} UTC: the head said {expected} writes, the trail had {is}")
    });
    ChainRow {
        database: &chain.database,
        level,
        verdict,
        writes: number(chain.writes),
        changes: number(chain.changes),
        sealed,
        heads: chain.heads.iter().map(head).collect(),
        breaks: breaks.collect(),
    }
}
