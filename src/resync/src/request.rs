//! What is asked of a gap, and what is answered.

use genims_analysis::sensor::Rules;
use genims_catalogue::Catalogue;
use genims_stores::SinkError;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How to close a gap.
pub struct Asked<'a> {
    /// Since when it lacks events, where the gap does not know.
    pub since_us: Option<i64>,
    /// From here on another gap may lack what ends something in this one.
    pub until_us: i64,
    /// The kinds that the database's routes take.
    pub wanted: &'a BTreeSet<String>,
    pub rules: Rules,
    pub catalogue: Arc<Catalogue>,
    /// Is told of every batch.
    pub told: &'a (dyn Fn(&Made) + Send + Sync),
}

/// What became of a gap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Events that this run has written.
    pub made: u64,
    /// Those that an earlier run had written.
    pub made_before: u64,
    /// At the edges: the stream had written them.
    pub by_stream: u64,
    /// Of kinds that no route of the database takes.
    pub not_taken: u64,
    /// Those of `made` that the database refused for good, route by route.
    pub refused: u64,
    /// Ends that the stream had told when what they end was not there, and that were told once more behind it.
    pub told_again: u64,
    /// Rows of sensors or machines that master data does not know any more.
    pub unknown: u64,
    /// `made`, by kind.
    pub by_kind: BTreeMap<&'static str, u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum ResyncError {
    #[error("since when the database lacks events is not known: it never followed this log before; say it with --from")]
    BeginningUnknown,
    #[error("since when the database lacks events is known: leave --from out")]
    BeginningKnown,
    #[error(
        "--from is later than the end of the gap; say when the database began to lack events ({end} closes the gap, and makes \
         nothing before that anew)"
    )]
    BeginsBehindItsEnd { end: String },
    #[error(
        "the operations database has {has} of the {needed} records up to the end of the gap, or up to where the database has come since; wait until its sink `postgres` \
         has caught up (`genims top`), then run this again; where they will never come, --abandon closes the gap as it is"
    )]
    NotStored { has: u64, needed: u64 },
    #[error(
        "how far the stream into the database has come is not known: no batch has come since the gap. Start the server, or wait until \
         something is routed into the database, then run this again"
    )]
    NotFollowed,
    #[error(
        "the stream into the database has come to record {followed} of the {needed} that the operations database has; what it brings yet \
         would be made anew beside it. Start the server or wait until the database's sink has caught up (`genims top`), then run this again"
    )]
    Behind { followed: u64, needed: u64 },
    #[error(
        "another `genims routes resync` of this database is under way; wait for its end, then run this again: it goes on where \
         that one stopped"
    )]
    Another,
    #[error("the operations database cannot be asked: {0}")]
    Operations(#[source] SinkError),
    #[error(transparent)]
    Sink(#[from] SinkError),
}
