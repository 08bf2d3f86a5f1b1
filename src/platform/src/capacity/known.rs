//! What one database said, whatever its engine.

use super::daily::Partitioned;
use super::growth::Growth;
use genims_databases::Engine;
use std::path::PathBuf;

#[derive(Clone, Debug)]
pub(super) struct Known {
    /// As the registry calls it.
    pub(super) database: String,
    pub(super) engine: Engine,
    /// `host:port`: several databases may be of one server.
    pub(super) server: String,
    pub(super) bytes: u64,
    pub(super) growth: Growth,
    pub(super) partitioned: Vec<Partitioned>,
    pub(super) numberings: Vec<Numbering>,
    /// Of PostgreSQL.
    pub(super) transaction_age: Option<u64>,
    pub(super) disk: Disk,
}

/// A sequence or an identity column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbering {
    /// `orders.order_no`, or the sequence's own name.
    pub(super) name: String,
    /// Whose rows take its numbers; none of a sequence that belongs to no table.
    pub(super) table: Option<String>,
    pub(super) last: u64,
    pub(super) limit: u64,
    /// How far a row takes it.
    pub(super) step: u64,
}

/// Where a server has its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    /// On this machine.
    Here(FileSystem),
    /// As the server says.
    Told { used: u64, total: u64 },
    /// Why it is not known.
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileSystem {
    /// The same for all that lies in it.
    pub(super) device: u64,
    /// What was looked for.
    pub(super) path: PathBuf,
    pub(super) total: u64,
    /// What others than root may still write.
    pub(super) free: u64,
}

/// `host:port` of a place, `host:port/database`.
pub(super) fn server(place: &str) -> &str {
    place.rsplit_once('/').map_or(place, |(server, _)| server)
}
