//! The go-live checklist: what must hold before the platform is entrusted with a plant, and how each line of it is looked at.
//!
//! - [`definition`]: config/checklist, embedded: the lines, by phase, each with its checks
//! - [`outcome`]: what a check found; [`report`]: what became of the lines
//! - [`question`]: SQL and commands of MongoDB that lines ask; [`benchmark`]: queries timed, alone and many at once
//! - [`signatures`]: lines that only people can settle, and who settled them
//! - [`page`]: the report as one HTML page
//!
//! In: files, databases, what the caller found elsewhere. Out: lines with their evidence. Invariants: no line holds without having been
//! looked at; nothing is changed but by a signature, and no signature is ever overwritten.

pub mod benchmark;
pub mod definition;
mod outcome;
mod page;
pub mod question;
mod report;
pub mod signatures;

pub use definition::{Check, Line, Lines};
pub use outcome::{LineState, Outcome};
pub use page::page;
pub use report::{ChecklistReport, LineReport};
pub use signatures::Signature;
