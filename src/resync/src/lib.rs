//! A routed database that was cut off gets what it lacks: events made anew from the operations database.
//!
//! In: a gap ([`genims_stores::routed::gaps`]), and what the stream stored of its time. Out: rows, by the routes and the writer of the
//! stream, and a closed gap.
//!
//! - [`making`]: stored records become events again, by the analysis of the stream
//! - [`span`]: from when on, and until when, they may be in the gap; [`writing`]: which are, and into the database with them; [`closing`]: all
//!   of it, one after the other
//! - `energy`: what is metered beside what the stream told, `ends`: what the stream told too early
//! - [`request`]: what is asked and answered
//!
//! Invariants: no event is written twice, however often this is begun and killed, and whether it came by the stream before or behind the
//! gap; what cannot be made anew is counted.

pub mod closing;
mod ends;
mod energy;
pub mod making;
pub mod request;
pub mod span;
pub mod writing;
