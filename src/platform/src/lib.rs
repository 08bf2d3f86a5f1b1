//! The platform: what makes, fills and reads the 17 databases outside the stream.
//!
//! - [`provision`]: databases, migrations, collections and partitions, from nothing or from where they stand
//! - [`verify`]: counts, references, rules of coherence, and the ledger against what the databases really hold
//! - [`capacity`]: what fills up, how fast, and which statements take long
//! - [`checklist`]: what must hold before go-live, line by line, with its evidence
//! - [`compliance`]: what an auditor asks about a day
//! - [`dictionary`]: what every table and column means, read from the schema
//! - [`doctor`]: whether every connection is as it should be
//! - [`maintenance`]: what wears out in use is put in order, in the hours that it is given
//! - [`hub`]: one read-only database in which all others can be asked together
//! - [`retention`]: what is older than it is kept goes, unless something holds it
//! - [`routes`]: what the databases say of the routes into them
//! - [`actions`]: what is done here, for the audit trail
//! - [`dead_letters`]: what was set aside, for `genims deadletter`

pub mod actions;
pub mod capacity;
pub mod checklist;
pub mod compliance;
pub mod dead_letters;
pub mod dictionary;
pub mod doctor;
pub mod errors;
pub mod hub;
mod link;
pub mod maintenance;
pub mod provision;
pub mod retention;
pub mod routes;
pub mod verify;

pub use errors::PlatformError;
