//! Backups of the 17 databases, each alone, and what comes back from them.
//!
//! - [`backup`]: one or all databases into a folder; [`restore`]: one database out of it
//! - [`manifest`]: what a backup says of itself, and whether its files are what it says; [`folder`]: where it lies
//! - [`listing`]: which backups a folder has, and how old they are
//! - [`drill`]: both together, timed, on a copy under another name
//! - [`task`]: what an engine is given
//! - [`errors`]: cause and remedy
//!
//! In: a registry, an environment, a folder. Out: reports. Invariants: a backup is complete, synced and described by its manifest, or
//! it has no name; of each database it shows one moment; a database is not touched before every byte of the backup was checked.

pub mod backup;
mod child;
pub mod drill;
mod dump;
pub mod errors;
pub mod folder;
pub mod listing;
pub mod manifest;
mod mongo;
mod mysql;
mod postgres;
mod programs;
pub mod restore;
pub mod task;
mod written;

pub use errors::BackupError;
pub use manifest::Manifest;
