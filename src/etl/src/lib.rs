//! Jobs that fill the reporting database, the warehouse and the roll-ups of the document store from the PostgreSQL databases.
//!
//! - [`job`]: the files of config/etl, read and checked
//! - [`days`]: which UTC instants a day of a zone has, which days are computed anew, in what groups
//! - [`schedule`]: when a job is due
//! - [`source`]: one snapshot of each source: what changed, and rows out of it by COPY
//! - [`target`]: MySQL: staging tables, and one transaction that moves a group of days
//! - [`store`]: MongoDB: staging collections, and a swap that is brought to its end; [`documents`]: rows as documents
//! - [`group`]: a group of days, computed, compared and stored
//! - [`bookkeeping`]: lease, log of runs and what each day looked like, in PostgreSQL
//! - [`run`]: one run, from the lease to the log
//!
//! Invariants: of a job one run is under way at most; what readers of the target see changes by whole groups of days, and only to
//! what agrees with the sources; a run that was killed or failed leaves its days to the next one.

pub mod bookkeeping;
pub mod days;
pub mod documents;
mod error;
pub mod group;
pub mod job;
pub mod run;
pub mod schedule;
pub mod source;
pub mod store;
pub mod target;

pub use error::EtlError;
