//! Which event of the stream becomes which row of which database.
//!
//! In: `config/routes/*.toml` (one file a database, form: `config/routes/README.md`) and events of the log. Out: statements
//! and documents that stores run; nothing here knows a connection.
//!
//! - [`event`]: an event as routes see it: named fields instead of numbers; [`vocabulary`]: the kinds and the fields
//! - [`file`]: what a route file may say; [`routes`]: all files together, checked against each other
//! - [`sql`]: a route as one statement over a batch of events; [`check`]: its tables and columns against the migrations
//! - [`document`]: a route as documents of MongoDB; [`joined`]: what they take from a look-up
//!
//! Invariant: what a route writes is a function of the event, of its database's own rows and of constants, so a batch that
//! was rolled back is written again as the same rows.

pub mod again;
pub mod check;
pub mod document;
pub mod event;
pub mod file;
pub mod joined;
pub mod routes;
pub mod sql;
pub mod vocabulary;

pub use event::RoutedEvent;
pub use file::{Lookup, Operation, Route};
pub use routes::{DatabaseRoutes, RouteError, Routes};
