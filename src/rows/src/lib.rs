//! Rows for any table, as far as the door: a payload goes in, rows that a database is going to take come out, and what is wrong
//! with the others, by column. No I/O, no clock.
//!
//! - [`access`]: for which databases rows are taken, and which tables a client may write; what is not said is denied
//! - [`payload`]: JSON forms, cut into rows and columns without losing a digit
//! - [`schema`]: what the live catalogue of a database says of its tables
//! - [`value`]: one value against its column, in the form that the database's writer passes on
//! - `number`: numbers among them, digit by digit
//! - `names`: what MongoDB takes as the name of a field
//! - [`gate`]: all of it together

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod access;
pub mod gate;
#[cfg(test)]
mod gate_tests;
mod names;
mod number;
pub mod payload;
pub mod schema;
pub mod value;
#[cfg(test)]
mod value_tests;

pub use access::{RowOptions, Tables};
pub use gate::Gate;
pub use schema::{Column, Dialect, Kind, Schema, Table};
