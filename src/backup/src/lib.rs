//! Backups of the 17 databases, each alone, and what comes back from them.
//!
//! - [`backup`]: one or all databases into a folder or to S3; [`restore`]: one database out of it
//! - [`location`]: a folder, or a place in S3 ([`s3`]), with the same files
//! - [`manifest`]: what a backup says of itself, and whether its files are what it says; [`folder`]: where it lies, in S3 [`shelf`];
//!   [`candidates`]: which of those that lie there is meant, and whose they are
//! - [`encryption`]: for whom a backup is encrypted, and who opens it
//! - [`listing`]: which backups there are, and how old they are
//! - [`due`]: what the registry wants saved and kept ([`schedule`]), done and undone
//! - [`drill`]: both together, timed, on a copy under another name
//! - [`servers`]: copies of whole servers and what their own logs said since, for moments between backups; [`point`]: a database as it
//!   was at one
//! - [`lacking`]: whether PostgreSQL has what a mirror holds that is to be given again
//! - [`task`]: what an engine is given; [`action`]: what the audit trail is told
//! - [`errors`]: cause and remedy
//!
//! In: a registry, an environment, a location. Out: reports. Invariants: a backup is complete, stored and described by its manifest, or
//! it is none; of each database it shows one moment; a database is not touched before every byte of the backup was checked.

mod action;
pub mod backup;
mod candidates;
mod child;
pub mod drill;
pub mod due;
mod dump;
pub mod encryption;
pub mod errors;
mod folder;
mod lacking;
pub mod listing;
pub mod location;
pub mod manifest;
mod mongo;
mod mysql;
pub mod point;
mod postgres;
mod programs;
pub mod restore;
mod s3;
mod saved;
pub mod schedule;
mod scratch;
pub mod servers;
mod shelf;
pub mod task;
mod written;

pub use errors::BackupError;
pub use location::Location;
pub use manifest::Manifest;
